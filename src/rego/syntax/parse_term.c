/* Terms: literals, variables, references, calls, operators. */
#include "rego/syntax/internal.h"

#define MEMO_MIN_BYTES 32U /* shorter terms are cheaper to read again than to remember */

/* ---- memo */
static bool memo_find(cs_parser *p, cs_term **out)
{
    for (size_t i = p->memo.n; i > 0 && p->memo.v[i - 1].offset >= p->s.token_offset; i--) {
        if (p->memo.v[i - 1].offset == p->s.token_offset) {
            *out = p->memo.v[i - 1].term;
            p->s = p->memo.v[i - 1].after;
            return true;
        }
    }
    return false;
}

static void memo_add(cs_parser *p, uint32_t offset, cs_term *term, bool renamed)
{
    if (term && !renamed && p->s.last_end < offset + MEMO_MIN_BYTES) {
        return;
    }
    while (p->memo.n && p->memo.v[p->memo.n - 1].offset >= offset) {
        p->memo.n--;
    }
    cs_parse_memo item = {.offset = offset, .term = term, .after = p->s};
    CS_VEC_PUSH(&p->memo, item);
}

/* ---- variables and literals */
const cs_sym *cs_parse__wildcard(cs_parser *p)
{
    return cs_sym_printf(p->ast, "$%u", p->s.wildcard++);
}

cs_term *cs_parse__var(cs_parser *p)
{
    const cs_sym *name = cs_slice_is(p->s.literal, "_") ? cs_parse__wildcard(p) : cs_sym_get(p->ast, p->s.literal);
    return cs_term_var(p->ast, name, cs_parse__loc(p));
}

/* "-1", "- 1" and ".5" are read as one number, as OPA does. OPA keeps ".5" as it is and then fails to write it as JSON;
 * here it becomes "0.5". */
cs_term *cs_parse__number(cs_parser *p)
{
    cs_loc loc = cs_parse__loc(p);
    const char *prefix = "";
    bool point = false;
    if (p->s.token == CS_TOK_SUB) {
        prefix = "-";
        cs_parse__scan(p);
        if (p->s.token != CS_TOK_NUMBER && p->s.token != CS_TOK_DOT) {
            cs_parse__illegal(p, "expected number");
            return NULL;
        }
    }
    if (p->s.token == CS_TOK_DOT) {
        prefix = *prefix ? "-0." : "0.";
        point = true;
        cs_parse__scan(p);
        if (p->s.token != CS_TOK_NUMBER) {
            cs_parse__illegal(p, "expected number");
            return NULL;
        }
    }
    cs_slice lit = p->s.literal;
    if (!point && lit.n > 1 && lit.p[0] == '0' && lit.p[1] != '.' && !(lit.n > 2 && (lit.p[1] | 0x20) == 'e')) {
        cs_parse__illegal(p, "expected number without leading zero");
        return NULL;
    }
    cs_slice text = lit;
    if (*prefix) {
        text.p = cs_arena_printf(p->arena, &text.n, "%s%.*s", prefix, CS_FMT(lit));
    }
    cs_value v;
    cs_err err = cs_number_parse(p->arena, text, &v, NULL);
    if (err == CS_ERR_LIMIT) {
        cs_parse__error(p, cs_parse__loc(p), "number too big");
        return NULL;
    }
    if (err != CS_OK) {
        cs_parse__illegal(p, "invalid float");
        return NULL;
    }
    return cs_term_scalar(p->ast, v, loc);
}

cs_term *cs_parse__string(cs_parser *p)
{
    cs_slice lit = p->s.literal;
    if (lit.n < 2) {
        return NULL;
    }
    cs_slice inner = cs_slice_sub(lit, 1, lit.n - 1);
    if (lit.p[0] != '"') {
        cs_term *t = cs_term_string(p->ast, inner, cs_parse__loc(p));
        t->raw = true;
        return t;
    }
    cs_slice text;
    if (!cs_lex__unescape(p->arena, inner, &text)) {
        cs_parse__error(p, cs_parse__loc(p), "illegal string literal: %.*s", CS_FMT(lit));
        return NULL;
    }
    return cs_term_string(p->ast, text, cs_parse__loc(p));
}

