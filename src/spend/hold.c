/* The table of holds: placing, and the folding of what the log says of them. */
#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/number.h"
#include "spend/internal.h"

#define REMEMBERED_NS (24 * 3600 * CS_NS_PER_S)
enum { EARLY_MAX = 65536, SWEEP = 4 };

const char *cs_hold_state_name(cs_hold_state state)
{
    static const char *const names[CS_HOLD_STATES] = {"pending", "posted", "voided", "expired", "posted_late"};
    return names[state];
}

/* ---- lists and maps */

static void list_add(cs_spend__hold_list *list, cs_spend__hold *hold)
{
    hold->next = NULL;
    hold->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = hold;
    list->last = hold;
    list->n++;
}

static void list_remove(cs_spend__hold_list *list, cs_spend__hold *hold)
{
    *(hold->prev != NULL ? &hold->prev->next : &list->first) = hold->next;
    *(hold->next != NULL ? &hold->next->prev : &list->last) = hold->prev;
    list->n--;
}

/* What tells a request: its tenant and its id. */
static cs_slice request_key(cs_buf *room, cs_slice tenant, cs_slice request_id)
{
    cs_buf_clear(room);
    cs_buf_slice(room, tenant);
    cs_buf_byte(room, 0);
    cs_buf_slice(room, request_id);
    return cs_buf_view(room);
}

void cs_spend__hold_enter(cs_spend__holds *t, cs_spend__hold *hold)
{
    if (hold->id.n > 0) {
        void *before = cs_map_put(&t->by_id, hold->id, hold);
        cs_assert(before == NULL);
    }
    if (hold->request_id.n > 0) {
        hold->sibling = cs_map_put(&t->by_request, request_key(&t->room, hold->account->name, hold->request_id), hold);
    }
    list_add(hold->early ? &t->early : &t->list, hold);
}

static void leave(cs_spend__holds *t, cs_spend__hold *hold)
{
    if (hold->id.n > 0) {
        (void)cs_map_remove(&t->by_id, hold->id);
    }
    if (hold->request_id.n > 0) {
        cs_slice key = request_key(&t->room, hold->account->name, hold->request_id);
        cs_spend__hold *first = cs_map_get(&t->by_request, key);
        if (first != hold) {
            while (first->sibling != hold) {
                first = first->sibling;
            }
            first->sibling = hold->sibling;
        } else if (hold->sibling != NULL) {
            (void)cs_map_put(&t->by_request, key, hold->sibling);
        } else {
            (void)cs_map_remove(&t->by_request, key);
        }
    }
    list_remove(hold->early ? &t->early : &t->list, hold);
}

/* ---- records */

static size_t copy_text(char *to, cs_slice text, cs_slice *out)
{
    if (text.n > 0) {
        memcpy(to, text.p, text.n);
    }
    *out = cs_slice_make(to, text.n);
    return text.n;
}

cs_spend__hold *cs_spend__hold_make(cs_spend__account *account, const cs_hold *from, const cs_spend__pairs *scope)
{
    size_t n = from->id.n + from->request_id.n + from->document_id.n;
    for (size_t i = 0; i < scope->n; i++) {
        n += scope->v[i].name.n + scope->v[i].value.n;
    }
    size_t pairs = scope->n * sizeof(cs_spend__pair);
    cs_spend__hold *hold = cs_zalloc(sizeof *hold + pairs + n);
    cs_spend__pair *to = (cs_spend__pair *)(hold + 1);
    char *text = (char *)to + pairs;
    text += copy_text(text, from->id, &hold->id);
    text += copy_text(text, from->request_id, &hold->request_id);
    text += copy_text(text, from->document_id, &hold->document_id);
    for (size_t i = 0; i < scope->n; i++) {
        text += copy_text(text, scope->v[i].name, &to[i].name);
        text += copy_text(text, scope->v[i].value, &to[i].value);
    }
    hold->scope = to;
    hold->n_scope = (uint32_t)scope->n;
    hold->account = account;
    memcpy(hold->currency, from->currency.p, 3);
    hold->amount = hold->pinned = from->amount_nanos;
    hold->estimate = from->estimate_nanos;
    hold->placed_ns = from->placed_ns;
    hold->expires_ns = from->expires_ns;
    hold->charge = from->charge;
    return hold;
}

