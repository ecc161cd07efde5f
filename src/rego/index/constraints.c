/* What a body demands of the documents that are there from the start. */
#include "rego/index/internal.h"

/* More constraints than this in one body tell nothing that the first ones do not. */
#define CONSTRAINTS_MAX 64U

/* A variable that is known: a document at a place (or an element of the collection there), or a constant. */
typedef struct known {
    const cs_sym *name;
    bool constant, element;
    cs_place place;
    cs_value value;
} known;

typedef struct gather {
    cs_arena *arena;
    cs_is_base *is_base;
    void *self;
    CS_VEC(known) names;
    cs_constraint_vec found;      /* what holds in every way */
    CS_VEC(cs_ways) alternatives; /* of each `or` */
} gather;

cs_path cs_path_make(cs_arena *arena, const cs_value *keys, uint32_t n)
{
    cs_value *copy = cs_arena_array(arena, cs_value, n + 1);
    uint32_t *hashes = cs_arena_array(arena, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        copy[i] = keys[i];
        hashes[i] = cs_hash(keys[i]);
    }
    return (cs_path){copy, hashes, n};
}

static const known *find(const gather *g, const cs_sym *name)
{
    for (size_t i = g->names.n; i > 0; i--) {
        if (g->names.v[i - 1].name == name) {
            return &g->names.v[i - 1];
        }
    }
    return NULL;
}

static void add(gather *g, cs_place place, cs_test test, const cs_value *values, uint32_t n)
{
    cs_constraint c = {place, test, values, n};
    CS_VEC_PUSH_IN(g->arena, &g->found, c);
}

static void add_one(gather *g, cs_place place, cs_test test, cs_value value)
{
    cs_value *values = cs_arena_array(g->arena, cs_value, 1);
    values[0] = value;
    add(g, place, test, values, 1);
}

/* The term as a constant, written or known. */
static bool constant_of(const gather *g, const cs_term *t, cs_value *out)
{
    if (t->kind == CS_TERM_VAR) {
        const known *k = find(g, t->u.var);
        if (k && k->constant) {
            *out = k->value;
        }
        return k && k->constant;
    }
    return cs_term_to_value(g->arena, t, out);
}

static bool is_scalar(cs_value v)
{
    return v.kind != CS_UNDEFINED && v.kind < CS_ARRAY;
}

static cs_place below(gather *g, const cs_place *place, const cs_value *keys, uint32_t n)
{
    cs_value *path = cs_arena_array(g->arena, cs_value, place->path.n + n + 1);
    if (place->path.n) {
        memcpy(path, place->path.keys, place->path.n * sizeof *path);
    }
    if (n) {
        memcpy(path + place->path.n, keys, n * sizeof *path);
    }
    cs_place out = *place;
    out.path = cs_path_make(g->arena, path, place->path.n + n);
    return out;
}

/* Where the first `n` operands of a ref lead; false unless they are constants below something known. */
static bool ref_place(gather *g, const cs_terms *ref, uint32_t n, cs_place *out)
{
    if (ref->v[0]->kind != CS_TERM_VAR) {
        return false;
    }
    cs_place base = {.root = CS_ROOT_INPUT};
    const known *k = find(g, ref->v[0]->u.var);
    cs_slice head = cs_sym_slice(ref->v[0]->u.var);
    if (k) {
        if (k->constant || k->element) {
            return false;
        }
        base = k->place;
    } else if (cs_slice_eq(head, CS_LIT("data"))) {
        base.root = CS_ROOT_DATA;
    } else if (!cs_slice_eq(head, CS_LIT("input"))) {
        return false;
    }
    cs_value *keys = cs_arena_array(g->arena, cs_value, n);
    for (uint32_t i = 1; i < n; i++) {
        if (!constant_of(g, ref->v[i], &keys[i - 1]) || !is_scalar(keys[i - 1])) {
            return false;
        }
    }
    *out = below(g, &base, keys, n - 1);
    return out->root != CS_ROOT_DATA ||
           (out->path.n > 0 && g->is_base && g->is_base(g->self, out->path.keys, out->path.n));
}

/* The place that the term reads; *element: one of the values of the collection there. */
static bool place_of(gather *g, const cs_term *t, cs_place *out, bool *element)
{
    *element = false;
    if (t->kind == CS_TERM_VAR) {
        const known *k = find(g, t->u.var);
        if (k && !k->constant) {
            *out = k->place;
            *element = k->element;
            return true;
        }
        cs_term *self = (cs_term *)(uintptr_t)t;
        cs_terms alone = {&self, 1};
        return !k && ref_place(g, &alone, 1, out);
    }
    if (t->kind != CS_TERM_REF) {
        return false;
    }
    const cs_terms *r = &t->u.list;
    if (ref_place(g, r, r->n, out)) {
        return true;
    }
    *element = r->n > 1 && r->v[r->n - 1]->kind == CS_TERM_VAR && ref_place(g, r, r->n - 1, out);
    return *element;
}

