/* The server of HTTP: workers, listening sockets, start and end. What happens on a connection is in
 * http_connection.c. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "net/http_connection.h"

enum {
    ACCEPT_BATCH = 64,
    LISTENERS = 8 /* sockets of one address */
};

typedef struct worker worker;

typedef struct listener {
    struct event event;
    worker *w;
    int fd;
    int tag;
    bool tls, is_unix, added;
} listener;

struct worker {
    cs_http_server *server;
    unsigned index;
    cs_loop *loop;
    cs_thread thread;
    listener *listeners;
    size_t n_listeners;
    cs_net__conns conns;
    cs_timer *tick;
    bool paused; /* nothing is accepted */
};

struct cs_http_server {
    cs_http_handlers handlers;
    worker *workers;
    unsigned n_workers;
    cs_net__tls *tls;
    int64_t tls_refresh_ns, tls_looked_ns;
    char (*addresses)[300];
    size_t n_addresses;
    cs_mutex lock;
    cs_cond drained;
    unsigned n_drained; /* workers without connections, while draining */
};

/* ---- accepting */

static void set_listening(worker *w, bool on)
{
    for (size_t i = 0; i < w->n_listeners; i++) {
        listener *l = &w->listeners[i];
        if (l->added != on && l->fd >= 0) {
            l->added = on;
            (void)(on ? event_add(&l->event, NULL) : event_del(&l->event));
        }
    }
    w->paused = !on;
}

static void on_accept(evutil_socket_t fd, short what, void *self)
{
    (void)what;
    listener *l = self;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (l->w->conns.n >= cs_limits_get()->http_connections) {
            set_listening(l->w, false); /* the next tick looks again */
            return;
        }
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        int s = accept4((int)fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (s < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                cs_logf(CS_LOG_ERROR, "No connection can be accepted: %s.", strerror(errno));
                set_listening(l->w, false);
            }
            return;
        }
        cs_net__conn_new(&l->w->conns, s, &from, l->tag, l->tls);
    }
}

/* ---- time */

static void on_tick(void *self)
{
    worker *w = self;
    int64_t now = cs_time_mono_ns();
    cs_net__write_date(cs_time_wall_ns(), w->conns.date);
    cs_net__conns_close_overdue(&w->conns, now);
    if (w->paused && !w->conns.draining && w->conns.n < cs_limits_get()->http_connections) {
        set_listening(w, true);
    }
    cs_http_server *s = w->server;
    if (w->index == 0 && s->tls != NULL && now - s->tls_looked_ns > s->tls_refresh_ns) {
        s->tls_looked_ns = now;
        cs_net__tls_refresh(s->tls);
    }
    cs_timer_start(w->tick, CS_NS_PER_S);
}

/* ---- workers */

static void worker_main(void *self)
{
    worker *w = self;
    const cs_http_handlers *h = &w->server->handlers;
    if (h->worker_start != NULL) {
        h->worker_start(h->self, w->index, w->loop);
    }
    struct event_base *base = cs_net__base(w->loop);
    for (size_t i = 0; i < w->n_listeners; i++) {
        listener *l = &w->listeners[i];
        (void)event_assign(&l->event, base, l->fd, EV_READ | EV_PERSIST, on_accept, l);
    }
    set_listening(w, true);
    w->tick = cs_timer_new(w->loop, on_tick, w);
    on_tick(w);
    cs_loop_run(w->loop);
    cs_net__conns_drop(&w->conns);
    set_listening(w, false);
    cs_timer_free(w->tick);
    if (h->worker_end != NULL) {
        h->worker_end(h->self, w->index);
    }
}

static void worker_clear(worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++) {
        if (w->listeners[i].fd >= 0) {
            (void)close(w->listeners[i].fd);
        }
    }
    cs_free(w->listeners);
    cs_loop_free(w->loop);
}

static void signal_drained(void *self)
{
    worker *w = self;
    cs_mutex_lock(&w->server->lock);
    w->server->n_drained++;
    cs_cond_signal(&w->server->drained);
    cs_mutex_unlock(&w->server->lock);
}

static void worker_drain(void *self)
{
    worker *w = self;
    for (size_t i = 0; i < w->n_listeners; i++) {
        listener *l = &w->listeners[i];
        on_accept(l->fd, EV_READ, l); /* who is in the queue already gets an answer */
    }
    set_listening(w, false);
    for (size_t i = 0; i < w->n_listeners; i++) {
        (void)close(w->listeners[i].fd);
        w->listeners[i].fd = -1;
    }
    w->conns.draining = true;
    if (w->conns.n == 0) {
        signal_drained(w);
        return;
    }
    cs_net__conns_close_idle(&w->conns);
}

static void refresh(void *self)
{
    cs_http_server *s = self;
    cs_net__tls_refresh(s->tls);
}

void cs_http_server_refresh(cs_http_server *server)
{
    if (server->tls != NULL) {
        cs_loop_post(server->workers[0].loop, refresh, server); /* where the ticks do it */
    }
}

