/* HTTP/2 on a connection: nghttp2 reads and makes the frames, here streams become the same exchanges that HTTP/1.1
 * makes, for the same handlers.
 *
 * A stream is in one of these states:
 *   HEAD   its header block comes in            BODY   waits for the end of its body
 *   BUSY   the handler has the exchange         REPLY  the reply goes out
 * The exchange goes back to the pool with the reply; the body of the reply moves into the stream. A stream that ends
 * while its handler is busy waits for the reply, which then goes nowhere.
 *
 * What a peer can make us keep: `http2_streams` streams; bodies of requests up to the limit of one body in all streams
 * together; of what is to be sent no more than a few frames beyond the replies, since nothing is read from a peer that
 * reads nothing (cs_net__h2_reads). Streams that end in errors are counted, so that a peer who opens streams only to
 * reset them loses the connection. */
#include "net/http2.h"

#include <nghttp2/nghttp2.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"

enum {
    WINDOW = 1048576,        /* of a stream and of the connection */
    OUT_BATCH = 65536,       /* bytes of frames made at a time */
    RESETS_A_SECOND = 33,    /* that the allowance grows back by */
    CONTROL_FRAMES_MAX = 512 /* waiting to be sent; beyond, nothing is read */
};
#define UNWANTED_NS (CS_NS_PER_S / 2) /* for the rest of a request that was answered before its end */
#define NOTICE_NS                                                                                                      \
    (1 * CS_NS_PER_S) /* after which the last GOAWAY goes out, whether or not the peer answered a ping                 \
                       */

typedef enum stream_state { HEAD, BODY, BUSY, REPLY } stream_state;

typedef struct cs_net__h2_stream stream;

struct cs_net__h2_stream {
    stream *prev, *next;
    cs_net__h2 *h2;
    int32_t id;
    stream_state state;
    bool closed;   /* no stream any more, only the handler's exchange */
    bool told;     /* `gone` was called */
    bool trailing; /* the reply has trailers */
    bool sent;     /* the reply is out; the request is not whole */
    int bad;       /* status of a head that cannot be taken */
    const char *why;
    size_t head_bytes;
    uint64_t limit; /* of the body */
    cs_http_exchange *x;
    cs_loop_fn *gone;
    void *gone_self;
    cs_buf body; /* of the reply */
    size_t at;   /* what of it went out */
    cs_buf trailers;
    int64_t active_ns;
};

struct cs_net__h2 {
    cs_net__h2_owner o;
    nghttp2_session *session;
    stream *first;
    size_t n_busy;
    size_t kept;           /* bytes of bodies in all streams that no handler has yet */
    int64_t resets;        /* what is left of the allowance */
    int64_t resets_at_ns;  /* when it last grew */
    int64_t notice_ns;     /* when the end was announced; 0 = it was not */
    bool last_said, ended; /* the last GOAWAY went out; the session is over */
};

/* ---- streams */

static stream *stream_new(cs_net__h2 *h2, int32_t id)
{
    stream *s = cs_zalloc(sizeof *s);
    s->h2 = h2;
    s->id = id;
    s->next = h2->first;
    if (h2->first != NULL) {
        h2->first->prev = s;
    }
    h2->first = s;
    s->x = cs_net__exchange_take(&h2->o.all->pool);
    s->x->c = h2->o.c;
    s->x->stream = s;
    cs_buf_init(&s->body);
    cs_buf_init(&s->trailers);
    s->active_ns = cs_time_mono_ns();
    return s;
}

static void stream_free(stream *s)
{
    cs_net__h2 *h2 = s->h2;
    if (s->state == HEAD || s->state == BODY) {
        h2->kept -= s->x->in.n;
    }
    if (s->state == BUSY) {
        h2->n_busy--;
    }
    if (s->x != NULL) {
        cs_net__exchange_give(&h2->o.all->pool, s->x);
    }
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        h2->first = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    cs_buf_destroy(&s->body);
    cs_buf_destroy(&s->trailers);
    cs_free(s);
}

static stream *stream_of(cs_net__h2 *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->session, id);
}

static void reset(stream *s, uint32_t code)
{
    (void)nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, s->id, code);
}

