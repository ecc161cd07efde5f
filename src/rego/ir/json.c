/* plan.json: compact, members in the order of OPA's structs, lists that nobody has made as null. Recursion is bounded
 * by the planner's limit of nesting. */
#include "rego/ir/code.h"

#include "countersign/json.h"

static void write_block(cs_buf *out, const cs_ir_block *b);

static void write_blocks(cs_buf *out, const cs_ir_blocks *blocks)
{
    if (blocks->n == 0) {
        cs_buf_text(out, "null");
        return;
    }
    for (size_t i = 0; i < blocks->n; i++) {
        cs_buf_byte(out, i > 0 ? ',' : '[');
        write_block(out, blocks->v[i]);
    }
    cs_buf_byte(out, ']');
}

static void write_operand(cs_buf *out, cs_ir_operand o)
{
    if (o.kind == CS_IR_OF_BOOL) {
        cs_buf_printf(out, "{\"type\":\"bool\",\"value\":%s}", o.at ? "true" : "false");
    } else {
        cs_buf_printf(out, "{\"type\":\"%s\",\"value\":%d}", o.kind == CS_IR_OF_LOCAL ? "local" : "string_index", o.at);
    }
}

static void write_list(cs_buf *out, const cs_ir_operands *list, bool numbers)
{
    if (list->v == NULL) {
        cs_buf_text(out, "null");
        return;
    }
    cs_buf_byte(out, '[');
    for (uint32_t i = 0; i < list->n; i++) {
        cs_buf_text(out, i > 0 ? "," : "");
        if (numbers) {
            cs_buf_i64(out, list->v[i].at);
        } else {
            write_operand(out, list->v[i]);
        }
    }
    cs_buf_byte(out, ']');
}

static void write_field(cs_buf *out, cs_ir_type type, const cs_ir_field *f)
{
    switch (type) {
    case CS_IR_A_NOTHING:
        break;
    case CS_IR_A_LOCAL:
    case CS_IR_A_INT:
        cs_buf_i64(out, f->number);
        break;
    case CS_IR_A_OPERAND:
        write_operand(out, f->operand);
        break;
    case CS_IR_A_TEXT:
        cs_json_write_string(out, f->text, CS_JSON_HTML);
        break;
    case CS_IR_A_LOCALS:
    case CS_IR_A_INTS:
        write_list(out, &f->list, true);
        break;
    case CS_IR_A_OPERANDS:
        write_list(out, &f->list, false);
        break;
    case CS_IR_A_ONE_BLOCK:
        write_block(out, f->blocks->v[0]);
        break;
    case CS_IR_A_BLOCKS:
        write_blocks(out, f->blocks);
        break;
    }
}

static void write_place(cs_buf *out, const cs_ir_place *p)
{
    cs_buf_printf(out, "\"file\":%u,\"col\":%u,\"row\":%u,\"end_col\":%u,\"end_row\":%u", p->file, p->col, p->row,
                  p->end_col, p->end_row);
}

static void write_statement(cs_buf *out, const cs_ir_statement *s)
{
    const cs_ir_shape *shape = &cs_ir__shapes[s->kind];
    cs_buf_printf(out, "{\"type\":\"%s\",\"stmt\":{", shape->name);
    if (s->kind == CS_IR_MAKE_NUMBER_REF) {
        /* The one that has its place in front, and its number under a name that it used to have as well. */
        write_place(out, &s->place);
        cs_buf_printf(out, ",\"index\":%d,\"Index\":%d,\"target\":%d}}", (int)s->fields[0].number,
                      (int)s->fields[0].number, (int)s->fields[1].number);
        return;
    }
    for (size_t i = 0; i < 4 && shape->fields[i].type != CS_IR_A_NOTHING; i++) {
        cs_buf_printf(out, "\"%s\":", shape->fields[i].name);
        write_field(out, shape->fields[i].type, &s->fields[i]);
        cs_buf_byte(out, ',');
    }
    write_place(out, &s->place);
    cs_buf_text(out, "}}");
}

static void write_block(cs_buf *out, const cs_ir_block *b)
{
    cs_buf_text(out, "{\"stmts\":[");
    for (size_t i = 0; i < b->n; i++) {
        cs_buf_text(out, i > 0 ? "," : "");
        write_statement(out, b->v[i]);
    }
    cs_buf_text(out, "]}");
}

