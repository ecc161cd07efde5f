/* http.send. The function is called again each time an exchange is over, with the same operand, and goes on where it
 * was: a `job` in the evaluation's state. One job may take several exchanges: retries, redirects, the revalidation of
 * what the cache holds.
 *
 *   begin ─▶ (answered before, in this evaluation or by the cache) ─▶ done
 *         └▶ ask again whether the cached answer is still good ─▶ done
 *         └▶ ask ─▶ redirect, retry ─▶ … ─▶ done
 */
#include <stdio.h>

#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/version.h"
#include "rego/builtin/http.h"

#define RETRY_NS 1e8 /* first delay */
#define RETRY_MOST 6e10

/* What one evaluation was answered, or how it failed: the same again for the same request. */
typedef struct remembered {
    struct remembered *next;
    uint32_t hash;
    cs_value key;
    cs_value value; /* undefined: failed */
    cs_http_failure failure;
} remembered;

typedef struct cs_http_job {
    cs_value request, key;
    cs_slice key_text;
    bool raise, shared; /* the cache of many evaluations is used */
    bool force_json, force_yaml;
    int64_t force_seconds;
    bool revalidates;
    cs_http_entry stale;
    cs_http_plan plan; /* as asked for */
    cs_http_plan hop;  /* with redirects followed */
    bool no_body, no_secrets, gzip;
    int64_t retries, attempt, deadline_ns;
    int64_t started_ns;
    cs_slice referer;
    bool of_schema; /* cs_http__get: what a redirect may do is the schemas' business */
    int hops;
} job;

struct cs_http_state {
    remembered *answers;
    job *job;
};

static const cs_http_failure fine = {CS_HTTP_FINE, {"", 0}, {"", 0}};

static int64_t mono(const cs_call *call)
{
    return call->state->host->mono_ns(call->state->host->self);
}

static int64_t wall(const cs_call *call)
{
    return call->state->host->now_ns(call->state->host->self);
}

/* ---- the evaluation's memory */

static const remembered *recall(const cs_call *call, const job *j)
{
    uint32_t hash = cs_hash(j->key);
    for (const remembered *m = call->state->http->answers; m != NULL; m = m->next) {
        if (m->hash == hash && cs_equal(m->key, j->key)) {
            return m;
        }
    }
    return NULL;
}

static void remember(cs_call *call, const job *j, cs_value value, cs_http_failure failure)
{
    cs_arena *a = call->state->arena;
    remembered *m = cs_arena_new(a, remembered);
    *m = (remembered){call->state->http->answers, cs_hash(j->key), j->key, value, failure};
    call->state->http->answers = m;
}

/* ---- the end of a job */

static void end_job(cs_call *call)
{
    cs_builtin_state *state = call->state;
    const job *j = state->http->job;
    int64_t took = mono(call) - j->started_ns;
    state->http_ns += took > 0 ? took : 1;
    state->http->job = NULL;
    cs_call_exchange_end(call);
}

/* The place of the call, as OPA puts it in front of an error that it keeps. */
static cs_slice placed(cs_call *call, const cs_http_failure *f)
{
    size_t n;
    const char *code = f->fault == CS_HTTP_OPERAND ? "eval_type_error" : "eval_builtin_error";
    char *text = call->file.n != 0
                     ? cs_arena_printf(call->arena, &n, "%.*s:%u: %s: http.send: %.*s", CS_FMT(call->file), call->row,
                                       code, CS_FMT(f->text))
                     : cs_arena_printf(call->arena, &n, "%u: %s: http.send: %.*s", call->row, code, CS_FMT(f->text));
    return cs_slice_make(text, n);
}

static cs_err give_failure(cs_call *call, bool raise, const cs_http_failure *f, cs_value *out)
{
    if (raise) {
        cs_slice text = f->timed_out.n != 0 ? f->timed_out : f->text;
        cs_err err = f->fault == CS_HTTP_OPERAND ? CS_ERR_EVAL_TYPE : CS_ERR_EVAL_BUILTIN;
        return cs_fail(call->e, err, "%.*s", CS_FMT(text));
    }
    cs_arena *a = call->arena;
    bool located = f->fault == CS_HTTP_OPERAND || f->fault == CS_HTTP_PLACED;
    cs_value error = cs_object_new(a, 2);
    cs_object_put_text(a, error, "code",
                       cs_string(f->fault == CS_HTTP_NETWORK ? CS_LIT("eval_http_send_network_error")
                                                             : CS_LIT("eval_http_send_internal_error")));
    cs_object_put_text(a, error, "message", cs_string(located ? placed(call, f) : f->text));
    *out = cs_object_new(a, 2);
    cs_object_put_text(a, *out, "status_code", cs_int(0));
    cs_object_put_text(a, *out, "error", error);
    return CS_OK;
}

