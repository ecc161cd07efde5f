/* Following an evaluation step by step: explanations, coverage, profiles, tracebacks, labels of rules.
 *
 *   cs_trace *trace = cs_trace_new(&arena, &(cs_trace_options){.locals = true});
 *   cs_eval eval = {…, .tracer = cs_trace_tracer(trace)};
 *   cs_query_run(query, &eval, &result, &error);            a text query (cs_query_prepare)
 *   cs_trace_view view = cs_trace_choose(&arena, trace, CS_EXPLAIN_FULL, SIZE_MAX);
 *   cs_trace_print(&out, &arena, &view, &(cs_trace_style){.locations = true});
 *
 * A tracer belongs to one evaluation's thread; what it keeps points into the evaluation's arena, the policy and the
 * query, which must outlive it. Everything here lives in the arena that it was made with. */
#ifndef CS_TRACE_H
#define CS_TRACE_H

#include "countersign/json.h"
#include "countersign/rego.h"

/* Several tracers as one; the switches of cs_tracer_without are those of any of them. */
const cs_tracer *cs_tracer_join(cs_arena *a, const cs_tracer *const *tracers, size_t n);
/* A tracer that changes how the evaluation goes about it, and tells `then` (may be NULL): no rule index, no early exit.
 */
const cs_tracer *cs_tracer_without(cs_arena *a, const cs_tracer *then, bool indexing, bool early_exit);

/* ---- recordings */
typedef struct cs_trace cs_trace;

typedef struct cs_trace_options {
    bool locals; /* keep the values of variables with each event */
    bool unify;  /* keep unifications (explain=debug) */
    bool brief;  /* keep only what the levels notes and fails may show: those, and the entries that lead there */
} cs_trace_options;

/* Keeps at most the limit trace_events; what comes later is lost. */
cs_trace *cs_trace_new(cs_arena *a, const cs_trace_options *options);
const cs_tracer *cs_trace_tracer(cs_trace *trace);
/* The host's word that a case of a data-driven test begins (cs_host.test_case): becomes an event. */
void cs_trace_test_case(cs_trace *trace, cs_value name);
/* How many events have been recorded. */
size_t cs_trace_count(const cs_trace *trace);

typedef enum cs_explain {
    CS_EXPLAIN_OFF,
    CS_EXPLAIN_NOTES,
    CS_EXPLAIN_FAILS,
    CS_EXPLAIN_NOTES_AND_FAILS, /* what `test --verbose` shows */
    CS_EXPLAIN_FULL,
    CS_EXPLAIN_DEBUG
} cs_explain;
/* "notes", "fails", "full", "debug", "off"; false for other words. */
bool cs_explain_parse(cs_slice word, cs_explain *out);

typedef struct cs_trace_event cs_trace_event;
typedef struct cs_trace__step cs_trace__step;
typedef struct cs_trace_view {
    const cs_trace__step **steps;
    size_t n;
} cs_trace_view;

/* The events that a level shows, of the first `first` ones. */
cs_trace_view cs_trace_choose(cs_arena *a, const cs_trace *trace, cs_explain level, size_t first);

typedef struct cs_trace_style {
    bool locations; /* a column with the place */
    bool variables; /* a column with the values of the variables that the event's node names */
    size_t indent;  /* blanks in front of each line */
} cs_trace_style;

/* A line an event: place, bars for the depth, what happened. */
void cs_trace_print(cs_buf *out, cs_arena *a, const cs_trace_view *view, const cs_trace_style *style);
/* An empty line, then the place and the source of the last expression that failed (if any), with the values of its
 * variables under it if wanted; every line indented. */
void cs_trace_print_failure(cs_buf *out, cs_arena *a, const cs_trace_view *view, bool variables, size_t indent);

/* An array of events: as `opa eval --explain` has it in its JSON, and as the REST API has it. */
void cs_trace_write_json(cs_json_text *out, cs_arena *a, const cs_trace_view *view);
cs_value cs_trace_to_api(cs_arena *a, const cs_trace_view *view);
/* The REST API's ?explain with ?pretty: an array of lines. */
cs_value cs_trace_to_lines(cs_arena *a, const cs_trace_view *view);

/* ---- coverage */
typedef struct cs_coverage cs_coverage;

cs_coverage *cs_coverage_new(cs_arena *a);
const cs_tracer *cs_coverage_tracer(cs_coverage *coverage);
/* Adds what `other` has covered; for runs on several threads, one at a time. */
void cs_coverage_merge(cs_coverage *coverage, const cs_coverage *other);

typedef struct cs_coverage_extra {
    const char *kind; /* "index_excluded", "early_exit" */
    const cs_coverage *coverage;
} cs_coverage_extra;

typedef struct cs_coverage_report cs_coverage_report;

/* Compares with the modules' sources (policy NULL: there are none). What `extra` covers beyond `coverage` is marked
 * with the kind. */
cs_coverage_report *cs_coverage_reported(cs_arena *a, const cs_coverage *coverage, const cs_policy *policy,
                                         const cs_coverage_extra *extra, size_t n_extra);
double cs_coverage_percent(const cs_coverage_report *report);
void cs_coverage_write_json(cs_json_text *out, cs_arena *a, const cs_coverage_report *report);
/* "\tfile:row" or "\tfile:row-row" for each run of lines that are not covered, each after a line feed. */
void cs_coverage_print_missing(cs_buf *out, cs_arena *a, const cs_coverage_report *report);

/* ---- profiles: time and turns of each line */
typedef struct cs_profile cs_profile;

cs_profile *cs_profile_new(cs_arena *a);
const cs_tracer *cs_profile_tracer(cs_profile *profile);

typedef struct cs_profile_line {
    cs_slice file, text; /* the place: a file and row, or without a file the text of the expression */
    uint32_t row, col;
    int64_t ns;
    uint64_t evals, redos, generated; /* `generated`: different expressions that the line has become */
} cs_profile_line;

/* Ends the profile. The first `limit` lines (0 = all) in the order of the criteria: total_time_ns, num_eval, num_redo,
 * num_gen_expr, file, line; unknown words are passed over. */
const cs_profile_line *cs_profile_lines(cs_arena *a, cs_profile *profile, const cs_slice *criteria, size_t n_criteria,
                                        size_t limit, size_t *n);

/* ---- tracebacks: the queries being evaluated when an error came up */
typedef struct cs_traceback cs_traceback;

cs_traceback *cs_traceback_new(cs_arena *a);
const cs_tracer *cs_traceback_tracer(cs_traceback *t);

typedef struct cs_traceback_frame {
    uint64_t query_id;
    bool located;
    cs_slice file;
    uint32_t row, col;
    cs_slice source; /* of the expression, as written */
    cs_slice text;   /* "file:row: source", as it is printed: values for variables, one line */
} cs_traceback_frame;

/* The innermost first; copies. */
const cs_traceback_frame *cs_traceback_frames(cs_arena *a, const cs_traceback *t, size_t *n);

/* ---- labels: what the annotations of the rules that held say (scopes merged, the innermost wins), each set once */
typedef struct cs_labels cs_labels;

cs_labels *cs_labels_new(cs_arena *a, const cs_policy *policy);
const cs_tracer *cs_labels_tracer(cs_labels *labels);
cs_value cs_labels_list(const cs_labels *labels); /* an array of objects */
/* Does any annotation of the policy have labels? If not, there is nothing to trace for. */
bool cs_policy_has_labels(const cs_policy *policy);

#endif
