/* Error records, and the tables of errors.def. */
#include "countersign/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[CS_ERR_COUNT] = {
    [CS_OK] = "ok",
#define CS_ERROR(id, code, meaning) [CS_ERR_##id] = code,
#include "countersign/base/errors.def"
#undef CS_ERROR
};

const char *cs_err_name(cs_err code)
{
    return names[(size_t)code < CS_ERR_COUNT ? (size_t)code : (size_t)CS_ERR_INTERNAL];
}

/* Cuts text of `cap` bytes (NUL included) that was `wanted` bytes long, between two characters, and says so with "...".
 */
static void cut(char *text, size_t cap, size_t wanted)
{
    if (wanted < cap) {
        return;
    }
    size_t end = cap - 4;
    while (end > 0 && ((unsigned char)text[end] & 0xC0U) == 0x80U) {
        end--;
    }
    memcpy(text + end, "...", 4);
}

CS_PRINTF(3, 0) static void format_text(char *out, size_t cap, const char *format, va_list args)
{
    int n = vsnprintf(out, cap, format, args);
    if (n < 0) {
        out[0] = '\0';
        return;
    }
    cut(out, cap, (size_t)n);
}

static void set_place(cs_error *e, cs_err code, const char *file, uint32_t row, uint32_t col)
{
    e->code = code;
    e->row = row;
    e->col = col;
    e->file[0] = '\0';
    if (file != NULL) {
        size_t n = strlen(file);
        size_t keep = n < sizeof e->file ? n : sizeof e->file - 1;
        memcpy(e->file, file, keep);
        e->file[keep] = '\0';
        cut(e->file, sizeof e->file, n);
    }
}

cs_err cs_fail(cs_error *e, cs_err code, const char *format, ...)
{
    if (e != NULL) {
        va_list args;
        va_start(args, format);
        set_place(e, code, NULL, 0, 0);
        format_text(e->text, sizeof e->text, format, args);
        va_end(args);
    }
    return code;
}

cs_err cs_fail_at(cs_error *e, cs_err code, const char *file, uint32_t row, uint32_t col, const char *format, ...)
{
    if (e != NULL) {
        va_list args;
        va_start(args, format);
        set_place(e, code, file, row, col);
        format_text(e->text, sizeof e->text, format, args);
        va_end(args);
    }
    return code;
}

cs_err cs_fail_in(cs_error *e, const char *format, ...)
{
    if (e == NULL) {
        return CS_ERR_INTERNAL;
    }
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    format_text(text, sizeof text, format, args);
    va_end(args);
    size_t n = strlen(text);
    size_t old = strlen(e->text);
    size_t keep = old < sizeof text - n ? old : sizeof text - 1 - n;
    memcpy(text + n, e->text, keep);
    text[n + keep] = '\0';
    cut(text, sizeof text, n + old);
    memcpy(e->text, text, n + keep + 1);
    return e->code;
}

void cs_broken(const char *what, const char *file, int line)
{
    char text[512];
    int n = snprintf(text, sizeof text, "countersign: broken promise: %s (%s:%d)\n", what, file, line);
    size_t size = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    /* The process ends in any case: a failed write changes nothing. */
    ssize_t written = write(STDERR_FILENO, text, size);
    (void)written;
    abort();
}
