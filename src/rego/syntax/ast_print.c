/* Nodes as text, as OPA's String methods print them. */
#include "rego/syntax/annotate.h"
#include "rego/syntax/internal.h"

static void print_list(cs_buf *out, cs_terms list, uint32_t from, const char *separator)
{
    for (uint32_t i = from; i < list.n; i++) {
        if (i > from) {
            cs_buf_text(out, separator);
        }
        cs_term_print(out, list.v[i]);
    }
}

static bool is_word(cs_slice s)
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

static bool needs_escape(cs_slice s)
{
    for (size_t i = 0; i < s.n;) {
        size_t width;
        uint32_t rune = cs_utf8_decode(s.p + i, s.n - i, &width);
        if (rune == '\\' || rune < 0x20 || (rune >= 0x7f && rune < 0xa0)) {
            return true;
        }
        i += width;
    }
    return false;
}

void cs_ref_part_print(cs_buf *out, const cs_term *t)
{
    if (!cs_term_is_string(t)) {
        cs_buf_byte(out, '[');
        cs_term_print(out, t);
        cs_buf_byte(out, ']');
        return;
    }
    cs_slice s = cs_text(t->u.value);
    if (is_word(s) && !cs_syntax_is_keyword(s, CS_REGO_V1)) {
        cs_buf_byte(out, '.');
        cs_buf_slice(out, s);
    } else if (needs_escape(s)) {
        cs_buf_byte(out, '[');
        cs_quote(out, s);
        cs_buf_byte(out, ']');
    } else {
        cs_buf_text(out, "[\"");
        cs_buf_slice(out, s);
        cs_buf_text(out, "\"]");
    }
}

static void print_ref(cs_buf *out, cs_terms ref)
{
    if (ref.n == 0) {
        return;
    }
    if (cs_term_is_string(ref.v[0])) {
        cs_buf_slice(out, cs_text(ref.v[0]->u.value));
    } else {
        cs_term_print(out, ref.v[0]);
    }
    for (uint32_t i = 1; i < ref.n; i++) {
        cs_ref_part_print(out, ref.v[i]);
    }
}

static const char *infix_of(const cs_term *operator)
{
    static const struct {
        const char *name, *infix;
    } rows[] = {{"plus", "+"}, {"minus", "-"}, {"mul", "*"},  {"div", "/"},     {"rem", "%"},
                {"and", "&"},  {"or", "|"},    {"eq", "="},   {"assign", ":="}, {"equal", "=="},
                {"neq", "!="}, {"lt", "<"},    {"lte", "<="}, {"gt", ">"},      {"gte", ">="}};
    if (operator->kind != CS_TERM_REF || operator->u.list.n != 1 || operator->u.list.v[0]->kind != CS_TERM_VAR) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (cs_slice_is(cs_sym_slice(operator->u.list.v[0]->u.var), rows[i].name)) {
            return rows[i].infix;
        }
    }
    return NULL;
}

/* In the head of a comprehension calls of operators are written as such, so that `|` is not mistaken. */
static void print_comprehension_head(cs_buf *out, const cs_term *t)
{
    const char *infix = t->kind == CS_TERM_CALL && t->u.list.n == 3 ? infix_of(t->u.list.v[0]) : NULL;
    if (!infix) {
        cs_term_print(out, t);
        return;
    }
    cs_buf_byte(out, '(');
    print_comprehension_head(out, t->u.list.v[1]);
    cs_buf_printf(out, " %s ", infix);
    print_comprehension_head(out, t->u.list.v[2]);
    cs_buf_byte(out, ')');
}

static void print_comprehension(cs_buf *out, const cs_term *t)
{
    cs_buf_byte(out, t->kind == CS_TERM_ARRAY_COMPREHENSION ? '[' : '{');
    if (t->kind == CS_TERM_OBJECT_COMPREHENSION) {
        print_comprehension_head(out, t->u.comprehension.key);
        cs_buf_text(out, ": ");
    }
    print_comprehension_head(out, t->u.comprehension.head);
    cs_buf_text(out, " | ");
    cs_body_print(out, t->u.comprehension.body);
    cs_buf_byte(out, t->kind == CS_TERM_ARRAY_COMPREHENSION ? ']' : '}');
}

/* The text between the expressions of a template: escapes as in a string, and \{ for a brace. */
static void print_template_text(cs_buf *out, cs_slice s)
{
    cs_buf quoted;
    cs_buf_init(&quoted);
    cs_quote(&quoted, s);
    for (size_t i = 1; i + 1 < quoted.n; i++) {
        if (quoted.p[i] == '{' && quoted.p[i - 1] != '\\') {
            cs_buf_byte(out, '\\');
        }
        cs_buf_byte(out, quoted.p[i]);
    }
    cs_buf_destroy(&quoted);
}

