/* What was spent by team, by user, by whatever a budget looks at.
 *
 * An account has a book for all its spend in a currency, and for each combination of values of the dimensions that its
 * budgets look at a part with books of its own. A tenant that is another's parent has all that once more for the whole
 * family. Parts are kept from the moment that a budget looks at their dimensions. */
#include <string.h>

#include "countersign/base/mem.h"
#include "spend/internal.h"

/* ---- keys: for each dimension of the pattern its name and the value, lengths before texts */

static char *put_text(char *out, cs_slice text)
{
    *out++ = (char)(text.n & 0xff);
    *out++ = (char)(text.n >> 8);
    memcpy(out, text.p, text.n);
    return out + text.n;
}

static const char *take_text(const char *at, cs_slice *text)
{
    size_t n = (size_t)(unsigned char)at[0] | (size_t)(unsigned char)at[1] << 8;
    *text = cs_slice_make(at + 2, n);
    return at + 2 + n;
}

static const cs_slice *value_of(const cs_spend__pairs *pairs, cs_slice name)
{
    for (size_t i = 0; i < pairs->n; i++) {
        if (cs_slice_eq(pairs->v[i].name, name)) {
            return &pairs->v[i].value;
        }
    }
    return NULL;
}

size_t cs_spend__scope_key(const cs_spend__pattern *pattern, const cs_spend__pairs *scope, char *out)
{
    char *at = out;
    for (size_t i = 0; i < pattern->n; i++) {
        const cs_slice *value = value_of(scope, pattern->names[i]);
        if (value == NULL) {
            return 0;
        }
        at = put_text(put_text(at, pattern->names[i]), *value);
    }
    return (size_t)(at - out);
}

size_t cs_spend__pairs_key(const cs_spend__pairs *pairs, char *out)
{
    char *at = out;
    for (size_t i = 0; i < pairs->n; i++) {
        at = put_text(put_text(at, pairs->v[i].name), pairs->v[i].value);
    }
    return (size_t)(at - out);
}

cs_spend__pairs cs_spend__pairs_of_key(cs_slice key)
{
    cs_spend__pairs pairs = {.n = 0};
    const char *end = key.n > 0 ? key.p + key.n : NULL;
    for (const char *at = key.p; end != NULL && at < end;) {
        cs_spend__pair *pair = &pairs.v[pairs.n++];
        at = take_text(take_text(at, &pair->name), &pair->value);
    }
    return pairs;
}

bool cs_spend__key_is_whole(cs_slice key)
{
    cs_bytes in = cs_bytes_of(key);
    for (size_t texts = 0; cs_bytes_left(&in) > 0; texts++) {
        (void)cs_bytes_take(&in, cs_bytes_u16(&in));
        if (texts >= (size_t)2 * CS_SPEND__PAIRS || (texts % 2 == 0 && cs_bytes_left(&in) == 0)) {
            return false;
        }
    }
    return !in.bad;
}

bool cs_spend__scope_covers(const cs_spend__pairs *scope, const cs_spend__pairs *fixed)
{
    for (size_t i = 0; i < fixed->n; i++) {
        const cs_slice *value = value_of(scope, fixed->v[i].name);
        if (value == NULL || !cs_slice_eq(*value, fixed->v[i].value)) {
            return false;
        }
    }
    return true;
}

/* Is the part one of the values that this budget counts apart? */
static bool part_is_value(const cs_spend__part *part, const cs_spend__budget *budget)
{
    return budget->per.n > 0 && part->pairs.n == budget->scope.n + 1 && value_of(&part->pairs, budget->per) != NULL &&
           cs_spend__scope_covers(&part->pairs, &budget->scope);
}

/* ---- books */

static cs_spend__book *find_book(cs_spend__book *const *books, size_t n, const char *currency)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(books[i]->currency, currency, 3) == 0) {
            return books[i];
        }
    }
    return NULL;
}

cs_spend__book *cs_spend__set_book(cs_spend__set *set, const char *currency)
{
    return find_book(set->books.v, set->books.n, currency);
}

static cs_spend__book *new_book(const char *currency)
{
    cs_spend__book *book = cs_zalloc(sizeof *book);
    memcpy(book->currency, currency, 3);
    return book;
}

static cs_spend__part *find_part(const cs_spend__set *set, cs_slice key)
{
    return set->has_parts ? cs_map_get(&set->parts, key) : NULL;
}

