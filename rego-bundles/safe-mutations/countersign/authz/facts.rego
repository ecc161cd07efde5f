# Facts.
#
# What a decision depends on, read once, with the defaults of the bundle. A rule that denies reads only what is
# defined here, and whatever it needs but cannot find is itself a reason (missing.rego).
package countersign.authz

tenant := data.tenants[input.actor.tenant]

defaults := data.countersign.defaults

# ---- what is asked for: one request, or the elements of a batch

default elements := [{}]

elements := input.graphql.operations if batch_read

elements := [input.graphql] if {
	is_object(input.graphql)
	not batch_read
}

batch_read if {
	input.graphql.batch
	count(input.graphql.operations) > 0
}

named contains element.document_id if some element in elements

# What the allowlist has of them, by id.
listed[id] := entry if {
	some id in named
	entry := entry_of_client(find(id))
	object.get(entry, "state", "active") != "removed"
}

# "sha256:x" is the document with that hash and no other.
find(id) := entry if entry := data.operations[id]

else := entry if {
	hash := trim_prefix(id, "sha256:")
	hash != id
	entry := data.operations[hash]
	object.get(entry, "document_sha256", hash) == hash
}

# A client's own entry goes before the one for everybody.
entry_of_client(entry) := own if own := entry.clients[input.graphql.client.name]

else := entry if not entry.clients

else := entry if count(entry) > 1

operation := listed[input.graphql.document_id]

# What the signed allowlist says of a document weighs more than what the request says of itself.
kinds contains kind_of(element) if some element in elements

kind_of(element) := kind if kind := listed[element.document_id].kind

else := kind if kind := element.kind

else := "unknown"

# A request is a mutation unless all that is in it is known to be something else.
default mutation := true

mutation := false if {
	count(kinds) > 0
	every kind in kinds {
		kind in {"query", "subscription"}
	}
}

# ---- settings: live ones (override bundle, environment, configuration) before the bundle's own

setting(path) := object.get(data.settings, path, object.get(defaults.settings, path, null)) if data.settings

setting(path) := object.get(defaults.settings, path, null) if not data.settings

# Said for all (by an override, the environment or the configuration), else for the tenant, else by default.
phase := said if said := data.settings.pq.phase

else := said if said := data.settings.tenants[input.actor.tenant].pq.phase

else := said if said := data.settings.pq.phase_for_others

else := said if said := tenant.pq.phase

else := object.get(defaults.settings, ["pq", "phase"], null)

default bypass := false

bypass if setting(["pq", "bypass"]) in {true, 1, "1"}

default introspection_allowed := false

introspection_allowed if setting(["pq", "introspection"]) in {true, 1, "1"}

evidence := tenant.approval.evidence

evidence := setting(["evidence"]) if not tenant.approval.evidence

on_stale := setting(["on_stale"])

stale_after_ms := setting(["stale_after_ms"])

# ---- money, in nano-units

currency := input.cost.currency

# What the request says, unless the allowlist says more: an estimate from outside can only raise the figure.
estimate := max(estimates)

estimates contains input.cost.estimate_nanos if valid_amount(input.cost.estimate_nanos)

estimates contains operation.cost.estimate_nanos if valid_amount(operation.cost.estimate_nanos)

# Where nobody says anything of this operation: what the tenant's operations cost by default.
estimates contains tenant.default_estimate_nanos if {
	not priced
	valid_amount(tenant.default_estimate_nanos)
}

priced if valid_amount(input.cost.estimate_nanos)

priced if valid_amount(operation.cost.estimate_nanos)

valid_amount(x) if {
	is_number(x)
	x >= 0
	x == floor(x)
}

# Who and what the money is spent for: what the gateway says of it, and the user.
scope := object.union(users, object.get(input.cost, "scope", {}))

users["user"] := input.actor.sub

# The budgets that hold for this request: the tenant's, in the request's currency and scope.
budgets[id] := object.union(budget, counters(id, budget)) if {
	some id, budget in tenant.budgets
	is_object(data.spend[input.actor.tenant][currency][id])
	in_scope(budget)
}

in_scope(budget) if {
	every dimension, value in object.get(budget, "scope", {}) {
		scope[dimension] == value
	}
}

# A budget that counts each value of a dimension apart: the counters of this request's value.
counters(id, budget) := data.spend[input.actor.tenant][currency][id] if not budget.per

counters(id, budget) := object.union(row, object.get(row.by[budget.per], scope[budget.per], unused)) if {
	budget.per
	row := data.spend[input.actor.tenant][currency][id]
}

unused := {"posted_nanos": 0, "held_nanos": 0}

# The tier that the tenant stands in now, which may be a later one than the bundle says.
tier_now := data.spend[input.actor.tenant][currency][[id | some id, _ in tenant.budgets][0]].tier

# The amount a budget still allows, softened by an override where one is active.
allowance(id) := floor((budgets[id].limit_nanos * percent) / 100) - (budgets[id].posted_nanos + budgets[id].held_nanos) if {
	percent := softened_percent
}

tier_name := tier_now

tier_name := tenant.tier.name if not tier_now

default softened_percent := 100

softened_percent := p if {
	p := setting(["softening", "budget_percent"])
	is_number(p)
	tier_name in defaults.softened_tiers
}

# ---- four eyes

approval := data.approvals[input.actor.tenant][input.graphql.digest]

# What the tenant asks for, and what the operation asks for instead.
approving := object.union(tenant.approval, object.get(operation_or_empty, "approval", {}))

cost_threshold := approving.cost_threshold_nanos

# How many people: as many as are asked for, and as many as the rules come to.
quorum := max(quorums)

quorums contains approving.quorum

quorums contains sum([place.quorum | some place in rules]) if count(rules) > 0

rules := [{"groups": {group | some group in rule.groups}, "quorum": object.get(rule, "quorum", 1)} |
	some rule in object.get(approving, "rules", [])
]
