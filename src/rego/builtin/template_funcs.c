/* What templates can call, how their values print, and how a tree reads as text. */
#include <math.h>
#include <stdio.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/format.h"
#include "rego/builtin/template.h"
#include "rego/builtin/uri.h"

cs_tmpl_value cs_tmpl__int(int64_t i)
{
    cs_tmpl_value v = cs_tmpl__private(CS_TMPL_INT);
    v.v.u.i = i;
    return v;
}

cs_tmpl_value cs_tmpl__float(double d)
{
    cs_tmpl_value v = cs_tmpl__private(CS_TMPL_FLOAT);
    memcpy(&v.v.u.i, &d, sizeof d);
    return v;
}

double cs_tmpl__double(cs_value v)
{
    double d;
    memcpy(&d, &v.u.i, sizeof d);
    return d;
}

const char *cs_tmpl__type(cs_tmpl_value v)
{
    if (v.boxed) {
        return "interface {}";
    }
    switch ((cs_kind)v.v.kind) {
    case CS_BOOL:
        return "bool";
    case CS_NUMBER:
        return "json.Number";
    case CS_STRING:
        return "string";
    case CS_ARRAY:
        return "[]interface {}";
    case CS_OBJECT:
        return "map[string]interface {}";
    case CS_PRIVATE:
        return v.v.aux == CS_TMPL_INT ? "int" : v.v.aux == CS_TMPL_FLOAT ? "float64" : "uint8";
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_SET:
        break;
    }
    return "interface {}";
}

bool cs_tmpl__truth(cs_tmpl_value v)
{
    switch ((cs_kind)v.v.kind) {
    case CS_BOOL:
        return v.v.u.i != 0;
    case CS_NUMBER:
        return true; /* a text that is not empty */
    case CS_STRING:
        return v.v.n > 0;
    case CS_ARRAY:
    case CS_OBJECT:
        return cs_count(v.v) > 0;
    case CS_PRIVATE:
        return v.v.aux == CS_TMPL_FLOAT ? fpclassify(cs_tmpl__double(v.v)) != FP_ZERO
                                        : v.v.aux >= CS_TMPL_INT && v.v.u.i != 0;
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_SET:
        break;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------ printing */

static void print_private(cs_sink *s, cs_value v)
{
    if (v.aux == CS_TMPL_FLOAT) {
        double d = cs_tmpl__double(v);
        if (!isfinite(d)) {
            cs_sink__text(s, isnan(d) ? "NaN" : d > 0 ? "+Inf" : "-Inf");
        } else {
            cs_format__float(s, d, 'g', -1);
        }
    } else if (v.aux == CS_TMPL_INVALID || v.aux == CS_TMPL_MISSING) {
        cs_sink__text(s, "<no value>");
    } else {
        cs_sink__int(s, v.u.i);
    }
}

/* Values come from JSON text, so their depth is bounded. */
static void print_inside(cs_sink *s, cs_value v)
{
    char room[32];
    cs_value one;
    switch ((cs_kind)v.kind) {
    case CS_BOOL:
        cs_sink__text(s, v.u.i ? "true" : "false");
        break;
    case CS_NUMBER:
        cs_sink__slice(s, cs_number_text(v, room));
        break;
    case CS_STRING:
        cs_sink__slice(s, cs_text(v));
        break;
    case CS_ARRAY:
        for (uint32_t i = 0; i < v.n; i++) {
            cs_sink__byte(s, i ? ' ' : '[');
            print_inside(s, v.u.items[i]);
        }
        cs_sink__text(s, v.n ? "]" : "[]");
        break;
    case CS_OBJECT:
        cs_sink__text(s, "map[");
        for (uint32_t i = 0; i < cs_count(v); i++) {
            cs_sink__text(s, i ? " " : "");
            print_inside(s, cs_entry(v, i, &one));
            cs_sink__byte(s, ':');
            print_inside(s, one);
        }
        cs_sink__byte(s, ']');
        break;
    case CS_PRIVATE:
        print_private(s, v);
        break;
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_SET:
        cs_sink__text(s, "<nil>");
        break;
    }
}

cs_err cs_tmpl__print_value(cs_call *call, cs_sink *s, cs_value v)
{
    print_inside(s, v);
    return s->full ? cs_call__limit_error(call, "string_bytes") : CS_OK;
}

static bool is_text(cs_value v)
{
    return v.kind == CS_STRING || v.kind == CS_NUMBER; /* json.Number is a string to Go */
}

/* fmt.Sprint (a blank between two operands neither of which is a string) and fmt.Sprintln. */
static void print_all(cs_sink *s, const cs_tmpl_value *args, size_t n, bool line)
{
    for (size_t i = 0; i < n; i++) {
        if (i && (line || (!is_text(args[i].v) && !is_text(args[i - 1].v)))) {
            cs_sink__byte(s, ' ');
        }
        print_inside(s, args[i].v);
    }
    cs_sink__text(s, line ? "\n" : "");
}

/* ------------------------------------------------------------------------------------------------ escaping */

static void escape_html(cs_sink *s, cs_slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '\0':
            cs_sink__text(s, "\xEF\xBF\xBD");
            break;
        case '"':
            cs_sink__text(s, "&#34;");
            break;
        case '\'':
            cs_sink__text(s, "&#39;");
            break;
        case '&':
            cs_sink__text(s, "&amp;");
            break;
        case '<':
            cs_sink__text(s, "&lt;");
            break;
        case '>':
            cs_sink__text(s, "&gt;");
            break;
        default:
            cs_sink__byte(s, text.p[i]);
        }
    }
}

