/* Said once for each window: that a budget is used to 80 %, to 100 %, to whatever its alert_ratios name. What was said
 * is in the log, so a restart does not say it again; of several replicas each may say it, under one id, and the first
 * one in the log counts. What is still on its way to the log is lost if the process ends: a snapshot notes that it was
 * due, and whatever was posted in the past is looked at again once there is something new. */
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/number.h"
#include "spend/internal.h"

#define ALERT "io.countersign.budget.alert.v1"

/* ---- what was said */

/* An alert names a budget, the value of it where it counts values apart, and the ratio. */
static cs_slice key_of(const cs_spend__budget *budget, cs_slice value, double ratio, cs_buf *out)
{
    cs_buf_clear(out);
    cs_buf_printf(out, "%.*s/%s/%.*s/%g", CS_FMT(budget->id), budget->currency, CS_FMT(value), ratio);
    return cs_buf_view(out);
}

static cs_spend__alert *find(cs_spend__account *account, cs_slice key)
{
    for (size_t i = 0; i < account->alerts.n; i++) {
        if (cs_slice_eq(account->alerts.v[i].key, key)) {
            return &account->alerts.v[i];
        }
    }
    return NULL;
}

cs_spend__alert *cs_spend__alert_of(cs_spend__account *account, cs_slice key)
{
    cs_spend__alert *old = find(account, key);
    if (old != NULL) {
        return old;
    }
    char *copy = cs_alloc(key.n);
    memcpy(copy, key.p, key.n);
    cs_spend__alert alert = {.key = cs_slice_make(copy, key.n), .at_ns = INT64_MIN, .said_ns = INT64_MIN};
    CS_VEC_PUSH(&account->alerts, alert);
    return &account->alerts.v[account->alerts.n - 1];
}

/* ---- saying it */

typedef struct looking {
    cs_spend *spend;
    int64_t now_ns;
    cs_buf key;
    cs_journal_batch *batch; /* made with the first */
} looking;

