/*
 * Rules of utimensat, futimens, utimes and utime.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>
#include "conformance/posix/attempt.h"

static const struct timespec both_now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
static const struct timespec given[2] = {{1000000001, 123456789}, {1100000002, 987654321}};

static void check_atime(struct place *place, const char *name, time_t seconds, long nanoseconds)
{
    struct stat now = look(place, name);
    EQUAL(now.st_atim.tv_sec, seconds);
    EQUAL(now.st_atim.tv_nsec, nanoseconds);
}

static void check_mtime(struct place *place, const char *name, time_t seconds, long nanoseconds)
{
    struct stat now = look(place, name);
    EQUAL(now.st_mtim.tv_sec, seconds);
    EQUAL(now.st_mtim.tv_nsec, nanoseconds);
}

static void check_given(struct place *place, const char *name)
{
    check_atime(place, name, given[0].tv_sec, given[0].tv_nsec);
    check_mtime(place, name, given[1].tv_sec, given[1].tv_nsec);
}

/* A file with the given times. */
static void make_dated(struct place *place, const char *name)
{
    make_file(place, name, 0666, NULL);
    MUST(utimensat(place->fd, name, given, 0));
}

/* Both times to one moment, and it is there exactly. */
static void check_moment(struct place *place, time_t seconds, long nanoseconds)
{
    const struct timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    make_file(place, "file", 0600, NULL);
    MUST(utimensat(place->fd, "file", times, 0));
    check_atime(place, "file", seconds, nanoseconds);
    check_mtime(place, "file", seconds, nanoseconds);
}

/* By the file system's clock, which may be another machine's. */
static bool is_now(struct timespec time)
{
    struct timespec now;
    MUST(clock_gettime(CLOCK_REALTIME, &now));
    return labs(now.tv_sec - time.tv_sec) < 60;
}

/* ---- moments --------------------------------------------------------------------------------- */

static void nanoseconds_are_kept(struct place *place)
{
    make_dated(place, "file");
    check_given(place, "file");
}

static void last_nanosecond(struct place *place)
{
    check_moment(place, 1234567890, 999999999);
}

static void epoch(struct place *place)
{
    check_moment(place, 0, 0);
}

static void before_1970(struct place *place)
{
    check_moment(place, -1, 0);
}

static void fraction_before_1970(struct place *place)
{
    check_moment(place, -86400, 250000000);
}

static void year_1901(struct place *place)
{
    check_moment(place, -0x80000000L, 0);
}

static void after_2038(struct place *place)
{
    check_moment(place, 0x80000000L, 1);
}

static void after_2106(struct place *place)
{
    check_moment(place, 0x100000005L, 2);
}

/* A file system may end earlier, but it must not go round. */
static void far_future(struct place *place)
{
    const struct timespec times[2] = {{100000000000L, 0}, {100000000000L, 0}};
    make_file(place, "file", 0600, NULL);
    MUST(utimensat(place->fd, "file", times, 0));
    HOLDS(look(place, "file").st_mtim.tv_sec > 0x80000000L);
}

static void after_reopen_and_rename(struct place *place)
{
    make_dated(place, "file");
    MUST(renameat(place->fd, "file", place->fd, "other"));
    MUST(close(open_at(place, "other", O_RDWR)));
    check_given(place, "other");
}

static void after_close_of_written(struct place *place)
{
    int fd = open_at(place, "file", O_RDWR | O_CREAT);
    write_pattern(fd, 0, 10000);
    MUST(futimens(fd, given));
    MUST(fsync(fd));
    MUST(close(fd));
    check_given(place, "file");
}

static void write_after_set(struct place *place)
{
    int fd = open_at(place, "file", O_RDWR | O_CREAT);
    MUST(futimens(fd, given));
    write_pattern(fd, 0, 10);
    HOLDS(is_now(look(place, "file").st_mtim));
}

/* ---- now and omit ---------------------------------------------------------------------------- */

static void null_is_now(struct place *place)
{
    make_dated(place, "file");
    MUST(utimensat(place->fd, "file", NULL, 0));
    HOLDS(is_now(look(place, "file").st_atim));
    HOLDS(is_now(look(place, "file").st_mtim));
}

