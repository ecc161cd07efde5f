/* A row's labels as one key; sums by key. */
#include <string.h>

#include "countersign/base/bytes.h"
#include "countersign/base/mem.h"
#include "spend/cost.h"

enum { ESTIMATED = 1, RESTATED = 2, VAR_BYTES = 10 };

/* Sums lie in pieces, each behind its key, so that finding one takes two lines of memory: that of its place, and its
 * own. A place is 8 bytes; where a sum lies is counted in units of 8. */
#ifdef CS_TINY
enum { FIRST_PLACES = 2, PIECE_UNITS = 2048 };
#else
enum { FIRST_PLACES = 256, PIECE_UNITS = 8192 };
#endif

typedef struct cs_spend__cost_place {
    uint32_t at; /* of its entry: number of the piece * PIECE_UNITS + unit in it; 0 = empty */
    uint32_t hash;
} place;

/* ---- keys */

static char *put_var(char *at, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        *at++ = (char)(uint8_t)(v | 0x80);
    }
    *at++ = (char)(uint8_t)v;
    return at;
}

static char *put_text(char *at, cs_slice text)
{
    at = put_var(at, text.n);
    if (text.n > 0) {
        memcpy(at, text.p, text.n);
    }
    return at + text.n;
}

static char *put_pairs(char *at, const cs_spend__pairs *pairs)
{
    at = put_var(at, pairs->n);
    for (size_t i = 0; i < pairs->n; i++) {
        at = put_text(put_text(at, pairs->v[i].name), pairs->v[i].value);
    }
    return at;
}

static size_t pairs_room(const cs_spend__pairs *pairs)
{
    size_t n = VAR_BYTES;
    for (size_t i = 0; i < pairs->n; i++) {
        n += pairs->v[i].name.n + pairs->v[i].value.n + 2 * VAR_BYTES;
    }
    return n;
}

/* What a key is made of; nothing is copied before it is there. */
typedef struct labels {
    int64_t slot;
    uint8_t kind, flags;
    cs_slice tenant, currency, document_id, operation, unit;
    const cs_spend__pairs *scope, *tags;
} labels;

static cs_slice make_key(cs_arena *a, const labels *l)
{
    size_t room = 7 * VAR_BYTES + l->tenant.n + l->currency.n + l->document_id.n + l->operation.n + l->unit.n +
                  pairs_room(l->scope) + pairs_room(l->tags);
    char *key = cs_arena_alloc(a, room);
    char *at = put_var(key, ((uint64_t)l->slot << 1) ^ (l->slot < 0 ? UINT64_MAX : 0)); /* as cs_bytes_signed */
    *at++ = (char)l->kind;
    *at++ = (char)l->flags;
    at = put_text(put_text(at, l->tenant), l->currency);
    at = put_text(put_text(put_text(at, l->document_id), l->operation), l->unit);
    at = put_pairs(put_pairs(at, l->scope), l->tags);
    return cs_slice_make(key, (size_t)(at - key));
}

static uint8_t flags_of(bool estimated, bool restated)
{
    return (uint8_t)((estimated ? ESTIMATED : 0) | (restated ? RESTATED : 0));
}

cs_slice cs_spend__cost_key(cs_arena *a, const cs_spend__cost_row *row)
{
    return make_key(a, &(labels){.slot = row->slot,
                                 .kind = (uint8_t)row->kind,
                                 .flags = flags_of(row->estimated, row->restated),
                                 .tenant = row->tenant,
                                 .currency = row->currency,
                                 .document_id = row->document_id,
                                 .operation = row->operation,
                                 .unit = row->unit,
                                 .scope = &row->scope,
                                 .tags = &row->tags});
}

cs_slice cs_spend__cost_event_key(cs_arena *a, const cs_spend__event *event, uint32_t slot, bool restated)
{
    return make_key(a, &(labels){.slot = slot,
                                 .kind = (uint8_t)event->kind,
                                 .flags = flags_of(event->estimated, restated),
                                 .tenant = event->tenant,
                                 .currency = event->currency,
                                 .document_id = event->document_id,
                                 .operation = event->operation,
                                 .unit = event->unit,
                                 .scope = &event->scope,
                                 .tags = &event->tags});
}