static cs_spend__part *make_part(cs_spend__set *set, cs_slice key)
{
    if (!set->has_parts) {
        cs_map_init(&set->parts);
        set->has_parts = true;
    }
    cs_spend__part *part = cs_zalloc(sizeof *part);
    char *copy = cs_alloc(key.n);
    memcpy(copy, key.p, key.n);
    part->key = cs_slice_make(copy, key.n);
    part->pairs = cs_spend__pairs_of_key(part->key);
    (void)cs_map_put(&set->parts, key, part);
    return part;
}

static void free_books(cs_spend__book **books, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_spend__book_free(books[i]);
    }
}

void cs_spend__set_destroy(cs_spend__set *set)
{
    free_books(set->books.v, set->books.n);
    CS_VEC_FREE(&set->books);
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while (set->has_parts && (entry = cs_map_next(&set->parts, &cursor)) != NULL) {
        cs_spend__part *part = entry->value;
        free_books(part->books.v, part->books.n);
        CS_VEC_FREE(&part->books);
        cs_free(part->totals);
        cs_free((char *)(uintptr_t)part->key.p);
        cs_free(part);
    }
    if (set->has_parts) {
        cs_map_destroy(&set->parts);
    }
    *set = (cs_spend__set){.has_parts = false};
}

cs_spend__book *cs_spend__own_book(cs_spend__account *account, cs_slice key, const char *currency)
{
    cs_spend__set *set = &account->own;
    cs_spend__part *part = key.n > 0 ? find_part(set, key) : NULL;
    part = part == NULL && key.n > 0 ? make_part(set, key) : part;
    cs_spend__book *book =
        part != NULL ? find_book(part->books.v, part->books.n, currency) : cs_spend__set_book(set, currency);
    if (book == NULL) {
        book = new_book(currency);
        book->account = account;
        book->part = part;
        if (part != NULL) {
            CS_VEC_PUSH(&part->books, book);
        } else {
            CS_VEC_PUSH(&set->books, book);
        }
    }
    return book;
}

/* ---- running totals */

static void bind_part(const cs_spend__tenant *tenant, cs_spend__part *part)
{
    size_t n = 0;
    for (size_t i = 0; i < tenant->n_budgets; i++) {
        n += part_is_value(part, &tenant->budgets[i]);
    }
    if (n == 0) {
        return;
    }
    part->totals = cs_zalloc(n * sizeof *part->totals);
    for (size_t i = 0; i < tenant->n_budgets; i++) {
        const cs_spend__budget *budget = &tenant->budgets[i];
        if (part_is_value(part, budget)) {
            part->totals[part->n_totals++] =
                (cs_spend__total){.budget = budget,
                                  .alerts = budget->n_ratios > 0,
                                  .book = find_book(part->books.v, part->books.n, budget->currency),
                                  .alert_at = INT64_MIN};
        }
    }
}

static cs_spend__book *book_of_budget(cs_spend__account *account, const cs_spend__budget *budget)
{
    cs_spend__set *set = cs_spend__counted_set(account);
    if (budget->pattern == CS_SPEND__WHOLE) {
        return cs_spend__set_book(set, budget->currency);
    }
    char key[CS_SPEND__KEY_BYTES];
    size_t n = cs_spend__scope_key(&account->tenant->patterns[budget->pattern], &budget->scope, key);
    const cs_spend__part *part = find_part(set, cs_slice_make(key, n));
    return part != NULL ? find_book(part->books.v, part->books.n, budget->currency) : NULL;
}

static void unbind_parts(cs_spend__set *set)
{
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while (set->has_parts && (entry = cs_map_next(&set->parts, &cursor)) != NULL) {
        cs_spend__part *part = entry->value;
        cs_free(part->totals);
        part->totals = NULL;
        part->n_totals = 0;
    }
}

void cs_spend__totals_unbind(cs_spend__account *account)
{
    cs_free(account->totals);
    account->totals = NULL;
    unbind_parts(&account->own);
    if (account->family != NULL) {
        unbind_parts(account->family);
    }
}

void cs_spend__totals_bind(cs_spend__account *account)
{
    const cs_spend__tenant *tenant = account->tenant;
    cs_spend__set *set = cs_spend__counted_set(account);
    cs_spend__standing_forget(account);
    if (tenant == NULL || tenant->n_budgets == 0) {
        return;
    }
    account->totals = cs_zalloc(tenant->n_budgets * sizeof *account->totals);
    for (size_t i = 0; i < tenant->n_budgets; i++) {
        const cs_spend__budget *budget = &tenant->budgets[i];
        account->totals[i] = (cs_spend__total){.budget = budget,
                                               .book = book_of_budget(account, budget),
                                               .alerts = budget->n_ratios > 0,
                                               .alert_at = INT64_MIN};
    }
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while (set->has_parts && (entry = cs_map_next(&set->parts, &cursor)) != NULL) {
        bind_part(tenant, entry->value);
    }
}

