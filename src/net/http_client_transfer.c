/* One HTTP request of an evaluation on one handle of libcurl: what is sent is exactly what the request says, what comes
 * is kept as it came. Redirects, content codings and retries are the caller's. */
#include <errno.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/base/vec.h"
#include "network.h"

typedef CS_VEC(cs_exchange_field) fields;

struct cs_net__transfer {
    CURL *curl; /* first: see http_client_network.c */
    cs_exchange *x;
    struct curl_slist *headers, *connect_to;
    char error[CURL_ERROR_SIZE];
    cs_buf body;
    fields fields;        /* of the last head that came */
    cs_slice status_line; /* likewise; in the exchange's arena */
    bool head_done;       /* the final head is complete: what comes as headers now is a trailer */
    bool too_long, not_http, unnamed;
    cs_slice port;
    cs_slice host;                 /* who must be in the certificate */
    struct sockaddr_storage first; /* the address tried first */
    socklen_t first_size;
};

/* ---- what comes */

static cs_slice kept(cs_net__transfer *t, cs_slice s)
{
    return s.n != 0 ? cs_slice_make(cs_arena_dup(&t->x->arena, s.p, s.n), s.n) : CS_LIT("");
}

static size_t on_header(char *bytes, size_t size, size_t n, void *self)
{
    cs_net__transfer *t = self;
    cs_slice line = cs_slice_trim(cs_slice_make(bytes, size * n));
    if (t->head_done) {
        return size * n;
    }
    if (cs_slice_starts(line, CS_LIT("HTTP/"))) {
        t->fields.n = 0;
        t->status_line = kept(t, line);
        return size * n;
    }
    if (line.n == 0) {
        long status = 0;
        (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
        t->head_done = status >= 200 || status == 101;
        return size * n;
    }
    size_t colon = cs_slice_find_byte(line, ':', 0);
    if (colon != SIZE_MAX) {
        cs_exchange_field f = {kept(t, cs_slice_sub(line, 0, colon)),
                               kept(t, cs_slice_trim(cs_slice_sub(line, colon + 1, line.n)))};
        CS_VEC_PUSH(&t->fields, f);
    }
    return size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *self)
{
    cs_net__transfer *t = self;
    size_t all = size * n;
    if (t->status_line.n == 0) {
        t->not_http = true;
        cs_buf_put(&t->body, bytes, all < 1024 ? all : 1024);
        return 0;
    }
    if (t->body.n + all > cs_limits_get()->exchange_bytes) {
        t->too_long = true;
        return 0;
    }
    cs_buf_put(&t->body, bytes, all);
    return all;
}

static curl_socket_t on_socket(void *self, curlsocktype purpose, struct curl_sockaddr *to)
{
    cs_net__transfer *t = self;
    (void)purpose;
    if (t->first_size == 0 && to->addrlen <= sizeof t->first) {
        memcpy(&t->first, &to->addr, to->addrlen);
        t->first_size = (socklen_t)to->addrlen;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* The text of the server certificate's subjectAltName, as OpenSSL prints it. *known: was there a certificate? */
static const char *alternative_names(CURL *curl, bool *known)
{
    static const char label[] = "X509v3 Subject Alternative Name:";
    struct curl_certinfo *info = NULL;
    *known = curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) == CURLE_OK && info != NULL && info->num_of_certs > 0;
    for (struct curl_slist *s = *known ? info->certinfo[0] : NULL; s != NULL; s = s->next) {
        if (strncmp(s->data, label, sizeof label - 1) == 0) {
            return s->data + sizeof label - 1;
        }
    }
    return NULL;
}

/* libcurl takes the common name of a certificate without alternative names; Go does not. */
static int before_request(void *self, char *ip, char *local_ip, int port, int local_port)
{
    cs_net__transfer *t = self;
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    bool known;
    t->unnamed = alternative_names(t->curl, &known) == NULL && known;
    return t->unnamed ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- what is sent */

static struct curl_slist *add(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);
    return longer != NULL ? longer : list;
}

static bool has_header(const cs_exchange_request *r, cs_slice name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (cs_slice_eq_nocase(r->headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void set_headers(cs_net__transfer *t, const cs_exchange_request *r)
{
    static const char *const unwanted[] = {"Expect", "Accept", "Content-Type", "User-Agent"};
    cs_buf line;
    cs_buf_init(&line);
    for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++) {
        if (!has_header(r, cs_slice_of(unwanted[i]))) {
            cs_buf_clear(&line);
            cs_buf_printf(&line, "%s:", unwanted[i]);
            t->headers = add(t->headers, cs_buf_cstr(&line));
        }
    }
    for (size_t i = 0; i < r->n_headers; i++) {
        const cs_exchange_field *h = &r->headers[i];
        cs_buf_clear(&line);
        if (h->value.n == 0) {
            cs_buf_printf(&line, "%.*s;", CS_FMT(h->name));
        } else {
            cs_buf_printf(&line, "%.*s: %.*s", CS_FMT(h->name), CS_FMT(h->value));
        }
        t->headers = add(t->headers, cs_buf_cstr(&line));
    }
    cs_buf_destroy(&line);
    (void)curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers);
}

static void set_method(CURL *curl, const cs_exchange_request *r, const char *method)
{
    bool bodily = cs_slice_is(r->method, "POST") || cs_slice_is(r->method, "PUT") || cs_slice_is(r->method, "PATCH");
    if (cs_slice_is(r->method, "HEAD")) {
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (r->body.n != 0 || bodily) {
        (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body.p);
    }
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static void set_blob(CURL *curl, CURLoption option, cs_slice bytes)
{
    if (bytes.n != 0) {
        struct curl_blob blob = {.data = (void *)(uintptr_t)bytes.p, .len = bytes.n, .flags = CURL_BLOB_NOCOPY};
        (void)curl_easy_setopt(curl, option, &blob);
    }
}

/* The URL; with a server name of its own it is that in the URL, and the connection goes to the real host. */
static void set_url(cs_net__transfer *t, const cs_exchange_request *r)
{
    cs_arena *a = &t->x->arena;
    size_t from = cs_slice_find(r->url, CS_LIT("://"), 0) + 3, to = from;
    while (to < r->url.n && r->url.p[to] != '/' && r->url.p[to] != '?') {
        to++;
    }
    cs_slice authority = cs_slice_sub(r->url, from, to);
    bool https = cs_slice_starts(r->url, CS_LIT("https:")), bracket = authority.n != 0 && authority.p[0] == '[';
    size_t close = bracket ? cs_slice_find_byte(authority, ']', 0) : 0;
    size_t colon = cs_slice_find_byte(authority, ':', close == SIZE_MAX ? 0 : close);
    cs_slice host = cs_slice_sub(authority, 0, colon), port = CS_LIT("");
    if (colon != SIZE_MAX) {
        port = cs_slice_sub(authority, colon + 1, authority.n);
    }
    if (port.n == 0) {
        port = https ? CS_LIT("443") : CS_LIT("80");
    }
    t->port = port;
    t->host = bracket ? cs_slice_sub(host, 1, host.n - 1) : host;
    const char *url = cs_arena_dup(a, r->url.p, r->url.n);
    if (r->server_name.n != 0 && https) {
        t->host = r->server_name;
        url = cs_arena_printf(a, NULL, "https://%.*s:%.*s%.*s", CS_FMT(r->server_name), CS_FMT(port),
                              CS_FMT(cs_slice_sub(r->url, to, r->url.n)));
        t->connect_to = add(NULL, cs_arena_printf(a, NULL, "%.*s:%.*s:%.*s:%.*s", CS_FMT(r->server_name), CS_FMT(port),
                                                  CS_FMT(host), CS_FMT(port)));
        (void)curl_easy_setopt(t->curl, CURLOPT_CONNECT_TO, t->connect_to);
    }
    (void)curl_easy_setopt(t->curl, CURLOPT_URL, url);
}

static void set_tls(cs_net__transfer *t, const cs_exchange_request *r)
{
    CURL *curl = t->curl;
    const char *file = t->x->network->shape.read_env("SSL_CERT_FILE");
    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    if (r->ca.n != 0) {
        set_blob(curl, CURLOPT_CAINFO_BLOB, r->ca);
        (void)curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    } else if (file != NULL && file[0] != 0) {
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, file);
    }
    set_blob(curl, CURLOPT_SSLCERT_BLOB, r->certificate);
    set_blob(curl, CURLOPT_SSLKEY_BLOB, r->key);
    if (r->insecure) {
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    } else {
        (void)curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, before_request);
        (void)curl_easy_setopt(curl, CURLOPT_PREREQDATA, t);
    }
}

/* Proxies are named by the environment; requests to this machine never go through one, as Go has it. */
static void set_proxy(cs_net__transfer *t)
{
    const char *(*env)(const char *) = t->x->network->shape.read_env;
    const char *upper = env("HTTP_PROXY"), *lower = env("http_proxy");
    bool local =
        cs_slice_is(t->host, "localhost") || cs_slice_starts(t->host, CS_LIT("127.")) || cs_slice_is(t->host, "::1");
    if (local || t->x->request.unix_path.n != 0) {
        (void)curl_easy_setopt(t->curl, CURLOPT_PROXY, "");
    } else if (upper != NULL && lower == NULL && cs_slice_starts(t->x->request.url, CS_LIT("http:"))) {
        (void)curl_easy_setopt(t->curl, CURLOPT_PROXY, upper);
    }
}

cs_net__curl *cs_net__transfer_new(cs_exchange *x)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return NULL;
    }
    cs_net__transfer *t = cs_zalloc(sizeof *t);
    const cs_exchange_request *r = &x->request;
    x->transfer = t;
    t->curl = curl;
    t->x = x;
    t->status_line = CS_LIT("");
    cs_buf_init(&t->body);
    set_url(t, r);
    set_headers(t, r);
    set_method(curl, r, cs_arena_dup(&x->arena, r->method.p, r->method.n));
    set_tls(t, r);
    set_proxy(t);
    int64_t ms = (r->timeout_ns + CS_NS_PER_MS - 1) / CS_NS_PER_MS;
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(ms < INT32_MAX ? ms : INT32_MAX));
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)INT32_MAX);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    (void)curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, 90L);
    if (r->unix_path.n != 0) {
        (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, cs_arena_dup(&x->arena, r->unix_path.p, r->unix_path.n));
    }
    if (r->fresh) {
        (void)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    }
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->error);
    (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, x);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, t);
    return curl;
}

