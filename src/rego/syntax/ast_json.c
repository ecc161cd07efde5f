/* A module as OPA's AST JSON (v1/ast/policy_json.go, term_json.go), without the locations of nodes. */
#include "countersign/base/encode.h"
#include "rego/syntax/annotate.h"
#include "rego/syntax/internal.h"

static cs_value json_term(cs_arena *a, const cs_term *t);
static cs_value json_expr(cs_arena *a, const cs_expr *e);

static cs_value json_terms(cs_arena *a, cs_terms list)
{
    cs_value *items = cs_arena_alloc(a, sizeof *items * list.n);
    for (uint32_t i = 0; i < list.n; i++) {
        items[i] = json_term(a, list.v[i]);
    }
    return cs_array(items, list.n);
}

cs_value cs_syntax__terms_json(cs_arena *a, cs_terms list)
{
    return json_terms(a, list);
}

static cs_value json_body(cs_arena *a, cs_body b)
{
    cs_value *items = cs_arena_alloc(a, sizeof *items * b.n);
    for (uint32_t i = 0; i < b.n; i++) {
        items[i] = json_expr(a, b.v[i]);
    }
    return cs_array(items, b.n);
}

static cs_value json_pairs(cs_arena *a, cs_terms list)
{
    uint32_t n = list.n / 2;
    cs_value *pairs = cs_arena_alloc(a, sizeof *pairs * n);
    for (uint32_t i = 0; i < n; i++) {
        cs_value pair[2] = {json_term(a, list.v[2 * i]), json_term(a, list.v[2 * i + 1])};
        pairs[i] = cs_array_copy(a, pair, 2);
    }
    return cs_array(pairs, n);
}

static cs_value json_comprehension(cs_arena *a, const cs_term *t)
{
    cs_value o = cs_object_new(a, 3);
    bool pairs = t->kind == CS_TERM_OBJECT_COMPREHENSION;
    if (pairs) {
        cs_object_put_text(a, o, "key", json_term(a, t->u.comprehension.key));
    }
    cs_object_put_text(a, o, pairs ? "value" : "term", json_term(a, t->u.comprehension.head));
    cs_object_put_text(a, o, "body", json_body(a, t->u.comprehension.body));
    return o;
}

/* Of the parts of a template OPA keeps as terms only the text and the scalars; all others are expressions. */
static cs_value json_template(cs_arena *a, const cs_term *t)
{
    uint32_t n = t->u.list.n;
    cs_value *parts = cs_arena_alloc(a, sizeof *parts * n);
    for (uint32_t i = 0; i < n; i++) {
        const cs_term *part = t->u.list.v[i];
        cs_expr **exprs = t->u.template_string.exprs;
        if (exprs && exprs[i]) {
            parts[i] = json_expr(a, exprs[i]);
        } else if (part->kind == CS_TERM_SCALAR) {
            parts[i] = json_term(a, part);
        } else {
            parts[i] = cs_object_new(a, 2);
            cs_object_put_text(a, parts[i], "index", cs_int(0));
            cs_object_put_text(a, parts[i], "terms",
                               part->kind == CS_TERM_CALL ? json_terms(a, part->u.list) : json_term(a, part));
        }
    }
    cs_value o = cs_object_new(a, 2);
    cs_object_put_text(a, o, "parts", n ? cs_array(parts, n) : cs_null());
    cs_object_put_text(a, o, "multi_line", cs_bool(t->raw));
    return o;
}

static cs_value json_term_value(cs_arena *a, const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        if (t->u.value.kind == CS_NULL) {
            return cs_object_new(a, 0);
        }
        return t->u.value;
    case CS_TERM_VAR:
        return cs_string(cs_sym_slice(t->u.var));
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_CALL:
        return json_terms(a, t->u.list);
    case CS_TERM_OBJECT:
        return json_pairs(a, t->u.list);
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return json_comprehension(a, t);
    case CS_TERM_TEMPLATE:
        return json_template(a, t);
    }
    return cs_null();
}

static cs_value json_term(cs_arena *a, const cs_term *t)
{
    cs_value o = cs_object_new(a, 2);
    cs_object_put_text(a, o, "type", cs_string(cs_slice_of(cs_term_kind_name(t))));
    cs_object_put_text(a, o, "value", json_term_value(a, t));
    return o;
}

