/* Manifests: what client builds say they will ask for. Every document is read, so that what is recorded of it is its
 * own and not what the manifest says. */
#include <stdio.h>

#include "making.h"

enum { ID_MAX = 512 };

void cs_pq_list_init(cs_pq_list *list, cs_arena *a)
{
    *list = (cs_pq_list){.arena = a,
                         .current = cs_object_new(a, 0),
                         .previous = cs_object_new(a, 0),
                         .sidecars = cs_array(NULL, 0),
                         .revisions = cs_array(NULL, 0)};
}

cs_value cs_pq__append(cs_arena *a, cs_value array, cs_value item)
{
    cs_value *items = cs_arena_array(a, cs_value, (size_t)array.n + 1);
    if (array.n != 0) {
        memcpy(items, array.u.items, array.n * sizeof *items);
    }
    items[array.n] = item;
    return cs_array(items, (size_t)array.n + 1);
}

cs_err cs_pq__read_file(cs_arena *a, const char *file, cs_slice text, cs_value *out, cs_error *e)
{
    cs_error why = {0};
    cs_err err = cs_json_read(a, text, &(cs_json_options){.unique = true}, out, NULL, &why);
    if (err != CS_OK) {
        return cs_fail(e, CS_ERR_INVALID, "%s:%u:%u: %s", file, why.row, why.col, why.text);
    }
    return CS_OK;
}

/* One operation of a manifest, and where it stands. */
typedef struct item {
    const char *file;
    const char *place;
    cs_slice id;
    cs_value name, type, client; /* undefined or null = not said */
    cs_slice body;
} item;

static cs_err wrong(const item *it, cs_error *e, const char *member, const char *what)
{
    return cs_fail(e, CS_ERR_INVALID, "%s: %s%s: %s", it->file, it->place, member, what);
}

static bool said(cs_value v)
{
    return !cs_is_undefined(v) && !cs_is(v, CS_NULL);
}

static bool is_id(cs_slice id)
{
    for (size_t i = 0; i < id.n; i++) {
        if ((uint8_t)id.p[i] <= ' ' || id.p[i] == 0x7F) {
            return false;
        }
    }
    return id.n != 0 && id.n <= ID_MAX;
}

/* The name that the manifest gives, if the document has an operation of that name; or its only operation's. */
static cs_err name_of(const item *it, const cs_graphql *read, cs_value *out, cs_error *e)
{
    *out = read->n_operations == 1 && said(read->names.u.items[0]) ? read->names.u.items[0] : cs_undefined();
    if (!said(it->name)) {
        return CS_OK;
    }
    for (uint32_t i = 0; i < read->n_operations; i++) {
        if (cs_equal(read->names.u.items[i], it->name)) {
            *out = it->name;
            return CS_OK;
        }
    }
    return wrong(it, e, ".name", "the document has no operation of that name");
}

static cs_err make_entry(cs_pq_list *list, const item *it, cs_value *out, cs_error *e)
{
    cs_arena *a = list->arena;
    cs_graphql read;
    cs_error why = {0};
    if (cs_graphql_read(a, it->body, &read, &why) != CS_OK) {
        return cs_fail(e, CS_ERR_INVALID, "%s: %s: the document, %u:%u: %s", it->file, it->place, why.row, why.col,
                       why.text);
    }
    if (read.n_operations == 0) {
        return wrong(it, e, "", "the document has no operation");
    }
    if (said(it->type) && !(cs_is(it->type, CS_STRING) && cs_slice_is(cs_text(it->type), read.kind))) {
        return wrong(it, e, ".type", cs_arena_printf(a, NULL, "the document is a %s", read.kind));
    }
    cs_value name;
    CS_TRY(name_of(it, &read, &name, e));
    cs_value entry = cs_object_new(a, 8);
    if (said(name)) {
        cs_object_put_text(a, entry, "name", name);
    }
    cs_object_put_text(a, entry, "kind", cs_string(cs_slice_of(read.kind)));
    cs_object_put_text(a, entry, "root_fields", read.root_fields);
    cs_object_put_text(a, entry, "document_sha256", cs_string(cs_digest_hex(a, CS_SHA256, it->body)));
    cs_object_put_text(a, entry, "normalized_sha256", cs_string(cs_digest_hex(a, CS_SHA256, read.normal)));
    *out = entry;
    return CS_OK;
}

