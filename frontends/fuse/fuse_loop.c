/*
 * The session's threads: read a request, run its row function, read the next. A loop of our own
 * instead of libfuse's, for the receive buffers: the data of a WRITE lies in one, and goes to the
 * volume without being copied when the call takes the whole buffer over and the thread goes on with
 * another. And for the number of threads: the kernel wakes those that read in turn, so that with
 * one that keeps up the next request finds it awake, or at least its caches warm (rpc_pollers.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include "backend/base/check.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"
#include "frontends/fuse/fuse_kernel.h"

/* Wakes a session thread out of read(2), so that it sees that the session has ended. */
#define WAKE_SIGNAL SIGUSR1

/* The buffer that this thread's present request is in: libfuse does not hand it to the row
 * functions. NULL in threads that are none of the session's. */
static __thread struct fuse_buf *receiving;

void receive_pool_init(struct receive_pool *pool)
{
    pthread_mutex_init(&pool->lock, NULL);
}

void receive_pool_release(struct receive_pool *pool)
{
    PRE(pool->held == 0);
    while (pool->kept_count > 0) {
        free(pool->kept[--pool->kept_count]);
    }
    pthread_mutex_destroy(&pool->lock);
}

/* The buffer used last, which the cache may still have; NULL: libfuse allocates one. */
static char *receive_take(struct receive_pool *pool)
{
    AUTO_LOCK(&pool->lock);
    return pool->kept_count > 0 ? pool->kept[--pool->kept_count] : NULL;
}

static void receive_keep(struct receive_pool *pool, char *memory, bool was_held)
{
    {
        AUTO_LOCK(&pool->lock);
        pool->held -= was_held;
        if (pool->kept_count < FUSE_BUFFERS_KEPT) {
            pool->kept[pool->kept_count++] = memory;
            return;
        }
    }
    free(memory);
}

void receive_give_back(struct receive_pool *pool, char *memory)
{
    receive_keep(pool, memory, true);
}

static bool receive_hold(struct receive_pool *pool)
{
    AUTO_LOCK(&pool->lock);
    if (pool->held >= FUSE_BUFFERS_HELD_MAX) {
        return false;
    }
    pool->held++;
    return true;
}

int call_keep_data(struct call *call, const char *data, size_t size, struct slice *out_data)
{
    const char *start = receiving ? receiving->mem : NULL;
    if (start && data >= start && data + size <= start + receiving->size &&
        receive_hold(&call->frontend->buffers)) {
        call->received = receiving->mem;
        receiving->mem = NULL;
        *out_data = slice_of(data, size);
        return 0;
    }
    call->memory = malloc(size + 1);
    if (!call->memory) {
        return -ENOMEM;
    }
    memcpy(call->memory, data, size);
    *out_data = slice_of(call->memory, size);
    return 0;
}

/* Until the session ends or other threads suffice. */
static void session_read(struct frontend *frontend, struct fuse_buf *buffer)
{
    bool goes_on = true;
    while (goes_on && !fuse_session_exited(frontend->session)) {
        if (!buffer->mem) {
            buffer->mem = receive_take(&frontend->buffers);
        }
        int size = fuse_session_receive_buf(frontend->session, buffer);
        if (size == -EINTR || size == -EAGAIN) {
            continue;
        }
        if (size <= 0) {
            if (size < 0) {
                log_error("reading from /dev/fuse: %s; the mount ends", error_text(size));
            }
            fuse_session_exit(frontend->session); /* unmounted */
            return;
        }
        uint64_t begun_ns = pollers_begin(&frontend->pollers);
        kernel_receive(buffer);
        fuse_session_process_buf(frontend->session, buffer);
        goes_on = pollers_end(&frontend->pollers, begun_ns);
    }
}

static void *session_thread(void *context)
{
    struct frontend *frontend = context;
    struct fuse_buf buffer = {0};
    sigset_t wake;
    sigemptyset(&wake);
    sigaddset(&wake, WAKE_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
    receiving = &buffer;
    while (!fuse_session_exited(frontend->session) && pollers_enter(&frontend->pollers)) {
        session_read(frontend, &buffer);
    }
    receiving = NULL;
    free(buffer.mem);
    if (eventfd_write(frontend->ended_fd, 1) != 0) {
        log_error("eventfd: %s", error_text(-errno));
    }
    return NULL;
}

static void wake_handler(int signal)
{
    (void)signal; /* that read(2) returns is all that is wanted */
}

int frontend_start_threads(struct frontend *frontend)
{
    struct sigaction action = {.sa_handler = wake_handler};
    sigset_t all, old;
    unsigned wanted = frontend->options->threads;
    frontend->threads = calloc(wanted, sizeof(pthread_t));
    if (!frontend->threads) {
        return -ENOMEM;
    }
    sigaction(WAKE_SIGNAL, &action, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int status = 0;
    while (status == 0 && frontend->thread_count < wanted) {
        status = -pthread_create(&frontend->threads[frontend->thread_count], NULL, session_thread,
                                 frontend);
        frontend->thread_count += status == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return status;
}

static void thread_end(pthread_t thread)
{
    /* The signal may come just before the thread enters read(2), so it is sent until it is seen. */
    struct timespec until;
    do {
        pthread_kill(thread, WAKE_SIGNAL);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 5 * 1000 * 1000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
    } while (pthread_timedjoin_np(thread, NULL, &until) != 0);
}

void frontend_join_threads(struct frontend *frontend)
{
    fuse_session_exit(frontend->session);
    pollers_stop(&frontend->pollers);
    for (unsigned i = 0; i < frontend->thread_count; i++) {
        thread_end(frontend->threads[i]);
    }
    frontend->thread_count = 0;
    free(frontend->threads);
    frontend->threads = NULL;
}
