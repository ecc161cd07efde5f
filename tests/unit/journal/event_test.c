/* Cutting bodies, reading envelopes, exact amounts. */
#include <criterion/criterion.h>

#include "countersign/base/limits.h"
#include "countersign/journal.h"
#include "countersign/number.h"
#include "money_vectors.h"

Test(money, reads_as_written)
{
    for (size_t i = 0; i < sizeof money_vectors / sizeof *money_vectors; i++) {
        int64_t nanos = 0;
        cs_money_read read = cs_money_parse(cs_slice_of(money_vectors[i].text), &nanos);
        cr_assert_eq(read, money_vectors[i].read, "%s: %d", money_vectors[i].text, (int)read);
        if (read == CS_MONEY_OK || read == CS_MONEY_ROUNDED) {
            cr_assert_eq(nanos, money_vectors[i].nanos, "%s: %lld", money_vectors[i].text, (long long)nanos);
        }
    }
}

Test(money, prints_what_it_reads)
{
    const struct {
        int64_t nanos;
        const char *text;
    } rows[] = {{0, "0.00"},
                {1, "0.000000001"},
                {-400, "-0.0000004"},
                {INT64_C(25000000000), "25.00"},
                {INT64_C(25500000000), "25.50"},
                {INT64_C(25012000000), "25.012"},
                {INT64_MAX, "9223372036.854775807"},
                {INT64_MIN, "-9223372036.854775808"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[32];
        int64_t back = 1;
        cr_assert_eq(cs_money_format(rows[i].nanos, text), strlen(rows[i].text));
        cr_assert_str_eq(text, rows[i].text);
        cr_assert_eq(cs_money_parse(cs_slice_of(text), &back), CS_MONEY_OK);
        cr_assert_eq(back, rows[i].nanos);
    }
}

/* The pieces of a body, joined by '|'; a broken one has '!' in front. */
static const char *pieces(const char *body, cs_buf *out)
{
    cs_event_cutter cutter;
    cs_event_cut(&cutter, cs_slice_of(body));
    cs_slice piece;
    bool broken = false;
    cs_buf_clear(out);
    while (cs_event_next(&cutter, &piece, &broken)) {
        cs_buf_printf(out, "%s%s%.*s", out->n > 0 ? "|" : "", broken ? "!" : "", CS_FMT(piece));
    }
    return cs_buf_cstr(out);
}

Test(cutter, finds_events)
{
    const char *const rows[][2] = {
        {"", ""},
        {" \n\t", ""},
        {"{}", "{}"},
        {"\xEF\xBB\xBF {} ", "{}"},
        {"{\"a\":{\"b\":\"}\"}}\n{\"c\":\"\\\"{\"}\n", "{\"a\":{\"b\":\"}\"}}|{\"c\":\"\\\"{\"}"},
        {"{}{}", "{}|{}"},
        {"{\n \"a\": 1\n}\n\n{}", "{\n \"a\": 1\n}|{}"},
        /* A line that is damaged costs no other. */
        {"{\"a\":1\n{\"b\":2}\n", "{\"a\":1|{\"b\":2}"},
        {"{\"a\":\"x\n{\"b\":2}\n{}", "{\"a\":\"x|{\"b\":2}|{}"},
        {"x y\n{}", "x y|{}"},
        {"{}}\n{}", "{}|}|{}"},
        {"{\"a\"", "{\"a\""},
        {"[]", ""},
        {" [ ] ", ""},
        {"[{},{}]", "{}|{}"},
        {"[ {} , [1,2] ,3, \"a,]\" , null ]", "{}|[1,2]|3|\"a,]\"|null"},
        {"[", "!"},
        {"[]x", "!x"},
        {"[{}", "!{}"},
        {"[{},", "{}|!"},
        {"[{},]", "{}|!]"},
        {"[{} {}]", "!{} {}]"},
        {"[{},{\"a\"]", "{}|!{\"a\"]"},
        {"[{}]{}", "!{}]{}"},
        {"[,{}]", "!,{}]"},
    };
    cs_buf out;
    cs_buf_init(&out);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_str_eq(pieces(rows[i][0], &out), rows[i][1], "%s -> %s", rows[i][0], out.p);
    }
    cs_buf_destroy(&out);
}

