/* Sets of names, and numbers for addresses: what the stages keep while they work. */
#include "rego/compile/internal.h"

enum { IN_A_ROW = 12 };

static uint32_t *slot_of(const cs_syms *s, const cs_sym *sym)
{
    uint32_t i = sym->hash & s->mask;
    while (s->slots[i] && s->v[s->slots[i] - 1].sym != sym) {
        i = (i + 1) & s->mask;
    }
    return &s->slots[i];
}

static void reindex(cs_syms *s, uint32_t size)
{
    s->slots = cs_arena_array(s->arena, uint32_t, size);
    s->mask = size - 1;
    for (uint32_t i = 0; i < s->n; i++) {
        *slot_of(s, s->v[i].sym) = i + 1;
    }
}

cs_syms_item *cs_syms__find(const cs_syms *s, const cs_sym *sym)
{
    if (s->slots) {
        uint32_t at = *slot_of(s, sym);
        return at ? &s->v[at - 1] : NULL;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->v[i].sym == sym) {
            return &s->v[i];
        }
    }
    return NULL;
}

cs_syms_item *cs_syms__add(cs_syms *s, const cs_sym *sym)
{
    cs_syms_item *item = cs_syms__find(s, sym);
    if (item) {
        return item;
    }
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 4;
        cs_syms_item *v = cs_arena_array(s->arena, cs_syms_item, cap);
        if (s->n) {
            memcpy(v, s->v, s->n * sizeof *v);
        }
        s->v = v;
        s->cap = cap;
    }
    s->v[s->n++] = (cs_syms_item){sym, NULL};
    if (s->slots && s->n * 2 <= s->mask) {
        *slot_of(s, sym) = s->n;
    } else if (s->n > IN_A_ROW) {
        reindex(s, s->slots ? (s->mask + 1) * 2 : 64);
    }
    return &s->v[s->n - 1];
}

void cs_syms__put(cs_syms *s, const cs_sym *sym, void *value)
{
    cs_syms__add(s, sym)->value = value;
}

void cs_syms__drop(cs_syms *s, const cs_sym *sym)
{
    cs_syms_item *item = cs_syms__find(s, sym);
    if (!item) {
        return;
    }
    *item = s->v[--s->n];
    if (s->slots) {
        memset(s->slots, 0, (s->mask + 1U) * sizeof *s->slots);
        for (uint32_t i = 0; i < s->n; i++) {
            *slot_of(s, s->v[i].sym) = i + 1;
        }
    }
}

void cs_syms__add_all(cs_syms *to, const cs_syms *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        cs_syms__add(to, from->v[i].sym)->value = from->v[i].value;
    }
}

bool cs_syms__within(const cs_syms *s, const cs_syms *of)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (!cs_syms__has(of, s->v[i].sym)) {
            return false;
        }
    }
    return true;
}

/* An insertion sort: these sets are what one statement contains. */
void cs_syms__sort(cs_syms *s)
{
    for (uint32_t i = 1; i < s->n; i++) {
        cs_syms_item item = s->v[i];
        uint32_t j = i;
        while (j > 0 && cs_slice_compare(cs_sym_slice(s->v[j - 1].sym), cs_sym_slice(item.sym)) > 0) {
            s->v[j] = s->v[j - 1];
            j--;
        }
        s->v[j] = item;
    }
    if (s->slots) {
        reindex(s, s->mask + 1);
    }
}

static uint32_t pointer_slot(const cs_pointers *m, const void *key)
{
    uint64_t h = (uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t i = (uint32_t)(h >> 32) & m->mask;
    while (m->keys[i] && m->keys[i] != key) {
        i = (i + 1) & m->mask;
    }
    return i;
}

void cs_pointers__put(cs_pointers *m, const void *key, uint32_t value)
{
    if (!m->keys || m->n * 2 > m->mask) {
        cs_pointers old = *m;
        uint32_t size = m->keys ? (m->mask + 1) * 2 : 64;
        m->keys = (const void **)cs_arena_zalloc(m->arena, size * sizeof(void *));
        m->values = cs_arena_array(m->arena, uint32_t, size);
        m->mask = size - 1;
        for (uint32_t i = 0; old.keys && i <= old.mask; i++) {
            if (old.keys[i]) {
                uint32_t at = pointer_slot(m, old.keys[i]);
                m->keys[at] = old.keys[i];
                m->values[at] = old.values[i];
            }
        }
    }
    uint32_t at = pointer_slot(m, key);
    m->n += m->keys[at] == NULL;
    m->keys[at] = key;
    m->values[at] = value;
}

uint32_t cs_pointers__get(const cs_pointers *m, const void *key)
{
    if (!m->keys) {
        return UINT32_MAX;
    }
    uint32_t at = pointer_slot(m, key);
    return m->keys[at] ? m->values[at] : UINT32_MAX;
}
