/* Digests, MACs, random bytes, keys, signatures, JWS and JWT: the one fence around OpenSSL. Bundle signatures, the
 * io.jwt.* and crypto.* built-ins and the server's bearer tokens all go through here.
 *
 * Two rules hold everywhere. The algorithm is the caller's choice, never the token's: a token whose header says
 * otherwise does not verify, and "none" is no algorithm at all. A key fits an algorithm or is refused: an RSA key never
 * becomes an HMAC secret.
 *
 * Thread-safety: everything may be called by any thread; keys and key sets are immutable once made and may be shared.
 */
#ifndef CS_CRYPTO_H
#define CS_CRYPTO_H

#include "countersign/base/arena.h"
#include "countersign/base/err.h"
#include "countersign/base/slice.h"
#include "countersign/value.h"

/* ---- digests (FIPS 180-4, RFC 1321) */
typedef enum cs_digest_alg {
    CS_MD5,
    CS_SHA1,
    CS_SHA224,
    CS_SHA256,
    CS_SHA384,
    CS_SHA512,
    CS_SHA512_224,
    CS_SHA512_256,
    CS_DIGEST_COUNT
} cs_digest_alg;

#define CS_DIGEST_MAX 64

/* Bytes of a digest. */
size_t cs_digest_size(cs_digest_alg alg);
/* The name in a bundle's signature ("SHA-256", "SHA-512-224", "MD5"), and back; false if there is none of that name. */
const char *cs_digest_name(cs_digest_alg alg);
bool cs_digest_find(cs_slice name, cs_digest_alg *out);
/* Writes cs_digest_size(alg) bytes and returns how many. */
size_t cs_digest(cs_digest_alg alg, cs_slice bytes, uint8_t out[CS_DIGEST_MAX]);
/* The digest in lower-case hex, in the arena. */
cs_slice cs_digest_hex(cs_arena *a, cs_digest_alg alg, cs_slice bytes);

/* The same piece by piece: start, add any number of times, then finish or drop, exactly one of the two. */
typedef struct cs_hasher cs_hasher;
cs_hasher *cs_hasher_start(cs_digest_alg alg);
void cs_hasher_add(cs_hasher *h, cs_slice bytes);
size_t cs_hasher_finish(cs_hasher *h, uint8_t out[CS_DIGEST_MAX]); /* also frees */
void cs_hasher_drop(cs_hasher *h);                                 /* NULL is fine */
/* The digest of what was added; it is as after the start then. For many small texts: it costs no allocation. */
size_t cs_hasher_take(cs_hasher *h, uint8_t out[CS_DIGEST_MAX]);

/* RFC 2104; any key length. Returns cs_digest_size(alg). */
size_t cs_hmac(cs_digest_alg alg, cs_slice key, cs_slice bytes, uint8_t out[CS_DIGEST_MAX]);

/* Cryptographically strong random bytes. A machine without them ends the process. */
void cs_random(void *out, size_t n);
/* "f81d4fae-7dec-41d0-a765-00a0c91e6bf6": a random UUID (RFC 9562, version 4) with a NUL. */
void cs_random_uuid(char out[37]);
/* The same of random bytes at hand, which must not be used again. */
#define CS_UUID_BYTES 16
void cs_uuid_of(const uint8_t bytes[CS_UUID_BYTES], char out[37]);
/* Takes as long for equal as for different bytes of the same length. Lengths are not secret. */
bool cs_ct_equal(cs_slice x, cs_slice y);

/* ---- signature algorithms (RFC 7518, RFC 8037) */
typedef enum cs_sig_alg {
    CS_HS256,
    CS_HS384,
    CS_HS512,
    CS_RS256,
    CS_RS384,
    CS_RS512,
    CS_PS256,
    CS_PS384,
    CS_PS512,
    CS_ES256,
    CS_ES384,
    CS_ES512,
    CS_EDDSA,
    CS_SIG_COUNT
} cs_sig_alg;

/* One bit each, for sets of algorithms. */
#define CS_SIG_BIT(alg) (1U << (unsigned)(alg))
#define CS_SIG_ALL ((1U << (unsigned)CS_SIG_COUNT) - 1U)
#define CS_SIG_SECRET (CS_SIG_BIT(CS_HS256) | CS_SIG_BIT(CS_HS384) | CS_SIG_BIT(CS_HS512))
#define CS_SIG_PUBLIC (CS_SIG_ALL & ~CS_SIG_SECRET)

/* "RS256" and so on, exact case. "none" is not found. */
bool cs_sig_alg_find(cs_slice name, cs_sig_alg *out);
const char *cs_sig_alg_name(cs_sig_alg alg);