static cs_err end_with(cs_call *call, cs_http_failure f, cs_value *out)
{
    bool raise = call->state->http->job->raise;
    end_job(call);
    return give_failure(call, raise, &f, out);
}

/* ---- sending */

/* "Get" of "GET". */
static void put_method(cs_sink *s, cs_slice method)
{
    for (size_t i = 0; i < method.n; i++) {
        char c = method.p[i];
        cs_sink__byte(s, i > 0 && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
}

static cs_slice printed_url(cs_call *call, const cs_url *u)
{
    cs_sink s;
    cs_slice text;
    cs_sink__init(&s, call);
    cs_url__print(&s, u);
    return cs_sink__slice_done(&s, &text) == CS_OK ? text : CS_LIT("");
}

/* The URL of a request as Go prints it, a password hidden or the user left out. */
static cs_slice url_text(cs_call *call, const cs_http_plan *plan, bool with_user)
{
    cs_url u = plan->url;
    cs_sink s;
    cs_slice text;
    cs_sink__init(&s, call);
    if (!with_user) {
        u.has_user = false;
    } else if (u.has_user && u.has_password) {
        /* The stars stand as they are; printed as a password they would be escaped. */
        cs_url front = u;
        const cs_slice none = {"", 0};
        front.has_password = false;
        front.path = front.raw_path = front.query = front.fragment = front.host = none;
        front.force_query = false;
        cs_url__print(&s, &front);
        s.n -= s.n > 0;
        cs_sink__text(&s, ":***@");
        u.scheme = none;
        u.has_user = false;
        cs_sink rest;
        cs_sink__init(&rest, call);
        cs_url__print(&rest, &u);
        cs_sink__slice(&s, cs_slice_sub(cs_slice_make(rest.p, rest.n), 2, rest.n));
        return cs_sink__slice_done(&s, &text) == CS_OK ? text : CS_LIT("");
    }
    return printed_url(call, &u);
}

/* `Get "http://…": why`, and what is said of a timeout that is raised. */
static cs_http_failure network_failure(cs_call *call, const job *j, cs_slice url, cs_slice why, bool timed_out)
{
    cs_sink s;
    cs_http_failure f = {CS_HTTP_NETWORK, CS_LIT(""), CS_LIT("")};
    cs_sink__init(&s, call);
    put_method(&s, j->plan.method);
    cs_sink__byte(&s, ' ');
    cs_sink__quote(&s, url);
    cs_sink__text(&s, ": ");
    cs_sink__slice(&s, why);
    if (cs_sink__slice_done(&s, &f.text) != CS_OK) {
        f.text = why;
    }
    if (timed_out) {
        cs_sink__init(&s, call);
        put_method(&s, j->plan.method);
        cs_sink__byte(&s, ' ');
        cs_sink__slice(&s, url);
        cs_sink__text(&s, ": request timed out");
        if (cs_sink__slice_done(&s, &f.timed_out) != CS_OK) {
            f.timed_out = CS_LIT("request timed out");
        }
    }
    return f;
}

static bool named(const cs_exchange_field *h, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cs_slice_is(h->name, names[i])) {
            return true;
        }
    }
    return false;
}

typedef struct header_list {
    cs_exchange_field *v;
    size_t n;
} header_list;

static void put_header(header_list *list, const char *name, cs_slice value)
{
    list->v[list->n++] = (cs_exchange_field){cs_slice_of(name), value};
}

/* Go's basic authentication by the user in the URL. */
static cs_slice basic(cs_call *call, const cs_url *u)
{
    size_t n;
    char *both = cs_arena_printf(call->arena, &n, "%.*s:%.*s", CS_FMT(u->user), CS_FMT(u->password));
    cs_slice code = cs_base64_encode(call->arena, cs_slice_make(both, n), CS_BASE64_STD);
    char *text = cs_arena_printf(call->arena, &n, "Basic %.*s", CS_FMT(code));
    return cs_slice_make(text, n);
}

