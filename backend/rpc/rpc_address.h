/*
 * Socket addresses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_ADDRESS_H
#define TRIVET_RPC_RPC_ADDRESS_H

#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Enough for "[IPv6%scope]:port" and for any socket path. */
#define ADDRESS_NAME_SIZE 128

struct address {
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
};

/*
 * A literal address is taken as it is; a name is looked up, which may wait for a name server.
 *
 * Fails: -EINVAL (cannot be resolved).
 */
int address_resolve(const char *host, uint16_t port, struct address *out_address);
/* Fails: -ENAMETOOLONG. */
int address_of_path(const char *path, struct address *out_address);
/* "127.0.0.1:49152", "[::1]:49152", a path, or "". */
void address_name(const struct address *address, char out_name[ADDRESS_NAME_SIZE]);
uint16_t address_port(const struct address *address);

#endif
