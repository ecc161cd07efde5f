/* What the body of a rule demands of input, of data, and of arguments, as far as an index can tell. */
#include "rego/topdown/index.h"

#define WAYS_MAX 32U

typedef struct constant {
    const cs_sym *name;
    cs_opd value;
} constant;

typedef struct scan {
    cs_td_maker *to;
    cs_td_index *index;
    cs_td_entry *entry;
    const cs_rule *rule;
    cs_td_wants wants;
    cs_td_wants outer; /* of the bodies around an operand */
    CS_VEC(cs_td_alternatives) splits;
    CS_VEC(constant) constants;
    bool operand; /* counts nothing */
} scan;

static void scan_body(scan *s, cs_body body);

/* ---- places */
/* What tells a place from others: the number of the argument, or the ref as a list of keys. */
static cs_value place_key(const scan *s, const cs_td_place *place)
{
    if (place->on_argument) {
        return cs_int(place->argument);
    }
    const cs_terms *ref = &place->ref->u.list;
    cs_value *keys = cs_arena_array(s->to->arena, cs_value, ref->n + 1);
    keys[0] = cs_bool(cs_td__is_root(ref->v[0], "data"));
    for (uint32_t i = 1; i < ref->n; i++) {
        keys[i] = ref->v[i]->u.value;
    }
    return cs_array(keys, ref->n);
}

static uint32_t place_at(scan *s, cs_td_place place)
{
    cs_value key = place_key(s, &place);
    const cs_value *at = cs_object_get(s->index->by_key, key);
    if (at) {
        return (uint32_t)at->u.i;
    }
    cs_object_put(s->to->arena, s->index->by_key, key, cs_int((int64_t)s->index->places.n));
    CS_VEC_PUSH_IN(s->to->arena, &s->index->places, place);
    return (uint32_t)s->index->places.n - 1;
}

static bool is_virtual(const scan *s, const cs_terms *ref)
{
    const cs_rule_node *node = s->to->policy->root;
    if (!cs_td__is_root(ref->v[0], "data")) {
        return false;
    }
    for (uint32_t i = 1; i < ref->n; i++) {
        node = ref->v[i]->kind == CS_TERM_SCALAR ? cs_rule_node_child(node, ref->v[i]->u.value) : NULL;
        if (!node) {
            return false;
        }
        if (node->n_rules) {
            return true;
        }
    }
    return true;
}

static bool is_place(const scan *s, const cs_term *ref)
{
    if (!cs_td__is_root(ref->u.list.v[0], "data") && !cs_td__is_root(ref->u.list.v[0], "input")) {
        return false;
    }
    for (uint32_t i = 1; i < ref->u.list.n; i++) {
        if (ref->u.list.v[i]->kind != CS_TERM_SCALAR) {
            return false;
        }
    }
    return !is_virtual(s, &ref->u.list);
}

/* ---- names */
static const cs_opd *constant_of(const scan *s, const cs_sym *name)
{
    for (size_t i = s->constants.n; i > 0; i--) {
        if (s->constants.v[i - 1].name == name) {
            return &s->constants.v[i - 1].value;
        }
    }
    return NULL;
}

static bool in_wants(const scan *s, const cs_td_wants *w, const cs_sym *name, cs_td_place *out)
{
    for (size_t i = 0; i < w->n; i++) {
        if (cs_opd_is(w->v[i].value, CS_TERM_VAR) && w->v[i].value.t->u.var == name) {
            *out = s->index->places.v[w->v[i].place];
            return true;
        }
    }
    return false;
}

/* The place that a variable was taken from. */
static bool place_of_var(const scan *s, const cs_sym *name, cs_td_place *out)
{
    if (in_wants(s, &s->wants, name, out) || in_wants(s, &s->outer, name, out)) {
        return true;
    }
    for (uint32_t i = 0; i < s->rule->head.args.n; i++) {
        const cs_term *arg = s->rule->head.args.v[i];
        if (arg->kind == CS_TERM_VAR && arg->u.var == name) {
            *out = (cs_td_place){.on_argument = true, .argument = i};
            return true;
        }
    }
    return false;
}

