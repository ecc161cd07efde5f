/* Lines, indentation and comments: what everything else is written with. */
#include "rego/format/internal.h"

#include "countersign/base/utf8.h"

/* ---- places */
cs_slice cs_pen__text(const cs_loc *loc)
{
    if (loc->nowhere || !loc->source) {
        return (cs_slice){"", 0};
    }
    return cs_slice_sub(loc->source->text, loc->from, (size_t)loc->from + loc->length);
}

static int64_t count_lines(cs_slice text)
{
    int64_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        n += text.p[i] == '\n';
    }
    return n;
}

int64_t cs_pen__end_row(const cs_loc *loc)
{
    return cs_pen__row(loc) + count_lines(cs_pen__text(loc));
}

/* From the first `open` at or after *i to what closes it, counting lines in between; false without one. */
static bool skip_brackets(cs_slice text, char open, char close, size_t *i, int64_t *lines)
{
    while (*i < text.n && text.p[*i] != open) {
        ++*i;
    }
    for (size_t depth = *i < text.n ? 1 : 0; depth > 0;) {
        if (++*i >= text.n) {
            return false;
        }
        char c = text.p[*i];
        depth += c == open;
        depth -= c == close;
        *lines += c == '\n';
    }
    return *i < text.n;
}

int64_t cs_pen__closing_row(char skip_open, char skip_close, char open, char close, const cs_loc *loc)
{
    cs_slice text = cs_pen__text(loc);
    size_t i = 0;
    int64_t lines = 0;
    if (skip_open) {
        (void)skip_brackets(text, skip_open, skip_close, &i, &lines);
    }
    return skip_brackets(text, open, close, &i, &lines) ? cs_pen__row(loc) + lines : -1;
}

/* ---- lines */
void cs_pen__start_line(cs_pen *p)
{
    p->in_line = true;
    for (uint32_t i = 0; i < p->level; i++) {
        cs_buf_byte(&p->out, '\t');
    }
}

void cs_pen__put_comment(cs_pen *p, const cs_comment *c)
{
    cs_buf_byte(&p->out, '#');
    cs_buf_slice(&p->out, cs_pen__comment_text(c));
}

void cs_pen__end_line(cs_pen *p)
{
    p->in_line = false;
    if (p->at_end && !p->delay) {
        cs_buf_byte(&p->out, ' ');
        cs_pen__put_comment(p, p->at_end);
        p->at_end = NULL;
    }
    p->delay = false;
    cs_buf_byte(&p->out, '\n');
}

void cs_pen__blank_line(cs_pen *p)
{
    if (p->in_line) {
        cs_pen__end_line(p);
    }
    cs_buf_byte(&p->out, '\n');
}

cs_pen_status cs_pen__down(cs_pen *p)
{
    if (p->level == 0) {
        return cs_pen__fail(p, "negative indentation level");
    }
    p->level--;
    return CS_PEN_OK;
}

/* ---- failures */
cs_pen_status cs_pen__fail(cs_pen *p, const char *why)
{
    p->why = why;
    return CS_PEN_FAILED;
}

void cs_pen__format_error(cs_pen *p, const char *why)
{
    (void)cs_errors_add(p->errors, CS_ERR_REGO_FORMAT, CS_LIT(""), 0, 0, CS_LIT(""), "%s", why);
}

static const char *cut(cs_pen *p, const cs_comment *c)
{
    if (!c) {
        return "";
    }
    cs_slice text = cs_pen__comment_text(c);
    bool longer = text.n + 1 > 100;
    return cs_arena_printf(p->arena, NULL, "#%.*s%s", (int)(longer ? 97 : text.n), text.p, longer ? "..." : "");
}

cs_pen_status cs_pen__odd(cs_pen *p, const cs_comment *fresh, const cs_comment *there)
{
    p->why = cs_arena_printf(
        p->arena, NULL,
        "unexpected new comment (%s) on line %u because there is already a comment (%s) registered for line %u",
        cut(p, fresh), fresh->loc.row, cut(p, there), there ? there->loc.row : 0U);
    return CS_PEN_ODD;
}

