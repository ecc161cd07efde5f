/* Building: modules in, checked (or optimised) and laid out again. */
#include "rego/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/encode.h"
#include "countersign/base/mem.h"
#include "rego/builtin/builtin.h"
#include "rego/format/format.h"
#include "rego/syntax/annotate.h"
#include "rego/syntax/parse.h"

cs_build *cs_build_new(const cs_build_options *options)
{
    cs_build *b = cs_zalloc(sizeof *b);
    cs_arena_init(&b->arena, 0);
    cs_ast_init(&b->ast, &b->arena);
    b->options = *options;
    if (b->options.name_space.n == 0) {
        b->options.name_space = CS_LIT("partial");
    }
    return b;
}

void cs_build_free(cs_build *b)
{
    if (b) {
        cs_arena_destroy(&b->arena);
        cs_free(b);
    }
}

void cs_build__debug(const cs_build *b, const char *format, ...)
{
    if (!b->options.debug) {
        return;
    }
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = cs_zalloc((size_t)n + 1);
    va_start(args, format);
    (void)vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    b->options.debug(b->options.debug_self, text);
    cs_free(text);
}

/* ---- modules */
static bool is_builtin(cs_slice name)
{
    return cs_builtin_find(name) != NULL;
}

cs_err cs_build_add(cs_build *b, const cs_build_source *source, cs_errors *errors)
{
    static const cs_rego_version versions[] = {CS_REGO_V0, CS_REGO_V1, CS_REGO_V2};
    cs_parse_options options = {.version = versions[source->rego_version],
                                .index = (uint32_t)b->pieces.n,
                                .annotations = true,
                                .templates = true,
                                .capabilities = b->options.capabilities,
                                .is_builtin = is_builtin};
    cs_build_piece piece = {.name = source->name, .as_text = true};
    CS_TRY(cs_parse_module(&b->ast, source->file, source->text, &options, &piece.module, errors));
    CS_VEC_PUSH_IN(&b->arena, &b->pieces, piece);
    return CS_OK;
}

static bool own_term(void *self, cs_term *t)
{
    cs_ast *ast = self;
    t->loc.nowhere = t->loc.nowhere || !t->loc.source;
    if (t->kind == CS_TERM_VAR) {
        t->u.var = cs_sym_get(ast, cs_sym_slice(t->u.var));
    }
    return true;
}

static bool own_expr(void *self, cs_expr *e)
{
    (void)self;
    e->loc.nowhere = e->loc.nowhere || !e->loc.source;
    e->generated_from = e->generates = e->next_generated = NULL;
    for (uint32_t i = 0; i < e->n_with; i++) {
        e->with[i].loc.nowhere = e->with[i].loc.nowhere || !e->with[i].loc.source;
    }
    return true;
}

cs_module *cs_build__copy(cs_build *b, const cs_module *m)
{
    cs_walker own = {.self = &b->ast, .term = own_term, .expr = own_expr};
    cs_module *c = cs_arena_new(&b->arena, cs_module);
    *c = *m;
    c->package = cs_term_copy(&b->ast, m->package);
    cs_walk_term(&own, c->package);
    c->package_loc.nowhere = c->package_loc.nowhere || !c->package_loc.source;
    c->imports = cs_arena_array(&b->arena, cs_import, m->n_imports + 1U);
    for (uint32_t i = 0; i < m->n_imports; i++) {
        c->imports[i] = m->imports[i];
        c->imports[i].path = cs_term_copy(&b->ast, m->imports[i].path);
    }
    c->rules = cs_arena_array(&b->arena, cs_rule *, m->n_rules + 1U);
    for (uint32_t i = 0; i < m->n_rules; i++) {
        c->rules[i] = cs_rule_copy(&b->ast, m->rules[i]);
        cs_walk_rule(&own, c->rules[i]);
        for (cs_rule *r = c->rules[i]; r; r = r->other) {
            r->module = c;
            r->loc.nowhere = r->loc.nowhere || !r->loc.source;
            r->head.loc.nowhere = r->head.loc.nowhere || !r->head.loc.source;
        }
    }
    return c;
}

