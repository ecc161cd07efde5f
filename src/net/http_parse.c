/* Requests of HTTP/1.1 as RFC 9112 has them, strictly: one reading of every length or none. What is refused here could
 * be read in two ways by two programs: bare line feeds, folded lines, blanks before a colon, two lengths, a length
 * beside chunks. */
#include "http_parse.h"

enum { T = 1, V = 2, H = 4 }; /* token, header value, hexadecimal digit */

/* The classes of each byte, 32 a row (RFC 9110 §5.6.2, §5.5). */
static const uint8_t char_class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 2, 3, 3,
    3, 3, 3, 2, 2, 3, 3, 2, 3, 3, 2, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2, 2, 2, 2, 2, 2, 2, 7, 7, 7, 7, 7, 7, 3, 3, 3,
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 3, 3, 3, 7, 7, 7, 7, 7, 7, 3, 3, 3, 3, 3, 3, 3, 3,
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 3, 2, 3, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
};

static bool is_class(char c, uint8_t class)
{
    return (char_class[(uint8_t)c] & class) != 0;
}

static cs_net__parsed bad(cs_net__head *head, int status, const char *why)
{
    head->bad_status = status;
    head->why = why;
    return CS_NET__BAD;
}

/* ---- the request line */

static bool escapes_are_whole(cs_slice s)
{
    for (size_t at = cs_slice_find_byte(s, '%', 0); at != SIZE_MAX; at = cs_slice_find_byte(s, '%', at + 3)) {
        if (at + 2 >= s.n || !is_class(s.p[at + 1], H) || !is_class(s.p[at + 2], H)) {
            return false;
        }
    }
    return true;
}

bool cs_net__split_target(cs_net__head *head)
{
    cs_slice rest = head->target;
    if (rest.n > 7 && rest.p[0] != '/') {
        size_t skip = cs_slice_eq_nocase(cs_slice_sub(rest, 0, 7), CS_LIT("http://"))    ? 7
                      : cs_slice_eq_nocase(cs_slice_sub(rest, 0, 8), CS_LIT("https://")) ? 8
                                                                                         : 0;
        if (skip != 0) {
            size_t end = skip;
            while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?') {
                end++;
            }
            if (end == skip) {
                return false;
            }
            head->host = cs_slice_sub(rest, skip, end);
            rest = cs_slice_sub(rest, end, rest.n);
            if (rest.n == 0 || rest.p[0] == '?') {
                head->path = CS_LIT("/");
                head->query = rest.n != 0 ? cs_slice_sub(rest, 1, rest.n) : CS_LIT("");
                return true;
            }
        }
    }
    bool star = rest.n == 1 && rest.p[0] == '*' && cs_slice_is(head->method, "OPTIONS");
    if (!star && rest.p[0] != '/') {
        return false;
    }
    const char *mark = memchr(rest.p, '?', rest.n);
    head->path = mark == NULL ? rest : cs_slice_make(rest.p, (size_t)(mark - rest.p));
    head->query = mark == NULL ? CS_LIT("") : cs_slice_sub(rest, head->path.n + 1, rest.n);
    return escapes_are_whole(head->path);
}

static cs_net__parsed parse_request_line(cs_net__head *head, const char *p, const char *end)
{
    const char *at = p;
    while (at < end && is_class(*at, T)) {
        at++;
    }
    if (at == p || at == end || *at != ' ') {
        return bad(head, 400, "malformed request line");
    }
    head->method = cs_slice_make(p, (size_t)(at - p));
    p = ++at;
    while (at < end && (uint8_t)*at > 0x20 && *at != 0x7F) {
        at++;
    }
    if (at == p || at == end || *at != ' ') {
        return bad(head, 400, "malformed request line");
    }
    head->target = cs_slice_make(p, (size_t)(at - p));
    at++;
    cs_slice version = cs_slice_make(at, (size_t)(end - at));
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || version.p[6] != '.') {
        return bad(head, 400, "malformed HTTP version");
    }
    if (version.p[5] != '1' || (version.p[7] != '0' && version.p[7] != '1')) {
        return bad(head, 505, "unsupported HTTP version");
    }
    head->keep_alive = version.p[7] == '1';
    if (!cs_net__split_target(head)) {
        return bad(head, 400, ""); /* Go says no more either */
    }
    return CS_NET__DONE;
}

/* ---- headers */

