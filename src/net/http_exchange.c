/* A request and the reply to it: its arena and buffers, kept from one request to the next; headers in and out. */
#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "internal.h"

enum {
    KEEP_BUFFER = 262144, /* a buffer that grew beyond is given back behind the request */
    EXTRA_MAX = 65536     /* bytes of reply headers */
};

cs_http_exchange *cs_net__exchange_take(cs_http_exchange **pool)
{
    cs_http_exchange *x = *pool;
    if (x != NULL) {
        *pool = x->next;
        return x;
    }
    x = cs_zalloc(sizeof *x);
    cs_arena_init(&x->arena, 0);
    x->headers = cs_alloc_array(cs_limits_get()->http_headers, sizeof *x->headers);
    cs_buf_init(&x->in);
    cs_buf_init(&x->body);
    cs_buf_init(&x->extra);
    return x;
}

void cs_net__exchange_free(cs_http_exchange *x)
{
    cs_arena_destroy(&x->arena);
    cs_free(x->headers);
    cs_buf_destroy(&x->in);
    cs_buf_destroy(&x->body);
    cs_buf_destroy(&x->extra);
    cs_free(x);
}

void cs_net__trim(cs_buf *b)
{
    if (b->cap > KEEP_BUFFER) {
        cs_buf_destroy(b);
        cs_buf_init(b);
    }
    cs_buf_clear(b);
}

void cs_net__exchange_give(cs_http_exchange **pool, cs_http_exchange *x)
{
    cs_arena_reset(&x->arena);
    cs_net__trim(&x->in);
    cs_net__trim(&x->body);
    cs_net__trim(&x->extra);
    x->user = NULL;
    x->c = NULL;
    x->stream = NULL;
    x->close = false;
    x->next = *pool;
    *pool = x;
}

const cs_http_request *cs_http_request_of(const cs_http_exchange *x)
{
    return &x->request;
}

void cs_http_set_user(cs_http_exchange *x, void *user)
{
    x->user = user;
}

cs_buf *cs_http_body(cs_http_exchange *x)
{
    return &x->body;
}

const cs_slice *cs_http_find(const cs_http_request *request, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < request->n_headers; i++) {
        if (request->headers[i].name.n == n && cs_slice_eq_nocase(request->headers[i].name, cs_slice_make(name, n))) {
            return &request->headers[i].value;
        }
    }
    return NULL;
}

cs_slice cs_http_headers(const cs_http_exchange *x)
{
    return cs_buf_view(&x->extra);
}

void cs_http_clear_headers(cs_http_exchange *x)
{
    cs_buf_clear(&x->extra);
}

void cs_http_add_header(cs_http_exchange *x, const char *name, cs_slice value)
{
    if (x->extra.n + value.n > EXTRA_MAX) {
        return; /* a head longer than any peer reads */
    }
    cs_buf_text(&x->extra, name);
    cs_buf_slice(&x->extra, CS_LIT(": "));
    size_t from = x->extra.n;
    cs_buf_slice(&x->extra, value);
    for (size_t i = from; i < x->extra.n; i++) {
        uint8_t c = (uint8_t)x->extra.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F) {
            x->extra.p[i] = ' ';
        }
    }
    cs_buf_slice(&x->extra, CS_LIT("\r\n"));
}
