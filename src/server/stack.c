/* The stack trace of a failed evaluation: the queries that led to the error. Only the tree walker knows them, so the
 * evaluation runs once more, without prints and without the network; where it would ask the network the place of the
 * error alone is told. */
#include "countersign/trace.h"
#include "server/internal.h"

typedef struct stack {
    cs_arena *arena;
    cs_traceback *traceback;
    const cs_traceback_frame *frames; /* of the first error of a built-in */
    size_t n;
} stack;

static void at_builtin_error(void *self, const cs_error *e)
{
    stack *s = self;
    (void)e;
    if (s->frames == NULL) {
        s->frames = cs_traceback_frames(s->arena, s->traceback, &s->n);
    }
}

static void drop_line(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    (void)self;
    (void)file;
    (void)row;
    (void)line;
}

static void run_again(cs_server__request *r, stack *s)
{
    cs_server__eval *v = &r->eval;
    cs_server__worker *w = r->w;
    cs_server__request *current = w->current;
    bool builtin = v->err == CS_ERR_EVAL_BUILTIN || v->err == CS_ERR_EVAL_TYPE;
    cs_host host = w->strict_host;
    cs_error again = {0};
    cs_value nothing;
    cs_eval traced = v->spec;
    host.print = drop_line;
    traced.host = &host;
    traced.instrument = NULL;
    traced.tracer = cs_traceback_tracer(s->traceback);
    traced.builtin_error = builtin ? at_builtin_error : NULL;
    traced.builtin_error_self = s;
    w->current = r;
    w->probed = false;
    cs_err err = cs_query_run(cs_prepared_query(v->prepared), &traced, &nothing, &again);
    if (w->probed) {
        s->frames = NULL;
    } else if (!builtin && err == v->err) {
        s->frames = cs_traceback_frames(s->arena, s->traceback, &s->n);
    }
    w->probed = false;
    v->cancel = 0;
    w->current = current;
}

static cs_value place(cs_arena *a, cs_slice file, uint32_t row, uint32_t col)
{
    cs_value at = cs_object_new(a, 3);
    cs_object_put_text(a, at, "file", cs_string(file));
    cs_object_put_text(a, at, "row", cs_int(row));
    cs_object_put_text(a, at, "col", cs_int(col));
    return at;
}

cs_value cs_server__stack(cs_server__request *r, cs_value at)
{
    cs_arena *a = r->arena;
    cs_err err = r->eval.err;
    stack s = {.arena = a};
    bool told = err == CS_ERR_EVAL_BUILTIN || err == CS_ERR_EVAL_TYPE || err == CS_ERR_EVAL_CONFLICT ||
                err == CS_ERR_EVAL_WITH_MERGE;
    if (told && r->eval.prepared != NULL && !cs_arena_exceeded(a)) {
        s.traceback = cs_traceback_new(a);
        run_again(r, &s);
    }
    if (s.frames == NULL || s.n == 0) {
        cs_value frame = cs_object_new(a, 1);
        cs_object_put_text(a, frame, "location", at);
        return cs_array_copy(a, &frame, 1);
    }
    cs_value *list = cs_arena_array(a, cs_value, s.n);
    for (size_t i = 0; i < s.n; i++) {
        const cs_traceback_frame *f = &s.frames[i];
        list[i] = cs_object_new(a, 2);
        cs_object_put_text(a, list[i], "query_id", cs_int((int64_t)f->query_id));
        if (f->located) {
            cs_object_put_text(a, list[i], "location", place(a, f->file, f->row, f->col));
        }
    }
    return cs_array(list, (uint32_t)s.n);
}
