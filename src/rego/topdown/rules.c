/* The definitions of a document that can match (OPA: getRules, baseDocEqIndex.Lookup). */
#include "rego/topdown/index.h"
#include "rego/topdown/save.h"

/* ---- building */
static cs_terms head_ref(cs_td *run, const cs_rule *r)
{
    const cs_terms *package = &r->module->package->u.list;
    const cs_terms *ref = &r->head.ref->u.list;
    cs_term **v = cs_arena_array(run->arena, cs_term *, package->n + ref->n);
    memcpy(v, package->v, package->n * sizeof *v);
    memcpy(v + package->n, ref->v, ref->n * sizeof *v);
    if (ref->v[0]->kind == CS_TERM_VAR) {
        v[package->n] = cs_term_string(run->names, cs_sym_slice(ref->v[0]->u.var), ref->v[0]->loc);
    }
    return (cs_terms){v, package->n + ref->n};
}

static bool ground_ref(const cs_rule *r)
{
    const cs_terms *ref = &r->head.ref->u.list;
    for (uint32_t i = 1; i < ref->n; i++) {
        if (!cs_term_is_ground(ref->v[i])) {
            return false;
        }
    }
    return true;
}

static void add_chain(cs_td *run, cs_td_index *index, const cs_rule *r)
{
    if (r->is_default) {
        index->otherwise = (cs_td_rule){r, head_ref(run, r), false};
        index->has_otherwise = true;
        return;
    }
    for (const cs_rule *part = r; part; part = part->other) {
        cs_td_entry entry = {.rule = {part, head_ref(run, part), part != r}};
        index->only_ground_refs = index->only_ground_refs && ground_ref(part);
        cs_td__constraints(run, index, &entry);
        cs_td__index_comprehensions(run, run->policy->ast, part, part->body);
        CS_VEC_PUSH_IN(run->arena, &index->entries, entry);
    }
}

static void add_below(cs_td *run, cs_td_index *index, const cs_rule_node *node)
{
    for (uint32_t i = 0; i < node->n_children; i++) {
        const cs_rule_node *child = node->children[i];
        for (uint32_t j = 0; j < child->n_rules; j++) {
            add_chain(run, index, child->rules[j]);
        }
        add_below(run, index, child);
    }
}

static int by_worth(const cs_td_index *index, uint32_t i, uint32_t j)
{
    const cs_td_place *a = &index->places.v[i];
    const cs_td_place *b = &index->places.v[j];
    if (a->spread != b->spread) {
        return a->spread < b->spread ? -1 : 1;
    }
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    return i < j ? -1 : i > j;
}

static void note_values(cs_td_index *index)
{
    for (size_t i = 0; i < index->entries.n; i++) {
        const cs_td_alternatives *ways = &index->entries.v[i].ways;
        for (size_t w = 0; w < ways->n; w++) {
            for (size_t j = 0; j < ways->v[w].n; j++) {
                cs_td_place *p = &index->places.v[ways->v[w].v[j].place];
                p->valued = p->valued || ways->v[w].v[j].demand != CS_DEMAND_ANY;
            }
        }
    }
}

/* Is it known beforehand that they give one value? */
static bool agree(const cs_rule *rule, const cs_term **value)
{
    const cs_head *h = &rule->head;
    if (!h->is_function && (h->key || h->shows_key || !ground_ref(rule))) {
        return false;
    }
    if (!h->value) {
        return true;
    }
    if (!cs_term_is_ground(h->value) || (*value && !cs_term_equal(*value, h->value))) {
        return false;
    }
    *value = h->value;
    return true;
}

static void sort_places(cs_td *run, cs_td_index *index)
{
    for (uint32_t i = 0; i < index->places.n; i++) {
        CS_VEC_PUSH_IN(run->arena, &index->order, i);
    }
    for (size_t i = 1; i < index->order.n; i++) { /* few, and nearly in order */
        for (size_t j = i; j > 0 && by_worth(index, index->order.v[j], index->order.v[j - 1]) < 0; j--) {
            uint32_t swap = index->order.v[j];
            index->order.v[j] = index->order.v[j - 1];
            index->order.v[j - 1] = swap;
        }
    }
}

