/* What a request brings: parameters, headers, its id, its body. */
#include <stdio.h>

#include "countersign/base/encode.h"
#include "countersign/base/gzip.h"
#include "internal.h"

/* ---- parameters */

/* One pair; Go drops pairs that are malformed or hold a semicolon. */
static bool parse_pair(cs_arena *a, cs_slice pair, cs_server__param *out)
{
    if (pair.n == 0 || memchr(pair.p, ';', pair.n) != NULL) {
        return false;
    }
    size_t at = cs_slice_find_byte(pair, '=', 0);
    cs_slice name = cs_slice_sub(pair, 0, at);
    cs_slice value = at == SIZE_MAX ? CS_LIT("") : cs_slice_sub(pair, at + 1, pair.n);
    return cs_percent_decode(a, name, true, &out->name) && cs_percent_decode(a, value, true, &out->value);
}

size_t cs_server__parse_params(cs_arena *a, cs_slice query, const cs_server__param **out)
{
    size_t n = 0, cap = 1;
    for (size_t i = 0; i < query.n; i++) {
        cap += query.p[i] == '&';
    }
    cs_server__param *v = query.n == 0 ? NULL : cs_arena_array(a, cs_server__param, cap);
    cs_slice pair;
    while (query.n != 0 && cs_slice_next(&query, '&', &pair)) {
        n += parse_pair(a, pair, &v[n]) ? 1U : 0U;
    }
    *out = v;
    return n;
}

const cs_slice *cs_server__get_param(const cs_server__request *r, const char *name)
{
    for (size_t i = r->n_params; i-- > 0;) {
        if (cs_slice_is(r->params[i].name, name)) {
            return &r->params[i].value;
        }
    }
    return NULL;
}

bool cs_server__flag(const cs_server__request *r, const char *name)
{
    size_t n = 0;
    bool yes = false, empty = false;
    for (size_t i = 0; i < r->n_params; i++) {
        if (cs_slice_is(r->params[i].name, name)) {
            n++;
            empty = r->params[i].value.n == 0;
            yes |= cs_slice_eq_nocase(r->params[i].value, CS_LIT("true"));
        }
    }
    return yes || (n == 1 && empty);
}

/* ---- headers */

const cs_slice *cs_server__header(const cs_server__request *r, const char *name)
{
    return cs_http_find(r->http, name);
}

bool cs_server__header_contains(const cs_server__request *r, const char *name, const char *what)
{
    const cs_slice *h = cs_server__header(r, name);
    return h != NULL && cs_slice_find(*h, cs_slice_of(what), 0) != SIZE_MAX;
}

/* Every request has one: no printf. The seed of this run in sixteen digits, a hyphen, the request's number. */
static cs_slice made_id(cs_server__request *r)
{
    static const char hex[] = "0123456789abcdef";
    char *text = cs_arena_alloc(r->arena, 33);
    uint64_t seed = r->server->request_seed, number = r->number;
    for (size_t i = 16; i-- > 0; seed >>= 4) {
        text[i] = hex[seed & 15];
    }
    text[16] = '-';
    size_t n = 17;
    for (int shift = number != 0 ? (63 - __builtin_clzll(number)) & ~3 : 0; shift >= 0; shift -= 4) {
        text[n++] = hex[number >> shift & 15];
    }
    return cs_slice_make(text, n);
}

cs_slice cs_server__request_id(cs_server__request *r)
{
    if (r->id.n == 0) {
        const cs_slice *given = cs_server__header(r, "X-Request-Id");
        if (given != NULL && given->n > 0 && given->n <= 256) {
            r->id = *given;
        } else {
            r->id = made_id(r);
        }
    }
    return r->id;
}

/* ---- bodies */

/* "2.1 KiB", as OPA prints sizes. */
static void print_size(cs_buf *out, uint64_t n)
{
    if (n < 1024) {
        cs_buf_printf(out, "%llu bytes", (unsigned long long)n);
        return;
    }
    static const char units[] = "KMGTPE";
    uint64_t div = 1024;
    int unit = 0;
    for (uint64_t left = n / 1024; left >= 1024; left /= 1024) {
        div *= 1024;
        unit++;
    }
    uint64_t tenths = (n * 10 + div / 2) / div;
    if (tenths % 10 == 0) {
        cs_buf_printf(out, "%llu %ciB", (unsigned long long)(tenths / 10), units[unit]);
    } else {
        cs_buf_printf(out, "%llu.%llu %ciB", (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10),
                      units[unit]);
    }
}

void cs_server__too_large(cs_buf *out, const cs_server__request *r)
{
    uint64_t limit = r->server->o.config->server.decoding_max_length;
    cs_buf_text(out, "request body too large:");
    const cs_slice *length = cs_http_find(r->http, "Content-Length");
    if (length != NULL) {
        cs_buf_byte(out, ' ');
        print_size(out, r->http->body_bytes);
    }
    cs_buf_printf(out, " exceeds limit of %llu bytes (server.decoding.max_length)", (unsigned long long)limit);
}

bool cs_server__read_body(cs_server__request *r, const char *before)
{
    if (r->body_read) {
        return true;
    }
    r->body_read = true;
    r->body = r->http->body;
    if (!cs_server__header_contains(r, "Content-Encoding", "gzip")) {
        return true;
    }
    cs_buf plain;
    cs_buf_init(&plain);
    cs_error e = {0};
    uint64_t limit = r->server->o.config->server.decoding_gzip_max_length;
    cs_err err = cs_gzip_is(r->body) ? cs_gzip_inflate(r->body, limit, &plain, &e) : CS_ERR_SYNTAX;
    if (err == CS_OK) {
        r->body = cs_slice_make(cs_arena_dup(r->arena, plain.p != NULL ? plain.p : "", plain.n), plain.n);
    } else if (err == CS_ERR_LIMIT) {
        cs_server__fail(
            r, 400, "invalid_parameter",
            "%srequest body too large: decompressed size exceeds limit of %llu bytes (server.decoding.gzip.max_length)",
            before, (unsigned long long)limit);
    } else {
        bool cut = r->body.n < 10 || cs_gzip_is(r->body);
        cs_server__fail(r, 400, "invalid_parameter", "%scould not decompress the body: %s", before,
                        cut ? "unexpected EOF" : "gzip: invalid header");
    }
    cs_buf_destroy(&plain);
    return err == CS_OK;
}
