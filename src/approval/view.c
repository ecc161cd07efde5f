/* Approvals as documents: for policies (instants in nanoseconds) and for people (RFC 3339). */
#include <stdlib.h>

#include "countersign/base/time.h"
#include "internal.h"

enum { SHOWN = 100, SHOWN_MOST = 500 };

static cs_value or_null(cs_value v)
{
    return cs_is_undefined(v) ? cs_null() : v;
}

static void copy(cs_arena *a, cs_value to, const char *name, cs_value from)
{
    cs_object_put_text(a, to, name, or_null(cs_approval__member(from, name)));
}

static cs_value own(cs_arena *a, cs_slice text)
{
    return cs_string_copy(a, text);
}

static uint32_t uses_left(const cs_approval__item *item)
{
    return item->used < item->uses ? item->uses - item->used : 0;
}

/* ---- data.approvals */

static cs_value row_document(cs_arena *a, const cs_approval__item *item, int64_t now)
{
    cs_value request = cs_approval__json(a, item->request);
    cs_approval__acts acts = cs_approval__read_acts(a, item);
    int64_t execute_by = cs_approval__execute_by(item);
    cs_value v = cs_object_new(a, 24);
    cs_object_put_text(a, v, "id", own(a, item->id));
    cs_object_put_text(a, v, "state", cs_string(cs_slice_of(cs_approval_state_name(cs_approval__state(item, now)))));
    copy(a, v, "requester", request);
    cs_object_put_text(a, v, "requested_at", cs_int(item->requested_ns));
    cs_object_put_text(a, v, "approve_by", cs_int(item->approve_by_ns));
    cs_object_put_text(a, v, "execute_by", execute_by != INT64_MAX ? cs_int(execute_by) : cs_null());
    cs_object_put_text(a, v, "escalated", cs_bool(cs_approval__is_escalated(item, now)));
    cs_object_put_text(a, v, "escalates_at", item->escalate_ns != INT64_MAX ? cs_int(item->escalate_ns) : cs_null());
    cs_object_put_text(a, v, "quorum", cs_int(item->quorum));
    cs_object_put_text(a, v, "have", cs_int(item->have));
    cs_object_put_text(a, v, "uses_left", cs_int(uses_left(item)));
    copy(a, v, "cost_nanos", request);
    copy(a, v, "groups", request);
    copy(a, v, "rules", request);
    copy(a, v, "escalation_groups", request);
    cs_object_put_text(a, v, "grants", acts.grants);
    cs_object_put_text(a, v, "rejections", acts.rejections);
    return v;
}

/* The newest of a digest; or the one before it, where that can be used: a decision that had used it up was taken back
 * after others had asked for the next one. */
static const cs_approval__item *usable(cs_approvals *x, cs_arena *a, const cs_approval__item *newest, int64_t now)
{
    if (newest->ordinal < 2 || cs_approval__state(newest, now) == CS_APPROVAL_APPROVED) {
        return newest;
    }
    cs_slice id = cs_approval__id(a, newest->tenant->name, newest->digest, newest->ordinal - 1);
    const cs_approval__item *former = cs_map_get(&x->by_id, id);
    return former != NULL && cs_approval__state(former, now) == CS_APPROVAL_APPROVED ? former : newest;
}

cs_value cs_approval__row(void *self, cs_value tenant, cs_arena *a)
{
    cs_approvals *x = self;
    if (!cs_is(tenant, CS_STRING)) {
        return cs_undefined();
    }
    cs_value row = cs_undefined();
    int64_t now = x->now_ns(x->now_self);
    cs_mutex_lock(&x->lock);
    const cs_approval__tenant *t = cs_approval__tenant_of(x, cs_text(tenant), false);
    for (const cs_approval__item *item = t != NULL ? t->first : NULL; item != NULL; item = item->older) {
        row = cs_is_undefined(row) ? cs_object_new(a, 8) : row;
        if (cs_approval__newest(x, t->name, item->digest) == item) {
            cs_object_put(a, row, own(a, item->digest), row_document(a, usable(x, a, item, now), now));
        }
    }
    cs_mutex_unlock(&x->lock);
    return row;
}

