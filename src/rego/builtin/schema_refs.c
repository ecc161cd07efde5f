/* References between schemas: every "$ref" becomes absolute before anything is compiled, and every schema with an
 * identifier is found by it. */
#include "rego/builtin/schema_refs.h"

/* Levels of schemas inside of each other. */
#define DEEPEST 2000

static cs_err print_url(cs_call *call, const cs_url *url, cs_slice *out)
{
    cs_sink s;
    cs_sink__init(&s, call);
    cs_url__print(&s, url);
    return cs_sink__slice_done(&s, out);
}

static const cs_value *member(cs_value object, const char *name)
{
    return cs_object_get_text(object, name);
}

static bool resolve(cs_call *call, const cs_url *base, cs_slice text, cs_url *url, cs_slice *name)
{
    cs_call quiet = *call;
    quiet.e = NULL;
    cs_url child, parent = *base, resolved;
    parent.fragment = (cs_slice){"", 0};
    return cs_url__parse(&quiet, text, &child) == CS_OK &&
           cs_url__resolve(&quiet, &parent, &child, &resolved) == CS_OK &&
           print_url(&quiet, &resolved, name) == CS_OK && cs_url__parse(&quiet, *name, url) == CS_OK &&
           print_url(&quiet, url, name) == CS_OK;
}

static size_t pool_add(cs_schema_pool *pool, cs_slice name, cs_value document, cs_schema_draft draft)
{
    cs_arena *a = pool->call->arena;
    if (pool->n == pool->cap) {
        cs_schema_document *more = cs_arena_alloc(a, (pool->cap * 2 + 8) * sizeof *more);
        if (pool->n) {
            memcpy(more, pool->v, pool->n * sizeof *more);
        }
        pool->v = more;
        pool->cap = pool->cap * 2 + 8;
    }
    pool->v[pool->n] = (cs_schema_document){document, draft};
    cs_object_put(a, pool->names, cs_string(name), cs_int((int64_t)pool->n));
    return pool->n++;
}

static cs_schema_document *pool_find(const cs_schema_pool *pool, cs_slice name)
{
    const cs_value *at = cs_object_get(pool->names, cs_string(name));
    return at ? &pool->v[at->u.i] : NULL;
}

typedef struct place {
    cs_url base;
    cs_schema_draft draft;
    int depth;
} place;

static cs_err rewrite(cs_schema_pool *pool, place at, cs_value v, cs_value *out);

/* All values of an object, none of them a schema's word. */
static cs_err rewrite_each(cs_schema_pool *pool, place at, cs_value v, cs_value *out)
{
    cs_value one, made;
    *out = v;
    if (v.kind != CS_OBJECT) {
        return CS_OK;
    }
    *out = cs_object_new(pool->call->arena, cs_count(v));
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value key = cs_entry(v, i, &one);
        CS_TRY(rewrite(pool, at, one, &made));
        cs_object_put(pool->call->arena, *out, key, made);
    }
    return CS_OK;
}

static cs_err rewrite_members(cs_schema_pool *pool, place at, cs_value v, cs_value made)
{
    static const char *const schemas_by_name[] = {"properties", "dependencies", "patternProperties"};
    cs_value one, changed;
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value key = cs_entry(v, i, &one);
        cs_slice name = cs_text(key), absolute;
        cs_url unused;
        bool by_name = false;
        for (size_t k = 0; k < sizeof schemas_by_name / sizeof *schemas_by_name; k++) {
            by_name = by_name || cs_slice_is(name, schemas_by_name[k]);
        }
        if (cs_slice_is(name, "const") || cs_slice_is(name, "enum")) {
            changed = one;
        } else if (cs_slice_is(name, "$ref") && one.kind == CS_STRING) {
            changed = resolve(pool->call, &at.base, cs_text(one), &unused, &absolute) ? cs_string(absolute) : one;
        } else {
            CS_TRY((by_name ? rewrite_each : rewrite)(pool, at, one, &changed));
        }
        cs_object_put(pool->call->arena, made, key, changed);
    }
    return CS_OK;
}

static cs_err rewrite_object(cs_schema_pool *pool, place at, cs_value v, cs_value *out)
{
    cs_slice name;
    cs_url inner;
    const cs_value *id = member(v, "id");
    id = id ? id : member(v, "$id");
    cs_value made = cs_object_new(pool->call->arena, cs_count(v));
    if (id && id->kind == CS_STRING && resolve(pool->call, &at.base, cs_text(*id), &inner, &name)) {
        if (pool_find(pool, name)) {
            return cs_call_error(pool->call, "Reference already exists: \"%.*s\"", CS_FMT(name));
        }
        (void)pool_add(pool, name, made, at.draft);
        at.base = inner;
    }
    CS_TRY(rewrite_members(pool, at, v, made));
    *out = made;
    return CS_OK;
}

static cs_err rewrite(cs_schema_pool *pool, place at, cs_value v, cs_value *out)
{
    if (++at.depth > DEEPEST) {
        return cs_call__limit_error(pool->call, "json_depth");
    }
    if (v.kind == CS_OBJECT) {
        return rewrite_object(pool, at, v, out);
    }
    *out = v;
    if (v.kind != CS_ARRAY) {
        return CS_OK;
    }
    cs_value *items = cs_arena_alloc(pool->call->arena, v.n * sizeof *items);
    for (uint32_t i = 0; i < v.n; i++) {
        CS_TRY(rewrite(pool, at, v.u.items[i], &items[i]));
    }
    *out = cs_array(items, v.n);
    return CS_OK;
}

