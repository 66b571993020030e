/*
 * The FUSE frontend: requests of one mount, from the kernel to the volume and back.
 *
 * A thread of the session reads a request and runs its row function (fuse_op_…), which fills a
 * struct call and submits it; nobody waits. The volume's thread that has the answer runs the call's
 * answer function, which replies to the kernel. On the way a call is in the frontend's list of
 * calls in flight, where the watch finds those whose process wants to end (fuse_interrupt.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_FRONTENDS_FUSE_FUSE_FRONTEND_H
#define TRIVET_FRONTENDS_FUSE_FUSE_FRONTEND_H

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include "backend/rpc/rpc_pollers.h"
#include "frontends/fuse/inode_table.h"
#include "frontends/fuse/mount_options.h"
#include "gateway/trivet.h"

struct directory;

/* One request of the kernel. Its memory is pooled. */
struct call {
    struct volume_request request;
    struct frontend *frontend;
    fuse_req_t req;
    void (*answer)(struct call *call);
    uint64_t started_ns;
    uint64_t recalls; /* the frontend's, when it began */
    uint64_t changes; /* of the name that it looks up or makes; in readdir of all names; likewise */

    /* What the answer needs besides the request. */
    fuse_ino_t ino;
    pid_t pid;                  /* the thread that waits */
    struct fuse_file_info file; /* open, create */
    struct directory *directory;
    size_t size;     /* readdir, getxattr, listxattr: of the kernel's buffer */
    uint64_t offset; /* readdir: the kernel's */
    bool plus;
    struct call *beside;  /* in frontend->removals, or ->parked */
    fuse_ino_t taken_ino; /* a removal's: what it may take the last name from; 0: not known */
    bool is_statx;
    bool is_tmpfile;
    bool is_writeback; /* pages of a mapping, on behalf of whoever wrote to it */
    char *memory;      /* names and data that the request points to and that go with the call */
    char *received;    /* a receive buffer taken over */
    uint32_t epoch;    /* fsync: of the write verifier at the first write since the last one */

    /* Guarded by frontend->lock. */
    struct call *next, *previous; /* in flight; next also in the pool */
    unsigned holds;               /* the flight, and the watch while it cancels */
    bool is_in_flight;
    bool is_cancelled;

    /* Last, and not cleared for each call. */
    char name[NAME_SIZE_MAX + 1];
    char name2[NAME_SIZE_MAX + 1];
};

/*
 * Which object a name was last seen to be: a table that forgets by collision. An answer that was
 * under way while the name changed is late, and must not bring back what it was before: changes,
 * which rises with each change of a name of the slot, tells.
 */
struct seen_name {
    uint64_t key;
    uint64_t ino; /* 0: not known */
    uint64_t changes;
};

/* Receive buffers of the session's size; see fuse_loop.c. */
struct receive_pool {
    pthread_mutex_t lock;
    char *kept[FUSE_BUFFERS_KEPT];
    unsigned kept_count;
    unsigned held; /* taken over by calls */
};

/*
 * One mount. lock guards the calls and the pool of calls and is held for a few instructions only;
 * inside it only libfuse's own lock is taken (fuse_req_interrupted).
 */
struct frontend {
    const struct mount_options *options;
    struct volume *volume;
    struct fuse_session *session;
    struct inode_table *inodes;
    struct clock *clock;

    pthread_mutex_t lock;
    struct call flight; /* head of a ring */
    struct call *unused;
    unsigned unused_count;
    struct receive_pool buffers;

    /* Which write verifier is in force, and a number that rises when it changes. */
    pthread_mutex_t verifier_lock;
    uint64_t verifier;
    uint32_t epoch; /* from 1 */

    struct seen_name seen[FUSE_NAMES_SEEN]; /* fuse_name.c */
    pthread_mutex_t seen_lock;              /* a leaf */
    _Atomic uint64_t names_changed;         /* in all slots */
    /* Removals under way of what was not open, and opens that wait for them: fuse_remove.c. */
    pthread_mutex_t removal_lock; /* before lock */
    struct call *removals;
    struct call *parked;
    _Atomic unsigned removal_count;
    _Atomic unsigned forgetting; /* FORGETs under way */

