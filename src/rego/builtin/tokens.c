/* io.jwt.*: JSON Web Tokens. Signatures are checked by countersign/crypto.h; here are OPA's rules around them. */
#include "countersign/base/encode.h"
#include "countersign/base/mem.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "rego/builtin/cache.h"
#include "rego/builtin/internal.h"

/* Tokens inside of tokens. */
#define DEEPEST_NESTING 32

typedef struct token {
    cs_slice part[3]; /* as they stand */
    cs_slice signed_part;
    cs_value header;
    cs_slice alg, kid, cty;
} token;

/* ------------------------------------------------------------------------------------------------ taking apart */

/* base64url with padding or without; `before` goes in front of the error. */
static cs_err decode_part(cs_call *call, cs_slice text, const char *before, cs_slice *out)
{
    size_t bad = 0;
    bool padded = text.n && text.p[text.n - 1] == '=';
    if (!padded && text.n % 4 == 1) {
        return cs_call_error(call, "%sillegal base64url string: %.*s", before, CS_FMT(text));
    }
    if (!cs_base64_decode(call->arena, text, padded ? CS_BASE64_URL : CS_BASE64_URL_NOPAD, out, &bad)) {
        return cs_call_error(call, "%sillegal base64 data at input byte %zu", before, bad);
    }
    return CS_OK;
}

/* JSON text that must be an object. */
static cs_err read_object(cs_call *call, cs_slice text, const char *before, cs_value *out)
{
    cs_error e;
    cs_json_options options = {.borrow = true};
    if (cs_json_read(call->arena, text, &options, out, NULL, &e) != CS_OK) {
        bool ended = strcmp(e.text, "unexpected end of JSON input") == 0;
        return cs_call_error(call, "%sinvalid JSON: %s", before,
                             !ended                  ? e.text
                             : cs_slice_trim(text).n ? "unexpected EOF"
                                                     : "EOF");
    }
    return out->kind == CS_OBJECT ? CS_OK : cs_call_error(call, "%sdecoded JSON type was not an Object", before);
}

static cs_err split(cs_call *call, cs_slice text, token *out)
{
    if (cs_slice_find_byte(text, '.', 0) == SIZE_MAX) {
        return cs_call_error(call, "encoded JWT had no period separators");
    }
    cs_slice rest = text;
    size_t n = 0;
    for (size_t at = 0; at != SIZE_MAX; n++) {
        at = cs_slice_find_byte(rest, '.', 0);
        cs_slice piece = cs_slice_sub(rest, 0, at == SIZE_MAX ? rest.n : at);
        if (n < 3) {
            out->part[n] = piece;
        }
        rest = cs_slice_sub(rest, at == SIZE_MAX ? rest.n : at + 1, rest.n);
    }
    if (n != 3) {
        return cs_call_error(call, "encoded JWT must have 3 sections, found %zu", n);
    }
    out->signed_part = cs_slice_make(text.p, out->part[0].n + 1 + out->part[1].n);
    return CS_OK;
}

static cs_err decode_header(cs_call *call, token *t)
{
    cs_slice text;
    CS_TRY(decode_part(call, t->part[0], "JWT header had invalid encoding: ", &text));
    CS_TRY(read_object(call, text, "bad JWT header: ", &t->header));
    if (cs_object_get_text(t->header, "enc")) {
        return cs_call_error(call, "JWT is a JWE object, which is not supported");
    }
    return CS_OK;
}

/* A member of the header that must be a string if it is there. */
static cs_err header_string(cs_call *call, const token *t, const char *name, cs_slice *out)
{
    const cs_value *v = cs_object_get_text(t->header, name);
    *out = (cs_slice){"", 0};
    if (v && v->kind != CS_STRING) {
        return cs_call_error(call, "%s: must be a string", name);
    }
    if (v) {
        *out = cs_text(*v);
    }
    return CS_OK;
}

