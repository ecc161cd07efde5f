/* URLs as Go's net/url reads and writes them: urlquery.* and uri.*. */
#include <stdlib.h>

#include "countersign/json.h"
#include "rego/builtin/internal.h"
#include "rego/builtin/ip.h"
#include "rego/builtin/uri.h"

/* Go's limit for one query string. */
#define MOST_PARAMETERS 10000

typedef enum part { PART_QUERY, PART_PATH, PART_HOST, PART_ZONE, PART_USER, PART_FRAGMENT } part;

static bool alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool in(char c, const char *set)
{
    return c && strchr(set, c);
}

/* Does the byte stand for itself in that part? */
static bool plain(char c, part where)
{
    if (alphanumeric(c) || in(c, "-_.~")) {
        return true;
    }
    switch (where) {
    case PART_PATH:
        return in(c, "$&+,/:;=@");
    case PART_HOST:
    case PART_ZONE:
        return in(c, "!$&'()*+,;=:[]<>\"");
    case PART_FRAGMENT:
        return in(c, "!()*$&+,/:;=?@");
    case PART_USER:
        return in(c, "$&+,;=");
    case PART_QUERY:
        break;
    }
    return false;
}

static void escape(cs_sink *s, cs_slice text, part where)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (plain((char)c, where)) {
            cs_sink__byte(s, (char)c);
        } else if (c == ' ' && where == PART_QUERY) {
            cs_sink__byte(s, '+');
        } else {
            char hex[3] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};
            cs_sink__put(s, hex, sizeof hex);
        }
    }
}

void cs_url__escape_query(cs_sink *s, cs_slice text)
{
    escape(s, text, PART_QUERY);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The words of an error, quoted: `invalid URL escape "%zz"`. */
static cs_err quoted_error(cs_call *call, const char *before, cs_slice what, const char *after)
{
    cs_sink s;
    cs_slice q;
    cs_sink__init(&s, call);
    cs_sink__quote(&s, what);
    CS_TRY(cs_sink__slice_done(&s, &q));
    return cs_call_error(call, "%s%.*s%s", before, CS_FMT(q), after);
}

static cs_err bad_escape(cs_call *call, cs_slice s, size_t at)
{
    return quoted_error(call, "invalid URL escape ", cs_slice_sub(s, at, at + 3), "");
}

static cs_err check_escape(cs_call *call, cs_slice s, size_t at, part where)
{
    if (at + 2 >= s.n || hex_value(s.p[at + 1]) < 0 || hex_value(s.p[at + 2]) < 0) {
        return bad_escape(call, s, at);
    }
    bool percent = memcmp(s.p + at, "%25", 3) == 0;
    char c = (char)(hex_value(s.p[at + 1]) << 4 | hex_value(s.p[at + 2]));
    /* A host may escape only what is not ASCII. */
    if ((where == PART_HOST && hex_value(s.p[at + 1]) < 8 && !percent) ||
        (where == PART_ZONE && !percent && c != ' ' && !plain(c, PART_HOST))) {
        return bad_escape(call, s, at);
    }
    return CS_OK;
}

static cs_err unescape(cs_call *call, cs_slice s, part where, cs_slice *out)
{
    char *p;
    CS_TRY(cs_call__room(call, s.n, &p));
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            CS_TRY(check_escape(call, s, i, where));
            c = (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2]));
            i += 2;
        } else if (c == '+' && where == PART_QUERY) {
            c = ' ';
        } else if ((where == PART_HOST || where == PART_ZONE) && (unsigned char)c < 0x80 && !plain(c, where)) {
            return quoted_error(call, "invalid character ", cs_slice_sub(s, i, i + 1), " in host name");
        }
        p[n++] = c;
    }
    *out = cs_slice_make(p, n);
    return CS_OK;
}

cs_err cs_url__unescape_query(cs_call *call, cs_slice text, cs_slice *out)
{
    return unescape(call, text, PART_QUERY, out);
}

/* ------------------------------------------------------------------------------------------------ urlquery */

cs_err cs_builtin__urlquery_encode(cs_call *call, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    cs_sink text;
    cs_sink__init(&text, call);
    escape(&text, s, PART_QUERY);
    return cs_sink__done(&text, out);
}

cs_err cs_builtin__urlquery_decode(cs_call *call, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    CS_TRY(unescape(call, s, PART_QUERY, &s));
    return cs_call__give(out, cs_string(s));
}

