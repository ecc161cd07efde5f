/* What requests leave in the audit log, and how answers wait for it: with sync commit until the record is on disk;
 * while the log cannot be written, until it can be again (on_full: block) or not at all, the answer being a refusal
 * (deny). */
#include "countersign/base/time.h"
#include "internal.h"

#define RETRY_NS (20 * CS_NS_PER_MS)

enum { REFUSALS_A_SECOND = 200, ROOM_KEPT = 1 << 16 };

static void set_timer(cs_server__request *r, cs_loop_fn *fn)
{
    if (r->audit.timer == NULL) {
        r->audit.timer = cs_timer_new(r->w->loop, fn, r);
    }
    cs_timer_start(r->audit.timer, RETRY_NS);
}

static void free_timer(cs_server__request *r)
{
    if (r->audit.timer != NULL) {
        cs_timer_free(r->audit.timer);
        r->audit.timer = NULL;
    }
}

void cs_server__audit_drop(cs_server__request *r)
{
    free_timer(r);
    cs_decision_record_free(r->audit.record);
    r->audit.record = NULL;
}

/* ---- the answer */

static void refuse(cs_server__request *r)
{
    bool gateway = cs_server__is_gateway(r);
    r->audit.unrecorded = false; /* this answer may go */
    r->audit.recorded = true;    /* and is no refused call */
    cs_http_clear_headers(r->x);
    if (gateway) {
        cs_http_add_header(r->x, "x-countersign-decision", CS_LIT("deny"));
        cs_http_add_header(r->x, "x-countersign-reason", CS_LIT("audit_unavailable"));
    }
    cs_server__fail(r, gateway ? 403 : 503, "audit_unavailable",
                    "nothing can be recorded in the audit log now, so nothing is decided; try again");
}

bool cs_server__audit_holds(cs_server__request *r)
{
    if (atomic_load(&r->audit.waits) != 0) {
        r->audit.sent = true;
        return true;
    }
    if (r->audit.unrecorded) {
        refuse(r);
        return true;
    }
    return false;
}

/* On the worker's loop: one record less to wait for. */
static void go_on(cs_server__request *r)
{
    if (atomic_fetch_sub(&r->audit.waits, 1) == 1 && r->audit.sent) {
        r->audit.sent = false;
        cs_server__send(r, r->status, r->content_type);
    }
}

static void kept(void *self)
{
    go_on(self);
}

static void not_kept(void *self)
{
    cs_server__request *r = self;
    r->audit.unrecorded = true;
    go_on(r);
}

/* On the audit log's thread, or the decision log's. */
static void told(void *self, const cs_error *error)
{
    cs_server__request *r = self;
    cs_loop_post(r->w->loop, error == NULL ? kept : not_kept, r);
}

/* What was done is done, recorded yet or not: it will be. */
static void told_of_act(void *self, const cs_error *error)
{
    (void)error;
    cs_server__request *r = self;
    cs_loop_post(r->w->loop, kept, r);
}

/* ---- decisions */

static void put_again(void *self);

/* With one wait counted for the record. */
static void answered(cs_server__request *r, cs_audit_answer answer)
{
    cs_audit *audit = r->server->o.audit;
    if (answer == CS_AUDIT_TAKEN) {
        go_on(r);
    } else if (answer == CS_AUDIT_FULL && cs_audit_blocks(audit)) {
        set_timer(r, put_again); /* it still waits */
    } else if (answer == CS_AUDIT_FULL) {
        cs_audit_count_refused(audit);
        cs_decision_record_free(r->audit.record);
        r->audit.record = NULL;
        r->audit.unrecorded = true;
        go_on(r);
    }
}

static void put_again(void *self)
{
    cs_server__request *r = self;
    free_timer(r);
    cs_decision_record *record = r->audit.record;
    r->audit.record = NULL;
    cs_audit_answer answer = cs_decision_log_put(r->server->o.decisions, record, told, r);
    r->audit.record = answer == CS_AUDIT_FULL ? record : NULL;
    answered(r, answer);
}

void cs_server__audit_decision(cs_server__request *r, const cs_decision *d)
{
    atomic_fetch_add(&r->audit.waits, 1);
    cs_buf *room = &r->w->record_room;
    answered(r, cs_decision_log_take(r->server->o.decisions, d, room, told, r, &r->audit.record));
    if (room->cap > ROOM_KEPT) {
        cs_buf_destroy(room);
    }
}

/* ---- before anything is done */

static void try_again(void *self)
{
    cs_server__request *r = self;
    free_timer(r);
    if (cs_server__audit_gate(r)) {
        r->route->handler(r);
    }
}

static bool leaves_a_record(const cs_server__request *r)
{
    return (r->route->flags & CS_ROUTE_KEPT) != 0 || !cs_slice_is(r->http->method, "GET");
}

bool cs_server__audit_gate(cs_server__request *r)
{
    cs_audit *audit = r->server->o.audit;
    if (!cs_audit_is_full(audit) || !leaves_a_record(r)) {
        return true;
    }
    if (cs_audit_blocks(audit)) {
        set_timer(r, try_again);
    } else {
        cs_audit_count_refused(audit);
        refuse(r);
    }
    return false;
}

/* ---- acts */

static void copy(cs_arena *a, cs_value to, const char *name, cs_value from, const char *other)
{
    cs_value v = cs_object_member(from, other);
    if (!cs_is_undefined(v)) {
        cs_object_put_text(a, to, name, v);
    }
}

