/* What several stages do to the tree. */
#include "rego/compile/internal.h"

const cs_sym *cs_compile__local(cs_compiler *c)
{
    for (;;) {
        const cs_sym *s = cs_sym_printf(c->ast, "%s%u__", c->prefix, (unsigned)c->next_local++);
        if (!cs_syms__has(&c->taken, s)) {
            return s;
        }
    }
}

cs_term *cs_compile__local_term(cs_compiler *c, cs_loc loc)
{
    cs_term *t = cs_term_var(c->ast, cs_compile__local(c), loc);
    t->generated = true;
    return t;
}

cs_expr *cs_compile__equality(cs_compiler *c, cs_term *t)
{
    cs_term *operands[2] = {cs_compile__local_term(c, t->loc), t};
    cs_expr *e = cs_expr_call(c->ast, "eq", operands, 2, t->loc);
    e->generated = true;
    return e;
}

void cs_compile__connect(cs_expr *parent, cs_expr *child)
{
    cs_expr **end = &parent->generates;
    while (*end) {
        end = &(*end)->next_generated;
    }
    child->generated_from = parent;
    child->next_generated = NULL;
    *end = child;
}

bool cs_compile__is_true(const cs_expr *e)
{
    return e->kind == CS_EXPR_TERM && !e->negated && e->n_with == 0 && e->u.term->kind == CS_TERM_SCALAR &&
           e->u.term->u.value.kind == CS_BOOL && e->u.term->u.value.u.i != 0;
}

void cs_compile__append(cs_compiler *c, cs_body *body, cs_expr *e)
{
    if (body->n == 1 && cs_compile__is_true(body->v[0])) {
        e->index = 0;
        body->v[0] = e;
        return;
    }
    cs_body_append(c->ast, body, e);
}

cs_body cs_compile__body(cs_compiler *c, const cs_exprs *v)
{
    uint32_t room = 4; /* what cs_body_append expects */
    while (room < v->n) {
        room *= 2;
    }
    cs_body b = {cs_arena_array(c->ast->arena, cs_expr *, room), (uint32_t)v->n};
    for (uint32_t i = 0; i < b.n; i++) {
        b.v[i] = v->v[i];
        b.v[i]->index = i;
    }
    return b;
}

bool cs_expr__is(const cs_expr *e, const cs_sym *operator_name)
{
    if (e->kind != CS_EXPR_CALL) {
        return false;
    }
    const cs_term *ref = e->u.call.v[0];
    return ref->kind == CS_TERM_REF && ref->u.list.n == 1 && ref->u.list.v[0]->kind == CS_TERM_VAR &&
           ref->u.list.v[0]->u.var == operator_name;
}

bool cs_term__is_root(const cs_compiler *c, const cs_term *t)
{
    if (t->kind == CS_TERM_REF && t->u.list.n == 1) {
        t = t->u.list.v[0];
    }
    return t->kind == CS_TERM_VAR && (t->u.var == c->ast->data || t->u.var == c->ast->input);
}

bool cs_term__requires_eval(const cs_term *t)
{
    if (!t) {
        return false;
    }
    if (t->kind == CS_TERM_REF || cs_term__is_comprehension(t)) {
        return true;
    }
    if (cs_term__has_list(t)) {
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            if (cs_term__requires_eval(t->u.list.v[i])) {
                return true;
            }
        }
    }
    return false;
}

bool cs_term__is_constant(const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        return true;
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
        for (uint32_t i = 0; i < t->u.list.n; i++) {
            if (!cs_term__is_constant(t->u.list.v[i])) {
                return false;
            }
        }
        return true;
    case CS_TERM_VAR:
    case CS_TERM_REF:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        break;
    }
    return false;
}

/* A part of a dotted name: a word, so that what is printed as ["x-y"] matches nothing. */
enum { NAME_BYTES = 128 }; /* longer than any name */

static bool is_word(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
        if (!letter && !(i > 0 && ch >= '0' && ch <= '9')) {
            return false;
        }
    }
    return s.n > 0;
}

