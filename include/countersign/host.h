/* What the engine needs from the world, as one struct of functions: the engine itself has no clock, no randomness, no
 * environment, no sockets, so that any moment can be replayed. The caller owns the struct; it must outlive the
 * evaluations that use it. Functions are called on the evaluating thread and must not block: an
 * evaluation that needs the network stops (CS_RUN_WAIT) until it is woken. */
#ifndef CS_HOST_H
#define CS_HOST_H

#include "countersign/base/network.h"
#include "countersign/value.h"

/* Answers of http.send that outlive an evaluation; any number of threads share one (rego/builtin/http_cache.c). */
typedef struct cs_http_cache cs_http_cache;
typedef struct cs_http_cache_options {
    int64_t max_bytes;         /* 0 = no bound */
    int64_t threshold_percent; /* 1..100: of max_bytes, where eviction begins; 0 = no bound either, as in OPA */
    int64_t stale_period_ns;   /* how often ended entries are swept; 0 = never */
} cs_http_cache_options;
cs_http_cache *cs_http_cache_new(const cs_http_cache_options *options);
void cs_http_cache_free(cs_http_cache *cache); /* when no evaluation uses it; NULL is fine */

typedef struct cs_host {
    void *self;
    /* The wall clock, nanoseconds since 1970; read once an evaluation, when first asked for. */
    int64_t (*now_ns)(void *self);
    /* A clock that only goes forward, for deadlines. */
    int64_t (*mono_ns)(void *self);
    void (*random)(void *self, void *bytes, size_t n);
    /* A line from print(); `file` and `row` say where it stands. */
    void (*print)(void *self, cs_slice file, uint32_t row, cs_slice line);
    /* What opa.runtime() answers: an object. */
    cs_value (*runtime)(void *self, cs_arena *arena);
    /* For http.send, net.lookup_ip_addr and JSON Schemas that stand elsewhere; NULL = there is none, and they fail. */
    cs_network *network;
    /* For http.send with `cache`; NULL = nothing is kept. */
    cs_http_cache *http_cache;
    /* A case of a data-driven test begins (internal.test_case): its name, an array. NULL = nobody wants to know. */
    void (*test_case)(void *self, cs_value name);
    /* The hosts that may be asked: an array of strings; anything else = any. */
    cs_value allow_net;
    /* May JSON Schemas refer to files ("file:///a.json")? For tools: a service takes schemas from its callers. */
    bool schema_files;
} cs_host;

/* A host for tests and tools: clock fixed at `now_ns`, random bytes from `seed`, print dropped, empty runtime. `*host`
 * is filled; `seed` must outlive it. */
typedef struct cs_host_fixed {
    int64_t now_ns;
    uint64_t seed;
} cs_host_fixed;
void cs_host_init_fixed(cs_host *host, cs_host_fixed *state);
/* The real clocks, random bytes and an empty runtime; print goes to the log at level info. */
const cs_host *cs_host_system(void);

/* An instant in UTC as one of Go's layouts has it ("2006-01-02T15:04:05Z07:00", or a name that OPA knows). Thread-safe.
 */
void cs_time_write_layout(int64_t wall_ns, cs_slice layout, cs_buf *out);

#endif
