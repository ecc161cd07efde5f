/* Chance, the same everywhere: splitmix64. */
#ifndef CS_TESTS_CHANCE_H
#define CS_TESTS_CHANCE_H

#include <stdint.h>

static uint64_t chance;

static inline uint64_t draw(void)
{
    uint64_t z = (chance += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static inline int below(int n)
{
    return (int)(draw() % (uint64_t)n);
}
static inline int64_t upto(int64_t n)
{
    return (int64_t)(draw() % (uint64_t)n);
}

#endif
