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
static cs_log_time_fn *write_time; /* NULL = RFC 3339, whole seconds */

static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void cs_log_setup(cs_log_level level, cs_log_format format)
{
    lowest = level;
    layout = format;
}

void cs_log_set_time(cs_log_time_fn *write)
{
    write_time = write;
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
        } else if (rune == '\b') {
            cs_buf_text(b, "\\b");
        } else if (rune == '\f') {
            cs_buf_text(b, "\\f");
        } else if (rune < 0x20 || rune == '<' || rune == '>' || rune == '&' || rune == 0x2028 || rune == 0x2029) {
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

/* A JSON text over several lines, two blanks a level, as Go's encoder does it. */
static void put_indented(cs_buf *b, cs_slice json, size_t depth)
{
    bool quoted = false;
    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        if (quoted) {
            cs_buf_byte(b, c);
            if (c == '\\' && i + 1 < json.n) {
                cs_buf_byte(b, json.p[++i]);
            }
            quoted = c != '"';
            continue;
        }
        bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
        bool empty = opens && i + 1 < json.n && (json.p[i + 1] == '}' || json.p[i + 1] == ']');
        if (empty) {
            cs_buf_byte(b, c);
            cs_buf_byte(b, json.p[++i]);
            continue;
        }
        depth += opens;
        depth -= closes && depth > 0;
        if (closes) {
            cs_buf_printf(b, "\n%*s", (int)(2 * depth), "");
        }
        cs_buf_byte(b, c);
        if (opens || c == ',') {
            cs_buf_printf(b, "\n%*s", (int)(2 * depth), "");
        } else if (c == ':') {
            cs_buf_byte(b, ' ');
        }
        quoted = c == '"';
    }
}

/* `depth` is that of the value among objects that are written over several lines. */
static void put_value(cs_buf *b, const cs_log_field *f, size_t depth)
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
        if (layout == CS_LOG_JSON) {
            cs_buf_slice(b, f->text);
        } else {
            put_indented(b, f->text, depth);
        }
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
        put_value(b, &fields[i], 1);
    }
    cs_buf_text(b, layout == CS_LOG_JSON_PRETTY ? "\n}\n" : "}\n");
}

/* For people: "[INFO] message", a line for each field, an empty line. */
static void put_text(cs_buf *b, cs_log_level level, const char *message, const cs_log_field *fields, size_t n)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    cs_buf_printf(b, "[%s] %s\n", names[level], message);
    for (size_t i = 0; i < n; i++) {
        cs_buf_printf(b, "  %s = ", fields[i].key);
        size_t from = b->n;
        cs_slice rest = fields[i].text, line;
        if (fields[i].kind == CS_LOG_STRING && cs_slice_find_byte(rest, '\n', 0) != SIZE_MAX) {
            cs_buf_text(b, "|\n");
            while (cs_slice_next(&rest, '\n', &line)) {
                cs_buf_printf(b, "      %.*s\n", CS_FMT(line));
            }
        } else {
            put_value(b, &fields[i], 3);
            cs_slice value = cs_slice_sub(cs_buf_view(b), from, b->n);
            if (cs_slice_find_byte(value, '\n', 0) != SIZE_MAX) {
                (void)cs_buf_room(b, 8);
                memmove(b->p + from + 8, b->p + from, b->n - from);
                memcpy(b->p + from, "|\n      ", 8);
                b->n += 8;
            }
        }
        cs_buf_byte(b, '\n');
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

#define LOG_FIELDS_MAX ((size_t)32)

void cs_log(cs_log_level level, const char *message, size_t n, const cs_log_field *fields)
{
    if (cs_log_enabled(level)) {
        cs_log_always(level, message, n, fields);
    }
}

/* By their keys, as OPA's lines are. */
static void sort_fields(cs_log_field *fields, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        cs_log_field f = fields[i];
        size_t k = i;
        for (; k > 0 && strcmp(fields[k - 1].key, f.key) > 0; k--) {
            fields[k] = fields[k - 1];
        }
        fields[k] = f;
    }
}

static void put_now(cs_buf *out)
{
    int64_t now = cs_time_wall_ns();
    if (write_time != NULL) {
        write_time(now, out);
        return;
    }
    char text[40];
    cs_buf_put(out, text, cs_time_format_rfc3339(now - now % CS_NS_PER_S, text));
}

void cs_log_always(cs_log_level level, const char *message, size_t n, const cs_log_field *fields)
{
    cs_assert(n <= LOG_FIELDS_MAX);
    cs_buf line, now;
    cs_buf_init(&line);
    cs_buf_init(&now);
    if (layout == CS_LOG_TEXT) {
        put_text(&line, level, message, fields, n);
    } else {
        put_now(&now);
        cs_log_field all[LOG_FIELDS_MAX + 3] = {
            CS_LOG_S("level", cs_slice_of(level_names[level])),
            CS_LOG_S("msg", cs_slice_of(message)),
            CS_LOG_S("time", cs_buf_view(&now)),
        };
        if (n != 0) {
            memcpy(all + 3, fields, n * sizeof *fields);
        }
        sort_fields(all, n + 3);
        put_json(&line, all, n + 3);
    }
    write_line(cs_buf_view(&line));
    cs_buf_destroy(&line);
    cs_buf_destroy(&now);
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
