/* Where the configuration comes from: the file, through libyaml, and the environment. */
#include "config/internal.h"

#include <stdlib.h>
#include <yaml.h>

#include "countersign/base/file.h"
#include "countersign/number.h"

/* Options are nested a few levels deep; aliases could make circles. */
#define DEPTH_MAX 64U
#define NODES_MAX 100000U
#define FILE_MAX_BYTES ((size_t)16 << 20)

const char *cs_config_env(const char *name)
{
    return getenv(name);
}

cs_slice cs_config__substitute(cs_arena *a, cs_slice text)
{
    cs_buf out;
    cs_buf_init(&out);
    size_t at = 0;
    for (;;) {
        size_t open = cs_slice_find(text, CS_LIT("${"), at);
        size_t close = open == SIZE_MAX ? SIZE_MAX : cs_slice_find_byte(text, '}', open);
        if (close == SIZE_MAX) {
            break;
        }
        cs_slice name = cs_slice_sub(text, open + 2, close);
        cs_buf_slice(&out, cs_slice_sub(text, at, open));
        if (cs_slice_find_byte(name, '\n', 0) != SIZE_MAX) {
            /* A name ends on its line. */
            cs_buf_text(&out, "${");
            at = open + 2;
            continue;
        }
        const char *value = name.n > 0 ? cs_config_env(cs_arena_dup(a, name.p, name.n)) : "";
        cs_buf_slice(&out, value != NULL ? cs_slice_of(value) : cs_slice_sub(text, open, close + 1));
        at = close + 1;
    }
    cs_buf_slice(&out, cs_slice_sub(text, at, text.n));
    cs_slice all = cs_slice_make(cs_arena_dup(a, cs_buf_view(&out).p, out.n), out.n);
    cs_buf_destroy(&out);
    return all;
}

cs_node *cs_config__node(cs_arena *a, cs_node_kind kind, cs_slice file, uint32_t line)
{
    cs_node *node = cs_arena_new(a, cs_node);
    node->kind = kind;
    node->file = file;
    node->line = line;
    node->scalar = cs_null();
    return node;
}

cs_node *cs_config__member(const cs_node *map, cs_slice key)
{
    for (size_t i = 0; map->kind == CS_NODE_MAP && i < map->members.n; i++) {
        if (cs_slice_eq(map->members.v[i].key, key)) {
            return map->members.v[i].node;
        }
    }
    return NULL;
}

void cs_config__put(cs_arena *a, cs_node *map, cs_slice key, cs_node *node)
{
    for (size_t i = 0; map->kind == CS_NODE_MAP && i < map->members.n; i++) {
        if (cs_slice_eq(map->members.v[i].key, key)) {
            map->members.v[i].node = node;
            return;
        }
    }
    cs_node_member member = {key, node};
    CS_VEC_PUSH_IN(a, &map->members, member);
}

cs_value cs_config__to_value(cs_arena *a, const cs_node *node)
{
    if (node->kind == CS_NODE_SCALAR) {
        return node->scalar;
    }
    if (node->kind == CS_NODE_LIST) {
        cs_value *items = cs_arena_array(a, cs_value, node->members.n + 1);
        for (size_t i = 0; i < node->members.n; i++) {
            items[i] = cs_config__to_value(a, node->members.v[i].node);
        }
        return cs_array(items, node->members.n);
    }
    cs_value object = cs_object_new(a, (uint32_t)node->members.n);
    for (size_t i = 0; i < node->members.n; i++) {
        cs_object_put(a, object, cs_string(node->members.v[i].key), cs_config__to_value(a, node->members.v[i].node));
    }
    return object;
}

static bool is_one_of(cs_slice text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cs_slice_is(text, words[i])) {
            return true;
        }
    }
    return false;
}

static bool radix_number(cs_arena *a, cs_slice text, cs_value *out)
{
    int base = cs_slice_starts(text, CS_LIT("0x")) ? 16 : cs_slice_starts(text, CS_LIT("0o")) ? 8 : 0;
    return base != 0 && text.n > 2 && cs_number_from_base(a, cs_slice_sub(text, 2, text.n), base, out);
}

cs_value cs_config__resolve(cs_arena *a, cs_slice text)
{
    static const char *const null_words[] = {"", "~", "null", "Null", "NULL"};
    static const char *const true_words[] = {"true", "True", "TRUE"};
    static const char *const false_words[] = {"false", "False", "FALSE"};
    if (is_one_of(text, null_words, 5)) {
        return cs_null();
    }
    if (is_one_of(text, true_words, 3)) {
        return cs_bool(true);
    }
    if (is_one_of(text, false_words, 3)) {
        return cs_bool(false);
    }
    cs_value number;
    if ((cs_number_valid(text) && cs_number_parse(a, text, &number, NULL) == CS_OK) || radix_number(a, text, &number)) {
        return number;
    }
    return cs_string(text);
}

typedef struct yaml_walk {
    cs_arena *arena;
    yaml_document_t *document;
    cs_slice file;
    cs_config_report *report;
    size_t nodes;
    bool failed;
} yaml_walk;

static cs_slice scalar_text(cs_arena *a, const yaml_node_t *y)
{
    return cs_slice_make(cs_arena_dup(a, (const char *)y->data.scalar.value, y->data.scalar.length),
                         y->data.scalar.length);
}

static cs_node *convert(yaml_walk *w, int index, unsigned depth);

