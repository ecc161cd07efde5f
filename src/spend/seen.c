/* Which events were counted, and where.
 *
 * An event is known by the 128-bit SipHash (Aumasson and Bernstein) of its source and id under a key of this process:
 * 32 bytes an event instead of its texts, and nobody outside can make two ids collide. The table is rebuilt from the
 * log at every start.
 *
 * A correction may come before what it corrects. It is then counted where it arrived, waits here under its root (the
 * event that it corrects, or what that one waits for itself), and moves when the root comes. So the sums do not depend
 * on the order of events. */
#include <string.h>

#include "countersign/base/mem.h"
#include "spend/internal.h"

#ifdef CS_TINY
enum { FIRST_ENTRIES = 2, FIRST_CHAINS = 2 };
#else
enum { FIRST_ENTRIES = 1024, FIRST_CHAINS = 64 };
#endif

/* ---- SipHash-2-4, 128 bits */

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
    for (int i = 0; i < 4; i++) {
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
    out.b = out.a == 0 && out.b == 0 ? 1 : out.b; /* zeros are an empty place */
    return out;
}

uint64_t cs_spend__seen_content(const cs_spend__seen *s, const cs_spend__event *event)
{
    sip h = sip_start(s->key);
    sip_text(&h, event->tenant);
    sip_text(&h, event->currency);
    sip_word(&h, (uint64_t)event->nanos);
    sip_word(&h, (uint64_t)event->kind);
    return sip_half(&h, 0xee);
}

/* ---- the table of ids */

/* The seed of cs_hash_bytes is the process's secret; this stretches it. */
static uint64_t secret(char label)
{
    char text[2] = {label, 'a'};
    uint64_t high = cs_hash_bytes(text, sizeof text);
    text[1] = 'b';
    return high << 32 | cs_hash_bytes(text, sizeof text);
}

static size_t power_of_two(size_t atleast)
{
    size_t n = 2;
    while (n < atleast) {
        n *= 2;
    }
    return n;
}

void cs_spend__seen_init(cs_spend__seen *s, int64_t keep_ns)
{
    *s = (cs_spend__seen){.key = {secret('x'), secret('y')}, .keep = (uint32_t)(keep_ns / CS_SPEND__SLOT_NS) + 1};
    s->mask = FIRST_ENTRIES - 1;
    s->entries = cs_zalloc(FIRST_ENTRIES * sizeof *s->entries);
    s->chain_mask = FIRST_CHAINS - 1;
    s->chains = cs_zalloc(FIRST_CHAINS * sizeof *s->chains);
}

void cs_spend__seen_destroy(cs_spend__seen *s)
{
    for (size_t i = 0; i < s->waiting.n; i++) {
        cs_free(s->waiting.v[i].scope);
    }
    cs_free(s->entries);
    cs_free(s->chains);
    CS_VEC_FREE(&s->waiting);
}

/* The entry of an id, or the empty place for it. */
static cs_spend__seen_entry *place_of(const cs_spend__seen *s, cs_spend__id id)
{
    size_t i = id.a & s->mask;
    while ((s->entries[i].id.a != 0 || s->entries[i].id.b != 0) && !cs_spend__id_equal(s->entries[i].id, id)) {
        i = (i + 1) & s->mask;
    }
    return &s->entries[i];
}

static bool is_empty(const cs_spend__seen_entry *e)
{
    return e->id.a == 0 && e->id.b == 0;
}

static bool remembered(const cs_spend__seen *s, uint32_t then, uint32_t now)
{
    return now <= then || now - then <= s->keep;
}

cs_spend__seen_entry *cs_spend__seen_find(const cs_spend__seen *s, cs_spend__id id, uint32_t arrived)
{
    cs_spend__seen_entry *e = place_of(s, id);
    return !is_empty(e) && remembered(s, e->arrived, arrived) ? e : NULL;
}

