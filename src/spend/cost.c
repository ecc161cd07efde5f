/* What events cost, between the event and the file. */
#include <stdlib.h>
#include <string.h>

#include "countersign/base/bytes.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "spend/cost.h"
#include "spend/internal.h"

enum { PIECE_BYTES = 16 << 20, KEY_BYTES = 12 };
#define RETRY_NS CS_NS_PER_S

/* A row of the snapshot. */
typedef struct kept {
    uint64_t cut;
    uint32_t piece;
} kept;

struct cs_spend__cost {
    cs_spend__cost_store *store; /* NULL: everything stays in memory */
    cs_thread writer;

    cs_mutex lock; /* of what follows */
    cs_cond changed;
    bool stop, failing;
    bool begun;                            /* what the snapshot had is here */
    bool cutting;                          /* the last of `waiting` is not in a snapshot yet */
    uint64_t cut;                          /* the last one */
    cs_spend__cost_sums *now;              /* since then */
    CS_VEC(cs_spend__cost_sums *) waiting; /* cut, in order, and not in the file yet */

    /* The journal's thread: */
    cs_snapshot *out;
    CS_VEC(kept) kept; /* rows of the snapshot, in order */
    size_t n_old;      /* of them, those that the snapshot under way drops */
    cs_arena scratch;
    cs_buf bytes;
};

/* ---- events */

