/* POST /v1/compile: partial evaluation, and what the compile APIs share. */
#include "compile.h"

#include "countersign/base/time.h"

/* ---- request objects */
typedef enum field_kind { FIELD_ANY, FIELD_TEXT, FIELD_TEXTS, FIELD_BOOL, FIELD_OBJECT } field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    cs_value *out;
} field;

static const char before[] = "error(s) occurred while decoding request: ";

static const char *go_type(field_kind kind)
{
    return kind == FIELD_TEXT    ? "string"
           : kind == FIELD_TEXTS ? "[]string"
           : kind == FIELD_BOOL  ? "bool"
                                 : "map[string]interface {}";
}

static bool fits(field_kind kind, cs_value v)
{
    cs_kind want = kind == FIELD_TEXT    ? CS_STRING
                   : kind == FIELD_TEXTS ? CS_ARRAY
                   : kind == FIELD_BOOL  ? CS_BOOL
                                         : CS_OBJECT;
    return kind == FIELD_ANY || cs_is(v, want);
}

static bool wrong(cs_server__request *r, cs_value v, const char *where, const char *name, const char *type)
{
    cs_server__fail(r, 400, "invalid_parameter", "%sjson: cannot unmarshal %s into Go struct field %s.%s of type %s",
                    before, cs_server__go_kind(v), where, name, type);
    return false;
}

/* One member into its field; null leaves it as it is. */
static bool take(cs_server__request *r, const field *f, cs_value v, const char *where)
{
    if (cs_is(v, CS_NULL)) {
        return true;
    }
    if (!fits(f->kind, v)) {
        return wrong(r, v, where, f->name, go_type(f->kind));
    }
    for (uint32_t i = 0; f->kind == FIELD_TEXTS && i < v.n; i++) {
        if (!cs_is(v.u.items[i], CS_STRING) && !cs_is(v.u.items[i], CS_NULL)) {
            return wrong(r, v.u.items[i], where, f->name, "string");
        }
    }
    *f->out = v;
    return true;
}

/* The members in the order of the text: the first that is wrong is named. */
static bool take_all(cs_server__request *r, cs_value object, const field *fields, size_t n, const char *where,
                     const char *options_type)
{
    const cs_table *t = object.u.table;
    for (uint32_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < n && cs_is(t->keys[i], CS_STRING); k++) {
            if (!cs_slice_eq_nocase(cs_text(t->keys[i]), cs_slice_of(fields[k].name))) {
                continue;
            }
            bool options = strcmp(fields[k].name, "options") == 0;
            if (options && !cs_is(t->vals[i], CS_OBJECT) && !cs_is(t->vals[i], CS_NULL)) {
                return wrong(r, t->vals[i], where, "options", options_type);
            }
            if (!take(r, &fields[k], t->vals[i], where)) {
                return false;
            }
        }
    }
    return true;
}

/* The body as an object; undefined if there is none and none is needed. */
static bool read_object(cs_server__request *r, const cs_server__compile_type *type, cs_value *out)
{
    *out = cs_undefined();
    if (r->authz_parsed) {
        *out = r->authz_body;
    } else {
        const char *words = "";
        if (!cs_server__read_body(r, before)) {
            return false;
        }
        if (type->may_be_empty && cs_slice_trim(r->body).n == 0) {
            return true;
        }
        if (cs_server__json_first(r->arena, r->body, out, &words) != CS_OK) {
            cs_server__fail(r, 400, "invalid_parameter", "%s%s", before, words);
            return false;
        }
    }
    if (cs_is(*out, CS_NULL) || cs_is_undefined(*out)) {
        *out = cs_undefined();
        return true;
    }
    if (!cs_is(*out, CS_OBJECT)) {
        cs_server__fail(r, 400, "invalid_parameter", "%sjson: cannot unmarshal %s into Go value of type %s", before,
                        cs_server__go_kind(*out), type->value);
        return false;
    }
    return true;
}

