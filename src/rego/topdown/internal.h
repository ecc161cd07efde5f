/* Private to rego/topdown: the functions, by file. */
#ifndef CS_REGO_TOPDOWN_INTERNAL_H
#define CS_REGO_TOPDOWN_INTERNAL_H

#include "rego/topdown/types.h"

/* ---- run.c */
void cs_td__begin(cs_td *run, const cs_td_query *query, const cs_eval *eval, const cs_tracer *tracer);
void cs_td__end(cs_td *run);
/* Runs the frame's body with the events of a query around it. */
cs_go cs_td__run_body(cs_td_frame *f, cs_k *k);
/* The run's error as the caller gets it; CS_OK without one. */
cs_err cs_td__report(cs_td *run, cs_go stop, cs_error *e);
/* Ends the evaluation. */
cs_go cs_td__fail(cs_td *run, cs_loc loc, cs_err err, const char *format, ...) CS_PRINTF(4, 5);
void cs_td__place(cs_error *e, cs_loc loc);
/* Is the C stack used up? Says so at the next step. */
bool cs_td__too_deep(cs_td *run);
/* Counts a step; looks at the limits now and then. */
cs_go cs_td__step(cs_td_frame *f);
cs_go cs_td__early(cs_td_frame *f, cs_go before);
/* An early exit ends here: what stands around it goes, one layer. */
static inline cs_go cs_td__suppress(cs_go stop)
{
    return stop && stop->kind != CS_STOP_ERROR ? stop->before : stop;
}
/* Enumerations go on after a deferred exit and answer it at their end. NULL: go on. */
static inline cs_go cs_td__defer(cs_go *deferred, cs_go stop)
{
    if (stop && stop->kind == CS_STOP_DEFERRED) {
        *deferred = *deferred ? *deferred : stop;
        return NULL;
    }
    return stop;
}
/* A frame for a body inside this one: with the same bindings, or with its own. */
void cs_td__closure(const cs_td_frame *f, cs_body body, cs_td_frame *child);
void cs_td__child(const cs_td_frame *f, cs_body body, cs_td_frame *child, cs_bindings *b);

/* ---- bindings.c */
cs_opd cs_opd_of(const cs_term *t);
static inline cs_opd cs_opd_value(cs_value v)
{
    return (cs_opd){.v = v};
}
static inline bool cs_opd_is(cs_opd o, cs_term_kind kind)
{
    return o.t && o.t->kind == kind;
}
bool cs_opd_is_comprehension(cs_opd o);
/* The kind of a collection, whether term or value; CS_UNDEFINED for anything else. */
cs_kind cs_opd_collection(cs_opd o);
bool cs_opd_equal(cs_opd a, cs_opd b); /* as trees */
/* No variables to bind. */
bool cs_opd_is_ground(cs_opd o);
const cs_term *cs_opd_term(cs_td *run, cs_opd o, cs_loc loc);
bool cs_td__is_root(const cs_term *t, const char *name); /* is it the VAR data or input? */
cs_opd cs_bindings_apply(cs_bindings **b, cs_opd o);
void cs_bindings_bind(cs_td *run, cs_bindings *b, const cs_term *key, cs_opd value, cs_bindings *of, cs_undo *undo);
void cs_td__undo(const cs_undo *undo);
/* Variables replaced by what they are bound to. `caller`: variables that stay get the number of their bindings, unless
 * those are the caller's; NULL = they stay as they are. */
cs_opd cs_bindings_plug(cs_td *run, cs_bindings *b, cs_opd o, const cs_bindings *caller);
static inline cs_opd cs_td__plug(const cs_td_frame *f, cs_opd o)
{
    return o.t ? cs_bindings_plug(f->run, f->b, o, NULL) : o;
}
static inline cs_opd cs_td__plug_term(const cs_td_frame *f, const cs_term *t)
{
    return cs_td__plug(f, cs_opd_of(t));
}
const cs_term *cs_td__namespaced(cs_td *run, const cs_bindings *b, const cs_term *var, const cs_bindings *caller);
const cs_term *cs_td__new_var(cs_td_frame *f, const char *format, ...) CS_PRINTF(2, 3);

/* ---- unify.c */
cs_go cs_td__biunify(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, cs_k *k);
cs_go cs_td__unify(cs_td_frame *f, const cs_term *a, const cs_term *b, cs_k *k);
/* Two lists, item by item. */
cs_go cs_td__biunify_lists(cs_td_frame *f, const cs_opd *a, const cs_opd *b, uint32_t n, cs_bindings *b1,
                           cs_bindings *b2, cs_k *k);
uint32_t cs_opd_count(cs_opd o);                          /* items, or keys */
cs_opd cs_opd_item(cs_opd o, uint32_t i);                 /* of an array or a set */
cs_opd cs_opd_entry(cs_opd o, uint32_t i, cs_opd *value); /* of an object */

/* ---- expr.c */
cs_go cs_td__expr(cs_td_frame *f, cs_k *k); /* the statement at f->index and those after it */
cs_go cs_td__next(cs_td_frame *f, cs_k *k);
/* The statement itself, without its `with`; `advance`: go on with the next one. */
cs_go cs_td__statement(cs_td_frame *f, cs_k *k, bool advance);

/* ---- logic.c */
cs_go cs_td__not(cs_td_frame *f, cs_k *k); /* `not` of the single statement at hand */
cs_go cs_td__not_body(cs_td_frame *f, const cs_expr *e, cs_k *k);
cs_go cs_td__and(cs_td_frame *f, const cs_expr *e, cs_k *k);
cs_go cs_td__or(cs_td_frame *f, const cs_expr *e, cs_k *k);

