/* POST and GET /v1/compile/{path}: the conditions under which a rule holds, as a filter of a data store. */
#include "compile.h"

#include "countersign/base/encode.h"
#include "countersign/base/time.h"

/* The media types and what they stand for. */
static const struct {
    const char *accept, *target, *dialect;
} media[] = {
    {"application/vnd.opa.multitarget+json", "multi", ""},
    {"application/vnd.opa.ucast.all+json", "ucast", "all"},
    {"application/vnd.opa.ucast.minimal+json", "ucast", "minimal"},
    {"application/vnd.opa.ucast.prisma+json", "ucast", "prisma"},
    {"application/vnd.opa.ucast.linq+json", "ucast", "linq"},
    {"application/vnd.opa.sql.postgresql+json", "sql", "postgresql"},
    {"application/vnd.opa.sql.mysql+json", "sql", "mysql"},
    {"application/vnd.opa.sql.sqlserver+json", "sql", "sqlserver"},
    {"application/vnd.opa.sql.sqlite+json", "sql", "sqlite"},
    {"application/json", "", ""},
};
enum { N_MEDIA = sizeof media / sizeof *media };

typedef struct job {
    cs_server__request *r;
    cs_server__compile_request q;
    cs_partial *p;
    cs_slice url; /* the path as it is logged */
    const cs_value *path;
    size_t n_path;
    cs_slice mask; /* the ref of the rule that masks, or "" */
    cs_value masks;
    const char *accept;
    bool multi;
    cs_partial_target *targets;
    cs_value *filters; /* one a target; undefined: nothing passes */
    size_t n;
    struct {
        int64_t parse, prepare, constraints, mask, compile, eval, translate;
    } ns;
} job;

static bool evaluation_errors(cs_server__request *r)
{
    cs_server__fail_list(r, 400, "evaluation_error", "error(s) occurred while evaluating query",
                         cs_errors_to_json(r->arena, r->eval.errors));
    return false;
}

static bool bad_parameter(cs_server__request *r, const char *in_front)
{
    cs_server__fail(r, 400, "invalid_parameter", "%s%s", in_front, r->eval.error.text);
    return false;
}

/* ---- the request */
static bool read_path(job *j)
{
    cs_server__request *r = j->r;
    if (!cs_percent_decode(r->arena, r->rest, false, &j->url)) {
        j->url = r->rest;
    }
    if (j->url.n == 0) {
        cs_server__fail(r, 400, "invalid_parameter", "missing required 'path' parameter");
        return false;
    }
    return true;
}

static bool parse_path(job *j)
{
    cs_slice bad;
    if (cs_server__path_keys(j->r->arena, j->url, &j->path, &j->n_path, &bad)) {
        return true;
    }
    cs_server__fail(j->r, 400, "invalid_parameter", "invalid path: invalid ref term '%.*s'", CS_FMT(bad));
    return false;
}

/* Unknowns and the masking rule: the request's, or else what annotations say. */
static bool read_terms(job *j)
{
    cs_server__request *r = j->r;
    cs_error *e = &r->eval.error;
    for (uint32_t i = 0; i < cs_count(j->q.unknowns); i++) {
        if (cs_partial_add_unknown(j->p, cs_server__compile_item(j->q.unknowns, i), true, e) != CS_OK) {
            return bad_parameter(r, "error(s) occurred while parsing unknowns: ");
        }
    }
    bool given = cs_is(j->q.mask, CS_STRING) && j->q.mask.n > 0;
    j->mask = CS_LIT("");
    if (given && cs_partial_mask_ref(j->p, cs_text(j->q.mask), j->path, j->n_path, &j->mask, e) != CS_OK) {
        return bad_parameter(r, "");
    }
    bool unknowns = cs_partial_unknown_count(j->p) == 0;
    if (cs_partial_annotated(j->p, j->path, j->n_path, unknowns, given ? NULL : &j->mask, r->eval.errors) != CS_OK) {
        return evaluation_errors(r);
    }
    return true;
}

