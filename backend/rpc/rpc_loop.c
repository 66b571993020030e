/*
 * The loop: threads that wait on one epoll instance, as few as keep up (rpc_pollers.h), each taking
 * one ready source at a time and carrying it to its end. The kernel wakes the thread that went to
 * sleep last, whose caches are warm. Sources: connections, listeners, timers, watched descriptors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/scope.h"
#include "backend/rpc/rpc_connection.h"

/* ---- arming -------------------------------------------------------------------------------- */

static int loop_control(struct rpc_loop *loop, int operation, int fd, uint32_t events,
                        struct source *source)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(loop->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct rpc_loop *loop, int fd, uint32_t events, struct source *source)
{
    return loop_control(loop, EPOLL_CTL_ADD, fd, events | EPOLLONESHOT, source);
}

int loop_arm(struct rpc_loop *loop, int fd, uint32_t events, struct source *source)
{
    return loop_control(loop, EPOLL_CTL_MOD, fd, events | EPOLLONESHOT, source);
}

/* ---- kicks --------------------------------------------------------------------------------- */

void loop_kick(struct rpc_loop *loop, struct source *source)
{
    {
        AUTO_LOCK(&loop->kick_lock);
        source->kicked_next = NULL;
        if (loop->kicked_last) {
            loop->kicked_last->kicked_next = source;
        } else {
            loop->kicked_first = source;
        }
        loop->kicked_last = source;
    }
    uint64_t one = 1;
    ssize_t written = write(loop->kick_fd, &one, sizeof one);
    INVARIANT(written == (ssize_t)sizeof one); /* the counter cannot overflow */
}

static struct source *kick_take(struct rpc_loop *loop)
{
    uint64_t one;
    if (read(loop->kick_fd, &one, sizeof one) < 0) {
        return NULL; /* another thread was faster */
    }
    AUTO_LOCK(&loop->kick_lock);
    struct source *source = loop->kicked_first;
    if (source) {
        loop->kicked_first = source->kicked_next;
        if (!loop->kicked_first) {
            loop->kicked_last = NULL;
        }
    }
    return source;
}

static void kick_ready(struct source *source)
{
    struct rpc_loop *loop = CONTAINER_OF(source, struct rpc_loop, kick_source);
    struct source *kicked = kick_take(loop);
    if (kicked) {
        kicked->ready(kicked);
    }
}

/* ---- the timer ----------------------------------------------------------------------------- */

void loop_deadline(struct rpc_loop *loop, uint64_t deadline_ns)
{
    /* Nearly every call finds an earlier deadline set, so that timed calls cost no system call. */
    if (deadline_ns >= atomic_load_explicit(&loop->deadline_ns, memory_order_relaxed)) {
        return;
    }
    AUTO_LOCK(&loop->timer_lock);
    if (deadline_ns >= atomic_load_explicit(&loop->deadline_ns, memory_order_relaxed)) {
        return;
    }
    atomic_store_explicit(&loop->deadline_ns, deadline_ns, memory_order_relaxed);
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
                     .tv_nsec = (long)(deadline_ns % NS_PER_S)},
    };
    int result = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    INVARIANT(result == 0);
}

static void timer_ready(struct source *source)
{
    struct rpc_loop *loop = CONTAINER_OF(source, struct rpc_loop, timer_source);
    {
        AUTO_LOCK(&loop->timer_lock);
        uint64_t expirations;
        (void)!read(loop->timer_fd, &expirations, sizeof expirations); /* only to be armed again */
        atomic_store_explicit(&loop->deadline_ns, UINT64_MAX, memory_order_relaxed);
    }
    rpc_timeouts_run(loop);
    (void)loop_arm(loop, loop->timer_fd, EPOLLIN, source); /* cannot fail for what was added */
}

/* ---- threads ------------------------------------------------------------------------------- */

static _Thread_local bool is_loop_thread;
static _Thread_local struct buffer *spare;

