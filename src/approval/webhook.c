/* Notices out of the log: made by what happens to approvals, ended by what is recorded of their delivery. Every replica
 * folds the same ones. */
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "webhook.h"

#define PREFIX "io.countersign.webhook."
#define OWN_SOURCE "/countersign/"
#define LEASE_NS (120 * CS_NS_PER_S)
#define SEEN_NS (7200 * CS_NS_PER_S) /* twice the longest tolerance */
enum { VARIABLES_BYTES = 262144 /* a body beyond it goes without them */, NAME_BYTES = 128 };

/* ---- the table */

static cs_slice copy(cs_slice text)
{
    char *own = cs_alloc(text.n + 1);
    memcpy(own, text.p, text.n);
    return cs_slice_make(own, text.n);
}

static void free_text(cs_slice text)
{
    cs_free((char *)(uintptr_t)text.p);
}

cs_webhook__target *cs_webhook__target_of(cs_webhooks *w, cs_slice name)
{
    for (size_t i = 0; i < w->n_targets; i++) {
        if (cs_slice_eq(w->targets[i].c->name, name)) {
            return &w->targets[i];
        }
    }
    return NULL;
}

static cs_slice key_of(cs_buf *room, cs_slice first, cs_slice second)
{
    cs_buf_clear(room);
    cs_buf_slice(room, first);
    cs_buf_byte(room, 0);
    cs_buf_slice(room, second);
    return cs_buf_view(room);
}

cs_webhook__notice *cs_webhook__find(cs_webhooks *w, cs_slice webhook, cs_slice id)
{
    cs_buf room;
    cs_buf_init(&room);
    cs_webhook__notice *n = cs_map_get(&w->notices, key_of(&room, webhook, id));
    cs_buf_destroy(&room);
    return n;
}

static cs_slice put(char **at, cs_slice text)
{
    if (text.n > 0) {
        memcpy(*at, text.p, text.n);
    }
    cs_slice placed = {*at, text.n};
    *at += text.n;
    return placed;
}

cs_webhook__notice *cs_webhook__add(cs_webhook__target *t, const cs_webhook__notice *like)
{
    cs_webhooks *w = t->w;
    cs_buf room;
    cs_buf_init(&room);
    cs_slice key = key_of(&room, t->c->name, like->id);
    cs_webhook__notice *n = NULL;
    if (cs_map_get(&w->notices, key) == NULL) {
        n = cs_zalloc(sizeof *n);
        *n = *like;
        char *at = cs_alloc(like->id.n + like->approval.n + like->key.n + like->event.n + like->body.n + 1);
        n->id = put(&at, like->id);
        n->approval = put(&at, like->approval);
        n->key = put(&at, like->key);
        n->event = put(&at, like->event);
        n->body = put(&at, like->body);
        n->target = t;
        n->prev = t->last;
        *(t->last != NULL ? &t->last->next : &t->first) = n;
        t->last = n;
        t->n++;
        n->earlier = cs_map_put(&t->latest, n->approval, n);
        if (n->earlier != NULL) {
            n->earlier->later = n;
        }
        (void)cs_map_put(&w->notices, key, n);
    }
    cs_buf_destroy(&room);
    return n;
}

static void forget_notice(cs_webhooks *w, cs_webhook__notice *n)
{
    cs_webhook__target *t = n->target;
    cs_buf room;
    cs_buf_init(&room);
    (void)cs_map_remove(&w->notices, key_of(&room, t->c->name, n->id));
    cs_buf_destroy(&room);
    *(n->prev != NULL ? &n->prev->next : &t->first) = n->next;
    *(n->next != NULL ? &n->next->prev : &t->last) = n->prev;
    t->n--;
    if (n->later != NULL) {
        n->later->earlier = n->earlier;
    } else if (n->earlier != NULL) {
        (void)cs_map_put(&t->latest, n->approval, n->earlier);
    } else {
        (void)cs_map_remove(&t->latest, n->approval);
    }
    if (n->earlier != NULL) {
        n->earlier->later = n->later;
    }
    free_text(n->id);
    cs_free(n);
}

