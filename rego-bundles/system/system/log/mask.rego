# What the decision log and the audit log hold of a decision.
#
# Of tenants in the tiers named in data.json (the canaries, who have agreed to it) all of it. Of every other tenant, and where no
# tenant is known, only members that are known to be harmless: of the input those in the table, of whatever else stands there (variables,
# documents as text, bodies, headers, query strings) the SHA-256 of its JSON, so that who has the value can show that it was this one.
package system.log

mask contains {"op": "upsert", "path": "/input", "value": masked_input} if {
	not open
	input.input != masked_input
}

mask contains {"op": "upsert", "path": "/result", "value": masked_result} if {
	not open
	input.result != masked_result
}

# ---- whose records are whole

open if {
	tenant := input.input.actor.tenant
	open_tier(data.tenants[tenant].tier.name)
	every name in tiers_now(tenant) { open_tier(name) }
}

open_tier(name) if name in data.system.log.settings.open_tiers

# Tiers are earned: the one of now may be a later one than the bundle says.
tiers_now(tenant) := {row.tier |
	some currency
	some row in data.spend[tenant][currency]
	row.tier
}

# ---- the input

masked_input := members(input.input, data.system.log.settings.input) if is_object(input.input)

masked_input := digest(input.input) if not is_object(input.input)

# ---- the result

masked_result := object.union(
	members(input.result, data.system.log.settings.result),
	{"effects": [masked_effect(effect) | some effect in input.result.effects]},
) if {
	is_object(input.result)
	is_array(input.result.effects)
}

masked_result := members(input.result, data.system.log.settings.result) if {
	is_object(input.result)
	not is_array(input.result.effects)
}

masked_result := digest(input.result) if {
	not is_object(input.result)
	not plain(input.result)
}

masked_result := input.result if plain(input.result)

masked_effect(effect) := members(effect, data.system.log.settings.effect) if is_object(effect)

masked_effect(effect) := digest(effect) if not is_object(effect)

# ---- a table says of each member: true, it stays; an object, it stays as far as that says; anything else becomes a digest.
# Tables are two levels deep.

members(value, table) := {name: member(v, object.get(table, name, false)) | some name, v in value}

member(v, how) := v if how == true

member(v, how) := {name: part(w, object.get(how, name, false)) | some name, w in v} if {
	is_object(how)
	is_object(v)
}

member(v, how) := digest(v) if {
	is_object(how)
	not is_object(v)
}

member(v, how) := digest(v) if how == false

part(v, how) := v if how == true

part(v, how) := digest(v) if how == false

# ---- digests

# True, false, null and numbers say nothing about anybody.
plain(v) if is_boolean(v)

plain(v) if is_null(v)

plain(v) if is_number(v)

digest(v) := {"sha256": crypto.sha256(json.marshal(v))} if not plain(v)

digest(v) := v if plain(v)
