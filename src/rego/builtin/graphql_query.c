/* The grammar of GraphQL queries: operations and fragments. */
#include "rego/builtin/graphql_lex.h"

typedef cs_gql_reader reader;

static cs_gql_selections selections(reader *r);

static void variable(reader *r, void *list)
{
    cs_gql_variable *v = cs_arena_new(cs_gql__arena(r), cs_gql_variable);
    v->at = cs_gql__here(r);
    v->comment = r->comment;
    (void)cs_gql__expect(r, CS_GQL_T_DOLLAR, NULL);
    v->name = cs_gql__name(r);
    (void)cs_gql__expect(r, CS_GQL_T_COLON, NULL);
    v->type = cs_gql__type_reference(r);
    if (cs_gql__skip(r, CS_GQL_T_EQUALS)) {
        v->fallback = cs_gql__value(r, true);
    }
    v->directives = cs_gql__directives(r, false);
    cs_gql__push(cs_gql__arena(r), (cs_gql_variables *)list, v);
}

static cs_gql_variables variables(reader *r)
{
    cs_gql_variables list = {0};
    (void)cs_gql__some(r, CS_GQL_T_PAREN_L, CS_GQL_T_PAREN_R, variable, &list);
    return list;
}

static cs_slice fragment_name(reader *r)
{
    if (cs_gql__is_word(r, "on")) {
        cs_gql__unexpected(r, cs_gql__peek(r));
        return CS_LIT("");
    }
    return cs_gql__name(r);
}

/* "...Name" or "... on Type { }". */
static void spread(reader *r, cs_gql_selection *s)
{
    (void)cs_gql__expect(r, CS_GQL_T_SPREAD, &s->comment);
    cs_gql_token t = cs_gql__peek(r);
    s->at = t.at;
    if (t.kind == CS_GQL_T_NAME && !cs_slice_is(t.text, "on")) {
        s->what = CS_GQL_SPREAD;
        s->name = fragment_name(r);
        s->directives = cs_gql__directives(r, false);
        return;
    }
    s->what = CS_GQL_INLINE;
    if (cs_gql__is_word(r, "on")) {
        (void)cs_gql__take(r);
        s->condition = cs_gql__name(r);
    }
    s->directives = cs_gql__directives(r, false);
    s->selections = selections(r);
}

static void field(reader *r, cs_gql_selection *s)
{
    s->what = CS_GQL_FIELD;
    s->at = cs_gql__here(r);
    s->comment = r->comment;
    s->alias = cs_gql__name(r);
    s->name = cs_gql__skip(r, CS_GQL_T_COLON) ? cs_gql__name(r) : s->alias;
    s->arguments = cs_gql__arguments(r, false);
    s->directives = cs_gql__directives(r, false);
    if (cs_gql__is(r, CS_GQL_T_BRACE_L)) {
        s->selections = selections(r);
    }
}

static void selection(reader *r, void *list)
{
    cs_gql_selection *s = cs_arena_new(cs_gql__arena(r), cs_gql_selection);
    if (cs_gql__is(r, CS_GQL_T_SPREAD)) {
        spread(r, s);
    } else {
        field(r, s);
    }
    cs_gql__push(cs_gql__arena(r), (cs_gql_selections *)list, s);
}

/* "{ … }", which must be there. */
static cs_gql_selections selections(reader *r)
{
    cs_gql_selections list = {0};
    if (!cs_gql__is(r, CS_GQL_T_BRACE_L)) {
        (void)cs_gql__expect(r, CS_GQL_T_BRACE_L, NULL);
        return list;
    }
    if (cs_gql__enter(r)) {
        (void)cs_gql__some(r, CS_GQL_T_BRACE_L, CS_GQL_T_BRACE_R, selection, &list);
    }
    r->depth--;
    return list;
}

static cs_gql_operation *operation(reader *r)
{
    cs_gql_operation *op = cs_arena_new(cs_gql__arena(r), cs_gql_operation);
    op->at = cs_gql__here(r);
    if (cs_gql__is(r, CS_GQL_T_BRACE_L)) {
        op->operation = CS_LIT("query");
        op->selections = selections(r);
        op->comment = r->comment;
        return op;
    }
    op->comment = r->comment;
    op->operation = cs_gql__operation_type(r);
    if (cs_gql__is(r, CS_GQL_T_NAME)) {
        op->name = cs_gql__take(r).text;
    }
    op->variables = variables(r);
    op->directives = cs_gql__directives(r, false);
    op->selections = selections(r);
    return op;
}

static cs_gql_fragment *fragment(reader *r)
{
    cs_gql_fragment *f = cs_arena_new(cs_gql__arena(r), cs_gql_fragment);
    f->at = cs_gql__here(r);
    f->comment = r->comment;
    (void)cs_gql__keyword(r, "fragment");
    f->name = fragment_name(r);
    f->variables = variables(r);
    (void)cs_gql__keyword(r, "on");
    f->condition = cs_gql__name(r);
    f->directives = cs_gql__directives(r, false);
    f->selections = selections(r);
    return f;
}

static void part(reader *r, cs_gql_query *query)
{
    cs_gql_token t = cs_gql__peek(r);
    bool word = t.kind == CS_GQL_T_NAME;
    if (t.kind == CS_GQL_T_BRACE_L || (word && (cs_slice_is(t.text, "query") || cs_slice_is(t.text, "mutation") ||
                                                cs_slice_is(t.text, "subscription")))) {
        cs_gql__push(cs_gql__arena(r), &query->operations, operation(r));
    } else if (word && cs_slice_is(t.text, "fragment")) {
        cs_gql__push(cs_gql__arena(r), &query->fragments, fragment(r));
    } else {
        cs_gql__unexpected(r, t);
    }
}

bool cs_gql__read_query(cs_gql_run *run, cs_slice text, cs_gql_query **out)
{
    reader r = {.lexer = {.arena = run->arena, .text = text, .row = 1}};
    cs_gql_query *query = cs_arena_new(run->arena, cs_gql_query);
    while (!cs_gql__failed(&r) && !cs_gql__is(&r, CS_GQL_T_EOF)) {
        part(&r, query);
    }
    if (cs_gql__failed(&r)) {
        run->error = r.error;
        return false;
    }
    *out = query;
    return true;
}
