/* Types side by side in an error. What does not fit a line is cut to where the two differ, as OPA cuts it
 * (v1/ast/check_elide.go): equal parts are dropped or become "...". */
#include "rego/compile/types.h"

enum {
    LINE = 80,       /* columns above which a line is cut */
    SHORT_TYPE = 32, /* a type of so many columns is never cut */
    DEEPEST = 8      /* levels that are compared */
};

/* Texts are made in the scratch arena: an error is rare, and its lines are short. */
typedef struct elider {
    cs_compiler *c;
} elider;

typedef struct pair {
    const char *left, *right;
} pair;

/* Pieces with commas between. */
typedef struct pieces {
    elider *e;
    const char *text;
} pieces;

static size_t columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        n += ((unsigned char)*text & 0xC0U) != 0x80U;
    }
    return n;
}

static const char *whole(elider *e, const cs_type *t)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_type_print(&b, t);
    const char *text = cs_arena_dup(&e->c->scratch, b.n ? b.p : "", b.n);
    cs_buf_destroy(&b);
    return text;
}

static void piece(pieces *p, const char *text)
{
    p->text = p->text ? cs_arena_printf(&p->e->c->scratch, NULL, "%s, %s", p->text, text) : text;
}

static const char *property(elider *e, cs_value key, const char *type)
{
    cs_buf b;
    cs_buf_init(&b);
    if (key.kind == CS_STRING) {
        cs_buf_slice(&b, cs_text(key));
    } else {
        cs_value_print(&b, key);
    }
    cs_buf_printf(&b, ": %s", type);
    const char *text = cs_arena_dup(&e->c->scratch, b.p, b.n);
    cs_buf_destroy(&b);
    return text;
}

static const char *composite(elider *e, const char *kind, const char *list, const char *dynamic)
{
    return cs_arena_printf(&e->c->scratch, NULL, "%s%s%s%s%s%s%s", kind, list ? "<" : "", list ? list : "",
                           list ? ">" : "", dynamic ? "[" : "", dynamic ? dynamic : "", dynamic ? "]" : "");
}

static const char *joined(elider *e, const char *a, const char *between, const char *b)
{
    return cs_arena_printf(&e->c->scratch, NULL, "%s%s%s", a, between, b);
}

/* ---- one type, down to `depth` levels beneath its own */
static const char *cut(elider *e, const cs_type *t, int depth);

static const char *cut_list(elider *e, const cs_type *t, int depth, bool with_keys)
{
    pieces p = {e, NULL};
    if (depth == 0 && t->n) {
        return "...";
    }
    for (uint32_t i = 0; i < t->n; i++) {
        const char *text = cut(e, t->of[i], depth - 1);
        piece(&p, with_keys ? property(e, t->keys[i], text) : text);
    }
    return p.text;
}

static const char *cut_function(elider *e, const cs_type *t, int depth)
{
    pieces p = {e, NULL};
    if (depth == 0) {
        const char *args = t->n || t->variadic ? "..." : "";
        return cs_arena_printf(&e->c->scratch, NULL, "(%s) => %s", args, t->dynamic ? "..." : "???");
    }
    for (uint32_t i = 0; i < t->n; i++) {
        piece(&p, cut(e, cs_type_unnamed(t->of[i]), depth - 1));
    }
    if (t->variadic) {
        piece(&p, joined(e, cut(e, cs_type_unnamed(t->variadic), depth - 1), "...", ""));
    }
    const char *result = cut(e, cs_type_unnamed(t->dynamic), depth - 1);
    return cs_arena_printf(&e->c->scratch, NULL, "(%s) => %s", p.text ? p.text : "", result);
}

