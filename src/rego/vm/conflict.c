/* Conflicts of complete rules and functions. The first one does not end the evaluation of the document: the other
 * definitions run, so that the error can list every value and where it came from (OPA v1/topdown/conflicts.go). */
#include "rego/vm/internal.h"

void cs_vm__conflict(cs_run *run, cs_frame *f, cs_value first, uint32_t first_def, cs_value value, uint32_t def)
{
    cs_conflict *c = f->conflict;
    if (!c) {
        c = f->conflict = cs_arena_new(run->arena, cs_conflict);
        c->values[0] = first;
        c->defs[0] = first_def;
        c->n = 1;
    }
    for (uint32_t i = 1; i < c->n; i++) {
        if (c->defs[i] == def) {
            return; /* one from each definition is enough to point at it */
        }
    }
    if (c->n == CS_CONFLICTS_MAX) {
        c->more = true;
        return;
    }
    c->values[c->n] = value;
    c->defs[c->n++] = def;
}

static bool stands_before(const cs_loc *a, const cs_loc *b)
{
    uint32_t x = a->source ? a->source->index : 0;
    uint32_t y = b->source ? b->source->index : 0;
    return x != y ? x < y : a->row != b->row ? a->row < b->row : a->col < b->col;
}

static void sort_by_place(const cs_code *code, cs_conflict *c)
{
    for (uint32_t i = 1; i < c->n; i++) {
        for (uint32_t j = i; j > 0 && stands_before(&code->defs[c->defs[j]], &code->defs[c->defs[j - 1]]); j--) {
            cs_value v = c->values[j];
            uint32_t d = c->defs[j];
            c->values[j] = c->values[j - 1];
            c->defs[j] = c->defs[j - 1];
            c->values[j - 1] = v;
            c->defs[j - 1] = d;
        }
    }
}

/* Long values are cut to so many characters, so that an error stays readable. */
#define VALUE_TEXT_MAX 80U

cs_err cs_vm__key_conflict(cs_run *run, const cs_loc *where)
{
    run->err = cs_fail(&run->error, CS_ERR_EVAL_CONFLICT, "object keys must be unique");
    cs_vm__place(where, &run->error);
    return run->err;
}

cs_err cs_vm__conflict_error(cs_run *run, const cs_frame *f)
{
    cs_conflict *c = f->conflict;
    const cs_code *code = f->code;
    cs_loc where = code->defs[c->defs[1]];
    cs_buf text;
    if (code->is_part) { /* then it is the object whose key has two values */
        return cs_vm__key_conflict(run, &where);
    }
    cs_buf_init(&text);
    sort_by_place(code, c);
    cs_buf_text(&text, code->kind == CS_CODE_FUNCTION ? "function " : "rule ");
    cs_buf_slice(&text, code->name);
    cs_buf_text(&text, code->kind == CS_CODE_FUNCTION ? " produced conflicting values for the same inputs:"
                                                      : " produced conflicting values:");
    for (uint32_t i = 0; i < c->n; i++) {
        const cs_loc *loc = &code->defs[c->defs[i]];
        cs_buf_text(&text, "\n  ");
        cs_value_print_line(&text, c->values[i], VALUE_TEXT_MAX);
        cs_buf_text(&text, " at ");
        cs_buf_slice(&text, loc->source ? loc->source->file : CS_LIT(""));
        cs_buf_printf(&text, ":%u", loc->row);
    }
    if (c->more) {
        cs_buf_text(&text, "\n  ...");
    }
    run->err = cs_fail(&run->error, CS_ERR_EVAL_CONFLICT, "%.*s", CS_FMT(cs_buf_view(&text)));
    cs_vm__place(&where, &run->error);
    cs_buf_destroy(&text);
    return run->err;
}
