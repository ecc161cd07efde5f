/* Imports: which ones the module is to have, their groups and their order. */
#include "rego/format/internal.h"

#include <stdlib.h>

static bool has_root(const cs_term *path, const cs_sym *root)
{
    return path->kind == CS_TERM_REF && path->u.list.v[0]->kind == CS_TERM_VAR && path->u.list.v[0]->u.var == root;
}

bool cs_pen__is_future(const cs_ast *ast, const cs_term *path)
{
    return has_root(path, ast->future);
}

static bool is_keywords(const cs_ast *ast, const cs_term *path, uint32_t n)
{
    return has_root(path, ast->future) && path->u.list.n == n && cs_term_is_string(path->u.list.v[1]) &&
           cs_slice_is(cs_text(path->u.list.v[1]->u.value), "keywords");
}

bool cs_pen__future_word(const cs_ast *ast, const cs_term *path, const cs_sym *alias, cs_slice *word)
{
    if (alias || !is_keywords(ast, path, 3) || !cs_term_is_string(path->u.list.v[2])) {
        return false;
    }
    *word = cs_text(path->u.list.v[2]->u.value);
    return true;
}

static bool brings(const cs_pen *p, const cs_term *path, cs_slice word)
{
    if (is_keywords(p->ast, path, 2)) {
        return true;
    }
    cs_slice have = CS_LIT("");
    if (!is_keywords(p->ast, path, 3)) {
        return false;
    }
    have = cs_text(path->u.list.v[2]->u.value);
    return cs_slice_eq(have, word) || (cs_slice_is(have, "every") && cs_slice_is(word, "in"));
}

/* ---- adding */
/* Below the last import of the same kind, at the top without one. */
static cs_loc next_place(const cs_pen *p, const cs_fmt_imports *all)
{
    uint32_t row = 0;
    for (size_t i = 0; i < all->n; i++) {
        const cs_fmt_import *x = &all->v[i];
        if (cs_pen__is_future(p->ast, x->path) || cs_ref_is(x->path, "rego.v1")) {
            row = x->loc.row > row ? x->loc.row : row;
        }
    }
    return (cs_loc){.row = row + 1, .col = 1};
}

static void add(cs_pen *p, cs_fmt_imports *all, const char *name)
{
    cs_fmt_import x = {.loc = next_place(p, all), .added = true};
    x.path = cs_term_operator(p->ast, name, x.loc);
    CS_VEC_PUSH_IN(p->arena, all, x);
}

static void ensure_word(cs_pen *p, cs_fmt_imports *all, cs_slice word)
{
    for (size_t i = 0; i < all->n; i++) {
        if (brings(p, all->v[i].path, word)) {
            return;
        }
    }
    add(p, all, cs_arena_printf(p->arena, NULL, "future.keywords.%.*s", CS_FMT(word)));
}

static bool has(const cs_fmt_imports *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++) {
        if (cs_ref_is(all->v[i].path, name)) {
            return true;
        }
    }
    return false;
}

static void drop(const cs_pen *p, cs_fmt_imports *all, bool v1, bool future)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        bool gone =
            (v1 && cs_ref_is(all->v[i].path, "rego.v1")) || (future && cs_pen__is_future(p->ast, all->v[i].path));
        if (!gone) {
            all->v[n++] = all->v[i];
        }
    }
    all->n = n;
}

static bool is_newer_word(const char *word)
{
    return strcmp(word, "and") == 0 || strcmp(word, "or") == 0 || strcmp(word, "not") == 0;
}

void cs_pen__settle_imports(cs_pen *p, const cs_module *m, cs_fmt_imports *all)
{
    for (uint32_t i = 0; i < m->n_imports; i++) {
        cs_fmt_import x = {.path = m->imports[i].path, .alias = m->imports[i].alias, .loc = m->imports[i].loc};
        CS_VEC_PUSH_IN(p->arena, all, x);
    }
    bool v2 = has(all, "rego.v2"), both = p->layout.v0 && p->layout.v1;
    if (v2 || (!p->layout.v0 && p->layout.drop_imports)) {
        drop(p, all, true, false);
    } else if (both && !has(all, "rego.v1")) {
        add(p, all, "rego.v1");
    }
    bool v1 = has(all, "rego.v1") || v2;
    bool modern = p->layout.v1 || v1;
    if (modern && (p->layout.drop_imports || v1)) {
        drop(p, all, false, true);
    } else if (modern) {
        for (size_t i = 0; i < p->future.n; i++) {
            ensure_word(p, all, p->future.v[i]);
        }
    }
    for (size_t i = 0; i < p->missing.n && !(modern && v2); i++) {
        if (!modern || is_newer_word(p->missing.v[i])) {
            ensure_word(p, all, cs_slice_of(p->missing.v[i]));
        }
    }
}

