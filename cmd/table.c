/* Tables. */
#include "table.h"

#include "countersign/base/utf8.h"

void cs_cmd_table_add(cs_cmd_table *t, const cs_slice *cells)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 8;
        cs_slice **rows = cs_arena_array(t->arena, cs_slice *, cap);
        if (t->n) {
            memcpy(rows, t->rows, t->n * sizeof *rows);
        }
        t->rows = rows;
        t->cap = cap;
    }
    t->rows[t->n] = cs_arena_array(t->arena, cs_slice, t->columns + 1);
    memcpy(t->rows[t->n++], cells, t->columns * sizeof *cells);
}

/* ---- widths on a terminal */

typedef struct range {
    uint32_t first, last;
} range;

/* Marks that stand on the character before them, and characters that show nothing. */
static const range nothing[] = {
    {0x0000, 0x001F},   {0x007F, 0x009F}, {0x00AD, 0x00AD}, {0x0300, 0x036F}, {0x0483, 0x0489},   {0x0591, 0x05BD},
    {0x05BF, 0x05BF},   {0x05C1, 0x05C2}, {0x05C4, 0x05C5}, {0x0610, 0x061A}, {0x064B, 0x065F},   {0x0670, 0x0670},
    {0x06D6, 0x06DC},   {0x06DF, 0x06E4}, {0x06E7, 0x06E8}, {0x06EA, 0x06ED}, {0x0711, 0x0711},   {0x0730, 0x074A},
    {0x07A6, 0x07B0},   {0x0816, 0x0819}, {0x081B, 0x0823}, {0x0900, 0x0902}, {0x093C, 0x093C},   {0x0941, 0x0948},
    {0x094D, 0x094D},   {0x0E31, 0x0E31}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF},   {0x1DC0, 0x1DFF},
    {0x200B, 0x200F},   {0x2028, 0x202E}, {0x2060, 0x2064}, {0x20D0, 0x20F0}, {0x302A, 0x302D},   {0x3099, 0x309A},
    {0xFE00, 0xFE0F},   {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0x1F3FB, 0x1F3FF}, {0xE0001, 0xE007F},
    {0xE0100, 0xE01EF},
};

/* East Asian wide and full-width characters and emoji. */
static const range wide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},   {0x23F0, 0x23F0},
    {0x23F3, 0x23F3},   {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267F, 0x267F},
    {0x2693, 0x2693},   {0x26A1, 0x26A1},   {0x26AA, 0x26AB},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},
    {0x26CE, 0x26CE},   {0x26D4, 0x26D4},   {0x26EA, 0x26EA},   {0x26F2, 0x26F3},   {0x26F5, 0x26F5},
    {0x26FA, 0x26FA},   {0x26FD, 0x26FD},   {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},
    {0x274C, 0x274C},   {0x274E, 0x274E},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},
    {0x27B0, 0x27B0},   {0x27BF, 0x27BF},   {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2B55, 0x2B55},
    {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},
    {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18CFF}, {0x1B000, 0x1B2FF}, {0x1F004, 0x1F004},
    {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F1E6, 0x1F1FF}, {0x1F200, 0x1F320},
    {0x1F32D, 0x1F335}, {0x1F337, 0x1F37C}, {0x1F37E, 0x1F393}, {0x1F3A0, 0x1F3CA}, {0x1F3CF, 0x1F3D3},
    {0x1F3E0, 0x1F3F0}, {0x1F3F4, 0x1F3F4}, {0x1F3F8, 0x1F43E}, {0x1F440, 0x1F440}, {0x1F442, 0x1F4FC},
    {0x1F4FF, 0x1F53D}, {0x1F54B, 0x1F54E}, {0x1F550, 0x1F567}, {0x1F57A, 0x1F57A}, {0x1F595, 0x1F596},
    {0x1F5A4, 0x1F5A4}, {0x1F5FB, 0x1F64F}, {0x1F680, 0x1F6C5}, {0x1F6CC, 0x1F6CC}, {0x1F6D0, 0x1F6D2},
    {0x1F6D5, 0x1F6D7}, {0x1F6DC, 0x1F6DF}, {0x1F6EB, 0x1F6EC}, {0x1F6F4, 0x1F6FC}, {0x1F7E0, 0x1F7EB},
    {0x1F7F0, 0x1F7F0}, {0x1F90C, 0x1F93A}, {0x1F93C, 0x1F945}, {0x1F947, 0x1F9FF}, {0x1FA70, 0x1FAFF},
    {0x20000, 0x3FFFD},
};

static bool within(const range *ranges, size_t n, uint32_t rune)
{
    for (size_t i = 0; i < n; i++) {
        if (rune <= ranges[i].last) {
            return rune >= ranges[i].first;
        }
    }
    return false;
}

