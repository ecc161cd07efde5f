/* The network of evaluations: exchanges under way on a thread of their own, with libcurl's multi interface; lookups on
 * a few more. The threads start with the first exchange. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <curl/curl.h>

#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "network.h"

#define POLL_MS 1000

static cs_net__network *of(cs_network *n)
{
    return (cs_net__network *)(void *)n;
}

static cs_slice copied(cs_arena *a, cs_slice s)
{
    return s.n != 0 ? cs_slice_make(cs_arena_dup(a, s.p, s.n), s.n) : CS_LIT("");
}

static cs_exchange *exchange_new(cs_net__network *n, const cs_exchange_request *r)
{
    cs_exchange *x = cs_zalloc(sizeof *x);
    cs_arena *a = &x->arena;
    cs_arena_init(a, 0);
    x->network = n;
    x->request = *r;
    cs_slice *const texts[] = {&x->request.host, &x->request.method,    &x->request.url,
                               &x->request.body, &x->request.unix_path, &x->request.server_name,
                               &x->request.ca,   &x->request.key,       &x->request.certificate};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = copied(a, *texts[i]);
    }
    cs_exchange_field *headers = cs_arena_array(a, cs_exchange_field, r->n_headers + 1);
    for (size_t i = 0; i < r->n_headers; i++) {
        headers[i] = (cs_exchange_field){copied(a, r->headers[i].name), copied(a, r->headers[i].value)};
    }
    x->request.headers = headers;
    x->answer = (cs_exchange_answer){.text = {"", 0}, .status_text = {"", 0}, .body = {"", 0}};
    x->begin_ns = cs_time_mono_ns() + (r->delay_ns > 0 ? r->delay_ns : 0);
    return x;
}

static void exchange_free(cs_exchange *x)
{
    cs_net__transfer_free(x->transfer);
    cs_arena_destroy(&x->arena);
    cs_free(x);
}

void cs_net__exchange_failed(cs_exchange *x, cs_exchange_failure failure, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    x->answer.failure = failure;
    x->answer.text = copied(&x->arena, cs_slice_make(text, length));
}

void cs_net__exchange_over(cs_exchange *x)
{
    cs_net__network *n = x->network;
    cs_mutex_lock(&n->lock);
    x->state = CS_NET__OVER;
    if (x->counted) {
        x->counted = false;
        n->under_way--;
    }
    bool abandoned = x->abandoned;
    if (!abandoned) {
        /* Under the lock, so that none comes when the owner has ended it. */
        if (x->wake != NULL) {
            x->wake(x->self);
        }
        cs_cond_broadcast(&n->over);
    }
    cs_mutex_unlock(&n->lock);
    if (abandoned) {
        exchange_free(x);
    }
}

/* ---- the thread of transfers */

/* What runs on it: a list of its own. */
typedef struct running {
    cs_net__network *n;
    CURLM *multi;
    cs_exchange *waiting;   /* for their time */
    cs_exchange *transfers; /* with libcurl */
} running;

static void begin(running *r, cs_exchange *x)
{
    if (x->request.kind == CS_EXCHANGE_PAUSE) {
        cs_net__exchange_over(x);
        return;
    }
    if (x->request.timeout_ns > 0 && x->request.timeout_ns < CS_NS_PER_MS) {
        /* libcurl counts in ms; nobody answers in less. */
        cs_net__exchange_failed(x, CS_EXCHANGE_TIMEOUT, "context deadline exceeded");
        cs_net__exchange_over(x);
        return;
    }
    CURL *curl = cs_net__transfer_new(x);
    if (curl == NULL || curl_multi_add_handle(r->multi, curl) != CURLM_OK) {
        cs_net__exchange_failed(x, CS_EXCHANGE_FAILED, "no HTTP client");
        cs_net__exchange_over(x);
        return;
    }
    x->next = r->transfers;
    r->transfers = x;
}

