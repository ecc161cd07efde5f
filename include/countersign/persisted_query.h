/* Persisted queries: the allowlist of GraphQL documents that a signed bundle carries (data.operations), the requests
 * that name them, what was asked for without being on it (drift), and the making of the list out of the manifests of
 * client builds. Whether a request may pass is the policy's business; here stands only what the list says and what a
 * request really names.
 *
 *   data.operations[id] = {name, kind, document_sha256, normalized_sha256, risk_tags, cost, approval, hold, state,
 *     not_before, retired_at, seen_in, …, clients: {name: {…}}}
 *
 * `clients` holds entries for requests of clients of that name; an entry of nothing but `clients` is for those only.
 * state: active (the default), retired, or removed: the entry only remembers in which revision the document was seen
 * last. Times are nanoseconds since 1970. */
#ifndef CS_PERSISTED_QUERY_H
#define CS_PERSISTED_QUERY_H

#include "countersign/graphql.h"
#include "countersign/json.h"
#include "countersign/metrics.h"

/* ---- the list */
/* The entry that holds for a document id and a client ("" = unknown); undefined if there is none. An id "sha256:X"
 * means the document with that hash: it does not fit an entry whose document_sha256 is another one. `operations` may be
 * anything. */
cs_value cs_pq_find(cs_value operations, cs_value document_id, cs_slice client);

/* Is this a list? CS_ERR_BUNDLE_INVALID with the place ("operations.aa11.cost.estimate_nanos: …"): shapes, an id that
 * says another hash than its document has, entries of one id for different documents, times that leave no time. */
CS_MUST_CHECK cs_err cs_pq_check(cs_value operations, cs_error *e);
/* JSON text of a data file, in which a document of that name is a list, or (name NULL) which is itself one: does any id
 * stand in it twice, with different entries? A reader of JSON would silently take one of them. Text that is no JSON is
 * fine, others complain about it. */
CS_MUST_CHECK cs_err cs_pq_check_text(cs_slice json, const char *name, cs_error *e);

/* ---- requests */
typedef struct cs_pq_header {
    cs_slice name, value;
} cs_pq_header;

/* A request as a gateway shows it. */
typedef struct cs_pq_request {
    cs_slice path, query; /* of the URL, as they came */
    const cs_pq_header *headers;
    size_t n_headers;
    bool bodyless;  /* the gateway never shows bodies */
    bool truncated; /* it showed the beginning of one */
    cs_slice body;
} cs_pq_request;

/* What it asks for, input.graphql of a countersign/v1 input (docs/persisted-queries.md): document_id and id_source,
 * freeform, batch, operations (the elements of a batch), operation_name, kind, introspection, root_fields,
 * body_matches, variables, client. Whatever could mean one thing here and another to the service behind leaves no id
 * and `freeform`. *body says what came of the body: "complete", "absent", "truncated" or "not_json". The result lives
 * in the arena and points into the request. Thread-safe. */
cs_value cs_pq_read_request(cs_arena *a, const cs_pq_request *request, cs_value operations, const char **body);

/* One field of a form (multipart/form-data, RFC 7578). */
typedef struct cs_pq_part {
    cs_slice name;
    bool file; /* it has a file name */
    cs_slice content;
} cs_pq_part;
/* Cuts a form at its boundary. Reads only what every reader must read alike: no text in front of the first boundary or
 * behind the last, CR LF at every line's end, each header once and without escapes, each name once. false otherwise,
 * with *why a static text. *parts lives in the arena, its slices point into the body. */
bool cs_pq_read_form(cs_arena *a, cs_slice content_type, cs_slice body, const cs_pq_part **parts, size_t *n,
                     const char **why);

/* ---- drift: what is asked for and is not on the list, or not now. Any thread. Bounded: at most CS_PQ_DRIFT_MAX rows,
 * of texts cut at sensible lengths; a new one beyond that drops a rare old one. Kept in memory only, by each replica.
 */