static void terminate(cs_net__h2 *h2, uint32_t code)
{
    (void)nghttp2_session_terminate_session(h2->session, code);
}

/* ---- replies */

/* The next piece of a reply's body. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *self)
{
    (void)self;
    stream *s = source->ptr;
    size_t left = s->body.n - s->at;
    size_t n = left < room ? left : room;
    if (n != 0) {
        memcpy(to, s->body.p + s->at, n);
    }
    s->at += n;
    s->active_ns = cs_time_mono_ns();
    if (n < left) {
        return (ssize_t)n;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->trailing) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_nv fields[CS_NET__TRAILERS_MAX];
        size_t count = 0;
        cs_slice rest = cs_buf_view(&s->trailers), line;
        while (count < CS_NET__TRAILERS_MAX && cs_slice_next(&rest, '\n', &line)) {
            size_t colon = cs_slice_find_byte(line, ':', 0);
            if (colon != SIZE_MAX) {
                fields[count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)line.p,
                                               .namelen = colon,
                                               .value = (uint8_t *)(uintptr_t)(line.p + colon + 1),
                                               .valuelen = line.n - colon - 1};
            }
        }
        (void)nghttp2_submit_trailer(session, id, fields, count);
    }
    return (ssize_t)n;
}

typedef struct fields {
    nghttp2_nv *v;
    size_t n, cap;
} fields;

static void add_field(fields *f, cs_slice name, cs_slice value)
{
    if (f->n < f->cap) {
        f->v[f->n++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.p,
                                    .namelen = name.n,
                                    .value = (uint8_t *)(uintptr_t)value.p,
                                    .valuelen = value.n};
    }
}

/* The header lines of a reply, their names as HTTP/2 wants them. */
static void add_lines(fields *f, cs_arena *a, cs_slice lines)
{
    cs_slice line;
    while (cs_slice_next(&lines, '\n', &line)) {
        size_t colon = cs_slice_find_byte(line, ':', 0);
        if (colon == SIZE_MAX) {
            continue;
        }
        char *name = cs_arena_dup(a, line.p, colon);
        for (size_t i = 0; i < colon; i++) {
            name[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
        }
        add_field(f, cs_slice_make(name, colon), cs_slice_trim(cs_slice_sub(line, colon + 1, line.n)));
    }
}

static size_t count_lines(cs_slice lines)
{
    size_t n = 0;
    for (size_t i = 0; i < lines.n; i++) {
        n += lines.p[i] == '\n';
    }
    return n;
}

/* Gives the head and, from s->body, the body. */
static void submit(stream *s, int status, const char *content_type, cs_slice lines, uint64_t length, bool with_body)
{
    cs_arena *a = &s->x->arena;
    fields f = {.cap = count_lines(lines) + 4};
    f.v = cs_arena_array(a, nghttp2_nv, f.cap);
    cs_buf numbers;
    cs_buf_init(&numbers);
    cs_buf_i64(&numbers, status);
    size_t status_n = numbers.n;
    cs_buf_u64(&numbers, length);
    add_field(&f, CS_LIT(":status"), cs_slice_make(numbers.p, status_n));
    if (content_type != NULL) {
        add_field(&f, CS_LIT("content-type"), cs_slice_of(content_type));
    }
    add_lines(&f, a, lines);
    if (cs_net__status_has_body(status) && !s->trailing) {
        add_field(&f, CS_LIT("content-length"), cs_slice_sub(cs_buf_view(&numbers), status_n, numbers.n));
    }
    add_field(&f, CS_LIT("date"), cs_slice_make(s->h2->o.all->date, 29));
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    bool data = (with_body && s->body.n != 0) || s->trailing;
    (void)nghttp2_submit_response(s->h2->session, s->id, f.v, f.n, data ? &body : NULL);
    cs_buf_destroy(&numbers);
    s->state = REPLY;
    s->active_ns = cs_time_mono_ns();
}

void cs_net__h2_reply(cs_http_exchange *x, int status, const char *content_type)
{
    stream *s = x->stream;
    cs_net__h2 *h2 = s->h2;
    const cs_http_handlers *h = h2->o.all->handlers;
    cs_http_done done = {.status = status};
    uint64_t length = x->body.n;
    bool with_body = cs_net__status_has_body(status) && !cs_slice_is(x->request.method, "HEAD");
    h2->n_busy--;
    s->gone = NULL;
    if (with_body) {
        done.sent_bytes = length;
    }
    if (!s->closed) {
        if (with_body && length > OUT_BATCH) {
            cs_buf body = s->body;
            s->body = x->body;
            x->body = body;
        } else if (with_body) {
            cs_buf_slice(&s->body, cs_buf_view(&x->body));
        }
        submit(s, status, content_type, cs_buf_view(&x->extra), length, with_body);
    }
    if (h->done != NULL) {
        done.duration_ns = cs_time_mono_ns() - x->request.started_ns;
        h->done(h->self, &x->request, &done, x->user);
    }
    cs_net__exchange_give(&h2->o.all->pool, x);
    s->x = NULL;
    s->state = REPLY;
    if (s->closed) {
        stream_free(s);
    }
}

/* A head that is no request: nobody is asked. */
static void refuse(stream *s, int status, const char *why)
{
    cs_buf_printf(&s->body, why[0] != 0 ? "%d %s: %s" : "%d %s", status, cs_http_status_text(status), why);
    submit(s, status, "text/plain; charset=utf-8", CS_LIT(""), s->body.n, true);
    s->h2->kept -= s->x->in.n;
    cs_net__exchange_give(&s->h2->o.all->pool, s->x);
    s->x = NULL;
}

void cs_net__h2_add_trailer(cs_http_exchange *x, cs_slice name, cs_slice value)
{
    stream *s = x->stream;
    s->trailing = true;
    cs_buf_slice(&s->trailers, name);
    cs_buf_byte(&s->trailers, ':');
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = (uint8_t)value.p[i];
        cs_buf_byte(&s->trailers, c < 0x20 || c == 0x7F ? ' ' : (char)c);
    }
    cs_buf_byte(&s->trailers, '\n');
}

