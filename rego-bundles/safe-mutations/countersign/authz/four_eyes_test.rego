package countersign.four_eyes_test

import data.countersign.authz
import data.countersign.authz_test.digest
import data.countersign.authz_test.edit
import data.countersign.authz_test.merging
import data.countersign.authz_test.now
import data.countersign.authz_test.settings
import data.countersign.authz_test.spend_of

people := {
	"aliases": {"b.smith": "bob", "Bob@Example.org": "bob", "al": "alice"},
	"groups": {"platform-leads": ["bob", "carol", "dan"], "managers": ["meg"], "security": ["sue", "bob"]},
}

grant(who, groups) := {"approver": who, "groups": groups, "at": now - 1, "verified": "session"}

leads(names) := [grant(name, ["platform-leads"]) | some name in names]

request(grants, changes) := {"demo": {digest: object.union(
	{
		"id": "apr-1", "state": "approved", "requester": "alice", "escalated": false, "approve_by": now + 1000,
		"execute_by": now + 500, "uses_left": 1, "grants": grants, "rejections": [],
	},
	changes,
)}}

tenants(changes) := edit(data.tenants, "replace", "/demo/approval", object.union(data.tenants.demo.approval, changes))

decide(approvals, changes) := r if {
	r := authz.result with input as merging
		with data.approvals as approvals
		with data.countersign.people as people
		with data.spend as spend_of(0)
		with data.settings as settings
		with data.tenants as tenants(changes)
}

codes(grants, changes, section) := decide(request(grants, changes), section).reason.codes

required := ["approval_required"]

test_one_person_counts_once_whatever_the_name if {
	codes(leads(["bob", "carol"]), {}, {}) == []
	codes(leads(["bob", "b.smith"]), {}, {}) == required
	codes(leads(["BOB", " bob@example.org "]), {}, {}) == required
	codes(leads(["b.smith", "carol"]), {}, {}) == []
}

test_the_requester_does_not_count_by_any_name if {
	codes(leads(["bob", "Alice"]), {}, {}) == required
	codes(leads(["bob", "al"]), {}, {}) == required
}

instead(name, of) := object.union(grant(name, ["platform-leads"]), {"on_behalf_of": of})

test_in_somebodys_place if {
	codes([instead("eve", "bob"), grant("carol", ["platform-leads"])], {}, {}) == []
	codes([instead("eve", "alice"), grant("carol", ["platform-leads"])], {}, {}) == required
	codes([instead("alice", "bob"), grant("carol", ["platform-leads"])], {}, {}) == required
	codes([instead("eve", "zoe"), grant("carol", ["platform-leads"])], {}, {}) == required
}

test_who_has_left_has_no_vote if {
	codes(leads(["bob", "zoe"]), {}, {}) == required
	codes([grant("bob", ["platform-leads"]), grant("zoe", ["unlisted"])], {}, {"groups": ["platform-leads", "unlisted"]}) == []
}

test_escalation_widens_the_pool_and_not_the_quorum if {
	grants := [grant("bob", ["platform-leads"]), grant("meg", ["managers"])]
	codes(grants, {}, {}) == required
	codes(grants, {"escalated": true}, {}) == []
	codes([grant("meg", ["managers"])], {"escalated": true}, {}) == required
}

ruled := {"rules": [{"groups": ["security"], "quorum": 1}, {"groups": ["platform-leads"], "quorum": 1}]}

test_rules_need_a_person_each if {
	codes([grant("bob", ["platform-leads", "security"])], {}, ruled) == required
	codes([grant("bob", ["platform-leads", "security"]), grant("carol", ["platform-leads"])], {}, ruled) == []
	codes([grant("sue", ["security"]), grant("bob", ["platform-leads", "security"])], {}, ruled) == []
	codes(leads(["carol", "dan"]), {}, ruled) == required
	codes(leads(["carol", "dan", "bob"]), {}, ruled) == required
}

