/* Partial evaluation for data filters: targets, what annotations say, hints about misspelt unknowns. */
#include "countersign/partial.h"

#include <stdlib.h>

#include "rego/partial.h"
#include "rego/syntax/annotate.h"

static cs_filter_target of(const cs_partial_target *t)
{
    return (cs_filter_target){t->target, t->dialect};
}

cs_err cs_partial_check_target(const cs_partial_target *target, cs_error *e)
{
    cs_filter_target t = of(target);
    return cs_filter_check_target(&t, e);
}

cs_err cs_partial_check(const cs_partial *p, const cs_partial_target *targets, size_t n, cs_value mappings,
                        cs_errors *errors)
{
    cs_filter_target *t = cs_arena_array(p->arena, cs_filter_target, n + 1);
    for (size_t i = 0; i < n; i++) {
        t[i] = of(&targets[i]);
    }
    return cs_filter_check(p->arena, &p->result, t, n, mappings, errors);
}

cs_err cs_partial_filter(const cs_partial *p, const cs_partial_target *target, cs_value mappings, cs_value *out,
                         cs_error *e)
{
    cs_filter_target t = of(target);
    cs_value names;
    if (p->result.n_queries == 0) {
        *out = cs_undefined();
        return CS_OK;
    }
    CS_TRY(cs_filter_mappings(mappings, &t, &names, e));
    return cs_filter_translate(p->arena, &p->result, &t, names, out, e);
}

/* ---- annotations, from the rule outward (OPA: AnnotationSet.Chain) */
typedef CS_VEC(const cs_annotation *) annotations;

static void take(cs_arena *a, annotations *out, const cs_annotation *v, uint32_t n, const char *scope)
{
    for (uint32_t i = n; i-- > 0;) { /* the closest to the rule comes first */
        if (cs_slice_is(v[i].scope, scope)) {
            CS_VEC_PUSH_IN(a, out, &v[i]);
        }
    }
}

static bool is_prefix(const cs_term *a, const cs_term *of)
{
    bool same = a->u.list.n <= of->u.list.n;
    for (uint32_t i = 1; i < a->u.list.n && same; i++) {
        same = cs_term_equal(a->u.list.v[i], of->u.list.v[i]);
    }
    return same;
}

/* Of packages: of the rule's own, then of those above it that speak for what is below. */
static void take_packages(cs_partial *p, annotations *out, const cs_module *m)
{
    const cs_compiled *c = p->policy->compiled;
    for (uint32_t i = 0; i < c->n_modules; i++) {
        const cs_module *other = c->modules[i];
        if (other->package->u.list.n == m->package->u.list.n && is_prefix(other->package, m->package)) {
            take(p->arena, out, other->annotations, other->n_annotations, "package");
        }
    }
    for (uint32_t n = m->package->u.list.n; n > 0; n--) {
        for (uint32_t i = 0; i < c->n_modules; i++) {
            const cs_module *other = c->modules[i];
            if (other->package->u.list.n == n && is_prefix(other->package, m->package)) {
                take(p->arena, out, other->annotations, other->n_annotations, "subpackages");
            }
        }
    }
}

static const cs_rule *chain_of(cs_partial *p, const cs_value *path, size_t n, annotations *out)
{
    const cs_rule_node *node = cs_rule_node_at(p->policy->compiled, path, n);
    if (!node || node->n_rules == 0) {
        return NULL;
    }
    const cs_rule *rule = node->rules[0];
    take(p->arena, out, rule->annotations, rule->n_annotations, "rule");
    for (uint32_t i = 0; i < node->n_rules; i++) {
        take(p->arena, out, node->rules[i]->annotations, node->rules[i]->n_annotations, "document");
    }
    take_packages(p, out, rule->module);
    return rule;
}

/* [{"type": "var", "value": "input"}, {"type": "string", "value": "a"}] → input.a; NULL for anything else. */
static cs_term *ref_of_json(cs_partial *p, cs_value list)
{
    uint32_t n = cs_count(list);
    cs_term **items = cs_arena_array(p->arena, cs_term *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const cs_value *type = cs_object_get_text(list.u.items[i], "type");
        const cs_value *value = cs_object_get_text(list.u.items[i], "value");
        if (!type || !value || cs_is(*value, CS_ARRAY)) {
            return NULL;
        }
        bool var = cs_slice_is(cs_text(*type), "var");
        items[i] = var ? cs_term_var(&p->ast, cs_sym_get(&p->ast, cs_text(*value)), (cs_loc){0})
                       : cs_term_scalar(&p->ast, *value, (cs_loc){0});
    }
    return n ? cs_term_list(&p->ast, CS_TERM_REF, items, n, (cs_loc){0}) : NULL;
}