cs_value cs_approval__row_item(void *self, cs_value tenant, cs_value digest, cs_arena *a)
{
    cs_approvals *x = self;
    if (!cs_is(tenant, CS_STRING) || !cs_is(digest, CS_STRING)) {
        return cs_undefined();
    }
    int64_t now = x->now_ns(x->now_self);
    cs_mutex_lock(&x->lock);
    const cs_approval__item *item = cs_approval__newest(x, cs_text(tenant), cs_text(digest));
    cs_value v = item != NULL ? row_document(a, usable(x, a, item, now), now) : cs_undefined();
    cs_mutex_unlock(&x->lock);
    return v;
}

cs_value cs_approval__all(void *self, cs_arena *a)
{
    cs_approvals *x = self;
    CS_VEC(cs_value) names = {0};
    cs_mutex_lock(&x->lock);
    size_t cursor = 0;
    const cs_map_entry *e = NULL;
    while ((e = cs_map_next(&x->tenants, &cursor)) != NULL) {
        CS_VEC_PUSH_IN(a, &names, own(a, ((const cs_approval__tenant *)e->value)->name));
    }
    cs_mutex_unlock(&x->lock);
    cs_value all = cs_object_new(a, (uint32_t)names.n);
    for (size_t i = 0; i < names.n; i++) {
        cs_value row = cs_approval__row(x, names.v[i], a);
        if (!cs_is_undefined(row)) {
            cs_object_put(a, all, names.v[i], row);
        }
    }
    return all;
}

/* ---- for people */

static cs_value instant(cs_arena *a, int64_t ns)
{
    if (ns == 0 || ns == INT64_MAX) {
        return cs_null();
    }
    char text[40];
    size_t n = cs_time_format_rfc3339(ns, text);
    return cs_string_copy(a, cs_slice_make(text, n));
}

static void copy_instant(cs_arena *a, cs_value to, const char *name, cs_value from)
{
    int64_t ns = cs_approval__whole(from, name, 0);
    if (ns != 0) {
        cs_object_put_text(a, to, name, instant(a, ns));
    }
}

/* Acts without what only the machine wants. */
static cs_value shown_acts(cs_arena *a, cs_value list)
{
    static const char *const names[] = {"approver", "person", "groups", "verified", "comment", "on_behalf_of", "to"};
    cs_value *items = cs_arena_array(a, cs_value, list.n + 1);
    for (uint32_t i = 0; i < list.n; i++) {
        cs_value one = list.u.items[i];
        items[i] = cs_object_new(a, 8);
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            cs_value v = cs_approval__member(one, names[k]);
            if (!cs_is_undefined(v)) {
                cs_object_put_text(a, items[i], names[k], v);
            }
        }
        copy_instant(a, items[i], "at", one);
        copy_instant(a, items[i], "until", one);
    }
    return cs_array(items, list.n);
}

static cs_value variables(cs_arena *a, cs_value request)
{
    cs_slice text = cs_approval__text(request, "variables_json");
    return text.n > 0 ? cs_approval__json(a, text) : cs_null();
}

static cs_value money(cs_arena *a, cs_value request)
{
    char text[32];
    int64_t nanos = cs_approval__whole(request, "cost_nanos", -1);
    return nanos < 0 ? cs_null() : cs_string_copy(a, cs_slice_make(text, cs_money_format(nanos, text)));
}

cs_value cs_approval__document(cs_arena *a, const cs_approval__item *item, int64_t now)
{
    cs_value request = cs_approval__json(a, item->request);
    cs_approval__acts acts = cs_approval__read_acts(a, item);
    cs_approval_state state = cs_approval__state(item, now);
    cs_value v = cs_object_new(a, 32);
    cs_object_put_text(a, v, "id", own(a, item->id));
    cs_object_put_text(a, v, "tenant", own(a, item->tenant->name));
    cs_object_put_text(a, v, "digest", own(a, item->digest));
    cs_object_put_text(a, v, "state", cs_string(cs_slice_of(cs_approval_state_name(state))));
    copy(a, v, "requester", request);
    copy(a, v, "operation", request);
    copy(a, v, "document_id", request);
    cs_object_put_text(a, v, "variables", variables(a, request));
    cs_object_put_text(a, v, "cost", money(a, request));
    copy(a, v, "currency", request);
    cs_object_put_text(a, v, "quorum", cs_int(item->quorum));
    cs_object_put_text(a, v, "have", cs_int(item->have));
    copy(a, v, "groups", request);
    copy(a, v, "rules", request);
    copy(a, v, "escalation_groups", request);
    cs_object_put_text(a, v, "grants", shown_acts(a, acts.grants));
    cs_object_put_text(a, v, "rejections", shown_acts(a, acts.rejections));
    cs_object_put_text(a, v, "delegations", shown_acts(a, acts.delegations));
    cs_object_put_text(a, v, "uses_left", cs_int(uses_left(item)));
    cs_object_put_text(a, v, "requested_at", instant(a, item->requested_ns));
    cs_object_put_text(a, v, "approve_by", instant(a, item->approve_by_ns));
    cs_object_put_text(a, v, "execute_by", instant(a, cs_approval__execute_by(item)));
    cs_object_put_text(a, v, "escalates_at", instant(a, item->escalate_ns));
    cs_object_put_text(a, v, "escalated", cs_bool(cs_approval__is_escalated(item, now)));
    cs_object_put_text(a, v, "ended_at", instant(a, item->ended_ns));
    cs_object_put_text(a, v, "reason", or_null(acts.reason));
    return v;
}

