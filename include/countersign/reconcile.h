/* Reconciliation: what was captured as it happened, against what was billed.
 *
 * A bill is a day (or another stretch of time), a currency, and a total for each tenant. What the ledger has captured
 * is compared with it, tenant by tenant, and the comparison is recorded: its accuracy and age are metrics, a difference
 * beyond the tolerance is a blemish of the tenant (tiers), and with `apply` the difference is posted as a spend event
 * of kind "reconciliation" into the billed time, so that the counters are what was billed. The same bill again finds
 * nothing left to correct. */
#ifndef CS_RECONCILE_H
#define CS_RECONCILE_H

#include "countersign/spend.h"

typedef struct cs_bill_line {
    cs_slice tenant;
    int64_t billed_nanos;
} cs_bill_line;

typedef struct cs_bill {
    cs_slice source;        /* who billed: part of the events' ids */
    cs_slice currency;      /* three capital letters */
    int64_t from_ns, to_ns; /* whole quarters of hours, end exclusive */
    double tolerance;       /* of a tenant's difference, as a part of what was billed: 0.003 */
    bool apply;             /* post the differences */
    cs_slice author;
    const cs_bill_line *lines;
    size_t n_lines;
} cs_bill;

/* Compares and records. The document, in `a`, is {"id", "source", "currency", "from", "to", "tolerance", "captured",
 * "billed", "delta", "ratio", "accuracy", "within", "applied", "tenants": [{tenant, captured, billed, delta, ratio,
 * within}]}: money as decimal strings; `ratio` is captured over billed, null where nothing was billed. `done` is called
 * once if this returns CS_OK. CS_ERR_IO, CS_ERR_LIMIT: the journal takes nothing. Any thread. */
CS_MUST_CHECK cs_err cs_spend_reconcile(cs_spend *spend, const cs_bill *bill, cs_arena *a, cs_value *document,
                                        cs_journal_told *done, void *self, cs_error *e);

/* GET /v1/reconciliations: {"age_s", "fresh_ratio", "accuracy", "tenants": [{tenant, currency, source, from, to,
 * captured, billed, delta, ratio, within, at}]}: the last one of each tenant; fresh_ratio is the part of them under 24
 * hours old. */
cs_value cs_spend_reconciliations_document(cs_spend *spend, cs_arena *a);

#endif