/* ---- what stands around the code */
static void write_texts(cs_buf *out, const char *name, const cs_slice *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i == 0) {
            cs_buf_printf(out, "\"%s\":[", name);
        } else {
            cs_buf_byte(out, ',');
        }
        cs_buf_text(out, "{\"value\":");
        cs_json_write_string(out, v[i], CS_JSON_HTML);
        cs_buf_byte(out, '}');
    }
    cs_buf_text(out, n > 0 ? "]," : "");
}

static void write_builtins(cs_buf *out, cs_value builtins)
{
    uint32_t n = cs_count(builtins);
    for (uint32_t i = 0; i < n; i++) {
        cs_value decl, name = cs_entry(builtins, i, &decl);
        cs_buf_text(out, i > 0 ? "," : "\"builtin_funcs\":[");
        cs_buf_text(out, "{\"name\":");
        cs_json_write(out, name, CS_JSON_HTML);
        cs_buf_text(out, ",\"decl\":");
        cs_json_write(out, decl, CS_JSON_HTML);
        cs_buf_byte(out, '}');
    }
    cs_buf_text(out, n > 0 ? "]," : "");
}

static void write_function(cs_buf *out, const cs_ir_function *f)
{
    cs_buf_text(out, "{\"name\":");
    cs_json_write_string(out, f->name, CS_JSON_HTML);
    cs_buf_text(out, ",\"params\":");
    write_list(out, &f->params, true);
    cs_buf_printf(out, ",\"return\":%d,\"blocks\":", f->result);
    write_blocks(out, &f->blocks);
    for (uint32_t i = 0; i < f->n_path; i++) {
        cs_buf_text(out, i > 0 ? "," : ",\"path\":[");
        cs_json_write_string(out, f->path[i], CS_JSON_HTML);
    }
    cs_buf_text(out, f->n_path > 0 ? "]}" : "}");
}

static void write_unplanned(cs_buf *out, const cs_ir_policy *p)
{
    for (size_t i = 0; i < p->unplanned.n; i++) {
        cs_buf_text(out, i > 0 ? "," : ",\"unplanned_rules\":[");
        cs_buf_text(out, "{\"path\":");
        cs_json_write_string(out, p->unplanned.v[i].path, CS_JSON_HTML);
        cs_buf_text(out, ",\"location\":{");
        write_place(out, &p->unplanned.v[i].place);
        cs_buf_text(out, "}}");
    }
    cs_buf_text(out, p->unplanned.n > 0 ? "]" : "");
}

/* The last member of an object is followed by a comma: members that may be missing stand in front of it. */
static void drop_comma(cs_buf *out)
{
    if (out->p[out->n - 1] == ',') {
        out->n--;
    }
}

void cs_ir_write_json(const cs_ir_policy *p, cs_buf *out)
{
    cs_buf_text(out, "{\"static\":{");
    write_texts(out, "strings", p->strings.v, p->strings.n);
    write_builtins(out, p->builtins);
    write_texts(out, "files", p->files.v, p->files.n);
    drop_comma(out);
    cs_buf_text(out, "},\"plans\":{\"plans\":");
    for (size_t i = 0; i < p->plans.n; i++) {
        cs_buf_text(out, i > 0 ? ",{\"name\":" : "[{\"name\":");
        cs_json_write_string(out, p->plans.v[i].name, CS_JSON_HTML);
        cs_buf_text(out, ",\"blocks\":");
        write_blocks(out, &p->plans.v[i].blocks);
        cs_buf_byte(out, '}');
    }
    cs_buf_text(out, p->plans.n > 0 ? "]" : "null");
    cs_buf_text(out, "},\"funcs\":{\"funcs\":");
    for (size_t i = 0; i < p->functions.n; i++) {
        cs_buf_byte(out, i > 0 ? ',' : '[');
        write_function(out, p->functions.v[i]);
    }
    cs_buf_text(out, p->functions.n > 0 ? "]}" : "null}");
    write_unplanned(out, p);
    cs_buf_byte(out, '}');
}
