/* The log's thread: takes what waits, chains it, writes it, syncs, tells those who wait, signs the head from time to
 * time. A batch that cannot be written is taken back as a whole and tried again. */
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "internal.h"

#define NAP_NS (75 * CS_NS_PER_MS) /* records gather so long when nobody waits for them, less what writing takes */
#define NAP_LEAST_NS (20 * CS_NS_PER_MS)
#define RETRY_NS (200 * CS_NS_PER_MS)   /* between two tries to write */
#define GIVE_UP_NS (2 * CS_NS_PER_S)    /* when the service ends */
#define SIGN_NS CS_NS_PER_S             /* between two checkpoints */
#define SIGN_LAZY_NS (10 * CS_NS_PER_S) /* the same with sync none, where a checkpoint costs the only sync */

enum { CHUNK = 1 << 16 }; /* what fits a cache */

/* Where to go back to when a write fails. */
typedef struct mark {
    cs_audit__state chain;
    size_t next;
    uint64_t size;
} mark;

static mark mark_now(const cs_audit *audit, size_t next)
{
    return (mark){.chain = audit->chain, .next = next, .size = audit->out.size};
}

/* ---- a batch */

static cs_err flush(cs_audit *audit, cs_error *e)
{
    cs_err err = audit->text.n != 0 ? cs_audit__out_write(&audit->out, cs_buf_view(&audit->text), e) : CS_OK;
    cs_buf_clear(&audit->text);
    return err;
}

/* Ends the file when it is large or of another day, and begins one where there is none. */
static cs_err rotate(cs_audit *audit, int64_t day, size_t next, mark *good, cs_error *e)
{
    cs_audit__out *out = &audit->out;
    uint64_t size = out->size + audit->text.n;
    if (out->fd >= 0 && size != 0 && (size >= audit->o.file_bytes || (audit->o.daily && day > out->day))) {
        CS_TRY(flush(audit, e));
        CS_TRY(cs_audit__out_sync(out, e));
        *good = mark_now(audit, next);
        cs_error ignored;
        if (cs_audit__checkpoint(audit, true, &ignored) != CS_OK) {
            cs_logf(CS_LOG_WARN, "The end of %s could not be signed: %s", out->name, ignored.text);
        }
        cs_audit__out_end(out);
    }
    if (out->fd < 0) {
        CS_TRY(cs_audit__out_begin(out, audit->chain.seq + 1, day, e));
        *good = mark_now(audit, next);
    }
    return CS_OK;
}

static cs_err write_items(cs_audit *audit, mark *good, cs_error *e)
{
    const cs_audit__room *room = &audit->writing;
    int64_t day = cs_time_wall_ns() / (86400 * CS_NS_PER_S);
    for (size_t i = audit->next; i < room->items.n; i++) {
        const cs_audit__item *item = &room->items.v[i];
        if (item->parts.after == 0) {
            continue; /* somebody who waits for those before */
        }
        CS_TRY(rotate(audit, day, i, good, e));
        cs_slice text = cs_slice_sub(cs_buf_view(&room->bytes), item->at, room->bytes.n);
        cs_audit__chain(&audit->text, &audit->chain, audit->hasher, text, item->parts);
        if (audit->text.n >= CHUNK) {
            CS_TRY(flush(audit, e));
        }
    }
    CS_TRY(flush(audit, e));
    if (audit->o.sync != CS_AUDIT_NONE) {
        CS_TRY(cs_audit__out_sync(&audit->out, e));
    }
    *good = mark_now(audit, room->items.n);
    return CS_OK;
}

static void tell(cs_audit *audit, size_t from, size_t to)
{
    uint64_t records = 0;
    for (size_t i = from; i < to; i++) {
        cs_audit__item *item = &audit->writing.items.v[i];
        records += item->parts.after != 0 ? 1 : 0;
        if (item->told != NULL) {
            item->told(item->self, NULL);
        }
    }
    cs_series_add(audit->records, CS_METRICS_ANY, records);
}

