/*
 * Calls that were made and not answered yet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_CLIENT_H
#define TRIVET_RPC_RPC_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include "backend/base/slice.h"

struct rpc_connection;
struct rpc_loop;
struct buffer;
struct pending;

/*
 * By xid in chains of buckets (xids rise by one, so chains stay short), and in a list in the order
 * in which calls were started. connection->lock guards it.
 */
struct pending_table {
    struct pending **buckets;
    uint32_t bucket_count; /* a power of two, or 0 */
    uint32_t count;
    uint32_t next_xid;
    struct pending *oldest;
    struct pending *newest;
};

/* Take a reply that came with xid to its callback. message lies in buffer.
 *
 * Fails: -E_BAD_MESSAGE: malformed, the connection is then over. */
int client_reply(struct rpc_connection *connection, struct buffer *buffer, struct slice message);

/* Run the callbacks of all pending calls with -E_CONNECTION_LOST. The connection is CLOSED. */
void client_abandon(struct rpc_connection *connection);

/* Run the callbacks of calls whose time is over with -ETIMEDOUT, end what was dialled in vain, and
 * ask for the next deadline. */
void rpc_timeouts_run(struct rpc_loop *loop);

void pending_table_release(struct pending_table *table);

#endif