/* ---- requests */

static void dispatch(stream *s, bool too_large)
{
    cs_net__h2 *h2 = s->h2;
    cs_http_request *r = &s->x->request;
    h2->kept -= s->x->in.n;
    s->state = BUSY;
    h2->n_busy++;
    r->body_too_large = too_large;
    if (!too_large) {
        r->body = cs_buf_view(&s->x->in);
    }
    if (s->x->in.n != 0 || !too_large) {
        r->body_bytes = s->x->in.n;
    }
    h2->o.all->handlers->handle(h2->o.all->handlers->self, s->x);
}

/* The request line out of the pseudo headers. false: there is no reading of it. */
static bool read_target(cs_http_request *r)
{
    if (r->target.n == 0) {
        return false; /* CONNECT has none */
    }
    cs_net__head head = {.method = r->method, .target = r->target, .host = r->host};
    if ((r->target.p[0] != '/' && r->target.p[0] != '*') || !cs_net__split_target(&head)) {
        return false;
    }
    r->path = head.path;
    r->query = head.query;
    return true;
}

static void head_complete(stream *s, bool ended)
{
    cs_net__h2 *h2 = s->h2;
    cs_http_request *r = &s->x->request;
    r->started_ns = cs_time_mono_ns();
    s->state = BODY;
    if (s->bad == 0 && !read_target(r)) {
        s->bad = 400;
        s->why = "";
    }
    if (s->bad != 0) {
        refuse(s, s->bad, s->why);
        return;
    }
    const cs_slice *length = cs_http_find(r, "content-length");
    uint64_t announced = 0;
    if (length != NULL) {
        (void)cs_slice_u64(*length, &announced); /* nghttp2 has refused what is no number */
    }
    r->has_body = !ended || length != NULL;
    r->body_bytes = announced;
    if (h2->o.tls != NULL) {
        r->peer_certificate = cs_net__session_certificate(h2->o.tls, r->arena);
    }
    if (ended) {
        dispatch(s, false);
        return;
    }
    const cs_http_handlers *h = h2->o.all->handlers;
    s->limit = h->body_limit != NULL ? h->body_limit(h->self, r) : cs_limits_get()->json_bytes;
    if (announced > s->limit) {
        dispatch(s, true);
    }
}

