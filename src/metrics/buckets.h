/* Upper bounds of histogram buckets, in seconds if nothing else is said, ascending. metrics.def names them. */
#ifndef CS_METRICS_BUCKETS_H
#define CS_METRICS_BUCKETS_H

/* OPA's defaults for its HTTP handlers. */
#define CS_BUCKETS_HTTP 1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 0.01, 0.1, 1
/* Close around 1 ms (the usual decision) and 30 ms (the objective for the 95th percentile). */
#define CS_BUCKETS_DECISION                                                                                            \
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 7.5e-4, 1e-3, 1.5e-3, 2.5e-3, 5e-3, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1,     \
        0.25, 1, 5
#define CS_BUCKETS_ACTIVATION 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60
/* OPA's, in nanoseconds. */
#define CS_BUCKETS_LOADING                                                                                             \
    1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 64e3, 128e3, 256e3, 512e3, 1024e3, 2048e3, 4096e3, 8192e3, 16384e3, 32768e3,       \
        65536e3, 131072e3, 262144e3, 524288e3
#define CS_BUCKETS_NONE 0

#endif
