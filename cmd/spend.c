/* spend: what people ask a running server about money, and what they tell it. */
#include <stdio.h>
#include <string.h>

#include "countersign/base/encode.h"
#include "countersign/base/file.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "remote.h"

enum { FILE_BYTES = 64 << 20, BATCH_EVENTS = 5000 };

typedef struct flags {
    cs_remote remote;
    const char *day, *timezone, *format, *from, *to, *group_by, *granularity, *tenant, *currency, *source, *tolerance;
    bool apply;
} flags;

typedef int verb_fn(cs_arena *a, const flags *f, const char *operand);

static int get(cs_arena *a, const flags *f, cs_buf *url)
{
    cs_remote_request request = {.method = "GET", .url = cs_buf_cstr(url)};
    int status = cs_remote_print(a, &f->remote, &request);
    cs_buf_destroy(url);
    return status;
}

/* ---- questions */

static int report(cs_arena *a, const flags *f, const char *operand)
{
    cs_buf url;
    cs_buf_init(&url);
    cs_buf_text(&url, "/v1/reports/finops");
    cs_remote_param(&url, "day", operand != NULL ? operand : f->day);
    cs_remote_param(&url, "timezone", f->timezone);
    cs_remote_param(&url, "format", f->format);
    return get(a, f, &url);
}

static int cost(cs_arena *a, const flags *f, const char *operand)
{
    cs_buf url;
    cs_buf_init(&url);
    cs_buf_text(&url, "/v1/cost");
    cs_remote_param(&url, "tenant", operand != NULL ? operand : f->tenant);
    cs_remote_param(&url, "from", f->from);
    cs_remote_param(&url, "to", f->to);
    cs_remote_param(&url, "group_by", f->group_by);
    cs_remote_param(&url, "granularity", f->granularity);
    cs_remote_param(&url, "timezone", f->timezone);
    cs_remote_param(&url, "currency", f->currency);
    cs_remote_param(&url, "format", f->format);
    return get(a, f, &url);
}

static int forecast(cs_arena *a, const flags *f, const char *operand)
{
    const char *tenant = operand != NULL ? operand : f->tenant;
    if (tenant == NULL) {
        return cs_cmd_fail("name the tenant: spend forecast <tenant>");
    }
    cs_buf url;
    cs_buf_init(&url);
    cs_buf_text(&url, "/v1/forecast/");
    cs_percent_encode(&url, cs_slice_of(tenant));
    cs_remote_param(&url, "currency", f->currency);
    return get(a, f, &url);
}

static int status(cs_arena *a, const flags *f, const char *operand)
{
    cs_buf url;
    cs_buf_init(&url);
    const char *tenant = operand != NULL ? operand : f->tenant;
    cs_buf_text(&url, tenant != NULL ? "/v1/spend/" : "/admin/budget/status");
    if (tenant != NULL) {
        cs_percent_encode(&url, cs_slice_of(tenant));
    }
    return get(a, f, &url);
}

/* ---- a bill */

/* Lines of "tenant,amount", with or without a head. */
static cs_err read_csv(cs_arena *a, cs_slice text, cs_value *billed, cs_error *e)
{
    *billed = cs_object_new(a, 16);
    cs_slice line;
    for (size_t number = 1; text.n > 0 && cs_slice_next(&text, '\n', &line); number++) {
        line = cs_slice_trim(line);
        size_t comma = cs_slice_find_byte(line, ',', 0);
        if (line.n == 0 || (number == 1 && cs_slice_starts(line, CS_LIT("tenant,")))) {
            continue;
        }
        if (comma == SIZE_MAX || comma == 0) {
            return cs_fail(e, CS_ERR_SYNTAX, "line %zu: a line is <tenant>,<amount>", number);
        }
        cs_slice tenant = cs_slice_trim(cs_slice_sub(line, 0, comma));
        cs_object_put(a, *billed, cs_string_copy(a, tenant),
                      cs_string_copy(a, cs_slice_trim(cs_slice_sub(line, comma + 1, line.n))));
    }
    return CS_OK;
}

static void put_text(cs_arena *a, cs_value body, const char *name, const char *value)
{
    if (value != NULL) {
        cs_object_put_text(a, body, name, cs_string(cs_slice_of(value)));
    }
}

/* The body: the file's JSON object, or its CSV lines, and what the flags say. */
static cs_err read_bill(cs_arena *a, const flags *f, cs_slice text, cs_value *body, cs_error *e)
{
    cs_slice start = cs_slice_trim(text);
    if (start.n > 0 && start.p[0] == '{') {
        CS_TRY(cs_json_read(a, start, NULL, body, NULL, e));
        *body = cs_object_clone(a, *body, 8);
    } else {
        cs_value billed;
        CS_TRY(read_csv(a, text, &billed, e));
        *body = cs_object_new(a, 8);
        cs_object_put_text(a, *body, "billed", billed);
    }
    put_text(a, *body, "source", f->source);
    put_text(a, *body, "day", f->day);
    put_text(a, *body, "from", f->from);
    put_text(a, *body, "to", f->to);
    put_text(a, *body, "timezone", f->timezone);
    put_text(a, *body, "currency", f->currency);
    if (f->tolerance != NULL) {
        cs_value tolerance;
        CS_TRY(cs_json_read(a, cs_slice_of(f->tolerance), NULL, &tolerance, NULL, e));
        cs_object_put_text(a, *body, "tolerance", tolerance);
    }
    if (f->apply) {
        cs_object_put_text(a, *body, "apply", cs_bool(true));
    }
    return CS_OK;
}

