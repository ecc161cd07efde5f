/* Which events were counted, and where.
 *
 * An event is known by the 128-bit SipHash (Aumasson and Bernstein) of its source and id, under a key that nobody
 * outside knows, so that nobody can make two ids collide. 12 bits of it choose one of 4096 tables, 64 others are kept.
 * With N ids remembered, a new event is taken for one of them with probability N / 2^76: with 100 million, 1 in 7 *
 * 10^14. The 32 bits of the content only tell a duplicate from a conflict, neither of which counts.
 *
 * A table is one array with linear probing, in the order of home places (Robin Hood hashing), at most 7/8 full. It
 * grows alone, by a fifth, so that growing copies one table of 4096; nothing waits for the whole set. 16 bytes an
 * entry, so at most 22 an id with what is free, and never twice that while it grows.
 *
 * Times are kept as 16 bits. The clock of the set says which 65536 slots (682 days) they are in: those that it keeps,
 * and as many before and after as there is room. When its day changes, each id that is added sweeps one table of what
 * is over. */
#include <string.h>

#include "countersign/base/mem.h"
#include "spend/internal.h"

#ifdef CS_TINY
enum { TABLE_BITS = 2 };
#else
enum { TABLE_BITS = 12 };
#endif
enum { TABLES = 1 << TABLE_BITS, KEEP_MOST = CS_SPEND__WINDOW_DAYS * CS_SPEND__SLOTS_A_DAY };
enum { CONTENT = 0x7fffffff, PIECE_BYTES = 64 << 10, RECORD_BYTES = 20 };

/* ---- SipHash-1-3, 128 bits: what is behind an id is never shown to whoever sends it */

typedef struct sip {
    uint64_t v0, v1, v2, v3;
} sip;

