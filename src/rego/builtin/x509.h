/* X.509 (RFC 5280) as Go's crypto/x509 reads and checks it, for crypto.x509.* and crypto.parse_private_keys. What is
 * read points into the DER text or lives in the call's arena. Slices whose p is NULL are Go's nil: null in JSON. */
#ifndef CS_REGO_BUILTIN_X509_H
#define CS_REGO_BUILTIN_X509_H

#include "countersign/crypto.h"
#include "rego/builtin/der.h"
#include "rego/builtin/uri.h"

/* Go's numbers of algorithms, as they stand in the JSON. */
typedef enum cs_x509_key_alg {
    CS_X509_NO_KEY,
    CS_X509_RSA,
    CS_X509_DSA,
    CS_X509_ECDSA,
    CS_X509_ED25519
} cs_x509_key_alg;

typedef struct cs_x509_key {
    cs_x509_key_alg alg;
    cs_value json;  /* null without one */
    cs_slice n;     /* RSA: the modulus without leading zeros */
    int64_t e;      /* RSA: the exponent */
    cs_slice point; /* the bits, of all kinds */
    cs_curve curve;
} cs_x509_key;

typedef struct cs_x509_extension {
    cs_slice oid, value;
    bool critical;
} cs_x509_extension;

/* Names of a subject besides its distinguished name. Lists are of string values, but of `uris`. */
typedef struct cs_x509_names {
    cs_list dns, emails, ips; /* ips: 4 or 16 bytes */
    cs_url *uris;
    size_t uris_n;
} cs_x509_names;

enum { CS_X509_DNS, CS_X509_IP, CS_X509_EMAIL, CS_X509_URI, CS_X509_NAME_KINDS };

/* Constraints of names: lists of string values; of IP: address and mask in one. */
typedef struct cs_x509_constraints {
    cs_list of[CS_X509_NAME_KINDS];
} cs_x509_constraints;

typedef struct cs_x509_cert {
    cs_slice raw, tbs, spki, subject, issuer, signature;
    int signature_alg; /* Go's number */
    cs_x509_key key;
    int64_t version;
    cs_slice serial;
    cs_value issuer_name, subject_name; /* JSON */
    cs_slice common_name;
    cs_der_time not_before, not_after;
    int key_usage;
    cs_x509_extension *extensions;
    size_t extensions_n;
    cs_list unhandled;                /* arrays of numbers */
    cs_list ext_usages, other_usages; /* numbers; arrays of numbers */
    bool basic, is_ca, max_path_zero;
    int64_t max_path;
    cs_slice subject_key_id, authority_key_id;
    cs_list ocsp, issuers, crl;
    cs_x509_names names;
    bool constraints_critical;
    cs_x509_constraints permitted, excluded;
    bool has_policies;
    cs_list policies; /* bytes of the identifiers */
    cs_list mappings; /* the same, two each */
    int64_t inhibit_any, inhibit_mapping, require_explicit;
    bool inhibit_any_zero, inhibit_mapping_zero, require_explicit_zero;
} cs_x509_cert;

/* ---- PEM for TLS clients (x509.c) */
/* Is there a certificate in the text that can be read? */
bool cs_x509__any_certificate(cs_call *call, cs_slice pem);
/* A certificate (with its chain behind it) and its private key, both PEM: errors as of Go's tls.X509KeyPair. */
CS_MUST_CHECK cs_err cs_x509__check_pair(cs_call *call, cs_slice cert_pem, cs_slice key_pem);

/* ---- reading (x509_parse.c, x509_extensions.c, x509_key.c) */
/* One certificate off the front of *der. */
CS_MUST_CHECK cs_err cs_x509__read(cs_call *call, cs_slice *der, cs_x509_cert *out);
CS_MUST_CHECK cs_err cs_x509__read_extensions(cs_call *call, cs_x509_cert *cert);
CS_MUST_CHECK cs_err cs_x509__read_names(cs_call *call, cs_slice value, cs_x509_names *out);
/* The key of an algorithm's identifier, its parameters as they stand, and the bits; no key of an unknown algorithm. */
CS_MUST_CHECK cs_err cs_x509__read_key(cs_call *call, cs_slice oid, cs_slice parameters, cs_slice bits,
                                       cs_x509_key *out);
