/* The YAML reader: libyaml's events, our own meaning of plain scalars. What go-yaml v3 makes of a document on its way
 * to JSON (OPA internal/yaml) is what comes out here. */
#include "countersign/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "countersign/base/encode.h"
#include "countersign/base/limits.h"
#include "countersign/base/map.h"
#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "countersign/number.h"
#include "internal.h"

/* What an anchor stands for. The counts bound what its aliases unfold to for everybody who walks the value later. */
typedef struct anchor {
    cs_value value;
    uint64_t nodes;   /* of the value, aliases unfolded */
    uint64_t aliases; /* inside it, unfolded */
    bool open;        /* still being read */
} anchor;

typedef struct reader {
    yaml_parser_t parser;
    cs_arena *a;
    cs_map anchors;
    uint64_t nodes;
    uint64_t aliases;
    uint64_t alias_nodes;
    uint32_t depth;
    cs_error *e;
} reader;

/* ---- errors */

static cs_err fail_at(reader *r, const yaml_mark_t *mark, cs_err code, const char *text)
{
    uint32_t row = (uint32_t)mark->line + 1;
    return cs_fail_at(r->e, code, NULL, row, (uint32_t)mark->column + 1, "yaml: line %u: %s", row, text);
}

/* What libyaml did not like, with the line that go-yaml names. */
static cs_err fail_parser(reader *r)
{
    const yaml_parser_t *p = &r->parser;
    size_t line = p->context_mark.line != 0 ? p->context_mark.line : p->problem_mark.line;
    if (line != 0 && p->error == YAML_SCANNER_ERROR) {
        line++;
    }
    const char *problem = p->problem != NULL ? p->problem : "unknown problem parsing YAML content";
    uint32_t row = (uint32_t)p->problem_mark.line + 1;
    uint32_t col = (uint32_t)p->problem_mark.column + 1;
    if (line != 0) {
        return cs_fail_at(r->e, CS_ERR_SYNTAX, NULL, row, col, "yaml: line %zu: %s", line, problem);
    }
    return cs_fail_at(r->e, CS_ERR_SYNTAX, NULL, row, col, "yaml: %s", problem);
}

static cs_err next_event(reader *r, yaml_event_t *event)
{
    return yaml_parser_parse(&r->parser, event) ? CS_OK : fail_parser(r);
}

/* ---- plain scalars */

static bool is_any(cs_slice s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (cs_slice_is(s, *words)) {
            return true;
        }
    }
    return false;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Go's ParseInt and ParseUint with base 0: 0x, 0o, 0b and a leading 0 choose the base. */
static bool whole_number(cs_arena *a, cs_slice s, cs_value *out)
{
    size_t i = 0;
    bool sign = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    bool negative = sign && s.p[0] == '-';
    i += sign;
    unsigned base = 10;
    if (i + 1 < s.n && s.p[i] == '0') {
        char c = (char)(s.p[i + 1] | 0x20);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        i += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
    }
    if (i == s.n) {
        return false;
    }
    uint64_t m = 0;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)digit_of(s.p[i]);
        if (digit >= base || __builtin_mul_overflow(m, base, &m) || __builtin_add_overflow(m, digit, &m)) {
            return false;
        }
    }
    if (sign && m > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = negative ? cs_int((int64_t)(0 - m)) : cs_number_from_u64(a, m);
    return true;
}

/* [-+]?(.digits|digits[.digits])[exponent]: a double, as long as it is one. */
static bool real_number(cs_slice s, double *out)
{
    cs_decimal d;
    if (!cs_number__decimal(s, &d)) {
        return false;
    }
    *out = cs_number__double(&d);
    return isfinite(*out);
}

typedef enum meaning { TEXT, NOTHING, TRUTH, INTEGER, REAL, NOT_FINITE } meaning;

