/* Why a path of rules may be a cycle: the ref that closes it, and the values that its variables would need. */
#include "rego/compile/graph.h"

enum {
    MOST_CONDITIONS = 2, /* beyond, only the ref is named */
    MOST_MEMBERS = 5     /* of a collection that are spelled out */
};

typedef struct condition {
    uint32_t position;
    const cs_term *term, *value;
} condition;

/* ---- where variables come from */
typedef struct bindings {
    cs_compiler *c;
    const cs_rule *rule;
    cs_syms terms;   /* variable → the term it is unified with first */
    cs_syms outputs; /* variable → the cs_builtin that computes it */
} bindings;

static void bind_once(bindings *b, const cs_term *var, const cs_term *to)
{
    if (var->kind == CS_TERM_VAR && !cs_syms__has(&b->terms, var->u.var)) {
        cs_syms__put(&b->terms, var->u.var, (void *)(uintptr_t)to);
    }
}

static void gather(bindings *b, uint32_t at)
{
    for (uint32_t i = 0; i < at && i < b->rule->body.n; i++) {
        const cs_expr *e = b->rule->body.v[i];
        if (e->negated || e->n_with || e->kind != CS_EXPR_CALL) {
            continue;
        }
        if (cs_expr__is(e, b->c->eq)) {
            if (e->u.call.n == 3) {
                bind_once(b, e->u.call.v[1], e->u.call.v[2]);
                bind_once(b, e->u.call.v[2], e->u.call.v[1]);
            }
            continue;
        }
        const cs_builtin *builtin = cs_compile__builtin(b->c, e->u.call.v[0]);
        const cs_term *last = e->u.call.v[e->u.call.n - 1];
        if (builtin && e->u.call.n == cs_builtin_arity(builtin) + 2 && last->kind == CS_TERM_VAR) {
            cs_syms__put(&b->outputs, last->u.var, (void *)(uintptr_t)builtin);
        }
    }
}

static const cs_term *collection(const bindings *b, const cs_term *t)
{
    for (uint32_t i = 0; i <= b->terms.n && t->kind == CS_TERM_VAR; i++) {
        const cs_syms_item *item = cs_syms__find(&b->terms, t->u.var);
        if (!item) {
            return NULL;
        }
        t = item->value;
    }
    bool is_one = t->kind == CS_TERM_ARRAY || t->kind == CS_TERM_SET || t->kind == CS_TERM_OBJECT;
    return is_one && cs_term__is_constant(t) ? t : NULL;
}

static cs_term *constant_prefix(cs_compiler *c, const cs_term *ref)
{
    uint32_t n = 1;
    while (n < ref->u.list.n && cs_term__is_constant(ref->u.list.v[n])) {
        n++;
    }
    return cs_term_copy(c->ast, cs_term_list(c->ast, CS_TERM_REF, ref->u.list.v, n, ref->loc));
}

static cs_origin of_head(const bindings *b, const cs_sym *v)
{
    const cs_head *h = &b->rule->head;
    for (uint32_t i = 0; i < h->args.n; i++) {
        if (h->args.v[i]->kind == CS_TERM_VAR && h->args.v[i]->u.var == v) {
            return (cs_origin){CS_ORIGIN_HEAD_ARG, NULL, NULL};
        }
    }
    for (uint32_t i = 1; i < h->ref->u.list.n; i++) {
        if (h->ref->u.list.v[i]->kind == CS_TERM_VAR && h->ref->u.list.v[i]->u.var == v) {
            return (cs_origin){CS_ORIGIN_HEAD_KEY, NULL, NULL};
        }
    }
    bool key = h->key && h->key->kind == CS_TERM_VAR && h->key->u.var == v;
    return (cs_origin){key ? CS_ORIGIN_HEAD_KEY : CS_ORIGIN_UNKNOWN, NULL, NULL};
}

