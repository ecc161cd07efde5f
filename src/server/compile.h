/* What the two compile APIs share: request objects, the pinned world, explanations. */
#ifndef CS_SERVER_COMPILE_H
#define CS_SERVER_COMPILE_H

#include "countersign/partial.h"
#include "countersign/trace.h"
#include "internal.h"

/* A request object. What was not given is undefined. */
typedef struct cs_server__compile_request {
    cs_value input, query, unknowns;
    cs_value keep, nondeterministic, mask, mappings, dialects; /* of options */
} cs_server__compile_request;

/* Go's names of the type that the object is read into, for the texts of errors. */
typedef struct cs_server__compile_type {
    const char *value;   /* "types.CompileRequestV1" */
    const char *field;   /* "CompileRequestV1" */
    const char *options; /* the struct of `options` */
    bool filters;        /* has mask, mappings, dialects */
    bool may_be_empty;
} cs_server__compile_type;

/* false: an error was replied. */
bool cs_server__compile_read(cs_server__request *r, const cs_server__compile_type *type,
                             cs_server__compile_request *out);

/* Pins the world and makes the error list; the reply lets go of both. */
void cs_server__compile_begin(cs_server__request *r);
/* What an evaluation needs, for the pinned world. */
cs_eval cs_server__compile_eval(cs_server__request *r, cs_value input);
/* ?explain: the level, and NULL or what records it. */
cs_trace *cs_server__compile_trace(cs_server__request *r, cs_explain *level);
/* After partial evaluation failed: errors of evaluation have a place, or are the server's. */
void cs_server__compile_fail(cs_server__request *r, cs_err err);
/* The string items of a request's list; "" for null. */
cs_slice cs_server__compile_item(cs_value list, uint32_t i);

#endif
