/* test: runs the rules whose names begin with test_, as `opa test`. */
#include <stdio.h>
#include <string.h>

#include "countersign/base/time.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"
#include "load.h"

typedef enum outcome { PASSED, FAILED, SKIPPED, BROKEN } outcome;

typedef struct test_case {
    cs_value path; /* keys after data */
    cs_slice name; /* "data.a.test_x" */
    cs_slice file;
    int64_t row;
    outcome outcome;
    int64_t ns;
    cs_slice text;   /* of an error */
    cs_slice output; /* what it printed */
} test_case;

typedef struct test_flags {
    cs_cmd_sources sources;
    bool bundle, fail_on_empty;
    int64_t verbose;
    const char *run, *format, *timeout;
} test_flags;

typedef struct runner {
    const test_flags *flags;
    cs_cmd_loaded *loaded;
    cs_arena arena;
    CS_VEC(test_case) cases;
    cs_buf printed;
    int64_t timeout_ns;
} runner;

static void keep_print(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    runner *r = self;
    (void)file;
    (void)row;
    cs_buf_slice(&r->printed, line);
    cs_buf_byte(&r->printed, '\n');
}

static cs_slice case_name(cs_arena *a, cs_value path)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, "data");
    for (uint32_t i = 0; i < path.n; i++) {
        cs_buf_byte(&text, '.');
        cs_buf_slice(&text, cs_text(path.u.items[i]));
    }
    cs_slice name = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
    cs_buf_destroy(&text);
    return name;
}

static bool is_test(cs_value rule, cs_slice *name)
{
    const cs_value *text = cs_object_get_text(rule, "name");
    if (!text || cs_object_get_text(rule, "function")) {
        return false;
    }
    *name = cs_text(*text);
    return cs_slice_starts(*name, CS_LIT("test_")) || cs_slice_starts(*name, CS_LIT("todo_test_"));
}

/* A name is one test, however many definitions it has. */
static void gather(runner *r)
{
    cs_value rules = cs_policy_rules(&r->arena, r->loaded->policy);
    cs_slice last = CS_LIT("");
    for (uint32_t i = 0; i < rules.n; i++) {
        cs_slice name;
        if (!is_test(rules.u.items[i], &name)) {
            continue;
        }
        cs_value path = *cs_object_get_text(rules.u.items[i], "path");
        test_case t = {.path = path, .name = case_name(&r->arena, path)};
        if (cs_slice_eq(t.name, last) ||
            (r->flags->run && cs_slice_find(t.name, cs_slice_of(r->flags->run), 0) == SIZE_MAX)) {
            continue;
        }
        last = t.name;
        t.file = cs_text(*cs_object_get_text(rules.u.items[i], "file"));
        t.row = cs_object_get_text(rules.u.items[i], "row")->u.i;
        t.outcome = cs_slice_starts(name, CS_LIT("todo_")) ? SKIPPED : FAILED;
        CS_VEC_PUSH(&r->cases, t);
    }
}

static void run_case(runner *r, test_case *t)
{
    cs_arena a;
    cs_query *query = NULL;
    cs_errors errors;
    cs_error e = {0};
    cs_value result = cs_undefined();
    cs_host host = *cs_host_system();
    host.print = keep_print;
    cs_arena_init(&a, cs_limits_get()->eval_memory);
    cs_errors_init(&errors);
    /* The system's functions do not look at self; print does. */
    host.self = r;
    int64_t start = cs_time_mono_ns();
    cs_eval eval = {.arena = &a, .data = r->loaded->data, .host = &host, .deadline_mono_ns = start + r->timeout_ns};
    cs_err err = cs_query_prepare_path(r->loaded->policy, t->path.u.items, t->path.n, &query, &errors);
    cs_buf_clear(&r->printed);
    if (err == CS_OK) {
        err = cs_query_run(query, &eval, &result, &e);
    }
    t->ns = cs_time_mono_ns() - start;
    t->outcome = err != CS_OK ? BROKEN : cs_truthy(result) ? PASSED : FAILED;
    if (err != CS_OK) {
        t->text =
            cs_slice_of(cs_arena_printf(&r->arena, NULL, "%s:%u: %s: %s", e.file, e.row, cs_err_name(err), e.text));
    }
    if (r->printed.n) {
        t->output = cs_slice_make(cs_arena_dup(&r->arena, r->printed.p, r->printed.n), r->printed.n);
    }
    cs_query_release(query);
    cs_errors_destroy(&errors);
    cs_arena_destroy(&a);
}

static void duration_text(int64_t ns, char out[32])
{
    if (ns < 1000) {
        (void)snprintf(out, 32, "%lldns", (long long)ns);
    } else if (ns < CS_NS_PER_MS) {
        (void)snprintf(out, 32, "%.6gµs", (double)ns / 1e3);
    } else if (ns < CS_NS_PER_S) {
        (void)snprintf(out, 32, "%.9gms", (double)ns / 1e6);
    } else {
        (void)snprintf(out, 32, "%.10gs", (double)ns / 1e9);
    }
}

static void print_output(cs_slice output)
{
    cs_slice line;
    printf("\n");
    while (cs_slice_next(&output, '\n', &line)) {
        if (line.n || output.n) {
            printf("  %.*s\n", CS_FMT(line));
        }
    }
    printf("\n");
}

