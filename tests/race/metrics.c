/* Workers count in their shards, others in the shared one, while series are made and the text is rendered. */
#include <stdatomic.h>
#include <stdio.h>

#include "countersign/base/thread.h"
#include "countersign/metrics.h"

#define WORKERS 2
#define OTHERS 2
#define ROUNDS 5000

static cs_metrics *metrics;

static void count(uint32_t worker)
{
    cs_series *time = cs_metrics_series(metrics, CS_METRIC_DECISION_DURATION, NULL);
    char name[8] = "path-0";
    for (int i = 0; i < ROUNDS; i++) {
        name[5] = (char)('0' + i % 10);
        cs_series *s =
            cs_metrics_series(metrics, CS_METRIC_DECISIONS, (cs_slice[]){cs_slice_of(name), CS_LIT("allow")});
        cs_series_add(s, worker, 1);
        cs_series_observe(time, worker, 0.001);
    }
}

static void work(void *self)
{
    count(*(const uint32_t *)self);
}

int main(void)
{
    metrics = cs_metrics_new(WORKERS);
    cs_thread threads[WORKERS + OTHERS] = {0};
    uint32_t indexes[WORKERS + OTHERS] = {0, 1, CS_METRICS_ANY, CS_METRICS_ANY};
    cs_error e;
    for (int i = 0; i < WORKERS + OTHERS; i++) {
        if (cs_thread_start(&threads[i], "count", work, &indexes[i], &e) != CS_OK) {
            return 2;
        }
    }
    cs_buf text;
    cs_buf_init(&text);
    for (int i = 0; i < 20; i++) {
        cs_buf_clear(&text);
        cs_metrics_render(metrics, &text);
    }
    for (int i = 0; i < WORKERS + OTHERS; i++) {
        cs_thread_join(&threads[i]);
    }
    double total = 0;
    char name[8] = "path-0";
    for (int i = 0; i < 10; i++) {
        name[5] = (char)('0' + i);
        total += cs_series_value(
            cs_metrics_series(metrics, CS_METRIC_DECISIONS, (cs_slice[]){cs_slice_of(name), CS_LIT("allow")}));
    }
    double times = cs_series_value(cs_metrics_series(metrics, CS_METRIC_DECISION_DURATION, NULL));
    cs_metrics_free(metrics);
    cs_buf_destroy(&text);
    double want = (double)(WORKERS + OTHERS) * ROUNDS;
    printf("metrics: %.0f counted, %.0f observed, %.0f each wanted\n", total, times, want);
    return total < want || total > want || times < want || times > want;
}