/* Emoji joined by U+200D show as one, and U+FE0F makes the character before it two columns wide. */
static size_t line_width(cs_slice s)
{
    size_t total = 0, last = 0;
    bool joined = false;
    for (size_t i = 0, width; i < s.n; i += width) {
        uint32_t rune = cs_utf8_decode(s.p + i, s.n - i, &width);
        if (rune == 0xFE0F && last == 1) {
            total++;
            last = 2;
        }
        if (rune >= 0x20 && rune < 0x7F) {
            total++;
            last = 1;
            joined = false;
        } else if (within(nothing, sizeof nothing / sizeof *nothing, rune)) {
            joined = joined || (rune == 0x200D && last == 2);
        } else {
            last = within(wide, sizeof wide / sizeof *wide, rune) ? 2 : 1;
            total += joined ? 0 : last;
            joined = false;
        }
    }
    return total;
}

static size_t line_count(cs_slice s)
{
    size_t n = 1;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '\n';
    }
    return n;
}

static cs_slice line_at(cs_slice s, size_t i)
{
    cs_slice line = CS_LIT("");
    for (size_t k = 0; k <= i; k++) {
        if (!cs_slice_next(&s, '\n', &line)) {
            return CS_LIT("");
        }
    }
    return line;
}

/* ---- printing */

typedef struct printer {
    cs_buf *out;
    const cs_cmd_table *table;
    size_t *widths;
} printer;

static cs_slice cell_text(const cs_cmd_table *t, cs_slice cell)
{
    return t->keep_spaces ? cell : cs_slice_trim(cell);
}

/* Lines within a cell keep their white space; the width of a trimmed line is what counts for its place. */
static cs_slice line_text(const cs_cmd_table *t, cs_slice cell, size_t i)
{
    return cell_text(t, line_at(cell_text(t, cell), i));
}

static void widen(const printer *p, const cs_slice *cells)
{
    for (size_t i = 0; i < p->table->columns; i++) {
        cs_slice cell = cell_text(p->table, cells[i]);
        for (size_t k = line_count(cell); k-- > 0;) {
            size_t width = line_width(line_at(cell, k));
            p->widths[i] = width > p->widths[i] ? width : p->widths[i];
        }
    }
}

static void repeat(cs_buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_buf_text(out, text);
    }
}

static void rule(const printer *p, const char *left, const char *middle, const char *right)
{
    cs_buf_text(p->out, left);
    for (size_t i = 0; i < p->table->columns; i++) {
        cs_buf_text(p->out, i ? middle : "");
        repeat(p->out, "\xE2\x94\x80", p->widths[i] + 2);
    }
    cs_buf_text(p->out, right);
    cs_buf_byte(p->out, '\n');
}

static void row(const printer *p, const cs_slice *cells, bool centered)
{
    size_t lines = 1;
    for (size_t i = 0; i < p->table->columns; i++) {
        size_t n = line_count(cell_text(p->table, cells[i]));
        lines = n > lines ? n : lines;
    }
    for (size_t k = 0; k < lines; k++) {
        for (size_t i = 0; i < p->table->columns; i++) {
            cs_slice text = line_text(p->table, cells[i], k);
            size_t room = p->widths[i] - line_width(text);
            size_t left = centered ? room / 2 : 0;
            cs_buf_text(p->out, "\xE2\x94\x82 ");
            repeat(p->out, " ", left);
            cs_buf_slice(p->out, text);
            repeat(p->out, " ", room - left + 1);
        }
        cs_buf_text(p->out, "\xE2\x94\x82\n");
    }
}

void cs_cmd_table_print(cs_buf *out, const cs_cmd_table *t)
{
    printer p = {out, t, cs_arena_array(t->arena, size_t, t->columns + 1)};
    if (t->head) {
        widen(&p, t->head);
    }
    for (size_t i = 0; i < t->n; i++) {
        widen(&p, t->rows[i]);
    }
    rule(&p, "\xE2\x94\x8C", "\xE2\x94\xAC", "\xE2\x94\x90");
    if (t->head) {
        row(&p, t->head, true);
        rule(&p, "\xE2\x94\x9C", "\xE2\x94\xBC", "\xE2\x94\xA4");
    }
    for (size_t i = 0; i < t->n; i++) {
        if (i && t->lines) {
            rule(&p, "\xE2\x94\x9C", "\xE2\x94\xBC", "\xE2\x94\xA4");
        }
        row(&p, t->rows[i], false);
    }
    rule(&p, "\xE2\x94\x94", "\xE2\x94\xB4", "\xE2\x94\x98");
}