static void both_are_now(struct place *place)
{
    make_dated(place, "file");
    MUST(utimensat(place->fd, "file", both_now, 0));
    struct stat now = look(place, "file");
    HOLDS(is_now(now.st_mtim));
    EQUAL(compare_times(now.st_atim, now.st_mtim), 0);
}

static void one_is_now(struct place *place)
{
    const struct timespec times[2] = {{7, 8}, {.tv_nsec = UTIME_NOW}};
    make_dated(place, "file");
    MUST(utimensat(place->fd, "file", times, 0));
    check_atime(place, "file", 7, 8);
    HOLDS(is_now(look(place, "file").st_mtim));
}

static void omit_atime(struct place *place)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {7, 8}};
    make_dated(place, "file");
    MUST(utimensat(place->fd, "file", times, 0));
    check_atime(place, "file", given[0].tv_sec, given[0].tv_nsec);
    check_mtime(place, "file", 7, 8);
}

static void omit_mtime(struct place *place)
{
    const struct timespec times[2] = {{7, 8}, {.tv_nsec = UTIME_OMIT}};
    make_dated(place, "file");
    MUST(utimensat(place->fd, "file", times, 0));
    check_atime(place, "file", 7, 8);
    check_mtime(place, "file", given[1].tv_sec, given[1].tv_nsec);
}

static void omit_both(struct place *place)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
    make_dated(place, "file");
    struct stat before = look(place, "file");
    pass_time(place);
    MUST(utimensat(place->fd, "file", times, 0));
    check_given(place, "file");
    EQUAL(compare_times(look(place, "file").st_ctim, before.st_ctim), 0);
}

static void seconds_beside_now(struct place *place)
{
    const struct timespec times[2] = {{-5, UTIME_NOW}, {1L << 40, UTIME_NOW}};
    make_dated(place, "file");
    MUST(utimensat(place->fd, "file", times, 0));
    HOLDS(is_now(look(place, "file").st_mtim));
}

static void ctime_is_now(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    struct stat before = look(place, "file");
    pass_time(place);
    MUST(utimensat(place->fd, "file", given, 0));
    struct stat after = look(place, "file");
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
    HOLDS(is_now(after.st_ctim));
}

/* ---- what it is done to ---------------------------------------------------------------------- */

static void of_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    MUST(utimensat(place->fd, "dir", given, 0));
    check_given(place, "dir");
}

static void of_fifo(struct place *place)
{
    make_fifo(place, "fifo", 0600);
    MUST(utimensat(place->fd, "fifo", given, 0));
    check_given(place, "fifo");
}

static void follows_symlink(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "file", "link");
    MUST(utimensat(place->fd, "link", given, 0));
    check_mtime(place, "file", given[1].tv_sec, given[1].tv_nsec);
    HOLDS(is_now(look(place, "link").st_mtim));
}

static void of_symlink(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "file", "link");
    MUST(utimensat(place->fd, "link", given, AT_SYMLINK_NOFOLLOW));
    check_mtime(place, "link", given[1].tv_sec, given[1].tv_nsec);
    HOLDS(is_now(look(place, "file").st_mtim));
}

static void by_reading_descriptor(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(futimens(open_at(place, "file", O_RDONLY), given));
    check_given(place, "file");
}

static void null_path(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(syscall(SYS_utimensat, open_at(place, "file", O_RDONLY), NULL, given, 0));
    check_given(place, "file");
}

static void without_name(struct place *place)
{
    int fd = open_at(place, "file", O_RDWR | O_CREAT);
    MUST(unlinkat(place->fd, "file", 0));
    MUST(futimens(fd, given));
    EQUAL(compare_times(look_fd(fd).st_mtim, given[1]), 0);
}

static void microseconds(struct place *place)
{
    const struct timeval times[2] = {{5, 999999}, {6, 1}};
    make_file(place, "file", 0600, NULL);
    MUST(utimes(path_of(place, "file"), times));
    check_atime(place, "file", 5, 999999000);
    check_mtime(place, "file", 6, 1000);
}

