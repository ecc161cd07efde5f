/* The tree of an index, from the constraints of the definitions. */
#include "rego/index/internal.h"

/* Fewer definitions than this are tried one after another. */
#define LEAF 4U
#define DEPTH_MAX 8U
/* Definitions that nothing constrains are copied into each child if they are no more than this. */
#define COPIED_MAX 8U
/* A constraint with more alternatives than this does not split a child once more: it would be in each of its lists. */
#define SPLIT_MAX 16U

/* One way of one definition. */
typedef struct entry {
    uint32_t definition;
    const cs_constraints *constraints;
    const uint32_t *places; /* number of each constraint's place and test */
} entry;

typedef CS_VEC(entry) entry_vec;

/* What a node knows of a place while it divides its entries. */
typedef struct statistics {
    uint32_t entries, values; /* how many it constrains, how many different constants it has */
    uint32_t chosen;          /* for how many it is the best */
    uint32_t row;             /* its dimension, if for two or more */
    uint32_t stamp;           /* of the node */
} statistics;

typedef struct builder {
    cs_arena *arena; /* what stays */
    cs_arena work;
    CS_VEC(const cs_constraint *) places; /* one each place and test */
    statistics *stats;
    uint32_t stamp;
    CS_VEC(cs_index_list) lists;
} builder;

/* Places that the nodes above have looked at. */
typedef struct used {
    uint32_t place;
    const struct used *above;
} used;

static bool is_used(const used *u, uint32_t place)
{
    for (; u; u = u->above) {
        if (u->place == place) {
            return true;
        }
    }
    return false;
}

/* The place and the test as a value, so that equal ones are found by a table. */
static cs_value place_key(cs_arena *a, const cs_constraint *c)
{
    const cs_place *p = &c->place;
    cs_value *items = cs_arena_array(a, cs_value, p->path.n + 3);
    items[0] = cs_int((int64_t)c->test * 4 + (int64_t)p->root);
    items[1] = cs_int(p->argument);
    items[2] = cs_int((int64_t)(unsigned char)p->split << 32 | (p->split ? p->segment : 0));
    for (uint32_t i = 0; i < p->path.n; i++) {
        items[i + 3] = p->path.keys[i];
    }
    return cs_array(items, p->path.n + 3);
}

static const uint32_t *number_places(builder *b, cs_value table, const cs_constraints *c)
{
    uint32_t *out = cs_arena_array(&b->work, uint32_t, c->n + 1);
    for (uint32_t i = 0; i < c->n; i++) {
        cs_value key = place_key(&b->work, &c->v[i]);
        const cs_value *at = cs_object_get(table, key);
        out[i] = at ? (uint32_t)at->u.i : (uint32_t)b->places.n;
        if (!at) {
            cs_object_put(&b->work, table, key, cs_int((int64_t)b->places.n));
            CS_VEC_PUSH_IN(&b->work, &b->places, &c->v[i]);
        }
    }
    return out;
}

/* ---- which place for which entry */

/* Pairs of place and constant, by their hashes alone: a collision counts one too few, which does no harm. */
typedef struct pair_set {
    uint64_t *slots;
    uint64_t mask;
} pair_set;

static bool add_pair(pair_set *s, uint32_t place, cs_value v)
{
    uint64_t h = ((uint64_t)cs_hash(v) | (uint64_t)place << 32) * 0x9E3779B97F4A7C15U | 1U;
    uint64_t i = h >> 20 & s->mask;
    while (s->slots[i] && s->slots[i] != h) {
        i = (i + 1) & s->mask;
    }
    bool fresh = s->slots[i] == 0;
    s->slots[i] = h;
    return fresh;
}

static bool usable(const entry *e, uint32_t i, const used *above)
{
    return !is_used(above, e->places[i]) && (!above || e->constraints->v[i].n <= SPLIT_MAX);
}

