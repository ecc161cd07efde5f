/* The tree walker with the answers of OPA 1.22.2 (walker.jsonl): the events of evaluations, and what partial evaluation
 * leaves, queries and rules. The file's first lines are the modules. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/file.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"
#include "rego/topdown/topdown.h"

typedef struct lines {
    cs_arena *arena;
    CS_VEC(cs_slice) v;
} lines;

static void add_line(lines *l, cs_buf *text)
{
    CS_VEC_PUSH_IN(l->arena, &l->v, cs_slice_make(cs_arena_dup(l->arena, text->p, text->n), text->n));
    cs_buf_clear(text);
}

static cs_value field(cs_value record, const char *name)
{
    const cs_value *v = cs_object_get_text(record, name);
    return v ? *v : cs_undefined();
}

static bool is_builtin(cs_slice name)
{
    return cs_builtin_find(name) != NULL;
}

static cs_compiled *compile(cs_ast *ast, cs_slice name, cs_slice text, cs_errors *errors)
{
    static const cs_policy_options policy_options = {0};
    cs_parse_options parse = {.version = CS_REGO_V1, .is_builtin = is_builtin};
    cs_compile_options options = {.policy = &policy_options};
    cs_module *module;
    cs_compiled *compiled = NULL;
    cr_assert_eq(cs_parse_module(ast, name, text, &parse, &module, errors), CS_OK, "%.*s", CS_FMT(name));
    cr_assert_eq(cs_compile_modules(ast, &module, 1, &options, &compiled, errors), CS_OK, "%.*s", CS_FMT(name));
    return compiled;
}

static cs_td_query query_of(cs_ast *ast, const cs_compiled *policy, cs_slice text, bool partial,
                            cs_compiled_query *compiled, cs_errors *errors)
{
    cs_body body;
    cs_parse_options parse = {.version = CS_REGO_V1};
    cs_query_options options = {.partial = partial};
    cr_assert_eq(cs_parse_query(ast, text, &parse, &body, errors), CS_OK, "%.*s", CS_FMT(text));
    cr_assert_eq(cs_compile_query(ast, policy, body, &options, compiled, errors), CS_OK, "%.*s", CS_FMT(text));
    return (cs_td_query){policy, ast, compiled->body, compiled, NULL};
}

/* ---- events */
static void event(void *self, const cs_trace_event *e)
{
    static const char *const ops[] = {"Enter", "Exit",      "Eval", "Redo",  "Save",
                                      "Fail",  "Duplicate", "Note", "Index", "Unify"};
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_printf(&text, "%s %llu %llu [%.*s] %u:%u", ops[e->op], (unsigned long long)e->query_id,
                  (unsigned long long)e->parent_id, CS_FMT(e->message), e->loc.row, e->loc.col);
    add_line(self, &text);
    cs_buf_destroy(&text);
}

static void trace(const cs_compiled *policy, cs_value record, lines *out, cs_errors *errors)
{
    cs_ast ast;
    cs_compiled_query compiled;
    cs_value result;
    cs_tracer tracer = {.self = out, .event = event, .unify = true};
    cs_eval eval = {.arena = out->arena, .input = field(record, "input"), .data = field(record, "data")};
    cs_ast_init(&ast, out->arena);
    cs_td_query q = query_of(&ast, policy, cs_text(field(record, "trace")), false, &compiled, errors);
    cr_assert_eq(cs_topdown_run(&q, &eval, &tracer, &result, NULL), CS_OK);
}

/* ---- what is left */
static void print_body(cs_buf *text, cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        cs_buf_text(text, i ? "; " : "");
        cs_expr_print(text, b.v[i]);
    }
}

static void print_rule(cs_buf *text, const cs_rule *r)
{
    cs_buf_text(text, r->is_default ? "   default " : "   ");
    cs_term_print(text, r->head.ref);
    for (uint32_t i = 0; i < r->head.args.n; i++) {
        cs_buf_text(text, i ? ", " : "(");
        cs_term_print(text, r->head.args.v[i]);
    }
    cs_buf_text(text, r->head.args.n ? ")" : "");
    if (r->head.key) {
        cs_buf_text(text, " contains ");
        cs_term_print(text, r->head.key);
    }
    if (r->head.value) {
        cs_buf_text(text, " = ");
        cs_term_print(text, r->head.value);
    }
    cs_buf_text(text, " { ");
    print_body(text, r->body);
    cs_buf_text(text, " }");
}

