/* What the log says of holds: placed with a decision, voided, and settled by the spend events that name them. */
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/number.h"
#include "spend/internal.h"

#define COMMITTED "io.countersign.decision.committed.v1"
#define VOIDED "io.countersign.hold.voided.v1"
#define SETTLED "io.countersign.hold.settled.v1"
#define REMEMBERED_NS (24 * 3600 * CS_NS_PER_S)

/* ---- data.holds */

cs_value cs_holds_value(cs_arena *a, const cs_hold *holds, size_t n)
{
    cs_value *items = cs_arena_array(a, cs_value, n);
    for (size_t i = 0; i < n; i++) {
        const cs_hold *h = &holds[i];
        cs_value v = items[i] = cs_object_new(a, 8);
        cs_object_put_text(a, v, "id", cs_string(h->id));
        cs_object_put_text(a, v, "amount_nanos", cs_int(h->amount_nanos));
        cs_object_put_text(a, v, "currency", cs_string(h->currency));
        cs_object_put_text(a, v, "placed_at", cs_int(h->placed_ns));
        cs_object_put_text(a, v, "expires_at", cs_int(h->expires_ns));
        cs_object_put_text(a, v, "on_expiry", cs_string(cs_slice_of(h->charge ? "charge_estimate" : "release")));
        if (cs_is(h->scope, CS_OBJECT)) {
            cs_object_put_text(a, v, "scope", h->scope);
        }
        if (h->estimate_nanos > 0 && h->document_id.n > 0) {
            cs_object_put_text(a, v, "document_id", cs_string(h->document_id));
            cs_object_put_text(a, v, "estimate_nanos", cs_int(h->estimate_nanos));
        }
        cs_value limits = cs_object_new(a, (uint32_t)h->n_limits);
        for (size_t k = 0; k < h->n_limits; k++) {
            cs_object_put(a, limits, cs_string(h->limits[k].budget), cs_int(h->limits[k].nanos));
        }
        if (h->n_limits > 0) {
            cs_object_put_text(a, v, "limits", limits);
        }
    }
    return cs_array(items, n);
}

static bool whole(cs_value object, const char *name, int64_t *out)
{
    const cs_value *v = cs_object_get_text(object, name);
    return v != NULL && cs_is(*v, CS_NUMBER) && cs_number_is_int(*v, out);
}

static bool read_limits(cs_arena *a, cs_value v, cs_hold *out)
{
    if (!cs_is(v, CS_OBJECT)) {
        return false;
    }
    cs_hold_limit *limits = cs_arena_array(a, cs_hold_limit, cs_count(v));
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value nanos, key = cs_entry(v, i, &nanos);
        if (!cs_is(key, CS_STRING) || !cs_is(nanos, CS_NUMBER) || !cs_number_is_int(nanos, &limits[i].nanos)) {
            return false;
        }
        limits[i].budget = cs_text(key);
    }
    out->limits = limits;
    out->n_limits = cs_count(v);
    return true;
}

static bool read_hold(cs_arena *a, cs_value v, cs_hold *out)
{
    *out = (cs_hold){.scope = cs_undefined()};
    cs_slice expiry;
    if (!cs_is(v, CS_OBJECT) || !cs_event_text(v, "id", &out->id) || !cs_event_text(v, "currency", &out->currency) ||
        out->currency.n != 3 || !whole(v, "amount_nanos", &out->amount_nanos) ||
        !whole(v, "placed_at", &out->placed_ns) || !whole(v, "expires_at", &out->expires_ns) || out->amount_nanos < 0 ||
        out->expires_ns < out->placed_ns) {
        return false;
    }
    out->charge = cs_event_text(v, "on_expiry", &expiry) && cs_slice_is(expiry, "charge_estimate");
    if (!cs_event_text(v, "document_id", &out->document_id) || !whole(v, "estimate_nanos", &out->estimate_nanos)) {
        out->document_id = CS_LIT("");
    }
    const cs_value *scope = cs_object_get_text(v, "scope");
    out->scope = scope != NULL ? *scope : cs_undefined();
    const cs_value *limits = cs_object_get_text(v, "limits");
    return limits == NULL || read_limits(a, *limits, out);
}

