/* Forms of several parts. Readers of them differ in everything that is unusual, and a request that two of them read
 * differently would be judged by one document and run another: only the plain form is read. */
#include "request.h"

enum { PARTS_MAX = 256, BOUNDARY_MAX = 70 };

typedef struct form {
    cs_arena *arena;
    cs_slice rest;
    cs_slice mark; /* CR LF and the boundary line's beginning */
    cs_pq_part *parts;
    size_t n;
    const char *why;
} form;

static bool wrong(form *f, const char *why)
{
    f->why = why;
    return false;
}

/* RFC 2046's characters without the blank. */
static bool is_boundary(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (c == '\0' || strchr("'()+_,-./:=?", c) == NULL)) {
            return false;
        }
    }
    return s.n != 0 && s.n <= BOUNDARY_MAX;
}

/* A parameter's value in quotation marks, or a bare word. */
static bool unquote(cs_slice *value)
{
    cs_slice v = *value;
    bool open = v.n > 0 && v.p[0] == '"';
    if (open) {
        if (v.n < 2 || v.p[v.n - 1] != '"') {
            return false;
        }
        v = cs_slice_sub(v, 1, v.n - 1);
    }
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '"' || v.p[i] == '\\' || (uint8_t)v.p[i] < 0x20 || (!open && v.p[i] == ' ')) {
            return false;
        }
    }
    *value = v;
    return open || v.n != 0;
}

/* Behind the first ';' of a header: "name=value" each once. false if one of them is not that. A ';' inside of quotation
 * marks makes pieces that are none either. */
bool cs_pq__parameter(cs_slice rest, const char *name, cs_slice *value, bool *found)
{
    cs_slice piece;
    *found = false;
    while (cs_slice_next(&rest, ';', &piece)) {
        piece = cs_slice_trim(piece);
        size_t at = cs_slice_find_byte(piece, '=', 0);
        if (at == SIZE_MAX) {
            return false;
        }
        cs_slice v = cs_slice_sub(piece, at + 1, piece.n), key = cs_slice_sub(piece, 0, at);
        if (!unquote(&v) || cs_slice_find_byte(key, ' ', 0) != SIZE_MAX ||
            cs_slice_find_byte(key, '*', 0) != SIZE_MAX) {
            return false;
        }
        if (cs_slice_eq_nocase(key, cs_slice_of(name))) {
            if (*found) {
                return false;
            }
            *found = true;
            *value = v;
        }
    }
    return true;
}

/* "form-data; name=…; filename=…" */
static bool disposition(form *f, cs_slice value, cs_pq_part *part)
{
    size_t at = cs_slice_find_byte(value, ';', 0);
    cs_slice rest = cs_slice_sub(value, at == SIZE_MAX ? value.n : at + 1, value.n), file;
    bool named = false;
    if (!cs_slice_eq_nocase(cs_slice_trim(cs_slice_sub(value, 0, at)), CS_LIT("form-data")) ||
        !cs_pq__parameter(rest, "name", &part->name, &named) ||
        !cs_pq__parameter(rest, "filename", &file, &part->file) || !named) {
        return wrong(f, "a part without a plain name");
    }
    for (size_t i = 0; i < f->n; i++) {
        if (cs_slice_eq_nocase(f->parts[i].name, part->name)) {
            return wrong(f, "two parts of one name");
        }
    }
    return true;
}

/* The lines in front of a part's content. */
static bool headers(form *f, cs_pq_part *part)
{
    bool named = false, typed = false;
    for (;;) {
        size_t end = cs_slice_find(f->rest, CS_LIT("\r\n"), 0);
        if (end == SIZE_MAX) {
            return wrong(f, "a part without an end of its headers");
        }
        cs_slice line = cs_slice_sub(f->rest, 0, end);
        f->rest = cs_slice_sub(f->rest, end + 2, f->rest.n);
        if (line.n == 0) {
            return named || wrong(f, "a part without a name");
        }
        size_t colon = cs_slice_find_byte(line, ':', 0);
        cs_slice name = cs_slice_sub(line, 0, colon);
        cs_slice value = cs_slice_trim(cs_slice_sub(line, colon == SIZE_MAX ? line.n : colon + 1, line.n));
        if (cs_slice_eq_nocase(name, CS_LIT("content-disposition")) && !named) {
            named = true;
            if (!disposition(f, value, part)) {
                return false;
            }
        } else if (cs_slice_eq_nocase(name, CS_LIT("content-type")) && !typed) {
            typed = true;
        } else if (!cs_slice_eq_nocase(name, CS_LIT("content-length"))) {
            return wrong(f, "a header of a part that has no meaning here, or that comes twice");
        }
    }
}

static bool read_parts(form *f)
{
    while (!cs_slice_starts(f->rest, CS_LIT("--"))) {
        if (!cs_slice_starts(f->rest, CS_LIT("\r\n"))) {
            return wrong(f, "something stands behind a boundary");
        }
        f->rest = cs_slice_sub(f->rest, 2, f->rest.n);
        if (f->n == PARTS_MAX) {
            return wrong(f, "too many parts");
        }
        cs_pq_part *part = &f->parts[f->n];
        if (!headers(f, part)) {
            return false;
        }
        /* A part may be empty: then its boundary's line end is the one that ended the headers. */
        size_t end = cs_slice_find(f->rest, f->mark, 0);
        cs_slice bare = cs_slice_sub(f->mark, 2, f->mark.n);
        if (cs_slice_starts(f->rest, bare)) {
            return wrong(f, "a part without a line end in front of its boundary");
        }
        if (end == SIZE_MAX) {
            return wrong(f, "a part without a boundary behind it");
        }
        part->content = cs_slice_sub(f->rest, 0, end);
        f->rest = cs_slice_sub(f->rest, end + f->mark.n, f->rest.n);
        f->n++;
    }
    f->rest = cs_slice_sub(f->rest, 2, f->rest.n);
    return f->rest.n == 0 || cs_slice_is(f->rest, "\r\n") || wrong(f, "something stands behind the last boundary");
}

bool cs_pq_read_form(cs_arena *a, cs_slice content_type, cs_slice body, const cs_pq_part **parts, size_t *n,
                     const char **why)
{
    form f = {.arena = a, .rest = body, .parts = cs_arena_array(a, cs_pq_part, PARTS_MAX)};
    size_t at = cs_slice_find_byte(content_type, ';', 0);
    cs_slice boundary = CS_LIT("");
    bool found = false;
    bool ok = at != SIZE_MAX &&
              cs_slice_eq_nocase(cs_slice_trim(cs_slice_sub(content_type, 0, at)), CS_LIT("multipart/form-data")) &&
              cs_pq__parameter(cs_slice_sub(content_type, at + 1, content_type.n), "boundary", &boundary, &found) &&
              found && is_boundary(boundary);
    if (!ok) {
        *why = "no plain boundary";
        return false;
    }
    size_t length;
    f.mark.p = cs_arena_printf(a, &length, "\r\n--%.*s", CS_FMT(boundary));
    f.mark.n = length;
    cs_slice first = cs_slice_sub(f.mark, 2, f.mark.n);
    ok = cs_slice_starts(body, first) || wrong(&f, "something stands in front of the first boundary");
    if (ok) {
        f.rest = cs_slice_sub(body, first.n, body.n);
        ok = read_parts(&f);
    }
    *parts = f.parts;
    *n = f.n;
    *why = f.why;
    return ok;
}
