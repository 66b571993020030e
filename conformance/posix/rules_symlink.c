/*
 * Rules of symlink() and readlink(), and of what follows a symbolic link and what does not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

/* The link's target is these bytes. */
static void check_target(const struct place *place, const char *name, const char *target)
{
    char found[PATH_MAX + 1];
    ssize_t size = MUST(readlinkat(place->fd, name, found, sizeof found));

    EQUAL(size, (ssize_t)strlen(target));
    EQUAL(memcmp(found, target, (size_t)size), 0);
}

/* l1 → l2 → … → f: count links in all. */
static void make_chain(const struct place *place, int count)
{
    char name[16], next[16];

    make_file(place, "f", 0666, "text");
    for (int i = 1; i <= count; i++) {
        (void)snprintf(name, sizeof name, "l%d", i);
        (void)snprintf(next, sizeof next, "l%d", i + 1);
        make_symlink(place, i == count ? "f" : next, name);
    }
}

static void target_kept(struct place *place)
{
    MUST(symlinkat("some/where", place->fd, "l"));
    HOLDS(S_ISLNK(look(place, "l").st_mode));
    check_target(place, "l", "some/where");
}

static void target_any_bytes(struct place *place)
{
    MUST(symlinkat("\xff\xfe //\n\t\x01..\\", place->fd, "l"));
    check_target(place, "l", "\xff\xfe //\n\t\x01..\\");
}

static void target_one_byte(struct place *place)
{
    MUST(symlinkat("x", place->fd, "l"));
    check_target(place, "l", "x");
}

static void target_1023(struct place *place)
{
    MUST(symlinkat(long_name(1023), place->fd, "l"));
    check_target(place, "l", long_name(1023));
    EQUAL(look(place, "l").st_size, 1023);
}

static void target_too_long(struct place *place)
{
    FAILS(symlinkat(long_name(PATH_MAX), place->fd, "l"), ENAMETOOLONG);
    HOLDS(!exists(place, "l"));
}

static void target_empty(struct place *place)
{
    FAILS(symlinkat("", place->fd, "l"), ENOENT);
}

static void target_missing(struct place *place)
{
    MUST(symlinkat("none", place->fd, "l"));
    check_target(place, "l", "none");
}

static void target_slashes(struct place *place)
{
    MUST(symlinkat("d///", place->fd, "l"));
    check_target(place, "l", "d///");
}

static void size(struct place *place)
{
    make_symlink(place, "some/where", "l");
    EQUAL(look(place, "l").st_size, 10);
}

static void mode_rule(struct place *place)
{
    umask(077);
    make_symlink(place, "none", "l");
    EQUAL(look(place, "l").st_mode & 0777, 0777);
}

static void links(struct place *place)
{
    make_symlink(place, "none", "l");
    EQUAL(look(place, "l").st_nlink, 1);
}

static void owner(struct place *place)
{
    MUST(setegid(GROUP_A));
    MUST(seteuid(USER_A));
    MUST(symlinkat("none", place->fd, "l"));
    EQUAL(look(place, "l").st_uid, USER_A);
    EQUAL(look(place, "l").st_gid, GROUP_A);
}

static void times(struct place *place)
{
    struct stat before = look(place, ".");
    pass_time(place);
    make_symlink(place, "none", "l");
    struct stat made = look(place, "l");
    HOLDS(compare_times(made.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(made.st_ctim, before.st_mtim) > 0);
}

static void parent_times(struct place *place)
{
    struct stat before = look(place, ".");
    pass_time(place);
    make_symlink(place, "none", "l");
    struct stat after = look(place, ".");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void over_file(struct place *place)
{
    make_file(place, "f", 0666, "text");
    FAILS(symlinkat("none", place->fd, "f"), EEXIST);
    check_content(place, "f", "text");
}

static void over_link(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(symlinkat("other", place->fd, "l"), EEXIST);
    check_target(place, "l", "none");
}

static void over_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS(symlinkat("none", place->fd, "d"), EEXIST);
}

static void missing_directory(struct place *place)
{
    FAILS(symlinkat("x", place->fd, "none/l"), ENOENT);
}

static void through_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(symlinkat("x", place->fd, "f/l"), ENOTDIR);
}

