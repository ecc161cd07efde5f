/* libssl, loaded at the first call of one of its functions (base/library.h says why). What tls.c calls of it is defined
 * here and passes the call on; what it calls of libcrypto stands in crypto/openssl_load.c. */
#include <openssl/ssl.h>

#include "countersign/base/library.h"

/* X(result, function, parameters, arguments), for what returns nothing V. */
#define FUNCTIONS(X, V)                                                                                                \
    X(int, SSL_CTX_check_private_key, (const SSL_CTX *ctx), (ctx))                                                     \
    X(long, SSL_CTX_ctrl, (SSL_CTX * ctx, int cmd, long larg, void *parg), (ctx, cmd, larg, parg))                     \
    X(int, SSL_CTX_set_cipher_list, (SSL_CTX * ctx, const char *str), (ctx, str))                                      \
    V(SSL_CTX_free, (SSL_CTX * ctx), (ctx))                                                                            \
    X(int, SSL_CTX_load_verify_file, (SSL_CTX * ctx, const char *CAfile), (ctx, CAfile))                               \
    X(SSL_CTX *, SSL_CTX_new, (const SSL_METHOD *meth), (meth))                                                        \
    V(SSL_CTX_set_alpn_select_cb, (SSL_CTX * ctx, SSL_CTX_alpn_select_cb_func cb, void *arg), (ctx, cb, arg))          \
    V(SSL_CTX_set_client_CA_list, (SSL_CTX * ctx, struct stack_st_X509_NAME * name_list), (ctx, name_list))            \
    X(uint64_t, SSL_CTX_set_options, (SSL_CTX * ctx, uint64_t op), (ctx, op))                                          \
    X(int, SSL_CTX_set_session_id_context, (SSL_CTX * ctx, const unsigned char *sid_ctx, unsigned int sid_ctx_len),    \
      (ctx, sid_ctx, sid_ctx_len))                                                                                     \
    V(SSL_CTX_set_verify, (SSL_CTX * ctx, int mode, SSL_verify_cb callback), (ctx, mode, callback))                    \
    X(int, SSL_CTX_use_PrivateKey_file, (SSL_CTX * ctx, const char *file, int type), (ctx, file, type))                \
    X(int, SSL_CTX_use_certificate_chain_file, (SSL_CTX * ctx, const char *file), (ctx, file))                         \
    V(SSL_free, (SSL * ssl), (ssl))                                                                                    \
    V(SSL_get0_alpn_selected, (const SSL *ssl, const unsigned char **data, unsigned int *len), (ssl, data, len))       \
    X(X509 *, SSL_get0_peer_certificate, (const SSL *s), (s))                                                          \
    X(int, SSL_get_error, (const SSL *s, int ret_code), (s, ret_code))                                                 \
    X(long, SSL_get_verify_result, (const SSL *ssl), (ssl))                                                            \
    X(int, SSL_is_init_finished, (const SSL *s), (s))                                                                  \
    X(struct stack_st_X509_NAME *, SSL_load_client_CA_file, (const char *file), (file))                                \
    X(SSL *, SSL_new, (SSL_CTX * ctx), (ctx))                                                                          \
    X(int, SSL_pending, (const SSL *s), (s))                                                                           \
    X(int, SSL_read_ex, (SSL * ssl, void *buf, size_t num, size_t *readbytes), (ssl, buf, num, readbytes))             \
    X(int, SSL_select_next_proto,                                                                                      \
      (unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned int inlen,                        \
       const unsigned char *client, unsigned int client_len),                                                          \
      (out, outlen, in, inlen, client, client_len))                                                                    \
    V(SSL_set_accept_state, (SSL * s), (s))                                                                            \
    X(int, SSL_set_fd, (SSL * s, int fd), (s, fd))                                                                     \
    X(int, SSL_shutdown, (SSL * s), (s))                                                                               \
    X(int, SSL_write_ex, (SSL * s, const void *buf, size_t num, size_t *written), (s, buf, num, written))              \
    X(const SSL_METHOD *, TLS_server_method, (void), ())

#define CALL(name) CS_LIBRARY_CALL(name)
CS_LIBRARY_NEEDED("libssl.so.3")