/* A book that came into being: the totals that waited for it. `part` is NULL for the book of all spend. */
static void attach(cs_spend__account *account, cs_spend__part *part, cs_spend__book *book)
{
    const cs_spend__tenant *tenant = account->tenant;
    for (size_t i = 0; tenant != NULL && i < tenant->n_budgets; i++) {
        cs_spend__total *total = &account->totals[i];
        const cs_spend__budget *budget = total->budget;
        bool whole = budget->pattern == CS_SPEND__WHOLE;
        bool ours = part == NULL ? whole
                                 : !whole && part->pairs.n == budget->scope.n &&
                                       cs_spend__scope_covers(&part->pairs, &budget->scope);
        if (ours && memcmp(budget->currency, book->currency, 3) == 0) {
            total->book = book;
            total->valid = false;
        }
    }
    for (size_t i = 0; part != NULL && i < part->n_totals; i++) {
        if (memcmp(part->totals[i].budget->currency, book->currency, 3) == 0) {
            part->totals[i].book = book;
            part->totals[i].valid = false;
        }
    }
}

static void change_totals(cs_spend__account *account, cs_spend__total *totals, size_t n, cs_spend__book *book,
                          const cs_spend__change *change, uint32_t now_slot)
{
    for (size_t i = 0; i < n; i++) {
        cs_spend__total *total = &totals[i];
        if (total->book != book) {
            continue;
        }
        if (total->valid && change->slot >= total->from && change->slot < total->to) {
            cs_spend__sum_change(&total->sum, change, &book->overflow);
        }
        account->alert_due =
            account->alert_due ||
            (total->alerts && (!total->valid || total->at != now_slot || total->sum.posted >= total->alert_at));
    }
}

/* ---- posting */

static void post_book(cs_spend__account *account, cs_spend__part *part, cs_spend__book *book, size_t n,
                      const cs_spend__change *changes, uint32_t now_slot)
{
    for (size_t i = 0; i < n; i++) {
        if (book->account != NULL) {
            cs_spend__book_touch(book, changes[i].slot);
        }
        cs_spend__book_change(book, &changes[i], now_slot);
        if (account->tenant != NULL) {
            change_totals(account, account->totals, account->tenant->n_budgets, book, &changes[i], now_slot);
        }
        if (part != NULL) {
            change_totals(account, part->totals, part->n_totals, book, &changes[i], now_slot);
        }
    }
}

static cs_spend__part *part_for(cs_spend__account *account, cs_spend__set *set, const cs_spend__pattern *pattern,
                                const cs_spend__pairs *scope)
{
    char key[CS_SPEND__KEY_BYTES];
    size_t n = cs_spend__scope_key(pattern, scope, key);
    if (n == 0) {
        return NULL;
    }
    cs_spend__part *part = find_part(set, cs_slice_make(key, n));
    if (part == NULL) {
        part = make_part(set, cs_slice_make(key, n));
        if (set == cs_spend__counted_set(account)) {
            bind_part(account->tenant, part);
        }
    }
    return part;
}

/* Is this what made the book of all spend overflow? */
static bool post_set(cs_spend__account *account, cs_spend__set *set, cs_slice currency, const cs_spend__pairs *scope,
                     size_t n, const cs_spend__change *changes, uint32_t now_slot)
{
    bool counted = set == cs_spend__counted_set(account);
    cs_spend__book *book = cs_spend__set_book(set, currency.p);
    if (book == NULL) {
        book = new_book(currency.p);
        book->account = set == &account->own ? account : NULL;
        CS_VEC_PUSH(&set->books, book);
        if (counted) {
            attach(account, NULL, book);
        }
    }
    account->book = set == &account->own ? book : account->book;
    bool before = book->overflow;
    post_book(account, NULL, book, n, changes, now_slot);
    bool overflowed = !before && book->overflow;
    size_t n_patterns = account->tenant != NULL && scope->n > 0 ? account->tenant->n_patterns : 0;
    for (size_t i = 0; i < n_patterns; i++) {
        cs_spend__part *part = part_for(account, set, &account->tenant->patterns[i], scope);
        if (part == NULL) {
            continue;
        }
        book = find_book(part->books.v, part->books.n, currency.p);
        if (book == NULL) {
            book = new_book(currency.p);
            book->account = set == &account->own ? account : NULL;
            book->part = part;
            CS_VEC_PUSH(&part->books, book);
            if (counted) {
                attach(account, part, book);
            }
        }
        post_book(account, part, book, n, changes, now_slot);
    }
    return overflowed;
}

