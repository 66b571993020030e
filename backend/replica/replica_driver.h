/*
 * Drives the step function of replica.h with the store and the peers: the only place where its
 * effects are performed.
 *
 *   replica_driver.c  performs effects; the pump that sends and applies in order; time, life
 *   replica_record.c  views: taken, proposed and read
 *   replica_beats.c   heartbeats to and from the other bricks
 *   replica_submit.c  mutations: repeated, refused, or decided and sequenced
 *   replica_read.c    what answers rest on: committed state, and the lease when they are sent
 *   replica_stream.c  the primary's side of the streams to the other members
 *   replica_catch_up.c  the same for a member that returns: comparing logs, not flooding it
 *   replica_serve.c   a member's side: the TRIVET_REPLICA program
 *   replica_return.c  a member that returns: cutting back what the others never got
 *   replica_sync.c    durable: fsync on every in-sync member
 *   replica_disk.c    the watch over what waits for the disk
 *
 * Two loops: the daemon's carries operations; the driver's own, control, carries heartbeats, views
 * and proposals, so that these never wait behind a disk.
 *
 * Locks: view_mutex (rank 0) is held while a view is made durable and begun, checkpoint_mutex
 * (rank 0) while the store is another's; both wait for the disk, and nobody who answers for them.
 * mutex (rank 1) guards
 * all but the atomics; the store's own locks (rank 2) are taken under it.
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
struct replica_driver;

struct peer {
    struct replica_driver *driver;
    uint32_t member;
    bool wanted;           /* a stream is to be open */
    bool sending;          /* a thread is sending to it */
    bool told;             /* it was logged that this peer cannot return */
    unsigned pause_ms;     /* before the next dial */
    uint64_t next;         /* next index to send */
    uint64_t last;         /* send up to here */
    uint64_t next_try_ns;  /* monotonic */
    uint64_t bytes_free;   /* as it last said; UINT64_MAX: not yet */
    struct stream *stream; /* NULL: none */
};

struct replica_sync_round; /* replica_sync.c */

/*
 * The record of the set in the cluster store. Both functions return at once;
 * replica_record_proposed or replica_record_read follows, on a thread that may wait.
 */
struct replica_record {
    /* Put next in place of current; serial goes back with the outcome. */
    void (*propose)(void *context, uint64_t serial, const struct view *current,
                    const struct view *next);
    void (*read)(void *context);
    void *context;
};

/* Heartbeats that one peer may leave unanswered before no more are sent: those of BEAT_MS, and one
 * more after a view or a death. */
#define BEATS_WAITING_MAX 4

struct beat_link;
struct beat_call {
    struct beat_link *link;
    struct rpc_connection *connection; /* NULL: free */
    uint64_t sent_ns;
};

/* Heartbeats to one other brick. */
struct beat_link {
    struct replica_driver *driver;
    uint32_t member;
    bool dialling;
    unsigned tries;       /* since an answer came: they go through the ports that are known */
    uint16_t called_port; /* where the one listens who called last; 0: nobody has */
    unsigned pause_ms;
    uint64_t next_try_ns;
    struct rpc_connection *connection; /* NULL: none */
    struct beat_call calls[BEATS_WAITING_MAX];
};

/* Calls of the store that may wait for the disk; each notes when it began. */
#define DISK_SYNCS_WATCHED 16
enum disk_call {
    DISK_APPLY,
    DISK_REPAIR,
    DISK_SEQUENCE,
    DISK_VIEW,
    DISK_CHECKPOINT,
    DISK_SYNC, /* and those behind it */
    DISK_CALLS = DISK_SYNC + DISK_SYNCS_WATCHED
};

struct replica_driver {
    struct rpc_loop *loop;
    struct rpc_loop *control;
    struct store *store;
    struct clock *clock;
    struct store_identity identity;
    uint64_t incarnation;
    /* Called on any thread, perhaps with the mutex held, when this brick has failed and its process
     * must end: status says why; -E_REMOVED: it was removed from its set and returns as a new
     * process. Nothing is answered from then on. */
    void (*failed)(void *context, int status);
    void *failed_context;
    struct replica_record record; /* set before the first view; without functions: no proposals */
    /* Caches (may be NULL): hold, under the mutex, says whether operation must not be committed
     * before replica_release; held is then called without locks. Set before the first view. */
    bool (*hold)(void *context, const struct operation *operation, uint64_t session);
    void (*held)(void *context);
    void *hold_context;
    struct rpc_program program;      /* TRIVET_REPLICA, for the daemon's service */
    struct rpc_service peer_service; /* of dialled connections: streams */
    struct rpc_service beat_service; /* and heartbeats */

