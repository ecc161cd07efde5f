/* Private to rego/topdown: which definitions of a document can match (OPA: v1/ast/index.go). Every definition has
 * alternatives, each a list of what it demands of places; those that no answer of the places fits are left out. OPA
 * keeps a trie for it; here a table finds the definitions that demand the right constant of the best place, or none of
 * it, and each of those is looked at in turn, with the same outcome.
 *
 * All of it is made once a policy, at its first walk, and then only read (tables.c). */
#ifndef CS_REGO_TOPDOWN_INDEX_H
#define CS_REGO_TOPDOWN_INDEX_H

#include "rego/topdown/internal.h"

typedef struct cs_td_place { /* input.a.b, data.a.b, or an argument */
    bool on_argument;
    uint32_t argument;
    const cs_term *ref; /* otherwise */
    uint32_t count;     /* how many definitions it tells apart */
    uint32_t spread;    /* 1: some definition takes several values; 2: and cannot be narrowed further after it */
    bool valued;        /* somebody demands a value, not just that there is one */
} cs_td_place;

typedef enum cs_td_demand {
    CS_DEMAND_ANY,    /* it is there. `value` is the variable that takes it, if one does */
    CS_DEMAND_EQUAL,  /* a scalar, or an array pattern whose variables stand for anything */
    CS_DEMAND_MEMBER, /* a collection that holds the scalar */
    CS_DEMAND_PREFIX,
    CS_DEMAND_SUFFIX,
    CS_DEMAND_GLOB /* a string that, cut at `delimiters`, is the array */
} cs_td_demand;

typedef struct cs_td_want {
    uint32_t place;
    cs_td_demand demand;
    cs_opd value;
    cs_slice delimiters;
} cs_td_want;

typedef CS_VEC(cs_td_want) cs_td_wants;
typedef CS_VEC(cs_td_wants) cs_td_alternatives;

typedef struct cs_td_key_of {
    uint32_t key;              /* a place */
    const cs_term *collection; /* base data */
} cs_td_key_of;

typedef struct cs_td_entry {
    cs_td_rule rule;
    cs_td_alternatives ways; /* none: it always can match */
    CS_VEC(cs_td_key_of) keys;
    uint32_t chain; /* number of the entry that its chain of `else` begins with */
} cs_td_entry;

typedef CS_VEC(uint32_t) cs_td_numbers;

struct cs_td_index {
    CS_VEC(cs_td_place) places;
    cs_value by_key; /* object: what tells a place from others → its number; while the index is made */
    /* The entries by the constant that they demand of the place `best`, and those that demand none. */
    bool chooses;
    uint32_t best;
    cs_value by_value; /* object: constant → number of a list */
    CS_VEC(cs_td_numbers) lists;
    cs_td_numbers others;
    CS_VEC(cs_td_entry) entries;
    cs_td_rule otherwise;
    bool has_otherwise;
    bool multi_value;
    bool only_ground_refs;
    bool may_exit_early;
};

/* constraints.c: what a rule demands */
void cs_td__constraints(cs_td_maker *to, cs_td_index *index, cs_td_entry *entry);

/* tables.c */
/* Is it known beforehand that the rules give one value? *value is that of those before. */
bool cs_td__agree(const cs_rule *rule, const cs_term **value);

/* Cuts at unescaped delimiters. */
cs_value cs_td__cut(cs_arena *a, cs_slice s, cs_slice delimiters);

#endif
