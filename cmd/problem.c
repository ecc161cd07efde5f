/* Errors as commands print them. */
#include "problem.h"

#include <stdio.h>

static cs_slice keep(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.p, s.n), s.n);
}

/* Codes of the language and its evaluation are OPA's; others it prints without one. */
static cs_slice shown_code(cs_err code)
{
    cs_slice name = cs_slice_of(cs_err_name(code));
    bool shown = cs_slice_starts(name, CS_LIT("rego_")) || cs_slice_starts(name, CS_LIT("eval_"));
    return code != CS_OK && shown ? name : CS_LIT("");
}

static cs_slice place_of(cs_arena *a, cs_slice file, uint32_t row, uint32_t col)
{
    size_t n;
    const char *text =
        file.n ? cs_arena_printf(a, &n, "%.*s:%u", CS_FMT(file), row) : cs_arena_printf(a, &n, "%u:%u", row, col);
    return cs_slice_make(text, n);
}

void cs_cmd_problems_add_list(cs_cmd_problems *p, const cs_errors *errors)
{
    cs_value json = cs_errors_to_json(p->arena, errors);
    for (size_t i = 0; i < errors->n; i++) {
        const cs_errors_item *e = &errors->v[i];
        const cs_value *details = cs_object_get_text(json.u.items[i], "details");
        cs_slice file = keep(p->arena, e->file);
        cs_buf lines;
        cs_buf_init(&lines);
        if (e->details.n) {
            cs_errors_print_details(&lines, e);
        }
        cs_cmd_problem one = {.code = shown_code(e->code),
                              .message = keep(p->arena, e->text),
                              .located = e->row != 0,
                              .file = file,
                              .row = e->row,
                              .col = e->col,
                              .lines = keep(p->arena, cs_buf_view(&lines)),
                              .details = details ? *details : cs_undefined()};
        one.place = place_of(p->arena, file, e->row, e->col);
        CS_VEC_PUSH_IN(p->arena, &p->list, one);
        cs_buf_destroy(&lines);
    }
}

void cs_cmd_problems_add(cs_cmd_problems *p, const cs_error *e, const cs_traceback_frame *frames, size_t n)
{
    cs_slice file = keep(p->arena, cs_slice_of(e->file));
    cs_cmd_problem one = {.code = shown_code(e->code),
                          .message = keep(p->arena, cs_slice_of(e->text)),
                          .located = e->row != 0,
                          .file = file,
                          .row = e->row,
                          .col = e->col,
                          .details = cs_undefined(),
                          .frames = frames,
                          .n_frames = n};
    one.place = place_of(p->arena, file, e->row, e->col);
    /* In a query the place is named by its text. */
    if (n && file.n == 0 && frames[0].located && frames[0].row == e->row && frames[0].source.n) {
        one.place = frames[0].source;
    }
    CS_VEC_PUSH_IN(p->arena, &p->list, one);
}

/* ---- tracebacks */

typedef struct retracing {
    cs_arena *arena;
    cs_traceback *traceback;
    const cs_traceback_frame *frames; /* of the first error of a built-in */
    size_t n;
} retracing;

static void at_builtin_error(void *self, const cs_error *e)
{
    retracing *r = self;
    (void)e;
    if (!r->frames) {
        r->frames = cs_traceback_frames(r->arena, r->traceback, &r->n);
    }
}

static void drop_line(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    (void)self;
    (void)file;
    (void)row;
    (void)line;
}

