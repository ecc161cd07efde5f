/* What modules ask of whoever runs them, and what their annotations say: what `inspect` tells. */
#include "rego/build.h"

#include <stdlib.h>

#include "rego/builtin/builtin.h"
#include "rego/syntax/annotate.h"
#include "rego/syntax/parse.h"

typedef struct needs {
    cs_build *b;
    cs_arena *a;
    cs_value names, keywords, features; /* sets */
} needs;

static void need(const needs *n, cs_value set, const char *word)
{
    (void)cs_set_add(n->a, set, cs_string_copy(n->a, cs_slice_of(word)));
}

/* ---- before compiling: what the stages replace */
static bool see_written_expr(void *self, cs_expr *e)
{
    static const char *const replaced[] = {"assign", "equal", "print"};
    needs *n = self;
    for (size_t i = 0; e->kind == CS_EXPR_CALL && i < sizeof replaced / sizeof *replaced; i++) {
        if (cs_ref_is(e->u.call.v[0], replaced[i])) {
            need(n, n->names, replaced[i]);
        }
    }
    return true;
}

static bool see_written_term(void *self, cs_term *t)
{
    needs *n = self;
    if (t->kind == CS_TERM_CALL && cs_ref_is(t->u.list.v[0], "equal")) {
        need(n, n->names, "equal");
    } else if (t->kind == CS_TERM_TEMPLATE) {
        need(n, n->names, "internal.template_string");
        need(n, n->features, "template_strings");
    }
    return true;
}

/* ---- afterwards: every call that is left */
static bool see_call(void *self, cs_expr *e)
{
    needs *n = self;
    const cs_builtin *b = e->kind == CS_EXPR_CALL ? cs_builtin_of_ref(e->u.call.v[0]) : NULL;
    if (b) {
        need(n, n->names, b->name);
    }
    return true;
}

/* ---- words and versions */
static const char *const older_words[] = {"contains", "every", "if", "in"};
static const char *const newer_words[] = {"and", "not", "or"};

static bool is_one_of(const char *const *words, size_t n, cs_slice word)
{
    for (size_t i = 0; i < n; i++) {
        if (cs_slice_is(word, words[i])) {
            return true;
        }
    }
    return false;
}

static void see_keyword_import(const needs *n, cs_terms path, bool old)
{
    if (path.n == 2) {
        for (size_t i = 0; i < 4 && old; i++) {
            need(n, n->keywords, older_words[i]);
        }
        return;
    }
    cs_slice word = cs_term_is_string(path.v[2]) ? cs_text(path.v[2]->u.value) : CS_LIT("");
    if (is_one_of(newer_words, 3, word) || (old && is_one_of(older_words, 4, word))) {
        (void)cs_set_add(n->a, n->keywords, cs_string_copy(n->a, word));
    }
}

static void see_import(const needs *n, const cs_import *import, bool old)
{
    if (cs_ref_is(import->path, "rego.v1")) {
        if (old) {
            need(n, n->features, "rego_v1_import");
        }
    } else if (cs_ref_is(import->path, "rego.v2")) {
        need(n, n->features, "rego_v2_import");
    } else if (import->path->kind == CS_TERM_REF && import->path->u.list.n >= 2 &&
               import->path->u.list.v[0]->kind == CS_TERM_VAR && import->path->u.list.v[0]->u.var == n->b->ast.future) {
        see_keyword_import(n, import->path->u.list, old);
    }
}

static void see_head(const needs *n, const cs_head *h)
{
    cs_terms ref = h->ref->u.list;
    if (ref.n < 3) {
        return;
    }
    bool constant = true;
    for (uint32_t i = 1; i < ref.n; i++) {
        constant = constant && cs_term_is_constant(ref.v[i]);
    }
    need(n, n->features, constant ? "rule_head_ref_string_prefixes" : "rule_head_refs");
}

