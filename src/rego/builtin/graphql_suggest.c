/* "Did you mean": names near to what was typed. */
#include "countersign/base/utf8.h"
#include "rego/builtin/graphql_walk.h"

typedef CS_GQL_LIST(uint32_t) runes;

static runes lower_runes(cs_arena *a, cs_slice s)
{
    runes out = {0};
    for (size_t at = 0; at < s.n;) {
        size_t width;
        uint32_t rune = cs_utf8_decode(s.p + at, s.n - at, &width);
        at += width;
        cs_gql__push(a, &out, cs_utf8_lower(rune));
    }
    return out;
}

/* Insertions, deletions and substitutions that make b of a, in characters. */
static uint32_t edits(cs_arena *a, runes x, runes y)
{
    uint32_t *row = cs_arena_array(a, uint32_t, y.n + 1);
    for (uint32_t k = 0; k <= y.n; k++) {
        row[k] = k;
    }
    for (uint32_t i = 0; i < x.n; i++) {
        uint32_t diagonal = row[0];
        row[0] = i + 1;
        for (uint32_t k = 0; k < y.n; k++) {
            uint32_t above = row[k + 1], best = diagonal + (x.v[i] != y.v[k]);
            best = above + 1 < best ? above + 1 : best;
            best = row[k] + 1 < best ? row[k] + 1 : best;
            row[k + 1] = best;
            diagonal = above;
        }
    }
    return row[y.n];
}

/* A change of case counts as one edit, however many letters it touches. */
static uint32_t distance(cs_gql_walk *w, cs_slice typed, cs_slice option)
{
    if (cs_slice_eq(typed, option)) {
        return 0;
    }
    runes x = lower_runes(w->arena, typed), y = lower_runes(w->arena, option);
    if (x.n == y.n && (x.n == 0 || memcmp(x.v, y.v, x.n * sizeof *x.v) == 0)) {
        return 1;
    }
    return cs_gql__spend(w->run, (uint64_t)(x.n + 1) * (y.n + 1)) ? edits(w->arena, x, y) : UINT32_MAX;
}

void cs_gql__or_list(cs_gql_text *t, const cs_gql_texts *items, bool quoted)
{
    uint32_t n = items->n < 5 ? items->n : 5;
    cs_slice mark = quoted ? CS_LIT("\"") : CS_LIT("");
    for (uint32_t i = 0; i < n; i++) {
        if (i) {
            cs_gql__put(t, n == 2 ? CS_LIT(" or ") : i == n - 1 ? CS_LIT(", or ") : CS_LIT(", "));
        }
        cs_gql__put(t, mark);
        cs_gql__put(t, items->v[i]);
        cs_gql__put(t, mark);
    }
}

cs_slice cs_gql__suggest(cs_gql_walk *w, const char *prefix, bool quoted, cs_slice typed, const cs_gql_texts *options)
{
    cs_gql_texts near = {0};
    CS_GQL_LIST(uint32_t) distances = {0};
    uint32_t most = (uint32_t)(typed.n * 2 / 5) + 1;
    for (uint32_t i = 0; i < options->n && !cs_gql__stopped(w); i++) {
        uint32_t d = distance(w, typed, options->v[i]);
        if (d > most) {
            continue;
        }
        cs_gql__push(w->arena, &near, options->v[i]);
        cs_gql__push(w->arena, &distances, d);
        for (uint32_t k = near.n - 1; k > 0 && distances.v[k - 1] > d; k--) {
            near.v[k] = near.v[k - 1];
            near.v[k - 1] = options->v[i];
            distances.v[k] = distances.v[k - 1];
            distances.v[k - 1] = d;
        }
        (void)cs_gql__spend(w->run, near.n);
    }
    cs_gql_text t = {.arena = w->arena};
    if (near.n) {
        cs_gql__put(&t, CS_LIT(" "));
        cs_gql__put(&t, cs_slice_of(prefix));
        cs_gql__put(&t, CS_LIT(" "));
        cs_gql__or_list(&t, &near, quoted);
        cs_gql__put(&t, CS_LIT("?"));
    }
    return cs_gql__view(&t);
}

cs_slice cs_gql__suggest_members(cs_gql_walk *w, const char *prefix, bool quoted, cs_slice typed,
                                 const cs_gql_members *options)
{
    cs_gql_texts names = {0};
    for (uint32_t i = 0; i < options->n; i++) {
        cs_gql__push(w->arena, &names, options->v[i]->name);
    }
    return cs_gql__suggest(w, prefix, quoted, typed, &names);
}
