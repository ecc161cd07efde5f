/* Rendering: escaping, buckets, bounds on labels, gathered figures. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/metrics.h"

static cs_metrics *metrics;
static cs_buf text;

static void setup(void)
{
    metrics = cs_metrics_new(2);
    cs_buf_init(&text);
}

static void teardown(void)
{
    cs_metrics_free(metrics);
    cs_buf_destroy(&text);
}

TestSuite(metrics, .init = setup, .fini = teardown);

static bool has(const char *line)
{
    cs_buf_clear(&text);
    cs_metrics_render(metrics, &text);
    return strstr(cs_buf_cstr(&text), line) != NULL;
}

Test(metrics, counters_sum_their_shards)
{
    cs_series *s = cs_metrics_series(metrics, CS_METRIC_DECISIONS, (cs_slice[]){CS_LIT("a/b"), CS_LIT("allow")});
    cr_assert_eq(s, cs_metrics_series(metrics, CS_METRIC_DECISIONS, (cs_slice[]){CS_LIT("a/b"), CS_LIT("allow")}));
    cs_series_add(s, 0, 1);
    cs_series_add(s, 1, 10);
    cs_series_add(s, CS_METRICS_ANY, 100);
    cr_assert(has("# TYPE countersign_decisions_total "
                  "counter\ncountersign_decisions_total{path=\"a/b\",outcome=\"allow\"} 111\n"));
}

Test(metrics, label_values_are_escaped)
{
    (void)cs_metrics_series(metrics, CS_METRIC_REASONS, (cs_slice[]){CS_LIT("a\"b\\c\nd\xFF\xC3\xA9")});
    cr_assert(has("countersign_reasons_total{code=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\xC3\xA9\"} 0\n"));
    (void)cs_metrics_series(metrics, CS_METRIC_REASONS, (cs_slice[]){CS_LIT("")});
    cr_assert(has("countersign_reasons_total{code=\"\"} 0\n"));
}

Test(metrics, values_do_not_run_into_each_other)
{
    cs_series *one = cs_metrics_series(metrics, CS_METRIC_DECISIONS, (cs_slice[]){CS_LIT("a"), CS_LIT("bc")});
    cs_series *two = cs_metrics_series(metrics, CS_METRIC_DECISIONS, (cs_slice[]){CS_LIT("ab"), CS_LIT("c")});
    cr_assert_neq(one, two);
}

Test(metrics, histogram)
{
    cs_series *s = cs_metrics_series(metrics, CS_METRIC_HTTP_DURATION,
                                     (cs_slice[]){CS_LIT("200"), CS_LIT("v1/data"), CS_LIT("post")});
    cs_series_observe(s, 0, 1e-6); /* a bound belongs to its bucket */
    cs_series_observe(s, 1, 1.1e-6);
    cs_series_observe_ns(s, CS_METRICS_ANY, 2500000000);
    const char *labels = "{code=\"200\",handler=\"v1/data\",method=\"post\"";
    static const struct {
        const char *format;
        int count;
    } want[] = {{"http_request_duration_seconds_bucket%s,le=\"1e-06\"} %d\n", 1},
                {"http_request_duration_seconds_bucket%s,le=\"5e-06\"} %d\n", 2},
                {"http_request_duration_seconds_bucket%s,le=\"0.0001\"} %d\n", 2},
                {"http_request_duration_seconds_bucket%s,le=\"1\"} %d\n", 2},
                {"http_request_duration_seconds_bucket%s,le=\"+Inf\"} %d\n", 3},
                {"http_request_duration_seconds_count%s} %d\n", 3}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        cs_buf line = {0};
        const char *at = strstr(want[i].format, "%s");
        cs_buf_put(&line, want[i].format, (size_t)(at - want[i].format));
        cs_buf_text(&line, labels);
        const char *rest = at + 2;
        const char *number = strstr(rest, "%d");
        cs_buf_put(&line, rest, (size_t)(number - rest));
        cs_buf_i64(&line, want[i].count);
        cs_buf_byte(&line, '\n');
        cr_assert(has(cs_buf_cstr(&line)), "%s", cs_buf_cstr(&line));
        cs_buf_destroy(&line);
    }
    cr_assert(has("http_request_duration_seconds_sum{code=\"200\",handler=\"v1/data\",method=\"post\"} 2.5000021\n"));
    cr_assert_float_eq(cs_series_value(s), 3, 1e-9);
}

