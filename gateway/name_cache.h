/*
 * What the volume granted this client of single names: which object a name in a directory stands
 * for, or that there is none. With the attributes of directory and object (object_cache.h) a LOOKUP
 * is answered here. An NFS client asks for each component of each path, a kernel for a name that it
 * is about to make. For callers whom no kernel has checked, a gateway's, also all entries of a
 * listing are kept: whoever walks a tree looks up next what he found.
 *
 * The rules against late answers are the object cache's: a recall after the request was submitted
 * voids its grant, an own change answered meanwhile voids what a look-up saw (generation).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_NAME_CACHE_H
#define TRIVET_GATEWAY_NAME_CACHE_H

#include "gateway/object_cache.h"
#include "gateway/whole_directory.h"

/* Longer names are not kept: few, and a slot shall be two cache lines. */
#define NAME_CACHE_NAME_MAX 55

struct name_slot {
    struct gfid parent; /* GFID_NONE: nobody's */
    struct gfid child;  /* GFID_NONE: there is no such name */
    uint64_t until_ns;  /* 0: not known */
    uint64_t epoch;     /* of the lease */
    uint64_t generation;
    uint8_t size;
    uint8_t name[NAME_CACHE_NAME_MAX];
};

/* Threads: any, for all functions but init and release. */
struct name_cache {
    pthread_mutex_t locks[OBJECT_CACHE_LOCKS]; /* of the slots whose number modulo it is; rank 9 */
    struct name_slot *slots;                   /* NAME_CACHE_SLOTS; NULL: nothing is kept */
    struct object_cache *objects; /* its lease, recalls and quiet time count here too */
    struct whole_directories whole;
};

/* Without memory, or unless is_used, it stays empty. */
void name_cache_init(struct name_cache *cache, struct object_cache *objects, bool is_used);
void name_cache_release(struct name_cache *cache);

/* A request is submitted: note what its answer may not overtake. After object_cache_begin. */
void name_cache_begin(struct name_cache *cache, struct volume_request *request);

/* True if a LOOKUP could be answered; its reply is then complete. */
bool name_cache_answer(struct name_cache *cache, struct volume_request *request, uint64_t now_ns);

/* A request was answered, or its outcome will never be known (status -EINTR). After the object
 * cache has learned. */
void name_cache_learn(struct name_cache *cache, const struct volume_request *request,
                      uint64_t sent_ns);

/* The volume takes back an object and a name; after object_cache_recall. */
void name_cache_recall(struct name_cache *cache, const struct gfid *object,
                       const struct gfid *parent, struct slice name);

#endif
