/* Structures by description, as Go's encoding/asn1 reads them into its structs: the same leniency, the same words. */
#include <stdio.h>

#include "rego/builtin/der.h"

#define CLASS_UNIVERSAL 0
#define CLASS_CONTEXT 2

typedef struct header {
    int class;
    int tag;
    size_t length;
    bool compound;
} header;

typedef struct reader {
    cs_arena *a;
    cs_error *e;
} reader;

static cs_err structure(const reader *r, const char *what)
{
    return cs_fail(r->e, CS_ERR_INVALID, "asn1: structure error: %s", what);
}

static cs_err syntax(const reader *r, const char *what)
{
    return cs_fail(r->e, CS_ERR_INVALID, "asn1: syntax error: %s", what);
}

static cs_err base128(const reader *r, cs_slice s, size_t *at, uint32_t *out)
{
    uint64_t value = 0;
    for (int i = 0; *at < s.n; i++) {
        if (i == 5) {
            return structure(r, "base 128 integer too large");
        }
        uint8_t b = (uint8_t)s.p[*at];
        if (i == 0 && b == 0x80) {
            return syntax(r, "integer is not minimally encoded");
        }
        value = value << 7 | (b & 0x7FU);
        (*at)++;
        if (b < 0x80) {
            *out = (uint32_t)value;
            return value > INT32_MAX ? structure(r, "base 128 integer too large") : CS_OK;
        }
    }
    return syntax(r, "truncated base 128 integer");
}

static cs_err read_length(const reader *r, cs_slice s, size_t *at, size_t *length)
{
    if (*at >= s.n) {
        return syntax(r, "truncated tag or length");
    }
    uint8_t b = (uint8_t)s.p[(*at)++];
    *length = b & 0x7FU;
    if (b < 0x80) {
        return CS_OK;
    }
    size_t width = *length;
    if (width == 0) {
        return syntax(r, "indefinite length found (not DER)");
    }
    *length = 0;
    for (size_t i = 0; i < width; i++) {
        if (*at >= s.n) {
            return syntax(r, "truncated tag or length");
        }
        if (*length >= 1U << 23) {
            return structure(r, "length too large");
        }
        *length = *length << 8 | (uint8_t)s.p[(*at)++];
        if (*length == 0) {
            return structure(r, "superfluous leading zeros in length");
        }
    }
    return *length < 0x80 ? structure(r, "non-minimal length") : CS_OK;
}

static cs_err read_header(const reader *r, cs_slice s, size_t *at, header *out)
{
    uint8_t b = (uint8_t)s.p[(*at)++];
    *out = (header){.class = b >> 6, .tag = b & 0x1F, .compound = (b & 0x20) != 0};
    if (out->tag == 0x1F) {
        uint32_t tag;
        CS_TRY(base128(r, s, at, &tag));
        out->tag = (int)tag;
        if (tag < 0x1F) {
            return syntax(r, "non-minimal tag");
        }
    }
    return read_length(r, s, at, &out->length);
}

/* The universal tag of a description and whether it is compound; -1 for anything. */
static int universal(const cs_der_type *type, bool *compound)
{
    *compound = type->what == CS_DER_STRUCT || type->what == CS_DER_LIST;
    switch (type->what) {
    case CS_DER_INT:
    case CS_DER_BIGINT:
        return CS_DER_INTEGER;
    case CS_DER_OIDS:
        return CS_DER_OID;
    case CS_DER_BITS:
        return CS_DER_BIT_STRING;
    case CS_DER_BYTES:
        return CS_DER_OCTET_STRING;
    case CS_DER_BOOL:
        return CS_DER_BOOLEAN;
    case CS_DER_RAW:
    case CS_DER_ANY:
        return -1;
    case CS_DER_STRUCT:
    case CS_DER_LIST:
        break;
    }
    return type->is_set ? 17 : 16;
}

/* An optional field that is not there: its default. */
static bool absent(const cs_der_type *type, cs_der_node *out)
{
    if (type->optional && type->def != INT64_MIN) {
        out->i = type->def;
    }
    return type->optional;
}

static cs_err check_integer(const reader *r, cs_slice b)
{
    if (b.n == 0) {
        return structure(r, "empty integer");
    }
    bool high = b.n > 1 && (uint8_t)b.p[1] >= 0x80;
    bool wasteful = b.n > 1 && ((b.p[0] == 0 && !high) || ((uint8_t)b.p[0] == 0xFF && high));
    return wasteful ? structure(r, "integer not minimally-encoded") : CS_OK;
}

static cs_err read_oid(const reader *r, cs_slice b)
{
    uint32_t part;
    if (b.n == 0) {
        return syntax(r, "zero length OBJECT IDENTIFIER");
    }
    for (size_t at = 0; at < b.n;) {
        CS_TRY(base128(r, b, &at, &part));
    }
    return CS_OK;
}

