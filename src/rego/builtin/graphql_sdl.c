/* The grammar of GraphQL schemas: definitions of types and directives, and their extensions. */
#include "rego/builtin/graphql_lex.h"

typedef cs_gql_reader reader;

/* A description and the comments in front of it. */
typedef struct description {
    cs_slice text;
    cs_gql_comment_group *before;
} description;

static description take_description(reader *r)
{
    description d = {CS_LIT(""), NULL};
    cs_gql_token_kind kind = cs_gql__peek(r).kind;
    if (kind == CS_GQL_T_STRING || kind == CS_GQL_T_BLOCK) {
        d.before = r->comment;
        d.text = cs_gql__take(r).text;
    }
    return d;
}

/* ------------------------------------------------------------------------------------------------ members */

enum { HAS_ARGUMENTS = 1, HAS_TYPE = 2, HAS_DEFAULT = 4 };

static void argument_member(reader *r, void *list);

static void member(reader *r, cs_gql_members *list, unsigned parts)
{
    cs_gql_member *m = cs_arena_new(cs_gql__arena(r), cs_gql_member);
    description d = take_description(r);
    if (d.text.n) {
        m->before = d.before;
        m->description = d.text;
    }
    m->at = cs_gql__here(r);
    m->after = r->comment;
    m->name = cs_gql__name(r);
    if (parts & HAS_ARGUMENTS) {
        (void)cs_gql__some(r, CS_GQL_T_PAREN_L, CS_GQL_T_PAREN_R, argument_member, &m->arguments);
    }
    if (parts & HAS_TYPE) {
        (void)cs_gql__expect(r, CS_GQL_T_COLON, NULL);
        m->type = cs_gql__type_reference(r);
    }
    if ((parts & HAS_DEFAULT) && cs_gql__skip(r, CS_GQL_T_EQUALS)) {
        m->fallback = cs_gql__value(r, true);
    }
    m->directives = cs_gql__directives(r, true);
    cs_gql__push(cs_gql__arena(r), list, m);
}

/* An argument, and a field of an input type. */
static void argument_member(reader *r, void *list)
{
    member(r, list, HAS_TYPE | HAS_DEFAULT);
}
static void field_member(reader *r, void *list)
{
    member(r, list, HAS_ARGUMENTS | HAS_TYPE);
}
static void enum_member(reader *r, void *list)
{
    member(r, list, 0);
}

/* ------------------------------------------------------------------------------------------------ definitions */

static void interfaces(reader *r, cs_gql_definition *def)
{
    if (!cs_gql__is_word(r, "implements")) {
        return;
    }
    (void)cs_gql__take(r);
    (void)cs_gql__skip(r, CS_GQL_T_AMP);
    do {
        cs_gql__push(cs_gql__arena(r), &def->interfaces, cs_gql__name(r));
    } while (cs_gql__skip(r, CS_GQL_T_AMP) && !cs_gql__failed(r));
}

static void union_members(reader *r, cs_gql_definition *def)
{
    if (!cs_gql__skip(r, CS_GQL_T_EQUALS)) {
        return;
    }
    (void)cs_gql__skip(r, CS_GQL_T_PIPE);
    do {
        cs_gql_at at = cs_gql__here(r);
        cs_gql__push(cs_gql__arena(r), &def->type_at, at);
        cs_gql__push(cs_gql__arena(r), &def->types, cs_gql__name(r));
    } while (cs_gql__skip(r, CS_GQL_T_PIPE) && !cs_gql__failed(r));
}

static cs_gql_comment_group *members(reader *r, cs_gql_item *one, cs_gql_members *list)
{
    return cs_gql__some(r, CS_GQL_T_BRACE_L, CS_GQL_T_BRACE_R, one, list);
}

/* The kinds of definitions by their keyword. `base` parts must not all be missing in an extension. */
static const struct kind {
    const char *word;
    const char *kind;
} kinds[] = {{"scalar", "SCALAR"}, {"type", "OBJECT"}, {"interface", "INTERFACE"},
             {"union", "UNION"},   {"enum", "ENUM"},   {"input", "INPUT_OBJECT"}};

