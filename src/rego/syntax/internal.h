/* The insides of the lexer and the parser. The parser is one of recursive descent with speculation: it saves its state,
 * tries one reading, and goes back to try another. What OPA reports, in which order, follows from the order of these
 * attempts, so it is the same here. State is small and errors, hints and comments are lists that only grow at their
 * head; going back is one copy. */
#ifndef CS_REGO_SYNTAX_INTERNAL_H
#define CS_REGO_SYNTAX_INTERNAL_H

#include "countersign/base/limits.h"
#include "countersign/base/utf8.h"
#include "countersign/base/vec.h"
#include "countersign/number.h"
#include "rego/syntax/parse.h"
#include "rego/syntax/token.h"

typedef struct cs_parse_error {
    const struct cs_parse_error *before;
    const char *text;
    cs_loc loc;
    bool caret; /* with the line and a caret under the place */
} cs_parse_error;

typedef struct cs_parse_hint {
    const struct cs_parse_hint *before;
    const char *text;
} cs_parse_hint;

typedef struct cs_parse_comment {
    const struct cs_parse_comment *before;
    cs_comment comment;
} cs_parse_comment;

/* All that going back restores. */
typedef struct cs_parse_state {
    const cs_parse_error *errors;
    const cs_parse_comment *comments;
    const cs_parse_hint *hints;
    uint32_t n_errors, n_comments;
    /* the lexer: one character ahead, -1 at the end */
    size_t offset; /* after `current`; one beyond the text at the end */
    int32_t current;
    uint32_t width; /* bytes of the character last read */
    uint32_t row, col;
    /* the token at hand */
    cs_token token;
    uint32_t token_offset, token_end;
    uint32_t token_row, token_col;
    cs_slice literal;
    uint32_t last_end; /* end of the token before, white space apart */
    uint32_t wildcard; /* number of the next `_` */
    bool skipped_newline;
} cs_parse_state;

/* A term that was parsed at an offset before, and the state after it: what keeps speculation linear. */
typedef struct cs_parse_memo {
    uint32_t offset;
    cs_term *term;
    cs_parse_state after;
} cs_parse_memo;

/* How a template string goes on after an expression; ordinary tokens otherwise. */
typedef enum cs_lex_mode { CS_LEX_PLAIN, CS_LEX_TEMPLATE, CS_LEX_RAW_TEMPLATE } cs_lex_mode;

#define CS_LEX_ERRORS_MAX 16U

typedef struct cs_parser {
    cs_ast *ast;
    cs_arena *arena;
    const cs_source *source;
    cs_slice text;
    cs_rego_version version;
    bool skip_rules; /* a query */
    bool no_templates, no_keyword_refs, in_import;
    unsigned imported;                   /* CS_WORD_* that imports have turned on */
    unsigned allowed;                    /* CS_WORD_* that can be imported */
    const cs_capabilities *capabilities; /* NULL = all */
    bool (*is_builtin)(cs_slice name);
    const char *over; /* why the text is given up: nothing but its end from here on, and no other error */
    cs_loc over_loc;
    unsigned words; /* CS_WORD_* that are keywords now */
    uint32_t depth, max_depth;
    uint64_t budget; /* tokens left to read, repetitions included */
    cs_parse_state s;
    const char *lex_errors[CS_LEX_ERRORS_MAX];
    uint32_t n_lex_errors;
    CS_VEC(cs_term *) scratch;  /* lists under construction */
    CS_VEC(cs_parse_memo) memo; /* by ascending offset */
} cs_parser;

/* ---- lex.c */
void cs_lex__start(cs_parser *p);
/* Reads the next token into p->s; white space and comments are skipped (white space only if `skip_space`). */
void cs_lex__scan(cs_parser *p, bool skip_space, cs_lex_mode mode);
static inline void cs_parse__scan(cs_parser *p)
{
    cs_lex__scan(p, true, CS_LEX_PLAIN);
}
static inline void cs_parse__scan_space(cs_parser *p)
{
    cs_lex__scan(p, false, CS_LEX_PLAIN);
}
/* The text of a string literal without its quotes, escapes undone; false if an escape is bad. */
bool cs_lex__unescape(cs_arena *a, cs_slice inner, cs_slice *out);
bool cs_lex__is_keyword_word(const cs_parser *p, cs_slice word);

