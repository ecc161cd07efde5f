/* Partial evaluation: not written yet. Full evaluation never comes here (run->partial is NULL). */
#include "rego/topdown/save.h"
bool cs_td__saves(const cs_td *run, cs_opd o, const cs_bindings *b)
{
    (void)run;
    (void)o;
    (void)b;
    return false;
}
bool cs_td__saves_deep(const cs_td *run, cs_opd o, cs_bindings *b)
{
    (void)run;
    (void)o;
    (void)b;
    return false;
}
void cs_td__unknown_push(cs_td *run, const cs_term *const *terms, uint32_t n, const cs_bindings *b)
{
    (void)run;
    (void)terms;
    (void)n;
    (void)b;
}
void cs_td__unknown_pop(cs_td *run)
{
    (void)run;
}
bool cs_td__overlaps_unknown(const cs_td *run, const cs_term *ref, const cs_bindings *b)
{
    (void)run;
    (void)ref;
    (void)b;
    return false;
}
bool cs_td__path_is_unknown(const cs_td *run, const cs_opd *path, uint32_t n)
{
    (void)run;
    (void)path;
    (void)n;
    return false;
}
bool cs_td__unknown_expr(cs_td_frame *f, const cs_expr *e)
{
    (void)f;
    (void)e;
    return false;
}
bool cs_td__unknown_body(cs_td_frame *f, cs_body body)
{
    (void)f;
    (void)body;
    return false;
}
bool cs_td__unknown_opd(cs_td_frame *f, cs_opd o)
{
    (void)f;
    (void)o;
    return false;
}
bool cs_td__unknown_ref(cs_td_frame *f, const cs_terms *ref, uint32_t n, cs_bindings *b)
{
    (void)f;
    (void)ref;
    (void)n;
    (void)b;
    return false;
}
bool cs_td__unknown_path(cs_td_frame *f, const cs_opd *path, uint32_t n, cs_bindings *b)
{
    (void)f;
    (void)path;
    (void)n;
    (void)b;
    return false;
}
bool cs_td__unknown_keys_of(const cs_td_ref *r, uint32_t from, uint32_t to)
{
    (void)r;
    (void)from;
    (void)to;
    return false;
}
bool cs_td__shallow(const cs_td *run)
{
    (void)run;
    return false;
}
void cs_td__disable(cs_td *run, const cs_disabled *d)
{
    (void)run;
    (void)d;
}
void cs_td__disable_pop(cs_td *run)
{
    (void)run;
}
bool cs_td__inlining_disabled(cs_td *run, const cs_opd *path, uint32_t n, bool ignore_internal)
{
    (void)run;
    (void)path;
    (void)n;
    (void)ignore_internal;
    return false;
}
bool cs_td__ref_inlining_disabled(const cs_td *run, const cs_terms *ref, uint32_t n, bool ignore_internal)
{
    (void)run;
    (void)ref;
    (void)n;
    (void)ignore_internal;
    return false;
}
bool cs_td__opd_inlining_disabled(const cs_td *run, cs_opd o)
{
    (void)run;
    (void)o;
    return false;
}
cs_go cs_td__save_expr(cs_td_frame *f, cs_expr *e, cs_bindings *b, cs_k *k)
{
    (void)f;
    (void)e;
    (void)b;
    (void)k;
    return NULL;
}
cs_go cs_td__save_expr_with_outputs(cs_td_frame *f, cs_expr *e, cs_bindings *b, cs_k *k)
{
    (void)f;
    (void)e;
    (void)b;
    (void)k;
    return NULL;
}
cs_go cs_td__save_unify(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, cs_k *k)
{
    (void)f;
    (void)a;
    (void)b;
    (void)b1;
    (void)b2;
    (void)k;
    return NULL;
}
cs_go cs_td__save_call(cs_td_frame *f, uint32_t arity, const cs_term *const *terms, uint32_t n, cs_k *k)
{
    (void)f;
    (void)arity;
    (void)terms;
    (void)n;
    (void)k;
    return NULL;
}
cs_go cs_td__save_plugged(cs_td_frame *f, cs_expr *const *v, uint32_t n, cs_k *k)
{
    (void)f;
    (void)v;
    (void)n;
    (void)k;
    return NULL;
}
cs_body cs_td__saved_body(cs_td *run, const cs_saved_query *q)
{
    (void)run;
    (void)q;
    return (cs_body){0};
}
cs_expr *cs_td__saved_plug(cs_td *run, const cs_saved *s)
{
    (void)run;
    (void)s;
    return NULL;
}
void cs_td__query_push(cs_td *run)
{
    (void)run;
}
cs_saved_query cs_td__query_pop(cs_td *run)
{
    (void)run;
    return (cs_saved_query){0};
}
cs_go cs_td__support_complete(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_k *k)
{
    (void)r;
    (void)path;
    (void)rules;
    (void)k;
    return NULL;
}
cs_go cs_td__support_partial(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_value empty, cs_k *k)
{
    (void)r;
    (void)path;
    (void)rules;
    (void)empty;
    (void)k;
    return NULL;
}
cs_go cs_td__support_function(cs_td_frame *f, const cs_td_rules *rules, const cs_term *const *terms, uint32_t n,
                              uint32_t arity, cs_k *k)
{
    (void)f;
    (void)rules;
    (void)terms;
    (void)n;
    (void)arity;
    (void)k;
    return NULL;
}
void cs_td__support_add(cs_td *run, const cs_term *path, uint32_t n_package, cs_rule *rule)
{
    (void)run;
    (void)path;
    (void)n_package;
    (void)rule;
}
cs_go cs_td__not_partial(cs_td_frame *f, cs_k *k)
{
    (void)f;
    (void)k;
    return NULL;
}
cs_go cs_td__not_body_partial(cs_td_frame *f, const cs_expr *e, cs_k *k)
{
    (void)f;
    (void)e;
    (void)k;
    return NULL;
}
cs_go cs_td__save_logic(cs_td_frame *f, const cs_expr *e, cs_k *k)
{
    (void)f;
    (void)e;
    (void)k;
    return NULL;
}
cs_go cs_td__every_partial(cs_td_frame *f, const cs_expr *e, bool domain_unknown, cs_k *k)
{
    (void)f;
    (void)e;
    (void)domain_unknown;
    (void)k;
    return NULL;
}
cs_go cs_td__comprehension_partial(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, bool swap,
                                   cs_k *k)
{
    (void)f;
    (void)a;
    (void)b;
    (void)b1;
    (void)b2;
    (void)swap;
    (void)k;
    return NULL;
}
