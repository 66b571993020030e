/*
 * REMOVE and RENAME in the tree.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/posix.h"

/* Take a name out of the tree; that it is not there is no error. */
static int remove_name(struct posix_store *posix, int parent_fd, const char *name, bool directory,
                       uint64_t index)
{
    int result = unlinkat(parent_fd, name, directory ? AT_REMOVEDIR : 0) ? -errno : 0;
    if (result == -ENOENT) {
        return 0;
    }
    if (result == -ENOTEMPTY || result == -EEXIST) {
        /* The volume has nothing in it; somebody else put something there. */
        result = posix_move_aside(posix, parent_fd, name, index);
    }
    return result;
}

int posix_apply_remove(struct posix_store *posix, const struct operation *operation)
{
    struct open_object *parent;
    int result = posix_open_object(posix, &operation->parent.gfid, &parent);
    if (result) {
        return result;
    }
    struct name_text name = name_text(operation->name);
    const struct gfid *orphan = operation_orphans(operation);
    bool directory = operation->object.type == OBJECT_DIRECTORY;
    result = orphan ? posix_orphan_take(posix, parent->fd, name.text, orphan)
                    : remove_name(posix, parent->fd, name.text, directory, operation->index);
    if (!result) {
        result = posix_order_remove(parent->fd, operation->cookie);
    }
    fd_cache_put(posix->objects, parent);
    return result;
}

static int rename_in(struct posix_store *posix, int from_fd, int to_fd,
                     const struct operation *operation)
{
    struct name_text from = name_text(operation->name);
    struct name_text to = name_text(operation->name2);
    /* Where the volume has nothing, nothing may be overwritten either. */
    const struct gfid *orphan = operation_orphans(operation);
    bool replaces = operation->replaced.type != OBJECT_NONE && !orphan;
    unsigned int flags = replaces ? 0 : RENAME_NOREPLACE;
    int result = orphan ? posix_orphan_take(posix, to_fd, to.text, orphan) : 0;
    if (!result && renameat2(from_fd, from.text, to_fd, to.text, flags)) {
        result = -errno;
    }
    /* Is it done already: does the new name stand for the object? */
    if (result == -ENOENT && posix_is_at(to_fd, to.text, &operation->object.gfid)) {
        result = 0;
    }
    if (result == -EEXIST || result == -ENOTEMPTY) {
        result = posix_move_aside(posix, to_fd, to.text, operation->index);
        if (!result && renameat2(from_fd, from.text, to_fd, to.text, flags)) {
            result = -errno;
        }
    }
    if (!result) {
        result = posix_order_remove(from_fd, operation->cookie);
    }
    return result ? result : posix_order_set(to_fd, operation->cookie2, operation->name2);
}

/* Which state the tree is in, the objects tell. Both names stay, and so does what is kept of their
 * cookies. */
static int exchange_in(int from_fd, int to_fd, const struct operation *operation)
{
    struct name_text from = name_text(operation->name);
    struct name_text to = name_text(operation->name2);
    if (posix_is_at(to_fd, to.text, &operation->object.gfid)) {
        return 0;
    }
    return renameat2(from_fd, from.text, to_fd, to.text, RENAME_EXCHANGE) ? -errno : 0;
}

int posix_apply_rename(struct posix_store *posix, const struct operation *operation)
{
    bool crosses = operation->parent2.type != OBJECT_NONE;
    struct open_object *from;
    struct open_object *to;
    int result = posix_open_object(posix, &operation->parent.gfid, &from);
    if (result) {
        return result;
    }
    result =
        posix_open_object(posix, crosses ? &operation->parent2.gfid : &operation->parent.gfid, &to);
    if (!result) {
        result = operation->rename_flags & RENAME_EXCHANGE
                     ? exchange_in(from->fd, to->fd, operation)
                     : rename_in(posix, from->fd, to->fd, operation);
        fd_cache_put(posix->objects, to);
    }
    fd_cache_put(posix->objects, from);
    return result;
}
