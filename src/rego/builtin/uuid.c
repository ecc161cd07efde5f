/* UUIDs (RFC 9562). */
#include <stdio.h>

#include "rego/builtin/internal.h"

/* Seconds between the epoch of UUIDs, 15 October 1582, and 1970. */
#define GREGORIAN_100NS INT64_C(122192928000000000)

static cs_value text_of(cs_call *call, const uint8_t b[16])
{
    char *p = cs_arena_alloc(call->arena, 37);
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            p[at++] = '-';
        }
        p[at++] = "0123456789abcdef"[b[i] >> 4];
        p[at++] = "0123456789abcdef"[b[i] & 15];
    }
    return cs_string(cs_slice_make(p, 36));
}

cs_err cs_builtin__uuid_rfc4122(cs_call *call, cs_value *out)
{
    uint8_t b[16];
    call->state->host->random(call->state->host->self, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    return cs_call__give(out, text_of(call, b));
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The forms that Go's google/uuid takes: plain, urn:uuid:, in braces (any two characters, in fact), 32 digits. */
static bool parse(cs_slice s, uint8_t b[16])
{
    if (s.n == 45) {
        if (!cs_slice_eq_nocase(cs_slice_sub(s, 0, 9), CS_LIT("urn:uuid:"))) {
            return false;
        }
        s = cs_slice_sub(s, 9, 45);
    } else if (s.n == 38) {
        s = cs_slice_sub(s, 1, 37);
    }
    bool dashes = s.n == 36;
    if (!dashes && s.n != 32) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) && s.p[at++] != '-') {
            return false;
        }
        int high = hex_value(s.p[at]), low = hex_value(s.p[at + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        b[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return true;
}

static const char *variant(uint8_t b)
{
    return (b & 0xC0) == 0x80   ? "RFC4122"
           : (b & 0xE0) == 0xC0 ? "Microsoft"
           : (b & 0xE0) == 0xE0 ? "Future"
                                : "Reserved";
}

static const char *mac_kind(uint8_t b)
{
    static const char *const names[] = {"global:unicast", "global:multicast", "local:unicast", "local:multicast"};
    return names[b & 3];
}

static cs_value domain(cs_call *call, uint8_t d)
{
    static const char *const names[] = {"Person", "Group", "Org"};
    return d < 3 ? cs_string(cs_slice_of(names[d])) : cs_string_printf(call->arena, "Domain%u", d);
}

static void put(cs_call *call, cs_value object, const char *key, cs_value v)
{
    cs_object_put_text(call->arena, object, key, v);
}

/* What versions 1 and 2 carry. */
static void put_time_based(cs_call *call, cs_value out, const uint8_t b[16], int version)
{
    uint64_t low = (uint64_t)b[0] << 24 | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 8 | b[3];
    uint64_t mid = (uint64_t)b[4] << 8 | b[5], high = (uint64_t)(b[6] & 0x0F) << 8 | b[7];
    int64_t ticks = (int64_t)(low | mid << 32 | high << 48) - GREGORIAN_100NS;
    put(call, out, "time", cs_int((int64_t)((uint64_t)ticks * 100U)));
    char mac[24];
    int n = snprintf(mac, sizeof mac, "%02x-%02x-%02x-%02x-%02x-%02x", b[10], b[11], b[12], b[13], b[14], b[15]);
    put(call, out, "nodeid", cs_string_copy(call->arena, cs_slice_make(mac, n > 0 ? (size_t)n : 0)));
    put(call, out, "macvariables", cs_string(cs_slice_of(mac_kind(b[10]))));
    put(call, out, "clocksequence", cs_int((b[8] & 0x3F) << 8 | b[9]));
    if (version == 2) {
        put(call, out, "id", cs_int((int64_t)low));
        put(call, out, "domain", domain(call, b[9]));
    }
}

cs_err cs_builtin__uuid_parse(cs_call *call, cs_value *out)
{
    cs_slice s;
    uint8_t b[16];
    CS_TRY(cs_call_string(call, 1, &s));
    if (!parse(s, b)) {
        return cs_call__give(out, cs_undefined());
    }
    int version = b[6] >> 4;
    *out = cs_object_new(call->arena, 8);
    put(call, *out, "version", cs_int(version));
    put(call, *out, "variant", cs_string(cs_slice_of(variant(b[8]))));
    if (version == 1 || version == 2) {
        put_time_based(call, *out, b, version);
    }
    return CS_OK;
}
