/*
 * The primary's side of a stream to a member that returns: whether the log here goes on where that
 * member's ends, and what it missed, sent on a worker and no faster than it is taken. Live
 * operations come behind that on the same stream; nobody waits for them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/proto/replica.h"
#include "backend/replica/replica_driver.h"

/* Operations under way to one member that returns. */
#define WINDOW (OPERATIONS_IN_FLIGHT_MAX / 4)
/* Before a member that cannot return by the log is asked again. */
#define CANNOT_RETURN_PAUSE_MS 5000

/* ---- comparing ----------------------------------------------------------------------------- */

/* The view in which the operation of index was ordered; 0 for the log's beginning. */
static int log_birth(struct replica_driver *driver, uint64_t index, uint64_t *out_birth)
{
    if (index < OPERATION_INDEX_FIRST) {
        *out_birth = 0;
        return 0;
    }
    return store_log_birth(driver->store, index, out_birth);
}

/* Once for each member that cannot, until it has been closed. */
static void cannot_return(struct stream *stream, const char *why)
{
    struct replica_driver *driver = stream->driver;
    bool tells = false;
    uint32_t brick;
    {
        AUTO_LOCK(&driver->mutex);
        struct peer *peer = &driver->peers[stream->member];
        tells = peer->stream == stream && !peer->told;
        peer->told = peer->told || tells;
        brick = driver->replica.view.members[stream->member].brick;
    }
    if (tells) {
        log_warn("brick %s-%u: brick %u needs a full heal: %s", driver->identity.volume_name,
                 driver->identity.brick, brick, why);
    }
    replica_stream_lost(stream, CANNOT_RETURN_PAUSE_MS);
}

static void cut(struct stream *stream)
{
    if (stream->was_cut) {
        cannot_return(stream, "what it knows committed is not in this log");
        return;
    }
    uint64_t to = stream->commit_index > 0 ? stream->commit_index : OPERATION_INDEX_FIRST - 1;
    log_info("member %u has operations up to %" PRIu64 " of view %" PRIu64
             " that are not in this log: it goes back to %" PRIu64,
             stream->member, stream->last_index, stream->last_birth, to);
    stream->was_cut = true;
    replica_stream_cut(stream, to);
}

static void compare(struct stream *stream)
{
    struct replica_driver *driver = stream->driver;
    uint64_t sequenced;
    {
        AUTO_LOCK(&driver->mutex);
        sequenced = driver->replica.sequenced;
    }
    uint64_t birth = 0, next = 0;
    bool is_beyond = stream->last_index > sequenced;
    int rc = is_beyond ? 0 : log_birth(driver, stream->last_index, &birth);
    if (rc == 0 && !is_beyond && stream->applied_index < sequenced) {
        rc = log_birth(driver, stream->applied_index + 1, &next);
    }
    if (rc < 0) {
        cannot_return(stream, "it was away for longer than the log reaches back");
    } else if (is_beyond || birth != stream->last_birth) {
        cut(stream);
    } else {
        replica_stream_step(stream, (struct replica_event){.kind = EVENT_STREAM_OPENED,
                                                           .index = stream->applied_index,
                                                           .incarnation = stream->incarnation});
    }
}

void replica_catch_up_compare(void *context)
{
    struct stream *stream = context;
    compare(stream);
    replica_stream_put(stream);
}

/* ---- sending ------------------------------------------------------------------------------- */

/* With the mutex held. */
static bool may_send(const struct replica_driver *driver, const struct peer *peer)
{
    return peer->stream && peer->stream->joins && peer->next <= peer->last &&
           peer->next <= driver->replica.members[peer->member].acked + WINDOW;
}

static void send_job(void *context)
{
    struct peer *peer = context;
    struct replica_driver *driver = peer->driver;
    struct pending *finished = NULL;
    pthread_mutex_lock(&driver->mutex);
    while (may_send(driver, peer)) {
        replica_send_one(driver, peer, &finished);
    }
    peer->sending = false;
    pthread_mutex_unlock(&driver->mutex);
    replica_pump(driver, finished); /* it is in sync now, perhaps */
}

void replica_catch_up_send(struct replica_driver *driver, struct peer *peer)
{
    if (!peer->sending && !driver->stopping && may_send(driver, peer)) {
        peer->sending = true;
        rpc_offload(driver->loop, send_job, peer);
    }
}

/* ---- bytes for a member that has cut its log back ----------------------------------------------
 */

struct fetch {
    struct replica_driver *driver;
    struct rpc_call *call;
    replica_fetch_args args;
};

static int fetch_check(struct replica_driver *driver, const replica_fetch_args *args)
{
    if (args->set != driver->identity.set) {
        return -E_WRONG_VOLUME;
    }
    AUTO_LOCK(&driver->mutex);
    if (args->view != driver->replica.view.number) {
        return -E_OLD_VIEW;
    }
    return replica_leads(&driver->replica) ? 0 : -E_NOT_PRIMARY;
}

static void fetch_job(void *context)
{
    AUTO_FREE struct fetch *fetch = context;
    replica_fetch_reply reply = {.status = fetch_check(fetch->driver, &fetch->args)};
    AUTO_FREE uint8_t *bytes = malloc(fetch->args.count + 1);
    uint32_t count = 0;
    if (reply.status == 0) {
        reply.status = bytes
                           ? store_read(fetch->driver->store, &fetch->args.object,
                                        fetch->args.offset, fetch->args.count, false, bytes, &count)
                           : -ENOMEM;
    }
    struct slice bulk = slice_of(bytes, reply.status == 0 ? count : 0);
    rpc_call_reply(fetch->call, (xdrproc_t)xdr_replica_fetch_reply, &reply, &bulk);
}

void replica_serve_fetch(struct rpc_call *call, void *context)
{
    replica_fetch_args args = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_replica_fetch_args, &args, NULL) < 0 ||
        args.count > IO_SIZE_MAX) {
        rpc_call_garbage(call);
        return;
    }
    struct replica_driver *driver = context;
    struct fetch *fetch = malloc(sizeof *fetch);
    if (!fetch) {
        rpc_call_drop(call);
        return;
    }
    *fetch = (struct fetch){.driver = driver, .call = call, .args = args};
    rpc_offload(driver->loop, fetch_job, fetch);
}
