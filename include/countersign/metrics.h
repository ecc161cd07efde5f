/* Counters, gauges and histograms, and their text for Prometheus.
 *
 * What can be measured is the table src/metrics/metrics.def; a row there is a cs_metric here. A series (one combination
 * of label values) is looked up once and its handle kept: counting is then one addition in the caller's own shard. A
 * reader sums the shards.
 *
 * Who adds: a worker thread passes its index, 0 .. shards-1, which no other thread may use at that time; all others
 * pass CS_METRICS_ANY. Everything here is thread-safe on that condition. Handles live as long as the cs_metrics. */
#ifndef CS_METRICS_H
#define CS_METRICS_H

#include "countersign/base/buf.h"
#include "countersign/base/slice.h"

typedef enum cs_metric {
#define CS_METRIC(id, kind, name, labels, buckets, help) CS_METRIC_##id,
#include "metrics/metrics.def"
#undef CS_METRIC
    CS_METRIC_COUNT
} cs_metric;

typedef enum cs_metric_kind { CS_METRIC_COUNTER, CS_METRIC_GAUGE, CS_METRIC_HISTOGRAM } cs_metric_kind;

typedef struct cs_metrics cs_metrics;
typedef struct cs_series cs_series;

#define CS_METRICS_ANY UINT32_MAX
#define CS_METRICS_LABELS_MAX 4

/* A registry for `shards` worker threads. The caller frees it when no handle is in use any more. */
cs_metrics *cs_metrics_new(unsigned shards);
void cs_metrics_free(cs_metrics *m);

/* The series of a metric with these label values, as many as its row has names and in that order (NULL if it has none).
 * Made on first use, at zero. Takes a lock: keep the handle. Bytes that are not UTF-8 become U+FFFD. Beyond
 * limits.metric_series series of one metric the values of its open labels (marked '*' in the row; all, if none is
 * marked) become "_other". Never NULL. */
cs_series *cs_metrics_series(cs_metrics *m, cs_metric metric, const cs_slice *values);

/* Other bounds for the buckets of a histogram, for series that are made from now on. Copied; once a metric. */
void cs_metrics_buckets(cs_metrics *m, cs_metric metric, const double *bounds, size_t n);

/* Counters. */
void cs_series_add(cs_series *s, uint32_t worker, uint64_t n);
/* Gauges. A gauge without labels shows up in the text once it was set. */
void cs_series_set(cs_series *s, double value);
void cs_series_shift(cs_series *s, double by);
/* Histograms; the value in the unit of the name (seconds). */
void cs_series_observe(cs_series *s, uint32_t worker, double value);
void cs_series_observe_ns(cs_series *s, uint32_t worker, int64_t ns);

/* For tests and status pages: a counter's or gauge's value, a histogram's count. */
double cs_series_value(const cs_series *s);

/* Figures that are computed when somebody asks: `gather` is called by every rendering and emits rows of this counter or
 * gauge. It runs on the rendering thread, with the registry's lock held: it must not call cs_metrics_*. One per metric;
 * NULL takes it away. `self` must outlive it. */
typedef struct cs_metrics_sink cs_metrics_sink;
typedef void cs_metrics_gather(void *self, cs_metrics_sink *sink);
void cs_metrics_on_gather(cs_metrics *m, cs_metric metric, cs_metrics_gather *gather, void *self);
/* Takes it away, unless another one has taken its place. */
void cs_metrics_end_gather(cs_metrics *m, cs_metric metric, const void *self);
void cs_metrics_emit(cs_metrics_sink *sink, const cs_slice *values, double value);

/* Appends everything in the text exposition format 0.0.4 (Content-Type CS_METRICS_CONTENT_TYPE), process_* included. */
#define CS_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
void cs_metrics_render(cs_metrics *m, cs_buf *out);

/* The table, for documentation. `labels` is "a,b" with '*' behind open ones. Static; CS_METRIC_COUNT of them. */
typedef struct cs_metric_row {
    cs_metric_kind kind;
    const char *name;
    const char *labels;
    const char *help;
} cs_metric_row;
const cs_metric_row *cs_metrics_rows(void);

#endif
