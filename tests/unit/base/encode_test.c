/* Strictness of hex, base64 and percent decoding; offsets as Go's encoding packages report them. */
#include <criterion/criterion.h>

#include "countersign/base/encode.h"

static cs_arena arena;

static void setup(void)
{
    cs_arena_init(&arena, 0);
}

static void teardown(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(encode, .init = setup, .fini = teardown);

typedef struct sample {
    const char *text;
    cs_base64_kind kind;
    const char *bytes; /* NULL: refused */
    size_t bad;
} sample;

Test(encode, base64_decodes_as_go)
{
    static const sample samples[] = {
        {"", CS_BASE64_STD, "", 0},
        {"Zg==", CS_BASE64_STD, "f", 0},
        {"Zm8=", CS_BASE64_STD, "fo", 0},
        {"Zm9v", CS_BASE64_STD, "foo", 0},
        {"Zm9v\r\nYmFy\n", CS_BASE64_STD, "foobar", 0},
        {"Zg=\n=\n", CS_BASE64_STD, "f", 0},
        {"Zh==", CS_BASE64_STD, "f", 0}, /* trailing bits are not looked at */
        {"Pz8_", CS_BASE64_URL, "???", 0},
        {"Pz8/", CS_BASE64_STD, "???", 0},
        {"Zg", CS_BASE64_URL_NOPAD, "f", 0},
        {"Zm8", CS_BASE64_URL_NOPAD, "fo", 0},
        {"Zg", CS_BASE64_STD, NULL, 0},
        {"Zm9vZ", CS_BASE64_STD, NULL, 4},
        {"Z", CS_BASE64_URL_NOPAD, NULL, 0},
        {"Zg==", CS_BASE64_URL_NOPAD, NULL, 2},
        {"Zg=", CS_BASE64_STD, NULL, 3},
        {"Zg=a", CS_BASE64_STD, NULL, 2},
        {"Zg==Zg==", CS_BASE64_STD, NULL, 4},
        {"Zm8=a", CS_BASE64_STD, NULL, 4},
        {"=", CS_BASE64_STD, NULL, 0},
        {"Z===", CS_BASE64_STD, NULL, 1},
        {"Zm9v Zg==", CS_BASE64_STD, NULL, 4},
        {"Pz8_", CS_BASE64_STD, NULL, 3},
        {"Pz8/", CS_BASE64_URL, NULL, 3},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const sample *s = &samples[i];
        cs_slice out = {0};
        size_t bad = 999;
        bool ok = cs_base64_decode(&arena, cs_slice_of(s->text), s->kind, &out, &bad);
        cr_assert_eq(ok, s->bytes != NULL, "\"%s\"", s->text);
        if (s->bytes != NULL) {
            cr_assert(cs_slice_is(out, s->bytes), "\"%s\"", s->text);
        } else {
            cr_assert_eq(bad, s->bad, "\"%s\": offset %zu, not %zu", s->text, bad, s->bad);
        }
    }
}

Test(encode, base64_round_trips_every_length)
{
    char bytes[70];
    for (size_t n = 0; n < sizeof bytes; n++) {
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (char)(i * 37 + n);
        }
        for (int kind = CS_BASE64_STD; kind <= CS_BASE64_URL_NOPAD; kind++) {
            cs_slice text = cs_base64_encode(&arena, cs_slice_make(bytes, n), (cs_base64_kind)kind);
            cs_slice back = {0};
            cr_assert(cs_base64_decode(&arena, text, (cs_base64_kind)kind, &back, NULL));
            cr_assert(cs_slice_eq(back, cs_slice_make(bytes, n)));
        }
    }
}

Test(encode, hex)
{
    cs_slice out = {0};
    size_t bad = 0;
    cr_assert(cs_slice_is(cs_hex_encode(&arena, cs_slice_make("\x00\xFFz", 3)), "00ff7a"));
    cr_assert(cs_hex_decode(&arena, CS_LIT("00Ff7A"), &out, NULL));
    cr_assert(cs_slice_eq(out, cs_slice_make("\x00\xFFz", 3)));
    cr_assert_not(cs_hex_decode(&arena, CS_LIT("00f"), &out, &bad));
    cr_assert_eq(bad, 3);
    cr_assert_not(cs_hex_decode(&arena, CS_LIT("0g1"), &out, &bad));
    cr_assert_eq(bad, 1);
}

Test(encode, percent)
{
    cs_slice out = {0};
    cr_assert(cs_percent_decode(&arena, CS_LIT("a%20b+c%2f%C3%A9"), false, &out));
    cr_assert(cs_slice_is(out, "a b+c/\xC3\xA9"));
    cr_assert(cs_percent_decode(&arena, CS_LIT("a+b"), true, &out));
    cr_assert(cs_slice_is(out, "a b"));
    cr_assert_not(cs_percent_decode(&arena, CS_LIT("%"), false, &out));
    cr_assert_not(cs_percent_decode(&arena, CS_LIT("%2"), false, &out));
    cr_assert_not(cs_percent_decode(&arena, CS_LIT("%2g"), false, &out));
}
