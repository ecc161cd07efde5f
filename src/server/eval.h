/* The evaluation of a request's query, as the request carries it: what is asked, what came out, and how it is told of
 * (eval.c, strict.c, explain.c). */
#ifndef CS_SERVER_EVAL_H
#define CS_SERVER_EVAL_H

#include <stdatomic.h>

#include "countersign/server.h"
#include "countersign/store.h"
#include "countersign/trace.h"
#include "route.h"

typedef struct cs_server__worker cs_server__worker;

typedef struct cs_server__eval {
    /* asked */
    cs_slice key;         /* of the prepared query */
    const cs_value *path; /* a path query, or */
    size_t n_path;
    cs_slice text; /* a text */
    cs_value input;
    bool strict;
    bool server;        /* as cs_query_options.server */
    cs_explain explain; /* record what happens */
    bool wants_labels;  /* and which labels the rules that hold have */
    /* NULL, or makes the input when the world is pinned; false: the request was answered, or goes on by itself */
    bool (*ready)(cs_server__request *r);
    cs_server__handler *done; /* has the answer; must end in a reply */
    /* answered */
    cs_err err;
    bool not_prepared; /* err is from preparing: see errors */
    bool hit;
    cs_value result;
    cs_value nd_builtin_cache; /* undefined unless it is configured */
    const cs_world *world;     /* good until cs_server__eval_end */
    cs_instrument *instrument; /* NULL without ?instrument */
    int64_t compile_ns, eval_ns;
    cs_errors *errors;
    cs_error error;
    cs_trace *trace;   /* NULL if not asked for */
    cs_labels *labels; /* NULL if not asked for */
    /* private */
    bool active, parked;
    bool ended;         /* the run is over, its answer not given yet */
    bool waiting;       /* in the worker's list, for the network */
    _Atomic bool woken; /* what it waits for is there */
    int cancel;         /* the client has gone */
    cs_server__request *next_waiting;
    cs_prepared *prepared;
    cs_run *run;
    cs_eval spec;
} cs_server__eval;

/* What the parameters ask to be recorded; NULL if nothing. */
const cs_tracer *cs_server__tracer(cs_server__request *r);
/* Reads ?explain and ?rule_labels; writes what was asked for (without a result full explanations only). */
void cs_server__explain_params(cs_server__request *r);
void cs_server__explain_field(cs_server__request *r, bool defined);
void cs_server__labels_field(cs_server__request *r);
/* Fills r->eval.spec, pins the world, runs; `done` is called now or from the loop later. */
void cs_server__evaluate(cs_server__request *r);
/* What outlives the worker's turn holds the world by a reference instead of the pin. */
void cs_server__eval_park(cs_server__request *r);
/* Lets go of the world. Replies do it themselves. */
void cs_server__eval_end(cs_server__request *r);
/* The whole of it now, by the tree walker, which does not stop in the middle. */
void cs_server__run_here(cs_server__request *r);
/* Makes w->strict_host of w->host. */
void cs_server__strict_host(cs_server__worker *w);
bool cs_server__run_strict(cs_server__request *r); /* false: it needs the network */
/* The server ends in the middle of it: lets go of everything that is not the request's own memory. */
void cs_server__eval_drop(cs_server__request *r);
/* A URL's path (escaped, split at '/') to keys as OPA makes them: decimal segments become numbers. false with *bad set
 * for a segment with a quote in it. */
bool cs_server__path_keys(cs_arena *a, cs_slice escaped, const cs_value **keys, size_t *n, cs_slice *bad);

/* What ?instrument asks for: to be given to what compiles and evaluates; NULL without it. */
cs_instrument *cs_server__instrument(struct cs_server__request *r);

#endif
