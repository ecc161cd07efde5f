/* What requests leave in the audit log (audit.c), and how their answers wait for it. */
#ifndef CS_SERVER_AUDIT_H
#define CS_SERVER_AUDIT_H

#include <stdatomic.h>

#include "countersign/server.h"
#include "route.h"

typedef struct cs_server__audit_state {
    cs_decision_record *record; /* while it cannot be put */
    cs_timer *timer;            /* until the next try */
    _Atomic int waits;          /* records that must be on disk before the answer goes */
    bool sent;                  /* the answer is there, and waits */
    bool recorded;              /* it has left a record */
    bool unrecorded;            /* it could not leave one: the answer becomes a refusal */
    const char *refusal;        /* set by a handler: the type of the record if it fails */
    cs_value about;             /* with it: an object that tells what it was about */
} cs_server__audit_state;

/* Records a decision; the answer waits for that as configured. */
void cs_server__audit_decision(cs_server__request *r, const cs_decision *d);
/* Puts a record about an act that was done; the answer waits for it. `data` is an object, nothing in it unmasked. On
 * the worker's or the control thread, before the reply. Nothing happens without an audit log. */
void cs_server__audit(cs_server__request *r, const char *type, cs_slice tenant, cs_value data);
/* The answer waits until what others have recorded of this request (approvals' acts) is on disk. */
void cs_server__audit_after(cs_server__request *r);
/* {sub, tenant, roles, groups, source} of who calls; undefined if nobody is known. */
cs_value cs_server__audit_actor(cs_server__request *r);
/* A call that fails: recorded if it ends in 401 or 403, or if the handler said so (r->audit.refusal). */
void cs_server__audit_failure(cs_server__request *r, int status, const char *code, cs_slice message);
/* What the service did with a bundle by itself: activated it, or refused it (`error`). */
void cs_server__audit_bundle(cs_server *server, const cs_bundle *bundle, cs_slice name, const cs_error *error);
/* {name, revision, digest, keyid, scope, signed_at} */
cs_value cs_server__bundle_value(cs_arena *a, const cs_bundle *bundle);
/* Before a handler: false if the log cannot be written; then it was refused, or goes on later. */
bool cs_server__audit_gate(cs_server__request *r);
/* With an answer at hand: true if it must wait, or was replaced. */
bool cs_server__audit_holds(cs_server__request *r);
/* The server ends in the middle of it. */
void cs_server__audit_drop(cs_server__request *r);
/* Is it a gateway that asks? Its refusals are 403. */
bool cs_server__is_gateway(const cs_server__request *r);

#endif
