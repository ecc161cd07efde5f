/* The engine's door: modules in, an immutable compiled policy out; queries prepared once and run many times.
 *
 *   cs_policy *policy;
 *   cs_errors errors;  cs_errors_init(&errors);
 *   cs_policy_compile(sources, n, NULL, &policy, &errors);
 *   cs_query *query;
 *   cs_query_prepare_path(policy, path, n_path, &query, &errors);
 *   cs_eval eval = {.arena = &arena, .data = data, .input = input, .host = cs_host_system()};
 *   cs_query_run(query, &eval, &result, &error);
 *
 * Lifetimes: a policy is reference-counted (not on the evaluation path) and shared by all threads; a query belongs to
 * its policy and holds a reference to it; results live in the arena of the evaluation and may point into the data and
 * the policy. Thread-safety: policies and queries are immutable and may be used by any number of threads; a cs_eval by
 * one. */
#ifndef CS_REGO_H
#define CS_REGO_H

#include "countersign/base/limits.h"
#include "countersign/capabilities.h"
#include "countersign/host.h"
#include "countersign/instrument.h"
#include "countersign/value.h"

/* ---- error lists */
typedef struct cs_errors_item {
    cs_err code;
    cs_slice file; /* "" without one */
    uint32_t row, col;
    cs_slice text;         /* may have several lines */
    cs_slice details;      /* the caret lines and the like, lines separated by \n; "" without */
    cs_slice details_json; /* "" without */
    cs_slice source;       /* the text at fault, as far as OPA's locations tell; "" without */
} cs_errors_item;

typedef struct cs_errors {
    cs_arena arena; /* holds the texts */
    cs_errors_item *v;
    size_t n, cap;
} cs_errors;

void cs_errors_init(cs_errors *errors);
void cs_errors_destroy(cs_errors *errors);
void cs_errors_clear(cs_errors *errors);
/* Copies everything. Returns code. */
cs_err cs_errors_add(cs_errors *errors, cs_err code, cs_slice file, uint32_t row, uint32_t col, cs_slice details,
                     const char *format, ...) __attribute__((format(printf, 7, 8)));
/* Gives the error added last the JSON text (copied) of its details, as OPA's JSON has them. Without it the details of a
 * parse error are {"line", "idx"} and those of others are left out. */
void cs_errors_set_details_json(cs_errors *errors, cs_slice json);
/* Gives the error added last the text at fault (copied). */
void cs_errors_set_source(cs_errors *errors, cs_slice text);
/* By file, row, col, as OPA sorts them; stable. */
void cs_errors_sort(cs_errors *errors);
/* "1 error occurred: f.rego:3: rego_type_error: …" / "2 errors occurred:\n…", as OPA prints a list. */
void cs_errors_print(cs_buf *out, const cs_errors *errors);
/* Only the lines under one error, each after a line feed and a tab: what there is of details. */
void cs_errors_print_details(cs_buf *out, const cs_errors_item *e);
/* OPA's JSON: [{code, message, location:{file,row,col}, details?}] */
cs_value cs_errors_to_json(cs_arena *a, const cs_errors *errors);

/* ---- policies */
typedef struct cs_policy cs_policy;

typedef struct cs_policy_source {
    cs_slice file; /* as it is named in errors and by GET /v1/policies */
    cs_slice text;
    int rego_version; /* 0, 1, 2 or CS_POLICY_V0_V1 */
} cs_policy_source;
enum { CS_POLICY_V0_V1 = 10 }; /* what can be read as v0 and as v1 */

/* What becomes of print() calls. */
typedef enum cs_print {
    CS_PRINT_ERASE, /* there are none */
    CS_PRINT_KEEP,
    CS_PRINT_DECLARED /* as KEEP, but one that names a variable which is not there is erased instead of refused */
} cs_print;

typedef struct cs_policy_options {
    bool strict; /* opa check --strict */
    /* Tells whether base data stands at a path, so that a rule which claims it is refused; NULL = do not check. */
    bool (*data_exists)(void *self, const cs_value *path, size_t n);
    void *data_exists_self;
    cs_print print;
    cs_instrument *instrument; /* told of the stages; NULL = nobody */
    bool test_rules;           /* for `test`: further definitions of a test are numbered, cases say their names */
    bool test_values;          /* for `test --var-values`: what tests compare stands in variables */
    /* Schemas by name, an object of arrays of keys ("schema.a.b" is ["a", "b"]) to JSON Schemas; [] is the input's.
     * Undefined: there are none. They must live as long as the policy. */
    cs_value schemas;
    const cs_host *host; /* whose network schemas are fetched by that others refer to; it waits. NULL = none */
    /* What modules and queries may use; NULL = all that there is. Must live as long as the policy. Its allow_net is the
     * host's business (host.h). */
    const cs_capabilities *capabilities;
    bool check_only;                /* nothing will be evaluated: built-ins may be granted that are not built in */
    bool allow_undefined;           /* calls of functions that there are not are no errors */
    bool schema_annotations;        /* the type checker looks at `schemas` annotations */
    int64_t *parse_ns, *compile_ns; /* if wanted: what it took */
    const char *stop_after;         /* name of a compile stage, for debugging; NULL = all */
} cs_policy_options;

