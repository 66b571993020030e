/*
 * The objects of a plain directory by gfid. The kernel knows an object by its file handle
 * (name_to_handle_at); the gfid is inode number and a hash of the handle, so it stays the same
 * across restarts, and a table finds the handle again. The table knows what was looked up or listed
 * since the volume was opened; any other gfid is -ESTALE.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_LOCALOBJECT_H
#define TRIVET_GATEWAY_LOCALOBJECT_H

#include <pthread.h>
#include <stddef.h>
#include "backend/proto/attr.h"

struct local_object;

/* lock guards the table, and nothing else; no other lock is taken under it. */
struct local_tree {
    int root_fd;
    uint64_t root_device;
    uint64_t root_inode;
    pthread_rwlock_t lock;
    struct local_object **buckets;
    size_t bucket_count; /* a power of two */
    size_t object_count;
};

/*
 * Fails: errno of opening; -EOPNOTSUPP if the file system gives no handles; -EPERM without
 *        CAP_DAC_READ_SEARCH.
 */
int local_tree_init(struct local_tree *tree, const char *directory);
void local_tree_release(struct local_tree *tree);

/* Open an object (flags of open(2), O_PATH too). Fails: -ESTALE, errno. */
int local_open(struct local_tree *tree, const struct gfid *gfid, int flags, int *out_fd);

/* Attributes of the open object with that gfid. parent is filled for directories. */
int local_attr(struct local_tree *tree, int fd, const struct gfid *gfid, struct attr *out_attr);

/*
 * Open a name in a directory (O_PATH, symlinks are not followed), learn its gfid and attributes.
 * "." and ".." do not lead out of the tree. Fails: errno; -EXDEV for what is mounted there.
 */
int local_find(struct local_tree *tree, int directory_fd, const char *name, int *out_fd,
               struct attr *out_attr);

/* The same for what is open already. */
int local_find_open(struct local_tree *tree, int fd, struct attr *out_attr);

#endif