static cs_slice keep(stream *s, const uint8_t *bytes, size_t n)
{
    return cs_slice_make(cs_arena_dup(&s->x->arena, (const char *)bytes, n), n);
}

/* Several fields `cookie` are one header (RFC 9113 §8.2.3). */
static bool join_cookie(stream *s, cs_slice name, const uint8_t *value, size_t n)
{
    if (!cs_slice_is(name, "cookie")) {
        return false;
    }
    cs_http_request *r = &s->x->request;
    for (size_t i = 0; i < r->n_headers; i++) {
        cs_http_header *h = &s->x->headers[i];
        if (cs_slice_is(h->name, "cookie")) {
            char *joined = cs_arena_alloc(&s->x->arena, h->value.n + 2 + n + 1);
            memcpy(joined, h->value.p, h->value.n);
            memcpy(joined + h->value.n, "; ", 2);
            memcpy(joined + h->value.n + 2, value, n);
            h->value = cs_slice_make(joined, h->value.n + 2 + n);
            return true;
        }
    }
    return false;
}

static void take_field(stream *s, cs_slice name, const uint8_t *value, size_t n)
{
    cs_http_request *r = &s->x->request;
    if (name.n != 0 && name.p[0] == ':') {
        cs_slice kept = keep(s, value, n);
        if (cs_slice_is(name, ":method")) {
            r->method = kept;
        } else if (cs_slice_is(name, ":path")) {
            r->target = kept;
        } else if (cs_slice_is(name, ":authority")) {
            r->host = kept;
        }
        return;
    }
    if (join_cookie(s, name, value, n)) {
        return;
    }
    if (r->n_headers == cs_limits_get()->http_headers) {
        s->bad = 431;
        s->why = "too many headers";
        return;
    }
    cs_http_header h = {keep(s, (const uint8_t *)name.p, name.n), keep(s, value, n)};
    if (r->host.n == 0 && cs_slice_is(name, "host")) {
        r->host = h.value;
    }
    s->x->headers[r->n_headers++] = h;
}