static void whole_seconds(struct place *place)
{
    const struct utimbuf times = {.actime = 11, .modtime = 12};
    make_file(place, "file", 0600, NULL);
    MUST(utime(path_of(place, "file"), &times));
    check_atime(place, "file", 11, 0);
    check_mtime(place, "file", 12, 0);
}

/* ---- who may --------------------------------------------------------------------------------- */

static void owner_gives(struct place *place)
{
    make_file_of(place, "file", 0, USER_A, GROUP_A);
    EQUAL(try_utimens(place, &user_a, "file", given), 0);
    check_given(place, "file");
}

static void owner_now_without_write(struct place *place)
{
    make_file_of(place, "file", 0444, USER_A, GROUP_A);
    EQUAL(try_utimens(place, &user_a, "file", NULL), 0);
    EQUAL(try_utimens(place, &user_a, "file", both_now), 0);
}

static void writer_gives(struct place *place)
{
    make_dated(place, "file");
    EQUAL(try_utimens(place, &user_a, "file", both_now), 0);
    MUST(utimensat(place->fd, "file", given, 0));
    const struct timespec times[2] = {{1, 1}, {1, 1}};
    EQUAL(try_utimens(place, &user_a, "file", times), EPERM);
    check_given(place, "file");
}

static void writer_null(struct place *place)
{
    make_dated(place, "file");
    EQUAL(try_utimens(place, &user_a, "file", NULL), 0);
    HOLDS(is_now(look(place, "file").st_mtim));
}

static void reader_null(struct place *place)
{
    make_dated(place, "file");
    MUST(fchmodat(place->fd, "file", 0644, 0));
    EQUAL(try_utimens(place, &user_a, "file", NULL), EACCES);
    EQUAL(try_utimens(place, &user_a, "file", both_now), EACCES);
    check_given(place, "file");
}

static void reader_gives(struct place *place)
{
    make_dated(place, "file");
    MUST(fchmodat(place->fd, "file", 0644, 0));
    EQUAL(try_utimens(place, &user_a, "file", given), EPERM);
}

static void writer_now_and_omit(struct place *place)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
    make_dated(place, "file");
    EQUAL(try_utimens(place, &user_a, "file", times), EPERM);
    check_given(place, "file");
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void bad_nanoseconds(struct place *place)
{
    const struct timespec negative[2] = {{1, -1}, {1, 0}};
    const struct timespec large[2] = {{1, 0}, {1, 1000000000}};
    make_dated(place, "file");
    FAILS(utimensat(place->fd, "file", negative, 0), EINVAL);
    FAILS(utimensat(place->fd, "file", large, 0), EINVAL);
    check_given(place, "file");
}

static void bad_microseconds(struct place *place)
{
    const struct timeval times[2] = {{1, 1000000}, {1, 0}};
    make_dated(place, "file");
    FAILS(utimes(path_of(place, "file"), times), EINVAL);
    check_given(place, "file");
}

static void nothing_there(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "none", "dangling");
    make_symlink(place, "self", "self");
    FAILS(utimensat(place->fd, "none", given, 0), ENOENT);
    FAILS(utimensat(place->fd, "dangling", given, 0), ENOENT);
    FAILS(utimensat(place->fd, "file/x", given, 0), ENOTDIR);
    FAILS(utimensat(place->fd, "self", given, 0), ELOOP);
}

static void bad_descriptor(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS(futimens(-1, given), EBADF);
    FAILS(futimens(open_at(place, "file", O_PATH), given), EBADF);
}

static void bad_flag(struct place *place)
{
    make_dated(place, "file");
    FAILS(utimensat(place->fd, "file", both_now, 0x40000000), EINVAL);
    check_given(place, "file");
}

