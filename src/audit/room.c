/* What waits to be written. Putting is a copy under a mutex that is held for copies only; the log's thread takes
 * everything at once by exchanging two rooms. */
#include "countersign/base/time.h"
#include "internal.h"

enum { DONE_ROOMS = 4 }; /* acts that are done may fill so many times the room of decisions */

void cs_audit__room_init(cs_audit__room *room)
{
    *room = (cs_audit__room){.items = {0}};
    cs_buf_init(&room->bytes);
}

void cs_audit__room_destroy(cs_audit__room *room)
{
    cs_buf_destroy(&room->bytes);
    CS_VEC_FREE(&room->items);
}

/* Under the lock: whether it is full, after something changed. */
void cs_audit__look(cs_audit *audit)
{
    bool full = audit->failing || audit->filling.bytes.n + audit->writing_bytes >= audit->o.room;
    atomic_store_explicit(&audit->full, full, memory_order_release);
    if (!full) {
        cs_cond_broadcast(&audit->less);
    }
}

bool cs_audit_is_full(const cs_audit *audit)
{
    return audit != NULL && atomic_load_explicit(&audit->full, memory_order_acquire);
}

/* Under the lock. */
static void push(cs_audit *audit, cs_audit__item item)
{
    cs_audit__room *room = &audit->filling;
    if (room->items.n == 0) {
        room->since_mono = cs_time_mono_ns();
        cs_cond_signal(&audit->more);
    }
    CS_VEC_PUSH(&room->items, item);
}

static void add(cs_audit *audit, const cs_audit_written *w, cs_audit_told *told, void *self)
{
    cs_audit__room *room = &audit->filling;
    cs_audit__item item = {.at = room->bytes.n,
                           .parts = {w->before, w->middle, w->text.n - w->before - w->middle},
                           .told = told,
                           .self = self,
                           .done = w->done};
    cs_buf_slice(&room->bytes, w->text);
    push(audit, item);
    if (room->bytes.n + audit->writing_bytes >= audit->o.room) {
        cs_audit__look(audit);
    }
}

cs_audit_answer cs_audit_put_written(cs_audit *audit, const cs_audit_written *written, cs_audit_told *told, void *self)
{
    if (audit == NULL) {
        return CS_AUDIT_TAKEN;
    }
    bool waits = told != NULL && audit->o.sync == CS_AUDIT_COMMIT;
    cs_audit_answer answer = waits ? CS_AUDIT_TELLS : CS_AUDIT_TAKEN;
    cs_mutex_lock(&audit->lock);
    if (!written->done && cs_audit_is_full(audit)) {
        answer = CS_AUDIT_FULL;
    } else if (audit->filling.bytes.n + audit->writing_bytes >= audit->o.room * DONE_ROOMS) {
        audit->lost++;
        cs_series_add(audit->lost_total, CS_METRICS_ANY, 1);
    } else {
        add(audit, written, waits ? told : NULL, self);
    }
    cs_mutex_unlock(&audit->lock);
    return answer;
}

cs_audit_answer cs_audit_put(cs_audit *audit, const cs_audit_record *record, cs_audit_told *told, void *self)
{
    if (audit == NULL) {
        return CS_AUDIT_TAKEN;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_audit_written written = cs_audit__write(&text, record);
    cs_audit_answer answer = cs_audit_put_written(audit, &written, told, self);
    cs_buf_destroy(&text);
    return answer;
}

bool cs_audit_wait(cs_audit *audit, int64_t timeout_ns)
{
    int64_t until = cs_time_mono_ns() + timeout_ns, now;
    cs_mutex_lock(&audit->lock);
    while (cs_audit_is_full(audit) && (now = cs_time_mono_ns()) < until) {
        (void)cs_cond_wait_for(&audit->less, &audit->lock, until - now);
    }
    bool roomy = !cs_audit_is_full(audit);
    cs_mutex_unlock(&audit->lock);
    return roomy;
}

bool cs_audit_idle(cs_audit *audit)
{
    cs_mutex_lock(&audit->lock);
    bool idle = audit->filling.items.n == 0 && audit->writing_bytes == 0;
    cs_mutex_unlock(&audit->lock);
    return idle;
}

bool cs_audit_blocks(const cs_audit *audit)
{
    return audit->o.block;
}

cs_audit_answer cs_audit_after(cs_audit *audit, cs_audit_told *told, void *self)
{
    if (audit == NULL || audit->o.sync != CS_AUDIT_COMMIT) {
        return CS_AUDIT_TAKEN;
    }
    cs_audit_answer answer = CS_AUDIT_TAKEN;
    cs_mutex_lock(&audit->lock);
    if (audit->filling.items.n != 0 || audit->writing_bytes != 0) {
        /* Of no length: nothing is written for it. */
        push(audit, (cs_audit__item){.at = audit->filling.bytes.n, .told = told, .self = self, .done = true});
        answer = CS_AUDIT_TELLS;
    }
    cs_mutex_unlock(&audit->lock);
    return answer;
}

const char *cs_audit_dir(const cs_audit *audit)
{
    return audit->out.dir;
}

bool cs_audit_commits(const cs_audit *audit)
{
    return audit->o.sync == CS_AUDIT_COMMIT;
}

/* ---- what could not be kept */

void cs_audit__count_refused(cs_audit *audit, uint64_t n)
{
    if (n != 0) {
        cs_mutex_lock(&audit->lock);
        audit->refused_since_ns = audit->refused == 0 ? cs_time_wall_ns() : audit->refused_since_ns;
        audit->refused += n;
        cs_series_add(audit->refused_total, CS_METRICS_ANY, n);
        cs_mutex_unlock(&audit->lock);
    }
}

void cs_audit_count_refused(cs_audit *audit)
{
    cs_audit__count_refused(audit, audit != NULL ? 1 : 0);
}

/* Under the lock. */
static void put_loss(cs_audit *audit, const char *type, cs_value data)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_audit_record record = {.type = type, .actor = cs_undefined(), .data = data, .done = true};
    cs_audit_written written = cs_audit__write(&text, &record);
    add(audit, &written, NULL, NULL);
    cs_buf_destroy(&text);
}

void cs_audit__put_losses(cs_audit *audit)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_mutex_lock(&audit->lock);
    if (audit->refused != 0) {
        char since[40];
        size_t n = cs_time_format_rfc3339(audit->refused_since_ns, since);
        cs_value data = cs_object_new(&a, 2);
        cs_object_put_text(&a, data, "decisions", cs_int((int64_t)audit->refused));
        cs_object_put_text(&a, data, "since", cs_string(cs_slice_make(since, n)));
        audit->refused = 0;
        put_loss(audit, "audit.refused", data);
    }
    if (audit->lost != 0) {
        cs_value data = cs_object_new(&a, 1);
        cs_object_put_text(&a, data, "records", cs_int((int64_t)audit->lost));
        audit->lost = 0;
        put_loss(audit, "audit.lost", data);
    }
    cs_mutex_unlock(&audit->lock);
    cs_arena_destroy(&a);
}
