/* Rows that changed since the last snapshot. Two lists: what changed since the cut, and what the snapshot under way has
 * to put. A row's link says in which of them it is: its epoch is that of the list, and it is put already if it stands
 * before the place up to which the list is done. */
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/snapshot.h"

enum { LOOK_EVERY = 4 };

static cs_dirty_link *link_of(const cs_dirty *d, void *row)
{
    return (cs_dirty_link *)(void *)((char *)row + d->link);
}

void cs_dirty_init(cs_dirty *d, bool on, cs_dirty_put *put, void *self, size_t link)
{
    *d = (cs_dirty){.on = on, .put = put, .self = self, .link = link, .epoch = 2};
}

static void free_keys(cs_slice *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_free((char *)(uintptr_t)keys[i].p);
    }
}

void cs_dirty_destroy(cs_dirty *d)
{
    free_keys(d->gone.v, d->gone.n);
    free_keys(d->gone_cutting.v, d->gone_cutting.n);
    CS_VEC_FREE(&d->changed);
    CS_VEC_FREE(&d->cutting);
    CS_VEC_FREE(&d->gone);
    CS_VEC_FREE(&d->gone_cutting);
}

/* If the snapshot under way has the row: puts it as it is, unless that was done, and strikes it from its list. */
static void leave_snapshot(cs_dirty *d, void *row)
{
    const cs_dirty_link *l = link_of(d, row);
    if (d->out != NULL && l->epoch == d->epoch - 1) {
        if (l->at >= d->next) {
            d->put(d->self, row, d->out);
        }
        d->cutting.v[l->at] = NULL;
    }
}

void cs_dirty_mark_slow(cs_dirty *d, void *row)
{
    leave_snapshot(d, row);
    *link_of(d, row) = (cs_dirty_link){.epoch = d->epoch, .at = (uint32_t)d->changed.n};
    CS_VEC_PUSH(&d->changed, row);
}

void cs_dirty_gone(cs_dirty *d, void *row, cs_slice key)
{
    if (!d->on) {
        return;
    }
    cs_dirty_link *l = link_of(d, row);
    leave_snapshot(d, row);
    if (l->epoch == d->epoch) {
        d->changed.v[l->at] = NULL;
    }
    l->epoch = 0;
    char *copy = cs_alloc(key.n + 1);
    memcpy(copy, key.p, key.n);
    CS_VEC_PUSH(&d->gone, cs_slice_make(copy, key.n));
}

void cs_dirty_cut(cs_dirty *d, cs_snapshot *out)
{
    cs_assert(d->out == NULL && d->cutting.n == 0 && d->gone_cutting.n == 0);
    cs_dirty before = *d;
    memcpy(&d->cutting, &before.changed, sizeof d->cutting);
    memcpy(&d->changed, &before.cutting, sizeof d->changed);
    memcpy(&d->gone_cutting, &before.gone, sizeof d->gone_cutting);
    memcpy(&d->gone, &before.gone_cutting, sizeof d->gone);
    d->epoch++;
    d->next = 0;
    d->out = out;
    /* First, so that a key which is in use again is put after its deletion. */
    for (size_t i = 0; i < d->gone_cutting.n; i++) {
        cs_snapshot_delete(out, d->gone_cutting.v[i]);
    }
}

bool cs_dirty_save(cs_dirty *d, int64_t until_mono)
{
    for (unsigned n = 0; d->next < d->cutting.n; n++) {
        if (n % LOOK_EVERY == LOOK_EVERY - 1 && (cs_snapshot_behind(d->out) || cs_time_mono_ns() >= until_mono)) {
            return false;
        }
        void *row = d->cutting.v[d->next++];
        if (row != NULL) {
            d->put(d->self, row, d->out);
        }
    }
    return true;
}

void cs_dirty_saved(cs_dirty *d, bool ok)
{
    d->out = NULL;
    for (size_t i = 0; !ok && i < d->cutting.n; i++) {
        if (d->cutting.v[i] != NULL) {
            cs_dirty_mark_slow(d, d->cutting.v[i]);
        }
    }
    for (size_t i = 0; !ok && i < d->gone_cutting.n; i++) {
        CS_VEC_PUSH(&d->gone, d->gone_cutting.v[i]);
    }
    if (ok) {
        free_keys(d->gone_cutting.v, d->gone_cutting.n);
    }
    CS_VEC_FREE(&d->cutting);
    CS_VEC_FREE(&d->gone_cutting);
}
