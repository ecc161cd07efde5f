/* The door of spend: limits that are refused, receipts, documents, metrics, and the edges of the counters. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/limits.h"
#include "countersign/base/thread.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "spend/internal.h"

static cs_arena arena;
static _Atomic int64_t now;
static cs_journal *journal;
static cs_metrics *metrics;
static cs_spend *spend;

static int64_t simulated(void *self)
{
    (void)self;
    return now;
}

static void set_up(void)
{
    cs_error e;
    cs_arena_init(&arena, 0);
    now = INT64_C(1757253791482000000); /* 2025-09-07T14:03:11.482Z */
    metrics = cs_metrics_new(1);
    cs_journal_options options = {.sqlite_path = ":memory:", .now_ns = simulated};
    cr_assert_eq(cs_journal_open(&options, &journal, &e), CS_OK, "%s", e.text);
    spend = cs_spend_new(&(cs_spend_options){.journal = journal, .metrics = metrics, .now_ns = simulated});
    cr_assert_eq(cs_journal_start(journal, &e), CS_OK);
    cr_assert_eq(cs_journal_wait(journal, 20 * CS_NS_PER_S, &e), CS_OK);
}

static void tear_down(void)
{
    cs_journal_free(journal);
    cs_spend_free(spend);
    cs_metrics_free(metrics);
    cs_arena_destroy(&arena);
}

TestSuite(spend, .init = set_up, .fini = tear_down, .timeout = 60);

/* JSON with ' for ". */
static cs_value json(const char *text)
{
    char *copy = cs_arena_dup(&arena, text, strlen(text));
    for (char *p = copy; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_json_read(&arena, cs_slice_of(copy), NULL, &v, NULL, &e), CS_OK, "%s: %s", copy, e.text);
    return v;
}

static const char *text_of(cs_value v)
{
    cs_buf out;
    cs_buf_init(&out);
    cs_json_write(&out, v, 0);
    const char *text = cs_arena_dup(&arena, out.p, out.n);
    cs_buf_destroy(&out);
    return text;
}

static void is(cs_value v, const char *expected)
{
    cr_expect(cs_equal(v, json(expected)), "%s, not %s", cs_is_undefined(v) ? "undefined" : text_of(v), expected);
}

/* The document below v at "a.b.c". */
static cs_value at(cs_value v, const char *path)
{
    cs_slice rest = cs_slice_of(path);
    cs_slice piece;
    while (cs_slice_next(&rest, '.', &piece)) {
        v = cs_index(v, cs_string(piece));
    }
    return v;
}

static cs_value row(const char *tenant)
{
    return cs_spend__row(spend, cs_string(cs_slice_of(tenant)), &arena);
}

static void configure(const char *tenants)
{
    cs_error e;
    cr_assert_eq(cs_spend_configure(spend, json(tenants), cs_undefined(), &arena, NULL, &e), CS_OK, "%s", e.text);
}

/* ---- posting */
typedef struct waiter {
    cs_mutex lock;
    cs_cond changed;
    cs_spend_receipt *receipt;
} waiter;

static void posted(void *self, cs_spend_receipt *receipt)
{
    waiter *w = self;
    cs_mutex_lock(&w->lock);
    w->receipt = receipt;
    cs_cond_signal(&w->changed);
    cs_mutex_unlock(&w->lock);
}

static int post_text(cs_slice body, cs_value *answer)
{
    waiter w = {.lock = CS_MUTEX_INIT};
    cs_cond_init(&w.changed);
    cs_spend_post(spend, body, posted, &w);
    cs_mutex_lock(&w.lock);
    while (w.receipt == NULL) {
        cs_cond_wait(&w.changed, &w.lock);
    }
    cs_mutex_unlock(&w.lock);
    cs_error e;
    cr_assert_eq(cs_json_read(&arena, w.receipt->body, NULL, answer, NULL, &e), CS_OK, "%s", e.text);
    int status = w.receipt->status;
    cs_spend_receipt_free(w.receipt);
    cs_cond_destroy(&w.changed);
    return status;
}

