# Four eyes.
#
# A risky operation needs the consent of people other than the requester. With `evidence: verified` each must have
# acted on the approval request bound to this very operation; `asserted` believes the ids named in the variables.
package countersign.authz

risk_tags := {tag | some tag in operation.risk_tags; tag in defaults.risk_tags}

risky if {
	mutation
	needs_four_eyes
	not softened
}

needs_four_eyes if count(risk_tags) > 0

needs_four_eyes if estimate > cost_threshold

# An override may ask for four eyes only from a price on, whatever the tags.
softened if {
	threshold := setting(["softening", "four_eyes_threshold_nanos"])
	is_number(threshold)
	estimate < threshold
}

# ---- who is who: small letters, and the table of aliases. One person counts once, whatever their names.

aliases[fold(alias)] := fold(name) if some alias, name in data.countersign.people.aliases

fold(id) := lower(trim_space(id))

person(id) := object.get(aliases, fold(id), fold(id))

requesters contains person(input.actor.sub)

requesters contains person(approval.requester)

# ---- asserted: the ids that the request names

approvers contains person(id) if {
	evidence == "asserted"
	some id in input.graphql.variables.approvers
	is_string(id)
	fold(id) != ""
	not person(id) in requesters
	may_assert(id)
}

# A tenant may name who can be asserted as an approver; without such a list anybody else counts.
may_assert(_) if not approving.approvers

may_assert(id) if {
	some name in approving.approvers
	person(name) == person(id)
}

# ---- verified: what people did themselves, and still may

approvers contains person(grant.approver) if some grant in good_grants

good_grants contains grant if {
	evidence == "verified"
	not approval_lapsed
	some grant in approval.grants
	grant.verified != "asserted"
	not person(grant.approver) in requesters
	not for_requester(grant)
	may_still(grant)
	some group in grant.groups
	group in eligible_groups
}

# Whoever acts in somebody's place has their groups; in the requester's place nobody acts.
for_requester(grant) if person(grant.on_behalf_of) in requesters

# Where the members of the groups are listed, somebody who has left them has no vote any more.
may_still(grant) if not data.countersign.people.groups

may_still(grant) if {
	some group in grant.groups
	group in eligible_groups
	not data.countersign.people.groups[group]
}

may_still(grant) if {
	some group in grant.groups
	group in eligible_groups
	some member in data.countersign.people.groups[group]
	person(member) == person(object.get(grant, "on_behalf_of", grant.approver))
}

# After the escalation more groups count, not fewer people.
escalation_groups := {group | approval.escalated; some group in approving.escalation_groups}

eligible_groups := ({group | some group in approving.groups} | escalation_groups) | {group |
	some place in rules
	some group in place.groups
}

# ---- enough of them? Without rules people are counted. With rules each fills one place of one rule, and of all ways to seat
# them the best one counts: as many places as any set of rules leaves to be filled by those who fit it (Hall).

default have := 0

have := count(approvers) if count(rules) == 0

have := min(bounds) if count(rules) > 0

groups_of[name] contains group if {
	some grant in good_grants
	name := person(grant.approver)
	some group in grant.groups
}

places := array.concat(rules, [{"groups": eligible_groups, "quorum": quorum - sum([place.quorum | some place in rules])}])

fills[i] contains name if {
	some i, place in places
	some name, groups in groups_of
	count(groups & (place.groups | escalation_groups)) > 0
}

bounds contains bound if {
	some mask in numbers.range(0, bits.lsh(1, count(places)) - 1)
	chosen := {i | some i, _ in places; bits.and(mask, bits.lsh(1, i)) != 0}
	fit := {name | some i in chosen; some name in fills[i]}
	bound := (quorum - sum([places[i].quorum | some i in chosen])) + count(fit)
}

approval_lapsed if approval.state in {"rejected", "expired", "cancelled", "consumed"}

enough if have >= quorum

found contains {"code": "approval_required", "required": quorum, "have": have, "digest": digest} if {
	risky
	not enough
}

digest := object.get(input.graphql, "digest", null)

found contains {"code": "self_approval"} if {
	risky
	evidence == "asserted"
	some id in input.graphql.variables.approvers
	is_string(id)
	person(id) in requesters
	not enough
}

found contains {"code": "approver_ineligible", "approver": id} if {
	risky
	evidence == "asserted"
	some id in input.graphql.variables.approvers
	is_string(id)
	not person(id) in requesters
	not may_assert(id)
	not enough
}

found contains {"code": "approval_rejected", "approval": approval.id} if {
	risky
	evidence == "verified"
	rejected
}

# One rejection ends it, or as many as the tenant says. As long as it could have been approved nobody is asked again.
rejected if {
	approval.state == "rejected"
	not approval_over
}

rejected if {
	count(approval.rejections) >= object.get(approving, "rejections", 1)
	not approval_over
}

approval_over if input.now > approval.approve_by

found contains {"code": "approval_expired", "approval": approval.id} if {
	risky
	evidence == "verified"
	approval_too_late
}

# It was approved once: then it has a time to be used by.
was_approved if is_number(approval.execute_by)

approval_too_late if {
	approval.state == "expired"
	not was_approved
}

approval_too_late if {
	is_number(approval.approve_by)
	not was_approved
	not approval.state in {"rejected", "cancelled", "consumed"}
	input.now > approval.approve_by
	not enough
}

found contains {"code": "approval_execution_expired", "approval": approval.id} if {
	risky
	evidence == "verified"
	not approval.state in {"rejected", "cancelled", "consumed"}
	is_number(approval.execute_by)
	input.now > approval.execute_by
}

found contains {"code": "approval_consumed", "approval": approval.id} if {
	risky
	evidence == "verified"
	consumed
}

consumed if approval.state == "consumed"

consumed if approval.uses_left < 1

# ---- asking people: when nothing else stands in the way, and whoever was asked before is done with it

may_ask if {
	evidence == "verified"
	"approval_required" in codes
	every code in codes {
		code in {"approval_required", "approval_expired", "approval_execution_expired", "approval_consumed"}
	}
}

# What approvers see of the variables: not those that the operation keeps to itself.
shown_variables := json.patch(object.get(input.graphql, "variables", {}), [
{"op": "replace", "path": path, "value": "(masked)"} |
	some path in object.get(approving, "masked_variables", [])
	parts := split(trim_prefix(path, "/"), "/")
	object.get(input.graphql.variables, parts, null) != null
])
