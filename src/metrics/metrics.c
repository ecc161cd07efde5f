/* The registry: families from the table, series from their label values, cells that are counted in.
 *
 * A cell of a worker's shard has one writer, so a relaxed load and store suffice; the shared shard takes atomic
 * additions. A reader may catch a histogram between its bucket and its sum; the next scrape has both. */
#include "metrics/internal.h"

#include <string.h>

#include "countersign/base/err.h"
#include "countersign/base/limits.h"
#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "metrics/buckets.h"

static const cs_metric_row rows[] = {
#define CS_METRIC(id, kind, name, labels, buckets, help) {CS_METRIC_##kind, name, labels, help},
#include "metrics/metrics.def"
#undef CS_METRIC
};

#define CS_METRIC(id, kind, name, labels, buckets, help) static const double bounds_##id[] = {CS_BUCKETS_##buckets};
#include "metrics/metrics.def"
#undef CS_METRIC

static const struct {
    const double *bounds;
    size_t n;
} buckets_of[] = {
#define CS_METRIC(id, kind, name, labels, buckets, help) {bounds_##id, sizeof bounds_##id / sizeof bounds_##id[0]},
#include "metrics/metrics.def"
#undef CS_METRIC
};

const cs_metric_row *cs_metrics_rows(void)
{
    return rows;
}

size_t cs_metrics__labels(cs_metric metric, cs_slice names[CS_METRICS_LABELS_MAX], bool open[CS_METRICS_LABELS_MAX])
{
    cs_slice rest = cs_slice_of(rows[metric].labels);
    size_t n = 0;
    if (rest.n == 0) {
        return 0;
    }
    cs_slice piece = {0};
    while (cs_slice_next(&rest, ',', &piece)) {
        cs_assert(n < CS_METRICS_LABELS_MAX);
        open[n] = cs_slice_ends(piece, CS_LIT("*"));
        names[n] = cs_slice_sub(piece, 0, piece.n - (open[n] ? 1 : 0));
        n++;
    }
    return n;
}

/* ---- cells ---- */

double cs_metrics__double(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static cs_metrics__cell *cell_at(const cs_series *s, uint32_t worker, size_t index)
{
    cs_assert(worker == CS_METRICS_ANY || worker < s->shards);
    uint32_t shard = worker == CS_METRICS_ANY ? s->shards : worker;
    return &s->cells[shard * s->stride + index];
}

static void add(cs_metrics__cell *cell, uint32_t worker, uint64_t n)
{
    if (worker == CS_METRICS_ANY) {
        atomic_fetch_add_explicit(cell, n, memory_order_relaxed);
    } else {
        atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n, memory_order_relaxed);
    }
}

static void add_double(cs_metrics__cell *cell, uint32_t worker, double by)
{
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed);
    if (worker != CS_METRICS_ANY) {
        atomic_store_explicit(cell, bits_of(cs_metrics__double(old) + by), memory_order_relaxed);
        return;
    }
    while (!atomic_compare_exchange_weak_explicit(cell, &old, bits_of(cs_metrics__double(old) + by),
                                                  memory_order_relaxed, memory_order_relaxed)) {
        /* old is fresh now */
    }
}

uint64_t cs_metrics__sum(const cs_series *s, size_t index)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= s->shards; i++) {
        sum += atomic_load_explicit(&s->cells[i * s->stride + index], memory_order_relaxed);
    }
    return sum;
}

double cs_metrics__sum_double(const cs_series *s, size_t index)
{
    double sum = 0;
    for (uint32_t i = 0; i <= s->shards; i++) {
        sum += cs_metrics__double(atomic_load_explicit(&s->cells[i * s->stride + index], memory_order_relaxed));
    }
    return sum;
}

/* ---- counting ---- */

void cs_series_add(cs_series *s, uint32_t worker, uint64_t n)
{
    add(cell_at(s, worker, 0), worker, n);
}

