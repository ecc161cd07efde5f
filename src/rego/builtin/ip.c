/* IP addresses from text and to text. */
#include "rego/builtin/ip.h"

#include <stdio.h>

static bool parse_v4(cs_slice text, uint8_t out[4])
{
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        unsigned value = 0;
        size_t from = at;
        while (at < text.n && text.p[at] >= '0' && text.p[at] <= '9' && at - from < 4) {
            value = value * 10 + (unsigned)(text.p[at++] - '0');
        }
        if (at == from || value > 255 || (text.p[from] == '0' && at - from > 1)) {
            return false;
        }
        out[i] = (uint8_t)value;
        if (i < 3 && (at == text.n || text.p[at++] != '.')) {
            return false;
        }
    }
    return at == text.n;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The groups of an IPv6 address; where "::" stood is in *gap (bytes), -1 if nowhere. Returns bytes read, or -1. */
static int parse_groups(cs_slice text, uint8_t out[16], int *gap)
{
    size_t at = 0;
    int n = 0;
    *gap = -1;
    if (text.n >= 2 && text.p[0] == ':' && text.p[1] == ':') {
        *gap = 0;
        at = 2;
    }
    while (at < text.n && n < 16) {
        unsigned value = 0;
        size_t from = at;
        while (at < text.n && hex_value(text.p[at]) >= 0 && at - from < 5) {
            value = value * 16 + (unsigned)hex_value(text.p[at++]);
        }
        if (at == from || at - from > 4) {
            return -1;
        }
        if (at < text.n && text.p[at] == '.') {
            bool fits = n <= 12 && (*gap >= 0 || n == 12) && parse_v4(cs_slice_sub(text, from, text.n), out + n);
            return fits ? n + 4 : -1;
        }
        out[n++] = (uint8_t)(value >> 8);
        out[n++] = (uint8_t)value;
        if (at == text.n) {
            return n;
        }
        if (text.p[at++] != ':' || at == text.n) {
            return -1;
        }
        if (text.p[at] == ':') {
            if (*gap >= 0) {
                return -1;
            }
            *gap = n;
            at++;
        }
    }
    return at == text.n ? n : -1;
}

static bool parse_v6(cs_slice text, uint8_t out[16])
{
    int gap, n = parse_groups(text, out, &gap);
    if (n < 0 || (gap < 0 ? n != 16 : n >= 16)) {
        return false;
    }
    if (gap >= 0) {
        memmove(out + 16 - (n - gap), out + gap, (size_t)(n - gap));
        memset(out + gap, 0, (size_t)(16 - n));
    }
    return true;
}

bool cs_ip__parse(cs_slice text, cs_ip *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    memset(out, 0, sizeof *out);
    if (cs_slice_find_byte(text, ':', 0) == SIZE_MAX) {
        out->bits = 32;
        return parse_v4(text, out->b);
    }
    if (!parse_v6(text, out->b)) {
        return false;
    }
    out->bits = 128;
    if (memcmp(out->b, mapped, sizeof mapped) == 0) {
        memmove(out->b, out->b + 12, 4);
        memset(out->b + 4, 0, 12);
        out->bits = 32;
    }
    return true;
}

bool cs_cidr__parse(cs_slice text, cs_cidr *out)
{
    size_t slash = cs_slice_find_byte(text, '/', 0);
    uint64_t prefix;
    if (slash == SIZE_MAX || !cs_slice_u64(cs_slice_sub(text, slash + 1, text.n), &prefix)) {
        return false;
    }
    cs_slice address = cs_slice_sub(text, 0, slash);
    if (!cs_ip__parse(address, &out->ip)) {
        return false;
    }
    /* An IPv4 address written as IPv6 has a prefix of 128 bits. */
    bool wide = cs_slice_find_byte(address, ':', 0) != SIZE_MAX;
    if (prefix > (wide ? 128U : 32U)) {
        return false;
    }
    if (wide && out->ip.bits == 32) {
        if (prefix < 96) {
            memmove(out->ip.b + 12, out->ip.b, 4);
            memset(out->ip.b, 0, 10);
            out->ip.b[10] = out->ip.b[11] = 0xFF;
            out->ip.bits = 128;
        } else {
            prefix -= 96;
        }
    }
    out->prefix = (int)prefix;
    return true;
}

static size_t print_v6(const uint8_t b[16], char out[64])
{
    int best = -1, best_n = 1; /* the longest run of zero groups, of two or more */
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && b[(i + n) * 2] == 0 && b[(i + n) * 2 + 1] == 0) {
            n++;
        }
        if (n > best_n) {
            best = i;
            best_n = n;
        }
        i += n;
    }
    size_t at = 0;
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            out[at++] = ':';
            out[at++] = ':';
            i += best_n;
            if (i >= 8) {
                break;
            }
        } else if (i > 0) {
            out[at++] = ':';
        }
        int n = snprintf(out + at, 8, "%x", (unsigned)b[i * 2] << 8 | b[i * 2 + 1]);
        at += n > 0 ? (size_t)n : 0;
    }
    return at;
}

size_t cs_ip__print(const cs_ip *ip, char out[64])
{
    if (ip->bits == 128) {
        return print_v6(ip->b, out);
    }
    int n = snprintf(out, 64, "%u.%u.%u.%u", ip->b[0], ip->b[1], ip->b[2], ip->b[3]);
    return n > 0 ? (size_t)n : 0;
}

void cs_cidr__range(const cs_cidr *cidr, cs_ip *first, cs_ip *last)
{
    *first = *last = cidr->ip;
    for (int bit = cidr->prefix; bit < cidr->ip.bits; bit++) {
        uint8_t mask = (uint8_t)(0x80U >> (bit % 8));
        first->b[bit / 8] &= (uint8_t)~mask;
        last->b[bit / 8] |= mask;
    }
}

bool cs_cidr__has(const cs_cidr *cidr, const cs_ip *ip)
{
    if (cidr->ip.bits != ip->bits) {
        return false;
    }
    int whole = cidr->prefix / 8, rest = cidr->prefix % 8;
    if (memcmp(cidr->ip.b, ip->b, (size_t)whole) != 0) {
        return false;
    }
    return rest == 0 || ((cidr->ip.b[whole] ^ ip->b[whole]) >> (8 - rest)) == 0;
}
