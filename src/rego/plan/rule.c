/* Rules to code: all definitions at one place of the rule tree become one code that returns the document. */
#include "rego/plan/internal.h"

bool cs_plan__is_function(const cs_rule *r)
{
    return r->head.is_function;
}

/* One body to plan: a definition, or an `else` of one. Bodies stand in source order. */
typedef struct part {
    const cs_rule *rule;  /* whose body and value */
    const cs_rule *chain; /* the definition */
    uint32_t beyond;      /* number of the first body of the next definition */
} part;

/* What all definitions of a document share while they are planned. */
typedef struct shared {
    cs_builder *b;
    const part *parts;
    uint32_t n_parts;
    uint32_t *labels;    /* of the bodies, and of `finish` */
    uint32_t acc;        /* the result: a value, or a collection that grows */
    uint32_t candidates; /* register of SWITCH, or CS_PLAN_NO_REG */
    uint32_t finish;     /* label: no definition is left */
    uint32_t settled;    /* label: the value is final */
    bool probe;          /* only what is under the key in the first register is wanted */
    bool alone;          /* one definition without else and default */
    bool same_value;     /* every definition gives the same scalar */
} shared;

typedef void plan_part(shared *s, const part *p);

static uint32_t add_def(cs_builder *b, const cs_rule *rule)
{
    CS_VEC_PUSH_IN(b->p->arena, &b->defs, rule->loc);
    return (uint32_t)b->defs.n - 1;
}

/* An `else` has the arguments of its definition. */
static const cs_terms *args_of(const part *p)
{
    return p->rule->head.args.n ? &p->rule->head.args : &p->chain->head.args;
}

/* One body of a single-value rule with its value. `done` is where the chain goes once it has a value; `matched`, if it
 * is a register, is set by solutions that are not the last. */
static void plan_single(shared *s, const part *p, uint32_t done, uint32_t matched)
{
    cs_builder *b = s->b;
    const cs_rule *rule = p->rule;
    const cs_terms *args = args_of(p);
    uint32_t loops = b->loops;
    b->loc = rule->loc;
    for (uint32_t i = 0; i < args->n; i++) {
        cs_plan__unify(b, args->v[i], i);
    }
    cs_plan__rule_body(b, rule->body);
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

/* A body of an else chain: the next one is tried only if no solution of this came. */
static void plan_complete(shared *s, const part *p)
{
    cs_builder *b = s->b;
    uint32_t next = b->fail;
    if (!p->rule->other) {
        plan_single(s, p, next, CS_PLAN_NO_REG);
        return;
    }
    bool indexed = s->candidates != CS_PLAN_NO_REG;
    uint32_t beyond = s->labels[p->beyond];
    uint32_t done = indexed ? cs_plan__label(b) : beyond;
    uint32_t dry = cs_plan__label(b);
    uint32_t matched = cs_plan__reg(b);
    cs_plan__emit(b, CS_OP_CLEAR, matched, 0, 0, 0, 0);
    b->fail = dry;
    plan_single(s, p, done, matched);
    cs_plan__place(b, dry);
    cs_plan__emit(b, CS_OP_DEFINED, matched, 0, 0, 0, next);
    if (!indexed) {
        cs_plan__jump(b, done);
        return;
    }
    cs_plan__place(b, done);
    cs_plan__emit(b, CS_OP_NEXTCHAIN, s->candidates, 0, 0, 0, beyond);
}

static void plan_element(shared *s, const part *p)
{
    cs_builder *b = s->b;
    const cs_rule *rule = p->rule;
    if (s->probe) {
        cs_plan__unify(b, rule->head.key, 0);
        cs_plan__rule_body(b, rule->body);
        cs_plan__emit(b, CS_OP_RETURN, cs_plan__term(b, rule->head.key), 0, 0, 0, 0);
        return;
    }
    cs_plan__rule_body(b, rule->body);
    cs_plan__emit(b, CS_OP_ADD, s->acc, cs_plan__term(b, rule->head.key), 0, 0, 0);
    cs_plan__jump(b, b->fail);
}

/* p.a[x].b := v, p[x] contains y: the part of the head's ref that varies is a path in the document. */
static void plan_entry(shared *s, const part *p)
{
    cs_builder *b = s->b;
    const cs_rule *rule = p->rule;
    const cs_terms *ref = &rule->head.ref->u.list;
    uint32_t from = cs_ref_ground_prefix(rule->head.ref);
    if (s->probe) {
        cs_plan__unify(b, ref->v[from], 0);
    }
    cs_plan__rule_body(b, rule->body);
    b->loc = rule->loc;
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

/* What stands for the key of a probe in a rule's head. */
static const cs_term *probed(const cs_rule *rule)
{
    uint32_t from = cs_ref_ground_prefix(rule->head.ref);
    return from < rule->head.ref->u.list.n ? rule->head.ref->u.list.v[from] : rule->head.key;
}

static const cs_terms *key_of(cs_arena *a, const cs_rule *rule)
{
    cs_terms *one = cs_arena_new(a, cs_terms);
    one->v = cs_arena_array(a, cs_term *, 1);
    one->v[0] = (cs_term *)(uintptr_t)probed(rule);
    one->n = 1;
    return one;
}

/* Emits the switch over the bodies if values that are there from the start tell them apart. */
static void plan_switch(shared *s)
{
    cs_builder *b = s->b;
    cs_choice *choices = cs_arena_array(b->p->arena, cs_choice, s->n_parts + 1);
    for (uint32_t i = 0; i < s->n_parts; i++) {
        const cs_rule *rule = s->parts[i].rule;
        const cs_terms *args = s->probe ? key_of(b->p->arena, rule) : args_of(&s->parts[i]);
        choices[i] = (cs_choice){args, rule->body, rule->head.key ? NULL : rule->head.value, s->labels[i]};
    }
    uint32_t number;
    if (cs_plan__choose(b, choices, s->n_parts, s->finish, &number)) {
        s->candidates = cs_plan__regs(b, 2);
        cs_plan__emit(b, CS_OP_SWITCH, s->candidates, 0, 0, number, 0);
    }
}

static void list_parts(shared *s, const cs_rule *const *rules, uint32_t n)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (const cs_rule *r = rules[i]; r; r = r->other) {
            total++;
        }
    }
    part *parts = cs_arena_array(s->b->p->arena, part, total + 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = s->n_parts;
        for (const cs_rule *r = rules[i]; r; r = r->other) {
            parts[s->n_parts++] = (part){r, rules[i], 0};
        }
        for (uint32_t k = first; k < s->n_parts; k++) {
            parts[k].beyond = s->n_parts;
        }
    }
    s->parts = parts;
}

