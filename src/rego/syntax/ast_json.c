/* A module as OPA's AST JSON (v1/ast/policy_json.go, term_json.go). Keys are put in OPA's order, which a writer may
 * keep (CS_JSON_AS_MADE). */
#include "countersign/base/encode.h"
#include "rego/syntax/annotate.h"
#include "rego/syntax/internal.h"

typedef struct writer {
    cs_arena *arena;
    bool places; /* with the location of each node, and its text */
} writer;

static cs_value json_term(const writer *w, const cs_term *t);
static cs_value json_expr(const writer *w, const cs_expr *e);

static cs_value json_loc(const writer *w, const cs_loc *loc, bool text)
{
    cs_value o = cs_object_new(w->arena, 4);
    cs_object_put_text(w->arena, o, "file", cs_string(loc->source->file));
    cs_object_put_text(w->arena, o, "row", cs_int(loc->row));
    cs_object_put_text(w->arena, o, "col", cs_int(loc->col));
    if (text && loc->length) {
        cs_slice all = cs_slice_sub(loc->source->text, loc->from, (size_t)loc->from + loc->length);
        cs_object_put_text(w->arena, o, "text", cs_string(cs_base64_encode(w->arena, all, CS_BASE64_STD)));
    }
    return o;
}

static void put_loc(const writer *w, cs_value o, const cs_loc *loc)
{
    if (w->places && loc->source && !loc->nowhere) {
        cs_object_put_text(w->arena, o, "location", json_loc(w, loc, true));
    }
}

/* Of a keyword that begins a statement: of the word alone. */
static void put_word_loc(const writer *w, cs_value o, cs_loc loc, cs_slice word)
{
    if (loc.source && cs_slice_starts(cs_slice_sub(loc.source->text, loc.from, (size_t)loc.from + loc.length), word)) {
        loc.length = (uint32_t)word.n;
    }
    put_loc(w, o, &loc);
}

static cs_value json_terms(const writer *w, cs_terms list)
{
    cs_value *items = cs_arena_alloc(w->arena, sizeof *items * list.n);
    for (uint32_t i = 0; i < list.n; i++) {
        items[i] = json_term(w, list.v[i]);
    }
    return cs_array(items, list.n);
}

cs_value cs_syntax__terms_json(cs_arena *a, cs_terms list, bool places)
{
    writer w = {.arena = a, .places = places};
    return json_terms(&w, list);
}

static cs_value json_body(const writer *w, cs_body b)
{
    cs_value *items = cs_arena_alloc(w->arena, sizeof *items * b.n);
    for (uint32_t i = 0; i < b.n; i++) {
        items[i] = json_expr(w, b.v[i]);
    }
    return cs_array(items, b.n);
}

static cs_value json_pairs(const writer *w, cs_terms list)
{
    uint32_t n = list.n / 2;
    cs_value *pairs = cs_arena_alloc(w->arena, sizeof *pairs * n);
    for (uint32_t i = 0; i < n; i++) {
        cs_value pair[2] = {json_term(w, list.v[2 * i]), json_term(w, list.v[2 * i + 1])};
        pairs[i] = cs_array_copy(w->arena, pair, 2);
    }
    return cs_array(pairs, n);
}

static cs_value json_comprehension(const writer *w, const cs_term *t)
{
    cs_value o = cs_object_new(w->arena, 3);
    bool pairs = t->kind == CS_TERM_OBJECT_COMPREHENSION;
    if (pairs) {
        cs_object_put_text(w->arena, o, "key", json_term(w, t->u.comprehension.key));
    }
    cs_object_put_text(w->arena, o, pairs ? "value" : "term", json_term(w, t->u.comprehension.head));
    cs_object_put_text(w->arena, o, "body", json_body(w, t->u.comprehension.body));
    return o;
}

