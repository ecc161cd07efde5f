package countersign.authz_test

import data.countersign.authz

# ---- a request that is allowed, and what stands around it

digest := "sha256:2f0c7b6f0a0e8f6b7a5d3c1e9b8a7f6e5d4c3b2a19080706050403020100ffee"

rename := "3f1c8b0f0a3f9b1f9c3a7f0f6f3c1d5e8a9b7c6d5e4f3a2b1c0d9e8f7a6b5c4d"

merge := "71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b"

enrich := "9a0d1c2b3e4f5061728394a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f"

by_id := "0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9eafb"

retired := "d4c3b2a19080706050403020100ffeed4c3b2a19080706050403020100ffeed4"

future := "e5d4c3b2a19080706050403020100ffeee5d4c3b2a19080706050403020100ff"

now := 1795500000000000000

base := {
	"version": "countersign/v1",
	"gateway": {"kind": "envoy_http", "body": "complete"},
	"request": {"id": "r-1", "method": "POST", "path": "/graphql"},
	"actor": {"sub": "alice", "tenant": "demo", "roles": ["analyst"]},
	"graphql": {
		"document_id": rename, "freeform": false, "batch": false, "kind": "mutation", "introspection": false,
		"variables": {"approvers": []}, "digest": digest,
	},
	"cost": {"currency": "USD", "estimate_nanos": 1000000},
	"now": now,
}

window(posted) := {
	"limit_nanos": 25000000000, "posted_nanos": posted, "held_nanos": 0, "remaining_nanos": 25000000000 - posted,
	"window_start": 1, "window_end": 2, "events": 1, "version": 1,
}

spend_of(posted) := {
	"meta": {"as_of": now, "lag_ms": 100, "caught_up": true, "replicas": 1, "overshoot_bound_nanos": 0},
	"demo": {"USD": {
		"daily": window(posted),
		"monthly": object.union(window(posted), {"limit_nanos": 750000000000}),
	}},
	"test": {"USD": {
		"daily": window(posted),
		"monthly": object.union(window(posted), {"limit_nanos": 750000000000}),
	}},
}

settings := {
	"pq": {"phase": "enforce", "bypass": false, "introspection": false},
	"on_stale": "deny", "stale_after_ms": 5000, "evidence": "verified",
}

grant(who, group) := {"approver": who, "groups": [group], "at": now - 1, "verified": "session"}

approval(grants) := {"demo": {digest: {
	"id": "apr-1", "state": "partially_approved", "requester": "alice", "escalated": false,
	"approve_by": now + 1000, "execute_by": null, "uses_left": 1, "grants": grants, "rejections": [],
}}}

two := approval([grant("bob", "platform-leads"), grant("carol", "platform-leads")])

edit(doc, op, path, value) := json.patch(doc, [{"op": op, "path": path, "value": value}])

without(doc, path) := json.patch(doc, [{"op": "remove", "path": path}])

set(path, value) := edit(base, "add", path, value)

merging := set("/graphql/document_id", merge)

asserting(ids) := json.patch(merging, [
	{"op": "replace", "path": "/actor/tenant", "value": "test"},
	{"op": "replace", "path": "/graphql/variables/approvers", "value": ids},
])

# ---- each case: the input, what differs around it, and the exact codes; no code means allowed

cases["allowed"] := {"input": base, "codes": []}

cases["query is allowed"] := {
	"input": json.patch(base, [
		{"op": "replace", "path": "/graphql/document_id", "value": by_id},
		{"op": "replace", "path": "/graphql/kind", "value": "query"},
	]),
	"codes": [],
}

cases["query needs no money"] := {
	"input": set("/graphql/document_id", by_id), "spend": spend_of(26000000000), "codes": [],
}

# what the allowlist says of the kind counts, not what the request says
cases["a mutation cannot call itself a query"] := {
	"input": set("/graphql/kind", "query"), "spend": spend_of(25000000000), "codes": ["budget_exceeded"],
}

# ---- the allowlist

cases["free-form"] := {"input": set("/graphql/freeform", true), "codes": ["pq_required"]}

cases["no id"] := {"input": without(base, "/graphql/document_id"), "codes": ["pq_required"]}

cases["unknown id"] := {"input": set("/graphql/document_id", "nope"), "codes": ["pq_unknown"]}

cases["retired"] := {"input": set("/graphql/document_id", retired), "codes": ["pq_retired"]}

