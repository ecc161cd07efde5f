/* Lists of errors (rego.h), printed as OPA prints them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "countersign/json.h"
#include "countersign/rego.h"

void cs_errors_init(cs_errors *errors)
{
    memset(errors, 0, sizeof *errors);
    cs_arena_init(&errors->arena, 0);
}

void cs_errors_destroy(cs_errors *errors)
{
    cs_arena_destroy(&errors->arena);
    cs_free(errors->v);
    errors->v = NULL;
    errors->n = errors->cap = 0;
}

void cs_errors_clear(cs_errors *errors)
{
    cs_arena_reset(&errors->arena);
    errors->n = 0;
}

/* Messages and lines quote the source, which may hold anything; what leaves here is valid UTF-8. */
static cs_slice copy_valid(cs_arena *a, cs_slice s)
{
    if (cs_utf8_valid(s)) {
        return (cs_slice){cs_arena_dup(a, s.n ? s.p : "", s.n), s.n};
    }
    char *room = cs_arena_alloc(a, s.n * 3 + 1);
    char *to = room;
    for (size_t i = 0; i < s.n;) {
        size_t width;
        uint32_t rune = cs_utf8_decode(s.p + i, s.n - i, &width);
        to += cs_utf8_encode(rune, to);
        i += width;
    }
    *to = 0;
    return cs_slice_make(room, (size_t)(to - room));
}

cs_err cs_errors_add(cs_errors *errors, cs_err code, cs_slice file, uint32_t row, uint32_t col, cs_slice details,
                     const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = cs_alloc(n < 0 ? 1 : (size_t)n + 1);
    text[0] = 0;
    if (n > 0) {
        (void)vsnprintf(text, (size_t)n + 1, format, again);
    }
    va_end(again);
    if (errors->n == errors->cap) {
        errors->cap = errors->cap ? errors->cap * 2 : 8;
        errors->v = cs_realloc(errors->v, errors->cap * sizeof *errors->v);
    }
    errors->v[errors->n++] = (cs_errors_item){.code = code,
                                              .file = copy_valid(&errors->arena, file),
                                              .row = row,
                                              .col = col,
                                              .text = copy_valid(&errors->arena, cs_slice_of(text)),
                                              .details = copy_valid(&errors->arena, details),
                                              .details_json = {"", 0},
                                              .source = {"", 0}};
    cs_free(text);
    return code;
}

void cs_errors_set_details_json(cs_errors *errors, cs_slice json)
{
    if (errors->n) {
        errors->v[errors->n - 1].details_json = copy_valid(&errors->arena, json);
    }
}

void cs_errors_set_source(cs_errors *errors, cs_slice text)
{
    if (errors->n && text.n) {
        errors->v[errors->n - 1].source = (cs_slice){cs_arena_dup(&errors->arena, text.p, text.n), text.n};
    }
}

/* ---- order */
static bool has_place(const cs_errors_item *e)
{
    return e->row || e->file.n;
}

static int compare(const cs_errors_item *a, const cs_errors_item *b)
{
    if (has_place(a) != has_place(b)) {
        return has_place(a) ? -1 : 1;
    }
    int c = cs_slice_compare(a->file, b->file);
    if (c == 0 && a->row != b->row) {
        c = a->row < b->row ? -1 : 1;
    }
    if (c == 0 && a->col != b->col) {
        c = a->col < b->col ? -1 : 1;
    }
    return c;
}

void cs_errors_sort(cs_errors *errors)
{
    /* Short lists (the limit on errors is what keeps them so), sorted by insertion, which is stable. */
    for (size_t i = 1; i < errors->n; i++) {
        cs_errors_item item = errors->v[i];
        size_t k = i;
        for (; k > 0 && compare(&errors->v[k - 1], &item) > 0; k--) {
            errors->v[k] = errors->v[k - 1];
        }
        errors->v[k] = item;
    }
}

