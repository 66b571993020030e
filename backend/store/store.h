/*
 * One brick's disk: a plain directory, an index of it, and a log.
 *
 *     <brick>/…            the tree: names, contents, modes, owners, times, xattrs
 *     <brick>/.trivet/     identity, log segments, LMDB index; hidden from the volume
 *
 * A mutation goes through four steps, the first three on the thread that holds the replica's order
 * lock, in the order of indexes:
 *
 *     decide    look at the sequenced state, refuse, or fill in everything the operation needs
 *     sequence  append the record to the log (the intent) and bring the index to the state after it
 *     apply     change the directory tree itself
 *     commit    every in-sync member has applied it; answers may rest on it
 *
 * The index (LMDB, one long write transaction that is committed now and then) may lag behind the
 * log; after the process died it is replayed from the log.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_STORE_H
#define TRIVET_STORE_STORE_H

#include "backend/base/clock.h"
#include "backend/base/slice.h"
#include "backend/proto/attr.h"
#include "backend/proto/cred.h"
#include "backend/proto/operation.h"
#include "backend/proto/reply.h"
#include "backend/proto/view.h"

struct store_identity {
    struct volume_id volume;
    char volume_name[VOLUME_NAME_MAX + 1];
    uint32_t set;
    uint32_t brick;
    uint64_t disk_id;
};

enum create_how { CREATE_UNCHECKED = 0, CREATE_GUARDED = 1, CREATE_EXCLUSIVE = 2 }; /* RFC 1813 */

/* A client's wish, before anything about it is decided. Slices belong to the caller. */
enum mutation_kind {
    MUTATION_WRITE,
    MUTATION_SETATTR,
    MUTATION_MAKE,
    MUTATION_LINK,
    MUTATION_REMOVE, /* anything but a directory */
    MUTATION_RMDIR,
    MUTATION_RENAME,
    MUTATION_ALLOCATE,
    MUTATION_SETXATTR,
    MUTATION_REMOVEXATTR,
    MUTATION_FORGET /* an orphan of id.client, or of anybody if id has no client */
};

struct mutation {
    enum mutation_kind kind;
    struct cred cred;
    struct op_id id;
    uint64_t session;   /* of the client that it came from, whatever id it has; 0: of nobody */
    struct gfid object; /* WRITE, SETATTR, LINK, ALLOCATE, SETXATTR, REMOVEXATTR, FORGET */
    struct gfid parent; /* MAKE, LINK, REMOVE, RMDIR, RENAME */
    struct slice name;
    struct gfid parent2; /* RENAME */
    struct slice name2;
    uint32_t rename_flags;
    struct attr_change change; /* SETATTR, MAKE */
    bool only_grows;           /* SETATTR of a size: nothing to do if it is not larger */
    bool guarded;              /* SETATTR: only if ctime is guard */
    struct timestamp guard;
    uint32_t type; /* MAKE: enum object_type */
    enum create_how how;
    uint64_t verifier;
    uint32_t device_major, device_minor;
    struct slice target;
    uint64_t offset; /* WRITE */
    uint32_t count;
    bool append;          /* WRITE: offset is the size */
    uint64_t length;      /* ALLOCATE: bytes from offset */
    uint32_t space_flags; /* ALLOCATE: Linux FALLOC_FL_… */
    struct slice xattr;   /* SETXATTR, REMOVEXATTR: its whole name */
    struct slice value;
    uint32_t xattr_flags; /* SETXATTR: Linux XATTR_CREATE, XATTR_REPLACE */
    bool keep;            /* REMOVE, RENAME: the caller has open what may lose its last name */
    bool unnamed;   /* MAKE of a file: without a name, an orphan of the caller; parent is asked
                       for what is inherited. how CREATE_EXCLUSIVE: it never gets one */
    uint32_t umask; /* MAKE: taken from the mode unless the directory has a default ACL */
};

/* What the primary hands in for a decision. */
struct decision {
    uint64_t index; /* of the operation to be */
    uint64_t view;  /* the present view */
    uint16_t set;
    uint64_t now_ns;     /* wall clock */
    uint64_t bytes_free; /* on the smallest in-sync brick, less the reserve */
};

struct store_position {
    uint64_t sequenced; /* last contiguous operation in the log */
    uint64_t applied;   /* last that the tree has */
    uint64_t committed; /* last known committed */
};

struct store;

/* What operations that were taken back had touched, and only the primary has now. */
struct store_refetch {
    struct gfid object; /* a file */
    uint64_t offset;
    uint64_t length; /* UINT64_MAX, at offset 0: the whole file */
};

