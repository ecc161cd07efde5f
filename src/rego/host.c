/* Hosts that need nobody: a fixed one for tests and tools, and the system's. */
#include "countersign/host.h"

#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"

static void drop_line(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    (void)self;
    (void)file;
    (void)row;
    (void)line;
}

static cs_value empty_runtime(void *self, cs_arena *arena)
{
    (void)self;
    return cs_object_new(arena, 0);
}

/* ------------------------------------------------------------------------------------------------ fixed */

static int64_t fixed_now(void *self)
{
    const cs_host_fixed *state = self;
    return state->now_ns;
}

/* SplitMix64: the same seed, the same bytes. */
static void fixed_random(void *self, void *bytes, size_t n)
{
    cs_host_fixed *state = self;
    unsigned char *p = bytes;
    for (size_t i = 0; i < n; i += 8) {
        state->seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t z = state->seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        z ^= z >> 31;
        memcpy(p + i, &z, n - i < 8 ? n - i : 8);
    }
}

void cs_host_init_fixed(cs_host *host, cs_host_fixed *state)
{
    *host = (cs_host){.self = state,
                      .now_ns = fixed_now,
                      .mono_ns = fixed_now,
                      .random = fixed_random,
                      .print = drop_line,
                      .runtime = empty_runtime};
}

/* ------------------------------------------------------------------------------------------------ the system's */

static int64_t system_now(void *self)
{
    (void)self;
    return cs_time_wall_ns();
}

static int64_t system_mono(void *self)
{
    (void)self;
    return cs_time_mono_ns();
}

static void system_random(void *self, void *bytes, size_t n)
{
    (void)self;
    cs_random(bytes, n);
}

static void system_print(void *self, cs_slice file, uint32_t row, cs_slice line)
{
    (void)self;
    cs_logf(CS_LOG_INFO, "%.*s:%u: %.*s", CS_FMT(file), row, CS_FMT(line));
}

const cs_host *cs_host_system(void)
{
    static const cs_host host = {.now_ns = system_now,
                                 .mono_ns = system_mono,
                                 .random = system_random,
                                 .print = system_print,
                                 .runtime = empty_runtime};
    return &host;
}
