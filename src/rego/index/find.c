/* Looking up. */
#include "rego/index/internal.h"

typedef struct finder {
    cs_index_resolve *resolve;
    void *self;
    cs_arena *arena;
    cs_index_found *found;
} finder;

static void add_list(finder *f, uint32_t list)
{
    cs_index_found *found = f->found;
    if (list == 0) {
        return;
    }
    if (found->n == found->cap) {
        uint32_t *lists = cs_arena_alloc(f->arena, 2 * (size_t)found->cap * sizeof *lists);
        memcpy(lists, found->lists, found->n * sizeof *lists);
        found->lists = lists;
        found->cap *= 2;
    }
    found->lists[found->n++] = list;
}

static void visit(finder *f, const cs_index_node *node);

static bool visit_constant(finder *f, const cs_dimension *d, cs_value v)
{
    const cs_value *child = v.kind < CS_ARRAY ? cs_object_get(d->table, v) : NULL;
    if (child) {
        visit(f, &d->children[child->u.i]);
    }
    return child != NULL;
}

static void visit_affixes(finder *f, const cs_dimension *d, cs_value v)
{
    if (v.kind != CS_STRING) {
        return;
    }
    cs_slice s = cs_text(v);
    if (d->test == CS_TEST_SUFFIX) {
        s = cs_index__reverse(f->arena, s);
    }
    for (uint32_t i = cs_index__longest(&d->affixes, s); i; i = d->affixes.outer[i - 1]) {
        visit(f, &d->children[i - 1]);
    }
}

static void visit_element(finder *f, const cs_dimension *d, cs_value v)
{
    if (d->test == CS_TEST_MEMBER) {
        (void)visit_constant(f, d, v);
    } else {
        visit_affixes(f, d, v);
    }
}

/* Each of the elements of a collection. Where it has more than there are constants, a set is asked for those. */
static void visit_elements(finder *f, const cs_dimension *d, cs_value v)
{
    uint32_t n = cs_count(v);
    if (v.kind == CS_SET && d->test == CS_TEST_MEMBER && cs_count(d->table) < n) {
        for (uint32_t i = 0; i < cs_count(d->table); i++) {
            cs_value child;
            if (cs_set_has(v, cs_entry(d->table, i, &child))) {
                visit(f, &d->children[child.u.i]);
            }
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        visit_element(f, d,
                      v.kind == CS_ARRAY ? v.u.items[i]
                      : v.kind == CS_SET ? v.u.table->keys[i]
                                         : v.u.table->vals[i]);
    }
}

/* A segment of the string, or their number; undefined if there is none. */
static cs_value segment(const cs_place *place, cs_value v)
{
    if (v.kind != CS_STRING) {
        return cs_undefined();
    }
    cs_slice rest = cs_text(v);
    for (uint32_t n = 0;; n++) {
        const char *end = rest.n ? memchr(rest.p, place->split, rest.n) : NULL;
        size_t length = end ? (size_t)(end - rest.p) : rest.n;
        if (n == place->segment) {
            return cs_string(cs_slice_make(rest.p, length));
        }
        if (!end) {
            return place->segment == CS_SEGMENT_COUNT ? cs_int((int64_t)n + 1) : cs_undefined();
        }
        rest = cs_slice_make(end + 1, rest.n - length - 1);
    }
}

/* Was a child selected? */
static bool visit_dimension(finder *f, const cs_dimension *d)
{
    cs_value v = f->resolve(f->self, &d->place);
    if (v.kind == CS_PRIVATE) {
        for (uint32_t i = 0; i < d->n_children; i++) {
            visit(f, &d->children[i]);
        }
        return true;
    }
    if (d->place.split) {
        v = segment(&d->place, v);
    }
    if (v.kind == CS_UNDEFINED) {
        return false;
    }
    if (d->test == CS_TEST_EQUAL) {
        return visit_constant(f, d, v);
    }
    if (v.kind >= CS_ARRAY) {
        visit_elements(f, d, v);
    } else if (d->test != CS_TEST_MEMBER) {
        visit_affixes(f, d, v);
    }
    return true;
}

static void visit(finder *f, const cs_index_node *node)
{
    bool selected = false;
    for (uint32_t i = 0; i < node->n_dimensions; i++) {
        selected = visit_dimension(f, &node->dimensions[i]);
    }
    if (!node->exclusive || !selected) {
        add_list(f, node->list);
    }
}

void cs_index_find(const cs_index_node *root, cs_index_resolve *resolve, void *self, cs_arena *arena,
                   cs_index_found *found)
{
    found->lists = found->first;
    found->n = 0;
    found->cap = CS_FOUND_INLINE;
    finder f = {resolve, self, arena, found};
    visit(&f, root);
}
