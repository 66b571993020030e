/*
 * Calls that came in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_SERVER_H
#define TRIVET_RPC_RPC_SERVER_H

#include "backend/rpc/rpc.h"
#include "backend/rpc/rpc_address.h"
#include "backend/rpc/rpc_buffer.h"

struct datagram_socket;

/* Where a datagram came from and to; the answer goes the other way. */
struct datagram_origin {
    struct datagram_socket *socket;
    struct address peer;
    size_t control_size;
    _Alignas(8) uint8_t control[64]; /* IP_PKTINFO or IPV6_PKTINFO, as received */
};

/* Holds references to connection and buffer until it is answered. */
struct rpc_call {
    struct rpc_connection *connection; /* NULL: a datagram */
    struct datagram_origin *origin;
    struct rpc_loop *loop;
    struct buffer *buffer;
    struct slice arguments;
    uint32_t xid, program, version, procedure;
    struct cred cred;
};

/*
 * Take a call to its handler, or reject it. message lies in buffer.
 *
 * Fails: -E_BAD_MESSAGE, -ENOMEM; the connection is then over.
 */
int server_call(struct rpc_connection *connection, struct buffer *buffer, struct slice message);
/* The same for a datagram, which is dropped on failure. */
void server_datagram(struct rpc_loop *loop, const struct rpc_service *service,
                     const struct datagram_origin *origin, struct buffer *buffer,
                     struct slice message);

#endif