/* ---- text */
/* The details of a parse error are a line and a caret; the line's leading tabs are not shown, and the caret moves with
 * it. */
void cs_errors_print_details(cs_buf *out, const cs_errors_item *e)
{
    cs_slice rest = e->details, line;
    size_t tabs = 0;
    if (e->code == CS_ERR_REGO_PARSE) {
        while (tabs < rest.n && rest.p[tabs] == '\t') {
            tabs++;
        }
        rest = cs_slice_sub(rest, tabs, rest.n);
    }
    for (bool first = true; cs_slice_next(&rest, '\n', &line); first = false) {
        size_t cut = 0;
        while (!first && cut < tabs && cut < line.n && line.p[cut] == ' ') {
            cut++;
        }
        cs_buf_text(out, "\n\t");
        cs_buf_slice(out, cs_slice_sub(line, cut, line.n));
    }
}

static void print_item(cs_buf *out, const cs_errors_item *e)
{
    if (e->file.n) {
        cs_buf_slice(out, e->file);
        cs_buf_printf(out, ":%u: ", e->row);
    } else if (e->row || e->code == CS_ERR_REGO_FORMAT) {
        cs_buf_printf(out, "%u:%u: ", e->row, e->col);
    }
    cs_buf_printf(out, "%s: ", cs_err_name(e->code));
    cs_buf_slice(out, e->text);
    if (e->details.n) {
        cs_errors_print_details(out, e);
    }
}

void cs_errors_print(cs_buf *out, const cs_errors *errors)
{
    if (errors->n == 0) {
        cs_buf_text(out, "no error(s)");
    } else if (errors->n == 1) {
        cs_buf_text(out, "1 error occurred: ");
        print_item(out, &errors->v[0]);
    } else {
        cs_buf_printf(out, "%zu errors occurred:", errors->n);
        for (size_t i = 0; i < errors->n; i++) {
            cs_buf_byte(out, '\n');
            print_item(out, &errors->v[i]);
        }
    }
}

/* ---- JSON */
static cs_value details_json(cs_arena *a, const cs_errors_item *e)
{
    cs_value v = cs_undefined();
    if (e->details_json.n) {
        return cs_json_read(a, e->details_json, NULL, &v, NULL, NULL) == CS_OK ? v : cs_undefined();
    }
    size_t newline = cs_slice_find_byte(e->details, '\n', 0);
    if (e->code != CS_ERR_REGO_PARSE || newline == SIZE_MAX || e->details.p[e->details.n - 1] != '^') {
        return v;
    }
    cs_slice line = cs_slice_sub(e->details, 0, newline);
    v = cs_object_new(a, 2);
    cs_object_put_text(a, v, "line", cs_string_copy(a, line));
    cs_object_put_text(a, v, "idx", cs_int((int64_t)(e->details.n - newline - 2)));
    return v;
}

cs_value cs_errors_to_json(cs_arena *a, const cs_errors *errors)
{
    cs_value *items = cs_arena_alloc(a, sizeof *items * errors->n);
    for (size_t i = 0; i < errors->n; i++) {
        const cs_errors_item *e = &errors->v[i];
        cs_value o = cs_object_new(a, 4);
        cs_object_put_text(a, o, "code", cs_string(cs_slice_of(cs_err_name(e->code))));
        cs_object_put_text(a, o, "message", cs_string_copy(a, e->text));
        if (has_place(e)) {
            cs_value place = cs_object_new(a, 3);
            cs_object_put_text(a, place, "file", cs_string_copy(a, e->file));
            cs_object_put_text(a, place, "row", cs_int(e->row));
            cs_object_put_text(a, place, "col", cs_int(e->col));
            cs_object_put_text(a, o, "location", place);
        }
        cs_value details = details_json(a, e);
        if (!cs_is_undefined(details)) {
            cs_object_put_text(a, o, "details", details);
        }
        items[i] = o;
    }
    return cs_array(items, errors->n);
}
