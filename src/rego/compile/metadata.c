/* RewriteRegoMetadataCalls: rego.metadata.rule() and rego.metadata.chain() become the annotations themselves, as
 * constants at the beginning of the rule's body. */
#include "rego/compile/internal.h"
#include "rego/syntax/annotate.h"

#include <stdlib.h>

static bool is_chain_call(const cs_expr *e)
{
    return e->kind == CS_EXPR_CALL && cs_ref_is(e->u.call.v[0], "rego.metadata.chain");
}

static bool is_rule_call(const cs_expr *e)
{
    return e->kind == CS_EXPR_CALL && cs_ref_is(e->u.call.v[0], "rego.metadata.rule");
}

typedef struct calls {
    cs_expr *chain, *rule; /* the first of each */
} calls;

static bool find_calls(void *self, cs_expr *e)
{
    calls *found = self;
    if (!found->chain && is_chain_call(e)) {
        found->chain = e;
    } else if (!found->rule && is_rule_call(e)) {
        found->rule = e;
    }
    return true;
}

/* ---- the annotations */
static bool has_scope(const cs_annotation *a, const char *scope)
{
    return cs_slice_is(a->scope, scope);
}

/* The path of a rule or a package after data, as an array. */
static cs_value path_value(cs_compiler *c, const cs_term *ref, uint32_t n)
{
    cs_value *keys = cs_arena_array(c->ast->arena, cs_value, n + 1);
    for (uint32_t i = 1; i < n; i++) {
        keys[i - 1] = cs_tree__key(ref->u.list.v[i]);
    }
    return cs_array(keys, n ? n - 1 : 0);
}

static cs_term *rule_path(cs_compiler *c, const cs_rule *r, uint32_t *n)
{
    *n = r->module->package->u.list.n + cs_rule__ground_prefix(r);
    return cs_rule__path(c, r);
}

typedef struct chain {
    cs_compiler *c;
    cs_value *links;
    uint32_t n, cap;
} chain;

static void add_link(chain *ch, cs_value path, const cs_annotation *a)
{
    cs_arena *arena = ch->c->ast->arena;
    cs_value link = cs_object_new(arena, 2);
    cs_object_put_text(arena, link, "path", path);
    if (a) {
        cs_object_put_text(arena, link, "annotations", a->document);
    }
    if (ch->n == ch->cap) {
        ch->cap = ch->cap ? ch->cap * 2 : 8;
        cs_value *links = cs_arena_array(arena, cs_value, ch->cap);
        if (ch->n) {
            memcpy(links, ch->links, ch->n * sizeof *links);
        }
        ch->links = links;
    }
    ch->links[ch->n++] = link;
}

static int later_first(const void *x, const void *y)
{
    return -cs_compile__loc_compare((*(const cs_annotation *const *)x)->loc, (*(const cs_annotation *const *)y)->loc);
}

/* Annotations of scope rule, the closest to the rule first. */
static uint32_t rule_scope(cs_compiler *c, const cs_rule *r, const cs_annotation ***out)
{
    const cs_annotation **v =
        (const cs_annotation **)cs_arena_zalloc(&c->scratch, (r->n_annotations + 1U) * sizeof(void *));
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n_annotations; i++) {
        if (has_scope(&r->annotations[i], "rule")) {
            v[n++] = &r->annotations[i];
        }
    }
    qsort(v, n, sizeof *v, later_first);
    *out = v;
    return n;
}

static bool is_prefix(const cs_term *prefix, const cs_term *ref)
{
    if (prefix->u.list.n > ref->u.list.n) {
        return false;
    }
    for (uint32_t i = 0; i < prefix->u.list.n; i++) {
        if (!cs_term_equal(prefix->u.list.v[i], ref->u.list.v[i])) {
            return false;
        }
    }
    return true;
}

static const cs_annotation *document_scope(cs_compiler *c, const cs_term *path, uint32_t n)
{
    const cs_rule_node *node = cs_tree__find(c->compiled, path, n);
    for (uint32_t i = 0; node && i < node->n_rules; i++) {
        for (uint32_t k = 0; k < node->rules[i]->n_annotations; k++) {
            if (has_scope(&node->rules[i]->annotations[k], "document")) {
                return &node->rules[i]->annotations[k];
            }
        }
    }
    return NULL;
}

static const cs_annotation *module_scope(const cs_module *m, const char *scope)
{
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        if (has_scope(&m->annotations[i], scope)) {
            return &m->annotations[i];
        }
    }
    return NULL;
}

