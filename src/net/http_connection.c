/* A connection of the HTTP server. With HTTP/1.1: one read and one write a request, any number of pipelined requests in
 * between; nothing is allocated for a request but what its arena (kept with the exchange, reused) hands out. With
 * HTTP/2 (the peer's first bytes or TLS said so) the bytes go through http2.c.
 *
 * A connection is in one of these states:
 *   HEAD    waits for a whole head                      BODY    waits for Content-Length bytes
 *   CHUNKS  takes a chunked body apart                  BUSY    the handler has the exchange; nothing is read
 *   HTTP2   streams have states of their own
 *   LINGER  everything is answered; reads on for a moment so that the peer gets the answer before the connection breaks
 */
#include "net/http2.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"

enum {
    READ_SIZE = 16384, /* least room for a read */
    COPY_BODY = 65536, /* shorter bodies are copied behind their heads, longer ones written from where they are */
    LINGER_NS = 2000000000
};

typedef enum conn_state { HEAD, BODY, CHUNKS, BUSY, HTTP2, LINGER } conn_state;

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

typedef struct cs_net__conn conn;

struct cs_net__conn {
    conn *prev, *next;
    cs_net__conns *all;
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
    bool spoke;            /* something came from the peer */
    bool told;             /* handlers hear that it is broken */
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
    cs_net__h2 *h2;    /* NULL = HTTP/1.1 */
    int64_t active_ns; /* the last byte, or the start of the head */
    char peer[72];
};

static void settle(conn *c);

static void stop_watching(conn *c)
{
    if (c->gone != NULL) {
        c->gone = NULL;
        (void)event_del(&c->gone_event);
    }
}

/* Handlers whose streams have ended hear of it. */
static void tell_gone(conn *c)
{
    c->running = true;
    while (cs_net__h2_tell_gone(c->h2, c->broken)) {
    }
    c->running = false;
    settle(c);
}

static void on_gone(evutil_socket_t fd, short what, void *self)
{
    (void)fd;
    (void)what;
    conn *c = self;
    if (c->h2 != NULL) {
        tell_gone(c);
        return;
    }
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
    if (x->stream != NULL) {
        cs_net__h2_on_gone(x, gone, self);
        if (gone != NULL) {
            event_active(&c->gone_event, EV_TIMEOUT, 0); /* perhaps the stream has ended */
        }
        return;
    }
    stop_watching(c);
    if (gone != NULL) {
        c->gone = gone;
        c->gone_self = self;
        (void)event_assign(&c->gone_event, cs_net__base(c->all->loop), c->fd, EV_CLOSED, on_gone, c);
        (void)event_add(&c->gone_event, NULL);
        if (c->broken) {
            event_active(&c->gone_event, EV_CLOSED, 0);
        }
    }
}

