/* The cycle of a snapshot, on the journal's thread: cut all folds at one position of the log, let them put their rows
 * in slices of a few milliseconds between batches, and a thread of its own writes them. That thread gets blocks of
 * changes through a queue; it holds the file, and one transaction a snapshot.
 *
 * If a snapshot fails, the older one stays, the folds take their rows back as changed, and it is tried again. */
#include "journal/snapshot.h"

#include <stdio.h>

#include "countersign/base/bytes.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"

enum { BLOCK_BYTES = 256 << 10, BEHIND_BYTES = 16 << 20 };
#define SLICE_NS (4 * CS_NS_PER_MS)
#define INTERVAL_NS (60 * CS_NS_PER_S)
#define RETRY_NS (5 * CS_NS_PER_S)
#define FINISH_NS (60 * CS_NS_PER_S)
#define EVENTS_MOST 2000000U /* then it is time, whatever the clock says: bounds what folds note of their changes */

typedef enum state { IDLE, SAVING, WRITING } state;
typedef enum result { NOTHING, WRITTEN, FAILED } result;
typedef enum what { CHANGES, THE_END, GIVE_UP } what;

typedef struct block {
    struct block *next;
    what what;
    cs_buf bytes;
} block;

typedef struct sink {
    cs_snapshot out; /* first: a sink is what a fold gets */
    cs_journal__snapshots *owner;
    uint8_t fold;
} sink;

struct cs_journal__snapshots {
    cs_journal *journal;
    cs_metrics *metrics;
    char path[256];
    int64_t interval_ns;

    /* The journal's thread. */
    state state;
    bool off; /* some fold keeps no rows, or the file was damaged while we ran */
    int64_t due_mono, cut_mono;
    uint64_t cut_applied;
    int64_t stall_ns; /* the longest that the folds stood still for this snapshot */
    sink sinks[CS_JOURNAL__FOLDS];
    bool out[CS_JOURNAL__FOLDS]; /* all of the fold's rows are */
    block *open;
    bool said; /* that it fails */
    uint64_t failures;

    /* Given to the writer with THE_END, back with its result. */
    cs_journal__snaphead head;

    cs_thread writer;
    cs_journal__snapfile *file; /* the writer's, once it runs */
    cs_mutex lock;              /* of what follows */
    cs_cond wake;
    block *first, *last;
    size_t queued; /* bytes */
    result result;
    cs_error error;
    bool stop;

    /* For the metrics. */
    _Atomic int64_t kept_ns, took_ns, stalled_ns; /* the last one: cut at; how long it took, and the folds stood */
    _Atomic uint64_t bytes;
    cs_series *failed; /* NULL = not counted */
};

/* ---- blocks */

static block *new_block(what kind)
{
    block *b = cs_zalloc(sizeof *b);
    b->what = kind;
    cs_buf_init(&b->bytes);
    return b;
}

static void free_block(block *b)
{
    cs_buf_destroy(&b->bytes);
    cs_free(b);
}

static void hand_over(cs_journal__snapshots *s, block *b)
{
    cs_mutex_lock(&s->lock);
    if (s->last != NULL) {
        s->last->next = b;
    } else {
        s->first = b;
    }
    s->last = b;
    s->queued += b->bytes.n;
    cs_cond_signal(&s->wake);
    cs_mutex_unlock(&s->lock);
}

static void write_op(cs_snapshot *self, char op, cs_slice key, cs_slice value)
{
    const sink *k = (const sink *)self;
    cs_journal__snapshots *s = k->owner;
    if (s->open == NULL) {
        s->open = new_block(CHANGES);
    }
    cs_buf *b = &s->open->bytes;
    cs_bytes_put_u8(b, (uint8_t)op);
    cs_bytes_put_u8(b, k->fold);
    cs_bytes_put_text(b, key);
    cs_bytes_put_text(b, value);
    if (b->n >= BLOCK_BYTES) {
        hand_over(s, s->open);
        s->open = NULL;
    }
}

static bool is_behind(const cs_snapshot *self)
{
    cs_journal__snapshots *s = ((const sink *)self)->owner;
    cs_mutex_lock(&s->lock);
    bool behind = s->queued > BEHIND_BYTES;
    cs_mutex_unlock(&s->lock);
    return behind;
}

void cs_snapshot_put(cs_snapshot *out, cs_slice key, cs_slice value)
{
    out->write(out, 'P', key, value);
}

void cs_snapshot_append(cs_snapshot *out, cs_slice key, cs_slice value)
{
    out->write(out, 'A', key, value);
}

