/* json.verify_schema and json.match_schema, and schemas for the type checker. A schema that refers to others elsewhere
 * is compiled again from the start when one of them has come. */
#include "rego/builtin/schema.h"

#include "countersign/json.h"

/* Levels of a value that is made plain. */
#define DEEPEST 2000

/* A copy whose numbers are float64. NULL, or a number that is beyond that. */
static cs_err as_floats(cs_call *call, cs_value v, int depth, cs_value *out)
{
    char room[32];
    cs_value one, made;
    if (depth > DEEPEST) {
        return cs_call__limit_error(call, "json_depth");
    }
    *out = v;
    if (v.kind == CS_NUMBER) {
        *out = cs_number_from_double(call->arena, cs_number_double(v));
        return cs_is_undefined(*out)
                   ? cs_call_error(call, "json: cannot unmarshal number %.*s into Go value of type float64",
                                   CS_FMT(cs_number_text(v, room)))
                   : CS_OK;
    }
    if (v.kind == CS_ARRAY) {
        cs_value *items = cs_arena_alloc(call->arena, v.n * sizeof *items);
        for (uint32_t i = 0; i < v.n; i++) {
            CS_TRY(as_floats(call, v.u.items[i], depth + 1, &items[i]));
        }
        *out = cs_array(items, v.n);
    }
    if (v.kind == CS_OBJECT) {
        *out = cs_object_new(call->arena, cs_count(v));
        for (uint32_t i = 0; i < cs_count(v); i++) {
            cs_value key = cs_entry(v, i, &one);
            CS_TRY(as_floats(call, one, depth + 1, &made));
            cs_object_put(call->arena, *out, key, made);
        }
    }
    return CS_OK;
}

cs_err cs_schema__plain_text(cs_call *call, cs_value v, cs_value *out)
{
    cs_value plain;
    CS_TRY(as_floats(call, v, 0, &plain));
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, plain, CS_JSON_HTML);
    *out = cs_string_copy(call->arena, cs_buf_view(&text));
    cs_buf_destroy(&text);
    return CS_OK;
}

/* A document or a schema: JSON text, or a value as it is after being written as JSON and read again. */
static cs_err load(cs_call *call, cs_value v, cs_value *out)
{
    if (v.kind == CS_STRING) {
        return cs_json_read(call->arena, cs_text(v), &(cs_json_options){.borrow = true}, out, NULL, NULL) == CS_OK
                   ? CS_OK
                   : cs_call_error(call, "invalid JSON string");
    }
    if (v.kind != CS_OBJECT && v.kind != CS_ARRAY) {
        return cs_call_error(call, "wrong type, expected string or object");
    }
    cs_buf text;
    cs_error e;
    cs_buf_init(&text);
    cs_json_write(&text, v, 0);
    cs_err err = cs_json_read(call->arena, cs_buf_view(&text), &(cs_json_options){.borrow = false}, out, NULL, &e);
    cs_buf_destroy(&text);
    return err == CS_OK ? CS_OK : cs_call_error(call, "%s", e.text);
}

static cs_value pair(cs_call *call, bool good, cs_value what)
{
    cs_value *items = cs_arena_alloc(call->arena, 2 * sizeof *items);
    items[0] = cs_bool(good);
    items[1] = what;
    return cs_array(items, 2);
}

cs_err cs_builtin__json_verify_schema(cs_call *call, cs_value *out)
{
    cs_value document;
    cs_schema *schema;
    cs_error e;
    cs_call inner = *call;
    inner.e = &e;
    cs_err err = load(&inner, call->args[0], &document);
    if (err == CS_OK) {
        err = cs_schema__compile(&inner, document, true, &schema);
    }
    if (call->state->waiting) {
        return cs_call__give(out, cs_undefined());
    }
    if (err != CS_OK && err != CS_ERR_EVAL_BUILTIN) {
        return cs_fail(call->e, err, "%s", e.text);
    }
    return cs_call__give(out, err == CS_OK
                                  ? pair(call, true, cs_null())
                                  : pair(call, false, cs_string_printf(call->arena, "jsonschema: %s", e.text)));
}

cs_err cs_builtin__json_match_schema(cs_call *call, cs_value *out)
{
    cs_value document, schema_document, wrong;
    cs_schema *schema;
    CS_TRY(load(call, call->args[0], &document));
    CS_TRY(load(call, call->args[1], &schema_document));
    cs_err err = cs_schema__compile(call, schema_document, true, &schema);
    if (call->state->waiting) {
        return cs_call__give(out, cs_undefined());
    }
    CS_TRY(err);
    CS_TRY(cs_schema__validate(call, schema, document, &wrong));
    return cs_call__give(out, pair(call, wrong.n == 0, wrong));
}

cs_err cs_schema_read(cs_arena *a, const cs_host *host, cs_value document, cs_schema **out, cs_error *e)
{
    enum { LOOK_NS = 1000000000 };
    cs_builtin_state state;
    cs_builtin_state_init(&state, a, host);
    cs_call call = {.arena = a, .state = &state, .e = e};
    cs_err err = cs_schema__compile(&call, document, false, out);
    while (state.waiting) {
        state.waiting = false;
        while (!host->network->wait(state.exchange, LOOK_NS)) {
        }
        err = cs_schema__compile(&call, document, false, out);
    }
    cs_builtin_state_destroy(&state);
    return err;
}
