/* Metrics as tables and JSON. */
#include "metrics_table.h"

#include "countersign/number.h"

static void add(cs_arena *a, cs_cmd_metrics *m, const char *name, cs_value value)
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

void cs_cmd_metrics_add(cs_arena *a, cs_cmd_metrics *m, const char *name, int64_t value)
{
    add(a, m, name, cs_int(value));
}

void cs_cmd_metrics_add_all(cs_arena *a, cs_cmd_metrics *m, const cs_instrument *instrument)
{
    cs_value all = cs_object_new(a, 0);
    cs_instrument_put(instrument, all);
    for (uint32_t i = 0; i < cs_count(all); i++) {
        cs_value value;
        cs_slice name = cs_text(cs_entry(all, i, &value));
        add(a, m, cs_arena_dup(a, name.p, name.n), value);
    }
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
        cs_object_put_text(a, o, m->v[i].name, m->v[i].value);
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

/* A histogram has a row for each of its figures. */
static void add_rows(cs_cmd_table *t, const cs_cmd_metric *m)
{
    bool figures = cs_is(m->value, CS_OBJECT);
    for (uint32_t k = 0; k < (figures ? cs_count(m->value) : 1); k++) {
        cs_value value = m->value;
        cs_slice name = cs_slice_of(m->name);
        if (figures) {
            size_t n;
            cs_slice figure = cs_text(cs_entry(m->value, k, &value));
            const char *text = cs_arena_printf(t->arena, &n, "%s_%.*s", m->name, CS_FMT(figure));
            name = cs_slice_make(text, n);
        }
        const cs_slice cells[2] = {name, cs_cmd_figure_text(t->arena, value)};
        cs_cmd_table_add(t, cells);
    }
}

void cs_cmd_metrics_print(cs_buf *out, cs_arena *a, const cs_cmd_metrics *m)
{
    const cs_slice head[2] = {CS_LIT("Metric"), CS_LIT("Value")};
    cs_cmd_table t = {.arena = a, .columns = 2, .head = head};
    for (size_t i = 0; i < m->n; i++) {
        add_rows(&t, &m->v[i]);
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
