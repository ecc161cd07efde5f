/* Ids that were counted, and corrections that wait for what they correct. Belongs to the journal's thread. */
#ifndef CS_SPEND_SEEN_H
#define CS_SPEND_SEEN_H

#include "spend/book.h"

typedef struct cs_spend__id {
    uint64_t a, b; /* SipHash, 128 bits, of an event's source and id */
} cs_spend__id;

typedef struct cs_spend__seen_entry {
    cs_spend__id id;
    uint64_t content; /* hash of what must be equal in a duplicate */
    uint32_t arrived; /* slot */
    uint32_t where;   /* slot that it was counted in, or CS_SPEND__WAITING | index of a waiting correction */
} cs_spend__seen_entry;
#define CS_SPEND__WAITING UINT32_C(0x80000000)

struct cs_spend__account;

/* A correction whose original has not come (yet): counted in the slot of its own arrival until then. */
typedef struct cs_spend__waiting {
    cs_spend__id id, root; /* its own; what it corrects, directly or through others that wait */
    struct cs_spend__account *account;
    char currency[4];
    char *scope; /* all of its data.scope as a key of n_scope bytes; owned, by whoever has the record */
    size_t n_scope;
    int64_t nanos;
    uint32_t slot; /* counted in; also its arrival */
    uint32_t next; /* in the chain of its hash slot or in the free list: 1-based index, 0 = end */
    bool used;
} cs_spend__waiting;

typedef struct cs_spend__seen {
    uint64_t key[2];
    cs_spend__seen_entry *entries; /* open addressing; an id of zeros is an empty place */
    size_t mask, n;
    uint32_t keep; /* slots that an id is remembered */
    CS_VEC(cs_spend__waiting) waiting;
    uint32_t *chains; /* root → first of waiting, 1-based */
    size_t chain_mask;
    uint32_t free; /* 1-based */
    size_t n_waiting;
} cs_spend__seen;

void cs_spend__seen_init(cs_spend__seen *s, int64_t keep_ns);
void cs_spend__seen_destroy(cs_spend__seen *s);
cs_spend__id cs_spend__seen_id(const cs_spend__seen *s, cs_slice source, cs_slice id);
uint64_t cs_spend__seen_content(const cs_spend__seen *s, const cs_spend__event *event);
/* What is remembered of an id at an arrival; NULL if nothing, or no more. Good until the next add. */
cs_spend__seen_entry *cs_spend__seen_find(const cs_spend__seen *s, cs_spend__id id, uint32_t arrived);
void cs_spend__seen_add(cs_spend__seen *s, const cs_spend__seen_entry *entry);
/* Lets a correction wait; returns its index. Its entry must be added with CS_SPEND__WAITING | index. */
uint32_t cs_spend__seen_wait(cs_spend__seen *s, const cs_spend__waiting *w);
/* Takes one correction that waits for `root`, and that is still remembered at `arrived`, out of waiting. */
bool cs_spend__seen_take(cs_spend__seen *s, cs_spend__id root, uint32_t arrived, cs_spend__waiting *out);
static inline bool cs_spend__id_equal(cs_spend__id x, cs_spend__id y)
{
    return x.a == y.a && x.b == y.b;
}

#endif