/* ---- expressions */
static cs_value json_every(cs_arena *a, const cs_expr *e)
{
    cs_value o = cs_object_new(a, 4);
    cs_object_put_text(a, o, "key", e->u.every.key ? json_term(a, e->u.every.key) : cs_null());
    cs_object_put_text(a, o, "value", json_term(a, e->u.every.value));
    cs_object_put_text(a, o, "domain", json_term(a, e->u.every.domain));
    cs_object_put_text(a, o, "body", json_body(a, e->u.every.body));
    return o;
}

static cs_value json_logic(cs_arena *a, const cs_expr *e)
{
    cs_value o = cs_object_new(a, 5);
    if (e->kind == CS_EXPR_NOT) {
        cs_object_put_text(a, o, "type", cs_string(CS_LIT("not")));
        cs_object_put_text(a, o, "body", json_body(a, e->u.logic.left));
        cs_object_put_text(a, o, "explicit_body", cs_bool(e->u.logic.explicit_left));
        return o;
    }
    cs_object_put_text(a, o, "type", cs_string(cs_slice_of(e->kind == CS_EXPR_AND ? "and" : "or")));
    cs_object_put_text(a, o, "lhs", json_body(a, e->u.logic.left));
    cs_object_put_text(a, o, "rhs", json_body(a, e->u.logic.right));
    if (e->u.logic.explicit_left) {
        cs_object_put_text(a, o, "explicit_lhs", cs_bool(true));
    }
    if (e->u.logic.explicit_right) {
        cs_object_put_text(a, o, "explicit_rhs", cs_bool(true));
    }
    return o;
}

static cs_value json_expr_terms(cs_arena *a, const cs_expr *e)
{
    switch (e->kind) {
    case CS_EXPR_TERM:
        return json_term(a, e->u.term);
    case CS_EXPR_CALL:
        return json_terms(a, e->u.call);
    case CS_EXPR_SOME: {
        cs_value o = cs_object_new(a, 1);
        cs_object_put_text(a, o, "symbols", json_terms(a, e->u.some));
        return o;
    }
    case CS_EXPR_EVERY:
        return json_every(a, e);
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        return json_logic(a, e);
    }
    return cs_null();
}

static cs_value json_expr(cs_arena *a, const cs_expr *e)
{
    cs_value o = cs_object_new(a, 5);
    if (e->generated) {
        cs_object_put_text(a, o, "generated", cs_bool(true));
    }
    cs_object_put_text(a, o, "index", cs_int(e->index));
    if (e->negated) {
        cs_object_put_text(a, o, "negated", cs_bool(true));
    }
    cs_object_put_text(a, o, "terms", json_expr_terms(a, e));
    if (e->n_with) {
        cs_value *withs = cs_arena_alloc(a, sizeof *withs * e->n_with);
        for (uint32_t i = 0; i < e->n_with; i++) {
            withs[i] = cs_object_new(a, 2);
            cs_object_put_text(a, withs[i], "target", json_term(a, e->with[i].target));
            cs_object_put_text(a, withs[i], "value", json_term(a, e->with[i].value));
        }
        cs_object_put_text(a, o, "with", cs_array(withs, e->n_with));
    }
    return o;
}

/* ---- rules */
static cs_value json_head(cs_arena *a, const cs_head *h)
{
    cs_value o = cs_object_new(a, 6);
    if (h->shows_name && h->ref->u.list.v[0]->kind == CS_TERM_VAR) {
        cs_object_put_text(a, o, "name", cs_string(cs_sym_slice(h->ref->u.list.v[0]->u.var)));
    }
    if (h->args.n) {
        cs_object_put_text(a, o, "args", json_terms(a, h->args));
    }
    const cs_term *key = h->key ? h->key : h->shows_key && h->ref->u.list.n > 1 ? h->ref->u.list.v[1] : NULL;
    if (key) {
        cs_object_put_text(a, o, "key", json_term(a, key));
    }
    if (h->value) {
        cs_object_put_text(a, o, "value", json_term(a, h->value));
    }
    if (h->assign) {
        cs_object_put_text(a, o, "assign", cs_bool(true));
    }
    cs_object_put_text(a, o, "ref", json_terms(a, h->ref->u.list));
    return o;
}