/* The holds that an event places; false if it is not readable. */
static bool read_committed(cs_arena *a, const cs_event *event, cs_hold *holds, size_t *n)
{
    cs_slice tenant, request_id;
    const cs_value *list = cs_object_get_text(event->data, "holds");
    *n = 0;
    if (!cs_event_text(event->data, "tenant", &tenant) || !cs_event_text(event->data, "request_id", &request_id)) {
        return false;
    }
    if (list == NULL) {
        return true;
    }
    if (!cs_is(*list, CS_ARRAY) || list->n > CS_HOLDS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        if (!read_hold(a, list->u.items[i], &holds[i])) {
            return false;
        }
        holds[i].tenant = tenant;
        holds[i].request_id = request_id;
    }
    *n = list->n;
    return true;
}

/* ---- placed */

/* How long it still lives: its whole life from now on if it is new, whatever the wall clocks say; what the wall clock
 * has left of it (below nothing if it is over), but never more than that life, if it is read back at a start. */
static int64_t life_left(const cs_event *event, const cs_hold *hold, int64_t now)
{
    int64_t life = hold->expires_ns - hold->placed_ns;
    int64_t left = event->past ? hold->expires_ns - now : life;
    return left > life ? life : left;
}

/* What a hold of the log is here. */
typedef enum arrival { OURS, NEW, KNOWN, OVER } arrival;

static cs_spend__hold *enter(cs_spend *s, const cs_hold *from, int64_t left)
{
    cs_spend__pairs scope;
    cs_spend__read_scope(from->scope, &scope);
    cs_spend__shard *shard = cs_spend__shard_of(s, from->tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_make(s, shard, from->tenant);
    cs_mutex_unlock(&shard->lock);
    cs_spend__hold *hold = cs_spend__hold_make(account, from, &scope);
    hold->committed = true;
    hold->deadline = s->mono_ns(s->now_self) + left;
    cs_spend__hold *early = cs_spend__hold_find_early(s->holds, from);
    if (early != NULL) {
        cs_spend__hold_take_early(s, early, hold);
    }
    cs_spend__hold_enter(s->holds, hold);
    cs_spend__hold_touch(s->holds, hold);
    if (hold->state == CS_HOLD_PENDING) {
        cs_spend__hold_pin(s, hold);
    }
    return hold;
}

static void commit_pins(cs_spend *s, cs_spend__hold *hold)
{
    for (uint32_t i = 0; i < hold->n_pins; i++) {
        cs_spend__shard *shard = cs_spend__shard_of(s, hold->pins[i].account->name);
        cs_mutex_lock(&shard->lock);
        cs_spend__pin_commit(&hold->pins[i]);
        cs_mutex_unlock(&shard->lock);
    }
    hold->committed = true;
    cs_spend__hold_touch(s->holds, hold);
}

static arrival place(cs_spend *s, const cs_event *event, const cs_hold *from, int64_t now)
{
    cs_spend__hold *known = cs_map_get(&s->holds->by_id, from->id);
    if (known != NULL && !known->early && !known->committed && known->placed_ns == from->placed_ns) {
        commit_pins(s, known);
        return OURS;
    }
    if (known != NULL && (known->rejected || !known->committed)) {
        cs_spend__hold_forget(s, known); /* given up before; or another replica was asked the same, and came first */
        known = NULL;
    }
    if (known != NULL && !known->early) {
        return KNOWN;
    }
    int64_t left = life_left(event, from, now);
    if (left <= 0 && !from->charge && from->placed_ns < now - REMEMBERED_NS) {
        return OVER;
    }
    (void)enter(s, from, left);
    return NEW;
}

/* Do the holds of a decision fit behind all that came before them in the log? Those that are settled already do. */
static bool all_fit(cs_spend *s, const cs_hold *holds, size_t n)
{
    bool fit = true;
    cs_spend__chain chain;
    cs_spend__chain_lock(s, holds[0].tenant, true, &chain);
    for (size_t i = 0; fit && i < n; i++) {
        const cs_spend__hold *hold = cs_map_get(&s->holds->by_id, holds[i].id);
        fit = hold == NULL || hold->state != CS_HOLD_PENDING || cs_spend__hold_fits(s, hold, &holds[i], &chain);
    }
    cs_spend__chain_unlock(s, &chain);
    return fit;
}

static void reject(cs_spend *s, const cs_event *event, const cs_hold *holds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_spend__hold *hold = cs_map_get(&s->holds->by_id, holds[i].id);
        if (hold != NULL && hold->state == CS_HOLD_PENDING) {
            cs_spend__hold_release(s, hold);
            cs_spend__hold_gone(s->holds, hold); /* as if it had never been */
            hold->state = CS_HOLD_VOIDED;
            hold->rejected = true;
            hold->resolved_ns = event->arrived_ns;
        }
    }
}

