/* The formats of JSON Schema, as OPA's validator understands them. */
#include "countersign/base/utf8.h"
#include "rego/builtin/ip.h"
#include "rego/builtin/regex.h"
#include "rego/builtin/schema.h"
#include "rego/builtin/time_layout.h"
#include "rego/builtin/uri.h"

static bool matches_layout(cs_call *quiet, const char *layout, cs_slice text)
{
    int64_t seconds, ns;
    return cs_layout__parse(quiet, cs_slice_of(layout), text, &seconds, &ns) == CS_OK;
}

static bool is_date(cs_call *quiet, cs_slice text)
{
    return matches_layout(quiet, "2006-01-02", text);
}

static bool is_time(cs_call *quiet, cs_slice text)
{
    return matches_layout(quiet, "15:04:05Z07:00", text) || matches_layout(quiet, "15:04:05", text);
}

static bool is_date_time(cs_call *quiet, cs_slice text)
{
    return is_time(quiet, text) || is_date(quiet, text) || matches_layout(quiet, "2006-01-02T15:04:05Z07:00", text) ||
           matches_layout(quiet, "2006-01-02T15:04:05.999999999Z07:00", text);
}

static bool alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_hostname(cs_call *quiet, cs_slice text)
{
    (void)quiet;
    cs_slice rest = text, label;
    if (text.n == 0 || text.n >= 256 || text.p[text.n - 1] == '.') {
        return false;
    }
    while (cs_slice_next(&rest, '.', &label)) {
        if (label.n == 0 || label.n > 63 || !alphanumeric(label.p[0]) || !alphanumeric(label.p[label.n - 1])) {
            return false;
        }
        for (size_t i = 0; i < label.n; i++) {
            if (!alphanumeric(label.p[i]) && label.p[i] != '-') {
                return false;
            }
        }
    }
    return true;
}

static bool is_ipv4(cs_call *quiet, cs_slice text)
{
    (void)quiet;
    cs_ip ip;
    return cs_ip__parse(text, &ip) && cs_slice_find_byte(text, '.', 0) != SIZE_MAX;
}

static bool is_ipv6(cs_call *quiet, cs_slice text)
{
    (void)quiet;
    cs_ip ip;
    return cs_ip__parse(text, &ip) && cs_slice_find_byte(text, ':', 0) != SIZE_MAX;
}

static bool is_reference(cs_call *quiet, cs_slice text)
{
    cs_url url;
    return cs_url__parse(quiet, text, &url) == CS_OK && cs_slice_find_byte(text, '\\', 0) == SIZE_MAX;
}

static bool is_uri(cs_call *quiet, cs_slice text)
{
    cs_url url;
    return is_reference(quiet, text) && cs_url__parse(quiet, text, &url) == CS_OK && url.scheme.n > 0;
}

/* Every '{' in the path is closed. */
static bool is_uri_template(cs_call *quiet, cs_slice text)
{
    cs_url url;
    if (!is_reference(quiet, text) || cs_url__parse(quiet, text, &url) != CS_OK) {
        return false;
    }
    for (size_t i = 0; (i = cs_slice_find_byte(url.path, '{', i)) != SIZE_MAX;) {
        i = cs_slice_find_byte(url.path, '}', i);
        if (i == SIZE_MAX) {
            return false;
        }
    }
    return true;
}

static bool is_uuid(cs_call *quiet, cs_slice text)
{
    (void)quiet;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'))) {
            return false;
        }
    }
    return text.n == 36;
}

static bool is_regex(cs_call *quiet, cs_slice text)
{
    bool unused;
    return text.n == 0 || cs_regex__match(quiet, text, (cs_slice){"", 0}, &unused) == CS_OK;
}

static bool is_pointer(cs_call *quiet, cs_slice text)
{
    (void)quiet;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '~' && (i + 1 == text.n || (text.p[i + 1] != '0' && text.p[i + 1] != '1'))) {
            return false;
        }
    }
    return (text.n == 0 || *text.p == '/') && cs_utf8_valid(text);
}

static bool is_relative_pointer(cs_call *quiet, cs_slice text)
{
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9') {
        digits++;
    }
    cs_slice rest = cs_slice_sub(text, digits, text.n);
    return digits > 0 && (digits == 1 || *text.p != '0') && (cs_slice_is(rest, "#") || is_pointer(quiet, rest));
}

/* ------------------------------------------------------------------------------------------------ mail (RFC 5322) */

static void skip_blanks(cs_slice *s)
{
    while (s->n && (*s->p == ' ' || *s->p == '\t')) {
        *s = cs_slice_sub(*s, 1, s->n);
    }
}

static bool take(cs_slice *s, char c)
{
    if (s->n == 0 || *s->p != c) {
        return false;
    }
    *s = cs_slice_sub(*s, 1, s->n);
    return true;
}

/* Comments and blanks; false if a comment does not end. */
static bool skip_comments(cs_slice *s)
{
    skip_blanks(s);
    while (take(s, '(')) {
        for (size_t depth = 1; depth > 0;) {
            if (s->n == 0) {
                return false;
            }
            char c = *s->p;
            *s = cs_slice_sub(*s, c == '\\' && s->n > 1 ? 2 : 1, s->n);
            depth += c == '(';
            depth -= c == ')';
        }
        skip_blanks(s);
    }
    return true;
}