/* A ref whose head is a variable that stands for a place goes on from there. */
static const cs_term *whole_ref(const scan *s, const cs_term *ref)
{
    const cs_term *head = ref->u.list.v[0];
    if (head->kind != CS_TERM_VAR) {
        return NULL;
    }
    if (cs_td__is_root(head, "data") || cs_td__is_root(head, "input")) {
        return ref;
    }
    cs_td_place place;
    if (!place_of_var(s, head->u.var, &place) || place.on_argument) {
        return NULL;
    }
    uint32_t n = place.ref->u.list.n + ref->u.list.n - 1;
    cs_term **v = cs_arena_array(s->to->arena, cs_term *, n + 1);
    memcpy(v, place.ref->u.list.v, place.ref->u.list.n * sizeof *v);
    memcpy(v + place.ref->u.list.n, ref->u.list.v + 1, (ref->u.list.n - 1U) * sizeof *v);
    return cs_term_list(s->to->names, CS_TERM_REF, v, n, ref->loc);
}

/* ---- adding a demand */
static bool is_any(const cs_td_want *w)
{
    return w->demand == CS_DEMAND_ANY;
}

static bool is_affix(const cs_td_want *w)
{
    return w->demand == CS_DEMAND_PREFIX || w->demand == CS_DEMAND_SUFFIX;
}

static void count(scan *s, uint32_t place)
{
    s->index->places.v[place].count += s->operand ? 0 : 1;
}

static void insert(scan *s, cs_td_want want)
{
    bool seen = false;
    for (size_t i = 0; i < s->wants.n; i++) {
        cs_td_want *other = &s->wants.v[i];
        if (other->place != want.place) {
            continue;
        }
        seen = true;
        bool same_value =
            (!other->value.t && cs_is_undefined(other->value.v)) == (!want.value.t && cs_is_undefined(want.value.v)) &&
            cs_opd_equal(other->value, want.value);
        if (other->demand == want.demand && same_value) {
            return;
        }
        if (!is_any(&want) && !is_affix(&want) && is_any(other)) {
            *other = want;
            return;
        }
        if (!is_any(&want) && !is_any(other) && !s->operand) {
            uint32_t spread = is_affix(&want) || is_affix(other) ? 2 : 1;
            cs_td_place *p = &s->index->places.v[want.place];
            p->spread = p->spread > spread ? p->spread : spread;
        }
    }
    if (!seen) {
        count(s, want.place);
    }
    CS_VEC_PUSH_IN(s->to->arena, &s->wants, want);
}

static void demand(scan *s, cs_td_place place, cs_td_demand kind, cs_opd value)
{
    if (cs_opd_is(value, CS_TERM_VAR)) {
        kind = CS_DEMAND_ANY;
    }
    insert(s, (cs_td_want){place_at(s, place), kind, value, CS_LIT("")});
}

/* ---- values */
static bool is_constant(const cs_term *t)
{
    if (t->kind == CS_TERM_SCALAR) {
        return true;
    }
    if (t->kind != CS_TERM_ARRAY && t->kind != CS_TERM_SET && t->kind != CS_TERM_OBJECT) {
        return false;
    }
    for (uint32_t i = 0; i < t->u.list.n; i++) {
        if (!is_constant(t->u.list.v[i])) {
            return false;
        }
    }
    return true;
}

static bool indexable(cs_opd o)
{
    if (!o.t) {
        return o.v.kind < CS_ARRAY;
    }
    if (o.t->kind == CS_TERM_VAR) {
        return true;
    }
    for (uint32_t i = 0; o.t->kind == CS_TERM_ARRAY && i < o.t->u.list.n; i++) {
        cs_term_kind kind = o.t->u.list.v[i]->kind;
        if (kind != CS_TERM_SCALAR && kind != CS_TERM_VAR) {
            return false;
        }
    }
    return o.t->kind == CS_TERM_ARRAY;
}

static bool is_scalar(cs_opd o)
{
    return !o.t && o.v.kind < CS_ARRAY;
}

static cs_opd resolved(const scan *s, const cs_term *t)
{
    const cs_opd *known = t->kind == CS_TERM_VAR ? constant_of(s, t->u.var) : NULL;
    return known ? *known : cs_opd_of(t);
}