cases["not yet active"] := {"input": set("/graphql/document_id", future), "codes": ["pq_not_yet_active"]}

cases["time missing where it matters"] := {
	"input": without(set("/graphql/document_id", retired), "/now"), "codes": ["facts_missing"],
}

cases["other body under the id"] := {"input": set("/graphql/body_matches", false), "codes": ["pq_body_mismatch"]}

cases["introspection"] := {"input": set("/graphql/introspection", true), "codes": ["introspection_blocked"]}

cases["introspection switched on"] := {
	"input": set("/graphql/introspection", true), "settings": edit(settings, "replace", "/pq/introspection", true),
	"codes": [],
}

cases["log phase lets unknown ids pass"] := {
	"input": set("/graphql/document_id", "nope"), "settings": edit(settings, "replace", "/pq/phase", "log"), "codes": [],
}

cases["log phase still counts money"] := {
	"input": set("/graphql/document_id", "nope"), "settings": edit(settings, "replace", "/pq/phase", "log"),
	"spend": spend_of(25000000000), "codes": ["budget_exceeded"],
}

cases["bypass"] := {
	"input": set("/graphql/document_id", "nope"), "settings": edit(settings, "replace", "/pq/bypass", true), "codes": [],
}

cases["bypass does not open introspection"] := {
	"input": set("/graphql/introspection", true), "settings": edit(settings, "replace", "/pq/bypass", true),
	"codes": ["introspection_blocked"],
}

# ---- the allowlist: hashes, clients, revisions

hash := "0f0c7b6f0a0e8f6b7a5d3c1e9b8a7f6e5d4c3b2a19080706050403020100ffee"

list := object.union(data.operations, {
	hash: object.union(data.operations[rename], {"document_sha256": hash}),
	"illustrative": object.union(data.operations[rename], {"document_sha256": hash}),
	"removed": {"state": "removed", "seen_in": "r40"},
	"for-web": {"clients": {"web": data.operations[rename]}},
	"risky-for-web": object.union(data.operations[rename], {"clients": {"web": data.operations[merge]}}),
})

named_by(id, client) := json.patch(base, [
	{"op": "replace", "path": "/graphql/document_id", "value": id},
	{"op": "add", "path": "/graphql/client", "value": {"name": client}},
])

cases["an id that is the document's hash"] := {
	"input": named_by(concat("", ["sha256:", hash]), "web"), "operations": list, "codes": [],
}

cases["an id that claims to be a hash and is none"] := {
	"input": named_by("sha256:illustrative", "web"), "operations": list, "codes": ["pq_unknown"],
}

cases["removed by a later revision"] := {
	"input": named_by("removed", "web"), "operations": list, "codes": ["pq_unknown"],
}

cases["listed for this client"] := {"input": named_by("for-web", "web"), "operations": list, "codes": []}

cases["listed for another client"] := {"input": named_by("for-web", "ios"), "operations": list, "codes": ["pq_unknown"]}

cases["listed for a client, which is unknown"] := {
	"input": set("/graphql/document_id", "for-web"), "operations": list, "codes": ["pq_unknown"],
}

cases["the client's own entry"] := {
	"input": named_by("risky-for-web", "web"), "operations": list, "codes": ["approval_required"],
}

cases["the entry for everybody else"] := {"input": named_by("risky-for-web", "ios"), "operations": list, "codes": []}

# ---- phases, by where they are said

demo_logs := edit(data.tenants, "add", "/demo/pq", {"phase": "log"})

phased(where) := edit(settings, "replace", "/pq", where)

unheard := set("/graphql/document_id", "nope")

cases["a tenant in phase log"] := {
	"input": unheard, "settings": phased({}), "tenants": demo_logs, "codes": [],
}

cases["what is said for all goes before the tenant's"] := {
	"input": unheard, "tenants": demo_logs, "codes": ["pq_unknown"],
}

cases["a tenant of the configuration"] := {
	"input": unheard,
	"settings": object.union(phased({"phase_for_others": "enforce"}), {"tenants": {"demo": {"pq": {"phase": "log"}}}}),
	"codes": [],
}

cases["another tenant of the configuration"] := {
	"input": unheard,
	"settings": object.union(phased({"phase_for_others": "enforce"}), {"tenants": {"test": {"pq": {"phase": "log"}}}}),
	"tenants": demo_logs, "codes": ["pq_unknown"],
}

