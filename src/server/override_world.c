/* The override into the world and out of it again. The world's pin looks at the clock itself; what happens here behind
 * the end (the limits of the ledger, a line in the log) only follows. */
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "internal.h"
#include "override.h"

#define TICK_NS CS_NS_PER_S

/* ---- documents */

static cs_value signers_value(cs_arena *a, const cs_override__draft *d)
{
    cs_value names[2];
    for (size_t i = 0; i < d->n_signers; i++) {
        names[i] = cs_string_copy(a, d->signers[i]);
    }
    return cs_array_copy(a, names, (uint32_t)d->n_signers);
}

/* What decisions are told: an item of data.overrides.active. */
static cs_value about(cs_arena *a, const cs_override__draft *d, const cs_override__record *r)
{
    cs_value v = cs_object_new(a, 8);
    cs_object_put_text(a, v, "id", cs_string(r->id));
    cs_object_put_text(a, v, "name", cs_string(CS_LIT(CS_OVERRIDE_NAME)));
    cs_object_put_text(a, v, "revision", cs_string(r->revision));
    cs_object_put_text(a, v, "reason", cs_string(r->reason));
    cs_object_put_text(a, v, "author", cs_string(r->author));
    cs_object_put_text(a, v, "signers", signers_value(a, d));
    cs_object_put_text(a, v, "activated_at", cs_int(r->put_ns));
    cs_object_put_text(a, v, "expires_at", cs_int(r->until_ns));
    return v;
}

static cs_value instant(cs_arena *a, int64_t ns)
{
    char out[40];
    size_t n = cs_time_format_rfc3339(ns, out);
    return cs_string_copy(a, cs_slice_make(out, n));
}

cs_value cs_override__document(cs_override *o, cs_arena *a)
{
    int64_t now = cs_time_wall_ns();
    cs_override__record r;
    if (!cs_override__current(o, a, now, &r)) {
        return cs_undefined();
    }
    cs_mutex_lock(&o->lock);
    bool in_force = cs_slice_is(r.id, o->in_force);
    cs_mutex_unlock(&o->lock);
    if (!in_force) {
        return cs_undefined();
    }
    cs_value v = cs_object_new(a, 10);
    cs_object_put_text(a, v, "name", cs_string(CS_LIT(CS_OVERRIDE_NAME)));
    cs_object_put_text(a, v, "revision", cs_string(r.revision));
    cs_object_put_text(a, v, "digest", cs_string(r.digest));
    cs_object_put_text(a, v, "activated_at", instant(a, r.put_ns));
    cs_object_put_text(a, v, "expires_at", instant(a, r.until_ns));
    cs_object_put_text(a, v, "ttl_s", cs_int((r.until_ns - r.put_ns) / CS_NS_PER_S));
    cs_object_put_text(a, v, "remaining_s", cs_int((r.until_ns - now) / CS_NS_PER_S));
    cs_object_put_text(a, v, "id", cs_string(r.id));
    cs_object_put_text(a, v, "reason", cs_string(r.reason));
    cs_object_put_text(a, v, "author", cs_string(r.author));
    return v;
}

/* ---- laying it over */

static cs_err put(cs_txn *txn, const cs_override__draft *d, const cs_override__record *r, cs_error *e)
{
    const cs_bundle *b = d->bundle;
    cs_arena *a = cs_txn_arena(txn);
    cs_policy_source *modules = cs_arena_array(a, cs_policy_source, b->n_modules + 1);
    cs_value *packages = cs_arena_array(a, cs_value, b->n_modules + 1);
    for (size_t i = 0; i < b->n_modules; i++) {
        const cs_bundle_module *m = &b->modules[i];
        modules[i] = (cs_policy_source){
            .file = cs_bundle_module_id(a, b->name, m), .text = m->text, .rego_version = m->rego_version};
        packages[i] = m->package;
    }
    cs_txn_overlay overlay = {.bundle = {.name = b->name,
                                         .revision = b->manifest.revision,
                                         .etag = b->etag,
                                         .roots = b->manifest.roots,
                                         .n_roots = b->manifest.n_roots,
                                         .data = b->data,
                                         .manifest = b->manifest.document,
                                         .modules = modules,
                                         .n_modules = b->n_modules},
                              .packages = packages,
                              .until_ns = r->until_ns,
                              .about = about(a, d, r),
                              .live_root = "overrides"};
    cs_value items[1] = {overlay.about};
    overlay.live = cs_object_new(a, 1);
    cs_object_put_text(a, overlay.live, "active", cs_array_copy(a, items, 1));
    return cs_txn_overlay_put(txn, &overlay, e);
}