static void doubt(cs_spend *s, const cs_hold *holds, size_t n)
{
    int64_t mono = cs_spend__hold_clock(s);
    for (size_t i = 0; i < n; i++) {
        cs_spend__hold *hold = cs_map_get(&s->holds->by_id, holds[i].id);
        for (uint32_t k = 0; hold != NULL && k < hold->n_pins; k++) {
            cs_spend__shard *shard = cs_spend__shard_of(s, hold->pins[k].account->name);
            cs_mutex_lock(&shard->lock);
            cs_spend__pin_doubt(&hold->pins[k], mono);
            cs_mutex_unlock(&shard->lock);
            hold->doubtful = true;
        }
    }
}

static cs_event_outcome fold_decision(void *self, const cs_event *event)
{
    cs_spend *s = self;
    cs_hold holds[CS_HOLDS_MAX];
    size_t n = 0;
    if (!cs_slice_is(event->type, COMMITTED) || !read_committed(&s->scratch, event, holds, &n)) {
        return CS_EVENT_UNSEEN;
    }
    size_t ours = 0;
    size_t fresh = 0;
    int64_t now = s->now_ns(s->now_self);
    cs_mutex_lock(&s->holds->lock);
    cs_spend__holds_sweep(s);
    for (size_t i = 0; i < n; i++) {
        arrival what = place(s, event, &holds[i], now);
        ours += what == OURS;
        fresh += what == NEW;
    }
    cs_event_outcome outcome = n == 0 || ours + fresh > 0 ? CS_EVENT_APPLIED : CS_EVENT_DUPLICATE;
    if (s->shared && !event->past && ours + fresh > 0 && !all_fit(s, holds, n)) {
        if (ours > 0) {
            reject(s, event, holds, n);
            outcome = CS_EVENT_CONFLICT;
        } else {
            doubt(s, holds, n);
        }
    }
    cs_mutex_unlock(&s->holds->lock);
    cs_arena_reset(&s->scratch);
    return outcome;
}

static cs_err check_decision(void *self, cs_arena *a, cs_event *event, cs_event_reject *reject)
{
    (void)self;
    cs_hold holds[CS_HOLDS_MAX];
    size_t n = 0;
    if (cs_slice_is(event->type, COMMITTED) && !read_committed(a, event, holds, &n)) {
        return cs_event_refuse(a, reject, "invalid_holds", "data.holds cannot be read");
    }
    return CS_OK;
}

/* ---- resolved */

static bool resolve(cs_spend *s, const cs_event *event, cs_spend__hold *hold, cs_hold_state state, int64_t nanos)
{
    if (hold->state != CS_HOLD_PENDING) {
        return false;
    }
    bool over = event->past ? event->arrived_ns >= hold->expires_ns : hold->deadline <= cs_spend__hold_clock(s);
    if (hold->committed) {
        cs_spend__hold_touch(s->holds, hold);
    }
    cs_spend__hold_release(s, hold);
    /* A void was asked for while the hold was open: that it is in the log says so, whatever a clock says by now. */
    hold->state = over && state == CS_HOLD_POSTED ? CS_HOLD_POSTED_LATE : state;
    hold->posted = state == CS_HOLD_VOIDED ? 0 : nanos;
    hold->resolved_ns = event->arrived_ns;
    if (state == CS_HOLD_POSTED) {
        cs_spend__learn(s, hold->document_id, hold->estimate, nanos);
    }
    if (!event->past) {
        (void)atomic_fetch_add_explicit(&s->holds->resolved[hold->state], 1, memory_order_relaxed);
    }
    return true;
}