static int reconcile(cs_arena *a, const flags *f, const char *operand)
{
    if (operand == NULL) {
        return cs_cmd_fail("name the bill: spend reconcile <file.json|file.csv|->");
    }
    cs_buf text, body;
    cs_buf_init(&text);
    cs_buf_init(&body);
    cs_error e = {0};
    cs_value bill;
    int result = 1;
    if (cs_file_read(operand, FILE_BYTES, &text, &e) != CS_OK ||
        read_bill(a, f, cs_buf_view(&text), &bill, &e) != CS_OK) {
        result = cs_cmd_fail_error(&e);
    } else {
        cs_json_write(&body, bill, 0);
        cs_remote_request request = {.method = "POST", .url = "/v1/reconciliations", .body = cs_buf_view(&body)};
        result = cs_remote_print(a, &f->remote, &request);
    }
    cs_buf_destroy(&text);
    cs_buf_destroy(&body);
    return result;
}

/* ---- events from a file, as often as one likes: what is known counts once */

/* The end of the first BATCH_EVENTS lines. */
static size_t batch_end(cs_slice text)
{
    size_t at = 0;
    for (size_t lines = 0; lines < BATCH_EVENTS && at < text.n; lines++) {
        size_t end = cs_slice_find_byte(text, '\n', at);
        at = end == SIZE_MAX ? text.n : end + 1;
    }
    return at;
}

static int replay(cs_arena *a, const flags *f, const char *operand)
{
    if (operand == NULL) {
        return cs_cmd_fail("name the events: spend replay <file.ndjson|->");
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_error e = {0};
    int result = 0;
    if (cs_file_read(operand, SIZE_MAX / 2, &text, &e) != CS_OK) {
        result = cs_cmd_fail_error(&e);
    }
    cs_slice rest = result == 0 ? cs_buf_view(&text) : CS_LIT("");
    while (result == 0 && cs_slice_trim(rest).n > 0) {
        size_t n = batch_end(rest);
        cs_remote_request request = {.method = "POST",
                                     .url = "/v1/events",
                                     .content_type = "application/x-ndjson",
                                     .body = cs_slice_sub(rest, 0, n)};
        result = cs_remote_print(a, &f->remote, &request);
        rest = cs_slice_sub(rest, n, rest.n);
    }
    cs_buf_destroy(&text);
    return result;
}

static const struct {
    const char *name;
    verb_fn *run;
} verbs[] = {{"report", report}, {"cost", cost},           {"forecast", forecast},
             {"status", status}, {"reconcile", reconcile}, {"replay", replay}};

static verb_fn *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(name, verbs[i].name) == 0) {
            return verbs[i].run;
        }
    }
    return NULL;
}

int cs_cmd_spend(int argc, char **argv)
{
    flags f = {.remote = CS_REMOTE_DEFAULT};
    const cs_arg args[] = {
        CS_REMOTE_URL_ARG(f.remote),
        CS_REMOTE_ARGS(f.remote),
        {"format", 0, CS_ARG_ENUM, &f.format, "json|csv", "of report (csv: FOCUS columns) and cost", NULL},
        {"day", 0, CS_ARG_STRING, &f.day, NULL, "report, reconcile: the day, as 2026-11-23", NULL},
        {"timezone", 0, CS_ARG_STRING, &f.timezone, NULL, "in which days begin (default UTC)", NULL},
        {"from", 0, CS_ARG_STRING, &f.from, NULL, "cost, reconcile: a date or an RFC 3339 instant", NULL},
        {"to", 0, CS_ARG_STRING, &f.to, NULL, "cost, reconcile: likewise, exclusive", NULL},
        {"group-by", 0, CS_ARG_STRING, &f.group_by, NULL, "cost: tenant,operation,kind,unit,tag:NAME,scope:NAME", NULL},
        {"granularity", 0, CS_ARG_ENUM, &f.granularity, "hour|day|month|total", "cost: length of a period", NULL},
        {"tenant", 0, CS_ARG_STRING, &f.tenant, NULL, "cost, forecast, status: of this one", NULL},
        {"currency", 0, CS_ARG_STRING, &f.currency, NULL, "cost, forecast, reconcile: in this one", NULL},
        {"source", 0, CS_ARG_STRING, &f.source, NULL, "reconcile: who billed", NULL},
        {"tolerance", 0, CS_ARG_STRING, &f.tolerance, NULL, "reconcile: part of a bill that may differ (0.003)", NULL},
        {"apply", 0, CS_ARG_BOOL, &f.apply, NULL, "reconcile: post the differences", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list words;
    int result = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &words);
    if (result == -1) {
        verb_fn *run = words.n > 0 ? find_verb(words.v[0]) : NULL;
        if (run == NULL || words.n > 2) {
            result = cs_cmd_fail("specify one of report, cost, forecast, status, reconcile, replay, and what it takes");
        } else {
            result = run(&a, &f, words.n == 2 ? words.v[1] : NULL);
        }
    }
    cs_arena_destroy(&a);
    return result;
}
