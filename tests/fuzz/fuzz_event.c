/* A body of POST /v1/events, cut and read, by the reader for bulk and by the general one, which must agree in
 * everything; the same bytes as an amount, and as data.tenants. Pieces must lie in the body in order; what was read
 * must be read again from its own text; an amount must be printed as a text that reads the same. */
#include <stdint.h>
#include <string.h>

#include "countersign/json.h"
#include "countersign/spend.h"
#include "journal/plain.h"
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

/* Shapes of what came before in this input, too: an event may be read by the shape of another. */
static cs_event__shapes shapes;

static cs_err read_by(int how, cs_arena *a, cs_slice piece, bool limits, cs_event *event, cs_event_reject *why)
{
    return how == 0   ? cs_event_read(a, piece, limits, event, why)
           : how == 1 ? cs_event_read_bulk(a, piece, limits, event, why)
                      : cs_event__read_bulk(&shapes, a, piece, limits, event, why);
}

static void same_event(cs_arena *a, const cs_event *x, const cs_event *y)
{
    same(x->id, y->id);
    same(x->source, y->source);
    same(x->type, y->type);
    same(x->subject, y->subject);
    same(x->correlation, y->correlation);
    cs_assert(x->time_ns == y->time_ns && cs_equal(x->data, cs_event_data(a, y)));
}

/* In general, in bulk, by shapes (learned, then fitting): the same verdict, words and content. */
static void check_bulk(cs_arena *a, cs_slice piece, bool limits, bool past)
{
    enum { WAYS = 4 };
    cs_event events[WAYS];
    cs_event_reject why[WAYS];
    cs_spend__event spend[WAYS];
    cs_err err[WAYS];
    for (int i = 0; i < WAYS; i++) {
        err[i] = read_by(i, a, piece, limits, &events[i], &why[i]);
        if (err[i] == CS_OK) {
            events[i].past = past;
            why[i] = (cs_event_reject){.id = events[i].id, .code = "", .message = CS_LIT("")};
            err[i] = cs_spend__event_read(a, &events[i], &spend[i], &why[i]);
        }
        cs_assert(err[0] == err[i]);
        same(why[0].id, why[i].id);
        same(cs_slice_of(why[0].code), cs_slice_of(why[i].code));
        same(why[0].message, why[i].message);
        if (err[i] == CS_OK) {
            same_event(a, &events[0], &events[i]);
            same_spend(&spend[0], &spend[i]);
        }
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
    memset(&shapes, 0, sizeof shapes);
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