/* ---- language.c: what capabilities leave of the language */
/* Sets what the parser may read; NULL: all that its version has. */
void cs_language__limit(cs_parser *p, const cs_capabilities *capabilities);
/* Can the version be read with the capabilities at all? */
CS_MUST_CHECK cs_err cs_language__check(const cs_parse_options *options, cs_errors *errors);
/* May rego.v1, or rego.v2, be imported? */
bool cs_language__has_import(const cs_parser *p, bool v2);
/* The keywords that can be imported, as errors list them: "[and not or]". */
const char *cs_language__allowed(cs_parser *p);

/* ---- cursor.c */
/* A keyword that may stand in a ref ("input.if"). */
bool cs_parse__ref_keyword(const cs_parser *p, cs_token t);
/* Turns a keyword that begins a ref (followed by . or [) into an identifier. */
bool cs_parse__ahead_ref(cs_parser *p);
/* The token after the next, white space included. */
cs_token cs_parse__peek_space(cs_parser *p);
cs_loc cs_parse__loc(const cs_parser *p); /* of the token at hand */
/* `from` stretched to `end`. */
cs_loc cs_parse__span(cs_loc from, uint32_t end);
/* The place `at` with the text from..end. */
cs_loc cs_parse__span_from(cs_loc at, uint32_t from, uint32_t end);
static inline cs_loc cs_parse__span_here(const cs_parser *p, cs_loc from)
{
    return cs_parse__span(from, p->s.last_end);
}
cs_slice cs_parse__text(const cs_parser *p, size_t from, size_t to);
void cs_parse__error(cs_parser *p, cs_loc loc, const char *format, ...) CS_PRINTF(3, 4);
/* Stops for good: attempts to read the text in other ways must not hide why. */
void cs_parse__give_up(cs_parser *p, const char *why);
/* As OPA's errors that are found after parsing: no caret, no hints. */
void cs_parse__error_plain(cs_parser *p, cs_loc loc, const char *format, ...) CS_PRINTF(3, 4);
void cs_parse__hint(cs_parser *p, const char *format, ...) CS_PRINTF(2, 3);
/* "unexpected X token: note"; "" for no note. */
void cs_parse__illegal(cs_parser *p, const char *format, ...) CS_PRINTF(2, 3);
void cs_parse__illegal_token(cs_parser *p);
const char *cs_parse__printed(cs_parser *p, const cs_term *t);
bool cs_parse__enter(cs_parser *p);
static inline void cs_parse__leave(cs_parser *p)
{
    p->depth--;
}
/* False, with an error, if the term is nested too deeply. */
bool cs_parse__check_height(cs_parser *p, uint32_t height);
/* A parser on the same text that knows more (or fewer) keywords: state, memo and words are put back by
 * cs_parse__resume. */
typedef struct cs_parse_pause {
    cs_parse_state state;
    unsigned words;
    size_t memo_n;
    cs_parse_memo *memo_v;
    size_t memo_cap;
    uint32_t depth;
} cs_parse_pause;
void cs_parse__suspend(cs_parser *p, cs_parse_pause *pause, unsigned words);
/* Back to the keywords and the memo; with `state` to the state as well. */
void cs_parse__resume(cs_parser *p, cs_parse_pause *pause, bool state);

/* A list of what was pushed onto p->scratch since `mark`, which is taken off. */
cs_term *cs_parse__take(cs_parser *p, size_t mark, cs_term_kind kind, cs_loc loc);

/* ---- parse_term.c, parse_collection.c */
cs_term *cs_parse__term(cs_parser *p);
cs_term *cs_parse__infix(cs_parser *p); /* with `in`, also `k, v in xs` */
cs_term *cs_parse__infix_in_list(cs_parser *p);
cs_term *cs_parse__var(cs_parser *p);
const cs_sym *cs_parse__wildcard(cs_parser *p);
/* `from` is where the text of the ref begins: at the last token of its head. */
cs_term *cs_parse__ref(cs_parser *p, cs_term *head, uint32_t from);
cs_term *cs_parse__array(cs_parser *p);
cs_term *cs_parse__set_or_object(cs_parser *p);
/* Pushes terms up to `end` onto p->scratch. */
bool cs_parse__term_list(cs_parser *p, cs_token end);
cs_term *cs_parse__number(cs_parser *p);
cs_term *cs_parse__string(cs_parser *p);
cs_term *cs_parse__template(cs_parser *p, bool raw);

