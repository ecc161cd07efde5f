# Persisted queries.
#
# Only documents of the signed allowlist run. In phase `log` these reasons are reported and do not refuse; with
# bypass they are not looked for (the decision says so).
package countersign.authz

pq_found contains {"code": "pq_required"} if {
	some element in elements
	element.freeform
}

pq_found contains {"code": "pq_required"} if {
	some element in elements
	not element.document_id
	not element.introspection
}

pq_found contains object.union({"code": "pq_unknown", "document_id": id}, seen(id)) if {
	some id in named
	not listed[id]
}

# The last revision that had it, where the list remembers.
seen(id) := {"seen_in": revision} if revision := data.operations[id].seen_in

else := {}

pq_found contains {"code": "pq_retired", "retired_at": entry.retired_at} if {
	some entry in listed
	is_number(entry.retired_at)
	input.now >= entry.retired_at
}

pq_found contains {"code": "pq_retired", "retired_at": null} if {
	some entry in listed
	entry.state == "retired"
	not entry.retired_at
}

pq_found contains {"code": "pq_not_yet_active", "not_before": entry.not_before} if {
	some entry in listed
	is_number(entry.not_before)
	input.now < entry.not_before
}

pq_found contains {"code": "pq_body_mismatch"} if {
	some element in elements
	element.body_matches == false
}

introspection_found contains {"code": "introspection_blocked"} if {
	some element in elements
	element.introspection
	not introspection_allowed
}

# An operation that starts or ends at a certain time cannot be judged without the time.
time_bounds contains entry.not_before if some entry in listed

time_bounds contains entry.retired_at if some entry in listed

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
