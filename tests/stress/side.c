/*
 * A way into the volume: a directory by system calls here, an NFSv3 export in side_nfs.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/side.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int result(long status)
{
    return status < 0 ? -errno : (int)status;
}

static const char *relative(const char *path)
{
    return *path ? path : ".";
}

void side_open(struct side *side, const char *target)
{
    *side = (struct side){.is_nfs = strncmp(target, "nfs://", 6) == 0, .directory = -1};
    if (side->is_nfs) {
        if (nfs_side_open(side, target) != 0) {
            exit(2);
        }
        return;
    }
    side->directory = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (side->directory < 0) {
        fprintf(stderr, "cannot open directory %s: %s\n", target, strerror(errno));
        exit(2);
    }
}

void side_close(struct side *side)
{
    if (side->is_nfs) {
        nfs_side_close(side);
    } else {
        (void)close(side->directory); /* nothing was written through it */
    }
}

int side_stat(struct side *side, const char *path, struct stat *out_stat)
{
    return side->is_nfs
               ? nfs_side_stat(side, path, out_stat)
               : result(fstatat(side->directory, relative(path), out_stat, AT_SYMLINK_NOFOLLOW));
}

int side_list(struct side *side, const char *path, side_entry *entry, void *context)
{
    if (side->is_nfs) {
        return nfs_side_list(side, path, entry, context);
    }
    int fd = openat(side->directory, relative(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        return -errno;
    }
    for (struct dirent *found; (errno = 0, found = readdir(directory));) {
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0) {
            entry(context, found->d_name, found->d_ino, DTTOIF(found->d_type));
        }
    }
    int status = -errno;
    (void)closedir(directory); /* only read */
    return status;
}

int side_readlink(struct side *side, const char *path, char *buffer, size_t size)
{
    if (side->is_nfs) {
        return nfs_side_readlink(side, path, buffer, size);
    }
    ssize_t length = readlinkat(side->directory, path, buffer, size - 1);
    if (length < 0) {
        return -errno;
    }
    buffer[length] = '\0';
    return 0;
}

int side_chmod(struct side *side, const char *path, mode_t mode)
{
    return side->is_nfs ? nfs_side_chmod(side, path, mode)
                        : result(fchmodat(side->directory, relative(path), mode, 0));
}

int side_mkdir(struct side *side, const char *path)
{
    return side->is_nfs ? nfs_side_mkdir(side, path) : result(mkdirat(side->directory, path, 0755));
}

int side_mknod(struct side *side, const char *path, mode_t type)
{
    return side->is_nfs ? nfs_side_mknod(side, path, type)
                        : result(mknodat(side->directory, path, type | 0644, 0));
}

int side_symlink(struct side *side, const char *target, const char *path)
{
    return side->is_nfs ? nfs_side_symlink(side, target, path)
                        : result(symlinkat(target, side->directory, path));
}

int side_link(struct side *side, const char *from, const char *to)
{
    return side->is_nfs ? nfs_side_link(side, from, to)
                        : result(linkat(side->directory, from, side->directory, to, 0));
}

int side_unlink(struct side *side, const char *path)
{
    return side->is_nfs ? nfs_side_unlink(side, path) : result(unlinkat(side->directory, path, 0));
}

int side_rmdir(struct side *side, const char *path)
{
    return side->is_nfs ? nfs_side_rmdir(side, path)
                        : result(unlinkat(side->directory, path, AT_REMOVEDIR));
}

/*
 * A kernel that finds, in a rename, a directory which another client has moved and which it knows
 * by its old name cannot move its own entry then (__d_unalias() in fs/dcache.c): ESTALE, on any
 * file system that others change, too. mv(1) looks names up before, and so does this then.
 */
int side_rename(struct side *side, const char *from, const char *to, unsigned flags)
{
    if (side->is_nfs) {
        return nfs_side_rename(side, from, to);
    }
    int status = result(renameat2(side->directory, from, side->directory, to, flags));
    if (status == -ESTALE) {
        struct stat found;
        (void)side_stat(side, from, &found);
        (void)side_stat(side, to, &found);
        status = result(renameat2(side->directory, from, side->directory, to, flags));
    }
    return status;
}

/* ---- open files -------------------------------------------------------------------------- */

int side_file_open(struct side *side, const char *path, int flags, struct side_file *out_file)
{
    *out_file = (struct side_file){.fd = -1};
    if (side->is_nfs) {
        return nfs_side_file_open(side, path, flags, &out_file->handle);
    }
    out_file->fd = openat(side->directory, path, flags | O_CLOEXEC, 0644);
    return out_file->fd < 0 ? -errno : 0;
}

int side_file_close(struct side *side, struct side_file *file)
{
    int status = side->is_nfs ? nfs_side_file_close(side, file->handle) : result(close(file->fd));
    *file = (struct side_file){.fd = -1};
    return status;
}

int side_file_stat(struct side *side, const struct side_file *file, struct stat *out_stat)
{
    return side->is_nfs ? nfs_side_file_stat(side, file->handle, out_stat)
                        : result(fstat(file->fd, out_stat));
}

int side_file_read(struct side *side, const struct side_file *file, void *data, uint32_t count,
                   uint64_t offset)
{
    uint32_t done = 0;
    while (done < count) {
        char *place = (char *)data + done;
        int status =
            side->is_nfs
                ? nfs_side_file_read(side, file->handle, place, count - done, offset + done)
                : result(pread(file->fd, place, count - done, (off_t)(offset + done)));
        if (status <= 0) {
            return status < 0 ? status : (int)done;
        }
        done += (uint32_t)status;
    }
    return (int)done;
}

int side_file_write(struct side *side, const struct side_file *file, const void *data,
                    uint32_t count, uint64_t offset)
{
    uint32_t done = 0;
    while (done < count) {
        const char *place = (const char *)data + done;
        int status =
            side->is_nfs
                ? nfs_side_file_write(side, file->handle, place, count - done, offset + done)
                : result(pwrite(file->fd, place, count - done, (off_t)(offset + done)));
        if (status <= 0) {
            return status < 0 ? status : -EIO;
        }
        done += (uint32_t)status;
    }
    return (int)done;
}

int side_file_truncate(struct side *side, const struct side_file *file, uint64_t size)
{
    return side->is_nfs ? nfs_side_file_truncate(side, file->handle, size)
                        : result(ftruncate(file->fd, (off_t)size));
}

int side_file_sync(struct side *side, const struct side_file *file)
{
    return side->is_nfs ? nfs_side_file_sync(side, file->handle) : result(fsync(file->fd));
}
