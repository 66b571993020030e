/*
 * Live volumes: what the cluster store says of each volume, kept in memory by its watches, together
 * with the bricks that are registered and the processes that this trivetd supervises. Every change
 * goes store first, memory after, so that memory never says more than is durable.
 *
 *     register ──► settle: view_next ──► view_save ──► watch ──► live.view, tell bricks, wake
 * waiters
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

struct live_brick {
    struct process *process;           /* of whoever commands the volume; NULL: none */
    struct rpc_connection *connection; /* it registered on, a reference; NULL: not registered */
    struct candidate said;
    uint32_t pid; /* as it registered */
    uint64_t view_acknowledged;
    bool is_being_told; /* a SUPERVISED_VIEW is on its way on this connection */
};

struct live_volume {
    struct live_volume *next;
    struct volume_definition definition;
    struct view view; /* number 0: none yet */
    uint64_t view_version;
    struct live_brick bricks[SET_MEMBERS_MAX];
    bool is_settling;   /* a worker decides about the next view */
    bool settle_again;  /* something changed meanwhile */
    bool settle_failed; /* the store did not take it: try again at the next tick */
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
/* See who may be in the next view, on a worker. */
void live_settle(struct live *live, const struct volume_id *id);
/* Bring the view to those that do not have it. */
void live_tell(struct live *live, const struct volume_id *id);

/* Answer MGMT_VOLUME now, or when there is news or time is up. */
void live_answer_volume(struct live *live, struct rpc_call *call,
                        const struct mgmt_volume_args *args);
/* Answer those whose wait is over: the volume is newer, changed, stopped or gone, or it is time. */
void live_answer_waiters(struct live *live, const struct rpc_connection *lost);

#endif
