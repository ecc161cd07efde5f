/* Objects and sets: entries in insertion order with the hash of each key, an open-addressed index when there are many,
 * and the order of values on demand. */
#include "countersign/base/mem.h"
#include "internal.h"

#ifdef CS_TINY
#define CAP_FIRST 1U
#else
#define CAP_FIRST 4U
#endif

/* Slots of the index over so many entries; 0 for few. */
static size_t slots_for(uint32_t cap)
{
    if (cap <= CS_TABLE_LINEAR) {
        return 0;
    }
    uint32_t slots = 16;
    while (slots / 2 < cap && slots < (UINT32_C(1) << 31)) {
        slots *= 2;
    }
    return slots;
}

/* Keys, hashes and slots: what objects with the same keys may share. */
static size_t keys_size(uint32_t cap)
{
    size_t size = (sizeof(cs_value) + sizeof(uint32_t)) * (size_t)cap + sizeof(uint32_t) * slots_for(cap);
    return (size + 15U) & ~(size_t)15U;
}

static size_t columns_size(uint32_t cap, bool vals)
{
    return keys_size(cap) + (vals ? sizeof(cs_value) * (size_t)cap : 0);
}

/* Lays the columns of `cap` entries into a block. */
static void set_columns(cs_table *t, uint8_t *block, uint32_t cap, bool vals)
{
    size_t slots = slots_for(cap);
    t->cap = cap;
    t->mask = slots != 0 ? (uint32_t)slots - 1 : 0;
    t->keys = (cs_value *)(void *)block;
    t->vals = vals ? (cs_value *)(void *)(block + keys_size(cap)) : NULL;
}

static void slot_put(cs_table *t, uint32_t hash, uint32_t entry)
{
    uint32_t *slots = cs_table_slots(t);
    uint32_t at = hash & t->mask;
    while (slots[at] != 0) {
        at = (at + 1) & t->mask;
    }
    slots[at] = entry + 1;
}

void cs_value__index(cs_table *t)
{
    if (t->mask == 0) {
        return;
    }
    memset(cs_table_slots(t), 0, sizeof(uint32_t) * ((size_t)t->mask + 1));
    const uint32_t *hashes = cs_table_hashes(t);
    for (uint32_t i = 0; i < t->n; i++) {
        slot_put(t, hashes[i], i);
    }
}

cs_table *cs_value__table(cs_arena *a, uint32_t cap, bool vals)
{
    /* An object is told from a set by `vals`, so an object has its columns from the start. The table and its columns
     * are one block: a small object is two or three cache lines. */
    if (cap == 0 && vals) {
        cap = CAP_FIRST;
    }
    size_t head = (sizeof(cs_table) + 15U) & ~(size_t)15U;
    uint8_t *block = cs_arena_alloc(a, head + columns_size(cap, vals));
    cs_table *t = (cs_table *)(void *)block;
    *t = (cs_table){.sorted = true};
    if (cap > 0) {
        set_columns(t, block + head, cap, vals);
    }
    cs_value__index(t);
    return t;
}

/* Strings are most keys: their length and bytes are compared here, without a call to cs_equal. */
static inline bool same_key(const cs_value *x, cs_value y)
{
    if (y.kind == CS_STRING) {
        return x->kind == CS_STRING && x->n == y.n && (x->u.s == y.u.s || y.n == 0 || memcmp(x->u.s, y.u.s, y.n) == 0);
    }
    return cs_equal(*x, y);
}

uint32_t cs_value__find(const cs_table *t, cs_value key, uint32_t hash)
{
    const uint32_t *hashes = cs_table_hashes(t);
    if (t->mask == 0) {
        for (uint32_t i = 0; i < t->n; i++) {
            if (hashes[i] == hash && same_key(&t->keys[i], key)) {
                return i;
            }
        }
        return CS_TABLE_NONE;
    }
    const uint32_t *slots = cs_table_slots(t);
    for (uint32_t at = hash & t->mask; slots[at] != 0; at = (at + 1) & t->mask) {
        uint32_t i = slots[at] - 1;
        if (hashes[i] == hash && same_key(&t->keys[i], key)) {
            return i;
        }
    }
    return CS_TABLE_NONE;
}

static void grow(cs_arena *a, cs_table *t)
{
    cs_assert(t->cap < (UINT32_C(1) << 30));
    cs_table old = *t;
    bool vals = old.vals != NULL;
    uint32_t cap = old.cap == 0 ? CAP_FIRST : old.cap * 2;
    set_columns(t, cs_arena_alloc(a, columns_size(cap, vals)), cap, vals);
    if (old.n > 0) {
        memcpy(t->keys, old.keys, sizeof *t->keys * (size_t)old.n);
        memcpy(cs_table_hashes(t), cs_table_hashes(&old), sizeof(uint32_t) * (size_t)old.n);
        if (vals) {
            memcpy(t->vals, old.vals, sizeof *t->vals * (size_t)old.n);
        }
    }
    cs_value__index(t);
}

