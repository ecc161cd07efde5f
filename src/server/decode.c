/* Reading bodies and paths the way Go's decoders do, whose words OPA's clients see. */
#include "countersign/base/encode.h"
#include "internal.h"

static bool is_blank(cs_slice text)
{
    return cs_slice_trim(text).n == 0;
}

const char *cs_server__json_words(cs_arena *a, cs_slice text, const cs_error *e)
{
    cs_slice said = cs_slice_of(e->text);
    if (is_blank(text)) {
        return "EOF";
    }
    if (cs_slice_is(said, "unexpected end of JSON input")) {
        return "unexpected EOF";
    }
    if (cs_slice_ends(said, CS_LIT("after top-level value"))) {
        return cs_arena_printf(a, NULL, "error: %s", e->text);
    }
    return cs_arena_dup(a, said.p, said.n);
}

cs_err cs_server__json_first(cs_arena *a, cs_slice text, cs_value *out, const char **words)
{
    cs_error e;
    cs_err r = cs_json_read(a, text, &(cs_json_options){.borrow = true, .prefix = true}, out, NULL, &e);
    if (r != CS_OK) {
        *words = cs_server__json_words(a, text, &e);
        return CS_ERR_SYNTAX;
    }
    return CS_OK;
}

const char *cs_server__go_kind(cs_value v)
{
    return cs_is(v, CS_BOOL) ? "bool" : cs_kind_name(v);
}

const cs_value *cs_server__member(cs_value object, const char *name)
{
    const cs_table *t = object.u.table;
    for (uint32_t i = t->n; i-- > 0;) {
        if (cs_is(t->keys[i], CS_STRING) && cs_slice_eq_nocase(cs_text(t->keys[i]), cs_slice_of(name))) {
            return &t->vals[i];
        }
    }
    return NULL;
}

static bool is_name(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return s.n != 0;
}

cs_slice cs_server__ref_text(cs_arena *a, const cs_value *path, size_t n)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_text(&b, "data");
    for (size_t i = 0; i < n; i++) {
        if (cs_is(path[i], CS_STRING) && is_name(cs_text(path[i]))) {
            cs_buf_byte(&b, '.');
            cs_buf_slice(&b, cs_text(path[i]));
        } else {
            cs_buf_byte(&b, '[');
            cs_value_print(&b, path[i]);
            cs_buf_byte(&b, ']');
        }
    }
    cs_slice text = cs_slice_make(cs_arena_dup(a, b.p, b.n), b.n);
    cs_buf_destroy(&b);
    return text;
}

/* ~1 to '/', then ~0 to '~', as RFC 6901 orders it. */
static cs_slice pointer_segment(cs_arena *a, cs_slice s)
{
    char *out = cs_arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool escape = s.p[i] == '~' && i + 1 < s.n && (s.p[i + 1] == '0' || s.p[i + 1] == '1');
        out[n++] = escape ? (s.p[i + 1] == '0' ? '~' : '/') : s.p[i];
        i += escape ? 1U : 0U;
    }
    return cs_slice_make(out, n);
}

bool cs_server__segments(cs_arena *a, cs_slice path, bool pointer, const cs_slice **out, size_t *n)
{
    while (path.n != 0 && path.p[0] == '/') {
        path = cs_slice_sub(path, 1, path.n);
    }
    while (path.n != 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    size_t cap = 1;
    for (size_t i = 0; i < path.n; i++) {
        cap += path.p[i] == '/';
    }
    cs_slice *v = cs_arena_array(a, cs_slice, cap);
    size_t count = 0;
    cs_slice piece;
    while (path.n != 0 && cs_slice_next(&path, '/', &piece)) {
        cs_slice plain = piece;
        if (memchr(piece.p, '%', piece.n) != NULL && !cs_percent_decode(a, piece, false, &plain)) {
            return false;
        }
        v[count++] = pointer && memchr(plain.p, '~', plain.n) != NULL ? pointer_segment(a, plain) : plain;
    }
    *out = v;
    *n = count;
    return true;
}
