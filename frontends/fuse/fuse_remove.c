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
#include <time.h>
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"

/* ---- letting go --------------------------------------------------------------------------- */

static void forget_complete(struct volume_request *request)
{
    int status = request->reply.status;
    if (status != 0 && status != -ESTALE) {
        /* The bricks let go of it when this client has been away for a while. */
        log_debug("an unlinked file is kept longer than it was open: %s", error_text(status));
    }
    struct frontend *frontend = request->context;
    if (status == 0) {
        inode_table_set_gone(frontend->inodes, gfid_ino(&request->object));
    }
    atomic_fetch_sub(&frontend->forgetting, 1);
    free(request);
}

static void forget(struct frontend *frontend, const struct gfid *gfid)
{
    struct volume_request *request = calloc(1, sizeof(*request));
    if (!request) {
        log_warn("out of memory; an unlinked file is kept until this mount has ended");
        return;
    }
    *request = (struct volume_request){.op = VOLUME_FORGET,
                                       .cred = {.flags = CRED_CHECKED},
                                       .object = *gfid,
                                       .complete = forget_complete,
                                       .context = frontend};
    atomic_fetch_add(&frontend->forgetting, 1);
    volume_submit(frontend->volume, request);
}

void orphan_closed(struct frontend *frontend, fuse_ino_t ino)
{
    struct gfid gfid;
    if (inode_table_take_orphan(frontend->inodes, ino, &gfid)) {
        forget(frontend, &gfid);
    }
}

static void forget_each(void *context, const struct gfid *gfid)
{
    forget(context, gfid);
}

void orphans_end(struct frontend *frontend)
{
    const struct timespec pause = {.tv_nsec = 1000 * 1000};
    inode_table_take_orphans(frontend->inodes, forget_each, frontend);
    for (unsigned ms = 0; ms < FUSE_STOP_MS && atomic_load(&frontend->forgetting) > 0 &&
                          volume_answers(frontend->volume);
         ms++) {
        nanosleep(&pause, NULL);
    }
}

void orphan_made(struct frontend *frontend, const struct attr *attr)
{
    fuse_ino_t ino = gfid_ino(&attr->gfid);
    if (inode_table_set_orphan(frontend->inodes, ino, true)) {
        orphan_closed(frontend, ino); /* if all was closed meanwhile */
    } else {
        forget(frontend, &attr->gfid); /* the name was another's by then, which nobody has open */
    }
}

/* ---- removals and opens at the same time --------------------------------------------------- */

/*
 * An open between the question whether something is open and the answer to its removal would get a
 * file that the volume has not any more. So a removal is noted before it asks, an open is counted
 * before it looks for removals: one of the two sees the other. An open that sees a removal waits
 * for its answer; if that was the file, ESTALE makes the kernel look the name up again.
 */
static bool conflicts(const struct frontend *frontend, fuse_ino_t ino)
{
    const struct call *removal = frontend->removals;
    while (removal && removal->taken_ino != 0 && removal->taken_ino != ino) {
        removal = removal->beside;
    }
    return removal != NULL;
}

bool open_park(struct call *call)
{
    struct frontend *frontend = call->frontend;
    if (atomic_load(&frontend->removal_count) == 0) {
        return false;
    }
    AUTO_LOCK(&frontend->removal_lock);
    if (!conflicts(frontend, call->ino)) {
        return false;
    }
    call->beside = frontend->parked;
    frontend->parked = call;
    call_wait(call);
    return true;
}

void open_cancel(struct call *call)
{
    struct frontend *frontend = call->frontend;
    {
        AUTO_LOCK(&frontend->removal_lock);
        struct call **place = &frontend->parked;
        while (*place && *place != call) {
            place = &(*place)->beside;
        }
        if (!*place) {
            return;
        }
        *place = call->beside;
    }
    open_resume(call, true);
}

static void removal_begin(struct call *call, fuse_ino_t ino)
{
    struct frontend *frontend = call->frontend;
    call->taken_ino = ino;
    AUTO_LOCK(&frontend->removal_lock);
    call->beside = frontend->removals;
    frontend->removals = call;
    atomic_fetch_add(&frontend->removal_count, 1);
}

/* The opens that need not wait any more, as a list. */
static struct call *unpark(struct frontend *frontend)
{
    struct call *free_to_go = NULL;
    for (struct call **place = &frontend->parked, *call = *place; call; call = *place) {
        if (conflicts(frontend, call->ino)) {
            place = &call->beside;
        } else {
            *place = call->beside;
            call->beside = free_to_go;
            free_to_go = call;
        }
    }
    return free_to_go;
}

