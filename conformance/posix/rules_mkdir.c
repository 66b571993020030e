/*
 * Rules of making and removing directories.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

/* Some systems give directories one link always, and say so by it. */
static void needs_counted_links(const struct place *place)
{
    NEEDS(look(place, ".").st_nlink >= 2, "does not count the links of directories");
}

static void empty(struct place *place)
{
    MUST(mkdirat(place->fd, "d", 0755));
    HOLDS(S_ISDIR(look(place, "d").st_mode));
    EQUAL(count_entries(place, "d"), 0);
}

static void mode_exact(struct place *place)
{
    MUST(mkdirat(place->fd, "d", 0751));
    EQUAL(look(place, "d").st_mode & 07777, 0751);
}

static void mode_umask(struct place *place)
{
    umask(027);
    MUST(mkdirat(place->fd, "d", 0777));
    EQUAL(look(place, "d").st_mode & 07777, 0750);
}

static void mode_none(struct place *place)
{
    MUST(mkdirat(place->fd, "d", 0));
    EQUAL(look(place, "d").st_mode & 07777, 0);
}

static void mode_sticky(struct place *place)
{
    MUST(mkdirat(place->fd, "d", 01777));
    EQUAL(look(place, "d").st_mode & 07777, 01777);
}

static void mode_setgid(struct place *place)
{
    MUST(mkdirat(place->fd, "d", 06755));
    EQUAL(look(place, "d").st_mode & 07777, 0755);
}

static void owner(struct place *place)
{
    MUST(setegid(GROUP_A));
    MUST(seteuid(USER_A));
    MUST(mkdirat(place->fd, "d", 0755));
    EQUAL(look(place, "d").st_uid, USER_A);
    EQUAL(look(place, "d").st_gid, GROUP_A);
}

static void links(struct place *place)
{
    needs_counted_links(place);
    MUST(mkdirat(place->fd, "d", 0755));
    EQUAL(look(place, "d").st_nlink, 2);
}

static void parent_links(struct place *place)
{
    needs_counted_links(place);
    nlink_t before = look(place, ".").st_nlink;
    MUST(mkdirat(place->fd, "d", 0755));
    MUST(mkdirat(place->fd, "e", 0755));
    EQUAL(look(place, ".").st_nlink, before + 2);
}

static void file_is_no_parent_link(struct place *place)
{
    nlink_t before = look(place, ".").st_nlink;
    make_file(place, "f", 0666, NULL);
    make_symlink(place, ".", "l");
    EQUAL(look(place, ".").st_nlink, before);
}

static void dot_and_dot_dot(struct place *place)
{
    MUST(mkdirat(place->fd, "d", 0755));
    EQUAL(look(place, "d/.").st_ino, look(place, "d").st_ino);
    EQUAL(look(place, "d/..").st_ino, look_fd(place->fd).st_ino);
}

