/* What changes for clients from one list to another. */
#include "making.h"

typedef struct diff {
    cs_arena *a;
    int64_t now;
    cs_value changes; /* array */
    cs_value id, client;
    bool breaking;
} diff;

/* What a request with the id meets at an instant. */
static const char *state_of(cs_value entry, int64_t now)
{
    cs_value state = cs_pq__member(entry, "state"), from = cs_pq__member(entry, "not_before");
    cs_value to = cs_pq__member(entry, "retired_at");
    if (!cs_is(entry, CS_OBJECT) || cs_equal(state, cs_string(CS_LIT("removed")))) {
        return "removed";
    }
    if (cs_is(to, CS_NUMBER) ? cs_compare(to, cs_int(now)) <= 0 : cs_equal(state, cs_string(CS_LIT("retired")))) {
        return "retired";
    }
    return cs_is(from, CS_NUMBER) && cs_compare(from, cs_int(now)) > 0 ? "not_yet_active" : "active";
}

static void note(diff *d, cs_value entry, const char *change, bool breaking, cs_value from, cs_value to)
{
    cs_value item = cs_object_new(d->a, 8), name = cs_pq__member(entry, "name");
    cs_object_put_text(d->a, item, "id", d->id);
    if (!cs_is_undefined(d->client)) {
        cs_object_put_text(d->a, item, "client", d->client);
    }
    if (cs_is(name, CS_STRING)) {
        cs_object_put_text(d->a, item, "name", name);
    }
    cs_object_put_text(d->a, item, "change", cs_string(cs_slice_of(change)));
    cs_object_put_text(d->a, item, "breaking", cs_bool(breaking));
    if (!cs_is_undefined(from)) {
        cs_object_put_text(d->a, item, "from", from);
    }
    if (!cs_is_undefined(to)) {
        cs_object_put_text(d->a, item, "to", to);
    }
    d->changes = cs_pq__append(d->a, d->changes, item);
    d->breaking |= breaking;
}

static void compare_member(diff *d, cs_value from, cs_value to, const char *name, bool breaking)
{
    cs_value x = cs_pq__member(from, name), y = cs_pq__member(to, name);
    bool same = cs_is_undefined(x) ? cs_is_undefined(y) : !cs_is_undefined(y) && cs_equal(x, y);
    if (!same) {
        note(d, to, name, breaking, x, y);
    }
}

static void compare(diff *d, cs_value from, cs_value to)
{
    const char *was = state_of(from, d->now), *is = state_of(to, d->now);
    bool gone = strcmp(is, "removed") == 0, worked = strcmp(was, "active") == 0;
    if (strcmp(was, "removed") == 0) {
        if (!gone) {
            note(d, to, "added", false, cs_undefined(), cs_undefined());
        }
        return;
    }
    if (strcmp(was, is) != 0) {
        bool breaking = worked || gone;
        note(d, gone ? from : to, strcmp(is, "active") == 0 ? "activated" : is, breaking, cs_undefined(),
             cs_undefined());
    }
    if (gone) {
        return;
    }
    if (cs_pq__is_other_document(from, to)) {
        note(d, to, "document", true, cs_pq__member(from, "document_sha256"), cs_pq__member(to, "document_sha256"));
    }
    compare_member(d, from, to, "kind", true);
    compare_member(d, from, to, "not_before", false);
    compare_member(d, from, to, "retired_at", false);
    compare_member(d, from, to, "risk_tags", false);
    compare_member(d, from, to, "cost", false);
    compare_member(d, from, to, "approval", false);
}

static cs_value client_entry(cs_value entry, cs_value client)
{
    return cs_is(client, CS_STRING) && cs_is(entry, CS_OBJECT)
               ? cs_pq_find(entry, cs_string(CS_LIT("x")), cs_text(client))
               : cs_undefined();
}

/* The names of both sides' clients. */
static cs_value clients_of(cs_arena *a, cs_value x, cs_value y)
{
    cs_value names = cs_set_new(a, 0);
    const cs_value both[2] = {cs_pq__member(x, "clients"), cs_pq__member(y, "clients")};
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; cs_is(both[k], CS_OBJECT) && i < cs_count(both[k]); i++) {
            (void)cs_set_add(a, names, cs_entry(both[k], i, NULL));
        }
    }
    return names;
}

static cs_value list_of_one(cs_arena *a, cs_value entry)
{
    cs_value list = cs_object_new(a, 1);
    if (!cs_is_undefined(entry)) {
        cs_object_put_text(a, list, "x", entry);
    }
    return list;
}

static void compare_ids(diff *d, cs_value id, cs_value from, cs_value to)
{
    d->id = id;
    d->client = cs_undefined();
    cs_value x = cs_is_undefined(from) ? from : cs_pq__general(from);
    cs_value y = cs_is_undefined(to) ? to : cs_pq__general(to);
    compare(d, x, y);
    cs_value names = clients_of(d->a, from, to);
    for (uint32_t i = 0; i < cs_count(names); i++) {
        d->client = cs_entry(names, i, NULL);
        compare(d, client_entry(list_of_one(d->a, from), d->client), client_entry(list_of_one(d->a, to), d->client));
    }
}

cs_value cs_pq_diff(cs_arena *a, cs_value from, cs_value to, int64_t now_ns)
{
    diff d = {.a = a, .now = now_ns, .changes = cs_array(NULL, 0)};
    cs_value ids = cs_set_new(a, 0);
    const cs_value both[2] = {from, to};
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < cs_count(both[k]); i++) {
            (void)cs_set_add(a, ids, cs_entry(both[k], i, NULL));
        }
    }
    for (uint32_t i = 0; i < cs_count(ids); i++) {
        cs_value id = cs_entry(ids, i, NULL);
        const cs_value *x = cs_object_get(from, id), *y = cs_object_get(to, id);
        compare_ids(&d, id, x != NULL ? *x : cs_undefined(), y != NULL ? *y : cs_undefined());
    }
    cs_value out = cs_object_new(a, 2);
    cs_object_put_text(a, out, "breaking", cs_bool(d.breaking));
    cs_object_put_text(a, out, "changes", d.changes);
    return out;
}
