/* Go's text/template for strings.render_template: texts are taken apart into a tree (template_lex.c, template_parse.c),
 * which is then walked over Rego values (template_exec.c, template_funcs.c). */
#ifndef CS_REGO_BUILTIN_TEMPLATE_H
#define CS_REGO_BUILTIN_TEMPLATE_H

#include "rego/builtin/internal.h"

/* ---- words */
typedef enum cs_tmpl_item_kind {
    CS_TMPL_ERROR,
    CS_TMPL_BOOL,
    CS_TMPL_CHAR,
    CS_TMPL_CHAR_CONSTANT,
    CS_TMPL_COMPLEX,
    CS_TMPL_ASSIGN,
    CS_TMPL_DECLARE,
    CS_TMPL_EOF,
    CS_TMPL_FIELD,
    CS_TMPL_IDENTIFIER,
    CS_TMPL_LEFT_DELIM,
    CS_TMPL_LEFT_PAREN,
    CS_TMPL_NUMBER,
    CS_TMPL_PIPE,
    CS_TMPL_RAW_STRING,
    CS_TMPL_RIGHT_DELIM,
    CS_TMPL_RIGHT_PAREN,
    CS_TMPL_SPACE,
    CS_TMPL_STRING,
    CS_TMPL_TEXT,
    CS_TMPL_VARIABLE,
    CS_TMPL_KEYWORD, /* all after it are */
    CS_TMPL_BLOCK,
    CS_TMPL_BREAK,
    CS_TMPL_CONTINUE,
    CS_TMPL_DOT,
    CS_TMPL_DEFINE,
    CS_TMPL_ELSE,
    CS_TMPL_END,
    CS_TMPL_IF,
    CS_TMPL_NIL,
    CS_TMPL_RANGE,
    CS_TMPL_TEMPLATE,
    CS_TMPL_WITH
} cs_tmpl_item_kind;

typedef struct cs_tmpl_item {
    cs_tmpl_item_kind kind;
    size_t pos;
    cs_slice text; /* of an error: what is wrong */
    uint32_t line;
} cs_tmpl_item;

typedef struct cs_tmpl_lexer {
    cs_call *call;
    cs_slice input;
    size_t pos, start;
    uint32_t line, start_line;
    int parens;
    bool inside;
    bool at_eof;
} cs_tmpl_lexer;

void cs_tmpl__lex_init(cs_tmpl_lexer *l, cs_call *call, cs_slice input);
cs_tmpl_item cs_tmpl__lex_next(cs_tmpl_lexer *l);

/* ---- the tree */
typedef enum cs_tmpl_kind {
    CS_TMPL_N_TEXT,
    CS_TMPL_N_ACTION,
    CS_TMPL_N_IF,
    CS_TMPL_N_RANGE,
    CS_TMPL_N_WITH,
    CS_TMPL_N_TEMPLATE,
    CS_TMPL_N_BREAK,
    CS_TMPL_N_CONTINUE,
    CS_TMPL_N_LIST,
    CS_TMPL_N_PIPE,
    CS_TMPL_N_COMMAND,
    CS_TMPL_N_FIELD,
    CS_TMPL_N_CHAIN,
    CS_TMPL_N_IDENTIFIER,
    CS_TMPL_N_VARIABLE,
    CS_TMPL_N_DOT,
    CS_TMPL_N_NIL,
    CS_TMPL_N_BOOL,
    CS_TMPL_N_NUMBER,
    CS_TMPL_N_STRING,
    CS_TMPL_N_END,
    CS_TMPL_N_ELSE
} cs_tmpl_kind;

typedef struct cs_tmpl_node cs_tmpl_node;

typedef struct cs_tmpl_nodes {
    cs_tmpl_node **v;
    size_t n, cap;
} cs_tmpl_nodes;

struct cs_tmpl_node {
    cs_tmpl_kind kind;
    size_t pos;
    cs_slice text;      /* as written; of a template call its name */
    cs_slice string;    /* of a string: what it stands for */
    cs_list names;      /* of fields, chains and variables */
    cs_tmpl_nodes kids; /* of a list, a pipe (commands), a command (its words) */
    cs_tmpl_nodes declared;
    bool assigns;
    cs_tmpl_node *pipe, *list, *other; /* of actions; `other` is the else; of a chain `pipe` is its head */
    bool truth;
    bool is_int, is_uint, is_float;
    int64_t i;
    double f;
};

typedef struct cs_tmpl {
    cs_slice name;
    cs_tmpl_node *root;
} cs_tmpl;

typedef struct cs_tmpl_set {
    cs_slice text; /* of them all */
    cs_tmpl *v;
    size_t n, cap;
} cs_tmpl_set;

/* Reads the text into a set of templates; the first is "template" itself if it is there at all. */
CS_MUST_CHECK cs_err cs_tmpl__parse(cs_call *call, cs_slice text, cs_tmpl_set *out);
const cs_tmpl *cs_tmpl__find(const cs_tmpl_set *set, cs_slice name);
bool cs_tmpl__is_function(cs_slice name);
/* A node as text, for errors. */
void cs_tmpl__print(cs_sink *s, const cs_tmpl_node *n);
/* What stands in a sink, for an error; "" if it was too much. */
static inline cs_slice cs_tmpl__settle(cs_sink *s)
{
    cs_slice out;
    return cs_sink__slice_done(s, &out) == CS_OK ? out : (cs_slice){"", 0};
}
/* Go's strconv.Unquote of a string or character constant; false if it is none. */
bool cs_tmpl__unquote(cs_call *call, cs_slice text, cs_slice *out);
/* An integer in Go's syntax without a sign, with its base in front; false if it is none or too large. */
bool cs_tmpl__read_int(cs_slice s, uint64_t *out);

/* ---- values while a template runs: Rego's, and private ones for what only templates have */
enum { CS_TMPL_INVALID = 1, CS_TMPL_MISSING, CS_TMPL_INT, CS_TMPL_FLOAT, CS_TMPL_BYTE };

typedef struct cs_tmpl_value {
    cs_value v;
    bool boxed; /* came out of a map or a list: Go knows it as an interface */
} cs_tmpl_value;

cs_tmpl_value cs_tmpl__int(int64_t i);
cs_tmpl_value cs_tmpl__float(double d);
static inline cs_tmpl_value cs_tmpl__private(uint16_t what)
{
    return (cs_tmpl_value){.v = {.kind = CS_PRIVATE, .aux = what}};
}
static inline bool cs_tmpl__is(cs_tmpl_value v, uint16_t what)
{
    return v.v.kind == CS_PRIVATE && v.v.aux == what;
}
double cs_tmpl__double(cs_value v);
/* The Go type: "string", "json.Number", "interface {}". */
const char *cs_tmpl__type(cs_tmpl_value v);
bool cs_tmpl__truth(cs_tmpl_value v);
/* As fmt.Fprint has it. */
CS_MUST_CHECK cs_err cs_tmpl__print_value(cs_call *call, cs_sink *s, cs_value v);
/* Calls a function; CS_ERR_EVAL_BUILTIN with Go's words if it does not work out. */
CS_MUST_CHECK cs_err cs_tmpl__call(cs_call *call, cs_slice name, const cs_tmpl_value *args, size_t n, cs_slice callee,
                                   cs_tmpl_value *out);
/* How many arguments a function wants; *more: any number beyond. */
size_t cs_tmpl__arity(cs_slice name, bool *more);

CS_MUST_CHECK cs_err cs_tmpl__execute(cs_call *call, const cs_tmpl_set *set, cs_value data, cs_sink *out);

#endif
