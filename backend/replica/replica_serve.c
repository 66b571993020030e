/*
 * A member's side of a stream: the TRIVET_REPLICA program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include <stdlib.h>
#include <string.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/replica.h"

static void serve_null(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply(call, (xdrproc_t)(void (*)(void))xdr_void, NULL, NULL);
}

static int open_check(struct replica_driver *driver, const replica_open_args *args)
{
    if (args->level != PROTOCOL_LEVEL) {
        return -E_BAD_PROTOCOL;
    }
    if (memcmp(args->volume.bytes, driver->identity.volume.bytes, VOLUME_ID_SIZE) != 0 ||
        args->set != driver->identity.set || args->brick != driver->identity.brick) {
        return -E_WRONG_VOLUME;
    }
    if (args->view.number != driver->replica.view.number) {
        return args->view.number < driver->replica.view.number ? -E_OLD_VIEW : -E_NEW_VIEW;
    }
    if (driver->replica.failed) {
        return -EIO;
    }
    return driver->stopping ? -E_NOT_SETTLED : 0;
}

/* Everything up to here is applied, bytes included. With the mutex held. */
static uint64_t applied_locked(const struct replica_driver *driver)
{
    return driver->repair_next <= driver->repair_last ? driver->repair_next - 1
                                                      : driver->replica.applied;
}

static uint64_t own_bytes_free(struct replica_driver *driver)
{
    struct statfs_info info;
    return store_statfs(driver->store, &info) == 0 ? info.bytes_available : 0;
}

void replica_serve_opened(struct replica_driver *driver, struct rpc_call *call, int status)
{
    replica_open_reply reply = {
        .status = status, .incarnation = driver->incarnation, .bytes_free = own_bytes_free(driver)};
    bool joins;
    {
        AUTO_LOCK(&driver->mutex);
        reply.view = driver->replica.view.number;
        reply.last_index = driver->replica.sequenced;
        reply.applied_index = applied_locked(driver);
        reply.commit_index = driver->replica.committed;
        joins = driver->replica.role == ROLE_JOINER;
    }
    if (joins && status == 0) { /* reads the log, on a worker */
        reply.status = store_log_birth(driver->store, reply.last_index, &reply.last_birth);
    }
    rpc_call_reply(call, (xdrproc_t)xdr_replica_open_reply, &reply, NULL);
}

/*
 * The primary's own bytes of what its log had at its start may be missing: what this member has of
 * these it takes once more. With the mutex held.
 */
static void take_unsure(struct replica_driver *driver, const replica_open_args *args)
{
    uint64_t first = args->unsure_first > driver->replica.committed + 1
                         ? args->unsure_first
                         : driver->replica.committed + 1;
    uint64_t last = args->unsure_last < driver->replica.sequenced ? args->unsure_last
                                                                  : driver->replica.sequenced;
    if (args->unsure_first == 0 || first > last) {
        return;
    }
    bool pending = driver->repair_next <= driver->repair_last;
    if (!pending || first < driver->repair_next) {
        driver->repair_next = first;
    }
    driver->repair_last = last > driver->repair_last || !pending ? last : driver->repair_last;
    driver->tail_first = first < driver->tail_first ? first : driver->tail_first;
    driver->tail_last = last > driver->tail_last ? last : driver->tail_last;
}

static int open_in_sync(struct replica_driver *driver, const replica_open_args *args)
{
    if (driver->replica.role != ROLE_BACKUP) {
        return -E_NOT_SETTLED;
    }
    bool repairs = driver->repair_next <= driver->repair_last || args->unsure_first != 0;
    if (repairs && driver->replica.applied < driver->replica.sequenced) {
        return -E_NOT_SETTLED; /* what the view before brought is applied first */
    }
    take_unsure(driver, args);
    return 0;
}

/* 0: the answer comes later. */
static int open_joiner(struct replica_driver *driver, const replica_open_args *args,
                       struct rpc_call *call)
{
    struct pending *finished = NULL;
    struct replica_event event = {.kind = EVENT_JOIN, .view_number = args->view.number};
    replica_driver_step(driver, &event, &finished);
    if (driver->answer.kind == EFFECT_REFUSE) {
        return driver->answer.status;
    }
    return replica_return_begin(driver, call, args->cut_to);
}

static bool is_in_sync(const struct replica *replica)
{
    return replica->self < replica->view.member_count &&
           replica->view.members[replica->self].state == MEMBER_IN_SYNC;
}

