/* The order in which the rules of one function are planned. */
#include "rego/ir/internal.h"

#include <stdlib.h>

typedef struct entry {
    const cs_rule *rule;
    const cs_term *path;
    size_t at;
} entry;

static int by_path(const void *x, const void *y)
{
    const entry *a = x, *b = y;
    if (a->path->u.list.n != b->path->u.list.n) {
        return a->path->u.list.n > b->path->u.list.n ? -1 : 1;
    }
    int c = cs_term_compare(a->path, b->path);
    return c ? c : (a->at > b->at) - (a->at < b->at);
}

void cs_ir__sort_rules(cs_ir_planner *p, const cs_rule **v, size_t n)
{
    entry *list = cs_arena_array(p->arena, entry, n + 1);
    for (size_t i = 0; i < n; i++) {
        list[i] = (entry){v[i], cs_ir__path(p, v[i]), i};
    }
    qsort(list, n, sizeof *list, by_path);
    for (size_t i = 0; i < n; i++) {
        v[i] = list[i].rule;
    }
}
