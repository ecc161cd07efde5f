/* The metrics as a document: the families of the text format as Prometheus' own JSON has them, which is what OPA puts
 * under metrics.prometheus of its status. Counts are texts there, as JSON's numbers would not hold them. */
#include "countersign/number.h"
#include "internal.h"

typedef struct reader {
    cs_arena *a;
    cs_value families; /* by name */
    cs_value family;   /* of the lines at hand; undefined before the first */
    cs_slice name;
    cs_value metrics[1024];
    size_t n;
    cs_slice labels; /* of the histogram at hand, as written, without le */
    cs_value histogram;
    cs_value buckets[64];
    size_t n_buckets;
} reader;

static void put_text(reader *r, cs_value object, const char *name, cs_slice text)
{
    cs_object_put_text(r->a, object, name, cs_string_copy(r->a, text));
}

static cs_value number(reader *r, cs_slice text)
{
    cs_value v;
    return cs_json_read(r->a, text, NULL, &v, NULL, NULL) == CS_OK ? cs_freeze(r->a, v) : cs_string_copy(r->a, text);
}

/* ---- a family's end */

static void end_histogram(reader *r)
{
    if (!cs_is_undefined(r->histogram)) {
        cs_object_put_text(r->a, r->histogram, "bucket", cs_array_copy(r->a, r->buckets, r->n_buckets));
        r->histogram = cs_undefined();
    }
    r->n_buckets = 0;
}

static void end_family(reader *r)
{
    end_histogram(r);
    if (!cs_is_undefined(r->family)) {
        cs_object_put_text(r->a, r->family, "metric", cs_array_copy(r->a, r->metrics, r->n));
        cs_object_put(r->a, r->families, cs_string(r->name), r->family);
    }
    r->family = cs_undefined();
    r->n = 0;
}

/* ---- lines */

/* "# HELP name text" */
static void read_help(reader *r, cs_slice line)
{
    end_family(r);
    cs_slice name;
    (void)cs_slice_next(&line, ' ', &name);
    r->name = cs_slice_make(cs_arena_dup(r->a, name.p, name.n), name.n);
    r->family = cs_object_new(r->a, 4);
    put_text(r, r->family, "name", name);
    put_text(r, r->family, "help", line);
}

/* "# TYPE name kind" */
static void read_type(reader *r, cs_slice line)
{
    cs_slice name;
    (void)cs_slice_next(&line, ' ', &name);
    char *upper = cs_arena_dup(r->a, line.p, line.n);
    for (size_t i = 0; i < line.n; i++) {
        upper[i] = upper[i] >= 'a' && upper[i] <= 'z' ? (char)(upper[i] - 32) : upper[i];
    }
    cs_object_put_text(r->a, r->family, "type", cs_string(cs_slice_make(upper, line.n)));
}

/* One label of a=",…" at the front of *rest, its value without escapes. */
static bool next_label(reader *r, cs_slice *rest, cs_slice *name, cs_slice *value)
{
    size_t equals = cs_slice_find_byte(*rest, '=', 0);
    if (equals == SIZE_MAX || equals + 1 >= rest->n) {
        return false;
    }
    *name = cs_slice_sub(*rest, 0, equals);
    char *out = cs_arena_dup(r->a, rest->p, rest->n);
    size_t n = 0, at = equals + 2;
    while (at < rest->n && rest->p[at] != '"') {
        bool escape = rest->p[at] == '\\' && at + 1 < rest->n;
        char c = rest->p[escape ? at + 1 : at];
        out[n++] = escape && c == 'n' ? '\n' : c;
        at += escape ? 2 : 1;
    }
    *value = cs_slice_make(out, n);
    at++;
    *rest = cs_slice_sub(*rest, at < rest->n && rest->p[at] == ',' ? at + 1 : at, rest->n);
    return true;
}

