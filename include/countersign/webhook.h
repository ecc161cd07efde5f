/* Webhooks: outside systems hear of approvals, and act on them.
 *
 * Out: what happens to an approval (opened, escalated, decided) becomes a notice for each webhook of the configuration
 * that wants it, and is posted by a thread of that webhook's own until it was taken or has become too old. Which
 * notices there are follows from the log alone, and so does which were taken: a process that is killed goes on where it
 * was, and another replica does not repeat what the first has done. A notice may arrive twice, if the process dies
 * between the answer and the record of it; it has the same id then. Replicas of one log agree through it on who sends:
 * the one that holds the webhook's lease.
 *
 * In: POST /v1/approvals/webhooks/{kind} with a signature is an act of whoever the outside system names.
 *
 * Signatures are those of Standard Webhooks: HMAC-SHA256 over "<webhook-id>.<webhook-timestamp>.<body>". What comes in
 * may be signed as Jira does it as well: X-Hub-Signature: sha256=<hex> over the body, which has a `timestamp` then.
 *
 *   io.countersign.webhook.delivered.v1  {webhook, notice, approval, status}
 *   io.countersign.webhook.dropped.v1    {webhook, notice, approval, reason}
 *   io.countersign.webhook.leased.v1     {webhook, by, back?} */
#ifndef CS_WEBHOOK_H
#define CS_WEBHOOK_H

#include "countersign/approval.h"
#include "countersign/config.h"
#include "countersign/net.h"

typedef struct cs_webhooks cs_webhooks;

typedef struct cs_webhooks_options {
    cs_approvals *approvals; /* outlives this, like all that follows */
    cs_journal *journal;     /* opened, not started: folds are registered */
    cs_metrics *metrics;     /* NULL = none */
    const cs_config_webhook *webhooks;
    size_t n;
    cs_slice replica; /* name of this process; copied */
    bool shared;      /* others write and read the same log */
} cs_webhooks_options;

/* After cs_approvals_new. Never fails. */
cs_webhooks *cs_webhooks_new(const cs_webhooks_options *options);
/* Starts the threads that send, one for each webhook with a URL. After cs_journal_start. */
CS_MUST_CHECK cs_err cs_webhooks_start(cs_webhooks *w, cs_error *e);
/* Ends them; a request under way is given up within about a second. Before cs_journal_free. NULL is fine. */
void cs_webhooks_stop(cs_webhooks *w);
/* After cs_journal_free. NULL is fine. */
void cs_webhooks_free(cs_webhooks *w);

/* [{name, kind, pending, failing, attempts, error, delivered_at, next_attempt_at}] of those with a URL, in `a`. Any
 * thread. */
cs_value cs_webhooks_status(cs_webhooks *w, cs_arena *a);

/* ---- in */

typedef struct cs_webhook_input {
    cs_slice kind; /* the end of the path */
    const cs_http_header *headers;
    size_t n_headers;
    cs_slice body; /* as signed */
    int64_t now_ns;
} cs_webhook_input;

typedef enum cs_webhook_verdict {
    CS_WEBHOOK_ACTS,    /* `orders` are to be done */
    CS_WEBHOOK_IGNORED, /* authentic, but nothing that anybody has decided */
    CS_WEBHOOK_AGAIN,   /* authentic, and done before */
    CS_WEBHOOK_REFUSED  /* `status`, `code` and `message` */
} cs_webhook_verdict;

typedef struct cs_webhook_acts {
    const cs_config_webhook *webhook; /* whose signature it was; NULL if refused for it */
    cs_slice delivery;                /* its id, as signed */
    cs_slice approval;                /* id; "" = unknown */
    cs_approval_order *orders;        /* `groups` are those that the outside system says, as far as they are trusted */
    size_t n;
    int status; /* 400, 401, 404, 409, 413 */
    const char *code;
    cs_slice message;
} cs_webhook_acts;

/* Verifies and reads. What it gives lies in `a`, or in the input. Any thread; waits for nothing. */
cs_webhook_verdict cs_webhooks_read(cs_webhooks *w, cs_arena *a, const cs_webhook_input *input, cs_webhook_acts *out);

/* Counts what became of it: "accepted", "ignored", "duplicate", "refused", "unauthenticated". Any thread. */
void cs_webhooks_count(cs_webhooks *w, const cs_webhook_acts *acts, const char *result);

#endif
