/* The fields of a # METADATA block: YAML to the document that OPA's AST JSON shows. */
#include "rego/syntax/annotate_fields.h"
#include "countersign/yaml.h"

typedef struct fields {
    cs_parser *p;
    cs_arena *a;
    cs_slice yaml;
    cs_value raw;      /* as the YAML has it */
    cs_value document; /* what comes out */
    bool places;       /* terms tell where they stand in their field */
    cs_annotate_problem *problem;
} fields;

static bool fail(fields *f, const char *text)
{
    f->problem->text = text;
    return false;
}

/* ---- types */
/* The line on which a field stands, for go-yaml's message. */
static size_t line_of(const fields *f, const char *field)
{
    cs_slice rest = f->yaml, line, name = cs_slice_of(field);
    for (size_t row = 1; cs_slice_next(&rest, '\n', &line); row++) {
        if (cs_slice_starts(line, name) && line.n > name.n && line.p[name.n] == ':') {
            bool alone = cs_slice_trim(cs_slice_sub(line, name.n + 1, line.n)).n == 0;
            return row + alone;
        }
    }
    return 1;
}

static const char *tag_of(cs_value v)
{
    switch ((cs_kind)v.kind) {
    case CS_BOOL:
        return "!!bool";
    case CS_NUMBER:
        return cs_number_is_integral(v) ? "!!int" : "!!float";
    case CS_STRING:
        return "!!str";
    case CS_ARRAY:
        return "!!seq";
    case CS_OBJECT:
        return "!!map";
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_SET:
    case CS_PRIVATE:
        break;
    }
    return "!!null";
}

/* A scalar as text; false for collections. */
static bool scalar_text(fields *f, cs_value v, cs_slice *out)
{
    char room[32];
    switch ((cs_kind)v.kind) {
    case CS_NULL:
    case CS_UNDEFINED:
        *out = (cs_slice){"", 0};
        return true;
    case CS_BOOL:
        *out = cs_slice_of(v.u.b ? "true" : "false");
        return true;
    case CS_NUMBER:
        *out = cs_number_text(v, room);
        out->p = cs_arena_dup(f->a, out->p, out->n);
        return true;
    case CS_STRING:
        *out = cs_text(v);
        return true;
    case CS_ARRAY:
    case CS_OBJECT:
    case CS_SET:
    case CS_PRIVATE:
        break;
    }
    return false;
}

static bool wrong_type(fields *f, const char *field, cs_value v, const char *want)
{
    cs_slice text;
    size_t line = field ? line_of(f, field) : 1;
    f->problem->yaml = true;
    if (!scalar_text(f, v, &text)) {
        return fail(f, cs_arena_printf(f->a, NULL, "yaml: unmarshal errors:\n  line %zu: cannot unmarshal %s into %s",
                                       line, tag_of(v), want));
    }
    bool cut = text.n > 10;
    return fail(f,
                cs_arena_printf(f->a, NULL, "yaml: unmarshal errors:\n  line %zu: cannot unmarshal %s `%.*s%s` into %s",
                                line, tag_of(v), (int)(cut ? 7 : text.n), text.p, cut ? "..." : "", want));
}

/* The raw field; undefined when it is missing or null. */
static cs_value raw_field(const fields *f, const char *field)
{
    const cs_value *v = cs_object_get_text(f->raw, field);
    return v && !cs_is(*v, CS_NULL) ? *v : cs_undefined();
}

static void put(fields *f, const char *field, cs_value v)
{
    cs_object_put_text(f->a, f->document, field, v);
}

static bool text_field(fields *f, const char *field, cs_slice *out)
{
    cs_value v = raw_field(f, field);
    *out = (cs_slice){"", 0};
    if (!cs_is_undefined(v) && !scalar_text(f, v, out)) {
        return wrong_type(f, field, v, "string");
    }
    if (out->n) {
        put(f, field, cs_string(*out));
    }
    return true;
}

