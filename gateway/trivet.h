/*
 * libtrivet: the volume API. Both frontends, and any program, reach a volume through it.
 *
 * An operation is a struct volume_request: fill in op, cred, object, name and the operation's own
 * arguments, call volume_submit, and complete is called with the answer in reply. volume_wait is
 * the blocking form. One request is one operation of the volume: retries, changes of view and of
 * connection happen behind it and take effect once.
 *
 * Implementations: "trivet" (the replicated bricks), "local" (a plain directory; no daemon),
 * and one in memory for tests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_TRIVET_H
#define TRIVET_GATEWAY_TRIVET_H

#include "backend/base/errors.h"
#include "backend/base/slice.h"
#include "backend/proto/attr.h"
#include "backend/proto/cred.h"
#include "backend/proto/dirent.h"
#include "backend/proto/gfid.h"
#include "backend/proto/reply.h"
#include "backend/proto/view.h"

struct volume;

enum volume_op {
    /* attr */
    VOLUME_GETATTR, /* object → reply.object */
    VOLUME_SETATTR, /* object, change, guard → object, object_before */
    VOLUME_ACCESS,  /* object, rights (RIGHT_…) → object, count: the rights granted */
    /* name */
    VOLUME_LOOKUP,   /* object (directory), name → object, parent; parent on -ENOENT too. "." and
                        ".." are answered */
    VOLUME_READLINK, /* object → data, object */
    /* io */
    VOLUME_READ,  /* object, offset, count → data, count, eof, object */
    VOLUME_WRITE, /* object, offset, data, stable → count, committed, verifier, object(_before) */
    VOLUME_COMMIT, /* object, offset, count → verifier, object. fsync */
    /* make: object is the directory → reply.object the new one, parent, parent_before */
    VOLUME_CREATE,  /* name, how, change, verifier */
    VOLUME_MKDIR,   /* name, change */
    VOLUME_SYMLINK, /* name, change, target */
    VOLUME_MKNOD,   /* name, change, type, device */
    VOLUME_TMPFILE, /* change, umask: a file without a name, kept until VOLUME_FORGET or a LINK */
    VOLUME_LINK,    /* object, object2 (directory), name → object, parent, parent_before */
    /* remove: object is the directory → object what was removed, parent, parent_before. With
       keep_open an object that so loses its last name stays usable until VOLUME_FORGET, or until
       this client is gone */
    VOLUME_REMOVE,
    VOLUME_RMDIR,
    VOLUME_RENAME, /* object, name → object2, name2, flags → parent, parent2 and befores, replaced
                    */
    VOLUME_FORGET, /* object: unlinked, and no longer open here */
    /* dir */
    VOLUME_READDIR, /* object, cookie, verifier, count (bytes), with_attr → data, eof, object,
                       verifier */
    /* info */
    VOLUME_STATFS, /* object → statfs, object */
    /* xattr: names are whole ("user.x"); system.posix_acl_access and _default in Linux's form */
    VOLUME_GETXATTR,    /* object, name, count (0 asks for the size) → data, count */
    VOLUME_LISTXATTR,   /* object, count → data: names, each with its NUL; count */
    VOLUME_SETXATTR,    /* object, name, data, flags (XATTR_…) → object */
    VOLUME_REMOVEXATTR, /* object, name → object */
    /* space */
    VOLUME_ALLOCATE, /* object, offset, length, flags (FALLOC_FL_…) → object(_before) */
    VOLUME_SEEK,     /* object, offset, flags: SEEK_DATA or SEEK_HOLE → offset, object */
    VOLUME_COPY,     /* object2, offset2, length → object, offset: reply.count bytes were copied,
                        perhaps fewer than asked for, 0 at the end of object2 */
    VOLUME_OP_COUNT
};

enum volume_create_how {
    VOLUME_CREATE_UNCHECKED = 0,
    VOLUME_CREATE_GUARDED = 1,
    VOLUME_CREATE_EXCLUSIVE = 2
};

