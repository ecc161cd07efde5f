/* time.*: instants are nanoseconds since 1970 in 64 bits, 1677 to 2262. */
#include <stdlib.h>

#include "rego/builtin/format.h"
#include "rego/builtin/time_layout.h"

cs_err cs_builtin__time_now_ns(cs_call *call, cs_value *out)
{
    return cs_call__give(out, cs_int(cs_builtin_now(call->state)));
}

static cs_err give_instant(cs_call *call, int64_t seconds, int64_t ns, cs_value *out)
{
    int64_t all;
    if (__builtin_mul_overflow(seconds, CS_NS_PER_S, &all)) {
        /* The first instant's second lies below the range, the instant itself does not. */
        if (seconds != INT64_MIN / CS_NS_PER_S - 1 || ns < CS_NS_PER_S + INT64_MIN % CS_NS_PER_S) {
            return cs_call_error(call, "time outside of valid range");
        }
        return cs_call__give(out, cs_int(INT64_MIN / CS_NS_PER_S * CS_NS_PER_S - (CS_NS_PER_S - ns)));
    }
    if (__builtin_add_overflow(all, ns, &all)) {
        return cs_call_error(call, "time outside of valid range");
    }
    return cs_call__give(out, cs_int(all));
}

cs_err cs_builtin__time_parse_ns(cs_call *call, cs_value *out)
{
    cs_slice layout, value;
    int64_t seconds, ns;
    CS_TRY(cs_call_string(call, 1, &layout));
    CS_TRY(cs_call_string(call, 2, &value));
    CS_TRY(cs_layout__parse(call, cs_layout__named(layout), value, &seconds, &ns));
    return give_instant(call, seconds, ns, out);
}

static bool two_digits(const char *p, int64_t most, int64_t *out)
{
    *out = (p[0] - '0') * 10 + (p[1] - '0');
    return p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9' && *out <= most;
}

/* "2024-01-02T03:04:05Z", perhaps with a fraction: what nearly everybody sends. Anything else takes the long way. */
static bool plain_rfc3339(cs_slice s, int64_t *seconds, int64_t *ns)
{
    int64_t century = 0, year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    bool good = s.n >= 20 && s.n <= 30 && s.p[4] == '-' && s.p[7] == '-' && s.p[10] == 'T' && s.p[13] == ':' &&
                s.p[16] == ':' && s.p[s.n - 1] == 'Z' && two_digits(s.p, 99, &century) &&
                two_digits(s.p + 2, 99, &year) && two_digits(s.p + 5, 12, &month) && two_digits(s.p + 8, 31, &day) &&
                two_digits(s.p + 11, 23, &hour) && two_digits(s.p + 14, 59, &minute) &&
                two_digits(s.p + 17, 59, &second);
    if (!good || month == 0 || day == 0 || day > cs_civil__days_in((int)month, century * 100 + year)) {
        return false;
    }
    *ns = 0;
    if (s.n > 20) {
        if (s.p[19] != '.' || s.n == 21) {
            return false;
        }
        for (size_t i = 20; i < 29; i++) {
            bool digit = i < s.n - 1;
            if (digit && (s.p[i] < '0' || s.p[i] > '9')) {
                return false;
            }
            *ns = *ns * 10 + (digit ? s.p[i] - '0' : 0);
        }
    }
    *seconds = cs_civil__seconds(century * 100 + year, month, day, hour, minute, second);
    return true;
}

cs_err cs_builtin__time_parse_rfc3339_ns(cs_call *call, cs_value *out)
{
    cs_slice value;
    int64_t seconds, ns;
    CS_TRY(cs_call_string(call, 1, &value));
    if (!plain_rfc3339(value, &seconds, &ns)) {
        CS_TRY(cs_layout__parse(call, cs_layout__named(CS_LIT("RFC3339")), value, &seconds, &ns));
    }
    return give_instant(call, seconds, ns, out);
}

/* ------------------------------------------------------------------------------------------------ operands */

typedef struct moment {
    int64_t ns;
    const cs_zone *zone;
    cs_slice layout;
} moment;

static cs_err find_zone(cs_call *call, cs_slice name, const cs_zone **out)
{
    /* The zone that this thread asked for last: zones live as long as the process. */
    static _Thread_local struct {
        char name[48];
        size_t n;
        const cs_zone *zone;
    } last;
    cs_error e;
    if (last.zone && cs_slice_eq(name, cs_slice_make(last.name, last.n))) {
        *out = last.zone;
        return CS_OK;
    }
    cs_slice asked = name;
    if (cs_slice_is(name, "Local")) {
        name = CS_LIT("UTC"); /* the machine's zone must not decide */
    }
    bool outside = cs_slice_find(name, CS_LIT(".."), 0) != SIZE_MAX || (name.n && (*name.p == '/' || *name.p == '\\'));
    if (outside) {
        return cs_call_error(call, "time: invalid location name");
    }
    if (cs_zone_find(name, out, &e) != CS_OK) {
        return cs_call_error(call, "%s", e.text);
    }
    if (asked.n <= sizeof last.name) {
        memcpy(last.name, asked.p, asked.n);
        last.n = asked.n;
        last.zone = *out;
    }
    return CS_OK;
}

