/* strings.any_prefix_match and any_suffix_match: many strings against many. */
#include <stdlib.h>

#include "rego/builtin/internal.h"

/* Below this product of sizes everything is compared with everything. */
#define FEW 256U

static bool matches(cs_slice s, cs_slice affix, bool suffix)
{
    return suffix ? cs_slice_ends(s, affix) : cs_slice_starts(s, affix);
}

/* Operand i as a list of strings; a single string is a list of one. */
static cs_err string_list(cs_call *call, uint32_t i, const cs_value **items, uint32_t *n)
{
    const cs_value *v = &call->args[i - 1];
    if (v->kind == CS_STRING) {
        *items = v;
        *n = 1;
        return CS_OK;
    }
    if (!cs_call__is_list(*v)) {
        return cs_call_type_error(call, i, "string, set, array");
    }
    if (v->kind == CS_SET) {
        cs_table_sort(v->u.table);
    }
    *items = v->kind == CS_ARRAY ? v->u.items : v->u.table->keys;
    *n = cs_count(*v);
    for (uint32_t at = 0; at < *n; at++) {
        /* The strings of a set stand together: when its ends are strings, all of it is. */
        uint32_t look = v->kind == CS_SET && at > 0 ? *n - 1 : at;
        if ((*items)[look].kind != CS_STRING) {
            return cs_call__element_error(call, i, *v, (*items)[look], "string");
        }
        if (v->kind == CS_SET && look == *n - 1) {
            break;
        }
    }
    return CS_OK;
}

/* One string against a set: each of its own affixes is looked up, so the size of the set does not matter. */
static bool affix_in_set(cs_slice s, cs_value set, bool suffix)
{
    for (size_t n = 0; n <= s.n; n++) {
        cs_slice affix = suffix ? cs_slice_sub(s, s.n - n, s.n) : cs_slice_sub(s, 0, n);
        if (cs_set_has(set, cs_string(affix))) {
            return true;
        }
    }
    return false;
}

static int compare_strings(const void *x, const void *y)
{
    return cs_slice_compare(cs_text(*(const cs_value *)x), cs_text(*(const cs_value *)y));
}

/* A sorted copy, each string reversed bytewise if suffixes are wanted. */
static cs_value *sorted_copy(cs_call *call, const cs_value *items, uint32_t n, bool reverse)
{
    cs_value *copy = cs_arena_alloc(call->arena, n * sizeof *copy);
    memcpy(copy, items, n * sizeof *copy);
    for (uint32_t i = 0; reverse && i < n; i++) {
        char *p = cs_arena_alloc(call->arena, copy[i].n + 1U);
        for (uint32_t k = 0; k < copy[i].n; k++) {
            p[k] = copy[i].u.s[copy[i].n - 1 - k];
        }
        copy[i].u.s = p;
    }
    qsort(copy, n, sizeof *copy, compare_strings);
    return copy;
}

/* Strings with a common prefix stand together in the sorted list, right behind the prefix itself. */
static bool any_by_order(cs_call *call, const cs_value *strings, uint32_t n, const cs_value *affixes, uint32_t m,
                         bool suffix)
{
    cs_value *sorted = sorted_copy(call, strings, n, suffix);
    cs_value *wanted = suffix ? sorted_copy(call, affixes, m, true) : NULL;
    for (uint32_t i = 0; i < m; i++) {
        cs_slice prefix = cs_text(wanted ? wanted[i] : affixes[i]);
        uint32_t from = 0, to = n;
        while (from < to) {
            uint32_t at = from + (to - from) / 2;
            if (cs_slice_compare(cs_text(sorted[at]), prefix) < 0) {
                from = at + 1;
            } else {
                to = at;
            }
        }
        if (from < n && cs_slice_starts(cs_text(sorted[from]), prefix)) {
            return true;
        }
    }
    return false;
}

static cs_err any_match(cs_call *call, bool suffix, cs_value *out)
{
    const cs_value *strings, *affixes;
    uint32_t n, m;
    CS_TRY(string_list(call, 1, &strings, &n));
    CS_TRY(string_list(call, 2, &affixes, &m));
    if (n == 1 && call->args[1].kind == CS_SET && m > strings[0].n) {
        return cs_call__give(out, cs_bool(affix_in_set(cs_text(strings[0]), call->args[1], suffix)));
    }
    if (n > 1 && m > 1 && (uint64_t)n * m > FEW) {
        return cs_call__give(out, cs_bool(any_by_order(call, strings, n, affixes, m, suffix)));
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < m; k++) {
            if (matches(cs_text(strings[i]), cs_text(affixes[k]), suffix)) {
                return cs_call__give(out, cs_bool(true));
            }
        }
    }
    return cs_call__give(out, cs_bool(false));
}

cs_err cs_builtin__strings_any_prefix_match(cs_call *call, cs_value *out)
{
    return any_match(call, false, out);
}

cs_err cs_builtin__strings_any_suffix_match(cs_call *call, cs_value *out)
{
    return any_match(call, true, out);
}
