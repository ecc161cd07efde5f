/* SWITCH: from the lists that an index finds to one list of candidates. */
#include "rego/vm/internal.h"

typedef struct reader {
    cs_run *run;
    const cs_frame *f;
} reader;

static cs_value resolve(void *self, const cs_place *place)
{
    const reader *r = self;
    switch (place->root) {
    case CS_ROOT_INPUT:
        return cs_vm__follow(r->f->context->input, &place->path);
    case CS_ROOT_ARGUMENT:
        return cs_vm__follow(r->run->regs[r->f->base + place->argument], &place->path);
    case CS_ROOT_DATA:
        break;
    }
    return cs_vm__base(r->run, r->f->context, &place->path);
}

/* Both without their last pc; each at most once. */
static uint32_t merge(const uint32_t *x, uint32_t n_x, const uint32_t *y, uint32_t n_y, uint32_t *out)
{
    uint32_t i = 0;
    uint32_t j = 0;
    uint32_t n = 0;
    while (i < n_x || j < n_y) {
        if (i < n_x && j < n_y && x[i] == y[j]) {
            j++;
        }
        bool first = j == n_y || (i < n_x && x[i] < y[j]);
        out[n++] = first ? x[i++] : y[j++];
    }
    return n;
}

/* Pair by pair, until one is left. */
static const cs_candidates *merge_lists(cs_run *run, const cs_switch *sw, const cs_index_found *found)
{
    cs_candidates *rows = cs_arena_alloc(run->arena, found->n * sizeof *rows);
    uint32_t same = sw->lists[found->lists[0]].same;
    for (uint32_t i = 0; i < found->n; i++) {
        rows[i] = sw->lists[found->lists[i]];
        rows[i].n--;
        same = rows[i].same == same ? same : 0;
    }
    for (uint32_t n = found->n; n > 1; n = (n + 1) / 2) {
        for (uint32_t i = 0; i + 1 < n; i += 2) {
            uint32_t *pcs = cs_arena_alloc(run->arena, (rows[i].n + rows[i + 1].n + 1) * sizeof *pcs);
            uint32_t count = merge(rows[i].pcs, rows[i].n, rows[i + 1].pcs, rows[i + 1].n, pcs);
            pcs[count] = sw->lists[0].pcs[0];
            rows[i / 2] = (cs_candidates){pcs, count, same};
        }
        if (n % 2) {
            rows[n / 2] = rows[n - 1];
        }
    }
    rows[0].n++;
    rows[0].same = same;
    return &rows[0];
}

const cs_candidates *cs_vm__choose(cs_run *run, const cs_frame *f, const cs_switch *sw)
{
    reader r = {run, f};
    cs_index_found found;
    cs_instrument *instrument = run->eval->instrument;
    int64_t start = instrument ? run->host->mono_ns(run->host->self) : 0;
    cs_index_find(&sw->root, resolve, &r, run->arena, &found);
    if (instrument) {
        cs_instrument_op(instrument, "eval_op_rule_index", run->host->mono_ns(run->host->self) - start);
    }
    if (found.n <= 1) {
        return &sw->lists[found.n ? found.lists[0] : 0];
    }
    return merge_lists(run, sw, &found);
}
