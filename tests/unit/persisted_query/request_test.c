/* What requests ask for: the places of ids, texts beside ids, batches, forms, and everything that two readers could
 * take in two ways. */
#include <criterion/criterion.h>

#include "countersign/crypto.h"
#include "countersign/json.h"
#include "countersign/persisted_query.h"

/* The document that the list below knows as "known", and a hash that is not its. */
#define TEXT "query Q($i:ID!){a(i:$i){...F}} fragment F on T{b}"
#define HASH "9c7e5b2ce1ab0e2d2b2e2de4e7ed8b1e5f5e6d57b0d1cf2b4bd6a7c9f3a60f11"

static cs_value must_read(cs_arena *a, cs_slice text)
{
    cs_value v;
    cs_error e = {0};
    cr_assert_eq(cs_json_read(a, text, NULL, &v, NULL, &e), CS_OK, "%s", e.text);
    return v;
}

static cs_value make_list(cs_arena *a)
{
    cs_graphql read;
    cr_assert_eq(cs_graphql_read(a, CS_LIT(TEXT), &read, NULL), CS_OK);
    cs_slice hash = cs_digest_hex(a, CS_SHA256, CS_LIT(TEXT)), one = cs_digest_hex(a, CS_SHA256, read.normal);
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_printf(&text,
                  "{\"known\": {\"document_sha256\": \"%.*s\", \"normalized_sha256\": \"%.*s\"}, "
                  "\"%.*s\": {\"document_sha256\": \"%.*s\", \"normalized_sha256\": \"%.*s\"}, "
                  "\"" HASH "\": {\"document_sha256\": \"%.*s\"}, \"bare\": {}, "
                  "\"app\": {\"clients\": {\"web\": {\"kind\": \"query\"}}}, \"gone\": {\"state\": \"removed\"}}",
                  CS_FMT(hash), CS_FMT(one), CS_FMT(hash), CS_FMT(hash), CS_FMT(one), CS_FMT(hash));
    cs_value v = must_read(a, cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n));
    cs_buf_destroy(&text);
    return v;
}

typedef struct scene {
    const char *query, *headers, *body; /* headers: "name: value" lines */
    const char *facts;                  /* members that the answer has, and null for those that it has not */
    const char *path;                   /* NULL = /graphql */
    const char *state;                  /* NULL = complete, or absent without a body */
} scene;

static size_t split_headers(const char *text, cs_pq_header *out)
{
    size_t n = 0;
    cs_slice rest = cs_slice_of(text), line;
    while (rest.n > 0 && cs_slice_next(&rest, '\n', &line)) {
        size_t at = cs_slice_find_byte(line, ':', 0);
        out[n++] = (cs_pq_header){cs_slice_sub(line, 0, at), cs_slice_trim(cs_slice_sub(line, at + 1, line.n))};
    }
    return n;
}

static void check(const scene *s, size_t number)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_pq_header headers[8];
    cs_pq_request request = {.path = cs_slice_of(s->path != NULL ? s->path : "/graphql"),
                             .query = cs_slice_of(s->query),
                             .headers = headers,
                             .n_headers = split_headers(s->headers, headers),
                             .body = cs_slice_of(s->body)};
    const char *state = NULL;
    cs_value facts = cs_pq_read_request(&a, &request, make_list(&a), &state);
    cs_buf got;
    cs_buf_init(&got);
    cs_json_write(&got, facts, 0);
    cr_assert_str_eq(state,
                     s->state != NULL     ? s->state
                     : s->body[0] != '\0' ? "complete"
                                          : "absent",
                     "%zu: %s %s", number, s->body, cs_buf_cstr(&got));
    cs_value wanted = must_read(&a, cs_slice_of(s->facts));
    for (uint32_t i = 0; i < cs_count(wanted); i++) {
        cs_value v, key = cs_entry(wanted, i, &v);
        const cs_value *is = cs_object_get(facts, key);
        bool ok = cs_is(v, CS_NULL) ? is == NULL : is != NULL && cs_equal(*is, v);
        cr_assert(ok, "%zu: %s ? %s\n%.*s of\n%s", number, s->query, s->body, CS_FMT(cs_text(key)), cs_buf_cstr(&got));
    }
    cs_buf_destroy(&got);
    cs_arena_destroy(&a);
}

