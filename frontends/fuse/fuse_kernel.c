/*
 * What libfuse does not know of the kernel's protocol; see the header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/fuse/fuse_kernel.h"

#include <assert.h>
#include <errno.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

/* Newer than the headers of Debian 12. */
#define KERNEL_STATX 52
#define KERNEL_SETATTR_KILL_SUIDGID (1U << 11) /* FATTR_KILL_SUIDGID */

struct kernel_statx_in {
    uint32_t getattr_flags;
    uint32_t reserved;
    uint64_t fh;
    uint32_t sx_flags;
    uint32_t sx_mask;
};
static_assert(sizeof(struct kernel_statx_in) > sizeof(struct fuse_getattr_in), "made shorter");

struct kernel_statx_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t reserved;
};

struct kernel_statx {
    uint32_t mask;
    uint32_t blksize;
    uint64_t attributes;
    uint32_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint16_t mode;
    uint16_t spare0;
    uint64_t ino;
    uint64_t size;
    uint64_t blocks;
    uint64_t attributes_mask;
    struct kernel_statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare2[14];
};
static_assert(sizeof(struct kernel_statx) == 256, "as struct statx");

struct kernel_statx_out {
    uint64_t attr_valid;
    uint32_t attr_valid_nsec;
    uint32_t flags;
    uint64_t spare[2];
    struct kernel_statx stat;
};

static __thread struct kernel_extra extra;
/* Flags that the kernel offered in INIT and that we want; answered by the same thread. */
static __thread uint32_t init_flags;

const struct kernel_extra *kernel_extra(void)
{
    return &extra;
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* The longer form of SETXATTR has two words more before the name. */
static void shorten_setxattr(struct fuse_buf *buffer, char *body, size_t size)
{
    struct fuse_setxattr_in in;
    if (size < sizeof(in)) {
        return;
    }
    memcpy(&in, body, sizeof(in));
    extra.kills_privilege = in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID;
    size_t surplus = sizeof(in) - FUSE_COMPAT_SETXATTR_IN_SIZE;
    memmove(body + FUSE_COMPAT_SETXATTR_IN_SIZE, body + sizeof(in), size - sizeof(in));
    struct fuse_in_header *header = buffer->mem;
    header->len -= (uint32_t)surplus;
    buffer->size -= surplus;
}

static void shorten_statx(struct fuse_buf *buffer, char *body, size_t size)
{
    struct kernel_statx_in in;
    if (size < sizeof(in)) {
        return;
    }
    memcpy(&in, body, sizeof(in));
    struct fuse_getattr_in getattr = {.getattr_flags = in.getattr_flags, .fh = in.fh};
    memcpy(body, &getattr, sizeof(getattr));
    size_t surplus = size - sizeof(getattr);
    struct fuse_in_header *header = buffer->mem;
    header->opcode = FUSE_GETATTR;
    header->len -= (uint32_t)surplus;
    buffer->size -= surplus;
    extra.is_statx = true;
}

static uint32_t word_at(const char *body, size_t size, size_t offset)
{
    uint32_t word = 0;
    if (size >= offset + sizeof(word)) {
        memcpy(&word, body + offset, sizeof(word));
    }
    return word;
}

static bool is_extended; /* SETXATTR_EXT is in force; set before there is a second thread */

void kernel_receive(struct fuse_buf *buffer)
{
    extra = (struct kernel_extra){0};
    if (buffer->flags & FUSE_BUF_IS_FD || buffer->size < sizeof(struct fuse_in_header)) {
        return;
    }
    struct fuse_in_header *header = buffer->mem;
    char *body = (char *)buffer->mem + sizeof(*header);
    size_t size = buffer->size - sizeof(*header);
    switch (header->opcode) {
    case FUSE_INIT:
        init_flags = word_at(body, size, offsetof(struct fuse_init_in, flags)) &
                     (FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT);
        break;
    case FUSE_WRITE:
        extra.kills_privilege = word_at(body, size, offsetof(struct fuse_write_in, write_flags)) &
                                FUSE_WRITE_KILL_SUIDGID;
        break;
    case FUSE_SETATTR:
        extra.kills_privilege = word_at(body, size, offsetof(struct fuse_setattr_in, valid)) &
                                KERNEL_SETATTR_KILL_SUIDGID;
        break;
    case FUSE_OPEN:
        extra.kills_privilege =
            word_at(body, size, offsetof(struct fuse_open_in, open_flags)) & FUSE_OPEN_KILL_SUIDGID;
        break;
    case FUSE_TMPFILE:
        header->opcode = FUSE_CREATE;
        extra.is_tmpfile = true;
        break;
    case FUSE_CREATE:
        extra.kills_privilege = word_at(body, size, offsetof(struct fuse_create_in, open_flags)) &
                                FUSE_OPEN_KILL_SUIDGID;
        break;
    case FUSE_SETXATTR:
        if (is_extended) {
            shorten_setxattr(buffer, body, size);
        }
        break;
    case KERNEL_STATX:
        shorten_statx(buffer, body, size);
        break;
    default:
        break;
    }
}

/* ---- the answer to INIT ------------------------------------------------------------------- */

static ssize_t io_read(int fd, void *buffer, size_t size, void *context)
{
    (void)context;
    return read(fd, buffer, size);
}

static ssize_t io_writev(int fd, struct iovec *parts, int count, void *context)
{
    (void)context;
    if (init_flags && count >= 2 &&
        parts[1].iov_len >= sizeof(struct fuse_init_out) - sizeof(uint32_t) * 8) {
        struct fuse_init_out *out = parts[1].iov_base;
        out->flags |= init_flags;
        is_extended = init_flags & FUSE_SETXATTR_EXT;
        init_flags = 0;
    }
    return writev(fd, parts, count);
}

int kernel_io(struct fuse_session *session, int fd)
{
    static const struct fuse_custom_io io = {.read = io_read, .writev = io_writev};
    return fuse_session_custom_io(session, &io, fd) == 0 ? 0 : -errno;
}

/* ---- STATX -------------------------------------------------------------------------------- */

static struct kernel_statx_time statx_time(const struct timespec *time)
{
    return (struct kernel_statx_time){.seconds = time->tv_sec,
                                      .nanoseconds = (uint32_t)time->tv_nsec};
}

int kernel_reply_statx(fuse_req_t req, const struct stat *stat, const struct timestamp *birth,
                       double timeout)
{
    struct kernel_statx_out out = {
        .attr_valid = (uint64_t)timeout,
        .attr_valid_nsec = (uint32_t)((timeout - (double)(uint64_t)timeout) * 1e9),
        .stat = {.mask = STATX_BASIC_STATS | STATX_BTIME,
                 .blksize = (uint32_t)stat->st_blksize,
                 .nlink = (uint32_t)stat->st_nlink,
                 .uid = stat->st_uid,
                 .gid = stat->st_gid,
                 .mode = (uint16_t)stat->st_mode,
                 .ino = stat->st_ino,
                 .size = (uint64_t)stat->st_size,
                 .blocks = (uint64_t)stat->st_blocks,
                 .atime = statx_time(&stat->st_atim),
                 .btime = {.seconds = birth->seconds, .nanoseconds = birth->nanoseconds},
                 .ctime = statx_time(&stat->st_ctim),
                 .mtime = statx_time(&stat->st_mtim),
                 .rdev_major = major(stat->st_rdev),
                 .rdev_minor = minor(stat->st_rdev)},
    };
    return fuse_reply_buf(req, (const char *)&out, sizeof(out));
}
