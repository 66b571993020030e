/*
 * SETATTR in the tree: owner, mode and size at once; times at the checkpoint.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/store/posix.h"

int posix_apply_setattr(struct posix_store *posix, const struct operation *operation)
{
    const struct attr *attr = &operation->object;
    struct open_object *object;
    int result = posix_open_object(posix, &attr->gfid, &object);
    if (result) {
        return result;
    }
    bool owner = operation->mask & (ATTR_UID | ATTR_GID);
    if (owner && fchownat(object->fd, "", attr->uid, attr->gid, AT_EMPTY_PATH)) {
        result = -errno;
    }
    /* The kernel takes setuid and setgid with a change of owner; what was decided is put back. */
    if (!result && (operation->mask & ATTR_MODE || (owner && attr->mode & 06000))) {
        result = node_chmod(object->fd, object->type, attr->mode);
    }
    if (!result && operation->mask & ATTR_SIZE && ftruncate(object->fd, (off_t)attr->size)) {
        result = -errno;
    }
    if (operation->mask & ATTR_SIZE) {
        sync_ahead_changed(posix->syncs, object);
    }
    fd_cache_put(posix->objects, object);
    return result;
}
