/* Addresses as `opa run --addr` writes them, and the sockets that listen on them. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

static cs_err parse_unix(cs_slice path, cs_net__address *out, cs_error *e)
{
    out->is_unix = true;
    out->abstract = path.n > 0 && path.p[0] == '@';
    if (path.n == 0 || path.n >= sizeof out->path) {
        return cs_fail(e, CS_ERR_INVALID, "invalid address: a socket's path has 1 to %zu bytes", sizeof out->path - 1);
    }
    memcpy(out->path, path.p, path.n);
    out->path[path.n] = 0;
    return CS_OK;
}

cs_err cs_net__address_parse(cs_slice text, cs_net__address *out, cs_error *e)
{
    *out = (cs_net__address){0};
    cs_slice rest = text;
    if (cs_slice_starts(text, CS_LIT("unix://"))) {
        return parse_unix(cs_slice_sub(text, 7, text.n), out, e);
    }
    if (cs_slice_starts(text, CS_LIT("http://"))) {
        rest = cs_slice_sub(text, 7, text.n);
    } else if (cs_slice_starts(text, CS_LIT("https://"))) {
        rest = cs_slice_sub(text, 8, text.n);
        out->tls = true;
    } else if (cs_slice_find(text, CS_LIT("://"), 0) != SIZE_MAX) {
        return cs_fail(e, CS_ERR_INVALID, "invalid url scheme \"%.*s\"",
                       CS_FMT(cs_slice_sub(text, 0, cs_slice_find(text, CS_LIT("://"), 0))));
    }
    bool bracket = rest.n != 0 && rest.p[0] == '[';
    size_t closing = bracket ? cs_slice_find_byte(rest, ']', 0) : 0;
    size_t colon = closing != SIZE_MAX ? cs_slice_find_byte(rest, ':', closing) : SIZE_MAX;
    cs_slice host = cs_slice_sub(rest, 0, colon == SIZE_MAX ? rest.n : colon);
    uint64_t port = out->tls ? 443 : 80;
    cs_slice number = colon != SIZE_MAX ? cs_slice_sub(rest, colon + 1, rest.n) : CS_LIT("");
    if (number.n != 0 && !cs_slice_u64(number, &port)) {
        return cs_fail(e, CS_ERR_INVALID, "parse \"%s%.*s\": invalid port \":%.*s\" after host",
                       rest.n == text.n ? "http://" : "", CS_FMT(text), CS_FMT(number));
    }
    if (port > 65535) {
        return cs_fail(e, CS_ERR_IO, "listen tcp: address %.*s: invalid port", CS_FMT(number));
    }
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        host = cs_slice_sub(host, 1, host.n - 1);
    }
    if (host.n >= sizeof out->host) {
        return cs_fail(e, CS_ERR_INVALID, "the host's name is too long in address %.*s", CS_FMT(text));
    }
    memcpy(out->host, host.p, host.n);
    out->port = (uint16_t)port;
    return CS_OK;
}

static cs_err listen_unix(const cs_net__address *address, unsigned permissions, int *fd, cs_error *e)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = strlen(address->path);
    memcpy(name.sun_path, address->path, length + 1);
    socklen_t size = sizeof name;
    if (address->abstract) {
        name.sun_path[0] = 0;
        size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    } else {
        struct stat there;
        if (lstat(address->path, &there) == 0 && S_ISSOCK(there.st_mode)) {
            (void)unlink(address->path); /* left behind by a process that is gone, or about to be replaced: as OPA */
        }
    }
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool ok = s >= 0 && bind(s, (struct sockaddr *)&name, size) == 0 && listen(s, 1024) == 0 &&
              (address->abstract || chmod(address->path, permissions) == 0);
    if (!ok) {
        int error = errno;
        if (s >= 0) {
            (void)close(s);
        }
        return cs_fail(e, CS_ERR_IO, "listen unix %s: %s", address->path, strerror(error));
    }
    *fd = s;
    return CS_OK;
}

static void print_bound(int fd, char *bound, size_t cap, uint16_t *port)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    char host[256] = "", service[16] = "";
    if (getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
        getnameinfo((struct sockaddr *)&name, size, host, sizeof host, service, sizeof service,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        bool v6 = name.ss_family == AF_INET6;
        (void)snprintf(bound, cap, v6 ? "[%s]:%s" : "%s:%s", host, service);
        uint64_t number = 0;
        (void)cs_slice_u64(cs_slice_of(service), &number);
        *port = (uint16_t)number;
    }
}

