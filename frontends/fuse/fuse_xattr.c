/*
 * Row xattr: GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR. The kernel has checked who may, and asks
 * for ACLs by the same way (FUSE_CAP_POSIX_ACL).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/fuse/fuse_frontend.h"
#include "frontends/fuse/fuse_kernel.h"

/* A size of 0 asks how large an answer would be. */
static void xattr_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    if (reply->status != 0) {
        call_fail(call, reply->status);
        return;
    }
    if (call->size == 0) {
        fuse_reply_xattr(call->req, reply->count);
    } else {
        fuse_reply_buf(call->req, (const char *)reply->data.data, reply->data.size);
    }
    call_release(call);
}

static uint32_t xattr_room(size_t size)
{
    return size < XATTRS_SIZE_MAX ? (uint32_t)size : XATTRS_SIZE_MAX;
}

void fuse_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct call *call = call_new(req, VOLUME_GETXATTR, ino, xattr_answer);
    if (call && call_name(call, name) == 0) {
        call->size = size;
        call->request.count = xattr_room(size);
        call_submit(call);
    }
}

void fuse_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct call *call = call_new(req, VOLUME_LISTXATTR, ino, xattr_answer);
    if (call) {
        call->size = size;
        call->request.count = xattr_room(size);
        call_submit(call);
    }
}

void fuse_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                      size_t size, int flags)
{
    struct call *call = call_new(req, VOLUME_SETXATTR, ino, call_done);
    if (!call || call_name(call, name) != 0) {
        return;
    }
    int status = call_keep_data(call, value, size, &call->request.data);
    if (status != 0) {
        call_fail(call, status);
        return;
    }
    if (kernel_extra()->kills_privilege) {
        call->request.cred.flags |= CRED_KILLS_PRIVILEGE;
    }
    call->request.flags = (uint32_t)flags;
    call_submit(call);
}

void fuse_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    struct call *call = call_new(req, VOLUME_REMOVEXATTR, ino, call_done);
    if (call && call_name(call, name) == 0) {
        call_submit(call);
    }
}
