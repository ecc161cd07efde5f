/* Certificates, piece by piece in the order of Go's parser, so that the first thing wrong is the one that is told. */
#include "rego/builtin/x509.h"

static cs_err bad(cs_call *call, const char *what)
{
    return cs_call_error(call, "x509: %s", what);
}

static cs_err read_attribute(cs_call *call, cs_slice *set, cs_x509_dn *dn)
{
    cs_slice attribute, oid, value, text;
    uint8_t tag;
    if (!cs_der__take(set, CS_DER_SEQUENCE, &attribute)) {
        return bad(call, "invalid RDNSequence: invalid attribute");
    }
    if (!cs_der__oid(&attribute, &oid)) {
        return bad(call, "invalid RDNSequence: invalid attribute type");
    }
    if (!cs_der__any(&attribute, &tag, &value, NULL)) {
        return bad(call, "invalid RDNSequence: invalid attribute value");
    }
    static const uint8_t known[] = {CS_DER_T61, CS_DER_PRINTABLE, CS_DER_UTF8, CS_DER_BMP, CS_DER_IA5, CS_DER_NUMERIC};
    if (!memchr(known, tag, sizeof known)) {
        return cs_call_error(call, "x509: invalid RDNSequence: invalid attribute value: unsupported string type: %d",
                             tag);
    }
    const char *wrong = cs_der__text(call->arena, tag, value, &text);
    if (wrong) {
        return cs_call_error(call, "x509: invalid RDNSequence: invalid attribute value: %s", wrong);
    }
    cs_x509__dn_add(call, dn, oid, cs_string(text));
    return CS_OK;
}

static cs_err read_name(cs_call *call, cs_slice name, cs_value *json, cs_slice *common_name)
{
    cs_x509_dn dn = {.serial_number = {"", 0}, .common_name = {"", 0}};
    cs_slice set;
    if (!cs_der__take(&name, CS_DER_SEQUENCE, &name)) {
        return bad(call, "invalid RDNSequence");
    }
    while (name.n) {
        if (!cs_der__take(&name, CS_DER_SET, &set)) {
            return bad(call, "invalid RDNSequence");
        }
        while (set.n) {
            CS_TRY(read_attribute(call, &set, &dn));
        }
    }
    *json = cs_x509__dn_json(call, &dn);
    *common_name = dn.common_name;
    return CS_OK;
}

static cs_err read_algorithm(cs_call *call, cs_slice s, cs_slice *oid, cs_slice *parameters)
{
    uint8_t tag;
    *parameters = cs_slice_make("", 0);
    if (!cs_der__oid(&s, oid)) {
        return bad(call, "malformed OID");
    }
    if (s.n && !cs_der__any(&s, &tag, NULL, parameters)) {
        return bad(call, "malformed parameters");
    }
    return CS_OK;
}

static cs_err read_time(cs_call *call, cs_slice *s, cs_der_time *out)
{
    if (cs_der__peek(*s, CS_DER_UTC_TIME)) {
        return cs_der__time(s, CS_DER_UTC_TIME, out) ? CS_OK : bad(call, "malformed UTCTime");
    }
    if (cs_der__peek(*s, CS_DER_GENERALIZED_TIME)) {
        return cs_der__time(s, CS_DER_GENERALIZED_TIME, out) ? CS_OK : bad(call, "malformed GeneralizedTime");
    }
    return bad(call, "unsupported time format");
}

static cs_err read_version(cs_call *call, cs_slice *tbs, int64_t *out)
{
    cs_slice inside;
    bool found;
    *out = 0;
    if (!cs_der__optional(tbs, CS_DER_CONTEXT_IN(0), &found, &inside) ||
        (found && (!cs_der__int64(&inside, CS_DER_INTEGER, out) || inside.n)) || *out < 0) {
        return bad(call, "malformed version");
    }
    if (*out > 2) {
        return bad(call, "invalid version");
    }
    (*out)++;
    return CS_OK;
}

static cs_err read_key_info(cs_call *call, cs_slice *tbs, cs_x509_cert *c)
{
    cs_slice spki, algorithm, oid, parameters;
    cs_der_bits bits;
    if (!cs_der__element(tbs, CS_DER_SEQUENCE, &spki)) {
        return bad(call, "malformed spki");
    }
    c->spki = spki;
    if (!cs_der__take(&spki, CS_DER_SEQUENCE, &spki)) {
        return bad(call, "malformed spki");
    }
    if (!cs_der__take(&spki, CS_DER_SEQUENCE, &algorithm)) {
        return bad(call, "malformed public key algorithm identifier");
    }
    CS_TRY(read_algorithm(call, algorithm, &oid, &parameters));
    if (!cs_der__bit_string(&spki, &bits)) {
        return bad(call, "malformed subjectPublicKey");
    }
    return cs_x509__read_key(call, oid, parameters, cs_der__right_align(call->arena, bits), &c->key);
}

static cs_err read_extension(cs_call *call, cs_slice s, cs_x509_extension *out)
{
    out->critical = false;
    if (!cs_der__oid(&s, &out->oid)) {
        return bad(call, "malformed extension OID field");
    }
    if (cs_der__peek(s, CS_DER_BOOLEAN) && !cs_der__bool(&s, &out->critical)) {
        return bad(call, "malformed extension critical field");
    }
    if (!cs_der__take(&s, CS_DER_OCTET_STRING, &out->value)) {
        return bad(call, "malformed extension value field");
    }
    return CS_OK;
}

