/* Finds the package of a module without the engine: comments and blanks, `package`, a reference. That clause must come
 * first, so a small scanner is enough; what it cannot read, the engine would not accept either. */
#include "bundle/internal.h"

#include "countersign/base/vec.h"
#include "countersign/json.h"

typedef struct scan {
    cs_slice text;
    size_t at;
    uint32_t row;
} scan;

static void skip_blanks(scan *s, bool lines)
{
    while (s->at < s->text.n) {
        char c = s->text.p[s->at];
        if (c == '\n' && lines) {
            s->row++;
        } else if (c == '#') {
            while (s->at < s->text.n && s->text.p[s->at] != '\n') {
                s->at++;
            }
            continue;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
        s->at++;
    }
}

static bool is_letter(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static cs_slice word(scan *s)
{
    size_t from = s->at;
    while (s->at < s->text.n &&
           (is_letter(s->text.p[s->at]) || (s->at > from && s->text.p[s->at] >= '0' && s->text.p[s->at] <= '9'))) {
        s->at++;
    }
    return cs_slice_sub(s->text, from, s->at);
}

/* A string in quotes or backquotes at the cursor. */
static bool string(cs_arena *a, scan *s, cs_value *out)
{
    size_t from = s->at;
    char quote = from < s->text.n ? s->text.p[from] : '\0';
    if (quote != '"' && quote != '`') {
        return false;
    }
    size_t i = from + 1;
    while (i < s->text.n && s->text.p[i] != quote) {
        if (s->text.p[i] == '\n' && quote == '"') {
            return false;
        }
        i += s->text.p[i] == '\\' && quote == '"' ? 2 : 1;
    }
    if (i >= s->text.n) {
        return false;
    }
    s->at = i + 1;
    if (quote == '`') {
        *out = cs_string_copy(a, cs_slice_sub(s->text, from + 1, i));
        return true;
    }
    cs_slice literal = cs_slice_sub(s->text, from, i + 1);
    return cs_json_read(a, literal, &(cs_json_options){0}, out, NULL, NULL) == CS_OK && cs_is(*out, CS_STRING);
}

static bool reference(cs_arena *a, scan *s, cs_value *path)
{
    CS_VEC(cs_value) keys = {0};
    cs_value key;
    cs_slice head = word(s);
    if (head.n == 0) {
        if (!string(a, s, &key)) {
            return false;
        }
    } else {
        key = cs_string_copy(a, head);
    }
    CS_VEC_PUSH_IN(a, &keys, key);
    for (;;) {
        char c = s->at < s->text.n ? s->text.p[s->at] : '\0';
        if (c == '.') {
            s->at++;
            cs_slice name = word(s);
            if (name.n == 0) {
                return false;
            }
            key = cs_string_copy(a, name);
        } else if (c == '[') {
            s->at++;
            skip_blanks(s, true);
            if (!string(a, s, &key)) {
                return false;
            }
            skip_blanks(s, true);
            if (s->at >= s->text.n || s->text.p[s->at++] != ']') {
                return false;
            }
        } else {
            break;
        }
        CS_VEC_PUSH_IN(a, &keys, key);
    }
    *path = cs_array(keys.v, keys.n);
    return true;
}

cs_err cs_bundle__package(cs_arena *a, cs_slice file, cs_slice text, cs_value *path, cs_error *e)
{
    scan s = {.text = text, .row = 1};
    char name[CS_ERROR_FILE_MAX];
    size_t n = file.n < sizeof name ? file.n : sizeof name - 1;
    memcpy(name, file.p, n);
    name[n] = '\0';
    if (cs_slice_starts(text, CS_LIT("\xef\xbb\xbf"))) {
        s.at = 3;
    }
    skip_blanks(&s, true);
    if (s.at >= text.n) {
        return cs_fail(e, CS_ERR_REGO_PARSE, "%s:0: rego_parse_error: empty module", name);
    }
    uint32_t row = s.row;
    if (!cs_slice_is(word(&s), "package")) {
        return cs_fail_at(e, CS_ERR_REGO_PARSE, name, row, 1, "%s:%u: rego_parse_error: package expected", name, row);
    }
    skip_blanks(&s, true);
    cs_value found;
    if (!reference(a, &s, &found)) {
        return cs_fail_at(e, CS_ERR_REGO_PARSE, name, row, 1,
                          "%s:%u: rego_parse_error: unexpected token in package path", name, row);
    }
    *path = found;
    return CS_OK;
}
