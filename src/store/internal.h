/* What the files of store share. */
#ifndef CS_STORE_INTERNAL_H
#define CS_STORE_INTERNAL_H

#include <stdatomic.h>

#include "countersign/base/epoch.h"
#include "countersign/base/thread.h"
#include "countersign/base/vec.h"
#include "countersign/store.h"

/* ---- segments: arenas of frozen values, shared by worlds. The writer may append to the newest one while readers look
 * at what was there before: other bytes. */
struct cs_segment {
    _Atomic uint32_t refs;
    cs_arena arena;
};

/* ---- the policies of a world, shared by worlds that differ in data only */
typedef struct cs_store__module {
    cs_policy_source source;
    cs_slice bundle; /* "" = through the API */
} cs_store__module;

typedef struct cs_store__policies {
    _Atomic uint32_t refs;
    cs_arena arena;
    cs_store__module *v; /* by id */
    size_t n;
    cs_policy *policy;
    cs_value rules; /* cs_policy_rules, in the arena */
} cs_store__policies;
/* Copies and sorts the modules; `policy` is taken over later. */
cs_store__policies *cs_store__policies_new(const cs_store__module *v, size_t n);
cs_store__policies *cs_store__policies_retain(cs_store__policies *p);
void cs_store__policies_release(cs_store__policies *p);
size_t cs_store__policies_find(const cs_store__policies *p, cs_slice id);

/* ---- prepared queries */
typedef struct cs_store__prepared_table cs_store__prepared_table;
cs_store__prepared_table *cs_store__prepared_new(unsigned room);
void cs_store__prepared_free(cs_store__prepared_table *t);

/* ---- bundles */
typedef struct cs_store__bundle {
    cs_world_bundle info;
    cs_segment *segment; /* its data; NULL when it has none */
} cs_store__bundle;

typedef struct cs_store__bundles {
    _Atomic uint32_t refs;
    cs_arena arena;      /* names, roots, texts */
    cs_store__bundle *v; /* by name */
    size_t n;
} cs_store__bundles;
cs_store__bundles *cs_store__bundles_retain(cs_store__bundles *b);
void cs_store__bundles_release(cs_store__bundles *b);
/* A copy without the bundle `drop` ("" = none) and with `add` (NULL = none), whose segment reference is taken. */
cs_store__bundles *cs_store__bundles_with(const cs_store__bundles *b, cs_slice drop, const cs_store__bundle *add);

/* Manifest and etag to data.system.bundles.<name>. */
void cs_store__put_about(cs_txn *txn, const cs_txn_bundle *bundle);

/* ---- the overlay, as it was put (overlay.c): immutable, shared by the worlds that it lies over */
typedef struct cs_store__overlay {
    _Atomic uint32_t refs;
    cs_arena arena;
    cs_store__bundle bundle; /* without a segment */
    cs_value data, manifest, about, live;
    const char *live_root;
    cs_policy_source *modules;
    const cs_value *packages;
    size_t n_modules;
    int64_t until_ns;
} cs_store__overlay;
cs_store__overlay *cs_store__overlay_retain(cs_store__overlay *o);
void cs_store__overlay_release(cs_store__overlay *o);

/* The world that is seen while the overlay's time lasts: made beside the one below. */
typedef struct cs_store__over {
    cs_value data;
    cs_segment *segment; /* what was made for it */
    cs_store__policies *policies;
} cs_store__over;
/* Makes it for what the transaction has written and compiled. */
cs_err cs_store__over_make(cs_txn *txn, cs_errors *errors);
void cs_store__over_drop(cs_txn *txn);
/* As a world; takes what was made over. NULL without an overlay. */
cs_world *cs_store__over_world(cs_txn *txn);

/* ---- live documents of a world: those that are mounted, and values of its own */
typedef struct cs_store__fixed {
    const char *root;
    cs_value value; /* an object */
    bool open;      /* bundles may bring documents under it */
} cs_store__fixed;
/* Sets w->live, with the values in w->arena; `o` is NULL in the world below. */
void cs_store__live_make(cs_world *w, const cs_store__overlay *o);
/* NULL if there is none of this root. */
const cs_store__fixed *cs_store__fixed_find(const cs_store *store, cs_slice root);
/* What bundles bring under the roots of mounted values is merged with these. */
void cs_store__fixed_merge(cs_txn *txn);

struct cs_world {
    _Atomic uint32_t refs;
    cs_arena arena; /* its live documents */
    cs_live *live;
    size_t n_live;
    cs_store__overlay *overlay; /* NULL without one; of both worlds */
    cs_world *over;             /* of the one below: seen until the overlay's end */
    cs_segment *extra;          /* of the one over it */
    cs_store *store;
    uint64_t serial;
    cs_store__policies *policies;
    cs_store__bundles *bundles;
    cs_segment *tail; /* data that no bundle brought */
    cs_value data;
    cs_store__prepared_table *prepared;
};

struct cs_store {
    cs_epoch *epoch;
    cs_epoch_place place;
    cs_mutex writer;        /* held by a transaction */
    cs_mutex prepared_lock; /* guards additions to the tables of prepared queries */
    _Atomic bool retired;   /* something waits for collection */
    cs_store_options options;
    cs_live *live;
    size_t n_live;
    cs_store__fixed *fixed;
    size_t n_fixed;
    cs_arena arena;   /* names of live roots, mounted values */
    size_t tail_live; /* bytes that were alive in the tail when it was last rewritten */
};

struct cs_txn {
    cs_store *store;
    int64_t *parse_ns, *compile_ns; /* NULL = nobody wants to know */
    cs_world *base;
    cs_arena arena;
    cs_value data;
    cs_segment *tail;   /* borrowed from base until commit */
    cs_arena_mark mark; /* where the tail was at the start */
    bool data_changed;
    cs_store__bundles *bundles;
    CS_VEC(cs_store__module) modules; /* texts in the arena; set up by the first change */
    bool policies_changed, compiled;
    cs_store__policies *policies; /* compiled, or the base's */
    cs_store__overlay *overlay;   /* NULL = none */
    bool overlay_changed;
    cs_store__over over; /* made with the compilation; policies NULL = not made */
};

/* ---- data */
/* A path for messages: "/a/b" with escapes. */
cs_slice cs_store__path_text(cs_arena *a, const cs_slice *path, size_t n);
/* The value at a path, undefined if there is none. */
cs_value cs_store__lookup(cs_value data, const cs_slice *path, size_t n);
/* Puts or removes below objects, making parents; the value is not copied. New tables are frozen. */
cs_value cs_store__put(cs_arena *a, cs_value data, const cs_slice *path, size_t n, cs_value value);
cs_value cs_store__drop(cs_arena *a, cs_value data, const cs_slice *path, size_t n);
/* Lays one frozen document over another: objects merge, the upper one wins. What is equal is shared. */
cs_value cs_store__lay(cs_arena *a, cs_value below, cs_value above);
/* A root "a/b" to segments; "" has none. */
size_t cs_store__split(cs_arena *a, cs_slice root, const cs_slice **path);

/* Compiles modules (copied) against data. */
cs_err cs_store__compile(const cs_txn *txn, const cs_store__module *v, size_t n, cs_value *data,
                         cs_store__policies **out, cs_errors *errors);

/* ---- conflicts of rules with data */
cs_err cs_store__check_conflicts(cs_value rules, cs_value data, cs_errors *errors);
/* For cs_policy_options: self is the data (cs_value *). */
bool cs_store__data_exists(void *self, const cs_value *path, size_t n);

void cs_store__world_free(void *world);

#endif