    pthread_mutex_t view_mutex;
    pthread_mutex_t checkpoint_mutex; /* rank 0: the store is checkpointed, or cut back */
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
     * or what it has of a primary whose own tail may lack bytes that are here. */
    uint64_t repair_next, repair_last;
    bool repairing; /* a thread is writing an operation of the tail again */
    /* This member leads, and from here to there its own bytes may be missing: the others are to
     * take them from it all the same. 0: none. */
    uint64_t unsure_first, unsure_last;
    uint64_t log_begun;     /* what the log had when this process opened it */
    _Atomic bool returning; /* a thread cuts the log back */
    uint64_t last_heartbeat_ns;
    uint64_t grace_end_ns; /* until then nothing new is committed: grants of the process before */
    struct peer peers[SET_MEMBERS_MAX];
    struct beat_link links[SET_MEMBERS_MAX];
    struct replica_effect answer;  /* EFFECT_ANSWER or EFFECT_REFUSE of the latest step, or none */
    struct pending *finished;      /* to be answered by the next pump */
    struct replica_waiter *parked; /* answers that wait for the lease */
    uint64_t propose_serial;       /* of the latest sending of a proposal */
    uint64_t propose_first;        /* the first of the proposal that is open */
    bool beats_wanted;             /* a thread is about to send heartbeats */
    bool read_wanted;
    uint64_t read_ns;                                /* when the record was last asked for */
    struct replica_sync_round *log_round, *log_next; /* durable name space operations */
    unsigned joined;               /* syncs that a thread of the store's completes */
    pthread_cond_t joined_changed; /* none is left */

    _Atomic uint64_t serving_view; /* number of the view it may answer in, or 0 */
    _Atomic uint64_t view_number;
    _Atomic unsigned role; /* the step function's, for those without the mutex */
    _Atomic uint64_t committed;
    _Atomic uint64_t lease_ns;               /* it may answer until then */
    _Atomic uint64_t tick_ns;                /* the time, to within a tick or two */
    _Atomic bool unsynced;                   /* a sync has failed: none succeeds any more */
    _Atomic uint64_t disk_calls[DISK_CALLS]; /* when each began; 0: none is under way */
    _Atomic uint64_t bytes_free;             /* on the smallest in-sync member, less the reserve */
    _Atomic uint64_t own_bytes_free;
    _Atomic uint64_t verifier; /* the write verifier */
    _Atomic uint64_t *depends; /* DEPENDENCY_CELLS: last index that touched a key of the cell */
};

int replica_driver_new(struct rpc_loop *loop, struct store *store, struct clock *clock,
                       void (*failed)(void *context, int status), void *failed_context,
                       struct replica_driver **out_driver);
/* Stop serving, wake everybody who waits with -E_CONNECTION_LOST. Before rpc_loop_stop. */
void replica_driver_stop(struct replica_driver *driver);
/* After the loop has stopped. */
void replica_driver_free(struct replica_driver *driver);

/* Where this brick listens, as the others are told. Before the first view. */
void replica_driver_listens(struct replica_driver *driver, uint16_t port);
/* Members without which nothing is acknowledged; 0: as it is. */
void replica_driver_min_insync(struct replica_driver *driver, uint32_t count);

/* The view, from trivetd. Makes it durable, then acts in it. Blocks on the disk. */
int replica_driver_view(struct replica_driver *driver, const struct view *view);
/* trivetd has seen that process of that brick end. */
void replica_driver_death(struct replica_driver *driver, uint32_t brick, uint64_t incarnation);
/* How a proposal went: 0, -E_VERSION_CONFLICT, or not known. record: as it is now, NULL: not known.
 * Blocks on the disk. */
void replica_record_proposed(struct replica_driver *driver, uint64_t serial, int status,
                             const struct view *record);
/* What a reading came to, NULL: nothing. Blocks on the disk. */
void replica_record_read(struct replica_driver *driver, const struct view *record);

/* Called by the daemon every few ms: due dials, commit indexes for members that are idle. */
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

/* 0 if a request naming set and view may be begun now; else a negative code. */
int replica_admit(const struct replica_driver *driver, uint32_t set, uint64_t view);

/*
 * May an answer that has been gathered be sent now? The last question before it is. view: that it
 * was gathered in; 0: it rests on an operation that is committed, whatever the view.
 */
bool replica_has_lease(const struct replica_driver *driver, uint64_t view);
/*
 * If it was not: 0, by now it may. A negative code: the view is over, and that is the answer. 1:
 * the lease has run out; waiter is woken when it is back, or the view over, to ask again: its
 * status says nothing.
 */
int replica_may_send(struct replica_driver *driver, uint64_t view, struct replica_waiter *waiter);

/* ---- durable ------------------------------------------------------------------------------- */