static cs_value json_annotations(cs_arena *a, const cs_annotation *v, uint32_t n)
{
    cs_value *items = cs_arena_alloc(a, sizeof *items * n);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = v[i].document;
    }
    return cs_array(items, n);
}

static cs_value json_one_rule(cs_arena *a, const cs_rule *r)
{
    cs_value o = cs_object_new(a, 5);
    if (r->n_annotations) {
        cs_object_put_text(a, o, "annotations", json_annotations(a, r->annotations, r->n_annotations));
    }
    if (r->is_default) {
        cs_object_put_text(a, o, "default", cs_bool(true));
    }
    cs_object_put_text(a, o, "head", json_head(a, &r->head));
    cs_object_put_text(a, o, "body", json_body(a, r->body));
    return o;
}

static cs_value json_rule(cs_arena *a, const cs_rule *r)
{
    cs_value first = json_one_rule(a, r);
    cs_value last = first;
    for (r = r->other; r; r = r->other) {
        cs_value next = json_one_rule(a, r);
        cs_object_put_text(a, last, "else", next);
        last = next;
    }
    return first;
}

static cs_value json_comments(cs_arena *a, const cs_module *m)
{
    cs_value *items = cs_arena_alloc(a, sizeof *items * m->n_comments);
    for (uint32_t i = 0; i < m->n_comments; i++) {
        const cs_comment *c = &m->comments[i];
        cs_value place = cs_object_new(a, 3);
        cs_object_put_text(a, place, "file", cs_string(m->source.file));
        cs_object_put_text(a, place, "row", cs_int(c->loc.row));
        cs_object_put_text(a, place, "col", cs_int(c->loc.col));
        items[i] = cs_object_new(a, 2);
        cs_object_put_text(a, items[i], "Text", cs_string(cs_base64_encode(a, c->text, CS_BASE64_STD)));
        cs_object_put_text(a, items[i], "Location", place);
    }
    return cs_array(items, m->n_comments);
}

cs_value cs_module_to_json(cs_arena *a, const cs_module *m)
{
    cs_value o = cs_object_new(a, 5);
    cs_value package = cs_object_new(a, 1);
    cs_object_put_text(a, package, "path", json_terms(a, m->package->u.list));
    cs_object_put_text(a, o, "package", package);
    if (m->n_imports) {
        cs_value *items = cs_arena_alloc(a, sizeof *items * m->n_imports);
        for (uint32_t i = 0; i < m->n_imports; i++) {
            items[i] = cs_object_new(a, 2);
            if (m->imports[i].alias) {
                cs_object_put_text(a, items[i], "alias", cs_string(cs_sym_slice(m->imports[i].alias)));
            }
            cs_object_put_text(a, items[i], "path", json_term(a, m->imports[i].path));
        }
        cs_object_put_text(a, o, "imports", cs_array(items, m->n_imports));
    }
    if (m->n_annotations) {
        cs_object_put_text(a, o, "annotations", json_annotations(a, m->annotations, m->n_annotations));
    }
    if (m->n_rules) {
        cs_value *items = cs_arena_alloc(a, sizeof *items * m->n_rules);
        for (uint32_t i = 0; i < m->n_rules; i++) {
            items[i] = json_rule(a, m->rules[i]);
        }
        cs_object_put_text(a, o, "rules", cs_array(items, m->n_rules));
    }
    if (m->n_comments) {
        cs_object_put_text(a, o, "comments", json_comments(a, m));
    }
    return o;
}

cs_value cs_rule_to_json(cs_arena *a, const cs_rule *r)
{
    return json_rule(a, r);
}

cs_value cs_expr_to_json(cs_arena *a, const cs_expr *e)
{
    return json_expr(a, e);
}

cs_value cs_body_to_json(cs_arena *a, cs_body b)
{
    return json_body(a, b);
}

cs_value cs_term_to_json(cs_arena *a, const cs_term *t)
{
    return json_term(a, t);
}
