/* Rules to code: all definitions at one place of the rule tree become one code that returns the document. */
#include "rego/index/index.h"
#include "rego/plan/internal.h"

bool cs_plan__is_function(const cs_rule *r)
{
    return r->head.is_function;
}

/* What all definitions of a document share while they are planned. */
typedef struct shared {
    cs_builder *b;
    uint32_t acc;        /* the result: a value, or a collection that grows */
    uint32_t candidates; /* register of SWITCH, or CS_PLAN_NO_REG */
    uint32_t finish;     /* label: no definition is left */
    uint32_t settled;    /* label: the value is final */
    bool alone;          /* one definition without else and default */
    bool same_value;     /* every definition gives the same scalar */
} shared;

typedef void plan_definition(shared *s, const cs_rule *rule);

static uint32_t add_def(cs_builder *b, const cs_rule *rule)
{
    CS_VEC_PUSH_IN(b->p->arena, &b->defs, rule->loc);
    return (uint32_t)b->defs.n - 1;
}

static void unify_args(cs_builder *b, const cs_rule *rule)
{
    for (uint32_t i = 0; i < rule->head.args.n; i++) {
        cs_plan__unify(b, rule->head.args.v[i], i);
    }
}

/* One body of a single-value rule with its value. `done` is where the chain goes once it has a value. */
static void plan_single(shared *s, const cs_rule *rule, const cs_rule *chain, uint32_t done, uint32_t matched)
{
    cs_builder *b = s->b;
    uint32_t loops = b->loops;
    b->loc = rule->loc;
    unify_args(b, rule->head.args.n ? rule : chain);
    cs_plan__body(b, rule->body);
    b->loc = rule->loc;
    uint32_t value = cs_plan__term(b, rule->head.value);
    bool looped = b->loops != loops;
    bool constant = rule->head.value->kind == CS_TERM_SCALAR;
    b->loops = loops;
    if (s->same_value || (s->alone && !looped)) {
        cs_plan__emit(b, CS_OP_RETURN, value, 0, 0, 0, 0);
        return;
    }
    cs_plan__emit(b, CS_OP_RESULT, s->acc, value, 0, add_def(b, rule), 0);
    if (s->candidates != CS_PLAN_NO_REG) {
        cs_plan__emit(b, CS_OP_EARLY, s->candidates, 0, 0, 0, s->settled);
    }
    if (constant || !looped) {
        cs_plan__jump(b, done);
        return;
    }
    if (matched != CS_PLAN_NO_REG) {
        cs_plan__emit(b, CS_OP_LOADK, matched, 0, 0, cs_plan__k(b, cs_bool(true)), 0);
    }
    cs_plan__jump(b, b->fail);
}

/* A definition and its else chain: the next body is tried only if no solution of the last one came. */
static void plan_complete(shared *s, const cs_rule *rule)
{
    cs_builder *b = s->b;
    uint32_t done = b->fail; /* the next definition */
    uint32_t matched = CS_PLAN_NO_REG;
    if (rule->other) {
        matched = cs_plan__reg(b);
        cs_plan__emit(b, CS_OP_CLEAR, matched, 0, 0, 0, 0);
    }
    for (const cs_rule *r = rule; r; r = r->other) {
        uint32_t dry = r->other ? cs_plan__label(b) : done;
        size_t bound = b->bindings.n;
        b->fail = dry;
        plan_single(s, r, rule, done, r->other ? matched : CS_PLAN_NO_REG);
        b->bindings.n = bound;
        if (r->other) {
            cs_plan__place(b, dry);
            uint32_t on = cs_plan__label(b);
            cs_plan__emit(b, CS_OP_DEFINED, matched, 0, 0, 0, on);
            cs_plan__jump(b, done);
            cs_plan__place(b, on);
        }
    }
}

static void plan_element(shared *s, const cs_rule *rule)
{
    cs_builder *b = s->b;
    cs_plan__body(b, rule->body);
    cs_plan__emit(b, CS_OP_ADD, s->acc, cs_plan__term(b, rule->head.key), 0, 0, 0);
    cs_plan__jump(b, b->fail);
}

/* p.a[x].b := v, p[x] contains y: the part of the head's ref that varies is a path in the document. */
static void plan_entry(shared *s, const cs_rule *rule)
{
    cs_builder *b = s->b;
    cs_plan__body(b, rule->body);
    b->loc = rule->loc;
    const cs_terms *ref = &rule->head.ref->u.list;
    uint32_t from = cs_ref_ground_prefix(rule->head.ref);
    uint32_t n = ref->n - from;
    uint32_t path = cs_plan__regs(b, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        cs_plan__term_into(b, ref->v[from + i], path + i);
    }
    const cs_term *leaf = rule->head.key ? rule->head.key : rule->head.value;
    cs_plan__term_into(b, leaf, path + n);
    cs_plan__emit(b, CS_OP_PUTPATH, s->acc, path, n, rule->head.key ? 1 : 0, 0);
    cs_plan__jump(b, b->fail);
}