static const struct kind *kind_of(reader *r)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (cs_gql__is_word(r, kinds[i].word)) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* Behind the keyword. */
static void definition_body(reader *r, cs_gql_definition *def, bool extension)
{
    bool object = cs_slice_is(def->kind, "OBJECT"), interface = cs_slice_is(def->kind, "INTERFACE");
    bool input = cs_slice_is(def->kind, "INPUT_OBJECT");
    def->at = cs_gql__here(r);
    def->name = cs_gql__name(r);
    if (object || (interface && !extension)) {
        interfaces(r, def);
    }
    def->directives = cs_gql__directives(r, !(input && extension));
    if (object || interface) {
        def->end = members(r, field_member, &def->fields);
    } else if (input) {
        def->end = members(r, argument_member, &def->fields);
    } else if (cs_slice_is(def->kind, "UNION")) {
        union_members(r, def);
    } else if (cs_slice_is(def->kind, "ENUM")) {
        def->end = members(r, enum_member, &def->values);
    }
    if (extension && !(def->directives.n || def->interfaces.n || def->fields.n || def->types.n || def->values.n)) {
        cs_gql__unexpected(r, cs_gql__peek(r));
    }
}

static cs_gql_definition *definition(reader *r, const struct kind *kind, description d)
{
    cs_gql_definition *def = cs_arena_new(cs_gql__arena(r), cs_gql_definition);
    def->kind = cs_slice_of(kind->kind);
    def->before = d.before;
    def->description = d.text;
    def->after = cs_gql__keyword(r, kind->word);
    def->built_in = r->lexer.prelude;
    definition_body(r, def, false);
    return def;
}

static void root(reader *r, void *list)
{
    cs_gql_root *one = cs_arena_new(cs_gql__arena(r), cs_gql_root);
    one->at = cs_gql__here(r);
    one->comment = r->comment;
    one->operation = cs_gql__operation_type(r);
    (void)cs_gql__expect(r, CS_GQL_T_COLON, NULL);
    one->type = cs_gql__name(r);
    cs_gql__push(cs_gql__arena(r), (cs_gql_roots *)list, one);
}

static void schema_body(reader *r, cs_gql_schema_definition *def)
{
    def->at = cs_gql__here(r);
    def->directives = cs_gql__directives(r, true);
    def->end = cs_gql__some(r, CS_GQL_T_BRACE_L, CS_GQL_T_BRACE_R, root, &def->roots);
}

static cs_gql_schema_definition *schema_definition(reader *r, description d)
{
    cs_gql_schema_definition *def = cs_arena_new(cs_gql__arena(r), cs_gql_schema_definition);
    def->after = cs_gql__keyword(r, "schema");
    def->before = d.before;
    def->description = d.text;
    schema_body(r, def);
    return def;
}

static void extension(reader *r, cs_gql_document *document)
{
    cs_gql_comment_group *comment = cs_gql__keyword(r, "extend");
    if (cs_gql__is_word(r, "schema")) {
        cs_gql_schema_definition *def = cs_arena_new(cs_gql__arena(r), cs_gql_schema_definition);
        (void)cs_gql__keyword(r, "schema");
        def->after = comment;
        schema_body(r, def);
        if (def->directives.n == 0 && def->roots.n == 0) {
            cs_gql__unexpected(r, cs_gql__peek(r));
        }
        cs_gql__push(cs_gql__arena(r), &document->schema_extensions, def);
        return;
    }
    const struct kind *kind = kind_of(r);
    if (!kind) {
        cs_gql__unexpected(r, cs_gql__peek(r));
        return;
    }
    cs_gql_definition *def = cs_arena_new(cs_gql__arena(r), cs_gql_definition);
    (void)cs_gql__keyword(r, kind->word);
    def->kind = cs_slice_of(kind->kind);
    def->after = comment;
    def->built_in = r->lexer.prelude;
    definition_body(r, def, true);
    cs_gql__push(cs_gql__arena(r), &document->extensions, def);
}

