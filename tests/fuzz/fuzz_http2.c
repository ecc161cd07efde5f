/* A connection of HTTP/2 from arbitrary bytes. The first byte says in which pieces the rest comes and what the handler
 * does: it replies at once, later, or when its stream is gone. The client's preface is put in front, so that the fuzzer
 * need not find it. Whatever comes in: each exchange is handled once and replied to once, and what was kept is let go.
 */
#include <stdint.h>
#include <stdlib.h>

#include "countersign/base/mem.h"
#include "net/http2.h"

enum { HELD = 64, LIMIT = 4096, OUT_MAX = 1 << 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct scene {
    cs_http_exchange *held[HELD];
    size_t n_held;
    size_t handled, done, dropped;
    unsigned how;
} scene;

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static uint64_t body_limit(void *self, const cs_http_request *head)
{
    (void)self;
    must(head->path.n != 0);
    return LIMIT;
}

static void reply(scene *s, cs_http_exchange *x)
{
    const cs_http_request *r = cs_http_request_of(x);
    cs_buf *body = cs_http_body(x);
    cs_buf_slice(body, r->method);
    cs_buf_slice(body, r->path);
    cs_buf_slice(body, r->body);
    cs_http_add_header(x, "X-Peer", r->host);
    if ((s->how & 8) != 0) {
        cs_net__h2_add_trailer(x, CS_LIT("grpc-status"), CS_LIT("0"));
    }
    cs_net__h2_reply(x, r->body_too_large ? 400 : r->query.n == 1 ? 204 : 200, "text/plain");
}

static void gone(void *self)
{
    (void)self;
}

static void handle(void *self, cs_http_exchange *x)
{
    scene *s = self;
    const cs_http_request *r = cs_http_request_of(x);
    s->handled++;
    must(r->http2 && r->method.n != 0 && r->body.n <= LIMIT);
    must(r->path.p[0] == '/' || r->path.p[0] == '*');
    for (size_t i = 0; i < r->n_headers; i++) {
        must(r->headers[i].name.n != 0 && r->headers[i].name.p[0] != ':');
    }
    if ((s->how & 1) != 0 || s->n_held == HELD) {
        reply(s, x);
        return;
    }
    cs_net__h2_on_gone(x, gone, s);
    s->held[s->n_held++] = x;
}

static void done(void *self, const cs_http_request *request, const cs_http_done *what, void *user)
{
    (void)request;
    (void)what;
    (void)user;
    ((scene *)self)->done++;
}

static void dropped(void *self, const cs_http_request *request, void *user)
{
    (void)request;
    (void)user;
    ((scene *)self)->dropped++;
}

static void answer_held(scene *s)
{
    while (s->n_held != 0) {
        reply(s, s->held[--s->n_held]);
    }
}

static void drain(cs_net__h2 *h2, cs_buf *out)
{
    while (cs_net__h2_pull(h2, out) != 0) {
        must(out->n < OUT_MAX);
        cs_buf_clear(out);
    }
}

static void feed_all(scene *s, cs_net__h2 *h2, const char *bytes, size_t n, size_t step, cs_buf *out)
{
    for (size_t at = 0; at < n && !cs_net__h2_over(h2); at += step) {
        cs_net__h2_feed(h2, bytes + at, n - at < step ? n - at : step);
        while (cs_net__h2_tell_gone(h2, false)) {
        }
        if ((s->how & 2) != 0) {
            answer_held(s);
        }
        drain(h2, out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    if (size == 0) {
        return 0;
    }
    scene s = {.how = data[0]};
    const cs_http_handlers handlers = {
        .self = &s, .body_limit = body_limit, .handle = handle, .done = done, .dropped = dropped};
    cs_net__conns all = {.handlers = &handlers, .date = "Tue, 24 Nov 2026 03:54:29 GMT"};
    cs_net__h2 *h2 = cs_net__h2_new(&(cs_net__h2_owner){.all = &all, .peer = CS_LIT("@")});
    cs_buf out;
    cs_buf_init(&out);
    feed_all(&s, h2, preface, sizeof preface - 1, 1000, &out);
    feed_all(&s, h2, (const char *)data + 1, size - 1, (s.how & 4) != 0 ? 7 : size, &out);
    (void)cs_net__h2_sweep(h2, INT64_MAX / 2);
    cs_net__h2_shutdown(h2);
    drain(h2, &out);
    if ((s.how & 16) == 0) {
        answer_held(&s);
        drain(h2, &out);
        must(cs_net__h2_busy(h2) == 0 && s.handled == s.done);
    }
    cs_net__h2_drop(h2);
    must(s.handled == s.done + s.dropped);
    cs_net__h2_free(h2);
    while (all.pool != NULL) {
        cs_http_exchange *x = all.pool;
        all.pool = x->next;
        cs_net__exchange_free(x);
    }
    cs_buf_destroy(&out);
    return 0;
}
