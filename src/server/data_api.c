/* Reading data: GET and POST /v1/data, POST /v0/data, POST /. */
#include "countersign/base/time.h"
#include "countersign/version.h"
#include "countersign/yaml.h"
#include "internal.h"

/* ---- input */

/* What a v1 body says: its member `input`; null and absent are no input. false: an error was replied. */
static bool read_input_v1(cs_server__request *r, cs_value *input)
{
    static const char before[] = "body contains malformed input document: ";
    *input = cs_undefined();
    if (r->authz_parsed) {
        const cs_value *v = cs_is(r->authz_body, CS_OBJECT) ? cs_object_get_text(r->authz_body, "input") : NULL;
        *input = v != NULL ? *v : cs_undefined();
        return true;
    }
    if (!cs_server__read_body(r, "")) {
        return false;
    }
    if (r->body.n == 0) {
        return true;
    }
    cs_value body;
    if (cs_server__header_contains(r, "Content-Type", "yaml")) {
        cs_error e = {0};
        if (cs_yaml_read(r->arena, r->body, &body, &e) != CS_OK) {
            cs_server__fail(r, 400, "invalid_parameter", "%s%s", before, e.text);
            return false;
        }
    } else {
        const char *words;
        if (cs_server__json_first(r->arena, r->body, &body, &words) != CS_OK) {
            if (strcmp(words, "EOF") == 0) {
                return true;
            }
            cs_server__fail(r, 400, "invalid_parameter", "%s%s", before, words);
            return false;
        }
    }
    if (cs_is(body, CS_NULL) || cs_is_undefined(body)) {
        return true;
    }
    if (!cs_is(body, CS_OBJECT)) {
        cs_server__fail(r, 400, "invalid_parameter", "%sjson: cannot unmarshal %s into Go value of type types.alias",
                        before, cs_server__go_kind(body));
        return false;
    }
    const cs_value *v = cs_server__member(body, "input");
    if (v != NULL && !cs_is(*v, CS_NULL)) {
        *input = *v;
    }
    return true;
}

/* A v0 body is the input itself. */
static bool read_input_v0(cs_server__request *r, cs_value *input)
{
    static const char before[] = "unexpected parse error for input: ";
    *input = cs_null();
    if (r->authz_parsed) {
        *input = r->authz_body;
        return true;
    }
    if (!cs_server__read_body(r, before)) {
        return false;
    }
    if (r->body.n == 0) {
        return true;
    }
    const char *words = "";
    cs_error e = {0};
    if (cs_server__header_contains(r, "Content-Type", "yaml")) {
        if (cs_yaml_read(r->arena, r->body, input, &e) == CS_OK) {
            return true;
        }
        words = e.text;
    } else if (cs_server__json_first(r->arena, r->body, input, &words) == CS_OK || strcmp(words, "EOF") == 0) {
        return true;
    }
    cs_server__fail(r, 400, "invalid_parameter", "%sbody contains malformed input document: %s", before, words);
    return false;
}

static bool read_input_get(cs_server__request *r, cs_value *input)
{
    *input = cs_undefined();
    const cs_slice *text = cs_server__get_param(r, "input");
    if (text == NULL) {
        return true;
    }
    cs_error e;
    if (cs_json_read(r->arena, *text, &(cs_json_options){.borrow = true}, input, NULL, &e) != CS_OK) {
        cs_server__fail(r, 400, "invalid_parameter", "parameter contains malformed input document: %s",
                        cs_server__json_words(r->arena, *text, &e));
        return false;
    }
    return true;
}

/* ---- the query */

/* The key of the prepared query: what kind of request and which path. */
static cs_slice make_key(cs_server__request *r, const char *kind, cs_slice path)
{
    size_t k = strlen(kind);
    char *key = cs_arena_alloc(r->arena, k + path.n);
    memcpy(key, kind, k);
    memcpy(key + k, path.p, path.n);
    return cs_slice_make(key, k + path.n);
}

/* Sets up r->eval; false: an error was replied. */
static bool set_path(cs_server__request *r, const char *kind, cs_slice path)
{
    cs_server__eval *v = &r->eval;
    cs_slice bad;
    if (!cs_server__path_keys(r->arena, path, &v->path, &v->n_path, &bad)) {
        cs_server__fail(r, 500, "internal_error", "invalid_parameter: invalid path: invalid ref term '%.*s'",
                        CS_FMT(bad));
        return false;
    }
    v->ready = NULL;
    v->text = CS_LIT("");
    v->key = make_key(r, kind, path);
    return true;
}