/* It did not get into the log: it is due again. */
static void unsay(cs_spend *s, const cs_event *event)
{
    cs_slice tenant, key;
    if (!cs_event_text(event->data, "tenant", &tenant) || !cs_event_text(event->data, "key", &key)) {
        return;
    }
    cs_spend__shard *shard = cs_spend__shard_of(s, tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_make(s, shard, tenant);
    cs_spend__account_touch(account);
    cs_spend__alert *alert = cs_spend__alert_of(account, key);
    alert->said_ns = INT64_MIN;
    alert->due = true;
    cs_mutex_unlock(&shard->lock);
    cs_spend__alerts_later(s, account);
}

static void appended(void *self, cs_journal_batch *batch, const cs_error *error)
{
    for (size_t i = 0; error != NULL && i < batch->n; i++) {
        unsay(self, &batch->events[i]);
    }
    if (error != NULL) {
        cs_log(CS_LOG_WARN, "A budget alert could not be recorded.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(error->text))});
    }
    cs_journal_batch_free(batch);
}

static void say(looking *l, const cs_spend__account *account, const cs_spend__total *total, cs_slice value,
                double ratio, int64_t limit)
{
    if (l->batch == NULL) {
        l->batch = cs_journal_batch_new(appended, l->spend);
    }
    cs_arena *a = &l->batch->arena;
    cs_slice key = {cs_arena_dup(a, l->key.p, l->key.n), l->key.n};
    const cs_spend__budget *b = total->budget;
    cs_value data = cs_object_new(a, 12);
    cs_object_put_text(a, data, "tenant", cs_string_copy(a, account->name));
    cs_object_put_text(a, data, "budget", cs_string_copy(a, b->id));
    cs_object_put_text(a, data, "currency", cs_string_copy(a, cs_slice_make(b->currency, 3)));
    cs_object_put_text(a, data, "ratio", cs_number_from_double(a, ratio));
    cs_object_put_text(a, data, "mode", cs_string_copy(a, b->mode));
    cs_object_put_text(a, data, "limit", cs_spend__money(a, limit));
    cs_object_put_text(a, data, "posted", cs_spend__money(a, total->sum.posted));
    cs_object_put_text(a, data, "window_start", cs_int(total->from * CS_SPEND__SLOT_NS));
    cs_object_put_text(a, data, "window_end", cs_int(total->to * CS_SPEND__SLOT_NS));
    cs_object_put_text(a, data, "key", cs_string(key));
    if (b->per.n > 0) {
        cs_object_put_text(a, data, "per", cs_string_copy(a, b->per));
        cs_object_put_text(a, data, "value", cs_string_copy(a, value));
    }
    cs_value id = cs_string_printf(a, "%.*s/%.*s/%lld", CS_FMT(account->name), CS_FMT(key),
                                   (long long)(total->from * CS_SPEND__SLOT_S));
    cs_event_head head = {.type = ALERT,
                          .source = CS_LIT("/countersign/alerts"),
                          .id = cs_text(id),
                          .tenant = account->name,
                          .time_ns = l->now_ns};
    cs_event event = cs_event_compose(a, &head, data);
    cs_journal_batch_add(l->batch, &event);
}

/* The amount that a ratio of a limit comes to; never nothing, so that an unused budget of nothing is quiet. */
static int64_t threshold(int64_t limit, double ratio)
{
    double exact = (double)limit * ratio;
    if (exact >= 9.2e18) {
        return INT64_MAX;
    }
    int64_t at = (int64_t)exact;
    return at > 0 ? at : 1;
}

static cs_slice value_of(const cs_spend__total *total, const cs_spend__part *part)
{
    for (size_t i = 0; part != NULL && i < part->pairs.n; i++) {
        if (cs_slice_eq(part->pairs.v[i].name, total->budget->per)) {
            return part->pairs.v[i].value;
        }
    }
    return CS_LIT("");
}

static void look(void *self, cs_spend__account *account, cs_spend__part *part, cs_spend__total *total)
{
    looking *l = self;
    const cs_spend__budget *b = total->budget;
    if (b->n_ratios == 0 ||
        (total->valid && total->at == cs_spend__slot(l->now_ns) && total->sum.posted < total->alert_at)) {
        return;
    }
    cs_spend__total_refresh(account, total, l->now_ns);
    cs_spend__standing standing = cs_spend__standing_at(account, l->now_ns);
    int64_t limit = cs_spend__limit_at(account, &standing, b, l->now_ns);
    cs_slice value = value_of(total, part);
    total->alert_at = INT64_MAX;
    for (size_t i = 0; i < b->n_ratios; i++) {
        int64_t at = threshold(limit, b->ratios[i]);
        if (total->sum.posted < at) {
            total->alert_at = at;
            break;
        }
        cs_slice key = key_of(b, value, b->ratios[i], &l->key);
        cs_spend__alert *alert = cs_spend__alert_of(account, key);
        int64_t from_ns = total->from * CS_SPEND__SLOT_NS;
        if (alert->at_ns < from_ns && alert->said_ns < from_ns) {
            cs_spend__account_touch(account);
            alert->said_ns = l->now_ns;
            alert->due = true;
            say(l, account, total, value, b->ratios[i], limit);
        }
    }
    const cs_spend__budget_change *change = cs_spend__change_in_force(account, b, l->now_ns);
    if (change != NULL && cs_spend__slot(change->expires_ns) == total->at) {
        total->alert_at = INT64_MIN; /* the limit is another one before the quarter of an hour is over */
    }
}

/* Every total of the account that alerts are about. */
static void look_at_all(looking *l, cs_spend__account *account)
{
    for (size_t i = 0; account->tenant != NULL && i < account->tenant->n_budgets; i++) {
        if (account->tenant->budgets[i].per.n == 0) {
            look(l, account, NULL, &account->totals[i]);
        }
    }
    const cs_spend__set *set = cs_spend__counted_set(account);
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while (set->has_parts && (entry = cs_map_next(&set->parts, &cursor)) != NULL) {
        cs_spend__part *part = entry->value;
        for (size_t i = 0; i < part->n_totals; i++) {
            look(l, account, part, &part->totals[i]);
        }
    }
}

static void send(looking *l)
{
    cs_buf_destroy(&l->key);
    cs_error e;
    if (l->batch != NULL && cs_journal_append(l->spend->journal, l->batch, &e) != CS_OK) {
        appended(l->spend, l->batch, &e);
    }
}

void cs_spend__alerts_check(cs_spend *s, cs_spend__account *account, cs_slice currency, const cs_spend__pairs *scope,
                            int64_t now_ns)
{
    looking l = {.spend = s, .now_ns = now_ns};
    cs_buf_init(&l.key);
    cs_spend__shard *shard = cs_spend__shard_of(s, account->name);
    cs_mutex_lock(&shard->lock);
    cs_spend__account_totals(account, currency, scope, look, &l);
    cs_mutex_unlock(&shard->lock);
    send(&l);
}

void cs_spend__alerts_later(cs_spend *s, cs_spend__account *account)
{
    if (!account->alert_later) {
        account->alert_later = true;
        CS_VEC_PUSH(&s->alerts_later, account);
    }
}

void cs_spend__alerts_catch_up(cs_spend *s, int64_t now_ns)
{
    enum { AT_ONCE = 8 };
    for (size_t n = 0; n < AT_ONCE && s->alerts_later.n > 0; n++) {
        cs_spend__account *account = s->alerts_later.v[--s->alerts_later.n];
        account->alert_later = false;
        looking l = {.spend = s, .now_ns = now_ns};
        cs_buf_init(&l.key);
        cs_spend__shard *shard = cs_spend__shard_of(s, account->name);
        cs_mutex_lock(&shard->lock);
        cs_spend__alerts_look_again(account);
        look_at_all(&l, account);
        cs_mutex_unlock(&shard->lock);
        send(&l);
    }
}

void cs_spend__alerts_look_again(cs_spend__account *account)
{
    for (size_t i = 0; account->tenant != NULL && i < account->tenant->n_budgets; i++) {
        account->totals[i].alert_at = INT64_MIN;
    }
    const cs_spend__set *set = cs_spend__counted_set(account);
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while (set->has_parts && (entry = cs_map_next(&set->parts, &cursor)) != NULL) {
        const cs_spend__part *part = entry->value;
        for (size_t i = 0; i < part->n_totals; i++) {
            part->totals[i].alert_at = INT64_MIN;
        }
    }
}

/* ---- the fold */

cs_event_outcome cs_spend__alert_fold(cs_spend *s, const cs_event *event)
{
    cs_slice tenant, key, mode;
    const cs_value *ratio = cs_object_get_text(event->data, "ratio");
    if (!cs_event_text(event->data, "tenant", &tenant) || !cs_event_text(event->data, "key", &key) || ratio == NULL ||
        !cs_is(*ratio, CS_NUMBER)) {
        return CS_EVENT_UNSEEN;
    }
    int64_t from_ns = INT64_MAX; /* without it, what is not newer was there before */
    const cs_value *start = cs_object_get_text(event->data, "window_start");
    if (start != NULL && cs_is(*start, CS_NUMBER)) {
        (void)cs_number_is_int(*start, &from_ns);
    }
    double used = cs_number_double(*ratio);
    bool enforced = !cs_event_text(event->data, "mode", &mode) || cs_slice_is(mode, "enforce");
    cs_spend__shard *shard = cs_spend__shard_of(s, tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_make(s, shard, tenant);
    cs_spend__account_touch(account);
    cs_spend__alert *alert = cs_spend__alert_of(account, key);
    bool again = alert->at_ns >= (from_ns < event->time_ns ? from_ns : event->time_ns);
    alert->at_ns = event->time_ns > alert->at_ns ? event->time_ns : alert->at_ns;
    alert->said_ns = INT64_MIN;
    alert->due = false;
    if (used >= 1.0 && enforced && !again) {
        cs_spend__blemish_add(account, event->time_ns);
    }
    cs_mutex_unlock(&shard->lock);
    if (!event->past && !again) {
        cs_slice label = used >= 1.0 ? CS_LIT("exceeded") : CS_LIT("approaching");
        if (s->metrics != NULL) {
            cs_series_add(cs_metrics_series(s->metrics, CS_METRIC_BUDGET_ALERTS, &label), CS_METRICS_ANY, 1);
        }
        cs_log(CS_LOG_WARN, used >= 1.0 ? "A budget is used up." : "A budget is nearly used up.", 3,
               (cs_log_field[]){CS_LOG_S("tenant", tenant), CS_LOG_S("budget", key),
                                CS_LOG_I("percent", (int64_t)(used * 100 + 0.5))});
    }
    return again ? CS_EVENT_DUPLICATE : CS_EVENT_APPLIED;
}
