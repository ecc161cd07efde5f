/* Server certificates and TLS connections. OpenSSL reads and writes the socket itself, so a connection with TLS behaves
 * as one without: read, write, EAGAIN. Certificates are read again when their files have changed; connections keep the
 * ones they began with. */
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "internal.h"

typedef struct stamp {
    ino_t inode;
    off_t size;
    struct timespec changed;
} stamp;

struct cs_net__tls {
    char *cert, *key, *ca; /* paths; ca may be NULL */
    bool client_required;
    int min;
    char *ciphers;        /* may be NULL */
    pthread_mutex_t lock; /* guards ctx */
    SSL_CTX *ctx;
    stamp stamps[3];
};

struct cs_net__session {
    SSL *ssl;
};

static const char *why(void)
{
    unsigned long code = ERR_get_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return text != NULL ? text : "unknown reason";
}

static stamp look(const char *path)
{
    struct stat s;
    if (path == NULL || stat(path, &s) != 0) {
        return (stamp){0};
    }
    return (stamp){s.st_ino, s.st_size, s.st_mtim};
}

static bool same(stamp x, stamp y)
{
    return x.inode == y.inode && x.size == y.size && x.changed.tv_sec == y.changed.tv_sec &&
           x.changed.tv_nsec == y.changed.tv_nsec;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
                           unsigned n_in, void *self)
{
    (void)ssl;
    (void)self;
    static const unsigned char offered[] = "\x02h2\x08http/1.1";
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, n, offered, sizeof offered - 1, in, n_in) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static cs_err load(const cs_net__tls *tls, SSL_CTX **out, cs_error *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        return cs_fail(e, CS_ERR_INTERNAL, "TLS cannot be set up: %s", why());
    }
    const char *file = tls->cert;
    bool ok = SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION + tls->min) == 1;
    if (ok && (tls->ciphers != NULL || tls->min < 2)) {
        file = "cipher suites";
        cs_buf list;
        cs_buf_init(&list);
        /* The library's idea of what is safe would leave old versions without a suite. */
        cs_buf_printf(&list, "%s%s", tls->ciphers != NULL ? tls->ciphers : "DEFAULT",
                      tls->min < 2 ? ":@SECLEVEL=0" : "");
        ok = SSL_CTX_set_cipher_list(ctx, cs_buf_cstr(&list)) == 1;
        cs_buf_destroy(&list);
    }
    if (ok) {
        file = tls->cert;
        ok = SSL_CTX_use_certificate_chain_file(ctx, tls->cert) == 1;
    }
    if (ok) {
        file = tls->key;
        ok = SSL_CTX_use_PrivateKey_file(ctx, tls->key, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    }
    if (ok && tls->ca != NULL) {
        file = tls->ca;
        ok = SSL_CTX_load_verify_file(ctx, tls->ca) == 1;
        STACK_OF(X509_NAME) *names = ok ? SSL_load_client_CA_file(tls->ca) : NULL;
        SSL_CTX_set_client_CA_list(ctx, names);
    }
    if (!ok) {
        const char *reason = why();
        bool mismatch = strcmp(reason, "key values mismatch") == 0;
        SSL_CTX_free(ctx);
        return mismatch ? cs_fail(e, CS_ERR_INVALID, "tls: private key does not match public key")
                        : cs_fail(e, CS_ERR_INVALID, "TLS file %s: %s", file, reason);
    }
    int verify = tls->ca != NULL || tls->client_required ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
    SSL_CTX_set_verify(ctx, tls->client_required ? verify | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : verify, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"countersign", 11);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    *out = ctx;
    return CS_OK;
}

cs_err cs_net__tls_new(const cs_http_server_options *options, cs_net__tls **out, cs_error *e)
{
    if (options->tls_key == NULL) {
        return cs_fail(e, CS_ERR_INVALID, "a TLS certificate needs its private key");
    }
    cs_net__tls *tls = cs_zalloc(sizeof *tls);
    tls->cert = cs_strdup(options->tls_cert);
    tls->key = cs_strdup(options->tls_key);
    tls->ca = options->tls_ca != NULL ? cs_strdup(options->tls_ca) : NULL;
    tls->client_required = options->tls_client_required;
    tls->min = options->tls_min;
    tls->ciphers = options->tls_ciphers != NULL ? cs_strdup(options->tls_ciphers) : NULL;
    (void)pthread_mutex_init(&tls->lock, NULL);
    const char *const paths[3] = {tls->cert, tls->key, tls->ca};
    for (int i = 0; i < 3; i++) {
        tls->stamps[i] = look(paths[i]);
    }
    cs_err r = load(tls, &tls->ctx, e);
    if (r != CS_OK) {
        cs_net__tls_free(tls);
        return r;
    }
    *out = tls;
    return CS_OK;
}