static cs_net__parsed take_length(cs_net__head *head, cs_slice value)
{
    uint64_t length;
    if (value.n == 0 || !is_class(value.p[0], H) || !cs_slice_u64(value, &length)) {
        return bad(head, 400, "bad Content-Length");
    }
    if (head->has_length) {
        return bad(head, 400, "more than one Content-Length");
    }
    head->has_length = true;
    head->content_length = length;
    return CS_NET__DONE;
}

static void take_connection(cs_slice value, bool *keep, bool *close)
{
    cs_slice piece;
    while (cs_slice_next(&value, ',', &piece)) {
        piece = cs_slice_trim(piece);
        *keep |= cs_slice_eq_nocase(piece, CS_LIT("keep-alive"));
        *close |= cs_slice_eq_nocase(piece, CS_LIT("close"));
    }
}

typedef struct head_state {
    bool host, keep, close, old; /* old: HTTP/1.0 */
} head_state;

/* Acts on the headers that the protocol itself needs. */
static cs_net__parsed take_header(cs_net__head *head, cs_http_header h, head_state *s)
{
    switch (h.name.n) {
    case 4:
        if (cs_slice_eq_nocase(h.name, CS_LIT("host"))) {
            if (s->host) {
                return bad(head, 400, "more than one Host");
            }
            s->host = true;
            if (head->host.n == 0) {
                head->host = h.value;
            }
        }
        break;
    case 6:
        if (cs_slice_eq_nocase(h.name, CS_LIT("expect"))) {
            if (!cs_slice_eq_nocase(h.value, CS_LIT("100-continue"))) {
                return bad(head, 417, "unknown expectation");
            }
            head->expect_continue = !s->old;
        }
        break;
    case 10:
        if (cs_slice_eq_nocase(h.name, CS_LIT("connection"))) {
            take_connection(h.value, &s->keep, &s->close);
        }
        break;
    case 14:
        if (cs_slice_eq_nocase(h.name, CS_LIT("content-length"))) {
            return take_length(head, h.value);
        }
        break;
    case 17:
        if (cs_slice_eq_nocase(h.name, CS_LIT("transfer-encoding"))) {
            if (head->chunked || s->old) {
                return bad(head, 400, "bad Transfer-Encoding");
            }
            if (!cs_slice_eq_nocase(h.value, CS_LIT("chunked"))) {
                return bad(head, 501, "unsupported transfer encoding");
            }
            head->chunked = true;
        }
        break;
    default:
        break;
    }
    return CS_NET__DONE;
}

static cs_net__parsed parse_header(cs_net__head *head, const char *p, const char *end, head_state *s)
{
    const char *at = p;
    while (at < end && is_class(*at, T)) {
        at++;
    }
    if (at == p || at == end || *at != ':') {
        return bad(head, 400, "malformed header");
    }
    cs_slice name = cs_slice_make(p, (size_t)(at - p));
    for (p = ++at; at < end; at++) {
        if (!is_class(*at, V)) {
            return bad(head, 400, "malformed header value");
        }
    }
    if (head->n_headers == head->cap_headers) {
        return bad(head, 431, "too many headers");
    }
    cs_http_header h = {name, cs_slice_trim(cs_slice_make(p, (size_t)(end - p)))};
    head->headers[head->n_headers++] = h;
    return take_header(head, h, s);
}

/* Is the head whole? Looks for the blank line, from where the last search ended. */
static bool find_end(const char *text, size_t n, size_t seen, size_t *end)
{
    size_t from = seen > 3 ? seen - 3 : 0;
    while (from + 3 < n) {
        const char *cr = memchr(text + from, '\r', n - from - 3);
        if (cr == NULL) {
            return false;
        }
        if (cr[1] == '\n' && cr[2] == '\r' && cr[3] == '\n') {
            *end = (size_t)(cr - text) + 4;
            return true;
        }
        from = (size_t)(cr - text) + 1;
    }
    return false;
}

