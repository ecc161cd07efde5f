/* Planning a build: the entrypoints and what depends on them, in OPA's intermediate representation. */
#include "rego/build.h"

#include <stdlib.h>

#include "countersign/base/limits.h"
#include "rego/ir/ir.h"

typedef CS_VEC(const cs_rule *) rule_list;
typedef CS_VEC(cs_term *) ref_list;

/* ---- what an entrypoint refers to */
static void add_below(cs_build *b, const cs_rule_node *node, rule_list *out)
{
    for (uint32_t i = 0; i < node->n_rules; i++) {
        CS_VEC_PUSH_IN(&b->arena, out, node->rules[i]);
    }
    for (uint32_t i = 0; i < node->n_children; i++) {
        add_below(b, node->children[i], out);
    }
}

/* The rules at a ref and below it, or those at the first place on the way that has some. */
static void rules_of(cs_build *b, const cs_term *ref, rule_list *out)
{
    const cs_rule_node *node = b->compiled->root;
    for (uint32_t i = 1; i < ref->u.list.n && node; i++) {
        node = cs_rule_node_child(node, ref->u.list.v[i]->u.value);
        if (node && node->n_rules > 0) {
            break;
        }
    }
    if (node) {
        add_below(b, node, out);
    }
}

/* ---- where such a rule's ref stands when it is refused: OPA keeps one head for the refs of a package, and that is
 * where the module names one of the package's rules last */
typedef struct last_ref {
    const cs_module *module;
    cs_loc loc;
} last_ref;

static bool see_ref(void *self, cs_term *t)
{
    last_ref *last = self;
    cs_terms package = last->module->package->u.list;
    if (t->kind != CS_TERM_REF || t->u.list.n <= package.n || !t->loc.source) {
        return true;
    }
    for (uint32_t i = 0; i < package.n; i++) {
        if (!cs_term_equal(t->u.list.v[i], package.v[i])) {
            return true;
        }
    }
    if (t->loc.offset >= last->loc.offset) {
        last->loc = t->loc;
    }
    return true;
}

static cs_loc place_of(const cs_module *m)
{
    last_ref last = {.module = m, .loc = m->package_loc};
    for (uint32_t i = 0; i < m->n_rules; i++) {
        cs_walk_rule(&(cs_walker){.self = &last, .term = see_ref}, m->rules[i]);
    }
    return last.loc;
}

/* ---- rules that read an entrypoint: what runs the plan has no rules to fall back on where they are asked for */
static void add_dependents(cs_build *b, const rule_list *read, ref_list *out)
{
    for (uint32_t i = 0; i < b->compiled->n_modules; i++) {
        const cs_module *m = b->compiled->modules[i];
        const cs_loc place = place_of(m);
        for (uint32_t k = 0; k < m->n_rules; k++) {
            bool depends = false;
            for (const cs_rule *r = m->rules[k]; r && !depends; r = r->other) {
                for (size_t t = 0; t < read->n && !depends; t++) {
                    depends = cs_rule_depends(b->compiled, r, read->v[t]);
                }
            }
            if (depends) {
                cs_term *ref = cs_build__rule_ref(b, m->rules[k]);
                ref->u.list.n = cs_ref_ground_prefix(ref);
                cs_term *head = cs_term_copy(&b->ast, ref->u.list.v[0]);
                head->loc = place;
                ref->u.list.v[0] = head;
                CS_VEC_PUSH_IN(&b->arena, out, ref);
            }
        }
    }
}

static int by_term(const void *x, const void *y)
{
    return cs_term_compare(*(cs_term *const *)x, *(cs_term *const *)y);
}

static bool has_name(const cs_build *b, cs_slice name)
{
    for (size_t i = 0; i < b->names.n; i++) {
        if (cs_slice_eq(b->names.v[i], name)) {
            return true;
        }
    }
    return false;
}

static cs_err extend(cs_build *b, cs_error *e)
{
    ref_list more = {0};
    for (size_t i = 0; i < b->entrypoints.n; i++) {
        rule_list read = {0};
        rules_of(b, b->entrypoints.v[i], &read);
        add_dependents(b, &read, &more);
    }
    if (more.n > 1) {
        qsort(more.v, more.n, sizeof *more.v, by_term);
    }
    for (size_t i = 0; i < more.n; i++) {
        for (uint32_t k = 1; k < more.v[i]->u.list.n; k++) {
            if (!cs_term_is_string(more.v[i]->u.list.v[k])) {
                return cs_fail(e, CS_ERR_INVALID, "invalid path value type");
            }
        }
        cs_slice name = cs_build__path_name(b, more.v[i]);
        if (!has_name(b, name) && (i == 0 || by_term(&more.v[i - 1], &more.v[i]) != 0)) {
            CS_VEC_PUSH_IN(&b->arena, &b->entrypoints, more.v[i]);
            CS_VEC_PUSH_IN(&b->arena, &b->names, name);
        }
    }
    return CS_OK;
}

/* ---- `result = data.a.allow` for each */
static cs_err query_of(cs_build *b, cs_term *entrypoint, cs_compiled_query *out, cs_errors *errors)
{
    const cs_loc none = {.nowhere = true};
    cs_term *operands[2] = {cs_term_var(&b->ast, cs_sym_get(&b->ast, CS_LIT("result")), none),
                            cs_term_copy(&b->ast, entrypoint)};
    cs_body body = {0};
    cs_body_append(&b->ast, &body, cs_expr_call(&b->ast, "eq", operands, 2, none));
    cs_query_options options = {.partial = true};
    return cs_compile_query(&b->ast, b->compiled, body, &options, out, errors);
}

cs_err cs_build_plan(cs_build *b, const cs_build_plan_options *options, cs_buf *out, cs_errors *errors, cs_error *e)
{
    if (!b->compiled) {
        CS_TRY(cs_build__compile(b, &b->compiled, errors, e));
    }
    if (!options->prune) {
        CS_TRY(extend(b, e));
    }
    size_t n = b->entrypoints.n;
    cs_ir_entry *entries = cs_arena_array(&b->arena, cs_ir_entry, n + 1);
    const cs_slice *unmapped = NULL;
    for (size_t i = 0; i < n; i++) {
        rule_list rules = {0};
        entries[i].name = b->names.v[i];
        CS_TRY(query_of(b, b->entrypoints.v[i], &entries[i].query, errors));
        rules_of(b, b->entrypoints.v[i], &rules);
        unmapped = unmapped || rules.n > 0 ? unmapped : &b->names.v[i];
    }
    if (unmapped) {
        cs_buf quoted;
        cs_buf_init(&quoted);
        cs_quote(&quoted, *unmapped);
        cs_err err = cs_fail(e, CS_ERR_INVALID, "entrypoint %s does not refer to a rule or policy decision",
                             cs_buf_cstr(&quoted));
        cs_buf_destroy(&quoted);
        return err;
    }
    cs_arena arena;
    cs_ir_policy *policy;
    cs_arena_init(&arena, cs_limits_get()->eval_memory);
    cs_ir_options how = {.unplanned = options->unplanned};
    cs_err err = cs_ir_plan(&arena, b->compiled, entries, n, &how, &policy, e);
    if (err == CS_OK && options->proto) {
        cs_ir_write_proto(policy, out);
    } else if (err == CS_OK) {
        cs_ir_write_json(policy, out);
    }
    cs_arena_destroy(&arena);
    return err;
}