/* ns, [ns], [ns, zone] or [ns, zone, layout]. */
static cs_err read_moment(cs_call *call, uint32_t operand, moment *out)
{
    cs_value v = call->args[operand - 1];
    *out = (moment){.layout = {"", 0}};
    cs_slice zone = CS_LIT("UTC");
    if (v.kind == CS_ARRAY && v.n > 0) {
        cs_value list = v;
        v = list.u.items[0];
        CS_TRY(cs_call__kind(call, 1, v, CS_NUMBER, "number"));
        if (list.n > 1) {
            CS_TRY(cs_call__kind(call, 1, list.u.items[1], CS_STRING, "string"));
            zone = cs_text(list.u.items[1]);
        }
        CS_TRY(find_zone(call, zone, &out->zone));
        if (list.n > 2) {
            CS_TRY(cs_call__kind(call, 1, list.u.items[2], CS_STRING, "string"));
            out->layout = cs_text(list.u.items[2]);
        }
    } else if (v.kind != CS_NUMBER) {
        return cs_call__operand_error(call, 1, "must be either number (ns) or [number (ns), string (tz)] but got %s",
                                      cs_kind_name(v));
    } else {
        CS_TRY(find_zone(call, zone, &out->zone));
    }
    return cs_number_is_int(v, &out->ns) ? CS_OK : cs_call_error(call, "timestamp too big");
}

static cs_value numbers(cs_call *call, const int64_t *v, uint32_t n)
{
    cs_value *items = cs_arena_alloc(call->arena, n * sizeof *items);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = cs_int(v[i]);
    }
    return cs_array(items, n);
}

void cs_time_write_layout(int64_t wall_ns, cs_slice layout, cs_buf *out)
{
    cs_arena arena;
    cs_arena_init(&arena, 0);
    cs_call call = {.arena = &arena};
    const cs_zone *utc = NULL;
    cs_error e = {0};
    if (cs_zone_find(CS_LIT("UTC"), &utc, &e) != CS_OK) {
        cs_arena_destroy(&arena);
        return;
    }
    cs_civil t = cs_civil__at(wall_ns, utc);
    cs_sink text;
    cs_sink__init(&text, &call);
    cs_layout__format(&text, cs_layout__named(layout), &t);
    cs_buf_put(out, text.p, text.n);
    cs_arena_destroy(&arena);
}

/* ------------------------------------------------------------------------------------------------ parts */

cs_err cs_builtin__time_format(cs_call *call, cs_value *out)
{
    moment m;
    CS_TRY(read_moment(call, 1, &m));
    cs_civil t = cs_civil__at(m.ns, m.zone);
    cs_sink text;
    cs_sink__init(&text, call);
    cs_layout__format(&text, cs_layout__named(m.layout.n ? m.layout : CS_LIT("RFC3339Nano")), &t);
    return cs_sink__done(&text, out);
}

cs_err cs_builtin__time_date(cs_call *call, cs_value *out)
{
    moment m;
    CS_TRY(read_moment(call, 1, &m));
    cs_civil t = cs_civil__at(m.ns, m.zone);
    return cs_call__give(out, numbers(call, (int64_t[]){t.year, t.month, t.day}, 3));
}

cs_err cs_builtin__time_clock(cs_call *call, cs_value *out)
{
    moment m;
    CS_TRY(read_moment(call, 1, &m));
    cs_civil t = cs_civil__at(m.ns, m.zone);
    return cs_call__give(out, numbers(call, (int64_t[]){t.hour, t.minute, t.second}, 3));
}

cs_err cs_builtin__time_weekday(cs_call *call, cs_value *out)
{
    moment m;
    CS_TRY(read_moment(call, 1, &m));
    return cs_call__give(out, cs_string(cs_slice_of(cs_layout__weekdays[cs_civil__at(m.ns, m.zone).weekday])));
}

