/* What both GraphQL grammars share: foresight, comments, names, values, arguments, directives, types. The order in
 * which tokens are looked at decides which comments a node keeps and where an error stands, so it follows the
 * library's. */
#include <stdarg.h>

#include "rego/builtin/graphql_lex.h"

typedef cs_gql_reader reader;
typedef cs_gql_token token;

/* ------------------------------------------------------------------------------------------------ tokens */

/* The comments in front of the next token become r->comment. */
static void gather_comments(reader *r)
{
    if (cs_gql__failed(r) || r->in_comment) {
        return;
    }
    r->in_comment = true;
    cs_gql_comment_group *group = cs_arena_new(cs_gql__arena(r), cs_gql_comment_group);
    while (!cs_gql__failed(r) && cs_gql__is(r, CS_GQL_T_COMMENT)) {
        cs_gql_comment *one = cs_arena_new(cs_gql__arena(r), cs_gql_comment);
        one->text = cs_gql__peek(r).text;
        (void)cs_gql__take(r);
        cs_gql__push(cs_gql__arena(r), &group->list, one);
    }
    r->comment = group;
    r->in_comment = false;
}

cs_gql_token cs_gql__peek(cs_gql_reader *r)
{
    if (cs_gql__failed(r)) {
        return r->last;
    }
    if (!r->peeked) {
        r->ahead = cs_gql__next_token(&r->lexer);
        r->peeked = true;
        if (cs_arena_exceeded(cs_gql__arena(r))) {
            (void)cs_gql__limit(&r->error, "the GraphQL text takes more memory than the limit eval_memory allows");
        }
        if (r->ahead.kind == CS_GQL_T_COMMENT) {
            gather_comments(r);
        }
    }
    return r->ahead;
}

cs_gql_token cs_gql__take(cs_gql_reader *r)
{
    if (cs_gql__failed(r)) {
        return r->last;
    }
    (void)cs_gql__peek(r);
    r->peeked = false;
    r->comment = NULL;
    r->last = r->ahead;
    if (r->last.kind == CS_GQL_T_INVALID) {
        r->error = r->lexer.error;
    }
    return r->last;
}

bool cs_gql__skip(cs_gql_reader *r, cs_gql_token_kind kind)
{
    if (cs_gql__failed(r) || !cs_gql__is(r, kind)) {
        return false;
    }
    (void)cs_gql__take(r);
    return true;
}

/* ------------------------------------------------------------------------------------------------ errors */

static void fail(reader *r, token t, const char *before, const char *after)
{
    if (cs_gql__failed(r)) {
        return;
    }
    cs_gql_text text = {.arena = cs_gql__arena(r)};
    cs_gql__put(&text, cs_slice_of(before));
    cs_gql__put(&text, cs_slice_of(after));
    r->error = (cs_gql_error){CS_ERR_EVAL_BUILTIN, cs_gql__view(&text), t.at};
}

/* The kind of a token, and its text if it has one. */
static const char *describe(reader *r, token t)
{
    cs_gql_text text = {.arena = cs_gql__arena(r)};
    cs_gql__put(&text, cs_slice_of(cs_gql__kind_text(t.kind)));
    if (t.text.n) {
        cs_gql__put(&text, CS_LIT(" "));
        cs_gql__put_quoted(&text, t.text);
    }
    return cs_arena_dup(cs_gql__arena(r), text.p, text.n);
}

void cs_gql__unexpected(cs_gql_reader *r, cs_gql_token t)
{
    fail(r, t, "Unexpected ", describe(r, t));
}

void cs_gql__empty_list(cs_gql_reader *r)
{
    token t = cs_gql__peek(r);
    fail(r, t, "expected at least one definition, found ", cs_gql__kind_text(t.kind));
}

bool cs_gql__enter(cs_gql_reader *r)
{
    if (r->depth >= CS_GQL_DEPTH && !cs_gql__failed(r)) {
        (void)cs_gql__limit(&r->error, "the GraphQL text is nested too deeply");
    }
    r->depth++;
    return !cs_gql__failed(r);
}

cs_gql_token cs_gql__expect(cs_gql_reader *r, cs_gql_token_kind kind, cs_gql_comment_group **comment)
{
    token t = cs_gql__peek(r);
    if (comment) {
        *comment = r->comment;
    }
    if (t.kind == kind) {
        return cs_gql__take(r);
    }
    cs_gql_text text = {.arena = cs_gql__arena(r)};
    cs_gql__put(&text, cs_slice_of(cs_gql__kind_text(kind)));
    cs_gql__put(&text, CS_LIT(", found "));
    cs_gql__put(&text, cs_slice_of(cs_gql__kind_text(t.kind)));
    fail(r, t, "Expected ", cs_arena_dup(cs_gql__arena(r), text.p, text.n));
    return t;
}

