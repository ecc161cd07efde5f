# Roles.
#
# Who may call what, as OPA's authorization policy: input.path, input.method, input.caller (subject, tenant, roles, groups,
# source). What a role may do is a table in data.json: methods and a path whose parts are words, `*` for one part, `**` for the rest,
# `$tenant` for the caller's own tenant; with `params` the request must have these parameters.
package system.authz

default allow := {"allowed": false, "reason": "request rejected by administrative policy"}

allow := {"allowed": true} if permitted

permitted if {
	some entry in data.system.authz.access.anyone
	entry_matches(entry)
}

permitted if {
	some role in input.caller.roles
	some entry in data.system.authz.access.roles[role]
	entry_matches(entry)
	not override_path
	not beyond_bounds(role)
}

permitted if {
	input.caller.subject != ""
	some entry in data.system.authz.access.signed_in
	entry_matches(entry)
}

# An emergency override is for one role, which the configuration names (overrides.role), and for nobody else, whatever the
# tables say.
permitted if {
	override_path
	input.method in {"GET", "PUT", "DELETE"}
	override_role in input.caller.roles
}

override_path if input.path == ["v1", "bundles", "emergency-override"]

default override_role := "finops_admin"

override_role := input.overrides.role

# A tenant's admin sets a budget up to its `self_service_limit` in the bundle, or up to its limit there.
beyond_bounds("tenant_admin") if {
	input.method == "PUT"
	not within_bounds
}

within_bounds if {
	budget := data.tenants[input.caller.tenant].budgets[input.body.budget]
	to_number(input.body.limit) <= to_number(object.get(budget, "self_service_limit", budget.limit))
}

entry_matches(entry) if {
	method_matches(entry)
	path_matches(entry.path)
	params_match(entry)
}

# Each parameter once, so that nobody else reads another one.
params_match(entry) if {
	every name, pattern in object.get(entry, "params", {}) {
		count(input.params[name]) == 1
		part_matches(pattern, input.params[name][0])
	}
}

method_matches(entry) if input.method in entry.methods

method_matches(entry) if "*" in entry.methods

path_matches(pattern) if {
	not open_ended(pattern)
	count(pattern) == count(input.path)
	parts_match(pattern)
}

path_matches(pattern) if {
	open_ended(pattern)
	count(input.path) >= count(pattern) - 1
	parts_match(array.slice(pattern, 0, count(pattern) - 1))
}

open_ended(pattern) if pattern[count(pattern) - 1] == "**"

parts_match(pattern) if {
	every i, part in pattern {
		part_matches(part, input.path[i])
	}
}

part_matches("*", _) := true

part_matches("$tenant", part) if part == input.caller.tenant

part_matches(pattern, part) if pattern == part
