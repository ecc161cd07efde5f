/* What the files of config/ share: the tree of what was written, with lines, and the rows of options.def. */
#ifndef CS_CONFIG_INTERNAL_H
#define CS_CONFIG_INTERNAL_H

#include "countersign/base/vec.h"
#include "countersign/config.h"

/* ---- the tree */
typedef enum cs_node_kind { CS_NODE_SCALAR, CS_NODE_LIST, CS_NODE_MAP } cs_node_kind;

typedef struct cs_node cs_node;
typedef struct cs_node_member {
    cs_slice key; /* "" in a list */
    cs_node *node;
} cs_node_member;

struct cs_node {
    cs_node_kind kind;
    cs_value scalar; /* null, boolean, number or string */
    cs_slice file;
    uint32_t line;
    CS_VEC(cs_node_member) members;
};

cs_node *cs_config__node(cs_arena *a, cs_node_kind kind, cs_slice file, uint32_t line);
cs_node *cs_config__member(const cs_node *map, cs_slice key); /* NULL if there is none */
void cs_config__put(cs_arena *a, cs_node *map, cs_slice key, cs_node *node);
cs_value cs_config__to_value(cs_arena *a, const cs_node *node);

/* Reads a file (YAML, and so JSON) into a map node; problems go to the report. NULL on failure. */
cs_node *cs_config__read_file(cs_arena *a, const char *path, cs_config_report *report);
/* What a plain scalar means. */
cs_value cs_config__resolve(cs_arena *a, cs_slice text);
/* ${NAME} from the environment; unset names stay as they are. */
cs_slice cs_config__substitute(cs_arena *a, cs_slice text);
/* Applies one --set ("a.b=c,d[0]=e") or --set-file ("a.b=path") to the map. */
void cs_config__set(cs_arena *a, cs_node *root, const char *text, bool from_file, cs_config_report *report);

/* ---- rows */
typedef enum cs_option_type {
    CS_OPTION_BOOL,
    CS_OPTION_INT,
    CS_OPTION_STRING,
    CS_OPTION_ENUM,
    CS_OPTION_DURATION,
    CS_OPTION_LIST,
    CS_OPTION_ENUMS,
    CS_OPTION_NUMBERS,
    CS_OPTION_STRINGS,
    CS_OPTION_ANY
} cs_option_type;

enum { CS_OPTION_OPA = 1, CS_OPTION_OWN = 2, CS_OPTION_SECRET = 4, CS_OPTION_IDLE = 8 };

typedef struct cs_option {
    const char *path;
    cs_option_type type;
    const char *range, *otherwise;
    unsigned flags;
    const char *help;
} cs_option;

const cs_option *cs_config__rows(size_t *n);
const cs_option *cs_config__row(const char *path); /* NULL if there is none */
/* Every key and value against the rows. */
void cs_config__check(const cs_node *root, cs_config_report *report);
/* Puts limits.<name> into force; they have been checked. */
void cs_config__apply_limits(const cs_node *root);

void cs_config__problem(cs_config_report *report, bool warning, const cs_node *at, const char *format, ...)
    CS_PRINTF(4, 5);

/* The typed struct, from the checked tree; what no single row can tell (a service that is not there) goes to the
 * report. */
void cs_config__fill(cs_config *config, const cs_node *root, cs_config_report *report);

/* An empty one. */
cs_config *cs_config__new(void);
/* Is there such a section? */
bool cs_config__is_known(cs_slice section);
/* Is it a section of ours? */
bool cs_config__is_own(cs_slice section);

#endif