static void add_packages(chain *ch, const cs_term *package)
{
    cs_compiler *c = ch->c;
    for (uint32_t i = 0; i < c->n_modules; i++) {
        const cs_annotation *a = module_scope(c->modules[i], "package");
        if (a && cs_term_equal(c->modules[i]->package, package)) {
            add_link(ch, path_value(c, package, package->u.list.n), a);
            break;
        }
    }
    for (uint32_t n = package->u.list.n; n > 0; n--) {
        for (uint32_t i = 0; i < c->n_modules; i++) {
            const cs_module *m = c->modules[i];
            const cs_annotation *a = module_scope(m, "subpackages");
            if (a && m->package->u.list.n == n && is_prefix(m->package, package)) {
                add_link(ch, path_value(c, m->package, n), a);
            }
        }
    }
}

static cs_value chain_of(cs_compiler *c, const cs_rule *r)
{
    chain ch = {.c = c};
    const cs_annotation **own;
    uint32_t n_path;
    cs_term *path = rule_path(c, r, &n_path);
    uint32_t n = rule_scope(c, r, &own);
    for (uint32_t i = 0; i < n; i++) {
        add_link(&ch, path_value(c, path, n_path), own[i]);
    }
    if (n == 0) {
        add_link(&ch, path_value(c, path, n_path), NULL);
    }
    const cs_annotation *document = document_scope(c, path, n_path);
    if (document) {
        add_link(&ch, path_value(c, path, n_path), document);
    }
    add_packages(&ch, r->module->package);
    return cs_array(ch.links, ch.n);
}

static cs_value own_of(cs_compiler *c, const cs_rule *r)
{
    const cs_annotation **own;
    uint32_t n = rule_scope(c, r, &own);
    return n ? own[n - 1]->document : cs_object_new(c->ast->arena, 0);
}

/* ---- the calls */
typedef struct replacement {
    cs_compiler *c;
    const cs_sym *chain, *rule;
} replacement;

static bool replace(void *self, cs_expr *e)
{
    replacement *r = self;
    const cs_sym *name = is_chain_call(e) ? r->chain : is_rule_call(e) ? r->rule : NULL;
    if (!name) {
        return true;
    }
    cs_term *var = cs_term_var(r->c->ast, name, e->loc);
    if (e->u.call.n > 1) {
        cs_term *operands[2] = {e->u.call.v[1], var};
        e->u.call = cs_expr_call(r->c->ast, "eq", operands, 2, e->loc)->u.call;
    } else {
        e->kind = CS_EXPR_TERM;
        e->u.term = var;
    }
    e->generated = true;
    e->with = NULL;
    e->n_with = 0;
    return true;
}

static const cs_sym *inject(cs_compiler *c, cs_body *body, cs_value value, cs_loc loc)
{
    cs_expr *e = cs_compile__equality(c, cs_term_from_value(c->ast, value, loc));
    cs_body_append(c->ast, body, e);
    return e->u.call.v[1]->u.var;
}

static void in_rule(cs_compiler *c, cs_rule *r)
{
    cs_rule alone = *r;
    calls found = {NULL, NULL};
    alone.other = NULL;
    cs_walk_rule(&(cs_walker){.self = &found, .expr = find_calls}, &alone);
    if (!found.chain && !found.rule) {
        return;
    }
    replacement names = {c, NULL, NULL};
    cs_body body = {0};
    if (found.chain) {
        names.chain = inject(c, &body, chain_of(c, r), found.chain->loc);
    }
    if (found.rule) {
        names.rule = inject(c, &body, own_of(c, r), found.rule->loc);
    }
    for (uint32_t i = 0; i < r->body.n; i++) {
        cs_body_append(c->ast, &body, r->body.v[i]);
    }
    r->body = body;
    alone.body = body;
    cs_walk_rule(&(cs_walker){.self = &names, .expr = replace}, &alone);
}

void cs_stage__rewrite_rego_metadata_calls(cs_compiler *c)
{
    cs_compile__rules(c, in_rule);
}

cs_value cs_rule_annotations(cs_arena *a, const cs_compiled *compiled, const cs_rule *r)
{
    cs_ast ast = *compiled->ast;
    ast.arena = a;
    cs_compiler c = {.ast = &ast, .compiled = compiled, .modules = compiled->modules, .n_modules = compiled->n_modules};
    cs_arena_init(&c.scratch, 0);
    cs_value links = chain_of(&c, r);
    cs_arena_destroy(&c.scratch);
    return links;
}
