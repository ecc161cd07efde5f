/* Private to rego/index. */
#ifndef CS_REGO_INDEX_INTERNAL_H
#define CS_REGO_INDEX_INTERNAL_H

#include "countersign/base/vec.h"
#include "rego/index/index.h"

/* Most ways that a body is followed into before its alternatives are left out (OPA's number). */
#define CS_WAYS_MAX 32U

typedef CS_VEC(cs_constraint) cs_constraint_vec;

/* ---- patterns.c: what a constant pattern demands of the string at `place` */
void cs_index__glob(cs_arena *a, cs_constraint_vec *out, cs_place place, cs_slice pattern, cs_value delimiters);
void cs_index__regex(cs_arena *a, cs_constraint_vec *out, cs_place place, cs_slice pattern);

/* ---- affix.c */
/* Sorts and links; *order[i] is where texts[i] comes to stand. The texts must differ from each other. */
cs_affixes cs_index__affixes(cs_arena *a, const cs_slice *texts, uint32_t n, uint32_t *order);
/* 1 + the longest text that `s` starts with, 0 if there is none; all others are found by way of `outer`. */
uint32_t cs_index__longest(const cs_affixes *affixes, cs_slice s);
cs_slice cs_index__reverse(cs_arena *a, cs_slice s);

#endif
