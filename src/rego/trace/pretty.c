/* Explanations as text: columns for the place, the event behind bars for its depth, and values. */
#include "countersign/base/utf8.h"
#include "rego/trace/internal.h"

enum { PADDING = 4, IDEAL_LOCATION = 64, VALUE_MAX = 32 };

/* ---- places: long paths lose a part that all files share */

typedef struct places {
    cs_arena *arena;
    CS_VEC(cs_slice) files;
    cs_slice shared; /* what "..." stands for; "" = nothing */
} places;

static size_t digits(uint32_t n)
{
    size_t count = 1;
    for (; n >= 10; n /= 10) {
        count++;
    }
    return count;
}

/* The folder of a path behind its first part. */
static cs_slice folder_of(cs_slice path)
{
    size_t end = path.n;
    while (end > 0 && path.p[end - 1] != '/') {
        end--;
    }
    cs_slice dir = end > 1 ? cs_slice_sub(path, 0, end - 1) : end == 1 ? CS_LIT("") : CS_LIT(".");
    if (dir.n > 0 && dir.p[0] == '/') {
        dir = cs_slice_sub(dir, 1, dir.n);
    }
    size_t slash = cs_slice_find_byte(dir, '/', 0);
    return slash != SIZE_MAX && slash > 0 ? cs_slice_sub(dir, slash + 1, dir.n) : dir;
}

static bool in_all(const places *p, cs_slice part)
{
    for (size_t i = 0; i < p->files.n; i++) {
        if (cs_slice_find(folder_of(p->files.v[i]), part, 0) == SIZE_MAX) {
            return false;
        }
    }
    return true;
}

/* The longest text that stands in the folders of all files; of several the first in order. */
static cs_slice longest_shared(const places *p)
{
    cs_slice first = folder_of(p->files.v[0]);
    if (p->files.n == 1) {
        return first;
    }
    for (size_t n = first.n; n > 0; n--) {
        cs_slice best = CS_LIT("");
        for (size_t at = 0; at + n <= first.n; at++) {
            cs_slice part = cs_slice_sub(first, at, at + n);
            if ((best.n == 0 || cs_slice_compare(part, best) < 0) && in_all(p, part)) {
                best = part;
            }
        }
        if (best.n) {
            return best;
        }
    }
    return CS_LIT("");
}

static void find_shared(places *p, size_t longest)
{
    if (p->files.n == 0 || longest <= IDEAL_LOCATION) {
        return;
    }
    cs_slice shared = longest_shared(p);
    int64_t spare = (int64_t)IDEAL_LOCATION - ((int64_t)longest - (int64_t)shared.n + 3);
    if (spare > 0) {
        shared = spare > (int64_t)shared.n ? CS_LIT("") : cs_slice_sub(shared, 0, shared.n - (size_t)spare);
    }
    p->shared = shared.n > 3 ? shared : CS_LIT("");
}

static cs_slice file_of(cs_loc loc)
{
    return loc.source ? loc.source->file : CS_LIT("");
}

static void gather_files(places *p, const cs_trace_view *view)
{
    size_t longest = 0;
    for (size_t i = 0; i < view->n; i++) {
        cs_loc loc = view->steps[i]->loc;
        cs_slice file = file_of(loc);
        size_t width = (file.n ? file.n : strlen("query")) + 1 + digits(loc.row);
        longest = loc.source && width > longest ? width : longest;
        bool known = file.n == 0;
        for (size_t k = 0; k < p->files.n && !known; k++) {
            known = cs_slice_eq(p->files.v[k], file);
        }
        if (!known) {
            CS_VEC_PUSH_IN(p->arena, &p->files, file);
        }
    }
    find_shared(p, longest);
}

static cs_slice place_text(const places *p, cs_loc loc)
{
    if (!loc.source) {
        return CS_LIT("");
    }
    cs_slice file = file_of(loc);
    size_t n, at = p->shared.n ? cs_slice_find(file, p->shared, 0) : SIZE_MAX;
    const char *text;
    if (file.n == 0) {
        text = cs_arena_printf(p->arena, &n, "query:%u", loc.row);
    } else if (at == SIZE_MAX) {
        text = cs_arena_printf(p->arena, &n, "%.*s:%u", CS_FMT(file), loc.row);
    } else {
        cs_slice rest = cs_slice_sub(file, at + p->shared.n, file.n);
        text = cs_arena_printf(p->arena, &n, "%.*s...%.*s:%u", (int)at, file.p, CS_FMT(rest), loc.row);
    }
    return cs_slice_make(text, n);
}

/* ---- depths: a query stands one deeper than its parent */

typedef struct depths {
    uint32_t *of;
    uint64_t n;
} depths;

static uint32_t depth_of(depths *d, const cs_trace__step *s)
{
    if (d->of[s->query_id] == 0) {
        d->of[s->query_id] = d->of[s->parent_id] + 1;
    }
    return d->of[s->query_id];
}

static depths make_depths(cs_arena *a, const cs_trace_view *view)
{
    depths d = {.n = 1};
    for (size_t i = 0; i < view->n; i++) {
        uint64_t top =
            view->steps[i]->query_id > view->steps[i]->parent_id ? view->steps[i]->query_id : view->steps[i]->parent_id;
        d.n = top >= d.n ? top + 1 : d.n;
    }
    d.of = cs_arena_array(a, uint32_t, d.n);
    return d;
}

