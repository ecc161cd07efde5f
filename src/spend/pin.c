/* Money held in one account: a heap of pins by their deadlines, and in each total the sum of the pins that count in it,
 * so that looking it up costs nothing until something expires. */
#include "countersign/base/mem.h"
#include "spend/internal.h"

#define DOUBT_NS CS_NS_PER_S

/* Sums of what is held are exact as long as they fit; beyond that they wrap, and come back exactly. */
static int64_t plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void count_inflight(cs_spend__pin *pin, int64_t amount)
{
    for (size_t i = 0; i < pin->totals.n; i++) {
        pin->totals.v[i].total->inflight = plus(pin->totals.v[i].total->inflight, amount);
    }
}

static void count_doubtful(cs_spend__pin *pin, int64_t amount)
{
    for (size_t i = 0; i < pin->totals.n; i++) {
        pin->totals.v[i].total->doubtful = plus(pin->totals.v[i].total->doubtful, amount);
    }
}

static void count(cs_spend__pin *pin, int64_t amount)
{
    for (size_t i = 0; i < pin->totals.n; i++) {
        pin->totals.v[i].total->held = plus(pin->totals.v[i].total->held, amount);
    }
    if (pin->inflight) {
        count_inflight(pin, amount);
    }
    if (pin->doubtful) {
        count_doubtful(pin, amount);
    }
}

void cs_spend__pin_commit(cs_spend__pin *pin)
{
    if (pin->inflight && pin->where == CS_SPEND__PIN_PENDING) {
        count_inflight(pin, -pin->hold->pinned);
    }
    pin->inflight = false;
}

void cs_spend__pin_doubt(cs_spend__pin *pin, int64_t mono_ns)
{
    if (!pin->doubtful && pin->where == CS_SPEND__PIN_PENDING) {
        pin->doubtful = true;
        count_doubtful(pin, pin->hold->pinned);
        pin->account->pins->n_doubts++;
        pin->account->pins->doubt_until = mono_ns + DOUBT_NS;
    }
}

/* Nobody gave them up: they hold. */
static void end_doubts(cs_spend__pins *pins)
{
    for (size_t i = 0; i < pins->pending.n; i++) {
        if (pins->pending.v[i]->doubtful) {
            count_doubtful(pins->pending.v[i], -pins->pending.v[i]->hold->pinned);
            pins->pending.v[i]->doubtful = false;
        }
    }
    pins->n_doubts = 0;
}

/* ---- the heap */

static bool sooner(const cs_spend__pin *x, const cs_spend__pin *y)
{
    return x->hold->deadline < y->hold->deadline;
}

static void put(cs_spend__pins *pins, size_t at, cs_spend__pin *pin)
{
    pins->pending.v[at] = pin;
    pin->at = (uint32_t)at;
}

static void rise(cs_spend__pins *pins, size_t at)
{
    cs_spend__pin *pin = pins->pending.v[at];
    for (; at > 0 && sooner(pin, pins->pending.v[(at - 1) / 2]); at = (at - 1) / 2) {
        put(pins, at, pins->pending.v[(at - 1) / 2]);
    }
    put(pins, at, pin);
}

static void sink(cs_spend__pins *pins, size_t at)
{
    cs_spend__pin *pin = pins->pending.v[at];
    for (size_t child = 2 * at + 1; child < pins->pending.n; child = 2 * at + 1) {
        if (child + 1 < pins->pending.n && sooner(pins->pending.v[child + 1], pins->pending.v[child])) {
            child++;
        }
        if (!sooner(pins->pending.v[child], pin)) {
            break;
        }
        put(pins, at, pins->pending.v[child]);
        at = child;
    }
    put(pins, at, pin);
}

static void leave_heap(cs_spend__pin *pin)
{
    cs_spend__pins *pins = pin->account->pins;
    size_t at = pin->at;
    cs_spend__pin *last = pins->pending.v[--pins->pending.n];
    if (last != pin) {
        put(pins, at, last);
        rise(pins, at);
        sink(pins, last->at);
    }
    count(pin, -pin->hold->pinned);
    pins->n_doubts -= pin->doubtful;
    pin->inflight = pin->doubtful = false;
    pin->where = CS_SPEND__PIN_OUT;
}

/* ---- overdue ones */

static bool in_window(const cs_spend__total *total, const cs_spend__hold *hold)
{
    int64_t slot = cs_spend__slot(hold->placed_ns);
    return slot >= total->from && slot < total->to;
}

static void count_overdue(cs_spend__pin *pin, int64_t amount)
{
    for (size_t i = 0; i < pin->totals.n; i++) {
        cs_spend__total *total = pin->totals.v[i].total;
        if (total->valid && total->budget->charges_expired && in_window(total, pin->hold)) {
            total->overdue = plus(total->overdue, amount);
        }
    }
}

