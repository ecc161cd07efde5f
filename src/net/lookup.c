/* Addresses of names: getaddrinfo blocks, so it runs on threads of its own; at most four, started when needed. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "network.h"

/* The text of an address as Go prints it: IPv4 in IPv6 as IPv4, with the zone of a link-local one. */
static cs_slice address_text(cs_arena *a, const struct addrinfo *info)
{
    char text[NI_MAXHOST] = "";
    if (info->ai_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)info->ai_addr;
        (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    } else if (getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0) {
        text[0] = 0;
    }
    size_t n = strlen(text);
    return cs_slice_make(cs_arena_dup(a, text, n), n);
}

/* The first name server, for the words of an error; "" if there is none to be named. */
static void name_server(cs_buf *out)
{
    cs_buf file;
    cs_error e;
    cs_buf_init(&file);
    if (cs_file_read("/etc/resolv.conf", 65536, &file, &e) == CS_OK) {
        cs_slice rest = cs_buf_view(&file), line;
        while (out->n == 0 && cs_slice_next(&rest, '\n', &line)) {
            line = cs_slice_trim(line);
            if (cs_slice_starts(line, CS_LIT("nameserver"))) {
                cs_slice ip = cs_slice_trim(cs_slice_sub(line, 10, line.n));
                bool v6 = cs_slice_find_byte(ip, ':', 0) != SIZE_MAX;
                cs_buf_printf(out, v6 ? " on [%.*s]:53" : " on %.*s:53", CS_FMT(ip));
            }
        }
    }
    cs_buf_destroy(&file);
}

/* Go asks no server for what cannot be a name. */
static bool is_name(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return s.n != 0 && s.n < 255;
}

void cs_net__words_lookup(cs_buf *out, cs_slice name, const char *why)
{
    cs_buf server;
    cs_buf_init(&server);
    if (is_name(name)) {
        name_server(&server);
    }
    cs_buf_printf(out, "lookup %.*s%.*s: %s", CS_FMT(name), CS_FMT(cs_buf_view(&server)), why);
    cs_buf_destroy(&server);
}

static void fail(cs_exchange *x, int code)
{
    cs_buf text;
    cs_buf_init(&text);
    bool unknown = code == EAI_NONAME || code == EAI_NODATA || code == EAI_ADDRFAMILY;
    cs_net__words_lookup(&text, x->request.host, unknown ? "no such host" : "server misbehaving");
    cs_net__exchange_failed(x, CS_EXCHANGE_FAILED, "%.*s", CS_FMT(cs_buf_view(&text)));
    cs_buf_destroy(&text);
}

static void look_up(cs_exchange *x)
{
    cs_arena *a = &x->arena;
    const char *name = cs_arena_dup(a, x->request.host.p, x->request.host.n);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int code = name[0] != 0 && strlen(name) == x->request.host.n ? getaddrinfo(name, NULL, &hints, &list) : EAI_NONAME;
    if (code != 0) {
        fail(x, code);
        return;
    }
    size_t n = 0;
    for (const struct addrinfo *i = list; i != NULL; i = i->ai_next) {
        n++;
    }
    cs_slice *addresses = cs_arena_array(a, cs_slice, n + 1);
    n = 0;
    for (const struct addrinfo *i = list; i != NULL; i = i->ai_next) {
        addresses[n++] = address_text(a, i);
    }
    freeaddrinfo(list);
    x->answer.addresses = addresses;
    x->answer.n_addresses = n;
}

static void thread_main(void *self)
{
    cs_net__network *n = self;
    cs_mutex_lock(&n->lock);
    while (!n->stop) {
        cs_exchange *x = n->lookups;
        if (x == NULL) {
            n->idle_lookups++;
            cs_cond_wait(&n->lookup_wanted, &n->lock);
            n->idle_lookups--;
            continue;
        }
        n->lookups = x->next;
        if (n->lookups == NULL) {
            n->last_lookup = &n->lookups;
        }
        bool wanted = !x->abandoned;
        x->state = CS_NET__RUNNING;
        cs_mutex_unlock(&n->lock);
        if (wanted) {
            look_up(x);
        }
        cs_net__exchange_over(x);
        cs_mutex_lock(&n->lock);
    }
    cs_mutex_unlock(&n->lock);
}

void cs_net__lookup_start(cs_exchange *x)
{
    cs_net__network *n = x->network;
    size_t most = sizeof n->lookup_threads / sizeof *n->lookup_threads;
    cs_error e;
    x->next = NULL;
    *n->last_lookup = x;
    n->last_lookup = &x->next;
    if (n->idle_lookups == 0 && n->n_lookup_threads < most &&
        cs_thread_start(&n->lookup_threads[n->n_lookup_threads], "lookup", thread_main, n, &e) == CS_OK) {
        n->n_lookup_threads++;
    }
    cs_cond_signal(&n->lookup_wanted);
}

void cs_net__lookup_stop(cs_net__network *n)
{
    cs_mutex_lock(&n->lock);
    cs_cond_broadcast(&n->lookup_wanted);
    cs_mutex_unlock(&n->lock);
    for (size_t i = 0; i < n->n_lookup_threads; i++) {
        cs_thread_join(&n->lookup_threads[i]);
    }
    while (n->lookups != NULL) { /* abandoned, all of them */
        cs_exchange *next = n->lookups->next;
        cs_net__exchange_over(n->lookups);
        n->lookups = next;
    }
}
