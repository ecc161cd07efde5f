/* The names in a certificate that somebody else has verified. */
#include "crypto/internal.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "countersign/base/vec.h"

static cs_slice copy(cs_arena *a, const void *p, size_t n)
{
    return cs_slice_make(cs_arena_dup(a, p, n), n);
}

/* "CN=edge,O=acme": the most specific part first, as RFC 2253 writes it. */
static cs_slice print_name(cs_arena *a, const X509_NAME *name)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;
    cs_slice s = CS_LIT("");
    unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    if (out != NULL && X509_NAME_print_ex(out, name, 0, flags) >= 0) {
        long n = BIO_get_mem_data(out, &text);
        s = n > 0 ? copy(a, text, (size_t)n) : s;
    }
    (void)BIO_free(out);
    return s;
}

/* Texts with a NUL inside are no names: what compares them elsewhere may stop there. */
static bool read_text(cs_arena *a, const ASN1_STRING *s, cs_slice *out)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, s);
    bool good = n > 0 && memchr(utf8, 0, (size_t)n) == NULL;
    if (good) {
        *out = copy(a, utf8, (size_t)n);
    }
    OPENSSL_free(utf8);
    return good;
}

static cs_slice common_name(cs_arena *a, const X509_NAME *name)
{
    cs_slice out = CS_LIT("");
    int at = -1, last = -1;
    while ((at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0) {
        last = at;
    }
    if (last >= 0 && !read_text(a, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)), &out)) {
        out = CS_LIT("");
    }
    return out;
}

static void read_alternatives(cs_arena *a, X509 *x, cs_certificate *out)
{
    CS_VEC(cs_slice) list = {0};
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        cs_slice text;
        bool wanted = g->type == GEN_DNS || g->type == GEN_URI || g->type == GEN_EMAIL;
        if (wanted && read_text(a, g->d.ia5, &text)) {
            CS_VEC_PUSH_IN(a, &list, text);
        }
    }
    GENERAL_NAMES_free(names);
    out->alternatives = list.v;
    out->n_alternatives = list.n;
}

cs_err cs_certificate_read(cs_arena *a, cs_slice der, cs_certificate *out, cs_error *e)
{
    const unsigned char *at = (const unsigned char *)der.p;
    X509 *x = d2i_X509(NULL, &at, (long)der.n);
    if (x == NULL) {
        return cs_fail(e, CS_ERR_INVALID, "the certificate cannot be read: %s", cs_crypto__reason());
    }
    *out = (cs_certificate){.subject = print_name(a, X509_get_subject_name(x)),
                            .common_name = common_name(a, X509_get_subject_name(x))};
    read_alternatives(a, x, out);
    X509_free(x);
    (void)cs_crypto__reason();
    return CS_OK;
}