typedef struct parameter {
    cs_slice key;
    cs_value value;
} parameter;

static int compare_parameters(const void *x, const void *y)
{
    return cs_slice_compare(((const parameter *)x)->key, ((const parameter *)y)->key);
}

/* The key of an object as JSON has it. */
static cs_err key_text(cs_call *call, cs_value key, cs_slice *out)
{
    if (key.kind == CS_STRING) {
        *out = cs_text(key);
        return CS_OK;
    }
    cs_buf buf;
    cs_buf_init(&buf);
    cs_json_write(&buf, key, CS_JSON_HTML);
    cs_value copy = cs_string_copy(call->arena, cs_buf_view(&buf));
    cs_buf_destroy(&buf);
    *out = cs_text(copy);
    return CS_OK;
}

static void put_parameter(cs_sink *s, cs_slice key, cs_slice value)
{
    if (s->n) {
        cs_sink__byte(s, '&');
    }
    escape(s, key, PART_QUERY);
    cs_sink__byte(s, '=');
    escape(s, value, PART_QUERY);
}

static bool all_strings(cs_value v)
{
    for (uint32_t i = 0; i < cs_count(v); i++) {
        if (cs_call__item(v, i).kind != CS_STRING) {
            return false;
        }
    }
    return true;
}

cs_err cs_builtin__urlquery_encode_object(cs_call *call, cs_value *out)
{
    cs_value object;
    CS_TRY(cs_call__object(call, 1, &object));
    uint32_t n = cs_count(object);
    parameter *list = cs_arena_alloc(call->arena, (n ? n : 1) * sizeof *list);
    for (uint32_t i = 0; i < n; i++) {
        cs_value v, key = cs_entry(object, i, &v);
        if (v.kind != CS_STRING && !(cs_call__is_list(v) && all_strings(v))) {
            return cs_call__operand_error(call, 1, "values must be string, array[string], or set[string]");
        }
        list[i].value = v;
        CS_TRY(key_text(call, key, &list[i].key));
    }
    qsort(list, n, sizeof *list, compare_parameters);
    cs_sink text;
    cs_sink__init(&text, call);
    for (uint32_t i = 0; i < n; i++) {
        cs_value v = list[i].value;
        if (v.kind == CS_STRING) {
            put_parameter(&text, list[i].key, cs_text(v));
        }
        for (uint32_t k = 0; v.kind != CS_STRING && k < cs_count(v); k++) {
            put_parameter(&text, list[i].key, cs_text(cs_call__item(v, k)));
        }
    }
    return cs_sink__done(&text, out);
}

static void add_parameter(cs_call *call, cs_value object, cs_slice key, cs_slice value)
{
    const cs_value *there = cs_object_get(object, cs_string(key));
    uint32_t n = there ? there->n : 0;
    cs_value *items = cs_arena_alloc(call->arena, ((size_t)n + 1) * sizeof *items);
    if (there && n) {
        memcpy(items, there->u.items, n * sizeof *items);
    }
    items[n] = cs_string(value);
    cs_object_put(call->arena, object, cs_string(key), cs_array(items, (size_t)n + 1));
}

cs_err cs_builtin__urlquery_decode_object(cs_call *call, cs_value *out)
{
    cs_slice rest, piece;
    CS_TRY(cs_call_string(call, 1, &rest));
    size_t count = 1;
    for (size_t i = 0; i < rest.n; i++) {
        count += rest.p[i] == '&';
    }
    if (count > MOST_PARAMETERS) {
        return cs_call_error(call, "number of URL query parameters exceeded limit");
    }
    *out = cs_object_new(call->arena, 0);
    cs_err failed = CS_OK;
    while (cs_slice_next(&rest, '&', &piece)) {
        if (cs_slice_find_byte(piece, ';', 0) != SIZE_MAX) {
            failed = cs_call_error(call, "invalid semicolon separator in query");
            continue;
        }
        if (piece.n == 0 || failed != CS_OK) {
            continue; /* the first bad escape is the one reported, but the last semicolon wins */
        }
        size_t equals = cs_slice_find_byte(piece, '=', 0);
        cs_slice key = cs_slice_sub(piece, 0, equals == SIZE_MAX ? piece.n : equals), value = {"", 0};
        failed = unescape(call, key, PART_QUERY, &key);
        if (failed == CS_OK && equals != SIZE_MAX) {
            failed = unescape(call, cs_slice_sub(piece, equals + 1, piece.n), PART_QUERY, &value);
        }
        if (failed == CS_OK) {
            add_parameter(call, *out, key, value);
        }
    }
    return failed;
}

