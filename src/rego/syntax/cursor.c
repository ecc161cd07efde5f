/* The parser's place in the text: where it is, what it says when something is wrong, how it goes back. */
#include <stdarg.h>
#include <stdio.h>

#include "rego/syntax/internal.h"

/* ---- keywords */
bool cs_syntax_is_keyword(cs_slice word, cs_rego_version version)
{
    for (cs_token t = CS_TOK_PACKAGE; t <= CS_TOK_FALSE; t++) {
        if (cs_slice_is(word, cs_token__name(t))) {
            return true;
        }
    }
    unsigned bit = cs_token__word_bit(word);
    if (version == CS_REGO_V0) {
        return false;
    }
    return (bit & (version == CS_REGO_V2 ? CS_WORDS_ALL : CS_WORDS_V0)) != 0;
}

/* By the spelling of the token, as in OPA, where `|` is spelled "or". */
bool cs_parse__ref_keyword(const cs_parser *p, cs_token t)
{
    if (t == CS_TOK_IDENT || t == CS_TOK_EOF || t == CS_TOK_WHITESPACE) {
        return false;
    }
    if (p->no_keyword_refs) {
        return p->in_import && t == CS_TOK_NOT; /* no keyword there: future.keywords.not */
    }
    if (cs_token__is_keyword(t) || t == CS_TOK_AND || t == CS_TOK_OR) {
        cs_slice word = cs_slice_of(cs_token__name(t));
        return cs_syntax_is_keyword(word, p->version) || cs_lex__is_keyword_word(p, word);
    }
    return false;
}

cs_token cs_parse__peek_space(cs_parser *p)
{
    cs_parse_state saved = p->s;
    cs_parse__scan_space(p);
    cs_token t = p->s.token;
    p->s = saved;
    return t;
}

bool cs_parse__ahead_ref(cs_parser *p)
{
    if (!cs_parse__ref_keyword(p, p->s.token)) {
        return false;
    }
    cs_token after = cs_parse__peek_space(p);
    if (after != CS_TOK_DOT && after != CS_TOK_LBRACK) {
        return false;
    }
    p->s.token = CS_TOK_IDENT;
    return true;
}

/* ---- places */
cs_loc cs_parse__loc(const cs_parser *p)
{
    const cs_parse_state *s = &p->s;
    return (cs_loc){.source = p->source,
                    .offset = s->token_offset,
                    .from = s->token_offset,
                    .length = s->token_end > s->token_offset ? s->token_end - s->token_offset : 0,
                    .row = s->token_row,
                    .col = s->token_col};
}

cs_loc cs_parse__span(cs_loc from, uint32_t end)
{
    from.length = end > from.from ? end - from.from : 0;
    return from;
}

cs_loc cs_parse__span_from(cs_loc at, uint32_t from, uint32_t end)
{
    at.from = from;
    return cs_parse__span(at, end);
}

cs_slice cs_parse__text(const cs_parser *p, size_t from, size_t to)
{
    if (from > p->text.n || to > p->text.n || from > to) {
        return (cs_slice){"", 0};
    }
    return cs_slice_make(p->text.p + from, to - from);
}

/* ---- errors */
static void add_error(cs_parser *p, cs_loc loc, const char *text, bool caret)
{
    /* OPA has no limit here; ours keeps a text full of mistakes from filling the memory. */
    if (p->s.n_errors >= cs_limits_get()->rego_errors * 100) {
        return;
    }
    cs_parse_error *e = cs_arena_new(p->arena, cs_parse_error);
    e->before = p->s.errors;
    e->text = text;
    e->loc = loc;
    e->caret = caret;
    p->s.errors = e;
    p->s.n_errors++;
}

void cs_parse__give_up(cs_parser *p, const char *why)
{
    if (!p->over) {
        p->over = why;
        p->over_loc = cs_parse__loc(p);
        cs_parse__error(p, p->over_loc, "%s", why);
    }
}

/* Hints were pushed newest first. */
static void put_hints(cs_buf *out, const cs_parse_hint *h)
{
    if (h->before) {
        put_hints(out, h->before);
        cs_buf_text(out, ", ");
    }
    cs_buf_text(out, h->text);
}

static const char *with_hints(cs_parser *p, const char *text)
{
    const cs_parse_hint *hints = p->s.hints;
    if (!hints) {
        return text;
    }
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_text(&b, text);
    cs_buf_text(&b, hints->before ? " (hints: " : " (hint: ");
    put_hints(&b, hints);
    cs_buf_byte(&b, ')');
    const char *copy = cs_arena_dup(p->arena, b.p, b.n);
    cs_buf_destroy(&b);
    p->s.hints = NULL;
    return copy;
}