static cs_err read_int(const reader *r, cs_slice b, int64_t *out)
{
    CS_TRY(check_integer(r, b));
    return cs_der__signed(b, out) ? CS_OK : structure(r, "integer too large");
}

static cs_err read_bits(const reader *r, cs_slice b, cs_der_bits *out)
{
    if (b.n == 0) {
        return syntax(r, "zero length BIT STRING");
    }
    uint8_t padding = (uint8_t)b.p[0];
    if (padding > 7 || (b.n == 1 && padding) || ((uint8_t)b.p[b.n - 1] & ((1U << padding) - 1U))) {
        return syntax(r, "invalid padding bits in BIT STRING");
    }
    *out = (cs_der_bits){cs_slice_make(b.p + 1, b.n - 1), (b.n - 1) * 8 - padding};
    return CS_OK;
}

static cs_err read_bool(const reader *r, cs_slice b, int64_t *out)
{
    if (b.n != 1 || (b.p[0] != 0 && (uint8_t)b.p[0] != 0xFF)) {
        return syntax(r, "invalid boolean");
    }
    *out = b.p[0] != 0;
    return CS_OK;
}

static cs_err read_text(const reader *r, uint8_t tag, cs_slice b, cs_slice *out)
{
    const char *wrong = cs_der__text(r->a, tag, b, out);
    if (!wrong) {
        return CS_OK;
    }
    switch (tag) {
    case CS_DER_PRINTABLE:
        return syntax(r, "PrintableString contains invalid character");
    case CS_DER_NUMERIC:
        return syntax(r, "NumericString contains invalid character");
    case CS_DER_IA5:
        return syntax(r, "IA5String contains invalid character");
    case CS_DER_UTF8:
        return cs_fail(r->e, CS_ERR_INVALID, "asn1: %s", wrong);
    default:
        return cs_fail(r->e, CS_ERR_INVALID, "%s", wrong);
    }
}

static cs_err read_any(const reader *r, cs_slice s, size_t *at, cs_der_node *out)
{
    header h;
    size_t start = *at;
    CS_TRY(read_header(r, s, at, &h));
    if (h.length > s.n - *at) {
        return syntax(r, "data truncated");
    }
    cs_slice b = cs_slice_make(s.p + *at, h.length);
    *at += h.length;
    out->bytes = b;
    out->full = cs_slice_make(s.p + start, *at - start);
    out->tag = 0;
    if (h.compound || h.class != CLASS_UNIVERSAL) {
        return CS_OK;
    }
    out->tag = (uint8_t)h.tag;
    cs_slice element = out->full;
    switch (h.tag) {
    case CS_DER_BOOLEAN:
        return read_bool(r, b, &out->i);
    case CS_DER_INTEGER:
        return read_int(r, b, &out->i);
    case CS_DER_BIT_STRING:
        return read_bits(r, b, &out->bits);
    case CS_DER_OID:
        return read_oid(r, b);
    case CS_DER_PRINTABLE:
    case CS_DER_NUMERIC:
    case CS_DER_IA5:
    case CS_DER_T61:
    case CS_DER_UTF8:
    case CS_DER_BMP:
        return read_text(r, out->tag, b, &out->bytes);
    case CS_DER_UTC_TIME:
    case CS_DER_GENERALIZED_TIME:
        return cs_der__time(&element, out->tag, &out->time) ? CS_OK : syntax(r, "invalid time");
    case CS_DER_OCTET_STRING:
        return CS_OK;
    default:
        out->tag = 0;
        return CS_OK;
    }
}

static cs_err read_field(const reader *r, const cs_der_type *type, cs_slice s, size_t *at, cs_der_node *out);

static cs_err read_struct(const reader *r, const cs_der_type *type, cs_slice inner, cs_der_node *out)
{
    size_t n = 0, at = 0;
    while (type->fields[n].name) {
        n++;
    }
    out->nodes = cs_arena_array(r->a, cs_der_node, n);
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        CS_TRY(read_field(r, &type->fields[i], inner, &at, &out->nodes[i]));
    }
    return CS_OK; /* what follows is of a later version */
}

static cs_err read_list(const reader *r, const cs_der_type *item, cs_slice inner, cs_der_node *out)
{
    bool compound;
    int want = universal(item, &compound);
    size_t n = 0, at = 0;
    while (at < inner.n) {
        header h;
        CS_TRY(read_header(r, inner, &at, &h));
        if (want >= 0 && (h.class != CLASS_UNIVERSAL || h.compound != compound || h.tag != want)) {
            return structure(r, "sequence tag mismatch");
        }
        if (h.length > inner.n - at) {
            return syntax(r, "truncated sequence");
        }
        at += h.length;
        n++;
    }
    out->nodes = cs_arena_array(r->a, cs_der_node, n);
    out->n = n;
    at = 0;
    for (size_t i = 0; i < n; i++) {
        CS_TRY(read_field(r, item, inner, &at, &out->nodes[i]));
    }
    return CS_OK;
}

