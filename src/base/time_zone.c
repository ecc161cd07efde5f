/* Time zones: TZif files (RFC 8536) and the POSIX rule of their footer.
 *
 * The zones found are kept in a map under a mutex until the process ends; a zone itself never changes, so what was
 * found is read without a lock. Names are checked so that only files of the database can be asked for: the map cannot
 * grow without bound. */
#include "countersign/base/time.h"

#include <pthread.h>
#include <stdio.h>

#include "countersign/base/buf.h"
#include "countersign/base/file.h"
#include "countersign/base/map.h"
#include "countersign/base/mem.h"
#include "base/scan.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define ZONE_FILE_MAX ((size_t)1048576)
#define DAY INT64_C(86400)
/* Far enough from the ends of int64 that an offset can be added. */
#define FOREVER (INT64_C(1) << 60)

typedef struct local_type {
    int32_t offset;
    bool dst;
    uint8_t name; /* offset of the abbreviation in names */
} local_type;

/* One change of a POSIX rule: "Jn", "n" or "Mm.w.d", and the seconds after midnight. */
typedef struct rule_change {
    char kind; /* 'J', 'N' (zero-based day) or 'M' */
    int day;
    int week;
    int month;
    int64_t time;
} rule_change;

typedef struct posix_rule {
    bool present;
    bool has_dst;
    int32_t std_offset;
    int32_t dst_offset;
    char std_name[16];
    char dst_name[16];
    rule_change to_dst;
    rule_change to_std;
} posix_rule;

struct cs_zone {
    size_t n;      /* transitions */
    int64_t *at;   /* their instants, ascending */
    uint8_t *type; /* what holds from there on */
    size_t types_n;
    local_type *types;
    char *names;     /* NUL-terminated abbreviations */
    size_t first;    /* the type before the first transition */
    posix_rule rule; /* after the last */
};

/* What holds around an instant: [start, end). */
typedef struct span {
    int64_t start;
    int64_t end;
    int32_t offset;
    const char *name;
} span;

/* ---- the footer ---- */

static bool take_number(cs_scan *s, int low, int high, int *out)
{
    int value = 0;
    if (!cs_scan__digit(s)) {
        return false;
    }
    while (cs_scan__digit(s)) {
        value = value * 10 + (*s->p++ - '0');
        if (value > high) {
            return false;
        }
    }
    *out = value;
    return value >= low;
}

