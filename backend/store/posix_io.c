/*
 * READ, WRITE and sync of a file of the tree.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/store/durable.h"
#include "backend/store/posix.h"

/* The bytes, as far as they are in memory; those that are not: -EAGAIN. */
static int read_in_memory(int fd, uint64_t offset, uint32_t count, uint8_t *buffer,
                          size_t *out_count)
{
    size_t total = 0;
    while (total < count) {
        const struct iovec part = {buffer + total, count - total};
        ssize_t done = preadv2(fd, &part, 1, (off_t)(offset + total), RWF_NOWAIT);
        if (done < 0) {
            if (errno == EOPNOTSUPP) { /* tmpfs: it is all memory */
                return read_all_at(fd, buffer, count, offset, out_count);
            }
            return errno == EINTR ? -EAGAIN : -errno;
        }
        if (done == 0) {
            break;
        }
        total += (size_t)done; /* short: where the cache ends, or the file; the next call tells */
    }
    *out_count = total;
    return 0;
}

int posix_explain_missing(struct posix_store *posix, const struct gfid *gfid)
{
    struct attr attr;
    int result = indexed_getattr(&posix->base.store, gfid, &attr);
    return result ? result : -EAGAIN; /* sequenced, and about to be applied */
}

int posix_read(struct store *store, const struct gfid *gfid, uint64_t offset, uint32_t count,
               bool no_wait, uint8_t *buffer, uint32_t *out_count)
{
    struct posix_store *posix = posix_of(store);
    struct open_object *object;
    int result = posix_check(posix);
    if (!result) {
        result = posix_open_object(posix, gfid, &object);
    }
    if (result) {
        return result == -ENOENT ? posix_explain_missing(posix, gfid) : result;
    }
    size_t got = 0;
    if (object->type != OBJECT_FILE) {
        result = object->type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
    } else if (no_wait) {
        result = read_in_memory(object->fd, offset, count, buffer, &got);
    } else {
        result = read_all_at(object->fd, buffer, count, offset, &got);
    }
    fd_cache_put(posix->objects, object);
    if (!result) {
        *out_count = (uint32_t)got;
    }
    return result;
}

/*
 * The file's bytes, and the log, which has its attributes and its name: what the tree does not get
 * of them by fdatasync is replayed after the machine stopped.
 */
int posix_sync(struct store *store, const struct gfid *gfid)
{
    struct posix_store *posix = posix_of(store);
    int result = posix_check(posix);
    if (result) {
        return result;
    }
    uint64_t last;
    (void)changelog_is_durable(posix->log, &last); /* later records are others' business */
    if (gfid) {
        struct open_object *object;
        result = posix_open_object(posix, gfid, &object);
        if (result) {
            return result == -ENOENT ? posix_explain_missing(posix, gfid)
                                     : posix_fail(posix, result);
        }
        if (object->type == OBJECT_FILE) {
            result = sync_ahead_wait(posix->syncs, object);
        }
        fd_cache_put(posix->objects, object);
    }
    if (!result) {
        result = changelog_sync_to(posix->log, last);
    }
    return result ? posix_fail(posix, result) : 0;
}

int posix_sync_join(struct store *store, const struct gfid *gfid, struct store_sync *sync)
{
    struct posix_store *posix = posix_of(store);
    struct open_object *object = posix_check(posix) ? NULL : fd_cache_get(posix->objects, gfid);
    if (!object) {
        return -EAGAIN;
    }
    int result = -EAGAIN;
    if (object->type == OBJECT_FILE) {
        result = sync_ahead_join(posix->syncs, object, sync);
    }
    fd_cache_put(posix->objects, object);
    return result;
}

int posix_extend(int fd, uint64_t end)
{
    struct stat status;
    if (fstat(fd, &status)) {
        return -errno;
    }
    return (uint64_t)status.st_size < end && ftruncate(fd, (off_t)end) ? -errno : 0;
}

/*
 * Let the disk begin with each full stretch of a long write, while the next is on its way: three
 * copies on one machine otherwise wait for the disk all at once, at fsync. Advice only: what goes
 * wrong shows at fsync.
 */
static void write_behind(int fd, uint64_t offset, uint64_t end)
{
    if (end / WRITE_BEHIND_SIZE > offset / WRITE_BEHIND_SIZE) {
        uint64_t from = (end / WRITE_BEHIND_SIZE - 1) * WRITE_BEHIND_SIZE;
        (void)sync_file_range(fd, (off_t)from, WRITE_BEHIND_SIZE, SYNC_FILE_RANGE_WRITE);
    }
}

int posix_apply_write(struct posix_store *posix, const struct operation *operation,
                      struct slice bulk)
{
    struct open_object *object;
    int result = posix_open_object(posix, &operation->object.gfid, &object);
    if (result) {
        return result;
    }
    if (bulk.size == 0) {
        /* The process died before it wrote bytes that are only in another member's memory: at least
         * the size becomes what was decided. */
        result = posix_extend(object->fd, operation->offset + operation->count);
    } else {
        result = write_all_at(object->fd, bulk.data, bulk.size, operation->offset);
        write_behind(object->fd, operation->offset, operation->offset + bulk.size);
    }
    sync_ahead_changed(posix->syncs, object);
    if (!result && operation->mask & ATTR_MODE) {
        result = node_chmod(object->fd, object->type, operation->object.mode);
    }
    fd_cache_put(posix->objects, object);
    return result;
}
