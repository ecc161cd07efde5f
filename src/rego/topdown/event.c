/* Telling the tracer. */
#include "rego/topdown/internal.h"

static void emit(cs_td_frame *f, cs_trace_event *event)
{
    event->query_id = f->id;
    event->parent_id = f->parent ? f->parent->id : 0;
    event->frame = f;
    if (event->loc.source || event->loc.row) {
        f->last = event->loc;
    } else {
        event->loc = f->last;
    }
    const cs_tracer *tracer = f->run->tracer;
    tracer->event(tracer->self, event);
}

static cs_slice exit_message(const cs_td_frame *f, cs_trace_op op)
{
    return op == CS_TRACE_EXIT && f->find_one ? CS_LIT("early") : CS_LIT("");
}

void cs_td__event_rule(cs_td_frame *f, cs_trace_op op, const cs_rule *rule)
{
    if (cs_td__traced(f)) {
        emit(f, &(cs_trace_event){.op = op, .rule = rule, .loc = rule->loc, .message = exit_message(f, op)});
    }
}

void cs_td__event_body(cs_td_frame *f, cs_trace_op op, const cs_body *body)
{
    if (cs_td__traced(f)) {
        cs_loc loc = body->n ? body->v[0]->loc : (cs_loc){0};
        emit(f, &(cs_trace_event){.op = op, .body = body, .loc = loc, .message = exit_message(f, op)});
    }
}

void cs_td__event_expr(cs_td_frame *f, cs_trace_op op, const cs_expr *e)
{
    if (cs_td__traced(f)) {
        emit(f, &(cs_trace_event){.op = op, .expr = e, .loc = e->loc, .message = exit_message(f, op)});
    }
}

void cs_td__event_unify(cs_td_frame *f, cs_opd a, cs_opd b)
{
    if (cs_td__traced(f)) {
        cs_term *sides[2] = {(cs_term *)(uintptr_t)cs_opd_term(f->run, a, (cs_loc){0}),
                             (cs_term *)(uintptr_t)cs_opd_term(f->run, b, (cs_loc){0})};
        const cs_expr *e = cs_expr_call(f->run->names, "eq", sides, 2, (cs_loc){0});
        emit(f, &(cs_trace_event){.op = CS_TRACE_UNIFY, .expr = e, .message = CS_LIT("")});
    }
}

void cs_td__event_note(cs_td_frame *f, const cs_expr *e, cs_loc loc, cs_slice message)
{
    if (cs_td__traced(f)) {
        emit(f, &(cs_trace_event){.op = CS_TRACE_NOTE, .expr = e, .loc = loc, .message = message});
    }
}

static const cs_term *node_ref(cs_td *run, const cs_rule_node *node)
{
    uint32_t n = 1;
    for (const cs_rule_node *at = node; at->parent; at = at->parent) {
        n++;
    }
    cs_term **v = cs_arena_array(run->arena, cs_term *, n);
    for (uint32_t i = n - 1; i > 0; i--, node = node->parent) {
        v[i] = cs_term_scalar(run->names, node->key, (cs_loc){0});
    }
    v[0] = cs_term_var(run->names, run->names->data, (cs_loc){0});
    return cs_term_list(run->names, CS_TERM_REF, v, n, (cs_loc){0});
}

void cs_td__event_index(cs_td_frame *f, const cs_rule_node *node, const cs_td_rules *matched)
{
    if (!cs_td__traced(f)) {
        return;
    }
    size_t n;
    char *text = cs_arena_printf(f->run->arena, &n, "(matched %u rule%s%s)", matched->n_groups,
                                 matched->n_groups == 1 ? "" : "s", matched->early_exit ? ", early exit" : "");
    const cs_expr *e = f->query.v[f->index];
    emit(f, &(cs_trace_event){.op = CS_TRACE_INDEX,
                              .expr = e,
                              .ref = node_ref(f->run, node),
                              .loc = e->loc,
                              .message = cs_slice_make(text, n)});
}

/* ---- variables */
typedef struct naming {
    const cs_trace_event *event;
    void (*each)(void *self, const cs_term *var, const cs_term *value, cs_slice written, cs_loc loc);
    void *self;
} naming;

static const cs_sym *written_name(const cs_td_frame *f, const cs_term *var)
{
    return cs_local_original(f->run->policy, f->run->query->compiled, var->u.var);
}

/* Variables that the node names and that have no value yet: only the names that their authors gave them are known. */
static bool name_unbound(void *self, cs_term *t)
{
    const naming *n = self;
    const cs_td_frame *f = n->event->frame;
    if (t->kind != CS_TERM_VAR) {
        return true;
    }
    for (uint32_t i = 0; i < f->b->n; i++) {
        if (f->b->v[i].key->u.var == t->u.var) {
            return true;
        }
    }
    const cs_sym *name = written_name(f, t);
    if (name != t->u.var) {
        n->each(n->self, t, NULL, cs_sym_slice(name), t->loc);
    }
    return true;
}

/* The name of the rule is no part of it. */
static void walk_rule(const cs_walker *w, const cs_rule *rule)
{
    for (const cs_rule *r = rule; r; r = r->other) {
        for (uint32_t i = 0; i < r->head.args.n; i++) {
            cs_walk_term(w, r->head.args.v[i]);
        }
        cs_walk_term(w, r->head.key);
        cs_walk_term(w, r->head.value);
        cs_walk_body(w, r->body);
    }
}

static void walk_node(const cs_walker *w, const cs_trace_event *event)
{
    if (event->rule) {
        walk_rule(w, event->rule);
    } else if (event->body) {
        cs_walk_body(w, *event->body);
    } else if (event->expr) {
        cs_walk_expr(w, (cs_expr *)(uintptr_t)event->expr);
    }
}

void cs_trace_locals(const cs_trace_event *event,
                     void (*each)(void *self, const cs_term *var, const cs_term *value, cs_slice written, cs_loc loc),
                     void *self)
{
    const cs_td_frame *f = event->frame;
    cs_td *run = f->run;
    for (uint32_t i = 0; i < f->b->n; i++) {
        const cs_term *key = f->b->v[i].key;
        cs_opd v = cs_td__plug(f, (cs_opd){.t = key, .v = cs_undefined()});
        each(self, key, cs_opd_term(run, v, key->loc), cs_sym_slice(written_name(f, key)), key->loc);
    }
    naming names = {event, each, self};
    walk_node(&(cs_walker){.self = &names, .term = name_unbound}, event);
}

/* ---- documents that are known */
typedef struct documents {
    const cs_trace_event *event;
    void (*each)(void *self, const cs_term *ref, cs_value value);
    void *self;
} documents;

static bool known_document(void *self, cs_term *t)
{
    const documents *d = self;
    if (t->kind != CS_TERM_REF) {
        return true;
    }
    cs_td *run = d->event->frame->run;
    uint32_t n = cs_ref_ground_prefix(t);
    cs_opd *path = cs_arena_array(run->arena, cs_opd, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        path[i] = cs_opd_of(t->u.list.v[i]);
    }
    bool undefined;
    const cs_value *v = cs_td__is_root(t->u.list.v[0], "data") ? cs_td__memo_get(run, path, n, &undefined) : NULL;
    if (v) {
        d->each(d->self, cs_term_list(run->names, CS_TERM_REF, t->u.list.v, n, t->loc), *v);
    }
    return true;
}

void cs_trace_documents(const cs_trace_event *event, void (*each)(void *self, const cs_term *ref, cs_value value),
                        void *self)
{
    documents d = {event, each, self};
    cs_walker w = {.self = &d, .term = known_document};
    walk_node(&w, event);
}
