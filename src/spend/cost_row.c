/* A row's labels as one key; sums by key. */
#include "countersign/base/bytes.h"
#include "countersign/base/mem.h"
#include "spend/account.h"
#include "spend/cost.h"

enum { ESTIMATED = 1, RESTATED = 2 };

static void put_pairs(cs_buf *out, const cs_spend__pairs *pairs)
{
    cs_bytes_put_var(out, pairs->n);
    for (size_t i = 0; i < pairs->n; i++) {
        cs_bytes_put_text(out, pairs->v[i].name);
        cs_bytes_put_text(out, pairs->v[i].value);
    }
}

static void take_pairs(cs_bytes *b, cs_spend__pairs *out)
{
    uint64_t n = cs_bytes_var(b);
    b->bad = b->bad || n > CS_SPEND__PAIRS;
    for (out->n = 0; !b->bad && out->n < n; out->n++) {
        out->v[out->n].name = cs_bytes_text(b);
        out->v[out->n].value = cs_bytes_text(b);
    }
}

void cs_spend__cost_key(cs_buf *out, const cs_spend__cost_row *row)
{
    cs_bytes_put_signed(out, row->slot);
    cs_bytes_put_u8(out, (uint8_t)row->kind);
    cs_bytes_put_u8(out, (uint8_t)((row->estimated ? ESTIMATED : 0) | (row->restated ? RESTATED : 0)));
    cs_bytes_put_text(out, row->tenant);
    cs_bytes_put_text(out, row->currency);
    cs_bytes_put_text(out, row->document_id);
    cs_bytes_put_text(out, row->operation);
    cs_bytes_put_text(out, row->unit);
    put_pairs(out, &row->scope);
    put_pairs(out, &row->tags);
}

bool cs_spend__cost_row_of(cs_slice key, cs_spend__cost_row *out)
{
    cs_bytes b = cs_bytes_of(key);
    *out = (cs_spend__cost_row){.slot = cs_bytes_signed(&b)};
    uint8_t kind = cs_bytes_u8(&b);
    uint8_t flags = cs_bytes_u8(&b);
    out->kind = (cs_spend__kind)kind;
    out->estimated = (flags & ESTIMATED) != 0;
    out->restated = (flags & RESTATED) != 0;
    out->tenant = cs_bytes_text(&b);
    out->currency = cs_bytes_text(&b);
    out->document_id = cs_bytes_text(&b);
    out->operation = cs_bytes_text(&b);
    out->unit = cs_bytes_text(&b);
    take_pairs(&b, &out->scope);
    take_pairs(&b, &out->tags);
    return cs_bytes_whole(&b) && kind <= CS_SPEND__ADJUSTMENT;
}

cs_spend__cost_sums *cs_spend__cost_sums_new(void)
{
    cs_spend__cost_sums *sums = cs_zalloc(sizeof *sums);
    cs_map_init(&sums->rows);
    return sums;
}

void cs_spend__cost_sums_free(cs_spend__cost_sums *sums)
{
    if (sums == NULL) {
        return;
    }
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while ((entry = cs_map_next(&sums->rows, &cursor)) != NULL) {
        cs_free(entry->value);
    }
    cs_map_destroy(&sums->rows);
    cs_free(sums);
}

void cs_spend__cost_sums_add(cs_spend__cost_sums *sums, cs_slice key, const cs_spend__cost_sum *more)
{
    bool overflow = false; /* the ledger says it; here a sum stays at its end */
    cs_spend__cost_sum *sum = cs_map_get(&sums->rows, key);
    if (sum == NULL) {
        sum = cs_zalloc(sizeof *sum);
        (void)cs_map_put(&sums->rows, key, sum);
    }
    sum->nanos = cs_spend__add(sum->nanos, more->nanos, &overflow);
    sum->quantity = cs_spend__add(sum->quantity, more->quantity, &overflow);
    sum->events += more->events;
}

void cs_spend__cost_sums_write(const cs_spend__cost_sums *sums, cs_buf *out)
{
    size_t cursor = 0;
    const cs_map_entry *entry = NULL;
    while ((entry = cs_map_next(&sums->rows, &cursor)) != NULL) {
        const cs_spend__cost_sum *sum = entry->value;
        cs_bytes_put_text(out, entry->key);
        cs_bytes_put_signed(out, sum->nanos);
        cs_bytes_put_signed(out, sum->quantity);
        cs_bytes_put_signed(out, sum->events);
    }
}

bool cs_spend__cost_sums_read(cs_slice bytes, cs_spend__cost_sums *into)
{
    cs_bytes b = cs_bytes_of(bytes);
    while (!b.bad && cs_bytes_left(&b) > 0) {
        cs_slice key = cs_bytes_text(&b);
        cs_spend__cost_sum sum = {.nanos = cs_bytes_signed(&b)};
        sum.quantity = cs_bytes_signed(&b);
        sum.events = cs_bytes_signed(&b);
        cs_spend__cost_row row;
        if (b.bad || !cs_spend__cost_row_of(key, &row)) {
            return false;
        }
        cs_spend__cost_sums_add(into, key, &sum);
    }
    return cs_bytes_whole(&b);
}