/* Compiles all modules together or changes nothing. The texts are copied. Every problem is in *errors (up to the limit
 * rego_errors). */
CS_MUST_CHECK cs_err cs_policy_compile(const cs_policy_source *sources, size_t n, const cs_policy_options *options,
                                       cs_policy **out, cs_errors *errors);
cs_policy *cs_policy_retain(cs_policy *policy); /* returns policy */
void cs_policy_release(cs_policy *policy);      /* frees with the last reference; NULL is fine */

/* Checks the types of the rules at a path (keys after `data`), and of those that they depend on within their packages,
 * for an input that keeps to a JSON Schema. Only while nobody else uses the policy: at a start. */
CS_MUST_CHECK cs_err cs_policy_check_input(const cs_policy *policy, const cs_value *path, size_t n, cs_value schema,
                                           cs_errors *errors);

size_t cs_policy_module_count(const cs_policy *policy);
cs_policy_source cs_policy_module(const cs_policy *policy, size_t i); /* texts live with the policy */
/* The module's AST as OPA prints it in GET /v1/policies. */
cs_value cs_policy_module_ast(cs_arena *a, const cs_policy *policy, size_t i);
/* Is there a rule exactly at, or anywhere below, this path (keys after `data`)? */
bool cs_policy_has_rule(const cs_policy *policy, const cs_value *path, size_t n, bool below);
/* Paths (arrays of keys) of all rules, with file and row: what `test`, `deps`, `inspect` list. Each item is
 * {"path": [...], "file": "...", "row": n, "name": "..."}; rules that are functions have "function": true. */
cs_value cs_policy_rules(cs_arena *a, const cs_policy *policy);

/* A test: a rule whose name, or a part of whose name, begins with test_ (or todo_test_). */
typedef struct cs_policy_test {
    cs_slice package;     /* "data.a" */
    cs_slice name;        /* "test_x" */
    cs_slice query;       /* "data.a.test_x" */
    const cs_value *path; /* the same as keys after `data` */
    size_t n_path;
    cs_slice file;
    uint32_t row, col;
    bool todo;  /* not to be run yet */
    bool cases; /* data-driven: its value is an object of cases */
} cs_policy_test;

/* All tests whose query the pattern matches ("" = all), by file and place; each definition is a test. Texts live with
 * the arena and the policy. CS_ERR_EVAL_BUILTIN: the pattern is none. */
CS_MUST_CHECK cs_err cs_policy_tests(cs_arena *a, const cs_policy *policy, cs_slice pattern, const cs_policy_test **out,
                                     size_t *n, cs_error *e);

enum { CS_DUMP_AST = 1, CS_DUMP_IR = 2, CS_DUMP_CODE = 4 };
void cs_policy_dump(cs_buf *out, const cs_policy *policy, unsigned what);

/* ---- queries */
typedef struct cs_query cs_query;

typedef struct cs_query_options {
    cs_slice package;        /* as behind `package` ("a.b"), or "" */
    const cs_slice *imports; /* "data.x", "input.y as z" */
    size_t n_imports;
    bool server; /* refuse http.send and the like in the text, as OPA's server does */
    cs_print print;
    cs_instrument *instrument;      /* told of the stages; NULL = nobody */
    bool v0;                        /* the text is Rego v0 */
    int64_t *parse_ns, *compile_ns; /* if wanted: what it took */
    bool partial;                   /* for partial evaluation: statements have no values, == becomes = */
} cs_query_options;

/* The document at data.<path>: the fast door. Always succeeds: what is not there is undefined. */
CS_MUST_CHECK cs_err cs_query_prepare_path(cs_policy *policy, const cs_value *path, size_t n, cs_query **out,
                                           cs_errors *errors);
/* Any query text. */
CS_MUST_CHECK cs_err cs_query_prepare(cs_policy *policy, cs_slice text, const cs_query_options *options, cs_query **out,
                                      cs_errors *errors);
void cs_query_release(cs_query *query);

