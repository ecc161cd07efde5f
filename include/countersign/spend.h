/* Money as it happens: spend events folded into exact counters, seen by policies as data.spend.
 *
 * The ledger is a fold over the journal (journal.h): for each tenant and currency, sums in buckets of 15 minutes UTC. A
 * window of a budget (the day, the month in the tenant's zone) is a sum of buckets and a function of now, so nothing is
 * ever reset, and a changed zone or limit is right at once, for the past too. Limits are not in the log: they come from
 * the bundle's data.tenants, by cs_spend_configure.
 *
 * Threads: the journal's thread writes; anyone reads. Tenants are spread over shards with a mutex each, held for the
 * copying of a row. */
#ifndef CS_SPEND_H
#define CS_SPEND_H

#include "countersign/journal.h"
#include "countersign/metrics.h"
#include "countersign/store.h"

typedef struct cs_spend cs_spend;

typedef struct cs_spend_options {
    cs_journal *journal;            /* opened, not started: the ledger registers itself; outlives the ledger's users */
    cs_metrics *metrics;            /* NULL = none */
    bool shared;                    /* other processes append to the journal as well (Kafka) */
    int64_t dedupe_ns;              /* an id is remembered so long; 0 = 35 days */
    int64_t max_lateness_ns;        /* events that arrive later are flagged; 0 = 48 hours */
    int64_t stale_after_ns;         /* counters further behind are stale; 0 = 5 seconds */
    int64_t (*now_ns)(void *self);  /* NULL = the wall clock */
    int64_t (*mono_ns)(void *self); /* NULL = the monotonic clock; the life of holds is measured with it */
    void *now_self;                 /* of both */
} cs_spend_options;

/* Registers the fold: call before cs_journal_start. Never fails. */
cs_spend *cs_spend_new(const cs_spend_options *options);
/* After cs_journal_free, and when no view is in use. NULL is fine. */
void cs_spend_free(cs_spend *spend);

/* ---- limits: data.tenants
 *
 *   {"acme": {"timezone": "Europe/Paris", "currency": "EUR", "tier": {"name": "standard", "since": ns},
 *             "budgets": {"daily": {"window": "day", "limit": "25.00", "mode": "enforce", "alert_ratios":
 * [0.8, 1.0]}}}}
 *
 * timezone "UTC" and currency "USD" where missing; a budget may have its own currency, and `limit` (decimal string) or
 * `limit_nanos` (integer) or both if they agree. window: hour day week week:monday…week:sunday month quarter year
 * rolling:<n>h fixed:<from>/<to> (RFC 3339 instants or dates of the zone, end exclusive), of at most 400 days. */

/* Would cs_spend_configure take it? CS_OK or CS_ERR_INVALID with the first problem in *e; all of them in *problems, if
 * wanted: an array in `a` of {"path": "tenants.acme.budgets.daily.limit", "message": "…"}. Undefined `tenants` is {}.
 * Thread-safe. */
CS_MUST_CHECK cs_err cs_spend_check(cs_value tenants, cs_value tiers, cs_arena *a, cs_value *problems, cs_error *e);
/* Puts these limits into force for every tenant at once, or changes nothing. What it needs is copied. One thread at a
 * time; call it whenever a world with other tenants is published. */
CS_MUST_CHECK cs_err cs_spend_configure(cs_spend *spend, cs_value tenants, cs_value tiers, cs_arena *a,
                                        cs_value *problems, cs_error *e);

/* ---- the view: cs_store_mount(store, cs_spend_live(spend))
 *
 *   data.spend[tenant][currency][budget] = {window_start, window_end, posted_nanos, held_nanos, remaining_nanos,
 *     limit_nanos, late_nanos, corrected_nanos, events, last_event (ns or null), version, tier (name or null)}
 *   data.spend.meta = {as_of, lag_ms, caught_up, replicas, overshoot_bound_nanos}
 *
 * A tenant that neither is configured nor has spent is undefined. A sum that left the range of 64 bits is held at its
 * end, `overflow: true` stands in its rows and nothing remains. */
