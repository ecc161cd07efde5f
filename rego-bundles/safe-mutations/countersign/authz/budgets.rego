# Budgets.
#
# Can the tenant afford it now? Amounts are integers of nano-units throughout.
package countersign.authz

found contains {
	"code": "budget_exceeded",
	"budget": id,
	"remaining_nanos": allowance(id),
	"needs_nanos": estimate,
	"resets_at": budgets[id].window_end,
} if {
	mutation
	some id, budget in budgets
	budget.mode == "enforce"
	estimate > allowance(id)
}

# The service says so when others took the money that was seen here, again and again: not asked for once more.
found contains {"code": "budget_contended"} if {
	mutation
	input.contended
}

found contains {"code": "cost_over_ceiling", "ceiling_nanos": operation.cost.ceiling_nanos, "needs_nanos": estimate} if {
	mutation
	estimate > operation.cost.ceiling_nanos
}

# Counters that are behind: refuse, unless the configuration says to go on.
stale if data.spend.meta.lag_ms > stale_after_ms

found contains {"code": "budget_data_stale", "lag_ms": data.spend.meta.lag_ms} if {
	mutation
	stale
	on_stale != "allow"
}

found contains {"code": "budget_not_ready"} if {
	mutation
	data.spend.meta.caught_up == false
	on_stale != "allow"
}
