/* What is made of texts that policies use again and again (patterns, keys), by the text: a bounded cache of the
 * process, shared by all threads, and in front of it a small one of each thread, so that the usual lookup is a hash, a
 * comparison and no atomic operation. */
#ifndef CS_REGO_BUILTIN_CACHE_H
#define CS_REGO_BUILTIN_CACHE_H

#include "countersign/base/err.h"
#include "countersign/base/slice.h"

typedef enum cs_cached { CS_CACHED_REGEX, CS_CACHED_GLOB, CS_CACHED_KEYS } cs_cached;

/* Makes the object for a key, or fails (failures are not cached). */
typedef cs_err cs_cache_make(void *context, cs_slice key, void **object);

/* The object for a key. It stays valid until this thread's next call; `release` frees it one day, on any thread. */
CS_MUST_CHECK cs_err cs_cache__get(cs_cached kind, cs_slice key, cs_cache_make *make, void *context,
                                   void (*release)(void *object), void **object);

#endif
