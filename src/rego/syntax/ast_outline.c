/* A module as an indented outline, one node a line (v1/ast/pretty.go): terms are shown by what they hold. */
#include "rego/syntax/ast.h"
#include "rego/syntax/annotate.h"

static void outline_term(cs_buf *out, const cs_term *t, uint32_t depth);
static void outline_body(cs_buf *out, cs_body b, uint32_t depth);

static void line(cs_buf *out, uint32_t depth, const char *text)
{
    for (uint32_t i = 0; i < depth; i++) {
        cs_buf_byte(out, ' ');
    }
    cs_buf_text(out, text);
    cs_buf_byte(out, '\n');
}

/* A value. OPA takes the text for a format without arguments, and so shows what becomes of a percent sign in it. */
static void outline_value(cs_buf *out, const cs_term *t, uint32_t depth)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_term_print(&text, t);
    line(out, depth, "");
    out->n--;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '%') {
            cs_buf_byte(out, text.p[i]);
            continue;
        }
        i++;
        while (i < text.n && strchr("+-# 0123456789.", text.p[i])) {
            i++;
        }
        if (i >= text.n) {
            cs_buf_text(out, "%!(NOVERB)");
        } else if (text.p[i] == '%') {
            cs_buf_byte(out, '%');
        } else {
            size_t n = 1;
            while (i + n < text.n && ((unsigned char)text.p[i + n] & 0xC0) == 0x80) {
                n++;
            }
            cs_buf_text(out, "%!");
            cs_buf_put(out, text.p + i, n);
            cs_buf_text(out, "(MISSING)");
            i += n - 1;
        }
    }
    cs_buf_byte(out, '\n');
    cs_buf_destroy(&text);
}

static void outline_list(cs_buf *out, cs_terms list, uint32_t depth)
{
    for (uint32_t i = 0; i < list.n; i++) {
        outline_term(out, list.v[i], depth);
    }
}

static void outline_term(cs_buf *out, const cs_term *t, uint32_t depth)
{
    switch (t->kind) {
    case CS_TERM_SCALAR:
    case CS_TERM_VAR:
        outline_value(out, t, depth);
        return;
    case CS_TERM_REF:
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_CALL:
        line(out, depth, cs_term_kind_name(t));
        outline_list(out, t->u.list, depth + 1);
        return;
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
        line(out, depth, cs_term_kind_name(t));
        if (t->u.comprehension.key) {
            outline_term(out, t->u.comprehension.key, depth + 1);
        }
        outline_term(out, t->u.comprehension.head, depth + 1);
        outline_body(out, t->u.comprehension.body, depth + 1);
        return;
    case CS_TERM_TEMPLATE:
        line(out, depth, "templatestring"); /* OPA does not look inside */
        return;
    }
}

static void outline_terms(cs_buf *out, const cs_expr *e, uint32_t depth)
{
    switch (e->kind) {
    case CS_EXPR_TERM:
        outline_term(out, e->u.term, depth);
        return;
    case CS_EXPR_CALL:
        outline_list(out, e->u.call, depth);
        return;
    case CS_EXPR_SOME:
        line(out, depth, "somedecl");
        outline_list(out, e->u.some, depth + 1);
        return;
    case CS_EXPR_EVERY:
        line(out, depth, "every");
        if (e->u.every.key) {
            outline_term(out, e->u.every.key, depth + 1);
        }
        outline_term(out, e->u.every.value, depth + 1);
        outline_term(out, e->u.every.domain, depth + 1);
        outline_body(out, e->u.every.body, depth + 1);
        return;
    case CS_EXPR_AND:
    case CS_EXPR_OR:
        line(out, depth, e->kind == CS_EXPR_AND ? "logicaland" : "logicalor");
        outline_body(out, e->u.logic.left, depth + 1);
        outline_body(out, e->u.logic.right, depth + 1);
        return;
    case CS_EXPR_NOT:
        line(out, depth, "not");
        outline_body(out, e->u.logic.left, depth + 1);
        return;
    }
}

static void outline_body(cs_buf *out, cs_body b, uint32_t depth)
{
    line(out, depth, "body");
    for (uint32_t i = 0; i < b.n; i++) {
        const cs_expr *e = b.v[i];
        line(out, depth + 1, "expr ");
        out->n--;
        cs_buf_printf(out, "%sindex=%u\n", e->negated ? "negated " : "", e->index);
        outline_terms(out, e, depth + 2);
        for (uint32_t w = 0; w < e->n_with; w++) {
            line(out, depth + 2, "with");
            outline_term(out, e->with[w].target, depth + 3);
            outline_term(out, e->with[w].value, depth + 3);
        }
    }
}

static void outline_rule(cs_buf *out, const cs_rule *r, uint32_t depth)
{
    for (; r; r = r->other, depth++) {
        line(out, depth, "rule");
        line(out, depth + 1, "head");
        outline_term(out, r->head.ref, depth + 2);
        if (r->head.args.n) {
            line(out, depth + 2, "args");
            outline_list(out, r->head.args, depth + 3);
        }
        if (r->head.value) {
            outline_term(out, r->head.value, depth + 2);
        }
        outline_body(out, r->body, depth + 1);
    }
}

void cs_module_print_outline(cs_buf *out, const cs_module *m, bool comments)
{
    line(out, 0, "module");
    line(out, 1, "package");
    outline_term(out, m->package, 2);
    for (uint32_t i = 0; i < m->n_imports; i++) {
        line(out, 1, "import");
        outline_term(out, m->imports[i].path, 2);
        line(out, 2, m->imports[i].alias ? m->imports[i].alias->s : "");
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        outline_rule(out, m->rules[i], 1);
    }
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        line(out, 1, "annotations");
    }
    for (uint32_t i = 0; i < m->n_comments && comments; i++) {
        line(out, 1, "comment");
    }
}
