/*
 * Drives the step function of replica.h with the store and the peers: the only place where its
 * effects are performed.
 *
 *   replica_driver.c  performs effects; the pump that sends and applies in order; views, time, life
 *   replica_submit.c  mutations: repeated, refused, or decided and sequenced
 *   replica_read.c    what answers rest on
 *   replica_stream.c  the primary's side of the streams to the other members
 *   replica_serve.c   a member's side: the TRIVET_REPLICA program
 *   replica_sync.c    durable: fsync on every in-sync member
 *
 * Locks: mutex (rank 1) guards all but the atomics; the store's own locks (rank 2) are taken under
 * it.
 * decide and sequence run under it, since their order is the order of operations; sending, applying
 * and answering do not. At most one thread at a time sends to a member, and one applies; whoever
 * comes while another does leaves its work to that one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_REPLICA_REPLICA_DRIVER_H
#define TRIVET_REPLICA_REPLICA_DRIVER_H

#include <pthread.h>
#include <stdatomic.h>
#include "backend/base/clock.h"
#include "backend/replica/pending.h"
#include "backend/replica/replica.h"
#include "backend/replica/reply_memory.h"
#include "backend/rpc/rpc.h"
#include "backend/store/store.h"

struct stream;

struct peer {
    bool wanted;           /* a stream is to be open */
    bool sending;          /* a thread is sending to it */
    uint64_t next;         /* next index to send */
    uint64_t last;         /* send up to here */
    uint64_t next_try_ns;  /* monotonic */
    uint64_t bytes_free;   /* as it last said; UINT64_MAX: not yet */
    struct stream *stream; /* NULL: none */
};

struct replica_sync_round; /* replica_sync.c */

struct replica_driver {
    struct rpc_loop *loop;
    struct store *store;
    struct clock *clock;
    struct store_identity identity;
    uint64_t incarnation;
    /* Called once, on any thread, when this brick has failed and must stop. */
    void (*failed)(void *context, int status);
    void *failed_context;
    /* Caches (may be NULL): hold, under the mutex, says whether operation must not be committed
     * before replica_release; held is then called without locks. Set before the first view. */
    bool (*hold)(void *context, const struct operation *operation, uint64_t session);
    void (*held)(void *context);
    void *hold_context;
    struct rpc_program program; /* TRIVET_REPLICA, for the daemon's service */
    struct rpc_service peer_service; /* of dialled connections */

    pthread_mutex_t mutex;
    struct replica replica;
    struct pending_ring ring;
    struct reply_memory *memory;
    bool applying;
    bool stopping;
    uint64_t apply_last; /* apply up to here */
    /* The tail of the log at start, above what was known committed: the process before may have
     * died with the bytes of its WRITEs unwritten. */
    uint64_t tail_first, tail_last;
    /* What a backup is sent once more for its bytes, and reports nothing of until then: that tail,
     * or what it has of a primary whose process died and leads again, perhaps without bytes that
     * are here. */
    uint64_t repair_next, repair_last;
    bool repairing; /* a thread is writing an operation of the tail again */
    uint64_t last_heartbeat_ns;
    uint64_t grace_end_ns; /* until then nothing new is committed: grants of the process before */
    struct peer peers[SET_MEMBERS_MAX];
    struct replica_sync_round *log_round, *log_next; /* durable name space operations */
    unsigned joined;               /* syncs that a thread of the store's completes */
    pthread_cond_t joined_changed; /* none is left */

    _Atomic uint64_t serving_view; /* number of the view it may answer in, or 0 */
    _Atomic uint64_t view_number;
    _Atomic unsigned role;       /* the step function's, for those without the mutex */
    _Atomic uint64_t committed;
    _Atomic uint64_t bytes_free; /* on the smallest in-sync member, less the reserve */
    _Atomic uint64_t verifier;   /* the write verifier */
    _Atomic uint64_t *depends;   /* DEPENDENCY_CELLS: last index that touched a key of the cell */
};

int replica_driver_new(struct rpc_loop *loop, struct store *store, struct clock *clock,
                       void (*failed)(void *context, int status), void *failed_context,
                       struct replica_driver **out_driver);
/* Stop serving, wake everybody who waits with -E_CONNECTION_LOST. Before rpc_loop_stop. */
void replica_driver_stop(struct replica_driver *driver);
/* After the loop has stopped. */
void replica_driver_free(struct replica_driver *driver);

/* The view, from trivetd. Makes it durable, then acts in it. Blocks on the disk. */
int replica_driver_view(struct replica_driver *driver, const struct view *view);

/* Called by the daemon every few ms: due dials, heartbeats. */
void replica_driver_tick(struct replica_driver *driver);

/* ---- mutations ----------------------------------------------------------------------------- */

