/* Asking about nodes: groundness, names, values. */
#include "rego/syntax/internal.h"

const char *cs_term_kind_name(const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        return cs_kind_name(t->u.value);
    case CS_TERM_VAR:
        return "var";
    case CS_TERM_REF:
        return "ref";
    case CS_TERM_ARRAY:
        return "array";
    case CS_TERM_SET:
        return "set";
    case CS_TERM_OBJECT:
        return "object";
    case CS_TERM_ARRAY_COMPREHENSION:
        return "arraycomprehension";
    case CS_TERM_SET_COMPREHENSION:
        return "setcomprehension";
    case CS_TERM_OBJECT_COMPREHENSION:
        return "objectcomprehension";
    case CS_TERM_CALL:
        return "call";
    case CS_TERM_TEMPLATE:
        return "templatestring";
    }
    return "";
}

static bool is_root_name(const cs_term *t)
{
    cs_slice name = cs_sym_slice(t->u.var);
    return cs_slice_eq(name, CS_LIT("data")) || cs_slice_eq(name, CS_LIT("input"));
}

bool cs_term_is_ground(const cs_term *t)
{
    uint32_t from = 0;
    switch (t->kind) {
    case CS_TERM_SCALAR:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return true;
    case CS_TERM_VAR:
        return false;
    case CS_TERM_REF:
        if (t->u.list.n && t->u.list.v[0]->kind == CS_TERM_VAR && is_root_name(t->u.list.v[0])) {
            from = 1;
        }
        break;
    case CS_TERM_CALL:
        from = 1; /* the operator */
        break;
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_TEMPLATE:
        break;
    }
    for (uint32_t i = from; i < t->u.list.n; i++) {
        if (!cs_term_is_ground(t->u.list.v[i])) {
            return false;
        }
    }
    return true;
}

static bool body_is_ground(cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        const cs_expr *e = b.v[i];
        if (e->kind == CS_EXPR_SOME || e->kind == CS_EXPR_EVERY) {
            return false;
        }
        if (e->kind == CS_EXPR_TERM && !cs_term_is_ground_throughout(e->u.term)) {
            return false;
        }
        if (e->kind == CS_EXPR_CALL) {
            for (uint32_t k = 1; k < e->u.call.n; k++) {
                if (!cs_term_is_ground_throughout(e->u.call.v[k])) {
                    return false;
                }
            }
        }
        if ((e->kind == CS_EXPR_AND || e->kind == CS_EXPR_OR || e->kind == CS_EXPR_NOT) &&
            (!body_is_ground(e->u.logic.left) || !body_is_ground(e->u.logic.right))) {
            return false;
        }
    }
    return true;
}

bool cs_term_is_ground_throughout(const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        return true;
    case CS_TERM_VAR:
    case CS_TERM_TEMPLATE:
        return false;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return (!t->u.comprehension.key || cs_term_is_ground_throughout(t->u.comprehension.key)) &&
               cs_term_is_ground_throughout(t->u.comprehension.head) && body_is_ground(t->u.comprehension.body);
    case CS_TERM_ARRAY:
        if (t->raw) {
            return false;
        }
        break;
    case CS_TERM_REF:
    case CS_TERM_CALL:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        break;
    }
    bool skip_first = t->kind == CS_TERM_REF || t->kind == CS_TERM_CALL;
    for (uint32_t i = skip_first ? 1 : 0; i < t->u.list.n; i++) {
        if (!cs_term_is_ground_throughout(t->u.list.v[i])) {
            return false;
        }
    }
    return true;
}

uint32_t cs_ref_ground_prefix(const cs_term *ref)
{
    uint32_t n = 1;
    while (n < ref->u.list.n && cs_term_is_ground_throughout(ref->u.list.v[n])) {
        n++;
    }
    return n < ref->u.list.n ? n : ref->u.list.n;
}

bool cs_ref_is_global(const cs_ast *ast, const cs_term *ref)
{
    if (ref->kind != CS_TERM_REF || ref->u.list.n == 0 || ref->u.list.v[0]->kind != CS_TERM_VAR) {
        return false;
    }
    const cs_sym *head = ref->u.list.v[0]->u.var;
    return head == ast->data || head == ast->input;
}