cs_value cs_server__audit_actor(cs_server__request *r)
{
    cs_value caller = !cs_is_undefined(r->caller.end_user) ? r->caller.end_user : r->caller.document;
    if (!cs_is(caller, CS_OBJECT)) {
        return cs_undefined();
    }
    cs_value actor = cs_object_new(r->arena, 5);
    copy(r->arena, actor, "groups", caller, "groups");
    copy(r->arena, actor, "roles", caller, "roles");
    copy(r->arena, actor, "source", caller, "source");
    copy(r->arena, actor, "sub", caller, "subject");
    copy(r->arena, actor, "tenant", caller, "tenant");
    return actor;
}

void cs_server__audit(cs_server__request *r, const char *type, cs_slice tenant, cs_value data)
{
    cs_audit *audit = r->server->o.audit;
    if (audit == NULL) {
        return;
    }
    cs_audit_record record = {.type = type,
                              .tenant = tenant,
                              .request_id = cs_server__request_id(r),
                              .decision_id = cs_slice_of(r->decision_id),
                              .actor = cs_server__audit_actor(r),
                              .data = data,
                              .done = true};
    r->audit.recorded = true;
    atomic_fetch_add(&r->audit.waits, 1);
    if (cs_audit_put(audit, &record, told_of_act, r) != CS_AUDIT_TELLS) {
        atomic_fetch_sub(&r->audit.waits, 1);
    }
}

void cs_server__audit_after(cs_server__request *r)
{
    atomic_fetch_add(&r->audit.waits, 1);
    if (cs_audit_after(r->server->o.audit, told_of_act, r) != CS_AUDIT_TELLS) {
        atomic_fetch_sub(&r->audit.waits, 1);
    }
}

/* ---- refused calls */

/* Anybody can be refused as often as he likes: of more than so many a second only the number is kept. */
static bool may_record(cs_server *s, uint32_t *left_out)
{
    int64_t second = cs_time_mono_ns() / CS_NS_PER_S;
    cs_mutex_lock(&s->refusals.lock);
    if (s->refusals.second != second) {
        s->refusals.second = second;
        s->refusals.n = 0;
    }
    bool may = s->refusals.n++ < REFUSALS_A_SECOND;
    *left_out = may ? s->refusals.left_out : 0;
    s->refusals.left_out = may ? 0 : s->refusals.left_out + 1;
    cs_mutex_unlock(&s->refusals.lock);
    return may;
}

static void put_text(cs_arena *a, cs_value object, const char *name, cs_slice text)
{
    if (text.n != 0) {
        cs_object_put_text(a, object, name, cs_string(text));
    }
}

static cs_slice own_tenant(cs_server__request *r)
{
    cs_value tenant = cs_object_member(cs_server__audit_actor(r), "tenant");
    return cs_is(tenant, CS_STRING) ? cs_text(tenant) : CS_LIT("");
}

static void refused_call(cs_server__request *r, int status, const char *code, cs_slice message)
{
    uint32_t left_out = 0;
    if (!may_record(r->server, &left_out)) {
        return;
    }
    cs_arena *a = r->arena;
    cs_value data = cs_object_new(a, 7);
    put_text(a, data, "code", cs_slice_of(code));
    if (left_out != 0) {
        cs_object_put_text(a, data, "left_out", cs_int(left_out));
    }
    put_text(a, data, "message", message);
    put_text(a, data, "method", r->http->method);
    put_text(a, data, "path", r->http->path);
    put_text(a, data, "requested_by", r->http->peer);
    cs_object_put_text(a, data, "status", cs_int(status));
    cs_server__audit(r, "access.refused", own_tenant(r), data);
}

void cs_server__audit_failure(cs_server__request *r, int status, const char *code, cs_slice message)
{
    if (r->server->o.audit == NULL || r->audit.recorded) {
        return;
    }
    if (r->audit.refusal != NULL) {
        cs_arena *a = r->arena;
        cs_value data = cs_is(r->audit.about, CS_OBJECT) ? cs_object_clone(a, r->audit.about, 3) : cs_object_new(a, 3);
        put_text(a, data, "code", cs_slice_of(code));
        put_text(a, data, "message", message);
        cs_object_put_text(a, data, "status", cs_int(status));
        cs_server__audit(r, r->audit.refusal, CS_LIT(""), data);
    } else if (status == 401 || status == 403) {
        refused_call(r, status, code, message);
    }
}

/* ---- bundles */

cs_value cs_server__bundle_value(cs_arena *a, const cs_bundle *b)
{
    cs_value v = cs_object_new(a, 6);
    put_text(a, v, "name", b->name);
    put_text(a, v, "revision", b->manifest.revision);
    put_text(a, v, "digest", b->digest);
    if (b->signature.present) {
        put_text(a, v, "keyid", b->signature.keyid);
        put_text(a, v, "scope", b->signature.scope);
    }
    if (b->signature.present && b->signature.iat != 0) {
        char stamp[40];
        size_t n = cs_time_format_rfc3339(b->signature.iat * CS_NS_PER_S, stamp);
        cs_object_put_text(a, v, "signed_at", cs_string_copy(a, cs_slice_make(stamp, n)));
    }
    return v;
}

void cs_server__audit_bundle(cs_server *server, const cs_bundle *bundle, cs_slice name, const cs_error *error)
{
    if (server->o.audit == NULL) {
        return;
    }
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value data = bundle != NULL ? cs_server__bundle_value(&a, bundle) : cs_object_new(&a, 3);
    put_text(&a, data, "name", name);
    if (error != NULL) {
        put_text(&a, data, "code", cs_slice_of(cs_err_name(error->code)));
        put_text(&a, data, "message", cs_slice_of(error->text));
    }
    cs_audit_record record = {.type = error == NULL ? "bundle.activated" : "bundle.refused",
                              .actor = cs_undefined(),
                              .data = data,
                              .done = true};
    (void)cs_audit_put(server->o.audit, &record, NULL, NULL);
    cs_arena_destroy(&a);
}