void cs_net__transfer_free(cs_net__transfer *t)
{
    if (t != NULL) {
        curl_easy_cleanup(t->curl);
        curl_slist_free_all(t->headers);
        curl_slist_free_all(t->connect_to);
        cs_buf_destroy(&t->body);
        CS_VEC_FREE(&t->fields);
        cs_free(t);
    }
}

/* ---- the verdict */

/* "read tcp 127.0.0.1:4711->127.0.0.1:80: read: connection reset by peer" */
static void words_broken(cs_net__transfer *t, cs_buf *out, const char *what, int error)
{
    char *ip = NULL;
    long port = 0;
    (void)curl_easy_getinfo(t->curl, CURLINFO_LOCAL_IP, &ip);
    (void)curl_easy_getinfo(t->curl, CURLINFO_LOCAL_PORT, &port);
    bool v6 = ip != NULL && strchr(ip, ':') != NULL;
    cs_buf_printf(out, v6 ? "%s tcp [%s]:%ld->" : "%s tcp %s:%ld->", what, ip != NULL ? ip : "", port);
    if (t->first_size != 0) {
        cs_net__words_address(out, (const struct sockaddr *)&t->first, t->first_size);
    }
    cs_buf_printf(out, ": %s: ", what);
    cs_net__words_errno(out, error);
}

