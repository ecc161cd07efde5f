/* The fold: one event into the counters, the same for the same log whatever the order within it.
 *
 * Where an event counts: in the slot of its own time. From the future by more than five minutes, or older than what is
 * kept: in the slot of its arrival. A correction that names its original: in the original's slot; as long as that one
 * has not come, in the slot of its own arrival, and late. */
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "spend/cost.h"
#include "spend/internal.h"

#define FUTURE_NS (300 * CS_NS_PER_S)
#define DEDUPE_NS (35 * 86400 * CS_NS_PER_S)
#define LATENESS_NS (48 * 3600 * CS_NS_PER_S)
#define STALE_NS (5 * CS_NS_PER_S)
#define SKEW_SLOTS (7U * CS_SPEND__SLOTS_A_DAY)

void cs_spend__count_add(cs_spend *s, cs_spend__count which, uint64_t n)
{
    (void)atomic_fetch_add_explicit(&s->counts[which], n, memory_order_relaxed);
    if (s->counted[which] != NULL && n > 0) {
        cs_series_add(s->counted[which], CS_METRICS_ANY, n);
    }
}

/* Money that goes somewhere: whose, in what currency and scope, and the hold that it settles (NULL = none). */
typedef struct posting {
    cs_slice tenant, currency;
    const cs_spend__pairs *scope;
    cs_spend__account *account; /* the tenant's, perhaps; NULL = not known */
    cs_spend__hold *settles;
    bool alerts; /* what it makes due is said */
    int64_t now_ns;
} posting;

static void look_for_alerts(cs_spend *s, const posting *p, cs_spend__account *account)
{
    if (p->alerts) {
        cs_spend__alerts_check(s, account, p->currency, p->scope, p->now_ns);
    } else {
        cs_spend__alerts_later(s, account);
    }
}

/* Applies changes of one piece of spend together, in the tenant's books and in those of whoever is above: no reader of
 * an account sees some of them, nor money both posted and still held. Returns the tenant's account. */
static cs_spend__account *change(cs_spend *s, const posting *p, size_t n, const cs_spend__change *c, uint32_t now_slot)
{
    cs_spend__account *above[CS_SPEND__LEVELS];
    bool due[CS_SPEND__LEVELS];
    size_t levels = 0;
    uint32_t hash = cs_hash_bytes(p->tenant.p, p->tenant.n);
    cs_spend__shard *shard = &s->shards[hash % CS_SPEND__SHARDS];
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_hinted(s, shard, p->tenant, hash, p->account);
    account->alert_due = false;
    bool overflowed = cs_spend__account_post(account, p->currency, p->scope, false, n, c, now_slot);
    cs_spend__hold_unpin(p->settles, account);
    uint64_t configured = s->configured;
    for (const cs_spend__tenant *t = account->tenant; t != NULL && t->parent != NULL; t = t->parent) {
        above[levels++] = t->parent->account;
    }
    bool own_due = account->alert_due;
    cs_mutex_unlock(&shard->lock);
    for (size_t i = 0; i < levels; i++) {
        shard = cs_spend__shard_of(s, above[i]->name);
        cs_mutex_lock(&shard->lock);
        above[i]->alert_due = false;
        if (configured == s->configured) { /* otherwise added up anew since, with what was posted here */
            (void)cs_spend__account_post(above[i], p->currency, p->scope, true, n, c, now_slot);
        }
        cs_spend__hold_unpin(p->settles, above[i]);
        due[i] = above[i]->alert_due;
        cs_mutex_unlock(&shard->lock);
    }
    if (own_due) {
        look_for_alerts(s, p, account);
    }
    for (size_t i = 0; i < levels; i++) {
        if (due[i]) {
            look_for_alerts(s, p, above[i]);
        }
    }
    if (overflowed) {
        (void)atomic_fetch_add_explicit(&s->overflows, 1, memory_order_relaxed);
        cs_log(CS_LOG_ERROR, "A tenant's spend left the range of its counters.", 2,
               (cs_log_field[]){CS_LOG_S("tenant", account->name), CS_LOG_S("currency", p->currency)});
    }
    return account;
}