static const struct rule rules[] = {
    {"nanoseconds-are-kept", "both times are kept to the nanosecond", "POSIX utimensat",
     nanoseconds_are_kept},
    {"last-nanosecond", "999999999 nanoseconds do not become a second", "POSIX utimensat",
     last_nanosecond},
    {"epoch", "zero is a time", "POSIX utimensat", epoch},
    {"before-1970", "a second before the epoch is no error", "utimensat(2)", before_1970},
    {"fraction-before-1970", "fractions count forward, also before the epoch", "utimensat(2)",
     fraction_before_1970},
    {"year-1901", "the smallest time of 32 bits", "utimensat(2)", year_1901},
    {"after-2038", "the first time beyond 31 bits", "utimensat(2)", after_2038},
    {"after-2106", "a time beyond 32 bits", "utimensat(2)", after_2106},
    {"far-future", "a time out of range is clamped, and does not go round", "utimensat(2)",
     far_future},
    {"after-reopen-and-rename", "given times outlive rename and open", "POSIX utimensat",
     after_reopen_and_rename},
    {"after-close-of-written", "times given to a written file outlive its close", "POSIX futimens",
     after_close_of_written},
    {"write-after-set", "a write after that marks the time anew", "POSIX write", write_after_set},
    {"null-is-now", "NULL sets both to now", "POSIX utimensat", null_is_now},
    {"both-are-now", "UTIME_NOW for both gives both the same moment", "POSIX utimensat",
     both_are_now},
    {"one-is-now", "UTIME_NOW for one of them", "POSIX utimensat", one_is_now},
    {"omit-atime", "UTIME_OMIT leaves the time of access", "POSIX utimensat", omit_atime},
    {"omit-mtime", "UTIME_OMIT leaves the time of modification", "POSIX utimensat", omit_mtime},
    {"omit-both", "UTIME_OMIT for both changes nothing at all", "utimensat(2)", omit_both},
    {"seconds-beside-now", "the seconds beside UTIME_NOW are not looked at", "POSIX utimensat",
     seconds_beside_now},
    {"ctime-is-now", "ctime cannot be given: it is now", "POSIX utimensat", ctime_is_now},
    {"of-directory", "a directory's times can be given", "POSIX utimensat", of_directory},
    {"of-fifo", "a FIFO's times can be given", "POSIX utimensat", of_fifo},
    {"follows-symlink", "a link is followed", "POSIX utimensat", follows_symlink},
    {"of-symlink", "AT_SYMLINK_NOFOLLOW gives the link's own", "POSIX utimensat", of_symlink},
    {"by-reading-descriptor", "futimens by root works on a descriptor for reading",
     "POSIX futimens", by_reading_descriptor},
    {"null-path", "utimensat without a path is futimens", "utimensat(2)", null_path},
    {"without-name", "futimens works on a file that has been unlinked", "POSIX futimens",
     without_name},
    {"microseconds", "utimes gives microseconds", "POSIX utimes", microseconds},
    {"whole-seconds", "utime gives seconds, without a fraction", "POSIX utime", whole_seconds},
    {"owner-gives", "an owner gives times, also without any bit", "POSIX utimensat", owner_gives},
    {"owner-now-without-write", "an owner sets now, also without write permission",
     "POSIX utimensat", owner_now_without_write},
    {"writer-gives", "a writer sets both to now, but gives none", "POSIX utimensat, EPERM",
     writer_gives},
    {"writer-null", "a writer may pass NULL", "POSIX utimensat", writer_null},
    {"reader-null", "a reader may not set now", "POSIX utimensat, EACCES", reader_null},
    {"reader-gives", "a reader gives none", "POSIX utimensat, EPERM", reader_gives},
    {"writer-now-and-omit", "a writer may not set only one of them to now", "utimensat(2), EPERM",
     writer_now_and_omit},
    {"bad-nanoseconds", "nanoseconds out of range are refused, and nothing changed",
     "POSIX utimensat, EINVAL", bad_nanoseconds},
    {"bad-microseconds", "so are microseconds", "utimes(2), EINVAL", bad_microseconds},
    {"nothing-there", "no such name, a link to none, below a file, a loop",
     "POSIX utimensat, ENOENT, ENOTDIR, ELOOP", nothing_there},
    {"bad-descriptor", "no descriptor, or one by O_PATH", "POSIX futimens, EBADF", bad_descriptor},
    {"bad-flag", "an unknown flag is refused, and nothing changed", "POSIX utimensat, EINVAL",
     bad_flag},
};

const struct subject subject_utimens = {"utimens", rules, sizeof rules / sizeof rules[0]};
