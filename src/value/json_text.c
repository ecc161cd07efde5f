/* JSON piece by piece. */
#include "countersign/json.h"
#include "internal.h"

enum { LEVELS = 64 };

static uint64_t bit(const cs_json_text *t)
{
    cs_assert(t->depth < LEVELS);
    return UINT64_C(1) << t->depth;
}

static void new_line(const cs_json_text *t)
{
    if ((t->flags & CS_JSON_PRETTY) != 0) {
        cs_buf_byte(t->out, '\n');
        for (uint32_t i = 0; i < t->depth; i++) {
            cs_buf_text(t->out, (t->flags & CS_JSON_TAB) != 0 ? "\t" : "  ");
        }
    }
}

/* What stands before an item: nothing at the outermost level or behind a key. */
static void before(cs_json_text *t)
{
    if (t->keyed) {
        t->keyed = false;
        return;
    }
    if (t->depth == 0) {
        return;
    }
    if ((t->filled & bit(t)) != 0) {
        cs_buf_byte(t->out, ',');
    }
    t->filled |= bit(t);
    new_line(t);
}

void cs_json_open(cs_json_text *t, char bracket)
{
    before(t);
    cs_buf_byte(t->out, bracket);
    t->depth++;
    t->filled &= ~bit(t);
    if (bracket == '{') {
        t->objects |= bit(t);
    } else {
        t->objects &= ~bit(t);
    }
}

void cs_json_close(cs_json_text *t)
{
    bool object = (t->objects & bit(t)) != 0;
    bool filled = (t->filled & bit(t)) != 0;
    t->depth--;
    if (filled) {
        new_line(t);
    }
    cs_buf_byte(t->out, object ? '}' : ']');
}

void cs_json_key_slice(cs_json_text *t, cs_slice key)
{
    before(t);
    cs_json_write_string(t->out, key, t->flags);
    cs_buf_text(t->out, (t->flags & CS_JSON_PRETTY) != 0 ? ": " : ":");
    t->keyed = true;
}

void cs_json_key(cs_json_text *t, const char *key)
{
    cs_json_key_slice(t, cs_slice_of(key));
}

void cs_json_value(cs_json_text *t, cs_value v)
{
    before(t);
    cs_value__json_at(t->out, v, t->flags, t->depth);
}

void cs_json_put(cs_json_text *t, const char *key, cs_value v)
{
    cs_json_key(t, key);
    cs_json_value(t, v);
}

void cs_json_put_text(cs_json_text *t, const char *key, cs_slice text)
{
    cs_json_put(t, key, cs_string(text));
}

size_t cs_json_item_end(cs_slice json, size_t at)
{
    size_t depth = 0;
    bool quoted = false;
    for (; at < json.n; at++) {
        char c = json.p[at];
        if (quoted) {
            at += c == '\\' ? 1U : 0U;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']' || c == ',') {
            if (depth == 0) {
                break;
            }
            depth -= c != ',' ? 1U : 0U;
        }
    }
    return at;
}
