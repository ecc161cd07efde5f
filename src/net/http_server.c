/* The server of HTTP/1.1: workers, listening sockets, connections. One read and one write a request, any number of
 * pipelined requests in between; nothing is allocated for a request but what its arena (kept with the exchange, reused)
 * hands out.
 *
 * A connection is in one of these states:
 *   HEAD    waits for a whole head                      BODY    waits for Content-Length bytes
 *   CHUNKS  takes a chunked body apart                  BUSY    the handler has the exchange; nothing is read
 *   LINGER  everything is answered; reads on for a moment so that the peer gets the answer before the connection breaks
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
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
#include "internal.h"

enum {
    READ_SIZE = 16384, /* least room for a read */
    COPY_BODY = 65536, /* shorter bodies are copied behind their heads, longer ones written from where they are */
    ACCEPT_BATCH = 64,
    LINGER_NS = 2000000000,
    LISTENERS = 8 /* sockets of one address */
};

typedef enum conn_state { HEAD, BODY, CHUNKS, BUSY, LINGER } conn_state;

typedef struct worker worker;
typedef struct cs_net__conn conn;

struct cs_net__conn {
    conn *prev, *next;
    worker *w;
    struct event read_event, write_event;
    struct event gone_event; /* while `gone` is set */
    cs_loop_fn *gone;        /* who wants to know that the peer has gone while BUSY */
    void *gone_self;
    int fd;
    conn_state state;
    int tag;
    bool reading, writing; /* the events are added */
    bool running;          /* inside run(): replies do not flush */
    bool close;            /* when everything is written */
    bool broken;           /* now */
    bool read_wants_write; /* TLS */
    bool eof;              /* the peer sends no more */
    bool served;           /* a request was answered */
    cs_buf in;
    size_t at;   /* what is consumed of `in` */
    size_t seen; /* how far the current head was searched, from `at` */
    cs_net__head head;
    const char *parsed_at; /* where the head was when it was parsed */
    cs_net__chunks chunks;
    uint64_t limit; /* of the body */
    cs_buf out;
    size_t out_at;
    cs_buf tail; /* a long body, behind `out` */
    size_t tail_at;
    cs_http_exchange *x;
    cs_net__session *tls;
    int64_t active_ns; /* the last byte, or the start of the head */
    char peer[72];
};

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
    conn *conns;
    size_t n_conns;
    cs_http_exchange *pool;
    cs_timer *tick;
    bool draining, paused;
    char date[30];
    cs_buf scratch;
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

/* ---- connections */

static void on_read(evutil_socket_t fd, short what, void *self);
static void on_write(evutil_socket_t fd, short what, void *self);
static void signal_drained(worker *w);

static void stop_watching(conn *c)
{
    if (c->gone != NULL) {
        c->gone = NULL;
        (void)event_del(&c->gone_event);
    }
}

static void on_gone(evutil_socket_t fd, short what, void *self)
{
    (void)fd;
    (void)what;
    conn *c = self;
    cs_loop_fn *gone = c->gone;
    stop_watching(c);
    c->close = true;
    if (gone != NULL) {
        gone(c->gone_self);
    }
}

void cs_http_on_gone(cs_http_exchange *x, cs_loop_fn *gone, void *self)
{
    conn *c = x->c;
    stop_watching(c);
    if (gone != NULL) {
        c->gone = gone;
        c->gone_self = self;
        (void)event_assign(&c->gone_event, cs_net__base(c->w->loop), c->fd, EV_CLOSED, on_gone, c);
        (void)event_add(&c->gone_event, NULL);
        if (c->broken) {
            event_active(&c->gone_event, EV_CLOSED, 0);
        }
    }
}

static void conn_free(conn *c)
{
    worker *w = c->w;
    stop_watching(c);
    (void)event_del(&c->read_event);
    (void)event_del(&c->write_event);
    if (c->tls != NULL) {
        cs_net__session_free(c->tls);
    }
    (void)close(c->fd);
    if (c->x != NULL) {
        cs_net__exchange_give(&w->pool, c->x);
    }
    cs_buf_destroy(&c->in);
    cs_buf_destroy(&c->out);
    cs_buf_destroy(&c->tail);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        w->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    cs_free(c);
    w->n_conns--;
    if (w->draining && w->n_conns == 0) {
        signal_drained(w);
    }
}

