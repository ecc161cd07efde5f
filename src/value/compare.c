/* The total order, equality and hashing of values. */
#include "countersign/number.h"
#include "internal.h"

static int compare_strings(cs_value a, cs_value b)
{
    uint32_t least = a.n < b.n ? a.n : b.n;
    int order = least == 0 ? 0 : memcmp(a.u.s, b.u.s, least);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_arrays(cs_value a, cs_value b)
{
    uint32_t least = a.n < b.n ? a.n : b.n;
    for (uint32_t i = 0; i < least; i++) {
        int order = cs_compare(a.u.items[i], b.u.items[i]);
        if (order != 0) {
            return order;
        }
    }
    return (a.n > b.n) - (a.n < b.n);
}

/* Entry by entry in the order of keys, key before value; then the shorter one is less. Sets have no values. */
static int compare_tables(cs_table *a, cs_table *b)
{
    if (a == b) {
        return 0;
    }
    cs_table_sort(a);
    cs_table_sort(b);
    uint32_t least = a->n < b->n ? a->n : b->n;
    for (uint32_t i = 0; i < least; i++) {
        int order = cs_compare(a->keys[i], b->keys[i]);
        if (order == 0 && a->vals != NULL) {
            order = cs_compare(a->vals[i], b->vals[i]);
        }
        if (order != 0) {
            return order;
        }
    }
    return (a->n > b->n) - (a->n < b->n);
}

int cs_compare(cs_value a, cs_value b)
{
    if (a.kind != b.kind) {
        return a.kind < b.kind ? -1 : 1;
    }
    switch ((cs_kind)a.kind) {
    case CS_BOOL:
        return (int)(a.u.i != 0) - (int)(b.u.i != 0);
    case CS_NUMBER:
        return cs_number_compare(a, b);
    case CS_STRING:
        return compare_strings(a, b);
    case CS_ARRAY:
        return compare_arrays(a, b);
    case CS_OBJECT:
    case CS_SET:
        return compare_tables(a.u.table, b.u.table);
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_PRIVATE:
        break;
    }
    return 0;
}

static bool equal_tables(const cs_table *a, const cs_table *b)
{
    if (a == b) {
        return true;
    }
    if (a->n != b->n) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        /* Two tables made alike have their entries in the same places. */
        uint32_t j = i;
        if (cs_table_hashes(a)[i] != cs_table_hashes(b)[i] || !cs_equal(a->keys[i], b->keys[i])) {
            j = cs_value__find(b, a->keys[i], cs_table_hashes(a)[i]);
            if (j == CS_TABLE_NONE) {
                return false;
            }
        }
        if (a->vals != NULL && !cs_equal(a->vals[i], b->vals[j])) {
            return false;
        }
    }
    return true;
}

bool cs_equal(cs_value a, cs_value b)
{
    if (a.kind != b.kind) {
        return false;
    }
    switch ((cs_kind)a.kind) {
    case CS_STRING:
        return a.n == b.n && (a.u.s == b.u.s || a.n == 0 || memcmp(a.u.s, b.u.s, a.n) == 0);
    case CS_NUMBER:
        return cs_number_compare(a, b) == 0;
    case CS_BOOL:
        return (a.u.i != 0) == (b.u.i != 0);
    case CS_ARRAY:
        if (a.n != b.n) {
            return false;
        }
        for (uint32_t i = 0; i < a.n && a.u.items != b.u.items; i++) {
            if (!cs_equal(a.u.items[i], b.u.items[i])) {
                return false;
            }
        }
        return true;
    case CS_OBJECT:
    case CS_SET:
        return equal_tables(a.u.table, b.u.table);
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_PRIVATE:
        break;
    }
    return true;
}

uint32_t cs_hash(cs_value v)
{
    switch ((cs_kind)v.kind) {
    case CS_STRING:
        return cs_hash_bytes(v.u.s, v.n);
    case CS_NUMBER:
        return cs_number_hash(v);
    case CS_BOOL:
        return v.u.i != 0 ? 0x7E11U : 0xFA15U;
    case CS_ARRAY: {
        uint32_t h = 0xA88AU;
        for (uint32_t i = 0; i < v.n; i++) {
            h = cs_value__mix(h, cs_hash(v.u.items[i]));
        }
        return h;
    }
    case CS_OBJECT:
    case CS_SET: {
        /* A sum, so that the order of insertion does not show. */
        const cs_table *t = v.u.table;
        uint32_t h = v.kind;
        for (uint32_t i = 0; i < t->n; i++) {
            h += cs_value__mix(cs_table_hashes(t)[i], t->vals != NULL ? cs_hash(t->vals[i]) : v.kind);
        }
        return cs_value__mix(h, t->n);
    }
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_PRIVATE:
        break;
    }
    return v.kind;
}