/* A list, or undefined. */
static bool list_field(fields *f, const char *field, const char *want, cs_value *out)
{
    *out = raw_field(f, field);
    return cs_is_undefined(*out) || cs_is(*out, CS_ARRAY) || wrong_type(f, field, *out, want);
}

static bool entrypoint_field(fields *f, cs_annotation *out)
{
    static const char *const yes[] = {"y", "Y", "yes", "on"}, *const no[] = {"n", "N", "no", "off"};
    cs_value v = raw_field(f, "entrypoint");
    if (cs_is(v, CS_BOOL)) {
        out->entrypoint = v.u.b;
    } else if (!cs_is_undefined(v)) {
        bool known = false;
        for (size_t i = 0; i < sizeof yes / sizeof *yes && cs_is(v, CS_STRING); i++) {
            out->entrypoint = out->entrypoint || cs_slice_is(cs_text(v), yes[i]);
            known = known || out->entrypoint || cs_slice_is(cs_text(v), no[i]);
        }
        if (!known) {
            return wrong_type(f, "entrypoint", v, "bool");
        }
    }
    if (out->entrypoint) {
        put(f, "entrypoint", cs_bool(true));
    }
    return true;
}

/* ---- organizations, related_resources, authors */
static bool organizations(fields *f)
{
    cs_value list;
    if (!list_field(f, "organizations", "[]string", &list)) {
        return false;
    }
    uint32_t n = cs_count(list);
    cs_value *items = cs_arena_alloc(f->a, sizeof *items * n);
    for (uint32_t i = 0; i < n; i++) {
        cs_slice text;
        if (!scalar_text(f, list.u.items[i], &text)) {
            return wrong_type(f, "organizations", list.u.items[i], "string");
        }
        items[i] = cs_string(text);
    }
    if (n) {
        put(f, "organizations", cs_array(items, n));
    }
    return true;
}

static cs_slice trimmed(cs_value object, const char *field)
{
    const cs_value *v = cs_object_get_text(object, field);
    return v && cs_is(*v, CS_STRING) ? cs_slice_trim(cs_text(*v)) : (cs_slice){"", 0};
}

/* As Go's %s prints it. */
static const char *go_text(fields *f, cs_value v)
{
    cs_buf b;
    cs_buf_init(&b);
    if (cs_is(v, CS_OBJECT)) {
        cs_buf_text(&b, "map[");
        for (uint32_t i = 0; i < cs_count(v); i++) {
            cs_value value;
            cs_value key = cs_entry(v, i, &value);
            cs_slice text;
            cs_buf_text(&b, i ? " " : "");
            cs_buf_slice(&b, cs_text(key));
            cs_buf_byte(&b, ':');
            if (scalar_text(f, value, &text)) {
                cs_buf_slice(&b, text);
            }
        }
        cs_buf_byte(&b, ']');
    } else if (cs_is(v, CS_STRING)) {
        cs_buf_slice(&b, cs_text(v));
    } else {
        cs_slice text;
        const char *type = cs_is(v, CS_BOOL)          ? "bool="
                           : !cs_is(v, CS_NUMBER)     ? ""
                           : cs_number_is_integral(v) ? "int="
                                                      : "float64=";
        bool known = scalar_text(f, v, &text) && text.n;
        cs_buf_printf(&b, "%%!s(%s%.*s)", type, known ? (int)text.n : 5, known ? text.p : "<nil>");
    }
    const char *copy = cs_arena_dup(f->a, b.n ? b.p : "", b.n);
    cs_buf_destroy(&b);
    return copy;
}

