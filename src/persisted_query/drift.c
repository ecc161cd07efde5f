/* Drift: what clients ask for and the list does not have, by client and version. Outsiders fill it, so its size is
 * fixed. */
#include <stdlib.h>

#include "countersign/base/map.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/base/utf8.h"
#include "making.h"

enum { ID_BYTES = 136, NAME_BYTES = 64, VERSION_BYTES = 32, LOOKED_AT = 16, DROPPED_MAX = 8192 };

typedef enum state { STATE_UNKNOWN, STATE_RETIRED, STATE_EARLY, STATE_TEXT, STATE_SERVED } state;
static const char *const state_names[] = {"unknown", "retired", "not_yet_active", "free_text", "served"};

typedef struct row {
    state state;
    char id[ID_BYTES], client[NAME_BYTES], version[VERSION_BYTES], operation[NAME_BYTES];
    uint64_t count;
    int64_t first_ns, last_ns;
} row;

struct cs_pq_drift {
    cs_metrics *metrics;
    int64_t since_ns;
    cs_mutex mutex; /* of all below */
    cs_map places;  /* key of a row → the row */
    row *rows[CS_PQ_DRIFT_MAX];
    size_t n, hand;
    uint64_t forgotten;
    cs_map dropped; /* id → revision, as a text of its own */
};

cs_pq_drift *cs_pq_drift_new(cs_metrics *metrics, int64_t now_ns)
{
    cs_pq_drift *d = cs_zalloc(sizeof *d);
    d->metrics = metrics;
    d->since_ns = now_ns;
    cs_mutex_init(&d->mutex);
    cs_map_init(&d->places);
    cs_map_init(&d->dropped);
    return d;
}

void cs_pq_drift_free(cs_pq_drift *d)
{
    if (d == NULL) {
        return;
    }
    for (size_t i = 0; i < d->n; i++) {
        cs_free(d->rows[i]);
    }
    const cs_map_entry *e;
    for (size_t i = 0; (e = cs_map_next(&d->dropped, &i)) != NULL;) {
        cs_free(e->value);
    }
    cs_map_destroy(&d->places);
    cs_map_destroy(&d->dropped);
    cs_mutex_destroy(&d->mutex);
    cs_free(d);
}

/* ---- counting */

/* Cut where a character ends. */
static void copy_text(char *out, size_t room, cs_value v)
{
    size_t n = cs_is(v, CS_STRING) ? v.n : 0;
    n = n < room - 1 ? n : room - 1;
    while (n > 0 && n < v.n && ((uint8_t)v.u.s[n] & 0xC0U) == 0x80) {
        n--;
    }
    if (n > 0) {
        memcpy(out, v.u.s, n);
    }
    out[n] = '\0';
}

/* What tells rows apart. */
static cs_slice key_of(const row *r, char out[ID_BYTES + NAME_BYTES + VERSION_BYTES + 4])
{
    const char *const parts[] = {r->id, r->client, r->version};
    size_t n = 0;
    out[n++] = (char)('0' + (int)r->state);
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(parts[i]) + 1;
        memcpy(out + n, parts[i], length);
        n += length;
    }
    return cs_slice_make(out, n);
}

/* The rarest of a few, by a hand that goes round, makes room. */
static row *make_room(cs_pq_drift *d)
{
    char key[ID_BYTES + NAME_BYTES + VERSION_BYTES + 4];
    if (d->n < CS_PQ_DRIFT_MAX) {
        d->rows[d->n] = cs_zalloc(sizeof **d->rows);
        return d->rows[d->n++];
    }
    row *worst = d->rows[d->hand];
    for (size_t i = 1; i < LOOKED_AT; i++) {
        row *r = d->rows[(d->hand + i) % d->n];
        bool rarer = r->count < worst->count || (r->count == worst->count && r->last_ns < worst->last_ns);
        worst = rarer ? r : worst;
    }
    d->hand = (d->hand + LOOKED_AT) % d->n;
    d->forgotten++;
    (void)cs_map_remove(&d->places, key_of(worst, key));
    return worst;
}

static void count(cs_pq_drift *d, const row *seen)
{
    char key[ID_BYTES + NAME_BYTES + VERSION_BYTES + 4];
    cs_slice k = key_of(seen, key);
    cs_mutex_lock(&d->mutex);
    row *r = cs_map_get(&d->places, k);
    if (r == NULL) {
        r = make_room(d);
        *r = *seen;
        (void)cs_map_put(&d->places, k, r);
    }
    r->count++;
    r->last_ns = seen->last_ns > r->last_ns ? seen->last_ns : r->last_ns;
    if (r->operation[0] == '\0') {
        memcpy(r->operation, seen->operation, sizeof r->operation);
    }
    cs_mutex_unlock(&d->mutex);
}