static void times(struct place *place)
{
    struct stat before = look(place, ".");
    pass_time(place);
    MUST(mkdirat(place->fd, "d", 0755));
    struct stat made = look(place, "d");
    HOLDS(compare_times(made.st_atim, before.st_mtim) > 0);
    HOLDS(compare_times(made.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(made.st_ctim, before.st_mtim) > 0);
}

static void parent_times(struct place *place)
{
    struct stat before = look(place, ".");
    pass_time(place);
    MUST(mkdirat(place->fd, "d", 0755));
    struct stat after = look(place, ".");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void over_file(struct place *place)
{
    make_file(place, "f", 0666, "text");
    FAILS(mkdirat(place->fd, "f", 0755), EEXIST);
    check_content(place, "f", "text");
}

static void over_directory(struct place *place)
{
    make_dir(place, "d", 0700);
    FAILS(mkdirat(place->fd, "d", 0755), EEXIST);
    EQUAL(look(place, "d").st_mode & 07777, 0700);
}

static void over_link(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(mkdirat(place->fd, "l", 0755), EEXIST);
    HOLDS(!exists(place, "none"));
}

static void over_fifo(struct place *place)
{
    make_fifo(place, "p", 0666);
    FAILS(mkdirat(place->fd, "p", 0755), EEXIST);
}

static void existing_times(struct place *place)
{
    make_dir(place, "d", 0755);
    struct stat before = look(place, ".");
    pass_time(place);
    FAILS(mkdirat(place->fd, "d", 0755), EEXIST);
    HOLDS(compare_times(look(place, ".").st_mtim, before.st_mtim) == 0);
}

static void missing_parent(struct place *place)
{
    FAILS(mkdirat(place->fd, "none/d", 0755), ENOENT);
}

static void empty_path(struct place *place)
{
    FAILS(mkdirat(place->fd, "", 0755), ENOENT);
}

static void through_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(mkdirat(place->fd, "f/d", 0755), ENOTDIR);
}

static void through_loop(struct place *place)
{
    make_symlink(place, "l", "l");
    FAILS(mkdirat(place->fd, "l/d", 0755), ELOOP);
}

static void through_link(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    MUST(mkdirat(place->fd, "l/e", 0755));
    HOLDS(exists(place, "d/e"));
}

static void dot(struct place *place)
{
    FAILS(mkdirat(place->fd, ".", 0755), EEXIST);
}

static void dot_of_missing(struct place *place)
{
    FAILS(mkdirat(place->fd, "d/.", 0755), ENOENT);
    HOLDS(!exists(place, "d"));
}

static void slash_after(struct place *place)
{
    MUST(mkdirat(place->fd, "d//", 0755));
    HOLDS(S_ISDIR(look(place, "d").st_mode));
}

static void long_name_rule(struct place *place)
{
    MUST(mkdirat(place->fd, long_name(255), 0755));
    FAILS(mkdirat(place->fd, long_name(256), 0755), ENAMETOOLONG);
}

static void bad_descriptor(struct place *place)
{
    (void)place;
    FAILS(mkdirat(1000000, "d", 0755), EBADF);
}

static void descriptor_of_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(mkdirat(open_at(place, "f", O_RDONLY), "d", 0755), ENOTDIR);
}

static void in_removed(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(unlinkat(place->fd, "d", AT_REMOVEDIR));
    FAILS(mkdirat(fd, "e", 0755), ENOENT);
}

static void one_winner(struct place *place)
{
    int won = 0;
    for (int i = 0; i < 3; i++) {
        if (MUST(fork()) == 0) {
            int mine = 0;
            for (int k = 0; k < 40; k++) {
                char name[16];
                (void)snprintf(name, sizeof name, "d%d", k);
                int result = mkdirat(place->fd, name, 0755);
                mine += result == 0;
                if (result != 0 && errno != EEXIST) {
                    _exit(255);
                }
            }
            _exit(mine);
        }
    }
    for (int i = 0; i < 3; i++) {
        int status;
        MUST(wait(&status));
        HOLDS(WIFEXITED(status) && WEXITSTATUS(status) != 255);
        won += WEXITSTATUS(status);
    }
    EQUAL(won, 40);
}

static void deep(struct place *place)
{
    int fd = place->fd;
    for (int i = 0; i < 100; i++) {
        MUST(mkdirat(fd, "d", 0755));
        int below = (int)MUST(openat(fd, "d", O_RDONLY | O_DIRECTORY));
        if (fd != place->fd) {
            close(fd);
        }
        fd = below;
    }
    EQUAL(count_entries(place, "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d"), 1);
}

