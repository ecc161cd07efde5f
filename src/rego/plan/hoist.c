/* Rule bodies with their cheapest conditions first: reads of documents that are there from the start (input, base
 * data), alone, compared with a constant, or given a name; and the tests of what was read against constants that an
 * index knows.
 *
 * OPA's index leaves out a rule that one of them makes fail before any of its body runs (v1/ast/index.go), so an error
 * that the body would run into is never seen there. Moving these statements to the front has the same effect, for rules
 * that have no index, too, and a body that fails fails early. They depend on nothing, and what they name cannot be used
 * before, so the order of the others is what it was.
 *
 * The index asks of a reference that stands alone only whether it is defined: that it is false is seen in its turn. */
#include "rego/plan/internal.h"

/* Longer bodies are planned as they stand: looking back from each statement is quadratic. */
#define STATEMENTS_MAX 64U

static bool reads_base(const cs_builder *b, const cs_term *t)
{
    if (t->kind != CS_TERM_REF || t->u.list.v[0]->kind != CS_TERM_VAR) {
        return false;
    }
    cs_slice head = cs_sym_slice(t->u.list.v[0]->u.var);
    bool data = cs_slice_eq(head, CS_LIT("data"));
    if (!data && !cs_slice_eq(head, CS_LIT("input"))) {
        return false;
    }
    uint32_t n = t->u.list.n - 1;
    cs_value *path = cs_arena_array(b->p->arena, cs_value, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (t->u.list.v[i + 1]->kind != CS_TERM_SCALAR) {
            return false;
        }
        path[i] = t->u.list.v[i + 1]->u.value;
    }
    return !data || cs_plan__is_base(b->p->program, path, n);
}

typedef struct looking {
    const cs_sym *var;
    bool found;
} looking;

static bool is_it(void *self, cs_term *t)
{
    looking *l = self;
    l->found = l->found || (t->kind == CS_TERM_VAR && t->u.var == l->var);
    return !l->found;
}

/* Does statement `i` give the variable its value, as far as the body's order tells? */
static bool is_new(const cs_builder *b, cs_body body, uint32_t i, const cs_sym *var)
{
    looking l = {.var = var};
    cs_walker w = {.self = &l, .term = is_it};
    for (size_t k = 0; k < b->bindings.n; k++) {
        if (b->bindings.v[k].name == var) {
            return false;
        }
    }
    for (uint32_t k = 0; k < i && !l.found; k++) {
        cs_walk_expr(&w, body.v[k]);
    }
    return !l.found;
}

/* Constants of the kinds that an index looks at. */
static bool is_constant(const cs_term *t)
{
    if (t->kind != CS_TERM_ARRAY && t->kind != CS_TERM_SET) {
        return t->kind == CS_TERM_SCALAR;
    }
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        if (t->u.list.v[i]->kind != CS_TERM_SCALAR) {
            return false;
        }
    }
    return true;
}

static bool goes_first(const cs_builder *b, cs_body body, uint32_t i)
{
    const cs_expr *e = body.v[i];
    if (e->negated || e->n_with) {
        return false;
    }
    if (e->kind == CS_EXPR_TERM) {
        return reads_base(b, e->u.term);
    }
    if (e->kind != CS_EXPR_CALL || e->u.call.n != 3 || !cs_ref_is(e->u.call.v[0], "eq")) {
        return false;
    }
    const cs_term *left = e->u.call.v[1];
    const cs_term *right = e->u.call.v[2];
    if (left->kind == CS_TERM_REF) {
        const cs_term *other = right;
        right = left;
        left = other;
    }
    bool plain = left->kind == CS_TERM_SCALAR || (left->kind == CS_TERM_ARRAY && is_constant(left)) ||
                 (left->kind == CS_TERM_VAR && is_new(b, body, i, left->u.var));
    return plain && reads_base(b, right);
}

/* Is it a read of base documents, or the name that a statement in front gives to one? */
static bool is_read(const cs_builder *b, cs_body body, const bool *first, uint32_t i, const cs_term *t)
{
    if (t->kind != CS_TERM_VAR) {
        return reads_base(b, t);
    }
    for (uint32_t k = 0; k < i; k++) {
        const cs_expr *e = body.v[k];
        if (first[k] && e->kind == CS_EXPR_CALL && e->u.call.n == 3 && cs_ref_is(e->u.call.v[0], "eq") &&
            (cs_term_equal(e->u.call.v[1], t) || cs_term_equal(e->u.call.v[2], t))) {
            return true;
        }
    }
    return false;
}