static void conn_free(conn *c)
{
    cs_net__conns *all = c->all;
    stop_watching(c);
    (void)event_del(&c->read_event);
    (void)event_del(&c->write_event);
    if (c->h2 != NULL) {
        (void)event_del(&c->gone_event);
        cs_net__h2_free(c->h2);
    }
    if (c->tls != NULL) {
        cs_net__session_free(c->tls);
    }
    (void)close(c->fd);
    if (c->x != NULL) {
        cs_net__exchange_give(&all->pool, c->x);
    }
    cs_buf_destroy(&c->in);
    cs_buf_destroy(&c->out);
    cs_buf_destroy(&c->tail);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        all->first = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    cs_free(c);
    all->n--;
    if (all->draining && all->n == 0) {
        all->gone(all->self);
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
    do {
        if (c->out.n != 0 && !write_some(c, &c->out, &c->out_at)) {
            return false;
        }
        if (c->tail.n != 0 && !write_some(c, &c->tail, &c->tail_at)) {
            return false;
        }
    } while (c->h2 != NULL && cs_net__h2_pull(c->h2, &c->out) != 0);
    return true;
}

/* A handler has an exchange of this connection. */
static bool is_busy(const conn *c)
{
    return c->state == BUSY || (c->h2 != NULL && cs_net__h2_busy(c->h2) != 0);
}

static bool wants_bytes(const conn *c)
{
    return c->state == HTTP2 ? cs_net__h2_reads(c->h2) : c->state != BUSY;
}

/* The end of every entry from the loop: writes, waits for what is needed next, or frees the connection. */
static void settle(conn *c)
{
    bool done = !c->broken && flush(c);
    if (done && c->state == HTTP2 && cs_net__h2_over(c->h2)) {
        c->close = true;
    }
    if (done && c->eof) {
        c->broken = true;
    }
    if (c->broken && is_busy(c)) {
        /* Handlers have exchanges: it ends with the last reply. */
        set_writing(c, false);
        set_reading(c, false);
        if (c->gone != NULL || (c->h2 != NULL && !c->told)) {
            c->told = true;
            event_active(&c->gone_event, EV_CLOSED, 0);
        }
        return;
    }
    if (done && c->close && !c->broken && c->state != LINGER) {
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
    set_reading(c, wants_bytes(c) && !c->eof);
}

static void reply_plain(conn *c, int status, const char *why)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_printf(&text, why[0] != 0 ? "%d %s: %s" : "%d %s", status, cs_http_status_text(status), why);
    cs_net__reply reply = {.status = status,
                           .content_type = "text/plain; charset=utf-8",
                           .date = cs_slice_make(c->all->date, 29),
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
        c->x = cs_net__exchange_take(&c->all->pool);
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
    const cs_http_handlers *h = c->all->handlers;
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
    c->all->handlers->handle(c->all->handlers->self, x);
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

/* From now on the bytes are HTTP/2. */
static void begin_h2(conn *c)
{
    c->h2 = cs_net__h2_new(
        &(cs_net__h2_owner){.all = c->all, .c = c, .peer = cs_slice_of(c->peer), .tls = c->tls, .tag = c->tag});
    c->state = HTTP2;
    (void)event_assign(&c->gone_event, cs_net__base(c->all->loop), -1, 0, on_gone, c);
}

/* Is this HTTP/2, or may it become that? Only a connection's first bytes can say so. */
static bool is_preface(conn *c)
{
    if (c->served || c->x != NULL || c->tls != NULL || !c->all->h2c) {
        return false;
    }
    size_t n = c->in.n - c->at, whole = sizeof preface - 1;
    if (memcmp(c->in.p + c->at, preface, n < whole ? n : whole) != 0) {
        return false;
    }
    if (n >= whole) {
        begin_h2(c);
    }
    return true;
}

static void run_h2(conn *c)
{
    c->running = true;
    cs_net__h2_feed(c->h2, c->in.p + c->at, c->in.n - c->at);
    while (cs_net__h2_tell_gone(c->h2, false)) {
    }
    c->running = false;
    c->at = 0;
    cs_net__trim(&c->in);
}

/* Does all that the bytes at hand allow. */
static void run(conn *c)
{
    if (!c->spoke && c->tls != NULL && cs_net__session_is_h2(c->tls)) {
        begin_h2(c);
    }
    c->spoke = true;
    if (c->state == HEAD && c->in.n != c->at && is_preface(c) && c->h2 == NULL) {
        return; /* too short to tell */
    }
    if (c->h2 != NULL) {
        run_h2(c);
        return;
    }
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

unsigned cs_http_worker_of(const cs_http_exchange *x)
{
    return x->c->all->worker;
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

static void reply_h2(cs_http_exchange *x, int status, const char *content_type)
{
    conn *c = x->c;
    c->served = true;
    cs_net__h2_reply(x, status, content_type);
    if (!c->running) {
        settle(c);
    }
}

void cs_http_add_trailer(cs_http_exchange *x, const char *name, cs_slice value)
{
    if (x->stream != NULL) {
        cs_net__h2_add_trailer(x, cs_slice_of(name), value);
    }
}

void cs_http_reply(cs_http_exchange *x, int status, const char *content_type)
{
    if (x->stream != NULL) {
        reply_h2(x, status, content_type);
        return;
    }
    conn *c = x->c;
    cs_net__conns *all = c->all;
    stop_watching(c);
    if (c->tail.n != 0) {
        /* A long body waits before this reply: keep the order. */
        cs_buf_put(&c->out, c->tail.p + c->tail_at, c->tail.n - c->tail_at);
        c->tail_at = 0;
        cs_net__trim(&c->tail);
    }
    c->close |= x->close || !c->head.keep_alive || all->draining;
    cs_net__reply reply = {.status = status,
                           .content_type = content_type,
                           .date = cs_slice_make(all->date, 29),
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
    const cs_http_handlers *h = all->handlers;
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
    cs_net__exchange_give(&all->pool, x);
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

/* ---- the connections of a worker */

void cs_net__conn_new(cs_net__conns *all, int fd, const struct sockaddr_storage *from, int tag, bool tls)
{
    conn *c = cs_zalloc(sizeof *c);
    c->all = all;
    c->fd = fd;
    c->tag = tag;
    cs_buf_init(&c->in);
    cs_buf_init(&c->out);
    cs_buf_init(&c->tail);
    cs_net__peer_text(from, c->peer, sizeof c->peer);
    if (tls) {
        c->tls = cs_net__session_new(all->tls, fd);
    }
    c->active_ns = cs_time_mono_ns();
    c->next = all->first;
    if (all->first != NULL) {
        all->first->prev = c;
    }
    all->first = c;
    all->n++;
    struct event_base *base = cs_net__base(all->loop);
    (void)event_assign(&c->read_event, base, fd, EV_READ | EV_PERSIST, on_read, c);
    (void)event_assign(&c->write_event, base, fd, EV_WRITE | EV_PERSIST, on_write, c);
    set_reading(c, true);
}

static bool is_overdue(conn *c, int64_t now)
{
    const cs_limits *limits = cs_limits_get();
    int64_t quiet = now - c->active_ns;
    switch (c->state) {
    case BUSY:
        return false;
    case HTTP2:
        if (cs_net__h2_sweep(c->h2, now)) {
            return cs_net__h2_busy(c->h2) == 0;
        }
        if (!cs_net__h2_quiet(c->h2)) {
            return false;
        }
        if (!c->served) {
            return quiet > (int64_t)limits->http_head_timeout_ms * CS_NS_PER_MS;
        }
        break;
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

void cs_net__conns_close_overdue(cs_net__conns *all, int64_t now_mono_ns)
{
    for (conn *c = all->first, *next; c != NULL; c = next) {
        next = c->next;
        if (!is_overdue(c, now_mono_ns)) {
            if (c->state == HTTP2) {
                settle(c); /* what the look at its streams has to say */
            }
            continue;
        }
        if (c->state == HTTP2) {
            cs_net__h2_end(c->h2);
            (void)flush(c);
        }
        conn_free(c);
    }
}

static bool is_idle(const conn *c)
{
    return c->state == HEAD && c->at == c->in.n && c->out.n + c->tail.n == 0;
}

void cs_net__conns_close_idle(cs_net__conns *all)
{
    for (conn *c = all->first, *next; c != NULL; c = next) {
        next = c->next;
        if (is_idle(c)) {
            on_read(c->fd, EV_READ, c); /* perhaps a request has come in the meantime */
        }
    }
    for (conn *c = all->first, *next; c != NULL; c = next) {
        next = c->next;
        if (c->state == HTTP2 && !c->broken) {
            cs_net__h2_shutdown(c->h2);
            settle(c);
        } else if (is_idle(c)) {
            conn_free(c);
        }
    }
}

void cs_net__conns_drop(cs_net__conns *all)
{
    const cs_http_handlers *h = all->handlers;
    while (all->first != NULL) {
        conn *c = all->first;
        if (c->h2 != NULL) {
            cs_net__h2_drop(c->h2);
        }
        cs_http_exchange *x = c->state == BUSY ? c->x : NULL;
        if (x != NULL && h->dropped != NULL) {
            h->dropped(h->self, &x->request, x->user);
        }
        conn_free(c);
    }
    while (all->pool != NULL) {
        cs_http_exchange *next = all->pool->next;
        cs_net__exchange_free(all->pool);
        all->pool = next;
    }
}
