/* Named numbers of one run, and statistics over several: what --metrics shows. */
#ifndef CS_CMD_METRICS_TABLE_H
#define CS_CMD_METRICS_TABLE_H

#include "countersign/base/vec.h"
#include "countersign/instrument.h"
#include "countersign/json.h"
#include "table.h"

typedef struct cs_cmd_metric {
    const char *name; /* "timer_rego_query_eval_ns" */
    cs_value value;   /* a number, or an object of a histogram's figures */
} cs_cmd_metric;

typedef CS_VEC(cs_cmd_metric) cs_cmd_metrics; /* in an arena */

typedef struct cs_cmd_statistic {
    const char *name;
    cs_value figures; /* object: count, min, max, mean, stddev, median, 75% … 99.99% */
} cs_cmd_statistic;

typedef CS_VEC(cs_cmd_statistic) cs_cmd_statistics;

void cs_cmd_metrics_add(cs_arena *a, cs_cmd_metrics *m, const char *name, int64_t value);
/* What was measured besides: counters, timers, histograms. */
void cs_cmd_metrics_add_all(cs_arena *a, cs_cmd_metrics *m, const cs_instrument *instrument);
/* A value of such figures as Go prints it with %v. */
cs_slice cs_cmd_figure_text(cs_arena *a, cs_value v);

/* Objects by name. */
cs_value cs_cmd_metrics_json(cs_arena *a, const cs_cmd_metrics *m);
cs_value cs_cmd_statistics_json(cs_arena *a, const cs_cmd_statistics *s);
/* Tables: Metric, Value; and Metric, Min, Max, Mean, 90%, 99%. Nothing if there are none. */
void cs_cmd_metrics_print(cs_buf *out, cs_arena *a, const cs_cmd_metrics *m);
void cs_cmd_statistics_print(cs_buf *out, cs_arena *a, const cs_cmd_statistics *s);

#endif
