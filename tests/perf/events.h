/* Spend events as the benches make them: 300 bytes, one in twenty comes twice. */
#ifndef CS_TESTS_PERF_EVENTS_H
#define CS_TESTS_PERF_EVENTS_H

#include "countersign/base/buf.h"
#include "countersign/base/time.h"

static inline uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Adds the i-th event, a millisecond behind the one before it, counted from `start_ns`. Returns its tenant's number. */
static inline uint64_t render(cs_buf *out, uint64_t i, uint64_t tenants, int64_t start_ns)
{
    uint64_t of = i % 20 == 19 ? i - 7 : i;
    uint64_t state = of;
    uint64_t tenant = draw(&state) % tenants;
    char time[40];
    (void)cs_time_format_rfc3339(start_ns + (int64_t)of * CS_NS_PER_MS, time);
    cs_buf_printf(out,
                  "{\"specversion\":\"1.0\",\"id\":\"req-%08llx-%llu\",\"source\":\"/gateways/eu-1\","
                  "\"type\":\"io.countersign.spend.recorded.v1\",\"subject\":\"tenant/t-%llu\",\"time\":\"%s\","
                  "\"data\":{\"tenant\":\"t-%llu\",\"amount\":\"0.%09llu\",\"currency\":\"USD\",\"kind\":\"usage\","
                  "\"scope\":{\"team\":\"growth\",\"model\":\"m-%llu\"}}}",
                  (unsigned long long)draw(&state) & 0xffffffff, (unsigned long long)of, (unsigned long long)tenant,
                  time, (unsigned long long)tenant, (unsigned long long)draw(&state) % 1000000000,
                  (unsigned long long)draw(&state) % 8);
    return tenant;
}

#endif