/* Somebody who does not wait for a sync that is under way. Part of the caller's request. */
struct store_sync {
    void (*complete)(struct store_sync *sync, int status); /* once, without locks */
    /* the store's */
    uint64_t index;
    struct store_sync *next;
};

struct store_ops {
    /* attr, name: from the index */
    int (*getattr)(struct store *, const struct gfid *object, struct attr *out_attr);
    int (*lookup)(struct store *, const struct gfid *parent, struct slice name,
                  struct attr *out_child, struct attr *out_parent);
    int (*readlink)(struct store *, const struct gfid *object, char *buffer, size_t size,
                    size_t *out_size);
    /* io */
    int (*read)(struct store *, const struct gfid *object, uint64_t offset, uint32_t count,
                bool no_wait, uint8_t *buffer, uint32_t *out_count);
    int (*sync)(struct store *, const struct gfid *object);
    int (*sync_join)(struct store *, const struct gfid *object, struct store_sync *);
    /* xattr, space */
    int (*getxattr)(struct store *, const struct gfid *object, struct slice name, uint8_t *buffer,
                    size_t size, size_t *out_size);
    int (*listxattr)(struct store *, const struct gfid *object, uint8_t *buffer, size_t size,
                     size_t *out_size);
    int (*seek)(struct store *, const struct gfid *object, uint64_t offset, int whence,
                uint64_t *out_offset);
    /* dir */
    int (*readdir)(struct store *, const struct gfid *directory, uint64_t cookie, bool with_attr,
                   uint8_t *buffer, size_t size, size_t *out_size, bool *out_eof);
    /* info */
    int (*statfs)(struct store *, struct statfs_info *out_info);
    int (*rights)(struct store *, const struct attr *, const struct cred *, uint32_t *out_rights);
    int (*orphan_next)(struct store *, const struct gfid *after, struct gfid *out_object,
                       uint64_t *out_keeper);
    /* mutations */
    int (*decide)(struct store *, const struct mutation *, const struct decision *,
                  struct operation *out_operation);
    int (*sequence)(struct store *, const struct operation *, struct slice record);
    int (*apply)(struct store *, const struct operation *, struct slice bulk);
    int (*commit)(struct store *, uint64_t index);
    int (*log_read)(struct store *, uint64_t index, uint8_t *buffer, size_t size, size_t *out_size);
    /* returning to a set */
    int (*cut)(struct store *, uint64_t to);
    int (*refetch)(struct store *, int (*each)(void *context, const struct store_refetch *),
                   void *context);
    int (*restore)(struct store *, const struct gfid *object, uint64_t offset, struct slice bytes);
    bool (*reconciling)(struct store *);
    int (*reconciled)(struct store *);
    /* life */
    void (*position)(struct store *, struct store_position *out_position);
    void (*identity)(struct store *, struct store_identity *out_identity);
    int (*checkpoint)(struct store *);
    int (*view_get)(struct store *, struct view *out_view);
    int (*view_put)(struct store *, const struct view *view);
    void (*close)(struct store *);
};

struct store {
    const struct store_ops *ops;
};

/* ---- opening ------------------------------------------------------------------------------- */

/*
 * Make a directory a brick: probe the file system (user and trusted xattrs, file handles, names of
 * 255 bytes), write the identity. The directory must be empty unless force.
 *
 * On failure out_error (size bytes) holds a sentence that names the directory and says what to do.
 * Fails: -EEXIST (a brick already, of this or another volume; -E_WRONG_VOLUME), -ENOTEMPTY,
 *        -EOPNOTSUPP (the file system cannot hold it), -ENOTDIR …
 */
int posix_store_format(const char *path, const struct store_identity *identity, bool force,
                       char *out_error, size_t size);

/*
 * Forget that a directory is a brick of that volume: .trivet/ goes, the files stay.
 *
 * Fails: -ENOENT (not a brick), -E_WRONG_VOLUME; out_error as above.
 */
int posix_store_unformat(const char *path, const struct volume_id *volume, char *out_error,
                         size_t size);

/*
 * Open a brick's directory; replays the log if the process died. After 0 the position's applied is
 * its sequenced: every operation of the log is in the index and the tree, but for the bytes of
 * WRITEs above committed, which the process may have died before writing.
 *
 * Fails: -ENOENT (not a brick: identity file missing), -E_CORRUPT, -EBUSY (open in another
 * process).
 */
