/* Labels of rules: what the annotations of the rules that held say. */
#include "countersign/trace.h"
#include "rego/internal.h"
#include "rego/syntax/annotate.h"
#include "rego/topdown/topdown.h"

struct cs_labels {
    cs_arena *arena;
    const cs_policy *policy;
    cs_tracer tracer;
    CS_VEC(const cs_rule *) seen;
    cs_vec_values sets;
};

static bool module_has_labels(const cs_module *m)
{
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        if (cs_count(cs_annotation_get(&m->annotations[i], "labels")) > 0) {
            return true;
        }
    }
    return false;
}

bool cs_policy__find_labels(const cs_compiled *compiled)
{
    for (uint32_t i = 0; i < compiled->n_modules; i++) {
        if (module_has_labels(compiled->modules[i])) {
            return true;
        }
    }
    return false;
}

bool cs_policy_has_labels(const cs_policy *policy)
{
    return policy->has_labels;
}

/* From the outermost scope in, so that the inner ones win. */
static cs_value merged(cs_labels *l, const cs_rule *rule)
{
    cs_value chain = cs_rule_annotations(l->arena, l->policy->compiled, rule);
    cs_value out = cs_object_new(l->arena, 0);
    for (uint32_t i = chain.n; i-- > 0;) {
        const cs_value *annotations = cs_object_get_text(chain.u.items[i], "annotations");
        const cs_value *labels = annotations ? cs_object_get_text(*annotations, "labels") : NULL;
        for (uint32_t k = 0; labels && k < cs_count(*labels); k++) {
            cs_value v, key = cs_entry(*labels, k, &v);
            cs_object_put(l->arena, out, key, v);
        }
    }
    return out;
}

static void rule_held(void *self, const cs_trace_event *event)
{
    cs_labels *l = self;
    if (event->op != CS_TRACE_EXIT || !event->rule) {
        return;
    }
    for (size_t i = 0; i < l->seen.n; i++) {
        if (l->seen.v[i] == event->rule) {
            return;
        }
    }
    CS_VEC_PUSH_IN(l->arena, &l->seen, event->rule);
    cs_value labels = merged(l, event->rule);
    for (size_t i = 0; i < l->sets.n; i++) {
        if (cs_equal(l->sets.v[i], labels)) {
            return;
        }
    }
    if (cs_count(labels) > 0) {
        CS_VEC_PUSH_IN(l->arena, &l->sets, labels);
    }
}

cs_labels *cs_labels_new(cs_arena *a, const cs_policy *policy)
{
    cs_labels *l = cs_arena_new(a, cs_labels);
    l->arena = a;
    l->policy = policy;
    l->tracer = (cs_tracer){.self = l, .event = rule_held};
    return l;
}

const cs_tracer *cs_labels_tracer(cs_labels *labels)
{
    return &labels->tracer;
}

cs_value cs_labels_list(const cs_labels *labels)
{
    return cs_array(labels->sets.v, labels->sets.n);
}