bool cs_approvals_document(cs_approvals *x, cs_slice id, cs_arena *a, cs_value *out)
{
    int64_t now = x->now_ns(x->now_self);
    cs_mutex_lock(&x->lock);
    const cs_approval__item *item = cs_map_get(&x->by_id, id);
    if (item != NULL) {
        *out = cs_approval__document(a, item, now);
    }
    cs_mutex_unlock(&x->lock);
    return item != NULL;
}

/* ---- lists */

static int newest_first(const void *x, const void *y)
{
    const cs_approval__item *a = *(const cs_approval__item *const *)x;
    const cs_approval__item *b = *(const cs_approval__item *const *)y;
    if (a->requested_ns != b->requested_ns) {
        return (a->requested_ns < b->requested_ns) - (a->requested_ns > b->requested_ns);
    }
    return cs_slice_compare(a->id, b->id);
}

static bool wanted(cs_arena *a, const cs_approvals_query *q, const cs_approval__item *item, int64_t now)
{
    cs_approval_state state = cs_approval__state(item, now);
    return (q->tenant.n == 0 || cs_slice_eq(q->tenant, item->tenant->name)) &&
           (q->digest.n == 0 || cs_slice_eq(q->digest, item->digest)) &&
           (q->states == 0 || (q->states >> state & 1U) != 0) && (!q->open || cs_approval__is_open(state)) &&
           (q->requester.n == 0 ||
            cs_slice_eq(q->requester, cs_approval__text(cs_approval__json(a, item->request), "requester")));
}

cs_value cs_approvals_list(cs_approvals *x, const cs_approvals_query *q, cs_arena *a)
{
    size_t limit = q->limit == 0 ? SHOWN : q->limit < SHOWN_MOST ? q->limit : SHOWN_MOST;
    int64_t now = x->now_ns(x->now_self);
    CS_VEC(const cs_approval__item *) all = {0};
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_mutex_lock(&x->lock);
    const cs_approval__item *lists[] = {x->open.first, q->open ? NULL : x->over.first};
    for (size_t i = 0; i < 2; i++) {
        for (const cs_approval__item *item = lists[i]; item != NULL; item = item->next) {
            if (wanted(&scratch, q, item, now)) {
                CS_VEC_PUSH_IN(a, &all, item);
            }
            cs_arena_reset(&scratch);
        }
    }
    if (all.n > 0) {
        qsort(all.v, all.n, sizeof *all.v, newest_first);
    }
    size_t from = 0;
    while (q->after.n > 0 && from < all.n && !cs_slice_eq(all.v[from]->id, q->after)) {
        from++;
    }
    from += q->after.n > 0 && from < all.n;
    size_t n = all.n - from < limit ? all.n - from : limit;
    cs_value *items = cs_arena_array(a, cs_value, n + 1);
    for (size_t i = 0; i < n; i++) {
        items[i] = cs_approval__document(a, all.v[from + i], now);
    }
    cs_value v = cs_object_new(a, 2);
    cs_object_put_text(a, v, "result", cs_array(items, n));
    cs_object_put_text(a, v, "next", from + n < all.n ? own(a, all.v[from + n - 1]->id) : cs_null());
    cs_mutex_unlock(&x->lock);
    cs_arena_destroy(&scratch);
    return v;
}
