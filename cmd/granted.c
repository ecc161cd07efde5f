/* Capabilities by file or by version. */
#include "granted.h"

#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/json.h"

static cs_err read_file(cs_arena *a, const char *name, cs_value *out, cs_error *e)
{
    cs_buf text;
    cs_json_options options = {.prefix = true};
    cs_buf_init(&text);
    cs_err err = cs_file_read(name, cs_limits_get()->json_bytes, &text, e);
    if (err == CS_OK) {
        err = cs_json_read(a, cs_buf_view(&text), &options, out, NULL, e);
    }
    cs_buf_destroy(&text);
    return err;
}

cs_err cs_cmd_granted(cs_arena *a, const char *name, const cs_capabilities **out, cs_error *e)
{
    cs_value document;
    if (read_file(a, name, &document, e) == CS_OK && cs_capabilities_read(a, document, out, e) == CS_OK) {
        return CS_OK;
    }
    document = cs_capabilities_of_version(a, cs_slice_of(name));
    if (!cs_is_undefined(document)) {
        return cs_capabilities_read(a, document, out, e);
    }
    return cs_fail(e, CS_ERR_INVALID, "no such file or capabilities version found: %s", name);
}