/* Moves what is still remembered at `now` into a table that it fills at most to a third. */
static void rebuild(cs_spend__seen *s, uint32_t now)
{
    cs_spend__seen_entry *old = s->entries;
    size_t size = s->mask + 1;
    size_t live = 0;
    for (size_t i = 0; i < size; i++) {
        live += !is_empty(&old[i]) && remembered(s, old[i].arrived, now);
    }
    size_t wanted = power_of_two(live * 3 + FIRST_ENTRIES);
    s->entries = cs_zalloc(wanted * sizeof *s->entries);
    s->mask = wanted - 1;
    s->n = live;
    for (size_t i = 0; i < size; i++) {
        if (!is_empty(&old[i]) && remembered(s, old[i].arrived, now)) {
            *place_of(s, old[i].id) = old[i];
        }
    }
    cs_free(old);
}

void cs_spend__seen_add(cs_spend__seen *s, const cs_spend__seen_entry *entry)
{
    cs_spend__seen_entry *place = place_of(s, entry->id);
    if (is_empty(place)) {
        if ((s->n + 1) * 4 > (s->mask + 1) * 3) {
            rebuild(s, entry->arrived);
            place = place_of(s, entry->id);
        }
        s->n += is_empty(place);
    }
    *place = *entry;
}

/* ---- corrections that wait */

static uint32_t *chain_of(const cs_spend__seen *s, cs_spend__id root)
{
    return &s->chains[root.a & s->chain_mask];
}

static void link_in(cs_spend__seen *s, uint32_t number)
{
    cs_spend__waiting *w = &s->waiting.v[number - 1];
    uint32_t *head = chain_of(s, w->root);
    w->next = *head;
    *head = number;
}

/* Forgets those whose time is over: they stay where they were counted. */
static void sweep(cs_spend__seen *s, uint32_t now)
{
    for (size_t i = 0; i < s->waiting.n; i++) {
        cs_spend__waiting *w = &s->waiting.v[i];
        if (w->used && !remembered(s, w->slot, now)) {
            uint32_t *at = chain_of(s, w->root);
            while (*at != i + 1) {
                at = &s->waiting.v[*at - 1].next;
            }
            *at = w->next;
            cs_spend__seen_entry *entry = place_of(s, w->id);
            if (!is_empty(entry) && entry->where == (CS_SPEND__WAITING | (uint32_t)i)) {
                entry->where = w->slot;
            }
            cs_free(w->scope);
            *w = (cs_spend__waiting){.next = s->free};
            s->free = (uint32_t)i + 1;
            s->n_waiting--;
        }
    }
}

uint32_t cs_spend__seen_wait(cs_spend__seen *s, const cs_spend__waiting *w)
{
    if (s->free == 0 && s->waiting.n == s->waiting.cap) {
        sweep(s, w->slot);
    }
    uint32_t number = s->free;
    if (number != 0) {
        s->free = s->waiting.v[number - 1].next;
        s->waiting.v[number - 1] = *w;
    } else {
        CS_VEC_PUSH(&s->waiting, *w);
        number = (uint32_t)s->waiting.n;
    }
    s->waiting.v[number - 1].used = true;
    s->n_waiting++;
    if (s->n_waiting > s->chain_mask + 1) {
        cs_free(s->chains);
        s->chain_mask = (s->chain_mask + 1) * 2 - 1;
        s->chains = cs_zalloc((s->chain_mask + 1) * sizeof *s->chains);
        for (size_t i = 0; i < s->waiting.n; i++) {
            if (s->waiting.v[i].used) {
                link_in(s, (uint32_t)i + 1);
            }
        }
    } else {
        link_in(s, number);
    }
    return number - 1;
}

bool cs_spend__seen_take(cs_spend__seen *s, cs_spend__id root, uint32_t arrived, cs_spend__waiting *out)
{
    uint32_t *at = chain_of(s, root);
    while (*at != 0) {
        cs_spend__waiting *w = &s->waiting.v[*at - 1];
        if (cs_spend__id_equal(w->root, root) && remembered(s, w->slot, arrived)) {
            uint32_t number = *at;
            *out = *w;
            *at = w->next;
            *w = (cs_spend__waiting){.next = s->free};
            s->free = number;
            s->n_waiting--;
            return true;
        }
        at = &w->next;
    }
    return false;
}