static void long_name_rule(struct place *place)
{
    MUST(symlinkat("x", place->fd, long_name(255)));
    FAILS(symlinkat("x", place->fd, long_name(256)), ENAMETOOLONG);
}

static void slash_after(struct place *place)
{
    FAILS_EITHER(symlinkat("x", place->fd, "l/"), ENOENT, ENOTDIR);
    HOLDS(!exists(place, "l"));
}

static void in_removed_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(unlinkat(place->fd, "d", AT_REMOVEDIR));
    FAILS(symlinkat("x", fd, "l"), ENOENT);
}

static void read_file(struct place *place)
{
    char target[16];
    make_file(place, "f", 0666, NULL);
    FAILS(readlinkat(place->fd, "f", target, sizeof target), EINVAL);
}

static void read_directory(struct place *place)
{
    char target[16];
    make_dir(place, "d", 0755);
    FAILS(readlinkat(place->fd, "d", target, sizeof target), EINVAL);
}

static void read_missing(struct place *place)
{
    char target[16];
    FAILS(readlinkat(place->fd, "none", target, sizeof target), ENOENT);
}

static void read_through_file(struct place *place)
{
    char target[16];
    make_file(place, "f", 0666, NULL);
    FAILS(readlinkat(place->fd, "f/l", target, sizeof target), ENOTDIR);
}

static void read_short_buffer(struct place *place)
{
    char target[5] = "1234";
    make_symlink(place, "abcdef", "l");
    EQUAL(MUST(readlinkat(place->fd, "l", target, 3)), 3);
    EQUAL(strcmp(target, "abc4"), 0);
}

static void read_no_nul(struct place *place)
{
    char target[5] = "1234";
    make_symlink(place, "ab", "l");
    EQUAL(MUST(readlinkat(place->fd, "l", target, sizeof target)), 2);
    EQUAL(strcmp(target, "ab34"), 0);
}

static void read_no_buffer(struct place *place)
{
    char target[1];
    volatile size_t none = 0;
    make_symlink(place, "ab", "l");
    FAILS(readlinkat(place->fd, "l", target, none), EINVAL);
}

static void read_slash_after(struct place *place)
{
    char target[16];
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    FAILS(readlinkat(place->fd, "l/", target, sizeof target), EINVAL);
}

static void read_descriptor(struct place *place)
{
    char target[16];
    make_symlink(place, "ab", "l");
    int fd = (int)MUST(openat(place->fd, "l", O_PATH | O_NOFOLLOW));
    EQUAL(MUST(readlinkat(fd, "", target, sizeof target)), 2);
}

static void relative_to_its_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "f", 0666, "outer");
    make_file(place, "d/f", 0666, "inner");
    make_symlink(place, "f", "d/l");
    check_content(place, "d/l", "inner");
}

static void upwards(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "f", 0666, "text");
    make_symlink(place, "../f", "d/l");
    check_content(place, "d/l", "text");
}

static void absolute(struct place *place)
{
    char path[PATH_MAX];
    make_file(place, "f", 0666, "text");
    (void)snprintf(path, sizeof path, "%s/f", place->path);
    NEEDS(strlen(path) < 1024, "the path of the directory is long");
    make_symlink(place, path, "l");
    check_content(place, "l", "text");
}

static void moved(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "f", 0666, "outer");
    make_file(place, "d/f", 0666, "inner");
    make_symlink(place, "f", "l");
    MUST(renameat(place->fd, "l", place->fd, "d/l"));
    check_content(place, "d/l", "inner");
}

static void chain_8(struct place *place)
{
    make_chain(place, 8);
    check_content(place, "l1", "text");
}

static void chain_40(struct place *place)
{
    make_chain(place, 41);
    check_content(place, "l2", "text");
    FAILS(openat(place->fd, "l1", O_RDONLY), ELOOP);
}

static void stat_and_lstat(struct place *place)
{
    struct stat named;
    make_file(place, "f", 0666, "text");
    make_symlink(place, "f", "link");
    MUST(fstatat(place->fd, "link", &named, 0));
    EQUAL(named.st_ino, look(place, "f").st_ino);
    HOLDS(look(place, "link").st_ino != named.st_ino);
}