/* A gauge has one writer's truth, not a sum: only its shared shard is used. */
void cs_series_set(cs_series *s, double value)
{
    atomic_store_explicit(cell_at(s, CS_METRICS_ANY, 0), bits_of(value), memory_order_relaxed);
    atomic_store_explicit(cell_at(s, CS_METRICS_ANY, 1), 1, memory_order_relaxed);
}

void cs_series_shift(cs_series *s, double by)
{
    add_double(cell_at(s, CS_METRICS_ANY, 0), CS_METRICS_ANY, by);
    atomic_store_explicit(cell_at(s, CS_METRICS_ANY, 1), 1, memory_order_relaxed);
}

void cs_series_observe(cs_series *s, uint32_t worker, double value)
{
    size_t i = 0;
    while (i < s->bounds_n && value > s->bounds[i]) {
        i++;
    }
    add(cell_at(s, worker, i), worker, 1);
    add_double(cell_at(s, worker, s->bounds_n + 1), worker, value);
}

void cs_series_observe_ns(cs_series *s, uint32_t worker, int64_t ns)
{
    cs_series_observe(s, worker, (double)ns / 1e9);
}

double cs_series_value(const cs_series *s)
{
    switch (rows[s->metric].kind) {
    case CS_METRIC_COUNTER:
        return (double)cs_metrics__sum(s, 0);
    case CS_METRIC_GAUGE:
        return cs_metrics__sum_double(s, 0);
    case CS_METRIC_HISTOGRAM:
        break;
    }
    uint64_t count = 0;
    for (size_t i = 0; i <= s->bounds_n; i++) {
        count += cs_metrics__sum(s, i);
    }
    return (double)count;
}

/* ---- families and series ---- */

/* A copy that Prometheus accepts: valid UTF-8 without NUL. */
static char *clean(cs_slice value)
{
    cs_buf b;
    cs_buf_init(&b);
    for (size_t i = 0; i < value.n;) {
        size_t width = 0;
        uint32_t rune = cs_utf8_decode(value.p + i, value.n - i, &width);
        char bytes[4];
        cs_buf_put(&b, bytes, cs_utf8_encode(rune == 0 ? CS_RUNE_BAD : rune, bytes));
        i += width;
    }
    char *copy = cs_strdup(cs_buf_cstr(&b));
    cs_buf_destroy(&b);
    return copy;
}

static cs_series *series_new(const cs_metrics *m, cs_metric metric, const cs_slice *values, size_t n)
{
    cs_series *s = cs_zalloc(sizeof *s);
    s->metric = metric;
    s->shards = m->shards;
    size_t cells = 2;
    if (rows[metric].kind == CS_METRIC_HISTOGRAM) {
        const cs_metrics__family *f = &m->families[metric];
        s->bounds = f->bounds != NULL ? f->bounds : buckets_of[metric].bounds;
        s->bounds_n = f->bounds != NULL ? f->bounds_n : buckets_of[metric].n;
        cells = s->bounds_n + 2;
    }
    s->stride = (cells + 7) & ~(size_t)7;
    s->cells = cs_zalloc_lines(((size_t)s->shards + 1) * s->stride * sizeof *s->cells);
    for (size_t i = 0; i < n; i++) {
        s->values[i] = clean(values[i]);
    }
    return s;
}

static void series_free(cs_series *s)
{
    for (size_t i = 0; i < CS_METRICS_LABELS_MAX; i++) {
        cs_free(s->values[i]);
    }
    cs_free(s->cells);
    cs_free(s);
}

static void put_key(cs_buf *key, const cs_slice *values, size_t n)
{
    cs_buf_clear(key);
    for (size_t i = 0; i < n; i++) {
        cs_buf_u64(key, values[i].n);
        cs_buf_byte(key, ':');
        cs_buf_slice(key, values[i]);
    }
}

