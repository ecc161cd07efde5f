/* A body of POST /v1/events, cut and read, by the reader for bulk and by the general one, which must agree in
 * everything; the same bytes as an amount, and as data.tenants. Pieces must lie in the body in order; what was read
 * must be read again from its own text; an amount must be printed as a text that reads the same. */
#include <stdint.h>

#include "countersign/json.h"
#include "countersign/spend.h"
#include "spend/book.h"

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

static void same(cs_slice x, cs_slice y)
{
    cs_assert(cs_slice_eq(x, y));
}

static void same_pairs(const cs_spend__pairs *x, const cs_spend__pairs *y)
{
    cs_assert(x->n == y->n);
    for (size_t i = 0; i < x->n; i++) {
        same(x->v[i].name, y->v[i].name);
        same(x->v[i].value, y->v[i].value);
    }
}

static void same_spend(const cs_spend__event *x, const cs_spend__event *y)
{
    cs_assert(x->nanos == y->nanos && x->rounded == y->rounded && x->estimated == y->estimated && x->kind == y->kind &&
              x->linked == y->linked);
    same(x->tenant, y->tenant);
    same(x->currency, y->currency);
    if (x->linked) {
        same(x->corrects_source, y->corrects_source);
        same(x->corrects_id, y->corrects_id);
    }
    same(x->hold, y->hold);
    same(x->correlation, y->correlation);
    same(x->document_id, y->document_id);
    same(x->operation, y->operation);
    same_pairs(&x->scope, &y->scope);
    same_pairs(&x->tags, &y->tags);
    same(x->unit, y->unit);
    cs_assert(x->quantity == y->quantity);
}

/* In bulk and in general: the same verdict, words and content. */
static void check_bulk(cs_arena *a, cs_slice piece, bool limits, bool past)
{
    cs_event events[2];
    cs_event_reject why[2];
    cs_err err[2] = {cs_event_read(a, piece, limits, &events[0], &why[0]),
                     cs_event_read_bulk(a, piece, limits, &events[1], &why[1])};
    cs_assert(err[0] == err[1]);
    cs_spend__event spend[2];
    bool read = err[0] == CS_OK;
    for (int i = 0; i < 2 && read; i++) {
        events[i].past = past;
        why[i] = (cs_event_reject){.id = events[i].id, .code = "", .message = CS_LIT("")};
        err[i] = cs_spend__event_read(a, &events[i], &spend[i], &why[i]);
    }
    cs_assert(err[0] == err[1]);
    same(why[0].id, why[1].id);
    same(cs_slice_of(why[0].code), cs_slice_of(why[1].code));
    same(why[0].message, why[1].message);
    if (err[0] == CS_OK) {
        same(events[0].id, events[1].id);
        same(events[0].source, events[1].source);
        same(events[0].type, events[1].type);
        same(events[0].subject, events[1].subject);
        same(events[0].correlation, events[1].correlation);
        cs_assert(events[0].time_ns == events[1].time_ns && cs_equal(events[0].data, cs_event_data(a, &events[1])));
        same_spend(&spend[0], &spend[1]);
    }
}

static void check_event(cs_arena *a, cs_slice piece)
{
    check_bulk(a, piece, true, false);
    check_bulk(a, piece, false, true);
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