/* The headers of one exchange: those asked for, less what a redirect takes away, and what Go's client adds. */
static header_list make_headers(cs_call *call, job *j)
{
    static const char *const secret[] = {"Authorization", "Www-Authenticate",    "Cookie",
                                         "Cookie2",       "Proxy-Authorization", "Proxy-Authenticate"};
    static const char *const bodily[] = {"Content-Encoding", "Content-Language", "Content-Location", "Content-Type"};
    static const char *const agent[] = {"User-Agent"}, *const coding[] = {"Accept-Encoding", "Range"},
                             *const authorization[] = {"Authorization"}, *const referer[] = {"Referer"},
                             *const etag[] = {"If-None-Match"}, *const since[] = {"If-Modified-Since"};
    cs_http_plan *h = &j->hop;
    header_list list = {cs_arena_array(call->arena, cs_exchange_field, h->n_headers + 8), 0};
    cs_slice tag = CS_LIT(""), modified = CS_LIT("");
    bool has_agent = false, has_coding = false, has_authorization = false, has_referer = false;
    if (j->revalidates) {
        tag = cs_http__header(&j->stale.response, "Etag");
        modified = cs_http__header(&j->stale.response, "Last-Modified");
    }
    put_header(&list, "Host", h->host.n != 0 ? h->host : h->url.host);
    for (size_t i = 0; i < h->n_headers; i++) {
        const cs_exchange_field *f = &h->headers[i];
        if ((j->no_secrets && named(f, secret, 6)) || (j->no_body && named(f, bodily, 4)) ||
            (tag.n != 0 && named(f, etag, 1)) || (modified.n != 0 && named(f, since, 1))) {
            continue;
        }
        has_agent = has_agent || named(f, agent, 1);
        has_coding = has_coding || named(f, coding, 2);
        has_authorization = has_authorization || named(f, authorization, 1);
        has_referer = has_referer || named(f, referer, 1);
        list.v[list.n++] = *f;
    }
    if (!has_agent) {
        put_header(&list, "User-Agent", CS_LIT("countersign/" CS_VERSION));
    }
    if (h->url.has_user && !has_authorization) {
        put_header(&list, "Authorization", basic(call, &h->url));
    }
    if (j->referer.n != 0 && !has_referer) {
        put_header(&list, "Referer", j->referer);
    }
    if (tag.n != 0) {
        put_header(&list, "If-None-Match", tag);
    }
    if (modified.n != 0) {
        put_header(&list, "If-Modified-Since", modified);
    }
    j->gzip = !has_coding && !cs_slice_is(h->method, "HEAD");
    if (j->gzip) {
        put_header(&list, "Accept-Encoding", CS_LIT("gzip"));
    }
    if (h->fresh) {
        put_header(&list, "Connection", CS_LIT("close"));
    }
    return list;
}

/* The URL of the request line: escaped, without user and fragment. */
static cs_err wire_url(cs_call *call, const cs_url *u, cs_slice *out)
{
    cs_sink s;
    cs_sink__init(&s, call);
    cs_sink__slice(&s, u->scheme);
    cs_sink__text(&s, "://");
    cs_sink__slice(&s, u->host);
    cs_sink__text(&s, cs_slice_starts(u->path, CS_LIT("/")) ? "" : "/");
    cs_url__print_path(&s, u);
    if (u->query.n != 0) {
        cs_sink__byte(&s, '?');
        for (size_t i = 0; i < u->query.n; i++) {
            unsigned char c = (unsigned char)u->query.p[i];
            if (c > ' ' && c < 0x7F) {
                cs_sink__byte(&s, (char)c);
            } else {
                char hex[3] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};
                cs_sink__put(&s, hex, sizeof hex);
            }
        }
    }
    return cs_sink__slice_done(&s, out);
}

static int64_t jittered(cs_call *call, int64_t attempt)
{
    double delay = RETRY_NS;
    uint32_t dice;
    if (attempt <= 1) {
        return 0;
    }
    for (int64_t i = 1; i < attempt && delay < RETRY_MOST; i++) {
        delay *= 1.6;
    }
    delay = delay < RETRY_MOST ? delay : RETRY_MOST;
    call->state->host->random(call->state->host->self, &dice, sizeof dice);
    return (int64_t)(delay * (0.8 + 0.4 * ((double)dice / (double)UINT32_MAX)));
}

