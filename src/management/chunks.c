/* Chunks of the decision log. */
#include "management/chunks.h"

#include "countersign/base/gzip.h"
#include "countersign/json.h"

enum { LEVEL = 6 };

void cs_chunks_init(cs_chunks *c, size_t limit)
{
    *c = (cs_chunks){.limit = limit, .target = limit};
    cs_buf_init(&c->text);
}

void cs_chunks_destroy(cs_chunks *c)
{
    cs_buf_destroy(&c->text);
    CS_VEC_FREE(&c->ends);
}

static size_t start_of(const cs_chunks *c, size_t i)
{
    return i == 0 ? 0 : c->ends.v[i - 1] + 1; /* behind the comma */
}

/* Events from..to-1 as an array, gzipped. */
static void pack(const cs_chunks *c, size_t from, size_t to, cs_buf *out)
{
    size_t start = start_of(c, from);
    cs_buf array;
    cs_buf_init(&array);
    cs_buf_byte(&array, '[');
    cs_buf_put(&array, c->text.p + start, c->ends.v[to - 1] - start);
    cs_buf_byte(&array, ']');
    cs_buf_init(out);
    cs_gzip_deflate(cs_buf_view(&array), LEVEL, out);
    cs_buf_destroy(&array);
}

/* The event without its nd_builtin_cache. false: it has none. */
static bool cut(cs_slice event, cs_buf *out)
{
    static const char name[] = "\"nd_builtin_cache\":";
    for (size_t at = 1; at < event.n; at = cs_json_item_end(event, at) + 1) {
        cs_slice rest = cs_slice_sub(event, at, event.n);
        if (!cs_slice_starts(rest, cs_slice_of(name))) {
            continue;
        }
        size_t end = cs_json_item_end(event, at);
        bool last = end < event.n && event.p[end] == '}';
        cs_buf_put(out, event.p, last && at > 1 ? at - 1 : at);
        cs_buf_slice(out, cs_slice_sub(event, last ? end : end + 1, event.n));
        return true;
    }
    return false;
}

/* An event that is too large for a chunk of its own may still be sent without what can be done without. */
static void emit_cut(cs_chunks *c, size_t i, cs_chunk_ready *ready, void *self)
{
    size_t start = start_of(c, i);
    cs_buf array, chunk;
    cs_buf_init(&array);
    cs_buf_init(&chunk);
    cs_buf_byte(&array, '[');
    bool had = cut(cs_slice_make(c->text.p + start, c->ends.v[i] - start), &array);
    cs_buf_byte(&array, ']');
    if (had) {
        cs_gzip_deflate(cs_buf_view(&array), LEVEL, &chunk);
    }
    c->too_large++;
    if (had && chunk.n <= c->limit) {
        c->cut++;
        ready(self, &chunk);
    } else {
        c->failed++;
        cs_buf_destroy(&chunk);
    }
    cs_buf_destroy(&array);
}

/* What one chunk cannot hold is halved. */
static void emit(cs_chunks *c, size_t from, size_t to, cs_chunk_ready *ready, void *self)
{
    cs_buf chunk;
    pack(c, from, to, &chunk);
    if (chunk.n <= c->limit) {
        ready(self, &chunk);
        return;
    }
    cs_buf_destroy(&chunk);
    if (to - from == 1) {
        emit_cut(c, from, ready, self);
        return;
    }
    size_t middle = from + (to - from) / 2;
    emit(c, from, middle, ready, self);
    emit(c, middle, to, ready, self);
}

/* As much text as would have filled a chunk, with a little room; at most eight times more than last time. */
static void learn(cs_chunks *c, size_t packed)
{
    double factor = 0.95 * (double)c->limit / (double)packed;
    double target = (double)c->text.n * (factor < 8 ? factor : 8);
    c->target = target > (double)c->limit ? (size_t)target : c->limit;
}

void cs_chunks_flush(cs_chunks *c, cs_chunk_ready *ready, void *self)
{
    if (c->ends.n == 0) {
        return;
    }
    cs_buf chunk;
    pack(c, 0, c->ends.n, &chunk);
    learn(c, chunk.n);
    if (chunk.n <= c->limit) {
        ready(self, &chunk);
    } else {
        cs_buf_destroy(&chunk);
        emit(c, 0, c->ends.n, ready, self);
    }
    cs_buf_clear(&c->text);
    c->ends.n = 0;
}

void cs_chunks_add(cs_chunks *c, cs_slice event, cs_chunk_ready *ready, void *self)
{
    if (c->ends.n != 0 && c->text.n + event.n + 3 > c->target) {
        cs_chunks_flush(c, ready, self);
    }
    if (c->ends.n != 0) {
        cs_buf_byte(&c->text, ',');
    }
    cs_buf_slice(&c->text, event);
    size_t end = c->text.n;
    CS_VEC_PUSH(&c->ends, end);
}
