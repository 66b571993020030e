/*
 * From a byte stream to records (RFC 5531 section 11).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_RECEIVE_H
#define TRIVET_RPC_RPC_RECEIVE_H

#include <stdbool.h>
#include <stddef.h>
#include "backend/base/slice.h"
#include "backend/rpc/rpc_buffer.h"

struct rpc_connection;

/*
 * Belongs to the thread that reads the connection. Small records are parsed where they were
 * received, in stream; one that is large or comes in fragments is gathered in record.
 */
struct receiver {
    struct buffer *stream; /* NULL while nothing is in it */
    size_t start;          /* unparsed bytes of stream: from start to end */
    size_t end;
    struct buffer *record;
    size_t record_size;   /* bytes gathered */
    size_t fragment_left; /* bytes of the fragment that are not gathered yet */
    bool fragment_last;
    bool held; /* handling stopped before the last complete record */
};

/*
 * Read and handle what has arrived, until the socket is empty, the connection may not be read any
 * more for now, or it has had its turn.
 *
 * Fails: -E_CONNECTION_LOST (end of stream), -E_BAD_MESSAGE, -errno; the connection is then over.
 */
int connection_receive(struct rpc_connection *connection);

void receiver_release(struct receiver *receiver);

#endif
