/* The world: data and policy that decisions see, published whole. Readers never wait.
 *
 * A world is immutable: the compiled policy, the data document, the active bundles, the queries prepared on it. The
 * store publishes one world at a time by a pointer swap. A reader pins the current world for one decision
 * (base/epoch.h: no lock, no count); a decision that is parked holds a counted reference instead. A replaced world is
 * freed when nobody can see it.
 *
 * Data lives in segments (arenas) that worlds share: a small write copies the path to what changed into a new segment;
 * when the segments hold twice what is alive, the next write rewrites the document into one.
 *
 * One writer at a time: cs_store_begin takes the writer's lock until commit or abort. Server and bundles write from the
 * control thread, so nobody waits there in practice. */
#ifndef CS_STORE_H
#define CS_STORE_H

#include "countersign/rego.h"

typedef struct cs_store cs_store;
typedef struct cs_world cs_world;
typedef struct cs_store_reader cs_store_reader;
typedef struct cs_txn cs_txn;

typedef struct cs_store_options {
    unsigned readers;  /* threads that may register; 0 = 64 */
    int rego_version;  /* of policies put through the API: 0, 1 or 2 */
    cs_print print;    /* what becomes of print() calls */
    unsigned prepared; /* prepared queries kept per world; 0 = 256 */
} cs_store_options;

/* An empty world: no policy, data {}. */
CS_MUST_CHECK cs_err cs_store_new(const cs_store_options *options, cs_store **out, cs_error *e);
/* No reader may be registered, no transaction open, no world referenced. NULL is fine. */
void cs_store_free(cs_store *store);

/* Live documents of every world from now on; before the first reader. The root is copied, `self` must outlive the
 * store. */
void cs_store_mount(cs_store *store, const cs_live *live);
/* A live document that is known whole, an object (copied), the same in every world; before the first reader. With
 * `open` a bundle may bring documents under its root, which lie below it: objects merge deeply, `value` wins. An
 * overlay may say otherwise (below). */
void cs_store_mount_value(cs_store *store, const char *root, cs_value value, bool open);

/* ---- reading */
/* One record a thread. */
cs_store_reader *cs_store_reader_new(cs_store *store);
void cs_store_reader_free(cs_store_reader *reader);
/* The current world, good until cs_store_unpin. Not nested. With an overlay in force the wall clock chooses between two
 * worlds: the one that lies over the other until the overlay's end, and from then on the one below. */
const cs_world *cs_store_pin(cs_store_reader *reader);
void cs_store_unpin(cs_store_reader *reader);
/* A counted reference, taken while pinned, for what outlives the pin. Release from any thread. */
const cs_world *cs_world_retain(const cs_world *world);
void cs_world_release(const cs_world *world);

uint64_t cs_world_serial(const cs_world *world); /* grows with every commit */
cs_policy *cs_world_policy(const cs_world *world);
cs_value cs_world_data(const cs_world *world);
/* The live documents of this world. */
const cs_live *cs_world_live(const cs_world *world, size_t *n);
/* What the overlay of this world says of itself (cs_txn_overlay.about); undefined if it has none. */
cs_value cs_world_overlay(const cs_world *world);

/* Policies in the order of their ids, which is that of cs_policy_module. */
size_t cs_world_policy_count(const cs_world *world);
cs_policy_source cs_world_policy_at(const cs_world *world, size_t i);
/* SIZE_MAX if there is none of this id. */
size_t cs_world_policy_find(const cs_world *world, cs_slice id);

typedef struct cs_world_bundle {
    cs_slice name, revision, etag;
    const cs_slice *roots; /* "" owns everything */
    size_t n_roots;
    int64_t activated_ns;
} cs_world_bundle;
size_t cs_world_bundle_count(const cs_world *world);
const cs_world_bundle *cs_world_bundle_at(const cs_world *world, size_t i); /* sorted by name */

/* ---- prepared queries: kept with the world, found by a key of the caller's making (kind of request and path or query
 * text) */
typedef struct cs_prepared cs_prepared;
/* NULL if it is not there. Good while the world is pinned. */
cs_prepared *cs_world_find(const cs_world *world, cs_slice key);
/* Hands over `query`; it may be dropped again when the room is used up. Good while the world is pinned; always
 * succeeds. */
cs_prepared *cs_world_keep(const cs_world *world, cs_slice key, cs_query *query);
const cs_query *cs_prepared_query(const cs_prepared *prepared);
/* For what outlives the pin. */
cs_prepared *cs_prepared_retain(cs_prepared *prepared);
void cs_prepared_release(cs_prepared *prepared);

/* ---- writing. Paths are segments of text; a segment of an array is its index in decimal, "-" its end. */
typedef enum cs_txn_op { CS_TXN_ADD, CS_TXN_REMOVE, CS_TXN_REPLACE } cs_txn_op;

cs_txn *cs_store_begin(cs_store *store);
/* Everything a transaction makes on the way; dies with it. */
cs_arena *cs_txn_arena(cs_txn *txn);
/* The document as written so far. CS_ERR_STORAGE_NOT_FOUND if there is none. */
CS_MUST_CHECK cs_err cs_txn_read(cs_txn *txn, const cs_slice *path, size_t n, cs_value *out, cs_error *e);
/* As OPA's storage: add puts a member or inserts into an array, remove and replace want something there; parents must
 * exist. CS_ERR_STORAGE_NOT_FOUND, CS_ERR_CONFLICT, CS_ERR_INVALID (root must be an object) with OPA's words. The value
 * is copied. */
