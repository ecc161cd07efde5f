/* What an answer tells of its own making: explanations, and the labels of the rules that held. */
#include "server/internal.h"

void cs_server__explain_params(cs_server__request *r)
{
    r->eval.explain = CS_EXPLAIN_OFF;
    r->eval.wants_labels = r->n_params != 0 && cs_server__flag(r, "rule_labels");
    for (size_t i = 0; i < r->n_params && r->eval.explain == CS_EXPLAIN_OFF; i++) {
        if (cs_slice_is(r->params[i].name, "explain")) {
            (void)cs_explain_parse(r->params[i].value, &r->eval.explain);
        }
    }
}

const cs_tracer *cs_server__tracer(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    const cs_tracer *tracers[2];
    size_t n = 0;
    v->trace = NULL;
    v->labels = NULL;
    if (v->explain != CS_EXPLAIN_OFF) {
        cs_trace_options options = {.locals = !r->pretty, .unify = v->explain == CS_EXPLAIN_DEBUG};
        v->trace = cs_trace_new(r->arena, &options);
        tracers[n++] = cs_trace_tracer(v->trace);
    }
    bool labels = v->wants_labels || cs_decision_log_wants_metrics(r->server->o.decisions);
    if (labels && cs_policy_has_labels(cs_world_policy(v->world))) {
        v->labels = cs_labels_new(r->arena, cs_world_policy(v->world));
        tracers[n++] = cs_labels_tracer(v->labels);
    }
    return n != 0 ? cs_tracer_join(r->arena, tracers, n) : NULL;
}

void cs_server__explain_field(cs_server__request *r, bool defined)
{
    const cs_server__eval *v = &r->eval;
    if (v->trace == NULL || (!defined && v->explain != CS_EXPLAIN_FULL)) {
        return;
    }
    cs_trace_view view = cs_trace_choose(r->arena, v->trace, v->explain, SIZE_MAX);
    cs_server__field_as_made(r, "explanation",
                             r->pretty ? cs_trace_to_lines(r->arena, &view) : cs_trace_to_api(r->arena, &view));
}

void cs_server__labels_field(cs_server__request *r)
{
    bool told = r->eval.wants_labels && r->eval.labels != NULL;
    cs_value list = told ? cs_labels_list(r->eval.labels) : cs_undefined();
    if (cs_count(list) != 0) {
        cs_server__field(r, "rule_labels", list);
    }
}