#define KNOWN "{\"document_id\": \"known\", \"freeform\": false, \"unclear\": null, \"batch\": false}"
#define UNCLEAR "{\"document_id\": null, \"id_source\": null, \"freeform\": true}"
#define JSON "content-type: application/json\n"

static void check_all(const scene *scenes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check(&scenes[i], i);
    }
}

Test(request, places_of_ids)
{
    static const scene scenes[] = {
        {"", JSON, "{\"documentId\":\"known\"}", "{\"id_source\": \"documentId\", \"document_id\": \"known\"}", 0, 0},
        {"", "", "{\"extensions\":{\"persistedQuery\":{\"version\":1,\"sha256Hash\":\"known\"}}}",
         "{\"id_source\": \"extensions.persistedQuery\", \"document_id\": \"known\"}", 0, 0},
        {"", "", "{\"doc_id\":\"known\"}", "{\"id_source\": \"doc_id\", \"document_id\": \"known\"}", 0, 0},
        {"", "", "{\"id\":\"known\"}", "{\"id_source\": \"id\", \"document_id\": \"known\"}", 0, 0},
        {"documentId=known", "", "", "{\"id_source\": \"url.documentId\", \"document_id\": \"known\"}", 0, 0},
        {"extensions=%7B%22persistedQuery%22:%7B%22sha256Hash%22:%22known%22%7D%7D", "", "", KNOWN, 0, 0},
        {"doc_id=known", "", "", KNOWN, 0, 0},
        {"id=known&a=b", "", "", KNOWN, 0, 0},
        {"", "x-graphql-document-id: known", "", "{\"id_source\": \"header\", \"document_id\": \"known\"}", 0, 0},
        {"", "", "", "{\"id_source\": \"url.path\", \"document_id\": \"known\"}", "/graphql/known", 0},
        {"", "", "", "{\"document_id\": \"other\"}", "/graphql/persisted/other", 0},
        {"", "", "", "{\"document_id\": \"other\"}", "/graphql/persisted/other/Name", 0},
        {"", "", "", "{\"document_id\": \"d41d8cd98f00b204e9800998ecf8427e\"}",
         "/graphql/d41d8cd98f00b204e9800998ecf8427e", 0},
        {"", "", "", "{\"document_id\": null, \"freeform\": false}", "/known", 0},
        {"", "", "", "{\"document_id\": null, \"freeform\": false}", "/graphql/other", 0},
        {"documentId=known", "x-graphql-document-id: known", "{\"documentId\":\"known\",\"id\":null}", KNOWN, 0, 0},
        {"", "", "{\"documentId\":\"nobody\"}", "{\"document_id\": \"nobody\", \"freeform\": false}", 0, 0},
        {"", "", "{}", "{\"document_id\": null, \"freeform\": false, \"introspection\": false}", 0, 0},
    };
    check_all(scenes, sizeof scenes / sizeof *scenes);
}

Test(request, hashes)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_slice hash = cs_digest_hex(&a, CS_SHA256, CS_LIT(TEXT));
    const char *body = cs_arena_printf(&a, NULL, "{\"documentId\":\"sha256:%.*s\"}", CS_FMT(hash));
    const char *facts = cs_arena_printf(&a, NULL, "{\"document_id\": \"%.*s\"}", CS_FMT(hash));
    const scene scenes[] = {
        {"", "", body, facts, 0, 0},
        /* the list has that id for a document with another hash */
        {"", "", "{\"documentId\":\"sha256:" HASH "\"}", "{\"document_id\": \"sha256:" HASH "\"}", 0, 0},
        {"", "", "{\"documentId\":\"" HASH "\"}", "{\"document_id\": \"" HASH "\"}", 0, 0},
        {"", "", "{\"documentId\":\"sha256:" HASH "\",\"id\":\"" HASH "\"}", "{\"document_id\": \"sha256:" HASH "\"}",
         0, 0},
        {"", "", "{\"documentId\":\"sha256:bare\"}", "{\"document_id\": \"bare\"}", 0, 0},
        {"", "", "{\"documentId\":\"sha256:\"}", UNCLEAR, 0, 0},
        {"", "", "{\"documentId\":\"sha256:known\"}", "{\"document_id\": \"sha256:known\"}", 0, 0},
    };
    check_all(scenes, sizeof scenes / sizeof *scenes);
    cs_arena_destroy(&a);
}

