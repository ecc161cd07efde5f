/* What the month will come to, with its range.
 *
 * Method: the mean of each weekday over the last eight weeks of the tenant's own days, added up over what is left of
 * the month; of today, the part that is left by the clock. A weekday that was seen fewer than twice takes the mean of
 * all days. The range holds the outcome in 80 of 100 months: 1.2816 standard deviations of the days' differences from
 * their means, as if days were independent, and with the uncertainty of the means themselves. Negative days (refunds)
 * count as they are; a range never begins below what is spent already.
 *
 * Back-test: the same method at each of the last 28 days, asked for the 7 days that followed, against what they came
 * to. */
#include <math.h>

#include "countersign/number.h"
#include "spend/internal.h"

enum { WEEKS = 8, DAYS = 7 * WEEKS, HORIZON = 7, ORIGINS = 28, HISTORY = DAYS + ORIGINS + HORIZON, LEAST_DAYS = 7 };
#define QUANTILE_80 1.2816

/* Whole days, oldest first; the last one ended when today began. */
typedef struct history {
    double day[HISTORY]; /* in nanos */
    int weekday[HISTORY];
    size_t n;
} history;

typedef struct model {
    double mean[7];
    double variance; /* of a day around its mean */
    double samples;  /* that a mean rests on */
} model;

/* ---- the model */

/* From the days [from, to) of a history. */
static model fit(const history *h, size_t from, size_t to)
{
    double sum[7] = {0}, all = 0;
    size_t count[7] = {0}, days = to - from;
    model m = {.samples = 1};
    for (size_t i = from; i < to; i++) {
        sum[h->weekday[i]] += h->day[i];
        count[h->weekday[i]]++;
        all += h->day[i];
    }
    size_t means = 1;
    for (int w = 0; w < 7; w++) {
        bool own = count[w] >= 2;
        m.mean[w] = own ? sum[w] / (double)count[w] : days > 0 ? all / (double)days : 0;
        means += own;
    }
    double squares = 0;
    for (size_t i = from; i < to; i++) {
        double d = h->day[i] - m.mean[h->weekday[i]];
        squares += d * d;
    }
    m.variance = days > means ? squares / (double)(days - means) : squares;
    m.samples = days >= 14 ? (double)days / 7 : (double)days;
    return m;
}

typedef struct outlook {
    double mean, deviation;
} outlook;

/* `today` is the weekday of the first day, of which `part` is left; then whole days. */
static outlook look_ahead(const model *m, int today, double part, int64_t days)
{
    double mean = part * m->mean[today];
    double squares = part * part;
    double length = part;
    for (int64_t i = 1; i <= days; i++) {
        mean += m->mean[(today + (int)(i % 7)) % 7];
        squares += 1;
        length += 1;
    }
    double per_mean = length / 7 < 1 ? 1 : length / 7; /* how often a weekday's mean is used */
    double variance = m->variance * (squares + (m->samples > 0 ? length * per_mean / m->samples : 0));
    return (outlook){.mean = mean, .deviation = sqrt(variance)};
}

typedef struct backtest {
    size_t origins, covered;
    double error; /* sum of |predicted - actual| / |actual| where there is any */
    size_t errors;
} backtest;

static backtest test_back(const history *h)
{
    backtest b = {0};
    for (size_t back = HORIZON; back < HORIZON + ORIGINS && back + LEAST_DAYS <= h->n; back++) {
        size_t origin = h->n - back;
        model m = fit(h, origin > DAYS ? origin - DAYS : 0, origin);
        outlook o = look_ahead(&m, h->weekday[origin], 1, HORIZON - 1);
        double actual = 0;
        for (size_t i = origin; i < origin + HORIZON; i++) {
            actual += h->day[i];
        }
        b.origins++;
        b.covered += fabs(actual - o.mean) <= QUANTILE_80 * o.deviation + 0.5;
        if (fabs(actual) > 0) {
            b.error += fabs(o.mean - actual) / fabs(actual);
            b.errors++;
        }
    }
    return b;
}

/* ---- the tenant's days */

typedef struct calendar {
    const cs_zone *zone;
    int64_t today; /* days since 1970, in the zone */
    int64_t now_ns, month_start_ns, month_end_ns, today_start_ns, today_end_ns;
    int64_t month_day_end; /* first day of the next month */
    int64_t year;
    int month;
} calendar;

