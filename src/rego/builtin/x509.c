/* crypto.x509.* and crypto.parse_private_keys: what OPA takes as input, and its answers. */
#include "rego/builtin/x509.h"

#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "rego/builtin/pem.h"

static cs_err decode_base64(cs_call *call, cs_slice text, cs_slice *out)
{
    size_t bad;
    if (!cs_base64_decode(call->arena, text, CS_BASE64_STD, out, &bad)) {
        return cs_call_error(call, "illegal base64 data at input byte %zu", bad);
    }
    return CS_OK;
}

static cs_err read_pem(cs_call *call, cs_slice text, cs_slice *der)
{
    cs_pem_block block;
    char *all = cs_arena_alloc(call->arena, text.n + 1); /* decoded text is shorter */
    size_t n = 0;
    while (text.n && cs_pem__next(call->arena, &text, &block)) {
        if (!cs_slice_is(block.type, "CERTIFICATE")) {
            return cs_call_error(call, "PEM block type is '%.*s', expected CERTIFICATE", CS_FMT(block.type));
        }
        if (block.bytes.n) {
            memcpy(all + n, block.bytes.p, block.bytes.n);
            n += block.bytes.n;
        }
    }
    *der = cs_slice_make(all, n);
    return CS_OK;
}

typedef struct certs {
    cs_x509_cert *v;
    size_t n, cap;
} certs;

static cs_err read_certs(cs_call *call, cs_slice text, certs *out)
{
    cs_slice der;
    *out = (certs){0};
    if (!cs_slice_starts(text, CS_LIT("-----BEGIN"))) {
        CS_TRY(decode_base64(call, text, &text));
    }
    if (cs_slice_starts(text, CS_LIT("-----BEGIN"))) {
        CS_TRY(read_pem(call, text, &der));
    } else {
        der = text;
    }
    while (der.n) {
        if (out->n == out->cap) {
            cs_x509_cert *more = cs_arena_alloc(call->arena, (out->cap * 2 + 4) * sizeof *more);
            if (out->n) {
                memcpy(more, out->v, out->n * sizeof *more);
            }
            out->v = more;
            out->cap = out->cap * 2 + 4;
        }
        CS_TRY(cs_x509__read(call, &der, &out->v[out->n]));
        out->n++;
    }
    return CS_OK;
}

cs_err cs_builtin__crypto_x509_parse_certificates(cs_call *call, cs_value *out)
{
    cs_slice text;
    certs all;
    cs_list list = {0};
    CS_TRY(cs_call_string(call, 1, &text));
    CS_TRY(read_certs(call, text, &all));
    for (size_t i = 0; i < all.n; i++) {
        cs_list__add(call, &list, cs_x509__json(call, &all.v[i], true));
    }
    return cs_call__give(out, cs_list__array(&list));
}

/* ------------------------------------------------------------------------------------------------ verifying */

static cs_err verdict(cs_call *call, cs_x509_cert *const *chain, size_t n, bool uri_strings, cs_value *out)
{
    cs_list list = {0};
    cs_value *pair = cs_arena_alloc(call->arena, 2 * sizeof *pair);
    for (size_t i = 0; i < n; i++) {
        cs_list__add(call, &list, cs_x509__json(call, chain[i], uri_strings));
    }
    pair[0] = cs_bool(n > 0);
    pair[1] = cs_list__array(&list);
    return cs_call__give(out, cs_array(pair, 2));
}

static cs_err verify(cs_call *call, const certs *all, const cs_x509_rules *rules, bool uri_strings, cs_value *out)
{
    cs_x509_cert **chain = NULL;
    size_t n = 0;
    if (all->n >= 2) {
        cs_x509__verify(call, all->v, all->n, rules, &chain, &n);
    }
    return verdict(call, chain, chain ? n : 0, uri_strings, out);
}

static void set_now(cs_x509_rules *rules, int64_t ns)
{
    int64_t rest = ns % CS_NS_PER_S;
    rules->now_s = ns / CS_NS_PER_S - (rest < 0);
    rules->now_more = rest != 0;
}