static cs_err add_operation(cs_pq_list *list, const item *it, cs_error *e)
{
    cs_arena *a = list->arena;
    cs_slice id = cs_pq__plain_id(it->id);
    if (!is_id(id)) {
        return wrong(it, e, "", "an id is a text without blanks, of at most 512 bytes");
    }
    cs_value entry;
    CS_TRY(make_entry(list, it, &entry, e));
    if (id.n != it->id.n && !cs_slice_eq(id, cs_text(cs_pq__member(entry, "document_sha256")))) {
        return wrong(it, e, "", "the id says a hash that the document does not have");
    }
    const cs_value *there = cs_object_get(list->current, cs_string(id));
    if (there != NULL && cs_pq__is_other_document(*there, entry)) {
        return wrong(it, e, "",
                     cs_arena_printf(a, NULL, "the id %.*s stands for another document already", CS_FMT(id)));
    }
    cs_value whole = there != NULL ? cs_object_clone(a, *there, 8) : cs_object_new(a, 8);
    if (said(it->client)) {
        cs_value clients = cs_pq__member(whole, "clients");
        clients = cs_is(clients, CS_OBJECT) ? cs_object_clone(a, clients, 1) : cs_object_new(a, 1);
        (void)cs_object_put_once(a, clients, it->client, entry);
        cs_object_put_text(a, whole, "clients", clients);
    } else {
        for (uint32_t i = 0; i < cs_count(entry); i++) {
            cs_value v, key = cs_entry(entry, i, &v);
            (void)cs_object_put_once(a, whole, key, v);
        }
    }
    cs_object_put(a, list->current, cs_string(id), whole);
    return CS_OK;
}

/* ---- Apollo's */

static cs_err add_apollo_item(cs_pq_list *list, const char *file, uint32_t i, cs_value v, cs_error *e)
{
    item it = {.file = file,
               .place = cs_arena_printf(list->arena, NULL, "operations[%u]", i),
               .name = cs_pq__member(v, "name"),
               .type = cs_pq__member(v, "type"),
               .client = cs_pq__member(v, "clientName")};
    cs_value id = cs_pq__member(v, "id"), body = cs_pq__member(v, "body");
    if (!cs_is(v, CS_OBJECT)) {
        return wrong(&it, e, "", "must be an object");
    }
    if (!cs_is(id, CS_STRING)) {
        return wrong(&it, e, ".id", "must be a string");
    }
    if (!cs_is(body, CS_STRING)) {
        return wrong(&it, e, ".body", "must be a string");
    }
    if (said(it.name) && !cs_is(it.name, CS_STRING)) {
        return wrong(&it, e, ".name", "must be a string");
    }
    if (said(it.client) && !cs_pq__is_text(it.client)) {
        return wrong(&it, e, ".clientName", "must be a string that is not empty, or null");
    }
    it.id = cs_text(id);
    it.body = cs_text(body);
    return add_operation(list, &it, e);
}

static cs_err add_apollo(cs_pq_list *list, const char *file, cs_value document, cs_error *e)
{
    cs_value format = cs_pq__member(document, "format"), operations = cs_pq__member(document, "operations");
    if (!cs_is(format, CS_STRING) || !cs_slice_is(cs_text(format), "apollo-persisted-query-manifest")) {
        return cs_fail(e, CS_ERR_INVALID, "%s: format: must be apollo-persisted-query-manifest", file);
    }
    if (!cs_equal(cs_pq__member(document, "version"), cs_int(1))) {
        return cs_fail(e, CS_ERR_INVALID, "%s: version: only 1 is known", file);
    }
    if (!cs_is(operations, CS_ARRAY)) {
        return cs_fail(e, CS_ERR_INVALID, "%s: operations: must be an array", file);
    }
    for (uint32_t i = 0; i < operations.n; i++) {
        CS_TRY(add_apollo_item(list, file, i, operations.u.items[i], e));
    }
    return CS_OK;
}

/* ---- documents by id */

static cs_err add_map(cs_pq_list *list, const char *file, cs_value document, cs_error *e)
{
    for (uint32_t i = 0; i < cs_count(document); i++) {
        cs_value body, id = cs_entry(document, i, &body);
        cs_buf place;
        cs_buf_init(&place);
        cs_json_write_string(&place, cs_slice_sub(cs_text(id), 0, ID_MAX), 0);
        item it = {.file = file,
                   .place = cs_arena_dup(list->arena, place.p, place.n),
                   .id = cs_text(id),
                   .name = cs_undefined(),
                   .type = cs_undefined(),
                   .client = cs_undefined()};
        cs_buf_destroy(&place);
        if (!cs_is(body, CS_STRING)) {
            return wrong(&it, e, "", "must be the text of a document");
        }
        it.body = cs_text(body);
        CS_TRY(add_operation(list, &it, e));
    }
    return CS_OK;
}

cs_err cs_pq_add_manifest(cs_pq_list *list, const char *file, cs_slice text, cs_error *e)
{
    cs_value document;
    CS_TRY(cs_pq__read_file(list->arena, file, text, &document, e));
    if (!cs_is(document, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INVALID, "%s: a manifest is an object", file);
    }
    bool apollo =
        cs_object_get_text(document, "format") != NULL || cs_is(cs_pq__member(document, "operations"), CS_ARRAY);
    return apollo ? add_apollo(list, file, document, e) : add_map(list, file, document, e);
}
