/* Which events were counted, and where.
 *
 * An event is known by the 128-bit SipHash (Aumasson and Bernstein) of its source and id, under a key that nobody
 * outside knows, so that nobody can make two ids collide. 76 bits of it are kept. With N ids remembered, a new event is
 * taken for one of them with probability N / 2^76: with 100 million, 1 in 7 * 10^14. The 19 bits of the content only
 * tell a duplicate from a conflict, neither of which counts.
 *
 * They lie in one table (seen_table.c), 16 bytes an id.
 *
 * Times are kept as 16 bits. The clock of the set says which 65536 slots (682 days) they are in: those that it keeps,
 * and as many before and after as there is room. When its day changes, each id that is added sweeps some places of what
 * is over. */
#include <string.h>

#include "spend/internal.h"

#ifdef CS_TINY
enum { SWEEP = 2 };
#else
enum { SWEEP = 64 };
#endif
enum { KEEP_MOST = CS_SPEND__WINDOW_DAYS * CS_SPEND__SLOTS_A_DAY, SWEEPS = 4096 };
enum { CONTENT = 0x7ffff, MORE = 0xfff, PIECE_BYTES = 64 << 10, RECORD_BYTES = 20 };

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

static inline void sip_text(sip *s, cs_slice text)
{
    uint64_t word = 0;
    size_t i = 0;
    for (; i + 8 <= text.n; i += 8) {
        memcpy(&word, text.p + i, 8);
        sip_word(s, word);
    }
    word = 0;
    if (i < text.n && text.n >= 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        memcpy(&word, text.p + text.n - 8, 8); /* the last of them, and what was fed already goes */
        word >>= 8 * (8 - text.n % 8);
    } else if (i < text.n) {
        memcpy(&word, text.p + i, text.n - i);
    }
    sip_word(s, word);
    sip_word(s, text.n); /* so that no two lists of texts feed the same words */
}