/* With the override put: does all compile, and are its documents what they must be? */
static cs_err check(const cs_override *o, cs_txn *txn, const cs_bundle *bundle, cs_errors *errors, cs_error *e)
{
    if (cs_txn_compile(txn, errors) != CS_OK) {
        return cs_fail(e, CS_ERR_BUNDLE_COMPILE, "the override does not compile with the policy that it lies over");
    }
    cs_value seen = cs_txn_seen(txn, INT64_MIN, NULL);
    return cs_server__check_documents(o->server, seen, bundle, cs_txn_arena(txn), e);
}

cs_err cs_override__try(cs_override *o, const cs_override__draft *d, const cs_override__record *r, cs_errors *errors,
                        cs_error *e)
{
    cs_txn *txn = cs_store_begin(o->server->o.store);
    cs_err err = put(txn, d, r, e);
    err = err == CS_OK ? check(o, txn, d->bundle, errors, e) : err;
    cs_txn_abort(txn);
    return err;
}

static void note(cs_override *o, const cs_override__record *r)
{
    cs_mutex_lock(&o->lock);
    o->in_force_until = r != NULL ? r->until_ns : 0;
    cs_slice id = r != NULL ? r->id : CS_LIT(""), revision = r != NULL ? r->revision : CS_LIT("");
    size_t n = revision.n < sizeof o->revision ? revision.n : sizeof o->revision - 1;
    memcpy(o->in_force, id.p, id.n);
    o->in_force[id.n] = 0;
    memcpy(o->revision, revision.p, n);
    o->revision[n] = 0;
    cs_mutex_unlock(&o->lock);
}

/* However it ended: the clock, somebody, another replica, or one that came in its place. */
static void tell_end(cs_override *o)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value data = cs_object_new(&a, 1);
    cs_object_put_text(&a, data, "id", cs_string(cs_slice_of(o->in_force)));
    cs_audit_record record = {.type = "override.ended", .actor = cs_undefined(), .data = data, .done = true};
    (void)cs_audit_put(o->server->o.audit, &record, NULL, NULL);
    cs_arena_destroy(&a);
}

static cs_err lay(cs_override *o, const cs_override__record *r, cs_errors *errors, cs_error *e)
{
    cs_server *s = o->server;
    int64_t before = cs_time_mono_ns();
    cs_override__draft d;
    const char *code;
    cs_error why = {0};
    cs_err err = cs_override__verify(s, r->archive, r->countersignature, &d, &code, &why);
    if (err == CS_OK && r->until_ns - r->put_ns > d.max_ttl_ns) {
        err = cs_fail(&why, CS_ERR_BUNDLE_INVALID, "it would last longer than an override may here");
    }
    if (err == CS_OK) {
        cs_txn *txn = cs_store_begin(s->o.store);
        err = put(txn, &d, r, &why);
        err = err == CS_OK ? check(o, txn, d.bundle, errors, &why) : err;
        if (err != CS_OK) {
            cs_txn_abort(txn);
        } else {
            err = cs_txn_commit(txn, errors);
        }
    }
    cs_server_bundle_report(s, d.bundle, CS_LIT(CS_OVERRIDE_NAME), err == CS_OK ? NULL : &why,
                            err == CS_OK ? NULL : errors, cs_time_mono_ns() - before);
    cs_override__draft_free(&d);
    if (err != CS_OK) {
        if (e != NULL) {
            *e = why;
        }
        return err;
    }
    if (o->in_force[0] != 0) {
        tell_end(o);
    }
    note(o, r);
    cs_server_world_changed(s);
    cs_log(CS_LOG_WARN, "An emergency override is in force.", 5,
           (cs_log_field[]){CS_LOG_S("id", r->id), CS_LOG_S("revision", r->revision), CS_LOG_S("author", r->author),
                            CS_LOG_S("reason", r->reason),
                            CS_LOG_I("seconds", (r->until_ns - cs_time_wall_ns()) / CS_NS_PER_S)});
    return CS_OK;
}