    /* A recall must not overtake the grant it takes back, which may be on its way to the kernel: an
     * answer with a grant is replied under grant_lock held shared, and counts only if recalls is
     * still what it was when the request began; a recall raises it under the exclusive lock before
     * it tells the kernel. */
    pthread_rwlock_t grant_lock;
    uint64_t recalls;

    /* False while the volume grants no caching: attributes in listings would be of no use. */
    _Atomic bool is_granting;

    char *mount_point;     /* absolute; set while mounted */
    _Atomic bool is_ready; /* the kernel's INIT has been answered */
    int ended_fd;          /* an eventfd: a session thread has ended */
    pthread_t *threads;
    unsigned thread_count;
    struct pollers pollers; /* how many of threads read requests */
    pthread_t watch;
    bool has_watch;
    pthread_mutex_t watch_lock;
    pthread_cond_t watch_stop;
    bool is_stopping;
};

/* ---- life: fuse_dispatch.c, fuse_mount.c -------------------------------------------------- */

/* options must outlive the frontend. Set volume before mounting. Fails: -ENOMEM. */
int frontend_new(const struct mount_options *options, struct frontend **out_frontend);
/* The volume is the caller's to close. */
void frontend_free(struct frontend *frontend);

/* volume_options.recall_begin and .recall, with the frontend as context. */
void frontend_recall_begin(void *context);
void frontend_recall(void *context, const struct gfid *object, const struct gfid *parent,
                     struct slice name);

/*
 * Mount on an absolute path, start the threads and wait until the kernel has shaken hands.
 *
 * Fails: negative codes; out_error then holds a sentence that says what to do.
 */
int frontend_mount(struct frontend *frontend, const char *path, char *out_error, size_t size);

/* As frontend_mount, over a descriptor that carries the kernel's messages; takes fd. */
int frontend_serve(struct frontend *frontend, int fd);

/*
 * Wait until the mount is gone (unmounted, or connection aborted) or a signal in stop_fd (a
 * signalfd, or -1) asks to stop; then unmount and end all threads and requests.
 */
void frontend_run(struct frontend *frontend, int stop_fd);

/* ---- calls: fuse_dispatch.c --------------------------------------------------------------- */

/* The table that libfuse calls. */
extern const struct fuse_lowlevel_ops fuse_operations;

/*
 * A call with operation op on the object ino, its owner req's caller. NULL if there is none; req
 * has then been replied to.
 */
struct call *call_new(fuse_req_t req, enum volume_op op, fuse_ino_t ino,
                      void (*answer)(struct call *call));
/* Copy the name of a directory entry. Returns 0, or replies with an error and ends the call. */
int call_name(struct call *call, const char *name);
int call_name2(struct call *call, const char *name);
/* As call_new's ino, for the second object. */
int call_object2(struct call *call, fuse_ino_t ino);

/* Hand over to the volume. The call may be gone when this returns. */
void call_submit(struct call *call);
/* The call waits for another one, and the watch sees it; and does so no longer. False if the watch
 * has cancelled it. */
void call_wait(struct call *call);
bool call_wait_ended(struct call *call);
/* Hold grants still, and see whether those given to what began at recalls count; and let go. */
bool grants_hold(struct frontend *frontend, uint64_t recalls);
void grants_let_go(struct frontend *frontend);

/* The last act of every call: reply a status, nothing but success, or attributes; then release. */
void call_fail(struct call *call, int status);
void call_done(struct call *call);
/* After the reply was made by other means. */
void call_release(struct call *call);

/* For the watch; all but call_drop under frontend->lock. */
void call_enter_flight(struct call *call);
void call_leave_flight(struct call *call);
void call_hold(struct call *call);
void call_drop(struct call *call);

/* ---- attributes: fuse_attr.c -------------------------------------------------------------- */

void attr_to_stat(const struct attr *attr, struct stat *out_stat);
/* Monotonic time until which what the answer says may be cached, 0 for not at all. */
uint64_t call_granted_until(const struct call *call);
/* What is left of that from now on, in seconds; fixed_ms counts instead unless it is -1. */
double frontend_timeout(const struct frontend *frontend, long fixed_ms, uint64_t until_ns);

/* ---- entries: fuse_name.c ----------------------------------------------------------------- */

/*
 * Refer to the object with the kernel's next reply and describe it. Undo with inode_table_forget if
 * the reply does not reach the kernel. was_kept: attr may be older than the kernel's request.
 *
 * Fails: -EIO (no attributes), -ENOMEM, -ESTALE (was_kept, and it has changed since).
 */
