/* The one place where values cross from a request's arena to a world: copied, sorted, indexed, written once, and as
 * small as can be. Equal short strings are one copy and stand packed; objects with the same keys share keys, hashes and
 * index; short arrays and objects that are the same in every bit are one. What is remembered for that is bounded: of a
 * large document's strings those that were met last are found again. */
#include "freeze.h"

#include "countersign/base/mem.h"

#define SHARED_MAX 64U /* longer strings repeat too seldom to be worth a look */
#define TEXT_PIECE 4096U
#ifdef CS_TINY
#define STRINGS_FIRST 4U
#define STRINGS_MOST 16U
#define SHAPES 2U
#define LEAVES 2U
#define EARLY 2U
#define STACK_FIRST 3U
#else
#define STRINGS_FIRST 32U
#define STRINGS_MOST 16384U
#define SHAPES 256U
#define LEAVES 4096U
#define STACK_FIRST 48U
#define EARLY 32U /* so many collections pass before anything is kept for them */
#endif
#define PROBES 4U      /* in a table of strings that is full */
#define SHAPE_MOST 64U /* keys of an object that shares them */
#define LEAF_MOST 8U   /* values of an array or an object that may be shared */

/* Objects whose members came in this order. */
typedef struct shape {
    const cs_table *model; /* the first of them */
    const cs_value *order; /* its keys as they came; frozen */
    const uint8_t *places; /* where each stands in the model */
    uint32_t hash;
} shape;

struct cs_freezer {
    cs_arena *a;
    cs_value *strings; /* and numbers by their text */
    uint32_t *hashes;
    uint32_t mask, n;
    uint32_t met; /* collections so far */
    shape *shapes;
    cs_value *leaves;
    char *text, *text_end; /* what is left of a piece that texts are packed into */
    size_t text_total;
    cs_value *stack; /* of collections that are copied */
    uint32_t stack_n, stack_cap;
};

cs_arena *cs_value__freezer_arena(cs_freezer *f)
{
    return f->a;
}

cs_freezer *cs_freezer_new(cs_arena *a)
{
    cs_freezer *f = cs_zalloc(sizeof *f);
    f->a = a;
    return f;
}

static void destroy(cs_freezer *f)
{
    cs_free(f->strings);
    cs_free(f->hashes);
    cs_free(f->shapes);
    cs_free(f->leaves);
    cs_free(f->stack);
}

void cs_freezer_free(cs_freezer *f)
{
    if (f != NULL) {
        destroy(f);
        cs_free(f);
    }
}

/* ---- strings */

static const char *pack(cs_freezer *f, cs_slice s)
{
    if (s.n == 0) {
        return "";
    }
    f->text_total += s.n;
    if ((size_t)(f->text_end - f->text) < s.n) {
        /* Few texts, or a long one: as long as it is. */
        if (f->text_total < TEXT_PIECE || s.n > TEXT_PIECE / 8) {
            return memcpy(cs_arena_alloc(f->a, s.n), s.p, s.n);
        }
        f->text = cs_arena_alloc(f->a, TEXT_PIECE);
        f->text_end = f->text + TEXT_PIECE;
    }
    char *copy = memcpy(f->text, s.p, s.n);
    f->text += s.n;
    return copy;
}

static void widen(cs_freezer *f)
{
    uint32_t old = f->strings != NULL ? f->mask + 1 : 0;
    uint32_t size = old == 0 ? STRINGS_FIRST : old * 2;
    cs_value *strings = cs_alloc_array(size, sizeof *strings);
    uint32_t *hashes = cs_zalloc(sizeof *hashes * (size_t)size);
    for (uint32_t i = 0; i < old; i++) {
        if (f->hashes[i] == 0) {
            continue;
        }
        uint32_t at = f->hashes[i] & (size - 1);
        while (hashes[at] != 0) {
            at = (at + 1) & (size - 1);
        }
        strings[at] = f->strings[i];
        hashes[at] = f->hashes[i];
    }
    cs_free(f->strings);
    cs_free(f->hashes);
    f->strings = strings;
    f->hashes = hashes;
    f->mask = size - 1;
}

/* The string or number with this text that is remembered; or *at is where it is to be, and its hash stands there. */
static const cs_value *find(cs_freezer *f, uint8_t kind, cs_slice s, uint32_t hash, cs_value **at)
{
    if (f->strings == NULL || (f->n * 2 > f->mask && f->mask + 1 < STRINGS_MOST)) {
        widen(f);
    }
    hash = hash != 0 ? hash : 1;
    uint32_t i = hash & f->mask;
    for (uint32_t probes = 0; f->hashes[i] != 0; i = (i + 1) & f->mask) {
        const cs_value *v = &f->strings[i];
        if (f->hashes[i] == hash && v->kind == kind &&
            cs_slice_eq(kind == CS_STRING ? cs_text(*v) : v->u.number->text, s)) {
            return v;
        }
        if (++probes == PROBES && f->mask + 1 >= STRINGS_MOST) {
            i = hash & f->mask; /* what was met before is forgotten */
            f->n--;
            break;
        }
    }
    f->n++;
    f->hashes[i] = hash;
    *at = &f->strings[i];
    return NULL;
}