/* Voided by the replica that placed it, since it did not fit at its place in the log. `placed_at` tells the try. */
static bool fold_contended(cs_spend *s, const cs_event *event, cs_spend__hold *hold)
{
    int64_t placed = 0;
    if (!whole(event->data, "placed_at", &placed) || placed != hold->placed_ns || hold->state != CS_HOLD_PENDING) {
        return false;
    }
    cs_hold named = {.id = hold->id};
    reject(s, event, &named, 1);
    return true;
}

/* The spend event is in the other topic, and may come later: until then the hold counts as what it came to. */
static cs_event_outcome fold_settled(cs_spend *s, const cs_event *event)
{
    cs_slice id;
    int64_t nanos = 0;
    if (!cs_event_text(event->data, "hold", &id) || !whole(event->data, "posted_nanos", &nanos) || nanos < 0) {
        return CS_EVENT_UNSEEN;
    }
    cs_mutex_lock(&s->holds->lock);
    cs_spend__hold *hold = cs_map_get(&s->holds->by_id, id);
    bool open = hold != NULL && hold->state == CS_HOLD_PENDING && hold->committed;
    if (open) {
        cs_spend__hold_becomes(s, hold, nanos);
    }
    cs_mutex_unlock(&s->holds->lock);
    return open ? CS_EVENT_APPLIED : CS_EVENT_DUPLICATE;
}

static cs_event_outcome fold_hold(void *self, const cs_event *event)
{
    cs_spend *s = self;
    cs_slice id;
    if (cs_slice_is(event->type, SETTLED)) {
        return fold_settled(s, event);
    }
    if (!cs_slice_is(event->type, VOIDED) || !cs_event_text(event->data, "hold", &id)) {
        return CS_EVENT_UNSEEN;
    }
    bool contended = cs_object_get_text(event->data, "contended") != NULL;
    cs_mutex_lock(&s->holds->lock);
    cs_spend__hold *hold = cs_map_get(&s->holds->by_id, id);
    bool done = false;
    if (hold != NULL && !hold->early) {
        done = contended ? fold_contended(s, event, hold) : resolve(s, event, hold, CS_HOLD_VOIDED, 0);
    }
    cs_mutex_unlock(&s->holds->lock);
    return done ? CS_EVENT_APPLIED : CS_EVENT_DUPLICATE;
}

/* The one that an event means: named, or the first of its request and currency that is still open. */
static cs_spend__hold *meant(cs_spend__holds *t, const cs_spend__event *spend)
{
    if (spend->hold.n > 0) {
        cs_spend__hold *hold = cs_map_get(&t->by_id, spend->hold);
        return hold != NULL && cs_slice_eq(hold->account->name, spend->tenant) ? hold : NULL;
    }
    cs_spend__hold *found = NULL;
    for (cs_spend__hold *h = cs_spend__holds_of(t, spend->tenant, spend->correlation); h != NULL; h = h->sibling) {
        bool open = h->state == CS_HOLD_PENDING;
        if (memcmp(h->currency, spend->currency.p, 3) == 0 && (found == NULL || open)) {
            found = h;
        }
    }
    return found;
}

/* Settled, but not known yet: an event of the same request has overtaken the one that places it. */
static void remember(cs_spend *s, const cs_event *event, const cs_spend__event *spend, cs_spend__account *account)
{
    cs_spend__holds *t = s->holds;
    if (spend->hold.n > 0 && cs_map_get(&t->by_id, spend->hold) != NULL) {
        return; /* another tenant's */
    }
    cs_hold early = {.id = spend->hold.n > 0 ? spend->hold : CS_LIT(""),
                     .request_id = spend->hold.n > 0 ? CS_LIT("") : spend->correlation,
                     .currency = spend->currency,
                     .placed_ns = event->arrived_ns,
                     .expires_ns = event->arrived_ns};
    cs_spend__hold *hold = cs_spend__hold_make(account, &early, &(cs_spend__pairs){.n = 0});
    hold->early = hold->committed = true;
    hold->state = CS_HOLD_POSTED;
    hold->posted = spend->nanos;
    hold->resolved_ns = event->arrived_ns;
    cs_spend__hold_enter(t, hold);
    cs_spend__hold_touch(t, hold);
    cs_spend__holds_sweep(s);
}