/* Where an event counts, and what is remarkable about it. */
typedef struct placing {
    uint32_t slot;
    int64_t last_ns;
    bool late, future;
    bool waits; /* for `root` */
    cs_spend__id root;
} placing;

static uint32_t slot_of_arrival(const cs_event *event)
{
    int64_t slot = cs_spend__slot(event->arrived_ns);
    return slot < 0 ? 0 : (uint32_t)slot;
}

static bool kept(int64_t slot, uint32_t arrival)
{
    return slot >= 0 && slot >= (int64_t)arrival - CS_SPEND__KEEP_SLOTS;
}

static placing place_by_time(const cs_spend *s, const cs_event *event, uint32_t arrival)
{
    placing p = {.last_ns = event->time_ns};
    /* time_ns may be anything in int64; arrivals are instants of our own time. */
    p.future = event->time_ns > event->arrived_ns + FUTURE_NS;
    p.late = !p.future && event->time_ns < event->arrived_ns - s->max_lateness_ns;
    int64_t slot = cs_spend__slot(event->time_ns);
    if (p.future || !kept(slot, arrival)) {
        slot = arrival;
        p.last_ns = event->arrived_ns;
    }
    p.slot = (uint32_t)slot;
    return p;
}

static placing place_by_link(cs_spend *s, cs_spend__id original, uint32_t arrival)
{
    placing p = {.slot = arrival, .last_ns = INT64_MIN, .late = true, .root = original};
    const cs_spend__seen_entry *found = cs_spend__seen_find(&s->seen, original, arrival);
    int64_t where = found == NULL ? CS_SPEND__WHERE_WAITING : cs_spend__seen_where(&s->seen, found);
    if (where == CS_SPEND__WHERE_WAITING) {
        const cs_spend__waiting *w = found == NULL ? NULL : cs_spend__waits_find(&s->waits, original);
        p.root = w != NULL ? w->root : original;
        p.waits = found == NULL || w != NULL; /* in a ring of corrections for itself, that is, for ever */
    } else if (kept(where, arrival)) {
        p.slot = (uint32_t)where;
        p.late = false;
    }
    return p;
}

/* What waited for this event moves to it, or waits on with it. */
static void settle_waiting(cs_spend *s, const cs_event *event, cs_spend__id id, const placing *p, uint32_t now_slot)
{
    cs_spend__waiting w;
    int64_t oldest = (int64_t)now_slot - s->seen.keep;
    bool ring = p->waits && cs_spend__id_equal(p->root, id);
    while (!ring && s->waits.n > 0 && cs_spend__waits_take(&s->waits, id, oldest, &w)) {
        if (p->waits) {
            w.root = p->root;
            cs_spend__wait_note(s, &w, true);
            cs_spend__waits_add(&s->waits, &w, oldest);
            continue;
        }
        cs_spend__wait_note(s, &w, false);
        bool stays = !kept(p->slot, w.slot);
        cs_spend__seen_move(&s->seen, w.id, now_slot, stays ? w.slot : p->slot);
        if (stays) {
            cs_free(w.scope);
            continue; /* late */
        }
        cs_spend__change moves[] = {
            {.slot = w.slot, .events = -1, .posted = -w.nanos, .late = -w.nanos, .corrected = -w.nanos},
            {.slot = p->slot, .events = 1, .posted = w.nanos, .corrected = w.nanos}};
        moves[0].last_ns = moves[1].last_ns = INT64_MIN;
        cs_spend__pairs scope = cs_spend__pairs_of_key(cs_slice_make(w.scope, w.n_scope));
        posting moved = {.tenant = w.account->name,
                         .currency = cs_slice_make(w.currency, 3),
                         .scope = &scope,
                         .account = w.account,
                         .alerts = !event->past,
                         .now_ns = event->arrived_ns};
        (void)change(s, &moved, 2, moves, now_slot);
        cs_free(w.scope);
    }
}

