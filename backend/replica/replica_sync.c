/*
 * Durable: an object, or the log, on stable storage of every in-sync member before the answer.
 *
 * A sync first waits until what it covers is committed, so every member has applied it; then all
 * members write at once. Syncs of the log alone (name space operations on "sync" exports) share
 * rounds: whoever comes while a round runs takes part in the next one, so that any number of them
 * costs one flush of each disk.
 *
 * A member whose disk cannot has failed, whatever a second try would say. The others do without it
 * in another view, and the client asks again there; only where nobody else has the bytes is it
 * told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include <stddef.h>
#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/replica.h"

/* A member whose disk does not answer this long has failed as far as this sync goes. */
#define SYNC_TIMEOUT_MS 30000

struct replica_sync_round {
    struct replica_sync sync; /* of the log */
    struct replica_driver *driver;
    struct replica_sync *members; /* who takes part */
};

static void part_done(struct replica_sync *sync, int status)
{
    if (status < 0) {
        int none = 0;
        atomic_compare_exchange_strong(&sync->status, &none, status);
    }
    if (atomic_fetch_sub(&sync->waiting, 1) == 1) {
        sync->complete(sync, atomic_load(&sync->status));
    }
}

static void sync_answered(struct rpc_reply *reply, void *context)
{
    struct replica_sync *sync = context;
    replica_sync_reply answer = {0};
    int rc = rpc_reply_decode(reply, (xdrproc_t)xdr_replica_sync_reply, &answer, NULL);
    if (rc == 0) {
        rc = answer.status;
    }
    if (rc < 0 && rc != -ESTALE) {
        rc = -E_NOT_SETTLED; /* it is removed, or comes to itself: the client asks again then */
    }
    part_done(sync, rc);
}

/* ---- this member's part -------------------------------------------------------------------- */

static bool may_join(struct replica_driver *driver)
{
    AUTO_LOCK(&driver->mutex);
    driver->joined += driver->stopping ? 0 : 1;
    return !driver->stopping;
}

static void leave(struct replica_driver *driver)
{
    AUTO_LOCK(&driver->mutex);
    if (--driver->joined == 0) {
        pthread_cond_signal(&driver->joined_changed);
    }
}

void replica_sync_drain(struct replica_driver *driver)
{
    AUTO_LOCK(&driver->mutex);
    while (driver->joined > 0) {
        pthread_cond_wait(&driver->joined_changed, &driver->mutex);
    }
}

/* Errors are final: what was not written may be gone from memory by now. */
static void here_done(struct replica_sync_here *here, int status)
{
    struct replica_driver *driver = here->driver;
    replica_disk_sync_end(driver, here->watched);
    bool fails = status < 0 && status != -ESTALE;
    if (fails) {
        atomic_store(&driver->unsynced, true);
    } else if (atomic_load(&driver->unsynced)) {
        status = -EIO;
    }
    here->complete(here, status); /* here may be gone by now */
    if (fails) {
        replica_driver_fail(driver, status);
    }
}

static void here_joined(struct store_sync *store, int status)
{
    struct replica_sync_here *here =
        (struct replica_sync_here *)((char *)store - offsetof(struct replica_sync_here, store));
    struct replica_driver *driver = here->driver;
    here_done(here, status);
    leave(driver);
}

static void here_on_worker(void *context)
{
    struct replica_sync_here *here = context;
    here_done(here, store_sync(here->driver->store, &here->object));
}

/* Most have been begun ahead, or are even done: no thread is then woken but the one at it. */
void replica_sync_here(struct replica_sync_here *here)
{
    struct replica_driver *driver = here->driver;
    here->store.complete = here_joined;
    here->watched = replica_disk_sync_begin(driver);
    if (gfid_is_none(&here->object) || !may_join(driver)) {
        rpc_offload(driver->loop, here_on_worker, here);
        return;
    }
    int result = store_sync_join(driver->store, &here->object, &here->store);
    if (result == 0) {
        return; /* here may be gone by now */
    }
    leave(driver);
    if (result > 0) {
        here_done(here, 0);
    } else {
        rpc_offload(driver->loop, here_on_worker, here);
    }
}

static bool is_alone(struct replica_driver *driver)
{
    AUTO_LOCK(&driver->mutex);
    uint32_t count = 0;
    for (uint32_t i = 0; i < driver->replica.view.member_count; i++) {
        count += driver->replica.view.members[i].state == MEMBER_IN_SYNC;
    }
    return count <= 1;
}

/* The others have what this disk could not write: the next primary sees to it. */
static void part_here(struct replica_sync_here *here, int status)
{
    struct replica_driver *driver = here->driver;
    if (status < 0 && status != -ESTALE) {
        if (is_alone(driver)) {
            /* Unsynced data may be gone: clients that hold it must see that and write again. */
            atomic_fetch_add(&driver->verifier, 1);
        } else {
            status = -E_NOT_PRIMARY;
        }
    }
    part_done((struct replica_sync *)((char *)here - offsetof(struct replica_sync, here)), status);
}