static void see_module(needs *n, cs_module *m)
{
    bool old = m->version == CS_REGO_V0 || m->version == CS_REGO_V0_V1;
    cs_walker w = {.self = n, .expr = see_written_expr, .term = see_written_term};
    for (uint32_t i = 0; i < m->n_imports && m->version != CS_REGO_V2; i++) {
        see_import(n, &m->imports[i], old);
    }
    if (!old) {
        need(n, n->features, m->version == CS_REGO_V2 ? "rego_v2" : "rego_v1");
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        if (old) {
            see_head(n, &m->rules[i]->head);
        }
        cs_walk_rule(&w, m->rules[i]);
    }
}

/* ---- the document */
static cs_value sorted(cs_arena *a, cs_value set)
{
    uint32_t n = cs_count(set);
    cs_value *items = cs_arena_array(a, cs_value, n + 1U);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = cs_entry(set, i, NULL);
    }
    return cs_array(items, n);
}

/* A copy without some keys. */
static cs_value without(cs_arena *a, cs_value object, const char *first, const char *second)
{
    cs_value out = cs_object_new(a, cs_count(object));
    for (uint32_t i = 0; i < cs_count(object); i++) {
        cs_value value, key = cs_entry(object, i, &value);
        if (!cs_slice_is(cs_text(key), first) && !cs_slice_is(cs_text(key), second)) {
            cs_object_put(a, out, key, value);
        }
    }
    return out;
}

/* Without the words for people. */
static cs_value minimal(cs_arena *a, cs_value row)
{
    cs_value out = without(a, row, "categories", "description");
    const cs_value *full = cs_object_get_text(out, "decl");
    cs_value decl = full ? without(a, *full, "", "") : cs_object_new(a, 0);
    const cs_value *args = cs_object_get_text(decl, "args");
    uint32_t n = args ? cs_count(*args) : 0;
    cs_value *items = cs_arena_array(a, cs_value, n + 1U);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = without(a, args->u.items[i], "name", "description");
    }
    if (args) {
        cs_object_put_text(a, decl, "args", cs_array(items, n));
    }
    static const char *const others[] = {"result", "variadic"};
    for (size_t i = 0; i < 2; i++) {
        const cs_value *type = cs_object_get_text(decl, others[i]);
        if (type) {
            cs_object_put_text(a, decl, others[i], without(a, *type, "name", "description"));
        }
    }
    cs_object_put_text(a, out, "decl", decl);
    return out;
}

/* The rows of the build's own capabilities. */
static cs_value rows(const needs *n)
{
    cs_value all = cs_rego_capabilities(n->a, false);
    const cs_value *list = cs_object_get_text(all, "builtins");
    cs_value *out = cs_arena_array(n->a, cs_value, cs_count(*list) + 1U);
    uint32_t count = 0;
    for (uint32_t i = 0; i < cs_count(*list); i++) {
        const cs_value *name = cs_object_get_text(list->u.items[i], "name");
        if (name && cs_set_has(n->names, *name)) {
            out[count++] = minimal(n->a, list->u.items[i]);
        }
    }
    return cs_array(out, count);
}

cs_err cs_build_required(cs_build *b, cs_arena *a, cs_value *out, cs_errors *errors, cs_error *e)
{
    needs n = {b, a, cs_set_new(a, 0), cs_set_new(a, 0), cs_set_new(a, 0)};
    cs_compiled *compiled;
    for (size_t i = 0; i < b->pieces.n; i++) {
        see_module(&n, b->pieces.v[i].module);
    }
    CS_TRY(cs_build__compile(b, &compiled, errors, e));
    for (uint32_t i = 0; i < compiled->n_modules; i++) {
        for (uint32_t k = 0; k < compiled->modules[i]->n_rules; k++) {
            cs_walk_rule(&(cs_walker){.self = &n, .expr = see_call}, compiled->modules[i]->rules[k]);
        }
    }
    *out = cs_object_new(a, 3);
    cs_object_put_text(a, *out, "builtins", rows(&n));
    cs_object_put_text(a, *out, "future_keywords", sorted(a, n.keywords));
    cs_object_put_text(a, *out, "features", sorted(a, n.features));
    return CS_OK;
}

/* ---- annotations */
typedef struct found {
    const cs_annotation *annotation;
    const cs_module *module;
    const cs_rule *rule; /* NULL: the package's */
    cs_term *path;
} found;