static void count(cs_spend *s, const cs_event *event, const cs_spend__event *spend, const placing *p)
{
    if (event->past) {
        return; /* counted by the process that took it */
    }
    cs_spend__count which = p->future ? CS_SPEND__FUTURE : p->late ? CS_SPEND__LATE : CS_SPEND__ACCEPTED;
    cs_spend__count_add(s, which, 1);
    if (spend->rounded) {
        (void)atomic_fetch_add_explicit(&s->rounded, 1, memory_order_relaxed);
    }
}

static void add(cs_spend *s, const cs_event *event, const cs_spend__event *spend, cs_spend__id id, uint32_t arrival,
                cs_spend__hold *settles)
{
    placing p = spend->linked
                    ? place_by_link(s, cs_spend__seen_id(&s->seen, spend->corrects_source, spend->corrects_id), arrival)
                    : place_by_time(s, event, arrival);
    cs_spend__change c = {.slot = p.slot,
                          .events = 1,
                          .posted = spend->nanos,
                          .late = p.late ? spend->nanos : 0,
                          .corrected = spend->kind != CS_SPEND__USAGE ? spend->nanos : 0,
                          .last_ns = p.last_ns};
    posting posted = {.tenant = spend->tenant,
                      .currency = spend->currency,
                      .scope = &spend->scope,
                      .account = spend->account,
                      .settles = settles,
                      .alerts = !event->past,
                      .now_ns = event->arrived_ns};
    cs_spend__account *account = change(s, &posted, 1, &c, arrival);
    if (p.waits) {
        char scope[CS_SPEND__KEY_BYTES];
        cs_spend__waiting w = {.id = id,
                               .root = p.root,
                               .account = account,
                               .n_scope = cs_spend__pairs_key(&spend->scope, scope),
                               .nanos = spend->nanos,
                               .slot = arrival};
        memcpy(w.currency, spend->currency.p, 3);
        if (w.n_scope > 0) {
            w.scope = cs_alloc(w.n_scope);
            memcpy(w.scope, scope, w.n_scope);
        }
        cs_spend__wait_note(s, &w, true);
        cs_spend__waits_add(&s->waits, &w, (int64_t)arrival - s->seen.keep);
    }
    cs_spend__seen_add(&s->seen, id, cs_spend__seen_content(&s->seen, spend), arrival,
                       p.waits ? CS_SPEND__WHERE_WAITING : p.slot);
    settle_waiting(s, event, id, &p, arrival);
    count(s, event, spend, &p);
    if (s->cost != NULL) {
        cs_spend__cost_add(s->cost, spend, p.slot, arrival);
    }
}

/* The clock of what is remembered. Arrivals may run ahead of the wall clock (a producer's is wrong), and while the past
 * is read, partitions ahead of each other: the slowest counts, within a week. */
static void tick(cs_spend *s, uint32_t partition, uint32_t arrival)
{
    while (s->arrived.n <= partition) {
        CS_VEC_PUSH(&s->arrived, 0);
    }
    if (arrival <= s->arrived.v[partition]) {
        return;
    }
    int64_t wall = cs_spend__slot(s->now_ns(s->now_self));
    s->arrived.v[partition] = arrival <= wall ? arrival : s->arrived.v[partition];
    uint32_t newest = 0;
    uint32_t slowest = UINT32_MAX;
    for (size_t i = 0; i < s->arrived.n; i++) {
        uint32_t at = s->arrived.v[i];
        newest = at > newest ? at : newest;
        slowest = at != 0 && at < slowest ? at : slowest;
    }
    bool caught_up = false;
    (void)cs_journal_lag(s->journal, NULL, &caught_up);
    uint32_t least = newest > SKEW_SLOTS ? newest - SKEW_SLOTS : 0;
    cs_spend__seen_tick(&s->seen, caught_up || slowest > newest ? newest : slowest > least ? slowest : least);
}

/* As check or whoever appended it has read it. */
static const cs_spend__event *read_event(cs_spend *s, const cs_event *event, cs_spend__event *room)
{
    if (event->parsed != NULL) {
        return event->parsed;
    }
    cs_event_reject reject;
    cs_err err = cs_spend__event_read(&s->scratch, event, room, &reject);
    cs_assert(err == CS_OK); /* checked before it was written, and again when it was read back */
    return room;
}