int posix_store_open(const char *path, struct clock *clock, struct store **out_store,
                     char *out_error, size_t size);

/* In memory, for the simulator: starts empty but for the root. */
int memory_store_open(const struct store_identity *identity, struct clock *clock,
                      struct store **out_store);

/* ---- the checked wrappers: the only way in ------------------------------------------------- */

/*
 * Threads: all may be called by any thread; sequence and apply by one at a time each, in the order
 * of indexes. getattr, lookup, readdir, decide, sequence, commit do not wait for the disk but for
 * page faults and the log's write(2); read (without no_wait), apply, sync, checkpoint may.
 */

/* Fails: -ESTALE (no such object). */
int store_getattr(struct store *store, const struct gfid *object, struct attr *out_attr);
/* out_parent is set on -ENOENT too. Fails: -ENOENT, -ENOTDIR, -ESTALE, -ENAMETOOLONG. */
int store_lookup(struct store *store, const struct gfid *parent, struct slice name,
                 struct attr *out_child, struct attr *out_parent);
/* Fails: -EINVAL (not a symlink), -ESTALE, -ERANGE. */
int store_readlink(struct store *store, const struct gfid *object, char *buffer, size_t size,
                   size_t *out_size);
/*
 * Read up to count bytes. Short at the end of the file only.
 * Fails: -EAGAIN (no_wait, and the bytes are not in memory), -EISDIR, -EINVAL, -ESTALE, -EIO.
 */
int store_read(struct store *store, const struct gfid *object, uint64_t offset, uint32_t count,
               bool no_wait, uint8_t *buffer, uint32_t *out_count);
/*
 * Bring the object's data and attributes, and every record of the log so far, to stable storage.
 * object NULL or GFID_NONE: the log only (group commit).
 * Fails: -EIO …: the brick has failed; never retried into a success.
 */
int store_sync(struct store *store, const struct gfid *object);
/*
 * The same of an object, without waiting: 0, and sync->complete is called later by another thread,
 * before the store is closed; or 1, it has been done. -EAGAIN: only store_sync will do.
 */
int store_sync_join(struct store *store, const struct gfid *object, struct store_sync *sync);
/*
 * An extended attribute, system.posix_acl_access and …_default among them. *out_size is its size,
 * also with -ERANGE (size does not suffice; size 0 with buffer NULL just asks).
 * Fails: -ENODATA (no such attribute), -ERANGE, -EOPNOTSUPP (no such name space), -ESTALE.
 */
int store_getxattr(struct store *store, const struct gfid *object, struct slice name,
                   uint8_t *buffer, size_t size, size_t *out_size);
/* Names of all, each with its NUL; the ACLs' too, the brick's own not. That trusted.* is for root's
 * eyes only is the caller's business, here and above. Fails: -ERANGE, -ESTALE. */
int store_listxattr(struct store *store, const struct gfid *object, uint8_t *buffer, size_t size,
                    size_t *out_size);
/*
 * Where data (whence SEEK_DATA) or a hole (SEEK_HOLE) begins at or behind offset, in the file as
 * the tree has it; at its end there is a hole. Fails: -ENXIO (offset at or behind the end, or no
 * more data), -EINVAL (not a file, whence), -EAGAIN (sequenced, and about to be made), -ESTALE.
 */
int store_seek(struct store *store, const struct gfid *object, uint64_t offset, int whence,
               uint64_t *out_offset);
/* What cred may do with the object that attr is of (enum access_right, or-ed), its ACL considered.
 */
int store_rights(struct store *store, const struct attr *attr, const struct cred *cred,
                 uint32_t *out_rights);
/* The first orphan behind after (GFID_NONE: the first of all), and whose it is. Fails: -ENOENT. */
int store_orphan_next(struct store *store, const struct gfid *after, struct gfid *out_object,
                      uint64_t *out_keeper);
/*
 * Pack entries (dirent.h) behind cookie. At least one entry fits or -ENOBUFS (too small a buffer).
 * Fails: -ENOTDIR, -ESTALE, -ENOBUFS.
 */
int store_readdir(struct store *store, const struct gfid *directory, uint64_t cookie,
                  bool with_attr, uint8_t *buffer, size_t size, size_t *out_size, bool *out_eof);
int store_statfs(struct store *store, struct statfs_info *out_info);

