/* Recorders: every event of an evaluation, kept for later. */
#include "countersign/base/limits.h"
#include "rego/trace/internal.h"

const char *cs_trace__op_name(cs_trace_op op)
{
    static const char *const names[] = {
        [CS_TRACE_ENTER] = "Enter", [CS_TRACE_EXIT] = "Exit",          [CS_TRACE_EVAL] = "Eval",
        [CS_TRACE_REDO] = "Redo",   [CS_TRACE_SAVE] = "Save",          [CS_TRACE_FAIL] = "Fail",
        [CS_TRACE_NOTE] = "Note",   [CS_TRACE_INDEX] = "Index",        [CS_TRACE_DUPLICATE] = "Duplicate",
        [CS_TRACE_UNIFY] = "Unify", [CS_TRACE_TEST_CASE] = "TestCase",
    };
    return names[op];
}

typedef struct gathering {
    cs_trace *trace;
    CS_VEC(cs_trace__document) documents;
} gathering;

static void add_local(void *self, const cs_term *var, const cs_term *value, cs_slice written, cs_loc loc)
{
    gathering *g = self;
    cs_trace__local local = {var, value, written, loc};
    CS_VEC_PUSH_IN(g->trace->arena, &g->trace->locals, local);
}

static void add_document(void *self, const cs_term *ref, cs_value value)
{
    gathering *g = self;
    cs_trace__document document = {ref, value};
    CS_VEC_PUSH_IN(g->trace->arena, &g->documents, document);
}

static bool full(const cs_trace *t)
{
    return t->steps.n >= cs_limits_get()->trace_events || cs_arena_exceeded(t->arena);
}

static bool is_kept(const cs_trace *t, const cs_trace_event *event)
{
    bool enters = event->op == CS_TRACE_ENTER || event->op == CS_TRACE_REDO;
    return !t->options.brief || event->op == CS_TRACE_NOTE || event->op == CS_TRACE_FAIL ||
           (enters && (event->rule || event->body));
}

/* The names that authors wrote are in the frame, so it is asked even if values are not wanted. */
static void record_frame(cs_trace *t, const cs_trace_event *event, cs_trace__step *step)
{
    gathering g = {.trace = t};
    t->locals.n = 0;
    cs_trace_locals(event, add_local, &g);
    if (t->options.locals) {
        cs_trace_documents(event, add_document, &g);
    }
    if (t->locals.n > 0) {
        cs_trace__local *locals = cs_arena_array(t->arena, cs_trace__local, t->locals.n);
        memcpy(locals, t->locals.v, t->locals.n * sizeof *locals);
        step->locals = locals;
        step->n_locals = (uint32_t)t->locals.n;
    }
    step->documents = g.documents.v;
    step->n_documents = (uint32_t)g.documents.n;
}

static void record(void *self, const cs_trace_event *event)
{
    cs_trace *t = self;
    if (full(t) || !is_kept(t, event)) {
        return;
    }
    cs_trace__step *step = cs_arena_new(t->arena, cs_trace__step);
    *step = (cs_trace__step){.op = event->op,
                             .query_id = event->query_id,
                             .parent_id = event->parent_id,
                             .rule = event->rule,
                             .expr = event->expr,
                             .body = event->body,
                             .ref = event->ref,
                             .loc = event->loc};
    if (event->body) {
        cs_body *body = cs_arena_new(t->arena, cs_body);
        *body = *event->body;
        step->body = body;
    }
    step->message = cs_slice_make(cs_arena_dup(t->arena, event->message.p, event->message.n), event->message.n);
    if (event->frame) {
        record_frame(t, event, step);
    }
    CS_VEC_PUSH_IN(t->arena, &t->steps, step);
}

cs_trace *cs_trace_new(cs_arena *a, const cs_trace_options *options)
{
    cs_trace *t = cs_arena_new(a, cs_trace);
    t->arena = a;
    t->options = *options;
    t->tracer = (cs_tracer){.self = t, .event = record, .unify = options->unify};
    return t;
}

const cs_tracer *cs_trace_tracer(cs_trace *trace)
{
    return &trace->tracer;
}

void cs_trace_test_case(cs_trace *trace, cs_value name)
{
    if (full(trace)) {
        return;
    }
    cs_trace__step *step = cs_arena_new(trace->arena, cs_trace__step);
    const cs_trace__step *last = trace->steps.n ? trace->steps.v[trace->steps.n - 1] : NULL;
    step->op = CS_TRACE_TEST_CASE;
    step->query_id = last ? last->query_id : 0;
    step->test_case = name;
    CS_VEC_PUSH_IN(trace->arena, &trace->steps, step);
}

size_t cs_trace_count(const cs_trace *trace)
{
    return trace->steps.n;
}

/* ---- several tracers, switches */

typedef struct fan {
    cs_tracer tracer;
    const cs_tracer *const *to;
    size_t n;
} fan;

static void tell_all(void *self, const cs_trace_event *event)
{
    const fan *f = self;
    for (size_t i = 0; i < f->n; i++) {
        if (event->op != CS_TRACE_UNIFY || f->to[i]->unify) {
            f->to[i]->event(f->to[i]->self, event);
        }
    }
}

static void tell_failed(void *self)
{
    const fan *f = self;
    for (size_t i = 0; i < f->n; i++) {
        if (f->to[i]->failed) {
            f->to[i]->failed(f->to[i]->self);
        }
    }
}

const cs_tracer *cs_tracer_join(cs_arena *a, const cs_tracer *const *tracers, size_t n)
{
    fan *f = cs_arena_new(a, fan);
    const cs_tracer **to = cs_arena_array(a, const cs_tracer *, n + 1);
    f->tracer = (cs_tracer){.self = f, .event = tell_all, .failed = tell_failed};
    for (size_t i = 0; i < n; i++) {
        to[i] = tracers[i];
        f->tracer.unify |= tracers[i]->unify;
        f->tracer.no_indexing |= tracers[i]->no_indexing;
        f->tracer.no_early_exit |= tracers[i]->no_early_exit;
    }
    f->to = to;
    f->n = n;
    return n == 1 ? tracers[0] : &f->tracer;
}

static void tell_nobody(void *self, const cs_trace_event *event)
{
    (void)self;
    (void)event;
}

const cs_tracer *cs_tracer_without(cs_arena *a, const cs_tracer *then, bool indexing, bool early_exit)
{
    cs_tracer *t = cs_arena_new(a, cs_tracer);
    *t = then ? *then : (cs_tracer){.event = tell_nobody};
    t->no_indexing |= indexing;
    t->no_early_exit |= early_exit;
    return t;
}
