package system.authz_test

import data.system.authz

call_as(role, method, path) := r.allowed if {
	r := authz.allow with input as {
		"method": method, "path": path, "body": {"budget": "daily", "limit": "20.00"},
		"caller": {"subject": "x", "tenant": "acme", "roles": [role], "groups": [], "source": "jwt"},
	}
		with data.tenants as tenants
}

tenants := {
	"acme": {"budgets": {"daily": {"limit": "25.00", "self_service_limit": "30.00"}, "monthly": {"limit": "700"}}},
	"other": {"budgets": {"daily": {"limit": "25.00"}}},
}

may_set(role, budget, limit) if {
	authz.allow.allowed with input as {
		"method": "PUT", "path": ["v1", "tenants", "acme", "budget"], "body": {"budget": budget, "limit": limit},
		"caller": {"subject": "x", "tenant": "acme", "roles": [role], "groups": [], "source": "jwt"},
	}
		with data.tenants as tenants
}

test_a_tenants_admin_stays_within_bounds if {
	may_set("tenant_admin", "daily", "30.00")
	may_set("tenant_admin", "daily", 30)
	may_set("tenant_admin", "monthly", "700.00")
	not may_set("tenant_admin", "daily", "30.01")
	not may_set("tenant_admin", "monthly", "700.01")
	not may_set("tenant_admin", "monthly", "much")
	not may_set("tenant_admin", "yearly", "1")
	may_set("finops_admin", "daily", "1000000.00")
}

anonymous(method, path) := r.allowed if {
	r := authz.allow with input as {"method": method, "path": path}
}

roles := {role | some role, _ in data.system.authz.access.roles}

# Each row of the service's table, and the roles that may.
rows := [
	["PUT", ["v1", "bundles", "safe-mutations"], {"publisher"}],
	["GET", ["v1", "bundles", "safe-mutations"], {"publisher"}],
	["DELETE", ["v1", "bundles", "safe-mutations"], {"publisher"}],
	["GET", ["v1", "bundles"], {"publisher", "viewer", "finops_admin", "auditor"}],
	["PUT", ["v1", "bundles", "emergency-override"], {"finops_admin"}],
	["GET", ["v1", "bundles", "emergency-override"], {"finops_admin"}],
	["DELETE", ["v1", "bundles", "emergency-override"], {"finops_admin"}],
	["POST", ["v1", "events"], {"producer"}],
	["GET", ["v1", "spend", "acme"], {"viewer", "finops_admin", "tenant_admin"}],
	["GET", ["v1", "spend", "other"], {"viewer", "finops_admin"}],
	["GET", ["v1", "cost"], {"viewer", "finops_admin"}],
	["GET", ["v1", "reports", "finops"], {"viewer", "finops_admin"}],
	["GET", ["v1", "reconciliations"], {"viewer", "finops_admin"}],
	["POST", ["v1", "reconciliations"], {"finops_admin"}],
	["GET", ["v1", "forecast", "acme"], {"viewer", "finops_admin", "tenant_admin"}],
	["GET", ["v1", "forecast", "other"], {"viewer", "finops_admin"}],
	["GET", ["v1", "tenants", "acme", "budget"], {"viewer", "finops_admin", "tenant_admin"}],
	["GET", ["v1", "tenants", "other", "budget"], {"viewer", "finops_admin"}],
	["PUT", ["v1", "tenants", "acme", "budget"], {"finops_admin", "tenant_admin"}],
	["PUT", ["v1", "tenants", "other", "budget"], {"finops_admin"}],
	["DELETE", ["v1", "tenants", "acme", "budget"], {"finops_admin", "tenant_admin"}],
	["DELETE", ["v1", "tenants", "other", "budget"], {"finops_admin"}],
	["GET", ["v1", "holds", "h-1"], {"gateway", "finops_admin"}],
	["POST", ["v1", "holds", "h-1", "settle"], {"gateway", "finops_admin"}],
	["POST", ["v1", "holds", "h-1", "void"], {"gateway", "finops_admin"}],
	["GET", ["v1", "approvals"], {"viewer", "approver", "manager", "finops_admin", "auditor"}],
	["GET", ["v1", "approvals", "a-1"], {"viewer", "approver", "manager", "finops_admin", "auditor"}],
	["POST", ["v1", "approvals", "a-1", "approve"], {"approver", "manager"}],
	["POST", ["v1", "approvals", "a-1", "reject"], {"approver", "manager"}],
	["POST", ["v1", "approvals", "a-1", "revoke"], {"approver", "manager"}],
	["POST", ["v1", "approvals", "a-1", "delegate"], {"approver", "manager"}],
	["POST", ["v1", "approvals", "bulk"], {"approver", "manager"}],
	["GET", ["v1", "persisted-queries", "drift"], {"viewer", "publisher"}],
	["POST", ["v1", "authz", "envoy", "graphql"], {"gateway"}],
	["GET", ["v1", "authz", "nginx"], {"gateway"}],
	["POST", ["v1", "authz", "forward"], {"gateway"}],
	["POST", ["v1", "authz", "apollo"], {"gateway"}],
	["POST", ["v1", "data", "countersign", "authz", "result"], {"gateway"}],
	["PUT", ["v1", "data", "x"], set()],
	["PUT", ["v1", "policies", "x"], set()],
	["GET", ["v1", "audit"], {"auditor"}],
	["GET", ["v1", "audit", "head"], {"auditor"}],
	["POST", ["v1", "compensations", "replay"], {"finops_admin"}],
	["GET", ["admin", "budget", "status"], {"viewer", "finops_admin"}],
	["GET", ["metrics"], {"viewer", "finops_admin"}],
	["GET", ["console", ""], roles],
]

