/* The lattice of types, after OPA v1/types/types.go. */
#include "rego/types/type.h"

#include "countersign/number.h"

const cs_type cs_type_null = {.kind = CS_TYPE_NULL};
const cs_type cs_type_bool = {.kind = CS_TYPE_BOOL};
const cs_type cs_type_number = {.kind = CS_TYPE_NUMBER};
const cs_type cs_type_string = {.kind = CS_TYPE_STRING};
const cs_type cs_type_nil = {.kind = CS_TYPE_NAMED};
const cs_type cs_type_any = {.kind = CS_TYPE_ANY};

static const cs_type **copy_list(cs_arena *a, const cs_type *const *list, uint32_t n)
{
    const cs_type **copy = cs_arena_alloc(a, (n ? n : 1) * sizeof *copy);
    for (uint32_t i = 0; i < n; i++) {
        copy[i] = list[i];
    }
    return copy;
}

/* ------------------------------------------------------------------------------------------------ constructors */

const cs_type *cs_type_array(cs_arena *a, const cs_type *const *items, uint32_t n, const cs_type *dynamic)
{
    cs_type *t = cs_arena_new(a, cs_type);
    *t = (cs_type){.kind = CS_TYPE_ARRAY, .of = copy_list(a, items, n), .n = n, .dynamic = dynamic};
    return t;
}

const cs_type *cs_type_object(cs_arena *a, const cs_value *keys, const cs_type *const *values, uint32_t n,
                              const cs_type *key, const cs_type *dynamic)
{
    cs_value *sorted = cs_arena_alloc(a, (n ? n : 1) * sizeof *sorted);
    const cs_type **of = cs_arena_alloc(a, (n ? n : 1) * sizeof *of);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = i;
        for (; at > 0 && cs_compare(sorted[at - 1], keys[i]) > 0; at--) {
            sorted[at] = sorted[at - 1];
            of[at] = of[at - 1];
        }
        sorted[at] = keys[i];
        of[at] = values[i];
    }
    cs_type *t = cs_arena_new(a, cs_type);
    *t = (cs_type){.kind = CS_TYPE_OBJECT, .of = of, .keys = sorted, .n = n, .key = key, .dynamic = dynamic};
    return t;
}

const cs_type *cs_type_set(cs_arena *a, const cs_type *of)
{
    cs_type *t = cs_arena_new(a, cs_type);
    *t = (cs_type){.kind = CS_TYPE_SET, .dynamic = of};
    return t;
}

const cs_type *cs_type_union(cs_arena *a, const cs_type *const *of, uint32_t n)
{
    cs_type *t = cs_arena_new(a, cs_type);
    *t = (cs_type){.kind = CS_TYPE_ANY, .of = copy_list(a, of, n), .n = n};
    for (uint32_t i = 1; i < n; i++) {
        const cs_type *moved = t->of[i];
        uint32_t at = i;
        for (; at > 0 && cs_type_compare(t->of[at - 1], moved) > 0; at--) {
            t->of[at] = t->of[at - 1];
        }
        t->of[at] = moved;
    }
    return t;
}

const cs_type *cs_type_function(cs_arena *a, const cs_type *const *args, uint32_t n, const cs_type *result)
{
    cs_type *t = cs_arena_new(a, cs_type);
    *t = (cs_type){.kind = CS_TYPE_FUNCTION, .of = copy_list(a, args, n), .n = n, .dynamic = result};
    return t;
}

static const cs_type *type_of_array(cs_arena *a, cs_value v)
{
    const cs_type **items = cs_arena_alloc(a, (v.n ? v.n : 1) * sizeof *items);
    for (uint32_t i = 0; i < v.n; i++) {
        items[i] = cs_type_of(a, v.u.items[i]);
    }
    return cs_type_array(a, items, v.n, NULL);
}

static const cs_type *type_of_table(cs_arena *a, cs_value v)
{
    uint32_t n = cs_count(v);
    if (v.kind == CS_SET) {
        const cs_type *of = NULL;
        for (uint32_t i = 0; i < n; i++) {
            of = cs_type_or(a, of, cs_type_of(a, cs_entry(v, i, NULL)));
        }
        return cs_type_set(a, of);
    }
    const cs_type **values = cs_arena_alloc(a, (n ? n : 1) * sizeof *values);
    cs_value *keys = cs_arena_alloc(a, (n ? n : 1) * sizeof *keys);
    for (uint32_t i = 0; i < n; i++) {
        cs_value value;
        keys[i] = cs_entry(v, i, &value);
        values[i] = cs_type_of(a, value);
    }
    return cs_type_object(a, keys, values, n, NULL, NULL);
}