static void keep_constant(scan *s, const cs_sym *name, const cs_term *b)
{
    const cs_opd *known = b->kind == CS_TERM_VAR ? constant_of(s, b->u.var) : NULL;
    constant c = {name, known ? *known : cs_opd_of(b)};
    if (known || is_constant(b)) {
        CS_VEC_PUSH_IN(s->to->arena, &s->constants, c);
    }
}

/* ---- statements */
static bool equal_one_way(scan *s, const cs_term *a, const cs_term *b)
{
    cs_td_place place;
    if (a->kind == CS_TERM_VAR) {
        keep_constant(s, a->u.var, b);
        if (!indexable(cs_opd_of(b)) || !place_of_var(s, a->u.var, &place)) {
            return false;
        }
        demand(s, place, CS_DEMAND_EQUAL, cs_opd_of(b));
        return true;
    }
    if (a->kind != CS_TERM_REF) {
        return false;
    }
    const cs_term *ref = whole_ref(s, a);
    if (!ref || !is_place(s, ref)) {
        return false;
    }
    cs_opd value = resolved(s, b);
    if (value.t == b && !indexable(value)) {
        return false;
    }
    demand(s, (cs_td_place){.ref = ref}, CS_DEMAND_EQUAL, value);
    return true;
}

/* input.x[_] == "v" */
static bool equal_element(scan *s, const cs_term *a, const cs_term *b)
{
    const cs_term *ref = a->kind == CS_TERM_REF ? whole_ref(s, a) : NULL;
    if (!ref || ref->u.list.n < 2 || cs_ref_ground_prefix(ref) != ref->u.list.n - 1) {
        return false;
    }
    cs_term *prefix = cs_term_list(s->to->names, CS_TERM_REF, ref->u.list.v, ref->u.list.n - 1, ref->u.list.v[0]->loc);
    cs_opd value = resolved(s, b);
    if (!is_place(s, prefix) || !is_scalar(value)) {
        return false;
    }
    demand(s, (cs_td_place){.ref = prefix}, CS_DEMAND_MEMBER, value);
    return true;
}

static void equal(scan *s, const cs_term *a, const cs_term *b)
{
    if (equal_element(s, a, b) || equal_element(s, b, a) || equal_one_way(s, a, b)) {
        return;
    }
    (void)equal_one_way(s, b, a);
}

/* The place that a term is, or stands for. */
static bool place_of(scan *s, const cs_term *t, cs_td_place *out)
{
    if (t->kind == CS_TERM_VAR) {
        return place_of_var(s, t->u.var, out);
    }
    const cs_term *ref = t->kind == CS_TERM_REF ? t : NULL;
    *out = (cs_td_place){.ref = ref};
    return ref && is_place(s, ref);
}

/* The same for what is never asked of a function's argument: what it starts or ends with, what it holds. */
static bool document_of(scan *s, const cs_term *t, cs_td_place *out)
{
    return place_of(s, t, out) && !out->on_argument;
}

/* The members of a constant collection; false if it is none. */
static bool members(const scan *s, const cs_term *t, cs_opd *out)
{
    *out = resolved(s, t);
    cs_kind kind = cs_opd_collection(*out);
    return kind != CS_UNDEFINED;
}

static cs_opd member_at(cs_opd all, uint32_t i)
{
    cs_opd value;
    if (cs_opd_collection(all) == CS_OBJECT) {
        (void)cs_opd_entry(all, i, &value);
        return value;
    }
    return cs_opd_item(all, i);
}

static void member(scan *s, const cs_term *a, const cs_term *b)
{
    cs_td_place place;
    if (a->kind == CS_TERM_VAR && place_of_var(s, a->u.var, &place)) {
        cs_opd all;
        if (!members(s, b, &all)) {
            return;
        }
        for (uint32_t i = 0; i < cs_opd_count(all); i++) {
            if (cs_opd_is(member_at(all, i), CS_TERM_VAR)) {
                return;
            }
        }
        for (uint32_t i = 0; i < cs_opd_count(all); i++) {
            demand(s, place, CS_DEMAND_EQUAL, member_at(all, i));
        }
        return;
    }
    cs_opd value = resolved(s, a);
    bool ref = b->kind == CS_TERM_REF || b->kind == CS_TERM_VAR;
    if (ref && (is_scalar(value) || cs_opd_is(value, CS_TERM_VAR)) && document_of(s, b, &place)) {
        demand(s, place, CS_DEMAND_MEMBER, value);
    }
}

