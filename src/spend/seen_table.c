/* The table of the ids that are remembered: one array with linear probing, in the order of the fingerprints, whose
 * upper bits say where each is at home. A search ends at the first one that is larger. Nothing wraps around: behind the
 * last home are places for what is pushed beyond it.
 *
 * It grows by a quarter when 7/8 of the homes are in use, in its place, and while it is used: every id that is put
 * moves some others, those with the largest fingerprints first. `frontier` says up to where; homes before and behind it
 * are reckoned by the old number of homes and by the new one. So an entry is where it would be had it been put there
 * under those homes, at every moment. It shrinks in the same way, with the smallest first. So nothing ever waits for a
 * table to be copied, an id takes 16 to 23 bytes, and a search has one place to go, which can be brought into the cache
 * before anything else is known. */
#include <string.h>

#include "countersign/base/pages.h"
#include "spend/internal.h"

#ifdef CS_TINY
enum { FIRST_HOMES = 4, SPARE = 1, STEP = 8 };
#else
enum { FIRST_HOMES = 128, SPARE = 64, STEP = 32 };
#endif

/* ---- places */

__extension__ typedef unsigned __int128 wide;

static uint64_t home_by(uint64_t print, uint64_t homes)
{
    return (uint64_t)(((wide)print * homes) >> 64);
}

uint64_t cs_spend__seen_home(const cs_spend__seen_table *t, uint64_t print)
{
    bool changed = t->next > t->homes ? print >= t->frontier : print < t->frontier;
    return home_by(print, changed ? t->next : t->homes);
}

static uint64_t bytes_of(uint64_t places)
{
    return (places + 1) * sizeof(cs_spend__seen_entry); /* the one behind them is always empty */
}

static void set_places(cs_spend__seen_table *t, uint64_t places)
{
    t->v = cs_pages(t->v, t->v != NULL ? t->bytes : 0, bytes_of(places));
    t->bytes = bytes_of(places);
    t->places = places;
}

void cs_spend__seen_table_destroy(cs_spend__seen_table *t)
{
    if (t->v != NULL) {
        (void)cs_pages(t->v, t->bytes, 0);
    }
    *t = (cs_spend__seen_table){.n = 0};
}

/* Where a fingerprint is, or where it would have to be. */
static inline uint64_t place_of(const cs_spend__seen_table *t, uint64_t print)
{
    uint64_t i = cs_spend__seen_home(t, print);
    while (t->v[i].print - 1 < print - 1) { /* 0 is an empty place */
        i++;
    }
    return i;
}

/* The same with all that is kept of an id. */
static inline uint64_t exact_place_of(const cs_spend__seen_table *t, uint64_t print, uint32_t more)
{
    uint64_t i = place_of(t, print);
    while (t->v[i].print == print && t->v[i].more != more) {
        i++;
    }
    return i;
}

cs_spend__seen_entry *cs_spend__seen_get(const cs_spend__seen_table *t, uint64_t print, uint32_t more)
{
    cs_spend__seen_entry *e = t->v != NULL ? &t->v[exact_place_of(t, print, more)] : NULL;
    return e != NULL && e->print == print ? e : NULL;
}

/* Puts an entry into its place; what is there moves up. */
static void insert_at(cs_spend__seen_table *t, uint64_t place, cs_spend__seen_entry e)
{
    uint64_t end = place;
    while (t->v[end].print != 0) {
        end++;
    }
    if (end == t->places) {
        set_places(t, t->places + SPARE);
    }
    for (uint64_t i = end; i > place; i--) {
        t->v[i] = t->v[i - 1];
    }
    t->v[place] = e;
    t->last = end > t->last ? end : t->last;
    if (t->next > t->homes && e.print < t->frontier && end >= t->at) {
        t->at = end + 1; /* what is not moved yet stays before it */
    } else if (t->next < t->homes && e.print >= t->frontier && place < t->at) {
        t->at = place; /* … or, while it shrinks, behind it */
    }
}

