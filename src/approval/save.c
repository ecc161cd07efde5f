/* Approvals in snapshots: a row for each, by its id. */
#include <stdlib.h>

#include "countersign/base/bytes.h"
#include "countersign/base/mem.h"
#include "internal.h"

enum { FLAG_ESCALATED = 1 };

void cs_approval__put_row(void *self, void *row, cs_snapshot *out)
{
    cs_approvals *x = self;
    const cs_approval__item *item = row;
    cs_buf *b = &x->row;
    cs_buf_clear(b);
    cs_bytes_put_text(b, item->tenant->name);
    cs_bytes_put_text(b, item->digest);
    cs_bytes_put_text(b, item->key);
    cs_bytes_put_text(b, item->config);
    cs_bytes_put_text(b, item->request);
    cs_bytes_put_text(b, cs_slice_make(item->acts, item->n_text));
    cs_bytes_put_signed(b, item->requested_ns);
    cs_bytes_put_signed(b, item->approve_by_ns);
    cs_bytes_put_signed(b, item->execute_ns);
    cs_bytes_put_signed(b, item->escalate_ns);
    cs_bytes_put_signed(b, item->approved_ns);
    cs_bytes_put_signed(b, item->ended_ns);
    cs_bytes_put_u8(b, (uint8_t)item->ended);
    cs_bytes_put_u8(b, item->escalated ? FLAG_ESCALATED : 0);
    const uint32_t counts[] = {item->quorum, item->have, item->grants,    item->rejections, item->most_rejections,
                               item->uses,   item->used, item->acts_done, item->ordinal};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        cs_bytes_put_var(b, counts[i]);
    }
    cs_snapshot_put(out, item->id, cs_buf_view(b));
}

static void cut(void *self, cs_snapshot *out)
{
    cs_dirty_cut(&((cs_approvals *)self)->rows, out);
}

static bool save(void *self, int64_t until_mono)
{
    return cs_dirty_save(&((cs_approvals *)self)->rows, until_mono);
}

static void saved(void *self, bool ok)
{
    cs_dirty_saved(&((cs_approvals *)self)->rows, ok);
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_approvals *x = self;
    cs_bytes in = cs_bytes_of(value);
    cs_approval__item like = {.id = key};
    cs_slice tenant = cs_bytes_text(&in);
    like.digest = cs_bytes_text(&in);
    like.key = cs_bytes_text(&in);
    like.config = cs_bytes_text(&in);
    like.request = cs_bytes_text(&in);
    cs_slice acts = cs_bytes_text(&in);
    like.requested_ns = cs_bytes_signed(&in);
    like.approve_by_ns = cs_bytes_signed(&in);
    like.execute_ns = cs_bytes_signed(&in);
    like.escalate_ns = cs_bytes_signed(&in);
    like.approved_ns = cs_bytes_signed(&in);
    like.ended_ns = cs_bytes_signed(&in);
    uint8_t ended = cs_bytes_u8(&in);
    like.ended = (cs_approval_state)ended;
    like.escalated = (cs_bytes_u8(&in) & FLAG_ESCALATED) != 0;
    uint32_t *const counts[] = {&like.quorum, &like.have, &like.grants,    &like.rejections, &like.most_rejections,
                                &like.uses,   &like.used, &like.acts_done, &like.ordinal};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        *counts[i] = (uint32_t)cs_bytes_var(&in);
    }
    if (!cs_bytes_whole(&in) || ended >= CS_APPROVAL_STATES || tenant.n == 0 || key.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "a row of the snapshot's approvals is wrong");
    }
    cs_mutex_lock(&x->lock);
    (void)cs_approval__add(x, &like, tenant, acts);
    cs_mutex_unlock(&x->lock);
    return CS_OK;
}

static int by_age(const void *x, const void *y)
{
    const cs_approval__item *a = *(cs_approval__item *const *)x;
    const cs_approval__item *b = *(cs_approval__item *const *)y;
    if (a->requested_ns != b->requested_ns) {
        return (a->requested_ns > b->requested_ns) - (a->requested_ns < b->requested_ns);
    }
    return cs_slice_compare(a->id, b->id);
}

static int by_end(const void *x, const void *y)
{
    const cs_approval__item *a = *(cs_approval__item *const *)x;
    const cs_approval__item *b = *(cs_approval__item *const *)y;
    return a->ended_ns != b->ended_ns ? (a->ended_ns > b->ended_ns) - (a->ended_ns < b->ended_ns) : by_age(x, y);
}

static void sort(cs_approval__list *list, int (*order)(const void *x, const void *y))
{
    cs_approval__item **all = cs_alloc_array(list->n + 1, sizeof(cs_approval__item *));
    size_t n = 0;
    for (cs_approval__item *item = list->first; item != NULL; item = item->next) {
        all[n++] = item;
    }
    qsort(all, n, sizeof *all, order);
    for (size_t i = 0; i < n; i++) {
        all[i]->prev = i > 0 ? all[i - 1] : NULL;
        all[i]->next = i + 1 < n ? all[i + 1] : NULL;
    }
    list->first = n > 0 ? all[0] : NULL;
    list->last = n > 0 ? all[n - 1] : NULL;
    cs_free(all);
}

/* The lists of tenants, the newest first. */
static void sort_tenants(cs_approvals *x)
{
    cs_approval__item **all = cs_alloc_array(x->by_id.live + 1, sizeof(cs_approval__item *));
    size_t n = 0;
    size_t cursor = 0;
    const cs_map_entry *e = NULL;
    while ((e = cs_map_next(&x->by_id, &cursor)) != NULL) {
        all[n++] = e->value;
    }
    qsort(all, n, sizeof *all, by_age);
    for (cursor = 0; (e = cs_map_next(&x->tenants, &cursor)) != NULL;) {
        ((cs_approval__tenant *)e->value)->first = NULL;
    }
    for (size_t i = 0; i < n; i++) {
        cs_approval__tenant *t = all[i]->tenant;
        all[i]->newer = NULL;
        all[i]->older = t->first;
        if (t->first != NULL) {
            t->first->newer = all[i];
        }
        t->first = all[i];
    }
    cs_free(all);
}

/* The rows came in the order of their keys. */
static cs_err restored(void *self, cs_error *e)
{
    cs_approvals *x = self;
    (void)e;
    cs_mutex_lock(&x->lock);
    sort(&x->open, by_age);
    sort(&x->over, by_end);
    sort_tenants(x);
    cs_mutex_unlock(&x->lock);
    return CS_OK;
}

void cs_approval__save_hooks(cs_fold *fold)
{
    fold->name = "approvals";
    fold->format = 1;
    fold->cut = cut;
    fold->save = save;
    fold->saved = saved;
    fold->restore = restore;
    fold->restored = restored;
}
