/* The capabilities documents of OPA's versions, made out of builtins.def and what history.def says was different. */
#include "countersign/capabilities.h"

#include "rego/builtin/builtin.h"

static const char *const releases[] = {
#define CS_RELEASE(version) version,
#include "rego/builtin/history.def"
#undef CS_RELEASE
};
#define RELEASES (sizeof releases / sizeof *releases)

typedef struct entry {
    const char *name, *version;
} entry;

static const entry since[] = {
#define CS_SINCE(name, version) {name, version},
#include "rego/builtin/history.def"
#undef CS_SINCE
};

static const struct {
    const char *name, *version, *signature;
    unsigned flags;
} until[] = {
#define CS_UNTIL(name, version, flags, signature) {name, version, signature, flags},
#include "rego/builtin/history.def"
#undef CS_UNTIL
};

static const entry feature_lists[] = {
#define CS_FEATURES_SINCE(version, words) {words, version},
#include "rego/builtin/history.def"
#undef CS_FEATURES_SINCE
};

static const entry keyword_lists[] = {
#define CS_KEYWORDS_SINCE(version, words) {words, version},
#include "rego/builtin/history.def"
#undef CS_KEYWORDS_SINCE
};

static const struct {
    const char *version;
    int minor;
} wasm[] = {
#define CS_WASM_SINCE(version, minor) {version, minor},
#include "rego/builtin/history.def"
#undef CS_WASM_SINCE
};

const char *const *cs_capabilities_versions(size_t *n)
{
    *n = RELEASES;
    return releases;
}

/* The place among the releases; RELEASES if it is none. */
static size_t release(cs_slice version)
{
    size_t i = 0;
    while (i < RELEASES && !cs_slice_is(version, releases[i])) {
        i++;
    }
    return i;
}

static size_t release_of(const char *version)
{
    return release(cs_slice_of(version));
}

/* ---- built-ins */
/* A declaration without the names of arguments and result. */
static const cs_type *plain(cs_arena *a, const cs_type *function)
{
    cs_type *t = cs_arena_new(a, cs_type);
    const cs_type **of = (const cs_type **)cs_arena_zalloc(a, (function->n + 1U) * sizeof *of);
    *t = *function;
    for (uint32_t i = 0; i < function->n; i++) {
        of[i] = cs_type_unnamed(function->of[i]);
    }
    t->of = of;
    t->dynamic = cs_type_unnamed(function->dynamic);
    t->variadic = cs_type_unnamed(function->variadic);
    return t;
}

static bool is_there(const cs_builtin *b, size_t at)
{
    if (b->flags & CS_BUILTIN_TEST) {
        return false;
    }
    for (size_t i = 0; i < sizeof since / sizeof *since; i++) {
        if (strcmp(since[i].name, b->name) == 0) {
            return release_of(since[i].version) <= at;
        }
    }
    return true;
}

static cs_value builtin_json(cs_arena *a, const cs_builtin *b, size_t at)
{
    const cs_type *type = cs_builtin_type(b);
    unsigned flags = b->flags;
    /* Changes of one built-in stand in the order of the versions: the first to come is what holds. */
    for (size_t i = 0; i < sizeof until / sizeof *until; i++) {
        if (strcmp(until[i].name, b->name) == 0 && at < release_of(until[i].version)) {
            type = cs_type_parse(a, until[i].signature);
            flags = until[i].flags;
            break;
        }
    }
    cs_value row = cs_object_new(a, 6);
    cs_object_put_text(a, row, "name", cs_string(cs_slice_of(b->name)));
    cs_object_put_text(a, row, "decl", cs_type_to_json(a, plain(a, type)));
    if (*b->infix) {
        cs_object_put_text(a, row, "infix", cs_string(cs_slice_of(b->infix)));
    }
    cs_builtin_put_marks(a, row, flags);
    return row;
}

static cs_value builtins_json(cs_arena *a, size_t at)
{
    size_t n_rows;
    const cs_builtin *rows = cs_builtin_rows(&n_rows);
    cs_value *items = cs_arena_array(a, cs_value, n_rows);
    uint32_t n = 0;
    for (size_t i = 0; i < n_rows; i++) {
        if (is_there(&rows[i], at)) {
            items[n++] = builtin_json(a, &rows[i], at);
        }
    }
    return cs_array(items, n);
}

/* ---- lists */
static void put_words(cs_arena *a, cs_value out, const char *key, const entry *lists, size_t n, size_t at)
{
    cs_slice words = CS_LIT(""), word;
    for (size_t i = 0; i < n && release_of(lists[i].version) <= at; i++) {
        words = cs_slice_of(lists[i].name);
    }
    cs_value *items = cs_arena_array(a, cs_value, words.n + 1);
    uint32_t count = 0;
    while (words.n && cs_slice_next(&words, ' ', &word)) {
        items[count++] = cs_string(word);
    }
    if (count) {
        cs_object_put_text(a, out, key, cs_array(items, count));
    }
}

static void put_wasm(cs_arena *a, cs_value out, size_t at)
{
    cs_value *items = cs_arena_array(a, cs_value, sizeof wasm / sizeof *wasm);
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof wasm / sizeof *wasm && release_of(wasm[i].version) <= at; i++) {
        items[n] = cs_object_new(a, 2);
        cs_object_put_text(a, items[n], "version", cs_int(1));
        cs_object_put_text(a, items[n++], "minor_version", cs_int(wasm[i].minor));
    }
    if (n) {
        cs_object_put_text(a, out, "wasm_abi_versions", cs_array(items, n));
    }
}

cs_value cs_capabilities_of_version(cs_arena *a, cs_slice version)
{
    size_t at = release(version);
    if (at == RELEASES) {
        return cs_undefined();
    }
    cs_value out = cs_object_new(a, 4);
    cs_object_put_text(a, out, "builtins", builtins_json(a, at));
    put_words(a, out, "future_keywords", keyword_lists, sizeof keyword_lists / sizeof *keyword_lists, at);
    put_wasm(a, out, at);
    put_words(a, out, "features", feature_lists, sizeof feature_lists / sizeof *feature_lists, at);
    return out;
}
