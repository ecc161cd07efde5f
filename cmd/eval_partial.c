/* eval --partial: what is left of a query when parts of its documents are not known. */
#include "eval.h"

#include "countersign/base/time.h"
#include "countersign/partial.h"
#include "table.h"

static cs_slice keep(cs_arena *a, cs_buf *b)
{
    cs_slice text = cs_slice_make(cs_arena_dup(a, cs_buf_view(b).p, b->n), b->n);
    cs_buf_destroy(b);
    return text;
}

/* "# Query 1" and so on, with the text under it. */
static cs_slice source(cs_arena *a, const cs_partial *p)
{
    cs_buf out;
    cs_buf_init(&out);
    for (size_t i = 0; i < cs_partial_query_count(p); i++) {
        cs_buf_printf(&out, "# Query %zu\n", i + 1);
        cs_partial_query_print(&out, p, i);
        cs_buf_byte(&out, '\n');
    }
    for (size_t i = 0; i < cs_partial_support_count(p); i++) {
        cs_buf_printf(&out, "# Module %zu\n", i + 1);
        cs_partial_support_print(&out, p, i);
    }
    return keep(a, &out);
}

/* Tabs are two blanks wide; without line feeds at the ends. */
static cs_slice cell(cs_arena *a, cs_buf *text)
{
    cs_buf out;
    cs_slice s = cs_buf_view(text);
    while (s.n && s.p[s.n - 1] == '\n') {
        s.n--;
    }
    while (s.n && s.p[0] == '\n') {
        s = cs_slice_sub(s, 1, s.n);
    }
    cs_buf_init(&out);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\t') {
            cs_buf_text(&out, "  ");
        } else {
            cs_buf_byte(&out, s.p[i]);
        }
    }
    cs_buf_destroy(text);
    return keep(a, &out);
}

static cs_slice pretty(cs_arena *a, const cs_partial *p)
{
    cs_cmd_table table = {.arena = a, .columns = 2, .lines = true, .keep_spaces = true};
    size_t queries = cs_partial_query_count(p);
    for (size_t i = 0; i < queries + cs_partial_support_count(p); i++) {
        bool support = i >= queries;
        cs_buf text;
        size_t n;
        cs_buf_init(&text);
        const char *name =
            cs_arena_printf(a, &n, support ? "Support %zu" : "Query %zu", (support ? i - queries : i) + 1);
        if (support) {
            cs_partial_support_print(&text, p, i - queries);
        } else {
            cs_partial_query_print(&text, p, i);
        }
        cs_slice cells[2] = {cs_slice_make(name, n), cell(a, &text)};
        cs_cmd_table_add(&table, cells);
    }
    cs_buf out;
    cs_buf_init(&out);
    cs_cmd_table_print(&out, &table);
    return keep(a, &out);
}

int cs_eval__check_unknowns(const cs_eval_flags *f, bool *stop)
{
    cs_arena a;
    cs_error e = {0};
    int status = -1;
    cs_arena_init(&a, 0);
    for (size_t i = 0; i < f->unknowns.n && status == -1; i++) {
        const char *word = f->unknowns.v[i];
        if (strcmp(word, "input") == 0) {
            continue;
        }
        cs_err err = cs_partial_add_unknown(cs_partial_new(&a, NULL), cs_slice_of(word), true, &e);
        cs_slice why = cs_slice_of(e.text), ref = CS_LIT("failed to parse ref: ");
        if (err == CS_OK) {
            *stop = true; /* as OPA: what comes behind a good one is not looked at */
            break;
        }
        status = cs_slice_starts(why, ref)
                     ? cs_args_wrong("%s", e.text + ref.n)
                     : cs_args_wrong("illegal argument with --unknowns, specify string with one or more --unknowns");
    }
    cs_arena_destroy(&a);
    return status;
}