static cs_term *parenthesised(cs_parser *p)
{
    uint32_t from = p->s.token_offset;
    cs_parse__scan(p);
    cs_term *t = cs_parse__infix(p);
    if (!t) {
        return NULL;
    }
    if (p->s.token != CS_TOK_RPAREN) {
        cs_parse__error(p, cs_parse__loc(p), "non-terminated expression");
        return NULL;
    }
    t->loc = cs_parse__span_from(t->loc, from, p->s.token_end);
    if (t->kind == CS_TERM_REF && t->u.list.n == 1) {
        t->u.list.v[0]->loc = t->loc; /* one place for both, in OPA */
    }
    return t;
}

/* ---- references and calls */
static bool is_root(const cs_parser *p, const cs_term *t)
{
    return t->kind == CS_TERM_VAR && (t->u.var == p->ast->data || t->u.var == p->ast->input);
}

/* What may follow a term without white space: . [ ( */
static cs_term *finish(cs_parser *p, cs_term *head)
{
    uint32_t from = p->s.token_offset;
    cs_parse__scan_space(p);
    switch ((unsigned)p->s.token) {
    case CS_TOK_LPAREN:
    case CS_TOK_DOT:
    case CS_TOK_LBRACK:
        return cs_parse__ref(p, head, from);
    case CS_TOK_WHITESPACE:
        cs_parse__scan(p);
        break;
    default:
        break;
    }
    return is_root(p, head) ? cs_term_list(p->ast, CS_TERM_REF, &head, 1, head->loc) : head;
}

static bool is_set_constructor(const cs_term *operator)
{
    return operator->kind == CS_TERM_REF && operator->u.list.n == 1 && operator->u.list.v[0]->kind == CS_TERM_VAR &&
        cs_slice_is(cs_sym_slice(operator->u.list.v[0]->u.var), "set");
}

/* At `(`. */
static cs_term *parse_call(cs_parser *p, cs_term *operator)
{
    cs_parse__scan(p);
    size_t mark = p->scratch.n;
    CS_VEC_PUSH(&p->scratch, operator);
    if (p->s.token != CS_TOK_RPAREN && !cs_parse__term_list(p, CS_TOK_RPAREN)) {
        p->scratch.n = mark;
        return NULL;
    }
    cs_loc loc = cs_parse__span(operator->loc, p->s.token_end);
    bool empty = p->scratch.n == mark + 1;
    cs_term *t = cs_parse__take(p, mark, CS_TERM_CALL, loc);
    if (empty && is_set_constructor(operator)) {
        t = cs_term_list(p->ast, CS_TERM_SET, NULL, 0, loc);
    }
    cs_parse__scan_space(p);
    return t;
}

static bool may_head_ref(const cs_term *t)
{
    switch (t->kind) {
    case CS_TERM_VAR:
    case CS_TERM_ARRAY:
    case CS_TERM_SET:
    case CS_TERM_OBJECT:
    case CS_TERM_ARRAY_COMPREHENSION:
    case CS_TERM_SET_COMPREHENSION:
    case CS_TERM_OBJECT_COMPREHENSION:
    case CS_TERM_CALL:
        return true;
    case CS_TERM_SCALAR:
    case CS_TERM_REF:
    case CS_TERM_TEMPLATE:
        break;
    }
    return false;
}

static bool dot_part(cs_parser *p)
{
    cs_parse__scan_space(p);
    if (p->s.token != CS_TOK_IDENT && !cs_parse__ref_keyword(p, p->s.token)) {
        cs_parse__illegal(p, "expected %s", cs_token__name(CS_TOK_IDENT));
        return false;
    }
    CS_VEC_PUSH(&p->scratch, cs_term_string(p->ast, p->s.literal, cs_parse__loc(p)));
    cs_parse__scan_space(p);
    return true;
}

static bool bracket_part(cs_parser *p)
{
    cs_parse__scan(p);
    cs_term *t = cs_parse__infix(p);
    if (!t) {
        return false;
    }
    if (p->s.token != CS_TOK_RBRACK) {
        cs_parse__illegal(p, "expected %s", cs_token__name(CS_TOK_LBRACK));
        return false;
    }
    CS_VEC_PUSH(&p->scratch, t);
    cs_parse__scan_space(p);
    return true;
}