/* ---- keys */
typedef enum cs_key_kind { CS_KEY_SECRET, CS_KEY_RSA, CS_KEY_EC, CS_KEY_OKP } cs_key_kind;

typedef struct cs_key cs_key;

/* A shared secret; the bytes are copied and wiped when the key is freed. */
cs_key *cs_key_secret(cs_slice bytes);
/* The first key in a PEM text: PUBLIC KEY, RSA PUBLIC KEY, CERTIFICATE (its public key), PRIVATE KEY, RSA PRIVATE KEY,
 * EC PRIVATE KEY. RSA keys under 1024 bits and curves other than P-256, P-384, P-521 and Ed25519 are refused (Go
 * refuses them as well). With `strict` anything behind the block is an error, as in the io.jwt built-ins. */
CS_MUST_CHECK cs_err cs_key_from_pem(cs_slice text, bool strict, cs_key **out, cs_error *e);
/* DER of a SubjectPublicKeyInfo, a PKCS #8 or PKCS #1 key, or an X.509 certificate. */
CS_MUST_CHECK cs_err cs_key_from_der(cs_slice bytes, cs_key **out, cs_error *e);
/* RFC 7517: kty RSA, EC, OKP (Ed25519), oct; private parts are used when they are there. */
CS_MUST_CHECK cs_err cs_key_from_jwk(cs_value jwk, cs_key **out, cs_error *e);
/* What bundle keys and --verification-key may hold, for one algorithm: the secret itself for HS*, PEM for the others.
 */
CS_MUST_CHECK cs_err cs_key_for(cs_sig_alg alg, cs_slice text, cs_key **out, cs_error *e);
cs_key *cs_key_retain(cs_key *key); /* returns key */
void cs_key_release(cs_key *key);   /* NULL is fine */

cs_key_kind cs_key_get_kind(const cs_key *key);
bool cs_key_is_private(const cs_key *key); /* can sign */
cs_slice cs_key_id(const cs_key *key);     /* "kid" of a JWK; "" without one */
cs_slice cs_key_alg(const cs_key *key);    /* "alg" of a JWK as written; "" without one */
/* Does the kind (and the curve) fit the algorithm? */
bool cs_key_fits(const cs_key *key, cs_sig_alg alg);

/* ---- signatures over bytes */
/* ES* give r||s of fixed size. CS_ERR_INVALID when the key does not fit or cannot sign. */
CS_MUST_CHECK cs_err cs_sign(cs_arena *a, const cs_key *key, cs_sig_alg alg, cs_slice bytes, cs_slice *signature,
                             cs_error *e);
/* true only for a good signature; a key that does not fit answers false. Constant time for HS*. */
bool cs_verify(const cs_key *key, cs_sig_alg alg, cs_slice bytes, cs_slice signature);

/* ---- certificates (X.509) */
typedef struct cs_certificate {
    cs_slice subject;             /* "CN=edge,O=acme": RFC 2253, the most specific part first */
    cs_slice common_name;         /* the most specific one; "" without */
    const cs_slice *alternatives; /* subjectAltName: DNS names, URIs, mail addresses */
    size_t n_alternatives;
} cs_certificate;
/* The names in a certificate (DER); verifies nothing. Texts live in the arena; those with a NUL inside are left out. */
CS_MUST_CHECK cs_err cs_certificate_read(cs_arena *a, cs_slice der, cs_certificate *out, cs_error *e);

/* ---- key sets */
typedef struct cs_key_set {
    cs_key **v;
    size_t n, cap;
} cs_key_set;

void cs_key_set_init(cs_key_set *set);
void cs_key_set_destroy(cs_key_set *set);
void cs_key_set_add(cs_key_set *set, cs_key *key); /* takes the reference */
/* {"keys":[…]} or one JWK. Keys of unknown kinds or algorithms in a set are left out, as RFC 7517 §5 wants. */
CS_MUST_CHECK cs_err cs_key_set_from_jwks(cs_slice json, cs_key_set *set, cs_error *e);
/* A JWK, a JWKS or one PEM block: the key argument of io.jwt.verify_*. */
CS_MUST_CHECK cs_err cs_key_set_from_text(cs_slice text, cs_key_set *set, cs_error *e);

/* ---- keys as numbers: for certificates and private keys that are taken apart elsewhere (crypto.x509.*) */
typedef enum cs_curve { CS_P224, CS_P256, CS_P384, CS_P521 } cs_curve;