cases["an override goes before the configuration's tenants"] := {
	"input": unheard,
	"settings": object.union(phased({"phase": "log"}), {"tenants": {"demo": {"pq": {"phase": "enforce"}}}}),
	"codes": [],
}

cases["nothing said but the default"] := {"input": unheard, "settings": phased({}), "codes": ["pq_unknown"]}

# ---- batches: every element must pass

batch_of(elements) := edit(base, "replace", "/graphql", {
	"batch": true, "freeform": true, "operations": elements, "variables": {}, "digest": digest,
})

read := {"document_id": by_id, "freeform": false, "introspection": false, "variables": {}}

cases["a batch of queries"] := {"input": batch_of([read, read]), "codes": []}

cases["a mutation in a batch"] := {
	"input": batch_of([read, object.union(read, {"document_id": rename})]), "codes": ["batch_blocked"],
}

cases["an unknown document in a batch"] := {
	"input": edit(batch_of([read, object.union(read, {"document_id": "nope", "kind": "query"})]), "add", "/cost", {}),
	"codes": ["pq_unknown"],
}

cases["free text in a batch"] := {
	"input": batch_of([read, {"freeform": true, "kind": "query", "introspection": false}]), "codes": ["pq_required"],
}

cases["other bodies in a batch"] := {
	"input": batch_of([read, object.union(read, {"body_matches": false})]), "codes": ["pq_body_mismatch"],
}

cases["introspection in a batch"] := {
	"input": batch_of([read, object.union(read, {"introspection": true})]), "codes": ["introspection_blocked"],
}

cases["a retired document in a batch"] := {
	"input": batch_of([read, object.union(read, {"document_id": "old"})]),
	"operations": object.union(data.operations, {"old": {"kind": "query", "state": "retired"}}), "codes": ["pq_retired"],
}

cases["an empty batch"] := {
	"input": batch_of([]), "codes": ["batch_blocked", "facts_missing", "pq_required"],
}

# ---- the request

cases["batch"] := {"input": set("/graphql/batch", true), "codes": ["batch_blocked"]}

cases["mutation by HEAD"] := {"input": set("/request/method", "HEAD"), "codes": ["mutation_over_get"]}

cases["mutation by GET"] := {"input": set("/request/method", "GET"), "codes": ["mutation_over_get"]}

cases["body absent, document known and harmless"] := {"input": set("/gateway/body", "absent"), "codes": []}

cases["body absent, document risky"] := {
	"input": json.patch(merging, [{"op": "replace", "path": "/gateway/body", "value": "absent"}]),
	"approvals": two, "codes": ["body_unavailable"],
}

cases["body truncated"] := {"input": set("/gateway/body", "truncated"), "codes": ["body_truncated"]}

cases["body not JSON"] := {"input": set("/gateway/body", "not_json"), "codes": ["body_unavailable"]}

# ---- money

cases["exactly the rest"] := {"input": base, "spend": spend_of(24999000000), "codes": []}

cases["one nano too much"] := {"input": base, "spend": spend_of(24999000001), "codes": ["budget_exceeded"]}

cases["held money counts"] := {
	"input": base,
	"spend": edit(spend_of(0), "replace", "/demo/USD/daily/held_nanos", 25000000000), "codes": ["budget_exceeded"],
}

cases["softened by an override"] := {
	"input": base, "spend": spend_of(26000000000),
	"settings": edit(settings, "add", "/softening", {"budget_percent": 120}), "codes": [],
}

cases["the softened limit holds"] := {
	"input": base, "spend": spend_of(30000000000),
	"settings": edit(settings, "add", "/softening", {"budget_percent": 120}), "codes": ["budget_exceeded"],
}

cases["contended"] := {"input": edit(base, "add", "/contended", true), "codes": ["budget_contended"]}

cases["above the ceiling"] := {
	"input": set("/cost/estimate_nanos", 10000000001), "approvals": two, "codes": ["cost_over_ceiling"],
}

cases["a client cannot lower the estimate"] := {
	"input": json.patch(base, [
		{"op": "replace", "path": "/graphql/document_id", "value": enrich},
		{"op": "replace", "path": "/cost/estimate_nanos", "value": 1},
	]),
	"codes": ["approval_required"],
}

cases["stale"] := {
	"input": base, "spend": edit(spend_of(0), "replace", "/meta/lag_ms", 5001), "codes": ["budget_data_stale"],
}

cases["stale, allowed by configuration"] := {
	"input": base, "spend": edit(spend_of(0), "replace", "/meta/lag_ms", 5001),
	"settings": edit(settings, "replace", "/on_stale", "allow"), "codes": [],
}

