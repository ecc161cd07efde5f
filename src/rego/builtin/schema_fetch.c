/* Schemas that another one refers to and that stand elsewhere: on the web, in a file, or in json-schema.org's own
 * words, which are always at hand. Each is asked for once an evaluation. */
#include "countersign/json.h"
#include "rego/builtin/http.h"
#include "rego/builtin/schema_refs.h"

struct cs_schema_state {
    cs_value known; /* by URL: an array with the document, or a text: why there is none */
    cs_slice asked; /* the URL under way */
    cs_http_job *job;
};

static struct cs_schema_state *state_of(cs_call *call)
{
    cs_builtin_state *s = call->state;
    if (s->schemas == NULL) {
        s->schemas = cs_arena_new(s->arena, struct cs_schema_state);
        s->schemas->known = cs_object_new(s->arena, 0);
    }
    return s->schemas;
}

static cs_err read_document(cs_call *call, cs_slice text, cs_value *out)
{
    cs_error e;
    cs_json_options options = {.prefix = true};
    cs_err err = cs_json_read(call->state->arena, text, &options, out, NULL, &e);
    return err == CS_OK ? CS_OK : cs_call_error(call, "%s", e.text);
}

/* What stands behind "file://", %xx and '+' as in a query. */
static cs_err read_local(cs_call *call, cs_slice url, cs_value *out)
{
    const cs_host *host = call->state->host;
    cs_slice path = cs_slice_sub(url, cs_slice_starts(url, CS_LIT("file://")) ? 7 : 0, url.n);
    if (host->network == NULL || !host->schema_files) {
        return cs_call_error(call, "remote reference loading disabled: %.*s", CS_FMT(url));
    }
    CS_TRY(cs_url__unescape_query(call, path, &path));
    cs_buf text;
    cs_error e;
    cs_buf_init(&text);
    cs_err err = host->network->read_file(cs_arena_dup(call->arena, path.p, path.n), &text, &e);
    err = err == CS_OK ? read_document(call, cs_buf_view(&text), out) : cs_call_error(call, "%s", e.text);
    cs_buf_destroy(&text);
    return err;
}

static cs_err read_remote(cs_call *call, const cs_url *url, cs_slice name, cs_value *out)
{
    struct cs_schema_state *s = state_of(call);
    cs_http_response r;
    cs_http_failure f;
    if (call->state->exchange == NULL || !cs_slice_eq(s->asked, name)) {
        cs_call_exchange_end(call);
        s->asked = name;
        s->job = NULL;
    }
    if (!cs_http__get(call, &s->job, url, &r, &f)) {
        return cs_call_error(call, "waiting");
    }
    s->asked = CS_LIT("");
    if (cs_http__failed(&f)) {
        return cs_call_error(call, "%.*s", CS_FMT(f.text));
    }
    if (r.status != 200) {
        return cs_call_error(call, "Could not read schema from HTTP, response status is %.*s", CS_FMT(r.status_text));
    }
    return read_document(call, r.body, out);
}

static cs_err fetch(cs_call *call, const cs_url *url, cs_slice name, cs_value *out)
{
    cs_slice meta = cs_schema__meta(name);
    if (cs_slice_is(url->scheme, "file")) {
        return read_local(call, name, out);
    }
    if (meta.n != 0) {
        return read_document(call, meta, out);
    }
    if (call->state->host->network == NULL || !cs_http__host_allowed(call->state->host, cs_url__hostname(url->host))) {
        return cs_call_error(call, "remote reference loading disabled: %.*s", CS_FMT(name));
    }
    return read_remote(call, url, name, out);
}

cs_err cs_schema__fetch(cs_call *call, const cs_url *url, cs_slice name, cs_value *out)
{
    struct cs_schema_state *s = state_of(call);
    cs_arena *a = call->state->arena;
    const cs_value *known = cs_object_get(s->known, cs_string(name));
    if (known == NULL) {
        cs_error e = {0};
        cs_call inner = *call;
        inner.e = &e;
        cs_slice kept = cs_slice_make(cs_arena_dup(a, name.p, name.n), name.n);
        cs_url there = *url;
        CS_TRY(cs_url__parse(call, kept, &there));
        cs_err err = fetch(&inner, &there, kept, out);
        if (call->state->waiting || (err != CS_OK && err != CS_ERR_EVAL_BUILTIN)) {
            return cs_fail(call->e, err, "%s", e.text);
        }
        cs_value *one = cs_arena_alloc(a, sizeof *one);
        *one = err == CS_OK ? *out : cs_null();
        cs_object_put(a, s->known, cs_string(kept),
                      err == CS_OK ? cs_array(one, 1) : cs_string_copy(a, cs_slice_of(e.text)));
        known = cs_object_get(s->known, cs_string(kept));
    }
    if (known->kind == CS_STRING) {
        return cs_call_error(call, "%.*s", CS_FMT(cs_text(*known)));
    }
    *out = known->u.items[0];
    return CS_OK;
}