cs_err cs_builtin__time_add_date(cs_call *call, cs_value *out)
{
    const int64_t most = 1000000000; /* far outside of the range, far inside of 64 bits */
    moment m;
    int64_t add[3];
    CS_TRY(read_moment(call, 1, &m));
    for (uint32_t i = 0; i < 3; i++) {
        CS_TRY(cs_call_int(call, i + 2, &add[i]));
        if (add[i] > most || add[i] < -most) {
            return cs_call_error(call, "time outside of valid range");
        }
    }
    cs_civil t = cs_civil__at(m.ns, m.zone);
    int64_t local = cs_civil__seconds(t.year + add[0], t.month + add[1], t.day + add[2], t.hour, t.minute, t.second);
    return give_instant(call, cs_zone_instant(m.zone, local), t.nanosecond, out);
}

/* Borrows from the next larger unit. */
static void borrow(int64_t *small, int64_t *large, int64_t size)
{
    if (*small < 0) {
        *small += size;
        (*large)--;
    }
}

cs_err cs_builtin__time_diff(cs_call *call, cs_value *out)
{
    moment a, b;
    CS_TRY(read_moment(call, 1, &a));
    CS_TRY(read_moment(call, 2, &b));
    cs_civil x = cs_civil__at(a.ns, a.zone), y = cs_civil__at(b.ns, a.zone);
    if (a.ns > b.ns) {
        cs_civil swap = x;
        x = y;
        y = swap;
    }
    int64_t d[6] = {y.year - x.year, y.month - x.month,   y.day - x.day,
                    y.hour - x.hour, y.minute - x.minute, y.second - x.second};
    borrow(&d[5], &d[4], 60);
    borrow(&d[4], &d[3], 60);
    borrow(&d[3], &d[2], 24);
    borrow(&d[2], &d[1], cs_civil__days_in(x.month, x.year));
    borrow(&d[1], &d[0], 12);
    return cs_call__give(out, numbers(call, d, 6));
}

/* ------------------------------------------------------------------------------------------------ durations */

/* `time: invalid duration "x"`; `unit` is quoted in between when it is given. */
static cs_err duration_error(cs_call *call, const char *before, const cs_slice *unit, const char *after, cs_slice text)
{
    cs_sink s;
    cs_slice all;
    cs_sink__init(&s, call);
    cs_sink__text(&s, before);
    if (unit) {
        cs_layout__quote(&s, *unit);
    }
    cs_sink__text(&s, after);
    cs_layout__quote(&s, text);
    CS_TRY(cs_sink__slice_done(&s, &all));
    return cs_call_error(call, "%.*s", CS_FMT(all));
}

static cs_err bad_duration(cs_call *call, cs_slice named)
{
    return duration_error(call, "time: invalid duration ", NULL, "", named);
}

static uint64_t unit_ns(cs_slice unit)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},           {"us", 1000},      {"\xC2\xB5s", 1000}, /* micro sign */
                 {"\xCE\xBCs", 1000},                                         /* Greek mu */
                 {"ms", 1000000},     {"s", 1000000000}, {"m", UINT64_C(60000000000)}, {"h", UINT64_C(3600000000000)}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (cs_slice_is(unit, units[i].name)) {
            return units[i].ns;
        }
    }
    return 0;
}

#define MOST_NS (UINT64_C(1) << 63)

/* Digits into *v as long as they fit; false if they do not. */
static bool whole_digits(cs_slice *s, uint64_t *v)
{
    for (*v = 0; s->n && *s->p >= '0' && *s->p <= '9'; s->p++, s->n--) {
        if (*v > MOST_NS / 10 || (*v = *v * 10 + (uint64_t)(*s->p - '0')) > MOST_NS) {
            return false;
        }
    }
    return true;
}

/* Digits behind the point: as many as fit count. */
static void fraction_digits(cs_slice *s, uint64_t *v, double *scale)
{
    bool full = false;
    for (*v = 0, *scale = 1; s->n && *s->p >= '0' && *s->p <= '9'; s->p++, s->n--) {
        full = full || *v > (MOST_NS - 1) / 10;
        if (!full) {
            *v = *v * 10 + (uint64_t)(*s->p - '0');
            *scale *= 10;
        }
    }
}

/* One "1.5h" off *s, added to *sum. `named` is what errors quote. */
static cs_err duration_part(cs_call *call, cs_slice *s, cs_slice named, uint64_t *sum)
{
    uint64_t v, fraction = 0;
    double scale = 1;
    size_t before = s->n;
    if (*s->p != '.' && (*s->p < '0' || *s->p > '9')) {
        return bad_duration(call, named);
    }
    if (!whole_digits(s, &v)) {
        return bad_duration(call, named);
    }
    bool digits = s->n != before;
    if (s->n && *s->p == '.') {
        *s = cs_slice_sub(*s, 1, s->n);
        before = s->n;
        fraction_digits(s, &fraction, &scale);
        digits = digits || s->n != before;
    }
    if (!digits) {
        return bad_duration(call, named);
    }
    size_t n = 0;
    while (n < s->n && s->p[n] != '.' && (s->p[n] < '0' || s->p[n] > '9')) {
        n++;
    }
    cs_slice unit = cs_slice_sub(*s, 0, n);
    *s = cs_slice_sub(*s, n, s->n);
    if (n == 0) {
        return duration_error(call, "time: missing unit in duration ", NULL, "", named);
    }
    uint64_t ns = unit_ns(unit);
    if (ns == 0) {
        return duration_error(call, "time: unknown unit ", &unit, " in duration ", named);
    }
    if (v > MOST_NS / ns) {
        return bad_duration(call, named);
    }
    v = v * ns + (uint64_t)((double)fraction * ((double)ns / scale));
    if (v > MOST_NS || *sum + v > MOST_NS) {
        return bad_duration(call, named);
    }
    *sum += v;
    return CS_OK;
}

