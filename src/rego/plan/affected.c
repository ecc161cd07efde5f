/* Which codes can give another result where a `with` is in force: those that read what it replaces, and whoever calls
 * them. All others keep the results that are known outside it.
 *
 * Codes that print or trace count as affected by everything: they are to be heard each time. */
#include "rego/builtin/granted.h"
#include "rego/plan/internal.h"

/* Sets of targets that get a row of their own; more sites share nothing. */
#define ROWS_MAX 1024U
/* Places of one switch that are told apart; with more, it reads all of input and of data. */
#define PLACES_MAX 64U

typedef struct reading {
    uint32_t code;
    bool data;    /* of data, otherwise of input */
    cs_path path; /* hashes unused */
} reading;

typedef struct edge {
    uint32_t callee, caller;
} edge;

typedef struct survey {
    cs_arena work;
    const cs_program *program;
    CS_VEC(reading) readings;
    CS_VEC(edge) edges;    /* by code called */
    CS_VEC(edge) builtins; /* callee = row */
    uint32_t *first;       /* edges by callee: from first[callee] up to first[callee + 1] */
    uint32_t *callers;
    uint32_t words;
    uint64_t *loud; /* codes that print */
} survey;

static void add_reading(survey *s, uint32_t code, bool data, cs_path path)
{
    reading r = {code, data, path};
    CS_VEC_PUSH_IN(&s->work, &s->readings, r);
}

static void add_edge(survey *s, uint32_t callee, uint32_t caller)
{
    edge e = {callee, caller};
    CS_VEC_PUSH_IN(&s->work, &s->edges, e);
}

static void add_builtin(survey *s, uint32_t row, uint32_t caller)
{
    edge e = {row, caller};
    CS_VEC_PUSH_IN(&s->work, &s->builtins, e);
}

static cs_path node_path(survey *s, uint32_t node)
{
    uint32_t n = 0;
    for (uint32_t at = node; at != 0; at = s->program->nodes[at].parent) {
        n++;
    }
    cs_value *keys = cs_arena_array(&s->work, cs_value, n + 1);
    uint32_t i = n;
    for (uint32_t at = node; at != 0; at = s->program->nodes[at].parent) {
        keys[--i] = s->program->nodes[at].key;
    }
    return (cs_path){keys, NULL, n};
}

/* A document that is looked into at run time may turn out to be any below. */
static void see_node(survey *s, uint32_t code, uint32_t node)
{
    add_reading(s, code, true, node_path(s, node));
    for (uint32_t at = node; at <= s->program->nodes[node].last; at++) {
        if (s->program->nodes[at].document != CS_NO_CODE) {
            add_edge(s, s->program->nodes[at].document, code);
        }
    }
}

static void see_index(survey *s, uint32_t code, const cs_index_node *node, uint32_t *places)
{
    for (uint32_t i = 0; i < node->n_dimensions && *places < PLACES_MAX; i++) {
        const cs_dimension *d = &node->dimensions[i];
        if (d->place.root != CS_ROOT_ARGUMENT) {
            add_reading(s, code, d->place.root == CS_ROOT_DATA, d->place.path);
            ++*places;
        }
        for (uint32_t k = 0; k < d->n_children; k++) {
            see_index(s, code, &d->children[k], places);
        }
    }
}

static void see_switch(survey *s, uint32_t code, const cs_switch *sw)
{
    uint32_t places = 0;
    see_index(s, code, &sw->root, &places);
    if (places == PLACES_MAX) {
        add_reading(s, code, false, (cs_path){0});
        add_reading(s, code, true, (cs_path){0});
    }
}

static void see_with(survey *s, uint32_t code, const cs_with_site *site)
{
    for (uint32_t i = 0; i < site->n; i++) {
        if (site->v[i].mock == CS_MOCK_FUNCTION) {
            add_edge(s, site->v[i].mock_with, code);
        } else if (site->v[i].mock == CS_MOCK_BUILTIN) {
            add_builtin(s, site->v[i].mock_with, code);
        }
    }
}

static bool is_loud(const cs_builtin *b)
{
    return strcmp(b->name, "internal.print") == 0 || strcmp(b->name, "trace") == 0 ||
           strcmp(b->name, "internal.test_case") == 0;
}

static void see_code(survey *s, const cs_code *code)
{
    for (uint32_t i = 0; i < code->n_insns; i++) {
        const cs_insn *insn = &code->insns[i];
        switch (cs_op_infos[insn->op].u) {
        case 'A':
            add_reading(s, code->id, insn->op != CS_OP_INPUT, code->paths[insn->u]);
            break;
        case 'V':
            see_node(s, code->id, insn->u);
            break;
        case 'F':
            add_edge(s, insn->u, code->id);
            break;
        case 'B':
            add_builtin(s, insn->u, code->id);
            if (is_loud(cs_granted_row(s->program->capabilities, insn->u))) {
                s->loud[code->id / 64] |= 1ULL << code->id % 64;
            }
            break;
        case 'S':
            see_switch(s, code->id, &code->switches[insn->u]);
            break;
        case 'I':
            see_with(s, code->id, &code->withs[insn->u]);
            break;
        default:
            break;
        }
    }
}

