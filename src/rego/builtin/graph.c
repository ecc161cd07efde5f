/* graph.* and walk. Nothing here recurses over what the caller built but walk, whose depth is that of one document. */
#include "rego/builtin/internal.h"

/* The start nodes: items of the second operand. */
static cs_err graph_operands(cs_call *call, cs_value *graph, cs_value *start)
{
    CS_TRY(cs_call__object(call, 1, graph));
    *start = call->args[1];
    return cs_call__is_list(*start)
               ? CS_OK
               : cs_call__operand_error(call, 2, "must be {array, set} but got %s", cs_kind_name(*start));
}

cs_err cs_builtin__graph_reachable(cs_call *call, cs_value *out)
{
    cs_value graph, start;
    CS_TRY(graph_operands(call, &graph, &start));
    cs_list queue = {0};
    for (uint32_t i = 0; i < cs_count(start); i++) {
        cs_list__add(call, &queue, cs_call__item(start, i));
    }
    *out = cs_set_new(call->arena, 0);
    for (size_t at = 0; at < queue.n; at++) {
        cs_value node = queue.v[at];
        const cs_value *edges = cs_object_get(graph, node);
        if (!edges || !cs_set_add(call->arena, *out, node) || !cs_call__is_list(*edges)) {
            continue;
        }
        for (uint32_t i = 0; i < cs_count(*edges); i++) {
            cs_value next = cs_call__item(*edges, i);
            if (!cs_set_has(*out, next)) {
                cs_list__add(call, &queue, next);
            }
        }
        if (cs_arena_exceeded(call->arena)) {
            return cs_call__limit_error(call, "eval_memory");
        }
    }
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ paths */

/* Depth first over simple paths, with a stack of its own: graphs are deeper than the C stack. */
typedef struct step {
    cs_value node;
    uint32_t entry; /* of the graph's table */
    uint32_t next;  /* edge to try next */
} step;

typedef struct search {
    cs_call *call;
    cs_table *graph;
    bool *on_path; /* by entry of the graph */
    step *path;
    uint32_t n;
    uint64_t items; /* of all paths found */
    cs_value found;
} search;

static cs_err found_path(search *s)
{
    s->items += s->n + 1;
    cs_value *items = cs_arena_try(s->call->arena, (s->n ? s->n : 1) * sizeof *items);
    if (!items || s->items > cs_limits_get()->range_items) {
        return cs_call__limit_error(s->call, items ? "range_items" : "eval_memory");
    }
    for (uint32_t i = 0; i < s->n; i++) {
        items[i] = s->path[i].node;
    }
    cs_set_add(s->call->arena, s->found, cs_array(items, s->n));
    return CS_OK;
}

static cs_value edges_of(const search *s, const step *at)
{
    cs_value edges = s->graph->vals[at->entry];
    return cs_call__is_list(edges) ? edges : cs_array(NULL, 0);
}

/* Goes to a neighbour, or reports that the path ends here. Of the start node's neighbours OPA does not ask whether they
 * are the start node itself. */
static cs_err advance(search *s, cs_value node)
{
    const cs_value *edges = cs_object_get((cs_value){.kind = CS_OBJECT, .u.table = s->graph}, node);
    uint32_t entry = edges ? (uint32_t)(edges - s->graph->vals) : 0;
    if (!edges || (s->on_path[entry] && s->n != 1)) {
        return found_path(s);
    }
    s->path[s->n++] = (step){node, entry, 0};
    s->on_path[entry] = true;
    return cs_count(edges_of(s, &s->path[s->n - 1])) ? CS_OK : found_path(s);
}

static cs_err paths_from(search *s, cs_value node)
{
    if (!cs_object_get((cs_value){.kind = CS_OBJECT, .u.table = s->graph}, node)) {
        return CS_OK;
    }
    CS_TRY(advance(s, node));
    while (s->n) {
        step *top = &s->path[s->n - 1];
        cs_value edges = edges_of(s, top);
        if (top->next < cs_count(edges)) {
            CS_TRY(advance(s, cs_call__item(edges, top->next++)));
        } else {
            s->n--;
            s->on_path[top->entry] = s->n > 0 && s->path[0].entry == top->entry;
        }
    }
    return CS_OK;
}

cs_err cs_builtin__graph_reachable_paths(cs_call *call, cs_value *out)
{
    cs_value graph, start;
    CS_TRY(graph_operands(call, &graph, &start));
    cs_table_sort(graph.u.table);
    uint32_t n = cs_count(graph);
    search s = {.call = call,
                .graph = graph.u.table,
                .on_path = cs_arena_array(call->arena, bool, n ? n : 1),
                .path = cs_arena_alloc(call->arena, ((size_t)n + 2) * sizeof(step)),
                .found = cs_set_new(call->arena, 0)};
    for (uint32_t i = 0; i < cs_count(start); i++) {
        CS_TRY(paths_from(&s, cs_call__item(start, i)));
    }
    return cs_call__give(out, s.found);
}

/* ------------------------------------------------------------------------------------------------ walk */

typedef struct walker {
    cs_call *call;
    cs_list found;
    cs_list path;
    bool with_paths;
} walker;

static void found_value(walker *w, cs_value v)
{
    cs_value *pair = cs_arena_alloc(w->call->arena, 2 * sizeof *pair);
    pair[0] = w->with_paths ? cs_array_copy(w->call->arena, w->path.v, w->path.n) : cs_array(NULL, 0);
    pair[1] = v;
    cs_list__add(w->call, &w->found, cs_array(pair, 2));
}

static void walk(walker *w, cs_value v)
{
    if (cs_arena_exceeded(w->call->arena)) {
        return;
    }
    found_value(w, v);
    uint32_t n = cs_count(v);
    for (uint32_t i = 0; i < n; i++) {
        cs_value key = cs_int(i), item;
        if (v.kind == CS_ARRAY) {
            item = v.u.items[i];
        } else if (v.kind == CS_OBJECT) {
            key = cs_entry(v, i, &item);
        } else {
            key = item = cs_entry(v, i, NULL);
        }
        cs_list__add(w->call, &w->path, key);
        walk(w, item);
        w->path.n--;
    }
}

/* Operands beyond the first are the engine's own: a path at which to begin (an array of keys), and false if the paths
 * are not wanted and may be given as []. */
cs_err cs_builtin__walk(cs_call *call, cs_value *out)
{
    walker w = {.call = call, .with_paths = call->n < 3 || cs_truthy(call->args[2])};
    cs_value v = call->args[0];
    cs_value prefix = call->n > 1 && call->args[1].kind == CS_ARRAY ? call->args[1] : cs_array(NULL, 0);
    for (uint32_t i = 0; i < prefix.n && !cs_is_undefined(v); i++) {
        v = cs_index(v, prefix.u.items[i]);
        cs_list__add(call, &w.path, prefix.u.items[i]);
    }
    if (!cs_is_undefined(v)) {
        walk(&w, v);
    }
    if (cs_arena_exceeded(call->arena)) {
        return cs_call__limit_error(call, "eval_memory");
    }
    return cs_call__give(out, cs_list__array(&w.found));
}
