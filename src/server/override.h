/* The emergency override: a signed bundle that lies over the active ones until an instant of the wall clock.
 *
 *   override.c        what is to be in force: one record at most, and the requests that were heard of; the fold, the
 * file override_check.c  from what PUT brings to a draft: signatures, roots, times override_world.c  the record into
 * the world and out of it again; what is told of it override_api.c    PUT, GET, DELETE /v1/bundles/emergency-override
 *
 * With a journal the record is an event, so every replica has it and verifies it itself; without one it is a file below
 * the persistence directory. Nothing here ends it: its time is in the record, and each pin of the world looks at the
 * clock (store.h). */
#ifndef CS_SERVER_OVERRIDE_H
#define CS_SERVER_OVERRIDE_H

#include "countersign/base/map.h"
#include "countersign/base/thread.h"
#include "countersign/bundle.h"
#include "countersign/journal.h"
#include "countersign/server.h"

#define CS_OVERRIDE_NAME "emergency-override"
enum { CS_OVERRIDE_BYTES = 512 * 1024, CS_OVERRIDE_REASON = 1024, CS_OVERRIDE_ID = 24 };

/* What is kept of an override: enough for whoever was not there to verify it again. */
typedef struct cs_override__record {
    cs_slice id; /* "ovr-…", from the request's nonce */
    cs_slice archive;
    cs_slice countersignature; /* "" without one */
    cs_slice revision, digest, reason, author;
    int64_t put_ns, until_ns; /* wall clock */
} cs_override__record;
/* Copies everything. */
cs_override__record cs_override__copy(cs_arena *a, const cs_override__record *r);
/* An object with the archive in base64, and back: false if it is not that. */
cs_value cs_override__value(cs_arena *a, const cs_override__record *r);
bool cs_override__read(cs_arena *a, cs_value v, cs_override__record *out);

typedef struct cs_override cs_override;
struct cs_override {
    cs_server *server;
    const char *file; /* NULL with a journal, or without a folder */
    cs_mutex lock;    /* of what follows */
    cs_arena arena;   /* of the record */
    cs_override__record record;
    bool has;
    cs_map seen; /* ids of requests */
    cs_whole row;
    char in_force[CS_OVERRIDE_ID]; /* id of what lies over the world; "" = nothing */
    int64_t in_force_until;
    char revision[128];
    cs_mutex sync; /* one at a time brings the world up to the record; never taken under `lock` */
    _Atomic bool posted;
    _Atomic bool over; /* the ledger has the limits of the world with the override */
    cs_timer *timer;   /* the control loop's */
};

cs_override *cs_override__new(cs_server *server);
void cs_override__free(cs_override *o);

/* ---- the record. Any thread. */
/* A copy of the record, if its time is not over at `now_ns`. */
bool cs_override__current(cs_override *o, cs_arena *a, int64_t now_ns, cs_override__record *out);
bool cs_override__seen(cs_override *o, cs_slice id);
/* Without a journal: on disk, then known. */
CS_MUST_CHECK cs_err cs_override__keep(cs_override *o, const cs_override__record *r, cs_error *e);
CS_MUST_CHECK cs_err cs_override__end(cs_override *o, cs_error *e);
/* With one: the events. The caller's is `done`. */
CS_MUST_CHECK cs_err cs_override__append(cs_override *o, const cs_override__record *r, cs_slice request_id,
                                         cs_journal_done *done, void *self, cs_error *e);
CS_MUST_CHECK cs_err cs_override__append_end(cs_override *o, cs_slice id, cs_slice author, cs_slice request_id,
                                             cs_journal_done *done, void *self, cs_error *e);

/* ---- from bytes to what can be laid over the world */
typedef struct cs_override__draft {
    cs_bundle *bundle;
    cs_slice signers[2];
    size_t n_signers;
    int64_t not_after_ns; /* INT64_MAX = not said */
    int64_t max_ttl_ns;   /* the configuration's, or less */
} cs_override__draft;
/* Verifies the signatures and reads the manifest. The code is one for the answer ("invalid_bundle"); *e says why. */
CS_MUST_CHECK cs_err cs_override__verify(const cs_server *server, cs_slice archive, cs_slice countersignature,
                                         cs_override__draft *out, const char **code, cs_error *e);
void cs_override__draft_free(cs_override__draft *d);

/* ---- the world */
/* Would it compile over what is there now? Changes nothing. */
CS_MUST_CHECK cs_err cs_override__try(cs_override *o, const cs_override__draft *d, const cs_override__record *r,
                                      cs_errors *errors, cs_error *e);
/* Brings the world up to the record. Not on a worker. */
CS_MUST_CHECK cs_err cs_override__sync(cs_override *o, cs_errors *errors, cs_error *e);
/* Soon, on the control thread. Any thread. */
void cs_override__sync_soon(cs_override *o);
/* The control loop's timer; its gauges. */
void cs_override__watch(cs_override *o);
/* {"name", "revision", "digest", "activated_at", "expires_at", …}; undefined if none is in force now. */
cs_value cs_override__document(cs_override *o, cs_arena *a);

#endif
