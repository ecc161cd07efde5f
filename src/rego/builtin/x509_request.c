/* Certificate requests (PKCS #10, RFC 2986) as Go reads them. */
#include "rego/builtin/x509.h"

#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }
#define PLAIN(of, called)                                                                                              \
    {                                                                                                                  \
        .what = (of), .tag = -1, .def = INT64_MIN, .name = (called)                                                    \
    }
#define GROUP(of, called, inside)                                                                                      \
    {                                                                                                                  \
        .what = (of), .tag = -1, .name = (called), .fields = (inside)                                                  \
    }

static const cs_der_type identifier[] = {
    PLAIN(CS_DER_OIDS, "ObjectIdentifier"),
    {.what = CS_DER_RAW, .optional = true, .tag = -1, .def = INT64_MIN, .name = "RawValue"},
    END};
static const cs_der_type key_info[] = {GROUP(CS_DER_STRUCT, "AlgorithmIdentifier", identifier),
                                       PLAIN(CS_DER_BITS, "BitString"), END};
static const cs_der_type raw_value[] = {PLAIN(CS_DER_RAW, "RawValue"), END};
static const cs_der_type info[] = {PLAIN(CS_DER_INT, "int"),
                                   PLAIN(CS_DER_RAW, "RawValue"),
                                   GROUP(CS_DER_STRUCT, "publicKeyInfo", key_info),
                                   {.what = CS_DER_LIST, .tag = 0, .name = "", .fields = raw_value},
                                   END};
static const cs_der_type request_fields[] = {GROUP(CS_DER_STRUCT, "tbsCertificateRequest", info),
                                             GROUP(CS_DER_STRUCT, "AlgorithmIdentifier", identifier),
                                             PLAIN(CS_DER_BITS, "BitString"), END};
static const cs_der_type request = GROUP(CS_DER_STRUCT, "certificateRequest", request_fields);

static const cs_der_type pair[] = {PLAIN(CS_DER_OIDS, "ObjectIdentifier"), PLAIN(CS_DER_ANY, ""), END};
static const cs_der_type pairs[] = {GROUP(CS_DER_STRUCT, "AttributeTypeAndValue", pair), END};
static const cs_der_type rdn[] = {
    {.what = CS_DER_LIST, .is_set = true, .tag = -1, .name = "RelativeDistinguishedNameSET", .fields = pairs}, END};
static const cs_der_type subject = GROUP(CS_DER_LIST, "RDNSequence", rdn);

/* Attributes as lists of lists of pairs, and as raw values. */
static const cs_der_type pair_lists[] = {GROUP(CS_DER_LIST, "", pairs), END};
static const cs_der_type attribute_fields[] = {
    PLAIN(CS_DER_OIDS, "ObjectIdentifier"),
    {.what = CS_DER_LIST, .is_set = true, .tag = -1, .name = "", .fields = pair_lists},
    END};
static const cs_der_type attribute = GROUP(CS_DER_STRUCT, "AttributeTypeAndValueSET", attribute_fields);
static const cs_der_type raw_attribute_fields[] = {
    PLAIN(CS_DER_OIDS, "ObjectIdentifier"),
    {.what = CS_DER_LIST, .is_set = true, .tag = -1, .name = "", .fields = raw_value},
    END};
static const cs_der_type raw_attribute = GROUP(CS_DER_STRUCT, "pkcs10Attribute", raw_attribute_fields);
static const cs_der_type extension_fields[] = {
    PLAIN(CS_DER_OIDS, "ObjectIdentifier"),
    {.what = CS_DER_BOOL, .optional = true, .tag = -1, .def = INT64_MIN, .name = "bool"},
    PLAIN(CS_DER_BYTES, ""),
    END};
static const cs_der_type extension_list[] = {GROUP(CS_DER_STRUCT, "Extension", extension_fields), END};
static const cs_der_type extensions = GROUP(CS_DER_LIST, "", extension_list);

static void put(cs_call *call, cs_value object, const char *name, cs_value v)
{
    cs_object_put_text(call->arena, object, name, v);
}

