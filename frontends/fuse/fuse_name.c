/*
 * Row name: LOOKUP, FORGET, READLINK, and the making of entries, by which the kernel learns of an
 * object.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <xxhash.h>
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"

static uint64_t name_key(fuse_ino_t parent, struct slice name)
{
    return XXH3_64bits_withSeed(name.data, name.size, parent);
}

static struct seen_name *name_slot(struct frontend *frontend, uint64_t key)
{
    return &frontend->seen[key % FUSE_NAMES_SEEN];
}

uint64_t name_changes(struct frontend *frontend, fuse_ino_t parent, struct slice name)
{
    uint64_t key = name_key(parent, name);
    AUTO_LOCK(&frontend->seen_lock);
    return name_slot(frontend, key)->changes;
}

void name_seen(struct frontend *frontend, fuse_ino_t parent, struct slice name, fuse_ino_t ino,
               uint64_t changes)
{
    uint64_t key = name_key(parent, name);
    AUTO_LOCK(&frontend->seen_lock);
    struct seen_name *slot = name_slot(frontend, key);
    if (slot->changes == changes) {
        slot->key = key;
        slot->ino = ino;
    }
}

void name_changed(struct frontend *frontend, fuse_ino_t parent, struct slice name, fuse_ino_t ino,
                  uint64_t changes)
{
    uint64_t key = name_key(parent, name);
    AUTO_LOCK(&frontend->seen_lock);
    struct seen_name *slot = name_slot(frontend, key);
    slot->key = key;
    slot->ino = slot->changes == changes ? ino : 0;
    slot->changes++;
    atomic_fetch_add(&frontend->names_changed, 1);
}

fuse_ino_t name_recall(struct frontend *frontend, fuse_ino_t parent, struct slice name)
{
    uint64_t key = name_key(parent, name);
    AUTO_LOCK(&frontend->seen_lock);
    const struct seen_name *slot = name_slot(frontend, key);
    return slot->key == key ? slot->ino : 0;
}

int frontend_entry(struct frontend *frontend, const struct attr *attr, uint64_t granted_until_ns,
                   bool was_kept, struct fuse_entry_param *out_entry)
{
    const struct mount_options *options = frontend->options;
    if (attr->type == OBJECT_NONE || gfid_is_none(&attr->gfid)) {
        return -EIO;
    }
    /* An answer that was not kept needs no comparison: the kernel knows by itself which of its
     * requests began before an object changed. */
    int status = inode_table_refer(frontend->inodes, &attr->gfid,
                                   was_kept ? attr->change : UINT64_MAX, granted_until_ns);
    if (status != 0) {
        return status;
    }
    *out_entry = (struct fuse_entry_param){
        .ino = gfid_ino(&attr->gfid),
        /* The birth view tells the kernel two objects apart that had one number in turn. */
        .generation = gfid_bytes_(attr->gfid.bytes + 2, 6),
        .attr_timeout = frontend_timeout(frontend, options->attribute_timeout_ms, granted_until_ns),
        .entry_timeout = frontend_timeout(frontend, options->entry_timeout_ms, granted_until_ns),
    };
    attr_to_stat(attr, &out_entry->attr);
    return 0;
}

void call_answer_entry(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    struct fuse_entry_param entry;
    int status = reply->status;
    if (status == 0) {
        status =
            frontend_entry(call->frontend, &reply->object, call_granted_until(call), false, &entry);
    }
    if (status != 0) {
        call_fail(call, status);
        return;
    }
    if (fuse_reply_entry(call->req, &entry) != 0) {
        inode_table_forget(call->frontend->inodes, entry.ino, 1); /* the kernel did not hear it */
    }
    call_release(call);
}

static void lookup_answer(struct call *call)
{
    struct frontend *frontend = call->frontend;
    if (call->request.reply.status == -ENOENT) {
        struct fuse_entry_param none = {.ino = 0};
        none.entry_timeout = frontend_timeout(frontend, frontend->options->entry_timeout_ms,
                                              call_granted_until(call));
        fuse_reply_entry(call->req, &none);
        call_release(call);
        return;
    }
    if (call->request.reply.status == 0) {
        name_seen(frontend, call->ino, call->request.name,
                  gfid_ino(&call->request.reply.object.gfid), call->changes);
    }
    call_answer_entry(call);
}

void fuse_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct call *call = call_new(req, VOLUME_LOOKUP, parent, lookup_answer);
    if (call && call_name(call, name) == 0) {
        call->changes = name_changes(call->frontend, parent, call->request.name);
        call_submit(call);
    }
}

void fuse_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    const struct frontend *frontend = fuse_req_userdata(req);
    inode_table_forget(frontend->inodes, ino, count);
    fuse_reply_none(req);
}

void fuse_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    const struct frontend *frontend = fuse_req_userdata(req);
    for (size_t i = 0; i < count; i++) {
        inode_table_forget(frontend->inodes, forgets[i].ino, forgets[i].nlookup);
    }
    fuse_reply_none(req);
}

static void readlink_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    char target[TARGET_SIZE_MAX + 1];
    if (reply->status != 0 || reply->data.size > TARGET_SIZE_MAX) {
        call_fail(call, reply->status != 0 ? reply->status : -ENAMETOOLONG);
        return;
    }
    memcpy(target, reply->data.data, reply->data.size);
    target[reply->data.size] = '\0';
    fuse_reply_readlink(call->req, target);
    call_release(call);
}

void fuse_op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    struct call *call = call_new(req, VOLUME_READLINK, ino, readlink_answer);
    if (call) {
        call_submit(call);
    }
}
