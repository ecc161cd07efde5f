/* File name patterns: Go's filepath.Match (--ignore, exclude_files) and the globs of file_rego_versions. Backtracking
 * is bounded: a star remembers only the last place to go back to, except inside alternatives, whose nesting is bounded
 * by the pattern. */
#include "bundle/internal.h"

#include "countersign/base/utf8.h"

/* One character or class at pattern[*at]; tells whether it takes `rune` and moves *at behind it. false in *good on a
 * bad pattern. */
static bool take_class(cs_slice p, size_t *at, char negation, uint32_t rune, bool *good)
{
    size_t i = *at + 1;
    bool negated = i < p.n && (p.p[i] == negation || p.p[i] == '^');
    i += negated;
    bool hit = false, any = false;
    while (i < p.n && (p.p[i] != ']' || !any)) {
        uint32_t bound[2] = {0, 0};
        for (int k = 0; k < 2; k++) {
            if (i < p.n && p.p[i] == '\\') {
                i++;
            }
            if (i >= p.n) {
                *good = false;
                return false;
            }
            size_t width;
            bound[k] = cs_utf8_decode(p.p + i, p.n - i, &width);
            i += width;
            if (k == 0 && (i + 1 >= p.n || p.p[i] != '-' || p.p[i + 1] == ']')) {
                bound[1] = bound[0];
                break;
            }
            i += k == 0;
        }
        hit = hit || (bound[0] <= rune && rune <= bound[1]);
        any = true;
    }
    if (i >= p.n || !any) {
        *good = false;
        return false;
    }
    *at = i + 1;
    return hit != negated;
}

/* One item of the pattern that is no star against the text at *t. */
static bool take_one(cs_slice p, size_t *pi, cs_slice s, size_t *si, bool slashes, bool *good)
{
    size_t width;
    if (*si >= s.n) {
        return false;
    }
    uint32_t rune = cs_utf8_decode(s.p + *si, s.n - *si, &width);
    bool hit;
    if (p.p[*pi] == '?') {
        hit = slashes || rune != '/';
        *pi += 1;
    } else if (p.p[*pi] == '[') {
        hit = take_class(p, pi, slashes ? '!' : '^', rune, good) && (slashes || rune != '/');
    } else {
        if (p.p[*pi] == '\\') {
            *pi += 1;
            if (*pi >= p.n) {
                *good = false;
                return false;
            }
        }
        size_t own;
        hit = cs_utf8_decode(p.p + *pi, p.n - *pi, &own) == rune && own == width;
        *pi += own;
    }
    *si += width;
    return hit;
}

/* Without alternatives. `slashes`: may a star or question mark take '/'? */
static bool match_plain(cs_slice p, cs_slice s, bool slashes)
{
    size_t pi = 0, si = 0, star_p = SIZE_MAX, star_s = 0;
    bool good = true;
    for (;;) {
        if (pi < p.n && p.p[pi] == '*') {
            star_p = ++pi;
            star_s = si;
            continue;
        }
        if (pi == p.n && si == s.n) {
            return true;
        }
        if (pi < p.n && take_one(p, &pi, s, &si, slashes, &good)) {
            continue;
        }
        if (!good || star_p == SIZE_MAX || star_s >= s.n || (!slashes && s.p[star_s] == '/')) {
            return false;
        }
        pi = star_p;
        si = ++star_s;
    }
}

bool cs_bundle__path_match(cs_slice pattern, cs_slice name)
{
    return match_plain(pattern, name, false);
}

/* The end of the first top-level {…}; false if there is none. */
static bool find_braces(cs_slice p, size_t *open, size_t *close)
{
    size_t depth = 0;
    for (size_t i = 0; i < p.n; i++) {
        if (p.p[i] == '\\') {
            i++;
        } else if (p.p[i] == '{') {
            if (depth++ == 0) {
                *open = i;
            }
        } else if (p.p[i] == '}' && depth > 0 && --depth == 0) {
            *close = i;
            return true;
        }
    }
    return false;
}

/* Tries each alternative written out in `room`; patterns of manifests are short, longer ones than the room match
 * nothing. */
