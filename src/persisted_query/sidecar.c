/* Sidecars: what the makers of a policy say of operations beside the manifests that client builds write. Keyed by id,
 * which changes with every change of a document, or by the operation's name, which does not. */
#include "making.h"

#include "countersign/base/time.h"
#include "countersign/patch.h"

typedef struct rule {
    const char *file, *place;
    bool by_name;
    cs_slice key;    /* id or name */
    cs_slice client; /* "" = for all */
    cs_value fields; /* what it adds to entries */
    bool used;
} rule;

typedef struct rules {
    cs_arena *a;
    rule *v;
    size_t n, cap;
} rules;

static cs_err wrong(const char *file, const char *place, cs_error *e, const char *member, const char *what)
{
    return cs_fail(e, CS_ERR_INVALID, "%s: %s%s%s: %s", file, place, member[0] != '\0' ? "." : "", member, what);
}

/* ---- values that people write */

/* "1.25" in nano-units. */
static bool read_money(cs_value v, int64_t *nanos)
{
    cs_slice text = cs_is(v, CS_STRING) ? cs_text(v) : CS_LIT("");
    size_t point = cs_slice_find_byte(text, '.', 0);
    cs_slice whole = cs_slice_sub(text, 0, point), part = CS_LIT("0");
    if (point != SIZE_MAX) {
        part = cs_slice_sub(text, point + 1, text.n);
    }
    uint64_t units, fraction;
    if (!cs_slice_u64(whole, &units) || !cs_slice_u64(part, &fraction) || part.n > 9 || units > 9000000000U) {
        return false;
    }
    for (size_t i = part.n; i < 9; i++) {
        fraction *= 10;
    }
    *nanos = (int64_t)(units * 1000000000U + fraction);
    return true;
}

/* Nanoseconds, or RFC 3339. */
static bool read_time(cs_value v, int64_t *ns)
{
    if (cs_is(v, CS_NUMBER) && v.form == CS_NUMBER_INT && v.u.i >= 0) {
        *ns = v.u.i;
        return true;
    }
    return cs_is(v, CS_STRING) && cs_time_parse_rfc3339(cs_text(v), ns);
}

static cs_err convert_cost(rules *rs, const rule *r, cs_value *fields, cs_error *e)
{
    static const char *const names[][2] = {{"estimate", "estimate_nanos"}, {"ceiling", "ceiling_nanos"}};
    cs_value cost = cs_pq__member(*fields, "cost");
    if (!cs_is(cost, CS_OBJECT)) {
        return cs_is_undefined(cost) ? CS_OK : wrong(r->file, r->place, e, "cost", "must be an object");
    }
    cs_value out = cs_object_new(rs->a, cs_count(cost));
    for (uint32_t i = 0; i < cs_count(cost); i++) {
        cs_value v, key = cs_entry(cost, i, &v);
        for (int k = 0; k < 2; k++) {
            int64_t nanos;
            if (!cs_slice_is(cs_text(key), names[k][0])) {
                continue;
            }
            if (!read_money(v, &nanos)) {
                return wrong(r->file, r->place, e, k == 0 ? "cost.estimate" : "cost.ceiling",
                             "must be an amount as a decimal string, not negative");
            }
            key = cs_string(cs_slice_of(names[k][1]));
            v = cs_int(nanos);
        }
        if (!cs_object_put_once(rs->a, out, key, v)) {
            return wrong(r->file, r->place, e, "cost", "an amount is said twice");
        }
    }
    cs_object_put_text(rs->a, *fields, "cost", out);
    return CS_OK;
}

