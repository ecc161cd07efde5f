/* Documents checked against compiled schemas: the same checks in the same order as OPA's validator, with the scores by
 * which it picks the branch of an anyOf whose errors it tells. */
#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/utf8.h"
#include "rego/builtin/regex.h"
#include "rego/builtin/schema.h"

/* Levels of schemas inside of each other while one value is checked. */
#define DEEPEST 3000
/* How many (schema, value) pairs one call looks at: references may multiply. */
#define MOST_STEPS 20000000

typedef struct context {
    cs_slice head;
    const struct context *tail;
} context;

typedef struct mistake {
    const char *type;
    const context *at;
    cs_slice text;
} mistake;

typedef struct result {
    mistake *v;
    size_t n, cap;
    int64_t score;
} result;

typedef struct checker {
    cs_call *call;
    int depth;
    uint64_t steps;
} checker;

static cs_err check(checker *c, const cs_schema *s, cs_value v, result *r, const context *at);

static void add_mistake(const checker *c, result *r, mistake m)
{
    if (r->n == r->cap) {
        mistake *more = cs_arena_alloc(c->call->arena, (r->cap * 2 + 2) * sizeof *more);
        if (r->n) {
            memcpy(more, r->v, r->n * sizeof *more);
        }
        r->v = more;
        r->cap = r->cap * 2 + 2;
    }
    r->v[r->n++] = m;
}

static void wrong(const checker *c, result *r, const context *at, const char *type, const char *format, ...)
    CS_PRINTF(5, 6);

