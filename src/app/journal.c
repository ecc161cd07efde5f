/* The journal and the ledger out of the configuration. */
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "internal.h"

/* How long a start waits for the past: a file's year of events is read in less. Kafka may be away, or far behind: then
 * the service starts, and says that it has not caught up. */
#define FILE_WAIT_NS (INT64_C(600) * CS_NS_PER_S)
#define KAFKA_WAIT_NS (INT64_C(3) * CS_NS_PER_S)
#define TICK_NS (INT64_C(500) * CS_NS_PER_MS)

static const cs_kafka_property *properties(cs_arena *a, const cs_config *c)
{
    size_t n = c->journal.n_kafka_properties;
    cs_kafka_property *out = cs_arena_array(a, cs_kafka_property, n + 1);
    for (size_t i = 0; i < n; i++) {
        out[i] = (cs_kafka_property){c->journal.kafka_properties[i].name.p, c->journal.kafka_properties[i].value.p};
    }
    return out;
}

cs_err cs_app__journal_check(const cs_config *c, cs_arena *a, cs_error *e)
{
    if (c->journal.kafka && cs_kafka_check(properties(a, c), c->journal.n_kafka_properties, e) != CS_OK) {
        return cs_fail_in(e, "journal.kafka.properties.");
    }
    return CS_OK;
}

/* The file of costs: where the configuration says, else beside the snapshot; in memory where there is none. */
static cs_err keep_costs(cs_app *app, const char *snapshot, cs_error *e)
{
    cs_slice path = app->config->spend.costs;
    if (path.n > 0) {
        return cs_spend_keep_costs(app->spend, cs_arena_printf(&app->arena, NULL, "%.*s", CS_FMT(path)), e);
    }
    return cs_spend_keep_costs(app->spend,
                               snapshot != NULL ? cs_arena_printf(&app->arena, NULL, "%s.costs", snapshot) : NULL, e);
}

static const char *snapshot_path(cs_arena *a, const cs_config *c, const char *sqlite_path)
{
    if (c->journal.snapshot_path.n > 0) {
        return cs_arena_printf(a, NULL, "%.*s", CS_FMT(c->journal.snapshot_path));
    }
    if (sqlite_path == NULL) {
        return "state/snapshot.db";
    }
    return strcmp(sqlite_path, ":memory:") != 0 ? cs_arena_printf(a, NULL, "%s.snapshot", sqlite_path) : NULL;
}

static cs_err open_journal(cs_app *app, bool alone, cs_error *e)
{
    const cs_config *c = app->config;
    cs_arena *a = &app->arena;
    CS_TRY(cs_app__journal_check(c, a, e));
    cs_journal_kafka kafka = {
        .brokers = c->journal.kafka ? cs_arena_dup(a, c->journal.kafka_brokers.p, c->journal.kafka_brokers.n) : NULL,
        .spend = c->journal.kafka_spend.p,
        .own = c->journal.kafka_own.p,
        .dead_letter = c->journal.kafka_dead_letter.p,
        .properties = properties(a, c),
        .n_properties = c->journal.n_kafka_properties,
        .again_ns = c->spend.dedupe_ns,
    };
    cs_journal_options options = {
        .sqlite_path = c->journal.kafka ? NULL : cs_arena_dup(a, c->journal.sqlite_path.p, c->journal.sqlite_path.n),
        .sync_normal = cs_slice_is(c->journal.sqlite_sync, "normal"),
        .kafka = c->journal.kafka ? &kafka : NULL,
        .snapshot_interval_ns = c->journal.snapshot_interval_ns,
        .metrics = app->metrics,
    };
    options.snapshot_path = alone ? NULL : snapshot_path(a, c, options.sqlite_path);
    CS_TRY(cs_journal_open(&options, &app->journal, e));
    cs_spend_options spend = {.journal = app->journal,
                              .metrics = app->metrics,
                              .shared = c->journal.kafka,
                              .dedupe_ns = c->spend.dedupe_ns,
                              .max_lateness_ns = c->spend.max_lateness_ns,
                              .stale_after_ns = c->spend.stale_after_ns};
    app->spend = cs_spend_new(&spend);
    const cs_value *id = alone ? NULL : cs_object_get_text(app->labels, "id");
    cs_slice replica = id != NULL ? cs_text(*id) : CS_LIT("");
    if (c->approvals.configured || alone) {
        app->approvals = cs_approvals_new(
            &(cs_approvals_options){.journal = app->journal, .metrics = app->metrics, .replica = replica});
    }
    app->effects = cs_effects_new(&(cs_effects_options){.journal = app->journal,
                                                        .spend = app->spend,
                                                        .approvals = app->approvals,
                                                        .replica = replica,
                                                        .replay_ns = c->spend.replay_ns});
    app->compensations = cs_compensations_new(app->journal);
    if (c->approvals.configured && !alone) {
        app->webhooks = cs_webhooks_new(&(cs_webhooks_options){.approvals = app->approvals,
                                                               .journal = app->journal,
                                                               .metrics = app->metrics,
                                                               .webhooks = c->approvals.webhooks,
                                                               .n = c->approvals.n_webhooks,
                                                               .replica = replica,
                                                               .shared = c->journal.kafka});
    }
    CS_TRY(alone ? cs_spend_keep_costs(app->spend, NULL, e) : keep_costs(app, options.snapshot_path, e));
    return CS_OK;
}

cs_err cs_app__journal_open(cs_app *app, cs_error *e)
{
    const cs_config *c = app->config;
    if (!c->spend.configured && !c->approvals.configured) {
        return CS_OK;
    }
    CS_TRY(open_journal(app, false, e));
    if (c->spend.configured) {
        cs_store_mount(app->store, cs_spend_live(app->spend));
    }
    if (c->approvals.configured) {
        cs_store_mount(app->store, cs_approvals_live(app->approvals));
    }
    return CS_OK;
}

cs_err cs_app__journal_open_alone(cs_app *app, cs_error *e)
{
    return open_journal(app, true, e);
}

void cs_app__journal_close(cs_app *app)
{
    cs_journal_free(app->journal);
    cs_compensations_free(app->compensations);
    cs_effects_free(app->effects);
    cs_approvals_free(app->approvals);
    cs_spend_free(app->spend);
}

/* ---- what the clock does to approvals */

static void tick(void *self)
{
    cs_app *app = self;
    cs_approvals_tick(app->approvals);
    cs_timer_start(app->tick, TICK_NS);
}

static void start_ticks(void *self)
{
    cs_app *app = self;
    app->tick = cs_timer_new(app->control, tick, app);
    cs_timer_start(app->tick, TICK_NS);
}

cs_err cs_app__journal_start(cs_app *app, cs_error *e)
{
    if (app->journal == NULL) {
        return CS_OK;
    }
    CS_TRY(cs_journal_start(app->journal, e));
    if (app->webhooks != NULL) {
        CS_TRY(cs_webhooks_start(app->webhooks, e));
    }
    if (app->approvals != NULL) {
        cs_loop_post(app->control, start_ticks, app);
    }
    bool kafka = app->config->journal.kafka;
    cs_err r = cs_journal_wait(app->journal, kafka ? KAFKA_WAIT_NS : FILE_WAIT_NS, e);
    if (kafka && r == CS_ERR_TIMEOUT) {
        cs_log(CS_LOG_WARN, "Serving before the journal has caught up.", 0, NULL);
        return CS_OK;
    }
    return r;
}