static calendar calendar_at(const cs_zone *zone, int64_t now_ns)
{
    calendar c = {.zone = zone, .now_ns = now_ns};
    int64_t now = now_ns / CS_NS_PER_S;
    int64_t local = now + cs_zone_offset(zone, now, NULL);
    c.today = local / 86400;
    int day = 0;
    cs_time_civil_from_days(c.today, &c.year, &c.month, &day);
    int64_t next_year = c.year + (c.month == 12);
    c.month_day_end = cs_time_days_from_civil(next_year, c.month == 12 ? 1 : c.month + 1, 1);
    c.month_start_ns = cs_zone_day_start(zone, cs_time_days_from_civil(c.year, c.month, 1)) * CS_NS_PER_S;
    c.month_end_ns = cs_zone_day_start(zone, c.month_day_end) * CS_NS_PER_S;
    c.today_start_ns = cs_zone_day_start(zone, c.today) * CS_NS_PER_S;
    c.today_end_ns = cs_zone_day_start(zone, c.today + 1) * CS_NS_PER_S;
    return c;
}

static int weekday_of(int64_t day)
{
    return (int)((day + 4) % 7); /* 1970-01-01 was a Thursday; 0 = Sunday */
}

/* Under the lock. Days before the first event do not count. */
static void read_history(cs_spend__book *book, const calendar *c, history *h)
{
    int64_t first = book->buckets.n > 0 ? book->buckets.v[0].slot : INT64_MAX;
    for (int64_t day = c->today - HISTORY; day < c->today; day++) {
        int64_t from = cs_zone_day_start(c->zone, day) / CS_SPEND__SLOT_S;
        int64_t to = cs_zone_day_start(c->zone, day + 1) / CS_SPEND__SLOT_S;
        if (to <= first) {
            continue;
        }
        cs_spend__sum sum = cs_spend__book_sum(book, from, to);
        h->day[h->n] = (double)sum.posted;
        h->weekday[h->n++] = weekday_of(day);
    }
}

typedef struct facts {
    calendar c;
    history h;
    int64_t spent; /* this month */
    bool has_limit;
    int64_t limit;
    char currency[4];
} facts;