cs_err cs_builtin__crypto_x509_parse_and_verify_certificates(cs_call *call, cs_value *out)
{
    cs_slice text;
    certs all;
    cs_x509_rules rules = {.host = {"", 0}};
    CS_TRY(cs_call_string(call, 1, &text));
    if (read_certs(call, text, &all) != CS_OK) {
        return verdict(call, NULL, 0, true, out);
    }
    set_now(&rules, cs_time_wall_ns());
    return verify(call, &all, &rules, true, out);
}

static cs_slice trim_quotes(cs_slice s)
{
    while (s.n && *s.p == '"') {
        s = cs_slice_sub(s, 1, s.n);
    }
    while (s.n && s.p[s.n - 1] == '"') {
        s.n--;
    }
    return s;
}

static cs_err read_usages(cs_call *call, cs_value v, cs_x509_rules *out)
{
    static const char *const names[] = {"Any",
                                        "ServerAuth",
                                        "ClientAuth",
                                        "CodeSigning",
                                        "EmailProtection",
                                        "IPSECEndSystem",
                                        "IPSECTunnel",
                                        "IPSECUser",
                                        "TimeStamping",
                                        "OCSPSigning",
                                        "MicrosoftServerGatedCrypto",
                                        "NetscapeServerGatedCrypto",
                                        "MicrosoftCommercialCodeSigning",
                                        "MicrosoftKernelCodeSigning"};
    if (!cs_call__is_list(v)) {
        return cs_call_error(call, "'KeyUsages' should be an Array or Set");
    }
    cs_sink unknown;
    cs_sink__init(&unknown, call);
    for (uint32_t i = 0; i < cs_count(v); i++) {
        cs_value one = cs_call__item(v, i);
        if (one.kind != CS_STRING) {
            continue;
        }
        cs_slice name = trim_quotes(cs_text(one));
        size_t k = 0;
        bool prefixed = cs_slice_starts(name, CS_LIT("KeyUsage"));
        while (k < sizeof names / sizeof *names &&
               !(prefixed && cs_slice_is(cs_slice_sub(name, 8, name.n), names[k]))) {
            k++;
        }
        if (k < sizeof names / sizeof *names) {
            cs_list__add(call, &out->usages, cs_int((int64_t)k));
        } else {
            cs_sink__text(&unknown, unknown.n ? " " : "[");
            cs_sink__slice(&unknown, name);
        }
    }
    return unknown.n ? cs_call_error(call, "invalid entries for 'KeyUsages' found: %.*s]",
                                     CS_FMT(cs_slice_make(unknown.p, unknown.n)))
                     : CS_OK;
}

static cs_err read_rule(cs_call *call, cs_slice key, cs_value v, cs_x509_rules *out)
{
    int64_t number;
    if (cs_slice_is(key, "DNSName")) {
        if (v.kind != CS_STRING) {
            return cs_call_error(call, "'DNSName' should be a string");
        }
        out->host = trim_quotes(cs_text(v));
        return CS_OK;
    }
    if (cs_slice_is(key, "KeyUsages")) {
        return read_usages(call, v, out);
    }
    bool time = cs_slice_is(key, "CurrentTime");
    if (!time && !cs_slice_is(key, "MaxConstraintComparisons")) {
        return cs_call_error(call, "invalid key option");
    }
    if (v.kind != CS_NUMBER) {
        return time ? cs_call_error(call, "'CurrentTime' should be a number")
                    : cs_call_error(call, "'MaxConstraintComparisons' should be a number");
    }
    if (!cs_number_is_int(v, &number)) {
        return time ? cs_call_error(call, "'CurrentTime' should be a valid int64 number")
                    : cs_call_error(call, "'MaxConstraintComparisons' should be a valid number");
    }
    if (time) {
        set_now(out, number);
    }
    return CS_OK;
}

