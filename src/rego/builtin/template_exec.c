/* Templates walked over values, as Go's text/template does it. */
#include "rego/builtin/template.h"

/* Templates that call each other; Go allows a hundred times as many, and says so. */
#define DEEPEST 1000
/* Nodes that one call may visit. */
#define MOST_STEPS 50000000

typedef struct variable {
    cs_slice name;
    cs_tmpl_value value;
} variable;

typedef enum flow { ON, BREAK, CONTINUE } flow;

typedef struct state {
    cs_call *call;
    const cs_tmpl_set *set;
    cs_sink *out;
    const cs_tmpl_node *node; /* where we are, for errors */
    cs_slice name;            /* of the template */
    variable *vars;
    size_t vars_n, vars_cap;
    size_t vars_floor; /* the first one of this template */
    int depth, nested;
    uint64_t steps;
    flow flow;
} state;

/* What an argument is to become. */
typedef enum want { WANT_VALUE, WANT_ANY, WANT_STRING, WANT_NOTHING_SPECIAL } want;

static cs_err eval_pipeline(state *s, cs_tmpl_value dot, const cs_tmpl_node *pipe, cs_tmpl_value *out);
static cs_err eval_arg(state *s, cs_tmpl_value dot, want w, const cs_tmpl_node *n, cs_tmpl_value *out);
static cs_err walk(state *s, cs_tmpl_value dot, const cs_tmpl_node *n);

/* ------------------------------------------------------------------------------------------------ errors */

static cs_slice node_text(state *s, const cs_tmpl_node *n)
{
    cs_sink sink;
    cs_sink__init(&sink, s->call);
    cs_tmpl__print(&sink, n);
    return cs_tmpl__settle(&sink);
}

static cs_slice value_text(state *s, cs_tmpl_value v)
{
    cs_sink sink;
    cs_sink__init(&sink, s->call);
    return cs_tmpl__print_value(s->call, &sink, v.v) == CS_OK ? cs_tmpl__settle(&sink) : (cs_slice){"", 0};
}

static cs_slice quote(state *s, cs_slice text)
{
    cs_sink sink;
    cs_sink__init(&sink, s->call);
    cs_sink__quote(&sink, text);
    return cs_tmpl__settle(&sink);
}

/* "template: template:1:2: executing "template" at <.x>: " and what is wrong: before, the middle, after. */
static cs_err wrong(state *s, const char *before, cs_slice middle, const char *after)
{
    size_t line = 1, from = 0;
    for (size_t i = 0; i < s->node->pos && i < s->set->text.n; i++) {
        if (s->set->text.p[i] == '\n') {
            line++;
            from = i + 1;
        }
    }
    cs_slice quoted = quote(s, s->name);
    return cs_call_error(s->call, "template: template:%zu:%zu: executing %.*s at <%.*s>: %s%.*s%s", line,
                         s->node->pos - from, CS_FMT(quoted), CS_FMT(node_text(s, s->node)), before, CS_FMT(middle),
                         after);
}

static cs_slice joined(state *s, cs_slice a, const char *between, const char *b)
{
    return cs_text(cs_string_printf(s->call->arena, "%.*s%s%s", CS_FMT(a), between, b));
}

/* ------------------------------------------------------------------------------------------------ variables */

static void push(state *s, cs_slice name, cs_tmpl_value value)
{
    if (s->vars_n == s->vars_cap) {
        variable *more = cs_arena_alloc(s->call->arena, (s->vars_cap * 2 + 8) * sizeof *more);
        if (s->vars_n) {
            memcpy(more, s->vars, s->vars_n * sizeof *more);
        }
        s->vars = more;
        s->vars_cap = s->vars_cap * 2 + 8;
    }
    s->vars[s->vars_n++] = (variable){name, value};
}

static variable *find(state *s, cs_slice name)
{
    for (size_t i = s->vars_n; i-- > s->vars_floor;) {
        if (cs_slice_eq(s->vars[i].name, name)) {
            return &s->vars[i];
        }
    }
    return NULL;
}