/* Of the parts of a template OPA keeps as terms only the text and the scalars; all others are expressions. */
static cs_value json_template(const writer *w, const cs_term *t)
{
    uint32_t n = t->u.list.n;
    cs_value *parts = cs_arena_alloc(w->arena, sizeof *parts * n);
    for (uint32_t i = 0; i < n; i++) {
        const cs_term *part = t->u.list.v[i];
        cs_expr **exprs = t->u.template_string.exprs;
        if (exprs && exprs[i]) {
            parts[i] = json_expr(w, exprs[i]);
        } else if (part->kind == CS_TERM_SCALAR) {
            parts[i] = json_term(w, part);
        } else {
            parts[i] = cs_object_new(w->arena, 3);
            cs_object_put_text(w->arena, parts[i], "index", cs_int(0));
            if (t->u.template_string.places) {
                put_loc(w, parts[i], &t->u.template_string.places[i]);
            }
            cs_object_put_text(w->arena, parts[i], "terms",
                               part->kind == CS_TERM_CALL ? json_terms(w, part->u.list) : json_term(w, part));
        }
    }
    cs_value o = cs_object_new(w->arena, 2);
    cs_object_put_text(w->arena, o, "parts", n ? cs_array(parts, n) : cs_null());
    cs_object_put_text(w->arena, o, "multi_line", cs_bool(t->raw));
    return o;
}

static cs_value json_term_value(const writer *w, const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        if (t->u.value.kind == CS_NULL) {
            return cs_object_new(w->arena, 0);
        }
        return t->u.value;
    case CS_TERM_VAR:
        return cs_string(cs_sym_slice(t->u.var));
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_CALL:
        return json_terms(w, t->u.list);
    case CS_TERM_OBJECT:
        return json_pairs(w, t->u.list);
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return json_comprehension(w, t);
    case CS_TERM_TEMPLATE:
        return json_template(w, t);
    }
    return cs_null();
}

static cs_value json_term(const writer *w, const cs_term *t)
{
    cs_value o = cs_object_new(w->arena, 3);
    put_loc(w, o, &t->loc);
    cs_object_put_text(w->arena, o, "type", cs_string(cs_slice_of(cs_term_kind_name(t))));
    cs_object_put_text(w->arena, o, "value", json_term_value(w, t));
    return o;
}

/* ---- expressions */
static cs_value json_every(const writer *w, const cs_expr *e)
{
    cs_value o = cs_object_new(w->arena, 5);
    cs_object_put_text(w->arena, o, "body", json_body(w, e->u.every.body));
    cs_object_put_text(w->arena, o, "domain", json_term(w, e->u.every.domain));
    cs_object_put_text(w->arena, o, "key", e->u.every.key ? json_term(w, e->u.every.key) : cs_null());
    put_word_loc(w, o, e->loc, CS_LIT("every"));
    cs_object_put_text(w->arena, o, "value", json_term(w, e->u.every.value));
    return o;
}

static cs_value json_logic(const writer *w, const cs_expr *e)
{
    cs_arena *a = w->arena;
    cs_value o = cs_object_new(a, 5);
    if (e->kind == CS_EXPR_NOT) {
        cs_object_put_text(a, o, "body", json_body(w, e->u.logic.left));
        cs_object_put_text(a, o, "explicit_body", cs_bool(e->u.logic.explicit_left));
        cs_object_put_text(a, o, "type", cs_string(CS_LIT("not")));
        return o;
    }
    if (e->u.logic.explicit_left) {
        cs_object_put_text(a, o, "explicit_lhs", cs_bool(true));
    }
    if (e->u.logic.explicit_right) {
        cs_object_put_text(a, o, "explicit_rhs", cs_bool(true));
    }
    cs_object_put_text(a, o, "lhs", json_body(w, e->u.logic.left));
    cs_object_put_text(a, o, "rhs", json_body(w, e->u.logic.right));
    cs_object_put_text(a, o, "type", cs_string(cs_slice_of(e->kind == CS_EXPR_AND ? "and" : "or")));
    return o;
}