static cs_candidates candidates_of(cs_builder *b, const cs_index_list *list, const uint32_t *labels, uint32_t finish,
                                   const cs_rule *const *rules)
{
    uint32_t *pcs = cs_arena_array(b->p->arena, uint32_t, list->n + 1);
    bool early = list->n > 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const cs_rule *r = rules[list->definitions[i]];
        const cs_rule *first = rules[list->definitions[0]];
        pcs[i] = labels[list->definitions[i]];
        early = early && !r->other && r->head.value && r->head.value->kind == CS_TERM_SCALAR && first->head.value &&
                first->head.value->kind == CS_TERM_SCALAR &&
                cs_equal(r->head.value->u.value, first->head.value->u.value);
    }
    pcs[list->n] = finish;
    return (cs_candidates){pcs, list->n + 1, early};
}

/* Emits the switch over the definitions if they can be told apart by a value. */
static bool plan_switch(shared *s, const cs_ast *names, const cs_rule *const *rules, uint32_t n, const uint32_t *labels)
{
    cs_builder *b = s->b;
    cs_arena *arena = b->p->arena;
    cs_constraints *all = cs_arena_array(arena, cs_constraints, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        all[i] = cs_index_constraints(arena, names, rules[i]);
    }
    cs_rule_index index;
    if (n < 2 || !cs_index_build(arena, all, n, &index)) {
        return false;
    }
    cs_switch sw = {.on_argument = index.on.on_argument,
                    .table = cs_freeze(arena, index.table),
                    .n_lists = index.n_lists,
                    .otherwise = 0};
    sw.lists = cs_arena_array(arena, cs_candidates, index.n_lists);
    for (uint32_t i = 0; i < index.n_lists; i++) {
        sw.lists[i] = candidates_of(b, &index.lists[i], labels, s->finish, rules);
    }
    uint32_t path = cs_plan__path(b, index.on.path, index.on.n_path);
    sw.path = b->paths.v[path];
    CS_VEC_PUSH_IN(arena, &b->switches, sw);
    s->candidates = cs_plan__regs(b, 2);
    cs_plan__emit(b, sw.on_argument ? CS_OP_SWITCHR : CS_OP_SWITCH, s->candidates, index.on.argument, 0,
                  (uint32_t)b->switches.n - 1, 0);
    return true;
}

/* All definitions one after another, each failing into the next; or, with an index, each into NEXTDEF. */
static void plan_definitions(shared *s, const cs_ast *names, const cs_rule *const *rules, uint32_t n,
                             plan_definition *plan)
{
    cs_builder *b = s->b;
    uint32_t *labels = cs_arena_array(b->p->arena, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        labels[i] = cs_plan__label(b);
    }
    labels[n] = s->finish;
    bool indexed = plan_switch(s, names, rules, n, labels);
    uint32_t next = cs_plan__label(b);
    for (uint32_t i = 0; i < n && b->p->err == CS_OK; i++) {
        uint32_t regs = b->next_reg;
        size_t bound = b->bindings.n;
        cs_plan__place(b, labels[i]);
        b->loc = rules[i]->loc;
        b->fail = indexed ? next : labels[i + 1];
        plan(s, rules[i]);
        b->next_reg = regs;
        b->bindings.n = bound;
        b->loops = 0;
    }
    cs_plan__place(b, next);
    if (indexed) {
        cs_plan__emit(b, CS_OP_NEXTDEF, s->candidates, 0, 0, 0, 0);
    }
}

/* Do all definitions, else parts included, give one scalar? Then the first success is the answer. */
static bool all_same(const cs_rule *const *rules, uint32_t n)
{
    const cs_term *first = n ? rules[0]->head.value : NULL;
    for (uint32_t i = 0; i < n; i++) {
        for (const cs_rule *r = rules[i]; r; r = r->other) {
            const cs_term *v = r->head.value;
            if (!v || v->kind != CS_TERM_SCALAR || !cs_equal(v->u.value, first->u.value)) {
                return false;
            }
        }
    }
    return n > 0;
}

static void plan_single_value(cs_builder *b, const cs_ast *names, const cs_rule *const *rules, uint32_t n,
                              const cs_rule *fallback)
{
    shared s = {.b = b, .candidates = CS_PLAN_NO_REG};
    s.acc = cs_plan__regs(b, 2); /* the value, and which definition gave it */
    s.alone = n == 1 && !rules[0]->other;
    s.same_value = all_same(rules, n);
    s.finish = cs_plan__label(b);
    s.settled = cs_plan__label(b);
    cs_plan__emit(b, CS_OP_CLEAR, s.acc, 0, 0, 0, 0);
    plan_definitions(&s, names, rules, n, plan_complete);
    cs_plan__place(b, s.finish);
    if (fallback) {
        uint32_t missing = cs_plan__label(b);
        cs_plan__emit(b, CS_OP_DEFINED, s.acc, 0, 0, 0, missing);
        cs_plan__place(b, s.settled);
        cs_plan__emit(b, CS_OP_RETURN, s.acc, 0, 0, 0, 0);
        cs_plan__place(b, missing);
        uint32_t undefined = cs_plan__label(b);
        b->fail = undefined;
        b->loc = fallback->loc;
        cs_plan__body(b, fallback->body);
        cs_plan__emit(b, CS_OP_RETURN, cs_plan__term(b, fallback->head.value), 0, 0, 0, 0);
        cs_plan__place(b, undefined);
        cs_plan__emit(b, CS_OP_RETURN, s.acc, 0, 0, 0, 0);
        return;
    }
    cs_plan__place(b, s.settled);
    cs_plan__emit(b, CS_OP_RETURN, s.acc, 0, 0, 0, 0);
}