cs_value cs_value__freeze_text(cs_freezer *f, cs_slice s, uint32_t hash)
{
    if (s.n > SHARED_MAX) {
        return cs_string((cs_slice){pack(f, s), s.n});
    }
    cs_value *at;
    const cs_value *found = find(f, CS_STRING, s, hash, &at);
    if (found == NULL) {
        *at = cs_string((cs_slice){pack(f, s), s.n});
        found = at;
    }
    return *found;
}

static cs_value freeze_number(cs_freezer *f, cs_value v)
{
    cs_slice text = v.u.number->text;
    uint32_t hash = ~cs_hash_bytes(text.p, text.n);
    cs_value *at;
    const cs_value *found = find(f, CS_NUMBER, text, hash, &at);
    if (found == NULL) {
        cs_number *copy = cs_arena_alloc(f->a, sizeof *copy);
        *copy = *v.u.number;
        copy->text.p = pack(f, text);
        v.u.number = copy;
        *at = v;
        found = at;
    }
    return *found;
}

cs_value cs_value__freeze_scalar(cs_freezer *f, cs_value v)
{
    if (v.kind == CS_STRING) {
        return cs_value__freeze_text(f, cs_text(v), v.n > SHARED_MAX ? 0 : cs_hash_bytes(v.u.s, v.n));
    }
    return v.kind == CS_NUMBER && v.form == CS_NUMBER_TEXT ? freeze_number(f, v) : v;
}

/* ---- collections: what is in them is frozen already */

static uint32_t hash_bits(uint32_t seed, const cs_value *v, uint32_t n)
{
    uint64_t h = seed;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t words[2];
        memcpy(words, &v[i], sizeof words);
        h = (h ^ words[0] ^ words[1] * UINT64_C(0xE7037ED1A0B428DB)) * UINT64_C(0x9E3779B97F4A7C15);
        h ^= h >> 29;
    }
    return (uint32_t)(h >> 32);
}

static bool same_bits(const cs_value *x, const cs_value *y, uint32_t n)
{
    return memcmp(x, y, sizeof *x * (size_t)n) == 0;
}

/* Whether what is met last is to be looked for among what was kept. */
static bool keeps(cs_freezer *f)
{
    if (f->met < EARLY) {
        f->met++;
        return false;
    }
    if (f->leaves == NULL) {
        f->leaves = cs_zalloc(sizeof *f->leaves * LEAVES);
        f->shapes = cs_zalloc(sizeof *f->shapes * SHAPES);
    }
    return true;
}

cs_value cs_value__freeze_items(cs_freezer *f, const cs_value *items, uint32_t n)
{
    if (n == 0 || n > LEAF_MOST || !keeps(f)) {
        return cs_array_copy(f->a, items, n);
    }
    cs_value *kept = &f->leaves[hash_bits(n, items, n) % LEAVES];
    if (kept->kind != CS_ARRAY || kept->n != n || !same_bits(kept->u.items, items, n)) {
        *kept = cs_array_copy(f->a, items, n);
    }
    return *kept;
}

/* The members as they came, in a table of their own; of equal keys the last value wins. */
static cs_table *make_table(cs_arena *a, const cs_value__member *m, uint32_t n)
{
    cs_table *t = cs_value__table(a, n, true);
    for (uint32_t i = 0; i < n; i++, m++) {
        uint32_t at = cs_value__find(t, m->key, (uint32_t)m->hash.u.i);
        if (at == CS_TABLE_NONE) {
            at = cs_value__append(a, t, m->key, (uint32_t)m->hash.u.i);
        }
        t->vals[at] = m->value;
    }
    cs_table_sort(t);
    t->frozen = true;
    return t;
}

static bool same_order(const shape *s, const cs_value__member *m, uint32_t n)
{
    if (s->model == NULL || s->model->n != n) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (s->order[i].u.s != m[i].key.u.s || s->order[i].n != m[i].key.n) {
            return false;
        }
    }
    return true;
}

/* Remembers how the members of a fresh object came. */
static void learn(cs_freezer *f, shape *s, uint32_t hash, const cs_table *t, const cs_value__member *m, uint32_t n)
{
    if (t->n != n) {
        return; /* a key came twice */
    }
    cs_value *order = cs_arena_alloc(f->a, sizeof *order * (size_t)n);
    uint8_t *places = cs_arena_alloc(f->a, n);
    for (uint32_t i = 0; i < n; i++) {
        if (m[i].key.kind != CS_STRING) {
            return;
        }
        order[i] = m[i].key;
        places[i] = (uint8_t)cs_value__find(t, m[i].key, (uint32_t)m[i].hash.u.i);
    }
    *s = (shape){t, order, places, hash};
}

