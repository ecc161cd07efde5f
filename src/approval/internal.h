/* What the files of approval share.
 *
 *   approval.c  the table: items, what state they are in, forgetting    match.c   people to rules
 *   ask.c       requests as policy writes them                           config.c  who is who, who may; what is refused
 *   rules.c     may somebody do that now? What it makes of the item      fold.c    the events, in the order of the log
 *   order.c     people's acts on their way to the journal                tick.c    what the clock does; metrics
 *   view.c      documents, data.approvals                                save.c    rows of snapshots */
#ifndef CS_APPROVAL_INTERNAL_H
#define CS_APPROVAL_INTERNAL_H

#include "countersign/approval.h"
#include "countersign/base/map.h"
#include "countersign/base/thread.h"
#include "countersign/base/vec.h"

enum {
    CS_APPROVAL__PEOPLE = 32, /* that a request may ask for */
    CS_APPROVAL__RULES = 8,   /* of a request */
    CS_APPROVAL__ACTS = 100,  /* of people on one approval, those taken back included */
    CS_APPROVAL__LISTENERS = 4,
    CS_APPROVAL__CONFIG = 32 /* hexadecimal digits that tell one configuration of approvers from another */
};

typedef struct cs_approval__item cs_approval__item;

typedef struct cs_approval__tenant {
    cs_slice name; /* owned */
    char config[CS_APPROVAL__CONFIG + 1];
    bool configured;          /* it is in data.tenants */
    cs_approval__item *first; /* its items, the newest first */
    size_t n_open;
} cs_approval__tenant;

/* One approval. Written on the journal's thread, under the lock. What is asked for and what people did is kept as JSON
 * text: it is read when somebody looks at it. */
struct cs_approval__item {
    cs_slice id, digest, key, config, request; /* one block, from id.p */
    cs_approval__tenant *tenant;
    char *acts; /* {"grants", "rejections", "delegations", "consumed"}; owned */
    size_t n_text;
    int64_t requested_ns, approve_by_ns, execute_ns;
    int64_t escalate_ns; /* INT64_MAX = never */
    int64_t approved_ns; /* 0 = too few people yet */
    int64_t ended_ns;    /* 0 = not, as far as the log says; else `ended` is how */
    cs_approval_state ended;
    uint32_t quorum, have, grants, rejections, most_rejections, uses, used, acts_done, ordinal;
    bool escalated;                   /* the log says so */
    cs_approval__item *prev, *next;   /* of those that are open, or of those that have ended; the oldest first */
    cs_approval__item *newer, *older; /* of its tenant */
    cs_dirty_link dirty;
    /* This process's own. */
    uint32_t reserved;
    int64_t told_mono; /* when the clock's doing was last appended */
};

typedef struct cs_approval__list {
    cs_approval__item *first, *last;
    size_t n;
} cs_approval__list;

struct cs_approvals {
    cs_journal *journal;
    char *source;
    int64_t (*now_ns)(void *self);
    void *now_self;
    cs_live live;
    struct {
        cs_approval_heard *heard;
        void *self;
        bool past;
    } listeners[CS_APPROVAL__LISTENERS];
    size_t n_listeners;
    cs_series *escalations; /* NULL = not counted */

    cs_mutex lock; /* of what follows */
    cs_map by_id, by_digest /* tenant, NUL, digest: the newest */, tenants;
    cs_map aliases; /* owned texts */
    cs_approval__list open, over;
    bool changed_config; /* open items are to be compared with what is in force */

    /* The journal's thread. */
    cs_arena scratch;
    cs_dirty rows;
    cs_buf row, room;
};

/* ---- approval.c; all under the lock, except where it says otherwise */
cs_slice cs_approval__text(cs_value object, const char *name);                  /* "" if it is no text */
int64_t cs_approval__whole(cs_value object, const char *name, int64_t without); /* if it is no whole number */
cs_value cs_approval__member(cs_value object, const char *name);
cs_value cs_approval__json(cs_arena *a, cs_slice text); /* null if it is none */
cs_approval__tenant *cs_approval__tenant_of(cs_approvals *x, cs_slice name, bool make);
cs_approval__item *cs_approval__newest(cs_approvals *x, cs_slice tenant, cs_slice digest);
/* Texts are copied; it is entered into every table as open. On the journal's thread. */
cs_approval__item *cs_approval__add(cs_approvals *x, const cs_approval__item *like, cs_slice tenant, cs_slice acts);
void cs_approval__set_acts(cs_approval__item *item, cs_value acts);
/* It has ended, or is open again (CS_APPROVAL_STATES). On the journal's thread. */
void cs_approval__end(cs_approvals *x, cs_approval__item *item, cs_approval_state how, int64_t at_ns);
/* Ended ones that are old, or too many. On the journal's thread. */
void cs_approval__forget(cs_approvals *x);
cs_approval_state cs_approval__state(const cs_approval__item *item, int64_t now_ns);
static inline bool cs_approval__is_open(cs_approval_state state)
{
    return state <= CS_APPROVAL_APPROVED;
}
static inline bool cs_approval__is_escalated(const cs_approval__item *item, int64_t now_ns)
{
    return item->escalated || now_ns >= item->escalate_ns;
}
/* INT64_MAX where it is not approved. */
int64_t cs_approval__execute_by(const cs_approval__item *item);

