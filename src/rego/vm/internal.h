/* Private to rego/vm. */
#ifndef CS_REGO_VM_INTERNAL_H
#define CS_REGO_VM_INTERNAL_H

#include "rego/vm/vm.h"

/* What a CS_PRIVATE register holds, in its `form`. */
enum {
    CS_P_NODE = 1,  /* n: a node of the rule tree, not evaluated */
    CS_P_LIVE,      /* n: a live document of cs_eval.live */
    CS_P_ITER,      /* n: position */
    CS_P_GROWING,   /* p: cs_growing */
    CS_P_CONTEXT,   /* p: cs_context */
    CS_P_CANDIDATES /* p: cs_candidates, n: position */
};

/* What the aux of a register's collection says. */
enum {
    CS_AUX_SHAPE = 1, /* put.c */
    CS_AUX_WRITTEN    /* written.c */
};

/* The value alone, to be kept inside of another, or outside of a register. */
static inline cs_value cs_vm__plain(cs_value v)
{
    v.aux = v.aux == CS_AUX_WRITTEN ? 0 : v.aux;
    return v;
}

typedef struct cs_growing {
    cs_value *items;
    uint32_t n, cap;
} cs_growing;

typedef struct cs_context cs_context;

typedef struct cs_mock {
    cs_target_kind target_kind;
    uint32_t target;
    cs_mock_kind kind;
    uint32_t with;     /* code or built-in */
    cs_value value;    /* CS_MOCK_VALUE */
    cs_context *inner; /* this context without the mock: what the replacement itself runs in; made when first needed */
} cs_mock;

#define CS_MEMO_PAGE 64U

/* Keys of a partial set or object that are asked for one by one before it is made whole. */
#define CS_PROBES 2U
#define CS_PROBES_ONLY UINT32_MAX

/* Steps (calls and turns of loops) between two looks at limits, cancellation and the clock. */
#define CS_SLICE_STEPS 1024U

typedef struct cs_call_memo {
    const cs_value *args; /* NULL: empty slot */
    uint32_t code;
    uint32_t hash;
    cs_value result; /* may be undefined */
} cs_call_memo;

/* The documents and functions as a statement sees them: the evaluation's own, or changed by `with`. */
struct cs_context {
    cs_value input;
    cs_value data;
    const uint32_t *overrides; /* nodes whose rules are hidden by replaced data, with all below */
    uint32_t n_overrides;
    cs_mock *mocks;
    uint32_t n_mocks;
    cs_context *parent;       /* knows the results of all codes that are not in `affected`; NULL: nobody does */
    const uint64_t *affected; /* bits by code */
    cs_value **pages;         /* documents by code: aux 1 = known (kind undefined included), otherwise n = how
                                 many keys were asked for; NULL = none yet */
    cs_call_memo *calls;      /* functions by arguments: open addressing */
    uint32_t n_calls;
    uint32_t calls_mask;
};

#define CS_CONFLICTS_MAX 10U
typedef struct cs_conflict {
    cs_value values[CS_CONFLICTS_MAX];
    uint32_t defs[CS_CONFLICTS_MAX];
    uint32_t n;
    bool more;
} cs_conflict;

typedef struct cs_frame {
    const cs_code *code;
    const cs_insn *pc; /* the caller's next instruction */
    uint32_t base;     /* of this frame's registers */
    uint32_t fail;     /* label of the caller, if the result is undefined */
    uint16_t dest;     /* register of the caller */
    bool memo_document;
    bool tentative; /* a document made whole because many of its keys were asked for: on a conflict elsewhere in it, the
                       keys are asked for one by one again. `pc` is the PROBE */
    cs_context *context; /* in force */
    cs_context *own;     /* the one it was entered with */
    cs_conflict *conflict;
    const cs_value *memo_args; /* functions: the key to remember the result by; NULL = do not */
} cs_frame;

typedef struct cs_live_row {
    uint32_t live;
    cs_value key, row;
} cs_live_row;

/* A live document, or a row of one that answers for its items by itself. The first ones are those of the evaluation. */
typedef struct cs_live_doc {
    const cs_live *live;
    cs_value key; /* of the row; undefined = the document */
    cs_value all; /* once `known`; undefined = there is no such row */
    bool known;
} cs_live_doc;

struct cs_run {
    const cs_program *program;
    const cs_code *code;
    const cs_eval *eval;
    const cs_host *host;
    cs_arena *arena;
    cs_value *regs;
    uint32_t n_regs; /* allocated */
    cs_frame *frames;
    uint32_t n_frames, cap_frames;
    const cs_insn *pc;
    uint64_t steps_left; /* of the whole evaluation */
    uint64_t slice;      /* until the next look at the clock */
    uint64_t turn;       /* steps after which cs_vm_step answers CS_RUN_AGAIN */
    cs_builtin_state builtins;
    cs_live_row *live_rows;
    uint32_t n_live_rows, cap_live_rows;
    cs_live_doc *lives;
    uint32_t n_lives, cap_lives;
    cs_err err;
    cs_error error;     /* of `err` */
    cs_err builtin_err; /* strict: the first built-in error */
    cs_error builtin_error;
    cs_run_stats stats;
    bool started;
    bool done;
    cs_value result;
};

