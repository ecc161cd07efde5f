# Requests.
#
# Shapes of a request that a mutation may not have.
package countersign.authz

# A gateway that does not send the body can still name the document, if the allowlist has its kind: then the facts above are
# complete without the body. A body that should be there and is not whole is another matter.
found contains {"code": "body_unavailable", "body": input.gateway.body} if {
	mutation
	input.gateway.body in {"absent", "not_json", "too_large"}
	not named_without_body
}

found contains {"code": "body_truncated"} if {
	mutation
	input.gateway.body == "truncated"
}

found contains {"code": "facts_missing", "fact": "body_status"} if {
	mutation
	not body_status_known
}

body_status_known if input.gateway.body in {"complete", "absent", "truncated", "too_large", "not_json"}

named_without_body if {
	input.gateway.body == "absent"
	operation
	count(object.get(operation, "risk_tags", ["unknown"])) == 0
}

found contains {"code": "batch_blocked"} if {
	mutation
	input.graphql.batch
}

found contains {"code": "mutation_over_get"} if {
	mutation
	input.request.method in {"GET", "HEAD"}
}
