/* Certificates as Go's encoding/json writes their structs. */
#include "countersign/base/encode.h"
#include "countersign/base/utf8.h"
#include "rego/builtin/ip.h"
#include "rego/builtin/x509.h"

static void put(cs_call *call, cs_value object, const char *name, cs_value v)
{
    cs_object_put_text(call->arena, object, name, v);
}

cs_value cs_x509__bytes_json(cs_arena *a, cs_slice bytes)
{
    return bytes.p ? cs_string(cs_base64_encode(a, bytes, CS_BASE64_STD)) : cs_null();
}

cs_value cs_x509__list_json(const cs_list *list)
{
    return list->n ? cs_list__array(list) : cs_null();
}

cs_value cs_x509__number_json(cs_arena *a, cs_slice bytes)
{
    cs_value out;
    while (bytes.n && *bytes.p == 0) {
        bytes = cs_slice_sub(bytes, 1, bytes.n);
    }
    return bytes.n && cs_number_from_base(a, cs_hex_encode(a, bytes), 16, &out) ? out : cs_int(0);
}

cs_value cs_x509__oid_json(cs_arena *a, cs_slice oid)
{
    size_t n;
    uint64_t *parts = cs_der__oid_parts(a, oid, &n);
    cs_value *items = cs_arena_alloc(a, n * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        items[i] = cs_int((int64_t)parts[i]);
    }
    return cs_array(items, n);
}

/* Text as it is after JSON: bad bytes have become U+FFFD. */
static cs_value text_json(cs_call *call, cs_slice s)
{
    if (cs_utf8_valid(s)) {
        return cs_string(s);
    }
    char *p = cs_arena_alloc(call->arena, s.n * 3);
    size_t n = 0, width;
    for (size_t i = 0; i < s.n; i += width) {
        n += cs_utf8_encode(cs_utf8_decode(s.p + i, s.n - i, &width), p + n);
    }
    return cs_string(cs_slice_make(p, n));
}

static cs_value texts_json(cs_call *call, const cs_list *list)
{
    cs_list out = {0};
    for (size_t i = 0; i < list->n; i++) {
        cs_list__add(call, &out, text_json(call, cs_text(list->v[i])));
    }
    return cs_x509__list_json(&out);
}

/* ------------------------------------------------------------------------------------------------ names */

/* Go's fields by the last number of 2.5.4.*. */
static const struct {
    uint8_t number;
    const char *name;
} fields[] = {{6, "Country"},       {10, "Organization"}, {11, "OrganizationalUnit"}, {7, "Locality"},  {8, "Province"},
              {9, "StreetAddress"}, {17, "PostalCode"},   {5, "SerialNumber"},        {3, "CommonName"}};

void cs_x509__dn_add(cs_call *call, cs_x509_dn *dn, cs_slice oid, cs_value value)
{
    cs_value attribute = cs_object_new(call->arena, 2);
    put(call, attribute, "Type", cs_x509__oid_json(call->arena, oid));
    put(call, attribute, "Value", value);
    cs_list__add(call, &dn->names, attribute);
    if (value.kind != CS_STRING || oid.n != 3 || !cs_slice_starts(oid, CS_LIT("\x55\x04"))) {
        return;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if ((uint8_t)oid.p[2] != fields[i].number) {
            continue;
        }
        if (fields[i].number == 3) {
            dn->common_name = cs_text(value);
        } else if (fields[i].number == 5) {
            dn->serial_number = cs_text(value);
        } else {
            cs_list__add(call, &dn->of[i], value);
        }
    }
}

cs_value cs_x509__dn_json(cs_call *call, const cs_x509_dn *dn)
{
    cs_value out = cs_object_new(call->arena, 11);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        cs_value v = fields[i].number == 3   ? cs_string(dn->common_name)
                     : fields[i].number == 5 ? cs_string(dn->serial_number)
                                             : cs_x509__list_json(&dn->of[i]);
        put(call, out, fields[i].name, v);
    }
    put(call, out, "Names", cs_x509__list_json(&dn->names));
    put(call, out, "ExtraNames", cs_null());
    return out;
}