Test(request, texts)
{
    static const scene scenes[] = {
        {"", "", "{\"documentId\":\"known\",\"query\":\"" TEXT "\"}", "{\"body_matches\": true, \"freeform\": false}",
         0, 0},
        {"", "",
         "{\"documentId\":\"known\",\"query\":\"# hi\\nfragment F on T { b, }\\n query Q($i: ID!) { a(i: $i) {...F} "
         "}\"}",
         "{\"body_matches\": true, \"kind\": \"query\", \"root_fields\": [\"a\"]}", 0, 0},
        {"", "", "{\"documentId\":\"known\",\"query\":\"mutation{purge}\"}",
         "{\"body_matches\": false, \"kind\": \"mutation\"}", 0, 0},
        {"query=mutation%7Bpurge%7D", "", "{\"documentId\":\"known\"}", "{\"body_matches\": false}", 0, 0},
        {"", "", "{\"query\":\"{x}\"}", "{\"freeform\": true, \"kind\": \"query\", \"body_matches\": null}", 0, 0},
        {"", "", "{\"query\":\"  \",\"documentId\":\"known\"}", KNOWN, 0, 0},
        {"", "", "{\"query\":\"query {\"}", "{\"freeform\": true, \"kind\": null}", 0, 0},
        {"", "", "{\"query\":\"} __type(\"}", "{\"freeform\": true, \"introspection\": true}", 0, 0},
        {"", "", "{\"query\":\"{ ...on Query { x: __schema { t } } }\"}", "{\"introspection\": true}", 0, 0},
        {"", "", "{\"query\":\"{ ...F } fragment F on Query { __type(name: 1) { t } }\"}", "{\"introspection\": true}",
         0, 0},
        {"", "", "{\"query\":\"{ a { __typename } }\"}", "{\"introspection\": false}", 0, 0},
        {"", "", "{\"query\":\"query Q { a } mutation M { b }\",\"operationName\":\"Q\"}", "{\"kind\": \"mutation\"}",
         0, 0},
    };
    check_all(scenes, sizeof scenes / sizeof *scenes);
}

Test(request, what_is_read_in_two_ways)
{
    static const scene scenes[] = {
        {"", "", "{\"documentId\":\"known\",\"id\":\"bare\"}", UNCLEAR, 0, 0},
        {"documentId=bare", "", "{\"documentId\":\"known\"}", UNCLEAR, 0, 0},
        {"", "x-graphql-document-id: bare", "{\"documentId\":\"known\"}", UNCLEAR, 0, 0},
        {"", "x-graphql-document-id: bare\nx-graphql-document-id: known", "", UNCLEAR, 0, 0},
        {"", "", "{\"documentId\":\"known\"}", UNCLEAR, "/graphql/bare", 0},
        {"documentId=known&documentId=bare", "", "", UNCLEAR, 0, 0},
        {"documentId=known;query=%7Bx%7D", "", "", UNCLEAR, 0, 0},
        {"documentId=known&Query=%7Bx%7D", "", "", UNCLEAR, 0, 0},
        {"documentId=known&variables[a]=1", "", "", UNCLEAR, 0, 0},
        {"documentId=known&query=%zz", "", "", UNCLEAR, 0, 0},
        {"documentId=known&extensions=nonsense", "", "", UNCLEAR, 0, 0},
        {"documentId=known&variables=%7B%22a%22:1,%22a%22:2%7D", "", "", UNCLEAR, 0, 0},
        {"variables=%7B%22a%22:1%7D", "", "{\"documentId\":\"known\",\"variables\":{\"a\":2}}", UNCLEAR, 0, 0},
        {"", "", "{\"documentId\":\"known\",\"QUERY\":\"mutation{purge}\"}", UNCLEAR, 0, 0},
        {"", "", "{\"documentId\":\"bare\",\"documentId\":\"known\"}", UNCLEAR, 0, "not_json"},
        {"", "", "{\"documentId\":\"known\",\"variables\":{\"a\":1,\"a\":2}}", UNCLEAR, 0, "not_json"},
        {"", "", "{\"documentId\":\"known\",\"variables\":\"{}\"}", UNCLEAR, 0, 0},
        {"", "", "{\"documentId\":\"known\",\"query\":[\"x\"]}", UNCLEAR, 0, 0},
        {"", "", "{\"documentId\":\"known\",\"extensions\":\"{}\"}", UNCLEAR, 0, 0},
        {"", "", "{\"extensions\":{\"persistedQuery\":{\"version\":2,\"sha256Hash\":\"known\"}}}", UNCLEAR, 0, 0},
        {"", "", "{\"doc_id\":7}", UNCLEAR, 0, 0},
        {"documentId=known", "content-type: application/x-www-form-urlencoded", "query=mutation%7Bpurge%7D", UNCLEAR, 0,
         "not_json"},
        {"", "content-type: application/x-www-form-urlencoded", "{\"documentId\":\"known\",\"x\":\"&query={p}&y=\"}",
         UNCLEAR, 0, "not_json"},
        {"", "content-type: application/json; charset=utf-7", "{\"documentId\":\"known\"}", UNCLEAR, 0, "not_json"},
        {"", "content-type: application/json\ncontent-type: text/plain", "{\"documentId\":\"known\"}", UNCLEAR, 0,
         "not_json"},
        {"", "content-encoding: br", "{\"documentId\":\"known\"}", UNCLEAR, 0, "not_json"},
        {"", "", "{\"documentId\":\"known\",\"a\":\"\xff\"}", UNCLEAR, 0, "not_json"},
        {"documentId=known", "", "42", UNCLEAR, 0, "not_json"},
        {"", "content-type: application/graphql+json; charset=UTF-8", "{\"documentId\":\"known\"}", KNOWN, 0, 0},
        {"", "content-encoding: identity", "{\"documentId\":\"known\"}", KNOWN, 0, 0},
        {"variables=%7B%22a%22:1%7D&operationName=Q", "",
         "{\"documentId\":\"known\",\"operationName\":\"Q\",\"variables\":{\"a\":1}}", KNOWN, 0, 0},
    };
    check_all(scenes, sizeof scenes / sizeof *scenes);
}

