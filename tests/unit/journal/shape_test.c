/* Events by the shape of the one before: the same as without, whatever single byte differs. */
#include <criterion/criterion.h>

#include "countersign/journal.h"
#include "journal/plain.h"

#define HEAD "{\"specversion\":\"1.0\", \"id\":\"%s\",\"source\":\"/gateways/eu\",\"correlationid\":\"r-1\","
#define REST                                                                                                           \
    "\"type\":\"io.countersign.spend.recorded.v1\",\"subject\":\"tenant/acme\",\"time\":\"2026-11-24T14:03:11.482Z\"," \
    "\"traceparent\":\"00-1\",\"data\":{\"tenant\":\"acme\",\"amount\":%s,\"currency\":\"USD\",\"kind\":\"usage\","    \
    "\"estimated\":true,\"scope\":{\"team\":\"growth\",\"user\":\"\"},\"tags\":{},\"hold\":null}} "

static cs_event__shapes shapes;

static cs_slice render(cs_arena *a, const char *id, const char *amount)
{
    size_t n = 0;
    char *text = cs_arena_printf(a, &n, HEAD REST, id, amount);
    return cs_slice_make(text, n);
}

/* By the shapes, and by the reader of all: the same verdict and content. */
static void check(cs_arena *a, cs_slice text)
{
    cs_event x, y;
    cs_event_reject why_x, why_y;
    cs_err general = cs_event_read(a, text, true, &x, &why_x);
    cs_err shaped = cs_event__read_bulk(&shapes, a, text, true, &y, &why_y);
    cr_assert_eq(general, shaped, "%.*s", CS_FMT(text));
    if (general != CS_OK) {
        cr_assert_str_eq(why_x.code, why_y.code, "%.*s", CS_FMT(text));
        return;
    }
    cr_assert(cs_slice_eq(x.id, y.id) && cs_slice_eq(x.source, y.source) && cs_slice_eq(x.subject, y.subject) &&
                  cs_slice_eq(x.type, y.type) && cs_slice_eq(x.correlation, y.correlation),
              "%.*s", CS_FMT(text));
    cr_assert_eq(x.time_ns, y.time_ns, "%.*s", CS_FMT(text));
    cr_assert(cs_equal(x.data, cs_event_data(a, &y)), "%.*s", CS_FMT(text));
}

static void learn(cs_arena *a)
{
    memset(&shapes, 0, sizeof shapes);
    check(a, render(a, "req-1", "\"0.25\""));
    cr_assert_eq(shapes.v[0].score, 8);
}

Test(shape, fits_other_values)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    learn(&a);
    cs_event event;
    cr_assert(cs_event__shape_read(&shapes, &a, render(&a, "another one, longer than sixteen", "\"-1\""), &event));
    cr_assert(cs_slice_is(event.id, "another one, longer than sixteen"));
    cr_assert_eq(event.n_members, 10);
    cr_assert(cs_slice_is(event.members[1].name, "amount") && cs_slice_is(event.members[1].text, "-1"));
    cr_assert(cs_slice_is(event.members[6].name, "team") && cs_slice_is(event.members[6].text, "growth"));
    cr_assert(event.members[4].truth);
    cr_assert_not(cs_event__shape_read(&shapes, &a, render(&a, "", "\"1\""), &event), "an id cannot be empty");
    cr_assert_not(cs_event__shape_read(&shapes, &a, render(&a, "x", "1"), &event), "a number is another shape");
    check(&a, render(&a, "x", "1"));
    cr_assert(cs_event__shape_read(&shapes, &a, render(&a, "x", "12.75"), &event), "which was learned too");
    cr_assert_not(cs_event__shape_read(&shapes, &a, render(&a, "x", "1e3"), &event));
    cr_assert_not(cs_event__shape_read(&shapes, &a, render(&a, "x", "01"), &event));
    cs_arena_destroy(&a);
}

Test(shape, any_byte_may_differ)
{
    static const char bytes[] = "\"\\{}[]:, 0-9.eaZ\n\x7f\x80\x01";
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_slice base = render(&a, "req-1", "\"0.25\"");
    char *text = cs_arena_alloc(&a, base.n + 1);
    cs_arena_mark before = cs_arena_mark_now(&a);
    for (size_t i = 0; i < base.n; i++) {
        for (size_t k = 0; k + 1 < sizeof bytes; k++) {
            if (shapes.v[0].score < 2) { /* what does not fit wears a shape down */
                learn(&a);
            }
            memcpy(text, base.p, base.n);
            text[i] = bytes[k]; /* instead of one */
            check(&a, cs_slice_make(text, base.n));
            memcpy(text + i + 1, base.p + i, base.n - i); /* before it */
            check(&a, cs_slice_make(text, base.n + 1));
        }
        check(&a, cs_slice_make(base.p, i)); /* and nothing behind it */
        memcpy(text, base.p, i);
        memcpy(text + i, base.p + i + 1, base.n - i - 1); /* without it */
        check(&a, cs_slice_make(text, base.n - 1));
        cs_arena_rewind(&a, before);
    }
    cs_arena_destroy(&a);
}

Test(shape, what_fits_no_more_is_replaced)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    learn(&a);
    for (int i = 0; i < 200; i++) { /* none of them twice */
        size_t n = 0;
        char *text = cs_arena_printf(&a, &n,
                                     "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"subject\":\"tenant/a\","
                                     "\"type\":\"io.countersign.spend.recorded.v1\",\"time\":\"2026-11-24T14:03:11Z\","
                                     "\"data\":{\"tenant\":\"a\",\"n%d\":\"\"}}",
                                     i);
        check(&a, cs_slice_make(text, n));
    }
    check(&a, render(&a, "req-2", "\"0.25\""));
    cs_arena_destroy(&a);
}
