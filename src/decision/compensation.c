#include "countersign/compensation.h"

#include <stdlib.h>

#include "countersign/base/bytes.h"
#include "countersign/base/limits.h"
#include "countersign/base/map.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"
#include "countersign/base/time.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"

#define COMMITTED "io.countersign.decision.committed.v1"
#define REQUESTED "io.countersign.compensation.requested.v1"

typedef struct item {
    cs_slice tenant, request_id, document; /* one block that begins at tenant.p; the document is JSON */
    int64_t decided_ns, requested_ns;      /* 0 = not requested */
} item;

struct cs_compensations {
    cs_journal *journal;
    cs_mutex lock;
    CS_VEC(item *) items; /* by time of decision; the oldest go */
    cs_map by_request;    /* tenant, NUL, request id */
    cs_buf key;           /* the journal's thread */
    cs_whole row;
};

/* ---- items. Under the lock. */

static cs_slice key_of(cs_buf *room, cs_slice tenant, cs_slice request_id)
{
    cs_buf_clear(room);
    cs_buf_slice(room, tenant);
    cs_buf_byte(room, '\0');
    cs_buf_slice(room, request_id);
    return cs_buf_view(room);
}

static cs_slice put(char **at, cs_slice text)
{
    memcpy(*at, text.p, text.n);
    cs_slice copy = cs_slice_make(*at, text.n);
    *at += text.n;
    return copy;
}

static void free_item(item *i)
{
    cs_free((char *)(uintptr_t)i->tenant.p);
    cs_free(i);
}

static void drop_oldest(cs_compensations *c)
{
    item *oldest = c->items.v[0];
    (void)cs_map_remove(&c->by_request, key_of(&c->key, oldest->tenant, oldest->request_id));
    free_item(oldest);
    c->items.n--;
    memmove(c->items.v, c->items.v + 1, c->items.n * sizeof(item *));
}

static item *add(cs_compensations *c, const item *from)
{
    cs_slice key = key_of(&c->key, from->tenant, from->request_id);
    if (cs_map_get(&c->by_request, key) != NULL) {
        return NULL;
    }
    item *i = cs_zalloc(sizeof *i);
    char *at = cs_alloc(from->tenant.n + from->request_id.n + from->document.n + 1);
    *i = *from;
    i->tenant = put(&at, from->tenant);
    i->request_id = put(&at, from->request_id);
    i->document = put(&at, from->document);
    (void)cs_map_put(&c->by_request, key, i);
    CS_VEC_PUSH(&c->items, i);
    size_t place = c->items.n - 1;
    for (; place > 0 && c->items.v[place - 1]->decided_ns > i->decided_ns; place--) {
        c->items.v[place] = c->items.v[place - 1];
    }
    c->items.v[place] = i;
    if (c->items.n > cs_limits_get()->compensations) {
        drop_oldest(c);
    }
    c->row.changed = true;
    return i;
}

/* ---- folds */

static cs_event_outcome fold_decision(void *self, const cs_event *event)
{
    cs_compensations *c = self;
    const cs_value *compensation = cs_object_get_text(event->data, "compensation");
    item i = {.decided_ns = event->time_ns};
    if (event->outcome == CS_EVENT_CONFLICT) { /* it came too late: nothing was done that could be undone */
        return CS_EVENT_UNSEEN;
    }
    if (!cs_slice_is(event->type, COMMITTED) || compensation == NULL || !cs_is(*compensation, CS_OBJECT) ||
        !cs_event_text(event->data, "tenant", &i.tenant) || !cs_event_text(event->data, "request_id", &i.request_id)) {
        return CS_EVENT_UNSEEN;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, *compensation, 0);
    i.document = cs_buf_view(&text);
    cs_mutex_lock(&c->lock);
    bool fresh = add(c, &i) != NULL;
    cs_mutex_unlock(&c->lock);
    cs_buf_destroy(&text);
    return fresh ? CS_EVENT_APPLIED : CS_EVENT_UNSEEN; /* what else is in the event is the business of others */
}

