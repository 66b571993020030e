/*
 * The table of operations, and the life of a call: taken from the pool, submitted, answered, given
 * back. See fuse_frontend.h for the way a request goes.
 *
 * What is not in the table is answered with ENOSYS, which the kernel remembers: it then stops
 * asking for FLUSH at every close (nothing is deferred here that a close could report), and keeps
 * locks itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/fuse/fuse_frontend.h"

#include <assert.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/scope.h"

int frontend_new(const struct mount_options *options, struct frontend **out_frontend)
{
    struct frontend *frontend = calloc(1, sizeof(*frontend));
    if (!frontend) {
        return -ENOMEM;
    }
    frontend->ended_fd = eventfd(0, EFD_CLOEXEC);
    if (frontend->ended_fd < 0 || inode_table_new(&frontend->inodes) != 0) {
        scope_close(&frontend->ended_fd);
        free(frontend);
        return -ENOMEM;
    }
    frontend->options = options;
    frontend->clock = clock_real();
    frontend->flight.next = frontend->flight.previous = &frontend->flight;
    frontend->epoch = 1;
    atomic_init(&frontend->is_granting, true); /* until an answer says otherwise */
    pthread_mutex_init(&frontend->lock, NULL);
    pthread_mutex_init(&frontend->verifier_lock, NULL);
    pthread_mutex_init(&frontend->removal_lock, NULL);
    pthread_mutex_init(&frontend->seen_lock, NULL);
    pthread_rwlock_init(&frontend->grant_lock, NULL);
    pthread_mutex_init(&frontend->watch_lock, NULL);
    pthread_cond_init(&frontend->watch_stop, NULL);
    receive_pool_init(&frontend->buffers);
    pollers_init(&frontend->pollers, options->threads);
    *out_frontend = frontend;
    return 0;
}

void frontend_free(struct frontend *frontend)
{
    if (!frontend) {
        return;
    }
    PRE(frontend->flight.next == &frontend->flight);
    for (struct call *call = frontend->unused, *next; call; call = next) {
        next = call->next;
        free(call);
    }
    if (frontend->session) {
        fuse_session_destroy(frontend->session);
    }
    receive_pool_release(&frontend->buffers);
    pollers_release(&frontend->pollers);
    inode_table_free(frontend->inodes);
    pthread_mutex_destroy(&frontend->lock);
    pthread_mutex_destroy(&frontend->verifier_lock);
    pthread_mutex_destroy(&frontend->removal_lock);
    pthread_mutex_destroy(&frontend->seen_lock);
    pthread_rwlock_destroy(&frontend->grant_lock);
    pthread_mutex_destroy(&frontend->watch_lock);
    pthread_cond_destroy(&frontend->watch_stop);
    scope_close(&frontend->ended_fd);
    free(frontend->mount_point);
    free(frontend);
}

static struct call *pool_take(struct frontend *frontend)
{
    {
        AUTO_LOCK(&frontend->lock);
        struct call *call = frontend->unused;
        if (call) {
            frontend->unused = call->next;
            frontend->unused_count--;
            return call;
        }
    }
    return malloc(sizeof(struct call));
}

static void pool_give(struct frontend *frontend, struct call *call)
{
    {
        AUTO_LOCK(&frontend->lock);
        if (frontend->unused_count < FUSE_CALLS_KEPT) {
            call->next = frontend->unused;
            frontend->unused = call;
            frontend->unused_count++;
            return;
        }
    }
    free(call);
}