uint32_t cs_value__append(cs_arena *a, cs_table *t, cs_value key, uint32_t hash)
{
    cs_assert(!t->frozen);
    if (t->n == t->cap) {
        grow(a, t);
    }
    uint32_t i = t->n++;
    t->keys[i] = key;
    cs_table_hashes(t)[i] = hash;
    t->sorted = i == 0;
    if (t->mask != 0) {
        slot_put(t, hash, i);
    }
    return i;
}

cs_table *cs_value__clone(cs_arena *a, const cs_table *t, uint32_t extra)
{
    uint32_t cap = t->n + extra;
    cs_table *copy = cs_value__table(a, cap, t->vals != NULL);
    if (t->n > 0) {
        copy->n = t->n;
        copy->sorted = t->sorted;
        memcpy(copy->keys, t->keys, sizeof *t->keys * (size_t)t->n);
        memcpy(cs_table_hashes(copy), cs_table_hashes(t), sizeof(uint32_t) * (size_t)t->n);
        if (t->vals != NULL) {
            memcpy(copy->vals, t->vals, sizeof *t->vals * (size_t)t->n);
        }
        cs_value__index(copy);
    }
    return copy;
}

/* ---- the public face */

cs_value cs_object_new(cs_arena *a, uint32_t hint)
{
    return (cs_value){.kind = CS_OBJECT, .u.table = cs_value__table(a, hint, true)};
}

cs_value cs_set_new(cs_arena *a, uint32_t hint)
{
    return (cs_value){.kind = CS_SET, .u.table = cs_value__table(a, hint, false)};
}

void cs_object_put(cs_arena *a, cs_value object, cs_value key, cs_value value)
{
    cs_table *t = object.u.table;
    uint32_t hash = cs_hash(key);
    uint32_t i = cs_value__find(t, key, hash);
    if (i == CS_TABLE_NONE) {
        i = cs_value__append(a, t, key, hash);
    }
    cs_assert(!t->frozen);
    t->vals[i] = value;
}

bool cs_object_put_once(cs_arena *a, cs_value object, cs_value key, cs_value value)
{
    cs_table *t = object.u.table;
    uint32_t hash = cs_hash(key);
    uint32_t i = cs_value__find(t, key, hash);
    if (i != CS_TABLE_NONE) {
        return cs_equal(t->vals[i], value);
    }
    i = cs_value__append(a, t, key, hash);
    t->vals[i] = value;
    return true;
}

void cs_object_put_text(cs_arena *a, cs_value object, const char *key, cs_value value)
{
    cs_object_put(a, object, cs_string(cs_slice_of(key)), value);
}

bool cs_set_add(cs_arena *a, cs_value set, cs_value element)
{
    cs_table *t = set.u.table;
    uint32_t hash = cs_hash(element);
    if (cs_value__find(t, element, hash) != CS_TABLE_NONE) {
        return false;
    }
    (void)cs_value__append(a, t, element, hash);
    return true;
}

const cs_value *cs_object_get_hashed(cs_value object, cs_value key, uint32_t hash)
{
    const cs_table *t = object.u.table;
    uint32_t i = cs_value__find(t, key, hash);
    return i == CS_TABLE_NONE ? NULL : &t->vals[i];
}

const cs_value *cs_object_get(cs_value object, cs_value key)
{
    return object.u.table->n == 0 ? NULL : cs_object_get_hashed(object, key, cs_hash(key));
}

const cs_value *cs_object_get_text(cs_value object, const char *key)
{
    return cs_object_get(object, cs_string(cs_slice_of(key)));
}

bool cs_set_has(cs_value set, cs_value element)
{
    const cs_table *t = set.u.table;
    return t->n > 0 && cs_value__find(t, element, cs_hash(element)) != CS_TABLE_NONE;
}

cs_value cs_object_clone(cs_arena *a, cs_value object, uint32_t extra)
{
    return (cs_value){.kind = CS_OBJECT, .u.table = cs_value__clone(a, object.u.table, extra)};
}

cs_value cs_set_clone(cs_arena *a, cs_value set, uint32_t extra)
{
    return (cs_value){.kind = CS_SET, .u.table = cs_value__clone(a, set.u.table, extra)};
}

