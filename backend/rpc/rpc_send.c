/*
 * Sending: at most one thread is in sendmsg on a connection; what others submit meanwhile is queued
 * and goes out with that thread's next sendmsg. A message that finds an idle socket is sent from
 * where it lies; only what the socket does not take is copied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_send.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "backend/rpc/rpc_connection.h"

/* Pieces of one sendmsg: queued buffers and one message. */
#define SEND_PIECES 32
/* Messages above this size are never corked: sending them is worth a system call of their own. */
#define CORK_SIZE_MAX ((size_t)8 * 1024)
/* Corked bytes that are sent though the batch goes on. */
#define CORK_QUEUE_MAX ((size_t)32 * 1024)
#define CORK_MESSAGES_MAX 16

static _Thread_local struct rpc_connection *corked;
static _Thread_local unsigned corked_messages;

void connection_cork(struct rpc_connection *connection)
{
    corked = connection;
    corked_messages = 0;
}

static size_t pieces_size(const struct iovec *pieces, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        size += pieces[i].iov_len;
    }
    return size;
}

/* ---- the queue ----------------------------------------------------------------------------- */

static size_t queue_size(const struct send_queue *queue)
{
    return atomic_load_explicit(&queue->size, memory_order_relaxed);
}

static void queue_set_size(struct send_queue *queue, size_t size)
{
    atomic_store_explicit(&queue->size, size, memory_order_relaxed);
}

/* Copy what lies behind skip bytes of pieces into a new buffer. */
static struct buffer *pieces_copy(struct rpc_loop *loop, const struct iovec *pieces, int count,
                                  size_t skip)
{
    struct buffer *buffer = buffer_new(&loop->buffers, pieces_size(pieces, count) - skip);
    if (!buffer) {
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        size_t from = skip < pieces[i].iov_len ? skip : pieces[i].iov_len;
        skip -= from;
        size_t size = pieces[i].iov_len - from;
        if (size > 0) {
            memcpy(buffer->data + buffer->end, (const uint8_t *)pieces[i].iov_base + from, size);
            buffer->end += size;
        }
    }
    return buffer;
}

/* Put buffer behind after, or first if after is NULL. */
static void queue_insert(struct send_queue *queue, struct buffer *after, struct buffer *buffer)
{
    struct buffer **place = after ? &after->next : &queue->first;
    buffer->next = *place;
    *place = buffer;
    if (!buffer->next) {
        queue->last = buffer;
    }
    queue_set_size(queue, queue_size(queue) + buffer->end - buffer->start);
}

static void queue_append(struct rpc_connection *connection, const struct iovec *pieces, int count)
{
    struct send_queue *queue = &connection->queue;
    struct buffer *last = queue->last;
    size_t size = pieces_size(pieces, count);
    if (!last || last->sealed || last->capacity - last->end < size) {
        struct buffer *buffer = pieces_copy(connection->loop, pieces, count, 0);
        if (!buffer) {
            connection_fail(connection, -ENOMEM);
            return;
        }
        queue_insert(queue, last, buffer);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > 0) {
            memcpy(last->data + last->end, pieces[i].iov_base, pieces[i].iov_len);
            last->end += pieces[i].iov_len;
        }
    }
    queue_set_size(queue, queue_size(queue) + size);
}

static void queue_consume(struct send_queue *queue, size_t size)
{
    queue_set_size(queue, queue_size(queue) - size);
    while (queue->first) {
        struct buffer *first = queue->first;
        size_t part = first->end - first->start;
        if (size < part) {
            first->start += size;
            return;
        }
        size -= part;
        queue->first = first->next;
        if (!queue->first) {
            queue->last = NULL;
        }
        buffer_put(first);
        if (size == 0) {
            return;
        }
    }
}

void send_queue_release(struct send_queue *queue)
{
    while (queue->first) {
        struct buffer *first = queue->first;
        queue->first = first->next;
        buffer_put(first);
    }
    queue->last = NULL;
    queue_set_size(queue, 0);
}

/* ---- sending ------------------------------------------------------------------------------- */

/* The socket is full: go on when it is not. */
static void connection_block(struct rpc_connection *connection)
{
    int result;
    if (connection->writer_fd < 0) {
        connection->writer_fd = fcntl(connection->fd, F_DUPFD_CLOEXEC, 0);
        result = connection->writer_fd < 0 ? -errno
                                           : loop_add(connection->loop, connection->writer_fd,
                                                      EPOLLOUT, &connection->writer);
    } else {
        result = loop_arm(connection->loop, connection->writer_fd, EPOLLOUT, &connection->writer);
    }
    if (result < 0) {
        connection_fail(connection, result);
        return;
    }
    connection->blocked = true;
    connection->descriptor_users++;
    rpc_connection_get(connection);
}