void cs_net__tls_free(cs_net__tls *tls)
{
    if (tls != NULL) {
        SSL_CTX_free(tls->ctx);
        (void)pthread_mutex_destroy(&tls->lock);
        cs_free(tls->cert);
        cs_free(tls->key);
        cs_free(tls->ca);
        cs_free(tls->ciphers);
        cs_free(tls);
    }
}

void cs_net__tls_refresh(cs_net__tls *tls)
{
    const char *const paths[3] = {tls->cert, tls->key, tls->ca};
    bool changed = false;
    for (int i = 0; i < 3; i++) {
        stamp now = look(paths[i]);
        changed |= !same(now, tls->stamps[i]);
        tls->stamps[i] = now;
    }
    if (!changed) {
        return;
    }
    SSL_CTX *ctx;
    cs_error e = {0};
    if (load(tls, &ctx, &e) != CS_OK) {
        cs_logf(CS_LOG_ERROR, "The TLS certificates have changed and cannot be read; the old ones stay: %s.", e.text);
        return;
    }
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *old = tls->ctx;
    tls->ctx = ctx;
    (void)pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old);
    cs_logf(CS_LOG_INFO, "TLS certificates read again.");
}

cs_net__session *cs_net__session_new(cs_net__tls *tls, int fd)
{
    cs_net__session *s = cs_zalloc(sizeof *s);
    (void)pthread_mutex_lock(&tls->lock);
    s->ssl = SSL_new(tls->ctx);
    (void)pthread_mutex_unlock(&tls->lock);
    if (s->ssl != NULL) {
        (void)SSL_set_fd(s->ssl, fd);
        SSL_set_accept_state(s->ssl);
    }
    return s;
}

void cs_net__session_free(cs_net__session *s)
{
    if (s->ssl != NULL) {
        ERR_clear_error();
        if (SSL_is_init_finished(s->ssl)) {
            (void)SSL_shutdown(s->ssl);
        }
        SSL_free(s->ssl);
        ERR_clear_error();
    }
    cs_free(s);
}

/* The answer of read(2) or write(2) for what OpenSSL said. */
static ssize_t translate(cs_net__session *s, int r, bool *want_write)
{
    int error = SSL_get_error(s->ssl, r);
    *want_write = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    ERR_clear_error();
    errno = ECONNRESET;
    return -1;
}

ssize_t cs_net__session_read(cs_net__session *s, void *bytes, size_t n, bool *want_write)
{
    *want_write = false;
    if (s->ssl == NULL) {
        errno = ECONNRESET;
        return -1;
    }
    ERR_clear_error();
    size_t got = 0;
    int r = SSL_read_ex(s->ssl, bytes, n, &got);
    return r == 1 ? (ssize_t)got : translate(s, r, want_write);
}

ssize_t cs_net__session_write(cs_net__session *s, const void *bytes, size_t n, bool *want_write)
{
    *want_write = true;
    if (s->ssl == NULL) {
        errno = ECONNRESET;
        return -1;
    }
    ERR_clear_error();
    size_t put = 0;
    int r = SSL_write_ex(s->ssl, bytes, n, &put);
    if (r == 1) {
        return (ssize_t)put;
    }
    ssize_t answer = translate(s, r, want_write);
    if (answer == 0) {
        errno = EPIPE;
        return -1;
    }
    return answer;
}

bool cs_net__session_is_h2(const cs_net__session *s)
{
    const unsigned char *chosen = NULL;
    unsigned n = 0;
    if (s->ssl != NULL) {
        SSL_get0_alpn_selected(s->ssl, &chosen, &n);
    }
    return n == 2 && memcmp(chosen, "h2", 2) == 0;
}

size_t cs_net__session_pending(const cs_net__session *s)
{
    return s->ssl != NULL ? (size_t)SSL_pending(s->ssl) : 0;
}

cs_slice cs_net__session_certificate(cs_net__session *s, cs_arena *arena)
{
    X509 *certificate = s->ssl != NULL ? SSL_get0_peer_certificate(s->ssl) : NULL;
    if (certificate == NULL || SSL_get_verify_result(s->ssl) != X509_V_OK) {
        return (cs_slice){"", 0};
    }
    int n = i2d_X509(certificate, NULL);
    if (n <= 0) {
        return (cs_slice){"", 0};
    }
    unsigned char *der = cs_arena_alloc(arena, (size_t)n), *at = der;
    (void)i2d_X509(certificate, &at);
    return cs_slice_make((const char *)der, (size_t)n);
}
