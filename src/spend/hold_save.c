/* Holds in snapshots: a row for each that the log has, by its id, or, of what was settled before it came, by its
 * request. */
#include <stdlib.h>

#include "countersign/base/bytes.h"
#include "countersign/base/mem.h"
#include "spend/internal.h"

enum { ROW_ID = 1, ROW_REQUEST };
enum { FLAG_EARLY = 1, FLAG_CHARGE = 2 };

static cs_slice key_of(cs_spend__holds *t, const cs_spend__hold *hold)
{
    cs_buf *b = &t->row_key;
    cs_buf_clear(b);
    cs_bytes_put_u8(b, hold->id.n > 0 ? ROW_ID : ROW_REQUEST);
    if (hold->id.n > 0) {
        cs_buf_slice(b, hold->id);
    } else {
        cs_bytes_put_text(b, hold->account->name);
        cs_buf_put(b, hold->currency, 3);
        cs_buf_slice(b, hold->request_id);
    }
    return cs_buf_view(b);
}

void cs_spend__hold_touch(cs_spend__holds *t, cs_spend__hold *hold)
{
    cs_dirty_mark(&t->rows, hold);
    hold->row = true;
}

void cs_spend__hold_gone(cs_spend__holds *t, cs_spend__hold *hold)
{
    if (hold->row) {
        cs_dirty_gone(&t->rows, hold, key_of(t, hold));
        hold->row = false;
    }
}

static void put_hold(void *self, void *row, cs_snapshot *out)
{
    cs_spend *s = self;
    const cs_spend__hold *hold = row;
    cs_buf *b = &s->holds->row;
    cs_buf_clear(b);
    cs_bytes_put_u8(b, (uint8_t)((hold->early ? FLAG_EARLY : 0) | (hold->charge ? FLAG_CHARGE : 0)));
    cs_bytes_put_u8(b, (uint8_t)hold->state);
    cs_bytes_put_text(b, hold->account->name);
    cs_bytes_put_text(b, hold->request_id);
    cs_bytes_put_text(b, hold->document_id);
    cs_bytes_put_signed(b, hold->estimate);
    cs_buf_put(b, hold->currency, 3);
    cs_bytes_put_signed(b, hold->amount);
    cs_bytes_put_signed(b, hold->posted);
    cs_bytes_put_u64(b, (uint64_t)hold->placed_ns);
    cs_bytes_put_u64(b, (uint64_t)hold->expires_ns);
    cs_bytes_put_u64(b, (uint64_t)hold->resolved_ns);
    cs_bytes_put_var(b, hold->n_scope);
    for (uint32_t i = 0; i < hold->n_scope; i++) {
        cs_bytes_put_text(b, hold->scope[i].name);
        cs_bytes_put_text(b, hold->scope[i].value);
    }
    cs_snapshot_put(out, key_of(s->holds, hold), cs_buf_view(b));
}

static void cut(void *self, cs_snapshot *out)
{
    cs_dirty_cut(&((cs_spend *)self)->holds->rows, out);
}

static bool save(void *self, int64_t until_mono)
{
    return cs_dirty_save(&((cs_spend *)self)->holds->rows, until_mono);
}

static void saved(void *self, bool ok)
{
    cs_dirty_saved(&((cs_spend *)self)->holds->rows, ok);
}

/* ---- back */

