/* The table of approvals: made by events, looked at by everybody, forgotten when they are over and old. */
#include "countersign/approval.h"

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "internal.h"

#define REMEMBERED_NS (35 * 86400 * CS_NS_PER_S)
enum { FORGET_AT_ONCE = 16 };

static const char *const state_names[CS_APPROVAL_STATES] = {
    "requested", "partially_approved", "approved", "consumed", "rejected", "expired", "cancelled"};

const char *cs_approval_state_name(cs_approval_state state)
{
    return state < CS_APPROVAL_STATES ? state_names[state] : "unknown";
}

bool cs_approval_state_find(cs_slice name, cs_approval_state *out)
{
    for (int i = 0; i < CS_APPROVAL_STATES; i++) {
        if (cs_slice_is(name, state_names[i])) {
            *out = (cs_approval_state)i;
            return true;
        }
    }
    return false;
}

bool cs_approval_is_digest(cs_slice text)
{
    bool good = text.n == 7 + 64 && cs_slice_starts(text, CS_LIT("sha256:"));
    for (size_t i = 7; good && i < text.n; i++) {
        char c = text.p[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }
    return good;
}

/* ---- values */

cs_value cs_approval__member(cs_value object, const char *name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, name) : NULL;
    return v != NULL && !cs_is(*v, CS_NULL) ? *v : cs_undefined();
}

cs_slice cs_approval__text(cs_value object, const char *name)
{
    cs_value v = cs_approval__member(object, name);
    return cs_is(v, CS_STRING) ? cs_text(v) : CS_LIT("");
}

int64_t cs_approval__whole(cs_value object, const char *name, int64_t without)
{
    cs_value v = cs_approval__member(object, name);
    int64_t n = without;
    return cs_is(v, CS_NUMBER) && cs_number_is_int(v, &n) ? n : without;
}

cs_value cs_approval__json(cs_arena *a, cs_slice text)
{
    cs_value v;
    return cs_json_read(a, text, NULL, &v, NULL, NULL) == CS_OK ? v : cs_null();
}

/* ---- the table */

cs_approvals *cs_approvals_new(const cs_approvals_options *options)
{
    cs_approvals *x = cs_zalloc(sizeof *x);
    x->journal = options->journal;
    x->now_ns = options->now_ns != NULL ? options->now_ns : cs_time_wall_clock;
    x->now_self = options->now_self;
    cs_buf source;
    cs_buf_init(&source);
    cs_buf_printf(&source, "/countersign/%.*s", CS_FMT(options->replica));
    x->source = cs_strdup(cs_buf_cstr(&source));
    cs_buf_destroy(&source);
    x->live = (cs_live){.root = "approvals",
                        .self = x,
                        .row = cs_approval__row,
                        .item = cs_approval__row_item,
                        .all = cs_approval__all};
    cs_mutex_init(&x->lock);
    cs_map_init(&x->by_id);
    cs_map_init(&x->by_digest);
    cs_map_init(&x->tenants);
    cs_map_init(&x->aliases);
    cs_arena_init(&x->scratch, 0);
    cs_buf_init(&x->row);
    cs_buf_init(&x->room);
    cs_dirty_init(&x->rows, cs_journal_keeps_snapshots(x->journal), cs_approval__put_row, x,
                  offsetof(cs_approval__item, dirty));
    cs_approval__fold_init(x);
    cs_approval__metrics_init(x, options->metrics);
    return x;
}

static void free_item(cs_approval__item *item)
{
    cs_free((char *)(uintptr_t)item->id.p);
    cs_free(item->acts);
    cs_free(item);
}

void cs_approvals_free(cs_approvals *x)
{
    if (x == NULL) {
        return;
    }
    size_t cursor = 0;
    const cs_map_entry *e = NULL;
    while ((e = cs_map_next(&x->by_id, &cursor)) != NULL) {
        free_item(e->value);
    }
    for (cursor = 0; (e = cs_map_next(&x->tenants, &cursor)) != NULL;) {
        cs_approval__tenant *t = e->value;
        cs_free((char *)(uintptr_t)t->name.p);
        cs_free(t);
    }
    cs_approval__config_destroy(x);
    cs_map_destroy(&x->by_id);
    cs_map_destroy(&x->by_digest);
    cs_map_destroy(&x->tenants);
    cs_arena_destroy(&x->scratch);
    cs_dirty_destroy(&x->rows);
    cs_buf_destroy(&x->row);
    cs_buf_destroy(&x->room);
    cs_mutex_destroy(&x->lock);
    cs_free(x->source);
    cs_free(x);
}