/* ---- what nghttp2 tells */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    cs_net__h2 *h2 = self;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    stream *s = stream_new(h2, frame->hd.stream_id);
    cs_http_exchange *x = s->x;
    x->request = (cs_http_request){.method = {"", 0},
                                   .target = {"", 0},
                                   .path = {"/", 1},
                                   .query = {"", 0},
                                   .host = {"", 0},
                                   .headers = x->headers,
                                   .body = {"", 0},
                                   .peer = h2->o.peer,
                                   .tls = h2->o.tls != NULL,
                                   .peer_certificate = {"", 0},
                                   .tag = h2->o.tag,
                                   .http2 = true,
                                   .arena = &x->arena};
    (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *self)
{
    (void)session;
    (void)flags;
    stream *s = frame->hd.type == NGHTTP2_HEADERS ? stream_of(self, frame->hd.stream_id) : NULL;
    if (s == NULL) {
        return 0;
    }
    size_t limit = cs_limits_get()->http_head_bytes;
    s->head_bytes += name_n + value_n + 32; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    if (s->head_bytes > limit * 4) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* small in the table, large when read: nobody waits for its end
                                                       */
    }
    if (s->state != HEAD || s->bad != 0) {
        return 0; /* trailers say nothing to us */
    }
    if (s->head_bytes > limit) {
        s->bad = 431;
        s->why = "request head too large";
        return 0;
    }
    take_field(s, cs_slice_make((const char *)name, name_n), value, value_n);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *self)
{
    (void)session;
    (void)flags;
    cs_net__h2 *h2 = self;
    stream *s = stream_of(h2, id);
    if (s == NULL || s->state != BODY) {
        return 0; /* answered already */
    }
    s->active_ns = cs_time_mono_ns();
    if (n > s->limit - s->x->in.n) {
        dispatch(s, true);
        return 0;
    }
    uint64_t all = cs_limits_get()->json_bytes > s->limit ? cs_limits_get()->json_bytes : s->limit;
    if (h2->kept + n > all) {
        /* The bodies of this connection are too much together: it may try again. */
        h2->kept -= s->x->in.n;
        s->state = REPLY;
        cs_net__trim(&s->x->in);
        reset(s, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    cs_buf_put(&s->x->in, bytes, n);
    h2->kept += n;
    return 0;
}

static void say_last(cs_net__h2 *h2)
{
    if (h2->notice_ns != 0 && !h2->last_said) {
        h2->last_said = true;
        (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(h2->session), NGHTTP2_NO_ERROR, NULL, 0);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    (void)session;
    cs_net__h2 *h2 = self;
    if (frame->hd.type == NGHTTP2_PING) {
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
            say_last(h2); /* the peer has heard of the end */
        }
        return 0;
    }
    bool headers = frame->hd.type == NGHTTP2_HEADERS;
    stream *s = headers || frame->hd.type == NGHTTP2_DATA ? stream_of(h2, frame->hd.stream_id) : NULL;
    if (s == NULL) {
        return 0;
    }
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (headers && s->state == HEAD) {
        head_complete(s, ended);
    } else if (ended && s->state == BODY) {
        dispatch(s, false);
    }
    return 0;
}

/* When the reply is out, the rest of its request is not wanted. To say so at once would cost some clients the reply
 * (curl forgets what it has not yet handed on), so the next look at the streams does. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    (void)session;
    bool part = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    stream *s = part && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 ? stream_of(self, frame->hd.stream_id) : NULL;
    if (s != NULL) {
        s->sent = true;
        s->active_ns = cs_time_mono_ns();
    }
    return 0;
}

/* A peer that opens streams only to end them in errors makes us work for nothing: some of that is life, much of it is
 * an attack. */
static void count_reset(cs_net__h2 *h2)
{
    int64_t burst = (int64_t)cs_limits_get()->http2_resets, now = cs_time_mono_ns();
    int64_t grown = (now - h2->resets_at_ns) / (CS_NS_PER_S / RESETS_A_SECOND);
    if (grown > 0) {
        h2->resets = h2->resets + grown < burst ? h2->resets + grown : burst;
        h2->resets_at_ns = now;
    }
    if (--h2->resets < 0) {
        terminate(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *self)
{
    (void)session;
    cs_net__h2 *h2 = self;
    stream *s = stream_of(h2, id);
    if (code != NGHTTP2_NO_ERROR) {
        count_reset(h2);
    }
    if (s == NULL) {
        return 0;
    }
    if (s->state == BUSY) {
        s->closed = true; /* cs_net__h2_tell_gone says so to who wants to know */
        return 0;
    }
    stream_free(s);
    return 0;
}

/* ---- the session */

static void *h2_alloc(size_t n, void *self)
{
    (void)self;
    return cs_alloc(n != 0 ? n : 1);
}

static void *h2_zalloc(size_t count, size_t size, void *self)
{
    (void)self;
    void *p = cs_alloc_array(count != 0 ? count : 1, size != 0 ? size : 1);
    memset(p, 0, count * size);
    return p;
}

static void *h2_realloc(void *p, size_t n, void *self)
{
    (void)self;
    return cs_realloc(p, n != 0 ? n : 1);
}

static void h2_free(void *p, void *self)
{
    (void)self;
    cs_free(p);
}

static void make_session(cs_net__h2 *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_mem mem = {.malloc = h2_alloc, .free = h2_free, .calloc = h2_zalloc, .realloc = h2_realloc};
    bool ok = nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0;
    if (ok) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
        nghttp2_option_set_no_closed_streams(option, 1);
        ok = nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &mem) == 0;
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (!ok) {
        h2->session = NULL;
        h2->ended = true;
    }
}

cs_net__h2 *cs_net__h2_new(const cs_net__h2_owner *owner)
{
    cs_net__h2 *h2 = cs_zalloc(sizeof *h2);
    h2->o = *owner;
    const cs_limits *limits = cs_limits_get();
    h2->resets = (int64_t)limits->http2_resets;
    h2->resets_at_ns = cs_time_mono_ns();
    make_session(h2);
    if (h2->session == NULL) {
        return h2;
    }
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)limits->http2_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->http_head_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
    (void)nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
    return h2;
}

void cs_net__h2_free(cs_net__h2 *h2)
{
    nghttp2_session_del(h2->session);
    while (h2->first != NULL) {
        stream_free(h2->first);
    }
    cs_free(h2);
}

void cs_net__h2_feed(cs_net__h2 *h2, const char *bytes, size_t n)
{
    if (!h2->ended) {
        h2->ended = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes, n) < 0;
    }
}

size_t cs_net__h2_pull(cs_net__h2 *h2, cs_buf *out)
{
    size_t before = out->n;
    while (h2->session != NULL && out->n - before < OUT_BATCH) {
        const uint8_t *frames = NULL;
        ssize_t n = nghttp2_session_mem_send(h2->session, &frames);
        if (n <= 0) {
            h2->ended |= n < 0;
            break;
        }
        cs_buf_put(out, frames, (size_t)n);
    }
    return out->n - before;
}

bool cs_net__h2_over(const cs_net__h2 *h2)
{
    return h2->ended || (nghttp2_session_want_read(h2->session) == 0 && nghttp2_session_want_write(h2->session) == 0);
}

bool cs_net__h2_reads(const cs_net__h2 *h2)
{
    return !h2->ended && nghttp2_session_get_outbound_queue_size(h2->session) <
                             CONTROL_FRAMES_MAX + 2 * (size_t)cs_limits_get()->http2_streams;
}

size_t cs_net__h2_busy(const cs_net__h2 *h2)
{
    return h2->n_busy;
}

/* ---- who goes away */

void cs_net__h2_on_gone(cs_http_exchange *x, cs_loop_fn *gone, void *self)
{
    x->stream->gone = gone;
    x->stream->gone_self = self;
}

bool cs_net__h2_tell_gone(cs_net__h2 *h2, bool all)
{
    for (stream *s = h2->first; s != NULL; s = s->next) {
        if (s->state == BUSY && (s->closed || all) && s->gone != NULL && !s->told) {
            s->told = true;
            s->gone(s->gone_self); /* it may reply at once, which may free the stream */
            return true;
        }
    }
    return false;
}

void cs_net__h2_drop(cs_net__h2 *h2)
{
    const cs_http_handlers *h = h2->o.all->handlers;
    for (stream *s = h2->first; s != NULL && h->dropped != NULL; s = s->next) {
        if (s->state == BUSY) {
            h->dropped(h->self, &s->x->request, s->x->user);
        }
    }
}

/* ---- time */

void cs_net__h2_shutdown(cs_net__h2 *h2)
{
    if (h2->notice_ns == 0 && h2->session != NULL) {
        h2->notice_ns = cs_time_mono_ns();
        (void)nghttp2_submit_shutdown_notice(h2->session);
        (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
    }
}

bool cs_net__h2_sweep(cs_net__h2 *h2, int64_t now_mono_ns)
{
    const cs_limits *limits = cs_limits_get();
    if (h2->notice_ns != 0 && now_mono_ns - h2->notice_ns > NOTICE_NS) {
        say_last(h2);
    }
    for (stream *s = h2->first; s != NULL; s = s->next) {
        int64_t quiet = now_mono_ns - s->active_ns;
        if (s->state == HEAD && quiet > (int64_t)limits->http_head_timeout_ms * CS_NS_PER_MS) {
            return true; /* nothing else can come in before the rest of a header block */
        }
        if (s->sent && quiet > UNWANTED_NS) {
            s->sent = false;
            reset(s, NGHTTP2_NO_ERROR);
        }
        if ((s->state == BODY || s->state == REPLY) && quiet > (int64_t)limits->http_idle_timeout_ms * CS_NS_PER_MS) {
            s->active_ns = now_mono_ns;
            reset(s, NGHTTP2_CANCEL);
        }
    }
    return false;
}

void cs_net__h2_end(cs_net__h2 *h2)
{
    if (h2->session != NULL) {
        terminate(h2, NGHTTP2_NO_ERROR);
    }
}

bool cs_net__h2_quiet(const cs_net__h2 *h2)
{
    return h2->first == NULL;
}