static int post(const char *text, cs_value *answer)
{
    char *copy = cs_arena_dup(&arena, text, strlen(text));
    for (char *p = copy; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    return post_text(cs_slice_of(copy), answer);
}

/* An event of tenant t with other members of data behind. */
static const char *event(const char *id, const char *time, const char *amount, const char *data)
{
    return cs_arena_printf(&arena, NULL,
                           "{'specversion':'1.0','id':'%s','source':'/s','type':'io.countersign.spend.recorded.v1',"
                           "'subject':'tenant/t','time':'%s','data':{'tenant':'t','amount':%s,'currency':'USD',%s}}",
                           id, time, amount, data);
}

#define NOW "2025-09-07T14:03:11Z"
#define USAGE "'kind':'usage'"
#define CORRECTION "'kind':'correction'"

static void counts(const char *text, const char *expected)
{
    cs_value answer;
    cr_expect_eq(post(text, &answer), 202);
    is(answer, expected);
}
#define ACCEPTED "{'accepted':1,'duplicates':0,'rejected':[]}"
#define DUPLICATE "{'accepted':0,'duplicates':1,'rejected':[]}"

#define DAILY "{'t':{'budgets':{'daily':{'window':'day','limit':'25.00','mode':'enforce','alert_ratios':[0.8,1.0]}}}}"

/* ---- the view */
Test(spend, shows_budgets_without_events_as_zero)
{
    cr_assert(cs_is_undefined(row("t")));
    configure(
        "{'t':{'timezone':'America/New_York','tier':{'name':'canary','since':7},'budgets':"
        "{'daily':{'window':'day','limit':'25.00'},'euro':{'window':'month','limit_nanos':5,'currency':'EUR'}}}}");
    is(row("t"),
       "{'USD':{'daily':{'window_start':1757217600000000000,'window_end':1757304000000000000,'posted_nanos':0,"
       "'held_nanos':0,'remaining_nanos':25000000000,'limit_nanos':25000000000,'late_nanos':0,'corrected_nanos':0,"
       "'events':0,'last_event':null,'version':0,'tier':'canary'}},"
       "'EUR':{'euro':{'window_start':1756699200000000000,'window_end':1759291200000000000,'posted_nanos':0,"
       "'held_nanos':0,'remaining_nanos':5,'limit_nanos':5,'late_nanos':0,'corrected_nanos':0,"
       "'events':0,'last_event':null,'version':0,'tier':'canary'}}}");
    is(row("meta"), "{'as_of':1757253791482000000,'lag_ms':0,'caught_up':true,'replicas':1,'overshoot_bound_nanos':0,"
                    "'sources':[{'topic':'','partition':0,'offset':1,'high':1,'lag_ms':0}]}");
    cs_value all = cs_spend__all(spend, &arena);
    cr_assert_eq(cs_count(all), 2);
    cr_assert(cs_equal(at(all, "t"), row("t")) && cs_equal(at(all, "meta"), row("meta")));
    cr_assert(cs_is_undefined(cs_spend__row(spend, cs_int(1), &arena)));
}

Test(spend, follows_limits_zones_and_the_clock)
{
    configure(DAILY);
    counts(event("1", "2025-09-07T02:00:00Z", "'1.5'", USAGE), ACCEPTED);
    counts(event("2", "2025-09-07T14:00:00Z", "2.25", USAGE), ACCEPTED);
    is(at(row("t"), "USD.daily.posted_nanos"), "3750000000");
    is(at(row("t"), "USD.daily.remaining_nanos"), "21250000000");
    is(at(row("t"), "USD.daily.last_event"), "1757253600000000000");
    is(at(row("t"), "USD.daily.version"), "2");
    configure("{'t':{'timezone':'America/New_York','budgets':{'daily':{'window':'day','limit':'1'}}}}");
    is(at(row("t"), "USD.daily.posted_nanos"), "2250000000"); /* the first was yesterday there */
    is(at(row("t"), "USD.daily.remaining_nanos"), "-1250000000");
    now += 86400 * CS_NS_PER_S;
    is(at(row("t"), "USD.daily.posted_nanos"), "0");
    is(at(row("t"), "USD.daily.last_event"), "null");
    now -= 86400 * CS_NS_PER_S;
    is(at(row("t"), "USD.daily.posted_nanos"), "2250000000");
    configure("{}");
    is(row("t"), "{'USD':{}}"); /* nobody's, and spent */
    configure(DAILY);
    is(at(row("t"), "USD.daily.posted_nanos"), "3750000000");
}

/* A tenant that nobody knows falls into a place that is empty, in a shard that has none or some. */
Test(spend, prefetches_tenants_that_are_not_there)
{
    configure(DAILY);
    for (int i = 0; i < 1000; i++) {
        size_t n;
        const char *name = cs_arena_printf(&arena, &n, "nobody-%d", i);
        (void)cs_spend__account_hint(spend, cs_hash_bytes(name, n));
        cr_expect(cs_is_undefined(row(name)));
    }
}

/* ---- what counts where */
Test(spend, counts_an_id_once)
{
    configure(DAILY);
    counts(event("1", NOW, "'1'", USAGE), ACCEPTED);
    counts(event("1", NOW, "'1'", USAGE), DUPLICATE);
    counts(event("1", NOW, "'1.0'", USAGE), DUPLICATE); /* the same amount */
    counts(event("1", NOW, "'2'", USAGE), DUPLICATE);   /* another: a conflict, the first one counts */
    is(at(row("t"), "USD.daily.posted_nanos"), "1000000000");
    is(at(cs_spend_status_document(spend, &arena), "events"),
       "{'accepted':1,'late':0,'future':0,'duplicate':2,'conflict':1,'rejected':0,'rounded':0,'overflows':0}");
    now += 34 * 86400 * CS_NS_PER_S;
    counts(event("1", NOW, "'1'", USAGE), DUPLICATE);
    now += 2 * 86400 * CS_NS_PER_S;
    counts(event("1", NOW, "'1'", USAGE), ACCEPTED); /* forgotten after 35 days */
}

Test(spend, flags_what_is_late_or_early)
{
    configure("{'t':{'budgets':{'m':{'window':'month','limit':'100'},'d':{'window':'day','limit':'100'}}}}");
    counts(event("late", "2025-09-05T14:03:11Z", "'1'", USAGE), ACCEPTED);
    counts(event("nearly", "2025-09-05T14:03:12Z", "'2'", USAGE), ACCEPTED);
    counts(event("soon", "2025-09-07T14:08:11Z", "'4'", USAGE), ACCEPTED);
    counts(event("future", "2026-09-07T14:08:12Z", "'8'", USAGE), ACCEPTED);
    counts(event("ancient", "1970-01-01T00:00:00Z", "'16'", USAGE), ACCEPTED);
    counts(event("older", "1900-01-01T00:00:00Z", "'32'", USAGE), ACCEPTED);
    is(at(row("t"), "USD.m.posted_nanos"), "63000000000");
    is(at(row("t"), "USD.m.late_nanos"), "49000000000");
    is(at(row("t"), "USD.d.posted_nanos"), "60000000000");
    is(at(row("t"), "USD.d.late_nanos"), "48000000000");
    is(at(cs_spend_status_document(spend, &arena), "events.future"), "1");
    is(at(cs_spend_status_document(spend, &arena), "events.late"), "3");
}

Test(spend, moves_corrections_to_their_originals)
{
    configure("{'t':{'budgets':{'d':{'window':'day','limit':'100'},"
              "'y':{'window':'fixed:2025-09-06/2025-09-07','limit':'100'}}}}");
    counts(event("c", NOW, "'-0.25'", CORRECTION ",'corrects':{'source':'/s','id':'o'}"), ACCEPTED);
    is(at(row("t"), "USD.d.posted_nanos"), "-250000000"); /* waits here */
    is(at(row("t"), "USD.d.late_nanos"), "-250000000");
    counts(event("o", "2025-09-06T10:00:00Z", "'1'", USAGE), ACCEPTED);
    is(at(row("t"), "USD.d.posted_nanos"), "0");
    is(at(row("t"), "USD.d.late_nanos"), "0");
    is(at(row("t"), "USD.d.events"), "0");
    is(at(row("t"), "USD.y.posted_nanos"), "750000000");
    is(at(row("t"), "USD.y.corrected_nanos"), "-250000000");
    is(at(row("t"), "USD.y.events"), "2");
    counts(event("r", NOW, "'-0.5'", "'kind':'refund','corrects':{'source':'/s','id':'c'}"), ACCEPTED);
    is(at(row("t"), "USD.y.posted_nanos"), "250000000"); /* through the correction */
    counts(event("f", NOW, "'-0.125'", "'kind':'adjustment'"), ACCEPTED);
    is(at(row("t"), "USD.d.posted_nanos"), "-125000000"); /* linked to nothing */
}

Test(spend, holds_sums_at_the_end_of_their_range)
{
    configure(DAILY);
    counts(event("1", NOW, "'9223372036.854775807'", USAGE), ACCEPTED);
    is(at(row("t"), "USD.daily.posted_nanos"), "9223372036854775807");
    cr_assert(cs_is_undefined(at(row("t"), "USD.daily.overflow")));
    counts(event("2", NOW, "'0.000000001'", USAGE), ACCEPTED);
    is(at(row("t"), "USD.daily.posted_nanos"), "9223372036854775807");
    is(at(row("t"), "USD.daily.overflow"), "true");
    is(at(row("t"), "USD.daily.remaining_nanos"), "-9223372036854775808");
    is(at(cs_spend_status_document(spend, &arena), "events.overflows"), "1");
}

Test(spend, rounds_half_to_even_and_counts_it)
{
    configure(DAILY);
    counts(event("1", NOW, "'0.0000000005'", USAGE), ACCEPTED);
    counts(event("2", NOW, "2.5e-9", USAGE), ACCEPTED);
    counts(event("3", NOW, "3e-09", USAGE), ACCEPTED);
    is(at(row("t"), "USD.daily.posted_nanos"), "5");
    is(at(cs_spend_status_document(spend, &arena), "events.rounded"), "2");
}

/* ---- receipts */
static void rejected(const char *text, const char *code, const char *words)
{
    cs_value answer;
    cr_expect_eq(post(text, &answer), 400, "%s", text);
    const cs_value *list = cs_object_get_text(answer, "rejected");
    cr_assert(list != NULL && cs_count(*list) == 1, "%s", text_of(answer));
    cs_value first = list->u.items[0];
    cr_expect(cs_slice_is(cs_text(at(first, "code")), code), "%s: %s", text, text_of(first));
    cr_expect(cs_slice_find(cs_text(at(first, "message")), cs_slice_of(words), 0) != SIZE_MAX, "%s: %s", text,
              text_of(first));
}

Test(spend, refuses_only_what_cannot_be_read)
{
    rejected("", "invalid_json", "no event");
    rejected("{", "invalid_json", "EOF");
    rejected("[{'specversion':'1.0'}", "invalid_json", "array");
    rejected(event("", NOW, "1", USAGE), "missing_field", "id");
    rejected(event("1", NOW, "NaN", USAGE), "invalid_json", "N");
    rejected(event("1", NOW, "1e400", USAGE), "amount_out_of_range", "amount");
    rejected(event("1", NOW, "'1e400'", USAGE), "amount_out_of_range", "amount");
    rejected(event("1", NOW, "'9223372036.854775808'", USAGE), "amount_out_of_range", "amount");
    rejected(event("1", NOW, "'-9223372036.854775808'", CORRECTION), "amount_out_of_range", "amount");
    rejected(event("1", NOW, "'NaN'", USAGE), "invalid_amount", "amount");
    rejected(event("1", NOW, "''", USAGE), "invalid_amount", "amount");
    rejected(event("1", NOW, "'1,5'", USAGE), "invalid_amount", "amount");
    rejected(event("1", NOW, "true", USAGE), "invalid_amount", "amount");
    rejected(event("1", NOW, "-1", USAGE), "negative_usage", "refund");
    rejected(event("1", NOW, "1", "'kind':'gift'"), "unknown_kind", "kind");
    rejected(event("1", NOW, "1", "'x':1"), "missing_field", "kind");
    rejected(event("1", NOW, "1", USAGE ",'currency':'usd'"), "invalid_currency", "currency");
    rejected(event("1", NOW, "1", USAGE ",'currency':null"), "missing_field", "currency");
    rejected(event("1", NOW, "1", USAGE ",'tenant':''"), "missing_field", "tenant");
    rejected(event("1", NOW, "1", USAGE ",'tenant':'other'"), "invalid_subject", "subject");
    rejected(event("1", NOW, "1", USAGE ",'tenant':'meta'"), "invalid_tenant", "reserved");
    rejected(event("1", NOW, "1", CORRECTION ",'corrects':{'id':'x'}"), "invalid_corrects", "corrects");
    rejected(event("1", NOW, "1", CORRECTION ",'corrects':{'source':'/s','id':'1'}"), "invalid_corrects", "itself");
    rejected(event("1", NOW, "1", USAGE ",'corrects':{'source':'/s','id':'2'}"), "invalid_corrects", "kind");
    rejected("{'specversion':'1.0','id':'1','source':'s','type':'other','subject':'x','time':'" NOW "','data':{}}",
             "unknown_type", "type");
    cs_value answer;
    cr_assert_eq(post("[]", &answer), 202);
    is(answer, "{'accepted':0,'duplicates':0,'rejected':[]}");
    cr_assert(cs_is_undefined(row("t")), "nothing has changed");
}

Test(spend, answers_for_each_event_of_a_body)
{
    const char *good = event("1", NOW, "1", USAGE);
    const char *bad = event("2", NOW, "-1", USAGE);
    cs_value answer;
    int status = post(cs_arena_printf(&arena, NULL, "[%s,%s,%s,7]", good, bad, good), &answer);
    cr_assert_eq(status, 202);
    is(at(answer, "accepted"), "1");
    is(at(answer, "duplicates"), "1");
    is(cs_array(
           (cs_value[]){at(at(answer, "rejected").u.items[0], "index"), at(at(answer, "rejected").u.items[0], "id"),
                        at(at(answer, "rejected").u.items[1], "index"), at(at(answer, "rejected").u.items[1], "code")},
           4),
       "[1,'2',3,'invalid_event']");
}

Test(spend, bounds_the_events_of_a_body)
{
    size_t n = (size_t)cs_limits_get()->event_batch + 1;
    char *body = cs_arena_alloc(&arena, n * 2);
    for (size_t i = 0; i < n; i++) {
        memcpy(body + 2 * i, "7\n", 2);
    }
    cs_value answer;
    cr_assert_eq(post_text(cs_slice_make(body, n * 2), &answer), 413);
    is(at(answer, "code"), "'too_many_events'");
}

/* ---- limits */
static void refused(const char *tenants, const char *problems)
{
    cs_value found;
    cs_error e;
    cr_expect_eq(cs_spend_check(json(tenants), cs_undefined(), &arena, &found, &e), CS_ERR_INVALID, "%s", tenants);
    cs_value paths = cs_array_copy(&arena, found.u.items, found.n);
    cs_value *items = cs_arena_array(&arena, cs_value, paths.n);
    for (uint32_t i = 0; i < paths.n; i++) {
        items[i] = at(paths.u.items[i], "path");
        cr_expect(cs_is(at(paths.u.items[i], "message"), CS_STRING));
    }
    is(cs_array(items, paths.n), problems);
    cr_expect(strncmp(e.text, "tenants", 7) == 0, "%s", e.text);
}

Test(spend, refuses_limits_by_their_paths)
{
    refused("[]", "['tenants']");
    refused("{'meta':{}}", "['tenants.meta']");
    refused("{'':{}}", "['tenants.']");
    refused("{'t':1}", "['tenants.t']");
    refused("{'t':{'timezone':'Mars/Olympus','currency':'us','tier':1,'budgets':[]}}",
            "['tenants.t.timezone','tenants.t.currency','tenants.t.tier','tenants.t.budgets']");
    refused("{'t':{'timezone':1,'tier':{'name':1,'since':1.5,'promotes_at':'x'}}}",
            "['tenants.t.timezone','tenants.t.tier.name','tenants.t.tier.since','tenants.t.tier.promotes_at']");
    refused("{'a':{'budgets':{'x':1,'y':{}}},'b':{'budgets':{'x':{'window':'fortnight','limit':'1'}}}}",
            "['tenants.a.budgets.x','tenants.a.budgets.y.limit','tenants.a.budgets.y.window','tenants.b.budgets.x."
            "window']");
    refused("{'t':{'budgets':{'a':{'window':'day','limit':'-1'},'b':{'window':'day','limit':'0.0000000001'},"
            "'c':{'window':'day','limit_nanos':1.5},'d':{'window':'day','limit_nanos':-1},"
            "'e':{'window':'day','limit':'1','limit_nanos':1},'f':{'window':'day','limit':true},"
            "'g':{'window':'day','limit':'1','alert_ratios':[0]},'h':{'window':'day','limit':'1','mode':7},"
            "'i':{'window':'day','limit':'1','currency':'DOGE'}}}}",
            "['tenants.t.budgets.a.limit','tenants.t.budgets.b.limit','tenants.t.budgets.c.limit_nanos',"
            "'tenants.t.budgets.d.limit_nanos','tenants.t.budgets.e.limit','tenants.t.budgets.f.limit',"
            "'tenants.t.budgets.g.alert_ratios','tenants.t.budgets.h.mode','tenants.t.budgets.i.currency']");
}

Test(spend, changes_nothing_for_bad_limits)
{
    configure(DAILY);
    cs_error e;
    cr_assert_eq(cs_spend_configure(spend, json("{'t':{'budgets':{'daily':{'window':'day'}}}}"), cs_undefined(), &arena,
                                    NULL, &e),
                 CS_ERR_INVALID);
    cr_assert_str_eq(e.text, "tenants.t.budgets.daily.limit: is missing");
    is(at(row("t"), "USD.daily.limit_nanos"), "25000000000");
}

/* ---- documents and metrics */
Test(spend, reports_to_people)
{
    configure("{'b':{'timezone':'Europe/Paris','tier':{'name':'canary','since':1756700000000000000},'budgets':{"
              "'daily':{'window':'day','limit':'25.00'},'monthly':{'window':'month','limit':'750'}}},"
              "'t':{'currency':'USD','tier':{'name':'standard'},'budgets':{'daily':{'window':'day','limit':'0'}}}}");
    counts(event("1", NOW, "'1.5'", USAGE), ACCEPTED);
    cs_value status = cs_spend_status_document(spend, &arena);
    cr_assert_eq(cs_count(at(status, "canary_tenants")), 1);
    cr_assert_eq(cs_count(at(status, "tenants")), 2);
    cs_value canary = at(status, "canary_tenants").u.items[0];
    is(at(canary, "tenant"), "'b'");
    is(at(canary, "since"), "'2025-09-01T04:13:20Z'");
    is(at(canary, "promotes_at"), "null");
    is(at(canary, "day"),
       "{'window':'day','currency':'USD','limit':'25.00','spent':'0.00','held':'0.00','remaining':'25.00','ratio':0,"
       "'window_start':'2025-09-06T22:00:00Z','window_end':'2025-09-07T22:00:00Z'}");
    is(at(canary, "month.limit"), "'750.00'");
    cs_value other = at(status, "tenants").u.items[1];
    is(at(other, "day.spent"), "'1.50'");
    is(at(other, "day.remaining"), "'-1.50'");
    is(at(other, "day.ratio"), "null"); /* of nothing */
    is(at(other, "month"), "null");
    cs_value one = cs_spend_tenant_document(spend, CS_LIT("t"), &arena);
    is(at(one, "spend.USD.daily.posted"), "'1.50'");
    is(at(one, "spend.USD.daily.posted_nanos"), "1500000000");
    is(at(one, "known"), "true");
    cr_assert(cs_is_undefined(cs_spend_tenant_document(spend, CS_LIT("x"), &arena)));
    cr_assert(cs_is_undefined(cs_spend_tenant_document(spend, CS_LIT("meta"), &arena)));
    is(cs_spend_health_document(spend, &arena),
       "{'status':'ok','lag_ms':0,'caught_up':true,'journal':'sqlite::memory:'}");
    cr_assert_eq(cs_spend_health_now(spend).status, 200);
}

Test(spend, measures)
{
    cr_assert(cs_limits_set("metric_tenants", 1));
    configure("{'t':{'budgets':{'d1':{'window':'day','limit':'3'},'d2':{'window':'day','limit':'6'}}},"
              "'u':{'budgets':{'d':{'window':'day','limit':'4'}}},'v':{'budgets':{'d':{'window':'day','limit':'1'}}}}");
    counts(event("1", NOW, "'1.5'", USAGE), ACCEPTED);
    counts(event("1", NOW, "'1.5'", USAGE), DUPLICATE);
    cs_buf text;
    cs_buf_init(&text);
    cs_metrics_render(metrics, &text);
    const char *const lines[] = {
        "countersign_spend_events_total{result=\"accepted\"} 1\n",
        "countersign_spend_events_total{result=\"duplicate\"} 1\n",
        "countersign_spend_events_total{result=\"rejected\"} 0\n",
        "countersign_spend_lag_seconds{partition=\"0\"} 0\n",
        "countersign_spend_caught_up 1\n",
        "countersign_budget_ratio{tenant=\"t\",window=\"day\"} 0.5\n",
        "countersign_budget_ratio{tenant=\"_other\",window=\"day\"} 0\n",
        "countersign_budget_spent{tenant=\"t\",window=\"day\",currency=\"USD\"} 1.5\n",
        "countersign_budget_spent{tenant=\"_other\",window=\"day\",currency=\"USD\"} 0\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        size_t found = cs_slice_find(cs_buf_view(&text), cs_slice_of(lines[i]), 0);
        cr_expect(found != SIZE_MAX, "%s missing in %s", lines[i], cs_buf_cstr(&text));
        cr_expect(found == SIZE_MAX || cs_slice_find(cs_buf_view(&text), cs_slice_of(lines[i]), found + 1) == SIZE_MAX,
                  "%s twice", lines[i]);
    }
    cr_expect(cs_slice_find(cs_buf_view(&text), CS_LIT("tenant=\"u\""), 0) == SIZE_MAX);
    cs_buf_destroy(&text);
}
