/* Requests that name persisted queries: "PATH?QUERY", lines of headers, an empty line, the body. What is read twice is
 * the same; an unclear request names no document; the pieces of a form lie in the body, in their order. The same body
 * as a manifest, a sidecar and a list: what is made of it is a list and does not differ from itself. */
#include <stdint.h>
#include <stdlib.h>

#include "countersign/persisted_query.h"

enum { HEADERS = 16, SIZE = 1 << 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static cs_value member(cs_value object, const char *name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, name) : NULL;
    return v != NULL ? *v : cs_undefined();
}

static void check_one(cs_value facts)
{
    bool named = cs_is(member(facts, "document_id"), CS_STRING), text = cs_is(member(facts, "text_sha256"), CS_STRING);
    bool free_form = cs_truthy(member(facts, "freeform"));
    must(cs_is(facts, CS_OBJECT) && cs_is(member(facts, "variables"), CS_OBJECT));
    must(named == cs_is(member(facts, "id_source"), CS_STRING));
    must(!(named && (free_form || text || !cs_is_undefined(member(facts, "unclear")))));
    must(named || cs_is_undefined(member(facts, "body_matches")));
    must(!text || free_form);
}

static void check_facts(cs_value facts, const char *state)
{
    bool batch = cs_truthy(member(facts, "batch"));
    cs_value elements = member(facts, "operations");
    check_one(facts);
    must(batch == cs_is(elements, CS_ARRAY));
    must(!batch || (strcmp(state, "complete") == 0 && cs_is_undefined(member(facts, "document_id"))));
    for (uint32_t i = 0; batch && i < elements.n; i++) {
        check_one(elements.u.items[i]);
    }
    bool unread = strcmp(state, "not_json") == 0 || strcmp(state, "truncated") == 0;
    must(!unread || cs_truthy(member(facts, "freeform")));
}

/* Up to the line end, without it. */
static cs_slice line(cs_slice *rest)
{
    size_t at = cs_slice_find_byte(*rest, '\n', 0);
    cs_slice out = cs_slice_sub(*rest, 0, at);
    *rest = cs_slice_sub(*rest, at == SIZE_MAX ? rest->n : at + 1, rest->n);
    return out;
}

static void check_request(cs_arena *a, cs_pq_request *request, cs_value list)
{
    const char *states[2];
    cs_value facts[2];
    for (int i = 0; i < 2; i++) {
        facts[i] = cs_pq_read_request(a, request, list, &states[i]);
        check_facts(facts[i], states[i]);
    }
    must(states[0] == states[1] && cs_equal(facts[0], facts[1]));
    request->truncated = true;
    check_facts(cs_pq_read_request(a, request, list, &states[0]), states[0]);
    request->bodyless = true;
    check_facts(cs_pq_read_request(a, request, cs_undefined(), &states[0]), states[0]);
    must(strcmp(states[0], "absent") == 0);
}

static void check_form(cs_arena *a, cs_slice type, cs_slice body)
{
    const cs_pq_part *parts;
    size_t n;
    const char *why = NULL;
    if (!cs_pq_read_form(a, type, body, &parts, &n, &why)) {
        must(why != NULL);
        return;
    }
    const char *at = body.p;
    for (size_t i = 0; i < n; i++) {
        must(parts[i].name.p >= at && parts[i].content.p >= parts[i].name.p + parts[i].name.n);
        at = parts[i].content.p + parts[i].content.n;
        must(at <= body.p + body.n);
    }
}

static void check_document(cs_arena *a, cs_slice text)
{
    cs_graphql once, twice;
    if (cs_graphql_read(a, text, &once, NULL) == CS_OK) {
        must(cs_graphql_read(a, once.normal, &twice, NULL) == CS_OK && cs_slice_eq(once.normal, twice.normal));
        must(strcmp(once.kind, twice.kind) == 0 && once.introspection == twice.introspection);
        must(once.n_operations == twice.n_operations && cs_equal(once.root_fields, twice.root_fields));
    }
}

static void check_list(cs_arena *a, cs_slice text)
{
    cs_pq_list list;
    cs_pq_list_init(&list, a);
    cs_error e = {0};
    cs_value made, revisions, warnings, parsed;
    cs_pq_making making = {.revision = CS_LIT("r2"), .keep = 2, .retire_after_ns = 5, .now_ns = 1000};
    bool read = cs_json_read(a, text, NULL, &parsed, NULL, NULL) == CS_OK;
    (void)!cs_pq_check_text(text, NULL, &e);
    (void)!cs_pq_check_text(text, "operations", &e);
    if (read && cs_pq_check(parsed, &e) == CS_OK) {
        must(cs_count(member(cs_pq_diff(a, parsed, parsed, 7), "changes")) == 0);
        must(cs_pq_add_previous(&list, "p", parsed, cs_undefined(), &e) == CS_OK);
    }
    (void)!cs_pq_add_manifest(&list, "m", text, &e);
    if (cs_pq_make(&list, &making, &made, &revisions, &warnings, &e) == CS_OK) {
        must(cs_pq_check(made, &e) == CS_OK && cs_count(revisions) >= 1);
        (void)cs_pq_diff(a, list.previous, made, 1000);
    }
    (void)!cs_pq_add_sidecar(&list, "s", text, &e);
    if (cs_pq_make(&list, &making, &made, &revisions, &warnings, &e) == CS_OK) {
        must(cs_pq_check(made, &e) == CS_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char list_text[] = "{\"known\":{\"document_sha256\":\"00\"},\"w\":{\"clients\":{\"web\":{}}}}";
    if (size > SIZE) {
        return 0;
    }
    cs_arena a;
    cs_arena_init(&a, (size_t)1 << 26);
    cs_slice rest = {(const char *)data, size}, target = line(&rest), type = CS_LIT("");
    cs_pq_header headers[HEADERS];
    size_t mark = cs_slice_find_byte(target, '?', 0);
    cs_pq_request request = {.path = cs_slice_sub(target, 0, mark),
                             .query = cs_slice_sub(target, mark == SIZE_MAX ? target.n : mark + 1, target.n),
                             .headers = headers};
    for (cs_slice h = line(&rest); h.n != 0 && request.n_headers < HEADERS; h = line(&rest)) {
        size_t colon = cs_slice_find_byte(h, ':', 0);
        cs_slice value = cs_slice_trim(cs_slice_sub(h, colon == SIZE_MAX ? h.n : colon + 1, h.n));
        headers[request.n_headers++] = (cs_pq_header){cs_slice_sub(h, 0, colon), value};
        type = cs_slice_starts(h, CS_LIT("content-type")) ? value : type;
    }
    request.body = rest;
    cs_value list;
    must(cs_json_read(&a, cs_slice_of(list_text), NULL, &list, NULL, NULL) == CS_OK);
    check_request(&a, &request, list);
    check_form(&a, type, rest);
    check_document(&a, rest);
    check_list(&a, rest);
    cs_arena_destroy(&a);
    return 0;
}