/* ---- answers */

static cs_value provenance(cs_server__request *r)
{
    cs_arena *a = r->arena;
    cs_value p = cs_object_new(a, 5);
    cs_object_put_text(a, p, "version", cs_string(CS_LIT(CS_VERSION)));
    cs_object_put_text(a, p, "build_commit", cs_string(CS_LIT("")));
    cs_object_put_text(a, p, "build_timestamp", cs_string(CS_LIT("")));
    cs_object_put_text(a, p, "build_hostname", cs_string(CS_LIT("")));
    size_t n = cs_world_bundle_count(r->eval.world);
    if (n != 0) {
        cs_value bundles = cs_object_new(a, (uint32_t)n);
        for (size_t i = 0; i < n; i++) {
            const cs_world_bundle *b = cs_world_bundle_at(r->eval.world, i);
            cs_value one = cs_object_new(a, 1);
            cs_object_put_text(a, one, "revision", cs_string(b->revision));
            cs_object_put(a, bundles, cs_string(b->name), one);
        }
        cs_object_put_text(a, p, "bundles", bundles);
    }
    return p;
}

static bool wants_metrics(const cs_server__request *r)
{
    return r->n_params != 0 && (cs_server__flag(r, "metrics") || cs_server__flag(r, "instrument"));
}

/* Is there a rule at the path, or at one above it? */
static bool has_rule(const cs_server__eval *v)
{
    cs_policy *policy = cs_world_policy(v->world);
    for (size_t i = 1; i <= v->n_path; i++) {
        if (cs_policy_has_rule(policy, v->path, i, false)) {
            return true;
        }
    }
    return false;
}

static cs_value timers(cs_server__request *r)
{
    /* Where no rule stands at the path, the evaluation was the reading of documents. */
    const cs_server__timer list[] = {
        {"timer_rego_external_resolve_ns", has_rule(&r->eval) ? 0 : r->eval.eval_ns},
        {"timer_rego_input_parse_ns", r->parse_ns},
        {"timer_rego_query_compile_ns", r->eval.compile_ns},
        {"timer_rego_query_eval_ns", r->eval.eval_ns},
        {"timer_server_handler_ns", cs_time_mono_ns() - r->started_ns},
    };
    return cs_server__metrics(r, list, sizeof list / sizeof *list, true);
}

static void answer_v1(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    cs_slice path = r->rest;
    cs_value input = v->input;
    if (v->err != CS_OK) {
        cs_server__record(r, path, CS_LIT(""), input, cs_undefined(), &v->error);
        cs_server__fail_eval(r);
        return;
    }
    if (r->effects != NULL && !cs_server__effects_plan(r)) {
        return;
    }
    cs_server__object(r, r->pretty);
    if (r->decision_id[0] != 0) {
        cs_server__field_text(r, "decision_id", cs_slice_of(r->decision_id));
    }
    if (r->n_params != 0 && cs_server__flag(r, "provenance")) {
        cs_server__field(r, "provenance", provenance(r));
    }
    cs_server__explain_field(r, !cs_is_undefined(v->result));
    if (wants_metrics(r)) {
        cs_server__field(r, "metrics", timers(r));
    }
    if (!cs_is_undefined(v->result)) {
        cs_server__field(r, "result", v->result);
        cs_server__labels_field(r);
    }
    if (cs_is_undefined(input) && cs_slice_is(r->http->method, "POST")) {
        cs_value warning = cs_object_new(r->arena, 2);
        cs_object_put_text(r->arena, warning, "code", cs_string(CS_LIT("api_usage_warning")));
        cs_object_put_text(r->arena, warning, "message", cs_string(CS_LIT("'input' key missing from the request")));
        cs_server__field(r, "warning", warning);
    }
    cs_server__object_end(r);
    if (r->effects != NULL) {
        cs_server__effects_answer(r, 200, "application/json");
        return;
    }
    cs_server__record(r, path, CS_LIT(""), input, v->result, NULL);
    cs_server__send(r, 200, "application/json");
}

