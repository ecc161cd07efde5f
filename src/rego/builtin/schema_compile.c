/* Schemas compiled word by word, in the order in which OPA's validator looks at them, so that the first thing wrong is
 * the one that is told. */
#include "rego/builtin/regex.h"
#include "rego/builtin/schema_refs.h"
#include "rego/builtin/uri.h"

/* Levels of schemas and references inside of each other. */
#define DEEPEST 2000

typedef struct compiler {
    cs_call *call;
    cs_schema_pool pool;
    cs_value refs; /* reference to place in ref_schemas */
    cs_schemas ref_schemas;
    int depth;
    bool patterns;
} compiler;

static cs_err compile(compiler *c, cs_value node, const cs_schema *parent, cs_schema *out);

static cs_err bad(const compiler *c, const char *before, const char *between, const char *after)
{
    return cs_call_error(c->call, "%s%s%s", before, between, after);
}

static cs_err invalid_type(const compiler *c, const char *expected, const char *given)
{
    return cs_call_error(c->call, "Invalid type. Expected: %s, given: %s", expected, given);
}

static const cs_value *get(cs_value m, const char *key)
{
    return cs_object_get_text(m, key);
}

static cs_err get_string(const compiler *c, cs_value m, const char *key, const cs_value **out)
{
    *out = get(m, key);
    return *out && (*out)->kind != CS_STRING ? invalid_type(c, "string", key) : CS_OK;
}

static cs_err get_list(const compiler *c, cs_value m, const char *key, const cs_value **out)
{
    *out = get(m, key);
    return *out && (*out)->kind != CS_ARRAY ? bad(c, key, " must be of an ", "array") : CS_OK;
}

static bool is_schema(cs_value v)
{
    return v.kind == CS_OBJECT || v.kind == CS_BOOL;
}

static cs_schema *new_schema(const compiler *c, cs_slice property)
{
    cs_schema *s = cs_arena_new(c->call->arena, cs_schema);
    s->property = property;
    s->min_length = s->max_length = s->min_properties = s->max_properties = s->min_items = s->max_items = -1;
    return s;
}

static void add_schema(const compiler *c, cs_schemas *list, cs_schema *s)
{
    if (list->n == list->cap) {
        cs_schema **more = cs_arena_alloc(c->call->arena, (list->cap * 2 + 4) * sizeof(cs_schema *));
        if (list->n) {
            memcpy(more, list->v, list->n * sizeof(cs_schema *));
        }
        list->v = more;
        list->cap = list->cap * 2 + 4;
    }
    list->v[list->n++] = s;
}

static cs_err child(compiler *c, cs_value node, cs_slice property, const cs_schema *parent, cs_schema **out)
{
    *out = new_schema(c, property);
    return compile(c, node, parent, *out);
}

