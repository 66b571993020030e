/*
 * The operations of a member that are sequenced and not done with: on the primary until they are
 * committed, on a backup until they are applied. A ring by index; guarded by the driver's mutex.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_REPLICA_PENDING_H
#define TRIVET_REPLICA_PENDING_H

#include "backend/proto/limits.h"
#include "backend/proto/operation.h"

struct rpc_call;

/* Somebody who waits until an operation is done with. Part of the waiter's own struct. */
struct replica_waiter {
    /* Called once, without locks; status 0, or why it will not be known here. operation is valid
     * during the call, NULL if there is none. */
    void (*wake)(struct replica_waiter *waiter, int status, const struct operation *operation);
    struct replica_waiter *next;
    uint64_t view; /* of an answer that waits for the lease */
};

/*
 * Invariant: refs counts the ring and each thread that sends or applies it; at 0 it is finished and
 * its waiters may run, since nobody reads record or bulk any more.
 */
struct pending {
    uint64_t index;
    unsigned refs;
    bool held;                  /* from commit, until caches are taken back */
    int status;                 /* told to the waiters */
    struct operation operation; /* its slices point into record or the request that bulk is of */
    struct slice record;        /* operation, encoded */
    struct slice bulk;
    struct rpc_call *append; /* a backup's: the call to answer when it is applied, or NULL */
    struct replica_waiter *waiters, **waiters_end;
    struct pending *next;                  /* in a list of finished or free ones */
    uint8_t *large;                        /* the primary's record, if buffer is too small; owned */
    uint8_t buffer[OPERATION_SIZE_COMMON]; /* the primary's record */
};

struct pending_ring {
    struct pending *slots[OPERATIONS_IN_FLIGHT_MAX]; /* by index modulo size */
    struct pending *free;
    unsigned count;
};

/* NULL if the ring is full, or there is no memory. The ring holds the one reference. */
struct pending *pending_add(struct pending_ring *ring, uint64_t index);
struct pending *pending_find(const struct pending_ring *ring, uint64_t index);
/* Out of the ring, its reference dropped; if that was the last it is put on *finished. */
void pending_drop(struct pending_ring *ring, struct pending *pending, struct pending **finished);
void pending_put(struct pending *pending, struct pending **finished);
void pending_wait(struct pending *pending, struct replica_waiter *waiter);
/* Give finished ones back; under the mutex again, after their waiters have run. */
void pending_recycle(struct pending_ring *ring, struct pending *finished);
void pending_ring_release(struct pending_ring *ring);

#endif
