/*
 * Row io: OPEN, RELEASE, READ, WRITE, FSYNC. The volume keeps no open files; opens are counted
 * here, for what is unlinked while open (fuse_remove.c).
 *
 * A write that is not synced may be lost when all bricks lose power at once, and only then changes
 * the volume's write verifier (RFC 1813 section 4.8). FSYNC must fail if that happened to a write
 * since the last FSYNC: verifiers are numbered by epochs, an inode remembers the epoch of its first
 * unsynced write, and FSYNC compares.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"
#include "frontends/fuse/fuse_kernel.h"

/* The epoch of verifier, which has just come with an answer. */
static uint32_t verifier_epoch(struct frontend *frontend, uint64_t verifier)
{
    AUTO_LOCK(&frontend->verifier_lock);
    if (frontend->verifier != verifier) {
        /* The first verifier ever seen ends no epoch. */
        frontend->epoch += frontend->verifier != 0;
        frontend->verifier = verifier;
    }
    return frontend->epoch;
}

void call_kills_privilege(struct call *call)
{
    if (call->request.cred.uid != 0) {
        call->request.cred.flags |= CRED_KILLS_PRIVILEGE;
    }
}

/* Where the kernel says it: no CAP_FSETID. */
static void call_take_privilege(struct call *call)
{
    if (kernel_extra()->kills_privilege) {
        call->request.cred.flags |= CRED_KILLS_PRIVILEGE;
    }
}

void call_wrote(struct call *call)
{
    struct frontend *frontend = call->frontend;
    const struct reply *reply = &call->request.reply;
    uint32_t epoch = verifier_epoch(frontend, reply->verifier);
    if (reply->committed == STABLE_UNSTABLE) {
        inode_table_wrote(frontend->inodes, call->ino, epoch);
    }
}

/* No RELEASE follows an OPEN that failed or was interrupted. */
static void open_undo(struct call *call)
{
    if (inode_table_close(call->frontend->inodes, call->ino)) {
        orphan_closed(call->frontend, call->ino);
    }
}

static void open_answer(struct call *call)
{
    if (call->request.reply.status != 0) {
        open_undo(call);
        call_fail(call, call->request.reply.status);
        return;
    }
    if (fuse_reply_open(call->req, &call->file) != 0) {
        open_undo(call);
    }
    call_release(call);
}

void open_resume(struct call *call, bool has_waited)
{
    if (has_waited && !call_wait_ended(call)) {
        call->request.reply.status = -EINTR;
    } else if (inode_table_is_gone(call->frontend->inodes, call->ino)) {
        call->request.reply.status = -ESTALE;
    } else if (call->file.flags & O_TRUNC) { /* FUSE_CAP_ATOMIC_O_TRUNC */
        call->request.change = (struct attr_change){.mask = ATTR_SIZE, .size = 0};
        call_submit(call);
        return;
    }
    open_answer(call);
}

void fuse_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
    struct call *call = call_new(req, VOLUME_SETATTR, ino, open_answer);
    if (!call) {
        return;
    }
    call->file = *info;
    call_take_privilege(call);
    /* Cached data may stay while the attributes that vouch for it are granted. */
    call->file.keep_cache =
        inode_table_open(call->frontend->inodes, ino, clock_monotonic_ns(call->frontend->clock));
    if (!open_park(call)) {
        open_resume(call, false);
    }
}

void fuse_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
    struct frontend *frontend = fuse_req_userdata(req);
    (void)info;
    if (inode_table_close(frontend->inodes, ino)) {
        orphan_closed(frontend, ino);
    }
    fuse_reply_err(req, 0);
}

static void read_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    if (reply->status != 0) {
        call_fail(call, reply->status);
        return;
    }
    fuse_reply_buf(call->req, (const char *)reply->data.data, reply->data.size);
    call_release(call);
}

void fuse_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                  struct fuse_file_info *info)
{
    (void)info;
    struct call *call = call_new(req, VOLUME_READ, ino, read_answer);
    if (call) {
        call->request.offset = (uint64_t)offset;
        call->request.count = size < IO_SIZE_MAX ? (uint32_t)size : IO_SIZE_MAX;
        call_submit(call);
    }
}

static void write_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    if (reply->status != 0) {
        call_fail(call, reply->status);
        return;
    }
    call_wrote(call);
    fuse_reply_write(call->req, reply->count);
    call_release(call);
}

static enum stable_how write_stable(int flags)
{
    if ((flags & O_SYNC) == O_SYNC) {
        return STABLE_FILE_SYNC;
    }
    return flags & O_DSYNC ? STABLE_DATA_SYNC : STABLE_UNSTABLE;
}

void fuse_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                   struct fuse_file_info *info)
{
    struct call *call = call_new(req, VOLUME_WRITE, ino, write_answer);
    if (!call) {
        return;
    }
    int status = call_keep_data(call, data, size, &call->request.data);
    if (status != 0) {
        call_fail(call, status);
        return;
    }
    call->request.offset = (uint64_t)offset;
    call->request.count = (uint32_t)size;
    call->request.stable = write_stable(info->flags);
    call->is_writeback = info->writepage;
    /* Pages of a mapping have their place, whatever the file was opened for. */
    call->request.append = (info->flags & O_APPEND) && !info->writepage;
    call_take_privilege(call);
    call_submit(call);
}

static void fsync_answer(struct call *call)
{
    struct frontend *frontend = call->frontend;
    int status = call->request.reply.status;
    if (status != 0) {
        if (call->epoch != 0) {
            inode_table_wrote(frontend->inodes, call->ino, call->epoch); /* still not synced */
        }
        call_fail(call, status);
        return;
    }
    uint32_t now = verifier_epoch(frontend, call->request.reply.verifier);
    if (call->epoch != 0 && call->epoch != now) {
        call_fail(call, -EIO); /* written data may have gone; the program has to write again */
        return;
    }
    call_done(call);
}

void fuse_op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
    (void)data_only; /* data and attributes are in one log */
    (void)info;
    struct call *call = call_new(req, VOLUME_COMMIT, ino, fsync_answer);
    if (call) {
        call->epoch = inode_table_clean(call->frontend->inodes, ino);
        call_submit(call);
    }
}