static cs_err child_in(compiler *c, cs_value node, cs_slice property, const cs_schema *parent, cs_schemas *list)
{
    cs_schema *s;
    CS_TRY(child(c, node, property, parent, &s));
    add_schema(c, list, s);
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ head */

static cs_err check_id(const compiler *c, cs_value m, cs_schema_draft draft)
{
    bool old = draft == CS_DRAFT_4 || (draft == CS_DRAFT_ANY && get(m, "id"));
    const cs_value *id;
    cs_url url;
    CS_TRY(get_string(c, m, old ? "id" : "$id", &id));
    return id ? cs_url__parse(c->call, cs_text(*id), &url) : CS_OK;
}

static cs_err compile_definitions(compiler *c, cs_value m, const cs_schema *s)
{
    const cs_value *v = get(m, "definitions");
    cs_value one;
    cs_schema *unused;
    if (v && v->kind != CS_OBJECT) {
        return invalid_type(c, "Array Of Schemas", "definitions");
    }
    for (uint32_t i = 0; v && i < cs_count(*v); i++) {
        (void)cs_entry(*v, i, &one);
        if (!is_schema(one)) {
            return invalid_type(c, "Array Of Schemas", "definitions");
        }
        CS_TRY(child(c, one, CS_LIT("definitions"), s, &unused));
    }
    return CS_OK;
}

/* *done: the schema is nothing but the reference. */
static cs_err compile_ref(compiler *c, cs_value m, cs_schema *s, bool *done)
{
    const cs_value *ref;
    cs_url url;
    cs_sink text;
    cs_slice name;
    cs_schema_document document;
    *done = false;
    CS_TRY(get_string(c, m, "$ref", &ref));
    if (!ref) {
        return CS_OK;
    }
    CS_TRY(cs_url__parse(c->call, cs_text(*ref), &url));
    cs_sink__init(&text, c->call);
    cs_url__print(&text, &url);
    CS_TRY(cs_sink__slice_done(&text, &name));
    s->reference = name;
    const cs_value *known = cs_object_get(c->refs, cs_string(name));
    if (known) {
        s->ref = c->ref_schemas.v[known->u.i];
        return CS_OK;
    }
    *done = true;
    cs_schema *target = new_schema(c, CS_LIT("$ref"));
    cs_object_put(c->call->arena, c->refs, cs_string(name), cs_int((int64_t)c->ref_schemas.n));
    add_schema(c, &c->ref_schemas, target);
    CS_TRY(cs_schema__pool_get(&c->pool, name, &document));
    target->draft = document.draft;
    if (!is_schema(document.document)) {
        return bad(c, "Valid Schema", " must be of type ", "object");
    }
    CS_TRY(compile(c, document.document, s, target));
    s->ref = target;
    return CS_OK;
}

static cs_err add_type(const compiler *c, cs_slice name, cs_schema *s)
{
    static const char *const names[] = {"array", "boolean", "integer", "number", "null", "object", "string"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!cs_slice_is(name, names[i])) {
            continue;
        }
        if (s->types & 1U << i) {
            return cs_call_error(c->call, "%s type is duplicated", names[i]);
        }
        s->types |= 1U << i;
        cs_list__add(c->call, &s->type_names, cs_string(name));
        return CS_OK;
    }
    return cs_call_error(c->call,
                         "has a primitive type that is NOT VALID -- given: /%.*s/ Expected valid values are:[array "
                         "boolean integer number null object string]",
                         CS_FMT(name));
}

static cs_err compile_type(const compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v = get(m, "type");
    if (!v) {
        return CS_OK;
    }
    if (v->kind == CS_STRING) {
        return add_type(c, cs_text(*v), s);
    }
    for (uint32_t i = 0; v->kind == CS_ARRAY && i < v->n; i++) {
        if (v->u.items[i].kind != CS_STRING) {
            return invalid_type(c, "type", "string/Array Of Strings");
        }
        CS_TRY(add_type(c, cs_text(v->u.items[i]), s));
    }
    return v->kind == CS_ARRAY ? CS_OK : invalid_type(c, "type", "string/Array Of Strings");
}

/* ------------------------------------------------------------------------------------------------ objects, arrays */

static cs_err compile_properties(compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v = get(m, "properties");
    cs_value one;
    if (v && v->kind != CS_OBJECT) {
        return bad(c, "Properties", " must be of type ", "object");
    }
    for (uint32_t i = 0; v && i < cs_count(*v); i++) {
        cs_value key = cs_entry(*v, i, &one);
        CS_TRY(child_in(c, one, cs_text(key), s, &s->properties));
    }
    return CS_OK;
}

/* additionalProperties and additionalItems: true, false or a schema. */
static cs_err compile_more(compiler *c, cs_value m, const char *key, const cs_schema *s, bool *none, cs_schema **out)
{
    const cs_value *v = get(m, key);
    if (!v) {
        return CS_OK;
    }
    if (v->kind == CS_OBJECT) {
        return child(c, *v, cs_slice_of(key), s, out);
    }
    *none = v->kind == CS_BOOL && !v->u.i;
    return v->kind == CS_BOOL ? CS_OK : invalid_type(c, "boolean/Valid Schema", key);
}

static cs_err compile_patterns(compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v = get(m, "patternProperties");
    cs_value one;
    cs_call quiet = *c->call;
    quiet.e = NULL;
    if (v && v->kind != CS_OBJECT) {
        return invalid_type(c, "Valid Schema", "patternProperties");
    }
    for (uint32_t i = 0; v && i < cs_count(*v); i++) {
        cs_value key = cs_entry(*v, i, &one);
        bool unused;
        if (cs_regex__match(&quiet, cs_text(key), (cs_slice){"", 0}, &unused) != CS_OK) {
            return cs_call_error(c->call, "Invalid regex pattern '%.*s'", CS_FMT(cs_text(key)));
        }
        CS_TRY(child_in(c, one, cs_text(key), s, &s->pattern_properties));
    }
    return CS_OK;
}