typedef CS_VEC(found) found_list;

static int scope_order(cs_slice scope)
{
    static const char *const order[] = {"rule", "document", "package", "subpackages"};
    int i = 0;
    while (i < 3 && !cs_slice_is(scope, order[i])) {
        i++;
    }
    return i;
}

static int by_path(const void *x, const void *y)
{
    const found *a = x, *b = y;
    const cs_loc *at = &a->annotation->loc, *bt = &b->annotation->loc;
    int c = cs_term_compare(a->path, b->path);
    c = c ? c : cs_slice_compare(at->source->file, bt->source->file);
    c = c ? c : at->row < bt->row ? -1 : at->row > bt->row;
    return c ? c : scope_order(a->annotation->scope) - scope_order(b->annotation->scope);
}

static void gather(cs_build *b, const cs_module *m, found_list *out)
{
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        const cs_annotation *a = &m->annotations[i];
        if (cs_slice_is(a->scope, "package") || cs_slice_is(a->scope, "subpackages")) {
            found one = {a, m, NULL, m->package};
            CS_VEC_PUSH_IN(&b->arena, out, one);
        }
    }
    /* Further rules of a declaration have copies of its annotations, and rules above it those of their document. */
    uint32_t row = 0;
    for (uint32_t i = 0; i < m->n_rules; i++) {
        const cs_rule *r = m->rules[i];
        uint32_t last = row;
        for (uint32_t k = 0; k < r->n_annotations; k++) {
            if (r->annotations[k].loc.row > last && r->annotations[k].loc.row < r->loc.row) {
                cs_term *path = cs_build__rule_ref(b, r);
                path->u.list.n = cs_ref_ground_prefix(path);
                found one = {&r->annotations[k], m, r, path};
                CS_VEC_PUSH_IN(&b->arena, out, one);
                row = r->annotations[k].loc.row > row ? r->annotations[k].loc.row : row;
            }
        }
    }
}

static cs_slice text_of(cs_arena *a, const cs_term *ref)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_term_print(&text, ref);
    cs_slice out = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
    cs_buf_destroy(&text);
    return out;
}

/* Without the first part; what follows it is a name. */
static cs_slice below_data(cs_build *b, cs_arena *a, const cs_term *path)
{
    cs_terms all = path->u.list;
    if (all.n < 2) {
        return CS_LIT("");
    }
    cs_term **v = cs_arena_array(&b->arena, cs_term *, all.n);
    memcpy(v, all.v + 1, (all.n - 1U) * sizeof *v);
    if (cs_term_is_string(v[0])) {
        v[0] = cs_term_var(&b->ast, cs_sym_get(&b->ast, cs_text(v[0]->u.value)), (cs_loc){.nowhere = true});
    }
    return text_of(a, cs_term_list(&b->ast, CS_TERM_REF, v, all.n - 1, path->loc));
}

cs_build_annotation *cs_build_annotations(cs_build *b, cs_arena *a, size_t *n)
{
    found_list list = {0};
    for (size_t i = 0; i < b->pieces.n; i++) {
        gather(b, b->pieces.v[i].module, &list);
    }
    if (list.n > 1) {
        qsort(list.v, list.n, sizeof *list.v, by_path);
    }
    cs_build_annotation *out = cs_arena_array(a, cs_build_annotation, list.n + 1);
    for (size_t i = 0; i < list.n; i++) {
        const found *f = &list.v[i];
        const cs_loc *loc = f->rule ? &f->rule->loc : &f->module->package_loc;
        cs_value ref = cs_term_to_json(a, f->path);
        const cs_value *path = cs_object_get_text(ref, "value");
        out[i] = (cs_build_annotation){.fields = f->annotation->document,
                                       .terms = path ? *path : ref,
                                       .file = loc->source->file,
                                       .row = loc->row,
                                       .col = loc->col,
                                       .path = below_data(b, a, f->path),
                                       .package = below_data(b, a, f->module->package),
                                       .rule = f->rule ? text_of(a, f->rule->head.ref) : CS_LIT("")};
    }
    *n = list.n;
    return out;
}
