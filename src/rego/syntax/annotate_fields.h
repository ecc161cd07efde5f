/* The fields of a # METADATA block; private to annotate*.c. */
#ifndef CS_REGO_SYNTAX_ANNOTATE_FIELDS_H
#define CS_REGO_SYNTAX_ANNOTATE_FIELDS_H

#include "rego/syntax/annotate.h"
#include "rego/syntax/internal.h"

typedef struct cs_annotate_problem {
    const char *text;
    bool yaml; /* the YAML itself is wrong: the text may name one of its lines */
} cs_annotate_problem;

/* From YAML into out->document, ->scope, ->entrypoint. */
bool cs_annotate__fields(cs_parser *p, cs_slice yaml, cs_annotation *out, cs_annotate_problem *problem);

#endif