void cs_spend__hold_drop(cs_spend__hold *hold)
{
    cs_free(hold->pins);
    cs_free(hold);
}

int64_t cs_spend__hold_clock(cs_spend *s)
{
    int64_t lag = s->shared ? cs_journal_lag(s->journal, NULL, NULL) : 0;
    return s->mono_ns(s->now_self) - lag;
}

cs_hold_state cs_spend__hold_state(const cs_spend__hold *hold, int64_t mono_ns)
{
    return hold->state == CS_HOLD_PENDING && hold->deadline <= mono_ns ? CS_HOLD_EXPIRED : hold->state;
}

/* Under the chain's locks. */
static void pin(cs_spend__hold *hold, const cs_spend__chain *chain, int64_t mono, int64_t now)
{
    hold->pins = cs_zalloc(chain->n * sizeof *hold->pins);
    hold->n_pins = (uint32_t)chain->n;
    for (size_t i = 0; i < chain->n; i++) {
        hold->pins[i] = (cs_spend__pin){.account = chain->accounts[i], .hold = hold};
        cs_spend__pin_add(&hold->pins[i], mono, now);
    }
}

static void unpin(cs_spend__hold *hold)
{
    for (uint32_t i = 0; i < hold->n_pins; i++) {
        cs_spend__pin_remove(&hold->pins[i]);
    }
    cs_free(hold->pins);
    hold->pins = NULL;
    hold->n_pins = 0;
}

void cs_spend__hold_release(cs_spend *s, cs_spend__hold *hold)
{
    for (uint32_t i = 0; i < hold->n_pins; i++) {
        cs_spend__shard *shard = cs_spend__shard_of(s, hold->pins[i].account->name);
        cs_mutex_lock(&shard->lock);
        cs_spend__pin_remove(&hold->pins[i]);
        cs_mutex_unlock(&shard->lock);
    }
    unpin(hold); /* nothing of it is seen by anybody else any more */
}

cs_spend__hold *cs_spend__holds_of(cs_spend__holds *t, cs_slice tenant, cs_slice request_id)
{
    return cs_map_get(&t->by_request, request_key(&t->room, tenant, request_id));
}

/* ---- forgetting */

static bool still_counts(cs_spend *s, cs_spend__hold *hold, int64_t now)
{
    bool counts = false;
    for (uint32_t i = 0; i < hold->n_pins; i++) {
        cs_spend__shard *shard = cs_spend__shard_of(s, hold->pins[i].account->name);
        cs_mutex_lock(&shard->lock);
        cs_spend__pins_expire(hold->pins[i].account, cs_spend__hold_clock(s));
        counts = counts || cs_spend__pin_counts(&hold->pins[i], now);
        cs_mutex_unlock(&shard->lock);
    }
    return counts;
}

void cs_spend__hold_forget(cs_spend *s, cs_spend__hold *hold)
{
    cs_spend__hold_release(s, hold);
    leave(s->holds, hold);
    if (hold->row) {
        CS_VEC_PUSH(&s->holds->limbo, hold); /* perhaps not the journal's thread */
    } else {
        cs_spend__hold_drop(hold);
    }
}

/* A few at a time, the oldest first. */
void cs_spend__holds_sweep(cs_spend *s)
{
    int64_t now = s->now_ns(s->now_self);
    int64_t mono = cs_spend__hold_clock(s);
    cs_spend__holds *t = s->holds;
    for (int i = 0; i < SWEEP && t->list.first != NULL; i++) {
        cs_spend__hold *hold = t->list.first;
        cs_hold_state state = cs_spend__hold_state(hold, mono);
        bool old = hold->placed_ns < now - REMEMBERED_NS;
        if (state == CS_HOLD_PENDING || (!old && t->list.n <= cs_limits_get()->holds)) {
            break;
        }
        if (state == CS_HOLD_EXPIRED && hold->charge && still_counts(s, hold, now)) {
            list_remove(&t->list, hold); /* looked at again later */
            list_add(&t->list, hold);
            continue;
        }
        cs_spend__hold_forget(s, hold);
    }
    while (t->early.first != NULL && (t->early.n > EARLY_MAX || t->early.first->placed_ns < now - CS_SPEND__EARLY_NS)) {
        cs_spend__hold_forget(s, t->early.first);
    }
    for (size_t i = 0; i < t->limbo.n; i++) {
        cs_spend__hold_gone(t, t->limbo.v[i]);
        cs_spend__hold_drop(t->limbo.v[i]);
    }
    t->limbo.n = 0;
}