/* "io.jwt.decode" as a slice into `name`; empty if the ref cannot be a built-in's name. */
static cs_slice dotted_name(const cs_term *ref, char name[NAME_BYTES])
{
    size_t n = 0;
    for (uint32_t i = 0; i < ref->u.list.n; i++) {
        const cs_term *part = ref->u.list.v[i];
        cs_slice s;
        if (i == 0 && part->kind == CS_TERM_VAR) {
            s = cs_sym_slice(part->u.var);
        } else if (i > 0 && cs_term_is_string(part) && is_word(cs_text(part->u.value))) {
            s = cs_text(part->u.value);
        } else {
            return CS_LIT("");
        }
        if (n + s.n + 1 > NAME_BYTES) {
            return CS_LIT("");
        }
        if (i > 0) {
            name[n++] = '.';
        }
        memcpy(name + n, s.p, s.n);
        n += s.n;
    }
    return cs_slice_make(name, n);
}

const cs_builtin *cs_builtin_of_ref(const cs_term *ref)
{
    char name[NAME_BYTES];
    return cs_builtin_find(dotted_name(ref, name));
}

const cs_builtin *cs_builtin_granted(const cs_capabilities *c, const cs_term *ref)
{
    char name[NAME_BYTES];
    cs_slice dotted = dotted_name(ref, name);
    const cs_builtin *granted = c ? cs_granted_find(c, dotted) : NULL;
    return granted && !granted->run && !cs_builtin_is_language(granted) ? granted : cs_builtin_find(dotted);
}

static const cs_capabilities *capabilities_of(const cs_compiler *c)
{
    return c->compiled ? c->compiled->capabilities : NULL;
}

const cs_builtin *cs_compile__builtin(const cs_compiler *c, const cs_term *ref)
{
    if (ref->kind == CS_TERM_VAR) {
        return cs_granted_find(capabilities_of(c), cs_sym_slice(ref->u.var));
    }
    if (ref->kind != CS_TERM_REF || cs_ref_is_global(c->ast, ref)) {
        return NULL;
    }
    char name[NAME_BYTES];
    return cs_granted_find(capabilities_of(c), dotted_name(ref, name));
}

int cs_compile__arity(const cs_compiler *c, const cs_term *ref)
{
    const cs_builtin *b = cs_compile__builtin(c, ref);
    if (b) {
        return (int)cs_builtin_arity(b);
    }
    if (ref->kind != CS_TERM_REF || !c->compiled || !c->compiled->root) {
        return -1;
    }
    const cs_rule_node *node = cs_tree__find(c->compiled, ref, ref->u.list.n);
    return node && node->n_rules ? (int)node->rules[0]->head.args.n : -1;
}

bool cs_compile__is_v1(const cs_module *m)
{
    return m->version != CS_REGO_V0;
}

void cs_compile__chains(cs_compiler *c, cs_rule_fn *f)
{
    for (uint32_t i = 0; i < c->n_modules; i++) {
        for (uint32_t j = 0; j < c->modules[i]->n_rules; j++) {
            cs_arena_mark mark = cs_arena_mark_now(&c->scratch);
            f(c, c->modules[i]->rules[j]);
            cs_arena_rewind(&c->scratch, mark);
        }
    }
}

void cs_compile__walk_head(const cs_walker *w, cs_rule *r)
{
    for (uint32_t i = 0; i < r->head.args.n; i++) {
        cs_walk_term(w, r->head.args.v[i]);
    }
    if (r->head.key) {
        cs_walk_term(w, r->head.key);
    }
    if (r->head.value) {
        cs_walk_term(w, r->head.value);
    }
}

void cs_compile__rules(cs_compiler *c, cs_rule_fn *f)
{
    for (uint32_t i = 0; i < c->n_modules; i++) {
        for (uint32_t j = 0; j < c->modules[i]->n_rules; j++) {
            for (cs_rule *r = c->modules[i]->rules[j]; r; r = r->other) {
                cs_arena_mark mark = cs_arena_mark_now(&c->scratch);
                f(c, r);
                cs_arena_rewind(&c->scratch, mark);
            }
        }
    }
}