bool cs_server__compile_read(cs_server__request *r, const cs_server__compile_type *type,
                             cs_server__compile_request *out)
{
    cs_value body, options = cs_undefined();
    memset(out, 0, sizeof *out); /* undefined */
    const field fields[] = {{"input", FIELD_ANY, &out->input},
                            {"query", FIELD_TEXT, &out->query},
                            {"unknowns", FIELD_TEXTS, &out->unknowns},
                            {"options", FIELD_OBJECT, &options}};
    const field plain[] = {{"disableInlining", FIELD_TEXTS, &out->keep},
                           {"nondeterministicBuiltins", FIELD_BOOL, &out->nondeterministic}};
    const field filters[] = {{"disableInlining", FIELD_TEXTS, &out->keep},
                             {"targetSQLTableMappings", FIELD_OBJECT, &out->mappings},
                             {"targetDialects", FIELD_TEXTS, &out->dialects},
                             {"maskRule", FIELD_TEXT, &out->mask}};
    if (!read_object(r, type, &body)) {
        return false;
    }
    if (cs_is_undefined(body)) {
        return true;
    }
    if (!take_all(r, body, fields, sizeof fields / sizeof *fields, type->field, type->options)) {
        return false;
    }
    if (cs_is_undefined(options)) {
        return true;
    }
    return type->filters ? take_all(r, options, filters, sizeof filters / sizeof *filters, ".options", "")
                         : take_all(r, options, plain, sizeof plain / sizeof *plain, ".options", "");
}

cs_slice cs_server__compile_item(cs_value list, uint32_t i)
{
    return cs_is(list.u.items[i], CS_STRING) ? cs_text(list.u.items[i]) : CS_LIT("");
}

/* ---- evaluation */
void cs_server__compile_begin(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    v->active = true;
    v->run = NULL;
    v->cancel = 0;
    v->parked = v->not_prepared = v->hit = false;
    v->err = CS_OK;
    v->compile_ns = v->eval_ns = 0;
    v->result = cs_undefined();
    v->instrument = cs_server__instrument(r);
    v->world = cs_store_pin(r->w->reader);
    v->errors = cs_arena_new(r->arena, cs_errors);
    cs_errors_init(v->errors);
    v->error.row = 0;
    v->error.file[0] = v->error.text[0] = 0;
    r->w->current = r;
}

cs_eval cs_server__compile_eval(cs_server__request *r, cs_value input)
{
    cs_eval eval = {
        .arena = r->arena,
        .data = cs_world_data(r->eval.world),
        .input = input,
        .instrument = r->eval.instrument,
        .nd_builtin_cache = r->server->o.config->nd_builtin_cache ? &r->eval.nd_builtin_cache : NULL,
        .host = &r->w->host,
        .deadline_mono_ns = r->http->started_ns + (int64_t)cs_limits_get()->eval_timeout_ms * CS_NS_PER_MS,
    };
    eval.live = cs_world_live(r->eval.world, &eval.n_live);
    return eval;
}

cs_trace *cs_server__compile_trace(cs_server__request *r, cs_explain *level)
{
    *level = CS_EXPLAIN_OFF;
    for (size_t i = 0; i < r->n_params && *level == CS_EXPLAIN_OFF; i++) {
        if (cs_slice_is(r->params[i].name, "explain") && !cs_explain_parse(r->params[i].value, level)) {
            *level = CS_EXPLAIN_OFF;
        }
    }
    if (*level == CS_EXPLAIN_OFF) {
        return NULL;
    }
    return cs_trace_new(r->arena, &(cs_trace_options){.locals = true, .unify = *level == CS_EXPLAIN_DEBUG});
}

void cs_server__compile_fail(cs_server__request *r, cs_err err)
{
    r->eval.error.code = err;
    if (err == CS_ERR_INTERNAL) {
        cs_server__fail(r, 500, "internal_error", "%s", r->eval.error.text);
    } else {
        cs_server__fail_eval(r);
    }
}

/* ---- POST /v1/compile */
typedef struct timers {
    int64_t parse, compile, eval;
} timers;

static void send_result(cs_server__request *r, const cs_partial *p, const timers *t, const cs_trace *trace,
                        cs_explain level)
{
    cs_json_text out = {.out = cs_http_body(r->x), .flags = CS_JSON_HTML | (r->pretty ? (unsigned)CS_JSON_PRETTY : 0U)};
    cs_json_open(&out, '{');
    out.flags |= CS_JSON_AS_MADE; /* trees */
    cs_json_put(&out, "result", cs_partial_to_json(p));
    if (trace) {
        cs_trace_view view = cs_trace_choose(r->arena, trace, level, SIZE_MAX);
        cs_value events = r->pretty ? cs_trace_to_lines(r->arena, &view) : cs_trace_to_api(r->arena, &view);
        if (cs_count(events)) {
            cs_json_put(&out, "explanation", events);
        }
    }
    if (cs_server__flag(r, "metrics") || cs_server__flag(r, "instrument")) {
        const cs_server__timer list[] = {{"timer_rego_partial_eval_ns", t->eval + 1},
                                         {"timer_rego_query_compile_ns", t->compile + 1},
                                         {"timer_rego_query_parse_ns", t->parse + 1},
                                         {"timer_server_handler_ns", cs_time_mono_ns() - r->started_ns}};
        cs_json_put(&out, "metrics", cs_server__metrics(r, list, sizeof list / sizeof *list, false));
    }
    cs_json_close(&out);
    cs_buf_byte(cs_http_body(r->x), '\n');
    cs_server__send(r, 200, "application/json");
}