static void set_reading(conn *c, bool on)
{
    if (c->reading != on) {
        c->reading = on;
        (void)(on ? event_add(&c->read_event, NULL) : event_del(&c->read_event));
    }
}

static void set_writing(conn *c, bool on)
{
    if (c->writing != on) {
        c->writing = on;
        (void)(on ? event_add(&c->write_event, NULL) : event_del(&c->write_event));
    }
}

static bool write_some(conn *c, cs_buf *b, size_t *at)
{
    while (*at < b->n) {
        bool want_write = true;
        ssize_t n = c->tls != NULL ? cs_net__session_write(c->tls, b->p + *at, b->n - *at, &want_write)
                                   : send(c->fd, b->p + *at, b->n - *at, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno != EAGAIN) {
                c->broken = true;
            }
            return false;
        }
        *at += (size_t)n;
    }
    cs_net__trim(b);
    *at = 0;
    return true;
}

/* Writes what waits. true if nothing is left. */
static bool flush(conn *c)
{
    if (c->out.n != 0 && !write_some(c, &c->out, &c->out_at)) {
        return false;
    }
    return c->tail.n == 0 || write_some(c, &c->tail, &c->tail_at);
}

/* The end of every entry from the loop: writes, waits for what is needed next, or frees the connection. */
static void settle(conn *c)
{
    bool done = !c->broken && flush(c);
    if (c->broken && c->state == BUSY) {
        /* The handler has the exchange: it ends with the reply. */
        set_writing(c, false);
        set_reading(c, false);
        if (c->gone != NULL) {
            event_active(&c->gone_event, EV_CLOSED, 0);
        }
        return;
    }
    if (done && c->eof) {
        c->broken = true;
    } else if (done && c->close && c->state != LINGER) {
        if (c->at < c->in.n || c->state != HEAD) {
            /* The peer may be sending still: what it has not yet read of our answer would be lost by a reset. */
            c->state = LINGER;
            c->active_ns = cs_time_mono_ns();
            (void)shutdown(c->fd, SHUT_WR);
        } else {
            c->broken = true;
        }
    }
    if (c->broken) {
        conn_free(c);
        return;
    }
    set_writing(c, !done || c->read_wants_write);
    set_reading(c, c->state != BUSY && !c->eof);
}

static void reply_plain(conn *c, int status, const char *why)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_printf(&text, why[0] != 0 ? "%d %s: %s" : "%d %s", status, cs_http_status_text(status), why);
    cs_net__reply reply = {.status = status,
                           .content_type = "text/plain; charset=utf-8",
                           .date = cs_slice_make(c->w->date, 29),
                           .extra = CS_LIT(""),
                           .length = text.n,
                           .close = true};
    cs_net__write_head(&c->out, &reply);
    cs_buf_slice(&c->out, cs_buf_view(&text));
    cs_buf_destroy(&text);
    c->close = true;
}

static void fill_request(conn *c)
{
    cs_http_exchange *x = c->x;
    cs_http_request *r = &x->request;
    cs_net__head *h = &c->head;
    *r = (cs_http_request){
        .method = h->method,
        .target = h->target,
        .path = h->path,
        .query = h->query,
        .host = h->host,
        .headers = h->headers,
        .n_headers = h->n_headers,
        .body = {"", 0},
        .has_body = h->has_length || h->chunked,
        .body_bytes = h->content_length,
        .peer = cs_slice_of(c->peer),
        .tls = c->tls != NULL,
        .peer_certificate = {"", 0},
        .tag = c->tag,
        .started_ns = r->started_ns,
        .arena = &x->arena,
    };
    if (c->tls != NULL) {
        r->peer_certificate = cs_net__session_certificate(c->tls, &x->arena);
    }
}

/* Parses the head at c->at. */
static cs_net__parsed parse_head(conn *c)
{
    if (c->x == NULL) {
        c->x = cs_net__exchange_take(&c->w->pool);
        c->x->c = c;
    }
    c->head.headers = c->x->headers;
    c->head.cap_headers = cs_limits_get()->http_headers;
    const char *text = c->in.p + c->at;
    cs_net__parsed r = cs_net__parse_head(text, c->in.n - c->at, c->seen, cs_limits_get()->http_head_bytes, &c->head);
    c->seen = c->in.n - c->at;
    c->parsed_at = text;
    return r;
}

