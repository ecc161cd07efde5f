# Four eyes.
#
# A risky operation needs the consent of people other than the requester. With `evidence: verified` each must have
# acted on the approval request bound to this very operation; `asserted` believes the ids named in the variables.
package countersign.authz

risk_tags := {tag | some tag in operation.risk_tags; tag in defaults.risk_tags}

risky if {
	mutation
	count(risk_tags) > 0
}

risky if {
	mutation
	estimate > cost_threshold
}

eligible_groups := {group | some group in tenant.approval.groups} | {group |
	approval.escalated
	some group in tenant.approval.escalation_groups
}

approvers contains id if {
	evidence == "asserted"
	some id in input.graphql.variables.approvers
	is_string(id)
	id != ""
	id != input.actor.sub
	may_assert(id)
}

# A tenant may name who can be asserted as an approver; without such a list anybody else counts.
may_assert(_) if not tenant.approval.approvers

may_assert(id) if id in tenant.approval.approvers

approvers contains grant.approver if {
	evidence == "verified"
	not approval_lapsed
	some grant in approval.grants
	grant.approver != input.actor.sub
	grant.approver != approval.requester
	grant.verified != "asserted"
	some group in grant.groups
	group in eligible_groups
}

approval_lapsed if approval.state in {"rejected", "expired", "cancelled", "consumed"}

found contains {"code": "approval_required", "required": quorum, "have": count(approvers), "digest": digest} if {
	risky
	count(approvers) < quorum
}

digest := object.get(input.graphql, "digest", null)

found contains {"code": "self_approval"} if {
	risky
	evidence == "asserted"
	input.actor.sub in input.graphql.variables.approvers
	count(approvers) < quorum
}

found contains {"code": "approver_ineligible", "approver": id} if {
	risky
	evidence == "asserted"
	some id in input.graphql.variables.approvers
	id != input.actor.sub
	not may_assert(id)
	count(approvers) < quorum
}

found contains {"code": "approval_rejected", "approval": approval.id} if {
	risky
	evidence == "verified"
	rejected
}

rejected if approval.state == "rejected"

rejected if count(approval.rejections) > 0

found contains {"code": "approval_expired", "approval": approval.id} if {
	risky
	evidence == "verified"
	approval_too_late
}

approval_too_late if approval.state == "expired"

approval_too_late if {
	is_number(approval.approve_by)
	input.now > approval.approve_by
	count(approvers) < quorum
}

found contains {"code": "approval_execution_expired", "approval": approval.id} if {
	risky
	evidence == "verified"
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