/* ------------------------------------------------------------------------------------------------ uri */

static cs_err read_scheme(cs_call *call, cs_slice *rest, cs_slice *scheme)
{
    for (size_t i = 0; i < rest->n; i++) {
        char c = rest->p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (letter || (i > 0 && ((c >= '0' && c <= '9') || in(c, "+-.")))) {
            continue;
        }
        if (c != ':') {
            return CS_OK;
        }
        if (i == 0) {
            return cs_call_error(call, "missing protocol scheme");
        }
        char *lower;
        CS_TRY(cs_call__room(call, i, &lower));
        for (size_t k = 0; k < i; k++) {
            lower[k] = (char)(rest->p[k] >= 'A' && rest->p[k] <= 'Z' ? rest->p[k] | 0x20 : rest->p[k]);
        }
        *scheme = cs_slice_make(lower, i);
        *rest = cs_slice_sub(*rest, i + 1, rest->n);
        return CS_OK;
    }
    return CS_OK;
}

static bool valid_port(cs_slice colon_port)
{
    if (colon_port.n && *colon_port.p != ':') {
        return false;
    }
    for (size_t i = 1; i < colon_port.n; i++) {
        if (colon_port.p[i] < '0' || colon_port.p[i] > '9') {
            return false;
        }
    }
    return true;
}

static size_t last_byte(cs_slice s, char c)
{
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == c) {
            return i - 1;
        }
    }
    return SIZE_MAX;
}

static cs_err bad_port(cs_call *call, cs_slice colon_port)
{
    return quoted_error(call, "invalid port ", colon_port, " after host");
}

/* "[::1]:80" */
static cs_err read_ip_literal(cs_call *call, cs_slice host, cs_slice *out)
{
    size_t close = last_byte(host, ']');
    if (close == SIZE_MAX) {
        return cs_call_error(call, "missing ']' in host");
    }
    cs_slice port = cs_slice_sub(host, close + 1, host.n), name = cs_slice_sub(host, 1, close), zone = {"", 0}, text;
    if (!valid_port(port)) {
        return bad_port(call, port);
    }
    size_t at = cs_slice_find(name, CS_LIT("%25"), 0);
    if (at != SIZE_MAX) {
        CS_TRY(unescape(call, cs_slice_sub(name, at, name.n), PART_ZONE, &zone));
        name = cs_slice_sub(name, 0, at);
    }
    CS_TRY(unescape(call, name, PART_HOST, &text));
    cs_ip ip;
    if (cs_slice_find_byte(text, ':', 0) == SIZE_MAX || !cs_ip__parse(text, &ip) || (at != SIZE_MAX && zone.n < 2)) {
        bool v4 = cs_slice_find_byte(text, ':', 0) == SIZE_MAX && cs_ip__parse(text, &ip);
        return v4 ? cs_call_error(call, "invalid IP-literal")
                  : quoted_error(call, "invalid host: ParseAddr(", text, "): unable to parse IP");
    }
    *out = cs_text(cs_string_printf(call->arena, "[%.*s%.*s]%.*s", CS_FMT(text), CS_FMT(zone), CS_FMT(port)));
    return CS_OK;
}

static cs_err read_host(cs_call *call, cs_slice scheme, cs_slice host, cs_slice *out)
{
    size_t bracket = last_byte(host, '[');
    if (bracket != SIZE_MAX) {
        return bracket > 0 ? cs_call_error(call, "invalid IP-literal") : read_ip_literal(call, host, out);
    }
    size_t colon = cs_slice_find_byte(host, ':', 0);
    if (colon != SIZE_MAX) {
        /* Several colons are accepted where the scheme is not HTTP: some databases list their hosts so. */
        if (!cs_slice_is(scheme, "http") && !cs_slice_is(scheme, "https")) {
            colon = last_byte(host, ':');
        }
        cs_slice port = cs_slice_sub(host, colon, host.n);
        if (!valid_port(port)) {
            return bad_port(call, port);
        }
    }
    return unescape(call, host, PART_HOST, out);
}