static const cs_spend__seen_entry *known(cs_spend *s, const cs_event *event, const cs_spend__event *spend,
                                         cs_spend__id *id)
{
    *id = spend->hash[1] != 0 ? (cs_spend__id){spend->hash[0], spend->hash[1]}
                              : cs_spend__seen_id(&s->seen, event->source, event->id);
    return cs_spend__seen_find(&s->seen, *id, slot_of_arrival(event));
}

static cs_event_outcome fold(void *self, const cs_event *event)
{
    cs_spend *s = self;
    cs_spend__event room;
    cs_spend__id id;
    tick(s, event->partition, slot_of_arrival(event));
    const cs_spend__event *spend = read_event(s, event, &room);
    const cs_spend__seen_entry *before = known(s, event, spend, &id);
    cs_event_outcome outcome = CS_EVENT_APPLIED;
    if (before == NULL) {
        cs_spend__hold *hold = cs_spend__hold_meant(s, spend);
        add(s, event, spend, id, slot_of_arrival(event), hold);
        cs_spend__hold_spent(s, event, spend, hold);
    } else if (before->content == cs_spend__seen_content(&s->seen, spend)) {
        outcome = CS_EVENT_DUPLICATE;
    } else {
        outcome = CS_EVENT_CONFLICT;
    }
    if (s->alerts_later.n > 0 && !event->past) {
        cs_spend__alerts_catch_up(s, event->arrived_ns);
    }
    if (outcome != CS_EVENT_APPLIED && !event->past) {
        cs_spend__count_add(s, outcome == CS_EVENT_DUPLICATE ? CS_SPEND__DUPLICATE : CS_SPEND__CONFLICT, 1);
    }
    if (outcome == CS_EVENT_CONFLICT && !event->past) {
        cs_log(CS_LOG_WARN, "A spend event came again with another content; the first one counts.", 3,
               (cs_log_field[]){CS_LOG_S("source", event->source), CS_LOG_S("id", event->id),
                                CS_LOG_S("tenant", spend->tenant)});
    }
    cs_arena_reset(&s->scratch);
    return outcome;
}

static cs_event_outcome fold_budget(void *self, const cs_event *event)
{
    if (cs_slice_is(event->type, "io.countersign.budget.alert.v1")) {
        return cs_spend__alert_fold(self, event);
    }
    if (cs_slice_is(event->type, "io.countersign.budget.reconciled.v1")) {
        return cs_spend__reconciliation_fold(self, event);
    }
    return cs_spend__change_fold(self, event);
}

static bool redundant(void *self, const cs_event *event)
{
    cs_spend *s = self;
    cs_spend__event room;
    cs_spend__id id;
    const cs_spend__event *spend = read_event(s, event, &room);
    const cs_spend__seen_entry *before = known(s, event, spend, &id);
    bool same = before != NULL && before->content == cs_spend__seen_content(&s->seen, spend);
    if (same) {
        cs_spend__count_add(s, CS_SPEND__DUPLICATE, 1);
    }
    cs_arena_reset(&s->scratch);
    return same;
}

/* What an event will look for comes into the cache step by step, since each needs what the one before it brings: at
 * once, when three more events were read, and when two more were. */
static void look_ahead(cs_spend *s, const cs_spend__ahead *next)
{
    enum { SECOND = 3, THIRD = 5 };
    size_t n = s->n_ahead++;
    const cs_spend__ahead *second = &s->ahead[(n - SECOND) % CS_SPEND__AHEAD];
    const cs_spend__ahead *third = &s->ahead[(n - THIRD) % CS_SPEND__AHEAD];
    s->ahead[n % CS_SPEND__AHEAD] = *next;
    if (second->account != NULL) {
        cs_spend__account_prefetch(second->account);
        if (s->cost != NULL) {
            cs_spend__cost_prefetch(s->cost, second->cost_hash);
        }
    }
    if (third->account != NULL) {
        cs_spend__account_prefetch_bucket(third->account);
    }
}

