/* Limits changed by people: an event with author and reason, in force until it expires, is taken back, or another one
 * comes. The last one by its own time counts, whatever the order in which they arrive. */
#include "countersign/base/mem.h"
#include "countersign/number.h"
#include "spend/internal.h"

#define CHANGED "io.countersign.budget.changed.v1"
#define RESET "io.countersign.budget.reset.v1"

/* ---- events */

static cs_value data_of(cs_arena *a, const cs_budget_change *c)
{
    cs_value data = cs_object_new(a, 8);
    cs_object_put_text(a, data, "tenant", cs_string(c->tenant));
    cs_object_put_text(a, data, "budget", cs_string(c->budget));
    cs_object_put_text(a, data, "currency", cs_string(c->currency));
    cs_object_put_text(a, data, "author", cs_string(c->author));
    cs_object_put_text(a, data, "reason", cs_string(c->reason));
    if (!c->reset) {
        char text[32];
        size_t n = cs_money_format(c->limit_nanos, text);
        cs_object_put_text(a, data, "limit", cs_string_copy(a, cs_slice_make(text, n)));
    }
    if (!c->reset && c->expires_ns != INT64_MAX) {
        cs_object_put_text(a, data, "expires_at", cs_int(c->expires_ns));
    }
    return data;
}

static bool read_data(cs_value data, cs_budget_change *c)
{
    if (!cs_event_text(data, "tenant", &c->tenant) || !cs_event_text(data, "budget", &c->budget) ||
        !cs_event_text(data, "currency", &c->currency) || c->currency.n != 3) {
        return false;
    }
    if (!cs_event_text(data, "author", &c->author)) {
        c->author = CS_LIT("");
    }
    if (!cs_event_text(data, "reason", &c->reason)) {
        c->reason = CS_LIT("");
    }
    cs_slice limit;
    if (!c->reset && (!cs_event_text(data, "limit", &limit) || cs_money_parse(limit, &c->limit_nanos) != CS_MONEY_OK)) {
        return false;
    }
    const cs_value *expires = cs_object_get_text(data, "expires_at");
    c->expires_ns = INT64_MAX;
    return expires == NULL || (cs_is(*expires, CS_NUMBER) && cs_number_is_int(*expires, &c->expires_ns));
}

/* ---- the fold */

static cs_slice put(char **at, cs_slice text)
{
    memcpy(*at, text.p, text.n);
    cs_slice copy = cs_slice_make(*at, text.n);
    *at += text.n;
    return copy;
}

static cs_spend__budget_change record_of(const cs_event *event, const cs_budget_change *c)
{
    char *at = cs_alloc(event->id.n + c->budget.n + c->reason.n + c->author.n);
    cs_spend__budget_change record = {.id = put(&at, event->id),
                                      .budget = put(&at, c->budget),
                                      .reason = put(&at, c->reason),
                                      .author = put(&at, c->author),
                                      .limit = c->limit_nanos,
                                      .at_ns = event->time_ns,
                                      .expires_ns = c->expires_ns,
                                      .reset = c->reset};
    memcpy(record.currency, c->currency.p, 3);
    return record;
}

static bool is_newer(const cs_event *event, const cs_spend__budget_change *than)
{
    return event->time_ns != than->at_ns ? event->time_ns > than->at_ns : cs_slice_compare(event->id, than->id) > 0;
}

/* Under the lock. */
static cs_event_outcome enter(cs_spend__account *account, const cs_event *event, const cs_budget_change *c)
{
    size_t i = 0;
    while (i < account->changes.n && !(cs_slice_eq(account->changes.v[i].budget, c->budget) &&
                                       memcmp(account->changes.v[i].currency, c->currency.p, 3) == 0)) {
        i++;
    }
    if (i == account->changes.n) {
        CS_VEC_PUSH(&account->changes, record_of(event, c));
        return CS_EVENT_APPLIED;
    }
    cs_spend__budget_change *old = &account->changes.v[i];
    if (cs_slice_eq(old->id, event->id)) {
        return CS_EVENT_DUPLICATE;
    }
    if (is_newer(event, old)) {
        cs_free((char *)(uintptr_t)old->id.p);
        *old = record_of(event, c);
    }
    return CS_EVENT_APPLIED;
}