/* NULL, or what is wrong. */
static const char *related_resource(fields *f, cs_value v, cs_value *out)
{
    *out = cs_object_new(f->a, 2);
    if (cs_is(v, CS_STRING)) {
        if (v.n == 0) {
            return "ref URL may not be empty string";
        }
        cs_object_put_text(f->a, *out, "ref", v);
        return NULL;
    }
    if (!cs_is(v, CS_OBJECT)) {
        return "invalid value type, must be string or map";
    }
    cs_slice ref = trimmed(v, "ref"), description = trimmed(v, "description");
    if (ref.n == 0) {
        return "'ref' value required in object";
    }
    cs_object_put_text(f->a, *out, "ref", cs_string(ref));
    if (description.n) {
        cs_object_put_text(f->a, *out, "description", cs_string(description));
    }
    return NULL;
}

/* "Name of Many Words <mail>": the last word is the mail if it stands in angle brackets; blanks between words become
 * one. */
static const char *author_text(fields *f, cs_slice s, cs_value out)
{
    cs_buf name;
    cs_buf_init(&name);
    cs_slice mail = {"", 0}, word = {"", 0};
    size_t words = 0, i = 0;
    while (i < s.n) {
        while (i < s.n && strchr(" \t\n\v\f\r", s.p[i])) {
            i++;
        }
        size_t from = i;
        while (i < s.n && !strchr(" \t\n\v\f\r", s.p[i])) {
            i++;
        }
        if (i == from) {
            break;
        }
        if (words++) {
            cs_buf_text(&name, name.n ? " " : "");
            cs_buf_slice(&name, word);
        }
        word = cs_slice_sub(s, from, i);
    }
    if (word.n >= 2 && word.p[0] == '<' && word.p[word.n - 1] == '>') {
        mail = cs_slice_sub(word, 1, word.n - 1);
    } else if (words) {
        cs_buf_text(&name, name.n ? " " : "");
        cs_buf_slice(&name, word);
    }
    cs_object_put_text(f->a, out, "name", cs_string_copy(f->a, cs_buf_view(&name)));
    if (mail.n) {
        cs_object_put_text(f->a, out, "email", cs_string(mail));
    }
    cs_buf_destroy(&name);
    return words ? NULL : "author is an empty string";
}

static const char *author(fields *f, cs_value v, cs_value *out)
{
    *out = cs_object_new(f->a, 2);
    if (cs_is(v, CS_STRING)) {
        return author_text(f, cs_text(v), *out);
    }
    if (!cs_is(v, CS_OBJECT)) {
        return "invalid value type, must be string or map";
    }
    cs_slice name = trimmed(v, "name"), mail = trimmed(v, "email");
    cs_object_put_text(f->a, *out, "name", cs_string(name));
    if (mail.n) {
        cs_object_put_text(f->a, *out, "email", cs_string(mail));
    }
    return name.n || mail.n ? NULL : "'name' and/or 'email' values required in object";
}

static bool each(fields *f, const char *field, const char *what, const char *(*read)(fields *, cs_value, cs_value *))
{
    cs_value list;
    if (!list_field(f, field, "[]interface {}", &list)) {
        return false;
    }
    uint32_t n = cs_count(list);
    cs_value *items = cs_arena_alloc(f->a, sizeof *items * n);
    for (uint32_t i = 0; i < n; i++) {
        const char *why = read(f, list.u.items[i], &items[i]);
        if (why) {
            return fail(
                f, cs_arena_printf(f->a, NULL, "invalid %s definition %s: %s", what, go_text(f, list.u.items[i]), why));
        }
    }
    if (n) {
        put(f, field, cs_array(items, n));
    }
    return true;
}

/* ---- schemas, compile */
/* A term in a field; NULL if it is not one. */
static cs_term *parse_text(fields *f, cs_slice text)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_term *t = NULL;
    if (cs_parse_term(f->p->ast, text, &t, &errors) != CS_OK) {
        t = NULL;
    }
    cs_errors_destroy(&errors);
    return t;
}