static cs_err check(void *self, cs_arena *a, cs_event *event, cs_event_reject *reject)
{
    cs_spend *s = self;
    cs_spend__id id = cs_spend__seen_id(&s->seen, event->source, event->id);
    cs_spend__seen_prefetch(&s->seen, id);
    cs_spend__event *spend = cs_arena_alloc(a, sizeof *spend);
    CS_TRY(cs_spend__event_read(a, event, spend, reject));
    spend->hash[0] = id.a;
    spend->hash[1] = id.b;
    spend->account = cs_spend__account_hint(s, cs_hash_bytes(spend->tenant.p, spend->tenant.n));
    if (s->cost != NULL) {
        cs_spend__cost_prepare(s->cost, a, event->time_ns, spend);
    }
    look_ahead(s, &(cs_spend__ahead){.account = spend->account, .cost_hash = spend->cost_hash});
    event->parsed = spend;
    return CS_OK;
}

static int64_t monotonic_clock(void *self)
{
    (void)self;
    return cs_time_mono_ns();
}

cs_spend *cs_spend_new(const cs_spend_options *options)
{
    cs_spend *s = cs_zalloc(sizeof *s);
    s->journal = options->journal;
    s->metrics = options->metrics;
    s->shared = options->shared;
    s->dedupe_ns = options->dedupe_ns > 0 ? options->dedupe_ns : DEDUPE_NS;
    s->max_lateness_ns = options->max_lateness_ns > 0 ? options->max_lateness_ns : LATENESS_NS;
    s->stale_after_ns = options->stale_after_ns > 0 ? options->stale_after_ns : STALE_NS;
    s->now_ns = options->now_ns != NULL ? options->now_ns : cs_time_wall_clock;
    s->mono_ns = options->mono_ns != NULL ? options->mono_ns : monotonic_clock;
    s->now_self = options->now_self;
    s->live = (cs_live){.root = "spend", .self = s, .row = cs_spend__row, .all = cs_spend__all};
    cs_spend__shapes_init(s);
    s->hints = cs_zalloc(CS_SPEND__HINTS * sizeof *s->hints);
    s->shards = cs_zalloc_lines(CS_SPEND__SHARDS * sizeof *s->shards);
    for (size_t i = 0; i < CS_SPEND__SHARDS; i++) {
        cs_mutex_init(&s->shards[i].lock);
    }
    cs_mutex_init(&s->configuring);
    cs_spend__seen_init(&s->seen, s->dedupe_ns);
    cs_spend__waits_init(&s->waits);
    cs_arena_init(&s->scratch, 0);
    cs_spend__estimates_new(s);
    cs_spend__holds_new(s);
    cs_spend__metrics_register(s);
    cs_spend__save_init(s);
    cs_spend__save_account_init(s);
    cs_fold spent = {
        .types = "io.countersign.spend.", .self = s, .apply = fold, .redundant = redundant, .check = check};
    cs_spend__save_hooks(&spent);
    cs_journal_fold(s->journal, &spent);
    cs_fold said = {.types = "io.countersign.budget.", .self = s, .apply = fold_budget};
    cs_spend__save_account_hooks(&said);
    cs_journal_fold(s->journal, &said);
    return s;
}

void cs_spend_free(cs_spend *s)
{
    if (s == NULL) {
        return;
    }
    cs_spend__metrics_unregister(s);
    cs_spend__holds_free(s);
    cs_spend__cost_free(s->cost);
    cs_spend__estimates_free(s->estimates);
    cs_spend__accounts_free(s);
    cs_spend__limits_free(s->limits);
    cs_spend__seen_destroy(&s->seen);
    cs_spend__waits_destroy(&s->waits);
    cs_spend__save_destroy(s);
    CS_VEC_FREE(&s->arrived);
    CS_VEC_FREE(&s->alerts_later);
    cs_arena_destroy(&s->scratch);
    cs_arena_destroy(&s->shapes);
    cs_mutex_destroy(&s->configuring);
    cs_free(s);
}

const cs_live *cs_spend_live(cs_spend *s)
{
    return &s->live;
}
