/* GET and POST /v1/query. */
#include "countersign/base/time.h"
#include "internal.h"

static cs_value timers(cs_server__request *r)
{
    bool post = cs_slice_is(r->http->method, "POST");
    const cs_server__timer list[] = {
        {"timer_rego_query_compile_ns", r->eval.compile_ns + 1},
        {"timer_rego_query_eval_ns", r->eval.eval_ns},
        {"timer_server_handler_ns", post ? cs_time_mono_ns() - r->started_ns : 0},
    };
    return cs_server__metrics(r, list, sizeof list / sizeof *list, false);
}

/* The bindings of each answer. */
static cs_value bindings(cs_server__request *r)
{
    cs_value all = r->eval.result;
    uint32_t n = cs_count(all);
    cs_value *out = cs_arena_alloc(r->arena, sizeof *out * (n + 1));
    for (uint32_t i = 0; i < n; i++) {
        out[i] = all.u.items[i].u.items[0];
    }
    return cs_array(out, n);
}

/* Texts that are no query at all are, for OPA, errors of the server. */
static bool fail_not_body(cs_server__request *r, cs_slice text)
{
    bool empty = cs_slice_starts(text, CS_LIT("empty query"));
    if (!empty && !cs_slice_starts(text, CS_LIT("expected body but got"))) {
        return false;
    }
    cs_slice words = empty ? CS_LIT("cannot evaluate empty query") : text;
    cs_server__fail(r, 500, "internal_error", "%.*s", CS_FMT(words));
    return true;
}

static void answer(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    if (v->err != CS_OK && v->not_prepared) {
        if (v->errors->n == 1 && fail_not_body(r, v->errors->v[0].text)) {
            return;
        }
        bool parse = v->errors->n != 0 && v->errors->v[0].code == CS_ERR_REGO_PARSE;
        cs_value list = cs_errors_to_json(r->arena, v->errors);
        cs_server__fail_list(
            r, 400, "invalid_parameter",
            parse ? "error(s) occurred while parsing query" : "error(s) occurred while compiling query", list);
        return;
    }
    if (v->err != CS_OK) {
        cs_server__record(r, CS_LIT(""), v->text, v->input, cs_undefined(), &v->error);
        cs_server__fail_eval(r);
        return;
    }
    cs_value result = bindings(r);
    cs_server__object(r, r->pretty);
    cs_server__explain_field(r, true);
    if (r->n_params != 0 && (cs_server__flag(r, "metrics") || cs_server__flag(r, "instrument"))) {
        cs_server__field(r, "metrics", timers(r));
    }
    if (result.n != 0) {
        cs_server__field(r, "result", result);
    }
    cs_server__labels_field(r);
    cs_server__object_end(r);
    cs_server__record(r, CS_LIT(""), v->text, v->input, result, NULL);
    cs_server__send(r, 200, "application/json");
}

static void run(cs_server__request *r, cs_slice text, cs_value input)
{
    if (cs_slice_trim(text).n == 0) {
        cs_server__fail(r, 500, "internal_error", "cannot evaluate empty query");
        return;
    }
    cs_server__make_decision_id(r);
    r->timed = r->n_params != 0 || cs_decision_log_wants_metrics(r->server->o.decisions);
    cs_server__eval *v = &r->eval;
    char *key = cs_arena_alloc(r->arena, text.n + 1);
    key[0] = 'q';
    memcpy(key + 1, text.p, text.n);
    v->key = cs_slice_make(key, text.n + 1);
    v->ready = NULL;
    v->text = text;
    v->input = input;
    v->strict = false;
    v->server = true;
    cs_server__explain_params(r);
    v->done = answer;
    cs_server__evaluate(r);
}

void cs_server__query_get(cs_server__request *r)
{
    const cs_slice *q = cs_server__get_param(r, "q");
    if (q == NULL) {
        cs_server__fail(r, 400, "invalid_parameter", "missing parameter 'q'");
        return;
    }
    run(r, *q, cs_undefined());
}

/* The body of a request object. false: an error was replied. */
static bool read_object(cs_server__request *r, const char *type, cs_value *out)
{
    static const char before[] = "error(s) occurred while decoding request: ";
    if (r->authz_parsed) {
        *out = r->authz_body;
    } else {
        if (!cs_server__read_body(r, before)) {
            return false;
        }
        const char *words = "";
        if (cs_server__json_first(r->arena, r->body, out, &words) != CS_OK) {
            cs_server__fail(r, 400, "invalid_parameter", "%s%s", before, words);
            return false;
        }
    }
    if (cs_is(*out, CS_NULL)) {
        *out = cs_object_new(r->arena, 0);
    }
    if (!cs_is(*out, CS_OBJECT)) {
        cs_server__fail(r, 400, "invalid_parameter", "%sjson: cannot unmarshal %s into Go value of type types.%s",
                        before, cs_server__go_kind(*out), type);
        return false;
    }
    return true;
}

void cs_server__query_post(cs_server__request *r)
{
    cs_value body;
    if (!read_object(r, "QueryRequestV1", &body)) {
        return;
    }
    const cs_value *query = cs_server__member(body, "query"), *input = cs_server__member(body, "input");
    if (query != NULL && !cs_is(*query, CS_STRING) && !cs_is(*query, CS_NULL)) {
        cs_server__fail(r, 400, "invalid_parameter",
                        "error(s) occurred while decoding request: json: cannot unmarshal %s into Go struct field "
                        "QueryRequestV1.query of "
                        "type string",
                        cs_server__go_kind(*query));
        return;
    }
    bool given = input != NULL && !cs_is(*input, CS_NULL);
    run(r, query != NULL && cs_is(*query, CS_STRING) ? cs_text(*query) : CS_LIT(""), given ? *input : cs_undefined());
}
