/* What stands under one key of a partial set or object, without making the rest of it. */
#include "rego/vm/internal.h"

/* A code that small costs no more than looking at a few elements. */
#define SMALL_CODE 128U
/* Elements that are asked for one by one where many definitions may have to be tried for each. */
#define MEMBERS 8U

static cs_value base_at(cs_run *run, const cs_frame *f, const cs_code *document)
{
    cs_value base = cs_vm__base_at(run, f->context, document->node);
    return base.kind == CS_PRIVATE ? cs_vm__live_all(run, base.n) : base;
}

static bool hidden(const cs_run *run, const cs_frame *f, const cs_code *document)
{
    return f->context->n_overrides != 0 && cs_vm__hidden(run, f->context, document->node);
}

cs_probing cs_vm__probe(cs_run *run, const cs_frame *f, const cs_code *document, const cs_value *key, cs_value *v)
{
    cs_value *slot = cs_vm__memo_slot(run, f->context, document->id);
    if (hidden(run, f, document)) {
        *v = cs_index(base_at(run, f, document), *key);
        return CS_PROBE_KNOWN;
    }
    if (slot->aux) {
        run->stats.memo_hits++;
        *v = cs_index(*slot, *key);
        return CS_PROBE_KNOWN;
    }
    if (slot->n >= CS_PROBES && slot->n != CS_PROBES_ONLY && !run->eval->strict && !run->eval->builtin_error &&
        run->program->codes[document->probe]->loops) {
        return CS_PROBE_WHOLE;
    }
    slot->n += slot->n < CS_PROBES;
    return CS_PROBE_KEY;
}

static bool has(cs_value collection, cs_value v)
{
    if (collection.kind == CS_SET) {
        return cs_set_has(collection, v);
    }
    uint32_t n = collection.kind == CS_ARRAY || collection.kind == CS_OBJECT ? cs_count(collection) : 0;
    const cs_value *items = collection.kind == CS_ARRAY ? collection.u.items : NULL;
    if (collection.kind == CS_OBJECT) {
        items = collection.u.table->vals;
    }
    uint32_t i = 0;
    while (i < n && !cs_equal(items[i], v)) {
        i++;
    }
    return i < n;
}

cs_probing cs_vm__member(cs_run *run, const cs_frame *f, const cs_code *document, const cs_value *key, cs_value *v)
{
    bool is_base = hidden(run, f, document);
    cs_value *slot = cs_vm__memo_slot(run, f->context, document->id);
    if (is_base || slot->aux) {
        cs_value whole = is_base ? base_at(run, f, document) : *slot;
        *v = whole.kind == CS_UNDEFINED ? cs_undefined() : cs_bool(has(whole, *key));
        return CS_PROBE_KNOWN;
    }
    const cs_code *probe = run->program->codes[document->probe];
    bool one = document->quiet && !document->is_part && !probe->loops && f->context->n_mocks == 0 &&
               !run->eval->strict && !run->eval->builtin_error;
    if (!one) {
        return CS_PROBE_WHOLE;
    }
    const cs_value *unused;
    const cs_value *known = cs_vm__call_find(run, f->context, probe->id, key, 1, &unused);
    if (known) {
        *v = cs_bool(known->kind != CS_UNDEFINED);
        return CS_PROBE_KNOWN;
    }
    if (probe->n_insns > SMALL_CODE && slot->n >= MEMBERS) {
        return CS_PROBE_WHOLE;
    }
    slot->n += slot->n < MEMBERS;
    return CS_PROBE_KEY;
}