static bool read_row(cs_slice key, cs_bytes *in, cs_hold *out, uint8_t *flags, cs_spend__pairs *scope)
{
    *out = (cs_hold){.scope = cs_undefined()};
    *flags = cs_bytes_u8(in);
    uint8_t state = cs_bytes_u8(in);
    out->tenant = cs_bytes_text(in);
    out->request_id = cs_bytes_text(in);
    out->document_id = cs_bytes_text(in);
    out->estimate_nanos = cs_bytes_signed(in);
    out->currency = cs_bytes_take(in, 3);
    out->amount_nanos = cs_bytes_signed(in);
    out->posted_nanos = cs_bytes_signed(in);
    out->placed_ns = (int64_t)cs_bytes_u64(in);
    out->expires_ns = (int64_t)cs_bytes_u64(in);
    out->resolved_ns = (int64_t)cs_bytes_u64(in);
    out->charge = (*flags & FLAG_CHARGE) != 0;
    uint64_t n = cs_bytes_var(in);
    scope->n = 0;
    for (; n > 0 && n <= CS_SPEND__PAIRS && !in->bad; n--) {
        scope->v[scope->n].name = cs_bytes_text(in);
        scope->v[scope->n++].value = cs_bytes_text(in);
    }
    out->id = key.p[0] == ROW_ID ? cs_slice_sub(key, 1, key.n) : CS_LIT("");
    out->state = (cs_hold_state)state;
    return cs_bytes_whole(in) && n == 0 && state < CS_HOLD_STATES && out->tenant.n > 0 &&
           out->expires_ns >= out->placed_ns && (out->id.n > 0 || out->request_id.n > 0);
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_spend *s = self;
    cs_bytes in = cs_bytes_of(value);
    cs_hold from;
    cs_spend__pairs scope;
    uint8_t flags = 0;
    if (key.n < 2 || !read_row(key, &in, &from, &flags, &scope)) {
        return cs_fail(e, CS_ERR_INVALID, "a row of the snapshot's holds is wrong");
    }
    cs_spend__shard *shard = cs_spend__shard_of(s, from.tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_make(s, shard, from.tenant);
    cs_mutex_unlock(&shard->lock);
    cs_spend__hold *hold = cs_spend__hold_make(account, &from, &scope);
    int64_t life = from.expires_ns - from.placed_ns;
    int64_t left = from.expires_ns - s->now_ns(s->now_self);
    hold->deadline = s->mono_ns(s->now_self) + (left > life ? life : left);
    hold->early = (flags & FLAG_EARLY) != 0;
    hold->committed = hold->row = true;
    hold->state = from.state;
    hold->posted = from.posted_nanos;
    hold->resolved_ns = from.resolved_ns;
    cs_mutex_lock(&s->holds->lock);
    cs_spend__hold_enter(s->holds, hold);
    if (hold->state == CS_HOLD_PENDING) {
        cs_spend__hold_pin(s, hold);
    }
    cs_mutex_unlock(&s->holds->lock);
    return CS_OK;
}

static int by_age(const void *x, const void *y)
{
    int64_t a = (*(cs_spend__hold *const *)x)->placed_ns;
    int64_t b = (*(cs_spend__hold *const *)y)->placed_ns;
    return (a > b) - (a < b);
}

/* The rows came in the order of their keys; they are forgotten in the order of their age. */
static void sort(cs_spend__hold_list *list)
{
    cs_spend__hold **all = cs_alloc_array(list->n + 1, sizeof(cs_spend__hold *));
    size_t n = 0;
    for (cs_spend__hold *hold = list->first; hold != NULL; hold = hold->next) {
        all[n++] = hold;
    }
    qsort(all, n, sizeof *all, by_age);
    list->first = list->last = NULL;
    for (size_t i = 0; i < n; i++) {
        all[i]->prev = i > 0 ? all[i - 1] : NULL;
        all[i]->next = i + 1 < n ? all[i + 1] : NULL;
    }
    list->first = n > 0 ? all[0] : NULL;
    list->last = n > 0 ? all[n - 1] : NULL;
    cs_free(all);
}

static cs_err restored(void *self, cs_error *e)
{
    cs_spend *s = self;
    (void)e;
    cs_mutex_lock(&s->holds->lock);
    sort(&s->holds->list);
    sort(&s->holds->early);
    cs_mutex_unlock(&s->holds->lock);
    return CS_OK;
}

void cs_spend__hold_save_init(cs_spend *s)
{
    cs_dirty_init(&s->holds->rows, cs_journal_keeps_snapshots(s->journal), put_hold, s,
                  offsetof(cs_spend__hold, dirty));
    cs_buf_init(&s->holds->row_key);
    cs_buf_init(&s->holds->row);
}

void cs_spend__hold_save_destroy(cs_spend *s)
{
    cs_dirty_destroy(&s->holds->rows);
    cs_buf_destroy(&s->holds->row_key);
    cs_buf_destroy(&s->holds->row);
}

void cs_spend__hold_save_hooks(cs_fold *fold)
{
    fold->name = "holds";
    fold->format = 2;
    fold->cut = cut;
    fold->save = save;
    fold->saved = saved;
    fold->restore = restore;
    fold->restored = restored;
}
