/* Filters with the answers of OPA 1.22.2 (filter.jsonl). Each line is {"queries": [text], "support"?: [module],
 * "targets":
 * [[target, dialect]], "mappings"?, and "result": [tree or text] or "errors": […]}. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/file.h"
#include "countersign/json.h"
#include "rego/filter/filter.h"

typedef struct world {
    cs_arena arena;
    cs_ast ast;
    cs_errors errors;
    cs_td_partial partial;
    cs_filter_target targets[8];
    size_t n;
    cs_value mappings;
} world;

static cs_value get(cs_value object, const char *name)
{
    const cs_value *v = cs_object_get_text(object, name);
    return v ? *v : cs_undefined();
}

static void load(world *w, cs_value line)
{
    cs_value queries = get(line, "queries"), support = get(line, "support"), targets = get(line, "targets");
    cs_parse_options parse = {.version = CS_REGO_V1};
    w->partial.queries = cs_arena_array(&w->arena, cs_body, queries.n + 1);
    for (uint32_t i = 0; i < queries.n; i++) {
        cr_assert_eq(cs_parse_query(&w->ast, cs_text(queries.u.items[i]), &parse, &w->partial.queries[i], &w->errors),
                     CS_OK, "%.*s", CS_FMT(cs_text(queries.u.items[i])));
    }
    w->partial.n_queries = queries.n;
    w->partial.support = cs_arena_array(&w->arena, cs_module *, cs_count(support) + 1);
    for (uint32_t i = 0; i < cs_count(support); i++) {
        cr_assert_eq(cs_parse_module(&w->ast, CS_LIT(""), cs_text(support.u.items[i]), &parse, &w->partial.support[i],
                                     &w->errors),
                     CS_OK);
    }
    w->partial.n_support = cs_count(support);
    for (uint32_t i = 0; i < targets.n; i++) {
        const cs_value *pair = targets.u.items[i].u.items;
        w->targets[w->n++] = (cs_filter_target){cs_text(pair[0]), cs_text(pair[1])};
    }
    w->mappings = get(line, "mappings");
}

static cs_value answer(world *w)
{
    cs_value out = cs_object_new(&w->arena, 1);
    if (cs_filter_check(&w->arena, &w->partial, w->targets, w->n, w->mappings, &w->errors) != CS_OK) {
        cs_object_put_text(&w->arena, out, "errors", cs_errors_to_json(&w->arena, &w->errors));
        return out;
    }
    cs_value *items = cs_arena_array(&w->arena, cs_value, w->n);
    for (size_t i = 0; i < w->n; i++) {
        cs_error e = {0};
        cs_value names;
        cs_err err = cs_filter_mappings(w->mappings, &w->targets[i], &names, &e);
        err = err == CS_OK ? cs_filter_translate(&w->arena, &w->partial, &w->targets[i], names, &items[i], &e) : err;
        items[i] = err == CS_OK ? items[i] : cs_string_printf(&w->arena, "ERR %s", e.text);
    }
    cs_object_put_text(&w->arena, out, "result", cs_array(items, w->n));
    return out;
}

static bool right(cs_slice text)
{
    world w = {.mappings = cs_undefined()};
    cs_value line;
    cs_buf got, want;
    cs_arena_init(&w.arena, 0);
    cs_ast_init(&w.ast, &w.arena);
    cs_errors_init(&w.errors);
    cs_buf_init(&got);
    cs_buf_init(&want);
    cr_assert_eq(cs_json_read(&w.arena, text, NULL, &line, NULL, NULL), CS_OK);
    load(&w, line);
    bool failed = !cs_is_undefined(get(line, "errors"));
    cs_json_write(&got, get(answer(&w), failed ? "errors" : "result"), 0);
    cs_json_write(&want, get(line, failed ? "errors" : "result"), 0);
    bool same = cs_slice_eq(cs_buf_view(&got), cs_buf_view(&want));
    if (!same) {
        fprintf(stderr, "%.*s\n  got  %s\n  want %s\n", CS_FMT(text), cs_buf_cstr(&got), cs_buf_cstr(&want));
    }
    cs_buf_destroy(&want);
    cs_buf_destroy(&got);
    cs_errors_destroy(&w.errors);
    cs_arena_destroy(&w.arena);
    return same;
}

Test(filter, as_opa)
{
    cs_buf file;
    cs_buf_init(&file);
    cr_assert_eq(cs_file_read("tests/unit/rego/filter/filter.jsonl", 1 << 20, &file, NULL), CS_OK);
    cs_slice rest = cs_buf_view(&file), line;
    int wrong = 0;
    while (cs_slice_next(&rest, '\n', &line)) {
        wrong += line.n > 0 && !right(line);
    }
    cr_assert_eq(wrong, 0);
    cs_buf_destroy(&file);
}

/* What cannot be said must not become a filter that lets everything through. */
Test(filter, refuses_what_it_cannot_say)
{
    static const char *const queries[] = {"input.t[0] = 1", "internal.member_2(input.t.a, [input.t.b])"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        cs_arena arena;
        cs_ast ast;
        cs_errors errors;
        cs_body q;
        cs_value out;
        cs_filter_target sql = {CS_LIT("sql"), CS_LIT("mysql")}, ucast = {CS_LIT("ucast"), CS_LIT("all")};
        cs_parse_options parse = {.version = CS_REGO_V1};
        cs_arena_init(&arena, 0);
        cs_ast_init(&ast, &arena);
        cs_errors_init(&errors);
        cr_assert_eq(cs_parse_query(&ast, cs_slice_of(queries[i]), &parse, &q, &errors), CS_OK);
        cs_td_partial partial = {.queries = &q, .n_queries = 1};
        cr_assert_eq(cs_filter_translate(&arena, &partial, &sql, cs_undefined(), &out, NULL), CS_ERR_PE_FRAGMENT);
        cr_assert_eq(cs_filter_translate(&arena, &partial, &ucast, cs_undefined(), &out, NULL), CS_ERR_PE_FRAGMENT);
        cs_errors_destroy(&errors);
        cs_arena_destroy(&arena);
    }
}