CS_MUST_CHECK cs_err cs_txn_write(cs_txn *txn, cs_txn_op op, const cs_slice *path, size_t n, cs_value value,
                                  cs_error *e);
/* Makes objects on the way, as mkdir -p. CS_ERR_CONFLICT where something else stands. */
CS_MUST_CHECK cs_err cs_txn_make_dirs(cs_txn *txn, const cs_slice *path, size_t n, cs_error *e);
/* May the API write there? CS_ERR_INVALID with OPA's words if a bundle (or a live document) owns it. */
CS_MUST_CHECK cs_err cs_txn_check_scope(cs_txn *txn, const cs_slice *path, size_t n, cs_error *e);

/* A policy of this id as written so far; NULL if there is none. */
const cs_policy_source *cs_txn_policy(cs_txn *txn, cs_slice id);
/* Adds or replaces; the text is copied. Takes effect at commit. */
void cs_txn_policy_put(cs_txn *txn, cs_slice id, cs_slice text, int rego_version);
/* false if there is none. */
bool cs_txn_policy_remove(cs_txn *txn, cs_slice id);

/* Memory that worlds share, counted; what is frozen in its arena before the segment is handed over needs no copy. */
typedef struct cs_segment cs_segment;
cs_segment *cs_segment_new(void);
cs_arena *cs_segment_arena(cs_segment *segment);
cs_segment *cs_segment_retain(cs_segment *segment); /* NULL is fine */
void cs_segment_release(cs_segment *segment);       /* NULL is fine */

/* What a bundle brings. Everything is copied, but the data if they stand in a segment. */
typedef struct cs_txn_bundle {
    cs_slice name, revision, etag;
    const cs_slice *roots;
    size_t n_roots;
    cs_value data;                   /* an object */
    cs_segment *segment;             /* the data are frozen in it, and nobody adds to it; NULL = copy them */
    cs_value manifest;               /* stored at data.system.bundles.<name>.manifest; undefined = none */
    const cs_policy_source *modules; /* `file` is the policy's id */
    size_t n_modules;
} cs_txn_bundle;
/* Erases what stands under the bundle's old and new roots, writes its data and policies. CS_ERR_BUNDLE_ROOTS if another
 * active bundle, or a live document, has one of its roots. */
CS_MUST_CHECK cs_err cs_txn_bundle_put(cs_txn *txn, const cs_txn_bundle *bundle, cs_error *e);
/* A delta: changes what stands under the roots of the bundle, which must be the same, by an array of {op, path, value?}
 * with op upsert, remove or replace; `data` and `modules` are not looked at. CS_ERR_BUNDLE_INVALID,
 * CS_ERR_STORAGE_NOT_FOUND, CS_ERR_INVALID, CS_ERR_CONFLICT with OPA's words; then the transaction can only be aborted.
 */
CS_MUST_CHECK cs_err cs_txn_bundle_patch(cs_txn *txn, const cs_txn_bundle *bundle, cs_value operations, cs_error *e);
/* Erases it with all it brought. false if there is none. */
bool cs_txn_bundle_remove(cs_txn *txn, cs_slice name);

/* ---- the overlay: at most one, a bundle that lies over all others until an instant of the wall clock.
 *
 * The two worlds, with and without it, are published together by each commit, so that its end needs no commit. Its
 * documents merge into those below, object by object, and win; a root below which it brings modules is its own: the
 * modules of others there are left out. An overlay whose time is over is dropped by the next commit. */
typedef struct cs_txn_overlay {
    cs_txn_bundle bundle;     /* its roots may overlap those of others */
    const cs_value *packages; /* of its modules: arrays of strings, without `data` */
    int64_t until_ns;         /* wall clock; pins before it see the overlay */
    cs_value about;           /* what cs_world_overlay answers */
    const char *live_root;    /* in the overlaid world the mounted value of this root is `live`; NULL = none */
    cs_value live;
} cs_txn_overlay;
/* Everything is copied. Replaces the one that is there. CS_ERR_BUNDLE_ROOTS if it claims a live document that is not
 * open, or everything (""). */
CS_MUST_CHECK cs_err cs_txn_overlay_put(cs_txn *txn, const cs_txn_overlay *overlay, cs_error *e);
/* false if there is none. */
bool cs_txn_overlay_remove(cs_txn *txn);
/* The documents as decisions see them at `now_ns` (wall clock): with the overlay if its time is not over (*over, if
 * wanted). With changes of the transaction only after cs_txn_compile. */
cs_value cs_txn_seen(const cs_txn *txn, int64_t now_ns, bool *over);

/* Compiles what was written so far, if policies changed, and checks that no rule claims what is data. commit does it
 * when it was not done. */
CS_MUST_CHECK cs_err cs_txn_compile(cs_txn *txn, cs_errors *errors);
/* Where compiling and committing leave how long parsing and compiling took; they must outlive the transaction. */
void cs_txn_timers(cs_txn *txn, int64_t *parse_ns, int64_t *compile_ns);
/* The package of a policy as segments of text (without `data`), in the transaction's arena: of the one compiled last,
 * or the one in force. false if there is no such policy. */
bool cs_txn_policy_package(cs_txn *txn, cs_slice id, const cs_slice **path, size_t *n);

/* Compiles (if policies changed), checks that no rule claims what is data, publishes; the transaction is over either
 * way. On failure nothing has changed and *errors says why: code CS_ERR_REGO_*. What lies below the overlay must
 * compile with it, too. */
CS_MUST_CHECK cs_err cs_txn_commit(cs_txn *txn, cs_errors *errors);
void cs_txn_abort(cs_txn *txn);

#endif