static void words_not_http(cs_net__transfer *t, cs_buf *out)
{
    cs_slice rest = cs_buf_view(&t->body), line = CS_LIT("");
    (void)cs_slice_next(&rest, '\n', &line);
    if (line.n != 0 && line.p[line.n - 1] == '\r') {
        line.n--;
    }
    cs_buf_text(out, "net/http: HTTP/1.x transport connection broken: malformed HTTP response \"");
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        if (c == '"' || c == '\\') {
            cs_buf_byte(out, '\\');
        }
        if (c < ' ' || c >= 0x7F) {
            cs_buf_printf(out, "\\x%02x", c);
        } else {
            cs_buf_byte(out, (char)c);
        }
    }
    cs_buf_byte(out, '"');
}

static void words_handshake(cs_net__transfer *t, cs_buf *out)
{
    cs_slice text = cs_slice_of(t->error);
    if (cs_slice_find(text, CS_LIT("wrong version number"), 0) != SIZE_MAX) {
        cs_buf_text(out, "http: server gave HTTP response to HTTPS client");
    } else if (!cs_net__words_alert(out, t->error)) {
        if (cs_slice_find(text, CS_LIT("SSL_ERROR_SYSCALL"), 0) != SIZE_MAX ||
            cs_slice_find(text, CS_LIT("unexpected eof"), 0) != SIZE_MAX) {
            cs_buf_text(out, "EOF");
        } else {
            cs_buf_printf(out, "tls: %s", t->error);
        }
    }
}

