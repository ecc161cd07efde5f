/* The list of a revision: what its manifests have, what the revisions before it had, and what the sidecars say of both.
 * Clients of the last few revisions are served side by side, so that neither a manifest that is published before its
 * client nor one behind an old client refuses anybody. */
#include "making.h"

enum { REVISIONS_MAX = 64 };

static bool is_removed(cs_value entry)
{
    return cs_equal(cs_pq__member(entry, "state"), cs_string(CS_LIT("removed")));
}

/* Of the entry for all, or of one for a client: they say the same. */
static cs_value revisions_of(cs_value entry)
{
    cs_value clients = cs_pq__member(entry, "clients"), own = entry;
    if (cs_is_undefined(cs_pq__general(entry))) {
        (void)cs_entry(clients, 0, &own);
    }
    return cs_pq__member(own, "revisions");
}

/* ---- the order of revisions: what the chains say, else by name ("r9" before "r10") */

typedef struct order {
    cs_value names[REVISIONS_MAX];
    uint64_t after[REVISIONS_MAX]; /* bit j: it comes behind names[j] */
    size_t n;
} order;

static int by_name(cs_slice x, cs_slice y)
{
    size_t i = 0, k = 0;
    while (i < x.n && k < y.n) {
        size_t from_x = i, from_y = k;
        while (i < x.n && x.p[i] >= '0' && x.p[i] <= '9') {
            i++;
        }
        while (k < y.n && y.p[k] >= '0' && y.p[k] <= '9') {
            k++;
        }
        uint64_t a, b;
        if (i > from_x && k > from_y && cs_slice_u64(cs_slice_sub(x, from_x, i), &a) &&
            cs_slice_u64(cs_slice_sub(y, from_y, k), &b) && a != b) {
            return a < b ? -1 : 1;
        }
        if (i == from_x && k == from_y) {
            if (x.p[i] != y.p[k]) {
                return (uint8_t)x.p[i] < (uint8_t)y.p[k] ? -1 : 1;
            }
            i++;
            k++;
        } else if (i == from_x || k == from_y) {
            break;
        }
    }
    return cs_slice_compare(x, y);
}

/* SIZE_MAX beyond the most. */
static size_t find_or_add(order *o, cs_value name)
{
    for (size_t i = 0; i < o->n; i++) {
        if (cs_equal(o->names[i], name)) {
            return i;
        }
    }
    if (o->n == REVISIONS_MAX) {
        return SIZE_MAX;
    }
    o->names[o->n] = name;
    o->after[o->n] = 0;
    return o->n++;
}

static void add_chain(order *o, cs_value chain)
{
    size_t before = SIZE_MAX;
    for (uint32_t i = 0; cs_is(chain, CS_ARRAY) && i < chain.n; i++) {
        size_t at = cs_pq__is_text(chain.u.items[i]) ? find_or_add(o, chain.u.items[i]) : SIZE_MAX;
        if (at != SIZE_MAX && before != SIZE_MAX && at != before) {
            o->after[at] |= UINT64_C(1) << before;
        }
        before = at != SIZE_MAX ? at : before;
    }
}

/* The next one: of those with nothing left in front of them, or (if the chains contradict each other) of all. */
static size_t pick(const order *o, uint64_t taken)
{
    size_t best = SIZE_MAX;
    bool best_free = false;
    for (size_t i = 0; i < o->n; i++) {
        if ((taken >> i & 1U) != 0) {
            continue;
        }
        bool is_free = (o->after[i] & ~taken) == 0;
        if (best == SIZE_MAX || (is_free && !best_free) ||
            (is_free == best_free && by_name(cs_text(o->names[i]), cs_text(o->names[best])) < 0)) {
            best = i;
            best_free = is_free;
        }
    }
    return best;
}

/* The last `keep` revisions, oldest first, the one that is made at the end. */
static cs_value window_of(cs_pq_list *list, const cs_pq_making *making)
{
    order *o = cs_arena_new(list->arena, order);
    for (uint32_t i = 0; i < list->revisions.n; i++) {
        add_chain(o, list->revisions.u.items[i]);
    }
    for (uint32_t i = 0; i < cs_count(list->previous); i++) {
        cs_value entry;
        (void)cs_entry(list->previous, i, &entry);
        add_chain(o, is_removed(entry) ? cs_undefined() : revisions_of(entry));
    }
    cs_value *sorted = cs_arena_array(list->arena, cs_value, o->n + 1);
    uint64_t taken = 0;
    size_t n = 0;
    for (size_t i = 0; i < o->n; i++) {
        size_t at = pick(o, taken);
        taken |= UINT64_C(1) << at;
        if (!cs_slice_eq(cs_text(o->names[at]), making->revision)) {
            sorted[n++] = o->names[at];
        }
    }
    sorted[n++] = cs_string(making->revision);
    size_t keep = making->keep < n ? making->keep : n;
    return cs_array(sorted + (n - keep), keep);
}