bool cs_http_server_drain(cs_http_server *server, int64_t grace_ns)
{
    int64_t until = cs_time_mono_ns() + grace_ns;
    for (unsigned i = 0; i < server->n_workers; i++) {
        cs_loop_post(server->workers[i].loop, worker_drain, &server->workers[i]);
    }
    cs_mutex_lock(&server->lock);
    while (server->n_drained < server->n_workers) {
        int64_t left = until - cs_time_mono_ns();
        if (left <= 0) {
            break;
        }
        (void)cs_cond_wait_for(&server->drained, &server->lock, left);
    }
    bool all = server->n_drained == server->n_workers;
    cs_mutex_unlock(&server->lock);
    return all;
}

void cs_http_server_free(cs_http_server *server)
{
    if (server == NULL) {
        return;
    }
    for (unsigned i = 0; i < server->n_workers; i++) {
        if (server->workers[i].thread.running) {
            cs_loop_stop(server->workers[i].loop);
        }
    }
    for (unsigned i = 0; i < server->n_workers; i++) {
        cs_thread_join(&server->workers[i].thread);
        worker_clear(&server->workers[i]);
    }
    cs_net__tls_free(server->tls);
    cs_mutex_destroy(&server->lock);
    cs_cond_destroy(&server->drained);
    cs_free(server->addresses);
    cs_free(server->workers);
    cs_free(server);
}

/* ---- start */

static cs_err bind_address(cs_http_server *s, const cs_http_server_options *options, size_t which, cs_error *e)
{
    const cs_http_address *wanted = &options->addresses[which];
    cs_net__address address;
    CS_TRY(cs_net__address_parse(wanted->text, &address, e));
    bool tls = address.tls || (s->tls != NULL && !address.is_unix && !cs_slice_starts(wanted->text, CS_LIT("http://")));
    if (tls && s->tls == NULL) {
        return cs_fail(e, CS_ERR_INVALID, "TLS certificate required but not supplied");
    }
    unsigned permissions = options->unix_permissions != 0 ? options->unix_permissions : 0755;
    uint16_t port = 0;
    int first[LISTENERS];
    size_t n_first = 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        worker *w = &s->workers[i];
        int fds[LISTENERS];
        size_t n = 0;
        if (i > 0 && address.is_unix) {
            for (; n < n_first; n++) {
                fds[n] = dup(first[n]);
            }
        } else {
            CS_TRY(cs_net__listen(&address, permissions, fds, LISTENERS, &n, s->addresses[which],
                                  sizeof s->addresses[which], &port, e));
        }
        w->listeners = cs_realloc(w->listeners, (w->n_listeners + n) * sizeof *w->listeners);
        for (size_t k = 0; k < n; k++) {
            w->listeners[w->n_listeners++] =
                (listener){.w = w, .fd = fds[k], .tag = wanted->tag, .tls = tls, .is_unix = address.is_unix};
        }
        if (i == 0) {
            memcpy(first, fds, sizeof fds);
            n_first = n;
        }
    }
    return CS_OK;
}

static cs_err start(cs_http_server *s, const cs_http_server_options *options, cs_error *e)
{
    if (options->tls_cert != NULL) {
        CS_TRY(cs_net__tls_new(options, &s->tls, e));
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        worker *w = &s->workers[i];
        w->server = s;
        w->index = i;
        CS_TRY(cs_loop_new(&w->loop, e));
        w->conns = (cs_net__conns){
            .handlers = &s->handlers,
            .tls = s->tls,
            .h2c = options->h2c,
            .loop = w->loop,
            .worker = i,
            .gone = signal_drained,
            .self = w,
        };
    }
    for (size_t i = 0; i < options->n_addresses; i++) {
        CS_TRY(bind_address(s, options, i, e));
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "worker-%u", i);
        CS_TRY(cs_thread_start(&s->workers[i].thread, name, worker_main, &s->workers[i], e));
    }
    return CS_OK;
}

cs_err cs_http_server_start(const cs_http_server_options *options, cs_http_server **out, cs_error *e)
{
    cs_http_server *s = cs_zalloc(sizeof *s);
    cs_mutex_init(&s->lock);
    cs_cond_init(&s->drained);
    s->handlers = options->handlers;
    s->n_workers = options->workers != 0 ? options->workers : cs_cpu_count();
    s->workers = cs_zalloc(s->n_workers * sizeof *s->workers);
    s->n_addresses = options->n_addresses;
    s->addresses = cs_zalloc(s->n_addresses * sizeof *s->addresses + 1);
    s->tls_refresh_ns = options->tls_refresh_ns != 0 ? options->tls_refresh_ns : CS_NS_PER_S;
    cs_err r = start(s, options, e);
    if (r != CS_OK) {
        cs_http_server_free(s);
        return r;
    }
    *out = s;
    return CS_OK;
}

size_t cs_http_server_address_count(const cs_http_server *server)
{
    return server->n_addresses;
}

cs_slice cs_http_server_address(const cs_http_server *server, size_t i)
{
    return cs_slice_of(server->addresses[i]);
}