/* The rules below a partial object's own place belong to the same document: p[x] := 1 beside p.q.r := 2. */
static void put_rules_below(shared *s, uint32_t node, cs_value *keys, uint32_t depth)
{
    cs_builder *b = s->b;
    const cs_program *program = b->p->program;
    for (uint32_t i = 0; i < program->nodes[node].n_children; i++) {
        uint32_t child = program->nodes[node].children[i];
        cs_value *path = cs_arena_array(b->p->arena, cs_value, depth + 1);
        if (depth) {
            memcpy(path, keys, depth * sizeof *path);
        }
        path[depth] = program->nodes[child].key;
        if (!program->nodes[child].is_rule) {
            put_rules_below(s, child, path, depth + 1);
            continue;
        }
        uint32_t skip = cs_plan__label(b);
        uint32_t regs = cs_plan__regs(b, depth + 2);
        for (uint32_t k = 0; k <= depth; k++) {
            cs_plan__emit(b, CS_OP_LOADK, regs + k, 0, 0, cs_plan__k(b, path[k]), 0);
        }
        cs_plan__emit(b, CS_OP_CALL, regs + depth + 1, 0, 0, program->nodes[child].document, skip);
        cs_plan__emit(b, CS_OP_PUTPATH, s->acc, regs, depth + 1, 0, 0);
        cs_plan__place(b, skip);
    }
}

static void plan_collection(cs_builder *b, const cs_ast *names, const cs_rule *const *rules, uint32_t n, bool entries,
                            uint32_t node)
{
    shared s = {.b = b, .candidates = CS_PLAN_NO_REG};
    s.acc = cs_plan__reg(b);
    s.finish = cs_plan__label(b);
    cs_plan__emit(b, entries ? CS_OP_NEWOBJECT : CS_OP_NEWSET, s.acc, 0, 0, 0, 0);
    plan_definitions(&s, names, rules, n, entries ? plan_entry : plan_element);
    cs_plan__place(b, s.finish);
    if (entries) {
        put_rules_below(&s, node, NULL, 0);
    }
    cs_plan__emit(b, CS_OP_SEAL, s.acc, 0, 0, 0, 0);
    cs_plan__emit(b, CS_OP_RETURN, s.acc, 0, 0, 0, 0);
}

static const cs_rule **split_default(cs_arena *arena, const cs_rule_node *node, bool functions, uint32_t *n,
                                     const cs_rule **fallback)
{
    const cs_rule **rules = cs_arena_array(arena, const cs_rule *, node->n_rules + 1);
    *n = 0;
    *fallback = NULL;
    for (uint32_t i = 0; i < node->n_rules; i++) {
        const cs_rule *r = node->rules[i];
        if (r->is_default) {
            *fallback = r;
        } else if (cs_plan__is_function(r) == functions) {
            rules[(*n)++] = r;
        }
    }
    return rules;
}

void cs_plan__document(cs_planner *p, const cs_compiled *c, const cs_rule_node *node, cs_code *code)
{
    uint32_t n;
    const cs_rule *fallback;
    const cs_rule **rules = split_default(p->arena, node, false, &n, &fallback);
    bool entries = false;
    for (uint32_t i = 0; i < n; i++) {
        entries = entries || cs_ref_ground_prefix(rules[i]->head.ref) < rules[i]->head.ref->u.list.n;
    }
    cs_builder b;
    cs_plan__begin(&b, p, code);
    if (entries || (n > 0 && rules[0]->head.key)) {
        plan_collection(&b, c->ast, rules, n, entries, code->node);
    } else {
        plan_single_value(&b, c->ast, rules, n, fallback);
    }
    cs_plan__finish(&b);
}

void cs_plan__function_code(cs_planner *p, const cs_compiled *c, const cs_rule_node *node, cs_code *code)
{
    uint32_t n;
    const cs_rule *fallback;
    const cs_rule **rules = split_default(p->arena, node, true, &n, &fallback);
    cs_builder b;
    cs_plan__begin(&b, p, code);
    (void)cs_plan__regs(&b, code->n_params);
    plan_single_value(&b, c->ast, rules, n, fallback);
    cs_plan__finish(&b);
}