static const struct rule rules[] = {
    {"empty", "a new directory is a directory without entries", "POSIX mkdir, DESCRIPTION", empty},
    {"mode-exact", "with umask 0 the mode is the one that was asked for",
     "POSIX mkdir, DESCRIPTION", mode_exact},
    {"mode-umask", "the umask takes bits from a new directory's mode", "POSIX mkdir, DESCRIPTION",
     mode_umask},
    {"mode-none", "a directory can be made with no permission at all", "POSIX mkdir, DESCRIPTION",
     mode_none},
    {"mode-sticky", "mkdir can make a sticky directory", "mkdir(2), mode & 01777", mode_sticky},
    {"mode-setgid", "set-user-ID and set-group-ID in mkdir's mode are passed over",
     "mkdir(2), mode & 01777", mode_setgid},
    {"owner", "a new directory belongs to the effective user and group", "POSIX mkdir, DESCRIPTION",
     owner},
    {"links", "a new directory has two links: its name and its dot",
     "POSIX 3.125 directory; XFS and ext4", links},
    {"parent-links", "each directory in it is one more link of a directory",
     "POSIX 3.125 directory (dot-dot); XFS and ext4", parent_links},
    {"file-is-no-parent-link", "files in it are no links of a directory", "POSIX 3.125 directory",
     file_is_no_parent_link},
    {"dot-and-dot-dot", "a new directory's dot is itself and its dot-dot the parent",
     "POSIX mkdir, DESCRIPTION; 4.13", dot_and_dot_dot},
    {"times", "a new directory's three times are of its creation", "POSIX mkdir, DESCRIPTION",
     times},
    {"parent-times", "a new directory updates its parent's times of modification and change",
     "POSIX mkdir, DESCRIPTION", parent_times},
    {"over-file", "a name that a file has is EEXIST", "POSIX mkdir, EEXIST", over_file},
    {"over-directory", "a name that a directory has is EEXIST, and its mode stays",
     "POSIX mkdir, EEXIST", over_directory},
    {"over-link", "a name that a symbolic link has is EEXIST, also when it leads nowhere",
     "POSIX mkdir, EEXIST", over_link},
    {"over-fifo", "a name that a fifo has is EEXIST", "POSIX mkdir, EEXIST", over_fifo},
    {"existing-times", "an mkdir that fails leaves the parent's times", "POSIX mkdir, RETURN VALUE",
     existing_times},
    {"missing-parent", "mkdir makes one directory, not those before it", "POSIX mkdir, ENOENT",
     missing_parent},
    {"empty-path", "mkdir of the empty path is ENOENT", "POSIX mkdir, ENOENT", empty_path},
    {"through-file", "mkdir below a regular file is ENOTDIR", "POSIX mkdir, ENOTDIR", through_file},
    {"through-loop", "mkdir through a loop of symbolic links is ELOOP", "POSIX mkdir, ELOOP",
     through_loop},
    {"through-link", "mkdir goes through a symbolic link to a directory",
     "POSIX 4.13 pathname resolution", through_link},
    {"dot", "mkdir of dot is EEXIST", "POSIX mkdir, EEXIST", dot},
    {"dot-of-missing", "a directory is not made by the path of its dot", "POSIX mkdir, ENOENT",
     dot_of_missing},
    {"slash-after", "mkdir takes slashes after the name", "POSIX 4.13 pathname resolution",
     slash_after},
    {"long-name", "a name of 255 bytes makes a directory, one of 256 is ENAMETOOLONG",
     "POSIX mkdir, ENAMETOOLONG", long_name_rule},
    {"bad-descriptor", "mkdirat with a descriptor that is not open is EBADF",
     "POSIX mkdirat, EBADF", bad_descriptor},
    {"descriptor-of-file", "mkdirat with a regular file's descriptor is ENOTDIR",
     "POSIX mkdirat, ENOTDIR", descriptor_of_file},
    {"in-removed", "nothing is made in a directory that was removed", "POSIX mkdir, ENOENT",
     in_removed},
    {"one-winner", "of processes that make the same directory one succeeds, the others get EEXIST",
     "POSIX mkdir, EEXIST", one_winner},
    {"deep", "directories can be nested a hundred deep", "POSIX 4.13; limits.h PATH_MAX", deep},
};

const struct subject subject_mkdir = {"mkdir", rules, sizeof rules / sizeof rules[0]};