static cs_err mismatch(const reader *r, const cs_der_type *type, int want, const header *h, size_t at)
{
    char tag[16] = "<nil>";
    if (type->tag >= 0) {
        (void)snprintf(tag, sizeof tag, "%d", type->tag);
    }
    return cs_fail(r->e, CS_ERR_INVALID,
                   "asn1: structure error: tags don't match (%d vs {class:%d tag:%d length:%zu isCompound:%s}) "
                   "{optional:%s explicit:%s application:false private:false defaultValue:<nil> tag:%s stringType:0 "
                   "timeType:0 set:%s omitEmpty:%s} %s @%zu",
                   want, h->class, h->tag, h->length, h->compound ? "true" : "false", type->optional ? "true" : "false",
                   type->explicit ? "true" : "false", tag, type->is_set ? "true" : "false",
                   type->omit_empty ? "true" : "false", type->name, at);
}

static cs_err read_value(const reader *r, const cs_der_type *type, cs_der_node *out)
{
    switch (type->what) {
    case CS_DER_OIDS:
        return read_oid(r, out->bytes);
    case CS_DER_BITS:
        return read_bits(r, out->bytes, &out->bits);
    case CS_DER_BIGINT:
        return check_integer(r, out->bytes);
    case CS_DER_INT:
        return read_int(r, out->bytes, &out->i);
    case CS_DER_BOOL:
        return read_bool(r, out->bytes, &out->i);
    case CS_DER_STRUCT:
        return read_struct(r, type, out->bytes, out);
    case CS_DER_LIST:
        return read_list(r, &type->fields[0], out->bytes, out);
    case CS_DER_BYTES:
    case CS_DER_RAW:
    case CS_DER_ANY:
        break;
    }
    return CS_OK;
}

/* Steps into an explicit tag. *skip: the field is not there, and that is fine. */
static cs_err open_explicit(const reader *r, const cs_der_type *type, cs_slice s, size_t *at, header *h, bool *skip)
{
    if (*at == s.n) {
        return structure(r, "explicit tag has no child");
    }
    if (h->class == CLASS_CONTEXT && h->tag == type->tag && (h->length == 0 || h->compound)) {
        return h->length ? read_header(r, s, at, h) : structure(r, "zero length explicit tag was not an asn1.Flag");
    }
    *skip = type->optional;
    return *skip ? CS_OK : structure(r, "explicitly tagged member didn't match");
}

static cs_err read_field(const reader *r, const cs_der_type *type, cs_slice s, size_t *at, cs_der_node *out)
{
    size_t start = *at;
    *out = (cs_der_node){.there = true, .bytes = {NULL, 0}};
    if (*at == s.n) {
        out->there = false;
        return absent(type, out) ? CS_OK : syntax(r, "sequence truncated");
    }
    if (type->what == CS_DER_ANY) {
        return read_any(r, s, at, out);
    }
    header h;
    bool compound, skip = false;
    CS_TRY(read_header(r, s, at, &h));
    if (type->explicit) {
        CS_TRY(open_explicit(r, type, s, at, &h, &skip));
    }
    int want = universal(type, &compound), class = CLASS_UNIVERSAL;
    bool anything = want < 0, any_tag = anything;
    if (!type->explicit && type->tag >= 0) {
        class = CLASS_CONTEXT;
        want = type->tag;
        any_tag = false;
    }
    bool fits = (any_tag || (h.class == class && h.tag == want)) && (anything || h.compound == compound);
    if (skip || !fits) {
        bool fine = absent(type, out);
        out->there = false;
        if (!fine) {
            return mismatch(r, type, want, &h, *at);
        }
        *at = start;
        return CS_OK;
    }
    if (h.length > s.n - *at) {
        return syntax(r, "data truncated");
    }
    out->bytes = cs_slice_make(s.p + *at, h.length);
    *at += h.length;
    out->full = cs_slice_make(s.p + start, *at - start);
    return read_value(r, type, out);
}

cs_err cs_der__unmarshal(cs_arena *a, cs_slice text, const cs_der_type *type, cs_der_node *out, cs_slice *rest,
                         cs_error *e)
{
    reader r = {a, e};
    size_t at = 0;
    CS_TRY(read_field(&r, type, text, &at, out));
    if (rest) {
        *rest = cs_slice_sub(text, at, text.n);
    }
    return CS_OK;
}
