/*
 * Calls by datagram: the portmapper's and mount protocol's small calls. An answer leaves by the
 * address its call came to, also when the socket is bound to all of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_udp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "backend/rpc/rpc_loop.h"
#include "backend/rpc/rpc_message.h"
#include "backend/rpc/rpc_server.h"
#include "backend/rpc/rpc_socket.h"

/* Datagrams handled in one go before other work gets its turn. */
#define DATAGRAM_TURNS 16

struct datagram_socket {
    struct fixture fixture;
    const struct rpc_service *service;
    atomic_uint unanswered;
};

static void datagram_count(struct rpc_loop *loop, ssize_t received, ssize_t sent)
{
    AUTO_LOCK(&loop->lock);
    loop->datagrams.messages_in += received > 0;
    loop->datagrams.bytes_in += received > 0 ? (uint64_t)received : 0;
    loop->datagrams.messages_out += sent > 0;
    loop->datagrams.bytes_out += sent > 0 ? (uint64_t)sent : 0;
}

int datagram_admit(const struct datagram_origin *origin)
{
    struct datagram_socket *socket = origin->socket;
    unsigned before = atomic_fetch_add_explicit(&socket->unanswered, 1, memory_order_relaxed);
    if (before < CALLS_PER_CONNECTION_MAX) {
        return 1;
    }
    datagram_answered(origin);
    return 0;
}

void datagram_answered(const struct datagram_origin *origin)
{
    atomic_fetch_sub_explicit(&origin->socket->unanswered, 1, memory_order_relaxed);
}

void datagram_send(const struct datagram_origin *origin, const struct iovec *pieces, int count)
{
    struct iovec iov[MESSAGE_PIECES_MAX];
    memcpy(iov, pieces, (size_t)count * sizeof *iov);
    /* Datagrams have no record mark. */
    iov[0].iov_base = (uint8_t *)iov[0].iov_base + RECORD_MARK_SIZE;
    iov[0].iov_len -= RECORD_MARK_SIZE;
    struct datagram_origin to = *origin;
    struct msghdr header = {
        .msg_name = &to.peer.any,
        .msg_namelen = to.peer.size,
        .msg_iov = iov,
        .msg_iovlen = (size_t)count,
        .msg_control = to.control_size > 0 ? to.control : NULL,
        .msg_controllen = to.control_size,
    };
    struct fixture *fixture = &origin->socket->fixture;
    ssize_t sent = sendmsg(fixture->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    datagram_count(fixture->loop, 0, sent);
}

/* Receive and handle one datagram. False: there is none. */
static bool datagram_take(struct datagram_socket *socket, struct buffer *buffer)
{
    struct datagram_origin origin = {.socket = socket};
    struct iovec iov = {buffer->data, buffer->capacity};
    struct msghdr header = {
        .msg_name = &origin.peer.un,
        .msg_namelen = sizeof origin.peer.un,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = origin.control,
        .msg_controllen = sizeof origin.control,
    };
    ssize_t size = recvmsg(socket->fixture.fd, &header, MSG_DONTWAIT);
    if (size < 0) {
        return errno == EINTR || errno == ECONNREFUSED; /* of an earlier answer */
    }
    origin.peer.size = header.msg_namelen;
    origin.control_size = header.msg_flags & MSG_CTRUNC ? 0 : header.msg_controllen;
    datagram_count(socket->fixture.loop, size, 0);
    if (!(header.msg_flags & MSG_TRUNC)) {
        server_datagram(socket->fixture.loop, socket->service, &origin, buffer,
                        slice_of(buffer->data, (size_t)size));
    }
    return true;
}

static void datagram_ready(struct source *source)
{
    struct datagram_socket *socket = CONTAINER_OF(source, struct datagram_socket, fixture.source);
    struct buffer *buffer = loop_spare_take();
    for (int turn = 0; turn < DATAGRAM_TURNS; turn++) {
        if (buffer && !buffer_is_sole(buffer)) { /* a call waits for its answer in it */
            buffer_put(buffer);
            buffer = NULL;
        }
        if (!buffer) {
            buffer = buffer_new(&socket->fixture.loop->buffers, BUFFER_SIZE_SMALL);
        }
        if (!buffer || !datagram_take(socket, buffer)) {
            break;
        }
    }
    if (buffer && buffer_is_sole(buffer)) {
        loop_spare_give(buffer);
    } else {
        buffer_put(buffer);
    }
    loop_arm_fixture(&socket->fixture);
}

static void datagram_release(struct fixture *fixture)
{
    free(CONTAINER_OF(fixture, struct datagram_socket, fixture));
}

int rpc_listen_udp(struct rpc_loop *loop, const char *host, uint16_t port,
                   const struct rpc_service *service, uint16_t *out_port)
{
    struct address address;
    int bound;
    int result = socket_bind(host, port, SOCK_DGRAM, &address, &bound);
    if (result < 0) {
        return result;
    }
    AUTO_CLOSE int fd = bound;
    int on = 1;
    bool is_v4 = address.any.sa_family == AF_INET;
    if (setsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_PKTINFO : IPV6_RECVPKTINFO,
                   &on, sizeof on) < 0) {
        return -errno;
    }
    struct datagram_socket *socket = calloc(1, sizeof *socket);
    if (!socket) {
        return -ENOMEM;
    }
    *socket = (struct datagram_socket){
        .fixture =
            {
                .source = {.ready = datagram_ready},
                .fd = TAKE_FD(fd),
                .owns_fd = true,
                .release = datagram_release,
            },
        .service = service,
    };
    result = loop_add_fixture(loop, &socket->fixture);
    if (result == 0 && out_port) {
        *out_port = address_port(&address);
    }
    return result;
}
