/*
 * Rules of removing directories.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int remove_dir(const struct place *place, const char *name)
{
    return unlinkat(place->fd, name, AT_REMOVEDIR);
}

static void empty(struct place *place)
{
    make_dir(place, "d", 0755);
    MUST(remove_dir(place, "d"));
    HOLDS(!exists(place, "d"));
}

static void holds_file(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, NULL);
    FAILS_EITHER(remove_dir(place, "d"), ENOTEMPTY, EEXIST);
    HOLDS(exists(place, "d/f"));
}

static void holds_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "d/e", 0755);
    FAILS_EITHER(remove_dir(place, "d"), ENOTEMPTY, EEXIST);
}

static void holds_hidden(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/.hidden", 0666, NULL);
    FAILS_EITHER(remove_dir(place, "d"), ENOTEMPTY, EEXIST);
}

static void emptied(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "none", "d/l");
    FAILS_EITHER(remove_dir(place, "d"), ENOTEMPTY, EEXIST);
    MUST(unlinkat(place->fd, "d/l", 0));
    MUST(remove_dir(place, "d"));
}

static void moved_empty(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, NULL);
    MUST(renameat(place->fd, "d/f", place->fd, "f"));
    MUST(remove_dir(place, "d"));
}

static void file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(remove_dir(place, "f"), ENOTDIR);
    HOLDS(exists(place, "f"));
}

static void link_rule(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    FAILS(remove_dir(place, "l"), ENOTDIR);
    HOLDS(exists(place, "d"));
}

static void missing(struct place *place)
{
    FAILS(remove_dir(place, "none"), ENOENT);
}

static void twice(struct place *place)
{
    make_dir(place, "d", 0755);
    MUST(remove_dir(place, "d"));
    FAILS(remove_dir(place, "d"), ENOENT);
}

static void through_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(remove_dir(place, "f/d"), ENOTDIR);
}

static void dot(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS(remove_dir(place, "d/."), EINVAL);
    HOLDS(exists(place, "d"));
}

static void dot_dot(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "d/e", 0755);
    FAILS_EITHER(remove_dir(place, "d/e/.."), ENOTEMPTY, EEXIST);
}

static void slash_after(struct place *place)
{
    make_dir(place, "d", 0755);
    MUST(remove_dir(place, "d/"));
    HOLDS(!exists(place, "d"));
}

static void parent_links(struct place *place)
{
    nlink_t before = look(place, ".").st_nlink;
    make_dir(place, "d", 0755);
    MUST(remove_dir(place, "d"));
    EQUAL(look(place, ".").st_nlink, before);
}

static void parent_times(struct place *place)
{
    make_dir(place, "d", 0755);
    struct stat before = look(place, ".");
    pass_time(place);
    MUST(remove_dir(place, "d"));
    struct stat after = look(place, ".");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void failed_times(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, NULL);
    struct stat before = look(place, ".");
    pass_time(place);
    FAILS_EITHER(remove_dir(place, "d"), ENOTEMPTY, EEXIST);
    HOLDS(compare_times(look(place, ".").st_mtim, before.st_mtim) == 0);
}

static void open_links(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(remove_dir(place, "d"));
    EQUAL(look_fd(fd).st_nlink, 0);
}

static void open_lists_nothing(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(remove_dir(place, "d"));
    DIR *stream = fdopendir(fd);
    HOLDS(stream != NULL);
    HOLDS(readdir(stream) == NULL);
}

static void working_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(fchdir(fd));
    MUST(remove_dir(place, "d"));
    char path[4096];
    FAILS(getcwd(path, sizeof path) == NULL ? -1 : 0, ENOENT);
}

static void made_again(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(remove_dir(place, "d"));
    make_dir(place, "d", 0700);
    HOLDS(look(place, "d").st_ino != look_fd(fd).st_ino);
    EQUAL(look_fd(fd).st_nlink, 0);
}

static void open_file_in_it(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, "text");
    int fd = open_at(place, "d/f", O_RDWR);
    MUST(unlinkat(place->fd, "d/f", 0));
    MUST(remove_dir(place, "d"));
    char byte = 0;
    EQUAL(read(fd, &byte, 1), 1);
    EQUAL(byte, 't');
}

static void no_permission_needed_on_it(struct place *place)
{
    make_dir(place, "d", 0);
    MUST(remove_dir(place, "d"));
}

static void names_the_right_one(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "dd", 0755);
    MUST(remove_dir(place, "d"));
    HOLDS(exists(place, "dd"));
}

static void hundred_of_them(struct place *place)
{
    char name[32];
    make_dir(place, "d", 0755);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "d/%d", i);
        make_dir(place, name, 0755);
    }
    FAILS_EITHER(remove_dir(place, "d"), ENOTEMPTY, EEXIST);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "d/%d", i);
        MUST(remove_dir(place, name));
    }
    MUST(remove_dir(place, "d"));
}

static const struct rule rules[] = {
    {"empty", "an empty directory is removed", "POSIX rmdir, DESCRIPTION", empty},
    {"holds-file", "a directory with a file in it stays", "POSIX rmdir, EEXIST or ENOTEMPTY",
     holds_file},
    {"holds-directory", "a directory with a directory in it stays",
     "POSIX rmdir, EEXIST or ENOTEMPTY", holds_directory},
    {"holds-hidden", "a name that begins with a dot keeps its directory too",
     "POSIX rmdir, EEXIST or ENOTEMPTY", holds_hidden},
    {"emptied", "a directory can be removed once its last entry is", "POSIX rmdir, DESCRIPTION",
     emptied},
    {"moved-empty", "a directory can be removed once its last entry is renamed away",
     "POSIX rmdir, DESCRIPTION", moved_empty},
    {"file", "a regular file is not removed by rmdir", "POSIX rmdir, ENOTDIR", file},
    {"link", "rmdir follows no symbolic link to a directory", "POSIX rmdir, ENOTDIR", link_rule},
    {"missing", "a name that is not there is ENOENT", "POSIX rmdir, ENOENT", missing},
    {"twice", "a directory is removed once", "POSIX rmdir, ENOENT", twice},
    {"through-file", "a path through a regular file is ENOTDIR", "POSIX rmdir, ENOTDIR",
     through_file},
    {"dot", "a path that ends in dot is EINVAL", "POSIX rmdir, EINVAL", dot},
    {"dot-dot", "a path that ends in dot-dot removes nothing", "POSIX rmdir, EEXIST or ENOTEMPTY",
     dot_dot},
    {"slash-after", "rmdir takes slashes after the name", "POSIX 4.13 pathname resolution",
     slash_after},
    {"parent-links", "removing a directory takes one link from its parent",
     "POSIX 3.125 directory (dot-dot); XFS and ext4", parent_links},
    {"parent-times", "removing a directory updates its parent's times of modification and change",
     "POSIX rmdir, DESCRIPTION", parent_times},
    {"failed-times", "an rmdir that fails leaves the parent's times", "POSIX rmdir, RETURN VALUE",
     failed_times},
    {"open-links", "who has a removed directory open sees that it has no link",
     "POSIX rmdir, DESCRIPTION (link count 0)", open_links},
    {"open-lists-nothing", "a removed directory that is open lists nothing, not even dot",
     "POSIX rmdir, DESCRIPTION (dot and dot-dot are removed)", open_lists_nothing},
    {"working-directory", "after the working directory is removed its path is not known",
     "POSIX getcwd, ENOENT; rmdir(2)", working_directory},
    {"made-again", "a directory made with the name of a removed one is another, and empty",
     "POSIX rmdir, DESCRIPTION", made_again},
    {"open-file-in-it", "a directory whose only file was unlinked while open can be removed",
     "POSIX unlink, DESCRIPTION; rmdir", open_file_in_it},
    {"no-permission-needed-on-it", "the mode of the directory that is removed does not matter",
     "POSIX rmdir, EACCES (of the parent only)", no_permission_needed_on_it},
    {"names-the-right-one", "of two directories only the one that is named goes",
     "POSIX rmdir, DESCRIPTION", names_the_right_one},
    {"hundred-of-them", "a directory that held a hundred directories can be removed after them",
     "POSIX rmdir, DESCRIPTION", hundred_of_them},
};

const struct subject subject_rmdir = {"rmdir", rules, sizeof rules / sizeof rules[0]};