/* ---- writing */
static int by_path(const void *x, const void *y)
{
    const cs_fmt_import *a = x, *b = y;
    int c = cs_term_compare(a->path, b->path);
    if (c == 0) {
        c = cs_slice_compare(a->alias ? cs_sym_slice(a->alias) : CS_LIT(""),
                             b->alias ? cs_sym_slice(b->alias) : CS_LIT(""));
    }
    return c ? c : a->loc.row < b->loc.row ? -1 : a->loc.row > b->loc.row;
}

static cs_pen_status put_import(cs_pen *p, const cs_fmt_import *x)
{
    cs_notes none = {0};
    cs_slice word;
    cs_pen__put(p, "import ");
    cs_layout layout = p->layout;
    bool v2 = p->keywords_v2;
    size_t n = p->future.n;
    if (cs_pen__future_word(p->ast, x->path, x->alias, &word)) {
        /* The newer words need no brackets there. */
        p->layout.quote_keywords = p->layout.v1 = p->keywords_v2 = false;
        p->future.n = 0;
    }
    cs_pen_status status = cs_pen__ref(p, x->path->u.list, &none);
    p->layout = layout;
    p->keywords_v2 = v2;
    p->future.n = n;
    if (status == CS_PEN_OK && x->alias) {
        cs_buf_printf(&p->out, " as %s", x->alias->s);
    }
    return status;
}

/* The comment on the row of each import, taken out of the list (in place: nobody else holds it between rules). */
static const cs_comment **take_comments(cs_pen *p, const cs_fmt_import *v, size_t n, cs_notes *list)
{
    const cs_comment **beside = cs_arena_array(p->arena, const cs_comment *, n + 1);
    size_t left = 0;
    for (size_t i = 0; i < list->n; i++) {
        size_t k = 0;
        while (k < n && v[k].loc.row != list->v[i]->loc.row) {
            k++;
        }
        if (k < n) {
            beside[k] = list->v[i];
        } else {
            list->v[left++] = list->v[i];
        }
    }
    list->n = left;
    return beside;
}

typedef struct entry {
    cs_fmt_import import; /* first, for by_path */
    const cs_comment *beside;
} entry;

static cs_pen_status put_group(cs_pen *p, entry *group, size_t n, cs_notes *list)
{
    cs_pen_status status = cs_pen__notes(p, list, cs_pen__row(&group[0].import.loc));
    qsort(group, n, sizeof *group, by_path);
    for (size_t i = 0; i < n && status == CS_PEN_OK && !p->changes; i++) {
        cs_pen__start_line(p);
        status = put_import(p, &group[i].import);
        if (status != CS_PEN_OK) {
            break;
        }
        if (group[i].beside) {
            cs_pen__put(p, " ");
            cs_pen__put_comment(p, group[i].beside);
        }
        cs_pen__end_line(p);
        (void)cs_pen__same(p);
    }
    if (status == CS_PEN_OK && !p->changes) {
        cs_pen__blank_line(p);
    }
    return status;
}

cs_pen_status cs_pen__imports(cs_pen *p, cs_fmt_import *v, size_t n, cs_notes *list)
{
    const cs_comment **beside = take_comments(p, v, n, list);
    entry *all = cs_arena_array(p->arena, entry, n + 1);
    for (size_t i = 0; i < n; i++) {
        all[i] = (entry){v[i], beside[i]};
    }
    cs_pen_status status = CS_PEN_OK;
    for (size_t from = 0, to; from < n && status == CS_PEN_OK && !p->changes; from = to) {
        for (to = from + 1; to < n && (int64_t)v[to].loc.row - v[to - 1].loc.row <= 1; to++) {
        }
        status = put_group(p, all + from, to - from, list);
    }
    return status;
}
