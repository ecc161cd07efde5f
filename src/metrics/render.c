/* The text exposition format 0.0.4: a HELP and a TYPE line for each metric that has series, then the series. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/err.h"
#include "countersign/base/utf8.h"
#include "metrics/internal.h"

struct cs_metrics_sink {
    cs_buf *out;
    cs_metric metric;
    bool headed; /* HELP and TYPE are written */
};

/* ---- numbers, names, values ---- */

static void put_number(cs_buf *out, double value)
{
    if (isnan(value)) {
        cs_buf_text(out, "NaN");
    } else if (isinf(value)) {
        cs_buf_text(out, value > 0 ? "+Inf" : "-Inf");
    } else if (fabs(value) < 1e15 && floor(value) >= value) {
        cs_buf_i64(out, (int64_t)value);
    } else {
        /* The shortest text that reads back as the same number. */
        char text[32];
        for (int digits = 6; digits <= 17; digits++) {
            (void)snprintf(text, sizeof text, "%.*g", digits, value);
            double back = strtod(text, NULL);
            if (!(back < value) && !(back > value)) {
                break;
            }
        }
        cs_buf_text(out, text);
    }
}

/* As Go writes bounds, since they are a label: with an exponent from a million on, and below a ten-thousandth. */
static void put_bound(cs_buf *out, double value)
{
    char text[40];
    if (isinf(value) || value <= 0 || (value < 1e6 && value >= 1e-4)) {
        put_number(out, value);
        return;
    }
    for (int digits = 0; digits <= 16; digits++) {
        (void)snprintf(text, sizeof text, "%.*e", digits, value);
        double back = strtod(text, NULL);
        if (!(back < value) && !(back > value)) {
            break;
        }
    }
    cs_buf_text(out, text);
}

/* Backslash, newline and, in label values, the quote. */
static void put_escaped(cs_buf *out, cs_slice text, bool quoted)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\n') {
            cs_buf_text(out, "\\n");
            continue;
        }
        if (c == '\\' || (c == '"' && quoted)) {
            cs_buf_byte(out, '\\');
        }
        cs_buf_byte(out, c);
    }
}

static void put_head(cs_metrics_sink *sink)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    if (sink->headed) {
        return;
    }
    sink->headed = true;
    const cs_metric_row *row = &cs_metrics_rows()[sink->metric];
    cs_buf_printf(sink->out, "# HELP %s ", row->name);
    put_escaped(sink->out, cs_slice_of(row->help), false);
    cs_buf_printf(sink->out, "\n# TYPE %s %s\n", row->name, kinds[row->kind]);
}

/* name_suffix{a="x",le="0.1"} and a blank. `le` is NULL for everything but buckets. */
static void put_name(cs_metrics_sink *sink, const char *suffix, const cs_slice *values, const double *le)
{
    cs_buf *out = sink->out;
    cs_slice names[CS_METRICS_LABELS_MAX];
    bool open[CS_METRICS_LABELS_MAX];
    size_t n = cs_metrics__labels(sink->metric, names, open);
    cs_buf_text(out, cs_metrics_rows()[sink->metric].name);
    cs_buf_text(out, suffix);
    for (size_t i = 0; i < n; i++) {
        cs_buf_byte(out, i == 0 ? '{' : ',');
        cs_buf_slice(out, names[i]);
        cs_buf_text(out, "=\"");
        put_escaped(out, values[i], true);
        cs_buf_byte(out, '"');
    }
    if (le != NULL) {
        cs_buf_text(out, n == 0 ? "{le=\"" : ",le=\"");
        put_bound(out, *le);
        cs_buf_byte(out, '"');
    }
    cs_buf_text(out, n > 0 || le != NULL ? "} " : " ");
}

/* ---- series ---- */

