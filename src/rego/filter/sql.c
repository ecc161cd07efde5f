/* The condition tree as a WHERE clause (OPA: internal/ucast, whose SQL comes from a library of builders). Numbers are
 * quoted as strings, as there; every value is written as a literal of the dialect, and names that are not plain
 * identifiers are quoted, so that no text from a policy or a request can leave its place. */
#include "rego/filter/internal.h"

#include "countersign/number.h"

typedef enum flavor { POSTGRESQL, MYSQL, SQLSERVER, SQLITE } flavor;

typedef struct writer {
    cs_buf *out;
    flavor flavor;
    cs_error *e;
    cs_err late; /* of a literal: said only when nothing else is wrong */
    const char *late_text;
} writer;

/* ---- names */
static bool is_bare(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return s.n > 0;
}

static void quoted_name(writer *w, cs_slice s)
{
    char quote = w->flavor == MYSQL ? '`' : '"';
    cs_buf_byte(w->out, quote);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == quote) {
            cs_buf_byte(w->out, quote);
        }
        cs_buf_byte(w->out, s.p[i]);
    }
    cs_buf_byte(w->out, quote);
}

static void name(writer *w, cs_slice field)
{
    size_t from = 0;
    for (;;) {
        size_t dot = cs_slice_find_byte(field, '.', from);
        cs_slice part = cs_slice_sub(field, from, dot == SIZE_MAX ? field.n : dot);
        if (is_bare(part)) {
            cs_buf_slice(w->out, part);
        } else {
            quoted_name(w, part);
        }
        if (dot == SIZE_MAX) {
            return;
        }
        cs_buf_byte(w->out, '.');
        from = dot + 1;
    }
}

/* ---- literals */
/* The escape of a byte in MySQL and PostgreSQL (E'…'), 0 for itself. */
static char escape_of(char c)
{
    switch (c) {
    case '\0':
        return '0';
    case '\b':
        return 'b';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\x1a':
        return 'Z';
    case '\'':
    case '"':
    case '\\':
        return c;
    default:
        return '\0';
    }
}

static void text_literal(writer *w, cs_slice s)
{
    bool backslash = w->flavor == POSTGRESQL || w->flavor == MYSQL;
    cs_buf_text(w->out, w->flavor == POSTGRESQL ? "E'" : w->flavor == SQLSERVER ? "N'" : "'");
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (backslash && escape_of(c)) {
            cs_buf_byte(w->out, '\\');
            cs_buf_byte(w->out, escape_of(c));
        } else if (c == '\'') {
            cs_buf_text(w->out, "''");
        } else if (c == '\0' && w->flavor == SQLITE) {
            cs_buf_text(w->out, "'||char(0)||'");
        } else {
            cs_buf_byte(w->out, c);
        }
    }
    cs_buf_byte(w->out, '\'');
}

static void literal(writer *w, cs_value v)
{
    char room[32];
    switch ((cs_kind)v.kind) {
    case CS_BOOL:
        cs_buf_text(w->out, cs_truthy(v) ? "TRUE" : "FALSE");
        return;
    case CS_NUMBER:
        text_literal(w, cs_number_text(v, room));
        return;
    case CS_STRING:
        text_literal(w, cs_text(v));
        return;
    case CS_ARRAY:
    case CS_SET:
    case CS_OBJECT:
        if (w->late == CS_OK) {
            w->late = CS_ERR_PE_FRAGMENT;
            w->late_text = cs_is(v, CS_OBJECT)
                               ? "go-sqlbuilder: unsupported args when interpolating: "
                               : "go-sqlbuilder: unsupported args when interpolating: only byte slices are supported";
        }
        return;
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_PRIVATE:
        cs_buf_text(w->out, "NULL");
        return;
    }
}

/* ---- conditions */
static cs_err comparison(writer *w, const cs_filter__node *n, const char *sign)
{
    name(w, n->field);
    cs_buf_text(w->out, sign);
    if (n->is_ref) {
        name(w, n->other);
    } else {
        literal(w, n->value);
    }
    return CS_OK;
}

static cs_err member_of(writer *w, const cs_filter__node *n)
{
    uint32_t count = cs_count(n->value);
    if (!cs_is(n->value, CS_ARRAY) && !cs_is(n->value, CS_SET)) {
        return cs_fail(w->e, CS_ERR_PE_FRAGMENT, "field operator 'in' requires collection argument");
    }
    if (count == 0) {
        cs_buf_text(w->out, "0 = 1");
        return CS_OK;
    }
    name(w, n->field);
    cs_buf_text(w->out, " IN (");
    for (uint32_t i = 0; i < count; i++) {
        cs_buf_text(w->out, i ? ", " : "");
        literal(w, cs_is(n->value, CS_ARRAY) ? n->value.u.items[i] : cs_entry(n->value, i, NULL));
    }
    cs_buf_byte(w->out, ')');
    return CS_OK;
}

