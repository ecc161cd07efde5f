/* JSON Web Signatures, compact form (RFC 7515). */
#include "crypto/internal.h"

#include "countersign/base/buf.h"
#include "countersign/base/encode.h"
#include "countersign/json.h"

static cs_err split(cs_slice token, cs_slice part[3], cs_error *e)
{
    if (cs_slice_find_byte(token, '.', 0) == SIZE_MAX) {
        return cs_fail(e, CS_ERR_INVALID, "encoded JWT had no period separators");
    }
    cs_slice rest = token, piece;
    size_t n = 0;
    while (cs_slice_next(&rest, '.', &piece)) {
        if (n < 3) {
            part[n] = piece;
        }
        n++;
    }
    if (n != 3) {
        return cs_fail(e, CS_ERR_INVALID, "encoded JWT must have 3 sections, found %zu", n);
    }
    return CS_OK;
}

static cs_err decode_part(cs_arena *a, cs_slice text, const char *what, cs_slice *out, cs_error *e)
{
    size_t bad = 0;
    /* CR and LF are skipped by the decoder, as Go's does; in a token they have no place. */
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\r' || text.p[i] == '\n') {
            return cs_fail(e, CS_ERR_INVALID, "JWT %s had invalid encoding: illegal base64 data at input byte %zu",
                           what, i);
        }
    }
    if (!cs_base64_decode(a, text, CS_BASE64_URL_NOPAD, out, &bad)) {
        return cs_fail(e, CS_ERR_INVALID, "JWT %s had invalid encoding: illegal base64 data at input byte %zu", what,
                       bad);
    }
    return CS_OK;
}

static cs_slice header_text(cs_value header, const char *name)
{
    const cs_value *v = cs_object_get_text(header, name);
    return v != NULL && cs_is(*v, CS_STRING) ? cs_text(*v) : CS_LIT("");
}

cs_err cs_jws_decode(cs_arena *a, cs_slice token, cs_jws *out, cs_error *e)
{
    cs_slice part[3] = {{0}};
    CS_TRY(split(token, part, e));
    cs_jws jws = {.signed_part = cs_slice_make(token.p, part[0].n + 1 + part[1].n)};
    CS_TRY(decode_part(a, part[0], "header", &jws.header_text, e));
    cs_error inner = {0};
    if (cs_json_read(a, jws.header_text, &(cs_json_options){0}, &jws.header, NULL, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_INVALID, "bad JWT header: invalid JSON: %s", inner.text);
    }
    if (!cs_is(jws.header, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INVALID, "bad JWT header: decoded JSON type was not an Object");
    }
    if (cs_object_get_text(jws.header, "enc") != NULL) {
        return cs_fail(e, CS_ERR_INVALID, "JWT is a JWE object, which is not supported");
    }
    CS_TRY(decode_part(a, part[1], "payload", &jws.payload, e));
    CS_TRY(decode_part(a, part[2], "signature", &jws.signature, e));
    jws.alg = header_text(jws.header, "alg");
    jws.kid = header_text(jws.header, "kid");
    /* No extension is implemented (b64 of RFC 7797 neither), so whatever is marked critical cannot be understood. */
    jws.crit = cs_object_get_text(jws.header, "crit") != NULL || cs_object_get_text(jws.header, "b64") != NULL;
    *out = jws;
    return CS_OK;
}

bool cs_jws_verify(const cs_jws *jws, const cs_key *key, cs_sig_alg alg)
{
    return !jws->crit && cs_slice_is(jws->alg, cs_sig_alg_name(alg)) &&
           cs_verify(key, alg, jws->signed_part, jws->signature);
}

bool cs_jws_verify_set(const cs_jws *jws, const cs_key_set *set, unsigned algs, const cs_key **used)
{
    cs_sig_alg alg;
    if (!cs_sig_alg_find(jws->alg, &alg) || (algs & CS_SIG_BIT(alg)) == 0) {
        return false;
    }
    const cs_key *good = NULL;
    bool named = false;
    for (size_t i = 0; jws->kid.n > 0 && i < set->n && !named; i++) {
        if (cs_slice_eq(cs_key_id(set->v[i]), jws->kid)) {
            named = true;
            bool fits = cs_key_alg(set->v[i]).n == 0 || cs_slice_eq(cs_key_alg(set->v[i]), jws->alg);
            good = fits && cs_jws_verify(jws, set->v[i], alg) ? set->v[i] : NULL;
        }
    }
    for (size_t i = 0; !named && good == NULL && i < set->n; i++) {
        cs_slice own = cs_key_alg(set->v[i]);
        if ((own.n == 0 || cs_slice_eq(own, jws->alg)) && cs_jws_verify(jws, set->v[i], alg)) {
            good = set->v[i];
        }
    }
    if (good != NULL && used != NULL) {
        *used = good;
    }
    return good != NULL;
}

cs_err cs_jws_sign(cs_arena *a, cs_slice header_json, cs_slice payload, const cs_key *key, cs_sig_alg alg,
                   cs_slice *token, cs_error *e)
{
    cs_value header;
    cs_error inner = {0};
    if (cs_json_read(a, header_json, &(cs_json_options){0}, &header, NULL, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_INVALID, "JWS header: %s", inner.text);
    }
    if (!cs_is(header, CS_OBJECT) || !cs_slice_is(header_text(header, "alg"), cs_sig_alg_name(alg))) {
        return cs_fail(e, CS_ERR_INVALID, "JWS header: \"alg\" must be %s", cs_sig_alg_name(alg));
    }
    cs_slice head = cs_base64_encode(a, header_json, CS_BASE64_URL_NOPAD);
    cs_slice body = cs_base64_encode(a, payload, CS_BASE64_URL_NOPAD);
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_slice(&text, head);
    cs_buf_byte(&text, '.');
    cs_buf_slice(&text, body);
    cs_slice signature = {0};
    cs_err err = cs_sign(a, key, alg, cs_buf_view(&text), &signature, e);
    if (err == CS_OK) {
        cs_buf_byte(&text, '.');
        cs_buf_slice(&text, cs_base64_encode(a, signature, CS_BASE64_URL_NOPAD));
        *token = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
    }
    cs_buf_destroy(&text);
    return err;
}