/* The document at the place is what the pattern says. */
static void match(gather *g, cs_place place, bool element, const cs_term *pattern)
{
    cs_value v;
    if (constant_of(g, pattern, &v) && is_scalar(v)) {
        add_one(g, place, element ? CS_TEST_MEMBER : CS_TEST_EQUAL, v);
        return;
    }
    if (pattern->kind == CS_TERM_VAR) {
        if (!cs_sym_is_wildcard(pattern->u.var) && !find(g, pattern->u.var)) {
            known k = {.name = pattern->u.var, .element = element, .place = place};
            CS_VEC_PUSH_IN(g->arena, &g->names, k);
        }
        return;
    }
    for (uint32_t i = 0; pattern->kind == CS_TERM_ARRAY && !element && i < pattern->u.list.n; i++) {
        cs_value key = cs_int(i);
        match(g, below(g, &place, &key, 1), false, pattern->u.list.v[i]);
    }
}

static void look_at_equality(gather *g, const cs_term *a, const cs_term *b)
{
    cs_place place;
    bool element;
    cs_value v;
    if (place_of(g, a, &place, &element)) {
        match(g, place, element, b);
    } else if (place_of(g, b, &place, &element)) {
        match(g, place, element, a);
    } else if (a->kind == CS_TERM_VAR && !find(g, a->u.var) && constant_of(g, b, &v)) {
        known k = {.name = a->u.var, .constant = true, .value = v};
        CS_VEC_PUSH_IN(g->arena, &g->names, k);
    }
}

/* Items of a collection of constants; false unless all of them are of the kind wanted (0 = any scalar). */
static bool items_of(gather *g, cs_value v, cs_kind kind, const cs_value **out, uint32_t *n)
{
    *n = cs_count(v);
    cs_value *items = cs_arena_array(g->arena, cs_value, *n + 1);
    for (uint32_t i = 0; i < *n; i++) {
        if (v.kind == CS_ARRAY) {
            items[i] = v.u.items[i];
        } else if (v.kind == CS_SET) {
            items[i] = cs_entry(v, i, NULL);
        } else {
            (void)cs_entry(v, i, &items[i]);
        }
        if (kind ? items[i].kind != (uint8_t)kind : !is_scalar(items[i])) {
            return false;
        }
    }
    *out = items;
    return v.kind == CS_ARRAY || v.kind == CS_SET || v.kind == CS_OBJECT;
}

static void look_at_member(gather *g, const cs_term *item, const cs_term *collection)
{
    cs_place place;
    bool element;
    cs_value v;
    const cs_value *items;
    uint32_t n;
    if (constant_of(g, item, &v)) {
        if (is_scalar(v) && place_of(g, collection, &place, &element) && !element) {
            add_one(g, place, CS_TEST_MEMBER, v);
        }
    } else if (place_of(g, item, &place, &element) && constant_of(g, collection, &v) && items_of(g, v, 0, &items, &n)) {
        add(g, place, element ? CS_TEST_MEMBER : CS_TEST_EQUAL, items, n);
    }
}

static void look_at_affix(gather *g, const cs_term *text, const cs_term *base, cs_test test, bool many)
{
    cs_place place;
    bool element;
    cs_value v;
    const cs_value *items;
    uint32_t n;
    if (!constant_of(g, base, &v) || !place_of(g, text, &place, &element) || element) {
        return;
    }
    if (v.kind == CS_STRING) {
        add_one(g, place, test, v);
    } else if (many && v.kind != CS_OBJECT && items_of(g, v, CS_STRING, &items, &n)) {
        add(g, place, test, items, n);
    }
}

static void look_at_pattern(gather *g, const cs_term *pattern, const cs_term *delimiters, const cs_term *text)
{
    cs_place place;
    bool element;
    cs_value p;
    cs_value d;
    if (!constant_of(g, pattern, &p) || p.kind != CS_STRING || !place_of(g, text, &place, &element) || element) {
        return;
    }
    if (!delimiters) {
        cs_index__regex(g->arena, &g->found, place, cs_text(p));
    } else if (constant_of(g, delimiters, &d)) {
        cs_index__glob(g->arena, &g->found, place, cs_text(p), d);
    }
}

/* With one operand more the result is captured, and a false one is as good as a true one. */
static void look_at_call(gather *g, const cs_terms *call)
{
    cs_term *const *v = call->v;
    if (call->n == 3 && (cs_ref_is(v[0], "eq") || cs_ref_is(v[0], "equal"))) {
        look_at_equality(g, v[1], v[2]);
    } else if (call->n == 3 && cs_ref_is(v[0], "internal.member_2")) {
        look_at_member(g, v[1], v[2]);
    } else if (call->n == 3 && cs_ref_is(v[0], "startswith")) {
        look_at_affix(g, v[1], v[2], CS_TEST_PREFIX, false);
    } else if (call->n == 3 && cs_ref_is(v[0], "endswith")) {
        look_at_affix(g, v[1], v[2], CS_TEST_SUFFIX, false);
    } else if (call->n == 3 && cs_ref_is(v[0], "strings.any_prefix_match")) {
        look_at_affix(g, v[1], v[2], CS_TEST_PREFIX, true);
    } else if (call->n == 3 && cs_ref_is(v[0], "strings.any_suffix_match")) {
        look_at_affix(g, v[1], v[2], CS_TEST_SUFFIX, true);
    } else if (call->n == 3 && cs_ref_is(v[0], "regex.match")) {
        look_at_pattern(g, v[1], NULL, v[2]);
    } else if (call->n == 4 && cs_ref_is(v[0], "glob.match")) {
        look_at_pattern(g, v[1], v[2], v[3]);
    }
}