/* Sets run->err with the place of the instruction; returns the code. */
cs_err cs_vm__fail(cs_run *run, const cs_code *code, const cs_insn *pc, cs_err err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void cs_vm__place(const cs_loc *loc, cs_error *e);

static inline cs_value cs_vm__follow(cs_value v, const cs_path *path)
{
    for (uint32_t i = 0; i < path->n && v.kind != CS_UNDEFINED; i++) {
        if (__builtin_expect(v.kind == CS_OBJECT, 1)) {
            const cs_value *item = cs_object_get_hashed(v, path->keys[i], path->hashes[i]);
            v = item ? *item : cs_undefined();
        } else {
            v = cs_index(v, path->keys[i]);
        }
    }
    return v;
}

/* ---- choose.c */
/* The definitions that can match; their list may be made in the run's arena. */
const cs_candidates *cs_vm__choose(cs_run *run, const cs_frame *f, const cs_switch *sw);

/* ---- context.c */
cs_context *cs_vm__context_new(cs_run *run, const cs_context *like);
/* The context of a with-site over values; NULL after an error. */
cs_context *cs_vm__with(cs_run *run, cs_context *from, const cs_with_site *site, const cs_value *values);
bool cs_vm__hidden(const cs_run *run, const cs_context *c, uint32_t node);
cs_mock *cs_vm__mock_of(const cs_context *c, cs_target_kind kind, uint32_t target);
cs_context *cs_vm__mock_inner(cs_run *run, cs_context *c, cs_mock *mock);

/* ---- probe.c */
/* How to come by what stands under a key of a partial document. */
typedef enum cs_probing {
    CS_PROBE_KNOWN, /* it is known: *v, which may be undefined */
    CS_PROBE_WHOLE, /* the document is to be made whole, then to be asked again */
    CS_PROBE_KEY    /* the key alone is to be computed */
} cs_probing;
cs_probing cs_vm__probe(cs_run *run, const cs_frame *f, const cs_code *document, const cs_value *key, cs_value *v);
/* The same for whether a partial set has an element: *v is a boolean, undefined if there is no document. */
cs_probing cs_vm__member(cs_run *run, const cs_frame *f, const cs_code *document, const cs_value *key, cs_value *v);

/* ---- memo.c */
cs_value *cs_vm__memo_slot(cs_run *run, cs_context *c, uint32_t code);
/* The remembered call, or NULL; then *key gets a copy of the arguments to remember the result by. */
const cs_value *cs_vm__call_find(cs_run *run, cs_context *c, uint32_t code, const cs_value *args, uint32_t n,
                                 const cs_value **key);
void cs_vm__call_remember(cs_run *run, cs_context *c, uint32_t code, const cs_value *args, uint32_t n, cs_value result);

/* ---- data.c */
/* Base data under the keys of a path; live documents included. */
cs_value cs_vm__base(cs_run *run, const cs_context *c, const cs_path *path);
cs_value cs_vm__base_at(cs_run *run, const cs_context *c, uint32_t node);
cs_value cs_vm__live_row(cs_run *run, uint32_t live, cs_value key);
cs_value cs_vm__live_all(cs_run *run, uint32_t live); /* undefined for a row that is not there */
/* What R[b][key] is when R[b] is a node: a value, another node, or a document to be called (*call = its code). */
cs_value cs_vm__node_dot(cs_run *run, const cs_context *c, uint32_t node, cs_value key, uint32_t *call);
cs_value cs_vm__keys(cs_run *run, const cs_context *c, cs_value v);
/* Base data laid over an object of rules: objects merge, base wins elsewhere. */
cs_value cs_vm__underlay(cs_run *run, const cs_context *c, cs_value rules, uint32_t node);

/* ---- put.c */
/* false: a conflict. */
bool cs_vm__put_path(cs_arena *a, cs_value root, const cs_value *path, uint32_t n, cs_value leaf, bool element);
void cs_vm__push(cs_arena *a, cs_growing *g, cs_value v);
cs_value cs_vm__growing(cs_arena *a);     /* an array under construction */
void cs_vm__seal_groups(cs_value groups); /* every array in the object */
cs_value cs_vm__sealed(cs_value v);       /* the array; any other value as it is */
/* The collection under `key`, made if there is none. */
cs_value cs_vm__group(cs_run *run, cs_value groups, cs_value key, uint32_t kind);

/* ---- written.c: collections of parts that were computed; n pairs make an object. They are marked by CS_AUX_WRITTEN if
 * their parts may tell more than their value. */
cs_value cs_vm__array(cs_run *run, const cs_value *items, uint32_t n);
cs_value cs_vm__set(cs_run *run, const cs_value *items, uint32_t n);
cs_value cs_vm__object(cs_run *run, const cs_value *pairs, uint32_t n);
/* Of those that are marked: */
uint32_t cs_vm__written_count(cs_value v);
cs_value cs_vm__written_index(cs_value v, cs_value key);
bool cs_vm__written_equal(cs_value x, cs_value y); /* as unification has it; either may be unmarked */
bool cs_vm__written_next(cs_value v, uint32_t at, cs_value *key, cs_value *value); /* false: there is none */

/* ---- conflict.c */
void cs_vm__conflict(cs_run *run, cs_frame *f, cs_value first, uint32_t first_def, cs_value value, uint32_t def);
cs_err cs_vm__conflict_error(cs_run *run, const cs_frame *f);
cs_err cs_vm__key_conflict(cs_run *run, const cs_loc *where); /* two values under one key of an object */

/* ---- loop.c */
cs_err cs_vm__loop(cs_run *run, cs_run_state *state);

#endif
