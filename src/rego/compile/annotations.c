/* SetAnnotationSet: a package, the packages below it, and a document have one annotation each, whichever module it
 * stands in (OPA v1/ast/annotations.go). Documents and packages with all below share their paths. */
#include "rego/compile/internal.h"
#include "rego/syntax/annotate.h"

typedef struct annotated {
    cs_compiler *c;
    cs_value packages, paths; /* text of a path → number of the annotation */
    cs_value seen;            /* by row, of the module at hand: the rules of a document have copies of its annotation */
    const cs_annotation **v;
    uint32_t n, cap;
} annotated;

static void add(annotated *all, cs_value table, const cs_term *path, uint32_t n, const cs_annotation *a)
{
    cs_arena *arena = all->c->ast->arena;
    cs_term prefix = *path;
    prefix.u.list.n = n;
    if (cs_object_get(all->seen, cs_int(a->loc.row))) {
        return;
    }
    cs_object_put(arena, all->seen, cs_int(a->loc.row), cs_null());
    cs_value key = cs_string(cs_slice_of(cs_compile__term_text(all->c, &prefix)));
    const cs_value *known = cs_object_get(table, key);
    if (known) {
        const cs_loc *other = &all->v[known->u.i]->loc;
        (void)cs_compile__error(all->c, CS_ERR_REGO_TYPE, a->loc, "%.*s annotation redeclared: %.*s:%u",
                                CS_FMT(a->scope), CS_FMT(other->source->file), other->row);
        return;
    }
    if (all->n == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 16;
        const cs_annotation **v = (const cs_annotation **)cs_arena_zalloc(arena, all->cap * sizeof *v);
        for (uint32_t i = 0; i < all->n; i++) {
            v[i] = all->v[i];
        }
        all->v = v;
    }
    cs_object_put(arena, table, key, cs_int(all->n));
    all->v[all->n++] = a;
}

static void add_module(annotated *all, const cs_module *m)
{
    all->seen = cs_object_new(all->c->ast->arena, 0);
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        const cs_annotation *a = &m->annotations[i];
        if (cs_slice_is(a->scope, "package")) {
            add(all, all->packages, m->package, m->package->u.list.n, a);
        } else if (cs_slice_is(a->scope, "subpackages")) {
            add(all, all->paths, m->package, m->package->u.list.n, a);
        }
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        const cs_rule *r = m->rules[i];
        for (uint32_t k = 0; k < r->n_annotations; k++) {
            if (cs_slice_is(r->annotations[k].scope, "document")) {
                add(all, all->paths, cs_rule__path(all->c, r), m->package->u.list.n + cs_rule__ground_prefix(r),
                    &r->annotations[k]);
            }
        }
    }
}

void cs_stage__set_annotation_set(cs_compiler *c)
{
    cs_arena *a = c->ast->arena;
    annotated all = {.c = c, .packages = cs_object_new(a, 0), .paths = cs_object_new(a, 0)};
    for (uint32_t i = 0; i < c->n_modules; i++) {
        add_module(&all, c->modules[i]);
    }
}