/* A sync of this member's store. */
struct replica_sync_here {
    void (*complete)(struct replica_sync_here *here, int status); /* once, without locks */
    struct replica_driver *driver;
    struct gfid object;
    struct store_sync store; /* the driver's */
    int watched;
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

struct replica_status_peer {
    bool joins;
    bool in_contact;
    uint32_t state; /* enum member_state */
    uint64_t acked; /* of the primary only */
};
struct replica_status {
    enum replica_role role;
    uint64_t view;
    uint64_t sequenced, applied, committed;
    uint32_t peer_count;
    struct replica_status_peer peers[SET_MEMBERS_MAX];
};
void replica_status(struct replica_driver *driver, struct replica_status *out_status);

/* ---- between the driver's files ------------------------------------------------------------ */

/* Take a step, now, and perform what can be performed at once, under the mutex; what has finished
 * by it is put on *finished. The caller then unlocks and calls replica_pump. */
void replica_driver_step(struct replica_driver *driver, const struct replica_event *event,
                         struct pending **finished);
/* Without the mutex: send, apply, answer. Consumes finished. */
void replica_pump(struct replica_driver *driver, struct pending *finished);
/* The same on a worker, soon, for threads that must not wait. With the mutex held. */
void replica_pump_soon(struct replica_driver *driver, struct pending *finished);
/* End this process, to return as a new one. With the mutex held. */
void replica_reenter(struct replica_driver *driver);
/* This member cannot go on. */
void replica_driver_fail(struct replica_driver *driver, int status);
/* Fill the reply memory from the log, up to the operation sequenced. */
void replica_driver_remember(struct replica_driver *driver, uint64_t sequenced);
/* replica_record.c: with the mutex held. */
void replica_record_propose(struct replica_driver *driver);
void replica_record_want(struct replica_driver *driver);
void replica_record_tick(struct replica_driver *driver);
/* replica_beats.c: send one to each other brick, soon; with the mutex held. */
void replica_beats_want(struct replica_driver *driver);
void replica_beats_tick(struct replica_driver *driver);
void replica_beats_stop(struct replica_driver *driver);
void replica_beats_service(struct replica_driver *driver, struct rpc_service *out_service);
rpc_handler replica_serve_beat;
/* Where a member listens, as far as is known. */
uint16_t replica_member_port(const struct replica_driver *driver, uint32_t member);
/* replica_disk.c */
void replica_disk_begin(struct replica_driver *driver, enum disk_call call);
void replica_disk_end(struct replica_driver *driver, enum disk_call call);
/* Of a sync, of which there may be many: the call to end, or -1 if it is not watched. */
int replica_disk_sync_begin(struct replica_driver *driver);
void replica_disk_sync_end(struct replica_driver *driver, int call);
/* Has one of them taken too long? */
bool replica_disk_stalls(struct replica_driver *driver, uint64_t now_ns);
/* store_checkpoint, watched; not while the log is cut back. */
int replica_checkpoint(struct replica_driver *driver);
/* replica_submit.c */
void replica_grace_locked(struct replica_driver *driver, unsigned ms);
void replica_grace_tick(struct replica_driver *driver);
/* replica_read.c: mark what operation touches; wait with the mutex held; publish what answers
 * depend on, after a step. */
void replica_depend_operation(struct replica_driver *driver, const struct operation *operation);
bool replica_wait_locked(struct replica_driver *driver, uint64_t index,
                         struct replica_waiter *waiter);
void replica_publish(struct replica_driver *driver);
/* Let everybody who waits for the lease ask again. With the mutex held. */
void replica_unpark(struct replica_driver *driver);
/* replica_stream.c: one stream. Its member lies in peers[member] while it is that peer's. */
struct stream {
    struct replica_driver *driver;
    uint32_t member;
    uint64_t view;
    bool joins; /* of a member that is not in sync */
    atomic_uint refs;
    struct rpc_connection *connection;
    /* of a member that returns: what it said of its log */
    uint64_t incarnation;
    uint64_t last_index, last_birth, applied_index, commit_index;
    bool was_cut;
};
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
/* Report an event of this stream, unless it is no longer its member's. */
void replica_stream_step(struct stream *stream, struct replica_event event);
/* Dial again, not before pause_ms (0: soon) have passed. */
void replica_stream_lost(struct stream *stream, unsigned pause_ms);
/* Ask a member that returns to cut its log back. */
void replica_stream_cut(struct stream *stream, uint64_t cut_to);
/* replica_driver.c: send one operation on a stream, from the ring or the log. With the mutex held,
 * and again at return. */
void replica_send_one(struct replica_driver *driver, struct peer *peer, struct pending **finished);
/* replica_catch_up.c: a member that returns has said what it has; see whether the log here goes on
 * from there. Takes stream. */
void replica_catch_up_compare(void *stream);
/* Send what may be sent to a member that returns, on a worker. With the mutex held. */
void replica_catch_up_send(struct replica_driver *driver, struct peer *peer);
rpc_handler replica_serve_fetch;
/* replica_return.c: cut the log back unless cut_to is 0, take bytes that are missing from the
 * primary, and answer call. With the mutex held. Fails: why call is to be answered at once. */
int replica_return_begin(struct replica_driver *driver, struct rpc_call *call, uint64_t cut_to);
/* replica_sync.c: sync on whatever thread will do; when stopping: on no thread of the store's. */
void replica_sync_here(struct replica_sync_here *here);
void replica_sync_drain(struct replica_driver *driver);
/* replica_serve.c */
extern const struct rpc_procedure replica_procedures[];
extern const uint32_t replica_procedure_count;
void replica_serve_applied(struct replica_driver *driver, struct pending *pending, int status);
void replica_serve_opened(struct replica_driver *driver, struct rpc_call *call, int status);

#endif