static cs_value ip_json(cs_call *call, cs_slice bytes)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (bytes.n == 16 && memcmp(bytes.p, mapped, sizeof mapped) == 0) {
        bytes = cs_slice_sub(bytes, 12, 16);
    }
    cs_ip ip = {.bits = (int)bytes.n * 8};
    memcpy(ip.b, bytes.p, bytes.n);
    char text[64];
    size_t n = cs_ip__print(&ip, text);
    return cs_string_copy(call->arena, cs_slice_make(text, n));
}

static cs_value url_json(cs_call *call, const cs_url *u)
{
    cs_value out = cs_object_new(call->arena, 11);
    put(call, out, "Scheme", text_json(call, u->scheme));
    put(call, out, "Opaque", text_json(call, u->opaque));
    put(call, out, "User", u->has_user ? cs_object_new(call->arena, 0) : cs_null());
    put(call, out, "Host", text_json(call, u->host));
    put(call, out, "Path", text_json(call, u->path));
    put(call, out, "Fragment", text_json(call, u->fragment));
    put(call, out, "RawQuery", text_json(call, u->query));
    put(call, out, "RawPath", text_json(call, u->raw_path));
    put(call, out, "RawFragment", text_json(call, u->raw_fragment));
    put(call, out, "ForceQuery", cs_bool(u->force_query));
    put(call, out, "OmitHost", cs_bool(u->omit_host));
    return out;
}

void cs_x509__names_json(cs_call *call, const cs_x509_names *names, cs_value object)
{
    cs_list ips = {0}, uris = {0};
    for (size_t i = 0; i < names->ips.n; i++) {
        cs_list__add(call, &ips, ip_json(call, cs_text(names->ips.v[i])));
    }
    for (size_t i = 0; i < names->uris_n; i++) {
        cs_list__add(call, &uris, url_json(call, &names->uris[i]));
    }
    put(call, object, "DNSNames", cs_x509__list_json(&names->dns));
    put(call, object, "EmailAddresses", cs_x509__list_json(&names->emails));
    put(call, object, "IPAddresses", cs_x509__list_json(&ips));
    put(call, object, "URIs", cs_x509__list_json(&uris));
}

/* ------------------------------------------------------------------------------------------------ the rest */

cs_value cs_x509__extensions_json(cs_call *call, const cs_x509_extension *v, size_t n)
{
    cs_list out = {0};
    for (size_t i = 0; i < n; i++) {
        cs_value one = cs_object_new(call->arena, 3);
        put(call, one, "Id", cs_x509__oid_json(call->arena, v[i].oid));
        put(call, one, "Critical", cs_bool(v[i].critical));
        put(call, one, "Value", cs_x509__bytes_json(call->arena, v[i].value));
        cs_list__add(call, &out, one);
    }
    return cs_x509__list_json(&out);
}

static cs_value ranges_json(cs_call *call, const cs_list *ranges)
{
    cs_list out = {0};
    for (size_t i = 0; i < ranges->n; i++) {
        cs_slice both = cs_text(ranges->v[i]);
        cs_value one = cs_object_new(call->arena, 2);
        put(call, one, "IP", ip_json(call, cs_slice_sub(both, 0, both.n / 2)));
        put(call, one, "Mask", cs_x509__bytes_json(call->arena, cs_slice_sub(both, both.n / 2, both.n)));
        cs_list__add(call, &out, one);
    }
    return cs_x509__list_json(&out);
}

