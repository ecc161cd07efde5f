/* The module: package, imports and rules in the order in which they stand. */
#include "rego/format/internal.h"

#include <stdlib.h>

#include "rego/builtin/builtin.h"

/* An import or a rule. */
typedef struct piece {
    cs_rule *rule;
    cs_fmt_import import;
    size_t index;
} piece;

static const cs_loc *place_of(const piece *x)
{
    return x->rule ? &x->rule->loc : &x->import.loc;
}

static int by_place(const void *x, const void *y)
{
    const piece *a = x, *b = y;
    const cs_loc *at = place_of(a), *bt = place_of(b);
    if (at->row != bt->row) {
        return at->row < bt->row ? -1 : 1;
    }
    if (at->col != bt->col) {
        return at->col < bt->col ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

typedef struct pieces {
    piece *v;
    size_t n;
} pieces;

static pieces gather(cs_pen *p, const cs_module *m, const cs_fmt_imports *imports)
{
    pieces all = {.v = cs_arena_array(p->arena, piece, imports->n + m->n_rules + 1)};
    for (size_t i = 0; i < imports->n; i++) {
        all.v[all.n] = (piece){.import = imports->v[i], .index = all.n};
        all.n++;
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        all.v[all.n] = (piece){.rule = m->rules[i], .index = all.n};
        all.n++;
    }
    qsort(all.v, all.n, sizeof *all.v, by_place);
    return all;
}

/* An import below a rule has no effect. If one that was added got there, all the added ones are taken out and written
 * first. */
static void lift_added(cs_pen *p, pieces *all, cs_fmt_imports *added)
{
    uint32_t first = UINT32_MAX;
    bool below = false;
    for (size_t i = 0; i < all->n; i++) {
        first = all->v[i].rule && all->v[i].rule->loc.row < first ? all->v[i].rule->loc.row : first;
    }
    for (size_t i = 0; i < all->n; i++) {
        below = below || (!all->v[i].rule && all->v[i].import.added && all->v[i].import.loc.row >= first);
    }
    size_t n = 0;
    for (size_t i = 0; below && i < all->n; i++) {
        if (!all->v[i].rule && all->v[i].import.added) {
            CS_VEC_PUSH_IN(p->arena, added, all->v[i].import);
        } else {
            all->v[n++] = all->v[i];
        }
    }
    all->n = below ? n : all->n;
}

static cs_notes comments_of(cs_pen *p, const cs_module *m)
{
    cs_notes list = {cs_arena_array(p->arena, const cs_comment *, m->n_comments + 1U), m->n_comments};
    for (uint32_t i = 0; i < m->n_comments; i++) {
        list.v[i] = &m->comments[i];
    }
    return list;
}

static cs_pen_status put_package(cs_pen *p, const cs_module *m, cs_notes *list)
{
    cs_pen_status status = cs_pen__notes(p, list, cs_pen__row(&m->package_loc));
    if (status != CS_PEN_OK) {
        return status;
    }
    cs_pen__start_line(p);
    cs_terms path = m->package->u.list;
    cs_term **parts = cs_arena_array(p->arena, cs_term *, path.n);
    memcpy(parts, path.v + 1, sizeof *parts * (path.n - 1U));
    parts[0] = cs_term_var(p->ast, cs_sym_get(p->ast, cs_text(path.v[1]->u.value)), (cs_loc){.nowhere = true});
    cs_notes none = {0};
    cs_pen__put(p, "package ");
    status = cs_pen__ref(p, (cs_terms){parts, path.n - 1}, &none);
    if (status == CS_PEN_OK) {
        cs_pen__blank_line(p);
    }
    return status;
}

static cs_pen_status put_pieces(cs_pen *p, const pieces *all, cs_notes *list)
{
    cs_fmt_import *imports = cs_arena_array(p->arena, cs_fmt_import, all->n + 1);
    cs_rule **rules = cs_arena_array(p->arena, cs_rule *, all->n + 1);
    cs_pen_status status = CS_PEN_OK;
    for (size_t i = 0; i < all->n && status == CS_PEN_OK && !p->changes;) {
        size_t n = 0;
        while (i < all->n && !all->v[i].rule) {
            imports[n++] = all->v[i++].import;
        }
        status = cs_pen__imports(p, imports, n, list);
        n = 0;
        while (i < all->n && all->v[i].rule) {
            rules[n++] = all->v[i++].rule;
        }
        if (status == CS_PEN_OK && !p->changes) {
            status = cs_pen__rules(p, rules, n, list);
        }
    }
    return status;
}

static cs_pen_status put_module(cs_pen *p, cs_module *m)
{
    cs_fmt_imports imports = {0}, added = {0};
    cs_pen__prepare(p, m);
    cs_pen__settle_imports(p, m, &imports);
    pieces all = gather(p, m, &imports);
    cs_notes list = comments_of(p, m);
    lift_added(p, &all, &added);
    cs_pen_status status = put_package(p, m, &list);
    if (status == CS_PEN_OK && cs_pen__same(p)) {
        status = cs_pen__imports(p, added.v, added.n, &list);
    }
    if (status == CS_PEN_OK && !p->changes) {
        status = put_pieces(p, &all, &list);
    }
    for (size_t i = 0; i < list.n && status == CS_PEN_OK && !p->changes; i++) {
        cs_pen__put_notes(p, (cs_notes){list.v + i, 1});
        cs_pen__put(p, i + 1 == list.n ? "\n" : "");
    }
    return status;
}

cs_layout_result cs_layout_module(cs_ast *ast, cs_module *m, const cs_layout *layout, cs_buf *out, cs_errors *errors)
{
    cs_pen p = {.ast = ast, .arena = ast->arena, .module = m, .layout = *layout, .errors = errors};
    size_t n_errors = errors->n;
    p.use_if = p.use_contains = layout->v1;
    cs_buf_init(&p.out);
    cs_pen_status status = put_module(&p, m);
    if (status != CS_PEN_OK && !p.changes) {
        cs_pen__format_error(&p, p.why);
    }
    cs_slice text = cs_buf_view(&p.out);
    bool line = text.n && text.p[text.n - 1] == '\n';
    while (text.n && text.p[text.n - 1] == '\n') {
        text.n--;
    }
    text.n += line;
    cs_layout_result result = p.changes ? CS_LAYOUT_CHANGES : errors->n > n_errors ? CS_LAYOUT_FAILED : CS_LAYOUT_DONE;
    if (result == CS_LAYOUT_DONE) {
        cs_buf_slice(out, text);
    }
    cs_buf_destroy(&p.out);
    return result;
}

cs_slice cs_layout__operand_types(cs_arena *a, const char *builtin)
{
    const cs_builtin *b = cs_builtin_find(cs_slice_of(builtin));
    const cs_type *type = b ? cs_builtin_type(b) : NULL;
    cs_buf text;
    cs_buf_init(&text);
    for (uint32_t i = 0; type && i < type->n; i++) {
        cs_buf_text(&text, i ? "," : "");
        cs_type_print(&text, cs_type_arg(type, i));
    }
    cs_slice all = {cs_arena_dup(a, text.n ? text.p : "", text.n), text.n};
    cs_buf_destroy(&text);
    return all;
}