static const char *cut(elider *e, const cs_type *t, int depth)
{
    if (depth < 0 || !t || t == &cs_type_nil) {
        return whole(e, t);
    }
    switch (t->kind) {
    case CS_TYPE_NAMED:
        return cs_arena_printf(&e->c->scratch, NULL, "%.*s: %s", CS_FMT(t->name), cut(e, t->dynamic, depth));
    case CS_TYPE_SET:
        return t->dynamic ? composite(e, "set", NULL, depth ? cut(e, t->dynamic, depth - 1) : "...") : whole(e, t);
    case CS_TYPE_ARRAY: {
        const char *dynamic = t->dynamic ? depth ? cut(e, t->dynamic, depth - 1) : "..." : NULL;
        return composite(e, "array", cut_list(e, t, depth, false), dynamic);
    }
    case CS_TYPE_OBJECT: {
        const char *dynamic = NULL;
        if (t->dynamic) {
            dynamic = depth ? joined(e, cut(e, t->key, depth - 1), ": ", cut(e, t->dynamic, depth - 1)) : "...";
        }
        return composite(e, "object", cut_list(e, t, depth, true), dynamic);
    }
    case CS_TYPE_ANY:
        return composite(e, "any", cut_list(e, t, depth, false), NULL);
    case CS_TYPE_FUNCTION:
        return cut_function(e, t, depth);
    case CS_TYPE_NULL:
    case CS_TYPE_BOOL:
    case CS_TYPE_NUMBER:
    case CS_TYPE_STRING:
    case CS_TYPE_RECURSIVE:
        break;
    }
    return whole(e, t);
}

static const char *elide(elider *e, const cs_type *t)
{
    const char *full = whole(e, t);
    return columns(full) <= SHORT_TYPE ? full : cut(e, t, 0);
}

/* ---- two types */
static pair differ(elider *e, const cs_type *a, const cs_type *b, int depth);

static bool looks_same(elider *e, const cs_type *a, const cs_type *b)
{
    return strcmp(whole(e, a), whole(e, b)) == 0;
}

static pair differ_arrays(elider *e, const cs_type *a, const cs_type *b, int depth)
{
    if (a->n != b->n || !a->dynamic != !b->dynamic) {
        return (pair){cut(e, a, 1), cut(e, b, 1)};
    }
    pieces left = {e, NULL};
    pieces right = {e, NULL};
    for (uint32_t i = 0; i < a->n; i++) {
        pair p = differ(e, a->of[i], b->of[i], depth + 1);
        piece(&left, p.left);
        piece(&right, p.right);
    }
    pair dynamic = {NULL, NULL};
    if (a->dynamic) {
        dynamic = differ(e, a->dynamic, b->dynamic, depth + 1);
    }
    return (pair){composite(e, "array", left.text, dynamic.left), composite(e, "array", right.text, dynamic.right)};
}

static pair differ_dynamics(elider *e, const cs_type *a, const cs_type *b, int depth)
{
    if (a->dynamic && b->dynamic) {
        pair key = differ(e, a->key, b->key, depth + 1);
        pair value = differ(e, a->dynamic, b->dynamic, depth + 1);
        return (pair){joined(e, key.left, ": ", value.left), joined(e, key.right, ": ", value.right)};
    }
    return (pair){a->dynamic ? joined(e, elide(e, a->key), ": ", elide(e, a->dynamic)) : NULL,
                  b->dynamic ? joined(e, elide(e, b->key), ": ", elide(e, b->dynamic)) : NULL};
}

/* Both are in the order of their keys. Equal values say nothing about why the two are reported, and are dropped. */
static pair differ_objects(elider *e, const cs_type *a, const cs_type *b, int depth)
{
    pieces left = {e, NULL};
    pieces right = {e, NULL};
    bool dropped = false;
    for (uint32_t i = 0, j = 0; i < a->n || j < b->n;) {
        int c = j == b->n ? -1 : i == a->n ? 1 : cs_compare(a->keys[i], b->keys[j]);
        if (c < 0) {
            piece(&left, property(e, a->keys[i], elide(e, a->of[i])));
        } else if (c > 0) {
            piece(&right, property(e, b->keys[j], elide(e, b->of[j])));
        } else if (looks_same(e, a->of[i], b->of[j])) {
            dropped = true;
        } else {
            pair p = differ(e, a->of[i], b->of[j], depth + 1);
            piece(&left, property(e, a->keys[i], p.left));
            piece(&right, property(e, b->keys[j], p.right));
        }
        i += c <= 0;
        j += c >= 0;
    }
    if (dropped) {
        piece(&left, "...");
        piece(&right, "...");
    }
    pair dynamic = differ_dynamics(e, a, b, depth);
    return (pair){composite(e, "object", left.text, dynamic.left), composite(e, "object", right.text, dynamic.right)};
}

static bool has_type(elider *e, const cs_type *any, const cs_type *t)
{
    for (uint32_t i = 0; i < any->n; i++) {
        if (looks_same(e, any->of[i], t)) {
            return true;
        }
    }
    return false;
}

