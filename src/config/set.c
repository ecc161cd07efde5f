/* --set a.b=1,c[0].d=x and --set-file a.b=path: Helm's little language, as OPA has it. '\' takes the next character as
 * it is, {x,y} is a list, "null" is an empty value. */
#include "config/internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/file.h"

#define LIST_MAX 65536U
#define SET_FILE_MAX_BYTES ((size_t)16 << 20)
#define DEPTH_MAX 64U

typedef struct setter {
    cs_arena *arena;
    cs_slice text;
    size_t at;
    bool from_file;
    cs_slice source;
    cs_config_report *report;
} setter;

static bool complain(setter *s, const char *format, ...) CS_PRINTF(2, 3);
static bool complain(setter *s, const char *format, ...)
{
    char what[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    cs_node place = {.file = s->source};
    cs_config__problem(s->report, false, &place, "failed parsing %.*s data: %s", CS_FMT(s->source), what);
    return false;
}

/* Characters up to one of `stop` (or the end), escapes taken out; *last is the one that stopped, '\0' at the end. */
static cs_slice until(setter *s, const char *stop, char *last)
{
    char *out = cs_arena_alloc(s->arena, s->text.n - s->at + 1);
    size_t n = 0;
    *last = '\0';
    while (s->at < s->text.n) {
        char c = s->text.p[s->at++];
        if (strchr(stop, c) != NULL) {
            *last = c;
            break;
        }
        if (c == '\\' && s->at < s->text.n) {
            c = s->text.p[s->at++];
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return cs_slice_make(out, n);
}

static cs_node *node(setter *s, cs_node_kind kind)
{
    return cs_config__node(s->arena, kind, s->source, 0);
}

/* Words as Helm types them: true, false, null, integers without a leading zero; everything else is text. */
static bool typed(setter *s, cs_slice text, cs_node **out)
{
    cs_node *scalar = node(s, CS_NODE_SCALAR);
    *out = scalar;
    if (s->from_file) {
        cs_buf bytes;
        cs_buf_init(&bytes);
        cs_error e = {0};
        bool good = cs_file_read(text.p, SET_FILE_MAX_BYTES, &bytes, &e) == CS_OK;
        cs_slice content = cs_slice_trim(cs_buf_view(&bytes));
        scalar->scalar = cs_string_copy(s->arena, content);
        cs_buf_destroy(&bytes);
        return good || complain(s, "%s", e.text);
    }
    int64_t number;
    if (cs_slice_eq_nocase(text, CS_LIT("true")) || cs_slice_eq_nocase(text, CS_LIT("false"))) {
        scalar->scalar = cs_bool(text.n == 4);
    } else if (cs_slice_eq_nocase(text, CS_LIT("null"))) {
        *out = node(s, CS_NODE_MAP);
    } else if ((text.n == 1 || (text.n > 0 && text.p[0] != '0')) && cs_slice_i64(text, &number)) {
        scalar->scalar = cs_int(number);
    } else {
        scalar->scalar = cs_string(text);
    }
    return true;
}

static bool value_at(setter *s, cs_node **out)
{
    char last;
    if (s->at >= s->text.n || s->text.p[s->at] != '{') {
        return typed(s, until(s, ",", &last), out);
    }
    s->at++;
    cs_node *list = node(s, CS_NODE_LIST);
    *out = list;
    do {
        cs_slice text = until(s, ",}", &last);
        cs_node_member member = {CS_LIT(""), NULL};
        if (last == '\0') {
            return complain(s, "list must terminate with '}'");
        }
        if (!typed(s, text, &member.node)) {
            return false;
        }
        CS_VEC_PUSH_IN(s->arena, &list->members, member);
    } while (last != '}');
    s->at += s->at < s->text.n && s->text.p[s->at] == ',';
    return true;
}

static bool key_into(setter *s, cs_node *map, cs_slice above, unsigned depth);

/* Behind "name[": an index, then a value, a key of an object or another index. `slot` is the list. */
static bool item_into(setter *s, cs_node **slot, unsigned depth)
{
    char last;
    uint64_t index;
    cs_slice text = until(s, "]", &last);
    if (last == '\0') {
        return complain(s, "error parsing index: EOF");
    }
    if (!cs_slice_u64(text, &index) || index > LIST_MAX || depth > DEPTH_MAX) {
        return complain(s, "error parsing index: strconv.Atoi: parsing \"%.*s\": invalid syntax", CS_FMT(text));
    }
    if (*slot == NULL || (*slot)->kind != CS_NODE_LIST) {
        *slot = node(s, CS_NODE_LIST);
    }
    cs_node *list = *slot;
    while (list->members.n <= index) {
        cs_node_member member = {CS_LIT(""), node(s, CS_NODE_SCALAR)};
        CS_VEC_PUSH_IN(s->arena, &list->members, member);
    }
    cs_node **item = &list->members.v[index].node;
    text = until(s, "[.=", &last);
    if (text.n > 0) {
        cs_buf shown;
        cs_buf_init(&shown);
        for (size_t i = 0; i < text.n; i++) {
            cs_buf_printf(&shown, i != 0 ? " '%c'" : "'%c'", text.p[i]);
        }
        (void)complain(s, "unexpected data at end of array index: [%.*s]", CS_FMT(cs_buf_view(&shown)));
        cs_buf_destroy(&shown);
        return false;
    }
    if (last == '\0') {
        return true; /* an element without a value */
    }
    if (last == '=') {
        return value_at(s, item);
    }
    if (last == '[') {
        return item_into(s, item, depth + 1);
    }
    if ((*item)->kind != CS_NODE_MAP) {
        *item = node(s, CS_NODE_MAP);
    }
    return key_into(s, *item, CS_LIT(""), depth + 1);
}

/* `above` is the key of the map. */
static bool key_into(setter *s, cs_node *map, cs_slice above, unsigned depth)
{
    char last;
    cs_slice key = until(s, "=[,.", &last);
    if (last == ',') {
        return complain(s, "key \"%.*s\" has no value (cannot end with ,)", CS_FMT(key));
    }
    if (last == '\0' && depth == 0 && key.n == 0) {
        return true;
    }
    if (last == '\0' && above.n != 0 && map->members.n == 0) {
        return complain(s, "key map \"%.*s\" has no value", CS_FMT(above));
    }
    if (last == '\0' || depth > DEPTH_MAX) {
        return complain(s, "key \"%.*s\" has no value", CS_FMT(key));
    }
    cs_node *there = cs_config__member(map, key);
    bool good;
    if (last == '=') {
        good = value_at(s, &there);
    } else if (last == '[') {
        good = item_into(s, &there, depth + 1);
    } else {
        if (there == NULL || there->kind != CS_NODE_MAP) {
            there = node(s, CS_NODE_MAP);
        }
        good = key_into(s, there, key, depth + 1);
        if (good && there->members.n == 0) {
            return complain(s, "key map \"%.*s\" has no value", CS_FMT(key));
        }
    }
    if (good && key.n != 0) {
        cs_config__put(s->arena, map, key, there);
    }
    return good;
}

void cs_config__set(cs_arena *a, cs_node *root, const char *text, bool from_file, cs_config_report *report)
{
    setter s = {.arena = a, .from_file = from_file, .report = report};
    s.source = from_file ? CS_LIT("--set-file") : CS_LIT("--set");
    s.text = cs_config__substitute(a, cs_slice_of(text));
    while (s.at < s.text.n && key_into(&s, root, CS_LIT(""), 0)) {
    }
}
