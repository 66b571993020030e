/*
 * Calling: a call is entered under its xid, sent, and taken out by whoever ends it: the reply, the
 * clock, or the end of the connection. Taking out decides, so a callback runs exactly once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_client.h"

#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "backend/rpc/rpc_connection.h"
#include "backend/rpc/rpc_message.h"

#define BUCKETS_FIRST 64

struct pending {
    struct pending *chain;
    struct pending *older;
    struct pending *newer;
    struct rpc_connection *connection; /* while it waits for its turn among the expired */
    uint64_t deadline_ns;              /* UINT64_MAX: none */
    uint32_t xid;
    rpc_callback *callback;
    void *context;
};

/* A reply and the buffer it lies in, for rpc_reply_keep. */
struct received_reply {
    struct rpc_reply reply;
    struct buffer *buffer;
};

static void pending_end(struct pending *pending, int status, struct buffer *buffer,
                        struct slice body)
{
    struct received_reply received = {.reply = {.status = status, .body = body}, .buffer = buffer};
    pending->callback(&received.reply, pending->context);
    free(pending);
}

/* ---- the table ----------------------------------------------------------------------------- */

static struct pending **table_bucket(const struct pending_table *table, uint32_t xid)
{
    return &table->buckets[xid & (table->bucket_count - 1)];
}

