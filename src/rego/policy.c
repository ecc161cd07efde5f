/* The door: sources in, an immutable policy out. */
#include "rego/internal.h"

#include <stdatomic.h>

#include "countersign/base/time.h"

static cs_err internal_error(cs_errors *errors, const cs_error *e)
{
    return cs_errors_add(errors, e->code, cs_slice_of(e->file), e->row, e->col, CS_LIT(""), "%s", e->text);
}

static cs_rego_version version_of(int version)
{
    return version == 0                 ? CS_REGO_V0
           : version == 2               ? CS_REGO_V2
           : version == CS_POLICY_V0_V1 ? CS_REGO_V0_V1
                                        : CS_REGO_V1;
}

static bool is_builtin(cs_slice name)
{
    return cs_builtin_find(name) != NULL;
}

static cs_slice keep(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.p, s.n), s.n);
}

static cs_err parse_all(cs_policy *p, cs_module **modules, const cs_capabilities *capabilities, cs_errors *errors)
{
    cs_err err = CS_OK;
    for (size_t i = 0; i < p->n_sources; i++) {
        cs_parse_options options = {.version = version_of(p->sources[i].rego_version),
                                    .index = (uint32_t)i,
                                    .annotations = true,
                                    .capabilities = capabilities,
                                    .is_builtin = is_builtin};
        cs_err one = cs_parse_module(&p->ast, p->sources[i].file, p->sources[i].text, &options, &modules[i], errors);
        err = err == CS_OK ? one : err;
    }
    return err;
}

static cs_err verify_all(const cs_program *program, cs_error *e)
{
    for (uint32_t i = 0; i < program->n_codes; i++) {
        CS_TRY(cs_vm_verify(program, program->codes[i], e));
    }
    return CS_OK;
}

static cs_err compile(cs_policy *p, const cs_policy_options *options, cs_errors *errors)
{
    cs_module **modules = cs_arena_array(&p->arena, cs_module *, p->n_sources + 1);
    int64_t start = cs_time_mono_ns();
    cs_err parsed = parse_all(p, modules, options->capabilities, errors);
    if (options->parse_ns) {
        *options->parse_ns = cs_time_mono_ns() - start;
    }
    CS_TRY(parsed);
    cs_compile_options compile_options = {.policy = options};
    CS_TRY(cs_compile_modules(&p->ast, modules, (uint32_t)p->n_sources, &compile_options, &p->compiled, errors));
    p->has_labels = cs_policy__find_labels(p->compiled);
    if (options->stop_after || options->check_only) {
        return CS_OK;
    }
    cs_error e = {0};
    start = cs_time_mono_ns();
    cs_err err = cs_plan_policy(&p->arena, p->compiled, &p->program, &e);
    cs_instrument_time(options->instrument, "compile_stage_rebuild_indices", cs_time_mono_ns() - start);
    if (err == CS_OK) {
        err = verify_all(p->program, &e);
    }
    return err == CS_OK ? CS_OK : internal_error(errors, &e);
}

cs_err cs_policy_compile(const cs_policy_source *sources, size_t n, const cs_policy_options *options, cs_policy **out,
                         cs_errors *errors)
{
    static const cs_policy_options defaults = {0};
    cs_policy *p = cs_zalloc(sizeof *p);
    atomic_init(&p->references, 1);
    cs_arena_init(&p->arena, 0);
    cs_ast_init(&p->ast, &p->arena);
    p->n_sources = n;
    p->sources = cs_arena_array(&p->arena, cs_policy_source, n + 1);
    for (size_t i = 0; i < n; i++) {
        p->sources[i] = sources[i];
        p->sources[i].file = keep(&p->arena, sources[i].file);
        p->sources[i].text = keep(&p->arena, sources[i].text);
    }
    options = options ? options : &defaults;
    int64_t start = cs_time_mono_ns();
    cs_err err = compile(p, options, errors);
    if (options->compile_ns) {
        *options->compile_ns = cs_time_mono_ns() - start - (options->parse_ns ? *options->parse_ns : 0);
    }
    if (err != CS_OK) {
        cs_policy_release(p);
        return err;
    }
    *out = p;
    return CS_OK;
}