static void forget_seen(cs_webhooks *w, int64_t before_ns)
{
    while (w->oldest != NULL && w->oldest->at_ns < before_ns) {
        cs_webhook__seen *s = w->oldest;
        (void)cs_map_remove(&w->seen, s->key);
        w->oldest = s->next;
        w->newest = s->next != NULL ? w->newest : NULL;
        free_text(s->key);
        cs_free(s);
    }
}

void cs_webhook__see(cs_webhooks *w, cs_slice key, int64_t at_ns)
{
    forget_seen(w, at_ns - SEEN_NS);
    if (cs_map_get(&w->seen, key) != NULL) {
        return;
    }
    cs_webhook__seen *s = cs_zalloc(sizeof *s);
    *s = (cs_webhook__seen){.at_ns = at_ns, .key = copy(key)};
    *(w->newest != NULL ? &w->newest->next : &w->oldest) = s;
    w->newest = s;
    (void)cs_map_put(&w->seen, s->key, s);
}

void cs_webhook__lease(cs_webhook__target *t, cs_slice by, int64_t until_ns)
{
    free_text(t->lease_by);
    t->lease_by = copy(by);
    t->lease_until_ns = until_ns;
}

/* ---- what happened to an approval */

/* The same on every replica, and fit for a header whatever the event's id is. */
static cs_slice notice_id(const cs_approval_news *news, char out[CS_WEBHOOK__ID])
{
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n = 0;
    char *text =
        cs_arena_printf(&a, &n, "%.*s%c%.*s%c%s", CS_FMT(news->event_id), '\0', CS_FMT(news->id), '\0', news->what);
    memcpy(out, "msg_", 4);
    memcpy(out + 4, cs_digest_hex(&a, CS_SHA256, cs_slice_make(text, n)).p, CS_WEBHOOK__ID - 4);
    cs_arena_destroy(&a);
    return cs_slice_make(out, CS_WEBHOOK__ID);
}

static bool wants(const cs_config_webhook *c, const char *event, cs_slice tenant)
{
    bool event_wanted = strcmp(event, "opened") == 0      ? c->opened
                        : strcmp(event, "escalated") == 0 ? c->escalated
                                                          : c->decided;
    bool tenant_wanted = c->n_tenants == 0;
    for (size_t i = 0; i < c->n_tenants; i++) {
        tenant_wanted = tenant_wanted || cs_slice_eq(c->tenants[i], tenant);
    }
    return event_wanted && tenant_wanted;
}

static void count(cs_series *series)
{
    if (series != NULL) {
        cs_series_add(series, CS_METRICS_ANY, 1);
    }
}

/* One line when it begins, not one for each. */
static void say_full(const cs_webhook__target *t)
{
    cs_log(CS_LOG_ERROR, "A webhook has too many events waiting: further ones are lost to it.", 2,
           (cs_log_field[]){CS_LOG_S("webhook", t->c->name), CS_LOG_I("waiting", (int64_t)t->n)});
}

static void enqueue(cs_webhook__target *t, const cs_approval_news *news, cs_webhook__news *told, cs_slice key)
{
    cs_webhooks *w = t->w;
    if (cs_time_wall_ns() - news->at_ns > t->c->give_up_ns) {
        return; /* of a past that it is too late to tell */
    }
    if (t->n >= t->c->queue) {
        if (!news->past && t->n == t->c->queue) {
            say_full(t);
        }
        count(t->full);
        return;
    }
    cs_buf_clear(&w->bytes);
    cs_webhook__body(&w->bytes, t->c, told);
    cs_webhook__notice like = {.id = told->id,
                               .approval = news->id,
                               .key = key,
                               .event = cs_slice_of(told->event),
                               .body = cs_buf_view(&w->bytes),
                               .number = ++w->numbers,
                               .made_ns = news->at_ns};
    cs_webhook__notice *n = cs_webhook__add(t, &like);
    if (n != NULL) {
        cs_dirty_mark(&w->rows, n);
        cs_cond_signal(&t->wake);
    }
}