struct call *call_new(fuse_req_t req, enum volume_op op, fuse_ino_t ino,
                      void (*answer)(struct call *call))
{
    struct frontend *frontend = fuse_req_userdata(req);
    struct call *call = pool_take(frontend);
    if (!call) {
        fuse_reply_err(req, ENOMEM);
        return NULL;
    }
    memset(call, 0, offsetof(struct call, name));
    call->frontend = frontend;
    call->req = req;
    call->ino = ino;
    call->answer = answer;
    call->started_ns = clock_monotonic_ns(frontend->clock);
    call->recalls = __atomic_load_n(&frontend->recalls, __ATOMIC_ACQUIRE);
    const struct fuse_ctx *caller = fuse_req_ctx(req);
    call->pid = caller->pid;
    call->request.op = op;
    call->request.cred =
        (struct cred){.flags = CRED_CHECKED, .uid = caller->uid, .gid = caller->gid};
    int status = inode_table_find(frontend->inodes, ino, &call->request.object);
    if (status != 0) {
        call_fail(call, status);
        return NULL;
    }
    return call;
}

int call_object2(struct call *call, fuse_ino_t ino)
{
    int status = inode_table_find(call->frontend->inodes, ino, &call->request.object2);
    if (status != 0) {
        call_fail(call, status);
    }
    return status;
}

static int name_copy(struct call *call, const char *name, char *copy, struct slice *out_slice)
{
    /* The kernel's names are in the receive buffer, which is used again before the answer is. */
    size_t size = strnlen(name, NAME_SIZE_MAX + 1);
    if (size > NAME_SIZE_MAX) {
        call_fail(call, -ENAMETOOLONG);
        return -ENAMETOOLONG;
    }
    memcpy(copy, name, size + 1);
    *out_slice = slice_of(copy, size);
    return 0;
}

int call_name(struct call *call, const char *name)
{
    return name_copy(call, name, call->name, &call->request.name);
}

int call_name2(struct call *call, const char *name)
{
    return name_copy(call, name, call->name2, &call->request.name2);
}

void call_enter_flight(struct call *call)
{
    struct call *head = &call->frontend->flight;
    call->next = head;
    call->previous = head->previous;
    call->previous->next = call;
    head->previous = call;
    call->is_in_flight = true;
}

void call_leave_flight(struct call *call)
{
    call->next->previous = call->previous;
    call->previous->next = call->next;
    call->is_in_flight = false;
}

static void call_land(struct call *call)
{
    AUTO_LOCK(&call->frontend->lock);
    call_leave_flight(call);
}

static void note_change(struct frontend *frontend, const struct attr *attr)
{
    if (attr->type != OBJECT_NONE) {
        inode_table_changed(frontend->inodes, &attr->gfid, attr->change);
    }
}

/* Listings that were read before this answer must not bring older attributes after it. */
static void call_note_changes(struct call *call)
{
    static const uint32_t reading =
        1U << VOLUME_GETATTR | 1U << VOLUME_ACCESS | 1U << VOLUME_LOOKUP | 1U << VOLUME_READLINK |
        1U << VOLUME_READ | 1U << VOLUME_COMMIT | 1U << VOLUME_READDIR | 1U << VOLUME_STATFS |
        1U << VOLUME_GETXATTR | 1U << VOLUME_LISTXATTR | 1U << VOLUME_SEEK;
    const struct reply *reply = &call->request.reply;
    if (reply->status == 0 && !(reading >> call->request.op & 1)) {
        note_change(call->frontend, &reply->object);
        note_change(call->frontend, &reply->parent);
        note_change(call->frontend, &reply->parent2);
        note_change(call->frontend, &reply->replaced);
    }
}

static void call_note_grant(struct call *call)
{
    static const uint32_t granted = 1U << VOLUME_GETATTR | 1U << VOLUME_LOOKUP;
    _Atomic bool *is_granting = &call->frontend->is_granting;
    const struct reply *reply = &call->request.reply;
    bool has_grant = reply->grant_ms > 0;
    if (reply->status == 0 && (granted >> call->request.op & 1) &&
        atomic_load_explicit(is_granting, memory_order_relaxed) != has_grant) {
        atomic_store_explicit(is_granting, has_grant, memory_order_relaxed);
    }
}