static cs_value json_expr_terms(const writer *w, const cs_expr *e)
{
    switch (e->kind) {
    case CS_EXPR_TERM:
        return json_term(w, e->u.term);
    case CS_EXPR_CALL:
        return json_terms(w, e->u.call);
    case CS_EXPR_SOME: {
        cs_value o = cs_object_new(w->arena, 2);
        put_word_loc(w, o, e->loc, CS_LIT("some"));
        cs_object_put_text(w->arena, o, "symbols", json_terms(w, e->u.some));
        return o;
    }
    case CS_EXPR_EVERY:
        return json_every(w, e);
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        return json_logic(w, e);
    }
    return cs_null();
}

static cs_value json_expr(const writer *w, const cs_expr *e)
{
    cs_arena *a = w->arena;
    cs_value o = cs_object_new(a, 6);
    if (e->generated) {
        cs_object_put_text(a, o, "generated", cs_bool(true));
    }
    cs_object_put_text(a, o, "index", cs_int(e->index));
    put_loc(w, o, &e->loc);
    if (e->negated) {
        cs_object_put_text(a, o, "negated", cs_bool(true));
    }
    cs_object_put_text(a, o, "terms", json_expr_terms(w, e));
    if (e->n_with) {
        cs_value *withs = cs_arena_alloc(a, sizeof *withs * e->n_with);
        for (uint32_t i = 0; i < e->n_with; i++) {
            withs[i] = cs_object_new(a, 3);
            put_loc(w, withs[i], &e->with[i].loc);
            cs_object_put_text(a, withs[i], "target", json_term(w, e->with[i].target));
            cs_object_put_text(a, withs[i], "value", json_term(w, e->with[i].value));
        }
        cs_object_put_text(a, o, "with", cs_array(withs, e->n_with));
    }
    return o;
}

/* ---- rules */
static cs_value json_head(const writer *w, const cs_head *h)
{
    cs_arena *a = w->arena;
    cs_value o = cs_object_new(a, 7);
    if (h->shows_name && h->ref->u.list.v[0]->kind == CS_TERM_VAR) {
        cs_object_put_text(a, o, "name", cs_string(cs_sym_slice(h->ref->u.list.v[0]->u.var)));
    }
    if (h->args.n) {
        cs_object_put_text(a, o, "args", json_terms(w, h->args));
    }
    const cs_term *key = h->key ? h->key : h->shows_key && h->ref->u.list.n > 1 ? h->ref->u.list.v[1] : NULL;
    if (key) {
        cs_term copy = *key;
        if (!h->key &&
            cs_slice_starts(cs_slice_sub(h->loc.source ? h->loc.source->text : CS_LIT(""), h->loc.from, SIZE_MAX),
                            CS_LIT("{"))) {
            copy.loc = h->loc; /* of a further body: a copy of its own, placed there */
        }
        cs_object_put_text(a, o, "key", json_term(w, &copy));
    }
    if (h->value) {
        cs_object_put_text(a, o, "value", json_term(w, h->value));
    }
    if (h->assign) {
        cs_object_put_text(a, o, "assign", cs_bool(true));
    }
    cs_object_put_text(a, o, "ref", json_terms(w, h->ref->u.list));
    put_loc(w, o, &h->loc);
    return o;
}

/* The lines of a block as OPA puts them together again: one blank after each #. */
static cs_value annotation_text(const writer *w, const cs_annotation *v)
{
    cs_slice rest = v->loc.source->text, line;
    cs_buf b;
    cs_buf_init(&b);
    rest = cs_slice_sub(rest, v->loc.offset, rest.n);
    for (uint32_t row = v->loc.row; row <= v->end_row && cs_slice_next(&rest, '\n', &line); row++) {
        line = cs_slice_sub(line, 1, line.n);
        while (line.n && line.p[line.n - 1] == '\r') {
            line.n--;
        }
        if (row == v->loc.row) {
            line = CS_LIT(" METADATA");
        }
        cs_buf_text(&b, row == v->loc.row ? "#" : "\n#");
        cs_buf_text(&b, cs_slice_starts(line, CS_LIT(" ")) ? "" : " ");
        cs_buf_slice(&b, line);
    }
    cs_value text = cs_string(cs_base64_encode(w->arena, cs_buf_view(&b), CS_BASE64_STD));
    cs_buf_destroy(&b);
    return text;
}

