/* DER (X.690) as Go reads it, in two ways: piece by piece with yes-or-no answers (golang.org/x/crypto/cryptobyte, which
 * crypto/x509 is written with), and whole structures by a description with errors in words (encoding/asn1). Slices
 * point into the text. No recursion but over descriptions, whose depth is fixed. */
#ifndef CS_REGO_BUILTIN_DER_H
#define CS_REGO_BUILTIN_DER_H

#include "countersign/base/arena.h"
#include "countersign/base/err.h"
#include "countersign/base/slice.h"

enum {
    CS_DER_BOOLEAN = 1,
    CS_DER_INTEGER = 2,
    CS_DER_BIT_STRING = 3,
    CS_DER_OCTET_STRING = 4,
    CS_DER_NULL = 5,
    CS_DER_OID = 6,
    CS_DER_UTF8 = 12,
    CS_DER_SEQUENCE = 0x30,
    CS_DER_SET = 0x31,
    CS_DER_NUMERIC = 18,
    CS_DER_PRINTABLE = 19,
    CS_DER_T61 = 20,
    CS_DER_IA5 = 22,
    CS_DER_UTC_TIME = 23,
    CS_DER_GENERALIZED_TIME = 24,
    CS_DER_GENERAL = 27,
    CS_DER_BMP = 30
};
#define CS_DER_CONTEXT(n) (0x80 | (n))
#define CS_DER_CONTEXT_IN(n) (0xA0 | (n)) /* constructed */

/* An instant with the zone that it was written in. */
typedef struct cs_der_time {
    int64_t unix_s;
    int32_t offset_s; /* east of UTC */
} cs_der_time;

typedef struct cs_der_bits {
    cs_slice bytes;
    size_t bits;
} cs_der_bits;

/* ---- piece by piece: each takes one element off the front of *s; false if it is not there as wanted */
bool cs_der__any(cs_slice *s, uint8_t *tag, cs_slice *body, cs_slice *element); /* body and element may be NULL */
bool cs_der__take(cs_slice *s, uint8_t tag, cs_slice *body);
bool cs_der__element(cs_slice *s, uint8_t tag, cs_slice *element);
static inline bool cs_der__peek(cs_slice s, uint8_t tag)
{
    return s.n > 0 && (uint8_t)s.p[0] == tag;
}
/* *found says whether it was there; false only if it is there and broken. */
bool cs_der__optional(cs_slice *s, uint8_t tag, bool *found, cs_slice *body);
bool cs_der__bool(cs_slice *s, bool *out);
bool cs_der__integer(cs_slice *s, cs_slice *bytes); /* two's complement, minimal */
bool cs_der__int64(cs_slice *s, uint8_t tag, int64_t *out);
bool cs_der__oid(cs_slice *s, cs_slice *body); /* each part within 31 bits */
bool cs_der__bit_string(cs_slice *s, cs_der_bits *out);
bool cs_der__time(cs_slice *s, uint8_t tag, cs_der_time *out);

/* ---- values */
bool cs_der__oid_valid(cs_slice body);
/* The parts of a valid object identifier, in the arena. */
uint64_t *cs_der__oid_parts(cs_arena *a, cs_slice body, size_t *n);
cs_slice cs_der__oid_text(cs_arena *a, cs_slice body); /* "2.5.29.17" */
bool cs_der__signed(cs_slice bytes, int64_t *out);
/* The bits moved so that the last one ends a byte. */
cs_slice cs_der__right_align(cs_arena *a, cs_der_bits bits);
/* "2024-05-01T00:00:00Z" */
cs_slice cs_der__time_text(cs_arena *a, cs_der_time t);
/* The text of one of ASN.1's string types as UTF-8. NULL, or what is wrong in Go's words ("invalid PrintableString").
 */
const char *cs_der__text(cs_arena *a, uint8_t tag, cs_slice body, cs_slice *out);

/* ---- structures by description */
typedef enum cs_der_what {
    CS_DER_INT,    /* int64 */
    CS_DER_BIGINT, /* bytes */
    CS_DER_OIDS,
    CS_DER_BITS,
    CS_DER_BYTES,
    CS_DER_RAW, /* anything; kept as it stands */
    CS_DER_BOOL,
    CS_DER_ANY,    /* anything; universal types of one element are read */
    CS_DER_STRUCT, /* fields */
    CS_DER_LIST    /* of fields[0] */
} cs_der_what;

typedef struct cs_der_type {
    cs_der_what what;
    bool optional, explicit, is_set, omit_empty;
    bool raw;                         /* a struct that keeps its own text */
    int tag;                          /* context-specific; -1 without one */
    int64_t def;                      /* default of an optional integer; INT64_MIN without one */
    const char *name;                 /* the Go type, as it stands in errors */
    const struct cs_der_type *fields; /* of a struct or a list; ended by a row whose name is NULL */
} cs_der_type;

typedef struct cs_der_node {
    bool there;
    uint8_t tag;    /* of ANY: the universal type */
    cs_slice bytes; /* the inside; of a string its text */
    cs_slice full;  /* with tag and length */
    int64_t i;
    cs_der_bits bits;
    cs_der_time time;
    struct cs_der_node *nodes; /* fields or items */
    size_t n;
} cs_der_node;

/* Reads one value off the front of `text`; *rest, if wanted, is what follows. Errors: "asn1: structure error: …". */
CS_MUST_CHECK cs_err cs_der__unmarshal(cs_arena *a, cs_slice text, const cs_der_type *type, cs_der_node *out,
                                       cs_slice *rest, cs_error *e);

#endif
