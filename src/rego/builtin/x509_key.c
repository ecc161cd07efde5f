/* Public keys and the identifiers of algorithms. */
#include "rego/builtin/x509.h"

#define OID_RSA CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01")
#define OID_DSA CS_LIT("\x2A\x86\x48\xCE\x38\x04\x01")
#define OID_EC CS_LIT("\x2A\x86\x48\xCE\x3D\x02\x01")
#define OID_ED25519 CS_LIT("\x2B\x65\x70")
#define OID_PSS CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0A")
#define OID_MGF1 CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x08")

bool cs_x509__curve_of(cs_slice oid, cs_curve *out)
{
    const cs_slice oids[] = {
        [CS_P224] = CS_LIT("\x2B\x81\x04\x00\x21"),
        [CS_P256] = CS_LIT("\x2A\x86\x48\xCE\x3D\x03\x01\x07"),
        [CS_P384] = CS_LIT("\x2B\x81\x04\x00\x22"),
        [CS_P521] = CS_LIT("\x2B\x81\x04\x00\x23"),
    };
    for (unsigned i = 0; i < sizeof oids / sizeof *oids; i++) {
        if (cs_slice_eq(oid, oids[i])) {
            *out = (cs_curve)i;
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------ signatures */

/* The parameters of RSASSA-PSS that Go knows: the digest, MGF1 over the same, a salt as long as it is. */
static int pss_alg(cs_arena *a, cs_slice parameters)
{
    static const cs_der_type identifier[] = {{.what = CS_DER_OIDS, .tag = -1, .name = "ObjectIdentifier"},
                                             {.what = CS_DER_RAW, .optional = true, .tag = -1, .name = "RawValue"},
                                             {.name = NULL}};
    static const cs_der_type one = {
        .what = CS_DER_STRUCT, .tag = -1, .name = "AlgorithmIdentifier", .fields = identifier};
    static const cs_der_type fields[] = {
        {.what = CS_DER_STRUCT, .explicit = true, .tag = 0, .name = "AlgorithmIdentifier", .fields = identifier},
        {.what = CS_DER_STRUCT, .explicit = true, .tag = 1, .name = "AlgorithmIdentifier", .fields = identifier},
        {.what = CS_DER_INT, .explicit = true, .tag = 2, .def = INT64_MIN, .name = "int"},
        {.what = CS_DER_INT, .optional = true, .explicit = true, .tag = 3, .def = 1, .name = "int"},
        {.name = NULL}};
    static const cs_der_type whole = {.what = CS_DER_STRUCT, .tag = -1, .name = "pssParameters", .fields = fields};
    static const struct {
        char last;
        int64_t salt;
        int alg;
    } digests[] = {{1, 32, 13}, {2, 48, 14}, {3, 64, 15}};
    const cs_slice sha2 = CS_LIT("\x60\x86\x48\x01\x65\x03\x04\x02"), null = CS_LIT("\x05\x00");
    cs_der_node pss, mgf;
    if (cs_der__unmarshal(a, parameters, &whole, &pss, NULL, NULL) != CS_OK) {
        return 0;
    }
    cs_der_node *digest = pss.nodes[0].nodes, *mask = pss.nodes[1].nodes;
    if (cs_der__unmarshal(a, mask[1].full, &one, &mgf, NULL, NULL) != CS_OK ||
        (digest[1].full.n && !cs_slice_eq(digest[1].full, null)) || !cs_slice_eq(mask[0].bytes, OID_MGF1) ||
        !cs_slice_eq(mgf.nodes[0].bytes, digest[0].bytes) ||
        (mgf.nodes[1].full.n && !cs_slice_eq(mgf.nodes[1].full, null)) || pss.nodes[3].i != 1) {
        return 0;
    }
    cs_slice oid = digest[0].bytes;
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
        if (oid.n == sha2.n + 1 && cs_slice_starts(oid, sha2) && oid.p[sha2.n] == digests[i].last &&
            pss.nodes[2].i == digests[i].salt) {
            return digests[i].alg;
        }
    }
    return 0;
}

int cs_x509__signature_alg(cs_arena *a, cs_slice oid, cs_slice parameters)
{
    const struct {
        cs_slice oid;
        int alg;
    } algs[] = {
        {CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x04"), 2},
        {CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x05"), 3},
        {CS_LIT("\x2B\x0E\x03\x02\x1D"), 3},
        {CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B"), 4},
        {CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0C"), 5},
        {CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0D"), 6},
        {CS_LIT("\x2A\x86\x48\xCE\x38\x04\x03"), 7},
        {CS_LIT("\x60\x86\x48\x01\x65\x03\x04\x03\x02"), 8},
        {CS_LIT("\x2A\x86\x48\xCE\x3D\x04\x01"), 9},
        {CS_LIT("\x2A\x86\x48\xCE\x3D\x04\x03\x02"), 10},
        {CS_LIT("\x2A\x86\x48\xCE\x3D\x04\x03\x03"), 11},
        {CS_LIT("\x2A\x86\x48\xCE\x3D\x04\x03\x04"), 12},
    };
    if (cs_slice_eq(oid, OID_ED25519)) {
        return parameters.n ? 0 : 16;
    }
    if (cs_slice_eq(oid, OID_PSS)) {
        return pss_alg(a, parameters);
    }
    for (size_t i = 0; i < sizeof algs / sizeof *algs; i++) {
        if (cs_slice_eq(oid, algs[i].oid)) {
            return algs[i].alg;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ keys */

static bool negative(cs_slice integer)
{
    return (uint8_t)integer.p[0] >= 0x80;
}

static bool zero(cs_slice integer)
{
    return integer.n == 1 && integer.p[0] == 0;
}

static cs_slice without_zeros(cs_slice s)
{
    while (s.n && *s.p == 0) {
        s = cs_slice_sub(s, 1, s.n);
    }
    return s;
}

static cs_err read_rsa(cs_call *call, cs_slice parameters, cs_slice bits, cs_x509_key *out)
{
    cs_slice n;
    if (!cs_slice_eq(parameters, CS_LIT("\x05\x00"))) {
        return cs_call_error(call, "x509: RSA key missing NULL parameters");
    }
    if (!cs_der__take(&bits, CS_DER_SEQUENCE, &bits)) {
        return cs_call_error(call, "x509: invalid RSA public key");
    }
    if (!cs_der__integer(&bits, &n)) {
        return cs_call_error(call, "x509: invalid RSA modulus");
    }
    if (!cs_der__int64(&bits, CS_DER_INTEGER, &out->e)) {
        return cs_call_error(call, "x509: invalid RSA public exponent");
    }
    if (negative(n) || zero(n)) {
        return cs_call_error(call, "x509: RSA modulus is not a positive number");
    }
    if (out->e <= 0) {
        return cs_call_error(call, "x509: RSA public exponent is not a positive number");
    }
    out->n = without_zeros(n);
    out->json = cs_object_new(call->arena, 2);
    cs_object_put_text(call->arena, out->json, "N", cs_x509__number_json(call->arena, n));
    cs_object_put_text(call->arena, out->json, "E", cs_int(out->e));
    return CS_OK;
}

static cs_err read_ec(cs_call *call, cs_slice parameters, cs_slice bits, cs_x509_key *out)
{
    cs_slice curve;
    bool on_curve;
    if (!cs_der__oid(&parameters, &curve)) {
        return cs_call_error(call, "x509: invalid ECDSA parameters");
    }
    if (!cs_x509__curve_of(curve, &out->curve)) {
        return cs_call_error(call, "x509: unsupported elliptic curve");
    }
    const char *name = cs_curve_name(out->curve);
    size_t width = cs_curve_bytes(out->curve);
    if (bits.n == 0 || bits.p[0] != 4) {
        return cs_call_error(call, "ecdsa: invalid uncompressed public key");
    }
    if (bits.n != 1 + 2 * width) {
        return cs_call_error(call, "invalid %s point encoding", name);
    }
    if (!cs_curve_point(out->curve, bits, &on_curve)) {
        return cs_call_error(call, "invalid %sElement encoding", name);
    }
    if (!on_curve) {
        return cs_call_error(call, "%s point not on curve", name);
    }
    out->json = cs_object_new(call->arena, 3);
    cs_object_put_text(call->arena, out->json, "Curve", cs_object_new(call->arena, 0));
    cs_object_put_text(call->arena, out->json, "X",
                       cs_x509__number_json(call->arena, cs_slice_make(bits.p + 1, width)));
    cs_object_put_text(call->arena, out->json, "Y",
                       cs_x509__number_json(call->arena, cs_slice_make(bits.p + 1 + width, width)));
    return CS_OK;
}

static cs_err read_dsa(cs_call *call, cs_slice parameters, cs_slice bits, cs_x509_key *out)
{
    static const char *const names[] = {"Y", "P", "Q", "G"};
    cs_slice v[4];
    if (!cs_der__integer(&bits, &v[0])) {
        return cs_call_error(call, "x509: invalid DSA public key");
    }
    if (!cs_der__take(&parameters, CS_DER_SEQUENCE, &parameters) || !cs_der__integer(&parameters, &v[1]) ||
        !cs_der__integer(&parameters, &v[2]) || !cs_der__integer(&parameters, &v[3])) {
        return cs_call_error(call, "x509: invalid DSA parameters");
    }
    out->json = cs_object_new(call->arena, 4);
    for (size_t i = 0; i < 4; i++) {
        if (negative(v[i]) || zero(v[i])) {
            return cs_call_error(call, "x509: zero or negative DSA parameter");
        }
        cs_object_put_text(call->arena, out->json, names[i], cs_x509__number_json(call->arena, v[i]));
    }
    return CS_OK;
}

static cs_err read_ed25519(cs_call *call, cs_slice parameters, cs_slice bits, cs_x509_key *out)
{
    if (parameters.n) {
        return cs_call_error(call, "x509: Ed25519 key encoded with illegal parameters");
    }
    if (bits.n != 32) {
        return cs_call_error(call, "x509: wrong Ed25519 public key size");
    }
    out->json = cs_x509__bytes_json(call->arena, bits);
    return CS_OK;
}

cs_err cs_x509__read_key(cs_call *call, cs_slice oid, cs_slice parameters, cs_slice bits, cs_x509_key *out)
{
    *out = (cs_x509_key){.alg = CS_X509_NO_KEY, .json = cs_null(), .point = bits};
    if (cs_slice_eq(oid, OID_RSA)) {
        out->alg = CS_X509_RSA;
        return read_rsa(call, parameters, bits, out);
    }
    if (cs_slice_eq(oid, OID_EC)) {
        out->alg = CS_X509_ECDSA;
        return read_ec(call, parameters, bits, out);
    }
    if (cs_slice_eq(oid, OID_DSA)) {
        out->alg = CS_X509_DSA;
        return read_dsa(call, parameters, bits, out);
    }
    if (cs_slice_eq(oid, OID_ED25519)) {
        out->alg = CS_X509_ED25519;
        return read_ed25519(call, parameters, bits, out);
    }
    return CS_OK;
}
