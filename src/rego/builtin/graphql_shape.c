/* Trees as values and back, by one table of members. Values are what OPA makes of the library's structs: members by
 * their names there, empty objects and arrays and nulls left out, places left out. The way back is how Go's
 * encoding/json fills those structs, with its errors; the structs with a reader of their own (`exact`) compare names
 * letter by letter, and their errors name only the struct around them. */
#include <stddef.h>

#include "rego/builtin/graphql.h"

typedef enum member_kind { TEXT, TEXTS, BOOL, INT, NODE, NODES, SELECTIONS } member_kind;

typedef struct shape shape;

typedef struct member {
    const char *name;
    member_kind kind;
    size_t offset;
    const shape *shape; /* of NODE and NODES */
    const char *type;   /* Go's name of the type, for errors */
    bool needed;        /* a node that every text has; an empty one is made where a policy's object lacks it */
} member;

struct shape {
    const char *name;
    size_t size;
    const member *members;
    size_t n;
    bool exact;
};

static const shape s_argument, s_child, s_comment, s_group, s_definition, s_directive, s_directive_definition,
    s_fragment, s_field_member, s_argument_member, s_enum_member, s_operation, s_root, s_schema, s_field, s_spread,
    s_inline, s_type, s_value, s_variable;

#define M(type, member, kind, name)                                                                                    \
    {                                                                                                                  \
        name, kind, offsetof(type, member), NULL, NULL, false                                                          \
    }
#define N(type, member, kind, name, shape, go)                                                                         \
    {                                                                                                                  \
        name, kind, offsetof(type, member), &(shape), go, false                                                        \
    }
#define NEEDED(type, member, name, shape, go)                                                                          \
    {                                                                                                                  \
        name, NODE, offsetof(type, member), &(shape), go, true                                                         \
    }
#define G(type, member, kind, name, go)                                                                                \
    {                                                                                                                  \
        name, kind, offsetof(type, member), NULL, go, false                                                            \
    }
#define SHAPE(id, text, type, exact)                                                                                   \
    static const shape s_##id = {text, sizeof(type), m_##id, sizeof m_##id / sizeof *m_##id, exact}

#define COMMENT(type, member, name) N(type, member, NODE, name, s_group, "ast.CommentGroup")
#define DIRECTIVES(type) N(type, directives, NODES, "Directives", s_directive, "ast.DirectiveList")
#define DEFINITION(type, member, name) N(type, member, NODE, name, s_definition, "ast.Definition")
#define DESCRIBED(type)                                                                                                \
    COMMENT(type, before, "BeforeDescriptionComment"), COMMENT(type, after, "AfterDescriptionComment")

static const member m_comment[] = {M(cs_gql_comment, text, TEXT, "Value")};
static const member m_group[] = {N(cs_gql_comment_group, list, NODES, "List", s_comment, "[]*ast.Comment")};
static const member m_value[] = {
    M(cs_gql_value, raw, TEXT, "Raw"),
    N(cs_gql_value, children, NODES, "Children", s_child, "ast.ChildValueList"),
    G(cs_gql_value, kind, INT, "Kind", "ast.ValueKind"),
    COMMENT(cs_gql_value, comment, "Comment"),
    DEFINITION(cs_gql_value, definition, "Definition"),
    N(cs_gql_value, variable, NODE, "VariableDefinition", s_variable, "ast.VariableDefinition"),
    N(cs_gql_value, expected, NODE, "ExpectedType", s_type, "ast.Type"),
    M(cs_gql_value, expected_has_default, BOOL, "ExpectedTypeHasDefault"),
};
static const member m_child[] = {
    M(cs_gql_child, name, TEXT, "Name"),
    NEEDED(cs_gql_child, value, "Value", s_value, "ast.Value"),
    COMMENT(cs_gql_child, comment, "Comment"),
};
static const member m_argument[] = {
    M(cs_gql_argument, name, TEXT, "Name"),
    NEEDED(cs_gql_argument, value, "Value", s_value, "ast.Value"),
    COMMENT(cs_gql_argument, comment, "Comment"),
};
static const member m_directive[] = {
    M(cs_gql_directive, name, TEXT, "Name"),
    N(cs_gql_directive, arguments, NODES, "Arguments", s_argument, "ast.ArgumentList"),
    DEFINITION(cs_gql_directive, parent, "ParentDefinition"),
    N(cs_gql_directive, definition, NODE, "Definition", s_directive_definition, "ast.DirectiveDefinition"),
    G(cs_gql_directive, location, TEXT, "Location", "ast.DirectiveLocation"),
};
static const member m_type[] = {
    M(cs_gql_type, name, TEXT, "NamedType"),
    N(cs_gql_type, element, NODE, "Elem", s_type, "ast.Type"),
    M(cs_gql_type, non_null, BOOL, "NonNull"),
};