bool cs_spend__account_post(cs_spend__account *account, cs_slice currency, const cs_spend__pairs *scope, bool up,
                            size_t n, const cs_spend__change *changes, uint32_t now_slot)
{
    bool overflowed = false;
    for (size_t i = 0; i < n; i++) {
        if ((int64_t)changes[i].slot * CS_SPEND__SLOT_NS < account->standing_from) {
            cs_spend__standing_forget(account);
        }
    }
    if (!up) {
        overflowed = post_set(account, &account->own, currency, scope, n, changes, now_slot);
    }
    if (account->family != NULL) {
        (void)post_set(account, account->family, currency, scope, n, changes, now_slot);
    }
    return overflowed;
}

void cs_spend__account_totals(cs_spend__account *account, cs_slice currency, const cs_spend__pairs *scope,
                              cs_spend__each_total *each, void *self)
{
    const cs_spend__tenant *tenant = account->tenant;
    for (size_t i = 0; tenant != NULL && i < tenant->n_budgets; i++) {
        const cs_spend__budget *budget = &tenant->budgets[i];
        if (memcmp(budget->currency, currency.p, 3) != 0 || !cs_spend__scope_covers(scope, &budget->scope)) {
            continue;
        }
        if (budget->per.n == 0) {
            each(self, account, NULL, &account->totals[i]);
            continue;
        }
        cs_spend__part *part =
            part_for(account, cs_spend__counted_set(account), &tenant->patterns[budget->pattern_each], scope);
        for (size_t k = 0; part != NULL && k < part->n_totals; k++) {
            if (part->totals[k].budget == budget) {
                each(self, account, part, &part->totals[k]);
            }
        }
    }
}

/* ---- families */

static void merge_book(cs_spend__book *to, const cs_spend__book *from)
{
    uint64_t version = to->version + from->version;
    for (size_t i = 0; i < from->buckets.n; i++) {
        const cs_spend__bucket *b = &from->buckets.v[i];
        cs_spend__change c = {
            .slot = b->slot, .events = (int32_t)b->events, .posted = b->posted, .last_ns = b->last_ns};
        cs_spend__book_change(to, &c, b->slot);
    }
    for (size_t i = 0; i < from->marks.n; i++) {
        const cs_spend__marks *m = &from->marks.v[i];
        cs_spend__change c = {.slot = m->slot, .late = m->late, .corrected = m->corrected, .last_ns = INT64_MIN};
        cs_spend__book_change(to, &c, m->slot);
    }
    to->overflow = to->overflow || from->overflow;
    to->version = version;
}

static bool has_pattern(const cs_spend__tenant *tenant, const cs_spend__pairs *pairs)
{
    for (size_t i = 0; i < tenant->n_patterns; i++) {
        const cs_spend__pattern *p = &tenant->patterns[i];
        bool same = p->n == pairs->n;
        for (size_t k = 0; same && k < p->n; k++) {
            same = cs_slice_eq(p->names[k], pairs->v[k].name);
        }
        if (same) {
            return true;
        }
    }
    return false;
}

void cs_spend__set_merge(cs_spend__set *to, const cs_spend__tenant *tenant, const cs_spend__set *from)
{
    for (size_t i = 0; i < from->books.n; i++) {
        const cs_spend__book *book = from->books.v[i];
        cs_spend__book *mine = cs_spend__set_book(to, book->currency);
        if (mine == NULL) {
            mine = new_book(book->currency);
            CS_VEC_PUSH(&to->books, mine);
        }
        merge_book(mine, book);
    }
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while (from->has_parts && (entry = cs_map_next(&from->parts, &cursor)) != NULL) {
        const cs_spend__part *part = entry->value;
        if (!has_pattern(tenant, &part->pairs)) {
            continue;
        }
        cs_spend__part *mine = find_part(to, part->key);
        mine = mine != NULL ? mine : make_part(to, part->key);
        for (size_t i = 0; i < part->books.n; i++) {
            cs_spend__book *book = find_book(mine->books.v, mine->books.n, part->books.v[i]->currency);
            if (book == NULL) {
                book = new_book(part->books.v[i]->currency);
                CS_VEC_PUSH(&mine->books, book);
            }
            merge_book(book, part->books.v[i]);
        }
    }
}
