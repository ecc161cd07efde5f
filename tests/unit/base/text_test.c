/* Slices, buffers, UTF-8 and errors at their edges. */
#include <criterion/criterion.h>

#include "countersign/base/buf.h"
#include "countersign/base/err.h"
#include "countersign/base/utf8.h"

Test(slice, pieces)
{
    cs_slice rest = CS_LIT("a,,b,");
    static const char *const want[] = {"a", "", "b", ""};
    cs_slice piece = {0};
    for (size_t i = 0; i < 4; i++) {
        cr_assert(cs_slice_next(&rest, ',', &piece));
        cr_assert(cs_slice_is(piece, want[i]));
    }
    cr_assert_not(cs_slice_next(&rest, ',', &piece));
    rest = CS_LIT("");
    cr_assert(cs_slice_next(&rest, ',', &piece));
    cr_assert_eq(piece.n, 0);
    cr_assert_not(cs_slice_next(&rest, ',', &piece));
}

Test(slice, numbers)
{
    uint64_t u = 0;
    int64_t i = 0;
    cr_assert(cs_slice_u64(CS_LIT("18446744073709551615"), &u) && u == UINT64_MAX);
    cr_assert_not(cs_slice_u64(CS_LIT("18446744073709551616"), &u));
    cr_assert_not(cs_slice_u64(CS_LIT(""), &u));
    cr_assert_not(cs_slice_u64(CS_LIT("+1"), &u));
    cr_assert_not(cs_slice_u64(CS_LIT("1 "), &u));
    cr_assert(cs_slice_i64(CS_LIT("-9223372036854775808"), &i) && i == INT64_MIN);
    cr_assert_not(cs_slice_i64(CS_LIT("9223372036854775808"), &i));
    cr_assert_not(cs_slice_i64(CS_LIT("-"), &i));
}

Test(slice, finding)
{
    cs_slice s = CS_LIT("abcabc");
    cr_assert_eq(cs_slice_find(s, CS_LIT("bc"), 2), 4);
    cr_assert_eq(cs_slice_find(s, CS_LIT(""), 6), 6);
    cr_assert_eq(cs_slice_find(s, CS_LIT(""), 7), SIZE_MAX);
    cr_assert_eq(cs_slice_find((cs_slice){0}, CS_LIT("a"), 0), SIZE_MAX);
    cr_assert_eq(cs_slice_find_byte(s, 'c', 3), 5);
    cr_assert_eq(cs_slice_find_byte(s, 'c', 6), SIZE_MAX);
    cr_assert(cs_slice_is(cs_slice_trim(CS_LIT(" \t a b\r\n")), "a b"));
    cr_assert_eq(cs_slice_trim(CS_LIT(" \n")).n, 0);
    cr_assert_lt(cs_slice_compare(CS_LIT("a"), CS_LIT("a\x01")), 0);
    cr_assert_gt(cs_slice_compare(CS_LIT("\xFF"), CS_LIT("a")), 0);
    cr_assert_eq(cs_slice_compare((cs_slice){0}, CS_LIT("")), 0);
}

Test(slice, hash_looks_at_every_byte)
{
    char bytes[80] = {0};
    for (size_t n = 1; n < sizeof bytes; n++) {
        uint32_t before = cs_hash_bytes(bytes, n);
        unsigned same = 0;
        for (size_t i = 0; i < n; i++) {
            bytes[i] ^= 1;
            same += cs_hash_bytes(bytes, n) == before;
            bytes[i] ^= 1;
        }
        cr_assert_eq(same, 0, "%zu bytes", n);
        cr_assert_neq(cs_hash_bytes(bytes, n - 1), before);
    }
}

Test(buf, printf_and_numbers)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_buf_i64(&b, INT64_MIN);
    cs_buf_byte(&b, ' ');
    cs_buf_u64(&b, UINT64_MAX);
    cr_assert_str_eq(cs_buf_cstr(&b), "-9223372036854775808 18446744073709551615");
    cs_buf_clear(&b);
    cs_buf_printf(&b, "%01000d", 5);
    cr_assert_eq(b.n, 1000);
    cr_assert_eq(b.p[999], '5');
    cs_buf_destroy(&b);
    cr_assert_eq(cs_buf_view(&b).n, 0);
}