static cs_event_outcome fold_request(void *self, const cs_event *event)
{
    cs_compensations *c = self;
    cs_slice tenant, request_id;
    if (!cs_slice_is(event->type, REQUESTED) || !cs_event_text(event->data, "tenant", &tenant) ||
        !cs_event_text(event->data, "request_id", &request_id)) {
        return CS_EVENT_UNSEEN;
    }
    cs_mutex_lock(&c->lock);
    item *i = cs_map_get(&c->by_request, key_of(&c->key, tenant, request_id));
    bool first = i != NULL && i->requested_ns == 0;
    if (first) {
        i->requested_ns = event->time_ns > 0 ? event->time_ns : 1;
        c->row.changed = true;
    }
    cs_mutex_unlock(&c->lock);
    return first || i == NULL ? CS_EVENT_APPLIED : CS_EVENT_DUPLICATE;
}

/* ---- snapshots: one row with all of them */

static void write_row(void *self, cs_buf *out)
{
    cs_compensations *c = self;
    cs_mutex_lock(&c->lock);
    for (size_t k = 0; c->row.changed && k < c->items.n; k++) {
        const item *i = c->items.v[k];
        cs_bytes_put_text(out, i->tenant);
        cs_bytes_put_text(out, i->request_id);
        cs_bytes_put_text(out, i->document);
        cs_bytes_put_signed(out, i->decided_ns);
        cs_bytes_put_signed(out, i->requested_ns);
    }
    c->row.changed = false;
    cs_mutex_unlock(&c->lock);
}

static void cut(void *self, cs_snapshot *out)
{
    cs_whole_cut(&((cs_compensations *)self)->row, out);
}

static bool save(void *self, int64_t until_mono)
{
    (void)until_mono;
    return cs_whole_save(&((cs_compensations *)self)->row);
}

static void saved(void *self, bool ok)
{
    cs_compensations *c = self;
    cs_mutex_lock(&c->lock);
    c->row.changed = cs_whole_saved(&c->row, ok) || c->row.changed;
    cs_mutex_unlock(&c->lock);
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_compensations *c = self;
    cs_bytes b = cs_bytes_of(value);
    (void)key;
    cs_mutex_lock(&c->lock);
    while (!b.bad && cs_bytes_left(&b) > 0) {
        item i = {.tenant = cs_bytes_text(&b)};
        i.request_id = cs_bytes_text(&b);
        i.document = cs_bytes_text(&b);
        i.decided_ns = cs_bytes_signed(&b);
        i.requested_ns = cs_bytes_signed(&b);
        if (!b.bad) {
            (void)add(c, &i);
        }
    }
    c->row.changed = false;
    cs_mutex_unlock(&c->lock);
    return b.bad ? cs_fail(e, CS_ERR_INVALID, "the row of compensations is damaged") : CS_OK;
}

/* ---- the door */

cs_compensations *cs_compensations_new(cs_journal *journal)
{
    cs_compensations *c = cs_zalloc(sizeof *c);
    c->journal = journal;
    cs_mutex_init(&c->lock);
    cs_map_init(&c->by_request);
    cs_buf_init(&c->key);
    cs_whole_init(&c->row, write_row, c);
    cs_fold decisions = {.types = "io.countersign.decision.",
                         .self = c,
                         .apply = fold_decision,
                         .name = "compensations",
                         .format = 1,
                         .cut = cut,
                         .save = save,
                         .saved = saved,
                         .restore = restore};
    cs_fold requests = {.types = "io.countersign.compensation.", .self = c, .apply = fold_request};
    cs_fold_without_rows(&requests, "compensations.requested");
    cs_journal_fold(journal, &decisions);
    cs_journal_fold(journal, &requests);
    return c;
}

void cs_compensations_free(cs_compensations *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->items.n; i++) {
        free_item(c->items.v[i]);
    }
    CS_VEC_FREE(&c->items);
    cs_map_destroy(&c->by_request);
    cs_buf_destroy(&c->key);
    cs_whole_destroy(&c->row);
    cs_mutex_destroy(&c->lock);
    cs_free(c);
}

