/* After a step of optimising: what was made stands in for the rules that it replaces. */
#include "rego/build.h"
#include "rego/syntax/annotate.h"

/* A growing set of refs; a table by their texts, since a module can have very many rules. */
typedef struct refs {
    cs_build *b;
    cs_value table;
    CS_VEC(const cs_term *) list;
} refs;

static cs_value text_of(cs_build *b, const cs_term *ref)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_term_print(&text, ref);
    cs_value v = cs_string_copy(&b->arena, cs_buf_view(&text));
    cs_buf_destroy(&text);
    return v;
}

static bool has(const refs *r, const cs_term *ref)
{
    return cs_object_get(r->table, text_of(r->b, ref)) != NULL;
}

static void add(refs *r, const cs_term *ref)
{
    cs_value text = text_of(r->b, ref);
    if (!cs_object_get(r->table, text)) {
        cs_object_put(&r->b->arena, r->table, text, cs_null());
        CS_VEC_PUSH_IN(&r->b->arena, &r->list, ref);
    }
}

static refs new_refs(cs_build *b)
{
    return (refs){.b = b, .table = cs_object_new(&b->arena, 0)};
}

/* Up to the first part that is not a scalar. */
static const cs_term *constant_prefix(cs_build *b, const cs_term *ref)
{
    cs_terms all = ref->u.list;
    uint32_t n = 1;
    while (n < all.n && cs_term_is_constant(all.v[n])) {
        n++;
    }
    return n == all.n ? ref : cs_term_list(&b->ast, CS_TERM_REF, all.v, n, ref->loc);
}

static bool overlap(const cs_term *x, const cs_term *y)
{
    cs_terms a = x->u.list, b = y->u.list;
    for (uint32_t i = 0; i < a.n && i < b.n; i++) {
        if (!cs_term_equal(a.v[i], b.v[i])) {
            return false;
        }
    }
    return true;
}

static bool is_replaced(const refs *made, const cs_term *path)
{
    for (size_t i = 0; i < made->list.n; i++) {
        if (overlap(made->list.v[i], path)) {
            return true;
        }
    }
    return false;
}

/* ---- annotations: those of the rules that went, and all comments that belong to none, go */
static const cs_term *target_of(cs_build *b, const cs_module *m, const cs_annotation *a)
{
    if (cs_slice_is(a->scope, "rule") || cs_slice_is(a->scope, "document")) {
        for (uint32_t i = 0; i < m->n_rules; i++) {
            const cs_rule *r = m->rules[i];
            for (uint32_t k = 0; k < r->n_annotations; k++) {
                if (r->annotations[k].loc.row == a->loc.row) {
                    cs_term *ref = cs_build__rule_ref(b, r);
                    ref->u.list.n = cs_ref_ground_prefix(ref);
                    return ref;
                }
            }
        }
    }
    return m->package;
}

static void prune_notes(cs_build *b, cs_module *m, const refs *gone)
{
    cs_annotation *kept = cs_arena_array(&b->arena, cs_annotation, m->n_annotations + 1U);
    uint32_t n = 0, n_comments = 0;
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        if (!has(gone, target_of(b, m, &m->annotations[i]))) {
            kept[n++] = m->annotations[i];
        }
    }
    cs_comment *comments = cs_arena_array(&b->arena, cs_comment, m->n_comments + 1U);
    for (uint32_t i = 0; i < m->n_comments; i++) {
        const cs_comment *c = &m->comments[i];
        bool inside = false;
        for (uint32_t k = 0; k < n && !inside; k++) {
            inside = c->loc.row >= kept[k].loc.row && c->loc.row <= kept[k].end_row;
        }
        if (inside) {
            comments[n_comments++] = *c;
        }
    }
    m->annotations = kept;
    m->n_annotations = n;
    m->comments = comments;
    m->n_comments = n_comments;
}

/* False if nothing of the module is left. */
static bool prune(cs_build *b, cs_module *m, const refs *made)
{
    refs kept = new_refs(b), gone = new_refs(b);
    cs_rule **rules = cs_arena_array(&b->arena, cs_rule *, m->n_rules + 1U);
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_rules; i++) {
        const cs_term *ref = cs_build__rule_ref(b, m->rules[i]);
        if (has(&gone, ref)) {
            continue;
        }
        if (!has(&kept, ref) && is_replaced(made, constant_prefix(b, ref))) {
            add(&gone, ref);
            continue;
        }
        add(&kept, ref);
        rules[n++] = m->rules[i];
    }
    if (n == 0) {
        return false;
    }
    prune_notes(b, m, &gone);
    m->rules = rules;
    m->n_rules = n;
    return true;
}

void cs_build__merge(cs_build *b, const cs_build_pieces *made)
{
    refs prefixes = new_refs(b);
    cs_build_pieces all = {0};
    for (size_t i = 0; i < made->n; i++) {
        const cs_module *m = made->v[i].module;
        for (uint32_t k = 0; k < m->n_rules; k++) {
            add(&prefixes, constant_prefix(b, cs_build__rule_ref(b, m->rules[k])));
        }
        CS_VEC_PUSH_IN(&b->arena, &all, made->v[i]);
    }
    for (size_t i = 0; i < b->pieces.n; i++) {
        cs_build_piece piece = b->pieces.v[i];
        if (prune(b, piece.module, &prefixes)) {
            piece.as_text = false;
            CS_VEC_PUSH_IN(&b->arena, &all, piece);
        }
    }
    b->pieces = all;
}
