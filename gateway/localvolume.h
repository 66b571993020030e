/*
 * A plain directory as a volume: what localvolume.c (attributes, lookups, bytes, listing),
 * localnames.c (making, removing, renaming) and localbeside.c (extended attributes, space, files
 * without a name) share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_LOCALVOLUME_H
#define TRIVET_GATEWAY_LOCALVOLUME_H

#include <stdio.h>
#include "gateway/localobject.h"
#include "gateway/localreplies.h"
#include "gateway/volume.h"

struct local_kept;

struct local_volume {
    struct volume volume; /* first */
    struct local_tree tree;
    uint64_t verifier;
    struct local_replies replies;
    pthread_mutex_t kept_lock; /* a leaf */
    struct local_kept *kept;   /* files that have no name and are open */
};

/* A name with its NUL, for the kernel; volume_submit has checked it. */
struct local_name {
    char text[NAME_SIZE_MAX + 1];
};

static inline struct local_name local_name_of(struct slice slice)
{
    struct local_name name;
    memcpy(name.text, slice.data, slice.size);
    name.text[slice.size] = '\0';
    return name;
}

/* "/proc/self/fd/N": what system calls take that know no AT_EMPTY_PATH. */
struct local_path {
    char text[32];
};

static inline struct local_path local_path_of(int fd)
{
    struct local_path path;
    (void)snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd); /* always fits */
    return path;
}

static inline struct attr_before local_before(const struct attr *attr)
{
    return (struct attr_before){
        .present = true, .size = attr->size, .mtime = attr->mtime, .ctime = attr->ctime};
}

/* Open request->object and put its attributes into reply.object. */
int local_open_object(struct local_volume *local, struct volume_request *request, int flags,
                      int *out_fd);
/* Open a directory and put its attributes into out_attr and out_before. Fails: -ENOTDIR … */
int local_open_directory(struct local_volume *local, const struct gfid *gfid, int *out_fd,
                         struct attr *out_attr, struct attr_before *out_before);
/* Make the change to the open object with those attributes; permission has been checked. */
int local_change_apply(int fd, const struct attr *attr, const struct attr_change *change);

/* Open a regular file for data, after checking who asks (PERMISSION_…). */
int local_open_file(struct local_volume *local, struct volume_request *request, int flags,
                    unsigned wanted, int *out_fd);
/* We write as root, so the kernel leaves the bits that a change by another must clear. */
void local_drop_privilege(int fd, const struct volume_request *request);

/* Hold an open file until FORGET. Fails: -ENOMEM, -EMFILE. */
int local_keep(struct local_volume *local, const struct gfid *gfid, int fd);
/* The opposite. Fails: -ESTALE. */
int local_let_go(struct local_volume *local, const struct gfid *gfid);
int local_forget(struct local_volume *local, struct volume_request *request);
void local_forget_all(struct local_volume *local);

int local_getxattr(struct local_volume *local, struct volume_request *request);
int local_listxattr(struct local_volume *local, struct volume_request *request);
int local_setxattr(struct local_volume *local, struct volume_request *request);
int local_allocate(struct local_volume *local, struct volume_request *request);
int local_seek(struct local_volume *local, struct volume_request *request);
int local_copy(struct local_volume *local, struct volume_request *request);

int local_tmpfile(struct local_volume *local, struct volume_request *request);
/* CREATE, MKDIR, SYMLINK, MKNOD; LINK; REMOVE, RMDIR; RENAME. */
int local_make(struct local_volume *local, struct volume_request *request);
int local_link(struct local_volume *local, struct volume_request *request);
int local_remove(struct local_volume *local, struct volume_request *request);
int local_rename(struct local_volume *local, struct volume_request *request);

#endif