/* "crit" names members that must be understood. *known is false if one of them is there and is not. */
static cs_err check_critical(cs_call *call, const token *t, bool *known)
{
    static const char *const understood[] = {"alg", "kid", "typ", "cty", "crit"};
    const cs_value *crit = cs_object_get_text(t->header, "crit");
    *known = true;
    if (!crit) {
        return CS_OK;
    }
    if (crit->kind != CS_ARRAY) {
        return cs_call_error(call, "crit: must be a list");
    }
    uint32_t n = 0;
    while (n < crit->n && crit->u.items[n].kind == CS_STRING) {
        cs_slice name = cs_text(crit->u.items[n]);
        bool is_known = !cs_object_get(t->header, crit->u.items[n]);
        for (size_t i = 0; i < sizeof understood / sizeof *understood; i++) {
            is_known = is_known || cs_slice_is(name, understood[i]);
        }
        *known = *known && is_known;
        n++;
    }
    return n ? CS_OK : cs_call_error(call, "crit: must be a nonempty list");
}

static cs_err read_header(cs_call *call, token *t, bool *valid)
{
    cs_slice typ;
    CS_TRY(header_string(call, t, "alg", &t->alg));
    CS_TRY(check_critical(call, t, valid));
    CS_TRY(header_string(call, t, "cty", &t->cty));
    CS_TRY(header_string(call, t, "kid", &t->kid));
    CS_TRY(header_string(call, t, "typ", &typ));
    *valid = *valid && t->alg.n > 0;
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ decode */

static cs_slice trim_quotes(cs_slice s)
{
    while (s.n && (*s.p == '"' || *s.p == '\'')) {
        s = cs_slice_sub(s, 1, s.n);
    }
    while (s.n && (s.p[s.n - 1] == '"' || s.p[s.n - 1] == '\'')) {
        s.n--;
    }
    return s;
}

cs_err cs_builtin__io_jwt_decode(cs_call *call, cs_value *out)
{
    cs_slice text, payload, signature;
    CS_TRY(cs_call_string(call, 1, &text));
    for (int depth = 0; depth < DEEPEST_NESTING; depth++) {
        token t;
        CS_TRY(split(call, text, &t));
        CS_TRY(decode_header(call, &t));
        CS_TRY(decode_part(call, t.part[1], "JWT payload had invalid encoding: ", &payload));
        const cs_value *cty = cs_object_get_text(t.header, "cty");
        if (cty && cty->kind == CS_STRING && cs_slice_is(cs_text(*cty), "JWT")) {
            text = trim_quotes(payload);
            continue;
        }
        cs_value *items = cs_arena_alloc(call->arena, 3 * sizeof *items);
        items[0] = t.header;
        CS_TRY(read_object(call, payload, "", &items[1]));
        CS_TRY(decode_part(call, t.part[2], "JWT signature had invalid encoding: ", &signature));
        items[2] = cs_string(cs_hex_encode(call->arena, signature));
        return cs_call__give(out, cs_array(items, 3));
    }
    return cs_call_error(call, "encoded JWT is nested too deeply");
}

/* ------------------------------------------------------------------------------------------------ keys */

static void free_keys(void *object)
{
    cs_key_set_destroy(object);
    cs_free(object);
}

static cs_err make_keys(void *context, cs_slice text, void **object)
{
    cs_call *call = context;
    cs_key_set *set = cs_alloc(sizeof *set);
    cs_error e;
    cs_key_set_init(set);
    if (cs_key_set_from_text(text, set, &e) != CS_OK) {
        free_keys(set);
        return cs_call_error(call, "%s", e.text);
    }
    *object = set;
    return CS_OK;
}

/* Keys of a certificate, a public key or a JWK (set); good until the next look-up in the cache. */
static cs_err keys_of(cs_call *call, cs_slice text, const cs_key_set **out)
{
    void *object;
    CS_TRY(cs_cache__get(CS_CACHED_KEYS, text, make_keys, call, free_keys, &object));
    *out = object;
    return CS_OK;
}

/* The key that the token names by its id alone, if there is one; else every key that is for no certain algorithm, or
 * for the token's. */
static bool verified_by(const cs_key_set *set, const token *t, cs_sig_alg alg, cs_slice signature)
{
    for (size_t i = 0; t->kid.n && i < set->n; i++) {
        if (cs_slice_eq(cs_key_id(set->v[i]), t->kid)) {
            return cs_verify(set->v[i], alg, t->signed_part, signature);
        }
    }
    for (size_t i = 0; i < set->n; i++) {
        cs_slice own = cs_key_alg(set->v[i]);
        if ((own.n == 0 || cs_slice_eq(own, t->alg)) && cs_verify(set->v[i], alg, t->signed_part, signature)) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------ verify_* */

static cs_err verify_public(cs_call *call, cs_sig_alg alg, cs_value *out)
{
    token t;
    cs_slice text, key, signature;
    const cs_key_set *set;
    bool valid;
    CS_TRY(cs_call_string(call, 1, &text));
    CS_TRY(split(call, text, &t));
    CS_TRY(cs_call_string(call, 2, &key));
    CS_TRY(keys_of(call, key, &set));
    CS_TRY(decode_part(call, t.part[2], "", &signature));
    CS_TRY(decode_header(call, &t));
    CS_TRY(read_header(call, &t, &valid));
    return cs_call__give(out, cs_bool(verified_by(set, &t, alg, signature)));
}

static cs_err verify_secret(cs_call *call, cs_digest_alg alg, cs_value *out)
{
    token t;
    cs_slice text, secret, signature;
    uint8_t mac[CS_DIGEST_MAX];
    CS_TRY(cs_call_string(call, 1, &text));
    CS_TRY(cs_call_string(call, 2, &secret));
    CS_TRY(split(call, text, &t));
    CS_TRY(decode_part(call, t.part[2], "", &signature));
    size_t n = cs_hmac(alg, secret, t.signed_part, mac);
    bool good = signature.n == n && cs_ct_equal(signature, cs_slice_make((const char *)mac, n));
    return cs_call__give(out, cs_bool(good));
}

cs_err cs_builtin__io_jwt_verify_rs256(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_RS256, out);
}

cs_err cs_builtin__io_jwt_verify_rs384(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_RS384, out);
}

cs_err cs_builtin__io_jwt_verify_rs512(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_RS512, out);
}