/* ---- parse_expr.c, parse_logic.c */
/* An empty result is a failure (with an error). */
cs_body cs_parse__body(cs_parser *p, cs_token end);
cs_body cs_parse__query(cs_parser *p, bool semicolons, cs_token end);
cs_expr *cs_parse__literal(cs_parser *p);
cs_expr *cs_parse__literal_expr(cs_parser *p, bool negated, const cs_loc *not_loc);
cs_expr *cs_parse__expr(cs_parser *p);
bool cs_parse__with(cs_parser *p, cs_expr *e);
bool cs_parse__is_negated(cs_parser *p);
/* An operand of `and`, `or`, `not`. */
typedef struct cs_operand {
    cs_body body;
    bool explicit_body;
    cs_loc loc;
} cs_operand;
static inline bool cs_parse__logic_on(const cs_parser *p)
{
    return (p->words & (CS_WORD_AND | CS_WORD_OR)) != 0;
}
static inline bool cs_parse__at_logic(const cs_parser *p)
{
    return p->s.token == CS_TOK_LOGICAL_AND || p->s.token == CS_TOK_LOGICAL_OR;
}
typedef enum cs_group { CS_GROUP_NONE, CS_GROUP_FAILED, CS_GROUP_DONE } cs_group;
/* A parenthesised group of operands at `(`. */
cs_group cs_parse__logic_group(cs_parser *p, bool operand, const char *prefix, cs_operand *out);
/* `{ body } and …` at `{`; CS_GROUP_NONE when it is not one. */
cs_group cs_parse__logic_braces(cs_parser *p, cs_expr **out);
/* Goes on with `and`, `or` and `with` after a finished operand. */
cs_expr *cs_parse__logic_tail(cs_parser *p, cs_operand operand);
cs_expr *cs_parse__logic_chain(cs_parser *p, cs_operand left);
cs_expr *cs_parse__not_body(cs_parser *p, cs_loc not_loc);
cs_expr *cs_parse__not_expr(cs_parser *p, cs_body body, bool explicit_body, cs_loc loc);
void cs_parse__with_on_operand(cs_parser *p, cs_loc loc, const char *word);
void cs_parse__brace_led_operand(cs_parser *p, cs_loc loc, cs_slice operand, const char *word);
void cs_syntax__expr_measure(cs_expr *e);
void cs_syntax__set_loc(cs_expr *e, cs_loc loc);      /* on everything beneath as well */
void cs_syntax__set_head_loc(cs_head *h, cs_loc loc); /* of all but the ref */

/* ---- parse_rule.c, rule_from_body.c */
/* The rules of one declaration, */
typedef struct cs_rule_list {
    cs_rule **v;
    uint32_t n;
} cs_rule_list;
bool cs_parse__rules(cs_parser *p, cs_rule_list *out);
bool cs_parse__keyword_rule_name(cs_parser *p, bool is_default);
/* A rule out of a statement that parsed as a body ("p := 1"); *why is OPA's reason when it cannot be one. */
cs_rule *cs_parse__rule_from_body(cs_parser *p, cs_body body, const char **why);
cs_body cs_parse__true_body(cs_parser *p, cs_loc loc);
cs_term *cs_parse__true(cs_parser *p, cs_loc loc);
cs_term *cs_parse__true_nowhere(cs_parser *p, cs_loc loc); /* the value of a head that has none written */

/* ---- annotate.c */
/* Parses the # METADATA blocks among the comments, then attaches them; problems become errors of the parser. */
cs_annotation *cs_annotate__parse(cs_parser *p, const cs_comment *comments, uint32_t n, uint32_t *count);
void cs_annotate__attach(cs_parser *p, cs_module *m);
cs_value cs_syntax__terms_json(cs_arena *a, cs_terms list, bool places); /* ast_json.c */
void cs_syntax__print_annotation(cs_buf *out, const cs_annotation *a);

/* ---- errors to the outside (parse_module.c) */
void cs_parse__report(const cs_parser *p, cs_errors *errors);
void cs_parse__init(cs_parser *p, cs_ast *ast, const cs_source *source, const cs_parse_options *options);
void cs_parse__destroy(cs_parser *p);

#endif
