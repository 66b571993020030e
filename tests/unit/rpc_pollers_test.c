/*
 * A loop's threads: one polls while it keeps up; others come when it is stuck or busy, and go to
 * rest again. Shown by handlers that wait for each other, which only as many threads can end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "backend/base/clock.h"
#include "backend/rpc/rpc.h"
#include "backend/rpc/rpc_pollers.h"

#define THREADS 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned inside, most, left, wanted;

/* Stay until as many as wanted are inside, ten seconds at most. */
static void meet(void *context)
{
    uint64_t value;
    CU_ASSERT(read(*(int *)context, &value, sizeof value) == (ssize_t)sizeof value);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&lock);
    inside++;
    most = inside > most ? inside : most;
    pthread_cond_broadcast(&changed);
    while (most < wanted && pthread_cond_timedwait(&changed, &lock, &until) == 0) {
    }
    inside--;
    left++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static bool all_left(unsigned count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&lock);
    while (left < count && pthread_cond_timedwait(&changed, &lock, &until) == 0) {
    }
    bool all = left == count;
    pthread_mutex_unlock(&lock);
    return all;
}

/* Each of count handlers waits for all others: true if they all met. */
static bool handlers_meet(unsigned count)
{
    struct rpc_loop *loop;
    int fds[THREADS];
    CU_ASSERT_EQUAL_FATAL(rpc_loop_new(THREADS, 0, &loop), 0);
    inside = most = left = 0;
    wanted = count;
    for (unsigned i = 0; i < count; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC);
        CU_ASSERT_EQUAL(rpc_loop_watch(loop, fds[i], meet, &fds[i]), 0);
    }
    CU_ASSERT_EQUAL_FATAL(rpc_loop_start(loop), 0);
    for (unsigned i = 0; i < count; i++) {
        uint64_t one = 1;
        CU_ASSERT(write(fds[i], &one, sizeof one) == (ssize_t)sizeof one);
    }
    bool met = all_left(count) && most == count;
    rpc_loop_stop(loop);
    rpc_loop_free(loop);
    for (unsigned i = 0; i < count; i++) {
        (void)close(fds[i]);
    }
    return met;
}

static void a_stuck_handler_stops_no_other(void)
{
    CU_ASSERT(handlers_meet(2));
}

static void as_many_come_as_there_are(void)
{
    for (int round = 0; round < 20; round++) {
        CU_ASSERT(handlers_meet(THREADS));
    }
}

static struct pollers pollers;

static void *enter(void *context)
{
    atomic_uint *entered = context;
    if (pollers_enter(&pollers)) {
        atomic_fetch_add(entered, 1);
    }
    return NULL;
}

/* One polls that is never stuck, and an event comes now and then: the others stay at rest. */
static void one_is_enough_for_little(void)
{
    atomic_uint entered = 0;
    pthread_t thread;
    pollers_init(&pollers, 2);
    CU_ASSERT_TRUE_FATAL(pollers_enter(&pollers));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, enter, &entered), 0);
    for (int i = 0; i < 100; i++) {
        CU_ASSERT(pollers_end(&pollers, pollers_begin(&pollers)));
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 500000}, NULL);
    }
    CU_ASSERT_EQUAL(atomic_load(&entered), 0);
    pollers_stop(&pollers);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    CU_ASSERT_EQUAL(atomic_load(&entered), 0);
    pollers_release(&pollers);
}

/* Events that take all of the time let the second in; when there are few again, one leaves. */
static void a_busy_one_gets_help_and_loses_it(void)
{
    pollers_init(&pollers, 2);
    CU_ASSERT_TRUE_FATAL(pollers_enter(&pollers));
    uint64_t now = clock_monotonic_ns(clock_real());
    for (int i = 0; i < 3; i++) {
        (void)pollers_begin(&pollers);
        CU_ASSERT(pollers_end(&pollers, now - 1000 * NS_PER_MS)); /* a second of work */
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 11000000}, NULL);
    }
    CU_ASSERT_EQUAL(atomic_load(&pollers.allowed), 2);
    CU_ASSERT_TRUE_FATAL(pollers_enter(&pollers)); /* as the second thread: there is room */
    bool both = true;
    for (int i = 0; i < 3 && both; i++) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 11000000}, NULL);
        both = pollers_end(&pollers, pollers_begin(&pollers));
    }
    CU_ASSERT_FALSE(both);
    CU_ASSERT_EQUAL(atomic_load(&pollers.allowed), 1);
    pollers_release(&pollers);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("rpc_pollers", NULL, NULL);
    CU_ADD_TEST(suite, a_stuck_handler_stops_no_other);
    CU_ADD_TEST(suite, as_many_come_as_there_are);
    CU_ADD_TEST(suite, one_is_enough_for_little);
    CU_ADD_TEST(suite, a_busy_one_gets_help_and_loses_it);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
