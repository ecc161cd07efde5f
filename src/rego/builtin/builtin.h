/* Built-in functions: one row each in builtins.def, one C function each in the file of its category (the names of OPA's
 * manual).
 *
 * A function gets ground operands and makes its result in call->arena. It answers
 *   CS_OK with *out set          the value;
 *   CS_OK with *out undefined    no result (the expression is undefined, and that is no error);
 *   the same and state->waiting  not yet: it waits for the network (cs_call_exchange) and is called again;
 *   CS_ERR_EVAL_TYPE             an operand of the wrong type (cs_call_type_error and friends make OPA's words);
 *   CS_ERR_EVAL_BUILTIN          anything else (cs_call_error);
 *   another code                 the evaluation stops (CS_ERR_LIMIT, CS_ERR_EVAL_CONFLICT…), strict or not.
 *
 * Texts of errors carry no function name: the caller puts it in front. Relations (walk) answer an array of their
 * results; walk takes two operands more from the engine: a path at which to begin (an array of keys, or null) and false
 * if the paths are not wanted. Functions are pure but for what they reach through call->state. */
#ifndef CS_REGO_BUILTIN_BUILTIN_H
#define CS_REGO_BUILTIN_BUILTIN_H

#include "countersign/host.h"
#include "rego/types/type.h"

typedef struct cs_builtin cs_builtin;

/* What is the same throughout one evaluation, and the caches that live as long. */
typedef struct cs_builtin_state {
    cs_arena *arena; /* of the evaluation */
    const cs_host *host;
    bool now_known;
    int64_t now_ns; /* the evaluation's one "now" */
    void *cache;    /* builtin/call.c: nondeterministic results by arguments, compiled patterns of this evaluation */
    cs_value
        *calls; /* if wanted: gets the results of nondeterministic functions at the end: name → operands → result */
    cs_value input; /* for built-ins that look at it (none does today but opa.runtime's kin) */
    /* The network: */
    cs_exchange *exchange; /* the one under way: an evaluation waits for one at a time */
    bool waiting;          /* the function called last waits for it, and is to be called again with the same operands */
    cs_exchange_wake *wake;
    void *wake_self;
    int64_t deadline_mono_ns;        /* 0 = none */
    struct cs_http_state *http;      /* http.c: what one evaluation remembers */
    struct cs_schema_state *schemas; /* schema_fetch.c: the same */
    uint64_t http_requests, http_cache_hits;
    int64_t http_ns;
} cs_builtin_state;

typedef struct cs_call {
    cs_arena *arena;
    const cs_value *args;
    uint32_t n;
    const cs_builtin *builtin;
    cs_builtin_state *state;
    cs_slice file; /* where the call stands, for print and trace */
    uint32_t row;
    cs_error *e;
    _Atomic(void *) *pattern; /* where the regular expression of this place in the policy stays, its text being a
                                 constant; NULL: it is kept by its text. Threads share it */
} cs_call;

/* The operand that is a regular expression (0-based); -1: none is. */
int cs_builtin_pattern_operand(const cs_builtin *b);
void cs_builtin_pattern_free(void *pattern); /* what a call left there; may be NULL */

typedef cs_err cs_builtin_fn(cs_call *call, cs_value *out);

enum {
    CS_BUILTIN_RELATION = 1,         /* many results */
    CS_BUILTIN_NONDETERMINISTIC = 2, /* not to be folded; memoised by arguments within an evaluation */
    CS_BUILTIN_DEPRECATED = 4,       /* refused in v1 modules */
    CS_BUILTIN_VOID = 8,             /* no result: print */
    CS_BUILTIN_UNSAFE_QUERY = 16,    /* refused in ad-hoc queries of a server: http.send */
    CS_BUILTIN_INTERNAL = 32,        /* internal.*: not to be called or mocked by name */
    CS_BUILTIN_TEST = 256,           /* there only after cs_rego_enable_test_builtins */
    CS_BUILTIN_OWN_MEMO = 128,       /* nondeterministic, but remembers for itself */
    CS_BUILTIN_REWRITTEN = 64        /* a compile stage replaces it: print, assign, rego.metadata.* in rules */
};

struct cs_builtin {
    const char *name;      /* "io.jwt.decode" */
    const char *infix;     /* "+", or "" */
    const char *signature; /* "(string, number) -> string", parsed into `type` on first use */
    const char *category;  /* one or several with commas between; "" = the first part of the name */
    cs_builtin_fn *run; /* NULL: known to the type checker but not built in; a call is a compile error that names it */
    unsigned flags;
    uint32_t index;      /* row in builtins.def */
    const cs_type *type; /* of what capabilities grant (granted.h); NULL in the table */
};

/* NULL if there is none. Thread-safe. */
const cs_builtin *cs_builtin_find(cs_slice name);
/* All rows, in the order of builtins.def, which is the order of their names. */
const cs_builtin *cs_builtin_rows(size_t *count);
/* Puts "relation", "deprecated" and "nondeterministic" into a row of a capabilities document. */
void cs_builtin_put_marks(cs_arena *a, cs_value row, unsigned flags);
/* The function type; made once per process, immutable. */
const cs_type *cs_builtin_type(const cs_builtin *b);
/* Number of operands without the captured result. */
uint32_t cs_builtin_arity(const cs_builtin *b);

/* Calls through the caches: nondeterministic functions answer the same for the same operands within an evaluation.
 * Errors come back as "name: text". */
CS_MUST_CHECK cs_err cs_builtin_call(cs_call *call, cs_value *out);
void cs_builtin_state_init(cs_builtin_state *state, cs_arena *arena, const cs_host *host);
/* Ends what is under way and frees what the state's caches hold outside the arena. May be called twice. */
void cs_builtin_state_destroy(cs_builtin_state *state);
/* For evaluators that cannot stop in the middle: as cs_builtin_call, but blocks where the function waits; `cancel` and
 * the state's deadline end that with CS_ERR_EVAL_CANCEL. */
CS_MUST_CHECK cs_err cs_builtin_call_blocking(cs_call *call, const int *cancel, cs_value *out);
int64_t cs_builtin_now(cs_builtin_state *state);

/* ---- for the functions */
/* "operand 2 must be one of {array, set} but got string"; `want` is "array" or "{array, set}" spelled "array, set". i
 * is 1-based. */
CS_MUST_CHECK cs_err cs_call_type_error(cs_call *call, uint32_t i, const char *want);
CS_MUST_CHECK cs_err cs_call_error(cs_call *call, const char *format, ...) CS_PRINTF(2, 3);
/* Asks the network, or asks after what was asked. false: not over yet, and the function returns CS_OK with *out
 * undefined. true: *answer is there until cs_call_exchange_end; NULL where there is no network. */
bool cs_call_exchange(cs_call *call, const cs_exchange_request *request, const cs_exchange_answer **answer);
void cs_call_exchange_end(cs_call *call);
/* Operand i (1-based) as a string / an integer, or OPA's type error. */
CS_MUST_CHECK cs_err cs_call_string(cs_call *call, uint32_t i, cs_slice *out);
CS_MUST_CHECK cs_err cs_call_int(cs_call *call, uint32_t i, int64_t *out);

#endif
