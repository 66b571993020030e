/*
 * Rules of link(): one file under several names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int link_to(const struct place *place, const char *from, const char *to)
{
    return linkat(place->fd, from, place->fd, to, 0);
}

static void same_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(link_to(place, "f", "g"));
    EQUAL(look(place, "g").st_ino, look(place, "f").st_ino);
    EQUAL(look(place, "g").st_nlink, 2);
    EQUAL(look(place, "f").st_nlink, 2);
}

static void same_content(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(link_to(place, "f", "g"));
    int fd = open_at(place, "f", O_WRONLY);
    EQUAL(write(fd, "text", 4), 4);
    check_content(place, "g", "text");
}

static void same_attributes(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(link_to(place, "f", "g"));
    MUST(fchmodat(place->fd, "g", 0600, 0));
    EQUAL(look(place, "f").st_mode & 07777, 0600);
}

static void outlives_first_name(struct place *place)
{
    make_file(place, "f", 0666, "text");
    MUST(link_to(place, "f", "g"));
    MUST(unlinkat(place->fd, "f", 0));
    EQUAL(look(place, "g").st_nlink, 1);
    check_content(place, "g", "text");
}

static void hundred(struct place *place)
{
    char name[16];
    make_file(place, "f", 0666, NULL);
    for (int i = 1; i < 100; i++) {
        (void)snprintf(name, sizeof name, "g%d", i);
        MUST(link_to(place, "f", name));
    }
    EQUAL(look(place, "f").st_nlink, 100);
}

static void other_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "f", 0666, "text");
    MUST(link_to(place, "f", "d/f"));
    check_content(place, "d/f", "text");
}

static void change_time(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    struct stat before = look(place, "f");
    pass_time(place);
    MUST(link_to(place, "f", "g"));
    struct stat after = look(place, "f");
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
    HOLDS(compare_times(after.st_mtim, before.st_mtim) == 0);
}

static void directory_times(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0755);
    struct stat before = look(place, "d");
    pass_time(place);
    MUST(link_to(place, "f", "d/f"));
    struct stat after = look(place, "d");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void source_directory_times(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, NULL);
    struct stat before = look(place, "d");
    pass_time(place);
    MUST(link_to(place, "d/f", "f"));
    HOLDS(compare_times(look(place, "d").st_mtim, before.st_mtim) == 0);
}

static void over_file(struct place *place)
{
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0666, "two");
    FAILS(link_to(place, "f", "g"), EEXIST);
    check_content(place, "g", "two");
    EQUAL(look(place, "f").st_nlink, 1);
}

static void over_itself(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(link_to(place, "f", "f"), EEXIST);
    EQUAL(look(place, "f").st_nlink, 1);
}

static void over_directory(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0755);
    FAILS(link_to(place, "f", "d"), EEXIST);
}

static void over_dangling(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "none", "l");
    FAILS(link_to(place, "f", "l"), EEXIST);
    HOLDS(!exists(place, "none"));
}

static void missing_source(struct place *place)
{
    FAILS(link_to(place, "none", "g"), ENOENT);
    HOLDS(!exists(place, "g"));
}

static void missing_directory(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(link_to(place, "f", "none/g"), ENOENT);
}

static void empty_path(struct place *place)
{
    FAILS(link_to(place, "", "g"), ENOENT);
}

static void through_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(link_to(place, "f", "f/g"), ENOTDIR);
}

static void source_with_slash(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(link_to(place, "f/", "g"), ENOTDIR);
}

static void name_with_slash(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS_EITHER(link_to(place, "f", "g/"), ENOENT, ENOTDIR);
    EQUAL(look(place, "f").st_nlink, 1);
}

static void directory(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS(link_to(place, "d", "e"), EPERM);
    HOLDS(!exists(place, "e"));
}

static void long_name_rule(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(link_to(place, "f", long_name(255)));
    FAILS(link_to(place, "f", long_name(256)), ENAMETOOLONG);
    EQUAL(look(place, "f").st_nlink, 2);
}

static void loop(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "l", "l");
    FAILS(link_to(place, "l/f", "g"), ELOOP);
    FAILS(link_to(place, "f", "l/g"), ELOOP);
}

static void symbolic_link(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    MUST(link_to(place, "l", "m"));
    HOLDS(S_ISLNK(look(place, "m").st_mode));
    EQUAL(look(place, "l").st_nlink, 2);
    EQUAL(look(place, "f").st_nlink, 1);
}

static void symbolic_link_dangling(struct place *place)
{
    make_symlink(place, "none", "l");
    MUST(link_to(place, "l", "m"));
    EQUAL(look(place, "m").st_ino, look(place, "l").st_ino);
}

static void follow(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    MUST(linkat(place->fd, "l", place->fd, "g", AT_SYMLINK_FOLLOW));
    EQUAL(look(place, "g").st_ino, look(place, "f").st_ino);
    EQUAL(look(place, "l").st_nlink, 1);
}

static void follow_dangling(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(linkat(place->fd, "l", place->fd, "g", AT_SYMLINK_FOLLOW), ENOENT);
}

static void follow_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    FAILS(linkat(place->fd, "l", place->fd, "e", AT_SYMLINK_FOLLOW), EPERM);
}

static void fifo_rule(struct place *place)
{
    make_fifo(place, "p", 0666);
    MUST(link_to(place, "p", "q"));
    HOLDS(S_ISFIFO(look(place, "q").st_mode));
    EQUAL(look(place, "p").st_nlink, 2);
}

static void device(struct place *place)
{
    MUST(mknodat(place->fd, "c", S_IFCHR | 0666, makedev(1, 5)));
    MUST(link_to(place, "c", "e"));
    EQUAL(look(place, "e").st_rdev, makedev(1, 5));
    EQUAL(look(place, "e").st_nlink, 2);
}

static void bad_flag(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(linkat(place->fd, "f", place->fd, "g", 0x40000000), EINVAL);
}

static void bad_descriptor(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(linkat(1000000, "f", place->fd, "g", 0), EBADF);
    FAILS(linkat(place->fd, "f", 1000000, "g", 0), EBADF);
}

static void other_file_system(struct place *place)
{
    FAILS(linkat(AT_FDCWD, "/proc/self/status", place->fd, "g", 0), EXDEV);
}

static void by_descriptor(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_at(place, "f", O_RDONLY);
    MUST(linkat(fd, "", place->fd, "g", AT_EMPTY_PATH));
    EQUAL(look(place, "g").st_ino, look(place, "f").st_ino);
}

static void of_unlinked(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_at(place, "f", O_RDONLY);
    MUST(unlinkat(place->fd, "f", 0));
    FAILS(linkat(fd, "", place->fd, "g", AT_EMPTY_PATH), ENOENT);
}

static void in_removed_directory(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(unlinkat(place->fd, "d", AT_REMOVEDIR));
    FAILS(linkat(place->fd, "f", fd, "g", 0), ENOENT);
}

static void while_open(struct place *place)
{
    int fd = (int)MUST(openat(place->fd, "f", O_RDWR | O_CREAT, 0666));
    MUST(link_to(place, "f", "g"));
    EQUAL(write(fd, "text", 4), 4);
    check_content(place, "g", "text");
    EQUAL(look_fd(fd).st_nlink, 2);
}

static const struct rule rules[] = {
    {"same-file", "both names lead to one file with two links", "POSIX link, DESCRIPTION",
     same_file},
    {"same-content", "what is written under one name is read under the other",
     "POSIX link, DESCRIPTION", same_content},
    {"same-attributes", "a change of mode under one name is seen under the other",
     "POSIX link, DESCRIPTION", same_attributes},
    {"outlives-first-name", "a file stays under its second name when the first is removed",
     "POSIX unlink, DESCRIPTION", outlives_first_name},
    {"hundred", "a file can have a hundred links, and counts them",
     "POSIX limits.h, LINK_MAX; XFS and ext4", hundred},
    {"other-directory", "the names can be in different directories", "POSIX link, DESCRIPTION",
     other_directory},
    {"change-time", "a new link updates the file's time of change, not of modification",
     "POSIX link, DESCRIPTION", change_time},
    {"directory-times", "a new link updates the times of the directory that it is in",
     "POSIX link, DESCRIPTION", directory_times},
    {"source-directory-times",
     "a new link elsewhere leaves the times of the first name's directory",
     "POSIX link, DESCRIPTION", source_directory_times},
    {"over-file", "a name that another file has is EEXIST, and nothing changes",
     "POSIX link, EEXIST", over_file},
    {"over-itself", "the name that the file has already is EEXIST", "POSIX link, EEXIST",
     over_itself},
    {"over-directory", "a name that a directory has is EEXIST", "POSIX link, EEXIST",
     over_directory},
    {"over-dangling", "a name that a symbolic link has is EEXIST, also when it leads nowhere",
     "POSIX link, EEXIST", over_dangling},
    {"missing-source", "a file that is not there cannot be linked", "POSIX link, ENOENT",
     missing_source},
    {"missing-directory", "a name in a directory that is not there is ENOENT", "POSIX link, ENOENT",
     missing_directory},
    {"empty-path", "the empty path names no file without AT_EMPTY_PATH", "POSIX link, ENOENT",
     empty_path},
    {"through-file", "a name below a regular file is ENOTDIR", "POSIX link, ENOTDIR", through_file},
    {"source-with-slash", "a regular file's name with a slash after it is ENOTDIR",
     "POSIX 4.13 pathname resolution", source_with_slash},
    {"name-with-slash", "a new name with a slash after it makes no link to a file",
     "POSIX 4.13 pathname resolution", name_with_slash},
    {"directory", "directories have no second names", "POSIX link, EPERM; link(2)", directory},
    {"long-name", "a name of 255 bytes can be linked to, one of 256 is ENAMETOOLONG",
     "POSIX link, ENAMETOOLONG", long_name_rule},
    {"loop", "a path through a loop of symbolic links is ELOOP", "POSIX link, ELOOP", loop},
    {"symbolic-link", "without AT_SYMLINK_FOLLOW the link itself gets the second name",
     "POSIX linkat, flag", symbolic_link},
    {"symbolic-link-dangling", "a symbolic link that leads nowhere can have a second name",
     "POSIX linkat, flag", symbolic_link_dangling},
    {"follow", "with AT_SYMLINK_FOLLOW what the symbolic link names gets the second name",
     "POSIX linkat, AT_SYMLINK_FOLLOW", follow},
    {"follow-dangling", "with AT_SYMLINK_FOLLOW a symbolic link that leads nowhere is ENOENT",
     "POSIX linkat, AT_SYMLINK_FOLLOW", follow_dangling},
    {"follow-directory", "with AT_SYMLINK_FOLLOW a symbolic link to a directory is EPERM",
     "POSIX linkat, EPERM", follow_directory},
    {"fifo", "a fifo can have two names", "POSIX link, DESCRIPTION", fifo_rule},
    {"device", "a device file can have two names with the same numbers", "POSIX link, DESCRIPTION",
     device},
    {"bad-flag", "a flag that linkat does not know is EINVAL", "POSIX linkat, EINVAL", bad_flag},
    {"bad-descriptor", "a descriptor that is not open is EBADF, for either path",
     "POSIX linkat, EBADF", bad_descriptor},
    {"other-file-system", "a file of another file system is EXDEV", "POSIX link, EXDEV",
     other_file_system},
    {"by-descriptor", "with AT_EMPTY_PATH an open file gets another name",
     "linkat(2), AT_EMPTY_PATH", by_descriptor},
    {"of-unlinked", "a file whose last link was removed gets none any more", "linkat(2), ENOENT",
     of_unlinked},
    {"in-removed-directory", "nothing is linked into a directory that was removed",
     "POSIX link, ENOENT", in_removed_directory},
    {"while-open", "a link made while the file is open leads to what is written later",
     "POSIX link, DESCRIPTION", while_open},
};

const struct subject subject_link = {"link", rules, sizeof rules / sizeof rules[0]};
