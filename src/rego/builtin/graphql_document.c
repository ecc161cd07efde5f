/* GraphQL documents for those who do not evaluate Rego: the reader of the built-ins, summed up. */
#include "countersign/graphql.h"

#include <stdlib.h>

#include "countersign/json.h"
#include "rego/builtin/graphql_lex.h"

/* ---- what it does */

static bool is_introspection(cs_slice name)
{
    return cs_slice_is(name, "__schema") || cs_slice_is(name, "__type");
}

/* Inline fragments are part of the place where they stand. Their depth is bounded by the reader's. */
static void look_at_root(cs_arena *a, const cs_gql_selections *list, cs_value fields, cs_graphql *out)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const cs_gql_selection *s = list->v[i];
        if (s->what == CS_GQL_INLINE) {
            look_at_root(a, &s->selections, fields, out);
        } else if (s->what == CS_GQL_FIELD) {
            out->introspection |= is_introspection(s->name);
            if (!cs_is_undefined(fields)) {
                (void)cs_set_add(a, fields, cs_string(s->name));
            }
        }
    }
}

static void look_at_operation(cs_arena *a, const cs_gql_operation *op, cs_value fields, cs_graphql *out)
{
    bool mutation = cs_slice_is(op->operation, "mutation"), subscription = cs_slice_is(op->operation, "subscription");
    if (mutation) {
        out->kind = "mutation";
    } else if (subscription && strcmp(out->kind, "mutation") != 0) {
        out->kind = "subscription";
    } else if (out->kind[0] == '\0') {
        out->kind = "query";
    }
    look_at_root(a, &op->selections, fields, out);
}

static cs_value sorted_items(cs_arena *a, cs_value set)
{
    uint32_t n = cs_count(set);
    cs_value *items = cs_arena_array(a, cs_value, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = cs_entry(set, i, NULL);
    }
    return cs_array(items, n);
}

static void sum_up(cs_arena *a, const cs_gql_query *query, cs_graphql *out)
{
    uint32_t n = query->operations.n;
    cs_value *names = cs_arena_array(a, cs_value, n + 1);
    cs_value fields = cs_set_new(a, 0);
    for (uint32_t i = 0; i < n; i++) {
        const cs_gql_operation *op = query->operations.v[i];
        names[i] = op->name.n != 0 ? cs_string(op->name) : cs_null();
        look_at_operation(a, op, fields, out);
    }
    for (uint32_t i = 0; i < query->fragments.n; i++) {
        look_at_root(a, &query->fragments.v[i]->selections, cs_undefined(), out);
    }
    out->n_operations = n;
    out->names = cs_array(names, n);
    out->root_fields = sorted_items(a, fields);
}

/* ---- the one text */

static int by_bytes(const void *x, const void *y)
{
    return cs_slice_compare(*(const cs_slice *)x, *(const cs_slice *)y);
}

static void write_token(cs_buf *out, const cs_gql_token *t)
{
    if (t->kind == CS_GQL_T_STRING || t->kind == CS_GQL_T_BLOCK) {
        cs_json_write_string(out, t->text, 0);
    } else if (t->kind >= CS_GQL_T_NAME) {
        cs_buf_slice(out, t->text);
    } else {
        cs_buf_text(out, cs_gql__kind_text(t->kind));
    }
    cs_buf_byte(out, ' ');
}

/* Cuts a document that was read into its definitions: each ends with the brace that closes its selections, which are
 * the only braces outside of parentheses and directives' arguments (in parentheses as well). */
static cs_slice *definitions(cs_arena *a, cs_slice text, size_t n, cs_buf *out)
{
    cs_gql_lexer lexer = {.arena = a, .text = text, .row = 1};
    size_t *ends = cs_arena_array(a, size_t, n + 1);
    size_t done = 0;
    uint32_t braces = 0, parens = 0;
    for (cs_gql_token t = cs_gql__next_token(&lexer); t.kind != CS_GQL_T_EOF && t.kind != CS_GQL_T_INVALID;
         t = cs_gql__next_token(&lexer)) {
        if (t.kind == CS_GQL_T_COMMENT) {
            continue;
        }
        write_token(out, &t);
        parens += t.kind == CS_GQL_T_PAREN_L ? 1U : 0U;
        parens -= t.kind == CS_GQL_T_PAREN_R ? 1U : 0U;
        braces += t.kind == CS_GQL_T_BRACE_L ? 1U : 0U;
        braces -= t.kind == CS_GQL_T_BRACE_R ? 1U : 0U;
        if (t.kind == CS_GQL_T_BRACE_R && braces == 0 && parens == 0 && done < n) {
            ends[done++] = out->n;
        }
    }
    cs_slice *v = cs_arena_array(a, cs_slice, n + 1);
    for (size_t i = 0; i < done; i++) {
        v[i] = cs_slice_sub(cs_buf_view(out), i == 0 ? 0 : ends[i - 1], ends[i]);
    }
    cs_assert(done == n);
    return v;
}

static cs_slice normal(cs_arena *a, cs_slice text, size_t n)
{
    cs_buf tokens, sorted;
    cs_buf_init(&tokens);
    cs_buf_init(&sorted);
    cs_slice *v = definitions(a, text, n, &tokens);
    if (n > 1) {
        qsort(v, n, sizeof *v, by_bytes);
    }
    for (size_t i = 0; i < n; i++) {
        cs_buf_slice(&sorted, v[i]);
        cs_buf_byte(&sorted, '\n');
    }
    cs_slice out = cs_slice_make(cs_arena_dup(a, sorted.p != NULL ? sorted.p : "", sorted.n), sorted.n);
    cs_buf_destroy(&tokens);
    cs_buf_destroy(&sorted);
    return out;
}

cs_err cs_graphql_read(cs_arena *a, cs_slice text, cs_graphql *out, cs_error *e)
{
    cs_gql_run run = {.arena = a};
    cs_gql_query *query;
    if (!cs_gql__read_query(&run, text, &query)) {
        cs_err code = run.error.code == CS_ERR_LIMIT ? CS_ERR_LIMIT : CS_ERR_SYNTAX;
        uint32_t col = run.error.at.col > 0 ? (uint32_t)run.error.at.col : 0;
        return cs_fail_at(e, code, NULL, run.error.at.row, col, "%.*s", CS_FMT(run.error.text));
    }
    cs_graphql found = {.kind = ""};
    sum_up(a, query, &found);
    found.normal = normal(a, text, (size_t)query->operations.n + query->fragments.n);
    if (cs_arena_exceeded(a)) {
        return cs_fail(e, CS_ERR_MEMORY, "the document is too large for the memory granted");
    }
    *out = found;
    return CS_OK;
}