static cs_err go_duration(cs_call *call, cs_slice s, cs_slice named, int64_t *out)
{
    bool negative = s.n && *s.p == '-';
    uint64_t sum = 0;
    if (negative || (s.n && *s.p == '+')) {
        s = cs_slice_sub(s, 1, s.n);
    }
    if (cs_slice_is(s, "0")) {
        *out = 0;
        return CS_OK;
    }
    if (s.n == 0) {
        return bad_duration(call, named);
    }
    while (s.n) {
        CS_TRY(duration_part(call, &s, named, &sum));
    }
    if (sum == MOST_NS && !negative) {
        return bad_duration(call, named);
    }
    *out = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return CS_OK;
}

/* The number in front of d, w or y as hours. */
static bool put_hours(cs_sink *out, cs_slice digits, double hours)
{
    char text[64];
    size_t dots = 0;
    for (size_t i = 0; i < digits.n; i++) {
        dots += digits.p[i] == '.';
    }
    if (dots > 1 || digits.n == dots || digits.n >= sizeof text) {
        return false;
    }
    memcpy(text, digits.p, digits.n);
    text[digits.n] = '\0';
    cs_format__float(out, strtod(text, NULL) * hours, 'f', -1);
    cs_sink__byte(out, 'h');
    return true;
}

/* "1w2d" to "168h48h": numbers with a unit, days and more as hours. */
static cs_err in_hours(cs_call *call, cs_slice s, cs_sink *out)
{
    cs_slice all = s;
    if (s.n && (*s.p == '-' || *s.p == '+')) {
        cs_sink__byte(out, *s.p);
        s = cs_slice_sub(s, 1, s.n);
    }
    while (s.n) {
        size_t n = 0;
        while (n < s.n && (s.p[n] == '.' || (s.p[n] >= '0' && s.p[n] <= '9'))) {
            n++;
        }
        cs_slice digits = cs_slice_sub(s, 0, n), rest = cs_slice_sub(s, n, s.n);
        bool two = cs_slice_starts(rest, CS_LIT("ms")) || cs_slice_starts(rest, CS_LIT("us")) ||
                   cs_slice_starts(rest, CS_LIT("ns"));
        size_t width = cs_slice_starts(rest, CS_LIT("\xC2\xB5s")) ? 3
                       : two                                      ? 2
                                                                  : rest.n && *rest.p >= 'a' && *rest.p <= 'z';
        if (n == 0 || width == 0) {
            return bad_duration(call, all);
        }
        char unit = width == 1 ? *rest.p : '\0';
        double hours = unit == 'd' ? 24 : unit == 'w' ? 7 * 24 : unit == 'y' ? 365 * 24 : 0;
        if (hours > 0) {
            if (!put_hours(out, digits, hours)) {
                return bad_duration(call, all);
            }
        } else {
            cs_sink__slice(out, cs_slice_sub(s, 0, n + width));
        }
        s = cs_slice_sub(rest, width, rest.n);
    }
    return CS_OK;
}

cs_err cs_duration__parse(cs_call *call, cs_slice text, int64_t *ns)
{
    bool extended = false;
    for (size_t i = 0; i < text.n; i++) {
        extended = extended || text.p[i] == 'd' || text.p[i] == 'w' || text.p[i] == 'y';
    }
    if (!extended) {
        return go_duration(call, text, text, ns);
    }
    cs_sink hours;
    cs_slice plain;
    cs_sink__init(&hours, call);
    CS_TRY(in_hours(call, text, &hours));
    CS_TRY(cs_sink__slice_done(&hours, &plain));
    return go_duration(call, plain, text, ns);
}

cs_err cs_builtin__time_parse_duration_ns(cs_call *call, cs_value *out)
{
    cs_slice text;
    int64_t ns;
    CS_TRY(cs_call_string(call, 1, &text));
    CS_TRY(cs_duration__parse(call, text, &ns));
    return cs_call__give(out, cs_int(ns));
}