test_rules_and_others_besides if {
	three := object.union(ruled, {"quorum": 3})
	codes([grant("sue", ["security"]), grant("carol", ["platform-leads"])], {}, three) == required
	codes([grant("sue", ["security"]), grant("carol", ["platform-leads"]), grant("dan", ["platform-leads"])], {}, three) == []
	four := object.union(ruled, {"quorum": 4})
	codes(leads(["carol", "dan", "bob"]), {}, four) == required
}

test_escalated_rules if {
	grants := [grant("carol", ["platform-leads"]), grant("meg", ["managers"])]
	codes(grants, {}, ruled) == required
	codes(grants, {"escalated": true}, ruled) == []
}

have(grants, section) := decide(request(grants, {}), section).approval.have

# As many places as can be filled at once.
test_have if {
	have([], ruled) == 0
	have(leads(["carol", "dan", "bob"]), ruled) == 1
	have([grant("bob", ["platform-leads", "security"])], ruled) == 1
	have([grant("sue", ["security"]), grant("bob", ["platform-leads", "security"])], ruled) == 2
	have(leads(["carol", "dan", "bob"]), {}) == 3
}

test_ended_ones_count_for_nothing if {
	grants := leads(["bob", "carol"])
	codes(grants, {"state": "consumed", "uses_left": 0}, {}) == ["approval_consumed", "approval_required"]
	codes(grants, {"state": "cancelled"}, {}) == required
	codes(grants, {"state": "expired"}, {}) == required
	codes(grants, {"state": "expired", "execute_by": now - 1}, {}) == ["approval_execution_expired", "approval_required"]
	codes([], {"state": "expired", "execute_by": null, "approve_by": now - 1}, {}) == ["approval_expired", "approval_required"]
	codes(grants, {"state": "rejected"}, {}) == ["approval_rejected", "approval_required"]
	codes(grants, {"state": "rejected", "approve_by": now - 1}, {}) == required
}

asks(state, changes) := {e.type | some e in decide(request([], object.union({"state": state}, changes)), {}).effects}

test_people_are_asked_anew_unless_they_said_no if {
	asks("requested", {}) == {"request_approval"}
	asks("consumed", {}) == {"request_approval"}
	asks("cancelled", {}) == {"request_approval"}
	asks("expired", {"execute_by": now - 1}) == {"request_approval"}
	asks("rejected", {}) == set()
	asks("rejected", {"approve_by": now - 1}) == {"request_approval"}
}

test_what_is_asked if {
	section := object.union(ruled, {"uses": 3, "masked_variables": ["/secret", "/deep/er", "/nothing"]})
	r := authz.result with input as edit(merging, "replace", "/graphql/variables", {"a": 1, "secret": "x", "deep": {"er": [1]}})
		with data.spend as spend_of(0)
		with data.settings as settings
		with data.tenants as tenants(section)
	some effect in r.effects
	effect.type == "request_approval"
	effect.quorum == 2
	effect.rules == ruled.rules
	effect.uses == 3
	effect.groups == ["platform-leads"]
	effect.escalation_groups == ["managers"]
	[effect.approve_within_s, effect.execute_within_s, effect.escalate_after_s] == [86400, 3600, 1800]
	[effect.digest, effect.operation, effect.cost_nanos] == [digest, "MergeEntities", 1200000000]
	effect.variables == {"a": 1, "secret": "(masked)", "deep": {"er": "(masked)"}}
	not "rejections" in object.keys(effect)
}

test_an_operation_may_ask_for_more if {
	operations := edit(
		data.operations, "add", sprintf("/%s/approval", [merging.graphql.document_id]),
		{"quorum": 3, "unbound_variables": ["/approvers"]},
	)
	r := authz.result with input as merging
		with data.approvals as request(leads(["bob", "carol"]), {})
		with data.operations as operations
		with data.spend as spend_of(0)
		with data.settings as settings
	r.reason.codes == required
	r.approval.required == 3
}
