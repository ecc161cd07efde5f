/* The limits as numbers. Read-only after start: cs_limits_set may be called only before the first worker thread exists.
 */
#ifndef CS_BASE_LIMITS_H
#define CS_BASE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cs_limits {
#define CS_LIMIT(name, value, unit, reason) uint64_t name;
#include "countersign/base/limits.def"
#undef CS_LIMIT
} cs_limits;

/* The limits in force. */
const cs_limits *cs_limits_get(void);
/* Sets one by name; false if there is no such limit. */
bool cs_limits_set(const char *name, uint64_t value);

/* The rows of limits.def, for documentation and --help. Static; *count of them. */
typedef struct cs_limit_row {
    const char *name;
    uint64_t value;
    const char *unit;
    const char *reason;
} cs_limit_row;
const cs_limit_row *cs_limit_rows(size_t *count);

#endif