/* Go's number of the signature's algorithm, 0 if it is not known. */
int cs_x509__signature_alg(cs_arena *a, cs_slice oid, cs_slice parameters);
bool cs_x509__curve_of(cs_slice oid, cs_curve *out);

/* ---- names (x509_names.c) */
bool cs_x509__domain_valid(cs_slice s, bool constraint);
typedef struct cs_x509_mailbox {
    cs_slice local, domain;
} cs_x509_mailbox;
bool cs_x509__mailbox(cs_arena *a, cs_slice text, cs_x509_mailbox *out);
/* The names of a chain (leaf first) under the constraints of its certificates. */
bool cs_x509__names_permitted(cs_call *call, cs_x509_cert *const *chain, size_t n);
bool cs_x509__host_fits(const cs_x509_cert *cert, cs_slice host);

/* ---- chains (x509_verify.c, x509_policy.c) */
typedef struct cs_x509_rules {
    cs_slice host;  /* "" = any */
    int64_t now_s;  /* whole seconds, and */
    bool now_more;  /* a fraction of one */
    cs_list usages; /* numbers; none is that of servers */
} cs_x509_rules;
/* certs: the root, those between, the leaf; *chain (leaf first) is the first chain that holds, NULL if none does. */
void cs_x509__verify(cs_call *call, cs_x509_cert *certs, size_t n, const cs_x509_rules *rules, cs_x509_cert ***chain,
                     size_t *chain_n);
bool cs_x509__policies_valid(cs_arena *a, cs_x509_cert *const *chain, size_t n);

/* ---- JSON (x509_json.c) */
cs_value cs_x509__json(cs_call *call, const cs_x509_cert *cert, bool uri_strings);
void cs_x509__names_json(cs_call *call, const cs_x509_names *names, cs_value object);
cs_value cs_x509__extensions_json(cs_call *call, const cs_x509_extension *v, size_t n);
cs_value cs_x509__oid_json(cs_arena *a, cs_slice oid);
cs_value cs_x509__bytes_json(cs_arena *a, cs_slice bytes); /* base64; null for NULL */
cs_value cs_x509__list_json(const cs_list *list);          /* null if it is empty */
/* A big-endian number without sign. */
cs_value cs_x509__number_json(cs_arena *a, cs_slice bytes);
/* A distinguished name under construction: attributes added one by one, then its JSON. */
typedef struct cs_x509_dn {
    cs_list names; /* {"Type", "Value"} */
    cs_list of[9]; /* texts by Go's fields */
    cs_slice serial_number, common_name;
} cs_x509_dn;
void cs_x509__dn_add(cs_call *call, cs_x509_dn *dn, cs_slice oid, cs_value value);
cs_value cs_x509__dn_json(cs_call *call, const cs_x509_dn *dn);

/* A certificate request as Go's struct (x509_request.c). */
CS_MUST_CHECK cs_err cs_x509__request_json(cs_call *call, cs_slice der, cs_value *out);

/* ---- private keys (x509_private.c) */
typedef enum cs_x509_private_kind {
    CS_X509_PRIVATE_RSA,
    CS_X509_PRIVATE_EC,
    CS_X509_PRIVATE_ED25519,
    CS_X509_PRIVATE_X25519
} cs_x509_private_kind;

typedef struct cs_x509_private {
    cs_x509_private_kind kind;
    cs_rsa_numbers rsa;
    cs_curve curve;
    cs_slice secret; /* EC: the scalar; the others: 32 bytes */
    cs_slice point;  /* EC: 4, X, Y; the others: 32 bytes */
} cs_x509_private;
CS_MUST_CHECK cs_err cs_x509__read_pkcs1(cs_call *call, cs_slice der, cs_x509_private *out);
CS_MUST_CHECK cs_err cs_x509__read_pkcs8(cs_call *call, cs_slice der, cs_x509_private *out);
CS_MUST_CHECK cs_err cs_x509__read_sec1(cs_call *call, cs_slice der, cs_x509_private *out);
cs_value cs_x509__private_json(cs_call *call, const cs_x509_private *key); /* Go's struct */
CS_MUST_CHECK cs_err cs_x509__private_jwk(cs_call *call, const cs_x509_private *key, cs_value *out);

#endif
