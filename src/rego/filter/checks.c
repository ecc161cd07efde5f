/* Which residual statements a filter can say (OPA: internal/compile/checks.go). */
#include "rego/filter/internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/json.h"

typedef struct checker {
    cs_arena *a;
    const cs_td_partial *partial;
    const cs_filter_target *targets;
    size_t n;
    cs_value mappings;
    cs_errors *errors;
} checker;

static void problem(checker *c, cs_loc loc, const char *details, const char *format, ...) CS_PRINTF(4, 5);
static void problem(checker *c, cs_loc loc, const char *details, const char *format, ...)
{
    cs_buf text, json;
    va_list args;
    char room[1024];
    cs_buf_init(&text);
    va_start(args, format);
    int n = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n >= sizeof room) {
        char *more = cs_buf_room(&text, (size_t)n + 1);
        va_start(args, format);
        (void)vsnprintf(more, (size_t)n + 1, format, args);
        va_end(args);
        text.n = (size_t)n;
    } else {
        cs_buf_text(&text, room);
    }
    cs_slice file = loc.source ? loc.source->file : CS_LIT("");
    (void)cs_errors_add(c->errors, CS_ERR_PE_FRAGMENT, file, loc.row, loc.col, cs_slice_of(details ? details : ""),
                        "%.*s", CS_FMT(cs_buf_view(&text)));
    if (details) {
        cs_buf_init(&json);
        cs_buf_text(&json, "{\"details\":");
        cs_json_write_string(&json, cs_slice_of(details), 0);
        cs_buf_byte(&json, '}');
        cs_errors_set_details_json(c->errors, cs_buf_view(&json));
        cs_buf_destroy(&json);
    }
    cs_buf_destroy(&text);
}

/* ---- texts, in the arena */
static const char *kept(checker *c, cs_buf *b)
{
    const char *text = cs_arena_dup(c->a, cs_buf_view(b).p, b->n);
    cs_buf_destroy(b);
    return text;
}

static const char *term_text(checker *c, const cs_term *t)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_term_print(&b, t);
    return kept(c, &b);
}

static const char *expr_text(checker *c, const cs_expr *e)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_expr_print(&b, e);
    return kept(c, &b);
}

/* "" if all targets can, else a line for each that cannot. */
static const char *who_cannot(checker *c, unsigned what, const char *feature)
{
    cs_buf b;
    cs_buf_init(&b);
    for (size_t i = 0; i < c->n; i++) {
        unsigned can;
        if (cs_filter__abilities(&c->targets[i], &can) && (can & what) == what) {
            continue;
        }
        cs_buf_text(&b, b.n ? "\nunsupported " : "unsupported ");
        if (feature) {
            cs_buf_printf(&b, "feature \"%s\" ", feature);
        }
        cs_buf_text(&b, "for ");
        cs_filter__target_name(&b, &c->targets[i]);
    }
    return kept(c, &b);
}

/* ---- statements */
static bool has_prefix(const cs_term *ref, const char *const *words, uint32_t n)
{
    if (ref->kind != CS_TERM_REF || ref->u.list.n < n) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const cs_term *t = ref->u.list.v[i];
        cs_slice s = t->kind == CS_TERM_VAR ? cs_sym_slice(t->u.var)
                     : cs_term_is_string(t) ? cs_text(t->u.value)
                                            : CS_LIT("");
        if ((t->kind == CS_TERM_VAR) != (i == 0) || !cs_slice_is(s, words[i])) {
            return false;
        }
    }
    return true;
}

static const char *const data_root[] = {"data", "partial"};
static const char *const input_root[] = {"input"};