cs_err cs_build__compile(cs_build *b, cs_compiled **out, cs_errors *errors, cs_error *e)
{
    cs_module **modules = cs_arena_array(&b->arena, cs_module *, b->pieces.n + 1);
    for (size_t i = 0; i < b->pieces.n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (cs_slice_eq(b->pieces.v[i].name, b->pieces.v[k].name)) {
                return cs_fail(e, CS_ERR_INVALID, "duplicate module URL: %.*s", CS_FMT(b->pieces.v[i].name));
            }
        }
        modules[i] = cs_build__copy(b, b->pieces.v[i].module);
        modules[i]->source.file = b->pieces.v[i].name; /* the compiler takes them by name */
        modules[i]->source.index = (uint32_t)i;
    }
    cs_policy_options policy = {.capabilities = b->options.capabilities,
                                .check_only = b->options.optimize == 0,
                                .print = b->options.keep_print ? CS_PRINT_KEEP : CS_PRINT_ERASE,
                                .allow_undefined = b->options.allow_undefined};
    return cs_compile_modules(&b->ast, modules, (uint32_t)b->pieces.n, &(cs_compile_options){.policy = &policy}, out,
                              errors);
}

/* ---- entrypoints */
void cs_build__add_entrypoint(cs_build *b, cs_term *ref, cs_slice name)
{
    for (size_t i = 0; i < b->entrypoints.n; i++) {
        if (cs_term_equal(b->entrypoints.v[i], ref)) {
            return;
        }
    }
    CS_VEC_PUSH_IN(&b->arena, &b->entrypoints, ref);
    CS_VEC_PUSH_IN(&b->arena, &b->names, name);
}

/* A key of a path: a number if it looks like one. */
static cs_term *key_of(cs_build *b, cs_slice text)
{
    const cs_loc none = {.nowhere = true};
    uint64_t number;
    bool is_number = cs_slice_u64(text, &number) && number <= INT64_MAX;
    return is_number ? cs_term_scalar(&b->ast, cs_int((int64_t)number), none) : cs_term_string(&b->ast, text, none);
}

void cs_build_add_entrypoint(cs_build *b, cs_slice path)
{
    const cs_loc none = {.nowhere = true};
    cs_slice rest = cs_slice_starts(path, CS_LIT("/")) ? cs_slice_sub(path, 1, path.n) : path;
    CS_VEC(cs_term *) parts = {0};
    cs_term *head = cs_term_var(&b->ast, b->ast.data, none);
    CS_VEC_PUSH_IN(&b->arena, &parts, head);
    while (rest.n > 0) {
        size_t slash = cs_slice_find_byte(rest, '/', 0);
        cs_slice text = cs_slice_sub(rest, 0, slash == SIZE_MAX ? rest.n : slash);
        cs_term *key = key_of(b, text);
        CS_VEC_PUSH_IN(&b->arena, &parts, key);
        if (slash != SIZE_MAX && slash + 1 == rest.n) {
            key = cs_term_string(&b->ast, CS_LIT(""), none); /* a slash at the end begins a name */
            CS_VEC_PUSH_IN(&b->arena, &parts, key);
        }
        rest = slash == SIZE_MAX ? CS_LIT("") : cs_slice_sub(rest, slash + 1, rest.n);
    }
    cs_build__add_entrypoint(b, cs_term_list(&b->ast, CS_TERM_REF, parts.v, (uint32_t)parts.n, none), path);
}

cs_term *cs_build__rule_ref(cs_build *b, const cs_rule *r)
{
    cs_terms package = r->module->package->u.list, head = r->head.ref->u.list;
    cs_term **v = cs_arena_array(&b->arena, cs_term *, package.n + head.n);
    memcpy(v, package.v, package.n * sizeof *v);
    memcpy(v + package.n, head.v, head.n * sizeof *v);
    if (head.v[0]->kind == CS_TERM_VAR) {
        v[package.n] = cs_term_string(&b->ast, cs_sym_slice(head.v[0]->u.var), head.v[0]->loc);
    }
    return cs_term_list(&b->ast, CS_TERM_REF, v, package.n + head.n, (cs_loc){.nowhere = true});
}

/* As Go's url.PathEscape. */
static void escape_segment(cs_buf *out, cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        cs_slice one = cs_slice_sub(s, i, i + 1);
        if (strchr("$&+=:@", s.p[i]) && s.p[i]) {
            cs_buf_slice(out, one);
        } else {
            cs_percent_encode(out, one);
        }
    }
}

