/* eval's forms of output. */
#include <stdio.h>

#include "countersign/base/time.h"
#include "countersign/number.h"
#include "eval.h"

static void write_place(cs_json_text *t, const cs_profile_line *l)
{
    cs_json_key(t, "location");
    cs_json_open(t, '{');
    cs_json_put_text(t, "file", l->file);
    cs_json_put(t, "row", cs_int(l->row));
    cs_json_put(t, "col", cs_int(l->col));
    cs_json_close(t);
}

static void write_counts(cs_json_text *t, const cs_profile_line *l)
{
    cs_json_put(t, "num_eval", cs_int((int64_t)l->evals));
    cs_json_put(t, "num_redo", cs_int((int64_t)l->redos));
    cs_json_put(t, "num_gen_expr", cs_int((int64_t)l->generated));
    write_place(t, l);
}

static cs_value times_of(const cs_eval_flags *f, const cs_eval_output *o, size_t line)
{
    int64_t *ns = cs_arena_array(o->arena, int64_t, (size_t)f->count);
    for (int64_t i = 0; i < f->count; i++) {
        ns[i] = o->profiles[i][line].ns;
    }
    return cs_statistics_of(o->arena, ns, (size_t)f->count);
}

static void write_profile(cs_json_text *t, const cs_eval_flags *f, const cs_eval_output *o)
{
    if (o->n_profile == 0) {
        return;
    }
    cs_json_key(t, o->profiles ? "aggregated_profile" : "profile");
    cs_json_open(t, '[');
    for (size_t i = 0; i < o->n_profile; i++) {
        cs_json_open(t, '{');
        if (o->profiles) {
            cs_json_put(t, "total_time_ns_stats", times_of(f, o, i));
            write_counts(t, &o->profiles[0][i]);
        } else {
            cs_json_put(t, "total_time_ns", cs_int(o->profile[i].ns));
            write_counts(t, &o->profile[i]);
        }
        cs_json_close(t);
    }
    cs_json_close(t);
}

static void write_answer(cs_json_text *t, const cs_query *query, cs_value answer)
{
    cs_value bindings = answer.u.items[0], values = answer.u.items[1];
    cs_json_open(t, '{');
    cs_json_key(t, "expressions");
    cs_json_open(t, '[');
    for (uint32_t i = 0; i < values.n; i++) {
        cs_query_text text = cs_query_expression(query, i);
        cs_json_open(t, '{');
        cs_json_put(t, "value", values.u.items[i]);
        cs_json_put_text(t, "text", text.text);
        cs_json_key(t, "location");
        cs_json_open(t, '{');
        cs_json_put(t, "row", cs_int(text.row));
        cs_json_put(t, "col", cs_int(text.col));
        cs_json_close(t);
        cs_json_close(t);
    }
    cs_json_close(t);
    if (cs_count(bindings) > 0) {
        cs_json_put(t, "bindings", bindings);
    }
    cs_json_close(t);
}

static void write_all(cs_json_text *t, const cs_eval_flags *f, const cs_eval_output *o)
{
    cs_json_open(t, '{');
    if (o->problems.list.n) {
        cs_json_key(t, "errors");
        cs_cmd_problems_write(t, &o->problems);
    }
    if (cs_count(o->answers) > 0) {
        cs_json_key(t, "result");
        cs_json_open(t, '[');
        for (uint32_t i = 0; i < o->answers.n; i++) {
            write_answer(t, o->query, o->answers.u.items[i]);
        }
        cs_json_close(t);
    }
    if (!cs_is_undefined(o->partial)) {
        static const char *const members[] = {"queries", "support"}, *const names[] = {"queries", "modules"};
        unsigned flags = t->flags;
        t->flags |= CS_JSON_AS_MADE;
        cs_json_key(t, "partial");
        cs_json_open(t, '{');
        for (size_t i = 0; i < 2; i++) {
            const cs_value *member = cs_object_get_text(o->partial, members[i]);
            if (member) {
                cs_json_put(t, names[i], *member);
            }
        }
        cs_json_close(t);
        t->flags = flags;
    }
    if (o->metrics.n) {
        cs_json_put(t, "metrics", cs_cmd_metrics_json(o->arena, &o->metrics));
    }
    if (o->statistics.n) {
        cs_json_put(t, "aggregated_metrics", cs_cmd_statistics_json(o->arena, &o->statistics));
    }
    if (o->explanation.n) {
        cs_json_key(t, "explanation");
        cs_trace_write_json(t, o->arena, &o->explanation);
    }
    write_profile(t, f, o);
    if (o->coverage) {
        cs_json_key(t, "coverage");
        cs_coverage_write_json(t, o->arena, o->coverage);
    }
    cs_json_close(t);
}

/* ---- pretty */

