/* The rows, and everything that was written against them. */
#include "config/internal.h"

#include "countersign/base/limits.h"
#include "countersign/base/time.h"
#include "countersign/number.h"

static const cs_option rows[] = {
#define OPA CS_OPTION_OPA
#define OWN CS_OPTION_OWN
#define SECRET CS_OPTION_SECRET
#define IDLE CS_OPTION_IDLE
#define CS_OPTION(path, type, range, otherwise, flags, help) {path, CS_OPTION_##type, range, otherwise, flags, help},
#include "config/options.def"
#undef CS_OPTION
#undef OPA
#undef OWN
#undef SECRET
#undef IDLE
};

const cs_option *cs_config__rows(size_t *n)
{
    *n = sizeof rows / sizeof *rows;
    return rows;
}

const cs_option *cs_config__row(const char *path)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].path, path) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

/* The path at hand, as segments, and as it is printed. */
typedef struct place {
    const cs_slice *segments;
    size_t n;
    const char *dotted;
} place;

typedef enum match { MATCH_NONE, MATCH_ABOVE, MATCH_ROW } match;

/* Does the row stand at this path, or below it? */
static match match_row(const cs_option *row, const place *at)
{
    cs_slice rest = cs_slice_of(row->path), segment;
    for (size_t i = 0; i < at->n; i++) {
        if (!cs_slice_next(&rest, '.', &segment) ||
            (!cs_slice_is(segment, "*") && !cs_slice_eq(segment, at->segments[i]))) {
            return MATCH_NONE;
        }
    }
    return cs_slice_next(&rest, '.', &segment) ? MATCH_ABOVE : MATCH_ROW;
}

static match find_row(const place *at, const cs_option **out)
{
    match best = MATCH_NONE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        match m = match_row(&rows[i], at);
        if (m > best) {
            best = m;
            *out = &rows[i];
        }
    }
    return best;
}

bool cs_config__is_known(cs_slice section)
{
    place at = {&section, 1, ""};
    const cs_option *row = NULL;
    return find_row(&at, &row) != MATCH_NONE;
}

bool cs_config__is_own(cs_slice section)
{
    place at = {&section, 1, ""};
    const cs_option *row = NULL;
    return cs_slice_is(section, "limits") || (find_row(&at, &row) != MATCH_NONE && (row->flags & CS_OPTION_OWN) != 0);
}

static bool in_words(cs_slice word, const char *words)
{
    cs_slice rest = cs_slice_of(words), one;
    while (cs_slice_next(&rest, '|', &one)) {
        if (cs_slice_eq(one, word)) {
            return true;
        }
    }
    return words[0] == '|' && word.n == 0;
}

static void wrong(cs_config_report *report, const cs_node *node, const place *at, const char *want)
{
    cs_config__problem(report, false, node, "%s must be %s", at->dotted, want);
}

/* "1..9", "0..": both ends of a range; what is missing is open. */
static void split_range(const char *range, cs_slice *low, cs_slice *high)
{
    cs_slice all = cs_slice_of(range);
    size_t dots = cs_slice_find(all, CS_LIT(".."), 0);
    *low = dots == SIZE_MAX ? CS_LIT("") : cs_slice_sub(all, 0, dots);
    *high = dots == SIZE_MAX ? CS_LIT("") : cs_slice_sub(all, dots + 2, all.n);
}

static void check_int(const cs_option *row, const cs_node *node, const place *at, cs_config_report *report)
{
    int64_t value = 0, bound;
    if (node->kind != CS_NODE_SCALAR || !cs_is(node->scalar, CS_NUMBER) || !cs_number_is_int(node->scalar, &value)) {
        wrong(report, node, at, "an integer");
        return;
    }
    cs_slice low, high;
    split_range(row->range, &low, &high);
    if ((low.n > 0 && cs_slice_i64(low, &bound) && value < bound) ||
        (high.n > 0 && cs_slice_i64(high, &bound) && value > bound)) {
        cs_config__problem(report, false, node, "%s must be within %s", at->dotted, row->range);
    }
}

