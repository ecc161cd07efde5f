/* UTF-8 (RFC 3629). */
#ifndef CS_BASE_UTF8_H
#define CS_BASE_UTF8_H

#include "countersign/base/slice.h"

#define CS_RUNE_BAD 0xFFFDU

/* Decodes the character at p (n > 0 bytes left); *width gets its bytes. Bad bytes give CS_RUNE_BAD with width 1, as in
 * Go. */
uint32_t cs_utf8_decode(const char *p, size_t n, size_t *width);
/* Writes up to 4 bytes and returns how many; surrogates and values over 10FFFF are written as U+FFFD. */
size_t cs_utf8_encode(uint32_t rune, char out[4]);
size_t cs_utf8_count(cs_slice s); /* code points; a bad byte counts as one */
bool cs_utf8_valid(cs_slice s);
/* Byte offset of code point `index`; s.n if there are fewer. */
size_t cs_utf8_offset(cs_slice s, size_t index);
/* Simple case mapping and classes as Go's unicode package has them (the whole of Unicode, one code point to one). */
uint32_t cs_utf8_lower(uint32_t rune);
uint32_t cs_utf8_upper(uint32_t rune);
bool cs_utf8_is_space(uint32_t rune);

#endif
