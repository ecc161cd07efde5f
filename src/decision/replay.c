/* Answers remembered for retries: a fold over the decisions that were committed, bounded by time and by bytes. */
#include "countersign/base/encode.h"
#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/number.h"
#include "internal.h"

#define COMMITTED "io.countersign.decision.committed.v1"
#define VOIDED "io.countersign.hold.voided.v1"
#define DIGEST_PREFIX "sha256:"
#define SOON_NS CS_NS_PER_S /* so long another replica may still take its answer back */
enum { ENTRY_BYTES = 256 }; /* about what an entry takes besides its answer */

static cs_slice make_key(cs_effects *x, cs_slice tenant, cs_slice request_id)
{
    cs_buf_clear(&x->room);
    cs_buf_slice(&x->room, tenant);
    cs_buf_byte(&x->room, 0);
    cs_buf_slice(&x->room, request_id);
    return cs_buf_view(&x->room);
}

/* ---- entries, under the lock */

static void unlink_entry(cs_effects *x, cs_decision__entry *entry)
{
    *(entry->prev != NULL ? &entry->prev->next : &x->first) = entry->next;
    *(entry->next != NULL ? &entry->next->prev : &x->last) = entry->prev;
    x->bytes -= entry->bytes;
}

static void drop_entry(cs_effects *x, cs_decision__entry *entry)
{
    (void)cs_map_remove(&x->entries, entry->key);
    cs_free((char *)(uintptr_t)entry->key.p);
    cs_free(entry->block);
    CS_VEC_FREE(&entry->waiters);
    cs_free(entry);
}

/* On the journal's thread. */
static void remove_answer(cs_effects *x, cs_decision__entry *entry)
{
    cs_dirty_gone(&x->rows, entry, entry->key);
    unlink_entry(x, entry);
    drop_entry(x, entry);
}

/* On the journal's thread. */
static void forget_old(cs_effects *x)
{
    int64_t now = x->now_ns(x->now_self);
    while (x->first != NULL && (x->first->until_ns <= now || x->bytes > cs_limits_get()->replay_bytes)) {
        remove_answer(x, x->first);
    }
}

cs_decision__entry *cs_decision__replay_add(cs_effects *x, cs_slice key)
{
    cs_decision__entry *entry = cs_zalloc(sizeof *entry);
    char *own = cs_alloc(key.n);
    memcpy(own, key.p, key.n);
    entry->key = cs_slice_make(own, key.n);
    (void)cs_map_put(&x->entries, entry->key, entry);
    return entry;
}

static void settle_entry(cs_effects *x, cs_decision__entry *entry, int64_t until_ns)
{
    entry->pending = false;
    entry->until_ns = until_ns;
    entry->prev = x->last;
    entry->next = NULL;
    *(x->last != NULL ? &x->last->next : &x->first) = entry;
    x->last = entry;
    x->bytes += entry->bytes;
    cs_dirty_mark(&x->rows, entry);
}

/* ---- answers */

static size_t answer_size(const cs_answer *from)
{
    size_t n = from->n_headers * sizeof(cs_answer_header) + from->content_type.n + from->body.n;
    for (size_t i = 0; i < from->n_headers; i++) {
        n += from->headers[i].name.n + from->headers[i].value.n;
    }
    return n;
}

static cs_slice put_text(char **to, cs_slice text)
{
    char *at = *to;
    memcpy(at, text.p, text.n);
    *to = at + text.n;
    return cs_slice_make(at, text.n);
}

/* Into one block of answer_size bytes. */
static void copy_answer(void *block, const cs_answer *from, cs_answer *out)
{
    cs_answer_header *headers = block;
    char *text = (char *)(headers + from->n_headers);
    *out = (cs_answer){.status = from->status, .headers = headers, .n_headers = from->n_headers};
    for (size_t i = 0; i < from->n_headers; i++) {
        headers[i].name = put_text(&text, from->headers[i].name);
        headers[i].value = put_text(&text, from->headers[i].value);
    }
    out->content_type = put_text(&text, from->content_type);
    out->body = put_text(&text, from->body);
}