static cs_err compile_property_names(compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v = get(m, "propertyNames");
    if (!v || s->draft < CS_DRAFT_6) {
        return CS_OK;
    }
    return is_schema(*v) ? child(c, *v, CS_LIT("propertyNames"), s, &s->property_names)
                         : invalid_type(c, "Valid Schema", "patternProperties"); /* OPA names the other word */
}

static cs_err compile_dependency(compiler *c, cs_value key, cs_value v, cs_schema *s)
{
    cs_arena *a = c->call->arena;
    if (is_schema(v)) {
        cs_object_put(a, s->dependencies, key, cs_int((int64_t)s->dependents.n));
        return child_in(c, v, cs_text(key), s, &s->dependents);
    }
    bool good = v.kind == CS_ARRAY;
    for (uint32_t i = 0; good && i < v.n; i++) {
        good = v.u.items[i].kind == CS_STRING;
    }
    if (!good) {
        return bad(c, "Dependency", " must be of type ", "Schema Or Array Of Strings");
    }
    cs_object_put(a, s->dependencies, key, v);
    return CS_OK;
}

static cs_err compile_dependencies(compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v = get(m, "dependencies");
    cs_value one;
    if (!v) {
        return CS_OK;
    }
    if (v->kind != CS_OBJECT) {
        return bad(c, "dependencies", " must be of type ", "object");
    }
    s->dependencies = cs_object_new(c->call->arena, cs_count(*v));
    for (uint32_t i = 0; i < cs_count(*v); i++) {
        cs_value key = cs_entry(*v, i, &one);
        CS_TRY(compile_dependency(c, key, one, s));
    }
    return CS_OK;
}

static cs_err compile_items(compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v = get(m, "items");
    if (!v) {
        return CS_OK;
    }
    if (is_schema(*v)) {
        s->one_for_all_items = true;
        return child_in(c, *v, CS_LIT("items"), s, &s->items);
    }
    for (uint32_t i = 0; v->kind == CS_ARRAY && i < v->n; i++) {
        if (!is_schema(v->u.items[i])) {
            return invalid_type(c, "Valid Schema/Array Of Schemas", "items");
        }
        CS_TRY(child_in(c, v->u.items[i], CS_LIT("items"), s, &s->items));
    }
    return v->kind == CS_ARRAY ? CS_OK : invalid_type(c, "Valid Schema/Array Of Schemas", "items");
}

static cs_err compile_members(compiler *c, cs_value m, cs_schema *s)
{
    CS_TRY(compile_properties(c, m, s));
    CS_TRY(compile_more(c, m, "additionalProperties", s, &s->no_more_properties, &s->more_properties));
    CS_TRY(compile_patterns(c, m, s));
    CS_TRY(compile_property_names(c, m, s));
    CS_TRY(compile_dependencies(c, m, s));
    CS_TRY(compile_items(c, m, s));
    return compile_more(c, m, "additionalItems", s, &s->no_more_items, &s->more_items);
}

/* ------------------------------------------------------------------------------------------------ bounds */

/* minimum with exclusiveMinimum, or maximum with exclusiveMaximum. */
static cs_err compile_bound(const compiler *c, cs_value m, cs_schema_draft draft, const char *key, const char *strict,
                            cs_value *bound, cs_value *strict_bound)
{
    const cs_value *v = get(m, key), *x = get(m, strict);
    if (v && v->kind != CS_NUMBER) {
        return bad(c, key, " must be of a ", "Number");
    }
    if (v) {
        *bound = *v;
    }
    if (!x) {
        return CS_OK;
    }
    if (x->kind == CS_NUMBER && draft != CS_DRAFT_4) {
        *strict_bound = *x;
        return CS_OK;
    }
    if (x->kind != CS_BOOL || (draft != CS_DRAFT_4 && draft != CS_DRAFT_ANY)) {
        return invalid_type(c,
                            draft == CS_DRAFT_4     ? "boolean"
                            : draft == CS_DRAFT_ANY ? "boolean/number"
                                                    : "number",
                            strict);
    }
    if (!v) {
        return bad(c, strict, " cannot be used without ", key);
    }
    if (x->u.i) {
        *strict_bound = *bound;
        *bound = cs_undefined();
    }
    return CS_OK;
}

