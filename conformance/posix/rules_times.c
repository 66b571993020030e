/*
 * Rules of times: which of an object's and its directory's times a change of names and attributes
 * marks, and which it leaves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"
#include "conformance/posix/marks.h"

/* ---- what is new ----------------------------------------------------------------------------- */

static void new_file(struct place *place)
{
    struct timespec clock;
    make_file(place, "touched", 0600, NULL);
    make_file(place, "file", 0600, NULL);
    MUST(clock_gettime(CLOCK_REALTIME, &clock));
    MUST(utimensat(place->fd, "touched", NULL, 0));
    struct stat now = look(place, "file");
    HOLDS(labs(now.st_mtim.tv_sec - clock.tv_sec) < 60);
    HOLDS(compare_times(now.st_mtim, look(place, "touched").st_mtim) <= 0);
    EQUAL(compare_times(now.st_atim, now.st_mtim), 0);
    EQUAL(compare_times(now.st_ctim, now.st_mtim), 0);
}

static void new_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    struct stat now = look(place, "dir");
    EQUAL(compare_times(now.st_atim, now.st_mtim), 0);
    EQUAL(compare_times(now.st_ctim, now.st_mtim), 0);
}

static void create_marks_directory(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir");
    make_file(place, "dir/new", 0600, NULL);
    check_marked(place, "dir", before, "mc");
}

static void mkdir_marks_directory(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir");
    make_dir(place, "dir/new", 0700);
    check_marked(place, "dir", before, "mc");
}

static void symlink_marks_directory(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir");
    make_symlink(place, "x", "dir/new");
    check_marked(place, "dir", before, "mc");
}

static void mkfifo_marks_directory(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir");
    make_fifo(place, "dir/new", 0600);
    check_marked(place, "dir", before, "mc");
}

static void grandparent_is_left(struct place *place)
{
    make_marked(place);
    make_dir(place, "dir/sub", 0700);
    struct stat before = before_mark(place, "dir");
    make_file(place, "dir/sub/new", 0600, NULL);
    check_marked(place, "dir", before, "");
}

static void create_of_existing(struct place *place)
{
    make_marked(place);
    struct stat dir = look(place, "dir");
    struct stat file = before_mark(place, "dir/file");
    MUST(close(open_at(place, "dir/file", O_RDWR | O_CREAT)));
    check_marked(place, "dir", dir, "");
    check_marked(place, "dir/file", file, "");
}