/*
 * Decide the outcome of a wish against the sequenced state (operations not yet committed count).
 * Reads only. On success out_operation is complete; its slices are the mutation's, but those of
 * ACLs the store's, good until it decides again.
 * On failure out_operation->parent, parent2 and object hold the attributes as they are, where known
 * (type OBJECT_NONE: not), for the answer.
 * An exclusive MAKE that finds its own verifier, and an unchecked one that finds a file, decide to
 * OPERATION_NONE (or SETATTR where the change has a size): nothing to sequence, object and parent
 * are set, the answer is success.
 *
 * Checks permissions unless cred has CRED_CHECKED (brick_access.h's rules are in store/access.h).
 *
 * Fails: -EEXIST -ENOENT -ENOTDIR -EISDIR -ENOTEMPTY -EINVAL -EXDEV -EMLINK -ENAMETOOLONG -EFBIG
 *        -ENOSPC -EACCES -EPERM -ESTALE -E_GUARD_FAILED -ENODATA -ERANGE -E2BIG -EOPNOTSUPP.
 */
int store_decide(struct store *store, const struct mutation *mutation,
                 const struct decision *decision, struct operation *out_operation);
/*
 * Append record (operation_encode's bytes) to the log and bring the index to the state after
 * operation, which must be the next index. Fails: -EIO -ENOSPC: the brick has failed.
 */
int store_sequence(struct store *store, const struct operation *operation, struct slice record);
/*
 * Change the tree. Repeating an operation that the tree already has is no error.
 * Fails: -EIO -ENOSPC …: the brick cannot reproduce the outcome and has failed.
 */
int store_apply(struct store *store, const struct operation *operation, struct slice bulk);
/* Note that everything up to index is committed. */
int store_commit(struct store *store, uint64_t index);
/*
 * Read the record of an operation back from the log, to send it again.
 * Fails: -ENOENT (older than the log reaches, or not there yet), -ENOBUFS, -E_CORRUPT.
 */
int store_log_read(struct store *store, uint64_t index, uint8_t *buffer, size_t size,
                   size_t *out_size);

/* The view in which an operation of the log was ordered; 0: index is that of none. Fails as above.
 */
int store_log_birth(struct store *store, uint64_t index, uint64_t *out_birth);

/*
 * Take back every operation above to: log, index and tree are as they were after that one. Only at
 * start, before this process has sequenced anything, and by one thread that has the store to
 * itself. to is not below what is known committed. What the tree lost by these operations is made
 * anew, but for bytes: each is called for every range that only others have (store_refetch), before
 * 0.
 *
 * The caller gets those from the primary, as they are there now or later, and writes them by
 * store_restore before anything else is sequenced; then it says store_reconciled. Until then the
 * brick is durably marked: it may neither lead nor count as in sync.
 *
 * Durable, step by step: whenever the process dies, the next open goes on where it stopped.
 * Fails: -EINVAL (to was committed, or is not there yet), -ENOENT (it cannot be taken back that
 * far: the brick is to be healed in full), both with nothing changed; -EIO …: the brick has failed;
 * what each fails with.
 */
int store_cut(struct store *store, uint64_t to,
              int (*each)(void *context, const struct store_refetch *), void *context);
/* All ranges that were lost since the brick was last reconciled, once more, whether restored or
 * not: a process that died has them from its successor. Each lies in its file; none overlap. */
int store_refetch(struct store *store, int (*each)(void *context, const struct store_refetch *),
                  void *context);
/*
 * Put bytes of another brick into a file, while reconciling. Size and times stay as the index has
 * them: what is behind the file's end is left out. Zeros become a hole.
 * Fails: -EINVAL (not reconciling, not a file), -ESTALE, -EIO ….
 */
int store_restore(struct store *store, const struct gfid *object, uint64_t offset,
                  struct slice bytes);
/* Is the brick marked? */
bool store_reconciling(struct store *store);
/* All that was lost is in place: it goes to stable storage, and the mark goes. No mark is no error.
 */
int store_reconciled(struct store *store);

void store_position(struct store *store, struct store_position *out_position);
void store_identity(struct store *store, struct store_identity *out_identity);
/* Commit the index, bring the decided times of what has not changed for CHECKPOINTS_UNFLUSHED of
 * these to the tree, drop log segments no longer needed. The daemon calls it about once a second.
 */
int store_checkpoint(struct store *store);
/* The view this brick last acted in, durable. Fails: -ENOENT (none yet). */
int store_view_get(struct store *store, struct view *out_view);
int store_view_put(struct store *store, const struct view *view);
/* Checkpoint, mark as cleanly closed, free. */
void store_close(struct store *store);

#endif
