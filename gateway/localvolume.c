/*
 * A plain directory as a volume: development of the frontends without daemons, and the floor that
 * benchmarks compare with. Each operation is carried out and completed inside volume_submit, on the
 * caller's thread.
 *
 * The directory is worked on as root; localobject.c finds objects by gfid and permission.c checks
 * the caller. An exclusive create's verifier is kept in an xattr of the file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/localvolume.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "gateway/localdir.h"
#include "gateway/permission.h"

int local_open_object(struct local_volume *local, struct volume_request *request, int flags,
                      int *out_fd)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open(&local->tree, &request->object, flags, &fd);
    if (status == 0) {
        status = local_attr(&local->tree, fd, &request->object, &request->reply.object);
    }
    if (status == 0) {
        *out_fd = TAKE_FD(fd);
    }
    return status;
}

int local_open_directory(struct local_volume *local, const struct gfid *gfid, int *out_fd,
                         struct attr *out_attr, struct attr_before *out_before)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open(&local->tree, gfid, O_PATH, &fd);
    if (status == 0) {
        status = local_attr(&local->tree, fd, gfid, out_attr);
    }
    if (status) {
        return status;
    }
    if (out_attr->type != OBJECT_DIRECTORY) {
        return -ENOTDIR;
    }
    *out_before = local_before(out_attr);
    *out_fd = TAKE_FD(fd);
    return 0;
}

/* ---- attr ------------------------------------------------------------------------------------ */

static int local_getattr(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    return local_open_object(local, request, O_PATH, &fd);
}

static struct timespec timespec_of(const struct attr_change *change, bool is_access)
{
    uint32_t given = is_access ? ATTR_ATIME : ATTR_MTIME;
    uint32_t now = is_access ? ATTR_ATIME_NOW : ATTR_MTIME_NOW;
    const struct timestamp *time = is_access ? &change->atime : &change->mtime;
    if (change->mask & given) {
        return (struct timespec){.tv_sec = time->seconds, .tv_nsec = time->nanoseconds};
    }
    return (struct timespec){.tv_nsec = change->mask & now ? UTIME_NOW : UTIME_OMIT};
}

static int change_times(int fd, const struct attr_change *change)
{
    if (!(change->mask & (ATTR_ATIME | ATTR_MTIME | ATTR_ATIME_NOW | ATTR_MTIME_NOW))) {
        return 0;
    }
    struct timespec times[2] = {timespec_of(change, true), timespec_of(change, false)};
    return utimensat(fd, "", times, AT_EMPTY_PATH) ? -errno : 0;
}

int local_change_apply(int fd, const struct attr *attr, const struct attr_change *change)
{
    struct local_path path = local_path_of(fd);
    if (change->mask & ATTR_SIZE) {
        if (attr->type != OBJECT_FILE) {
            return attr->type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
        }
        if (truncate(path.text, (off_t)change->size)) {
            return -errno;
        }
    }
    if (change->mask & (ATTR_UID | ATTR_GID)) {
        uid_t uid = change->mask & ATTR_UID ? change->uid : (uid_t)-1;
        gid_t gid = change->mask & ATTR_GID ? change->gid : (gid_t)-1;
        if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH)) {
            return -errno;
        }
    }
    /* After chown, which clears setuid and setgid. */
    if (change->mask & ATTR_MODE) {
        if (attr->type == OBJECT_SYMLINK) {
            return -EOPNOTSUPP;
        }
        if (chmod(path.text, change->mode & 07777)) {
            return -errno;
        }
    }
    return change_times(fd, change);
}

static int local_setattr(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open_object(local, request, O_PATH, &fd);
    if (status) {
        return status;
    }
    struct attr *attr = &request->reply.object;
    request->reply.object_before = local_before(attr);
    if (request->guarded && timestamp_compare(&request->guard, &attr->ctime) != 0) {
        return -E_GUARD_FAILED;
    }
    struct attr_change change = request->change;
    status = permission_check_change(attr, &request->cred, &change);
    if (status == 0) {
        status = local_change_apply(fd, attr, &change);
    }
    int status_after = local_attr(&local->tree, fd, &request->object, attr);
    return status ? status : status_after;
}

