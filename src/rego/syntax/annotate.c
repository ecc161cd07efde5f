/* # METADATA blocks: from comments to documents, and to the packages and rules that they stand above. */
#include "rego/syntax/annotate.h"
#include "countersign/base/map.h"
#include "countersign/json.h"
#include "rego/syntax/annotate_fields.h"

cs_value cs_annotation_get(const cs_annotation *annotation, const char *field)
{
    const cs_value *v = cs_object_get_text(annotation->document, field);
    return v ? *v : cs_undefined();
}

void cs_syntax__print_annotation(cs_buf *out, const cs_annotation *a)
{
    cs_buf_text(out, "# METADATA\n# ");
    cs_json_write(out, a->document, CS_JSON_HTML);
    cs_buf_byte(out, '\n');
}

/* ---- blocks */
static bool opens_block(const cs_comment *c)
{
    return c->loc.col == 1 && cs_slice_starts(cs_slice_trim(c->text), CS_LIT("METADATA"));
}

static bool continues_block(const cs_comment *c, const cs_comment *before)
{
    return c->loc.col == 1 && c->loc.row == before->loc.row + 1 && !opens_block(c);
}

/* After a `:` YAML wants a blank. OPA points out lines where something else follows. */
static const char *with_space_hints(cs_parser *p, const char *text, const cs_comment *lines, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        cs_buf found;
        cs_buf_init(&found);
        for (size_t at = cs_slice_find_byte(lines[i].text, ':', 0); at != SIZE_MAX;
             at = cs_slice_find_byte(lines[i].text, ':', at + 1)) {
            size_t width = 0;
            bool last = at + 1 == lines[i].text.n;
            uint32_t rune = last ? ' ' : cs_utf8_decode(lines[i].text.p + at + 1, lines[i].text.n - at - 1, &width);
            if (rune == ' ' || rune == '\t') {
                break;
            }
            if (rune == ':') {
                rune = CS_RUNE_BAD; /* two colons: nothing between them */
            }
            cs_buf_text(&found, found.n ? " '" : "'");
            if (rune < 0x80) {
                cs_buf_text(&found, rune == '\'' || rune == '\\' ? "\\" : "");
                cs_buf_byte(&found, (char)rune);
            } else {
                cs_buf_printf(&found, rune > 0xFFFF ? "\\U%08x" : "\\u%04x", rune);
            }
            cs_buf_byte(&found, '\'');
        }
        if (found.n) {
            text = cs_arena_printf(p->arena, NULL,
                                   "%s\n  Hint: on line %u, symbol(s) [%s] immediately following a key/value separator "
                                   "':' is not a legal yaml space character",
                                   text, lines[i].loc.row, cs_buf_cstr(&found));
        }
        cs_buf_destroy(&found);
    }
    return text;
}

/* The line that a YAML message names, or 0. */
static uint32_t named_line(const char *text)
{
    const char *at = strstr(text, "line ");
    uint32_t line = 0;
    if (strncmp(text, "yaml:", 5) != 0 || !at) {
        return 0;
    }
    for (at += 5; *at >= '0' && *at <= '9' && line < 1000000; at++) {
        line = line * 10 + (uint32_t)(*at - '0');
    }
    return line;
}

static void yaml_problem(cs_parser *p, cs_loc loc, const char *text, const cs_comment *lines, uint32_t n)
{
    uint32_t line = named_line(text);
    if (n) {
        loc = lines[line == 0 ? 0 : line < n ? line : n - 1].loc;
    }
    cs_parse__error(p, loc, "%s", with_space_hints(p, text, lines, n));
}

static bool is_blank(cs_slice s)
{
    return cs_slice_trim(s).n == 0;
}

