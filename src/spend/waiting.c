/* Corrections that came before what they correct.
 *
 * Such a correction is counted where it arrived, waits here under its root (the event that it corrects, or what that
 * one waits for itself), and moves when the root comes. So the sums do not depend on the order of events. They are
 * rare, and known by the whole 128 bits of their ids; two hash tables of chains find them by root and by id. */
#include <string.h>

#include "countersign/base/mem.h"
#include "spend/internal.h"

#ifdef CS_TINY
enum { FIRST_CHAINS = 2 };
#else
enum { FIRST_CHAINS = 64 };
#endif

static void make_chains(cs_spend__waits *w, size_t n)
{
    w->mask = n - 1;
    w->roots = cs_zalloc(n * sizeof *w->roots);
    w->ids = cs_zalloc(n * sizeof *w->ids);
}

void cs_spend__waits_init(cs_spend__waits *w)
{
    *w = (cs_spend__waits){.n = 0};
    make_chains(w, FIRST_CHAINS);
}

void cs_spend__waits_destroy(cs_spend__waits *w)
{
    for (size_t i = 0; i < w->v.n; i++) {
        cs_free(w->v.v[i].scope);
    }
    cs_free(w->roots);
    cs_free(w->ids);
    CS_VEC_FREE(&w->v);
}

static void link_in(cs_spend__waits *w, uint32_t number)
{
    cs_spend__waiting *item = &w->v.v[number - 1];
    uint32_t *root = &w->roots[item->root.a & w->mask];
    item->by_root = *root;
    *root = number;
    uint32_t *id = &w->ids[item->id.a & w->mask];
    item->by_id = *id;
    *id = number;
}

static void take_out(cs_spend__waits *w, uint32_t number)
{
    cs_spend__waiting *item = &w->v.v[number - 1];
    uint32_t *at = &w->roots[item->root.a & w->mask];
    while (*at != number) {
        at = &w->v.v[*at - 1].by_root;
    }
    *at = item->by_root;
    at = &w->ids[item->id.a & w->mask];
    while (*at != number) {
        at = &w->v.v[*at - 1].by_id;
    }
    *at = item->by_id;
    *item = (cs_spend__waiting){.by_root = w->free};
    w->free = number;
    w->n--;
}

static void grow_chains(cs_spend__waits *w)
{
    cs_free(w->roots);
    cs_free(w->ids);
    make_chains(w, (w->mask + 1) * 2);
    for (size_t i = 0; i < w->v.n; i++) {
        if (w->v.v[i].used) {
            link_in(w, (uint32_t)i + 1);
        }
    }
}

void cs_spend__waits_add(cs_spend__waits *w, const cs_spend__waiting *item, int64_t oldest)
{
    for (size_t i = 0; w->free == 0 && w->v.n == w->v.cap && i < w->v.n; i++) {
        if (w->v.v[i].used && w->v.v[i].slot < oldest) {
            cs_free(w->v.v[i].scope);
            take_out(w, (uint32_t)i + 1);
        }
    }
    uint32_t number = w->free;
    if (number != 0) {
        w->free = w->v.v[number - 1].by_root;
        w->v.v[number - 1] = *item;
    } else {
        CS_VEC_PUSH(&w->v, *item);
        number = (uint32_t)w->v.n;
    }
    w->v.v[number - 1].used = true;
    w->n++;
    if (w->n > w->mask + 1) {
        grow_chains(w);
    } else {
        link_in(w, number);
    }
}

static uint32_t number_of(const cs_spend__waits *w, cs_spend__id id)
{
    uint32_t number = w->ids[id.a & w->mask];
    while (number != 0 && !cs_spend__id_equal(w->v.v[number - 1].id, id)) {
        number = w->v.v[number - 1].by_id;
    }
    return number;
}

const cs_spend__waiting *cs_spend__waits_find(const cs_spend__waits *w, cs_spend__id id)
{
    uint32_t number = number_of(w, id);
    return number != 0 ? &w->v.v[number - 1] : NULL;
}

void cs_spend__waits_remove(cs_spend__waits *w, cs_spend__id id)
{
    uint32_t number = number_of(w, id);
    if (number != 0) {
        cs_free(w->v.v[number - 1].scope);
        take_out(w, number);
    }
}

bool cs_spend__waits_take(cs_spend__waits *w, cs_spend__id root, int64_t oldest, cs_spend__waiting *out)
{
    for (uint32_t number = w->roots[root.a & w->mask]; number != 0; number = w->v.v[number - 1].by_root) {
        const cs_spend__waiting *item = &w->v.v[number - 1];
        if (cs_spend__id_equal(item->root, root) && item->slot >= oldest) {
            *out = *item;
            take_out(w, number);
            return true;
        }
    }
    return false;
}
