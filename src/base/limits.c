/* The limits in force: the defaults of limits.def until the configuration says otherwise. */
#include "countersign/base/limits.h"

#include <string.h>

/* Written only before the first worker thread exists (limits.h), read-only from then on. */
static cs_limits limits = {
#define CS_LIMIT(name, value, unit, reason) .name = (value),
#include "countersign/base/limits.def"
#undef CS_LIMIT
};

static const cs_limit_row rows[] = {
#define CS_LIMIT(name, value, unit, reason) {#name, (value), unit, reason},
#include "countersign/base/limits.def"
#undef CS_LIMIT
};

static const size_t offsets[] = {
#define CS_LIMIT(name, value, unit, reason) offsetof(cs_limits, name),
#include "countersign/base/limits.def"
#undef CS_LIMIT
};

const cs_limits *cs_limits_get(void)
{
    return &limits;
}

bool cs_limits_set(const char *name, uint64_t value)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            memcpy((char *)&limits + offsets[i], &value, sizeof value);
            return true;
        }
    }
    return false;
}

const cs_limit_row *cs_limit_rows(size_t *count)
{
    *count = sizeof rows / sizeof rows[0];
    return rows;
}
