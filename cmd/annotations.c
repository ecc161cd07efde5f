/* The annotations of a bundle's modules as text: what `inspect -a` lists. */
#include "inspect.h"

#include "countersign/json.h"

#define LINE_MAX 80U

/* ---- lists: keys in a column, one line each */
typedef struct entry {
    cs_slice key, value;
} entry;

static cs_slice kept(cs_arena *a, const cs_buf *text)
{
    return cs_slice_make(cs_arena_dup(a, text->p, text->n), text->n);
}

static void put_list(cs_buf *out, const char *title, const entry *v, size_t n, const char *between)
{
    size_t width = 0;
    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        width = v[i].key.n > width ? v[i].key.n : width;
    }
    cs_buf_printf(out, "%s:\n", title);
    for (size_t i = 0; i < n; i++) {
        cs_buf line;
        cs_buf_init(&line);
        cs_buf_printf(&line, " %.*s", CS_FMT(v[i].key));
        if (v[i].value.n > 0) {
            cs_buf_printf(&line, "%s%*s%.*s", between, (int)(width - v[i].key.n), "", CS_FMT(v[i].value));
        }
        bool longer = line.n >= LINE_MAX;
        cs_buf_slice(out, cs_slice_sub(cs_buf_view(&line), 0, longer ? LINE_MAX - 3 : line.n));
        cs_buf_text(out, longer ? "...\n" : "\n");
        cs_buf_destroy(&line);
    }
    cs_buf_byte(out, '\n');
}

static cs_slice one_line(cs_arena *a, cs_slice text)
{
    char *copy = cs_arena_dup(a, text.p, text.n);
    for (size_t i = 0; i < text.n; i++) {
        copy[i] = copy[i] == '\n' ? ' ' : copy[i];
    }
    return cs_slice_make(copy, text.n);
}

static cs_slice json_of(cs_arena *a, cs_value v)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, v, CS_JSON_HTML);
    cs_slice out = kept(a, &text);
    cs_buf_destroy(&text);
    return out;
}

static cs_slice text_at(cs_value object, const char *key)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get_text(object, key) : NULL;
    return v && cs_is(*v, CS_STRING) ? cs_text(*v) : CS_LIT("");
}

/* A ref out of OPA's JSON of it, as text. */
static cs_slice ref_of(cs_arena *a, cs_value terms)
{
    cs_value *keys = cs_arena_array(a, cs_value, cs_count(terms) + 1U);
    for (uint32_t i = 0; i < cs_count(terms); i++) {
        const cs_value *value = cs_object_get_text(terms.u.items[i], "value");
        keys[i] = value ? *value : cs_null();
    }
    cs_buf text;
    cs_buf_init(&text);
    if (cs_count(terms) > 0 && cs_is(keys[0], CS_STRING)) {
        cs_buf rest;
        cs_buf_init(&rest);
        cs_bundle_print_ref(&rest, cs_array(keys + 1, cs_count(terms) - 1));
        cs_buf_slice(&text, cs_text(keys[0]));
        cs_buf_slice(&text, cs_slice_sub(cs_buf_view(&rest), strlen("data"), rest.n));
        cs_buf_destroy(&rest);
    }
    cs_slice out = kept(a, &text);
    cs_buf_destroy(&text);
    return out;
}

/* ---- the fields that are lists */
static entry organization(cs_arena *a, cs_value item)
{
    return (entry){one_line(a, cs_is(item, CS_STRING) ? cs_text(item) : CS_LIT("")), CS_LIT("")};
}

static entry author(cs_arena *a, cs_value item)
{
    cs_slice name = text_at(item, "name"), email = text_at(item, "email");
    size_t n;
    char *text = email.n == 0 ? cs_arena_printf(a, &n, "%.*s", CS_FMT(name))
                              : cs_arena_printf(a, &n, "%.*s%s<%.*s>", CS_FMT(name), name.n ? " " : "", CS_FMT(email));
    return (entry){one_line(a, cs_slice_make(text, n)), CS_LIT("")};
}

