/* Hexadecimal, base64 (RFC 4648) and percent-encoding (RFC 3986). Results go into an arena or a buffer; nothing is
 * kept. */
#ifndef CS_BASE_ENCODE_H
#define CS_BASE_ENCODE_H

#include "countersign/base/arena.h"
#include "countersign/base/buf.h"
#include "countersign/base/slice.h"

typedef enum cs_base64_kind { CS_BASE64_STD, CS_BASE64_URL, CS_BASE64_URL_NOPAD } cs_base64_kind;

cs_slice cs_hex_encode(cs_arena *a, cs_slice bytes); /* lower case */
/* false on an odd length or another character; *bad, if wanted, is the offset of the first bad byte. */
bool cs_hex_decode(cs_arena *a, cs_slice text, cs_slice *out, size_t *bad);
cs_slice cs_base64_encode(cs_arena *a, cs_slice bytes, cs_base64_kind kind);
/* Strict as Go's encoding/base64 (CR and LF are skipped, padding as the kind says); *bad is the offset of the first bad
 * byte. */
bool cs_base64_decode(cs_arena *a, cs_slice text, cs_base64_kind kind, cs_slice *out, size_t *bad);
/* '%XX' decoded; `plus` turns '+' into a blank. false on a malformed escape. */
bool cs_percent_decode(cs_arena *a, cs_slice text, bool plus, cs_slice *out);

/* Everything but RFC 3986's unreserved characters as '%XX', appended. */
void cs_percent_encode(cs_buf *out, cs_slice text);

#endif
