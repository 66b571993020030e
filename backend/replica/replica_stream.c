/*
 * The primary's side of a stream to another member: dial, open, send, and what comes back.
 *
 * A stream lives from its dial to the connection's closed callback; every call that it made has had
 * its callback by then, so calls need no reference of their own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/proto/replica.h"

/* Between two tries to reach a member: short, since the volume waits for it. */
#define DIAL_PAUSE_FIRST_MS 3
#define DIAL_PAUSE_MAX_MS 50
/* A member that does not say this long that it is there is dialled anew. */
#define OPEN_TIMEOUT_MS 2000

struct stream *replica_stream_get(struct stream *stream)
{
    atomic_fetch_add(&stream->refs, 1);
    return stream;
}

void replica_stream_put(struct stream *stream)
{
    if (atomic_fetch_sub(&stream->refs, 1) == 1) {
        if (stream->connection) {
            rpc_connection_put(stream->connection);
        }
        free(stream);
    }
}

struct rpc_connection *replica_stream_connection(struct stream *stream)
{
    return stream->connection;
}

/* With the driver's mutex held: forget the stream; its connection's closed callback frees it. */
void replica_stream_close(struct replica_driver *driver, uint32_t member)
{
    struct peer *peer = &driver->peers[member];
    struct stream *stream = peer->stream;
    peer->next = 1;
    peer->last = 0;
    if (stream) {
        peer->stream = NULL;
        rpc_connection_close(stream->connection);
        replica_stream_put(stream);
    }
}

void replica_stream_step(struct stream *stream, struct replica_event event)
{
    struct replica_driver *driver = stream->driver;
    struct pending *finished = NULL;
    pthread_mutex_lock(&driver->mutex);
    bool current = driver->peers[stream->member].stream == stream;
    if (current) {
        event.member = stream->member;
        if (event.kind == EVENT_STREAM_OPENED) {
            driver->peers[stream->member].pause_ms = 0;
        }
        replica_driver_step(driver, &event, &finished);
    }
    pthread_mutex_unlock(&driver->mutex);
    if (current) {
        replica_pump(driver, finished);
    }
}

/* The next try to reach a member, later each time. With the mutex held. */
static void delay_dial(struct peer *peer, unsigned pause_ms)
{
    unsigned next_ms = peer->pause_ms > 0 ? 2 * peer->pause_ms : DIAL_PAUSE_FIRST_MS;
    peer->pause_ms = next_ms < DIAL_PAUSE_MAX_MS ? next_ms : DIAL_PAUSE_MAX_MS;
    pause_ms = pause_ms > 0 ? pause_ms : peer->pause_ms;
    peer->next_try_ns = clock_monotonic_ns(peer->driver->clock) + pause_ms * NS_PER_MS;
}

void replica_stream_lost(struct stream *stream, unsigned pause_ms)
{
    struct replica_driver *driver = stream->driver;
    struct pending *finished = NULL;
    pthread_mutex_lock(&driver->mutex);
    struct peer *peer = &driver->peers[stream->member];
    bool current = peer->stream == stream;
    if (current) {
        replica_stream_close(driver, stream->member);
        delay_dial(peer, pause_ms);
        struct replica_event event = {.kind = EVENT_STREAM_LOST, .member = stream->member};
        replica_driver_step(driver, &event, &finished);
    }
    pthread_mutex_unlock(&driver->mutex);
    if (current) {
        replica_pump(driver, finished);
    }
}

/* A member that is in sync has a beginning of this log, or this log is one of its own: a longer one
 * is to lead. */
static void opened_in_sync(struct stream *stream, const replica_open_reply *answer)
{
    uint64_t sequenced;
    {
        AUTO_LOCK(&stream->driver->mutex);
        sequenced = stream->driver->replica.sequenced;
    }
    uint64_t index = answer->last_index > sequenced ? answer->last_index : answer->applied_index;
    replica_stream_step(stream, (struct replica_event){.kind = EVENT_STREAM_OPENED,
                                                       .index = index,
                                                       .incarnation = answer->incarnation});
}

