/* The YAML reader and writer on arbitrary bytes: bounded, and what is written can be read back. */
#include <stdint.h>
#include <stdlib.h>

#include "countersign/json.h"
#include "countersign/yaml.h"

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

/* Some texts change on their way through YAML, here as in go-yaml: "<<" as a key is a merge, and breaks other than the
 * line feed are folded. */
static bool survives(cs_slice written)
{
    return !contains(written, "<<") && !contains(written, "\r") && !contains(written, "\t") &&
           !contains(written, "\xC2\x85") && !contains(written, "\xE2\x80\xA8") && !contains(written, "\xE2\x80\xA9");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cs_arena a;
    cs_arena_init(&a, (size_t)1 << 28);
    cs_value v;
    cs_error e;
    cs_err err = cs_yaml_read(&a, (cs_slice){(const char *)data, size}, &v, &e);
    if (err == CS_OK) {
        cs_buf out;
        cs_buf_init(&out);
        cs_yaml_write(&out, v);
        cs_value again;
        if (survives(cs_buf_view(&out))) {
            must(cs_yaml_read(&a, cs_buf_view(&out), &again, &e) == CS_OK && cs_equal(v, again));
        }
        cs_buf_destroy(&out);
    } else {
        must(e.row > 0 || err == CS_ERR_MEMORY || contains(cs_slice_of(e.text), "unsupported value"));
    }
    cs_arena_destroy(&a);
    return 0;
}
