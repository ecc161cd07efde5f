/* The data of a spend event from its members, without values. What is not in order is left to event.c, which says why;
 * this must never take what that would refuse, nor read it differently. */
#include "countersign/base/limits.h"
#include "spend/internal.h"

static bool is(cs_slice s, const char *word, size_t n)
{
    return s.n == n && memcmp(s.p, word, n) == 0;
}
#define IS(s, word) is(s, word, sizeof(word) - 1)

/* "12.5", "-0.000000001": at most 9 digits before the point and 9 behind. */
static bool short_amount(cs_slice s, int64_t *nanos)
{
    size_t i = s.n > 0 && s.p[0] == '-' ? 1 : 0;
    size_t first = i;
    int64_t sum = 0;
    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
        sum = i - first < 10 ? sum * 10 + (s.p[i] - '0') : 0;
    }
    size_t whole = i - first;
    if (whole == 0 || whole > 9 || (whole > 1 && s.p[first] == '0')) {
        return false;
    }
    size_t decimals = 0;
    if (i < s.n) {
        if (s.p[i] != '.' || s.n - i > 10 || s.n - i < 2) {
            return false;
        }
        for (i++; i < s.n; i++, decimals++) {
            if (s.p[i] < '0' || s.p[i] > '9') {
                return false;
            }
            sum = sum * 10 + (s.p[i] - '0');
        }
    }
    for (; decimals < 9; decimals++) {
        sum *= 10;
    }
    *nanos = first == 1 ? -sum : sum;
    return true;
}

static bool amount(const cs_event_member *m, cs_spend__event *out)
{
    if (m->kind != CS_STRING && m->kind != CS_NUMBER) {
        return false;
    }
    if (short_amount(m->text, &out->nanos)) {
        return true;
    }
    cs_money_read read = cs_money_parse(m->text, &out->nanos);
    out->rounded = read == CS_MONEY_ROUNDED;
    return (read == CS_MONEY_OK || read == CS_MONEY_ROUNDED) && out->nanos != INT64_MIN;
}

static bool kind_of(cs_slice text, cs_spend__kind *out)
{
    *out = IS(text, "usage")            ? CS_SPEND__USAGE
           : IS(text, "correction")     ? CS_SPEND__CORRECTION
           : IS(text, "refund")         ? CS_SPEND__REFUND
           : IS(text, "reconciliation") ? CS_SPEND__RECONCILIATION
                                        : CS_SPEND__ADJUSTMENT;
    return *out != CS_SPEND__ADJUSTMENT || IS(text, "adjustment");
}

static bool pairs(const cs_event_member *m, cs_spend__pairs *out)
{
    if (m->kind == CS_NULL) {
        return true;
    }
    if (m->kind != CS_OBJECT || m->inside > CS_SPEND__PAIRS) {
        return false;
    }
    for (size_t i = 1; i <= m->inside; i++) {
        const cs_event_member *p = &m[i];
        if (p->kind != CS_STRING || p->name.n == 0 || p->name.n > CS_SPEND__NAME_BYTES ||
            p->text.n > CS_SPEND__VALUE_BYTES) {
            return false;
        }
        size_t at = out->n++;
        for (; at > 0 && cs_slice_compare(p->name, out->v[at - 1].name) < 0; at--) {
            out->v[at] = out->v[at - 1];
        }
        out->v[at] = (cs_spend__pair){p->name, p->text};
    }
    return true;
}

static bool optional(const cs_event_member *m, cs_slice *out)
{
    if (m->kind == CS_STRING && m->text.n <= CS_SPEND__VALUE_BYTES) {
        *out = m->text;
        return true;
    }
    return m->kind == CS_NULL;
}

static bool link_of(const cs_event_member *m, cs_spend__event *out)
{
    for (size_t i = 1; i <= m->inside; i++) {
        cs_slice *to = IS(m[i].name, "source") ? &out->corrects_source : IS(m[i].name, "id") ? &out->corrects_id : NULL;
        if (to != NULL) {
            if (m[i].kind != CS_STRING || m[i].text.n == 0) {
                return false;
            }
            *to = m[i].text;
        }
    }
    out->linked = true;
    return m->kind == CS_OBJECT && out->corrects_source.n > 0 && out->corrects_id.n > 0;
}

static bool operation(const cs_event_member *m, cs_spend__event *out)
{
    for (size_t i = 1; i <= m->inside; i++) {
        if ((IS(m[i].name, "document_id") && !optional(&m[i], &out->document_id)) ||
            (IS(m[i].name, "name") && !optional(&m[i], &out->operation))) {
            return false;
        }
    }
    return m->kind == CS_OBJECT;
}

