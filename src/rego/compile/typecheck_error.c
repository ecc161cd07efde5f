/* The texts of type errors, as OPA's. */
#include "countersign/json.h"
#include "rego/compile/types.h"

#include <stdarg.h>
#include <stdio.h>

static cs_slice take(cs_type_checker *tc, cs_buf *b)
{
    cs_slice s = cs_slice_make(cs_arena_dup(tc->c->ast->arena, b->n ? b->p : "", b->n), b->n);
    cs_buf_destroy(b);
    return s;
}

static void add(cs_type_checker *tc, cs_type_errors *errors, cs_type_error e)
{
    if (errors) {
        CS_VEC_PUSH_IN(tc->c->ast->arena, errors, e);
    }
}

void cs_types__plain_error(cs_type_checker *tc, cs_type_errors *errors, cs_loc loc, const char *format, ...)
{
    char room[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    cs_slice text = CS_LIT("");
    if (n > 0) {
        text.n = (size_t)n < sizeof room ? (size_t)n : sizeof room - 1;
        text.p = cs_arena_dup(tc->c->ast->arena, room, text.n);
    }
    add(tc, errors, (cs_type_error){.loc = loc, .text = text, .details = CS_LIT("")});
}

void cs_types__hand_over(cs_compiler *c, const cs_type_errors *errors, bool recoverable)
{
    for (size_t i = 0; i < errors->n; i++) {
        const cs_type_error *e = &errors->v[i];
        cs_compile_error out = {CS_ERR_REGO_TYPE, e->loc, e->text, e->details, CS_LIT("")};
        cs_buf b;
        cs_buf_init(&b);
        if (!cs_is_undefined(e->json)) {
            cs_json_write(&b, e->json, cs_object_get_text(e->json, "ref") ? CS_JSON_AS_MADE : 0);
            out.json = cs_slice_make(cs_arena_dup(c->ast->arena, b.p, b.n), b.n);
        }
        cs_buf_destroy(&b);
        (void)cs_compile__record(c, recoverable, &out);
    }
}

void cs_types__match_error(cs_type_checker *tc, cs_type_errors *errors, cs_loc loc, const cs_type *left,
                           const cs_type *right)
{
    static const struct {
        cs_type_kind kind;
        const char *name;
    } composites[] = {{CS_TYPE_OBJECT, "objects"}, {CS_TYPE_ARRAY, "arrays"}, {CS_TYPE_SET, "sets"}};
    cs_buf b;
    cs_buf_init(&b);
    cs_elide__pair(tc, &b, left, right);
    const cs_type *x = cs_type_unnamed(left);
    const cs_type *y = cs_type_unnamed(right);
    for (size_t i = 0; i < sizeof composites / sizeof composites[0] && x && y; i++) {
        if (x->kind == composites[i].kind && y->kind == x->kind) {
            cs_buf_printf(&b,
                          "\nhint  : both sides are %s but their types differ, so they can never be equal (see "
                          "https://www.openpolicyagent.org/docs/errors/rego-type-error/match-error)",
                          composites[i].name);
        }
    }
    bool unknown = cs_types__unknown(left) || cs_types__unknown(right);
    cs_value json = cs_object_new(tc->arena, 2);
    cs_object_put_text(tc->arena, json, "a", cs_type_to_json(tc->arena, left));
    cs_object_put_text(tc->arena, json, "b", cs_type_to_json(tc->arena, right));
    add(tc, errors, (cs_type_error){loc, CS_LIT("match error"), take(tc, &b), json, unknown});
}

/* The function's arguments, and its result if wanted, as one list of arguments. */
static cs_type arguments(cs_type_checker *tc, const cs_type *function, bool with_result)
{
    cs_type t = *function;
    if (with_result && function->dynamic) {
        const cs_type **of = (const cs_type **)cs_arena_zalloc(tc->arena, (t.n + 1U) * sizeof *of);
        if (t.n) {
            memcpy(of, t.of, t.n * sizeof *of);
        }
        of[t.n++] = function->dynamic;
        t.of = of;
    }
    return t;
}

static cs_value type_list(cs_arena *a, const cs_type *const *types, uint32_t n)
{
    cs_value *v = cs_arena_array(a, cs_value, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        v[i] = cs_type_to_json(a, types[i]);
    }
    return cs_array(v, n);
}

static cs_value arg_json(cs_arena *a, const cs_type *const *have, uint32_t n, const cs_type *want)
{
    cs_value list = cs_object_new(a, 2);
    cs_object_put_text(a, list, "args", type_list(a, (const cs_type *const *)want->of, want->n));
    if (want->variadic) {
        cs_object_put_text(a, list, "variadic", cs_type_to_json(a, want->variadic));
    }
    cs_value json = cs_object_new(a, 2);
    cs_object_put_text(a, json, "have", type_list(a, have, n));
    cs_object_put_text(a, json, "want", list);
    return json;
}

void cs_types__arg_error(cs_type_checker *tc, cs_type_errors *errors, cs_loc loc, const cs_term *name,
                         const char *problem, const cs_type *const *have, uint32_t n, const cs_type *function,
                         bool with_result)
{
    cs_type want = arguments(tc, function, with_result);
    cs_type given = {.kind = CS_TYPE_FUNCTION, .of = (const cs_type **)(uintptr_t)have, .n = n};
    cs_type_error e = {.loc = loc, .json = arg_json(tc->arena, have, n, &want)};
    e.text.p = cs_arena_printf(tc->c->ast->arena, &e.text.n, "%s: %s", cs_compile__term_text(tc->c, name), problem);
    for (uint32_t i = 0; i < n; i++) {
        e.of_unknown = e.of_unknown || cs_types__unknown(have[i]);
    }
    cs_buf b;
    cs_buf_init(&b);
    cs_elide__arguments(tc, &b, &given, &want);
    e.details = take(tc, &b);
    add(tc, errors, e);
}

bool cs_types__arity_error(cs_compiler *c, const cs_expr *e, const cs_term *name, const cs_type *function)
{
    cs_type_checker tc = {.c = c, .arena = c->ast->arena, .closures = {.arena = c->ast->arena}};
    cs_type_env env = {.tc = &tc, .own = cs_syms__new(c->ast->arena)};
    cs_type_errors errors = {0};
    if (c->query) {
        tc.relaxed = cs_syms__new(c->ast->arena);
        env.data = c->compiled->types;
        env.input = c->compiled->input_types;
    }
    if (!function) {
        function = name->kind == CS_TERM_REF ? cs_env__of_ref(&env, &name->u.list) : NULL;
        if (!function || function->kind != CS_TYPE_FUNCTION) {
            return false;
        }
    }
    uint32_t n = e->u.call.n - 1;
    const cs_type **have = (const cs_type **)cs_arena_zalloc(c->ast->arena, (n + 1U) * sizeof *have);
    for (uint32_t i = 0; i < n; i++) {
        have[i] = cs_env__of(&env, e->u.call.v[i + 1]);
    }
    cs_types__arg_error(&tc, &errors, e->loc, name, "arity mismatch", (const cs_type *const *)have, n, function, false);
    cs_types__hand_over(c, &errors, false);
    return true;
}

/* ---- refs */
static bool substitute(void *self, cs_term *t)
{
    cs_type_checker *tc = self;
    const cs_syms_item *item = t->kind == CS_TERM_VAR ? cs_syms__find(&tc->c->subjects, t->u.var) : NULL;
    if (item) {
        *t = *cs_term_copy(tc->c->ast, item->value);
    }
    return true;
}

/* As written: generated locals become what they stand for. */
static cs_term *shown_ref(cs_type_checker *tc, const cs_terms *ref)
{
    cs_term *copy = cs_term_copy(tc->c->ast, cs_term_list(tc->c->ast, CS_TERM_REF, ref->v, ref->n, ref->v[0]->loc));
    cs_walk_term(&(cs_walker){.self = tc, .term = substitute}, copy);
    return cs_compile__ref_as_written(tc->c, copy);
}

static cs_value ref_json(cs_arena *a, const cs_term *ref, uint32_t at, const cs_type *have)
{
    cs_value json = cs_object_new(a, 5);
    cs_object_put_text(a, json, "ref", *cs_object_get_text(cs_term_to_json(a, ref), "value"));
    cs_object_put_text(a, json, "pos", cs_int(at));
    if (have) {
        cs_object_put_text(a, json, "have", cs_freeze(a, cs_type_to_json(a, have)));
    }
    return json;
}

static size_t width(cs_type_checker *tc, const cs_term *ref, uint32_t n)
{
    size_t columns = 0;
    for (const char *p = cs_compile__ref_text(tc->c, &ref->u.list, n); *p; p++) {
        columns++;
    }
    return columns;
}

static void blanks(cs_buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_buf_byte(b, ' ');
    }
}