cs_slice cs_build__path_name(cs_build *b, const cs_term *ref)
{
    cs_buf text;
    cs_buf_init(&text);
    for (uint32_t i = 1; i < ref->u.list.n; i++) {
        const cs_term *t = ref->u.list.v[i];
        cs_buf_text(&text, i > 1 ? "/" : "");
        if (cs_term_is_string(t)) {
            escape_segment(&text, cs_text(t->u.value));
        } else {
            cs_term_print(&text, t);
        }
    }
    cs_slice name = {cs_arena_dup(&b->arena, text.n ? text.p : "", text.n), text.n};
    cs_buf_destroy(&text);
    return name;
}

typedef struct annotated {
    cs_term *ref;
    cs_loc loc;
} annotated;

typedef CS_VEC(annotated) annotated_list;

static int by_path(const void *x, const void *y)
{
    const annotated *a = x, *b = y;
    int c = cs_term_compare(a->ref, b->ref);
    c = c ? c : cs_slice_compare(a->loc.source->file, b->loc.source->file);
    return c ? c : a->loc.row < b->loc.row ? -1 : a->loc.row > b->loc.row;
}

static void gather(cs_build *b, const cs_module *m, annotated_list *out)
{
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        const cs_annotation *a = &m->annotations[i];
        if (a->entrypoint && cs_slice_is(a->scope, "package")) {
            annotated one = {m->package, a->loc};
            CS_VEC_PUSH_IN(&b->arena, out, one);
        }
    }
    for (uint32_t i = 0; i < m->n_rules; i++) {
        const cs_rule *r = m->rules[i];
        for (uint32_t k = 0; k < r->n_annotations; k++) {
            const cs_annotation *a = &r->annotations[k];
            if (a->entrypoint && cs_slice_is(a->scope, "document")) {
                cs_term *ref = cs_build__rule_ref(b, r);
                ref->u.list.n = cs_ref_ground_prefix(ref);
                annotated one = {ref, a->loc};
                CS_VEC_PUSH_IN(&b->arena, out, one);
            }
        }
    }
}

void cs_build_annotated(cs_build *b)
{
    annotated_list list = {0};
    for (size_t i = 0; i < b->pieces.n; i++) {
        gather(b, b->pieces.v[i].module, &list);
    }
    if (list.n > 1) {
        qsort(list.v, list.n, sizeof *list.v, by_path);
    }
    for (size_t i = 0; i < list.n; i++) {
        cs_build__add_entrypoint(b, list.v[i].ref, cs_build__path_name(b, list.v[i].ref));
    }
}

size_t cs_build_entrypoint_count(const cs_build *b)
{
    return b->entrypoints.n;
}

cs_err cs_build_run(cs_build *b, cs_value data, const cs_slice *roots, size_t n_roots, cs_errors *errors, cs_error *e)
{
    return b->options.optimize > 0 ? cs_build__optimize(b, data, roots, n_roots, errors, e)
                                   : cs_build__compile(b, &b->compiled, errors, e);
}

/* ---- the result */
size_t cs_build_module_count(const cs_build *b)
{
    return b->pieces.n;
}

cs_err cs_build_module(cs_build *b, size_t i, cs_slice *name, cs_buf *text, cs_errors *errors)
{
    const cs_build_piece *piece = &b->pieces.v[i];
    cs_module *m = cs_build__copy(b, piece->module);
    cs_layout layout = {.v1 = m->version != CS_REGO_V0,
                        .v0 = m->version == CS_REGO_V0 || m->version == CS_REGO_V0_V1,
                        .quote_keywords = b->options.capabilities &&
                                          !(b->options.capabilities->features & CS_FEATURE_KEYWORDS_IN_REFS),
                        .made = !m->source.text.p};
    *name = piece->name;
    if (piece->as_text && layout.v1) {
        CS_TRY(cs_layout_check_v1(m, errors));
    }
    cs_layout_result result = cs_layout_module(&b->ast, m, &layout, text, errors);
    return result == CS_LAYOUT_DONE ? CS_OK : CS_ERR_REGO_FORMAT;
}