/* ---- queries: of the library's three kinds of selections only the spread is read by the standard reader */
static const member m_field[] = {
    M(cs_gql_selection, alias, TEXT, "Alias"),
    M(cs_gql_selection, name, TEXT, "Name"),
    N(cs_gql_selection, arguments, NODES, "Arguments", s_argument, "ast.ArgumentList"),
    DIRECTIVES(cs_gql_selection),
    M(cs_gql_selection, selections, SELECTIONS, "SelectionSet"),
    COMMENT(cs_gql_selection, comment, "Comment"),
    N(cs_gql_selection, field, NODE, "Definition", s_field_member, "ast.FieldDefinition"),
    DEFINITION(cs_gql_selection, parent, "ObjectDefinition"),
};
static const member m_spread[] = {
    M(cs_gql_selection, name, TEXT, "Name"),
    DIRECTIVES(cs_gql_selection),
    DEFINITION(cs_gql_selection, parent, "ObjectDefinition"),
    N(cs_gql_selection, fragment, NODE, "Definition", s_fragment, "ast.FragmentDefinition"),
    COMMENT(cs_gql_selection, comment, "Comment"),
};
static const member m_inline[] = {
    M(cs_gql_selection, condition, TEXT, "TypeCondition"),
    DIRECTIVES(cs_gql_selection),
    M(cs_gql_selection, selections, SELECTIONS, "SelectionSet"),
    DEFINITION(cs_gql_selection, parent, "ObjectDefinition"),
    COMMENT(cs_gql_selection, comment, "Comment"),
};
static const member m_variable[] = {
    M(cs_gql_variable, name, TEXT, "Variable"),
    NEEDED(cs_gql_variable, type, "Type", s_type, "ast.Type"),
    N(cs_gql_variable, fallback, NODE, "DefaultValue", s_value, "ast.Value"),
    DIRECTIVES(cs_gql_variable),
    COMMENT(cs_gql_variable, comment, "Comment"),
    DEFINITION(cs_gql_variable, definition, "Definition"),
    M(cs_gql_variable, used, BOOL, "Used"),
};
static const member m_operation[] = {
    G(cs_gql_operation, operation, TEXT, "Operation", "ast.Operation"),
    M(cs_gql_operation, name, TEXT, "Name"),
    N(cs_gql_operation, variables, NODES, "VariableDefinitions", s_variable, "ast.VariableDefinitionList"),
    DIRECTIVES(cs_gql_operation),
    M(cs_gql_operation, selections, SELECTIONS, "SelectionSet"),
    COMMENT(cs_gql_operation, comment, "Comment"),
};
static const member m_fragment[] = {
    M(cs_gql_fragment, name, TEXT, "Name"),
    N(cs_gql_fragment, variables, NODES, "VariableDefinition", s_variable, "ast.VariableDefinitionList"),
    M(cs_gql_fragment, condition, TEXT, "TypeCondition"),
    DIRECTIVES(cs_gql_fragment),
    M(cs_gql_fragment, selections, SELECTIONS, "SelectionSet"),
    DEFINITION(cs_gql_fragment, definition, "Definition"),
    COMMENT(cs_gql_fragment, comment, "Comment"),
};
static const member m_query[] = {
    N(cs_gql_query, operations, NODES, "Operations", s_operation, "ast.OperationList"),
    N(cs_gql_query, fragments, NODES, "Fragments", s_fragment, "ast.FragmentDefinitionList"),
    COMMENT(cs_gql_query, comment, "Comment"),
};