void cs_types__key_error(cs_type_checker *tc, cs_type_errors *errors, const cs_terms *ref, uint32_t at,
                         const cs_type *have, const cs_type *want, const cs_value *one_of, uint32_t n)
{
    cs_term *shown = shown_ref(tc, ref);
    const char *text = cs_compile__term_text(tc->c, shown);
    size_t pad = width(tc, shown, at) + 1;
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_printf(&b, "%s\n", text);
    blanks(&b, pad);
    cs_buf_text(&b, "^\n");
    blanks(&b, pad);
    if (have) {
        cs_buf_text(&b, "have (type): ");
        cs_type_print(&b, have);
    } else {
        cs_buf_printf(&b, "have: %s", cs_compile__term_text(tc->c, shown->u.list.v[at]));
    }
    cs_buf_byte(&b, '\n');
    blanks(&b, pad);
    if (n || !want) {
        cs_buf_text(&b, "want (one of): [");
        for (uint32_t i = 0; i < n; i++) {
            cs_buf_text(&b, i ? " " : "");
            cs_value_print(&b, one_of[i]);
        }
        cs_buf_text(&b, "]");
    } else {
        cs_buf_text(&b, "want (type): ");
        cs_type_print(&b, want);
    }
    cs_slice message = CS_LIT("");
    message.p = cs_arena_printf(tc->c->ast->arena, &message.n, "undefined ref: %s", text);
    cs_value json = ref_json(tc->arena, shown, at, have);
    cs_object_put_text(tc->arena, json, "want", cs_freeze(tc->arena, cs_type_to_json(tc->arena, want)));
    cs_object_put_text(tc->arena, json, "oneOf", n ? cs_array_copy(tc->arena, one_of, n) : cs_null());
    add(tc, errors, (cs_type_error){ref->v[0]->loc, message, take(tc, &b), json, false});
}

