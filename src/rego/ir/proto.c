/* plan.pb: the protobuf form. Fields that are set are written also when they are zero. */
#include "rego/ir/code.h"

#include "countersign/base/protobuf.h"

/* ---- code */
static void put_blocks(cs_buf *out, uint32_t number, const cs_ir_blocks *blocks);

static void put_operand(cs_buf *out, uint32_t number, cs_ir_operand o)
{
    static const uint32_t numbers[] = {2, 3, 1}; /* of Val, by cs_ir_operand_kind */
    size_t operand = cs_pb_begin(out, number);
    size_t value = cs_pb_begin(out, 1);
    cs_pb_put_number(out, numbers[o.kind], o.at);
    cs_pb_end(out, value);
    cs_pb_end(out, operand);
}

/* Packed; nothing at all when there are none. */
static void put_numbers(cs_buf *out, uint32_t number, const cs_ir_operands *list)
{
    if (list->n == 0) {
        return;
    }
    size_t from = cs_pb_begin(out, number);
    for (uint32_t i = 0; i < list->n; i++) {
        cs_pb_put_varint(out, (uint64_t)list->v[i].at);
    }
    cs_pb_end(out, from);
}

static void put_field(cs_buf *out, uint32_t number, cs_ir_type type, const cs_ir_field *f)
{
    switch (type) {
    case CS_IR_A_NOTHING:
        break;
    case CS_IR_A_LOCAL:
    case CS_IR_A_INT:
        cs_pb_put_number(out, number, f->number);
        break;
    case CS_IR_A_OPERAND:
        put_operand(out, number, f->operand);
        break;
    case CS_IR_A_TEXT:
        cs_pb_put_text(out, number, f->text);
        break;
    case CS_IR_A_LOCALS:
    case CS_IR_A_INTS:
        put_numbers(out, number, &f->list);
        break;
    case CS_IR_A_OPERANDS:
        for (uint32_t i = 0; i < f->list.n; i++) {
            put_operand(out, number, f->list.v[i]);
        }
        break;
    case CS_IR_A_ONE_BLOCK:
    case CS_IR_A_BLOCKS:
        put_blocks(out, number, f->blocks);
        break;
    }
}

static void put_statement(cs_buf *out, uint32_t number, const cs_ir_statement *s)
{
    const cs_ir_shape *shape = &cs_ir__shapes[s->kind];
    size_t from = cs_pb_begin(out, number);
    cs_pb_put_number(out, 1, s->place.file);
    cs_pb_put_number(out, 2, s->place.col);
    cs_pb_put_number(out, 3, s->place.row);
    cs_pb_put_number(out, 38, s->place.end_col); /* of several kinds of content one is last, whatever its number */
    cs_pb_put_number(out, 39, s->place.end_row);
    size_t content = cs_pb_begin(out, shape->number);
    for (uint32_t i = 0; i < 4; i++) {
        put_field(out, i + 1, shape->fields[i].type, &s->fields[i]);
    }
    cs_pb_end(out, content);
    cs_pb_end(out, from);
}

static void put_blocks(cs_buf *out, uint32_t number, const cs_ir_blocks *blocks)
{
    for (size_t i = 0; i < blocks->n; i++) {
        size_t from = cs_pb_begin(out, number);
        for (size_t k = 0; k < blocks->v[i]->n; k++) {
            put_statement(out, 1, blocks->v[i]->v[k]);
        }
        cs_pb_end(out, from);
    }
}

/* ---- what stands around it */
static void put_text_message(cs_buf *out, uint32_t number, cs_slice s)
{
    size_t from = cs_pb_begin(out, number);
    cs_pb_put_text(out, 1, s);
    cs_pb_end(out, from);
}

static void put_static(cs_buf *out, const cs_ir_policy *p)
{
    size_t from = cs_pb_begin(out, 1);
    for (size_t i = 0; i < p->strings.n; i++) {
        put_text_message(out, 1, p->strings.v[i]);
    }
    for (uint32_t i = 0; i < cs_count(p->builtins); i++) {
        put_text_message(out, 2, cs_text(cs_entry(p->builtins, i, NULL)));
    }
    for (size_t i = 0; i < p->files.n; i++) {
        put_text_message(out, 3, p->files.v[i]);
    }
    cs_pb_end(out, from);
}

static void put_function(cs_buf *out, const cs_ir_function *f)
{
    size_t from = cs_pb_begin(out, 1);
    cs_pb_put_text(out, 1, f->name);
    put_numbers(out, 2, &f->params);
    cs_pb_put_number(out, 3, f->result);
    put_blocks(out, 4, &f->blocks);
    for (uint32_t i = 0; i < f->n_path; i++) {
        cs_pb_put_text(out, 5, f->path[i]);
    }
    cs_pb_end(out, from);
}

void cs_ir_write_proto(const cs_ir_policy *p, cs_buf *out)
{
    put_static(out, p);
    size_t plans = cs_pb_begin(out, 2);
    for (size_t i = 0; i < p->plans.n; i++) {
        size_t from = cs_pb_begin(out, 1);
        cs_pb_put_text(out, 1, p->plans.v[i].name);
        put_blocks(out, 2, &p->plans.v[i].blocks);
        cs_pb_end(out, from);
    }
    cs_pb_end(out, plans);
    size_t functions = cs_pb_begin(out, 3);
    for (size_t i = 0; i < p->functions.n; i++) {
        put_function(out, p->functions.v[i]);
    }
    cs_pb_end(out, functions);
}