static void check_duration(const cs_option *row, const cs_node *node, const place *at, cs_config_report *report)
{
    int64_t value, bound;
    if (node->kind != CS_NODE_SCALAR || !cs_is(node->scalar, CS_STRING) ||
        !cs_time_parse_duration(cs_text(node->scalar), true, &value)) {
        wrong(report, node, at, "a duration (300ms, 30s, 2h, 35d)");
        return;
    }
    cs_slice low, high;
    split_range(row->range, &low, &high);
    if ((low.n > 0 && cs_time_parse_duration(low, true, &bound) && value < bound) ||
        (high.n > 0 && cs_time_parse_duration(high, true, &bound) && value > bound)) {
        cs_config__problem(report, false, node, "%s must be within %s", at->dotted, row->range);
    }
}

static void check_list(const cs_option *row, const cs_node *node, const place *at, cs_config_report *report)
{
    const char *want = row->type == CS_OPTION_NUMBERS ? "a list of numbers" : "a list of texts";
    cs_kind kind = row->type == CS_OPTION_NUMBERS ? CS_NUMBER : CS_STRING;
    if (node->kind != CS_NODE_LIST) {
        wrong(report, node, at, want);
        return;
    }
    for (size_t i = 0; i < node->members.n; i++) {
        const cs_node *item = node->members.v[i].node;
        if (item->kind != CS_NODE_SCALAR || !cs_is(item->scalar, kind)) {
            wrong(report, item, at, want);
        } else if (row->type == CS_OPTION_ENUMS && !in_words(cs_text(item->scalar), row->range)) {
            cs_config__problem(report, false, item, "%s: \"%.*s\" is not one of %s", at->dotted,
                               CS_FMT(cs_text(item->scalar)), row->range);
        }
    }
}

static void check_strings(const cs_node *node, const place *at, cs_config_report *report)
{
    if (node->kind != CS_NODE_MAP) {
        wrong(report, node, at, "a mapping of texts");
        return;
    }
    for (size_t i = 0; i < node->members.n; i++) {
        const cs_node *item = node->members.v[i].node;
        if (item->kind != CS_NODE_SCALAR || !cs_is(item->scalar, CS_STRING)) {
            cs_config__problem(report, false, item, "%s.%.*s must be a text", at->dotted,
                               CS_FMT(node->members.v[i].key));
        }
    }
}

static void check_value(const cs_option *row, const cs_node *node, const place *at, cs_config_report *report)
{
    if (node->kind == CS_NODE_SCALAR && cs_is(node->scalar, CS_NULL)) {
        return;
    }
    if ((row->flags & CS_OPTION_IDLE) != 0) {
        cs_config__problem(report, true, node, "%s has no effect in this version", at->dotted);
    }
    bool text = node->kind == CS_NODE_SCALAR && cs_is(node->scalar, CS_STRING);
    switch (row->type) {
    case CS_OPTION_BOOL:
        if (node->kind != CS_NODE_SCALAR || !cs_is(node->scalar, CS_BOOL)) {
            wrong(report, node, at, "true or false");
        }
        return;
    case CS_OPTION_INT:
        check_int(row, node, at, report);
        return;
    case CS_OPTION_STRING:
        if (!text) {
            wrong(report, node, at, "a string");
        }
        return;
    case CS_OPTION_ENUM:
        if (!text || !in_words(cs_text(node->scalar), row->range)) {
            cs_config__problem(report, false, node, "%s must be one of %s", at->dotted, row->range);
        }
        return;
    case CS_OPTION_DURATION:
        check_duration(row, node, at, report);
        return;
    case CS_OPTION_LIST:
    case CS_OPTION_ENUMS:
    case CS_OPTION_NUMBERS:
        check_list(row, node, at, report);
        return;
    case CS_OPTION_STRINGS:
        check_strings(node, at, report);
        return;
    case CS_OPTION_ANY:
        return;
    }
}

