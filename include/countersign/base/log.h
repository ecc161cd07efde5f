/* The program's own log: one JSON object a line on stderr, keys as OPA's logger has them (level, msg, time, then
 * fields). Thread-safe; a line is written whole. */
#ifndef CS_BASE_LOG_H
#define CS_BASE_LOG_H

#include "countersign/base/buf.h"

typedef enum cs_log_level { CS_LOG_DEBUG, CS_LOG_INFO, CS_LOG_WARN, CS_LOG_ERROR } cs_log_level;
typedef enum cs_log_format { CS_LOG_JSON, CS_LOG_TEXT, CS_LOG_JSON_PRETTY } cs_log_format;

/* Before the first thread. Default: info, JSON. */
void cs_log_setup(cs_log_level level, cs_log_format format);
/* How lines say when they were written (default: RFC 3339, whole seconds); on any thread. NULL = the default again. */
typedef void cs_log_time_fn(int64_t wall_ns, cs_buf *out);
void cs_log_set_time(cs_log_time_fn *write);
bool cs_log_level_parse(cs_slice text, cs_log_level *out);
bool cs_log_enabled(cs_log_level level);

typedef enum cs_log_kind { CS_LOG_STRING, CS_LOG_I64, CS_LOG_F64, CS_LOG_BOOL, CS_LOG_RAW } cs_log_kind;
typedef struct cs_log_field {
    const char *key;
    cs_log_kind kind;
    cs_slice text; /* CS_LOG_STRING: any bytes; CS_LOG_RAW: JSON, written as it is */
    int64_t i;
    double f;
} cs_log_field;
#define CS_LOG_S(k, s) ((cs_log_field){.key = (k), .kind = CS_LOG_STRING, .text = (s)})
#define CS_LOG_I(k, v) ((cs_log_field){.key = (k), .kind = CS_LOG_I64, .i = (v)})
#define CS_LOG_F(k, v) ((cs_log_field){.key = (k), .kind = CS_LOG_F64, .f = (v)})

/* cs_log(CS_LOG_INFO, "Server initialized.", 1, (cs_log_field[]){CS_LOG_I("workers", n)}) */
void cs_log(cs_log_level level, const char *message, size_t n, const cs_log_field *fields);
/* The same whatever level was set up: for records that are a product of the program, not talk about it. */
void cs_log_always(cs_log_level level, const char *message, size_t n, const cs_log_field *fields);
/* A message made by printf, without fields. */
void cs_logf(cs_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
