/*
 * NULL, HELLO, STATFS, RENEW.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"

void brick_null(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply(call, (xdrproc_t)(void (*)(void))xdr_void, NULL, NULL);
}

/* One connection a session: older ones are fenced, and closed. */
static void session_begin(struct brick *brick, struct brick_client *client)
{
    struct brick_client *other;
    AUTO_LOCK(&brick->sessions_mutex);
    DL_FOREACH (brick->sessions, other) {
        if (other->client == client->client && !atomic_exchange(&other->fenced, true)) {
            rpc_connection_close(other->connection);
        }
    }
    DL_APPEND(brick->sessions, client);
}

static int greet(struct brick *brick, struct rpc_connection *connection,
                 const struct brick_hello *hello)
{
    if (hello->level != PROTOCOL_LEVEL) {
        return -E_BAD_PROTOCOL;
    }
    if (memcmp(hello->volume.bytes, brick->identity.volume.bytes, VOLUME_ID_SIZE) != 0) {
        return -E_WRONG_VOLUME;
    }
    if (rpc_connection_user(connection)) {
        return -EALREADY; /* one session a connection */
    }
    struct brick_client *client = calloc(1, sizeof *client);
    if (!client) {
        return -ENOMEM;
    }
    if (hello->wants_grants) {
        brick_grace_mark(brick);
        client->holder = grants_client_add(brick->grants, hello->client, connection);
        if (!client->holder) {
            free(client);
            return -ENOMEM;
        }
    }
    atomic_init(&client->refs, 1); /* the connection's */
    client->client = hello->client;
    client->connection = connection;
    session_begin(brick, client);
    rpc_connection_set_user(connection, client);
    atomic_fetch_add(&brick->clients, 1);
    log_debug("client %016llx (%s) on %s", (unsigned long long)hello->client, hello->name,
              rpc_connection_name(connection));
    return 0;
}

void brick_serve_hello(struct rpc_call *call, void *context)
{
    struct brick *brick = context;
    struct rpc_connection *connection = rpc_call_connection(call);
    struct brick_hello hello = {0};
    if (!connection || rpc_call_decode(call, (xdrproc_t)xdr_brick_hello, &hello, NULL) < 0) {
        xdr_free((xdrproc_t)xdr_brick_hello, (char *)&hello);
        rpc_call_garbage(call);
        return;
    }
    struct brick_hello_reply reply = {.slots = SESSION_SLOTS};
    reply.status = greet(brick, connection, &hello);
    xdr_free((xdrproc_t)xdr_brick_hello, (char *)&hello);
    pthread_mutex_lock(&brick->driver->mutex);
    reply.view = brick->driver->replica.view;
    pthread_mutex_unlock(&brick->driver->mutex);
    rpc_call_reply(call, (xdrproc_t)xdr_brick_hello_reply, &reply, NULL);
}

/* The volume has the space of its smallest in-sync brick, less what is kept back. */
static void limit_to_set(struct brick *brick, struct statfs_info *info)
{
    uint64_t least = atomic_load(&brick->driver->bytes_free);
    if (least < info->bytes_available) {
        info->bytes_available = least;
    }
    if (info->bytes_free < info->bytes_available) {
        info->bytes_free = info->bytes_available;
    }
}

void brick_statfs(struct rpc_call *call, void *context)
{
    brick_statfs_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_statfs_args, &args, NULL);
    if (!request) {
        return;
    }
    struct brick *brick = request->brick;
    struct reply *reply = &request->reply;
    reply->status = store_getattr(brick->store, &args.object, &reply->object);
    if (reply->status == 0) {
        reply->status = store_statfs(brick->store, &reply->statfs);
        reply->statfs.present = reply->status == 0;
        limit_to_set(brick, &reply->statfs);
    }
    brick_send_committed(request,
                         replica_depends(brick->driver, replica_key_object(&args.object)));
}

void brick_renew(struct rpc_call *call, void *context)
{
    brick_renew_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_renew_args, &args, NULL);
    if (request) {
        brick_send_committed(request, 0); /* the view and the primary's own lease are looked at */
    }
}
