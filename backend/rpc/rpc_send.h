/*
 * What waits to be sent on a connection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_SEND_H
#define TRIVET_RPC_RPC_SEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct rpc_connection;
struct buffer;

/* A chain of buffers; each one's bytes from start to end are still to go. */
struct send_queue {
    struct buffer *first;
    struct buffer *last;
    atomic_size_t size; /* bytes in all; changed under lock, read by the reader's thread too */
};

/* Most pieces of one message: head, bulk and padding, or what rpc_call_reply_raw is given. */
#define MESSAGE_PIECES_MAX 16

/*
 * Send a whole message, or as much as goes now and queue the rest. Messages leave in the order of
 * this call. On failure the connection is failed; the message is then lost like any other.
 *
 * Threads: connection->lock is held; it is given up meanwhile and held again on return.
 */
void connection_submit(struct rpc_connection *connection, const struct iovec *pieces, int count);

/* Send what is queued as far as possible; connection->lock as above. */
void connection_flush(struct rpc_connection *connection);

/*
 * While this thread works through records it has already received on connection, small messages to
 * the same connection wait in its queue. NULL ends that; the caller then flushes.
 */
void connection_cork(struct rpc_connection *connection);

/* Give the queued bytes up; connection->lock is held and nobody sends. */
void send_queue_release(struct send_queue *queue);

#endif