static inline sip sip_start(const uint64_t key[2])
{
    return (sip){.v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
                 .v1 = key[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                 .v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
                 .v3 = key[1] ^ UINT64_C(0x7465646279746573)};
}

static inline uint64_t sip_half(sip *s, uint64_t tag)
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

cs_spend__id cs_spend__seen_id(cs_spend__seen *s, cs_slice source, cs_slice id)
{
    sip h;
    if (source.n != s->source_n || source.n == 0 || memcmp(source.p, s->source, source.n) != 0) {
        h = sip_start(s->key);
        sip_text(&h, source);
        s->source_n = source.n <= sizeof s->source ? (uint32_t)source.n : 0;
        if (s->source_n > 0) {
            memcpy(s->source, source.p, s->source_n);
        }
        memcpy(s->behind_source, &h, sizeof h);
    }
    memcpy(&h, s->behind_source, sizeof h);
    sip_text(&h, id);
    cs_spend__id out = {.a = sip_half(&h, 0xee)};
    out.b = sip_half(&h, 0xdd);
    out.b = out.b == 0 || out.b == UINT64_MAX ? 1 : out.b; /* 0 is an empty place, and nothing is larger than all */
    return out;
}

uint32_t cs_spend__seen_content(const cs_spend__seen *s, const cs_spend__event *event)
{
    sip h = sip_start(s->key);
    sip_text(&h, event->tenant);
    sip_text(&h, event->currency);
    sip_word(&h, (uint64_t)event->nanos);
    sip_word(&h, (uint64_t)event->kind);
    return (uint32_t)(sip_half(&h, 0xee) >> 33) & CONTENT; /* as many bits as are kept */
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

/* ---- what is over */

static uint64_t sweep(cs_spend__seen *s, uint64_t at, uint64_t n)
{
    while (n-- > 0 && at < s->table.places) {
        const cs_spend__seen_entry *e = &s->table.v[at];
        if (e->print != 0 && !remembered(s, e, s->clock)) {
            cs_spend__seen_remove(&s->table, at); /* and looks at what has moved there */
        } else {
            at++;
        }
    }
    return at;
}

static void sweep_some(cs_spend__seen *s)
{
    if (s->swept != s->sweeping) {
        s->sweep_at = sweep(s, s->sweep_at, s->table.places / SWEEPS + SWEEP);
        if (s->sweep_at >= s->table.places) {
            s->swept = s->sweeping;
            cs_spend__seen_fit(&s->table);
        }
    }
}

/* ---- the set */

void cs_spend__seen_init(cs_spend__seen *s, int64_t keep_ns)
{
    int64_t keep = keep_ns / CS_SPEND__SLOT_NS + 1;
    *s = (cs_spend__seen){.key = {secret('x'), secret('y')}, .keep = keep < KEEP_MOST ? (uint32_t)keep : KEEP_MOST};
}

void cs_spend__seen_destroy(cs_spend__seen *s)
{
    cs_spend__seen_table_destroy(&s->table);
    cs_spend__pieces_free(&s->log);
}

void cs_spend__seen_prefetch(const cs_spend__seen *s, cs_spend__id id)
{
    if (s->table.v != NULL) {
        const char *e = (const char *)&s->table.v[cs_spend__seen_home(&s->table, id.b)];
        __builtin_prefetch(e, 1);
        __builtin_prefetch(e + 64, 1);
    }
}

void cs_spend__seen_tick(cs_spend__seen *s, uint32_t slot)
{
    if (s->clock == 0) {
        s->swept = s->sweeping = slot;
    }
    if (slot <= s->clock) {
        return;
    }
    if (s->table.n > 0 && slot - s->swept > ahead(s) / 2) { /* nobody came for months: before times become ambiguous */
        for (uint32_t to = s->clock; to != slot;) {
            to = slot - to > ahead(s) / 2 ? to + ahead(s) / 2 : slot;
            s->clock = to;
            (void)sweep(s, 0, UINT64_MAX);
        }
        s->swept = s->sweeping = slot;
        cs_spend__seen_fit(&s->table);
    }
    s->clock = slot;
    if (s->swept == s->sweeping && slot / CS_SPEND__SLOTS_A_DAY != s->swept / CS_SPEND__SLOTS_A_DAY) {
        s->sweep_at = 0;
        s->sweeping = slot;
    }
}

cs_spend__seen_entry *cs_spend__seen_find(const cs_spend__seen *s, cs_spend__id id, uint32_t arrived)
{
    cs_spend__seen_entry *e = cs_spend__seen_get(&s->table, id.b, (uint32_t)id.a & MORE);
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

static void note(cs_spend__seen *s, const cs_spend__seen_entry *e)
{
    int64_t arrived = arrival_of(s, e);
    cs_buf *out =
        cs_spend__piece_for(&s->log, arrived < 0 ? 0 : (uint32_t)arrived / CS_SPEND__SLOTS_A_DAY, RECORD_BYTES);
    char *at = cs_buf_room(out, RECORD_BYTES);
    at = cs_bytes_set(at, e->more, 2);
    at = cs_bytes_set(at, e->print, 8);
    at = cs_bytes_set(at, e->content, 4);
    at = cs_bytes_set(at, (uint64_t)(arrived % CS_SPEND__SLOTS_A_DAY), 2);
    (void)cs_bytes_set(at, e->back, 4);
    out->n += RECORD_BYTES;
}

/* ---- changes */

void cs_spend__seen_add(cs_spend__seen *s, cs_spend__id id, uint32_t content, uint32_t arrived, int64_t where)
{
    if (s->clock == 0) {
        cs_spend__seen_tick(s, arrived > 0 ? arrived : 1);
    }
    int64_t at = representable(s, arrived);
    cs_spend__seen_entry e = {.print = id.b,
                              .more = (uint32_t)id.a & MORE,
                              .content = content & CONTENT,
                              .arrived = (uint16_t)at,
                              .back = back_of(at, where) & CS_SPEND__BACK_WAITING};
    cs_spend__seen_put(&s->table, &e);
    if (s->logs) {
        note(s, &e);
    }
    sweep_some(s);
}

void cs_spend__seen_move(cs_spend__seen *s, cs_spend__id id, uint32_t arrived, int64_t where)
{
    cs_spend__seen_entry *e = cs_spend__seen_find(s, id, arrived);
    if (e != NULL) {
        e->back = back_of(arrival_of(s, e), where) & CS_SPEND__BACK_WAITING;
        if (s->logs) {
            note(s, e);
        }
    }
}

bool cs_spend__seen_restore(cs_spend__seen *s, uint32_t day, cs_slice piece)
{
    cs_bytes in = cs_bytes_of(piece);
    while (cs_bytes_left(&in) > 0) {
        uint16_t more = cs_bytes_u16(&in);
        cs_spend__seen_entry e = {.print = cs_bytes_u64(&in)};
        e.more = more & (unsigned)MORE;
        e.content = cs_bytes_u32(&in) & CONTENT;
        int64_t arrived = (int64_t)day * CS_SPEND__SLOTS_A_DAY + cs_bytes_u16(&in);
        e.back = cs_bytes_u32(&in) & CS_SPEND__BACK_WAITING;
        e.arrived = (uint16_t)arrived;
        if (in.bad || more > MORE || e.print == 0 || e.print == UINT64_MAX) {
            return false;
        }
        if (arrived <= (int64_t)s->clock + ahead(s) - 1 && s->clock - arrived <= s->keep) {
            cs_spend__seen_put(&s->table, &e);
        }
    }
    return true;
}