/* ---- every.c */
cs_go cs_td__every(cs_td_frame *f, const cs_expr *e, cs_k *k);
/* The body that goes through the domain: value = domain[key]. */
cs_body cs_td__every_generator(cs_td *run, const cs_expr *e);

/* ---- with.c */
cs_go cs_td__with(cs_td_frame *f, cs_k *k);
/* The replacement of a function or built-in, or NULL. */
const cs_opd *cs_td__mock(cs_td *run, const cs_term *function);
bool cs_td__is_function(const cs_td *run, const cs_term *ref); /* a function of the policy, or a built-in */
bool cs_td__is_policy_function(const cs_td *run, const cs_term *ref);
/* Is the path at or below something that `with` replaced? */
bool cs_td__replaced(const cs_td *run, const cs_opd *path, uint32_t n);

/* ---- call.c */
cs_go cs_td__call(cs_td_frame *f, const cs_term *const *terms, uint32_t n, cs_k *k);

/* ---- function.c */
cs_go cs_td__function(cs_td_frame *f, const cs_td_rules *rules, const cs_term *const *terms, uint32_t n, cs_k *k);

/* ---- ref.c: a ref whose value is met with rterm */
typedef struct cs_td_ref {
    cs_td_frame *f;
    cs_terms ref;
    uint32_t pos;
    cs_bindings *b;
    cs_opd rterm;
    cs_bindings *rb;
} cs_td_ref;

cs_go cs_td__ref(cs_td_frame *f, const cs_term *ref, cs_opd rterm, cs_bindings *b, cs_bindings *rb, cs_k *k);
/* Goes on inside a term from ref.v[pos]. */
cs_go cs_td__inside(const cs_td_ref *r, cs_opd term, cs_bindings *tb, cs_k *k);

/* ---- tree.c: data */
cs_go cs_td__tree(const cs_td_ref *r, cs_k *k);
const cs_rule_node *cs_td__node_of(const cs_td *run, const cs_terms *ref);

/* ---- complete.c, partial_rule.c: documents of rules; `path` is r->ref plugged, r->pos the place of the rule's name */
cs_go cs_td__complete(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_k *k);
cs_go cs_td__partial_rule(const cs_td_ref *r, cs_opd *path, const cs_td_rules *rules, cs_k *k);

/* ---- base.c */
/* The base document at a path (with replacements), undefined if there is none. False: it is unknown. */
bool cs_td__resolve(const cs_td_frame *f, const cs_opd *path, uint32_t n, cs_value *out);
cs_value cs_td__merge(cs_td *run, cs_value a, cs_value b); /* a wins */

/* ---- rules.c */
/* The definitions at the node that can match; args: those of a call, or NULL. Emits the index event. */
cs_td_rules cs_td__rules(cs_td_frame *f, const cs_rule_node *node, const cs_term *const *args, uint32_t n_args);

/* ---- tables.c */
/* The tables of the run's policy, made if nobody did before. */
void cs_td__tables_use(cs_td *run);
void cs_td__tables_leave(cs_td *run);
const cs_td_index *cs_td__index_of(const cs_td_tables *t, const cs_rule_node *node);
const cs_td_keyed *cs_td__keyed_in(const cs_td_tables *t, const cs_term *comprehension);

/* ---- conflict.c */
typedef struct cs_td_conflicts {
    cs_value values[10];
    cs_loc places[10];
    uint32_t n;
    bool more;
} cs_td_conflicts;
/* The answer of a rule that runs again for its value: adds it; a reason to unwind once there is enough of this rule. */
cs_go cs_td__conflict_take(cs_td_conflicts *c, cs_td_frame *child, const cs_rule *rule);
cs_go cs_td__conflict(cs_td *run, const cs_td_rule *rule);
/* If `stop` is the rule's own conflict, all of the rules are run again to list every value. */
cs_go cs_td__conflict_list(cs_td_frame *f, cs_go stop, const cs_td_rule *rule, const cs_td_rules *rules,
                           cs_go (*again)(void *self, const cs_td_rule *rule, cs_td_conflicts *c, bool *produced),
                           void *self);

/* ---- cache.c */
void cs_td__layer_push(cs_td *run);
void cs_td__layer_pop(cs_td *run);
/* The value remembered under a path, or NULL; *undefined: it is known to have none. Paths that are not ground are not
 * remembered. */
const cs_value *cs_td__memo_get(cs_td *run, const cs_opd *path, uint32_t n, bool *undefined);
void cs_td__memo_put(cs_td *run, const cs_opd *path, uint32_t n, cs_value v); /* undefined: known to be undefined */

/* ---- comprehension.c */
cs_go cs_td__comprehension(cs_td_frame *f, cs_opd a, cs_opd b, cs_bindings *b1, cs_bindings *b2, bool swap, cs_k *k);

/* comprehension_index.c: `ast` of the body's names; rule NULL: a query */
void cs_td__index_comprehensions(cs_td_maker *to, const cs_ast *ast, const cs_rule *rule, cs_body body);
const cs_td_keyed *cs_td__keyed(const cs_td *run, const cs_term *t); /* NULL: it is not indexed */

/* ---- event.c */
void cs_td__event_rule(cs_td_frame *f, cs_trace_op op, const cs_rule *rule);
void cs_td__event_body(cs_td_frame *f, cs_trace_op op, const cs_body *body);
void cs_td__event_expr(cs_td_frame *f, cs_trace_op op, const cs_expr *e);
void cs_td__event_unify(cs_td_frame *f, cs_opd a, cs_opd b);
void cs_td__event_note(cs_td_frame *f, const cs_expr *e, cs_loc loc, cs_slice message);
void cs_td__event_index(cs_td_frame *f, const cs_rule_node *node, const cs_td_rules *matched);
static inline bool cs_td__traced(const cs_td_frame *f)
{
    return f->run->tracer && f->run->tracer->event;
}

#endif
