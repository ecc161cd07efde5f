/* Calls: of replacements, of the policy's functions, of built-ins (OPA: evalCall, evalBuiltin). */
#include "rego/builtin/granted.h"
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

/* A value in place of the function. */
static cs_go call_value(cs_td_frame *f, uint32_t arity, const cs_term *const *terms, uint32_t n, cs_opd value, cs_k *k)
{
    if (n == arity + 2) {
        return cs_td__biunify(f, cs_opd_of(terms[n - 1]), value, f->b, f->b, k);
    }
    return value.t || cs_truthy(value.v) ? k->run(k) : NULL;
}

/* The replacement itself sees no replacements. */
typedef struct mock_k {
    cs_k k;
    cs_td *run;
    cs_k *then;
} mock_k;

static void hide_mocks(cs_td *run)
{
    CS_VEC_PUSH_IN(run->arena, &run->mocks, ((cs_td_mocks){NULL, 0, true}));
}

static cs_go replacement_done(cs_k *k)
{
    mock_k *m = CS_K_SELF(mock_k, k);
    m->run->mocks.n--;
    cs_go stop = m->then->run(m->then);
    hide_mocks(m->run);
    return stop;
}

static cs_go call_replacement(cs_td_frame *f, const cs_term *replacement, const cs_term *const *terms, uint32_t n,
                              cs_k *k)
{
    const cs_term **v = cs_arena_array(f->run->arena, const cs_term *, n + 1);
    memcpy(v, terms, n * sizeof *v);
    v[0] = replacement;
    mock_k m = {{replacement_done}, f->run, k};
    hide_mocks(f->run);
    cs_go stop = cs_td__call(f, v, n, &m.k);
    f->run->mocks.n--;
    return stop;
}

/* ---- built-ins */
typedef struct built {
    cs_td_frame *f;
    const cs_builtin *b;
    const cs_term *const *terms; /* the operator first */
    uint32_t n;
    uint32_t arity;
    cs_loc loc;
    cs_k *then;
} built;

static cs_go take_result(const built *c, cs_value v)
{
    if (c->b->flags & CS_BUILTIN_VOID) {
        return c->then->run(c->then);
    }
    if (c->n - 1 == c->arity) {
        return cs_truthy(v) ? c->then->run(c->then) : NULL;
    }
    return cs_td__biunify(c->f, cs_opd_of(c->terms[c->n - 1]), cs_opd_value(v), c->f->b, c->f->b, c->then);
}

static cs_go built_in_failed(const built *c, cs_err err, const cs_error *error)
{
    cs_td *run = c->f->run;
    if (err != CS_ERR_EVAL_BUILTIN && err != CS_ERR_EVAL_TYPE) {
        return cs_td__fail(run, c->loc, err, "%s", error->text);
    }
    if (run->eval->builtin_error && !run->quiet_builtins) {
        cs_error told = *error;
        told.code = err;
        cs_td__place(&told, c->loc);
        run->eval->builtin_error(run->eval->builtin_error_self, &told);
    }
    if (run->builtin_err == CS_OK && !run->quiet_builtins) {
        run->builtin_err = err;
        run->builtin_error = *error;
        cs_td__place(&run->builtin_error, c->loc);
    }
    return NULL;
}

/* What walk is told about the output that it will be met with: known keys of the path, and whether paths matter. */
static void walk_hints(const built *c, cs_value *prefix, cs_value *with_paths)
{
    *prefix = cs_null();
    *with_paths = cs_bool(true);
    if (c->n != 3) {
        return;
    }
    cs_opd out = cs_td__plug_term(c->f, c->terms[2]);
    cs_opd path = cs_opd_collection(out) == CS_ARRAY && cs_opd_count(out) == 2 ? cs_opd_item(out, 0) : out;
    if (cs_opd_is(path, CS_TERM_VAR) && cs_sym_is_wildcard(path.t->u.var) && path.t != out.t) {
        *with_paths = cs_bool(false);
    }
}

static cs_go relation(const built *c, cs_value results)
{
    for (uint32_t i = 0; i < cs_count(results); i++) {
        CS_GO(cs_td__step(c->f));
        CS_GO(take_result(c, results.u.items[i]));
    }
    return NULL;
}

