/*
 * A connection's life: made by a listener or a dial, read by one thread at a time, finished once,
 * freed with the last reference.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"

static void reader_ready(struct source *source);
static void writer_ready(struct source *source);

/* ---- the loop's list ----------------------------------------------------------------------- */

static int loop_link(struct rpc_loop *loop, struct rpc_connection *connection)
{
    AUTO_LOCK(&loop->lock);
    if (loop->connection_count >= CONNECTIONS_MAX) {
        return -E_OVERLOADED;
    }
    loop->connection_count++;
    loop->past.connections_made++;
    connection->next = loop->connections;
    if (connection->next) {
        connection->next->previous = connection;
    }
    loop->connections = connection;
    return 0;
}

static void statistics_add(struct rpc_statistics *sum, struct rpc_connection *connection)
{
    AUTO_LOCK(&connection->lock);
    sum->messages_in += atomic_load_explicit(&connection->messages_in, memory_order_relaxed);
    sum->bytes_in += atomic_load_explicit(&connection->bytes_in, memory_order_relaxed);
    sum->messages_out += connection->messages_out;
    sum->bytes_out += connection->bytes_out;
}

static void loop_unlink(struct rpc_loop *loop, struct rpc_connection *connection)
{
    AUTO_LOCK(&loop->lock);
    loop->connection_count--;
    statistics_add(&loop->past, connection);
    if (connection->next) {
        connection->next->previous = connection->previous;
    }
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        loop->connections = connection->next;
    }
}

void rpc_loop_statistics(struct rpc_loop *loop, struct rpc_statistics *out_statistics)
{
    AUTO_LOCK(&loop->lock);
    struct rpc_statistics sum = loop->past;
    for (struct rpc_connection *each = loop->connections; each; each = each->next) {
        statistics_add(&sum, each);
    }
    sum.messages_in += loop->datagrams.messages_in;
    sum.messages_out += loop->datagrams.messages_out;
    sum.bytes_in += loop->datagrams.bytes_in;
    sum.bytes_out += loop->datagrams.bytes_out;
    sum.connections = loop->connection_count;
    *out_statistics = sum;
}

/* ---- life ---------------------------------------------------------------------------------- */

int connection_new(struct rpc_loop *loop, int fd, enum connection_state state,
                   const struct rpc_service *service, struct rpc_connection **out_connection)
{
    AUTO_CLOSE int owned = fd;
    AUTO_FREE struct rpc_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        return -ENOMEM;
    }
    connection->reader.ready = reader_ready;
    connection->writer.ready = writer_ready;
    connection->loop = loop;
    connection->service = service;
    connection->fd = fd;
    connection->writer_fd = -1;
    connection->state = state;
    connection->descriptor_users = 1;
    atomic_init(&connection->references, 1);
    pthread_mutex_init(&connection->lock, NULL);
    /* Servers that remember replies by xid must not take a new connection's for an old one's. */
    (void)!getrandom(&connection->pending.next_xid, sizeof connection->pending.next_xid,
                     GRND_NONBLOCK);
    int result = loop_link(loop, connection);
    if (result < 0) {
        pthread_mutex_destroy(&connection->lock);
        return result;
    }
    (void)TAKE_FD(owned);
    *out_connection = TAKE(connection);
    return 0;
}

struct rpc_connection *rpc_connection_get(struct rpc_connection *connection)
{
    atomic_fetch_add_explicit(&connection->references, 1, memory_order_relaxed);
    return connection;
}

void rpc_connection_put(struct rpc_connection *connection)
{
    if (!connection) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&connection->references, 1, memory_order_acq_rel);
    INVARIANT(before > 0);
    if (before > 1) {
        return;
    }
    INVARIANT(connection->descriptor_users == 0);
    receiver_release(&connection->receiver);
    send_queue_release(&connection->queue);
    pending_table_release(&connection->pending);
    pthread_mutex_destroy(&connection->lock);
    free(connection);
}

void connection_start(struct rpc_connection *connection, uint32_t events)
{
    AUTO_LOCK(&connection->lock);
    int result = loop_add(connection->loop, connection->fd, events, &connection->reader);
    if (result < 0) {
        connection_fail(connection, result);
        loop_kick(connection->loop, &connection->reader);
    }
}

void connection_release_descriptor(struct rpc_connection *connection)
{
    INVARIANT(connection->descriptor_users > 0);
    if (--connection->descriptor_users == 0) {
        scope_close(&connection->fd);
        scope_close(&connection->writer_fd);
    }
}

/* ---- its end ------------------------------------------------------------------------------- */

void connection_fail(struct rpc_connection *connection, int error)
{
    PRE(error < 0);
    if (connection_is_failed(connection)) {
        return;
    }
    atomic_store_explicit(&connection->error, error, memory_order_release);
    if (connection->descriptor_users > 0) {
        /* Makes the armed sources ready. A socket that is not connected is so already. */
        (void)shutdown(connection->fd, SHUT_RDWR);
    }
    if (connection->paused) {
        connection->paused = false;
        loop_kick(connection->loop, &connection->reader);
    }
}

void rpc_connection_close(struct rpc_connection *connection)
{
    AUTO_LOCK(&connection->lock);
    connection_fail(connection, -E_CONNECTION_LOST);
}

/* The last step, by whoever ends the last callback. */
static void connection_closed(struct rpc_connection *connection)
{
    const struct rpc_service *service = connection->service;
    if (service->closed) {
        service->closed(connection, service->context);
    }
    loop_unlink(connection->loop, connection);
    rpc_connection_put(connection);
}