void cs_decision__replay_settle(cs_effects *x, cs_decision__entry *entry, const cs_answer *answer, int64_t until_ns)
{
    entry->has_answer = answer != NULL;
    entry->bytes = ENTRY_BYTES + entry->key.n;
    if (answer != NULL) {
        size_t size = answer_size(answer);
        entry->block = cs_alloc(size + 1);
        copy_answer(entry->block, answer, &entry->answer);
        entry->bytes += size;
    }
    settle_entry(x, entry, until_ns);
}

cs_value cs_decision__answer_value(cs_arena *a, const cs_answer *answer)
{
    cs_value *headers = cs_arena_array(a, cs_value, answer->n_headers);
    for (size_t i = 0; i < answer->n_headers; i++) {
        cs_value pair[2] = {cs_string(answer->headers[i].name), cs_string(answer->headers[i].value)};
        headers[i] = cs_array_copy(a, pair, 2);
    }
    cs_value v = cs_object_new(a, 4);
    cs_object_put_text(a, v, "status", cs_int(answer->status));
    cs_object_put_text(a, v, "type", cs_string(answer->content_type));
    cs_object_put_text(a, v, "headers", cs_array(headers, answer->n_headers));
    cs_object_put_text(a, v, "body", cs_string(answer->body));
    return v;
}

static cs_slice text_of(cs_value object, const char *name)
{
    const cs_value *v = cs_object_get_text(object, name);
    return v != NULL && cs_is(*v, CS_STRING) ? cs_text(*v) : CS_LIT("");
}

/* As written; false if the event carries none. Headers in `a`. */
static bool read_answer(cs_arena *a, cs_value data, cs_answer *out)
{
    const cs_value *v = cs_object_get_text(data, "answer");
    if (v == NULL || !cs_is(*v, CS_OBJECT)) {
        return false;
    }
    int64_t status = 0;
    const cs_value *number = cs_object_get_text(*v, "status");
    const cs_value *list = cs_object_get_text(*v, "headers");
    if (number == NULL || !cs_is(*number, CS_NUMBER) || !cs_number_is_int(*number, &status) || list == NULL ||
        !cs_is(*list, CS_ARRAY)) {
        return false;
    }
    cs_answer_header *headers = cs_arena_array(a, cs_answer_header, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        cs_value pair = list->u.items[i];
        bool good = cs_is(pair, CS_ARRAY) && pair.n == 2 && cs_is(pair.u.items[0], CS_STRING) &&
                    cs_is(pair.u.items[1], CS_STRING);
        if (!good) {
            return false;
        }
        headers[i] = (cs_answer_header){cs_text(pair.u.items[0]), cs_text(pair.u.items[1])};
    }
    *out = (cs_answer){.status = (int)status,
                       .content_type = text_of(*v, "type"),
                       .headers = headers,
                       .n_headers = list->n,
                       .body = text_of(*v, "body")};
    return true;
}

/* ---- asking */

bool cs_effects_knows(cs_effects *x, cs_slice tenant, cs_slice request_id)
{
    cs_mutex_lock(&x->lock);
    bool known = x->entries.live > 0 && cs_map_get(&x->entries, make_key(x, tenant, request_id)) != NULL;
    cs_mutex_unlock(&x->lock);
    return known;
}

cs_recall cs_effects_recall(cs_effects *x, cs_slice tenant, cs_slice request_id, const uint8_t digest[CS_INPUT_DIGEST],
                            cs_arena *a, cs_answer *out, cs_effects_wake *wake, void *self)
{
    cs_recall found = CS_RECALL_NEW;
    cs_mutex_lock(&x->lock);
    cs_decision__entry *entry = cs_map_get(&x->entries, make_key(x, tenant, request_id));
    if (entry == NULL) {
        found = CS_RECALL_NEW;
    } else if (memcmp(entry->digest, digest, CS_INPUT_DIGEST) != 0) {
        found = CS_RECALL_CONFLICT;
    } else if (entry->pending) {
        CS_VEC_PUSH(&entry->waiters, ((cs_decision__waiter){wake, self}));
        found = CS_RECALL_WAIT;
    } else if (entry->foreign && cs_time_mono_ns() - entry->since_mono < SOON_NS) {
        found = CS_RECALL_SOON;
    } else if (!entry->has_answer || entry->doubtful || entry->until_ns <= x->now_ns(x->now_self)) {
        found = CS_RECALL_FORGOTTEN;
    } else {
        copy_answer(cs_arena_alloc(a, answer_size(&entry->answer) + 1), &entry->answer, out);
        found = CS_RECALL_ANSWER;
    }
    cs_mutex_unlock(&x->lock);
    return found;
}

