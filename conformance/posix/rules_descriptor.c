/*
 * Rules about what else a descriptor of a file answers: poll, ioctl, handles, asynchronous io.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/fiemap.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include "conformance/posix/rules_io.h"

static void poll_is_ready(struct place *place)
{
    struct pollfd ready = {.fd = open_new(place, "f", NULL), .events = POLLIN | POLLOUT};
    EQUAL(MUST(poll(&ready, 1, 0)), 1);
    EQUAL(ready.revents, POLLIN | POLLOUT);
}

static void select_is_ready(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    fd_set readable, writable;
    struct timeval now = {0};
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(fd, &readable);
    FD_SET(fd, &writable);
    EQUAL(MUST(select(fd + 1, &readable, &writable, NULL, &now)), 2);
}

static void epoll_eperm(struct place *place)
{
    int fd = open_new(place, "f", NULL), set = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == -1) {
        EQUAL(errno, EPERM);
    } else {
        EQUAL(MUST(epoll_wait(set, &event, 1, 0)), 1);
    }
}

static void access_mode(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    EQUAL(MUST(fcntl(open_at(place, "f", O_RDONLY), F_GETFL)) & O_ACCMODE, O_RDONLY);
    EQUAL(MUST(fcntl(open_at(place, "f", O_WRONLY), F_GETFL)) & O_ACCMODE, O_WRONLY);
    EQUAL(MUST(fcntl(open_at(place, "f", O_RDWR), F_GETFL)) & O_ACCMODE, O_RDWR);
}

static void no_terminal(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    EQUAL(isatty(fd), 0);
    EQUAL(errno, ENOTTY);
}

static void unknown_ioctl(struct place *place)
{
    FAILS_EITHER(ioctl(open_new(place, "f", NULL), 0x7a01), ENOTTY, EOPNOTSUPP);
}

static void unread_bytes(struct place *place)
{
    int fd = open_new(place, "f", "abcdef"), left = -1;
    MUST(lseek(fd, 2, SEEK_SET));
    MUST(ioctl(fd, FIONREAD, &left));
    EQUAL(left, 4);
}

static void block_size(struct place *place)
{
    int size = 0;
    MUST(ioctl(open_new(place, "f", NULL), FIGETBSZ, &size));
    HOLDS(size >= 512 && (size & (size - 1)) == 0);
}

static void close_on_exec_by_ioctl(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = (int)MUST(openat(place->fd, "f", O_RDONLY));
    MUST(ioctl(fd, FIOCLEX));
    EQUAL(MUST(fcntl(fd, F_GETFD)), FD_CLOEXEC);
}

static void flags_or_not(struct place *place)
{
    int fd = open_new(place, "f", NULL), flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == -1) {
        HOLDS(errno == ENOTTY || errno == EOPNOTSUPP);
    } else {
        EQUAL(flags & (FS_IMMUTABLE_FL | FS_APPEND_FL), 0);
    }
}

static void clone_or_not(struct place *place)
{
    int from = open_pattern(place, "f", 3 * UNIT), to = open_new(place, "g", NULL);
    if (ioctl(to, FICLONE, from) == -1) {
        HOLDS(errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL || errno == EXDEV);
        EQUAL(size_of(to), 0);
    } else {
        fill(from, 0, UNIT, 'n');
        check_pattern(to, 0, 3 * UNIT);
    }
}

static void dedupe_or_not(struct place *place)
{
    int one = open_pattern(place, "f", UNIT), two = open_pattern(place, "g", UNIT);
    union {
        struct file_dedupe_range range;
        char room[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
    } request = {.range = {.src_length = UNIT, .dest_count = 1}};
    request.range.info[0].dest_fd = two;
    (void)ioctl(one, FIDEDUPERANGE, &request);
    check_pattern(one, 0, UNIT);
    check_pattern(two, 0, UNIT);
}

static void extents_or_not(struct place *place)
{
    int fd = open_pattern(place, "f", 3 * UNIT);
    struct fiemap map = {.fm_length = ~0ULL, .fm_flags = FIEMAP_FLAG_SYNC};
    if (ioctl(fd, FS_IOC_FIEMAP, &map) == -1) {
        HOLDS(errno == EOPNOTSUPP || errno == ENOTTY);
    } else {
        HOLDS(map.fm_mapped_extents > 0);
    }
}

union handle {
    struct file_handle handle;
    char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

/* The file's handle and its mount; ends the rule where there are none. */
static int handle_of(struct place *place, const char *name, union handle *out)
{
    int mount;
    out->handle.handle_bytes = MAX_HANDLE_SZ;
    long result = name_to_handle_at(place->fd, name, &out->handle, &mount, 0);
    NEEDS(result != -1 || errno != EOPNOTSUPP, "no handles on this file system");
    MUST(result);
    return mount;
}

