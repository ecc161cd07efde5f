/* Coverage: which expressions were evaluated and which rules held, compared with the sources. */
#include <stdlib.h>

#include "countersign/base/utf8.h"
#include "countersign/number.h"
#include "rego/syntax/parse.h"
#include "rego/trace/internal.h"

typedef struct span {
    uint32_t row, col, end_row, end_col;
    uint32_t kinds; /* bit i: the i-th extra run covers it */
} span;

typedef struct file_spans {
    cs_slice file;
    CS_VEC(span) covered, missing;
    CS_VEC(uint64_t) seen; /* offset and length of what was recorded, open-addressed, 0 = empty */
    size_t n_seen;
} file_spans;

struct cs_coverage {
    cs_arena *arena;
    cs_tracer tracer;
    CS_VEC(file_spans *) files;
    file_spans *last; /* most events stay in one file */
};

struct cs_coverage_report {
    CS_VEC(file_spans *) files; /* by name */
    const char *kinds[32];
    size_t n_kinds;
    size_t covered, missing; /* lines */
};

static span span_of(cs_loc loc)
{
    cs_slice text = cs_trace__source(loc);
    span s = {.row = loc.row, .col = loc.col, .end_row = loc.row, .end_col = loc.col};
    size_t line = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n') {
            s.end_row++;
            s.end_col = 1;
            line = i + 1;
        }
    }
    s.end_col += (uint32_t)cs_utf8_count(cs_slice_sub(text, line, text.n));
    return s;
}

static int compare_spans(const void *x, const void *y)
{
    const span *a = x, *b = y;
    if (a->row != b->row) {
        return a->row < b->row ? -1 : 1;
    }
    if (a->col != b->col) {
        return a->col < b->col ? -1 : 1;
    }
    if (a->end_row != b->end_row) {
        return a->end_row < b->end_row ? -1 : 1;
    }
    return (a->end_col > b->end_col) - (a->end_col < b->end_col);
}

static bool contains(const span *outer, const span *inner)
{
    bool starts = outer->row < inner->row || (outer->row == inner->row && outer->col <= inner->col);
    bool ends =
        outer->end_row > inner->end_row || (outer->end_row == inner->end_row && outer->end_col >= inner->end_col);
    return starts && ends;
}

static bool covers(const file_spans *f, const span *s)
{
    for (size_t i = 0; f && i < f->covered.n; i++) {
        if (contains(&f->covered.v[i], s)) {
            return true;
        }
    }
    return false;
}

/* ---- recording */

static file_spans *find_file(const cs_coverage *c, cs_slice name)
{
    for (size_t i = 0; i < c->files.n; i++) {
        if (cs_slice_eq(c->files.v[i]->file, name)) {
            return c->files.v[i];
        }
    }
    return NULL;
}

static file_spans *file_of(cs_coverage *c, cs_slice name)
{
    if (c->last && cs_slice_eq(c->last->file, name)) {
        return c->last;
    }
    file_spans *f = find_file(c, name);
    if (!f) {
        f = cs_arena_new(c->arena, file_spans);
        f->file = cs_slice_make(cs_arena_dup(c->arena, name.p, name.n), name.n);
        CS_VEC_PUSH_IN(c->arena, &c->files, f);
    }
    c->last = f;
    return f;
}

static bool put_key(uint64_t *slots, size_t mask, uint64_t key)
{
    size_t at = cs_hash_bytes(&key, sizeof key) & mask;
    while (slots[at] != 0 && slots[at] != key) {
        at = (at + 1) & mask;
    }
    bool fresh = slots[at] == 0;
    slots[at] = key;
    return fresh;
}