cs_td_index *cs_td__index_of(cs_td *run, const cs_rule_node *node)
{
    if (run->indexes[node->id]) {
        return run->indexes[node->id];
    }
    cs_td_index *index = cs_arena_new(run->arena, cs_td_index);
    index->only_ground_refs = true;
    index->multi_value = node->rules[0]->head.value == NULL;
    bool general = false;
    for (uint32_t i = 0; i < node->n_rules; i++) {
        add_chain(run, index, node->rules[i]);
        general = general || !ground_ref(node->rules[i]);
    }
    if (general) {
        add_below(run, index, node);
    }
    note_values(index);
    sort_places(run, index);
    const cs_term *value = NULL;
    index->may_exit_early = true;
    for (size_t i = 0; i < index->entries.n; i++) {
        index->may_exit_early = index->may_exit_early && agree(index->entries.v[i].rule.rule, &value);
    }
    run->indexes[node->id] = index;
    return index;
}

/* ---- looking up */
typedef enum answer { ANSWER_NOT_ASKED, ANSWER_UNKNOWN, ANSWER_UNDEFINED, ANSWER_VALUE } answer;

typedef struct lookup {
    cs_td_frame *f;
    const cs_td_index *index;
    const cs_term *const *args;
    uint32_t n_args;
    answer *answers;
    cs_opd *values;
} lookup;

static answer resolve_ref(cs_td_frame *f, const cs_term *ref, cs_opd *out)
{
    cs_td *run = f->run;
    if (run->partial && (cs_td__ref_inlining_disabled(run, &ref->u.list, ref->u.list.n, true) ||
                         cs_td__saves(run, cs_opd_of(ref), NULL))) {
        return ANSWER_UNKNOWN;
    }
    cs_value v = f->input;
    if (cs_td__is_root(ref->u.list.v[0], "data")) {
        cs_opd room[16];
        uint32_t n = ref->u.list.n;
        cs_opd *path = n <= 16 ? room : cs_arena_alloc(run->arena, n * sizeof *path);
        for (uint32_t i = 0; i < n; i++) {
            path[i] = cs_opd_of(ref->u.list.v[i]);
        }
        if (!cs_td__resolve(f, path, n, &v)) {
            return ANSWER_UNKNOWN;
        }
    } else {
        for (uint32_t i = 1; i < ref->u.list.n && !cs_is_undefined(v); i++) {
            v = cs_index(v, ref->u.list.v[i]->u.value);
        }
    }
    *out = cs_opd_value(v);
    return cs_is_undefined(v) ? ANSWER_UNDEFINED : ANSWER_VALUE;
}

static answer ask(lookup *l, uint32_t at)
{
    if (l->answers[at] != ANSWER_NOT_ASKED) {
        return l->answers[at];
    }
    const cs_td_place *p = &l->index->places.v[at];
    answer a = ANSWER_UNKNOWN;
    if (!p->on_argument) {
        a = resolve_ref(l->f, p->ref, &l->values[at]);
    } else if (p->argument < l->n_args) {
        l->values[at] = cs_td__plug_term(l->f, l->args[p->argument]);
        a = ANSWER_VALUE;
    }
    return l->answers[at] = a;
}

static bool array_fits(cs_opd pattern, cs_opd v)
{
    if (cs_opd_collection(v) != CS_ARRAY || cs_opd_count(v) != cs_opd_count(pattern)) {
        return false;
    }
    for (uint32_t i = 0; i < cs_opd_count(v); i++) {
        cs_opd want = cs_opd_item(pattern, i);
        if (!want.t && want.v.kind < CS_ARRAY && !cs_opd_equal(want, cs_opd_item(v, i))) {
            return false;
        }
    }
    return true;
}

static bool holds_member(cs_opd collection, cs_opd v)
{
    cs_kind kind = cs_opd_collection(collection);
    for (uint32_t i = 0; kind != CS_UNDEFINED && i < cs_opd_count(collection); i++) {
        cs_opd item;
        if (kind == CS_OBJECT) {
            (void)cs_opd_entry(collection, i, &item);
        } else {
            item = cs_opd_item(collection, i);
        }
        if (!item.t && cs_opd_equal(item, v)) {
            return true;
        }
    }
    return false;
}