const cs_live *cs_approvals_live(cs_approvals *x)
{
    return &x->live;
}

static void add_listener(cs_approvals *x, cs_approval_heard *heard, void *self, bool past)
{
    cs_assert(x->n_listeners < CS_APPROVAL__LISTENERS);
    x->listeners[x->n_listeners].heard = heard;
    x->listeners[x->n_listeners].past = past;
    x->listeners[x->n_listeners++].self = self;
}

void cs_approvals_listen(cs_approvals *x, cs_approval_heard *heard, void *self)
{
    add_listener(x, heard, self, false);
}

void cs_approvals_follow(cs_approvals *x, cs_approval_heard *heard, void *self)
{
    add_listener(x, heard, self, true);
}

cs_approval__tenant *cs_approval__tenant_of(cs_approvals *x, cs_slice name, bool make)
{
    cs_approval__tenant *t = cs_map_get(&x->tenants, name);
    if (t == NULL && make) {
        t = cs_zalloc(sizeof *t);
        char *own = cs_alloc(name.n + 1);
        memcpy(own, name.p, name.n);
        t->name = cs_slice_make(own, name.n);
        (void)cs_map_put(&x->tenants, t->name, t);
    }
    return t;
}

static cs_slice digest_key(cs_buf *room, cs_slice tenant, cs_slice digest)
{
    cs_buf_clear(room);
    cs_buf_slice(room, tenant);
    cs_buf_byte(room, 0);
    cs_buf_slice(room, digest);
    return cs_buf_view(room);
}

cs_approval__item *cs_approval__newest(cs_approvals *x, cs_slice tenant, cs_slice digest)
{
    return cs_map_get(&x->by_digest, digest_key(&x->room, tenant, digest));
}

static void list_add(cs_approval__list *list, cs_approval__item *item)
{
    item->prev = list->last;
    item->next = NULL;
    *(list->last != NULL ? &list->last->next : &list->first) = item;
    list->last = item;
    list->n++;
}

static void list_remove(cs_approval__list *list, cs_approval__item *item)
{
    *(item->prev != NULL ? &item->prev->next : &list->first) = item->next;
    *(item->next != NULL ? &item->next->prev : &list->last) = item->prev;
    list->n--;
}

static cs_slice put(char **at, cs_slice text)
{
    memcpy(*at, text.p, text.n);
    cs_slice copy = cs_slice_make(*at, text.n);
    *at += text.n;
    return copy;
}

cs_approval__item *cs_approval__add(cs_approvals *x, const cs_approval__item *like, cs_slice tenant, cs_slice acts)
{
    cs_approval__item *item = cs_zalloc(sizeof *item);
    *item = *like;
    char *at = cs_alloc(like->id.n + like->digest.n + like->key.n + like->config.n + like->request.n + 1);
    item->id = put(&at, like->id);
    item->digest = put(&at, like->digest);
    item->key = put(&at, like->key);
    item->config = put(&at, like->config);
    item->request = put(&at, like->request);
    item->acts = cs_alloc(acts.n + 1);
    memcpy(item->acts, acts.p, acts.n);
    item->n_text = acts.n;
    item->tenant = cs_approval__tenant_of(x, tenant, true);
    item->older = item->tenant->first;
    if (item->older != NULL) {
        item->older->newer = item;
    }
    item->tenant->first = item;
    item->tenant->n_open += item->ended_ns == 0;
    list_add(item->ended_ns == 0 ? &x->open : &x->over, item);
    (void)cs_map_put(&x->by_id, item->id, item);
    const cs_approval__item *newest = cs_approval__newest(x, tenant, item->digest);
    if (newest == NULL || newest->ordinal <= item->ordinal) {
        (void)cs_map_put(&x->by_digest, digest_key(&x->room, tenant, item->digest), item);
    }
    return item;
}

