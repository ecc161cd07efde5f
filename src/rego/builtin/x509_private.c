/* Private keys: PKCS #1, PKCS #8 (RFC 5208) and SEC 1 (RFC 5915) as Go reads them; its structs and JWK as JSON. */
#include "countersign/base/encode.h"
#include "rego/builtin/x509.h"

#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }
#define INTEGER                                                                                                        \
    {                                                                                                                  \
        .what = CS_DER_INT, .tag = -1, .def = INT64_MIN, .name = "int"                                                 \
    }
#define BIG(is_optional)                                                                                               \
    {                                                                                                                  \
        .what = CS_DER_BIGINT, .optional = (is_optional), .tag = -1, .def = INT64_MIN, .name = ""                      \
    }

static const cs_der_type other_prime_fields[] = {BIG(false), BIG(false), BIG(false), END};
static const cs_der_type other_prime[] = {
    {.what = CS_DER_STRUCT, .tag = -1, .name = "pkcs1AdditionalRSAPrime", .fields = other_prime_fields}};
/* Version, N, E, D, P, Q, Dp, Dq, Qinv, further primes */
static const cs_der_type pkcs1_fields[] = {
    INTEGER,
    BIG(false),
    INTEGER,
    BIG(false),
    BIG(false),
    BIG(false),
    BIG(true),
    BIG(true),
    BIG(true),
    {.what = CS_DER_LIST, .optional = true, .omit_empty = true, .tag = -1, .name = "", .fields = other_prime},
    END};
static const cs_der_type pkcs1 = {.what = CS_DER_STRUCT, .tag = -1, .name = "pkcs1PrivateKey", .fields = pkcs1_fields};

static const cs_der_type identifier[] = {
    {.what = CS_DER_OIDS, .tag = -1, .def = INT64_MIN, .name = "ObjectIdentifier"},
    {.what = CS_DER_RAW, .optional = true, .tag = -1, .def = INT64_MIN, .name = "RawValue"},
    END};
static const cs_der_type pkcs8_fields[] = {
    INTEGER,
    {.what = CS_DER_STRUCT, .tag = -1, .name = "AlgorithmIdentifier", .fields = identifier},
    {.what = CS_DER_BYTES, .tag = -1, .name = ""},
    END};
static const cs_der_type pkcs8 = {.what = CS_DER_STRUCT, .tag = -1, .name = "pkcs8", .fields = pkcs8_fields};

static const cs_der_type sec1_fields[] = {
    INTEGER,
    {.what = CS_DER_BYTES, .tag = -1, .name = ""},
    {.what = CS_DER_OIDS, .optional = true, .explicit = true, .tag = 0, .def = INT64_MIN, .name = "ObjectIdentifier"},
    {.what = CS_DER_BITS, .optional = true, .explicit = true, .tag = 1, .def = INT64_MIN, .name = "BitString"},
    END};
static const cs_der_type sec1 = {.what = CS_DER_STRUCT, .tag = -1, .name = "ecPrivateKey", .fields = sec1_fields};

static bool is_a(cs_call *call, cs_slice der, const cs_der_type *type)
{
    cs_der_node node;
    return cs_der__unmarshal(call->arena, der, type, &node, NULL, NULL) == CS_OK;
}

static cs_err use_instead(cs_call *call, const char *function)
{
    return cs_call_error(call, "x509: failed to parse private key (use %s instead for this key format)", function);
}

static bool positive(cs_slice integer)
{
    return (uint8_t)integer.p[0] < 0x80 && !(integer.n == 1 && integer.p[0] == 0);
}

static cs_slice magnitude(cs_slice integer)
{
    while (integer.n && *integer.p == 0) {
        integer = cs_slice_sub(integer, 1, integer.n);
    }
    return integer.n ? integer : cs_slice_make("", 0);
}