void cs_types__no_keys_error(cs_type_checker *tc, cs_type_errors *errors, const cs_terms *ref, uint32_t at,
                             const cs_type *have)
{
    cs_term *shown = shown_ref(tc, ref);
    const char *text = cs_compile__term_text(tc->c, shown);
    cs_slice message = CS_LIT("");
    if (have && have->kind == CS_TYPE_FUNCTION) {
        const cs_term *last = shown->u.list.v[shown->u.list.n - 1];
        bool local = last->kind == CS_TERM_VAR && cs_sym_is_generated(last->u.var) && shown->u.list.n > 1;
        const char *name = local ? cs_compile__ref_text(tc->c, &shown->u.list, shown->u.list.n - 1) : text;
        message.p = cs_arena_printf(tc->c->ast->arena, &message.n, "function %s used as reference, not called", name);
    } else {
        message.p = cs_arena_printf(tc->c->ast->arena, &message.n, "undefined ref: %s", text);
    }
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_printf(&b, "%s\n", text);
    size_t n = width(tc, shown, at + 1);
    for (size_t i = 0; i < n; i++) {
        cs_buf_byte(&b, '^');
    }
    cs_buf_text(&b, "\nhave: ");
    cs_type_print(&b, have);
    add(tc, errors,
        (cs_type_error){ref->v[0]->loc, message, take(tc, &b), ref_json(tc->arena, shown, at, have), false});
}