/* The labels but le, which goes to *le. */
static cs_value read_labels(reader *r, cs_slice text, cs_slice *le)
{
    cs_value items[CS_METRICS_LABELS_MAX + 1];
    size_t n = 0;
    cs_slice name, value;
    while (text.n != 0 && n <= CS_METRICS_LABELS_MAX && next_label(r, &text, &name, &value)) {
        if (cs_slice_is(name, "le")) {
            *le = value;
            continue;
        }
        items[n] = cs_object_new(r->a, 2);
        put_text(r, items[n], "name", name);
        cs_object_put_text(r->a, items[n++], "value", cs_string(value));
    }
    return cs_array_copy(r->a, items, n);
}

static cs_value add_metric(reader *r, cs_value labels)
{
    cs_value metric = cs_object_new(r->a, 2);
    if (labels.n != 0) {
        cs_object_put_text(r->a, metric, "label", labels);
    }
    if (r->n < sizeof r->metrics / sizeof *r->metrics) {
        r->metrics[r->n++] = metric;
    }
    return metric;
}

/* _bucket, _sum and _count of one set of labels follow each other; _count is the last of them. */
static void read_histogram(reader *r, cs_slice suffix, cs_value labels, cs_slice le, cs_slice value)
{
    if (cs_is_undefined(r->histogram)) {
        r->histogram = cs_object_new(r->a, 3);
        cs_object_put_text(r->a, add_metric(r, labels), "histogram", r->histogram);
    }
    if (cs_slice_is(suffix, "_sum")) {
        cs_object_put_text(r->a, r->histogram, "sampleSum", number(r, value));
    } else if (cs_slice_is(suffix, "_count")) {
        put_text(r, r->histogram, "sampleCount", value);
        end_histogram(r);
    } else if (!cs_slice_is(le, "+Inf") && r->n_buckets < sizeof r->buckets / sizeof *r->buckets) {
        cs_value bucket = cs_object_new(r->a, 2);
        put_text(r, bucket, "cumulativeCount", value);
        cs_object_put_text(r->a, bucket, "upperBound", number(r, le));
        r->buckets[r->n_buckets++] = bucket;
    }
}

static void read_sample(reader *r, cs_slice line)
{
    size_t brace = cs_slice_find_byte(line, '{', 0), end = line.n;
    while (end > 0 && line.p[end - 1] != ' ') {
        end--;
    }
    cs_slice value = cs_slice_sub(line, end, line.n), le = CS_LIT("");
    bool labelled = brace != SIZE_MAX && brace < end;
    cs_slice name = cs_slice_sub(line, 0, labelled ? brace : end - 1);
    cs_value labels = read_labels(r, labelled ? cs_slice_sub(line, brace + 1, end - 2) : CS_LIT(""), &le);
    const cs_value *type = cs_object_get_text(r->family, "type");
    cs_slice kind = type != NULL ? cs_text(*type) : CS_LIT("");
    if (cs_slice_is(kind, "HISTOGRAM")) {
        read_histogram(r, cs_slice_sub(name, r->name.n, name.n), labels, le, value);
        return;
    }
    cs_value sample = cs_object_new(r->a, 1);
    cs_object_put_text(r->a, sample, "value", number(r, value));
    cs_object_put_text(r->a, add_metric(r, labels), cs_slice_is(kind, "COUNTER") ? "counter" : "gauge", sample);
}

cs_value cs_server__metric_families(cs_server *server, cs_arena *a)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_metrics_render(server->o.metrics, &text);
    reader *r = cs_arena_new(a, reader);
    r->a = a;
    r->families = cs_object_new(a, 64);
    r->family = r->histogram = cs_undefined();
    cs_slice rest = cs_buf_view(&text), line;
    cs_slice help = CS_LIT("# HELP "), kind = CS_LIT("# TYPE ");
    while (rest.n != 0 && cs_slice_next(&rest, '\n', &line)) {
        if (cs_slice_starts(line, help)) {
            read_help(r, cs_slice_sub(line, help.n, line.n));
        } else if (cs_slice_starts(line, kind) && !cs_is_undefined(r->family)) {
            read_type(r, cs_slice_sub(line, kind.n, line.n));
        } else if (line.n != 0 && line.p[0] != '#' && !cs_is_undefined(r->family)) {
            read_sample(r, line);
        }
    }
    end_family(r);
    cs_buf_destroy(&text);
    return r->families;
}