cases["not caught up"] := {
	"input": base, "spend": edit(spend_of(0), "replace", "/meta/caught_up", false), "codes": ["budget_not_ready"],
}

# ---- four eyes, verified

cases["risky without approval"] := {"input": merging, "codes": ["approval_required"]}

cases["costly without approval"] := {
	"input": set("/cost/estimate_nanos", 5000000001), "codes": ["approval_required"],
}

cases["at the threshold"] := {"input": set("/cost/estimate_nanos", 5000000000), "codes": []}

softened := edit(settings, "add", "/softening", {"four_eyes_threshold_nanos": 10000000000})

cases["costly below an override's threshold"] := {
	"input": set("/cost/estimate_nanos", 9999999999), "settings": softened, "codes": [],
}

cases["costly from an override's threshold on"] := {
	"input": set("/cost/estimate_nanos", 10000000000), "settings": softened, "codes": ["approval_required"],
}

cases["risky below an override's threshold"] := {
	"input": object.union(merging, {"cost": {"estimate_nanos": 9999999999}}), "settings": softened, "codes": [],
}

cases["risky from an override's threshold on"] := {
	"input": object.union(merging, {"cost": {"estimate_nanos": 10000000000}}),
	"settings": softened, "codes": ["approval_required"],
}

cases["a threshold that is no number softens nothing"] := {
	"input": merging, "codes": ["approval_required"],
	"settings": edit(settings, "add", "/softening", {"four_eyes_threshold_nanos": "10"}),
}

cases["two approvers"] := {"input": merging, "approvals": two, "codes": []}

cases["one approver"] := {
	"input": merging, "approvals": approval([grant("bob", "platform-leads")]), "codes": ["approval_required"],
}

cases["one approver twice"] := {
	"input": merging, "approvals": approval([grant("bob", "platform-leads"), grant("bob", "platform-leads")]),
	"codes": ["approval_required"],
}

cases["the requester does not count"] := {
	"input": merging, "approvals": approval([grant("alice", "platform-leads"), grant("bob", "platform-leads")]),
	"codes": ["approval_required"],
}

cases["a stranger does not count"] := {
	"input": merging, "approvals": approval([grant("bob", "platform-leads"), grant("eve", "visitors")]),
	"codes": ["approval_required"],
}

cases["managers before escalation"] := {
	"input": merging, "approvals": approval([grant("bob", "platform-leads"), grant("meg", "managers")]),
	"codes": ["approval_required"],
}

cases["managers after escalation"] := {
	"input": merging,
	"approvals": edit(
		approval([grant("bob", "platform-leads"), grant("meg", "managers")]), "replace",
		sprintf("/demo/%s/escalated", [digest]), true,
	),
	"codes": [],
}

cases["asserted grants are not enough"] := {
	"input": merging,
	"approvals": approval([grant("bob", "platform-leads"), object.union(grant("carol", "platform-leads"), {"verified": "asserted"})]),
	"codes": ["approval_required"],
}

cases["names in the variables are not enough"] := {
	"input": edit(merging, "replace", "/graphql/variables/approvers", ["bob", "carol"]), "codes": ["approval_required"],
}

cases["another digest"] := {
	"input": edit(merging, "replace", "/graphql/digest", "sha256:other"), "approvals": two, "codes": ["approval_required"],
}

cases["rejected"] := {
	"input": merging, "approvals": edit(two, "replace", sprintf("/demo/%s/state", [digest]), "rejected"),
	"codes": ["approval_rejected", "approval_required"],
}

cases["consumed"] := {
	"input": merging, "approvals": edit(two, "replace", sprintf("/demo/%s/uses_left", [digest]), 0),
	"codes": ["approval_consumed"],
}

cases["not executed in time"] := {
	"input": merging, "approvals": edit(two, "replace", sprintf("/demo/%s/execute_by", [digest]), now - 1),
	"codes": ["approval_execution_expired"],
}

cases["approval request expired"] := {
	"input": merging,
	"approvals": edit(approval([grant("bob", "platform-leads")]), "replace", sprintf("/demo/%s/approve_by", [digest]), now - 1),
	"codes": ["approval_expired", "approval_required"],
}

# ---- four eyes, asserted

cases["asserted: two others"] := {"input": asserting(["bob", "carol"]), "codes": []}

cases["asserted: nobody"] := {"input": asserting([]), "codes": ["approval_required"]}

