#include "countersign/base/vec.h"
#include "rego/index/index.h"

typedef CS_VEC(cs_constraint) constraint_vec;

/* A variable known to be a document of input or an argument. */
typedef struct alias {
    const cs_sym *name;
    cs_constraint place;
} alias;

typedef struct gather {
    cs_arena *arena;
    const cs_ast *names;
    CS_VEC(alias) aliases;
    constraint_vec found;
} gather;

static const cs_constraint *find_alias(const gather *g, const cs_sym *name)
{
    for (size_t i = 0; i < g->aliases.n; i++) {
        if (g->aliases.v[i].name == name) {
            return &g->aliases.v[i].place;
        }
    }
    return NULL;
}

static void add_alias(gather *g, const cs_sym *name, cs_constraint place)
{
    alias a = {name, place};
    CS_VEC_PUSH_IN(g->arena, &g->aliases, a);
}

/* Is the term input.a.b (or an alias followed by constants)? */
static bool place_of(gather *g, const cs_term *t, cs_constraint *out)
{
    if (t->kind == CS_TERM_VAR) {
        const cs_constraint *known = find_alias(g, t->u.var);
        if (known) {
            *out = *known;
        }
        return known != NULL;
    }
    if (t->kind != CS_TERM_REF || t->u.list.v[0]->kind != CS_TERM_VAR) {
        return false;
    }
    const cs_terms *r = &t->u.list;
    cs_constraint base = {0};
    const cs_constraint *known = find_alias(g, r->v[0]->u.var);
    if (known) {
        base = *known;
    } else if (!cs_slice_eq(cs_sym_slice(r->v[0]->u.var), CS_LIT("input"))) {
        return false;
    }
    cs_value *path = cs_arena_array(g->arena, cs_value, base.n_path + r->n);
    uint32_t n = base.n_path;
    if (n) {
        memcpy(path, base.path, n * sizeof *path);
    }
    for (uint32_t i = 1; i < r->n; i++) {
        if (r->v[i]->kind != CS_TERM_SCALAR) {
            return false;
        }
        path[n++] = r->v[i]->u.value;
    }
    base.path = path;
    base.n_path = n;
    *out = base;
    return true;
}

static bool is_equality(const cs_expr *e)
{
    if (e->kind != CS_EXPR_CALL || e->negated || e->n_with || e->u.call.n != 3) {
        return false;
    }
    const cs_term *op = e->u.call.v[0];
    if (op->kind != CS_TERM_REF || op->u.list.n != 1 || op->u.list.v[0]->kind != CS_TERM_VAR) {
        return false;
    }
    cs_slice name = cs_sym_slice(op->u.list.v[0]->u.var);
    return cs_slice_eq(name, CS_LIT("eq")) || cs_slice_eq(name, CS_LIT("equal"));
}

static void look_at(gather *g, const cs_term *a, const cs_term *b)
{
    cs_constraint place;
    if (b->kind == CS_TERM_SCALAR && place_of(g, a, &place)) {
        place.value = b->u.value;
        CS_VEC_PUSH_IN(g->arena, &g->found, place);
    } else if (a->kind == CS_TERM_VAR && !find_alias(g, a->u.var) && place_of(g, b, &place)) {
        add_alias(g, a->u.var, place);
    }
}

cs_constraints cs_index_constraints(cs_arena *arena, const cs_ast *names, const cs_rule *rule)
{
    gather g = {.arena = arena, .names = names};
    cs_constraints none = {NULL, 0};
    if (rule->other) {
        return none;
    }
    for (uint32_t i = 0; i < rule->head.args.n; i++) {
        const cs_term *arg = rule->head.args.v[i];
        cs_constraint place = {.on_argument = true, .argument = i};
        if (arg->kind == CS_TERM_VAR) {
            add_alias(&g, arg->u.var, place);
        } else if (arg->kind == CS_TERM_SCALAR) {
            place.value = arg->u.value;
            CS_VEC_PUSH_IN(arena, &g.found, place);
        }
    }
    for (uint32_t i = 0; i < rule->body.n; i++) {
        const cs_expr *e = rule->body.v[i];
        if (is_equality(e)) {
            look_at(&g, e->u.call.v[1], e->u.call.v[2]);
            look_at(&g, e->u.call.v[2], e->u.call.v[1]);
        }
    }
    return (cs_constraints){g.found.v, (uint32_t)g.found.n};
}