/* Part of the caller's request; lives until complete. */
struct replica_ticket {
    /* Once, without locks. status 0: operation (the decided one) is committed on every in-sync
     * brick. A refusal: operation may hold the attributes as they are, or be NULL. */
    void (*complete)(struct replica_ticket *ticket, int status, const struct operation *operation);
    struct replica_waiter waiter; /* the driver's */
    struct replica_driver *driver;
    struct operation refused;
    uint64_t index;
    int status;
};

/*
 * Order a mutation. bulk and the mutation's slices stay valid until complete, which may run before
 * return.
 */
void replica_submit(struct replica_driver *driver, const struct mutation *mutation,
                    struct slice bulk, struct replica_ticket *ticket);

/* What hold said must wait need not any more. */
void replica_release(struct replica_driver *driver, uint64_t index);
/* Commit nothing new until ms have passed: what an earlier process of this brick granted may still
 * be in caches. Before the first view. */
void replica_grace(struct replica_driver *driver, unsigned ms);

/* ---- reads --------------------------------------------------------------------------------- */

/* What an answer rests on. Two different things may have one key; that costs a wait. */
uint64_t replica_key_object(const struct gfid *object);
uint64_t replica_key_name(const struct gfid *parent, struct slice name);

/* The index of the last operation that touched what key stands for, if it is not committed; else
 * 0. */
uint64_t replica_depends(const struct replica_driver *driver, uint64_t key);

/*
 * Wait until index is committed: true if it is (or 0) already, and waiter is then not used; else
 * waiter->wake is called later, with status 0 or why the wait ended.
 */
bool replica_wait(struct replica_driver *driver, uint64_t index, struct replica_waiter *waiter);

/* 0 if a request naming set and view may be answered now; else a negative code. */
int replica_admit(const struct replica_driver *driver, uint32_t set, uint64_t view);

/* ---- durable ------------------------------------------------------------------------------- */

/* A sync of this member's store. */
struct replica_sync_here {
    void (*complete)(struct replica_sync_here *here, int status); /* once, without locks */
    struct replica_driver *driver;
    struct gfid object;
    struct store_sync store; /* the driver's */
};

struct replica_sync {
    void (*complete)(struct replica_sync *sync, int status); /* once, without locks */
    /* the driver's */
    struct replica_driver *driver;
    struct gfid object;
    uint64_t index;
    struct replica_sync_here here;
    _Atomic int waiting;
    _Atomic int status;
    struct replica_sync *next;
};

/* Make object durable on every in-sync member; GFID_NONE: every record of the log so far. */
void replica_sync_start(struct replica_driver *driver, const struct gfid *object,
                        struct replica_sync *sync);

struct replica_status {
    enum replica_role role;
    uint64_t view;
    uint64_t sequenced, applied, committed;
};
void replica_status(struct replica_driver *driver, struct replica_status *out_status);

/* ---- between the driver's files ------------------------------------------------------------ */

/* Take a step and perform what can be performed at once, under the mutex; what has finished by it
 * is put on *finished. The caller then unlocks and calls replica_pump. */
void replica_driver_step(struct replica_driver *driver, const struct replica_event *event,
                         struct pending **finished);
/* Without the mutex: send, apply, answer. Consumes finished. */
void replica_pump(struct replica_driver *driver, struct pending *finished);
/* replica_submit.c */
void replica_grace_locked(struct replica_driver *driver, unsigned ms);
void replica_grace_tick(struct replica_driver *driver);
/* replica_read.c: mark what operation touches; wait with the mutex held. */
void replica_depend_operation(struct replica_driver *driver, const struct operation *operation);
bool replica_wait_locked(struct replica_driver *driver, uint64_t index,
                         struct replica_waiter *waiter);
/* replica_stream.c */
void replica_stream_service(struct replica_driver *driver, struct rpc_service *out_service);
void replica_stream_dial_due(void *driver);
void replica_stream_close(struct replica_driver *driver, uint32_t member);
/* Send one operation on a member's stream; the stream is held by the caller. */
void replica_stream_send(struct stream *stream, struct slice record, struct slice bulk,
                         uint64_t commit_index);
struct stream *replica_stream_get(struct stream *stream);
void replica_stream_put(struct stream *stream);
struct rpc_connection *replica_stream_connection(struct stream *stream);
void replica_stream_heartbeat(struct stream *stream, uint64_t commit_index);
/* replica_sync.c: sync on whatever thread will do; when stopping: on no thread of the store's. */
void replica_sync_here(struct replica_sync_here *here);
void replica_sync_drain(struct replica_driver *driver);
/* replica_serve.c */
extern const struct rpc_procedure replica_procedures[];
extern const uint32_t replica_procedure_count;
void replica_serve_applied(struct replica_driver *driver, struct pending *pending, int status);

#endif
