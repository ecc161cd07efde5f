/* Semantic versions 2.0.0; a "v" in front is accepted. */
#include "rego/builtin/internal.h"

typedef struct version {
    int64_t number[3];
    cs_slice pre;
} version;

static bool digits(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
    }
    return s.n > 0;
}

/* Identifiers with dots between; with `numeric` those of digits must not begin with 0. */
static bool identifiers(cs_slice s, bool numeric)
{
    cs_slice piece;
    if (s.n == 0 || s.p[s.n - 1] == '.') {
        return false;
    }
    while (cs_slice_next(&s, '.', &piece)) {
        for (size_t i = 0; i < piece.n; i++) {
            char c = piece.p[i];
            bool fits = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-';
            if (!fits) {
                return false;
            }
        }
        if (piece.n == 0 || (numeric && piece.n > 1 && *piece.p == '0' && digits(piece))) {
            return false;
        }
    }
    return true;
}

/* Cuts what follows the first `c` off *s. */
static bool cut(cs_slice *s, char c, cs_slice *tail)
{
    size_t at = cs_slice_find_byte(*s, c, 0);
    *tail = cs_slice_sub(*s, at == SIZE_MAX ? s->n : at + 1, s->n);
    *s = cs_slice_sub(*s, 0, at == SIZE_MAX ? s->n : at);
    return at != SIZE_MAX;
}

static bool parse(cs_slice s, version *out)
{
    cs_slice metadata, piece;
    if (s.n && *s.p == 'v') {
        s = cs_slice_sub(s, 1, s.n);
    }
    if (cut(&s, '+', &metadata) && !identifiers(metadata, false)) {
        return false;
    }
    if (cut(&s, '-', &out->pre) && !identifiers(out->pre, true)) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        piece = s;
        bool more = cut(&piece, '.', &s);
        if (more != (i < 2) || !digits(piece) || (piece.n > 1 && *piece.p == '0') ||
            !cs_slice_i64(piece, &out->number[i])) {
            return false;
        }
    }
    return true;
}

/* A number as Go's Atoi gives it: at most the largest. */
static int64_t clamped(cs_slice s)
{
    int64_t v;
    return cs_slice_i64(s, &v) ? v : INT64_MAX;
}

static int compare_identifiers(cs_slice x, cs_slice y)
{
    bool number_x = digits(x), number_y = digits(y);
    if (number_x != number_y) {
        return number_x ? -1 : 1;
    }
    if (number_x) {
        int64_t a = clamped(x), b = clamped(y);
        return a < b ? -1 : a > b;
    }
    int c = cs_slice_compare(x, y);
    return c < 0 ? -1 : c > 0;
}

static int compare(const version *x, const version *y)
{
    for (int i = 0; i < 3; i++) {
        if (x->number[i] != y->number[i]) {
            return x->number[i] < y->number[i] ? -1 : 1;
        }
    }
    if (cs_slice_eq(x->pre, y->pre)) {
        return 0;
    }
    if (x->pre.n == 0 || y->pre.n == 0) {
        return x->pre.n == 0 ? 1 : -1;
    }
    cs_slice a = x->pre, b = y->pre, piece_a, piece_b;
    for (;;) {
        bool more_a = cs_slice_next(&a, '.', &piece_a), more_b = cs_slice_next(&b, '.', &piece_b);
        if (!more_a || !more_b) {
            return more_a ? 1 : more_b ? -1 : 0;
        }
        int c = compare_identifiers(piece_a, piece_b);
        if (c != 0) {
            return c;
        }
    }
}

cs_err cs_builtin__semver_compare(cs_call *call, cs_value *out)
{
    cs_slice text[2];
    version v[2];
    CS_TRY(cs_call_string(call, 1, &text[0]));
    CS_TRY(cs_call_string(call, 2, &text[1]));
    for (unsigned i = 0; i < 2; i++) {
        if (!parse(text[i], &v[i])) {
            cs_sink s;
            cs_slice q;
            cs_sink__init(&s, call);
            cs_sink__quote(&s, text[i]);
            CS_TRY(cs_sink__slice_done(&s, &q));
            return cs_call_error(call, "operand %u: string %.*s is not a valid SemVer", i + 1, CS_FMT(q));
        }
    }
    return cs_call__give(out, cs_int(compare(&v[0], &v[1])));
}

cs_err cs_builtin__semver_is_valid(cs_call *call, cs_value *out)
{
    version v;
    return cs_call__give(out, cs_bool(call->args[0].kind == CS_STRING && parse(cs_text(call->args[0]), &v)));
}
