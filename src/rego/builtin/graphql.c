/* graphql.*: documents as trees, and queries checked against schemas. */
#include "rego/builtin/graphql.h"

#include <stdatomic.h>

#include "countersign/base/mem.h"
#include "rego/builtin/internal.h"

/* ------------------------------------------------------------------------------------------------ errors */

/* "input:1:2: text", as the library prints an error. */
static cs_slice whole_text(cs_arena *a, const cs_gql_error *e)
{
    cs_gql_text t = {.arena = a};
    size_t n = 0;
    const char *place = "";
    if (e->at.row) {
        place = cs_arena_printf(a, &n, ":%u:%d", e->at.row, e->at.col);
    }
    cs_gql__put(&t, e->at.prelude ? CS_LIT("prelude.graphql") : CS_LIT("input"));
    cs_gql__put(&t, cs_slice_make(place, n));
    cs_gql__put(&t, CS_LIT(": "));
    cs_gql__put(&t, e->text);
    return cs_gql__view(&t);
}

static cs_err limit(cs_call *call, const cs_gql_error *e)
{
    return cs_fail(call->e, CS_ERR_LIMIT, "%.*s", CS_FMT(e->text));
}

/* An error of a text, or of a query against its schema: the place behind the text, if it is a proper one. */
static cs_err document_error(cs_call *call, const cs_gql_error *e)
{
    if (e->code == CS_ERR_LIMIT) {
        return limit(call, e);
    }
    if (e->at.row == 0 || e->at.col < 0) {
        return cs_call_error(call, "GraphQL parse error: %.*s", CS_FMT(whole_text(call->arena, e)));
    }
    cs_slice text = e->text;
    if (cs_slice_ends(text, CS_LIT(".\n"))) {
        text.n -= 2;
    }
    return cs_call_error(call, "%.*s in GraphQL string at location %u:%d", CS_FMT(text), e->at.row, e->at.col);
}

static cs_err tree_error(cs_call *call, const cs_gql_error *e)
{
    return e->code == CS_ERR_LIMIT ? limit(call, e) : cs_call_error(call, "%.*s", CS_FMT(e->text));
}

static cs_err schema_error(cs_call *call, const cs_gql_error *e)
{
    if (e->code == CS_ERR_LIMIT) {
        return limit(call, e);
    }
    cs_gql_error placed = *e;
    cs_slice text;
    if (placed.at.row == 0) { /* the library prints a missing place as -1:-1 */
        text.p = cs_arena_printf(call->arena, &text.n, "input:-1:-1: %.*s", CS_FMT(e->text));
    } else {
        text = whole_text(call->arena, &placed);
    }
    return cs_call_error(call, "Error in gqlparser SchemaDocument to Schema conversion: %.*s", CS_FMT(text));
}

/* ------------------------------------------------------------------------------------------------ operands */

static cs_err wrong_operand(cs_call *call, uint32_t i)
{
    /* OPA counts these operands from 0. */
    return cs_call__operand_error(call, i - 1, "must be one of {string, object} but got %s",
                                  cs_kind_name(call->args[i - 1]));
}

static cs_err read_query(cs_call *call, cs_gql_query **out)
{
    cs_gql_run run = {.arena = call->arena};
    cs_value v = call->args[0];
    if (v.kind == CS_STRING) {
        return cs_gql__read_query(&run, cs_text(v), out) ? CS_OK : document_error(call, &run.error);
    }
    if (v.kind == CS_OBJECT) {
        return cs_gql__query_from(&run, v, out) ? CS_OK : tree_error(call, &run.error);
    }
    return wrong_operand(call, 1);
}

static cs_err read_schema(cs_call *call, cs_arena *a, uint32_t i, cs_gql_document **out)
{
    cs_gql_run run = {.arena = a};
    cs_value v = call->args[i - 1];
    if (v.kind == CS_STRING) {
        return cs_gql__read_schema(&run, cs_text(v), false, out) ? CS_OK : document_error(call, &run.error);
    }
    if (v.kind == CS_OBJECT) {
        return cs_gql__document_from(&run, v, out) ? CS_OK : tree_error(call, &run.error);
    }
    return wrong_operand(call, i);
}

/* ------------------------------------------------------------------------------------------------ built schemas */

/* Schemas given as text are used again and again: the last few are kept, with the text, for all threads. Whoever uses
 * one counts on it, so that it may be replaced meanwhile. */
#define KEPT 8U
#define KEPT_BYTES ((size_t)16 * 1024 * 1024) /* larger ones are built anew each time */

typedef struct kept {
    _Atomic uint32_t owners;
    cs_arena arena;
    cs_slice text;
    const cs_gql_schema *schema;
} kept;

static atomic_flag lock = ATOMIC_FLAG_INIT;
static kept *recent[KEPT];
static uint32_t next_place;

static void acquire(void)
{
    while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire)) {
    }
}

static void release(void)
{
    atomic_flag_clear_explicit(&lock, memory_order_release);
}

static void drop(kept *k)
{
    if (k && atomic_fetch_sub_explicit(&k->owners, 1, memory_order_acq_rel) == 1) {
        cs_arena_destroy(&k->arena);
        cs_free(k);
    }
}

/* With one more owner, or NULL. */
static kept *find_kept(cs_slice text)
{
    kept *found = NULL;
    acquire();
    for (uint32_t i = 0; i < KEPT && !found; i++) {
        if (recent[i] && cs_slice_eq(recent[i]->text, text)) {
            found = recent[i];
            atomic_fetch_add_explicit(&found->owners, 1, memory_order_relaxed);
        }
    }
    release();
    return found;
}

