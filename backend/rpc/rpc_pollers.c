/*
 * See rpc_pollers.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_pollers.h"

#include <time.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"

/* How long the share of busy time is taken over, before somebody is let in or sent to rest. */
#define WINDOW_NS (10 * NS_PER_MS)
/* One more above, one fewer if those left would stay below. Far apart, so that they do not come and
 * go. */
#define BUSY_PERCENT 85
#define IDLE_PERCENT 50
/* All that poll stuck in what they do for this long: one more. */
#define STUCK_NS (5 * NS_PER_MS)

void pollers_init(struct pollers *pollers, unsigned thread_count)
{
    *pollers = (struct pollers){.lock = PTHREAD_MUTEX_INITIALIZER, .thread_count = thread_count};
    atomic_init(&pollers->allowed, 1);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pollers->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

void pollers_release(struct pollers *pollers)
{
    pthread_cond_destroy(&pollers->wake);
    pthread_mutex_destroy(&pollers->lock);
}

static void allow_more(struct pollers *pollers)
{
    unsigned allowed = atomic_load_explicit(&pollers->allowed, memory_order_relaxed);
    if (allowed < pollers->thread_count) {
        atomic_store_explicit(&pollers->allowed, allowed + 1, memory_order_relaxed);
    }
}

/* Look after a while whether anything has begun since. With the lock held, but not meanwhile. */
static void watch(struct pollers *pollers)
{
    uint64_t begun = atomic_load(&pollers->begun);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)STUCK_NS;
    if (until.tv_nsec >= (long)NS_PER_S) {
        until.tv_nsec -= (long)NS_PER_S;
        until.tv_sec++;
    }
    pollers->watched = true;
    int woken = pthread_cond_timedwait(&pollers->wake, &pollers->lock, &until);
    pollers->watched = false;
    if (woken == 0 || atomic_load(&pollers->begun) != begun) {
        return;
    }
    uint64_t ended = atomic_load(&pollers->ended);
    if (ended == begun) {
        atomic_store(&pollers->active, false);
    } else if (begun - ended >= pollers->polling) {
        allow_more(pollers);
    }
}

bool pollers_enter(struct pollers *pollers)
{
    AUTO_LOCK(&pollers->lock);
    while (!pollers->stopping && pollers->polling >= atomic_load(&pollers->allowed)) {
        pollers->resting++;
        if (atomic_load(&pollers->active) && !pollers->watched) {
            watch(pollers);
        } else {
            pthread_cond_wait(&pollers->wake, &pollers->lock);
        }
        pollers->resting--;
    }
    pollers->polling++;
    if (pollers->resting > 0 && !pollers->watched && atomic_load(&pollers->active)) {
        pthread_cond_signal(&pollers->wake); /* this one watched; another is to */
    }
    return !pollers->stopping;
}

uint64_t pollers_begin(struct pollers *pollers)
{
    if (pollers->thread_count > 1 &&
        !atomic_load_explicit(&pollers->active, memory_order_relaxed)) {
        AUTO_LOCK(&pollers->lock);
        atomic_store(&pollers->active, true);
        pthread_cond_signal(&pollers->wake);
    }
    atomic_fetch_add(&pollers->begun, 1);
    return clock_monotonic_ns(clock_real());
}

/* Once in a window: were they too few or too many? */
static void adjust(struct pollers *pollers, uint64_t window_ns)
{
    uint64_t busy_ns = atomic_exchange(&pollers->busy_ns, 0);
    AUTO_LOCK(&pollers->lock);
    unsigned allowed = atomic_load_explicit(&pollers->allowed, memory_order_relaxed);
    if (busy_ns > window_ns * allowed * BUSY_PERCENT / 100) {
        allow_more(pollers);
        pthread_cond_signal(&pollers->wake);
    } else if (allowed > 1 && busy_ns < window_ns * (allowed - 1) * IDLE_PERCENT / 100) {
        atomic_store_explicit(&pollers->allowed, allowed - 1, memory_order_relaxed);
    }
}

/* True if this thread is one too many; it no longer counts as polling then. */
static bool is_surplus(struct pollers *pollers)
{
    AUTO_LOCK(&pollers->lock);
    if (pollers->polling <= atomic_load(&pollers->allowed)) {
        return false;
    }
    pollers->polling--;
    return true;
}

bool pollers_end(struct pollers *pollers, uint64_t begun_ns)
{
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    atomic_fetch_add(&pollers->ended, 1);
    atomic_fetch_add_explicit(&pollers->busy_ns, now_ns - begun_ns, memory_order_relaxed);
    uint64_t window = atomic_load_explicit(&pollers->window_ns, memory_order_relaxed);
    if (pollers->thread_count > 1 && now_ns - window >= WINDOW_NS &&
        atomic_compare_exchange_strong(&pollers->window_ns, &window, now_ns)) {
        adjust(pollers, now_ns - window);
    }
    /* polling changes rarely; who reads an old value looks again after the next event. */
    return atomic_load_explicit(&pollers->allowed, memory_order_relaxed) == pollers->thread_count ||
           !is_surplus(pollers);
}

void pollers_stop(struct pollers *pollers)
{
    AUTO_LOCK(&pollers->lock);
    pollers->stopping = true;
    pthread_cond_broadcast(&pollers->wake);
}
