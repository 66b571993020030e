/*
 * Directories of which this client knows every name, since it made them itself and nobody else has
 * changed them. That a name is missing in one is then known without asking: whoever copies or
 * unpacks a tree looks each name up before he makes it.
 *
 * Any change of a directory's names changes its ctime, which never comes back. So what is known
 * stands as long as each answer about the directory begins with the ctime that the last one ended
 * with; while the directory's attributes are granted nobody else can have changed it since.
 *
 * Of names only hashes are kept: one that collides is asked for. Removed names stay in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_WHOLE_DIRECTORY_H
#define TRIVET_GATEWAY_WHOLE_DIRECTORY_H

#include "gateway/object_cache.h"

struct whole_directory {
    struct gfid gfid;         /* GFID_NONE: nobody's */
    struct timestamp ctime;   /* as this client was last told */
    uint64_t until_ns;        /* end of the grant */
    uint64_t epoch;           /* of the lease */
    uint64_t *hashes;         /* 0: free */
    uint32_t count, capacity; /* capacity: a power of two, or 0 */
};

/* Threads: any, for all functions but init and release. */
struct whole_directories {
    pthread_mutex_t locks[OBJECT_CACHE_LOCKS]; /* of the slots whose number modulo it is; rank 9 */
    struct whole_directory *slots;             /* WHOLE_DIRECTORIES; NULL: none are kept */
    struct object_cache *objects; /* its lease, recalls and quiet time count here too */
};

/* Without memory, or unless is_used, none are kept. */
void whole_directories_init(struct whole_directories *whole, struct object_cache *objects,
                            bool is_used);
void whole_directories_release(struct whole_directories *whole);

/* True if name is known to be missing in the directory at now_ns. */
bool whole_directories_lack(struct whole_directories *whole, const struct gfid *directory,
                            struct slice name, uint64_t now_ns);

/* A request was answered, or its outcome will never be known (status -EINTR). */
void whole_directories_learn(struct whole_directories *whole, const struct volume_request *request,
                             uint64_t sent_ns);

/* The volume takes back what it granted of an object. */
void whole_directories_recall(struct whole_directories *whole, const struct gfid *object);

#endif