/* ---- placing */

static int64_t limit_of(const cs_spend__pin *p, const cs_spend__total *total, const cs_hold *asked, int64_t now)
{
    for (size_t i = 0; p->account == p->hold->account && i < asked->n_limits; i++) {
        if (cs_slice_eq(asked->limits[i].budget, total->budget->id)) {
            return asked->limits[i].nanos;
        }
    }
    cs_spend__standing standing = cs_spend__standing_at(p->account, now);
    return cs_spend__limit_at(p->account, &standing, total->budget, now);
}

/* A budget that is counted, but is no reason to refuse anything. */
static bool only_warns(const cs_spend__budget *budget)
{
    return cs_slice_is(budget->mode, "warn") || cs_slice_is(budget->mode, "log");
}

/* Is there room for what was pinned just now? `logged`: it has come back through the log, and what is still on its way
 * comes after it. *doubt: it would do without what others may give up at once. */
static bool covered(const cs_spend__pin *p, const cs_hold *asked, int64_t now, bool logged, bool *doubt, cs_error *why)
{
    for (size_t i = 0; i < p->totals.n; i++) {
        cs_spend__total *total = p->totals.v[i].total;
        if (p->totals.v[i].shown || only_warns(total->budget)) {
            continue;
        }
        cs_spend__total_refresh(p->account, total, now);
        uint64_t before = (uint64_t)total->held - (logged ? (uint64_t)total->inflight : 0);
        int64_t others = (int64_t)(before - (uint64_t)p->hold->pinned);
        bool overflow =
            (total->book != NULL && total->book->overflow) || __builtin_add_overflow(others, total->overdue, &others);
        int64_t left = cs_spend__remaining(limit_of(p, total, asked, now), total->sum.posted, others, overflow);
        if (p->hold->pinned > left) {
            *doubt = total->doubtful != 0;
            cs_err err = cs_fail(why, CS_ERR_LIMIT, "budget %.*s of %.*s does not cover it", CS_FMT(total->budget->id),
                                 CS_FMT(p->account->name));
            (void)err;
            return false;
        }
    }
    return true;
}

static bool has_budget(const cs_spend__account *account, const char *currency, const cs_slice *id)
{
    for (size_t i = 0; account->tenant != NULL && i < account->tenant->n_budgets; i++) {
        const cs_spend__budget *budget = &account->tenant->budgets[i];
        if (memcmp(budget->currency, currency, 3) == 0 && (id == NULL || cs_slice_eq(budget->id, *id))) {
            return true;
        }
    }
    return false;
}

static cs_hold_verdict check_budgets(const cs_spend__account *account, const cs_hold *asked, cs_error *why)
{
    cs_err err = CS_OK;
    bool found = account != NULL && has_budget(account, asked->currency.p, NULL);
    if (!found) {
        err = cs_fail(why, CS_ERR_NOT_FOUND, "tenant %.*s has no budget in %.*s", CS_FMT(asked->tenant),
                      CS_FMT(asked->currency));
    }
    for (size_t i = 0; found && i < asked->n_budgets; i++) {
        found = has_budget(account, asked->currency.p, &asked->budgets[i]);
        if (!found) {
            err = cs_fail(why, CS_ERR_NOT_FOUND, "tenant %.*s has no budget %.*s in %.*s", CS_FMT(asked->tenant),
                          CS_FMT(asked->budgets[i]), CS_FMT(asked->currency));
        }
    }
    (void)err;
    return found ? CS_HOLD_PLACED : CS_HOLD_NO_BUDGET;
}

/* An object of strings as pairs, sorted by name. */
void cs_spend__read_scope(cs_value scope, cs_spend__pairs *out)
{
    out->n = 0;
    for (uint32_t i = 0; cs_is(scope, CS_OBJECT) && i < cs_count(scope) && out->n < CS_SPEND__PAIRS; i++) {
        cs_value v, key = cs_entry(scope, i, &v);
        if (!cs_is(key, CS_STRING) || !cs_is(v, CS_STRING)) {
            continue;
        }
        size_t at = out->n++;
        for (; at > 0 && cs_slice_compare(cs_text(key), out->v[at - 1].name) < 0; at--) {
            out->v[at] = out->v[at - 1];
        }
        out->v[at] = (cs_spend__pair){cs_text(key), cs_text(v)};
    }
}