static void escape_js(cs_sink *s, cs_slice text)
{
    char code[16];
    for (size_t i = 0, width; i < text.n; i += width) {
        uint32_t r = cs_utf8_decode(text.p + i, text.n - i, &width);
        if (r == '\\' || r == '\'' || r == '"') {
            cs_sink__byte(s, '\\');
            cs_sink__byte(s, (char)r);
        } else if (r < ' ' || r == '<' || r == '>' || r == '&' || r == '=') {
            (void)snprintf(code, sizeof code, "\\u%04X", (unsigned)r);
            cs_sink__text(s, code);
        } else if ((r >= 0x80 && r < 0xA1) || r == 0xAD || (r >= 0x2000 && r < 0x2010) || r == 0x2028 || r == 0x2029 ||
                   (r >= 0x202A && r < 0x2030) || r == 0x3000 || r == 0xFEFF) {
            (void)snprintf(code, sizeof code, "\\u%04X", (unsigned)r); /* not to be seen */
            cs_sink__text(s, code);
        } else {
            cs_sink__rune(s, r);
        }
    }
}

static cs_err escape(cs_call *call, cs_slice name, const cs_tmpl_value *args, size_t n, cs_tmpl_value *out)
{
    cs_sink plain, made;
    cs_slice text;
    cs_sink__init(&plain, call);
    cs_sink__init(&made, call);
    if (n == 1 && args[0].v.kind == CS_STRING) {
        cs_sink__slice(&plain, cs_text(args[0].v));
    } else {
        cs_tmpl_value *shown = cs_arena_alloc(call->arena, (n + 1) * sizeof *shown);
        for (size_t i = 0; i < n; i++) {
            shown[i] = args[i].v.kind == CS_NULL ? (cs_tmpl_value){cs_string(CS_LIT("<no value>")), false} : args[i];
        }
        print_all(&plain, shown, n, false);
    }
    CS_TRY(cs_sink__slice_done(&plain, &text));
    if (cs_slice_is(name, "html")) {
        escape_html(&made, text);
    } else if (cs_slice_is(name, "js")) {
        escape_js(&made, text);
    } else {
        cs_url__escape_query(&made, text);
    }
    out->boxed = false;
    return cs_sink__done(&made, &out->v);
}

/* ------------------------------------------------------------------------------------------------ collections */

static cs_tmpl_value unboxed(cs_tmpl_value v)
{
    if (v.v.kind == CS_NULL) {
        return cs_tmpl__private(CS_TMPL_INVALID);
    }
    v.boxed = false;
    return v;
}

static cs_slice text_of(cs_value v, char room[32])
{
    return v.kind == CS_NUMBER ? cs_number_text(v, room) : cs_text(v);
}

