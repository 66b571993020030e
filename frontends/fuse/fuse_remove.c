/*
 * Row remove: UNLINK, RMDIR, RENAME, and the end of files that were unlinked while open.
 *
 * The volume keeps no open files, but it keeps a file that loses its last name if it is told that
 * somebody has it open: the removal says so if this mount has, and the last close lets go of it
 * (VOLUME_FORGET). While no file is open, or a name is known to be one that is not, nothing of this
 * happens.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include "backend/base/log.h"
#include "frontends/fuse/fuse_frontend.h"

/* ---- letting go --------------------------------------------------------------------------- */

static void forget_complete(struct volume_request *request)
{
    int status = request->reply.status;
    if (status != 0 && status != -ESTALE) {
        /* The bricks let go of it when this client has been away for a while. */
        log_debug("an unlinked file is kept longer than it was open: %s", error_text(status));
    }
    free(request);
}

void orphan_closed(struct frontend *frontend, fuse_ino_t ino)
{
    struct gfid gfid;
    if (!inode_table_take_orphan(frontend->inodes, ino, &gfid)) {
        return;
    }
    struct volume_request *request = calloc(1, sizeof(*request));
    if (!request) {
        log_warn("out of memory; an unlinked file is kept until this mount has ended");
        return;
    }
    *request = (struct volume_request){.op = VOLUME_FORGET,
                                       .cred = {.flags = CRED_CHECKED},
                                       .object = gfid,
                                       .complete = forget_complete};
    volume_submit(frontend->volume, request);
}

void orphan_made(struct frontend *frontend, const struct attr *attr)
{
    inode_table_set_orphan(frontend->inodes, gfid_ino(&attr->gfid), true);
    orphan_closed(frontend, gfid_ino(&attr->gfid)); /* if all was closed meanwhile */
}

/* What a removal took the last name from, if it was to be kept. */
static void note_orphan(struct call *call, const struct attr *attr)
{
    if (call->request.reply.status == 0 && call->request.keep_open && attr->nlink == 0 &&
        attr->type != OBJECT_NONE && attr->type != OBJECT_DIRECTORY) {
        orphan_made(call->frontend, attr);
    }
}

/* False only if what parent/name is was seen just now, and is not open. */
static bool may_be_open(struct frontend *frontend, fuse_ino_t parent, struct slice name)
{
    if (inode_table_opened_all(frontend->inodes) == 0) {
        return false;
    }
    fuse_ino_t ino = name_recall(frontend, parent, name);
    return ino == 0 || inode_table_opened(frontend->inodes, ino) > 0;
}

/* ---- UNLINK and RMDIR --------------------------------------------------------------------- */

static void unlink_answer(struct call *call)
{
    note_orphan(call, &call->request.reply.object);
    call_done(call);
}

void fuse_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, VOLUME_REMOVE, parent, unlink_answer);
    if (call && call_name(call, name) == 0) {
        call->request.keep_open = may_be_open(call->frontend, parent, call->request.name);
        call_submit(call);
    }
}

void fuse_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, VOLUME_RMDIR, parent, call_done);
    if (call && call_name(call, name) == 0) {
        call_submit(call);
    }
}

/* ---- RENAME ------------------------------------------------------------------------------- */

static void rename_answer(struct call *call)
{
    note_orphan(call, &call->request.reply.replaced);
    call_done(call);
}

void fuse_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t parent2,
                    const char *name2, unsigned int flags)
{
    struct call *call = call_new(req, VOLUME_RENAME, parent, rename_answer);
    if (!call || call_object2(call, parent2) != 0 || call_name(call, name) != 0 ||
        call_name2(call, name2) != 0) {
        return;
    }
    call->request.flags = flags;
    call->request.keep_open =
        flags == 0 && may_be_open(call->frontend, parent2, call->request.name2);
    call_submit(call);
}
