/* What is remembered within one evaluation: documents and results of functions by path (OPA: virtualCache). `with`
 * begins a new layer, which is forgotten when the statement is left. */
#include "rego/topdown/internal.h"

void cs_td__layer_push(cs_td *run)
{
    cs_td_layer layer = {0};
    CS_VEC_PUSH_IN(run->arena, &layer.v, ((cs_td_memo){.children = cs_undefined()}));
    CS_VEC_PUSH_IN(run->arena, &run->layers, layer);
}

void cs_td__layer_pop(cs_td *run)
{
    run->layers.n--;
}

static bool known_path(const cs_opd *path, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        if (path[i].t) {
            return false;
        }
    }
    return n > 0;
}

/* The first key stands for the head, which is `data` or a ref of a function. */
static const cs_value *look_up(cs_td *run, const cs_opd *path, uint32_t n, bool *undefined)
{
    cs_td_layer *layer = &run->layers.v[run->layers.n - 1];
    const cs_td_memo *at = &layer->v.v[0];
    for (uint32_t i = 1; i < n; i++) {
        const cs_value *next = cs_is_undefined(at->children) ? NULL : cs_object_get(at->children, path[i].v);
        if (!next) {
            return NULL;
        }
        at = &layer->v.v[next->u.i];
    }
    *undefined = at->is_undefined;
    return at->is_undefined || cs_is_undefined(at->value) ? NULL : &at->value;
}

const cs_value *cs_td__memo_get(cs_td *run, const cs_opd *path, uint32_t n, bool *undefined)
{
    *undefined = false;
    if (!known_path(path, n)) {
        return NULL;
    }
    const cs_value *v = look_up(run, path, n, undefined);
    const char *counter = v || *undefined ? "eval_op_virtual_cache_hit" : "eval_op_virtual_cache_miss";
    cs_instrument_count(run->eval->instrument, counter, 1);
    return v;
}

void cs_td__memo_put(cs_td *run, const cs_opd *path, uint32_t n, cs_value v)
{
    if (!known_path(path, n)) {
        return;
    }
    cs_td_layer *layer = &run->layers.v[run->layers.n - 1];
    size_t at = 0;
    for (uint32_t i = 1; i < n; i++) {
        cs_td_memo *memo = &layer->v.v[at];
        if (cs_is_undefined(memo->children)) {
            memo->children = cs_object_new(run->arena, 0);
        }
        const cs_value *next = cs_object_get(memo->children, path[i].v);
        if (next) {
            at = (size_t)next->u.i;
            continue;
        }
        cs_object_put(run->arena, memo->children, path[i].v, cs_int((int64_t)layer->v.n));
        at = layer->v.n;
        CS_VEC_PUSH_IN(run->arena, &layer->v, ((cs_td_memo){.children = cs_undefined()}));
    }
    layer->v.v[at].value = v;
    layer->v.v[at].is_undefined = cs_is_undefined(v);
}