#define CS_CURVE_MAX 66
/* Bytes of a coordinate, and of a private scalar. */
size_t cs_curve_bytes(cs_curve curve);
const char *cs_curve_name(cs_curve curve); /* "P256" */
/* Is the text 4, X, Y with both reduced? Then *on_curve says whether it is a point of the curve. */
bool cs_curve_point(cs_curve curve, cs_slice point, bool *on_curve);
/* The point (4, X, Y: 1 + 2 * cs_curve_bytes) of a private scalar of cs_curve_bytes bytes. 0 good, 1 the scalar is
 * zero, 2 it is not below the order. */
int cs_curve_multiply(cs_curve curve, cs_slice scalar, uint8_t point[1 + 2 * CS_CURVE_MAX]);
/* RFC 8032, and RFC 7748. */
void cs_ed25519_public(const uint8_t seed[32], uint8_t out[32]);
void cs_x25519_public(const uint8_t secret[32], uint8_t out[32]);

/* An RSA private key. Big-endian without sign; dp, dq and qinv may be empty and are then computed, in the arena. */
typedef struct cs_rsa_numbers {
    cs_slice n, d, p, q, dp, dq, qinv;
    int64_t e;
} cs_rsa_numbers;
/* Do the numbers belong together? Errors in Go's words ("crypto/rsa: p * q != n"). */
CS_MUST_CHECK cs_err cs_rsa_check(cs_arena *a, cs_rsa_numbers *key, cs_error *e);

typedef enum cs_scheme { CS_SCHEME_RSA, CS_SCHEME_PSS, CS_SCHEME_ECDSA, CS_SCHEME_ED25519 } cs_scheme;
/* A signature as certificates have it (ECDSA in DER; the salt of PSS as long as the digest) under a
 * SubjectPublicKeyInfo. The digest is not used for Ed25519. false for anything that is not good, and for RSA keys under
 * 1024 bits. */
bool cs_spki_verify(cs_slice spki, cs_scheme scheme, cs_digest_alg digest, cs_slice bytes, cs_slice signature);

/* ---- JWS compact serialisation (RFC 7515) */
typedef struct cs_jws {
    cs_slice signed_part; /* "header.payload" as it stands in the token */
    cs_slice header_text; /* decoded JSON text */
    cs_value header;      /* an object */
    cs_slice payload;     /* decoded bytes */
    cs_slice signature;   /* decoded bytes */
    cs_slice alg;         /* header.alg; "" if it is missing or no string */
    cs_slice kid;         /* header.kid; "" likewise */
    bool crit;            /* the header names extensions that must be understood: such a token never verifies */
} cs_jws;

/* Takes the token apart; verifies nothing. Three parts, base64url without padding, a JSON object as header. The slices
 * live in the arena or in the token. Errors say which part: "encoded JWT must have 3 sections, found 2". */
CS_MUST_CHECK cs_err cs_jws_decode(cs_arena *a, cs_slice token, cs_jws *out, cs_error *e);
/* header.alg is `alg`, the key fits it, nothing critical is unknown, and the signature is good. */
bool cs_jws_verify(const cs_jws *jws, const cs_key *key, cs_sig_alg alg);
/* Tries the keys of a set as OPA does: the one whose id is the header's kid, else each whose own alg is empty or the
 * header's. The header's alg must be among `algs` (CS_SIG_BIT). *used, if wanted, is the key that did it. */
bool cs_jws_verify_set(const cs_jws *jws, const cs_key_set *set, unsigned algs, const cs_key **used);
/* header_json must be an object that says alg; it is signed as it stands. */
CS_MUST_CHECK cs_err cs_jws_sign(cs_arena *a, cs_slice header_json, cs_slice payload, const cs_key *key, cs_sig_alg alg,
                                 cs_slice *token, cs_error *e);

/* ---- JWT (RFC 7519) */
typedef struct cs_jwt_rules {
    unsigned algs;     /* CS_SIG_BIT set; 0 refuses everything */
    cs_slice issuer;   /* "" = any */
    cs_slice audience; /* "" = the token may name any, or none */
    int64_t now_ns;    /* wall clock */
    int64_t leeway_ns; /* allowed difference of clocks for exp, nbf and iat */
    bool need_exp;     /* a token without exp is refused */
} cs_jwt_rules;

/* Decodes, verifies the signature with the set and then the claims. *claims is the payload, an object in the arena.
 * Refusals are CS_ERR_UNAUTHORIZED with the reason ("token is expired"), fit for a log, not for the caller of the
 * server. */
CS_MUST_CHECK cs_err cs_jwt_verify(cs_arena *a, cs_slice token, const cs_key_set *set, const cs_jwt_rules *rules,
                                   cs_value *claims, cs_error *e);
/* The claims alone. */
CS_MUST_CHECK cs_err cs_jwt_check_claims(cs_value claims, const cs_jwt_rules *rules, cs_error *e);

#endif
