/* What the two halves of metrics share: the registry (metrics.c) and its text (render.c). */
#ifndef CS_METRICS_INTERNAL_H
#define CS_METRICS_INTERNAL_H

#include <stdatomic.h>

#include "countersign/base/map.h"
#include "countersign/base/thread.h"
#include "countersign/base/vec.h"
#include "countersign/metrics.h"

/* A shard of a series is an array of 64-bit cells on cache lines of its own. Counter: [count]. Gauge: [bits of the
 * double, set]. Histogram: [a count for each bucket and one for what is over the last, bits of the sum as a double]. */
typedef _Atomic uint64_t cs_metrics__cell;

struct cs_series {
    cs_metric metric;
    uint32_t shards; /* of workers; one more follows for everybody else */
    size_t stride;   /* cells from one shard to the next */
    const double *bounds;
    size_t bounds_n;
    char *values[CS_METRICS_LABELS_MAX]; /* NUL-terminated, valid UTF-8 */
    cs_metrics__cell *cells;
};

typedef struct cs_metrics__family {
    CS_VEC(cs_series *) series;
    cs_map by_values; /* label values, each with its length in front -> series */
    cs_metrics_gather *gather;
    void *gather_self;
    double *bounds; /* instead of the table's; NULL = those */
    size_t bounds_n;
} cs_metrics__family;

struct cs_metrics {
    uint32_t shards;
    cs_mutex lock; /* of the families; never of the cells */
    cs_metrics__family families[CS_METRIC_COUNT];
};

/* The label names of a metric, cut at the commas; returns how many. open[i] says whether name i is marked '*'. */
size_t cs_metrics__labels(cs_metric metric, cs_slice names[CS_METRICS_LABELS_MAX], bool open[CS_METRICS_LABELS_MAX]);
/* The bits of a double in a cell. */
double cs_metrics__double(uint64_t bits);
/* Cell `index` summed over the shards: as integers, or as doubles. */
uint64_t cs_metrics__sum(const cs_series *s, size_t index);
double cs_metrics__sum_double(const cs_series *s, size_t index);
/* Appends the process_* figures. */
void cs_metrics__process(cs_buf *out);

#endif