/* "f.rego:0: rego_parse_error: empty module" is an error of a place that there is not. */
static bool add_empty_module(cs_cmd_problems *p, cs_slice line)
{
    cs_slice end = CS_LIT(":0: rego_parse_error: empty module");
    if (!cs_slice_ends(line, end)) {
        return false;
    }
    cs_slice file = cs_slice_sub(line, 0, line.n - end.n);
    size_t bundle = cs_slice_starts(file, CS_LIT("bundle ")) ? cs_slice_find(file, CS_LIT(": "), 0) : SIZE_MAX;
    file = bundle == SIZE_MAX ? file : cs_slice_sub(file, bundle + 2, file.n);
    cs_cmd_problem problem = {.code = CS_LIT("rego_parse_error"),
                              .message = CS_LIT("empty module"),
                              .located = true,
                              .file = cs_slice_make(cs_arena_dup(p->arena, file.p, file.n), file.n)};
    problem.place = cs_slice_of(cs_arena_printf(p->arena, NULL, "%.*s:0", CS_FMT(problem.file)));
    CS_VEC_PUSH_IN(p->arena, &p->list, problem);
    return true;
}

void cs_cmd_problems_add_loading(cs_cmd_problems *p, const cs_error *e)
{
    cs_slice text = cs_slice_of(e->text);
    cs_slice word = CS_LIT(" occurred during loading:"), line;
    size_t at = cs_slice_find(text, word, 0);
    cs_slice rest = at < sizeof "1000 errors" ? cs_slice_sub(text, at + word.n, text.n) : text;
    while (rest.n && cs_slice_next(&rest, '\n', &line)) {
        cs_error one = *e;
        line = cs_slice_trim(line);
        if (line.n && !add_empty_module(p, line)) {
            memcpy(one.text, line.p, line.n);
            one.text[line.n] = '\0';
            cs_cmd_problems_add(p, &one, NULL, 0);
        }
    }
}

void cs_cmd_problems_trace(cs_cmd_problems *p, const cs_query *query, const cs_eval *eval, const cs_error *e)
{
    bool builtin = e->code == CS_ERR_EVAL_BUILTIN || e->code == CS_ERR_EVAL_TYPE;
    if (e->code == CS_ERR_EVAL_CANCEL && eval->deadline_mono_ns) {
        cs_error late = {.code = e->code};
        (void)snprintf(late.text, sizeof late.text, "context deadline exceeded");
        cs_cmd_problems_add(p, &late, NULL, 0);
        return;
    }
    if (!builtin && e->code != CS_ERR_EVAL_CONFLICT && e->code != CS_ERR_EVAL_WITH_MERGE &&
        e->code != CS_ERR_EVAL_INTERNAL) {
        cs_cmd_problems_add(p, e, NULL, 0);
        return;
    }
    retracing r = {.arena = p->arena, .traceback = cs_traceback_new(p->arena)};
    cs_error again = {0};
    cs_value nothing;
    cs_host host = *eval->host;
    cs_eval traced = *eval;
    host.print = drop_line;
    host.test_case = NULL;
    traced.host = &host;
    traced.tracer = cs_traceback_tracer(r.traceback);
    traced.builtin_error = builtin ? at_builtin_error : NULL;
    traced.builtin_error_self = &r;
    cs_err err = cs_query_run(query, &traced, &nothing, &again);
    if (!builtin && err == e->code) {
        r.frames = cs_traceback_frames(r.arena, r.traceback, &r.n);
    }
    cs_cmd_problems_add(p, e, r.frames, r.n);
}

/* ---- output */

void cs_cmd_problem_print(cs_buf *out, const cs_cmd_problem *problem)
{
    if (problem->located) {
        cs_buf_slice(out, problem->place);
        cs_buf_text(out, ": ");
    }
    if (problem->code.n) {
        cs_buf_slice(out, problem->code);
        cs_buf_text(out, ": ");
    }
    cs_buf_slice(out, problem->message);
    cs_buf_slice(out, problem->lines);
}

