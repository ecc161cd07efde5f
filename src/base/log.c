/* The log, and the only caller of the printf family on stderr. A line is built whole and written by one call under a
 * mutex, so lines of different threads never mix. */
#include "countersign/base/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "countersign/base/buf.h"
#include "countersign/base/time.h"
#include "countersign/base/utf8.h"

/* Written by cs_log_setup before the first thread, read-only from then on. */
static cs_log_level lowest = CS_LOG_INFO;
static cs_log_format layout = CS_LOG_JSON;

static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void cs_log_setup(cs_log_level level, cs_log_format format)
{
    lowest = level;
    layout = format;
}

bool cs_log_level_parse(cs_slice text, cs_log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (cs_slice_eq_nocase(text, cs_slice_of(level_names[i]))) {
            *out = (cs_log_level)i;
            return true;
        }
    }
    if (cs_slice_eq_nocase(text, CS_LIT("warn"))) {
        *out = CS_LOG_WARN;
        return true;
    }
    return false;
}

bool cs_log_enabled(cs_log_level level)
{
    return level >= lowest;
}

/* A JSON string; bytes that are not UTF-8 become U+FFFD. */
static void put_string(cs_buf *b, cs_slice s)
{
    cs_buf_byte(b, '"');
    for (size_t i = 0; i < s.n;) {
        size_t width = 0;
        uint32_t rune = cs_utf8_decode(s.p + i, s.n - i, &width);
        if (rune == '"' || rune == '\\') {
            cs_buf_byte(b, '\\');
            cs_buf_byte(b, (char)rune);
        } else if (rune == '\n') {
            cs_buf_text(b, "\\n");
        } else if (rune == '\t') {
            cs_buf_text(b, "\\t");
        } else if (rune == '\r') {
            cs_buf_text(b, "\\r");
        } else if (rune < 0x20 || rune == 0x7F) {
            cs_buf_printf(b, "\\u%04x", rune);
        } else {
            char bytes[4];
            cs_buf_put(b, bytes, cs_utf8_encode(rune, bytes));
        }
        i += width;
    }
    cs_buf_byte(b, '"');
}

static void put_double(cs_buf *b, double value)
{
    if (!isfinite(value)) {
        cs_buf_text(b, "null");
        return;
    }
    /* The shorter text if it reads back as the same number. */
    char text[32];
    (void)snprintf(text, sizeof text, "%.15g", value);
    double back = strtod(text, NULL);
    if (memcmp(&back, &value, sizeof back) != 0) {
        (void)snprintf(text, sizeof text, "%.17g", value);
    }
    cs_buf_text(b, text);
}

static void put_value(cs_buf *b, const cs_log_field *f)
{
    switch (f->kind) {
    case CS_LOG_STRING:
        put_string(b, f->text);
        break;
    case CS_LOG_I64:
        cs_buf_i64(b, f->i);
        break;
    case CS_LOG_F64:
        put_double(b, f->f);
        break;
    case CS_LOG_BOOL:
        cs_buf_text(b, f->i ? "true" : "false");
        break;
    case CS_LOG_RAW:
        cs_buf_slice(b, f->text);
        break;
    }
}

static void put_json(cs_buf *b, const cs_log_field *fields, size_t n)
{
    const char *before = layout == CS_LOG_JSON_PRETTY ? "\n  " : "";
    const char *colon = layout == CS_LOG_JSON_PRETTY ? ": " : ":";
    cs_buf_byte(b, '{');
    for (size_t i = 0; i < n; i++) {
        cs_buf_text(b, i ? "," : "");
        cs_buf_text(b, before);
        put_string(b, cs_slice_of(fields[i].key));
        cs_buf_text(b, colon);
        put_value(b, &fields[i]);
    }
    cs_buf_text(b, layout == CS_LOG_JSON_PRETTY ? "\n}\n" : "}\n");
}

static bool is_plain(cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F) {
            return false;
        }
    }
    return s.n > 0;
}

static void put_text(cs_buf *b, const cs_log_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cs_buf_text(b, i ? " " : "");
        cs_buf_text(b, fields[i].key);
        cs_buf_byte(b, '=');
        if (fields[i].kind == CS_LOG_STRING && is_plain(fields[i].text)) {
            cs_buf_slice(b, fields[i].text);
        } else {
            put_value(b, &fields[i]);
        }
    }
    cs_buf_byte(b, '\n');
}

static void write_line(cs_slice line)
{
    (void)pthread_mutex_lock(&line_lock);
    while (line.n > 0) {
        ssize_t n = write(STDERR_FILENO, line.p, line.n);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break; /* stderr is gone; there is nowhere left to say so */
        }
        line.p += n;
        line.n -= (size_t)n;
    }
    (void)pthread_mutex_unlock(&line_lock);
}

static void put_fields(cs_buf *line, const cs_log_field *fields, size_t n)
{
    if (layout == CS_LOG_TEXT) {
        put_text(line, fields, n);
    } else {
        put_json(line, fields, n);
    }
}

#define LOG_FIELDS_MAX ((size_t)32)

void cs_log(cs_log_level level, const char *message, size_t n, const cs_log_field *fields)
{
    if (cs_log_enabled(level)) {
        cs_log_always(level, message, n, fields);
    }
}

void cs_log_always(cs_log_level level, const char *message, size_t n, const cs_log_field *fields)
{
    char now[40];
    size_t now_n = cs_time_format_rfc3339(cs_time_wall_ns(), now);
    cs_assert(n <= LOG_FIELDS_MAX);
    cs_log_field all[LOG_FIELDS_MAX + 3] = {
        CS_LOG_S("level", cs_slice_of(level_names[level])),
        CS_LOG_S("msg", cs_slice_of(message)),
        CS_LOG_S("time", cs_slice_make(now, now_n)),
    };
    for (size_t i = 0; i < n; i++) {
        all[i + 3] = fields[i];
    }
    cs_buf line;
    cs_buf_init(&line);
    put_fields(&line, all, n + 3);
    write_line(cs_buf_view(&line));
    cs_buf_destroy(&line);
}

void cs_logf(cs_log_level level, const char *format, ...)
{
    if (!cs_log_enabled(level)) {
        return;
    }
    char text[4096];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cs_log(level, text, 0, NULL);
}