cs_err cs_builtin__crypto_x509_parse_and_verify_certificates_with_options(cs_call *call, cs_value *out)
{
    cs_slice text;
    cs_value options, v;
    certs all;
    cs_x509_rules rules = {.host = {"", 0}};
    CS_TRY(cs_call_string(call, 1, &text));
    CS_TRY(cs_call__object(call, 2, &options));
    if (read_certs(call, text, &all) != CS_OK) {
        return verdict(call, NULL, 0, false, out);
    }
    set_now(&rules, cs_time_wall_ns());
    for (uint32_t i = 0; i < cs_count(options); i++) {
        cs_value key = cs_entry(options, i, &v);
        if (key.kind == CS_STRING) {
            CS_TRY(read_rule(call, cs_text(key), v, &rules));
        }
    }
    return verify(call, &all, &rules, false, out);
}

/* ------------------------------------------------------------------------------------------------ requests, keys */

cs_err cs_builtin__crypto_x509_parse_certificate_request(cs_call *call, cs_value *out)
{
    cs_slice text;
    cs_pem_block block;
    CS_TRY(cs_call_string(call, 1, &text));
    if (!cs_slice_starts(text, CS_LIT("-----BEGIN CERTIFICATE REQUEST-----"))) {
        CS_TRY(decode_base64(call, text, &text));
    }
    cs_slice rest = text;
    if (cs_pem__next(call->arena, &rest, &block)) {
        if (!cs_slice_is(block.type, "CERTIFICATE REQUEST")) {
            return cs_call_error(call, "invalid PEM-encoded certificate signing request");
        }
        text = block.bytes;
    }
    return cs_x509__request_json(call, text, out);
}

typedef struct keys {
    cs_x509_private *v;
    size_t n, cap;
} keys;

static cs_err read_keys(cs_call *call, cs_slice text, keys *out)
{
    cs_pem_block block;
    cs_slice plain;
    *out = (keys){0};
    if (cs_base64_decode(call->arena, text, CS_BASE64_STD, &plain, NULL)) {
        text = plain;
    }
    while (text.n && cs_pem__next(call->arena, &text, &block)) {
        cs_err (*read)(cs_call *, cs_slice, cs_x509_private *) =
            cs_slice_is(block.type, "RSA PRIVATE KEY")  ? cs_x509__read_pkcs1
            : cs_slice_is(block.type, "PRIVATE KEY")    ? cs_x509__read_pkcs8
            : cs_slice_is(block.type, "EC PRIVATE KEY") ? cs_x509__read_sec1
                                                        : NULL;
        if (!read) {
            continue;
        }
        if (out->n == out->cap) {
            cs_x509_private *more = cs_arena_alloc(call->arena, (out->cap * 2 + 2) * sizeof *more);
            if (out->n) {
                memcpy(more, out->v, out->n * sizeof *more);
            }
            out->v = more;
            out->cap = out->cap * 2 + 2;
        }
        CS_TRY(read(call, block.bytes, &out->v[out->n]));
        out->n++;
    }
    return CS_OK;
}

cs_err cs_builtin__crypto_parse_private_keys(cs_call *call, cs_value *out)
{
    cs_slice text;
    keys all;
    cs_list list = {0};
    CS_TRY(cs_call_string(call, 1, &text));
    if (text.n == 0) {
        return cs_call__give(out, cs_null());
    }
    CS_TRY(read_keys(call, text, &all));
    for (size_t i = 0; i < all.n; i++) {
        cs_list__add(call, &list, cs_x509__private_json(call, &all.v[i]));
    }
    return cs_call__give(out, cs_list__array(&list));
}

cs_err cs_builtin__crypto_x509_parse_rsa_private_key(cs_call *call, cs_value *out)
{
    cs_slice text;
    keys all;
    CS_TRY(cs_call_string(call, 1, &text));
    if (text.n == 0) {
        return cs_call_error(call, "input PEM data was empty");
    }
    if (!cs_slice_starts(text, CS_LIT("-----BEGIN"))) {
        CS_TRY(decode_base64(call, text, &text));
    }
    CS_TRY(read_keys(call, text, &all));
    return all.n ? cs_x509__private_jwk(call, &all.v[0], out) : cs_call__give(out, cs_null());
}

/* ------------------------------------------------------------------------------------------------ pairs */