static cs_err read_authority(cs_call *call, cs_slice authority, cs_url *out)
{
    size_t at = last_byte(authority, '@');
    CS_TRY(read_host(call, out->scheme, cs_slice_sub(authority, at == SIZE_MAX ? 0 : at + 1, authority.n), &out->host));
    for (size_t i = 0; at != SIZE_MAX && i < at; i++) {
        if (!alphanumeric(authority.p[i]) && !in(authority.p[i], "-._:~!$&'()*+,;=%@")) {
            return cs_call_error(call, "net/url: invalid userinfo");
        }
    }
    if (at == SIZE_MAX) {
        return CS_OK;
    }
    cs_slice user = cs_slice_sub(authority, 0, at);
    size_t colon = cs_slice_find_byte(user, ':', 0);
    out->has_user = true;
    out->has_password = colon != SIZE_MAX;
    CS_TRY(unescape(call, cs_slice_sub(user, 0, out->has_password ? colon : user.n), PART_USER, &out->user));
    return out->has_password ? unescape(call, cs_slice_sub(user, colon + 1, user.n), PART_USER, &out->password) : CS_OK;
}

/* Keeps how a part was written if its usual escaping would be another. */
static void keep_spelling(cs_call *call, cs_slice written, cs_slice plain_text, part where, cs_slice *out)
{
    cs_sink escaped;
    cs_sink__init(&escaped, call);
    escape(&escaped, plain_text, where);
    if (!cs_slice_eq(written, cs_slice_make(escaped.p, escaped.n))) {
        *out = written;
    }
}

static cs_err read_path(cs_call *call, cs_slice p, cs_url *out)
{
    CS_TRY(unescape(call, p, PART_PATH, &out->path));
    keep_spelling(call, p, out->path, PART_PATH, &out->raw_path);
    return CS_OK;
}

/* Everything in front of '#'. */
static cs_err read_url(cs_call *call, cs_slice text, cs_url *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7F) {
            return cs_call_error(call, "net/url: invalid control character in URL");
        }
    }
    if (cs_slice_is(text, "*")) {
        out->path = text;
        return CS_OK;
    }
    cs_slice rest = text;
    CS_TRY(read_scheme(call, &rest, &out->scheme));
    size_t question = cs_slice_find_byte(rest, '?', 0);
    if (question != SIZE_MAX) {
        out->query = cs_slice_sub(rest, question + 1, rest.n);
        out->force_query = out->query.n == 0;
        rest = cs_slice_sub(rest, 0, question);
    }
    if (!cs_slice_starts(rest, CS_LIT("/"))) {
        if (out->scheme.n) {
            out->opaque = rest; /* mailto:x@y */
            return CS_OK;
        }
        size_t slash = cs_slice_find_byte(rest, '/', 0), colon = cs_slice_find_byte(rest, ':', 0);
        if (colon != SIZE_MAX && (slash == SIZE_MAX || colon < slash)) {
            return cs_call_error(call, "first path segment in URL cannot contain colon");
        }
    }
    if (cs_slice_starts(rest, CS_LIT("//")) && (out->scheme.n || !cs_slice_starts(rest, CS_LIT("///")))) {
        size_t slash = cs_slice_find_byte(rest, '/', 2);
        size_t end = slash == SIZE_MAX ? rest.n : slash;
        CS_TRY(read_authority(call, cs_slice_sub(rest, 2, end), out));
        rest = cs_slice_sub(rest, end, rest.n);
    } else {
        out->omit_host = out->scheme.n && cs_slice_starts(rest, CS_LIT("/"));
    }
    return read_path(call, rest, out);
}

cs_err cs_url__parse(cs_call *call, cs_slice text, cs_url *out)
{
    const cs_slice none = {"", 0};
    *out = (cs_url){none, none, none, none, none, none, none, none, false, false, none, none, false, false};
    size_t hash = cs_slice_find_byte(text, '#', 0);
    cs_slice front = cs_slice_sub(text, 0, hash == SIZE_MAX ? text.n : hash), named = front;
    cs_err err = read_url(call, front, out);
    if (err == CS_OK && hash != SIZE_MAX) {
        named = text;
        cs_slice written = cs_slice_sub(text, hash + 1, text.n);
        err = unescape(call, written, PART_FRAGMENT, &out->fragment);
        if (err == CS_OK) {
            keep_spelling(call, written, out->fragment, PART_FRAGMENT, &out->raw_fragment);
        }
    }
    if (err != CS_OK && call->e) {
        cs_error inner = *call->e;
        return quoted_error(call, "parse ", named, cs_arena_printf(call->arena, NULL, ": %s", inner.text));
    }
    return err;
}

