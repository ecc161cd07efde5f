/* The table of statements. */
#include "rego/ir/code.h"

#define CS_IR_NONE                                                                                                     \
    {                                                                                                                  \
        CS_IR_A_NOTHING, ""                                                                                            \
    }
#define CS_IR_FIELD(type, name)                                                                                        \
    {                                                                                                                  \
        CS_IR_A_##type, name                                                                                           \
    }

const cs_ir_shape cs_ir__shapes[CS_IR_KINDS] = {
#define CS_IR(id, name, number, a, b, c, d) {name, number, {a, b, c, d}},
#include "rego/ir/statements.def"
#undef CS_IR
};