static cs_err index_arg(cs_call *call, cs_tmpl_value index, size_t most, size_t *out)
{
    if (cs_tmpl__is(index, CS_TMPL_INVALID)) {
        return cs_call_error(call, "cannot index slice/array with nil");
    }
    if (!cs_tmpl__is(index, CS_TMPL_INT) && !cs_tmpl__is(index, CS_TMPL_BYTE)) {
        return cs_call_error(call, "cannot index slice/array with type %s", cs_tmpl__type(index));
    }
    int64_t i = index.v.u.i;
    *out = (size_t)i;
    return i < 0 || (uint64_t)i > most ? cs_call_error(call, "index out of range: %lld", (long long)i) : CS_OK;
}

static cs_err index_map(cs_call *call, cs_value map, cs_tmpl_value key, cs_tmpl_value *out)
{
    key = unboxed(key);
    if (cs_tmpl__is(key, CS_TMPL_INVALID)) {
        return cs_call_error(call, "value is nil; should be of type string");
    }
    if (key.v.kind != CS_STRING) {
        return cs_call_error(call, "value has type %s; should be string", cs_tmpl__type(key));
    }
    const cs_value *found = cs_object_get(map, key.v);
    *out = (cs_tmpl_value){found ? *found : cs_null(), true};
    return CS_OK;
}

static cs_err index_one(cs_call *call, cs_tmpl_value item, cs_tmpl_value index, cs_tmpl_value *out)
{
    size_t i;
    char room[32];
    if (item.boxed && item.v.kind == CS_NULL) {
        return cs_call_error(call, "index of nil pointer");
    }
    if (item.v.kind == CS_OBJECT) {
        return index_map(call, item.v, index, out);
    }
    bool list = item.v.kind == CS_ARRAY;
    if (!list && !is_text(item.v)) {
        item.boxed = false;
        return cs_call_error(call, "can't index item of type %s", cs_tmpl__type(item));
    }
    cs_slice text = list ? (cs_slice){"", 0} : text_of(item.v, room);
    size_t n = list ? item.v.n : text.n;
    CS_TRY(index_arg(call, unboxed(index), n, &i));
    if (i == n) {
        return cs_call_error(call, "reflect: %s index out of range", list ? "slice" : "string");
    }
    if (list) {
        *out = (cs_tmpl_value){item.v.u.items[i], true};
        return CS_OK;
    }
    *out = cs_tmpl__private(CS_TMPL_BYTE);
    out->v.u.i = (uint8_t)text.p[i];
    return CS_OK;
}

static cs_err call_index(cs_call *call, const cs_tmpl_value *args, size_t n, cs_tmpl_value *out)
{
    *out = unboxed(args[0]);
    if (cs_tmpl__is(*out, CS_TMPL_INVALID)) {
        return cs_call_error(call, "index of untyped nil");
    }
    for (size_t i = 1; i < n; i++) {
        CS_TRY(index_one(call, *out, args[i], out));
    }
    return CS_OK;
}

static cs_err call_slice(cs_call *call, const cs_tmpl_value *args, size_t n, cs_tmpl_value *out)
{
    cs_tmpl_value item = unboxed(args[0]);
    char room[32];
    if (cs_tmpl__is(item, CS_TMPL_INVALID)) {
        return cs_call_error(call, "slice of untyped nil");
    }
    if (n > 4) {
        return cs_call_error(call, "too many slice indexes: %zu", n - 1);
    }
    bool list = item.v.kind == CS_ARRAY;
    if (is_text(item.v) && n == 4) {
        return cs_call_error(call, "cannot 3-index slice a string");
    }
    if (!list && !is_text(item.v)) {
        return cs_call_error(call, "can't slice item of type %s", cs_tmpl__type(item));
    }
    cs_slice text = list ? (cs_slice){"", 0} : text_of(item.v, room);
    size_t length = list ? item.v.n : text.n, at[3] = {0, length, length};
    for (size_t i = 1; i < n; i++) {
        CS_TRY(index_arg(call, args[i], length, &at[i - 1]));
    }
    for (size_t i = 0; i < (n == 4 ? 2 : 1); i++) {
        if (at[i] > at[i + 1]) {
            return cs_call_error(call, "invalid slice index: %zu > %zu", at[i], at[i + 1]);
        }
    }
    *out = (cs_tmpl_value){list ? cs_array(item.v.u.items + at[0], at[1] - at[0])
                                : cs_string_copy(call->arena, cs_slice_sub(text, at[0], at[1])),
                           false};
    return CS_OK;
}

