/*
 * The loop's inside: one epoll instance that all loop threads wait on, and what hangs on it.
 *
 * A source is registered for one event at a time (EPOLLONESHOT), so whatever it stands for is
 * handled by one thread at a time; the handler arms it again when it is done.
 *
 * Lock order: rpc_loop.lock, then rpc_connection.lock, then any one of kick_lock, timer_lock,
 * buffer_pool.lock, offload's lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_LOOP_H
#define TRIVET_RPC_RPC_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "backend/rpc/rpc.h"
#include "backend/rpc/rpc_buffer.h"
#include "backend/rpc/rpc_offload.h"
#include "backend/rpc/rpc_pollers.h"

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct source {
    void (*ready)(struct source *source);
    struct source *kicked_next; /* kick_lock */
};

/* A timer, watched descriptor, listener or UDP socket: lives as long as the loop. */
struct fixture {
    struct source source;
    struct rpc_loop *loop;
    struct fixture *next; /* rpc_loop.lock */
    int fd;
    bool owns_fd;
    bool reads_expirations; /* fd is a timerfd */
    void (*function)(void *context);
    void *context;
    void (*stop)(struct fixture *fixture);    /* at rpc_loop_stop; may be NULL */
    void (*release)(struct fixture *fixture); /* frees it; NULL: free() */
};

struct rpc_loop {
    int epoll_fd;
    int stop_fd; /* readable from rpc_loop_stop on */
    int kick_fd; /* counts the kicked sources */
    int timer_fd;
    int reserve_fd; /* timer_lock; given up for a moment to refuse a connection when descriptors ran
                       out */
    struct source stop_source;
    struct source kick_source;
    struct source timer_source;
    atomic_bool stopping;
    bool started;
    pthread_t *threads;
    unsigned thread_count;
    struct pollers pollers;
    struct offload offload;
    struct buffer_pool buffers;

    pthread_mutex_t lock; /* guards the five below */
    struct rpc_connection *connections;
    unsigned connection_count;
    struct fixture *fixtures;
    struct rpc_statistics past; /* of connections that are gone */
    struct rpc_statistics datagrams;

    pthread_mutex_t kick_lock;
    struct source *kicked_first;
    struct source *kicked_last;

    pthread_mutex_t timer_lock;
    atomic_uint_least64_t deadline_ns; /* when the timer goes off; UINT64_MAX: never */
};

/* A loop thread's buffer for reading streams, handed from connection to connection while none of
 * them keeps bytes in it. NULL if there is none or the caller is no loop thread. */
struct buffer *loop_spare_take(void);
/* Takes over a reference to an empty buffer. */
void loop_spare_give(struct buffer *buffer);

/* Register, and arm again. Fails: -errno. */
int loop_add(struct rpc_loop *loop, int fd, uint32_t events, struct source *source);
int loop_arm(struct rpc_loop *loop, int fd, uint32_t events, struct source *source);

/* Run source->ready on a loop thread though its descriptor has nothing to say. The source must not
 * be armed or kicked. */
void loop_kick(struct rpc_loop *loop, struct source *source);

/* Have rpc_timeouts_run called at this time or before. */
void loop_deadline(struct rpc_loop *loop, uint64_t deadline_ns);

/* Hand a filled fixture over to the loop, which releases it at its end, and arm it. */
int loop_add_fixture(struct rpc_loop *loop, struct fixture *fixture);
void loop_arm_fixture(struct fixture *fixture);

#endif