/* ---- schemas */
#define MEMBER_FALLBACK N(cs_gql_member, fallback, NODE, "DefaultValue", s_value, "ast.Value")
#define MEMBER_TYPE NEEDED(cs_gql_member, type, "Type", s_type, "ast.Type")
static const member m_field_member[] = {
    M(cs_gql_member, description, TEXT, "Description"),
    M(cs_gql_member, name, TEXT, "Name"),
    N(cs_gql_member, arguments, NODES, "Arguments", s_argument_member, "ast.ArgumentDefinitionList"),
    MEMBER_FALLBACK,
    MEMBER_TYPE,
    DIRECTIVES(cs_gql_member),
    DESCRIBED(cs_gql_member),
};
static const member m_argument_member[] = {
    M(cs_gql_member, description, TEXT, "Description"),
    M(cs_gql_member, name, TEXT, "Name"),
    MEMBER_FALLBACK,
    MEMBER_TYPE,
    DIRECTIVES(cs_gql_member),
    DESCRIBED(cs_gql_member),
};
static const member m_enum_member[] = {
    M(cs_gql_member, description, TEXT, "Description"),
    M(cs_gql_member, name, TEXT, "Name"),
    DIRECTIVES(cs_gql_member),
    DESCRIBED(cs_gql_member),
};
static const member m_definition[] = {
    G(cs_gql_definition, kind, TEXT, "Kind", "ast.DefinitionKind"),
    M(cs_gql_definition, description, TEXT, "Description"),
    M(cs_gql_definition, name, TEXT, "Name"),
    DIRECTIVES(cs_gql_definition),
    G(cs_gql_definition, interfaces, TEXTS, "Interfaces", "[]string"),
    N(cs_gql_definition, fields, NODES, "Fields", s_field_member, "ast.FieldList"),
    G(cs_gql_definition, types, TEXTS, "Types", "[]string"),
    N(cs_gql_definition, values, NODES, "EnumValues", s_enum_member, "ast.EnumValueList"),
    M(cs_gql_definition, built_in, BOOL, "BuiltIn"),
    DESCRIBED(cs_gql_definition),
    COMMENT(cs_gql_definition, end, "EndOfDefinitionComment"),
};
static const member m_directive_definition[] = {
    M(cs_gql_directive_definition, description, TEXT, "Description"),
    M(cs_gql_directive_definition, name, TEXT, "Name"),
    N(cs_gql_directive_definition, arguments, NODES, "Arguments", s_argument_member, "ast.ArgumentDefinitionList"),
    G(cs_gql_directive_definition, locations, TEXTS, "Locations", "[]ast.DirectiveLocation"),
    M(cs_gql_directive_definition, repeatable, BOOL, "IsRepeatable"),
    DESCRIBED(cs_gql_directive_definition),
};
static const member m_root[] = {
    G(cs_gql_root, operation, TEXT, "Operation", "ast.Operation"),
    M(cs_gql_root, type, TEXT, "Type"),
    COMMENT(cs_gql_root, comment, "Comment"),
};
static const member m_schema[] = {
    M(cs_gql_schema_definition, description, TEXT, "Description"),
    DIRECTIVES(cs_gql_schema_definition),
    N(cs_gql_schema_definition, roots, NODES, "OperationTypes", s_root, "ast.OperationTypeDefinitionList"),
    DESCRIBED(cs_gql_schema_definition),
    COMMENT(cs_gql_schema_definition, end, "EndOfDefinitionComment"),
};
static const member m_document[] = {
    N(cs_gql_document, schema, NODES, "Schema", s_schema, "ast.SchemaDefinitionList"),
    N(cs_gql_document, schema_extensions, NODES, "SchemaExtension", s_schema, "ast.SchemaDefinitionList"),
    N(cs_gql_document, directives, NODES, "Directives", s_directive_definition, "ast.DirectiveDefinitionList"),
    N(cs_gql_document, definitions, NODES, "Definitions", s_definition, "ast.DefinitionList"),
    N(cs_gql_document, extensions, NODES, "Extensions", s_definition, "ast.DefinitionList"),
    COMMENT(cs_gql_document, comment, "Comment"),
};

SHAPE(comment, "Comment", cs_gql_comment, false);
SHAPE(group, "CommentGroup", cs_gql_comment_group, false);
SHAPE(value, "Value", cs_gql_value, false);
SHAPE(child, "ChildValue", cs_gql_child, false);
SHAPE(argument, "Argument", cs_gql_argument, false);
SHAPE(directive, "Directive", cs_gql_directive, false);
SHAPE(type, "Type", cs_gql_type, false);
SHAPE(field, "Field", cs_gql_selection, true);
SHAPE(spread, "FragmentSpread", cs_gql_selection, false);
SHAPE(inline, "InlineFragment", cs_gql_selection, true);
SHAPE(variable, "VariableDefinition", cs_gql_variable, false);
SHAPE(operation, "OperationDefinition", cs_gql_operation, true);
SHAPE(fragment, "FragmentDefinition", cs_gql_fragment, true);
SHAPE(query, "QueryDocument", cs_gql_query, false);
SHAPE(field_member, "FieldDefinition", cs_gql_member, false);
SHAPE(argument_member, "ArgumentDefinition", cs_gql_member, false);
SHAPE(enum_member, "EnumValueDefinition", cs_gql_member, false);
SHAPE(definition, "Definition", cs_gql_definition, false);
SHAPE(directive_definition, "DirectiveDefinition", cs_gql_directive_definition, false);
SHAPE(root, "OperationTypeDefinition", cs_gql_root, false);
SHAPE(schema, "SchemaDefinition", cs_gql_schema_definition, false);
SHAPE(document, "SchemaDocument", cs_gql_document, false);