/* At . [ or ( after `head`. A call may itself be the head of a further reference: f(x).y(z).w */
cs_term *cs_parse__ref(cs_parser *p, cs_term *head, uint32_t from)
{
    size_t mark = p->scratch.n;
    cs_loc loc = head->loc;
    loc.from = from;
    for (;;) {
        if (!may_head_ref(head)) {
            cs_parse__error(p, loc, "illegal ref (head cannot be %s)", cs_term_kind_name(head));
        }
        CS_VEC_PUSH(&p->scratch, head);
        while (p->s.token == CS_TOK_DOT || p->s.token == CS_TOK_LBRACK) {
            if (!(p->s.token == CS_TOK_DOT ? dot_part(p) : bracket_part(p))) {
                p->scratch.n = mark;
                return NULL;
            }
        }
        if (p->s.token != CS_TOK_LPAREN) {
            uint32_t end = p->s.last_end;
            if (p->s.token == CS_TOK_WHITESPACE) {
                cs_parse__scan(p);
            }
            return cs_parse__take(p, mark, CS_TERM_REF, cs_parse__span(loc, end));
        }
        head = parse_call(p, cs_parse__take(p, mark, CS_TERM_REF, cs_parse__span(loc, p->s.token_offset)));
        if (!head || !cs_parse__check_height(p, head->height)) {
            return NULL;
        }
        if (p->s.token != CS_TOK_DOT && p->s.token != CS_TOK_LBRACK) {
            if (p->s.token == CS_TOK_WHITESPACE) {
                cs_parse__scan(p);
            }
            return head;
        }
    }
}

/* ---- terms */
/* `and(` and `or(` are calls of the set functions where a term is expected, also when they are keywords. */
static void ahead_logical_call(cs_parser *p)
{
    if (cs_parse__at_logic(p) && cs_parse__peek_space(p) == CS_TOK_LPAREN) {
        p->s.token = CS_TOK_IDENT;
    }
}

/* -x of a reference is minus(0, x); of digits a number. */
static cs_term *minus(cs_parser *p, bool *of_ref)
{
    cs_parse_state saved = p->s;
    cs_parse__scan(p);
    if (p->s.token == CS_TOK_IDENT || p->s.token == CS_TOK_CONTAINS) {
        *of_ref = true;
        return cs_parse__var(p);
    }
    p->s = saved;
    return cs_parse__number(p);
}

static cs_term *begin_term(cs_parser *p, bool *minus_ref)
{
    switch ((unsigned)p->s.token) {
    case CS_TOK_NULL:
        return cs_term_scalar(p->ast, cs_null(), cs_parse__loc(p));
    case CS_TOK_TRUE:
    case CS_TOK_FALSE:
        return cs_term_scalar(p->ast, cs_bool(p->s.token == CS_TOK_TRUE), cs_parse__loc(p));
    case CS_TOK_SUB:
        return minus(p, minus_ref);
    case CS_TOK_DOT:
    case CS_TOK_NUMBER:
        return cs_parse__number(p);
    case CS_TOK_STRING:
        return cs_parse__string(p);
    case CS_TOK_TEMPLATE_PART:
    case CS_TOK_TEMPLATE_END:
        return cs_parse__template(p, false);
    case CS_TOK_RAW_TEMPLATE_PART:
    case CS_TOK_RAW_TEMPLATE_END:
        return cs_parse__template(p, true);
    case CS_TOK_IDENT:
    case CS_TOK_CONTAINS: /* special in rule heads only */
        return cs_parse__var(p);
    case CS_TOK_LBRACK:
        return cs_parse__array(p);
    case CS_TOK_LBRACE:
        return cs_parse__set_or_object(p);
    case CS_TOK_LPAREN:
        return parenthesised(p);
    default:
        cs_parse__illegal_token(p);
        return NULL;
    }
}

cs_term *cs_parse__term(cs_parser *p)
{
    cs_term *t;
    if (!cs_parse__enter(p)) {
        return NULL;
    }
    if (memo_find(p, &t)) {
        cs_parse__leave(p);
        return t;
    }
    cs_loc start = cs_parse__loc(p);
    bool minus_ref = false;
    ahead_logical_call(p);
    /* A keyword that was taken for a name once stays one when the text is read again. */
    bool renamed = p->s.token == CS_TOK_IDENT && cs_lex__is_keyword_word(p, p->s.literal);
    t = begin_term(p, &minus_ref);
    t = t ? finish(p, t) : NULL;
    if (t && minus_ref) {
        cs_loc whole = cs_parse__span_here(p, start), nowhere = start;
        nowhere.nowhere = true;
        cs_term *list[3] = {cs_term_operator(p->ast, "minus", nowhere), cs_term_scalar(p->ast, cs_int(0), start), t};
        t = cs_term_list(p->ast, CS_TERM_CALL, list, 3, whole);
    }
    if (t && !cs_parse__check_height(p, t->height)) {
        t = NULL;
    }
    memo_add(p, start.offset, t, renamed);
    cs_parse__leave(p);
    return t;
}

