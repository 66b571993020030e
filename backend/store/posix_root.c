/*
 * Opening and closing a brick's directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/durable.h"
#include "backend/store/posix.h"

#define CLEAN_NAME "clean"
#define SAY(...) (void)snprintf(out_error, size, __VA_ARGS__) /* cut short at worst */

static int posix_log_read(struct store *store, uint64_t index, uint8_t *buffer, size_t size,
                          size_t *out_size)
{
    return changelog_read(posix_of(store)->log, index, buffer, size, out_size);
}

static int posix_decide(struct store *store, const struct mutation *mutation,
                        const struct decision *decision, struct operation *out_operation)
{
    int result = posix_check(posix_of(store));
    return result ? result : indexed_decide(store, mutation, decision, out_operation);
}

static int posix_commit(struct store *store, uint64_t committed)
{
    struct posix_store *posix = posix_of(store);
    struct index *index = posix->base.index;
    AUTO_LOCK(&index->mutex);
    if (committed > index->position.committed) {
        index->position.committed = committed;
        posix->state->committed = committed;
    }
    return 0;
}

static void posix_free(struct posix_store *posix)
{
    sync_ahead_free(posix->syncs);
    fd_cache_free(posix->objects);
    index_close(posix->base.index);
    changelog_close(posix->log);
    state_close(posix->state);
    const int fds[] = {posix->root_fd,    posix->log_fd,    posix->stray_fd, posix->limbo_fd,
                       posix->orphans_fd, posix->xattrs_fd, posix->meta_fd,  posix->lock_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]); /* directories, and the lock */
        }
    }
    pthread_mutex_destroy(&posix->space_mutex);
    pthread_mutex_destroy(&posix->checkpoint_mutex);
    free(posix);
}

/* All that was decided is brought to the tree, and everything to the disk; only then the mark is
 * made that says so. */
static int close_cleanly(struct posix_store *posix)
{
    struct index *index = posix->base.index;
    uint32_t flushed;
    int result = posix_check(posix);
    posix->flushed_last = GFID_NONE;
    do {
        result = result ? result : posix_flush(posix, UINT32_MAX, UINT64_MAX, &flushed);
    } while (!result && flushed > 0);
    if (!result) {
        AUTO_LOCK(&index->mutex);
        result = posix_commit_index(posix, true);
    }
    if (!result) {
        result = durable_all(posix->root_fd);
    }
    return result ? result
                  : durable_file_put(posix->meta_fd, CLEAN_NAME, DISK_FILE_CLEAN,
                                     slice_of(posix->boot_id, sizeof posix->boot_id));
}

static void posix_close(struct store *store)
{
    struct posix_store *posix = posix_of(store);
    (void)close_cleanly(posix); /* without the mark the next process replays */
    posix_free(posix);
}

static const struct store_ops posix_store_ops = {
    .getattr = indexed_getattr,
    .lookup = indexed_lookup,
    .readlink = indexed_readlink,
    .read = posix_read,
    .sync = posix_sync,
    .sync_join = posix_sync_join,
    .getxattr = indexed_getxattr,
    .listxattr = indexed_listxattr,
    .seek = posix_seek,
    .readdir = indexed_readdir,
    .statfs = posix_statfs,
    .rights = indexed_rights,
    .orphan_next = indexed_orphan_next,
    .decide = posix_decide,
    .sequence = posix_sequence,
    .apply = posix_apply,
    .commit = posix_commit,
    .log_read = posix_log_read,
    .cut = posix_cut,
    .refetch = indexed_refetch,
    .restore = posix_restore,
    .reconciling = posix_reconciling,
    .reconciled = posix_reconciled,
    .position = indexed_position,
    .identity = posix_identity,
    .checkpoint = posix_checkpoint,
    .view_get = posix_view_get,
    .view_put = posix_view_put,
    .close = posix_close,
};

static int open_part(int parent_fd, const char *name, int *out_fd)
{
    *out_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *out_fd < 0 ? -errno : 0;
}

static int open_root(struct posix_store *posix, const char *path, char *out_error, size_t size)
{
    posix->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (posix->root_fd < 0) {
        int result = -errno;
        SAY("%s: %s; is its disk mounted?", path, error_text(result));
        return result;
    }
    int result = open_part(posix->root_fd, DISK_DIRECTORY, &posix->meta_fd);
    if (!result) {
        result = posix_identity_get(posix->meta_fd, &posix->identity);
    }
    if (result == -ENOENT) {
        SAY("%s: is not a brick (" DISK_DIRECTORY "/identity is missing); is its disk mounted?",
            path);
    } else if (result == -E_CORRUPT) {
        SAY("%s/" DISK_DIRECTORY "/identity is damaged: the disk is failing, or somebody wrote to "
            "it; replace the brick",
            path);
    }
    return result;
}

