/* Tenants, their books, and the running totals of their budgets. A total is right for a stretch of time; a change of
 * its book within the window is added to it, so that looking it up costs nothing until the window rolls. */
#include "countersign/base/mem.h"
#include "spend/internal.h"

#ifdef CS_TINY
enum { FIRST_PLACES = 2 };
#else
enum { FIRST_PLACES = 16 };
#endif

/* The lower bits of a name's hash choose the shard, the others the place in it. */
cs_spend__shard *cs_spend__shard_of(cs_spend *s, cs_slice tenant)
{
    return &s->shards[cs_hash_bytes(tenant.p, tenant.n) % CS_SPEND__SHARDS];
}

/* The account, or the empty place for it. */
static cs_spend__place *place_of(const cs_spend__shard *shard, uint32_t hash, cs_slice tenant)
{
    uint32_t i = (hash / CS_SPEND__SHARDS) & shard->mask;
    while (shard->places[i].account != NULL &&
           (shard->places[i].hash != hash || !cs_slice_eq(shard->places[i].account->name, tenant))) {
        i = (i + 1) & shard->mask;
    }
    return &shard->places[i];
}

cs_spend__account *cs_spend__account_find(cs_spend__shard *shard, cs_slice tenant)
{
    return shard->places != NULL ? place_of(shard, cs_hash_bytes(tenant.p, tenant.n), tenant)->account : NULL;
}

/* ---- ahead of an event */

static cs_spend__place *hint_of(cs_spend *s, uint32_t hash)
{
    return &s->hints[hash % CS_SPEND__HINTS];
}

cs_spend__account *cs_spend__account_hint(cs_spend *s, uint32_t hash)
{
    const cs_spend__place *hint = hint_of(s, hash);
    cs_spend__account *account = hint->hash == hash ? hint->account : NULL;
    if (account == NULL) {
        cs_spend__shard *shard = &s->shards[hash % CS_SPEND__SHARDS];
        cs_mutex_lock(&shard->lock);
        uint32_t i = (hash / CS_SPEND__SHARDS) & shard->mask;
        account = shard->places != NULL ? shard->places[i].account : NULL; /* mostly the one */
        cs_mutex_unlock(&shard->lock);
    }
    if (account != NULL) {
        for (size_t at = 0; at < sizeof *account; at += 64) {
            __builtin_prefetch((const char *)account + at, 1);
        }
    }
    return account;
}

void cs_spend__account_prefetch(const cs_spend__account *account)
{
    for (size_t at = 0; account->book != NULL && at < sizeof *account->book; at += 64) {
        __builtin_prefetch((const char *)account->book + at, 1);
    }
    if (account->last_tenant != NULL) {
        __builtin_prefetch(account->last_tenant);
        __builtin_prefetch((const char *)account->last_tenant + 64);
    }
    for (size_t at = 0; account->last_totals != NULL && at < 2 * sizeof *account->totals; at += 64) {
        __builtin_prefetch((const char *)account->last_totals + at, 1);
    }
}

void cs_spend__account_prefetch_bucket(const cs_spend__account *account)
{
    const cs_spend__book *book = account->book;
    if (book != NULL && book->buckets.n > 0) {
        __builtin_prefetch(&book->buckets.v[book->buckets.n - 1], 1); /* most events are of now */
    }
}

cs_spend__account *cs_spend__account_hinted(cs_spend *s, cs_spend__shard *shard, cs_slice tenant, uint32_t hash,
                                            cs_spend__account *hint)
{
    if (hint == NULL || hint->hash != hash || !cs_slice_eq(hint->name, tenant)) {
        hint = cs_spend__account_make(s, shard, tenant);
    }
    *hint_of(s, hash) = (cs_spend__place){.account = hint, .hash = hash};
    hint->last_totals = hint->totals;
    hint->last_tenant = hint->tenant;
    return hint;
}

/* At most three quarters full. */
static void make_room(cs_spend__shard *shard)
{
    cs_spend__place *old = shard->places;
    uint32_t size = old != NULL ? shard->mask + 1 : 0;
    if (shard->n + 1 <= size - size / 4) {
        return;
    }
    shard->mask = (size != 0 ? size * 2 : FIRST_PLACES) - 1;
    shard->places = cs_zalloc((size_t)(shard->mask + 1) * sizeof *shard->places);
    for (uint32_t i = 0; i < size; i++) {
        if (old[i].account != NULL) {
            uint32_t to = (old[i].hash / CS_SPEND__SHARDS) & shard->mask;
            while (shard->places[to].account != NULL) {
                to = (to + 1) & shard->mask;
            }
            shard->places[to] = old[i];
        }
    }
    cs_free(old);
}

