/* Named counters, timers and histograms of one request. */
#include "countersign/instrument.h"

#include <math.h>
#include <stdlib.h>

#include "countersign/base/vec.h"
#include "countersign/number.h"

/* As many values as OPA's histograms keep; of more, a later one takes the place of an earlier one in turn. */
#define SAMPLES_MAX 1028U

typedef struct part {
    const char *name;
    bool counter;
    uint64_t total; /* ns of a timer */
    uint64_t n;     /* times that an operation ran */
    CS_VEC(int64_t) samples;
} part;

struct cs_instrument {
    cs_arena *arena;
    CS_VEC(part) parts;
};

cs_instrument *cs_instrument_new(cs_arena *a)
{
    cs_instrument *i = cs_arena_new(a, cs_instrument);
    i->arena = a;
    return i;
}

/* There are some dozen names. */
static part *find(cs_instrument *i, const char *name, bool counter)
{
    for (size_t k = 0; k < i->parts.n; k++) {
        part *p = &i->parts.v[k];
        if (p->counter == counter && strcmp(p->name, name) == 0) {
            return p;
        }
    }
    CS_VEC_PUSH_IN(i->arena, &i->parts, ((part){.name = name, .counter = counter}));
    return &i->parts.v[i->parts.n - 1];
}

void cs_instrument_count(cs_instrument *i, const char *name, uint64_t n)
{
    if (i && n) {
        find(i, name, true)->total += n;
    }
}

void cs_instrument_time(cs_instrument *i, const char *name, int64_t ns)
{
    if (i) {
        find(i, name, false)->total += ns > 0 ? (uint64_t)ns : 0;
    }
}

void cs_instrument_op(cs_instrument *i, const char *name, int64_t ns)
{
    if (!i) {
        return;
    }
    part *p = find(i, name, false);
    ns = ns > 0 ? ns : 0;
    p->total += (uint64_t)ns;
    if (p->samples.n < SAMPLES_MAX) {
        CS_VEC_PUSH_IN(i->arena, &p->samples, ns);
    } else {
        p->samples.v[p->n % SAMPLES_MAX] = ns;
    }
    p->n++;
}

void cs_instrument_put(const cs_instrument *i, cs_value object)
{
    for (size_t k = 0; i && k < i->parts.n; k++) {
        part *p = &i->parts.v[k];
        const char *name = cs_arena_printf(i->arena, NULL, p->counter ? "counter_%s" : "timer_%s_ns", p->name);
        cs_object_put_text(i->arena, object, name, cs_int((int64_t)p->total));
        if (p->n) {
            cs_value figures = cs_statistics_of(i->arena, p->samples.v, p->samples.n);
            cs_object_put_text(i->arena, figures, "count", cs_int((int64_t)p->n));
            name = cs_arena_printf(i->arena, NULL, "histogram_%s", p->name);
            cs_object_put_text(i->arena, object, name, figures);
        }
    }
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

cs_value cs_statistics_of(cs_arena *a, int64_t *values, size_t n)
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
