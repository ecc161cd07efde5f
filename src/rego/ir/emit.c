/* Statements, constants, and what functions are called with. */
#include "rego/ir/internal.h"

#include "countersign/base/utf8.h"

/* ---- constants */
static int32_t number_of(cs_ir_planner *p, cs_value table, cs_slice s, bool *is_new)
{
    const cs_value *there = cs_object_get(table, cs_string(s));
    *is_new = !there;
    if (there) {
        return (int32_t)there->u.i;
    }
    int32_t n = (int32_t)cs_count(table);
    cs_object_put(p->arena, table, cs_string(s), cs_int(n));
    return n;
}

int32_t cs_ir__string(cs_ir_planner *p, cs_slice s)
{
    bool is_new;
    int32_t n = number_of(p, p->strings, s, &is_new);
    if (is_new) {
        CS_VEC_PUSH_IN(p->arena, &p->out->strings, s);
    }
    return n;
}

cs_ir_operand cs_ir__text_operand(cs_ir_planner *p, cs_slice s)
{
    return (cs_ir_operand){CS_IR_OF_STRING, cs_ir__string(p, s)};
}

static uint32_t file_number(cs_ir_planner *p, cs_slice file)
{
    bool is_new;
    cs_slice name = file.n > 0 ? file : CS_LIT("<query>");
    int32_t n = number_of(p, p->files, name, &is_new);
    if (is_new) {
        CS_VEC_PUSH_IN(p->arena, &p->out->files, name);
    }
    return (uint32_t)n;
}

/* From the node's first character on to behind its last one. */
cs_ir_place cs_ir__place(cs_ir_planner *p, const cs_loc *loc)
{
    cs_slice text = cs_slice_sub(loc->source->text, loc->from, (size_t)loc->from + loc->length);
    cs_ir_place place = {file_number(p, loc->source->file), loc->row, loc->col, loc->row, loc->col};
    size_t line = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n') {
            place.end_row++;
            place.end_col = 1;
            line = i + 1;
        }
    }
    place.end_col += (uint32_t)cs_utf8_count(cs_slice_sub(text, line, text.n));
    return place;
}

/* ---- statements */
cs_ir_block *cs_ir__new_block(cs_ir_planner *p)
{
    return cs_arena_new(p->arena, cs_ir_block);
}

void cs_ir__put(cs_ir_planner *p, cs_ir_block *block, cs_ir_kind kind, bool placed, const cs_ir_field fields[4])
{
    cs_ir_statement *s = cs_arena_new(p->arena, cs_ir_statement);
    s->kind = kind;
    memcpy(s->fields, fields, sizeof s->fields);
    if (placed && p->loc) {
        if (p->loc != p->placed) {
            p->place = cs_ir__place(p, p->loc);
            p->placed = p->loc;
        }
        s->place = p->place;
    }
    CS_VEC_PUSH_IN(p->arena, block, s);
}

cs_ir_field cs_ir__blocks_of(cs_ir_planner *p, cs_ir_block *const *v, size_t n)
{
    cs_ir_blocks *list = cs_arena_new(p->arena, cs_ir_blocks);
    for (size_t i = 0; i < n; i++) {
        CS_VEC_PUSH_IN(p->arena, list, v[i]);
    }
    return (cs_ir_field){.blocks = list};
}

cs_ir_field cs_ir__one(cs_ir_planner *p, cs_ir_block *b)
{
    return cs_ir__blocks_of(p, &b, 1);
}

/* ---- functions */
const cs_sym **cs_ir__function_vars(cs_ir_planner *p, uint32_t *n)
{
    *n = cs_ir__generation(p)->all_vars;
    const cs_sym **vars = (const cs_sym **)cs_arena_zalloc(p->arena, (*n + 1U) * sizeof *vars);
    uint32_t at = 0;
    for (size_t i = 0; i < p->generations.n; i++) {
        for (uint32_t k = 0; k < p->generations.v[i].n_vars; k++) {
            vars[at++] = p->generations.v[i].vars[k];
        }
    }
    return vars;
}

cs_ir_operands cs_ir__default_operands(cs_ir_planner *p)
{
    uint32_t n;
    const cs_sym **vars = cs_ir__function_vars(p, &n);
    cs_ir_operands out = {cs_arena_array(p->arena, cs_ir_operand, n + 1U), n};
    for (uint32_t i = 0; i < n; i++) {
        out.v[i] = cs_ir__operand_of(p, vars[i]);
    }
    return out;
}

/* ---- built-ins */
const cs_builtin *cs_ir__builtin(const cs_ir_planner *p, cs_slice name)
{
    return cs_granted_find(p->policy->capabilities, name);
}

void cs_ir__need(cs_ir_planner *p, const cs_builtin *b)
{
    cs_value name = cs_string(cs_slice_of(b->name));
    if (cs_object_get(p->out->builtins, name)) {
        return;
    }
    cs_value decl = cs_type_to_json(p->arena, cs_builtin_type(b));
    cs_object_put(p->arena, p->out->builtins, name, decl);
}
