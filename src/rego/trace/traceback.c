/* Tracebacks: for each query that is being evaluated, the expression that it has come to. */
#include "countersign/base/utf8.h"
#include "rego/trace/internal.h"

enum { TEXT_MAX = 80, VALUE_MAX = 80 };

typedef struct known {
    cs_loc loc; /* of the variable */
    cs_slice value;
} known;

typedef CS_VEC(known) values;

typedef struct query {
    bool entered;
    uint64_t parent_id;
    const cs_expr *expr;  /* NULL before the first */
    CS_VEC(values) known; /* by the expressions' places in the body: what was bound when each was come to */
} query;

/* What a query would be at if the evaluation went on: an error lets all queries tell of their last expressions once
 * more on its way out, and by then it has happened. */
typedef struct pending {
    uint64_t id;
    const cs_expr *expr;
} pending;

struct cs_traceback {
    cs_arena *arena;
    cs_tracer tracer;
    CS_VEC(query) queries; /* by their ids, which are dense */
    CS_VEC(pending) pending;
    uint64_t last; /* the query of the last event that counts */
    bool failed;   /* the frames are those of the error */
    const cs_traceback_frame *frames;
    size_t n;
};

static query *find(cs_traceback *t, uint64_t id)
{
    static const query none = {0};
    while (t->queries.n <= id) {
        CS_VEC_PUSH_IN(t->arena, &t->queries, none);
    }
    return &t->queries.v[id];
}

/* The variables that an expression reads: not what an every declares, not the insides of comprehensions. */
static void read_vars(cs_arena *a, cs_trace__terms *out, const cs_expr *e);

static void read_term(cs_arena *a, cs_trace__terms *out, const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_VAR:
        CS_VEC_PUSH_IN(a, out, t);
        break;
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_CALL:
        for (uint32_t i = t->kind == CS_TERM_CALL; i < t->u.list.n; i++) {
            read_term(a, out, t->u.list.v[i]);
        }
        break;
    case CS_TERM_SCALAR:
    case CS_TERM_TEMPLATE:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        break;
    }
}

static void read_vars(cs_arena *a, cs_trace__terms *out, const cs_expr *e)
{
    if (e->kind == CS_EXPR_TERM) {
        read_term(a, out, e->u.term);
    } else if (e->kind == CS_EXPR_CALL) {
        for (uint32_t i = 1; i < e->u.call.n; i++) {
            read_term(a, out, e->u.call.v[i]);
        }
    } else if (e->kind == CS_EXPR_EVERY) {
        read_term(a, out, e->u.every.domain);
        for (uint32_t i = 0; i < e->u.every.body.n; i++) {
            read_vars(a, out, e->u.every.body.v[i]);
        }
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        read_term(a, out, e->with[i].value);
    }
}

typedef struct reading {
    cs_traceback *t;
    values *out;
    const cs_trace__terms *terms;
} reading;

static void keep_value(void *self, const cs_term *var, const cs_term *value, cs_slice written, cs_loc loc)
{
    reading *r = self;
    (void)written;
    (void)loc;
    if (!value) {
        return;
    }
    cs_slice text = CS_LIT("");
    for (size_t i = 0; i < r->terms->n; i++) {
        const cs_term *term = r->terms->v[i];
        if (term->loc.source && term->u.var->n == var->u.var->n &&
            memcmp(term->u.var->s, var->u.var->s, var->u.var->n) == 0) {
            text = text.n ? text : cs_trace__term_text(r->t->arena, value);
            known one = {term->loc, text};
            if (text.n <= VALUE_MAX) {
                CS_VEC_PUSH_IN(r->t->arena, r->out, one);
            }
        }
    }
}

static void read_values(cs_traceback *t, const cs_trace_event *event, values *out)
{
    out->n = 0;
    if (event->frame) {
        cs_trace__terms terms = {0};
        read_vars(t->arena, &terms, event->expr);
        reading r = {t, out, &terms};
        cs_trace_locals(event, keep_value, &r);
    }
}

static void settle(cs_traceback *t)
{
    for (size_t i = 0; i < t->pending.n; i++) {
        find(t, t->pending.v[i].id)->expr = t->pending.v[i].expr;
    }
    t->pending.n = 0;
}

static void follow(void *self, const cs_trace_event *event)
{
    cs_traceback *t = self;
    if (t->failed) {
        return;
    }
    if (event->op == CS_TRACE_REDO) {
        if (event->expr) {
            pending one = {.id = event->query_id, .expr = event->expr};
            CS_VEC_PUSH_IN(t->arena, &t->pending, one);
        }
        return;
    }
    settle(t);
    t->last = event->query_id;
    query *q = find(t, event->query_id);
    q->entered = true;
    q->parent_id = event->parent_id;
    if (event->op == CS_TRACE_EVAL && event->expr) {
        q->expr = event->expr;
        static const values none = {0};
        while (q->known.n <= event->expr->index) {
            CS_VEC_PUSH_IN(t->arena, &q->known, none);
        }
        read_values(t, event, &q->known.v[event->expr->index]);
    }
}

