/* What building and optimising share. */
#ifndef CS_REGO_BUILD_H
#define CS_REGO_BUILD_H

#include "countersign/base/vec.h"
#include "countersign/build.h"
#include "rego/compile/names.h"

typedef struct cs_build_piece {
    cs_slice name;
    cs_module *module; /* as parsed or made; compiling goes by a copy */
    bool as_text;      /* laid out from its text; otherwise from the tree, which has been changed */
} cs_build_piece;

typedef CS_VEC(cs_build_piece) cs_build_pieces;

struct cs_build {
    cs_arena arena;
    cs_ast ast;
    cs_build_options options;
    cs_build_pieces pieces;
    CS_VEC(cs_term *) entrypoints; /* refs */
    CS_VEC(cs_slice) names;        /* of the entrypoints, as they were given */
    cs_compiled *compiled;         /* the modules as they are now, if they have been compiled; NULL: not yet */
};

/* An entrypoint under a name, unless the ref is one already. */
void cs_build__add_entrypoint(cs_build *b, cs_term *ref, cs_slice name);

/* A copy whose names are those of the build and whose nodes nobody else holds: compiling and layout change trees. */
cs_module *cs_build__copy(cs_build *b, const cs_module *m);
/* Compiles copies of all modules. */
CS_MUST_CHECK cs_err cs_build__compile(cs_build *b, cs_compiled **out, cs_errors *errors, cs_error *e);
void cs_build__debug(const cs_build *b, const char *format, ...) CS_PRINTF(2, 3);
/* A path as entrypoints are named: "a/b%2Fc". */
cs_slice cs_build__path_name(cs_build *b, const cs_term *ref);
/* data.<package>.<head> of a rule. */
cs_term *cs_build__rule_ref(cs_build *b, const cs_rule *r);
CS_MUST_CHECK cs_err cs_build__optimize(cs_build *b, cs_value data, const cs_slice *roots, size_t n_roots,
                                        cs_errors *errors, cs_error *e);

/* ---- merge.c */
/* Puts the modules that were made in front of those that are there, and takes from these the rules that were replaced.
 */
void cs_build__merge(cs_build *b, const cs_build_pieces *made);

#endif