/* Is it the first time? */
static bool first_time(cs_arena *a, file_spans *f, uint64_t key)
{
    if (2 * (f->n_seen + 1) > f->seen.cap) {
        size_t cap = f->seen.cap ? 2 * f->seen.cap : 64;
        uint64_t *slots = cs_arena_array(a, uint64_t, cap);
        for (size_t i = 0; i < f->seen.cap; i++) {
            if (f->seen.v[i] != 0) {
                (void)put_key(slots, cap - 1, f->seen.v[i]);
            }
        }
        f->seen.v = slots;
        f->seen.cap = cap;
    }
    bool fresh = put_key(f->seen.v, f->seen.cap - 1, key);
    f->n_seen += fresh;
    return fresh;
}

static void add_covered(cs_arena *a, file_spans *f, const span *s)
{
    for (size_t i = 0; i < f->covered.n; i++) {
        if (compare_spans(&f->covered.v[i], s) == 0) {
            return;
        }
    }
    CS_VEC_PUSH_IN(a, &f->covered, *s);
}

static void cover_event(void *self, const cs_trace_event *event)
{
    cs_coverage *c = self;
    cs_loc loc = {0};
    if (event->op == CS_TRACE_EXIT && event->rule) {
        loc = event->rule->head.loc;
    } else if (event->op == CS_TRACE_EVAL && event->expr) {
        loc = event->expr->loc;
    }
    if (loc.source && loc.source->file.n) {
        file_spans *f = file_of(c, loc.source->file);
        if (first_time(c->arena, f, ((uint64_t)loc.offset << 32 | loc.length) + 1)) {
            span s = span_of(loc);
            add_covered(c->arena, f, &s);
        }
    }
}

cs_coverage *cs_coverage_new(cs_arena *a)
{
    cs_coverage *c = cs_arena_new(a, cs_coverage);
    c->arena = a;
    c->tracer = (cs_tracer){.self = c, .event = cover_event};
    return c;
}

const cs_tracer *cs_coverage_tracer(cs_coverage *coverage)
{
    return &coverage->tracer;
}

void cs_coverage_merge(cs_coverage *coverage, const cs_coverage *other)
{
    for (size_t i = 0; i < other->files.n; i++) {
        file_spans *f = file_of(coverage, other->files.v[i]->file);
        for (size_t k = 0; k < other->files.v[i]->covered.n; k++) {
            add_covered(coverage->arena, f, &other->files.v[i]->covered.v[k]);
        }
    }
}

/* ---- the report */

typedef struct reporting {
    cs_arena *arena;
    const cs_coverage *coverage;
    const cs_coverage_extra *extra;
    size_t n_extra;
    file_spans *file;
} reporting;

static void note_missing(reporting *r, cs_loc loc)
{
    if (!loc.source || loc.source->file.n == 0) {
        return;
    }
    span s = span_of(loc);
    if (covers(r->file, &s)) {
        return;
    }
    for (size_t i = 0; i < r->n_extra && i < 32; i++) {
        if (covers(find_file(r->extra[i].coverage, r->file->file), &s)) {
            s.kinds |= UINT32_C(1) << i;
        }
    }
    CS_VEC_PUSH_IN(r->arena, &r->file->missing, s);
}

static bool note_expr(void *self, cs_expr *e)
{
    if (e->kind != CS_EXPR_SOME) {
        note_missing(self, e->loc);
    }
    return true;
}

/* What stands in braces in a template is an expression, also where it is kept as a term. */
static bool note_template(void *self, cs_term *t)
{
    for (uint32_t i = 0; t->kind == CS_TERM_TEMPLATE && i < t->u.list.n; i++) {
        const cs_term *part = t->u.list.v[i];
        bool whole = t->u.template_string.exprs && t->u.template_string.exprs[i];
        if (!whole && part && !cs_term_is_string(part)) {
            note_missing(self, part->loc);
        }
    }
    return true;
}