void cs_approval__set_acts(cs_approval__item *item, cs_value acts)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, acts, 0);
    cs_free(item->acts);
    item->acts = cs_alloc(text.n + 1);
    memcpy(item->acts, text.p, text.n);
    item->n_text = text.n;
    cs_buf_destroy(&text);
}

void cs_approval__end(cs_approvals *x, cs_approval__item *item, cs_approval_state how, int64_t at_ns)
{
    bool was = item->ended_ns != 0;
    bool is = how != CS_APPROVAL_STATES;
    if (was != is) {
        list_remove(was ? &x->over : &x->open, item);
        list_add(is ? &x->over : &x->open, item);
        item->tenant->n_open += is ? (size_t)-1 : 1;
    }
    item->ended = is ? how : CS_APPROVAL_REQUESTED;
    item->ended_ns = !is ? 0 : at_ns != 0 ? at_ns : 1;
}

static void drop(cs_approvals *x, cs_approval__item *item)
{
    cs_dirty_gone(&x->rows, item, item->id);
    list_remove(item->ended_ns == 0 ? &x->open : &x->over, item);
    *(item->newer != NULL ? &item->newer->older : &item->tenant->first) = item->older;
    if (item->older != NULL) {
        item->older->newer = item->newer;
    }
    (void)cs_map_remove(&x->by_id, item->id);
    if (cs_approval__newest(x, item->tenant->name, item->digest) == item) {
        (void)cs_map_remove(&x->by_digest, digest_key(&x->room, item->tenant->name, item->digest));
    }
    free_item(item);
}

void cs_approval__forget(cs_approvals *x)
{
    int64_t now = x->now_ns(x->now_self);
    for (int i = 0; i < FORGET_AT_ONCE && x->over.first != NULL; i++) {
        cs_approval__item *item = x->over.first;
        bool many = x->over.n + x->open.n > cs_limits_get()->approvals;
        if (item->reserved > 0 || (!many && item->ended_ns > now - REMEMBERED_NS)) {
            break;
        }
        drop(x, item);
    }
}

/* ---- states */

int64_t cs_approval__execute_by(const cs_approval__item *item)
{
    int64_t by = INT64_MAX;
    return item->approved_ns == 0 || __builtin_add_overflow(item->approved_ns, item->execute_ns, &by) ? INT64_MAX : by;
}

cs_approval_state cs_approval__state(const cs_approval__item *item, int64_t now_ns)
{
    if (item->ended_ns != 0) {
        return item->ended;
    }
    if (item->approved_ns != 0) {
        return now_ns > cs_approval__execute_by(item) ? CS_APPROVAL_EXPIRED : CS_APPROVAL_APPROVED;
    }
    return now_ns > item->approve_by_ns ? CS_APPROVAL_EXPIRED
           : item->grants > 0           ? CS_APPROVAL_PARTIALLY_APPROVED
                                        : CS_APPROVAL_REQUESTED;
}

/* ---- a use, kept aside while its event is on the way */

cs_approval_verdict cs_approvals_reserve(cs_approvals *x, cs_arena *a, cs_slice tenant, cs_slice id, cs_slice digest,
                                         cs_slice *key)
{
    cs_approval_verdict verdict = CS_APPROVAL_GONE;
    cs_mutex_lock(&x->lock);
    cs_approval__item *item = cs_map_get(&x->by_id, id);
    bool fits = item != NULL && cs_slice_eq(item->tenant->name, tenant) &&
                (digest.n == 0 || cs_slice_eq(item->digest, digest)) &&
                cs_approval__state(item, x->now_ns(x->now_self)) == CS_APPROVAL_APPROVED;
    if (fits && item->used + item->reserved < item->uses) {
        item->reserved++;
        *key = cs_slice_make(cs_arena_dup(a, item->key.p, item->key.n), item->key.n);
        verdict = CS_APPROVAL_RESERVED;
    } else if (fits) {
        verdict = CS_APPROVAL_BUSY;
    }
    cs_mutex_unlock(&x->lock);
    return verdict;
}

void cs_approvals_release(cs_approvals *x, cs_slice id)
{
    cs_mutex_lock(&x->lock);
    cs_approval__item *item = cs_map_get(&x->by_id, id);
    if (item != NULL && item->reserved > 0) {
        item->reserved--;
    }
    cs_mutex_unlock(&x->lock);
}
