/* What people and alerts have said of a tenant, as rows of the fold of io.countersign.budget.*: the tenant's name → the
 * changes of its limits, the alerts that were given, the instants at which it was not clean, the last bill. */
#include "countersign/base/mem.h"
#include "spend/internal.h"

void cs_spend__account_touch(cs_spend__account *account)
{
    cs_dirty_mark(account->rows + 1, account);
}

/* What is in the log, by its time; what is due and not in it, without one. */
static void put_alerts(const cs_spend__account *account, cs_buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < account->alerts.n; i++) {
        n += (size_t)(account->alerts.v[i].at_ns != INT64_MIN) + account->alerts.v[i].due;
    }
    cs_bytes_put_var(b, n);
    for (size_t i = 0; i < account->alerts.n; i++) {
        const cs_spend__alert *alert = &account->alerts.v[i];
        if (alert->at_ns != INT64_MIN) {
            cs_bytes_put_text(b, alert->key);
            cs_bytes_put_u64(b, (uint64_t)alert->at_ns);
        }
        if (alert->due) {
            cs_bytes_put_text(b, alert->key);
            cs_bytes_put_u64(b, (uint64_t)INT64_MIN);
        }
    }
}

static void put_account(void *self, void *row, cs_snapshot *out)
{
    cs_spend *s = self;
    const cs_spend__account *account = row;
    cs_spend__shard *shard = s->save.unlocked ? cs_spend__shard_of(s, account->name) : NULL;
    if (shard != NULL) {
        cs_mutex_lock(&shard->lock);
    }
    cs_buf *b = &s->save.row;
    cs_buf_clear(b);
    cs_bytes_put_var(b, account->changes.n);
    for (size_t i = 0; i < account->changes.n; i++) {
        const cs_spend__budget_change *c = &account->changes.v[i];
        cs_bytes_put_text(b, c->id);
        cs_bytes_put_text(b, c->budget);
        cs_bytes_put_text(b, c->reason);
        cs_bytes_put_text(b, c->author);
        cs_buf_put(b, c->currency, 3);
        cs_bytes_put_signed(b, c->limit);
        cs_bytes_put_u64(b, (uint64_t)c->at_ns);
        cs_bytes_put_u64(b, (uint64_t)c->expires_ns);
        cs_bytes_put_u8(b, c->reset);
    }
    put_alerts(account, b);
    cs_bytes_put_var(b, account->blemishes.n);
    for (size_t i = 0; i < account->blemishes.n; i++) {
        cs_bytes_put_u64(b, (uint64_t)account->blemishes.v[i]);
    }
    const cs_spend__reconciliation *r = account->reconciled;
    cs_bytes_put_u8(b, r != NULL);
    if (r != NULL) {
        cs_bytes_put_text(b, r->source);
        cs_buf_put(b, r->currency, 3);
        cs_bytes_put_u64(b, (uint64_t)r->from_ns);
        cs_bytes_put_u64(b, (uint64_t)r->to_ns);
        cs_bytes_put_u64(b, (uint64_t)r->at_ns);
        cs_bytes_put_signed(b, r->captured);
        cs_bytes_put_signed(b, r->billed);
        cs_bytes_put_u8(b, r->within);
    }
    cs_snapshot_put(out, account->name, cs_buf_view(b));
    if (shard != NULL) {
        cs_mutex_unlock(&shard->lock);
    }
}

static cs_slice put_text(char **at, cs_slice text)
{
    memcpy(*at, text.p, text.n);
    *at += text.n;
    return cs_slice_make(*at - text.n, text.n);
}

