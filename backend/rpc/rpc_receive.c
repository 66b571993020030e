/*
 * Receiving: one recv brings what there is; every complete record in it is handled in place, on
 * this thread, in order. Large records are received straight into a buffer of their own.
 *
 * Input from the network: nothing here is asserted, whatever breaks the rules ends the connection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_receive.h"

#include <assert.h>
#include <errno.h>
#include "backend/base/errors.h"
#include "backend/proto/limits.h"
#include "backend/rpc/rpc_connection.h"
#include "backend/rpc/rpc_message.h"
#include "backend/rpc/rpc_server.h"

/* Asked of the socket at once when no large record is under way. It bounds what of a large record
 * arrives in stream and must be copied, and is room for some hundred small records. */
#define READ_SIZE ((size_t)16 * 1024)
/* Records up to this size are parsed in stream. */
#define STREAM_RECORD_MAX ((size_t)16 * 1024)
/* Turns of reading before other connections get theirs. */
#define TURNS_MAX 32

#define MARK_SIZE ((size_t)4)
#define MARK_LAST UINT32_C(0x80000000)

static_assert(MARK_SIZE + STREAM_RECORD_MAX + READ_SIZE <= BUFFER_SIZE_SMALL,
              "an incomplete small record leaves room to read on");

/* ---- parsing ------------------------------------------------------------------------------- */

/* The fragment at the front of stream. */
struct fragment {
    bool known; /* its mark has arrived */
    bool last;
    size_t size;
    size_t arrived;
};

static struct fragment receiver_fragment(const struct receiver *receiver)
{
    size_t filled = receiver->end - receiver->start;
    if (filled < MARK_SIZE) {
        return (struct fragment){.known = false};
    }
    uint32_t mark = be32_load(receiver->stream->data + receiver->start);
    return (struct fragment){
        .known = true,
        .last = mark & MARK_LAST,
        .size = mark & ~MARK_LAST,
        .arrived = filled - MARK_SIZE,
    };
}

/* Whether a complete record lies in stream. */
static bool receiver_has_record(const struct receiver *receiver)
{
    if (receiver->record) {
        return false;
    }
    struct fragment fragment = receiver_fragment(receiver);
    return fragment.known && fragment.last && fragment.size <= fragment.arrived;
}

/* Move what stream has of the current fragment into record. */
static void receiver_gather(struct receiver *receiver)
{
    size_t filled = receiver->end - receiver->start;
    size_t size = filled < receiver->fragment_left ? filled : receiver->fragment_left;
    if (size > 0) {
        memcpy(receiver->record->data + receiver->record_size,
               receiver->stream->data + receiver->start, size);
    }
    receiver->start += size;
    receiver->record_size += size;
    receiver->fragment_left -= size;
}

/* A record; buffer holds a reference for the taker. */
struct record {
    struct buffer *buffer;
    struct slice bytes;
};

static struct record receiver_take_gathered(struct receiver *receiver)
{
    struct record record = {.buffer = receiver->record,
                            .bytes = slice_of(receiver->record->data, receiver->record_size)};
    receiver->record = NULL;
    return record;
}

static struct record receiver_take_in_place(struct receiver *receiver, size_t size)
{
    const uint8_t *data = receiver->stream->data + receiver->start + MARK_SIZE;
    receiver->start += MARK_SIZE + size;
    return (struct record){.buffer = buffer_get(receiver->stream), .bytes = slice_of(data, size)};
}

static int receiver_begin_fragment(struct receiver *receiver, struct buffer_pool *pool,
                                   struct fragment fragment)
{
    if (!receiver->record) {
        receiver->record = buffer_new(pool, fragment.last ? fragment.size : RECORD_SIZE_MAX);
        receiver->record_size = 0;
        if (!receiver->record) {
            return -ENOMEM;
        }
    }
    receiver->start += MARK_SIZE;
    receiver->fragment_left = fragment.size;
    receiver->fragment_last = fragment.last;
    return 0;
}

/* 1: *out_record is the next record. 0: more bytes are needed. */
static int receiver_next(struct receiver *receiver, struct buffer_pool *pool,
                         struct record *out_record)
{
    for (;;) {
        if (receiver->record) {
            receiver_gather(receiver);
            if (receiver->fragment_left > 0) {
                return 0;
            }
            if (receiver->fragment_last) {
                *out_record = receiver_take_gathered(receiver);
                return 1;
            }
        }
        struct fragment fragment = receiver_fragment(receiver);
        if (!fragment.known) {
            return 0;
        }
        size_t before = receiver->record ? receiver->record_size : 0;
        if (fragment.size > RECORD_SIZE_MAX - before || (fragment.size == 0 && !fragment.last)) {
            return -E_BAD_MESSAGE;
        }
        if (receiver_has_record(receiver)) {
            *out_record = receiver_take_in_place(receiver, fragment.size);
            return 1;
        }
        if (!receiver->record && fragment.last && fragment.size <= STREAM_RECORD_MAX) {
            return 0;
        }
        int result = receiver_begin_fragment(receiver, pool, fragment);
        if (result < 0) {
            return result;
        }
    }
}

/* ---- handling ------------------------------------------------------------------------------ */

static void messages_count(struct rpc_connection *connection)
{
    /* Only this thread writes it, others read it for the statistics. */
    uint64_t count = atomic_load_explicit(&connection->messages_in, memory_order_relaxed);
    atomic_store_explicit(&connection->messages_in, count + 1, memory_order_relaxed);
}