cs_err cs_x509__read_pkcs1(cs_call *call, cs_slice der, cs_x509_private *out)
{
    cs_der_node k;
    cs_slice rest = {"", 0};
    cs_error e;
    memset(out, 0, sizeof *out);
    if (cs_der__unmarshal(call->arena, der, &pkcs1, &k, &rest, &e) != CS_OK) {
        return is_a(call, der, &sec1)    ? use_instead(call, "ParseECPrivateKey")
               : is_a(call, der, &pkcs8) ? use_instead(call, "ParsePKCS8PrivateKey")
                                         : cs_call_error(call, "%s", e.text);
    }
    if (rest.n) {
        return cs_call_error(call, "asn1: syntax error: trailing data");
    }
    if (k.nodes[0].i > 1) {
        return cs_call_error(call, "x509: unsupported private key version");
    }
    static const uint8_t numbers[] = {1, 3, 4, 5, 6, 7, 8};
    cs_slice *where[] = {&out->rsa.n,  &out->rsa.d,  &out->rsa.p,   &out->rsa.q,
                         &out->rsa.dp, &out->rsa.dq, &out->rsa.qinv};
    for (size_t i = 0; i < sizeof numbers; i++) {
        const cs_der_node *number = &k.nodes[numbers[i]];
        *where[i] = cs_slice_make("", 0);
        if (number->there && !positive(number->bytes)) {
            return cs_call_error(call, "x509: private key contains zero or negative value");
        }
        if (number->there) {
            *where[i] = magnitude(number->bytes);
        }
    }
    out->rsa.e = k.nodes[2].i;
    if (k.nodes[9].n) {
        return cs_call_error(call, "x509: RSA keys of more than two primes are not supported");
    }
    cs_err err = cs_rsa_check(call->arena, &out->rsa, &e);
    return err == CS_OK ? CS_OK : cs_call_error(call, "%s", e.text);
}

/* The scalar with as many bytes as the curve wants, and its point. */
static cs_err read_scalar(cs_call *call, cs_curve curve, cs_slice scalar, cs_x509_private *out)
{
    size_t width = cs_curve_bytes(curve);
    while (scalar.n > width) {
        if (*scalar.p) {
            return cs_call_error(call, "x509: invalid private key length");
        }
        scalar = cs_slice_sub(scalar, 1, scalar.n);
    }
    char *padded = cs_arena_zalloc(call->arena, width);
    if (scalar.n) {
        memcpy(padded + width - scalar.n, scalar.p, scalar.n);
    }
    uint8_t *point = cs_arena_alloc(call->arena, 1 + 2 * CS_CURVE_MAX);
    out->kind = CS_X509_PRIVATE_EC;
    out->curve = curve;
    out->secret = cs_slice_make(padded, width);
    out->point = cs_slice_make((const char *)point, 1 + 2 * width);
    switch (cs_curve_multiply(curve, out->secret, point)) {
    case 0:
        return CS_OK;
    case 1:
        return cs_call_error(call, "ecdsa: invalid public key encoding");
    default:
        return cs_call_error(call, "input overflows the modulus");
    }
}

static cs_err read_ec(cs_call *call, const cs_slice *named, cs_slice der, cs_x509_private *out)
{
    cs_der_node k;
    cs_error e;
    cs_curve curve;
    memset(out, 0, sizeof *out);
    if (cs_der__unmarshal(call->arena, der, &sec1, &k, NULL, &e) != CS_OK) {
        return is_a(call, der, &pkcs8)   ? use_instead(call, "ParsePKCS8PrivateKey")
               : is_a(call, der, &pkcs1) ? use_instead(call, "ParsePKCS1PrivateKey")
                                         : cs_call_error(call, "x509: failed to parse EC private key: %s", e.text);
    }
    if (k.nodes[0].i != 1) {
        return cs_call_error(call, "x509: unknown EC private key version %lld", (long long)k.nodes[0].i);
    }
    cs_slice oid = named ? *named : k.nodes[2].there ? k.nodes[2].bytes : cs_slice_make("", 0);
    if (!cs_x509__curve_of(oid, &curve)) {
        return cs_call_error(call, "x509: unknown elliptic curve");
    }
    return read_scalar(call, curve, k.nodes[1].bytes, out);
}

cs_err cs_x509__read_sec1(cs_call *call, cs_slice der, cs_x509_private *out)
{
    return read_ec(call, NULL, der, out);
}

