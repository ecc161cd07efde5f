/* Schemas in the type checker: one for the whole input, and those that annotations give to documents within a rule. */
#include "rego/compile/schema_type.h"
#include "rego/compile/types.h"
#include "rego/syntax/annotate.h"

/* "schema.a["b c"]" */
static cs_slice schema_name(cs_arena *a, cs_value path)
{
    cs_buf b;
    cs_buf_init(&b);
    for (uint32_t i = 0; i < path.n; i++) {
        cs_slice part = cs_text(*cs_object_get_text(path.u.items[i], "value"));
        bool word = part.n > 0;
        for (size_t k = 0; k < part.n; k++) {
            char c = part.p[k];
            bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
            word = word && (letter || (k > 0 && c >= '0' && c <= '9'));
        }
        if (i == 0 || word) {
            cs_buf_text(&b, i ? "." : "");
            cs_buf_slice(&b, part);
        } else {
            cs_buf_byte(&b, '[');
            cs_quote(&b, part);
            cs_buf_byte(&b, ']');
        }
    }
    cs_slice out = cs_slice_make(cs_arena_dup(a, b.p, b.n), b.n);
    cs_buf_destroy(&b);
    return out;
}

/* The keys of a path of an annotation behind its first part. */
static cs_value keys_of(cs_arena *a, cs_value path)
{
    uint32_t n = path.n ? path.n - 1 : 0;
    cs_value *keys = cs_arena_array(a, cs_value, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = *cs_object_get_text(path.u.items[i + 1], "value");
    }
    return cs_array(keys, n);
}

/* The type that an annotation names or spells out; NULL with *error, or without when it is not to be looked at. */
static const cs_type *annotated_type(cs_type_checker *tc, cs_value annotation, const char **error)
{
    cs_arena *a = tc->arena;
    const cs_value *named = cs_object_get_text(annotation, "schema");
    const cs_value *definition = cs_object_get_text(annotation, "definition");
    *error = NULL;
    if (!named) {
        return definition ? cs_schema__type(a, tc->c->policy->host, *definition, error) : NULL;
    }
    cs_value schemas = tc->c->policy->schemas;
    if (cs_is_undefined(schemas)) {
        return NULL;
    }
    const cs_value *schema = cs_object_get(schemas, keys_of(a, *named));
    if (!schema) {
        *error = cs_arena_printf(a, NULL, "undefined schema: %.*s", CS_FMT(schema_name(a, *named)));
        return NULL;
    }
    cs_slice name = schema_name(a, *named);
    const cs_value *known = cs_is_undefined(tc->schema_types) ? NULL : cs_object_get(tc->schema_types, cs_string(name));
    if (known) {
        return (const cs_type *)(intptr_t)known->u.i;
    }
    const cs_type *t = cs_schema__type(a, tc->c->policy->host, *schema, error);
    if (t) {
        if (cs_is_undefined(tc->schema_types)) {
            tc->schema_types = cs_object_new(a, 0);
        }
        cs_object_put(a, tc->schema_types, cs_string(name), cs_int((int64_t)(intptr_t)t));
    }
    return t;
}

/* Objects around `type` along a path, open for other keys if `key` is given. */
static const cs_type *wrapped(cs_arena *a, const cs_value *path, uint32_t n, const cs_type *type, const cs_type *key,
                              const cs_type *dynamic)
{
    for (uint32_t i = n; i > 0; i--) {
        type = cs_type_object(a, &path[i - 1], &type, 1, key, dynamic);
    }
    return type;
}

/* `t` with `type` at a path. */
static const cs_type * override(cs_arena *a, const cs_type *t, const cs_value *path, uint32_t n, const cs_type *type)
{
    t = cs_type_bare(t);
    if (!t || t->kind != CS_TYPE_OBJECT) {
        return wrapped(a, path, n, type, &cs_type_any, &cs_type_any);
    }
    cs_value *keys = cs_arena_array(a, cs_value, t->n + 1);
    const cs_type **types = (const cs_type **)cs_arena_zalloc(a, (t->n + 1U) * sizeof *types);
    bool found = false;
    for (uint32_t i = 0; i < t->n; i++) {
        keys[i] = t->keys[i];
        types[i] = t->of[i];
        if (cs_equal(keys[i], path[0])) {
            found = true;
            types[i] = n == 1 ? type : override(a, types[i], path + 1, n - 1, type);
        }
    }
    if (!found) {
        keys[t->n] = path[0];
        types[t->n] = wrapped(a, path + 1, n - 1, type, t->key, t->dynamic);
    }
    return cs_type_object(a, keys, types, t->n + (found ? 0 : 1), t->key, t->dynamic);
}

static void apply(cs_type_env *layer, const cs_rule *r, cs_value list, cs_type_errors *errors)
{
    cs_type_checker *tc = layer->tc;
    cs_ast *ast = tc->c->ast;
    for (uint32_t i = 0; i < cs_count(list); i++) {
        cs_value annotation = list.u.items[i];
        const char *error;
        const cs_type *type = annotated_type(tc, annotation, &error);
        if (error) {
            cs_types__plain_error(tc, errors, r->loc, "%s", error);
        }
        const cs_value *path = cs_object_get_text(annotation, "path");
        if (!type || !path || path->n == 0) {
            continue;
        }
        const cs_sym *head = cs_sym_get(ast, cs_text(*cs_object_get_text(path->u.items[0], "value")));
        if (head != ast->data && head != ast->input) {
            continue;
        }
        cs_value keys = keys_of(tc->arena, *path);
        if (keys.n) {
            cs_term *root = cs_arena_new(tc->arena, cs_term);
            *root = (cs_term){.kind = CS_TERM_VAR, .u.var = head};
            cs_terms ref = {&root, 1};
            type = override(tc->arena, cs_env__of_ref(layer, &ref), keys.u.items, keys.n, type);
        }
        cs_type_node *node = cs_arena_new(tc->arena, cs_type_node);
        node->type = type;
        *(head == ast->data ? &layer->data : &layer->input) = node;
    }
}

