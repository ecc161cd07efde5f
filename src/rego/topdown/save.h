/* Private to rego/topdown: partial evaluation. What is not known is saved instead of evaluated (OPA: save.go and the
 * partial branches of eval.go). All of these but cs_td__saves and cs_td__saves_deep ask that run->partial is set. */
#ifndef CS_REGO_TOPDOWN_SAVE_H
#define CS_REGO_TOPDOWN_SAVE_H

#include "rego/topdown/internal.h"

/* A statement that was saved, with the bindings of its two sides (equal unless it is an equality). NULL: already
 * plugged. */
typedef struct cs_saved {
    cs_expr *expr;
    cs_bindings *b1, *b2;
} cs_saved;

typedef struct cs_unknown { /* what was pushed together */
    cs_terms refs;
    cs_terms vars;
    const cs_bindings *of;
} cs_unknown;

typedef struct cs_disabled {
    bool internal;
    const cs_term *const *refs;
    const uint32_t *n_refs; /* of each ref, how many of its parts count; NULL: all */
    uint32_t n;
    const cs_sym *var;
} cs_disabled;

typedef CS_VEC(cs_saved) cs_saved_query;

/* A collection that was made, and the terms that its parts were (written.c). */
typedef struct cs_made_pair {
    const cs_term *key, *value;
} cs_made_pair;

typedef struct cs_made {
    const cs_term *whole; /* the term of all of it, if there is one */
    cs_value places;      /* key or element → number of its pair */
    CS_VEC(cs_made_pair) pairs;
} cs_made;

struct cs_td_saving {
    const cs_td_partial_options *options;
    CS_VEC(cs_unknown) unknowns;
    CS_VEC(cs_saved_query) stack; /* of queries under construction; the last one takes what is saved */
    CS_VEC(cs_disabled) disabled;
    CS_VEC(cs_module *) support;
    CS_VEC(cs_body) queries;
    const cs_term *name_space; /* a string */
    const cs_sym **live;       /* for copy propagation of the answers */
    uint32_t n_live;
    cs_value made_at; /* address of a collection → number in `made`; undefined while there is none */
    CS_VEC(cs_made *) made;
};

/* ---- save.c: what is unknown */
bool cs_td__saves(const cs_td *run, cs_opd o, const cs_bindings *b); /* a VAR or REF that is unknown */
bool cs_td__saves_deep(const cs_td *run, cs_opd o, cs_bindings *b);  /* or holds such a variable */
void cs_td__unknown_push(cs_td *run, const cs_term *const *terms, uint32_t n, const cs_bindings *b);
void cs_td__unknown_pop(cs_td *run);
/* May the ref be something unknown, whatever its variables are? */
bool cs_td__overlaps_unknown(const cs_td *run, const cs_term *ref, const cs_bindings *b);
bool cs_td__path_is_unknown(const cs_td *run, const cs_opd *path, uint32_t n);
/* Would evaluating it save something? */
bool cs_td__unknown_expr(cs_td_frame *f, const cs_expr *e);
bool cs_td__unknown_body(cs_td_frame *f, cs_body body);
bool cs_td__unknown_opd(cs_td_frame *f, cs_opd o);
bool cs_td__unknown_ref(cs_td_frame *f, const cs_terms *ref, uint32_t n, cs_bindings *b);
bool cs_td__unknown_path(cs_td_frame *f, const cs_opd *path, uint32_t n, cs_bindings *b);
bool cs_td__unknown_keys_of(const cs_td_ref *r, uint32_t from, uint32_t to);

/* ---- inlining */
bool cs_td__shallow(const cs_td *run);
void cs_td__disable(cs_td *run, const cs_disabled *d);
void cs_td__disable_pop(cs_td *run);
bool cs_td__inlining_disabled(cs_td *run, const cs_opd *path, uint32_t n, bool ignore_internal);
bool cs_td__ref_inlining_disabled(const cs_td *run, const cs_terms *ref, uint32_t n, bool ignore_internal);
bool cs_td__opd_inlining_disabled(const cs_td *run, cs_opd o);