static bool is_rooted(const cs_partial *p, const cs_term *ref, bool input)
{
    const cs_term *head = ref->u.list.v[0];
    return head->kind == CS_TERM_VAR && (head->u.var == p->ast.data || (input && head->u.var == p->ast.input));
}

static void unknowns_of(cs_partial *p, const cs_annotation *at, cs_value compile, cs_errors *errors)
{
    const cs_value *list = cs_is(compile, CS_OBJECT) ? cs_object_get_text(compile, "unknowns") : NULL;
    for (uint32_t i = 0; list && i < cs_count(*list); i++) {
        cs_term *ref = ref_of_json(p, list->u.items[i]);
        if (!ref) {
            continue;
        }
        if (is_rooted(p, ref, true)) {
            cs_partial__add_unknown(p, ref);
            continue;
        }
        cs_buf text;
        cs_buf_init(&text);
        cs_term_print(&text, ref);
        cs_slice file = at->loc.source ? at->loc.source->file : CS_LIT("");
        (void)cs_errors_add(errors, CS_ERR_INVALID_UNKNOWN, file, at->loc.row, at->loc.col, CS_LIT(""),
                            "unknowns must be prefixed with `input` or `data`: %s", cs_buf_cstr(&text));
        cs_buf_destroy(&text);
    }
}

static cs_slice ref_text(cs_partial *p, const cs_term *ref)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_term_print(&b, ref);
    cs_slice text = cs_slice_make(cs_arena_dup(p->arena, cs_buf_view(&b).p, b.n), b.n);
    cs_buf_destroy(&b);
    return text;
}

/* A name in the package of the rule. */
static cs_term *in_package(cs_partial *p, const cs_module *m, const cs_term *ref)
{
    uint32_t n = m->package->u.list.n, k = ref->u.list.n;
    cs_term **items = cs_arena_array(p->arena, cs_term *, n + k);
    memcpy(items, m->package->u.list.v, n * sizeof *items);
    memcpy(items + n, ref->u.list.v, k * sizeof *items);
    if (items[n]->kind == CS_TERM_VAR) {
        items[n] = cs_term_string(&p->ast, cs_sym_slice(items[n]->u.var), (cs_loc){0});
    }
    return cs_term_list(&p->ast, CS_TERM_REF, items, n + k, (cs_loc){0});
}

cs_err cs_partial_annotated(cs_partial *p, const cs_value *path, size_t n, bool unknowns, cs_slice *mask_rule,
                            cs_errors *errors)
{
    annotations chain = {0};
    const cs_rule *rule = chain_of(p, path, n, &chain);
    if (mask_rule) {
        *mask_rule = CS_LIT("");
    }
    for (size_t i = 0; rule && i < chain.n; i++) {
        cs_value compile = cs_annotation_get(chain.v[i], "compile");
        if (unknowns) {
            unknowns_of(p, chain.v[i], compile, errors);
        }
        const cs_value *mask = cs_is(compile, CS_OBJECT) ? cs_object_get_text(compile, "mask_rule") : NULL;
        cs_term *ref = mask && mask_rule && mask_rule->n == 0 ? ref_of_json(p, *mask) : NULL;
        if (ref) {
            *mask_rule = ref_text(p, is_rooted(p, ref, false) ? ref : in_package(p, rule->module, ref));
        }
    }
    return errors->n ? CS_ERR_INVALID_UNKNOWN : CS_OK;
}

/* ---- names that are nearly right */
/* How many insertions, removals and replacements of bytes lead from a to b. */
static size_t distance(cs_arena *arena, cs_slice a, cs_slice b)
{
    size_t *row = cs_arena_array(arena, size_t, b.n + 1);
    for (size_t j = 0; j <= b.n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b.n];
}

