/*
 * Orphans in the tree: .trivet/orphans/<gfid> is the name of what has none, so that it outlives the
 * process and is found again by whoever looks for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/store/posix.h"

int posix_orphan_take(struct posix_store *posix, int parent_fd, const char *name,
                      const struct gfid *gfid)
{
    if (!posix_is_at(parent_fd, name, gfid)) {
        return 0;
    }
    return renameat2(parent_fd, name, posix->orphans_fd, gfid_name(gfid).text, 0) ? -errno : 0;
}

int posix_orphan_name(struct posix_store *posix, const struct gfid *gfid, int parent_fd,
                      const char *name, uint64_t index)
{
    struct gfid_name from = gfid_name(gfid);
    const unsigned int flags = RENAME_NOREPLACE;
    int result = renameat2(posix->orphans_fd, from.text, parent_fd, name, flags) ? -errno : 0;
    if (result == -EEXIST) { /* nothing of the volume's */
        result = posix_move_aside(posix, parent_fd, name, index);
        if (!result && renameat2(posix->orphans_fd, from.text, parent_fd, name, flags)) {
            result = -errno;
        }
    }
    return result == -ENOENT && posix_is_at(parent_fd, name, gfid) ? 0 : result;
}

int posix_apply_forget(struct posix_store *posix, const struct operation *operation)
{
    struct gfid_name name = gfid_name(&operation->object.gfid);
    bool directory = operation->object.type == OBJECT_DIRECTORY;
    if (unlinkat(posix->orphans_fd, name.text, directory ? AT_REMOVEDIR : 0) == 0 ||
        errno == ENOENT) {
        return 0;
    }
    /* The volume has nothing in it; somebody else put something there. */
    return errno == ENOTEMPTY || errno == EEXIST
               ? posix_move_aside(posix, posix->orphans_fd, name.text, operation->index)
               : -errno;
}
