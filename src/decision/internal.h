/* What the files of decision share.
 *
 *   effect_read.c   a result → what it asks for                 effect.c   committing it
 *   replay.c   answers remembered for retries
 *   record.c   the record of a decision                         log.c      where records go */
#ifndef CS_DECISION_INTERNAL_H
#define CS_DECISION_INTERNAL_H

#include "countersign/base/map.h"
#include "countersign/base/thread.h"
#include "countersign/base/vec.h"
#include "countersign/effect.h"
#include "countersign/snapshot.h"

/* ---- effect_read.c */
/* The same for every try and every replica. */
cs_slice cs_decision__hold_id(cs_arena *a, cs_slice tenant, cs_slice request_id, size_t index);

/* ---- replay.c */
typedef struct cs_decision__entry cs_decision__entry;

typedef struct cs_decision__waiter {
    cs_effects_wake *wake;
    void *self;
} cs_decision__waiter;

/* A request that was heard of. */
struct cs_decision__entry {
    cs_slice key; /* owned */
    uint8_t digest[CS_INPUT_DIGEST];
    bool pending; /* its event is on the way */
    bool has_answer;
    bool foreign;  /* another replica's, new since `since_mono` */
    bool doubtful; /* and its holds did not fit, as far as was known here */
    int64_t since_mono;
    int64_t placed_ns; /* of its first hold: tells the tries of a request */
    int64_t until_ns;  /* remembered so long; wall clock */
    cs_answer answer;  /* owned, in one block */
    void *block;
    size_t bytes;
    CS_VEC(cs_decision__waiter) waiters;
    cs_decision__entry *prev, *next; /* of those that are not pending, the oldest first */
    cs_dirty_link dirty;             /* those are rows of snapshots */
};

struct cs_effects {
    cs_journal *journal;
    cs_spend *spend;
    cs_approvals *approvals; /* NULL = not configured */
    char *source;
    int64_t replay_ns;
    int64_t (*now_ns)(void *self);
    void *now_self;
    cs_mutex lock;  /* of what follows */
    cs_map entries; /* tenant, NUL, request id */
    cs_decision__entry *first, *last;
    size_t bytes;
    cs_buf room;   /* for keys */
    cs_dirty rows; /* answered ones come and go on the journal's thread only */
    cs_buf row;
};

void cs_decision__replay_init(cs_effects *x); /* registers the fold */
void cs_decision__replay_destroy(cs_effects *x);
/* A new pending entry; false if there is one already. */
bool cs_decision__replay_begin(cs_effects *x, cs_slice tenant, cs_slice request_id, const uint8_t *digest);
/* It came to nothing: the entry goes, whoever waits is woken. */
void cs_decision__replay_fail(cs_effects *x, cs_slice tenant, cs_slice request_id);
/* replay_save.c, on the journal's thread. */
void cs_decision__replay_save_init(cs_effects *x);
void cs_decision__replay_save_destroy(cs_effects *x);
void cs_decision__replay_save_hooks(cs_fold *answers, cs_fold *voids);
/* Under the lock: an answered entry; *answer is copied. */
cs_decision__entry *cs_decision__replay_add(cs_effects *x, cs_slice key);
void cs_decision__replay_settle(cs_effects *x, cs_decision__entry *entry, const cs_answer *answer, int64_t until_ns);
/* As the event carries it. Texts are borrowed. */
cs_value cs_decision__answer_value(cs_arena *a, const cs_answer *answer);

#endif