const cs_type *cs_type_of(cs_arena *a, cs_value v)
{
    switch ((cs_kind)v.kind) {
    case CS_NULL:
        return &cs_type_null;
    case CS_BOOL:
        return &cs_type_bool;
    case CS_NUMBER:
        return &cs_type_number;
    case CS_STRING:
        return &cs_type_string;
    case CS_ARRAY:
        return type_of_array(a, v);
    case CS_OBJECT:
    case CS_SET:
        return type_of_table(a, v);
    case CS_UNDEFINED:
    case CS_PRIVATE:
        break;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ order */

/* How often a comparison may step from a recursive type into what it is before two are taken for the same. */
#define TURNS 1000

static int compare(const cs_type *x, const cs_type *y, int *turns);

static int compare_lists(const cs_type *x, const cs_type *y, int *turns)
{
    for (uint32_t i = 0; i < x->n && i < y->n; i++) {
        int c = compare(x->of[i], y->of[i], turns);
        if (c != 0) {
            return c;
        }
    }
    return x->n < y->n ? -1 : x->n > y->n;
}

static int compare_objects(const cs_type *x, const cs_type *y, int *turns)
{
    if (!x->dynamic != !y->dynamic) {
        return x->dynamic ? 1 : -1;
    }
    int c = compare(x->key, y->key, turns);
    if (c == 0) {
        c = compare(x->dynamic, y->dynamic, turns);
    }
    for (uint32_t i = 0; c == 0 && i < x->n && i < y->n; i++) {
        c = cs_compare(x->keys[i], y->keys[i]);
        if (c == 0) {
            c = compare(x->of[i], y->of[i], turns);
        }
    }
    return c != 0 ? c : x->n < y->n ? -1 : x->n > y->n;
}

static int compare_functions(const cs_type *x, const cs_type *y, int *turns)
{
    if (x->n != y->n) {
        return x->n < y->n ? -1 : 1;
    }
    int c = compare_lists(x, y, turns);
    if (c == 0) {
        c = compare(x->dynamic, y->dynamic, turns);
    }
    return c != 0 ? c : compare(x->variadic, y->variadic, turns);
}

static int compare(const cs_type *x, const cs_type *y, int *turns)
{
    const cs_type *from_x = cs_type_unnamed(x), *from_y = cs_type_unnamed(y);
    x = cs_type_bare(x);
    y = cs_type_bare(y);
    *turns += from_x != x || from_y != y;
    if (x == y || *turns > TURNS) {
        return 0;
    }
    if (!x || !y) {
        return x ? 1 : -1;
    }
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    switch (x->kind) {
    case CS_TYPE_ARRAY: {
        int c = compare(x->dynamic, y->dynamic, turns);
        return c != 0 ? c : compare_lists(x, y, turns);
    }
    case CS_TYPE_OBJECT:
        return compare_objects(x, y, turns);
    case CS_TYPE_SET:
        return compare(x->dynamic, y->dynamic, turns);
    case CS_TYPE_ANY:
        return compare_lists(x, y, turns);
    case CS_TYPE_FUNCTION:
        return compare_functions(x, y, turns);
    case CS_TYPE_NULL:
    case CS_TYPE_BOOL:
    case CS_TYPE_NUMBER:
    case CS_TYPE_STRING:
    case CS_TYPE_NAMED:
    case CS_TYPE_RECURSIVE:
        break;
    }
    return 0;
}

int cs_type_compare(const cs_type *x, const cs_type *y)
{
    int turns = 0;
    return compare(x, y, &turns);
}

/* ------------------------------------------------------------------------------------------------ unions */

static bool union_has(const cs_type *any, const cs_type *t)
{
    if (t && t->kind == CS_TYPE_FUNCTION) {
        return false;
    }
    if (any->n == 0) {
        return true;
    }
    for (uint32_t i = 0; i < any->n; i++) {
        if (cs_type_compare(any->of[i], t) == 0) {
            return true;
        }
    }
    return false;
}

bool cs_type_contains(const cs_type *x, const cs_type *y)
{
    x = cs_type_unnamed(x);
    return x && x->kind == CS_TYPE_ANY ? union_has(x, cs_type_unnamed(y)) : cs_type_compare(x, y) == 0;
}

static const cs_type *merge_unions(cs_arena *a, const cs_type *x, const cs_type *y)
{
    if (x->n == 0 || y->n == 0) {
        return x->n == 0 ? x : y;
    }
    const cs_type **of = cs_arena_alloc(a, ((size_t)x->n + y->n) * sizeof *of);
    uint32_t n = 0, i = 0, j = 0;
    while (i < x->n || j < y->n) {
        int c = i == x->n ? 1 : j == y->n ? -1 : cs_type_compare(x->of[i], y->of[j]);
        of[n++] = c <= 0 ? x->of[i] : y->of[j];
        i += c <= 0;
        j += c >= 0;
    }
    cs_type *t = cs_arena_new(a, cs_type);
    *t = (cs_type){.kind = CS_TYPE_ANY, .of = of, .n = n};
    return t;
}

static const cs_type *or_functions(cs_arena *a, const cs_type *x, const cs_type *y)
{
    if (x->n != y->n || !x->variadic != !y->variadic) {
        return NULL;
    }
    const cs_type **args = cs_arena_alloc(a, (x->n ? x->n : 1) * sizeof *args);
    for (uint32_t i = 0; i < x->n; i++) {
        args[i] = cs_type_or(a, x->of[i], y->of[i]);
    }
    cs_type *t = cs_arena_new(a, cs_type);
    *t = (cs_type){.kind = CS_TYPE_FUNCTION,
                   .of = args,
                   .n = x->n,
                   .dynamic = cs_type_or(a, x->dynamic, y->dynamic),
                   .variadic = cs_type_or(a, x->variadic, y->variadic)};
    return t;
}

const cs_type *cs_type_or(cs_arena *a, const cs_type *x, const cs_type *y)
{
    x = cs_type_unnamed(x);
    y = cs_type_unnamed(y);
    if (!x || !y) {
        return x ? x : y;
    }
    if (x->kind == CS_TYPE_FUNCTION || y->kind == CS_TYPE_FUNCTION) {
        return x->kind == y->kind ? or_functions(a, x, y) : NULL;
    }
    if (x->kind == CS_TYPE_ANY && y->kind == CS_TYPE_ANY) {
        return merge_unions(a, x, y);
    }
    if (x->kind == CS_TYPE_ANY || y->kind == CS_TYPE_ANY) {
        const cs_type *any = x->kind == CS_TYPE_ANY ? x : y;
        const cs_type *other = any == x ? y : x;
        if (union_has(any, other)) {
            return any;
        }
        const cs_type one = {.kind = CS_TYPE_ANY, .of = &other, .n = 1};
        return merge_unions(a, any, &one);
    }
    if (cs_type_compare(x, y) == 0) {
        return x;
    }
    const cs_type *both[] = {x, y};
    return cs_type_union(a, both, 2);
}

/* ------------------------------------------------------------------------------------------------ looking inside */

static const cs_type *select_in_set(cs_arena *a, const cs_type *t, cs_value key)
{
    const cs_type *k = cs_type_of(a, key);
    if (cs_type_compare(t->dynamic, k) == 0) {
        return t->dynamic;
    }
    const cs_type *of = cs_type_unnamed(t->dynamic);
    return of && of->kind == CS_TYPE_ANY && union_has(of, k) ? k : NULL;
}

const cs_type *cs_type_select(cs_arena *a, const cs_type *t, cs_value key)
{
    t = cs_type_bare(t);
    if (!t) {
        return NULL;
    }
    if (t->kind == CS_TYPE_ARRAY) {
        int64_t i;
        if (key.kind != CS_NUMBER || key.form != CS_NUMBER_INT || !cs_number_is_int(key, &i) || i < 0) {
            return NULL;
        }
        return i < (int64_t)t->n ? t->of[i] : t->dynamic;
    }
    if (t->kind == CS_TYPE_OBJECT) {
        for (uint32_t i = 0; i < t->n; i++) {
            if (cs_equal(t->keys[i], key)) {
                return t->of[i];
            }
        }
        return t->dynamic && cs_type_contains(t->key, cs_type_of(a, key)) ? cs_type_unnamed(t->dynamic) : NULL;
    }
    if (t->kind == CS_TYPE_SET) {
        return select_in_set(a, t, key);
    }
    if (t->kind != CS_TYPE_ANY) {
        return NULL;
    }
    const cs_type *sum = t->n == 0 ? t : NULL;
    for (uint32_t i = 0; i < t->n; i++) {
        sum = cs_type_or(a, cs_type_select(a, t->of[i], key), sum);
    }
    return sum;
}

const cs_type *cs_type_keys(cs_arena *a, const cs_type *t)
{
    t = cs_type_bare(t);
    if (!t) {
        return NULL;
    }
    const cs_type *sum = NULL;
    if (t->kind == CS_TYPE_ARRAY) {
        return &cs_type_number;
    }
    if (t->kind == CS_TYPE_OBJECT) {
        for (uint32_t i = 0; i < t->n; i++) {
            sum = cs_type_or(a, sum, cs_type_of(a, t->keys[i]));
        }
        return t->dynamic ? cs_type_or(a, sum, t->key) : sum;
    }
    if (t->kind == CS_TYPE_SET) {
        return t->dynamic;
    }
    if (cs_type_is_any(t)) {
        return t;
    }
    for (uint32_t i = 0; t->kind == CS_TYPE_ANY && i < t->n; i++) {
        sum = cs_type_or(a, cs_type_keys(a, t->of[i]), sum);
    }
    return sum;
}

const cs_type *cs_type_values(cs_arena *a, const cs_type *t)
{
    t = cs_type_bare(t);
    if (!t) {
        return NULL;
    }
    const cs_type *sum = NULL;
    if (t->kind == CS_TYPE_ARRAY || t->kind == CS_TYPE_OBJECT) {
        for (uint32_t i = 0; i < t->n; i++) {
            sum = cs_type_or(a, sum, t->of[i]);
        }
        return cs_type_or(a, sum, t->dynamic);
    }
    if (t->kind == CS_TYPE_SET) {
        return t->dynamic;
    }
    if (cs_type_is_any(t)) {
        return t;
    }
    for (uint32_t i = 0; t->kind == CS_TYPE_ANY && i < t->n; i++) {
        sum = cs_type_or(a, cs_type_values(a, t->of[i]), sum);
    }
    return sum;
}

const cs_type *cs_type_arg(const cs_type *function, uint32_t i)
{
    return cs_type_unnamed(i < function->n ? function->of[i] : function->variadic);
}