/* What a plain scalar means; numbers go to *v, and reals also to *real. */
static meaning resolve(cs_arena *a, cs_slice s, cs_value *v, double *real)
{
    static const char *const NULLS[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const TRUES[] = {"true", "True", "TRUE", NULL};
    static const char *const FALSES[] = {"false", "False", "FALSE", NULL};
    static const char *const ODD[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF", "+.inf",
                                      "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", NULL};
    if (is_any(s, NULLS)) {
        *v = cs_null();
        return NOTHING;
    }
    if (is_any(s, TRUES) || is_any(s, FALSES)) {
        *v = cs_bool((s.p[0] | 0x20) == 't');
        return TRUTH;
    }
    bool dot = s.p[0] == '.';
    if (!dot && s.p[0] != '-' && s.p[0] != '+' && digit_of(s.p[0]) > 9) {
        return TEXT;
    }
    if (is_any(s, ODD)) {
        return NOT_FINITE;
    }
    char room[256];
    size_t n = 0;
    if (s.n > sizeof room) {
        return TEXT; /* no number worth the name is that long */
    }
    for (size_t i = 0; i < s.n; i++) {
        if (dot || s.p[i] != '_') {
            room[n++] = s.p[i];
        }
    }
    cs_slice plain = {room, n};
    if (!dot && whole_number(a, plain, v)) {
        return INTEGER;
    }
    if (real_number(plain, real)) {
        *v = cs_number_from_double(a, *real);
        return REAL;
    }
    return TEXT;
}

/* One or two digits that are at most `most`. */
static bool two_digits(cs_slice s, size_t *at, int least, int most)
{
    int x = 0;
    size_t start = *at;
    while (*at < s.n && *at - start < 2 && s.p[*at] >= '0' && s.p[*at] <= '9') {
        x = x * 10 + (s.p[(*at)++] - '0');
    }
    return *at > start && x >= least && x <= most;
}

static bool skip(cs_slice s, size_t *at, char c)
{
    return *at < s.n && s.p[(*at)++] == c;
}

/* ":minute:second" and perhaps a fraction. */
static bool rest_of_time(cs_slice s, size_t *at)
{
    if (!skip(s, at, ':') || !two_digits(s, at, 0, 59) || !skip(s, at, ':') || !two_digits(s, at, 0, 59)) {
        return false;
    }
    if (*at + 1 < s.n && s.p[*at] == '.' && digit_of(s.p[*at + 1]) <= 9) {
        for ((*at)++; *at < s.n && digit_of(s.p[*at]) <= 9; (*at)++) {
        }
    }
    return true;
}

/* Dates and times of YAML 1.1. They are texts here, and are written in quotes for those to whom they are not. */
static bool is_timestamp(cs_slice s)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (s.n < 8 || s.p[4] != '-') {
        return false;
    }
    int year = 0;
    for (size_t i = 0; i < 4; i++) {
        if (digit_of(s.p[i]) > 9) {
            return false;
        }
        year = year * 10 + digit_of(s.p[i]);
    }
    size_t at = 5;
    if (!two_digits(s, &at, 1, 12)) {
        return false;
    }
    int month = at == 6 ? s.p[5] - '0' : (s.p[5] - '0') * 10 + s.p[6] - '0';
    bool leap = month == 2 && (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    if (!skip(s, &at, '-') || !two_digits(s, &at, 1, DAYS[month - 1] + leap)) {
        return false;
    }
    if (at == s.n) {
        return true;
    }
    char separator = s.p[at++];
    if ((separator != ' ' && separator != 'T' && separator != 't') || !two_digits(s, &at, 0, 23) ||
        !rest_of_time(s, &at)) {
        return false;
    }
    if (separator == ' ') {
        return at == s.n;
    }
    if (at + 1 == s.n) {
        return s.p[at] == 'Z';
    }
    return at + 6 == s.n && (s.p[at] == '+' || s.p[at] == '-') && s.p[at + 3] == ':';
}

bool cs_yaml__is_text(cs_slice s)
{
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_value v;
    double real = 0;
    bool text = resolve(&scratch, s, &v, &real) == TEXT;
    cs_arena_destroy(&scratch);
    return text && !is_timestamp(s);
}

bool cs_yaml__is_integer(cs_slice s)
{
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_value v;
    bool integer = whole_number(&scratch, s, &v);
    cs_arena_destroy(&scratch);
    return integer;
}

static bool tag_is(const char *tag, const char *name)
{
    static const char PREFIX[] = "tag:yaml.org,2002:";
    return tag != NULL && strncmp(tag, PREFIX, sizeof PREFIX - 1) == 0 && strcmp(tag + sizeof PREFIX - 1, name) == 0;
}

/* The bytes with what is not UTF-8 replaced by U+FFFD, as on the way through JSON. */
static cs_slice valid_text(cs_arena *a, cs_slice bytes)
{
    if (cs_utf8_valid(bytes)) {
        return bytes;
    }
    char *text = cs_arena_alloc(a, bytes.n * 3 + 4);
    size_t n = 0;
    for (size_t i = 0; i < bytes.n;) {
        size_t width = 0;
        n += cs_utf8_encode(cs_utf8_decode(bytes.p + i, bytes.n - i, &width), text + n);
        i += width;
    }
    return (cs_slice){text, n};
}

/* A scalar with a tag of YAML's own that asks for a type. */
static cs_err tagged_scalar(reader *r, const yaml_event_t *event, cs_slice s, cs_value *out)
{
    const char *tag = (const char *)event->data.scalar.tag;
    if (tag_is(tag, "binary")) {
        cs_slice bytes;
        if (!cs_base64_decode(r->a, s, CS_BASE64_STD, &bytes, NULL)) {
            return fail_at(r, &event->start_mark, CS_ERR_SYNTAX, "!!binary value contains invalid base64 data");
        }
        *out = cs_string(valid_text(r->a, bytes));
        return CS_OK;
    }
    bool wants_null = tag_is(tag, "null");
    bool wants_bool = tag_is(tag, "bool");
    bool wants_int = tag_is(tag, "int");
    bool wants_real = tag_is(tag, "float");
    if (!wants_null && !wants_bool && !wants_int && !wants_real) {
        *out = cs_string_copy(r->a, s);
        return CS_OK;
    }
    double real = 0;
    meaning m = resolve(r->a, s, out, &real);
    if (m == INTEGER && wants_real) {
        *out = cs_number_from_double(r->a, cs_number_double(*out));
        return CS_OK;
    }
    if ((m == NOTHING && wants_null) || (m == TRUTH && wants_bool) || (m == INTEGER && wants_int) ||
        (m == REAL && wants_real)) {
        return CS_OK;
    }
    return fail_at(r, &event->start_mark, CS_ERR_SYNTAX, "cannot decode the value as its tag says");
}

/* A real as the key of an object: go-yaml writes it with the digits of a float32. */
static cs_value real_key(cs_arena *a, double real)
{
    char text[40];
    float wanted = (float)real;
    for (int precision = 0; precision < 9; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision, (double)wanted);
        float back = strtof(text, NULL);
        if (!(back < wanted) && !(back > wanted)) {
            break;
        }
    }
    cs_buf out;
    cs_buf_init(&out);
    if (isfinite(wanted)) {
        cs_number__print_double(&out, strtod(text, NULL), -4, 6, true);
    } else {
        cs_buf_text(&out, wanted < 0 ? "-.inf" : ".inf");
    }
    cs_value v = cs_string_copy(a, cs_buf_view(&out));
    cs_buf_destroy(&out);
    return v;
}

