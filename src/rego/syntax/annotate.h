/* # METADATA blocks (v1/ast/annotations.go): YAML in comments right above a package or a rule.
 * Everything lives in the arena of the compilation. */
#ifndef CS_REGO_SYNTAX_ANNOTATE_H
#define CS_REGO_SYNTAX_ANNOTATE_H

#include "rego/syntax/ast.h"

struct cs_annotation {
    cs_loc loc;       /* of the line # METADATA */
    uint32_t end_row; /* of the last line of the block */
    cs_slice scope;   /* "rule", "document", "package" or "subpackages" */
    bool entrypoint;
    /* As OPA's AST JSON shows it: scope, title, description, entrypoint, organizations, related_resources, authors,
     * schemas, compile, custom, labels; what was not written is not there. */
    cs_value document;
    cs_value placed; /* an object: schemas and compile once more, their terms with places in the field's text */
};

/* A field of `document`, or undefined. */
cs_value cs_annotation_get(const cs_annotation *annotation, const char *field);

#endif