struct buffer *loop_spare_take(void)
{
    struct buffer *buffer = spare;
    spare = NULL;
    return buffer;
}

void loop_spare_give(struct buffer *buffer)
{
    if (!is_loop_thread || spare) {
        buffer_put(buffer);
        return;
    }
    spare = buffer;
}

/* Until the loop stops or other threads suffice. */
static void poll_on(struct rpc_loop *loop)
{
    bool goes_on = true;
    while (goes_on && !atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        struct epoll_event event;
        /* One event: what else is ready is for the other threads, should this one be stuck. */
        int count = epoll_wait(loop->epoll_fd, &event, 1, -1);
        if (count == 1) {
            struct source *source = event.data.ptr;
            uint64_t begun_ns = pollers_begin(&loop->pollers);
            source->ready(source);
            goes_on = pollers_end(&loop->pollers, begun_ns);
        }
    }
}

static void *loop_thread(void *context)
{
    struct rpc_loop *loop = context;
    is_loop_thread = true;
    while (pollers_enter(&loop->pollers)) {
        poll_on(loop);
    }
    buffer_put(loop_spare_take());
    return NULL;
}

static void stop_ready(struct source *source)
{
    (void)source; /* the thread sees stopping by itself */
}

int rpc_loop_start(struct rpc_loop *loop)
{
    PRE(!loop->started);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    loop->started = true;
    int result = offload_start(&loop->offload);
    unsigned wanted = loop->thread_count;
    loop->thread_count = 0;
    while (result == 0 && loop->thread_count < wanted) {
        result = -pthread_create(&loop->threads[loop->thread_count], NULL, loop_thread, loop);
        loop->thread_count += result == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

/* ---- life ---------------------------------------------------------------------------------- */

static int loop_open(struct rpc_loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (loop->epoll_fd < 0 || loop->stop_fd < 0 || loop->kick_fd < 0 || loop->timer_fd < 0 ||
        loop->reserve_fd < 0) {
        return -errno;
    }
    int result = loop_control(loop, EPOLL_CTL_ADD, loop->stop_fd, EPOLLIN, &loop->stop_source);
    if (result == 0) {
        result = loop_control(loop, EPOLL_CTL_ADD, loop->kick_fd, EPOLLIN, &loop->kick_source);
    }
    if (result == 0) {
        result = loop_add(loop, loop->timer_fd, EPOLLIN, &loop->timer_source);
    }
    return result;
}

int rpc_loop_new(unsigned loop_threads, unsigned worker_threads, struct rpc_loop **out_loop)
{
    PRE(loop_threads > 0);
    struct rpc_loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        return -ENOMEM;
    }
    *loop = (struct rpc_loop){
        .stop_source = {.ready = stop_ready},
        .kick_source = {.ready = kick_ready},
        .timer_source = {.ready = timer_ready},
        .thread_count = loop_threads,
        .threads = calloc(loop_threads, sizeof *loop->threads),
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .kick_lock = PTHREAD_MUTEX_INITIALIZER,
        .timer_lock = PTHREAD_MUTEX_INITIALIZER,
        .deadline_ns = UINT64_MAX,
        .epoll_fd = -1,
        .stop_fd = -1,
        .kick_fd = -1,
        .timer_fd = -1,
        .reserve_fd = -1,
    };
    pollers_init(&loop->pollers, loop_threads);
    offload_init(&loop->offload, worker_threads);
    buffer_pool_init(&loop->buffers);
    int result = loop->threads ? loop_open(loop) : -ENOMEM;
    if (result < 0) {
        rpc_loop_free(loop);
        return result;
    }
    *out_loop = loop;
    return 0;
}

void rpc_loop_stop(struct rpc_loop *loop)
{
    PRE(!is_loop_thread);
    if (atomic_exchange(&loop->stopping, true)) {
        return;
    }
    uint64_t one = 1;
    pollers_stop(&loop->pollers);
    (void)!write(loop->stop_fd, &one, sizeof one); /* the first write to a counter cannot fail */
    for (unsigned i = 0; loop->started && i < loop->thread_count; i++) {
        pthread_join(loop->threads[i], NULL);
    }
    for (struct fixture *fixture = loop->fixtures; fixture; fixture = fixture->next) {
        if (fixture->stop) {
            fixture->stop(fixture);
        }
    }
    connections_close_all(loop);
    offload_stop(&loop->offload);
    connections_close_all(loop); /* what a worker dialled meanwhile */
}

static void fixture_free(struct fixture *fixture)
{
    if (fixture->owns_fd && fixture->fd >= 0) {
        (void)close(fixture->fd);
    }
    if (fixture->release) {
        fixture->release(fixture);
    } else {
        free(fixture);
    }
}

void rpc_loop_free(struct rpc_loop *loop)
{
    if (!loop) {
        return;
    }
    if (loop->epoll_fd >= 0) {
        rpc_loop_stop(loop);
    }
    while (loop->fixtures) {
        struct fixture *fixture = loop->fixtures;
        loop->fixtures = fixture->next;
        fixture_free(fixture);
    }
    int *const fds[] = {&loop->reserve_fd, &loop->timer_fd, &loop->kick_fd, &loop->stop_fd,
                        &loop->epoll_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        scope_close(fds[i]);
    }
    offload_release(&loop->offload);
    pollers_release(&loop->pollers);
    buffer_pool_release(&loop->buffers);
    pthread_mutex_destroy(&loop->lock);
    pthread_mutex_destroy(&loop->kick_lock);
    pthread_mutex_destroy(&loop->timer_lock);
    free(loop->threads);
    free(loop);
}

/* ---- fixtures ------------------------------------------------------------------------------ */

void loop_arm_fixture(struct fixture *fixture)
{
    /* Cannot fail for a descriptor that was added and is open. */
    (void)loop_arm(fixture->loop, fixture->fd, EPOLLIN, &fixture->source);
}

int loop_add_fixture(struct rpc_loop *loop, struct fixture *fixture)
{
    fixture->loop = loop;
    AUTO_LOCK(&loop->lock);
    int result = loop_add(loop, fixture->fd, EPOLLIN, &fixture->source);
    if (result < 0) {
        fixture_free(fixture);
        return result;
    }
    fixture->next = loop->fixtures;
    loop->fixtures = fixture;
    return 0;
}

static void fixture_ready(struct source *source)
{
    struct fixture *fixture = CONTAINER_OF(source, struct fixture, source);
    uint64_t expirations;
    if (!fixture->reads_expirations ||
        read(fixture->fd, &expirations, sizeof expirations) == (ssize_t)sizeof expirations) {
        fixture->function(fixture->context);
    }
    loop_arm_fixture(fixture);
}

int rpc_loop_watch(struct rpc_loop *loop, int fd, void (*function)(void *context), void *context)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture) {
        return -ENOMEM;
    }
    *fixture = (struct fixture){
        .source = {.ready = fixture_ready},
        .fd = fd,
        .function = function,
        .context = context,
    };
    return loop_add_fixture(loop, fixture);
}

int rpc_loop_every(struct rpc_loop *loop, unsigned interval_ms, void (*function)(void *context),
                   void *context)
{
    PRE(interval_ms > 0);
    AUTO_CLOSE int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    struct timespec interval = {.tv_sec = interval_ms / 1000,
                                .tv_nsec = (long)(interval_ms % 1000) * 1000000};
    struct itimerspec when = {.it_interval = interval, .it_value = interval};
    if (timerfd_settime(fd, 0, &when, NULL) < 0) {
        return -errno;
    }
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture) {
        return -ENOMEM;
    }
    *fixture = (struct fixture){
        .source = {.ready = fixture_ready},
        .fd = TAKE_FD(fd),
        .owns_fd = true,
        .reads_expirations = true,
        .function = function,
        .context = context,
    };
    return loop_add_fixture(loop, fixture);
}
