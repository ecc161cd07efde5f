/* Ids that were counted (seen.c), and corrections that wait for what they correct (waiting.c). Belongs to the journal's
 * thread. */
#ifndef CS_SPEND_SEEN_H
#define CS_SPEND_SEEN_H

#include "countersign/base/bytes.h"
#include "spend/book.h"

typedef struct cs_spend__id {
    uint64_t a, b; /* SipHash, 128 bits, of an event's source and id */
} cs_spend__id;

static inline bool cs_spend__id_equal(cs_spend__id x, cs_spend__id y)
{
    return x.a == y.a && x.b == y.b;
}

/* ---- waiting.c */

struct cs_spend__account;

/* A correction whose original has not come (yet): counted in the slot of its own arrival until then. */
typedef struct cs_spend__waiting {
    cs_spend__id id, root; /* its own; what it corrects, directly or through others that wait */
    struct cs_spend__account *account;
    char currency[4];
    char *scope; /* all of its data.scope as a key of n_scope bytes; owned, by whoever has the record */
    size_t n_scope;
    int64_t nanos;
    uint32_t slot;           /* counted in; also its arrival */
    uint32_t by_root, by_id; /* next in the chain of its hash: 1-based index, 0 = end; by_root also in the free list */
    bool used;
} cs_spend__waiting;

typedef struct cs_spend__waits {
    CS_VEC(cs_spend__waiting) v;
    uint32_t *roots, *ids; /* hash → first of a chain, 1-based */
    size_t mask;           /* of both */
    uint32_t free;         /* 1-based */
    size_t n;
} cs_spend__waits;

void cs_spend__waits_init(cs_spend__waits *w);
void cs_spend__waits_destroy(cs_spend__waits *w);
/* Those that arrived before `oldest` are forgotten when room is needed. */
void cs_spend__waits_add(cs_spend__waits *w, const cs_spend__waiting *item, int64_t oldest);
/* The one with this id; NULL without one. Good until the next change. */
const cs_spend__waiting *cs_spend__waits_find(const cs_spend__waits *w, cs_spend__id id);
/* Takes out one that waits for `root` and arrived at `oldest` or later. */
bool cs_spend__waits_take(cs_spend__waits *w, cs_spend__id root, int64_t oldest, cs_spend__waiting *out);
/* Takes out the one with this id, if it is there. */
void cs_spend__waits_remove(cs_spend__waits *w, cs_spend__id id);

/* ---- seen.c */

/* 16 bytes an id. Times are slots: an arrival by its lower 16 bits, the rest is known from the clock of the set; where
 * it counts by the distance from its arrival. A correction that came first counts after its own arrival. */
typedef struct cs_spend__seen_entry {
    uint64_t print; /* of its fingerprint, with `more`; 0 = an empty place */
    uint64_t arrived : 16;
    uint64_t back : 17;    /* arrival + CS_SPEND__BACK_AHEAD - slot that it counts in; or one of the following */
    uint64_t content : 19; /* hash of what must be equal in a duplicate */
    uint64_t more : 12;
} cs_spend__seen_entry;
enum { CS_SPEND__BACK_AHEAD = 45000, CS_SPEND__BACK_WAITING = 0x1ffff, CS_SPEND__BACK_UNKNOWN = 0x1fffe };

/* Slots that stand for no slot. */
#define CS_SPEND__WHERE_WAITING INT64_C(-1) /* it waits for what it corrects */
#define CS_SPEND__WHERE_UNKNOWN INT64_C(-2) /* too far from its arrival to be remembered */