static void print_partial(const cs_td_partial *p, lines *out)
{
    cs_buf text;
    cs_buf_init(&text);
    for (uint32_t i = 0; i < p->n_queries; i++) {
        cs_buf_text(&text, "Q: ");
        print_body(&text, p->queries[i]);
        add_line(out, &text);
    }
    for (uint32_t i = 0; i < p->n_support; i++) {
        cs_buf_text(&text, "S: ");
        cs_term_print(&text, p->support[i]->package);
        add_line(out, &text);
        for (uint32_t j = 0; j < p->support[i]->n_rules; j++) {
            print_rule(&text, p->support[i]->rules[j]);
            add_line(out, &text);
        }
    }
    cs_buf_destroy(&text);
}

static uint32_t refs(cs_ast *ast, cs_value texts, const cs_term **out, cs_errors *errors)
{
    for (uint32_t i = 0; i < cs_count(texts); i++) {
        cs_term *t;
        cr_assert_eq(cs_parse_term(ast, cs_text(texts.u.items[i]), &t, errors), CS_OK);
        out[i] = t;
    }
    return cs_count(texts);
}

static void partial(const cs_compiled *policy, cs_value record, lines *out, cs_errors *errors)
{
    cs_ast ast;
    cs_compiled_query compiled;
    cs_td_partial answer;
    const cs_term *unknowns[8];
    const cs_term *no_inlining[8];
    cs_td_partial_options options = {.unknowns = unknowns, .disable_inlining = no_inlining};
    cs_eval eval = {.arena = out->arena, .input = field(record, "input"), .data = field(record, "data")};
    cs_ast_init(&ast, out->arena);
    cs_td_query q = query_of(&ast, policy, cs_text(field(record, "partial")), true, &compiled, errors);
    options.n_unknowns = refs(&ast, field(record, "unknowns"), unknowns, errors);
    options.n_disable_inlining = refs(&ast, field(record, "no_inlining"), no_inlining, errors);
    options.shallow_inlining = cs_truthy(field(record, "shallow"));
    cr_assert_eq(cs_topdown_partial(&q, &eval, &options, NULL, &answer, NULL), CS_OK);
    print_partial(&answer, out);
}

/* ---- comparing */
static bool as_wanted(const lines *got, cs_value want, cs_slice what)
{
    for (uint32_t i = 0; i < cs_count(want) || i < got->v.n; i++) {
        cs_slice w = i < cs_count(want) ? cs_text(want.u.items[i]) : CS_LIT("(nothing)");
        cs_slice g = i < got->v.n ? got->v.v[i] : CS_LIT("(nothing)");
        if (!cs_slice_eq(w, g)) {
            fprintf(stderr, "%.*s, line %u\n  got  %.*s\n  want %.*s\n", CS_FMT(what), i, CS_FMT(g), CS_FMT(w));
            return false;
        }
    }
    return true;
}

static bool run_record(const cs_compiled *policy, cs_value record, cs_arena *arena, cs_errors *errors)
{
    lines got = {.arena = arena};
    bool is_trace = !cs_is_undefined(field(record, "trace"));
    if (is_trace) {
        trace(policy, record, &got, errors);
    } else {
        partial(policy, record, &got, errors);
    }
    return as_wanted(&got, field(record, "want"), cs_text(field(record, is_trace ? "trace" : "partial")));
}

Test(walker, as_opa)
{
    enum { MODULES = 3 };
    cs_buf file;
    cs_arena arena;
    cs_errors errors;
    cs_ast asts[MODULES];
    cs_compiled *policies[MODULES] = {NULL};
    cs_value names[MODULES];
    uint32_t n = 0;
    uint32_t runs = 0;
    int wrong = 0;
    cs_buf_init(&file);
    cs_arena_init(&arena, 0);
    cs_errors_init(&errors);
    cr_assert_eq(cs_file_read("tests/unit/rego/topdown/walker.jsonl", 1 << 24, &file, NULL), CS_OK);
    cs_slice rest = cs_buf_view(&file), line;
    while (cs_slice_next(&rest, '\n', &line) && line.n) {
        cs_value record;
        cr_assert_eq(cs_json_read(&arena, line, NULL, &record, NULL, NULL), CS_OK);
        if (n < MODULES) {
            names[n] = field(record, "module");
            cs_ast_init(&asts[n], &arena);
            policies[n] = compile(&asts[n], cs_text(names[n]), cs_text(field(record, "text")), &errors);
            n++;
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (cs_equal(names[i], field(record, "of"))) {
                wrong += !run_record(policies[i], record, &arena, &errors);
                runs++;
            }
        }
    }
    cr_expect_gt(runs, 100);
    cr_expect_eq(wrong, 0);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
    cs_buf_destroy(&file);
}
