/* Webhooks in snapshots: a row for each notice, by its number, so that they come back in their order; and one for what
 * was seen and who sends. */
#include "countersign/base/bytes.h"
#include "countersign/base/mem.h"
#include "webhook.h"

enum { LEASE = 'l', SEEN = 's' };

size_t cs_webhook__row_key(uint64_t number, char out[17])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 16; i-- > 0; number >>= 4) {
        out[i] = digits[number & 15U];
    }
    out[16] = '\0';
    return 16;
}

static void put_notice(void *self, void *row, cs_snapshot *out)
{
    cs_webhooks *w = self;
    const cs_webhook__notice *n = row;
    char key[17];
    cs_buf b;
    (void)w;
    cs_buf_init(&b);
    cs_bytes_put_text(&b, n->target->c->name);
    cs_bytes_put_text(&b, n->id);
    cs_bytes_put_text(&b, n->approval);
    cs_bytes_put_text(&b, n->key);
    cs_bytes_put_text(&b, n->event);
    cs_bytes_put_text(&b, n->body);
    cs_bytes_put_signed(&b, n->made_ns);
    cs_snapshot_put(out, cs_slice_make(key, cs_webhook__row_key(n->number, key)), cs_buf_view(&b));
    cs_buf_destroy(&b);
}

static void cut(void *self, cs_snapshot *out)
{
    cs_webhooks *w = self;
    cs_mutex_lock(&w->lock);
    cs_dirty_cut(&w->rows, out);
    cs_mutex_unlock(&w->lock);
}

static bool save(void *self, int64_t until_mono)
{
    cs_webhooks *w = self;
    cs_mutex_lock(&w->lock);
    bool done = cs_dirty_save(&w->rows, until_mono);
    cs_mutex_unlock(&w->lock);
    return done;
}

static void saved(void *self, bool ok)
{
    cs_webhooks *w = self;
    cs_mutex_lock(&w->lock);
    cs_dirty_saved(&w->rows, ok);
    cs_mutex_unlock(&w->lock);
}

static bool read_number(cs_slice key, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit > 15) {
            return false;
        }
        *out = *out << 4 | digit;
    }
    return key.n == 16;
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_webhooks *w = self;
    cs_bytes in = cs_bytes_of(value);
    cs_webhook__notice like = {.tries = 0};
    cs_slice webhook = cs_bytes_text(&in);
    like.id = cs_bytes_text(&in);
    like.approval = cs_bytes_text(&in);
    like.key = cs_bytes_text(&in);
    like.event = cs_bytes_text(&in);
    like.body = cs_bytes_text(&in);
    like.made_ns = cs_bytes_signed(&in);
    if (!cs_bytes_whole(&in) || !read_number(key, &like.number) || like.id.n != CS_WEBHOOK__ID) {
        return cs_fail(e, CS_ERR_INVALID, "a row of the snapshot's webhooks is wrong");
    }
    cs_mutex_lock(&w->lock);
    cs_webhook__target *t = cs_webhook__target_of(w, webhook);
    w->numbers = like.number > w->numbers ? like.number : w->numbers;
    cs_webhook__notice *n = t != NULL ? cs_webhook__add(t, &like) : NULL;
    if (n == NULL) { /* the configuration does not have the webhook any more: nor has the next snapshot its rows */
        cs_webhook__notice none = {.number = like.number};
        cs_dirty_gone(&w->rows, &none, key);
    }
    cs_mutex_unlock(&w->lock);
    return CS_OK;
}

/* ---- the one row */

static void write_row(void *self, cs_buf *out)
{
    cs_webhooks *w = self;
    cs_mutex_lock(&w->lock);
    for (size_t i = 0; w->row.changed && i < w->n_targets; i++) {
        const cs_webhook__target *t = &w->targets[i];
        cs_bytes_put_u8(out, LEASE);
        cs_bytes_put_text(out, t->c->name);
        cs_bytes_put_text(out, t->lease_by);
        cs_bytes_put_signed(out, t->lease_until_ns);
    }
    for (const cs_webhook__seen *s = w->oldest; w->row.changed && s != NULL; s = s->next) {
        cs_bytes_put_u8(out, SEEN);
        cs_bytes_put_text(out, s->key);
        cs_bytes_put_text(out, CS_LIT(""));
        cs_bytes_put_signed(out, s->at_ns);
    }
    w->row.changed = false;
    cs_mutex_unlock(&w->lock);
}

static void cut_row(void *self, cs_snapshot *out)
{
    cs_whole_cut(&((cs_webhooks *)self)->row, out);
}

static bool save_row(void *self, int64_t until_mono)
{
    (void)until_mono;
    return cs_whole_save(&((cs_webhooks *)self)->row);
}

static void saved_row(void *self, bool ok)
{
    cs_webhooks *w = self;
    cs_mutex_lock(&w->lock);
    w->row.changed = cs_whole_saved(&w->row, ok) || w->row.changed;
    cs_mutex_unlock(&w->lock);
}

static cs_err restore_row(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_webhooks *w = self;
    cs_bytes in = cs_bytes_of(value);
    (void)key;
    cs_mutex_lock(&w->lock);
    while (!in.bad && cs_bytes_left(&in) > 0) {
        uint8_t what = cs_bytes_u8(&in);
        cs_slice name = cs_bytes_text(&in), by = cs_bytes_text(&in);
        int64_t at_ns = cs_bytes_signed(&in);
        cs_webhook__target *t = what == LEASE && !in.bad ? cs_webhook__target_of(w, name) : NULL;
        if (t != NULL) {
            cs_webhook__lease(t, by, at_ns);
        } else if (what == SEEN && !in.bad) {
            cs_webhook__see(w, name, at_ns);
        }
        in.bad = in.bad || (what != LEASE && what != SEEN);
    }
    cs_mutex_unlock(&w->lock);
    return in.bad ? cs_fail(e, CS_ERR_INVALID, "the row of the snapshot's webhooks is wrong") : CS_OK;
}

void cs_webhook__save_hooks(cs_webhooks *w, cs_fold *notices, cs_fold *others)
{
    cs_dirty_init(&w->rows, cs_journal_keeps_snapshots(w->journal), put_notice, w, offsetof(cs_webhook__notice, dirty));
    cs_whole_init(&w->row, write_row, w);
    notices->name = "webhooks";
    notices->format = 1;
    notices->cut = cut;
    notices->save = save;
    notices->saved = saved;
    notices->restore = restore;
    others->name = "webhooks.seen";
    others->format = 1;
    others->cut = cut_row;
    others->save = save_row;
    others->saved = saved_row;
    others->restore = restore_row;
}
