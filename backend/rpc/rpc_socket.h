/*
 * Sockets: made, bound and tuned.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_SOCKET_H
#define TRIVET_RPC_RPC_SOCKET_H

#include "backend/rpc/rpc_address.h"

/* No delay, keepalive and a bound on unacknowledged bytes, for TCP. Failures only cost comfort. */
void socket_tune(int fd, int family);

/* A bound socket of type; *out_address is what it got. Fails: -EINVAL (host), -errno. */
int socket_bind(const char *host, uint16_t port, int type, struct address *out_address,
                int *out_fd);

#endif
