/*
 * The machine's clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/clock.h"
#include <time.h>
#include "backend/base/check.h"

static uint64_t clock_read(clockid_t id)
{
    struct timespec now;
    int result = clock_gettime(id, &now);
    INVARIANT(result == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t real_monotonic_ns(struct clock *clock)
{
    (void)clock; /* the machine's clock has no state of ours */
    return clock_read(CLOCK_BOOTTIME);
}

static uint64_t real_wall_ns(struct clock *clock)
{
    (void)clock;
    return clock_read(CLOCK_REALTIME);
}

static struct clock real = {
    .monotonic_ns = real_monotonic_ns,
    .wall_ns = real_wall_ns,
};

struct clock *clock_real(void)
{
    return &real;
}
