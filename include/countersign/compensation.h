/* The compensation log: how the last allowed operations can be undone.
 *
 * A policy says it with an effect beside the hold:
 *   {"type": "compensation", "operation": "MergeEntities", "document_id": "…", "variables": {…}}
 * whatever members there are; they are kept with the decision, which is one journal event. A replay asks for the newest
 * of them, newest first, as events io.countersign.compensation.requested.v1 that an executor reads: each decision's
 * compensation is asked for once, whatever the number of replays and replicas. */
#ifndef CS_COMPENSATION_H
#define CS_COMPENSATION_H

#include "countersign/journal.h"

typedef struct cs_compensations cs_compensations;

/* Registers its folds: before cs_journal_start. `journal` outlives it. Never fails. */
cs_compensations *cs_compensations_new(cs_journal *journal);
/* After cs_journal_free. NULL is fine. */
void cs_compensations_free(cs_compensations *c);

typedef struct cs_compensation_replay {
    size_t last;     /* of the newest; at most limits.compensations are remembered */
    cs_slice tenant; /* "" = all */
    bool dry_run;
    cs_slice author;
} cs_compensation_replay;

/* The document, in `a`: {"dry_run", "requested": n, "compensations": [{tenant, request_id, decided_at, state,
 * compensation}]}, newest first; state is "requested" (now, or before: "requested_at") or, in a dry run, "recorded".
 * `done` is called exactly once if this returns CS_OK. CS_ERR_IO, CS_ERR_LIMIT: the journal takes nothing. Any thread.
 */
CS_MUST_CHECK cs_err cs_compensations_replay(cs_compensations *c, const cs_compensation_replay *replay, cs_arena *a,
                                             cs_value *document, cs_journal_told *done, void *self, cs_error *e);

#endif