/* Takes abandoned exchanges out of a list. */
static void drop_abandoned(running *r, cs_exchange **list)
{
    cs_exchange *gone = NULL;
    cs_mutex_lock(&r->n->lock);
    for (cs_exchange **at = list; *at != NULL;) {
        cs_exchange *x = *at;
        if (x->abandoned) {
            *at = x->next;
            x->next = gone;
            gone = x;
        } else {
            at = &x->next;
        }
    }
    cs_mutex_unlock(&r->n->lock);
    while (gone != NULL) {
        cs_exchange *next = gone->next;
        if (gone->transfer != NULL) {
            (void)curl_multi_remove_handle(r->multi, *(CURL **)(void *)gone->transfer);
        }
        cs_net__exchange_over(gone);
        gone = next;
    }
}

static void take_incoming(running *r)
{
    cs_mutex_lock(&r->n->lock);
    cs_exchange *list = r->n->incoming;
    r->n->incoming = NULL;
    for (cs_exchange *x = list; x != NULL; x = x->next) {
        x->state = CS_NET__RUNNING;
    }
    cs_mutex_unlock(&r->n->lock);
    while (list != NULL) {
        cs_exchange *next = list->next;
        list->next = r->waiting;
        r->waiting = list;
        list = next;
    }
}

/* Begins what is due; how many ms until the next is. */
static int begin_due(running *r)
{
    int64_t now = cs_time_mono_ns(), soonest = INT64_MAX;
    for (cs_exchange **at = &r->waiting; *at != NULL;) {
        cs_exchange *x = *at;
        if (x->begin_ns <= now) {
            *at = x->next;
            begin(r, x);
            continue;
        }
        soonest = x->begin_ns < soonest ? x->begin_ns : soonest;
        at = &x->next;
    }
    int64_t ms = soonest == INT64_MAX ? POLL_MS : (soonest - now) / CS_NS_PER_MS + 1;
    return ms < POLL_MS ? (int)ms : POLL_MS;
}

static void take_finished(running *r)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(r->multi, &left)) != NULL;) {
        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        CURL *curl = m->easy_handle;
        CURLcode code = m->data.result;
        cs_exchange *x = NULL;
        (void)curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&x);
        for (cs_exchange **at = &r->transfers; *at != NULL; at = &(*at)->next) {
            if (*at == x) {
                *at = x->next;
                break;
            }
        }
        (void)curl_multi_remove_handle(r->multi, curl);
        cs_net__transfer_over(x, (int)code);
        cs_net__exchange_over(x);
    }
}

static bool stopped(cs_net__network *n)
{
    cs_mutex_lock(&n->lock);
    bool stop = n->stop;
    cs_mutex_unlock(&n->lock);
    return stop;
}

static void thread_main(void *self)
{
    running r = {.n = self};
    r.multi = r.n->multi;
    while (!stopped(r.n)) {
        take_incoming(&r);
        drop_abandoned(&r, &r.waiting);
        drop_abandoned(&r, &r.transfers);
        int wait_ms = begin_due(&r), handles;
        (void)curl_multi_perform(r.multi, &handles);
        take_finished(&r);
        (void)curl_multi_poll(r.multi, NULL, 0, wait_ms, NULL);
    }
    /* Whoever frees the network has ended every exchange. */
    take_incoming(&r);
    drop_abandoned(&r, &r.waiting);
    drop_abandoned(&r, &r.transfers);
}

