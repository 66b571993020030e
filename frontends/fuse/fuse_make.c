/*
 * Row make: CREATE, MKDIR, SYMLINK, MKNOD, LINK. What is made belongs to the caller; the kernel has
 * taken the umask from mode.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "backend/base/clock.h"
#include "frontends/fuse/fuse_frontend.h"

static struct attr_change change_mode(mode_t mode)
{
    return (struct attr_change){.mask = ATTR_MODE, .mode = mode & 07777};
}

static void create_answer(struct call *call)
{
    struct frontend *frontend = call->frontend;
    const struct reply *reply = &call->request.reply;
    struct fuse_entry_param entry;
    int status = reply->status;
    if (status == 0) {
        status = frontend_entry(frontend, &reply->object, call_granted_until(call), false, &entry);
    }
    if (status != 0) {
        call_fail(call, status);
        return;
    }
    call->file.keep_cache =
        inode_table_open(frontend->inodes, entry.ino, clock_monotonic_ns(frontend->clock));
    if (fuse_reply_create(call->req, &entry, &call->file) != 0) {
        (void)inode_table_close(frontend->inodes, entry.ino);
        inode_table_forget(frontend->inodes, entry.ino, 1);
    }
    call_release(call);
}

void fuse_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                    struct fuse_file_info *info)
{
    struct call *call = call_new(req, VOLUME_CREATE, parent, create_answer);
    if (!call || call_name(call, name) != 0) {
        return;
    }
    call->file = *info;
    call->request.how = info->flags & O_EXCL ? VOLUME_CREATE_GUARDED : VOLUME_CREATE_UNCHECKED;
    call->request.change = change_mode(mode);
    if (info->flags & O_TRUNC) {
        call->request.change.mask |= ATTR_SIZE;
    }
    call_submit(call);
}

void fuse_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    bool is_file = S_ISREG(mode) || (mode & S_IFMT) == 0;
    struct call *call =
        call_new(req, is_file ? VOLUME_CREATE : VOLUME_MKNOD, parent, call_answer_entry);
    if (!call || call_name(call, name) != 0) {
        return;
    }
    call->request.change = change_mode(mode);
    if (is_file) {
        call->request.how = VOLUME_CREATE_GUARDED;
    } else {
        call->request.type = object_type_from_mode(mode);
        call->request.device_major = major(device);
        call->request.device_minor = minor(device);
    }
    call_submit(call);
}

void fuse_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct call *call = call_new(req, VOLUME_MKDIR, parent, call_answer_entry);
    if (call && call_name(call, name) == 0) {
        call->request.change = change_mode(mode);
        call_submit(call);
    }
}

void fuse_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, VOLUME_SYMLINK, parent, call_answer_entry);
    if (!call || call_name(call, name) != 0) {
        return;
    }
    size_t size = strlen(target);
    call->memory = size <= TARGET_SIZE_MAX ? strdup(target) : NULL;
    if (!call->memory) {
        call_fail(call, size <= TARGET_SIZE_MAX ? -ENOMEM : -ENAMETOOLONG);
        return;
    }
    call->request.target = slice_of(call->memory, size);
    call->request.change = change_mode(0777);
    call_submit(call);
}

void fuse_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, VOLUME_LINK, ino, call_answer_entry);
    if (call && call_object2(call, parent) == 0 && call_name(call, name) == 0) {
        call_submit(call);
    }
}
