#include "rego/vm/internal.h"

/* The context whose memory has the results of a code. */
static cs_context *home(cs_context *c, uint32_t code)
{
    while (c->parent && !(c->affected[code / 64] >> code % 64 & 1)) {
        c = c->parent;
    }
    return c;
}

cs_value *cs_vm__memo_slot(cs_run *run, cs_context *c, uint32_t code)
{
    c = home(c, code);
    if (!c->pages) {
        c->pages = cs_arena_array(run->arena, cs_value *, run->program->n_codes / CS_MEMO_PAGE + 1);
    }
    cs_value **page = &c->pages[code / CS_MEMO_PAGE];
    if (!*page) {
        *page = cs_arena_array(run->arena, cs_value, CS_MEMO_PAGE);
    }
    return &(*page)[code % CS_MEMO_PAGE];
}

/* Arguments are the same when they are the same words: equal scalars, or the very same collection. A miss costs a
 * second evaluation, never a wrong answer, and looking never costs more than the words. */
static uint32_t hash_args(uint32_t code, const cs_value *args, uint32_t n)
{
    return cs_hash_bytes(args, n * sizeof *args) ^ (code * 0x9E3779B1U);
}

static bool same_args(const cs_value *a, const cs_value *b, uint32_t n)
{
    return memcmp(a, b, n * sizeof *a) == 0;
}

const cs_value *cs_vm__call_find(cs_run *run, cs_context *c, uint32_t code, const cs_value *args, uint32_t n,
                                 const cs_value **key)
{
    uint32_t hash = hash_args(code, args, n);
    c = home(c, code);
    if (c->calls) {
        for (uint32_t i = hash & c->calls_mask; c->calls[i].args; i = (i + 1) & c->calls_mask) {
            const cs_call_memo *m = &c->calls[i];
            if (m->hash == hash && m->code == code && same_args(m->args, args, n)) {
                return &m->result;
            }
        }
    }
    cs_value *copy = cs_arena_alloc(run->arena, (n + 1) * sizeof *copy);
    memcpy(copy, args, n * sizeof *copy);
    *key = copy;
    return NULL;
}

static void insert(cs_context *c, cs_call_memo m)
{
    uint32_t i = m.hash & c->calls_mask;
    while (c->calls[i].args) {
        i = (i + 1) & c->calls_mask;
    }
    c->calls[i] = m;
}

static void grow(cs_run *run, cs_context *c)
{
    cs_call_memo *old = c->calls;
    uint32_t n = old ? c->calls_mask + 1 : 0;
    uint32_t size = n ? n * 2 : 32;
    c->calls = cs_arena_array(run->arena, cs_call_memo, size);
    c->calls_mask = size - 1;
    for (uint32_t i = 0; i < n; i++) {
        if (old[i].args) {
            insert(c, old[i]);
        }
    }
}

void cs_vm__call_remember(cs_run *run, cs_context *c, uint32_t code, const cs_value *args, uint32_t n, cs_value result)
{
    c = home(c, code);
    if (!c->calls || c->n_calls * 4 >= (c->calls_mask + 1) * 3) {
        grow(run, c);
    }
    c->n_calls++;
    insert(c, (cs_call_memo){.args = args, .code = code, .hash = hash_args(code, args, n), .result = result});
}