/* Empties a place; what was pushed beyond it moves down. */
static void take_out(cs_spend__seen_table *t, uint64_t place)
{
    uint64_t i = place;
    for (; t->v[i + 1].print != 0 && cs_spend__seen_home(t, t->v[i + 1].print) <= i; i++) {
        t->v[i] = t->v[i + 1];
    }
    t->v[i].print = 0;
    if (t->next < t->homes && place < t->at && i >= t->at) {
        t->at = place;
    }
}

void cs_spend__seen_remove(cs_spend__seen_table *t, uint64_t place)
{
    take_out(t, place);
    t->n--;
}

/* ---- growing and shrinking */

static void change_homes(cs_spend__seen_table *t, uint64_t next)
{
    t->next = next;
    bool grows = next > t->homes;
    t->frontier = grows ? UINT64_MAX : 0;
    if (grows && t->places < next + SPARE) {
        set_places(t, next + SPARE);
    }
    t->at = grows ? t->last + 1 : 0;
    t->last = grows ? t->last : 0;
}

/* From the end down. What is behind an entry has its home behind the entry's new one, so that nothing needs its old
 * place; and nothing that is smaller has been moved yet, so that its new home is free for it or for its equals. */
static bool grow_some(cs_spend__seen_table *t)
{
    for (unsigned n = 0; t->at > 0 && (n < STEP || t->v[t->at - 1].print == t->frontier); n++) {
        uint64_t i = --t->at;
        cs_spend__seen_entry e = t->v[i];
        if (e.print == 0) {
            continue;
        }
        t->frontier = e.print < t->frontier ? e.print : t->frontier;
        uint64_t to = home_by(e.print, t->next);
        if (to > i) {
            t->v[i].print = 0;
            insert_at(t, to, e);
        }
    }
    return t->at == 0;
}

/* From the start up. */
static bool shrink_some(cs_spend__seen_table *t)
{
    for (unsigned n = 0; t->at < t->places && (n < STEP || t->v[t->at].print == t->frontier - 1); n++) {
        cs_spend__seen_entry e = t->v[t->at];
        if (e.print != 0 && e.print + 1 >= t->frontier) { /* not moved yet, or the equal of one that was */
            take_out(t, t->at);
            t->frontier = e.print + 1;
            uint64_t to = place_of(t, e.print);
            insert_at(t, to, e);
            if (to < t->at) {
                continue; /* what has moved into its place */
            }
        }
        t->last = e.print != 0 && t->at > t->last ? t->at : t->last;
        t->at++;
    }
    return t->at >= t->places;
}

static void change_some(cs_spend__seen_table *t)
{
    bool grows = t->next > t->homes;
    if (grows ? grow_some(t) : shrink_some(t)) {
        t->homes = t->next;
        if (!grows) {
            uint64_t least = t->homes + SPARE;
            set_places(t, t->last + 1 > least ? t->last + 1 : least);
        }
    }
}

void cs_spend__seen_fit(cs_spend__seen_table *t)
{
    if (t->next == t->homes && t->homes > FIRST_HOMES && t->n < t->homes / 3) {
        uint64_t wanted = t->n + t->n / 2;
        change_homes(t, wanted > FIRST_HOMES ? wanted : FIRST_HOMES);
    }
}

void cs_spend__seen_put(cs_spend__seen_table *t, const cs_spend__seen_entry *e)
{
    if (t->v == NULL) {
        t->homes = t->next = FIRST_HOMES;
        set_places(t, FIRST_HOMES + SPARE);
    }
    uint64_t place = exact_place_of(t, e->print, e->more);
    if (t->v[place].print == e->print) { /* forgotten, but not swept yet */
        t->v[place] = *e;
        return;
    }
    insert_at(t, place, *e);
    t->n++;
    if (t->next != t->homes) {
        change_some(t);
    } else if (t->n > t->homes - t->homes / 8) {
        change_homes(t, t->homes + t->homes / 4);
    }
}