static void apply_module(cs_type_env *layer, const cs_rule *r, const cs_module *m, const char *scope,
                         cs_type_errors *errors)
{
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        if (cs_slice_is(m->annotations[i].scope, scope)) {
            apply(layer, r, cs_annotation_get(&m->annotations[i], "schemas"), errors);
            return;
        }
    }
}

static bool begins_with(const cs_term *ref, const cs_term *prefix)
{
    for (uint32_t i = 0; i < prefix->u.list.n; i++) {
        if (i >= ref->u.list.n || !cs_term_equal(ref->u.list.v[i], prefix->u.list.v[i])) {
            return false;
        }
    }
    return true;
}

void cs_types__apply_schemas(cs_type_env *layer, const cs_rule *r, cs_type_errors *errors)
{
    cs_compiler *c = layer->tc->c;
    const cs_term *package = r->module->package;
    for (uint32_t n = 1; n <= package->u.list.n; n++) {
        for (uint32_t i = 0; i < c->n_modules; i++) {
            const cs_module *m = c->modules[i];
            if (m->n_annotations && m->package->u.list.n == n && begins_with(package, m->package)) {
                apply_module(layer, r, m, "subpackages", errors);
            }
        }
    }
    for (uint32_t i = 0; i < c->n_modules; i++) {
        const cs_module *m = c->modules[i];
        if (m->n_annotations && m->package->u.list.n == package->u.list.n && begins_with(package, m->package)) {
            apply_module(layer, r, m, "package", errors);
        }
    }
    const cs_rule_node *node =
        cs_tree__find(c->compiled, cs_rule__path(c, r), package->u.list.n + cs_rule__ground_prefix(r));
    for (uint32_t i = 0; node && i < node->n_rules; i++) {
        for (uint32_t k = 0; k < node->rules[i]->n_annotations; k++) {
            if (cs_slice_is(node->rules[i]->annotations[k].scope, "document")) {
                apply(layer, r, cs_annotation_get(&node->rules[i]->annotations[k], "schemas"), errors);
            }
        }
    }
    for (uint32_t k = 0; k < r->n_annotations; k++) {
        if (cs_slice_is(r->annotations[k].scope, "rule")) {
            apply(layer, r, cs_annotation_get(&r->annotations[k], "schemas"), errors);
        }
    }
}

bool cs_types__load_input(cs_type_checker *tc, cs_type_env *base)
{
    cs_value schemas = tc->c->policy->schemas;
    const cs_value *schema = cs_is_undefined(schemas) ? NULL : cs_object_get(schemas, cs_array(NULL, 0));
    if (!schema) {
        return true;
    }
    const char *error;
    const cs_type *type = cs_schema__type(tc->arena, tc->c->policy->host, *schema, &error);
    if (!type) {
        (void)cs_compile__error(tc->c, CS_ERR_REGO_TYPE, (cs_loc){0}, "%s", error);
        return false;
    }
    base->input = cs_arena_new(tc->arena, cs_type_node);
    base->input->type = type;
    return true;
}

/* ------------------------------------------------------------------------------------------------ a known input */

/* Is the rule one of those at the node, or one that they depend on and that stands in their package or below it? */
static bool concerns(const cs_compiled *compiled, const cs_rule_node *node, const cs_rule *r)
{
    for (uint32_t i = 0; i < node->n_rules; i++) {
        for (const cs_rule *part = node->rules[i]; part; part = part->other) {
            if (part == r ||
                (begins_with(r->module->package, part->module->package) && cs_rule_depends(compiled, part, r))) {
                return true;
            }
        }
    }
    return false;
}

cs_err cs_compile_check_input(const cs_compiled *compiled, const cs_value *path, size_t n, cs_value schema,
                              cs_errors *errors)
{
    const cs_rule_node *node = cs_rule_node_at(compiled, path, n);
    const cs_graph *g = compiled->graph;
    if (!node || !g) {
        return CS_OK;
    }
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_ast ast = *compiled->ast;
    ast.arena = &a;
    cs_policy_options policy = {.schemas = cs_object_new(&a, 1)};
    cs_object_put(&a, policy.schemas, cs_array(NULL, 0), schema);
    cs_compiler c = {.ast = &ast, .policy = &policy, .compiled = compiled, .prefix = "__local"};
    c.modules = compiled->modules;
    c.n_modules = compiled->n_modules;
    cs_compile__begin(&c);
    cs_type_checker tc = {.c = &c, .arena = &a, .closures = {.arena = &a}};
    tc.relaxed = cs_syms__new(&a);
    cs_type_env base = {.tc = &tc, .own = cs_syms__new(&a)};
    if (cs_types__load_input(&tc, &base)) {
        for (uint32_t i = 0; i < g->n_order && !c.full; i++) {
            cs_rule *r = g->rules[g->order[i]];
            if (concerns(compiled, node, r)) {
                cs_types__rule(&base, r);
            }
        }
    }
    cs_err err = cs_compile__report(&c, errors);
    cs_arena_destroy(&c.scratch);
    cs_arena_destroy(&a);
    return err;
}