/* Makes the value of a key the text that it is in JSON. */
static cs_err key_text(reader *r, const yaml_mark_t *mark, cs_value *key)
{
    char room[32];
    if (key->kind == CS_STRING) {
        return CS_OK;
    }
    if (key->kind == CS_NULL) {
        return fail_at(r, mark, CS_ERR_SYNTAX, "unsupported map key: null");
    }
    if (key->kind != CS_BOOL && key->kind != CS_NUMBER) {
        return fail_at(r, mark, CS_ERR_SYNTAX, "invalid map key");
    }
    cs_slice text = key->kind == CS_BOOL ? cs_slice_of(key->u.i != 0 ? "true" : "false") : cs_number_text(*key, room);
    *key = cs_string_copy(r->a, text);
    return CS_OK;
}

/* The scalar as a value or, with `key`, as the text it is as the key of an object. */
static cs_err scalar_value(reader *r, const yaml_event_t *event, bool key, cs_value *out)
{
    cs_slice s = {(const char *)event->data.scalar.value, event->data.scalar.length};
    const char *tag = (const char *)event->data.scalar.tag;
    bool tagged = tag != NULL && tag[0] != '\0' && strcmp(tag, "!") != 0;
    cs_value v = cs_undefined();
    double real = 0;
    meaning m = TEXT;
    if (tagged) {
        CS_TRY(tagged_scalar(r, event, s, &v));
    } else if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        m = resolve(r->a, s, &v, &real);
    }
    if (m == NOT_FINITE && !key) {
        bool nan = s.n > 1 && (s.p[1] | 0x20) == 'n';
        return cs_fail(r->e, CS_ERR_SYNTAX, "json: unsupported value: %s", nan ? "NaN" : *s.p == '-' ? "-Inf" : "+Inf");
    }
    if (!tagged && (m == TEXT || m == NOT_FINITE)) {
        v = cs_string_copy(r->a, s);
    }
    if (key && m == REAL) {
        v = real_key(r->a, real);
    }
    *out = v;
    return key ? key_text(r, &event->start_mark, out) : CS_OK;
}