typedef CS_VEC(cs_slice) slices;

static int by_text(const void *x, const void *y)
{
    return cs_slice_compare(*(const cs_slice *)x, *(const cs_slice *)y);
}

/* The candidates that are closest, within `most`; sorted. */
static slices closest(cs_arena *a, cs_slice to, const slices *candidates, size_t most)
{
    slices found = {0};
    for (size_t i = 0; i < candidates->n; i++) {
        cs_arena_mark mark = cs_arena_mark_now(a);
        size_t d = distance(a, to, candidates->v[i]);
        cs_arena_rewind(a, mark);
        if (d > most) {
            continue;
        }
        if (d < most) {
            found.n = 0;
        }
        most = d;
        CS_VEC_PUSH_IN(a, &found, candidates->v[i]);
    }
    if (found.n) {
        qsort(found.v, found.n, sizeof *found.v, by_text);
    }
    return found;
}

/* "a" or "one of [a b]". */
static void print_proposals(cs_buf *out, const slices *found, const char *many)
{
    if (found->n == 1) {
        cs_buf_slice(out, found->v[0]);
        return;
    }
    cs_buf_text(out, many);
    for (size_t i = 0; i < found->n; i++) {
        cs_buf_text(out, i ? " " : "");
        cs_buf_slice(out, found->v[i]);
    }
    cs_buf_byte(out, ']');
}

enum { HINT_RULES = 10000, HINT_DISTANCE = 3 };

static cs_err wrong_mask(cs_partial *p, cs_slice text, cs_error *e)
{
    const cs_compiled *c = p->policy->compiled;
    slices names = {0};
    for (uint32_t i = 0; i < c->n_modules; i++) {
        for (uint32_t j = 0; j < c->modules[i]->n_rules && names.n < HINT_RULES; j++) {
            const cs_rule *r = c->modules[i]->rules[j];
            size_t n;
            const cs_term *name = r->head.ref->u.list.v[0];
            bool named = r->head.shows_name && name->kind == CS_TERM_VAR;
            const char *full = cs_arena_printf(p->arena, &n, "%.*s.%s", CS_FMT(ref_text(p, r->module->package)),
                                               named ? name->u.var->s : "");
            if (!r->is_default) {
                CS_VEC_PUSH_IN(p->arena, &names, cs_slice_make(full, n));
            }
        }
    }
    slices found = closest(p->arena, text, &names, 65536);
    size_t kept = 0;
    for (size_t i = 0; i < found.n; i++) {
        if (kept == 0 || !cs_slice_eq(found.v[kept - 1], found.v[i])) {
            found.v[kept++] = found.v[i];
        }
    }
    found.n = kept;
    cs_buf words;
    cs_buf_init(&words);
    if (found.n) {
        cs_buf_printf(&words, "%.*s undefined, did you mean ", CS_FMT(text));
        print_proposals(&words, &found, "one of [");
        cs_buf_byte(&words, '?');
    }
    cs_err err = cs_fail(e, CS_ERR_INVALID, "error(s) occurred while parsing mask_rule name: %s", cs_buf_cstr(&words));
    cs_buf_destroy(&words);
    return err;
}

cs_err cs_partial_mask_ref(cs_partial *p, cs_slice text, const cs_value *path, size_t n, cs_slice *out, cs_error *e)
{
    cs_slice full = text;
    if (!cs_slice_starts(text, CS_LIT("data."))) {
        size_t length;
        const char *s =
            cs_arena_printf(p->arena, &length, "%.*s.%.*s",
                            CS_FMT(ref_text(p, cs_partial__path_ref(p, path, n ? n - 1 : 0))), CS_FMT(text));
        full = cs_slice_make(s, length);
    }
    cs_term *ref;
    if (cs_partial__parse_ref(p, full, &ref, NULL) != CS_OK) {
        return wrong_mask(p, text, e);
    }
    *out = full;
    return CS_OK;
}

static void on_event(void *self, const cs_trace_event *event)
{
    cs_partial *p = self;
    if (event->op == CS_TRACE_FAIL && event->expr && event->expr->kind == CS_EXPR_CALL) {
        cs_partial__failure f = {event->expr, event->expr->loc};
        CS_VEC_PUSH_IN(p->arena, &p->failures, f);
    }
    if (p->tracer) {
        p->tracer->event(p->tracer->self, event);
    }
}