/* Ed25519 and X25519: an octet string inside of the octet string. */
static cs_err read_25519(cs_call *call, bool signing, cs_slice parameters, cs_slice der, cs_x509_private *out)
{
    static const cs_der_type bytes = {.what = CS_DER_BYTES, .tag = -1, .name = ""};
    const char *name = signing ? "Ed25519" : "X25519";
    cs_der_node secret;
    cs_error e;
    memset(out, 0, sizeof *out);
    if (parameters.n) {
        return cs_call_error(call, "x509: invalid %s private key parameters", name);
    }
    if (cs_der__unmarshal(call->arena, der, &bytes, &secret, NULL, &e) != CS_OK) {
        return cs_call_error(call, "x509: invalid %s private key: %s", name, e.text);
    }
    if (secret.bytes.n != 32) {
        return signing ? cs_call_error(call, "x509: invalid Ed25519 private key length: %zu", secret.bytes.n)
                       : cs_call_error(call, "crypto/ecdh: invalid private key size");
    }
    uint8_t *point = cs_arena_alloc(call->arena, 32);
    (signing ? cs_ed25519_public : cs_x25519_public)((const uint8_t *)secret.bytes.p, point);
    out->kind = signing ? CS_X509_PRIVATE_ED25519 : CS_X509_PRIVATE_X25519;
    out->secret = secret.bytes;
    out->point = cs_slice_make((const char *)point, 32);
    return CS_OK;
}

/* Puts the words of PKCS #8 in front of an inner error. */
static cs_err embedded(cs_call *call, cs_err err, const char *what, const cs_error *inner)
{
    return err == CS_OK
               ? CS_OK
               : cs_call_error(call, "x509: failed to parse %s private key embedded in PKCS#8: %s", what, inner->text);
}

