/* --schema: JSON Schemas from the command line. */
#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/json.h"
#include "countersign/yaml.h"
#include "load.h"

typedef struct gathering {
    cs_arena *arena;
    const char *folder;
    cs_value schemas;
} gathering;

/* "a/b.json" → ["a", "b"] */
static cs_value name_of(cs_arena *a, const char *relative)
{
    cs_slice rest = cs_slice_of(relative), piece;
    cs_value *keys = cs_arena_array(a, cs_value, rest.n + 1);
    uint32_t n = 0;
    while (cs_slice_next(&rest, '/', &piece)) {
        keys[n++] = cs_string_copy(a, piece);
    }
    cs_slice last = cs_text(keys[n - 1]);
    size_t end = last.n;
    while (end > 0 && last.p[end - 1] != '.') {
        end--;
    }
    keys[n - 1] = cs_string(cs_slice_sub(last, 0, end ? end - 1 : last.n));
    return cs_array(keys, n);
}

/* Errors of JSON and YAML name the file. */
static cs_err read_one(cs_arena *a, const char *path, cs_value *out, cs_error *e)
{
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_file_read(path, cs_limits_get()->json_bytes, &bytes, e);
    if (err == CS_OK && cs_json_read(a, cs_buf_view(&bytes), NULL, out, NULL, e) != CS_OK) {
        err = cs_yaml_read(a, cs_buf_view(&bytes), out, e);
        err = err == CS_OK ? CS_OK : cs_fail_in(e, "%s: ", path);
    }
    e->row = e->col = 0;
    cs_buf_destroy(&bytes);
    return err;
}

static cs_err add(void *self, const char *relative, cs_error *e)
{
    gathering *g = self;
    cs_value schema;
    CS_TRY(read_one(g->arena, cs_arena_printf(g->arena, NULL, "%s/%s", g->folder, relative), &schema, e));
    cs_object_put(g->arena, g->schemas, name_of(g->arena, relative), schema);
    return CS_OK;
}

cs_err cs_cmd_load_schemas(cs_arena *a, const char *path, cs_value *out, cs_error *e)
{
    *out = cs_undefined();
    if (!path || !*path) {
        return CS_OK;
    }
    gathering g = {a, path, cs_object_new(a, 0)};
    cs_err err;
    if (cs_file_is_dir(path)) {
        err = cs_file_walk(path, add, &g, e);
    } else if (!cs_file_exists(path)) {
        err = cs_fail(e, CS_ERR_INVALID, "stat %s: no such file or directory", path);
    } else {
        cs_value schema;
        err = read_one(a, path, &schema, e);
        if (err == CS_OK) {
            cs_object_put(a, g.schemas, cs_array(NULL, 0), schema);
        }
    }
    *out = g.schemas;
    return err == CS_OK ? CS_OK : cs_fail_in(e, "1 error occurred during loading: ");
}