static cs_err call_len(cs_call *call, cs_tmpl_value v, cs_tmpl_value *out)
{
    char room[32];
    if (cs_tmpl__is(v, CS_TMPL_INVALID)) {
        return cs_call_error(call, "reflect: call of reflect.Value.Type on zero Value");
    }
    if (v.v.kind == CS_NULL) {
        return cs_call_error(call, "len of nil pointer");
    }
    if (is_text(v.v)) {
        *out = cs_tmpl__int((int64_t)text_of(v.v, room).n);
        return CS_OK;
    }
    if (v.v.kind != CS_ARRAY && v.v.kind != CS_OBJECT) {
        v.boxed = false;
        return cs_call_error(call, "len of type %s", cs_tmpl__type(v));
    }
    *out = cs_tmpl__int(cs_count(v.v));
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ comparing */

typedef enum basic { NOT_BASIC, BOOL, INT, UINT, FLOAT, STRING } basic;

static basic basic_of(cs_tmpl_value v)
{
    return v.v.kind == CS_BOOL             ? BOOL
           : is_text(v.v)                  ? STRING
           : cs_tmpl__is(v, CS_TMPL_INT)   ? INT
           : cs_tmpl__is(v, CS_TMPL_BYTE)  ? UINT
           : cs_tmpl__is(v, CS_TMPL_FLOAT) ? FLOAT
                                           : NOT_BASIC;
}

/* Negative, 0 or positive; both of the same basic kind, or an int and a byte. */
static int compare_basic(cs_tmpl_value x, cs_tmpl_value y, basic kind)
{
    char room[32], other[32];
    if (kind == STRING) {
        return cs_slice_compare(text_of(x.v, room), text_of(y.v, other));
    }
    if (kind == FLOAT) {
        double a = cs_tmpl__double(x.v), b = cs_tmpl__double(y.v);
        return (a > b) - (a < b);
    }
    return (x.v.u.i > y.v.u.i) - (x.v.u.i < y.v.u.i);
}

static bool is_number(basic kind)
{
    return kind == INT || kind == UINT;
}

static cs_err incompatible(cs_call *call, cs_tmpl_value x, cs_tmpl_value y)
{
    return cs_call_error(call, "incompatible types for comparison: %s and %s", cs_tmpl__type(x), cs_tmpl__type(y));
}

static cs_slice shown(cs_call *call, cs_tmpl_value v)
{
    cs_sink s;
    cs_sink__init(&s, call);
    print_inside(&s, v.v);
    return cs_tmpl__settle(&s);
}

static cs_err equal(cs_call *call, cs_tmpl_value x, cs_tmpl_value y, bool *out)
{
    basic a = basic_of(x), b = basic_of(y);
    bool no_x = cs_tmpl__is(x, CS_TMPL_INVALID), no_y = cs_tmpl__is(y, CS_TMPL_INVALID);
    *out = false;
    if (a != b && !(is_number(a) && is_number(b))) {
        return no_x || no_y ? CS_OK : incompatible(call, x, y);
    }
    if (a != NOT_BASIC) {
        *out = compare_basic(x, y, a) == 0;
        return CS_OK;
    }
    if (no_x || no_y) {
        *out = no_x == no_y;
        return CS_OK;
    }
    if (x.v.kind != y.v.kind) {
        return cs_call_error(call, "non-comparable types %.*s: %s, %s: %.*s", CS_FMT(shown(call, x)), cs_tmpl__type(x),
                             cs_tmpl__type(y), CS_FMT(shown(call, y)));
    }
    return cs_call_error(call, "non-comparable type %.*s: %s", CS_FMT(shown(call, y)), cs_tmpl__type(y));
}

static cs_err less(cs_call *call, cs_tmpl_value x, cs_tmpl_value y, bool *out)
{
    basic a = basic_of(x), b = basic_of(y);
    if (a == NOT_BASIC || b == NOT_BASIC || (a == BOOL && b == BOOL)) {
        return cs_call_error(call, "invalid type for comparison");
    }
    if (a != b && !(is_number(a) && is_number(b))) {
        return incompatible(call, x, y);
    }
    *out = compare_basic(x, y, a) < 0;
    return CS_OK;
}

static cs_err less_or_equal(cs_call *call, cs_tmpl_value x, cs_tmpl_value y, bool *out)
{
    CS_TRY(less(call, x, y, out));
    return *out ? CS_OK : equal(call, x, y, out);
}

static cs_err call_compare(cs_call *call, cs_slice name, const cs_tmpl_value *args, size_t n, bool *out)
{
    cs_tmpl_value x = unboxed(args[0]);
    *out = false;
    if (cs_slice_is(name, "eq")) {
        if (n < 2) {
            return cs_call_error(call, "missing argument for comparison");
        }
        for (size_t i = 1; i < n && !*out; i++) {
            CS_TRY(equal(call, x, unboxed(args[i]), out));
        }
        return CS_OK;
    }
    cs_tmpl_value y = unboxed(args[1]);
    bool negate = *name.p != 'l';
    cs_err err = cs_slice_is(name, "ne")                              ? equal(call, x, y, out)
                 : cs_slice_is(name, "lt") || cs_slice_is(name, "ge") ? less(call, x, y, out)
                                                                      : less_or_equal(call, x, y, out);
    *out = *out != negate;
    return err;
}

/* ------------------------------------------------------------------------------------------------ all of them */

static const struct {
    const char *name;
    uint8_t arity;
    bool more;
} functions[] = {{"and", 1, true},      {"or", 1, true},    {"not", 1, false},   {"call", 1, true},
                 {"index", 1, true},    {"slice", 1, true}, {"len", 1, false},   {"html", 0, true},
                 {"js", 0, true},       {"print", 0, true}, {"printf", 1, true}, {"println", 0, true},
                 {"urlquery", 0, true}, {"eq", 1, true},    {"ne", 2, false},    {"lt", 2, false},
                 {"le", 2, false},      {"gt", 2, false},   {"ge", 2, false}};

bool cs_tmpl__is_function(cs_slice name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (cs_slice_is(name, functions[i].name)) {
            return true;
        }
    }
    return false;
}