static bool has(cs_value array, cs_value item)
{
    for (uint32_t i = 0; cs_is(array, CS_ARRAY) && i < array.n; i++) {
        if (cs_equal(array.u.items[i], item)) {
            return true;
        }
    }
    return false;
}

/* Those of the window in which the entry was, in the window's order. */
static cs_value revisions_in(cs_arena *a, cs_value window, cs_value revisions, bool now)
{
    cs_value out = cs_array(NULL, 0);
    for (uint32_t i = 0; i < window.n; i++) {
        if (has(revisions, window.u.items[i]) || (now && i + 1 == window.n)) {
            out = cs_pq__append(a, out, window.u.items[i]);
        }
    }
    return out;
}

/* ---- entries */

/* One entry with its revisions, and an end (if one is given) unless it has one or would end before it begins. */
static cs_value dated(cs_arena *a, cs_value entry, cs_value revisions, cs_value end)
{
    cs_value out = cs_object_clone(a, entry, 2), from = cs_pq__member(entry, "not_before");
    cs_object_put_text(a, out, "revisions", revisions);
    bool begun = !cs_is(from, CS_NUMBER) || cs_compare(from, end) < 0;
    if (cs_is(end, CS_NUMBER) && begun && cs_is_undefined(cs_pq__member(entry, "retired_at"))) {
        cs_object_put_text(a, out, "retired_at", end);
    }
    return out;
}

/* The same for an entry with those of its clients. */
static cs_value all_dated(cs_arena *a, cs_value entry, cs_value revisions, cs_value end)
{
    cs_value general = cs_pq__general(entry), clients = cs_pq__member(entry, "clients");
    cs_value out = cs_is_undefined(general) ? cs_object_new(a, 1) : dated(a, general, revisions, end);
    if (cs_is(clients, CS_OBJECT)) {
        cs_value made = cs_object_new(a, cs_count(clients));
        for (uint32_t i = 0; i < cs_count(clients); i++) {
            cs_value own, name = cs_entry(clients, i, &own);
            cs_object_put(a, made, name, dated(a, own, revisions, end));
        }
        cs_object_put_text(a, out, "clients", made);
    }
    return out;
}

/* One list with the revisions of both; what comes later counts. */
cs_err cs_pq_add_previous(cs_pq_list *list, const char *file, cs_value operations, cs_value revisions, cs_error *e)
{
    cs_arena *a = list->arena;
    cs_error why = {0};
    if (cs_pq_check(operations, &why) != CS_OK) {
        return cs_fail(e, CS_ERR_INVALID, "%s: %s", file, why.text);
    }
    bool known = cs_is(revisions, CS_ARRAY) && revisions.n != 0;
    cs_value last = known ? revisions.u.items[revisions.n - 1] : cs_string(CS_LIT("earlier"));
    if (known) {
        list->revisions = cs_pq__append(a, list->revisions, revisions);
    }
    cs_value merged = cs_object_clone(a, list->previous, cs_count(operations));
    for (uint32_t i = 0; i < cs_count(operations); i++) {
        cs_value entry, id = cs_entry(operations, i, &entry);
        const cs_value *before = cs_object_get(merged, id);
        if (!is_removed(entry) && !cs_is(revisions_of(entry), CS_ARRAY)) {
            entry = all_dated(a, entry, cs_array_copy(a, &last, 1), cs_undefined()); /* written by hand */
        }
        if (before != NULL && !is_removed(*before) && is_removed(entry)) {
            continue;
        }
        if (before != NULL && !is_removed(*before)) {
            if (cs_pq__is_other_document(*before, entry)) {
                return cs_fail(e, CS_ERR_INVALID, "%s: operations.%.*s: the id stands for another document already",
                               file, CS_FMT(cs_text(id)));
            }
            cs_value all = revisions_of(*before), mine = revisions_of(entry);
            all = cs_is(all, CS_ARRAY) ? all : cs_array(NULL, 0);
            for (uint32_t k = 0; cs_is(mine, CS_ARRAY) && k < mine.n; k++) {
                all = has(all, mine.u.items[k]) ? all : cs_pq__append(a, all, mine.u.items[k]);
            }
            entry = all_dated(a, entry, all, cs_undefined());
        }
        cs_object_put(a, merged, id, entry);
    }
    list->previous = merged;
    return CS_OK;
}