static void restore_change(cs_spend__account *account, cs_bytes *in)
{
    cs_slice id = cs_bytes_text(in);
    cs_slice budget = cs_bytes_text(in);
    cs_slice reason = cs_bytes_text(in);
    cs_slice author = cs_bytes_text(in);
    cs_slice currency = cs_bytes_take(in, 3);
    cs_spend__budget_change c = {.limit = cs_bytes_signed(in)};
    c.at_ns = (int64_t)cs_bytes_u64(in);
    c.expires_ns = (int64_t)cs_bytes_u64(in);
    c.reset = cs_bytes_u8(in) != 0;
    if (in->bad) {
        return;
    }
    char *at = cs_alloc(id.n + budget.n + reason.n + author.n + 1);
    c.id = put_text(&at, id); /* one block that begins there */
    c.budget = put_text(&at, budget);
    c.reason = put_text(&at, reason);
    c.author = put_text(&at, author);
    memcpy(c.currency, currency.p, 3);
    CS_VEC_PUSH(&account->changes, c);
}

static void restore_alert(cs_spend__account *account, cs_bytes *in)
{
    cs_slice key = cs_bytes_text(in);
    int64_t at_ns = (int64_t)cs_bytes_u64(in);
    if (in->bad) {
        return;
    }
    cs_spend__alert *alert = cs_spend__alert_of(account, key);
    alert->due = alert->due || at_ns == INT64_MIN;
    alert->at_ns = at_ns > alert->at_ns ? at_ns : alert->at_ns;
}

static void restore_reconciliation(cs_spend__account *account, cs_bytes *in)
{
    cs_slice source = cs_bytes_text(in);
    cs_slice currency = cs_bytes_take(in, 3);
    cs_spend__reconciliation r = {.from_ns = (int64_t)cs_bytes_u64(in)};
    r.to_ns = (int64_t)cs_bytes_u64(in);
    r.at_ns = (int64_t)cs_bytes_u64(in);
    r.captured = cs_bytes_signed(in);
    r.billed = cs_bytes_signed(in);
    r.within = cs_bytes_u8(in) != 0;
    if (!in->bad) {
        memcpy(r.currency, currency.p, 3);
        cs_spend__reconciliation_keep(account, &r, source);
    }
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_spend *s = self;
    cs_bytes in = cs_bytes_of(value);
    cs_spend__shard *shard = cs_spend__shard_of(s, key);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_make(s, shard, key);
    for (uint64_t n = cs_bytes_var(&in); n > 0 && !in.bad; n--) {
        restore_change(account, &in);
    }
    for (uint64_t n = cs_bytes_var(&in); n > 0 && !in.bad; n--) {
        restore_alert(account, &in);
    }
    for (uint64_t n = cs_bytes_var(&in); n > 0 && !in.bad; n--) {
        int64_t at_ns = (int64_t)cs_bytes_u64(&in);
        CS_VEC_PUSH(&account->blemishes, at_ns);
    }
    if (cs_bytes_u8(&in) != 0) {
        restore_reconciliation(account, &in);
    }
    bool due = false; /* something was on its way to the log, and may not have come there */
    for (size_t i = 0; i < account->alerts.n; i++) {
        due = due || account->alerts.v[i].due;
    }
    cs_spend__standing_forget(account);
    cs_mutex_unlock(&shard->lock);
    if (due) {
        cs_spend__alerts_later(s, account);
    }
    return cs_bytes_whole(&in) ? CS_OK : cs_fail(e, CS_ERR_INVALID, "the snapshot's row of a tenant is wrong");
}

static void cut(void *self, cs_snapshot *out)
{
    cs_spend *s = self;
    cs_dirty_cut(&s->rows[1], out);
}

static bool save(void *self, int64_t until_mono)
{
    cs_spend *s = self;
    s->save.unlocked = true;
    bool all = cs_dirty_save(&s->rows[1], until_mono);
    s->save.unlocked = false;
    return all;
}

static void saved(void *self, bool ok)
{
    cs_spend *s = self;
    cs_dirty_saved(&s->rows[1], ok);
}

void cs_spend__save_account_init(cs_spend *s)
{
    cs_dirty_init(&s->rows[1], cs_journal_keeps_snapshots(s->journal), put_account, s,
                  offsetof(cs_spend__account, dirty));
}

void cs_spend__save_account_hooks(cs_fold *fold)
{
    fold->name = "budgets";
    fold->format = 1;
    fold->cut = cut;
    fold->save = save;
    fold->saved = saved;
    fold->restore = restore;
}