static bool take_name(cs_scan *s, char out[16])
{
    bool quoted = cs_scan__take(s, '<');
    size_t n = 0;
    for (; s->p < s->end; s->p++) {
        char c = *s->p;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-'))) {
            break;
        }
        if (n == 15) {
            return false;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return n >= 3 && (!quoted || cs_scan__take(s, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool take_clock(cs_scan *s, int hours_max, int64_t *out)
{
    int64_t sign = 1;
    int hours = 0;
    int minutes = 0;
    int seconds = 0;
    if (cs_scan__take(s, '-')) {
        sign = -1;
    } else {
        (void)cs_scan__take(s, '+');
    }
    if (!take_number(s, 0, hours_max, &hours)) {
        return false;
    }
    if (cs_scan__take(s, ':')) {
        if (!take_number(s, 0, 59, &minutes) || (cs_scan__take(s, ':') && !take_number(s, 0, 59, &seconds))) {
            return false;
        }
    }
    *out = sign * (hours * INT64_C(3600) + minutes * 60 + seconds);
    return true;
}

static bool take_change(cs_scan *s, rule_change *out)
{
    bool ok = false;
    if (cs_scan__take(s, 'M')) {
        out->kind = 'M';
        ok = take_number(s, 1, 12, &out->month) && cs_scan__take(s, '.') && take_number(s, 1, 5, &out->week) &&
             cs_scan__take(s, '.') && take_number(s, 0, 6, &out->day);
    } else if (cs_scan__take(s, 'J')) {
        out->kind = 'J';
        ok = take_number(s, 1, 365, &out->day);
    } else {
        out->kind = 'N';
        ok = take_number(s, 0, 365, &out->day);
    }
    out->time = 7200;
    return ok && (!cs_scan__take(s, '/') || take_clock(s, 167, &out->time));
}

static bool parse_rule(cs_slice text, posix_rule *rule)
{
    cs_scan s = {text.p, text.p + text.n};
    int64_t west = 0;
    if (!take_name(&s, rule->std_name) || !take_clock(&s, 24, &west)) {
        return false;
    }
    rule->std_offset = (int32_t)-west;
    rule->present = true;
    if (s.p == s.end) {
        return true;
    }
    if (!take_name(&s, rule->dst_name)) {
        return false;
    }
    west -= 3600;
    if (s.p < s.end && *s.p != ',' && !take_clock(&s, 24, &west)) {
        return false;
    }
    rule->dst_offset = (int32_t)-west;
    rule->has_dst = true;
    return cs_scan__take(&s, ',') && take_change(&s, &rule->to_dst) && cs_scan__take(&s, ',') &&
           take_change(&s, &rule->to_std) && s.p == s.end;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The instant of a change in a year, on a clock that shows `offset` until then. */
static int64_t change_instant(const rule_change *c, int64_t year, int32_t offset)
{
    int64_t day = 0;
    if (c->kind == 'M') {
        int64_t first = cs_time_days_from_civil(year, c->month, 1);
        int64_t next =
            c->month == 12 ? cs_time_days_from_civil(year + 1, 1, 1) : cs_time_days_from_civil(year, c->month + 1, 1);
        int64_t weekday = (first % 7 + 7 + 4) % 7; /* 1970-01-01 was a Thursday */
        day = first + (c->day - weekday + 7) % 7 + (c->week - 1) * INT64_C(7);
        if (day >= next) {
            day -= 7;
        }
    } else {
        day = cs_time_days_from_civil(year, 1, 1) + c->day;
        if (c->kind == 'J') {
            bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            day += leap && c->day >= 60 ? 0 : -1;
        }
    }
    return day * DAY + c->time - offset;
}

/* The changes of last year, this one and the next are put in order; the instant lies between two of them. */
static span rule_span(const posix_rule *r, int64_t unix_s)
{
    span std = {-FOREVER, FOREVER, r->std_offset, r->std_name};
    if (!r->has_dst) {
        return std;
    }
    int64_t year = 0;
    int month = 0;
    int day = 0;
    cs_time_civil_from_days(floor_div(unix_s, DAY), &year, &month, &day);
    span best = std;
    for (int64_t y = year - 1; y <= year + 1; y++) {
        struct {
            int64_t at;
            bool dst;
        } changes[2] = {{change_instant(&r->to_dst, y, r->std_offset), true},
                        {change_instant(&r->to_std, y, r->dst_offset), false}};
        for (size_t i = 0; i < 2; i++) {
            /* Of two changes at one instant the one to daylight time stands: that is how "all year" is written (RFC
             * 8536). */
            if (changes[i].at <= unix_s &&
                (changes[i].at > best.start || (changes[i].at == best.start && changes[i].dst))) {
                best.start = changes[i].at;
                best.offset = changes[i].dst ? r->dst_offset : r->std_offset;
                best.name = changes[i].dst ? r->dst_name : r->std_name;
            }
            if (changes[i].at > unix_s && changes[i].at < best.end) {
                best.end = changes[i].at;
            }
        }
    }
    return best;
}

/* ---- lookup ---- */

static span lookup(const cs_zone *z, int64_t unix_s)
{
    if (z->n == 0 || unix_s < z->at[0]) {
        if (z->n == 0 && z->rule.present) {
            return rule_span(&z->rule, unix_s);
        }
        const local_type *t = &z->types[z->first];
        return (span){-FOREVER, z->n ? z->at[0] : FOREVER, t->offset, z->names + t->name};
    }
    size_t low = 0;
    size_t high = z->n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (unix_s < z->at[middle]) {
            high = middle;
        } else {
            low = middle;
        }
    }
    if (low + 1 == z->n && z->rule.present) {
        span s = rule_span(&z->rule, unix_s);
        s.start = s.start < z->at[low] ? z->at[low] : s.start;
        return s;
    }
    const local_type *t = &z->types[z->type[low]];
    return (span){z->at[low], low + 1 < z->n ? z->at[low + 1] : FOREVER, t->offset, z->names + t->name};
}

int32_t cs_zone_offset(const cs_zone *zone, int64_t unix_s, const char **abbreviation)
{
    span s = lookup(zone, unix_s);
    if (abbreviation != NULL) {
        *abbreviation = s.name;
    }
    return s.offset;
}

int64_t cs_zone_instant(const cs_zone *zone, int64_t local_s)
{
    /* Go's order of guesses: the offset at local_s taken as UTC; if that leads out of its span, the offset there. */
    span s = lookup(zone, local_s);
    int64_t instant = local_s - s.offset;
    if (s.offset != 0 && (instant < s.start || instant >= s.end)) {
        instant = local_s - lookup(zone, instant).offset;
    }
    return instant;
}

int64_t cs_zone_day_start(const cs_zone *zone, int64_t days)
{
    /* The first instant whose local time is midnight or later. No offset is over 26 hours; local time only goes back
     * within the hours around a change, so the first such instant is in the first span that has one. */
    int64_t midnight = days * DAY;
    int64_t from = midnight - 26 * INT64_C(3600);
    for (;;) {
        span s = lookup(zone, from);
        int64_t instant = midnight - s.offset;
        instant = instant < s.start ? s.start : instant;
        if (instant < s.end || s.end >= FOREVER) {
            return instant;
        }
        from = s.end;
    }
}

/* ---- files ---- */

typedef struct tz_header {
    uint8_t version;
    size_t isut_n;
    size_t isstd_n;
    size_t leap_n;
    size_t times_n;
    size_t types_n;
    size_t names_n;
} tz_header;

#define HEADER_BYTES ((size_t)44)

static uint64_t big_endian(const char *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++) {
        v = v << 8 | (unsigned char)p[i];
    }
    return v;
}

static bool read_header(cs_slice file, size_t at, tz_header *h)
{
    if (file.n < at + HEADER_BYTES || memcmp(file.p + at, "TZif", 4) != 0) {
        return false;
    }
    const char *p = file.p + at + 20;
    h->version = (uint8_t)file.p[at + 4];
    h->isut_n = big_endian(p, 4);
    h->isstd_n = big_endian(p + 4, 4);
    h->leap_n = big_endian(p + 8, 4);
    h->times_n = big_endian(p + 12, 4);
    h->types_n = big_endian(p + 16, 4);
    h->names_n = big_endian(p + 20, 4);
    return h->types_n > 0 && h->types_n <= 256 && h->names_n > 0 && h->names_n <= 256;
}

/* Every count is a 32-bit number, so the sum cannot overflow. */
static size_t body_bytes(const tz_header *h, size_t time_bytes)
{
    return h->times_n * (time_bytes + 1) + h->types_n * 6 + h->names_n + h->leap_n * (time_bytes + 4) + h->isstd_n +
           h->isut_n;
}

/* The type before the first transition, as Go chooses: type 0 if no transition uses it; else, if the first transition
 * leads to daylight time, the nearest standard time before that type; else the first standard time. */
static size_t first_type(const cs_zone *z)
{
    bool used = false;
    for (size_t i = 0; i < z->n; i++) {
        used = used || z->type[i] == 0;
    }
    if (!used) {
        return 0;
    }
    if (z->n > 0 && z->types[z->type[0]].dst) {
        for (size_t i = z->type[0]; i-- > 0;) {
            if (!z->types[i].dst) {
                return i;
            }
        }
    }
    for (size_t i = 0; i < z->types_n; i++) {
        if (!z->types[i].dst) {
            return i;
        }
    }
    return 0;
}

static bool fill_zone(cs_zone *z, const char *p, const tz_header *h, size_t time_bytes)
{
    z->n = h->times_n;
    z->types_n = h->types_n;
    z->at = cs_alloc_array(h->times_n + 1, sizeof *z->at);
    z->type = cs_alloc(h->times_n + 1);
    z->types = cs_alloc_array(h->types_n, sizeof *z->types);
    z->names = cs_zalloc(h->names_n + 1);
    for (size_t i = 0; i < h->times_n; i++) {
        uint64_t raw = big_endian(p + i * time_bytes, time_bytes);
        z->at[i] = time_bytes == 4 ? (int64_t)(int32_t)(uint32_t)raw : (int64_t)raw;
        z->type[i] = (uint8_t)p[h->times_n * time_bytes + i];
        bool in_order = i == 0 || z->at[i] > z->at[i - 1];
        if (z->type[i] >= h->types_n || !in_order || z->at[i] > FOREVER || z->at[i] < -FOREVER) {
            return false;
        }
    }
    p += h->times_n * (time_bytes + 1);
    for (size_t i = 0; i < h->types_n; i++, p += 6) {
        z->types[i] = (local_type){(int32_t)(uint32_t)big_endian(p, 4), p[4] != 0, (uint8_t)p[5]};
        int32_t offset = z->types[i].offset;
        if (z->types[i].name >= h->names_n || offset < -26 * 3600 || offset > 26 * 3600) {
            return false;
        }
    }
    memcpy(z->names, p, h->names_n);
    z->first = first_type(z);
    return true;
}

static bool parse_zone(cs_slice file, cs_zone *z)
{
    tz_header h;
    if (!read_header(file, 0, &h)) {
        return false;
    }
    size_t at = HEADER_BYTES;
    size_t time_bytes = 4;
    if (h.version >= '2') {
        /* The 32-bit body is there for readers of the last century. */
        at += body_bytes(&h, 4);
        if (!read_header(file, at, &h)) {
            return false;
        }
        at += HEADER_BYTES;
        time_bytes = 8;
    }
    size_t body = body_bytes(&h, time_bytes);
    if (file.n - at < body || !fill_zone(z, file.p + at, &h, time_bytes)) {
        return false;
    }
    at += body;
    if (time_bytes == 8 && at < file.n && file.p[at] == '\n') {
        size_t end = cs_slice_find_byte(file, '\n', at + 1);
        cs_slice rule = cs_slice_sub(file, at + 1, end);
        return end != SIZE_MAX && (rule.n == 0 || parse_rule(rule, &z->rule));
    }
    return true;
}

static void zone_free(cs_zone *z)
{
    if (z != NULL) {
        cs_free(z->at);
        cs_free(z->type);
        cs_free(z->types);
        cs_free(z->names);
        cs_free(z);
    }
}

/* ---- the zones found ---- */

static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER;
static cs_map zones; /* name -> cs_zone; under zones_lock */

static local_type utc_type;
static const cs_zone utc = {.types_n = 1, .types = &utc_type, .names = (char[]){"UTC"}};

/* Letters, digits and "+-_" in parts between single slashes, no part starting with anything else: neither "..", nor
 * "//". */
static bool is_name(cs_slice name)
{
    bool fresh = true;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool inner = letter || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '_';
        if (!(c == '/' ? !fresh : fresh ? letter : inner)) {
            return false;
        }
        fresh = c == '/';
    }
    return !fresh && name.n < 128;
}

static cs_err load(cs_slice name, cs_zone **out, cs_error *e)
{
    char path[sizeof ZONE_FOLDER + 130];
    (void)snprintf(path, sizeof path, ZONE_FOLDER "/%.*s", CS_FMT(name));
    cs_buf file;
    cs_buf_init(&file);
    if (cs_file_is_dir(path) || cs_file_read(path, ZONE_FILE_MAX, &file, NULL) != CS_OK) {
        cs_buf_destroy(&file);
        return cs_fail(e, CS_ERR_NOT_FOUND, "unknown time zone %.*s", CS_FMT(name));
    }
    cs_zone *z = cs_zalloc(sizeof *z);
    bool good = parse_zone(cs_buf_view(&file), z);
    cs_buf_destroy(&file);
    if (!good) {
        zone_free(z);
        return cs_fail(e, CS_ERR_NOT_FOUND, "malformed time zone information: %.*s", CS_FMT(name));
    }
    *out = z;
    return CS_OK;
}

cs_err cs_zone_find(cs_slice name, const cs_zone **out, cs_error *e)
{
    if (name.n == 0 || cs_slice_is(name, "UTC")) {
        *out = &utc;
        return CS_OK;
    }
    if (!is_name(name)) {
        return cs_fail(e, CS_ERR_NOT_FOUND, "unknown time zone %.*s", CS_FMT(name));
    }
    (void)pthread_mutex_lock(&zones_lock);
    cs_zone *z = cs_map_get(&zones, name);
    (void)pthread_mutex_unlock(&zones_lock);
    if (z == NULL) {
        /* Read outside the lock; if two threads did, the first one's zone stays. */
        CS_TRY(load(name, &z, e));
        (void)pthread_mutex_lock(&zones_lock);
        cs_zone *there = cs_map_get(&zones, name);
        if (there == NULL) {
            (void)cs_map_put(&zones, name, z);
        } else {
            zone_free(z);
            z = there;
        }
        (void)pthread_mutex_unlock(&zones_lock);
    }
    *out = z;
    return CS_OK;
}
