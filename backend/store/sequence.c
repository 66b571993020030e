/*
 * What an operation changes in the index. The operation carries the attributes after it; what is
 * added here are entries, counts, and the note that the tree has yet to get the times.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/store/index.h"

/* What an operation changes in an object that is there. */
struct change {
    const struct attr *attr;
    int entries;    /* of a directory: more or fewer */
    uint64_t place; /* where its name is now; 0: where it was */
};

static int change(struct index *index, const struct change *change)
{
    const struct attr *attr = change->attr;
    struct object_record record;
    int result = index_object_get(index, &attr->gfid, &record);
    if (result) {
        return result == -ESTALE ? -E_CORRUPT : result;
    }
    result = undo_keep(index, KV_OBJECTS, &attr->gfid);
    if (result) {
        return result;
    }
    record.attr = *attr;
    record.entries += (uint64_t)change->entries;
    record.place = change->place ? change->place : record.place;
    if (!record.unflushed) {
        record.unflushed = true;
        result = index->kv->ops->put(index->kv, KV_UNFLUSHED, slice_of(attr->gfid.bytes, GFID_SIZE),
                                     slice_of(NULL, 0));
    }
    return result ? result : index_object_put(index, &record);
}

static int update(struct index *index, const struct attr *attr, int entries)
{
    return change(index, &(struct change){.attr = attr, .entries = entries});
}

/* The object has another name. */
static int move(struct index *index, const struct attr *attr, uint64_t cookie)
{
    return change(index, &(struct change){.attr = attr, .place = cookie});
}

static struct name_record name_of(uint64_t cookie, struct slice name, const struct attr *child)
{
    return (struct name_record){
        .cookie = cookie, .gfid = child->gfid, .type = child->type, .name = name};
}

/* was: whose name it has been so far, type OBJECT_NONE: nobody's. */
static int enter(struct index *index, const struct attr *parent, uint64_t cookie, struct slice name,
                 const struct attr *child, const struct attr *was)
{
    const struct name_record now = name_of(cookie, name, child);
    const struct name_record before = name_of(cookie, name, was);
    int result =
        index_name_note(index, &parent->gfid, cookie, was->type == OBJECT_NONE ? NULL : &before);
    return result ? result : index_name_put(index, &parent->gfid, &now);
}

static int leave(struct index *index, const struct operation *operation)
{
    const struct gfid *parent = &operation->parent.gfid;
    const struct name_record before =
        name_of(operation->cookie, operation->name, &operation->object);
    int result = index_name_note(index, parent, operation->cookie, &before);
    return result ? result : index_name_remove(index, parent, operation->cookie);
}

static const struct attr nobody = {.type = OBJECT_NONE};

/* What the operation takes a name from, if any. */
static const struct attr *operation_unnames(const struct operation *operation)
{
    switch (operation->kind) {
    case OPERATION_REMOVE:
        return &operation->object;
    case OPERATION_RENAME:
        return operation->replaced.type == OBJECT_NONE ? NULL : &operation->replaced;
    default:
        return NULL;
    }
}

const struct gfid *operation_removes(const struct operation *operation)
{
    if (operation->kind == OPERATION_FORGET) {
        return &operation->object.gfid;
    }
    const struct attr *attr = operation_unnames(operation);
    bool goes = attr && attr->nlink == 0 && !(operation->flags & OPERATION_KEEPS);
    return goes ? &attr->gfid : NULL;
}

const struct gfid *operation_orphans(const struct operation *operation)
{
    const struct attr *attr = operation_unnames(operation);
    bool stays = attr && attr->nlink == 0 && operation->flags & OPERATION_KEEPS;
    return stays ? &attr->gfid : NULL;
}

/* An object lost a name. */
static int lose(struct index *index, const struct operation *operation, const struct attr *object)
{
    if (operation_removes(operation)) {
        return index_object_remove(index, &object->gfid);
    }
    int result = update(index, object, 0);
    if (!result && operation_orphans(operation)) {
        const struct orphan_record orphan = {.keeper = operation->id.client};
        result = index_orphan_put(index, &object->gfid, &orphan);
    }
    return result;
}