/* By cs_gql_selection.what. */
static const shape *const selection_shapes[] = {&s_field, &s_spread, &s_inline};

typedef CS_GQL_LIST(void *) node_list;

/* ------------------------------------------------------------------------------------------------ tree → value */

static cs_value node_value(cs_arena *a, const shape *s, const void *node);

static cs_value list_value(cs_arena *a, const member *m, const void *at)
{
    node_list list;
    memcpy(&list, at, sizeof list);
    cs_value *items = cs_arena_alloc(a, (list.n + 1) * sizeof *items);
    uint32_t n = 0;
    for (uint32_t i = 0; i < list.n; i++) {
        const shape *s = m->shape;
        if (m->kind == SELECTIONS) {
            s = selection_shapes[((const cs_gql_selection *)list.v[i])->what];
        }
        cs_value item = node_value(a, s, list.v[i]);
        if (cs_count(item)) {
            items[n++] = item;
        }
    }
    return n ? cs_array(items, n) : cs_undefined();
}

static cs_value texts_value(cs_arena *a, const cs_gql_texts *list)
{
    cs_value *items = cs_arena_alloc(a, (list->n + 1) * sizeof *items);
    for (uint32_t i = 0; i < list->n; i++) {
        items[i] = cs_gql__string(list->v[i]);
    }
    return list->n ? cs_array(items, list->n) : cs_undefined();
}

/* Undefined for what is left out. */
static cs_value member_value(cs_arena *a, const member *m, const char *node)
{
    const char *at = node + m->offset;
    switch (m->kind) {
    case TEXT:
        return cs_gql__string(*(const cs_slice *)(const void *)at);
    case TEXTS:
        return texts_value(a, (const void *)at);
    case BOOL:
        return cs_bool(*(const bool *)(const void *)at);
    case INT:
        return cs_int(*(const int64_t *)(const void *)at);
    case NODES:
    case SELECTIONS:
        return list_value(a, m, at);
    case NODE:
        break;
    }
    const void *inner;
    memcpy(&inner, at, sizeof inner);
    cs_value v = inner ? node_value(a, m->shape, inner) : cs_undefined();
    return cs_count(v) ? v : cs_undefined();
}

static cs_value node_value(cs_arena *a, const shape *s, const void *node)
{
    cs_value out = cs_object_new(a, (uint32_t)s->n);
    for (size_t i = 0; i < s->n; i++) {
        cs_value v = member_value(a, &s->members[i], node);
        if (!cs_is_undefined(v)) {
            cs_object_put_text(a, out, s->members[i].name, v);
        }
    }
    return out;
}

cs_value cs_gql__query_value(cs_arena *a, const cs_gql_query *query)
{
    return node_value(a, &s_query, query);
}

cs_value cs_gql__document_value(cs_arena *a, const cs_gql_document *document)
{
    return node_value(a, &s_document, document);
}

/* ------------------------------------------------------------------------------------------------ value → tree */

typedef struct decoder {
    cs_gql_run *run;
    cs_arena *arena;
    const char *struct_name; /* of the member being read, or NULL */
    cs_slice path;           /* "Operations.Name" */
    uint32_t depth;
} decoder;

static bool read_node(decoder *d, const shape *s, cs_value v, void *node);

