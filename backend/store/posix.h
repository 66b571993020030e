/*
 * The store on a plain directory, as its files share it.
 *
 * Locks, in this order: checkpoint_mutex, the index's mutex, that of syncs, then those inside the
 * log, the cache of descriptors and space_mutex, which are held for their own calls only. No lock
 * but checkpoint_mutex is held while the tree is read or changed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_POSIX_H
#define TRIVET_STORE_POSIX_H

#include <stdatomic.h>
#include "backend/proto/disk_format.h"
#include "backend/store/changelog.h"
#include "backend/store/fd_cache.h"
#include "backend/store/indexed.h"
#include "backend/store/state.h"
#include "backend/store/sync_ahead.h"

struct posix_store {
    struct indexed_store base;
    struct changelog *log;
    struct fd_cache *objects;
    struct sync_ahead *syncs; /* of the objects' bytes */
    struct disk_state *state; /* guarded by the index's mutex */
    struct store_identity identity;
    char boot_id[BOOT_ID_SIZE];
    int root_fd;
    int meta_fd;    /* .trivet */
    int log_fd;     /* .trivet/log */
    int stray_fd;   /* .trivet/stray */
    int orphans_fd; /* .trivet/orphans */
    int limbo_fd;   /* .trivet/limbo */
    int xattrs_fd;  /* .trivet/xattrs */
    int lock_fd;
    bool small_inodes;        /* extended attributes of an inode must fit in a few KiB */
    atomic_bool hides_xattrs; /* there is, or was, something in .trivet/xattrs */
    atomic_bool reconciling;  /* .trivet/reconciling is there */
    atomic_int failed;        /* the first error that the brick cannot get over */

    pthread_mutex_t checkpoint_mutex;              /* one checkpoint at a time */
    struct gfid flushed_last;                      /* where the next batch goes on; guarded by it */
    uint64_t sequenced_ago[CHECKPOINTS_UNFLUSHED]; /* at the last checkpoints, a ring; likewise */
    uint64_t checkpoint_count;

    pthread_mutex_t space_mutex;
    struct statfs_info space;      /* guarded by space_mutex */
    atomic_uint_fast64_t taken;    /* bytes that operations took since */
    atomic_uint_fast64_t reserved; /* bytes that sequenced ones are about to take in one go */
};

static inline struct posix_store *posix_of(struct store *store)
{
    return (struct posix_store *)store;
}

/* Remember the first error; from now on everything is refused. Returns result. */
int posix_fail(struct posix_store *posix, int result);
/* -EIO once something failed. */
int posix_check(struct posix_store *posix);

/* A name for the kernel. */
struct name_text {
    char text[NAME_SIZE_MAX + 1];
};
struct name_text name_text(struct slice name);
/* The name of what is kept for an object in .trivet/orphans or .trivet/xattrs. */
struct gfid_name {
    char text[2 * GFID_SIZE + 1];
};
struct gfid_name gfid_name(const struct gfid *gfid);

/* ---- posix_object.c: objects of the tree by gfid ------------------------------------------- */

/* The object's descriptor, to be given back to fd_cache_put. Fails: -ENOENT (not in the tree: not
 * made yet, or gone), -errno. */
int posix_open_object(struct posix_store *posix, const struct gfid *gfid,
                      struct open_object **out_object);

int posix_handle_of(int fd, uint32_t type, struct handle_record *out_handle);
int posix_open_handle(struct posix_store *posix, const struct handle_record *handle, int *out_fd);
/* Open what parent has under a name, as an object of this type is kept open. */
int posix_open_name(int parent_fd, const char *name, uint32_t type, int *out_fd);

/* Change a node that may be open only by path (O_PATH), as its type tells. */
int node_chmod(int fd, uint32_t type, uint32_t mode);
int node_xattr_set(int fd, uint32_t type, const char *name, const void *value, size_t size);
/* Fails: -ENODATA. */
int node_xattr_remove(int fd, uint32_t type, const char *name);
/* Fails: -ENODATA. */
int node_xattr_get(int fd, uint32_t type, const char *name, void *value, size_t size,
                   size_t *out_size);
/* Whose node is it? Fails: -ENODATA (nobody's), -E_CORRUPT. */
int node_gfid(int fd, uint32_t type, struct gfid *out_gfid);
/* Does the name in the tree stand for this object? Looks without opening what may be a device. */
bool posix_is_at(int parent_fd, const char *name, const struct gfid *gfid);

/* Take away what lies at a name but is not the volume's: an empty node that has no gfid goes, as a
 * process that died may have left it; anything else is moved to .trivet/stray. */
int posix_move_aside(struct posix_store *posix, int parent_fd, const char *name, uint64_t index);

/* Keep, or no longer, the collision order of a name with its directory. */
int posix_order_set(int directory_fd, uint64_t cookie, struct slice name);
int posix_order_remove(int directory_fd, uint64_t cookie);

/* ---- apply, by family; out_handle is set by MAKE ------------------------------------------- */

int posix_apply_write(struct posix_store *posix, const struct operation *operation,
                      struct slice bulk);