Test(utf8, decodes_what_is_valid_and_nothing_else)
{
    for (uint32_t rune = 0; rune <= 0x110000; rune++) {
        char bytes[4];
        size_t width = 0;
        size_t n = cs_utf8_encode(rune, bytes);
        uint32_t back = cs_utf8_decode(bytes, n, &width);
        bool good = rune < 0x110000 && !(rune >= 0xD800 && rune < 0xE000);
        cr_assert_eq(back, good ? rune : CS_RUNE_BAD);
        cr_assert_eq(width, n);
        if (n > 1) {
            cr_assert_eq(cs_utf8_decode(bytes, n - 1, &width), CS_RUNE_BAD);
            cr_assert_eq(width, 1);
        }
    }
    static const char *const bad[] = {"\x80",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x9F\xBF",
                                      "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xFF",
                                      "\xE2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_not(cs_utf8_valid(cs_slice_of(bad[i])));
        cr_assert_eq(cs_utf8_count(cs_slice_of(bad[i])), strlen(bad[i]));
    }
}

Test(utf8, counts_and_offsets)
{
    cs_slice s = CS_LIT("abcdefghij\xC3\xA9\xE2\x82\xACklmnopqrstuvwxyz\xF0\x9F\x98\x80");
    cr_assert(cs_utf8_valid(s));
    cr_assert_eq(cs_utf8_count(s), 29);
    cr_assert_eq(cs_utf8_offset(s, 0), 0);
    cr_assert_eq(cs_utf8_offset(s, 10), 10);
    cr_assert_eq(cs_utf8_offset(s, 11), 12);
    cr_assert_eq(cs_utf8_offset(s, 12), 15);
    cr_assert_eq(cs_utf8_offset(s, 28), s.n - 4);
    cr_assert_eq(cs_utf8_offset(s, 29), s.n);
    cr_assert_eq(cs_utf8_offset(s, 999), s.n);
}

Test(utf8, cases_and_space)
{
    cr_assert_eq(cs_utf8_lower('Z'), 'z');
    cr_assert_eq(cs_utf8_upper('['), '[');
    cr_assert_eq(cs_utf8_lower(0xC9), 0xE9);
    cr_assert_eq(cs_utf8_upper(0xE9), 0xC9);
    cr_assert_eq(cs_utf8_upper(0xDF), 0xDF);   /* sharp s has no simple upper case */
    cr_assert_eq(cs_utf8_lower(0x130), 'i');   /* dotted capital I */
    cr_assert_eq(cs_utf8_upper(0x131), 'I');   /* dotless small i */
    cr_assert_eq(cs_utf8_upper(0xFF), 0x178);  /* out of its block */
    cr_assert_eq(cs_utf8_lower(0x100), 0x101); /* pairs: even to odd */
    cr_assert_eq(cs_utf8_lower(0x101), 0x101);
    cr_assert_eq(cs_utf8_upper(0x1C5), 0x1C4); /* title case */
    cr_assert_eq(cs_utf8_lower(0x1C5), 0x1C6);
    cr_assert_eq(cs_utf8_lower(0x10400), 0x10428);
    cr_assert(cs_utf8_is_space(0x85) && cs_utf8_is_space(0x3000) && cs_utf8_is_space(' '));
    cr_assert_not(cs_utf8_is_space(0x200B));
    cr_assert_not(cs_utf8_is_space(0xFEFF));
}

Test(err, long_messages_are_cut_between_characters)
{
    cs_error e;
    char words[2 * CS_ERROR_TEXT_MAX + 2];
    for (size_t shift = 0; shift < 2; shift++) {
        memset(words, 'x', sizeof words);
        for (size_t i = shift; i + 1 < sizeof words; i += 2) {
            memcpy(words + i, "\xC3\xA9", 2);
        }
        words[sizeof words - 1 - (sizeof words - 1 - shift) % 2] = '\0';
        cr_assert_eq(cs_fail(&e, CS_ERR_SYNTAX, "%s", words), CS_ERR_SYNTAX);
        cr_assert_lt(strlen(e.text), sizeof e.text);
        cr_assert(cs_utf8_valid(cs_slice_of(e.text)));
        cr_assert(cs_slice_ends(cs_slice_of(e.text), CS_LIT("...")));
    }
}

Test(err, words_in_front)
{
    cs_error e;
    cr_assert_eq(cs_fail_at(&e, CS_ERR_SYNTAX, "a.json", 3, 4, "bad %s", "comma"), CS_ERR_SYNTAX);
    cr_assert_eq(cs_fail_in(&e, "bundle %d: ", 7), CS_ERR_SYNTAX);
    cr_assert_str_eq(e.text, "bundle 7: bad comma");
    cr_assert_str_eq(e.file, "a.json");
    cr_assert(e.row == 3 && e.col == 4);
    cr_assert_eq(cs_fail(NULL, CS_ERR_IO, "nobody listens"), CS_ERR_IO);
}