int frontend_entry(struct frontend *frontend, const struct attr *attr, uint64_t granted_until_ns,
                   bool was_kept, struct fuse_entry_param *out_entry);
/* An answer function: reply with reply.object as a new entry. */
void call_answer_entry(struct call *call);

/* Remember what a name is, unless it has changed since changes was asked for, and recall it; 0: not
 * known. Spares removals the question whether what they remove is open. */
uint64_t name_changes(struct frontend *frontend, fuse_ino_t parent, struct slice name);
void name_seen(struct frontend *frontend, fuse_ino_t parent, struct slice name, fuse_ino_t ino,
               uint64_t changes);
/* The name has changed: to ino, likewise, or to what is not known (0). */
void name_changed(struct frontend *frontend, fuse_ino_t parent, struct slice name, fuse_ino_t ino,
                  uint64_t changes);
fuse_ino_t name_recall(struct frontend *frontend, fuse_ino_t parent, struct slice name);

/* ---- receive buffers: fuse_loop.c --------------------------------------------------------- */

void receive_pool_init(struct receive_pool *pool);
void receive_pool_release(struct receive_pool *pool);
/*
 * Keep data, size bytes inside this thread's receive buffer, until the call ends: the buffer itself
 * is taken over, or the bytes are copied. Fails: -ENOMEM.
 */
int call_keep_data(struct call *call, const char *data, size_t size, struct slice *out_data);
void receive_give_back(struct receive_pool *pool, char *memory);
int frontend_start_threads(struct frontend *frontend);
void frontend_join_threads(struct frontend *frontend);

/* ---- the watch: fuse_interrupt.c ---------------------------------------------------------- */

int frontend_start_watch(struct frontend *frontend);
void frontend_stop_watch(struct frontend *frontend);

/* ---- the rows, as libfuse declares them --------------------------------------------------- */

void fuse_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info);
void fuse_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *stat, int to_set,
                     struct fuse_file_info *info);
void fuse_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void fuse_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count);
void fuse_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void fuse_op_readlink(fuse_req_t req, fuse_ino_t ino);
void fuse_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info);
void fuse_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info);
void fuse_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                  struct fuse_file_info *info);
void fuse_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                   struct fuse_file_info *info);
void fuse_op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *info);
void fuse_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                    struct fuse_file_info *info);
void fuse_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void fuse_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void fuse_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void fuse_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void fuse_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void fuse_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void fuse_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t parent2,
                    const char *name2, unsigned int flags);
void fuse_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info);
void fuse_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                     struct fuse_file_info *info);
void fuse_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                         struct fuse_file_info *info);
void fuse_op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info);
void fuse_op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *info);
void fuse_op_statfs(fuse_req_t req, fuse_ino_t ino);
void fuse_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void fuse_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void fuse_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                      size_t size, int flags);
void fuse_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);
void fuse_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                       struct fuse_file_info *info);
void fuse_op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
                   struct fuse_file_info *info);
void fuse_op_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t from_offset,
                             struct fuse_file_info *from_info, fuse_ino_t to, off_t to_offset,
                             struct fuse_file_info *to_info, size_t length, int flags);
void fuse_op_init(void *userdata, struct fuse_conn_info *connection);

/* fuse_remove.c: a file that this mount has open has no name; and the last one open on ino was
 * closed. */
void orphan_made(struct frontend *frontend, const struct attr *attr);
void orphan_closed(struct frontend *frontend, fuse_ino_t ino);
/* The mount has ended: the kernel may have told of a last close no more. Waits, with a bound. */
void orphans_end(struct frontend *frontend);
/* True if the open, which is counted already, has to wait for a removal; it goes on by
 * open_resume. */
bool open_park(struct call *call);
/* For the watch, which holds the call: it has been cancelled, and if it waits so, it ends. */
void open_cancel(struct call *call);
/* fuse_io.c */
void open_resume(struct call *call, bool has_waited);
/* fuse_io.c: the caller may not keep a file's privilege bits, as far as the kernel leaves that to
 * us; and bytes were written that fsync has to answer for. */
void call_kills_privilege(struct call *call);
void call_wrote(struct call *call);

#endif