void cs_snapshot_delete(cs_snapshot *out, cs_slice key)
{
    out->write(out, 'D', key, CS_LIT(""));
}

bool cs_snapshot_behind(const cs_snapshot *out)
{
    return out->behind(out);
}

/* ---- the writer's thread */

static cs_err write_block(cs_journal__snapshots *s, const block *b, cs_error *e)
{
    cs_bytes in = cs_bytes_of(cs_buf_view(&b->bytes));
    cs_err err = CS_OK;
    while (err == CS_OK && cs_bytes_left(&in) > 0) {
        char op = (char)cs_bytes_u8(&in);
        uint32_t fold = cs_bytes_u8(&in);
        cs_slice key = cs_bytes_text(&in);
        cs_slice value = cs_bytes_text(&in);
        cs_assert(!in.bad);
        err = op == 'D' ? cs_journal__snapfile_delete(s->file, fold, key, e)
                        : cs_journal__snapfile_put(s->file, fold, key, value, op == 'A', e);
    }
    return err;
}

static cs_err begin(cs_journal__snapshots *s, cs_error *e)
{
    if (s->file == NULL) {
        CS_TRY(cs_journal__snapfile_open(s->path, &s->file, e));
    }
    return cs_journal__snapfile_begin(s->file, e);
}

static void answer(cs_journal__snapshots *s, result r, const cs_error *e)
{
    if (r == WRITTEN) {
        atomic_store(&s->bytes, cs_journal__snapfile_bytes(s->file));
    }
    cs_mutex_lock(&s->lock);
    s->result = r;
    s->error = *e;
    cs_mutex_unlock(&s->lock);
}

typedef struct writing {
    bool begun, failed;
} writing;

static void take_block(cs_journal__snapshots *s, writing *w, const block *b)
{
    cs_error e = {.code = CS_OK};
    cs_err err = CS_OK;
    if (b->what != GIVE_UP && !w->failed) {
        err = w->begun ? CS_OK : begin(s, &e);
        w->begun = w->begun || err == CS_OK;
        err = err == CS_OK ? write_block(s, b, &e) : err;
        if (err == CS_OK && b->what == THE_END) {
            err = cs_journal__snapfile_finish(s->file, &s->head, &e);
            if (err == CS_OK) {
                w->begun = false;
                answer(s, WRITTEN, &e);
            }
        }
    }
    if (w->begun && (err != CS_OK || b->what == GIVE_UP)) {
        cs_journal__snapfile_undo(s->file);
        w->begun = false;
    }
    w->failed = w->failed || err != CS_OK;
    if (err != CS_OK) {
        answer(s, FAILED, &e);
    }
    if (b->what != CHANGES) {
        w->failed = false;
    }
}

static void writer_main(void *self)
{
    cs_journal__snapshots *s = self;
    writing w = {.begun = false};
    cs_thread_be_nice();
    cs_mutex_lock(&s->lock);
    while (!s->stop || s->first != NULL) {
        block *b = s->first;
        if (b == NULL) {
            cs_cond_wait(&s->wake, &s->lock);
            continue;
        }
        s->first = b->next;
        s->last = s->first == NULL ? NULL : s->last;
        cs_mutex_unlock(&s->lock);
        take_block(s, &w, b);
        cs_mutex_lock(&s->lock);
        s->queued -= b->bytes.n;
        free_block(b);
    }
    cs_mutex_unlock(&s->lock);
    if (w.begun) {
        cs_journal__snapfile_undo(s->file);
    }
}

/* ---- the journal's thread */

static void tell_folds(cs_journal__snapshots *s, bool ok)
{
    cs_journal *j = s->journal;
    for (size_t i = 0; i < j->n_folds; i++) {
        j->folds[i].saved(j->folds[i].self, ok);
    }
    CS_VEC_FREE(&s->head.positions.v);
    s->state = IDLE;
}

static void set_head(cs_journal__snapshots *s)
{
    cs_journal *j = s->journal;
    s->head.cut_ns = j->now_ns(j->now_self);
    s->head.n_folds = j->n_folds;
    for (size_t i = 0; i < j->n_folds; i++) {
        (void)snprintf(s->head.folds[i].name, sizeof s->head.folds[i].name, "%s", j->folds[i].name);
        s->head.folds[i].format = j->folds[i].format;
    }
}