static void note_module(reporting *r, const cs_module *m)
{
    const cs_walker w = {.self = r, .expr = note_expr, .term = note_template};
    for (uint32_t i = 0; i < m->n_rules; i++) {
        for (cs_rule *rule = m->rules[i]; rule; rule = rule->other) {
            note_missing(r, rule->head.loc);
        }
        cs_walk_rule(&w, m->rules[i]);
    }
    size_t n = 0;
    if (r->file->missing.n) {
        qsort(r->file->missing.v, r->file->missing.n, sizeof(span), compare_spans);
    }
    for (size_t i = 0; i < r->file->missing.n; i++) {
        if (n == 0 || compare_spans(&r->file->missing.v[n - 1], &r->file->missing.v[i]) != 0) {
            r->file->missing.v[n++] = r->file->missing.v[i];
        }
    }
    r->file->missing.n = n;
}

static int compare_rows(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* The rows that the spans touch, each once, in order. */
static uint32_t *rows_of(cs_arena *a, const span *v, size_t n, size_t *count)
{
    CS_VEC(uint32_t) rows = {0};
    for (size_t i = 0; i < n; i++) {
        for (uint32_t row = v[i].row; row <= v[i].end_row; row++) {
            CS_VEC_PUSH_IN(a, &rows, row);
        }
    }
    if (rows.n) {
        qsort(rows.v, rows.n, sizeof *rows.v, compare_rows);
    }
    *count = 0;
    for (size_t i = 0; i < rows.n; i++) {
        if (*count == 0 || rows.v[*count - 1] != rows.v[i]) {
            rows.v[(*count)++] = rows.v[i];
        }
    }
    return rows.v;
}

static size_t count_rows(cs_arena *a, const span *v, size_t n)
{
    size_t count;
    (void)rows_of(a, v, n, &count);
    return count;
}

static int compare_files(const void *x, const void *y)
{
    return cs_slice_compare((*(file_spans *const *)x)->file, (*(file_spans *const *)y)->file);
}

static file_spans *report_file(cs_arena *a, cs_coverage_report *report, cs_slice name)
{
    for (size_t i = 0; i < report->files.n; i++) {
        if (cs_slice_eq(report->files.v[i]->file, name)) {
            return report->files.v[i];
        }
    }
    file_spans *f = cs_arena_new(a, file_spans);
    f->file = name;
    CS_VEC_PUSH_IN(a, &report->files, f);
    return f;
}

static void note_source(cs_arena *a, reporting *r, const cs_policy_source *source)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_ast ast;
    cs_module *module;
    cs_ast_init(&ast, a);
    cs_rego_version version = source->rego_version == 0   ? CS_REGO_V0
                              : source->rego_version == 2 ? CS_REGO_V2
                                                          : CS_REGO_V1;
    /* The policy was compiled of this text, so it parses. */
    if (cs_parse_module(&ast, source->file, source->text, &(cs_parse_options){.version = version}, &module, &errors) ==
        CS_OK) {
        note_module(r, module);
    }
    cs_errors_destroy(&errors);
}

cs_coverage_report *cs_coverage_reported(cs_arena *a, const cs_coverage *coverage, const cs_policy *policy,
                                         const cs_coverage_extra *extra, size_t n_extra)
{
    cs_coverage_report *report = cs_arena_new(a, cs_coverage_report);
    reporting r = {.arena = a, .coverage = coverage, .extra = extra, .n_extra = n_extra};
    for (size_t i = 0; i < n_extra && i < 32; i++) {
        report->kinds[report->n_kinds++] = extra[i].kind;
    }
    for (size_t i = 0; i < coverage->files.n; i++) {
        file_spans *f = report_file(a, report, coverage->files.v[i]->file);
        for (size_t k = 0; k < coverage->files.v[i]->covered.n; k++) {
            CS_VEC_PUSH_IN(a, &f->covered, coverage->files.v[i]->covered.v[k]);
        }
        qsort(f->covered.v, f->covered.n, sizeof(span), compare_spans);
    }
    for (size_t i = 0; policy && i < cs_policy_module_count(policy); i++) {
        cs_policy_source source = cs_policy_module(policy, i);
        r.file = report_file(a, report, source.file);
        note_source(a, &r, &source);
    }
    for (size_t i = 0; i < report->files.n; i++) {
        const file_spans *f = report->files.v[i];
        report->covered += count_rows(a, f->covered.v, f->covered.n);
        report->missing += count_rows(a, f->missing.v, f->missing.n);
    }
    if (report->files.n) {
        qsort(report->files.v, report->files.n, sizeof *report->files.v, compare_files);
    }
    return report;
}