cs_event_outcome cs_spend__change_fold(cs_spend *s, const cs_event *event)
{
    cs_budget_change c = {.reset = cs_slice_is(event->type, RESET)};
    if (!read_data(event->data, &c)) {
        return CS_EVENT_UNSEEN; /* no producer of ours writes that */
    }
    cs_spend__shard *shard = cs_spend__shard_of(s, c.tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_make(s, shard, c.tenant);
    cs_spend__account_touch(account);
    cs_event_outcome outcome = enter(account, event, &c);
    cs_spend__alerts_look_again(account);
    cs_mutex_unlock(&shard->lock);
    return outcome;
}

/* ---- asking for a change */

/* Is there such a budget, in that currency? */
static cs_err find_budget(cs_spend *s, cs_budget_change *c, char currency[4], cs_error *e)
{
    cs_err err = CS_ERR_NOT_FOUND;
    cs_spend__shard *shard = cs_spend__shard_of(s, c->tenant);
    cs_mutex_lock(&shard->lock);
    const cs_spend__account *account = cs_spend__account_find(shard, c->tenant);
    const cs_spend__tenant *t = account != NULL ? account->tenant : NULL;
    for (size_t i = 0; t != NULL && i < t->n_budgets && err != CS_OK; i++) {
        if (cs_slice_eq(t->budgets[i].id, c->budget) &&
            (c->currency.n == 0 || cs_slice_eq(c->currency, cs_slice_of(t->budgets[i].currency)))) {
            memcpy(currency, t->budgets[i].currency, 4);
            err = CS_OK;
        }
    }
    cs_mutex_unlock(&shard->lock);
    if (err != CS_OK) {
        return cs_fail(e, err, "tenant %.*s has no budget %.*s%s%.*s", CS_FMT(c->tenant), CS_FMT(c->budget),
                       c->currency.n > 0 ? " in " : "", CS_FMT(c->currency));
    }
    c->currency = cs_slice_of(currency);
    return CS_OK;
}

cs_err cs_spend_change_budget(cs_spend *s, const cs_budget_change *change, cs_journal_told *done, void *self,
                              cs_error *e)
{
    cs_budget_change c = *change;
    char currency[4];
    CS_TRY(find_budget(s, &c, currency, e));
    cs_journal_batch *batch = cs_journal_batch_telling(done, self);
    cs_event_head head = {.type = c.reset ? RESET : CHANGED,
                          .source = CS_LIT("/countersign/budgets"),
                          .id = c.request_id,
                          .tenant = c.tenant,
                          .correlation = c.request_id,
                          .time_ns = s->now_ns(s->now_self)};
    cs_event event = cs_event_compose(&batch->arena, &head, data_of(&batch->arena, &c));
    cs_journal_batch_add(batch, &event);
    cs_err err = cs_journal_append(s->journal, batch, e);
    if (err != CS_OK) {
        cs_journal_batch_free(batch);
    }
    return err;
}

/* ---- the document */

static cs_value change_value(cs_arena *a, const cs_spend__account *account, const cs_spend__budget *budget,
                             int64_t now_ns)
{
    const cs_spend__budget_change *c = cs_spend__change_in_force(account, budget, now_ns);
    if (c == NULL) {
        return cs_null();
    }
    cs_value v = cs_object_new(a, 5);
    cs_object_put_text(a, v, "id", cs_string_copy(a, c->id));
    cs_object_put_text(a, v, "author", cs_string_copy(a, c->author));
    cs_object_put_text(a, v, "reason", cs_string_copy(a, c->reason));
    cs_object_put_text(a, v, "at", cs_spend__instant(a, c->at_ns));
    cs_object_put_text(a, v, "expires_at", cs_spend__instant(a, c->expires_ns));
    return v;
}

cs_value cs_spend_budgets_document(cs_spend *s, cs_slice tenant, cs_arena *a)
{
    int64_t now = s->now_ns(s->now_self);
    cs_value v = cs_undefined();
    cs_spend__shard *shard = cs_spend__shard_of(s, tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_find(shard, tenant);
    const cs_spend__tenant *t = account != NULL ? account->tenant : NULL;
    if (t != NULL) {
        cs_spend__standing standing = cs_spend__standing_at(account, now);
        cs_value budgets = cs_object_new(a, (uint32_t)t->n_budgets);
        for (size_t i = 0; i < t->n_budgets; i++) {
            const cs_spend__budget *b = &t->budgets[i];
            cs_value row = cs_object_new(a, 5);
            cs_object_put_text(a, row, "window", cs_string_copy(a, b->window_text));
            cs_object_put_text(a, row, "currency", cs_string_copy(a, cs_slice_make(b->currency, 3)));
            cs_object_put_text(a, row, "limit", cs_spend__money(a, cs_spend__limit_at(account, &standing, b, now)));
            cs_object_put_text(a, row, "configured_limit", cs_spend__money(a, cs_spend__limit_unchanged(&standing, b)));
            cs_object_put_text(a, row, "change", change_value(a, account, b, now));
            cs_object_put(a, budgets, cs_string_copy(a, b->id), row);
        }
        v = cs_object_new(a, 3);
        cs_object_put_text(a, v, "tenant", cs_string_copy(a, t->name));
        cs_object_put_text(a, v, "tier", standing.name.n > 0 ? cs_string_copy(a, standing.name) : cs_null());
        cs_object_put_text(a, v, "budgets", budgets);
    }
    cs_mutex_unlock(&shard->lock);
    return v;
}
