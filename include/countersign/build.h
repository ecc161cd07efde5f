/* What becomes of a bundle's modules when it is built: they are checked, optimised (partially evaluated from the
 * entrypoints on) if that is asked for, and laid out. As OPA's `build`, to the text of every module.
 *
 *   cs_build *b = cs_build_new(&options);
 *   cs_build_add(b, &module, &errors);                 for each of the bundle's, in the order of the bundle
 *   cs_build_add_entrypoint(b, CS_LIT("a/allow"));     for each that was named
 *   cs_build_annotated(b);                              and those that annotations name
 *   cs_build_run(b, data, roots, n_roots, &errors, &e);
 *   for (i…) cs_build_module(b, i, &name, &text, &errors);
 *
 * One thread at a time. Texts and values that are handed in must live until cs_build_free. */
#ifndef CS_BUILD_H
#define CS_BUILD_H

#include "countersign/rego.h"

typedef struct cs_build cs_build;

typedef struct cs_build_options {
    const cs_capabilities *capabilities; /* as in cs_policy_options */
    int rego_version;                    /* of the modules that are made: 0 or 1 */
    int64_t optimize;     /* 0 or less = not at all, 1 = rules stay apart, 2 and more = they are inlined */
    cs_slice name_space;  /* package of rules that stand in no package; "" = "partial" */
    bool allow_undefined; /* of functions: calls of those that there are not are no errors */
    bool keep_print;      /* calls of print stay in what is compiled; by default they are erased */
    /* Told what is done, a line each without its line feed; may be NULL. */
    void (*debug)(void *self, const char *line);
    void *debug_self;
} cs_build_options;

typedef struct cs_build_source {
    cs_slice name; /* under which the module is kept: it decides the order, and an optimised build keeps it */
    cs_slice file; /* as errors name it */
    cs_slice text;
    int rego_version; /* 0, 1 or 2 */
} cs_build_source;

cs_build *cs_build_new(const cs_build_options *options); /* the options are copied */
void cs_build_free(cs_build *build);                     /* NULL is fine */

/* Parses one module. What is wrong with it is in *errors, which are its own then. */
CS_MUST_CHECK cs_err cs_build_add(cs_build *build, const cs_build_source *source, cs_errors *errors);
/* "a/allow". One that is there already is left out. The text must live as long as the build. */
void cs_build_add_entrypoint(cs_build *build, cs_slice path);
/* Adds the entrypoints that annotations of documents and packages say (`entrypoint: true`). */
void cs_build_annotated(cs_build *build);
size_t cs_build_entrypoint_count(const cs_build *build);

/* Compiles the modules, or optimises them from one entrypoint after the other. `roots` are those of the bundle. What
 * the compiler refuses is in *errors (then *e is left alone), anything else in *e. */
CS_MUST_CHECK cs_err cs_build_run(cs_build *build, cs_value data, const cs_slice *roots, size_t n_roots,
                                  cs_errors *errors, cs_error *e);

/* ---- plans: the entrypoints in OPA's intermediate representation (src/rego/ir) */
typedef struct cs_build_plan_options {
    bool proto;     /* plan.pb rather than plan.json */
    bool prune;     /* leave out the rules that depend on an entrypoint; by default they are entrypoints as well */
    bool unplanned; /* list the rules that nothing has reached */
} cs_build_plan_options;

/* Appends the plan of what cs_build_run has left. What the compiler refuses is in *errors, anything else in *e. */
CS_MUST_CHECK cs_err cs_build_plan(cs_build *build, const cs_build_plan_options *options, cs_buf *out,
                                   cs_errors *errors, cs_error *e);

/* ---- what `inspect` tells of the modules that were added */
/* What OPA calls the required capabilities: {"builtins", "future_keywords"?, "features"}. Compiles copies. Made in `a`;
 * its objects have their keys in OPA's order. */
CS_MUST_CHECK cs_err cs_build_required(cs_build *build, cs_arena *a, cs_value *out, cs_errors *errors, cs_error *e);
/* Every annotation, by the path of what it is about. */
typedef struct cs_build_annotation {
    cs_value fields; /* as OPA's JSON has them */
    cs_value terms;  /* the path, as OPA's JSON of a ref */
    cs_slice file;   /* of the rule or the package */
    uint32_t row, col;
    cs_slice path, package, rule; /* texts of refs without `data`; "" without a rule */
} cs_build_annotation;
cs_build_annotation *cs_build_annotations(cs_build *build, cs_arena *a, size_t *n);

/* The modules as they are now: those that were added, or those that optimising has left and made, by name. */
size_t cs_build_module_count(const cs_build *build);
/* Name (lives with the build) and laid out text (appended) of module i. */
CS_MUST_CHECK cs_err cs_build_module(cs_build *build, size_t i, cs_slice *name, cs_buf *text, cs_errors *errors);

#endif