cs_tracer cs_partial__tracer(cs_partial *p, const cs_tracer *next)
{
    cs_tracer t = next ? *next : (cs_tracer){0};
    p->tracer = next;
    t.self = p;
    t.event = on_event;
    return t;
}

static bool is_name(const cs_term *t, const char *name)
{
    return t->kind == CS_TERM_VAR && cs_slice_is(cs_sym_slice(t->u.var), name);
}

/* The ref of the input in a statement: with calls taken apart there is at most one. */
static const cs_term *input_ref(const cs_expr *e)
{
    const cs_term *ref = NULL;
    for (uint32_t i = 1; i < e->u.call.n; i++) {
        const cs_term *t = e->u.call.v[i];
        if (t->kind == CS_TERM_REF && is_name(t->u.list.v[0], "input")) {
            ref = t;
        }
    }
    return ref && ref->u.list.n > 1 && cs_term_is_string(ref->u.list.v[1]) ? ref : NULL;
}

static bool has_slice(const slices *list, cs_slice s)
{
    for (size_t i = 0; i < list->n; i++) {
        if (cs_slice_eq(list->v[i], s)) {
            return true;
        }
    }
    return false;
}

static cs_value hint(cs_partial *p, const cs_partial__failure *f, const cs_term *ref, const slices *names)
{
    slices proposals = {0};
    for (size_t i = 0; i < names->n; i++) {
        cs_term other = *ref;
        other.u.list.v = cs_arena_array(p->arena, cs_term *, ref->u.list.n);
        memcpy(other.u.list.v, ref->u.list.v, ref->u.list.n * sizeof(cs_term *));
        other.u.list.v[1] = cs_term_string(&p->ast, names->v[i], (cs_loc){0});
        CS_VEC_PUSH_IN(p->arena, &proposals, ref_text(p, &other));
    }
    cs_buf words;
    cs_buf_init(&words);
    cs_buf_printf(&words, "%.*s undefined, did you mean ", CS_FMT(ref_text(p, ref)));
    print_proposals(&words, &proposals, "any of [");
    cs_buf_byte(&words, '?');
    cs_value item = cs_object_new(p->arena, 2);
    cs_object_put_text(p->arena, item, "message", cs_string_copy(p->arena, cs_buf_view(&words)));
    cs_buf_destroy(&words);
    if (f->loc.row) {
        cs_value at = cs_object_new(p->arena, 3);
        cs_slice file = f->loc.source ? f->loc.source->file : CS_LIT("");
        cs_object_put_text(p->arena, at, "file", cs_string_copy(p->arena, file));
        cs_object_put_text(p->arena, at, "row", cs_int(f->loc.row));
        cs_object_put_text(p->arena, at, "col", cs_int(f->loc.col));
        cs_object_put_text(p->arena, item, "location", at);
    }
    return item;
}

cs_value cs_partial_hints(const cs_partial *given)
{
    cs_partial *p = (cs_partial *)(uintptr_t)given;
    slices names = {0}, seen = {0};
    cs_vec_values out = {0};
    for (size_t i = 0; i < p->unknowns.n; i++) {
        const cs_term *u = p->unknowns.v[i];
        if (u->u.list.n > 1 && cs_term_is_string(u->u.list.v[1])) {
            CS_VEC_PUSH_IN(p->arena, &names, cs_text(u->u.list.v[1]->u.value));
        }
    }
    for (size_t i = 0; i < p->failures.n && names.n; i++) {
        const cs_term *ref = input_ref(p->failures.v[i].expr);
        if (!ref || has_slice(&names, cs_text(ref->u.list.v[1]->u.value)) || has_slice(&seen, ref_text(p, ref))) {
            continue;
        }
        slices near = closest(p->arena, cs_text(ref->u.list.v[1]->u.value), &names, HINT_DISTANCE);
        if (near.n) {
            CS_VEC_PUSH_IN(p->arena, &out, hint(p, &p->failures.v[i], ref, &near));
            CS_VEC_PUSH_IN(p->arena, &seen, ref_text(p, ref));
        }
    }
    return out.n ? cs_array(out.v, out.n) : cs_undefined();
}