static int listen_one(const struct addrinfo *info, uint16_t port)
{
    int s = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0) {
        return -1;
    }
    struct sockaddr_storage name = {0};
    memcpy(&name, info->ai_addr, info->ai_addrlen);
    if (port != 0) {
        if (info->ai_family == AF_INET6) {
            ((struct sockaddr_in6 *)&name)->sin6_port = htons(port);
        } else {
            ((struct sockaddr_in *)&name)->sin_port = htons(port);
        }
    }
    int on = 1, off = 0;
    (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6) {
        (void)setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, info->ai_flags & AI_PASSIVE ? &off : &on, sizeof on);
    }
    if (setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        bind(s, (struct sockaddr *)&name, info->ai_addrlen) != 0 || listen(s, 4096) != 0) {
        int error = errno;
        (void)close(s);
        errno = error;
        return -1;
    }
    return s;
}

/* Another process that listens with SO_REUSEPORT would share the port with us unnoticed, so that a second server on the
 * same address would seem to start: probe once without the option. */
static bool is_taken(const struct addrinfo *info, uint16_t port)
{
    if (port == 0) {
        return false;
    }
    int s = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) {
        return false;
    }
    int on = 1;
    (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6 && !(info->ai_flags & AI_PASSIVE)) {
        (void)setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    bool taken = bind(s, info->ai_addr, info->ai_addrlen) != 0 && errno == EADDRINUSE;
    (void)close(s);
    return taken;
}

cs_err cs_net__listen(const cs_net__address *address, unsigned permissions, int *fds, size_t cap, size_t *n,
                      char *bound, size_t bound_cap, uint16_t *port, cs_error *e)
{
    *n = 0;
    if (address->is_unix) {
        CS_TRY(listen_unix(address, permissions, &fds[0], e));
        *n = 1;
        (void)snprintf(bound, bound_cap, "%s", address->path);
        return CS_OK;
    }
    uint16_t wanted = *port != 0 ? *port : address->port;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", (unsigned)wanted);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    bool any = address->host[0] == 0;
    if (any) {
        hints.ai_flags |= AI_PASSIVE;
        hints.ai_family = AF_INET6; /* dual stack */
    }
    int r = getaddrinfo(any ? NULL : address->host, service, &hints, &list);
    if (r != 0) {
        return cs_fail(e, CS_ERR_IO, "listen tcp: lookup %s: %s", address->host, gai_strerror(r));
    }
    int error = 0;
    for (struct addrinfo *i = list; i != NULL && *n < cap; i = i->ai_next) {
        i->ai_flags = any ? AI_PASSIVE : 0;
        if (*port == 0 && is_taken(i, wanted)) {
            error = EADDRINUSE;
            break;
        }
        /* "localhost" is two addresses; with port 0 the second takes the port of the first. */
        int fd = listen_one(i, *n == 0 ? wanted : *port);
        if (fd < 0) {
            error = errno;
            continue;
        }
        if (*n == 0) {
            print_bound(fd, bound, bound_cap, port);
        }
        fds[(*n)++] = fd;
    }
    freeaddrinfo(list);
    if (*n == 0 && any && error == EAFNOSUPPORT) {
        cs_net__address v4 = *address;
        (void)snprintf(v4.host, sizeof v4.host, "0.0.0.0");
        return cs_net__listen(&v4, permissions, fds, cap, n, bound, bound_cap, port, e);
    }
    if (*n == 0 || error == EADDRINUSE) {
        for (size_t k = 0; k < *n; k++) {
            (void)close(fds[k]);
        }
        bool local = strcmp(address->host, "localhost") == 0;
        return cs_fail(e, CS_ERR_IO, "listen tcp %s:%u: bind: %s", local ? "127.0.0.1" : address->host,
                       (unsigned)wanted, error == EADDRINUSE ? "address already in use" : strerror(error));
    }
    return CS_OK;
}

void cs_net__peer_text(const struct sockaddr_storage *from, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
        (void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        (void)snprintf(out, cap, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        (void)inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? &v6->sin6_addr.s6_addr[12] : (const void *)&v6->sin6_addr,
                        host, sizeof host);
        (void)snprintf(out, cap, mapped ? "%s:%u" : "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    } else {
        (void)snprintf(out, cap, "@");
    }
}
