/* libcrypto, loaded at the first call of one of its functions (base/library.h says why): most runs of the tool neither
 * hash nor sign. What src/crypto and src/net call of it is defined here and passes the call on. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "countersign/base/library.h"

/* X(result, function, parameters, arguments), for what returns nothing V. */
#define FUNCTIONS(X, V)                                                                                                \
    X(int, ASN1_STRING_to_UTF8, (unsigned char **out, const ASN1_STRING *in), (out, in))                               \
    X(long, BIO_ctrl, (BIO * bp, int cmd, long larg, void *parg), (bp, cmd, larg, parg))                               \
    X(int, BIO_free, (BIO * a), (a))                                                                                   \
    X(BIO *, BIO_new, (const BIO_METHOD *type), (type))                                                                \
    X(BIO *, BIO_new_mem_buf, (const void *buf, int len), (buf, len))                                                  \
    X(int, BIO_read, (BIO * b, void *data, int dlen), (b, data, dlen))                                                 \
    X(const BIO_METHOD *, BIO_s_mem, (void), ())                                                                       \
    V(BN_CTX_free, (BN_CTX * c), (c))                                                                                  \
    X(BN_CTX *, BN_CTX_new, (void), ())                                                                                \
    X(BIGNUM *, BN_bin2bn, (const unsigned char *s, int len, BIGNUM *ret), (s, len, ret))                              \
    X(int, BN_bn2bin, (const BIGNUM *a, unsigned char *to), (a, to))                                                   \
    X(int, BN_bn2binpad, (const BIGNUM *a, unsigned char *to, int tolen), (a, to, tolen))                              \
    V(BN_clear_free, (BIGNUM * a), (a))                                                                                \
    X(int, BN_cmp, (const BIGNUM *a, const BIGNUM *b), (a, b))                                                         \
    X(BIGNUM *, BN_copy, (BIGNUM * a, const BIGNUM *b), (a, b))                                                        \
    X(int, BN_div, (BIGNUM * dv, BIGNUM * rem, const BIGNUM *m, const BIGNUM *d, BN_CTX *ctx), (dv, rem, m, d, ctx))   \
    X(BIGNUM *, BN_dup, (const BIGNUM *a), (a))                                                                        \
    V(BN_free, (BIGNUM * a), (a))                                                                                      \
    X(int, BN_is_odd, (const BIGNUM *a), (a))                                                                          \
    X(int, BN_is_one, (const BIGNUM *a), (a))                                                                          \
    X(int, BN_is_zero, (const BIGNUM *a), (a))                                                                         \
    X(int, BN_mod_exp, (BIGNUM * r, const BIGNUM *a, const BIGNUM *p, const BIGNUM *m, BN_CTX *ctx),                   \
      (r, a, p, m, ctx))                                                                                               \
    X(int, BN_mod_mul, (BIGNUM * r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *ctx),                   \
      (r, a, b, m, ctx))                                                                                               \
    X(BIGNUM *, BN_new, (void), ())                                                                                    \
    X(int, BN_num_bits, (const BIGNUM *a), (a))                                                                        \
    X(BIGNUM *, BN_secure_new, (void), ())                                                                             \
    X(int, BN_set_word, (BIGNUM * a, unsigned long w), (a, w))                                                         \
    X(int, BN_sub, (BIGNUM * r, const BIGNUM *a, const BIGNUM *b), (r, a, b))                                          \
    X(int, BN_sub_word, (BIGNUM * a, unsigned long w), (a, w))                                                         \
    V(CRYPTO_clear_free, (void *ptr, size_t num, const char *file, int line), (ptr, num, file, line))                  \
    V(CRYPTO_free, (void *ptr, const char *file, int line), (ptr, file, line))                                         \
    X(int, CRYPTO_memcmp, (const void *in_a, const void *in_b, size_t len), (in_a, in_b, len))                         \
    V(ECDSA_SIG_free, (ECDSA_SIG * sig), (sig))                                                                        \
    X(const BIGNUM *, ECDSA_SIG_get0_r, (const ECDSA_SIG *sig), (sig))                                                 \
    X(const BIGNUM *, ECDSA_SIG_get0_s, (const ECDSA_SIG *sig), (sig))                                                 \
    X(ECDSA_SIG *, ECDSA_SIG_new, (void), ())                                                                          \
    X(int, ECDSA_SIG_set0, (ECDSA_SIG * sig, BIGNUM * r, BIGNUM * s), (sig, r, s))                                     \
    V(EC_GROUP_free, (EC_GROUP * group), (group))                                                                      \
    X(const BIGNUM *, EC_GROUP_get0_field, (const EC_GROUP *group), (group))                                           \
    X(const BIGNUM *, EC_GROUP_get0_order, (const EC_GROUP *group), (group))                                           \
    X(EC_GROUP *, EC_GROUP_new_by_curve_name, (int nid), (nid))                                                        \
    V(EC_POINT_free, (EC_POINT * point), (point))                                                                      \
    X(int, EC_POINT_mul,                                                                                               \
      (const EC_GROUP *group, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m, BN_CTX *ctx),          \
      (group, r, n, q, m, ctx))                                                                                        \
    X(EC_POINT *, EC_POINT_new, (const EC_GROUP *group), (group))                                                      \
    X(size_t, EC_POINT_point2oct,                                                                                      \
      (const EC_GROUP *group, const EC_POINT *p, point_conversion_form_t form, unsigned char *buf, size_t len,         \
       BN_CTX *ctx),                                                                                                   \
      (group, p, form, buf, len, ctx))                                                                                 \
    X(int, EC_POINT_set_affine_coordinates,                                                                            \
      (const EC_GROUP *group, EC_POINT *p, const BIGNUM *x, const BIGNUM *y, BN_CTX *ctx), (group, p, x, y, ctx))      \
    V(ERR_clear_error, (void), ())                                                                                     \
    X(unsigned long, ERR_get_error, (void), ())                                                                        \
    X(const char *, ERR_reason_error_string, (unsigned long e), (e))                                                   \
    X(int, EVP_Digest,                                                                                                 \
      (const void *data, size_t count, unsigned char *md, unsigned int *size, const EVP_MD *type, ENGINE *impl),       \
      (data, count, md, size, type, impl))                                                                             \
    X(int, EVP_DigestFinal_ex, (EVP_MD_CTX * ctx, unsigned char *md, unsigned int *s), (ctx, md, s))                   \
    X(int, EVP_DigestInit_ex, (EVP_MD_CTX * ctx, const EVP_MD *type, ENGINE *impl), (ctx, type, impl))                 \
    X(int, EVP_DigestSign,                                                                                             \
      (EVP_MD_CTX * ctx, unsigned char *sigret, size_t *siglen, const unsigned char *tbs, size_t tbslen),              \
      (ctx, sigret, siglen, tbs, tbslen))                                                                              \
    X(int, EVP_DigestSignInit,                                                                                         \
      (EVP_MD_CTX * ctx, EVP_PKEY_CTX * *pctx, const EVP_MD *type, ENGINE *e, EVP_PKEY *pkey),                         \
      (ctx, pctx, type, e, pkey))                                                                                      \
    X(int, EVP_DigestUpdate, (EVP_MD_CTX * ctx, const void *d, size_t cnt), (ctx, d, cnt))                             \
    X(int, EVP_DigestVerify,                                                                                           \
      (EVP_MD_CTX * ctx, const unsigned char *sigret, size_t siglen, const unsigned char *tbs, size_t tbslen),         \
      (ctx, sigret, siglen, tbs, tbslen))                                                                              \
    X(int, EVP_DigestVerifyInit,                                                                                       \
      (EVP_MD_CTX * ctx, EVP_PKEY_CTX * *pctx, const EVP_MD *type, ENGINE *e, EVP_PKEY *pkey),                         \
      (ctx, pctx, type, e, pkey))                                                                                      \
    V(EVP_MD_CTX_free, (EVP_MD_CTX * ctx), (ctx))                                                                      \
    X(EVP_MD_CTX *, EVP_MD_CTX_new, (void), ())                                                                        \
    V(EVP_PKEY_CTX_free, (EVP_PKEY_CTX * ctx), (ctx))                                                                  \
    X(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_name, (OSSL_LIB_CTX * libctx, const char *name, const char *propquery),    \
      (libctx, name, propquery))                                                                                       \
    X(int, EVP_PKEY_CTX_set_rsa_padding, (EVP_PKEY_CTX * ctx, int pad_mode), (ctx, pad_mode))                          \
    X(int, EVP_PKEY_CTX_set_rsa_pss_saltlen, (EVP_PKEY_CTX * ctx, int saltlen), (ctx, saltlen))                        \
    V(EVP_PKEY_free, (EVP_PKEY * pkey), (pkey))                                                                        \
    X(int, EVP_PKEY_fromdata, (EVP_PKEY_CTX * ctx, EVP_PKEY * *ppkey, int selection, OSSL_PARAM *param),               \
      (ctx, ppkey, selection, param))                                                                                  \
    X(int, EVP_PKEY_fromdata_init, (EVP_PKEY_CTX * ctx), (ctx))                                                        \
    X(int, EVP_PKEY_get_bits, (const EVP_PKEY *pkey), (pkey))                                                          \
    X(int, EVP_PKEY_get_raw_public_key, (const EVP_PKEY *pkey, unsigned char *pub, size_t *len), (pkey, pub, len))     \
    X(int, EVP_PKEY_get_utf8_string_param,                                                                             \
      (const EVP_PKEY *pkey, const char *key_name, char *str, size_t max_buf_sz, size_t *out_sz),                      \
      (pkey, key_name, str, max_buf_sz, out_sz))                                                                       \
    X(int, EVP_PKEY_is_a, (const EVP_PKEY *pkey, const char *name), (pkey, name))                                      \
    X(EVP_PKEY *, EVP_PKEY_new_raw_private_key, (int type, ENGINE *e, const unsigned char *priv, size_t len),          \
      (type, e, priv, len))                                                                                            \
    X(EVP_PKEY *, EVP_PKEY_new_raw_public_key, (int type, ENGINE *e, const unsigned char *pub, size_t len),            \
      (type, e, pub, len))                                                                                             \
    X(const EVP_MD *, EVP_md5, (void), ())                                                                             \
    X(const EVP_MD *, EVP_sha1, (void), ())                                                                            \
    X(const EVP_MD *, EVP_sha224, (void), ())                                                                          \
    X(const EVP_MD *, EVP_sha256, (void), ())                                                                          \
    X(const EVP_MD *, EVP_sha384, (void), ())                                                                          \
    X(const EVP_MD *, EVP_sha512, (void), ())                                                                          \
    X(const EVP_MD *, EVP_sha512_224, (void), ())                                                                      \
    X(const EVP_MD *, EVP_sha512_256, (void), ())                                                                      \
    V(GENERAL_NAMES_free, (GENERAL_NAMES * a), (a))                                                                    \
    X(unsigned char *, HMAC,                                                                                           \
      (const EVP_MD *evp_md, const void *key, int key_len, const unsigned char *data, size_t data_len,                 \
       unsigned char *md, unsigned int *md_len),                                                                       \
      (evp_md, key, key_len, data, data_len, md, md_len))                                                              \
    V(OPENSSL_cleanse, (void *ptr, size_t len), (ptr, len))                                                            \
    X(int, OPENSSL_sk_num, (const OPENSSL_STACK *stack), (stack))                                                      \
    X(void *, OPENSSL_sk_value, (const OPENSSL_STACK *stack, int i), (stack, i))                                       \
    V(OSSL_PARAM_BLD_free, (OSSL_PARAM_BLD * bld), (bld))                                                              \
    X(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_new, (void), ())                                                                \
    X(int, OSSL_PARAM_BLD_push_BN, (OSSL_PARAM_BLD * bld, const char *key, const BIGNUM *bn), (bld, key, bn))          \
    X(int, OSSL_PARAM_BLD_push_octet_string, (OSSL_PARAM_BLD * bld, const char *key, const void *buf, size_t bsize),   \
      (bld, key, buf, bsize))                                                                                          \
    X(int, OSSL_PARAM_BLD_push_utf8_string, (OSSL_PARAM_BLD * bld, const char *key, const char *buf, size_t bsize),    \
      (bld, key, buf, bsize))                                                                                          \
    X(OSSL_PARAM *, OSSL_PARAM_BLD_to_param, (OSSL_PARAM_BLD * bld), (bld))                                            \
    V(OSSL_PARAM_free, (OSSL_PARAM * p), (p))                                                                          \
    X(int, PEM_read_bio, (BIO * bp, char **name, char **header, unsigned char **data, long *len),                      \
      (bp, name, header, data, len))                                                                                   \
    X(int, RAND_bytes, (unsigned char *buf, int num), (buf, num))                                                      \
    X(ASN1_STRING *, X509_NAME_ENTRY_get_data, (const X509_NAME_ENTRY *ne), (ne))                                      \
    X(X509_NAME_ENTRY *, X509_NAME_get_entry, (const X509_NAME *name, int loc), (name, loc))                           \
    X(int, X509_NAME_get_index_by_NID, (const X509_NAME *name, int nid, int lastpos), (name, nid, lastpos))            \
    X(int, X509_NAME_print_ex, (BIO * out, const X509_NAME *nm, int indent, unsigned long flags),                      \
      (out, nm, indent, flags))                                                                                        \
    V(X509_free, (X509 * a), (a))                                                                                      \
    X(void *, X509_get_ext_d2i, (const X509 *x, int nid, int *crit, int *idx), (x, nid, crit, idx))                    \
    X(EVP_PKEY *, X509_get_pubkey, (X509 * x), (x))                                                                    \
    X(X509_NAME *, X509_get_subject_name, (const X509 *a), (a))                                                        \
    X(EVP_PKEY *, d2i_AutoPrivateKey, (EVP_PKEY * *a, const unsigned char **pp, long length), (a, pp, length))         \
    X(ECDSA_SIG *, d2i_ECDSA_SIG, (ECDSA_SIG * *a, const unsigned char **in, long len), (a, in, len))                  \
    X(EVP_PKEY *, d2i_PUBKEY, (EVP_PKEY * *a, const unsigned char **in, long len), (a, in, len))                       \
    X(EVP_PKEY *, d2i_PrivateKey, (int type, EVP_PKEY **a, const unsigned char **pp, long length),                     \
      (type, a, pp, length))                                                                                           \
    X(EVP_PKEY *, d2i_PublicKey, (int type, EVP_PKEY **a, const unsigned char **pp, long length),                      \
      (type, a, pp, length))                                                                                           \
    X(X509 *, d2i_X509, (X509 * *a, const unsigned char **in, long len), (a, in, len))                                 \
    X(int, i2d_ECDSA_SIG, (const ECDSA_SIG *a, unsigned char **out), (a, out))                                         \
    X(int, i2d_X509, (const X509 *a, unsigned char **out), (a, out))

#define CALL(name) CS_LIBRARY_CALL(name)
CS_LIBRARY_NEEDED("libcrypto.so.3")
