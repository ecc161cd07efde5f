/* Exact sums of one tenant and currency in buckets of 15 minutes, sparse and ordered. Events come mostly in order, so a
 * change is mostly at the end; a late one is found by bisection. */
#include <string.h>

#include "countersign/base/mem.h"
#include "spend/internal.h"

void cs_spend__book_free(cs_spend__book *b)
{
    CS_VEC_FREE(&b->buckets);
    CS_VEC_FREE(&b->marks);
    cs_free(b);
}

size_t cs_spend__book_at(const cs_spend__book *b, int64_t slot)
{
    size_t low = 0;
    size_t high = b->buckets.n;
    if (high > 0 && b->buckets.v[high - 1].slot < slot) {
        return high;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->buckets.v[middle].slot < slot) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t marks_at(const cs_spend__book *b, int64_t slot)
{
    size_t low = 0;
    size_t high = b->marks.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->marks.v[middle].slot < slot) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Drops what is older than any window, when there is a good deal of it. */
static void forget(cs_spend__book *b, uint32_t now_slot)
{
    int64_t from = (int64_t)now_slot - CS_SPEND__KEEP_SLOTS;
    size_t old = cs_spend__book_at(b, from);
    if (old > CS_SPEND__SLOTS_A_DAY && old > b->buckets.n / 8) {
        b->buckets.n -= old;
        memmove(b->buckets.v, b->buckets.v + old, b->buckets.n * sizeof *b->buckets.v);
        old = marks_at(b, from);
        b->marks.n -= old;
        memmove(b->marks.v, b->marks.v + old, b->marks.n * sizeof *b->marks.v);
    }
}

static cs_spend__bucket *bucket_for(cs_spend__book *b, uint32_t slot)
{
    size_t i = cs_spend__book_at(b, slot);
    if (i == b->buckets.n || b->buckets.v[i].slot != slot) {
        CS_VEC_PUSH(&b->buckets, (cs_spend__bucket){.slot = slot});
        memmove(b->buckets.v + i + 1, b->buckets.v + i, (b->buckets.n - 1 - i) * sizeof *b->buckets.v);
        b->buckets.v[i] = (cs_spend__bucket){.slot = slot, .last_ns = INT64_MIN};
    }
    return &b->buckets.v[i];
}

static cs_spend__marks *marks_for(cs_spend__book *b, uint32_t slot)
{
    size_t i = marks_at(b, slot);
    if (i == b->marks.n || b->marks.v[i].slot != slot) {
        CS_VEC_PUSH(&b->marks, (cs_spend__marks){.slot = slot});
        memmove(b->marks.v + i + 1, b->marks.v + i, (b->marks.n - 1 - i) * sizeof *b->marks.v);
        b->marks.v[i] = (cs_spend__marks){.slot = slot};
    }
    return &b->marks.v[i];
}

void cs_spend__book_change(cs_spend__book *b, const cs_spend__change *change, uint32_t now_slot)
{
    forget(b, now_slot);
    cs_spend__bucket *bucket = bucket_for(b, change->slot);
    bucket->posted = cs_spend__add(bucket->posted, change->posted, &b->overflow);
    bucket->events += (uint32_t)change->events;
    bucket->last_ns = change->last_ns > bucket->last_ns ? change->last_ns : bucket->last_ns;
    if (change->late != 0 || change->corrected != 0) {
        cs_spend__marks *marks = marks_for(b, change->slot);
        marks->late = cs_spend__add(marks->late, change->late, &b->overflow);
        marks->corrected = cs_spend__add(marks->corrected, change->corrected, &b->overflow);
    }
    b->version++;
}

void cs_spend__sum_change(cs_spend__sum *sum, const cs_spend__change *change, bool *overflow)
{
    sum->posted = cs_spend__add(sum->posted, change->posted, overflow);
    sum->late = cs_spend__add(sum->late, change->late, overflow);
    sum->corrected = cs_spend__add(sum->corrected, change->corrected, overflow);
    sum->events += (uint64_t)(int64_t)change->events;
    sum->last_ns = change->last_ns > sum->last_ns ? change->last_ns : sum->last_ns;
}

cs_spend__sum cs_spend__book_sum(cs_spend__book *b, int64_t from, int64_t to)
{
    cs_spend__sum sum = {.last_ns = INT64_MIN};
    for (size_t i = cs_spend__book_at(b, from); i < b->buckets.n && b->buckets.v[i].slot < to; i++) {
        const cs_spend__bucket *bucket = &b->buckets.v[i];
        sum.posted = cs_spend__add(sum.posted, bucket->posted, &b->overflow);
        sum.events += bucket->events;
        sum.last_ns = bucket->last_ns > sum.last_ns ? bucket->last_ns : sum.last_ns;
    }
    for (size_t i = marks_at(b, from); i < b->marks.n && b->marks.v[i].slot < to; i++) {
        sum.late = cs_spend__add(sum.late, b->marks.v[i].late, &b->overflow);
        sum.corrected = cs_spend__add(sum.corrected, b->marks.v[i].corrected, &b->overflow);
    }
    return sum;
}