static void serve_open(struct rpc_call *call, void *context)
{
    struct replica_driver *driver = context;
    replica_open_args args = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_replica_open_args, &args, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    bool answers = true;
    pthread_mutex_lock(&driver->mutex);
    int status = open_check(driver, &args);
    if (status == 0 && is_in_sync(&driver->replica)) {
        status = open_in_sync(driver, &args);
    } else if (status == 0) {
        status = open_joiner(driver, &args, call);
        answers = status < 0;
    }
    pthread_mutex_unlock(&driver->mutex);
    if (answers) {
        replica_serve_opened(driver, call, status);
    }
}

static void reply_append(struct rpc_call *call, struct replica_driver *driver, int status,
                         uint64_t index)
{
    replica_append_reply reply = {
        .status = status,
        .view = atomic_load(&driver->view_number),
        .incarnation = driver->incarnation,
        .index = index,
    };
    rpc_call_reply(call, (xdrproc_t)xdr_replica_append_reply, &reply, NULL);
}

void replica_serve_applied(struct replica_driver *driver, struct pending *pending, int status)
{
    reply_append(pending->append, driver, status, pending->index);
}

struct append {
    uint32_t set;
    uint64_t view;
    uint64_t commit_index;
    struct slice record;
    struct slice bulk;
};

