package system.log_test

import data.system.log

tenants := {
	"demo": {"tier": {"name": "canary"}},
	"acme": {"tier": {"name": "standard"}},
	"grown": {"tier": {"name": "canary"}},
}

spend := {"grown": {"USD": {"daily": {"tier": "standard"}}}, "demo": {"USD": {"daily": {"tier": "canary"}}}}

event(tenant) := {
	"decision_id": "d",
	"path": "countersign/authz/result",
	"input": {
		"version": "countersign/v1",
		"request": {"id": "r", "method": "POST", "path": "/graphql", "headers": {"x-user": "alice@example.org"}, "query": "q=secret"},
		"actor": {"sub": "alice", "tenant": tenant, "roles": ["analyst"], "email": "alice@example.org"},
		"graphql": {
			"document_id": "abc", "operation_name": "Ask", "digest": "sha256:1",
			"query": "{ask(prompt: \"my secret\")}", "variables": {"prompt": "my secret"},
		},
		"cost": {"estimate_nanos": 5},
		"prompt": "my secret",
		"messages": ["my secret"],
	},
	"result": {
		"allow": false,
		"reason": {"codes": ["approval_required"]},
		"effects": [{"type": "request_approval", "digest": "sha256:1", "variables": {"prompt": "my secret"}}],
		"echo": "my secret",
	},
}

masks(tenant) := {rule.path: rule.value | some rule in rules} if {
	rules := log.mask with input as event(tenant)
		with data.tenants as tenants
		with data.spend as spend
}

secret(value) if contains(json.marshal(value), "secret")

secret(value) if contains(json.marshal(value), "example.org")

test_a_canarys_record_is_whole if count(log.mask) == 0 with input as event("demo")
	with data.tenants as tenants
	with data.spend as spend

test_every_other_tenant_is_masked if {
	every tenant in ["acme", "unknown", "grown"] {
		m := masks(tenant)
		count(m) == 2
		not secret(m)
	}
}

test_who_left_the_tier_is_masked if not secret(masks("grown"))

test_what_is_harmless_stays if {
	m := masks("acme")
	m["/input"].actor == {
		"sub": "alice", "tenant": "acme", "roles": ["analyst"],
		"email": {"sha256": crypto.sha256("\"alice@example.org\"")},
	}
	m["/input"].graphql.document_id == "abc"
	m["/input"].graphql.digest == "sha256:1"
	m["/input"].cost == {"estimate_nanos": 5}
	m["/result"].reason == {"codes": ["approval_required"]}
	m["/result"].effects[0].type == "request_approval"
}

test_digests_are_of_the_value if {
	m := masks("acme")
	m["/input"].graphql.variables == {"sha256": crypto.sha256(`{"prompt":"my secret"}`)}
	m["/input"].messages == {"sha256": crypto.sha256(`["my secret"]`)}
	m["/result"].effects[0].variables == {"sha256": crypto.sha256(`{"prompt":"my secret"}`)}
}

test_no_tenant_is_no_canary if {
	rules := log.mask with input as {"input": {"user": "alice"}, "result": true}
		with data.tenants as tenants
	m := {rule.path: rule.value | some rule in rules}
	m == {"/input": {"user": {"sha256": crypto.sha256("\"alice\"")}}}
}

test_an_input_that_is_no_object if {
	rules := log.mask with input as {"input": "my secret", "result": ["my secret"]}
		with data.tenants as tenants
	m := {rule.path: rule.value | some rule in rules}
	not secret(m)
	count(m) == 2
}

test_a_tenant_cannot_smuggle_a_value_into_a_table if {
	e := object.union(event("acme"), {"input": {"request": "my secret", "graphql": ["my secret"], "gateway": {"kind": "x"}}})
	rules := log.mask with input as e
		with data.tenants as tenants
	m := {rule.path: rule.value | some rule in rules}
	m["/input"].request == {"sha256": crypto.sha256("\"my secret\"")}
	m["/input"].graphql == {"sha256": crypto.sha256(`["my secret"]`)}
}
