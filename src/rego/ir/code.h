/* A plan as data: what plan.c and its kin make, and json.c and proto.c write. Everything lives in one arena. */
#ifndef CS_REGO_IR_CODE_H
#define CS_REGO_IR_CODE_H

#include "countersign/base/vec.h"
#include "rego/ir/ir.h"

typedef enum cs_ir_kind {
#define CS_IR(id, name, number, a, b, c, d) CS_IR_##id,
#include "rego/ir/statements.def"
#undef CS_IR
    CS_IR_KINDS
} cs_ir_kind;

typedef enum cs_ir_type {
    CS_IR_A_NOTHING,
    CS_IR_A_LOCAL,     /* number */
    CS_IR_A_INT,       /* number */
    CS_IR_A_OPERAND,   /* operand */
    CS_IR_A_TEXT,      /* text */
    CS_IR_A_LOCALS,    /* list: of locals */
    CS_IR_A_INTS,      /* list: of numbers of strings */
    CS_IR_A_OPERANDS,  /* list */
    CS_IR_A_ONE_BLOCK, /* blocks: one */
    CS_IR_A_BLOCKS     /* blocks */
} cs_ir_type;

/* The kinds of statements, by cs_ir_kind. */
typedef struct cs_ir_shape {
    const char *name;
    uint32_t number; /* in plan.proto */
    struct {
        cs_ir_type type;
        const char *name;
    } fields[4];
} cs_ir_shape;
extern const cs_ir_shape cs_ir__shapes[CS_IR_KINDS];

typedef enum cs_ir_operand_kind { CS_IR_OF_LOCAL, CS_IR_OF_STRING, CS_IR_OF_BOOL } cs_ir_operand_kind;

typedef struct cs_ir_operand {
    cs_ir_operand_kind kind;
    int32_t at; /* local, number of the string, 0 or 1 */
} cs_ir_operand;

typedef struct cs_ir_operands {
    cs_ir_operand *v;
    uint32_t n;
} cs_ir_operands;

typedef struct cs_ir_statement cs_ir_statement;
typedef CS_VEC(cs_ir_statement *) cs_ir_block;
typedef CS_VEC(cs_ir_block *) cs_ir_blocks;

typedef union cs_ir_field {
    int64_t number;
    cs_ir_operand operand;
    cs_slice text;
    cs_ir_operands list;
    cs_ir_blocks *blocks;
} cs_ir_field;

/* Where a statement comes from. All zero: nowhere. */
typedef struct cs_ir_place {
    uint32_t file, row, col, end_row, end_col;
} cs_ir_place;

struct cs_ir_statement {
    cs_ir_kind kind;
    cs_ir_place place;
    cs_ir_field fields[4];
};

typedef struct cs_ir_function {
    cs_slice name;
    cs_ir_operands params; /* locals */
    int32_t result;
    cs_ir_blocks blocks;
    cs_slice *path;
    uint32_t n_path;
} cs_ir_function;

typedef struct cs_ir_named_plan {
    cs_slice name;
    cs_ir_blocks blocks;
} cs_ir_named_plan;

typedef struct cs_ir_unplanned {
    cs_slice path;
    cs_ir_place place;
} cs_ir_unplanned;

struct cs_ir_policy {
    CS_VEC(cs_slice) strings;
    CS_VEC(cs_slice) files;
    cs_value builtins; /* an object: name → declaration as in a capabilities document */
    CS_VEC(cs_ir_named_plan) plans;
    CS_VEC(cs_ir_function *) functions;
    CS_VEC(cs_ir_unplanned) unplanned;
};

#endif
