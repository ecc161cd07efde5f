/* Tracebacks: for each query that is being evaluated, the expression that it has come to. */
#include "countersign/base/utf8.h"
#include "rego/trace/internal.h"

enum { TEXT_MAX = 80, VALUE_MAX = 80 };

typedef struct known {
    cs_loc loc; /* of the variable */
    cs_slice value;
} known;

typedef struct query {
    uint64_t id, parent_id;
    const cs_expr *expr; /* NULL before the first */
    CS_VEC(known) values;
} query;

struct cs_traceback {
    cs_arena *arena;
    cs_tracer tracer;
    CS_VEC(query) open; /* from the outermost in; queries that have been left stay until others take their place */
    uint64_t last;      /* the query of the last event */
    bool last_left;     /* and whether it was its exit */
};

static query *find(cs_traceback *t, uint64_t id)
{
    for (size_t i = t->open.n; i-- > 0;) {
        if (t->open.v[i].id == id) {
            return &t->open.v[i];
        }
    }
    return NULL;
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
    query *q;
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
                CS_VEC_PUSH_IN(r->t->arena, &r->q->values, one);
            }
        }
    }
}

static void follow(void *self, const cs_trace_event *event)
{
    cs_traceback *t = self;
    t->last = event->query_id;
    t->last_left = event->op == CS_TRACE_EXIT;
    query *q = find(t, event->query_id);
    if (!q) {
        /* Its siblings are done with, and so is all that stands in them. */
        while (t->open.n > 0 && event->parent_id != event->query_id &&
               t->open.v[t->open.n - 1].id != event->parent_id) {
            t->open.n--;
        }
        query fresh = {.id = event->query_id, .parent_id = event->parent_id};
        CS_VEC_PUSH_IN(t->arena, &t->open, fresh);
        q = &t->open.v[t->open.n - 1];
    }
    bool step = event->op == CS_TRACE_EVAL || event->op == CS_TRACE_REDO;
    if (!step || !event->expr) {
        return;
    }
    q->expr = event->expr;
    q->values.n = 0;
    if (event->frame) {
        cs_trace__terms terms = {0};
        read_vars(t->arena, &terms, event->expr);
        reading r = {t, q, &terms};
        cs_trace_locals(event, keep_value, &r);
    }
}

cs_traceback *cs_traceback_new(cs_arena *a)
{
    cs_traceback *t = cs_arena_new(a, cs_traceback);
    t->arena = a;
    t->tracer = (cs_tracer){.self = t, .event = follow};
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
    size_t at = 0;
    for (;;) {
        const known *next = NULL;
        for (size_t i = 0; i < q->values.n; i++) {
            const known *v = &q->values.v[i];
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

static cs_traceback_frame frame_of(cs_arena *a, const query *q)
{
    cs_traceback_frame f = {.query_id = q->id, .text = CS_LIT("<unknown>")};
    if (!q->expr || !q->expr->loc.source) {
        return f;
    }
    cs_loc loc = q->expr->loc;
    f.located = true;
    f.file = loc.source->file;
    f.row = loc.row;
    f.col = loc.col;
    f.source = cs_trace__source(loc);
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

const cs_traceback_frame *cs_traceback_frames(cs_arena *a, const cs_traceback *t, cs_err code, size_t *n)
{
    CS_VEC(cs_traceback_frame) frames = {0};
    uint64_t id = t->last;
    bool skip = code == CS_ERR_EVAL_CONFLICT && t->last_left;
    for (size_t i = t->open.n; i-- > 0;) {
        const query *q = &t->open.v[i];
        if (q->id != id) {
            continue;
        }
        id = q->parent_id;
        if (skip) {
            /* Two definitions of a document differ: their caller finds out. */
            skip = false;
            continue;
        }
        cs_traceback_frame f = frame_of(a, q);
        CS_VEC_PUSH_IN(a, &frames, f);
    }
    *n = frames.n;
    return frames.v;
}
