/*
 * Rules of rename() for directories.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int move(const struct place *place, const char *from, const char *to)
{
    return renameat(place->fd, from, place->fd, to);
}

static void needs_counted_links(const struct place *place)
{
    NEEDS(look(place, ".").st_nlink >= 2, "does not count the links of directories");
}

static void new_name(struct place *place)
{
    make_dir(place, "d", 0750);
    make_dir(place, "d/e", 0755);
    make_file(place, "d/e/f", 0666, "text");
    ino_t inode = look(place, "d").st_ino;
    MUST(move(place, "d", "n"));
    HOLDS(!exists(place, "d"));
    EQUAL(look(place, "n").st_ino, inode);
    EQUAL(look(place, "n").st_mode & 07777, 0750);
    check_content(place, "n/e/f", "text");
}

static void same_name(struct place *place)
{
    make_dir(place, "d", 0755);
    MUST(move(place, "d", "d"));
    HOLDS(exists(place, "d"));
}

static void over_empty(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, NULL);
    make_dir(place, "e", 0755);
    ino_t inode = look(place, "d").st_ino;
    MUST(move(place, "d", "e"));
    EQUAL(look(place, "e").st_ino, inode);
    HOLDS(exists(place, "e/f"));
    HOLDS(!exists(place, "d"));
}

static void over_holds_file(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    make_file(place, "e/f", 0666, NULL);
    FAILS_EITHER(move(place, "d", "e"), ENOTEMPTY, EEXIST);
    HOLDS(exists(place, "d"));
    HOLDS(exists(place, "e/f"));
}

static void over_holds_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    make_dir(place, "e/g", 0755);
    FAILS_EITHER(move(place, "d", "e"), ENOTEMPTY, EEXIST);
}

static void over_file(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "f", 0666, "text");
    FAILS(move(place, "d", "f"), ENOTDIR);
    check_content(place, "f", "text");
}

static void over_symbolic_link(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    make_symlink(place, "e", "l");
    FAILS(move(place, "d", "l"), ENOTDIR);
    HOLDS(exists(place, "d"));
}

static void over_parent(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "a/b", 0755);
    FAILS_EITHER(move(place, "a/b", "a"), ENOTEMPTY, EEXIST);
    HOLDS(exists(place, "a/b"));
}

static void over_ancestor(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "a/b", 0755);
    make_dir(place, "a/b/c", 0755);
    FAILS_EITHER(move(place, "a/b/c", "a"), ENOTEMPTY, EEXIST);
    HOLDS(exists(place, "a/b/c"));
}

static void file_over_parent(struct place *place)
{
    make_dir(place, "a", 0755);
    make_file(place, "a/f", 0666, NULL);
    FAILS_EITHER(move(place, "a/f", "a"), ENOTEMPTY, EISDIR);
    HOLDS(exists(place, "a/f"));
}

static void into_itself(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS(move(place, "d", "d/e"), EINVAL);
    HOLDS(exists(place, "d"));
}

static void into_own_tree(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "a/b", 0755);
    make_dir(place, "a/b/c", 0755);
    FAILS(move(place, "a", "a/b/c/d"), EINVAL);
    HOLDS(exists(place, "a/b/c"));
}

static void into_own_tree_through_link(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "a/b", 0755);
    make_symlink(place, "a/b", "l");
    FAILS(move(place, "a", "l/c"), EINVAL);
}

static void name_begins_alike(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "ab", 0755);
    MUST(move(place, "a", "ab/a"));
    HOLDS(exists(place, "ab/a"));
}

static void dot(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS_EITHER(move(place, "d/.", "e"), EINVAL, EBUSY);
    HOLDS(exists(place, "d"));
}

static void dot_dot(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "d/e", 0755);
    FAILS_EITHER(move(place, "d/e/..", "g"), EINVAL, EBUSY);
    HOLDS(exists(place, "d/e"));
}

static void to_dot(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    FAILS_EITHER(move(place, "d", "e/."), EINVAL, EBUSY);
    HOLDS(exists(place, "d"));
}

static void to_dot_dot(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    FAILS_EITHER(move(place, "d", "e/.."), EINVAL, EBUSY);
    HOLDS(exists(place, "d"));
}

static void slashes_after(struct place *place)
{
    make_dir(place, "d", 0755);
    MUST(move(place, "d/", "e/"));
    HOLDS(exists(place, "e"));
}

static void link_with_slash(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    FAILS(move(place, "l/", "e"), ENOTDIR);
    HOLDS(exists(place, "d"));
    HOLDS(S_ISLNK(look(place, "l").st_mode));
}

static void missing_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS(move(place, "d", "none/d"), ENOENT);
    HOLDS(exists(place, "d"));
}

static void dot_dot_follows(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_dir(place, "a/d", 0755);
    EQUAL(look(place, "a/d/..").st_ino, look(place, "a").st_ino);
    MUST(move(place, "a/d", "b/d"));
    EQUAL(look(place, "b/d/..").st_ino, look(place, "b").st_ino);
}

static void dot_dot_of_open(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_dir(place, "a/d", 0755);
    int fd = open_at(place, "a/d", O_RDONLY | O_DIRECTORY);
    MUST(move(place, "a/d", "b/d"));
    struct stat parent;
    MUST(fstatat(fd, "..", &parent, 0));
    EQUAL(parent.st_ino, look(place, "b").st_ino);
}

static void parents_links(struct place *place)
{
    needs_counted_links(place);
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_dir(place, "a/d", 0755);
    EQUAL(look(place, "a").st_nlink, 3);
    MUST(move(place, "a/d", "b/d"));
    EQUAL(look(place, "a").st_nlink, 2);
    EQUAL(look(place, "b").st_nlink, 3);
}

static void own_links(struct place *place)
{
    needs_counted_links(place);
    make_dir(place, "a", 0755);
    make_dir(place, "d", 0755);
    make_dir(place, "d/e", 0755);
    MUST(move(place, "d", "a/d"));
    EQUAL(look(place, "a/d").st_nlink, 3);
}

static void replaced_links(struct place *place)
{
    needs_counted_links(place);
    nlink_t before = look(place, ".").st_nlink;
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    MUST(move(place, "d", "e"));
    EQUAL(look(place, ".").st_nlink, before + 1);
}

static void replaced_links_elsewhere(struct place *place)
{
    needs_counted_links(place);
    make_dir(place, "a", 0755);
    make_dir(place, "a/d", 0755);
    make_dir(place, "b", 0755);
    make_dir(place, "b/d", 0755);
    MUST(move(place, "a/d", "b/d"));
    EQUAL(look(place, "a").st_nlink, 2);
    EQUAL(look(place, "b").st_nlink, 3);
}

static void replaced_open(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    int fd = open_at(place, "e", O_RDONLY | O_DIRECTORY);
    MUST(move(place, "d", "e"));
    EQUAL(look_fd(fd).st_nlink, 0);
    FAILS(openat(fd, "f", O_RDWR | O_CREAT, 0666), ENOENT);
}

static void parents_times(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_dir(place, "a/d", 0755);
    struct stat before = look(place, "a/d");
    pass_time(place);
    MUST(move(place, "a/d", "b/d"));
    HOLDS(compare_times(look(place, "a").st_mtim, before.st_ctim) > 0);
    HOLDS(compare_times(look(place, "b").st_mtim, before.st_ctim) > 0);
    HOLDS(compare_times(look(place, "b").st_ctim, before.st_ctim) > 0);
}

static void failed_times(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    make_file(place, "e/f", 0666, NULL);
    struct stat before = look(place, ".");
    pass_time(place);
    FAILS_EITHER(move(place, "d", "e"), ENOTEMPTY, EEXIST);
    HOLDS(compare_times(look(place, ".").st_mtim, before.st_mtim) == 0);
}

static void open_works_on(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(move(place, "d", "a/d"));
    MUST(openat(fd, "f", O_RDWR | O_CREAT | O_EXCL, 0666));
    HOLDS(exists(place, "a/d/f"));
    EQUAL(count_entries(place, "a/d"), 1);
}

static void open_file_below(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "d/e", 0755);
    make_file(place, "d/e/f", 0666, NULL);
    int fd = open_at(place, "d/e/f", O_WRONLY);
    MUST(move(place, "d", "n"));
    EQUAL(write(fd, "text", 4), 4);
    check_content(place, "n/e/f", "text");
}

static void working_directory(struct place *place)
{
    char path[PATH_MAX];
    make_dir(place, "d", 0755);
    MUST(fchdir(open_at(place, "d", O_RDONLY | O_DIRECTORY)));
    MUST(move(place, "d", "new"));
    HOLDS(getcwd(path, sizeof path) != NULL);
    HOLDS(strcmp(strrchr(path, '/'), "/new") == 0);
}

static void old_path_gone(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, "text");
    check_content(place, "d/f", "text");
    MUST(move(place, "d", "e"));
    FAILS(openat(place->fd, "d/f", O_RDONLY), ENOENT);
}

static void old_name_reused(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, "text");
    MUST(move(place, "d", "e"));
    make_dir(place, "d", 0755);
    EQUAL(count_entries(place, "d"), 0);
    HOLDS(!exists(place, "d/f"));
}

static void up_and_down(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "a/b", 0755);
    make_dir(place, "a/b/c", 0755);
    MUST(move(place, "a/b/c", "c"));
    MUST(move(place, "a/b", "c/b"));
    MUST(move(place, "a", "c/b/a"));
    HOLDS(S_ISDIR(look(place, "c/b/a").st_mode));
    EQUAL(count_entries(place, "."), 1);
}

static void no_circle(struct place *place)
{
    for (int i = 0; i < 20; i++) {
        make_dir(place, "a", 0755);
        make_dir(place, "b", 0755);
        pid_t other = (pid_t)MUST(fork());
        if (other == 0) {
            _exit(move(place, "a", "b/a") == 0 ? 0 : 1);
        }
        int mine = move(place, "b", "a/b");
        int status;
        MUST(waitpid(other, &status, 0));
        HOLDS(WIFEXITED(status));
        EQUAL((mine == 0) + (WEXITSTATUS(status) == 0), 1);
        MUST(unlinkat(place->fd, mine == 0 ? "a/b" : "b/a", AT_REMOVEDIR));
        MUST(unlinkat(place->fd, mine == 0 ? "a" : "b", AT_REMOVEDIR));
    }
}

static void symbolic_link_to(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    MUST(move(place, "l", "m"));
    HOLDS(S_ISLNK(look(place, "m").st_mode));
    HOLDS(exists(place, "d"));
}

static void symbolic_link_over(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "none", "l");
    FAILS(move(place, "l", "d"), EISDIR);
    HOLDS(exists(place, "l"));
}

static const struct rule rules[] = {
    {"new-name", "a directory moves with all that is in it", "POSIX rename, DESCRIPTION", new_name},
    {"same-name", "a directory renamed to its own name stays", "POSIX rename, DESCRIPTION",
     same_name},
    {"over-empty", "an empty directory of the new name is replaced", "POSIX rename, DESCRIPTION",
     over_empty},
    {"over-holds-file", "a directory that is not empty is not replaced",
     "POSIX rename, EEXIST or ENOTEMPTY", over_holds_file},
    {"over-holds-directory", "a directory that holds a directory is not replaced",
     "POSIX rename, EEXIST or ENOTEMPTY", over_holds_directory},
    {"over-file", "a directory replaces no file", "POSIX rename, ENOTDIR", over_file},
    {"over-symbolic-link",
     "a directory replaces no symbolic link, not even one to an empty directory",
     "POSIX rename, ENOTDIR", over_symbolic_link},
    {"over-parent", "nothing replaces the directory that it is in",
     "POSIX rename, EEXIST or ENOTEMPTY", over_parent},
    {"over-ancestor", "nothing replaces a directory above it", "POSIX rename, EEXIST or ENOTEMPTY",
     over_ancestor},
    {"file-over-parent", "a file does not replace the directory that it is in",
     "POSIX rename, EISDIR, EEXIST or ENOTEMPTY", file_over_parent},
    {"into-itself", "a directory does not move into itself", "POSIX rename, EINVAL", into_itself},
    {"into-own-tree", "a directory does not move below itself", "POSIX rename, EINVAL",
     into_own_tree},
    {"into-own-tree-through-link", "nor when the way there is a symbolic link",
     "POSIX rename, EINVAL", into_own_tree_through_link},
    {"name-begins-alike", "a directory moves into another whose name begins as its own",
     "POSIX rename, EINVAL (path prefix)", name_begins_alike},
    {"dot", "dot cannot be renamed", "POSIX rename, EINVAL or EBUSY", dot},
    {"dot-dot", "dot-dot cannot be renamed", "POSIX rename, EINVAL or EBUSY", dot_dot},
    {"to-dot", "nothing gets the name dot", "POSIX rename, EINVAL or EBUSY", to_dot},
    {"to-dot-dot", "nothing gets the name dot-dot", "POSIX rename, EINVAL or EBUSY", to_dot_dot},
    {"slashes-after", "both names of a directory may have slashes after them",
     "POSIX rename, DESCRIPTION; 4.13", slashes_after},
    {"link-with-slash",
     "the name of a symbolic link to a directory, with a slash after it, is not renamed",
     "POSIX rename, ENOTDIR", link_with_slash},
    {"missing-directory", "a new name in a directory that is not there is ENOENT",
     "POSIX rename, ENOENT", missing_directory},
    {"dot-dot-follows", "dot-dot of a directory that moved is the new parent",
     "POSIX rename; 4.13 pathname resolution", dot_dot_follows},
    {"dot-dot-of-open", "dot-dot of a directory that is open leads to the new parent too",
     "POSIX rename; openat", dot_dot_of_open},
    {"parents-links", "a directory that moves takes its link from one parent to the other",
     "POSIX rename; 3.125 directory", parents_links},
    {"own-links", "a directory that moves keeps its own links", "POSIX rename; 3.125 directory",
     own_links},
    {"replaced-links", "a directory that replaces another leaves the parent with one link less",
     "POSIX rename; 3.125 directory", replaced_links},
    {"replaced-links-elsewhere",
     "one that replaces another elsewhere leaves the new parent's links",
     "POSIX rename; 3.125 directory", replaced_links_elsewhere},
    {"replaced-open", "a directory that is replaced while open has no link and takes nothing new",
     "POSIX rename, DESCRIPTION", replaced_open},
    {"parents-times", "a directory that moves updates the times of both parents",
     "POSIX rename, DESCRIPTION", parents_times},
    {"failed-times", "a rename that fails leaves the times of the directories",
     "POSIX rename, RETURN VALUE", failed_times},
    {"open-works-on", "a directory that is open makes, finds and lists after it moved",
     "POSIX rename; openat", open_works_on},
    {"open-file-below", "a file that is open is written to after a directory above it moved",
     "POSIX rename, DESCRIPTION", open_file_below},
    {"working-directory", "the working directory moves along, and its path is the new one",
     "POSIX rename; getcwd", working_directory},
    {"old-path-gone",
     "paths through the old name are ENOENT at once, also those that were just used",
     "POSIX rename, DESCRIPTION", old_path_gone},
    {"old-name-reused", "a new directory of the old name is empty", "POSIX rename, DESCRIPTION",
     old_name_reused},
    {"up-and-down", "a directory moves up to its parent's parent, and down again",
     "POSIX rename, DESCRIPTION", up_and_down},
    {"no-circle", "of two moves that together would make a circle, at the same time, one fails",
     "POSIX rename, EINVAL", no_circle},
    {"symbolic-link-to", "a symbolic link to a directory is renamed itself",
     "POSIX rename, DESCRIPTION", symbolic_link_to},
    {"symbolic-link-over", "a symbolic link replaces no directory", "POSIX rename, EISDIR",
     symbolic_link_over},
};

const struct subject subject_rename_dir = {"rename-dir", rules, sizeof rules / sizeof rules[0]};