static cs_err draft_of(cs_call *call, cs_value document, cs_schema_draft *out)
{
    *out = CS_DRAFT_UNSET;
    if (document.kind == CS_BOOL) {
        return CS_OK;
    }
    if (document.kind != CS_OBJECT) {
        return cs_call_error(call, "schema is invalid");
    }
    const cs_value *v = member(document, "$schema");
    if (!v) {
        return CS_OK;
    }
    if (v->kind != CS_STRING) {
        return cs_call_error(call, "$schema must be of type string");
    }
    cs_url url;
    cs_slice text;
    CS_TRY(cs_url__parse(call, cs_text(*v), &url));
    CS_TRY(print_url(call, &url, &text));
    *out = cs_slice_is(text, "http://json-schema.org/draft-04/schema")   ? CS_DRAFT_4
           : cs_slice_is(text, "http://json-schema.org/draft-06/schema") ? CS_DRAFT_6
           : cs_slice_is(text, "http://json-schema.org/draft-07/schema") ? CS_DRAFT_7
                                                                         : CS_DRAFT_UNSET;
    return CS_OK;
}

/* Takes a whole document in under the name that it has. */
static cs_err take_in(cs_schema_pool *pool, const cs_url *base, cs_slice name, cs_value document,
                      cs_schema_document *out)
{
    place at = {.base = *base};
    CS_TRY(draft_of(pool->call, document, &at.draft));
    CS_TRY(rewrite(pool, at, document, &out->document));
    out->draft = at.draft;
    (void)pool_add(pool, name, out->document, at.draft);
    return CS_OK;
}

cs_err cs_schema__pool_init(cs_call *call, cs_schema_pool *pool, cs_value document)
{
    cs_url base;
    *pool = (cs_schema_pool){.call = call, .names = cs_object_new(call->arena, 0)};
    CS_TRY(cs_url__parse(call, (cs_slice){"", 0}, &base));
    return take_in(pool, &base, (cs_slice){"", 0}, document, &pool->root);
}

/* "~1" is '/', "~0" is '~'. */
static cs_slice pointer_name(cs_call *call, cs_slice token)
{
    char *out = cs_arena_alloc(call->arena, token.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < token.n; i++) {
        bool escape = token.p[i] == '~' && i + 1 < token.n && (token.p[i + 1] == '0' || token.p[i + 1] == '1');
        out[n++] = escape ? (token.p[i + 1] == '1' ? '/' : '~') : token.p[i];
        i += escape;
    }
    return cs_slice_make(out, n);
}

/* Follows a JSON pointer; a fragment that is none stands for the whole. */
static cs_err point(cs_call *call, cs_value document, cs_slice pointer, cs_value *out)
{
    *out = document;
    if (pointer.n == 0 || *pointer.p != '/') {
        return CS_OK;
    }
    cs_slice rest = cs_slice_sub(pointer, 1, pointer.n), token;
    while (cs_slice_next(&rest, '/', &token)) {
        int64_t index;
        if (out->kind == CS_OBJECT) {
            cs_slice name = pointer_name(call, token);
            const cs_value *v = cs_object_get(*out, cs_string(name));
            if (!v) {
                return cs_call_error(call, "Object has no key '%.*s'", CS_FMT(name));
            }
            *out = *v;
        } else if (out->kind == CS_ARRAY) {
            cs_slice digits = token.n > 1 && *token.p == '+' ? cs_slice_sub(token, 1, token.n) : token;
            if (!cs_slice_i64(digits, &index)) {
                return cs_call_error(call, "Invalid array index '%.*s'", CS_FMT(token));
            }
            if (index < 0 || index >= (int64_t)out->n) {
                return cs_call_error(call, "Out of bound array[0,%u] index '%lld'", out->n, (long long)index);
            }
            *out = out->u.items[index];
        } else {
            return cs_call_error(call, "Invalid token reference '%.*s'", CS_FMT(token));
        }
    }
    return CS_OK;
}

cs_err cs_schema__pool_get(cs_schema_pool *pool, cs_slice reference, cs_schema_document *out)
{
    const cs_schema_document *found = pool_find(pool, reference);
    cs_url url;
    cs_slice whole;
    if (found) {
        *out = *found;
        return CS_OK;
    }
    CS_TRY(cs_url__parse(pool->call, reference, &url));
    cs_url bare = url;
    bare.fragment = (cs_slice){"", 0};
    CS_TRY(print_url(pool->call, &bare, &whole));
    found = pool_find(pool, whole);
    if (found) {
        out->draft = found->draft;
        CS_TRY(point(pool->call, found->document, url.fragment, &out->document));
        (void)pool_add(pool, reference, out->document, out->draft);
        return CS_OK;
    }
    bool file = cs_slice_is(url.scheme, "file");
    if (file ? !cs_slice_starts(url.path, CS_LIT("/")) : !(url.scheme.n && url.host.n)) {
        return cs_call_error(pool->call, "Reference %.*s must be canonical", CS_FMT(reference));
    }
    cs_value document;
    CS_TRY(cs_schema__fetch(pool->call, &bare, whole, &document));
    CS_TRY(take_in(pool, &bare, whole, document, out));
    return point(pool->call, out->document, url.fragment, &out->document);
}
