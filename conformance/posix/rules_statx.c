/*
 * Rules of statx: its mask and flags, and the time of birth.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

static struct statx extended(struct place *place, const char *name)
{
    struct statx now = {0};
    MUST(statx(place->fd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &now));
    return now;
}

static struct timespec birth_of(struct place *place, const char *name)
{
    struct statx now = extended(place, name);
    HOLDS(now.stx_mask & STATX_BTIME);
    return (struct timespec){.tv_sec = now.stx_btime.tv_sec, .tv_nsec = now.stx_btime.tv_nsec};
}

static void basic_mask(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    EQUAL(extended(place, "file").stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
}

static void as_stat(struct place *place)
{
    make_file_of(place, "file", 0640, USER_A, GROUP_B);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    struct statx x = extended(place, "file");
    struct stat s = look(place, "file");
    EQUAL(x.stx_mode, s.st_mode);
    EQUAL(x.stx_nlink, s.st_nlink);
    EQUAL(x.stx_uid, s.st_uid);
    EQUAL(x.stx_gid, s.st_gid);
    EQUAL(x.stx_ino, s.st_ino);
    EQUAL(x.stx_size, s.st_size);
    EQUAL(x.stx_blocks, s.st_blocks);
    EQUAL(x.stx_blksize, s.st_blksize);
    EQUAL(x.stx_mtime.tv_sec, s.st_mtim.tv_sec);
    EQUAL(x.stx_mtime.tv_nsec, s.st_mtim.tv_nsec);
    EQUAL(x.stx_ctime.tv_sec, s.st_ctim.tv_sec);
    EQUAL(x.stx_ctime.tv_nsec, s.st_ctim.tv_nsec);
}

static void device_numbers(struct place *place)
{
    MUST(mknodat(place->fd, "device", S_IFCHR | 0600, makedev(10, 229)));
    struct statx x = extended(place, "device");
    EQUAL(x.stx_rdev_major, 10);
    EQUAL(x.stx_rdev_minor, 229);
    EQUAL(makedev(x.stx_dev_major, x.stx_dev_minor), look(place, "device").st_dev);
}

static void reserved_mask(struct place *place)
{
    struct statx now;
    FAILS(statx(place->fd, ".", 0, 0x80000000U, &now), EINVAL);
}

static void unknown_mask(struct place *place)
{
    struct statx now = {0};
    MUST(statx(place->fd, ".", 0, 0x40000000U | STATX_TYPE, &now));
    EQUAL(now.stx_mask & 0x40000000U, 0);
    HOLDS(S_ISDIR(now.stx_mode));
}

static void both_syncs(struct place *place)
{
    struct statx now;
    FAILS(statx(place->fd, ".", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &now),
          EINVAL);
}

static void forced_sync(struct place *place)
{
    struct statx now = {0};
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    write_pattern(fd, 0, 7777);
    MUST(statx(place->fd, "file", AT_STATX_FORCE_SYNC, STATX_SIZE, &now));
    EQUAL(now.stx_size, 7777);
}

static void no_sync(struct place *place)
{
    struct statx now = {0};
    make_file(place, "file", 0604, NULL);
    MUST(statx(place->fd, "file", AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &now));
    EQUAL(now.stx_mode, S_IFREG | 0604);
}

static void empty_path(struct place *place)
{
    struct statx now = {0};
    make_file(place, "file", 0600, "12345");
    int fd = open_at(place, "file", O_RDONLY);
    MUST(unlinkat(place->fd, "file", 0));
    MUST(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &now));
    EQUAL(now.stx_size, 5);
    EQUAL(now.stx_nlink, 0);
}

static void no_empty_path(struct place *place)
{
    struct statx now;
    FAILS(statx(place->fd, "", 0, STATX_BASIC_STATS, &now), ENOENT);
}

static void follows_symlink(struct place *place)
{
    struct statx now = {0};
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "file", "link");
    MUST(statx(place->fd, "link", 0, STATX_TYPE, &now));
    HOLDS(S_ISREG(now.stx_mode));
    HOLDS(S_ISLNK(extended(place, "link").stx_mode));
}

static void mount_root(struct place *place)
{
    struct statx now = extended(place, ".");
    HOLDS(now.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT);
    EQUAL(now.stx_attributes & STATX_ATTR_MOUNT_ROOT, 0);
}

static void mount_id(struct place *place)
{
    struct statx here = {0};
    struct statx file = {0};
    make_file(place, "file", 0600, NULL);
    MUST(statx(place->fd, ".", 0, STATX_MNT_ID, &here));
    MUST(statx(place->fd, "file", 0, STATX_MNT_ID, &file));
    NEEDS(here.stx_mask & STATX_MNT_ID, "the kernel tells no mount's id");
    EQUAL(file.stx_mnt_id, here.stx_mnt_id);
}

static void birth_is_now(struct place *place)
{
    make_file(place, "before", 0600, NULL);
    make_file(place, "file", 0600, NULL);
    make_file(place, "after", 0600, NULL);
    struct timespec birth = birth_of(place, "file");
    HOLDS(compare_times(birth, look(place, "before").st_mtim) >= 0);
    HOLDS(compare_times(birth, look(place, "after").st_mtim) <= 0);
}

static void birth_is_first(struct place *place)
{
    make_dir(place, "dir", 0700);
    struct stat now = look(place, "dir");
    struct timespec birth = birth_of(place, "dir");
    HOLDS(compare_times(birth, now.st_mtim) <= 0);
    HOLDS(compare_times(birth, now.st_ctim) <= 0);
}

static void birth_is_kept(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    struct timespec birth = birth_of(place, "file");
    const struct timespec past[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    pass_time(place);
    write_pattern(fd, 0, 10);
    MUST(fchmod(fd, 0640));
    MUST(futimens(fd, past));
    MUST(renameat(place->fd, "file", place->fd, "other"));
    EQUAL(compare_times(birth_of(place, "other"), birth), 0);
}

static void birth_of_replacement(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    struct timespec old = birth_of(place, "file");
    pass_time(place);
    make_file(place, "new", 0600, NULL);
    MUST(renameat(place->fd, "new", place->fd, "file"));
    HOLDS(compare_times(birth_of(place, "file"), old) > 0);
}

static const struct rule rules[] = {
    {"basic-mask", "all basic fields are there, and said to be", "statx(2)", basic_mask},
    {"as-stat", "statx and stat agree in every field", "statx(2)", as_stat},
    {"device-numbers", "majors and minors agree with stat's numbers", "statx(2)", device_numbers},
    {"reserved-mask", "the reserved bit of the mask is refused", "statx(2), EINVAL", reserved_mask},
    {"unknown-mask", "a bit that nobody knows is not answered, and does no harm", "statx(2)",
     unknown_mask},
    {"both-syncs", "to force and to forbid a look at the server is refused", "statx(2), EINVAL",
     both_syncs},
    {"forced-sync", "AT_STATX_FORCE_SYNC shows the size after a write", "statx(2)", forced_sync},
    {"no-sync", "AT_STATX_DONT_SYNC shows a file just made", "statx(2)", no_sync},
    {"empty-path", "AT_EMPTY_PATH shows an open file that has no name any more", "statx(2)",
     empty_path},
    {"no-empty-path", "without it the empty path names nothing", "statx(2), ENOENT", no_empty_path},
    {"follows-symlink", "a link is followed but for AT_SYMLINK_NOFOLLOW", "statx(2)",
     follows_symlink},
    {"mount-root", "a directory within a mount is not its root", "statx(2), STATX_ATTR_MOUNT_ROOT",
     mount_root},
    {"mount-id", "directory and file are of the same mount", "statx(2), STATX_MNT_ID", mount_id},
    {"birth-is-now", "a new file was born between before and after", "statx(2), stx_btime",
     birth_is_now},
    {"birth-is-first", "nothing was changed before it was born", "statx(2), stx_btime",
     birth_is_first},
    {"birth-is-kept", "write, chmod, utimens and rename leave the birth", "statx(2), stx_btime",
     birth_is_kept},
    {"birth-of-replacement", "a file that replaces another has its own birth",
     "statx(2), stx_btime", birth_of_replacement},
};

const struct subject subject_statx = {"statx", rules, sizeof rules / sizeof rules[0]};