static bool cut(cs_journal__snapshots *s, int64_t now_mono)
{
    cs_journal *j = s->journal;
    if (!j->kind->positions(j, &s->head.positions)) {
        return false;
    }
    set_head(s);
    s->cut_applied = atomic_load(&j->applied);
    s->cut_mono = now_mono;
    s->stall_ns = 0;
    for (size_t i = 0; i < j->n_folds; i++) {
        s->sinks[i] = (sink){.out = {.write = write_op, .behind = is_behind}, .owner = s, .fold = (uint8_t)i};
        s->out[i] = false;
        j->folds[i].cut(j->folds[i].self, &s->sinks[i].out);
    }
    s->state = SAVING;
    return true;
}

static result take_result(cs_journal__snapshots *s, cs_error *e)
{
    cs_mutex_lock(&s->lock);
    result r = s->result;
    *e = s->error;
    s->result = NOTHING;
    cs_mutex_unlock(&s->lock);
    return r;
}

static void save_some(cs_journal__snapshots *s, int64_t until_mono)
{
    cs_journal *j = s->journal;
    for (size_t i = 0; i < j->n_folds; i++) {
        s->out[i] = s->out[i] || j->folds[i].save(j->folds[i].self, until_mono);
        if (!s->out[i]) {
            return;
        }
    }
    block *b = s->open != NULL ? s->open : new_block(CHANGES);
    s->open = NULL;
    b->what = THE_END;
    s->state = WRITING;
    hand_over(s, b);
}

static void succeed(cs_journal__snapshots *s)
{
    int64_t took = cs_time_mono_ns() - s->cut_mono;
    atomic_store(&s->kept_ns, s->head.cut_ns);
    atomic_store(&s->took_ns, took);
    atomic_store(&s->stalled_ns, s->stall_ns);
    s->due_mono = s->cut_mono + s->interval_ns;
    cs_log(s->said ? CS_LOG_INFO : CS_LOG_DEBUG, s->said ? "Snapshot can be written again." : "Snapshot written.", 4,
           (cs_log_field[]){CS_LOG_S("snapshot", cs_slice_of(s->path)), CS_LOG_I("ms", took / CS_NS_PER_MS),
                            CS_LOG_I("stall_us", s->stall_ns / 1000),
                            CS_LOG_I("bytes", (int64_t)atomic_load(&s->bytes))});
    s->said = false;
    tell_folds(s, true);
}

static void count_failure(cs_journal__snapshots *s)
{
    s->failures++;
    if (s->failed != NULL) {
        cs_series_add(s->failed, CS_METRICS_ANY, 1);
    }
}