size_t cs_tmpl__arity(cs_slice name, bool *more)
{
    size_t i = 0;
    while (!cs_slice_is(name, functions[i].name)) {
        i++;
    }
    *more = functions[i].more;
    return functions[i].arity;
}

static cs_err call_call(cs_call *call, cs_tmpl_value callee, cs_slice name)
{
    callee = unboxed(callee);
    return cs_tmpl__is(callee, CS_TMPL_INVALID)
               ? cs_call_error(call, "call of nil")
               : cs_call_error(call, "non-function %.*s of type %s", CS_FMT(name), cs_tmpl__type(callee));
}

static cs_err call_print(cs_call *call, cs_slice name, const cs_tmpl_value *args, size_t n, cs_tmpl_value *out)
{
    cs_sink s;
    cs_sink__init(&s, call);
    out->boxed = false;
    if (!cs_slice_is(name, "printf")) {
        print_all(&s, args, n, cs_slice_is(name, "println"));
        return cs_sink__done(&s, &out->v);
    }
    cs_value *values = cs_arena_alloc(call->arena, n * sizeof *values);
    for (size_t i = 1; i < n; i++) {
        values[i - 1] = args[i].v;
    }
    return cs_format__go(call, cs_text(args[0].v), values, n - 1, &out->v);
}

