/* Requests from arbitrary bytes: the head, then the body that it announces. Whatever the pieces in which they come, the
 * answer is the same; every slice lies within the text; and of a head that was taken, no second reading with other
 * lengths is possible. */
#include <stdint.h>
#include <stdlib.h>

#include "net/http_parse.h"

enum { HEADERS = 32, LIMIT = 8192, BODY_LIMIT = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void within(cs_slice s, const char *text, size_t n)
{
    bool fixed = s.n <= 1 && (s.p < text || s.p > text + n); /* "" and "/" may be literals */
    must(fixed || (s.p >= text && s.p + s.n <= text + n));
}

static void check_head(const cs_net__head *h, const char *text)
{
    must(h->size >= 4 && memcmp(text + h->size - 4, "\r\n\r\n", 4) == 0);
    must(h->n_headers <= HEADERS);
    must(!(h->chunked && h->has_length));
    must(h->path.n != 0 && (h->path.p[0] == '/' || h->path.p[0] == '*'));
    within(h->method, text, h->size);
    within(h->path, text, h->size);
    within(h->query, text, h->size);
    within(h->host, text, h->size);
    size_t lengths = 0;
    for (size_t i = 0; i < h->n_headers; i++) {
        within(h->headers[i].name, text, h->size);
        within(h->headers[i].value, text, h->size);
        must(h->headers[i].name.n != 0);
        must(memchr(h->headers[i].value.p, '\r', h->headers[i].value.n) == NULL);
        must(memchr(h->headers[i].value.p, '\n', h->headers[i].value.n) == NULL);
        lengths += cs_slice_eq_nocase(h->headers[i].name, CS_LIT("content-length"));
        lengths += cs_slice_eq_nocase(h->headers[i].name, CS_LIT("transfer-encoding"));
    }
    must(lengths <= 1);
}

/* The whole body in pieces of `step`. */
static cs_net__parsed feed(const char *text, size_t n, size_t step, cs_buf *out, size_t *taken)
{
    cs_net__chunks c = {0};
    size_t end = 0, at = 0;
    bool large;
    cs_net__parsed r = CS_NET__MORE;
    while (r == CS_NET__MORE && end < n) {
        end = end + step < n ? end + step : n;
        size_t used;
        r = cs_net__parse_chunks(&c, text + at, end - at, &used, out, BODY_LIMIT, &large);
        must(used <= end - at && out->n <= BODY_LIMIT);
        at += used;
    }
    *taken = at;
    return r;
}

static void check_chunks(const char *text, size_t n)
{
    cs_buf whole, pieces;
    cs_buf_init(&whole);
    cs_buf_init(&pieces);
    size_t a, b;
    cs_net__parsed x = feed(text, n, n + 1, &whole, &a), y = feed(text, n, 1, &pieces, &b);
    must(x == y);
    must(x != CS_NET__DONE || (a == b && cs_slice_eq(cs_buf_view(&whole), cs_buf_view(&pieces))));
    cs_buf_destroy(&whole);
    cs_buf_destroy(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cs_http_header first[HEADERS], second[HEADERS];
    const char *text = (const char *)data;
    cs_net__head h = {.headers = first, .cap_headers = HEADERS}, g = {.headers = second, .cap_headers = HEADERS};
    cs_net__parsed whole = cs_net__parse_head(text, size, 0, LIMIT, &h);
    /* Byte by byte, as a slow peer sends it. */
    cs_net__parsed slow = CS_NET__MORE;
    for (size_t n = 1; n <= size && slow == CS_NET__MORE; n++) {
        slow = cs_net__parse_head(text, n, n - 1, LIMIT, &g);
    }
    must(size == 0 || slow == whole || (slow == CS_NET__BAD && g.bad_status == 431) || size > LIMIT);
    if (whole == CS_NET__DONE) {
        check_head(&h, text);
        must(h.size == g.size || size > LIMIT);
        if (h.chunked) {
            check_chunks(text + h.size, size - h.size);
        }
    } else if (whole == CS_NET__BAD) {
        must(h.bad_status >= 400 && h.why != NULL);
    }
    check_chunks(text, size);
    return 0;
}
