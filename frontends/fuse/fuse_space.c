/*
 * Row space: FALLOCATE, LSEEK (SEEK_DATA and SEEK_HOLE), COPY_FILE_RANGE.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/fuse/fuse_frontend.h"

void fuse_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                       struct fuse_file_info *info)
{
    (void)info;
    struct call *call = call_new(req, VOLUME_ALLOCATE, ino, call_done);
    if (call) {
        call_kills_privilege(call); /* the kernel does not say; a local file system asks likewise */
        call->request.flags = (uint32_t)mode;
        call->request.offset = (uint64_t)offset;
        call->request.length = (uint64_t)length;
        call_submit(call);
    }
}

static void seek_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    if (reply->status != 0) {
        call_fail(call, reply->status);
        return;
    }
    fuse_reply_lseek(call->req, (off_t)reply->offset);
    call_release(call);
}

void fuse_op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
                   struct fuse_file_info *info)
{
    (void)info;
    struct call *call = call_new(req, VOLUME_SEEK, ino, seek_answer);
    if (call) {
        call->request.offset = (uint64_t)offset;
        call->request.flags = (uint32_t)whence;
        call_submit(call);
    }
}

static void copy_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    if (reply->status != 0) {
        call_fail(call, reply->status);
        return;
    }
    if (reply->count > 0) {
        call_wrote(call);
    }
    fuse_reply_write(call->req, reply->count);
    call_release(call);
}

void fuse_op_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t from_offset,
                             struct fuse_file_info *from_info, fuse_ino_t to, off_t to_offset,
                             struct fuse_file_info *to_info, size_t length, int flags)
{
    (void)from_info, (void)to_info, (void)flags; /* none are defined */
    struct call *call = call_new(req, VOLUME_COPY, to, copy_answer);
    if (call && call_object2(call, from) == 0) {
        call_kills_privilege(call);
        call->request.offset = (uint64_t)to_offset;
        call->request.offset2 = (uint64_t)from_offset;
        call->request.length = length;
        call_submit(call);
    }
}