/* By the reader's thread, once, after the connection failed. */
static void connection_finish(struct rpc_connection *connection)
{
    pthread_mutex_lock(&connection->lock);
    INVARIANT(connection->state != CONNECTION_CLOSED);
    connection->state = CONNECTION_CLOSED;
    connection_release_descriptor(connection);
    pthread_mutex_unlock(&connection->lock);
    client_abandon(connection);
    pthread_mutex_lock(&connection->lock);
    connection->finished = true;
    bool is_last = connection->callbacks_running == 0;
    pthread_mutex_unlock(&connection->lock);
    if (is_last) {
        connection_closed(connection);
    }
}

void connection_callback_begin(struct rpc_connection *connection)
{
    connection->callbacks_running++;
    rpc_connection_get(connection);
}

void connection_callback_end(struct rpc_connection *connection)
{
    pthread_mutex_lock(&connection->lock);
    bool is_last = --connection->callbacks_running == 0 && connection->finished;
    pthread_mutex_unlock(&connection->lock);
    if (is_last) {
        connection_closed(connection);
    }
    rpc_connection_put(connection);
}

void connections_close_all(struct rpc_loop *loop)
{
    for (;;) {
        pthread_mutex_lock(&loop->lock);
        struct rpc_connection *connection = loop->connections;
        pthread_mutex_unlock(&loop->lock);
        if (!connection) {
            return;
        }
        pthread_mutex_lock(&connection->lock);
        connection_fail(connection, -E_CONNECTION_LOST);
        bool writer_was_armed = connection->blocked;
        if (writer_was_armed) {
            connection->blocked = false;
            connection_release_descriptor(connection);
        }
        pthread_mutex_unlock(&connection->lock);
        if (writer_was_armed) {
            rpc_connection_put(connection);
        }
        connection_finish(connection);
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

bool connection_may_answer_more(const struct rpc_connection *connection)
{
    return atomic_load_explicit(&connection->unanswered, memory_order_relaxed) <
               CALLS_PER_CONNECTION_MAX &&
           atomic_load_explicit(&connection->queue.size, memory_order_relaxed) <= SEND_QUEUE_MAX;
}

void connection_resume(struct rpc_connection *connection)
{
    if (connection->paused && connection_may_answer_more(connection)) {
        connection->paused = false;
        loop_kick(connection->loop, &connection->reader);
    }
}

/* Wait for more to read, or for leave to read. False: there is something to do at once. */
static bool connection_rest(struct rpc_connection *connection)
{
    AUTO_LOCK(&connection->lock);
    if (connection_is_failed(connection)) {
        return false;
    }
    if (!connection_may_answer_more(connection)) {
        connection->paused = true;
        return true;
    }
    if (connection->receiver.held) {
        return false;
    }
    int result = loop_arm(connection->loop, connection->fd, EPOLLIN, &connection->reader);
    if (result < 0) {
        connection_fail(connection, result);
    }
    return result == 0;
}

static void connection_come_up(struct rpc_connection *connection)
{
    const struct rpc_service *service = connection->service;
    int error = 0;
    socklen_t size = sizeof error;
    (void)getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size); /* of a socket we hold */
    pthread_mutex_lock(&connection->lock);
    if (error) {
        connection_fail(connection, -error);
    }
    bool is_up = !connection_is_failed(connection);
    if (is_up) {
        connection->state = CONNECTION_UP;
        connection_flush(connection);
    }
    pthread_mutex_unlock(&connection->lock);
    if (is_up && service->opened) {
        service->opened(connection, service->context);
    }
}

static void reader_ready(struct source *source)
{
    struct rpc_connection *connection = CONTAINER_OF(source, struct rpc_connection, reader);
    pthread_mutex_lock(&connection->lock);
    bool is_dialling = connection->state == CONNECTION_DIALLING;
    pthread_mutex_unlock(&connection->lock);
    if (is_dialling) {
        connection_come_up(connection);
    }
    do {
        int result = connection_is_failed(connection) ? 0 : connection_receive(connection);
        if (result < 0) {
            pthread_mutex_lock(&connection->lock);
            connection_fail(connection, result);
            pthread_mutex_unlock(&connection->lock);
        }
        if (connection_is_failed(connection)) {
            connection_finish(connection);
            return;
        }
    } while (!connection_rest(connection));
}

static void writer_ready(struct source *source)
{
    struct rpc_connection *connection = CONTAINER_OF(source, struct rpc_connection, writer);
    pthread_mutex_lock(&connection->lock);
    connection->blocked = false;
    connection_flush(connection);
    connection_resume(connection);
    connection_release_descriptor(connection);
    pthread_mutex_unlock(&connection->lock);
    rpc_connection_put(connection);
}

/* ---- what users ask ------------------------------------------------------------------------ */

void rpc_connection_set_user(struct rpc_connection *connection, void *user)
{
    atomic_store_explicit(&connection->user, user, memory_order_release);
}

void *rpc_connection_user(const struct rpc_connection *connection)
{
    return atomic_load_explicit(&connection->user, memory_order_acquire);
}

int rpc_connection_error(const struct rpc_connection *connection)
{
    return atomic_load_explicit(&connection->error, memory_order_acquire);
}

const char *rpc_connection_name(const struct rpc_connection *connection)
{
    return connection->name;
}