cases["asserted: one other"] := {"input": asserting(["bob"]), "codes": ["approval_required"]}

cases["asserted: the same twice"] := {"input": asserting(["bob", "bob"]), "codes": ["approval_required"]}

cases["asserted: the requester"] := {
	"input": asserting(["alice", "bob"]), "codes": ["approval_required", "self_approval"],
}

cases["asserted: not strings"] := {"input": asserting([1, {"user": "bob"}, ""]), "codes": ["approval_required"]}

# ---- each fact missing in turn

cases["no actor"] := {"input": without(base, "/actor"), "codes": ["facts_missing", "tenant_unknown"]}

cases["no subject"] := {"input": without(base, "/actor/sub"), "codes": ["facts_missing"]}

cases["empty subject"] := {"input": set("/actor/sub", ""), "codes": ["facts_missing"]}

cases["no tenant"] := {"input": without(base, "/actor/tenant"), "codes": ["tenant_unknown"]}

cases["unknown tenant"] := {"input": set("/actor/tenant", "ghost"), "codes": ["tenant_unknown"]}

cases["no gateway"] := {"input": without(base, "/gateway"), "codes": ["facts_missing"]}

cases["no cost"] := {"input": without(base, "/cost"), "codes": ["cost_unknown", "facts_missing"]}

cases["no estimate"] := {"input": without(base, "/cost/estimate_nanos"), "codes": ["cost_unknown"]}

cases["negative estimate"] := {"input": set("/cost/estimate_nanos", -1), "codes": ["cost_unknown"]}

cases["estimate as a text"] := {"input": set("/cost/estimate_nanos", "1"), "codes": ["cost_unknown"]}

cases["fraction of a nano"] := {"input": set("/cost/estimate_nanos", 0.5), "codes": ["cost_unknown"]}

cases["no currency"] := {"input": without(base, "/cost/currency"), "codes": ["facts_missing"]}

cases["a currency without counters"] := {"input": set("/cost/currency", "EUR"), "codes": ["facts_missing"]}

cases["no kind anywhere"] := {
	"input": json.patch(base, [
		{"op": "replace", "path": "/graphql/document_id", "value": "nope"},
		{"op": "remove", "path": "/graphql/kind"},
	]),
	"codes": ["facts_missing", "pq_unknown"],
}

cases["no graphql"] := {"input": without(base, "/graphql"), "codes": ["facts_missing", "pq_required"]}

cases["no digest for a risky operation"] := {
	"input": without(merging, "/graphql/digest"), "codes": ["approval_required", "facts_missing"],
}

cases["no counters"] := {"input": base, "spend": {"meta": spend_of(0).meta}, "codes": ["facts_missing"]}

cases["one counter missing"] := {
	"input": base, "spend": without(spend_of(0), "/demo/USD/monthly"), "codes": ["facts_missing"],
}

cases["no freshness"] := {"input": base, "spend": without(spend_of(0), "/meta"), "codes": ["facts_missing"]}

cases["no lag"] := {"input": base, "spend": without(spend_of(0), "/meta/lag_ms"), "codes": ["facts_missing"]}

cases["no quorum"] := {
	"input": base, "tenants": without(data.tenants, "/demo/approval/quorum"), "codes": ["facts_missing"],
}

cases["quorum zero"] := {
	"input": base, "tenants": edit(data.tenants, "replace", "/demo/approval/quorum", 0), "codes": ["facts_missing"],
}

cases["no budgets"] := {"input": base, "tenants": without(data.tenants, "/demo/budgets"), "codes": ["facts_missing"]}

cases["suspended"] := {
	"input": base, "tenants": edit(data.tenants, "add", "/demo/suspended", true), "codes": ["tenant_suspended"],
}

cases["an unknown phase"] := {
	"input": base, "settings": edit(settings, "replace", "/pq/phase", "loud"), "codes": ["facts_missing"],
}

cases["an empty input"] := {"input": {}, "codes": ["cost_unknown", "facts_missing", "pq_required", "tenant_unknown"]}

answer(c) := r if {
	r := authz.result with input as c.input
		with data.operations as object.get(c, "operations", data.operations)
		with data.spend as object.get(c, "spend", spend_of(0))
		with data.settings as object.get(c, "settings", settings)
		with data.approvals as object.get(c, "approvals", {})
		with data.tenants as object.get(c, "tenants", data.tenants)
		with data.overrides as {"active": []}
}