/* Checks and converts; what only the manifests may say is refused. */
static cs_err convert(rules *rs, rule *r, cs_value fields, cs_error *e)
{
    static const char *const own[] = {"kind",        "document_sha256", "normalized_sha256",
                                      "root_fields", "revisions",       "seen_in"};
    static const char *const times[] = {"not_before", "retired_at"};
    static const char *const keys[] = {"id", "clientName", "clients"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (!cs_is_undefined(cs_pq__member(fields, own[i]))) {
            return wrong(r->file, r->place, e, own[i], "is known from the document and cannot be said here");
        }
    }
    r->fields = cs_object_clone(rs->a, fields, 2);
    for (size_t i = 0; i < 2; i++) {
        cs_value v = cs_pq__member(fields, times[i]);
        int64_t ns;
        if (cs_is_undefined(v) || cs_is(v, CS_NULL)) {
            continue;
        }
        if (!read_time(v, &ns)) {
            return wrong(r->file, r->place, e, times[i], "must be a time (RFC 3339) or nanoseconds since 1970");
        }
        cs_object_put_text(rs->a, r->fields, times[i], cs_int(ns));
    }
    CS_TRY(convert_cost(rs, r, &r->fields, e));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cs_value key = cs_string(cs_slice_of(keys[i]));
        r->fields = cs_remove(rs->a, r->fields, &key, 1);
    }
    cs_value only = cs_object_new(rs->a, 2), entry = r->fields;
    cs_object_put(rs->a, only, cs_string(CS_LIT("x")), entry);
    cs_error why = {0};
    if (cs_pq_check(only, &why) != CS_OK) {
        const char *text = why.text + sizeof "operations.x" - 1;
        return cs_fail(e, CS_ERR_INVALID, "%s: %s%s", r->file, r->place, text);
    }
    return CS_OK;
}

/* ---- reading */

static rule *new_rule(rules *rs)
{
    if (rs->n == rs->cap) {
        size_t cap = rs->cap != 0 ? rs->cap * 2 : 16;
        rule *more = cs_arena_array(rs->a, rule, cap);
        if (rs->n != 0) {
            memcpy(more, rs->v, rs->n * sizeof *more);
        }
        rs->v = more;
        rs->cap = cap;
    }
    return &rs->v[rs->n++];
}

static cs_err add_clients(rules *rs, const rule *general, cs_value clients, cs_error *e)
{
    if (!cs_is(clients, CS_OBJECT)) {
        return cs_is_undefined(clients) ? CS_OK
                                        : wrong(general->file, general->place, e, "clients", "must be an object");
    }
    for (uint32_t i = 0; i < cs_count(clients); i++) {
        cs_value fields, name = cs_entry(clients, i, &fields);
        rule own = {.file = general->file,
                    .place = cs_arena_printf(rs->a, NULL, "%s.clients.%.*s", general->place, CS_FMT(cs_text(name))),
                    .by_name = general->by_name,
                    .key = general->key,
                    .client = cs_text(name)};
        if (!cs_is(fields, CS_OBJECT) || name.n == 0) {
            return wrong(own.file, own.place, e, "", "must be an object under the name of a client");
        }
        CS_TRY(convert(rs, &own, fields, e));
        *new_rule(rs) = own;
    }
    return CS_OK;
}

static cs_err add_rule(rules *rs, rule r, cs_value fields, cs_error *e)
{
    if (!cs_is(fields, CS_OBJECT)) {
        return wrong(r.file, r.place, e, "", "must be an object");
    }
    CS_TRY(convert(rs, &r, fields, e));
    *new_rule(rs) = r;
    return add_clients(rs, &r, cs_pq__member(fields, "clients"), e);
}

static cs_err add_table(rules *rs, const char *file, cs_value table, bool by_name, cs_error *e)
{
    for (uint32_t i = 0; i < cs_count(table); i++) {
        cs_value fields, key = cs_entry(table, i, &fields);
        rule r = {.file = file,
                  .place = cs_arena_printf(rs->a, NULL, "%.*s", CS_FMT(cs_text(key))),
                  .by_name = by_name,
                  .key = by_name ? cs_text(key) : cs_pq__plain_id(cs_text(key)),
                  .client = CS_LIT("")};
        CS_TRY(add_rule(rs, r, fields, e));
    }
    return CS_OK;
}

/* [{"id" or "name", "clientName"?, …}] */
static cs_err add_items(rules *rs, const char *file, cs_value items, cs_error *e)
{
    for (uint32_t i = 0; i < items.n; i++) {
        cs_value v = items.u.items[i], id = cs_pq__member(v, "id"), name = cs_pq__member(v, "name");
        cs_value client = cs_pq__member(v, "clientName");
        rule r = {.file = file, .place = cs_arena_printf(rs->a, NULL, "[%u]", i), .client = CS_LIT("")};
        r.by_name = cs_is_undefined(id);
        if (!cs_pq__is_text(r.by_name ? name : id)) {
            return wrong(file, r.place, e, "", "must have the id or the name of an operation");
        }
        r.key = r.by_name ? cs_text(name) : cs_pq__plain_id(cs_text(id));
        if (cs_pq__is_text(client)) {
            r.client = cs_text(client);
        } else if (!cs_is_undefined(client) && !cs_is(client, CS_NULL)) {
            return wrong(file, r.place, e, "clientName", "must be a string that is not empty, or null");
        }
        CS_TRY(add_rule(rs, r, v, e));
    }
    return CS_OK;
}