static void put_constraints(cs_call *call, const cs_x509_cert *c, cs_value out)
{
    put(call, out, "PermittedDNSDomainsCritical", cs_bool(c->constraints_critical));
    put(call, out, "PermittedDNSDomains", cs_x509__list_json(&c->permitted.of[CS_X509_DNS]));
    put(call, out, "ExcludedDNSDomains", cs_x509__list_json(&c->excluded.of[CS_X509_DNS]));
    put(call, out, "PermittedIPRanges", ranges_json(call, &c->permitted.of[CS_X509_IP]));
    put(call, out, "ExcludedIPRanges", ranges_json(call, &c->excluded.of[CS_X509_IP]));
    put(call, out, "PermittedEmailAddresses", cs_x509__list_json(&c->permitted.of[CS_X509_EMAIL]));
    put(call, out, "ExcludedEmailAddresses", cs_x509__list_json(&c->excluded.of[CS_X509_EMAIL]));
    put(call, out, "PermittedURIDomains", cs_x509__list_json(&c->permitted.of[CS_X509_URI]));
    put(call, out, "ExcludedURIDomains", cs_x509__list_json(&c->excluded.of[CS_X509_URI]));
}

/* An identifier of any size in dots. */
static cs_value wide_oid_json(cs_call *call, cs_slice oid)
{
    cs_buf text;
    cs_buf_init(&text);
    size_t from = 0;
    for (size_t i = 0; i < oid.n; i++) {
        if ((uint8_t)oid.p[i] >= 0x80) {
            continue;
        }
        cs_slice digits = cs_slice_sub(oid, from, i + 1);
        size_t bits = digits.n * 7, bytes = (bits + 7) / 8;
        uint8_t *number = cs_arena_zalloc(call->arena, bytes + 1);
        for (size_t k = 0; k < bits; k++) { /* bit k from the right */
            unsigned bit = (uint8_t)digits.p[digits.n - 1 - k / 7] >> (k % 7) & 1U;
            number[bytes - 1 - k / 8] |= (uint8_t)(bit << (k % 8));
        }
        cs_value v = cs_x509__number_json(call->arena, cs_slice_make((const char *)number, bytes));
        if (from == 0) {
            int64_t first = 2, small;
            if (cs_number_is_int(v, &small) && small < 80) {
                first = small / 40;
            }
            cs_value rest;
            if (cs_number_arith(call->arena, CS_SUB, v, cs_int(first * 40), &rest, NULL) == CS_OK) {
                v = rest;
            }
            cs_buf_i64(&text, first);
        }
        char room[32];
        cs_buf_byte(&text, '.');
        cs_buf_slice(&text, cs_number_text(v, room));
        from = i + 1;
    }
    cs_value out = cs_string_copy(call->arena, cs_buf_view(&text));
    cs_buf_destroy(&text);
    return out;
}

static void put_policies(cs_call *call, const cs_x509_cert *c, cs_value out)
{
    cs_list ids = {0}, wide = {0}, mappings = {0};
    for (size_t i = 0; i < c->policies.n; i++) {
        cs_slice oid = cs_text(c->policies.v[i]);
        cs_list__add(call, &wide, wide_oid_json(call, oid));
        if (cs_der__oid_valid(oid)) {
            cs_list__add(call, &ids, cs_x509__oid_json(call->arena, oid));
        }
    }
    for (size_t i = 0; i < c->mappings.n; i += 2) {
        cs_value one = cs_object_new(call->arena, 2);
        put(call, one, "IssuerDomainPolicy", wide_oid_json(call, cs_text(c->mappings.v[i])));
        put(call, one, "SubjectDomainPolicy", wide_oid_json(call, cs_text(c->mappings.v[i + 1])));
        cs_list__add(call, &mappings, one);
    }
    put(call, out, "PolicyIdentifiers", c->has_policies ? cs_list__array(&ids) : cs_null());
    put(call, out, "Policies", cs_x509__list_json(&wide));
    put(call, out, "PolicyMappings", cs_x509__list_json(&mappings));
    put(call, out, "InhibitAnyPolicy", cs_int(c->inhibit_any));
    put(call, out, "InhibitAnyPolicyZero", cs_bool(c->inhibit_any_zero));
    put(call, out, "InhibitPolicyMapping", cs_int(c->inhibit_mapping));
    put(call, out, "InhibitPolicyMappingZero", cs_bool(c->inhibit_mapping_zero));
    put(call, out, "RequireExplicitPolicy", cs_int(c->require_explicit));
    put(call, out, "RequireExplicitPolicyZero", cs_bool(c->require_explicit_zero));
}