static cs_origin origin_of(const bindings *b, const cs_sym *v)
{
    for (uint32_t depth = 0; depth <= b->rule->body.n; depth++) {
        const cs_syms_item *item = cs_syms__find(&b->outputs, v);
        if (item) {
            return (cs_origin){CS_ORIGIN_BUILTIN, NULL, item->value};
        }
        item = cs_syms__find(&b->terms, v);
        const cs_term *t = item ? item->value : NULL;
        if (t && t->kind == CS_TERM_VAR) {
            v = t->u.var;
            continue;
        }
        if (t && t->kind == CS_TERM_REF) {
            const cs_term *head = t->u.list.v[0];
            if (cs_ref_is_global(b->c->ast, t)) {
                bool input = head->u.var == b->c->ast->input;
                return (cs_origin){input ? CS_ORIGIN_INPUT : CS_ORIGIN_RULE, constant_prefix(b->c, t), NULL};
            }
            const cs_term *from =
                t->u.list.n == 2 && !cs_term__is_constant(t->u.list.v[1]) ? collection(b, head) : NULL;
            if (from) {
                return (cs_origin){CS_ORIGIN_COLLECTION, cs_term_copy(b->c->ast, from), NULL};
            }
        }
        return of_head(b, v);
    }
    return (cs_origin){CS_ORIGIN_UNKNOWN, NULL, NULL};
}

void cs_cause__origins(cs_compiler *c, const cs_rule *r, uint32_t at, const cs_term *ref, cs_syms *out)
{
    bindings b = {c, r, cs_syms__new(&c->scratch), cs_syms__new(&c->scratch)};
    gather(&b, at);
    for (uint32_t i = 1; i < ref->u.list.n; i++) {
        const cs_term *t = ref->u.list.v[i];
        if (t->kind == CS_TERM_VAR) {
            cs_origin *o = cs_arena_new(c->ast->arena, cs_origin);
            *o = origin_of(&b, t->u.var);
            if (o->kind != CS_ORIGIN_UNKNOWN) {
                cs_syms__put(out, t->u.var, o);
            }
        }
    }
}

/* ---- conditions */
/* One for each distinct term; false if a term would need two values. */
static bool conditions_of(const cs_term *ref, const cs_term *rule, const uint32_t *positions, uint32_t n,
                          condition *out, uint32_t *n_out)
{
    *n_out = 0;
    for (uint32_t i = 0; i < n; i++) {
        condition found = {positions[i], ref->u.list.v[positions[i]], rule->u.list.v[positions[i]]};
        bool known = false;
        for (uint32_t k = 0; k < *n_out && !known; k++) {
            known = cs_term_equal(out[k].term, found.term);
            if (known && !cs_term_equal(out[k].value, found.value)) {
                return false;
            }
        }
        if (!known) {
            out[(*n_out)++] = found;
        }
    }
    return true;
}

static const cs_origin *origin_at(const cs_dynamic_ref *d, uint32_t position)
{
    const cs_term *t = d->ref->u.list.v[position];
    const cs_syms_item *item = t->kind == CS_TERM_VAR ? cs_syms__find(&d->origins, t->u.var) : NULL;
    return item ? item->value : NULL;
}

static bool has_member(const cs_term *from, const cs_term *value)
{
    bool object = from->kind == CS_TERM_OBJECT;
    for (uint32_t i = object ? 1 : 0; i < from->u.list.n; i += object ? 2 : 1) {
        if (cs_term_equal(from->u.list.v[i], value)) {
            return true;
        }
    }
    return false;
}

static bool may_return(cs_compiler *c, const cs_builtin *b, const cs_term *value)
{
    const cs_type *result = cs_type_unnamed(cs_builtin_type(b)->dynamic);
    return !result || value->kind != CS_TERM_SCALAR ||
           cs_type_contains(result, cs_type_of(&c->scratch, value->u.value));
}

/* The condition cannot be met as it stands, so it is not shown. */
static bool cannot_hold(cs_compiler *c, const cs_dynamic_ref *d, const condition *k)
{
    const cs_origin *o = origin_at(d, k->position);
    return o && ((o->kind == CS_ORIGIN_COLLECTION && !has_member(o->term, k->value)) ||
                 (o->kind == CS_ORIGIN_BUILTIN && !may_return(c, o->builtin, k->value)));
}

