/* How long an answer stays fresh: Cache-Control, Date and Expires, read as OPA reads them. */
#include "countersign/base/time.h"
#include "rego/builtin/http.h"

/* The value of a directive; false if it is not there. "max-age=3=4" is none. */
static bool directive(const cs_http_response *r, const char *name, cs_slice *value)
{
    cs_slice rest = cs_http__header(r, "Cache-Control"), part;
    bool found = false;
    while (rest.n != 0 && cs_slice_next(&rest, ',', &part)) {
        part = cs_slice_trim(part);
        size_t equals = cs_slice_find_byte(part, '=', 0);
        if (equals != SIZE_MAX && cs_slice_find_byte(part, '=', equals + 1) != SIZE_MAX) {
            continue;
        }
        if (cs_slice_is(cs_slice_trim(cs_slice_sub(part, 0, equals)), name)) {
            *value = equals == SIZE_MAX ? CS_LIT("") : cs_slice_sub(part, equals + 1, part.n);
            found = true;
        }
    }
    return found;
}

bool cs_http__may_store(const cs_http_response *r)
{
    cs_slice value;
    return !directive(r, "no-store", &value);
}

/* ---- dates */

static bool take_number(cs_slice *s, size_t digits, int *out)
{
    *out = 0;
    if (s->n < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') {
            return false;
        }
        *out = *out * 10 + (s->p[i] - '0');
    }
    *s = cs_slice_sub(*s, digits, s->n);
    return true;
}

static bool take_text(cs_slice *s, cs_slice text)
{
    if (!cs_slice_starts(*s, text)) {
        return false;
    }
    *s = cs_slice_sub(*s, text.n, s->n);
    return true;
}

static bool take_month(cs_slice *s, int *out)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++) {
        if (s->n >= 3 && cs_slice_eq_nocase(cs_slice_sub(*s, 0, 3), cs_slice_make(names + 3 * i, 3))) {
            *out = i + 1;
            *s = cs_slice_sub(*s, 3, s->n);
            return true;
        }
    }
    return false;
}

static bool take_clock(cs_slice *s, int clock[3])
{
    return take_number(s, 2, &clock[0]) && take_text(s, CS_LIT(":")) && take_number(s, 2, &clock[1]) &&
           take_text(s, CS_LIT(":")) && take_number(s, 2, &clock[2]) && clock[0] < 24 && clock[1] < 60 && clock[2] < 60;
}

/* The three forms of RFC 9110 §5.6.7. */
static bool parse_date(cs_slice text, int64_t *ns)
{
    int day = 0, month = 0, year = 0, clock[3] = {0};
    size_t comma = cs_slice_find_byte(text, ',', 0);
    cs_slice s = cs_slice_sub(text, comma == SIZE_MAX ? 0 : comma + 1, text.n);
    bool good;
    if (comma == 3) { /* Sun, 06 Nov 1994 08:49:37 GMT */
        good = take_text(&s, CS_LIT(" ")) && take_number(&s, 2, &day) && take_text(&s, CS_LIT(" ")) &&
               take_month(&s, &month) && take_text(&s, CS_LIT(" ")) && take_number(&s, 4, &year) &&
               take_text(&s, CS_LIT(" ")) && take_clock(&s, clock) && cs_slice_is(s, " GMT");
    } else if (comma != SIZE_MAX) { /* Sunday, 06-Nov-94 08:49:37 GMT */
        good = take_text(&s, CS_LIT(" ")) && take_number(&s, 2, &day) && take_text(&s, CS_LIT("-")) &&
               take_month(&s, &month) && take_text(&s, CS_LIT("-")) && take_number(&s, 2, &year) &&
               take_text(&s, CS_LIT(" ")) && take_clock(&s, clock) && cs_slice_is(s, " GMT");
        year += year >= 69 ? 1900 : 2000;
    } else { /* Sun Nov  6 08:49:37 1994 */
        s = cs_slice_sub(s, 4, s.n);
        good = take_month(&s, &month) && take_text(&s, CS_LIT(" ")) &&
               (take_text(&s, CS_LIT(" ")) ? take_number(&s, 1, &day) : take_number(&s, 2, &day)) &&
               take_text(&s, CS_LIT(" ")) && take_clock(&s, clock) && take_text(&s, CS_LIT(" ")) &&
               take_number(&s, 4, &year) && s.n == 0;
    }
    if (!good || day < 1 || day > 31) {
        return false;
    }
    int64_t seconds = cs_time_days_from_civil(year, month, day) * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2];
    if (seconds > INT64_MAX / CS_NS_PER_S - INT32_MAX || seconds < INT64_MIN / CS_NS_PER_S + 1) {
        return false;
    }
    *ns = seconds * CS_NS_PER_S;
    return true;
}

static cs_slice quoted(cs_call *call, cs_slice text)
{
    cs_sink s;
    cs_slice q;
    cs_sink__init(&s, call);
    cs_sink__quote(&s, text);
    return cs_sink__slice_done(&s, &q) == CS_OK ? q : text;
}

cs_http_failure cs_http__expiry(cs_call *call, const cs_http_response *r, int64_t *ns)
{
    const cs_http_failure fine = {CS_HTTP_FINE, CS_LIT(""), CS_LIT("")};
    cs_slice value, date = cs_http__header(r, "Date");
    *ns = CS_HTTP_NEVER;
    if (!directive(r, "max-age", &value)) {
        cs_slice expires = cs_http__header(r, "Expires");
        if (expires.n != 0 && !parse_date(expires, ns)) {
            *ns = CS_HTTP_NEVER;
        }
        return fine;
    }
    uint64_t seconds = 0;
    bool digits = value.n != 0;
    for (size_t i = 0; i < value.n; i++) {
        digits = digits && value.p[i] >= '0' && value.p[i] <= '9';
    }
    if (!digits) {
        return cs_http__failure(call, CS_HTTP_BARE, "strconv.ParseUint: parsing %.*s: invalid syntax",
                                CS_FMT(quoted(call, value)));
    }
    if (!cs_slice_u64(value, &seconds) || seconds > INT32_MAX) {
        seconds = INT32_MAX;
    }
    if (date.n == 0) {
        return cs_http__failure(call, CS_HTTP_BARE, "no date header");
    }
    int64_t made;
    if (!parse_date(date, &made)) {
        cs_slice q = quoted(call, date);
        return cs_http__failure(call, CS_HTTP_BARE,
                                "parsing time %.*s as \"Mon Jan _2 15:04:05 2006\": cannot parse "
                                "%.*s as \"Mon\"",
                                CS_FMT(q), CS_FMT(q));
    }
    *ns = made + (int64_t)seconds * CS_NS_PER_S;
    return fine;
}