static void put_histogram(cs_metrics_sink *sink, const cs_series *s, const cs_slice *values)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= s->bounds_n; i++) {
        double le = i < s->bounds_n ? s->bounds[i] : HUGE_VAL;
        count += cs_metrics__sum(s, i);
        put_name(sink, "_bucket", values, &le);
        cs_buf_u64(sink->out, count);
        cs_buf_byte(sink->out, '\n');
    }
    put_name(sink, "_sum", values, NULL);
    put_number(sink->out, cs_metrics__sum_double(s, s->bounds_n + 1));
    cs_buf_byte(sink->out, '\n');
    put_name(sink, "_count", values, NULL);
    cs_buf_u64(sink->out, count);
    cs_buf_byte(sink->out, '\n');
}

static void put_series(cs_metrics_sink *sink, const cs_series *s)
{
    cs_slice values[CS_METRICS_LABELS_MAX] = {{0}};
    for (size_t i = 0; i < CS_METRICS_LABELS_MAX && s->values[i] != NULL; i++) {
        values[i] = cs_slice_of(s->values[i]);
    }
    cs_metric_kind kind = cs_metrics_rows()[s->metric].kind;
    if (kind == CS_METRIC_GAUGE && cs_metrics__sum(s, 1) == 0) {
        return; /* never set */
    }
    put_head(sink);
    if (kind == CS_METRIC_HISTOGRAM) {
        put_histogram(sink, s, values);
        return;
    }
    put_name(sink, "", values, NULL);
    if (kind == CS_METRIC_COUNTER) {
        cs_buf_u64(sink->out, cs_metrics__sum(s, 0));
    } else {
        put_number(sink->out, cs_metrics__sum_double(s, 0));
    }
    cs_buf_byte(sink->out, '\n');
}

/* Label values of a gathered row may be any bytes. */
static cs_slice clean(cs_buf *scratch, cs_slice value)
{
    cs_buf_clear(scratch);
    for (size_t i = 0; i < value.n;) {
        size_t width = 0;
        uint32_t rune = cs_utf8_decode(value.p + i, value.n - i, &width);
        char bytes[4];
        cs_buf_put(scratch, bytes, cs_utf8_encode(rune, bytes));
        i += width;
    }
    return cs_buf_view(scratch);
}

void cs_metrics_emit(cs_metrics_sink *sink, const cs_slice *values, double value)
{
    cs_slice names[CS_METRICS_LABELS_MAX];
    bool open[CS_METRICS_LABELS_MAX];
    size_t n = cs_metrics__labels(sink->metric, names, open);
    cs_slice good[CS_METRICS_LABELS_MAX] = {{0}};
    cs_buf scratch[CS_METRICS_LABELS_MAX] = {{0}};
    for (size_t i = 0; i < n; i++) {
        good[i] = cs_utf8_valid(values[i]) ? values[i] : clean(&scratch[i], values[i]);
    }
    put_head(sink);
    put_name(sink, "", good, NULL);
    put_number(sink->out, value);
    cs_buf_byte(sink->out, '\n');
    for (size_t i = 0; i < n; i++) {
        cs_buf_destroy(&scratch[i]);
    }
}

static int by_values(const void *a, const void *b)
{
    const cs_series *x = *(cs_series *const *)a;
    const cs_series *y = *(cs_series *const *)b;
    for (size_t i = 0; i < CS_METRICS_LABELS_MAX && x->values[i] != NULL; i++) {
        int order = strcmp(x->values[i], y->values[i]);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

void cs_metrics_render(cs_metrics *m, cs_buf *out)
{
    cs_mutex_lock(&m->lock);
    for (size_t i = 0; i < CS_METRIC_COUNT; i++) {
        cs_metrics__family *f = &m->families[i];
        cs_metrics_sink sink = {.out = out, .metric = (cs_metric)i};
        if (f->series.n > 1) {
            qsort(f->series.v, f->series.n, sizeof f->series.v[0], by_values);
        }
        for (size_t j = 0; j < f->series.n; j++) {
            put_series(&sink, f->series.v[j]);
        }
        if (f->gather != NULL) {
            f->gather(f->gather_self, &sink);
        }
    }
    cs_mutex_unlock(&m->lock);
    cs_metrics__process(out);
}