static cs_err add_extension(cs_call *call, cs_x509_cert *c, size_t *cap, cs_value seen, cs_slice s)
{
    cs_x509_extension x;
    CS_TRY(read_extension(call, s, &x));
    if (!cs_set_add(call->arena, seen, cs_string(x.oid))) {
        return cs_call_error(call, "x509: certificate contains duplicate extension with OID \"%.*s\"",
                             CS_FMT(cs_der__oid_text(call->arena, x.oid)));
    }
    if (c->extensions_n == *cap) {
        cs_x509_extension *more = cs_arena_alloc(call->arena, (*cap * 2 + 8) * sizeof *more);
        if (c->extensions_n) {
            memcpy(more, c->extensions, c->extensions_n * sizeof *more);
        }
        c->extensions = more;
        *cap = *cap * 2 + 8;
    }
    c->extensions[c->extensions_n++] = x;
    return CS_OK;
}

/* What follows the key, in versions 2 and 3. */
static cs_err read_tail(cs_call *call, cs_slice *tbs, cs_x509_cert *c)
{
    cs_slice skipped, list, one;
    bool found;
    if (c->version > 1 && !cs_der__optional(tbs, CS_DER_CONTEXT(1), &found, &skipped)) {
        return bad(call, "malformed issuerUniqueID");
    }
    if (c->version > 1 && !cs_der__optional(tbs, CS_DER_CONTEXT(2), &found, &skipped)) {
        return bad(call, "malformed subjectUniqueID");
    }
    if (c->version < 3) {
        return CS_OK;
    }
    if (!cs_der__optional(tbs, CS_DER_CONTEXT_IN(3), &found, &list) ||
        (found && !cs_der__take(&list, CS_DER_SEQUENCE, &list))) {
        return bad(call, "malformed extensions");
    }
    size_t cap = 0;
    cs_value seen = cs_set_new(call->arena, 0);
    while (found && list.n) {
        if (!cs_der__take(&list, CS_DER_SEQUENCE, &one)) {
            return bad(call, "malformed extension");
        }
        CS_TRY(add_extension(call, c, &cap, seen, one));
    }
    return found ? cs_x509__read_extensions(call, c) : CS_OK;
}

static cs_err read_signature_alg(cs_call *call, cs_slice *tbs, cs_slice *outer, cs_x509_cert *c)
{
    cs_slice inside, outside, oid, parameters;
    if (!cs_der__take(tbs, CS_DER_SEQUENCE, &inside)) {
        return bad(call, "malformed signature algorithm identifier");
    }
    if (!cs_der__take(outer, CS_DER_SEQUENCE, &outside)) {
        return bad(call, "malformed algorithm identifier");
    }
    if (!cs_slice_eq(inside, outside)) {
        return bad(call, "inner and outer signature algorithm identifiers don't match");
    }
    CS_TRY(read_algorithm(call, inside, &oid, &parameters));
    c->signature_alg = cs_x509__signature_alg(call->arena, oid, parameters);
    return CS_OK;
}

static cs_err read_tbs(cs_call *call, cs_slice tbs, cs_slice *outer, cs_x509_cert *c)
{
    cs_slice validity;
    CS_TRY(read_version(call, &tbs, &c->version));
    if (!cs_der__integer(&tbs, &c->serial)) {
        return bad(call, "malformed serial number");
    }
    if ((uint8_t)c->serial.p[0] >= 0x80) {
        return bad(call, "negative serial number");
    }
    CS_TRY(read_signature_alg(call, &tbs, outer, c));
    if (!cs_der__element(&tbs, CS_DER_SEQUENCE, &c->issuer)) {
        return bad(call, "malformed issuer");
    }
    cs_slice unused;
    CS_TRY(read_name(call, c->issuer, &c->issuer_name, &unused));
    if (!cs_der__take(&tbs, CS_DER_SEQUENCE, &validity)) {
        return bad(call, "malformed validity");
    }
    CS_TRY(read_time(call, &validity, &c->not_before));
    CS_TRY(read_time(call, &validity, &c->not_after));
    if (!cs_der__element(&tbs, CS_DER_SEQUENCE, &c->subject)) {
        return bad(call, "malformed issuer"); /* Go says it again */
    }
    CS_TRY(read_name(call, c->subject, &c->subject_name, &c->common_name));
    CS_TRY(read_key_info(call, &tbs, c));
    return read_tail(call, &tbs, c);
}

cs_err cs_x509__read(cs_call *call, cs_slice *der, cs_x509_cert *out)
{
    cs_slice outer, tbs;
    cs_der_bits signature;
    memset(out, 0, sizeof *out);
    if (!cs_der__element(der, CS_DER_SEQUENCE, &outer)) {
        return bad(call, "malformed certificate");
    }
    out->raw = outer;
    if (!cs_der__take(&outer, CS_DER_SEQUENCE, &outer)) {
        return bad(call, "malformed certificate");
    }
    if (!cs_der__element(&outer, CS_DER_SEQUENCE, &tbs)) {
        return bad(call, "malformed tbs certificate");
    }
    out->tbs = tbs;
    if (!cs_der__take(&tbs, CS_DER_SEQUENCE, &tbs)) {
        return bad(call, "malformed tbs certificate");
    }
    CS_TRY(read_tbs(call, tbs, &outer, out));
    if (!cs_der__bit_string(&outer, &signature)) {
        return bad(call, "malformed signature");
    }
    out->signature = cs_der__right_align(call->arena, signature);
    return CS_OK;
}
