/* Metrics as tables and JSON. */
#include "metrics_table.h"

#include <math.h>
#include <stdlib.h>

#include "countersign/number.h"

void cs_cmd_metrics_add(cs_arena *a, cs_cmd_metrics *m, const char *name, int64_t value)
{
    cs_cmd_metric one = {name, value};
    size_t at = 0;
    while (at < m->n && strcmp(m->v[at].name, name) < 0) {
        at++;
    }
    CS_VEC_PUSH_IN(a, m, one);
    memmove(&m->v[at + 1], &m->v[at], (m->n - 1 - at) * sizeof *m->v);
    m->v[at] = one;
}

static int compare(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

/* Between neighbours the line between them. */
static double percentile(const int64_t *sorted, size_t n, double p)
{
    double pos = p * (double)(n + 1);
    if (pos < 1.0) {
        return (double)sorted[0];
    }
    if (pos >= (double)n) {
        return (double)sorted[n - 1];
    }
    double lower = (double)sorted[(size_t)pos - 1], upper = (double)sorted[(size_t)pos];
    return lower + (pos - floor(pos)) * (upper - lower);
}

cs_value cs_cmd_statistics_of(cs_arena *a, int64_t *values, size_t n)
{
    static const struct {
        const char *name;
        double p;
    } percentiles[] = {{"median", 0.5}, {"75%", 0.75},    {"90%", 0.9},      {"95%", 0.95},
                       {"99%", 0.99},   {"99.9%", 0.999}, {"99.99%", 0.9999}};
    qsort(values, n, sizeof *values, compare);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)values[i];
    }
    double mean = n ? sum / (double)n : 0;
    for (size_t i = 0; i < n; i++) {
        squares += ((double)values[i] - mean) * ((double)values[i] - mean);
    }
    cs_value o = cs_object_new(a, 12);
    cs_object_put_text(a, o, "count", cs_int((int64_t)n));
    cs_object_put_text(a, o, "min", cs_int(n ? values[0] : 0));
    cs_object_put_text(a, o, "max", cs_int(n ? values[n - 1] : 0));
    cs_object_put_text(a, o, "mean", cs_number_from_double(a, mean));
    cs_object_put_text(a, o, "stddev", cs_number_from_double(a, n ? sqrt(squares / (double)n) : 0));
    for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++) {
        double v = n ? percentile(values, n, percentiles[i].p) : 0;
        cs_object_put_text(a, o, percentiles[i].name, cs_number_from_double(a, v));
    }
    return o;
}

/* %v has an exponent from 1e21 on and below 1e-4; in between the plain decimal. Nanoseconds stay in between. */
cs_slice cs_cmd_figure_text(cs_arena *a, cs_value v)
{
    char room[32];
    cs_slice text = cs_number_text(v, room);
    return cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
}

cs_value cs_cmd_metrics_json(cs_arena *a, const cs_cmd_metrics *m)
{
    cs_value o = cs_object_new(a, (uint32_t)m->n);
    for (size_t i = 0; i < m->n; i++) {
        cs_object_put_text(a, o, m->v[i].name, cs_int(m->v[i].value));
    }
    return o;
}

cs_value cs_cmd_statistics_json(cs_arena *a, const cs_cmd_statistics *s)
{
    cs_value o = cs_object_new(a, (uint32_t)s->n);
    for (size_t i = 0; i < s->n; i++) {
        cs_object_put_text(a, o, s->v[i].name, s->v[i].figures);
    }
    return o;
}

void cs_cmd_metrics_print(cs_buf *out, cs_arena *a, const cs_cmd_metrics *m)
{
    const cs_slice head[2] = {CS_LIT("Metric"), CS_LIT("Value")};
    cs_cmd_table t = {.arena = a, .columns = 2, .head = head};
    for (size_t i = 0; i < m->n; i++) {
        size_t n;
        const char *value = cs_arena_printf(a, &n, "%lld", (long long)m->v[i].value);
        const cs_slice cells[2] = {cs_slice_of(m->v[i].name), cs_slice_make(value, n)};
        cs_cmd_table_add(&t, cells);
    }
    if (m->n) {
        cs_cmd_table_print(out, &t);
    }
}

void cs_cmd_statistics_print(cs_buf *out, cs_arena *a, const cs_cmd_statistics *s)
{
    static const char *const figures[] = {"min", "max", "mean", "90%", "99%"};
    const cs_slice head[6] = {CS_LIT("Metric"), CS_LIT("Min"), CS_LIT("Max"),
                              CS_LIT("Mean"),   CS_LIT("90%"), CS_LIT("99%")};
    cs_cmd_table t = {.arena = a, .columns = 6, .head = head};
    for (size_t i = 0; i < s->n; i++) {
        cs_slice cells[6] = {cs_slice_of(s->v[i].name)};
        for (size_t k = 0; k < 5; k++) {
            cells[k + 1] = cs_cmd_figure_text(a, *cs_object_get_text(s->v[i].figures, figures[k]));
        }
        cs_cmd_table_add(&t, cells);
    }
    if (s->n) {
        cs_cmd_table_print(out, &t);
    }
}
