/* The list itself, data.operations: which entry holds, and whether it is a list at all. */
#include "making.h"

#include "countersign/number.h"

bool cs_pq__is_hex(cs_slice s, size_t n)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return s.n == n;
}

/* ---- finding */

static bool is_removed(cs_value entry)
{
    cs_value state = cs_pq__member(entry, "state");
    return cs_is(state, CS_STRING) && cs_slice_is(cs_text(state), "removed");
}

/* The client's own entry, else the one for everybody. */
static cs_value of_client(cs_value entry, cs_slice client)
{
    cs_value clients = cs_pq__member(entry, "clients");
    if (cs_is(clients, CS_OBJECT)) {
        const cs_value *own = client.n != 0 ? cs_object_get(clients, cs_string(client)) : NULL;
        entry = own != NULL ? *own : cs_count(entry) > 1 ? entry : cs_undefined();
    }
    return cs_is(entry, CS_OBJECT) && !is_removed(entry) ? entry : cs_undefined();
}

static cs_value entry_of(cs_value operations, cs_slice id, cs_slice hash, cs_slice client)
{
    const cs_value *entry = cs_is(operations, CS_OBJECT) ? cs_object_get(operations, cs_string(id)) : NULL;
    cs_value found = entry != NULL ? of_client(*entry, client) : cs_undefined();
    cs_value known = cs_pq__member(found, "document_sha256");
    bool other = hash.n != 0 && cs_is(known, CS_STRING) && !cs_slice_eq(cs_text(known), hash);
    return other ? cs_undefined() : found;
}

cs_value cs_pq_find(cs_value operations, cs_value document_id, cs_slice client)
{
    if (!cs_is(document_id, CS_STRING)) {
        return cs_undefined();
    }
    cs_slice id = cs_text(document_id), plain = cs_pq__plain_id(id);
    if (plain.n == id.n) {
        return entry_of(operations, id, CS_LIT(""), client);
    }
    cs_value whole = entry_of(operations, id, plain, client);
    return !cs_is_undefined(whole) ? whole : entry_of(operations, plain, plain, client);
}

/* ---- checking */

/* Where in the list, for messages. */
typedef struct place {
    cs_slice id, client; /* client "" = not in one */
    const char *member;  /* NULL = the entry itself */
} place;

static cs_err wrong(cs_error *e, const place *p, const char *what)
{
    char client[128] = "";
    if (p->client.n != 0) {
        size_t n = p->client.n < 100 ? p->client.n : 100;
        memcpy(client, ".clients.", 9);
        memcpy(client + 9, p->client.p, n);
        client[9 + n] = '\0';
    }
    cs_slice id = cs_slice_sub(p->id, 0, 200);
    return cs_fail(e, CS_ERR_BUNDLE_INVALID, "operations.%.*s%s%s%s: %s", CS_FMT(id), client,
                   p->member != NULL ? "." : "", p->member != NULL ? p->member : "", what);
}

typedef bool check_fn(cs_value v);

static bool is_string(cs_value v)
{
    return cs_is(v, CS_STRING);
}

static bool is_hash(cs_value v)
{
    return cs_is(v, CS_STRING) && cs_pq__is_hex(cs_text(v), 64);
}

static bool is_kind(cs_value v)
{
    return cs_is(v, CS_STRING) && (cs_slice_is(cs_text(v), "query") || cs_slice_is(cs_text(v), "mutation") ||
                                   cs_slice_is(cs_text(v), "subscription"));
}

static bool is_state(cs_value v)
{
    return cs_is(v, CS_STRING) && (cs_slice_is(cs_text(v), "active") || cs_slice_is(cs_text(v), "retired") ||
                                   cs_slice_is(cs_text(v), "removed"));
}

static bool is_count(cs_value v)
{
    return cs_is(v, CS_NUMBER) && v.form == CS_NUMBER_INT && v.u.i >= 0;
}

static bool is_texts(cs_value v)
{
    bool ok = cs_is(v, CS_ARRAY);
    for (uint32_t i = 0; ok && i < v.n; i++) {
        ok = cs_is(v.u.items[i], CS_STRING);
    }
    return ok;
}

/* JSON pointers: other texts would bind what was meant to be free. */
static bool is_pointers(cs_value v)
{
    bool ok = is_texts(v);
    for (uint32_t i = 0; ok && i < v.n; i++) {
        ok = cs_slice_starts(cs_text(v.u.items[i]), CS_LIT("/"));
    }
    return ok;
}

