/*
 * The tree after operations were taken back. The index is as it was before them, and their records
 * name all that they touched; whatever the tree has of these and the index has not goes, and comes
 * the other way round:
 *
 *     away     names and orphans that are not the index's go to .trivet/limbo, by their gfid
 *     anew     objects that were taken from the volume are made, in limbo
 *     back     names that are missing: from limbo, or as one more link
 *     as it was    owner, size, modes, extended attributes; times at the checkpoint
 *
 * Every object is in limbo or at names of its own at any moment, and so directories make no loops
 * on the way. A process that died in the middle left a tree of which the same is true: all is done
 * again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/xattr.h"
#include "backend/store/cut.h"
#include "backend/store/durable.h"
#include "backend/store/posix.h"

struct restoring {
    struct posix_store *posix;
    bool made; /* something, anew */
};

/* ---- what the index says ------------------------------------------------------------------- */

static int load_object(struct posix_store *posix, const struct gfid *gfid,
                       struct object_record *out_record)
{
    AUTO_LOCK(&posix->base.index->mutex);
    return index_object_get(posix->base.index, gfid, out_record);
}

/* Whose the name is; GFID_NONE: nobody's. It is mostly where the operation has it, but it may have
 * come back under another cookie. */
static int load_name(struct posix_store *posix, const struct cut_name *name, struct gfid *out_gfid)
{
    struct index *index = posix->base.index;
    struct name_record found;
    AUTO_LOCK(&index->mutex);
    int result = index_name_at(index, name->parent, name->cookie, &found);
    if (result == -ENOENT || (!result && !slice_equal(found.name, name->name))) {
        result = index_name_find(index, name->parent, name->name, &found);
    }
    *out_gfid = result ? GFID_NONE : found.gfid;
    return result == -ENOENT ? 0 : result;
}

static int load_orphan(struct posix_store *posix, const struct gfid *gfid)
{
    struct orphan_record orphan;
    AUTO_LOCK(&posix->base.index->mutex);
    return index_orphan_get(posix->base.index, gfid, &orphan);
}

/* Objects proper that an operation changed, or took: not the directories of its names. */
static uint32_t changed_objects(const struct operation *operation, const struct gfid *out[2])
{
    out[0] = &operation->object.gfid;
    out[1] = &operation->replaced.gfid;
    return operation->replaced.type == OBJECT_NONE ? 1 : 2;
}

/* ---- away ---------------------------------------------------------------------------------- */

