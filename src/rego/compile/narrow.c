/* What variables are known to hold: `some k in ["a", "b"]; data[k].p` reads data.a.p and data.b.p, not every p under
 * data. */
#include "rego/compile/graph.h"

enum { MOST = 64 }; /* refs that one ref is narrowed into; beyond, it stays open */

typedef CS_VEC(cs_value) value_list;

static const cs_known *find(const cs_known_list *known, uint32_t before, const cs_sym *var)
{
    for (size_t i = 0; i < known->n && known->v[i].index < before; i++) {
        if (known->v[i].var == var) {
            return &known->v[i];
        }
    }
    return NULL;
}

/* Elements, or an object's values. False if it is no collection. */
static bool members_of(cs_compiler *c, cs_value v, value_list *out)
{
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value member = cs_undefined();
        if (v.kind == CS_ARRAY) {
            member = v.u.items[i];
        } else if (v.kind == CS_SET) {
            member = cs_entry(v, i, NULL);
        } else {
            (void)cs_entry(v, i, &member);
        }
        CS_VEC_PUSH_IN(&c->scratch, out, member);
    }
    return v.kind == CS_ARRAY || v.kind == CS_SET || v.kind == CS_OBJECT;
}

/* False: nothing is known of what the term can be. */
static bool values_of(cs_compiler *c, const cs_term *t, const cs_known_list *known, uint32_t before, value_list *out)
{
    cs_value v = cs_undefined();
    if (t->kind == CS_TERM_VAR) {
        const cs_known *k = find(known, before, t->u.var);
        *out = (value_list){0};
        if (k) {
            *out = (value_list){k->values, k->n, k->n};
        }
        return k != NULL;
    }
    if (t->kind != CS_TERM_REF) {
        *out = (value_list){0};
        if (!cs_term_to_value(c->ast->arena, t, &v)) {
            return false;
        }
        CS_VEC_PUSH_IN(&c->scratch, out, v);
        return true;
    }
    if (!values_of(c, t->u.list.v[0], known, before, out)) {
        return false;
    }
    for (uint32_t i = 1; i < t->u.list.n; i++) {
        value_list next = {0};
        bool constant = cs_term__is_constant(t->u.list.v[i]) && cs_term_to_value(c->ast->arena, t->u.list.v[i], &v);
        for (size_t k = 0; k < out->n; k++) {
            if (!constant) {
                if (!members_of(c, out->v[k], &next)) {
                    return false;
                }
                continue;
            }
            cs_value member = cs_index(out->v[k], v);
            if (!cs_is_undefined(member)) {
                CS_VEC_PUSH_IN(&c->scratch, &next, member);
            }
        }
        if (next.n > MOST) {
            return false;
        }
        *out = next;
    }
    return true;
}

static bool binding_of(cs_compiler *c, const cs_expr *e, const cs_known_list *known, uint32_t at, const cs_sym **var,
                       value_list *out)
{
    for (int side = 1; side <= 2; side++) {
        const cs_term *t = e->u.call.v[side];
        if (t->kind == CS_TERM_VAR && values_of(c, e->u.call.v[3 - side], known, at, out)) {
            *var = t->u.var;
            return true;
        }
    }
    return false;
}

void cs_narrow__bindings(cs_compiler *c, cs_body b, cs_known_list *out)
{
    for (uint32_t i = 0; i < b.n; i++) {
        const cs_expr *e = b.v[i];
        const cs_sym *var = NULL;
        value_list values;
        if (!cs_expr__is(e, c->eq) || e->u.call.n != 3 || e->negated || e->n_with) {
            continue;
        }
        if (binding_of(c, e, out, i, &var, &values) && !find(out, UINT32_MAX, var)) {
            CS_VEC_PUSH_IN(&c->scratch, out, ((cs_known){i, var, values.v, (uint32_t)values.n}));
        }
    }
}

cs_terms cs_narrow__expand(cs_compiler *c, const cs_term *ref, const cs_known_list *known, uint32_t at)
{
    cs_term **v = (cs_term **)cs_arena_zalloc(&c->scratch, MOST * sizeof(cs_term *));
    cs_terms out = {v, 1};
    v[0] = (cs_term *)(uintptr_t)ref;
    for (uint32_t i = 1; i < ref->u.list.n && known->n; i++) {
        value_list values;
        const cs_term *t = ref->u.list.v[i];
        if (cs_term__is_constant(t) || !values_of(c, t, known, at, &values) || values.n == 0 ||
            out.n * values.n > MOST) {
            continue;
        }
        cs_term **next = (cs_term **)cs_arena_zalloc(&c->scratch, MOST * sizeof(cs_term *));
        uint32_t n = 0;
        for (uint32_t p = 0; p < out.n; p++) {
            for (size_t k = 0; k < values.n; k++) {
                next[n] = cs_term_list(c->ast, CS_TERM_REF, out.v[p]->u.list.v, ref->u.list.n, ref->loc);
                next[n++]->u.list.v[i] = cs_term_from_value(c->ast, values.v[k], t->loc);
            }
        }
        out = (cs_terms){next, n};
    }
    return out;
}