/* One block: `lines` are those under # METADATA. */
static bool parse_block(cs_parser *p, const cs_comment *open, const cs_comment *lines, uint32_t n, cs_annotation *out)
{
    cs_buf text;
    cs_buf_init(&text);
    for (uint32_t i = 0; i < n; i++) {
        cs_slice line = lines[i].text;
        bool blank = line.n && line.p[0] == ' ';
        cs_buf_slice(&text, cs_slice_sub(line, blank ? 1 : 0, line.n));
        cs_buf_byte(&text, '\n');
    }
    *out = (cs_annotation){.loc = open->loc, .end_row = n ? lines[n - 1].loc.row : open->loc.row};
    bool ok = false;
    if (is_blank(cs_buf_view(&text))) {
        cs_parse__error(p, open->loc, "expected METADATA block, found whitespace");
    } else {
        cs_slice copy = {cs_arena_dup(p->arena, text.p, text.n), text.n};
        cs_annotate_problem problem = {0};
        ok = cs_annotate__fields(p, copy, out, &problem);
        if (!ok && problem.yaml) {
            yaml_problem(p, open->loc, problem.text, lines, n);
        } else if (!ok) {
            cs_parse__error(p, open->loc, "%s", problem.text);
        }
    }
    cs_buf_destroy(&text);
    return ok;
}

cs_annotation *cs_annotate__parse(cs_parser *p, const cs_comment *comments, uint32_t n, uint32_t *count)
{
    uint32_t blocks = 0;
    for (uint32_t i = 0; i < n; i++) {
        blocks += opens_block(&comments[i]);
    }
    cs_annotation *list = cs_arena_array(p->arena, cs_annotation, blocks);
    *count = 0;
    for (uint32_t i = 0; i < n && blocks; i++) {
        if (!opens_block(&comments[i])) {
            continue;
        }
        uint32_t end = i + 1;
        while (end < n && continues_block(&comments[end], &comments[end - 1])) {
            end++;
        }
        if (parse_block(p, &comments[i], &comments[i + 1], end - i - 1, &list[*count])) {
            (*count)++;
        }
        i = end - 1;
    }
    return list;
}

/* ---- what an annotation stands above */
typedef enum target_kind { TARGET_NONE, TARGET_PACKAGE, TARGET_IMPORT, TARGET_RULE } target_kind;

typedef struct target {
    target_kind kind;
    cs_rule *rule;
} target;

/* The first statement below `row`; statements are in the order of the text. */
static target target_below(const cs_module *m, uint32_t row)
{
    if (m->package_loc.row > row) {
        return (target){TARGET_PACKAGE, NULL};
    }
    uint32_t best = UINT32_MAX;
    target t = {TARGET_NONE, NULL};
    for (uint32_t i = 0; i < m->n_imports; i++) {
        if (m->imports[i].loc.row > row) {
            best = m->imports[i].loc.row;
            t.kind = TARGET_IMPORT;
            break;
        }
    }
    uint32_t low = 0, high = m->n_rules;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->rules[middle]->loc.row > row) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (low < m->n_rules && m->rules[low]->loc.row < best) {
        t = (target){TARGET_RULE, m->rules[low]};
    }
    return t;
}

static const char *target_name(target_kind kind)
{
    return kind == TARGET_PACKAGE ? "package" : kind == TARGET_IMPORT ? "import" : "rule";
}

static void wrong_target(cs_parser *p, const cs_annotation *a, const char *want, target t)
{
    if (t.kind == TARGET_NONE) {
        cs_parse__error_plain(p, a->loc, "annotation scope '%.*s' must be applied to %s", CS_FMT(a->scope), want);
    } else {
        cs_parse__error_plain(p, a->loc, "annotation scope '%.*s' must be applied to %s (have %s)", CS_FMT(a->scope),
                              want, target_name(t.kind));
    }
}

static bool is_scope(const cs_annotation *a, const char *scope)
{
    return cs_slice_is(a->scope, scope);
}