static int sequence_make(struct index *index, const struct operation *operation)
{
    const struct object_record record = {
        .attr = operation->object,
        .verifier = operation->create_verifier,
        .place = operation->cookie,
        .exclusive = operation->create_exclusive,
        .unflushed = true,
    };
    struct slice key = slice_of(operation->object.gfid.bytes, GFID_SIZE);
    int result = undo_note(index, KV_OBJECTS, key, NULL);
    if (!result) {
        result = index_object_put(index, &record);
    }
    if (!result) {
        result = index->kv->ops->put(index->kv, KV_UNFLUSHED, key, slice_of(NULL, 0));
    }
    if (!result && operation->object.type == OBJECT_SYMLINK) {
        result = undo_note(index, KV_TARGETS, key, NULL);
        result =
            result ? result : index->kv->ops->put(index->kv, KV_TARGETS, key, operation->target);
    }
    if (!result && operation->flags & OPERATION_KEEPS) {
        const struct orphan_record orphan = {.keeper = operation->id.client,
                                             .linkable = !operation->create_exclusive};
        return index_orphan_put(index, &operation->object.gfid, &orphan);
    }
    if (!result) {
        result = enter(index, &operation->parent, operation->cookie, operation->name,
                       &operation->object, &nobody);
    }
    return result ? result : update(index, &operation->parent, 1);
}

static int sequence_link(struct index *index, const struct operation *operation)
{
    int result = enter(index, &operation->parent, operation->cookie, operation->name,
                       &operation->object, &nobody);
    if (!result && operation->object.nlink == 1) { /* the first one of what had none */
        result = index_orphan_remove(index, &operation->object.gfid);
    }
    if (!result) {
        result = update(index, &operation->object, 0);
    }
    return result ? result : update(index, &operation->parent, 1);
}

static int sequence_remove(struct index *index, const struct operation *operation)
{
    int result = leave(index, operation);
    if (!result) {
        result = lose(index, operation, &operation->object);
    }
    return result ? result : update(index, &operation->parent, -1);
}

static int sequence_rename(struct index *index, const struct operation *operation)
{
    bool crosses = operation->parent2.type != OBJECT_NONE;
    bool replaces = operation->replaced.type != OBJECT_NONE;
    const struct attr *target = crosses ? &operation->parent2 : &operation->parent;
    int result = leave(index, operation);
    if (!result && replaces) {
        result = lose(index, operation, &operation->replaced);
    }
    if (!result) {
        result = enter(index, target, operation->cookie2, operation->name2, &operation->object,
                       &operation->replaced);
    }
    if (!result) {
        result = move(index, &operation->object, operation->cookie2);
    }
    if (!result && crosses) {
        result = update(index, &operation->parent2, replaces ? 0 : 1);
    }
    return result ? result : update(index, &operation->parent, crosses || replaces ? -1 : 0);
}

/* Two objects take each other's places: entries keep their cookies. */
static int sequence_exchange(struct index *index, const struct operation *operation)
{
    bool crosses = operation->parent2.type != OBJECT_NONE;
    const struct attr *target = crosses ? &operation->parent2 : &operation->parent;
    int result = enter(index, &operation->parent, operation->cookie, operation->name,
                       &operation->replaced, &operation->object);
    if (!result) {
        result = enter(index, target, operation->cookie2, operation->name2, &operation->object,
                       &operation->replaced);
    }
    if (!result) {
        result = move(index, &operation->object, operation->cookie2);
    }
    if (!result) {
        result = move(index, &operation->replaced, operation->cookie);
    }
    if (!result && crosses) {
        result = update(index, &operation->parent2, 0);
    }
    return result ? result : update(index, &operation->parent, 0);
}

static int sequence_forget(struct index *index, const struct operation *operation)
{
    int result = index_orphan_remove(index, &operation->object.gfid);
    return result ? result : index_object_remove(index, &operation->object.gfid);
}

static int sequence_kind(struct index *index, const struct operation *operation)
{
    int result;
    switch (operation->kind) {
    case OPERATION_WRITE:
    case OPERATION_SETATTR:
    case OPERATION_ALLOCATE:
    case OPERATION_SETXATTR:
    case OPERATION_REMOVEXATTR:
        result = update(index, &operation->object, 0);
        break;
    case OPERATION_MAKE:
        result = sequence_make(index, operation);
        break;
    case OPERATION_LINK:
        result = sequence_link(index, operation);
        break;
    case OPERATION_REMOVE:
        result = sequence_remove(index, operation);
        break;
    case OPERATION_RENAME:
        result = operation->rename_flags & RENAME_EXCHANGE ? sequence_exchange(index, operation)
                                                           : sequence_rename(index, operation);
        break;
    case OPERATION_FORGET:
        result = sequence_forget(index, operation);
        break;
    default:
        result = -E_BAD_MESSAGE;
    }
    return result ? result : index_xattr_sequence(index, operation);
}

int index_sequence(struct index *index, const struct operation *operation)
{
    PRE(operation->index == index->position.sequenced + 1);
    int result = undo_begin(index, operation->index);
    if (!result) {
        result = sequence_kind(index, operation);
        undo_end(index, !result);
    }
    if (result == -ENOENT || result == -ESTALE) {
        result = -E_CORRUPT; /* the index is not in the state that was decided on */
    }
    if (!result) {
        index->position.sequenced = operation->index;
        index->uncommitted++;
    }
    return result;
}
