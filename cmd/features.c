/* Capabilities by file or by version, as far as the layout of a module depends on them. */
#include "features.h"

#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/json.h"
#include "countersign/version.h"

/* The last patch of every minor version that has published capabilities; minors begin at 0.17 and 1.0. */
#define FIRST_MINOR 17U
static const uint8_t last_patch_0[] = {3, 0, 2, 5, 1, 0, 2, 0, 2, 0, 1, 0, 4, 2, 0, 1, 1, 2, 0, 1, 2, 1, 0, 0, 0, 2, 1,
                                       0, 0, 3, 4, 0, 2, 2, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 0};
static const uint8_t last_patch_1[] = {1, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 1, 3, 2, 1, 1, 2, 1, 2, 1, 2, 4, 2};
static const char *const candidates[] = {"v0.19.0-rc1", "v0.25.0-rc1", "v0.25.0-rc2", "v0.25.0-rc3", "v0.25.0-rc4"};

/* The minor versions of 1.x from which on a feature is there. */
#define KEYWORDS_IN_REFS_SINCE 6U
#define TEMPLATE_STRINGS_SINCE 12U

static bool from_version(const char *name, cs_cmd_features *out)
{
    *out = (cs_cmd_features){0};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        if (strcmp(name, candidates[i]) == 0) {
            return true;
        }
    }
    uint64_t part[3];
    cs_slice rest = cs_slice_of(name), word;
    if (!cs_slice_starts(rest, CS_LIT("v"))) {
        return false;
    }
    rest = cs_slice_sub(rest, 1, rest.n);
    for (size_t i = 0; i < 3; i++) {
        if (!cs_slice_next(&rest, '.', &word) || !cs_slice_u64(word, &part[i]) || (word.n > 1 && word.p[0] == '0')) {
            return false;
        }
    }
    if (rest.n || part[0] > 1 || (part[0] == 0 && part[1] < FIRST_MINOR)) {
        return false;
    }
    const uint8_t *last = part[0] ? last_patch_1 : last_patch_0;
    size_t n = part[0] ? sizeof last_patch_1 : sizeof last_patch_0;
    uint64_t minor = part[1] - (part[0] ? 0 : FIRST_MINOR);
    if (minor >= n || part[2] > last[minor]) {
        return false;
    }
    out->keywords_in_refs = part[0] == 1 && minor >= KEYWORDS_IN_REFS_SINCE;
    out->template_strings = part[0] == 1 && minor >= TEMPLATE_STRINGS_SINCE;
    return true;
}

static cs_err read_document(cs_arena *a, const char *name, cs_value *out, cs_error *e)
{
    cs_buf text;
    cs_json_options options = {.prefix = true};
    cs_buf_init(&text);
    cs_err err = cs_file_read(name, cs_limits_get()->json_bytes, &text, e);
    if (err != CS_OK) {
        err = cs_fail(e, CS_ERR_INVALID, "no such file or capabilities version found: %s", name);
    } else {
        err = cs_json_read(a, cs_buf_view(&text), &options, out, NULL, e);
    }
    cs_buf_destroy(&text);
    return err;
}

static bool from_file(cs_arena *a, const char *name, cs_cmd_features *out)
{
    cs_value v = cs_undefined();
    if (read_document(a, name, &v, NULL) != CS_OK || !cs_is(v, CS_OBJECT)) {
        return false;
    }
    const cs_value *list = cs_object_get_text(v, "features");
    *out = (cs_cmd_features){0};
    for (uint32_t i = 0; list && cs_is(*list, CS_ARRAY) && i < cs_count(*list); i++) {
        cs_value item = list->u.items[i];
        cs_slice word = cs_is(item, CS_STRING) ? cs_text(item) : CS_LIT("");
        out->keywords_in_refs = out->keywords_in_refs || cs_slice_is(word, "keywords_in_refs");
        out->template_strings = out->template_strings || cs_slice_is(word, "template_strings");
    }
    return true;
}

bool cs_cmd_features_find(cs_arena *a, const char *name, cs_cmd_features *out)
{
    if (from_file(a, name, out) || from_version(name, out)) {
        return true;
    }
    fprintf(stderr,
            "Error: invalid argument \"%s\" for \"--capabilities\" flag: no such file or capabilities version found: "
            "%s\n",
            name, name);
    return false;
}

cs_err cs_cmd_granted(cs_arena *a, const char *name, cs_value *out, cs_error *e)
{
    *out = cs_undefined();
    if (name == NULL || *name == '\0' || strcmp(name, "v" CS_VERSION_OPA) == 0) {
        return CS_OK;
    }
    cs_value v = cs_undefined();
    CS_TRY(read_document(a, name, &v, e));
    const cs_value *list = cs_is(v, CS_OBJECT) ? cs_object_get_text(v, "builtins") : NULL;
    *out = cs_set_new(a, 0);
    for (uint32_t i = 0; list && cs_is(*list, CS_ARRAY) && i < cs_count(*list); i++) {
        cs_value row = list->u.items[i];
        const cs_value *word = cs_is(row, CS_OBJECT) ? cs_object_get_text(row, "name") : NULL;
        if (word && cs_is(*word, CS_STRING)) {
            (void)cs_set_add(a, *out, *word);
        }
    }
    return CS_OK;
}