/* ------------------------------------------------------------------------------------------------ directives */

static cs_slice location(reader *r)
{
    static const char *const known[] = {"QUERY",
                                        "MUTATION",
                                        "SUBSCRIPTION",
                                        "FIELD",
                                        "FRAGMENT_DEFINITION",
                                        "FRAGMENT_SPREAD",
                                        "INLINE_FRAGMENT",
                                        "VARIABLE_DEFINITION",
                                        "SCHEMA",
                                        "SCALAR",
                                        "OBJECT",
                                        "FIELD_DEFINITION",
                                        "ARGUMENT_DEFINITION",
                                        "INTERFACE",
                                        "UNION",
                                        "ENUM",
                                        "ENUM_VALUE",
                                        "INPUT_OBJECT",
                                        "INPUT_FIELD_DEFINITION"};
    cs_gql_token t = cs_gql__expect(r, CS_GQL_T_NAME, NULL);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (cs_slice_is(t.text, known[i])) {
            return t.text;
        }
    }
    cs_gql__unexpected(r, t);
    return CS_LIT("");
}

static cs_gql_directive_definition *directive_definition(reader *r, description d)
{
    cs_gql_directive_definition *def = cs_arena_new(cs_gql__arena(r), cs_gql_directive_definition);
    def->after = cs_gql__keyword(r, "directive");
    (void)cs_gql__expect(r, CS_GQL_T_AT, NULL);
    def->at = cs_gql__here(r);
    def->before = d.before;
    def->description = d.text;
    def->name = cs_gql__name(r);
    (void)cs_gql__some(r, CS_GQL_T_PAREN_L, CS_GQL_T_PAREN_R, argument_member, &def->arguments);
    if (cs_gql__is(r, CS_GQL_T_NAME) && cs_gql__is_word(r, "repeatable")) {
        def->repeatable = true;
        (void)cs_gql__take(r);
    }
    (void)cs_gql__keyword(r, "on");
    (void)cs_gql__skip(r, CS_GQL_T_PIPE);
    do {
        cs_gql__push(cs_gql__arena(r), &def->locations, location(r));
    } while (cs_gql__skip(r, CS_GQL_T_PIPE) && !cs_gql__failed(r));
    return def;
}

/* ------------------------------------------------------------------------------------------------ the document */

static void part(reader *r, cs_gql_document *document)
{
    cs_arena *a = cs_gql__arena(r);
    description d = take_description(r);
    if (!cs_gql__is(r, CS_GQL_T_NAME)) {
        cs_gql__unexpected(r, cs_gql__peek(r));
        return;
    }
    const struct kind *kind = kind_of(r);
    if (kind) {
        cs_gql__push(a, &document->definitions, definition(r, kind, d));
    } else if (cs_gql__is_word(r, "schema")) {
        cs_gql__push(a, &document->schema, schema_definition(r, d));
    } else if (cs_gql__is_word(r, "directive")) {
        cs_gql__push(a, &document->directives, directive_definition(r, d));
    } else if (cs_gql__is_word(r, "extend")) {
        if (d.text.n) {
            cs_gql__unexpected(r, r->last);
        }
        extension(r, document);
    } else {
        cs_gql__unexpected(r, cs_gql__peek(r));
    }
}

bool cs_gql__read_schema(cs_gql_run *run, cs_slice text, bool prelude, cs_gql_document **out)
{
    reader r = {.lexer = {.arena = run->arena, .text = text, .row = 1, .prelude = prelude}};
    cs_gql_document *document = cs_arena_new(run->arena, cs_gql_document);
    while (!cs_gql__failed(&r) && !cs_gql__is(&r, CS_GQL_T_EOF)) {
        part(&r, document);
    }
    if (cs_gql__failed(&r)) {
        run->error = r.error;
        return false;
    }
    document->comment = r.comment; /* what stands behind the last definition */
    *out = document;
    return true;
}
