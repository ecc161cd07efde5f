/* Scopes of declared variables while RewriteLocalVars walks a rule. */
#include "rego/compile/locals.h"

void cs_scopes__push(cs_scopes *s)
{
    CS_VEC_PUSH_IN(&s->c->scratch, &s->stack, cs_syms__new(&s->c->scratch));
}

void cs_scopes__pop(cs_scopes *s)
{
    s->stack.n--;
}

static cs_declaration *in_scope(const cs_syms *scope, const cs_sym *name)
{
    cs_syms_item *item = cs_syms__find(scope, name);
    return item ? item->value : NULL;
}

static cs_declaration *get(cs_scopes *s, const cs_sym *name)
{
    cs_syms_item *item = cs_syms__add(cs_scopes__top(s), name);
    if (!item->value) {
        item->value = cs_arena_new(&s->c->scratch, cs_declaration);
    }
    return item->value;
}

void cs_scopes__insert(cs_scopes *s, const cs_sym *name, const cs_sym *local, cs_occurrence occurrence)
{
    cs_declaration *d = get(s, name);
    *d = (cs_declaration){local, occurrence, 1};
    if (name != local) {
        cs_syms__put(&s->c->rewritten, local, (void *)(uintptr_t)name);
    }
}

const cs_sym *cs_scopes__declared(const cs_scopes *s, const cs_sym *name)
{
    for (size_t i = s->stack.n; i > 0; i--) {
        const cs_declaration *d = in_scope(&s->stack.v[i - 1], name);
        if (d && d->local) {
            return d->local;
        }
    }
    return NULL;
}

cs_occurrence cs_scopes__occurrence(const cs_scopes *s, const cs_sym *name)
{
    const cs_declaration *d = in_scope(&s->stack.v[s->stack.n - 1], name);
    return d ? d->occurrence : CS_NEW;
}

cs_occurrence cs_scopes__occurrence_anywhere(const cs_scopes *s, const cs_sym *name)
{
    for (size_t i = s->stack.n; i > 0; i--) {
        const cs_declaration *d = in_scope(&s->stack.v[i - 1], name);
        if (d && d->local) {
            return d->occurrence;
        }
    }
    return CS_NEW;
}

void cs_scopes__seen(cs_scopes *s, const cs_sym *name)
{
    for (size_t i = s->stack.n; i > 0; i--) {
        cs_declaration *d = in_scope(&s->stack.v[i - 1], name);
        if (d && d->count) {
            d->count++;
            return;
        }
    }
    get(s, name)->count = 1;
}

uint32_t cs_scopes__count(const cs_scopes *s, const cs_sym *name)
{
    for (size_t i = s->stack.n; i > 0; i--) {
        const cs_declaration *d = in_scope(&s->stack.v[i - 1], name);
        if (d && d->count) {
            return d->count;
        }
    }
    return 0;
}

const cs_sym *cs_scopes__declare(cs_scopes *s, const cs_sym *name, cs_occurrence occurrence, const char **problem)
{
    switch (cs_scopes__occurrence(s, name)) {
    case CS_SEEN:
        *problem = "var %s referenced above";
        return NULL;
    case CS_ASSIGNED:
        *problem = "var %s assigned above";
        return NULL;
    case CS_DECLARED:
        *problem = "var %s declared above";
        return NULL;
    case CS_ARG:
        *problem = "arg %s redeclared";
        return NULL;
    case CS_NEW:
        break;
    }
    const cs_sym *local = cs_compile__local(s->c);
    cs_scopes__insert(s, name, local, occurrence);
    return local;
}

void cs_scopes__copy_top(cs_scopes *to, const cs_scopes *from)
{
    const cs_syms *top = &from->stack.v[from->stack.n - 1];
    for (uint32_t i = 0; i < top->n; i++) {
        *get(to, top->v[i].sym) = *(const cs_declaration *)top->v[i].value;
    }
}