Test(request, batches)
{
    static const scene scenes[] = {
        {"", "", "[{\"documentId\":\"known\"},{\"query\":\"mutation{m}\"}]",
         "{\"batch\": true, \"freeform\": true, \"document_id\": null, \"kind\": null, \"operations\": ["
         "{\"document_id\": \"known\", \"id_source\": \"documentId\", \"freeform\": false, \"introspection\": false, "
         "\"variables\": {}}, {\"freeform\": true, \"introspection\": false, \"kind\": \"mutation\", "
         "\"root_fields\": [\"m\"], \"variables\": {}, "
         "\"text_sha256\": \"439d0d3e2c4afa7648c6e5d6dc03f5690b65b9121296244cd5fbeb98f63648dc\"}]}",
         0, 0},
        {"", "", "[{\"query\":\"{a}\"},{\"query\":\"subscription{b}\"}]", "{\"kind\": \"subscription\"}", 0, 0},
        {"", "", "[{\"query\":\"{a}\"},{\"query\":\"mutation{b}\"},{\"query\":\"{__schema{a}}\"}]",
         "{\"kind\": \"mutation\", \"introspection\": true}", 0, 0},
        {"", "", "[]", "{\"batch\": true, \"freeform\": true, \"operations\": [], \"kind\": null}", 0, 0},
        {"", "", "[[{\"documentId\":\"known\"}],null]", "{\"batch\": true, \"kind\": null}", 0, 0},
        {"", "", "[7]",
         "{\"operations\": [{\"freeform\": true, \"introspection\": false, \"variables\": {}, "
         "\"unclear\": \"an element of a batch that is no request\"}]}",
         0, 0},
        {"documentId=known", "", "[{\"documentId\":\"bare\"}]",
         "{\"operations\": [{\"freeform\": true, \"introspection\": false, \"variables\": {}, "
         "\"unclear\": \"a batch, and a request in the URL or a header beside it\"}]}",
         0, 0},
    };
    check_all(scenes, sizeof scenes / sizeof *scenes);
}

#define FORM "content-type: multipart/form-data; boundary=b"
#define PART(name, content) "--b\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" content "\r\n"
#define FILE_PART "--b\r\nContent-Disposition: form-data; name=\"0\"; filename=\"a.txt\"\r\n\r\nany\r\n"
#define UPLOAD "{\"documentId\":\"known\",\"variables\":{\"file\":null,\"n\":1}}"