/* false: the problem was added. */
static bool terms(const cs_eval_flags *f, cs_partial *p, cs_eval_output *out)
{
    cs_error e = {0};
    cs_err err = CS_OK;
    for (size_t i = 0; f->partial && i < f->unknowns.n && err == CS_OK; i++) {
        err = cs_partial_add_unknown(p, cs_slice_of(f->unknowns.v[i]), false, &e);
    }
    for (size_t i = 0; i < f->disable_inlining.n && err == CS_OK; i++) {
        err = cs_partial_keep_rule(p, cs_slice_of(f->disable_inlining.v[i]), &e);
    }
    if (err != CS_OK) {
        e.code = CS_OK; /* OPA shows such an error without a code */
        cs_cmd_problems_add(&out->problems, &e, NULL, 0);
    }
    return err == CS_OK;
}

bool cs_eval__check_terms(const cs_eval_flags *f, cs_eval_output *out)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    bool good = terms(f, cs_partial_new(&a, NULL), out);
    cs_arena_destroy(&a);
    return good;
}

/* With the queries that led to the error. They are learned from another evaluation, because one that is listened to can
 * have other results (as in OPA). */
static void add_traced(const cs_eval_flags *f, cs_cmd_loaded *loaded, cs_slice text, const cs_partial_options *options,
                       const cs_eval *eval, const cs_error *e, cs_eval_output *out)
{
    cs_partial *p = cs_partial_new(out->arena, loaded->policy);
    cs_traceback *traceback = cs_traceback_new(out->arena);
    cs_eval again = *eval;
    cs_errors errors;
    cs_error ignored = {0};
    size_t n = 0;
    const cs_traceback_frame *frames = NULL;
    cs_errors_init(&errors);
    again.tracer = cs_traceback_tracer(traceback);
    if (cs_partial_parse(p, text, f->sources.v0, false, &errors) == CS_OK &&
        cs_partial_compile(p, options, &errors) == CS_OK && terms(f, p, out) &&
        cs_partial_run(p, options, &again, &ignored) != CS_OK) {
        frames = cs_traceback_frames(out->arena, traceback, &n);
    }
    cs_cmd_problems_add(&out->problems, e, frames, n);
    cs_errors_destroy(&errors);
}

void cs_eval__partial(const cs_eval_flags *f, cs_cmd_loaded *loaded, cs_slice text, const cs_eval *eval,
                      cs_eval_times *times, cs_eval_output *out)
{
    cs_partial *p = cs_partial_new(out->arena, loaded->policy);
    cs_partial_options options = {.query = {.package = cs_slice_of(f->package),
                                            .imports = cs_cmd_slices(out->arena, &f->imports),
                                            .n_imports = f->imports.n,
                                            .print = CS_PRINT_KEEP},
                                  .shallow_inlining = f->shallow_inlining,
                                  .nondeterministic_builtins = f->nondeterministic};
    cs_errors errors;
    cs_error e = {0};
    cs_errors_init(&errors);
    int64_t start = cs_time_mono_ns();
    cs_err err = cs_partial_parse(p, text, f->sources.v0, false, &errors);
    times->parse = cs_time_mono_ns() - start;
    if (err == CS_OK) {
        start = cs_time_mono_ns();
        err = cs_partial_compile(p, &options, &errors);
        times->compile = cs_time_mono_ns() - start;
    }
    if (err != CS_OK) {
        cs_cmd_problems_add_list(&out->problems, &errors);
    } else if (terms(f, p, out)) {
        start = cs_time_mono_ns();
        err = cs_partial_run(p, &options, eval, &e);
        times->partial = cs_time_mono_ns() - start;
        if (err != CS_OK) {
            add_traced(f, loaded, text, &options, eval, &e, out);
        } else {
            out->partial = cs_partial_to_json(p);
            out->partial_defined = cs_partial_query_count(p) > 0;
            out->partial_source = source(out->arena, p);
            out->partial_pretty = pretty(out->arena, p);
        }
    }
    cs_errors_destroy(&errors);
}