cs_slice cs_ref_name(cs_arena *arena, const cs_term *ref)
{
    if (ref->kind == CS_TERM_VAR) {
        return cs_sym_slice(ref->u.var);
    }
    if (ref->kind != CS_TERM_REF || ref->u.list.n == 0 || ref->u.list.v[0]->kind != CS_TERM_VAR) {
        return (cs_slice){"", 0};
    }
    if (ref->u.list.n == 1) {
        return cs_sym_slice(ref->u.list.v[0]->u.var);
    }
    size_t n = ref->u.list.v[0]->u.var->n;
    for (uint32_t i = 1; i < ref->u.list.n; i++) {
        if (!cs_term_is_string(ref->u.list.v[i])) {
            return (cs_slice){"", 0};
        }
        n += 1 + ref->u.list.v[i]->u.value.n;
    }
    char *room = cs_arena_alloc(arena, n + 1);
    char *at = room;
    memcpy(at, ref->u.list.v[0]->u.var->s, ref->u.list.v[0]->u.var->n);
    at += ref->u.list.v[0]->u.var->n;
    for (uint32_t i = 1; i < ref->u.list.n; i++) {
        cs_slice part = cs_text(ref->u.list.v[i]->u.value);
        *at++ = '.';
        memcpy(at, part.p, part.n);
        at += part.n;
    }
    *at = 0;
    return (cs_slice){room, n};
}

bool cs_ref_is(const cs_term *ref, const char *dotted_name)
{
    if (ref->kind != CS_TERM_REF) {
        return false;
    }
    cs_slice rest = cs_slice_of(dotted_name), piece;
    for (uint32_t i = 0; i < ref->u.list.n; i++) {
        const cs_term *part = ref->u.list.v[i];
        if (!cs_slice_next(&rest, '.', &piece)) {
            return false;
        }
        cs_slice text;
        if (i == 0 && part->kind == CS_TERM_VAR) {
            text = cs_sym_slice(part->u.var);
        } else if (i > 0 && cs_term_is_string(part)) {
            text = cs_text(part->u.value);
        } else {
            return false;
        }
        if (!cs_slice_eq(text, piece)) {
            return false;
        }
    }
    return !cs_slice_next(&rest, '.', &piece);
}

/* ---- values */
bool cs_term_to_value(cs_arena *arena, const cs_term *t, cs_value *out)
{
    if (t->kind == CS_TERM_SCALAR) {
        *out = t->u.value;
        return true;
    }
    if (t->kind != CS_TERM_ARRAY && t->kind != CS_TERM_SET && t->kind != CS_TERM_OBJECT) {
        return false;
    }
    uint32_t n = t->u.list.n;
    cs_value *items = cs_arena_alloc(arena, sizeof *items * n);
    for (uint32_t i = 0; i < n; i++) {
        if (!cs_term_to_value(arena, t->u.list.v[i], &items[i])) {
            return false;
        }
    }
    if (t->kind == CS_TERM_ARRAY) {
        *out = cs_array(items, n);
        return true;
    }
    if (t->kind == CS_TERM_SET) {
        *out = cs_set_new(arena, n);
        for (uint32_t i = 0; i < n; i++) {
            (void)cs_set_add(arena, *out, items[i]);
        }
        return true;
    }
    *out = cs_object_new(arena, n / 2);
    for (uint32_t i = 0; i + 1 < n; i += 2) {
        cs_object_put(arena, *out, items[i], items[i + 1]);
    }
    return true;
}

cs_term *cs_term_from_value(cs_ast *ast, cs_value v, cs_loc loc)
{
    if (v.kind != CS_ARRAY && v.kind != CS_SET && v.kind != CS_OBJECT) {
        return cs_term_scalar(ast, v, loc);
    }
    uint32_t n = cs_count(v);
    bool pairs = v.kind == CS_OBJECT;
    cs_term **items = cs_arena_array(ast->arena, cs_term *, pairs ? (size_t)n * 2 : n);
    for (uint32_t i = 0; i < n; i++) {
        if (v.kind == CS_ARRAY) {
            items[i] = cs_term_from_value(ast, v.u.items[i], loc);
            continue;
        }
        cs_value value = cs_undefined();
        cs_value key = cs_entry(v, i, pairs ? &value : NULL);
        items[pairs ? 2 * i : i] = cs_term_from_value(ast, key, loc);
        if (pairs) {
            items[2 * i + 1] = cs_term_from_value(ast, value, loc);
        }
    }
    cs_term_kind kind = pairs ? CS_TERM_OBJECT : v.kind == CS_SET ? CS_TERM_SET : CS_TERM_ARRAY;
    return cs_term_list(ast, kind, items, pairs ? n * 2 : n, loc);
}