/* ---- replay */

static cs_value instant(cs_arena *a, int64_t ns)
{
    char text[40];
    size_t n = cs_time_format_rfc3339(ns, text);
    return cs_string_copy(a, cs_slice_make(text, n));
}

static cs_value item_value(cs_arena *a, const item *i, bool now)
{
    cs_value v = cs_object_new(a, 6), document;
    cs_slice text = {cs_arena_dup(a, i->document.p, i->document.n), i->document.n};
    if (cs_json_read(a, text, NULL, &document, NULL, NULL) != CS_OK) {
        document = cs_null();
    }
    bool requested = now || i->requested_ns != 0;
    cs_object_put_text(a, v, "tenant", cs_string_copy(a, i->tenant));
    cs_object_put_text(a, v, "request_id", cs_string_copy(a, i->request_id));
    cs_object_put_text(a, v, "decided_at", instant(a, i->decided_ns));
    cs_object_put_text(a, v, "state", cs_string(requested ? CS_LIT("requested") : CS_LIT("recorded")));
    cs_object_put_text(a, v, "requested_at", i->requested_ns != 0 ? instant(a, i->requested_ns) : cs_null());
    cs_object_put_text(a, v, "compensation", document);
    return v;
}

static void request(cs_journal_batch *batch, const item *i, cs_slice author, int64_t now)
{
    cs_arena *a = &batch->arena;
    cs_value seen = item_value(a, i, true);
    cs_value data = cs_object_new(a, 6);
    cs_object_put_text(a, data, "tenant", *cs_object_get_text(seen, "tenant"));
    cs_object_put_text(a, data, "request_id", *cs_object_get_text(seen, "request_id"));
    cs_object_put_text(a, data, "decided_at", *cs_object_get_text(seen, "decided_at"));
    cs_object_put_text(a, data, "compensation", *cs_object_get_text(seen, "compensation"));
    cs_object_put_text(a, data, "author", cs_string(author));
    cs_value id = cs_string_printf(a, "%.*s/%.*s", CS_FMT(i->tenant), CS_FMT(i->request_id));
    cs_event_head head = {.type = REQUESTED,
                          .source = CS_LIT("/countersign/compensations"),
                          .id = cs_text(id),
                          .tenant = i->tenant,
                          .correlation = i->request_id,
                          .time_ns = now};
    cs_event event = cs_event_compose(a, &head, data);
    cs_journal_batch_add(batch, &event);
}

cs_err cs_compensations_replay(cs_compensations *c, const cs_compensation_replay *r, cs_arena *a, cs_value *document,
                               cs_journal_told *done, void *self, cs_error *e)
{
    cs_journal_batch *batch = cs_journal_batch_telling(done, self);
    CS_VEC(cs_value) items = {0};
    int64_t now = cs_time_wall_ns();
    cs_mutex_lock(&c->lock);
    for (size_t k = c->items.n; k-- > 0 && items.n < r->last;) {
        const item *i = c->items.v[k];
        if (r->tenant.n > 0 && !cs_slice_eq(i->tenant, r->tenant)) {
            continue;
        }
        bool asks = !r->dry_run && i->requested_ns == 0;
        if (asks) {
            request(batch, i, r->author, now);
        }
        CS_VEC_PUSH_IN(a, &items, item_value(a, i, asks));
    }
    cs_mutex_unlock(&c->lock);
    *document = cs_object_new(a, 3);
    cs_object_put_text(a, *document, "dry_run", cs_bool(r->dry_run));
    cs_object_put_text(a, *document, "requested", cs_int((int64_t)batch->n));
    cs_object_put_text(a, *document, "compensations", cs_array(items.v, items.n));
    if (batch->n == 0) {
        done(self, NULL);
        cs_journal_batch_free(batch);
        return CS_OK;
    }
    cs_err err = cs_journal_append(c->journal, batch, e);
    if (err != CS_OK) {
        cs_journal_batch_free(batch);
    }
    return err;
}
