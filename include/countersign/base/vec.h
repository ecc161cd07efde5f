/* Typed growable arrays: CS_VEC(cs_rule *) rules = {0}; CS_VEC_PUSH(&rules, r); rules.v[i]; rules.n;
 * CS_VEC_FREE(&rules). Elements are moved by growth, so keep indexes, not pointers. Owned by whoever declared it. */
#ifndef CS_BASE_VEC_H
#define CS_BASE_VEC_H

#include "countersign/base/arena.h"
#include "countersign/base/mem.h"

#define CS_VEC(type)                                                                                                   \
    struct {                                                                                                           \
        type *v;                                                                                                       \
        size_t n;                                                                                                      \
        size_t cap;                                                                                                    \
    }

#define CS_VEC_PUSH(vec, item)                                                                                         \
    do {                                                                                                               \
        if ((vec)->n == (vec)->cap) {                                                                                  \
            (vec)->cap = (vec)->cap ? (vec)->cap * 2 : 8;                                                              \
            (vec)->v = cs_realloc((vec)->v, (vec)->cap * sizeof *(vec)->v);                                            \
        }                                                                                                              \
        (vec)->v[(vec)->n++] = (item);                                                                                 \
    } while (0)

#define CS_VEC_FREE(vec)                                                                                               \
    do {                                                                                                               \
        cs_free((vec)->v);                                                                                             \
        (vec)->v = NULL;                                                                                               \
        (vec)->n = (vec)->cap = 0;                                                                                     \
    } while (0)

/* The same, growing inside an arena (old storage is left behind until the arena dies). */
#define CS_VEC_PUSH_IN(arena, vec, item)                                                                               \
    do {                                                                                                               \
        if ((vec)->n == (vec)->cap) {                                                                                  \
            size_t cs_vec_cap_ = (vec)->cap ? (vec)->cap * 2 : 4;                                                      \
            void *cs_vec_new_ = cs_arena_alloc((arena), cs_vec_cap_ * sizeof *(vec)->v);                               \
            if ((vec)->n) {                                                                                            \
                memcpy(cs_vec_new_, (vec)->v, (vec)->n * sizeof *(vec)->v);                                            \
            }                                                                                                          \
            (vec)->v = cs_vec_new_;                                                                                    \
            (vec)->cap = cs_vec_cap_;                                                                                  \
        }                                                                                                              \
        (vec)->v[(vec)->n++] = (item);                                                                                 \
    } while (0)

#endif
