/* One reading of a request: what its files (http.c, request.c) share. */
#ifndef CS_PERSISTED_QUERY_REQUEST_H
#define CS_PERSISTED_QUERY_REQUEST_H

#include "internal.h"

typedef struct cs_pq__reading {
    cs_arena *a;
    const cs_pq_request *rq;
    cs_value operations; /* data.operations */
    cs_value url;        /* our parameters of the URL, an object */
    cs_slice client;     /* its name; "" = unknown */
    const char *why;     /* why the request is unclear; NULL = it is clear. A static text */
} cs_pq__reading;

/* The first reason stays. */
void cs_pq__unclear(cs_pq__reading *r, const char *why);
/* The member of a GraphQL request that this is, whatever its case; NULL = none. */
const char *cs_pq__our_name(cs_slice name);
void cs_pq__check_names(cs_pq__reading *r, cs_value object);

/* {name, version} or undefined; sets r->client. */
cs_value cs_pq__client(cs_pq__reading *r);
/* Fills r->url. */
void cs_pq__read_query(cs_pq__reading *r);
/* A string or undefined. */
cs_value cs_pq__path_id(cs_pq__reading *r);
/* The body's state; *out is an object or an array if that is "complete", else undefined. */
const char *cs_pq__read_body(cs_pq__reading *r, cs_value *out);

/* "name=value; name=value" behind the first ';' of a header: the value of one, *found or not. false if any of them is
 * not plain, or if it comes twice. */
bool cs_pq__parameter(cs_slice rest, const char *name, cs_slice *value, bool *found);

#endif
