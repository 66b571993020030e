/*
 * Taking operations back on a directory. In this order, each step durable before the next:
 *
 *     mark     .trivet/reconciling
 *     index    one transaction: as it was; records of what was taken back; that the rest is to come
 *     log      cut to the same end
 *     tree     as the index says (posix_restore.c); then it is noted that nothing is to come
 *     bytes    the caller's: store_restore
 *     unmark   limbo, records and mark go
 *
 * A process that dies before the index's step has changed nothing but the mark; behind it, the next
 * one goes on with the log.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include "backend/base/bytes.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/cut.h"
#include "backend/store/durable.h"
#include "backend/store/posix.h"

#define MARK_NAME "reconciling"

static int mark(struct posix_store *posix, uint64_t to)
{
    uint8_t value[8];
    uint8_t *at = value;
    bytes_put_u64(&at, to);
    atomic_store(&posix->reconciling, true);
    return durable_file_put(posix->meta_fd, MARK_NAME, DISK_FILE_RECONCILING,
                            slice_of(value, sizeof value));
}

static int cut_in_index(struct posix_store *posix, uint64_t to)
{
    struct index *index = posix->base.index;
    int result = cut_keep_records(&posix->base.store, index, to);
    if (result) {
        return result;
    }
    AUTO_LOCK(&index->mutex);
    result = cut_index(index, to);
    return result ? result : posix_commit_index(posix, true);
}

static int finish(struct posix_store *posix)
{
    struct index *index = posix->base.index;
    int result = durable_all(posix->root_fd);
    if (result) {
        return result;
    }
    AUTO_LOCK(&index->mutex);
    result = cut_finished(index);
    return result ? result : posix_commit_index(posix, true);
}

/* What is left once the index has it. */
static int follow_index(struct posix_store *posix, uint64_t to)
{
    posix->state->applied = to;
    posix->state->handle_count = 0; /* what counts of them is in the index */
    int result = changelog_cut(posix->log, to);
    if (!result) {
        result = posix_restore_tree(posix);
    }
    return result ? result : finish(posix);
}

int posix_cut_resume(struct posix_store *posix)
{
    uint64_t to;
    bool marked = faccessat(posix->meta_fd, MARK_NAME, F_OK, 0) == 0;
    atomic_store(&posix->reconciling, marked);
    int result = cut_pending(posix->base.index, &to);
    if (result) {
        return result == -ENOENT ? 0 : result;
    }
    return follow_index(posix, to);
}

int posix_cut(struct store *store, uint64_t to)
{
    struct posix_store *posix = posix_of(store);
    struct index *index = posix->base.index;
    struct store_position position;
    uint64_t first;
    uint64_t last;
    AUTO_LOCK(&posix->checkpoint_mutex);
    int result = posix_check(posix);
    changelog_range(posix->log, &first, &last);
    if (!result) {
        result = cut_check(index, to, first);
    }
    indexed_position(store, &position);
    if (result || to == position.sequenced) {
        return result;
    }
    result = mark(posix, to);
    if (!result) {
        result = cut_in_index(posix, to);
    }
    if (!result) {
        result = follow_index(posix, to);
    }
    if (!result) {
        result = posix_measure_space(posix);
    }
    return result ? posix_fail(posix, result) : 0;
}

/* ---- bytes --------------------------------------------------------------------------------- */

static bool is_zero(struct slice bytes)
{
    return bytes.data[0] == 0 && memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0;
}

/* What was a hole becomes one again, where the file system can. */
static int put_bytes(int fd, uint64_t offset, struct slice bytes)
{
    const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (is_zero(bytes) && fallocate(fd, punch, (off_t)offset, (off_t)bytes.size) == 0) {
        return 0;
    }
    return write_all_at(fd, bytes.data, bytes.size, offset);
}

int posix_restore(struct store *store, const struct gfid *gfid, uint64_t offset, struct slice bytes)
{
    struct posix_store *posix = posix_of(store);
    struct open_object *object;
    struct attr attr;
    int result = posix_check(posix);
    if (!result) {
        result = indexed_getattr(store, gfid, &attr);
    }
    if (!result && attr.type != OBJECT_FILE) {
        result = -EINVAL;
    }
    if (result || offset >= attr.size || bytes.size == 0) {
        return result;
    }
    if (bytes.size > attr.size - offset) {
        bytes.size = (size_t)(attr.size - offset);
    }
    result = posix_open_object(posix, gfid, &object);
    if (!result) {
        result = put_bytes(object->fd, offset, bytes);
        sync_ahead_changed(posix->syncs, object);
        fd_cache_put(posix->objects, object);
    }
    if (!result) {
        result = posix_keep_capability(posix, gfid);
    }
    return result ? posix_fail(posix, result) : 0;
}

/* ---- the end ------------------------------------------------------------------------------- */

bool posix_reconciling(struct store *store)
{
    return atomic_load(&posix_of(store)->reconciling);
}

/* Everything goes that lies in limbo; what somebody else put there is kept with the strays. */
static int empty_limbo(struct posix_store *posix)
{
    int fd = openat(posix->limbo_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        int result = -errno;
        if (fd >= 0) {
            (void)close(fd); /* only read */
        }
        return result;
    }
    int result = 0;
    for (struct dirent *entry; !result && (entry = readdir(directory));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            unlinkat(posix->limbo_fd, name, 0) == 0) {
            continue;
        }
        result = unlinkat(posix->limbo_fd, name, AT_REMOVEDIR) ? -errno : 0;
        if (result == -ENOTEMPTY || result == -EEXIST) {
            result = renameat2(posix->limbo_fd, name, posix->stray_fd, name, RENAME_NOREPLACE)
                         ? -errno
                         : 0;
        }
    }
    (void)closedir(directory); /* only read */
    return result;
}

/* What bytes were written to has the kernel's times again. */
static int unflush(void *context, const struct operation *operation)
{
    struct index *index = context;
    const struct gfid *objects[CUT_OBJECTS_MAX];
    uint32_t count = cut_objects(operation, objects);
    int result = 0;
    AUTO_LOCK(&index->mutex);
    for (uint32_t i = 0; i < count && !result; i++) {
        result = index_unflush(index, objects[i]);
    }
    return result;
}

static int forget(struct posix_store *posix)
{
    struct index *index = posix->base.index;
    int result = cut_each(index, unflush, index);
    if (!result) {
        result = cut_forget(index);
    }
    if (result) {
        return result;
    }
    AUTO_LOCK(&index->mutex);
    return posix_commit_index(posix, true);
}

int posix_reconciled(struct store *store)
{
    struct posix_store *posix = posix_of(store);
    AUTO_LOCK(&posix->checkpoint_mutex);
    int result = posix_check(posix);
    if (!result) {
        result =
            durable_all(posix->root_fd); /* the bytes, before it is forgotten that they lacked */
    }
    if (!result) {
        result = empty_limbo(posix);
    }
    if (!result) {
        result = forget(posix);
    }
    if (!result) {
        result = durable_file_remove(posix->meta_fd, MARK_NAME);
    }
    if (!result) {
        atomic_store(&posix->reconciling, false);
    }
    return result ? posix_fail(posix, result) : 0;
}