static bool affix_fits(const cs_td_want *w, cs_opd v)
{
    if (cs_opd_collection(v) == CS_ARRAY || cs_opd_collection(v) == CS_SET) {
        for (uint32_t i = 0; i < cs_opd_count(v); i++) {
            if (affix_fits(w, cs_opd_item(v, i))) {
                return true;
            }
        }
        return false;
    }
    if (v.t || !cs_is(v.v, CS_STRING)) {
        return false;
    }
    return w->demand == CS_DEMAND_PREFIX ? cs_slice_starts(cs_text(v.v), cs_text(w->value.v))
                                         : cs_slice_ends(cs_text(v.v), cs_text(w->value.v));
}

static bool fits(cs_td *run, const cs_td_want *w, cs_opd v)
{
    cs_kind kind = cs_opd_collection(w->value);
    switch (w->demand) {
    case CS_DEMAND_ANY:
        return true;
    case CS_DEMAND_EQUAL:
        if (kind == CS_ARRAY) {
            return array_fits(w->value, v);
        }
        return kind != CS_UNDEFINED || cs_opd_equal(w->value, v);
    case CS_DEMAND_MEMBER:
        return holds_member(v, w->value);
    case CS_DEMAND_PREFIX:
    case CS_DEMAND_SUFFIX:
        return affix_fits(w, v);
    case CS_DEMAND_GLOB:
        return !v.t && cs_is(v.v, CS_STRING) &&
               array_fits(w->value, cs_opd_value(cs_td__cut(run->arena, cs_text(v.v), w->delimiters)));
    }
    return true;
}

/* Where both ends of a text are demanded, the one that says more counts. */
static cs_td_demand dropped_end(const cs_td_wants *way, uint32_t place)
{
    uint32_t prefix = UINT32_MAX;
    uint32_t suffix = UINT32_MAX;
    for (size_t i = 0; i < way->n; i++) {
        const cs_td_want *w = &way->v[i];
        if (w->place == place && w->demand == CS_DEMAND_PREFIX) {
            prefix = w->value.v.n < prefix ? w->value.v.n : prefix;
        } else if (w->place == place && w->demand == CS_DEMAND_SUFFIX) {
            suffix = w->value.v.n < suffix ? w->value.v.n : suffix;
        }
    }
    if (prefix == UINT32_MAX || suffix == UINT32_MAX) {
        return CS_DEMAND_ANY;
    }
    return suffix > prefix ? CS_DEMAND_PREFIX : CS_DEMAND_SUFFIX;
}

typedef struct level { /* what a way demands of one place */
    uint32_t n, n_concrete;
    bool ends; /* nothing can be told after it */
} level;

static level level_of(const cs_td_wants *way, uint32_t place)
{
    level l = {0};
    for (size_t i = 0; i < way->n; i++) {
        const cs_td_want *w = &way->v[i];
        if (w->place == place) {
            l.n++;
            l.n_concrete += w->demand != CS_DEMAND_ANY;
            l.ends = l.ends || w->demand == CS_DEMAND_PREFIX || w->demand == CS_DEMAND_SUFFIX ||
                     cs_opd_collection(w->value) != CS_UNDEFINED;
        }
    }
    l.ends = l.ends && l.n_concrete > 1;
    return l;
}

static bool level_fits(lookup *l, const cs_td_wants *way, uint32_t place, const level *here)
{
    answer a = ask(l, place);
    if (a != ANSWER_VALUE) {
        return a == ANSWER_UNKNOWN;
    }
    if (here->n_concrete == 0) {
        return true;
    }
    cs_td_demand drop = here->ends ? dropped_end(way, place) : CS_DEMAND_ANY;
    for (size_t i = 0; i < way->n; i++) {
        const cs_td_want *w = &way->v[i];
        if (w->place == place && w->demand != CS_DEMAND_ANY && w->demand != drop &&
            fits(l->f->run, w, l->values[place])) {
            return true;
        }
    }
    return false;
}