bool cs_decision__replay_begin(cs_effects *x, cs_slice tenant, cs_slice request_id, const uint8_t *digest)
{
    cs_mutex_lock(&x->lock);
    cs_slice key = make_key(x, tenant, request_id);
    bool fresh = cs_map_get(&x->entries, key) == NULL;
    if (fresh) {
        cs_decision__entry *entry = cs_decision__replay_add(x, key);
        entry->pending = true;
        memcpy(entry->digest, digest, CS_INPUT_DIGEST);
    }
    cs_mutex_unlock(&x->lock);
    return fresh;
}

/* Takes those who wait out of an entry; they are woken without the lock. */
static cs_decision__waiter *take_waiters(cs_decision__entry *entry, size_t *n)
{
    cs_decision__waiter *v = entry->waiters.v;
    *n = entry->waiters.n;
    entry->waiters.v = NULL;
    entry->waiters.n = entry->waiters.cap = 0;
    return v;
}

static void wake_all(cs_decision__waiter *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        v[i].wake(v[i].self);
    }
    cs_free(v);
}

void cs_decision__replay_fail(cs_effects *x, cs_slice tenant, cs_slice request_id)
{
    size_t n = 0;
    cs_decision__waiter *waiters = NULL;
    cs_mutex_lock(&x->lock);
    cs_decision__entry *entry = cs_map_get(&x->entries, make_key(x, tenant, request_id));
    if (entry != NULL && entry->pending) {
        waiters = take_waiters(entry, &n);
        drop_entry(x, entry);
    }
    cs_mutex_unlock(&x->lock);
    wake_all(waiters, n);
}

/* ---- the fold */

static bool read_digest(cs_arena *a, cs_value data, uint8_t *out)
{
    cs_slice text = text_of(data, "input_digest");
    cs_slice bytes;
    size_t bad = 0;
    if (!cs_slice_starts(text, CS_LIT(DIGEST_PREFIX)) ||
        !cs_hex_decode(a, cs_slice_sub(text, sizeof DIGEST_PREFIX - 1, text.n), &bytes, &bad) ||
        bytes.n != CS_INPUT_DIGEST) {
        return false;
    }
    memcpy(out, bytes.p, CS_INPUT_DIGEST);
    return true;
}

/* What an event says, read before the lock is taken. */
typedef struct committed {
    cs_slice tenant, request_id;
    uint8_t digest[CS_INPUT_DIGEST];
    cs_answer answer;
    bool has_answer;
    bool past;
    bool doubtful;
    int64_t placed_ns;
    int64_t until_ns;
} committed;

static int64_t placed_at(cs_value data)
{
    int64_t ns = 0;
    const cs_value *v = cs_object_get_text(data, "placed_at");
    return v != NULL && cs_is(*v, CS_NUMBER) && cs_number_is_int(*v, &ns) ? ns : 0;
}

/* Of the first hold; if that one is doubtful, all are. */
static void look_at_hold(const cs_effects *x, cs_arena *a, cs_value data, committed *out)
{
    const cs_value *list = cs_object_get_text(data, "holds");
    if (list == NULL || !cs_is(*list, CS_ARRAY) || list->n == 0 || !cs_is(list->u.items[0], CS_OBJECT)) {
        return;
    }
    cs_hold hold;
    out->placed_ns = placed_at(list->u.items[0]);
    out->doubtful = cs_hold_get(x->spend, text_of(list->u.items[0], "id"), a, &hold) && hold.doubtful;
}

static bool read_committed(const cs_effects *x, cs_arena *a, const cs_event *event, committed *out)
{
    *out = (committed){.tenant = text_of(event->data, "tenant"),
                       .request_id = text_of(event->data, "request_id"),
                       .until_ns = event->arrived_ns + x->replay_ns};
    bool over = event->past && out->until_ns <= x->now_ns(x->now_self);
    if (!cs_slice_is(event->type, COMMITTED) || over || out->request_id.n == 0 ||
        !read_digest(a, event->data, out->digest)) {
        return false;
    }
    out->has_answer = read_answer(a, event->data, &out->answer);
    out->past = event->past;
    look_at_hold(x, a, event->data, out);
    return true;
}

