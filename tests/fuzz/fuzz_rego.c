/* The Rego lexer and parser on arbitrary bytes: modules of every version, queries and terms. The first byte says which.
 */
#include <stdint.h>
#include <stdlib.h>

#include "countersign/json.h"
#include "rego/syntax/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* Errors name a place inside the text, and print. */
static void check_errors(cs_arena *a, cs_slice text, const cs_errors *errors)
{
    cs_buf out;
    cs_buf_init(&out);
    for (size_t i = 0; i < errors->n; i++) {
        must(errors->v[i].row <= text.n + 1 && errors->v[i].col <= text.n + 1);
    }
    cs_errors_print(&out, errors);
    cs_buf_clear(&out);
    cs_json_write(&out, cs_errors_to_json(a, errors), 0);
    cs_value again;
    must(cs_json_read(a, cs_buf_view(&out), NULL, &again, NULL, NULL) == CS_OK);
    cs_buf_destroy(&out);
}

static bool sane_term(void *self, cs_term *t)
{
    const cs_slice *text = self;
    must(t->loc.offset <= text->n && t->loc.from <= text->n && t->loc.length <= text->n - t->loc.from);
    return true;
}

/* A tree prints, is valid as JSON, and equals its copy. */
static void check_module(cs_ast *ast, cs_slice text, cs_module *m)
{
    cs_walker w = {.self = &text, .term = sane_term};
    cs_buf out;
    cs_buf_init(&out);
    cs_module_print(&out, m);
    cs_buf_clear(&out);
    cs_json_write(&out, cs_module_to_json(ast->arena, m), 0);
    cs_value again;
    must(cs_json_read(ast->arena, cs_buf_view(&out), &(cs_json_options){.max_depth = 100000}, &again, NULL, NULL) ==
         CS_OK);
    cs_buf_destroy(&out);
    for (uint32_t i = 0; i < m->n_rules; i++) {
        cs_walk_rule(&w, m->rules[i]);
        cs_rule *copy = cs_rule_copy(ast, m->rules[i]);
        must(cs_body_compare(copy->body, m->rules[i]->body) == 0);
        must(cs_term_equal(copy->head.ref, m->rules[i]->head.ref));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1U << 16) {
        return 0;
    }
    cs_arena arena;
    cs_errors errors;
    cs_ast ast;
    cs_arena_init(&arena, (size_t)1 << 28);
    cs_errors_init(&errors);
    cs_ast_init(&ast, &arena);
    cs_slice text = {cs_arena_dup(&arena, (const char *)data + 1, size - 1), size - 1};
    cs_parse_options options = {.version = (cs_rego_version)(data[0] & 3), .annotations = (data[0] & 4) == 0};
    cs_body body = {0};
    cs_module *m = NULL;
    cs_value v;
    switch (data[0] >> 3 & 3) {
    case 0:
    case 1:
        if (cs_parse_module(&ast, CS_LIT("f.rego"), text, &options, &m, &errors) == CS_OK) {
            must(errors.n == 0);
            check_module(&ast, text, m);
        } else {
            must(errors.n > 0);
        }
        break;
    case 2:
        if (cs_parse_query(&ast, text, &options, &body, &errors) == CS_OK) {
            must(cs_body_compare(body, cs_body_copy(&ast, body)) == 0);
        }
        break;
    default:
        if (cs_rego_parse_value(&arena, text, &v, &errors) == CS_OK) {
            must(!cs_is_undefined(v));
        }
        break;
    }
    check_errors(&arena, text, &errors);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&arena);
    return 0;
}