static cs_err set(state *s, cs_slice name, cs_tmpl_value value)
{
    variable *v = find(s, name);
    if (!v) {
        return wrong(s, "undefined variable: ", name, "");
    }
    v->value = value;
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ fields */

static cs_tmpl_value unboxed(cs_tmpl_value v)
{
    if (v.boxed && v.v.kind == CS_NULL) {
        return cs_tmpl__private(CS_TMPL_INVALID);
    }
    v.boxed = false;
    return v;
}

static cs_err eval_field(state *s, cs_slice name, bool has_args, cs_tmpl_value from, cs_tmpl_value *out)
{
    *out = cs_tmpl__private(CS_TMPL_INVALID);
    if (cs_tmpl__is(from, CS_TMPL_INVALID)) {
        return CS_OK;
    }
    if (from.v.kind == CS_NULL) {
        return wrong(s, "nil pointer evaluating interface {}.", name, "");
    }
    if (from.v.kind != CS_OBJECT) {
        return wrong(s, "can't evaluate field ", joined(s, name, " in type ", cs_tmpl__type(from)), "");
    }
    if (has_args) {
        return wrong(s, "", name, " is not a method but has arguments");
    }
    const cs_value *v = cs_object_get(from.v, cs_string(name));
    if (v) {
        *out = (cs_tmpl_value){*v, true};
    }
    return CS_OK;
}

static cs_err eval_chain(state *s, const cs_list *names, size_t first, bool has_args, cs_tmpl_value from,
                         cs_tmpl_value *out)
{
    *out = from;
    for (size_t i = first; i < names->n; i++) {
        CS_TRY(eval_field(s, cs_text(names->v[i]), has_args && i + 1 == names->n, *out, out));
    }
    return CS_OK;
}

static bool missing(cs_tmpl_value v)
{
    return cs_tmpl__is(v, CS_TMPL_MISSING);
}

static cs_err not_a_function(state *s, const cs_tmpl_node *first, size_t n_args, cs_tmpl_value final)
{
    return n_args > 1 || !missing(final) ? wrong(s, "can't give argument to non-function ", node_text(s, first), "")
                                         : CS_OK;
}

static cs_err eval_variable(state *s, const cs_tmpl_node *n, size_t n_args, cs_tmpl_value final, cs_tmpl_value *out)
{
    s->node = n;
    cs_slice name = cs_text(n->names.v[0]);
    const variable *v = find(s, name);
    if (!v) {
        return wrong(s, "undefined variable: ", name, "");
    }
    if (n->names.n == 1) {
        *out = v->value;
        return not_a_function(s, n, n_args, final);
    }
    return eval_chain(s, &n->names, 1, n_args > 1 || !missing(final), v->value, out);
}

static cs_err eval_chain_node(state *s, cs_tmpl_value dot, const cs_tmpl_node *n, size_t n_args, cs_tmpl_value final,
                              cs_tmpl_value *out)
{
    cs_tmpl_value head;
    s->node = n;
    if (n->pipe->kind == CS_TMPL_N_NIL) {
        return wrong(s, "indirection through explicit nil in ", node_text(s, n), "");
    }
    CS_TRY(eval_arg(s, dot, WANT_NOTHING_SPECIAL, n->pipe, &head));
    return eval_chain(s, &n->names, 0, n_args > 1 || !missing(final), head, out);
}

/* ------------------------------------------------------------------------------------------------ calls */

/* A value as Go's reflect package says it. */
static cs_slice receiver_text(state *s, cs_tmpl_value v)
{
    if (v.v.kind == CS_STRING || v.v.kind == CS_NUMBER) {
        return value_text(s, v);
    }
    const char *type = cs_tmpl__is(v, CS_TMPL_INVALID) ? "invalid" : cs_tmpl__type(v);
    return cs_text(cs_string_printf(s->call->arena, "<%s Value>", type));
}

static cs_err fit(state *s, cs_tmpl_value v, want w, cs_tmpl_value *out)
{
    *out = v;
    if (w == WANT_ANY && cs_tmpl__is(v, CS_TMPL_INVALID)) {
        *out = (cs_tmpl_value){cs_null(), true};
    }
    if (w != WANT_STRING || v.v.kind == CS_STRING) {
        return CS_OK;
    }
    if (cs_tmpl__is(v, CS_TMPL_INVALID)) {
        return wrong(s, "invalid value; expected string", (cs_slice){"", 0}, "");
    }
    cs_tmpl_value plain = v.v.kind == CS_NULL ? v : unboxed(v);
    return wrong(s, "wrong type for value; expected string; got ", cs_slice_of(cs_tmpl__type(plain)), "");
}

/* `and` and `or` look at as many arguments as they need. */
static cs_err eval_logic(state *s, cs_tmpl_value dot, bool is_or, const cs_tmpl_node *command, cs_tmpl_value final,
                         cs_tmpl_value *out)
{
    *out = cs_tmpl__private(CS_TMPL_INVALID);
    for (size_t i = 1; command && i < command->kids.n; i++) {
        CS_TRY(eval_arg(s, dot, WANT_VALUE, command->kids.v[i], out));
        if (cs_tmpl__truth(*out) == is_or) {
            return CS_OK;
        }
    }
    if (!missing(final)) {
        *out = final;
    }
    return CS_OK;
}

/* `node` is the command of the call, or the name alone. */
static cs_err eval_function(state *s, cs_tmpl_value dot, const cs_tmpl_node *ident, const cs_tmpl_node *node,
                            cs_tmpl_value final, cs_tmpl_value *out)
{
    s->node = ident;
    cs_slice name = ident->text;
    const cs_tmpl_node *command = node->kind == CS_TMPL_N_COMMAND ? node : NULL;
    size_t given = command ? command->kids.n - 1 : 0, all = given + !missing(final);
    bool more;
    size_t wanted = cs_tmpl__arity(name, &more);
    if (more ? all < wanted : all != wanted) {
        return wrong(s, "wrong number of args for ", name,
                     cs_arena_printf(s->call->arena, NULL, ": want %s%zu got %zu", more ? "at least " : "", wanted,
                                     more ? given : all));
    }
    if (cs_slice_is(name, "and") || cs_slice_is(name, "or")) {
        return eval_logic(s, dot, cs_slice_is(name, "or"), command, final, out);
    }
    bool prints = cs_slice_starts(name, CS_LIT("print")) || cs_slice_is(name, "html") || cs_slice_is(name, "js") ||
                  cs_slice_is(name, "urlquery");
    bool formats = cs_slice_is(name, "printf");
    cs_tmpl_value *args = cs_arena_alloc(s->call->arena, (all + 1) * sizeof *args);
    for (size_t i = 0; i < all; i++) {
        want w = formats && i == 0 ? WANT_STRING : prints ? WANT_ANY : WANT_VALUE;
        CS_TRY(i < given ? eval_arg(s, dot, w, command->kids.v[i + 1], &args[i]) : fit(s, final, w, &args[i]));
    }
    cs_slice callee = command && given ? node_text(s, command->kids.v[1]) : receiver_text(s, final);
    cs_error e;
    cs_call inner = *s->call;
    inner.e = &e;
    cs_err err = cs_tmpl__call(&inner, name, args, all, callee, out);
    if (err == CS_ERR_EVAL_BUILTIN) {
        s->node = node;
        return wrong(s, "error calling ", joined(s, name, ": ", e.text), "");
    }
    return err == CS_OK ? CS_OK : cs_fail(s->call->e, err, "%s", e.text);
}

/* ------------------------------------------------------------------------------------------------ words */

static cs_err constant(state *s, const cs_tmpl_node *n, cs_tmpl_value *out)
{
    s->node = n;
    switch ((int)n->kind) {
    case CS_TMPL_N_BOOL:
        *out = (cs_tmpl_value){cs_bool(n->truth), false};
        return CS_OK;
    case CS_TMPL_N_STRING:
        *out = (cs_tmpl_value){cs_string(n->string), false};
        return CS_OK;
    case CS_TMPL_N_NUMBER:
        break;
    default:
        return wrong(s, "can't handle assignment of ", node_text(s, n), " to empty interface argument");
    }
    bool rune = *n->text.p == '\'';
    bool hex = n->text.n > 2 && n->text.p[0] == '0' && (n->text.p[1] | 0x20) == 'x';
    bool with_point = false, with_power = false;
    for (size_t i = 0; i < n->text.n; i++) {
        with_power = with_power || (n->text.p[i] | 0x20) == 'p';
        with_point = with_point || n->text.p[i] == '.' || (n->text.p[i] | 0x20) == 'e';
    }
    if (n->is_float && !rune && !(hex && !with_power) && (with_point || with_power)) {
        *out = cs_tmpl__float(n->f);
        return CS_OK;
    }
    if (!n->is_int) {
        return wrong(s, "", n->text, " overflows int");
    }
    *out = cs_tmpl__int(n->i);
    return CS_OK;
}

static cs_err eval_arg(state *s, cs_tmpl_value dot, want w, const cs_tmpl_node *n, cs_tmpl_value *out)
{
    const cs_tmpl_value none = cs_tmpl__private(CS_TMPL_MISSING);
    cs_tmpl_value v = dot;
    s->node = n;
    switch ((int)n->kind) {
    case CS_TMPL_N_DOT:
        break;
    case CS_TMPL_N_NIL:
        if (w == WANT_STRING) {
            return wrong(s, "cannot assign nil to string", (cs_slice){"", 0}, "");
        }
        v = cs_tmpl__private(CS_TMPL_INVALID);
        break;
    case CS_TMPL_N_FIELD:
        CS_TRY(eval_chain(s, &n->names, 0, false, dot, &v));
        break;
    case CS_TMPL_N_VARIABLE:
        CS_TRY(eval_variable(s, n, 0, none, &v));
        break;
    case CS_TMPL_N_PIPE:
        CS_TRY(eval_pipeline(s, dot, n, &v));
        break;
    case CS_TMPL_N_IDENTIFIER:
        CS_TRY(eval_function(s, dot, n, n, none, &v));
        break;
    case CS_TMPL_N_CHAIN:
        CS_TRY(eval_chain_node(s, dot, n, 0, none, &v));
        break;
    default:
        if (w == WANT_STRING && n->kind != CS_TMPL_N_STRING) {
            return wrong(s, "expected string; found ", node_text(s, n), "");
        }
        return constant(s, n, out);
    }
    return fit(s, v, w, out);
}

static cs_err eval_command(state *s, cs_tmpl_value dot, const cs_tmpl_node *command, cs_tmpl_value final,
                           cs_tmpl_value *out)
{
    const cs_tmpl_node *first = command->kids.v[0];
    size_t n = command->kids.n;
    switch ((int)first->kind) {
    case CS_TMPL_N_FIELD:
        s->node = first;
        return eval_chain(s, &first->names, 0, n > 1 || !missing(final), dot, out);
    case CS_TMPL_N_CHAIN:
        return eval_chain_node(s, dot, first, n, final, out);
    case CS_TMPL_N_IDENTIFIER:
        return eval_function(s, dot, first, command, final, out);
    case CS_TMPL_N_PIPE:
        CS_TRY(not_a_function(s, first, n, final));
        return eval_pipeline(s, dot, first, out);
    case CS_TMPL_N_VARIABLE:
        return eval_variable(s, first, n, final, out);
    default:
        break;
    }
    s->node = first;
    CS_TRY(not_a_function(s, first, n, final));
    if (first->kind == CS_TMPL_N_NIL) {
        return wrong(s, "nil is not a command", (cs_slice){"", 0}, "");
    }
    if (first->kind == CS_TMPL_N_DOT) {
        *out = dot;
        return CS_OK;
    }
    return constant(s, first, out);
}

static cs_err eval_pipeline(state *s, cs_tmpl_value dot, const cs_tmpl_node *pipe, cs_tmpl_value *out)
{
    if (!pipe) {
        *out = cs_tmpl__private(CS_TMPL_INVALID);
        return CS_OK;
    }
    s->node = pipe;
    cs_tmpl_value v = cs_tmpl__private(CS_TMPL_MISSING);
    for (size_t i = 0; i < pipe->kids.n; i++) {
        CS_TRY(eval_command(s, dot, pipe->kids.v[i], v, &v));
        v = unboxed(v);
    }
    for (size_t i = 0; i < pipe->declared.n; i++) {
        cs_slice name = cs_text(pipe->declared.v[i]->names.v[0]);
        if (pipe->assigns) {
            CS_TRY(set(s, name, v));
        } else {
            push(s, name, v);
        }
    }
    *out = v;
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ actions */

static cs_err walk_branch(state *s, cs_tmpl_value dot, const cs_tmpl_node *n)
{
    size_t mark = s->vars_n;
    cs_tmpl_value v;
    CS_TRY(eval_pipeline(s, dot, n->pipe, &v));
    if (cs_tmpl__truth(v)) {
        CS_TRY(walk(s, n->kind == CS_TMPL_N_WITH ? v : dot, n->list));
    } else if (n->other) {
        CS_TRY(walk(s, dot, n->other));
    }
    s->vars_n = mark;
    return CS_OK;
}

static cs_err one_turn(state *s, const cs_tmpl_node *n, cs_tmpl_value index, cs_tmpl_value element)
{
    size_t mark = s->vars_n;
    const cs_tmpl_nodes *names = &n->pipe->declared;
    if (names->n && n->pipe->assigns) {
        CS_TRY(set(s, cs_text(names->v[0]->names.v[0]), names->n > 1 ? index : element));
        if (names->n > 1) {
            CS_TRY(set(s, cs_text(names->v[1]->names.v[0]), element));
        }
    } else if (names->n) {
        s->vars[s->vars_n - 1].value = element;
        if (names->n > 1) {
            s->vars[s->vars_n - 2].value = index;
        }
    }
    CS_TRY(walk(s, element, n->list));
    s->vars_n = mark;
    if (s->flow == CONTINUE) {
        s->flow = ON;
    }
    return CS_OK;
}

static cs_err turns(state *s, const cs_tmpl_node *n, cs_tmpl_value v, int64_t count)
{
    for (int64_t i = 0; i < count && s->flow == ON; i++) {
        if (v.v.kind == CS_ARRAY) {
            CS_TRY(one_turn(s, n, cs_tmpl__int(i), (cs_tmpl_value){v.v.u.items[i], true}));
        } else if (v.v.kind == CS_OBJECT) {
            cs_tmpl_value one = {.boxed = true}, key = {.boxed = false};
            key.v = cs_entry(v.v, (uint32_t)i, &one.v);
            CS_TRY(one_turn(s, n, key, one));
        } else {
            CS_TRY(one_turn(s, n, cs_tmpl__private(CS_TMPL_INVALID), cs_tmpl__int(i)));
        }
    }
    s->flow = s->flow == BREAK ? ON : s->flow;
    return CS_OK;
}

static cs_err walk_range(state *s, cs_tmpl_value dot, const cs_tmpl_node *n)
{
    size_t mark = s->vars_n;
    cs_tmpl_value v;
    CS_TRY(eval_pipeline(s, dot, n->pipe, &v));
    bool number = cs_tmpl__is(v, CS_TMPL_INT) || cs_tmpl__is(v, CS_TMPL_BYTE);
    if (number && n->pipe->declared.n > 1) {
        return wrong(s, "can't use ", value_text(s, v), " to iterate over more than one variable");
    }
    if (!number && v.v.kind != CS_ARRAY && v.v.kind != CS_OBJECT && !cs_tmpl__is(v, CS_TMPL_INVALID)) {
        return wrong(s, "range can't iterate over ", value_text(s, v), "");
    }
    int64_t count = number ? v.v.u.i : cs_tmpl__is(v, CS_TMPL_INVALID) ? 0 : (int64_t)cs_count(v.v);
    if (count > 0) {
        CS_TRY(turns(s, n, v, count));
    } else if (n->other) {
        CS_TRY(walk(s, dot, n->other));
    }
    s->vars_n = mark;
    return CS_OK;
}

static cs_err walk_template(state *s, cs_tmpl_value dot, const cs_tmpl_node *n)
{
    const cs_tmpl *t = cs_tmpl__find(s->set, n->text);
    cs_tmpl_value v;
    if (!t) {
        return wrong(s, "template ", quote(s, n->text), " not defined");
    }
    if (s->depth == DEEPEST) {
        return wrong(s, "exceeded maximum template depth (100000)", (cs_slice){"", 0}, "");
    }
    CS_TRY(eval_pipeline(s, dot, n->pipe, &v));
    size_t mark = s->vars_n, floor = s->vars_floor;
    cs_slice name = s->name;
    s->vars_floor = mark;
    push(s, CS_LIT("$"), v);
    s->name = t->name;
    s->depth++;
    CS_TRY(walk(s, v, t->root));
    s->depth--;
    s->name = name;
    s->vars_floor = floor;
    s->vars_n = mark;
    return CS_OK;
}

static cs_err walk_node(state *s, cs_tmpl_value dot, const cs_tmpl_node *n)
{
    cs_tmpl_value v;
    s->node = n;
    switch ((int)n->kind) {
    case CS_TMPL_N_TEXT:
        cs_sink__slice(s->out, n->text);
        return CS_OK;
    case CS_TMPL_N_ACTION:
        CS_TRY(eval_pipeline(s, dot, n->pipe, &v));
        s->node = n;
        return n->pipe->declared.n ? CS_OK : cs_tmpl__print_value(s->call, s->out, v.v);
    case CS_TMPL_N_IF:
    case CS_TMPL_N_WITH:
        return walk_branch(s, dot, n);
    case CS_TMPL_N_RANGE:
        return walk_range(s, dot, n);
    case CS_TMPL_N_TEMPLATE:
        return walk_template(s, dot, n);
    case CS_TMPL_N_BREAK:
        s->flow = BREAK;
        return CS_OK;
    case CS_TMPL_N_CONTINUE:
        s->flow = CONTINUE;
        return CS_OK;
    default:
        break;
    }
    for (size_t i = 0; i < n->kids.n && s->flow == ON; i++) {
        CS_TRY(walk(s, dot, n->kids.v[i]));
    }
    return CS_OK;
}

static cs_err walk(state *s, cs_tmpl_value dot, const cs_tmpl_node *n)
{
    if (++s->steps > MOST_STEPS || cs_arena_exceeded(s->call->arena)) {
        return cs_call__limit_error(s->call, s->steps > MOST_STEPS ? "eval_instructions" : "eval_memory");
    }
    if (s->out->full) {
        return cs_call__limit_error(s->call, "string_bytes");
    }
    return walk_node(s, dot, n);
}

cs_err cs_tmpl__execute(cs_call *call, const cs_tmpl_set *set_of, cs_value data, cs_sink *out)
{
    const cs_tmpl *t = cs_tmpl__find(set_of, CS_LIT("template"));
    state s = {.call = call, .set = set_of, .out = out, .name = t->name, .node = t->root};
    cs_tmpl_value dot = {data, false};
    push(&s, CS_LIT("$"), dot);
    return walk(&s, dot, t->root);
}