static bool quantity(const cs_event_member *m, cs_spend__event *out)
{
    bool valued = false;
    for (size_t i = 1; i <= m->inside; i++) {
        if (IS(m[i].name, "value")) {
            cs_money_read read = m[i].kind == CS_STRING || m[i].kind == CS_NUMBER
                                     ? cs_money_parse(m[i].text, &out->quantity)
                                     : CS_MONEY_MALFORMED;
            valued = read == CS_MONEY_OK || read == CS_MONEY_ROUNDED;
        } else if (IS(m[i].name, "unit") && !optional(&m[i], &out->unit)) {
            return false;
        }
    }
    return m->kind == CS_OBJECT && valued;
}

typedef struct found {
    const cs_event_member *tenant, *amount, *kind, *currency;
} found;

static bool member(const cs_event_member *m, cs_spend__event *out, found *f)
{
    switch (m->word) {
    case CS_EVENT_TENANT:
        f->tenant = m;
        return true;
    case CS_EVENT_AMOUNT:
        f->amount = m;
        return true;
    case CS_EVENT_KIND:
        f->kind = m;
        return true;
    case CS_EVENT_CURRENCY:
        f->currency = m;
        return true;
    case CS_EVENT_SCOPE:
        return pairs(m, &out->scope);
    case CS_EVENT_TAGS:
        return pairs(m, &out->tags);
    case CS_EVENT_HOLD:
        return optional(m, &out->hold);
    case CS_EVENT_QUANTITY:
        return m->kind == CS_NULL || quantity(m, out);
    case CS_EVENT_CORRECTS:
        return m->kind == CS_NULL || link_of(m, out);
    case CS_EVENT_ESTIMATED:
        out->estimated = m->kind == CS_BOOL && m->truth;
        return true;
    case CS_EVENT_OPERATION:
        return m->kind == CS_NULL || operation(m, out);
    default:
        return true;
    }
}

static bool tenant_in_order(const cs_event *event, cs_slice tenant)
{
    const cs_slice prefix = CS_LIT("tenant/");
    cs_slice subject = event->subject;
    return tenant.n > 0 && (event->past || tenant.n <= cs_limits_get()->tenant_bytes) && !IS(tenant, "meta") &&
           subject.n == prefix.n + tenant.n && memcmp(subject.p, prefix.p, prefix.n) == 0 &&
           memcmp(subject.p + prefix.n, tenant.p, tenant.n) == 0;
}

static bool currency_in_order(cs_slice c)
{
    return c.n == 3 && c.p[0] >= 'A' && c.p[0] <= 'Z' && c.p[1] >= 'A' && c.p[1] <= 'Z' && c.p[2] >= 'A' &&
           c.p[2] <= 'Z';
}

static void clear(cs_spend__event *out, const cs_event *event)
{
    const cs_slice none = CS_LIT("");
    out->rounded = out->estimated = out->linked = false;
    out->corrects_source = out->corrects_id = out->hold = out->document_id = out->operation = out->unit = none;
    out->quantity = 0;
    out->scope.n = out->tags.n = 0;
    out->hash[0] = out->hash[1] = 0;
    out->account = NULL;
    out->cost_key = none;
    out->cost_hash = 0;
    out->correlation = event->correlation;
}

bool cs_spend__event_plain(const cs_event *event, cs_spend__event *out)
{
    found f = {.tenant = NULL};
    clear(out, event);
    for (size_t i = 0; i < event->n_members; i += 1 + (size_t)event->members[i].inside) {
        if (!member(&event->members[i], out, &f)) {
            return false;
        }
    }
    if (f.tenant == NULL || f.amount == NULL || f.kind == NULL || f.currency == NULL || f.tenant->kind != CS_STRING ||
        f.kind->kind != CS_STRING || f.currency->kind != CS_STRING) {
        return false;
    }
    out->tenant = f.tenant->text;
    out->currency = f.currency->text;
    if (!tenant_in_order(event, out->tenant) || !amount(f.amount, out) || !kind_of(f.kind->text, &out->kind) ||
        !currency_in_order(out->currency)) {
        return false;
    }
    if (out->kind == CS_SPEND__USAGE && (out->nanos < 0 || out->linked)) {
        return false;
    }
    return !out->linked || !cs_slice_eq(out->corrects_source, event->source) ||
           !cs_slice_eq(out->corrects_id, event->id);
}
