/* Blocking HTTP fetches on libcurl, for the command line and threads that may wait. */
#include <stdatomic.h>
#include <stdio.h>

#include <curl/curl.h>

#include "countersign/base/limits.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/net.h"
#include "countersign/version.h"

typedef struct fetch {
    cs_http_answer *answer;
    const cs_http_fetch_options *o;
    uint64_t max;
    int64_t started_ns; /* monotonic */
    bool has_head, too_long, too_slow, stopped;
} fetch;

static void setup(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *self)
{
    fetch *f = self;
    size_t all = size * n;
    if (f->answer->body.n + all > f->max) {
        f->too_long = true;
        return 0;
    }
    cs_buf_put(&f->answer->body, bytes, all);
    return all;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *self)
{
    fetch *f = self;
    cs_slice line = cs_slice_trim(cs_slice_make(bytes, size * n));
    size_t colon = cs_slice_find_byte(line, ':', 0);
    f->has_head = true;
    if (colon == SIZE_MAX) {
        return size * n;
    }
    cs_slice name = cs_slice_sub(line, 0, colon);
    cs_slice value = cs_slice_trim(cs_slice_sub(line, colon + 1, line.n));
    cs_buf *to = cs_slice_eq_nocase(name, CS_LIT("content-type")) ? &f->answer->content_type
                 : cs_slice_eq_nocase(name, CS_LIT("etag"))       ? &f->answer->etag
                                                                  : NULL;
    if (to != NULL) {
        cs_buf_clear(to);
        cs_buf_slice(to, value);
    }
    return size * n;
}

/* Now and then: not 0 ends it. */
static int on_progress(void *self, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    (void)down_all, (void)down, (void)up_all, (void)up;
    fetch *f = self;
    f->stopped = f->o->stop != NULL && atomic_load_explicit(f->o->stop, memory_order_relaxed);
    f->too_slow =
        f->o->head_timeout_ns != 0 && !f->has_head && cs_time_mono_ns() - f->started_ns > f->o->head_timeout_ns;
    return f->stopped || f->too_slow;
}

/* The URL without what may be secret in it. */
static cs_slice shown(const char *url)
{
    cs_slice s = cs_slice_of(url);
    size_t mark = cs_slice_find_byte(s, '?', 0);
    s = cs_slice_sub(s, 0, mark);
    size_t at = cs_slice_find_byte(s, '@', 0);
    return at == SIZE_MAX ? s : cs_slice_sub(s, at + 1, s.n);
}

static struct curl_slist *make_headers(const cs_http_fetch_options *o)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    cs_buf line;
    cs_buf_init(&line);
    for (size_t i = 0; i < o->n_headers; i++) {
        cs_buf_clear(&line);
        cs_buf_printf(&line, "%.*s: %.*s", CS_FMT(o->headers[i].name), CS_FMT(o->headers[i].value));
        list = curl_slist_append(list, cs_buf_cstr(&line));
    }
    cs_buf_destroy(&line);
    return list;
}

static void set_tls(CURL *curl, const cs_http_fetch_options *o)
{
    if (o->ca_file != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file);
        if (!o->system_ca) {
            (void)curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
        }
    }
    if (o->insecure) {
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (o->cert_file != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_SSLCERT, o->cert_file);
        (void)curl_easy_setopt(curl, CURLOPT_SSLKEY, o->key_file);
    }
    if (o->key_password != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_KEYPASSWD, o->key_password);
    }
}

static void set_options(CURL *curl, const cs_http_fetch_options *o, struct curl_slist *headers,
                        char error[CURL_ERROR_SIZE])
{
    int64_t timeout = o->timeout_ns != 0 ? o->timeout_ns : 30 * CS_NS_PER_S;
    const char *method = o->method != NULL ? o->method : "GET";
    (void)curl_easy_setopt(curl, CURLOPT_URL, o->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(timeout / CS_NS_PER_MS));
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "countersign/" CS_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    if (o->body.n != 0 || strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, o->body.n != 0 ? o->body.p : "");
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body.n);
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0) {
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    }
    if (o->follow) {
        (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
        (void)curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    }
    set_tls(curl, o);
}

static cs_err failed(const fetch *f, CURLcode code, const char *text, cs_error *e)
{
    cs_slice url = shown(f->o->url);
    if (f->too_long) {
        return cs_fail(e, CS_ERR_LIMIT, "%.*s: the answer has more than %llu bytes", CS_FMT(url),
                       (unsigned long long)f->max);
    }
    if (f->too_slow) {
        return cs_fail(e, CS_ERR_TIMEOUT, "%.*s: timeout awaiting response headers", CS_FMT(url));
    }
    if (f->stopped) {
        return cs_fail(e, CS_ERR_OPERATION, "%.*s: stopped", CS_FMT(url));
    }
    return cs_fail(e, CS_ERR_IO, "%.*s: %s", CS_FMT(url), text[0] != 0 ? text : curl_easy_strerror(code));
}

cs_err cs_http_fetch(const cs_http_fetch_options *options, cs_http_answer *out, cs_error *e)
{
    static cs_once once = CS_ONCE_INIT;
    cs_once_run(&once, setup);
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return cs_fail(e, CS_ERR_INTERNAL, "no HTTP client");
    }
    *out = (cs_http_answer){0};
    fetch f = {.answer = out,
               .o = options,
               .max = options->max_bytes != 0 ? options->max_bytes : cs_limits_get()->json_bytes,
               .started_ns = cs_time_mono_ns()};
    char text[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = make_headers(options);
    set_options(curl, options, headers, text);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &f);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, &f);
    if (options->stop != NULL || options->head_timeout_ns != 0) {
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &f);
        (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    }
    CURLcode r = curl_easy_perform(curl);
    long status = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (r == CURLE_OK) {
        out->status = (int)status;
        return CS_OK;
    }
    cs_http_answer_destroy(out);
    return failed(&f, r, text, e);
}

void cs_http_answer_destroy(cs_http_answer *answer)
{
    cs_buf_destroy(&answer->body);
    cs_buf_destroy(&answer->content_type);
    cs_buf_destroy(&answer->etag);
}