static void refused_create(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir");
    FAILS(mkdirat(place->fd, "dir/file", 0700), EEXIST);
    FAILS(openat(place->fd, "dir/file", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
    check_marked(place, "dir", before, "");
}

/* ---- names ----------------------------------------------------------------------------------- */

static void link_marks_file(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(linkat(place->fd, "dir/file", place->fd, "same", 0));
    check_marked(place, "dir/file", before, "c");
}

static void link_marks_new_directory_only(struct place *place)
{
    make_marked(place);
    make_dir(place, "other", 0700);
    struct stat old = look(place, "dir");
    struct stat new = before_mark(place, "other");
    MUST(linkat(place->fd, "dir/file", place->fd, "other/same", 0));
    check_marked(place, "dir", old, "");
    check_marked(place, "other", new, "mc");
}

static void unlink_marks_directory(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir");
    MUST(unlinkat(place->fd, "dir/file", 0));
    check_marked(place, "dir", before, "mc");
}

static void unlink_marks_file(struct place *place)
{
    make_marked(place);
    MUST(linkat(place->fd, "dir/file", place->fd, "same", 0));
    struct stat before = before_mark(place, "same");
    MUST(unlinkat(place->fd, "dir/file", 0));
    check_marked(place, "same", before, "c");
}

static void unlink_marks_open_file(struct place *place)
{
    make_marked(place);
    int fd = open_at(place, "dir/file", O_RDONLY);
    struct stat before = before_mark(place, "dir/file");
    MUST(unlinkat(place->fd, "dir/file", 0));
    check_marks(look_fd(fd), before, "c");
}

static void rmdir_marks_directory(struct place *place)
{
    make_marked(place);
    make_dir(place, "dir/sub", 0700);
    struct stat before = before_mark(place, "dir");
    MUST(unlinkat(place->fd, "dir/sub", AT_REMOVEDIR));
    check_marked(place, "dir", before, "mc");
}

static void refused_removal(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir");
    FAILS(unlinkat(place->fd, "dir/none", 0), ENOENT);
    FAILS(unlinkat(place->fd, "dir/file", AT_REMOVEDIR), ENOTDIR);
    check_marked(place, "dir", before, "");
}

static void rename_marks_directory(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir");
    MUST(renameat(place->fd, "dir/file", place->fd, "dir/other"));
    check_marked(place, "dir", before, "mc");
}

static void rename_marks_both_directories(struct place *place)
{
    make_marked(place);
    make_dir(place, "other", 0700);
    struct stat old = look(place, "dir");
    struct stat new = before_mark(place, "other");
    MUST(renameat(place->fd, "dir/file", place->fd, "other/file"));
    check_marked(place, "dir", old, "mc");
    check_marked(place, "other", new, "mc");
}

static void rename_leaves_mtime(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(renameat(place->fd, "dir/file", place->fd, "other"));
    struct stat now = look(place, "other");
    EQUAL(compare_times(now.st_mtim, before.st_mtim), 0);
    EQUAL(compare_times(now.st_atim, before.st_atim), 0);
    HOLDS(compare_times(now.st_ctim, before.st_ctim) >= 0);
}

static void rename_marks_replaced(struct place *place)
{
    make_marked(place);
    MUST(linkat(place->fd, "dir/file", place->fd, "same", 0));
    make_file(place, "new", 0600, NULL);
    struct stat before = before_mark(place, "same");
    MUST(renameat(place->fd, "new", place->fd, "dir/file"));
    check_marked(place, "same", before, "c");
}

static void rename_to_itself(struct place *place)
{
    make_marked(place);
    MUST(linkat(place->fd, "dir/file", place->fd, "dir/same", 0));
    struct stat dir = look(place, "dir");
    struct stat file = before_mark(place, "dir/file");
    MUST(renameat(place->fd, "dir/file", place->fd, "dir/same"));
    check_marked(place, "dir", dir, "");
    check_marked(place, "dir/file", file, "");
}

static void refused_rename(struct place *place)
{
    make_marked(place);
    make_dir(place, "dir/sub", 0700);
    struct stat before = before_mark(place, "dir");
    FAILS(renameat(place->fd, "dir/file", place->fd, "dir/sub"), EISDIR);
    FAILS(renameat(place->fd, "dir/none", place->fd, "dir/other"), ENOENT);
    check_marked(place, "dir", before, "");
}

/* ---- attributes ------------------------------------------------------------------------------ */

static void chmod_marks_ctime(struct place *place)
{
    make_marked(place);
    struct stat dir = look(place, "dir");
    struct stat before = before_mark(place, "dir/file");
    MUST(fchmodat(place->fd, "dir/file", 0600, 0));
    check_marked(place, "dir/file", before, "c");
    check_marked(place, "dir", dir, "");
}

static void chmod_to_same_mode(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(fchmodat(place->fd, "dir/file", 0666, 0));
    check_marked(place, "dir/file", before, "c");
}

static void chown_marks_ctime(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    MUST(fchownat(place->fd, "dir/file", USER_A, GROUP_A, 0));
    check_marked(place, "dir/file", before, "c");
}

static void lchown_marks_link(struct place *place)
{
    make_marked(place);
    make_symlink(place, "dir/file", "link");
    struct stat file = look(place, "dir/file");
    struct stat before = before_mark(place, "link");
    MUST(fchownat(place->fd, "link", USER_A, GROUP_A, AT_SYMLINK_NOFOLLOW));
    check_marked(place, "link", before, "c");
    check_marked(place, "dir/file", file, "");
}

static void refused_chmod(struct place *place)
{
    make_marked(place);
    struct stat before = before_mark(place, "dir/file");
    EQUAL(try_chmod(place, &user_a, "dir/file", 0777), EPERM);
    EQUAL(try_chown(place, &user_a, "dir/file", USER_A, GROUP_A), EPERM);
    check_marked(place, "dir/file", before, "");
}

static const struct rule rules[] = {
    {"new-file", "a new file's three times are one moment, and now", "POSIX open, O_CREAT",
     new_file},
    {"new-directory", "so are a new directory's", "POSIX mkdir", new_directory},
    {"create-marks-directory", "a new file marks its directory", "POSIX open, O_CREAT",
     create_marks_directory},
    {"mkdir-marks-directory", "so does a new directory", "POSIX mkdir", mkdir_marks_directory},
    {"symlink-marks-directory", "so does a new link", "POSIX symlink", symlink_marks_directory},
    {"mkfifo-marks-directory", "so does a FIFO", "POSIX mkfifo", mkfifo_marks_directory},
    {"grandparent-is-left", "but only that directory", "POSIX open, O_CREAT", grandparent_is_left},
    {"create-of-existing", "O_CREAT of what is there marks nothing", "POSIX open, O_CREAT",
     create_of_existing},
    {"refused-create", "nor does what fails", "POSIX open, EEXIST", refused_create},
    {"link-marks-file", "link marks the file's ctime alone", "POSIX link", link_marks_file},
    {"link-marks-new-directory-only", "and the directory of the new name", "POSIX link",
     link_marks_new_directory_only},
    {"unlink-marks-directory", "unlink marks the directory", "POSIX unlink",
     unlink_marks_directory},
    {"unlink-marks-file", "and the ctime of a file with other names", "POSIX unlink",
     unlink_marks_file},
    {"unlink-marks-open-file", "or of one that is open", "unlink(2), inode(7)",
     unlink_marks_open_file},
    {"rmdir-marks-directory", "rmdir marks the directory above", "POSIX rmdir",
     rmdir_marks_directory},
    {"refused-removal", "what is not removed marks nothing", "POSIX unlink, ENOENT",
     refused_removal},
    {"rename-marks-directory", "rename marks its directory", "POSIX rename",
     rename_marks_directory},
    {"rename-marks-both-directories", "or both of them", "POSIX rename",
     rename_marks_both_directories},
    {"rename-leaves-mtime", "but not the file's own mtime and atime", "POSIX rename",
     rename_leaves_mtime},
    {"rename-marks-replaced", "the file that loses its name gets a ctime", "POSIX rename, unlink",
     rename_marks_replaced},
    {"rename-to-itself", "rename to another name of the same file marks nothing", "POSIX rename",
     rename_to_itself},
    {"refused-rename", "a refused rename marks nothing", "POSIX rename, EISDIR", refused_rename},
    {"chmod-marks-ctime", "chmod marks ctime, and nothing in the directory", "POSIX chmod",
     chmod_marks_ctime},
    {"chmod-to-same-mode", "also if the mode was the same", "POSIX chmod", chmod_to_same_mode},
    {"chown-marks-ctime", "chown marks ctime", "POSIX chown", chown_marks_ctime},
    {"lchown-marks-link", "lchown marks the link's, not the file's", "POSIX lchown",
     lchown_marks_link},
    {"refused-chmod", "a refused chmod or chown marks nothing", "POSIX chmod, EPERM",
     refused_chmod},
};

const struct subject subject_times = {"times", rules, sizeof rules / sizeof rules[0]};