/* May the text stand in that part as it is? */
static bool well_escaped(cs_slice s, part where)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!plain(s.p[i], where) && !in(s.p[i], "!$&'()*+,;=:@[]%")) {
            return false;
        }
    }
    return s.n > 0;
}

static void put_escaped(cs_sink *s, cs_slice raw, cs_slice text, part where)
{
    if (well_escaped(raw, where)) {
        cs_sink__slice(s, raw);
    } else if (where == PART_PATH && cs_slice_is(text, "*")) {
        cs_sink__byte(s, '*');
    } else {
        escape(s, text, where);
    }
}

static void put_authority(cs_sink *s, const cs_url *url)
{
    if ((!url->scheme.n && !url->host.n && !url->has_user) || (url->omit_host && !url->host.n && !url->has_user)) {
        return;
    }
    if (url->host.n || url->path.n || url->has_user) {
        cs_sink__text(s, "//");
    }
    if (url->has_user) {
        escape(s, url->user, PART_USER);
        if (url->has_password) {
            cs_sink__byte(s, ':');
            escape(s, url->password, PART_USER);
        }
        cs_sink__byte(s, '@');
    }
    escape(s, url->host, PART_HOST);
}

static void put_hierarchy(cs_sink *s, const cs_url *url)
{
    put_authority(s, url);
    cs_slice path = url->path;
    if (path.n && *path.p != '/' && url->host.n) {
        cs_sink__byte(s, '/');
    }
    size_t before = s->n;
    put_escaped(s, url->raw_path, path, PART_PATH);
    cs_slice written = cs_slice_make(s->p + before, s->n - before);
    size_t slash = cs_slice_find_byte(written, '/', 0), colon = cs_slice_find_byte(written, ':', 0);
    if (before == 0 && colon != SIZE_MAX && (slash == SIZE_MAX || colon < slash)) {
        cs_slice copy = cs_slice_make(cs_arena_dup(s->call->arena, written.p, written.n), written.n);
        s->n = 0;
        cs_sink__text(s, "./");
        cs_sink__slice(s, copy);
    }
}

void cs_url__print(cs_sink *s, const cs_url *url)
{
    if (url->scheme.n) {
        cs_sink__slice(s, url->scheme);
        cs_sink__byte(s, ':');
    }
    if (url->opaque.n) {
        cs_sink__slice(s, url->opaque);
    } else {
        put_hierarchy(s, url);
    }
    if (url->force_query || url->query.n) {
        cs_sink__byte(s, '?');
        cs_sink__slice(s, url->query);
    }
    if (url->fragment.n) {
        cs_sink__byte(s, '#');
        put_escaped(s, url->raw_fragment, url->fragment, PART_FRAGMENT);
    }
}

/* ------------------------------------------------------------------------------------------------ resolving */

void cs_url__print_path(cs_sink *s, const cs_url *url)
{
    put_escaped(s, url->raw_path, url->path, PART_PATH);
}

static cs_slice path_text(cs_call *call, const cs_url *u)
{
    cs_sink s;
    cs_slice out;
    cs_sink__init(&s, call);
    put_escaped(&s, u->raw_path, u->path, PART_PATH);
    return cs_sink__slice_done(&s, &out) == CS_OK ? out : (cs_slice){"", 0};
}

/* Takes "." and ".." out. */
static cs_slice without_dots(cs_call *call, cs_slice path)
{
    char *out = cs_arena_alloc(call->arena, path.n + 3);
    size_t n = 0;
    bool first = true;
    cs_slice piece = {"", 0};
    out[n++] = '/';
    for (cs_slice rest = path; cs_slice_next(&rest, '/', &piece);) {
        if (cs_slice_is(piece, ".")) {
            first = false;
        } else if (cs_slice_is(piece, "..")) {
            size_t slash = last_byte(cs_slice_make(out + 1, n - 1), '/');
            first = slash == SIZE_MAX;
            n = first ? 1 : slash + 1;
        } else {
            if (!first) {
                out[n++] = '/';
            }
            if (piece.n) {
                memcpy(out + n, piece.p, piece.n);
                n += piece.n;
            }
            first = false;
        }
    }
    if (cs_slice_is(piece, ".") || cs_slice_is(piece, "..")) {
        out[n++] = '/';
    }
    return n > 1 && out[1] == '/' ? cs_slice_make(out + 1, n - 1) : cs_slice_make(out, n);
}

