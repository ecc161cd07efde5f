#include "rego/builtin/granted.h"
#include "rego/vm/internal.h"

static void print_field(cs_buf *out, const char *name, char form, uint32_t value)
{
    switch (form) {
    case '_':
        return;
    case 'W':
    case 'R':
    case 'P':
        cs_buf_printf(out, " %s=R%u", name, value);
        return;
    case 'L':
        cs_buf_printf(out, " ->%u", value);
        return;
    default:
        cs_buf_printf(out, " %s=%u", name, value);
        return;
    }
}

static void print_path(cs_buf *out, const cs_path *path)
{
    for (uint32_t i = 0; i < path->n; i++) {
        cs_buf_byte(out, i ? '.' : ' ');
        cs_value_print(out, path->keys[i]);
    }
}

/* What the number in `u` stands for. */
static void print_meaning(cs_buf *out, const cs_program *program, const cs_code *code, const cs_insn *i)
{
    switch (cs_op_infos[i->op].u) {
    case 'K':
        cs_buf_byte(out, ' ');
        cs_value_print(out, code->k[i->u]);
        return;
    case 'A':
        print_path(out, &code->paths[i->u]);
        return;
    case 'F':
        cs_buf_printf(out, " %.*s", CS_FMT(program->codes[i->u]->name));
        return;
    case 'B':
        cs_buf_printf(out, " %s", cs_granted_row(program->capabilities, i->u)->name);
        return;
    case 'S':
        cs_buf_printf(out, " (%u lists)", code->switches[i->u].n_lists);
        return;
    default:
        return;
    }
}

void cs_vm_disassemble(cs_buf *out, const cs_program *program, const cs_code *code)
{
    cs_buf_printf(out, "%.*s (%u registers, %u parameters)\n", CS_FMT(code->name), code->n_regs, code->n_params);
    for (uint32_t at = 0; at < code->n_insns; at++) {
        const cs_insn *i = &code->insns[at];
        const cs_op_info *info = &cs_op_infos[i->op];
        cs_buf_printf(out, "%6u  %-10s", at, info->name);
        print_field(out, "a", info->a, i->a);
        print_field(out, "b", info->b, i->b);
        print_field(out, "c", info->c, i->c);
        print_field(out, "u", info->u, i->u);
        print_field(out, "t", info->t, i->t);
        print_meaning(out, program, code, i);
        cs_buf_byte(out, '\n');
    }
}