static double percent(size_t covered, size_t missing)
{
    return covered + missing ? 100.0 * (double)covered / (double)(covered + missing) : 0;
}

double cs_coverage_percent(const cs_coverage_report *report)
{
    return percent(report->covered, report->missing);
}

/* ---- output */

static void write_position(cs_json_text *out, const char *key, uint32_t row, uint32_t col)
{
    cs_json_key(out, key);
    cs_json_open(out, '{');
    cs_json_put(out, "row", cs_int(row));
    if (col) {
        cs_json_put(out, "col", cs_int(col));
    }
    cs_json_close(out);
}

static void write_spans(cs_json_text *out, const char *key, const cs_coverage_report *report, const span *v, size_t n)
{
    if (n == 0) {
        return;
    }
    cs_json_key(out, key);
    cs_json_open(out, '[');
    for (size_t i = 0; i < n; i++) {
        cs_json_open(out, '{');
        write_position(out, "start", v[i].row, v[i].col);
        write_position(out, "end", v[i].end_row, v[i].end_col);
        if (v[i].kinds) {
            cs_json_key(out, "kinds");
            cs_json_open(out, '[');
            for (size_t k = 0; k < report->n_kinds; k++) {
                if (v[i].kinds >> k & 1U) {
                    cs_json_value(out, cs_string(cs_slice_of(report->kinds[k])));
                }
            }
            cs_json_close(out);
        }
        cs_json_close(out);
    }
    cs_json_close(out);
}

static void write_count(cs_json_text *out, const char *key, size_t n)
{
    if (n) {
        cs_json_put(out, key, cs_int((int64_t)n));
    }
}

void cs_coverage_write_json(cs_json_text *out, cs_arena *a, const cs_coverage_report *report)
{
    cs_json_open(out, '{');
    cs_json_key(out, "files");
    cs_json_open(out, '{');
    for (size_t i = 0; i < report->files.n; i++) {
        const file_spans *f = report->files.v[i];
        size_t covered = count_rows(a, f->covered.v, f->covered.n), missing = count_rows(a, f->missing.v, f->missing.n);
        cs_json_key_slice(out, f->file);
        cs_json_open(out, '{');
        write_spans(out, "covered", report, f->covered.v, f->covered.n);
        write_spans(out, "not_covered", report, f->missing.v, f->missing.n);
        write_count(out, "covered_lines", covered);
        write_count(out, "not_covered_lines", missing);
        if (covered) {
            cs_json_put(out, "coverage", cs_number_from_double(a, percent(covered, missing)));
        }
        cs_json_close(out);
    }
    cs_json_close(out);
    cs_json_put(out, "covered_lines", cs_int((int64_t)report->covered));
    cs_json_put(out, "not_covered_lines", cs_int((int64_t)report->missing));
    cs_json_put(out, "coverage", cs_number_from_double(a, cs_coverage_percent(report)));
    cs_json_close(out);
}

void cs_coverage_print_missing(cs_buf *out, cs_arena *a, const cs_coverage_report *report)
{
    for (size_t i = 0; i < report->files.n; i++) {
        const file_spans *f = report->files.v[i];
        size_t n;
        const uint32_t *rows = rows_of(a, f->missing.v, f->missing.n, &n);
        for (size_t k = 0, last; k < n; k = last + 1) {
            for (last = k; last + 1 < n && rows[last + 1] == rows[last] + 1; last++) {
            }
            cs_buf_printf(out, "\n\t%.*s:%u", CS_FMT(f->file), rows[k]);
            if (last > k) {
                cs_buf_printf(out, "-%u", rows[last]);
            }
        }
    }
}