static void print_pretty(const runner *r, const size_t counts[4])
{
    static const char *const words[] = {"PASS", "FAIL", "SKIPPED", "ERROR"};
    cs_slice file = CS_LIT("");
    for (size_t i = 0; i < r->cases.n; i++) {
        const test_case *t = &r->cases.v[i];
        if (t->outcome == PASSED && !r->flags->verbose) {
            continue;
        }
        if (!cs_slice_eq(file, t->file)) {
            printf("%s%.*s:\n", file.n ? "\n" : "", CS_FMT(t->file));
            file = t->file;
        }
        char took[32];
        duration_text(t->ns, took);
        if (t->outcome == SKIPPED) {
            printf("%.*s: SKIPPED\n", CS_FMT(t->name));
        } else {
            printf("%.*s: %s (%s)\n", CS_FMT(t->name), words[t->outcome], took);
        }
        if (t->outcome == BROKEN) {
            printf("  %.*s\n", CS_FMT(t->text));
        }
        if (t->output.n) {
            print_output(t->output);
        }
    }
    if (r->flags->verbose || counts[FAILED] + counts[SKIPPED] + counts[BROKEN] > 0) {
        printf("--------------------------------------------------------------------------------\n");
    }
    size_t total = r->cases.n;
    for (int o = 0; o < 4; o++) {
        if (counts[o]) {
            printf("%s: %zu/%zu\n", words[o], counts[o], total);
        }
    }
}

static void print_json(runner *r)
{
    cs_arena *a = &r->arena;
    cs_value *items = cs_arena_array(a, cs_value, r->cases.n + 1);
    for (size_t i = 0; i < r->cases.n; i++) {
        const test_case *t = &r->cases.v[i];
        cs_value package = cs_array(t->path.u.items, t->path.n - 1);
        cs_value where = cs_object_new(a, 3);
        cs_object_put_text(a, where, "file", cs_string(t->file));
        cs_object_put_text(a, where, "row", cs_int(t->row));
        cs_object_put_text(a, where, "col", cs_int(1));
        items[i] = cs_object_new(a, 6);
        cs_object_put_text(a, items[i], "location", where);
        cs_object_put_text(a, items[i], "package", cs_string(case_name(a, package)));
        cs_object_put_text(a, items[i], "name", t->path.u.items[t->path.n - 1]);
        cs_object_put_text(a, items[i], "duration", cs_int(t->ns));
        if (t->outcome == FAILED) {
            cs_object_put_text(a, items[i], "fail", cs_bool(true));
        } else if (t->outcome == SKIPPED) {
            cs_object_put_text(a, items[i], "skip", cs_bool(true));
        } else if (t->outcome == BROKEN) {
            cs_object_put_text(a, items[i], "error", cs_string(t->text));
        }
        if (t->output.n) {
            cs_object_put_text(a, items[i], "output", cs_string(t->output));
        }
    }
    cs_cmd_print_json(cs_array(items, r->cases.n), CS_JSON_PRETTY);
}

static int run_all(const test_flags *f, cs_cmd_loaded *loaded)
{
    runner r = {.flags = f, .loaded = loaded};
    size_t counts[4] = {0};
    cs_arena_init(&r.arena, 0);
    cs_buf_init(&r.printed);
    int status = 0;
    if (!cs_time_parse_duration(cs_slice_of(f->timeout), false, &r.timeout_ns)) {
        status = cs_cmd_fail("invalid timeout %s", f->timeout);
    } else {
        gather(&r);
        for (size_t i = 0; i < r.cases.n; i++) {
            if (r.cases.v[i].outcome != SKIPPED) {
                run_case(&r, &r.cases.v[i]);
            }
            counts[r.cases.v[i].outcome]++;
        }
        if (strcmp(f->format, "json") == 0) {
            print_json(&r);
        } else {
            print_pretty(&r, counts);
        }
        status = counts[FAILED] + counts[BROKEN] > 0 ? 2 : r.cases.n == 0 && f->fail_on_empty ? 1 : 0;
    }
    CS_VEC_FREE(&r.cases);
    cs_buf_destroy(&r.printed);
    cs_arena_destroy(&r.arena);
    return status;
}

int cs_cmd_test(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    test_flags f = {.format = "pretty", .timeout = "5s", .sources = {.keep_print = true}};
    cs_arg args[] = {
        {"bundle", 'b', CS_ARG_BOOL, &f.bundle, NULL, "paths are bundles", NULL},
        {"run", 'r', CS_ARG_STRING, &f.run, NULL, "only tests whose names contain this", NULL},
        {"format", 'f', CS_ARG_ENUM, &f.format, "pretty|json", "form of the report", NULL},
        {"verbose", 'v', CS_ARG_COUNTED, &f.verbose, NULL, "show every test", NULL},
        {"timeout", 't', CS_ARG_STRING, &f.timeout, NULL, "longest time of one test", NULL},
        {"fail-on-empty", 'z', CS_ARG_BOOL, &f.fail_on_empty, NULL, "no tests is a failure", NULL},
        {"ignore", 0, CS_ARG_COMMAS, &f.sources.ignore, NULL, "patterns of files to leave out", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &f.sources.v0, NULL, "modules are Rego v0", NULL},
    };
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    if (status < 0 && rest.n == 0) {
        status = cs_cmd_fail("specify at least one file");
    }
    if (status < 0) {
        *(f.bundle ? &f.sources.bundles : &f.sources.data) = rest;
        cs_cmd_loaded loaded;
        cs_errors errors;
        cs_error e = {0};
        cs_errors_init(&errors);
        if (cs_cmd_load(&f.sources, &loaded, &errors, &e) != CS_OK) {
            cs_cmd_report(&errors, &e, strcmp(f.format, "json") == 0);
            status = 1;
        } else {
            status = run_all(&f, &loaded);
        }
        cs_cmd_loaded_free(&loaded);
        cs_errors_destroy(&errors);
    }
    cs_arena_destroy(&a);
    return status;
}