/* Under the lock. */
static cs_series *find_or_add(cs_metrics *m, cs_metric metric, const cs_slice *values, size_t n, bool may_add)
{
    cs_metrics__family *f = &m->families[metric];
    cs_buf key;
    cs_buf_init(&key);
    put_key(&key, values, n);
    cs_series *s = cs_map_get(&f->by_values, cs_buf_view(&key));
    if (s == NULL && may_add) {
        s = series_new(m, metric, values, n);
        (void)cs_map_put(&f->by_values, cs_buf_view(&key), s);
        CS_VEC_PUSH(&f->series, s);
    }
    cs_buf_destroy(&key);
    return s;
}

cs_series *cs_metrics_series(cs_metrics *m, cs_metric metric, const cs_slice *values)
{
    cs_assert((size_t)metric < CS_METRIC_COUNT);
    cs_slice names[CS_METRICS_LABELS_MAX];
    bool open[CS_METRICS_LABELS_MAX] = {false};
    size_t n = cs_metrics__labels(metric, names, open);
    cs_assert(n == 0 || values != NULL);
    cs_mutex_lock(&m->lock);
    bool full = m->families[metric].series.n >= cs_limits_get()->metric_series;
    cs_series *s = find_or_add(m, metric, values, n, !full);
    if (s == NULL) {
        /* Series of "_other" come on top of the limit; the closed labels have few values. */
        bool any_open = open[0] || open[1] || open[2] || open[3];
        cs_slice other[CS_METRICS_LABELS_MAX];
        for (size_t i = 0; i < n; i++) {
            other[i] = open[i] || !any_open ? CS_LIT("_other") : values[i];
        }
        s = find_or_add(m, metric, other, n, true);
    }
    cs_mutex_unlock(&m->lock);
    return s;
}

cs_metrics *cs_metrics_new(unsigned shards)
{
    cs_metrics *m = cs_zalloc(sizeof *m);
    m->shards = shards;
    cs_mutex_init(&m->lock);
    /* What has no labels exists from the start, so that a rate over it can be asked for before it first happens; but
     * OPA's do not in OPA. */
    for (size_t i = 0; i < CS_METRIC_COUNT; i++) {
        if (rows[i].labels[0] == '\0' && strncmp(rows[i].name, "countersign_", 12) == 0) {
            (void)cs_metrics_series(m, (cs_metric)i, NULL);
        }
    }
    return m;
}

void cs_metrics_free(cs_metrics *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < CS_METRIC_COUNT; i++) {
        cs_metrics__family *f = &m->families[i];
        for (size_t j = 0; j < f->series.n; j++) {
            series_free(f->series.v[j]);
        }
        CS_VEC_FREE(&f->series);
        cs_free(f->bounds);
        cs_map_destroy(&f->by_values);
    }
    cs_mutex_destroy(&m->lock);
    cs_free(m);
}

void cs_metrics_buckets(cs_metrics *m, cs_metric metric, const double *bounds, size_t n)
{
    cs_mutex_lock(&m->lock);
    cs_metrics__family *f = &m->families[metric];
    if (f->bounds == NULL) {
        f->bounds = cs_alloc_array(n, sizeof *f->bounds);
        memcpy(f->bounds, bounds, n * sizeof *bounds);
        f->bounds_n = n;
    }
    cs_mutex_unlock(&m->lock);
}

void cs_metrics_on_gather(cs_metrics *m, cs_metric metric, cs_metrics_gather *gather, void *self)
{
    cs_mutex_lock(&m->lock);
    m->families[metric].gather = gather;
    m->families[metric].gather_self = self;
    cs_mutex_unlock(&m->lock);
}

void cs_metrics_end_gather(cs_metrics *m, cs_metric metric, const void *self)
{
    cs_mutex_lock(&m->lock);
    if (m->families[metric].gather_self == self) {
        m->families[metric].gather = NULL;
    }
    cs_mutex_unlock(&m->lock);
}
