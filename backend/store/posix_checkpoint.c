/*
 * The checkpoint: decided times to the tree, the index to its file, old segments away.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <sys/stat.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/posix.h"

/* The next object whose times are decided, applied, and not in the tree, going round by gfid so
 * that one that changes all the time keeps no other waiting. */
static int next_unflushed(struct posix_store *posix, struct gfid *at, struct object_record *record)
{
    struct index *index = posix->base.index;
    struct gfid found;
    AUTO_LOCK(&index->mutex);
    int result = index_unflushed_next(index, at, &found);
    if (!result) {
        *at = found;
        result = index_object_get(index, &found, record);
    }
    if (!result && record->attr.change > index->position.applied) {
        result = -EAGAIN; /* applying it would give it the kernel's times again */
    }
    return result;
}

static struct disk_time disk_time(const struct timestamp *time)
{
    return (struct disk_time){htobe64((uint64_t)time->seconds), htobe32(time->nanoseconds)};
}

static int set_times(int fd, const struct attr *attr)
{
    const struct timespec times[2] = {
        {.tv_sec = attr->atime.seconds, .tv_nsec = attr->atime.nanoseconds},
        {.tv_sec = attr->mtime.seconds, .tv_nsec = attr->mtime.nanoseconds},
    };
    return utimensat(fd, "", times, AT_EMPTY_PATH) ? -errno : 0;
}

int posix_times_set(int fd, const struct attr *attr)
{
    const struct disk_times value = {
        .version = htobe16(DISK_VERSION),
        .size = htobe16(sizeof value),
        .nlink = htobe32(attr->nlink),
        .change = htobe64(attr->change),
        .used = htobe64(attr->used),
        .atime = disk_time(&attr->atime),
        .mtime = disk_time(&attr->mtime),
        .ctime = disk_time(&attr->ctime),
    };
    return node_xattr_set(fd, attr->type, DISK_XATTR_TIMES, &value, sizeof value);
}

static int set_rest(int fd, const struct attr *attr)
{
    bool unchanged = timestamp_compare(&attr->ctime, &attr->btime) == 0;
    if (unchanged && attr->type != OBJECT_DIRECTORY) {
        return 0; /* as it was made: the gfid's xattr says it all */
    }
    return posix_times_set(fd, attr);
}

static int flush_object(struct posix_store *posix, const struct attr *attr)
{
    struct open_object *object;
    int result = posix_open_object(posix, &attr->gfid, &object);
    if (result) {
        return result == -ENOENT ? 0 : result; /* removed meanwhile */
    }
    result = set_rest(object->fd, attr);
    if (!result) {
        result = set_times(object->fd, attr);
    }
    fd_cache_put(posix->objects, object);
    return result;
}

int posix_flush(struct posix_store *posix, uint32_t count, uint64_t change_max,
                uint32_t *out_flushed)
{
    struct index *index = posix->base.index;
    struct gfid at = posix->flushed_last;
    uint32_t flushed = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct object_record record;
        int result = next_unflushed(posix, &at, &record);
        if (result == -ENOENT) {
            at = GFID_NONE; /* round again, next time */
            break;
        }
        if (result == -EAGAIN || (!result && record.attr.change > change_max)) {
            continue;
        }
        if (!result) {
            result = flush_object(posix, &record.attr);
        }
        if (!result) {
            AUTO_LOCK(&index->mutex);
            result = index_flushed(index, &record.attr.gfid, record.attr.change);
            flushed++;
        }
        if (result) {
            return result;
        }
    }
    posix->flushed_last = at;
    *out_flushed = flushed;
    return 0;
}

/* Commit; out_position is what a replay would begin with from now on. */
static int commit(struct posix_store *posix, struct store_position *out_position)
{
    struct index *index = posix->base.index;
    AUTO_LOCK(&index->mutex);
    int result = posix_commit_index(posix, false);
    *out_position = index->position;
    return result;
}

/* What was sequenced CHECKPOINTS_UNFLUSHED checkpoints ago: what has not changed since is to be
 * flushed. Most files change several times in their first seconds, and some go again. */
static uint64_t settled_change(struct posix_store *posix)
{
    uint64_t *ago = &posix->sequenced_ago[posix->checkpoint_count++ % CHECKPOINTS_UNFLUSHED];
    uint64_t settled = *ago;
    struct store_position position;
    indexed_position(&posix->base.store, &position);
    *ago = position.sequenced;
    return settled;
}

int posix_checkpoint(struct store *store)
{
    struct posix_store *posix = posix_of(store);
    struct store_position position;
    uint32_t flushed;
    AUTO_LOCK(&posix->checkpoint_mutex);
    int result = posix_check(posix);
    if (result) {
        return result;
    }
    result = posix_flush(posix, CHECKPOINT_FLUSH_MAX, settled_change(posix), &flushed);
    if (!result) {
        result = commit(posix, &position);
    }
    if (!result) {
        uint64_t needed =
            position.applied < position.sequenced ? position.applied : position.sequenced;
        needed = position.committed < needed ? position.committed : needed; /* may be taken back */
        result = changelog_trim(posix->log, LOG_KEEP_SIZE, needed);
    }
    if (!result) {
        result = posix_measure_space(posix);
    }
    return result ? posix_fail(posix, result) : 0;
}
