/*
 * Orphans whose client is gone: files that were unlinked while a client had them open, and that it
 * did not live to let go. The primary lets go of them once the client has had no connection for
 * ORPHAN_KEEP_MS; when a brick becomes primary, the time begins anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"

/* A client that orphans are kept for, and that has no connection. */
struct missing {
    uint64_t client;
    uint64_t since_ns; /* monotonic */
    uint64_t pass;     /* the last pass over the orphans that met one of its */
    UT_hash_handle hh;
};

/* Only one tick is under way at a time, so that nothing of it needs a lock. */
struct orphan_watch {
    struct brick *brick;
    uint64_t keep_ns;
    struct missing *missing;
    struct gfid last; /* where the pass stands */
    uint64_t pass;
    atomic_bool ticking;
    atomic_bool was_away;   /* not primary: what is noted may have changed meanwhile */
    atomic_uint forgetting; /* submitted and not completed */
};

struct forgetting {
    struct orphan_watch *watch;
    struct mutation mutation;
    struct replica_ticket ticket;
};

int orphan_watch_new(struct brick *brick, unsigned keep_ms, struct orphan_watch **out_watch)
{
    struct orphan_watch *watch = calloc(1, sizeof *watch);
    if (!watch) {
        return -ENOMEM;
    }
    watch->brick = brick;
    watch->keep_ns = keep_ms * NS_PER_MS;
    *out_watch = watch;
    return 0;
}

static void forget_missing(struct orphan_watch *watch, bool all)
{
    struct missing *missing, *next;
    HASH_ITER(hh, watch->missing, missing, next)
    {
        if (all || missing->pass != watch->pass) {
            HASH_DEL(watch->missing, missing);
            free(missing);
        }
    }
}

void orphan_watch_free(struct orphan_watch *watch)
{
    if (watch) {
        forget_missing(watch, true);
        free(watch);
    }
}

static bool is_connected(struct brick *brick, uint64_t client)
{
    AUTO_LOCK(&brick->sessions_mutex);
    const struct brick_client *session;
    DL_SEARCH_SCALAR(brick->sessions, session, client, client);
    return session != NULL;
}

/* True if the client has been away for so long that its orphans may go. */
static bool is_gone(struct orphan_watch *watch, uint64_t client, uint64_t now_ns)
{
    struct missing *missing;
    HASH_FIND(hh, watch->missing, &client, sizeof client, missing);
    if (is_connected(watch->brick, client)) {
        if (missing) {
            HASH_DEL(watch->missing, missing);
            free(missing);
        }
        return false;
    }
    if (!missing) {
        missing = calloc(1, sizeof *missing);
        if (!missing) {
            return false; /* the next pass tries again */
        }
        missing->client = client;
        missing->since_ns = now_ns;
        HASH_ADD(hh, watch->missing, client, sizeof missing->client, missing);
    }
    missing->pass = watch->pass;
    return now_ns - missing->since_ns >= watch->keep_ns;
}

static void forgotten(struct replica_ticket *ticket, int status, const struct operation *operation)
{
    (void)status; /* what is still there is met by the next pass */
    (void)operation;
    struct forgetting *forgetting =
        (struct forgetting *)((char *)ticket - offsetof(struct forgetting, ticket));
    atomic_fetch_sub(&forgetting->watch->forgetting, 1);
    free(forgetting);
}

static void forget(struct orphan_watch *watch, const struct gfid *object)
{
    struct forgetting *forgetting = calloc(1, sizeof *forgetting);
    if (!forgetting) {
        return;
    }
    forgetting->watch = watch;
    forgetting->mutation = (struct mutation){
        .kind = MUTATION_FORGET, .cred = {.flags = CRED_CHECKED}, .object = *object};
    forgetting->ticket.complete = forgotten;
    atomic_fetch_add(&watch->forgetting, 1);
    replica_submit(watch->brick->driver, &forgetting->mutation, slice_of(NULL, 0),
                   &forgetting->ticket);
}

/* The next ORPHANS_PER_TICK of the pass. */
static void tick_run(void *context)
{
    struct orphan_watch *watch = context;
    struct brick *brick = watch->brick;
    uint64_t now_ns = clock_monotonic_ns(brick->driver->clock);
    if (atomic_exchange(&watch->was_away, false)) {
        forget_missing(watch, true);
    }
    for (int i = 0; i < ORPHANS_PER_TICK; i++) {
        struct gfid object;
        uint64_t client;
        if (store_orphan_next(brick->store, &watch->last, &object, &client) < 0) {
            forget_missing(watch, false);
            watch->pass++;
            watch->last = GFID_NONE;
            break;
        }
        watch->last = object;
        if (is_gone(watch, client, now_ns)) {
            forget(watch, &object);
        }
    }
    atomic_store(&watch->ticking, false);
}

void orphan_watch_tick(struct orphan_watch *watch)
{
    if (atomic_load(&watch->brick->driver->role) != ROLE_PRIMARY) {
        atomic_store(&watch->was_away, true);
        return;
    }
    if (atomic_load(&watch->forgetting) > 0 || atomic_exchange(&watch->ticking, true)) {
        return;
    }
    rpc_offload(watch->brick->loop, tick_run, watch);
}