static int local_access(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open_object(local, request, O_PATH, &fd);
    if (status == 0) {
        request->reply.count =
            permission_rights(&request->reply.object, &request->cred, request->rights);
    }
    return status;
}

/* ---- name ------------------------------------------------------------------------------------ */

static int local_lookup(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int directory = -1;
    struct reply *reply = &request->reply;
    struct attr_before unused;
    int status = local_open_directory(local, &request->object, &directory, &reply->parent, &unused);
    if (status == 0) {
        status = permission_check(&reply->parent, &request->cred, PERMISSION_EXECUTE);
    }
    if (status) {
        return status;
    }
    AUTO_CLOSE int fd = -1;
    struct local_name name = local_name_of(request->name);
    return local_find(&local->tree, directory, name.text, &fd, &reply->object);
}

/* Memory for reply.data; freed after complete, or by release. */
static uint8_t *take_room(struct volume_request *request, size_t size)
{
    request->kept = malloc(size ? size : 1);
    return request->kept;
}

static int local_readlink(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open_object(local, request, O_PATH | O_NOFOLLOW, &fd);
    if (status) {
        return status;
    }
    if (request->reply.object.type != OBJECT_SYMLINK) {
        return -EINVAL;
    }
    uint8_t *room = take_room(request, TARGET_SIZE_MAX + 1);
    if (!room) {
        return -ENOMEM;
    }
    ssize_t size = readlinkat(fd, "", (char *)room, TARGET_SIZE_MAX + 1);
    if (size < 0) {
        return -errno;
    }
    request->reply.data = slice_of(room, (size_t)size);
    return 0;
}

/* ---- io -------------------------------------------------------------------------------------- */

/* Open a regular file for data; O_NONBLOCK keeps a FIFO from holding the thread. */
int local_open_file(struct local_volume *local, struct volume_request *request, int flags,
                    unsigned wanted, int *out_fd)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open_object(local, request, O_PATH, &fd);
    if (status) {
        return status;
    }
    const struct attr *attr = &request->reply.object;
    if (attr->type != OBJECT_FILE) {
        return attr->type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
    }
    status = permission_check_io(attr, &request->cred, wanted);
    if (status) {
        return status;
    }
    return local_open(&local->tree, &request->object, flags | O_NONBLOCK, out_fd);
}

void local_drop_privilege(int fd, const struct volume_request *request)
{
    const struct attr *attr = &request->reply.object;
    bool keeps = request->cred.flags & CRED_CHECKED ? !(request->cred.flags & CRED_KILLS_PRIVILEGE)
                                                    : request->cred.uid == 0;
    uint32_t drop = attr->mode & 00010 ? 06000 : 04000;
    if (!keeps && attr->mode & drop) {
        (void)fchmod(fd, attr->mode & 07777 & ~drop); /* what was asked for is done all the same */
    }
}

static int local_read(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open_file(local, request, O_RDONLY | O_NOATIME, PERMISSION_READ, &fd);
    if (status) {
        return status;
    }
    uint8_t *room = take_room(request, request->count);
    if (!room) {
        return -ENOMEM;
    }
    size_t done = 0;
    while (done < request->count) {
        ssize_t size =
            pread(fd, room + done, request->count - done, (off_t)(request->offset + done));
        if (size < 0) {
            return -errno;
        }
        if (size == 0) {
            break;
        }
        done += (size_t)size;
    }
    struct reply *reply = &request->reply;
    reply->data = slice_of(room, done);
    reply->count = (uint32_t)done;
    reply->verifier = local->verifier;
    status = local_attr(&local->tree, fd, &request->object, &reply->object);
    reply->eof = request->offset + done >= reply->object.size;
    return status;
}