/* ---- rows */

static cs_slice event_text(cs_arena *a, const cs_trace__step *s, uint32_t depth)
{
    cs_buf b;
    cs_buf_init(&b);
    bool outer = s->op == CS_TRACE_ENTER || (s->op == CS_TRACE_REDO && !s->expr);
    for (uint32_t i = outer ? 1 : 0; i < depth; i++) {
        cs_buf_text(&b, "| ");
    }
    cs_buf_text(&b, cs_trace__op_name(s->op));
    cs_buf_byte(&b, ' ');
    if (s->op == CS_TRACE_NOTE) {
        cs_buf_printf(&b, "\"%.*s\"", CS_FMT(s->message));
    } else {
        cs_trace__print_node(&b, a, s);
        if (s->message.n) {
            cs_buf_byte(&b, ' ');
            cs_buf_slice(&b, s->message);
        }
    }
    cs_slice text = cs_slice_make(cs_arena_dup(a, cs_buf_view(&b).p, b.n), b.n);
    cs_buf_destroy(&b);
    return text;
}

static cs_slice values_text(cs_arena *a, const cs_trace__step *s)
{
    size_t n;
    const cs_trace__value *values = cs_trace__node_values(a, s, &n);
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_byte(&b, '{');
    for (size_t i = 0; i < n; i++) {
        cs_buf_text(&b, i ? ", " : "");
        cs_buf_slice(&b, values[i].name);
        cs_buf_text(&b, ": ");
        cs_buf_slice(&b, cs_trace__cut(a, values[i].text, VALUE_MAX));
    }
    cs_buf_byte(&b, '}');
    cs_slice text = cs_slice_make(cs_arena_dup(a, b.p, b.n), b.n);
    cs_buf_destroy(&b);
    return text;
}

typedef struct trace_row {
    cs_slice cells[3];
} trace_row;

static void blanks(cs_buf *out, size_t n)
{
    memset(cs_buf_room(out, n), ' ', n);
    out->n += n;
}

/* A cell and the blanks behind it; a line that begins within is indented. */
static void print_cell(cs_buf *out, cs_slice cell, size_t padding, size_t indent)
{
    cs_slice rest = cell, line;
    while (cs_slice_find_byte(rest, '\n', 0) != SIZE_MAX) {
        (void)cs_slice_next(&rest, '\n', &line);
        cs_buf_slice(out, line);
        cs_buf_byte(out, '\n');
        blanks(out, rest.n > 0 || padding > 0 ? indent : 0);
    }
    cs_buf_slice(out, rest);
    blanks(out, padding);
}

/* The indent stands in front of each column and of the line's end: OPA's writer adds it to every piece it is given. */
static void print_row(cs_buf *out, const trace_row *row, const size_t *widths, size_t columns, size_t indent)
{
    for (size_t i = 0; i < columns; i++) {
        blanks(out, indent);
        bool last = i + 1 == columns;
        print_cell(out, row->cells[i], last ? 0 : widths[i] + PADDING - cs_utf8_count(row->cells[i]) + 1, indent);
    }
    blanks(out, indent);
    cs_buf_byte(out, '\n');
}

void cs_trace_print(cs_buf *out, cs_arena *a, const cs_trace_view *view, const cs_trace_style *style)
{
    places p = {.arena = a};
    size_t widths[3] = {0};
    trace_row *rows = cs_arena_array(a, trace_row, view->n + 1);
    depths d = make_depths(a, view);
    if (style->locations) {
        gather_files(&p, view);
    }
    size_t columns = 0;
    for (size_t i = 0; i < view->n; i++) {
        const cs_trace__step *s = view->steps[i];
        columns = 0;
        uint32_t depth = depth_of(&d, s);
        if (style->locations) {
            rows[i].cells[columns++] = place_text(&p, s->loc);
        }
        rows[i].cells[columns++] = event_text(a, s, depth);
        if (style->variables) {
            rows[i].cells[columns++] = values_text(a, s);
        }
        for (size_t k = 0; k < columns; k++) {
            widths[k] = rows[i].cells[k].n > widths[k] ? rows[i].cells[k].n : widths[k];
        }
    }
    for (size_t i = 0; i < view->n; i++) {
        print_row(out, &rows[i], widths, columns, style->indent);
    }
}

cs_value cs_trace_to_lines(cs_arena *a, const cs_trace_view *view)
{
    CS_VEC(cs_value) lines = {0};
    cs_buf b;
    cs_buf_init(&b);
    cs_trace_print(&b, a, view, &(cs_trace_style){.locations = true});
    cs_slice rest = cs_slice_make(cs_arena_dup(a, cs_buf_view(&b).p, b.n), b.n), line;
    cs_buf_destroy(&b);
    while (rest.n && rest.p[rest.n - 1] == '\n') {
        rest.n--;
    }
    while (rest.n && rest.p[0] == '\n') {
        rest = cs_slice_sub(rest, 1, rest.n);
    }
    if (rest.n == 0) {
        CS_VEC_PUSH_IN(a, &lines, cs_string(CS_LIT("")));
    }
    while (rest.n && cs_slice_next(&rest, '\n', &line)) {
        CS_VEC_PUSH_IN(a, &lines, cs_string(line));
    }
    return cs_array(lines.v, lines.n);
}