const cs_live *cs_spend_live(cs_spend *spend);

/* ---- limits changed by people */

typedef struct cs_budget_change {
    cs_slice tenant, budget;
    cs_slice currency; /* "" = the budget's */
    cs_slice author, reason;
    cs_slice request_id; /* the same id again changes nothing */
    int64_t limit_nanos;
    int64_t expires_ns; /* INT64_MAX = until it is taken back */
    bool reset;         /* take the last change back; limit and expiry do not matter */
} cs_budget_change;

/* Records the change; `done` is called exactly once if this returns CS_OK. CS_ERR_NOT_FOUND: the tenant has no such
 * budget in that currency; CS_ERR_IO, CS_ERR_LIMIT: the journal takes nothing. All texts are copied. Any thread. */
CS_MUST_CHECK cs_err cs_spend_change_budget(cs_spend *spend, const cs_budget_change *change, cs_journal_told *done,
                                            void *self, cs_error *e);
/* GET /v1/tenants/{tenant}/budget: {"tenant", "tier", "budgets": {id: {window, currency, limit, configured_limit,
 * change: null or {id, author, reason, at, expires_at}}}}. Undefined if the tenant is not configured. */
cs_value cs_spend_budgets_document(cs_spend *spend, cs_slice tenant, cs_arena *a);

/* ---- POST /v1/events */

/* What became of a body of events. */
typedef struct cs_spend_receipt {
    int status; /* 202; 400 if every event was rejected or the body is blank; 413 too many events; 503 the journal took
                   nothing */
    cs_slice body; /* JSON: {"accepted", "duplicates", "rejected": [{index, id, code, message}]}, or for 413 and 503
                      {"code", "message"} */
    size_t accepted, duplicates, conflicts, rejected; /* conflicts are among the duplicates */
    void *owner;
} cs_spend_receipt;
/* Takes the receipt over: free it with cs_spend_receipt_free, on any thread. */
typedef void cs_spend_posted(void *self, cs_spend_receipt *receipt);

/* Reads a body (one event, an array or NDJSON, whatever its content type says), appends what is well-formed and calls
 * `done` exactly once: on the calling thread, before this returns, where nothing could be appended; else on the
 * journal's thread when the events are durable and counted. The body is copied. Any thread; never waits. */
void cs_spend_post(cs_spend *spend, cs_slice body, cs_spend_posted *done, void *self);
void cs_spend_receipt_free(cs_spend_receipt *receipt);

/* ---- cost explorer and reports. They read files: not on a worker's loop. Any thread. */

/* Keeps what events cost by hour, operation, scope and tags: in this file, with the snapshots of the journal; NULL: in
 * memory, for what was read since the start. Call it before cs_journal_start. Errors as cs_journal_open. */
CS_MUST_CHECK cs_err cs_spend_keep_costs(cs_spend *spend, const char *path, cs_error *e);

enum { CS_COST_GROUPS = 6 };
typedef enum cs_cost_granularity { CS_COST_HOUR, CS_COST_DAY, CS_COST_MONTH, CS_COST_TOTAL } cs_cost_granularity;
typedef struct cs_cost_query {
    int64_t from_ns, to_ns; /* whole quarters of hours, end exclusive */
    cs_cost_granularity granularity;
    cs_slice timezone;         /* of days and months; "" = UTC */
    cs_slice group_by;         /* "tenant,operation,tag:cost_center,scope:team"; also document_id, kind, unit */
    cs_slice tenant, currency; /* "" = all */
    bool csv;
} cs_cost_query;
/* Appends a document {"from", "to", "granularity", "timezone", "group_by", "totals", "rows": [{start, end, …, currency,
 * amount, amount_nanos, events}]} or the rows as CSV (RFC 4180). Amounts are decimal strings; a currency is never added
 * to another. A correction that came before what it corrects stands at its arrival. CS_ERR_INVALID: a
 * parameter, CS_ERR_NOT_FOUND: the time zone; CS_ERR_LIMIT: too many rows; CS_ERR_IO: the file. */
