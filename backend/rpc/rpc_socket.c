/*
 * Sockets: made, bound and tuned.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include "backend/base/scope.h"
#include "backend/proto/limits.h"

static void socket_set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value); /* see the header */
}

void socket_tune(int fd, int family)
{
    if (family == AF_UNIX) {
        return;
    }
    socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    socket_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_SILENCE_MS_MAX);
    socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    /* A probe after half the time, then two more until it is over. */
    socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, PEER_SILENCE_MS_MAX / 2000);
    socket_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, PEER_SILENCE_MS_MAX / 6000);
    socket_set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

int socket_bind(const char *host, uint16_t port, int type, struct address *out_address, int *out_fd)
{
    struct address address;
    if (address_resolve(host, port, &address) < 0) {
        return -EINVAL;
    }
    AUTO_CLOSE int fd = socket(address.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    if (type == SOCK_STREAM) {
        /* A restarted daemon takes its port at once; two listeners still exclude each other. */
        socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (address.any.sa_family == AF_INET6) {
        /* "::" and "0.0.0.0" are two listeners, as the administrator wrote them. */
        socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (bind(fd, &address.any, address.size) < 0 ||
        getsockname(fd, &address.any, &address.size) < 0) {
        return -errno;
    }
    *out_address = address;
    *out_fd = TAKE_FD(fd);
    return 0;
}