bool grants_hold(struct frontend *frontend, uint64_t recalls)
{
    pthread_rwlock_rdlock(&frontend->grant_lock);
    return __atomic_load_n(&frontend->recalls, __ATOMIC_RELAXED) == recalls;
}

void grants_let_go(struct frontend *frontend)
{
    pthread_rwlock_unlock(&frontend->grant_lock);
}

/* volume_request.complete. */
static void call_complete(struct volume_request *request)
{
    struct call *call = (struct call *)request;
    static_assert(offsetof(struct call, request) == 0, "a request is the start of its call");
    call_land(call); /* from here the watch does not see it: the reply frees req */
    call_note_changes(call);
    call_note_grant(call);
    if (request->reply.grant_ms == 0) {
        call->answer(call);
        return;
    }
    struct frontend *frontend = call->frontend;
    if (!grants_hold(frontend, call->recalls)) {
        request->reply.grant_ms = 0;
    }
    call->answer(call);
    grants_let_go(frontend);
}

/* The flight's hold lasts to the end of the call. */
static void call_fly(struct call *call)
{
    AUTO_LOCK(&call->frontend->lock);
    call->holds += call->holds == 0;
    call_enter_flight(call);
}

void call_submit(struct call *call)
{
    call->request.complete = call_complete;
    call_fly(call);
    volume_submit(call->frontend->volume, &call->request);
}

void call_wait(struct call *call)
{
    call_fly(call);
}

bool call_wait_ended(struct call *call)
{
    call_land(call);
    return !call->is_cancelled; /* which does not change since it landed */
}

void call_hold(struct call *call)
{
    call->holds++;
}

void call_drop(struct call *call)
{
    struct frontend *frontend = call->frontend;
    {
        AUTO_LOCK(&frontend->lock);
        if (call->holds > 1) {
            call->holds--;
            return;
        }
    }
    pool_give(frontend, call);
}

void call_release(struct call *call)
{
    if (call->memory) {
        free(call->memory);
    }
    if (call->received) {
        receive_give_back(&call->frontend->buffers, call->received);
    }
    call_drop(call);
}

void call_fail(struct call *call, int status)
{
    PRE(status < 0);
    fuse_reply_err(call->req, error_errno(status));
    call_release(call);
}

void call_done(struct call *call)
{
    int status = call->request.reply.status;
    fuse_reply_err(call->req, status == 0 ? 0 : error_errno(status));
    call_release(call);
}

const struct fuse_lowlevel_ops fuse_operations = {
    .init = fuse_op_init,
    .lookup = fuse_op_lookup,
    .forget = fuse_op_forget,
    .getattr = fuse_op_getattr,
    .setattr = fuse_op_setattr,
    .readlink = fuse_op_readlink,
    .mknod = fuse_op_mknod,
    .mkdir = fuse_op_mkdir,
    .unlink = fuse_op_unlink,
    .rmdir = fuse_op_rmdir,
    .symlink = fuse_op_symlink,
    .rename = fuse_op_rename,
    .link = fuse_op_link,
    .open = fuse_op_open,
    .read = fuse_op_read,
    .write = fuse_op_write,
    .release = fuse_op_release,
    .fsync = fuse_op_fsync,
    .opendir = fuse_op_opendir,
    .readdir = fuse_op_readdir,
    .readdirplus = fuse_op_readdirplus,
    .releasedir = fuse_op_releasedir,
    .fsyncdir = fuse_op_fsyncdir,
    .statfs = fuse_op_statfs,
    .create = fuse_op_create,
    .getxattr = fuse_op_getxattr,
    .listxattr = fuse_op_listxattr,
    .setxattr = fuse_op_setxattr,
    .removexattr = fuse_op_removexattr,
    .fallocate = fuse_op_fallocate,
    .lseek = fuse_op_lseek,
    .copy_file_range = fuse_op_copy_file_range,
    .forget_multi = fuse_op_forget_multi,
};