differing contains [row, role] if {
	some row in rows
	some role in roles
	permitted := role in row[2]
	call_as(role, row[0], row[1]) != permitted
}

test_every_row_for_every_role if {
	print("differing:", differing)
	count(differing) == 0
}

may_override(role, override_role) if {
	authz.allow.allowed with input as {
		"method": "PUT", "path": ["v1", "bundles", "emergency-override"], "overrides": {"role": override_role},
		"caller": {"subject": "x", "roles": [role]},
	}
}

test_the_configuration_says_who_may_override if {
	may_override("finops_admin", "finops_admin")
	may_override("incident_lead", "incident_lead")
	not may_override("finops_admin", "incident_lead")
	not may_override("publisher", "incident_lead")
}

test_anyone_may_ask_for_health if {
	anonymous("GET", ["health"])
	anonymous("GET", ["health", "budget"])
}

test_nobody_else_may_do_anything if {
	every row in rows {
		anonymous(row[0], row[1]) == false
	}
}

test_anyone_may_bring_a_signed_webhook if {
	anonymous("POST", ["v1", "approvals", "webhooks", "generic"])
	not anonymous("POST", ["v1", "approvals", "webhooks"])
}

approvals_of(params) if {
	authz.allow.allowed with input as {
		"method": "GET", "path": ["v1", "approvals"], "params": params,
		"caller": {"subject": "x", "tenant": "acme", "roles": ["tenant_admin"]},
	}
}

test_a_tenants_admin_sees_the_tenants_approvals if {
	approvals_of({"tenant": ["acme"]})
	not approvals_of({"tenant": ["other"]})
	not approvals_of({"tenant": ["acme", "other"]})
	not approvals_of({})
}

test_an_admin_without_a_tenant_is_nobodys_admin if {
	every path in [["v1", "spend", "acme"], ["v1", "spend", ""], ["v1", "tenants", "acme", "budget"]] {
		r := authz.allow with input as {
			"method": "GET", "path": path, "caller": {"subject": "x", "roles": ["tenant_admin"]},
		}
		r.allowed == false
	}
}

# All rows but the console's, which is for whoever is known.
test_an_unknown_role_is_no_role if {
	every row in array.slice(rows, 0, count(rows) - 1) {
		call_as("root", row[0], row[1]) == false
	}
}

test_roles_add_up if {
	r := authz.allow with input as {
		"method": "POST", "path": ["v1", "events"], "caller": {"roles": ["viewer", "producer"]},
	}
	r.allowed
}
