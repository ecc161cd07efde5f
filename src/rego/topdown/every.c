/* every: the body must hold for each element (OPA: evalEvery). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

typedef struct body_k {
    cs_k k;
    cs_td_frame *body;
    const cs_expr *e;
    bool done;
} body_k;

static cs_go body_holds(cs_k *k)
{
    body_k *b = CS_K_SELF(body_k, k);
    cs_td__event_body(b->body, CS_TRACE_EXIT, &b->e->u.every.body);
    cs_td__event_body(b->body, CS_TRACE_REDO, &b->e->u.every.body);
    b->done = true;
    return NULL;
}

typedef struct element_k {
    cs_k k;
    cs_td_frame *domain;
    const cs_expr *e;
    bool all;
} element_k;

static cs_go element(cs_k *k)
{
    element_k *el = CS_K_SELF(element_k, k);
    if (!el->all) {
        return NULL; /* it is lost already; the domain runs to its end, as in OPA */
    }
    cs_td_frame body;
    cs_td__closure(el->domain, el->e->u.every.body, &body);
    body.find_one = true;
    cs_td__event_body(&body, CS_TRACE_ENTER, &el->e->u.every.body);
    body_k b = {{body_holds}, &body, el->e, false};
    cs_go stop = cs_td__expr(&body, &b.k);
    el->all = b.done;
    cs_td__event_expr(el->domain, CS_TRACE_REDO, el->e);
    return cs_td__suppress(stop);
}

cs_body cs_td__every_generator(cs_td *run, const cs_expr *e)
{
    cs_term *parts[2] = {e->u.every.domain, e->u.every.key};
    cs_loc loc = e->u.every.domain->loc;
    cs_term *sides[2] = {cs_term_list(run->names, CS_TERM_REF, parts, 2, loc), e->u.every.value};
    cs_body body = {cs_arena_array(run->arena, cs_expr *, 1), 1};
    body.v[0] = cs_expr_call(run->names, "eq", sides, 2, loc);
    return body;
}

cs_go cs_td__every(cs_td_frame *f, const cs_expr *e, cs_k *k)
{
    cs_td *run = f->run;
    cs_opd domain = cs_opd_of(e->u.every.domain);
    if (run->partial) {
        bool unknown = cs_td__unknown_opd(f, domain);
        if (unknown || cs_td__unknown_body(f, e->u.every.body)) {
            return cs_td__every_partial(f, e, unknown, k);
        }
    }
    if (cs_opd_collection(cs_td__plug(f, domain)) == CS_UNDEFINED) {
        cs_td__event_expr(f, CS_TRACE_FAIL, e);
        return NULL;
    }
    cs_td_frame child;
    cs_td__closure(f, cs_td__every_generator(run, e), &child);
    element_k el = {{element}, &child, e, true};
    cs_td__event_expr(&child, CS_TRACE_ENTER, e);
    CS_GO(cs_td__expr(&child, &el.k));
    if (!el.all) {
        cs_td__event_expr(&child, CS_TRACE_FAIL, e);
        return NULL;
    }
    cs_go stop = k->run(k);
    cs_td__event_expr(&child, CS_TRACE_EXIT, e);
    return stop;
}