static void take_pairs(cs_bytes *b, cs_spend__pairs *out)
{
    uint64_t n = cs_bytes_var(b);
    b->bad = b->bad || n > CS_SPEND__PAIRS;
    for (out->n = 0; !b->bad && out->n < n; out->n++) {
        out->v[out->n].name = cs_bytes_text(b);
        out->v[out->n].value = cs_bytes_text(b);
    }
}

bool cs_spend__cost_row_of(cs_slice key, cs_spend__cost_row *out)
{
    cs_bytes b = cs_bytes_of(key);
    *out = (cs_spend__cost_row){.slot = cs_bytes_signed(&b)};
    uint8_t kind = cs_bytes_u8(&b);
    uint8_t flags = cs_bytes_u8(&b);
    out->kind = (cs_spend__kind)kind;
    out->estimated = (flags & ESTIMATED) != 0;
    out->restated = (flags & RESTATED) != 0;
    out->tenant = cs_bytes_text(&b);
    out->currency = cs_bytes_text(&b);
    out->document_id = cs_bytes_text(&b);
    out->operation = cs_bytes_text(&b);
    out->unit = cs_bytes_text(&b);
    take_pairs(&b, &out->scope);
    take_pairs(&b, &out->tags);
    return cs_bytes_whole(&b) && kind <= CS_SPEND__ADJUSTMENT;
}

/* ---- sums */

cs_spend__cost_sums *cs_spend__cost_sums_new(void)
{
    return cs_zalloc(sizeof(cs_spend__cost_sums));
}

void cs_spend__cost_sums_free(cs_spend__cost_sums *sums)
{
    if (sums != NULL) {
        for (size_t i = 0; i < sums->pieces.n; i++) {
            cs_free(sums->pieces.v[i].bytes);
        }
        CS_VEC_FREE(&sums->pieces);
        cs_free(sums->places);
        cs_free(sums);
    }
}

static cs_spend__cost_entry *entry_at(const cs_spend__cost_sums *sums, uint32_t at)
{
    return (cs_spend__cost_entry *)(void *)(sums->pieces.v[at / PIECE_UNITS].bytes + (size_t)(at % PIECE_UNITS) * 8);
}

static uint32_t units_of(size_t key_bytes)
{
    return (uint32_t)((sizeof(cs_spend__cost_entry) + key_bytes + 7) / 8);
}

const cs_spend__cost_entry *cs_spend__cost_sums_next(const cs_spend__cost_sums *sums, uint32_t *cursor)
{
    *cursor += *cursor == 0;
    size_t piece = *cursor / PIECE_UNITS;
    if (piece < sums->pieces.n && *cursor % PIECE_UNITS >= sums->pieces.v[piece].used) {
        *cursor = (uint32_t)++piece * PIECE_UNITS;
    }
    if (piece >= sums->pieces.n || *cursor % PIECE_UNITS >= sums->pieces.v[piece].used) {
        return NULL;
    }
    const cs_spend__cost_entry *entry = entry_at(sums, *cursor);
    uint32_t end = *cursor % PIECE_UNITS + units_of(entry->n);
    *cursor = (uint32_t)piece * PIECE_UNITS + (end < PIECE_UNITS ? end : PIECE_UNITS);
    return entry;
}

/* Half of the places stay empty. */
static void make_room(cs_spend__cost_sums *sums)
{
    uint32_t old_size = sums->places != NULL ? sums->mask + 1 : 0;
    if (sums->n < old_size / 2) {
        return;
    }
    place *old = sums->places;
    uint32_t size = old_size != 0 ? old_size * 2 : FIRST_PLACES;
    sums->places = cs_zalloc(size * sizeof *sums->places);
    sums->mask = size - 1;
    for (uint32_t i = 0; i < old_size; i++) {
        uint32_t to = old[i].hash & sums->mask;
        while (old[i].at != 0 && sums->places[to].at != 0) {
            to = (to + 1) & sums->mask;
        }
        if (old[i].at != 0) {
            sums->places[to] = old[i];
        }
    }
    cs_free(old);
}