cs_gql_comment_group *cs_gql__keyword(cs_gql_reader *r, const char *word)
{
    token t = cs_gql__peek(r);
    cs_gql_comment_group *comment = r->comment;
    if (t.kind == CS_GQL_T_NAME && cs_slice_is(t.text, word)) {
        (void)cs_gql__take(r);
        return comment;
    }
    cs_gql_text text = {.arena = cs_gql__arena(r)};
    cs_gql__put_quoted(&text, cs_slice_of(word));
    cs_gql__put(&text, CS_LIT(", found "));
    cs_gql__put(&text, cs_slice_of(describe(r, t)));
    fail(r, t, "Expected ", cs_arena_dup(cs_gql__arena(r), text.p, text.n));
    return comment;
}

cs_slice cs_gql__name(cs_gql_reader *r)
{
    return cs_gql__expect(r, CS_GQL_T_NAME, NULL).text;
}

/* ------------------------------------------------------------------------------------------------ lists */

void cs_gql__many(cs_gql_reader *r, cs_gql_token_kind open, cs_gql_token_kind close, cs_gql_item *one, void *list)
{
    if (!cs_gql__skip(r, open)) {
        return;
    }
    while (!cs_gql__is(r, close) && !cs_gql__failed(r)) {
        one(r, list);
    }
    (void)cs_gql__take(r);
}

cs_gql_comment_group *cs_gql__some(cs_gql_reader *r, cs_gql_token_kind open, cs_gql_token_kind close, cs_gql_item *one,
                                   void *list)
{
    if (!cs_gql__skip(r, open)) {
        return NULL;
    }
    bool any = false;
    while (!cs_gql__is(r, close) && !cs_gql__failed(r)) {
        any = true;
        one(r, list);
    }
    if (!any) {
        cs_gql__empty_list(r);
        return NULL;
    }
    cs_gql_comment_group *comment = r->comment;
    (void)cs_gql__take(r);
    return comment;
}

/* ------------------------------------------------------------------------------------------------ values */

static cs_gql_value *new_value(reader *r, int64_t kind, cs_slice raw, cs_gql_at at, cs_gql_comment_group *comment)
{
    cs_gql_value *v = cs_arena_new(cs_gql__arena(r), cs_gql_value);
    v->kind = kind;
    v->raw = raw;
    v->at = at;
    v->comment = comment;
    return v;
}

static void item_of_list(reader *r, void *list, bool constant)
{
    cs_gql_child *child = cs_arena_new(cs_gql__arena(r), cs_gql_child);
    child->value = cs_gql__value(r, constant);
    cs_gql__push(cs_gql__arena(r), (cs_gql_children *)list, child);
}

static void field_of_object(reader *r, void *list, bool constant)
{
    cs_gql_child *child = cs_arena_new(cs_gql__arena(r), cs_gql_child);
    child->at = cs_gql__here(r);
    child->comment = r->comment;
    child->name = cs_gql__name(r);
    (void)cs_gql__expect(r, CS_GQL_T_COLON, NULL);
    child->value = cs_gql__value(r, constant);
    cs_gql__push(cs_gql__arena(r), (cs_gql_children *)list, child);
}

static void list_item(reader *r, void *list)
{
    item_of_list(r, list, false);
}
static void constant_item(reader *r, void *list)
{
    item_of_list(r, list, true);
}
static void object_field(reader *r, void *list)
{
    field_of_object(r, list, false);
}
static void constant_field(reader *r, void *list)
{
    field_of_object(r, list, true);
}

static cs_gql_value *composite(reader *r, bool object, bool constant)
{
    cs_gql_at at = cs_gql__here(r);
    cs_gql_value *v = new_value(r, object ? CS_GQL_OBJECT_VALUE : CS_GQL_LIST_VALUE, CS_LIT(""), at, r->comment);
    if (cs_gql__enter(r)) {
        if (object) {
            cs_gql__many(r, CS_GQL_T_BRACE_L, CS_GQL_T_BRACE_R, constant ? constant_field : object_field, &v->children);
        } else {
            cs_gql__many(r, CS_GQL_T_BRACKET_L, CS_GQL_T_BRACKET_R, constant ? constant_item : list_item, &v->children);
        }
    }
    r->depth--;
    return v;
}