/* The fields of OPA's structures, which are not in the order of their names. */
static cs_value fields_in_order(const writer *w, cs_value object)
{
    static const char *const order[] = {"name", "email", "path", "schema", "definition", "unknowns", "mask_rule"};
    cs_value o = cs_object_new(w->arena, cs_count(object));
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const cs_value *field = cs_object_get_text(object, order[i]);
        if (field) {
            cs_object_put_text(w->arena, o, order[i], *field);
        }
    }
    return o;
}

static cs_value field_json(const writer *w, cs_slice name, cs_value value)
{
    if (cs_slice_is(name, "compile")) {
        return fields_in_order(w, value);
    }
    if (!cs_slice_is(name, "authors") && !cs_slice_is(name, "schemas")) {
        return value;
    }
    cs_value *items = cs_arena_array(w->arena, cs_value, cs_count(value) + 1);
    for (uint32_t i = 0; i < cs_count(value); i++) {
        items[i] = fields_in_order(w, value.u.items[i]);
    }
    return cs_array(items, cs_count(value));
}

/* The keys sorted, as OPA has them; the place among them. */
static cs_value json_annotation(const writer *w, const cs_annotation *v)
{
    cs_value sorted = cs_freeze(w->arena, v->document), o = cs_object_new(w->arena, cs_count(sorted) + 1);
    bool put = !w->places;
    for (uint32_t i = 0; i <= cs_count(sorted); i++) {
        bool last = i == cs_count(sorted);
        cs_value value = cs_undefined(), key = last ? cs_null() : cs_entry(sorted, i, &value);
        if (!put && (last || cs_slice_compare(cs_text(key), CS_LIT("location")) > 0)) {
            cs_value place = json_loc(w, &v->loc, false);
            cs_object_put_text(w->arena, place, "text", annotation_text(w, v));
            cs_object_put_text(w->arena, o, "location", place);
            put = true;
        }
        const cs_value *placed = w->places && !last ? cs_object_get(v->placed, key) : NULL;
        value = placed ? *placed : value;
        if (!last) {
            cs_object_put(w->arena, o, key, field_json(w, cs_text(key), value));
        }
    }
    return o;
}

static cs_value json_annotations(const writer *w, const cs_annotation *v, uint32_t n)
{
    cs_value *items = cs_arena_alloc(w->arena, sizeof *items * n);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = json_annotation(w, &v[i]);
    }
    return cs_array(items, n);
}

static cs_value json_one_rule(const writer *w, const cs_rule *r, cs_value other)
{
    cs_arena *a = w->arena;
    cs_value o = cs_object_new(a, 6);
    if (r->n_annotations) {
        cs_object_put_text(a, o, "annotations", json_annotations(w, r->annotations, r->n_annotations));
    }
    cs_object_put_text(a, o, "body", json_body(w, r->body));
    if (r->is_default) {
        cs_object_put_text(a, o, "default", cs_bool(true));
    }
    if (r->other) {
        cs_object_put_text(a, o, "else", other);
    }
    cs_object_put_text(a, o, "head", json_head(w, &r->head));
    put_loc(w, o, &r->loc);
    return o;
}

/* From the last `else` to the first rule, since each holds the next. */
static cs_value json_rule(const writer *w, const cs_rule *first)
{
    uint32_t n = 0, i = 0;
    for (const cs_rule *r = first; r; r = r->other) {
        n++;
    }
    const cs_rule **chain = cs_arena_array(w->arena, const cs_rule *, n);
    for (const cs_rule *r = first; r; r = r->other) {
        chain[i++] = r;
    }
    cs_value o = cs_undefined();
    while (n-- > 0) {
        o = json_one_rule(w, chain[n], o);
    }
    return o;
}