#define CS_PQ_DRIFT_MAX 2048U
typedef struct cs_pq_drift cs_pq_drift;
/* `metrics` must outlive it. Starts at that instant. */
cs_pq_drift *cs_pq_drift_new(cs_metrics *metrics, int64_t now_ns);
void cs_pq_drift_free(cs_pq_drift *drift); /* NULL is fine */
/* Looks at the input of a decision (countersign/v1, and for the client's name and version the headers of gateways'
 * native inputs), and counts each request of it that the list does not serve: unknown, retired, not_yet_active, or free
 * text by its hash. `shard` is that of cs_series_add. */
void cs_pq_drift_see(cs_pq_drift *drift, cs_value operations, cs_value input, int64_t now_ns, uint32_t shard);
/* The ids of the first list that the second has not, and in which revision they were: [[id, revision]]; and remembering
 * them, for `seen_in`. An entry without revisions was in `revision`. */
cs_value cs_pq_dropped(cs_arena *a, cs_value before, cs_value after, cs_slice revision);
void cs_pq_drift_remember(cs_pq_drift *drift, cs_value dropped);
/* {since, forgotten, entries: [{document_id, state, client, version, operation_name, count, first_seen, last_seen,
 * seen_in}]}, the most frequent first; what the list serves by now is left out. Times are RFC 3339; null where
 * something is not known. */
cs_value cs_pq_drift_document(cs_pq_drift *drift, cs_value operations, int64_t now_ns, cs_arena *a);

/* ---- making the list, out of what client builds leave: for tools. One thread, everything in one arena. */
typedef struct cs_pq_list {
    cs_arena *arena;
    cs_value current;   /* what the manifests have, as entries by id */
    cs_value previous;  /* what earlier revisions had */
    cs_value sidecars;  /* array of {file, document} */
    cs_value revisions; /* array: arrays of revisions, each in their order */
} cs_pq_list;

void cs_pq_list_init(cs_pq_list *list, cs_arena *a);
/* A manifest's text: Apollo's ({"format": "apollo-persisted-query-manifest", "version": 1, "operations": […]}), or an
 * object of documents by id (Relay's, and those of other code generators). Every document is read; its hashes and its
 * kind are recorded. CS_ERR_INVALID, with file and place in the text: malformed, another type or name than the
 * document's, an id that claims to be a hash and is not, an id that stands for another document already. */
CS_MUST_CHECK cs_err cs_pq_add_manifest(cs_pq_list *list, const char *file, cs_slice text, cs_error *e);
/* What stands beside the manifests (docs/persisted-queries.md): risk tags, cost, approval, state, times, by id or name.
 */
CS_MUST_CHECK cs_err cs_pq_add_sidecar(cs_pq_list *list, const char *file, cs_slice text, cs_error *e);
/* data.operations of an earlier revision. `revisions`: the order of those that it knows, oldest first, or undefined. */
CS_MUST_CHECK cs_err cs_pq_add_previous(cs_pq_list *list, const char *file, cs_value operations, cs_value revisions,
                                        cs_error *e);

typedef struct cs_pq_making {
    cs_slice revision; /* of what is made */
    uint32_t keep;     /* how many revisions the list spans, this one included; at least 1 */
    int64_t now_ns;
    int64_t retire_after_ns; /* what the manifests dropped is retired so long after `now`; 0 = with the span */
} cs_pq_making;
/* data.operations, and the revisions in it, oldest first. Documents of the last `keep` revisions are listed; of older
 * ones remains in which revision they were seen last (at most CS_PQ_REMEMBERED). *warnings: an array of texts. */
#define CS_PQ_REMEMBERED 4096U
CS_MUST_CHECK cs_err cs_pq_make(cs_pq_list *list, const cs_pq_making *making, cs_value *operations, cs_value *revisions,
                                cs_value *warnings, cs_error *e);

/* What a client notices of the change from one list to another at an instant: {breaking, changes: [{id, client?, name,
 * change, breaking, from?, to?}]}, in the order of ids. Breaking is what worked by the old list and does not by the
 * new one: removed, retired, not_yet_active, document, kind. Told, too: added, activated, not_before, retired_at,
 * risk_tags, cost, approval. */
cs_value cs_pq_diff(cs_arena *a, cs_value from, cs_value to, int64_t now_ns);

#endif
