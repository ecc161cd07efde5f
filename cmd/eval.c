/* eval: a query against policies, data and an input, as `opa eval`. */
#include <stdio.h>
#include <string.h>

#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "eval.h"

static void dump(const cs_eval_flags *f, const cs_policy *policy)
{
    unsigned what = (strstr(f->dump, "ast") ? (unsigned)CS_DUMP_AST : 0U) |
                    (strstr(f->dump, "code") ? (unsigned)CS_DUMP_CODE : 0U) |
                    (strstr(f->dump, "ir") ? (unsigned)CS_DUMP_IR : 0U);
    cs_buf text;
    cs_buf_init(&text);
    cs_policy_dump(&text, policy, what);
    fprintf(stderr, "%s", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
}

static cs_err read_input(const cs_eval_flags *f, cs_arena *a, cs_value *input, cs_error *e)
{
    *input = cs_undefined();
    if (!f->input && !f->stdin_input) {
        return CS_OK;
    }
    return cs_cmd_read_any(a, f->input ? f->input : "-", input, e);
}

static const char both_kinds[] =
    "cannot use --show-builtin-errors with --strict-builtin-errors, --strict-builtin-errors will return the first "
    "built-in error encountered immediately";

/* Without modules a schema that is none is no failure of loading: the query is compiled without it, and only when it is
 * to be evaluated it turns out that something was wrong. */
static cs_err load_without_schema(const cs_eval_flags *f, cs_cmd_loaded *loaded, cs_errors *errors, cs_error *e)
{
    cs_cmd_sources sources = f->sources;
    sources.schema = NULL;
    cs_cmd_loaded_free(loaded);
    cs_errors_destroy(errors);
    cs_errors_init(errors);
    return cs_cmd_load(&sources, loaded, errors, e);
}

static int load_and_evaluate(const cs_eval_flags *f, cs_slice text)
{
    cs_arena a;
    cs_cmd_loaded loaded;
    cs_errors errors;
    cs_error e = {0};
    cs_arena_init(&a, cs_limits_get()->eval_memory);
    cs_errors_init(&errors);
    cs_eval_output out = {.arena = &a, .problems = {.arena = &a}};
    cs_value schemas;
    bool ready =
        read_input(f, &a, &out.input, &e) == CS_OK && cs_cmd_load_schemas(&a, f->sources.schema, &schemas, &e) == CS_OK;
    if (!ready || (f->strict_builtin_errors && f->show_builtin_errors)) {
        fprintf(stderr, "%s\n", ready ? both_kinds : e.text);
        cs_errors_destroy(&errors);
        cs_arena_destroy(&a);
        return 2;
    }
    cs_err loading = cs_cmd_load(&f->sources, &loaded, &errors, &e);
    if (loading != CS_OK && errors.n > 0 && f->sources.bundles.n == 0 && !loaded.saw_modules) {
        loading = load_without_schema(f, &loaded, &errors, &e);
        out.bad_schema = loading == CS_OK;
    }
    if (text.n == 0) {
        cs_cmd_problem empty = {.message = CS_LIT("cannot evaluate empty query")};
        CS_VEC_PUSH_IN(&a, &out.problems.list, empty);
    } else if (loading != CS_OK) {
        cs_cmd_problems_add_failure(&out.problems, &loaded, &errors, &e);
        cs_eval__times_of_failure(f, &loaded, &out);
    } else if (!cs_eval__check_terms(f, &out)) {
        cs_eval__times_of_failure(f, &loaded, &out);
    } else {
        if (f->dump[0]) {
            dump(f, loaded.policy);
        }
        cs_eval__run(f, &loaded, text, &out);
    }
    cs_eval__print(f, &out);
    /* Errors of built-ins that were only collected are no failure; as soon as there is another one they are. */
    size_t n = out.problems.list.n;
    bool defined = cs_count(out.answers) > 0 && n == 0 ? true : cs_count(out.answers) > 0 && n == out.n_harmless;
    bool failed = n > 0 && n != out.n_harmless;
    int status = failed ? 2 : (f->fail && !defined) || (f->fail_defined && defined) ? 1 : 0;
    cs_query_release((cs_query *)(uintptr_t)out.query);
    cs_cmd_loaded_free(&loaded);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&a);
    return status;
}

