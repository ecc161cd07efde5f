/* The JSON reader and writer on arbitrary bytes, with jansson as a second opinion about what is JSON. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "countersign/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool contains(cs_slice text, const char *needle)
{
    return cs_slice_find(text, cs_slice_of(needle), 0) != SIZE_MAX;
}

/* jansson refuses what no double or int64 holds, bad UTF-8, NUL in keys and lone surrogates; apart from that both
 * agree. */
static void compare_with_jansson(cs_slice text, cs_err ours)
{
    if (text.n == 0 || memchr(text.p, 0, text.n) != NULL) {
        return; /* jansson ends at a NUL byte */
    }
    json_error_t error;
    json_t *theirs = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (theirs != NULL) {
        must(ours == CS_OK || ours == CS_ERR_LIMIT);
    } else if (ours == CS_OK && !contains(text, "\\u")) {
        enum json_error_code code = json_error_code(&error);
        must(code == json_error_numeric_overflow || code == json_error_invalid_utf8 ||
             code == json_error_null_byte_in_key || code == json_error_null_character ||
             code == json_error_stack_overflow);
    }
    json_decref(theirs);
}

/* What was read can be written, and what is written is the same value, plain, pretty and canonical. */
static void write_and_read(cs_arena *a, cs_value v)
{
    static const unsigned FLAGS[] = {0, CS_JSON_HTML, CS_JSON_PRETTY};
    cs_buf out;
    cs_buf_init(&out);
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++) {
        cs_value again;
        cs_buf_clear(&out);
        cs_json_write(&out, v, FLAGS[i]);
        must(cs_json_read(a, cs_buf_view(&out), NULL, &again, NULL, NULL) == CS_OK);
        must(cs_equal(v, again) && cs_compare(v, again) == 0 && cs_hash(v) == cs_hash(again));
    }
    cs_value again;
    cs_buf twice;
    cs_buf_init(&twice);
    cs_buf_clear(&out);
    cs_json_write_canonical(&out, v);
    must(cs_json_read(a, cs_buf_view(&out), NULL, &again, NULL, NULL) == CS_OK);
    cs_json_write_canonical(&twice, again);
    must(cs_slice_eq(cs_buf_view(&out), cs_buf_view(&twice)));
    cs_buf_destroy(&twice);
    cs_buf_destroy(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_slice text = {(const char *)data, size};
    cs_value copied;
    cs_value borrowed;
    cs_error e;
    cs_error f;
    cs_json_options borrow = {.borrow = true};
    cs_err err = cs_json_read(&a, text, NULL, &copied, NULL, &e);
    cs_err same = cs_json_read(&a, text, &borrow, &borrowed, NULL, &f);
    must(err == same);
    compare_with_jansson(text, err);
    if (err == CS_OK) {
        must(cs_equal(copied, borrowed));
        write_and_read(&a, copied);
        must(cs_equal(cs_freeze(&a, borrowed), copied));
    } else {
        must(e.row == f.row && e.col == f.col && strcmp(e.text, f.text) == 0 && e.row > 0);
    }
    cs_arena_destroy(&a);
    return 0;
}
