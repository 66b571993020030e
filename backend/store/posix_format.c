/*
 * Making a directory a brick. First everything that could be wrong with the directory is looked for
 * and said in a sentence; the identity is written last, so that half a brick is none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/xattr.h"
#include "backend/store/durable.h"
#include "backend/store/posix.h"

#define PROBE_NAME ".trivet-probe"
#define SAY(...) (void)snprintf(out_error, size, __VA_ARGS__) /* cut short at worst */

static int check_empty(int root_fd, const char *path, char *out_error, size_t size)
{
    int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        int result = -errno;
        SAY("%s: cannot be listed: %s", path, error_text(result));
        if (fd >= 0) {
            (void)close(fd); /* only read */
        }
        return result;
    }
    int result = 0;
    for (struct dirent *entry; !result && (entry = readdir(directory));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "lost+found") != 0 &&
            strcmp(name, DISK_DIRECTORY) != 0) {
            SAY("%s: the directory is not empty (it has \"%s\"); choose an empty one, or add "
                "\"force\": what is in it stays there, outside the volume",
                path, name);
            result = -ENOTEMPTY;
        }
    }
    (void)closedir(directory); /* only read */
    return result;
}

/* Is the directory a brick already? */
static int check_own(int root_fd, const char *path, const struct store_identity *identity,
                     char *out_error, size_t size)
{
    AUTO_CLOSE int meta_fd = openat(root_fd, DISK_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct store_identity found;
    if (meta_fd < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    int result = posix_identity_get(meta_fd, &found);
    if (result == -ENOENT) {
        if (unlinkat(meta_fd, "log", AT_REMOVEDIR) == 0 || errno == ENOENT) {
            return 0; /* a format that did not come to its end */
        }
        SAY("%s: was a brick but has lost its identity (%s/" DISK_DIRECTORY
            "/identity); if nothing "
            "in it is needed, remove %s/" DISK_DIRECTORY,
            path, path, path);
        return -EEXIST;
    }
    if (result) {
        SAY("%s: is a brick whose identity cannot be read (%s); if nothing in it is needed, remove "
            "%s/" DISK_DIRECTORY,
            path, error_text(result), path);
        return -EEXIST;
    }
    SAY("%s: is already brick %u of volume \"%s\"; choose another directory, or, if that volume is "
        "gone, remove what is in it and %s/" DISK_DIRECTORY,
        path, found.brick, found.volume_name, path);
    return memcmp(&found.volume, &identity->volume, sizeof found.volume) == 0 ? -EEXIST
                                                                              : -E_WRONG_VOLUME;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is the directory inside another brick? */
static int check_above(int root_fd, const char *path, char *out_error, size_t size)
{
    AUTO_CLOSE int fd = openat(root_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat below;
    struct stat here;
    if (fd < 0 || fstat(root_fd, &below) || fstat(fd, &here)) {
        return -errno;
    }
    while (!same_file(&below, &here)) {
        struct stat identity;
        if (fstatat(fd, DISK_DIRECTORY "/identity", &identity, AT_SYMLINK_NOFOLLOW) == 0) {
            SAY("%s: lies inside another brick (a directory above it has " DISK_DIRECTORY
                "); choose a directory that is not in a brick",
                path);
            return -EEXIST;
        }
        int above = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (above < 0) {
            return -errno;
        }
        (void)close(fd); /* only looked at */
        fd = above;
        below = here;
        if (fstat(fd, &here)) {
            return -errno;
        }
    }
    return 0;
}

static int probe_xattrs(int fd, const char *path, char *out_error, size_t size)
{
    if (fsetxattr(fd, "trusted.trivet.probe", "1", 1, 0)) {
        int result = -errno;
        SAY("%s: this file system cannot hold trusted extended attributes (%s%s); put the brick on "
            "XFS, ext4 or btrfs",
            path, error_text(result), result == -EPERM ? ": not root?" : "");
        return result == -EPERM ? -EPERM : -EOPNOTSUPP;
    }
    if (fsetxattr(fd, "user.trivet.probe", "1", 1, 0)) {
        SAY("%s: this file system cannot hold user extended attributes (%s); put the brick on XFS, "
            "ext4 or btrfs",
            path, error_text(-errno));
        return -EOPNOTSUPP;
    }
    return 0;
}

static int probe_handles(int root_fd, int fd, const char *path, char *out_error, size_t size)
{
    struct posix_store posix = {.root_fd = root_fd};
    struct handle_record handle;
    int again = -1;
    int result = posix_handle_of(fd, OBJECT_FILE, &handle);
    if (!result) {
        result = posix_open_handle(&posix, &handle, &again);
    }
    if (result) {
        SAY("%s: this file system cannot open files by handle (%s); put the brick on XFS, ext4 or "
            "btrfs, and run as root",
            path, error_text(result));
        return result == -EPERM ? result : -EOPNOTSUPP;
    }
    (void)close(again); /* only looked at */
    return 0;
}

static int probe_names(int root_fd, const char *path, char *out_error, size_t size)
{
    char longest[NAME_SIZE_MAX + 1];
    memset(longest, 'n', NAME_SIZE_MAX);
    longest[NAME_SIZE_MAX] = '\0';
    AUTO_CLOSE int fd = openat(root_fd, longest, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        SAY("%s: this file system cannot hold names of %d bytes (%s); put the brick on XFS, ext4 "
            "or btrfs",
            path, NAME_SIZE_MAX, error_text(-errno));
        return -EOPNOTSUPP;
    }
    return unlinkat(root_fd, longest, 0) ? -errno : 0;
}

static int probe(int root_fd, const char *path, char *out_error, size_t size)
{
    AUTO_CLOSE int fd =
        openat(root_fd, PROBE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        int result = -errno;
        SAY("%s: nothing can be made in it: %s", path, error_text(result));
        return result;
    }
    int result = probe_xattrs(fd, path, out_error, size);
    if (!result) {
        result = probe_handles(root_fd, fd, path, out_error, size);
    }
    (void)unlinkat(root_fd, PROBE_NAME, 0); /* was made just now */
    return result ? result : probe_names(root_fd, path, out_error, size);
}

int posix_make_part(int parent_fd, const char *name, int *out_fd)
{
    if (mkdirat(parent_fd, name, 0700) && errno != EEXIST) {
        return -errno;
    }
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    *out_fd = fd;
    return 0;
}

static int set_root(int root_fd)
{
    const struct disk_gfid value = {.version = htobe16(DISK_VERSION),
                                    .size = htobe16(sizeof value),
                                    .type = htobe32(OBJECT_DIRECTORY),
                                    .gfid = GFID_ROOT};
    int result = node_xattr_set(root_fd, OBJECT_DIRECTORY, DISK_XATTR_GFID, &value, sizeof value);
    (void)node_xattr_remove(root_fd, OBJECT_DIRECTORY, XATTR_ACL_ACCESS);  /* if it has any, and */
    (void)node_xattr_remove(root_fd, OBJECT_DIRECTORY, XATTR_ACL_DEFAULT); /* if there can be */
    if (!result && (fchown(root_fd, 0, 0) || fchmod(root_fd, 0755))) {
        result = -errno; /* the root is the same on every brick */
    }
    return result;
}

static int make_index(int root_fd, int meta_fd, const char *path)
{
    char index_path[PATH_SIZE_MAX + 1];
    AUTO_CLOSE int index_fd = -1;
    int length = snprintf(index_path, sizeof index_path, "%s/" DISK_DIRECTORY "/index", path);
    if (length < 0 || (size_t)length >= sizeof index_path) {
        return -ENAMETOOLONG;
    }
    struct kv *kv;
    struct index *index;
    int result = posix_make_part(meta_fd, "index", &index_fd);
    if (!result) {
        result = kv_lmdb_open(index_path, &kv);
    }
    if (!result) {
        result = index_open(kv, &index);
    }
    if (result) {
        return result;
    }
    struct handle_record handle;
    result = posix_handle_of(root_fd, OBJECT_DIRECTORY, &handle);
    if (!result) {
        result = index_handle_put(index, &GFID_ROOT, &handle);
    }
    if (!result) {
        result = index_commit(index, true);
    }
    index_close(index);
    return result;
}

static int make_parts(int root_fd, const char *path, const struct store_identity *identity)
{
    AUTO_CLOSE int meta_fd = -1;
    AUTO_CLOSE int log_fd = -1;
    AUTO_CLOSE int stray_fd = -1;
    AUTO_CLOSE int orphans_fd = -1;
    AUTO_CLOSE int xattrs_fd = -1;
    int result = posix_make_part(root_fd, DISK_DIRECTORY, &meta_fd);
    if (!result) {
        result = posix_make_part(meta_fd, "log", &log_fd);
    }
    if (!result) {
        result = posix_make_part(meta_fd, "stray", &stray_fd);
    }
    if (!result) {
        result = posix_make_part(meta_fd, "orphans", &orphans_fd);
    }
    if (!result) {
        result = posix_make_part(meta_fd, "xattrs", &xattrs_fd);
    }
    if (!result) {
        result = set_root(root_fd);
    }
    if (!result) {
        result = make_index(root_fd, meta_fd, path);
    }
    if (!result) {
        result = state_format(meta_fd);
    }
    if (!result) {
        result = durable_all(meta_fd);
    }
    return result ? result : posix_identity_put(meta_fd, identity);
}

int posix_store_format(const char *path, const struct store_identity *identity, bool force,
                       char *out_error, size_t size)
{
    PRE(path && identity && out_error && size > 0);
    out_error[0] = '\0';
    AUTO_CLOSE int root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        int result = -errno;
        SAY("%s: %s", path,
            result == -ENOENT    ? "there is no such directory; make it, or mount its disk"
            : result == -ENOTDIR ? "is not a directory"
                                 : error_text(result));
        return result;
    }
    int result = check_own(root_fd, path, identity, out_error, size);
    if (!result) {
        result = check_above(root_fd, path, out_error, size);
    }
    if (!result && !force) {
        result = check_empty(root_fd, path, out_error, size);
    }
    if (!result) {
        result = probe(root_fd, path, out_error, size);
    }
    if (!result) {
        result = make_parts(root_fd, path, identity);
    }
    if (result && out_error[0] == '\0') {
        SAY("%s: cannot be made a brick: %s", path, error_text(result));
    }
    return result;
}