/* PEM, or the DER in `bytes` of something that is to be taken for a block of that type. */
static cs_err unwrap(cs_call *call, cs_slice text, cs_slice begin, bool *pem, cs_slice *bytes)
{
    if (!cs_slice_starts(text, CS_LIT("-----BEGIN "))) {
        CS_TRY(decode_base64(call, text, &text));
    }
    *pem = cs_slice_starts(text, begin);
    *bytes = text;
    return CS_OK;
}

static cs_err skipped_types(cs_call *call, const char *before, const cs_list *types)
{
    cs_sink s;
    cs_slice text;
    cs_sink__init(&s, call);
    for (size_t i = 0; i < types->n; i++) {
        cs_sink__text(&s, i ? " " : "");
        cs_sink__slice(&s, cs_text(types->v[i]));
    }
    CS_TRY(cs_sink__slice_done(&s, &text));
    return cs_call_error(call, "%s after skipping PEM blocks of the following types: [%.*s]", before, CS_FMT(text));
}

static cs_err pair_certs(cs_call *call, cs_slice text, bool pem, cs_list *ders)
{
    cs_pem_block block;
    cs_list skipped = {0};
    if (!pem) {
        cs_list__add(call, ders, cs_string(text));
        return CS_OK;
    }
    while (cs_pem__next(call->arena, &text, &block)) {
        bool cert = cs_slice_is(block.type, "CERTIFICATE");
        cs_list__add(call, cert ? ders : &skipped, cs_string(cert ? block.bytes : block.type));
    }
    if (ders->n) {
        return CS_OK;
    }
    if (skipped.n == 0) {
        return cs_call_error(call, "tls: failed to find any PEM data in certificate input");
    }
    if (skipped.n == 1 && cs_slice_ends(cs_text(skipped.v[0]), CS_LIT("PRIVATE KEY"))) {
        return cs_call_error(call, "tls: failed to find certificate PEM data in certificate input, but did find a "
                                   "private key; PEM inputs may have been switched");
    }
    return skipped_types(call, "tls: failed to find \"CERTIFICATE\" PEM block in certificate input", &skipped);
}

static cs_err pair_key(cs_call *call, cs_slice text, bool pem, cs_slice *der)
{
    cs_pem_block block;
    cs_list skipped = {0};
    *der = text;
    while (pem) {
        if (!cs_pem__next(call->arena, &text, &block)) {
            break;
        }
        if (cs_slice_is(block.type, "PRIVATE KEY") || cs_slice_ends(block.type, CS_LIT(" PRIVATE KEY"))) {
            *der = block.bytes;
            return CS_OK;
        }
        cs_list__add(call, &skipped, cs_string(block.type));
    }
    if (!pem) {
        return CS_OK;
    }
    if (skipped.n == 0) {
        return cs_call_error(call, "tls: failed to find any PEM data in key input");
    }
    if (skipped.n == 1 && cs_slice_is(cs_text(skipped.v[0]), "CERTIFICATE")) {
        return cs_call_error(call, "tls: found a certificate rather than a key in the PEM for the private key");
    }
    return skipped_types(call, "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input",
                         &skipped);
}

/* Any of the three kinds, whatever the block was called. */
static cs_err read_any_key(cs_call *call, cs_slice der, cs_x509_private *out)
{
    cs_call quiet = *call;
    quiet.e = NULL;
    if (cs_x509__read_pkcs1(&quiet, der, out) == CS_OK) {
        return CS_OK;
    }
    if (cs_x509__read_pkcs8(&quiet, der, out) == CS_OK) {
        return out->kind == CS_X509_PRIVATE_X25519
                   ? cs_call_error(call, "tls: found unknown private key type in PKCS#8 wrapping")
                   : CS_OK;
    }
    return cs_x509__read_sec1(&quiet, der, out) == CS_OK ? CS_OK
                                                         : cs_call_error(call, "tls: failed to parse private key");
}