cs_err cs_tmpl__call(cs_call *call, cs_slice name, const cs_tmpl_value *args, size_t n, cs_slice callee,
                     cs_tmpl_value *out)
{
    bool truth;
    if (cs_slice_is(name, "index")) {
        return call_index(call, args, n, out);
    }
    if (cs_slice_is(name, "slice")) {
        return call_slice(call, args, n, out);
    }
    if (cs_slice_is(name, "len")) {
        return call_len(call, args[0], out);
    }
    if (cs_slice_is(name, "call")) {
        return call_call(call, args[0], callee);
    }
    if (cs_slice_starts(name, CS_LIT("print"))) {
        return call_print(call, name, args, n, out);
    }
    if (cs_slice_is(name, "html") || cs_slice_is(name, "js") || cs_slice_is(name, "urlquery")) {
        return escape(call, name, args, n, out);
    }
    if (cs_slice_is(name, "not")) {
        truth = !cs_tmpl__truth(args[0]);
    } else {
        CS_TRY(call_compare(call, name, args, n, &truth));
    }
    *out = (cs_tmpl_value){cs_bool(truth), false};
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ trees as text */

static void print_each(cs_sink *s, const cs_tmpl_nodes *nodes, const char *between)
{
    for (size_t i = 0; i < nodes->n; i++) {
        cs_sink__text(s, i ? between : "");
        cs_tmpl__print(s, nodes->v[i]);
    }
}

static void print_names(cs_sink *s, const cs_list *names, bool point_first)
{
    for (size_t i = 0; i < names->n; i++) {
        cs_sink__text(s, i || point_first ? "." : "");
        cs_sink__slice(s, cs_text(names->v[i]));
    }
}

static void print_parenthesised(cs_sink *s, const cs_tmpl_node *n)
{
    bool pipe = n->kind == CS_TMPL_N_PIPE;
    cs_sink__text(s, pipe ? "(" : "");
    cs_tmpl__print(s, n);
    cs_sink__text(s, pipe ? ")" : "");
}

static void print_branch(cs_sink *s, const cs_tmpl_node *n)
{
    cs_sink__text(s, n->kind == CS_TMPL_N_IF ? "{{if " : n->kind == CS_TMPL_N_RANGE ? "{{range " : "{{with ");
    cs_tmpl__print(s, n->pipe);
    cs_sink__text(s, "}}");
    cs_tmpl__print(s, n->list);
    if (n->other) {
        cs_sink__text(s, "{{else}}");
        cs_tmpl__print(s, n->other);
    }
    cs_sink__text(s, "{{end}}");
}

static void print_call(cs_sink *s, const cs_tmpl_node *n)
{
    cs_sink__text(s, "{{template ");
    cs_sink__quote(s, n->text);
    if (n->pipe) {
        cs_sink__byte(s, ' ');
        cs_tmpl__print(s, n->pipe);
    }
    cs_sink__text(s, "}}");
}

/* The depth of trees is bounded where they are made. */
void cs_tmpl__print(cs_sink *s, const cs_tmpl_node *n)
{
    switch (n->kind) {
    case CS_TMPL_N_ACTION:
        cs_sink__text(s, "{{");
        cs_tmpl__print(s, n->pipe);
        cs_sink__text(s, "}}");
        break;
    case CS_TMPL_N_IF:
    case CS_TMPL_N_RANGE:
    case CS_TMPL_N_WITH:
        print_branch(s, n);
        break;
    case CS_TMPL_N_TEMPLATE:
        print_call(s, n);
        break;
    case CS_TMPL_N_BREAK:
        cs_sink__text(s, "{{break}}");
        break;
    case CS_TMPL_N_CONTINUE:
        cs_sink__text(s, "{{continue}}");
        break;
    case CS_TMPL_N_END:
        cs_sink__text(s, "{{end}}");
        break;
    case CS_TMPL_N_ELSE:
        cs_sink__text(s, "{{else}}");
        break;
    case CS_TMPL_N_LIST:
        print_each(s, &n->kids, "");
        break;
    case CS_TMPL_N_PIPE:
        print_each(s, &n->declared, ", ");
        cs_sink__text(s, n->declared.n == 0 ? "" : n->assigns ? " = " : " := ");
        print_each(s, &n->kids, " | ");
        break;
    case CS_TMPL_N_COMMAND:
        for (size_t i = 0; i < n->kids.n; i++) {
            cs_sink__text(s, i ? " " : "");
            print_parenthesised(s, n->kids.v[i]);
        }
        break;
    case CS_TMPL_N_FIELD:
        print_names(s, &n->names, true);
        break;
    case CS_TMPL_N_VARIABLE:
        print_names(s, &n->names, false);
        break;
    case CS_TMPL_N_CHAIN:
        print_parenthesised(s, n->pipe);
        print_names(s, &n->names, true);
        break;
    case CS_TMPL_N_DOT:
        cs_sink__byte(s, '.');
        break;
    case CS_TMPL_N_NIL:
        cs_sink__text(s, "nil");
        break;
    case CS_TMPL_N_BOOL:
        cs_sink__text(s, n->truth ? "true" : "false");
        break;
    case CS_TMPL_N_TEXT:
    case CS_TMPL_N_IDENTIFIER:
    case CS_TMPL_N_NUMBER:
    case CS_TMPL_N_STRING:
        cs_sink__slice(s, n->text);
        break;
    }
}