static bool is_object(cs_value v)
{
    return cs_is(v, CS_OBJECT);
}

static const struct {
    const char *section; /* NULL = of the entry itself */
    const char *name;
    check_fn *check;
    const char *path, *must; /* for the message */
} members[] = {
    {NULL, "name", is_string, "name", "must be a string"},
    {NULL, "kind", is_kind, "kind", "must be query, mutation or subscription"},
    {NULL, "document_sha256", is_hash, "document_sha256", "must be 64 hexadecimal digits"},
    {NULL, "normalized_sha256", is_hash, "normalized_sha256", "must be 64 hexadecimal digits"},
    {NULL, "risk_tags", is_texts, "risk_tags", "must be an array of strings"},
    {NULL, "state", is_state, "state", "must be active, retired or removed"},
    {NULL, "not_before", is_count, "not_before", "must be nanoseconds since 1970"},
    {NULL, "retired_at", is_count, "retired_at", "must be nanoseconds since 1970"},
    {NULL, "seen_in", is_string, "seen_in", "must be a string"},
    {NULL, "cost", is_object, "cost", "must be an object"},
    {NULL, "approval", is_object, "approval", "must be an object"},
    {NULL, "hold", is_object, "hold", "must be an object"},
    {NULL, "clients", is_object, "clients", "must be an object"},
    {"cost", "estimate_nanos", is_count, "cost.estimate_nanos", "must be a whole number that is not negative"},
    {"cost", "ceiling_nanos", is_count, "cost.ceiling_nanos", "must be a whole number that is not negative"},
    {"cost", "currency", is_string, "cost.currency", "must be a string"},
    {"approval", "unbound_variables", is_pointers, "approval.unbound_variables", "must be an array of JSON pointers"},
    {"hold", "ttl_s", is_count, "hold.ttl_s", "must be a whole number of seconds"},
};

static cs_err check_members(cs_value entry, place p, cs_error *e)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        cs_value section = members[i].section != NULL ? cs_pq__member(entry, members[i].section) : entry;
        cs_value v = cs_pq__member(section, members[i].name);
        if (!cs_is_undefined(v) && !members[i].check(v)) {
            p.member = members[i].path;
            return wrong(e, &p, members[i].must);
        }
    }
    cs_value from = cs_pq__member(entry, "not_before"), to = cs_pq__member(entry, "retired_at");
    if (!cs_is_undefined(from) && !cs_is_undefined(to) && cs_compare(from, to) >= 0) {
        return wrong(e, &p, "it is retired before it begins (not_before, retired_at)");
    }
    cs_value hash = cs_pq__member(entry, "document_sha256");
    cs_slice plain = cs_pq__plain_id(p.id);
    if (plain.n != p.id.n && (!cs_is(hash, CS_STRING) || !cs_slice_eq(plain, cs_text(hash)))) {
        return wrong(e, &p, "its id says another hash than its document has (document_sha256)");
    }
    return CS_OK;
}

/* The entry for all, or one of a client. */
static cs_value any_entry(cs_value entry)
{
    cs_value general = cs_pq__general(entry), clients = cs_pq__member(entry, "clients"), own;
    if (!cs_is_undefined(general) || cs_count(clients) == 0) {
        return entry;
    }
    (void)cs_entry(clients, 0, &own);
    return own;
}

bool cs_pq__is_other_document(cs_value x, cs_value y)
{
    x = any_entry(x);
    y = any_entry(y);
    cs_value one = cs_pq__member(x, "normalized_sha256"), other = cs_pq__member(y, "normalized_sha256");
    if (!cs_is_undefined(one) && !cs_is_undefined(other)) {
        return !cs_equal(one, other);
    }
    cs_value a = cs_pq__member(x, "document_sha256"), b = cs_pq__member(y, "document_sha256");
    bool hash = !cs_is_undefined(a) && !cs_is_undefined(b) && !cs_equal(a, b);
    return hash || !cs_equal(cs_pq__member(x, "kind"), cs_pq__member(y, "kind"));
}

static cs_err check_clients(cs_value entry, place p, cs_error *e)
{
    cs_value clients = cs_pq__member(entry, "clients"), first = cs_pq__general(entry);
    for (uint32_t i = 0; i < cs_count(clients); i++) {
        cs_value own, name = cs_entry(clients, i, &own);
        p.client = cs_is(name, CS_STRING) ? cs_text(name) : CS_LIT("?");
        if (!cs_is(own, CS_OBJECT) || !cs_is_undefined(cs_pq__member(own, "clients")) || p.client.n == 0) {
            return wrong(e, &p, "must be an entry under the name of a client");
        }
        CS_TRY(check_members(own, p, e));
        first = cs_is_undefined(first) ? own : first;
        if (cs_pq__is_other_document(first, own)) {
            return wrong(e, &p, "another document under the same id");
        }
    }
    return CS_OK;
}