static bool refuse_accept(cs_server__request *r, const char *words, cs_slice what)
{
    cs_server__fail(r, 400, "invalid_parameter", "Accept header: %s%.*s", words, CS_FMT(what));
    return false;
}

static bool multi_targets(job *j)
{
    cs_server__request *r = j->r;
    j->multi = true;
    j->n = cs_count(j->q.dialects);
    j->targets = cs_arena_array(r->arena, cs_partial_target, j->n + 1);
    for (size_t i = 0; i < j->n; i++) {
        cs_slice rest = cs_server__compile_item(j->q.dialects, (uint32_t)i);
        if (!cs_slice_next(&rest, '+', &j->targets[i].target) || !cs_slice_next(&rest, '+', &j->targets[i].dialect)) {
            cs_server__fail(r, 500, "internal_error", "unknown target/dialect combination: %.*s",
                            CS_FMT(cs_server__compile_item(j->q.dialects, (uint32_t)i)));
            return false;
        }
    }
    return true;
}

static bool read_targets(job *j)
{
    cs_server__request *r = j->r;
    const cs_slice *accept = cs_server__header(r, "Accept");
    if (accept == NULL || accept->n == 0) {
        return refuse_accept(r, "missing required header", CS_LIT(""));
    }
    if (memchr(accept->p, ',', accept->n) != NULL) {
        return refuse_accept(r, "multiple headers not supported", CS_LIT(""));
    }
    for (size_t i = 0; i < N_MEDIA; i++) {
        if (!cs_slice_is(*accept, media[i].accept)) {
            continue;
        }
        j->accept = media[i].accept;
        if (strcmp(media[i].target, "multi") == 0) {
            return multi_targets(j);
        }
        j->n = 1;
        j->targets = cs_arena_array(r->arena, cs_partial_target, 1);
        j->targets[0] = (cs_partial_target){cs_slice_of(media[i].target), cs_slice_of(media[i].dialect)};
        return true;
    }
    return refuse_accept(r, "unsupported header: ", *accept);
}

/* ---- evaluation */
static bool check_targets(job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        if (cs_partial_check_target(&j->targets[i], &j->r->eval.error) != CS_OK) {
            cs_server__fail(j->r, 500, "internal_error", "%s", j->r->eval.error.text);
            return false;
        }
    }
    return true;
}

static bool keep_rules(job *j)
{
    cs_server__request *r = j->r;
    for (uint32_t i = 0; i < cs_count(j->q.keep); i++) {
        if (cs_partial_keep_rule(j->p, cs_server__compile_item(j->q.keep, i), &r->eval.error) != CS_OK) {
            cs_server__fail(r, 500, "internal_error", "%s: %s", j->mask.n ? "evaluate masks" : "partial eval",
                            r->eval.error.text);
            return false;
        }
    }
    return true;
}

/* Words in front of the compiler's list, as OPA wraps it. */
static bool not_compiled(cs_server__request *r, const char *in_front)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_errors_print(&text, r->eval.errors);
    cs_server__fail(r, 500, "internal_error", "%s: %s", in_front, cs_buf_cstr(&text));
    cs_buf_destroy(&text);
    return false;
}

/* The value of the masking rule: an object, or nothing. */
static bool run_mask(job *j, cs_query *query)
{
    cs_server__request *r = j->r;
    cs_eval eval = cs_server__compile_eval(r, j->q.input);
    cs_value answers;
    int64_t begun = cs_time_mono_ns();
    cs_err err = cs_query_run(query, &eval, &answers, &r->eval.error);
    if (err != CS_OK) {
        cs_server__compile_fail(r, err);
        return false;
    }
    j->ns.mask = cs_time_mono_ns() - begun;
    if (answers.n == 0) {
        return true;
    }
    cs_value masks = answers.u.items[0].u.items[1].u.items[0];
    if (!cs_is(masks, CS_OBJECT) && !cs_is(masks, CS_NULL)) {
        cs_server__fail(r, 500, "internal_error",
                        "convert masks: json: cannot unmarshal %s into Go value of type map[string]interface {}",
                        cs_is(masks, CS_SET) ? "array" : cs_server__go_kind(masks));
        return false;
    }
    j->masks = cs_is(masks, CS_OBJECT) ? masks : cs_undefined();
    return true;
}