static void removal_end(struct call *call)
{
    struct frontend *frontend = call->frontend;
    struct call *opens;
    {
        AUTO_LOCK(&frontend->removal_lock);
        struct call **place = &frontend->removals;
        while (*place != call) {
            place = &(*place)->beside;
        }
        *place = call->beside;
        atomic_fetch_sub(&frontend->removal_count, 1);
        opens = unpark(frontend);
    }
    for (struct call *next; opens; opens = next) {
        next = opens->beside;
        open_resume(opens, true);
    }
}

enum kinds { FILES = 1, DIRECTORIES = 2, ANY_KIND = FILES | DIRECTORIES };

/* Whether what parent/name is may be open here; false only if nothing is, or if the name is known
 * to be one that is not. */
static bool may_be_open(struct call *call, fuse_ino_t parent, struct slice name, enum kinds kinds)
{
    struct inode_table *inodes = call->frontend->inodes;
    fuse_ino_t ino = name_recall(call->frontend, parent, name);
    removal_begin(call, ino);
    uint64_t opened = 0;
    opened += kinds & FILES ? inode_table_opened_all(inodes) : 0;
    opened += kinds & DIRECTORIES ? inode_table_opened_directories(inodes) : 0;
    return opened > 0 && (ino == 0 || inode_table_opened(inodes, ino) > 0);
}

/* The removal was given up, and may have taken effect or not. */
static bool is_unknown(int status)
{
    return status == -EINTR || status == -ETIMEDOUT || status == -EIO ||
           status == -E_ID_BELOW_WINDOW;
}

/* The answer says what lost its last name: it is kept, or gone. Without one it may be kept: to let
 * go of what is none does no harm. */
static void removal_answered(struct call *call, const struct attr *attr)
{
    int status = call->request.reply.status;
    if (status == 0 && attr->type != OBJECT_NONE && attr->nlink == 0) {
        if (call->request.keep_open) {
            orphan_made(call->frontend, attr);
        } else {
            inode_table_set_gone(call->frontend->inodes, gfid_ino(&attr->gfid));
        }
    } else if (call->request.keep_open && is_unknown(status)) {
        inode_table_suspect_orphan(call->frontend->inodes, call->taken_ino);
        orphan_closed(call->frontend, call->taken_ino);
    }
    removal_end(call);
}

/* ---- UNLINK and RMDIR --------------------------------------------------------------------- */

static void unlink_answer(struct call *call)
{
    name_changed(call->frontend, call->ino, call->request.name, 0, 0);
    removal_answered(call, &call->request.reply.object);
    call_done(call);
}

static void unlink_or_rmdir(fuse_req_t req, enum volume_op op, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, op, parent, unlink_answer);
    if (call && call_name(call, name) == 0) {
        call->request.keep_open =
            may_be_open(call, parent, call->request.name, op == VOLUME_RMDIR ? DIRECTORIES : FILES);
        call_submit(call);
    }
}

void fuse_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    unlink_or_rmdir(req, VOLUME_REMOVE, parent, name);
}

void fuse_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    unlink_or_rmdir(req, VOLUME_RMDIR, parent, name);
}

/* ---- RENAME ------------------------------------------------------------------------------- */

static void rename_forget_names(struct call *call)
{
    name_changed(call->frontend, call->ino, call->request.name, 0, 0);
    name_changed(call->frontend, gfid_ino(&call->request.object2), call->request.name2, 0, 0);
}

static void rename_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    fuse_ino_t moved =
        reply->status == 0 && reply->object.type != OBJECT_NONE ? gfid_ino(&reply->object.gfid) : 0;
    name_changed(call->frontend, call->ino, call->request.name, 0, 0);
    name_changed(call->frontend, gfid_ino(&call->request.object2), call->request.name2, moved,
                 call->changes);
    removal_answered(call, &call->request.reply.replaced);
    call_done(call);
}

static void rename_keeps_all(struct call *call)
{
    rename_forget_names(call);
    call_done(call);
}

void fuse_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t parent2,
                    const char *name2, unsigned int flags)
{
    struct call *call =
        call_new(req, VOLUME_RENAME, parent, flags == 0 ? rename_answer : rename_keeps_all);
    if (!call || call_object2(call, parent2) != 0 || call_name(call, name) != 0 ||
        call_name2(call, name2) != 0) {
        return;
    }
    call->request.flags = flags;
    call->changes = name_changes(call->frontend, parent2, call->request.name2);
    if (flags == 0) {
        /* What is replaced is of the same kind as what replaces it; which, is not known here. */
        call->request.keep_open = may_be_open(call, parent2, call->request.name2, ANY_KIND);
    }
    call_submit(call);
}
