/* The extensions of certificates that Go knows. */
#include "countersign/base/encode.h"
#include "rego/builtin/ip.h"
#include "rego/builtin/x509.h"

static cs_err bad(cs_call *call, const char *what)
{
    return cs_call_error(call, "x509: %s", what);
}

/* `before` "text"`after` */
static cs_err bad_text(cs_call *call, const char *before, cs_slice text, const char *after)
{
    cs_sink s;
    cs_slice quoted;
    cs_sink__init(&s, call);
    cs_sink__quote(&s, text);
    CS_TRY(cs_sink__slice_done(&s, &quoted));
    return cs_call_error(call, "x509: %s%.*s%s", before, CS_FMT(quoted), after);
}

static bool ascii(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((uint8_t)s.p[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static void add_text(cs_call *call, cs_list *list, cs_slice s)
{
    cs_list__add(call, list, cs_string(s));
}

/* ------------------------------------------------------------------------------------------------ names */

static cs_err read_uri(cs_call *call, cs_slice text, cs_x509_names *out)
{
    if (!ascii(text)) {
        return bad(call, "SAN uniformResourceIdentifier is malformed");
    }
    cs_url url;
    cs_error e;
    cs_call inner = *call;
    inner.e = &e;
    if (cs_url__parse(&inner, text, &url) != CS_OK) {
        return bad_text(call, "cannot parse URI ", text, cs_arena_printf(call->arena, NULL, ": %s", e.text));
    }
    if (url.host.n && !cs_x509__domain_valid(url.host, false)) {
        return bad_text(call, "cannot parse URI ", text, ": invalid domain");
    }
    if ((out->uris_n & (out->uris_n - 1)) == 0) { /* full: every power of two */
        cs_url *more = cs_arena_alloc(call->arena, (out->uris_n ? out->uris_n * 2 : 1) * sizeof *more);
        if (out->uris_n) {
            memcpy(more, out->uris, out->uris_n * sizeof *more);
        }
        out->uris = more;
    }
    out->uris[out->uris_n++] = url;
    return CS_OK;
}

cs_err cs_x509__read_names(cs_call *call, cs_slice value, cs_x509_names *out)
{
    uint8_t tag;
    cs_slice name;
    memset(out, 0, sizeof *out);
    if (!cs_der__take(&value, CS_DER_SEQUENCE, &value)) {
        return bad(call, "invalid subject alternative names");
    }
    while (value.n) {
        if (!cs_der__any(&value, &tag, &name, NULL)) {
            return bad(call, "invalid subject alternative name");
        }
        switch (tag) {
        case CS_DER_CONTEXT(1):
            if (!ascii(name)) {
                return bad(call, "SAN rfc822Name is malformed");
            }
            add_text(call, &out->emails, name);
            break;
        case CS_DER_CONTEXT(2):
            if (!ascii(name)) {
                return bad(call, "SAN dNSName is malformed");
            }
            add_text(call, &out->dns, name);
            break;
        case CS_DER_CONTEXT(6):
            CS_TRY(read_uri(call, name, out));
            break;
        case CS_DER_CONTEXT(7):
            if (name.n != 4 && name.n != 16) {
                return cs_call_error(call, "x509: cannot parse IP address of length %zu", name.n);
            }
            add_text(call, &out->ips, name);
            break;
        default:
            break;
        }
    }
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ constraints */

static bool mask_valid(cs_slice mask)
{
    bool ended = false;
    for (size_t i = 0; i < mask.n; i++) {
        uint8_t b = (uint8_t)mask.p[i], low = (uint8_t)~b;
        if ((ended && b) || (low & (low + 1U))) { /* ones, then zeros */
            return false;
        }
        ended = b != 0xFF;
    }
    return true;
}

static cs_err read_ip_constraint(cs_call *call, cs_slice v, cs_list *list)
{
    if (v.n != 8 && v.n != 32) {
        return cs_call_error(call, "x509: IP constraint contained value of length %zu", v.n);
    }
    cs_slice mask = cs_slice_sub(v, v.n / 2, v.n);
    if (!mask_valid(mask)) {
        return cs_call_error(call, "x509: IP constraint contained invalid mask %.*s",
                             CS_FMT(cs_hex_encode(call->arena, mask)));
    }
    add_text(call, list, v);
    return CS_OK;
}

static cs_err read_text_constraint(cs_call *call, int kind, cs_slice v, cs_list *list)
{
    if (!ascii(v)) {
        return bad_text(call, "invalid constraint value: x509: ", v, " cannot be encoded as an IA5String");
    }
    cs_ip ip;
    cs_x509_mailbox mailbox;
    bool exact = kind == CS_X509_EMAIL && cs_slice_find_byte(v, '@', 0) != SIZE_MAX;
    if (kind == CS_X509_URI && cs_ip__parse(v, &ip)) {
        return bad_text(call, "failed to parse URI constraint ", v, ": cannot be IP address");
    }
    if (exact ? !cs_x509__mailbox(call->arena, v, &mailbox) : !cs_x509__domain_valid(v, true)) {
        return bad_text(call,
                        kind == CS_X509_DNS     ? "failed to parse dnsName constraint "
                        : kind == CS_X509_EMAIL ? "failed to parse rfc822Name constraint "
                                                : "failed to parse URI constraint ",
                        v, "");
    }
    add_text(call, list, v);
    return CS_OK;
}

static cs_err read_subtrees(cs_call *call, cs_slice s, cs_x509_constraints *out, bool *unhandled)
{
    cs_slice tree, v;
    uint8_t tag;
    while (s.n) {
        if (!cs_der__take(&s, CS_DER_SEQUENCE, &tree) || !cs_der__any(&tree, &tag, &v, NULL)) {
            return bad(call, "invalid NameConstraints extension");
        }
        switch (tag) {
        case CS_DER_CONTEXT(1):
            CS_TRY(read_text_constraint(call, CS_X509_EMAIL, v, &out->of[CS_X509_EMAIL]));
            break;
        case CS_DER_CONTEXT(2):
            CS_TRY(read_text_constraint(call, CS_X509_DNS, v, &out->of[CS_X509_DNS]));
            break;
        case CS_DER_CONTEXT(6):
            CS_TRY(read_text_constraint(call, CS_X509_URI, v, &out->of[CS_X509_URI]));
            break;
        case CS_DER_CONTEXT(7):
            CS_TRY(read_ip_constraint(call, v, &out->of[CS_X509_IP]));
            break;
        default:
            *unhandled = true;
        }
    }
    return CS_OK;
}

static cs_err read_constraints(cs_call *call, cs_x509_cert *c, const cs_x509_extension *x, bool *unhandled)
{
    cs_slice outer = x->value, inside, permitted = {"", 0}, excluded = {"", 0};
    bool has_permitted, has_excluded;
    if (!cs_der__take(&outer, CS_DER_SEQUENCE, &inside) || outer.n ||
        !cs_der__optional(&inside, CS_DER_CONTEXT_IN(0), &has_permitted, &permitted) ||
        !cs_der__optional(&inside, CS_DER_CONTEXT_IN(1), &has_excluded, &excluded) || inside.n) {
        return bad(call, "invalid NameConstraints extension");
    }
    if (!permitted.n && !excluded.n) {
        return bad(call, "empty name constraints extension");
    }
    CS_TRY(read_subtrees(call, permitted, &c->permitted, unhandled));
    CS_TRY(read_subtrees(call, excluded, &c->excluded, unhandled));
    c->constraints_critical = x->critical;
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ the others */

static cs_err read_key_usage(cs_call *call, cs_slice v, int *out)
{
    cs_der_bits bits;
    if (!cs_der__bit_string(&v, &bits)) {
        return bad(call, "invalid key usage");
    }
    for (size_t i = 0; i < 9 && i < bits.bits; i++) {
        if ((uint8_t)bits.bytes.p[i / 8] >> (7 - i % 8) & 1) {
            *out |= 1 << i;
        }
    }
    return CS_OK;
}

static cs_err read_basic(cs_call *call, cs_slice v, cs_x509_cert *c)
{
    c->max_path = -1;
    if (!cs_der__take(&v, CS_DER_SEQUENCE, &v) || (cs_der__peek(v, CS_DER_BOOLEAN) && !cs_der__bool(&v, &c->is_ca))) {
        return bad(call, "invalid basic constraints");
    }
    if (cs_der__peek(v, CS_DER_INTEGER) && (!cs_der__int64(&v, CS_DER_INTEGER, &c->max_path) || c->max_path < 0)) {
        return bad(call, "invalid basic constraints");
    }
    c->basic = true;
    c->max_path_zero = c->max_path == 0;
    return CS_OK;
}

static cs_err read_crl_point(cs_call *call, cs_slice point, cs_list *out)
{
    cs_slice name, uri;
    bool found;
    if (!cs_der__optional(&point, CS_DER_CONTEXT_IN(0), &found, &name) ||
        (found && !cs_der__take(&name, CS_DER_CONTEXT_IN(0), &name))) {
        return bad(call, "invalid CRL distribution point");
    }
    while (found && cs_der__peek(name, CS_DER_CONTEXT(6))) {
        if (!cs_der__take(&name, CS_DER_CONTEXT(6), &uri)) {
            return bad(call, "invalid CRL distribution point");
        }
        add_text(call, out, uri);
    }
    return CS_OK;
}

static cs_err read_crl(cs_call *call, cs_slice v, cs_x509_cert *c)
{
    cs_slice point;
    if (!cs_der__take(&v, CS_DER_SEQUENCE, &v)) {
        return bad(call, "invalid CRL distribution points");
    }
    while (v.n) {
        if (!cs_der__take(&v, CS_DER_SEQUENCE, &point)) {
            return bad(call, "invalid CRL distribution point");
        }
        CS_TRY(read_crl_point(call, point, &c->crl));
    }
    return CS_OK;
}

static cs_err read_authority_key(cs_call *call, const cs_x509_extension *x, cs_x509_cert *c)
{
    cs_slice v = x->value;
    bool found;
    if (x->critical) {
        return bad(call, "authority key identifier incorrectly marked critical");
    }
    if (!cs_der__take(&v, CS_DER_SEQUENCE, &v) ||
        !cs_der__optional(&v, CS_DER_CONTEXT(0), &found, &c->authority_key_id)) {
        return bad(call, "invalid authority key identifier");
    }
    return CS_OK;
}

static cs_err read_policy_constraints(cs_call *call, cs_slice v, cs_x509_cert *c)
{
    const char *wrong = "invalid policy constraints extension";
    if (!cs_der__take(&v, CS_DER_SEQUENCE, &v)) {
        return bad(call, wrong);
    }
    if (cs_der__peek(v, CS_DER_CONTEXT(0))) {
        if (!cs_der__int64(&v, CS_DER_CONTEXT(0), &c->require_explicit)) {
            return bad(call, wrong);
        }
        c->require_explicit_zero = c->require_explicit == 0;
    }
    if (cs_der__peek(v, CS_DER_CONTEXT(1))) {
        if (!cs_der__int64(&v, CS_DER_CONTEXT(1), &c->inhibit_mapping)) {
            return bad(call, wrong);
        }
        c->inhibit_mapping_zero = c->inhibit_mapping == 0;
    }
    return CS_OK;
}

/* Go's number of a usage, -1 if it is not known. */
static int usage_number(cs_slice oid)
{
    const cs_slice kp = CS_LIT("\x2B\x06\x01\x05\x05\x07\x03");
    const struct {
        cs_slice oid;
        int number;
    } others[] = {{CS_LIT("\x55\x1D\x25\x00"), 0},
                  {CS_LIT("\x2B\x06\x01\x04\x01\x82\x37\x0A\x03\x03"), 10},
                  {CS_LIT("\x60\x86\x48\x01\x86\xF8\x42\x04\x01"), 11},
                  {CS_LIT("\x2B\x06\x01\x04\x01\x82\x37\x02\x01\x16"), 12},
                  {CS_LIT("\x2B\x06\x01\x04\x01\x82\x37\x3D\x01\x01"), 13}};
    if (oid.n == kp.n + 1 && cs_slice_starts(oid, kp) && oid.p[kp.n] >= 1 && oid.p[kp.n] <= 9) {
        return oid.p[kp.n];
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (cs_slice_eq(oid, others[i].oid)) {
            return others[i].number;
        }
    }
    return -1;
}

static cs_err read_ext_usage(cs_call *call, cs_slice v, cs_x509_cert *c)
{
    cs_slice oid;
    if (!cs_der__take(&v, CS_DER_SEQUENCE, &v)) {
        return bad(call, "invalid extended key usages");
    }
    while (v.n) {
        if (!cs_der__oid(&v, &oid)) {
            return bad(call, "invalid extended key usages");
        }
        int number = usage_number(oid);
        if (number >= 0) {
            cs_list__add(call, &c->ext_usages, cs_int(number));
        } else {
            cs_list__add(call, &c->other_usages, cs_x509__oid_json(call->arena, oid));
        }
    }
    return CS_OK;
}

static cs_err read_subject_key(cs_call *call, const cs_x509_extension *x, cs_x509_cert *c)
{
    cs_slice v = x->value;
    if (x->critical) {
        return bad(call, "subject key identifier incorrectly marked critical");
    }
    return cs_der__take(&v, CS_DER_OCTET_STRING, &c->subject_key_id) ? CS_OK
                                                                     : bad(call, "invalid subject key identifier");
}

/* An identifier whose parts may be of any size. */
static bool wide_oid_valid(cs_slice oid)
{
    bool begins = true;
    for (size_t i = 0; i < oid.n; i++) {
        if (begins && (uint8_t)oid.p[i] == 0x80) {
            return false;
        }
        begins = (uint8_t)oid.p[i] < 0x80;
    }
    return oid.n > 0 && begins;
}

static cs_err read_policies(cs_call *call, cs_slice v, cs_x509_cert *c)
{
    cs_slice policy, oid;
    cs_value seen = cs_set_new(call->arena, 0);
    if (!cs_der__take(&v, CS_DER_SEQUENCE, &v)) {
        return bad(call, "invalid certificate policies");
    }
    c->has_policies = true;
    while (v.n) {
        if (!cs_der__take(&v, CS_DER_SEQUENCE, &policy) || !cs_der__take(&policy, CS_DER_OID, &oid) ||
            !cs_set_add(call->arena, seen, cs_string(oid)) || !wide_oid_valid(oid)) {
            return bad(call, "invalid certificate policies");
        }
        add_text(call, &c->policies, oid);
    }
    return CS_OK;
}

static cs_err read_mappings(cs_call *call, cs_slice v, cs_x509_cert *c)
{
    cs_slice pair, issuer, subject;
    if (!cs_der__take(&v, CS_DER_SEQUENCE, &v)) {
        return bad(call, "invalid policy mappings extension");
    }
    while (v.n) {
        if (!cs_der__take(&v, CS_DER_SEQUENCE, &pair) || !cs_der__take(&pair, CS_DER_OID, &issuer) ||
            !cs_der__take(&pair, CS_DER_OID, &subject)) {
            return bad(call, "invalid policy mappings extension");
        }
        add_text(call, &c->mappings, issuer);
        add_text(call, &c->mappings, subject);
    }
    return CS_OK;
}

static cs_err read_access(cs_call *call, const cs_x509_extension *x, cs_x509_cert *c)
{
    cs_slice v = x->value, one, method, uri;
    if (x->critical) {
        return bad(call, "authority info access incorrectly marked critical");
    }
    if (!cs_der__take(&v, CS_DER_SEQUENCE, &v)) {
        return bad(call, "invalid authority info access");
    }
    while (v.n) {
        if (!cs_der__take(&v, CS_DER_SEQUENCE, &one) || !cs_der__oid(&one, &method)) {
            return bad(call, "invalid authority info access");
        }
        if (!cs_der__peek(one, CS_DER_CONTEXT(6))) {
            continue;
        }
        if (!cs_der__take(&one, CS_DER_CONTEXT(6), &uri)) {
            return bad(call, "invalid authority info access");
        }
        if (cs_slice_eq(method, CS_LIT("\x2B\x06\x01\x05\x05\x07\x30\x01"))) {
            add_text(call, &c->ocsp, uri);
        } else if (cs_slice_eq(method, CS_LIT("\x2B\x06\x01\x05\x05\x07\x30\x02"))) {
            add_text(call, &c->issuers, uri);
        }
    }
    return CS_OK;
}

/* Those of 2.5.29.*, by their last number. */
static cs_err read_known(cs_call *call, const cs_x509_extension *x, cs_x509_cert *c, bool *unhandled)
{
    cs_slice v = x->value;
    switch (x->oid.p[2]) {
    case 14:
        return read_subject_key(call, x, c);
    case 15:
        return read_key_usage(call, v, &c->key_usage);
    case 17:
        CS_TRY(cs_x509__read_names(call, v, &c->names));
        *unhandled = !c->names.dns.n && !c->names.emails.n && !c->names.ips.n && !c->names.uris_n;
        return CS_OK;
    case 19:
        return read_basic(call, v, c);
    case 30:
        return read_constraints(call, c, x, unhandled);
    case 31:
        return read_crl(call, v, c);
    case 32:
        return read_policies(call, v, c);
    case 33:
        return read_mappings(call, v, c);
    case 35:
        return read_authority_key(call, x, c);
    case 36:
        return read_policy_constraints(call, v, c);
    case 37:
        return read_ext_usage(call, v, c);
    case 54:
        if (!cs_der__int64(&v, CS_DER_INTEGER, &c->inhibit_any)) {
            return bad(call, "invalid inhibit any policy extension");
        }
        c->inhibit_any_zero = c->inhibit_any == 0;
        return CS_OK;
    default:
        *unhandled = true;
        return CS_OK;
    }
}

cs_err cs_x509__read_extensions(cs_call *call, cs_x509_cert *cert)
{
    for (size_t i = 0; i < cert->extensions_n; i++) {
        const cs_x509_extension *x = &cert->extensions[i];
        bool unhandled = false;
        if (x->oid.n == 3 && cs_slice_starts(x->oid, CS_LIT("\x55\x1D"))) {
            CS_TRY(read_known(call, x, cert, &unhandled));
        } else if (cs_slice_eq(x->oid, CS_LIT("\x2B\x06\x01\x05\x05\x07\x01\x01"))) {
            CS_TRY(read_access(call, x, cert));
        } else {
            unhandled = true;
        }
        if (x->critical && unhandled) {
            cs_list__add(call, &cert->unhandled, cs_x509__oid_json(call->arena, x->oid));
        }
    }
    return CS_OK;
}
