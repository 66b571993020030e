/*
 * Open descriptors of objects, by gfid: the ones used last stay open. A descriptor that somebody
 * uses is never closed under him.
 *
 * Threads: any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_FD_CACHE_H
#define TRIVET_STORE_FD_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/proto/gfid.h"

struct fd_cache;

struct store_sync;

/* How far an open file is on stable storage: sync_ahead.c's, and guarded by its mutex. */
struct file_sync {
    uint64_t changed; /* counts changes; 1 at first, since what came before is not known */
    uint64_t synced;  /* of these, on stable storage */
    uint64_t ahead;   /* and what a sync begun ahead will bring there; 0: there is none */
    uint64_t asked;   /* how many there were when they were last asked for */
    uint64_t stride;  /* that was so many more than the time before */
    uint32_t repeats; /* so often in a row */
    uint32_t waiting; /* for the sync under way to end */
    bool syncing;
    struct store_sync *joined; /* who is answered when the one ahead has ended */
};

/* A counted descriptor; fd and type do not change. */
struct open_object {
    int fd;
    uint32_t type; /* enum object_type: a file or directory is open, anything else is an O_PATH */
    struct file_sync sync;
};

int fd_cache_new(uint32_t size, struct fd_cache **out_cache);
/* Nobody uses a descriptor any more. */
void fd_cache_free(struct fd_cache *cache);

/* The object's descriptor, or NULL. */
struct open_object *fd_cache_get(struct fd_cache *cache, const struct gfid *gfid);
/* Add fd, which is the cache's from now on, in failure too; if the object has one already, that one
 * is returned and fd is closed. NULL: no memory. */
struct open_object *fd_cache_add(struct fd_cache *cache, const struct gfid *gfid, uint32_t type,
                                 int fd);
/* One user more of what is in use. */
void fd_cache_hold(struct fd_cache *cache, struct open_object *object);
void fd_cache_put(struct fd_cache *cache, struct open_object *object);
/* The object is gone: keep its descriptor no longer than it is used. */
void fd_cache_forget(struct fd_cache *cache, const struct gfid *gfid);

#endif
