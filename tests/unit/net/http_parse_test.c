/* The parser of requests: every way of cutting the bytes gives the same answer, and what is within a hair of right is
 * refused. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "net/internal.h"

enum { HEADERS = 8, LIMIT = 4096 };

static cs_http_header headers[HEADERS];

/* The text copied to the heap, so that a read beyond its end is seen. */
static cs_net__parsed parse(const char *text, size_t n, size_t seen, cs_net__head *head)
{
    static cs_buf copy;
    cs_buf_destroy(&copy);
    cs_buf_init(&copy);
    copy.p = NULL;
    (void)cs_buf_room(&copy, n + 1);
    cs_buf_put(&copy, text, n);
    *head = (cs_net__head){.headers = headers, .cap_headers = HEADERS};
    return cs_net__parse_head(copy.p, n, seen, LIMIT, head);
}

static int status_of(const char *text)
{
    cs_net__head head;
    cs_net__parsed r = parse(text, strlen(text), 0, &head);
    return r == CS_NET__DONE ? 200 : r == CS_NET__MORE ? 0 : head.bad_status;
}

static const char whole[] = "POST /a/b?c=d HTTP/1.1\r\nHost: x:1\r\nContent-Length: 12\r\nX-Empty:\r\nConnection: "
                            "Keep-Alive , close\r\n\r\nbody";

Test(http_parse, every_cut_waits_for_more)
{
    cs_net__head head;
    size_t size = strlen(whole) - 4;
    for (size_t n = 0; n < size; n++) {
        for (size_t seen = 0; seen <= n; seen += 7) {
            cr_assert_eq(parse(whole, n, seen, &head), CS_NET__MORE, "%zu bytes, %zu seen", n, seen);
        }
    }
    for (size_t n = size; n <= strlen(whole); n++) {
        cr_assert_eq(parse(whole, n, n > 60 ? 60 : 0, &head), CS_NET__DONE);
        cr_assert_eq(head.size, size);
        cr_assert(cs_slice_is(head.method, "POST") && cs_slice_is(head.path, "/a/b") && cs_slice_is(head.query, "c=d"));
        cr_assert(cs_slice_is(head.host, "x:1"));
        cr_assert(head.has_length && head.content_length == 12 && !head.chunked && !head.keep_alive);
        cr_assert_eq(head.n_headers, 4);
        cr_assert_eq(head.headers[2].value.n, 0);
    }
}

