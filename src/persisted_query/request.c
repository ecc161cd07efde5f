/* Requests as gateways show them, and which document of the list they name. Two readings of a request must not lead to
 * two documents: if body, URL, path and headers do not agree on one, no id counts and the request is free-form. */
#include "request.h"

/* ---- ids */

typedef struct naming {
    cs_value id; /* as it is without the prefix; undefined = none */
    const char *source;
    bool hashed; /* somewhere it had the prefix: it must be the document's hash */
} naming;

static void name_it(cs_pq__reading *r, naming *n, cs_value id, const char *source)
{
    if (cs_is_undefined(id) || cs_is(id, CS_NULL) || (cs_is(id, CS_STRING) && id.n == 0)) {
        return;
    }
    cs_slice plain = cs_is(id, CS_STRING) ? cs_pq__plain_id(cs_text(id)) : CS_LIT("");
    if (plain.n == 0) {
        cs_pq__unclear(r, "an id that is no text");
        return;
    }
    n->hashed |= plain.n != id.n;
    if (cs_is_undefined(n->id)) {
        n->id = cs_string(plain);
        n->source = source;
    } else if (!cs_slice_eq(cs_text(n->id), plain)) {
        cs_pq__unclear(r, "two ids");
    }
}

/* {"persistedQuery": {"version": 1, "sha256Hash": …}} */
static cs_value persisted(cs_pq__reading *r, cs_value request)
{
    cs_value extensions = cs_pq__member(request, "extensions");
    cs_value entry = cs_pq__member(extensions, "persistedQuery"), version = cs_pq__member(entry, "version");
    bool ok = cs_is_undefined(extensions) || cs_is(extensions, CS_NULL) || cs_is(extensions, CS_OBJECT);
    ok = ok && (cs_is_undefined(entry) || cs_is(entry, CS_NULL) || cs_is(entry, CS_OBJECT));
    if (!ok || (!cs_is_undefined(version) && !cs_equal(version, cs_int(1)))) {
        cs_pq__unclear(r, "extensions of an unknown kind");
    }
    return cs_pq__member(entry, "sha256Hash");
}

/* In the order of weight. */
static void names_of_request(cs_pq__reading *r, naming *n, cs_value request, bool url)
{
    name_it(r, n, cs_pq__member(request, "documentId"), url ? "url.documentId" : "documentId");
    name_it(r, n, persisted(r, request), url ? "url.extensions.persistedQuery" : "extensions.persistedQuery");
    name_it(r, n, cs_pq__member(request, "doc_id"), url ? "url.doc_id" : "doc_id");
    name_it(r, n, cs_pq__member(request, "id"), url ? "url.id" : "id");
}

/* Outside of the body. */
static void names_outside(cs_pq__reading *r, naming *n)
{
    names_of_request(r, n, r->url, true);
    name_it(r, n, cs_pq__path_id(r), "url.path");
    for (size_t i = 0; i < r->rq->n_headers; i++) {
        const cs_pq_header *h = &r->rq->headers[i];
        if (cs_slice_eq_nocase(h->name, CS_LIT("x-graphql-document-id"))) {
            name_it(r, n, cs_string(h->value), "header");
        }
    }
}

/* An id that claims to be a hash names only the document that has it. */
static cs_value resolved(cs_pq__reading *r, const naming *n)
{
    if (!n->hashed) {
        return n->id;
    }
    cs_value whole = cs_string_printf(r->a, CS_PQ_HASH_PREFIX "%.*s", CS_FMT(cs_text(n->id)));
    bool itself = cs_is(r->operations, CS_OBJECT) && cs_object_get(r->operations, whole) != NULL;
    bool other = !cs_is_undefined(cs_pq_find(r->operations, n->id, r->client)) &&
                 cs_is_undefined(cs_pq_find(r->operations, whole, r->client));
    return itself || other ? whole : n->id;
}

/* ---- what stands in one request */