static bool read_facts(cs_spend *s, cs_slice tenant, cs_slice currency, facts *f)
{
    int64_t now = s->now_ns(s->now_self);
    cs_spend__shard *shard = cs_spend__shard_of(s, tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__account *account = cs_spend__account_find(shard, tenant);
    const cs_spend__tenant *t = account != NULL ? account->tenant : NULL;
    cs_spend__set *set = account != NULL ? cs_spend__counted_set(account) : NULL;
    bool known = set != NULL && (t != NULL || set->books.n > 0);
    if (known) {
        cs_slice own = t != NULL ? cs_slice_make(t->currency, 3) : cs_slice_make(set->books.v[0]->currency, 3);
        memcpy(f->currency, currency.n == 3 ? currency.p : own.p, 3);
        const cs_zone *zone = t != NULL ? t->zone : NULL;
        cs_err utc = zone == NULL ? cs_zone_find(CS_LIT("UTC"), &zone, NULL) : CS_OK;
        cs_assert(utc == CS_OK);
        f->c = calendar_at(zone, now);
        cs_spend__book *book = cs_spend__set_book(set, f->currency);
        if (book != NULL) {
            read_history(book, &f->c, &f->h);
            f->spent =
                cs_spend__book_sum(book, cs_spend__slot(f->c.month_start_ns), cs_spend__slot(f->c.month_end_ns)).posted;
        }
        cs_spend__standing standing = cs_spend__standing_at(account, now);
        for (size_t i = 0; t != NULL && i < t->n_budgets; i++) {
            const cs_spend__budget *b = &t->budgets[i];
            bool of_month = b->window.unit == CS_SPEND__MONTH && b->pattern == CS_SPEND__WHOLE && b->per.n == 0;
            if (of_month && memcmp(b->currency, f->currency, 3) == 0) {
                int64_t limit = cs_spend__limit_at(account, &standing, b, now);
                f->limit = !f->has_limit || limit < f->limit ? limit : f->limit;
                f->has_limit = true;
            }
        }
    }
    cs_mutex_unlock(&shard->lock);
    return known;
}

/* ---- the document */

static int64_t nanos_of(double x)
{
    return x >= 9.2e18 ? INT64_MAX : x <= -9.2e18 ? INT64_MIN : (int64_t)llround(x);
}

static cs_value share(cs_arena *a, double part, size_t of)
{
    return of > 0 ? cs_number_from_double(a, round(part / (double)of * 1e4) / 1e4) : cs_null();
}

/* The first day at whose end the expected sum is above the limit. */
static cs_value exceeded_on(cs_arena *a, const facts *f, const model *m, double part)
{
    double sum = (double)f->spent + part * m->mean[weekday_of(f->c.today)];
    if (!f->has_limit) {
        return cs_null();
    }
    for (int64_t day = f->c.today; day < f->c.month_day_end; day++) {
        sum += day > f->c.today ? m->mean[weekday_of(day)] : 0;
        if (sum > (double)f->limit) {
            int64_t year = 0;
            int month = 0, mday = 0;
            cs_time_civil_from_days(day, &year, &month, &mday);
            return cs_string_printf(a, "%04d-%02d-%02d", (int)year, month, mday);
        }
    }
    return cs_null();
}

static cs_value backtest_value(cs_arena *a, const history *h)
{
    backtest b = test_back(h);
    cs_value v = cs_object_new(a, 4);
    cs_object_put_text(a, v, "horizon_days", cs_int(HORIZON));
    cs_object_put_text(a, v, "origins", cs_int((int64_t)b.origins));
    cs_object_put_text(a, v, "mean_absolute_percentage_error", share(a, b.error, b.errors));
    cs_object_put_text(a, v, "coverage", share(a, (double)b.covered, b.origins));
    return v;
}

static void put_projection(cs_arena *a, cs_value v, const facts *f)
{
    bool enough = f->h.n >= LEAST_DAYS;
    model m = fit(&f->h, f->h.n > DAYS ? f->h.n - DAYS : 0, f->h.n);
    double part = (double)(f->c.today_end_ns - f->c.now_ns) / (double)(f->c.today_end_ns - f->c.today_start_ns);
    outlook o = look_ahead(&m, weekday_of(f->c.today), part, f->c.month_day_end - 1 - f->c.today);
    double end = (double)f->spent + o.mean, low = end - QUANTILE_80 * o.deviation;
    low = low < (double)f->spent && o.mean >= 0 ? (double)f->spent : low;
    cs_object_put_text(a, v, "projected", enough ? cs_spend__money(a, nanos_of(end)) : cs_null());
    cs_object_put_text(a, v, "projected_nanos", enough ? cs_int(nanos_of(end)) : cs_null());
    cs_object_put_text(a, v, "low", enough ? cs_spend__money(a, nanos_of(low)) : cs_null());
    cs_object_put_text(a, v, "high",
                       enough ? cs_spend__money(a, nanos_of(end + QUANTILE_80 * o.deviation)) : cs_null());
    cs_object_put_text(a, v, "exceeds_on", enough ? exceeded_on(a, f, &m, part) : cs_null());
    cs_object_put_text(a, v, "backtest", backtest_value(a, &f->h));
    if (!enough) {
        cs_object_put_text(a, v, "reason", cs_string(CS_LIT("fewer than 7 whole days are known")));
    }
}

cs_value cs_spend_forecast_document(cs_spend *s, cs_slice tenant, cs_slice currency, cs_arena *a)
{
    facts *f = cs_arena_new(a, facts);
    *f = (facts){.currency = ""};
    if (!read_facts(s, tenant, currency, f)) {
        return cs_undefined();
    }
    cs_value v = cs_object_new(a, 16);
    cs_object_put_text(a, v, "tenant", cs_string_copy(a, tenant));
    cs_object_put_text(a, v, "currency", cs_string_copy(a, cs_slice_make(f->currency, 3)));
    cs_object_put_text(a, v, "month", cs_string_printf(a, "%04d-%02d", (int)f->c.year, f->c.month));
    cs_object_put_text(a, v, "as_of", cs_spend__instant(a, f->c.now_ns));
    cs_object_put_text(a, v, "month_end", cs_spend__instant(a, f->c.month_end_ns));
    cs_object_put_text(a, v, "spent", cs_spend__money(a, f->spent));
    cs_object_put_text(a, v, "limit", f->has_limit ? cs_spend__money(a, f->limit) : cs_null());
    cs_object_put_text(a, v, "confidence", cs_number_from_double(a, 0.8));
    cs_object_put_text(a, v, "days_observed", cs_int((int64_t)f->h.n));
    cs_object_put_text(a, v, "method", cs_string(CS_LIT("mean of each weekday over eight weeks")));
    put_projection(a, v, f);
    return v;
}