/* The approval as it is with the news, not as a later clock would have it. */
static bool look_up(cs_webhooks *w, const cs_approval_news *news, cs_arena *a, cs_webhook__news *told, cs_slice *key,
                    cs_approval_state *state)
{
    cs_approvals *x = w->approvals;
    cs_mutex_lock(&x->lock);
    const cs_approval__item *item = cs_map_get(&x->by_id, news->id);
    if (item != NULL) {
        *state = cs_approval__state(item, news->at_ns);
        *key = cs_slice_make(cs_arena_dup(a, item->key.p, item->key.n), item->key.n);
        told->document = cs_approval__document(a, item, news->at_ns);
    }
    cs_mutex_unlock(&x->lock);
    if (item != NULL) {
        cs_buf text;
        cs_buf_init(&text);
        cs_json_write(&text, cs_approval__member(told->document, "variables"), 0);
        if (text.n > VARIABLES_BYTES) {
            cs_object_put_text(a, told->document, "variables", cs_null());
        }
        cs_buf_destroy(&text);
    }
    return item != NULL;
}

/* A delivery that has been done is not done again, whatever came between. */
static void remember(cs_webhooks *w, const cs_approval_news *news)
{
    cs_slice verified = cs_approval__text(news->data, "verified");
    if (cs_slice_starts(verified, CS_LIT("webhook:")) && news->request_id.n > 0 &&
        cs_time_wall_ns() - news->at_ns < SEEN_NS) {
        cs_slice key = key_of(&w->bytes, cs_slice_sub(verified, 8, verified.n), news->request_id);
        cs_webhook__see(w, key, news->at_ns);
        w->row.changed = true;
    }
}

static void heard(void *self, const cs_approval_news *news)
{
    cs_webhooks *w = self;
    char room[CS_WEBHOOK__ID];
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_slice key;
    cs_approval_state state = CS_APPROVAL_REQUESTED;
    cs_webhook__news told = {.actor = news->actor, .request_id = news->request_id, .at_ns = news->at_ns};
    bool known = look_up(w, news, &a, &told, &key, &state);
    cs_mutex_lock(&w->lock);
    remember(w, news);
    if (known && cs_webhook__event_of(news, state, &told.event, &told.outcome)) {
        told.id = notice_id(news, room);
        for (size_t i = 0; i < w->n_targets; i++) {
            if (wants(w->targets[i].c, told.event, news->tenant)) {
                enqueue(&w->targets[i], news, &told, key);
            }
        }
    }
    cs_mutex_unlock(&w->lock);
    cs_arena_destroy(&a);
}

/* ---- what became of notices */

static bool is_what(const cs_event *event, const char *what)
{
    cs_slice rest = cs_slice_sub(event->type, sizeof PREFIX - 1, event->type.n);
    size_t n = strlen(what);
    return rest.n == n + 3 && memcmp(rest.p, what, n) == 0 && cs_slice_ends(rest, CS_LIT(".v1"));
}

static void drop_quietly(cs_webhooks *w, cs_webhook__notice *n)
{
    char number[17];
    cs_slice key = cs_slice_make(number, cs_webhook__row_key(n->number, number));
    cs_dirty_gone(&w->rows, n, key);
    forget_notice(w, n);
}

static cs_event_outcome fold_notice(void *self, const cs_event *event)
{
    cs_webhooks *w = self;
    if (!is_what(event, "delivered") && !is_what(event, "dropped")) {
        return CS_EVENT_UNSEEN;
    }
    cs_mutex_lock(&w->lock);
    cs_webhook__notice *n =
        cs_webhook__find(w, cs_approval__text(event->data, "webhook"), cs_approval__text(event->data, "notice"));
    if (n != NULL) {
        cs_webhook__target *t = n->target;
        drop_quietly(w, n);
        cs_cond_signal(&t->wake);
    }
    cs_mutex_unlock(&w->lock);
    return n != NULL ? CS_EVENT_APPLIED : CS_EVENT_DUPLICATE;
}

/* The first to ask when a lease has ended has it, by the order of the log. Whoever stops gives it back. */
static cs_event_outcome fold_lease(void *self, const cs_event *event)
{
    cs_webhooks *w = self;
    cs_slice by = cs_approval__text(event->data, "by");
    bool given = false;
    if (!is_what(event, "leased") || by.n == 0 || by.n > NAME_BYTES) {
        return CS_EVENT_UNSEEN;
    }
    cs_mutex_lock(&w->lock);
    cs_webhook__target *t = cs_webhook__target_of(w, cs_approval__text(event->data, "webhook"));
    given = t != NULL && (event->arrived_ns >= t->lease_until_ns || cs_slice_eq(t->lease_by, by));
    bool back = cs_is(cs_approval__member(event->data, "back"), CS_BOOL);
    given = given && (!back || cs_slice_eq(t->lease_by, by));
    if (given) {
        cs_webhook__lease(t, by, event->arrived_ns + (back ? 0 : LEASE_NS));
        t->skew_ns = cs_slice_is(by, w->replica) ? event->arrived_ns - event->time_ns : t->skew_ns;
        w->row.changed = true;
        cs_cond_signal(&t->wake);
    }
    cs_mutex_unlock(&w->lock);
    return given ? CS_EVENT_APPLIED : CS_EVENT_DUPLICATE;
}