static inline uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static inline void sip_round(sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(sip *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    s->v0 ^= m;
}

static void sip_text(sip *s, cs_slice text)
{
    uint64_t word = 0;
    size_t i = 0;
    for (; i + 8 <= text.n; i += 8) {
        memcpy(&word, text.p + i, 8);
        sip_word(s, word);
    }
    word = 0;
    if (i < text.n) {
        memcpy(&word, text.p + i, text.n - i);
    }
    sip_word(s, word);
    sip_word(s, text.n); /* so that no two lists of texts feed the same words */
}

static sip sip_start(const uint64_t key[2])
{
    return (sip){.v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
                 .v1 = key[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                 .v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
                 .v3 = key[1] ^ UINT64_C(0x7465646279746573)};
}

static uint64_t sip_half(sip *s, uint64_t tag)
{
    if (tag == 0xee) {
        s->v2 ^= tag;
    } else {
        s->v1 ^= tag;
    }
    for (int i = 0; i < 3; i++) {
        sip_round(s);
    }
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

cs_spend__id cs_spend__seen_id(const cs_spend__seen *s, cs_slice source, cs_slice id)
{
    sip h = sip_start(s->key);
    sip_text(&h, source);
    sip_text(&h, id);
    cs_spend__id out = {.a = sip_half(&h, 0xee)};
    out.b = sip_half(&h, 0xdd);
    out.b = out.b == 0 ? 1 : out.b; /* 0 is an empty place */
    return out;
}

uint32_t cs_spend__seen_content(const cs_spend__seen *s, const cs_spend__event *event)
{
    sip h = sip_start(s->key);
    sip_text(&h, event->tenant);
    sip_text(&h, event->currency);
    sip_word(&h, (uint64_t)event->nanos);
    sip_word(&h, (uint64_t)event->kind);
    return (uint32_t)(sip_half(&h, 0xee) >> 33); /* as many bits as are kept */
}

/* The seed of cs_hash_bytes is the process's secret; this stretches it. */
static uint64_t secret(char label)
{
    char text[2] = {label, 'a'};
    uint64_t high = cs_hash_bytes(text, sizeof text);
    text[1] = 'b';
    return high << 32 | cs_hash_bytes(text, sizeof text);
}

/* ---- times */

/* Slots after the clock that can be told from slots before it. */
static uint32_t ahead(const cs_spend__seen *s)
{
    return (65536 - s->keep) / 2;
}

static int64_t arrival_of(const cs_spend__seen *s, const cs_spend__seen_entry *e)
{
    uint32_t age = (uint16_t)(s->clock - (uint32_t)e->arrived);
    return age < 65536 - ahead(s) ? (int64_t)s->clock - age : (int64_t)s->clock + (65536 - age);
}

/* The nearest slot that can be kept. */
static int64_t representable(const cs_spend__seen *s, uint32_t arrived)
{
    int64_t low = (int64_t)s->clock - s->keep;
    int64_t high = (int64_t)s->clock + ahead(s) - 1;
    return arrived < low ? low : arrived > high ? high : arrived;
}

static uint32_t back_of(int64_t arrived, int64_t where)
{
    if (where == CS_SPEND__WHERE_WAITING) {
        return CS_SPEND__BACK_WAITING;
    }
    int64_t back = arrived - where + CS_SPEND__BACK_AHEAD;
    return where < 0 || back < 0 || back >= CS_SPEND__BACK_UNKNOWN ? CS_SPEND__BACK_UNKNOWN : (uint32_t)back;
}

int64_t cs_spend__seen_where(const cs_spend__seen *s, const cs_spend__seen_entry *e)
{
    return e->back == CS_SPEND__BACK_WAITING   ? CS_SPEND__WHERE_WAITING
           : e->back == CS_SPEND__BACK_UNKNOWN ? CS_SPEND__WHERE_UNKNOWN
                                               : arrival_of(s, e) + CS_SPEND__BACK_AHEAD - e->back;
}

static bool remembered(const cs_spend__seen *s, const cs_spend__seen_entry *e, int64_t now)
{
    return now - arrival_of(s, e) <= s->keep;
}

/* ---- tables */

static uint32_t most(uint32_t cap)
{
    return cap >= 8 ? cap - cap / 8 : cap - (cap > 0);
}

static uint32_t home(const cs_spend__seen_table *t, uint64_t print)
{
    return (uint32_t)(((print >> 32) * t->cap) >> 32);
}

static uint32_t next_place(const cs_spend__seen_table *t, uint32_t i)
{
    return i + 1 == t->cap ? 0 : i + 1;
}

/* How far the entry at a place is from its home. */
static uint32_t distance(const cs_spend__seen_table *t, uint32_t place)
{
    uint32_t from = home(t, t->v[place].print);
    return place >= from ? place - from : place + t->cap - from;
}

static cs_spend__seen_table *table_of(const cs_spend__seen *s, cs_spend__id id)
{
    return &s->tables[id.a & (TABLES - 1)];
}

/* The entry with this fingerprint; NULL without one. */
static cs_spend__seen_entry *find_in(const cs_spend__seen_table *t, uint64_t print)
{
    if (t->n == 0) {
        return NULL;
    }
    uint32_t i = home(t, print);
    for (uint32_t far = 0; t->v[i].print != 0; far++) {
        if (t->v[i].print == print) {
            return &t->v[i];
        }
        if (distance(t, i) < far) {
            return NULL;
        }
        i = next_place(t, i);
    }
    return NULL;
}

/* There must be room. */
static void insert_in(cs_spend__seen_table *t, cs_spend__seen_entry e)
{
    uint32_t i = home(t, e.print);
    uint32_t far = 0;
    while (t->v[i].print != 0 && distance(t, i) >= far) {
        i = next_place(t, i);
        far++;
    }
    t->n++;
    while (t->v[i].print != 0) { /* the rest of the run moves up */
        cs_spend__seen_entry moved = t->v[i];
        t->v[i] = e;
        e = moved;
        i = next_place(t, i);
    }
    t->v[i] = e;
}

/* Drops what is over, and makes the table right for what is left and `more`. */
static void rebuild(cs_spend__seen *s, cs_spend__seen_table *t, uint32_t more)
{
    cs_spend__seen_table old = *t;
    uint32_t live = 0;
    for (uint32_t i = 0; i < old.cap; i++) {
        live += old.v[i].print != 0 && remembered(s, &old.v[i], s->clock);
    }
    uint32_t wanted = live + more;
    if (wanted > most(old.cap) - most(old.cap) / 16 || wanted < old.cap / 2) {
        t->cap = wanted == 0 ? 0 : (uint32_t)((uint64_t)wanted * 48 / 35) + 2; /* 6/5 of it is 7/8 of the table */
    }
    t->n = 0;
    t->v = t->cap == 0 ? NULL : cs_zalloc(t->cap * sizeof *t->v);
    for (uint32_t i = 0; i < old.cap; i++) {
        if (old.v[i].print != 0 && remembered(s, &old.v[i], s->clock)) {
            insert_in(t, old.v[i]);
        }
    }
    cs_free(old.v);
    s->n -= old.n - t->n;
    s->bytes = s->bytes + t->cap * sizeof *t->v - old.cap * sizeof *t->v;
}

static void sweep(cs_spend__seen *s, cs_spend__seen_table *t)
{
    for (uint32_t i = 0; i < t->cap; i++) {
        if (t->v[i].print != 0 && !remembered(s, &t->v[i], s->clock)) {
            rebuild(s, t, 0);
            return;
        }
    }
}

static void sweep_next(cs_spend__seen *s)
{
    if (s->sweep_at < TABLES) {
        sweep(s, &s->tables[s->sweep_at++]);
        s->swept = s->sweep_at == TABLES ? s->sweeping : s->swept;
    }
}

/* ---- the set */

void cs_spend__seen_init(cs_spend__seen *s, int64_t keep_ns)
{
    int64_t keep = keep_ns / CS_SPEND__SLOT_NS + 1;
    *s = (cs_spend__seen){.key = {secret('x'), secret('y')},
                          .keep = keep < KEEP_MOST ? (uint32_t)keep : KEEP_MOST,
                          .sweep_at = TABLES,
                          .bytes = TABLES * sizeof *s->tables};
    s->tables = cs_zalloc(TABLES * sizeof *s->tables);
}

void cs_spend__seen_destroy(cs_spend__seen *s)
{
    for (size_t i = 0; i < TABLES; i++) {
        cs_free(s->tables[i].v);
    }
    cs_free(s->tables);
    cs_spend__pieces_free(&s->log);
}

void cs_spend__seen_prefetch(const cs_spend__seen *s, cs_spend__id id)
{
    __builtin_prefetch(table_of(s, id));
}

void cs_spend__seen_prefetch_entry(const cs_spend__seen *s, cs_spend__id id)
{
    const cs_spend__seen_table *t = table_of(s, id);
    if (t->cap != 0) {
        const cs_spend__seen_entry *e = &t->v[home(t, id.b)];
        __builtin_prefetch(e, 1);
        __builtin_prefetch((const char *)e + 64, 1);
    }
}

void cs_spend__seen_tick(cs_spend__seen *s, uint32_t slot)
{
    if (s->clock == 0) {
        s->swept = slot;
    }
    if (slot <= s->clock) {
        return;
    }
    if (s->n > 0 && slot - s->swept > ahead(s) / 2) { /* nobody came for months: before times become ambiguous */
        for (uint32_t to = s->clock; to != slot;) {
            to = slot - to > ahead(s) / 2 ? to + ahead(s) / 2 : slot;
            s->clock = to;
            for (size_t i = 0; i < TABLES && s->n > 0; i++) {
                sweep(s, &s->tables[i]);
            }
        }
        s->sweep_at = TABLES;
        s->swept = slot;
    }
    s->clock = slot;
    if (s->sweep_at == TABLES && slot / CS_SPEND__SLOTS_A_DAY != s->swept / CS_SPEND__SLOTS_A_DAY) {
        s->sweep_at = 0;
        s->sweeping = slot;
    }
}

cs_spend__seen_entry *cs_spend__seen_find(const cs_spend__seen *s, cs_spend__id id, uint32_t arrived)
{
    cs_spend__seen_entry *e = find_in(table_of(s, id), id.b);
    return e != NULL && remembered(s, e, arrived) ? e : NULL;
}

/* ---- the log of changes */

cs_buf *cs_spend__piece_for(cs_spend__pieces *p, uint32_t day, size_t bytes)
{
    enum { LOOK_AT = 16 }; /* arrivals are mostly of one day */
    for (size_t i = p->n; i-- > 0 && p->n - i <= LOOK_AT;) {
        if (p->v[i].day == day && p->v[i].bytes.n + bytes <= PIECE_BYTES) {
            return &p->v[i].bytes;
        }
    }
    cs_spend__piece fresh = {.day = day};
    cs_buf_init(&fresh.bytes);
    CS_VEC_PUSH(p, fresh);
    return &p->v[p->n - 1].bytes;
}

void cs_spend__pieces_free(cs_spend__pieces *p)
{
    for (size_t i = 0; i < p->n; i++) {
        cs_buf_destroy(&p->v[i].bytes);
    }
    CS_VEC_FREE(p);
}

static void note(cs_spend__seen *s, const cs_spend__seen_table *t, const cs_spend__seen_entry *e)
{
    int64_t arrived = arrival_of(s, e);
    cs_buf *out =
        cs_spend__piece_for(&s->log, arrived < 0 ? 0 : (uint32_t)arrived / CS_SPEND__SLOTS_A_DAY, RECORD_BYTES);
    cs_bytes_put_u16(out, (uint16_t)(t - s->tables));
    cs_bytes_put_u64(out, e->print);
    cs_bytes_put_u32(out, (uint32_t)e->content);
    cs_bytes_put_u16(out, (uint16_t)(arrived % CS_SPEND__SLOTS_A_DAY));
    cs_bytes_put_u32(out, e->back);
}

/* ---- changes */

static cs_spend__seen_entry *put(cs_spend__seen *s, cs_spend__seen_table *t, const cs_spend__seen_entry *e)
{
    cs_spend__seen_entry *there = find_in(t, e->print); /* forgotten, but not swept yet */
    if (there != NULL) {
        *there = *e;
        return there;
    }
    if (t->cap == 0 || t->n + 1 > most(t->cap)) {
        rebuild(s, t, 1);
    }
    insert_in(t, *e);
    s->n++;
    return NULL;
}

void cs_spend__seen_add(cs_spend__seen *s, cs_spend__id id, uint32_t content, uint32_t arrived, int64_t where)
{
    if (s->clock == 0) {
        cs_spend__seen_tick(s, arrived > 0 ? arrived : 1);
    }
    int64_t at = representable(s, arrived);
    cs_spend__seen_entry e = {.print = id.b,
                              .content = content & CONTENT,
                              .arrived = (uint16_t)at,
                              .back = back_of(at, where) & CS_SPEND__BACK_WAITING};
    cs_spend__seen_table *t = table_of(s, id);
    (void)put(s, t, &e);
    if (s->logs) {
        note(s, t, &e);
    }
    sweep_next(s);
}

void cs_spend__seen_move(cs_spend__seen *s, cs_spend__id id, uint32_t arrived, int64_t where)
{
    cs_spend__seen_entry *e = cs_spend__seen_find(s, id, arrived);
    if (e != NULL) {
        e->back = back_of(arrival_of(s, e), where) & CS_SPEND__BACK_WAITING;
        if (s->logs) {
            note(s, table_of(s, id), e);
        }
    }
}

bool cs_spend__seen_restore(cs_spend__seen *s, uint32_t day, cs_slice piece)
{
    cs_bytes in = cs_bytes_of(piece);
    while (cs_bytes_left(&in) > 0) {
        uint16_t table = cs_bytes_u16(&in);
        cs_spend__seen_entry e = {.print = cs_bytes_u64(&in)};
        e.content = cs_bytes_u32(&in) & CONTENT;
        int64_t arrived = (int64_t)day * CS_SPEND__SLOTS_A_DAY + cs_bytes_u16(&in);
        e.back = cs_bytes_u32(&in) & CS_SPEND__BACK_WAITING;
        e.arrived = (uint16_t)arrived;
        if (in.bad || table >= TABLES || e.print == 0) {
            return false;
        }
        if (arrived <= (int64_t)s->clock + ahead(s) - 1 && s->clock - arrived <= s->keep) {
            (void)put(s, &s->tables[table], &e);
        }
    }
    return true;
}