/* false: an error was replied. */
static bool prepare(cs_server__request *r, cs_partial *p, const cs_server__compile_request *q)
{
    cs_error *e = &r->eval.error;
    cs_slice text = cs_is_undefined(q->query) ? CS_LIT("") : cs_text(q->query);
    if (cs_partial_parse(p, text, r->server->o.rego_version == 0, true, r->eval.errors) != CS_OK) {
        cs_slice first = r->eval.errors->v[0].text;
        if (cs_slice_starts(first, CS_LIT("expected body but got"))) {
            cs_server__fail(r, 400, "invalid_parameter", "error(s) occurred while parsing query: %.*s", CS_FMT(first));
            return false;
        }
        cs_server__fail_list(r, 400, "invalid_parameter", "error(s) occurred while parsing query",
                             cs_errors_to_json(r->arena, r->eval.errors));
        return false;
    }
    if (cs_partial_is_empty(p)) {
        cs_server__fail(r, 400, "invalid_parameter", "missing required 'query' value");
        return false;
    }
    for (uint32_t i = 0; i < cs_count(q->unknowns); i++) {
        if (cs_partial_add_unknown(p, cs_server__compile_item(q->unknowns, i), false, e) != CS_OK) {
            cs_server__fail(r, 400, "invalid_parameter", "error(s) occurred while parsing unknowns: %s", e->text);
            return false;
        }
    }
    return true;
}

static void compile(cs_server__request *r, const cs_server__compile_request *q)
{
    int64_t begun = cs_time_mono_ns();
    timers t = {0};
    cs_explain level;
    cs_partial *p = cs_partial_new(r->arena, cs_world_policy(r->eval.world));
    cs_trace *trace = cs_server__compile_trace(r, &level);
    cs_partial_options options = {.query.server = true,
                                  .query.instrument = r->eval.instrument,
                                  .nondeterministic_builtins = cs_truthy(q->nondeterministic),
                                  .known = !cs_is_undefined(q->unknowns)};
    if (!prepare(r, p, q)) {
        return;
    }
    t.parse = cs_time_mono_ns() - begun;
    if (cs_partial_compile(p, &options, r->eval.errors) != CS_OK) {
        cs_server__fail_list(r, 400, "invalid_parameter", "error(s) occurred while compiling module(s)",
                             cs_errors_to_json(r->arena, r->eval.errors));
        return;
    }
    cs_err err = CS_OK;
    for (uint32_t i = 0; i < cs_count(q->keep) && err == CS_OK; i++) {
        err = cs_partial_keep_rule(p, cs_server__compile_item(q->keep, i), &r->eval.error);
    }
    t.compile = cs_time_mono_ns() - begun - t.parse;
    cs_eval eval = cs_server__compile_eval(r, q->input);
    eval.tracer = trace ? cs_trace_tracer(trace) : NULL;
    err = err == CS_OK ? cs_partial_run(p, &options, &eval, &r->eval.error) : err;
    if (err != CS_OK) {
        cs_server__compile_fail(r, err);
        return;
    }
    t.eval = cs_time_mono_ns() - begun - t.parse - t.compile;
    send_result(r, p, &t, trace, level);
}

void cs_server__compile_post(cs_server__request *r)
{
    static const cs_server__compile_type type = {
        .value = "types.CompileRequestV1",
        .field = "CompileRequestV1",
        .options = "struct { DisableInlining []string \"json:\\\"disableInlining,omitempty\\\"\"; "
                   "NondeterministicBuiltins bool \"json:\\\"nondeterministicBuiltins\\\"\" }",
    };
    cs_server__compile_request q;
    if (cs_server__compile_read(r, &type, &q)) {
        cs_server__compile_begin(r);
        compile(r, &q);
    }
}