/* All bodies one after another, each failing into the next; or, with an index, each into NEXTDEF. */
static void plan_definitions(shared *s, const cs_rule *const *rules, uint32_t n, plan_part *plan)
{
    cs_builder *b = s->b;
    list_parts(s, rules, n);
    s->labels = cs_arena_array(b->p->arena, uint32_t, s->n_parts + 1);
    for (uint32_t i = 0; i < s->n_parts; i++) {
        s->labels[i] = cs_plan__label(b);
    }
    s->labels[s->n_parts] = s->finish;
    plan_switch(s);
    bool indexed = s->candidates != CS_PLAN_NO_REG;
    uint32_t next = cs_plan__label(b);
    for (uint32_t i = 0; i < s->n_parts && b->p->err == CS_OK; i++) {
        uint32_t regs = b->next_reg;
        size_t bound = b->bindings.n;
        cs_plan__place(b, s->labels[i]);
        b->loc = s->parts[i].rule->loc;
        b->fail = indexed ? next : s->labels[i + 1];
        plan(s, &s->parts[i]);
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

static void plan_single_value(cs_builder *b, const cs_rule *const *rules, uint32_t n, const cs_rule *fallback)
{
    shared s = {.b = b, .candidates = CS_PLAN_NO_REG};
    s.acc = cs_plan__regs(b, 2); /* the value, and which definition gave it */
    s.alone = n == 1 && !rules[0]->other;
    s.same_value = all_same(rules, n);
    s.finish = cs_plan__label(b);
    s.settled = cs_plan__label(b);
    cs_plan__emit(b, CS_OP_CLEAR, s.acc, 0, 0, 0, 0);
    plan_definitions(&s, rules, n, plan_complete);
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
static void put_rules_below(shared *s, uint32_t node, const cs_rule_node *rules, cs_value *keys, uint32_t depth)
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
        uint32_t skip = cs_plan__label(b);
        if (s->probe && depth == 0) {
            cs_plan__emit(b, CS_OP_EQK, 0, 0, 0, cs_plan__k(b, path[0]), skip);
        }
        if (!program->nodes[child].is_rule) {
            put_rules_below(s, child, rules->children[i], path, depth + 1);
            cs_plan__place(b, skip);
            continue;
        }
        uint32_t regs = cs_plan__regs(b, depth + 2);
        if (rules->children[i]->n_rules > 0) {
            b->loc = rules->children[i]->rules[0]->loc;
        }
        for (uint32_t k = 0; k <= depth; k++) {
            cs_plan__emit(b, CS_OP_LOADK, regs + k, 0, 0, cs_plan__k(b, path[k]), 0);
        }
        cs_plan__emit(b, CS_OP_CALL, regs + depth + 1, 0, 0, program->nodes[child].document, skip);
        cs_plan__emit(b, CS_OP_PUTPATH, s->acc, regs, depth + 1, 0, 0);
        cs_plan__place(b, skip);
    }
}

/* Is there a rule above whose head's ref varies from there on: p[x] := 1 above p.q? */
static bool in_entries(const cs_rule_node *node)
{
    for (node = node->parent; node; node = node->parent) {
        for (uint32_t i = 0; i < node->n_rules; i++) {
            const cs_term *ref = node->rules[i]->head.ref;
            if (cs_ref_ground_prefix(ref) < ref->u.list.n) {
                return true;
            }
        }
    }
    return false;
}

/* A collection that is part of a partial object is there from its first element on only. */
static void plan_empty_is_undefined(cs_builder *b, uint32_t acc, bool entries)
{
    uint32_t filled = cs_plan__label(b);
    cs_value empty = entries ? cs_object_new(b->p->arena, 0) : cs_set_new(b->p->arena, 0);
    cs_plan__emit(b, CS_OP_EQK, acc, 0, 0, cs_plan__k(b, empty), filled);
    cs_plan__emit(b, CS_OP_CLEAR, acc, 0, 0, 0, 0);
    cs_plan__place(b, filled);
}

static void plan_collection(cs_builder *b, const cs_rule *const *rules, uint32_t n, bool entries,
                            const cs_rule_node *node)
{
    shared s = {.b = b, .candidates = CS_PLAN_NO_REG};
    s.acc = cs_plan__reg(b);
    s.finish = cs_plan__label(b);
    cs_plan__emit(b, entries ? CS_OP_NEWOBJECT : CS_OP_NEWSET, s.acc, 0, 0, 0, 0);
    plan_definitions(&s, rules, n, entries ? plan_entry : plan_element);
    cs_plan__place(b, s.finish);
    if (entries) {
        put_rules_below(&s, b->code->node, node, NULL, 0);
    }
    cs_plan__emit(b, CS_OP_SEAL, s.acc, 0, 0, 0, 0);
    if (b->code->is_part) {
        plan_empty_is_undefined(b, s.acc, entries);
    }
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

/* A pattern that can be told to be a value before its variables are known. */
static bool is_pattern(const cs_term *t)
{
    bool is = t->kind == CS_TERM_SCALAR || t->kind == CS_TERM_VAR || t->kind == CS_TERM_ARRAY;
    for (uint32_t i = 0; t->kind == CS_TERM_ARRAY && i < t->u.list.n; i++) {
        is = is && is_pattern(t->u.list.v[i]);
    }
    return is;
}

bool cs_plan__can_probe(const cs_rule_node *node)
{
    bool can = node->n_rules > 0;
    for (uint32_t i = 0; i < node->n_rules && can; i++) {
        const cs_rule *r = node->rules[i];
        const cs_term *key = r->is_default || cs_plan__is_function(r) ? NULL : probed(r);
        can = key && is_pattern(key);
    }
    return can;
}

bool cs_plan__is_set(const cs_rule_node *node)
{
    for (uint32_t i = 0; i < node->n_rules; i++) {
        const cs_head *h = &node->rules[i]->head;
        if (!h->key || cs_ref_ground_prefix(h->ref) < h->ref->u.list.n) {
            return false;
        }
    }
    return node->n_rules > 0;
}

void cs_plan__probe(cs_planner *p, const cs_rule_node *node, cs_code *code)
{
    uint32_t n;
    const cs_rule *fallback;
    const cs_rule **rules = split_default(p->arena, node, false, &n, &fallback);
    const cs_term *ref = rules[0]->head.ref;
    bool entries = cs_ref_ground_prefix(ref) < ref->u.list.n;
    cs_builder b;
    cs_plan__begin(&b, p, code);
    (void)cs_plan__reg(&b);
    shared s = {.b = &b, .candidates = CS_PLAN_NO_REG, .probe = true};
    s.acc = cs_plan__reg(&b);
    s.finish = cs_plan__label(&b);
    cs_plan__emit(&b, entries ? CS_OP_NEWOBJECT : CS_OP_CLEAR, s.acc, 0, 0, 0, 0);
    plan_definitions(&s, rules, n, entries ? plan_entry : plan_element);
    cs_plan__place(&b, s.finish);
    if (entries) {
        put_rules_below(&s, code->node, node, NULL, 0);
        cs_plan__emit(&b, CS_OP_DOT, s.acc, s.acc, 0, 0, 0);
    }
    cs_plan__emit(&b, CS_OP_RETURN, s.acc, 0, 0, 0, 0);
    cs_plan__finish(&b);
}

void cs_plan__document(cs_planner *p, const cs_rule_node *node, cs_code *code)
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
    code->is_part = in_entries(node);
    if (entries || (n > 0 && rules[0]->head.key)) {
        plan_collection(&b, rules, n, entries, node);
    } else {
        plan_single_value(&b, rules, n, fallback);
    }
    cs_plan__finish(&b);
}

void cs_plan__function_code(cs_planner *p, const cs_rule_node *node, cs_code *code)
{
    uint32_t n;
    const cs_rule *fallback;
    const cs_rule **rules = split_default(p->arena, node, true, &n, &fallback);
    cs_builder b;
    cs_plan__begin(&b, p, code);
    (void)cs_plan__regs(&b, code->n_params);
    plan_single_value(&b, rules, n, fallback);
    cs_plan__finish(&b);
}