/* One sendmsg of queued buffers and, if they all fit in, of pieces behind them. */
struct transmission {
    struct iovec iov[SEND_PIECES];
    int count;
    size_t queued;        /* bytes of the queue in iov */
    struct buffer *after; /* the last of its buffers, or NULL */
    size_t size;
};

static void transmission_fill(struct transmission *transmission, const struct send_queue *queue,
                              const struct iovec *pieces, int count)
{
    *transmission = (struct transmission){.count = 0};
    for (struct buffer *buffer = queue->first; buffer; buffer = buffer->next) {
        if (transmission->count == SEND_PIECES - MESSAGE_PIECES_MAX) {
            break;
        }
        struct iovec *iov = &transmission->iov[transmission->count++];
        *iov = (struct iovec){buffer->data + buffer->start, buffer->end - buffer->start};
        transmission->queued += iov->iov_len;
        transmission->after = buffer;
    }
    transmission->size = transmission->queued;
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > 0) {
            transmission->iov[transmission->count++] = pieces[i];
            transmission->size += pieces[i].iov_len;
        }
    }
}

static ssize_t connection_sendmsg(struct rpc_connection *connection,
                                  struct transmission *transmission)
{
    struct msghdr header = {.msg_iov = transmission->iov,
                            .msg_iovlen = (size_t)transmission->count};
    ssize_t sent;
    do {
        sent = sendmsg(connection->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return sent;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

/* After sent bytes: free what went, keep the rest of pieces in its place in the order. */
static void connection_settle(struct rpc_connection *connection,
                              const struct transmission *transmission, size_t sent,
                              const struct iovec *pieces, int count)
{
    size_t of_queue = sent < transmission->queued ? sent : transmission->queued;
    queue_consume(&connection->queue, of_queue);
    if (count > 0 && sent < transmission->size) {
        struct buffer *rest = pieces_copy(connection->loop, pieces, count, sent - of_queue);
        if (!rest) {
            connection_fail(connection, -ENOMEM);
            return;
        }
        bool queue_went = of_queue == transmission->queued;
        queue_insert(&connection->queue, queue_went ? NULL : transmission->after, rest);
    }
    if (sent < transmission->size) {
        connection_block(connection);
    }
}

static void connection_transmit(struct rpc_connection *connection, const struct iovec *pieces,
                                int count)
{
    connection->sending = true;
    connection->descriptor_users++;
    do {
        struct transmission transmission;
        transmission_fill(&transmission, &connection->queue, pieces, count);
        if (count > 0 && transmission.after) {
            /* Others may queue while the lock is free, but not between the queue and pieces. */
            transmission.after->sealed = 1;
        }
        pthread_mutex_unlock(&connection->lock);
        ssize_t sent = connection_sendmsg(connection, &transmission);
        pthread_mutex_lock(&connection->lock);
        if (sent < 0) {
            connection_fail(connection, (int)sent);
            break;
        }
        connection->bytes_out += (uint64_t)sent;
        connection_settle(connection, &transmission, (size_t)sent, pieces, count);
        count = 0;
    } while (connection->queue.first && !connection->blocked && !connection_is_failed(connection));
    connection->sending = false;
    connection_release_descriptor(connection);
}

static bool connection_holds_back(struct rpc_connection *connection, size_t size)
{
    if (connection->state != CONNECTION_UP || connection->sending || connection->blocked) {
        return true;
    }
    return corked == connection && size <= CORK_SIZE_MAX &&
           queue_size(&connection->queue) < CORK_QUEUE_MAX &&
           ++corked_messages % CORK_MESSAGES_MAX != 0;
}

/* Whether the queue is too long to go out in one sendmsg with a message behind it. */
static bool queue_is_long(const struct send_queue *queue)
{
    int count = 0;
    for (struct buffer *buffer = queue->first; buffer; buffer = buffer->next) {
        if (++count > SEND_PIECES - MESSAGE_PIECES_MAX) {
            return true;
        }
    }
    return false;
}

void connection_submit(struct rpc_connection *connection, const struct iovec *pieces, int count)
{
    PRE(count <= MESSAGE_PIECES_MAX);
    if (connection_is_failed(connection)) {
        return;
    }
    connection->messages_out++;
    bool holds_back = connection_holds_back(connection, pieces_size(pieces, count));
    if (!holds_back && !queue_is_long(&connection->queue)) {
        connection_transmit(connection, pieces, count);
        return;
    }
    queue_append(connection, pieces, count);
    if (!holds_back) {
        connection_flush(connection);
    }
}

void connection_flush(struct rpc_connection *connection)
{
    if (connection->queue.first && connection->state == CONNECTION_UP && !connection->sending &&
        !connection->blocked && !connection_is_failed(connection)) {
        connection_transmit(connection, NULL, 0);
    }
}
