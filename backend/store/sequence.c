/*
 * What an operation changes in the index. The operation carries the attributes after it; what is
 * added here are entries, counts, and the note that the tree has yet to get the times.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/store/index.h"

/* Give an object that is there its new attributes; a directory, entries more or fewer too. */
static int update(struct index *index, const struct attr *attr, int entries)
{
    struct object_record record;
    int result = index_object_get(index, &attr->gfid, &record);
    if (result) {
        return result == -ESTALE ? -E_CORRUPT : result;
    }
    record.attr = *attr;
    record.entries += (uint64_t)entries;
    if (!record.unflushed) {
        record.unflushed = true;
        result = index->kv->ops->put(index->kv, KV_UNFLUSHED, slice_of(attr->gfid.bytes, GFID_SIZE),
                                     slice_of(NULL, 0));
    }
    return result ? result : index_object_put(index, &record);
}

static int enter(struct index *index, const struct attr *parent, uint64_t cookie, struct slice name,
                 const struct attr *child)
{
    return index_name_put(
        index, &parent->gfid,
        &(struct name_record){
            .cookie = cookie, .gfid = child->gfid, .type = child->type, .name = name});
}

/* An object lost a name. */
static int lose(struct index *index, const struct attr *object)
{
    return object->nlink == 0 ? index_object_remove(index, &object->gfid)
                              : update(index, object, 0);
}

static int sequence_make(struct index *index, const struct operation *operation)
{
    const struct object_record record = {
        .attr = operation->object,
        .verifier = operation->create_verifier,
        .exclusive = operation->create_exclusive,
        .unflushed = true,
    };
    struct slice key = slice_of(operation->object.gfid.bytes, GFID_SIZE);
    int result = index_object_put(index, &record);
    if (!result) {
        result = index->kv->ops->put(index->kv, KV_UNFLUSHED, key, slice_of(NULL, 0));
    }
    if (!result && operation->object.type == OBJECT_SYMLINK) {
        result = index->kv->ops->put(index->kv, KV_TARGETS, key, operation->target);
    }
    if (!result) {
        result = enter(index, &operation->parent, operation->cookie, operation->name,
                       &operation->object);
    }
    return result ? result : update(index, &operation->parent, 1);
}

static int sequence_link(struct index *index, const struct operation *operation)
{
    int result =
        enter(index, &operation->parent, operation->cookie, operation->name, &operation->object);
    if (!result) {
        result = update(index, &operation->object, 0);
    }
    return result ? result : update(index, &operation->parent, 1);
}

static int sequence_remove(struct index *index, const struct operation *operation)
{
    int result = index_name_remove(index, &operation->parent.gfid, operation->cookie);
    if (!result) {
        result = lose(index, &operation->object);
    }
    return result ? result : update(index, &operation->parent, -1);
}

static int sequence_rename(struct index *index, const struct operation *operation)
{
    bool crosses = operation->parent2.type != OBJECT_NONE;
    bool replaces = operation->replaced.type != OBJECT_NONE;
    const struct attr *target = crosses ? &operation->parent2 : &operation->parent;
    int result = index_name_remove(index, &operation->parent.gfid, operation->cookie);
    if (!result && replaces) {
        result = lose(index, &operation->replaced);
    }
    if (!result) {
        result = enter(index, target, operation->cookie2, operation->name2, &operation->object);
    }
    if (!result) {
        result = update(index, &operation->object, 0);
    }
    if (!result && crosses) {
        result = update(index, &operation->parent2, replaces ? 0 : 1);
    }
    return result ? result : update(index, &operation->parent, crosses || replaces ? -1 : 0);
}

int index_sequence(struct index *index, const struct operation *operation)
{
    PRE(operation->index == index->position.sequenced + 1);
    int result;
    switch (operation->kind) {
    case OPERATION_WRITE:
    case OPERATION_SETATTR:
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
        result = sequence_rename(index, operation);
        break;
    default:
        result = -E_BAD_MESSAGE;
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