/* Those who wait are told no, unless they are to wait for as long as it takes; what is left is tried again. */
static void refuse_items(cs_audit *audit, const cs_error *error)
{
    cs_audit__room *room = &audit->writing;
    size_t kept = 0;
    uint64_t refused = 0;
    for (size_t i = 0; i < room->items.n; i++) {
        cs_audit__item item = room->items.v[i];
        if (i >= audit->next && item.told != NULL && !audit->o.block) {
            item.told(item.self, error);
            item.told = NULL;
            if (!item.done) {
                refused++;
                continue;
            }
        }
        if (i >= audit->next) {
            room->items.v[kept++] = item;
        }
    }
    room->items.n = kept;
    audit->next = 0;
    cs_audit__count_refused(audit, refused);
}

/* What came meanwhile joins the batch: those who wait for it are to be refused, too. */
static void take_rest(cs_audit *audit)
{
    cs_mutex_lock(&audit->lock);
    size_t from = audit->writing.bytes.n;
    cs_buf_slice(&audit->writing.bytes, cs_buf_view(&audit->filling.bytes));
    for (size_t i = 0; i < audit->filling.items.n; i++) {
        cs_audit__item item = audit->filling.items.v[i];
        item.at += from;
        CS_VEC_PUSH(&audit->writing.items, item);
    }
    cs_buf_clear(&audit->filling.bytes);
    audit->filling.items.n = 0;
    audit->writing_bytes = audit->writing.bytes.n;
    cs_mutex_unlock(&audit->lock);
}

static void failed(cs_audit *audit, const cs_error *error)
{
    bool new = audit->failed_mono == 0;
    audit->failed_mono = new ? cs_time_mono_ns() : audit->failed_mono;
    cs_mutex_lock(&audit->lock);
    audit->failing = true;
    cs_audit__look(audit);
    cs_mutex_unlock(&audit->lock);
    if (new) {
        cs_log(CS_LOG_ERROR, "The audit log cannot be written.", 2,
               (cs_log_field[]){CS_LOG_S("error", cs_slice_of(error->text)),
                                CS_LOG_S("decisions", cs_slice_of(audit->o.block ? "wait" : "are refused"))});
    }
    if (!audit->o.block) {
        take_rest(audit);
    }
    refuse_items(audit, error);
}

static void succeeded(cs_audit *audit)
{
    bool again = audit->failed_mono != 0;
    audit->failed_mono = 0;
    cs_mutex_lock(&audit->lock);
    audit->failing = false;
    audit->writing_bytes = 0;
    audit->writing_since = 0;
    cs_audit__look(audit);
    cs_mutex_unlock(&audit->lock);
    cs_buf_clear(&audit->writing.bytes);
    audit->writing.items.n = 0;
    audit->next = 0;
    if (again) {
        cs_logf(CS_LOG_INFO, "The audit log can be written again.");
        cs_audit__put_losses(audit);
    }
}

static void write_batch(cs_audit *audit)
{
    cs_error e = {.code = CS_OK};
    mark good = mark_now(audit, audit->next);
    int64_t started = cs_time_mono_ns();
    cs_err err = write_items(audit, &good, &e);
    audit->batch_ns = cs_time_mono_ns() - started;
    tell(audit, audit->next, good.next);
    audit->next = good.next;
    if (err == CS_OK) {
        succeeded(audit);
        return;
    }
    audit->chain = good.chain;
    cs_buf_clear(&audit->text);
    cs_audit__out_back(&audit->out, good.size);
    failed(audit, &e);
}

/* ---- checkpoints */

static int64_t sign_after(const cs_audit *audit)
{
    return audit->o.sync == CS_AUDIT_NONE ? SIGN_LAZY_NS : SIGN_NS;
}

static bool is_signed(const cs_audit *audit)
{
    return audit->head.seq == audit->chain.seq;
}

