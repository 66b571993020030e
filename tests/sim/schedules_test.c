/*
 * Random schedules of everything that may happen to a replica set. Goal: nothing that a client was
 * told is lost, done twice or shown out of order, one brick answers at a time, and the set heals by
 * itself. Method: SCHEDULES= of them from SEED= on, with DURATION= ms of faults each; what fails is
 * run again from its seed for a trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include "tests/lib/sim_cluster.h"

#ifdef __SANITIZE_THREAD__
#define SCHEDULES_DEFAULT 100 /* there is one thread, and it is fifty times as slow */
#else
#define SCHEDULES_DEFAULT 1000
#endif

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

struct sums {
    uint64_t events, answers, views, deaths, too_hard;
};

static bool run(uint64_t seed, unsigned ms, bool tracing, struct sums *sums)
{
    struct sim_cluster *sim = sim_new_random(seed);
    sim->tracing = tracing;
    const char *wrong = sim_schedule(sim, ms);
    if (tracing) {
        printf("%s", sim_trace(sim));
    }
    if (wrong) {
        printf("seed %llu: %s; once more: make check-sim SEED=%llu SCHEDULES=1 DURATION=%u "
               "TRACE=1\n",
               (unsigned long long)seed, wrong, (unsigned long long)seed, ms);
    }
    sums->events += sim->events;
    sums->answers += sim->answers;
    sums->views += sim->views;
    sums->deaths += sim->deaths;
    sums->too_hard += sim->too_hard;
    bool passed = wrong == NULL;
    sim_free(sim);
    return passed;
}

int main(void)
{
    uint64_t first = setting("SEED", 1), schedules = setting("SCHEDULES", SCHEDULES_DEFAULT);
    unsigned ms = (unsigned)setting("DURATION", 10000);
    uint64_t failures = 0, most = setting("FAILURES", 1);
    bool tracing = setting("TRACE", 0) != 0;
    struct sums sums = {0};
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* a long run may be ended before its end */
    for (uint64_t seed = first; seed < first + schedules && failures < most; seed++) {
        if (!run(seed, ms, tracing, &sums)) {
            failures++;
            if (!tracing && failures == 1) {
                struct sums unused = {0};
                (void)run(seed, ms, true, &unused);
            }
        }
    }
    printf("%llu schedules: %llu events, %llu answers, %llu views, %llu deaths, %llu histories too "
           "hard to judge, %llu failures\n",
           (unsigned long long)schedules, (unsigned long long)sums.events,
           (unsigned long long)sums.answers, (unsigned long long)sums.views,
           (unsigned long long)sums.deaths, (unsigned long long)sums.too_hard,
           (unsigned long long)failures);
    return failures != 0;
}
