/* What `test` asks of the compiler: definitions of one test are tests of their own, the cases of data-driven tests say
 * their names, and what test rules compare stands in variables, so that a failure can show it. */
#include "rego/compile/internal.h"

/* ---- names */

static cs_slice part_name(const cs_term *t)
{
    if (t->kind == CS_TERM_VAR) {
        return cs_sym_slice(t->u.var);
    }
    return cs_term_is_string(t) ? cs_text(t->u.value) : CS_LIT("");
}

uint32_t cs_rule_test_name(const cs_rule *r, cs_slice *name)
{
    cs_terms ref = r->head.ref->u.list;
    uint32_t n = cs_rule__ground_prefix(r);
    uint32_t i = 0;
    *name = CS_LIT("");
    for (i = 0; i < n; i++) {
        *name = part_name(ref.v[i]);
        if (cs_slice_starts(*name, CS_LIT("test_")) || cs_slice_starts(*name, CS_LIT("todo_test_"))) {
            return i + 1;
        }
    }
    return n;
}

static bool is_test(const cs_rule *r, uint32_t *n)
{
    cs_slice name;
    *n = cs_rule_test_name(r, &name);
    return cs_slice_starts(name, CS_LIT("test_"));
}

/* ---- RewriteDuplicateTestNames: the second test_x of a package is test_x#01, and so on */

static const cs_sym *full_name(cs_compiler *c, const cs_module *m, const cs_rule *r, uint32_t n)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_term_print(&text, m->package);
    cs_buf_byte(&text, ' ');
    cs_buf_text(&text, cs_compile__ref_text(c, &r->head.ref->u.list, n));
    const cs_sym *sym = cs_sym_get(c->ast, cs_buf_view(&text));
    cs_buf_destroy(&text);
    return sym;
}

static void number(cs_compiler *c, cs_rule *r, uint32_t n, uint32_t count)
{
    cs_term **at = &r->head.ref->u.list.v[n - 1];
    const cs_sym *name = cs_sym_printf(c->ast, "%.*s#%02u", CS_FMT(part_name(*at)), count);
    *at = n == 1 ? cs_term_var(c->ast, name, (*at)->loc) : cs_term_string(c->ast, cs_sym_slice(name), (*at)->loc);
}

static void rename_parts(cs_compiler *c, cs_rule *r)
{
    cs_terms ref = r->head.ref->u.list;
    for (r = r->other; r; r = r->other) {
        r->head.ref = cs_term_list(c->ast, CS_TERM_REF, ref.v, ref.n, r->head.ref->loc);
    }
}

void cs_stage__rewrite_duplicate_test_names(cs_compiler *c)
{
    if (!c->policy->test_rules) {
        return;
    }
    cs_syms seen = cs_syms__new(&c->scratch);
    for (uint32_t i = 0; i < c->n_modules; i++) {
        for (uint32_t k = 0; k < c->modules[i]->n_rules; k++) {
            cs_rule *r = c->modules[i]->rules[k];
            uint32_t n;
            if (!is_test(r, &n)) {
                continue;
            }
            cs_syms_item *item = cs_syms__add(&seen, full_name(c, c->modules[i], r, n));
            uint32_t *count = item->value ? item->value : cs_arena_new(&c->scratch, uint32_t);
            item->value = count;
            if (*count) {
                number(c, r, n, *count);
                rename_parts(c, r);
            }
            ++*count;
        }
    }
}

/* ---- InjectTestCaseFunc: test_x[name] says each name as early as it is known */

typedef struct search {
    bool found;
    const cs_sym *wanted;
} search;

static bool find_call(void *self, cs_expr *e)
{
    search *s = self;
    s->found |= e->kind == CS_EXPR_CALL && cs_ref_is(e->u.call.v[0], "internal.test_case");
    return !s->found;
}

static bool calls_by_hand(cs_rule *r)
{
    search s = {false, NULL};
    cs_walk_body(&(cs_walker){.self = &s, .expr = find_call}, r->body);
    return s.found;
}

static bool find_var(void *self, cs_term *t)
{
    search *s = self;
    s->found |= t->kind == CS_TERM_VAR && t->u.var == s->wanted;
    return !s->found;
}

static bool mentions(cs_expr *e, const cs_sym *var)
{
    search s = {false, var};
    cs_walk_expr(&(cs_walker){.self = &s, .term = find_var}, e);
    return s.found;
}

static void move(cs_body *b, uint32_t from, uint32_t to)
{
    cs_expr *e = b->v[from];
    for (uint32_t i = from; i > to; i--) {
        b->v[i] = b->v[i - 1];
    }
    b->v[to] = e;
}