cs_err cs_pq_check(cs_value operations, cs_error *e)
{
    if (!cs_is(operations, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "operations: must be an object by document id");
    }
    for (uint32_t i = 0; i < cs_count(operations); i++) {
        cs_value entry, id = cs_entry(operations, i, &entry);
        place p = {.id = cs_is(id, CS_STRING) ? cs_text(id) : CS_LIT("?"), .client = CS_LIT("")};
        if (!cs_is(entry, CS_OBJECT) || p.id.n == 0) {
            return wrong(e, &p, "must be an object under the id of a document");
        }
        CS_TRY(check_members(entry, p, e));
        CS_TRY(check_clients(entry, p, e));
        cs_slice plain = cs_pq__plain_id(p.id);
        const cs_value *twin = plain.n != p.id.n ? cs_object_get(operations, cs_string(plain)) : NULL;
        if (twin != NULL && cs_pq__is_other_document(*twin, entry)) {
            return wrong(e, &p, "another document under the same id");
        }
    }
    return CS_OK;
}

/* ---- ids that stand twice in the text */

/* The members of an object's text, one after the other: the name as a value, the value's text. */
typedef struct members_of {
    cs_arena *a;
    cs_slice rest; /* behind '{' or ',' */
} members_of;

static bool next_member(members_of *m, cs_value *name, cs_slice *value)
{
    size_t used;
    cs_json_options options = {.prefix = true};
    cs_value ignored;
    m->rest = cs_slice_trim(m->rest);
    if (m->rest.n == 0 || m->rest.p[0] != '"' || cs_json_read(m->a, m->rest, &options, name, &used, NULL) != CS_OK) {
        return false;
    }
    m->rest = cs_slice_trim(cs_slice_sub(m->rest, used, m->rest.n));
    m->rest = cs_slice_trim(cs_slice_sub(m->rest, 1, m->rest.n)); /* ':' */
    if (cs_json_read(m->a, m->rest, &options, &ignored, &used, NULL) != CS_OK) {
        return false;
    }
    *value = cs_slice_sub(m->rest, 0, used);
    m->rest = cs_slice_trim(cs_slice_sub(m->rest, used, m->rest.n));
    m->rest = cs_slice_sub(m->rest, 1, m->rest.n); /* ',' or '}' */
    return true;
}

static members_of open_object(cs_arena *a, cs_slice text)
{
    text = cs_slice_trim(text);
    bool object = text.n != 0 && text.p[0] == '{';
    return (members_of){.a = a, .rest = object ? cs_slice_sub(text, 1, text.n) : CS_LIT("")};
}

static cs_err check_ids(cs_arena *a, cs_slice text, cs_error *e)
{
    members_of m = open_object(a, text);
    cs_value id, seen = cs_object_new(a, 0), v;
    cs_slice value;
    while (next_member(&m, &id, &value)) {
        if (cs_json_read(a, value, NULL, &v, NULL, NULL) == CS_OK && !cs_object_put_once(a, seen, id, v) &&
            !cs_equal(*cs_object_get(seen, id), v)) {
            place p = {.id = cs_text(id), .client = CS_LIT("")};
            return wrong(e, &p, "it stands there twice, with different entries");
        }
    }
    return CS_OK;
}

cs_err cs_pq_check_text(cs_slice json, const char *name, cs_error *e)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_err err = CS_OK;
    cs_value whole;
    if (cs_json_read(&a, json, NULL, &whole, NULL, NULL) != CS_OK) {
        /* not ours to say */
    } else if (name == NULL) {
        err = check_ids(&a, json, e);
    } else {
        members_of m = open_object(&a, json);
        cs_value member;
        cs_slice value, before = CS_LIT("");
        while (err == CS_OK && next_member(&m, &member, &value)) {
            if (cs_slice_is(cs_text(member), name)) {
                err = before.n == 0 ? check_ids(&a, value, e)
                                    : cs_fail(e, CS_ERR_BUNDLE_INVALID, "%s: it stands there twice", name);
                before = value;
            }
        }
    }
    cs_arena_destroy(&a);
    return err;
}