cs_spend__hold *cs_spend__hold_meant(cs_spend *s, const cs_spend__event *spend)
{
    if (spend->kind != CS_SPEND__USAGE || (spend->hold.n == 0 && spend->correlation.n == 0)) {
        return NULL;
    }
    cs_mutex_lock(&s->holds->lock);
    cs_spend__hold *hold = meant(s->holds, spend);
    if (hold == NULL || hold->state != CS_HOLD_PENDING) {
        cs_mutex_unlock(&s->holds->lock);
        return NULL;
    }
    return hold;
}

void cs_spend__hold_unpin(cs_spend__hold *hold, const cs_spend__account *account)
{
    for (uint32_t i = 0; hold != NULL && i < hold->n_pins; i++) {
        if (hold->pins[i].account == account) {
            cs_spend__pin_remove(&hold->pins[i]);
        }
    }
}

void cs_spend__hold_spent(cs_spend *s, const cs_event *event, const cs_spend__event *spend, cs_spend__hold *hold)
{
    if (hold != NULL) {
        (void)resolve(s, event, hold, CS_HOLD_POSTED, spend->nanos);
        cs_mutex_unlock(&s->holds->lock);
        return;
    }
    if (spend->kind != CS_SPEND__USAGE || (spend->hold.n == 0 && spend->correlation.n == 0)) {
        return;
    }
    cs_spend__shard *shard = cs_spend__shard_of(s, spend->tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_make(s, shard, spend->tenant);
    /* Or else nobody places any: most events carry some correlationid. At a start on Kafka the topics come apart. */
    bool holds = account->pins != NULL ||
                 (s->shared && event->past && event->arrived_ns >= s->now_ns(s->now_self) - CS_SPEND__EARLY_NS);
    cs_mutex_unlock(&shard->lock);
    if (spend->hold.n == 0 && !holds) {
        return;
    }
    cs_mutex_lock(&s->holds->lock);
    if (meant(s->holds, spend) == NULL) {
        remember(s, event, spend, account);
    }
    cs_mutex_unlock(&s->holds->lock);
}

/* ---- */

void cs_spend__holds_new(cs_spend *s)
{
    s->holds = cs_zalloc(sizeof *s->holds);
    cs_mutex_init(&s->holds->lock);
    cs_map_init(&s->holds->by_id);
    cs_map_init(&s->holds->by_request);
    cs_buf_init(&s->holds->room);
    cs_spend__hold_save_init(s);
    cs_fold decisions = {
        .types = "io.countersign.decision.", .self = s, .apply = fold_decision, .check = check_decision};
    cs_spend__hold_save_hooks(&decisions);
    cs_journal_fold(s->journal, &decisions);
    cs_fold voids = {.types = "io.countersign.hold.", .self = s, .apply = fold_hold};
    cs_fold_without_rows(&voids, "holds.voided");
    cs_journal_fold(s->journal, &voids);
}

static void free_list(cs_spend__hold_list *list)
{
    for (cs_spend__hold *hold = list->first; hold != NULL;) {
        cs_spend__hold *next = hold->next;
        for (uint32_t i = 0; i < hold->n_pins; i++) {
            CS_VEC_FREE(&hold->pins[i].totals);
        }
        cs_free(hold->pins);
        cs_free(hold);
        hold = next;
    }
}

void cs_spend__holds_free(cs_spend *s)
{
    free_list(&s->holds->list);
    free_list(&s->holds->early);
    for (size_t i = 0; i < s->holds->limbo.n; i++) {
        cs_spend__hold_drop(s->holds->limbo.v[i]);
    }
    CS_VEC_FREE(&s->holds->limbo);
    cs_spend__hold_save_destroy(s);
    cs_map_destroy(&s->holds->by_id);
    cs_map_destroy(&s->holds->by_request);
    cs_buf_destroy(&s->holds->room);
    cs_mutex_destroy(&s->holds->lock);
    cs_free(s->holds);
    s->holds = NULL;
}