static const char *format_text(cs_parser *p, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static const char *format_text(cs_parser *p, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *room = cs_arena_alloc(p->arena, n < 0 ? 1 : (size_t)n + 1);
    room[0] = 0;
    if (n > 0) {
        (void)vsnprintf(room, (size_t)n + 1, format, again);
    }
    va_end(again);
    return room;
}

void cs_parse__error(cs_parser *p, cs_loc loc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = format_text(p, format, args);
    va_end(args);
    add_error(p, loc, with_hints(p, text), true);
}

void cs_parse__error_plain(cs_parser *p, cs_loc loc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = format_text(p, format, args);
    va_end(args);
    add_error(p, loc, text, false);
}

void cs_parse__hint(cs_parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cs_parse_hint *h = cs_arena_new(p->arena, cs_parse_hint);
    h->text = format_text(p, format, args);
    va_end(args);
    h->before = p->s.hints;
    p->s.hints = h;
}

void cs_parse__illegal(cs_parser *p, const char *format, ...)
{
    if (p->s.token == CS_TOK_ILLEGAL) {
        cs_parse__error(p, cs_parse__loc(p), "illegal token");
        return;
    }
    va_list args;
    va_start(args, format);
    const char *note = format_text(p, format, args);
    va_end(args);
    cs_parse__error(p, cs_parse__loc(p), "unexpected %s %s%s%s", cs_token__name(p->s.token),
                    cs_token__is_keyword(p->s.token) ? "keyword" : "token", *note ? ": " : "", note);
}

void cs_parse__illegal_token(cs_parser *p)
{
    cs_parse__illegal(p, "%s", "");
}

const char *cs_parse__printed(cs_parser *p, const cs_term *t)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_term_print(&b, t);
    const char *copy = cs_arena_dup(p->arena, b.n ? b.p : "", b.n);
    cs_buf_destroy(&b);
    return copy;
}

/* ---- depth */
static void too_deep(cs_parser *p)
{
    cs_parse__give_up(p, "max parsing recursion depth exceeded");
}

bool cs_parse__enter(cs_parser *p)
{
    if (p->depth >= p->max_depth) {
        too_deep(p);
        return false;
    }
    p->depth++;
    return true;
}

bool cs_parse__check_height(cs_parser *p, uint32_t height)
{
    if (height <= p->max_depth) {
        return true;
    }
    too_deep(p);
    return false;
}

/* ---- other keywords for a while */
void cs_parse__suspend(cs_parser *p, cs_parse_pause *pause, unsigned words)
{
    *pause = (cs_parse_pause){.state = p->s,
                              .words = p->words,
                              .memo_n = p->memo.n,
                              .memo_v = p->memo.v,
                              .memo_cap = p->memo.cap,
                              .depth = p->depth};
    p->words = words;
    p->memo.v = NULL;
    p->memo.n = p->memo.cap = 0;
}

void cs_parse__resume(cs_parser *p, cs_parse_pause *pause, bool state)
{
    CS_VEC_FREE(&p->memo);
    p->memo.v = pause->memo_v;
    p->memo.n = pause->memo_n;
    p->memo.cap = pause->memo_cap;
    p->words = pause->words;
    p->depth = pause->depth;
    if (state) {
        p->s = pause->state;
    }
}

static bool set_term_loc(void *self, cs_term *t)
{
    t->loc = *(const cs_loc *)self;
    for (uint32_t i = 0; t->kind == CS_TERM_TEMPLATE && t->u.template_string.places && i < t->u.list.n; i++) {
        t->u.template_string.places[i] = t->loc;
    }
    return true;
}

static bool set_expr_loc(void *self, cs_expr *e)
{
    e->loc = *(const cs_loc *)self;
    for (uint32_t i = 0; i < e->n_with; i++) {
        e->with[i].loc = e->loc;
    }
    return true;
}

void cs_syntax__set_loc(cs_expr *e, cs_loc loc)
{
    cs_walker w = {.self = &loc, .term = set_term_loc, .expr = set_expr_loc};
    cs_walk_expr(&w, e);
}

void cs_syntax__set_head_loc(cs_head *h, cs_loc loc)
{
    cs_walker w = {.self = &loc, .term = set_term_loc, .expr = set_expr_loc};
    h->loc = loc;
    cs_walk_term(&w, h->key);
    cs_walk_term(&w, h->value);
    for (uint32_t i = 0; i < h->args.n; i++) {
        cs_walk_term(&w, h->args.v[i]);
    }
}

cs_term *cs_parse__take(cs_parser *p, size_t mark, cs_term_kind kind, cs_loc loc)
{
    uint32_t n = (uint32_t)(p->scratch.n - mark);
    cs_term *t = cs_term_list(p->ast, kind, n ? p->scratch.v + mark : NULL, n, loc);
    p->scratch.n = mark;
    return t;
}