/* What was settled before it came, of this id or of this request. */
cs_spend__hold *cs_spend__hold_find_early(cs_spend__holds *t, const cs_hold *from)
{
    cs_spend__hold *early = cs_map_get(&t->by_id, from->id);
    if (early == NULL) {
        early = cs_spend__holds_of(t, from->tenant, from->request_id);
        while (early != NULL && (!early->early || memcmp(early->currency, from->currency.p, 3) != 0)) {
            early = early->sibling;
        }
    }
    return early != NULL && early->early ? early : NULL;
}

void cs_spend__hold_take_early(cs_spend *s, cs_spend__hold *early, cs_spend__hold *hold)
{
    hold->state = CS_HOLD_POSTED;
    hold->posted = early->posted;
    hold->resolved_ns = early->resolved_ns;
    cs_spend__hold_forget(s, early);
}

/* Under the table's lock and the chain's: all are pinned, or none. */
static cs_hold_verdict pin_all(cs_spend *s, const cs_spend__chain *chain, cs_hold *holds, size_t n,
                               cs_spend__hold **made, cs_error *why)
{
    int64_t now = s->now_ns(s->now_self);
    int64_t mono = cs_spend__hold_clock(s);
    for (size_t i = 0; i < chain->n; i++) {
        cs_spend__pins_expire(chain->accounts[i], mono);
    }
    cs_hold_verdict verdict = CS_HOLD_PLACED;
    size_t placed = 0;
    bool doubt = false;
    for (; verdict == CS_HOLD_PLACED && placed < n; placed++) {
        cs_spend__pairs scope;
        cs_spend__read_scope(holds[placed].scope, &scope);
        cs_spend__hold *hold = cs_spend__hold_make(chain->accounts[0], &holds[placed], &scope);
        made[placed] = hold;
        hold->deadline = s->mono_ns(s->now_self) + (hold->expires_ns - hold->placed_ns);
        if (cs_spend__hold_find_early(s->holds, &holds[placed]) != NULL) {
            continue;
        }
        pin(hold, chain, mono, now);
        for (uint32_t k = 0; k < hold->n_pins && verdict == CS_HOLD_PLACED; k++) {
            verdict = covered(&hold->pins[k], &holds[placed], now, false, &doubt, why) ? CS_HOLD_PLACED
                      : doubt                                                          ? CS_HOLD_DOUBTFUL
                                                                                       : CS_HOLD_CONTENDED;
            for (size_t b = 0; b < hold->pins[k].totals.n; b++) {
                hold->charge = hold->charge || hold->pins[k].totals.v[b].total->budget->charges_expired;
            }
        }
        holds[placed].charge = hold->charge;
    }
    for (size_t i = 0; verdict != CS_HOLD_PLACED && i < placed; i++) {
        unpin(made[i]);
        cs_spend__hold_drop(made[i]);
    }
    return verdict;
}

cs_hold_verdict cs_holds_place(cs_spend *s, cs_hold *holds, size_t n, cs_error *why)
{
    cs_spend__holds *t = s->holds;
    cs_assert(n > 0 && n <= CS_HOLDS_MAX);
    cs_spend__hold *made[CS_HOLDS_MAX] = {0};
    cs_slice family = holds[0].tenant;
    cs_hold_verdict verdict = CS_HOLD_PLACED;
    cs_mutex_lock(&t->lock);
    for (size_t i = 0; i < n && verdict == CS_HOLD_PLACED; i++) {
        cs_spend__hold *known = cs_map_get(&t->by_id, holds[i].id);
        if (known != NULL && known->rejected) {
            cs_spend__hold_forget(s, known);
        } else if (known != NULL && !known->early) {
            verdict = CS_HOLD_EXISTS;
        }
    }
    if (verdict == CS_HOLD_PLACED && t->list.n + n > cs_limits_get()->holds) {
        cs_err err = cs_fail(why, CS_ERR_LIMIT, "too many holds are pending");
        (void)err;
        verdict = CS_HOLD_CONTENDED;
    }
    if (verdict == CS_HOLD_PLACED) {
        cs_spend__chain chain;
        cs_spend__chain_lock(s, holds[0].tenant, false, &chain);
        for (size_t i = 0; i < n && verdict == CS_HOLD_PLACED; i++) {
            verdict = check_budgets(chain.n > 0 ? chain.accounts[0] : NULL, &holds[i], why);
        }
        if (verdict == CS_HOLD_PLACED) {
            verdict = pin_all(s, &chain, holds, n, made, why);
            family = chain.accounts[chain.n - 1]->name; /* accounts stay */
        }
        cs_spend__chain_unlock(s, &chain);
    }
    for (size_t i = 0; verdict == CS_HOLD_PLACED && i < n; i++) {
        holds[i].family = family;
        cs_spend__hold *early = cs_spend__hold_find_early(t, &holds[i]);
        if (early != NULL) {
            cs_spend__hold_take_early(s, early, made[i]);
        }
        cs_spend__hold_enter(t, made[i]);
    }
    cs_mutex_unlock(&t->lock);
    return verdict;
}

