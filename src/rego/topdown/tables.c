/* What the walker knows of a policy beforehand: for each document which definitions can match (constraints.c), and
 * which comprehensions are indexed (comprehension_index.c). Made once, in an arena of its own, and only read
 * afterwards: two threads that need it first may both make it; one of them wins, the other's is freed. */
#include "rego/topdown/index.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "countersign/base/mem.h"

struct cs_td_tables {
    cs_arena arena;
    cs_ast names;
    cs_td_maker maker;     /* its list of comprehensions is sorted by their addresses */
    cs_td_index **indexes; /* by node */
};

/* ---- the definitions of a document */
static cs_terms head_ref(cs_td_maker *to, const cs_rule *r)
{
    const cs_terms *package = &r->module->package->u.list;
    const cs_terms *ref = &r->head.ref->u.list;
    cs_term **v = cs_arena_array(to->arena, cs_term *, package->n + ref->n);
    memcpy(v, package->v, package->n * sizeof *v);
    memcpy(v + package->n, ref->v, ref->n * sizeof *v);
    if (ref->v[0]->kind == CS_TERM_VAR) {
        v[package->n] = cs_term_string(to->names, cs_sym_slice(ref->v[0]->u.var), ref->v[0]->loc);
    }
    return (cs_terms){v, package->n + ref->n};
}

static bool ground_ref(const cs_rule *r)
{
    const cs_terms *ref = &r->head.ref->u.list;
    for (uint32_t i = 1; i < ref->n; i++) {
        if (!cs_term_is_ground(ref->v[i])) {
            return false;
        }
    }
    return true;
}

static void add_chain(cs_td_maker *to, cs_td_index *index, const cs_rule *r)
{
    if (r->is_default) {
        index->otherwise = (cs_td_rule){r, head_ref(to, r), false};
        index->has_otherwise = true;
        return;
    }
    uint32_t chain = (uint32_t)index->entries.n;
    for (const cs_rule *part = r; part; part = part->other) {
        cs_td_entry entry = {.rule = {part, head_ref(to, part), part != r}, .chain = chain};
        index->only_ground_refs = index->only_ground_refs && ground_ref(part);
        cs_td__constraints(to, index, &entry);
        CS_VEC_PUSH_IN(to->arena, &index->entries, entry);
    }
}

static void add_below(cs_td_maker *to, cs_td_index *index, const cs_rule_node *node)
{
    for (uint32_t i = 0; i < node->n_children; i++) {
        const cs_rule_node *child = node->children[i];
        for (uint32_t j = 0; j < child->n_rules; j++) {
            add_chain(to, index, child->rules[j]);
        }
        add_below(to, index, child);
    }
}

static void note_values(cs_td_index *index)
{
    for (size_t i = 0; i < index->entries.n; i++) {
        const cs_td_alternatives *ways = &index->entries.v[i].ways;
        for (size_t w = 0; w < ways->n; w++) {
            for (size_t j = 0; j < ways->v[w].n; j++) {
                cs_td_place *p = &index->places.v[ways->v[w].v[j].place];
                p->valued = p->valued || ways->v[w].v[j].demand != CS_DEMAND_ANY;
            }
        }
    }
}

bool cs_td__agree(const cs_rule *rule, const cs_term **value)
{
    const cs_head *h = &rule->head;
    if (!h->is_function && (h->key || h->shows_key || !ground_ref(rule))) {
        return false;
    }
    if (!h->value) {
        return true;
    }
    if (!cs_term_is_ground(h->value) || (*value && !cs_term_equal(*value, h->value))) {
        return false;
    }
    *value = h->value;
    return true;
}

/* ---- the order of places */
typedef struct ranked {
    const cs_td_place *place;
    uint32_t number;
} ranked;

static int by_worth(const void *x, const void *y)
{
    const ranked *a = x;
    const ranked *b = y;
    if (a->place->spread != b->place->spread) {
        return a->place->spread < b->place->spread ? -1 : 1;
    }
    if (a->place->count != b->place->count) {
        return a->place->count > b->place->count ? -1 : 1;
    }
    return a->number < b->number ? -1 : a->number > b->number;
}

static void sort_way(cs_td_wants *way, const uint32_t *rank)
{
    for (size_t i = 1; i < way->n; i++) { /* few, and those of a place stay in their order */
        for (size_t j = i; j > 0 && rank[way->v[j].place] < rank[way->v[j - 1].place]; j--) {
            cs_td_want swap = way->v[j];
            way->v[j] = way->v[j - 1];
            way->v[j - 1] = swap;
        }
    }
}

/* The demands of each definition in the order in which places are looked at; the first place that tells is the best. */
static void sort_places(cs_td_maker *to, cs_td_index *index)
{
    size_t n = index->places.n;
    ranked *order = cs_arena_array(to->arena, ranked, n + 1);
    uint32_t *rank = cs_arena_array(to->arena, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        order[i] = (ranked){&index->places.v[i], i};
    }
    qsort(order, n, sizeof *order, by_worth);
    for (uint32_t i = 0; i < n; i++) {
        rank[order[i].number] = i;
        if (!index->chooses && order[i].place->valued) {
            index->chooses = true;
            index->best = order[i].number;
        }
    }
    for (size_t i = 0; i < index->entries.n; i++) {
        for (size_t w = 0; w < index->entries.v[i].ways.n; w++) {
            sort_way(&index->entries.v[i].ways.v[w], rank);
        }
    }
}

/* ---- the table of the best place */