/* Statement `i` of a text query as it was written, and where. The text lives with the query. */
typedef struct cs_query_text {
    cs_slice text;
    uint32_t row, col;
} cs_query_text;
cs_query_text cs_query_expression(const cs_query *query, size_t i);

/* Live documents (data.spend and the like): rows of one root key of data, answered by the caller. */
typedef struct cs_live {
    const char *root; /* "spend" */
    void *self;
    /* The row under `key`, or undefined; made in `arena`. Asked at most once an evaluation for each key, so that a
     * decision is consistent. */
    cs_value (*row)(void *self, cs_value key, cs_arena *arena);
    /* Where rows are large objects: what stands under `item` in the row of `key`, as the row would have it. Then a row
     * is made only where it is wanted whole. NULL = rows are always made. */
    cs_value (*item)(void *self, cs_value key, cs_value item, cs_arena *arena);
    /* The whole document, for policies that iterate. */
    cs_value (*all)(void *self, cs_arena *arena);
} cs_live;

typedef struct cs_tracer cs_tracer; /* trace.h */

typedef struct cs_eval {
    cs_arena *arena; /* results and everything made on the way; the caller resets it */
    cs_value data;   /* the base document, an object (undefined = {}) */
    cs_value input;  /* undefined = there is no input */
    const cs_live *live;
    size_t n_live;
    const cs_host *host;       /* NULL = cs_host_system() */
    bool strict;               /* builtin errors are errors */
    const int *cancel;         /* stops with CS_ERR_EVAL_CANCEL when it becomes non-zero; may be NULL */
    int64_t deadline_mono_ns;  /* on host->mono_ns; 0 = none */
    uint64_t max_instructions; /* 0 = the limit eval_instructions */
    /* Told of every error of a built-in function that is not fatal; may be NULL. */
    void (*builtin_error)(void *self, const cs_error *e);
    void *builtin_error_self;
    cs_instrument *instrument; /* told of what ran how long, and how often; NULL = nobody */
    /* If wanted: when the evaluation has ended, the results of its calls of nondeterministic functions, an object of
     * names to objects of operands (arrays) to results, in the arena; {} without calls. */
    cs_value *nd_builtin_cache;
    const cs_tracer *tracer; /* told of every step; evaluation is slower then. NULL = nobody */
    /* Called on any thread when a run that answered CS_RUN_WAIT can go on; NULL where the run blocks (cs_query_run). */
    cs_exchange_wake *wake;
    void *wake_self;
} cs_eval;

/* Runs to the end, and blocks where a built-in waits for the network.
 * Path queries: the document, or undefined. Text queries: an array with one [bindings, values] pair for each answer: an
 * object of the named variables and an array of the expressions' values. */
CS_MUST_CHECK cs_err cs_query_run(const cs_query *query, const cs_eval *eval, cs_value *result, cs_error *e);

/* The same in slices: cs_run_step answers CS_RUN_AGAIN after `limits.eval_slice` instructions, and CS_RUN_WAIT when a
 * built-in waits for the network: step again after eval->wake was called (sooner does no harm). The run lives in
 * eval->arena; *eval must stay where it is until the run is done. */
typedef struct cs_run cs_run;
typedef enum cs_run_state { CS_RUN_DONE, CS_RUN_AGAIN, CS_RUN_WAIT } cs_run_state;
cs_run *cs_run_start(const cs_query *query, const cs_eval *eval);
CS_MUST_CHECK cs_err cs_run_step(cs_run *run, cs_run_state *state, cs_value *result, cs_error *e);
/* Stops a run that is not done: what it has under way is ended, no wake comes any more. A run that is done may be
 * given too. */
void cs_run_abandon(cs_run *run);

/* What the evaluation counted: instructions, frames, memo hits. */
typedef struct cs_run_stats {
    uint64_t instructions, calls, memo_hits, builtins;
    uint64_t http_requests, http_cache_hits; /* of http.send: sent; answered by the cache of many evaluations */
    int64_t http_ns;                         /* time that http.send took, waiting included; 0 = it was not called */
} cs_run_stats;
cs_run_stats cs_run_get_stats(const cs_run *run);

/* ---- terms as text: "{1, 2}" → a value; for input_term and the REPL-like tools. Variables, refs and calls are
 * refused. */
CS_MUST_CHECK cs_err cs_rego_parse_value(cs_arena *a, cs_slice text, cs_value *out, cs_errors *errors);

/* Adds test.sleep(duration), which cases of OPA's suite call. For programs that run them; before any thread compiles.
 */
void cs_rego_enable_test_builtins(void);

/* OPA's capabilities document for what this build has; `v0` for modules of the language before 1.0. */
cs_value cs_rego_capabilities(cs_arena *a, bool v0);

#endif