/* Where the generated statement at `from` may go: behind the first mention of the last of its locals. */
static uint32_t earliest(const cs_body *b, uint32_t from)
{
    cs_syms vars = cs_syms__new(NULL);
    cs_arena room;
    cs_arena_init(&room, 0);
    vars.arena = &room;
    cs_vars__term(&vars, b->v[from]->u.call.v[2], 0);
    bool any = false;
    uint32_t place = 0;
    for (uint32_t i = 0; i < vars.n; i++) {
        if (!cs_slice_starts(cs_sym_slice(vars.v[i].sym), CS_LIT("__local"))) {
            continue;
        }
        any = true;
        for (uint32_t k = 0; k < from; k++) {
            if (mentions(b->v[k], vars.v[i].sym)) {
                place = k > place ? k : place;
                break;
            }
        }
    }
    cs_arena_destroy(&room);
    return any ? place + 1 : 0;
}

static void raise_assignments(cs_compiler *c, cs_rule *r, const cs_term *term)
{
    for (uint32_t i = r->body.n; i-- > 0;) {
        const cs_expr *e = r->body.v[i];
        bool assigns = cs_expr__is(e, c->eq) || cs_expr__is(e, c->assign);
        /* A moved statement leaves another in its place, which is looked at in its turn. */
        for (uint32_t turn = 0;
             turn < r->body.n && e->generated && assigns && e->u.call.n == 3 && cs_term_equal(e->u.call.v[1], term);
             turn++) {
            uint32_t to = earliest(&r->body, i);
            if (to >= i) {
                break;
            }
            move(&r->body, i, to);
            e = r->body.v[i];
            assigns = cs_expr__is(e, c->eq) || cs_expr__is(e, c->assign);
        }
    }
}

/* The place behind the first mention of each of the names; 0 if none is mentioned. */
static uint32_t place_for_call(const cs_rule *r, cs_terms names)
{
    uint32_t place = 0;
    for (uint32_t k = 0; k < names.n; k++) {
        for (uint32_t i = 0; names.v[k]->kind == CS_TERM_VAR && i < r->body.n; i++) {
            if (mentions(r->body.v[i], names.v[k]->u.var)) {
                place = i + 1 > place ? i + 1 : place;
                break;
            }
        }
    }
    return place;
}

static void say_name(cs_compiler *c, cs_rule *r)
{
    uint32_t n;
    if (!is_test(r, &n) || calls_by_hand(r) || r->head.ref->u.list.n <= n) {
        return;
    }
    cs_terms names = {r->head.ref->u.list.v + n, r->head.ref->u.list.n - n};
    for (uint32_t i = 0; i < names.n; i++) {
        raise_assignments(c, r, names.v[i]);
    }
    cs_term **copies = cs_arena_array(c->ast->arena, cs_term *, names.n);
    for (uint32_t i = 0; i < names.n; i++) {
        copies[i] = cs_term_copy(c->ast, names.v[i]);
    }
    cs_loc nowhere = {0};
    cs_term *array = cs_term_list(c->ast, CS_TERM_ARRAY, copies, names.n, nowhere);
    cs_body_append(c->ast, &r->body, cs_expr_call(c->ast, "internal.test_case", &array, 1, nowhere));
    move(&r->body, r->body.n - 1, place_for_call(r, names));
    for (uint32_t i = 0; i < r->body.n; i++) {
        r->body.v[i]->index = i;
    }
}

void cs_stage__inject_test_case_func(cs_compiler *c)
{
    if (c->policy->test_rules) {
        cs_compile__chains(c, say_name);
    }
}

/* ---- RewriteTestRulesForTracing: sides of equalities become variables */

static void lift_side(cs_compiler *c, cs_exprs *out, cs_expr *original, cs_term **at)
{
    if ((*at)->kind != CS_TERM_REF && !cs_term__is_comprehension(*at)) {
        return;
    }
    cs_expr *e = cs_compile__equality(c, *at);
    e->with = original->with;
    e->n_with = original->n_with;
    cs_compile__connect(original, e);
    CS_VEC_PUSH_IN(&c->scratch, out, e);
    *at = cs_term_copy(c->ast, e->u.call.v[1]);
}

/* Not in negated statements: undefined would fail before the negation. */
static cs_body lift_sides(cs_compiler *c, cs_body b)
{
    cs_exprs out = {0};
    for (uint32_t i = 0; i < b.n; i++) {
        cs_expr *e = b.v[i];
        if (!e->negated && !e->generated && cs_expr__is(e, c->eq) && e->u.call.n == 3) {
            lift_side(c, &out, e, &e->u.call.v[1]);
            lift_side(c, &out, e, &e->u.call.v[2]);
        } else if (!e->negated && !e->generated && e->kind == CS_EXPR_EVERY) {
            e->u.every.body = lift_sides(c, e->u.every.body);
        }
        CS_VEC_PUSH_IN(&c->scratch, &out, e);
    }
    return cs_compile__body(c, &out);
}

static void trace_rule(cs_compiler *c, cs_rule *r)
{
    if (r->head.shows_name && cs_slice_starts(part_name(r->head.ref->u.list.v[0]), CS_LIT("test_"))) {
        r->body = lift_sides(c, r->body);
    }
}

void cs_stage__rewrite_test_rules_for_tracing(cs_compiler *c)
{
    if (c->policy->test_values) {
        cs_compile__rules(c, trace_rule);
    }
}