static void print_template(cs_buf *out, const cs_term *t)
{
    cs_buf_text(out, "$\"");
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        const cs_term *part = t->u.list.v[i];
        cs_expr **exprs = t->u.template_string.exprs;
        if (cs_term_is_string(part)) {
            print_template_text(out, cs_text(part->u.value));
        } else if (part->kind == CS_TERM_SCALAR && !(exprs && exprs[i])) {
            cs_term_print(out, part);
        } else {
            cs_buf_byte(out, '{');
            if (exprs && exprs[i]) {
                cs_expr_print(out, exprs[i]);
            } else {
                cs_term_print(out, part);
            }
            cs_buf_byte(out, '}');
        }
    }
    cs_buf_byte(out, '"');
}

static void print_object(cs_buf *out, cs_terms list)
{
    cs_buf_byte(out, '{');
    for (uint32_t i = 0; i + 1 < list.n; i += 2) {
        if (i) {
            cs_buf_text(out, ", ");
        }
        cs_term_print(out, list.v[i]);
        cs_buf_text(out, ": ");
        cs_term_print(out, list.v[i + 1]);
    }
    cs_buf_byte(out, '}');
}

void cs_term_print(cs_buf *out, const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
        cs_value_print(out, t->u.value);
        break;
    case CS_TERM_VAR:
        if (cs_sym_is_wildcard(t->u.var)) {
            cs_buf_byte(out, '_');
        } else {
            cs_buf_slice(out, cs_sym_slice(t->u.var));
        }
        break;
    case CS_TERM_REF:
        print_ref(out, t->u.list);
        break;
    case CS_TERM_ARRAY:
        cs_buf_byte(out, '[');
        print_list(out, t->u.list, 0, ", ");
        cs_buf_byte(out, ']');
        break;
    case CS_TERM_SET:
        if (t->u.list.n == 0) {
            cs_buf_text(out, "set()");
            break;
        }
        cs_buf_byte(out, '{');
        print_list(out, t->u.list, 0, ", ");
        cs_buf_byte(out, '}');
        break;
    case CS_TERM_OBJECT:
        print_object(out, t->u.list);
        break;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        print_comprehension(out, t);
        break;
    case CS_TERM_CALL:
        if (t->u.list.n) {
            cs_term_print(out, t->u.list.v[0]);
            cs_buf_byte(out, '(');
            print_list(out, t->u.list, 1, ", ");
            cs_buf_byte(out, ')');
        }
        break;
    case CS_TERM_TEMPLATE:
        print_template(out, t);
        break;
    }
}

/* ---- expressions */
static void print_call(cs_buf *out, cs_terms call)
{
    if (call.n == 3 && cs_ref_is(call.v[0], "eq")) {
        cs_term_print(out, call.v[1]);
        cs_buf_text(out, " = ");
        cs_term_print(out, call.v[2]);
        return;
    }
    cs_term_print(out, call.v[0]);
    cs_buf_byte(out, '(');
    print_list(out, call, 1, ", ");
    cs_buf_byte(out, ')');
}

static void print_some(cs_buf *out, cs_terms some)
{
    cs_buf_text(out, "some ");
    if (some.n == 0 || some.v[0]->kind != CS_TERM_CALL) {
        print_list(out, some, 0, ", ");
        return;
    }
    cs_terms call = some.v[0]->u.list;
    for (uint32_t i = 1; i < call.n; i++) {
        cs_buf_text(out, i == 1 ? "" : i + 1 == call.n ? " in " : ", ");
        cs_term_print(out, call.v[i]);
    }
}

static void print_every(cs_buf *out, const cs_expr *e)
{
    cs_buf_text(out, "every ");
    if (e->u.every.key) {
        cs_term_print(out, e->u.every.key);
        cs_buf_text(out, ", ");
    }
    cs_term_print(out, e->u.every.value);
    cs_buf_text(out, " in ");
    cs_term_print(out, e->u.every.domain);
    cs_buf_text(out, " { ");
    cs_body_print(out, e->u.every.body);
    cs_buf_text(out, " }");
}

static bool leads_with_brace(const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_SET:
        return t->u.list.n > 0;
    case CS_TERM_OBJECT:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        return true;
    case CS_TERM_REF:
        return t->u.list.n > 0 && leads_with_brace(t->u.list.v[0]);
    case CS_TERM_SCALAR:
    case CS_TERM_VAR:
    case CS_TERM_ARRAY:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_CALL:
    case CS_TERM_TEMPLATE:
        break;
    }
    return false;
}

/* Must the only expression of an operand stand in parentheses under `parent`? */
static bool needs_parens(const cs_expr *e, cs_expr_kind parent, bool right)
{
    if (e->n_with > 0) {
        return true;
    }
    switch (e->kind) {
    case CS_EXPR_OR:
        return parent != CS_EXPR_OR || right;
    case CS_EXPR_AND:
        return parent == CS_EXPR_NOT || (parent == CS_EXPR_AND && right);
    case CS_EXPR_NOT:
        return parent == CS_EXPR_NOT;
    case CS_EXPR_TERM:
        return leads_with_brace(e->u.term);
    case CS_EXPR_CALL:
    case CS_EXPR_SOME:
    case CS_EXPR_EVERY:
        break;
    }
    return false;
}