/* Starts the next exchange, or finds it over. false: wait. */
static bool exchange(cs_call *call, job *j, const cs_exchange_answer **answer)
{
    cs_exchange_request request = {.kind = CS_EXCHANGE_HTTP};
    if (call->state->exchange != NULL) {
        return cs_call_exchange(call, &request, answer);
    }
    const cs_http_plan *h = &j->hop;
    header_list headers = make_headers(call, j);
    int64_t now = mono(call);
    request.delay_ns = j->deadline_ns == 0 ? jittered(call, j->attempt) : 0;
    if (h->timeout_ns > 0) {
        if (j->deadline_ns == 0) {
            int64_t most = INT64_MAX - now - request.delay_ns;
            j->deadline_ns = now + request.delay_ns + (h->timeout_ns < most ? h->timeout_ns : most);
        }
        request.timeout_ns = j->deadline_ns - now - request.delay_ns;
        request.timeout_ns = request.timeout_ns > 0 ? request.timeout_ns : 1;
    }
    request.method = h->method;
    if (wire_url(call, &h->url, &request.url) != CS_OK) {
        *answer = NULL;
        return true;
    }
    request.headers = headers.v;
    request.n_headers = headers.n;
    request.body = j->no_body ? CS_LIT("") : h->body;
    request.unix_path = h->unix_path;
    request.server_name = h->server_name;
    request.ca = h->ca;
    request.certificate = h->certificate;
    request.key = h->key;
    request.insecure = h->insecure;
    request.fresh = h->fresh;
    return cs_call_exchange(call, &request, answer);
}

/* ---- redirects, as Go's http.Client follows them */

static bool is_below(cs_slice name, cs_slice domain)
{
    return cs_slice_eq_nocase(name, domain) ||
           (name.n > domain.n && name.p[name.n - domain.n - 1] == '.' && cs_slice_find_byte(name, ':', 0) == SIZE_MAX &&
            cs_slice_eq_nocase(cs_slice_sub(name, name.n - domain.n, name.n), domain));
}

/* Why a redirect is not followed to there; "" = it is. */
static cs_slice refused(cs_call *call, job *j, const cs_url *to)
{
    const cs_host *host = call->state->host;
    if (j->of_schema) {
        const char *why = ++j->hops >= CS_HTTP_SCHEMA_HOPS
                              ? cs_arena_printf(call->arena, NULL, "stopped after %d redirects", CS_HTTP_SCHEMA_HOPS)
                          : cs_http__host_allowed(host, cs_url__hostname(to->host))
                              ? ""
                              : cs_arena_printf(call->arena, NULL, "remote reference loading disabled: %.*s",
                                                CS_FMT(printed_url(call, to)));
        return cs_slice_of(why);
    }
    cs_slice name = cs_slice_sub(to->host, 0, cs_slice_find_byte(to->host, ':', 0));
    return cs_slice_of(cs_http__host_allowed(host, name)
                           ? ""
                           : cs_arena_printf(call->arena, NULL, "disallowed host: %.*s", CS_FMT(name)));
}

/* true: j->hop is the next request. A failure is in *f. */
static bool redirect(cs_call *call, job *j, const cs_http_response *r, cs_http_failure *f)
{
    bool keep = r->status == 307 || r->status == 308;
    cs_slice to = cs_http__header(r, "Location");
    *f = fine;
    if (!j->plan.enable_redirect || to.n == 0 || (!keep && r->status != 301 && r->status != 302 && r->status != 303)) {
        return false;
    }
    cs_http_plan *h = &j->hop;
    cs_slice from = url_text(call, h, false);
    cs_url there, u;
    if (cs_url__parse(call, to, &there) != CS_OK || cs_url__resolve(call, &h->url, &there, &u) != CS_OK) {
        cs_slice why = cs_slice_of(cs_arena_printf(call->arena, NULL, "failed to parse Location header \"%.*s\": %s",
                                                   CS_FMT(to), call->e != NULL ? call->e->text : ""));
        *f = network_failure(call, j, url_text(call, h, true), why, false);
        return false;
    }
    bool https = cs_slice_is(h->url.scheme, "https");
    j->referer = https && cs_slice_is(u.scheme, "http") ? CS_LIT("") : from;
    if (!keep) {
        j->no_body = true;
        h->method = cs_slice_is(h->method, "GET") || cs_slice_is(h->method, "HEAD") ? h->method : CS_LIT("GET");
    }
    h->host = there.scheme.n != 0 ? CS_LIT("") : h->host;
    j->no_secrets = j->no_secrets || !is_below(cs_url__hostname(u.host), cs_url__hostname(j->plan.url.host));
    h->url = u;
    cs_slice why = refused(call, j, &u);
    if (why.n != 0) {
        *f = network_failure(call, j, to, why, false);
    }
    return why.n == 0;
}