/* ---- all members --------------------------------------------------------------------------- */

static void sync_member(struct replica_driver *driver, struct replica_sync *sync,
                        struct stream *stream, uint64_t view)
{
    replica_sync_args args = {
        .set = driver->identity.set, .view = view, .object = sync->object, .index = sync->index};
    struct rpc_call_request request = {
        .program = TRIVET_REPLICA,
        .version = TRIVET_REPLICA_V1,
        .procedure = REPLICA_SYNC,
        .encode = (xdrproc_t)xdr_replica_sync_args,
        .arguments = &args,
        .timeout_ms = SYNC_TIMEOUT_MS,
        .callback = sync_answered,
        .context = sync,
    };
    if (rpc_call_start(replica_stream_connection(stream), &request) < 0) {
        part_done(sync, -E_OVERLOADED);
    }
}

/* All members at once. Completes with -E_NOT_SETTLED if one is not in contact: the client asks
 * again, which is harmless. */
static void sync_everywhere(struct replica_driver *driver, struct replica_sync *sync)
{
    struct stream *streams[SET_MEMBERS_MAX];
    int count = 0;
    bool missing = false;
    pthread_mutex_lock(&driver->mutex);
    uint64_t view = driver->replica.view.number;
    for (uint32_t i = 0; i < driver->replica.view.member_count; i++) {
        if (i == driver->replica.self || driver->replica.view.members[i].state != MEMBER_IN_SYNC) {
            continue;
        }
        if (driver->replica.members[i].open && driver->peers[i].stream) {
            streams[count++] = replica_stream_get(driver->peers[i].stream);
        } else {
            missing = true;
        }
    }
    missing = missing || driver->replica.role != ROLE_PRIMARY || driver->stopping;
    pthread_mutex_unlock(&driver->mutex);
    atomic_store(&sync->status, missing ? -E_NOT_SETTLED : 0);
    atomic_store(&sync->waiting, 1 + (missing ? 0 : count + 1));
    for (int i = 0; i < count; i++) {
        if (!missing) {
            sync_member(driver, sync, streams[i], view);
        }
        replica_stream_put(streams[i]);
    }
    if (!missing) {
        sync->here = (struct replica_sync_here){
            .complete = part_here, .driver = driver, .object = sync->object};
        replica_sync_here(&sync->here);
    }
    part_done(sync, 0); /* this function's own part: nothing completes before all have begun */
}

static void round_done(struct replica_sync *round_sync, int status);

static void round_start(struct replica_driver *driver, struct replica_sync_round *round)
{
    round->sync = (struct replica_sync){
        .complete = round_done,
        .driver = driver,
        .object = GFID_NONE,
        .index = atomic_load(&driver->committed),
    };
    sync_everywhere(driver, &round->sync);
}

static void round_done(struct replica_sync *round_sync, int status)
{
    AUTO_FREE struct replica_sync_round *round = (struct replica_sync_round *)round_sync;
    struct replica_driver *driver = round->driver;
    pthread_mutex_lock(&driver->mutex);
    driver->log_round = driver->log_next;
    driver->log_next = NULL;
    struct replica_sync_round *next = driver->log_round;
    pthread_mutex_unlock(&driver->mutex);
    if (next) {
        round_start(driver, next); /* its disks are busy while the answers below go out */
    }
    for (struct replica_sync *sync = round->members; sync;) {
        struct replica_sync *following = sync->next;
        sync->complete(sync, status);
        sync = following;
    }
}

static void join_round(struct replica_driver *driver, struct replica_sync *sync)
{
    struct replica_sync_round *fresh = calloc(1, sizeof *fresh);
    struct replica_sync_round *start = NULL;
    pthread_mutex_lock(&driver->mutex);
    struct replica_sync_round **place = driver->log_round ? &driver->log_next : &driver->log_round;
    if (!*place && fresh) {
        fresh->driver = driver;
        *place = fresh;
        start = place == &driver->log_round ? fresh : NULL;
        fresh = NULL;
    }
    bool joined = *place != NULL;
    if (joined) {
        sync->next = (*place)->members;
        (*place)->members = sync;
    }
    pthread_mutex_unlock(&driver->mutex);
    free(fresh);
    if (!joined) {
        sync->complete(sync, -ENOMEM);
    } else if (start) {
        round_start(driver, start);
    }
}

void replica_sync_start(struct replica_driver *driver, const struct gfid *object,
                        struct replica_sync *sync)
{
    sync->driver = driver;
    sync->object = *object;
    sync->index = atomic_load(&driver->committed);
    if (gfid_is_none(object)) {
        join_round(driver, sync);
        return;
    }
    sync_everywhere(driver, sync);
}