static cs_err read_sidecar(rules *rs, const char *file, cs_value document, cs_error *e)
{
    cs_value operations = cs_pq__member(document, "operations"), names = cs_pq__member(document, "names");
    bool wrapped = !cs_is_undefined(operations) || !cs_is_undefined(names);
    cs_value list = wrapped ? operations : document;
    for (uint32_t i = 0; wrapped && i < cs_count(document); i++) {
        cs_value key = cs_entry(document, i, NULL);
        if (!cs_slice_is(cs_text(key), "operations") && !cs_slice_is(cs_text(key), "names")) {
            return wrong(file, cs_arena_printf(rs->a, NULL, "%.*s", CS_FMT(cs_text(key))), e, "",
                         "beside operations and names nothing is known");
        }
    }
    if (cs_is(list, CS_ARRAY)) {
        CS_TRY(add_items(rs, file, list, e));
    } else if (cs_is(list, CS_OBJECT)) {
        CS_TRY(add_table(rs, file, list, false, e));
    } else if (!cs_is_undefined(list)) {
        return cs_fail(e, CS_ERR_INVALID, "%s: operations are an object by id, or an array", file);
    }
    if (!cs_is_undefined(names) && !cs_is(names, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INVALID, "%s: names: must be an object by operation name", file);
    }
    return add_table(rs, file, names, true, e);
}

cs_err cs_pq_add_sidecar(cs_pq_list *list, const char *file, cs_slice text, cs_error *e)
{
    cs_value document;
    CS_TRY(cs_pq__read_file(list->arena, file, text, &document, e));
    cs_value sidecar = cs_object_new(list->arena, 2);
    cs_object_put_text(list->arena, sidecar, "file", cs_string(cs_slice_of(file)));
    cs_object_put_text(list->arena, sidecar, "document", document);
    list->sidecars = cs_pq__append(list->arena, list->sidecars, sidecar);
    return CS_OK;
}

/* ---- writing into entries */

/* What the rules say of this operation, for all clients or for one; undefined if nothing. The id weighs more. */
static cs_value fields_of(rules *rs, cs_slice id, cs_value name, cs_slice client)
{
    cs_value out = cs_undefined();
    for (int by_id = 0; by_id < 2; by_id++) {
        for (size_t i = 0; i < rs->n; i++) {
            rule *r = &rs->v[i];
            bool meant = by_id != 0 ? !r->by_name && cs_slice_eq(r->key, id)
                                    : r->by_name && cs_is(name, CS_STRING) && cs_slice_eq(r->key, cs_text(name));
            if (meant && cs_slice_eq(r->client, client)) {
                r->used = true;
                out = cs_is_undefined(out) ? r->fields : cs_object_union(rs->a, out, r->fields);
            }
        }
    }
    return out;
}

static void put_default(cs_arena *a, cs_value entry, const char *name, cs_value v)
{
    if (cs_is_undefined(cs_pq__member(entry, name))) {
        cs_object_put_text(a, entry, name, v);
    }
}

static cs_value with_fields(cs_arena *a, cs_value entry, cs_value fields)
{
    cs_value out = cs_is_undefined(fields) ? cs_object_clone(a, entry, 2) : cs_object_union(a, entry, fields);
    put_default(a, out, "risk_tags", cs_array(NULL, 0));
    put_default(a, out, "state", cs_string(CS_LIT("active")));
    return out;
}

/* A client's name is what the client says it is: its own entry may ask for more than the one for all, never for less.
 */
static cs_value raised(cs_arena *a, cs_value own, cs_value general)
{
    cs_value out = cs_object_clone(a, own, 2), tags = cs_set_new(a, 0);
    const cs_value both[2] = {cs_pq__member(own, "risk_tags"), cs_pq__member(general, "risk_tags")};
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; cs_is(both[k], CS_ARRAY) && i < both[k].n; i++) {
            (void)cs_set_add(a, tags, both[k].u.items[i]);
        }
    }
    cs_value list = cs_array(NULL, 0);
    for (uint32_t i = 0; i < cs_count(tags); i++) {
        list = cs_pq__append(a, list, cs_entry(tags, i, NULL));
    }
    cs_object_put_text(a, out, "risk_tags", list);
    cs_value cost = cs_pq__member(own, "cost"), least = cs_pq__member(cs_pq__member(general, "cost"), "estimate_nanos");
    cs_value mine = cs_pq__member(cost, "estimate_nanos");
    if (cs_is(mine, CS_NUMBER) && cs_is(least, CS_NUMBER) && cs_compare(mine, least) < 0) {
        cost = cs_object_clone(a, cost, 1);
        cs_object_put_text(a, cost, "estimate_nanos", least);
        cs_object_put_text(a, out, "cost", cost);
    }
    return out;
}

