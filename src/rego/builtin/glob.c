/* glob.match: the patterns of gobwas/glob, compiled to a small nondeterministic automaton whose states are followed all
 * at once, so that no pattern takes longer than its length times the text's. */
#include "countersign/base/utf8.h"
#include "countersign/base/vec.h"
#include "rego/builtin/cache.h"
#include "rego/builtin/internal.h"

typedef enum op {
    OP_RUNE,  /* one character, `rune` */
    OP_ONE,   /* ?: one character that is no delimiter */
    OP_CLASS, /* [abc], [!a-z] */
    OP_STAR,  /* stays for every character that is no delimiter, or goes on */
    OP_SUPER, /* stays for every character, or goes on */
    OP_SPLIT, /* goes on, and to `to` */
    OP_JUMP,  /* to `to` */
    OP_END
} op;

typedef struct state {
    op op;
    uint32_t rune; /* RUNE; CLASS: index of the first range */
    uint32_t to;   /* SPLIT, JUMP; CLASS: how many ranges */
    bool not ;     /* CLASS */
} state;

typedef struct range {
    uint32_t low, high;
} range;

typedef struct glob {
    CS_VEC(state) states;
    CS_VEC(range) ranges;
    CS_VEC(uint32_t) delimiters;
    /* Literal text, a star, literal text: no automaton needed. `simple` also covers text alone (star OP_END). */
    bool simple;
    op star;
    size_t head_n; /* bytes of the pattern's text in front of the star */
    char *text;    /* head and tail */
    size_t text_n;
} glob;

static void free_glob(void *object)
{
    glob *g = object;
    CS_VEC_FREE(&g->states);
    CS_VEC_FREE(&g->ranges);
    CS_VEC_FREE(&g->delimiters);
    cs_free(g->text);
    cs_free(g);
}

/* ------------------------------------------------------------------------------------------------ compiling */

/* An open brace: the split in front of the current alternative, and the jumps at the ends of those before, linked by
 * `to`. */
typedef struct group {
    uint32_t split;
    uint32_t jumps; /* 0 = none */
} group;

typedef struct parser {
    cs_call *call;
    cs_slice text;
    size_t at;
    glob *g;
    CS_VEC(group) groups;
} parser;

static cs_err syntax_error(parser *p, const char *reason)
{
    return cs_call_error(p->call, "glob: syntax error at %zu: %s", p->at, reason);
}

#define END_OF_TEXT UINT32_MAX

static uint32_t read_rune(parser *p)
{
    if (p->at >= p->text.n) {
        return END_OF_TEXT;
    }
    size_t width;
    uint32_t r = cs_utf8_decode(p->text.p + p->at, p->text.n - p->at, &width);
    p->at += width;
    return r;
}

static uint32_t emit(parser *p, state s)
{
    CS_VEC_PUSH(&p->g->states, s);
    return (uint32_t)p->g->states.n - 1;
}

static uint32_t here(const parser *p)
{
    return (uint32_t)p->g->states.n;
}

/* "a-z", or characters with escapes, up to the bracket; the range or ranges are added to the glob. */
static cs_err class_body(parser *p, uint32_t first)
{
    size_t before = p->at;
    if (p->at < p->text.n && p->text.p[p->at] == '-') {
        p->at++;
        uint32_t high = read_rune(p);
        if (high == END_OF_TEXT) {
            return syntax_error(p, "unexpected end of input");
        }
        CS_VEC_PUSH(&p->g->ranges, ((range){first, high}));
        return CS_OK;
    }
    bool escaped = false;
    for (uint32_t r = first;; before = p->at, r = read_rune(p)) {
        if (r == END_OF_TEXT) {
            return escaped ? syntax_error(p, "trailing backslash") : CS_OK;
        }
        if (!escaped && r == ']') {
            p->at = before;
            return CS_OK;
        }
        if (!escaped && r == '\\') {
            escaped = true;
            continue;
        }
        escaped = false;
        CS_VEC_PUSH(&p->g->ranges, ((range){r, r}));
    }
}