static uint64_t get_big_endian(const uint8_t *bytes, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* The arguments of replica.x's APPEND by hand: the record and the bulk stay where they arrived. */
static int append_decode(struct slice arguments, struct append *out_append)
{
    const uint8_t *at = arguments.data;
    if (arguments.size < 24) {
        return -E_BAD_MESSAGE;
    }
    uint64_t size = get_big_endian(at + 20, 4);
    uint64_t padded = (size + 3) & ~UINT64_C(3);
    if (size > OPERATION_SIZE_MAX || padded > arguments.size - 24) {
        return -E_BAD_MESSAGE;
    }
    *out_append = (struct append){
        .set = (uint32_t)get_big_endian(at, 4),
        .view = get_big_endian(at + 4, 8),
        .commit_index = get_big_endian(at + 12, 8),
        .record = slice_of(at + 24, size),
    };
    return rpc_bulk(slice_of(at + 24 + padded, arguments.size - 24 - padded), &out_append->bulk);
}

/*
 * Take an operation that the log had at start once more, for its bytes; in order, one at a time.
 * With the mutex held, but not while the bytes are written. Fails as append_locked does.
 */
static int repair_locked(struct replica_driver *driver, const struct append *append,
                         const struct operation *operation, uint64_t *out_index)
{
    if (operation->index > driver->repair_next) {
        return -E_BAD_MESSAGE; /* an acknowledgement never covers a gap */
    }
    if (operation->index == driver->repair_next) {
        if (driver->repairing) {
            return -E_NOT_SETTLED; /* a lost stream's last one is still being written */
        }
        driver->repairing = true;
        pthread_mutex_unlock(&driver->mutex);
        replica_disk_begin(driver, DISK_REPAIR);
        int rc = store_apply(driver->store, operation, append->bulk);
        replica_disk_end(driver, DISK_REPAIR);
        pthread_mutex_lock(&driver->mutex);
        driver->repairing = false;
        if (rc < 0) {
            struct pending *finished = NULL;
            struct replica_event event = {.kind = EVENT_APPLIED, .status = rc};
            replica_driver_step(driver, &event, &finished);
            replica_pump_soon(driver, finished);
            return rc;
        }
        if (driver->repair_next == operation->index) {
            driver->repair_next++;
        }
    }
    *out_index = applied_locked(driver);
    return 1;
}

/* With the mutex held. Fails: why the operation cannot be taken; 1: the driver has it already and
 * *out_index is what is applied. */
static int append_locked(struct replica_driver *driver, const struct append *append,
                         const struct operation *operation, struct rpc_call *call,
                         uint64_t *out_index, struct pending **finished)
{
    struct pending *pending = NULL;
    uint64_t next = driver->replica.sequenced + 1;
    if (driver->stopping) {
        return -E_CONNECTION_LOST;
    }
    if (driver->returning) {
        return -E_NOT_SETTLED; /* of a stream that was given up */
    }
    bool follows = replica_follows(&driver->replica) && !driver->replica.proposal.open &&
                   append->view == driver->replica.view.number && !driver->replica.failed;
    if (follows && driver->repair_next <= driver->repair_last) {
        return repair_locked(driver, append, operation, out_index);
    }
    bool takes = follows && operation->index == next;
    if (takes) {
        pending = pending_add(&driver->ring, operation->index);
        if (!pending) {
            return -E_OVERLOADED;
        }
        pending->operation = *operation;
        pending->record = append->record;
        pending->bulk = append->bulk;
        pending->append = call;
    }
    struct replica_event event = {
        .kind = EVENT_APPEND, .view_number = append->view, .index = operation->index};
    if (!takes) { /* a refusal or a repeat: nothing to perform but the answer */
        replica_driver_step(driver, &event, finished);
        *out_index = applied_locked(driver);
        if (driver->replica.failed) {
            return -EIO;
        }
        return driver->answer.kind == EFFECT_REFUSE ? driver->answer.status : 1;
    }
    replica_driver_step(driver, &event, finished);
    event = (struct replica_event){
        .kind = EVENT_COMMIT_KNOWN, .view_number = append->view, .index = append->commit_index};
    replica_driver_step(driver, &event, finished);
    return 0;
}

static void serve_append(struct rpc_call *call, void *context)
{
    struct replica_driver *driver = context;
    struct append append;
    struct operation operation;
    if (append_decode(rpc_call_arguments(call), &append) < 0 ||
        operation_decode(append.record, &operation) < 0 ||
        append.bulk.size != (operation.kind == OPERATION_WRITE ? operation.count : 0)) {
        rpc_call_garbage(call);
        return;
    }
    struct pending *finished = NULL;
    uint64_t index = 0;
    pthread_mutex_lock(&driver->mutex);
    int rc = append.set == driver->identity.set
                 ? append_locked(driver, &append, &operation, call, &index, &finished)
                 : -E_WRONG_VOLUME;
    pthread_mutex_unlock(&driver->mutex);
    if (rc != 0) {
        reply_append(call, driver, rc < 0 ? rc : 0, index);
        return;
    }
    replica_pump(driver, finished);
}

static void serve_heartbeat(struct rpc_call *call, void *context)
{
    struct replica_driver *driver = context;
    replica_heartbeat_args args = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_replica_heartbeat_args, &args, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    struct pending *finished = NULL;
    replica_heartbeat_reply reply = {.incarnation = driver->incarnation,
                                     .bytes_free = own_bytes_free(driver)};
    pthread_mutex_lock(&driver->mutex);
    struct replica_event event = {
        .kind = EVENT_COMMIT_KNOWN, .view_number = args.view, .index = args.commit_index};
    replica_driver_step(driver, &event, &finished);
    reply.view = driver->replica.view.number;
    reply.index = applied_locked(driver);
    reply.status = args.view == driver->replica.view.number ? 0 : -E_OLD_VIEW;
    pthread_mutex_unlock(&driver->mutex);
    replica_pump(driver, finished);
    rpc_call_reply(call, (xdrproc_t)xdr_replica_heartbeat_reply, &reply, NULL);
}

/* A sync waits for the disk, and may wait for operations that are still being applied. */
struct sync_work {
    struct replica_sync_here here; /* first */
    struct rpc_call *call;
};

static void sync_done(struct replica_sync_here *here, int status)
{
    AUTO_FREE struct sync_work *work = (struct sync_work *)here;
    replica_sync_reply reply = {.status = status, .view = atomic_load(&here->driver->view_number)};
    rpc_call_reply(work->call, (xdrproc_t)xdr_replica_sync_reply, &reply, NULL);
}

static void serve_sync(struct rpc_call *call, void *context)
{
    struct replica_driver *driver = context;
    replica_sync_args args = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_replica_sync_args, &args, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    pthread_mutex_lock(&driver->mutex);
    int rc = 0;
    if (args.view != driver->replica.view.number) {
        rc = -E_OLD_VIEW;
    } else if (args.index > driver->replica.applied) {
        rc = -E_NOT_SETTLED; /* it was committed, so it was applied here, or the stream begins anew
                              */
    }
    pthread_mutex_unlock(&driver->mutex);
    struct sync_work *work = rc == 0 ? malloc(sizeof *work) : NULL;
    if (!work) {
        replica_sync_reply reply = {.status = rc < 0 ? rc : -ENOMEM, .view = args.view};
        rpc_call_reply(call, (xdrproc_t)xdr_replica_sync_reply, &reply, NULL);
        return;
    }
    *work = (struct sync_work){
        .here = {.complete = sync_done, .driver = driver, .object = args.object}, .call = call};
    replica_sync_here(&work->here);
}

const struct rpc_procedure replica_procedures[] = {
    [REPLICA_NULL] = {"NULL", serve_null},
    [REPLICA_OPEN] = {"OPEN", serve_open},
    [REPLICA_APPEND] = {"APPEND", serve_append},
    [REPLICA_SYNC] = {"SYNC", serve_sync},
    [REPLICA_HEARTBEAT] = {"HEARTBEAT", serve_heartbeat},
    [REPLICA_BEAT] = {"BEAT", replica_serve_beat},
    [REPLICA_FETCH] = {"FETCH", replica_serve_fetch},
};
const uint32_t replica_procedure_count = sizeof replica_procedures / sizeof replica_procedures[0];
