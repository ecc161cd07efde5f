/* Collections as they were written. The reference evaluator binds a variable to the literal itself, so what goes over
 * `{v, 2}`, or looks into it, meets its parts as they stand there, in the order of terms: with `v` bound to 2 an
 * element comes twice, and of an object's equal keys the first is found. Whatever makes a value of the literal (a call
 * of a built-in, the head of a rule or a comprehension, `with`) ends that, and then the last of equal keys counts.
 *
 * Here a register has the value, marked by its aux, and behind the value are the parts. Only readers of registers look
 * at the mark; what is inside of a value never has it. */
#include "rego/vm/internal.h"

typedef struct written {
    cs_table table; /* first: the value's own */
    cs_value *parts;
    uint32_t n; /* elements, or pairs */
} written;

static bool any_written(const cs_value *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (items[i].aux == CS_AUX_WRITTEN) {
            return true;
        }
    }
    return false;
}

cs_value cs_vm__array(cs_run *run, const cs_value *items, uint32_t n)
{
    if (!any_written(items, n)) {
        return cs_array_copy(run->arena, items, n);
    }
    cs_value *both = cs_arena_alloc(run->arena, 2 * (size_t)n * sizeof *both); /* the values, then the parts */
    for (uint32_t i = 0; i < n; i++) {
        both[i] = cs_vm__plain(items[i]);
        both[n + i] = items[i];
    }
    cs_value array = cs_array(both, n);
    array.aux = CS_AUX_WRITTEN;
    return array;
}

static cs_value keep_parts(cs_run *run, cs_value made, const cs_value *parts, uint32_t n, uint32_t n_values)
{
    if (n == 0 || (n == 1 && !any_written(parts, n_values))) {
        return made;
    }
    written *w = cs_arena_alloc(run->arena, sizeof *w);
    w->table = *made.u.table;
    w->n = n;
    w->parts = cs_arena_alloc(run->arena, n_values * sizeof *parts);
    memcpy(w->parts, parts, n_values * sizeof *parts);
    made.u.table = &w->table;
    made.aux = CS_AUX_WRITTEN;
    return made;
}

cs_value cs_vm__set(cs_run *run, const cs_value *items, uint32_t n)
{
    cs_value set = cs_set_new(run->arena, n);
    for (uint32_t i = 0; i < n; i++) {
        (void)cs_set_add(run->arena, set, cs_vm__plain(items[i]));
    }
    return keep_parts(run, set, items, n, n);
}

cs_value cs_vm__object(cs_run *run, const cs_value *pairs, uint32_t n)
{
    cs_value object = cs_object_new(run->arena, n);
    for (uint32_t i = 0; i < n; i++) {
        cs_object_put(run->arena, object, cs_vm__plain(pairs[2 * i]), cs_vm__plain(pairs[2 * i + 1]));
    }
    return keep_parts(run, object, pairs, n, 2 * n);
}

uint32_t cs_vm__written_count(cs_value v)
{
    return v.aux == CS_AUX_WRITTEN && v.kind != CS_ARRAY ? ((const written *)v.u.p)->n : cs_count(v);
}

/* Objects of different lengths are different, though their keys may be equal. */
bool cs_vm__written_equal(cs_value x, cs_value y)
{
    if (x.kind == CS_OBJECT && y.kind == CS_OBJECT && cs_vm__written_count(x) != cs_vm__written_count(y)) {
        return false;
    }
    return cs_equal(x, y);
}

cs_value cs_vm__written_index(cs_value v, cs_value key)
{
    if (v.kind == CS_ARRAY) {
        return cs_index(cs_array(v.u.items + v.n, v.n), key);
    }
    if (v.kind == CS_SET) {
        return cs_index(v, key);
    }
    const written *w = v.u.p;
    for (uint32_t i = 0; i < w->n; i++) {
        if (cs_equal(w->parts[2 * i], key)) {
            return w->parts[2 * i + 1];
        }
    }
    return cs_undefined();
}

bool cs_vm__written_next(cs_value v, uint32_t at, cs_value *key, cs_value *value)
{
    if (at >= cs_vm__written_count(v)) {
        return false;
    }
    if (v.kind == CS_ARRAY) {
        *key = cs_int(at);
        *value = v.u.items[v.n + at];
        return true;
    }
    const written *w = v.u.p;
    *key = w->parts[v.kind == CS_SET ? at : 2 * at];
    *value = v.kind == CS_SET ? *key : cs_vm__written_index(v, *key);
    return true;
}