static void put_uri_strings(cs_call *call, const cs_x509_cert *c, cs_value out)
{
    cs_list texts = {0};
    for (size_t i = 0; i < c->names.uris_n; i++) {
        cs_sink s;
        cs_slice text;
        cs_sink__init(&s, call);
        cs_url__print(&s, &c->names.uris[i]);
        if (cs_sink__slice_done(&s, &text) == CS_OK) {
            cs_list__add(call, &texts, text_json(call, text));
        }
    }
    put(call, out, "URIStrings", cs_x509__list_json(&texts));
}

static void put_body(cs_call *call, const cs_x509_cert *c, cs_value out)
{
    cs_arena *a = call->arena;
    put(call, out, "Raw", cs_x509__bytes_json(a, c->raw));
    put(call, out, "RawTBSCertificate", cs_x509__bytes_json(a, c->tbs));
    put(call, out, "RawSubjectPublicKeyInfo", cs_x509__bytes_json(a, c->spki));
    put(call, out, "RawSubject", cs_x509__bytes_json(a, c->subject));
    put(call, out, "RawIssuer", cs_x509__bytes_json(a, c->issuer));
    put(call, out, "Signature", cs_x509__bytes_json(a, c->signature));
    put(call, out, "SignatureAlgorithm", cs_int(c->signature_alg));
    put(call, out, "PublicKeyAlgorithm", cs_int(c->key.alg));
    put(call, out, "PublicKey", c->key.json);
    put(call, out, "Version", cs_int(c->version));
    put(call, out, "SerialNumber", cs_x509__number_json(a, c->serial));
    put(call, out, "Issuer", c->issuer_name);
    put(call, out, "Subject", c->subject_name);
    put(call, out, "NotBefore", cs_string(cs_der__time_text(a, c->not_before)));
    put(call, out, "NotAfter", cs_string(cs_der__time_text(a, c->not_after)));
    put(call, out, "KeyUsage", cs_int(c->key_usage));
}

cs_value cs_x509__json(cs_call *call, const cs_x509_cert *c, bool uri_strings)
{
    cs_value out = cs_object_new(call->arena, 60);
    put_body(call, c, out);
    put(call, out, "Extensions", cs_x509__extensions_json(call, c->extensions, c->extensions_n));
    put(call, out, "ExtraExtensions", cs_null());
    put(call, out, "UnhandledCriticalExtensions", cs_x509__list_json(&c->unhandled));
    put(call, out, "ExtKeyUsage", cs_x509__list_json(&c->ext_usages));
    put(call, out, "UnknownExtKeyUsage", cs_x509__list_json(&c->other_usages));
    put(call, out, "BasicConstraintsValid", cs_bool(c->basic));
    put(call, out, "IsCA", cs_bool(c->is_ca));
    put(call, out, "MaxPathLen", cs_int(c->max_path));
    put(call, out, "MaxPathLenZero", cs_bool(c->max_path_zero));
    put(call, out, "SubjectKeyId", cs_x509__bytes_json(call->arena, c->subject_key_id));
    put(call, out, "AuthorityKeyId", cs_x509__bytes_json(call->arena, c->authority_key_id));
    put(call, out, "OCSPServer", texts_json(call, &c->ocsp));
    put(call, out, "IssuingCertificateURL", texts_json(call, &c->issuers));
    put(call, out, "CRLDistributionPoints", texts_json(call, &c->crl));
    cs_x509__names_json(call, &c->names, out);
    put_constraints(call, c, out);
    put_policies(call, c, out);
    if (uri_strings) {
        put_uri_strings(call, c, out);
    }
    return out;
}