struct volume_request {
    enum volume_op op;
    struct cred cred;
    struct gfid object;
    struct gfid object2;
    struct slice name; /* without NUL; the caller's until complete. Of an xattr its name */
    struct slice name2;
    struct attr_change change;
    bool guarded;
    struct timestamp guard;
    uint32_t rights;
    uint32_t how; /* enum volume_create_how */
    uint32_t type;
    uint32_t device_major, device_minor;
    struct slice target;
    uint32_t flags; /* RENAME, SETXATTR, ALLOCATE, SEEK: Linux's */
    uint32_t umask; /* makes: taken from the mode unless the directory has a default ACL */
    uint64_t offset, offset2;
    uint64_t length; /* ALLOCATE, COPY */
    uint64_t cookie;
    uint64_t verifier;
    uint32_t count;
    struct slice data; /* WRITE, SETXATTR: the caller's until complete */
    uint32_t stable;   /* enum stable_how */
    bool append;
    bool with_attr;
    bool keep_open;  /* REMOVE, RENAME */
    bool durable;    /* name space operations: on stable storage before the answer */
    bool keep;       /* reply.data is to stay valid until volume_request_release */
    struct op_id id; /* OP_ID_NONE: the volume chooses one; OP_ID_DERIVED: from an NFS call */

    /* The answer. reply.data is valid until complete returns (with keep: until
     * volume_request_release, which must then follow). */
    struct reply reply;

    /* Called exactly once, on a thread of the volume or before volume_submit returns. It must not
     * block; it may free the request and submit others. */
    void (*complete)(struct volume_request *request);
    void *context; /* the caller's */

    /* The implementation's own; set by submit. */
    struct volume *volume;
    void *internal;
    void *kept;
    struct volume_request *next, *previous;
    uint64_t started_ns;
    uint64_t recalls, changes, generation, generation2, epoch;
};

struct volume_options {
    const char *client_name;     /* for the administrator; NULL: program name and pid */
    unsigned threads;            /* of the connection loop; 0: 2 */
    unsigned connect_timeout_ms; /* how long open waits for the volume; 0: 10,000 */
    unsigned wait_timeout_ms;    /* how long an operation waits for a volume that does not answer
                                    before it ends with -ETIMEDOUT; 0: forever (interruptible) */
    /* If set, the volume may grant caching (reply.grant_ms) and calls this, on one of its threads,
     * to take it back: drop attributes and data of object, and the name in parent if parent is not
     * GFID_NONE (never NULL). When it returns the grant has ended. Before it recall_begin is called
     * (may be NULL), which must not wait: when it returns, answers to what was asked before must
     * not bring grants into use any more. */
    void (*recall_begin)(void *context);
    void (*recall)(void *context, const struct gfid *object, const struct gfid *parent,
                   struct slice name);
    void *recall_context;
    /* Without recall: the volume may keep for itself what it is granted, and answers from it. */
    bool cache;
};

/*
 * Open by URL-like name:
 *
 *     "HOST:/VOLUME", "HOST:PORT:/VOLUME", "[v6]:PORT:/VOLUME" and several hosts "H1,H2:/VOLUME":
 *                   a Trivet volume, by any of its management daemons
 *     "local:/DIR"  a plain directory
 *     "memory:"     in memory, for tests
 *
 * Fails: -E_UNKNOWN_VOLUME, -E_VOLUME_STOPPED, -ETIMEDOUT (no host answers), -EINVAL; out_error
 *        (size bytes) then holds a sentence that says what to do.
 */
int volume_open(const char *name, const struct volume_options *options, struct volume **out_volume,
                char *out_error, size_t size);
/* Every request must have completed; volume_cancel_all brings that about. */
void volume_close(struct volume *volume);

/* The volume's identity, name and handle key, as they were at open (its view, too). */
const struct volume_spec *volume_spec(const struct volume *volume);

/* Submit. Never blocks on the network; "local" works and completes before it returns. */
void volume_submit(struct volume *volume, struct volume_request *request);