static const char *format_error(const cs_eval_flags *f)
{
    bool json = strcmp(f->format, "json") == 0, pretty = strcmp(f->format, "pretty") == 0;
    bool source = strcmp(f->format, "source") == 0;
    if (f->partial && !json && !pretty && !source) {
        return "invalid output format for partial evaluation";
    }
    return !f->partial && source ? "invalid output format for evaluation" : NULL;
}

/* What OPA finds wrong with the flags, in its order; NULL if nothing. */
static const char *flags_error(const cs_eval_flags *f, size_t n_queries)
{
    if (n_queries > 0 && f->stdin_query) {
        return "specify query argument or --stdin but not both";
    }
    if (n_queries == 0 && !f->stdin_query) {
        return "specify query argument or --stdin";
    }
    if (n_queries > 1) {
        return "specify at most one query argument";
    }
    if (f->stdin_query && f->stdin_input) {
        return "specify --stdin or --stdin-input but not both";
    }
    if (f->stdin_input && f->input) {
        return "specify --stdin-input or --input but not both";
    }
    if (f->fail && f->fail_defined) {
        return "specify --fail or --fail-defined but not both";
    }
    return format_error(f);
}

static int check_flags(cs_eval_flags *f, size_t n_queries, const bool given[3])
{
    const char *wrong = flags_error(f, n_queries);
    int64_t ns;
    if (wrong) {
        return cs_args_wrong("%s", wrong);
    }
    bool stop = false;
    if (cs_eval__check_unknowns(f, &stop) != -1) {
        return 1;
    }
    static const char *const both[] = {"index_excluded", "early_exit"};
    f->coverage |= given[0];
    if (!given[0]) {
        f->coverage_runs = (cs_arg_list){(const char **)(uintptr_t)both, 2};
    }
    if (!stop && f->optimize > 0 && f->sources.data.n && f->sources.bundles.n) {
        return cs_args_wrong("specify either --data or --bundle flag with optimization level greater than 0");
    }
    for (size_t i = 0; i < f->coverage_runs.n && !stop; i++) {
        const char *run = f->coverage_runs.v[i];
        if (strcmp(run, "index_excluded") != 0 && strcmp(run, "early_exit") != 0) {
            return cs_args_wrong("invalid --coverage-runs value \"%s\" (expected \"index_excluded\" or \"early_exit\")",
                                 run);
        }
    }
    if (f->timeout[0] && !cs_time_parse_duration(cs_slice_of(f->timeout), false, &ns)) {
        return cs_args_wrong("invalid argument \"%s\" for \"--timeout\" flag: time: invalid duration \"%s\"",
                             f->timeout, f->timeout);
    }
    if (f->count < 1) {
        return cs_args_wrong("--count must be at least 1");
    }
    if (!stop) {
        f->profile |= given[1] || given[2];
        f->metrics |= f->profile || f->instrument;
    }
    return -1;
}

static int evaluate(cs_eval_flags *f, const cs_arg_list *rest)
{
    if (!f->stdin_query) {
        return load_and_evaluate(f, cs_slice_of(rest->v[0]));
    }
    cs_buf text;
    cs_error e = {0};
    cs_buf_init(&text);
    int status = 2;
    if (cs_file_read("-", cs_limits_get()->rego_bytes, &text, &e) != CS_OK) {
        fprintf(stderr, "%s\n", e.text);
    } else {
        status = load_and_evaluate(f, cs_buf_view(&text));
    }
    cs_buf_destroy(&text);
    return status;
}

int cs_cmd_eval(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_eval_flags f = {.format = "json",
                       .package = "",
                       .explain = "off",
                       .timeout = "",
                       .dump = "",
                       .target = "rego",
                       .count = 1,
                       .profile_limit = 10,
                       .pretty_limit = 80,
                       .sources = {.print = CS_PRINT_KEEP, .activating = "bundle activation failed: "}};
    bool given[3] = {false};
    cs_arg args[] = {
#define EVAL_FLAG(name, letter, type, out, words, help, given_out) {name, letter, type, &(out), words, help, given_out},
#include "eval_flags.def"
#undef EVAL_FLAG
    };
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    if (status < 0) {
        status = check_flags(&f, rest.n, given);
    }
    if (status < 0) {
        f.sources.instrument = f.instrument ? cs_instrument_new(&a) : NULL;
        status = evaluate(&f, &rest);
    }
    cs_arena_destroy(&a);
    return status;
}
