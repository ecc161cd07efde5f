/* The trees of templates. */
#include <math.h>
#include <stdlib.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/template.h"

/* Blocks or parentheses inside of each other. */
#define DEEPEST 1000

/* One template under construction; definitions inside of it share the lexer and have the rest for themselves. */
typedef struct tree {
    cs_call *call;
    cs_tmpl_lexer *lexer;
    cs_tmpl_set *set;
    cs_tmpl_item token[3];
    int peeked;
    cs_list vars;
    int ranges, parens, depth;
    uint32_t action_line;
} tree;

static cs_err pipeline(tree *t, const char *context, cs_tmpl_item_kind end, cs_tmpl_node **out);
static cs_err item_list(tree *t, cs_tmpl_node **list, cs_tmpl_node **next);

/* ------------------------------------------------------------------------------------------------ tokens */

static cs_tmpl_item next(tree *t)
{
    if (t->peeked > 0) {
        t->peeked--;
    } else {
        t->token[0] = cs_tmpl__lex_next(t->lexer);
    }
    return t->token[t->peeked];
}

static void back(tree *t)
{
    t->peeked++;
}

static void back_two(tree *t, cs_tmpl_item first)
{
    t->token[1] = first;
    t->peeked = 2;
}

static void back_three(tree *t, cs_tmpl_item first, cs_tmpl_item second)
{
    t->token[1] = second;
    t->token[2] = first;
    t->peeked = 3;
}

static cs_tmpl_item peek(tree *t)
{
    if (t->peeked > 0) {
        return t->token[t->peeked - 1];
    }
    t->peeked = 1;
    t->token[0] = cs_tmpl__lex_next(t->lexer);
    return t->token[0];
}

static cs_tmpl_item next_word(tree *t)
{
    cs_tmpl_item item;
    do {
        item = next(t);
    } while (item.kind == CS_TMPL_SPACE);
    return item;
}

static cs_tmpl_item peek_word(tree *t)
{
    cs_tmpl_item item = next_word(t);
    back(t);
    return item;
}

/* ------------------------------------------------------------------------------------------------ errors */

static cs_err wrong(tree *t, const char *before, cs_slice what, const char *after)
{
    return cs_call_error(t->call, "template: template:%u: %s%.*s%s", t->token[0].line, before, CS_FMT(what), after);
}

static cs_slice quoted(tree *t, cs_slice s)
{
    cs_sink sink;
    cs_slice out = s;
    cs_sink__init(&sink, t->call);
    cs_sink__quote(&sink, s);
    return cs_sink__slice_done(&sink, &out) == CS_OK ? out : s;
}

static cs_slice item_text(tree *t, cs_tmpl_item item)
{
    if (item.kind == CS_TMPL_EOF) {
        return CS_LIT("EOF");
    }
    if (item.kind == CS_TMPL_ERROR) {
        return item.text;
    }
    if (item.kind > CS_TMPL_KEYWORD) {
        return cs_text(cs_string_printf(t->call->arena, "<%.*s>", CS_FMT(item.text)));
    }
    if (item.text.n <= 10) {
        return quoted(t, item.text);
    }
    cs_slice cut = cs_slice_sub(item.text, 0, cs_utf8_offset(item.text, 10));
    return cs_text(cs_string_printf(t->call->arena, "%.*s...", CS_FMT(quoted(t, cut))));
}

static cs_err unexpected(tree *t, cs_tmpl_item item, const char *context)
{
    if (item.kind != CS_TMPL_ERROR) {
        cs_slice text = item_text(t, item);
        return wrong(t, "unexpected ", text, cs_arena_printf(t->call->arena, NULL, " in %s", context));
    }
    const char *extra = "";
    if (t->action_line && t->action_line != item.line) {
        bool said = cs_slice_ends(item.text, CS_LIT(" action"));
        extra = cs_arena_printf(t->call->arena, NULL, "%s started at template:%u", said ? "" : " in action",
                                t->action_line);
    }
    return wrong(t, "", item.text, extra);
}

