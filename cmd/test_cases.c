/* The cases of data-driven tests. */
#include "test.h"

/* A key as OPA names a case: a string is itself, anything else its JSON. */
static cs_slice case_name(cs_arena *a, cs_value key)
{
    cs_buf b;
    cs_buf_init(&b);
    if (key.kind == CS_STRING) {
        cs_buf_slice(&b, cs_text(key));
    } else {
        cs_json_write(&b, key, CS_JSON_HTML);
    }
    cs_slice name = cs_slice_make(cs_arena_dup(a, cs_buf_view(&b).p, b.n), b.n);
    cs_buf_destroy(&b);
    return name;
}

static cs_test_case *find(cs_arena *a, cs_test_case *in, cs_slice name, bool *fresh)
{
    size_t at = 0;
    while (at < in->inner.n && cs_slice_compare(in->inner.v[at]->key, name) < 0) {
        at++;
    }
    *fresh = at == in->inner.n || !cs_slice_eq(in->inner.v[at]->key, name);
    if (*fresh) {
        cs_test_case *c = cs_arena_new(a, cs_test_case);
        c->key = c->name = name;
        CS_VEC_PUSH_IN(a, &in->inner, c);
        memmove(&in->inner.v[at + 1], &in->inner.v[at], (in->inner.n - 1 - at) * sizeof *in->inner.v);
        in->inner.v[at] = c;
    }
    return in->inner.v[at];
}

static bool from_value(cs_arena *a, cs_test_case *in, cs_value value)
{
    bool fail = false;
    for (uint32_t i = 0; i < cs_count(value); i++) {
        cs_value v;
        bool fresh;
        cs_slice name = case_name(a, cs_entry(value, i, &v));
        cs_test_case *c = find(a, in, name, &fresh);
        if (v.kind == CS_OBJECT) {
            c->fail = from_value(a, c, v);
        } else {
            c->fail = v.kind != CS_NULL && (v.kind != CS_BOOL || v.u.i == 0);
            c->name = v.kind == CS_NULL ? CS_LIT("") : name;
        }
        fail |= c->fail;
    }
    return fail;
}

/* A case that was begun and has no result has failed. */
static bool update(cs_arena *a, cs_test_case *in, const cs_value *path, size_t n, size_t traced)
{
    bool fresh;
    cs_test_case *c = find(a, in, case_name(a, path[0]), &fresh);
    if (fresh) {
        c->fail = true;
    }
    if (n == 1) {
        c->traced = traced;
        return c->fail;
    }
    bool fail = update(a, c, path + 1, n - 1, traced);
    c->fail |= fail;
    return fail;
}

bool cs_test__cases(cs_test_result *result, cs_value value, const cs_test_told *told, size_t n, size_t traced)
{
    cs_arena *a = &result->arena;
    if (cs_is(value, CS_NULL)) {
        return true;
    }
    result->cases = cs_arena_new(a, cs_test_case);
    bool fail = cs_is(value, CS_OBJECT) && from_value(a, result->cases, value);
    for (size_t i = 0; i < n; i++) {
        if (told[i].path.kind == CS_ARRAY && told[i].path.n > 0) {
            size_t end = i + 1 < n ? told[i + 1].traced : traced;
            fail |= update(a, result->cases, told[i].path.u.items, told[i].path.n, end);
        }
    }
    return fail;
}