static void look_at_body(gather *g, cs_body body);

/* What was found so far, times the alternatives; the alternatives are left out where that would be too many. */
static cs_ways ways_of(gather *g)
{
    cs_ways out = {cs_arena_array(g->arena, cs_constraints, CS_WAYS_MAX), 1};
    out.v[0] = (cs_constraints){g->found.v, (uint32_t)g->found.n};
    uint32_t n = 1;
    for (size_t i = 0; i < g->alternatives.n; i++) {
        n = n > CS_WAYS_MAX / g->alternatives.v[i].n ? CS_WAYS_MAX + 1 : n * g->alternatives.v[i].n;
    }
    for (size_t i = 0; i < g->alternatives.n && n <= CS_WAYS_MAX; i++) {
        const cs_ways *more = &g->alternatives.v[i];
        uint32_t before = out.n;
        for (uint32_t k = before * more->n; k-- > 0;) {
            cs_constraints x = out.v[k % before];
            cs_constraints y = more->v[k / before];
            cs_constraint *both = cs_arena_array(g->arena, cs_constraint, x.n + y.n + 1);
            for (uint32_t at = 0; at < x.n + y.n; at++) {
                both[at] = at < x.n ? x.v[at] : y.v[at - x.n];
            }
            out.v[k] = (cs_constraints){both, x.n + y.n};
        }
        out.n = before * more->n;
    }
    return out;
}

/* The operand of an `and` or `or`: names that it binds are its own. */
static cs_ways operand(gather *g, cs_body body)
{
    gather inner = *g;
    memset(&inner.found, 0, sizeof inner.found);
    memset(&inner.alternatives, 0, sizeof inner.alternatives);
    inner.names.cap = inner.names.n; /* growing copies */
    look_at_body(&inner, body);
    return ways_of(&inner);
}

static bool says_nothing(const cs_ways *w)
{
    return w->n == 1 && w->v[0].n == 0;
}

static void require(gather *g, cs_ways ways)
{
    if (ways.n > 1) {
        CS_VEC_PUSH_IN(g->arena, &g->alternatives, ways);
        return;
    }
    for (uint32_t i = 0; i < ways.v[0].n; i++) {
        CS_VEC_PUSH_IN(g->arena, &g->found, ways.v[0].v[i]);
    }
}

static void look_at_or(gather *g, const cs_expr *e)
{
    cs_ways left = operand(g, e->u.logic.left);
    cs_ways right = operand(g, e->u.logic.right);
    if (says_nothing(&left) || says_nothing(&right) || left.n + right.n > CS_WAYS_MAX) {
        return;
    }
    cs_ways both = {cs_arena_array(g->arena, cs_constraints, left.n + right.n), left.n + right.n};
    memcpy(both.v, left.v, left.n * sizeof *both.v);
    memcpy(both.v + left.n, right.v, right.n * sizeof *both.v);
    require(g, both);
}

static void look_at_body(gather *g, cs_body body)
{
    for (uint32_t i = 0; i < body.n && g->found.n < CONSTRAINTS_MAX; i++) {
        const cs_expr *e = body.v[i];
        if (e->negated || e->n_with) {
            continue;
        }
        if (e->kind == CS_EXPR_CALL) {
            look_at_call(g, &e->u.call);
        } else if (e->kind == CS_EXPR_AND) {
            require(g, operand(g, e->u.logic.left));
            require(g, operand(g, e->u.logic.right));
        } else if (e->kind == CS_EXPR_OR) {
            look_at_or(g, e);
        }
    }
}

/* A print() must run although a later statement fails. */
static bool sees_print(void *self, cs_expr *e)
{
    bool *found = self;
    *found = *found || (e->kind == CS_EXPR_CALL && (cs_ref_is(e->u.call.v[0], "internal.print") ||
                                                    cs_ref_is(e->u.call.v[0], "internal.test_case")));
    return !*found;
}

static bool prints(cs_body body)
{
    bool found = false;
    cs_walker w = {.self = &found, .expr = sees_print};
    cs_walk_body(&w, body);
    return found;
}

cs_ways cs_index_gather(cs_arena *arena, const cs_terms *args, cs_body body, cs_is_base *is_base, void *self)
{
    gather g = {.arena = arena, .is_base = is_base, .self = self};
    for (uint32_t i = 0; args && i < args->n; i++) {
        cs_place place = {.root = CS_ROOT_ARGUMENT, .argument = i};
        match(&g, place, false, args->v[i]);
    }
    if (!prints(body)) {
        look_at_body(&g, body);
    }
    return ways_of(&g);
}