/* The revision that a tombstone remembers. */
static cs_value last_seen(cs_value entry)
{
    cs_value revisions = is_removed(entry) ? cs_undefined() : revisions_of(entry);
    return is_removed(entry)                                ? cs_pq__member(entry, "seen_in")
           : cs_is(revisions, CS_ARRAY) && revisions.n != 0 ? revisions.u.items[revisions.n - 1]
                                                            : cs_undefined();
}

static cs_value tombstone(cs_arena *a, cs_value entry)
{
    cs_value out = cs_object_new(a, 3), seen = last_seen(entry), name = cs_pq__member(entry, "name");
    cs_object_put_text(a, out, "state", cs_string(CS_LIT("removed")));
    if (cs_is(seen, CS_STRING)) {
        cs_object_put_text(a, out, "seen_in", seen);
    }
    if (cs_is(name, CS_STRING)) {
        cs_object_put_text(a, out, "name", name);
    }
    return out;
}

/* Of a document that the manifests dropped: is it still listed? */
static cs_value kept(cs_pq_list *list, const cs_pq_making *making, cs_value window, cs_value entry,
                     uint32_t *remembered)
{
    cs_arena *a = list->arena;
    cs_value revisions = is_removed(entry) ? cs_array(NULL, 0) : revisions_in(a, window, revisions_of(entry), false);
    if (revisions.n == 0) {
        return ++*remembered <= CS_PQ_REMEMBERED ? tombstone(a, entry) : cs_undefined();
    }
    bool ends = making->retire_after_ns > 0;
    return all_dated(a, entry, revisions, ends ? cs_int(making->now_ns + making->retire_after_ns) : cs_undefined());
}

static cs_err unite(cs_pq_list *list, const cs_pq_making *making, cs_value window, cs_value *out, cs_error *e)
{
    cs_arena *a = list->arena;
    cs_value all = cs_object_new(a, cs_count(list->current) + cs_count(list->previous));
    uint32_t remembered = 0;
    for (uint32_t i = 0; i < cs_count(list->previous); i++) {
        cs_value entry, id = cs_entry(list->previous, i, &entry);
        const cs_value *now = cs_object_get(list->current, id);
        if (now != NULL) {
            if (!is_removed(entry) && cs_pq__is_other_document(*now, entry)) {
                return cs_fail(e, CS_ERR_INVALID, "the id %.*s stood for another document in an earlier revision",
                               CS_FMT(cs_text(id)));
            }
            continue;
        }
        entry = kept(list, making, window, entry, &remembered);
        if (!cs_is_undefined(entry)) {
            cs_object_put(a, all, id, entry);
        }
    }
    for (uint32_t i = 0; i < cs_count(list->current); i++) {
        cs_value entry, id = cs_entry(list->current, i, &entry);
        const cs_value *before = cs_object_get(list->previous, id);
        bool listed = before != NULL && !is_removed(*before);
        cs_value revisions = listed ? revisions_of(*before) : cs_undefined();
        cs_object_put(a, all, id, all_dated(a, entry, revisions_in(a, window, revisions, true), cs_undefined()));
    }
    *out = all;
    return CS_OK;
}

/* A mutation about which nothing is said: nobody has thought about its risk. */
static cs_value warn(cs_pq_list *list, cs_value operations)
{
    cs_value out = cs_array(NULL, 0);
    for (uint32_t i = 0; i < cs_count(operations); i++) {
        cs_value entry, id = cs_entry(operations, i, &entry), name = cs_pq__member(entry, "name");
        cs_value kind = cs_pq__member(entry, "kind"), tags = cs_pq__member(entry, "risk_tags");
        bool mutation = cs_is(kind, CS_STRING) && cs_slice_is(cs_text(kind), "mutation");
        if (mutation && cs_count(tags) == 0 && cs_is_undefined(cs_pq__member(entry, "cost"))) {
            cs_slice shown = cs_is(name, CS_STRING) ? cs_text(name) : CS_LIT("without a name");
            out =
                cs_pq__append(list->arena, out,
                              cs_string_printf(list->arena, "the mutation %.*s (%.*s) has neither risk tags nor a cost",
                                               CS_FMT(shown), CS_FMT(cs_text(id))));
        }
    }
    return out;
}

cs_err cs_pq_make(cs_pq_list *list, const cs_pq_making *making, cs_value *operations, cs_value *revisions,
                  cs_value *warnings, cs_error *e)
{
    cs_value window = window_of(list, making), all;
    CS_TRY(unite(list, making, window, &all, e));
    CS_TRY(cs_pq__apply_sidecars(list, &all, e));
    CS_TRY(cs_pq_check(all, e));
    *operations = all;
    *revisions = window;
    *warnings = warn(list, all);
    return CS_OK;
}