Test(request, forms)
{
    static const scene scenes[] = {
        {"", FORM, PART("operations", UPLOAD) PART("map", "{\"0\":[\"variables.file\"]}") FILE_PART "--b--\r\n", KNOWN,
         0, 0},
        {"", FORM, PART("operations", "[{\"documentId\":\"known\"}]") "--b--", "{\"batch\": true}", 0, 0},
        {"", "content-type: multipart/form-data; boundary=\"b\"", PART("operations", UPLOAD) "--b--", KNOWN, 0, 0},
        {"", FORM, PART("operations", UPLOAD) PART("map", "{\"0\":[\"variables.n\"]}") "--b--", UNCLEAR, 0, 0},
        {"", FORM, PART("operations", UPLOAD) PART("map", "{\"0\":[\"documentId\"]}") "--b--", UNCLEAR, 0, 0},
        {"", FORM, PART("operations", UPLOAD) PART("query", "mutation{purge}") "--b--", UNCLEAR, 0, 0},
        {"", FORM, PART("operations", UPLOAD) PART("operations", UPLOAD) "--b--", UNCLEAR, 0, "not_json"},
        {"", FORM, PART("Operations", UPLOAD) "--b--", UNCLEAR, 0, "not_json"},
        {"", FORM, "x\r\n" PART("operations", UPLOAD) "--b--", UNCLEAR, 0, "not_json"},
        {"", FORM, PART("operations", UPLOAD) "--b--\r\nx", UNCLEAR, 0, "not_json"},
        {"", FORM, PART("operations", UPLOAD) "--bc\r\n", UNCLEAR, 0, "not_json"},
        {"", FORM, PART("operations", UPLOAD), UNCLEAR, 0, "not_json"},
        {"", FORM, "--b\nContent-Disposition: form-data; name=\"operations\"\n\n{}\n--b--", UNCLEAR, 0, "not_json"},
        {"", FORM, "--b\r\nContent-Disposition: form-data; name=\"a\"; name=\"operations\"\r\n\r\n{}\r\n--b--", UNCLEAR,
         0, "not_json"},
        {"", FORM, "--b\r\nContent-Disposition: form-data; name*=\"operations\"\r\n\r\n{}\r\n--b--", UNCLEAR, 0,
         "not_json"},
        {"", FORM, "--b\r\nContent-Disposition: form-data; name=\"opera\\tions\"\r\n\r\n{}\r\n--b--", UNCLEAR, 0,
         "not_json"},
        {"", FORM,
         "--b\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n"
         "e30=\r\n--b--",
         UNCLEAR, 0, "not_json"},
        {"", "content-type: multipart/form-data", PART("operations", UPLOAD) "--b--", UNCLEAR, 0, "not_json"},
        {"", "content-type: multipart/form-data; boundary=b; boundary=c", PART("operations", UPLOAD) "--b--", UNCLEAR,
         0, "not_json"},
        {"", "content-type: multipart/mixed; boundary=b", PART("operations", UPLOAD) "--b--", UNCLEAR, 0, "not_json"},
    };
    check_all(scenes, sizeof scenes / sizeof *scenes);
}

Test(request, clients)
{
    static const scene scenes[] = {
        {"", "apollographql-client-name: web\napollographql-client-version: 1.2", "{\"id\":\"app\"}",
         "{\"client\": {\"name\": \"web\", \"version\": \"1.2\"}, \"document_id\": \"app\"}", 0, 0},
        {"", "x-client-name: web\nx-client-name: ios", "{\"id\":\"app\"}", "{\"client\": null}", 0, 0},
        {"", "graphql-client-name: web", "{\"id\":\"app\"}", "{\"client\": {\"name\": \"web\"}}", 0, 0},
    };
    check_all(scenes, sizeof scenes / sizeof *scenes);
}

/* ---- the list */

Test(list, finds)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value list = make_list(&a);
    cr_assert(cs_is(cs_pq_find(list, cs_string(CS_LIT("known")), CS_LIT("")), CS_OBJECT));
    cr_assert(cs_is(cs_pq_find(list, cs_string(CS_LIT("app")), CS_LIT("web")), CS_OBJECT));
    cr_assert(cs_is_undefined(cs_pq_find(list, cs_string(CS_LIT("app")), CS_LIT("ios"))));
    cr_assert(cs_is_undefined(cs_pq_find(list, cs_string(CS_LIT("gone")), CS_LIT(""))));
    cr_assert(cs_is_undefined(cs_pq_find(list, cs_string(CS_LIT("sha256:" HASH)), CS_LIT(""))));
    cr_assert(cs_is_undefined(cs_pq_find(list, cs_int(1), CS_LIT(""))));
    cr_assert(cs_is_undefined(cs_pq_find(cs_int(1), cs_string(CS_LIT("known")), CS_LIT(""))));
    cs_arena_destroy(&a);
}

