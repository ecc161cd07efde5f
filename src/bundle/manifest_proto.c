/* The manifest as a protobuf message: what bundles with plan.pb have. */
#include "bundle/internal.h"

#include "countersign/base/limits.h"
#include "countersign/base/protobuf.h"
#include "countersign/base/utf8.h"
#include "countersign/base/vec.h"
#include "countersign/number.h"

enum {
    REVISION = 1,
    ROOTS = 2,
    WASM = 3,
    REGO_VERSION = 4,
    FILE_REGO_VERSIONS = 5,
    METADATA = 6,
    ROOTS_SET = 7,
};
/* Of google.protobuf.Value. */
enum { NULL_VALUE = 1, NUMBER_VALUE = 2, STRING_VALUE = 3, BOOL_VALUE = 4, STRUCT_VALUE = 5, LIST_VALUE = 6 };

/* ---- writing. The depth of documents is bounded by their reader's limit. */
static void put_fields(cs_buf *out, cs_value object);

static void put_value(cs_buf *out, cs_value v)
{
    size_t from;
    switch (v.kind) {
    case CS_NUMBER:
        cs_pb_put_double(out, NUMBER_VALUE, cs_number_double(v));
        break;
    case CS_STRING:
        cs_pb_put_text(out, STRING_VALUE, cs_text(v));
        break;
    case CS_BOOL:
        cs_pb_put_number(out, BOOL_VALUE, cs_truthy(v));
        break;
    case CS_OBJECT:
        from = cs_pb_begin(out, STRUCT_VALUE);
        put_fields(out, v);
        cs_pb_end(out, from);
        break;
    case CS_ARRAY:
        from = cs_pb_begin(out, LIST_VALUE);
        for (uint32_t i = 0; i < v.n; i++) {
            size_t item = cs_pb_begin(out, 1);
            put_value(out, v.u.items[i]);
            cs_pb_end(out, item);
        }
        cs_pb_end(out, from);
        break;
    default:
        cs_pb_put_number(out, NULL_VALUE, 0);
        break;
    }
}

static void put_fields(cs_buf *out, cs_value object)
{
    for (uint32_t i = 0; i < cs_count(object); i++) {
        cs_value value, key = cs_entry(object, i, &value);
        size_t entry = cs_pb_begin(out, 1);
        cs_pb_put_text(out, 1, cs_text(key));
        size_t from = cs_pb_begin(out, 2);
        put_value(out, value);
        cs_pb_end(out, from);
        cs_pb_end(out, entry);
    }
}

cs_slice cs_bundle__manifest_to_proto(cs_arena *a, const cs_bundle_merged *m)
{
    cs_buf out;
    cs_buf_init(&out);
    cs_pb_put_text(&out, REVISION, m->revision);
    for (size_t i = 0; i < m->n_roots; i++) {
        cs_pb_put_text(&out, ROOTS, m->roots[i]);
    }
    cs_pb_put_number(&out, REGO_VERSION, m->rego_version);
    for (uint32_t i = 0; i < cs_count(m->file_rego_versions); i++) {
        cs_value version, file = cs_entry(m->file_rego_versions, i, &version);
        size_t entry = cs_pb_begin(&out, FILE_REGO_VERSIONS);
        cs_pb_put_text(&out, 1, cs_text(file));
        cs_pb_put_number(&out, 2, version.u.i);
        cs_pb_end(&out, entry);
    }
    if (cs_count(m->metadata) > 0) {
        size_t from = cs_pb_begin(&out, METADATA);
        put_fields(&out, m->metadata);
        cs_pb_end(&out, from);
    }
    cs_pb_put_number(&out, ROOTS_SET, 1);
    cs_slice bytes = {cs_arena_dup(a, out.p, out.n), out.n};
    cs_buf_destroy(&out);
    return bytes;
}

/* ---- reading */
static bool take_text(cs_arena *a, cs_slice bytes, cs_value *out)
{
    *out = cs_string_copy(a, bytes);
    return cs_utf8_valid(bytes);
}

static bool take_fields(cs_arena *a, cs_slice bytes, uint32_t depth, cs_value *out);

static bool take_list(cs_arena *a, cs_slice bytes, uint32_t depth, cs_value *out);