static state state_of(cs_value operations, cs_value id, cs_slice client, int64_t now)
{
    cs_value entry = cs_pq_find(operations, id, client);
    cs_value from = cs_pq__member(entry, "not_before"), to = cs_pq__member(entry, "retired_at");
    cs_value said = cs_pq__member(entry, "state");
    if (cs_is_undefined(entry)) {
        return STATE_UNKNOWN;
    }
    bool over = cs_is(to, CS_NUMBER) ? cs_compare(to, cs_int(now)) <= 0 : cs_equal(said, cs_string(CS_LIT("retired")));
    return over                                                          ? STATE_RETIRED
           : cs_is(from, CS_NUMBER) && cs_compare(from, cs_int(now)) > 0 ? STATE_EARLY
                                                                         : STATE_SERVED;
}

/* A header of the request that the input is about: of our own shape, of Kong's and APISIX's, of Envoy's. */
static cs_value header_of(cs_value input, const char *const *names, size_t n)
{
    cs_value request = cs_pq__member(input, "request");
    cs_value native = cs_pq__member(cs_pq__member(cs_pq__member(input, "attributes"), "request"), "http");
    const cs_value shapes[] = {cs_pq__member(request, "headers"),
                               cs_pq__member(cs_pq__member(request, "http"), "headers"),
                               cs_pq__member(native, "headers")};
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < n; k++) {
            cs_value v = cs_pq__member(shapes[i], names[k]);
            if (cs_pq__is_text(v)) {
                return v;
            }
        }
    }
    return cs_undefined();
}

static void fill_client(row *seen, cs_value input)
{
    static const char *const names[] = {"apollographql-client-name", "graphql-client-name", "x-client-name"};
    static const char *const versions[] = {"apollographql-client-version", "graphql-client-version",
                                           "x-client-version"};
    cs_value client = cs_pq__member(cs_pq__member(input, "graphql"), "client");
    cs_value name = cs_pq__member(client, "name"), version = cs_pq__member(client, "version");
    copy_text(seen->client, sizeof seen->client, cs_pq__is_text(name) ? name : header_of(input, names, 3));
    copy_text(seen->version, sizeof seen->version, cs_pq__is_text(version) ? version : header_of(input, versions, 3));
}

static void see_one(cs_pq_drift *d, cs_value operations, cs_value element, row *seen, uint32_t shard)
{
    cs_value id = cs_pq__member(element, "document_id"), text = cs_pq__member(element, "text_sha256");
    if (cs_pq__is_text(id)) {
        seen->state = state_of(operations, id, cs_slice_of(seen->client), seen->last_ns);
    } else if (cs_pq__is_text(text)) {
        id = text;
        seen->state = STATE_TEXT;
    } else {
        return;
    }
    if (seen->state == STATE_SERVED) {
        return;
    }
    copy_text(seen->id, sizeof seen->id, id);
    copy_text(seen->operation, sizeof seen->operation, cs_pq__member(element, "operation_name"));
    if (seen->state == STATE_UNKNOWN) {
        cs_slice client = seen->client[0] != '\0' ? cs_slice_of(seen->client) : CS_LIT("unknown");
        cs_series_add(cs_metrics_series(d->metrics, CS_METRIC_PQ_UNKNOWN, &client), shard, 1);
    }
    count(d, seen);
}

void cs_pq_drift_see(cs_pq_drift *d, cs_value operations, cs_value input, int64_t now_ns, uint32_t shard)
{
    cs_value graphql = cs_pq__member(input, "graphql"), elements = cs_pq__member(graphql, "operations");
    if (!cs_is(graphql, CS_OBJECT)) {
        return;
    }
    row seen = {.first_ns = now_ns, .last_ns = now_ns};
    fill_client(&seen, input);
    if (!cs_truthy(cs_pq__member(graphql, "batch")) || cs_count(elements) == 0) {
        see_one(d, operations, graphql, &seen, shard);
        return;
    }
    for (uint32_t i = 0; cs_is(elements, CS_ARRAY) && i < elements.n; i++) {
        see_one(d, operations, elements.u.items[i], &seen, shard);
    }
}

/* ---- what was on the list */

cs_value cs_pq_dropped(cs_arena *a, cs_value before, cs_value after, cs_slice revision)
{
    cs_value *items = cs_arena_array(a, cs_value, DROPPED_MAX);
    size_t n = 0;
    for (uint32_t i = 0; cs_is(before, CS_OBJECT) && i < cs_count(before) && n < DROPPED_MAX; i++) {
        cs_value entry, id = cs_entry(before, i, &entry);
        cs_value revisions = cs_pq__member(entry, "revisions");
        if (!cs_is(id, CS_STRING) || (cs_is(after, CS_OBJECT) && cs_object_get(after, id) != NULL)) {
            continue;
        }
        cs_value last = cs_is(revisions, CS_ARRAY) && revisions.n != 0 ? revisions.u.items[revisions.n - 1]
                                                                       : cs_pq__member(entry, "seen_in");
        last = cs_pq__is_text(last) ? last : cs_string(revision);
        cs_value *pair = cs_arena_array(a, cs_value, 2);
        pair[0] = cs_string_copy(a, cs_text(id));
        pair[1] = cs_string_copy(a, cs_text(last));
        items[n++] = cs_array(pair, 2);
    }
    return cs_array(items, n);
}