/* The clients that have an entry of their own, or about which a rule speaks. */
static cs_value clients_of(rules *rs, cs_slice id, cs_value name, cs_value entry)
{
    cs_value names = cs_set_new(rs->a, 0), clients = cs_pq__member(entry, "clients");
    for (uint32_t i = 0; i < cs_count(clients); i++) {
        (void)cs_set_add(rs->a, names, cs_entry(clients, i, NULL));
    }
    for (size_t i = 0; i < rs->n; i++) {
        const rule *r = &rs->v[i];
        bool meant =
            r->by_name ? cs_is(name, CS_STRING) && cs_slice_eq(r->key, cs_text(name)) : cs_slice_eq(r->key, id);
        if (meant && r->client.n != 0) {
            (void)cs_set_add(rs->a, names, cs_string(r->client));
        }
    }
    return names;
}

static cs_value apply(rules *rs, cs_slice id, cs_value entry)
{
    cs_value general = cs_pq__general(entry), clients = cs_pq__member(entry, "clients"), own = cs_undefined();
    cs_value name = cs_pq__member(general, "name");
    if (cs_is_undefined(general) && cs_count(clients) != 0) {
        (void)cs_entry(clients, 0, &own);
        name = cs_pq__member(own, "name");
    }
    cs_value for_all = fields_of(rs, id, name, CS_LIT(""));
    cs_value out = cs_is_undefined(general) ? cs_object_new(rs->a, 1) : with_fields(rs->a, general, for_all);
    cs_value names = clients_of(rs, id, name, entry), made = cs_object_new(rs->a, cs_count(names));
    cs_value without = cs_string(CS_LIT("clients"));
    cs_value base = cs_is_undefined(general) ? cs_undefined() : cs_remove(rs->a, general, &without, 1);
    for (uint32_t i = 0; i < cs_count(names); i++) {
        cs_value client = cs_entry(names, i, NULL);
        const cs_value *there = cs_is(clients, CS_OBJECT) ? cs_object_get(clients, client) : NULL;
        cs_value start = there != NULL ? *there : !cs_is_undefined(base) ? base : own;
        cs_value all = with_fields(rs->a, start, for_all);
        cs_value mine = with_fields(rs->a, all, fields_of(rs, id, name, cs_text(client)));
        cs_object_put(rs->a, made, client, raised(rs->a, mine, all));
    }
    if (cs_count(made) != 0) {
        cs_object_put_text(rs->a, out, "clients", made);
    }
    return out;
}

static bool is_removed(cs_value entry)
{
    return cs_equal(cs_pq__member(entry, "state"), cs_string(CS_LIT("removed")));
}

cs_err cs_pq__apply_sidecars(cs_pq_list *list, cs_value *operations, cs_error *e)
{
    rules rs = {.a = list->arena};
    for (uint32_t i = 0; i < list->sidecars.n; i++) {
        cs_value sidecar = list->sidecars.u.items[i];
        const char *file = cs_text(cs_pq__member(sidecar, "file")).p;
        CS_TRY(read_sidecar(&rs, file, cs_pq__member(sidecar, "document"), e));
    }
    cs_value out = cs_object_new(list->arena, cs_count(*operations));
    for (uint32_t i = 0; i < cs_count(*operations); i++) {
        cs_value entry, id = cs_entry(*operations, i, &entry);
        if (is_removed(entry)) {
            (void)fields_of(&rs, cs_text(id), cs_undefined(),
                            CS_LIT("")); /* of a document that is gone, say what you like */
        } else {
            entry = apply(&rs, cs_text(id), entry);
        }
        cs_object_put(list->arena, out, id, entry);
    }
    for (size_t i = 0; i < rs.n; i++) {
        if (!rs.v[i].used) {
            return wrong(rs.v[i].file, rs.v[i].place, e, "", "no manifest has this operation");
        }
    }
    *operations = out;
    return CS_OK;
}