static cs_err expect(tree *t, cs_tmpl_item_kind kind, const char *context)
{
    cs_tmpl_item item = next_word(t);
    return item.kind == kind ? CS_OK : unexpected(t, item, context);
}

static cs_slice node_text(tree *t, const cs_tmpl_node *n)
{
    cs_sink s;
    cs_sink__init(&s, t->call);
    cs_tmpl__print(&s, n);
    return cs_tmpl__settle(&s);
}

/* ------------------------------------------------------------------------------------------------ nodes */

static cs_tmpl_node *new_node(tree *t, cs_tmpl_kind kind, size_t pos)
{
    cs_tmpl_node *n = cs_arena_new(t->call->arena, cs_tmpl_node);
    n->kind = kind;
    n->pos = pos;
    return n;
}

static void append(tree *t, cs_tmpl_nodes *list, cs_tmpl_node *n)
{
    if (list->n == list->cap) {
        cs_tmpl_node **more = cs_arena_alloc(t->call->arena, (list->cap * 2 + 4) * sizeof(cs_tmpl_node *));
        if (list->n) {
            memcpy(more, list->v, list->n * sizeof(cs_tmpl_node *));
        }
        list->v = more;
        list->cap = list->cap * 2 + 4;
    }
    list->v[list->n++] = n;
}

/* ".a.b" or "$x.a" without the first point. */
static void add_names(tree *t, cs_tmpl_node *n, cs_slice text)
{
    cs_slice name, rest = *text.p == '.' ? cs_slice_sub(text, 1, text.n) : text;
    while (cs_slice_next(&rest, '.', &name)) {
        cs_list__add(t->call, &n->names, cs_string(name));
    }
}

/* ------------------------------------------------------------------------------------------------ constants */

static bool has_any(cs_slice s, const char *set)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] && strchr(set, s.p[i])) {
            return true;
        }
    }
    return false;
}

static cs_err read_float(tree *t, cs_slice text, cs_tmpl_node *n)
{
    char *end, *copy = cs_arena_dup(t->call->arena, text.p, text.n);
    double f = strtod(copy, &end);
    if (end != copy + text.n || text.n == 0 || !isfinite(f)) {
        return wrong(t, "illegal number syntax: ", quoted(t, text), "");
    }
    if (!has_any(text, ".eEpP")) {
        return wrong(t, "integer overflow: ", quoted(t, text), "");
    }
    n->is_float = true;
    n->f = f;
    if (f >= -9223372036854775808.0 && f < 9223372036854775808.0 && fpclassify(f - (double)(int64_t)f) == FP_ZERO) {
        n->is_int = true;
        n->i = (int64_t)f;
    }
    return CS_OK;
}

