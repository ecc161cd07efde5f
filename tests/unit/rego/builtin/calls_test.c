/* Calls with the answers of OPA 1.22.2 (calls.jsonl): each line is [answer, function, operands…]. An answer is "OK "
 * and the value as Rego text (for a relation all of them), "UNDEF", or "TYPE " or "ERR " and the message. Operands are
 * JSON, with {"$set": […]},
 * {"$obj": [[key, value], …]} and {"$hex": "…"} for what JSON lacks. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/file.h"
#include "countersign/json.h"
#include "rego/builtin/builtin.h"

static cs_value operand(cs_arena *a, cs_value v);

static cs_value special(cs_arena *a, cs_value v)
{
    cs_value content, key = cs_entry(v, 0, &content);
    if (cs_slice_is(cs_text(key), "$set")) {
        cs_value set = cs_set_new(a, 0);
        for (uint32_t i = 0; i < content.n; i++) {
            cs_set_add(a, set, operand(a, content.u.items[i]));
        }
        return set;
    }
    if (cs_slice_is(cs_text(key), "$obj")) {
        cs_value object = cs_object_new(a, 0);
        for (uint32_t i = 0; i < content.n; i++) {
            const cs_value *pair = content.u.items[i].u.items;
            cs_object_put(a, object, operand(a, pair[0]), operand(a, pair[1]));
        }
        return object;
    }
    return cs_undefined();
}

static cs_value operand(cs_arena *a, cs_value v)
{
    if (v.kind == CS_ARRAY) {
        cs_value *items = cs_arena_alloc(a, (v.n + 1U) * sizeof *items);
        for (uint32_t i = 0; i < v.n; i++) {
            items[i] = operand(a, v.u.items[i]);
        }
        return cs_array(items, v.n);
    }
    if (v.kind != CS_OBJECT) {
        return v;
    }
    cs_value made = cs_count(v) == 1 ? special(a, v) : cs_undefined();
    if (!cs_is_undefined(made)) {
        return made;
    }
    made = cs_object_new(a, 0);
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value item, key = cs_entry(v, i, &item);
        cs_object_put(a, made, key, operand(a, item));
    }
    return made;
}

static void print_answer(cs_buf *out, const cs_builtin *b, cs_err err, cs_value answer, const cs_error *e)
{
    if (err != CS_OK) {
        cs_buf_text(out, err == CS_ERR_EVAL_TYPE ? "TYPE " : "ERR ");
        cs_buf_text(out, e->text);
    } else if (b->flags & CS_BUILTIN_RELATION) {
        cs_buf_text(out, "OK");
        for (uint32_t i = 0; i < answer.n; i++) {
            cs_buf_text(out, " ");
            cs_value_print(out, answer.u.items[i]);
        }
    } else if (cs_is_undefined(answer)) {
        cs_buf_text(out, "UNDEF");
    } else {
        cs_buf_text(out, "OK ");
        cs_value_print(out, answer);
    }
}

/* The answer through a writer of JSON, so that bytes that are not UTF-8 look as they do in the file. */
static void check(cs_arena *a, cs_slice line, const cs_host *host)
{
    cs_value row, answer = cs_undefined(), shown;
    cs_error e = {0};
    cr_assert_eq(cs_json_read(a, line, &(cs_json_options){0}, &row, NULL, &e), CS_OK, "%s", e.text);
    const cs_builtin *b = cs_builtin_find(cs_text(row.u.items[1]));
    cr_assert(b && b->run, "%.*s", CS_FMT(cs_text(row.u.items[1])));
    cs_value operands = operand(a, cs_array(row.u.items + 2, row.n - 2U));
    cs_builtin_state state;
    cs_builtin_state_init(&state, a, host);
    cs_call call = {.arena = a, .args = operands.u.items, .n = operands.n, .builtin = b, .state = &state, .e = &e};
    cs_err err = cs_builtin_call(&call, &answer);
    cs_buf text, json;
    cs_buf_init(&text);
    cs_buf_init(&json);
    print_answer(&text, b, err, answer, &e);
    cs_json_write_string(&json, cs_buf_view(&text), 0);
    cr_assert_eq(cs_json_read(a, cs_buf_view(&json), &(cs_json_options){0}, &shown, NULL, &e), CS_OK);
    cr_expect(cs_equal(shown, row.u.items[0]), "%.*s\n  gave %.*s", CS_FMT(line), CS_FMT(cs_buf_view(&json)));
    cs_builtin_state_destroy(&state);
    cs_buf_destroy(&text);
    cs_buf_destroy(&json);
}

Test(calls, as_opa)
{
    cs_buf file;
    cs_error e;
    cs_host host;
    cs_host_fixed fixed = {INT64_C(1700000000000000000), 1};
    cs_host_init_fixed(&host, &fixed);
    cs_buf_init(&file);
    cr_assert_eq(cs_file_read("tests/unit/rego/builtin/calls.jsonl", 1U << 24, &file, &e), CS_OK, "%s", e.text);
    cs_slice rest = cs_buf_view(&file), line;
    size_t n = 0;
    while (cs_slice_next(&rest, '\n', &line)) {
        if (line.n) {
            cs_arena arena;
            cs_arena_init(&arena, 0);
            check(&arena, line, &host);
            cs_arena_destroy(&arena);
            n++;
        }
    }
    cr_expect_gt(n, 1000U);
    cs_buf_destroy(&file);
}