static bool masks(job *j)
{
    cs_server__request *r = j->r;
    cs_query *query = NULL;
    cs_query_options options = {.server = true};
    if (cs_query_prepare(cs_world_policy(r->eval.world), j->mask, &options, &query, r->eval.errors) != CS_OK) {
        return not_compiled(r, "prepare for mask eval");
    }
    bool ok = keep_rules(j) && run_mask(j, query);
    cs_query_release(query);
    return ok;
}

static bool evaluate(job *j, const cs_partial_options *options)
{
    cs_server__request *r = j->r;
    int64_t begun = cs_time_mono_ns();
    if (cs_partial_compile(j->p, options, r->eval.errors) != CS_OK) {
        return not_compiled(r, "prepare for partial");
    }
    j->ns.compile = cs_time_mono_ns() - begun;
    if (j->mask.n ? !masks(j) : !keep_rules(j)) {
        return false;
    }
    cs_eval eval = cs_server__compile_eval(r, j->q.input);
    begun = cs_time_mono_ns();
    cs_err err = cs_partial_run(j->p, options, &eval, &r->eval.error);
    j->ns.eval = cs_time_mono_ns() - begun;
    if (err != CS_OK) {
        cs_server__compile_fail(r, err);
        return false;
    }
    return true;
}

static bool translate(job *j)
{
    cs_server__request *r = j->r;
    cs_error *e = &r->eval.error;
    if (cs_partial_check(j->p, j->targets, j->n, j->q.mappings, r->eval.errors) != CS_OK) {
        return evaluation_errors(r);
    }
    int64_t begun = cs_time_mono_ns();
    j->filters = cs_arena_array(r->arena, cs_value, j->n + 1);
    for (size_t i = 0; i < j->n; i++) {
        cs_err err = cs_partial_filter(j->p, &j->targets[i], j->q.mappings, &j->filters[i], e);
        if (err == CS_ERR_INVALID) {
            return bad_parameter(r, "");
        }
        if (err != CS_OK) {
            (void)cs_errors_add(r->eval.errors, err, CS_LIT(""), 0, 0, CS_LIT(""), "%s", e->text);
            return evaluation_errors(r);
        }
    }
    j->ns.translate = cs_time_mono_ns() - begun;
    return true;
}

/* ---- the answer */
static cs_value metrics(job *j)
{
    const cs_server__timer list[] = {
        {"timer_compile_eval_constraints_ns", j->ns.constraints + 1},
        {"timer_compile_eval_mask_rule_ns", j->mask.n ? j->ns.mask + 1 : 0},
        {"timer_compile_prep_partial_ns", j->ns.prepare + 1},
        {"timer_compile_translate_queries_ns", j->ns.translate + 1},
        {"timer_rego_external_resolve_ns", j->mask.n ? 1 : 0},
        {"timer_rego_partial_eval_ns", j->ns.eval + 1},
        {"timer_rego_query_compile_ns", j->ns.compile + 1},
        {"timer_rego_query_eval_ns", j->mask.n ? j->ns.mask + 1 : 0},
        {"timer_rego_query_parse_ns", j->ns.parse + 1},
        {"timer_server_handler_ns", cs_time_mono_ns() - j->r->started_ns},
    };
    return cs_server__metrics(j->r, list, sizeof list / sizeof *list, false);
}

static void put_filter(const job *j, cs_json_text *out, const char *key, cs_value filter)
{
    cs_json_key(out, key);
    cs_json_open(out, '{');
    cs_json_put(out, "query", filter);
    if (cs_count(j->masks)) {
        cs_json_put(out, "masks", j->masks);
    }
    cs_json_close(out);
}

