/* What the files share that make the typed configuration out of the checked tree. */
#ifndef CS_CONFIG_FILL_H
#define CS_CONFIG_FILL_H

#include "config/internal.h"

/* ---- look.c: options by their row's path; `item` stands for its '*' */
typedef struct cs_config__filler {
    cs_config *config;
    const cs_node *root;
    cs_config_report *report;
    const cs_node *item; /* the node that '*' stands for */
} cs_config__filler;

/* NULL if it is not there, or null. */
const cs_node *cs_config__find(const cs_config__filler *f, const char *path);
bool cs_config__is_given(const cs_config__filler *f, const char *path);
/* What was said, else the default. */
cs_slice cs_config__text(const cs_config__filler *f, const char *path);
bool cs_config__boolean(const cs_config__filler *f, const char *path);
int64_t cs_config__integer(const cs_config__filler *f, const char *path); /* 0 where there is no default */
int64_t cs_config__duration(const cs_config__filler *f, const char *path);
const cs_slice *cs_config__list(const cs_config__filler *f, const char *path, size_t *n);
cs_value cs_config__document(const cs_config__filler *f, const char *path); /* {} without one */
bool cs_config__configured(const cs_config__filler *f, const char *section);
/* The items of a section that are named by the user. */
const cs_node *cs_config__items(const cs_config__filler *f, const char *section, size_t *n);

/* ---- fill_management.c */
/* What is wrong with a trigger, as OPA says it; NULL = nothing. */
const char *cs_config__trigger_fault(const cs_config__filler *f, const char *path, bool immediate);
void cs_config__fill_services(cs_config__filler *f); /* after the keys: what signs is looked for among them */
/* fill_bundles.c, after the services */
void cs_config__fill_bundles(cs_config__filler *f);
void cs_config__fill_discovery(cs_config__filler *f);
void cs_config__fill_status(cs_config__filler *f);
void cs_config__fill_decision_logs(cs_config__filler *f);
void cs_config__check_plugins(cs_config__filler *f);

#endif