static void put(cs_pq__reading *r, cs_value object, const char *name, cs_value v)
{
    if (!cs_is_undefined(v)) {
        cs_object_put_text(r->a, object, name, v);
    }
}

/* The member, from the body or the URL, if it is of that kind; if both have it they must agree. */
static cs_value agreed(cs_pq__reading *r, cs_value body, cs_value url, const char *name, cs_kind kind)
{
    const cs_value both[2] = {cs_pq__member(body, name), cs_pq__member(url, name)};
    cs_value out = cs_undefined();
    for (int i = 0; i < 2; i++) {
        if (cs_is_undefined(both[i]) || cs_is(both[i], CS_NULL)) {
            continue;
        }
        if (!cs_is(both[i], kind)) {
            cs_pq__unclear(r, "a member of an unknown kind");
        } else if (!cs_is_undefined(out) && !cs_equal(out, both[i])) {
            cs_pq__unclear(r, "body and URL say different things");
        } else {
            out = both[i];
        }
    }
    return out;
}

/* Is the text the document that the id stands for? In any spelling, if the list knows the normal one. */
static bool is_the_document(cs_pq__reading *r, cs_value id, cs_slice text, const cs_graphql *read)
{
    cs_value entry = cs_pq_find(r->operations, id, r->client);
    cs_value hash = cs_pq__member(entry, "document_sha256"), one = cs_pq__member(entry, "normalized_sha256");
    if (read != NULL && cs_is(one, CS_STRING) &&
        cs_slice_eq(cs_text(one), cs_digest_hex(r->a, CS_SHA256, read->normal))) {
        return true;
    }
    cs_slice known = cs_is(hash, CS_STRING) ? cs_text(hash) : cs_pq__plain_id(cs_text(id));
    return cs_slice_eq(known, cs_digest_hex(r->a, CS_SHA256, text));
}

/* In a text that is no GraphQL: wrong on the safe side. */
static bool mentions_introspection(cs_slice text)
{
    if (cs_slice_find(text, CS_LIT("__schema"), 0) != SIZE_MAX) {
        return true;
    }
    for (size_t at = 0; (at = cs_slice_find(text, CS_LIT("__type"), at)) != SIZE_MAX; at++) {
        if (!cs_slice_starts(cs_slice_sub(text, at, text.n), CS_LIT("__typename"))) {
            return true;
        }
    }
    return false;
}

static void put_text_facts(cs_pq__reading *r, cs_value facts, cs_slice text, cs_value id)
{
    cs_graphql read;
    bool ok = cs_graphql_read(r->a, text, &read, NULL) == CS_OK;
    put(r, facts, "introspection", cs_bool(ok ? read.introspection : mentions_introspection(text)));
    if (ok && read.kind[0] != '\0') {
        put(r, facts, "kind", cs_string(cs_slice_of(read.kind)));
        put(r, facts, "root_fields", read.root_fields);
    }
    if (!cs_is_undefined(id)) {
        put(r, facts, "body_matches", cs_bool(is_the_document(r, id, text, ok ? &read : NULL)));
    } else {
        put(r, facts, "text_sha256", cs_string(cs_digest_hex(r->a, CS_SHA256, text)));
    }
}

