/* The expression that failed, as its author wrote it, and the values of its variables under their places. */
#include "rego/trace/internal.h"

enum { VALUE_MAX = 64 };

typedef struct shown {
    cs_slice title;
    cs_slice value; /* "undefined" when not known */
    bool known;
    cs_loc loc;
    uint32_t col;
} shown;

typedef struct showing {
    cs_arena *arena;
    const cs_trace__step *step;
    bool unknown_too; /* variables without a value are shown as undefined */
    CS_VEC(shown) list;
} showing;

/* ---- places in lines with tabs */

static bool is_tab(cs_loc loc, size_t col)
{
    if (!loc.source || col == 0 || col >= loc.col) {
        return false;
    }
    size_t start = loc.offset;
    const char *text = loc.source->text.p;
    while (start > 0 && text[start - 1] != '\n') {
        start--;
    }
    size_t at = 1;
    for (size_t i = start; i < loc.offset; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80) {
            if (at == col) {
                return text[i] == '\t';
            }
            at++;
        }
    }
    return false;
}

static bool has_tabs(cs_loc loc)
{
    for (uint32_t col = 1; col < loc.col; col++) {
        if (is_tab(loc, col)) {
            return true;
        }
    }
    return false;
}

static void print_padded(cs_buf *out, cs_loc loc)
{
    if (!loc.source) {
        return;
    }
    for (uint32_t col = 1; col < loc.col; col++) {
        cs_buf_byte(out, is_tab(loc, col) ? '\t' : ' ');
    }
    cs_buf_slice(out, cs_trace__source(loc));
}

/* ---- gathering */

static void show(showing *s, const shown *one, bool replace)
{
    for (size_t i = 0; i < s->list.n; i++) {
        if (cs_slice_eq(s->list.v[i].title, one->title)) {
            if (replace || !s->list.v[i].known) {
                s->list.v[i] = *one;
            }
            return;
        }
    }
    CS_VEC_PUSH_IN(s->arena, &s->list, *one);
}

static shown at_place(cs_slice name, cs_loc loc)
{
    cs_slice source = cs_trace__source(loc);
    return (shown){.title = source.n ? source : name, .value = CS_LIT("undefined"), .loc = loc, .col = loc.col};
}

/* x.a[i] with x and i known: the part of x's value, if the whole path is known and there. */
static bool select_local(const showing *s, cs_terms ref, cs_slice *text)
{
    if (ref.n < 2 || ref.v[0]->kind != CS_TERM_VAR) {
        return false;
    }
    const cs_trace__local *base = cs_trace__local_of(s->step, ref.v[0]->u.var);
    cs_value value;
    if (!base || !base->value || !cs_term_to_value(s->arena, base->value, &value)) {
        return false;
    }
    for (uint32_t i = 1; i < ref.n; i++) {
        const cs_term *part = ref.v[i];
        if (part->kind == CS_TERM_VAR) {
            const cs_trace__local *key = cs_trace__local_of(s->step, part->u.var);
            part = key ? key->value : NULL;
        }
        cs_value key;
        if (!part || !cs_term_to_value(s->arena, part, &key)) {
            return false;
        }
        value = cs_index(value, key);
        if (cs_is_undefined(value)) {
            return false;
        }
    }
    *text = cs_trace__value_text(s->arena, value);
    return true;
}

static void show_var(showing *s, const cs_term *t)
{
    const cs_trace__local *local = cs_trace__local_of(s->step, t->u.var);
    if (!local && !s->unknown_too) {
        return;
    }
    shown one = at_place(local ? cs_trace__name_of(local) : cs_sym_slice(t->u.var), t->loc);
    if (local && local->value) {
        one.known = true;
        one.value = cs_trace__term_text(s->arena, local->value);
    }
    show(s, &one, false);
}

static void show_term(showing *s, const cs_term *t);

static void show_terms(showing *s, cs_terms list, uint32_t from)
{
    for (uint32_t i = from; i < list.n; i++) {
        show_term(s, list.v[i]);
    }
}

/* Not the insides of comprehensions: they have been evaluated and their variables are gone. */
static void show_term(showing *s, const cs_term *t)
{
    if (!t) {
        return;
    }
    cs_slice text;
    switch (t->kind) {
    case CS_TERM_VAR:
        if (t->loc.source) {
            show_var(s, t);
        }
        break;
    case CS_TERM_REF:
        if (t->loc.source && select_local(s, t->u.list, &text)) {
            shown one = at_place(CS_LIT(""), t->loc);
            one.known = true;
            one.value = text;
            show(s, &one, false);
        }
        show_terms(s, t->u.list, 0);
        break;
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_TEMPLATE:
        show_terms(s, t->u.list, 0);
        break;
    case CS_TERM_CALL:
        show_terms(s, t->u.list, 1);
        break;
    case CS_TERM_SCALAR:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        break;
    }
}

static void show_expr(showing *s, const cs_expr *e)
{
    switch (e->kind) {
    case CS_EXPR_TERM:
        show_term(s, e->u.term);
        break;
    case CS_EXPR_CALL:
        show_terms(s, e->u.call, 1);
        break;
    case CS_EXPR_SOME:
        show_terms(s, e->u.some, 0);
        break;
    case CS_EXPR_EVERY:
        show_term(s, e->u.every.key);
        show_term(s, e->u.every.value);
        show_term(s, e->u.every.domain);
        for (uint32_t i = 0; i < e->u.every.body.n; i++) {
            show_expr(s, e->u.every.body.v[i]);
        }
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
    case CS_EXPR_NOT:
        for (uint32_t i = 0; i < e->u.logic.left.n; i++) {
            show_expr(s, e->u.logic.left.v[i]);
        }
        for (uint32_t i = 0; i < e->u.logic.right.n; i++) {
            show_expr(s, e->u.logic.right.v[i]);
        }
        break;
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        show_term(s, e->with[i].value);
    }
}

