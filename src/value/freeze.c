/* The one place where values cross from a request's arena to a world: a deep copy, sorted, indexed, written once. */
#include "countersign/base/mem.h"
#include "internal.h"

#define SHARED_MAX 64U /* longer strings repeat too seldom to be worth a look */

/* Strings met so far, so that equal ones become one copy. Open addressing; lives for one freeze. */
typedef struct interned {
    cs_value *slots;
    uint32_t *hashes;
    uint32_t mask;
    uint32_t n;
} interned;

static void widen(interned *t)
{
    uint32_t old = t->slots != NULL ? t->mask + 1 : 0;
    uint32_t size = old == 0 ? 256 : old * 2;
    cs_value *slots = cs_zalloc(sizeof *slots * (size_t)size);
    uint32_t *hashes = cs_alloc_array(size, sizeof *hashes);
    for (uint32_t i = 0; i < old; i++) {
        if (t->slots[i].kind == CS_UNDEFINED) {
            continue;
        }
        uint32_t at = t->hashes[i] & (size - 1);
        while (slots[at].kind != CS_UNDEFINED) {
            at = (at + 1) & (size - 1);
        }
        slots[at] = t->slots[i];
        hashes[at] = t->hashes[i];
    }
    cs_free(t->slots);
    cs_free(t->hashes);
    t->slots = slots;
    t->hashes = hashes;
    t->mask = size - 1;
}

static cs_value freeze_string(cs_arena *a, interned *t, cs_value v, uint32_t hash)
{
    if (v.n > SHARED_MAX) {
        return cs_string_copy(a, cs_text(v));
    }
    if (t->slots == NULL || t->n * 2 > t->mask) {
        widen(t);
    }
    uint32_t at = hash & t->mask;
    for (; t->slots[at].kind != CS_UNDEFINED; at = (at + 1) & t->mask) {
        if (t->hashes[at] == hash && cs_equal(t->slots[at], v)) {
            return t->slots[at];
        }
    }
    t->slots[at] = cs_string_copy(a, cs_text(v));
    t->hashes[at] = hash;
    t->n++;
    return t->slots[at];
}

static cs_value freeze_value(cs_arena *a, interned *t, cs_value v);

static cs_value freeze_table(cs_arena *a, interned *strings, cs_value v)
{
    const cs_table *from = v.u.table;
    cs_table *to = cs_value__table(a, from->n, from->vals != NULL);
    to->n = from->n;
    to->sorted = from->sorted;
    for (uint32_t i = 0; i < from->n; i++) {
        to->hashes[i] = from->hashes[i];
        to->keys[i] = from->keys[i].kind == CS_STRING ? freeze_string(a, strings, from->keys[i], from->hashes[i])
                                                      : freeze_value(a, strings, from->keys[i]);
        if (from->vals != NULL) {
            to->vals[i] = freeze_value(a, strings, from->vals[i]);
        }
    }
    cs_table_sort(to);
    cs_value__index(a, to);
    to->frozen = true;
    v.u.table = to;
    return v;
}

static cs_value freeze_value(cs_arena *a, interned *t, cs_value v)
{
    switch ((cs_kind)v.kind) {
    case CS_STRING:
        return freeze_string(a, t, v, v.n > SHARED_MAX ? 0 : cs_hash(v));
    case CS_NUMBER:
        if (v.form == CS_NUMBER_TEXT) {
            cs_number *copy = cs_arena_alloc(a, sizeof *copy);
            *copy = *v.u.number;
            copy->text.p = cs_arena_dup(a, copy->text.p, copy->text.n);
            v.u.number = copy;
        }
        return v;
    case CS_ARRAY: {
        if (v.n == 0) {
            return v;
        }
        cs_value *items = cs_arena_alloc(a, sizeof *items * (size_t)v.n);
        for (uint32_t i = 0; i < v.n; i++) {
            items[i] = freeze_value(a, t, v.u.items[i]);
        }
        v.u.items = items;
        return v;
    }
    case CS_OBJECT:
    case CS_SET:
        return freeze_table(a, t, v);
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_BOOL:
    case CS_PRIVATE:
        break;
    }
    return v;
}

cs_value cs_freeze(cs_arena *a, cs_value v)
{
    interned strings = {0};
    cs_value frozen = freeze_value(a, &strings, v);
    cs_free(strings.slots);
    cs_free(strings.hashes);
    return frozen;
}
