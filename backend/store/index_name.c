/*
 * Names and symlinks' targets, answered from the index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/indexed.h"

int indexed_lookup(struct store *store, const struct gfid *parent, struct slice name,
                   struct attr *out_child, struct attr *out_parent)
{
    struct index *index = index_of(store);
    struct object_record directory;
    struct object_record child;
    struct name_record found;
    AUTO_LOCK(&index->mutex);
    int result = index_object_get(index, parent, &directory);
    if (result) {
        return result;
    }
    *out_parent = directory.attr;
    if (directory.attr.type != OBJECT_DIRECTORY) {
        return -ENOTDIR;
    }
    if (name.size > NAME_SIZE_MAX) {
        return -ENAMETOOLONG;
    }
    if (slice_equal(name, slice_text("."))) {
        found.gfid = *parent;
    } else if (slice_equal(name, slice_text(".."))) {
        found.gfid = directory.attr.parent;
    } else {
        result = index_name_find(index, parent, name, &found);
    }
    if (!result) {
        result = index_object_get(index, &found.gfid, &child);
    }
    if (!result) {
        *out_child = child.attr;
    }
    return result == -ESTALE ? -E_CORRUPT : result; /* an entry has an object */
}

int indexed_readlink(struct store *store, const struct gfid *object, char *buffer, size_t size,
                     size_t *out_size)
{
    struct index *index = index_of(store);
    struct object_record record;
    struct slice target;
    AUTO_LOCK(&index->mutex);
    int result = index_object_get(index, object, &record);
    if (result) {
        return result;
    }
    if (record.attr.type != OBJECT_SYMLINK) {
        return -EINVAL;
    }
    result = index_target_get(index, object, &target);
    if (result) {
        return result == -ENOENT ? -E_CORRUPT : result;
    }
    if (target.size > size) {
        return -ERANGE;
    }
    memcpy(buffer, target.data, target.size);
    *out_size = target.size;
    return 0;
}