cs_value cs_entry(cs_value table, uint32_t i, cs_value *value)
{
    cs_table *t = table.u.table;
    if (!t->sorted) {
        cs_table_sort(t);
    }
    if (value != NULL) {
        *value = t->vals != NULL ? t->vals[i] : t->keys[i];
    }
    return t->keys[i];
}

/* ---- sorting */

/* An entry on its way: strings are told apart by their first eight bytes most of the time. */
typedef struct sort_item {
    uint64_t prefix;
    uint32_t entry;
} sort_item;

static uint64_t prefix_of(cs_value v)
{
    unsigned char bytes[8] = {0};
    memcpy(bytes, v.u.s, v.n < 8 ? v.n : 8);
    uint64_t x = 0;
    for (size_t i = 0; i < 8; i++) {
        x = x << 8 | bytes[i];
    }
    return x;
}

static bool item_after(const cs_table *t, const sort_item *x, const sort_item *y)
{
    if (x->prefix != y->prefix) {
        return x->prefix > y->prefix;
    }
    return cs_compare(t->keys[x->entry], t->keys[y->entry]) > 0;
}

/* Bottom-up merge sort: stable, and safe with any comparison. The result is in `items`. */
static void merge_sort(const cs_table *t, sort_item *items, sort_item *spare, uint32_t n)
{
    sort_item *from = items;
    sort_item *to = spare;
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t low = 0; low < n; low += 2 * width) {
            uint64_t mid = low + width < n ? low + width : n;
            uint64_t high = mid + width < n ? mid + width : n;
            uint64_t i = low;
            uint64_t j = mid;
            for (uint64_t k = low; k < high; k++) {
                bool right = i == mid || (j < high && item_after(t, &from[i], &from[j]));
                to[k] = right ? from[j++] : from[i++];
            }
        }
        sort_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) {
        memcpy(items, from, sizeof *items * (size_t)n);
    }
}

static bool in_order(const cs_table *t)
{
    for (uint32_t i = 1; i < t->n; i++) {
        if (cs_compare(t->keys[i - 1], t->keys[i]) > 0) {
            return false;
        }
    }
    return true;
}

static void insertion_sort(cs_table *t)
{
    uint32_t *hashes = cs_table_hashes(t);
    for (uint32_t i = 1; i < t->n; i++) {
        cs_value key = t->keys[i];
        cs_value val = t->vals != NULL ? t->vals[i] : cs_undefined();
        uint32_t hash = hashes[i];
        uint32_t j = i;
        for (; j > 0 && cs_compare(t->keys[j - 1], key) > 0; j--) {
            t->keys[j] = t->keys[j - 1];
            hashes[j] = hashes[j - 1];
            if (t->vals != NULL) {
                t->vals[j] = t->vals[j - 1];
            }
        }
        t->keys[j] = key;
        hashes[j] = hash;
        if (t->vals != NULL) {
            t->vals[j] = val;
        }
    }
}

/* Puts column entries where the sorted items say; `spare` has room for n values. */
static void permute(cs_table *t, const sort_item *items, cs_value *spare)
{
    for (uint32_t i = 0; i < t->n; i++) {
        spare[i] = t->keys[items[i].entry];
    }
    memcpy(t->keys, spare, sizeof *spare * (size_t)t->n);
    if (t->vals != NULL) {
        for (uint32_t i = 0; i < t->n; i++) {
            spare[i] = t->vals[items[i].entry];
        }
        memcpy(t->vals, spare, sizeof *spare * (size_t)t->n);
    }
    uint32_t *hashes = (uint32_t *)(void *)spare;
    for (uint32_t i = 0; i < t->n; i++) {
        hashes[i] = cs_table_hashes(t)[items[i].entry];
    }
    memcpy(cs_table_hashes(t), hashes, sizeof *hashes * (size_t)t->n);
}

void cs_table_sort(cs_table *t)
{
    if (t->sorted) {
        return;
    }
    cs_assert(!t->frozen);
    if (in_order(t)) {
        t->sorted = true;
        return;
    }
    if (t->n <= 12) {
        insertion_sort(t);
    } else {
        sort_item *items = cs_alloc_array(t->n, 2 * sizeof *items);
        bool strings = true;
        for (uint32_t i = 0; i < t->n && strings; i++) {
            strings = t->keys[i].kind == CS_STRING;
        }
        for (uint32_t i = 0; i < t->n; i++) {
            items[i] = (sort_item){strings ? prefix_of(t->keys[i]) : 0, i};
        }
        cs_value *spare = cs_alloc_array(t->n, sizeof *spare);
        merge_sort(t, items, items + t->n, t->n);
        permute(t, items, spare);
        cs_free(spare);
        cs_free(items);
    }
    cs_value__index(t);
    t->sorted = true;
}