void cs_pq_drift_remember(cs_pq_drift *d, cs_value dropped)
{
    cs_mutex_lock(&d->mutex);
    for (uint32_t i = 0; i < cs_count(dropped) && d->dropped.live < DROPPED_MAX; i++) {
        cs_value pair = dropped.u.items[i];
        char *revision = cs_zalloc(NAME_BYTES);
        copy_text(revision, NAME_BYTES, pair.u.items[1]);
        cs_free(cs_map_put(&d->dropped, cs_text(pair.u.items[0]), revision));
    }
    cs_mutex_unlock(&d->mutex);
}

/* ---- the report */

static cs_value text_or_null(cs_arena *a, const char *text)
{
    return text[0] != '\0' ? cs_string_copy(a, cs_slice_of(text)) : cs_null();
}

static cs_value instant(cs_arena *a, int64_t ns)
{
    char text[40];
    size_t n = cs_time_format_rfc3339(ns, text);
    return cs_string_copy(a, cs_slice_make(text, n));
}

static cs_value row_document(cs_pq_drift *d, const row *r, state now, cs_value operations, cs_arena *a)
{
    cs_value v = cs_object_new(a, 9), id = cs_string_copy(a, cs_slice_of(r->id));
    const char *revision = cs_map_get(&d->dropped, cs_text(id));
    const cs_value *entry = cs_is(operations, CS_OBJECT) ? cs_object_get(operations, id) : NULL;
    cs_value seen_in = entry != NULL ? cs_pq__member(*entry, "seen_in") : cs_undefined();
    seen_in = cs_pq__is_text(seen_in) ? cs_string_copy(a, cs_text(seen_in))
                                      : text_or_null(a, revision != NULL ? revision : "");
    cs_object_put_text(a, v, "document_id", id);
    cs_object_put_text(a, v, "state", cs_string(cs_slice_of(state_names[now])));
    cs_object_put_text(a, v, "client", text_or_null(a, r->client));
    cs_object_put_text(a, v, "version", text_or_null(a, r->version));
    cs_object_put_text(a, v, "operation_name", text_or_null(a, r->operation));
    cs_object_put_text(a, v, "count", cs_int((int64_t)r->count));
    cs_object_put_text(a, v, "first_seen", instant(a, r->first_ns));
    cs_object_put_text(a, v, "last_seen", instant(a, r->last_ns));
    cs_object_put_text(a, v, "seen_in", seen_in);
    return v;
}

static int by_count(const void *x, const void *y)
{
    const row *a = *(const row *const *)x, *b = *(const row *const *)y;
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    if (a->last_ns != b->last_ns) {
        return a->last_ns > b->last_ns ? -1 : 1;
    }
    int by_id = strcmp(a->id, b->id), by_client = strcmp(a->client, b->client);
    return by_id != 0 ? by_id : by_client != 0 ? by_client : strcmp(a->version, b->version);
}

cs_value cs_pq_drift_document(cs_pq_drift *d, cs_value operations, int64_t now_ns, cs_arena *a)
{
    cs_value *items = cs_arena_array(a, cs_value, CS_PQ_DRIFT_MAX);
    const row **sorted = (const row **)cs_arena_zalloc(a, CS_PQ_DRIFT_MAX * sizeof *sorted);
    size_t n = 0;
    cs_mutex_lock(&d->mutex);
    if (d->n > 0) {
        memcpy(sorted, d->rows, d->n * sizeof *sorted);
        qsort(sorted, d->n, sizeof *sorted, by_count);
    }
    for (size_t i = 0; i < d->n; i++) {
        const row *r = sorted[i];
        cs_value id = cs_string(cs_slice_of(r->id));
        state now = r->state == STATE_TEXT ? r->state : state_of(operations, id, cs_slice_of(r->client), now_ns);
        if (now != STATE_SERVED) {
            items[n++] = row_document(d, r, now, operations, a);
        }
    }
    uint64_t forgotten = d->forgotten;
    cs_mutex_unlock(&d->mutex);
    cs_value v = cs_object_new(a, 3);
    cs_object_put_text(a, v, "since", instant(a, d->since_ns));
    cs_object_put_text(a, v, "forgotten", cs_int((int64_t)forgotten));
    cs_object_put_text(a, v, "entries", cs_array(items, n));
    return v;
}