cs_net__parsed cs_net__parse_head(const char *text, size_t n, size_t seen, size_t max_bytes, cs_net__head *head)
{
    size_t end;
    head->n_headers = 0;
    head->bad_status = 0;
    if (!find_end(text, n, seen, &end)) {
        return n >= max_bytes ? bad(head, 431, "request head too large") : CS_NET__MORE;
    }
    if (end > max_bytes) {
        return bad(head, 431, "request head too large");
    }
    head->host = (cs_slice){"", 0};
    head->has_length = head->chunked = head->expect_continue = false;
    head->content_length = 0;
    head->size = end;
    head_state s = {0};
    const char *p = text;
    const char *stop = text + end - 2; /* the last header's CRLF ends here */
    bool first = true;
    while (p < stop) {
        const char *cr = memchr(p, '\r', (size_t)(stop - p));
        if (cr == NULL || cr[1] != '\n') {
            return bad(head, 400, "a carriage return that ends no line");
        }
        cs_net__parsed r = first ? parse_request_line(head, p, cr) : parse_header(head, p, cr, &s);
        if (r != CS_NET__DONE) {
            return r;
        }
        if (first) {
            s.old = head->old = !head->keep_alive;
            first = false;
        }
        p = cr + 2;
    }
    if (head->chunked && head->has_length) {
        return bad(head, 400, "both Content-Length and Transfer-Encoding");
    }
    if (!s.host && !s.old) {
        return bad(head, 400, "missing required Host header");
    }
    head->keep_alive = s.old ? s.keep && !s.close : !s.close;
    return CS_NET__DONE;
}

/* ---- chunks */

enum { CHUNK_LINE_MAX = 1024, TRAILERS_MAX = 16384 };

static bool chunk_size(cs_slice line, uint64_t *size)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < line.n && is_class(line.p[i], H); i++) {
        if (i == 15) {
            return false;
        }
        char c = line.p[i];
        v = v * 16 + (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (i == 0) {
        return false;
    }
    /* An extension is read over; it may hold anything that a header value may. */
    bool extension = i < line.n;
    if (extension && line.p[i] != ';' && line.p[i] != ' ' && line.p[i] != '\t') {
        return false;
    }
    for (; i < line.n; i++) {
        if (!is_class(line.p[i], V)) {
            return false;
        }
    }
    *size = v;
    return true;
}

/* A line up to CRLF at p; SIZE_MAX if it is not whole yet, *bad_line when it never will be. */
static size_t line_length(const char *p, size_t n, size_t max, bool *bad_line)
{
    const char *lf = memchr(p, '\n', n < max ? n : max);
    if (lf == NULL) {
        *bad_line = n >= max;
        return SIZE_MAX;
    }
    if (lf == p || lf[-1] != '\r') {
        *bad_line = true;
        return SIZE_MAX;
    }
    return (size_t)(lf - p) - 1;
}

static cs_net__parsed chunk_line(cs_net__chunks *c, const char *p, size_t n, size_t *used)
{
    if (c->state == 2 && ((n > 0 && p[0] != '\r') || (n > 1 && p[1] != '\n'))) {
        return CS_NET__BAD;
    }
    bool bad_line = false;
    size_t length = line_length(p, n, CHUNK_LINE_MAX, &bad_line);
    if (length == SIZE_MAX) {
        return bad_line ? CS_NET__BAD : CS_NET__MORE;
    }
    *used += length + 2;
    if (c->state == 2) {
        c->state = 0;
        return length == 0 ? CS_NET__DONE : CS_NET__BAD;
    }
    if (c->state == 3) {
        c->trailers += length + 2;
        if (c->trailers > TRAILERS_MAX) {
            return CS_NET__BAD;
        }
        c->state = length == 0 ? 4 : 3;
        return CS_NET__DONE;
    }
    if (!chunk_size(cs_slice_make(p, length), &c->left)) {
        return CS_NET__BAD;
    }
    c->state = c->left == 0 ? 3 : 1;
    return CS_NET__DONE;
}

cs_net__parsed cs_net__parse_chunks(cs_net__chunks *c, const char *text, size_t n, size_t *used, cs_buf *out,
                                    uint64_t max, bool *too_large)
{
    *used = 0;
    *too_large = false;
    while (c->state != 4) {
        if (c->state == 1) {
            size_t have = n - *used;
            size_t take = have < c->left ? have : (size_t)c->left;
            cs_buf_put(out, text + *used, take);
            *used += take;
            c->left -= take;
            if (c->left != 0) {
                return CS_NET__MORE;
            }
            c->state = 2;
        }
        cs_net__parsed r = chunk_line(c, text + *used, n - *used, used);
        if (r != CS_NET__DONE) {
            return r;
        }
        if (c->state == 1 && c->left > max - out->n) {
            *too_large = true;
            return CS_NET__BAD;
        }
    }
    return CS_NET__DONE;
}