static void affixes(scan *s, const cs_term *what, const cs_term *base, cs_td_demand kind, bool many)
{
    cs_td_place place;
    cs_opd all = resolved(s, base);
    if (!document_of(s, what, &place)) {
        return;
    }
    if (!all.t && cs_is(all.v, CS_STRING)) {
        demand(s, place, kind, all);
        return;
    }
    uint32_t n =
        many && cs_opd_collection(all) != CS_UNDEFINED && cs_opd_collection(all) != CS_OBJECT ? cs_opd_count(all) : 0;
    for (uint32_t i = 0; i < n; i++) {
        cs_opd item = cs_opd_item(all, i);
        if (item.t || !cs_is(item.v, CS_STRING)) {
            return;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        demand(s, place, kind, cs_opd_item(all, i));
    }
}

cs_value cs_td__cut(cs_arena *a, cs_slice s, cs_slice delimiters)
{
    CS_VEC(cs_value) parts = {0};
    size_t from = 0;
    bool escaped = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' || escaped) {
            escaped = !escaped;
        } else if (cs_slice_find_byte(delimiters, s.p[i], 0) != SIZE_MAX) {
            CS_VEC_PUSH_IN(a, &parts, cs_string(cs_slice_sub(s, from, i)));
            from = i + 1;
        }
    }
    CS_VEC_PUSH_IN(a, &parts, cs_string(cs_slice_sub(s, from, s.n)));
    return cs_array(parts.v, parts.n);
}

static bool plain_part(cs_slice s)
{
    bool escaped = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\\') {
            escaped = !escaped;
            continue;
        }
        if (!escaped && (c == '[' || c == '?' || c == '{' || c == '*')) {
            return false;
        }
        escaped = false;
    }
    return true;
}

static void glob(scan *s, const cs_expr *e)
{
    const cs_term *pattern = e->u.call.v[1];
    const cs_term *delimiters = e->u.call.v[2];
    const cs_term *what = e->u.call.v[3];
    cs_td_place place;
    cs_buf text;
    if (!cs_term_is_string(pattern) || delimiters->kind != CS_TERM_ARRAY || what->kind != CS_TERM_VAR) {
        return;
    }
    cs_buf_init(&text);
    bool known = true;
    for (uint32_t i = 0; i < delimiters->u.list.n; i++) {
        known = known && cs_term_is_string(delimiters->u.list.v[i]);
        cs_buf_slice(&text, known ? cs_text(delimiters->u.list.v[i]->u.value) : CS_LIT(""));
    }
    cs_slice at = delimiters->u.list.n ? cs_buf_view(&text) : CS_LIT(".");
    at = cs_slice_make(cs_arena_dup(s->to->arena, at.p, at.n), at.n);
    cs_buf_destroy(&text);
    cs_value parts = cs_td__cut(s->to->arena, cs_text(pattern->u.value), at);
    cs_term **v = cs_arena_array(s->to->arena, cs_term *, parts.n + 1);
    for (uint32_t i = 0; i < parts.n && known; i++) {
        cs_slice part = cs_text(parts.u.items[i]);
        bool star = cs_slice_is(part, "*");
        known = star || plain_part(part);
        v[i] = star ? cs_term_var(s->to->names, cs_sym_get(s->to->names, CS_LIT("$glob")), pattern->loc)
                    : cs_term_string(s->to->names, part, pattern->loc);
    }
    if (known && place_of_var(s, what->u.var, &place)) {
        cs_term *array = cs_term_list(s->to->names, CS_TERM_ARRAY, v, parts.n, pattern->loc);
        insert(s, (cs_td_want){place_at(s, place), CS_DEMAND_GLOB, cs_opd_of(array), at});
    }
}

