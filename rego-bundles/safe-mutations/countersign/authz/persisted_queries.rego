# Persisted queries.
#
# Only documents of the signed allowlist run. In phase `log` these reasons are reported and do not refuse; with
# bypass they are not looked for (the decision says so).
package countersign.authz

pq_found contains {"code": "pq_required"} if input.graphql.freeform

pq_found contains {"code": "pq_required"} if {
	not input.graphql.document_id
	not input.graphql.introspection
}

pq_found contains {"code": "pq_unknown", "document_id": id} if {
	id := input.graphql.document_id
	not operation
}

pq_found contains {"code": "pq_retired", "retired_at": operation.retired_at} if {
	is_number(operation.retired_at)
	input.now >= operation.retired_at
}

pq_found contains {"code": "pq_retired", "retired_at": null} if {
	operation.state == "retired"
	not operation.retired_at
}

pq_found contains {"code": "pq_not_yet_active", "not_before": operation.not_before} if {
	is_number(operation.not_before)
	input.now < operation.not_before
}

pq_found contains {"code": "pq_body_mismatch"} if input.graphql.body_matches == false

introspection_found contains {"code": "introspection_blocked"} if {
	input.graphql.introspection
	not introspection_allowed
}

# An operation that starts or ends at a certain time cannot be judged without the time.
time_bounds contains operation.not_before

time_bounds contains operation.retired_at

found contains {"code": "facts_missing", "fact": "now"} if {
	count(time_bounds) > 0
	not time_known
}

time_known if is_number(input.now)

demotable := pq_found | introspection_found if not bypass

demotable := introspection_found if bypass

# Phase log reports without refusing.
would_deny if {
	phase == "log"
	count(demotable) > 0
}

found contains reason if {
	phase != "log"
	some reason in demotable
}