/* ---- match.c */
typedef struct cs_approval__rule {
    cs_value groups; /* array of strings; undefined = anybody */
    uint32_t quorum;
} cs_approval__rule;
typedef struct cs_approval__rules {
    cs_approval__rule v[CS_APPROVAL__RULES + 1]; /* the last: whoever else is needed, of any group */
    size_t n;
    cs_value escalation;
    uint32_t quorum; /* in all */
} cs_approval__rules;
/* Of a request's object (or a tenant's approval section). CS_ERR_INVALID. */
CS_MUST_CHECK cs_err cs_approval__read_rules(cs_value request, cs_approval__rules *out, cs_error *e);
/* Bit i: the groups fit rule i. */
unsigned cs_approval__fits(const cs_approval__rules *rules, cs_value groups, bool escalated);
/* How many places n people fill at most, each one place; fits[i] as above. */
uint32_t cs_approval__match(const cs_approval__rules *rules, const unsigned *fits, size_t n);

/* ---- ask.c */
/* Of the n-th request for a digest: the same for every replica that asks at the same time. */
cs_slice cs_approval__id(cs_arena *a, cs_slice tenant, cs_slice digest, uint32_t ordinal);

/* ---- config.c */
/* Without a table: small letters, no white space around. */
cs_slice cs_approval__fold_case(cs_arena *a, cs_slice id);
void cs_approval__config_destroy(cs_approvals *x);

/* ---- rules.c */
typedef struct cs_approval__who {
    cs_slice id, person;
    cs_value groups;
} cs_approval__who;
typedef struct cs_approval__step {
    cs_approval_act act;
    cs_approval__who who, to; /* to: delegations; grants: in whose place (id "" = in their own) */
    cs_slice verified, comment;
    int64_t at_ns, until_ns;
} cs_approval__step;
typedef struct cs_approval__refusal {
    int status;
    const char *code, *message;
} cs_approval__refusal;
/* What people did so far, as values in `a`. */
typedef struct cs_approval__acts {
    cs_value grants, rejections, delegations, consumed; /* arrays of objects */
    cs_value reason;                                    /* why it was cancelled; undefined otherwise */
} cs_approval__acts;
cs_approval__acts cs_approval__read_acts(cs_arena *a, const cs_approval__item *item);
/* May it be done at that instant? For a grant in somebody's place fills in step->to and step->who.groups. CS_OK; or
 * CS_ERR_INVALID with *why: status 200 means that it is so already. Under the lock. */
CS_MUST_CHECK cs_err cs_approval__judge(cs_arena *a, const cs_approval__item *item, cs_approval__step *step,
                                        cs_approval__refusal *why);
void cs_approval__store_acts(cs_arena *a, cs_approval__item *item, const cs_approval__acts *acts);
/* Does it. On the journal's thread, under the lock, after judge. */
void cs_approval__do(cs_approvals *x, cs_arena *a, cs_approval__item *item, const cs_approval__step *step);

typedef enum cs_approval__use {
    CS_APPROVAL__USED,
    CS_APPROVAL__USED_BEFORE, /* by the same request */
    CS_APPROVAL__USED_UP,     /* nothing is left of it */
    CS_APPROVAL__USED_IN_VAIN /* it was taken, but the approval was not good at that place of the log */
} cs_approval__use;
/* What is left is counted by the order of the log alone, so that every replica counts the same. `at_ns` tells the tries
 * of a request. On the journal's thread, under the lock. */
cs_approval__use cs_approval__consume(cs_approvals *x, cs_arena *a, cs_approval__item *item, cs_slice request_id,
                                      int64_t at_ns, int64_t now_ns);
/* The decision was taken back; false if it did not use it. */
bool cs_approval__give_back(cs_approvals *x, cs_arena *a, cs_approval__item *item, cs_slice request_id, int64_t at_ns);

/* ---- fold.c, save.c, tick.c */
void cs_approval__fold_init(cs_approvals *x);
void cs_approval__save_hooks(cs_fold *fold);
void cs_approval__put_row(void *self, void *row, cs_snapshot *out);
void cs_approval__metrics_init(cs_approvals *x, cs_metrics *metrics);

/* ---- view.c */
cs_value cs_approval__document(cs_arena *a, const cs_approval__item *item, int64_t now_ns);
cs_value cs_approval__row(void *self, cs_value tenant, cs_arena *a);
cs_value cs_approval__row_item(void *self, cs_value tenant, cs_value digest, cs_arena *a);
cs_value cs_approval__all(void *self, cs_arena *a);

/* ---- events */
cs_event cs_approval__event(cs_approvals *x, cs_arena *a, const char *what, const cs_approval__item *item,
                            cs_slice request_id, cs_value data);

#endif