static bool is_limit(cs_slice name)
{
    size_t n;
    const cs_limit_row *limits = cs_limit_rows(&n);
    for (size_t i = 0; i < n; i++) {
        if (cs_slice_is(name, limits[i].name)) {
            return true;
        }
    }
    return false;
}

static void check_limits(const cs_node *section, cs_config_report *report)
{
    for (size_t i = 0; section->kind == CS_NODE_MAP && i < section->members.n; i++) {
        const cs_node_member *m = &section->members.v[i];
        int64_t value = 0;
        if (!is_limit(m->key)) {
            cs_config__problem(report, false, m->node, "unknown configuration option \"limits.%.*s\" encountered",
                               CS_FMT(m->key));
        } else if (m->node->kind != CS_NODE_SCALAR || !cs_is(m->node->scalar, CS_NUMBER) ||
                   !cs_number_is_int(m->node->scalar, &value) || value < 1) {
            cs_config__problem(report, false, m->node, "limits.%.*s must be a positive integer", CS_FMT(m->key));
        }
    }
    if (section->kind != CS_NODE_MAP && !cs_is(section->scalar, CS_NULL)) {
        cs_config__problem(report, false, section, "limits must be a mapping");
    }
}

void cs_config__apply_limits(const cs_node *root)
{
    const cs_node *section = cs_config__member(root, CS_LIT("limits"));
    for (size_t i = 0; section != NULL && section->kind == CS_NODE_MAP && i < section->members.n; i++) {
        const cs_node_member *m = &section->members.v[i];
        int64_t value = 0;
        char name[128];
        if (m->key.n < sizeof name && cs_number_is_int(m->node->scalar, &value)) {
            memcpy(name, m->key.p, m->key.n);
            name[m->key.n] = '\0';
            (void)cs_limits_set(name, (uint64_t)value);
        }
    }
}

/* `own`: the section is ours, so what is unknown in it is an error. */
static void check_node(const cs_node *node, const place *at, bool own, cs_config_report *report)
{
    const cs_option *row = NULL;
    match m = find_row(at, &row);
    if (m == MATCH_ROW) {
        check_value(row, node, at, report);
        return;
    }
    if (m == MATCH_NONE) {
        cs_config__problem(report, !own, node, "unknown configuration option \"%s\" encountered", at->dotted);
        return;
    }
    if (node->kind == CS_NODE_SCALAR) {
        if (!cs_is(node->scalar, CS_NULL)) {
            wrong(report, node, at, "a mapping");
        }
        return;
    }
    bool listed = strcmp(at->dotted, "services") == 0 || strcmp(at->dotted, "approvals.webhooks") == 0;
    if (node->kind == CS_NODE_LIST && !listed) {
        wrong(report, node, at, "a mapping");
        return;
    }
    for (size_t i = 0; i < node->members.n; i++) {
        const cs_node_member *member = &node->members.v[i];
        cs_arena a;
        cs_arena_init(&a, 0);
        cs_slice *segments = cs_arena_array(&a, cs_slice, at->n + 1);
        memcpy(segments, at->segments, at->n * sizeof *segments);
        bool list = node->kind == CS_NODE_LIST;
        segments[at->n] = list ? CS_LIT("*") : member->key;
        char *dotted = list ? cs_arena_printf(&a, NULL, "%s[%zu]", at->dotted, i)
                            : cs_arena_printf(&a, NULL, "%s.%.*s", at->dotted, CS_FMT(member->key));
        check_node(member->node, &(place){segments, at->n + 1, dotted}, own, report);
        cs_arena_destroy(&a);
    }
}

void cs_config__check(const cs_node *root, cs_config_report *report)
{
    for (size_t i = 0; i < root->members.n; i++) {
        const cs_node_member *m = &root->members.v[i];
        if (cs_slice_is(m->key, "limits")) {
            check_limits(m->node, report);
            continue;
        }
        cs_arena a;
        cs_arena_init(&a, 0);
        place at = {&m->key, 1, cs_arena_dup(&a, m->key.p, m->key.n)};
        check_node(m->node, &at, cs_config__is_own(m->key), report);
        cs_arena_destroy(&a);
    }
}