static cs_err set_path(cs_call *call, cs_slice base, cs_slice ref, cs_url *out)
{
    cs_slice full = ref;
    if (ref.n == 0) {
        full = base;
    } else if (*ref.p != '/') {
        size_t slash = last_byte(base, '/');
        cs_slice folder = cs_slice_sub(base, 0, slash == SIZE_MAX ? 0 : slash + 1);
        full = cs_text(cs_string_printf(call->arena, "%.*s%.*s", CS_FMT(folder), CS_FMT(ref)));
    }
    out->raw_path = (cs_slice){"", 0};
    return read_path(call, full.n ? without_dots(call, full) : full, out);
}

cs_err cs_url__resolve(cs_call *call, const cs_url *base, const cs_url *ref, cs_url *out)
{
    const cs_slice none = {"", 0};
    *out = *ref;
    if (ref->scheme.n == 0) {
        out->scheme = base->scheme;
    }
    if (ref->scheme.n || ref->host.n || ref->has_user) {
        return set_path(call, path_text(call, ref), none, out);
    }
    if (ref->opaque.n) {
        return CS_OK;
    }
    if (ref->path.n == 0 && !ref->force_query && ref->query.n == 0) {
        out->query = base->query;
        if (ref->fragment.n == 0) {
            out->fragment = base->fragment;
            out->raw_fragment = base->raw_fragment;
        }
    }
    if (ref->path.n == 0 && base->opaque.n) {
        out->opaque = base->opaque;
        return CS_OK;
    }
    out->host = base->host;
    out->has_user = base->has_user;
    out->has_password = base->has_password;
    out->user = base->user;
    out->password = base->password;
    return set_path(call, path_text(call, base), path_text(call, ref), out);
}

cs_slice cs_url__hostname(cs_slice host)
{
    size_t colon = last_byte(host, ':');
    if (colon != SIZE_MAX && valid_port(cs_slice_sub(host, colon, host.n))) {
        host = cs_slice_sub(host, 0, colon);
    }
    if (cs_slice_starts(host, CS_LIT("[")) && cs_slice_ends(host, CS_LIT("]"))) {
        host = cs_slice_sub(host, 1, host.n - 1);
    }
    return host;
}

static void put_part(cs_call *call, cs_value object, const char *name, cs_slice text)
{
    if (text.n) {
        cs_object_put_text(call->arena, object, name, cs_string(text));
    }
}

cs_err cs_builtin__uri_parse(cs_call *call, cs_value *out)
{
    cs_slice s;
    cs_url u;
    CS_TRY(cs_call_string(call, 1, &s));
    CS_TRY(cs_url__parse(call, s, &u));
    cs_slice host = u.host, port = {"", 0};
    size_t colon = last_byte(host, ':');
    if (colon != SIZE_MAX && valid_port(cs_slice_sub(host, colon, host.n))) {
        port = cs_slice_sub(host, colon + 1, host.n);
        host = cs_slice_sub(host, 0, colon);
    }
    if (cs_slice_starts(host, CS_LIT("[")) && cs_slice_ends(host, CS_LIT("]"))) {
        host = cs_slice_sub(host, 1, host.n - 1);
    }
    *out = cs_object_new(call->arena, 7);
    put_part(call, *out, "scheme", u.scheme);
    put_part(call, *out, "hostname", host);
    put_part(call, *out, "port", port);
    put_part(call, *out, "path", u.path);
    put_part(call, *out, "raw_path", u.raw_path.n ? u.raw_path : u.path);
    put_part(call, *out, "raw_query", u.query);
    put_part(call, *out, "fragment", u.fragment);
    return CS_OK;
}

cs_err cs_builtin__uri_is_valid(cs_call *call, cs_value *out)
{
    cs_url u;
    cs_value v = call->args[0];
    bool valid = v.kind == CS_STRING && v.n > 0 && cs_url__parse(call, cs_text(v), &u) == CS_OK;
    return cs_call__give(out, cs_bool(valid));
}