int posix_apply_setattr(struct posix_store *posix, const struct operation *operation);
int posix_apply_make(struct posix_store *posix, const struct operation *operation,
                     struct handle_record *out_handle);
/* Make what a MAKE makes, in a directory of the tree or of the brick's own. */
int posix_make_in(struct posix_store *posix, int parent_fd, const char *name,
                  const struct operation *operation, struct handle_record *out_handle);
int posix_apply_link(struct posix_store *posix, const struct operation *operation);
int posix_apply_remove(struct posix_store *posix, const struct operation *operation);
int posix_apply_rename(struct posix_store *posix, const struct operation *operation);

/* posix_io.c: make a file at least this long. */
int posix_extend(int fd, uint64_t end);
/* Why an object cannot be read that has no descriptor. */
int posix_explain_missing(struct posix_store *posix, const struct gfid *gfid);

/* posix_space.c */
int posix_apply_allocate(struct posix_store *posix, const struct operation *operation);
/* posix_xattr.c: bring what an operation that is in the tree otherwise did to extended attributes
 * and ACLs there too; of most kinds it is nothing. Not of MAKE: */
int posix_apply_xattr(struct posix_store *posix, const struct operation *operation);
/* The ACLs of a node that was just made, whatever the kernel thinks that it inherits. */
int posix_make_acl(struct posix_store *posix, int parent_fd, int fd,
                   const struct operation *operation);
/* The kernel takes security.capability from what is written; what a later operation set stays. */
int posix_keep_capability(struct posix_store *posix, const struct gfid *gfid);
/* Bring the extended attributes that an operation changed, or (NULL) all, to what the index has. */
int posix_restore_xattrs(struct posix_store *posix, const struct attr *attr, int fd,
                         const struct operation *operation);
/* The object is gone, and what could not be shown of it. */
int posix_forget_xattrs(struct posix_store *posix, const struct gfid *gfid);
/* Look what the file system is like, and whether it refused any. */
int posix_xattrs_open(struct posix_store *posix);
/* posix_orphan.c: take what loses its last name to the orphans, unless that is done; and give one
 * its first name. */
int posix_orphan_take(struct posix_store *posix, int parent_fd, const char *name,
                      const struct gfid *gfid);
int posix_orphan_name(struct posix_store *posix, const struct gfid *gfid, int parent_fd,
                      const char *name, uint64_t index);
int posix_apply_forget(struct posix_store *posix, const struct operation *operation);

/* posix_apply.c */
int posix_apply(struct store *store, const struct operation *operation, struct slice bulk);
int posix_sequence(struct store *store, const struct operation *operation, struct slice record);
/* Commit the index with the positions as they are; its mutex is held. */
int posix_commit_index(struct posix_store *posix, bool durable);

/* posix_cut.c: is the brick marked, and was the process before taking operations back? Then go on
 * with it; before the replay. */
int posix_cut_resume(struct posix_store *posix);
/* posix_restore.c: make the tree what it was before the operations that were taken back: all that
 * the index says but files' bytes. Done again it changes nothing. */
int posix_restore_tree(struct posix_store *posix);

/* posix_replay.c: bring index and tree to the end of the log. */
int posix_replay(struct posix_store *posix, bool same_boot, char *out_error, size_t size);

/* ---- the remaining rows of struct store_ops ------------------------------------------------- */

int posix_read(struct store *store, const struct gfid *object, uint64_t offset, uint32_t count,
               bool no_wait, uint8_t *buffer, uint32_t *out_count);
int posix_sync(struct store *store, const struct gfid *object);
int posix_sync_join(struct store *store, const struct gfid *object, struct store_sync *sync);
int posix_seek(struct store *store, const struct gfid *object, uint64_t offset, int whence,
               uint64_t *out_offset);
int posix_cut(struct store *store, uint64_t to);
int posix_restore(struct store *store, const struct gfid *object, uint64_t offset,
                  struct slice bytes);
bool posix_reconciling(struct store *store);
int posix_reconciled(struct store *store);
int posix_statfs(struct store *store, struct statfs_info *out_info);
void posix_identity(struct store *store, struct store_identity *out_identity);
int posix_checkpoint(struct store *store);
int posix_view_get(struct store *store, struct view *out_view);
int posix_view_put(struct store *store, const struct view *view);

/* posix_checkpoint.c: bring decided times to the tree, for at most count objects that
 * no operation behind change_max has changed. */
int posix_flush(struct posix_store *posix, uint32_t count, uint64_t change_max,
                uint32_t *out_flushed);
/* The xattr with what the file system cannot be told. */
int posix_times_set(int fd, const struct attr *attr);
/* posix_info.c: ask the file system how much room there is. */
int posix_measure_space(struct posix_store *posix);
/* posix_format.c: open a directory of the brick's own, made if it is not there. */
int posix_make_part(int parent_fd, const char *name, int *out_fd);
/* posix_identity.c */
int posix_identity_put(int meta_fd, const struct store_identity *identity);
int posix_identity_get(int meta_fd, struct store_identity *out_identity);

#endif