cs_spend__account *cs_spend__account_make(cs_spend *s, cs_spend__shard *shard, cs_slice tenant)
{
    cs_spend__account *account = cs_spend__account_find(shard, tenant);
    if (account == NULL) {
        make_room(shard);
        account = cs_zalloc(sizeof *account + tenant.n + 1);
        char *name = (char *)(account + 1);
        memcpy(name, tenant.p, tenant.n);
        account->name = cs_slice_make(name, tenant.n);
        account->rows = s->rows;
        uint32_t hash = cs_hash_bytes(tenant.p, tenant.n);
        account->hash = hash;
        *place_of(shard, hash, tenant) = (cs_spend__place){.account = account, .hash = hash};
        shard->n++;
    }
    return account;
}

void cs_spend__total_refresh(const cs_spend__account *account, cs_spend__total *total, int64_t now_ns)
{
    int64_t slot = cs_spend__slot(now_ns);
    if (total->valid && total->at == slot) {
        return;
    }
    /* Asked in each slot, not while now is within: where clocks go back by half an hour, hours overlap. */
    int64_t from = 0;
    int64_t to = 0;
    cs_spend__window_at(&total->budget->window, account->tenant->zone, now_ns, &from, &to);
    bool same = total->valid && total->from == from && total->to == to;
    total->at = slot;
    total->alert_at = INT64_MIN; /* limits may have changed: changes expire, tiers are earned */
    if (same) {
        return;
    }
    total->from = from;
    total->to = to;
    total->sum = total->book != NULL ? cs_spend__book_sum(total->book, total->from, total->to)
                                     : (cs_spend__sum){.last_ns = INT64_MIN};
    total->overdue = cs_spend__overdue_sum(account, total);
    total->valid = true;
}

int64_t cs_spend__remaining(int64_t limit, int64_t posted, int64_t held, bool overflow)
{
    int64_t left = 0;
    if (overflow || __builtin_sub_overflow(limit, held, &left) || __builtin_sub_overflow(left, posted, &left)) {
        return posted < 0 && !overflow ? INT64_MAX : INT64_MIN;
    }
    return left;
}

void cs_spend__chain_unlock(cs_spend *s, const cs_spend__chain *chain)
{
    for (size_t i = CS_SPEND__SHARDS; i-- > 0;) {
        if ((chain->shards >> i & 1) != 0) {
            cs_mutex_unlock(&s->shards[i].lock);
        }
    }
}

void cs_spend__chain_lock(cs_spend *s, cs_slice tenant, bool make, cs_spend__chain *chain)
{
    cs_spend__shard *own = cs_spend__shard_of(s, tenant);
    for (;;) {
        /* Who is above is known under the tenant's own lock; theirs are taken in order, if nothing changed meanwhile.
         */
        *chain = (cs_spend__chain){.shards = UINT32_C(1) << (own - s->shards)};
        cs_mutex_lock(&own->lock);
        uint64_t configured = s->configured;
        cs_spend__account *account =
            make ? cs_spend__account_make(s, own, tenant) : cs_spend__account_find(own, tenant);
        if (account == NULL) {
            return;
        }
        chain->accounts[chain->n++] = account;
        uint32_t shards = chain->shards;
        for (const cs_spend__tenant *t = account->tenant; t != NULL && t->parent != NULL; t = t->parent) {
            cs_spend__account *above = t->parent->account;
            chain->accounts[chain->n++] = above;
            shards |= UINT32_C(1) << (cs_spend__shard_of(s, above->name) - s->shards);
        }
        if (shards == chain->shards) {
            return;
        }
        cs_mutex_unlock(&own->lock);
        for (size_t i = 0; i < CS_SPEND__SHARDS; i++) {
            if ((shards >> i & 1) != 0) {
                cs_mutex_lock(&s->shards[i].lock);
            }
        }
        chain->shards = shards;
        if (configured == s->configured) {
            return;
        }
        cs_spend__chain_unlock(s, chain);
    }
}

void cs_spend__each_account(cs_spend *s, void (*each)(void *self, cs_spend__account *account), void *self)
{
    for (size_t i = 0; i < CS_SPEND__SHARDS; i++) {
        cs_spend__shard *shard = &s->shards[i];
        cs_mutex_lock(&shard->lock);
        for (size_t k = 0; shard->places != NULL && k <= shard->mask; k++) {
            if (shard->places[k].account != NULL) {
                each(self, shard->places[k].account);
            }
        }
        cs_mutex_unlock(&shard->lock);
    }
}

/* ---- limits into force */

