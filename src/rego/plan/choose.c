/* The switch over bodies: which of them can succeed, by an index. */
#include "rego/plan/internal.h"

bool cs_plan__is_base(const cs_program *program, const cs_value *path, uint32_t n)
{
    uint32_t node = 0;
    for (uint32_t i = 0; i < n; i++) {
        node = cs_plan__node_child(program, node, path[i]);
        if (node == CS_NO_NODE || program->nodes[node].document == CS_NO_CODE) {
            return true;
        }
        if (program->nodes[node].is_rule) {
            return false;
        }
    }
    return false;
}

static bool is_base(void *self, const cs_value *path, uint32_t n)
{
    return cs_plan__is_base(self, path, n);
}

/* Numbers the ground values of the choices: equal ones get the same, others 0. */
static uint32_t *number_values(cs_arena *a, const cs_choice *choices, uint32_t n)
{
    uint32_t *out = cs_arena_array(a, uint32_t, n + 1);
    cs_value numbers = cs_object_new(a, 0);
    for (uint32_t i = 0; i < n; i++) {
        cs_value v;
        if (choices[i].value && cs_term_to_value(a, choices[i].value, &v)) {
            const cs_value *at = cs_object_get(numbers, v);
            out[i] = at ? (uint32_t)at->u.i : cs_count(numbers) + 1;
            cs_object_put(a, numbers, v, cs_int(out[i]));
        }
    }
    return out;
}

static cs_candidates candidates_of(cs_arena *a, const cs_index_list *list, const cs_choice *choices,
                                   const uint32_t *values, uint32_t finish)
{
    uint32_t *labels = cs_arena_array(a, uint32_t, list->n + 1);
    uint32_t same = list->n ? values[list->definitions[0]] : 0;
    for (uint32_t i = 0; i < list->n; i++) {
        labels[i] = choices[list->definitions[i]].label;
        same = values[list->definitions[i]] == same ? same : 0;
    }
    labels[list->n] = finish;
    return (cs_candidates){labels, list->n + 1, same};
}

bool cs_plan__choose(cs_builder *b, const cs_choice *choices, uint32_t n, uint32_t finish, uint32_t *number)
{
    if (n < 2) {
        return false;
    }
    cs_arena *arena = b->p->arena;
    cs_arena work;
    cs_arena_init(&work, 0);
    cs_ways *ways = cs_arena_array(&work, cs_ways, n);
    for (uint32_t i = 0; i < n; i++) {
        void *program = (void *)(uintptr_t)b->p->program; /* read only */
        ways[i] = cs_index_gather(arena, choices[i].args, choices[i].body, is_base, program);
    }
    cs_rule_index index;
    bool built = cs_index_build(arena, ways, n, &index);
    if (built) {
        cs_switch sw = {.root = index.root, .n_lists = index.n_lists};
        sw.lists = cs_arena_array(arena, cs_candidates, index.n_lists);
        uint32_t *values = number_values(&work, choices, n);
        for (uint32_t i = 0; i < index.n_lists; i++) {
            sw.lists[i] = candidates_of(arena, &index.lists[i], choices, values, finish);
        }
        CS_VEC_PUSH_IN(arena, &b->switches, sw);
        *number = (uint32_t)b->switches.n - 1;
    }
    cs_arena_destroy(&work);
    return built;
}