static cs_go run_built_in(const built *c)
{
    cs_td *run = c->f->run;
    cs_value args[2];
    uint32_t n = c->b->flags & CS_BUILTIN_VOID ? c->n - 1 : c->arity;
    n = n < c->n - 1 ? n : c->n - 1;
    cs_value *v = cs_arena_array(run->arena, cs_value, n + 3);
    for (uint32_t i = 0; i < n; i++) {
        cs_opd o = cs_td__plug_term(c->f, c->terms[i + 1]);
        if (o.t) {
            return cs_td__fail(run, c->loc, CS_ERR_EVAL_INTERNAL,
                               "built-in function %s called with operand %u that requires evaluation", c->b->name,
                               i + 1);
        }
        v[i] = o.v;
    }
    cs_error error = {0};
    bool is_walk = (c->b->flags & CS_BUILTIN_RELATION) != 0;
    if (is_walk) {
        walk_hints(c, &args[0], &args[1]);
        v[n++] = args[0];
        v[n++] = args[1];
    }
    cs_call call = {.arena = run->arena,
                    .args = v,
                    .n = n,
                    .builtin = c->b,
                    .state = &run->builtins,
                    .file = c->loc.source ? c->loc.source->file : CS_LIT(""),
                    .row = c->loc.row,
                    .e = &error};
    cs_value out = cs_undefined();
    cs_instrument *instrument = run->eval->instrument;
    int64_t start = instrument ? run->host->mono_ns(run->host->self) : 0;
    cs_err err = cs_builtin_call_blocking(&call, run->eval->cancel, &out);
    if (instrument) {
        cs_instrument_op(instrument, "eval_op_builtin_call", run->host->mono_ns(run->host->self) - start);
    }
    if (err != CS_OK) {
        return built_in_failed(c, err, &error);
    }
    if (c->b->flags & CS_BUILTIN_VOID) {
        return take_result(c, out);
    }
    if (cs_is_undefined(out)) {
        return NULL;
    }
    if (strcmp(c->b->name, "trace") == 0 && cs_is(v[0], CS_STRING)) {
        cs_td__event_note(c->f, NULL, c->loc, cs_text(v[0]));
    }
    return is_walk ? relation(c, out) : take_result(c, out);
}

cs_go cs_td__call(cs_td_frame *f, const cs_term *const *terms, uint32_t n, cs_k *k)
{
    const cs_term *operator_term = terms[0];
    cs_td *run = f->run;
    const cs_opd *mock = cs_td__mock(run, operator_term);
    if (mock && cs_opd_is(*mock, CS_TERM_REF) && cs_td__is_function(run, mock->t)) {
        return call_replacement(f, mock->t, terms, n, k);
    }
    if (cs_td__is_root(operator_term->u.list.v[0], "data")) {
        const cs_rule_node *node = cs_td__node_of(run, &operator_term->u.list);
        if (!node || !node->n_rules) {
            return NULL;
        }
        if (mock) {
            return call_value(f, node->rules[0]->head.args.n, terms, n, *mock, k);
        }
        cs_td_rules rules = run->partial ? cs_td__rules(f, node, NULL, 0) : cs_td__rules(f, node, terms + 1, n - 1);
        return cs_td__function(f, &rules, terms, n, k);
    }
    const cs_builtin *b = cs_builtin_granted(run->policy->capabilities, operator_term);
    const cs_expr *e = f->query.v[f->index];
    if (!b || !b->run) {
        cs_slice name = cs_ref_name(run->arena, operator_term);
        return cs_td__fail(run, e->loc, CS_ERR_EVAL_INTERNAL, CS_UNSUPPORTED_BUILTIN,
                           b ? b->name : cs_arena_dup(run->arena, name.p, name.n));
    }
    uint32_t arity = cs_builtin_arity(b);
    if (mock) {
        return call_value(f, arity, terms, n, *mock, k);
    }
    if (run->partial && cs_td__unknown_expr(f, e)) {
        return cs_td__save_call(f, arity, terms, n, k);
    }
    built c = {f, b, terms, n, arity, e->loc, k};
    CS_GO(cs_td__step(f));
    return run_built_in(&c);
}
