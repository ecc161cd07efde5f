/* Options looked up in the checked tree by their row's path. */
#include "countersign/base/time.h"
#include "countersign/number.h"
#include "config/fill.h"

const cs_node *cs_config__find(const cs_config__filler *f, const char *path)
{
    cs_slice rest = cs_slice_of(path), segment;
    const cs_node *at = f->root;
    const char *star = strchr(path, '*');
    if (star != NULL) {
        at = f->item;
        rest = cs_slice_of(star + (star[1] == '.' ? 2 : 1));
    }
    while (at != NULL && cs_slice_next(&rest, '.', &segment)) {
        at = cs_config__member(at, segment);
    }
    return at != NULL && at->kind == CS_NODE_SCALAR && cs_is(at->scalar, CS_NULL) ? NULL : at;
}

bool cs_config__is_given(const cs_config__filler *f, const char *path)
{
    return cs_config__find(f, path) != NULL;
}

static cs_slice otherwise(const char *path)
{
    const cs_option *row = cs_config__row(path);
    cs_assert(row != NULL);
    return cs_slice_of(row->otherwise);
}

cs_slice cs_config__text(const cs_config__filler *f, const char *path)
{
    const cs_node *node = cs_config__find(f, path);
    return node != NULL && cs_is(node->scalar, CS_STRING) ? cs_text(node->scalar) : otherwise(path);
}

bool cs_config__boolean(const cs_config__filler *f, const char *path)
{
    const cs_node *node = cs_config__find(f, path);
    return node != NULL && cs_is(node->scalar, CS_BOOL) ? node->scalar.u.i != 0 : cs_slice_is(otherwise(path), "true");
}

int64_t cs_config__integer(const cs_config__filler *f, const char *path)
{
    const cs_node *node = cs_config__find(f, path);
    int64_t value = 0;
    if (node == NULL || !cs_is(node->scalar, CS_NUMBER) || !cs_number_is_int(node->scalar, &value)) {
        (void)cs_slice_i64(otherwise(path), &value);
    }
    return value;
}

int64_t cs_config__duration(const cs_config__filler *f, const char *path)
{
    int64_t ns = 0;
    if (!cs_time_parse_duration(cs_config__text(f, path), true, &ns)) {
        (void)cs_time_parse_duration(otherwise(path), true, &ns);
    }
    return ns;
}

const cs_slice *cs_config__list(const cs_config__filler *f, const char *path, size_t *n)
{
    cs_arena *a = &f->config->arena;
    CS_VEC(cs_slice) out = {0};
    const cs_node *node = cs_config__find(f, path);
    if (node != NULL) {
        for (size_t i = 0; i < node->members.n; i++) {
            cs_value item = node->members.v[i].node->scalar;
            cs_slice one = cs_is(item, CS_STRING) ? cs_text(item) : CS_LIT("");
            CS_VEC_PUSH_IN(a, &out, one);
        }
    } else {
        cs_slice rest = otherwise(path), one;
        while (rest.n > 0 && cs_slice_next(&rest, ',', &one)) {
            CS_VEC_PUSH_IN(a, &out, one);
        }
    }
    *n = out.n;
    return out.v;
}

cs_value cs_config__document(const cs_config__filler *f, const char *path)
{
    const cs_node *node = cs_config__find(f, path);
    return node != NULL ? cs_config__to_value(&f->config->arena, node) : cs_object_new(&f->config->arena, 0);
}

bool cs_config__configured(const cs_config__filler *f, const char *section)
{
    return cs_config__member(f->root, cs_slice_of(section)) != NULL;
}

/* The items of a section that are named by the user. */
const cs_node *cs_config__items(const cs_config__filler *f, const char *section, size_t *n)
{
    const cs_node *node = cs_config__member(f->root, cs_slice_of(section));
    *n = node != NULL ? node->members.n : 0;
    return node;
}