static bool visible(uint32_t rune)
{
    return (rune >= '!' && rune <= '~') || rune >= 0x80;
}

static bool take_atom(cs_slice *s, bool strict)
{
    size_t n = 0, width;
    while (n < s->n) {
        uint32_t rune = cs_utf8_decode(s->p + n, s->n - n, &width);
        if (rune == CS_RUNE_BAD && width == 1) {
            return false;
        }
        if (!visible(rune) || (rune < 0x80 && strchr("()<>[]:;@\\,\"", (int)rune))) {
            break;
        }
        n += width;
    }
    cs_slice atom = cs_slice_sub(*s, 0, n);
    if (n == 0 ||
        (strict && (*atom.p == '.' || atom.p[n - 1] == '.' || cs_slice_find(atom, CS_LIT(".."), 0) != SIZE_MAX))) {
        return false;
    }
    *s = cs_slice_sub(*s, n, s->n);
    return true;
}

static bool take_quoted(cs_slice *s, bool *empty)
{
    cs_slice rest = cs_slice_sub(*s, 1, s->n);
    *empty = true;
    while (rest.n) {
        size_t width;
        uint32_t rune = cs_utf8_decode(rest.p, rest.n, &width);
        bool escaped = rune == '\\';
        if (rune == '"') {
            *s = cs_slice_sub(rest, 1, rest.n);
            return true;
        }
        if (escaped) {
            rest = cs_slice_sub(rest, 1, rest.n);
            rune = cs_utf8_decode(rest.p, rest.n, &width);
        }
        if (rest.n == 0 || (rune == CS_RUNE_BAD && width == 1) || !(visible(rune) || rune == ' ' || rune == '\t')) {
            return false;
        }
        *empty = false;
        rest = cs_slice_sub(rest, width, rest.n);
    }
    return false;
}

static bool take_literal(cs_slice *s)
{
    size_t end = cs_slice_find_byte(*s, ']', 0);
    cs_ip ip;
    if (end == SIZE_MAX || !cs_ip__parse(cs_slice_sub(*s, 1, end), &ip)) {
        return false;
    }
    *s = cs_slice_sub(*s, end + 1, s->n);
    return true;
}

static bool take_address(cs_slice *s)
{
    cs_slice rest = *s;
    bool empty;
    skip_blanks(&rest);
    if (rest.n && *rest.p == '"' ? !take_quoted(&rest, &empty) || empty : !take_atom(&rest, true)) {
        return false;
    }
    if (!take(&rest, '@')) {
        return false;
    }
    skip_blanks(&rest);
    if (rest.n && *rest.p == '[' ? !take_literal(&rest) : !take_atom(&rest, true)) {
        return false;
    }
    *s = rest;
    return true;
}

/* Words in front of '<'. */
static bool take_phrase(cs_slice *s)
{
    bool any = false, empty;
    for (;; any = true) {
        if (any && !skip_comments(s)) {
            return false;
        }
        skip_blanks(s);
        if (s->n == 0 || !(*s->p == '"' ? take_quoted(s, &empty) : take_atom(s, false))) {
            return any;
        }
    }
}

static bool take_mailbox(cs_slice *s, bool *group)
{
    skip_blanks(s);
    *group = false;
    if (take_address(s)) {
        skip_blanks(s);
        return s->n == 0 || *s->p != '(' || skip_comments(s);
    }
    if (s->n == 0 || (*s->p != '<' && !take_phrase(s))) {
        return false;
    }
    skip_blanks(s);
    *group = take(s, ':');
    return *group || (take(s, '<') && take_address(s) && take(s, '>'));
}

/* One address: a@b, Name <a@b>, or a group of one. */
static bool is_email(cs_call *quiet, cs_slice text)
{
    (void)quiet;
    bool group, inner;
    if (!take_mailbox(&text, &group)) {
        return false;
    }
    if (group && (!take_mailbox(&text, &inner) || inner || !skip_comments(&text) || !take(&text, ';'))) {
        return false;
    }
    return skip_comments(&text) && text.n == 0;
}

/* ------------------------------------------------------------------------------------------------ */

bool cs_schema__format_fits(cs_call *call, cs_slice format, cs_slice text)
{
    static const struct {
        const char *name;
        bool (*fits)(cs_call *quiet, cs_slice text);
    } formats[] = {{"date", is_date},
                   {"time", is_time},
                   {"date-time", is_date_time},
                   {"hostname", is_hostname},
                   {"email", is_email},
                   {"idn-email", is_email},
                   {"ipv4", is_ipv4},
                   {"ipv6", is_ipv6},
                   {"uri", is_uri},
                   {"uri-reference", is_reference},
                   {"iri", is_uri},
                   {"iri-reference", is_reference},
                   {"uri-template", is_uri_template},
                   {"uuid", is_uuid},
                   {"regex", is_regex},
                   {"json-pointer", is_pointer},
                   {"relative-json-pointer", is_relative_pointer}};
    cs_call quiet = *call;
    quiet.e = NULL;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (cs_slice_is(format, formats[i].name)) {
            return formats[i].fits(&quiet, text);
        }
    }
    return true;
}