/* ---- seen_table.c */
typedef struct cs_spend__seen_table {
    cs_spend__seen_entry *v; /* NULL = none yet */
    uint64_t n;
    uint64_t homes, next; /* their number, and what it is about to become; equal while it does not change */
    uint64_t frontier;    /* fingerprints from here on (growing), or below it (shrinking), have their homes by `next` */
    uint64_t at;          /* the place that is looked at next; growing: the one behind it */
    uint64_t places;      /* in which there may be an entry */
    uint64_t last;        /* no entry is behind it */
    uint64_t bytes;       /* that it takes */
} cs_spend__seen_table;
void cs_spend__seen_table_destroy(cs_spend__seen_table *t);
uint64_t cs_spend__seen_home(const cs_spend__seen_table *t, uint64_t print);
/* The entry of an id; NULL without one. Good until the next put or remove. */
cs_spend__seen_entry *cs_spend__seen_get(const cs_spend__seen_table *t, uint64_t print, uint32_t more);
/* Replaces the entry of the same id. */
void cs_spend__seen_put(cs_spend__seen_table *t, const cs_spend__seen_entry *e);
/* What is in this place. Another may be in it then. */
void cs_spend__seen_remove(cs_spend__seen_table *t, uint64_t place);
/* Much was removed: less memory will do, as soon as some more were put. */
void cs_spend__seen_fit(cs_spend__seen_table *t);

/* A log of changes for snapshots: pieces of one day of arrival each. */
typedef struct cs_spend__piece {
    uint32_t day;
    cs_buf bytes;
} cs_spend__piece;
typedef struct cs_spend__pieces {
    cs_spend__piece *v;
    size_t n, cap;
} cs_spend__pieces;
/* Where a change of that day goes that takes so many bytes. */
cs_buf *cs_spend__piece_for(cs_spend__pieces *p, uint32_t day, size_t bytes);
void cs_spend__pieces_free(cs_spend__pieces *p);

typedef struct cs_spend__seen {
    uint64_t key[2];
    uint64_t behind_source[4]; /* the hash of an id as far as the last source, which is mostly the next one's too */
    char source[64];
    uint32_t source_n; /* 0 = none is kept */
    cs_spend__seen_table table;
    uint32_t keep;            /* slots that an id is remembered */
    uint32_t clock;           /* slot; what was remembered until then may be dropped. 0 = not set */
    uint32_t swept, sweeping; /* the clock of the last sweep that ended, and of the one under way */
    uint64_t sweep_at;        /* next place of it */
    bool logs;                /* changes are noted for snapshots, in: */
    cs_spend__pieces log;
} cs_spend__seen;

/* keep_ns: at most 400 days. */
void cs_spend__seen_init(cs_spend__seen *s, int64_t keep_ns);
void cs_spend__seen_destroy(cs_spend__seen *s);
cs_spend__id cs_spend__seen_id(cs_spend__seen *s, cs_slice source, cs_slice id);
uint32_t cs_spend__seen_content(const cs_spend__seen *s, const cs_spend__event *event);
/* Brings the places where an id would be into the cache. */
void cs_spend__seen_prefetch(const cs_spend__seen *s, cs_spend__id id);
/* Nobody asks any more about arrivals long before `slot`: sets the clock forward. */
void cs_spend__seen_tick(cs_spend__seen *s, uint32_t slot);
/* What is remembered of an id at an arrival; NULL if nothing, or no more. Good until the next add or tick. */
cs_spend__seen_entry *cs_spend__seen_find(const cs_spend__seen *s, cs_spend__id id, uint32_t arrived);
/* The slot that it was counted in, or one of CS_SPEND__WHERE_. */
int64_t cs_spend__seen_where(const cs_spend__seen *s, const cs_spend__seen_entry *entry);
/* Not for an id that find returns. */
void cs_spend__seen_add(cs_spend__seen *s, cs_spend__id id, uint32_t content, uint32_t arrived, int64_t where);
/* Notes where an id counts now; nothing if it is not remembered. */
void cs_spend__seen_move(cs_spend__seen *s, cs_spend__id id, uint32_t arrived, int64_t where);

/* For snapshots: the ids of a piece back in; false if it is damaged. */
bool cs_spend__seen_restore(cs_spend__seen *s, uint32_t day, cs_slice piece);

#endif