static bool all_boolean(cs_value values)
{
    for (uint32_t i = 0; i < values.n; i++) {
        if (values.u.items[i].kind != CS_BOOL) {
            return false;
        }
    }
    return true;
}

static cs_slice compact(cs_arena *a, cs_value v)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_json_write(&b, v, CS_JSON_HTML);
    cs_slice text = cs_slice_make(cs_arena_dup(a, b.p, b.n), b.n);
    cs_buf_destroy(&b);
    return text;
}

/* The expressions, then the variables: expressions that are truth values only if there are no variables. */
static void print_answers(cs_buf *out, const cs_eval_output *o)
{
    cs_arena *a = o->arena;
    cs_value first = o->answers.u.items[0];
    cs_value bindings = first.u.items[0], values = first.u.items[1];
    uint32_t n_bindings = cs_count(bindings);
    if (o->answers.n == 1 && n_bindings == 0 && values.n > 0 && (values.n == 1 || all_boolean(values))) {
        cs_json_write(out, values.u.items[0], CS_JSON_HTML | CS_JSON_PRETTY);
        cs_buf_byte(out, '\n');
        return;
    }
    cs_slice *head = cs_arena_array(a, cs_slice, values.n + n_bindings + 1);
    uint32_t *expressions = cs_arena_array(a, uint32_t, values.n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < values.n; i++) {
        if (values.u.items[i].kind != CS_BOOL || n_bindings == 0) {
            head[n] = cs_query_expression(o->query, i).text;
            expressions[n++] = i;
        }
    }
    cs_cmd_table t = {.arena = a, .columns = n + n_bindings, .head = head};
    for (uint32_t i = 0; i < n_bindings; i++) {
        head[n + i] = cs_text(cs_entry(bindings, i, NULL));
    }
    cs_slice *cells = cs_arena_array(a, cs_slice, t.columns + 1);
    for (uint32_t k = 0; k < o->answers.n; k++) {
        cs_value answer = o->answers.u.items[k];
        for (uint32_t i = 0; i < n; i++) {
            cells[i] = compact(a, answer.u.items[1].u.items[expressions[i]]);
        }
        for (uint32_t i = 0; i < n_bindings; i++) {
            const cs_value *v = cs_object_get(answer.u.items[0], cs_entry(bindings, i, NULL));
            cells[n + i] = compact(a, v ? *v : cs_null());
        }
        cs_cmd_table_add(&t, cells);
    }
    cs_cmd_table_print(out, &t);
}

static cs_slice printed(cs_arena *a, unsigned long long v)
{
    size_t n;
    const char *text = cs_arena_printf(a, &n, "%llu", v);
    return cs_slice_make(text, n);
}

static cs_slice line_place(cs_arena *a, const cs_profile_line *l)
{
    size_t n;
    const char *text = cs_arena_printf(a, &n, "%.*s:%u", CS_FMT(l->file), l->row);
    return l->file.n ? cs_slice_make(text, n) : l->text;
}

static cs_slice duration(cs_arena *a, int64_t ns)
{
    char text[40];
    size_t n = cs_time_format_duration(ns, text);
    return cs_slice_make(cs_arena_dup(a, text, n), n);
}

static void put_counts(cs_arena *a, cs_slice *cells, const cs_profile_line *l)
{
    cells[0] = printed(a, l->evals);
    cells[1] = printed(a, l->redos);
    cells[2] = printed(a, l->generated);
    cells[3] = line_place(a, l);
}

static void print_profile(cs_buf *out, const cs_eval_flags *f, const cs_eval_output *o)
{
    static const char *const figures[] = {"min", "max", "mean", "90%", "99%"};
    const cs_slice head[9] = {CS_LIT("Min"),      CS_LIT("Max"),          CS_LIT("Mean"),
                              CS_LIT("90%"),      CS_LIT("99%"),          CS_LIT("Num Eval"),
                              CS_LIT("Num Redo"), CS_LIT("Num Gen Expr"), CS_LIT("Location")};
    const cs_slice head_once[5] = {CS_LIT("Time"), head[5], head[6], head[7], head[8]};
    bool many = o->profiles != NULL;
    cs_cmd_table t = {.arena = o->arena, .columns = many ? 9 : 5, .head = many ? head : head_once};
    for (size_t i = 0; i < o->n_profile; i++) {
        cs_slice cells[9];
        if (many) {
            cs_value times = times_of(f, o, i);
            for (size_t k = 0; k < 5; k++) {
                double ns = cs_number_double(*cs_object_get_text(times, figures[k]));
                cells[k] = duration(o->arena, (int64_t)ns);
            }
            put_counts(o->arena, cells + 5, &o->profiles[0][i]);
        } else {
            cells[0] = duration(o->arena, o->profile[i].ns);
            put_counts(o->arena, cells + 1, &o->profile[i]);
        }
        cs_cmd_table_add(&t, cells);
    }
    if (o->n_profile) {
        cs_cmd_table_print(out, &t);
    }
}

