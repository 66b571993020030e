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

#include <stdint.h>
#include "backend/proto/gfid.h"

struct fd_cache;

/* A counted descriptor; fd and type do not change. */
struct open_object {
    int fd;
    uint32_t type; /* enum object_type: a file or directory is open, anything else is an O_PATH */
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
void fd_cache_put(struct fd_cache *cache, struct open_object *object);
/* The object is gone: keep its descriptor no longer than it is used. */
void fd_cache_forget(struct fd_cache *cache, const struct gfid *gfid);

#endif
