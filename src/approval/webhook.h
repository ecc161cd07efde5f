/* What the files of webhooks share.
 *
 *   webhook.c        the table: notices out of the log, those taken, leases    webhook_shape.c  bodies of notices
 *   webhook_save.c   rows of snapshots                                         webhook_sign.c   signatures
 *   webhook_send.c   the threads that post                                     webhook_in.c     what comes in */
#ifndef CS_APPROVAL_WEBHOOK_H
#define CS_APPROVAL_WEBHOOK_H

#include <stdatomic.h>

#include "countersign/webhook.h"
#include "internal.h"

enum {
    CS_WEBHOOK__ID = 36,        /* bytes of a notice's id: "msg_" and 32 hexadecimal digits */
    CS_WEBHOOK__SIGNATURE = 44, /* base64 of a signature */
    CS_WEBHOOK__DELIVERY = 128  /* most bytes of a delivery's id */
};

/* ---- webhook_sign.c */

/* The key that a secret of the configuration is. */
cs_slice cs_webhook__key(cs_arena *a, cs_slice secret);
/* "v1,<base64> v1,<base64>", one for each secret. */
cs_slice cs_webhook__sign(cs_arena *a, const cs_config_webhook *w, cs_slice id, int64_t unix_s, cs_slice body);

typedef struct cs_webhook__proof {
    cs_slice delivery; /* as signed */
    int64_t at_ns;     /* as signed; 0 = it does not say */
} cs_webhook__proof;
/* Is it signed by one of the webhook's secrets? Takes as long for any wrong signature. */
bool cs_webhook__verify(cs_arena *a, const cs_config_webhook *w, const cs_webhook_input *input, cs_webhook__proof *out);

/* ---- webhook_shape.c */
typedef struct cs_webhook__news {
    cs_slice id;         /* of the notice */
    const char *event;   /* "opened", "escalated", "decided" */
    const char *outcome; /* of "decided": "approved", "rejected", "expired", "cancelled", "consumed"; else "" */
    cs_slice actor, request_id;
    int64_t at_ns;
    cs_value document; /* the approval at that instant */
} cs_webhook__news;
/* What of the news is told, and as what; false: nothing. `state` is the approval's after it. */
bool cs_webhook__event_of(const cs_approval_news *news, cs_approval_state state, const char **event,
                          const char **outcome);
/* The body, in the shape of the webhook's kind. */
void cs_webhook__body(cs_buf *out, const cs_config_webhook *w, const cs_webhook__news *news);

/* ---- webhook.c */
typedef struct cs_webhook__target cs_webhook__target;

/* One event on its way to one webhook. Made and ended on the journal's thread, under the lock. */
typedef struct cs_webhook__notice {
    cs_slice id, approval, key, event, body; /* one block, from id.p; `key` orders the approval's events in the log */
    cs_webhook__target *target;
    uint64_t number; /* its place among all */
    int64_t made_ns;
    struct cs_webhook__notice *prev, *next;     /* of the target, the oldest first */
    struct cs_webhook__notice *earlier, *later; /* of the same approval and target */
    cs_dirty_link dirty;
    /* This process's own, under the lock. */
    uint32_t tries;
    int64_t due_mono;   /* not before */
    const char *over;   /* "delivered" or "dropped": it is to be recorded; NULL = still to be sent */
    const char *reason; /* why it was dropped */
    int status;         /* of the answer that took it */
    int64_t told_mono;  /* when that was last appended; 0 = never */
} cs_webhook__notice;

struct cs_webhook__target {
    cs_webhooks *w;
    const cs_config_webhook *c;
    cs_webhook__notice *first, *last;
    size_t n;
    cs_map latest;          /* of each approval that has any */
    cs_slice lease_by;      /* owned */
    int64_t lease_until_ns; /* by the log's clock */
    /* This process's own, under the lock. */
    int64_t skew_ns;     /* the log's clock before ours, at most, as the last lease of ours has shown */
    int64_t asked_mono;  /* when the lease was last asked for; 0 = never */
    int64_t paused_mono; /* nothing is sent before */
    uint32_t failures;   /* in a row */
    int64_t delivered_ns;
    char error[256]; /* of the last failure; "" after a success */
    cs_cond wake;
    cs_thread thread;
    cs_series *delivered, *failed, *dropped, *full;
};

typedef struct cs_webhook__seen {
    int64_t at_ns;
    struct cs_webhook__seen *next; /* the next newer one */
    cs_slice key;                  /* kind, NUL, delivery; owned */
} cs_webhook__seen;

struct cs_webhooks {
    cs_approvals *approvals;
    cs_journal *journal;
    cs_metrics *metrics;
    const cs_config_webhook *webhooks;
    size_t n;
    char *replica, *source;
    bool shared;
    cs_webhook__target *targets; /* those with a URL */
    size_t n_targets;
    _Atomic bool stop;

    cs_mutex lock;  /* of what follows */
    cs_map notices; /* by webhook, NUL, id */
    cs_map seen;
    cs_webhook__seen *oldest, *newest;
    uint64_t numbers;

    /* The journal's thread. */
    cs_dirty rows;
    cs_whole row; /* deliveries seen, and leases */
    cs_buf bytes;
};

/* All under the lock. */
cs_webhook__target *cs_webhook__target_of(cs_webhooks *w, cs_slice name); /* NULL if there is none */
cs_webhook__notice *cs_webhook__find(cs_webhooks *w, cs_slice webhook, cs_slice id);
/* Texts are copied. NULL if it is there already. On the journal's thread. */
cs_webhook__notice *cs_webhook__add(cs_webhook__target *t, const cs_webhook__notice *like);
void cs_webhook__see(cs_webhooks *w, cs_slice key, int64_t at_ns);
void cs_webhook__lease(cs_webhook__target *t, cs_slice by, int64_t until_ns);

/* ---- webhook_save.c */
/* The key of a notice's row; its length. */
size_t cs_webhook__row_key(uint64_t number, char out[17]);
void cs_webhook__save_hooks(cs_webhooks *w, cs_fold *notices, cs_fold *others);

/* ---- webhook_send.c */
void cs_webhook__send_main(void *target);

#endif
