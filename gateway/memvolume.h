/*
 * A volume in memory: its tree (memtree.c), the operations that change names (memnames.c), rows
 * xattr and space (membeside.c), and the others (memvolume.c). Every function here runs with the
 * volume's lock held.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_MEMVOLUME_H
#define TRIVET_GATEWAY_MEMVOLUME_H

#include <pthread.h>
#include "gateway/volume.h"

#define NODE_BUCKETS 4096
#define NAME_BUCKETS 16384
struct memory_entry {
    struct memory_entry *next_hashed;
    struct memory_entry *next, *previous; /* in the directory, by cookie */
    struct memory_node *directory;
    struct memory_node *node;
    uint64_t cookie;
    size_t size;
    char name[];
};

struct memory_xattr {
    struct memory_xattr *next;
    size_t name_size, size;
    char bytes[]; /* the name and its NUL, the value */
};

struct memory_node {
    struct memory_node *next_hashed;
    struct attr attr;
    uint8_t *data; /* a file's bytes or a symlink's target */
    size_t capacity;
    struct memory_entry *first, *last;
    struct memory_xattr *xattrs;
    bool is_linkable; /* it never had a name, and may get one */
    bool is_exclusive;
    uint64_t create_verifier;
};

struct memory_volume {
    struct volume volume; /* first */
    pthread_mutex_t lock; /* guards all below; a leaf */
    struct memory_node *nodes[NODE_BUCKETS];
    struct memory_entry *names[NAME_BUCKETS];
    uint64_t next_index, next_cookie, verifier;
    uint64_t last_ns;
};

struct memory_node *memory_node_find(struct memory_volume *memory, const struct gfid *gfid);
/* A node without a name. NULL: no memory. */
struct memory_node *memory_node_new(struct memory_volume *memory, uint32_t type);
void memory_node_free(struct memory_volume *memory, struct memory_node *node);
/* The node of a gfid, a directory if it must be one. Fails: -ESTALE, -ENOTDIR. */
int memory_find(struct memory_volume *memory, const struct gfid *gfid, bool is_directory,
                struct memory_node **out_node);
/* It has changed: ctime, and mtime if its content did. */
void memory_touch(struct memory_volume *memory, struct memory_node *node, bool is_content);
struct attr_before memory_before(const struct memory_node *node);

struct memory_entry *memory_entry_find(struct memory_volume *memory,
                                       const struct memory_node *directory, struct slice name);
/* Both keep the directory's size, times and links. Fails: -ENOMEM. */
int memory_entry_add(struct memory_volume *memory, struct memory_node *directory, struct slice name,
                     struct memory_node *node);
void memory_entry_remove(struct memory_volume *memory, struct memory_entry *entry);

/* The file that a request is about, which its caller may use so. Fails: -EISDIR, -EINVAL, … */
int memory_find_file(struct memory_volume *memory, struct volume_request *request, unsigned wanted,
                     struct memory_node **out_node);
/* Fails: -EISDIR, -EINVAL, -EFBIG, -ENOSPC. */
int memory_resize(struct memory_node *node, uint64_t size);
/* Bytes of a file have changed: times, and what its caller may not keep. */
void memory_wrote(struct memory_volume *memory, struct memory_node *node,
                  const struct volume_request *request);
/* A copy of the bytes for reply.data: they may change as soon as the lock is given up. */
int memory_answer_data(struct volume_request *request, const uint8_t *bytes, size_t size);

/* Make the change; permission has been checked. Fails: -EFBIG, -EISDIR, -EINVAL, -ENOSPC. */
int memory_change_apply(struct memory_volume *memory, struct memory_node *node,
                        const struct attr_change *change);

/* CREATE, MKDIR, SYMLINK, MKNOD; LINK; REMOVE, RMDIR; RENAME. */
int memory_make(struct memory_volume *memory, struct volume_request *request);
int memory_link(struct memory_volume *memory, struct volume_request *request);
int memory_remove(struct memory_volume *memory, struct volume_request *request);
int memory_rename(struct memory_volume *memory, struct volume_request *request);
int memory_tmpfile(struct memory_volume *memory, struct volume_request *request);
int memory_forget(struct memory_volume *memory, struct volume_request *request);

/* SETXATTR does REMOVEXATTR, too. There are no ACLs: -EOPNOTSUPP. */
int memory_getxattr(struct memory_volume *memory, struct volume_request *request);
int memory_listxattr(struct memory_volume *memory, struct volume_request *request);
int memory_setxattr(struct memory_volume *memory, struct volume_request *request);
void memory_xattrs_free(struct memory_node *node);
/* There are no holes: what is punched is zeros, and data. */
int memory_allocate(struct memory_volume *memory, struct volume_request *request);
int memory_seek(struct memory_volume *memory, struct volume_request *request);
int memory_copy(struct memory_volume *memory, struct volume_request *request);

#endif
