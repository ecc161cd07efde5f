/* A look at a GraphQL document without parsing it whole: which kinds of operations stand at its top level, and whether
 * one of them begins with introspection. Strings, comments and nested selections are stepped over. */
#include "internal.h"

typedef struct scan {
    cs_slice text;
    size_t at;
} scan;

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* At a quote: behind the string. */
static void skip_string(scan *s)
{
    cs_slice t = s->text;
    bool block = s->at + 2 < t.n && t.p[s->at + 1] == '"' && t.p[s->at + 2] == '"';
    s->at += block ? 3 : 1;
    while (s->at < t.n) {
        if (t.p[s->at] == '\\') {
            s->at += 2;
        } else if (block ? cs_slice_starts(cs_slice_sub(t, s->at, t.n), CS_LIT("\"\"\""))
                         : t.p[s->at] == '"' || t.p[s->at] == '\n') {
            s->at += block ? 3 : 1;
            return;
        } else {
            s->at++;
        }
    }
}

/* The next word, or one punctuation character; "" at the end. */
static cs_slice next(scan *s)
{
    cs_slice t = s->text;
    while (s->at < t.n) {
        char c = t.p[s->at];
        if (c == '#') {
            while (s->at < t.n && t.p[s->at] != '\n') {
                s->at++;
            }
        } else if (c == '"') {
            skip_string(s);
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || (uint8_t)c >= 0x80) {
            s->at++;
        } else {
            size_t from = s->at++;
            while (is_word(c) && s->at < t.n && is_word(t.p[s->at])) {
                s->at++;
            }
            return cs_slice_sub(t, from, s->at);
        }
    }
    return CS_LIT("");
}

cs_server__graphql cs_server__graphql_scan(cs_slice document)
{
    cs_server__graphql out = {.kind = ""};
    scan s = {.text = document};
    int depth = 0, parens = 0;
    bool definition = false; /* inside one that began with a keyword */
    for (cs_slice w = next(&s); w.n != 0; w = next(&s)) {
        char c = w.p[0];
        parens += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (parens > 0) {
            continue;
        }
        if (c == '{') {
            if (depth++ == 0 && !definition && out.kind[0] == 0) {
                out.kind = "query"; /* the short form */
            }
        } else if (c == '}') {
            depth--;
            definition = depth > 0 && definition;
        } else if (depth == 0 && cs_slice_is(w, "mutation")) {
            out.kind = "mutation";
            definition = true;
        } else if (depth == 0 && cs_slice_is(w, "subscription")) {
            out.kind = strcmp(out.kind, "mutation") == 0 ? out.kind : "subscription";
            definition = true;
        } else if (depth == 0 && cs_slice_is(w, "query")) {
            out.kind = out.kind[0] == 0 ? "query" : out.kind;
            definition = true;
        } else if (depth == 0 && cs_slice_is(w, "fragment")) {
            definition = true;
        } else if (depth == 1 && (cs_slice_is(w, "__schema") || cs_slice_is(w, "__type"))) {
            out.introspection = true;
        }
    }
    return out;
}