/* The one constant that the place must be for the definition to match; NULL if more could be, or anything. */
static const cs_value *demanded(const cs_td_entry *entry, uint32_t place)
{
    const cs_value *value = NULL;
    const cs_td_wants *way = entry->ways.n == 1 ? &entry->ways.v[0] : NULL;
    for (size_t i = 0; way && i < way->n; i++) {
        const cs_td_want *w = &way->v[i];
        if (w->place != place || w->demand == CS_DEMAND_ANY) {
            continue;
        }
        if (value || w->demand != CS_DEMAND_EQUAL || w->value.t || w->value.v.kind >= CS_ARRAY) {
            return NULL;
        }
        value = &w->value.v;
    }
    return value;
}

static void choose(cs_td_maker *to, cs_td_index *index)
{
    index->by_value = cs_object_new(to->arena, 0);
    for (uint32_t i = 0; i < index->entries.n; i++) {
        const cs_value *value = demanded(&index->entries.v[i], index->best);
        if (!value) {
            CS_VEC_PUSH_IN(to->arena, &index->others, i);
            continue;
        }
        const cs_value *at = cs_object_get(index->by_value, *value);
        size_t list = at ? (size_t)at->u.i : index->lists.n;
        if (!at) {
            cs_td_numbers none = {0};
            CS_VEC_PUSH_IN(to->arena, &index->lists, none);
            cs_object_put(to->arena, index->by_value, *value, cs_int((int64_t)list));
        }
        CS_VEC_PUSH_IN(to->arena, &index->lists.v[list], i);
    }
    index->by_value = cs_freeze(to->arena, index->by_value);
}

static cs_td_index *make_index(cs_td_maker *to, const cs_rule_node *node)
{
    cs_td_index *index = cs_arena_new(to->arena, cs_td_index);
    index->only_ground_refs = true;
    index->multi_value = node->rules[0]->head.value == NULL;
    index->by_key = cs_object_new(to->arena, 0);
    bool general = false;
    for (uint32_t i = 0; i < node->n_rules; i++) {
        add_chain(to, index, node->rules[i]);
        general = general || !ground_ref(node->rules[i]);
    }
    if (general) {
        add_below(to, index, node);
    }
    note_values(index);
    sort_places(to, index);
    if (index->chooses) {
        choose(to, index);
    }
    const cs_term *value = NULL;
    index->may_exit_early = true;
    for (size_t i = 0; i < index->entries.n; i++) {
        index->may_exit_early = index->may_exit_early && cs_td__agree(index->entries.v[i].rule.rule, &value);
    }
    return index;
}

/* ---- all of a policy */
static void make_node(cs_td_tables *t, const cs_rule_node *node)
{
    if (node->n_rules) {
        t->indexes[node->id] = make_index(&t->maker, node);
    }
    for (uint32_t i = 0; i < node->n_rules; i++) {
        for (const cs_rule *part = node->rules[i]->is_default ? NULL : node->rules[i]; part; part = part->other) {
            cs_td__index_comprehensions(&t->maker, t->maker.policy->ast, part, part->body);
        }
    }
    for (uint32_t i = 0; i < node->n_children; i++) {
        make_node(t, node->children[i]);
    }
}

static int by_address(const void *x, const void *y)
{
    uintptr_t a = (uintptr_t)((const cs_td_keyed *)x)->t;
    uintptr_t b = (uintptr_t)((const cs_td_keyed *)y)->t;
    return (a > b) - (a < b);
}

static cs_td_tables *make_tables(const cs_compiled *policy)
{
    cs_td_tables *t = cs_alloc(sizeof *t);
    *t = (cs_td_tables){0};
    cs_arena_init(&t->arena, 0);
    cs_ast_init(&t->names, &t->arena);
    t->maker = (cs_td_maker){.arena = &t->arena, .names = &t->names, .policy = policy};
    t->indexes = cs_arena_array(&t->arena, cs_td_index *, policy->n_nodes + 1);
    make_node(t, policy->root);
    if (t->maker.keyed.n) {
        qsort(t->maker.keyed.v, t->maker.keyed.n, sizeof *t->maker.keyed.v, by_address);
    }
    return t;
}

void cs_td_tables_free(cs_td_tables *t)
{
    if (t) {
        cs_arena_destroy(&t->arena);
        cs_free(t);
    }
}

void cs_td__tables_use(cs_td *run)
{
    _Atomic(cs_td_tables *) *place = run->query->tables;
    cs_td_tables *t = place ? atomic_load_explicit(place, memory_order_acquire) : NULL;
    if (!t) {
        t = make_tables(run->policy);
        cs_td_tables *other = NULL;
        if (place &&
            !atomic_compare_exchange_strong_explicit(place, &other, t, memory_order_acq_rel, memory_order_acquire)) {
            cs_td_tables_free(t);
            t = other;
        }
    }
    run->tables = t;
}

void cs_td__tables_leave(cs_td *run)
{
    if (!run->query->tables) {
        cs_td_tables_free((cs_td_tables *)(uintptr_t)run->tables);
    }
}

const cs_td_index *cs_td__index_of(const cs_td_tables *t, const cs_rule_node *node)
{
    return t->indexes[node->id];
}

const cs_td_keyed *cs_td__keyed_in(const cs_td_tables *t, const cs_term *comprehension)
{
    cs_td_keyed wanted = {.t = comprehension};
    return t->maker.keyed.n ? bsearch(&wanted, t->maker.keyed.v, t->maker.keyed.n, sizeof wanted, by_address) : NULL;
}