/* A test of something read against constants. */
static bool is_test(const cs_builder *b, cs_body body, const bool *first, uint32_t i)
{
    static const struct {
        const char *name;
        uint32_t n;
        uint32_t read; /* the operand that is read; the others are constants. 0: either */
    } tests[] = {{"startswith", 3, 1},
                 {"endswith", 3, 1},
                 {"strings.any_prefix_match", 3, 1},
                 {"strings.any_suffix_match", 3, 1},
                 {"internal.member_2", 3, 0},
                 {"glob.match", 4, 3}};
    const cs_expr *e = body.v[i];
    if (e->negated || e->n_with || e->kind != CS_EXPR_CALL) {
        return false;
    }
    const cs_terms *call = &e->u.call;
    size_t t = 0;
    while (t < sizeof tests / sizeof *tests && (call->n != tests[t].n || !cs_ref_is(call->v[0], tests[t].name))) {
        t++;
    }
    if (t == sizeof tests / sizeof *tests) {
        return false;
    }
    uint32_t read = tests[t].read ? tests[t].read : is_constant(call->v[1]) ? 2 : 1;
    for (uint32_t k = 1; k < call->n; k++) {
        if (k == read ? !is_read(b, body, first, i, call->v[k]) : !is_constant(call->v[k])) {
            return false;
        }
    }
    return true;
}

/* A test of the outline of what is read: `input.x == [f(1), 2]` holds of nothing but arrays of two whose last item is
 * 2, which an index knows before f is called. NULL if the statement has none. */
static cs_expr *outline(const cs_builder *b, const cs_expr *e)
{
    cs_arena *a = b->p->arena;
    if (e->negated || e->n_with || e->kind != CS_EXPR_CALL || e->u.call.n != 3 || !cs_ref_is(e->u.call.v[0], "eq")) {
        return NULL;
    }
    uint32_t at = e->u.call.v[1]->kind == CS_TERM_ARRAY ? 1 : 2;
    const cs_term *list = e->u.call.v[at];
    if (list->kind != CS_TERM_ARRAY || !reads_base(b, e->u.call.v[3 - at])) {
        return NULL;
    }
    cs_term *pattern = cs_arena_new(a, cs_term), *any = cs_arena_new(a, cs_term);
    cs_sym *wildcard = cs_arena_zalloc(a, sizeof *wildcard + 8);
    wildcard->n = 1;
    wildcard->s[0] = '$';
    *any = (cs_term){.kind = CS_TERM_VAR, .loc = list->loc, .u.var = wildcard};
    *pattern = *list;
    pattern->u.list.v = (cs_term **)cs_arena_zalloc(a, (list->u.list.n + 1U) * sizeof(cs_term *));
    for (uint32_t i = 0; i < list->u.list.n; i++) {
        cs_term *item = list->u.list.v[i];
        if (item->kind != CS_TERM_SCALAR && item->kind != CS_TERM_VAR) {
            return NULL;
        }
        pattern->u.list.v[i] = item->kind == CS_TERM_SCALAR ? item : any;
    }
    cs_expr *test = cs_arena_new(a, cs_expr);
    *test = *e;
    test->u.call.v = (cs_term **)cs_arena_zalloc(a, 3 * sizeof(cs_term *));
    test->u.call.v[0] = e->u.call.v[0];
    test->u.call.v[1] = pattern;
    test->u.call.v[2] = e->u.call.v[3 - at];
    return test;
}

void cs_plan__rule_body(cs_builder *b, cs_body body)
{
    cs_expr **order = cs_arena_array(b->p->arena, cs_expr *, (size_t)body.n * 2 + 1);
    bool *first = cs_arena_array(b->p->arena, bool, body.n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < body.n; i++) {
        first[i] = body.n <= STATEMENTS_MAX && (goes_first(b, body, i) || is_test(b, body, first, i));
        if (first[i] && n < i && body.v[i]->kind == CS_EXPR_TERM) {
            b->loc = body.v[i]->loc.source ? body.v[i]->loc : b->loc;
            cs_plan__term(b, body.v[i]->u.term);
            first[i] = false;
        }
        cs_expr *test = first[i] || i == 0 || body.n > STATEMENTS_MAX ? NULL : outline(b, body.v[i]);
        if (first[i] || test) {
            order[n++] = first[i] ? body.v[i] : test;
        }
    }
    for (uint32_t i = 0; i < body.n; i++) {
        if (!first[i]) {
            order[n++] = body.v[i];
        }
    }
    cs_plan__body(b, (cs_body){order, n});
}
