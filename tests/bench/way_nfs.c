/*
 * An NFSv3 export as a way, by libnfs. Its ports are found through the portmapper, as a mount finds
 * them, unless the URL names them. libnfs looks up every component of a path on every call: what is
 * measured here is two LOOKUPs per operation slower than a kernel client, which remembers names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/way.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <nfsc/libnfs.h>

enum { IN_FLIGHT = 8, URL_SIZE = 2048, AGAIN_MS = 50, PATIENCE_MS = 30000 };

struct nfs_way {
    struct way way;
    struct nfs_context *nfs;
    unsigned waited_ms; /* since the server last did what it was asked to */
};

static struct nfs_context *nfs_of(struct way *way)
{
    return ((struct nfs_way *)way)->nfs;
}

/* "Try again later", NFS3ERR_JUKEBOX, libnfs hands to its caller; a kernel's client would try
 * again. */
static bool try_again(struct way *way, int status)
{
    struct nfs_way *nfs = (struct nfs_way *)way;
    if (status != -EAGAIN || nfs->waited_ms >= PATIENCE_MS) {
        nfs->waited_ms = 0;
        return false;
    }
    nfs->waited_ms += AGAIN_MS;
    usleep(AGAIN_MS * 1000);
    return true;
}

static struct nfsfh *handle_of(struct way_file *file)
{
    return (struct nfsfh *)file;
}

static void nfs_way_close(struct way *way)
{
    (void)nfs_umount(nfs_of(way)); /* the server keeps no state that this would have to end */
    nfs_destroy_context(nfs_of(way));
    free(way);
}

static const char *nfs_way_error(struct way *way, int status)
{
    const char *text = nfs_get_error(nfs_of(way));
    return text && *text ? text : strerror(-status);
}

static int nfs_way_make_directory(struct way *way, const char *path)
{
    int status;
    do {
        status = nfs_mkdir2(nfs_of(way), path, 0755);
    } while (try_again(way, status));
    return status;
}

static int nfs_way_remove_directory(struct way *way, const char *path)
{
    int status;
    do {
        status = nfs_rmdir(nfs_of(way), path);
    } while (try_again(way, status));
    return status;
}

static int nfs_way_stat(struct way *way, const char *path, struct way_attr *out_attr)
{
    struct nfs_stat_64 stat;
    int status;
    do {
        status = nfs_lstat64(nfs_of(way), path, &stat);
    } while (try_again(way, status));
    if (status) {
        return status;
    }
    *out_attr = (struct way_attr){
        .inode = stat.nfs_ino,
        .size = stat.nfs_size,
        .mode = (uint32_t)stat.nfs_mode,
        .nlink = (uint32_t)stat.nfs_nlink,
        .uid = (uint32_t)stat.nfs_uid,
        .gid = (uint32_t)stat.nfs_gid,
        .mtime_seconds = stat.nfs_mtime,
        .mtime_nanoseconds = stat.nfs_mtime_nsec,
    };
    return 0;
}

/* libnfs gives the type apart from the permission bits; NF3 numbers of RFC 1813 section 2.6. */
static uint32_t mode_of_entry(const struct nfsdirent *entry)
{
    static const uint32_t types[] = {0,       S_IFREG, S_IFDIR,  S_IFBLK,
                                     S_IFCHR, S_IFLNK, S_IFSOCK, S_IFIFO};
    uint32_t type = entry->type < sizeof types / sizeof *types ? types[entry->type] : 0;
    return (entry->mode & 07777U) | type;
}

static int nfs_way_list(struct way *way, const char *path, way_each *each, void *context)
{
    struct nfsdir *directory;
    int status;
    do {
        status = nfs_opendir(nfs_of(way), path, &directory);
    } while (try_again(way, status));
    if (status) {
        return status;
    }
    for (struct nfsdirent *entry; !status && (entry = nfs_readdir(nfs_of(way), directory));) {
        if (!strcmp(entry->name, ".") || !strcmp(entry->name, "..")) {
            continue;
        }
        struct way_attr attr = {
            .inode = entry->inode,
            .size = entry->size,
            .mode = mode_of_entry(entry),
            .nlink = entry->nlink,
            .uid = entry->uid,
            .gid = entry->gid,
            .mtime_seconds = (uint64_t)entry->mtime.tv_sec,
            .mtime_nanoseconds = entry->mtime_nsec,
        };
        status = each(context, entry->name, &attr);
    }
    nfs_closedir(nfs_of(way), directory);
    return status;
}