cs_err cs_builtin__io_jwt_verify_ps256(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_PS256, out);
}

cs_err cs_builtin__io_jwt_verify_ps384(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_PS384, out);
}

cs_err cs_builtin__io_jwt_verify_ps512(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_PS512, out);
}

cs_err cs_builtin__io_jwt_verify_es256(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_ES256, out);
}

cs_err cs_builtin__io_jwt_verify_es384(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_ES384, out);
}

cs_err cs_builtin__io_jwt_verify_es512(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_ES512, out);
}

cs_err cs_builtin__io_jwt_verify_eddsa(cs_call *call, cs_value *out)
{
    return verify_public(call, CS_EDDSA, out);
}

cs_err cs_builtin__io_jwt_verify_hs256(cs_call *call, cs_value *out)
{
    return verify_secret(call, CS_SHA256, out);
}

cs_err cs_builtin__io_jwt_verify_hs384(cs_call *call, cs_value *out)
{
    return verify_secret(call, CS_SHA384, out);
}

cs_err cs_builtin__io_jwt_verify_hs512(cs_call *call, cs_value *out)
{
    return verify_secret(call, CS_SHA512, out);
}

/* ------------------------------------------------------------------------------------------------ decode_verify */

typedef struct constraints {
    cs_slice cert, secret, alg, iss, aud;
    bool has_cert;
    double time; /* nanoseconds */
} constraints;

static cs_err read_time(cs_call *call, cs_value v, double *out)
{
    if (v.kind != CS_NUMBER) {
        return cs_call_error(call, "token time constraint: must be a number");
    }
    *out = cs_number_double(v);
    return *out < 0 ? cs_call_error(call, "token time constraint: must not be negative") : CS_OK;
}