void cs_spend__hold_becomes(cs_spend *s, cs_spend__hold *hold, int64_t nanos)
{
    cs_spend__chain chain;
    cs_spend__chain_lock(s, hold->account->name, true, &chain);
    unpin(hold); /* its accounts are the chain's, unless limits change, which takes the table's lock */
    hold->pinned = nanos;
    pin(hold, &chain, cs_spend__hold_clock(s), s->now_ns(s->now_self));
    cs_spend__chain_unlock(s, &chain);
}

bool cs_spend__hold_fits(cs_spend *s, const cs_spend__hold *hold, const cs_hold *asked, const cs_spend__chain *chain)
{
    int64_t now = s->now_ns(s->now_self);
    bool fits = hold->n_pins > 0;
    bool doubt = false;
    for (size_t i = 0; i < chain->n; i++) {
        cs_spend__pins_expire(chain->accounts[i], cs_spend__hold_clock(s));
    }
    for (uint32_t i = 0; fits && i < hold->n_pins; i++) {
        fits = hold->pins[i].where == CS_SPEND__PIN_PENDING && covered(&hold->pins[i], asked, now, true, &doubt, NULL);
    }
    return fits;
}

void cs_holds_take_back(cs_spend *s, const cs_hold *holds, size_t n)
{
    cs_mutex_lock(&s->holds->lock);
    for (size_t i = 0; i < n; i++) {
        cs_spend__hold *hold = cs_map_get(&s->holds->by_id, holds[i].id);
        if (hold != NULL && !hold->committed) {
            cs_spend__hold_forget(s, hold);
        }
    }
    cs_mutex_unlock(&s->holds->lock);
}

cs_slice cs_holds_family(cs_spend *s, cs_slice tenant, cs_arena *a)
{
    cs_spend__chain chain;
    cs_spend__chain_lock(s, tenant, false, &chain);
    cs_slice top = chain.n > 0 ? chain.accounts[chain.n - 1]->name : tenant;
    cs_slice family = cs_slice_make(cs_arena_dup(a, top.p, top.n), top.n);
    cs_spend__chain_unlock(s, &chain);
    return family;
}

/* ---- new limits: every hold is pinned anew, to the totals of now */

void cs_spend__holds_unbind(cs_spend *s)
{
    cs_mutex_lock(&s->holds->lock);
    for (cs_spend__hold *hold = s->holds->list.first; hold != NULL; hold = hold->next) {
        if (hold->state == CS_HOLD_PENDING) {
            cs_spend__hold_release(s, hold);
        }
    }
}

void cs_spend__holds_bind(cs_spend *s)
{
    for (cs_spend__hold *hold = s->holds->list.first; hold != NULL; hold = hold->next) {
        if (hold->state == CS_HOLD_PENDING) {
            cs_spend__hold_pin(s, hold);
        }
    }
    cs_mutex_unlock(&s->holds->lock);
}

void cs_spend__hold_pin(cs_spend *s, cs_spend__hold *hold)
{
    cs_spend__chain chain;
    cs_spend__chain_lock(s, hold->account->name, true, &chain);
    pin(hold, &chain, cs_spend__hold_clock(s), s->now_ns(s->now_self));
    cs_spend__chain_unlock(s, &chain);
}