/* Behind '['. */
static cs_err class(parser *p)
{
    state s = {.op = OP_CLASS, .rune = (uint32_t)p->g->ranges.n};
    size_t start = p->at;
    uint32_t first = read_rune(p);
    if (first == '!') {
        s.not = true;
        start = p->at;
        first = read_rune(p);
    }
    if (first == END_OF_TEXT) {
        return syntax_error(p, "unexpected end of input");
    }
    bool between = p->at < p->text.n && p->text.p[p->at] == '-';
    if (first == ']' && !between) {
        p->at = start; /* nothing in it */
    } else {
        CS_TRY(class_body(p, first));
    }
    uint32_t close = read_rune(p);
    if (close == END_OF_TEXT) {
        return syntax_error(p, "unexpected end of input");
    }
    if (close != ']') {
        return syntax_error(p, "expected close range character");
    }
    s.to = (uint32_t)p->g->ranges.n - s.rune;
    if (s.to == 0) {
        return syntax_error(p, "could not parse range");
    }
    if (between && p->g->ranges.v[s.rune].high < p->g->ranges.v[s.rune].low) {
        return syntax_error(p, "range hi character is less than lo");
    }
    emit(p, s);
    return CS_OK;
}

static void open_group(parser *p)
{
    CS_VEC_PUSH(&p->groups, ((group){emit(p, (state){.op = OP_SPLIT}), 0}));
}

static void next_alternative(parser *p)
{
    group *g = &p->groups.v[p->groups.n - 1];
    g->jumps = emit(p, (state){.op = OP_JUMP, .to = g->jumps});
    p->g->states.v[g->split].to = here(p);
    g->split = emit(p, (state){.op = OP_SPLIT});
}

static void close_group(parser *p)
{
    group *g = &p->groups.v[--p->groups.n];
    p->g->states.v[g->split].op = OP_JUMP; /* the last alternative: straight on */
    p->g->states.v[g->split].to = g->split + 1;
    for (uint32_t jump = g->jumps; jump;) {
        uint32_t next = p->g->states.v[jump].to;
        p->g->states.v[jump].to = here(p);
        jump = next;
    }
}

static cs_err token(parser *p, uint32_t r)
{
    bool in_group = p->groups.n > 0;
    if (r == '{') {
        open_group(p);
    } else if (r == ',' && in_group) {
        next_alternative(p);
    } else if (r == '}' && in_group) {
        close_group(p);
    } else if (r == '[') {
        return class(p);
    } else if (r == '?') {
        emit(p, (state){.op = OP_ONE});
    } else if (r == '*') {
        bool super = p->at < p->text.n && p->text.p[p->at] == '*';
        p->at += super;
        emit(p, (state){.op = super ? OP_SUPER : OP_STAR});
    } else {
        if (r == '\\') {
            r = read_rune(p);
            if (r == END_OF_TEXT) {
                return syntax_error(p, "trailing backslash");
            }
        }
        emit(p, (state){.op = OP_RUNE, .rune = r});
    }
    return CS_OK;
}

static cs_err parse(parser *p)
{
    for (uint32_t r; (r = read_rune(p)) != END_OF_TEXT;) {
        CS_TRY(token(p, r));
    }
    if (p->groups.n) {
        return syntax_error(p, "unclosed `{`");
    }
    emit(p, (state){.op = OP_END});
    return CS_OK;
}

/* Is it text with at most one star in it? */
static void find_shape(glob *g)
{
    g->star = OP_END;
    g->text = cs_alloc(g->states.n * 4 + 1);
    for (size_t i = 0; i + 1 < g->states.n; i++) {
        const state *s = &g->states.v[i];
        if (s->op == OP_RUNE) {
            g->text_n += cs_utf8_encode(s->rune, g->text + g->text_n);
        } else if ((s->op == OP_STAR || s->op == OP_SUPER) && g->star == OP_END) {
            g->star = s->op == OP_STAR && g->delimiters.n ? OP_STAR : OP_SUPER;
            g->head_n = g->text_n;
        } else {
            return;
        }
    }
    g->head_n = g->star == OP_END ? g->text_n : g->head_n;
    g->simple = true;
}