static cs_err read_constraint(cs_call *call, cs_value key, cs_value v, constraints *c)
{
    struct {
        const char *name;
        cs_slice *where;
    } texts[] = {{"cert", &c->cert}, {"secret", &c->secret}, {"alg", &c->alg}, {"iss", &c->iss}, {"aud", &c->aud}};
    cs_slice name = key.kind == CS_STRING ? cs_text(key) : CS_LIT("");
    if (cs_slice_is(name, "time")) {
        return read_time(call, v, &c->time);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!cs_slice_is(name, texts[i].name)) {
            continue;
        }
        if (v.kind != CS_STRING) {
            return cs_call_error(call, "%s constraint: must be a string", texts[i].name);
        }
        *texts[i].where = cs_text(v);
        if (i == 0) {
            const cs_key_set *set;
            c->has_cert = true;
            return keys_of(call, c->cert, &set);
        }
        return CS_OK;
    }
    return cs_call_error(call, "unknown token validation constraint: %.*s", CS_FMT(name));
}

static cs_err read_constraints(cs_call *call, cs_value object, constraints *c)
{
    *c = (constraints){.cert = {"", 0}, .secret = {"", 0}, .alg = {"", 0}, .iss = {"", 0}, .aud = {"", 0}, .time = -1};
    for (uint32_t i = 0; i < cs_count(object); i++) {
        cs_value v, key = cs_entry(object, i, &v);
        CS_TRY(read_constraint(call, key, v, c));
    }
    if (c->time < 0) {
        c->time = (double)cs_builtin_now(call->state);
    }
    if (c->has_cert && c->secret.n) {
        return cs_call_error(call, "duplicate key constraints");
    }
    return c->has_cert || c->secret.n ? CS_OK : cs_call_error(call, "no key constraint");
}

static cs_err check_signature(cs_call *call, const constraints *c, const token *t, bool *good)
{
    cs_slice signature;
    cs_sig_alg alg;
    CS_TRY(decode_part(call, t->part[2], "", &signature));
    *good = false;
    if (!cs_sig_alg_find(t->alg, &alg)) {
        return CS_OK;
    }
    if (c->has_cert) {
        const cs_key_set *set;
        CS_TRY(keys_of(call, c->cert, &set));
        *good = verified_by(set, t, alg, signature);
    } else if (CS_SIG_SECRET & CS_SIG_BIT(alg)) {
        cs_key *key = cs_key_secret(c->secret);
        *good = cs_verify(key, alg, t->signed_part, signature);
        cs_key_release(key);
    }
    return CS_OK;
}

static bool audience_fits(const constraints *c, cs_value payload)
{
    const cs_value *aud = cs_object_get_text(payload, "aud");
    if (!aud) {
        return c->aud.n == 0;
    }
    if (aud->kind == CS_STRING) {
        return cs_slice_eq(cs_text(*aud), c->aud);
    }
    for (uint32_t i = 0; aud->kind == CS_ARRAY && i < aud->n; i++) {
        if (aud->u.items[i].kind == CS_STRING && cs_slice_eq(cs_text(aud->u.items[i]), c->aud)) {
            return true;
        }
    }
    return false;
}

static cs_err check_claims(cs_call *call, const constraints *c, cs_value payload, bool *good)
{
    const cs_value *iss = cs_object_get_text(payload, "iss"), *exp = cs_object_get_text(payload, "exp"),
                   *nbf = cs_object_get_text(payload, "nbf");
    *good = false;
    if (c->iss.n && !(iss && iss->kind == CS_STRING && cs_slice_eq(cs_text(*iss), c->iss))) {
        return CS_OK;
    }
    if (!audience_fits(c, payload)) {
        return CS_OK;
    }
    cs_value now = cs_number_from_double(call->arena, c->time / 1e9);
    if (exp) {
        if (exp->kind != CS_NUMBER) {
            return cs_call_error(call, "exp value must be a number");
        }
        if (cs_number_compare(now, *exp) >= 0) {
            return CS_OK;
        }
    }
    if (nbf) {
        if (nbf->kind != CS_NUMBER) {
            return cs_call_error(call, "nbf value must be a number");
        }
        if (cs_number_compare(now, *nbf) < 0) {
            return CS_OK;
        }
    }
    *good = true;
    return CS_OK;
}