static bool table_grow(struct pending_table *table)
{
    uint32_t count = table->bucket_count ? table->bucket_count * 2 : BUCKETS_FIRST;
    struct pending **buckets = calloc(count, sizeof(struct pending *));
    if (!buckets) {
        return table->bucket_count > 0; /* longer chains do as well */
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
    for (struct pending *each = table->oldest; each; each = each->newer) {
        struct pending **bucket = table_bucket(table, each->xid);
        each->chain = *bucket;
        *bucket = each;
    }
    return true;
}

static struct pending **table_find(const struct pending_table *table, uint32_t xid)
{
    struct pending **place = table->bucket_count > 0 ? table_bucket(table, xid) : NULL;
    while (place && *place && (*place)->xid != xid) {
        place = &(*place)->chain;
    }
    return place && *place ? place : NULL;
}

/* Enter pending under a new xid. */
static bool table_enter(struct pending_table *table, struct pending *pending)
{
    if (table->count >= table->bucket_count && !table_grow(table)) {
        return false;
    }
    do {
        pending->xid = table->next_xid++;
    } while (table_find(table, pending->xid));
    struct pending **bucket = table_bucket(table, pending->xid);
    pending->chain = *bucket;
    *bucket = pending;
    pending->newer = NULL;
    pending->older = table->newest;
    if (table->newest) {
        table->newest->newer = pending;
    } else {
        table->oldest = pending;
    }
    table->newest = pending;
    table->count++;
    return true;
}

static struct pending *table_take(struct pending_table *table, uint32_t xid)
{
    struct pending **place = table_find(table, xid);
    if (!place) {
        return NULL;
    }
    struct pending *pending = *place;
    *place = pending->chain;
    if (pending->older) {
        pending->older->newer = pending->newer;
    } else {
        table->oldest = pending->newer;
    }
    if (pending->newer) {
        pending->newer->older = pending->older;
    } else {
        table->newest = pending->older;
    }
    table->count--;
    return pending;
}

void pending_table_release(struct pending_table *table)
{
    INVARIANT(table->count == 0);
    free(table->buckets);
    table->buckets = NULL;
}

/* ---- calls --------------------------------------------------------------------------------- */

/* Enter and send, under the connection's lock, so that xids leave in order. */
static int call_submit(struct rpc_connection *connection, struct pending *pending,
                       struct draft *draft)
{
    AUTO_LOCK(&connection->lock);
    if (connection_is_failed(connection)) {
        return -E_CONNECTION_LOST;
    }
    size_t queued = atomic_load_explicit(&connection->queue.size, memory_order_relaxed);
    if (queued + draft->size > SEND_QUEUE_MAX || connection->pending.count >= CALLS_PENDING_MAX ||
        !table_enter(&connection->pending, pending)) {
        return -E_OVERLOADED;
    }
    be32_store(draft->head + DRAFT_XID_AT, pending->xid);
    connection_submit(connection, draft->pieces, draft->count);
    return 0;
}

static int call_start(struct rpc_connection *connection, const struct rpc_call_request *request,
                      struct draft *draft)
{
    int result = draft_encode(draft, &connection->loop->buffers, request->encode,
                              request->arguments, request->bulk);
    if (result < 0) {
        return result;
    }
    draft_finish(draft);
    struct pending *pending = malloc(sizeof *pending);
    if (!pending) {
        return -E_OVERLOADED;
    }
    uint64_t deadline_ns = UINT64_MAX;
    if (request->timeout_ms > 0) {
        deadline_ns = clock_monotonic_ns(clock_real()) + request->timeout_ms * NS_PER_MS;
    }
    *pending = (struct pending){
        .deadline_ns = deadline_ns,
        .callback = request->callback,
        .context = request->context,
    };
    result = call_submit(connection, pending, draft);
    if (result < 0) {
        free(pending);
        return result;
    }
    loop_deadline(connection->loop, deadline_ns);
    return 0;
}

int rpc_call_start(struct rpc_connection *connection, const struct rpc_call_request *request)
{
    struct draft draft =
        draft_call(request->program, request->version, request->procedure, request->credentials);
    /* The callback may run on another thread before the send has returned here, and give back the
     * reference that the caller counts on. */
    rpc_connection_get(connection);
    int result = call_start(connection, request, &draft);
    draft_release(&draft);
    rpc_connection_put(connection);
    if (result == -E_CONNECTION_LOST) {
        struct received_reply lost = {.reply = {.status = -E_CONNECTION_LOST}};
        request->callback(&lost.reply, request->context);
        return 0;
    }
    return result;
}

int client_reply(struct rpc_connection *connection, struct buffer *buffer, struct slice message)
{
    uint32_t xid;
    int status;
    struct slice body;
    int result = reply_head_parse(message, &xid, &status, &body);
    if (result < 0) {
        return result;
    }
    pthread_mutex_lock(&connection->lock);
    struct pending *pending = table_take(&connection->pending, xid);
    pthread_mutex_unlock(&connection->lock);
    if (pending) { /* else its time was over */
        pending_end(pending, status, buffer, status ? slice_of(NULL, 0) : body);
    }
    return 0;
}

void client_abandon(struct rpc_connection *connection)
{
    for (;;) {
        pthread_mutex_lock(&connection->lock);
        struct pending *oldest = connection->pending.oldest;
        struct pending *pending = oldest ? table_take(&connection->pending, oldest->xid) : NULL;
        pthread_mutex_unlock(&connection->lock);
        if (!pending) {
            return;
        }
        pending_end(pending, -E_CONNECTION_LOST, NULL, slice_of(NULL, 0));
    }
}

/* ---- time ---------------------------------------------------------------------------------- */

/* Move expired calls of one connection to the chain; returns the next deadline. */
static uint64_t connection_expire(struct rpc_connection *connection, uint64_t now_ns,
                                  struct pending ***chain_end)
{
    AUTO_LOCK(&connection->lock);
    uint64_t next_ns = UINT64_MAX;
    if (connection->state == CONNECTION_DIALLING) {
        next_ns = connection->dial_deadline_ns;
        if (next_ns <= now_ns) {
            next_ns = UINT64_MAX;
            connection_fail(connection, -ETIMEDOUT);
        }
    }
    struct pending *newer;
    for (struct pending *each = connection->pending.oldest; each; each = newer) {
        newer = each->newer;
        if (each->deadline_ns > now_ns) {
            next_ns = each->deadline_ns < next_ns ? each->deadline_ns : next_ns;
            continue;
        }
        (void)table_take(&connection->pending, each->xid);
        connection_callback_begin(connection);
        each->connection = connection;
        each->chain = NULL;
        **chain_end = each;
        *chain_end = &each->chain;
    }
    return next_ns;
}

void rpc_timeouts_run(struct rpc_loop *loop)
{
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    uint64_t next_ns = UINT64_MAX;
    struct pending *expired = NULL;
    struct pending **chain_end = &expired;
    pthread_mutex_lock(&loop->lock);
    for (struct rpc_connection *each = loop->connections; each; each = each->next) {
        uint64_t deadline_ns = connection_expire(each, now_ns, &chain_end);
        next_ns = deadline_ns < next_ns ? deadline_ns : next_ns;
    }
    pthread_mutex_unlock(&loop->lock);
    while (expired) {
        struct pending *pending = expired;
        expired = pending->chain;
        struct rpc_connection *connection = pending->connection;
        pending_end(pending, -ETIMEDOUT, NULL, slice_of(NULL, 0));
        connection_callback_end(connection);
    }
    loop_deadline(loop, next_ns);
}

/* ---- replies ------------------------------------------------------------------------------- */

void *rpc_reply_keep(struct rpc_reply *reply)
{
    struct received_reply *received = CONTAINER_OF(reply, struct received_reply, reply);
    return received->buffer ? buffer_get(received->buffer) : NULL;
}

void rpc_reply_release(void *kept)
{
    buffer_put(kept);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    int status;
    xdrproc_t decode;
    void *out_result;
};

static void waiter_callback(struct rpc_reply *reply, void *context)
{
    struct waiter *waiter = context;
    AUTO_LOCK(&waiter->lock);
    waiter->status = reply->status;
    if (reply->status == 0) {
        waiter->status = rpc_reply_decode(reply, waiter->decode, waiter->out_result, NULL);
    }
    waiter->is_done = true;
    pthread_cond_signal(&waiter->done);
}

int rpc_call_wait(struct rpc_connection *connection, const struct rpc_call_request *request,
                  xdrproc_t decode, void *out_result)
{
    struct waiter waiter = {
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .done = PTHREAD_COND_INITIALIZER,
        .decode = decode,
        .out_result = out_result,
    };
    struct rpc_call_request waited = *request;
    waited.callback = waiter_callback;
    waited.context = &waiter;
    int result = rpc_call_start(connection, &waited);
    if (result == 0) {
        pthread_mutex_lock(&waiter.lock);
        while (!waiter.is_done) {
            pthread_cond_wait(&waiter.done, &waiter.lock);
        }
        pthread_mutex_unlock(&waiter.lock);
        result = waiter.status;
    }
    pthread_cond_destroy(&waiter.done);
    pthread_mutex_destroy(&waiter.lock);
    return result;
}
