/*
 * Calls by datagram.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_UDP_H
#define TRIVET_RPC_RPC_UDP_H

#include <sys/uio.h>

struct datagram_origin;

/* A call from origin waits for its answer. False: too many do; it is to be dropped. */
int datagram_admit(const struct datagram_origin *origin);
/* One of them is answered or dropped. */
void datagram_answered(const struct datagram_origin *origin);
/* Send; what the socket does not take is lost, as datagrams may be. */
void datagram_send(const struct datagram_origin *origin, const struct iovec *pieces, int count);

#endif