static bool match_braces(cs_slice p, cs_slice s, unsigned left)
{
    size_t open = 0, close = 0;
    if (!find_braces(p, &open, &close)) {
        return match_plain(p, s, true);
    }
    char room[1024];
    if (left == 0 || p.n > sizeof room) {
        return false;
    }
    size_t from = open + 1, depth = 0;
    for (size_t i = open + 1; i <= close; i++) {
        if (p.p[i] == '\\') {
            i++;
        } else if (p.p[i] == '{') {
            depth++;
        } else if (i == close || (depth == 0 && p.p[i] == ',')) {
            memcpy(room, p.p, open);
            memcpy(room + open, p.p + from, i - from);
            memcpy(room + open + (i - from), p.p + close + 1, p.n - close - 1);
            if (match_braces(cs_slice_make(room, open + (i - from) + (p.n - close - 1)), s, left - 1)) {
                return true;
            }
            from = i + 1;
        } else if (p.p[i] == '}') {
            depth--;
        }
    }
    return false;
}

bool cs_bundle__glob_match(cs_slice pattern, cs_slice text)
{
    return match_braces(pattern, text, 8);
}

bool cs_bundle_ignored(const cs_slice *patterns, size_t n, cs_slice path)
{
    cs_slice rest = path, name;
    while (cs_slice_next(&rest, '/', &name)) {
        for (size_t i = 0; name.n > 0 && i < n; i++) {
            if (cs_bundle__path_match(patterns[i], name)) {
                return true;
            }
        }
    }
    return false;
}

cs_slice cs_bundle__base(cs_slice path)
{
    size_t i = path.n;
    while (i > 0 && path.p[i - 1] != '/') {
        i--;
    }
    return cs_slice_sub(path, i, path.n);
}

bool cs_bundle__is_signatures(cs_slice path)
{
    return cs_slice_is(cs_bundle__base(path), ".signatures.json");
}

bool cs_bundle__is_yaml_data(cs_slice path)
{
    cs_slice base = cs_bundle__base(path);
    return cs_slice_is(base, "data.yaml") || cs_slice_is(base, "data.yml");
}

bool cs_bundle__is_data(cs_slice path)
{
    return cs_slice_is(cs_bundle__base(path), "data.json") || cs_bundle__is_yaml_data(path);
}

cs_slice cs_bundle__concat(cs_arena *a, cs_slice x, cs_slice y)
{
    char *p = cs_arena_alloc(a, x.n + y.n + 1);
    if (x.n > 0) {
        memcpy(p, x.p, x.n);
    }
    if (y.n > 0) {
        memcpy(p + x.n, y.p, y.n);
    }
    p[x.n + y.n] = '\0';
    return cs_slice_make(p, x.n + y.n);
}

cs_slice cs_bundle__clean(cs_arena *a, cs_slice path)
{
    char *out = cs_arena_alloc(a, path.n + 3);
    bool rooted = path.n > 0 && path.p[0] == '/';
    size_t n = 0;
    size_t floor = 0; /* ".." does not go below */
    if (rooted) {
        out[n++] = '/';
        floor = 1;
    }
    cs_slice rest = path, part;
    while (cs_slice_next(&rest, '/', &part)) {
        if (part.n == 0 || cs_slice_is(part, ".")) {
            continue;
        }
        if (cs_slice_is(part, "..")) {
            if (n > floor) {
                while (n > floor && out[n - 1] != '/') {
                    n--;
                }
                n -= n > floor;
                continue;
            }
            if (rooted) {
                continue;
            }
        }
        if (n > 0 && out[n - 1] != '/') {
            out[n++] = '/';
        }
        memcpy(out + n, part.p, part.n);
        n += part.n;
        if (cs_slice_is(part, "..")) {
            floor = n;
        }
    }
    if (n == 0) {
        out[n++] = '.';
    }
    out[n] = '\0';
    return cs_slice_make(out, n);
}

cs_slice cs_bundle__join(cs_arena *a, cs_slice x, cs_slice y)
{
    if (x.n == 0 || y.n == 0) {
        return cs_bundle__clean(a, x.n == 0 ? y : x);
    }
    cs_slice head = cs_bundle__concat(a, x, CS_LIT("/"));
    return cs_bundle__clean(a, cs_bundle__concat(a, head, y));
}

cs_slice cs_bundle_module_id(cs_arena *a, cs_slice bundle_name, const cs_bundle_module *module)
{
    cs_slice name = bundle_name;
    if (cs_slice_starts(name, CS_LIT("file://"))) {
        name = cs_slice_sub(name, 7, name.n);
    }
    return cs_bundle__join(a, name, module->file);
}

cs_slice cs_bundle_signed_name(cs_arena *a, cs_slice folder, cs_slice path)
{
    cs_slice name = cs_bundle__join(a, folder, path);
    while (name.n > 0 && name.p[0] == '/') {
        name = cs_slice_sub(name, 1, name.n);
    }
    return name;
}