static void note(cs_compiler *c, cs_buf *b, const cs_dynamic_ref *d, const cs_rule *rule, const condition *k)
{
    const cs_term *t = d->ref->u.list.v[k->position];
    const char *shown = cs_compile__term_text(c, k->term);
    const cs_origin *o = origin_at(d, k->position);
    if (t->kind == CS_TERM_REF && t->u.list.v[0]->kind == CS_TERM_VAR && t->u.list.v[0]->u.var == c->ast->data) {
        cs_buf_text(b, " (rule values aren't known at compile time)");
    }
    if (!o) {
        return;
    }
    const char *term = o->term ? cs_compile__term_text(c, o->term) : "";
    uint32_t members =
        o->kind == CS_ORIGIN_COLLECTION ? o->term->u.list.n / (o->term->kind == CS_TERM_OBJECT ? 2 : 1) : 0;
    switch (o->kind) {
    case CS_ORIGIN_INPUT:
        cs_buf_printf(b, " (%s comes from %s)", shown, term);
        return;
    case CS_ORIGIN_RULE:
        cs_buf_printf(b, " (%s comes from rule %s, whose value isn't known at compile time)", shown, term);
        return;
    case CS_ORIGIN_COLLECTION:
        if (members > MOST_MEMBERS) {
            cs_buf_printf(b, " (%s is one of %u values)", shown, (unsigned)members);
        } else {
            cs_buf_printf(b, " (%s is one of %s)", shown, term);
        }
        return;
    case CS_ORIGIN_BUILTIN:
        cs_buf_printf(b, " (%s is computed by %s)", shown, o->builtin->name);
        return;
    case CS_ORIGIN_HEAD_KEY:
        cs_buf_printf(b, " (%s is a key of %s)", shown, cs_rule__text(c, rule));
        return;
    case CS_ORIGIN_HEAD_ARG:
        cs_buf_printf(b, " (%s is an argument of %s)", shown, cs_rule__text(c, rule));
        return;
    case CS_ORIGIN_UNKNOWN:
        return;
    }
}

static void describe(cs_compiler *c, cs_buf *b, const cs_dynamic_ref *d, const cs_rule *rule, const cs_rule *target)
{
    cs_term *rule_path = cs_rule__path(c, target);
    uint32_t n = d->ref->u.list.n < rule_path->u.list.n ? d->ref->u.list.n : rule_path->u.list.n;
    cs_term *shown = cs_compile__ref_as_written(c, cs_term_list(c->ast, CS_TERM_REF, d->ref->u.list.v, n, d->ref->loc));
    uint32_t *positions = cs_arena_array(&c->scratch, uint32_t, n + d->sel->u.list.n + 1);
    condition *conditions = cs_arena_array(&c->scratch, condition, n + 1);
    uint32_t n_positions = 0;
    uint32_t n_conditions = 0;
    (void)cs_graph__selects(c, d->sel, target, &d->bound, positions, &n_positions);
    bool fine = conditions_of(shown, rule_path, positions, n_positions, conditions, &n_conditions);
    for (uint32_t i = 0; i < n_conditions; i++) {
        fine = fine && !cannot_hold(c, d, &conditions[i]);
    }
    if (!fine || n_conditions == 0 || n_conditions > MOST_CONDITIONS) {
        cs_buf_printf(b, " could refer to %s", cs_rule__text(c, target));
        return;
    }
    cs_buf_printf(b, " refers to %s", cs_rule__text(c, target));
    for (uint32_t i = 0; i < n_conditions; i++) {
        cs_buf_printf(b, " %s %s is %s", i ? "and" : "if", cs_compile__term_text(c, conditions[i].term),
                      cs_compile__term_text(c, conditions[i].value));
        note(c, b, d, rule, &conditions[i]);
    }
}

const char *cs_cause__text(cs_compiler *c, const cs_graph *g, const uint32_t *path, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        const cs_dynamic_ref *d = NULL;
        for (size_t k = 0; k < g->edges[path[i - 1]].n && !d; k++) {
            const cs_edge *e = &g->edges[path[i - 1]].v[k];
            d = e->to == path[i] ? e->cause : NULL;
        }
        if (!d) {
            continue;
        }
        const cs_rule *rule = g->rules[path[i - 1]];
        const cs_rule *target = g->rules[path[i]];
        uint32_t width = target->module->package->u.list.n + target->head.ref->u.list.n;
        cs_term cut = {.kind = CS_TERM_REF, .u.list = d->ref->u.list};
        cut.u.list.n = cut.u.list.n < width ? cut.u.list.n : width;
        cs_buf b;
        cs_buf_init(&b);
        cs_buf_printf(&b, " (%s", cs_compile__term_text(c, cs_compile__ref_as_written(c, &cut)));
        if (i > 1) {
            cs_buf_printf(&b, " in %s", cs_rule__text(c, rule));
        }
        describe(c, &b, d, rule, target);
        cs_buf_text(&b, ")");
        const char *text = cs_arena_dup(&c->scratch, b.p, b.n);
        cs_buf_destroy(&b);
        return text;
    }
    return "";
}