static void become_overdue(cs_spend__pin *pin)
{
    cs_spend__pins *pins = pin->account->pins;
    pin->where = CS_SPEND__PIN_OVERDUE;
    pin->at = (uint32_t)pins->overdue.n;
    CS_VEC_PUSH(&pins->overdue, pin);
    count_overdue(pin, pin->hold->pinned);
}

static void leave_overdue(cs_spend__pin *pin)
{
    cs_spend__pins *pins = pin->account->pins;
    cs_spend__pin *last = pins->overdue.v[--pins->overdue.n];
    pins->overdue.v[pin->at] = last;
    last->at = pin->at;
    count_overdue(pin, -pin->hold->pinned);
    pin->where = CS_SPEND__PIN_OUT;
}

bool cs_spend__pin_counts(const cs_spend__pin *pin, int64_t now_ns)
{
    for (size_t i = 0; pin->where == CS_SPEND__PIN_OVERDUE && i < pin->totals.n; i++) {
        cs_spend__total *total = pin->totals.v[i].total;
        cs_spend__total_refresh(pin->account, total, now_ns);
        if (total->budget->charges_expired && cs_spend__slot(pin->hold->placed_ns) >= total->from) {
            return true;
        }
    }
    return false;
}

int64_t cs_spend__overdue_sum(const cs_spend__account *account, const cs_spend__total *total)
{
    int64_t sum = 0;
    for (size_t i = 0; account->pins != NULL && total->budget->charges_expired && i < account->pins->overdue.n; i++) {
        const cs_spend__pin *pin = account->pins->overdue.v[i];
        for (size_t k = 0; k < pin->totals.n; k++) {
            if (pin->totals.v[k].total == total && in_window(total, pin->hold)) {
                sum = plus(sum, pin->hold->pinned);
            }
        }
    }
    return sum;
}

/* ---- */

int64_t cs_spend__held(const cs_spend__total *total)
{
    bool overflow = false;
    return cs_spend__add(plus(total->held, -total->doubtful), total->overdue, &overflow);
}

static void pin_total(void *self, cs_spend__account *account, cs_spend__part *part, cs_spend__total *total)
{
    cs_spend__pin *pin = self;
    CS_VEC_PUSH(&pin->totals, ((cs_spend__pinned){.total = total}));
    for (size_t i = 0; part != NULL && i < account->tenant->n_budgets; i++) {
        if (&account->tenant->budgets[i] == total->budget) {
            CS_VEC_PUSH(&pin->totals, ((cs_spend__pinned){.total = &account->totals[i], .shown = true}));
        }
    }
}

void cs_spend__pin_add(cs_spend__pin *pin, int64_t mono_ns, int64_t now_ns)
{
    const cs_spend__hold *hold = pin->hold;
    cs_spend__account *account = pin->account;
    if (account->pins == NULL) {
        account->pins = cs_zalloc(sizeof *account->pins);
    }
    cs_spend__pairs scope = {.n = hold->n_scope};
    for (size_t i = 0; i < scope.n; i++) {
        scope.v[i] = hold->scope[i];
    }
    cs_spend__account_totals(account, cs_slice_make(hold->currency, 3), &scope, pin_total, pin);
    if (hold->deadline > mono_ns) {
        pin->where = CS_SPEND__PIN_PENDING;
        CS_VEC_PUSH(&account->pins->pending, pin);
        put(account->pins, account->pins->pending.n - 1, pin);
        rise(account->pins, pin->at);
        pin->inflight = !hold->committed;
        count(pin, hold->pinned);
    } else if (hold->charge) {
        for (size_t i = 0; i < pin->totals.n; i++) {
            cs_spend__total_refresh(account, pin->totals.v[i].total, now_ns);
        }
        become_overdue(pin);
    }
}

void cs_spend__pin_remove(cs_spend__pin *pin)
{
    if (pin->where == CS_SPEND__PIN_PENDING) {
        leave_heap(pin);
    } else if (pin->where == CS_SPEND__PIN_OVERDUE) {
        leave_overdue(pin);
    }
    CS_VEC_FREE(&pin->totals);
}

void cs_spend__pins_expire(cs_spend__account *account, int64_t mono_ns)
{
    cs_spend__pins *pins = account->pins;
    if (pins != NULL && pins->n_doubts > 0 && pins->doubt_until <= mono_ns) {
        end_doubts(pins);
    }
    while (pins != NULL && pins->pending.n > 0 && pins->pending.v[0]->hold->deadline <= mono_ns) {
        cs_spend__pin *pin = pins->pending.v[0];
        leave_heap(pin);
        if (pin->hold->charge) {
            become_overdue(pin);
        }
    }
}

void cs_spend__pins_free(cs_spend__account *account)
{
    if (account->pins != NULL) {
        CS_VEC_FREE(&account->pins->pending);
        CS_VEC_FREE(&account->pins->overdue);
        cs_free(account->pins);
        account->pins = NULL;
    }
}
