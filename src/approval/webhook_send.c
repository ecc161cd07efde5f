/* Posting notices: one thread for each webhook, so that one which is slow, down or lying delays nobody else, and no
 * decision ever. */
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "webhook.h"

#define TICK_NS CS_NS_PER_S            /* the clock is looked at again */
#define AGAIN_NS (10 * CS_NS_PER_S)    /* an event that was appended has come back by then */
#define MARGIN_NS (5 * CS_NS_PER_S)    /* clocks of replicas may be so far apart */
#define RENEW_NS (30 * CS_NS_PER_S)    /* before a lease ends */
#define ANSWER_BYTES UINT64_C(1048576) /* that an answer may have; nobody reads it */
enum { HEADERS = 64, OWN_HEADERS = 10, DOUBLINGS = 30 };

/* ---- recording */

static void told(void *self, const cs_error *error)
{
    (void)self;
    if (error != NULL) {
        cs_log(CS_LOG_WARN, "What a webhook was sent could not be recorded yet.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(error->text))});
    }
}

/* Events of a notice stay behind those of its approval, in the same part of the log. */
static void append(cs_webhooks *w, const char *type, cs_slice key, cs_value data, cs_journal_batch *batch)
{
    char uuid[37];
    cs_random_uuid(uuid);
    cs_event_head head = {.type = type,
                          .source = cs_slice_of(w->source),
                          .id = cs_slice_of(uuid),
                          .tenant = CS_LIT("webhooks"),
                          .subject = cs_text(*cs_object_get_text(data, "webhook")),
                          .key = key,
                          .time_ns = cs_time_wall_ns()};
    cs_event event = cs_event_compose(&batch->arena, &head, data);
    cs_journal_batch_add(batch, &event);
    cs_error e;
    if (cs_journal_append(w->journal, batch, &e) != CS_OK) {
        told(NULL, &e);
        cs_journal_batch_free(batch);
    }
}

/* That it is over. Under the lock; if it does not come back, again. */
static void record(cs_webhook__target *t, cs_webhook__notice *n)
{
    cs_journal_batch *batch = cs_journal_batch_telling(told, NULL);
    cs_arena *a = &batch->arena;
    bool delivered = strcmp(n->over, "delivered") == 0;
    cs_value data = cs_object_new(a, 5);
    cs_object_put_text(a, data, "webhook", cs_string(t->c->name));
    cs_object_put_text(a, data, "notice", cs_string_copy(a, n->id));
    cs_object_put_text(a, data, "approval", cs_string_copy(a, n->approval));
    if (delivered) {
        cs_object_put_text(a, data, "status", cs_int(n->status));
    } else {
        cs_object_put_text(a, data, "reason", cs_string(cs_slice_of(n->reason)));
    }
    n->told_mono = cs_time_mono_ns();
    append(t->w, delivered ? "io.countersign.webhook.delivered.v1" : "io.countersign.webhook.dropped.v1", n->key, data,
           batch);
}

static void say_lease(cs_webhook__target *t, bool back)
{
    cs_journal_batch *batch = cs_journal_batch_telling(told, NULL);
    cs_arena *a = &batch->arena;
    cs_value data = cs_object_new(a, 3);
    cs_object_put_text(a, data, "webhook", cs_string(t->c->name));
    cs_object_put_text(a, data, "by", cs_string(cs_slice_of(t->w->replica)));
    if (back) {
        cs_object_put_text(a, data, "back", cs_bool(true));
    }
    append(t->w, "io.countersign.webhook.leased.v1", cs_text(*cs_object_get_text(data, "webhook")), data, batch);
}

static void ask_lease(cs_webhook__target *t)
{
    int64_t mono = cs_time_mono_ns();
    if (t->asked_mono == 0 || mono - t->asked_mono >= AGAIN_NS) {
        t->asked_mono = mono;
        say_lease(t, false);
    }
}

/* May this process send? Under the lock. */
static bool holds_lease(cs_webhook__target *t)
{
    if (!t->w->shared) {
        return true;
    }
    bool ours = cs_slice_is(t->lease_by, t->w->replica);
    int64_t left = t->lease_until_ns - t->skew_ns - cs_time_wall_ns();
    if ((ours && left < t->c->timeout_ns + RENEW_NS) || (!ours && left <= -MARGIN_NS)) {
        ask_lease(t);
    }
    return ours && left > t->c->timeout_ns + MARGIN_NS;
}

/* ---- what is next */

static bool is_behind(const cs_webhook__notice *n)
{
    for (const cs_webhook__notice *e = n->earlier; e != NULL; e = e->earlier) {
        if (e->over == NULL) {
            return true;
        }
    }
    return false;
}

/* The oldest that is due, and has none of the same approval before it. Records anew on the way what has not come back.
 * *wait_ns: until there may be one. */
static cs_webhook__notice *next_notice(cs_webhook__target *t, int64_t *wait_ns)
{
    int64_t mono = cs_time_mono_ns(), now = cs_time_wall_ns();
    *wait_ns = t->first != NULL ? TICK_NS : INT64_MAX;
    for (cs_webhook__notice *n = t->first; n != NULL; n = n->next) {
        if (n->over == NULL && now - n->made_ns > t->c->give_up_ns) {
            n->over = "dropped";
            n->reason = "too_old";
            if (t->dropped != NULL) {
                cs_series_add(t->dropped, CS_METRICS_ANY, 1);
            }
            cs_log(CS_LOG_ERROR, "An event was not delivered to a webhook in time: it is given up.", 3,
                   (cs_log_field[]){CS_LOG_S("webhook", t->c->name), CS_LOG_S("approval", n->approval),
                                    CS_LOG_S("event", n->event)});
        }
        if (n->over != NULL) {
            if (n->told_mono == 0 || mono - n->told_mono > AGAIN_NS) {
                record(t, n);
            }
            continue;
        }
        int64_t due = n->due_mono > t->paused_mono ? n->due_mono : t->paused_mono;
        if (due > mono) {
            *wait_ns = due - mono < *wait_ns ? due - mono : *wait_ns;
        } else if (!is_behind(n)) {
            return n;
        }
    }
    return NULL;
}

/* ---- posting */

/* Everything that outlives the lock. */
typedef struct posting {
    cs_arena arena;
    cs_webhook__target *t;
    cs_slice id, body;
    cs_http_header headers[HEADERS + OWN_HEADERS];
    size_t n;
} posting;

static cs_slice kept(cs_arena *a, cs_slice text)
{
    return cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
}

static void add_header(posting *p, const char *name, cs_slice value)
{
    p->headers[p->n++] = (cs_http_header){cs_slice_of(name), value};
}

static void make_headers(posting *p)
{
    cs_arena *a = &p->arena;
    const cs_config_webhook *c = p->t->c;
    int64_t seconds = cs_time_wall_ns() / CS_NS_PER_S;
    size_t n = 0;
    char *at = cs_arena_printf(a, &n, "%lld", (long long)seconds);
    bool generic = cs_slice_is(c->kind, "generic");
    add_header(p, "Content-Type", generic ? CS_LIT("application/cloudevents+json") : CS_LIT("application/json"));
    add_header(p, "webhook-id", p->id);
    add_header(p, "webhook-timestamp", cs_slice_make(at, n));
    add_header(p, "webhook-signature", cs_webhook__sign(a, c, p->id, seconds, p->body));
    for (uint32_t i = 0; cs_is(c->headers, CS_OBJECT) && i < cs_count(c->headers) && i < HEADERS; i++) {
        cs_value value, name = cs_entry(c->headers, i, &value);
        p->headers[p->n++] = (cs_http_header){cs_text(name), cs_text(value)};
    }
}

/* 0, or what was answered; *error says why it is no delivery. */
static int post(posting *p, cs_error *error)
{
    const cs_config_webhook *c = p->t->c;
    cs_arena *a = &p->arena;
    make_headers(p);
    cs_http_fetch_options options = {.method = "POST",
                                     .url = cs_arena_dup(a, c->url.p, c->url.n),
                                     .headers = p->headers,
                                     .n_headers = p->n,
                                     .body = p->body,
                                     .timeout_ns = c->timeout_ns,
                                     .max_bytes = ANSWER_BYTES,
                                     .ca_file = c->ca_cert.n > 0 ? cs_arena_dup(a, c->ca_cert.p, c->ca_cert.n) : NULL,
                                     .insecure = c->allow_insecure_tls,
                                     .stop = &p->t->w->stop};
    cs_http_answer answer;
    if (cs_http_fetch(&options, &answer, error) != CS_OK) {
        return 0;
    }
    cs_http_answer_destroy(&answer);
    if (answer.status < 200 || answer.status > 299) {
        (void)!cs_fail(error, CS_ERR_IO, "it has answered with status %d%s", answer.status,
                       answer.status >= 300 && answer.status < 400 ? "; redirects are not followed" : "");
    }
    return answer.status;
}

static int64_t pause_of(const cs_config_webhook *c, uint32_t failures)
{
    int64_t ns = c->first_ns;
    for (uint32_t i = 1; i < failures && i < DOUBLINGS && ns < c->most_ns; i++) {
        ns *= 2;
    }
    ns = ns < c->most_ns ? ns : c->most_ns;
    uint32_t bits;
    cs_random(&bits, sizeof bits);
    return ns - ns / 5 + (int64_t)((double)(ns / 5 * 2) * ((double)bits / 4294967296.0));
}

/* Is it this one notice that it does not take, or everything? */
static bool is_about_the_notice(int status)
{
    return status >= 400 && status < 500 && status != 401 && status != 403 && status != 404 && status != 407 &&
           status != 408 && status != 410 && status != 425 && status != 429;
}

static void succeeded(cs_webhook__target *t, cs_webhook__notice *n, int status)
{
    if (t->failures > 0) {
        cs_log(CS_LOG_INFO, "A webhook takes events again.", 2,
               (cs_log_field[]){CS_LOG_S("webhook", t->c->name), CS_LOG_I("waiting", (int64_t)t->n - 1)});
    }
    t->failures = 0;
    t->paused_mono = 0;
    t->error[0] = '\0';
    t->delivered_ns = cs_time_wall_ns();
    if (t->delivered != NULL) {
        cs_series_add(t->delivered, CS_METRICS_ANY, 1);
    }
    if (n != NULL) {
        n->over = "delivered";
        n->status = status;
        record(t, n);
    }
}

static void failed(cs_webhook__target *t, cs_webhook__notice *n, int status, const cs_error *error)
{
    int64_t mono = cs_time_mono_ns();
    if (t->failed != NULL) {
        cs_series_add(t->failed, CS_METRICS_ANY, 1);
    }
    size_t length = strlen(error->text);
    length = length < sizeof t->error ? length : sizeof t->error - 1;
    memcpy(t->error, error->text, length);
    t->error[length] = '\0';
    if (t->failures++ == 0) {
        cs_log(CS_LOG_WARN, "A webhook does not take an event: tried again.", 4,
               (cs_log_field[]){CS_LOG_S("webhook", t->c->name), CS_LOG_S("error", cs_slice_of(t->error)),
                                CS_LOG_I("status", status), CS_LOG_I("waiting", (int64_t)t->n)});
    }
    if (!is_about_the_notice(status)) {
        t->paused_mono = mono + pause_of(t->c, t->failures);
    } else if (n != NULL) {
        n->due_mono = mono + pause_of(t->c, ++n->tries);
    }
}

/* Gives the lock away while it waits for the answer. */
static void deliver(cs_webhook__target *t, const cs_webhook__notice *n)
{
    cs_webhooks *w = t->w;
    posting p = {.t = t};
    cs_arena_init(&p.arena, 0);
    p.id = kept(&p.arena, n->id);
    p.body = kept(&p.arena, n->body);
    cs_mutex_unlock(&w->lock);
    cs_error error = {0};
    int status = post(&p, &error);
    cs_mutex_lock(&w->lock);
    cs_webhook__notice *now = cs_webhook__find(w, t->c->name, p.id); /* it may be over meanwhile */
    if (status >= 200 && status < 300) {
        succeeded(t, now, status);
    } else if (!atomic_load(&w->stop)) {
        failed(t, now, status, &error);
    }
    cs_arena_destroy(&p.arena);
}

void cs_webhook__send_main(void *target)
{
    cs_webhook__target *t = target;
    cs_webhooks *w = t->w;
    cs_mutex_lock(&w->lock);
    while (!atomic_load(&w->stop)) {
        bool caught_up = false;
        int64_t wait_ns = TICK_NS;
        (void)cs_journal_lag(w->journal, NULL, &caught_up);
        const cs_webhook__notice *n =
            caught_up && (t->first == NULL || holds_lease(t)) ? next_notice(t, &wait_ns) : NULL;
        if (n != NULL) {
            deliver(t, n);
        } else if (wait_ns == INT64_MAX) {
            cs_cond_wait(&t->wake, &w->lock);
        } else {
            (void)cs_cond_wait_for(&t->wake, &w->lock, wait_ns);
        }
    }
    if (w->shared && cs_slice_is(t->lease_by, w->replica)) {
        say_lease(t, true);
    }
    cs_mutex_unlock(&w->lock);
}