static bool take_value(cs_arena *a, cs_slice bytes, uint32_t depth, cs_value *out)
{
    cs_pb_field f;
    bool bad = depth > cs_limits_get()->rego_depth;
    double number;
    *out = cs_null();
    while (!bad && cs_pb_next(&bytes, &f, &bad)) {
        switch (f.number) {
        case NULL_VALUE:
            *out = cs_null();
            break;
        case NUMBER_VALUE:
            memcpy(&number, &f.value, sizeof number);
            *out = cs_number_from_double(a, number);
            break;
        case STRING_VALUE:
            bad = !take_text(a, f.bytes, out);
            break;
        case BOOL_VALUE:
            *out = cs_bool(f.value != 0);
            break;
        case STRUCT_VALUE:
            bad = !take_fields(a, f.bytes, depth + 1, out);
            break;
        case LIST_VALUE:
            bad = !take_list(a, f.bytes, depth + 1, out);
            break;
        default:
            break;
        }
    }
    return !bad;
}

static bool take_list(cs_arena *a, cs_slice bytes, uint32_t depth, cs_value *out)
{
    CS_VEC(cs_value) items = {0};
    cs_pb_field f;
    bool bad = false;
    while (!bad && cs_pb_next(&bytes, &f, &bad)) {
        cs_value item = cs_undefined();
        bad = f.number == 1 && !take_value(a, f.bytes, depth, &item);
        if (f.number == 1) {
            CS_VEC_PUSH_IN(a, &items, item);
        }
    }
    *out = cs_array(items.v, items.n);
    return !bad;
}

/* An entry of a map from texts: its key, and the bytes or the number of its value. */
static bool take_entry(cs_arena *a, cs_slice bytes, cs_value *key, cs_pb_field *value)
{
    cs_pb_field f;
    bool bad = false;
    *key = cs_string(CS_LIT(""));
    *value = (cs_pb_field){.bytes = CS_LIT("")};
    while (!bad && cs_pb_next(&bytes, &f, &bad)) {
        bad = f.number == 1 && !take_text(a, f.bytes, key);
        *value = f.number == 2 ? f : *value;
    }
    return !bad;
}

static bool take_fields(cs_arena *a, cs_slice bytes, uint32_t depth, cs_value *out)
{
    cs_pb_field f, of;
    bool bad = false;
    *out = cs_object_new(a, 0);
    while (!bad && cs_pb_next(&bytes, &f, &bad)) {
        cs_value key = cs_undefined(), value = cs_null();
        bad = f.number == 1 && !(take_entry(a, f.bytes, &key, &of) && take_value(a, of.bytes, depth, &value));
        if (f.number == 1 && !bad) {
            cs_object_put(a, *out, key, value);
        }
    }
    return !bad;
}

/* What a field says, into the document. */
static bool take_field(cs_arena *a, const cs_pb_field *f, cs_value document, cs_value versions)
{
    cs_value v = cs_undefined();
    cs_pb_field of;
    switch (f->number) {
    case REVISION:
        cs_object_put_text(a, document, "revision", cs_string_copy(a, f->bytes));
        return cs_utf8_valid(f->bytes);
    case WASM:
        v = cs_null();
        cs_object_put_text(a, document, "wasm", cs_array_copy(a, &v, 1));
        return true;
    case REGO_VERSION:
        cs_object_put_text(a, document, "rego_version", cs_int((int32_t)f->value));
        return true;
    case FILE_REGO_VERSIONS:
        if (!take_entry(a, f->bytes, &v, &of)) {
            return false;
        }
        cs_object_put(a, versions, v, cs_int((int32_t)of.value));
        cs_object_put_text(a, document, "file_rego_versions", versions);
        return true;
    case METADATA:
        if (!take_fields(a, f->bytes, 0, &v)) {
            return false;
        }
        cs_object_put_text(a, document, "metadata", v);
        return true;
    default:
        return true;
    }
}

bool cs_bundle__manifest_of_proto(cs_arena *a, cs_slice bytes, cs_value *out)
{
    CS_VEC(cs_value) roots = {0};
    cs_value versions = cs_object_new(a, 0);
    cs_pb_field f;
    bool bad = false, with_roots = false;
    *out = cs_object_new(a, 0);
    while (!bad && cs_pb_next(&bytes, &f, &bad)) {
        with_roots = with_roots || f.number == ROOTS || (f.number == ROOTS_SET && f.value != 0);
        if (f.number == ROOTS) {
            cs_value root;
            bad = !take_text(a, f.bytes, &root);
            CS_VEC_PUSH_IN(a, &roots, root);
        } else {
            bad = !take_field(a, &f, *out, versions);
        }
    }
    if (with_roots) {
        cs_object_put_text(a, *out, "roots", cs_array(roots.v, roots.n));
    }
    return !bad;
}