static void fail(cs_journal__snapshots *s, const cs_error *e)
{
    count_failure(s);
    if (s->state == SAVING) {
        if (s->open != NULL) {
            free_block(s->open);
            s->open = NULL;
        }
        hand_over(s, new_block(GIVE_UP));
    }
    if (!s->said) {
        cs_log(CS_LOG_ERROR, "Snapshot cannot be written; the older one stays, and it is tried again.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(e->text))});
    }
    s->said = true;
    s->off = e->code == CS_ERR_INVALID; /* the next start puts the file aside */
    s->due_mono = cs_time_mono_ns() + (s->interval_ns < RETRY_NS ? s->interval_ns : RETRY_NS);
    s->cut_applied = UINT64_MAX; /* so that it is tried though no event came */
    tell_folds(s, false);
}

/* Is there something that the last snapshot does not have, and is it time? */
static bool due(cs_journal__snapshots *s, int64_t now_mono, bool at_once)
{
    uint64_t applied = atomic_load(&s->journal->applied);
    if (applied == s->cut_applied) {
        atomic_store(&s->kept_ns, s->journal->now_ns(s->journal->now_self));
        return false;
    }
    bool many = s->cut_applied != UINT64_MAX && applied - s->cut_applied >= EVENTS_MOST;
    return at_once || many || now_mono >= s->due_mono;
}

static bool step(cs_journal__snapshots *s, bool at_once)
{
    int64_t start = cs_time_mono_ns();
    cs_error e;
    if (s->state == IDLE && (s->off || !due(s, start, at_once) || !cut(s, start))) {
        return false;
    }
    result r = take_result(s, &e);
    if (r == FAILED) {
        fail(s, &e);
    } else if (s->state == SAVING) {
        save_some(s, start + SLICE_NS);
    } else if (r == WRITTEN) {
        succeed(s);
    }
    int64_t took = cs_time_mono_ns() - start;
    s->stall_ns = took > s->stall_ns ? took : s->stall_ns;
    return s->state != IDLE;
}

bool cs_journal__snapshot_step(cs_journal *j)
{
    return j->snapshots != NULL && step(j->snapshots, false);
}

void cs_journal__snapshots_finish(cs_journal__snapshots *s)
{
    if (s == NULL || atomic_load(&s->journal->broken)) {
        return;
    }
    int64_t until = cs_time_mono_ns() + FINISH_NS;
    uint64_t failures = s->failures;
    do {
        if (!step(s, true) && (s->off || atomic_load(&s->journal->applied) == s->cut_applied)) {
            break;
        }
        cs_time_sleep_ns(s->state == WRITING ? CS_NS_PER_MS : CS_NS_PER_MS / 10);
    } while (cs_time_mono_ns() < until && s->failures == failures);
    if (s->state != IDLE) {
        cs_error e = {.code = CS_ERR_TIMEOUT};
        fail(s, &e);
    }
}

/* ---- the start */

static cs_err restore_row(void *self, uint32_t fold, cs_slice key, cs_slice value, cs_error *e)
{
    const cs_journal *j = ((cs_journal__snapshots *)self)->journal;
    if (atomic_load_explicit(&j->stop, memory_order_relaxed)) {
        return cs_fail(e, CS_ERR_TIMEOUT, "stopped while restoring");
    }
    if (fold >= j->n_folds) {
        return cs_fail(e, CS_ERR_INVALID, "a row of no fold");
    }
    return j->folds[fold].restore(j->folds[fold].self, key, value, e);
}

static cs_err look_at_row(void *self, uint32_t fold, cs_slice key, cs_slice value, cs_error *e)
{
    (void)key;
    (void)value;
    const cs_journal *j = ((cs_journal__snapshots *)self)->journal;
    return fold < j->n_folds ? CS_OK : cs_fail(e, CS_ERR_INVALID, "a row of no fold");
}

static cs_err same_folds(cs_journal__snapshots *s, const cs_journal__snaphead *head, cs_error *e)
{
    const cs_journal *j = s->journal;
    for (size_t i = 0; i < head->n_folds || i < j->n_folds; i++) {
        if (i >= head->n_folds || i >= j->n_folds || strcmp(head->folds[i].name, j->folds[i].name) != 0 ||
            head->folds[i].format != j->folds[i].format) {
            return cs_fail(e, CS_ERR_INVALID,
                           "snapshot %s: written by another version of this program, which kept other state", s->path);
        }
    }
    return CS_OK;
}

/* Opens the file, and looks whether all of it can be used, before any of it is. */
static cs_err look(cs_journal__snapshots *s, cs_journal__snaphead *head, cs_error *e)
{
    CS_TRY(cs_journal__snapfile_open(s->path, &s->file, e));
    CS_TRY(cs_journal__snapfile_head(s->file, head, e));
    if (!head->there) {
        return CS_OK;
    }
    CS_TRY(same_folds(s, head, e));
    CS_TRY(cs_journal__snapfile_walk(s->file, look_at_row, s, e));
    return s->journal->kind->resume(s->journal, &head->positions, e);
}

static cs_err restore_all(cs_journal__snapshots *s, const cs_journal__snaphead *head, cs_error *e)
{
    cs_journal *j = s->journal;
    int64_t start = cs_time_mono_ns();
    CS_TRY(cs_journal__snapfile_walk(s->file, restore_row, s, e));
    for (size_t i = 0; i < j->n_folds; i++) {
        if (j->folds[i].restored != NULL) {
            CS_TRY(j->folds[i].restored(j->folds[i].self, e));
        }
    }
    atomic_store(&s->kept_ns, head->cut_ns);
    atomic_store(&s->bytes, cs_journal__snapfile_bytes(s->file));
    cs_log(CS_LOG_INFO, "Snapshot restored.", 3,
           (cs_log_field[]){CS_LOG_S("snapshot", cs_slice_of(s->path)),
                            CS_LOG_I("age_s", (j->now_ns(j->now_self) - head->cut_ns) / CS_NS_PER_S),
                            CS_LOG_I("ms", (cs_time_mono_ns() - start) / CS_NS_PER_MS)});
    return CS_OK;
}

static bool all_folds_keep_rows(const cs_journal *j)
{
    for (size_t i = 0; i < j->n_folds; i++) {
        if (j->folds[i].name == NULL) {
            return false;
        }
    }
    return true;
}

cs_err cs_journal__snapshots_restore(cs_journal__snapshots *s, cs_error *e)
{
    if (s == NULL) {
        return CS_OK;
    }
    if (!all_folds_keep_rows(s->journal)) {
        s->off = true;
        cs_log(CS_LOG_WARN, "No snapshots: some state is not part of them. Each start reads the whole log.", 0, NULL);
        return CS_OK;
    }
    cs_journal__snaphead head = {.there = false};
    cs_error why = {.code = CS_OK};
    cs_err err = look(s, &head, &why);
    if (err == CS_OK && head.there) {
        err = restore_all(s, &head, e);
    } else if (err != CS_OK) {
        cs_journal__snapfile_close(s->file);
        s->file = NULL;
        cs_log(CS_LOG_ERROR, "Snapshot cannot be used; the log is read from as far back as it goes.", 1,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(why.text))});
        if (err == CS_ERR_INVALID) {
            cs_journal__snapfile_aside(s->path);
        }
        s->said = err != CS_ERR_INVALID;
        count_failure(s);
        err = CS_OK;
    }
    CS_VEC_FREE(&head.positions.v);
    s->due_mono = cs_time_mono_ns() + s->interval_ns;
    s->cut_applied = atomic_load(&s->journal->applied);
    if (err == CS_OK) {
        err = cs_thread_start(&s->writer, "snapshot", writer_main, s, e);
    }
    return err;
}