static cs_value json_comments(const writer *w, const cs_module *m)
{
    cs_arena *a = w->arena;
    cs_value *items = cs_arena_alloc(a, sizeof *items * m->n_comments);
    uint32_t next = 0;
    for (uint32_t i = 0; i < m->n_comments; i++) {
        const cs_comment *c = &m->comments[i];
        items[i] = cs_object_new(a, 2);
        cs_object_put_text(a, items[i], "Text", cs_string(cs_base64_encode(a, c->text, CS_BASE64_STD)));
        cs_value place = json_loc(w, &c->loc, w->places);
        while (next < m->n_annotations && m->annotations[next].loc.offset < c->loc.offset) {
            next++;
        }
        if (w->places && next < m->n_annotations && m->annotations[next].loc.offset == c->loc.offset) {
            cs_object_put_text(a, place, "text", annotation_text(w, &m->annotations[next])); /* one place, in OPA */
        }
        cs_object_put_text(a, items[i], "Location", place);
    }
    return cs_array(items, m->n_comments);
}

static cs_value json_import(const writer *w, const cs_import *i)
{
    cs_value o = cs_object_new(w->arena, 4);
    if (i->alias) {
        cs_object_put_text(w->arena, o, "alias", cs_string(cs_sym_slice(i->alias)));
        if (w->places) {
            cs_object_put_text(w->arena, o, "alias_location", json_loc(w, &i->alias_loc, true));
        }
    }
    put_loc(w, o, &i->loc);
    cs_object_put_text(w->arena, o, "path", json_term(w, i->path));
    return o;
}

static cs_value json_module(const writer *w, const cs_module *m, bool comments)
{
    cs_arena *a = w->arena;
    cs_value o = cs_object_new(a, 5);
    cs_value package = cs_object_new(a, 2);
    put_loc(w, package, &m->package_loc);
    cs_object_put_text(a, package, "path", json_terms(w, m->package->u.list));
    cs_object_put_text(a, o, "package", package);
    if (m->n_imports) {
        cs_value *items = cs_arena_alloc(a, sizeof *items * m->n_imports);
        for (uint32_t i = 0; i < m->n_imports; i++) {
            items[i] = json_import(w, &m->imports[i]);
        }
        cs_object_put_text(a, o, "imports", cs_array(items, m->n_imports));
    }
    if (m->n_annotations) {
        cs_object_put_text(a, o, "annotations", json_annotations(w, m->annotations, m->n_annotations));
    }
    if (m->n_rules) {
        cs_value *items = cs_arena_alloc(a, sizeof *items * m->n_rules);
        for (uint32_t i = 0; i < m->n_rules; i++) {
            items[i] = json_rule(w, m->rules[i]);
        }
        cs_object_put_text(a, o, "rules", cs_array(items, m->n_rules));
    }
    if (m->n_comments && comments) {
        cs_object_put_text(a, o, "comments", json_comments(w, m));
    }
    return o;
}

cs_value cs_module_to_json(cs_arena *a, const cs_module *m)
{
    writer w = {.arena = a};
    return json_module(&w, m, true);
}

cs_value cs_module_to_json_with(cs_arena *a, const cs_module *m, bool places, bool comments)
{
    writer w = {.arena = a, .places = places};
    return json_module(&w, m, comments);
}

cs_value cs_rule_to_json(cs_arena *a, const cs_rule *r)
{
    writer w = {.arena = a};
    return json_rule(&w, r);
}

cs_value cs_expr_to_json(cs_arena *a, const cs_expr *e)
{
    writer w = {.arena = a};
    return json_expr(&w, e);
}

cs_value cs_body_to_json(cs_arena *a, cs_body b)
{
    writer w = {.arena = a};
    return json_body(&w, b);
}

cs_value cs_term_to_json(cs_arena *a, const cs_term *t)
{
    writer w = {.arena = a};
    return json_term(&w, t);
}