static int record_handle(struct rpc_connection *connection, struct record record)
{
    messages_count(connection);
    if (record.bytes.size < 2 * sizeof(uint32_t)) {
        return -E_BAD_MESSAGE;
    }
    switch (be32_load(record.bytes.data + sizeof(uint32_t))) {
    case CALL:
        return server_call(connection, record.buffer, record.bytes);
    case REPLY:
        return client_reply(connection, record.buffer, record.bytes);
    default:
        return -E_BAD_MESSAGE;
    }
}

/* Handle every complete record. */
static int connection_handle(struct rpc_connection *connection)
{
    struct receiver *receiver = &connection->receiver;
    struct buffer_pool *pool = &connection->loop->buffers;
    int result = 0;
    bool was_corked = false;
    receiver->held = false;
    while (!connection_is_failed(connection)) {
        if (!connection_may_answer_more(connection)) {
            receiver->held = true;
            break;
        }
        struct record record;
        result = receiver_next(receiver, pool, &record);
        if (result <= 0) {
            break;
        }
        /* The last record's answers leave at once, and take along what the others left behind. */
        bool more = receiver_has_record(receiver);
        was_corked = was_corked || more;
        connection_cork(more ? connection : NULL);
        result = record_handle(connection, record);
        buffer_put(record.buffer);
        if (result < 0) {
            break;
        }
    }
    connection_cork(NULL);
    if (was_corked) {
        pthread_mutex_lock(&connection->lock);
        connection_flush(connection);
        pthread_mutex_unlock(&connection->lock);
    }
    return result;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Make room for READ_SIZE more bytes in stream, where a small incomplete record may lie. */
static int receiver_make_room(struct receiver *receiver, struct buffer_pool *pool)
{
    size_t filled = receiver->end - receiver->start;
    if (!receiver->stream) {
        receiver->stream = loop_spare_take();
        if (!receiver->stream) {
            receiver->stream = buffer_new(pool, BUFFER_SIZE_SMALL);
        }
        receiver->start = 0;
        receiver->end = 0;
        return receiver->stream ? 0 : -ENOMEM;
    }
    if (filled == 0 && buffer_is_sole(receiver->stream)) {
        receiver->start = 0;
        receiver->end = 0;
        return 0;
    }
    if (receiver->stream->capacity - receiver->end >= READ_SIZE) {
        return 0;
    }
    struct buffer *fresh = buffer_new(pool, BUFFER_SIZE_SMALL);
    if (!fresh) {
        return -ENOMEM;
    }
    memcpy(fresh->data, receiver->stream->data + receiver->start, filled);
    buffer_put(receiver->stream);
    receiver->stream = fresh;
    receiver->start = 0;
    receiver->end = filled;
    return 0;
}

/* One recv. Returns bytes, sets *out_drained if the socket had no more. */
static ssize_t receiver_read(struct receiver *receiver, int fd, bool *out_drained)
{
    struct iovec iov[2];
    size_t count = 0;
    size_t large = receiver->record ? receiver->fragment_left : 0;
    if (large > 0) {
        iov[count++] = (struct iovec){receiver->record->data + receiver->record_size, large};
    }
    iov[count++] = (struct iovec){receiver->stream->data + receiver->end, READ_SIZE};
    struct msghdr header = {.msg_iov = iov, .msg_iovlen = count};
    ssize_t size;
    do {
        size = count == 1 ? recv(fd, iov[0].iov_base, iov[0].iov_len, MSG_DONTWAIT)
                          : recvmsg(fd, &header, MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        *out_drained = true;
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
    }
    if (size == 0) {
        return -E_CONNECTION_LOST;
    }
    size_t into_record = (size_t)size < large ? (size_t)size : large;
    receiver->record_size += into_record;
    receiver->fragment_left -= into_record;
    receiver->end += (size_t)size - into_record;
    *out_drained = (size_t)size < large + READ_SIZE;
    return size;
}

/* Let go of stream if nothing is in it. */
static void receiver_rest(struct receiver *receiver)
{
    struct buffer *stream = receiver->stream;
    if (!stream || receiver->start < receiver->end) {
        return;
    }
    if (buffer_is_sole(stream)) {
        receiver->stream = NULL;
        receiver->start = 0;
        receiver->end = 0;
        loop_spare_give(stream);
    } else if (stream->capacity - receiver->end < READ_SIZE) {
        receiver->stream = NULL;
        receiver->start = 0;
        receiver->end = 0;
        buffer_put(stream);
    }
}

static void bytes_count(struct rpc_connection *connection, ssize_t size)
{
    uint64_t count = atomic_load_explicit(&connection->bytes_in, memory_order_relaxed);
    atomic_store_explicit(&connection->bytes_in, count + (uint64_t)size, memory_order_relaxed);
}

int connection_receive(struct rpc_connection *connection)
{
    struct receiver *receiver = &connection->receiver;
    bool drained = false;
    int result = 0;
    for (int turn = 0; turn < TURNS_MAX && !drained && result >= 0; turn++) {
        if (receiver->held) {
            result = connection_handle(connection);
        }
        if (result < 0 || receiver->held || connection_is_failed(connection)) {
            break;
        }
        result = receiver_make_room(receiver, &connection->loop->buffers);
        if (result < 0) {
            break;
        }
        ssize_t size = receiver_read(receiver, connection->fd, &drained);
        if (size < 0) {
            result = (int)size;
        } else if (size > 0) {
            bytes_count(connection, size);
            result = connection_handle(connection);
        }
    }
    receiver_rest(receiver);
    return result < 0 ? result : 0;
}

void receiver_release(struct receiver *receiver)
{
    buffer_put(receiver->stream);
    buffer_put(receiver->record);
    *receiver = (struct receiver){.stream = NULL};
}