/* "<<": what is merged in stands behind what is written. */
static void merge_key(yaml_walk *w, cs_node *map, const cs_node *from)
{
    for (size_t i = 0; from->kind == CS_NODE_LIST && i < from->members.n; i++) {
        merge_key(w, map, from->members.v[i].node);
    }
    for (size_t i = 0; from->kind == CS_NODE_MAP && i < from->members.n; i++) {
        if (cs_config__member(map, from->members.v[i].key) == NULL) {
            cs_config__put(w->arena, map, from->members.v[i].key, from->members.v[i].node);
        }
    }
}

static cs_node *convert_map(yaml_walk *w, const yaml_node_t *y, uint32_t line, unsigned depth)
{
    cs_node *map = cs_config__node(w->arena, CS_NODE_MAP, w->file, line);
    const cs_node *merged = NULL;
    for (const yaml_node_pair_t *p = y->data.mapping.pairs.start; p < y->data.mapping.pairs.top; p++) {
        const yaml_node_t *k = yaml_document_get_node(w->document, p->key);
        cs_node *node = convert(w, p->value, depth + 1);
        if (k == NULL || k->type != YAML_SCALAR_NODE) {
            cs_config__problem(w->report, false, map, "keys must be plain texts");
            w->failed = true;
            continue;
        }
        cs_slice key = scalar_text(w->arena, k);
        if (cs_slice_is(key, "<<") && k->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
            merged = node;
        } else if (cs_config__member(map, key) != NULL) {
            cs_config__problem(w->report, false, node, "key \"%.*s\" is there twice", CS_FMT(key));
            w->failed = true;
        } else {
            node->line = (uint32_t)k->start_mark.line + 1;
            cs_config__put(w->arena, map, key, node);
        }
    }
    if (merged != NULL) {
        merge_key(w, map, merged);
    }
    return map;
}

static cs_node *convert(yaml_walk *w, int index, unsigned depth)
{
    yaml_node_t *y = yaml_document_get_node(w->document, index);
    cs_assert(y != NULL);
    uint32_t line = (uint32_t)y->start_mark.line + 1;
    if (depth > DEPTH_MAX || ++w->nodes > NODES_MAX) {
        cs_node *node = cs_config__node(w->arena, CS_NODE_SCALAR, w->file, line);
        if (!w->failed) {
            cs_config__problem(w->report, false, node, "the file is nested too deeply or its aliases grow too large");
        }
        w->failed = true;
        return node;
    }
    if (y->type == YAML_MAPPING_NODE) {
        return convert_map(w, y, line, depth);
    }
    if (y->type == YAML_SEQUENCE_NODE) {
        cs_node *list = cs_config__node(w->arena, CS_NODE_LIST, w->file, line);
        for (const yaml_node_item_t *i = y->data.sequence.items.start; i < y->data.sequence.items.top; i++) {
            cs_node_member member = {CS_LIT(""), convert(w, *i, depth + 1)};
            CS_VEC_PUSH_IN(w->arena, &list->members, member);
        }
        return list;
    }
    cs_node *node = cs_config__node(w->arena, CS_NODE_SCALAR, w->file, line);
    cs_slice text = scalar_text(w->arena, y);
    bool plain = y->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->scalar = plain ? cs_config__resolve(w->arena, text) : cs_string(text);
    return node;
}

static cs_node *read_yaml(cs_arena *a, cs_slice file, cs_slice text, cs_config_report *report)
{
    yaml_parser_t parser;
    yaml_document_t document;
    cs_assert(yaml_parser_initialize(&parser) == 1);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    cs_node *root = NULL;
    cs_node place = {.file = file};
    if (yaml_parser_load(&parser, &document) != 1) {
        place.line = (uint32_t)parser.problem_mark.line + 1;
        cs_config__problem(report, false, &place, "failed to parse %.*s: yaml: %s", CS_FMT(file),
                           parser.problem != NULL ? parser.problem : "malformed");
        yaml_parser_delete(&parser);
        return NULL;
    }
    yaml_walk w = {.arena = a, .document = &document, .file = file, .report = report};
    const yaml_node_t *top = yaml_document_get_root_node(&document);
    if (top == NULL) {
        root = cs_config__node(a, CS_NODE_MAP, file, 1);
    } else {
        root = convert(&w, 1, 0);
        if (root->kind == CS_NODE_SCALAR && cs_is(root->scalar, CS_NULL)) {
            root = cs_config__node(a, CS_NODE_MAP, file, 1);
        } else if (root->kind != CS_NODE_MAP) {
            cs_config__problem(report, false, root, "the configuration must be a mapping");
            w.failed = true;
        }
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return w.failed ? NULL : root;
}

cs_node *cs_config__read_file(cs_arena *a, const char *path, cs_config_report *report)
{
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_error e = {0};
    cs_slice file = cs_slice_make(cs_arena_dup(a, path, strlen(path)), strlen(path));
    cs_node place = {.file = file};
    if (cs_file_read(path, FILE_MAX_BYTES, &bytes, &e) != CS_OK) {
        cs_config__problem(report, false, &place, "%s", e.text);
        cs_buf_destroy(&bytes);
        return NULL;
    }
    cs_slice text = cs_config__substitute(a, cs_buf_view(&bytes));
    cs_buf_destroy(&bytes);
    return read_yaml(a, file, text, report);
}