/* An entry of its own for the key, in the last piece or a new one. */
static uint32_t make_entry(cs_spend__cost_sums *sums, cs_slice key)
{
    size_t units = units_of(key.n);
    if (sums->pieces.n == 0 || sums->pieces.v[sums->pieces.n - 1].used + units > PIECE_UNITS) {
        cs_assert(sums->pieces.n < UINT32_MAX / PIECE_UNITS - 1);
        size_t size = units < PIECE_UNITS ? PIECE_UNITS : units + 1; /* a key longer than a piece gets one to itself */
        cs_spend__cost_piece fresh = {.bytes = cs_alloc(size * 8), .used = sums->pieces.n == 0};
        CS_VEC_PUSH(&sums->pieces, fresh);
    }
    cs_spend__cost_piece *piece = &sums->pieces.v[sums->pieces.n - 1];
    uint32_t at = (uint32_t)(sums->pieces.n - 1) * PIECE_UNITS + piece->used;
    piece->used = piece->used + units < PIECE_UNITS ? piece->used + (uint32_t)units : PIECE_UNITS;
    cs_spend__cost_entry *entry = entry_at(sums, at);
    *entry = (cs_spend__cost_entry){.n = (uint32_t)key.n};
    memcpy(entry->key, key.p, key.n);
    sums->n++;
    return at;
}

uint32_t cs_spend__cost_hash(cs_slice key)
{
    return cs_hash_bytes(key.p, key.n);
}

void cs_spend__cost_sums_prefetch(const cs_spend__cost_sums *sums, uint32_t hash)
{
    if (sums->places != NULL) {
        __builtin_prefetch(&sums->places[hash & sums->mask]);
    }
}

void cs_spend__cost_sums_prefetch_entry(const cs_spend__cost_sums *sums, uint32_t hash)
{
    if (sums->places != NULL) {
        const place *p = &sums->places[hash & sums->mask]; /* mostly the one */
        if (p->at != 0) {
            const char *entry = (const char *)entry_at(sums, p->at);
            __builtin_prefetch(entry);
            __builtin_prefetch(entry + 64);
        }
    }
}

void cs_spend__cost_sums_add(cs_spend__cost_sums *sums, cs_slice key, uint32_t hash, const cs_spend__cost_sum *more)
{
    bool overflow = false; /* the ledger says it; here a sum stays at its end */
    make_room(sums);
    cs_spend__cost_entry *entry = NULL;
    for (uint32_t i = hash & sums->mask; entry == NULL; i = (i + 1) & sums->mask) {
        place *p = &sums->places[i];
        if (p->at == 0) {
            *p = (place){.at = make_entry(sums, key), .hash = hash};
            entry = entry_at(sums, p->at);
        } else if (p->hash == hash) {
            entry = entry_at(sums, p->at);
            entry = entry->n == key.n && memcmp(entry->key, key.p, key.n) == 0 ? entry : NULL;
        }
    }
    entry->sum.nanos = cs_spend__add(entry->sum.nanos, more->nanos, &overflow);
    entry->sum.quantity = cs_spend__add(entry->sum.quantity, more->quantity, &overflow);
    entry->sum.events += more->events;
}

void cs_spend__cost_sums_write(const cs_spend__cost_sums *sums, cs_buf *out)
{
    uint32_t cursor = 0;
    const cs_spend__cost_entry *entry = NULL;
    while ((entry = cs_spend__cost_sums_next(sums, &cursor)) != NULL) {
        cs_bytes_put_text(out, cs_slice_make(entry->key, entry->n));
        cs_bytes_put_signed(out, entry->sum.nanos);
        cs_bytes_put_signed(out, entry->sum.quantity);
        cs_bytes_put_signed(out, entry->sum.events);
    }
}

bool cs_spend__cost_sums_read(cs_slice bytes, cs_spend__cost_sums *into)
{
    cs_bytes b = cs_bytes_of(bytes);
    while (!b.bad && cs_bytes_left(&b) > 0) {
        cs_slice key = cs_bytes_text(&b);
        cs_spend__cost_sum sum = {.nanos = cs_bytes_signed(&b)};
        sum.quantity = cs_bytes_signed(&b);
        sum.events = cs_bytes_signed(&b);
        cs_spend__cost_row row;
        if (b.bad || !cs_spend__cost_row_of(key, &row)) {
            return false;
        }
        cs_spend__cost_sums_add(into, key, cs_spend__cost_hash(key), &sum);
    }
    return cs_bytes_whole(&b);
}
