/* Requests signed as Amazon's services want them: Signature Version 4. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "management/cloud.h"

enum { SIGNED_MAX = 80 };

static cs_slice lower(cs_arena *a, cs_slice s)
{
    char *p = cs_arena_dup(a, s.p, s.n);
    for (size_t i = 0; i < s.n; i++) {
        p[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + 32) : p[i];
    }
    return cs_slice_make(p, s.n);
}

static cs_slice print_instant(cs_arena *a, int64_t ns)
{
    int64_t seconds = ns / CS_NS_PER_S, days = seconds / 86400, year;
    int month, day, left = (int)(seconds - days * 86400);
    cs_time_civil_from_days(days, &year, &month, &day);
    size_t n;
    const char *text = cs_arena_printf(a, &n, "%04d%02d%02dT%02d%02d%02dZ", (int)year, month, day, left / 3600,
                                       left / 60 % 60, left % 60);
    return cs_slice_make(text, n);
}

/* "https://host/path?query" taken apart; the path is as it is sent. */
static void take_apart(cs_slice url, cs_slice *host, cs_slice *path, cs_slice *query)
{
    size_t scheme = cs_slice_find(url, CS_LIT("://"), 0);
    url = scheme == SIZE_MAX ? url : cs_slice_sub(url, scheme + 3, url.n);
    size_t mark = cs_slice_find_byte(url, '?', 0);
    *query = mark == SIZE_MAX ? CS_LIT("") : cs_slice_sub(url, mark + 1, url.n);
    url = mark == SIZE_MAX ? url : cs_slice_sub(url, 0, mark);
    size_t slash = cs_slice_find_byte(url, '/', 0);
    *host = slash == SIZE_MAX ? url : cs_slice_sub(url, 0, slash);
    *path = slash == SIZE_MAX ? CS_LIT("") : cs_slice_sub(url, slash, url.n);
}

/* By name; those that proxies may change are left out. */
static size_t add_sorted(cs_http_header *all, size_t n, cs_http_header header)
{
    static const char *const ignored[] = {"authorization", "user-agent", "x-amzn-trace-id"};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        if (cs_slice_is(header.name, ignored[i])) {
            return n;
        }
    }
    size_t at = n;
    while (at > 0 && cs_slice_compare(all[at - 1].name, header.name) > 0) {
        all[at] = all[at - 1];
        at--;
    }
    all[at] = header;
    return n + 1;
}

/* The request in the one form that is signed, hashed; the names go to *names. */
static cs_slice digest_of(cs_arena *a, const cs_aws_request *r, const cs_http_header *all, size_t n, cs_slice hash,
                          cs_slice *names)
{
    cs_slice host, path, query;
    take_apart(cs_slice_of(r->url), &host, &path, &query);
    cs_buf text, list;
    cs_buf_init(&text);
    cs_buf_init(&list);
    cs_buf_printf(&text, "%s\n%.*s\n%.*s\n", r->method, CS_FMT(path), CS_FMT(query));
    for (size_t i = 0; i < n; i++) {
        cs_buf_printf(&text, "%.*s:%.*s\n", CS_FMT(all[i].name), CS_FMT(all[i].value));
        cs_buf_printf(&list, "%s%.*s", i != 0 ? ";" : "", CS_FMT(all[i].name));
    }
    *names = cs_slice_make(cs_arena_dup(a, list.p, list.n), list.n);
    cs_buf_printf(&text, "\n%.*s\n%.*s", CS_FMT(*names), CS_FMT(hash));
    cs_slice digest = cs_digest_hex(a, CS_SHA256, cs_buf_view(&text));
    cs_buf_destroy(&list);
    cs_buf_destroy(&text);
    return digest;
}

/* The key of a day, a region and a service, each hashed with the one before; then the text with that. */
static cs_slice signature(cs_arena *a, const cs_aws_credentials *c, cs_slice day, cs_slice service, cs_slice text)
{
    cs_slice steps[] = {day, c->region, service, CS_LIT("aws4_request"), text};
    size_t n;
    const char *first = cs_arena_printf(a, &n, "AWS4%.*s", CS_FMT(c->secret));
    cs_slice secret = cs_slice_make(first, n);
    uint8_t mac[2][CS_DIGEST_MAX];
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        n = cs_hmac(CS_SHA256, secret, steps[i], mac[i % 2]);
        secret = cs_slice_make((const char *)mac[i % 2], n);
    }
    return cs_hex_encode(a, secret);
}

size_t cs_aws_sign(cs_arena *a, const cs_aws_request *r, const cs_aws_credentials *c, int64_t now_ns,
                   cs_http_header *out)
{
    cs_slice now = print_instant(a, now_ns), day = cs_slice_sub(now, 0, 8), host, path, query, names;
    cs_slice hash = cs_digest_hex(a, CS_SHA256, r->body);
    take_apart(cs_slice_of(r->url), &host, &path, &query);
    cs_http_header all[SIGNED_MAX];
    size_t n = 0, n_out = 1;
    out[n_out++] = (cs_http_header){CS_LIT("x-amz-date"), now};
    if (cs_slice_is(r->service, "s3") || cs_slice_is(r->service, "glacier")) {
        out[n_out++] = (cs_http_header){CS_LIT("x-amz-content-sha256"), hash};
    }
    if (c->token.n != 0) {
        out[n_out++] = (cs_http_header){CS_LIT("x-amz-security-token"), c->token};
    }
    n = add_sorted(all, n, (cs_http_header){CS_LIT("host"), host});
    for (size_t i = 1; i < n_out; i++) {
        n = add_sorted(all, n, out[i]);
    }
    for (size_t i = 0; i < r->n_headers && n < SIGNED_MAX; i++) {
        n = add_sorted(all, n, (cs_http_header){lower(a, r->headers[i].name), r->headers[i].value});
    }
    cs_slice digest = digest_of(a, r, all, n, hash, &names);
    size_t length;
    const char *text = cs_arena_printf(a, &length, "AWS4-HMAC-SHA256\n%.*s\n%.*s/%.*s/%.*s/aws4_request\n%.*s",
                                       CS_FMT(now), CS_FMT(day), CS_FMT(c->region), CS_FMT(r->service), CS_FMT(digest));
    cs_slice signed_text = signature(a, c, day, r->service, cs_slice_make(text, length));
    const char *value = cs_arena_printf(
        a, &length, "AWS4-HMAC-SHA256 Credential=%.*s/%.*s/%.*s/%.*s/aws4_request,SignedHeaders=%.*s,Signature=%.*s",
        CS_FMT(c->access), CS_FMT(day), CS_FMT(c->region), CS_FMT(r->service), CS_FMT(names), CS_FMT(signed_text));
    out[0] = (cs_http_header){CS_LIT("Authorization"), cs_slice_make(value, length)};
    return n_out;
}