static cs_err verdict(cs_call *call, bool good, cs_value header, cs_value payload, cs_value *out)
{
    cs_value *items = cs_arena_alloc(call->arena, 3 * sizeof *items);
    items[0] = cs_bool(good);
    items[1] = good ? header : cs_object_new(call->arena, 0);
    items[2] = good ? payload : cs_object_new(call->arena, 0);
    return cs_call__give(out, cs_array(items, 3));
}

cs_err cs_builtin__io_jwt_decode_verify(cs_call *call, cs_value *out)
{
    cs_value object, claims;
    constraints c;
    CS_TRY(cs_call__object(call, 2, &object));
    CS_TRY(read_constraints(call, object, &c));
    cs_slice text, payload;
    CS_TRY(cs_call_string(call, 1, &text));
    for (int depth = 0; depth < DEEPEST_NESTING; depth++) {
        token t;
        bool good;
        CS_TRY(split(call, text, &t));
        CS_TRY(decode_header(call, &t));
        CS_TRY(read_header(call, &t, &good));
        if (!good || (c.alg.n && !cs_slice_eq(c.alg, t.alg))) {
            return verdict(call, false, cs_null(), cs_null(), out);
        }
        CS_TRY(check_signature(call, &c, &t, &good));
        if (!good) {
            return verdict(call, false, cs_null(), cs_null(), out);
        }
        CS_TRY(decode_part(call, t.part[1], "JWT payload had invalid encoding: ", &payload));
        if (cs_slice_eq_nocase(t.cty, CS_LIT("JWT"))) {
            text = payload;
            continue;
        }
        CS_TRY(read_object(call, payload, "", &claims));
        CS_TRY(check_claims(call, &c, claims, &good));
        return verdict(call, good, t.header, claims, out);
    }
    return cs_call_error(call, "encoded JWT is nested too deeply");
}

/* ------------------------------------------------------------------------------------------------ signing */

static cs_err no_alg(cs_call *call, const char *why, const char *more)
{
    return cs_call_error(call, "missing or invalid 'alg' header: %s%s", why, more);
}

static cs_err signing_alg(cs_call *call, cs_slice headers, cs_sig_alg *alg, bool *json_payload)
{
    cs_value header;
    cs_error e;
    if (headers.n == 0) {
        return no_alg(call, "cannot parse JSON: cannot parse empty string; unparsed tail: \"\"", "");
    }
    cs_err err = cs_json_read(call->arena, headers, &(cs_json_options){.borrow = true}, &header, NULL, &e);
    bool number_like = strchr("0123456789+-.eE", *headers.p) != NULL;
    if (err != CS_OK && !number_like) {
        return no_alg(call, "cannot parse JSON: ", e.text);
    }
    const cs_value *v = err == CS_OK && header.kind == CS_OBJECT ? cs_object_get_text(header, "alg") : NULL;
    if (!v || v->kind != CS_STRING) {
        return no_alg(call, "jwsbb: header \"alg\" not found", "");
    }
    if (!cs_sig_alg_find(cs_text(*v), alg)) {
        return cs_call_error(call, "unknown JWS algorithm: %.*s", CS_FMT(cs_text(*v)));
    }
    const cs_value *typ = cs_object_get_text(header, "typ");
    *json_payload = !typ || typ->kind != CS_STRING || cs_slice_is(cs_text(*typ), "JWT");
    return CS_OK;
}

typedef struct signer {
    cs_key *key;
    const char *missing; /* the factor that an RSA key lacks; NULL = none */
    bool empty;          /* one is there and empty */
} signer;

/* Without its factors an RSA key is not used to sign: nothing would tell that the numbers do not belong together. */
static void look_for_factors(signer *s, cs_value jwk)
{
    static const char *const factors[] = {"q", "p"};
    const cs_value *kty = cs_object_get_text(jwk, "kty"), *d = cs_object_get_text(jwk, "d");
    bool private_rsa = kty && kty->kind == CS_STRING && cs_slice_is(cs_text(*kty), "RSA") && d;
    for (size_t i = 0; private_rsa && i < 2; i++) {
        const cs_value *v = cs_object_get_text(jwk, factors[i]);
        if (!v) {
            s->missing = factors[i];
            return;
        }
        s->empty |= v->kind != CS_STRING || v->n == 0;
    }
}