/* ---- operators */
enum { LEVEL_RELATION = 1, LEVEL_OR, LEVEL_AND, LEVEL_SUM, LEVEL_PRODUCT };

static int level_of(cs_token t)
{
    switch ((unsigned)t) {
    case CS_TOK_EQUAL:
    case CS_TOK_NEQ:
    case CS_TOK_LT:
    case CS_TOK_GT:
    case CS_TOK_LTE:
    case CS_TOK_GTE:
        return LEVEL_RELATION;
    case CS_TOK_OR:
        return LEVEL_OR;
    case CS_TOK_AND:
        return LEVEL_AND;
    case CS_TOK_ADD:
    case CS_TOK_SUB:
        return LEVEL_SUM;
    case CS_TOK_MUL:
    case CS_TOK_QUO:
    case CS_TOK_REM:
        return LEVEL_PRODUCT;
    default:
        return 0;
    }
}

/* A chain of operators that bind at least as tightly as `level`; every operator is left-associative. When an operand is
 * missing the chain so far is the result (the error stands), and only looser operators may follow it. The text of each
 * call begins at `from`. */
static cs_term *parse_chain(cs_parser *p, int level, uint32_t from)
{
    cs_term *left = cs_parse__term(p);
    int ceiling = LEVEL_PRODUCT;
    while (left) {
        int at = level_of(p->s.token);
        if (at < level || at == 0 || at > ceiling) {
            break;
        }
        cs_term *list[3] = {cs_term_operator(p->ast, cs_token__name(p->s.token), cs_parse__loc(p)), left, NULL};
        cs_parse__scan(p);
        list[2] = at == LEVEL_PRODUCT ? cs_parse__term(p) : parse_chain(p, at + 1, p->s.token_offset);
        if (!list[2]) {
            ceiling = at - 1;
            continue;
        }
        left = cs_term_list(p->ast, CS_TERM_CALL, list, 3, cs_parse__span_from(left->loc, from, p->s.last_end));
        ceiling = at;
        if (!cs_parse__check_height(p, left->height)) {
            return NULL;
        }
    }
    return left;
}

static cs_term *member(cs_parser *p, const char *name, cs_term *key, cs_term *left, uint32_t from)
{
    cs_term *list[4] = {cs_term_operator(p->ast, name, cs_parse__loc(p))};
    uint32_t n = 1;
    cs_loc start = key ? key->loc : left->loc;
    if (key) {
        list[n++] = key;
    }
    list[n++] = left;
    cs_parse__scan(p);
    list[n] = parse_chain(p, LEVEL_RELATION, p->s.token_offset);
    if (!list[n]) {
        return NULL;
    }
    cs_term *t = cs_term_list(p->ast, CS_TERM_CALL, list, n + 1, cs_parse__span_from(start, from, p->s.last_end));
    return cs_parse__check_height(p, t->height) ? t : NULL;
}

/* `k, v in xs`; NULL, with the state put back, when it is not that. */
static cs_term *member_pair(cs_parser *p, cs_term *key, uint32_t from)
{
    cs_parse_state saved = p->s;
    cs_parse__scan(p);
    cs_term *value = parse_chain(p, LEVEL_RELATION, from);
    cs_term *t = NULL;
    if (value && p->s.token == CS_TOK_IN) {
        t = member(p, "internal.member_3", key, value, from);
    }
    if (!t) {
        p->s = saved;
    }
    return t;
}

static cs_term *parse_in(cs_parser *p, bool pairs)
{
    uint32_t from = p->s.token_offset;
    cs_term *left = parse_chain(p, LEVEL_RELATION, from);
    while (left) {
        cs_term *t = pairs && p->s.token == CS_TOK_COMMA ? member_pair(p, left, from) : NULL;
        if (!t) {
            (void)cs_parse__ahead_ref(p);
            t = p->s.token == CS_TOK_IN ? member(p, "internal.member_2", NULL, left, from) : NULL;
        }
        if (!t) {
            return left;
        }
        left = t;
        if (p->s.token != CS_TOK_IN) {
            return left;
        }
    }
    return left;
}

cs_term *cs_parse__infix(cs_parser *p)
{
    return parse_in(p, true);
}

cs_term *cs_parse__infix_in_list(cs_parser *p)
{
    return parse_in(p, false);
}
