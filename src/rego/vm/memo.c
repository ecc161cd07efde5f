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

/* Longer strings are the same only if they are the very same. */
#define TEXT_MAX 256U

/* Arguments are the same when they are the same words (equal scalars, the very same collection), or short strings of
 * the same bytes. A miss costs a second evaluation, never a wrong answer, and looking never costs more than that. */
static uint32_t hash_args(uint32_t code, const cs_value *args, uint32_t n)
{
    uint32_t hash = code * 0x9E3779B1U;
    for (uint32_t i = 0; i < n; i++) {
        bool text = args[i].kind == CS_STRING && args[i].n <= TEXT_MAX;
        uint32_t one = text ? cs_hash_bytes(args[i].u.s, args[i].n) : cs_hash_bytes(&args[i], sizeof *args);
        hash = (hash ^ one) * 0x85EBCA6BU;
        hash ^= hash >> 15;
    }
    return hash;
}

static bool same_args(const cs_value *a, const cs_value *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        bool texts = a[i].kind == CS_STRING && b[i].kind == CS_STRING && a[i].n == b[i].n && a[i].n <= TEXT_MAX;
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(texts && memcmp(a[i].u.s, b[i].u.s, a[i].n) == 0)) {
            return false;
        }
    }
    return true;
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
