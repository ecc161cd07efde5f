/* The condition tree of residual queries (OPA: internal/compile/ucast.go): any of the queries, all of the statements of
 * each. */
#include "rego/filter/internal.h"

#include "countersign/number.h"

typedef struct builder {
    cs_arena *a;
    cs_value mappings;
    cs_error *e;
} builder;

/* ---- fields */
static const cs_value *member(cs_value object, cs_slice key)
{
    return cs_is(object, CS_OBJECT) ? cs_object_get(object, cs_string(key)) : NULL;
}

static bool text_member(cs_value object, cs_slice key, cs_slice *out)
{
    const cs_value *v = member(object, key);
    if (!v || !cs_is(*v, CS_STRING)) {
        return false;
    }
    *out = cs_text(*v);
    return true;
}

/* "table.column" by the names that the mappings give. */
static cs_slice mapped(const builder *b, cs_slice field)
{
    if (!cs_is(b->mappings, CS_OBJECT)) {
        return field;
    }
    size_t dot = cs_slice_find_byte(field, '.', 0);
    bool found = dot != SIZE_MAX;
    cs_slice table = cs_slice_sub(field, 0, dot), column = found ? cs_slice_sub(field, dot + 1, field.n) : CS_LIT("");
    const cs_value *map = member(b->mappings, table);
    cs_slice name;
    if (map && text_member(*map, CS_LIT("$table"), &name)) { /* the short name of a column */
        column = table;
        table = name;
        found = true;
        map = member(b->mappings, table);
    }
    cs_slice shown = table;
    if (map && text_member(*map, CS_LIT("$self"), &name)) {
        shown = name;
    }
    if (map && found && text_member(*map, column, &name)) {
        column = name;
    }
    if (!found) {
        return shown;
    }
    size_t n;
    const char *text = cs_arena_printf(b->a, &n, "%.*s.%.*s", CS_FMT(shown), CS_FMT(column));
    return cs_slice_make(text, n);
}

/* input.table.column → "table.column"; false if a segment is no name. */
static bool field_of(const builder *b, const cs_term *ref, cs_slice *out)
{
    cs_buf text;
    cs_buf_init(&text);
    bool ok = true;
    for (uint32_t i = 1; i < ref->u.list.n && ok; i++) {
        const cs_term *t = ref->u.list.v[i];
        ok = t->kind == CS_TERM_VAR || cs_term_is_string(t);
        if (ok) {
            cs_buf_text(&text, i > 1 ? "." : "");
            cs_buf_slice(&text, t->kind == CS_TERM_VAR ? cs_sym_slice(t->u.var) : cs_text(t->u.value));
        }
    }
    *out = cs_slice_make(cs_arena_dup(b->a, cs_buf_view(&text).p, text.n), text.n);
    cs_buf_destroy(&text);
    *out = mapped(b, *out);
    return ok;
}

/* ---- statements */
static cs_filter__node *node_new(const builder *b, const char *op)
{
    cs_filter__node *n = cs_arena_new(b->a, cs_filter__node);
    n->op = op;
    return n;
}

static cs_filter__node *compound(const builder *b, const char *op, cs_filter__node **items, uint32_t n)
{
    cs_filter__node *node = node_new(b, op);
    node->compound = true;
    node->items = items;
    node->n = n;
    return node;
}

static cs_err refuse(const builder *b, const cs_expr *e)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_expr_print(&text, e);
    cs_err err = cs_fail(b->e, CS_ERR_PE_FRAGMENT, "cannot translate \"%.*s\"", CS_FMT(cs_buf_view(&text)));
    cs_buf_destroy(&text);
    return err;
}

/* Two fields can be compared, but not be in or begin with each other. */
static bool compares(const char *op)
{
    return strlen(op) <= 3 && strcmp(op, "in") != 0;
}