/*
 * Give up waiting: the request completes soon with -EINTR; its outcome is then unknown, and it does
 * not take effect later than the answer to a request sent after it. Harmless if it has completed
 * concurrently, but the caller must know that request has not been freed.
 */
void volume_cancel(struct volume *volume, struct volume_request *request);
/* Cancel all, with status. */
void volume_cancel_all(struct volume *volume, int status);

/* True while the volume answers; false from the moment requests wait for a connection or view. */
bool volume_answers(const struct volume *volume);

/* Submit and wait; returns reply.status. reply.data stays valid until volume_request_release. */
int volume_wait(struct volume *volume, struct volume_request *request);
void volume_request_release(struct volume_request *request);

/* Counters since open, one per operation; names by volume_op_name. */
struct volume_stats {
    uint64_t requests[VOLUME_OP_COUNT];
    uint64_t failures[VOLUME_OP_COUNT];
    uint64_t bytes_read, bytes_written;
    uint64_t retries, reconnects, recalls;
};
void volume_stats(const struct volume *volume, struct volume_stats *out_stats);
const char *volume_op_name(enum volume_op op);

/* ---- blocking conveniences, by family: volume_attr.c, volume_name.c … ---------------------- */

int volume_getattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                   struct attr *out_attr);
int volume_setattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                   const struct attr_change *change, struct attr *out_attr);
int volume_lookup(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                  const char *name, struct attr *out_attr);
/* Walk a path of names separated by '/' from the root; symlinks are not followed. */
int volume_lookup_path(struct volume *volume, const struct cred *cred, const char *path,
                       struct attr *out_attr);
int volume_readlink(struct volume *volume, const struct cred *cred, const struct gfid *object,
                    char *buffer, size_t size);
int volume_read(struct volume *volume, const struct cred *cred, const struct gfid *object,
                uint64_t offset, void *buffer, uint32_t count, uint32_t *out_count, bool *out_eof);
int volume_write(struct volume *volume, const struct cred *cred, const struct gfid *object,
                 uint64_t offset, const void *data, uint32_t count, enum stable_how stable,
                 uint64_t *out_verifier);
int volume_commit(struct volume *volume, const struct cred *cred, const struct gfid *object,
                  uint64_t *out_verifier);
int volume_create(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                  const char *name, enum volume_create_how how, uint32_t mode,
                  struct attr *out_attr);
int volume_mkdir(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                 const char *name, uint32_t mode, struct attr *out_attr);
int volume_symlink(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                   const char *name, const char *target, struct attr *out_attr);
int volume_link(struct volume *volume, const struct cred *cred, const struct gfid *object,
                const struct gfid *directory, const char *name, struct attr *out_attr);
int volume_remove(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                  const char *name);
int volume_rmdir(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                 const char *name);
int volume_rename(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                  const char *name, const struct gfid *directory2, const char *name2);
/* Call each for every entry behind *cookie until it returns non-zero or the directory ends. */
int volume_readdir(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                   uint64_t *cookie, bool with_attr,
                   int (*each)(const struct dirent_entry *entry, void *context), void *context);
int volume_statfs(struct volume *volume, struct statfs_info *out_info);
/* *out_size is the value's size, also with -ERANGE. */
int volume_getxattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                    const char *name, void *buffer, size_t size, size_t *out_size);
int volume_listxattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                     char *buffer, size_t size, size_t *out_size);
int volume_setxattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                    const char *name, const void *value, size_t size, uint32_t flags);
int volume_removexattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                       const char *name);
int volume_allocate(struct volume *volume, const struct cred *cred, const struct gfid *object,
                    uint32_t flags, uint64_t offset, uint64_t length);
int volume_seek(struct volume *volume, const struct cred *cred, const struct gfid *object,
                uint64_t offset, int whence, uint64_t *out_offset);
/* Copies until length is done or the source ends. */
int volume_copy(struct volume *volume, const struct cred *cred, const struct gfid *from,
                uint64_t from_offset, const struct gfid *to, uint64_t to_offset, uint64_t length,
                uint64_t *out_copied);

#endif