/* ---- nodes */

static cs_err read_node(reader *r, const yaml_event_t *event, cs_value *out);

/* Counts a node; everything is bounded by memory but what aliases unfold to. */
static cs_err count_node(reader *r, const yaml_event_t *event)
{
    r->nodes++;
    if (cs_arena_exceeded(r->a)) {
        return fail_at(r, &event->start_mark, CS_ERR_MEMORY, "the document is too large for the memory granted");
    }
    return CS_OK;
}

static cs_err read_alias(reader *r, const yaml_event_t *event, cs_value *out)
{
    const char *name = (const char *)event->data.alias.anchor;
    const anchor *found = cs_map_get(&r->anchors, cs_slice_of(name));
    char text[160];
    if (found == NULL) {
        (void)snprintf(text, sizeof text, "unknown anchor '%.100s' referenced", name);
        return fail_at(r, &event->start_mark, CS_ERR_SYNTAX, text);
    }
    if (found->open) {
        (void)snprintf(text, sizeof text, "anchor '%.100s' value contains itself", name);
        return fail_at(r, &event->start_mark, CS_ERR_SYNTAX, text);
    }
    uint64_t most = cs_limits_get()->yaml_aliases;
    r->aliases += 1 + found->aliases;
    r->nodes += found->nodes;
    r->alias_nodes += found->nodes;
    /* A hundred nodes an alias on average is far beyond what people write. */
    if (r->aliases > most || r->alias_nodes > most * 100) {
        return fail_at(r, &event->start_mark, CS_ERR_LIMIT, "document contains excessive aliasing");
    }
    *out = found->value;
    return CS_OK;
}

/* Values gathered while a sequence is read. */
typedef struct list {
    cs_value *items;
    size_t n;
    size_t cap;
} list;

static void list_add(list *l, cs_value v)
{
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 8 : l->cap * 2;
        l->items = cs_realloc(l->items, l->cap * sizeof *l->items);
    }
    l->items[l->n++] = v;
}

static cs_err read_sequence(reader *r, cs_value *out)
{
    list l = {0};
    cs_err err = CS_OK;
    for (;;) {
        yaml_event_t event;
        err = next_event(r, &event);
        if (err != CS_OK) {
            break;
        }
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        cs_value v = cs_undefined();
        if (!end) {
            err = read_node(r, &event, &v);
        }
        yaml_event_delete(&event);
        if (end || err != CS_OK) {
            break;
        }
        list_add(&l, v);
    }
    if (err == CS_OK) {
        *out = cs_array_copy(r->a, l.items, l.n);
    }
    cs_free(l.items);
    return err;
}

static bool is_merge_key(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           strcmp((const char *)event->data.scalar.value, "<<") == 0 &&
           (event->data.scalar.tag == NULL || tag_is((const char *)event->data.scalar.tag, "merge"));
}

/* Takes the sources of "<<": a mapping or a sequence of mappings. */
static bool add_sources(list *sources, cs_value v)
{
    if (v.kind == CS_OBJECT) {
        list_add(sources, v);
        return true;
    }
    if (v.kind != CS_ARRAY) {
        return false;
    }
    for (uint32_t i = 0; i < v.n; i++) {
        if (v.u.items[i].kind != CS_OBJECT) {
            return false;
        }
        list_add(sources, v.u.items[i]);
    }
    return true;
}

/* One key and its value. *end at the end of the mapping. */
static cs_err read_pair(reader *r, cs_value object, list *sources, bool *end)
{
    yaml_event_t event;
    CS_TRY(next_event(r, &event));
    *end = event.type == YAML_MAPPING_END_EVENT;
    if (*end) {
        yaml_event_delete(&event);
        return CS_OK;
    }
    bool merge = is_merge_key(&event);
    yaml_mark_t mark = event.start_mark;
    cs_value key = cs_undefined();
    cs_err err = CS_OK;
    if (event.type == YAML_SCALAR_EVENT) {
        err = merge ? CS_OK : scalar_value(r, &event, true, &key);
        if (err == CS_OK && event.data.scalar.anchor != NULL) {
            err = read_node(r, &event, &(cs_value){0}); /* for its anchor */
        }
    } else {
        err = read_node(r, &event, &key);
        err = err == CS_OK ? key_text(r, &mark, &key) : err;
    }
    yaml_event_delete(&event);
    CS_TRY(err);
    CS_TRY(next_event(r, &event));
    cs_value v = cs_undefined();
    err = read_node(r, &event, &v);
    yaml_event_delete(&event);
    CS_TRY(err);
    if (!merge) {
        cs_object_put(r->a, object, key, v);
    } else if (!add_sources(sources, v)) {
        return fail_at(r, &mark, CS_ERR_SYNTAX, "map merge requires map or sequence of maps as the value");
    }
    return CS_OK;
}