static void fail(void *self)
{
    cs_traceback *t = self;
    if (!t->failed) {
        settle(t);
        t->frames = cs_traceback_frames(t->arena, t, &t->n);
        t->failed = true;
    }
}

cs_traceback *cs_traceback_new(cs_arena *a)
{
    cs_traceback *t = cs_arena_new(a, cs_traceback);
    t->arena = a;
    t->tracer = (cs_tracer){.self = t, .event = follow, .failed = fail};
    return t;
}

const cs_tracer *cs_traceback_tracer(cs_traceback *t)
{
    return &t->tracer;
}

/* ---- texts */

/* The source of the expression with the values of its variables in their places. */
static void print_source(cs_buf *out, const query *q)
{
    cs_loc loc = q->expr->loc;
    cs_slice source = cs_trace__source(loc);
    static const values none = {0};
    const values *bound = q->expr->index < q->known.n ? &q->known.v[q->expr->index] : &none;
    size_t at = 0;
    for (;;) {
        const known *next = NULL;
        for (size_t i = 0; i < bound->n; i++) {
            const known *v = &bound->v[i];
            bool inside = v->loc.source == loc.source && v->loc.offset >= loc.offset + at && v->loc.length > 0 &&
                          v->loc.offset + v->loc.length <= loc.offset + source.n;
            if (inside && (!next || v->loc.offset < next->loc.offset)) {
                next = v;
            }
        }
        if (!next) {
            break;
        }
        size_t start = next->loc.offset - loc.offset;
        cs_buf_slice(out, cs_slice_sub(source, at, start));
        cs_buf_slice(out, next->value);
        at = start + next->loc.length;
    }
    cs_buf_slice(out, cs_slice_sub(source, at, source.n));
}

/* On one line, at most 80 characters. */
static void print_short(cs_buf *out, cs_slice text)
{
    size_t runes = 0;
    bool space = false, any = false;
    for (size_t i = 0, width; i < text.n; i += width) {
        uint32_t rune = cs_utf8_decode(text.p + i, text.n - i, &width);
        if (cs_utf8_is_space(rune)) {
            space = any;
            continue;
        }
        for (int k = space ? 0 : 1; k < 2; k++) {
            if (runes++ == TEXT_MAX) {
                cs_buf_text(out, "...");
                return;
            }
            if (k == 0) {
                cs_buf_byte(out, ' ');
            }
        }
        cs_buf_put(out, text.p + i, width);
        space = false;
        any = true;
    }
}

static cs_traceback_frame frame_of(cs_arena *a, uint64_t id, const query *q)
{
    cs_traceback_frame f = {.query_id = id, .text = CS_LIT("<unknown>")};
    if (!q->expr || !q->expr->loc.source) {
        return f;
    }
    cs_loc loc = q->expr->loc;
    f.located = true;
    f.file = cs_slice_make(cs_arena_dup(a, loc.source->file.p, loc.source->file.n), loc.source->file.n);
    f.row = loc.row;
    f.col = loc.col;
    cs_slice source = cs_trace__source(loc);
    f.source = cs_slice_make(cs_arena_dup(a, source.p, source.n), source.n);
    cs_buf text, whole;
    cs_buf_init(&text);
    cs_buf_init(&whole);
    print_source(&whole, q);
    if (f.file.n) {
        cs_buf_printf(&text, "%.*s:%u", CS_FMT(f.file), f.row);
    } else {
        cs_buf_printf(&text, "%u:%u", f.row, f.col);
    }
    cs_slice plain = cs_slice_trim(cs_buf_view(&whole));
    if (plain.n) {
        cs_buf_text(&text, ": ");
        print_short(&text, plain);
    }
    f.text = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
    cs_buf_destroy(&text);
    cs_buf_destroy(&whole);
    return f;
}

const cs_traceback_frame *cs_traceback_frames(cs_arena *a, const cs_traceback *t, size_t *n)
{
    CS_VEC(cs_traceback_frame) frames = {0};
    uint64_t id = t->last;
    if (t->failed) {
        *n = t->n;
        return t->frames;
    }
    while (id < t->queries.n && t->queries.v[id].entered) {
        const query *q = &t->queries.v[id];
        cs_traceback_frame f = frame_of(a, id, q);
        CS_VEC_PUSH_IN(a, &frames, f);
        if (q->parent_id >= id) {
            break; /* the outermost query is its own parent */
        }
        id = q->parent_id;
    }
    *n = frames.n;
    return frames.v;
}