/* "json: cannot unmarshal string into Go struct field Type.Elem.NonNull of type bool". */
static bool mismatch(decoder *d, cs_value v, const char *go_type)
{
    const char *got = v.kind == CS_BOOL ? "bool" : v.kind == CS_SET ? "array" : cs_kind_name(v);
    if (v.kind == CS_NUMBER && strncmp(go_type, "ast.ValueKind", 13) == 0) {
        cs_buf buf;
        cs_buf_init(&buf);
        cs_value_print(&buf, v);
        got = cs_arena_printf(d->arena, NULL, "number %s", cs_buf_cstr(&buf));
        cs_buf_destroy(&buf);
    }
    if (!d->struct_name) {
        return cs_gql__fail(d->run, (cs_gql_at){0}, "json: cannot unmarshal %s into Go value of type %s", got, go_type);
    }
    return cs_gql__fail(d->run, (cs_gql_at){0}, "json: cannot unmarshal %s into Go struct field %s.%.*s of type %s",
                        got, d->struct_name, CS_FMT(d->path), go_type);
}

static bool same_name(const shape *s, cs_slice key, const char *name)
{
    return s->exact ? cs_slice_is(key, name) : cs_slice_eq_nocase(key, cs_slice_of(name));
}

static cs_value item_of(cs_value list, uint32_t i)
{
    return list.kind == CS_ARRAY ? list.u.items[i] : cs_entry(list, i, NULL);
}

static bool is_list(cs_value v)
{
    return v.kind == CS_ARRAY || v.kind == CS_SET;
}

static bool read_texts(decoder *d, const member *m, cs_value v, void *at)
{
    cs_gql_texts list = {0};
    if (!is_list(v)) {
        return mismatch(d, v, m->type);
    }
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value item = item_of(v, i);
        if (item.kind != CS_STRING && item.kind != CS_NULL) {
            return mismatch(d, item, strcmp(m->type, "[]string") == 0 ? "string" : "ast.DirectiveLocation");
        }
        cs_gql__push(d->arena, &list, item.kind == CS_STRING ? cs_text(item) : CS_LIT(""));
    }
    memcpy(at, &list, sizeof list);
    return true;
}

static bool read_nodes(decoder *d, const member *m, cs_value v, void *at)
{
    node_list list = {0};
    if (!is_list(v)) {
        return mismatch(d, v, m->type);
    }
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value item = item_of(v, i);
        void *node = cs_arena_zalloc(d->arena, m->shape->size);
        if (item.kind == CS_NULL) {
            continue; /* a null node would stop the library */
        }
        if (!read_node(d, m->shape, item, node)) {
            return false;
        }
        cs_gql__push(d->arena, &list, node);
    }
    memcpy(at, &list, sizeof list);
    return true;
}

/* An item is a field if it can be read as one, otherwise a spread, otherwise an inline fragment, otherwise dropped: so
 * the library does it, and a fragment that a policy hands back usually comes out as a field. */
static bool read_selections(decoder *d, cs_value v, void *at)
{
    cs_gql_selections list = {0};
    if (v.kind != CS_NULL && !is_list(v)) {
        return mismatch(d, v, "[]json.RawMessage");
    }
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value item = item_of(v, i);
        for (int what = CS_GQL_FIELD; what <= CS_GQL_INLINE; what++) {
            cs_gql_selection *one = cs_arena_new(d->arena, cs_gql_selection);
            cs_gql_run attempt = {.arena = d->arena};
            decoder inner = {.run = &attempt, .arena = d->arena, .depth = d->depth};
            one->what = what;
            if (item.kind == CS_NULL || read_node(&inner, selection_shapes[what], item, one)) {
                cs_gql__push(d->arena, &list, one);
                break;
            }
            if (attempt.error.code == CS_ERR_LIMIT) {
                d->run->error = attempt.error;
                return false;
            }
        }
    }
    memcpy(at, &list, sizeof list);
    return true;
}

static bool read_member(decoder *d, const member *m, cs_value v, char *node)
{
    char *at = node + m->offset;
    if (m->kind == SELECTIONS) {
        return read_selections(d, v, at);
    }
    if (v.kind == CS_NULL) {
        return true;
    }
    void *inner;
    int64_t number;
    bool truth;
    cs_slice text;
    switch (m->kind) {
    case TEXT:
        text = v.kind == CS_STRING ? cs_text(v) : CS_LIT("");
        memcpy(at, &text, sizeof text);
        return v.kind == CS_STRING || mismatch(d, v, m->type ? m->type : "string");
    case BOOL:
        truth = cs_truthy(v);
        memcpy(at, &truth, sizeof truth);
        return v.kind == CS_BOOL || mismatch(d, v, "bool");
    case INT:
        number = v.kind == CS_NUMBER && v.form == CS_NUMBER_INT ? v.u.i : 0;
        memcpy(at, &number, sizeof number);
        return (v.kind == CS_NUMBER && v.form == CS_NUMBER_INT) || mismatch(d, v, m->type);
    case TEXTS:
        return read_texts(d, m, v, at);
    case NODES:
        return read_nodes(d, m, v, at);
    case NODE:
    case SELECTIONS:
        break;
    }
    inner = cs_arena_zalloc(d->arena, m->shape->size);
    memcpy(at, &inner, sizeof inner);
    return read_node(d, m->shape, v, inner);
}

