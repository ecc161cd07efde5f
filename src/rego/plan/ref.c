#include "rego/plan/internal.h"

uint32_t cs_plan__node_child(const cs_program *program, uint32_t node, cs_value key)
{
    const cs_node *n = &program->nodes[node];
    uint32_t lo = 0;
    uint32_t hi = n->n_children;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = cs_compare(program->nodes[n->children[mid]].key, key);
        if (c == 0) {
            return n->children[mid];
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return CS_NO_NODE;
}

uint32_t cs_plan__node_at(const cs_program *program, const cs_value *path, size_t n)
{
    uint32_t node = 0;
    for (size_t i = 0; i < n && node != CS_NO_NODE; i++) {
        node = cs_plan__node_child(program, node, path[i]);
    }
    return node;
}

/* A document being read: its register, and whether that may hold a virtual or live document, not yet evaluated. */
typedef struct reading {
    uint32_t reg;
    bool lazy;
} reading;

/* ref[x] with x unbound, or a pattern: a loop over the keys. */
static reading step_open(cs_builder *b, reading from, const cs_term *segment)
{
    uint32_t key;
    uint32_t value;
    if (!from.lazy) {
        cs_plan__loop(b, from.reg, &key, &value);
        cs_plan__unify(b, segment, key);
        return (reading){value, false};
    }
    uint32_t keys = cs_plan__reg(b);
    cs_plan__emit(b, CS_OP_KEYS, keys, from.reg, 0, 0, 0);
    uint32_t index;
    cs_plan__loop(b, keys, &index, &key);
    cs_plan__unify(b, segment, key);
    value = cs_plan__reg(b);
    cs_plan__emit(b, CS_OP_DOT, value, from.reg, key, 0, b->fail);
    return (reading){value, true};
}

static reading step(cs_builder *b, reading from, const cs_term *segment)
{
    if (cs_plan__open(b, segment)) {
        return step_open(b, from, segment);
    }
    uint32_t reg;
    if (segment->kind == CS_TERM_SCALAR) {
        reg = cs_plan__reg(b);
        cs_plan__emit(b, CS_OP_DOTK, reg, from.reg, 0, cs_plan__k(b, segment->u.value), b->fail);
    } else {
        uint32_t key = cs_plan__term(b, segment);
        reg = cs_plan__reg(b);
        cs_plan__emit(b, CS_OP_DOT, reg, from.reg, key, 0, b->fail);
    }
    return (reading){reg, from.lazy};
}

static uint32_t read_rest(cs_builder *b, reading from, const cs_terms *ref, uint32_t i)
{
    for (; i < ref->n; i++) {
        from = step(b, from, ref->v[i]);
    }
    if (from.lazy) {
        uint32_t whole = cs_plan__reg(b);
        cs_plan__emit(b, CS_OP_FORCE, whole, from.reg, 0, 0, b->fail);
        return whole;
    }
    return from.reg;
}

/* The leading constants of a ref, from operand `i` on. */
static uint32_t constant_prefix(cs_builder *b, const cs_terms *ref, uint32_t i, cs_value **keys)
{
    *keys = cs_arena_array(b->p->arena, cs_value, ref->n + 1);
    uint32_t n = 0;
    while (i + n < ref->n && ref->v[i + n]->kind == CS_TERM_SCALAR) {
        (*keys)[n] = ref->v[i + n]->u.value;
        n++;
    }
    return n;
}

static uint32_t plan_path(cs_builder *b, const cs_terms *ref, cs_op op)
{
    cs_value *keys;
    uint32_t n = constant_prefix(b, ref, 1, &keys);
    uint32_t reg = cs_plan__reg(b);
    cs_plan__emit(b, op, reg, 0, 0, cs_plan__path(b, keys, n), b->fail);
    /* data.x may be a live document; what is below one is plain. */
    bool lazy = op == CS_OP_BASE && n <= 1;
    return read_rest(b, (reading){reg, lazy}, ref, n + 1);
}

static uint32_t plan_data(cs_builder *b, const cs_terms *ref)
{
    const cs_program *program = b->p->program;
    uint32_t node = 0;
    uint32_t i = 1;
    for (; i < ref->n && ref->v[i]->kind == CS_TERM_SCALAR; i++) {
        uint32_t child = cs_plan__node_child(program, node, ref->v[i]->u.value);
        if (child == CS_NO_NODE || program->nodes[child].document == CS_NO_CODE) {
            return plan_path(b, ref, CS_OP_BASE);
        }
        node = child;
        if (program->nodes[node].is_rule) {
            uint32_t document = program->nodes[node].document;
            if (program->codes[document]->probe != CS_NO_CODE && i + 1 < ref->n && !cs_plan__open(b, ref->v[i + 1])) {
                uint32_t key = cs_plan__term(b, ref->v[i + 1]);
                uint32_t item = cs_plan__reg(b);
                cs_plan__emit(b, CS_OP_PROBE, item, key, 0, document, b->fail);
                return read_rest(b, (reading){item, false}, ref, i + 2);
            }
            uint32_t reg = cs_plan__reg(b);
            cs_plan__emit(b, CS_OP_CALL, reg, 0, 0, program->nodes[node].document, b->fail);
            return read_rest(b, (reading){reg, false}, ref, i + 1);
        }
    }
    uint32_t reg = cs_plan__reg(b);
    if (i == ref->n) {
        cs_plan__emit(b, CS_OP_CALL, reg, 0, 0, program->nodes[node].document, b->fail);
        return reg;
    }
    cs_plan__emit(b, CS_OP_NODE, reg, 0, 0, node, 0);
    return read_rest(b, (reading){reg, true}, ref, i);
}

uint32_t cs_plan__ref(cs_builder *b, const cs_term *ref)
{
    const cs_terms *r = &ref->u.list;
    const cs_term *head = r->v[0];
    if (head->kind == CS_TERM_VAR && cs_plan__lookup(b, head->u.var) == CS_PLAN_NO_REG) {
        cs_slice name = cs_sym_slice(head->u.var);
        if (cs_slice_eq(name, CS_LIT("data"))) {
            return plan_data(b, r);
        }
        if (cs_slice_eq(name, CS_LIT("input"))) {
            return plan_path(b, r, CS_OP_INPUT);
        }
    }
    return read_rest(b, (reading){cs_plan__term(b, head), false}, r, 1);
}
