/* Comprehensions (OPA: biunifyComprehension). */
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

typedef struct collect_k {
    cs_k k;
    cs_td_frame *child;
    const cs_term *t;
    CS_VEC(cs_value) items;
    cs_value table;
    CS_VEC(cs_term *) terms; /* of the items, in partial evaluation */
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
        if (run->partial) {
            cs_term *t = (cs_term *)(uintptr_t)cs_opd_term(run, v, (cs_loc){0});
            CS_VEC_PUSH_IN(run->arena, &c->terms, t);
        }
    } else if (c->t->kind == CS_TERM_SET_COMPREHENSION) {
        (void)cs_set_add(run->arena, c->table, v.v);
        cs_td__wrote(run, c->table, v, cs_opd_value(cs_undefined()));
    } else {
        cs_opd key = cs_td__plug_term(c->child, c->t->u.comprehension.key);
        if (!key.t && !cs_object_put_once(run->arena, c->table, key.v, v.v)) {
            return cs_td__fail(run, c->t->u.comprehension.key->loc, CS_ERR_EVAL_CONFLICT, "object keys must be unique");
        }
        if (!key.t) {
            cs_td__wrote(run, c->table, key, v);
        }
    }
    return NULL;
}

/* ---- indexed: every value at once, by its keys */
typedef struct cs_td_comprehension {
    const cs_term *t;
    cs_value places; /* array of keys → place in `values` */
    CS_VEC(collect_k) values;
} memory;

typedef struct build_k {
    cs_k k;
    cs_td_frame *child;
    const cs_td_keyed *keyed;
    memory *m;
} build_k;

/* The values of the keys as an array; undefined if one has none. */
static cs_value key_values(const cs_td_frame *f, const cs_td_keyed *keyed)
{
    cs_value *v = cs_arena_array(f->run->arena, cs_value, keyed->n);
    for (uint32_t i = 0; i < keyed->n; i++) {
        cs_opd o = cs_td__plug_term(f, keyed->keys[i]);
        if (o.t) {
            return cs_undefined();
        }
        v[i] = o.v;
    }
    return cs_array(v, keyed->n);
}

static void start(collect_k *c, cs_td *run)
{
    if (c->t->kind != CS_TERM_ARRAY_COMPREHENSION) {
        c->table = c->t->kind == CS_TERM_SET_COMPREHENSION ? cs_set_new(run->arena, 0) : cs_object_new(run->arena, 0);
    }
}

static cs_opd finished(cs_td *run, const collect_k *c)
{
    if (c->t->kind != CS_TERM_ARRAY_COMPREHENSION) {
        return cs_opd_value(c->table);
    }
    cs_opd v = cs_opd_value(cs_array(c->items.v, c->items.n));
    if (run->partial) {
        v.written = cs_term_list(run->names, CS_TERM_ARRAY, c->terms.v, (uint32_t)c->terms.n, (cs_loc){0});
        cs_td__wrote_whole(run, v);
    }
    return v;
}

static cs_go build(cs_k *k)
{
    build_k *b = CS_K_SELF(build_k, k);
    cs_td *run = b->child->run;
    cs_value key = key_values(b->child, b->keyed);
    if (cs_is_undefined(key)) {
        return NULL;
    }
    const cs_value *place = cs_object_get(b->m->places, key);
    size_t at = place ? (size_t)place->u.i : b->m->values.n;
    if (!place) {
        collect_k fresh = {.t = b->m->t, .table = cs_undefined()};
        start(&fresh, run);
        cs_object_put(run->arena, b->m->places, key, cs_int((int64_t)at));
        CS_VEC_PUSH_IN(run->arena, &b->m->values, fresh);
    }
    collect_k *c = &b->m->values.v[at];
    c->child = b->child;
    if (c->t->kind != CS_TERM_OBJECT_COMPREHENSION) {
        return collect(&c->k);
    }
    cs_opd name = cs_td__plug_term(c->child, c->t->u.comprehension.key);
    cs_opd v = cs_td__plug_term(c->child, c->t->u.comprehension.head);
    if (!name.t && !v.t) {
        cs_object_put(run->arena, c->table, name.v, v.v); /* here the last one wins, as in OPA */
        cs_td__wrote(run, c->table, name, v);
    }
    return NULL;
}

static cs_go indexed(cs_td_frame *f, const cs_td_keyed *keyed, cs_opd *out)
{
    cs_td *run = f->run;
    cs_td_layer *layer = &run->layers.v[run->layers.n - 1];
    memory *m = NULL;
    for (size_t i = 0; i < layer->comprehensions.n && !m; i++) {
        m = layer->comprehensions.v[i]->t == keyed->t ? layer->comprehensions.v[i] : NULL;
    }
    if (!m) {
        cs_td_frame child;
        cs_bindings b;
        m = cs_arena_new(run->arena, memory);
        m->t = keyed->t;
        m->places = cs_object_new(run->arena, 0);
        cs_td__child(f, keyed->t->u.comprehension.body, &child, &b);
        build_k bk = {{build}, &child, keyed, m};
        CS_GO(cs_td__run_body(&child, &bk.k));
        layer = &run->layers.v[run->layers.n - 1];
        CS_VEC_PUSH_IN(run->arena, &layer->comprehensions, m);
    }
    cs_value key = key_values(f, keyed);
    const cs_value *place = cs_is_undefined(key) ? NULL : cs_object_get(m->places, key);
    *out = place ? finished(run, &m->values.v[place->u.i]) : cs_opd_value(cs_undefined());
    return NULL;
}

cs_go cs_td__comprehension(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, bool swap, cs_k *k)
{
    cs_td *run = f->run;
    if (run->partial && cs_td__unknown_opd(f, a)) {
        return cs_td__comprehension_partial(f, a, b, b1, b2, swap, k);
    }
    const cs_td_keyed *keyed = cs_td__keyed(run, a.t);
    if (keyed) {
        cs_opd v;
        CS_GO(indexed(f, keyed, &v));
        if (!cs_is_undefined(v.v)) {
            return cs_td__biunify(f, v, b, b1, b2, k);
        }
    }
    cs_td_frame child;
    cs_td__closure(f, a.t->u.comprehension.body, &child);
    collect_k c = {.k = {collect}, .child = &child, .t = a.t, .table = cs_undefined()};
    start(&c, run);
    CS_GO(cs_td__run_body(&child, &c.k));
    return cs_td__biunify(f, finished(run, &c), b, b1, b2, k);
}