static void count(builder *b, const entry *entries, size_t n, const used *above)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < entries[i].constraints->n; k++) {
            total += entries[i].constraints->v[k].n;
        }
    }
    pair_set pairs = {.mask = 15};
    while (pairs.mask < total * 2) {
        pairs.mask = pairs.mask * 2 + 1;
    }
    pairs.slots = cs_arena_array(&b->work, uint64_t, pairs.mask + 1);
    b->stamp++;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < entries[i].constraints->n; k++) {
            if (!usable(&entries[i], k, above)) {
                continue;
            }
            const cs_constraint *c = &entries[i].constraints->v[k];
            statistics *s = &b->stats[entries[i].places[k]];
            if (s->stamp != b->stamp) {
                *s = (statistics){.stamp = b->stamp};
            }
            s->entries++;
            for (uint32_t v = 0; v < c->n; v++) {
                s->values += add_pair(&pairs, entries[i].places[k], c->values[v]);
            }
        }
    }
}

/* The constraint by whose place the entry is found: the one with most different constants. */
static uint32_t best_constraint(const builder *b, const entry *e, const used *above)
{
    uint32_t best = UINT32_MAX;
    uint32_t most = 0;
    for (uint32_t i = 0; i < e->constraints->n; i++) {
        const statistics *s = &b->stats[e->places[i]];
        if (usable(e, i, above) && s->entries >= 2 && s->values > most) {
            best = i;
            most = s->values;
        }
    }
    return best;
}

/* ---- nodes */

static uint32_t new_list(builder *b, const entry *entries, size_t n)
{
    if (n == 0) {
        return 0;
    }
    cs_index_list list = {cs_arena_array(b->arena, uint32_t, n), 0};
    for (size_t i = 0; i < n; i++) {
        if (list.n == 0 || list.definitions[list.n - 1] != entries[i].definition) {
            list.definitions[list.n++] = entries[i].definition;
        }
    }
    CS_VEC_PUSH_IN(&b->work, &b->lists, list);
    return (uint32_t)b->lists.n - 1;
}

static void build_node(builder *b, const entry_vec *entries, const used *above, uint32_t depth, cs_index_node *out);

typedef struct bucket {
    cs_value value;
    entry_vec entries;
} bucket;

/* The entries of one dimension, by constant. */
typedef struct sorter {
    uint32_t place; /* number */
    CS_VEC(bucket) buckets;
    cs_value table; /* constant → number of a bucket */
} sorter;

static void sort_in(builder *b, sorter *s, const entry *e, const cs_constraint *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        const cs_value *at = cs_object_get(s->table, c->values[i]);
        size_t k = at ? (size_t)at->u.i : s->buckets.n;
        if (!at) {
            bucket fresh = {.value = c->values[i]};
            cs_object_put(&b->work, s->table, c->values[i], cs_int((int64_t)k));
            CS_VEC_PUSH_IN(&b->work, &s->buckets, fresh);
        }
        CS_VEC_PUSH_IN(&b->work, &s->buckets.v[k].entries, *e);
    }
}

/* Merges the entries that stay into those of a bucket, in the order of definitions. */
static entry_vec with_open(builder *b, const entry_vec *x, const entry_vec *open)
{
    entry_vec out = {0};
    size_t i = 0;
    size_t j = 0;
    while (i < x->n || j < open->n) {
        bool first = j == open->n || (i < x->n && x->v[i].definition < open->v[j].definition);
        entry next = first ? x->v[i++] : open->v[j++];
        CS_VEC_PUSH_IN(&b->work, &out, next);
    }
    return out;
}

static void set_keys(builder *b, const sorter *s, cs_dimension *d, uint32_t *child)
{
    uint32_t n = (uint32_t)s->buckets.n;
    if (d->test == CS_TEST_EQUAL || d->test == CS_TEST_MEMBER) {
        d->table = cs_freeze(b->arena, s->table);
        for (uint32_t i = 0; i < n; i++) {
            child[i] = i;
        }
        return;
    }
    cs_slice *texts = cs_arena_array(&b->work, cs_slice, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_slice text = cs_text(s->buckets.v[i].value);
        texts[i] = d->test == CS_TEST_PREFIX ? text : cs_index__reverse(b->arena, text);
    }
    d->affixes = cs_index__affixes(b->arena, texts, n, child);
}