static void stat_dangling(struct place *place)
{
    struct stat named;
    make_symlink(place, "none", "l");
    FAILS(fstatat(place->fd, "l", &named, 0), ENOENT);
    MUST(fstatat(place->fd, "l", &named, AT_SYMLINK_NOFOLLOW));
}

static void lstat_slash_after(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    HOLDS(S_ISDIR(look(place, "l/").st_mode));
}

static void slash_after_to_file(struct place *place)
{
    struct stat named;
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    FAILS(fstatat(place->fd, "l/", &named, 0), ENOTDIR);
}

static void chmod_follows(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    MUST(fchmodat(place->fd, "l", 0600, 0));
    EQUAL(look(place, "f").st_mode & 07777, 0600);
}

static void own_owner(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    MUST(fchownat(place->fd, "l", USER_A, GROUP_A, AT_SYMLINK_NOFOLLOW));
    EQUAL(look(place, "l").st_uid, USER_A);
    EQUAL(look(place, "f").st_uid, 0);
}

static void own_times(struct place *place)
{
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    MUST(utimensat(place->fd, "l", times, AT_SYMLINK_NOFOLLOW));
    EQUAL(look(place, "l").st_mtim.tv_sec, 2000);
    HOLDS(look(place, "f").st_mtim.tv_sec != 2000);
}

static void replaced(struct place *place)
{
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0666, "two");
    make_symlink(place, "f", "l");
    check_content(place, "l", "one");
    make_symlink(place, "g", "m");
    MUST(renameat(place->fd, "m", place->fd, "l"));
    check_content(place, "l", "two");
    check_target(place, "l", "g");
}

static void made_again(struct place *place)
{
    make_symlink(place, "one", "l");
    check_target(place, "l", "one");
    MUST(unlinkat(place->fd, "l", 0));
    make_symlink(place, "another", "l");
    check_target(place, "l", "another");
    EQUAL(look(place, "l").st_size, 7);
}