/* What a compilation needs beyond the key: the key has both, but not where one ends. */
typedef struct source {
    cs_call *call;
    cs_slice pattern;
    const uint32_t *delimiters;
    size_t n_delimiters;
} source;

static cs_err compile(void *context, cs_slice key, void **object)
{
    (void)key;
    source *s = context;
    glob *g = cs_zalloc(sizeof *g);
    for (size_t i = 0; i < s->n_delimiters; i++) {
        CS_VEC_PUSH(&g->delimiters, s->delimiters[i]);
    }
    parser p = {.call = s->call, .text = s->pattern, .g = g};
    cs_err err = parse(&p);
    CS_VEC_FREE(&p.groups);
    if (err != CS_OK) {
        free_glob(g);
        return err;
    }
    find_shape(g);
    *object = g;
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ matching */

static bool is_delimiter(const glob *g, uint32_t r)
{
    for (size_t i = 0; i < g->delimiters.n; i++) {
        if (g->delimiters.v[i] == r) {
            return true;
        }
    }
    return false;
}

static bool has_delimiter(const glob *g, cs_slice s)
{
    for (size_t i = 0, width; i < s.n; i += width) {
        if (is_delimiter(g, cs_utf8_decode(s.p + i, s.n - i, &width))) {
            return true;
        }
    }
    return false;
}

static bool match_simple(const glob *g, cs_slice s)
{
    cs_slice head = {g->text, g->head_n}, tail = {g->text + g->head_n, g->text_n - g->head_n};
    if (g->star == OP_END) {
        return cs_slice_eq(s, head);
    }
    return s.n >= g->text_n && cs_slice_starts(s, head) && cs_slice_ends(s, tail) &&
           (g->star == OP_SUPER || !has_delimiter(g, cs_slice_sub(s, head.n, s.n - tail.n)));
}

static bool in_class(const glob *g, const state *s, uint32_t r)
{
    for (uint32_t i = 0; i < s->to; i++) {
        const range *c = &g->ranges.v[s->rune + i];
        if (r >= c->low && r <= c->high) {
            return !s->not ;
        }
    }
    return s->not ;
}

/* A set of states in the order in which they came. */
typedef struct active {
    uint32_t *list;
    uint32_t *seen; /* by state: step + 1 at which it was added */
    uint32_t n;
} active;

/* Adds a state and all that it leads to without a character. */
static void add(const glob *g, active *a, uint32_t step, uint32_t first, uint32_t *stack)
{
    uint32_t n = 0;
    stack[n++] = first;
    while (n) {
        uint32_t at = stack[--n];
        if (a->seen[at] == step) {
            continue;
        }
        a->seen[at] = step;
        const state *s = &g->states.v[at];
        if (s->op == OP_SPLIT) {
            stack[n++] = s->to;
            stack[n++] = at + 1;
        } else if (s->op == OP_JUMP) {
            stack[n++] = s->to;
        } else {
            a->list[a->n++] = at;
            if (s->op == OP_STAR || s->op == OP_SUPER) {
                stack[n++] = at + 1;
            }
        }
    }
}

static bool consumes(const glob *g, const state *s, uint32_t r)
{
    switch (s->op) {
    case OP_RUNE:
        return s->rune == r;
    case OP_CLASS:
        return in_class(g, s, r);
    case OP_ONE:
    case OP_STAR:
        return !is_delimiter(g, r);
    case OP_SUPER:
        return true;
    case OP_SPLIT:
    case OP_JUMP:
    case OP_END:
        break;
    }
    return false;
}

static cs_err match(cs_call *call, const glob *g, cs_slice s, bool *out)
{
    size_t n = g->states.n;
    uint32_t *room = cs_arena_alloc(call->arena, (n * 5 + 2) * sizeof *room);
    uint32_t *stack = room + n * 3; /* a state is expanded once and pushes two at most */
    active now = {room, room + n * 2, 0}, next = {room + n, room + n * 2, 0};
    memset(now.seen, 0, n * sizeof *now.seen);
    uint64_t work = 0;
    uint32_t step = 1;
    add(g, &now, step, 0, stack);
    for (size_t i = 0, width; i < s.n && now.n; i += width) {
        uint32_t r = cs_utf8_decode(s.p + i, s.n - i, &width);
        next.n = 0;
        step++;
        for (uint32_t k = 0; k < now.n; k++) {
            const state *at = &g->states.v[now.list[k]];
            if (consumes(g, at, r)) {
                bool stays = at->op == OP_STAR || at->op == OP_SUPER;
                add(g, &next, step, now.list[k] + !stays, stack);
            }
        }
        work += now.n;
        if (work > cs_limits_get()->range_items * 100) {
            return cs_call__limit_error(call, "range_items");
        }
        active swap = now;
        now = next;
        next = swap;
    }
    *out = false;
    for (uint32_t k = 0; k < now.n; k++) {
        *out = *out || g->states.v[now.list[k]].op == OP_END;
    }
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ the functions */

/* The second operand: null is none, [] is ".". */
static cs_err read_delimiters(cs_call *call, const uint32_t **out, size_t *n)
{
    static const uint32_t dot = '.';
    cs_value v = call->args[1];
    *out = &dot;
    *n = v.kind == CS_NULL ? 0 : 1;
    if (v.kind == CS_NULL || (v.kind == CS_ARRAY && v.n == 0)) {
        return CS_OK;
    }
    if (v.kind != CS_ARRAY) {
        return cs_call_type_error(call, 2, "array, null");
    }
    uint32_t *list = cs_arena_alloc(call->arena, v.n * sizeof *list);
    for (uint32_t i = 0; i < v.n; i++) {
        cs_value item = v.u.items[i];
        size_t width = 0;
        if (item.kind != CS_STRING) {
            return cs_call__element_error(call, 2, v, item, "string");
        }
        list[i] = item.n ? cs_utf8_decode(item.u.s, item.n, &width) : 0;
        if (item.n == 0 || width != item.n) {
            return cs_call__element_error(call, 2, v, item, "rune");
        }
    }
    *out = list;
    *n = v.n;
    return CS_OK;
}

cs_err cs_builtin__glob_match(cs_call *call, cs_value *out)
{
    source s = {.call = call};
    cs_slice text, key;
    CS_TRY(cs_call_string(call, 1, &s.pattern));
    CS_TRY(read_delimiters(call, &s.delimiters, &s.n_delimiters));
    CS_TRY(cs_call_string(call, 3, &text));
    cs_sink id;
    cs_sink__init(&id, call);
    cs_sink__slice(&id, s.pattern);
    cs_sink__byte(&id, '\xFF'); /* in no valid text */
    for (size_t i = 0; i < s.n_delimiters; i++) {
        cs_sink__rune(&id, s.delimiters[i]);
    }
    if (id.full) {
        return cs_call__limit_error(call, "string_bytes");
    }
    key = cs_slice_make(id.p, id.n);
    void *object;
    CS_TRY(cs_cache__get(CS_CACHED_GLOB, key, compile, &s, free_glob, &object));
    const glob *g = object;
    bool matched = g->simple && match_simple(g, text);
    if (!g->simple) {
        CS_TRY(match(call, g, text, &matched));
    }
    return cs_call__give(out, cs_bool(matched));
}

cs_err cs_builtin__glob_quote_meta(cs_call *call, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    cs_sink text;
    cs_sink__init(&text, call);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] && strchr("*?\\[]{}", s.p[i])) {
            cs_sink__byte(&text, '\\');
        }
        cs_sink__byte(&text, s.p[i]);
    }
    return cs_sink__done(&text, out);
}
