/* The errors of a compilation: collected with their places, sorted and handed over at its end. */
#include "rego/compile/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((format(printf, 5, 0))) static bool record_v(cs_compiler *c, bool recoverable, cs_err code, cs_loc loc,
                                                           const char *format, va_list args)
{
    char small[512];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    if (n < 0) {
        n = 0;
    }
    char *text = cs_arena_alloc(c->ast->arena, (size_t)n + 1);
    (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return cs_compile__record(c, recoverable, &(cs_compile_error){.code = code, .loc = loc, .text = {text, (size_t)n}});
}

bool cs_compile__record(cs_compiler *c, bool recoverable, const cs_compile_error *e)
{
    if (c->full) {
        return false;
    }
    CS_VEC_PUSH_IN(c->ast->arena, &c->errors, *e);
    c->stop = c->stop || !recoverable;
    if (c->errors.n >= cs_limits_get()->rego_errors) {
        c->full = true;
        c->stop = true;
    }
    return !c->full;
}

bool cs_compile__error(cs_compiler *c, cs_err code, cs_loc loc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool on = record_v(c, false, code, loc, format, args);
    va_end(args);
    return on;
}

bool cs_compile__note(cs_compiler *c, cs_err code, cs_loc loc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool on = record_v(c, true, code, loc, format, args);
    va_end(args);
    return on;
}

/* What has no place comes last. */
int cs_compile__loc_compare(cs_loc a, cs_loc b)
{
    if (!a.source || !b.source) {
        return (a.source ? 0 : 1) - (b.source ? 0 : 1);
    }
    int by_file = cs_slice_compare(a.source->file, b.source->file);
    if (by_file) {
        return by_file;
    }
    if (a.row != b.row) {
        return a.row < b.row ? -1 : 1;
    }
    return a.col == b.col ? 0 : a.col < b.col ? -1 : 1;
}

static int by_place(const void *x, const void *y)
{
    const cs_compile_error *a = x;
    const cs_compile_error *b = y;
    int c = cs_compile__loc_compare(a->loc, b->loc);
    if (c == 0) {
        c = cs_slice_compare(cs_slice_of(cs_err_name(a->code)), cs_slice_of(cs_err_name(b->code)));
    }
    return c ? c : cs_slice_compare(a->text, b->text);
}

cs_err cs_compile__report(cs_compiler *c, cs_errors *errors)
{
    if (c->errors.n == 0) {
        return CS_OK;
    }
    bool as_found = c->query && c->errors.v[0].code == CS_ERR_REGO_TYPE; /* a query's type errors are not sorted */
    if (!as_found) {
        qsort(c->errors.v, c->errors.n, sizeof *c->errors.v, by_place);
    }
    for (size_t i = 0; i < c->errors.n; i++) {
        const cs_compile_error *e = &c->errors.v[i];
        cs_slice file = e->loc.source ? e->loc.source->file : CS_LIT("");
        (void)cs_errors_add(errors, e->code, file, e->loc.row, e->loc.col, e->details, "%.*s", CS_FMT(e->text));
        if (e->json.n) {
            cs_errors_set_details_json(errors, e->json);
        }
    }
    if (c->full) {
        (void)cs_errors_add(errors, CS_ERR_REGO_COMPILE, CS_LIT(""), 0, 0, CS_LIT(""), "error limit reached");
    }
    return c->errors.v[0].code;
}

static const char *take_text(cs_compiler *c, cs_buf *b)
{
    const char *text = cs_arena_dup(&c->scratch, b->n ? b->p : "", b->n);
    cs_buf_destroy(b);
    return text;
}

const char *cs_compile__term_text(cs_compiler *c, const cs_term *t)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_term_print(&b, t);
    return take_text(c, &b);
}

const char *cs_compile__ref_text(cs_compiler *c, const cs_terms *ref, uint32_t n)
{
    cs_term t = {.kind = CS_TERM_REF, .u.list = {ref->v, n}};
    return cs_compile__term_text(c, &t);
}

const char *cs_compile__loc_text(cs_compiler *c, cs_loc loc)
{
    if (!loc.source) {
        return "";
    }
    if (loc.source->file.n) {
        return cs_arena_printf(&c->scratch, NULL, "%.*s:%u", CS_FMT(loc.source->file), (unsigned)loc.row);
    }
    cs_slice text = cs_slice_sub(loc.source->text, loc.from, (size_t)loc.from + loc.length);
    return cs_arena_dup(&c->scratch, text.p, text.n);
}

const char *cs_compile__name(const cs_sym *s)
{
    return cs_sym_is_wildcard(s) ? "_" : s->s;
}

const cs_sym *cs_compile__original(const cs_compiler *c, const cs_sym *s)
{
    const cs_syms_item *item = cs_syms__find(&c->rewritten, s);
    return item ? item->value : s;
}

void *cs_compile__keep_names(const cs_compiler *c)
{
    cs_syms *names = cs_arena_new(c->ast->arena, cs_syms);
    *names = c->rewritten;
    return names;
}

const cs_sym *cs_local_original(const cs_compiled *policy, const cs_compiled_query *query, const cs_sym *local)
{
    const cs_syms *names[2] = {policy ? policy->rewritten : NULL, query ? query->rewritten : NULL};
    for (int i = 0; i < 2; i++) {
        const cs_syms_item *item = names[i] ? cs_syms__find(names[i], local) : NULL;
        if (item) {
            return item->value;
        }
    }
    return local;
}

static bool restore(void *self, cs_term *t)
{
    if (t->kind == CS_TERM_VAR) {
        t->u.var = cs_compile__original(self, t->u.var);
    }
    return true;
}

cs_term *cs_compile__ref_as_written(cs_compiler *c, const cs_term *ref)
{
    cs_term *copy = cs_term_copy(c->ast, ref);
    cs_walker w = {.self = c, .term = restore};
    cs_walk_term(&w, copy);
    return copy;
}