/* A value as Go's %v prints it. */
static void go_print(cs_buf *out, cs_value v)
{
    char room[32];
    switch ((cs_kind)v.kind) {
    case CS_STRING:
        cs_buf_slice(out, cs_text(v));
        return;
    case CS_NUMBER:
        cs_buf_slice(out, cs_number_text(v, room));
        return;
    case CS_BOOL:
        cs_buf_text(out, cs_truthy(v) ? "true" : "false");
        return;
    case CS_OBJECT:
        cs_buf_text(out, "map[");
        for (uint32_t i = 0; i < cs_count(v); i++) {
            cs_value item, key = cs_entry(v, i, &item);
            cs_buf_text(out, i ? " " : "");
            go_print(out, key);
            cs_buf_byte(out, ':');
            go_print(out, item);
        }
        cs_buf_byte(out, ']');
        return;
    case CS_ARRAY:
    case CS_SET:
        cs_buf_byte(out, '[');
        for (uint32_t i = 0; i < cs_count(v); i++) {
            cs_buf_text(out, i ? " " : "");
            go_print(out, cs_is(v, CS_ARRAY) ? v.u.items[i] : cs_entry(v, i, NULL));
        }
        cs_buf_byte(out, ']');
        return;
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_PRIVATE:
        cs_buf_text(out, "<nil>");
        return;
    }
}

static cs_err not_text(writer *w, const cs_filter__node *n)
{
    cs_value v = n->value;
    const char *type = cs_is(v, CS_BOOL)     ? "bool"
                       : cs_is(v, CS_NUMBER) ? "json.Number"
                       : cs_is(v, CS_OBJECT) ? "map[string]interface {}"
                                             : "[]interface {}";
    cs_buf shown;
    cs_buf_init(&shown);
    go_print(&shown, v);
    cs_err err = cs_fail(w->e, CS_ERR_PE_FRAGMENT, "'%s' pattern requires string argument, got %.*s %s", n->op,
                         CS_FMT(cs_buf_view(&shown)), type);
    cs_buf_destroy(&shown);
    return err;
}

static cs_err like(writer *w, const cs_filter__node *n)
{
    if (!cs_is(n->value, CS_STRING)) {
        return not_text(w, n);
    }
    cs_slice s = cs_text(n->value);
    cs_buf pattern;
    cs_buf_init(&pattern);
    cs_buf_text(&pattern, n->op[0] != 's' ? "%" : "");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' || s.p[i] == '_' || s.p[i] == '%') {
            cs_buf_byte(&pattern, '\\');
        }
        cs_buf_byte(&pattern, s.p[i]);
    }
    cs_buf_text(&pattern, n->op[0] != 'e' ? "%" : "");
    name(w, n->field);
    cs_buf_text(w->out, " LIKE ");
    text_literal(w, cs_buf_view(&pattern));
    cs_buf_destroy(&pattern);
    return CS_OK;
}

static cs_err null_condition(writer *w, const cs_filter__node *n)
{
    bool equal = strcmp(n->op, "eq") == 0;
    if (!equal && strcmp(n->op, "ne") != 0) {
        return cs_fail(w->e, CS_ERR_PE_FRAGMENT, "null value can only be used with 'eq' or 'ne' operators");
    }
    name(w, n->field);
    cs_buf_text(w->out, equal ? " IS NULL" : " IS NOT NULL");
    return CS_OK;
}

static cs_err field_condition(writer *w, const cs_filter__node *n)
{
    static const struct {
        const char *op, *sign;
    } signs[] = {{"eq", " = "}, {"ne", " <> "}, {"gt", " > "}, {"lt", " < "}, {"gte", " >= "}, {"lte", " <= "}};
    if (!n->is_ref && cs_is(n->value, CS_NULL)) {
        return null_condition(w, n);
    }
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (strcmp(n->op, signs[i].op) == 0) {
            return comparison(w, n, signs[i].sign);
        }
    }
    return strcmp(n->op, "in") == 0 ? member_of(w, n) : like(w, n);
}

static cs_err condition(writer *w, const cs_filter__node *n)
{
    if (!n->compound) {
        return field_condition(w, n);
    }
    if (strcmp(n->op, "not") == 0) {
        cs_buf_text(w->out, "NOT ");
        return condition(w, n->items[0]);
    }
    cs_buf_byte(w->out, '(');
    for (uint32_t i = 0; i < n->n; i++) {
        if (i > 0) {
            cs_buf_text(w->out, strcmp(n->op, "and") == 0 ? " AND " : " OR ");
        }
        CS_TRY(condition(w, n->items[i]));
    }
    cs_buf_byte(w->out, ')');
    return CS_OK;
}

cs_err cs_filter__sql(cs_buf *out, const cs_filter__node *tree, cs_slice dialect, cs_error *e)
{
    writer w = {.out = out, .e = e, .flavor = SQLITE};
    if (cs_slice_is(dialect, "mysql")) {
        w.flavor = MYSQL;
    } else if (cs_slice_is(dialect, "postgresql")) {
        w.flavor = POSTGRESQL;
    } else if (cs_slice_is(dialect, "sqlserver")) {
        w.flavor = SQLSERVER;
    }
    cs_buf_text(out, "WHERE ");
    CS_TRY(condition(&w, tree));
    return w.late == CS_OK ? CS_OK : cs_fail(e, w.late, "%s", w.late_text);
}