static cs_err compile_numbers(const compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v = get(m, "multipleOf");
    if (v && v->kind != CS_NUMBER) {
        return invalid_type(c, "Number", "multipleOf");
    }
    if (v && cs_number_compare(*v, cs_int(0)) <= 0) {
        return bad(c, "multipleOf", " must be strictly greater than 0", "");
    }
    if (v) {
        s->multiple_of = *v;
    }
    CS_TRY(compile_bound(c, m, s->draft, "minimum", "exclusiveMinimum", &s->minimum, &s->above));
    return compile_bound(c, m, s->draft, "maximum", "exclusiveMaximum", &s->maximum, &s->below);
}

/* A count: the text must be that of an integer. */
static cs_err compile_count(const compiler *c, cs_value m, const char *key, int64_t *out)
{
    const cs_value *v = get(m, key);
    char room[32];
    if (!v) {
        return CS_OK;
    }
    if (v->kind != CS_NUMBER || !cs_slice_i64(cs_number_text(*v, room), out)) {
        return bad(c, key, " must be of an ", "integer");
    }
    return *out < 0 ? bad(c, key, " must be greater than or equal to 0", "") : CS_OK;
}

static cs_err compile_counts(const compiler *c, cs_value m, const char *least, const char *most, bool ordered,
                             int64_t *low, int64_t *high)
{
    CS_TRY(compile_count(c, m, least, low));
    CS_TRY(compile_count(c, m, most, high));
    return ordered && *low >= 0 && *high >= 0 && *low > *high ? bad(c, least, " cannot be greater than ", most) : CS_OK;
}

static cs_err compile_strings(const compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v;
    bool unused;
    cs_call quiet = *c->call;
    quiet.e = NULL;
    CS_TRY(compile_counts(c, m, "minLength", "maxLength", true, &s->min_length, &s->max_length));
    CS_TRY(get_string(c, m, "pattern", &v));
    if (v) {
        if (c->patterns && cs_regex__match(&quiet, cs_text(*v), (cs_slice){"", 0}, &unused) != CS_OK) {
            return bad(c, "pattern", " must be a valid regex", "");
        }
        s->pattern = *v;
    }
    CS_TRY(get_string(c, m, "format", &v));
    if (v) {
        s->format = *v;
    }
    return CS_OK;
}

static cs_err compile_required(const compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v;
    cs_value seen = cs_set_new(c->call->arena, 0);
    CS_TRY(get_list(c, m, "required", &v));
    for (uint32_t i = 0; v && i < v->n; i++) {
        if (v->u.items[i].kind != CS_STRING) {
            return invalid_type(c, "string", "required");
        }
        if (!cs_set_add(c->call->arena, seen, v->u.items[i])) {
            return bad(c, "required", " items must be unique", "");
        }
        cs_list__add(c->call, &s->required, v->u.items[i]);
    }
    return CS_OK;
}

static cs_err compile_sizes(compiler *c, cs_value m, cs_schema *s)
{
    CS_TRY(compile_counts(c, m, "minProperties", "maxProperties", true, &s->min_properties, &s->max_properties));
    CS_TRY(compile_required(c, m, s));
    CS_TRY(compile_counts(c, m, "minItems", "maxItems", false, &s->min_items, &s->max_items));
    const cs_value *v = get(m, "uniqueItems");
    if (v && v->kind != CS_BOOL) {
        return bad(c, "uniqueItems", " must be of a ", "boolean");
    }
    s->unique = v && v->u.i;
    v = get(m, "contains");
    return v && s->draft >= CS_DRAFT_6 ? child(c, *v, CS_LIT("contains"), s, &s->contains) : CS_OK;
}

/* ------------------------------------------------------------------------------------------------ the rest */