bool cs_pen__same(cs_pen *p)
{
    if (!p->layout.stop_at_changes || p->at_end || p->errors->n) {
        return true;
    }
    cs_slice source = p->module->source.text;
    size_t n = p->out.n;
    while (n > 0 && p->out.p[n - 1] == '\n') {
        n--;
    }
    if (n > source.n || (n > p->matched && memcmp(p->out.p + p->matched, source.p + p->matched, n - p->matched) != 0)) {
        p->changes = true;
        return false;
    }
    p->matched = n > p->matched ? n : p->matched;
    return true;
}

/* ---- comments */
static bool is_space(uint32_t rune)
{
    return rune == ' ' || (rune >= '\t' && rune <= '\r') || rune == 0x85 || rune == 0xA0 || rune == 0x1680 ||
           (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 || rune == 0x2029 || rune == 0x202f || rune == 0x205f ||
           rune == 0x3000;
}

cs_slice cs_pen__comment_text(const cs_comment *c)
{
    cs_slice s = c->text;
    while (s.n > 0) {
        size_t at = s.n - 1, width;
        while (at > 0 && s.n - at < 4 && ((unsigned char)s.p[at] & 0xC0) == 0x80) {
            at--;
        }
        uint32_t rune = cs_utf8_decode(s.p + at, s.n - at, &width);
        if (!is_space(rune) || at + width != s.n) {
            break;
        }
        s.n = at;
    }
    return s;
}

static bool is_metadata(const cs_comment *c)
{
    return c->loc.col == 1 && cs_slice_starts(cs_slice_trim(c->text), CS_LIT("METADATA"));
}

static void put_line(cs_pen *p, const cs_comment *c)
{
    if (!p->in_line) {
        cs_pen__start_line(p);
    }
    cs_pen__put_comment(p, c);
    cs_pen__end_line(p);
}

void cs_pen__put_notes(cs_pen *p, cs_notes list)
{
    bool in_metadata = false;
    for (size_t i = 0; i < list.n; i++) {
        const cs_comment *c = list.v[i];
        uint32_t apart = i ? c->loc.row - list.v[i - 1]->loc.row : 0;
        if (apart > 1) {
            cs_pen__blank_line(p);
            in_metadata = false;
        } else if (apart == 1 && in_metadata && is_metadata(c)) {
            cs_pen__blank_line(p);
        }
        in_metadata = in_metadata || is_metadata(c);
        put_line(p, c);
    }
}

size_t cs_pen__count_above(cs_notes list, int64_t row)
{
    size_t n = 0;
    while (n < list.n && list.v[n]->loc.row < row) {
        n++;
    }
    return n;
}

cs_pen_status cs_pen__notes(cs_pen *p, cs_notes *list, int64_t row)
{
    if (list->n == 0) {
        return CS_PEN_OK;
    }
    size_t above = cs_pen__count_above(*list, row);
    const cs_comment *at = NULL;
    cs_pen__put_notes(p, (cs_notes){list->v, above});
    if (above && row - list->v[above - 1]->loc.row > 1) {
        cs_pen__blank_line(p);
    }
    if (above) { /* without comments there is no list */
        list->v += above;
        list->n -= above;
    }
    while (list->n && list->v[0]->loc.row == row) {
        at = list->v[0];
        list->v++;
        list->n--;
    }
    if (!p->at_end) {
        p->at_end = at;
        return CS_PEN_OK;
    }
    if (!at) {
        return CS_PEN_OK;
    }
    const cs_comment *there = p->at_end;
    p->at_end = NULL;
    return cs_pen__odd(p, at, there);
}

cs_pen_status cs_pen__verbatim(cs_pen *p, const cs_loc *loc, cs_notes *list)
{
    cs_slice text = cs_pen__text(loc);
    if (text.n == 0) {
        list->n = 0;
        return cs_pen__fail(p, "original unformatted text is empty");
    }
    int64_t last = cs_pen__end_row(loc);
    cs_buf_slice(&p->out, text);
    while (list->n && list->v[0]->loc.row <= last && (p->last_line_comment || list->v[0]->loc.row < last)) {
        if (list->v[0]->loc.row == last) {
            cs_buf_byte(&p->out, ' ');
            cs_buf_slice(&p->out, cs_pen__text(&list->v[0]->loc));
        }
        list->v++;
        list->n--;
    }
    return CS_PEN_OK;
}