static void handle_opens(struct place *place)
{
    union handle handle;
    make_file(place, "f", 0666, "hello");
    (void)handle_of(place, "f", &handle);
    int fd = open_by_handle_at(place->fd, &handle.handle, O_RDONLY | O_CLOEXEC);
    check_text((int)MUST(fd), "hello");
}

static void handle_follows_rename(struct place *place)
{
    union handle handle;
    make_file(place, "f", 0666, "hello");
    (void)handle_of(place, "f", &handle);
    MUST(renameat(place->fd, "f", place->fd, "g"));
    check_text((int)MUST(open_by_handle_at(place->fd, &handle.handle, O_RDONLY | O_CLOEXEC)),
               "hello");
}

static void handle_is_the_same(struct place *place)
{
    union handle one = {.room = {0}}, two = {.room = {0}}, other = {.room = {0}};
    make_file(place, "f", 0666, NULL);
    make_file(place, "h", 0666, NULL);
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    (void)handle_of(place, "f", &one);
    (void)handle_of(place, "g", &two);
    (void)handle_of(place, "h", &other);
    EQUAL(one.handle.handle_bytes, two.handle.handle_bytes);
    HOLDS(memcmp(one.handle.f_handle, two.handle.f_handle, one.handle.handle_bytes) == 0);
    HOLDS(one.handle.handle_bytes != other.handle.handle_bytes ||
          memcmp(one.handle.f_handle, other.handle.f_handle, one.handle.handle_bytes) != 0);
}

static void handle_of_removed_estale(struct place *place)
{
    union handle handle;
    make_file(place, "f", 0666, "hello");
    (void)handle_of(place, "f", &handle);
    MUST(unlinkat(place->fd, "f", 0));
    FAILS(open_by_handle_at(place->fd, &handle.handle, O_RDONLY | O_CLOEXEC), ESTALE);
}

static aio_context_t new_context(void)
{
    aio_context_t context = 0;
    long result = syscall(SYS_io_setup, 4, &context);
    NEEDS(result != -1 || errno != ENOSYS, "no asynchronous io in this kernel");
    MUST(result);
    return context;
}

/* Submit one and wait for it: its result. */
static long complete(aio_context_t context, struct iocb *request)
{
    struct io_event event;
    struct timespec bound = {.tv_sec = 10};
    EQUAL(MUST(syscall(SYS_io_submit, context, 1, &request)), 1);
    EQUAL(MUST(syscall(SYS_io_getevents, context, 1, 1, &event, &bound)), 1);
    return (long)event.res;
}

static void asynchronous_write_and_read(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    char buffer[6] = "";
    aio_context_t context = new_context();
    struct iocb request = {.aio_fildes = (uint32_t)fd,
                           .aio_lio_opcode = IOCB_CMD_PWRITE,
                           .aio_buf = (uintptr_t) "hello",
                           .aio_nbytes = 5,
                           .aio_offset = 3};
    EQUAL(complete(context, &request), 5);
    request.aio_lio_opcode = IOCB_CMD_PREAD;
    request.aio_buf = (uintptr_t)buffer;
    EQUAL(complete(context, &request), 5);
    HOLDS(memcmp(buffer, "hello", 5) == 0);
    EQUAL(size_of(fd), 8);
}

