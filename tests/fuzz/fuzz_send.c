/* http.send: a request (JSON) and the answers that a made-up network gives, one after the other, with lines "---"
 * between. An answer is its status line, header lines, an empty line and the body; without a status it is a failure.
 * The request is made twice over one cache of answers. */
#include <string.h>

#include "calls.h"

#define EXCHANGES_MAX 20U

/* Begins with the network so that one is the other. */
typedef struct fake {
    cs_network network;
    cs_arena *arena;
    cs_slice answers;
    unsigned n;
} fake;

struct cs_exchange {
    cs_exchange_answer answer;
    bool never; /* too many were asked for: not over until it is cancelled */
};

static cs_slice take_line(cs_slice *rest)
{
    size_t end = cs_slice_find_byte(*rest, '\n', 0);
    cs_slice line = cs_slice_sub(*rest, 0, end == SIZE_MAX ? rest->n : end);
    *rest = end == SIZE_MAX ? CS_LIT("") : cs_slice_sub(*rest, end + 1, rest->n);
    return line;
}

static void read_answer(fake *f, cs_slice text, cs_exchange_answer *out)
{
    cs_slice status = take_line(&text);
    if (status.n < 3 || status.p[0] < '1' || status.p[0] > '5') {
        out->failure = status.n % 2 ? CS_EXCHANGE_TIMEOUT : CS_EXCHANGE_FAILED;
        out->in_body = status.n % 3 == 0;
        out->text = CS_LIT("it does not work");
        return;
    }
    out->status = (status.p[0] - '0') * 100 + (status.p[1] & 7) * 10 + (status.p[2] & 7);
    out->status_text = status;
    cs_exchange_field *fields = cs_arena_array(f->arena, cs_exchange_field, 32);
    out->headers = fields;
    for (cs_slice line = take_line(&text); line.n > 0 && out->n_headers < 32; line = take_line(&text)) {
        size_t colon = cs_slice_find_byte(line, ':', 0);
        if (colon != SIZE_MAX && colon > 0) {
            fields[out->n_headers++] =
                (cs_exchange_field){cs_slice_sub(line, 0, colon), cs_slice_trim(cs_slice_sub(line, colon + 1, line.n))};
        }
    }
    out->body = text;
}

static cs_exchange *start(cs_network *n, const cs_exchange_request *request, cs_exchange_wake *wake, void *self)
{
    (void)wake;
    (void)self;
    fake *f = (fake *)n;
    cs_exchange *x = cs_arena_new(f->arena, cs_exchange);
    *x = (cs_exchange){.never = ++f->n > EXCHANGES_MAX};
    if (!x->never && request->kind == CS_EXCHANGE_HTTP) {
        read_answer(f, fuzz_cut(&f->answers), &x->answer);
    }
    return x;
}

static const cs_exchange_answer *answer(cs_exchange *x)
{
    return x->never ? NULL : &x->answer;
}

static bool wait_for(cs_exchange *x, int64_t timeout_ns)
{
    (void)timeout_ns;
    return !x->never;
}

static void end(cs_exchange *x)
{
    (void)x;
}

static const char *read_env(const char *name)
{
    return strcmp(name, "CA") == 0 ? "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" : NULL;
}

static cs_err read_file(const char *path, cs_buf *out, cs_error *e)
{
    (void)out;
    return cs_fail(e, CS_ERR_IO, "open %s: no such file or directory", path);
}

static void send_once(cs_arena *arena, cs_value request, cs_slice answers, cs_http_cache *cache)
{
    fake f = {.network = {.start = start,
                          .answer = answer,
                          .wait = wait_for,
                          .end = end,
                          .read_env = read_env,
                          .read_file = read_file},
              .arena = arena,
              .answers = answers};
    cs_value out;
    (void)fuzz_call_with(cs_builtin_find(CS_LIT("http.send")), arena, &request, 1, &f.network, cache, &out);
    if (!cs_is_undefined(out)) {
        cs_buf text;
        cs_buf_init(&text);
        cs_json_write(&text, out, 0);
        cs_buf_destroy(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1U << 14) {
        return 0;
    }
    cs_slice rest = {(const char *)data, size};
    cs_slice text = fuzz_cut(&rest);
    cs_arena arena;
    cs_arena_init(&arena, (size_t)1 << 27);
    cs_value request = fuzz_value(&arena, text);
    cs_http_cache *cache =
        cs_http_cache_new(&(cs_http_cache_options){.max_bytes = 2000, .threshold_percent = 50, .stale_period_ns = 1});
    send_once(&arena, request, rest, cache);
    send_once(&arena, request, rest, cache);
    cs_http_cache_free(cache);
    cs_arena_destroy(&arena);
    return 0;
}
