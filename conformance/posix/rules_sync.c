/*
 * Rules about fsync and its relatives, O_SYNC and O_DSYNC, and about advice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

static void fsync_file(struct place *place)
{
    int fd = open_pattern(place, "f", 100000);
    EQUAL(MUST(fsync(fd)), 0);
    check_pattern(fd, 0, 100000);
}

static void fsync_read_only(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    EQUAL(MUST(fsync(open_at(place, "f", O_RDONLY))), 0);
}

static void fsync_directory(struct place *place)
{
    MUST(fsync(place->fd));
    make_file(place, "f", 0666, NULL);
    MUST(fsync(place->fd));
    MUST(renameat(place->fd, "f", place->fd, "g"));
    MUST(fsync(place->fd));
    MUST(unlinkat(place->fd, "g", 0));
    MUST(fsync(place->fd));
}

static void fsync_empty(struct place *place)
{
    EQUAL(MUST(fsync(open_new(place, "f", NULL))), 0);
}

static void fsync_twice(struct place *place)
{
    int fd = open_pattern(place, "f", 10000);
    EQUAL(MUST(fsync(fd)), 0);
    EQUAL(MUST(fsync(fd)), 0);
}

static void fsync_keeps_times(struct place *place)
{
    int fd = open_pattern(place, "f", 10000);
    struct stat before = look_fd(fd);
    pass_time(place);
    MUST(fsync(fd));
    EQUAL(compare_times(before.st_mtim, look_fd(fd).st_mtim), 0);
}

static void fsync_closed_ebadf(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(close(fd));
    FAILS(fsync(fd), EBADF);
}

static void fsync_path_descriptor_ebadf(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(fsync(open_at(place, "f", O_PATH)), EBADF);
}

static void fsync_fifo_einval(struct place *place)
{
    FAILS(fsync(open_fifo(place, "p")), EINVAL);
}

static void fdatasync_file(struct place *place)
{
    int fd = open_pattern(place, "f", 100000);
    EQUAL(MUST(fdatasync(fd)), 0);
    EQUAL(size_of(fd), 100000);
}

static void fdatasync_read_only(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    EQUAL(MUST(fdatasync(open_at(place, "f", O_RDONLY))), 0);
}

static void fdatasync_directory(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    EQUAL(MUST(fdatasync(place->fd)), 0);
}

static void fdatasync_fifo_einval(struct place *place)
{
    FAILS(fdatasync(open_fifo(place, "p")), EINVAL);
}

static void syncfs_file(struct place *place)
{
    EQUAL(MUST(syncfs(open_pattern(place, "f", 10000))), 0);
}

static void syncfs_directory(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    EQUAL(MUST(syncfs(place->fd)), 0);
}

static void syncfs_closed_ebadf(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(close(fd));
    FAILS(syncfs(fd), EBADF);
}

static void sync_range(struct place *place)
{
    int fd = open_pattern(place, "f", 100000);
    MUST(sync_file_range(fd, 5000, 50000,
                         SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                             SYNC_FILE_RANGE_WAIT_AFTER));
    check_pattern(fd, 0, 100000);
}

static void sync_range_to_end(struct place *place)
{
    int fd = open_pattern(place, "f", 100000);
    MUST(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    check_pattern(fd, 0, 100000);
}

static void sync_range_flags_einval(struct place *place)
{
    FAILS(sync_file_range(open_new(place, "f", NULL), 0, 0, 0x80), EINVAL);
}

static void sync_range_negative_einval(struct place *place)
{
    FAILS(sync_file_range(open_new(place, "f", NULL), -1, 10, SYNC_FILE_RANGE_WRITE), EINVAL);
}

static void sync_range_fifo_espipe(struct place *place)
{
    FAILS(sync_file_range(open_fifo(place, "p"), 0, 0, SYNC_FILE_RANGE_WRITE), ESPIPE);
}

static void o_sync_writes(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDWR | O_SYNC);
    EQUAL(MUST(pwrite(fd, "X", 1, 1)), 1);
    check_content(place, "f", "aXc");
    EQUAL(MUST(fcntl(fd, F_GETFL)) & O_SYNC, O_SYNC);
}

static void o_dsync_writes(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDWR | O_DSYNC);
    EQUAL(MUST(pwrite(fd, "XYZ", 3, 2)), 3);
    check_content(place, "f", "abXYZ");
    EQUAL(MUST(fcntl(fd, F_GETFL)) & O_SYNC, O_DSYNC);
}

static void o_sync_append(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_WRONLY | O_SYNC | O_APPEND);
    EQUAL(MUST(write(fd, "de", 2)), 2);
    check_content(place, "f", "abcde");
}

static void fadvise_changes_nothing(struct place *place)
{
    int fd = open_pattern(place, "f", 100000);
    const int advices[] = {POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
                           POSIX_FADV_WILLNEED, POSIX_FADV_NOREUSE,    POSIX_FADV_DONTNEED};
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++) {
        EQUAL(posix_fadvise(fd, 0, 0, advices[i]), 0);
        check_pattern(fd, 0, 100000);
    }
}

static void fadvise_dontneed_unsynced(struct place *place)
{
    int fd = open_pattern(place, "f", 50000);
    EQUAL(posix_fadvise(fd, 0, 50000, POSIX_FADV_DONTNEED), 0);
    check_pattern(fd, 0, 50000);
}

static void fadvise_unknown_einval(struct place *place)
{
    EQUAL(posix_fadvise(open_new(place, "f", NULL), 0, 0, 99), EINVAL);
}

static void fadvise_fifo_espipe(struct place *place)
{
    EQUAL(posix_fadvise(open_fifo(place, "p"), 0, 0, POSIX_FADV_NORMAL), ESPIPE);
}

static void fadvise_closed_ebadf(struct place *place)
{
    (void)place;
    EQUAL(posix_fadvise(-1, 0, 0, POSIX_FADV_NORMAL), EBADF);
}

static void readahead_file(struct place *place)
{
    int fd = open_pattern(place, "f", 100000);
    MUST(readahead(fd, 0, 100000));
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 0);
    check_pattern(fd, 0, 100000);
}

static void readahead_beyond_end(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(readahead(fd, 1 << 20, 1 << 20));
    check_text(fd, "abc");
}

static void readahead_write_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    FAILS(readahead(open_at(place, "f", O_WRONLY), 0, 3), EBADF);
}

static const struct rule rules[] = {
    {"fsync-file", "a written file is synced", "POSIX fsync", fsync_file},
    {"fsync-read-only", "a descriptor for reading only may sync", "POSIX fsync", fsync_read_only},
    {"fsync-directory", "a directory is synced, after making, renaming and removing", "fsync(2)",
     fsync_directory},
    {"fsync-empty", "a file without content is synced", "POSIX fsync", fsync_empty},
    {"fsync-twice", "a file that has nothing new is synced too", "POSIX fsync", fsync_twice},
    {"fsync-keeps-times", "a sync does not change mtime", "POSIX fsync", fsync_keeps_times},
    {"fsync-closed-ebadf", "a closed descriptor is not synced", "POSIX fsync EBADF",
     fsync_closed_ebadf},
    {"fsync-path-descriptor-ebadf", "a descriptor that only names a file is not synced",
     "open(2) O_PATH", fsync_path_descriptor_ebadf},
    {"fsync-fifo-einval", "a fifo is not synced", "POSIX fsync EINVAL", fsync_fifo_einval},
    {"fdatasync-file", "a written file's data is synced, with its size", "POSIX fdatasync",
     fdatasync_file},
    {"fdatasync-read-only", "a descriptor for reading only may sync data", "fdatasync(2)",
     fdatasync_read_only},
    {"fdatasync-directory", "a directory's data is synced", "fdatasync(2)", fdatasync_directory},
    {"fdatasync-fifo-einval", "a fifo's data is not synced", "POSIX fdatasync EINVAL",
     fdatasync_fifo_einval},
    {"syncfs-file", "the file system of a file is synced", "syncfs(2)", syncfs_file},
    {"syncfs-directory", "the file system of a directory is synced", "syncfs(2)", syncfs_directory},
    {"syncfs-closed-ebadf", "a closed descriptor names no file system", "syncfs(2) EBADF",
     syncfs_closed_ebadf},
    {"sync-range", "a range of a file is written out", "sync_file_range(2)", sync_range},
    {"sync-range-to-end", "a range of no length goes to the end", "sync_file_range(2), nbytes 0",
     sync_range_to_end},
    {"sync-range-flags-einval", "unknown flags are refused", "sync_file_range(2) EINVAL",
     sync_range_flags_einval},
    {"sync-range-negative-einval", "a negative offset is refused", "sync_file_range(2) EINVAL",
     sync_range_negative_einval},
    {"sync-range-fifo-espipe", "a fifo has no ranges", "sync_file_range(2) ESPIPE",
     sync_range_fifo_espipe},
    {"o-sync-writes", "writes through O_SYNC are like others", "POSIX open O_SYNC", o_sync_writes},
    {"o-dsync-writes", "writes through O_DSYNC are like others", "POSIX open O_DSYNC",
     o_dsync_writes},
    {"o-sync-append", "O_SYNC goes with O_APPEND", "POSIX open O_SYNC O_APPEND", o_sync_append},
    {"fadvise-changes-nothing", "no advice changes a byte", "POSIX posix_fadvise",
     fadvise_changes_nothing},
    {"fadvise-dontneed-unsynced", "bytes that are on no disk yet survive that they are not needed",
     "POSIX posix_fadvise", fadvise_dontneed_unsynced},
    {"fadvise-unknown-einval", "unknown advice is refused", "POSIX posix_fadvise EINVAL",
     fadvise_unknown_einval},
    {"fadvise-fifo-espipe", "a fifo takes no advice", "POSIX posix_fadvise ESPIPE",
     fadvise_fifo_espipe},
    {"fadvise-closed-ebadf", "a closed descriptor takes no advice", "POSIX posix_fadvise EBADF",
     fadvise_closed_ebadf},
    {"readahead-file", "reading ahead changes neither bytes nor offset", "readahead(2)",
     readahead_file},
    {"readahead-beyond-end", "reading ahead beyond the end is harmless", "readahead(2)",
     readahead_beyond_end},
    {"readahead-write-only-ebadf", "reading ahead needs a descriptor for reading",
     "readahead(2) EBADF", readahead_write_only_ebadf},
};

const struct subject subject_sync = {"sync", rules, sizeof rules / sizeof rules[0]};