static uint64_t body_limit(const conn *c)
{
    const cs_http_handlers *h = &c->w->server->handlers;
    return h->body_limit != NULL ? h->body_limit(h->self, &c->x->request) : cs_limits_get()->json_bytes;
}

static void dispatch(conn *c, bool too_large)
{
    cs_http_exchange *x = c->x;
    if (c->in.p + c->at != c->parsed_at) {
        /* The buffer has moved since: read the head again where it is now. It cannot fail the second time. */
        c->seen = 0;
        (void)parse_head(c);
        fill_request(c);
    }
    x->request.body_too_large = too_large;
    if (!too_large) {
        x->request.body = c->head.chunked
                              ? cs_buf_view(&x->in)
                              : cs_slice_make(c->in.p + c->at + c->head.size, (size_t)c->head.content_length);
    }
    x->request.body_bytes = c->head.chunked ? x->in.n : c->head.content_length;
    x->close = too_large;
    c->state = BUSY;
    c->w->server->handlers.handle(c->w->server->handlers.self, x);
}

/* A head is complete: what comes now? */
static void take_head(conn *c)
{
    c->x->request.started_ns = cs_time_mono_ns();
    fill_request(c);
    if (!c->head.chunked && c->head.content_length == 0) {
        dispatch(c, false);
        return;
    }
    c->limit = body_limit(c);
    if (!c->head.chunked && c->head.content_length > c->limit) {
        dispatch(c, true);
        return;
    }
    c->state = c->head.chunked ? CHUNKS : BODY;
    c->chunks = (cs_net__chunks){0};
    if (c->head.expect_continue && c->in.n - c->at == c->head.size) {
        cs_buf_slice(&c->out, CS_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
    }
}

/* true if the state has changed and there is more to do. */
static bool take_chunks(conn *c)
{
    size_t from = c->at + c->head.size, used;
    bool too_large;
    cs_net__parsed r =
        cs_net__parse_chunks(&c->chunks, c->in.p + from, c->in.n - from, &used, &c->x->in, c->limit, &too_large);
    memmove(c->in.p + from, c->in.p + from + used, c->in.n - from - used);
    c->in.n -= used;
    if (r == CS_NET__MORE) {
        return false;
    }
    if (r == CS_NET__BAD && !too_large) {
        reply_plain(c, 400, "malformed chunked body");
        return false;
    }
    dispatch(c, too_large);
    return true;
}

/* Does all that the bytes at hand allow. */
static void run(conn *c)
{
    c->running = true;
    while (!c->close && !c->broken && c->state != BUSY && c->state != LINGER) {
        if (c->state == HEAD) {
            while (c->at < c->in.n && (c->in.p[c->at] == '\r' || c->in.p[c->at] == '\n') && c->seen == 0) {
                c->at++; /* RFC 9112 §2.2: an empty line in front of a request is ignored */
            }
            if (c->at == c->in.n) {
                break;
            }
            cs_net__parsed r = parse_head(c);
            if (r == CS_NET__MORE) {
                break;
            }
            if (r == CS_NET__BAD) {
                reply_plain(c, c->head.bad_status, c->head.why);
                break;
            }
            take_head(c);
        } else if (c->state == BODY) {
            if (c->in.n - c->at - c->head.size < c->head.content_length) {
                break;
            }
            dispatch(c, false);
        } else if (!take_chunks(c)) {
            break;
        }
    }
    c->running = false;
    if (c->at == c->in.n && c->state == HEAD) {
        c->at = 0;
        cs_net__trim(&c->in);
    }
}

static ssize_t read_some(conn *c)
{
    size_t room = READ_SIZE;
    if (c->state == LINGER) {
        cs_buf_clear(&c->in);
        c->at = 0;
    } else if (c->at != 0 && c->in.cap - c->in.n < READ_SIZE) {
        memmove(c->in.p, c->in.p + c->at, c->in.n - c->at);
        c->in.n -= c->at;
        c->at = 0;
    }
    if (c->state == BODY) {
        uint64_t left = c->head.content_length - (c->in.n - c->at - c->head.size);
        room = left > 1048576 ? 1048576 : left > READ_SIZE ? (size_t)left : READ_SIZE;
    }
    char *to = c->in.cap - c->in.n >= room ? c->in.p + c->in.n : cs_buf_room(&c->in, room);
    room = c->in.cap - c->in.n;
    bool want_write = false;
    ssize_t n = c->tls != NULL ? cs_net__session_read(c->tls, to, room, &want_write) : recv(c->fd, to, room, 0);
    c->read_wants_write = want_write;
    if (n > 0) {
        c->in.n += (size_t)n;
    }
    return n;
}

static void on_read(evutil_socket_t fd, short what, void *self)
{
    (void)fd;
    (void)what;
    conn *c = self;
    do {
        bool fresh = c->at == c->in.n;
        ssize_t n = read_some(c);
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                break;
            }
            c->broken = true;
            break;
        }
        if (n == 0) {
            /* The peer will send no more. What it asked is answered; a request that was cut off is not. */
            c->eof = c->close = true;
            break;
        }
        if (c->state != HEAD || fresh) {
            c->active_ns = c->state == LINGER ? c->active_ns : cs_time_mono_ns();
        }
        run(c);
    } while (c->tls != NULL && !c->broken && c->state != BUSY && cs_net__session_pending(c->tls) != 0);
    settle(c);
}