Test(http_parse, targets)
{
    cs_net__head head;
    cr_assert_eq(status_of("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    cr_assert_eq(status_of("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    cr_assert_eq(status_of("GET * HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    cr_assert_eq(status_of("GET x HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    cr_assert_eq(status_of("GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    cr_assert_eq(status_of("GET /a\x7f HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    static const char absolute[] = "GET http://h:2?q HTTP/1.1\r\nHost: other\r\n\r\n";
    cr_assert_eq(parse(absolute, strlen(absolute), 0, &head), CS_NET__DONE);
    cr_assert(cs_slice_is(head.host, "h:2") && cs_slice_is(head.path, "/") && cs_slice_is(head.query, "q"));
    cr_assert_eq(status_of("GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}

Test(http_parse, lengths)
{
    static const char *const bad[] = {"1 1", "", "-1", "1,1", "0x1", "18446744073709551616", "1\t2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n", bad[i]);
        cr_assert_eq(status_of(text), 400, "%s", bad[i]);
    }
    cr_assert_eq(status_of("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length:  18446744073709551615 \r\n\r\n"), 200);
    cr_assert_eq(status_of("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"), 200);
    cr_assert_eq(status_of("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    cr_assert_eq(status_of("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n"), 501);
}

Test(http_parse, limits)
{
    char text[LIMIT + 64];
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    cs_net__head head;
    cr_assert_eq(parse(text, LIMIT - 1, 0, &head), CS_NET__MORE);
    cr_assert_eq(parse(text, LIMIT, 0, &head), CS_NET__BAD);
    cr_assert_eq(head.bad_status, 431);
    cr_assert_eq(status_of("GET / HTTP/1.1\r\nHost: x\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\n\r\n"), 200);
    cr_assert_eq(status_of("GET / HTTP/1.1\r\nHost: x\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\n\r\n"), 431);
}

static const char chunked[] =
    "4;x=\"y\"\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: 1\r\n\r\nnext";

/* Feeds the text in pieces of `step` bytes; what a piece leaves over comes again with the next one. */
static cs_net__parsed feed(const char *text, size_t n, size_t step, cs_buf *out, size_t *left, uint64_t max,
                           bool *large)
{
    cs_net__chunks c = {0};
    size_t at = 0, end = 0;
    cs_net__parsed r = CS_NET__MORE;
    while (r == CS_NET__MORE && end < n) {
        end = end + step < n ? end + step : n;
        size_t used;
        r = cs_net__parse_chunks(&c, text + at, end - at, &used, out, max, large);
        at += used;
    }
    *left = n - at;
    return r;
}

Test(http_parse, chunks_in_every_step)
{
    for (size_t step = 1; step <= strlen(chunked); step++) {
        cs_buf out;
        cs_buf_init(&out);
        size_t left;
        bool large;
        cr_assert_eq(feed(chunked, strlen(chunked), step, &out, &left, 100, &large), CS_NET__DONE, "step %zu", step);
        cr_assert(cs_slice_is(cs_buf_view(&out), "Wikipedia in \r\n\r\nchunks."));
        cr_assert(left >= 4 || step > 1);
        cs_buf_destroy(&out);
    }
}

Test(http_parse, chunks_beyond_the_limit)
{
    cs_buf out;
    cs_buf_init(&out);
    size_t left;
    bool large;
    cr_assert_eq(feed(chunked, strlen(chunked), 5, &out, &left, 23, &large), CS_NET__BAD);
    cr_assert(large);
    cs_buf_clear(&out);
    cr_assert_eq(feed(chunked, strlen(chunked), 5, &out, &left, 24, &large), CS_NET__DONE);
    cs_buf_clear(&out);
    static const char huge[] = "fffffffffffffff\r\n";
    cr_assert_eq(feed(huge, strlen(huge), 100, &out, &left, UINT64_MAX, &large), CS_NET__MORE);
    cs_buf_destroy(&out);
}

Test(http_parse, dates)
{
    char text[30];
    cs_net__write_date(INT64_C(784111777) * 1000000000, text);
    cr_assert_str_eq(text, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110 §5.6.7 */
    cs_net__write_date(0, text);
    cr_assert_str_eq(text, "Thu, 01 Jan 1970 00:00:00 GMT");
}

Test(http_parse, addresses)
{
    static const struct {
        const char *text, *host, *path;
        unsigned port;
        bool tls;
    } good[] = {{"localhost:8181", "localhost", "", 8181, false},
                {":0", "", "", 0, false},
                {"[::1]:80", "::1", "", 80, false},
                {"https://a:443", "a", "", 443, true},
                {"http://a", "a", "", 80, false},
                {"unix:///tmp/s", "", "/tmp/s", 0, false},
                {"unix://@s", "", "@s", 0, false}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cs_net__address a;
        cr_assert_eq(cs_net__address_parse(cs_slice_of(good[i].text), &a, NULL), CS_OK, "%s", good[i].text);
        cr_assert_str_eq(a.host, good[i].host);
        cr_assert_str_eq(a.path, good[i].path);
        cr_assert_eq(a.port, good[i].port);
        cr_assert_eq(a.tls, good[i].tls);
    }
    static const char *const bad[] = {"a:65536", "a:b", "ftp://a:1", "unix://"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cs_net__address a;
        cr_assert_neq(cs_net__address_parse(cs_slice_of(bad[i]), &a, NULL), CS_OK, "%s", bad[i]);
    }
}