static int write_all(int fd, struct slice data, uint64_t offset, uint32_t *out_count)
{
    size_t done = 0;
    while (done < data.size) {
        ssize_t size = pwrite(fd, data.data + done, data.size - done, (off_t)(offset + done));
        if (size < 0 && done == 0) {
            return -errno;
        }
        if (size <= 0) {
            break; /* what is written counts; the rest meets its error when it is tried again */
        }
        done += (size_t)size;
    }
    *out_count = (uint32_t)done;
    return 0;
}

static int local_write(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open_file(local, request, O_WRONLY, PERMISSION_WRITE, &fd);
    if (status) {
        return status;
    }
    struct reply *reply = &request->reply;
    reply->object_before = local_before(&reply->object);
    uint64_t offset = request->append ? reply->object.size : request->offset;
    status = write_all(fd, request->data, offset, &reply->count);
    if (status == 0 && request->stable != STABLE_UNSTABLE) {
        bool only_data = request->stable == STABLE_DATA_SYNC;
        status = (only_data ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
    }
    if (status == 0) {
        local_drop_privilege(fd, request);
    }
    reply->committed = request->stable;
    reply->verifier = local->verifier;
    int status_after = local_attr(&local->tree, fd, &request->object, &reply->object);
    return status ? status : status_after;
}

static int local_commit(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open(&local->tree, &request->object, O_RDONLY | O_NONBLOCK, &fd);
    if (status == 0) {
        status = fsync(fd) ? -errno : 0;
    }
    if (status == 0) {
        request->reply.verifier = local->verifier;
        status = local_attr(&local->tree, fd, &request->object, &request->reply.object);
    }
    return status;
}

/* ---- dir and info ---------------------------------------------------------------------------- */

static int local_readdir(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    struct reply *reply = &request->reply;
    int status = local_open_object(local, request, O_RDONLY | O_DIRECTORY | O_NOATIME, &fd);
    if (status == 0) {
        status = permission_check(&reply->object, &request->cred, PERMISSION_READ);
    }
    if (status) {
        return status;
    }
    uint8_t *room = take_room(request, request->count);
    if (!room) {
        return -ENOMEM;
    }
    size_t used = 0;
    status = local_list(&local->tree, fd, request->cookie, request->with_attr, room, request->count,
                        &used, &reply->eof);
    reply->data = slice_of(room, used);
    return status;
}

static int local_statfs(struct local_volume *local, struct volume_request *request)
{
    struct statvfs found;
    if (fstatvfs(local->tree.root_fd, &found)) {
        return -errno;
    }
    request->reply.statfs = (struct statfs_info){
        .present = true,
        .bytes_total = found.f_blocks * found.f_frsize,
        .bytes_free = found.f_bfree * found.f_frsize,
        .bytes_available = found.f_bavail * found.f_frsize,
        .files_total = found.f_files,
        .files_free = found.f_ffree,
        .name_max = (uint32_t)found.f_namemax,
    };
    return local_getattr(local, request);
}

/* ---- the volume ------------------------------------------------------------------------------ */

static int (*const local_ops[VOLUME_OP_COUNT])(struct local_volume *, struct volume_request *) = {
    [VOLUME_GETATTR] = local_getattr,   [VOLUME_SETATTR] = local_setattr,
    [VOLUME_ACCESS] = local_access,     [VOLUME_LOOKUP] = local_lookup,
    [VOLUME_READLINK] = local_readlink, [VOLUME_READ] = local_read,
    [VOLUME_WRITE] = local_write,       [VOLUME_COMMIT] = local_commit,
    [VOLUME_CREATE] = local_make,       [VOLUME_MKDIR] = local_make,
    [VOLUME_SYMLINK] = local_make,      [VOLUME_MKNOD] = local_make,
    [VOLUME_LINK] = local_link,         [VOLUME_REMOVE] = local_remove,
    [VOLUME_RMDIR] = local_remove,      [VOLUME_RENAME] = local_rename,
    [VOLUME_READDIR] = local_readdir,   [VOLUME_STATFS] = local_statfs,
    [VOLUME_TMPFILE] = local_tmpfile,   [VOLUME_FORGET] = local_forget,
    [VOLUME_GETXATTR] = local_getxattr, [VOLUME_LISTXATTR] = local_listxattr,
    [VOLUME_SETXATTR] = local_setxattr, [VOLUME_REMOVEXATTR] = local_setxattr,
    [VOLUME_ALLOCATE] = local_allocate, [VOLUME_SEEK] = local_seek,
    [VOLUME_COPY] = local_copy,
};

static void local_submit(struct volume *volume, struct volume_request *request)
{
    struct local_volume *local = (struct local_volume *)volume;
    bool is_derived = request->id.kind == OP_ID_DERIVED;
    if (is_derived && local_replies_begin(&local->replies, &request->id, &request->reply)) {
        volume_complete(request);
        return;
    }
    request->reply = (struct reply){0};
    int status = local_ops[request->op](local, request);
    request->reply.status = status;
    if (status) {
        request->reply.data = (struct slice){0};
    }
    if (is_derived) {
        local_replies_end(&local->replies, &request->id, &request->reply);
    }
    /* complete may free the request, so the data's memory is taken out first. */
    AUTO_FREE void *room = request->keep ? NULL : TAKE(request->kept);
    volume_complete(request);
}

static void local_cancel(struct volume *volume, struct volume_request *request)
{
    (void)volume; /* nothing is ever under way: submit completes */
    (void)request;
}

static void local_cancel_all(struct volume *volume, int status)
{
    (void)volume; /* as above */
    (void)status;
}

static bool local_answers(const struct volume *volume)
{
    (void)volume; /* a directory always answers */
    return true;
}

static void local_release(struct volume_request *request)
{
    free(request->kept);
}

static void local_stats(const struct volume *volume, struct volume_stats *out_stats)
{
    (void)volume; /* no connection: nothing to add */
    (void)out_stats;
}

static void local_close(struct volume *volume)
{
    struct local_volume *local = (struct local_volume *)volume;
    local_forget_all(local);
    local_replies_release(&local->replies);
    pthread_mutex_destroy(&local->kept_lock);
    local_tree_release(&local->tree);
    free(local);
}

static const struct volume_ops local_volume_ops = {
    .submit = local_submit,
    .cancel = local_cancel,
    .cancel_all = local_cancel_all,
    .answers = local_answers,
    .release = local_release,
    .stats = local_stats,
    .close = local_close,
};

static const char *open_advice(int status)
{
    switch (status) {
    case -EOPNOTSUPP:
        return "its file system gives no file handles; use one on ext4, XFS, btrfs or tmpfs";
    case -EPERM:
        return "opening objects by handle needs root (CAP_DAC_READ_SEARCH)";
    default:
        return error_text(status);
    }
}

/* An id that is the directory's own, so that handles stay good across restarts. */
static void fill_spec(struct local_volume *local)
{
    struct volume_spec *spec = &local->volume.spec;
    uint64_t parts[2] = {local->tree.root_device, local->tree.root_inode};
    memcpy(spec->name, "local", sizeof("local"));
    memcpy(spec->id.bytes, parts, sizeof(spec->id.bytes));
    memcpy(spec->handle_key, parts, sizeof(spec->handle_key));
    spec->started = true;
}

int local_volume_open(const char *directory, struct volume **out_volume, char *out_error,
                      size_t size)
{
    if (directory[0] != '/') {
        volume_explain(out_error, size, "local:%s: write the directory's absolute path", directory);
        return -EINVAL;
    }
    struct local_volume *local = calloc(1, sizeof(*local));
    if (!local) {
        return -ENOMEM;
    }
    pthread_mutex_init(&local->kept_lock, NULL);
    local_replies_init(&local->replies);
    int status = local_tree_init(&local->tree, directory);
    if (status == 0 && getrandom(&local->verifier, sizeof(local->verifier), 0) < 0) {
        status = -errno;
    }
    if (status) {
        volume_explain(out_error, size, "%s cannot be a volume: %s", directory,
                       open_advice(status));
        local_tree_release(&local->tree);
        local_replies_release(&local->replies);
        free(local);
        return status;
    }
    local->volume.ops = &local_volume_ops;
    fill_spec(local);
    *out_volume = &local->volume;
    return 0;
}
