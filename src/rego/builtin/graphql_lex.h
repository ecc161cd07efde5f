/* GraphQL text → tokens, and the reader that the two grammars share: one token of foresight, comments kept for the node
 * that follows them, and the first error. */
#ifndef CS_REGO_BUILTIN_GRAPHQL_LEX_H
#define CS_REGO_BUILTIN_GRAPHQL_LEX_H

#include "rego/builtin/graphql.h"

typedef enum cs_gql_token_kind {
    CS_GQL_T_INVALID,
    CS_GQL_T_EOF,
    CS_GQL_T_BANG,
    CS_GQL_T_DOLLAR,
    CS_GQL_T_AMP,
    CS_GQL_T_PAREN_L,
    CS_GQL_T_PAREN_R,
    CS_GQL_T_SPREAD,
    CS_GQL_T_COLON,
    CS_GQL_T_EQUALS,
    CS_GQL_T_AT,
    CS_GQL_T_BRACKET_L,
    CS_GQL_T_BRACKET_R,
    CS_GQL_T_BRACE_L,
    CS_GQL_T_BRACE_R,
    CS_GQL_T_PIPE,
    CS_GQL_T_NAME,
    CS_GQL_T_INT,
    CS_GQL_T_FLOAT,
    CS_GQL_T_STRING,
    CS_GQL_T_BLOCK,
    CS_GQL_T_COMMENT
} cs_gql_token_kind;

typedef struct cs_gql_token {
    cs_gql_token_kind kind;
    cs_slice text; /* of names, numbers, strings (unescaped) and comments; empty for punctuation */
    cs_gql_at at;
} cs_gql_token;

typedef struct cs_gql_lexer {
    cs_arena *arena;
    cs_slice text;
    size_t at;
    size_t column; /* code points since the line began */
    uint32_t row;
    bool prelude;
    cs_gql_error error; /* why the last token was invalid */
} cs_gql_lexer;

/* The next token; CS_GQL_T_INVALID fills l->error. At the end CS_GQL_T_EOF, again and again. */
cs_gql_token cs_gql__next_token(cs_gql_lexer *l);
/* "Name", "{", "<EOF>"… */
const char *cs_gql__kind_text(cs_gql_token_kind kind);

typedef struct cs_gql_reader {
    cs_gql_lexer lexer;
    cs_gql_error error; /* code CS_OK until something fails */
    bool peeked;
    cs_gql_token ahead;
    cs_gql_token last; /* what was consumed last */
    cs_gql_comment_group *comment;
    bool in_comment;
    uint32_t depth;
} cs_gql_reader;

static inline bool cs_gql__failed(const cs_gql_reader *r)
{
    return r->error.code != CS_OK;
}
static inline cs_arena *cs_gql__arena(cs_gql_reader *r)
{
    return r->lexer.arena;
}
cs_gql_token cs_gql__peek(cs_gql_reader *r);
cs_gql_token cs_gql__take(cs_gql_reader *r);
static inline cs_gql_at cs_gql__here(cs_gql_reader *r)
{
    return cs_gql__peek(r).at;
}
static inline bool cs_gql__is(cs_gql_reader *r, cs_gql_token_kind kind)
{
    return cs_gql__peek(r).kind == kind;
}
/* The next token's text, whatever its kind. */
static inline bool cs_gql__is_word(cs_gql_reader *r, const char *text)
{
    return cs_slice_is(cs_gql__peek(r).text, text);
}
/* Takes the token if it is of that kind. */
bool cs_gql__skip(cs_gql_reader *r, cs_gql_token_kind kind);
/* Takes a token of that kind or fails; the comments in front of it are answered. */
cs_gql_token cs_gql__expect(cs_gql_reader *r, cs_gql_token_kind kind, cs_gql_comment_group **comment);
cs_gql_comment_group *cs_gql__keyword(cs_gql_reader *r, const char *word);
cs_slice cs_gql__name(cs_gql_reader *r);
void cs_gql__unexpected(cs_gql_reader *r, cs_gql_token t);
void cs_gql__empty_list(cs_gql_reader *r);
/* Deeper by one level; false (and failed) beyond CS_GQL_DEPTH. Leave with r->depth--. */
bool cs_gql__enter(cs_gql_reader *r);

/* Reads items by `one` between two tokens. If the first is not there nothing happens; `some` wants one item at least
 * and answers the comments in front of the closing token. */
typedef void cs_gql_item(cs_gql_reader *r, void *list);
void cs_gql__many(cs_gql_reader *r, cs_gql_token_kind open, cs_gql_token_kind close, cs_gql_item *one, void *list);
cs_gql_comment_group *cs_gql__some(cs_gql_reader *r, cs_gql_token_kind open, cs_gql_token_kind close, cs_gql_item *one,
                                   void *list);

/* ---- what both grammars have (graphql_parse.c). `constant` forbids variables. */
cs_gql_value *cs_gql__value(cs_gql_reader *r, bool constant);
cs_gql_arguments cs_gql__arguments(cs_gql_reader *r, bool constant);
cs_gql_directives cs_gql__directives(cs_gql_reader *r, bool constant);
cs_gql_type *cs_gql__type_reference(cs_gql_reader *r);
cs_slice cs_gql__operation_type(cs_gql_reader *r);

#endif