static cs_err number(tree *t, cs_tmpl_item item, cs_tmpl_node **out)
{
    cs_tmpl_node *n = *out = new_node(t, CS_TMPL_N_NUMBER, item.pos);
    cs_slice s = n->text = item.text;
    if (item.kind == CS_TMPL_CHAR_CONSTANT) {
        cs_slice rune;
        size_t width = 0;
        if (!cs_tmpl__unquote(t->call, s, &rune) || rune.n == 0) {
            return wrong(t, "malformed character constant: ", s, "");
        }
        n->i = (int64_t)cs_utf8_decode(rune.p, rune.n, &width);
        n->is_int = n->is_uint = n->is_float = true;
        n->f = (double)n->i;
        return width == rune.n ? CS_OK : wrong(t, "malformed character constant: ", s, "");
    }
    if (item.kind == CS_TMPL_COMPLEX || s.p[s.n - 1] == 'i') {
        return wrong(t, "complex constants are not supported: ", s, "");
    }
    bool minus = *s.p == '-', sign = minus || *s.p == '+';
    uint64_t u;
    if (!cs_tmpl__read_int(sign ? cs_slice_sub(s, 1, s.n) : s, &u)) {
        return read_float(t, s, n);
    }
    n->is_uint = !sign || u == 0;
    n->is_int = u <= (uint64_t)INT64_MAX + minus;
    n->i = (int64_t)(minus ? 0 - u : u);
    if (!n->is_int && !n->is_uint) {
        return read_float(t, s, n);
    }
    n->is_float = true;
    n->f = n->is_int ? (double)n->i : (double)u;
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ terms */

static cs_err use_variable(tree *t, cs_tmpl_item item, cs_tmpl_node **out)
{
    *out = new_node(t, CS_TMPL_N_VARIABLE, item.pos);
    add_names(t, *out, item.text);
    for (size_t i = 0; i < t->vars.n; i++) {
        if (cs_slice_eq(cs_text(t->vars.v[i]), cs_text((*out)->names.v[0]))) {
            return CS_OK;
        }
    }
    return wrong(t, "undefined variable ", quoted(t, cs_text((*out)->names.v[0])), "");
}

static cs_err string(tree *t, cs_tmpl_item item, cs_tmpl_node **out)
{
    *out = new_node(t, CS_TMPL_N_STRING, item.pos);
    (*out)->text = item.text;
    return cs_tmpl__unquote(t->call, item.text, &(*out)->string) ? CS_OK
                                                                 : wrong(t, "invalid syntax", (cs_slice){"", 0}, "");
}

static cs_err parenthesis(tree *t, cs_tmpl_node **out)
{
    if (t->parens >= DEEPEST) {
        return wrong(t, "max expression depth exceeded", (cs_slice){"", 0}, "");
    }
    t->parens++;
    cs_err err = pipeline(t, "parenthesized pipeline", CS_TMPL_RIGHT_PAREN, out);
    t->parens--;
    return err;
}

/* *out is NULL if there is no term. */
static cs_err term(tree *t, cs_tmpl_node **out)
{
    cs_tmpl_item item = next_word(t);
    switch ((int)item.kind) {
    case CS_TMPL_IDENTIFIER:
        if (!cs_tmpl__is_function(item.text)) {
            return wrong(t, "function ", quoted(t, item.text), " not defined");
        }
        *out = new_node(t, CS_TMPL_N_IDENTIFIER, item.pos);
        (*out)->text = item.text;
        return CS_OK;
    case CS_TMPL_DOT:
        *out = new_node(t, CS_TMPL_N_DOT, item.pos);
        return CS_OK;
    case CS_TMPL_NIL:
        *out = new_node(t, CS_TMPL_N_NIL, item.pos);
        return CS_OK;
    case CS_TMPL_VARIABLE:
        return use_variable(t, item, out);
    case CS_TMPL_FIELD:
        *out = new_node(t, CS_TMPL_N_FIELD, item.pos);
        add_names(t, *out, item.text);
        return CS_OK;
    case CS_TMPL_BOOL:
        *out = new_node(t, CS_TMPL_N_BOOL, item.pos);
        (*out)->truth = *item.text.p == 't';
        return CS_OK;
    case CS_TMPL_CHAR_CONSTANT:
    case CS_TMPL_COMPLEX:
    case CS_TMPL_NUMBER:
        return number(t, item, out);
    case CS_TMPL_LEFT_PAREN:
        return parenthesis(t, out);
    case CS_TMPL_STRING:
    case CS_TMPL_RAW_STRING:
        return string(t, item, out);
    default:
        back(t);
        *out = NULL;
        return CS_OK;
    }
}

/* A term and the fields behind it. */
static cs_err operand(tree *t, cs_tmpl_node **out)
{
    CS_TRY(term(t, out));
    if (*out == NULL || peek(t).kind != CS_TMPL_FIELD) {
        return CS_OK;
    }
    cs_tmpl_node *head = *out, *chain = new_node(t, CS_TMPL_N_CHAIN, peek(t).pos);
    while (peek(t).kind == CS_TMPL_FIELD) {
        add_names(t, chain, next(t).text);
    }
    switch ((int)head->kind) {
    case CS_TMPL_N_FIELD:
    case CS_TMPL_N_VARIABLE:
        head->pos = chain->pos;
        for (size_t i = 0; i < chain->names.n; i++) {
            cs_list__add(t->call, &head->names, chain->names.v[i]);
        }
        return CS_OK;
    case CS_TMPL_N_BOOL:
    case CS_TMPL_N_STRING:
    case CS_TMPL_N_NUMBER:
    case CS_TMPL_N_NIL:
    case CS_TMPL_N_DOT:
        return wrong(t, "unexpected . after term ", quoted(t, node_text(t, head)), "");
    default:
        chain->pipe = head;
        *out = chain;
        return CS_OK;
    }
}

static cs_err command(tree *t, cs_tmpl_node **out)
{
    cs_tmpl_node *one;
    *out = new_node(t, CS_TMPL_N_COMMAND, peek_word(t).pos);
    for (;;) {
        (void)peek_word(t);
        CS_TRY(operand(t, &one));
        if (one) {
            append(t, &(*out)->kids, one);
        }
        cs_tmpl_item item = next(t);
        if (item.kind == CS_TMPL_SPACE) {
            continue;
        }
        if (item.kind == CS_TMPL_RIGHT_DELIM || item.kind == CS_TMPL_RIGHT_PAREN) {
            back(t);
        } else if (item.kind != CS_TMPL_PIPE) {
            return unexpected(t, item, "operand");
        }
        break;
    }
    return (*out)->kids.n ? CS_OK : wrong(t, "empty command", (cs_slice){"", 0}, "");
}

/* ------------------------------------------------------------------------------------------------ pipelines */

static void declare(tree *t, cs_tmpl_node *pipe, cs_tmpl_item item)
{
    cs_tmpl_node *v = new_node(t, CS_TMPL_N_VARIABLE, item.pos);
    add_names(t, v, item.text);
    append(t, &pipe->declared, v);
    cs_list__add(t->call, &t->vars, cs_string(item.text));
}

/* "$x :=", "$i, $x :=" or nothing of the kind. */
static cs_err declarations(tree *t, const char *context, cs_tmpl_node *pipe)
{
    for (;;) {
        cs_tmpl_item v = peek_word(t);
        if (v.kind != CS_TMPL_VARIABLE) {
            return CS_OK;
        }
        (void)next(t);
        cs_tmpl_item behind = peek(t), sign = peek_word(t);
        if (sign.kind == CS_TMPL_ASSIGN || sign.kind == CS_TMPL_DECLARE) {
            pipe->assigns = sign.kind == CS_TMPL_ASSIGN;
            (void)next_word(t);
            declare(t, pipe, v);
            return CS_OK;
        }
        if (sign.kind != CS_TMPL_CHAR || !cs_slice_is(sign.text, ",")) {
            if (behind.kind == CS_TMPL_SPACE) {
                back_three(t, v, behind);
            } else {
                back_two(t, v);
            }
            return CS_OK;
        }
        (void)next_word(t);
        declare(t, pipe, v);
        if (strcmp(context, "range") != 0 || pipe->declared.n >= 2) {
            return wrong(t, "too many declarations in ", cs_slice_of(context), "");
        }
        cs_tmpl_item_kind kind = peek_word(t).kind;
        if (kind != CS_TMPL_VARIABLE && kind != CS_TMPL_RIGHT_DELIM && kind != CS_TMPL_RIGHT_PAREN) {
            return wrong(t, "range can only initialize variables", (cs_slice){"", 0}, "");
        }
    }
}

static cs_err check_pipeline(tree *t, const cs_tmpl_node *pipe, const char *context)
{
    if (pipe->kids.n == 0) {
        return wrong(t, "missing value for ", cs_slice_of(context), "");
    }
    for (size_t i = 1; i < pipe->kids.n; i++) {
        switch ((int)pipe->kids.v[i]->kids.v[0]->kind) {
        case CS_TMPL_N_BOOL:
        case CS_TMPL_N_DOT:
        case CS_TMPL_N_NIL:
        case CS_TMPL_N_NUMBER:
        case CS_TMPL_N_STRING:
            return wrong(t, "non executable command in pipeline stage ",
                         cs_text(cs_string_printf(t->call->arena, "%zu", i + 1)), "");
        default:
            break;
        }
    }
    return CS_OK;
}

static cs_err pipeline(tree *t, const char *context, cs_tmpl_item_kind end, cs_tmpl_node **out)
{
    cs_tmpl_node *pipe = *out = new_node(t, CS_TMPL_N_PIPE, peek_word(t).pos), *one;
    CS_TRY(declarations(t, context, pipe));
    for (;;) {
        cs_tmpl_item item = next_word(t);
        if (item.kind == end) {
            return check_pipeline(t, pipe, context);
        }
        switch ((int)item.kind) {
        case CS_TMPL_BOOL:
        case CS_TMPL_CHAR_CONSTANT:
        case CS_TMPL_COMPLEX:
        case CS_TMPL_DOT:
        case CS_TMPL_FIELD:
        case CS_TMPL_IDENTIFIER:
        case CS_TMPL_NUMBER:
        case CS_TMPL_NIL:
        case CS_TMPL_RAW_STRING:
        case CS_TMPL_STRING:
        case CS_TMPL_VARIABLE:
        case CS_TMPL_LEFT_PAREN:
            back(t);
            CS_TRY(command(t, &one));
            append(t, &pipe->kids, one);
            break;
        default:
            return unexpected(t, item, context);
        }
    }
}

/* ------------------------------------------------------------------------------------------------ actions */

static bool is_empty(const cs_tmpl_node *n)
{
    if (n->kind == CS_TMPL_N_TEXT) {
        return cs_slice_trim(n->text).n == 0;
    }
    for (size_t i = 0; n->kind == CS_TMPL_N_LIST && i < n->kids.n; i++) {
        if (!is_empty(n->kids.v[i])) {
            return false;
        }
    }
    return n->kind == CS_TMPL_N_LIST;
}

static cs_err add_template(tree *t, cs_slice name, cs_tmpl_node *root)
{
    cs_tmpl_set *set = t->set;
    for (size_t i = 0; i < set->n; i++) {
        if (!cs_slice_eq(set->v[i].name, name)) {
            continue;
        }
        if (is_empty(set->v[i].root)) {
            set->v[i].root = root;
            return CS_OK;
        }
        return is_empty(root) ? CS_OK : wrong(t, "template: multiple definition of template ", quoted(t, name), "");
    }
    if (set->n == set->cap) {
        cs_tmpl *more = cs_arena_alloc(t->call->arena, (set->cap * 2 + 4) * sizeof *more);
        if (set->n) {
            memcpy(more, set->v, set->n * sizeof *more);
        }
        set->v = more;
        set->cap = set->cap * 2 + 4;
    }
    set->v[set->n++] = (cs_tmpl){name, root};
    return CS_OK;
}

static tree sub_tree(const tree *t)
{
    tree sub = {.call = t->call, .lexer = t->lexer, .set = t->set, .depth = t->depth};
    cs_list__add(t->call, &sub.vars, cs_string(CS_LIT("$")));
    return sub;
}

static cs_err template_name(tree *t, cs_tmpl_item item, const char *context, cs_slice *out)
{
    if (item.kind != CS_TMPL_STRING && item.kind != CS_TMPL_RAW_STRING) {
        return unexpected(t, item, context);
    }
    return cs_tmpl__unquote(t->call, item.text, out) ? CS_OK : wrong(t, "invalid syntax", (cs_slice){"", 0}, "");
}

/* The body of a define or a block, up to its end. */
static cs_err template_body(tree *sub, cs_slice name, const char *context)
{
    cs_tmpl_node *root, *end;
    CS_TRY(item_list(sub, &root, &end));
    if (end->kind != CS_TMPL_N_END) {
        return wrong(sub, "unexpected ", node_text(sub, end),
                     cs_arena_printf(sub->call->arena, NULL, " in %s", context));
    }
    return add_template(sub, name, root);
}

static cs_err define(tree *t)
{
    tree sub = sub_tree(t);
    cs_slice name;
    CS_TRY(template_name(&sub, next_word(&sub), "define clause", &name));
    CS_TRY(expect(&sub, CS_TMPL_RIGHT_DELIM, "define clause"));
    return template_body(&sub, name, "define clause");
}

static cs_err block(tree *t, cs_tmpl_node **out)
{
    cs_tmpl_item item = next_word(t);
    *out = new_node(t, CS_TMPL_N_TEMPLATE, item.pos);
    CS_TRY(template_name(t, item, "block clause", &(*out)->text));
    CS_TRY(pipeline(t, "block clause", CS_TMPL_RIGHT_DELIM, &(*out)->pipe));
    tree sub = sub_tree(t);
    return template_body(&sub, (*out)->text, "block clause");
}

static cs_err call_template(tree *t, cs_tmpl_node **out)
{
    cs_tmpl_item item = next_word(t);
    *out = new_node(t, CS_TMPL_N_TEMPLATE, item.pos);
    CS_TRY(template_name(t, item, "template clause", &(*out)->text));
    if (next_word(t).kind == CS_TMPL_RIGHT_DELIM) {
        return CS_OK;
    }
    back(t);
    return pipeline(t, "template clause", CS_TMPL_RIGHT_DELIM, &(*out)->pipe);
}

static cs_err control(tree *t, const char *context, cs_tmpl_kind kind, cs_tmpl_node **out);

static cs_err control_else(tree *t, const char *context, const cs_tmpl_node *next_node, cs_tmpl_node *n)
{
    cs_tmpl_item_kind again = n->kind == CS_TMPL_N_IF     ? CS_TMPL_IF
                              : n->kind == CS_TMPL_N_WITH ? CS_TMPL_WITH
                                                          : CS_TMPL_ERROR;
    cs_tmpl_node *end;
    if (again != CS_TMPL_ERROR && peek(t).kind == again) {
        (void)next(t);
        n->other = new_node(t, CS_TMPL_N_LIST, next_node->pos);
        CS_TRY(control(t, context, n->kind, &end));
        append(t, &n->other->kids, end);
        return CS_OK;
    }
    CS_TRY(item_list(t, &n->other, &end));
    return end->kind == CS_TMPL_N_END ? CS_OK : wrong(t, "expected end; found ", node_text(t, end), "");
}

static cs_err control(tree *t, const char *context, cs_tmpl_kind kind, cs_tmpl_node **out)
{
    size_t vars = t->vars.n;
    cs_tmpl_node *n = *out = new_node(t, kind, 0), *next_node;
    CS_TRY(pipeline(t, context, CS_TMPL_RIGHT_DELIM, &n->pipe));
    n->pos = n->pipe->pos;
    t->ranges += kind == CS_TMPL_N_RANGE;
    CS_TRY(item_list(t, &n->list, &next_node));
    t->ranges -= kind == CS_TMPL_N_RANGE;
    if (next_node->kind == CS_TMPL_N_ELSE) {
        CS_TRY(control_else(t, context, next_node, n));
    }
    t->vars.n = vars;
    return CS_OK;
}

static cs_err jump(tree *t, cs_tmpl_item item, cs_tmpl_kind kind, cs_tmpl_node **out)
{
    const char *word = kind == CS_TMPL_N_BREAK ? "{{break}}" : "{{continue}}";
    cs_tmpl_item end = next_word(t);
    *out = new_node(t, kind, item.pos);
    if (end.kind != CS_TMPL_RIGHT_DELIM) {
        return unexpected(t, end, word);
    }
    return t->ranges ? CS_OK : wrong(t, word, CS_LIT(" outside {{range}}"), "");
}

static cs_err else_control(tree *t, cs_tmpl_node **out)
{
    cs_tmpl_item item = peek_word(t);
    if (item.kind != CS_TMPL_IF && item.kind != CS_TMPL_WITH) {
        CS_TRY(expect(t, CS_TMPL_RIGHT_DELIM, "else"));
    }
    *out = new_node(t, CS_TMPL_N_ELSE, item.pos);
    return CS_OK;
}

static cs_err action(tree *t, cs_tmpl_node **out)
{
    cs_tmpl_item item = next_word(t);
    switch ((int)item.kind) {
    case CS_TMPL_BLOCK:
        return block(t, out);
    case CS_TMPL_BREAK:
        return jump(t, item, CS_TMPL_N_BREAK, out);
    case CS_TMPL_CONTINUE:
        return jump(t, item, CS_TMPL_N_CONTINUE, out);
    case CS_TMPL_ELSE:
        return else_control(t, out);
    case CS_TMPL_END:
        CS_TRY(expect(t, CS_TMPL_RIGHT_DELIM, "end"));
        *out = new_node(t, CS_TMPL_N_END, item.pos);
        return CS_OK;
    case CS_TMPL_IF:
        return control(t, "if", CS_TMPL_N_IF, out);
    case CS_TMPL_RANGE:
        return control(t, "range", CS_TMPL_N_RANGE, out);
    case CS_TMPL_TEMPLATE:
        return call_template(t, out);
    case CS_TMPL_WITH:
        return control(t, "with", CS_TMPL_N_WITH, out);
    default:
        back(t);
        *out = new_node(t, CS_TMPL_N_ACTION, peek(t).pos);
        return pipeline(t, "command", CS_TMPL_RIGHT_DELIM, &(*out)->pipe);
    }
}

static cs_err text_or_action(tree *t, cs_tmpl_node **out)
{
    cs_tmpl_item item = next_word(t);
    if (item.kind == CS_TMPL_TEXT) {
        *out = new_node(t, CS_TMPL_N_TEXT, item.pos);
        (*out)->text = item.text;
        return CS_OK;
    }
    if (item.kind != CS_TMPL_LEFT_DELIM) {
        return unexpected(t, item, "input");
    }
    if (++t->depth > DEEPEST) {
        return wrong(t, "blocks are nested too deeply", (cs_slice){"", 0}, "");
    }
    t->action_line = item.line;
    cs_err err = action(t, out);
    t->action_line = 0;
    t->depth--;
    return err;
}

static cs_err item_list(tree *t, cs_tmpl_node **list, cs_tmpl_node **next_node)
{
    *list = new_node(t, CS_TMPL_N_LIST, peek_word(t).pos);
    while (peek_word(t).kind != CS_TMPL_EOF) {
        CS_TRY(text_or_action(t, next_node));
        if ((*next_node)->kind == CS_TMPL_N_END || (*next_node)->kind == CS_TMPL_N_ELSE) {
            return CS_OK;
        }
        append(t, &(*list)->kids, *next_node);
    }
    return wrong(t, "unexpected EOF", (cs_slice){"", 0}, "");
}

static cs_err whole(tree *t, cs_tmpl_node *root)
{
    cs_tmpl_node *n;
    while (peek(t).kind != CS_TMPL_EOF) {
        if (peek(t).kind == CS_TMPL_LEFT_DELIM) {
            cs_tmpl_item delim = next(t);
            if (next_word(t).kind == CS_TMPL_DEFINE) {
                CS_TRY(define(t));
                continue;
            }
            back_two(t, delim);
        }
        CS_TRY(text_or_action(t, &n));
        if (n->kind == CS_TMPL_N_END || n->kind == CS_TMPL_N_ELSE) {
            return wrong(t, "unexpected ", node_text(t, n), "");
        }
        append(t, &root->kids, n);
    }
    return CS_OK;
}

cs_err cs_tmpl__parse(cs_call *call, cs_slice text, cs_tmpl_set *out)
{
    cs_tmpl_lexer lexer;
    cs_tmpl__lex_init(&lexer, call, text);
    *out = (cs_tmpl_set){.text = text};
    tree t = {.call = call, .lexer = &lexer, .set = out};
    cs_list__add(call, &t.vars, cs_string(CS_LIT("$")));
    cs_tmpl_node *root = new_node(&t, CS_TMPL_N_LIST, 0);
    CS_TRY(whole(&t, root));
    return add_template(&t, CS_LIT("template"), root);
}

const cs_tmpl *cs_tmpl__find(const cs_tmpl_set *set, cs_slice name)
{
    for (size_t i = 0; i < set->n; i++) {
        if (cs_slice_eq(set->v[i].name, name)) {
            return &set->v[i];
        }
    }
    return NULL;
}
