/* CheckUnusedImports, CheckKeywordOverrides, CheckDuplicateImports, RemoveImports. */
#include "rego/compile/internal.h"

void cs_import__print(cs_buf *out, const cs_import *import)
{
    cs_buf_text(out, "import ");
    cs_term_print(out, import->path);
    if (import->alias) {
        cs_buf_text(out, " as ");
        cs_buf_slice(out, cs_sym_slice(import->alias));
    }
}

static const char *import_text(cs_compiler *c, const cs_import *import)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_import__print(&b, import);
    const char *text = cs_arena_dup(&c->scratch, b.p, b.n);
    cs_buf_destroy(&b);
    return text;
}

void cs_stage__check_unused_imports(cs_compiler *c)
{
    for (size_t i = 0; i < c->unused_imports.n; i++) {
        const cs_import *import = c->unused_imports.v[i];
        if (!cs_compile__note(c, CS_ERR_REGO_COMPILE, import->loc, "%s unused", import_text(c, import))) {
            return;
        }
    }
}

static bool assignment_to_root(void *self, cs_expr *e)
{
    cs_compiler *c = self;
    if (cs_expr__is(e, c->assign) && e->u.call.n > 1 && cs_term__is_root(c, e->u.call.v[1])) {
        (void)cs_compile__note(c, CS_ERR_REGO_COMPILE, e->loc,
                               "variables must not shadow %s (use a different variable name)",
                               cs_compile__term_text(c, e->u.call.v[1]));
    }
    return true;
}

static void overrides_in_rule(cs_compiler *c, cs_rule *r)
{
    const cs_term *name = r->head.ref->u.list.v[0];
    if (cs_term__is_root(c, name)) {
        (void)cs_compile__note(c, CS_ERR_REGO_COMPILE, r->loc, "rules must not shadow %s (use a different rule name)",
                               name->u.var->s);
    }
    for (uint32_t i = 0; i < r->head.args.n; i++) {
        const cs_term *arg = r->head.args.v[i];
        if (cs_term__is_root(c, arg)) {
            (void)cs_compile__note(c, CS_ERR_REGO_COMPILE, arg->loc,
                                   "args must not shadow %s (use a different variable name)",
                                   cs_compile__term_text(c, arg));
        }
    }
    cs_walk_rule(&(cs_walker){.self = c, .expr = assignment_to_root}, r);
}

void cs_stage__check_keyword_overrides(cs_compiler *c)
{
    for (uint32_t i = 0; i < c->n_modules; i++) {
        const cs_module *m = c->modules[i];
        for (uint32_t j = 0; j < m->n_rules && (c->policy->strict || cs_compile__is_v1(m)); j++) {
            overrides_in_rule(c, m->rules[j]);
        }
    }
}

void cs_stage__check_duplicate_imports(cs_compiler *c)
{
    for (uint32_t i = 0; i < c->n_modules; i++) {
        const cs_module *m = c->modules[i];
        if (!c->policy->strict && !cs_compile__is_v1(m)) {
            continue;
        }
        cs_syms seen = cs_syms__new(&c->scratch);
        for (uint32_t j = 0; j < m->n_imports; j++) {
            cs_syms_item *item = cs_syms__add(&seen, cs_import__name(c, &m->imports[j]));
            if (item->value) {
                (void)cs_compile__note(c, CS_ERR_REGO_COMPILE, m->imports[j].loc, "import must not shadow %s",
                                       import_text(c, item->value));
            } else {
                item->value = &m->imports[j];
            }
        }
    }
}

void cs_stage__remove_imports(cs_compiler *c)
{
    for (uint32_t i = 0; i < c->n_modules; i++) {
        c->modules[i]->n_imports = 0;
    }
}