static bool read_members(decoder *d, const shape *s, cs_value v, void *node)
{
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value value, key = cs_entry(v, i, &value);
        for (size_t k = 0; k < s->n && key.kind == CS_STRING; k++) {
            const member *m = &s->members[k];
            if (!same_name(s, cs_text(key), m->name) || (s->exact && strcmp(m->name, "Comment") == 0)) {
                continue;
            }
            decoder inner = *d;
            if (!s->exact) {
                inner.struct_name = s->name;
                inner.path.p = cs_arena_printf(d->arena, &inner.path.n, "%.*s%s%s", CS_FMT(d->path),
                                               d->path.n ? "." : "", m->name);
            }
            if (!read_member(&inner, m, value, node)) {
                return false;
            }
        }
    }
    for (size_t k = 0; k < s->n; k++) {
        void *inner;
        char *at = (char *)node + s->members[k].offset;
        memcpy(&inner, at, sizeof inner);
        if (s->members[k].needed && !inner) {
            inner = cs_arena_zalloc(d->arena, s->members[k].shape->size);
            memcpy(at, &inner, sizeof inner);
        }
    }
    return true;
}

/* Puts the struct and the path around a reader of its own into the error that came out of it. */
static bool through_reader(decoder *d, const shape *s, cs_value v, void *node)
{
    cs_gql_run own = {.arena = d->arena};
    decoder inner = {.run = &own, .arena = d->arena, .depth = d->depth};
    if (read_members(&inner, s, v, node)) {
        return true;
    }
    cs_gql_error error = own.error;
    static const char plain[] = "Go value of type ", within[] = "Go struct field ";
    size_t at = cs_slice_find(error.text, cs_slice_of(plain), 0), end = at;
    cs_slice field = {"", 0};
    if (error.code == CS_ERR_LIMIT || !d->struct_name) {
        d->run->error = error;
        return false;
    }
    if (at == SIZE_MAX) {
        at = cs_slice_find(error.text, cs_slice_of(within), 0);
        end = cs_slice_find(error.text, CS_LIT(" of type "), at);
        field = cs_slice_sub(error.text, cs_slice_find_byte(error.text, '.', at), end);
        end += sizeof " of type " - 1;
    } else {
        end = at + sizeof plain - 1;
    }
    return cs_gql__fail(d->run, (cs_gql_at){0}, "%.*s%s%s.%.*s%.*s of type %.*s", (int)at, error.text.p, within,
                        d->struct_name, CS_FMT(d->path), CS_FMT(field), (int)(error.text.n - end), error.text.p + end);
}

static bool read_node(decoder *d, const shape *s, cs_value v, void *node)
{
    if (d->depth > CS_GQL_DEPTH) {
        return cs_gql__limit(&d->run->error, "the GraphQL tree is nested too deeply");
    }
    if (cs_arena_exceeded(d->arena)) {
        return cs_gql__limit(&d->run->error, "the GraphQL tree takes more memory than the limit eval_memory allows");
    }
    if (v.kind != CS_OBJECT) {
        return mismatch(d, v,
                        s->exact ? "map[string]json.RawMessage" : cs_arena_printf(d->arena, NULL, "ast.%s", s->name));
    }
    d->depth++;
    bool ok = s->exact ? through_reader(d, s, v, node) : read_members(d, s, v, node);
    d->depth--;
    return ok;
}

bool cs_gql__query_from(cs_gql_run *run, cs_value v, cs_gql_query **out)
{
    decoder d = {.run = run, .arena = run->arena};
    *out = cs_arena_new(run->arena, cs_gql_query);
    return read_node(&d, &s_query, v, *out);
}

bool cs_gql__document_from(cs_gql_run *run, cs_value v, cs_gql_document **out)
{
    decoder d = {.run = run, .arena = run->arena};
    *out = cs_arena_new(run->arena, cs_gql_document);
    return read_node(&d, &s_document, v, *out);
}