static cs_err compile_values(const compiler *c, cs_value m, cs_schema *s)
{
    const cs_value *v = get(m, "const");
    cs_value text, seen = cs_set_new(c->call->arena, 0);
    if (v && s->draft >= CS_DRAFT_6) {
        CS_TRY(cs_schema__plain_text(c->call, *v, &s->const_text));
    }
    CS_TRY(get_list(c, m, "enum", &v));
    s->has_enum = v != NULL;
    for (uint32_t i = 0; v && i < v->n; i++) {
        CS_TRY(cs_schema__plain_text(c->call, v->u.items[i], &text));
        if (!cs_set_add(c->call->arena, seen, text)) {
            return bad(c, "enum", " items must be unique", "");
        }
        cs_list__add(c->call, &s->enum_texts, text);
    }
    return CS_OK;
}

static cs_err compile_list(compiler *c, cs_value m, const char *key, const cs_schema *s, cs_schemas *out)
{
    const cs_value *v;
    CS_TRY(get_list(c, m, key, &v));
    for (uint32_t i = 0; v && i < v->n; i++) {
        CS_TRY(child_in(c, v->u.items[i], cs_slice_of(key), s, out));
    }
    return CS_OK;
}

static cs_err compile_one(compiler *c, cs_value m, const char *key, const cs_schema *s, cs_schema **out)
{
    const cs_value *v = get(m, key);
    if (!v) {
        return CS_OK;
    }
    return is_schema(*v) ? child(c, *v, cs_slice_of(key), s, out) : bad(c, key, " must be of an ", "object");
}

static cs_err compile_logic(compiler *c, cs_value m, cs_schema *s)
{
    CS_TRY(compile_list(c, m, "oneOf", s, &s->one_of));
    CS_TRY(compile_list(c, m, "anyOf", s, &s->any_of));
    CS_TRY(compile_list(c, m, "allOf", s, &s->all_of));
    CS_TRY(compile_one(c, m, "not", s, &s->not ));
    if (s->draft < CS_DRAFT_7) {
        return CS_OK;
    }
    CS_TRY(compile_one(c, m, "if", s, &s->if_));
    CS_TRY(compile_one(c, m, "then", s, &s->then));
    return compile_one(c, m, "else", s, &s->else_);
}

static cs_err compile_object(compiler *c, cs_value m, cs_schema *out)
{
    const cs_value *unused;
    bool done;
    CS_TRY(check_id(c, m, out->draft));
    CS_TRY(compile_definitions(c, m, out));
    CS_TRY(get_string(c, m, "title", &unused));
    CS_TRY(get_string(c, m, "description", &unused));
    CS_TRY(compile_ref(c, m, out, &done));
    if (done) {
        return CS_OK;
    }
    CS_TRY(compile_type(c, m, out));
    CS_TRY(compile_members(c, m, out));
    CS_TRY(compile_numbers(c, m, out));
    CS_TRY(compile_strings(c, m, out));
    CS_TRY(compile_sizes(c, m, out));
    CS_TRY(compile_values(c, m, out));
    return compile_logic(c, m, out);
}

static cs_err compile(compiler *c, cs_value node, const cs_schema *parent, cs_schema *out)
{
    if (cs_arena_exceeded(c->call->arena)) {
        return cs_call__limit_error(c->call, "eval_memory");
    }
    if (out->draft == CS_DRAFT_UNSET) {
        out->draft = parent->draft;
    }
    if (node.kind == CS_BOOL && out->draft >= CS_DRAFT_6) {
        out->is_bool = true;
        out->pass = node.u.i != 0;
        return CS_OK;
    }
    if (node.kind != CS_OBJECT) {
        return bad(c, "Expected: ", "Valid Schema", ", given: Invalid JSON");
    }
    if (++c->depth > DEEPEST) {
        return cs_call__limit_error(c->call, "json_depth");
    }
    cs_err err = compile_object(c, node, out);
    c->depth--;
    return err;
}

cs_err cs_schema__compile(cs_call *call, cs_value document, bool patterns, cs_schema **out)
{
    compiler c = {.call = call, .patterns = patterns, .refs = cs_object_new(call->arena, 0)};
    CS_TRY(cs_schema__pool_init(call, &c.pool, document));
    cs_schema *root = new_schema(&c, CS_LIT("(Root)"));
    root->draft = c.pool.root.draft == CS_DRAFT_UNSET ? CS_DRAFT_ANY : c.pool.root.draft;
    CS_TRY(compile(&c, c.pool.root.document, NULL, root));
    *out = root;
    return CS_OK;
}
