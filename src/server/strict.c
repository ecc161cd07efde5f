/* Strict evaluations. The tree walker, which runs them in the reference's order, cannot stop in the middle, and a
 * worker must not wait. So it runs with a network that only notes that it was asked, and ends the run; then the
 * machine does it, which can be parked. */
#include <stddef.h>

#include "server/internal.h"

static cs_exchange *probe_start(cs_network *probe, const cs_exchange_request *request, cs_exchange_wake *no, void *self)
{
    (void)request;
    (void)no;
    (void)self;
    cs_server__worker *w = (cs_server__worker *)(void *)((char *)probe - offsetof(cs_server__worker, probe));
    w->probed = true;
    w->current->eval.cancel = 1;
    return (cs_exchange *)(void *)probe;
}

static const cs_exchange_answer *probe_answer(cs_exchange *x)
{
    static const cs_exchange_answer none = {.failure = CS_EXCHANGE_FAILED, .text = {"", 0}};
    (void)x;
    return &none;
}

static bool probe_wait(cs_exchange *x, int64_t timeout_ns)
{
    (void)x;
    (void)timeout_ns;
    return true;
}

static void probe_end(cs_exchange *x)
{
    (void)x;
}

void cs_server__strict_host(cs_server__worker *w)
{
    w->strict_host = w->host;
    if (w->host.network != NULL) {
        w->probe = *w->host.network;
        w->probe.start = probe_start;
        w->probe.answer = probe_answer;
        w->probe.wait = probe_wait;
        w->probe.end = probe_end;
        w->strict_host.network = &w->probe;
        w->strict_host.http_cache = NULL; /* whose answers only the second run may look at, or change */
    }
}

bool cs_server__run_strict(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    v->spec.host = &r->w->strict_host;
    r->w->probed = false;
    cs_server__run_here(r);
    if (r->w->probed) {
        v->spec.host = &r->w->host;
        v->cancel = 0;
        v->err = CS_OK;
        v->error.row = 0;
        v->error.file[0] = v->error.text[0] = 0;
        return false;
    }
    return true;
}