cs_policy *cs_policy_retain(cs_policy *policy)
{
    (void)atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

void cs_policy_release(cs_policy *policy)
{
    if (policy && atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) == 1) {
        cs_td_tables_free(atomic_load_explicit(&policy->tables, memory_order_acquire));
        if (policy->program) {
            cs_plan_free_patterns(policy->program);
        }
        cs_arena_destroy(&policy->arena);
        cs_free(policy);
    }
}

cs_err cs_policy_check_input(const cs_policy *policy, const cs_value *path, size_t n, cs_value schema,
                             cs_errors *errors)
{
    return cs_compile_check_input(policy->compiled, path, n, schema, errors);
}

size_t cs_policy_module_count(const cs_policy *policy)
{
    return policy->n_sources;
}

cs_policy_source cs_policy_module(const cs_policy *policy, size_t i)
{
    return policy->sources[i];
}

cs_value cs_policy_module_ast(cs_arena *a, const cs_policy *policy, size_t i)
{
    for (uint32_t m = 0; m < policy->compiled->n_modules; m++) {
        if (policy->compiled->modules[m]->source.index == i) {
            return cs_module_to_json(a, policy->compiled->modules[m]);
        }
    }
    return cs_undefined();
}

bool cs_policy_has_rule(const cs_policy *policy, const cs_value *path, size_t n, bool below)
{
    const cs_rule_node *node = cs_rule_node_at(policy->compiled, path, n);
    return node && (below || node->n_rules > 0);
}

static void list_rules(cs_arena *a, const cs_rule_node *node, cs_vec_values *out, cs_value path)
{
    for (uint32_t i = 0; i < node->n_rules; i++) {
        const cs_rule *r = node->rules[i];
        cs_value entry = cs_object_new(a, 5);
        cs_slice file = r->loc.source ? r->loc.source->file : CS_LIT("");
        cs_object_put_text(a, entry, "path", path);
        cs_object_put_text(a, entry, "file", cs_string_copy(a, file));
        cs_object_put_text(a, entry, "row", cs_int(r->loc.row));
        if (path.n > 0 && path.u.items[path.n - 1].kind == CS_STRING) {
            cs_object_put_text(a, entry, "name", path.u.items[path.n - 1]);
        }
        if (r->head.is_function) {
            cs_object_put_text(a, entry, "function", cs_bool(true));
        }
        if (r->is_default) {
            cs_object_put_text(a, entry, "default", cs_bool(true));
        }
        CS_VEC_PUSH_IN(a, out, entry);
    }
    for (uint32_t i = 0; i < node->n_children; i++) {
        cs_value *keys = cs_arena_array(a, cs_value, path.n + 1);
        if (path.n) {
            memcpy(keys, path.u.items, path.n * sizeof *keys);
        }
        keys[path.n] = cs_freeze(a, node->children[i]->key);
        list_rules(a, node->children[i], out, cs_array(keys, path.n + 1));
    }
}

cs_value cs_policy_rules(cs_arena *a, const cs_policy *policy)
{
    cs_vec_values out = {0};
    list_rules(a, policy->compiled->root, &out, cs_array(NULL, 0));
    return cs_array(out.v, out.n);
}

void cs_policy_dump(cs_buf *out, const cs_policy *policy, unsigned what)
{
    if (what & CS_DUMP_AST) {
        for (uint32_t i = 0; i < policy->compiled->n_modules; i++) {
            cs_module_print(out, policy->compiled->modules[i]);
        }
    }
    if (what & (CS_DUMP_IR | CS_DUMP_CODE)) {
        for (uint32_t i = 0; i < policy->program->n_codes; i++) {
            cs_vm_disassemble(out, policy->program, policy->program->codes[i]);
        }
    }
}