static void print_operand(cs_buf *out, cs_body b, bool explicit, cs_expr_kind parent, bool right)
{
    bool braces = explicit || b.n != 1;
    bool parens = !braces && needs_parens(b.v[0], parent, right);
    bool wide = parent != CS_EXPR_NOT; /* OPA writes `not {x}` but `{ x } and y` */
    cs_buf_text(out, braces ? wide ? "{ " : "{" : parens ? "(" : "");
    cs_body_print(out, b);
    cs_buf_text(out, braces ? wide ? " }" : "}" : parens ? ")" : "");
}

void cs_expr_print(cs_buf *out, const cs_expr *e)
{
    if (e->negated) {
        cs_buf_text(out, "not ");
    }
    switch (e->kind) {
    case CS_EXPR_TERM:
        cs_term_print(out, e->u.term);
        break;
    case CS_EXPR_CALL:
        print_call(out, e->u.call);
        break;
    case CS_EXPR_SOME:
        print_some(out, e->u.some);
        break;
    case CS_EXPR_EVERY:
        print_every(out, e);
        break;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
        print_operand(out, e->u.logic.left, e->u.logic.explicit_left, e->kind, false);
        cs_buf_text(out, e->kind == CS_EXPR_AND ? " and " : " or ");
        print_operand(out, e->u.logic.right, e->u.logic.explicit_right, e->kind, true);
        break;
    case CS_EXPR_NOT:
        cs_buf_text(out, "not ");
        print_operand(out, e->u.logic.left, e->u.logic.explicit_left, e->kind, false);
        break;
    }
    for (uint32_t i = 0; i < e->n_with; i++) {
        cs_buf_text(out, " with ");
        cs_term_print(out, e->with[i].target);
        cs_buf_text(out, " as ");
        cs_term_print(out, e->with[i].value);
    }
}

void cs_body_print(cs_buf *out, cs_body b)
{
    for (uint32_t i = 0; i < b.n; i++) {
        if (i) {
            cs_buf_text(out, "; ");
        }
        cs_expr_print(out, b.v[i]);
    }
}

/* ---- rules and modules */
void cs_head_print(cs_buf *out, const cs_head *h, cs_rego_version version)
{
    print_ref(out, h->ref->u.list);
    if (h->args.n) {
        cs_buf_byte(out, '(');
        print_list(out, h->args, 0, ", ");
        cs_buf_byte(out, ')');
    } else if (h->key && h->ref->u.list.n == 1 && version == CS_REGO_V0) {
        cs_buf_byte(out, '[');
        cs_term_print(out, h->key);
        cs_buf_byte(out, ']');
    } else if (h->key) {
        cs_buf_text(out, " contains ");
        cs_term_print(out, h->key);
    }
    if (h->value) {
        cs_buf_text(out, h->assign ? " := " : " = ");
        cs_term_print(out, h->value);
    }
}

static void print_rule(cs_buf *out, const cs_rule *r, cs_rego_version version)
{
    const char *open = version == CS_REGO_V0 ? " { " : " if { ";
    for (uint32_t i = 0; i < r->n_annotations; i++) {
        cs_syntax__print_annotation(out, &r->annotations[i]);
    }
    if (r->is_default) {
        cs_buf_text(out, "default ");
    }
    cs_head_print(out, &r->head, version);
    if (!r->is_default) {
        cs_buf_text(out, open);
        cs_body_print(out, r->body);
        cs_buf_text(out, " }");
    }
    for (const cs_rule *other = r->other; other; other = other->other) {
        cs_buf_text(out, " else ");
        if (other->head.value) {
            cs_buf_text(out, "= ");
            cs_term_print(out, other->head.value);
        }
        cs_buf_text(out, open);
        cs_body_print(out, other->body);
        cs_buf_text(out, " }");
    }
}

void cs_rule_print(cs_buf *out, const cs_rule *r)
{
    print_rule(out, r, r->module ? r->module->version : CS_REGO_V1);
}

void cs_module_print(cs_buf *out, const cs_module *m)
{
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        cs_slice scope = m->annotations[i].scope;
        if (cs_slice_is(scope, "package") || cs_slice_is(scope, "subpackages")) {
            cs_syntax__print_annotation(out, &m->annotations[i]);
        }
    }
    cs_buf_text(out, "package ");
    cs_terms path = m->package->u.list;
    print_ref(out, (cs_terms){path.v + 1, path.n - 1});
    cs_buf_byte(out, '\n');
    for (uint32_t i = 0; i < m->n_imports; i++) {
        cs_buf_text(out, "\nimport ");
        cs_term_print(out, m->imports[i].path);
        if (m->imports[i].alias) {
            cs_buf_text(out, " as ");
            cs_buf_slice(out, cs_sym_slice(m->imports[i].alias));
        }
    }
    if (m->n_imports) {
        cs_buf_byte(out, '\n');
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        cs_buf_byte(out, '\n');
        print_rule(out, m->rules[i], m->version);
    }
}
