/* The canonical layout of a module, as OPA's (v1/format). What the formatter needs of the text besides the tree (line
 * breaks, raw strings, comments) it takes from the places of the nodes, so the tree must come straight from the parser.
 * The tree is changed on the way. */
#ifndef CS_REGO_FORMAT_FORMAT_H
#define CS_REGO_FORMAT_FORMAT_H

#include "countersign/base/buf.h"
#include "countersign/rego.h"
#include "rego/syntax/ast.h"

typedef struct cs_layout {
    bool v1;              /* the result must be readable as v1 */
    bool v0;              /* and (or) as v0 */
    bool drop_imports;    /* of rego.v1 and future.keywords, where they are not needed */
    bool quote_keywords;  /* x["not"], not x.not */
    bool made;            /* by partial evaluation: what the compiler has made anew has no place */
    bool stop_at_changes; /* end when the result cannot be m->source.text */
} cs_layout;

typedef enum cs_layout_result { CS_LAYOUT_DONE, CS_LAYOUT_CHANGES, CS_LAYOUT_FAILED } cs_layout_result;

/* Appends to *out. Names made on the way go to `ast`. CS_LAYOUT_FAILED has its reasons in *errors. */
CS_MUST_CHECK cs_layout_result cs_layout_module(cs_ast *ast, cs_module *m, const cs_layout *layout, cs_buf *out,
                                                cs_errors *errors);

/* What v1 forbids and formatting cannot mend: imports that shadow each other, rules and variables named as the root
 * documents, deprecated built-ins, keywords as names of rules. */
CS_MUST_CHECK cs_err cs_layout_check_v1(const cs_module *m, cs_errors *errors);

#endif