static cs_err check_event(void *self, cs_arena *a, cs_event *event, cs_event_reject *reject)
{
    (void)self;
    if (!is_what(event, "delivered") && !is_what(event, "dropped") && !is_what(event, "leased")) {
        return cs_event_refuse(a, reject, "unknown_type", "nothing here is about events of type \"%.*s\"",
                               (int)(event->type.n < 100 ? event->type.n : 100), event->type.p);
    }
    if (!cs_slice_starts(event->source, CS_LIT(OWN_SOURCE))) {
        return cs_event_refuse(a, reject, "invalid_source", "only the service itself says what it has sent");
    }
    if (cs_approval__text(event->data, "webhook").n == 0) {
        return cs_event_refuse(a, reject, "missing_field", "data.webhook must name a webhook");
    }
    return CS_OK;
}

/* ---- figures */

static void gather_pending(void *self, cs_metrics_sink *sink)
{
    cs_webhooks *w = self;
    cs_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n_targets; i++) {
        cs_metrics_emit(sink, &w->targets[i].c->name, (double)w->targets[i].n);
    }
    cs_mutex_unlock(&w->lock);
}

static void gather_failing(void *self, cs_metrics_sink *sink)
{
    cs_webhooks *w = self;
    cs_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n_targets; i++) {
        cs_metrics_emit(sink, &w->targets[i].c->name, w->targets[i].failures > 0 ? 1 : 0);
    }
    cs_mutex_unlock(&w->lock);
}

static void gather_oldest(void *self, cs_metrics_sink *sink)
{
    cs_webhooks *w = self;
    int64_t now = cs_time_wall_ns();
    cs_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n_targets; i++) {
        const cs_webhook__notice *n = w->targets[i].first;
        int64_t age = n != NULL && now > n->made_ns ? now - n->made_ns : 0;
        cs_metrics_emit(sink, &w->targets[i].c->name, (double)age / (double)CS_NS_PER_S);
    }
    cs_mutex_unlock(&w->lock);
}

static cs_value instant(cs_arena *a, int64_t ns)
{
    char text[40];
    return ns == 0 ? cs_null() : cs_string_copy(a, cs_slice_make(text, cs_time_format_rfc3339(ns, text)));
}

cs_value cs_webhooks_status(cs_webhooks *w, cs_arena *a)
{
    int64_t mono = cs_time_mono_ns();
    cs_value *items = cs_arena_array(a, cs_value, w->n_targets + 1);
    cs_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n_targets; i++) {
        const cs_webhook__target *t = &w->targets[i];
        cs_value v = items[i] = cs_object_new(a, 8);
        bool waits = t->failures > 0 && t->paused_mono > mono;
        cs_object_put_text(a, v, "name", cs_string(t->c->name));
        cs_object_put_text(a, v, "kind", cs_string(t->c->kind));
        cs_object_put_text(a, v, "pending", cs_int((int64_t)t->n));
        cs_object_put_text(a, v, "failing", cs_bool(t->failures > 0));
        cs_object_put_text(a, v, "failures", cs_int(t->failures));
        cs_object_put_text(a, v, "error", t->error[0] != '\0' ? cs_string_copy(a, cs_slice_of(t->error)) : cs_null());
        cs_object_put_text(a, v, "delivered_at", instant(a, t->delivered_ns));
        cs_object_put_text(a, v, "next_attempt_at",
                           waits ? instant(a, cs_time_wall_ns() + t->paused_mono - mono) : cs_null());
    }
    cs_mutex_unlock(&w->lock);
    return cs_array(items, w->n_targets);
}

/* ---- made and ended */