static void print_coverage(cs_buf *out, const cs_eval_output *o)
{
    size_t n;
    const char *percent = cs_arena_printf(o->arena, &n, "%.2f", cs_coverage_percent(o->coverage));
    const cs_slice cells[2] = {CS_LIT("Overall Coverage"), cs_slice_make(percent, n)};
    cs_cmd_table t = {.arena = o->arena, .columns = 2};
    cs_cmd_table_add(&t, cells);
    cs_cmd_table_print(out, &t);
}

static void print_pretty(cs_buf *out, cs_buf *errors, const cs_eval_flags *f, const cs_eval_output *o)
{
    if (o->explanation.n) {
        cs_trace_print(out, o->arena, &o->explanation,
                       &(cs_trace_style){.locations = true, .variables = f->var_values});
    }
    if (o->problems.list.n) {
        cs_cmd_problems_print(errors, &o->problems);
        cs_buf_byte(errors, '\n');
    } else if (cs_count(o->answers) > 0) {
        print_answers(out, o);
    } else if (o->partial_defined) {
        cs_buf_slice(out, o->partial_pretty);
    } else {
        cs_buf_text(out, "undefined\n");
    }
    cs_cmd_metrics_print(out, o->arena, &o->metrics);
    if (!o->profiles) {
        print_profile(out, f, o);
    }
    cs_cmd_statistics_print(out, o->arena, &o->statistics);
    if (o->profiles) {
        print_profile(out, f, o);
    }
    if (o->coverage) {
        print_coverage(out, o);
    }
}

/* ---- values, bindings, raw */

static void print_rows(cs_buf *out, const cs_eval_output *o, uint32_t which)
{
    for (uint32_t i = 0; i < cs_count(o->answers); i++) {
        cs_json_write(out, o->answers.u.items[i].u.items[which], CS_JSON_HTML | CS_JSON_PRETTY);
        cs_buf_byte(out, '\n');
    }
}

static void print_raw(cs_buf *out, const cs_eval_output *o)
{
    for (uint32_t i = 0; i < cs_count(o->answers); i++) {
        cs_value values = o->answers.u.items[i].u.items[1];
        for (uint32_t k = 0; k < values.n; k++) {
            if (values.u.items[k].kind == CS_STRING) {
                cs_buf_slice(out, cs_text(values.u.items[k]));
            } else {
                cs_json_write(out, values.u.items[k], CS_JSON_HTML);
            }
            cs_buf_byte(out, k + 1 == values.n ? '\n' : ' ');
        }
    }
}

/* Everything but the result, members by name. */
static void print_discard(cs_buf *out, const cs_eval_flags *f, const cs_eval_output *o)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_json_text t = {.out = &text, .flags = 0};
    write_all(&t, f, o);
    cs_value all;
    cs_error e;
    if (cs_json_read(o->arena, cs_buf_view(&text), NULL, &all, NULL, &e) == CS_OK) {
        if (cs_object_get_text(all, "result")) {
            cs_object_put_text(o->arena, all, "result", cs_string(CS_LIT("discarded")));
        }
        cs_json_write(out, all, CS_JSON_HTML | CS_JSON_PRETTY);
        cs_buf_byte(out, '\n');
    }
    cs_buf_destroy(&text);
}

void cs_eval__print(const cs_eval_flags *f, const cs_eval_output *o)
{
    cs_buf out, errors;
    cs_buf_init(&out);
    cs_buf_init(&errors);
    cs_slice format = cs_slice_of(f->format);
    bool plain = cs_slice_is(format, "values") || cs_slice_is(format, "bindings") || cs_slice_is(format, "raw") ||
                 cs_slice_is(format, "source");
    if (plain && o->problems.list.n) {
        cs_cmd_problems_print(&errors, &o->problems);
        cs_buf_byte(&errors, '\n');
    } else if (cs_slice_is(format, "pretty")) {
        print_pretty(&out, &errors, f, o);
    } else if (cs_slice_is(format, "values") || cs_slice_is(format, "bindings")) {
        print_rows(&out, o, cs_slice_is(format, "values") ? 1 : 0);
    } else if (cs_slice_is(format, "raw")) {
        print_raw(&out, o);
    } else if (cs_slice_is(format, "source")) {
        cs_buf_slice(&out, o->partial_source);
    } else if (cs_slice_is(format, "discard")) {
        print_discard(&out, f, o);
    } else {
        cs_json_text t = {.out = &out, .flags = CS_JSON_HTML | CS_JSON_PRETTY};
        write_all(&t, f, o);
        cs_buf_byte(&out, '\n');
    }
    (void)cs_cmd_write(cs_buf_view(&out));
    (void)fwrite(cs_buf_view(&errors).p, 1, errors.n, stderr);
    cs_buf_destroy(&out);
    cs_buf_destroy(&errors);
}
