/* IP addresses and CIDR blocks as Go's net package reads and writes them. */
#ifndef CS_REGO_BUILTIN_IP_H
#define CS_REGO_BUILTIN_IP_H

#include "countersign/base/slice.h"

typedef struct cs_ip {
    uint8_t b[16]; /* in network order; an IPv4 address is in the first 4 */
    int bits;      /* 32 or 128 */
} cs_ip;

typedef struct cs_cidr {
    cs_ip ip;   /* the address as written */
    int prefix; /* 0..ip.bits */
} cs_cidr;

/* Dotted decimal without leading zeros, or IPv6 (RFC 4291 §2.2) without a zone. "::ffff:1.2.3.4" gives an IPv4 address,
 * as in Go. */
bool cs_ip__parse(cs_slice text, cs_ip *out);
bool cs_cidr__parse(cs_slice text, cs_cidr *out);
/* The text (RFC 5952) into `out`; returns its length. */
size_t cs_ip__print(const cs_ip *ip, char out[64]);
/* The first and the last address of the block. */
void cs_cidr__range(const cs_cidr *cidr, cs_ip *first, cs_ip *last);
bool cs_cidr__has(const cs_cidr *cidr, const cs_ip *ip);

#endif
