/*
 * Row make: CREATE, TMPFILE, MKDIR, SYMLINK, MKNOD, LINK. What is made belongs to the caller. The
 * umask goes along, since a directory with a default ACL does not want it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "backend/base/clock.h"
#include "frontends/fuse/fuse_frontend.h"
#include "frontends/fuse/fuse_kernel.h"

static struct attr_change change_mode(mode_t mode)
{
    return (struct attr_change){.mask = ATTR_MODE, .mode = mode & 07777};
}

/* Copy the name that the call makes. As call_name. */
static int call_makes(struct call *call, fuse_ino_t parent, const char *name)
{
    int status = call_name(call, name);
    if (status == 0) {
        call->changes = name_changes(call->frontend, parent, call->request.name);
    }
    return status;
}

static void call_mode(struct call *call, mode_t mode)
{
    call->request.change = change_mode(mode);
    call->request.umask = fuse_req_ctx(call->req)->umask & 0777;
}

/* Note what the name is that the call makes, in its answer. */
static void call_made(struct call *call, fuse_ino_t parent)
{
    const struct reply *reply = &call->request.reply;
    fuse_ino_t ino = reply->status == 0 ? gfid_ino(&reply->object.gfid) : 0;
    name_changed(call->frontend, parent, call->request.name, ino, call->changes);
}

static void create_answer(struct call *call)
{
    struct frontend *frontend = call->frontend;
    call_made(call, call->ino);
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
    if (call->is_tmpfile) {
        (void)inode_table_set_orphan(frontend->inodes, entry.ino, true); /* it is open */
    }
    if (fuse_reply_create(call->req, &entry, &call->file) != 0) {
        (void)inode_table_close(frontend->inodes, entry.ino);
        orphan_closed(frontend, entry.ino);
        inode_table_forget(frontend->inodes, entry.ino, 1);
    }
    call_release(call);
}

void fuse_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                    struct fuse_file_info *info)
{
    bool is_tmpfile = kernel_extra()->is_tmpfile;
    struct call *call =
        call_new(req, is_tmpfile ? VOLUME_TMPFILE : VOLUME_CREATE, parent, create_answer);
    if (!call || (!is_tmpfile && call_makes(call, parent, name) != 0)) {
        return;
    }
    call->file = *info;
    call->is_tmpfile = is_tmpfile;
    call->request.how = info->flags & O_EXCL ? VOLUME_CREATE_GUARDED : VOLUME_CREATE_UNCHECKED;
    call_mode(call, mode);
    if (info->flags & O_TRUNC) {
        call->request.change.mask |= ATTR_SIZE;
    }
    if (kernel_extra()->kills_privilege) {
        call->request.cred.flags |= CRED_KILLS_PRIVILEGE;
    }
    call_submit(call);
}

/* The name is another's now. */
static void make_answer(struct call *call)
{
    call_made(call, call->ino);
    call_answer_entry(call);
}

void fuse_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    bool is_file = S_ISREG(mode) || (mode & S_IFMT) == 0;
    struct call *call = call_new(req, is_file ? VOLUME_CREATE : VOLUME_MKNOD, parent, make_answer);
    if (!call || call_makes(call, parent, name) != 0) {
        return;
    }
    call_mode(call, mode);
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
    struct call *call = call_new(req, VOLUME_MKDIR, parent, make_answer);
    if (call && call_makes(call, parent, name) == 0) {
        call_mode(call, mode);
        call_submit(call);
    }
}

void fuse_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, VOLUME_SYMLINK, parent, make_answer);
    if (!call || call_makes(call, parent, name) != 0) {
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

static void link_answer(struct call *call)
{
    call_made(call, gfid_ino(&call->request.object2));
    if (call->request.reply.status == 0) {
        /* What was made without a name has one now. */
        (void)inode_table_set_orphan(call->frontend->inodes, call->ino, false);
    }
    call_answer_entry(call);
}

void fuse_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, VOLUME_LINK, ino, link_answer);
    if (call && call_object2(call, parent) == 0 && call_makes(call, parent, name) == 0) {
        call_submit(call);
    }
}
