/*
 * ALLOCATE and SEEK of a file of the tree. What a file system has no call for is done by other
 * means, with the same bytes and size after it: each brick may be on another one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/store/durable.h"
#include "backend/store/posix.h"

#define ZEROS_SIZE 65536

int posix_seek(struct store *store, const struct gfid *gfid, uint64_t offset, int whence,
               uint64_t *out_offset)
{
    struct posix_store *posix = posix_of(store);
    struct open_object *object;
    if (whence != SEEK_DATA && whence != SEEK_HOLE) {
        return -EINVAL;
    }
    int result = posix_check(posix);
    if (!result) {
        result = posix_open_object(posix, gfid, &object);
    }
    if (result) {
        return result == -ENOENT ? posix_explain_missing(posix, gfid) : result;
    }
    off_t found = -1;
    if (object->type != OBJECT_FILE) {
        result = -EINVAL;
    } else {
        found = lseek(object->fd, (off_t)offset, whence); /* nobody reads at the file's position */
        result = found < 0 ? -errno : 0;
    }
    fd_cache_put(posix->objects, object);
    if (!result) {
        *out_offset = (uint64_t)found;
    }
    return result;
}

/* fallocate, through signals. */
static int reserve(int fd, uint32_t how, uint64_t offset, uint64_t length)
{
    int result;
    do {
        result = fallocate(fd, (int)how, (off_t)offset, (off_t)length) ? -errno : 0;
    } while (result == -EINTR);
    return result;
}

/* Write zeros over what is data, but not behind the end of the file. */
static int write_zeros(int fd, uint64_t offset, uint64_t end)
{
    static const uint8_t zeros[ZEROS_SIZE];
    while (offset < end) {
        off_t data = lseek(fd, (off_t)offset, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (hole < 0) {
            return errno == ENXIO ? 0 : -errno; /* no more data */
        }
        uint64_t to = (uint64_t)hole < end ? (uint64_t)hole : end;
        for (offset = (uint64_t)data; offset < to;) {
            size_t part = to - offset < sizeof zeros ? (size_t)(to - offset) : sizeof zeros;
            int result = write_all_at(fd, zeros, part, offset);
            if (result) {
                return result;
            }
            offset += part;
        }
        offset = (uint64_t)hole;
    }
    return 0;
}

static int allocate_otherwise(int fd, const struct operation *operation)
{
    uint64_t end = operation->offset + operation->length;
    if (operation->how & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
        int result = reserve(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, operation->offset,
                             operation->length);
        if (result == -EOPNOTSUPP) {
            result = write_zeros(fd, operation->offset, end);
        }
        if (result) {
            return result;
        }
    }
    return operation->how & FALLOC_FL_KEEP_SIZE ? 0 : posix_extend(fd, end);
}

int posix_apply_allocate(struct posix_store *posix, const struct operation *operation)
{
    struct open_object *object;
    int result = posix_open_object(posix, &operation->object.gfid, &object);
    if (result) {
        return result;
    }
    result = reserve(object->fd, operation->how, operation->offset, operation->length);
    if (result == -EOPNOTSUPP) {
        result = allocate_otherwise(object->fd, operation);
    }
    if (!result && operation->mask & ATTR_MODE) {
        result = node_chmod(object->fd, object->type, operation->object.mode);
    }
    sync_ahead_changed(posix->syncs, object);
    fd_cache_put(posix->objects, object);
    return result;
}
