/* Variables that are declared or assigned and then not used. The first is always an error, the second in strict mode.
 */
#include "rego/compile/locals.h"

static const cs_sym *name_of(cs_scopes *s, const cs_sym *local)
{
    const cs_syms *top = cs_scopes__top(s);
    for (uint32_t i = 0; i < top->n; i++) {
        if (((const cs_declaration *)top->v[i].value)->local == local) {
            return top->v[i].sym;
        }
    }
    return local;
}

void cs_unused__assigned(cs_scopes *s, cs_body before, const cs_syms *used)
{
    if (!s->c->policy->strict || s->errors || s->unused) {
        return;
    }
    cs_syms unused = cs_syms__new(&s->c->scratch);
    const cs_syms *top = cs_scopes__top(s);
    for (uint32_t i = 0; i < top->n; i++) {
        const cs_declaration *d = top->v[i].value;
        if (d->occurrence == CS_ASSIGNED && !cs_sym_is_wildcard(top->v[i].sym) &&
            cs_scopes__count(s, top->v[i].sym) <= 1 && !cs_syms__has(used, d->local)) {
            (void)cs_syms__add(&unused, d->local);
        }
    }
    for (uint32_t i = 0; i < used->n; i++) {
        const cs_sym *local = cs_scopes__declared(s, used->v[i].sym);
        if (local) {
            cs_syms__drop(&unused, local);
        }
    }
    for (uint32_t i = 0; i < unused.n; i++) {
        cs_loc loc = before.v[0]->loc;
        for (uint32_t j = 0; j < before.n; j++) {
            cs_syms vars = cs_syms__new(&s->c->scratch);
            cs_vars__expr(&vars, before.v[j], 0);
            if (cs_syms__has(&vars, unused.v[i].sym)) {
                loc = before.v[j]->loc;
                break;
            }
        }
        s->unused++;
        (void)cs_compile__note(s->c, CS_ERR_REGO_COMPILE, loc, "assigned var %s unused",
                               cs_compile__name(name_of(s, unused.v[i].sym)));
    }
}

static void report_declared(cs_scopes *s, cs_body before, const cs_sym *name)
{
    cs_loc loc = before.v[0]->loc;
    for (uint32_t i = 0; i < before.n; i++) {
        cs_syms declared = cs_syms__new(&s->c->scratch);
        cs_vars__declared_expr(s->c, &declared, before.v[i]);
        if (cs_syms__has(&declared, name)) {
            loc = before.v[i]->loc;
            break;
        }
    }
    s->unused++;
    (void)cs_compile__note(s->c, CS_ERR_REGO_COMPILE, loc, "declared var %s unused", cs_compile__name(name));
}

void cs_unused__declared(cs_scopes *s, cs_body before, const cs_syms *used, cs_body after)
{
    if (s->errors || s->unused) {
        return;
    }
    const cs_syms *top = cs_scopes__top(s);
    bool any = false;
    for (uint32_t i = 0; i < top->n && !any; i++) {
        any = ((const cs_declaration *)top->v[i].value)->occurrence == CS_DECLARED;
    }
    if (!any) {
        return;
    }
    cs_syms vars = cs_syms__new(&s->c->scratch);
    cs_vars__body(&vars, after, 0);
    for (uint32_t i = 0; i < used->n; i++) {
        const cs_sym *local = cs_scopes__declared(s, used->v[i].sym);
        (void)cs_syms__add(&vars, local ? local : used->v[i].sym);
    }
    for (uint32_t i = 0; i < top->n; i++) {
        const cs_declaration *d = top->v[i].value;
        if (d->occurrence == CS_DECLARED && !cs_syms__has(&vars, d->local) && !cs_syms__has(used, d->local) &&
            !cs_sym_is_generated(top->v[i].sym)) {
            report_declared(s, before, top->v[i].sym);
        }
    }
}