/* A value of any type as Go's encoding/json has it. */
static cs_value any_json(cs_call *call, const cs_der_node *v)
{
    cs_value out;
    switch (v->tag) {
    case CS_DER_BOOLEAN:
        return cs_bool(v->i);
    case CS_DER_INTEGER:
        return cs_int(v->i);
    case CS_DER_BIT_STRING:
        out = cs_object_new(call->arena, 2);
        put(call, out, "Bytes", cs_x509__bytes_json(call->arena, v->bits.bytes));
        put(call, out, "BitLength", cs_int((int64_t)v->bits.bits));
        return out;
    case CS_DER_OID:
        return cs_x509__oid_json(call->arena, v->bytes);
    case CS_DER_OCTET_STRING:
        return cs_x509__bytes_json(call->arena, v->bytes);
    case CS_DER_UTC_TIME:
    case CS_DER_GENERALIZED_TIME:
        return cs_string(cs_der__time_text(call->arena, v->time));
    case 0:
        return cs_null();
    default:
        return cs_string(v->bytes);
    }
}

static cs_err read_subject(cs_call *call, cs_slice der, cs_value *out)
{
    cs_der_node name;
    cs_slice rest;
    cs_error e;
    cs_x509_dn dn = {.serial_number = {"", 0}, .common_name = {"", 0}};
    if (cs_der__unmarshal(call->arena, der, &subject, &name, &rest, &e) != CS_OK) {
        return cs_call_error(call, "%s", e.text);
    }
    if (rest.n) {
        return cs_call_error(call, "x509: trailing data after X.509 Subject");
    }
    for (size_t i = 0; i < name.n; i++) {
        for (size_t k = 0; k < name.nodes[i].n; k++) {
            const cs_der_node *one = name.nodes[i].nodes[k].nodes;
            cs_x509__dn_add(call, &dn, one[0].bytes, any_json(call, &one[1]));
        }
    }
    *out = cs_x509__dn_json(call, &dn);
    return CS_OK;
}

static cs_value attribute_json(cs_call *call, const cs_der_node *a)
{
    cs_value out = cs_object_new(call->arena, 2);
    cs_list lists = {0};
    for (size_t i = 0; i < a->nodes[1].n; i++) {
        const cs_der_node *list = &a->nodes[1].nodes[i];
        cs_list items = {0};
        for (size_t k = 0; k < list->n; k++) {
            cs_value one = cs_object_new(call->arena, 2);
            put(call, one, "Type", cs_x509__oid_json(call->arena, list->nodes[k].nodes[0].bytes));
            put(call, one, "Value", any_json(call, &list->nodes[k].nodes[1]));
            cs_list__add(call, &items, one);
        }
        cs_list__add(call, &lists, cs_list__array(&items));
    }
    put(call, out, "Type", cs_x509__oid_json(call->arena, a->nodes[0].bytes));
    put(call, out, "Value", cs_list__array(&lists));
    return out;
}

/* Those that are lists of pairs; the others are left out. */
static cs_value attributes_json(cs_call *call, const cs_der_node *raw)
{
    cs_list out = {0};
    for (size_t i = 0; i < raw->n; i++) {
        cs_der_node a;
        cs_slice rest;
        if (cs_der__unmarshal(call->arena, raw->nodes[i].full, &attribute, &a, &rest, NULL) == CS_OK && !rest.n) {
            cs_list__add(call, &out, attribute_json(call, &a));
        }
    }
    return cs_x509__list_json(&out);
}

typedef struct requested {
    cs_x509_extension *v;
    size_t n;
    cs_value seen;
} requested;

static cs_err add_requested(cs_call *call, const cs_der_node *list, requested *out)
{
    cs_x509_extension *all = cs_arena_alloc(call->arena, (out->n + list->n + 1) * sizeof *all);
    if (out->n) {
        memcpy(all, out->v, out->n * sizeof *all);
    }
    out->v = all;
    for (size_t i = 0; i < list->n; i++) {
        const cs_der_node *x = list->nodes[i].nodes;
        if (!cs_set_add(call->arena, out->seen, cs_string(x[0].bytes))) {
            return cs_call_error(call, "x509: certificate request contains duplicate requested extensions");
        }
        out->v[out->n++] = (cs_x509_extension){x[0].bytes, x[2].bytes, x[1].i != 0};
    }
    return CS_OK;
}