static void setup(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* With the lock held. */
static bool start_thread(cs_net__network *n)
{
    static cs_once once = CS_ONCE_INIT;
    if (n->started) {
        return true;
    }
    cs_once_run(&once, setup);
    n->multi = n->multi != NULL ? n->multi : curl_multi_init();
    if (n->multi == NULL) {
        return false;
    }
    /* Idle connections as Go's transport keeps them: a hundred in all. */
    (void)curl_multi_setopt(n->multi, CURLMOPT_MAXCONNECTS, 100L);
    cs_error e;
    n->started = cs_thread_start(&n->thread, "network", thread_main, n, &e) == CS_OK;
    return n->started;
}

/* ---- what cs_network promises */

static cs_exchange *network_start(cs_network *shape, const cs_exchange_request *request, cs_exchange_wake *wake,
                                  void *self)
{
    cs_net__network *n = of(shape);
    cs_exchange *x = exchange_new(n, request);
    uint64_t most = cs_limits_get()->exchanges;
    x->wake = wake;
    x->self = self;
    cs_mutex_lock(&n->lock);
    if (n->under_way >= most) {
        cs_net__exchange_failed(x, CS_EXCHANGE_FAILED, "too many requests are under way: the limit exchanges is %llu",
                                (unsigned long long)most);
        x->state = CS_NET__OVER;
    } else if (!start_thread(n)) {
        cs_net__exchange_failed(x, CS_EXCHANGE_FAILED, "the system has no thread left for the network");
        x->state = CS_NET__OVER;
    } else {
        n->under_way++;
        x->counted = true;
        if (request->kind == CS_EXCHANGE_LOOKUP) {
            cs_net__lookup_start(x);
        } else {
            x->next = n->incoming;
            n->incoming = x;
            (void)curl_multi_wakeup(n->multi);
        }
    }
    cs_mutex_unlock(&n->lock);
    return x;
}

static const cs_exchange_answer *network_answer(cs_exchange *x)
{
    cs_mutex_lock(&x->network->lock);
    bool over = x->state == CS_NET__OVER;
    cs_mutex_unlock(&x->network->lock);
    return over ? &x->answer : NULL;
}

static bool network_wait(cs_exchange *x, int64_t timeout_ns)
{
    cs_net__network *n = x->network;
    int64_t now = cs_time_mono_ns(), until = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
    cs_mutex_lock(&n->lock);
    for (int64_t left = until - now; x->state != CS_NET__OVER && left > 0; left = until - cs_time_mono_ns()) {
        (void)cs_cond_wait_for(&n->over, &n->lock, left < CS_NS_PER_S ? left : CS_NS_PER_S);
    }
    bool over = x->state == CS_NET__OVER;
    cs_mutex_unlock(&n->lock);
    return over;
}

static void network_end(cs_exchange *x)
{
    cs_net__network *n = x->network;
    cs_mutex_lock(&n->lock);
    bool over = x->state == CS_NET__OVER;
    if (!over) {
        x->abandoned = true;
        x->wake = NULL;
        (void)curl_multi_wakeup(n->multi);
    }
    cs_mutex_unlock(&n->lock);
    if (over) {
        exchange_free(x);
    }
}

static cs_err read_file(const char *path, cs_buf *out, cs_error *e)
{
    errno = 0;
    if (cs_file_read(path, cs_limits_get()->exchange_bytes, out, e) == CS_OK) {
        return CS_OK;
    }
    int number = errno != 0 ? errno : EIO;
    cs_buf why;
    cs_buf_init(&why);
    cs_net__words_errno(&why, number);
    cs_err err =
        cs_fail(e, CS_ERR_IO, number == EISDIR ? "read %s: %.*s" : "open %s: %.*s", path, CS_FMT(cs_buf_view(&why)));
    cs_buf_destroy(&why);
    return err;
}

cs_network *cs_network_new(const cs_network_options *options)
{
    cs_net__network *n = cs_zalloc(sizeof *n);
    n->shape = (cs_network){network_start, network_answer, network_wait, network_end, options->read_env, read_file};
    n->last_lookup = &n->lookups;
    cs_mutex_init(&n->lock);
    cs_cond_init(&n->over);
    cs_cond_init(&n->lookup_wanted);
    return &n->shape;
}

void cs_network_free(cs_network *network)
{
    if (network == NULL) {
        return;
    }
    cs_net__network *n = of(network);
    cs_mutex_lock(&n->lock);
    n->stop = true;
    if (n->started) {
        (void)curl_multi_wakeup(n->multi);
    }
    cs_mutex_unlock(&n->lock);
    cs_net__lookup_stop(n);
    cs_thread_join(&n->thread);
    if (n->multi != NULL) {
        (void)curl_multi_cleanup(n->multi);
    }
    cs_cond_destroy(&n->over);
    cs_cond_destroy(&n->lookup_wanted);
    cs_mutex_destroy(&n->lock);
    cs_free(n);
}
