/* What the files share that make and compare lists: manifest.c, sidecar.c, make.c, diff.c. */
#ifndef CS_PERSISTED_QUERY_MAKING_H
#define CS_PERSISTED_QUERY_MAKING_H

#include "internal.h"

/* Do two entries (or entries that have only clients) speak of different documents? */
bool cs_pq__is_other_document(cs_value x, cs_value y);
/* A new array with one more item. */
cs_value cs_pq__append(cs_arena *a, cs_value array, cs_value item);
/* A file's JSON; errors begin with file, row and column. */
CS_MUST_CHECK cs_err cs_pq__read_file(cs_arena *a, const char *file, cs_slice text, cs_value *out, cs_error *e);
/* Writes what the sidecars say into the entries. *operations becomes a new object. */
CS_MUST_CHECK cs_err cs_pq__apply_sidecars(cs_pq_list *list, cs_value *operations, cs_error *e);

/* The entry for everybody; undefined if there are only clients'. */
static inline cs_value cs_pq__general(cs_value entry)
{
    bool only_clients = cs_count(entry) == 1 && cs_is(cs_pq__member(entry, "clients"), CS_OBJECT);
    return only_clients ? cs_undefined() : entry;
}

#endif