/* The world below is all there is. */
static cs_err lift(cs_override *o, cs_errors *errors, cs_error *e)
{
    cs_server *s = o->server;
    cs_txn *txn = cs_store_begin(s->o.store);
    (void)cs_txn_overlay_remove(txn);
    if (cs_txn_commit(txn, errors) != CS_OK) {
        return cs_fail(e, CS_ERR_BUNDLE_COMPILE, "the policy does not compile without the override");
    }
    cs_log(CS_LOG_WARN, "The emergency override has ended.", 1,
           (cs_log_field[]){CS_LOG_S("id", cs_slice_of(o->in_force))});
    tell_end(o);
    note(o, NULL);
    cs_server__status_forget(s->status, CS_LIT(CS_OVERRIDE_NAME));
    cs_server_world_changed(s);
    return CS_OK;
}

cs_err cs_override__sync(cs_override *o, cs_errors *errors, cs_error *e)
{
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_err err = CS_OK;
    cs_override__record r;
    cs_mutex_lock(&o->sync);
    if (cs_override__current(o, &scratch, cs_time_wall_ns(), &r)) {
        err = cs_slice_is(r.id, o->in_force) ? CS_OK : lay(o, &r, errors, e);
    } else if (o->in_force[0] != 0) {
        err = lift(o, errors, e);
    }
    cs_mutex_unlock(&o->sync);
    cs_arena_destroy(&scratch);
    return err;
}

/* ---- on the control thread */

static void sync_job(void *self)
{
    cs_override *o = self;
    atomic_store(&o->posted, false);
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    if (cs_override__sync(o, &errors, &e) != CS_OK) {
        cs_buf text;
        cs_buf_init(&text);
        cs_errors_print(&text, &errors);
        cs_log(CS_LOG_ERROR, "The emergency override is not as it should be.", 2,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e.text)), CS_LOG_S("errors", cs_buf_view(&text))});
        cs_buf_destroy(&text);
    }
    cs_errors_destroy(&errors);
}

void cs_override__sync_soon(cs_override *o)
{
    if (!atomic_exchange(&o->posted, true)) {
        cs_loop_post(o->server->o.control, sync_job, o);
    }
}

/* Its time may be over: the log says so, and the ledger gets its limits back, if no decision had it done already. */
static void tick(void *self)
{
    cs_override *o = self;
    cs_mutex_lock(&o->lock);
    bool over = o->in_force[0] != 0 && cs_time_wall_ns() >= o->in_force_until;
    cs_mutex_unlock(&o->lock);
    if (over) {
        sync_job(o);
    }
    cs_timer_start(o->timer, TICK_NS);
}

static void start_ticking(void *self)
{
    cs_override *o = self;
    o->timer = cs_timer_new(o->server->o.control, tick, o);
    cs_timer_start(o->timer, TICK_NS);
}

/* ---- gauges */

static bool is_active(cs_override *o, char revision[128], double *left)
{
    cs_mutex_lock(&o->lock);
    int64_t now = cs_time_wall_ns();
    bool yes = o->in_force[0] != 0 && now < o->in_force_until;
    *left = yes ? (double)(o->in_force_until - now) / 1e9 : 0;
    memcpy(revision, o->revision, sizeof o->revision);
    cs_mutex_unlock(&o->lock);
    return yes;
}

static void gather_active(void *self, cs_metrics_sink *sink)
{
    char revision[128];
    double left;
    if (is_active(self, revision, &left)) {
        cs_slice label = cs_slice_of(revision);
        cs_metrics_emit(sink, &label, 1);
    }
}

static void gather_left(void *self, cs_metrics_sink *sink)
{
    char revision[128];
    double left;
    if (is_active(self, revision, &left)) {
        cs_metrics_emit(sink, NULL, left);
    }
}

void cs_override__watch(cs_override *o)
{
    cs_server *s = o->server;
    cs_loop_post(s->o.control, start_ticking, o);
    if (s->o.metrics != NULL) {
        cs_metrics_on_gather(s->o.metrics, CS_METRIC_OVERRIDE_ACTIVE, gather_active, o);
        cs_metrics_on_gather(s->o.metrics, CS_METRIC_OVERRIDE_EXPIRES, gather_left, o);
    }
}