wrong[name] := r.reason.codes if {
	some name, c in cases
	r := answer(c)
	r.reason.codes != c.codes
}

test_exact_codes if {
	print("differing:", wrong)
	count(wrong) == 0
}

test_every_case_has_an_answer if {
	answered := {name | some name, c in cases; answer(c)}
	count(cases) == count(answered)
	count(cases) >= 40
}

test_allowed_exactly_without_codes if {
	every _, c in cases {
		r := answer(c)
		expected := count(c.codes) == 0
		r.allow == expected
		r.allowed == r.allow
		r.status == {true: 200, false: 403}[r.allow]
	}
}

test_every_reason_has_a_message if {
	every _, c in cases {
		every code in c.codes {
			data.countersign.defaults.messages[code]
		}
	}
}

test_log_phase_says_what_it_would_refuse if {
	r := answer(cases["log phase lets unknown ids pass"])
	r.mode == "log"
	r.would_deny
	r.logged == ["pq_unknown"]
	r.headers["x-countersign-would-deny"] == "pq_unknown"
}

test_bypass_is_noted if {
	answer(cases.bypass).notes == {"bypass"}
}

test_remaining_is_shown if {
	answer(cases["exactly the rest"]).headers["x-countersign-budget-remaining"] == "daily=0.00;monthly=725.00"
}

test_body_is_graphql if {
	body := json.unmarshal(answer(cases["unknown id"]).body)
	body.errors[0].extensions.code == "PQ_UNKNOWN"
}

# Plain OPA, without the live documents: the bundle's own settings hold, and the missing counters refuse.
test_without_live_documents if {
	r := authz.result with input as base
	not r.allow
	r.reason.codes == ["facts_missing"]
}

test_effects_of_an_allowed_risky_mutation if {
	effects := answer(cases["two approvers"]).effects
	{e.type | some e in effects} == {"hold", "consume_approval", "compensation"}
}

test_a_contended_budget_asks_for_no_hold if {
	answer(cases.contended).effects == set()
}

test_what_is_held if {
	some effect in answer(cases.allowed).effects
	effect.type == "hold"
	effect.amount_nanos == 1000000
	effect.ttl_s == 60
	effect.scope == {"user": "alice"}
	{b | some b in effect.budgets} == {"daily", "monthly"}
}

test_effects_when_approval_is_missing if {
	effects := answer(cases["risky without approval"]).effects
	{e.type | some e in effects} == {"request_approval"}
}

# ---- budgets of a team and of each user

scoped_tenants := edit(data.tenants, "replace", "/demo/budgets", {
	"growth": {"window": "day", "limit": "10.00", "mode": "enforce", "scope": {"team": "growth"}},
	"users": {"window": "day", "limit": "5.00", "mode": "enforce", "per": "user"},
})

scoped_spend := {"meta": spend_of(0).meta, "demo": {"USD": {
	"growth": window(24999999999),
	"users": object.union(window(0), {"by": {"user": {"bob": window(25000000000)}}}),
}}}

scoped_codes(who, team) := codes if {
	codes := authz.codes with input as json.patch(base, [
		{"op": "replace", "path": "/actor/sub", "value": who},
		{"op": "add", "path": "/cost/scope", "value": {"team": team}},
	])
		with data.tenants as scoped_tenants
		with data.spend as scoped_spend
		with data.settings as settings
}

test_a_budget_looks_at_its_scope if {
	scoped_codes("alice", "core") == []
	scoped_codes("alice", "growth") == ["budget_exceeded"]
	scoped_codes("bob", "core") == ["budget_exceeded"]
	scoped_codes(null, "core") == ["facts_missing"]
}

# ---- no estimate: the tenant's default, or none at all

unpriced_codes(tenants) := codes if {
	codes := authz.codes with input as without(base, "/cost/estimate_nanos")
		with data.operations as json.patch(data.operations, [{"op": "remove", "path": [rename, "cost"]}])
		with data.tenants as tenants
		with data.spend as spend_of(0)
		with data.settings as settings
}

defaulted(nanos) := edit(data.tenants, "add", "/demo/default_estimate_nanos", nanos)

test_a_default_estimate if {
	"cost_unknown" in unpriced_codes(data.tenants)
	not "cost_unknown" in unpriced_codes(defaulted(1000000))
	"budget_exceeded" in unpriced_codes(defaulted(26000000000))
	"cost_unknown" in unpriced_codes(defaulted("1"))
}
