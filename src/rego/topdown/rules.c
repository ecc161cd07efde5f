/* The definitions of a document that can match (OPA: getRules, baseDocEqIndex.Lookup). */
#include "rego/topdown/index.h"
#include "rego/topdown/save.h"

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

/* What a way demands of one place: a part of its list, which is in the order of the places. */
typedef struct level {
    const cs_td_want *v;
    size_t n;
    uint32_t n_concrete;
    bool ends; /* nothing can be told after it */
} level;

static level level_at(const cs_td_wants *way, size_t at)
{
    level l = {.v = &way->v[at]};
    while (at + l.n < way->n && l.v[l.n].place == l.v->place) {
        const cs_td_want *w = &l.v[l.n++];
        l.n_concrete += w->demand != CS_DEMAND_ANY;
        l.ends = l.ends || w->demand == CS_DEMAND_PREFIX || w->demand == CS_DEMAND_SUFFIX ||
                 cs_opd_collection(w->value) != CS_UNDEFINED;
    }
    l.ends = l.ends && l.n_concrete > 1;
    return l;
}

/* Where both ends of a text are demanded, the one that says more counts. */
static cs_td_demand dropped_end(const level *l)
{
    uint32_t prefix = UINT32_MAX;
    uint32_t suffix = UINT32_MAX;
    for (size_t i = 0; i < l->n; i++) {
        const cs_td_want *w = &l->v[i];
        if (w->demand == CS_DEMAND_PREFIX) {
            prefix = w->value.v.n < prefix ? w->value.v.n : prefix;
        } else if (w->demand == CS_DEMAND_SUFFIX) {
            suffix = w->value.v.n < suffix ? w->value.v.n : suffix;
        }
    }
    if (prefix == UINT32_MAX || suffix == UINT32_MAX) {
        return CS_DEMAND_ANY;
    }
    return suffix > prefix ? CS_DEMAND_PREFIX : CS_DEMAND_SUFFIX;
}

static bool level_fits(lookup *l, const level *here)
{
    uint32_t place = here->v->place;
    answer a = ask(l, place);
    if (a != ANSWER_VALUE) {
        return a == ANSWER_UNKNOWN;
    }
    if (here->n_concrete == 0) {
        return true;
    }
    cs_td_demand drop = here->ends ? dropped_end(here) : CS_DEMAND_ANY;
    for (size_t i = 0; i < here->n; i++) {
        const cs_td_want *w = &here->v[i];
        if (w->demand != CS_DEMAND_ANY && w->demand != drop && fits(l->f->run, w, l->values[place])) {
            return true;
        }
    }
    return false;
}

static bool way_fits(lookup *l, const cs_td_wants *way)
{
    level here;
    for (size_t at = 0; at < way->n; at += here.n) {
        here = level_at(way, at);
        if (!l->index->places.v[here.v->place].valued) {
            continue;
        }
        if (!level_fits(l, &here)) {
            return false;
        }
        if (here.ends) {
            return true;
        }
    }
    return true;
}

static bool demands(const cs_td_wants *way, uint32_t place)
{
    size_t i = 0;
    while (i < way->n && way->v[i].place != place) {
        i++;
    }
    return i < way->n;
}

/* Places of which only presence is demanded must be there, if every way demands it. */
static bool required_are_there(lookup *l, const cs_td_alternatives *ways)
{
    for (size_t i = 0; ways->n > 0 && i < ways->v[0].n; i++) {
        uint32_t place = ways->v[0].v[i].place;
        bool all = !l->index->places.v[place].valued;
        for (size_t w = 1; w < ways->n && all; w++) {
            all = demands(&ways->v[w], place);
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
        if (!cs_td__agree(rules->v[i].rule, &value)) {
            return false;
        }
    }
    return true;
}

/* The entries that are worth a look, ascending; UINT32_MAX in *n: all. */
static const uint32_t *candidates(lookup *l, uint32_t *n)
{
    const cs_td_index *index = l->index;
    *n = UINT32_MAX;
    answer a = index->chooses ? ask(l, index->best) : ANSWER_UNKNOWN;
    if (a == ANSWER_UNKNOWN || (a == ANSWER_VALUE && l->values[index->best].t)) {
        return NULL;
    }
    const cs_value *at = a == ANSWER_VALUE ? cs_object_get(index->by_value, l->values[index->best].v) : NULL;
    if (!at) {
        *n = (uint32_t)index->others.n;
        return index->others.v;
    }
    const cs_td_numbers *some = &index->lists.v[at->u.i];
    uint32_t *both = cs_arena_array(l->f->run->arena, uint32_t, some->n + index->others.n + 1);
    size_t i = 0;
    size_t j = 0;
    for (*n = 0; *n < some->n + index->others.n; ++*n) {
        bool other = i == some->n || (j < index->others.n && index->others.v[j] < some->v[i]);
        both[*n] = other ? index->others.v[j++] : some->v[i++];
    }
    return both;
}

static cs_td_rules find_rules(cs_td_frame *f, const cs_rule_node *node, const cs_term *const *args, uint32_t n_args)
{
    cs_td *run = f->run;
    const cs_td_index *index = cs_td__index_of(run->tables, node);
    size_t n_places = index->places.n;
    bool indexing = !(run->tracer && run->tracer->no_indexing);
    lookup l = {.f = f, .index = index, .args = args, .n_args = n_args};
    l.answers = cs_arena_array(run->arena, answer, n_places + 1);
    l.values = cs_arena_array(run->arena, cs_opd, n_places + 1);
    uint32_t n = UINT32_MAX;
    const uint32_t *some = indexing ? candidates(&l, &n) : NULL;
    n = n == UINT32_MAX ? (uint32_t)index->entries.n : n;
    cs_td_rules rules = {.otherwise = index->has_otherwise ? &index->otherwise : NULL,
                         .multi_value = index->multi_value,
                         .only_ground_refs = index->only_ground_refs};
    rules.v = cs_arena_array(run->arena, cs_td_rule, n + 1);
    uint32_t chain = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        const cs_td_entry *entry = &index->entries.v[some ? some[i] : i];
        if (indexing && !can_match(&l, entry)) {
            continue;
        }
        cs_td_rule *r = &rules.v[rules.n++];
        *r = entry->rule;
        r->is_other = entry->chain == chain; /* an else part comes first where what it follows cannot match */
        rules.n_groups += !r->is_other;
        rules.has_else = rules.has_else || r->is_other;
        chain = entry->chain;
    }
    rules.early_exit = !(run->tracer && run->tracer->no_early_exit) && early_exit(&rules);
    cs_td__event_index(f, node, &rules);
    return rules;
}

cs_td_rules cs_td__rules(cs_td_frame *f, const cs_rule_node *node, const cs_term *const *args, uint32_t n_args)
{
    cs_td *run = f->run;
    cs_instrument *instrument = run->eval->instrument;
    if (!instrument) {
        return find_rules(f, node, args, n_args);
    }
    int64_t start = run->host->mono_ns(run->host->self);
    cs_td_rules rules = find_rules(f, node, args, n_args);
    cs_instrument_op(instrument, "eval_op_rule_index", run->host->mono_ns(run->host->self) - start);
    return rules;
}
