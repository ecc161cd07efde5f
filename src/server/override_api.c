/* PUT, GET, DELETE /v1/bundles/emergency-override. PUT is checked on the control thread, recorded (an event of the
 * journal, or the file), and laid over the world, in this order; whatever is refused changes nothing. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "internal.h"
#include "override.h"

typedef struct asked {
    int64_t ttl_ns; /* 0 = not said */
    cs_slice countersignature, nonce;
    cs_override__record record; /* in the request's arena */
    cs_event_outcome outcome;   /* of the event */
    bool failed;
} asked;

static bool is_declared(cs_server__request *r)
{
    if (r->server->override == NULL) {
        cs_server__fail(r, 404, "resource_not_found", "no bundle " CS_OVERRIDE_NAME " is declared under push");
        return false;
    }
    return true;
}

static void fail_none(cs_server__request *r)
{
    cs_server__fail(r, 404, "resource_not_found", "no override is active");
}

/* ---- GET */

void cs_server__override_get(cs_server__request *r)
{
    if (!is_declared(r)) {
        return;
    }
    cs_value v = cs_override__document(r->server->override, r->arena);
    if (cs_is_undefined(v)) {
        fail_none(r);
        return;
    }
    cs_server__send_value(r, 200, v);
}

/* ---- PUT: what was asked for */

static cs_slice said(const cs_server__request *r, const char *param, const char *header)
{
    const cs_slice *v = cs_server__get_param(r, param);
    v = v != NULL ? v : cs_server__header(r, header);
    return v != NULL ? cs_slice_trim(*v) : CS_LIT("");
}

static cs_slice caller_of(const cs_server__request *r)
{
    const cs_value *subject =
        cs_is(r->caller.document, CS_OBJECT) ? cs_object_get_text(r->caller.document, "subject") : NULL;
    return subject != NULL && cs_is(*subject, CS_STRING) && subject->n != 0 ? cs_text(*subject) : CS_LIT("anonymous");
}

/* The same nonce gives the same id, for ever. */
static cs_slice id_of(cs_arena *a, cs_slice nonce)
{
    uint8_t digest[CS_DIGEST_MAX];
    (void)cs_digest(CS_SHA256, nonce, digest);
    size_t n;
    cs_slice hex = cs_hex_encode(a, cs_slice_make((const char *)digest, 8));
    const char *text = cs_arena_printf(a, &n, "ovr-%.*s", CS_FMT(hex));
    return cs_slice_make(text, n);
}

static bool read_asked(cs_server__request *r, asked *out)
{
    const cs_slice *ttl = cs_server__get_param(r, "ttl"), *reason = cs_server__get_param(r, "reason");
    *out = (asked){.ttl_ns = 0};
    if (ttl != NULL &&
        (!cs_time_parse_duration(cs_slice_trim(*ttl), true, &out->ttl_ns) || out->ttl_ns < CS_NS_PER_S)) {
        cs_server__fail(r, 400, "invalid_parameter", "ttl must be a duration of at least a second, as \"30m\"");
        return false;
    }
    if (reason != NULL && reason->n > CS_OVERRIDE_REASON) {
        cs_server__fail(r, 400, "invalid_parameter", "reason has at most %d bytes", CS_OVERRIDE_REASON);
        return false;
    }
    out->countersignature = said(r, "signature", "X-Override-Signature");
    out->nonce = said(r, "nonce", "X-Override-Nonce");
    out->nonce = out->nonce.n != 0 ? out->nonce : cs_server__request_id(r);
    out->record = (cs_override__record){.id = id_of(r->arena, out->nonce),
                                        .archive = r->body,
                                        .countersignature = out->countersignature,
                                        .reason = reason != NULL ? *reason : CS_LIT(""),
                                        .author = caller_of(r),
                                        .put_ns = cs_time_wall_ns()};
    return true;
}

/* ---- PUT: refusals */

static void refuse(cs_server__request *r, const char *code, const cs_error *e, const cs_errors *errors)
{
    if (e->code == CS_ERR_BUNDLE_COMPILE) {
        cs_server__fail_list(r, 422, "bundle_compile_error", e->text, cs_errors_to_json(r->arena, errors));
    } else if (e->code == CS_ERR_BUNDLE_ROOTS) {
        cs_server__fail(r, 409, "roots_conflict", "%s", e->text);
    } else if (e->code == CS_ERR_LIMIT) {
        cs_server__fail(r, 413, "body_too_large", "%s", e->text);
    } else if (e->code == CS_ERR_IO) {
        cs_server__fail(r, 500, "io_error", "%s", e->text);
    } else {
        cs_server__fail(r, 400, code, "%s", e->text);
    }
}

static void refuse_nonce(cs_server__request *r)
{
    cs_server__fail(r, 409, "nonce_reused", "this request was made before: a new override needs a new nonce");
}

/* ---- PUT: its time */

static bool choose_time(cs_server__request *r, asked *q, const cs_override__draft *d)
{
    int64_t left = d->not_after_ns - q->record.put_ns;
    if (d->not_after_ns != INT64_MAX && left < CS_NS_PER_S) {
        cs_server__fail(r, 400, "not_after_passed", "the file's not_after has passed");
        return false;
    }
    int64_t most = d->max_ttl_ns;
    if (d->not_after_ns != INT64_MAX && left < most) {
        most = left;
    }
    if (q->ttl_ns > most) {
        char text[40];
        size_t n = cs_time_format_duration(most / CS_NS_PER_S * CS_NS_PER_S, text);
        cs_server__fail(r, 400, "ttl_too_long", "this override may last %.*s at most", (int)n, text);
        return false;
    }
    q->record.until_ns = q->record.put_ns + (q->ttl_ns != 0 ? q->ttl_ns : most);
    return true;
}