/* ---- life */

static void gather_age(void *self, cs_metrics_sink *to)
{
    cs_journal__snapshots *s = self;
    int64_t kept = atomic_load(&s->kept_ns);
    if (kept != 0) {
        cs_metrics_emit(to, NULL, (double)(s->journal->now_ns(s->journal->now_self) - kept) / 1e9);
    }
}

static void gather_seconds(void *self, cs_metrics_sink *to)
{
    cs_journal__snapshots *s = self;
    cs_metrics_emit(to, NULL, (double)atomic_load(&s->took_ns) / 1e9);
}

static void gather_stall(void *self, cs_metrics_sink *to)
{
    cs_journal__snapshots *s = self;
    cs_metrics_emit(to, NULL, (double)atomic_load(&s->stalled_ns) / 1e9);
}

static void gather_bytes(void *self, cs_metrics_sink *to)
{
    cs_journal__snapshots *s = self;
    cs_metrics_emit(to, NULL, (double)atomic_load(&s->bytes));
}

static const struct {
    cs_metric metric;
    cs_metrics_gather *gather;
} gathered[] = {{CS_METRIC_SNAPSHOT_AGE, gather_age},
                {CS_METRIC_SNAPSHOT_SECONDS, gather_seconds},
                {CS_METRIC_SNAPSHOT_STALL, gather_stall},
                {CS_METRIC_SNAPSHOT_BYTES, gather_bytes}};

static void listen(cs_journal__snapshots *s, bool on)
{
    for (size_t i = 0; s->metrics != NULL && i < sizeof gathered / sizeof *gathered; i++) {
        cs_metrics_on_gather(s->metrics, gathered[i].metric, on ? gathered[i].gather : NULL, s);
    }
}

cs_journal__snapshots *cs_journal__snapshots_new(cs_journal *j, const cs_journal_options *options)
{
    cs_journal__snapshots *s = cs_zalloc(sizeof *s);
    s->journal = j;
    s->metrics = options->metrics;
    (void)snprintf(s->path, sizeof s->path, "%s", options->snapshot_path);
    s->interval_ns = options->snapshot_interval_ns > 0 ? options->snapshot_interval_ns : INTERVAL_NS;
    cs_mutex_init(&s->lock);
    cs_cond_init(&s->wake);
    listen(s, true);
    s->failed = s->metrics != NULL ? cs_metrics_series(s->metrics, CS_METRIC_SNAPSHOT_FAILURES, NULL) : NULL;
    return s;
}

void cs_journal__snapshots_free(cs_journal__snapshots *s)
{
    if (s == NULL) {
        return;
    }
    listen(s, false);
    cs_mutex_lock(&s->lock);
    s->stop = true;
    cs_cond_signal(&s->wake);
    cs_mutex_unlock(&s->lock);
    cs_thread_join(&s->writer);
    for (block *b = s->first; b != NULL;) {
        block *next = b->next;
        free_block(b);
        b = next;
    }
    cs_journal__snapfile_close(s->file);
    CS_VEC_FREE(&s->head.positions.v);
    cs_cond_destroy(&s->wake);
    cs_mutex_destroy(&s->lock);
    cs_free(s);
}