static bool way_fits(lookup *l, const cs_td_wants *way)
{
    for (size_t i = 0; i < l->index->order.n; i++) {
        uint32_t place = l->index->order.v[i];
        level here = level_of(way, place);
        if (here.n == 0 || !l->index->places.v[place].valued) {
            continue;
        }
        if (!level_fits(l, way, place, &here)) {
            return false;
        }
        if (here.ends) {
            return true;
        }
    }
    return true;
}

/* Places of which only presence is demanded must be there, if every way demands it. */
static bool required_are_there(lookup *l, const cs_td_alternatives *ways)
{
    for (uint32_t place = 0; place < l->index->places.n; place++) {
        bool all = !l->index->places.v[place].valued && ways->n > 0;
        for (size_t w = 0; w < ways->n && all; w++) {
            all = level_of(&ways->v[w], place).n > 0;
        }
        if (all && ask(l, place) == ANSWER_UNDEFINED) {
            return false;
        }
    }
    return true;
}

static bool keys_are_there(lookup *l, const cs_td_entry *entry)
{
    for (size_t i = 0; i < entry->keys.n; i++) {
        const cs_td_key_of *k = &entry->keys.v[i];
        cs_opd collection;
        answer key = ask(l, k->key);
        if (key == ANSWER_UNKNOWN) {
            continue;
        }
        answer c = key == ANSWER_UNDEFINED ? key : resolve_ref(l->f, k->collection, &collection);
        if (c == ANSWER_UNKNOWN) {
            continue;
        }
        if (c == ANSWER_UNDEFINED) {
            return false;
        }
        cs_opd v = l->values[k->key];
        if (!v.t && !cs_is(collection.v, CS_ARRAY) && cs_opd_collection(collection) != CS_UNDEFINED &&
            cs_is_undefined(cs_index(collection.v, v.v))) {
            return false;
        }
    }
    return true;
}

static bool can_match(lookup *l, const cs_td_entry *entry)
{
    bool any = entry->ways.n == 0;
    for (size_t i = 0; i < entry->ways.n && !any; i++) {
        any = way_fits(l, &entry->ways.v[i]);
    }
    if (!any || !required_are_there(l, &entry->ways)) {
        return false;
    }
    bool every_candidate_runs = !l->index->may_exit_early || l->f->run->partial;
    return !every_candidate_runs || keys_are_there(l, entry);
}

static bool early_exit(const cs_td_rules *rules)
{
    const cs_term *value = NULL;
    for (uint32_t i = 0; i < rules->n; i++) {
        if (!agree(rules->v[i].rule, &value)) {
            return false;
        }
    }
    return true;
}

cs_td_rules cs_td__rules(cs_td_frame *f, const cs_rule_node *node, const cs_term *const *args, uint32_t n_args)
{
    cs_td *run = f->run;
    const cs_td_index *index = cs_td__index_of(run, node);
    size_t n_places = index->places.n;
    lookup l = {.f = f, .index = index, .args = args, .n_args = n_args};
    l.answers = cs_arena_array(run->arena, answer, n_places + 1);
    l.values = cs_arena_array(run->arena, cs_opd, n_places + 1);
    cs_td_rules rules = {.otherwise = index->has_otherwise ? &index->otherwise : NULL,
                         .multi_value = index->multi_value,
                         .only_ground_refs = index->only_ground_refs};
    rules.v = cs_arena_array(run->arena, cs_td_rule, index->entries.n + 1);
    bool in_chain = false;
    for (size_t i = 0; i < index->entries.n; i++) {
        const cs_td_entry *entry = &index->entries.v[i];
        in_chain = in_chain && entry->rule.is_other;
        if (!(run->tracer && run->tracer->no_indexing) && !can_match(&l, entry)) {
            continue;
        }
        cs_td_rule *r = &rules.v[rules.n++];
        *r = entry->rule;
        r->is_other = in_chain; /* an else part comes first where what it follows cannot match */
        rules.n_groups += !in_chain;
        rules.has_else = rules.has_else || in_chain;
        in_chain = true;
    }
    rules.early_exit = !(run->tracer && run->tracer->no_early_exit) && early_exit(&rules);
    cs_td__event_index(f, node, &rules);
    return rules;
}
