/* Failures in the words of Go's net, net/http and crypto/tls, which is what policies and their tests know. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "countersign/base/time.h"
#include "network.h"

void cs_net__words_errno(cs_buf *out, int error)
{
    char room[128];
    const char *text = strerror_r(error, room, sizeof room);
    cs_buf_byte(out, (char)(text[0] >= 'A' && text[0] <= 'Z' ? text[0] | 0x20 : text[0]));
    cs_buf_text(out, text[0] != 0 ? text + 1 : "");
}

void cs_net__words_address(cs_buf *out, const struct sockaddr *to, size_t size)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (to->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)to;
        (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        cs_buf_printf(out, "%s:%u", text, (unsigned)ntohs(in->sin_port));
    } else if (to->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)to;
        (void)inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
        cs_buf_printf(out, "[%s]:%u", text, (unsigned)ntohs(in->sin6_port));
    } else if (to->sa_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)to;
        size_t n = size > offsetof(struct sockaddr_un, sun_path) ? size - offsetof(struct sockaddr_un, sun_path) : 0;
        cs_buf_put(out, un->sun_path, strnlen(un->sun_path, n));
    }
}

void cs_net__words_dial(cs_buf *out, const struct sockaddr *to, size_t size, int error)
{
    cs_buf_text(out, to->sa_family == AF_UNIX ? "dial unix " : "dial tcp ");
    cs_net__words_address(out, to, size);
    cs_buf_text(out, ": connect: ");
    cs_net__words_errno(out, error);
}

/* ---- certificates */

/* X509_V_ERR_… of OpenSSL. */
enum {
    UNSPECIFIED = 1, /* what libcurl says before it has looked: the name was compared first, and did not fit */
    NOT_YET_VALID = 9,
    HAS_EXPIRED = 10,
    NAME_MISMATCH = 62,
    ADDRESS_MISMATCH = 64,
};

/* The names of one kind in "DNS:a, IP Address:b, …", separated by ", ". */
static size_t names_of(cs_buf *out, const char *names, cs_slice kind)
{
    cs_slice rest = cs_slice_of(names), piece;
    size_t n = 0;
    while (cs_slice_next(&rest, ',', &piece)) {
        piece = cs_slice_trim(piece);
        if (cs_slice_starts(piece, kind)) {
            cs_buf_text(out, n++ != 0 ? ", " : "");
            cs_buf_slice(out, cs_slice_sub(piece, kind.n, piece.n));
        }
    }
    return n;
}

static bool is_address(cs_slice host)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char room[16];
    if (host.n >= sizeof text) {
        return false;
    }
    memcpy(text, host.p, host.n);
    text[host.n] = 0;
    return inet_pton(AF_INET, text, room) == 1 || inet_pton(AF_INET6, text, room) == 1;
}

static void mismatch(cs_buf *out, const char *names, cs_slice host)
{
    cs_buf list;
    cs_buf_init(&list);
    bool address = is_address(host);
    if (names == NULL && !address) {
        cs_buf_text(out, "certificate relies on legacy Common Name field, use SANs instead");
    } else if (names == NULL || names_of(&list, names, address ? CS_LIT("IP Address:") : CS_LIT("DNS:")) == 0) {
        cs_buf_printf(out,
                      address ? "cannot validate certificate for %.*s because it doesn't contain any IP SANs"
                              : "certificate is not valid for any names, but wanted to match %.*s",
                      CS_FMT(host));
    } else {
        cs_buf_printf(out, "certificate is valid for %.*s, not %.*s", CS_FMT(cs_buf_view(&list)), CS_FMT(host));
    }
    cs_buf_destroy(&list);
}

void cs_net__words_certificate(cs_buf *out, long verify_result, const char *names, cs_slice host)
{
    cs_buf_text(out, "tls: failed to verify certificate: x509: ");
    char now[40];
    switch (verify_result) {
    case 0:
    case UNSPECIFIED:
    case NAME_MISMATCH:
    case ADDRESS_MISMATCH:
        mismatch(out, names, host);
        break;
    case NOT_YET_VALID:
    case HAS_EXPIRED:
        (void)cs_time_format_rfc3339(cs_time_wall_ns() / CS_NS_PER_S * CS_NS_PER_S, now);
        cs_buf_printf(out, "certificate has expired or is not yet valid: current time %s is %s", now,
                      verify_result == HAS_EXPIRED ? "after its end" : "before its beginning");
        break;
    default:
        cs_buf_text(out, "certificate signed by unknown authority");
        break;
    }
}

/* OpenSSL's words for an alert, and Go's where they differ. */
static const struct {
    const char *openssl, *go;
} alerts[] = {
    {"unexpected message", "unexpected message"},
    {"bad record mac", "bad record MAC"},
    {"record overflow", "record overflow"},
    {"handshake failure", "handshake failure"},
    {"bad certificate", "bad certificate"},
    {"unsupported certificate", "unsupported certificate"},
    {"certificate revoked", "revoked certificate"},
    {"certificate expired", "expired certificate"},
    {"certificate unknown", "unknown certificate"},
    {"illegal parameter", "illegal parameter"},
    {"unknown ca", "unknown certificate authority"},
    {"access denied", "access denied"},
    {"decode error", "error decoding message"},
    {"decrypt error", "error decrypting message"},
    {"protocol version", "protocol version not supported"},
    {"insufficient security", "insufficient security level"},
    {"internal error", "internal error"},
    {"unrecognized name", "unrecognized name"},
    {"certificate required", "certificate required"},
    {"no application protocol", "no application protocol"},
};

bool cs_net__words_alert(cs_buf *out, const char *openssl)
{
    cs_slice text = cs_slice_of(openssl);
    if (cs_slice_find(text, CS_LIT("alert"), 0) == SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++) {
        if (cs_slice_find(text, cs_slice_of(alerts[i].openssl), 0) != SIZE_MAX) {
            cs_buf_printf(out, "remote error: tls: %s", alerts[i].go);
            return true;
        }
    }
    return false;
}
