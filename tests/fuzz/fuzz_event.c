/* A body of POST /v1/events, cut and read; the same bytes as an amount, and as data.tenants. Pieces must lie in the
 * body in order; what was read must be read again from its own text; an amount must be printed as a text that reads the
 * same. */
#include <stdint.h>

#include "countersign/json.h"
#include "countersign/spend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_amount(cs_slice text)
{
    int64_t nanos = 0;
    cs_money_read read = cs_money_parse(text, &nanos);
    if (read == CS_MONEY_OK || read == CS_MONEY_ROUNDED) {
        char printed[32];
        int64_t back = 0;
        size_t n = cs_money_format(nanos, printed);
        cs_assert(cs_money_parse(cs_slice_make(printed, n), &back) == CS_MONEY_OK && back == nanos);
    }
}

static void check_event(cs_arena *a, cs_slice piece)
{
    cs_event event;
    cs_event again;
    cs_event_reject why;
    if (cs_event_read(a, piece, true, &event, &why) != CS_OK) {
        cs_assert(why.code[0] != '\0' && why.message.n > 0);
        return;
    }
    cs_assert(cs_event_read(a, event.body, false, &again, &why) == CS_OK);
    cs_assert(again.time_ns == event.time_ns && cs_slice_eq(again.id, event.id) && cs_equal(again.data, event.data));
    const cs_value *amount = cs_object_get_text(event.data, "amount");
    if (amount != NULL && cs_is(*amount, CS_STRING)) {
        check_amount(cs_text(*amount));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_slice body = {(const char *)data, size};
    cs_event_cutter cutter;
    cs_event_cut(&cutter, body);
    cs_slice piece;
    bool broken = false;
    const char *at = body.p;
    while (cs_event_next(&cutter, &piece, &broken)) {
        cs_assert(piece.p >= at && piece.p + piece.n <= body.p + body.n);
        at = piece.p + piece.n;
        if (!broken) {
            check_event(&a, piece);
        }
    }
    check_amount(body);
    cs_value tenants;
    cs_error e;
    if (cs_json_read(&a, body, NULL, &tenants, NULL, &e) == CS_OK) {
        cs_value problems = cs_undefined();
        cs_err err = cs_spend_check(tenants, cs_undefined(), &a, &problems, &e);
        cs_assert((err == CS_OK) == (cs_count(problems) == 0));
    }
    cs_arena_destroy(&a);
    return 0;
}