static void sort_edges(survey *s)
{
    uint32_t n = s->program->n_codes;
    s->first = cs_arena_array(&s->work, uint32_t, n + 2);
    s->callers = cs_arena_array(&s->work, uint32_t, s->edges.n + 1);
    for (size_t i = 0; i < s->edges.n; i++) {
        s->first[s->edges.v[i].callee + 2]++;
    }
    for (uint32_t i = 2; i <= n + 1; i++) {
        s->first[i] += s->first[i - 1];
    }
    for (size_t i = 0; i < s->edges.n; i++) {
        s->callers[s->first[s->edges.v[i].callee + 1]++] = s->edges.v[i].caller;
    }
}

/* ---- one set of targets */

/* Can a change at one path be seen at the other? A number and its text may name the same key. */
static bool overlap(const cs_path *a, const cs_path *b)
{
    uint32_t n = a->n < b->n ? a->n : b->n;
    for (uint32_t i = 0; i < n; i++) {
        if (a->keys[i].kind != CS_NUMBER && b->keys[i].kind != CS_NUMBER && !cs_equal(a->keys[i], b->keys[i])) {
            return false;
        }
    }
    return true;
}

static void mark(uint64_t *row, uint32_t code)
{
    row[code / 64] |= 1ULL << code % 64;
}

static void mark_target(survey *s, const cs_with_target *t, uint64_t *row)
{
    const cs_program *program = s->program;
    if (t->kind == CS_TARGET_INPUT || t->kind == CS_TARGET_DATA) {
        for (size_t i = 0; i < s->readings.n; i++) {
            const reading *r = &s->readings.v[i];
            if (r->data == (t->kind == CS_TARGET_DATA) && overlap(&r->path, &t->path)) {
                mark(row, r->code);
            }
        }
    }
    if (t->kind == CS_TARGET_DATA && t->node != CS_NO_NODE) {
        for (uint32_t at = t->node; at <= program->nodes[t->node].last; at++) {
            if (program->nodes[at].document != CS_NO_CODE) {
                mark(row, program->nodes[at].document);
            }
        }
    }
    for (size_t i = 0; t->kind == CS_TARGET_BUILTIN && i < s->builtins.n; i++) {
        if (s->builtins.v[i].callee == t->target) {
            mark(row, s->builtins.v[i].caller);
        }
    }
    if (t->kind == CS_TARGET_FUNCTION) {
        for (uint32_t i = s->first[t->target]; i < s->first[t->target + 1]; i++) {
            mark(row, s->callers[i]);
        }
    }
}

static void close_row(survey *s, uint64_t *row)
{
    CS_VEC(uint32_t) open = {0};
    for (uint32_t i = 0; i < s->program->n_codes; i++) {
        if (row[i / 64] >> i % 64 & 1) {
            CS_VEC_PUSH_IN(&s->work, &open, i);
        }
    }
    while (open.n > 0) {
        uint32_t code = open.v[--open.n];
        for (uint32_t i = s->first[code]; i < s->first[code + 1]; i++) {
            uint32_t caller = s->callers[i];
            if (!(row[caller / 64] >> caller % 64 & 1)) {
                mark(row, caller);
                CS_VEC_PUSH_IN(&s->work, &open, caller);
            }
        }
    }
}

/* The targets as a value: the same ones have the same row. */
static cs_value site_key(survey *s, const cs_with_site *site)
{
    cs_value key = cs_set_new(&s->work, site->n);
    for (uint32_t i = 0; i < site->n; i++) {
        const cs_with_target *t = &site->v[i];
        cs_value path = cs_array(t->path.keys, t->path.n);
        cs_value parts[3] = {cs_int((int64_t)t->kind), cs_int(t->target), path};
        (void)cs_set_add(&s->work, key, cs_array_copy(&s->work, parts, 3));
    }
    return key;
}

void cs_plan__affected(cs_planner *p)
{
    const cs_program *program = p->program;
    survey s = {.program = program, .words = program->n_codes / 64 + 1};
    uint32_t n_sites = 0;
    for (uint32_t i = 0; i < program->n_codes; i++) {
        n_sites += program->codes[i]->n_withs;
    }
    if (n_sites == 0) {
        return;
    }
    cs_arena_init(&s.work, 0);
    s.loud = cs_arena_array(&s.work, uint64_t, s.words);
    for (uint32_t i = 0; i < program->n_codes; i++) {
        see_code(&s, program->codes[i]);
    }
    sort_edges(&s);
    uint64_t **rows = cs_arena_array(&s.work, uint64_t *, ROWS_MAX);
    cs_value table = cs_object_new(&s.work, 0);
    for (uint32_t i = 0; i < program->n_codes; i++) {
        for (uint32_t k = 0; k < program->codes[i]->n_withs; k++) {
            cs_with_site *site = (cs_with_site *)(uintptr_t)&program->codes[i]->withs[k]; /* not published yet */
            cs_value key = site_key(&s, site);
            const cs_value *at = cs_object_get(table, key);
            uint32_t row = at ? (uint32_t)at->u.i : cs_count(table);
            if (row == ROWS_MAX) {
                continue;
            }
            if (!at) {
                rows[row] = cs_arena_array(p->arena, uint64_t, s.words);
                memcpy(rows[row], s.loud, s.words * sizeof(uint64_t));
                for (uint32_t t = 0; t < site->n; t++) {
                    mark_target(&s, &site->v[t], rows[row]);
                }
                close_row(&s, rows[row]);
                cs_object_put(&s.work, table, key, cs_int(row));
            }
            site->affected = rows[row];
        }
    }
    cs_arena_destroy(&s.work);
}
