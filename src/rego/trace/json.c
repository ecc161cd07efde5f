/* Explanations as JSON: as `opa eval` prints its events, and as the REST API does. */
#include "rego/syntax/parse.h"
#include "rego/trace/internal.h"

static cs_value node_json(cs_arena *a, const cs_trace__step *s)
{
    if (s->rule) {
        return cs_rule_to_json(a, s->rule);
    }
    if (s->expr) {
        return cs_expr_to_json(a, s->expr);
    }
    return s->body ? cs_body_to_json(a, *s->body) : cs_null();
}

static void write_place(cs_json_text *out, cs_loc loc)
{
    if (!loc.source) {
        cs_json_value(out, cs_null());
        return;
    }
    cs_json_open(out, '{');
    cs_json_put_text(out, "file", loc.source->file);
    cs_json_put(out, "row", cs_int(loc.row));
    cs_json_put(out, "col", cs_int(loc.col));
    cs_json_close(out);
}

static cs_value member(cs_value object, const char *key)
{
    const cs_value *v = cs_object_get_text(object, key);
    return v ? *v : cs_null();
}

/* By name, each where it stood first. */
static uint32_t sort_locals(const cs_trace__step *s, const cs_trace__local **sorted)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_locals; i++) {
        cs_slice name = cs_sym_slice(s->locals[i].var->u.var);
        uint32_t at = n;
        while (at > 0 && cs_slice_compare(cs_sym_slice(sorted[at - 1]->var->u.var), name) > 0) {
            at--;
        }
        if (at > 0 && cs_slice_eq(cs_sym_slice(sorted[at - 1]->var->u.var), name)) {
            continue;
        }
        memmove(&sorted[at + 1], &sorted[at], (n - at) * sizeof(*sorted));
        sorted[at] = &s->locals[i];
        n++;
    }
    return n;
}

static void write_locals(cs_json_text *out, cs_arena *a, const cs_trace__step *s)
{
    cs_json_key(out, "Locals");
    if (s->op == CS_TRACE_TEST_CASE || (s->op == CS_TRACE_NOTE && !s->expr)) {
        cs_json_value(out, cs_null());
        cs_json_put(out, "LocalMetadata", cs_null());
        return;
    }
    cs_json_open(out, '[');
    for (uint32_t i = 0; i < s->n_locals; i++) {
        if (s->locals[i].value) {
            cs_value value = cs_term_to_json(a, s->locals[i].value);
            cs_json_open(out, '{');
            cs_json_put_text(out, "name", cs_trace__term_text(a, s->locals[i].var));
            cs_json_put(out, "type", member(value, "type"));
            cs_json_put(out, "value", member(value, "value"));
            cs_json_close(out);
        }
    }
    cs_json_close(out);
    cs_json_key(out, "LocalMetadata");
    cs_json_open(out, '{');
    const cs_trace__local **sorted = cs_arena_array(a, const cs_trace__local *, s->n_locals + 1U);
    uint32_t n = sort_locals(s, sorted);
    for (uint32_t i = 0; i < n; i++) {
        const cs_trace__local *local = sorted[i];
        cs_json_key_slice(out, cs_sym_slice(local->var->u.var));
        cs_json_open(out, '{');
        cs_json_put_text(out, "name", local->written.n ? local->written : cs_sym_slice(local->var->u.var));
        cs_json_key(out, "location");
        /* What stands for a statement's value in a query was never written. */
        bool written = !cs_slice_starts(cs_sym_slice(local->var->u.var), CS_LIT("$term"));
        write_place(out, written ? local->loc : (cs_loc){0});
        cs_json_close(out);
    }
    cs_json_close(out);
}

void cs_trace_write_json(cs_json_text *out, cs_arena *a, const cs_trace_view *view)
{
    unsigned flags = out->flags;
    out->flags |= CS_JSON_AS_MADE; /* trees */
    cs_json_open(out, '[');
    for (size_t i = 0; i < view->n; i++) {
        const cs_trace__step *s = view->steps[i];
        cs_json_open(out, '{');
        cs_json_put_text(out, "Op", cs_slice_of(cs_trace__op_name(s->op)));
        cs_json_put(out, "Node", node_json(a, s));
        cs_json_key(out, "Location");
        write_place(out, s->loc);
        cs_json_put(out, "QueryID", cs_int((int64_t)s->query_id));
        cs_json_put(out, "ParentID", cs_int((int64_t)s->parent_id));
        write_locals(out, a, s);
        cs_json_put_text(out, "Message", s->message);
        cs_json_put(out, "Ref", s->ref ? member(cs_term_to_json(a, s->ref), "value") : cs_null());
        cs_json_close(out);
    }
    cs_json_close(out);
    out->flags = flags;
}

/* ---- the REST API's */

static cs_value api_locals(cs_arena *a, const cs_trace__step *s)
{
    cs_value *items = cs_arena_array(a, cs_value, s->n_locals + 1U);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_locals; i++) {
        if (s->locals[i].value) {
            items[n] = cs_object_new(a, 2);
            cs_object_put_text(a, items[n], "key", cs_term_to_json(a, s->locals[i].var));
            cs_object_put_text(a, items[n], "value", cs_term_to_json(a, s->locals[i].value));
            n++;
        }
    }
    return cs_array(items, n);
}

static cs_slice lower(cs_arena *a, const char *name)
{
    char *text = cs_arena_dup(a, name, strlen(name));
    for (char *c = text; *c; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    return cs_slice_of(text);
}

cs_value cs_trace_to_api(cs_arena *a, const cs_trace_view *view)
{
    cs_value *events = cs_arena_array(a, cs_value, view->n + 1);
    for (size_t i = 0; i < view->n; i++) {
        const cs_trace__step *s = view->steps[i];
        const char *type = s->rule ? "rule" : s->expr ? "expr" : s->body ? "body" : "";
        events[i] = cs_object_new(a, 7);
        cs_object_put_text(a, events[i], "op", cs_string(lower(a, cs_trace__op_name(s->op))));
        cs_object_put_text(a, events[i], "query_id", cs_int((int64_t)s->query_id));
        cs_object_put_text(a, events[i], "parent_id", cs_int((int64_t)s->parent_id));
        cs_object_put_text(a, events[i], "type", cs_string(cs_slice_of(type)));
        cs_object_put_text(a, events[i], "node", node_json(a, s));
        cs_object_put_text(a, events[i], "locals", api_locals(a, s));
        if (s->message.n) {
            cs_object_put_text(a, events[i], "message", cs_string(s->message));
        }
    }
    return cs_array(events, view->n);
}