/* ---- one request to its end */

static void rewind_job(job *j)
{
    j->hop = j->plan;
    j->no_body = j->no_secrets = false;
    j->referer = CS_LIT("");
    j->deadline_ns = 0;
}

static cs_http_failure told(cs_call *call, const job *j, const cs_exchange_answer *answer)
{
    if (answer == NULL) {
        return network_failure(call, j, url_text(call, &j->hop, true), CS_LIT("there is no network"), false);
    }
    bool late = answer->failure == CS_EXCHANGE_TIMEOUT;
    if (answer->in_body) {
        return cs_http__failure(call, CS_HTTP_PLACED, "%.*s%s", CS_FMT(answer->text),
                                late ? " (Client.Timeout or context cancellation while reading body)" : "");
    }
    const char *why = cs_arena_printf(call->arena, NULL, "%.*s%s", CS_FMT(answer->text),
                                      late ? " (Client.Timeout exceeded while awaiting headers)" : "");
    return network_failure(call, j, url_text(call, &j->hop, true), cs_slice_of(why), late);
}

/* Goes on until there is an answer (true; perhaps a failure in *f) or something to wait for (false). */
static bool run(cs_call *call, job *j, cs_http_response *r, cs_http_failure *f)
{
    for (;;) {
        const cs_exchange_answer *answer;
        cs_slice why = call->state->exchange == NULL ? cs_http__unsendable(call, &j->hop) : CS_LIT("");
        if (why.n != 0) {
            *f = network_failure(call, j, url_text(call, &j->hop, true), why, false);
            return true;
        }
        if (!exchange(call, j, &answer)) {
            return false;
        }
        if (answer == NULL || answer->failure != CS_EXCHANGE_OK) {
            *f = told(call, j, answer);
            bool again = answer != NULL && !answer->in_body && j->attempt < j->retries;
            cs_call_exchange_end(call);
            if (!again) {
                return true;
            }
            j->attempt++;
            rewind_job(j);
            continue;
        }
        *f = cs_http__take_response(call, answer, j->gzip, r);
        cs_call_exchange_end(call);
        if (cs_http__failed(f) || !redirect(call, j, r, f)) {
            return true;
        }
    }
}

bool cs_http__get(cs_call *call, cs_http_job **of, const cs_url *url, cs_http_response *r, cs_http_failure *f)
{
    if (*of == NULL) {
        *of = cs_arena_new(call->state->arena, struct cs_http_job);
        (*of)->of_schema = true;
        (*of)->plan = (cs_http_plan){
            .method = CS_LIT("GET"), .url = *url, .enable_redirect = true, .timeout_ns = CS_HTTP_SCHEMA_NS};
        rewind_job(*of);
    }
    return run(call, *of, r, f);
}

/* Sets the job up for its next request. `request`: the object, or for a revalidation what the cache knows it by. */
static cs_http_failure prepare(cs_call *call, job *j, cs_value request)
{
    cs_http_failure f = cs_http__make_plan(call, request, &j->plan);
    f = cs_http__failed(&f) ? f : cs_http__retries(call, request, &j->retries);
    j->attempt = 0;
    rewind_job(j);
    return f;
}

/* ---- the cache of many evaluations */