/* Does package + head ref of a support rule name this ref? */
static bool names_rule(const cs_module *m, const cs_rule *r, const cs_term *ref)
{
    uint32_t n = m->package->u.list.n, k = r->head.ref->u.list.n;
    if (ref->u.list.n != n + k) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!cs_term_equal(ref->u.list.v[i], m->package->u.list.v[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < k; i++) {
        const cs_term *a = ref->u.list.v[n + i], *b = r->head.ref->u.list.v[i];
        bool name = i == 0 && b->kind == CS_TERM_VAR && cs_term_is_string(a);
        if (name ? !cs_slice_eq(cs_text(a->u.value), cs_sym_slice(b->u.var)) : !cs_term_equal(a, b)) {
            return false;
        }
    }
    return true;
}

/* Why a support rule was needed. */
static const char *support_text(checker *c, const cs_term *ref)
{
    for (uint32_t i = 0; i < c->partial->n_support; i++) {
        const cs_module *m = c->partial->support[i];
        uint32_t count = 0;
        for (uint32_t j = 0; j < m->n_rules; j++) {
            if (!names_rule(m, m->rules[j], ref)) {
                continue;
            }
            count++;
            if (!m->rules[j]->is_default && count < 2) {
                continue;
            }
            /* data.partial.a.p is shown as data.a.p */
            cs_term shown = *ref;
            shown.u.list.n = ref->u.list.n - 1;
            shown.u.list.v = cs_arena_array(c->a, cs_term *, shown.u.list.n);
            shown.u.list.v[0] = ref->u.list.v[0];
            memcpy(shown.u.list.v + 1, ref->u.list.v + 2, (shown.u.list.n - 1) * sizeof(cs_term *));
            return cs_arena_printf(c->a, NULL, "use of %s rule in %s",
                                   m->rules[j]->is_default ? "default" : "multi-value", term_text(c, &shown));
        }
    }
    return "";
}

static void check_term(checker *c, const cs_expr *e)
{
    const cs_term *t = e->kind == CS_EXPR_TERM ? e->u.term : NULL;
    if (t && has_prefix(t, data_root, 2)) {
        problem(c, t->u.list.v[t->u.list.n - 1]->loc, NULL, "%s", support_text(c, t));
    } else if (t && has_prefix(t, data_root, 1)) {
        problem(c, e->loc, cs_arena_printf(c->a, NULL, "has rule \"%s\" an `else`?", term_text(c, t)),
                "invalid data reference \"%s\"", expr_text(c, e));
    } else {
        const char *text = expr_text(c, e);
        problem(c, e->loc, cs_arena_printf(c->a, NULL, "try `%s != false`", text), "invalid statement \"%s\"", text);
    }
}

static void check_statement(checker *c, const cs_expr *e)
{
    bool call = e->kind == CS_EXPR_CALL;
    if (e->negated) {
        const char *cannot = who_cannot(c, CS_FILTER_NOT, "not");
        if (!call) {
            problem(c, e->loc, NULL, "\"not\" not permitted");
        } else if (cannot[0]) {
            problem(c, e->loc, NULL, "\"not\" not permitted: %s", cannot);
        }
        return;
    }
    if (e->kind == CS_EXPR_EVERY) {
        problem(c, e->loc, NULL, "\"every\" not permitted");
    } else if (e->n_with > 0) {
        problem(c, e->loc, NULL, "\"with\" not permitted");
    } else if (!call) {
        check_term(c, e);
    }
}

/* ---- calls */
/* Is `name` the short name of a column, with its table in the mappings? */
static bool is_short(const checker *c, cs_slice name)
{
    for (uint32_t i = 0; cs_is(c->mappings, CS_OBJECT) && i < cs_count(c->mappings); i++) {
        cs_value m;
        (void)cs_entry(c->mappings, i, &m);
        const cs_value *column = cs_is(m, CS_OBJECT) ? cs_object_get(m, cs_string(name)) : NULL;
        if (column && cs_is(*column, CS_OBJECT) && cs_object_get_text(*column, "$table")) {
            return true;
        }
    }
    return false;
}

static cs_loc first_place(cs_loc a, cs_loc b)
{
    return a.row ? a : b;
}

static bool check_operand(checker *c, const cs_term *op, const cs_term *t)
{
    if (t->kind == CS_TERM_CALL) {
        problem(c, first_place(op->loc, t->u.list.v[0]->loc), NULL, "%s: nested call operand: %s", term_text(c, op),
                term_text(c, t));
        return false;
    }
    if (t->kind != CS_TERM_REF) {
        return true;
    }
    uint32_t n = t->u.list.n;
    if (has_prefix(t, input_root, 1) &&
        (n == 3 || (n == 2 && cs_term_is_string(t->u.list.v[1]) && is_short(c, cs_text(t->u.list.v[1]->u.value))))) {
        return true;
    }
    problem(c, first_place(op->loc, t->loc), NULL, "%s: invalid ref operand: %s", term_text(c, op), term_text(c, t));
    return false;
}

typedef enum op_kind { OP_OTHER, OP_COMPARE, OP_MEMBER, OP_TEXT } op_kind;

static op_kind kind_of(cs_slice name)
{
    static const char *const compare[] = {"eq", "neq", "lt", "lte", "gt", "gte"};
    static const char *const text[] = {"startswith", "endswith", "contains"};
    for (size_t i = 0; i < sizeof compare / sizeof *compare; i++) {
        if (cs_slice_is(name, compare[i])) {
            return OP_COMPARE;
        }
    }
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        if (cs_slice_is(name, text[i])) {
            return OP_TEXT;
        }
    }
    return cs_slice_is(name, "internal.member_2") ? OP_MEMBER : OP_OTHER;
}