/* Where results may ask for effects, the facts are the server's own. */
static bool fill_facts(cs_server__request *r)
{
    cs_server__effects *x = r->effects;
    if (cs_is_undefined(x->given)) {
        x->given = r->eval.input;
    }
    if (cs_is(x->given, CS_OBJECT)) {
        r->eval.input = cs_object_clone(r->arena, x->given, 5);
        cs_server__fill_facts(r, r->eval.input,
                              r->server->identity == NULL || cs_server__caller_has_role(r, "gateway"));
    }
    if (r->eval.explain != CS_EXPLAIN_OFF) {
        r->effects = NULL; /* explanations change nothing */
        return true;
    }
    return cs_server__effects_recall(r);
}

static void record_granted(cs_server__request *r)
{
    cs_server__record(r, r->rest, CS_LIT(""), r->eval.input, r->eval.result, NULL);
}

static void answer_refused(cs_server__request *r)
{
    cs_server__effects *x = r->effects;
    cs_server__record(r, r->rest, CS_LIT(""), r->eval.input, cs_undefined(), &x->error);
    cs_server__fail(r, x->status, x->code, "%s", x->error.text);
}

static void data_v1(cs_server__request *r, bool post)
{
    cs_server__make_decision_id(r);
    r->timed = wants_metrics(r) || cs_decision_log_wants_metrics(r->server->o.decisions);
    int64_t before = r->timed ? cs_time_mono_ns() : 0;
    if (post ? !read_input_v1(r, &r->eval.input) : !read_input_get(r, &r->eval.input)) {
        return;
    }
    if (r->timed) {
        r->parse_ns = cs_time_mono_ns() - before + 1;
    }
    r->eval.strict = r->n_params != 0 && cs_server__flag(r, "strict-builtin-errors");
    if (post && cs_server__effects_listed(r, r->rest)) {
        r->effects->refused = answer_refused;
        r->effects->granted = record_granted;
    }
    const char *kind = post ? (r->eval.strict ? "S" : "P") : (r->eval.strict ? "s" : "g");
    cs_server__explain_params(r);
    if (set_path(r, kind, r->rest)) {
        r->eval.ready = r->effects != NULL ? fill_facts : NULL;
        r->eval.done = answer_v1;
        cs_server__evaluate(r);
    }
}

void cs_server__data_post(cs_server__request *r)
{
    data_v1(r, true);
}

void cs_server__data_get(cs_server__request *r)
{
    data_v1(r, false);
}

/* ---- v0 */

static void answer_v0(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    cs_slice path = cs_slice_sub(v->key, 1, v->key.n);
    while (path.n != 0 && path.p[0] == '/') {
        path = cs_slice_sub(path, 1, path.n);
    }
    if (v->err != CS_OK) {
        cs_server__record(r, path, CS_LIT(""), v->input, cs_undefined(), &v->error);
        cs_server__fail_eval(r);
        return;
    }
    if (cs_is_undefined(v->result)) {
        cs_slice ref = cs_server__ref_text(r->arena, v->path, v->n_path);
        cs_error missing = {0};
        (void)!cs_fail(&missing, CS_ERR_UNDEFINED, "document %s: %.*s", has_rule(v) ? "undefined" : "missing",
                       CS_FMT(ref));
        cs_server__record(r, path, CS_LIT(""), v->input, v->result, &missing);
        cs_server__fail(r, 404, "undefined_document", "%s", missing.text);
        return;
    }
    cs_server__record(r, path, CS_LIT(""), v->input, v->result, NULL);
    cs_server__send_value(r, 200, v->result);
}

static void query_v0(cs_server__request *r, cs_slice path)
{
    cs_server__make_decision_id(r);
    r->timed = cs_decision_log_wants_metrics(r->server->o.decisions);
    if (!read_input_v0(r, &r->eval.input) || !set_path(r, "0", path)) {
        return;
    }
    r->eval.strict = false;
    r->eval.done = answer_v0;
    cs_server__evaluate(r);
}

void cs_server__data_v0(cs_server__request *r)
{
    query_v0(r, r->rest);
}

void cs_server__index_post(cs_server__request *r)
{
    query_v0(r, cs_server__default_decision(r));
}