Test(list, refusals)
{
    static const struct {
        const char *text, *error; /* NULL = good */
    } cases[] = {
        {"{\"a\":{\"kind\":\"query\",\"cost\":{\"estimate_nanos\":1},\"risk_tags\":[],\"revisions\":[\"r1\"]}}", NULL},
        {"[]", "operations: must be an object by document id"},
        {"{\"a\":1}", "operations.a: must be an object under the id of a document"},
        {"{\"\":{}}", "operations.: must be an object under the id of a document"},
        {"{\"a\":{\"kind\":\"Query\"}}", "operations.a.kind: must be query, mutation or subscription"},
        {"{\"a\":{\"risk_tags\":[1]}}", "operations.a.risk_tags: must be an array of strings"},
        {"{\"a\":{\"cost\":{\"estimate_nanos\":-1}}}",
         "operations.a.cost.estimate_nanos: must be a whole number that is not negative"},
        {"{\"a\":{\"cost\":{\"ceiling_nanos\":1.5}}}",
         "operations.a.cost.ceiling_nanos: must be a whole number that is not negative"},
        {"{\"a\":{\"document_sha256\":\"AB\"}}", "operations.a.document_sha256: must be 64 hexadecimal digits"},
        {"{\"a\":{\"approval\":{\"unbound_variables\":[\"x\"]}}}",
         "operations.a.approval.unbound_variables: must be an array of JSON pointers"},
        {"{\"a\":{\"state\":\"on\"}}", "operations.a.state: must be active, retired or removed"},
        {"{\"a\":{\"not_before\":5,\"retired_at\":5}}",
         "operations.a: it is retired before it begins (not_before, retired_at)"},
        {"{\"sha256:a\":{}}", "operations.sha256:a: its id says another hash than its document has (document_sha256)"},
        {"{\"a\":{\"clients\":{\"w\":{\"kind\":\"query\"},\"x\":{\"kind\":\"mutation\"}}}}",
         "operations.a.clients.x: another document under the same id"},
        {"{\"a\":{\"kind\":\"query\",\"clients\":{\"w\":{\"kind\":\"mutation\"}}}}",
         "operations.a.clients.w: another document under the same id"},
        {"{\"a\":{\"clients\":{\"w\":{\"clients\":{}}}}}",
         "operations.a.clients.w: must be an entry under the name of a client"},
        {"{\"a\":{\"clients\":{\"w\":{\"state\":1}}}}",
         "operations.a.clients.w.state: must be active, retired or removed"},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cs_error e = {0};
        cs_err err = cs_pq_check(must_read(&a, cs_slice_of(cases[i].text)), &e);
        cr_assert_eq(err, cases[i].error == NULL ? CS_OK : CS_ERR_BUNDLE_INVALID, "%s", cases[i].text);
        cr_assert_str_eq(e.text, cases[i].error == NULL ? "" : cases[i].error);
    }
    cs_arena_destroy(&a);
}

Test(list, ids_that_stand_twice)
{
    static const struct {
        const char *name, *text;
        bool good;
    } cases[] = {
        {"operations", "{\"operations\":{\"a\":{\"kind\":\"query\"},\"a\":{\"kind\":\"mutation\"}}}", false},
        {"operations", "{\"operations\":{\"a\":{\"kind\":\"query\"},\"\\u0061\":{ \"kind\": \"query\" }}}", true},
        {"operations", "{\"x\":{\"a\":1,\"a\":2},\"operations\":{\"a\":{}}}", true},
        {"operations", "{\"operations\":{\"a\":{}},\"operations\":{\"a\":{}}}", false},
        {NULL, "{\"a\":{},\"b\":[],\"a\":{\"k\":1}}", false},
        {NULL, "{}", true},
        {NULL, "{\"a\":", true},
        {"operations", "[1]", true},
        {"operations", "{\"operations\":7}", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cs_error e = {0};
        cs_err err = cs_pq_check_text(cs_slice_of(cases[i].text), cases[i].name, &e);
        cr_assert_eq(err == CS_OK, cases[i].good, "%s: %s", cases[i].text, e.text);
    }
}
