/* Profiles: the time between one expression's event and the next belongs to the first one's line. */
#include <stdlib.h>

#include "countersign/base/time.h"
#include "rego/trace/internal.h"

typedef struct line {
    cs_profile_line seen;
    CS_VEC(uint32_t) indexes; /* of the expressions that stand in the line */
} line;

struct cs_profile {
    cs_arena *arena;
    cs_tracer tracer;
    CS_VEC(line *) lines;
    uint32_t *slots; /* 1-based, by file and row */
    size_t mask;
    bool started;
    int64_t since;
    cs_loc loc;
    uint32_t index;
    cs_trace_op op;
};

static cs_slice file_of(cs_loc loc)
{
    return loc.source ? loc.source->file : CS_LIT("");
}

static size_t hash_line(cs_slice file, uint32_t row)
{
    return cs_hash_bytes(file.p, file.n) ^ row * UINT32_C(2654435761);
}

static void grow(cs_profile *p)
{
    size_t cap = p->mask ? 2 * (p->mask + 1) : 64;
    p->slots = cs_arena_array(p->arena, uint32_t, cap);
    p->mask = cap - 1;
    for (size_t i = 0; i < p->lines.n; i++) {
        size_t at = hash_line(p->lines.v[i]->seen.file, p->lines.v[i]->seen.row) & p->mask;
        while (p->slots[at]) {
            at = (at + 1) & p->mask;
        }
        p->slots[at] = (uint32_t)i + 1;
    }
}

static line *line_of(cs_profile *p, cs_loc loc)
{
    if (2 * (p->lines.n + 1) > p->mask) {
        grow(p);
    }
    cs_slice file = file_of(loc);
    size_t at = hash_line(file, loc.row) & p->mask;
    for (; p->slots[at]; at = (at + 1) & p->mask) {
        line *l = p->lines.v[p->slots[at] - 1];
        if (l->seen.row == loc.row && cs_slice_eq(l->seen.file, file)) {
            return l;
        }
    }
    line *l = cs_arena_new(p->arena, line);
    cs_slice text = loc.source ? cs_trace__source(loc) : CS_LIT("???");
    l->seen = (cs_profile_line){.file = file, .row = loc.row, .col = loc.col, .text = text};
    CS_VEC_PUSH_IN(p->arena, &p->lines, l);
    p->slots[at] = (uint32_t)p->lines.n;
    return l;
}

/* Closes the account of the expression that was at work until now. */
static void settle(cs_profile *p)
{
    line *l = line_of(p, p->loc);
    l->seen.ns += cs_time_mono_ns() - p->since;
    l->seen.evals += p->op == CS_TRACE_EVAL;
    l->seen.redos += p->op == CS_TRACE_REDO;
    for (size_t i = 0; i < l->indexes.n; i++) {
        if (l->indexes.v[i] == p->index) {
            return;
        }
    }
    CS_VEC_PUSH_IN(p->arena, &l->indexes, p->index);
}

static void profile_event(void *self, const cs_trace_event *event)
{
    cs_profile *p = self;
    if ((event->op != CS_TRACE_EVAL && event->op != CS_TRACE_REDO) || !event->expr) {
        return;
    }
    if (p->started) {
        settle(p);
    }
    p->started = true;
    p->loc = event->expr->loc;
    p->index = event->expr->index;
    p->op = event->op;
    p->since = cs_time_mono_ns();
}

cs_profile *cs_profile_new(cs_arena *a)
{
    cs_profile *p = cs_arena_new(a, cs_profile);
    p->arena = a;
    p->tracer = (cs_tracer){.self = p, .event = profile_event};
    return p;
}

const cs_tracer *cs_profile_tracer(cs_profile *profile)
{
    return &profile->tracer;
}

/* ---- order */

static int falling(uint64_t x, uint64_t y)
{
    return (x < y) - (x > y);
}

static int compare_by(cs_slice criterion, const cs_profile_line *x, const cs_profile_line *y)
{
    if (cs_slice_is(criterion, "total_time_ns")) {
        return falling((uint64_t)x->ns, (uint64_t)y->ns);
    }
    if (cs_slice_is(criterion, "num_eval")) {
        return falling(x->evals, y->evals);
    }
    if (cs_slice_is(criterion, "num_redo")) {
        return falling(x->redos, y->redos);
    }
    if (cs_slice_is(criterion, "num_gen_expr")) {
        return falling(x->generated, y->generated);
    }
    if (cs_slice_is(criterion, "file")) {
        return cs_slice_compare(y->file, x->file);
    }
    return cs_slice_is(criterion, "line") ? falling(x->row, y->row) : 0;
}

static int compare(const cs_profile_line *x, const cs_profile_line *y, const cs_slice *criteria, size_t n)
{
    int order = 0;
    for (size_t i = 0; i < n && order == 0; i++) {
        order = compare_by(criteria[i], x, y);
    }
    return order;
}

const cs_profile_line *cs_profile_lines(cs_arena *a, cs_profile *profile, const cs_slice *criteria, size_t n_criteria,
                                        size_t limit, size_t *n)
{
    if (profile->started) {
        settle(profile);
        profile->started = false;
    }
    cs_profile_line *out = cs_arena_array(a, cs_profile_line, profile->lines.n + 1);
    for (size_t i = 0; i < profile->lines.n; i++) {
        cs_profile_line one = profile->lines.v[i]->seen;
        one.generated = profile->lines.v[i]->indexes.n;
        size_t k = i;
        for (; k > 0 && compare(&out[k - 1], &one, criteria, n_criteria) > 0; k--) {
            out[k] = out[k - 1];
        }
        out[k] = one;
    }
    *n = limit && limit < profile->lines.n ? limit : profile->lines.n;
    return out;
}
