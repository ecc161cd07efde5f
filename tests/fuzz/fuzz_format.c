/* The formatter on arbitrary bytes, twice. The first byte says how. */
#include <stdint.h>
#include <stdlib.h>

#include "countersign/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1U << 14) {
        return 0;
    }
    cs_slice text = {(const char *)data + 1, size - 1};
    cs_format_options options = {.target = data[0] % 3 == 1   ? CS_FORMAT_V0
                                           : data[0] % 3 == 2 ? CS_FORMAT_V0_V1
                                                              : CS_FORMAT_V1,
                                 .read_v0 = (data[0] & 8) != 0,
                                 .drop_imports = (data[0] & 16) != 0,
                                 .templates = (data[0] & 32) == 0,
                                 .quote_keywords = (data[0] & 64) != 0};
    cs_buf out, again, why;
    cs_buf_init(&out);
    cs_buf_init(&again);
    cs_buf_init(&why);
    if (cs_format(CS_LIT("f.rego"), text, &options, &out) == CS_FORMAT_DONE) {
        /* The same once more, and of the result; OPA promises neither that it can be read nor that it stays as it is.
         */
        must(cs_format(CS_LIT("f.rego"), text, &options, &again) == CS_FORMAT_DONE);
        must(cs_slice_eq(cs_buf_view(&out), cs_buf_view(&again)));
        must(out.n == 0 || out.p[out.n - 1] == '\n');
        if (cs_format_readable(CS_LIT("formatted"), cs_buf_view(&out), &options, &why)) {
            options.read_v0 = options.target != CS_FORMAT_V1;
            (void)cs_format(CS_LIT("formatted"), cs_buf_view(&out), &options, &again);
        }
        options.read_v0 = (data[0] & 8) != 0;
        options.stop_at_changes = true;
        if (cs_format(CS_LIT("f.rego"), text, &options, &again) == CS_FORMAT_CHANGES) {
            must(!cs_slice_eq(text, cs_buf_view(&out)));
        }
    }
    cs_buf_destroy(&why);
    cs_buf_destroy(&again);
    cs_buf_destroy(&out);
    return 0;
}