#define HEAD "\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"/s\",\"type\":\"t\",\"subject\":\"x\""
#define TIME "\"time\":\"2025-09-07T14:03:11.482Z\""

Test(envelope, reads)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_event event;
    cs_event_reject why;
    cs_slice text = CS_LIT("{" HEAD "," TIME ",\"data\":{\"amount\":0.10},\"other\":[1]}");
    cr_assert_eq(cs_event_read(&a, text, true, &event, &why), CS_OK);
    cr_assert(cs_slice_is(event.id, "i") && cs_slice_is(event.source, "/s") && cs_slice_is(event.type, "t"));
    cr_assert_eq(event.time_ns, INT64_C(1757253791482000000));
    cr_assert(cs_slice_eq(event.body, text));
    const cs_value *amount = cs_object_get_text(event.data, "amount");
    char room[32];
    cr_assert(cs_slice_is(cs_number_text(*amount, room), "0.10"));
    cs_arena_destroy(&a);
}

Test(envelope, refuses_with_the_field)
{
    const char *const rows[][3] = {
        {"{", "invalid_json", "unexpected EOF"},
        {"[1]", "invalid_event", "array"},
        {"{}", "missing_field", "specversion"},
        {"{\"specversion\":\"0.3\"}", "unsupported_version", "0.3"},
        {"{\"specversion\":1.0}", "missing_field", "specversion"},
        {"{\"specversion\":\"1.0\",\"source\":\"s\"}", "missing_field", "id"},
        {"{\"specversion\":\"1.0\",\"id\":\"\"}", "missing_field", "id"},
        {"{\"specversion\":\"1.0\",\"id\":7}", "missing_field", "id"},
        {"{\"specversion\":\"1.0\",\"id\":\"i\"}", "missing_field", "source"},
        {"{" HEAD "}", "missing_field", "time"},
        {"{" HEAD ",\"time\":\"yesterday\"}", "invalid_time", "RFC 3339"},
        {"{" HEAD ",\"time\":\"2025-02-30T00:00:00Z\"}", "invalid_time", "RFC 3339"},
        {"{" HEAD "," TIME "}", "missing_field", "data"},
        {"{" HEAD "," TIME ",\"data\":[]}", "missing_field", "data"},
        {"{" HEAD "," TIME ",\"data\":{\"a\":NaN}}", "invalid_json", "N"},
        {"{" HEAD "," TIME ",\"data\":{}} x", "invalid_json", "after"},
        {"{" HEAD "," TIME ",\"data\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}", "too_deep", "dep"},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cs_event event;
        cs_event_reject why;
        cr_assert_eq(cs_event_read(&a, cs_slice_of(rows[i][0]), true, &event, &why), CS_ERR_INVALID, "%s", rows[i][0]);
        cr_expect_str_eq(why.code, rows[i][1], "%s: %s %.*s", rows[i][0], why.code, CS_FMT(why.message));
        cr_expect(cs_slice_find(why.message, cs_slice_of(rows[i][2]), 0) != SIZE_MAX, "%s: %.*s", rows[i][0],
                  CS_FMT(why.message));
    }
    cs_arena_destroy(&a);
}

Test(envelope, bounds_the_size)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    size_t n = (size_t)cs_limits_get()->event_bytes + 1;
    char *text = cs_arena_alloc(&a, n);
    memset(text, ' ', n);
    text[0] = '{';
    text[n - 1] = '}';
    cs_event event;
    cs_event_reject why;
    cr_assert_eq(cs_event_read(&a, cs_slice_make(text, n), true, &event, &why), CS_ERR_INVALID);
    cr_assert_str_eq(why.code, "too_large");
    cs_arena_destroy(&a);
}