static cs_http_failure caching_mode(cs_call *call, const job *j)
{
    const cs_value *v = cs_object_get_text(j->key, "caching_mode");
    if (v == NULL) {
        return fine;
    }
    if (!cs_is(*v, CS_STRING)) {
        return cs_http__failure(call, CS_HTTP_BARE, "invalid value for \"caching_mode\" field");
    }
    if (!cs_slice_is(cs_text(*v), "serialized") && !cs_slice_is(cs_text(*v), "deserialized")) {
        return cs_http__failure(call, CS_HTTP_BARE, "invalid value specified for \"caching_mode\" field: %.*s",
                                CS_FMT(cs_text(*v)));
    }
    return fine;
}

/* `from`: the answer whose headers say how long it is good. */
static cs_http_failure put_shared(cs_call *call, const job *j, const cs_http_response *r, const cs_http_response *from)
{
    cs_http_entry entry = {.response = *r, .expires_ns = CS_HTTP_NEVER};
    cs_http_failure f = fine;
    if (j->force_seconds > 0) {
        entry.expires_ns = cs_builtin_now(call->state) + j->force_seconds * CS_NS_PER_S;
    } else {
        f = cs_http__expiry(call, from, &entry.expires_ns);
    }
    f = cs_http__failed(&f) ? f : caching_mode(call, j);
    if (!cs_http__failed(&f)) {
        cs_http__cache_put(call->state->host->http_cache, j->key_text, wall(call), &entry);
    }
    return f;
}

static bool may_share(const job *j, const cs_http_response *r)
{
    return (j->force_seconds > 0 || cs_http__may_store(r)) && cs_http__cacheable(r->status);
}

/* The old answer with the headers that the new one brought. */
static void merge_headers(cs_call *call, cs_http_response *old, const cs_http_response *with)
{
    cs_exchange_field *list = cs_arena_array(call->arena, cs_exchange_field, old->n_headers + with->n_headers + 1);
    size_t n = 0;
    for (size_t i = 0; i < old->n_headers; i++) {
        bool replaced = false;
        for (size_t k = 0; k < with->n_headers; k++) {
            replaced = replaced || cs_slice_eq(with->headers[k].name, old->headers[i].name);
        }
        if (!replaced) {
            list[n++] = old->headers[i];
        }
    }
    for (size_t i = 0; i < with->n_headers; i++) {
        list[n++] = with->headers[i];
    }
    old->headers = list;
    old->n_headers = n;
}

/* ---- the job's steps */

static cs_err end_and_give(cs_call *call, cs_value value, cs_value *out)
{
    end_job(call);
    *out = value;
    return CS_OK;
}

/* A failure that the evaluation is to meet again for the same request. */
static cs_err end_and_remember(cs_call *call, job *j, cs_http_failure f, cs_value *out)
{
    remember(call, j, cs_undefined(), f);
    return end_with(call, f, out);
}

static cs_err ask(cs_call *call, job *j, cs_value *out)
{
    cs_http_response r;
    cs_http_failure f;
    if (!run(call, j, &r, &f)) {
        return CS_OK;
    }
    if (cs_http__failed(&f)) {
        return f.fault == CS_HTTP_NETWORK ? end_and_remember(call, j, f, out) : end_with(call, f, out);
    }
    if (!j->shared) {
        f = cs_http__flag(call, j->key, "force_json_decode", &j->force_json);
        f = cs_http__failed(&f) ? f : cs_http__flag(call, j->key, "force_yaml_decode", &j->force_yaml);
        if (cs_http__failed(&f)) {
            return end_with(call, f, out);
        }
    }
    cs_value value = cs_http__to_value(call, &r, j->force_json, j->force_yaml);
    if (j->shared || cs_http__cacheable(r.status)) {
        remember(call, j, value, fine);
    }
    if (j->shared && may_share(j, &r)) {
        /* What cannot be kept is given all the same. */
        (void)put_shared(call, j, &r, &r);
    }
    return end_and_give(call, value, out);
}

static cs_err begin_to_ask(cs_call *call, job *j, cs_value *out)
{
    j->revalidates = false;
    cs_http_failure f = prepare(call, j, j->request);
    if (cs_http__failed(&f)) {
        return end_and_remember(call, j, f, out);
    }
    call->state->http_requests++;
    return ask(call, j, out);
}