/* data.groups.g.members[input.subject]: the key must be one of the collection's. */
static bool key_of_collection(scan *s, const cs_term *ref)
{
    uint32_t n = ref->u.list.n;
    if (n < 2 || !cs_td__is_root(ref->u.list.v[0], "data")) {
        return false;
    }
    const cs_term *prefix = cs_term_list(s->to->names, CS_TERM_REF, ref->u.list.v, n - 1, ref->loc);
    const cs_term *key = ref->u.list.v[n - 1];
    cs_td_place place;
    if (!cs_term_is_ground(prefix) || is_virtual(s, &prefix->u.list) || key->kind == CS_TERM_SCALAR ||
        !place_of(s, key, &place)) {
        return false;
    }
    cs_td_key_of k = {place_at(s, place), prefix};
    CS_VEC_PUSH_IN(s->to->arena, &s->entry->keys, k);
    count(s, k.key);
    return true;
}

/* Variables of a ref that are known to be scalars count as such. */
static cs_term *plugged_ref(const scan *s, cs_term *t)
{
    if (t->kind != CS_TERM_REF) {
        return t;
    }
    cs_term **v = NULL;
    for (uint32_t i = 1; i < t->u.list.n; i++) {
        cs_opd known = resolved(s, t->u.list.v[i]);
        if (t->u.list.v[i]->kind == CS_TERM_VAR && is_scalar(known)) {
            if (!v) {
                v = cs_arena_array(s->to->arena, cs_term *, t->u.list.n);
                memcpy(v, t->u.list.v, t->u.list.n * sizeof *v);
            }
            v[i] = cs_term_scalar(s->to->names, known.v, t->loc);
        }
    }
    return v ? cs_term_list(s->to->names, CS_TERM_REF, v, t->u.list.n, t->loc) : t;
}

static void scan_call(scan *s, const cs_expr *e)
{
    const cs_builtin *b = cs_builtin_of_ref(e->u.call.v[0]);
    uint32_t n = e->u.call.n - 1;
    if (!b || n < 2) {
        return;
    }
    const cs_term *x = plugged_ref(s, e->u.call.v[1]);
    const cs_term *y = plugged_ref(s, e->u.call.v[2]);
    cs_slice name = cs_slice_of(b->name);
    if (n == 2 && (cs_slice_is(name, "eq") || cs_slice_is(name, "equal"))) {
        equal(s, x, y);
    } else if (n == 3 && cs_slice_is(name, "glob.match")) {
        glob(s, e);
    } else if (n == 2 && cs_slice_is(name, "internal.member_2")) {
        member(s, x, y);
    } else if (n == 2 && cs_slice_is(name, "startswith")) {
        affixes(s, x, y, CS_DEMAND_PREFIX, false);
    } else if (n == 2 && cs_slice_is(name, "endswith")) {
        affixes(s, x, y, CS_DEMAND_SUFFIX, false);
    } else if (n == 2 && cs_slice_is(name, "strings.any_prefix_match")) {
        affixes(s, x, y, CS_DEMAND_PREFIX, true);
    } else if (n == 2 && cs_slice_is(name, "strings.any_suffix_match")) {
        affixes(s, x, y, CS_DEMAND_SUFFIX, true);
    }
}

/* ---- and, or */
static void combine(scan *s, cs_td_alternatives *ways)
{
    cs_td_alternatives all = {0};
    CS_VEC_PUSH_IN(s->to->arena, &all, s->wants);
    for (size_t i = 0; i < s->splits.n; i++) {
        const cs_td_alternatives *split = &s->splits.v[i];
        if (all.n * split->n > WAYS_MAX) {
            all.n = 0;
            CS_VEC_PUSH_IN(s->to->arena, &all, s->wants);
            break;
        }
        cs_td_alternatives next = {0};
        for (size_t x = 0; x < all.n; x++) {
            for (size_t y = 0; y < split->n; y++) {
                cs_td_wants way = {0};
                for (size_t j = 0; j < all.v[x].n; j++) {
                    CS_VEC_PUSH_IN(s->to->arena, &way, all.v[x].v[j]);
                }
                for (size_t j = 0; j < split->v[y].n; j++) {
                    CS_VEC_PUSH_IN(s->to->arena, &way, split->v[y].v[j]);
                }
                CS_VEC_PUSH_IN(s->to->arena, &next, way);
            }
        }
        all = next;
    }
    *ways = all;
}

