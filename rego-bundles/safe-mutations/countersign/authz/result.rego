# Result.
#
# One document that every gateway can use: Envoy's, Kong's and APISIX's field names do not collide.
package countersign.authz

default allow := false

allow if count(found) == 0

default would_deny := false

codes := sort([code | some code in {reason.code | some reason in found}])

logged_codes := sort([code | some code in {reason.code | some reason in demotable; phase == "log"}])

default mode := "enforce"

mode := "log" if phase == "log"

default status := 403

status := 200 if allow

message(code) := object.get(defaults.messages, code, code)

graphql_errors := [{"message": message(code), "extensions": {"code": upper(code)}} | some code in codes]

body := {"errors": graphql_errors} if not allow

body := {} if allow

default remaining_header := ""

remaining_header := concat(";", [sprintf("%s=%s", [id, money(allowance(id))]) | some id, _ in budgets])

# Nano-units as a decimal text of two digits, rounded down: what a person reads.
money(nanos) := sprintf("%s%d.%02d", [sign, floor(cents / 100), cents % 100]) if {
	cents := floor(abs(nanos) / 10000000)
	sign := {true: "-", false: ""}[nanos < 0]
}

headers["x-countersign-decision"] := {true: "allow", false: "deny"}[allow]

headers["x-countersign-reason"] := concat(",", codes)

headers["x-countersign-would-deny"] := concat(",", logged_codes) if count(logged_codes) > 0

headers["x-countersign-budget-remaining"] := remaining_header if remaining_header != ""

headers["x-countersign-data-age-ms"] := sprintf("%d", [data.spend.meta.lag_ms])

headers["x-countersign-approval"] := approval.id

budget_view[id] := {
	"limit_nanos": budget.limit_nanos,
	"posted_nanos": budget.posted_nanos,
	"held_nanos": budget.held_nanos,
	"remaining_nanos": allowance(id),
	"window_end": budget.window_end,
} if {
	some id, budget in budgets
}

approval_view := {
	"required": quorum,
	"have": have,
	"digest": digest,
	"evidence": evidence,
	"request_id": object.get(approval_or_empty, "id", null),
	"approve_by": object.get(approval_or_empty, "approve_by", null),
	"escalates_at": object.get(approval_or_empty, "escalates_at", null),
} if {
	risky
}

default approval_or_empty := {}

approval_or_empty := approval

notes contains "bypass" if bypass

notes contains "override_active" if data.overrides.active[0]

notes contains "stale_data_allowed" if {
	mutation
	stale
	on_stale == "allow"
}

effects contains {
	"type": "hold",
	"budgets": [id | some id, _ in budgets],
	"scope": scope,
	"document_id": object.get(input.graphql, "document_id", ""),
	"estimate_nanos": object.get(operation_or_empty, ["cost", "estimate_nanos"], 0),
	"limits": softened_limits,
	"amount_nanos": estimate,
	"currency": currency,
	"ttl_s": object.get(operation_or_empty, ["hold", "ttl_s"], defaults.hold_ttl_s),
} if {
	allow
	mutation
}

# Limits that an override softened; of the others the service knows.
softened_limits[id] := floor((budget.limit_nanos * softened_percent) / 100) if {
	softened_percent != 100
	some id, budget in budgets
}

default operation_or_empty := {}

operation_or_empty := operation

# How the operation can be undone, as the allowlist says: another document, with those of the variables that it names (each
# by its path). Kept with the decision.
effects contains {
	"type": "compensation",
	"operation": object.get(operation, "name", ""),
	"document_id": operation.compensation.document_id,
	"variables": compensation_variables,
} if {
	allow
	mutation
}

compensation_variables[name] := object.get(input.graphql.variables, path, null) if {
	some name, path in object.get(operation.compensation, "variables", {})
}

effects contains {"type": "consume_approval", "approval": approval.id} if {
	allow
	risky
	evidence == "verified"
}

effects contains object.union(
	{
		"type": "request_approval",
		"digest": digest,
		"quorum": quorum,
		"operation": object.get(operation_or_empty, "name", ""),
		"document_id": object.get(input.graphql, "document_id", ""),
		"variables": shown_variables,
		"cost_nanos": estimate,
		"currency": currency,
	},
	{name: value | some name in asked; value := approving[name]},
) if {
	may_ask
}

# What else the tenant, or the operation, says of how people are asked.
asked := {
	"groups", "rules", "escalation_groups", "approve_within_s", "execute_within_s", "escalate_after_s", "uses", "rejections",
}

# METADATA
# title: The decision
# entrypoint: true
result := object.union_n([
	{
		"allow": allow,
		"allowed": allow,
		"status": status,
		"status_code": status,
		"http_status": status,
		"headers": headers,
		"response_headers_to_add": headers,
		"body": json.marshal(body),
		"message": body,
		"reason": {"codes": codes},
		"reasons": found,
		"budgets": budget_view,
		"mode": mode,
		"would_deny": would_deny,
		"logged": logged_codes,
		"notes": notes,
		"effects": effects,
	},
	{"approval": view | view := approval_view},
	{"override": active | active := data.overrides.active[0]},
])