static void wrong(const checker *c, result *r, const context *at, const char *type, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = cs_arena_alloc(c->call->arena, (size_t)n + 1);
    (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    add_mistake(c, r, (mistake){type, at, cs_slice_make(text, (size_t)n)});
    r->score -= 2;
}

static void merge(const checker *c, result *r, const result *other)
{
    for (size_t i = 0; i < other->n; i++) {
        add_mistake(c, r, other->v[i]);
    }
    r->score += other->score;
}

static const context *inside(const checker *c, const context *at, cs_slice head)
{
    context *x = cs_arena_new(c->call->arena, context);
    x->head = head;
    x->tail = at;
    return x;
}

static const context *inside_item(const checker *c, const context *at, uint32_t i)
{
    return inside(c, at, cs_text(cs_string_printf(c->call->arena, "%u", i)));
}

static cs_slice path_text(const checker *c, const context *at)
{
    size_t n = 0;
    for (const context *x = at; x; x = x->tail) {
        n += x->head.n + (x->tail != NULL);
    }
    char *p = cs_arena_alloc(c->call->arena, n + 1), *end = p + n;
    for (const context *x = at; x; x = x->tail) {
        end -= x->head.n;
        if (x->head.n) {
            memcpy(end, x->head.p, x->head.n);
        }
        if (x->tail) {
            *--end = '.';
        }
    }
    return cs_slice_make(p, n);
}

/* Without the root in front of it. */
static cs_slice field(const checker *c, const context *at)
{
    cs_slice path = path_text(c, at);
    return cs_slice_starts(path, CS_LIT("(Root).")) ? cs_slice_sub(path, 7, path.n) : path;
}

/* A result of its own for one schema. */
static cs_err check_apart(checker *c, const cs_schema *s, cs_value v, const context *at, result *out)
{
    *out = (result){0};
    return check(c, s, v, out, at);
}

/* ------------------------------------------------------------------------------------------------ logic */

/* Which schemas of a list the value fits: how many, and the failure that came nearest. */
static cs_err check_list(checker *c, const cs_schemas *list, cs_value v, const context *at, bool first_only,
                         size_t *good, result *best, bool *has_best)
{
    result one;
    *good = 0;
    *has_best = false;
    for (size_t i = 0; i < list->n && !(first_only && *good); i++) {
        CS_TRY(check_apart(c, list->v[i], v, at, &one));
        if (one.n == 0) {
            (*good)++;
        } else if (*good == 0 && (!*has_best || one.score > best->score)) {
            *best = one;
            *has_best = true;
        }
    }
    return CS_OK;
}

static cs_err check_all(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    size_t good = 0;
    result one;
    for (size_t i = 0; i < s->all_of.n; i++) {
        CS_TRY(check_apart(c, s->all_of.v[i], v, at, &one));
        good += one.n == 0;
        merge(c, r, &one);
    }
    if (good != s->all_of.n) {
        wrong(c, r, at, "number_all_of", "Must validate all the schemas (allOf)");
    }
    return CS_OK;
}

static cs_err check_dependencies(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    for (uint32_t i = 0; v.kind == CS_OBJECT && s->dependencies.kind == CS_OBJECT && i < cs_count(v); i++) {
        const cs_value *on = cs_object_get(s->dependencies, cs_entry(v, i, NULL));
        if (!on) {
            continue;
        }
        if (on->kind == CS_NUMBER) {
            CS_TRY(check(c, s->dependents.v[on->u.i], v, r, at));
            continue;
        }
        for (uint32_t k = 0; k < on->n; k++) {
            if (!cs_object_get(v, on->u.items[k])) {
                wrong(c, r, at, "missing_dependency", "Has a dependency on %.*s", CS_FMT(cs_text(on->u.items[k])));
            }
        }
    }
    return CS_OK;
}

static cs_err check_condition(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    result one;
    if (!s->if_) {
        return CS_OK;
    }
    CS_TRY(check_apart(c, s->if_, v, at, &one));
    bool holds = one.n == 0;
    const cs_schema *next = holds ? s->then : s->else_;
    if (!next) {
        return CS_OK;
    }
    CS_TRY(check_apart(c, next, v, at, &one));
    if (one.n) {
        if (holds) {
            wrong(c, r, at, "condition_then", "Must validate \"then\" as \"if\" was valid");
        } else {
            wrong(c, r, at, "condition_else", "Must validate \"else\" as \"if\" was not valid");
        }
        merge(c, r, &one);
    }
    return CS_OK;
}

static cs_err check_logic(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    size_t good;
    result best;
    bool has_best;
    if (s->any_of.n) {
        CS_TRY(check_list(c, &s->any_of, v, at, true, &good, &best, &has_best));
        if (!good) {
            wrong(c, r, at, "number_any_of", "Must validate at least one schema (anyOf)");
            if (has_best) {
                merge(c, r, &best);
            }
        }
    }
    if (s->one_of.n) {
        CS_TRY(check_list(c, &s->one_of, v, at, false, &good, &best, &has_best));
        if (good != 1) {
            wrong(c, r, at, "number_one_of", "Must validate one and only one schema (oneOf)");
            if (!good) {
                merge(c, r, &best);
            }
        }
    }
    CS_TRY(check_all(c, s, v, r, at));
    if (s->not ) {
        CS_TRY(check_apart(c, s->not, v, at, &best));
        if (best.n == 0) {
            wrong(c, r, at, "number_not", "Must not validate the schema (not)");
        }
    }
    CS_TRY(check_dependencies(c, s, v, r, at));
    CS_TRY(check_condition(c, s, v, r, at));
    r->score++;
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ all kinds */

static bool among(const cs_list *texts, cs_value text)
{
    for (size_t i = 0; i < texts->n; i++) {
        if (cs_equal(texts->v[i], text)) {
            return true;
        }
    }
    return false;
}

static cs_slice joined(const checker *c, const cs_list *texts)
{
    cs_buf all;
    cs_buf_init(&all);
    for (size_t i = 0; i < texts->n; i++) {
        cs_buf_text(&all, i ? ", " : "");
        cs_buf_slice(&all, cs_text(texts->v[i]));
    }
    cs_value copy = cs_string_copy(c->call->arena, cs_buf_view(&all));
    cs_buf_destroy(&all);
    return cs_text(copy);
}

static cs_err check_common(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    cs_value text;
    if (!cs_is_undefined(s->const_text) || s->has_enum) {
        CS_TRY(cs_schema__plain_text(c->call, v, &text));
        if (!cs_is_undefined(s->const_text) && !cs_equal(s->const_text, text)) {
            wrong(c, r, at, "const", "%.*s does not match: %.*s", CS_FMT(field(c, at)), CS_FMT(cs_text(s->const_text)));
        }
        if (s->has_enum && !among(&s->enum_texts, text)) {
            wrong(c, r, at, "enum", "%.*s must be one of the following: %.*s", CS_FMT(field(c, at)),
                  CS_FMT(joined(c, &s->enum_texts)));
        }
    }
    if (s->format.kind == CS_STRING && v.kind == CS_STRING &&
        !cs_schema__format_fits(c->call, cs_text(s->format), cs_text(v))) {
        wrong(c, r, at, "format", "Does not match format '%.*s'", CS_FMT(cs_text(s->format)));
    }
    r->score++;
    return CS_OK;
}

static cs_err check_string(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    int64_t n = s->min_length >= 0 || s->max_length >= 0 ? (int64_t)cs_utf8_count(cs_text(v)) : 0;
    bool matches = true;
    if (s->min_length >= 0 && n < s->min_length) {
        wrong(c, r, at, "string_gte", "String length must be greater than or equal to %lld", (long long)s->min_length);
    }
    if (s->max_length >= 0 && n > s->max_length) {
        wrong(c, r, at, "string_lte", "String length must be less than or equal to %lld", (long long)s->max_length);
    }
    if (s->pattern.kind == CS_STRING) {
        CS_TRY(cs_regex__match(c->call, cs_text(s->pattern), cs_text(v), &matches));
    }
    if (!matches) {
        wrong(c, r, at, "pattern", "Does not match pattern '%.*s'", CS_FMT(cs_text(s->pattern)));
    }
    r->score++;
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ numbers */

typedef struct decimal {
    char *digits; /* without zeros in front or behind; "0" for zero */
    size_t n;
    int64_t exponent; /* of the last digit */
    bool negative;
} decimal;

static decimal take_apart(const checker *c, cs_value number)
{
    char room[32];
    cs_slice text = cs_number_text(number, room);
    decimal d = {.digits = cs_arena_alloc(c->call->arena, text.n + 1)};
    bool point = false;
    for (size_t i = 0; i < text.n; i++) {
        char ch = text.p[i];
        if (ch == '-' || ch == '+') {
            d.negative = ch == '-';
        } else if (ch == '.') {
            point = true;
        } else if ((ch | 0x20) == 'e') {
            int64_t e = 0;
            cs_slice rest = cs_slice_sub(text, i + 1, text.n);
            bool plus = rest.n && *rest.p == '+';
            (void)cs_slice_i64(plus ? cs_slice_sub(rest, 1, rest.n) : rest, &e);
            d.exponent += e;
            break;
        } else {
            if (d.n || ch != '0') {
                d.digits[d.n++] = ch;
            }
            d.exponent -= point;
        }
    }
    while (d.n && d.digits[d.n - 1] == '0') {
        d.n--;
        d.exponent++;
    }
    if (d.n == 0) {
        d = (decimal){.digits = d.digits, .n = 1};
        d.digits[0] = '0';
    }
    return d;
}

/* The whole number digits * 10^(exponent - least). */
static bool scaled(const checker *c, const decimal *d, int64_t least, cs_value *out)
{
    int64_t zeros = d->exponent - least;
    if (zeros > (int64_t)cs_limits_get()->number_exponent) {
        return false;
    }
    char *text = cs_arena_alloc(c->call->arena, d->n + (size_t)zeros + 1);
    memcpy(text, d->digits, d->n);
    memset(text + d->n, '0', (size_t)zeros);
    return cs_number_from_base(c->call->arena, cs_slice_make(text, d->n + (size_t)zeros), 10, out);
}

static bool is_multiple(const checker *c, cs_value v, cs_value of)
{
    decimal x = take_apart(c, v), y = take_apart(c, of);
    int64_t least = x.exponent < y.exponent ? x.exponent : y.exponent;
    cs_value a, b, rest;
    return cs_slice_is(cs_slice_make(x.digits, x.n), "0") ||
           (scaled(c, &x, least, &a) && scaled(c, &y, least, &b) &&
            cs_number_arith(c->call->arena, CS_REM, a, b, &rest, NULL) == CS_OK &&
            cs_number_compare(rest, cs_int(0)) == 0);
}

/* As Go's %g of the shortest digits: with an exponent from a million on and under 0.0001. */
static cs_slice number_text(const checker *c, cs_value v)
{
    decimal d = take_apart(c, v);
    int64_t exponent = d.exponent + (int64_t)d.n - 1;
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_text(&b, d.negative ? "-" : "");
    if (exponent < -4 || exponent >= 6) {
        cs_buf_printf(&b, "%c%s%.*se%c%02lld", d.digits[0], d.n > 1 ? "." : "", (int)d.n - 1, d.digits + 1,
                      exponent < 0 ? '-' : '+', (long long)(exponent < 0 ? -exponent : exponent));
    } else if (exponent < 0) {
        cs_buf_printf(&b, "0.%0*d%.*s", (int)(-exponent - 1), 0, (int)d.n, d.digits);
    } else {
        for (int64_t i = 0; i < (int64_t)d.n || i <= exponent; i++) {
            cs_buf_text(&b, i == exponent + 1 ? "." : "");
            cs_buf_byte(&b, i < (int64_t)d.n ? d.digits[i] : '0');
        }
    }
    cs_value copy = cs_string_copy(c->call->arena, cs_buf_view(&b));
    cs_buf_destroy(&b);
    return cs_text(copy);
}

static void check_number(const checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    if (s->multiple_of.kind && !is_multiple(c, v, s->multiple_of)) {
        wrong(c, r, at, "multiple_of", "Must be a multiple of %.*s", CS_FMT(number_text(c, s->multiple_of)));
    }
    if (s->maximum.kind && cs_number_compare(v, s->maximum) > 0) {
        wrong(c, r, at, "number_lte", "Must be less than or equal to %.*s", CS_FMT(number_text(c, s->maximum)));
    }
    if (s->below.kind && cs_number_compare(v, s->below) >= 0) {
        wrong(c, r, at, "number_lt", "Must be less than %.*s", CS_FMT(number_text(c, s->below)));
    }
    if (s->minimum.kind && cs_number_compare(v, s->minimum) < 0) {
        wrong(c, r, at, "number_gte", "Must be greater than or equal to %.*s", CS_FMT(number_text(c, s->minimum)));
    }
    if (s->above.kind && cs_number_compare(v, s->above) <= 0) {
        wrong(c, r, at, "number_gt", "Must be greater than %.*s", CS_FMT(number_text(c, s->above)));
    }
    r->score++;
}

/* ------------------------------------------------------------------------------------------------ arrays */

static cs_err check_item(checker *c, const cs_schema *s, cs_value v, uint32_t i, result *r, const context *at)
{
    result one;
    CS_TRY(check_apart(c, s, v.u.items[i], inside_item(c, at, i), &one));
    merge(c, r, &one);
    return CS_OK;
}

static cs_err check_items(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    for (uint32_t i = 0; i < v.n; i++) {
        const cs_schema *one = s->one_for_all_items ? s->items.v[0]
                               : i < s->items.n     ? s->items.v[i]
                               : s->items.n         ? s->more_items
                                                    : NULL;
        if (one) {
            CS_TRY(check_item(c, one, v, i, r, at));
        }
    }
    if (!s->one_for_all_items && s->items.n && v.n > s->items.n && s->no_more_items) {
        wrong(c, r, at, "array_no_additional_items", "No additional items allowed on array");
    }
    return CS_OK;
}

static cs_err check_unique(checker *c, cs_value v, result *r, const context *at)
{
    cs_value seen = cs_object_new(c->call->arena, v.n), text;
    for (uint32_t i = 0; i < v.n; i++) {
        CS_TRY(cs_schema__plain_text(c->call, v.u.items[i], &text));
        const cs_value *before = cs_object_get(seen, text);
        if (before) {
            wrong(c, r, at, "unique", "array items[%lld,%u] must be unique", (long long)before->u.i, i);
        }
        cs_object_put(c->call->arena, seen, text, cs_int(i));
    }
    return CS_OK;
}

static cs_err check_contains(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    result one, best = {0};
    bool has_best = false;
    for (uint32_t i = 0; i < v.n; i++) {
        CS_TRY(check_apart(c, s->contains, v.u.items[i], inside_item(c, at, i), &one));
        if (one.n == 0) {
            return CS_OK;
        }
        if (!has_best || one.score > best.score) {
            best = one;
            has_best = true;
        }
    }
    wrong(c, r, at, "contains", "At least one of the items must match");
    if (has_best) {
        merge(c, r, &best);
    }
    return CS_OK;
}

static cs_err check_array(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    CS_TRY(check_items(c, s, v, r, at));
    if (s->min_items >= 0 && v.n < s->min_items) {
        wrong(c, r, at, "array_min_items", "Array must have at least %lld items", (long long)s->min_items);
    }
    if (s->max_items >= 0 && v.n > s->max_items) {
        wrong(c, r, at, "array_max_items", "Array must have at most %lld items", (long long)s->max_items);
    }
    if (s->unique) {
        CS_TRY(check_unique(c, v, r, at));
    }
    if (s->contains) {
        CS_TRY(check_contains(c, s, v, r, at));
    }
    r->score++;
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ objects */

static cs_err check_member(checker *c, const cs_schema *s, cs_slice key, cs_value v, result *r, const context *at)
{
    result one;
    bool described = false, by_pattern = false, matches;
    for (size_t i = 0; i < s->properties.n && !described; i++) {
        described = cs_slice_eq(s->properties.v[i]->property, key);
    }
    for (size_t i = 0; i < s->pattern_properties.n; i++) {
        const cs_schema *p = s->pattern_properties.v[i];
        CS_TRY(cs_regex__match(c->call, p->property, key, &matches));
        if (matches) {
            by_pattern = true;
            CS_TRY(check_apart(c, p, v, inside(c, at, key), &one));
            merge(c, r, &one);
        }
    }
    r->score += by_pattern;
    if (described || by_pattern) {
        return CS_OK;
    }
    if (s->no_more_properties) {
        wrong(c, r, at, "additional_property_not_allowed", "Additional property %.*s is not allowed", CS_FMT(key));
    }
    if (s->more_properties) {
        CS_TRY(check_apart(c, s->more_properties, v, inside(c, at, key), &one));
        merge(c, r, &one);
    }
    return CS_OK;
}

static cs_err check_keys(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    result one;
    for (uint32_t i = 0; s->property_names && i < cs_count(v); i++) {
        cs_value key = cs_entry(v, i, NULL);
        CS_TRY(check_apart(c, s->property_names, key, at, &one));
        if (one.n) {
            wrong(c, r, at, "invalid_property_name", "Property name of \"%.*s\" does not match", CS_FMT(cs_text(key)));
            merge(c, r, &one);
        }
    }
    return CS_OK;
}

static cs_err check_object(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    uint32_t n = cs_count(v);
    cs_value one;
    if (s->min_properties >= 0 && n < s->min_properties) {
        wrong(c, r, at, "array_min_properties", "Must have at least %lld properties", (long long)s->min_properties);
    }
    if (s->max_properties >= 0 && n > s->max_properties) {
        wrong(c, r, at, "array_max_properties", "Must have at most %lld properties", (long long)s->max_properties);
    }
    for (size_t i = 0; i < s->required.n; i++) {
        if (cs_object_get(v, s->required.v[i])) {
            r->score++;
        } else {
            wrong(c, r, at, "required", "%.*s is required", CS_FMT(cs_text(s->required.v[i])));
        }
    }
    bool each = s->pattern_properties.n || s->no_more_properties || s->more_properties;
    for (uint32_t i = 0; each && i < n; i++) {
        cs_value key = cs_entry(v, i, &one);
        CS_TRY(check_member(c, s, cs_text(key), one, r, at));
    }
    CS_TRY(check_keys(c, s, v, r, at));
    r->score++;
    return CS_OK;
}

static cs_err check_properties(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    for (size_t i = 0; i < s->properties.n; i++) {
        const cs_schema *p = s->properties.v[i];
        const cs_value *one = cs_object_get(v, cs_string(p->property));
        if (one) {
            CS_TRY(check(c, p, *one, r, inside(c, at, p->property)));
        }
    }
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ a value */

static bool type_fits(const checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    static const struct {
        unsigned type;
        const char *name;
    } kinds[] = {[CS_NULL] = {CS_SCHEMA_NULL, "null"},       [CS_BOOL] = {CS_SCHEMA_BOOLEAN, "boolean"},
                 [CS_NUMBER] = {CS_SCHEMA_NUMBER, "number"}, [CS_STRING] = {CS_SCHEMA_STRING, "string"},
                 [CS_ARRAY] = {CS_SCHEMA_ARRAY, "array"},    [CS_OBJECT] = {CS_SCHEMA_OBJECT, "object"}};
    unsigned type = kinds[v.kind].type;
    const char *name = kinds[v.kind].name;
    if (v.kind == CS_NUMBER && cs_number_is_integral(v)) {
        type |= CS_SCHEMA_INTEGER;
        name = "integer";
    }
    if (!s->types || (s->types & type)) {
        return true;
    }
    bool several = s->type_names.n > 1;
    cs_buf names;
    cs_buf_init(&names);
    for (size_t i = 0; i < s->type_names.n; i++) {
        cs_buf_text(&names, i ? "," : "");
        cs_buf_slice(&names, cs_text(s->type_names.v[i]));
    }
    wrong(c, r, at, "invalid_type", "Invalid type. Expected: %s%.*s%s, given: %s", several ? "[" : "",
          CS_FMT(cs_buf_view(&names)), several ? "]" : "", name);
    cs_buf_destroy(&names);
    return false;
}

static cs_err check_kind(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    if (!type_fits(c, s, v, r, at)) {
        return CS_OK;
    }
    CS_TRY(check_logic(c, s, v, r, at));
    if (v.kind == CS_NUMBER) {
        check_number(c, s, v, r, at);
    } else if (v.kind == CS_ARRAY) {
        CS_TRY(check_array(c, s, v, r, at));
    } else if (v.kind == CS_OBJECT) {
        CS_TRY(check_object(c, s, v, r, at));
    }
    CS_TRY(check_common(c, s, v, r, at));
    if (v.kind == CS_STRING) {
        CS_TRY(check_string(c, s, v, r, at));
    } else if (v.kind == CS_OBJECT) {
        CS_TRY(check_properties(c, s, v, r, at));
    }
    r->score++;
    return CS_OK;
}

static cs_err check(checker *c, const cs_schema *s, cs_value v, result *r, const context *at)
{
    if (s->is_bool) {
        if (!s->pass) {
            wrong(c, r, at, "false", "False always fails validation");
        }
        return CS_OK;
    }
    if (c->depth >= DEEPEST || ++c->steps > MOST_STEPS || cs_arena_exceeded(c->call->arena)) {
        return cs_call__limit_error(c->call, c->depth >= DEEPEST     ? "eval_depth"
                                             : c->steps > MOST_STEPS ? "eval_instructions"
                                                                     : "eval_memory");
    }
    c->depth++;
    cs_err err = s->ref ? check(c, s->ref, v, r, at) : check_kind(c, s, v, r, at);
    c->depth--;
    return err;
}

cs_err cs_schema__validate(cs_call *call, const cs_schema *schema, cs_value document, cs_value *out)
{
    checker c = {.call = call};
    context root = {CS_LIT("(Root)"), NULL};
    result r = {0};
    cs_list list = {0};
    CS_TRY(check(&c, schema, document, &r, &root));
    for (size_t i = 0; i < r.n; i++) {
        cs_slice name = field(&c, r.v[i].at);
        cs_value one = cs_object_new(call->arena, 4);
        cs_object_put_text(call->arena, one, "desc", cs_string(r.v[i].text));
        cs_object_put_text(call->arena, one, "error",
                           cs_string_printf(call->arena, "%.*s: %.*s", CS_FMT(name), CS_FMT(r.v[i].text)));
        cs_object_put_text(call->arena, one, "field", cs_string(name));
        cs_object_put_text(call->arena, one, "type", cs_string(cs_slice_of(r.v[i].type)));
        cs_list__add(call, &list, one);
    }
    *out = cs_list__array(&list);
    return CS_OK;
}