static cs_series *series(cs_metrics *m, cs_slice name, const char *result)
{
    cs_slice labels[2] = {name, cs_slice_of(result)};
    return m != NULL ? cs_metrics_series(m, CS_METRIC_WEBHOOK_DELIVERIES, labels) : NULL;
}

static void make_target(cs_webhooks *w, const cs_config_webhook *c)
{
    cs_webhook__target *t = &w->targets[w->n_targets++];
    t->w = w;
    t->c = c;
    t->lease_by = copy(CS_LIT(""));
    cs_map_init(&t->latest);
    cs_cond_init(&t->wake);
    t->delivered = series(w->metrics, c->name, "delivered");
    t->failed = series(w->metrics, c->name, "failed");
    t->dropped = series(w->metrics, c->name, "dropped");
    t->full = series(w->metrics, c->name, "full");
}

static char *joined(const char *before, cs_slice text)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_printf(&b, "%s%.*s", before, CS_FMT(text));
    char *out = cs_strdup(cs_buf_cstr(&b));
    cs_buf_destroy(&b);
    return out;
}

cs_webhooks *cs_webhooks_new(const cs_webhooks_options *o)
{
    cs_webhooks *w = cs_zalloc(sizeof *w);
    w->approvals = o->approvals;
    w->journal = o->journal;
    w->metrics = o->metrics;
    w->webhooks = o->webhooks;
    w->n = o->n;
    w->shared = o->shared;
    w->replica = joined("", o->replica);
    w->source = joined(OWN_SOURCE, o->replica);
    cs_mutex_init(&w->lock);
    cs_map_init(&w->notices);
    cs_map_init(&w->seen);
    cs_buf_init(&w->bytes);
    w->targets = cs_zalloc((o->n + 1) * sizeof *w->targets);
    for (size_t i = 0; i < o->n; i++) {
        if (o->webhooks[i].url.n > 0) {
            make_target(w, &o->webhooks[i]);
        }
    }
    cs_fold notices = {.types = PREFIX, .self = w, .apply = fold_notice, .check = check_event};
    cs_fold others = {.types = PREFIX, .self = w, .apply = fold_lease};
    cs_webhook__save_hooks(w, &notices, &others);
    cs_journal_fold(w->journal, &notices);
    cs_journal_fold(w->journal, &others);
    cs_approvals_follow(w->approvals, heard, w);
    if (w->metrics != NULL && w->n_targets > 0) {
        cs_metrics_on_gather(w->metrics, CS_METRIC_WEBHOOK_PENDING, gather_pending, w);
        cs_metrics_on_gather(w->metrics, CS_METRIC_WEBHOOK_FAILING, gather_failing, w);
        cs_metrics_on_gather(w->metrics, CS_METRIC_WEBHOOK_OLDEST, gather_oldest, w);
    }
    return w;
}

cs_err cs_webhooks_start(cs_webhooks *w, cs_error *e)
{
    for (size_t i = 0; i < w->n_targets; i++) {
        CS_TRY(cs_thread_start(&w->targets[i].thread, "webhook", cs_webhook__send_main, &w->targets[i], e));
    }
    return CS_OK;
}

void cs_webhooks_stop(cs_webhooks *w)
{
    if (w == NULL) {
        return;
    }
    cs_mutex_lock(&w->lock);
    atomic_store(&w->stop, true);
    for (size_t i = 0; i < w->n_targets; i++) {
        cs_cond_signal(&w->targets[i].wake);
    }
    cs_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->n_targets; i++) {
        cs_thread_join(&w->targets[i].thread);
    }
}

void cs_webhooks_free(cs_webhooks *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i < w->n_targets; i++) {
        cs_webhook__target *t = &w->targets[i];
        while (t->first != NULL) {
            forget_notice(w, t->first);
        }
        free_text(t->lease_by);
        cs_map_destroy(&t->latest);
        cs_cond_destroy(&t->wake);
    }
    forget_seen(w, INT64_MAX);
    cs_map_destroy(&w->notices);
    cs_map_destroy(&w->seen);
    cs_buf_destroy(&w->bytes);
    cs_dirty_destroy(&w->rows);
    cs_whole_destroy(&w->row);
    cs_mutex_destroy(&w->lock);
    cs_free(w->targets);
    cs_free(w->replica);
    cs_free(w->source);
    cs_free(w);
}
