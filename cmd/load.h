/* What the engine's commands (eval, test, check, bench) start from: modules and data named on the command line,
 * compiled. */
#ifndef CS_CMD_LOAD_H
#define CS_CMD_LOAD_H

#include "cmd.h"
#include "countersign/rego.h"
#include "problem.h"

/* What becomes of bundles' data. */
typedef enum cs_cmd_bundles {
    CS_CMD_ACTIVATE, /* as a server does it: bundles of one name are one, roots must not overlap, what stands at a root
                        is replaced */
    CS_CMD_MERGE,    /* into one bundle, whose roots must not overlap either */
    CS_CMD_FORGET    /* nothing; and modules of `data` count only without bundles (deps) */
} cs_cmd_bundles;

typedef struct cs_cmd_sources {
    cs_arg_list data;    /* -d: files and folders */
    cs_arg_list bundles; /* -b: bundles */
    cs_cmd_bundles how;
    const char *activating; /* CS_CMD_ACTIVATE: what stands before an error of it; NULL = nothing */
    cs_arg_list ignore;
    const cs_capabilities *capabilities; /* --capabilities; NULL = what this build has. Outlives what is loaded */
    const char *schema;                  /* --schema: a file or a folder; NULL or "" = none */
    bool v0, v1;                         /* modules are Rego v0, or v1 (which is what they are without either) */
    bool v0_v1;                          /* modules can be read as both */
    bool strict;
    bool check_only; /* as in cs_policy_options */
    bool only_rego;  /* of `data` only modules are looked at */
    cs_print print;
    cs_instrument *instrument;    /* told of the compiler's stages; NULL = nobody */
    bool test_rules, test_values; /* as in cs_policy_options */
    bool ignore_conflicts;        /* data may stand where rules are */
} cs_cmd_sources;

typedef struct cs_cmd_loaded {
    cs_arena arena; /* holds all of it */
    cs_policy *policy;
    cs_value data;
    cs_bundle_loaded *files;
    cs_bundle **bundles;
    size_t n_bundles;
    int64_t load_ns, parse_ns, compile_ns;
    bool saw_data, saw_modules, compiled; /* what there was to read; whether it came to compiling */
    /* Of a failure: the bundle that cannot be loaded (NULL: it is nothing of a bundle), and whether it is one of its
     * modules that cannot be parsed, which the list of errors tells. */
    const char *bundle;
    bool unparsed;
    cs_cmd_problems loading; /* what was wrong with the files, one by one */
} cs_cmd_loaded;

/* Loads and compiles. On failure *errors has the compiler's list, or *e the reason when errors->n is 0. */
CS_MUST_CHECK cs_err cs_cmd_load(const cs_cmd_sources *sources, cs_cmd_loaded *out, cs_errors *errors, cs_error *e);
void cs_cmd_loaded_free(cs_cmd_loaded *loaded);

/* cs_policy_options.data_exists over the document that `self` points to: is there something at the path, or on the way
 * there something that has no members? */
bool cs_cmd_data_exists(void *self, const cs_value *path, size_t n);

/* Prints the compiler's list, or the reason, as OPA does: to stderr, as text or as {"errors": […]}. `loaded` is NULL
 * when it was not files that failed. */
void cs_cmd_report(const cs_cmd_loaded *loaded, const cs_errors *errors, const cs_error *e, bool json);
/* What cs_cmd_load failed with, one by one; "loading error: …" for a bundle. */
void cs_cmd_problems_add_failure(cs_cmd_problems *problems, const cs_cmd_loaded *loaded, const cs_errors *errors,
                                 const cs_error *e);
/* The text of a failure: "bundle b: 1 error occurred: …", "1 error occurred during loading: …". */
void cs_cmd_failure_text(cs_buf *out, const cs_cmd_loaded *loaded, const cs_errors *errors, const cs_error *e);
/* A JSON value and a line feed on stdout. */
void cs_cmd_print_json(cs_value v, unsigned flags);
/* The system's clocks and the network, for http.send and the like; good until the process ends. Any thread. */
const cs_host *cs_cmd_host(void);
/* Only these hosts may be asked from now on (cs_host.allow_net); before threads use it. */
void cs_cmd_host_limit(cs_value allow_net);
/* Reads a JSON or YAML file ("-" is standard input). */
CS_MUST_CHECK cs_err cs_cmd_read_value(cs_arena *a, const char *path, cs_value *out, cs_error *e);
/* The same, whatever the file is called: what is not JSON is read as YAML. */
CS_MUST_CHECK cs_err cs_cmd_read_any(cs_arena *a, const char *path, cs_value *out, cs_error *e);

/* --schema: one file is the input's schema, the files of a folder are named by their paths. Undefined for NULL and "".
 * The result is what cs_policy_options.schemas wants. */
CS_MUST_CHECK cs_err cs_cmd_load_schemas(cs_arena *a, const char *path, cs_value *out, cs_error *e);

#endif
