/*
 * Row remove: UNLINK, RMDIR, RENAME.
 *
 * A volume has no open files: an object whose last name goes is gone. POSIX wants what is open to
 * stay usable, so that a file of which this mount has an open descriptor gets a hidden name first,
 * as NFS clients do:
 *
 *     unlink:  LOOKUP name → open, last name → RENAME name to hidden
 *     rename:  LOOKUP name2 → open, last name → LINK hidden to it → RENAME name over name2
 *
 * and the hidden name is removed at the last close. While no file is open, or the name is known to
 * be one that is not open, both go straight to the volume.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include "backend/base/check.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"

#define HIDDEN_PREFIX ".trivet-unlinked-"

/* A hidden name, from the wish to make it until its removal was answered. */
struct hidden {
    struct hidden *next;
    fuse_ino_t ino;
    struct gfid parent;
    char name[64];
};

/* ---- the list ----------------------------------------------------------------------------- */

bool hidden_has(struct frontend *frontend, fuse_ino_t ino)
{
    if (atomic_load_explicit(&frontend->hidden_count, memory_order_relaxed) == 0) {
        return false;
    }
    AUTO_LOCK(&frontend->hidden_lock);
    const struct hidden *hidden = frontend->hidden;
    while (hidden && hidden->ino != ino) {
        hidden = hidden->next;
    }
    return hidden != NULL;
}

static struct hidden *hidden_take(struct frontend *frontend, fuse_ino_t ino)
{
    AUTO_LOCK(&frontend->hidden_lock);
    for (struct hidden **place = &frontend->hidden; *place; place = &(*place)->next) {
        struct hidden *hidden = *place;
        if (hidden->ino == ino) {
            *place = hidden->next;
            atomic_fetch_sub(&frontend->hidden_count, 1);
            return hidden;
        }
    }
    return NULL;
}

static void hidden_add(struct frontend *frontend, struct hidden *hidden)
{
    AUTO_LOCK(&frontend->hidden_lock);
    hidden->next = frontend->hidden;
    frontend->hidden = hidden;
    atomic_fetch_add(&frontend->hidden_count, 1);
}

void hidden_free_all(struct frontend *frontend)
{
    for (struct hidden *hidden = frontend->hidden, *next; hidden; hidden = next) {
        next = hidden->next;
        free(hidden);
    }
    frontend->hidden = NULL;
}

static struct hidden *hidden_new(fuse_ino_t ino, const struct gfid *parent, uint64_t salt)
{
    struct hidden *hidden = malloc(sizeof(*hidden));
    if (hidden) {
        *hidden = (struct hidden){.ino = ino, .parent = *parent};
        /* The salt keeps mounts apart that hide one object under several names. */
        snprintf(hidden->name, sizeof(hidden->name), HIDDEN_PREFIX "%" PRIx64 "-%" PRIx64, ino,
                 salt);
    }
    return hidden;
}

/* ---- removal at the last close ------------------------------------------------------------ */

struct removal {
    struct volume_request request;
    struct hidden *hidden;
};

static void removal_complete(struct volume_request *request)
{
    struct removal *removal = (struct removal *)request;
    if (request->reply.status != 0 && request->reply.status != -ENOENT) {
        log_warn("cannot remove %s, the name of an unlinked file that was open: %s; remove it by "
                 "hand",
                 removal->hidden->name, error_text(request->reply.status));
    }
    free(removal->hidden);
    free(removal);
}

void hidden_closed(struct frontend *frontend, fuse_ino_t ino)
{
    if (atomic_load(&frontend->hidden_count) == 0) {
        return;
    }
    struct hidden *hidden = hidden_take(frontend, ino);
    if (!hidden) {
        return;
    }
    struct removal *removal = calloc(1, sizeof(*removal));
    if (!removal) {
        log_warn("out of memory; the name %s of an unlinked file remains", hidden->name);
        free(hidden);
        return;
    }
    removal->hidden = hidden;
    removal->request = (struct volume_request){.op = VOLUME_REMOVE,
                                               .cred = {.flags = CRED_CHECKED},
                                               .object = hidden->parent,
                                               .name = slice_text(hidden->name),
                                               .complete = removal_complete};
    volume_submit(frontend->volume, &removal->request);
}