static entry schema(cs_arena *a, cs_value item)
{
    const cs_value *path = cs_object_get_text(item, "path");
    const cs_value *name = cs_object_get_text(item, "schema");
    const cs_value *definition = cs_object_get_text(item, "definition");
    entry e = {path ? ref_of(a, *path) : CS_LIT(""), CS_LIT("")};
    if (name && cs_count(*name) > 0) {
        e.value = ref_of(a, *name);
    } else if (definition) {
        e.value = json_of(a, *definition);
    }
    return e;
}

static entry resource(cs_arena *a, cs_value item)
{
    return (entry){one_line(a, text_at(item, "ref")), text_at(item, "description")};
}

static void put_field(cs_buf *out, cs_arena *a, cs_value fields, const char *key, const char *title,
                      entry (*row)(cs_arena *a, cs_value item), const char *between)
{
    const cs_value *list = cs_object_get_text(fields, key);
    uint32_t n = list && cs_is(*list, CS_ARRAY) ? cs_count(*list) : 0;
    entry *rows = cs_arena_array(a, entry, n + 1U);
    for (uint32_t i = 0; i < n; i++) {
        rows[i] = row(a, list->u.items[i]);
    }
    put_list(out, title, rows, n, between);
}

static void put_custom(cs_buf *out, cs_arena *a, cs_value fields)
{
    const cs_value *custom = cs_object_get_text(fields, "custom");
    uint32_t n = custom && cs_is(*custom, CS_OBJECT) ? cs_count(*custom) : 0;
    entry *rows = cs_arena_array(a, entry, n + 1U);
    for (uint32_t i = 0; i < n; i++) {
        cs_value value, key = cs_entry(*custom, i, &value);
        rows[i] = (entry){cs_is(key, CS_STRING) ? cs_text(key) : json_of(a, key), json_of(a, value)};
    }
    put_list(out, "Custom", rows, n, ": ");
}

/* ---- one annotation */
static void put_annotation(cs_buf *out, cs_arena *a, const cs_build_annotation *x)
{
    cs_slice title = cs_slice_trim(text_at(x->fields, "title")), description = text_at(x->fields, "description");
    title = title.n > 0 ? title : x->path;
    cs_buf_printf(out, "%.*s\n", CS_FMT(title));
    for (size_t i = 0; i < title.n && i < LINE_MAX; i++) {
        cs_buf_byte(out, '=');
    }
    cs_buf_text(out, "\n\n");
    if (description.n > 0) {
        cs_buf_printf(out, "%.*s\n\n", CS_FMT(description));
    }
    cs_buf_printf(out, "Package:  %.*s\n", CS_FMT(x->package));
    if (x->rule.n > 0) {
        cs_buf_printf(out, "Rule:     %.*s\n", CS_FMT(x->rule));
    }
    cs_buf_printf(out, "Location: %.*s:%u\n", CS_FMT(x->file), x->row);
    cs_buf_printf(out, "Scope: %.*s\n", CS_FMT(text_at(x->fields, "scope")));
    const cs_value *entrypoint = cs_object_get_text(x->fields, "entrypoint");
    cs_buf_text(out, entrypoint && cs_truthy(*entrypoint) ? "Entrypoint: true\n\n" : "\n");
    put_field(out, a, x->fields, "organizations", "Organizations", organization, "");
    put_field(out, a, x->fields, "authors", "Authors", author, "");
    put_field(out, a, x->fields, "schemas", "Schemas", schema, ": ");
    put_field(out, a, x->fields, "related_resources", "Related Resources", resource, " ");
    put_custom(out, a, x->fields);
}

void cs_inspect_print_annotations(cs_arena *a, const cs_build_annotation *v, size_t n)
{
    cs_buf out;
    cs_buf_init(&out);
    cs_buf_text(&out, n > 0 ? "ANNOTATIONS:\n" : "");
    for (size_t i = 0; i < n; i++) {
        put_annotation(&out, a, &v[i]);
    }
    (void)cs_cmd_write(cs_buf_view(&out));
    cs_buf_destroy(&out);
}