static pair differ_unions(elider *e, const cs_type *a, const cs_type *b)
{
    pieces left = {e, NULL};
    pieces right = {e, NULL};
    bool dropped = false;
    for (uint32_t i = 0; i < a->n; i++) {
        if (has_type(e, b, a->of[i])) {
            dropped = true;
        } else {
            piece(&left, elide(e, a->of[i]));
        }
    }
    for (uint32_t i = 0; i < b->n; i++) {
        if (!has_type(e, a, b->of[i])) {
            piece(&right, elide(e, b->of[i]));
        }
    }
    if (dropped) {
        piece(&left, "...");
        piece(&right, "...");
    }
    return (pair){composite(e, "any", left.text, NULL), composite(e, "any", right.text, NULL)};
}

static pair differ(elider *e, const cs_type *a, const cs_type *b, int depth)
{
    if (a && a->kind == CS_TYPE_NAMED) {
        pair p = differ(e, a->dynamic, b, depth);
        return (pair){cs_arena_printf(&e->c->scratch, NULL, "%.*s: %s", CS_FMT(a->name), p.left), p.right};
    }
    if (b && b->kind == CS_TYPE_NAMED) {
        pair p = differ(e, a, b->dynamic, depth);
        return (pair){p.left, cs_arena_printf(&e->c->scratch, NULL, "%.*s: %s", CS_FMT(b->name), p.right)};
    }
    if (depth < DEEPEST && a && b && a->kind == b->kind && !looks_same(e, a, b)) {
        if (a->kind == CS_TYPE_SET && a->dynamic && b->dynamic) {
            pair p = differ(e, a->dynamic, b->dynamic, depth + 1);
            return (pair){composite(e, "set", NULL, p.left), composite(e, "set", NULL, p.right)};
        }
        if (a->kind == CS_TYPE_ARRAY) {
            return differ_arrays(e, a, b, depth);
        }
        if (a->kind == CS_TYPE_OBJECT) {
            return differ_objects(e, a, b, depth);
        }
        if (a->kind == CS_TYPE_ANY) {
            return differ_unions(e, a, b);
        }
    }
    return (pair){elide(e, a), elide(e, b)};
}

/* ---- lines */
void cs_elide__pair(cs_type_checker *tc, cs_buf *out, const cs_type *left, const cs_type *right)
{
    elider e = {tc->c};
    pair p = {whole(&e, left), whole(&e, right)};
    size_t label = strlen("left  : ");
    if (columns(p.left) + label > LINE || columns(p.right) + label > LINE) {
        p = differ(&e, left, right, 0);
    }
    cs_buf_printf(out, "left  : %s\nright : %s", p.left, p.right);
}

static void cut_arguments(elider *e, cs_type_checker *tc, cs_buf *out, const cs_type *have, const cs_type *want)
{
    pieces left = {e, NULL};
    pieces right = {e, NULL};
    for (uint32_t i = 0; i < have->n || i < want->n; i++) {
        const cs_type *x = i < have->n ? have->of[i] : NULL;
        const cs_type *y = i < want->n ? want->of[i] : NULL;
        pair p = {elide(e, x), elide(e, y)};
        /* What the function would have taken is not what the error is about. */
        if (i < have->n && i < want->n && !(x && y && cs_types__unifies(tc, x, y))) {
            p = differ(e, x, y, 0);
        }
        if (i < have->n) {
            piece(&left, p.left);
        }
        if (i < want->n) {
            piece(&right, p.right);
        }
    }
    if (want->variadic) {
        piece(&right, joined(e, elide(e, want->variadic), "...", ""));
    }
    cs_buf_printf(out, "have: (%s)\nwant: (%s)", left.text ? left.text : "", right.text ? right.text : "");
}

void cs_elide__arguments(cs_type_checker *tc, cs_buf *out, const cs_type *have, const cs_type *want)
{
    elider e = {tc->c};
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_text(&b, "have: ");
    cs_type_print_args(&b, have, false);
    size_t have_columns = columns(cs_buf_cstr(&b));
    size_t from = b.n + 1;
    cs_buf_text(&b, "\nwant: ");
    cs_type_print_args(&b, want, true);
    if (have_columns > LINE || columns(cs_buf_cstr(&b) + from) > LINE) {
        cut_arguments(&e, tc, out, have, want);
    } else {
        cs_buf_slice(out, cs_buf_view(&b));
    }
    cs_buf_destroy(&b);
}
