#include "rego/plan/internal.h"

const cs_op_info cs_op_infos[CS_OP_COUNT] = {
#define LETTER(x) LETTER_##x
#define LETTER__ '_'
#define LETTER_W 'W'
#define LETTER_R 'R'
#define LETTER_P 'P'
#define LETTER_K 'K'
#define LETTER_F 'F'
#define LETTER_B 'B'
#define LETTER_V 'V'
#define LETTER_S 'S'
#define LETTER_I 'I'
#define LETTER_A 'A'
#define LETTER_N 'N'
#define LETTER_L 'L'
#define CS_OP(name, a, b, c, u, t, meaning) {#name, LETTER(a), LETTER(b), LETTER(c), LETTER(u), LETTER(t), meaning},
#include "rego/plan/ops.def"
#undef CS_OP
};

void cs_plan__begin(cs_builder *b, cs_planner *p, cs_code *code)
{
    *b = (cs_builder){.p = p, .code = code, .context = CS_PLAN_NO_REG};
    b->k_strings = cs_object_new(p->arena, 0);
    b->fail = cs_plan__label(b);
}

void cs_plan__fail(cs_builder *b, const char *what)
{
    if (b->p->err == CS_OK) {
        cs_slice file = b->loc.source ? b->loc.source->file : CS_LIT("");
        const char *name = cs_arena_dup(b->p->arena, file.p, file.n);
        b->p->err = cs_fail_at(b->p->e, CS_ERR_REGO_COMPILE, name, b->loc.row, b->loc.col, "%s", what);
    }
}

uint32_t cs_plan__label(cs_builder *b)
{
    CS_VEC_PUSH_IN(b->p->arena, &b->labels, UINT32_MAX);
    return (uint32_t)b->labels.n - 1;
}

void cs_plan__place(cs_builder *b, uint32_t label)
{
    cs_assert(b->labels.v[label] == UINT32_MAX);
    b->labels.v[label] = (uint32_t)b->insns.n;
    b->sealed = (uint32_t)b->insns.n;
}

uint32_t cs_plan__regs(cs_builder *b, uint32_t n)
{
    uint32_t first = b->next_reg;
    if (n > UINT16_MAX - first) {
        cs_plan__fail(b, "definition too large: it needs more than 65,535 registers");
        return 0;
    }
    b->next_reg += n;
    if (b->next_reg > b->max_reg) {
        b->max_reg = b->next_reg;
    }
    return first;
}

uint32_t cs_plan__reg(cs_builder *b)
{
    return cs_plan__regs(b, 1);
}

uint32_t cs_plan__k(cs_builder *b, cs_value v)
{
    bool shared = v.kind == CS_STRING;
    if (shared) {
        const cs_value *at = cs_object_get(b->k_strings, v);
        if (at) {
            return (uint32_t)at->u.i;
        }
    }
    uint32_t place = (uint32_t)b->k.n;
    CS_VEC_PUSH_IN(b->p->arena, &b->k, v);
    if (shared) {
        cs_object_put(b->p->arena, b->k_strings, v, cs_int(place));
    }
    return place;
}

uint32_t cs_plan__path(cs_builder *b, const cs_value *keys, uint32_t n)
{
    cs_path path = cs_path_make(b->p->arena, keys, n);
    CS_VEC_PUSH_IN(b->p->arena, &b->paths, path);
    return (uint32_t)b->paths.n - 1;
}

void cs_plan__emit(cs_builder *b, cs_op op, uint32_t a, uint32_t rb, uint32_t rc, uint32_t u, uint32_t t)
{
    cs_insn i = {.op = (uint8_t)op, .a = (uint16_t)a, .b = (uint16_t)rb, .c = (uint16_t)rc, .u = u, .t = t};
    CS_VEC_PUSH_IN(b->p->arena, &b->insns, i);
    CS_VEC_PUSH_IN(b->p->arena, &b->locs, b->loc);
}

void cs_plan__jump(cs_builder *b, uint32_t label)
{
    cs_plan__emit(b, CS_OP_JUMP, 0, 0, 0, 0, label);
}

uint32_t cs_plan__lookup(const cs_builder *b, const cs_sym *name)
{
    for (size_t i = b->bindings.n; i > 0; i--) {
        if (b->bindings.v[i - 1].name == name) {
            return b->bindings.v[i - 1].reg;
        }
    }
    return CS_PLAN_NO_REG;
}

void cs_plan__bind(cs_builder *b, const cs_sym *name, uint32_t reg)
{
    cs_binding binding = {name, reg};
    CS_VEC_PUSH_IN(b->p->arena, &b->bindings, binding);
}

static void resolve_labels(cs_builder *b)
{
    for (size_t i = 0; i < b->insns.n; i++) {
        cs_insn *insn = &b->insns.v[i];
        if (cs_op_infos[insn->op].t == 'L') {
            insn->t = b->labels.v[insn->t];
        }
    }
    for (size_t s = 0; s < b->switches.n; s++) {
        for (uint32_t l = 0; l < b->switches.v[s].n_lists; l++) {
            const cs_candidates *list = &b->switches.v[s].lists[l];
            uint32_t *pcs = (uint32_t *)(uintptr_t)list->pcs; /* still ours: the code is not published yet */
            for (uint32_t i = 0; i < list->n; i++) {
                pcs[i] = b->labels.v[pcs[i]];
            }
        }
    }
}

/* Label 0 is where a statement outside all definitions fails: the code has no value. */
static void end_undefined(cs_builder *b)
{
    uint32_t reg = cs_plan__reg(b);
    cs_plan__place(b, 0);
    cs_plan__emit(b, CS_OP_CLEAR, reg, 0, 0, 0, 0);
    cs_plan__emit(b, CS_OP_RETURN, reg, 0, 0, 0, 0);
}

void cs_plan__finish(cs_builder *b)
{
    cs_code *c = b->code;
    cs_arena *arena = b->p->arena;
    end_undefined(b);
    resolve_labels(b);
    uint32_t *hashes = cs_arena_array(arena, uint32_t, b->k.n + 1);
    for (size_t i = 0; i < b->k.n; i++) {
        hashes[i] = cs_hash(b->k.v[i]);
    }
    c->insns = b->insns.v;
    c->n_insns = (uint32_t)b->insns.n;
    bool patterns = false;
    for (uint32_t i = 0; i < c->n_insns && !patterns; i++) {
        patterns = c->insns[i].op == CS_OP_BUILTIN && c->insns[i].x == CS_BUILTIN_PATTERN;
    }
    if (patterns) {
        c->patterns = cs_arena_array(arena, _Atomic(void *), c->n_insns);
    }
    c->locs = b->locs.v;
    c->k = b->k.v;
    c->k_hash = hashes;
    c->n_k = (uint32_t)b->k.n;
    c->paths = b->paths.v;
    c->n_paths = (uint32_t)b->paths.n;
    c->switches = b->switches.v;
    c->n_switches = (uint32_t)b->switches.n;
    c->withs = b->withs.v;
    c->n_withs = (uint32_t)b->withs.n;
    c->defs = b->defs.v;
    c->n_defs = (uint32_t)b->defs.n;
    c->loops = b->any_loop;
    c->n_regs = b->max_reg + 1;
}
