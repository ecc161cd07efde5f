/* Signatures of webhooks: Standard Webhooks, and for what comes in the older way of signing the body alone. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "webhook.h"

enum { SIGNATURES = 8 }; /* that are looked at in one header */

cs_slice cs_webhook__key(cs_arena *a, cs_slice secret)
{
    cs_slice key;
    if (cs_slice_starts(secret, CS_LIT("whsec_")) &&
        cs_base64_decode(a, cs_slice_sub(secret, 6, secret.n), CS_BASE64_STD, &key, NULL)) {
        return key;
    }
    return secret;
}

static cs_slice content(cs_arena *a, cs_slice id, cs_slice at, cs_slice body)
{
    size_t n = id.n + at.n + body.n + 2;
    char *p = cs_arena_alloc(a, n);
    memcpy(p, id.p, id.n);
    p[id.n] = '.';
    memcpy(p + id.n + 1, at.p, at.n);
    p[id.n + 1 + at.n] = '.';
    if (body.n > 0) {
        memcpy(p + id.n + at.n + 2, body.p, body.n);
    }
    return cs_slice_make(p, n);
}

cs_slice cs_webhook__sign(cs_arena *a, const cs_config_webhook *w, cs_slice id, int64_t unix_s, cs_slice body)
{
    size_t n = 0;
    char *at = cs_arena_printf(a, &n, "%lld", (long long)unix_s);
    cs_slice bytes = content(a, id, cs_slice_make(at, n), body);
    cs_slice all = CS_LIT("");
    for (size_t i = 0; i < w->n_secrets; i++) {
        uint8_t mac[CS_DIGEST_MAX];
        size_t length = cs_hmac(CS_SHA256, cs_webhook__key(a, w->secrets[i]), bytes, mac);
        cs_slice text = cs_base64_encode(a, cs_slice_make((const char *)mac, length), CS_BASE64_STD);
        char *joined = cs_arena_printf(a, &n, "%.*s%sv1,%.*s", CS_FMT(all), i > 0 ? " " : "", CS_FMT(text));
        all = cs_slice_make(joined, n);
    }
    return all;
}

/* ---- what comes in */

static cs_slice header(const cs_webhook_input *in, const char *name)
{
    for (size_t i = 0; i < in->n_headers; i++) {
        if (cs_slice_eq_nocase(in->headers[i].name, cs_slice_of(name))) {
            return in->headers[i].value;
        }
    }
    return CS_LIT("");
}

/* The MAC under each secret, against what was sent: none of them ends the comparing early. */
static bool any_secret(cs_arena *a, const cs_config_webhook *w, cs_slice bytes, const cs_slice *macs, size_t n)
{
    bool good = false;
    for (size_t i = 0; i < w->n_secrets; i++) {
        uint8_t mac[CS_DIGEST_MAX];
        size_t length = cs_hmac(CS_SHA256, cs_webhook__key(a, w->secrets[i]), bytes, mac);
        cs_slice own = {(const char *)mac, length};
        for (size_t k = 0; k < n; k++) {
            bool equal = macs[k].n == own.n && cs_ct_equal(macs[k], own);
            good = good || equal;
        }
    }
    return good;
}

/* Dots would leave open where the id ends; and it goes into logs. */
static bool is_delivery(cs_slice id)
{
    bool good = id.n > 0 && id.n <= CS_WEBHOOK__DELIVERY;
    for (size_t i = 0; good && i < id.n; i++) {
        good = id.p[i] > ' ' && id.p[i] < 0x7f && id.p[i] != '.';
    }
    return good;
}

static bool verify_standard(cs_arena *a, const cs_config_webhook *w, const cs_webhook_input *in, cs_slice signatures,
                            cs_webhook__proof *out)
{
    cs_slice id = header(in, "webhook-id"), at = header(in, "webhook-timestamp");
    cs_slice macs[SIGNATURES], piece;
    size_t n = 0;
    int64_t seconds = 0;
    while (n < SIGNATURES && cs_slice_next(&signatures, ' ', &piece)) {
        cs_slice mac;
        if (cs_slice_starts(piece, CS_LIT("v1,")) &&
            cs_base64_decode(a, cs_slice_sub(piece, 3, piece.n), CS_BASE64_STD, &mac, NULL)) {
            macs[n++] = mac;
        }
    }
    if (!is_delivery(id) || at.n > 12 || !cs_slice_i64(at, &seconds) || seconds <= 0 ||
        seconds > INT64_MAX / CS_NS_PER_S) {
        return false;
    }
    *out = (cs_webhook__proof){.delivery = id, .at_ns = seconds * CS_NS_PER_S};
    return any_secret(a, w, content(a, id, at, in->body), macs, n);
}

/* `timestamp` of the body: milliseconds or seconds since 1970, or RFC 3339. */
static int64_t body_instant(cs_arena *a, cs_slice body)
{
    cs_value v;
    if (cs_json_read(a, body, NULL, &v, NULL, NULL) != CS_OK) {
        return 0;
    }
    int64_t ns = 0, n = cs_approval__whole(v, "timestamp", 0);
    if (n > 0) {
        bool seconds = n < INT64_C(100000000000);
        return n > INT64_MAX / CS_NS_PER_MS ? 0 : n * (seconds ? CS_NS_PER_S : CS_NS_PER_MS);
    }
    return cs_time_parse_rfc3339(cs_approval__text(v, "timestamp"), &ns) ? ns : 0;
}

/* What stands in headers is not signed here: the delivery is known by its body. */
static bool verify_body(cs_arena *a, const cs_config_webhook *w, const cs_webhook_input *in, cs_slice signature,
                        cs_webhook__proof *out)
{
    cs_slice mac;
    if (!cs_slice_starts(signature, CS_LIT("sha256=")) ||
        !cs_hex_decode(a, cs_slice_sub(signature, 7, signature.n), &mac, NULL) ||
        !any_secret(a, w, in->body, &mac, 1)) {
        return false;
    }
    size_t n = 0;
    char *id = cs_arena_printf(a, &n, "body-%.*s", CS_FMT(cs_digest_hex(a, CS_SHA256, in->body)));
    *out = (cs_webhook__proof){.delivery = cs_slice_make(id, n), .at_ns = body_instant(a, in->body)};
    return true;
}

bool cs_webhook__verify(cs_arena *a, const cs_config_webhook *w, const cs_webhook_input *input, cs_webhook__proof *out)
{
    cs_slice standard = header(input, "webhook-signature");
    if (standard.n > 0) {
        return verify_standard(a, w, input, standard, out);
    }
    cs_slice hub = header(input, "x-hub-signature");
    hub = hub.n > 0 ? hub : header(input, "x-hub-signature-256");
    return hub.n > 0 && verify_body(a, w, input, hub, out);
}