cs_err cs_x509__read_pkcs8(cs_call *call, cs_slice der, cs_x509_private *out)
{
    static const cs_der_type curve_oid = {.what = CS_DER_OIDS, .tag = -1, .name = "ObjectIdentifier"};
    cs_der_node k, curve;
    cs_error e;
    if (cs_der__unmarshal(call->arena, der, &pkcs8, &k, NULL, &e) != CS_OK) {
        return is_a(call, der, &sec1)    ? use_instead(call, "ParseECPrivateKey")
               : is_a(call, der, &pkcs1) ? use_instead(call, "ParsePKCS1PrivateKey")
                                         : cs_call_error(call, "%s", e.text);
    }
    cs_slice oid = k.nodes[1].nodes[0].bytes, parameters = k.nodes[1].nodes[1].full, key = k.nodes[2].bytes;
    cs_call inner = *call;
    inner.e = &e;
    if (cs_slice_eq(oid, CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01"))) {
        return embedded(call, cs_x509__read_pkcs1(&inner, key, out), "RSA", &e);
    }
    if (cs_slice_eq(oid, CS_LIT("\x2A\x86\x48\xCE\x3D\x02\x01"))) {
        bool named = cs_der__unmarshal(call->arena, parameters, &curve_oid, &curve, NULL, NULL) == CS_OK;
        return embedded(call, read_ec(&inner, named ? &curve.bytes : NULL, key, out), "EC", &e);
    }
    if (cs_slice_eq(oid, CS_LIT("\x2B\x65\x70")) || cs_slice_eq(oid, CS_LIT("\x2B\x65\x6E"))) {
        return read_25519(call, oid.p[2] == 0x70, parameters, key, out);
    }
    return cs_call_error(call, "x509: PKCS#8 wrapping contained private key with unknown algorithm: %.*s",
                         CS_FMT(cs_der__oid_text(call->arena, oid)));
}

/* ------------------------------------------------------------------------------------------------ JSON */

static void put(cs_call *call, cs_value object, const char *name, cs_value v)
{
    cs_object_put_text(call->arena, object, name, v);
}

static void put_number(cs_call *call, cs_value object, const char *name, cs_slice bytes)
{
    put(call, object, name, cs_x509__number_json(call->arena, bytes));
}

static cs_value rsa_json(cs_call *call, const cs_x509_private *key)
{
    cs_value out = cs_object_new(call->arena, 5), more = cs_object_new(call->arena, 4);
    cs_value *primes = cs_arena_alloc(call->arena, 2 * sizeof *primes);
    primes[0] = cs_x509__number_json(call->arena, key->rsa.p);
    primes[1] = cs_x509__number_json(call->arena, key->rsa.q);
    put_number(call, out, "N", key->rsa.n);
    put(call, out, "E", cs_int(key->rsa.e));
    put_number(call, out, "D", key->rsa.d);
    put(call, out, "Primes", cs_array(primes, 2));
    put_number(call, more, "Dp", key->rsa.dp);
    put_number(call, more, "Dq", key->rsa.dq);
    put_number(call, more, "Qinv", key->rsa.qinv);
    put(call, more, "CRTValues", cs_array(NULL, 0));
    put(call, out, "Precomputed", more);
    return out;
}

static cs_slice half(const cs_x509_private *key, int which)
{
    size_t width = key->point.n / 2;
    return cs_slice_sub(key->point, 1 + (which ? width : 0), 1 + (which ? 2 * width : width));
}

static cs_value ec_json(cs_call *call, const cs_x509_private *key)
{
    cs_value out = cs_object_new(call->arena, 4);
    put(call, out, "Curve", cs_object_new(call->arena, 0));
    put_number(call, out, "X", half(key, 0));
    put_number(call, out, "Y", half(key, 1));
    put_number(call, out, "D", key->secret);
    return out;
}

cs_value cs_x509__private_json(cs_call *call, const cs_x509_private *key)
{
    char *both;
    switch (key->kind) {
    case CS_X509_PRIVATE_RSA:
        return rsa_json(call, key);
    case CS_X509_PRIVATE_EC:
        return ec_json(call, key);
    case CS_X509_PRIVATE_ED25519:
        both = cs_arena_alloc(call->arena, 64);
        memcpy(both, key->secret.p, 32);
        memcpy(both + 32, key->point.p, 32);
        return cs_x509__bytes_json(call->arena, cs_slice_make(both, 64));
    case CS_X509_PRIVATE_X25519:
        break;
    }
    return cs_object_new(call->arena, 0); /* Go's struct shows nothing */
}

static void put_base64url(cs_call *call, cs_value object, const char *name, cs_slice bytes)
{
    put(call, object, name, cs_string(cs_base64_encode(call->arena, bytes, CS_BASE64_URL_NOPAD)));
}

cs_err cs_x509__private_jwk(cs_call *call, const cs_x509_private *key, cs_value *out)
{
    static const char *const names[] = {[CS_P224] = "", [CS_P256] = "P-256", [CS_P384] = "P-384", [CS_P521] = "P-521"};
    *out = cs_object_new(call->arena, 9);
    if (key->kind == CS_X509_PRIVATE_RSA) {
        char *e = cs_arena_alloc(call->arena, 8);
        size_t n = 0;
        for (int i = 7; i >= 0; i--) {
            uint8_t b = (uint8_t)(key->rsa.e >> (8 * i));
            if (b || n) {
                e[n++] = (char)b;
            }
        }
        put(call, *out, "kty", cs_string(CS_LIT("RSA")));
        put_base64url(call, *out, "n", key->rsa.n);
        put_base64url(call, *out, "e", cs_slice_make(e, n));
        put_base64url(call, *out, "d", key->rsa.d);
        put_base64url(call, *out, "p", key->rsa.p);
        put_base64url(call, *out, "q", key->rsa.q);
        put_base64url(call, *out, "dp", magnitude(key->rsa.dp));
        put_base64url(call, *out, "dq", magnitude(key->rsa.dq));
        put_base64url(call, *out, "qi", magnitude(key->rsa.qinv));
        return CS_OK;
    }
    bool ec = key->kind == CS_X509_PRIVATE_EC;
    if (ec && key->curve == CS_P224) {
        return cs_call_error(call,
                             "failed to initialize *jwk.ecdsaPrivateKey from *ecdsa.PrivateKey: jwk: failed to get "
                             "algorithm for converting ECDSA private key to JWK: unknown elliptic curve: P-224");
    }
    const char *curve = ec ? names[key->curve] : key->kind == CS_X509_PRIVATE_ED25519 ? "Ed25519" : "X25519";
    put(call, *out, "kty", cs_string(ec ? CS_LIT("EC") : CS_LIT("OKP")));
    put(call, *out, "crv", cs_string(cs_slice_of(curve)));
    put_base64url(call, *out, "d", key->secret);
    put_base64url(call, *out, "x", ec ? half(key, 0) : key->point);
    if (ec) {
        put_base64url(call, *out, "y", half(key, 1));
    }
    return CS_OK;
}