static int nfs_way_rename(struct way *way, const char *from, const char *to)
{
    int status;
    do {
        status = nfs_rename(nfs_of(way), from, to);
    } while (try_again(way, status));
    return status;
}

static int nfs_way_unlink(struct way *way, const char *path)
{
    int status;
    do {
        status = nfs_unlink(nfs_of(way), path);
    } while (try_again(way, status));
    return status;
}

static int nfs_way_symlink(struct way *way, const char *target, const char *path)
{
    int status;
    do {
        status = nfs_symlink(nfs_of(way), target, path);
    } while (try_again(way, status));
    return status;
}

static int nfs_way_readlink(struct way *way, const char *path, char *buffer, size_t size)
{
    int status;
    do {
        status = nfs_readlink(nfs_of(way), path, buffer, (int)size);
    } while (try_again(way, status));
    return status;
}

static int nfs_way_set_mtime(struct way *way, const char *path, uint64_t seconds)
{
    struct timeval times[2] = {{.tv_sec = (time_t)seconds}, {.tv_sec = (time_t)seconds}};
    int status;
    do {
        status = nfs_lutimes(nfs_of(way), path, times);
    } while (try_again(way, status));
    return status;
}

static int open_once(struct nfs_context *nfs, const char *path, enum way_open_how how, int mode,
                     struct nfsfh **out_handle)
{
    switch (how) {
    case WAY_READ:
        return nfs_open(nfs, path, O_RDONLY, out_handle);
    case WAY_UPDATE:
    case WAY_APPEND:
        return nfs_open(nfs, path, O_RDWR, out_handle);
    case WAY_CREATE:
        return nfs_create(nfs, path, O_CREAT | O_EXCL | O_WRONLY, mode, out_handle);
    case WAY_REPLACE:
        return nfs_create(nfs, path, O_CREAT | O_TRUNC | O_RDWR, mode, out_handle);
    default:
        return -EINVAL;
    }
}

static int nfs_way_open(struct way *way, const char *path, enum way_open_how how, uint32_t mode,
                        struct way_file **out_file)
{
    struct nfsfh *handle = NULL;
    int status;
    do {
        status = open_once(nfs_of(way), path, how, (int)mode, &handle);
    } while (try_again(way, status));
    *out_file = (struct way_file *)handle;
    return status;
}

static int nfs_way_read(struct way *way, struct way_file *file, uint64_t offset, void *data,
                        uint32_t count)
{
    int status;
    do {
        status = nfs_pread(nfs_of(way), handle_of(file), offset, count, data);
    } while (try_again(way, status));
    return status;
}

static int nfs_way_write(struct way *way, struct way_file *file, uint64_t offset, const void *data,
                         uint32_t count)
{
    int status;
    do {
        status = nfs_pwrite(nfs_of(way), handle_of(file), offset, count, data);
    } while (try_again(way, status));
    return status;
}

static int nfs_way_sync(struct way *way, struct way_file *file)
{
    int status;
    do {
        status = nfs_fsync(nfs_of(way), handle_of(file));
    } while (try_again(way, status));
    return status;
}

static int nfs_way_close_file(struct way *way, struct way_file *file)
{
    return nfs_close(nfs_of(way), handle_of(file));
}

/* ---- several blocks in flight, as a kernel client's read-ahead and write-behind have them ---- */

struct stream {
    struct nfs_context *nfs;
    struct nfsfh *handle;
    bool writing;
    uint64_t bytes, next, done;
    uint32_t block;
    unsigned in_flight;
    int status;
    char *buffers;
};

struct stream_slot {
    struct stream *stream;
    char *buffer;
    uint64_t offset;
    uint32_t count;
};

static void slot_arrived(int status, struct nfs_context *nfs, void *data, void *context);

static void slot_send(struct stream_slot *slot)
{
    struct stream *stream = slot->stream;
    int status = stream->writing ? nfs_pwrite_async(stream->nfs, stream->handle, slot->offset,
                                                    slot->count, slot->buffer, slot_arrived, slot)
                                 : nfs_pread_async(stream->nfs, stream->handle, slot->offset,
                                                   slot->count, slot_arrived, slot);
    if (status) {
        stream->status = -EIO;
        return;
    }
    stream->in_flight++;
}