static cs_gql_value *simple(reader *r, token t, int64_t kind)
{
    (void)cs_gql__take(r);
    return new_value(r, kind, t.text, t.at, r->comment);
}

static int64_t kind_of_word(cs_slice word)
{
    if (cs_slice_is(word, "true") || cs_slice_is(word, "false")) {
        return CS_GQL_BOOLEAN;
    }
    return cs_slice_is(word, "null") ? CS_GQL_NULL : CS_GQL_ENUM;
}

cs_gql_value *cs_gql__value(cs_gql_reader *r, bool constant)
{
    token t = cs_gql__peek(r);
    if (t.kind == CS_GQL_T_BRACKET_L || t.kind == CS_GQL_T_BRACE_L) {
        return composite(r, t.kind == CS_GQL_T_BRACE_L, constant);
    }
    if (t.kind == CS_GQL_T_DOLLAR && !constant) {
        (void)cs_gql__take(r);
        cs_slice name = cs_gql__name(r);
        return new_value(r, CS_GQL_VARIABLE, name, t.at, r->comment);
    }
    if (t.kind == CS_GQL_T_NAME) {
        return simple(r, t, kind_of_word(t.text));
    }
    if (t.kind == CS_GQL_T_INT || t.kind == CS_GQL_T_FLOAT) {
        return simple(r, t, t.kind == CS_GQL_T_INT ? CS_GQL_INT : CS_GQL_FLOAT);
    }
    if (t.kind == CS_GQL_T_STRING || t.kind == CS_GQL_T_BLOCK) {
        return simple(r, t, t.kind == CS_GQL_T_STRING ? CS_GQL_STRING : CS_GQL_BLOCK);
    }
    cs_gql__unexpected(r, t);
    return new_value(r, CS_GQL_NULL, CS_LIT(""), t.at, NULL);
}

/* ------------------------------------------------------------------------------------------------ arguments */

static void argument(reader *r, void *list, bool constant)
{
    cs_gql_argument *arg = cs_arena_new(cs_gql__arena(r), cs_gql_argument);
    arg->at = cs_gql__here(r);
    arg->comment = r->comment;
    arg->name = cs_gql__name(r);
    (void)cs_gql__expect(r, CS_GQL_T_COLON, NULL);
    arg->value = cs_gql__value(r, constant);
    cs_gql__push(cs_gql__arena(r), (cs_gql_arguments *)list, arg);
}

static void any_argument(reader *r, void *list)
{
    argument(r, list, false);
}
static void constant_argument(reader *r, void *list)
{
    argument(r, list, true);
}

cs_gql_arguments cs_gql__arguments(cs_gql_reader *r, bool constant)
{
    cs_gql_arguments list = {0};
    (void)cs_gql__some(r, CS_GQL_T_PAREN_L, CS_GQL_T_PAREN_R, constant ? constant_argument : any_argument, &list);
    return list;
}

cs_gql_directives cs_gql__directives(cs_gql_reader *r, bool constant)
{
    cs_gql_directives list = {0};
    while (!cs_gql__failed(r) && cs_gql__skip(r, CS_GQL_T_AT)) {
        cs_gql_directive *one = cs_arena_new(cs_gql__arena(r), cs_gql_directive);
        one->at = cs_gql__here(r);
        one->name = cs_gql__name(r);
        one->arguments = cs_gql__arguments(r, constant);
        cs_gql__push(cs_gql__arena(r), &list, one);
    }
    return list;
}

cs_gql_type *cs_gql__type_reference(cs_gql_reader *r)
{
    cs_gql_type *type = cs_arena_new(cs_gql__arena(r), cs_gql_type);
    if (cs_gql__enter(r) && cs_gql__skip(r, CS_GQL_T_BRACKET_L)) {
        type->at = cs_gql__here(r);
        type->element = cs_gql__type_reference(r);
        (void)cs_gql__expect(r, CS_GQL_T_BRACKET_R, NULL);
    } else {
        type->at = cs_gql__here(r);
        type->name = cs_gql__name(r);
    }
    r->depth--;
    type->non_null = cs_gql__skip(r, CS_GQL_T_BANG);
    return type;
}

cs_slice cs_gql__operation_type(cs_gql_reader *r)
{
    token t = cs_gql__take(r);
    if (cs_slice_is(t.text, "query") || cs_slice_is(t.text, "mutation") || cs_slice_is(t.text, "subscription")) {
        return t.text;
    }
    cs_gql__unexpected(r, t);
    return CS_LIT("");
}