static cs_table *share_shape(cs_freezer *f, const shape *s, const cs_value__member *m, uint32_t n)
{
    cs_value vals[SHAPE_MOST];
    for (uint32_t i = 0; i < n; i++) {
        vals[s->places[i]] = m[i].value;
    }
    cs_value *kept = NULL;
    if (n <= LEAF_MOST / 2) {
        kept = &f->leaves[hash_bits(s->hash, vals, n) % LEAVES];
        if (kept->kind == CS_OBJECT && kept->u.table->keys == s->model->keys &&
            same_bits(kept->u.table->vals, vals, n)) {
            return kept->u.table;
        }
    }
    cs_table *t = cs_arena_alloc(f->a, sizeof *t + sizeof *vals * (size_t)n);
    *t = *s->model;
    t->vals = (cs_value *)(void *)(t + 1);
    memcpy(t->vals, vals, sizeof *vals * (size_t)n);
    if (kept != NULL) {
        *kept = (cs_value){.kind = CS_OBJECT, .u.table = t};
    }
    return t;
}

_Static_assert(sizeof(cs_table) % 16 == 0, "the values behind a table are aligned");

cs_value cs_value__freeze_members(cs_freezer *f, const cs_value__member *m, uint32_t n)
{
    cs_table *t;
    if (n == 0 || n > SHAPE_MOST || !keeps(f)) {
        t = make_table(f->a, m, n);
        return (cs_value){.kind = CS_OBJECT, .u.table = t};
    }
    uint32_t hash = n;
    for (uint32_t i = 0; i < n; i++) {
        hash = cs_value__mix(hash, (uint32_t)m[i].hash.u.i);
    }
    shape *s = &f->shapes[hash % SHAPES];
    if (s->hash == hash && same_order(s, m, n)) {
        t = share_shape(f, s, m, n);
    } else {
        t = make_table(f->a, m, n);
        learn(f, s, hash, t, m, n);
    }
    return (cs_value){.kind = CS_OBJECT, .u.table = t};
}

/* ---- whole values */

static cs_value freeze_set(cs_freezer *f, cs_value v)
{
    const cs_table *from = v.u.table;
    cs_table *to = cs_value__table(f->a, from->n, false);
    to->n = from->n;
    to->sorted = from->sorted;
    for (uint32_t i = 0; i < from->n; i++) {
        cs_table_hashes(to)[i] = cs_table_hashes(from)[i];
        to->keys[i] = cs_freezer_put(f, from->keys[i]);
    }
    cs_table_sort(to);
    cs_value__index(to);
    to->frozen = true;
    v.u.table = to;
    return v;
}

/* Room for three more values on the stack; where they are to stand. */
static uint32_t reserve(cs_freezer *f)
{
    if (f->stack_cap - f->stack_n < 3) {
        f->stack_cap = f->stack_cap == 0 ? STACK_FIRST : f->stack_cap * 2;
        f->stack = cs_realloc(f->stack, sizeof *f->stack * (size_t)f->stack_cap);
    }
    return f->stack_n;
}

/* What is in a collection waits on a stack of the freezer's: C's is as deep as the document. */
static cs_value freeze_object(cs_freezer *f, cs_value v, cs_value put(cs_freezer *f, cs_value v))
{
    const cs_table *from = v.u.table;
    uint32_t start = f->stack_n;
    for (uint32_t i = 0; i < from->n; i++) {
        cs_value key = from->keys[i];
        uint32_t hash = cs_table_hashes(from)[i];
        key = key.kind == CS_STRING ? cs_value__freeze_text(f, cs_text(key), hash) : cs_freezer_put(f, key);
        cs_value value = put(f, from->vals[i]);
        uint32_t at = reserve(f);
        f->stack[at] = key;
        f->stack[at + 1] = (cs_value){.kind = CS_PRIVATE, .u.i = hash};
        f->stack[at + 2] = value;
        f->stack_n += 3;
    }
    f->stack_n = start;
    const cs_value *entries = f->stack != NULL ? f->stack + start : NULL;
    return cs_value__freeze_members(f, (const cs_value__member *)(const void *)entries, from->n);
}

static cs_value freeze_array(cs_freezer *f, cs_value v)
{
    uint32_t start = f->stack_n;
    for (uint32_t i = 0; i < v.n; i++) {
        cs_value item = cs_freezer_put(f, v.u.items[i]);
        uint32_t at = reserve(f);
        f->stack[at] = item;
        f->stack_n++;
    }
    f->stack_n = start;
    return cs_value__freeze_items(f, f->stack != NULL ? f->stack + start : NULL, v.n);
}

cs_value cs_freezer_put(cs_freezer *f, cs_value v)
{
    switch ((cs_kind)v.kind) {
    case CS_STRING:
    case CS_NUMBER:
        return cs_value__freeze_scalar(f, v);
    case CS_ARRAY:
        return freeze_array(f, v);
    case CS_OBJECT:
        return freeze_object(f, v, cs_freezer_put);
    case CS_SET:
        return freeze_set(f, v);
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_BOOL:
    case CS_PRIVATE:
        break;
    }
    return v;
}

cs_value cs_freezer_put_upper(cs_freezer *f, cs_value v)
{
    return v.kind == CS_OBJECT && !v.u.table->frozen ? freeze_object(f, v, cs_freezer_put_upper) : v;
}

cs_value cs_freeze(cs_arena *a, cs_value v)
{
    cs_freezer f = {.a = a};
    cs_value frozen = cs_freezer_put(&f, v);
    destroy(&f);
    return frozen;
}