static const char *schema(fields *f, cs_value pair, cs_value *out)
{
    cs_value value = cs_undefined();
    cs_value key = cs_is(pair, CS_OBJECT) && cs_count(pair) ? cs_entry(pair, 0, &value) : cs_string(CS_LIT(""));
    cs_term *path = parse_text(f, cs_text(key));
    if (!path || path->kind != CS_TERM_REF) {
        return "invalid document reference";
    }
    *out = cs_object_new(f->a, 2);
    cs_object_put_text(f->a, *out, "path", cs_syntax__terms_json(f->a, path->u.list, false));
    if (cs_is(value, CS_OBJECT)) {
        cs_object_put_text(f->a, *out, "definition", value);
        return NULL;
    }
    if (!cs_is(value, CS_STRING)) {
        return cs_arena_printf(f->a, NULL, "invalid schema declaration for path \"%.*s\"", CS_FMT(cs_text(key)));
    }
    cs_term *ref = parse_text(f, cs_text(value));
    if (ref && ref->kind == CS_TERM_VAR) {
        ref = cs_term_list(f->p->ast, CS_TERM_REF, &ref, 1, ref->loc);
    }
    if (!ref || ref->kind != CS_TERM_REF || ref->u.list.v[0]->kind != CS_TERM_VAR ||
        !cs_slice_is(cs_sym_slice(ref->u.list.v[0]->u.var), "schema")) {
        return "invalid schema reference";
    }
    cs_object_put_text(f->a, *out, "schema", cs_syntax__terms_json(f->a, ref->u.list, f->places));
    return NULL;
}

static bool schemas(fields *f)
{
    cs_value list;
    if (!list_field(f, "schemas", "[]map[string]interface {}", &list)) {
        return false;
    }
    uint32_t n = cs_count(list);
    cs_value *items = cs_arena_alloc(f->a, sizeof *items * n);
    for (uint32_t i = 0; i < n; i++) {
        if (!cs_is(list.u.items[i], CS_OBJECT) && !cs_is(list.u.items[i], CS_NULL)) {
            return wrong_type(f, "schemas", list.u.items[i], "map[string]interface {}");
        }
        const char *why = schema(f, list.u.items[i], &items[i]);
        if (why) {
            return fail(f, why);
        }
    }
    if (n) {
        put(f, "schemas", cs_array(items, n));
    }
    return true;
}

static bool unknowns(fields *f, cs_value list, cs_value out)
{
    uint32_t n = cs_count(list);
    cs_value *items = cs_arena_alloc(f->a, sizeof *items * n);
    for (uint32_t i = 0; i < n; i++) {
        cs_value v = list.u.items[i];
        cs_term *t = cs_is(v, CS_STRING) ? parse_text(f, cs_text(v)) : NULL;
        if (cs_is(v, CS_STRING) && (!t || t->kind != CS_TERM_REF)) {
            return fail(
                f, cs_arena_printf(f->a, NULL, "invalid unknowns element \"%.*s\": expected ref", CS_FMT(cs_text(v))));
        }
        items[i] = t ? cs_syntax__terms_json(f->a, t->u.list, f->places) : cs_null();
    }
    if (n) {
        cs_object_put_text(f->a, out, "unknowns", cs_array(items, n));
    }
    return true;
}

static bool compile_field(fields *f)
{
    cs_value raw = raw_field(f, "compile");
    if (cs_is_undefined(raw)) {
        return true;
    }
    if (!cs_is(raw, CS_OBJECT)) {
        return wrong_type(f, "compile", raw, "map[string]interface {}");
    }
    cs_value out = cs_object_new(f->a, 2);
    const cs_value *list = cs_object_get_text(raw, "unknowns");
    if (list && cs_is(*list, CS_ARRAY) && !unknowns(f, *list, out)) {
        return false;
    }
    const cs_value *mask = cs_object_get_text(raw, "mask_rule");
    if (mask && cs_is(*mask, CS_STRING)) {
        cs_term *t = parse_text(f, cs_text(*mask));
        if (t && (t->kind == CS_TERM_VAR || cs_term_is_string(t))) {
            t = cs_term_list(f->p->ast, CS_TERM_REF, &t, 1, t->loc);
        }
        if (!t || t->kind != CS_TERM_REF) {
            return fail(f, cs_arena_printf(f->a, NULL, "invalid mask_rule annotation \"%.*s\": expected a rule",
                                           CS_FMT(cs_text(*mask))));
        }
        cs_object_put_text(f->a, out, "mask_rule", cs_syntax__terms_json(f->a, t->u.list, f->places));
    }
    put(f, "compile", out);
    return true;
}

