#include "rego/builtin/granted.h"
#include "rego/vm/internal.h"

typedef struct verifier {
    const cs_program *program;
    const cs_code *code;
    cs_error *e;
    uint32_t at;
} verifier;

static cs_err bad(const verifier *v, const char *what, uint32_t value)
{
    return cs_fail(v->e, CS_ERR_INTERNAL, "%.*s, instruction %u (%s): %s %u is out of range", CS_FMT(v->code->name),
                   v->at, cs_op_infos[v->code->insns[v->at].op].name, what, value);
}

static cs_err check_small(const verifier *v, char form, uint32_t value, uint32_t count)
{
    uint32_t regs = v->code->n_regs;
    if ((form == 'W' || form == 'R') && value >= regs) {
        return bad(v, "register", value);
    }
    if (form == 'P' && (uint64_t)value + count > regs) {
        return bad(v, "register", value + count);
    }
    return CS_OK;
}

/* Without a function: only what capabilities grant. */
static bool is_builtin(const cs_builtin *b, const cs_capabilities *capabilities)
{
    return b && (b->run || (capabilities && !cs_builtin_is_language(b)));
}

static cs_err check_wide(const verifier *v, char form, uint32_t value)
{
    const cs_code *c = v->code;
    switch (form) {
    case 'K':
        return value < c->n_k ? CS_OK : bad(v, "constant", value);
    case 'A':
        return value < c->n_paths ? CS_OK : bad(v, "path", value);
    case 'S':
        return value < c->n_switches ? CS_OK : bad(v, "switch", value);
    case 'I':
        return value < c->n_withs ? CS_OK : bad(v, "with-site", value);
    case 'F':
        return value < v->program->n_codes ? CS_OK : bad(v, "code", value);
    case 'V':
        return value < v->program->n_nodes ? CS_OK : bad(v, "node", value);
    case 'L':
        return value < c->n_insns ? CS_OK : bad(v, "label", value);
    case 'B':
        return is_builtin(cs_granted_row(v->program->capabilities, value), v->program->capabilities)
                   ? CS_OK
                   : bad(v, "built-in", value);
    default:
        return CS_OK;
    }
}

/* How many registers a 'P' field spans: as many as `c` counts, or a pair. */
static uint32_t span_of(const cs_insn *i)
{
    if (cs_op_infos[i->op].c != 'N') {
        return 2;
    }
    return i->op == CS_OP_OBJECT ? 2U * i->c : i->op == CS_OP_PUTPATH ? i->c + 1U : i->c;
}

static cs_err check_calls(const verifier *v, const cs_insn *i)
{
    if (i->op == CS_OP_CALLF && v->program->codes[i->u]->n_params != i->c) {
        return bad(v, "argument count", i->c);
    }
    if ((i->op == CS_OP_PROBE || i->op == CS_OP_MEMBER) && v->program->codes[i->u]->probe >= v->program->n_codes) {
        return bad(v, "code without a probe", i->u);
    }
    if (i->op == CS_OP_WITH && v->code->withs[i->u].n != i->c) {
        return bad(v, "modifier count", i->c);
    }
    if (i->op == CS_OP_RESULT && i->u >= v->code->n_defs) {
        return bad(v, "definition", i->u);
    }
    if (i->op == CS_OP_PUTPATH && i->c == 0) {
        return bad(v, "path length", i->c);
    }
    return CS_OK;
}

/* Lists and arguments that a node of an index names. */
static cs_err check_node(const verifier *v, const cs_switch *s, const cs_index_node *node)
{
    if (node->list >= s->n_lists) {
        return bad(v, "list", node->list);
    }
    for (uint32_t i = 0; i < node->n_dimensions; i++) {
        const cs_dimension *d = &node->dimensions[i];
        if (d->place.root == CS_ROOT_ARGUMENT && d->place.argument >= v->code->n_params) {
            return bad(v, "argument", d->place.argument);
        }
        for (uint32_t k = 0; k < d->n_children; k++) {
            CS_TRY(check_node(v, s, &d->children[k]));
        }
    }
    return CS_OK;
}

static cs_err check_switches(const verifier *v)
{
    const cs_code *c = v->code;
    for (uint32_t s = 0; s < c->n_switches; s++) {
        CS_TRY(check_node(v, &c->switches[s], &c->switches[s].root));
        for (uint32_t l = 0; l < c->switches[s].n_lists; l++) {
            const cs_candidates *list = &c->switches[s].lists[l];
            for (uint32_t i = 0; i < list->n; i++) {
                if (list->pcs[i] >= c->n_insns) {
                    return bad(v, "candidate", list->pcs[i]);
                }
            }
        }
    }
    return CS_OK;
}

cs_err cs_vm_verify(const cs_program *program, const cs_code *code, cs_error *e)
{
    verifier v = {.program = program, .code = code, .e = e};
    if (code->n_insns == 0 || code->insns[code->n_insns - 1].op != CS_OP_RETURN) {
        return cs_fail(e, CS_ERR_INTERNAL, "%.*s: the code does not end", CS_FMT(code->name));
    }
    for (; v.at < code->n_insns; v.at++) {
        const cs_insn *i = &code->insns[v.at];
        if (i->op >= CS_OP_COUNT) {
            return cs_fail(e, CS_ERR_INTERNAL, "%.*s, instruction %u: unknown operation %u", CS_FMT(code->name), v.at,
                           i->op);
        }
        const cs_op_info *info = &cs_op_infos[i->op];
        uint32_t span = span_of(i);
        CS_TRY(check_small(&v, info->a, i->a, span));
        CS_TRY(check_small(&v, info->b, i->b, span));
        CS_TRY(check_small(&v, info->c, i->c, span));
        CS_TRY(check_wide(&v, info->u, i->u));
        CS_TRY(check_wide(&v, info->t, i->t));
        CS_TRY(check_calls(&v, i));
    }
    v.at = 0;
    return check_switches(&v);
}