/* The filter of a target among several; undefined without one. Of condition trees the first counts, of SQL the last. */
static cs_value filter_for(const job *j, const char *target, const char *dialect)
{
    cs_value found = cs_undefined();
    for (size_t i = 0; i < j->n; i++) {
        if (cs_slice_is(j->targets[i].target, target) && (!dialect || cs_slice_is(j->targets[i].dialect, dialect))) {
            found = j->filters[i];
            if (!dialect) {
                break;
            }
        }
    }
    return found;
}

static void put_result(job *j, cs_json_text *out)
{
    static const struct {
        const char *key, *target, *dialect;
    } all[] = {{"ucast", "ucast", NULL},
               {"postgresql", "sql", "postgresql"},
               {"mysql", "sql", "mysql"},
               {"sqlserver", "sql", "sqlserver"},
               {"sqlite", "sql", "sqlite"}};
    if (!j->multi) {
        if (!cs_is_undefined(j->filters[0])) {
            put_filter(j, out, "result", j->filters[0]);
        }
        return;
    }
    cs_json_key(out, "result");
    cs_json_open(out, '{');
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cs_value filter = filter_for(j, all[i].target, all[i].dialect);
        if (!cs_is_undefined(filter)) {
            put_filter(j, out, all[i].key, filter);
        }
    }
    cs_json_close(out);
}

static void answer(job *j)
{
    cs_server__request *r = j->r;
    cs_json_text out = {.out = cs_http_body(r->x), .flags = CS_JSON_HTML | (r->pretty ? (unsigned)CS_JSON_PRETTY : 0U)};
    cs_json_open(&out, '{');
    put_result(j, &out);
    if (cs_server__flag(r, "metrics") || cs_server__flag(r, "instrument")) {
        cs_json_put(&out, "metrics", metrics(j));
    }
    cs_value hints = cs_partial_hints(j->p);
    if (!cs_is_undefined(hints)) {
        cs_json_put(&out, "hints", hints);
    }
    cs_json_close(&out);
    cs_buf_byte(cs_http_body(r->x), '\n');
    cs_value result = j->n && !cs_is_undefined(j->filters[0]) ? j->filters[0] : cs_undefined();
    cs_server__record(r, j->url, CS_LIT(""), j->q.input, result, NULL);
    cs_server__send(r, 200, j->accept);
}

void cs_server__compile_filters(cs_server__request *r)
{
    static const cs_server__compile_type type = {
        .value = "server.alias",
        .field = "alias",
        .options = "struct { DisableInlining []string \"json:\\\"disableInlining,omitempty\\\"\"; "
                   "Mappings map[string]interface {} \"json:\\\"targetSQLTableMappings,omitempty\\\"\"; "
                   "TargetDialects []string \"json:\\\"targetDialects,omitempty\\\"\"; "
                   "MaskRule string \"json:\\\"maskRule,omitempty\\\"\" }",
        .filters = true,
        .may_be_empty = true,
    };
    static const cs_partial_options options = {
        .query.server = true, .nondeterministic_builtins = true, .known = true, .hints = true, .no_indexing = true};
    job j = {.r = r, .masks = cs_undefined()};
    int64_t begun = cs_time_mono_ns();
    if (!read_path(&j) || !cs_server__compile_read(r, &type, &j.q) || !parse_path(&j)) {
        return;
    }
    cs_server__make_decision_id(r);
    cs_server__compile_begin(r);
    j.p = cs_partial_new(r->arena, cs_world_policy(r->eval.world));
    cs_partial_set_path(j.p, j.path, j.n_path);
    if (!read_terms(&j)) {
        return;
    }
    j.ns.parse = cs_time_mono_ns() - begun;
    if (!read_targets(&j) || !check_targets(&j)) {
        return;
    }
    j.ns.prepare = j.ns.constraints = cs_time_mono_ns() - begun - j.ns.parse;
    if (evaluate(&j, &options) && translate(&j)) {
        answer(&j);
    }
}