static cs_err read_mapping(reader *r, cs_value *out)
{
    cs_value object = cs_object_new(r->a, 0);
    list sources = {0};
    bool end = false;
    cs_err err = CS_OK;
    while (!end && err == CS_OK) {
        err = read_pair(r, object, &sources, &end);
    }
    /* The mapping's own keys win, then the earlier sources. */
    for (size_t i = 0; i < sources.n && err == CS_OK; i++) {
        const cs_table *t = sources.items[i].u.table;
        for (uint32_t k = 0; k < t->n; k++) {
            if (cs_object_get_hashed(object, t->keys[k], cs_table_hashes(t)[k]) == NULL) {
                cs_object_put(r->a, object, t->keys[k], t->vals[k]);
            }
        }
    }
    cs_free(sources.items);
    *out = object;
    return err;
}

static const char *anchor_of(const yaml_event_t *event)
{
    const yaml_char_t *name = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        name = event->data.scalar.anchor;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        name = event->data.sequence_start.anchor;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        name = event->data.mapping_start.anchor;
    }
    return (const char *)name;
}

static cs_err read_content(reader *r, const yaml_event_t *event, cs_value *out)
{
    if (event->type == YAML_SCALAR_EVENT) {
        return scalar_value(r, event, false, out);
    }
    if (event->type != YAML_SEQUENCE_START_EVENT && event->type != YAML_MAPPING_START_EVENT) {
        return fail_at(r, &event->start_mark, CS_ERR_SYNTAX, "a value was expected");
    }
    if (r->depth >= cs_limits_get()->json_depth) {
        return fail_at(r, &event->start_mark, CS_ERR_LIMIT, "exceeded max depth");
    }
    r->depth++;
    cs_err err = event->type == YAML_SEQUENCE_START_EVENT ? read_sequence(r, out) : read_mapping(r, out);
    r->depth--;
    return err;
}

static cs_err read_node(reader *r, const yaml_event_t *event, cs_value *out)
{
    CS_TRY(count_node(r, event));
    if (event->type == YAML_ALIAS_EVENT) {
        return read_alias(r, event, out);
    }
    anchor *mark = NULL;
    const char *name = anchor_of(event);
    if (name != NULL) {
        mark = cs_arena_new(r->a, anchor);
        mark->open = true;
        mark->nodes = r->nodes;
        mark->aliases = r->aliases;
        (void)cs_map_put(&r->anchors, cs_slice_of(name), mark);
    }
    CS_TRY(read_content(r, event, out));
    if (mark != NULL) {
        mark->value = *out;
        mark->nodes = r->nodes - mark->nodes + 1;
        mark->aliases = r->aliases - mark->aliases;
        mark->open = false;
    }
    return CS_OK;
}

/* ---- the stream */

/* Reads the first document and checks that the others are YAML, too. */
static cs_err read_stream(reader *r, cs_value *out)
{
    bool first = true;
    for (;;) {
        yaml_event_t event;
        CS_TRY(next_event(r, &event));
        bool end = event.type == YAML_STREAM_END_EVENT;
        bool document = event.type == YAML_DOCUMENT_START_EVENT;
        yaml_event_delete(&event);
        if (end) {
            return CS_OK;
        }
        if (document && first) {
            first = false;
            CS_TRY(next_event(r, &event));
            cs_err err = read_node(r, &event, out);
            yaml_event_delete(&event);
            CS_TRY(err);
        }
    }
}

cs_err cs_yaml_read(cs_arena *a, cs_slice text, cs_value *out, cs_error *e)
{
    reader r = {.a = a, .e = e};
    if (!yaml_parser_initialize(&r.parser)) {
        return cs_fail(e, CS_ERR_MEMORY, "no memory for the YAML parser");
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p != NULL ? text.p : ""), text.n);
    cs_map_init(&r.anchors);
    cs_value v = cs_null();
    cs_err err = read_stream(&r, &v);
    cs_map_destroy(&r.anchors);
    yaml_parser_delete(&r.parser);
    if (err == CS_OK) {
        *out = v;
    }
    return err;
}