static void words(cs_net__transfer *t, CURLcode code, cs_buf *out)
{
    long verify = 0, error = 0;
    bool known;
    (void)curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &error);
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        cs_buf_text(out, "dial tcp: ");
        cs_net__words_lookup(out, t->host, "no such host");
        break;
    case CURLE_URL_MALFORMAT:
        cs_buf_printf(out, "dial tcp: address %.*s: invalid port", CS_FMT(t->port));
        break;
    case CURLE_COULDNT_CONNECT:
        if (t->first_size != 0) {
            cs_net__words_dial(out, (const struct sockaddr *)&t->first, t->first_size,
                               error != 0 ? (int)error : ECONNREFUSED);
        } else {
            cs_buf_printf(out, "dial tcp: %s", t->error);
        }
        break;
    case CURLE_GOT_NOTHING:
        cs_buf_text(out, "EOF");
        break;
    case CURLE_PARTIAL_FILE:
        cs_buf_text(out, "unexpected EOF");
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        (void)curl_easy_getinfo(t->curl, CURLINFO_SSL_VERIFYRESULT, &verify);
        cs_net__words_certificate(out, verify, alternative_names(t->curl, &known), t->host);
        break;
    case CURLE_SSL_CONNECT_ERROR:
        words_handshake(t, out);
        break;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        if (!cs_net__words_alert(out, t->error)) {
            if (error != 0) {
                words_broken(t, out, code == CURLE_RECV_ERROR ? "read" : "write", (int)error);
            } else {
                cs_buf_text(out, t->head_done ? "unexpected EOF" : "EOF");
            }
        }
        break;
    default:
        cs_buf_text(out, t->error[0] != 0 ? t->error : curl_easy_strerror(code));
        break;
    }
}

static void fail(cs_net__transfer *t, CURLcode code)
{
    cs_exchange *x = t->x;
    cs_buf text;
    cs_buf_init(&text);
    if (t->not_http) {
        words_not_http(t, &text);
    } else if (t->unnamed) {
        cs_net__words_certificate(&text, 0, NULL, t->host);
    } else if (t->too_long) {
        cs_buf_printf(&text, "the answer has more than %llu bytes",
                      (unsigned long long)cs_limits_get()->exchange_bytes);
    } else {
        words(t, code, &text);
    }
    cs_net__exchange_failed(x, CS_EXCHANGE_FAILED, "%.*s", CS_FMT(cs_buf_view(&text)));
    cs_buf_destroy(&text);
}

/* "200 OK" of "HTTP/1.1 200 OK"; HTTP/2 has no words of its own. */
static cs_slice status_text(cs_net__transfer *t, int status)
{
    cs_slice line = t->status_line;
    size_t blank = cs_slice_find_byte(line, ' ', 0);
    if (cs_slice_starts(line, CS_LIT("HTTP/1")) && blank != SIZE_MAX) {
        return cs_slice_trim(cs_slice_sub(line, blank, line.n));
    }
    size_t n;
    const char *words_of = cs_http_status_text(status);
    char *text = cs_arena_printf(&t->x->arena, &n, words_of[0] != 0 ? "%d %s" : "%d ", status, words_of);
    return cs_slice_make(text, n);
}

void cs_net__transfer_over(cs_exchange *x, int curl_code)
{
    cs_net__transfer *t = x->transfer;
    CURLcode code = (CURLcode)curl_code;
    long status = 0;
    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    cs_exchange_answer *a = &x->answer;
    a->in_body = t->head_done;
    if (code == CURLE_OPERATION_TIMEDOUT) {
        cs_net__exchange_failed(x, CS_EXCHANGE_TIMEOUT, "context deadline exceeded");
    } else if (code != CURLE_OK) {
        fail(t, code);
    } else {
        a->status = (int)status;
        a->status_text = status_text(t, (int)status);
        cs_exchange_field *list = cs_arena_array(&x->arena, cs_exchange_field, t->fields.n + 1);
        for (size_t i = 0; i < t->fields.n; i++) {
            list[i] = t->fields.v[i];
        }
        a->headers = list;
        a->n_headers = t->fields.n;
        /* The body moves into the exchange as it is. */
        a->body = kept(t, cs_buf_view(&t->body));
    }
    cs_net__transfer_free(t);
    x->transfer = NULL;
}