/* The key, or the first of a set. */
static cs_err signing_key(cs_call *call, cs_slice text, signer *out)
{
    cs_value jwk;
    cs_error e;
    if (cs_json_read(call->arena, text, &(cs_json_options){.borrow = true}, &jwk, NULL, &e) != CS_OK) {
        return cs_call_error(call, "failed to parse a JWK key (set): %s", e.text);
    }
    const cs_value *keys = jwk.kind == CS_OBJECT ? cs_object_get_text(jwk, "keys") : NULL;
    if (keys && keys->kind == CS_ARRAY) {
        if (keys->n == 0) {
            return cs_call_error(call, "no keys found in JWK set");
        }
        jwk = keys->u.items[0];
    }
    if (cs_key_from_jwk(jwk, &out->key, &e) != CS_OK) {
        return cs_call_error(call, "%s", e.text);
    }
    look_for_factors(out, jwk);
    return CS_OK;
}

static bool is_rsa(cs_sig_alg alg)
{
    return alg == CS_RS256 || alg == CS_RS384 || alg == CS_RS512 || alg == CS_PS256 || alg == CS_PS384 ||
           alg == CS_PS512;
}

static cs_err sign_token(cs_call *call, cs_slice headers, cs_slice payload, const signer *with, cs_value *out)
{
    cs_sig_alg alg;
    bool json_payload = true;
    cs_value parsed;
    cs_error e;
    cs_slice text;
    CS_TRY(signing_alg(call, headers, &alg, &json_payload));
    if (json_payload &&
        cs_json_read(call->arena, payload, &(cs_json_options){.borrow = true}, &parsed, NULL, NULL) != CS_OK) {
        return cs_call_error(call, "type is JWT but payload is not JSON");
    }
    if (with->missing && is_rsa(alg)) {
        return cs_call_error(call,
                             "jwsbb.Sign: invalid key type *jwk.rsaPrivateKey. *rsa.PrivateKey is required: failed to "
                             "produce rsa.PrivateKey from *jwk.rsaPrivateKey: jwk.Export: failed to export jwk.Key to "
                             "raw format: missing \"%s\" value",
                             with->missing);
    }
    if (with->empty && is_rsa(alg)) {
        return cs_call_error(call, "modulus must be > 1");
    }
    if (cs_jws_sign(call->arena, headers, payload, with->key, alg, &text, &e) != CS_OK) {
        return cs_call_error(call, "%s", e.text);
    }
    return cs_call__give(out, cs_string(text));
}

static cs_err encode_sign(cs_call *call, cs_slice headers, cs_slice payload, cs_slice key_text, cs_value *out)
{
    signer with = {0};
    CS_TRY(signing_key(call, key_text, &with));
    cs_err err = sign_token(call, headers, payload, &with, out);
    cs_key_release(with.key);
    return err;
}

cs_err cs_builtin__io_jwt_encode_sign_raw(cs_call *call, cs_value *out)
{
    cs_slice headers, payload, key;
    CS_TRY(cs_call_string(call, 3, &key));
    CS_TRY(cs_call_string(call, 1, &headers));
    CS_TRY(cs_call_string(call, 2, &payload));
    return encode_sign(call, headers, payload, key, out);
}

static cs_slice as_json(cs_call *call, cs_value v)
{
    cs_buf buf;
    cs_buf_init(&buf);
    cs_json_write(&buf, v, CS_JSON_HTML);
    cs_value copy = cs_string_copy(call->arena, cs_buf_view(&buf));
    cs_buf_destroy(&buf);
    return cs_text(copy);
}

cs_err cs_builtin__io_jwt_encode_sign(cs_call *call, cs_value *out)
{
    return encode_sign(call, as_json(call, call->args[0]), as_json(call, call->args[1]), as_json(call, call->args[2]),
                       out);
}
