/* Text to syntax tree. Errors are OPA's (codes, texts, caret lines), all of them up to the limit, in `errors`.
 * Bounded by the limits rego_bytes and rego_depth; any bytes at all are safe to parse. */
#ifndef CS_REGO_SYNTAX_PARSE_H
#define CS_REGO_SYNTAX_PARSE_H

#include "countersign/rego.h"
#include "rego/syntax/ast.h"

typedef struct cs_parse_options {
    cs_rego_version version; /* CS_REGO_V1 unless told otherwise */
    uint32_t index;          /* of the module among its compilation's */
    bool annotations;        /* parse # METADATA blocks */
    bool rules;              /* a query's text is tried as rules as well: other errors, and "expected body but got" */
    bool templates;          /* template strings are allowed in v0 too */
    bool no_templates;       /* they are errors in every version */
    unsigned words;          /* keywords that imports from outside add (cs_parse_imports) */
    const cs_capabilities *capabilities; /* features and keywords of the language; NULL = all of the version's */
    bool (*is_builtin)(
        cs_slice name); /* a built-in's name cannot be declared as a rule `f(x)`; NULL = only operators are known */
} cs_parse_options;

/* `text` must live as long as ast->arena. */
CS_MUST_CHECK cs_err cs_parse_module(cs_ast *ast, cs_slice file, cs_slice text, const cs_parse_options *options,
                                     cs_module **out, cs_errors *errors);
/* A query: statements without a package. Locations have an empty file. */
CS_MUST_CHECK cs_err cs_parse_query(cs_ast *ast, cs_slice text, const cs_parse_options *options, cs_body *out,
                                    cs_errors *errors);
/* Lines of imports, as a query gets them from outside; *words is for cs_parse_options.words. */
CS_MUST_CHECK cs_err cs_parse_imports(cs_ast *ast, cs_slice text, const cs_import **out, uint32_t *n, unsigned *words,
                                      cs_errors *errors);
/* One term ("{1, 2}", "data.a[x]"), as conformance cases and --unknowns have them. */
CS_MUST_CHECK cs_err cs_parse_term(cs_ast *ast, cs_slice text, cs_term **out, cs_errors *errors);

/* OPA's AST JSON of a module (GET /v1/policies, opa parse -f json), without locations. */
cs_value cs_module_to_json(cs_arena *a, const cs_module *m);
/* Parts of it: what traces show. */
cs_value cs_rule_to_json(cs_arena *a, const cs_rule *r);
cs_value cs_expr_to_json(cs_arena *a, const cs_expr *e);
cs_value cs_body_to_json(cs_arena *a, cs_body b);
cs_value cs_term_to_json(cs_arena *a, const cs_term *t);
/* With the place and text of every node, or without the comments. Its objects have their keys in OPA's order
 * (CS_JSON_AS_MADE). */
cs_value cs_module_to_json_with(cs_arena *a, const cs_module *m, bool places, bool comments);

#endif