static void on_write(evutil_socket_t fd, short what, void *self)
{
    (void)fd;
    (void)what;
    conn *c = self;
    c->active_ns = cs_time_mono_ns();
    if (c->read_wants_write) {
        on_read(c->fd, EV_READ, c);
        return;
    }
    settle(c);
}

/* ---- replies */

cs_loop *cs_http_loop_of(const cs_http_exchange *x)
{
    return x->c->w->loop;
}

unsigned cs_http_worker_of(const cs_http_exchange *x)
{
    return x->c->w->index;
}

static void write_body(conn *c, cs_http_exchange *x)
{
    if (x->body.n < COPY_BODY || c->tail.n != 0) {
        cs_buf_slice(&c->out, cs_buf_view(&x->body));
        return;
    }
    cs_buf tail = c->tail;
    c->tail = x->body;
    c->tail_at = 0;
    x->body = tail;
    cs_buf_clear(&x->body);
}

void cs_http_reply(cs_http_exchange *x, int status, const char *content_type)
{
    conn *c = x->c;
    worker *w = c->w;
    stop_watching(c);
    if (c->tail.n != 0) {
        /* A long body waits before this reply: keep the order. */
        cs_buf_put(&c->out, c->tail.p + c->tail_at, c->tail.n - c->tail_at);
        c->tail_at = 0;
        cs_net__trim(&c->tail);
    }
    c->close |= x->close || !c->head.keep_alive || w->draining;
    cs_net__reply reply = {.status = status,
                           .content_type = content_type,
                           .date = cs_slice_make(w->date, 29),
                           .extra = cs_buf_view(&x->extra),
                           .length = x->body.n,
                           .close = c->close,
                           .keep_alive_old = c->head.old};
    cs_http_done done = {.status = status, .sent_bytes = 0};
    cs_net__write_head(&c->out, &reply);
    if (cs_net__status_has_body(status) && !cs_slice_is(x->request.method, "HEAD")) {
        done.sent_bytes = x->body.n;
        write_body(c, x);
    }
    const cs_http_handlers *h = &w->server->handlers;
    if (h->done != NULL) {
        done.duration_ns = cs_time_mono_ns() - x->request.started_ns;
        h->done(h->self, &x->request, &done, x->user);
    }
    size_t size = c->head.size;
    if (!c->head.chunked && !x->request.body_too_large) {
        size += (size_t)c->head.content_length;
    }
    c->at += size;
    c->seen = 0;
    c->served = true;
    c->state = HEAD;
    c->x = NULL;
    bool unread = x->request.body_too_large;
    cs_net__exchange_give(&w->pool, x);
    if (unread) {
        c->state = BODY; /* so that settle() lingers */
        c->close = true;
    }
    if (!c->running) {
        c->active_ns = cs_time_mono_ns();
        run(c);
        settle(c);
    }
}