/* ---- written.c: places of the parts of values. Without effect outside of partial evaluation. */
/* The collection got an element, or a key with a value (undefined for sets). */
void cs_td__wrote(cs_td *run, cs_value collection, cs_opd key, cs_opd value);
void cs_td__wrote_whole(cs_td *run, cs_opd collection);
const cs_term *cs_td__term_of(cs_td *run, cs_value v);
/* The places of a key (or an element) of a known collection, and of what stands under it (may be NULL). */
void cs_td__part_places(cs_td *run, cs_opd collection, cs_opd *key, cs_opd *value);

/* ---- saving (save_expr.c): pushes the statement, goes on, takes it away again */
cs_go cs_td__save_expr(cs_td_frame *f, cs_expr *e, cs_bindings *b, cs_k *k);
cs_go cs_td__save_expr_with_outputs(cs_td_frame *f, cs_expr *e, cs_bindings *b, cs_k *k);
cs_go cs_td__save_unify(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, cs_k *k);
cs_go cs_td__save_call(cs_td_frame *f, uint32_t arity, const cs_term *const *terms, uint32_t n, cs_k *k);
/* Statements of the caller's own variables, under the `with` of the one at hand. */
cs_go cs_td__save_plugged(cs_td_frame *f, cs_expr *const *v, uint32_t n, cs_k *k);
/* Terms of a query that was saved, in the caller's names; a lone `true` for an empty one. */
cs_body cs_td__saved_body(cs_td *run, const cs_saved_query *q);
cs_expr *cs_td__saved_plug(cs_td *run, const cs_saved *s);
/* Copies whose names are those of the answer's tree: whoever reads it compares addresses. */
cs_term *cs_td__own_term(cs_td *run, const cs_term *t);
cs_expr *cs_td__own_expr(cs_td *run, const cs_expr *e);
void cs_td__query_push(cs_td *run);
cs_saved_query cs_td__query_pop(cs_td *run);

/* ---- save_ref.c: refs into what is unknown */
const cs_term *cs_td__path_term(cs_td *run, const cs_opd *path, uint32_t n, cs_loc loc);
const cs_term *cs_td__ref_term(cs_td *run, const cs_terms *ref);
/* path as far as r->pos, the rest as written. */
const cs_term *cs_td__rest_term(const cs_td_ref *r, const cs_opd *path);
/* The plugged ref if going to `key` leads into something unknown, or NULL. */
const cs_term *cs_td__unknown_part(const cs_td_ref *r, cs_opd key);
/* Keys under r->ref.v[..pos] that only the unknowns have. */
cs_go cs_td__unknown_keys(const cs_td_ref *r, cs_opd term, cs_bindings *tb, cs_go *deferred, cs_k *k);
/* `term` is unknown: the rest of the ref becomes a ref of a variable that stands for it. */
cs_go cs_td__save_rest(const cs_td_ref *r, cs_opd term, cs_bindings *tb, cs_k *k);

/* ---- support.c: rules of the answer */
cs_go cs_td__support_complete(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_k *k);
cs_go cs_td__support_partial(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_value empty, cs_k *k);
cs_go cs_td__support_function(cs_td_frame *f, const cs_td_rules *rules, const cs_term *const *terms, uint32_t n,
                              uint32_t arity, cs_k *k);
void cs_td__support_add(cs_td *run, const cs_term *path, uint32_t n_package, cs_rule *rule);

/* ---- negation.c, saved_logic.c */
cs_go cs_td__not_partial(cs_td_frame *f, cs_k *k);
cs_go cs_td__not_body_partial(cs_td_frame *f, const cs_expr *e, cs_k *k);
/* The statement with its bodies plugged. */
cs_go cs_td__save_logic(cs_td_frame *f, const cs_expr *e, cs_k *k);
cs_go cs_td__every_partial(cs_td_frame *f, const cs_expr *e, bool domain_unknown, cs_k *k);
cs_go cs_td__comprehension_partial(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, bool swap,
                                   cs_k *k);

#endif
