/*
 * A connection's inside.
 *
 *     DIALLING ──connected──► UP ──reader finishes──► CLOSED
 *         └──────────failed, closed──────────────────────┘
 *
 * Whoever sees a connection fail (or closes it) sets error and shuts the socket down, which makes
 * the reader's source ready; only the reader's thread takes it to CLOSED. Who owns references: the
 * reader's source until CLOSED and the closed callback; the writer's source while armed; every
 * unanswered call; every user.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_CONNECTION_H
#define TRIVET_RPC_RPC_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include "backend/rpc/rpc.h"
#include "backend/rpc/rpc_address.h"
#include "backend/rpc/rpc_client.h"
#include "backend/rpc/rpc_loop.h"
#include "backend/rpc/rpc_receive.h"
#include "backend/rpc/rpc_send.h"

enum connection_state { CONNECTION_DIALLING, CONNECTION_UP, CONNECTION_CLOSED };

struct rpc_connection {
    struct source reader; /* armed, running, kicked or paused: one at a time */
    struct source writer; /* armed only while the socket is full */
    struct rpc_loop *loop;
    const struct rpc_service *service;
    struct rpc_connection *next; /* rpc_loop.lock */
    struct rpc_connection *previous;
    atomic_uint references;
    int fd;
    _Atomic(void *) user;
    atomic_int error; /* 0 while it lives; set once, under lock */
    struct address peer;
    char name[ADDRESS_NAME_SIZE];
    uint64_t dial_deadline_ns;

    struct receiver receiver; /* the reader's thread only */
    atomic_uint unanswered;   /* calls received */
    atomic_uint_least64_t messages_in;
    atomic_uint_least64_t bytes_in;

    pthread_mutex_t lock; /* guards everything below, and changes of error */
    enum connection_state state;
    bool paused;   /* the reader's source rests until calls are answered or bytes have left */
    bool sending;  /* a thread is in sendmsg; others queue */
    bool blocked;  /* the socket is full; the writer's source is armed */
    int writer_fd; /* a duplicate of fd, made when the socket is full for the first time */
    unsigned descriptor_users;  /* reader until CLOSED, armed writer, sender; the last one closes */
    unsigned callbacks_running; /* by other threads than the reader's */
    bool finished;              /* the reader is done; the last callback runs closed */
    uint64_t messages_out;
    uint64_t bytes_out;
    struct send_queue queue;
    struct pending_table pending;
};

/*
 * A connection on fd with one reference for its reader's source, which is not armed yet; it is in
 * the loop's list. Owns fd also on failure.
 *
 * Fails: -E_OVERLOADED (CONNECTIONS_MAX), -ENOMEM.
 */
int connection_new(struct rpc_loop *loop, int fd, enum connection_state state,
                   const struct rpc_service *service, struct rpc_connection **out_connection);

/* Begin to wait for events (EPOLLIN, EPOLLOUT when dialling). */
void connection_start(struct rpc_connection *connection, uint32_t events);

/* End the connection with error; lock is held. Later errors are ignored. */
void connection_fail(struct rpc_connection *connection, int error);

static inline bool connection_is_failed(const struct rpc_connection *connection)
{
    return atomic_load_explicit(&connection->error, memory_order_relaxed) != 0;
}

/* Whether a further call may be taken from it now. */
bool connection_may_answer_more(const struct rpc_connection *connection);

/* Read on if it was paused and may; lock is held. */
void connection_resume(struct rpc_connection *connection);

/* A callback of connection begins and ends on a thread that is not the reader's; begin with lock
 * held, end without. */
void connection_callback_begin(struct rpc_connection *connection);
void connection_callback_end(struct rpc_connection *connection);

/* Give up a use of fd; lock is held. */
void connection_release_descriptor(struct rpc_connection *connection);

/* Finish every connection. No loop thread runs any more. */
void connections_close_all(struct rpc_loop *loop);

#endif