static int move_to_limbo(struct posix_store *posix, int parent_fd, const char *name,
                         const struct gfid *gfid)
{
    struct gfid_name limbo = gfid_name(gfid);
    if (renameat2(parent_fd, name, posix->limbo_fd, limbo.text, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EEXIST) {
        return -errno;
    }
    return unlinkat(parent_fd, name, 0) ? -errno : 0; /* another link of the same */
}

static int clear_name(struct posix_store *posix, const struct cut_name *name)
{
    const uint32_t any = OBJECT_SYMLINK; /* how such a node is opened suits every type */
    struct name_text text = name_text(name->name);
    struct open_object *parent;
    struct gfid wanted;
    struct gfid there;
    AUTO_CLOSE int fd = -1;
    int result = load_name(posix, name, &wanted);
    if (!result) {
        result = posix_open_object(posix, name->parent, &parent);
    }
    if (result) {
        return result == -ENOENT ? 0 : result; /* it is gone, or yet to be made */
    }
    result = posix_open_name(parent->fd, text.text, any, &fd);
    if (!result) {
        result = node_gfid(fd, any, &there);
    }
    if (!result && !gfid_equal(&there, &wanted)) {
        result = move_to_limbo(posix, parent->fd, text.text, &there);
    }
    fd_cache_put(posix->objects, parent);
    return result == -ENOENT || result == -ENODATA ? 0 : result; /* nothing there of the volume's */
}

static int clear_orphan(struct posix_store *posix, const struct gfid *gfid)
{
    struct gfid_name name = gfid_name(gfid);
    int result = load_orphan(posix, gfid);
    if (result != -ENOENT) {
        return result;
    }
    result = move_to_limbo(posix, posix->orphans_fd, name.text, gfid);
    return result == -ENOENT ? 0 : result;
}

static int clear(void *context, const struct operation *operation)
{
    struct posix_store *posix = ((struct restoring *)context)->posix;
    struct cut_name names[CUT_NAMES_MAX];
    const struct gfid *objects[2];
    uint32_t count = cut_names(operation, names);
    int result = 0;
    for (uint32_t i = 0; i < count && !result; i++) {
        result = clear_name(posix, &names[i]);
    }
    count = changed_objects(operation, objects);
    for (uint32_t i = 0; i < count && !result; i++) {
        result = clear_orphan(posix, objects[i]);
    }
    return result;
}

/* ---- anew ---------------------------------------------------------------------------------- */

/* The MAKE that would give the object as it is now, but for what is beside it. */
static int remake(struct posix_store *posix, const struct object_record *record, uint8_t *target,
                  struct operation *out_operation)
{
    struct slice found = slice_of(NULL, 0);
    int result = 0;
    if (record->attr.type == OBJECT_SYMLINK) {
        AUTO_LOCK(&posix->base.index->mutex);
        result = index_target_get(posix->base.index, &record->attr.gfid, &found);
        if (result || found.size > TARGET_SIZE_MAX) {
            return result && result != -ENOENT ? result : -E_CORRUPT;
        }
        memcpy(target, found.data, found.size);
    }
    *out_operation = (struct operation){
        .index = record->attr.change,
        .kind = OPERATION_MAKE,
        .object = record->attr,
        .target = slice_of(target, found.size),
        .create_verifier = record->verifier,
        .create_exclusive = record->exclusive,
    };
    return result;
}

static int make_anew(struct posix_store *posix, const struct object_record *record)
{
    const struct gfid *gfid = &record->attr.gfid;
    struct gfid_name name = gfid_name(gfid);
    uint8_t target[TARGET_SIZE_MAX];
    struct operation operation;
    struct handle_record handle;
    struct open_object *object;
    int result = remake(posix, record, target, &operation);
    if (!result) {
        result = posix_make_in(posix, posix->limbo_fd, name.text, &operation, &handle);
    }
    if (!result) {
        AUTO_LOCK(&posix->base.index->mutex);
        result = index_handle_put(posix->base.index, gfid, &handle);
    }
    if (!result) {
        result = posix_open_object(posix, gfid, &object);
    }
    if (result) {
        return result;
    }
    result = posix_restore_xattrs(posix, &record->attr, object->fd, NULL);
    if (!result) {
        result = node_chmod(object->fd, object->type, record->attr.mode);
    }
    fd_cache_put(posix->objects, object);
    return result;
}

/* What an operation took from the volume, and nothing else: where another object is missing, the
 * brick has lost it by other ways, bytes included. */
static int make(void *context, const struct operation *operation)
{
    struct restoring *restoring = context;
    struct posix_store *posix = restoring->posix;
    const struct gfid *removed = operation_removes(operation);
    struct object_record record;
    struct open_object *object;
    int result = removed ? load_object(posix, removed, &record) : -ESTALE;
    if (result) {
        return result == -ESTALE ? 0 : result; /* it was not there then */
    }
    result = posix_open_object(posix, removed, &object);
    if (!result) {
        fd_cache_put(posix->objects, object);
    } else if (result == -ENOENT) {
        restoring->made = true;
        result = make_anew(posix, &record);
    }
    return result;
}

/* New nodes and their handles are there for good before they leave limbo, where they would be found
 * again. */
static int keep_made(struct posix_store *posix)
{
    int result = durable_all(posix->root_fd);
    if (result) {
        return result;
    }
    AUTO_LOCK(&posix->base.index->mutex);
    return posix_commit_index(posix, true);
}

/* ---- back ---------------------------------------------------------------------------------- */

static int link_more(struct posix_store *posix, const struct gfid *gfid, int parent_fd,
                     const char *name)
{
    struct open_object *object;
    int result = posix_open_object(posix, gfid, &object);
    if (!result) {
        result = linkat(object->fd, "", parent_fd, name, AT_EMPTY_PATH) ? -errno : 0;
        fd_cache_put(posix->objects, object);
    }
    return result;
}

static int give_name(struct posix_store *posix, const struct gfid *gfid, int parent_fd,
                     const char *name)
{
    struct gfid_name limbo = gfid_name(gfid);
    int result =
        renameat2(posix->limbo_fd, limbo.text, parent_fd, name, RENAME_NOREPLACE) ? -errno : 0;
    return result == -ENOENT ? link_more(posix, gfid, parent_fd, name) : result;
}

static int place(struct posix_store *posix, const struct gfid *gfid, int parent_fd,
                 const char *name, uint64_t index)
{
    if (posix_is_at(parent_fd, name, gfid)) {
        return 0;
    }
    int result = give_name(posix, gfid, parent_fd, name);
    if (result == -EEXIST) { /* nothing of the volume's */
        result = posix_move_aside(posix, parent_fd, name, index);
        result = result ? result : give_name(posix, gfid, parent_fd, name);
    }
    return result;
}

/* What is kept of the collision order, for the name that now has the cookie, if any. */
static int restore_order(struct posix_store *posix, const struct cut_name *name, int parent_fd)
{
    struct name_text text;
    size_t size = 0;
    int result;
    {
        struct name_record found;
        AUTO_LOCK(&posix->base.index->mutex);
        result = index_name_at(posix->base.index, name->parent, name->cookie, &found);
        if (!result) {
            text = name_text(found.name);
            size = found.name.size;
        }
    }
    if (result) {
        return result == -ENOENT ? posix_order_remove(parent_fd, name->cookie) : result;
    }
    return posix_order_set(parent_fd, name->cookie, slice_of(text.text, size));
}

static int restore_name(struct posix_store *posix, const struct cut_name *name, uint64_t index)
{
    struct object_record directory;
    struct open_object *parent;
    struct gfid wanted;
    int result = load_object(posix, name->parent, &directory);
    if (result) {
        return result == -ESTALE ? 0 : result; /* it was not there then */
    }
    result = load_name(posix, name, &wanted);
    if (!result) {
        result = posix_open_object(posix, name->parent, &parent);
    }
    if (result) {
        return result;
    }
    if (!gfid_is_none(&wanted)) {
        result = place(posix, &wanted, parent->fd, name_text(name->name).text, index);
    }
    if (!result) {
        result = restore_order(posix, name, parent->fd);
    }
    fd_cache_put(posix->objects, parent);
    return result;
}

static int restore_orphan(struct posix_store *posix, const struct gfid *gfid, uint64_t index)
{
    int result = load_orphan(posix, gfid);
    if (result) {
        return result == -ENOENT ? 0 : result;
    }
    return place(posix, gfid, posix->orphans_fd, gfid_name(gfid).text, index);
}

static int bring_back(void *context, const struct operation *operation)
{
    struct posix_store *posix = ((struct restoring *)context)->posix;
    struct cut_name names[CUT_NAMES_MAX];
    const struct gfid *objects[2];
    uint32_t count = cut_names(operation, names);
    int result = 0;
    for (uint32_t i = 0; i < count && !result; i++) {
        result = restore_name(posix, &names[i], operation->index);
    }
    count = changed_objects(operation, objects);
    for (uint32_t i = 0; i < count && !result; i++) {
        result = restore_orphan(posix, objects[i], operation->index);
    }
    return result;
}

/* ---- as it was ----------------------------------------------------------------------------- */

static int restore_node(struct posix_store *posix, const struct attr *attr,
                        struct open_object *object, const struct operation *operation)
{
    struct stat status;
    int result = 0;
    if (fstat(object->fd, &status)) {
        return -errno;
    }
    if ((status.st_uid != attr->uid || status.st_gid != attr->gid) &&
        fchownat(object->fd, "", attr->uid, attr->gid, AT_EMPTY_PATH)) {
        return -errno;
    }
    if (attr->type == OBJECT_FILE && (uint64_t)status.st_size != attr->size) {
        sync_ahead_changed(posix->syncs, object);
        result = ftruncate(object->fd, (off_t)attr->size) ? -errno : 0;
    }
    if (!result && gfid_equal(&attr->gfid, &operation->object.gfid)) {
        result = posix_restore_xattrs(posix, attr, object->fd, operation);
    }
    if (!result) {
        result = node_chmod(object->fd, object->type, attr->mode);
    }
    if (!result) {
        result = posix_keep_capability(posix, &attr->gfid);
    }
    return result ? result : posix_times_set(object->fd, attr);
}

/* What the volume does not have: what is kept of it besides goes too. */
static int forget_object(struct posix_store *posix, const struct gfid *gfid)
{
    fd_cache_forget(posix->objects, gfid);
    {
        AUTO_LOCK(&posix->base.index->mutex);
        int result = index_handle_remove(posix->base.index, gfid);
        if (result) {
            return result;
        }
    }
    return posix_forget_xattrs(posix, gfid);
}

static int restore_object(struct posix_store *posix, const struct gfid *gfid,
                          const struct operation *operation)
{
    struct object_record record;
    struct open_object *object;
    int result = load_object(posix, gfid, &record);
    if (result) {
        return result == -ESTALE ? forget_object(posix, gfid) : result;
    }
    result = posix_open_object(posix, gfid, &object);
    if (result) {
        return result == -ENOENT ? -E_CORRUPT : result;
    }
    result = restore_node(posix, &record.attr, object, operation);
    fd_cache_put(posix->objects, object);
    /* A name too many, that went to limbo; nothing may be lost there but what is not the volume's.
     */
    if (!result && record.attr.type != OBJECT_DIRECTORY &&
        unlinkat(posix->limbo_fd, gfid_name(gfid).text, 0) && errno != ENOENT) {
        result = -errno;
    }
    return result;
}

static int restore(void *context, const struct operation *operation)
{
    struct posix_store *posix = ((struct restoring *)context)->posix;
    const struct gfid *objects[CUT_OBJECTS_MAX];
    uint32_t count = cut_objects(operation, objects);
    int result = 0;
    for (uint32_t i = 0; i < count && !result; i++) {
        result = restore_object(posix, objects[i], operation);
    }
    return result;
}

int posix_restore_tree(struct posix_store *posix)
{
    struct index *index = posix->base.index;
    struct restoring restoring = {.posix = posix};
    int result = cut_each(index, clear, &restoring);
    if (!result) {
        result = cut_each(index, make, &restoring);
    }
    if (!result && restoring.made) {
        result = keep_made(posix);
    }
    if (!result) {
        result = cut_each(index, bring_back, &restoring);
    }
    return result ? result : cut_each(index, restore, &restoring);
}
