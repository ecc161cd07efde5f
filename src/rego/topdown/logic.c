/* not, and, or: bodies that are only asked whether they hold. */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

typedef struct holds_k {
    cs_k k;
    cs_td_frame *child;
    const cs_body *body;
} holds_k;

static cs_go holds(cs_k *k)
{
    holds_k *h = CS_K_SELF(holds_k, k);
    cs_td__event_body(h->child, CS_TRACE_EXIT, h->body);
    cs_td__event_body(h->child, CS_TRACE_REDO, h->body);
    h->child->defined = true;
    return NULL;
}

static cs_go ask(const cs_td_frame *f, const cs_body *body, bool find_one, bool *defined)
{
    cs_td_frame child;
    cs_td__closure(f, *body, &child);
    child.find_one = find_one;
    cs_td__event_body(&child, CS_TRACE_ENTER, body);
    holds_k h = {{holds}, &child, body};
    cs_go stop = cs_td__expr(&child, &h.k);
    *defined = child.defined;
    return find_one ? cs_td__suppress(stop) : stop;
}

/* The statement without `not` and `with`, as a body. */
static const cs_body *positive(cs_td *run, const cs_expr *e)
{
    cs_body *body = cs_arena_new(run->arena, cs_body);
    cs_expr *copy = cs_arena_new(run->arena, cs_expr);
    *copy = *e;
    copy->negated = false;
    copy->with = NULL;
    copy->n_with = 0;
    copy->index = 0;
    body->v = cs_arena_array(run->arena, cs_expr *, 1);
    body->v[0] = copy;
    body->n = 1;
    return body;
}

cs_go cs_td__not(cs_td_frame *f, cs_k *k)
{
    const cs_expr *e = f->query.v[f->index];
    if (f->run->partial && cs_td__unknown_expr(f, e)) {
        return cs_td__not_partial(f, k);
    }
    bool defined;
    CS_GO(ask(f, positive(f->run, e), false, &defined));
    if (!defined) {
        return k->run(k);
    }
    cs_td__event_expr(f, CS_TRACE_FAIL, e);
    return NULL;
}

cs_go cs_td__not_body(cs_td_frame *f, const cs_expr *e, cs_k *k)
{
    if (f->run->partial && cs_td__unknown_body(f, e->u.logic.left)) {
        return cs_td__not_body_partial(f, e, k);
    }
    bool defined;
    CS_GO(ask(f, &e->u.logic.left, false, &defined));
    return defined ? NULL : k->run(k);
}

static bool either_unknown(cs_td_frame *f, const cs_expr *e)
{
    return f->run->partial && (cs_td__unknown_body(f, e->u.logic.left) || cs_td__unknown_body(f, e->u.logic.right));
}

cs_go cs_td__and(cs_td_frame *f, const cs_expr *e, cs_k *k)
{
    if (either_unknown(f, e)) {
        return cs_td__save_logic(f, e, k);
    }
    bool left;
    bool right = false;
    CS_GO(ask(f, &e->u.logic.left, true, &left));
    if (left) {
        CS_GO(ask(f, &e->u.logic.right, true, &right));
    }
    return right ? k->run(k) : NULL;
}

cs_go cs_td__or(cs_td_frame *f, const cs_expr *e, cs_k *k)
{
    if (either_unknown(f, e)) {
        return cs_td__save_logic(f, e, k);
    }
    bool defined;
    CS_GO(ask(f, &e->u.logic.left, true, &defined));
    if (!defined) {
        CS_GO(ask(f, &e->u.logic.right, true, &defined));
    }
    return defined ? k->run(k) : NULL;
}
