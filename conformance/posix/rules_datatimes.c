/*
 * Rules of times: what writing, truncating and looking mark and leave, and in which order.
 * Access times are only asked to be left or to be now: mounts have relatime and noatime.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"
#include "conformance/posix/marks.h"

/* ---- contents -------------------------------------------------------------------------------- */

static void write_marks_file(struct place *place)
{
    make_marked(place);
    int fd = open_at(place, "dir/file", O_WRONLY);
    struct stat dir = look(place, "dir");
    struct stat before = before_mark(place, "dir/file");
    write_pattern(fd, 0, 5);
    check_marks(look_fd(fd), before, "mc");
    check_marked(place, "dir/file", before, "mc");
    check_marked(place, "dir", dir, "");
}

static void close_marks_nothing(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    write_pattern(fd, 0, 5000);
    struct stat before = before_mark(place, "file");
    MUST(close(fd));
    check_marked(place, "file", before, "");
}

static void fsync_marks_nothing(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    write_pattern(fd, 0, 5000);
    struct stat before = before_mark(place, "file");
    MUST(fsync(fd));
    MUST(fdatasync(fd));
    check_marked(place, "file", before, "");
}

static void open_marks_nothing(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(close(open_at(place, "dir/file", O_RDWR)));
    MUST(close(open_at(place, "dir/file", O_WRONLY | O_APPEND)));
    check_marked(place, "dir/file", before, "");
    EQUAL(compare_times(look(place, "dir/file").st_atim, before.st_atim), 0);
}

static void second_write_marks_again(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    write_pattern(fd, 0, 5);
    struct stat before = before_mark(place, "file");
    write_pattern(fd, 0, 5);
    check_marked(place, "file", before, "mc");
}

static void mapped_write_marks_file(struct place *place)
{
    make_marked(place);
    int fd = open_at(place, "dir/file", O_RDWR);
    char *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    HOLDS(bytes != MAP_FAILED);
    struct stat before = before_mark(place, "dir/file");
    bytes[0] = 'X';
    MUST(msync(bytes, 4096, MS_SYNC));
    MUST(munmap(bytes, 4096));
    MUST(close(fd));
    check_marked(place, "dir/file", before, "mc");
}

static void truncate_marks_file(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(truncate(path_of(place, "dir/file"), 2));
    check_marked(place, "dir/file", before, "mc");
}

static void enlarging_marks_file(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(truncate(path_of(place, "dir/file"), 20000));
    check_marked(place, "dir/file", before, "mc");
}

static void ftruncate_to_same_size(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(ftruncate(open_at(place, "dir/file", O_WRONLY), 7));
    check_marked(place, "dir/file", before, "mc");
}

static void truncating_open_marks_file(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(close(open_at(place, "dir/file", O_WRONLY | O_TRUNC)));
    check_marked(place, "dir/file", before, "mc");
}

static void truncating_open_of_empty(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    struct stat before = before_mark(place, "file");
    MUST(close(open_at(place, "file", O_WRONLY | O_TRUNC)));
    check_marked(place, "file", before, "mc");
}

static void refused_truncate(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    FAILS(truncate(path_of(place, "dir/file"), -1), EINVAL);
    check_marked(place, "dir/file", before, "");
}

static void copy_marks_target_only(struct place *place)
{
    make_marked(place);
    make_file(place, "target", 0600, NULL);
    int in = open_at(place, "dir/file", O_RDONLY);
    int out = open_at(place, "target", O_WRONLY);
    struct stat source = look(place, "dir/file");
    struct stat target = before_mark(place, "target");
    EQUAL(copy_file_range(in, NULL, out, NULL, 7, 0), 7);
    check_marked(place, "dir/file", source, "");
    check_marked(place, "target", target, "mc");
}

/* ---- looking --------------------------------------------------------------------------------- */

static bool same_or_now(struct timespec after, struct timespec before)
{
    struct timespec now;
    MUST(clock_gettime(CLOCK_REALTIME, &now));
    return compare_times(after, before) == 0 ||
           (compare_times(after, before) > 0 && labs(after.tv_sec - now.tv_sec) < 60);
}

static void read_leaves_mtime(struct place *place)
{
    char bytes[8];
    make_marked(place);
    int fd = open_at(place, "dir/file", O_RDONLY);
    struct stat before = before_mark(place, "dir/file");
    EQUAL(read(fd, bytes, sizeof bytes), 7);
    check_marked(place, "dir/file", before, "");
    HOLDS(same_or_now(look(place, "dir/file").st_atim, before.st_atim));
}

static void listing_leaves_mtime(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir");
    EQUAL(count_entries(place, "dir"), 1);
    check_marked(place, "dir", before, "");
    HOLDS(same_or_now(look(place, "dir").st_atim, before.st_atim));
}

static void readlink_leaves_mtime(struct place *place)
{
    char target[8];
    make_symlink(place, "target", "link");
    struct stat before = before_mark(place, "link");
    EQUAL(readlinkat(place->fd, "link", target, sizeof target), 6);
    check_marked(place, "link", before, "");
    HOLDS(same_or_now(look(place, "link").st_atim, before.st_atim));
}

