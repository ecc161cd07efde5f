#include "rego/plan/internal.h"

#include <stdatomic.h>

/* ---- the tree at run time */

typedef struct tree_builder {
    cs_planner *p;
    cs_program *program;
    const cs_rule_node **source; /* by node id */
} tree_builder;

static uint32_t count_nodes(const cs_rule_node *n)
{
    uint32_t total = 1;
    for (uint32_t i = 0; i < n->n_children; i++) {
        total += count_nodes(n->children[i]);
    }
    return total;
}

static uint32_t add_node(tree_builder *t, const cs_rule_node *from, uint32_t parent)
{
    cs_arena *arena = t->p->arena;
    uint32_t id = t->program->n_nodes++;
    t->source[id] = from;
    uint32_t *children = cs_arena_array(arena, uint32_t, from->n_children + 1);
    t->program->nodes[id] = (cs_node){.key = from->key,
                                      .hash = cs_hash(from->key),
                                      .parent = parent,
                                      .children = children,
                                      .n_children = from->n_children,
                                      .document = CS_NO_CODE,
                                      .function = CS_NO_CODE};
    for (uint32_t i = 0; i < from->n_children; i++) {
        children[i] = add_node(t, from->children[i], id);
    }
    t->program->nodes[id].last = t->program->n_nodes - 1;
    return id;
}

/* ---- codes */

static cs_slice node_name(cs_arena *arena, const cs_program *program, uint32_t node)
{
    cs_buf buf;
    cs_buf_init(&buf);
    uint32_t chain[256];
    uint32_t n = 0;
    for (uint32_t at = node; at != 0 && n < 256; at = program->nodes[at].parent) {
        chain[n++] = at;
    }
    cs_buf_text(&buf, "data");
    while (n > 0) {
        cs_term key = {.kind = CS_TERM_SCALAR, .u.value = program->nodes[chain[--n]].key};
        cs_ref_part_print(&buf, &key);
    }
    cs_slice name = cs_slice_make(cs_arena_dup(arena, buf.p, buf.n), buf.n);
    cs_buf_destroy(&buf);
    return name;
}

void cs_plan__add_code(cs_planner *p, cs_code *code)
{
    cs_program *program = p->growing;
    if (program->n_codes == p->cap_codes) {
        cs_code **codes = cs_arena_array(p->arena, cs_code *, 2 * (size_t)p->cap_codes);
        memcpy(codes, program->codes, program->n_codes * sizeof *codes);
        program->codes = codes;
        p->cap_codes *= 2;
    }
    program->codes[program->n_codes++] = code;
}

static cs_code *add_code(cs_planner *p, cs_program *program, cs_code_kind kind, uint32_t node)
{
    cs_code *code = cs_arena_new(p->arena, cs_code);
    code->kind = kind;
    code->node = node;
    code->id = program->n_codes;
    code->probe = CS_NO_CODE;
    code->name = node_name(p->arena, program, node);
    cs_plan__add_code(p, code);
    return code;
}

/* Names every code before any is planned, since rules call each other. */
static void declare(tree_builder *t, uint32_t id)
{
    cs_program *program = t->program;
    const cs_rule_node *from = t->source[id];
    cs_node *node = &program->nodes[id];
    uint32_t params = 0;
    bool document = false;
    bool function = false;
    for (uint32_t i = 0; i < from->n_rules; i++) {
        if (cs_plan__is_function(from->rules[i])) {
            function = true;
            params = from->rules[i]->head.args.n;
        } else {
            document = true;
        }
    }
    if (function) {
        cs_code *code = add_code(t->p, program, CS_CODE_FUNCTION, id);
        code->n_params = params;
        node->function = code->id;
    }
    if (document) {
        node->document = add_code(t->p, program, CS_CODE_RULE, id)->id;
        node->is_rule = true;
        if (cs_plan__can_probe(from)) {
            cs_code *probe = add_code(t->p, program, CS_CODE_PROBE, id);
            probe->n_params = 1;
            program->codes[node->document]->probe = probe->id;
            program->codes[node->document]->is_set = cs_plan__is_set(from);
        }
    } else if (!function || node->n_children > 0) {
        node->document = add_code(t->p, program, CS_CODE_EXTENT, id)->id;
    }
}

cs_err cs_plan_policy(cs_arena *arena, const cs_compiled *compiled, cs_program **out, cs_error *e)
{
    cs_program *program = cs_arena_new(arena, cs_program);
    cs_planner p = {.arena = arena, .program = program, .growing = program, .compiled = compiled, .e = e};
    uint32_t n = count_nodes(compiled->root);
    p.cap_codes = 3 * n + 1;
    program->capabilities = compiled->capabilities;
    program->nodes = cs_arena_array(arena, cs_node, n);
    program->codes = cs_arena_array(arena, cs_code *, p.cap_codes);
    tree_builder t = {&p, program, cs_arena_array(arena, const cs_rule_node *, n)};
    (void)add_node(&t, compiled->root, 0);
    for (uint32_t id = 0; id < program->n_nodes; id++) {
        declare(&t, id);
    }
    for (uint32_t i = 0; i < program->n_codes && p.err == CS_OK; i++) {
        cs_code *code = program->codes[i];
        switch (code->kind) {
        case CS_CODE_RULE:
            cs_plan__document(&p, t.source[code->node], code);
            break;
        case CS_CODE_FUNCTION:
            cs_plan__function_code(&p, t.source[code->node], code);
            break;
        case CS_CODE_EXTENT:
            cs_plan__extent(&p, code->node, code);
            break;
        case CS_CODE_PROBE:
            cs_plan__probe(&p, t.source[code->node], code);
            break;
        case CS_CODE_GROUPS: /* planned when it was met */
        case CS_CODE_QUERY:
            break;
        }
    }
    if (p.err == CS_OK) {
        cs_plan__affected(&p);
        cs_plan__quiet(&p);
    }
    *out = program;
    return p.err;
}

void cs_plan_free_patterns(const cs_program *program)
{
    for (uint32_t c = 0; c < program->n_codes; c++) {
        const cs_code *code = program->codes[c];
        for (uint32_t i = 0; code->patterns && i < code->n_insns; i++) {
            cs_builtin_pattern_free(atomic_load_explicit(&code->patterns[i], memory_order_acquire));
        }
    }
}