static void settle_scope(cs_parser *p, cs_annotation *a, target t)
{
    if (a->scope.n == 0 && t.kind != TARGET_NONE) {
        bool document = t.kind == TARGET_RULE && a->entrypoint;
        a->scope = cs_slice_of(document ? "document" : target_name(t.kind));
        cs_object_put_text(p->arena, a->document, "scope", cs_string(a->scope));
    }
    if (is_scope(a, "rule") || is_scope(a, "document")) {
        if (t.kind != TARGET_RULE) {
            wrong_target(p, a, "rule", t);
        }
    } else if (is_scope(a, "package") || is_scope(a, "subpackages")) {
        if (t.kind != TARGET_PACKAGE) {
            wrong_target(p, a, "package", t);
        }
    } else {
        cs_parse__error_plain(
            p, a->loc, "invalid annotation scope '%.*s'. Use one of 'rule', 'document', 'package', or 'subpackages'",
            CS_FMT(a->scope));
    }
    if (a->entrypoint && !is_scope(a, "document") && !is_scope(a, "package")) {
        cs_parse__error_plain(p, a->loc, "annotation entrypoint applied to non-document or package scope '%.*s'",
                              CS_FMT(a->scope));
    }
}

/* ---- which rules get which */
/* The annotations for one path. Both lists are in the order of the text. */
typedef struct group {
    CS_VEC(uint32_t) document; /* every rule of the path gets these */
    CS_VEC(uint32_t) rule;     /* each goes to the rules below it until one takes it away */
    CS_VEC(uint32_t) pending;  /* of `rule`: above the rule at hand, not yet taken */
    size_t next;
} group;

static cs_slice path_of(cs_parser *p, const cs_rule *r)
{
    cs_buf b;
    cs_buf_init(&b);
    cs_term prefix = {.kind = CS_TERM_REF, .u.list = {r->head.ref->u.list.v, cs_ref_ground_prefix(r->head.ref)}};
    cs_term_print(&b, &prefix);
    cs_slice path = {cs_arena_dup(p->arena, b.p, b.n), b.n};
    cs_buf_destroy(&b);
    return path;
}

static group *group_of(cs_parser *p, cs_map *groups, const cs_rule *r, bool make)
{
    cs_slice path = path_of(p, r);
    group *g = cs_map_get(groups, path);
    if (!g && make) {
        g = cs_arena_new(p->arena, group);
        (void)cs_map_put(groups, path, g);
    }
    return g;
}

static void give(cs_parser *p, cs_module *m, group *g, cs_rule *r)
{
    while (g->next < g->rule.n && m->annotations[g->rule.v[g->next]].loc.row < r->loc.row) {
        CS_VEC_PUSH_IN(p->arena, &g->pending, g->rule.v[g->next]);
        g->next++;
    }
    size_t n = g->document.n + g->pending.n;
    if (n == 0) {
        return;
    }
    r->annotations = cs_arena_array(p->arena, cs_annotation, n);
    size_t d = 0, q = 0;
    while (d < g->document.n || q < g->pending.n) {
        bool document = q == g->pending.n || (d < g->document.n && g->document.v[d] < g->pending.v[q]);
        uint32_t from = document ? g->document.v[d++] : g->pending.v[q++];
        r->annotations[r->n_annotations++] = m->annotations[from];
    }
    if (g->pending.n) {
        g->pending.n--;
    }
}

void cs_annotate__attach(cs_parser *p, cs_module *m)
{
    if (m->n_annotations == 0) {
        return;
    }
    cs_map groups;
    cs_map_init(&groups);
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        cs_annotation *a = &m->annotations[i];
        target t = target_below(m, a->loc.row);
        settle_scope(p, a, t);
        if (t.kind != TARGET_RULE || !(is_scope(a, "document") || is_scope(a, "rule"))) {
            continue;
        }
        group *g = group_of(p, &groups, t.rule, true);
        if (is_scope(a, "document")) {
            CS_VEC_PUSH_IN(p->arena, &g->document, i);
        } else {
            CS_VEC_PUSH_IN(p->arena, &g->rule, i);
        }
    }
    for (uint32_t i = 0; i < m->n_rules && p->s.n_errors == 0; i++) {
        group *g = group_of(p, &groups, m->rules[i], false);
        if (g) {
            give(p, m, g, m->rules[i]);
        }
    }
    cs_map_destroy(&groups);
}