/* Under the lock; the first event of a request counts. */
static bool remember(cs_effects *x, const committed *c, cs_decision__waiter **waiters, size_t *n)
{
    forget_old(x);
    cs_slice key = make_key(x, c->tenant, c->request_id);
    cs_decision__entry *entry = cs_map_get(&x->entries, key);
    if (entry != NULL && !entry->pending) {
        return false;
    }
    if (entry == NULL) {
        entry = cs_decision__replay_add(x, key);
        entry->foreign = !c->past;
        entry->doubtful = c->doubtful;
        entry->since_mono = cs_time_mono_ns();
    }
    memcpy(entry->digest, c->digest, CS_INPUT_DIGEST);
    entry->placed_ns = c->placed_ns;
    cs_decision__replay_settle(x, entry, c->has_answer ? &c->answer : NULL, c->until_ns);
    *waiters = take_waiters(entry, n);
    return true;
}

/* A decision that its replica took back: it was never answered. */
static void take_back(cs_effects *x, const cs_event *event)
{
    cs_mutex_lock(&x->lock);
    cs_slice key = make_key(x, text_of(event->data, "tenant"), text_of(event->data, "request_id"));
    cs_decision__entry *entry = cs_map_get(&x->entries, key);
    if (entry != NULL && !entry->pending && entry->placed_ns == placed_at(event->data)) {
        remove_answer(x, entry);
    }
    cs_mutex_unlock(&x->lock);
}

static cs_event_outcome fold(void *self, const cs_event *event)
{
    cs_effects *x = self;
    cs_event_outcome outcome = CS_EVENT_UNSEEN;
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    committed c;
    if (event->outcome == CS_EVENT_CONFLICT) {
        /* Ours, and it did not fit. */
        cs_decision__replay_fail(x, text_of(event->data, "tenant"), text_of(event->data, "request_id"));
    } else if (read_committed(x, &scratch, event, &c)) {
        size_t n = 0;
        cs_decision__waiter *waiters = NULL;
        cs_mutex_lock(&x->lock);
        outcome = remember(x, &c, &waiters, &n) ? CS_EVENT_APPLIED : CS_EVENT_DUPLICATE;
        cs_mutex_unlock(&x->lock);
        wake_all(waiters, n);
    }
    cs_arena_destroy(&scratch);
    return outcome;
}

static cs_event_outcome fold_voided(void *self, const cs_event *event)
{
    if (cs_slice_is(event->type, VOIDED) && cs_object_get_text(event->data, "contended") != NULL) {
        take_back(self, event);
    }
    return CS_EVENT_UNSEEN;
}

void cs_decision__replay_init(cs_effects *x)
{
    cs_mutex_init(&x->lock);
    cs_map_init(&x->entries);
    cs_buf_init(&x->room);
    cs_decision__replay_save_init(x);
    /* Behind the fold of the ledger, which says whether the holds fit. */
    cs_fold answers = {.types = "io.countersign.decision.", .self = x, .apply = fold};
    cs_fold voids = {.types = "io.countersign.hold.", .self = x, .apply = fold_voided};
    cs_decision__replay_save_hooks(&answers, &voids);
    cs_journal_fold(x->journal, &answers);
    cs_journal_fold(x->journal, &voids);
}

void cs_decision__replay_destroy(cs_effects *x)
{
    size_t cursor = 0;
    const cs_map_entry *e = NULL;
    while ((e = cs_map_next(&x->entries, &cursor)) != NULL) {
        cs_decision__entry *entry = e->value;
        cs_free((char *)(uintptr_t)entry->key.p);
        cs_free(entry->block);
        CS_VEC_FREE(&entry->waiters);
        cs_free(entry);
    }
    cs_map_destroy(&x->entries);
    cs_decision__replay_save_destroy(x);
    cs_buf_destroy(&x->room);
    cs_mutex_destroy(&x->lock);
}