static cs_err read_requested(cs_call *call, const cs_der_node *raw, requested *out)
{
    out->seen = cs_set_new(call->arena, 0);
    for (size_t i = 0; i < raw->n; i++) {
        cs_der_node a, list;
        cs_slice rest;
        cs_error e;
        if (cs_der__unmarshal(call->arena, raw->nodes[i].full, &raw_attribute, &a, &rest, NULL) != CS_OK || rest.n ||
            a.nodes[1].n == 0 || !cs_slice_eq(a.nodes[0].bytes, CS_LIT("\x2A\x86\x48\x86\xF7\x0D\x01\x09\x0E"))) {
            continue;
        }
        if (cs_der__unmarshal(call->arena, a.nodes[1].nodes[0].full, &extensions, &list, NULL, &e) != CS_OK) {
            return cs_call_error(call, "%s", e.text);
        }
        CS_TRY(add_requested(call, &list, out));
    }
    return CS_OK;
}

static cs_err read_request(cs_call *call, const cs_der_node *r, cs_value *out)
{
    const cs_der_node *tbs = r->nodes[0].nodes, *alg = r->nodes[1].nodes, *spki = tbs[2].nodes;
    cs_arena *a = call->arena;
    cs_x509_key key;
    cs_value name;
    cs_x509_names names = {0};
    requested wanted = {0};
    CS_TRY(cs_x509__read_key(call, spki[0].nodes[0].bytes, spki[0].nodes[1].full, cs_der__right_align(a, spki[1].bits),
                             &key));
    CS_TRY(read_subject(call, tbs[1].full, &name));
    CS_TRY(read_requested(call, &tbs[3], &wanted));
    for (size_t i = 0; i < wanted.n; i++) {
        if (cs_slice_eq(wanted.v[i].oid, CS_LIT("\x55\x1D\x11"))) {
            CS_TRY(cs_x509__read_names(call, wanted.v[i].value, &names));
        }
    }
    *out = cs_object_new(a, 20);
    put(call, *out, "Raw", cs_x509__bytes_json(a, r->full));
    put(call, *out, "RawTBSCertificateRequest", cs_x509__bytes_json(a, r->nodes[0].full));
    put(call, *out, "RawSubjectPublicKeyInfo", cs_x509__bytes_json(a, tbs[2].full));
    put(call, *out, "RawSubject", cs_x509__bytes_json(a, tbs[1].full));
    put(call, *out, "Version", cs_int(tbs[0].i));
    put(call, *out, "Signature", cs_x509__bytes_json(a, cs_der__right_align(a, r->nodes[2].bits)));
    put(call, *out, "SignatureAlgorithm", cs_int(cs_x509__signature_alg(a, alg[0].bytes, alg[1].full)));
    put(call, *out, "PublicKeyAlgorithm", cs_int(key.alg));
    put(call, *out, "PublicKey", key.json);
    put(call, *out, "Subject", name);
    put(call, *out, "Attributes", attributes_json(call, &tbs[3]));
    put(call, *out, "Extensions", cs_x509__extensions_json(call, wanted.v, wanted.n));
    put(call, *out, "ExtraExtensions", cs_null());
    cs_x509__names_json(call, &names, *out);
    return CS_OK;
}

cs_err cs_x509__request_json(cs_call *call, cs_slice der, cs_value *out)
{
    cs_der_node r;
    cs_slice rest;
    cs_error e;
    if (cs_der__unmarshal(call->arena, der, &request, &r, &rest, &e) != CS_OK) {
        return cs_call_error(call, "%s", e.text);
    }
    if (rest.n) {
        return cs_call_error(call, "asn1: syntax error: trailing data");
    }
    return read_request(call, &r, out);
}