static const struct rule rules[] = {
    {"target-kept", "the link has the target that it was given", "POSIX symlink, DESCRIPTION",
     target_kept},
    {"target-any-bytes", "a target may have any bytes, as they are",
     "POSIX symlink, DESCRIPTION (no validity checks)", target_any_bytes},
    {"target-one-byte", "a target of one byte is kept", "POSIX symlink, DESCRIPTION",
     target_one_byte},
    {"target-1023", "a target of 1,023 bytes is kept",
     "POSIX limits.h, SYMLINK_MAX (at least 255); XFS: 1,023", target_1023},
    {"target-too-long", "a target of PATH_MAX bytes is ENAMETOOLONG", "POSIX symlink, ENAMETOOLONG",
     target_too_long},
    {"target-empty", "an empty target is ENOENT", "symlink(2), ENOENT", target_empty},
    {"target-missing", "the target need not be there", "POSIX symlink, DESCRIPTION",
     target_missing},
    {"target-slashes", "slashes at the end of a target are kept", "POSIX symlink, DESCRIPTION",
     target_slashes},
    {"size", "the size of a symbolic link is that of its target", "POSIX sys/stat.h, st_size",
     size},
    {"mode", "a symbolic link's mode shows all permissions",
     "symlink(7), ownership and permissions", mode_rule},
    {"links", "a symbolic link has one link", "POSIX sys/stat.h, st_nlink", links},
    {"owner", "a symbolic link belongs to who makes it", "POSIX symlink, DESCRIPTION", owner},
    {"times", "a new symbolic link's times are of its creation", "POSIX symlink, DESCRIPTION",
     times},
    {"parent-times", "a new symbolic link updates its directory's times of modification and change",
     "POSIX symlink, DESCRIPTION", parent_times},
    {"over-file", "a name that a file has is EEXIST", "POSIX symlink, EEXIST", over_file},
    {"over-link", "a name that a symbolic link has is EEXIST, and its target stays",
     "POSIX symlink, EEXIST", over_link},
    {"over-directory", "a name that a directory has is EEXIST", "POSIX symlink, EEXIST",
     over_directory},
    {"missing-directory", "a name in a directory that is not there is ENOENT",
     "POSIX symlink, ENOENT", missing_directory},
    {"through-file", "a name below a regular file is ENOTDIR", "POSIX symlink, ENOTDIR",
     through_file},
    {"long-name", "a name of 255 bytes can be a symbolic link, one of 256 is ENAMETOOLONG",
     "POSIX symlink, ENAMETOOLONG", long_name_rule},
    {"slash-after", "a name with a slash after it makes no symbolic link",
     "POSIX 4.13 pathname resolution", slash_after},
    {"in-removed-directory", "nothing is made in a directory that was removed",
     "POSIX symlink, ENOENT", in_removed_directory},
    {"read-file", "readlink of a regular file is EINVAL", "POSIX readlink, EINVAL", read_file},
    {"read-directory", "readlink of a directory is EINVAL", "POSIX readlink, EINVAL",
     read_directory},
    {"read-missing", "readlink of a name that is not there is ENOENT", "POSIX readlink, ENOENT",
     read_missing},
    {"read-through-file", "readlink below a regular file is ENOTDIR", "POSIX readlink, ENOTDIR",
     read_through_file},
    {"read-short-buffer", "readlink cuts the target to the buffer", "POSIX readlink, DESCRIPTION",
     read_short_buffer},
    {"read-no-nul", "readlink puts no zero byte after the target", "POSIX readlink, DESCRIPTION",
     read_no_nul},
    {"read-no-buffer", "readlink with a buffer of no bytes is EINVAL", "readlink(2), EINVAL",
     read_no_buffer},
    {"read-slash-after", "readlink of a link's name with a slash after it is about what it names",
     "POSIX 4.13 pathname resolution", read_slash_after},
    {"read-descriptor", "readlink of a link opened with O_PATH and O_NOFOLLOW takes the empty path",
     "readlink(2), readlinkat", read_descriptor},
    {"relative-to-its-directory", "a relative target begins at the directory of the link",
     "POSIX 4.13 pathname resolution", relative_to_its_directory},
    {"upwards", "a target may lead upwards", "POSIX 4.13 pathname resolution", upwards},
    {"absolute", "an absolute target begins at the root", "POSIX 4.13 pathname resolution",
     absolute},
    {"moved", "a relative target is looked up from where the link was moved to",
     "POSIX 4.13 pathname resolution; rename", moved},
    {"chain-8", "a chain of eight symbolic links is followed", "POSIX limits.h, _POSIX_SYMLOOP_MAX",
     chain_8},
    {"chain-40", "a chain of forty symbolic links is followed, one of forty-one is ELOOP",
     "path_resolution(7)", chain_40},
    {"stat-and-lstat", "stat tells of what the link names, lstat of the link",
     "POSIX fstatat, AT_SYMLINK_NOFOLLOW", stat_and_lstat},
    {"stat-dangling", "stat of a link that leads nowhere is ENOENT, lstat succeeds",
     "POSIX fstatat, ENOENT", stat_dangling},
    {"lstat-slash-after", "lstat of a link's name with a slash after it is about what it names",
     "POSIX 4.13 pathname resolution", lstat_slash_after},
    {"slash-after-to-file", "a link to a regular file with a slash after its name is ENOTDIR",
     "POSIX 4.13 pathname resolution", slash_after_to_file},
    {"chmod-follows", "chmod through a link changes what it names", "POSIX fchmodat, DESCRIPTION",
     chmod_follows},
    {"own-owner", "a link's own owner is changed without touching what it names",
     "POSIX fchownat, AT_SYMLINK_NOFOLLOW", own_owner},
    {"own-times", "a link's own times are set without touching what it names",
     "POSIX utimensat, AT_SYMLINK_NOFOLLOW", own_times},
    {"replaced", "a link replaced by rename leads to the new target at once",
     "POSIX rename, DESCRIPTION; symlink", replaced},
    {"made-again", "a link removed and made again has the new target", "POSIX symlink, DESCRIPTION",
     made_again},
};

const struct subject subject_symlink = {"symlink", rules, sizeof rules / sizeof rules[0]};