static void slot_next(struct stream_slot *slot)
{
    struct stream *stream = slot->stream;
    uint64_t left = stream->bytes - stream->next;
    if (left == 0 || stream->status) {
        return;
    }
    slot->offset = stream->next;
    slot->count = left < stream->block ? (uint32_t)left : stream->block;
    stream->next += slot->count;
    slot_send(slot);
}

static void slot_arrived(int status, struct nfs_context *nfs, void *data, void *context)
{
    (void)nfs;
    struct stream_slot *slot = context;
    struct stream *stream = slot->stream;
    stream->in_flight--;
    if (status <= 0) {
        stream->status = status ? status : -EIO;
        return;
    }
    if (!stream->writing) {
        memcpy(slot->buffer, data, (size_t)status);
    }
    stream->done += (uint64_t)status;
    if ((uint32_t)status < slot->count) { /* a short answer: the rest is asked for again */
        slot->offset += (uint64_t)status;
        slot->count -= (uint32_t)status;
        slot_send(slot);
        return;
    }
    slot_next(slot);
}

static int nfs_way_stream(struct way *way, struct way_file *file, bool writing, uint64_t bytes,
                          uint32_t block)
{
    struct stream stream = {
        .nfs = nfs_of(way),
        .handle = handle_of(file),
        .writing = writing,
        .bytes = bytes,
        .block = block,
        .buffers = malloc((size_t)IN_FLIGHT * block),
    };
    struct stream_slot slots[IN_FLIGHT];
    if (!stream.buffers) {
        return -ENOMEM;
    }
    for (unsigned index = 0; index < IN_FLIGHT; index++) {
        slots[index] = (struct stream_slot){
            .stream = &stream,
            .buffer = stream.buffers + (size_t)index * block,
        };
        way_fill(slots[index].buffer, block, index + 1);
        slot_next(&slots[index]);
    }
    while (stream.in_flight > 0) {
        struct pollfd poll_fd = {
            .fd = nfs_get_fd(stream.nfs),
            .events = (short)nfs_which_events(stream.nfs),
        };
        if (poll(&poll_fd, 1, 1000) < 0 || nfs_service(stream.nfs, poll_fd.revents) < 0) {
            stream.status = -EIO;
            break;
        }
    }
    free(stream.buffers);
    return stream.status ? stream.status : stream.done == bytes ? 0 : -EIO;
}

static const struct way_ops nfs_ops = {
    .close = nfs_way_close,
    .error = nfs_way_error,
    .make_directory = nfs_way_make_directory,
    .remove_directory = nfs_way_remove_directory,
    .stat = nfs_way_stat,
    .list = nfs_way_list,
    .rename = nfs_way_rename,
    .unlink = nfs_way_unlink,
    .symlink = nfs_way_symlink,
    .readlink = nfs_way_readlink,
    .set_mtime = nfs_way_set_mtime,
    .open = nfs_way_open,
    .read = nfs_way_read,
    .write = nfs_way_write,
    .sync = nfs_way_sync,
    .close_file = nfs_way_close_file,
    .stream = nfs_way_stream,
    .sync_on_close = true,
};

struct way *way_nfs_open(const char *url)
{
    struct nfs_way *way = malloc(sizeof *way);
    struct nfs_context *nfs = nfs_init_context();
    char full[URL_SIZE];
    int length = snprintf(full, sizeof full, "%s%cversion=3", url, strchr(url, '?') ? '&' : '?');
    if (!way || !nfs || length < 0 || (size_t)length >= sizeof full) {
        fprintf(stderr, "measure: cannot use %s\n", url);
        free(way);
        return NULL;
    }
    struct nfs_url *parsed = nfs_parse_url_dir(nfs, full);
    nfs_set_dircache(nfs, 0);
    if (!parsed || nfs_mount(nfs, parsed->server, parsed->path)) {
        fprintf(stderr, "measure: cannot mount %s: %s\n", url, nfs_get_error(nfs));
        nfs_destroy_url(parsed);
        nfs_destroy_context(nfs);
        free(way);
        return NULL;
    }
    nfs_destroy_url(parsed);
    *way = (struct nfs_way){.way = {.ops = &nfs_ops}, .nfs = nfs};
    return &way->way;
}
