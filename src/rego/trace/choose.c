/* Which events an explanation shows: notes and failures come with the way that led there. */
#include "rego/trace/internal.h"

bool cs_explain_parse(cs_slice word, cs_explain *out)
{
    static const struct {
        const char *word;
        cs_explain level;
    } words[] = {{"off", CS_EXPLAIN_OFF},
                 {"notes", CS_EXPLAIN_NOTES},
                 {"fails", CS_EXPLAIN_FAILS},
                 {"full", CS_EXPLAIN_FULL},
                 {"debug", CS_EXPLAIN_DEBUG}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (cs_slice_is(word, words[i].word)) {
            *out = words[i].level;
            return true;
        }
    }
    return false;
}

static bool wanted(const cs_trace__step *s, cs_explain level)
{
    bool notes = level == CS_EXPLAIN_NOTES || level == CS_EXPLAIN_NOTES_AND_FAILS;
    bool fails = level == CS_EXPLAIN_FAILS || level == CS_EXPLAIN_NOTES_AND_FAILS;
    return (notes && s->op == CS_TRACE_NOTE) || (fails && s->op == CS_TRACE_FAIL);
}

/* Query ids are dense: the entry or re-entry seen last of each, forgotten after each event that was shown. */
typedef struct entries {
    const cs_trace__step **last;
    uint64_t *turn;
    uint64_t now;
    size_t n;
} entries;

static const cs_trace__step *entry_of(const entries *e, uint64_t query_id)
{
    return query_id < e->n && e->turn[query_id] == e->now ? e->last[query_id] : NULL;
}

static void show_with_path(cs_arena *a, const entries *e, const cs_trace__step *s, cs_trace__steps *out,
                           cs_trace__steps *path)
{
    path->n = 0;
    const cs_trace__step *before = NULL;
    for (const cs_trace__step *at = entry_of(e, s->query_id); at && at != before; at = entry_of(e, at->parent_id)) {
        CS_VEC_PUSH_IN(a, path, at);
        before = at;
    }
    while (path->n > 0) {
        CS_VEC_PUSH_IN(a, out, path->v[--path->n]);
    }
    CS_VEC_PUSH_IN(a, out, s);
}

static cs_trace__steps with_paths(cs_arena *a, const cs_trace *t, cs_explain level, size_t first)
{
    cs_trace__steps out = {0}, path = {0};
    uint64_t max = 0;
    for (size_t i = 0; i < first; i++) {
        max = t->steps.v[i]->query_id > max ? t->steps.v[i]->query_id : max;
    }
    entries e = {.now = 1, .n = max + 1};
    e.last = cs_arena_array(a, const cs_trace__step *, e.n);
    e.turn = cs_arena_array(a, uint64_t, e.n);
    for (size_t i = 0; i < first; i++) {
        const cs_trace__step *s = t->steps.v[i];
        if (wanted(s, level)) {
            show_with_path(a, &e, s, &out, &path);
            e.now++;
        }
        if ((s->op == CS_TRACE_ENTER || s->op == CS_TRACE_REDO) && (s->rule || s->body)) {
            e.last[s->query_id] = s;
            e.turn[s->query_id] = e.now;
        }
    }
    return out;
}

cs_trace_view cs_trace_choose(cs_arena *a, const cs_trace *trace, cs_explain level, size_t first)
{
    cs_trace__steps out = {0};
    first = first < trace->steps.n ? first : trace->steps.n;
    switch (level) {
    case CS_EXPLAIN_OFF:
        break;
    case CS_EXPLAIN_NOTES:
    case CS_EXPLAIN_FAILS:
    case CS_EXPLAIN_NOTES_AND_FAILS:
        out = with_paths(a, trace, level, first);
        break;
    case CS_EXPLAIN_FULL:
        for (size_t i = 0; i < first; i++) {
            if (trace->steps.v[i]->op != CS_TRACE_UNIFY) {
                CS_VEC_PUSH_IN(a, &out, trace->steps.v[i]);
            }
        }
        break;
    case CS_EXPLAIN_DEBUG:
        return (cs_trace_view){trace->steps.v, first};
    }
    return (cs_trace_view){out.v, out.n};
}