static int take_lock(struct posix_store *posix, const char *path, char *out_error, size_t size)
{
    posix->lock_fd = openat(posix->meta_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (posix->lock_fd < 0) {
        return -errno;
    }
    if (flock(posix->lock_fd, LOCK_EX | LOCK_NB)) {
        int result = errno == EWOULDBLOCK ? -EBUSY : -errno;
        SAY("%s: another process has the brick open; stop that first", path);
        return result;
    }
    return 0;
}

/* Half of what the process may open is left to connections and the log. */
static uint32_t objects_kept_open(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur / 2 >= OPEN_OBJECTS_MAX) {
        return OPEN_OBJECTS_MAX;
    }
    return files.rlim_cur > 32 ? (uint32_t)files.rlim_cur / 2 : 16;
}

static void sync_failed(void *context, int status)
{
    (void)posix_fail(context, status);
}

static int open_parts(struct posix_store *posix, bool same_boot, char *out_error, size_t size)
{
    int result = open_part(posix->meta_fd, "log", &posix->log_fd);
    if (!result) {
        result = open_part(posix->meta_fd, "stray", &posix->stray_fd);
    }
    if (!result) { /* these three: made if an older version made the brick */
        result = posix_make_part(posix->meta_fd, "orphans", &posix->orphans_fd);
    }
    if (!result) {
        result = posix_make_part(posix->meta_fd, "xattrs", &posix->xattrs_fd);
    }
    if (!result) {
        result = posix_make_part(posix->meta_fd, "limbo", &posix->limbo_fd);
    }
    if (!result) {
        result = posix_xattrs_open(posix);
    }
    if (!result) {
        result = fd_cache_new(objects_kept_open(), &posix->objects);
    }
    if (result) {
        return result;
    }
    const struct changelog_options options = {
        .directory_fd = posix->log_fd,
        .disk_id = posix->identity.disk_id,
        .first = OPERATION_INDEX_FIRST,
        .same_boot = same_boot,
    };
    result = changelog_open(&options, &posix->log, out_error, size);
    if (result) {
        return result;
    }
    const struct sync_ahead_options syncs = {
        .objects = posix->objects,
        .log = posix->log,
        .data = durable_data,
        .failed = sync_failed,
        .context = posix,
    };
    return sync_ahead_new(&syncs, &posix->syncs);
}

static int open_index(struct posix_store *posix, const char *path)
{
    char index_path[PATH_SIZE_MAX + 1];
    int length = snprintf(index_path, sizeof index_path, "%s/" DISK_DIRECTORY "/index", path);
    if (length < 0 || (size_t)length >= sizeof index_path) {
        return -ENAMETOOLONG;
    }
    struct kv *kv;
    int result = kv_lmdb_open(index_path, &kv);
    return result ? result : index_open(kv, &posix->base.index);
}

/* From here on the brick is not clean, and the state file is of this boot. */
static int begin(struct posix_store *posix)
{
    int result = durable_file_remove(posix->meta_fd, CLEAN_NAME);
    if (!result) {
        memcpy(posix->state->boot_id, posix->boot_id, sizeof posix->boot_id);
        AUTO_LOCK(&posix->base.index->mutex);
        result = posix_commit_index(posix, false);
    }
    atomic_store(&posix->reserved, 0); /* a replay applies what another process had counted */
    return result ? result : posix_measure_space(posix);
}

static int open_all(struct posix_store *posix, const char *path, char *out_error, size_t size)
{
    int result = open_root(posix, path, out_error, size);
    if (!result) {
        result = take_lock(posix, path, out_error, size);
    }
    if (!result) {
        result = boot_id_read(posix->boot_id);
    }
    if (!result) {
        result = state_open(posix->meta_fd, &posix->state);
    }
    if (result) {
        return result;
    }
    bool same_boot = memcmp(posix->state->boot_id, posix->boot_id, sizeof posix->boot_id) == 0;
    result = open_parts(posix, same_boot, out_error, size);
    if (!result) {
        result = open_index(posix, path);
    }
    if (!result) {
        result = posix_cut_resume(posix);
    }
    if (!result) {
        result = posix_replay(posix, same_boot, out_error, size);
    }
    return result ? result : begin(posix);
}

int posix_store_open(const char *path, struct clock *clock, struct store **out_store,
                     char *out_error, size_t size)
{
    PRE(path && out_store && out_error && size > 0);
    (void)clock; /* every time is decided by the primary and comes with its operation */
    out_error[0] = '\0';
    struct posix_store *posix = calloc(1, sizeof *posix);
    if (!posix) {
        return -ENOMEM;
    }
    posix->base.store.ops = &posix_store_ops;
    posix->root_fd = posix->meta_fd = posix->log_fd = posix->stray_fd = posix->lock_fd = -1;
    posix->orphans_fd = posix->xattrs_fd = posix->limbo_fd = -1;
    pthread_mutex_init(&posix->checkpoint_mutex, NULL);
    pthread_mutex_init(&posix->space_mutex, NULL);
    (void)umask(0); /* modes are decided, not masked */
    int result = open_all(posix, path, out_error, size);
    if (result) {
        if (out_error[0] == '\0') {
            SAY("%s: the brick cannot be opened: %s", path, error_text(result));
        }
        posix_free(posix);
        return result;
    }
    *out_store = &posix->base.store;
    return 0;
}