cs_err cs_spend_check(cs_value tenants, cs_value tiers, cs_arena *a, cs_value *problems, cs_error *e)
{
    cs_spend__limits *limits = NULL;
    CS_TRY(cs_spend__limits_read(tenants, tiers, &limits, a, problems, e));
    cs_spend__limits_free(limits);
    return CS_OK;
}

static cs_spend__account *account_of(cs_spend *s, cs_slice tenant)
{
    return cs_spend__account_make(s, cs_spend__shard_of(s, tenant), tenant);
}

static void drop_family(cs_spend__account *account)
{
    if (account->family != NULL) {
        cs_spend__set_destroy(account->family);
        cs_free(account->family);
        account->family = NULL;
    }
}

/* What is above the tenant gets its spend, and the tenant itself if it is somebody's parent. */
static void join_families(const cs_spend__tenant *tenant)
{
    const cs_spend__set *own = &tenant->account->own;
    for (const cs_spend__tenant *up = tenant->has_children ? tenant : tenant->parent; up != NULL; up = up->parent) {
        cs_spend__account *account = up->account;
        if (account->family == NULL) {
            account->family = cs_zalloc(sizeof *account->family);
        }
        cs_spend__set_merge(account->family, up, own);
    }
}

/* Under all locks. */
static void exchange_limits(cs_spend *s, cs_spend__limits *limits)
{
    cs_spend__limits *old = s->limits;
    for (size_t i = 0; old != NULL && i < old->n; i++) {
        cs_spend__account *account = old->tenants[i].account;
        cs_spend__totals_unbind(account);
        drop_family(account);
        account->tenant = NULL;
    }
    for (size_t i = 0; i < limits->n; i++) {
        cs_spend__account *account = account_of(s, limits->tenants[i].name);
        account->tenant = &limits->tenants[i];
        limits->tenants[i].account = account;
    }
    for (size_t i = 0; i < limits->n; i++) {
        join_families(&limits->tenants[i]);
    }
    for (size_t i = 0; i < limits->n; i++) {
        cs_spend__totals_bind(limits->tenants[i].account);
    }
    s->limits = limits;
    s->configured++;
}

/* These limits, or once more those in force if NULL. Returns what they replace. */
static cs_spend__limits *put_into_force(cs_spend *s, cs_spend__limits *limits)
{
    cs_mutex_lock(&s->configuring);
    cs_spend__holds_unbind(s);
    for (size_t i = 0; i < CS_SPEND__SHARDS; i++) {
        cs_mutex_lock(&s->shards[i].lock);
    }
    cs_spend__limits *old = limits != NULL ? s->limits : NULL;
    limits = limits != NULL ? limits : s->limits;
    if (limits != NULL) {
        exchange_limits(s, limits);
    }
    for (size_t i = CS_SPEND__SHARDS; i-- > 0;) {
        cs_mutex_unlock(&s->shards[i].lock);
    }
    cs_spend__holds_bind(s);
    cs_mutex_unlock(&s->configuring);
    return old;
}

void cs_spend__rebind(cs_spend *s)
{
    (void)put_into_force(s, NULL);
}

cs_err cs_spend_configure(cs_spend *s, cs_value tenants, cs_value tiers, cs_arena *a, cs_value *problems, cs_error *e)
{
    cs_spend__limits *limits = NULL;
    CS_TRY(cs_spend__limits_read(tenants, tiers, &limits, a, problems, e));
    cs_spend__limits_free(put_into_force(s, limits));
    return CS_OK;
}

static void free_account(cs_spend__account *account)
{
    cs_spend__totals_unbind(account);
    drop_family(account);
    cs_spend__set_destroy(&account->own);
    cs_spend__pins_free(account);
    for (size_t k = 0; k < account->changes.n; k++) {
        cs_free((char *)(uintptr_t)account->changes.v[k].id.p);
    }
    CS_VEC_FREE(&account->changes);
    for (size_t k = 0; k < account->alerts.n; k++) {
        cs_free((char *)(uintptr_t)account->alerts.v[k].key.p);
    }
    CS_VEC_FREE(&account->alerts);
    CS_VEC_FREE(&account->blemishes);
    cs_spend__reconciliation_free(account);
    cs_free(account);
}

void cs_spend__accounts_free(cs_spend *s)
{
    for (size_t i = 0; i < CS_SPEND__SHARDS; i++) {
        cs_spend__shard *shard = &s->shards[i];
        for (size_t k = 0; shard->places != NULL && k <= shard->mask; k++) {
            if (shard->places[k].account != NULL) {
                free_account(shard->places[k].account);
            }
        }
        cs_free(shard->places);
        cs_mutex_destroy(&shard->lock);
    }
    cs_free(s->hints);
    cs_free(s->shards);
}