static cs_err check_pair(cs_call *call, const cs_x509_key *pub, const cs_x509_private *key)
{
    bool type, same;
    switch (pub->alg) {
    case CS_X509_RSA:
        type = key->kind == CS_X509_PRIVATE_RSA;
        same = cs_slice_eq(pub->n, key->rsa.n) && pub->e == key->rsa.e;
        break;
    case CS_X509_ECDSA:
        type = key->kind == CS_X509_PRIVATE_EC;
        same = pub->curve == key->curve && cs_slice_eq(pub->point, key->point);
        break;
    case CS_X509_ED25519:
        type = key->kind == CS_X509_PRIVATE_ED25519;
        same = cs_slice_eq(pub->point, key->point);
        break;
    case CS_X509_NO_KEY:
    case CS_X509_DSA:
    default:
        return cs_call_error(call, "tls: unknown public key algorithm");
    }
    if (!type) {
        return cs_call_error(call, "tls: private key type does not match public key type");
    }
    return same ? CS_OK : cs_call_error(call, "tls: private key does not match public key");
}

bool cs_x509__any_certificate(cs_call *call, cs_slice pem)
{
    cs_call quiet = *call;
    cs_pem_block block;
    cs_x509_cert cert;
    quiet.e = NULL;
    while (cs_pem__next(call->arena, &pem, &block)) {
        if (cs_slice_is(block.type, "CERTIFICATE") && cs_x509__read(&quiet, &block.bytes, &cert) == CS_OK) {
            return true;
        }
    }
    return false;
}

cs_err cs_x509__check_pair(cs_call *call, cs_slice cert_pem, cs_slice key_pem)
{
    cs_list ders = {0};
    cs_slice der;
    cs_x509_cert cert;
    cs_x509_private key;
    CS_TRY(pair_certs(call, cert_pem, true, &ders));
    CS_TRY(pair_key(call, key_pem, true, &der));
    cs_slice first = cs_text(ders.v[0]);
    CS_TRY(cs_x509__read(call, &first, &cert));
    CS_TRY(read_any_key(call, der, &key));
    return check_pair(call, &cert.key, &key);
}

cs_err cs_builtin__crypto_x509_parse_keypair(cs_call *call, cs_value *out)
{
    cs_slice cert_text, key_text;
    cs_list ders = {0};
    bool cert_pem, key_pem;
    cs_x509_cert cert;
    cs_x509_private key;
    CS_TRY(cs_call_string(call, 1, &cert_text));
    if (call->args[1].kind != CS_STRING) {
        return cs_call__type_error_of(call, 1, call->args[1], "string"); /* OPA counts so */
    }
    key_text = cs_text(call->args[1]);
    CS_TRY(unwrap(call, cert_text, CS_LIT("-----BEGIN "), &cert_pem, &cert_text));
    CS_TRY(unwrap(call, key_text, CS_LIT("-----BEGIN"), &key_pem, &key_text));
    CS_TRY(pair_certs(call, cert_text, cert_pem, &ders));
    CS_TRY(pair_key(call, key_text, key_pem, &key_text));
    cs_slice first = cs_text(ders.v[0]);
    CS_TRY(cs_x509__read(call, &first, &cert));
    if (first.n) {
        return cs_call_error(call, "x509: trailing data");
    }
    CS_TRY(read_any_key(call, key_text, &key));
    CS_TRY(check_pair(call, &cert.key, &key));
    for (size_t i = 0; i < ders.n; i++) {
        ders.v[i] = cs_x509__bytes_json(call->arena, cs_text(ders.v[i]));
    }
    *out = cs_object_new(call->arena, 6);
    cs_object_put_text(call->arena, *out, "Certificate", cs_list__array(&ders));
    cs_object_put_text(call->arena, *out, "PrivateKey", cs_x509__private_json(call, &key));
    cs_object_put_text(call->arena, *out, "SupportedSignatureAlgorithms", cs_null());
    cs_object_put_text(call->arena, *out, "OCSPStaple", cs_null());
    cs_object_put_text(call->arena, *out, "SignedCertificateTimestamps", cs_null());
    cs_object_put_text(call->arena, *out, "Leaf", cs_x509__json(call, &cert, false));
    return CS_OK;
}