static void open_answered(struct rpc_reply *reply, void *context)
{
    struct stream *stream = context;
    replica_open_reply answer = {0};
    int rc = rpc_reply_decode(reply, (xdrproc_t)xdr_replica_open_reply, &answer, NULL);
    if (rc == 0) {
        rc = answer.status;
    }
    if (rc < 0) {
        /* The member may not have the view yet; try again in a moment. */
        log_debug("stream to member %u refused: %s", stream->member, error_text(rc));
        replica_stream_lost(stream, 0);
        return;
    }
    pthread_mutex_lock(&stream->driver->mutex);
    stream->driver->peers[stream->member].bytes_free = answer.bytes_free;
    pthread_mutex_unlock(&stream->driver->mutex);
    if (!stream->joins) {
        opened_in_sync(stream, &answer);
        return;
    }
    stream->incarnation = answer.incarnation;
    stream->last_index = answer.last_index;
    stream->last_birth = answer.last_birth;
    stream->applied_index = answer.applied_index;
    stream->commit_index = answer.commit_index;
    rpc_offload(stream->driver->loop, replica_catch_up_compare, replica_stream_get(stream));
}

static void append_answered(struct rpc_reply *reply, void *context)
{
    struct stream *stream = context;
    replica_append_reply answer = {0};
    int rc = rpc_reply_decode(reply, (xdrproc_t)xdr_replica_append_reply, &answer, NULL);
    if (rc == 0) {
        rc = answer.status;
    }
    if (rc < 0) {
        if (rc != -E_CONNECTION_LOST) {
            log_warn("member %u refused an operation: %s", stream->member, error_text(rc));
        }
        replica_stream_lost(stream, 0);
        return;
    }
    replica_stream_step(stream, (struct replica_event){.kind = EVENT_ACK,
                                                       .index = answer.index,
                                                       .incarnation = answer.incarnation});
}

static void heartbeat_answered(struct rpc_reply *reply, void *context)
{
    struct stream *stream = context;
    replica_heartbeat_reply answer = {0};
    int rc = rpc_reply_decode(reply, (xdrproc_t)xdr_replica_heartbeat_reply, &answer, NULL);
    if (rc < 0 || answer.status < 0) {
        return; /* a lost connection is reported by its closed callback */
    }
    pthread_mutex_lock(&stream->driver->mutex);
    stream->driver->peers[stream->member].bytes_free = answer.bytes_free;
    pthread_mutex_unlock(&stream->driver->mutex);
    /* What a lost stream brought is acknowledged on that one, that is to nobody. */
    replica_stream_step(stream, (struct replica_event){.kind = EVENT_ACK,
                                                       .index = answer.index,
                                                       .incarnation = answer.incarnation});
}

static void connection_opened(struct rpc_connection *connection, void *context)
{
    (void)connection;
    (void)context; /* the open call was queued at the dial */
}

static void connection_closed(struct rpc_connection *connection, void *context)
{
    (void)context;
    struct stream *stream = rpc_connection_user(connection);
    if (stream) {
        replica_stream_lost(stream, 0);
        replica_stream_put(stream); /* the connection's own reference */
    }
}

void replica_stream_service(struct replica_driver *driver, struct rpc_service *out_service)
{
    *out_service = (struct rpc_service){
        .opened = connection_opened, .closed = connection_closed, .context = driver};
}

/* cut_to 0: as it is. */
static void call_open(struct stream *stream, const struct view *view, uint64_t cut_to)
{
    struct replica_driver *driver = stream->driver;
    replica_open_args args = {
        .level = PROTOCOL_LEVEL,
        .volume = driver->identity.volume,
        .set = driver->identity.set,
        .brick = view->members[stream->member].brick,
        .view = *view,
        .commit_index = atomic_load(&driver->committed),
        .cut_to = cut_to,
    };
    {
        AUTO_LOCK(&driver->mutex);
        args.unsure_first = driver->unsure_first;
        args.unsure_last = driver->unsure_last;
    }
    struct rpc_call_request request = {
        .program = TRIVET_REPLICA,
        .version = TRIVET_REPLICA_V1,
        .procedure = REPLICA_OPEN,
        .encode = (xdrproc_t)xdr_replica_open_args,
        .arguments = &args,
        /* To cut takes as long as it takes; who is gone meanwhile is noticed by his heartbeats. */
        .timeout_ms = cut_to == 0 ? OPEN_TIMEOUT_MS : 0,
        .callback = open_answered,
        .context = stream,
    };
    if (rpc_call_start(stream->connection, &request) < 0) {
        rpc_connection_close(stream->connection);
    }
}