static cs_err revalidate(cs_call *call, job *j, cs_value *out)
{
    cs_http_response r;
    cs_http_failure f;
    if (!run(call, j, &r, &f)) {
        return CS_OK;
    }
    cs_http__cache_remove(call->state->host->http_cache, j->key_text);
    if (cs_http__failed(&f)) {
        return end_and_remember(call, j, f, out);
    }
    if (r.status != 200 && r.status != 304) {
        return begin_to_ask(call, j, out);
    }
    cs_http_response *answer = &r;
    if (r.status == 304) {
        answer = &j->stale.response;
        merge_headers(call, answer, &r);
    }
    if (r.status == 304 || may_share(j, &r)) {
        f = put_shared(call, j, answer, &r);
        if (cs_http__failed(&f)) {
            return end_and_remember(call, j, f, out);
        }
    }
    cs_value value = cs_http__to_value(call, answer, j->force_json, j->force_yaml);
    remember(call, j, value, fine);
    return end_and_give(call, value, out);
}

/* The cache of many evaluations: an answer, a question whether it is still good, or nothing. */
static cs_err look_in_cache(cs_call *call, job *j, cs_value *out)
{
    cs_http_cache *cache = call->state->host->http_cache;
    cs_http_failure f = cs_http__flag(call, j->key, "force_json_decode", &j->force_json);
    f = cs_http__failed(&f) ? f : cs_http__flag(call, j->key, "force_yaml_decode", &j->force_yaml);
    if (cs_http__failed(&f)) {
        return end_with(call, f, out);
    }
    cs_sink s;
    cs_sink__init(&s, call);
    cs_sink__value(&s, j->key);
    CS_TRY(cs_sink__slice_done(&s, &j->key_text));
    if (!cs_http__cache_get(cache, call->arena, j->key_text, wall(call), &j->stale)) {
        return begin_to_ask(call, j, out);
    }
    call->state->http_cache_hits++;
    if (cs_builtin_now(call->state) < j->stale.expires_ns) {
        cs_value value = cs_http__to_value(call, &j->stale.response, j->force_json, j->force_yaml);
        remember(call, j, value, fine);
        return end_and_give(call, value, out);
    }
    j->revalidates = true;
    f = prepare(call, j, j->key);
    if (cs_http__failed(&f)) {
        return end_and_remember(call, j, f, out);
    }
    if (cs_http__header(&j->stale.response, "Etag").n == 0 &&
        cs_http__header(&j->stale.response, "Last-Modified").n == 0) {
        cs_http__cache_remove(cache, j->key_text);
        return begin_to_ask(call, j, out);
    }
    return revalidate(call, j, out);
}

static cs_err begin(cs_call *call, job *j, cs_value *out)
{
    cs_http_failure f = cs_http__cache_key(call, j->request, &j->key);
    bool wanted = false;
    f = cs_http__failed(&f) ? f : cs_http__cache_use(call, j->request, &wanted, &j->force_seconds);
    if (cs_http__failed(&f)) {
        return end_with(call, f, out);
    }
    j->shared = wanted && call->state->host->http_cache != NULL;
    const remembered *m = recall(call, j);
    if (m != NULL) {
        return cs_is_undefined(m->value) ? end_with(call, m->failure, out) : end_and_give(call, m->value, out);
    }
    return j->shared ? look_in_cache(call, j, out) : begin_to_ask(call, j, out);
}

cs_err cs_builtin__http_send(cs_call *call, cs_value *out)
{
    cs_builtin_state *state = call->state;
    *out = cs_undefined();
    if (state->http == NULL) {
        state->http = cs_arena_new(state->arena, struct cs_http_state);
    }
    job *j = state->http->job;
    if (j != NULL && state->exchange != NULL && cs_equal(j->request, call->args[0])) {
        return j->revalidates ? revalidate(call, j, out) : ask(call, j, out);
    }
    cs_call_exchange_end(call);
    cs_value request;
    CS_TRY(cs_call__object(call, 1, &request));
    j = cs_arena_new(state->arena, job);
    const cs_value *raise = cs_object_get_text(request, "raise_error");
    if (raise != NULL && !cs_is(*raise, CS_BOOL)) {
        return cs_call_error(call, "invalid value for raise_error field");
    }
    j->request = request;
    j->raise = raise == NULL || cs_truthy(*raise);
    cs_http_failure f = cs_http__check_keys(call, request);
    if (cs_http__failed(&f)) {
        return give_failure(call, j->raise, &f, out);
    }
    j->started_ns = mono(call);
    state->http->job = j;
    return begin(call, j, out);
}