static const char *operator_of(const cs_term *op, bool flip)
{
    static const struct {
        const char *name, *op, *flipped;
    } table[] = {{"eq", "eq", "eq"},
                 {"neq", "ne", "ne"},
                 {"lt", "lt", "gt"},
                 {"lte", "lte", "gte"},
                 {"gt", "gt", "lt"},
                 {"gte", "gte", "lte"},
                 {"startswith", "startswith", "startswith"},
                 {"endswith", "endswith", "endswith"},
                 {"contains", "contains", "contains"},
                 {"internal.member_2", "in", "in"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (cs_ref_is(op, table[i].name)) {
            return flip ? table[i].flipped : table[i].op;
        }
    }
    return NULL;
}

static cs_err statement(const builder *b, const cs_expr *e, cs_filter__node **out)
{
    bool call = e->kind == CS_EXPR_CALL && e->u.call.n == 3;
    bool flip = call && e->u.call.v[1]->kind != CS_TERM_REF;
    const char *op = call ? operator_of(e->u.call.v[0], flip) : NULL;
    if (!op || e->n_with || e->u.call.v[flip ? 2 : 1]->kind != CS_TERM_REF) {
        return refuse(b, e);
    }
    cs_filter__node *node = node_new(b, op);
    const cs_term *other = e->u.call.v[flip ? 1 : 2];
    node->value = cs_null();
    bool ok = field_of(b, e->u.call.v[flip ? 2 : 1], &node->field);
    if (other->kind == CS_TERM_REF) {
        node->is_ref = compares(op);
        ok = ok && (!node->is_ref || field_of(b, other, &node->other));
    } else if (other->kind == CS_TERM_VAR) {
        ok = ok && strcmp(op, "eq") == 0;
        node->op = "ne"; /* it is there */
    } else {
        ok = ok && cs_term_to_value(b->a, other, &node->value);
    }
    if (!ok) {
        return refuse(b, e);
    }
    if (e->negated) {
        cs_filter__node **items = cs_arena_array(b->a, cs_filter__node *, 1);
        items[0] = node;
        node = compound(b, "not", items, 1);
    }
    *out = node;
    return CS_OK;
}

/* NULL: always. */
static cs_err body(const builder *b, cs_body q, cs_filter__node **out)
{
    *out = NULL;
    if (q.n == 0) {
        return CS_OK;
    }
    cs_filter__node **items = cs_arena_array(b->a, cs_filter__node *, q.n);
    for (uint32_t i = 0; i < q.n; i++) {
        CS_TRY(statement(b, q.v[i], &items[i]));
    }
    *out = q.n == 1 ? items[0] : compound(b, "and", items, q.n);
    return CS_OK;
}

cs_err cs_filter__tree(cs_arena *a, const cs_td_partial *partial, cs_value mappings, cs_filter__node **out, cs_error *e)
{
    builder b = {a, mappings, e};
    uint32_t n = partial->n_queries;
    cs_filter__node **items = cs_arena_array(a, cs_filter__node *, n + 1);
    *out = NULL;
    bool always = n == 0;
    for (uint32_t i = 0; i < n; i++) {
        CS_TRY(body(&b, partial->queries[i], &items[i]));
        always = always || !items[i];
    }
    if (!always) {
        *out = n == 1 ? items[0] : compound(&b, "or", items, n);
    }
    return CS_OK;
}

/* ---- as JSON */
/* As the tree goes through a decoder that knows no other numbers than doubles. */
static cs_value with_doubles(cs_arena *a, cs_value v)
{
    if (cs_is(v, CS_NUMBER)) {
        cs_value d = cs_number_from_double(a, cs_number_double(v));
        return cs_is_undefined(d) ? v : d;
    }
    if (cs_is(v, CS_OBJECT)) {
        cs_value out = cs_object_new(a, cs_count(v));
        for (uint32_t i = 0; i < cs_count(v); i++) {
            cs_value item, key = cs_entry(v, i, &item);
            cs_object_put(a, out, key, with_doubles(a, item));
        }
        return out;
    }
    if (cs_is(v, CS_ARRAY) || cs_is(v, CS_SET)) {
        uint32_t n = cs_count(v);
        cs_value *items = cs_arena_array(a, cs_value, n + 1);
        for (uint32_t i = 0; i < n; i++) {
            items[i] = with_doubles(a, cs_is(v, CS_ARRAY) ? v.u.items[i] : cs_entry(v, i, NULL));
        }
        return cs_array(items, n);
    }
    return v;
}

static cs_value node_json(cs_arena *a, const cs_filter__node *n)
{
    cs_value out = cs_object_new(a, 4);
    cs_object_put_text(a, out, "type", cs_string(n->compound ? CS_LIT("compound") : CS_LIT("field")));
    cs_object_put_text(a, out, "operator", cs_string(cs_slice_of(n->op)));
    if (n->compound) {
        cs_value *items = cs_arena_array(a, cs_value, n->n);
        for (uint32_t i = 0; i < n->n; i++) {
            items[i] = node_json(a, n->items[i]);
        }
        cs_object_put_text(a, out, "value", cs_array(items, n->n));
        return out;
    }
    if (n->field.n) {
        cs_object_put_text(a, out, "field", cs_string(n->field));
    }
    cs_value value = n->value;
    if (n->is_ref) {
        value = cs_object_new(a, 1);
        cs_object_put_text(a, value, "field", cs_string(n->other));
    }
    cs_object_put_text(a, out, "value", with_doubles(a, value));
    return out;
}

cs_err cs_filter_translate(cs_arena *a, const cs_td_partial *partial, const cs_filter_target *target, cs_value mappings,
                           cs_value *out, cs_error *e)
{
    if (partial->n_queries == 0) {
        *out = cs_undefined();
        return CS_OK;
    }
    cs_filter__node *tree;
    CS_TRY(cs_filter__tree(a, partial, mappings, &tree, e));
    if (cs_slice_is(target->target, "ucast")) {
        *out = tree ? node_json(a, tree) : cs_object_new(a, 0);
        return CS_OK;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_err err = tree ? cs_filter__sql(&text, tree, target->dialect, e) : CS_OK;
    if (err == CS_OK) {
        *out = cs_string_copy(a, cs_buf_view(&text));
    }
    cs_buf_destroy(&text);
    return err;
}