static void looking_marks_nothing(struct place *place)
{
    char value[8];
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(faccessat(place->fd, "dir/file", R_OK, 0));
    (void)getxattr(path_of(place, "dir/file"), "user.none", value, sizeof value);
    (void)listxattr(path_of(place, "dir/file"), value, 0);
    check_marked(place, "dir/file", before, "");
    EQUAL(compare_times(look(place, "dir/file").st_atim, before.st_atim), 0);
}

static void write_leaves_atime(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    write_pattern(open_at(place, "dir/file", O_WRONLY), 0, 5);
    EQUAL(compare_times(look(place, "dir/file").st_atim, before.st_atim), 0);
}

static void noatime_leaves_atime(struct place *place)
{
    char bytes[8];
    const struct timespec past[2] = {{1000, 0}, {2000, 0}};
    make_marked(place);
    MUST(utimensat(place->fd, "dir/file", past, 0));
    EQUAL(read(open_at(place, "dir/file", O_RDONLY | O_NOATIME), bytes, sizeof bytes), 7);
    EQUAL(look(place, "dir/file").st_atim.tv_sec, 1000);
}

/* ---- order ----------------------------------------------------------------------------------- */

static void ctime_never_goes_back(struct place *place)
{
    const struct timespec past[2] = {{1000, 0}, {1000, 0}};
    const struct timespec future[2] = {{4000000000L, 0}, {4000000000L, 0}};
    make_marked(place);
    struct stat first = look(place, "dir/file");
    MUST(utimensat(place->fd, "dir/file", past, 0));
    struct stat second = look(place, "dir/file");
    HOLDS(compare_times(second.st_ctim, first.st_ctim) >= 0);
    MUST(utimensat(place->fd, "dir/file", future, 0));
    MUST(fchmodat(place->fd, "dir/file", 0600, 0));
    struct stat third = look(place, "dir/file");
    HOLDS(compare_times(third.st_ctim, second.st_ctim) >= 0);
    HOLDS(third.st_ctim.tv_sec < 4000000000L);
}

static void files_in_order(struct place *place)
{
    make_file(place, "first", 0600, "x");
    make_file(place, "second", 0600, "x");
    HOLDS(compare_times(look(place, "second").st_mtim, look(place, "first").st_mtim) >= 0);
    pass_time(place);
    make_file(place, "third", 0600, "x");
    HOLDS(compare_times(look(place, "third").st_mtim, look(place, "second").st_mtim) > 0);
    pass_time(place);
    write_pattern(open_at(place, "first", O_WRONLY), 0, 1);
    HOLDS(compare_times(look(place, "first").st_mtim, look(place, "third").st_mtim) > 0);
}

static const struct rule rules[] = {
    {"write-marks-file", "write marks mtime and ctime at once, and not the directory",
     "POSIX write", write_marks_file},
    {"close-marks-nothing", "close does not change them again", "POSIX close", close_marks_nothing},
    {"fsync-marks-nothing", "nor does fsync", "POSIX fsync", fsync_marks_nothing},
    {"open-marks-nothing", "nor open, whatever for", "POSIX open", open_marks_nothing},
    {"second-write-marks-again", "each write marks, also through the same descriptor",
     "POSIX write", second_write_marks_again},
    {"mapped-write-marks-file", "a write to a mapped page marks by msync at the latest",
     "POSIX mmap", mapped_write_marks_file},
    {"truncate-marks-file", "truncate marks mtime and ctime", "POSIX truncate",
     truncate_marks_file},
    {"enlarging-marks-file", "also when it enlarges", "POSIX truncate", enlarging_marks_file},
    {"ftruncate-to-same-size", "ftruncate marks also when the size stays", "POSIX ftruncate",
     ftruncate_to_same_size},
    {"truncating-open-marks-file", "O_TRUNC marks", "POSIX open, O_TRUNC",
     truncating_open_marks_file},
    {"truncating-open-of-empty", "also an empty file", "POSIX open, O_TRUNC",
     truncating_open_of_empty},
    {"refused-truncate", "a negative size marks nothing", "POSIX truncate, EINVAL",
     refused_truncate},
    {"copy-marks-target-only", "copy_file_range marks what it writes to alone",
     "copy_file_range(2)", copy_marks_target_only},
    {"read-leaves-mtime", "read leaves mtime and ctime", "POSIX read", read_leaves_mtime},
    {"listing-leaves-mtime", "so does reading a directory", "POSIX readdir", listing_leaves_mtime},
    {"readlink-leaves-mtime", "and reading a link", "POSIX readlink", readlink_leaves_mtime},
    {"looking-marks-nothing", "access, getxattr and listxattr mark nothing",
     "POSIX access, getxattr(2)", looking_marks_nothing},
    {"write-leaves-atime", "write leaves the time of access", "POSIX write", write_leaves_atime},
    {"noatime-leaves-atime", "O_NOATIME leaves it when reading", "open(2) O_NOATIME",
     noatime_leaves_atime},
    {"ctime-never-goes-back", "whatever times are given, ctime goes on by the clock",
     "POSIX utimensat", ctime_never_goes_back},
    {"files-in-order", "files written in order have times in order", "POSIX write, make",
     files_in_order},
};

const struct subject subject_datatimes = {"datatimes", rules, sizeof rules / sizeof rules[0]};