CS_MUST_CHECK cs_err cs_spend_cost(cs_spend *spend, const cs_cost_query *query, cs_buf *out, cs_error *e);

/* The FinOps report of a day: who spent what, on which operations, against which limits. JSON; or with `csv` a row for
 * each combination of labels in the columns of FOCUS 1.2. `day` is "2026-11-23" in the time zone, "" = yesterday.
 * Errors as cs_spend_cost. */
CS_MUST_CHECK cs_err cs_spend_finops_report(cs_spend *spend, cs_slice day, cs_slice timezone, bool csv, cs_buf *out,
                                            cs_error *e);

/* What was learned of an operation's estimates from the holds that were posted: it costs `factor` times what is
 * estimated, give or take `error` of that. */
typedef struct cs_estimate {
    double factor, error;
    uint64_t samples;
} cs_estimate;
/* false before 10 samples. Any thread. */
bool cs_spend_estimate(cs_spend *spend, cs_slice document_id, cs_estimate *out);

/* GET /v1/forecast/{tenant}: what the month will come to: {tenant, currency, month, as_of, month_end, spent, limit,
 * projected, projected_nanos, low, high, confidence, exceeds_on, days_observed, method, backtest: {horizon_days,
 * origins, mean_absolute_percentage_error, coverage}}; money as decimal strings, null where fewer than 7 whole days are
 * known. The method is described in src/spend/forecast.c and docs/spend.md. `currency` "" = the tenant's. Undefined for
 * a tenant that nobody knows. Any thread, no files. */
cs_value cs_spend_forecast_document(cs_spend *spend, cs_slice tenant, cs_slice currency, cs_arena *a);

/* ---- documents */
typedef enum cs_spend_state { CS_SPEND_OK, CS_SPEND_DEGRADED, CS_SPEND_STALE, CS_SPEND_DOWN } cs_spend_state;
typedef struct cs_spend_health {
    cs_spend_state state;
    const char *name; /* "ok", "degraded", "stale", "down" */
    int status;       /* HTTP: 200 for ok and degraded, else 503 */
    int64_t lag_ms;
    bool caught_up;
} cs_spend_health;
/* ok; degraded: behind by more than half of stale_after, or the last write failed; stale: behind by more than
 * stale_after (while writes fail the counters fall behind), or not caught up yet; down: the log cannot be read. Any
 * thread. */
cs_spend_health cs_spend_health_now(cs_spend *spend);
/* The journal's: cs_journal_letters. */
size_t cs_spend_letters(cs_spend *spend, cs_arena *a, cs_journal_letter **out);
/* GET /health/budget: {"status", "lag_ms", "caught_up", "journal", "reason"?}. */
cs_value cs_spend_health_document(cs_spend *spend, cs_arena *a);
/* GET /admin/budget/status: {"canary_tenants": [...], "tenants": [...]}; an item is {tenant, known, tier, since,
 * promotes_at, currency, timezone, day: {limit, spent, held, remaining, ratio, window_start, window_end}, month: {…},
 * budgets: {id: {…}}}: money as decimal strings, times RFC 3339; null for what a tenant does not have. Sorted by name.
 */
cs_value cs_spend_status_document(cs_spend *spend, cs_arena *a);
/* GET /v1/spend/{tenant}: {"tenant", "known", "timezone", "tier", "spend": the tenant's rows with limit, posted, held,
 * remaining, late and corrected as decimal strings beside the nanos}. Undefined where data.spend has no such row. */
cs_value cs_spend_tenant_document(cs_spend *spend, cs_slice tenant, cs_arena *a);

#endif