/* ---- accepting */

static void conn_new(listener *l, int fd, const struct sockaddr_storage *from)
{
    worker *w = l->w;
    conn *c = cs_zalloc(sizeof *c);
    c->w = w;
    c->fd = fd;
    c->tag = l->tag;
    cs_buf_init(&c->in);
    cs_buf_init(&c->out);
    cs_buf_init(&c->tail);
    cs_net__peer_text(from, c->peer, sizeof c->peer);
    if (l->tls) {
        c->tls = cs_net__session_new(w->server->tls, fd);
    }
    c->active_ns = cs_time_mono_ns();
    c->next = w->conns;
    if (w->conns != NULL) {
        w->conns->prev = c;
    }
    w->conns = c;
    w->n_conns++;
    struct event_base *base = cs_net__base(w->loop);
    (void)event_assign(&c->read_event, base, fd, EV_READ | EV_PERSIST, on_read, c);
    (void)event_assign(&c->write_event, base, fd, EV_WRITE | EV_PERSIST, on_write, c);
    set_reading(c, true);
}

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
        if (l->w->n_conns >= cs_limits_get()->http_connections) {
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
        conn_new(l, s, &from);
    }
}

/* ---- time */

static bool is_overdue(const conn *c, int64_t now)
{
    const cs_limits *limits = cs_limits_get();
    int64_t quiet = now - c->active_ns;
    switch (c->state) {
    case BUSY:
        return false;
    case LINGER:
        return quiet > LINGER_NS;
    case HEAD:
        if (c->at < c->in.n || !c->served) {
            return quiet > (int64_t)limits->http_head_timeout_ms * CS_NS_PER_MS;
        }
        break;
    case BODY:
    case CHUNKS:
        break;
    }
    return quiet > (int64_t)limits->http_idle_timeout_ms * CS_NS_PER_MS;
}

static void on_tick(void *self)
{
    worker *w = self;
    int64_t now = cs_time_mono_ns();
    cs_net__write_date(cs_time_wall_ns(), w->date);
    for (conn *c = w->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (is_overdue(c, now)) {
            conn_free(c);
        }
    }
    if (w->paused && !w->draining && w->n_conns < cs_limits_get()->http_connections) {
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
    while (w->conns != NULL) {
        cs_http_exchange *x = w->conns->state == BUSY ? w->conns->x : NULL;
        if (x != NULL && h->dropped != NULL) {
            h->dropped(h->self, &x->request, x->user);
        }
        conn_free(w->conns);
    }
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
    while (w->pool != NULL) {
        cs_http_exchange *next = w->pool->next;
        cs_net__exchange_free(w->pool);
        w->pool = next;
    }
    cs_loop_free(w->loop);
}

static void signal_drained(worker *w)
{
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
    w->draining = true;
    if (w->n_conns == 0) {
        signal_drained(w);
        return;
    }
    for (conn *c = w->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (c->state == HEAD && c->at == c->in.n && c->out.n + c->tail.n == 0) {
            on_read(c->fd, EV_READ, c); /* perhaps a request has come in the meantime */
        }
    }
    for (conn *c = w->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (c->state == HEAD && c->at == c->in.n && c->out.n + c->tail.n == 0) {
            conn_free(c);
        }
    }
}

void cs_http_server_drain(cs_http_server *server, int64_t grace_ns)
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
    cs_mutex_unlock(&server->lock);
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
        s->workers[i].server = s;
        s->workers[i].index = i;
        CS_TRY(cs_loop_new(&s->workers[i].loop, e));
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
    s->tls_refresh_ns = options->tls_refresh_ns != 0 ? options->tls_refresh_ns : 10 * CS_NS_PER_S;
    cs_err r = start(s, options, e);
    if (r != CS_OK) {
        cs_http_server_free(s);
        return r;
    }
    *out = s;
    return CS_OK;
}

unsigned cs_http_server_workers(const cs_http_server *server)
{
    return server->n_workers;
}

size_t cs_http_server_address_count(const cs_http_server *server)
{
    return server->n_addresses;
}

cs_slice cs_http_server_address(const cs_http_server *server, size_t i)
{
    return cs_slice_of(server->addresses[i]);
}
