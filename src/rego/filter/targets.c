/* What each target of a filter can say (OPA: internal/compile/constraints.go). */
#include "rego/filter/internal.h"

typedef struct variant {
    const char *target, *name;
    const char *shown; /* "" = the target's name alone; NULL = the dialect as it was written */
    unsigned can;
} variant;

enum { ANY_SQL = CS_FILTER_NOT | CS_FILTER_FIELD_REF | CS_FILTER_EXISTS };

static const variant variants[] = {
    {"sql", "sqlite", NULL, ANY_SQL | CS_FILTER_MEMBER},
    {"sql", "mysql", NULL, ANY_SQL | CS_FILTER_MEMBER | CS_FILTER_TEXT},
    {"sql", "postgresql", NULL, ANY_SQL | CS_FILTER_MEMBER | CS_FILTER_TEXT},
    {"sql", "sqlserver", NULL, ANY_SQL | CS_FILTER_MEMBER | CS_FILTER_TEXT},
    {"ucast", "all", "all", CS_FILTER_NOT | CS_FILTER_FIELD_REF | CS_FILTER_MEMBER | CS_FILTER_TEXT},
    {"ucast", "prisma", "prisma", CS_FILTER_NOT | CS_FILTER_EXISTS | CS_FILTER_MEMBER | CS_FILTER_TEXT},
    {"ucast", "linq", "LINQ", CS_FILTER_MEMBER},
    {"ucast", "", "", 0}, /* minimal, and whatever else */
};

static const variant *find(const cs_filter_target *t)
{
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        const variant *v = &variants[i];
        if (cs_slice_is(t->target, v->target) &&
            (!v->name[0] || cs_slice_eq_nocase(t->dialect, cs_slice_of(v->name)))) {
            return v;
        }
    }
    return NULL;
}

bool cs_filter__abilities(const cs_filter_target *target, unsigned *can)
{
    const variant *v = find(target);
    *can = v ? v->can : 0;
    return v != NULL;
}

void cs_filter__target_name(cs_buf *out, const cs_filter_target *target)
{
    const variant *v = find(target);
    cs_slice shown = v && v->shown ? cs_slice_of(v->shown) : target->dialect;
    cs_buf_text(out, cs_slice_is(target->target, "sql") ? "SQL" : "UCAST");
    if (shown.n) {
        cs_buf_printf(out, " (%.*s)", CS_FMT(shown));
    }
}

cs_err cs_filter_check_target(const cs_filter_target *target, cs_error *e)
{
    if (find(target)) {
        return CS_OK;
    }
    if (cs_slice_is(target->target, "sql")) {
        return cs_fail(e, CS_ERR_INTERNAL, "unsupported variant for sql: %.*s", CS_FMT(target->dialect));
    }
    return cs_fail(e, CS_ERR_INTERNAL, "unknown target/dialect combination: %.*s/%.*s", CS_FMT(target->target),
                   CS_FMT(target->dialect));
}

/* ---- names of tables and columns */
static const char *go_type(cs_value v)
{
    switch ((cs_kind)v.kind) {
    case CS_BOOL:
        return "bool";
    case CS_NUMBER:
        return "json.Number";
    case CS_STRING:
        return "string";
    case CS_ARRAY:
    case CS_SET:
        return "[]interface {}";
    case CS_OBJECT:
        return "map[string]interface {}";
    case CS_UNDEFINED:
    case CS_NULL:
    case CS_PRIVATE:
        break;
    }
    return "<nil>";
}

/* A name must be a string; a deeper object is a mapping for another target, but not as the name of a table. */
static cs_err validate(cs_value mappings, cs_error *e)
{
    for (uint32_t i = 0; i < cs_count(mappings); i++) {
        cs_value table, name = cs_entry(mappings, i, &table);
        for (uint32_t j = 0; cs_is(table, CS_OBJECT) && j < cs_count(table); j++) {
            cs_value to, key = cs_entry(table, j, &to);
            bool self = cs_slice_is(cs_text(key), "$self") || cs_slice_is(cs_text(key), "$table");
            if (!cs_is(to, CS_STRING) && (!cs_is(to, CS_OBJECT) || self)) {
                return cs_fail(e, CS_ERR_INVALID, "mappings: invalid mappings: %.*s.%.*s: expected string, got %s",
                               CS_FMT(cs_text(name)), CS_FMT(cs_text(key)), go_type(to));
            }
        }
    }
    return CS_OK;
}

static cs_err of_key(cs_value mappings, cs_slice key, const char *what, cs_value *out, cs_error *e)
{
    const cs_value *v = cs_object_get(mappings, cs_string(key));
    if (!v || cs_is(*v, CS_NULL)) {
        return CS_OK;
    }
    if (!cs_is(*v, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INVALID, "mappings: invalid mappings for %s %.*s", what, CS_FMT(key));
    }
    *out = *v;
    return CS_OK;
}

cs_err cs_filter_mappings(cs_value mappings, const cs_filter_target *target, cs_value *out, cs_error *e)
{
    *out = cs_undefined();
    if (!cs_is(mappings, CS_OBJECT)) {
        return CS_OK;
    }
    cs_value found = cs_undefined();
    CS_TRY(of_key(mappings, target->dialect, "dialect", &found, e));
    if (cs_is_undefined(found)) {
        CS_TRY(of_key(mappings, target->target, "target", &found, e));
    }
    *out = cs_is_undefined(found) ? mappings : found;
    return validate(*out, e);
}
