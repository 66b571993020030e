/*
 * A directory as a way: plain system calls relative to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/way.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct posix_way {
    struct way way;
    int directory;
};

struct way_file {
    int fd;
};

static int directory_of(struct way *way)
{
    return ((struct posix_way *)way)->directory;
}

/* "/" is the target itself. */
static const char *relative(const char *path)
{
    return path[1] ? path + 1 : ".";
}

static int result(int status)
{
    return status < 0 ? -errno : status;
}

static void posix_close(struct way *way)
{
    (void)close(directory_of(way)); /* nothing was written through it */
    free(way);
}

static const char *posix_error(struct way *way, int status)
{
    (void)way;
    return strerror(-status);
}

static int posix_make_directory(struct way *way, const char *path)
{
    return result(mkdirat(directory_of(way), relative(path), 0755));
}

static int posix_remove_directory(struct way *way, const char *path)
{
    return result(unlinkat(directory_of(way), relative(path), AT_REMOVEDIR));
}

static void attr_from_stat(const struct stat *stat, struct way_attr *out_attr)
{
    *out_attr = (struct way_attr){
        .inode = stat->st_ino,
        .size = (uint64_t)stat->st_size,
        .mode = stat->st_mode,
        .nlink = (uint32_t)stat->st_nlink,
        .uid = stat->st_uid,
        .gid = stat->st_gid,
        .mtime_seconds = (uint64_t)stat->st_mtim.tv_sec,
        .mtime_nanoseconds = (uint64_t)stat->st_mtim.tv_nsec,
    };
}

static int posix_stat(struct way *way, const char *path, struct way_attr *out_attr)
{
    struct stat stat;
    if (fstatat(directory_of(way), relative(path), &stat, AT_SYMLINK_NOFOLLOW)) {
        return -errno;
    }
    attr_from_stat(&stat, out_attr);
    return 0;
}

static int posix_list(struct way *way, const char *path, way_each *each, void *context)
{
    int fd = openat(directory_of(way), relative(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    DIR *directory = fdopendir(fd);
    int status = 0;
    for (struct dirent *entry; !status && (errno = 0, entry = readdir(directory));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) {
            continue;
        }
        struct stat stat;
        if (fstatat(fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW)) {
            status = -errno;
            break;
        }
        struct way_attr attr;
        attr_from_stat(&stat, &attr);
        status = each(context, entry->d_name, &attr);
    }
    status = status ? status : -errno;
    (void)closedir(directory); /* only read */
    return status;
}

static int posix_rename(struct way *way, const char *from, const char *to)
{
    return result(renameat(directory_of(way), relative(from), directory_of(way), relative(to)));
}

static int posix_unlink(struct way *way, const char *path)
{
    return result(unlinkat(directory_of(way), relative(path), 0));
}

static int posix_symlink(struct way *way, const char *target, const char *path)
{
    return result(symlinkat(target, directory_of(way), relative(path)));
}

static int posix_readlink(struct way *way, const char *path, char *buffer, size_t size)
{
    ssize_t length = readlinkat(directory_of(way), relative(path), buffer, size - 1);
    if (length < 0) {
        return -errno;
    }
    buffer[length] = '\0';
    return 0;
}

static int posix_set_mtime(struct way *way, const char *path, uint64_t seconds)
{
    struct timespec times[2] = {{.tv_sec = (time_t)seconds}, {.tv_sec = (time_t)seconds}};
    return result(utimensat(directory_of(way), relative(path), times, AT_SYMLINK_NOFOLLOW));
}

static int posix_open(struct way *way, const char *path, enum way_open_how how, uint32_t mode,
                      struct way_file **out_file)
{
    static const int flags[] = {
        [WAY_READ] = O_RDONLY,
        [WAY_UPDATE] = O_RDWR,
        [WAY_CREATE] = O_CREAT | O_EXCL | O_WRONLY,
        [WAY_REPLACE] = O_CREAT | O_TRUNC | O_WRONLY,
        [WAY_APPEND] = O_APPEND | O_WRONLY,
    };
    int fd = openat(directory_of(way), relative(path), flags[how] | O_CLOEXEC, mode);
    if (fd < 0) {
        return -errno;
    }
    struct way_file *file = malloc(sizeof *file);
    if (!file) {
        (void)close(fd); /* nothing written */
        return -ENOMEM;
    }
    file->fd = fd;
    *out_file = file;
    return 0;
}

static int posix_read(struct way *way, struct way_file *file, uint64_t offset, void *data,
                      uint32_t count)
{
    (void)way;
    return result((int)pread(file->fd, data, count, (off_t)offset));
}

static int posix_write(struct way *way, struct way_file *file, uint64_t offset, const void *data,
                       uint32_t count)
{
    (void)way;
    return result((int)pwrite(file->fd, data, count, (off_t)offset));
}

static int posix_sync(struct way *way, struct way_file *file)
{
    (void)way;
    return result(fsync(file->fd));
}

static int posix_close_file(struct way *way, struct way_file *file)
{
    (void)way;
    int status = result(close(file->fd));
    free(file);
    return status;
}

static int posix_stream(struct way *way, struct way_file *file, bool writing, uint64_t bytes,
                        uint32_t block)
{
    void *buffer = malloc(block);
    if (!buffer) {
        return -ENOMEM;
    }
    way_fill(buffer, block, 1);
    int status = 0;
    for (uint64_t offset = 0; offset < bytes;) {
        uint32_t count = bytes - offset < block ? (uint32_t)(bytes - offset) : block;
        int done = writing ? posix_write(way, file, offset, buffer, count)
                           : posix_read(way, file, offset, buffer, count);
        if (done <= 0) {
            status = done ? done : -EIO;
            break;
        }
        offset += (uint64_t)done;
    }
    free(buffer);
    return status;
}

static const struct way_ops posix_ops = {
    .close = posix_close,
    .error = posix_error,
    .make_directory = posix_make_directory,
    .remove_directory = posix_remove_directory,
    .stat = posix_stat,
    .list = posix_list,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .symlink = posix_symlink,
    .readlink = posix_readlink,
    .set_mtime = posix_set_mtime,
    .open = posix_open,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .close_file = posix_close_file,
    .stream = posix_stream,
};

struct way *way_posix_open(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct posix_way *posix = malloc(sizeof *posix);
    if (fd < 0 || !posix) {
        fprintf(stderr, "measure: cannot open directory %s: %s\n", directory, strerror(errno));
        if (fd >= 0) {
            (void)close(fd); /* nothing written */
        }
        free(posix);
        return NULL;
    }
    *posix = (struct posix_way){.way = {.ops = &posix_ops}, .directory = fd};
    return &posix->way;
}
