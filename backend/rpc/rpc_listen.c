/*
 * Listening on TCP and Unix sockets: each accepted connection is opened before its first byte is
 * read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include "backend/base/scope.h"
#include "backend/rpc/rpc_connection.h"
#include "backend/rpc/rpc_socket.h"

#define BACKLOG 512
/* Connections accepted in one go before other work gets its turn. */
#define ACCEPT_TURNS 16

struct listener {
    struct fixture fixture;
    const struct rpc_service *service;
    struct address address; /* of a Unix socket: its file, which is removed in the end */
};

/* ---- accepting ----------------------------------------------------------------------------- */

static void listener_welcome(struct listener *listener, int fd, const struct address *peer)
{
    struct rpc_connection *connection;
    const struct rpc_service *service = listener->service;
    socket_tune(fd, peer->any.sa_family);
    if (connection_new(listener->fixture.loop, fd, CONNECTION_UP, service, &connection) < 0) {
        return; /* fd is closed: the peer sees that there is no place for it */
    }
    connection->peer = *peer;
    bool is_unix = listener->address.any.sa_family == AF_UNIX;
    address_name(is_unix ? &listener->address : peer, connection->name);
    if (service->opened) {
        service->opened(connection, service->context);
    }
    connection_start(connection, EPOLLIN);
}

/* Out of descriptors: without this the listener would stay ready and spin. */
static void listener_refuse(struct listener *listener)
{
    struct rpc_loop *loop = listener->fixture.loop;
    AUTO_LOCK(&loop->timer_lock);
    scope_close(&loop->reserve_fd);
    int fd = accept4(listener->fixture.fd, NULL, NULL, SOCK_CLOEXEC);
    scope_close(&fd);
    loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool listener_accept(struct listener *listener)
{
    struct address peer = {.size = sizeof peer.un};
    int fd = accept4(listener->fixture.fd, &peer.any, &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        listener_welcome(listener, fd, &peer);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE) {
        listener_refuse(listener);
    }
    return errno == ECONNABORTED || errno == EINTR;
}

static void listener_ready(struct source *source)
{
    struct listener *listener = CONTAINER_OF(source, struct listener, fixture.source);
    int turns = 0;
    while (turns < ACCEPT_TURNS && listener_accept(listener)) {
        turns++;
    }
    loop_arm_fixture(&listener->fixture);
}

static void listener_stop(struct fixture *fixture)
{
    struct listener *listener = CONTAINER_OF(fixture, struct listener, fixture);
    if (fixture->fd < 0) {
        return;
    }
    if (listener->address.any.sa_family == AF_UNIX) {
        /* While it still listens, so that the file cannot be a successor's. */
        (void)unlink(listener->address.un.sun_path);
    }
    scope_close(&fixture->fd);
    fixture->fd = -1;
}

static void listener_release(struct fixture *fixture)
{
    free(CONTAINER_OF(fixture, struct listener, fixture));
}

static int listener_add(struct rpc_loop *loop, int fd, const struct address *address,
                        const struct rpc_service *service)
{
    AUTO_CLOSE int owned = fd;
    if (listen(fd, BACKLOG) < 0) {
        return -errno;
    }
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        return -ENOMEM;
    }
    *listener = (struct listener){
        .fixture =
            {
                .source = {.ready = listener_ready},
                .fd = TAKE_FD(owned),
                .owns_fd = true,
                .stop = listener_stop,
                .release = listener_release,
            },
        .service = service,
        .address = *address,
    };
    return loop_add_fixture(loop, &listener->fixture);
}

/* ---- TCP ----------------------------------------------------------------------------------- */

int rpc_listen_tcp(struct rpc_loop *loop, const char *host, uint16_t port,
                   const struct rpc_service *service, uint16_t *out_port)
{
    struct address address;
    int fd;
    int result = socket_bind(host, port, SOCK_STREAM, &address, &fd);
    if (result < 0) {
        return result;
    }
    result = listener_add(loop, fd, &address, service);
    if (result == 0 && out_port) {
        *out_port = address_port(&address);
    }
    return result;
}

/* ---- Unix sockets -------------------------------------------------------------------------- */

/* Whether nobody listens on an existing socket file. */
static bool path_is_stale(const struct address *address)
{
    struct stat status;
    if (lstat(address->un.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode)) {
        return false;
    }
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && connect(fd, &address->any, address->size) < 0 && errno == ECONNREFUSED;
}

static int path_bind(int fd, const struct address *address)
{
    if (bind(fd, &address->any, address->size) == 0) {
        return 0;
    }
    if (errno != EADDRINUSE) {
        return -errno;
    }
    if (!path_is_stale(address) || unlink(address->un.sun_path) < 0) {
        return -EADDRINUSE;
    }
    return bind(fd, &address->any, address->size) < 0 ? -errno : 0;
}

int rpc_listen_unix(struct rpc_loop *loop, const char *path, mode_t mode,
                    const struct rpc_service *service)
{
    struct address address;
    int result = address_of_path(path, &address);
    if (result < 0) {
        return result;
    }
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    result = path_bind(fd, &address);
    if (result < 0) {
        return result;
    }
    /* Nobody can connect before listen, so nobody passes before the permissions are set. */
    if (chmod(path, mode) < 0) {
        result = -errno;
        (void)unlink(path);
        return result;
    }
    return listener_add(loop, TAKE_FD(fd), &address, service);
}
