/* Tokens and keywords; private to the lexer and the parser. */
#ifndef CS_REGO_SYNTAX_TOKEN_H
#define CS_REGO_SYNTAX_TOKEN_H

#include "countersign/base/slice.h"

typedef enum cs_token {
#define CS_TOKEN(name, spelling, keyword) CS_TOK_##name,
#include "rego/syntax/tokens.def"
#undef CS_TOKEN
    CS_TOK_COUNT
} cs_token;

const char *cs_token__name(cs_token t);
bool cs_token__is_keyword(cs_token t);

/* Words that are keywords by version or import. */
enum {
    CS_WORD_IN = 1,
    CS_WORD_EVERY = 2,
    CS_WORD_CONTAINS = 4,
    CS_WORD_IF = 8,
    CS_WORD_NOT = 16, /* `not` itself is always one: this bit is the new `not` over bodies */
    CS_WORD_AND = 32,
    CS_WORD_OR = 64,
    CS_WORDS_V0 = 15,
    CS_WORDS_V1 = 112,
    CS_WORDS_ALL = 127
};
/* The bit of a word, or 0. */
unsigned cs_token__word_bit(cs_slice word);

#endif