static cs_td_alternatives operand_ways(const scan *s, cs_body body)
{
    scan inner = {.to = s->to, .index = s->index, .entry = s->entry, .rule = s->rule, .operand = true};
    for (size_t i = 0; i < s->wants.n; i++) {
        CS_VEC_PUSH_IN(s->to->arena, &inner.outer, s->wants.v[i]);
    }
    for (size_t i = 0; i < s->outer.n; i++) {
        CS_VEC_PUSH_IN(s->to->arena, &inner.outer, s->outer.v[i]);
    }
    for (size_t i = 0; i < s->constants.n; i++) {
        CS_VEC_PUSH_IN(s->to->arena, &inner.constants, s->constants.v[i]);
    }
    scan_body(&inner, body);
    cs_td_alternatives ways;
    combine(&inner, &ways);
    if (ways.n == 1 && ways.v[0].n == 0) {
        ways.n = 0;
    }
    for (size_t i = 0; i < ways.n; i++) {
        for (size_t j = 0; j < ways.v[i].n; j++) {
            if (is_any(&ways.v[i].v[j])) {
                ways.v[i].v[j].value = cs_opd_value(cs_undefined()); /* the name is the operand's own */
            }
        }
    }
    return ways;
}

static void demand_ways(scan *s, cs_td_alternatives ways)
{
    if (ways.n == 1) {
        for (size_t i = 0; i < ways.v[0].n; i++) {
            insert(s, ways.v[0].v[i]);
        }
    } else if (ways.n > 1) {
        for (size_t i = 0; i < ways.n; i++) {
            for (size_t j = 0; j < ways.v[i].n; j++) {
                count(s, ways.v[i].v[j].place);
            }
        }
        CS_VEC_PUSH_IN(s->to->arena, &s->splits, ways);
    }
}

static void scan_logic(scan *s, const cs_expr *e)
{
    cs_td_alternatives left = operand_ways(s, e->u.logic.left);
    if (e->kind == CS_EXPR_OR && left.n == 0) {
        return;
    }
    cs_td_alternatives right = operand_ways(s, e->u.logic.right);
    if (e->kind == CS_EXPR_AND) {
        demand_ways(s, left);
        demand_ways(s, right);
    } else if (right.n) {
        for (size_t i = 0; i < right.n; i++) {
            CS_VEC_PUSH_IN(s->to->arena, &left, right.v[i]);
        }
        demand_ways(s, left);
    }
}

static void scan_expr(scan *s, const cs_expr *e)
{
    if (e->n_with || e->negated) {
        return;
    }
    if (e->kind == CS_EXPR_AND || e->kind == CS_EXPR_OR) {
        scan_logic(s, e);
    } else if (e->kind == CS_EXPR_CALL) {
        scan_call(s, e);
    } else if (e->kind == CS_EXPR_TERM && e->u.term->kind == CS_TERM_REF) {
        const cs_term *ref = plugged_ref(s, e->u.term);
        if (!key_of_collection(s, ref)) {
            const cs_term *whole = whole_ref(s, ref);
            if (whole && is_place(s, whole)) {
                demand(s, (cs_td_place){.ref = whole}, CS_DEMAND_ANY, cs_opd_value(cs_undefined()));
            }
        }
    }
}

static void scan_body(scan *s, cs_body body)
{
    for (uint32_t i = 0; i < body.n; i++) {
        scan_expr(s, body.v[i]);
    }
}

/* ---- bodies that must not be left out: what they do is seen */
static bool printing(void *self, cs_expr *e)
{
    bool *found = self;
    *found = *found || (e->kind == CS_EXPR_CALL && (cs_ref_is(e->u.call.v[0], "internal.print") ||
                                                    cs_ref_is(e->u.call.v[0], "internal.test_case")));
    return !*found;
}

static bool no_terms(void *self, cs_term *t)
{
    (void)self;
    (void)t;
    return false;
}

void cs_td__constraints(cs_td_maker *to, cs_td_index *index, cs_td_entry *entry)
{
    bool prints = false;
    cs_walk_body(&(cs_walker){.self = &prints, .expr = printing, .term = no_terms}, entry->rule.rule->body);
    if (prints) {
        return;
    }
    scan s = {.to = to, .index = index, .entry = entry, .rule = entry->rule.rule};
    scan_body(&s, entry->rule.rule->body);
    combine(&s, &entry->ways);
}
