/* The verifier of the machine's code: what a policy compiled to, with instructions changed at random, is accepted or
 * refused with a text, never read out of bounds; what it accepts can be listed. Six bytes are one change: which code,
 * which instruction (two bytes), which field, the value (two bytes). */
#include <stdint.h>
#include <stdlib.h>

#include "rego/compile/compile.h"
#include "rego/plan/plan.h"
#include "rego/vm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char module[] = "package f\n"
                             "import rego.v1\n"
                             "default allow := false\n"
                             "allow if { input.a == \"x\"; some r in data.roles; r.name == input.b }\n"
                             "allow if { input.a == \"y\"; not deny }\n"
                             "deny contains m if { some k, v in input.o; m := sprintf(\"%v %v\", [k, v]) }\n"
                             "f(x) := y if { y := x + 1 } else := 0\n"
                             "q[k] := f(v) if { some k, v in input.n }\n"
                             "w := z if { z := allow with input.a as \"y\" with count as 7 }\n"
                             "c := {x: [y | some y in input.l; y != x] | some x in input.l}\n"
                             "e if { every x in input.l { x > 1; startswith(x, \"a\") } }\n"
                             "p.a[x].b := 1 if { some x in input.l }\n"
                             "walk_of := [a, b] if { walk(input, [a, b]) }\n";

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void change(cs_insn *i, unsigned field, uint16_t value)
{
    switch (field % 6) {
    case 0:
        i->op = (uint8_t)value;
        break;
    case 1:
        i->a = value;
        break;
    case 2:
        i->b = value;
        break;
    case 3:
        i->c = value;
        break;
    case 4:
        i->u = value > 0xff00 ? UINT32_MAX - (0xffffU - value) : value;
        break;
    default:
        i->t = value > 0xff00 ? UINT32_MAX - (0xffffU - value) : value;
        break;
    }
}

static bool is_builtin(cs_slice name)
{
    return cs_builtin_find(name) != NULL;
}

/* Lives as long as the process. */
static const cs_program *compiled_module(void)
{
    static cs_arena arena;
    static cs_ast ast;
    static const cs_policy_options policy_options;
    cs_parse_options parse = {.version = CS_REGO_V1, .is_builtin = is_builtin};
    cs_compile_options options = {.policy = &policy_options};
    cs_errors errors;
    cs_error e;
    cs_module *parsed;
    cs_compiled *compiled;
    cs_program *program;
    cs_arena_init(&arena, 0);
    cs_ast_init(&ast, &arena);
    cs_errors_init(&errors);
    cs_slice text = cs_slice_make(module, sizeof module - 1);
    must(cs_parse_module(&ast, CS_LIT("f.rego"), text, &parse, &parsed, &errors) == CS_OK);
    must(cs_compile_modules(&ast, &parsed, 1, &options, &compiled, &errors) == CS_OK);
    must(cs_plan_policy(&arena, compiled, &program, &e) == CS_OK);
    cs_errors_destroy(&errors);
    return program;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const cs_program *program;
    cs_arena arena;
    program = program ? program : compiled_module();
    if (size < 6) {
        return 0;
    }
    cs_arena_init(&arena, (size_t)1 << 24);
    cs_code code = *program->codes[data[0] % program->n_codes];
    cs_insn *insns = cs_arena_array(&arena, cs_insn, code.n_insns + 1);
    memcpy(insns, code.insns, code.n_insns * sizeof *insns);
    code.insns = insns;
    for (size_t at = 0; at + 6 <= size; at += 6) {
        const uint8_t *c = data + at;
        change(&insns[(uint32_t)(c[1] << 8 | c[2]) % code.n_insns], c[3], (uint16_t)(c[4] << 8 | c[5]));
    }
    cs_error e = {0};
    if (cs_vm_verify(program, &code, &e) == CS_OK) {
        cs_buf out;
        cs_buf_init(&out);
        cs_vm_disassemble(&out, program, &code);
        must(out.n > 0);
        cs_buf_destroy(&out);
    } else {
        must(e.text[0] != '\0');
    }
    cs_arena_destroy(&arena);
    return 0;
}