void replica_stream_cut(struct stream *stream, uint64_t cut_to)
{
    struct view view;
    {
        AUTO_LOCK(&stream->driver->mutex);
        view = stream->driver->replica.view;
    }
    if (view.number == stream->view) { /* else it is closed by now */
        call_open(stream, &view, cut_to);
    }
}

static void dial(struct replica_driver *driver, uint32_t member, const struct view *view)
{
    const struct view_member *other = &view->members[member];
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        return; /* the next tick tries again */
    }
    stream->driver = driver;
    stream->member = member;
    stream->view = view->number;
    stream->joins = other->state != MEMBER_IN_SYNC;
    atomic_init(&stream->refs, 2); /* the peer's and the connection's */
    /* Under the mutex, so that no callback of the connection finds the stream half made. */
    pthread_mutex_lock(&driver->mutex);
    struct peer *peer = &driver->peers[member];
    int rc = -ECANCELED;
    if (peer->wanted && !peer->stream && driver->replica.view.number == view->number &&
        !driver->stopping) {
        rc = rpc_dial_tcp(driver->loop, other->host, replica_member_port(driver, member),
                          &driver->peer_service, &stream->connection);
        if (rc < 0) {
            delay_dial(peer, 0);
        }
    }
    if (rc == 0) {
        rpc_connection_set_user(stream->connection, stream);
        peer->stream = stream;
        replica_stream_get(stream);
    }
    pthread_mutex_unlock(&driver->mutex);
    if (rc < 0) {
        free(stream);
        return;
    }
    call_open(stream, view, 0);
    replica_stream_put(stream);
}

void replica_stream_dial_due(void *context)
{
    struct replica_driver *driver = context;
    struct view view;
    uint64_t now = clock_monotonic_ns(driver->clock);
    bool due[SET_MEMBERS_MAX] = {false};
    pthread_mutex_lock(&driver->mutex);
    view = driver->replica.view;
    for (uint32_t i = 0; i < view.member_count; i++) {
        const struct peer *peer = &driver->peers[i];
        due[i] = peer->wanted && !peer->stream && now >= peer->next_try_ns;
    }
    pthread_mutex_unlock(&driver->mutex);
    for (uint32_t i = 0; i < view.member_count; i++) {
        if (due[i]) {
            dial(driver, i, &view);
        }
    }
}

void replica_stream_send(struct stream *stream, struct slice record, struct slice bulk,
                         uint64_t commit_index)
{
    struct replica_driver *driver = stream->driver;
    PRE(record.size <= OPERATION_SIZE_MAX);
    replica_append_args args = {
        .set = driver->identity.set,
        .view = stream->view,
        .commit_index = commit_index,
        .operation = {.operation_len = (u_int)record.size,
                      .operation_val = (char *)(uintptr_t)record.data},
    };
    struct rpc_call_request request = {
        .program = TRIVET_REPLICA,
        .version = TRIVET_REPLICA_V1,
        .procedure = REPLICA_APPEND,
        .encode = (xdrproc_t)xdr_replica_append_args,
        .arguments = &args,
        .bulk = &bulk,
        .callback = append_answered,
        .context = stream,
    };
    if (rpc_call_start(stream->connection, &request) < 0) {
        /* A member this far behind has stopped reading: begin again with what it reports then. */
        rpc_connection_close(stream->connection);
    }
}

void replica_stream_heartbeat(struct stream *stream, uint64_t commit_index)
{
    replica_heartbeat_args args = {
        .set = stream->driver->identity.set, .view = stream->view, .commit_index = commit_index};
    struct rpc_call_request request = {
        .program = TRIVET_REPLICA,
        .version = TRIVET_REPLICA_V1,
        .procedure = REPLICA_HEARTBEAT,
        .encode = (xdrproc_t)xdr_replica_heartbeat_args,
        .arguments = &args,
        .timeout_ms = OPEN_TIMEOUT_MS,
        .callback = heartbeat_answered,
        .context = stream,
    };
    (void)rpc_call_start(stream->connection, &request); /* the next one says the same */
}
