/* Comprehensions (OPA: biunifyComprehension). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

typedef struct collect_k {
    cs_k k;
    cs_td_frame *child;
    const cs_term *t;
    CS_VEC(cs_value) items;
    cs_value table;
} collect_k;

static cs_go collect(cs_k *k)
{
    collect_k *c = CS_K_SELF(collect_k, k);
    cs_td *run = c->child->run;
    cs_opd v = cs_td__plug_term(c->child, c->t->u.comprehension.head);
    if (v.t) {
        return NULL;
    }
    if (c->t->kind == CS_TERM_ARRAY_COMPREHENSION) {
        CS_VEC_PUSH_IN(run->arena, &c->items, v.v);
    } else if (c->t->kind == CS_TERM_SET_COMPREHENSION) {
        (void)cs_set_add(run->arena, c->table, v.v);
    } else {
        cs_opd key = cs_td__plug_term(c->child, c->t->u.comprehension.key);
        if (!key.t && !cs_object_put_once(run->arena, c->table, key.v, v.v)) {
            return cs_td__fail(run, c->t->u.comprehension.key->loc, CS_ERR_EVAL_CONFLICT, "object keys must be unique");
        }
    }
    return NULL;
}

cs_go cs_td__comprehension(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, bool swap, cs_k *k)
{
    cs_td *run = f->run;
    if (run->partial && cs_td__unknown_opd(f, a)) {
        return cs_td__comprehension_partial(f, a, b, b1, b2, swap, k);
    }
    cs_td_frame child;
    cs_td__closure(f, a.t->u.comprehension.body, &child);
    collect_k c = {.k = {collect}, .child = &child, .t = a.t, .table = cs_undefined()};
    if (a.t->kind != CS_TERM_ARRAY_COMPREHENSION) {
        c.table = a.t->kind == CS_TERM_SET_COMPREHENSION ? cs_set_new(run->arena, 0) : cs_object_new(run->arena, 0);
    }
    CS_GO(cs_td__run_body(&child, &c.k));
    cs_value v = a.t->kind == CS_TERM_ARRAY_COMPREHENSION ? cs_array(c.items.v, c.items.n) : c.table;
    return cs_td__biunify(f, cs_opd_value(v), b, b1, b2, k);
}
