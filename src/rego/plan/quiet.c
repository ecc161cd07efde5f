/* Which codes are quiet: evaluating them neither ends in an error nor can be noticed otherwise, so that it makes no
 * difference whether they are evaluated, apart from limits. Conflicts of values are the errors of codes; whatever may
 * have one is not quiet, nor is what prints, asks the world, or finds out at run time which documents it reads. */
#include "rego/builtin/granted.h"
#include "rego/plan/internal.h"

static bool quiet_builtin(const cs_builtin *b)
{
    unsigned noticed = CS_BUILTIN_VOID | CS_BUILTIN_NONDETERMINISTIC | CS_BUILTIN_OWN_MEMO | CS_BUILTIN_TEST;
    return b->run && !(b->flags & noticed) && strcmp(b->name, "trace") != 0 &&
           strcmp(b->name, "internal.template_string") != 0;
}

#define BIT(op) (1ULL << (op))
_Static_assert(CS_OP_COUNT <= 64, "a set of operations fits a word");

/* By itself, whatever it calls. What KEYS and FORCE evaluate was named by a NODE, or is a live document. */
static bool quiet_insn(const cs_program *program, const cs_insn *i)
{
    static const uint64_t loud = BIT(CS_OP_NODE) | BIT(CS_OP_PUT) | BIT(CS_OP_PUTPATH) | BIT(CS_OP_UNDERLAY) |
                                 BIT(CS_OP_RESULT) | BIT(CS_OP_WITH);
    return !(loud >> i->op & 1) &&
           (i->op != CS_OP_BUILTIN || quiet_builtin(cs_granted_row(program->capabilities, i->u)));
}

typedef struct calls {
    uint32_t *first; /* of the callers of each code: from first[code] up to first[code + 1] */
    uint32_t *callers;
} calls;

static void call(const cs_program *program, uint32_t callee, uint32_t caller, calls *out, bool count)
{
    if (count) {
        out->first[callee + 2]++;
    } else {
        out->callers[out->first[callee + 1]++] = caller;
    }
    uint32_t probe = program->codes[callee]->probe;
    if (probe != CS_NO_CODE) {
        call(program, probe, caller, out, count);
    }
}

static void each_call(const cs_program *program, calls *out, bool count)
{
    for (uint32_t c = 0; c < program->n_codes; c++) {
        const cs_code *code = program->codes[c];
        for (uint32_t i = 0; i < code->n_insns; i++) {
            if (cs_op_infos[code->insns[i].op].u == 'F') {
                call(program, code->insns[i].u, c, out, count);
            }
        }
    }
}

static void find_callers(cs_arena *work, const cs_program *program, calls *out)
{
    uint32_t n = program->n_codes;
    out->first = cs_arena_array(work, uint32_t, n + 2);
    each_call(program, out, true);
    for (uint32_t i = 2; i <= n + 1; i++) {
        out->first[i] += out->first[i - 1];
    }
    out->callers = cs_arena_array(work, uint32_t, out->first[n + 1] + 1);
    each_call(program, out, false);
}

/* First whoever is not quiet by itself, then who calls those. */
void cs_plan__quiet(cs_planner *p)
{
    const cs_program *program = p->program;
    cs_arena work;
    calls c = {0};
    CS_VEC(uint32_t) loud = {0};
    cs_arena_init(&work, 0);
    find_callers(&work, program, &c);
    for (uint32_t at = 0; at < program->n_codes; at++) {
        cs_code *code = program->codes[at];
        code->quiet = true;
        for (uint32_t i = 0; i < code->n_insns && code->quiet; i++) {
            code->quiet = quiet_insn(program, &code->insns[i]);
        }
        if (!code->quiet) {
            CS_VEC_PUSH_IN(&work, &loud, at);
        }
    }
    while (loud.n > 0) {
        uint32_t code = loud.v[--loud.n];
        for (uint32_t i = c.first[code]; i < c.first[code + 1]; i++) {
            cs_code *caller = program->codes[c.callers[i]];
            if (caller->quiet) {
                caller->quiet = false;
                CS_VEC_PUSH_IN(&work, &loud, caller->id);
            }
        }
    }
    cs_arena_destroy(&work);
}
