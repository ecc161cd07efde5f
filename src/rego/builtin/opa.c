/* opa.runtime, trace, print and the other functions that look outside or that only the engine calls. */
#include "rego/builtin/internal.h"

/* A shallow copy of an object without some keys. */
static cs_value without(cs_call *call, cs_value object, const char *key, const char *other)
{
    cs_value out = cs_object_new(call->arena, cs_count(object));
    for (uint32_t i = 0; i < cs_count(object); i++) {
        cs_value v, k = cs_entry(object, i, &v);
        bool hidden =
            k.kind == CS_STRING && (cs_slice_is(cs_text(k), key) || (other && cs_slice_is(cs_text(k), other)));
        if (!hidden) {
            cs_object_put(call->arena, out, k, v);
        }
    }
    return out;
}

/* The section `name` of the configuration with secrets taken out of each of its entries. */
static void hide(cs_call *call, cs_value config, const char *name, const char *key, const char *other)
{
    const cs_value *section = cs_object_get_text(config, name);
    if (!section || (section->kind != CS_OBJECT && section->kind != CS_ARRAY)) {
        return;
    }
    cs_value shown = *section;
    if (section->kind == CS_ARRAY) {
        cs_value *items = cs_arena_alloc(call->arena, (section->n ? section->n : 1) * sizeof *items);
        for (uint32_t i = 0; i < section->n; i++) {
            cs_value v = section->u.items[i];
            items[i] = v.kind == CS_OBJECT ? without(call, v, key, other) : v;
        }
        shown = cs_array(items, section->n);
    } else {
        shown = cs_object_new(call->arena, cs_count(*section));
        for (uint32_t i = 0; i < cs_count(*section); i++) {
            cs_value v, k = cs_entry(*section, i, &v);
            cs_object_put(call->arena, shown, k, v.kind == CS_OBJECT ? without(call, v, key, other) : v);
        }
    }
    cs_object_put_text(call->arena, config, name, shown);
}

cs_err cs_builtin__opa_runtime(cs_call *call, cs_value *out)
{
    const cs_host *host = call->state->host;
    cs_value runtime = host->runtime(host->self, call->arena);
    const cs_value *config = runtime.kind == CS_OBJECT ? cs_object_get_text(runtime, "config") : NULL;
    if (config && config->kind == CS_OBJECT) {
        cs_value shown = cs_object_clone(call->arena, *config, 0);
        hide(call, shown, "services", "credentials", NULL);
        hide(call, shown, "keys", "key", "private_key");
        runtime = cs_object_clone(call->arena, runtime, 0);
        cs_object_put_text(call->arena, runtime, "config", shown);
    }
    return cs_call__give(out, runtime);
}

cs_err cs_builtin__trace(cs_call *call, cs_value *out)
{
    cs_slice note;
    CS_TRY(cs_call_string(call, 1, &note));
    return cs_call__give(out, cs_bool(true));
}

cs_err cs_builtin__internal_test_case(cs_call *call, cs_value *out)
{
    const cs_host *host = call->state->host;
    if (host->test_case) {
        host->test_case(host->self, call->args[0]);
    }
    return cs_call__give(out, cs_bool(true));
}

/* ------------------------------------------------------------------------------------------------ print */

static void put_shown(cs_sink *s, cs_value v)
{
    if (v.kind == CS_STRING) {
        cs_sink__slice(s, cs_text(v));
    } else {
        cs_sink__value(s, v);
    }
}

/* How many lines the sets of the operand make together; an empty set makes one, "<undefined>". */
static cs_err count_lines(cs_call *call, cs_value parts, uint64_t *lines)
{
    *lines = 1;
    for (uint32_t i = 0; i < parts.n; i++) {
        cs_value part = parts.u.items[i];
        if (part.kind == CS_ARRAY || part.kind == CS_OBJECT) {
            return cs_fail(call->e, CS_ERR_EVAL_INTERNAL, "illegal argument type: %s", cs_kind_name(part));
        }
        if (part.kind == CS_SET && cs_count(part) > 1) {
            *lines *= cs_count(part);
        }
        if (*lines > cs_limits_get()->range_items) {
            return cs_call__limit_error(call, "range_items");
        }
    }
    return CS_OK;
}

/* Line number `line`: the last part changes fastest. */
static void put_line(cs_sink *s, cs_value parts, uint64_t line, const char *between)
{
    uint64_t block = 1;
    for (uint32_t i = 0; i < parts.n; i++) {
        cs_value part = parts.u.items[i];
        block *= part.kind == CS_SET && cs_count(part) ? cs_count(part) : 1;
    }
    for (uint32_t i = 0; i < parts.n; i++) {
        cs_value part = parts.u.items[i];
        cs_sink__text(s, i ? between : "");
        if (part.kind != CS_SET) {
            put_shown(s, part);
        } else if (cs_count(part) == 0) {
            cs_sink__text(s, "<undefined>");
        } else {
            block /= cs_count(part);
            put_shown(s, cs_entry(part, (uint32_t)(line / block % cs_count(part)), NULL));
        }
    }
}

cs_err cs_builtin__internal_print(cs_call *call, cs_value *out)
{
    const cs_host *host = call->state->host;
    cs_value parts;
    uint64_t lines;
    CS_TRY(cs_call__array(call, 1, &parts));
    CS_TRY(count_lines(call, parts, &lines));
    for (uint64_t i = 0; i < lines; i++) {
        cs_sink s;
        cs_slice text;
        cs_sink__init(&s, call);
        put_line(&s, parts, i, " ");
        CS_TRY(cs_sink__slice_done(&s, &text));
        host->print(host->self, call->file, call->row, text);
    }
    return cs_call__give(out, cs_bool(true));
}

cs_err cs_builtin__internal_template_string(cs_call *call, cs_value *out)
{
    cs_value parts;
    uint64_t lines;
    CS_TRY(cs_call__array(call, 1, &parts));
    CS_TRY(count_lines(call, parts, &lines));
    if (lines > 1) {
        return cs_fail(call->e, CS_ERR_EVAL_CONFLICT, "template-strings must not produce multiple outputs");
    }
    cs_sink s;
    cs_sink__init(&s, call);
    put_line(&s, parts, 0, "");
    return cs_sink__done(&s, out);
}
