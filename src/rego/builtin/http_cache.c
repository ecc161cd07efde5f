/* Answers of http.send that outlive an evaluation: a map by the text of the request, under one lock, held for a look-up
 * or an insertion. An entry is immutable and counted, so that it is copied outside the lock. Full, it gives up what
 * came first, as OPA does; entries past their end are swept now and then if the configuration says so. */
#include <stdatomic.h>

#include "countersign/base/map.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "rego/builtin/http.h"

typedef struct kept {
    _Atomic uint32_t owners;
    struct kept *older, *newer;
    cs_arena arena; /* of the entry's texts and the key */
    cs_slice key;
    cs_http_entry entry;
    int64_t size;
} kept;

struct cs_http_cache {
    cs_mutex lock;
    cs_http_cache_options options;
    cs_map map;            /* key → kept */
    kept *oldest, *newest; /* in the order of insertion */
    int64_t used;
    int64_t swept_ns;
};

cs_http_cache *cs_http_cache_new(const cs_http_cache_options *options)
{
    cs_http_cache *cache = cs_zalloc(sizeof *cache);
    cache->options = *options;
    cs_mutex_init(&cache->lock);
    cs_map_init(&cache->map);
    return cache;
}

static void let_go(kept *k)
{
    if (atomic_fetch_sub_explicit(&k->owners, 1, memory_order_acq_rel) == 1) {
        cs_arena_destroy(&k->arena);
        cs_free(k);
    }
}

/* With the lock held. */
static void take_out(cs_http_cache *cache, kept *k)
{
    (void)cs_map_remove(&cache->map, k->key);
    *(k->older != NULL ? &k->older->newer : &cache->oldest) = k->newer;
    *(k->newer != NULL ? &k->newer->older : &cache->newest) = k->older;
    cache->used -= k->size;
    let_go(k);
}

void cs_http_cache_free(cs_http_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    while (cache->oldest != NULL) {
        take_out(cache, cache->oldest);
    }
    cs_map_destroy(&cache->map);
    cs_mutex_destroy(&cache->lock);
    cs_free(cache);
}

static cs_slice copied(cs_arena *a, cs_slice s)
{
    return s.n != 0 ? cs_slice_make(cs_arena_dup(a, s.p, s.n), s.n) : CS_LIT("");
}

static cs_http_entry copy_entry(cs_arena *a, const cs_http_entry *e)
{
    const cs_http_response *r = &e->response;
    cs_exchange_field *headers = cs_arena_array(a, cs_exchange_field, r->n_headers + 1);
    for (size_t i = 0; i < r->n_headers; i++) {
        headers[i] = (cs_exchange_field){copied(a, r->headers[i].name), copied(a, r->headers[i].value)};
    }
    return (cs_http_entry){{r->status, copied(a, r->status_text), headers, r->n_headers, copied(a, r->body)},
                           e->expires_ns};
}

/* With the lock held: once in a period, what has ended goes. */
static void sweep(cs_http_cache *cache, int64_t wall_ns)
{
    int64_t period = cache->options.stale_period_ns;
    if (period <= 0 || wall_ns - cache->swept_ns < period) {
        return;
    }
    if (cache->swept_ns != 0) {
        for (kept *k = cache->oldest, *next; k != NULL; k = next) {
            next = k->newer;
            if (k->entry.expires_ns != CS_HTTP_NEVER && k->entry.expires_ns < wall_ns) {
                take_out(cache, k);
            }
        }
    }
    cache->swept_ns = wall_ns;
}

bool cs_http__cache_get(cs_http_cache *cache, cs_arena *a, cs_slice key, int64_t wall_ns, cs_http_entry *out)
{
    cs_mutex_lock(&cache->lock);
    sweep(cache, wall_ns);
    kept *k = cs_map_get(&cache->map, key);
    if (k != NULL) {
        (void)atomic_fetch_add_explicit(&k->owners, 1, memory_order_relaxed);
    }
    cs_mutex_unlock(&cache->lock);
    if (k == NULL) {
        return false;
    }
    *out = copy_entry(a, &k->entry);
    let_go(k);
    return true;
}

/* What OPA counts: the length of the entry as JSON, in which the body is base64. */
static int64_t size_of(const cs_http_entry *e)
{
    const cs_http_response *r = &e->response;
    size_t n = sizeof "{\"RespBody\":\"\",\"Status\":\"\",\"StatusCode\":200,\"Headers\":{},\"ExpiresAt\":\"\"}" - 1;
    n += (r->body.n + 2) / 3 * 4 + r->status_text.n + sizeof "2006-01-02T15:04:05.999999999Z" - 1;
    for (size_t i = 0; i < r->n_headers; i++) {
        n += r->headers[i].name.n + r->headers[i].value.n + sizeof "\"\":[\"\"]," - 1;
    }
    return (int64_t)n - (r->n_headers != 0);
}

void cs_http__cache_put(cs_http_cache *cache, cs_slice key, int64_t wall_ns, const cs_http_entry *entry)
{
    const cs_http_cache_options *o = &cache->options;
    int64_t size = size_of(entry), limit = 0;
    if (o->max_bytes > 0 && o->threshold_percent > 0) {
        /* OPA rounds the percentage up to a whole factor: anything but 0 means all of it. */
        limit = o->max_bytes;
    }
    if (limit > 0 && size > limit) {
        return;
    }
    kept *k = cs_zalloc(sizeof *k);
    atomic_init(&k->owners, 1);
    cs_arena_init(&k->arena, 0);
    k->key = copied(&k->arena, key);
    k->entry = copy_entry(&k->arena, entry);
    k->size = size;
    cs_mutex_lock(&cache->lock);
    sweep(cache, wall_ns);
    while (limit > 0 && cache->oldest != NULL && cache->used + size > limit) {
        take_out(cache, cache->oldest);
    }
    kept *old = cs_map_get(&cache->map, key);
    if (old != NULL) {
        take_out(cache, old);
    }
    (void)cs_map_put(&cache->map, k->key, k);
    k->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = k;
    cache->newest = k;
    cache->used += size;
    cs_mutex_unlock(&cache->lock);
}

void cs_http__cache_remove(cs_http_cache *cache, cs_slice key)
{
    cs_mutex_lock(&cache->lock);
    kept *k = cs_map_get(&cache->map, key);
    if (k != NULL) {
        take_out(cache, k);
    }
    cs_mutex_unlock(&cache->lock);
}