Test(metrics, what_has_no_labels_is_there_from_the_start_but_for_gauges)
{
    cr_assert(has("countersign_decision_duration_seconds_count 0\n"));
    cr_assert_not(has("countersign_spend_caught_up"));
    cs_series_set(cs_metrics_series(metrics, CS_METRIC_SPEND_CAUGHT_UP, NULL), 0);
    cr_assert(has("# TYPE countersign_spend_caught_up gauge\ncountersign_spend_caught_up 0\n"));
    cs_series_shift(cs_metrics_series(metrics, CS_METRIC_SPEND_CAUGHT_UP, NULL), 0.25);
    cr_assert(has("countersign_spend_caught_up 0.25\n"));
    cr_assert_not(has("countersign_reasons_total"));
}

Test(metrics, too_many_values_become_other)
{
    cr_assert(cs_limits_set("metric_series", 3));
    char path[32];
    for (int i = 0; i < 10; i++) {
        cs_slice p = cs_slice_make(path, (size_t)snprintf(path, sizeof path, "p%d", i));
        cs_series_add(cs_metrics_series(metrics, CS_METRIC_DECISIONS, (cs_slice[]){p, CS_LIT("deny")}), 0, 1);
    }
    cr_assert(has("countersign_decisions_total{path=\"_other\",outcome=\"deny\"} 7\n"));
    cr_assert(has("path=\"p2\""));
    cr_assert_not(has("path=\"p3\""));
    /* No open label: all of them. */
    for (int i = 0; i < 5; i++) {
        cs_slice p = cs_slice_make(path, (size_t)snprintf(path, sizeof path, "r%d", i));
        cs_series_add(cs_metrics_series(metrics, CS_METRIC_SPEND_EVENTS, (cs_slice[]){p}), 0, 1);
    }
    cr_assert(has("countersign_spend_events_total{result=\"_other\"} 2\n"));
}

static void gather(void *self, cs_metrics_sink *sink)
{
    const double *value = self;
    cs_metrics_emit(sink, (cs_slice[]){CS_LIT("t\xFF"), CS_LIT("day")}, *value);
    cs_metrics_emit(sink, (cs_slice[]){CS_LIT("u"), CS_LIT("month")}, *value / 3);
}

Test(metrics, gathered)
{
    double value = 0.1;
    cs_metrics_on_gather(metrics, CS_METRIC_BUDGET_RATIO, gather, &value);
    cr_assert(has("# TYPE countersign_budget_ratio gauge\n"
                  "countersign_budget_ratio{tenant=\"t\xEF\xBF\xBD\",window=\"day\"} 0.1\n"
                  "countersign_budget_ratio{tenant=\"u\",window=\"month\"} 0.03333333333333333\n"));
    cs_metrics_on_gather(metrics, CS_METRIC_BUDGET_RATIO, NULL, NULL);
    cr_assert_not(has("countersign_budget_ratio"));
}

Test(metrics, process)
{
    cr_assert(has("\nprocess_resident_memory_bytes "));
    cr_assert(has("\nprocess_cpu_seconds_total 0."));
    cr_assert(has("\nprocess_open_fds "));
    cr_assert(has("\nprocess_start_time_seconds 1"));
}

Test(metrics, rows_are_well_formed)
{
    const cs_metric_row *rows = cs_metrics_rows();
    for (size_t i = 0; i < CS_METRIC_COUNT; i++) {
        cr_assert(rows[i].help[0] != '\0');
        bool counter = rows[i].kind == CS_METRIC_COUNTER && strncmp(rows[i].name, "countersign_", 12) == 0;
        cr_assert(!counter || cs_slice_ends(cs_slice_of(rows[i].name), CS_LIT("_total")), "%s", rows[i].name);
        for (size_t j = 0; j < i; j++) {
            cr_assert_str_neq(rows[i].name, rows[j].name);
        }
    }
}