/* When it is time, or somebody asks. */
static void sign(cs_audit *audit, bool last)
{
    cs_mutex_lock(&audit->lock);
    uint64_t wanted = audit->wanted;
    bool asked = wanted != audit->made;
    cs_mutex_unlock(&audit->lock);
    bool due = last || asked || cs_time_mono_ns() - audit->head_mono >= sign_after(audit);
    if (is_signed(audit) && !last) {
        due = false;
    }
    cs_error e = {.code = CS_OK};
    cs_err err = audit->failed_mono != 0 ? cs_fail(&e, CS_ERR_IO, "the audit log cannot be written") : CS_OK;
    if (due && err == CS_OK) {
        err = cs_audit__out_sync(&audit->out, &e);
    }
    if (due && err == CS_OK) {
        err = cs_audit__checkpoint(audit, last, &e);
    }
    if (due && err != CS_OK && audit->failed_mono == 0) {
        cs_logf(CS_LOG_WARN, "The head of the audit log could not be signed: %s", e.text);
    }
    if (asked) {
        cs_mutex_lock(&audit->lock);
        audit->made = wanted;
        audit->made_well = err == CS_OK;
        cs_mutex_unlock(&audit->lock);
        cs_cond_broadcast(&audit->less);
    }
}

/* ---- the thread */

/* Under the lock: waits until there is something to do. */
static void rest(cs_audit *audit)
{
    bool asked = audit->wanted != audit->made;
    if (audit->stop || asked) {
        return;
    }
    if (audit->failing) {
        (void)cs_cond_wait_for(&audit->more, &audit->lock, RETRY_NS);
        return;
    }
    if (audit->filling.items.n == 0) {
        int64_t due = is_signed(audit) ? CS_NS_PER_S : audit->head_mono + sign_after(audit) - cs_time_mono_ns();
        if (due > 0) {
            (void)cs_cond_wait_for(&audit->more, &audit->lock, due);
        }
    }
    if (audit->filling.items.n != 0 && audit->o.sync != CS_AUDIT_COMMIT) {
        int64_t nap = NAP_NS - audit->batch_ns > NAP_LEAST_NS ? NAP_NS - audit->batch_ns : NAP_LEAST_NS;
        int64_t until = cs_time_mono_ns() + nap, now;
        while (!audit->stop && audit->wanted == audit->made && (now = cs_time_mono_ns()) < until) {
            (void)cs_cond_wait_for(&audit->more, &audit->lock, until - now);
        }
    }
}

/* Under the lock: what waits becomes the batch. */
static void take(cs_audit *audit)
{
    if (audit->writing.items.n == 0 && audit->filling.items.n != 0) {
        cs_audit__room room = audit->writing;
        audit->writing = audit->filling;
        audit->filling = room;
        audit->writing_bytes = audit->writing.bytes.n;
        audit->writing_since = audit->writing.since_mono;
    }
}

void cs_audit__run(void *self)
{
    cs_audit *audit = self;
    bool stop = false, empty = false;
    while (!stop || !empty) {
        if (audit->failed_mono != 0 && audit->writing.items.n == 0) {
            cs_audit__put_losses(audit); /* something to try with */
        }
        cs_mutex_lock(&audit->lock);
        rest(audit);
        stop = audit->stop;
        take(audit);
        cs_mutex_unlock(&audit->lock);
        if (audit->writing.items.n != 0 || audit->failed_mono != 0) {
            write_batch(audit);
        }
        sign(audit, false);
        if (stop && audit->failed_mono != 0) {
            if (cs_time_mono_ns() - audit->failed_mono > GIVE_UP_NS) {
                break;
            }
            cs_mutex_lock(&audit->lock);
            (void)cs_cond_wait_for(&audit->less, &audit->lock, RETRY_NS);
            cs_mutex_unlock(&audit->lock);
        }
        empty = audit->failed_mono == 0 && cs_audit_idle(audit);
    }
    sign(audit, true);
}