/* A comparison needs a scalar on one side, or two fields, or a field and something that it is merely equal to. */
static void check_comparison(checker *c, cs_loc loc, const cs_expr *e, uint32_t refs)
{
    const cs_term *sides[2] = {e->u.call.v[1], e->u.call.v[2]};
    if (sides[0]->kind == CS_TERM_SCALAR || sides[1]->kind == CS_TERM_SCALAR || refs == 2) {
        return;
    }
    const char *cannot = who_cannot(c, CS_FILTER_EXISTS, "existence-ref");
    for (int i = 0; i < 2 && refs == 1 && cs_ref_is(e->u.call.v[0], "eq"); i++) {
        if (sides[i]->kind != CS_TERM_VAR && sides[i]->kind != CS_TERM_REF) {
            break;
        }
        if (cannot[0]) {
            problem(c, loc, NULL, "existence of field: %s", cannot);
            return;
        }
        if (i == 1) {
            return;
        }
    }
    problem(c, loc, NULL, "both rhs and lhs non-scalar/non-ground");
}

static void check_operands(checker *c, cs_loc loc, const cs_expr *e, op_kind kind)
{
    const cs_term *op = e->u.call.v[0];
    uint32_t refs = 0;
    for (uint32_t i = 1; i <= 2; i++) {
        if (i >= e->u.call.n) {
            problem(c, op->loc, NULL, "%s: missing operand", term_text(c, op));
            return;
        }
        if (!check_operand(c, op, e->u.call.v[i])) {
            return;
        }
        refs += e->u.call.v[i]->kind == CS_TERM_REF;
    }
    const char *cannot = refs == 2 ? who_cannot(c, CS_FILTER_FIELD_REF, "field-ref") : "";
    if (cannot[0]) {
        problem(c, loc, NULL, "reference to field: %s", cannot);
    } else if (kind == OP_COMPARE) {
        check_comparison(c, loc, e, refs);
    } else if (e->u.call.v[1]->kind != CS_TERM_REF) {
        problem(c, loc, NULL, "rhs of %s must be known", term_text(c, op));
    }
}

static void check_builtin(checker *c, const cs_expr *e)
{
    if (e->kind != CS_EXPR_CALL || e->n_with > 0) {
        return;
    }
    const cs_term *op = e->u.call.v[0];
    cs_slice name = cs_ref_name(c->a, op);
    cs_loc loc = first_place(op->loc, e->loc);
    op_kind kind = kind_of(name);
    if (kind == OP_OTHER) {
        if (cs_slice_is(name, "internal.member_3")) {
            problem(c, loc, NULL, "invalid use of \"... in ...\"");
        } else if (has_prefix(op, data_root, 1)) {
            const char *text = expr_text(c, e);
            problem(c, e->loc, cs_arena_printf(c->a, NULL, "has function \"%s(...)\" an `else`?", term_text(c, op)),
                    "invalid data reference \"%s\"", text);
        } else {
            problem(c, loc, NULL, "invalid builtin `%s`", term_text(c, op));
        }
        return;
    }
    unsigned needs = kind == OP_MEMBER ? CS_FILTER_MEMBER : kind == OP_TEXT ? CS_FILTER_TEXT : 0;
    const char *cannot = who_cannot(c, needs, NULL);
    if (cannot[0]) {
        const char *shown = kind == OP_MEMBER ? "in" : term_text(c, op);
        problem(c, loc, NULL, "invalid builtin `%s`: %s", shown, cannot);
        return;
    }
    check_operands(c, loc, e, kind);
}

cs_err cs_filter_check(cs_arena *a, const cs_td_partial *partial, const cs_filter_target *targets, size_t n,
                       cs_value mappings, cs_errors *errors)
{
    checker c = {a, partial, targets, n, mappings, errors};
    for (uint32_t i = 0; i < partial->n_queries; i++) {
        for (uint32_t j = 0; j < partial->queries[i].n; j++) {
            check_statement(&c, partial->queries[i].v[j]);
            check_builtin(&c, partial->queries[i].v[j]);
        }
    }
    return errors->n ? CS_ERR_PE_FRAGMENT : CS_OK;
}