static void keep(kept *k)
{
    if (cs_arena_used(&k->arena) > KEPT_BYTES) {
        return;
    }
    atomic_fetch_add_explicit(&k->owners, 1, memory_order_relaxed);
    acquire();
    kept *old = recent[next_place];
    recent[next_place] = k;
    next_place = (next_place + 1) % KEPT;
    release();
    drop(old);
}

static cs_err build(cs_call *call, cs_arena *a, cs_gql_document *document, cs_gql_schema **out)
{
    cs_gql_run run = {.arena = a};
    return cs_gql__build(&run, document, out) ? CS_OK : schema_error(call, &run.error);
}

/* The schema of operand i. *owner, if not NULL, is to be dropped when the schema is no longer needed. */
static cs_err schema_of(cs_call *call, uint32_t i, const cs_gql_schema **out, kept **owner)
{
    cs_value v = call->args[i - 1];
    cs_gql_document *document = NULL;
    cs_gql_schema *schema = NULL;
    *owner = NULL;
    if (v.kind != CS_STRING) {
        CS_TRY(read_schema(call, call->arena, i, &document));
        CS_TRY(build(call, call->arena, document, &schema));
        *out = schema;
        return CS_OK;
    }
    kept *k = find_kept(cs_text(v));
    if (!k) {
        k = cs_alloc(sizeof *k);
        atomic_init(&k->owners, 1);
        cs_arena_init(&k->arena, cs_limits_get()->eval_memory);
        k->text = cs_text(cs_string_copy(&k->arena, cs_text(v)));
        cs_gql_run run = {.arena = &k->arena};
        cs_err err = CS_OK;
        if (!cs_gql__read_schema(&run, k->text, false, &document)) {
            err = document_error(call, &run.error);
        } else if (!cs_gql__build(&run, document, &schema)) {
            err = schema_error(call, &run.error);
        }
        if (err != CS_OK) {
            drop(k);
            return err;
        }
        k->schema = schema;
        keep(k);
    }
    *out = k->schema;
    *owner = k;
    return CS_OK;
}

static cs_err validate(cs_call *call, const cs_gql_schema *schema, cs_gql_query *query)
{
    cs_gql_run run = {.arena = call->arena};
    return cs_gql__validate(&run, schema, query) ? CS_OK : document_error(call, &run.error);
}

/* ------------------------------------------------------------------------------------------------ the functions */

cs_err cs_builtin__graphql_parse_query(cs_call *call, cs_value *out)
{
    cs_slice text;
    cs_gql_query *query;
    CS_TRY(cs_call_string(call, 1, &text));
    CS_TRY(read_query(call, &query));
    *out = cs_gql__query_value(call->arena, query);
    return CS_OK;
}

cs_err cs_builtin__graphql_parse_schema(cs_call *call, cs_value *out)
{
    cs_slice text;
    cs_gql_document *document;
    CS_TRY(cs_call_string(call, 1, &text));
    CS_TRY(read_schema(call, call->arena, 1, &document));
    *out = cs_gql__document_value(call->arena, document);
    return CS_OK;
}

/* Both trees, if the query keeps to the schema. */
static cs_err parse(cs_call *call, cs_value trees[2])
{
    cs_gql_query *query;
    cs_gql_document *document;
    cs_gql_schema *schema;
    CS_TRY(read_query(call, &query));
    CS_TRY(read_schema(call, call->arena, 2, &document));
    trees[1] = cs_gql__document_value(call->arena, document);
    CS_TRY(build(call, call->arena, document, &schema));
    trees[0] = cs_gql__query_value(call->arena, query);
    return validate(call, schema, query);
}

cs_err cs_builtin__graphql_parse(cs_call *call, cs_value *out)
{
    cs_value trees[2];
    CS_TRY(parse(call, trees));
    *out = cs_array_copy(call->arena, trees, 2);
    return CS_OK;
}

/* Errors of the document become an answer; what stops an evaluation stays an error. */
static bool is_answer(cs_err err)
{
    return err == CS_ERR_EVAL_BUILTIN || err == CS_ERR_EVAL_TYPE;
}

cs_err cs_builtin__graphql_parse_and_verify(cs_call *call, cs_value *out)
{
    cs_value items[3] = {cs_bool(true)};
    cs_err err = parse(call, &items[1]);
    if (err != CS_OK && !is_answer(err)) {
        return err;
    }
    if (err != CS_OK) {
        items[0] = cs_bool(false);
        items[1] = cs_object_new(call->arena, 0);
        items[2] = cs_object_new(call->arena, 0);
    }
    *out = cs_array_copy(call->arena, items, 3);
    return CS_OK;
}

static cs_err verdict(cs_err err, cs_value *out)
{
    *out = cs_bool(err == CS_OK);
    return is_answer(err) ? CS_OK : err;
}

cs_err cs_builtin__graphql_is_valid(cs_call *call, cs_value *out)
{
    cs_gql_query *query;
    const cs_gql_schema *schema;
    kept *owner = NULL;
    cs_err err = read_query(call, &query);
    if (err == CS_OK) {
        err = schema_of(call, 2, &schema, &owner);
    }
    if (err == CS_OK) {
        err = validate(call, schema, query);
    }
    drop(owner);
    return verdict(err, out);
}

cs_err cs_builtin__graphql_schema_is_valid(cs_call *call, cs_value *out)
{
    const cs_gql_schema *schema;
    kept *owner = NULL;
    cs_err err = schema_of(call, 1, &schema, &owner);
    drop(owner);
    return verdict(err, out);
}