/* The hidden name stands: the record counts from now, or is done with at once if all was closed. */
static void hidden_made(struct call *call)
{
    struct hidden *hidden = TAKE(call->hidden);
    fuse_ino_t ino = hidden->ino;
    hidden_add(call->frontend, hidden);
    if (inode_table_opened(call->frontend->inodes, ino) == 0) {
        hidden_closed(call->frontend, ino);
    }
}

/* ---- does a name need hiding? ------------------------------------------------------------- */

/* False only if what parent/name is was seen just now, and is not open. */
static bool may_be_open(struct frontend *frontend, fuse_ino_t parent, struct slice name)
{
    if (inode_table_opened_all(frontend->inodes) == 0) {
        return false;
    }
    fuse_ino_t ino = name_recall(frontend, parent, name);
    return ino == 0 || inode_table_opened(frontend->inodes, ino) > 0;
}

/* From the answer to LOOKUP: a record if the object found is open and loses its last name. */
static struct hidden *hidden_if_needed(struct call *call)
{
    const struct attr *found = &call->request.reply.object;
    fuse_ino_t ino = gfid_ino(&found->gfid);
    if (call->request.reply.status != 0 || found->type == OBJECT_DIRECTORY || found->nlink > 1 ||
        inode_table_opened(call->frontend->inodes, ino) == 0 || hidden_has(call->frontend, ino)) {
        return NULL;
    }
    return hidden_new(ino, &call->request.object, call->started_ns);
}

/* ---- UNLINK and RMDIR --------------------------------------------------------------------- */

static void unlink_hidden(struct call *call)
{
    int status = call->request.reply.status;
    if (status == 0 || status == -EINTR) {
        hidden_made(call); /* interrupted: perhaps; the removal finds out */
    } else {
        free(TAKE(call->hidden));
    }
    call_done(call);
}

static void unlink_looked_up(struct call *call)
{
    call->hidden = hidden_if_needed(call);
    if (!call->hidden) {
        call_submit_again(call, VOLUME_REMOVE, call_done);
        return;
    }
    call->request.object2 = call->request.object;
    call->request.name2 = slice_text(call->hidden->name);
    call_submit_again(call, VOLUME_RENAME, unlink_hidden);
}

void fuse_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, VOLUME_REMOVE, parent, call_done);
    if (!call || call_name(call, name) != 0) {
        return;
    }
    if (may_be_open(call->frontend, parent, call->request.name)) {
        call->request.op = VOLUME_LOOKUP;
        call->answer = unlink_looked_up;
    }
    call_submit(call);
}

void fuse_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, VOLUME_RMDIR, parent, call_done);
    if (call && call_name(call, name) == 0) {
        call_submit(call);
    }
}

/* ---- RENAME ------------------------------------------------------------------------------- */

/* The call's own arguments in the order of RENAME; for LOOKUP and LINK they change places. */
static void rename_swap(struct call *call)
{
    struct gfid object = call->request.object;
    struct slice name = call->request.name;
    call->request.object = call->request.object2;
    call->request.name = call->request.name2;
    call->request.object2 = object;
    call->request.name2 = name;
}

static void rename_answer(struct call *call)
{
    if (call->hidden) {
        hidden_made(call); /* after a failure, too: the last close removes the spare name */
    }
    call_done(call);
}

static void rename_linked(struct call *call)
{
    int status = call->request.reply.status;
    if (status != 0 && status != -EINTR) {
        /* Not hidden: what is open will be stale, as after a removal by another client. */
        free(TAKE(call->hidden));
    }
    /* Back to RENAME's arguments; LINK's were the object found, and the hidden name beside it. */
    call->request.name = slice_of(call->name, strlen(call->name));
    call->request.object = call->rename_from;
    call->request.name2 = slice_of(call->name2, strlen(call->name2));
    call_submit_again(call, VOLUME_RENAME, rename_answer);
}

static void rename_looked_up(struct call *call)
{
    call->hidden = hidden_if_needed(call);
    rename_swap(call);
    if (!call->hidden) {
        call_submit_again(call, VOLUME_RENAME, rename_answer);
        return;
    }
    /* LINK: object → name in object2, which is already the target's directory. */
    call->rename_from = call->request.object;
    call->request.object = call->request.reply.object.gfid;
    call->request.name = slice_text(call->hidden->name);
    call_submit_again(call, VOLUME_LINK, rename_linked);
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
    if (flags == 0 && may_be_open(call->frontend, parent2, call->request.name2)) {
        call->request.op = VOLUME_LOOKUP;
        call->answer = rename_looked_up;
        rename_swap(call);
    }
    call_submit(call);
}