/* ---- PUT: recording and laying over */

/* On the control thread. */
static void lay_job(cs_server__request *r)
{
    cs_override *o = r->server->override;
    const asked *q = r->data;
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    if (cs_override__sync(o, &errors, &e) != CS_OK) {
        refuse(r, "invalid_bundle", &e, &errors);
    } else {
        cs_value v = cs_override__document(o, r->arena);
        const cs_value *id = cs_is_undefined(v) ? NULL : cs_object_get_text(v, "id");
        if (id != NULL && cs_slice_eq(cs_text(*id), q->record.id)) {
            cs_server__audit(r, "override.activated", CS_LIT(""), v);
            cs_server__send_value(r, 200, v);
        } else {
            cs_server__fail(r, 409, "override_replaced", "another override, or its end, came at the same time");
        }
    }
    cs_errors_destroy(&errors);
}

static void recorded_here(void *self)
{
    cs_server__request *r = self;
    const asked *q = r->data;
    if (q->failed) {
        cs_server__fail(r, 503, "journal_unavailable", "the journal took nothing; try again");
    } else if (q->outcome == CS_EVENT_CONFLICT) {
        refuse_nonce(r);
    } else {
        cs_server__on_control(r, r->job);
    }
}

/* On the journal's thread. */
static void recorded(void *self, cs_journal_batch *batch, const cs_error *error)
{
    cs_server__request *r = self;
    asked *q = r->data;
    q->failed = error != NULL;
    q->outcome = batch->events[0].outcome;
    cs_journal_batch_free(batch);
    cs_loop_post(r->w->loop, recorded_here, r);
}

static void append(cs_server__request *r)
{
    const asked *q = r->data;
    cs_error e = {0};
    r->job = lay_job;
    if (cs_override__append(r->server->override, &q->record, cs_server__request_id(r), recorded, r, &e) != CS_OK) {
        cs_server__fail(r, 503, "journal_unavailable", "%s", e.text);
    }
}

/* Checked: nothing is known against it. */
static void record(cs_server__request *r, const asked *q)
{
    cs_error e = {0};
    if (r->server->o.journal != NULL) {
        r->after = append;
    } else if (cs_override__keep(r->server->override, &q->record, &e) != CS_OK) {
        refuse(r, "invalid_bundle", &e, NULL);
    } else {
        lay_job(r);
    }
}

static void put_job(cs_server__request *r)
{
    cs_override *o = r->server->override;
    asked *q = r->data;
    cs_override__draft d;
    const char *code = "invalid_bundle";
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    if (cs_override__verify(r->server, r->body, q->countersignature, &d, &code, &e) != CS_OK) {
        if (cs_server__body_mangled(r)) {
            cs_server__fail(r, 400, "body_mangled",
                            "the body was sent as a form, which damages it; use: curl -X PUT --data-binary "
                            "@emergency-bundle.tar.gz URL");
        } else {
            refuse(r, code, &e, NULL);
        }
    } else if (cs_override__seen(o, q->record.id)) {
        refuse_nonce(r);
    } else if (choose_time(r, q, &d)) {
        q->record.revision = d.bundle->manifest.revision;
        q->record.digest = d.bundle->digest;
        q->record = cs_override__copy(r->arena, &q->record);
        if (cs_override__try(o, &d, &q->record, &errors, &e) != CS_OK) {
            refuse(r, code, &e, &errors);
        } else {
            record(r, q);
        }
    }
    cs_override__draft_free(&d);
    cs_errors_destroy(&errors);
}

static cs_value about(cs_server__request *r, const asked *q)
{
    cs_value v = cs_object_new(r->arena, 6);
    cs_object_put_text(r->arena, v, "id", cs_string(q->record.id));
    cs_object_put_text(r->arena, v, "reason", cs_string(q->record.reason));
    return v;
}

void cs_server__override_put(cs_server__request *r)
{
    asked *q = cs_arena_new(r->arena, asked);
    if (!is_declared(r)) {
        return;
    }
    cs_server__bundle_body(r);
    r->audit.refusal = "override.refused";
    if (read_asked(r, q)) {
        r->audit.about = about(r, q);
        r->data = q;
        cs_server__on_control(r, put_job);
    }
}

/* ---- DELETE */

static void lift_job(cs_server__request *r)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    if (cs_override__sync(r->server->override, &errors, &e) != CS_OK) {
        refuse(r, "invalid_bundle", &e, &errors);
    } else {
        cs_server__audit(r, "override.lifted", CS_LIT(""), about(r, r->data));
        cs_server__send_value(r, 200, cs_object_new(r->arena, 0));
    }
    cs_errors_destroy(&errors);
}

static void append_end(cs_server__request *r)
{
    const asked *q = r->data;
    cs_error e = {0};
    r->job = lift_job;
    if (cs_override__append_end(r->server->override, q->record.id, caller_of(r), cs_server__request_id(r), recorded, r,
                                &e) != CS_OK) {
        cs_server__fail(r, 503, "journal_unavailable", "%s", e.text);
    }
}

static void delete_job(cs_server__request *r)
{
    cs_override *o = r->server->override;
    asked *q = r->data;
    cs_error e = {0};
    if (!cs_override__current(o, r->arena, cs_time_wall_ns(), &q->record)) {
        fail_none(r);
    } else if (r->server->o.journal != NULL) {
        r->after = append_end;
    } else if (cs_override__end(o, &e) != CS_OK) {
        refuse(r, "io_error", &e, NULL);
    } else {
        lift_job(r);
    }
}

void cs_server__override_delete(cs_server__request *r)
{
    if (is_declared(r)) {
        r->data = cs_arena_new(r->arena, asked);
        cs_server__on_control(r, delete_job);
    }
}