/* One request, or one element of a batch; `outside` names what stands in URL, path and headers. */
static cs_value read_one(cs_pq__reading *r, cs_value body, cs_value url, const naming *outside)
{
    cs_value facts = cs_object_new(r->a, 12);
    cs_pq__check_names(r, body);
    naming n = {.id = cs_undefined()};
    names_of_request(r, &n, body, false);
    if (outside != NULL && !cs_is_undefined(outside->id)) {
        name_it(r, &n, outside->id, outside->source);
        n.hashed |= outside->hashed;
    }
    cs_value text = agreed(r, body, url, "query", CS_STRING);
    cs_value name = agreed(r, body, url, "operationName", CS_STRING);
    cs_value variables = agreed(r, body, url, "variables", CS_OBJECT);
    bool has_text = cs_is(text, CS_STRING) && cs_slice_trim(cs_text(text)).n != 0;
    cs_value id = r->why == NULL && !cs_is_undefined(n.id) ? resolved(r, &n) : cs_undefined();
    put(r, facts, "document_id", id);
    if (!cs_is_undefined(id)) {
        put(r, facts, "id_source", cs_string(cs_slice_of(n.source)));
    }
    put(r, facts, "freeform", cs_bool(r->why != NULL || (has_text && cs_is_undefined(id))));
    put(r, facts, "introspection", cs_bool(false));
    if (has_text) {
        put_text_facts(r, facts, cs_text(text), id);
    }
    put(r, facts, "operation_name", name);
    put(r, facts, "variables", cs_is_undefined(variables) ? cs_object_new(r->a, 0) : variables);
    if (r->why != NULL) {
        put(r, facts, "unclear", cs_string(cs_slice_of(r->why)));
    }
    return facts;
}

/* ---- batches: as a whole without an id, in `operations` each for itself */

/* The kind of a batch: unknown (NULL) if one is, else the weightiest. */
static void weigh_kind(cs_value one, const char **kind)
{
    cs_slice text = cs_is(one, CS_STRING) ? cs_text(one) : CS_LIT("");
    if (text.n == 0 || *kind == NULL) {
        *kind = NULL;
    } else if (cs_slice_is(text, "mutation")) {
        *kind = "mutation";
    } else if (cs_slice_is(text, "subscription") && strcmp(*kind, "query") == 0) {
        *kind = "subscription";
    }
}

static cs_value read_batch(cs_pq__reading *r, cs_value body, const naming *outside)
{
    if (!cs_is_undefined(outside->id) || cs_count(r->url) != 0) {
        cs_pq__unclear(r, "a batch, and a request in the URL or a header beside it");
    }
    cs_value *items = cs_arena_array(r->a, cs_value, (size_t)body.n + 1);
    const char *why = r->why;
    const char *kind = "query";
    bool introspection = false;
    for (uint32_t i = 0; i < body.n; i++) {
        r->why = why;
        if (!cs_is(body.u.items[i], CS_OBJECT)) {
            cs_pq__unclear(r, "an element of a batch that is no request");
        }
        items[i] = read_one(r, body.u.items[i], cs_undefined(), NULL);
        introspection |= cs_truthy(cs_pq__member(items[i], "introspection"));
        weigh_kind(cs_pq__member(items[i], "kind"), &kind);
    }
    cs_value facts = cs_object_new(r->a, 8);
    put(r, facts, "operations", cs_array(items, body.n));
    put(r, facts, "freeform", cs_bool(true));
    put(r, facts, "introspection", cs_bool(introspection));
    if (kind != NULL && body.n != 0) {
        put(r, facts, "kind", cs_string(cs_slice_of(kind)));
    }
    put(r, facts, "variables", cs_object_new(r->a, 0));
    return facts;
}

cs_value cs_pq_read_request(cs_arena *a, const cs_pq_request *request, cs_value operations, const char **body)
{
    cs_pq__reading r = {.a = a, .rq = request, .operations = operations, .client = CS_LIT("")};
    cs_value client = cs_pq__client(&r), content;
    cs_pq__read_query(&r);
    naming outside = {.id = cs_undefined()};
    names_outside(&r, &outside);
    *body = cs_pq__read_body(&r, &content);
    if (cs_is_undefined(content) && strcmp(*body, "absent") != 0) {
        cs_pq__unclear(&r, "a body that cannot be read");
    }
    bool batch = cs_is(content, CS_ARRAY);
    cs_value facts = batch ? read_batch(&r, content, &outside) : read_one(&r, content, r.url, &outside);
    put(&r, facts, "batch", cs_bool(batch));
    put(&r, facts, "client", client);
    return facts;
}
