/*
 * Live volumes: what the cluster store says of each volume, kept in memory by its watches, together
 * with the bricks that are registered and the processes that this trivetd supervises. Every change
 * goes store first, memory after, so that memory never says more than is durable.
 *
 *     all registered: view_first ─┐
 *     MGMT_PROPOSE: checked ──────┴─► view_save ──► watch ──► live.view, tell bricks, wake waiters
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_LIVE_H
#define TRIVET_MGMT_LIVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/proto/mgmt.h"
#include "backend/rpc/rpc.h"
#include "mgmt/cluster_store.h"
#include "mgmt/supervise.h"
#include "mgmt/views.h"
#include "mgmt/volumes.h"

/* What stays when the connection ends or the process dies: said, but is_registered, and pid. */
struct live_brick {
    struct process *process;           /* of whoever commands the volume; NULL: none */
    struct rpc_connection *connection; /* it registered on, a reference; NULL: not registered */
    struct candidate said;
    uint32_t pid; /* as it registered; 0 after its end was seen */
    /* On this connection: the news last told, with which view, and acknowledged; and whether a
     * SUPERVISED_VIEW is on its way. */
    uint64_t told;
    uint64_t told_view;
    uint64_t acknowledged;
    unsigned tellings;
    /* For the log: when it registered last, and when and how it was lost last. */
    uint64_t came_ns;
    uint64_t lost_ns;
    const char *lost_how;
};

struct live_volume {
    struct live_volume *next;
    struct volume_definition definition;
    struct view view; /* number 0: none yet */
    struct view_change change;
    uint64_t view_version;
    uint64_t view_ns; /* when it came into memory */
    uint64_t news;    /* counts changes of what bricks are told */
    struct live_brick bricks[SET_MEMBERS_MAX];
};

/*
 * lock guards everything below it and every live_volume. Nothing waits for disk or network under
 * it; the supervisor's lock may be taken under it. changed is broadcast whenever something that
 * somebody may wait for has changed.
 */
struct live {
    struct cluster_store *store;
    struct rpc_loop *loop;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct live_volume *volumes;
    size_t volume_count;
    struct waiter *waiters;
    size_t waiter_count;
    struct record_work *works; /* oldest first; one worker does them, one after the other */
    struct record_work **works_end;
    size_t work_count;
    bool is_working;
    bool stopping;
};

/* Read the store and watch it. Fails: -E_CORRUPT …, with a sentence. */
int live_init(struct live *live, struct cluster_store *store, struct rpc_loop *loop,
              struct refusal *out_why);
/* Make everybody who waits give up, soon; nobody waits any more from now on. */
void live_stop(struct live *live);
/* After the loop has stopped. Processes run on. */
void live_release(struct live *live);

/* ---- lock held ----------------------------------------------------------------------------- */

struct live_volume *live_find(struct live *live, const char *name);
struct live_volume *live_find_id(struct live *live, const struct volume_id *id);
/* What a client or brick is told of a volume. */
void live_spec(const struct live_volume *volume, struct volume_spec *out_spec);

/* ---- lock not held ------------------------------------------------------------------------- */

/* Wait until changed is broadcast or end (CLOCK_MONOTONIC ns); lock is held by the caller.
 * Fails: -ETIMEDOUT, -ECANCELED (trivetd stops). */
int live_wait(struct live *live, uint64_t end_ns);
/* Something about the processes changed: wake whoever waits. */
void live_poke(struct live *live);
/* Every so often: tell views again that were not acknowledged, answer waiters whose time is up. */
void live_tick(struct live *live);

/* A brick came up on connection; it is entered and told what is decided. Fails: as MGMT_REGISTER.
 */
int live_register(struct live *live, struct rpc_connection *connection,
                  const struct mgmt_register_args *args, struct volume_spec *out_spec);
/* connection ended: who registered on it is no longer, who waited on it is forgotten. */
void live_disconnected(struct live *live, struct rpc_connection *connection);
/* Bring the view to those that do not have it. */
void live_tell(struct live *live, const struct volume_id *id);
/* The process pid has ended: if it is a brick's, the others of its volume are told, and it is
 * registered no longer, so that nothing that it still has sent counts. */
void live_process_ended(struct live *live, pid_t pid);
/* Bring memory to what the store says of the volume of that name, and tell everybody. */
void live_follow(struct live *live, const char *name);

/*
 * Records: live_record.c. First views, proposals and readings are done one after the other in the
 * order in which they came, so that the answer to a reading says of every proposal that was sent
 * before it on the same connection, or on one that was given up, whether it was taken.
 */

/* Make the first view, if the volume has none and every brick is registered. */
void live_begin(struct live *live, const struct volume_id *id);
/* Answer MGMT_PROPOSE and MGMT_CURRENT. args is copied. */
void live_propose(struct live *live, struct rpc_call *call, const struct mgmt_propose_args *args);
void live_answer_current(struct live *live, struct rpc_call *call,
                         const struct mgmt_current_args *args);

/* Answer MGMT_VOLUME now, or when there is news or time is up. */
void live_answer_volume(struct live *live, struct rpc_call *call,
                        const struct mgmt_volume_args *args);
/* Answer those whose wait is over: the volume is newer, changed, stopped or gone, or it is time. */
void live_answer_waiters(struct live *live, const struct rpc_connection *lost);

#endif