/* custom, labels: anything, as it is. */
static bool free_field(fields *f, const char *field)
{
    cs_value v = raw_field(f, field);
    if (cs_is_undefined(v)) {
        return true;
    }
    if (!cs_is(v, CS_OBJECT)) {
        return wrong_type(f, field, v, "map[string]interface {}");
    }
    if (cs_count(v)) {
        put(f, field, v);
    }
    return true;
}

/* The name of a field that begins a line in block style, or "". */
static cs_slice field_of_line(cs_slice line)
{
    size_t colon = cs_slice_find_byte(line, ':', 0);
    bool named = line.n && line.p[0] != ' ' && line.p[0] != '#' && line.p[0] != '-' && colon != SIZE_MAX &&
                 (colon + 1 == line.n || line.p[colon + 1] == ' ');
    return named ? cs_slice_sub(line, 0, colon) : (cs_slice){"", 0};
}

/* The reader takes the last of two fields of one name, go-yaml refuses them. */
static bool no_field_twice(fields *f)
{
    CS_VEC(cs_slice) names = {0};
    cs_slice rest = f->yaml, line;
    while (cs_slice_next(&rest, '\n', &line)) {
        cs_slice name = field_of_line(line);
        for (size_t i = 0; name.n && i < names.n; i++) {
            if (cs_slice_eq(names.v[i], name)) {
                f->problem->yaml = true;
                return fail(f,
                            cs_arena_printf(f->a, NULL,
                                            "yaml: unmarshal errors:\n  line %zu: mapping key \"%.*s\" already defined "
                                            "at line %zu",
                                            names.n + 1, CS_FMT(name), i + 1));
            }
        }
        CS_VEC_PUSH_IN(f->a, &names, name);
        if (names.n > 200) {
            break; /* what follows is no list of fields */
        }
    }
    return true;
}

bool cs_annotate__fields(cs_parser *p, cs_slice yaml, cs_annotation *out, cs_annotate_problem *problem)
{
    fields f = {.p = p, .a = p->arena, .yaml = yaml, .problem = problem};
    cs_error e = {0};
    cs_slice title, description;
    if (cs_yaml_read(f.a, yaml, &f.raw, &e) != CS_OK) {
        problem->yaml = true;
        return fail(&f, cs_arena_dup(f.a, e.text, strlen(e.text)));
    }
    if (cs_is(f.raw, CS_NULL) || cs_is_undefined(f.raw)) {
        f.raw = cs_object_new(f.a, 0);
    }
    if (!cs_is(f.raw, CS_OBJECT)) {
        return wrong_type(&f, NULL, f.raw, "ast.rawAnnotation");
    }
    if (!no_field_twice(&f)) {
        return false;
    }
    f.document = cs_object_new(f.a, 8);
    put(&f, "scope", cs_string(CS_LIT("")));
    out->document = f.document;
    out->placed = cs_object_new(f.a, 0);
    bool read = text_field(&f, "scope", &out->scope) && text_field(&f, "title", &title) && entrypoint_field(&f, out) &&
                text_field(&f, "description", &description) && organizations(&f) &&
                each(&f, "related_resources", "related-resource", related_resource) && compile_field(&f) &&
                schemas(&f) && each(&f, "authors", "author", author) && free_field(&f, "custom") &&
                free_field(&f, "labels");
    f.document = out->placed;
    f.places = true;
    return read && compile_field(&f) && schemas(&f);
}