/* What one expression of the source has become in the stages: all statements that come of the same one. */
static const cs_expr *origin(const cs_expr *e)
{
    while (e->generated_from) {
        e = e->generated_from;
    }
    return e;
}

static void show_family(showing *s, const cs_expr *member, const cs_expr *but)
{
    if (member != but) {
        show_expr(s, member);
    }
    for (const cs_expr *child = member->generates; child; child = child->next_generated) {
        show_family(s, child, but);
    }
}

static void gather(showing *s, const cs_expr *e)
{
    for (uint32_t i = 0; i < s->step->n_documents; i++) {
        const cs_trace__document *d = &s->step->documents[i];
        shown one = at_place(cs_trace__term_text(s->arena, d->ref), d->ref->u.list.v[0]->loc);
        one.known = true;
        one.value = cs_trace__value_text(s->arena, d->value);
        show(s, &one, true);
    }
    s->unknown_too = !e->negated;
    show_expr(s, e);
    s->unknown_too = false;
    show_family(s, origin(e), e);
}

/* ---- printing */

static int compare_shown(const shown *x, const shown *y, bool by_title)
{
    if (!by_title && x->col != y->col) {
        return x->col < y->col ? -1 : 1;
    }
    if (!by_title && x->loc.row != y->loc.row) {
        return x->loc.row > y->loc.row ? -1 : 1;
    }
    return cs_slice_compare(x->title, y->title);
}

static void sort_shown(shown *v, size_t n, bool by_title)
{
    for (size_t i = 1; i < n; i++) {
        shown one = v[i];
        size_t k = i;
        for (; k > 0 && compare_shown(&v[k - 1], &one, by_title) > 0; k--) {
            v[k] = v[k - 1];
        }
        v[k] = one;
    }
}

/* One line under the source: bars at the columns of the first `n` variables, and the value of the last one if it is
 * its turn. */
static void print_arrows(cs_buf *out, cs_arena *a, const shown *v, size_t all, size_t n, bool value)
{
    size_t before = 0;
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        bool last = i + 1 == n;
        size_t col = v[i].col;
        if (!last && col == v[i + 1].col) {
            continue;
        }
        size_t spaces = first ? (col ? col - 1 : 0) : col > before ? col - before - 1 : 0;
        for (size_t k = 0; k < spaces; k++) {
            cs_buf_byte(out, is_tab(v[i].loc, k + before + 1) ? '\t' : ' ');
        }
        if (last && value) {
            if ((i > 0 && col == v[i - 1].col) || (i + 1 < all && col == v[i + 1].col)) {
                cs_buf_printf(out, "%.*s: ", CS_FMT(v[i].title));
            }
            cs_buf_slice(out, cs_trace__cut(a, v[i].value, VALUE_MAX));
        } else {
            cs_buf_byte(out, '|');
        }
        before = col;
        first = false;
    }
}

static void print_values(cs_buf *out, cs_arena *a, shown *v, size_t n)
{
    bool tabs = false, rows = false;
    for (size_t i = 0; i < n; i++) {
        tabs |= has_tabs(v[i].loc);
        rows |= v[i].loc.row != v[0].loc.row;
    }
    if (tabs && rows) {
        cs_buf_text(out, "\n\nWhere:\n");
        sort_shown(v, n, true);
        for (size_t i = 0; i < n; i++) {
            cs_buf_printf(out, "\n%.*s: ", CS_FMT(v[i].title));
            cs_buf_slice(out, cs_trace__cut(a, v[i].value, VALUE_MAX));
        }
        return;
    }
    sort_shown(v, n, false);
    if (n == 0) {
        return;
    }
    cs_buf_byte(out, '\n');
    print_arrows(out, a, v, n, n, false);
    for (size_t i = n; i-- > 0;) {
        cs_buf_byte(out, '\n');
        print_arrows(out, a, v, n, i + 1, true);
    }
}

static void print_indented(cs_buf *out, cs_slice text, size_t indent)
{
    bool start = true;
    for (size_t i = 0; i < text.n; i++) {
        for (size_t k = 0; start && k < indent; k++) {
            cs_buf_byte(out, ' ');
        }
        cs_buf_byte(out, text.p[i]);
        start = text.p[i] == '\n';
    }
}

static const cs_trace__step *last_failure(const cs_trace_view *view)
{
    for (size_t i = view->n; i-- > 0;) {
        const cs_trace__step *s = view->steps[i];
        if (s->op == CS_TRACE_FAIL && s->loc.source && s->query_id != 0 &&
            !(s->expr && s->expr->kind == CS_EXPR_EVERY)) {
            return s;
        }
    }
    return NULL;
}

void cs_trace_print_failure(cs_buf *out, cs_arena *a, const cs_trace_view *view, bool variables, size_t indent)
{
    const cs_trace__step *s = last_failure(view);
    print_indented(out, CS_LIT("\n"), indent);
    if (!s) {
        return;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_printf(&text, "%.*s:%u:\n", CS_FMT(s->loc.source->file), s->loc.row);
    print_indented(out, cs_buf_view(&text), indent + 2);
    cs_buf_clear(&text);
    if (!variables) {
        print_padded(&text, s->loc);
        cs_buf_byte(&text, '\n');
    } else if (s->expr) {
        showing all = {.arena = a, .step = s};
        gather(&all, s->expr);
        print_padded(&text, origin(s->expr)->loc);
        print_values(&text, a, all.list.v, all.list.n);
    }
    print_indented(out, cs_buf_view(&text), indent + 4);
    print_indented(out, CS_LIT("\n"), indent);
    cs_buf_destroy(&text);
}