void cs_cmd_problems_print(cs_buf *out, const cs_cmd_problems *p)
{
    if (p->list.n == 1) {
        cs_buf_text(out, "1 error occurred: ");
    } else {
        cs_buf_printf(out, "%zu errors occurred:\n", p->list.n);
    }
    for (size_t i = 0; i < p->list.n; i++) {
        cs_buf_text(out, i ? "\n" : "");
        cs_cmd_problem_print(out, &p->list.v[i]);
        if (p->list.v[i].n_frames) {
            cs_buf_text(out, "\n\nTraceback:");
        }
        for (size_t k = 0; k < p->list.v[i].n_frames; k++) {
            cs_buf_printf(out, "\n  %.*s", CS_FMT(p->list.v[i].frames[k].text));
        }
    }
}

static void write_place(cs_json_text *out, cs_slice file, uint32_t row, uint32_t col)
{
    cs_json_key(out, "location");
    cs_json_open(out, '{');
    cs_json_put_text(out, "file", file);
    cs_json_put(out, "row", cs_int(row));
    cs_json_put(out, "col", cs_int(col));
    cs_json_close(out);
}

/* Details of a ref, in the order of OPA's struct; the terms in it as they were made. */
static void write_ref_details(cs_json_text *out, cs_value details)
{
    static const char *const keys[] = {"ref", "pos", "have", "want", "oneOf"};
    unsigned flags = out->flags;
    out->flags |= CS_JSON_AS_MADE;
    cs_json_open(out, '{');
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const cs_value *v = cs_object_get_text(details, keys[i]);
        if (v) {
            cs_json_put(out, keys[i], *v);
        }
    }
    cs_json_close(out);
    out->flags = flags;
}

/* A line of the source and a place in it are a record, with the members in that order. */
static void write_details(cs_json_text *out, cs_value details)
{
    if (cs_is(details, CS_OBJECT) && cs_object_get_text(details, "ref") && cs_object_get_text(details, "pos")) {
        write_ref_details(out, details);
        return;
    }
    const cs_value *line = cs_is(details, CS_OBJECT) ? cs_object_get_text(details, "line") : NULL;
    const cs_value *at = line ? cs_object_get_text(details, "idx") : NULL;
    if (!at || cs_count(details) != 2) {
        cs_json_value(out, details);
        return;
    }
    cs_json_open(out, '{');
    cs_json_put(out, "line", *line);
    cs_json_put(out, "idx", *at);
    cs_json_close(out);
}

static void write_problem(cs_json_text *out, const cs_cmd_problem *problem, bool code_first)
{
    cs_json_open(out, '{');
    if (code_first && problem->code.n) {
        cs_json_put_text(out, "code", problem->code);
    }
    cs_json_put_text(out, "message", problem->message);
    if (!code_first && problem->code.n) {
        cs_json_put_text(out, "code", problem->code);
    }
    if (problem->located) {
        write_place(out, problem->file, problem->row, problem->col);
    }
    if (!cs_is_undefined(problem->details)) {
        cs_json_key(out, "details");
        write_details(out, problem->details);
    }
    if (problem->n_frames) {
        cs_json_key(out, "stack_trace");
        cs_json_open(out, '[');
        for (size_t i = 0; i < problem->n_frames; i++) {
            const cs_traceback_frame *f = &problem->frames[i];
            cs_json_open(out, '{');
            cs_json_put(out, "query_id", cs_int((int64_t)f->query_id));
            if (f->located) {
                write_place(out, f->file, f->row, f->col);
            }
            cs_json_close(out);
        }
        cs_json_close(out);
    }
    cs_json_close(out);
}

void cs_cmd_problem_write(cs_json_text *out, const cs_cmd_problem *problem)
{
    write_problem(out, problem, false);
}

void cs_cmd_problem_write_code_first(cs_json_text *out, const cs_cmd_problem *problem)
{
    write_problem(out, problem, true);
}

void cs_cmd_problems_write(cs_json_text *out, const cs_cmd_problems *p)
{
    cs_json_open(out, '[');
    for (size_t i = 0; i < p->list.n; i++) {
        cs_cmd_problem_write(out, &p->list.v[i]);
    }
    cs_json_close(out);
}
