/*
 * The clock seam. Leases and time-outs use the monotonic clock (CLOCK_BOOTTIME, which counts
 * suspended time too); file times use the wall clock. A simulation passes its own struct clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BASE_CLOCK_H
#define TRIVET_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*monotonic_ns)(struct clock *clock);
    uint64_t (*wall_ns)(struct clock *clock); /* nanoseconds since 1970-01-01 UTC */
};

/* The machine's clock; static, usable by every thread. */
struct clock *clock_real(void);

static inline uint64_t clock_monotonic_ns(struct clock *clock)
{
    return clock->monotonic_ns(clock);
}

static inline uint64_t clock_wall_ns(struct clock *clock)
{
    return clock->wall_ns(clock);
}

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

#endif