static void build_dimension(builder *b, const sorter *s, const entry_vec *open, bool exclusive, const used *above,
                            uint32_t depth, cs_dimension *out)
{
    const cs_constraint *c = b->places.v[s->place];
    uint32_t n = (uint32_t)s->buckets.n;
    uint32_t *child = cs_arena_array(&b->work, uint32_t, n);
    *out = (cs_dimension){.place = c->place, .test = c->test, .n_children = n};
    out->children = cs_arena_array(b->arena, cs_index_node, n);
    set_keys(b, s, out, child);
    used here = {s->place, above};
    for (uint32_t i = 0; i < n; i++) {
        entry_vec entries = s->buckets.v[i].entries;
        if (exclusive) {
            entries = with_open(b, &entries, open);
        }
        build_node(b, &entries, &here, depth + 1, &out->children[child[i]]);
    }
}

/* Gives each entry to the dimension of its place, or leaves it open. */
static uint32_t divide(builder *b, const entry_vec *entries, const used *above, sorter **sorters, entry_vec *open)
{
    CS_VEC(uint32_t) places = {0};
    statistics **best = cs_arena_array(&b->work, statistics *, entries->n + 1);
    uint32_t *constraint = cs_arena_array(&b->work, uint32_t, entries->n + 1);
    for (size_t i = 0; i < entries->n; i++) {
        const entry *e = &entries->v[i];
        constraint[i] = best_constraint(b, e, above);
        if (constraint[i] == UINT32_MAX) {
            continue;
        }
        best[i] = &b->stats[e->places[constraint[i]]];
        if (++best[i]->chosen == 2) {
            best[i]->row = (uint32_t)places.n;
            CS_VEC_PUSH_IN(&b->work, &places, e->places[constraint[i]]);
        }
    }
    sorter *all = cs_arena_array(&b->work, sorter, places.n + 1);
    for (size_t i = 0; i < places.n; i++) {
        all[i].place = places.v[i];
        all[i].table = cs_object_new(&b->work, 0);
    }
    for (size_t i = 0; i < entries->n; i++) {
        const entry *e = &entries->v[i];
        if (best[i] && best[i]->chosen >= 2) {
            sort_in(b, &all[best[i]->row], e, &e->constraints->v[constraint[i]]);
        } else {
            CS_VEC_PUSH_IN(&b->work, open, *e);
        }
    }
    *sorters = all;
    return (uint32_t)places.n;
}

static void build_node(builder *b, const entry_vec *entries, const used *above, uint32_t depth, cs_index_node *out)
{
    sorter *sorters = NULL;
    entry_vec open = {0};
    uint32_t n = 0;
    if (depth < DEPTH_MAX && entries->n > (depth ? LEAF : 1)) {
        count(b, entries->v, entries->n, above);
        n = divide(b, entries, above, &sorters, &open);
    }
    *out = (cs_index_node){.n_dimensions = n};
    if (n == 0) {
        out->list = new_list(b, entries->v, entries->n);
        return;
    }
    out->list = new_list(b, open.v, open.n);
    out->dimensions = cs_arena_array(b->arena, cs_dimension, n);
    out->exclusive = n == 1 && open.n <= COPIED_MAX && b->places.v[sorters[0].place]->test == CS_TEST_EQUAL;
    for (uint32_t i = 0; i < n; i++) {
        build_dimension(b, &sorters[i], &open, out->exclusive, above, depth, &out->dimensions[i]);
    }
}

bool cs_index_build(cs_arena *arena, const cs_ways *definitions, uint32_t n, cs_rule_index *out)
{
    builder b = {.arena = arena};
    cs_arena_init(&b.work, 0);
    cs_value places = cs_object_new(&b.work, 0);
    entry_vec entries = {0};
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < definitions[i].n; k++) {
            const cs_constraints *c = &definitions[i].v[k];
            entry e = {i, c, number_places(&b, places, c)};
            CS_VEC_PUSH_IN(&b.work, &entries, e);
        }
    }
    b.stats = cs_arena_array(&b.work, statistics, b.places.n + 1);
    cs_index_list empty = {NULL, 0};
    CS_VEC_PUSH_IN(&b.work, &b.lists, empty);
    build_node(&b, &entries, NULL, 0, &out->root);
    bool pays = out->root.n_dimensions > 0;
    out->n_lists = (uint32_t)b.lists.n;
    out->lists = cs_arena_array(arena, cs_index_list, out->n_lists);
    memcpy(out->lists, b.lists.v, out->n_lists * sizeof *out->lists);
    cs_arena_destroy(&b.work);
    return pays;
}
