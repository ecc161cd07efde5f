/* The machine that runs code (rego/plan/code.h): one loop, frames on the heap, registers in one stack, everything it
 * makes in the evaluation's arena. A run can stop between two instructions and go on later.
 *
 * Undefined is never in a register that is read: an operation without a result goes to its label. A rule's document is
 * computed once in each context (`with` makes contexts), a function's result once for the same arguments. */
#ifndef CS_REGO_VM_VM_H
#define CS_REGO_VM_VM_H

#include "countersign/rego.h"
#include "rego/plan/code.h"

/* Is the code safe to run? Every operand in range, every path ends. All code passes here once before it may run; *e
 * names the instruction. `program` is what the code calls into. */
CS_MUST_CHECK cs_err cs_vm_verify(const cs_program *program, const cs_code *code, cs_error *e);
/* One line an instruction, in the words of ops.def. */
void cs_vm_disassemble(cs_buf *out, const cs_program *program, const cs_code *code);

/* The run lives in eval->arena. `program` and `code` must outlive it. */
cs_run *cs_vm_start(const cs_program *program, const cs_code *code, const cs_eval *eval);
CS_MUST_CHECK cs_err cs_vm_step(cs_run *run, cs_run_state *state, cs_value *result, cs_error *e);
void cs_vm_wait(cs_run *run);
void cs_vm_abandon(cs_run *run);
cs_run_stats cs_vm_stats(const cs_run *run);

#endif
