/*
 * Dialling: connect runs in the background; the reader's source waits for its end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <sys/epoll.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "backend/rpc/rpc_connection.h"
#include "backend/rpc/rpc_socket.h"

static int dial(struct rpc_loop *loop, const struct address *address,
                const struct rpc_service *service, struct rpc_connection **out_connection)
{
    int family = address->any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    socket_tune(fd, family);
    struct rpc_connection *connection;
    int result = connection_new(loop, fd, CONNECTION_DIALLING, service, &connection);
    if (result < 0) {
        return result;
    }
    connection->peer = *address;
    address_name(address, connection->name);
    *out_connection = rpc_connection_get(connection);
    {
        AUTO_LOCK(&connection->lock);
        connection->dial_deadline_ns =
            clock_monotonic_ns(clock_real()) + CONNECT_MS_MAX * NS_PER_MS;
        /* Already failed: the loop is stopping, and fd is closed. */
        if (!connection_is_failed(connection) && connect(fd, &address->any, address->size) < 0 &&
            errno != EINPROGRESS) {
            /* The socket is hung up, so its source is ready at once and closed runs. */
            connection_fail(connection, -errno);
        }
    }
    loop_deadline(loop, connection->dial_deadline_ns);
    connection_start(connection, EPOLLOUT);
    return 0;
}

int rpc_dial_tcp(struct rpc_loop *loop, const char *host, uint16_t port,
                 const struct rpc_service *service, struct rpc_connection **out_connection)
{
    struct address address;
    int result = address_resolve(host, port, &address);
    return result < 0 ? result : dial(loop, &address, service, out_connection);
}

int rpc_dial_unix(struct rpc_loop *loop, const char *path, const struct rpc_service *service,
                  struct rpc_connection **out_connection)
{
    struct address address;
    int result = address_of_path(path, &address);
    return result < 0 ? result : dial(loop, &address, service, out_connection);
}
