# Missing facts.
#
# A set of reasons to refuse that is empty because a fact was missing would be an open door. Every fact that a rule
# of this package reads is named here, and a mutation for which one is absent is refused.
package countersign.authz

required contains "requester"

required contains "settings"

required contains "operation_kind"

required contains "currency" if mutation

required contains "budget_counters" if {
	mutation
	tenant_known
}

required contains "spend_freshness" if mutation

required contains "approval_policy" if {
	mutation
	tenant_known
}

required contains "digest" if {
	mutation
	risky
	evidence != "asserted"
}

present contains "requester" if {
	is_string(input.actor.sub)
	input.actor.sub != ""
}

present contains "settings" if {
	phase in {"log", "enforce"}
	evidence in {"asserted", "verified"}
	on_stale in {"deny", "allow"}
	is_number(stale_after_ms)
}

present contains "operation_kind" if {
	count(kinds) > 0
	every kind in kinds {
		kind in {"query", "mutation", "subscription"}
	}
}

present contains "currency" if {
	is_string(currency)
	currency != ""
}

present contains "budget_counters" if {
	count(tenant.budgets) > 0
	every id, budget in tenant.budgets {
		counted(id, budget)
	}
}

# Of a budget that does not concern the request nothing needs to be known.
counted(_, budget) if not in_scope(budget)

counted(id, _) if {
	is_number(budgets[id].limit_nanos)
	is_number(budgets[id].posted_nanos)
	is_number(budgets[id].held_nanos)
}

present contains "spend_freshness" if {
	is_boolean(data.spend.meta.caught_up)
	is_number(data.spend.meta.lag_ms)
}

present contains "approval_policy" if {
	is_number(quorum)
	quorum > 0
	is_number(cost_threshold)
	is_object(defaults)
}

present contains "digest" if {
	is_string(input.graphql.digest)
	startswith(input.graphql.digest, "sha256:")
}

found contains {"code": "facts_missing", "fact": fact} if some fact in (required - present)

# The ones with a name of their own. (What is negated is a rule, never a call with a missing operand: `not f(x)` is undefined
# where x is.)
tenant_known if is_object(tenant)

estimate_given if valid_amount(input.cost.estimate_nanos)

estimate_given if {
	not priced
	valid_amount(tenant.default_estimate_nanos)
}

found contains {"code": "tenant_unknown", "tenant": object.get(input, ["actor", "tenant"], null)} if not tenant_known

found contains {"code": "tenant_suspended"} if tenant.suspended

found contains {"code": "cost_unknown"} if {
	mutation
	not estimate_given
}