/* The file has nothing that the state of the journal has not, and what it lacks is on its way. */
static void begin(cs_spend__cost *c)
{
    cs_error e;
    c->begun = true;
    c->cut = c->waiting.n > 0 ? c->waiting.v[c->waiting.n - 1]->cut : 0;
    if (c->store != NULL && cs_spend__cost_store_cut(c->store) > c->cut &&
        cs_spend__cost_store_wipe(c->store, &e) != CS_OK) {
        cs_log(CS_LOG_ERROR,
               "The file of costs is ahead of the journal and cannot be emptied; costs may be counted twice.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e.text))});
    }
    uint64_t in_file = c->store != NULL ? cs_spend__cost_store_cut(c->store) : 0;
    size_t old = 0;
    while (old < c->waiting.n && c->waiting.v[old]->cut <= in_file) {
        cs_spend__cost_sums_free(c->waiting.v[old++]);
    }
    c->waiting.n -= old;
    if (old > 0) {
        memmove(c->waiting.v, c->waiting.v + old, c->waiting.n * sizeof *c->waiting.v);
    }
    cs_cond_signal(&c->changed);
}

static cs_event_outcome nothing(void *self, const cs_event *event)
{
    (void)self;
    (void)event;
    return CS_EVENT_UNSEEN;
}

static int month_of(int64_t slot)
{
    int64_t year = 0;
    int month = 0, day = 0;
    cs_time_civil_from_days(slot / CS_SPEND__SLOTS_A_DAY, &year, &month, &day);
    return (int)(year * 12 + month);
}

void cs_spend__cost_prepare(cs_spend__cost *c, cs_arena *a, int64_t time_ns, cs_spend__event *event)
{
    int64_t slot = cs_spend__slot(time_ns);
    if (slot >= 0 && !event->linked) {
        event->cost_slot = (uint32_t)slot;
        event->cost_key = cs_spend__cost_event_key(a, event, event->cost_slot, false);
        event->cost_hash = cs_spend__cost_hash(event->cost_key);
        cs_spend__cost_sums_prefetch(c->now, event->cost_hash); /* nobody else changes it */
    }
}

void cs_spend__cost_prefetch(const cs_spend__cost *c, uint32_t hash)
{
    cs_spend__cost_sums_prefetch_entry(c->now, hash);
}

void cs_spend__cost_add(cs_spend__cost *c, const cs_spend__event *event, uint32_t slot, uint32_t arrived)
{
    bool restated = arrived > slot && arrived / CS_SPEND__SLOTS_A_DAY != slot / CS_SPEND__SLOTS_A_DAY &&
                    month_of(arrived) != month_of(slot);
    bool prepared = event->cost_key.n > 0 && event->cost_slot == slot && !restated;
    cs_slice key = prepared ? event->cost_key : cs_spend__cost_event_key(&c->scratch, event, slot, restated);
    uint32_t hash = prepared ? event->cost_hash : cs_spend__cost_hash(key);
    cs_spend__cost_sum sum = {.nanos = event->nanos, .quantity = event->quantity, .events = 1};
    cs_mutex_lock(&c->lock);
    if (!c->begun) {
        begin(c);
    }
    cs_spend__cost_sums_add(c->now, key, hash, &sum);
    cs_mutex_unlock(&c->lock);
    if (!prepared) {
        cs_arena_reset(&c->scratch);
    }
}

/* ---- snapshots: a row for each piece of each cut that the file may lack */

static cs_slice row_key(char room[KEY_BYTES], kept k)
{
    for (int i = 0; i < 8; i++) {
        room[i] = (char)(uint8_t)(k.cut >> (56 - 8 * i));
    }
    for (int i = 0; i < 4; i++) {
        room[8 + i] = (char)(uint8_t)(k.piece >> (24 - 8 * i));
    }
    return cs_slice_make(room, KEY_BYTES);
}

static bool read_key(cs_slice key, kept *out)
{
    *out = (kept){.cut = 0};
    for (size_t i = 0; i < key.n && i < 8; i++) {
        out->cut = out->cut << 8 | (uint8_t)key.p[i];
    }
    for (size_t i = 8; i < key.n && i < KEY_BYTES; i++) {
        out->piece = out->piece << 8 | (uint8_t)key.p[i];
    }
    return key.n == KEY_BYTES;
}

static void cut(void *self, cs_snapshot *out)
{
    cs_spend__cost *c = self;
    c->out = out;
    cs_mutex_lock(&c->lock);
    if (!c->begun) {
        begin(c);
    }
    c->now->cut = ++c->cut;
    CS_VEC_PUSH(&c->waiting, c->now);
    c->now = cs_spend__cost_sums_new();
    c->cutting = true;
    cs_mutex_unlock(&c->lock);
}

static bool save(void *self, int64_t until_mono)
{
    (void)until_mono; /* what a minute's events come to is soon written */
    cs_spend__cost *c = self;
    char key[KEY_BYTES];
    uint64_t in_file = cs_spend__cost_store_cut(c->store);
    c->n_old = 0;
    while (c->n_old < c->kept.n && c->kept.v[c->n_old].cut <= in_file) {
        cs_snapshot_delete(c->out, row_key(key, c->kept.v[c->n_old++]));
    }
    cs_mutex_lock(&c->lock);
    const cs_spend__cost_sums *sums = c->waiting.v[c->waiting.n - 1];
    cs_mutex_unlock(&c->lock);
    cs_buf_clear(&c->bytes);
    cs_spend__cost_sums_write(sums, &c->bytes); /* nobody changes or frees it before `saved` */
    kept k = {.cut = sums->cut};
    size_t at = 0;
    do {
        size_t n = c->bytes.n - at < PIECE_BYTES ? c->bytes.n - at : PIECE_BYTES;
        cs_snapshot_put(c->out, row_key(key, k), cs_slice_make(n > 0 ? c->bytes.p + at : "", n));
        CS_VEC_PUSH(&c->kept, k);
        k.piece++;
        at += n;
    } while (at < c->bytes.n);
    return true;
}

/* What was cut goes back to what is not. Under the lock. */
static void take_back(cs_spend__cost *c)
{
    cs_spend__cost_sums *sums = c->waiting.v[--c->waiting.n];
    uint32_t cursor = 0;
    const cs_spend__cost_entry *entry = NULL;
    while ((entry = cs_spend__cost_sums_next(c->now, &cursor)) != NULL) {
        cs_slice key = cs_slice_make(entry->key, entry->n);
        cs_spend__cost_sums_add(sums, key, cs_spend__cost_hash(key), &entry->sum);
    }
    cs_spend__cost_sums_free(c->now);
    c->now = sums;
}

static void saved(void *self, bool ok)
{
    cs_spend__cost *c = self;
    cs_mutex_lock(&c->lock);
    c->cutting = false;
    if (ok) {
        c->kept.n -= c->n_old;
        memmove(c->kept.v, c->kept.v + c->n_old, c->kept.n * sizeof *c->kept.v);
        cs_cond_signal(&c->changed);
    } else {
        while (c->kept.n > 0 && c->kept.v[c->kept.n - 1].cut == c->cut) {
            c->kept.n--;
        }
        take_back(c);
    }
    c->n_old = 0;
    cs_mutex_unlock(&c->lock);
    c->out = NULL;
}

/* What was read of a cut, whole now. */
static cs_err finish_cut(cs_spend__cost *c, cs_error *e)
{
    if (c->waiting.n > 0 && !cs_spend__cost_sums_read(cs_buf_view(&c->bytes), c->waiting.v[c->waiting.n - 1])) {
        return cs_fail(e, CS_ERR_INVALID, "a row of costs is damaged");
    }
    cs_buf_clear(&c->bytes);
    return CS_OK;
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_spend__cost *c = self;
    kept k;
    if (!read_key(key, &k)) {
        return cs_fail(e, CS_ERR_INVALID, "a row of costs has a key of %zu bytes", key.n);
    }
    if (c->kept.n == 0 || c->kept.v[c->kept.n - 1].cut != k.cut) {
        CS_TRY(finish_cut(c, e));
        cs_spend__cost_sums *sums = cs_spend__cost_sums_new();
        sums->cut = k.cut;
        CS_VEC_PUSH(&c->waiting, sums);
    }
    CS_VEC_PUSH(&c->kept, k);
    cs_buf_slice(&c->bytes, value); /* an entry may lie over two pieces */
    return CS_OK;
}

static cs_err restored(void *self, cs_error *e)
{
    cs_spend__cost *c = self;
    cs_mutex_lock(&c->lock);
    cs_err err = finish_cut(c, e);
    if (err == CS_OK) {
        begin(c);
    }
    cs_mutex_unlock(&c->lock);
    return err;
}

/* ---- the writer */

static bool has_work(const cs_spend__cost *c)
{
    return c->begun && c->waiting.n > (c->cutting ? 1U : 0U);
}

static void write_first(cs_spend__cost *c)
{
    cs_error e;
    cs_spend__cost_sums *first = c->waiting.v[0];
    cs_mutex_unlock(&c->lock);
    cs_err err = cs_spend__cost_store_add(c->store, first, &e);
    cs_mutex_lock(&c->lock);
    if (err == CS_OK) {
        c->failing = false;
        c->waiting.n--;
        memmove(c->waiting.v, c->waiting.v + 1, c->waiting.n * sizeof *c->waiting.v);
        cs_spend__cost_sums_free(first);
        return;
    }
    if (!c->failing) {
        cs_log(CS_LOG_ERROR, "Costs cannot be written; tried again every second.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e.text))});
    }
    c->failing = true;
    if (!c->stop) {
        (void)cs_cond_wait_for(&c->changed, &c->lock, RETRY_NS);
    }
}

static void writer_main(void *self)
{
    cs_spend__cost *c = self;
    cs_mutex_lock(&c->lock);
    while (!c->stop || (has_work(c) && !c->failing)) {
        if (has_work(c)) {
            write_first(c);
        } else {
            cs_cond_wait(&c->changed, &c->lock);
        }
    }
    cs_mutex_unlock(&c->lock);
}

/* ---- the door */

cs_err cs_spend__cost_new(cs_spend *s, const char *path, cs_spend__cost **out, cs_error *e)
{
    cs_spend__cost *c = cs_zalloc(sizeof *c);
    c->now = cs_spend__cost_sums_new();
    cs_mutex_init(&c->lock);
    cs_cond_init(&c->changed);
    cs_arena_init(&c->scratch, 0);
    cs_buf_init(&c->bytes);
    cs_err err = path != NULL ? cs_spend__cost_store_open(path, &c->store, e) : CS_OK;
    if (err == CS_OK && path != NULL) {
        err = cs_thread_start(&c->writer, "costs", writer_main, c, e);
    }
    if (err != CS_OK) {
        cs_spend__cost_free(c);
        return err;
    }
    /* No event is of this type: the ledger says what counts, and where. */
    cs_fold fold = {.types = "io.countersign.cost.", .self = c, .apply = nothing};
    if (path != NULL) {
        fold.name = "cost";
        fold.format = 1;
        fold.cut = cut;
        fold.save = save;
        fold.saved = saved;
        fold.restore = restore;
        fold.restored = restored;
    }
    cs_journal_fold(s->journal, &fold);
    *out = c;
    return CS_OK;
}

void cs_spend__cost_free(cs_spend__cost *c)
{
    if (c == NULL) {
        return;
    }
    cs_mutex_lock(&c->lock);
    c->stop = true;
    cs_cond_signal(&c->changed);
    cs_mutex_unlock(&c->lock);
    cs_thread_join(&c->writer);
    for (size_t i = 0; i < c->waiting.n; i++) {
        cs_spend__cost_sums_free(c->waiting.v[i]);
    }
    CS_VEC_FREE(&c->waiting);
    CS_VEC_FREE(&c->kept);
    cs_spend__cost_sums_free(c->now);
    cs_spend__cost_store_close(c->store);
    cs_arena_destroy(&c->scratch);
    cs_buf_destroy(&c->bytes);
    cs_cond_destroy(&c->changed);
    cs_mutex_destroy(&c->lock);
    cs_free(c);
}

/* ---- reading */

typedef struct copied {
    uint64_t cut;
    cs_slice key;
    cs_spend__cost_sum sum;
} copied;

typedef CS_VEC(copied) copies;

static void copy_sums(cs_arena *a, const cs_spend__cost_sums *sums, uint64_t number, copies *out)
{
    uint32_t cursor = 0;
    const cs_spend__cost_entry *entry = NULL;
    while ((entry = cs_spend__cost_sums_next(sums, &cursor)) != NULL) {
        copied c = {.cut = number, .key = {cs_arena_dup(a, entry->key, entry->n), entry->n}, .sum = entry->sum};
        CS_VEC_PUSH_IN(a, out, c);
    }
}

cs_err cs_spend__cost_each(cs_spend__cost *c, int64_t from, int64_t to, cs_slice tenant, cs_spend__cost_each_row *each,
                           void *self, cs_error *e)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    copies rows = {0};
    cs_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->waiting.n; i++) {
        copy_sums(&a, c->waiting.v[i], c->waiting.v[i]->cut, &rows);
    }
    copy_sums(&a, c->now, c->cut + 1, &rows); /* its number when it is cut */
    cs_mutex_unlock(&c->lock);
    uint64_t in_file = 0;
    cs_err err =
        c->store != NULL ? cs_spend__cost_store_each(c->store, from, to, tenant, each, self, &in_file, e) : CS_OK;
    for (size_t i = 0; err == CS_OK && i < rows.n; i++) {
        cs_spend__cost_row row;
        bool whole = cs_spend__cost_row_of(rows.v[i].key, &row);
        cs_assert(whole);
        bool wanted = row.slot >= from && row.slot < to && (tenant.n == 0 || cs_slice_eq(row.tenant, tenant));
        if (rows.v[i].cut > in_file && wanted) {
            row.nanos = rows.v[i].sum.nanos;
            row.quantity = rows.v[i].sum.quantity;
            row.events = rows.v[i].sum.events;
            each(self, &row);
        }
    }
    cs_arena_destroy(&a);
    return err;
}

cs_err cs_spend_keep_costs(cs_spend *spend, const char *path, cs_error *e)
{
    return cs_spend__cost_new(spend, path, &spend->cost, e);
}