static void asynchronous_direct(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = openat(place->fd, "f", O_RDWR | O_DIRECT | O_CLOEXEC);
    NEEDS(fd >= 0 || errno != EINVAL, "no O_DIRECT on this file system");
    void *memory = NULL;
    EQUAL(posix_memalign(&memory, PAGE, PAGE), 0);
    memset(memory, 'a', PAGE);
    struct iocb request = {.aio_fildes = (uint32_t)MUST(fd),
                           .aio_lio_opcode = IOCB_CMD_PWRITE,
                           .aio_buf = (uintptr_t)memory,
                           .aio_nbytes = PAGE,
                           .aio_offset = PAGE};
    EQUAL(complete(new_context(), &request), PAGE);
    check_fill(open_at(place, "f", O_RDONLY), PAGE, PAGE, 'a');
}

static void asynchronous_sync(struct place *place)
{
    int fd = open_pattern(place, "f", 1000);
    aio_context_t context = new_context();
    struct iocb request = {.aio_fildes = (uint32_t)fd, .aio_lio_opcode = IOCB_CMD_FSYNC};
    struct iocb *requests[] = {&request};
    struct io_event event;
    struct timespec bound = {.tv_sec = 10};
    long result = syscall(SYS_io_submit, context, 1, requests);
    NEEDS(result == 1 || errno != EINVAL, "no asynchronous sync");
    EQUAL(result, 1);
    EQUAL(MUST(syscall(SYS_io_getevents, context, 1, 1, &event, &bound)), 1);
    EQUAL(event.res, 0);
}

static const struct rule rules[] = {
    {"poll-is-ready", "a regular file is always ready", "POSIX poll", poll_is_ready},
    {"select-is-ready", "also for select", "POSIX select", select_is_ready},
    {"epoll-eperm", "a regular file is refused by epoll, or is ready", "epoll_ctl(2) EPERM",
     epoll_eperm},
    {"access-mode", "a descriptor tells what it was opened for", "POSIX fcntl F_GETFL",
     access_mode},
    {"no-terminal", "a file is no terminal", "POSIX isatty ENOTTY", no_terminal},
    {"unknown-ioctl", "an unknown ioctl is refused", "POSIX ioctl ENOTTY", unknown_ioctl},
    {"unread-bytes", "FIONREAD tells how much there is to the end", "ioctl_list FIONREAD",
     unread_bytes},
    {"block-size", "FIGETBSZ tells a block size, a power of two", "linux/fs.h FIGETBSZ",
     block_size},
    {"close-on-exec-by-ioctl", "an ioctl sets close-on-exec", "ioctl(2) FIOCLEX",
     close_on_exec_by_ioctl},
    {"flags-or-not", "flags of an inode are told, or not offered",
     "ioctl_iflags(2) FS_IOC_GETFLAGS", flags_or_not},
    {"clone-or-not", "a clone has the same bytes and is its own file, or is not offered",
     "ioctl_ficlone(2)", clone_or_not},
    {"dedupe-or-not", "deduplicating changes no byte, or is not offered", "ioctl_fideduperange(2)",
     dedupe_or_not},
    {"extents-or-not", "extents cover what was written, or are not offered",
     "linux/fiemap.h FS_IOC_FIEMAP", extents_or_not},
    {"handle-opens", "a handle opens its file", "open_by_handle_at(2)", handle_opens},
    {"handle-follows-rename", "also after its file was renamed", "open_by_handle_at(2)",
     handle_follows_rename},
    {"handle-is-the-same", "two names of a file have one handle, two files have two",
     "name_to_handle_at(2)", handle_is_the_same},
    {"handle-of-removed-estale", "a handle of a removed file opens nothing",
     "open_by_handle_at(2) ESTALE", handle_of_removed_estale},
    {"asynchronous-write-and-read", "bytes are written and read asynchronously", "io_submit(2)",
     asynchronous_write_and_read},
    {"asynchronous-direct", "and so are aligned bytes around the page cache",
     "io_submit(2), open(2) O_DIRECT", asynchronous_direct},
    {"asynchronous-sync", "a sync is asynchronous, or not offered", "io_submit(2) IOCB_CMD_FSYNC",
     asynchronous_sync},
};

const struct subject subject_descriptor = {"descriptor", rules, sizeof rules / sizeof rules[0]};
