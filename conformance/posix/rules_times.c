/*
 * Rules of times: which of an object's and its directory's times each call changes, and which it
 * leaves. Access times are only asked to be left or to be now: mounts have relatime and noatime.
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

/* What became of times since before; letters of those that must have grown, the others must be the
 * same: "m" is mtime, "c" ctime. */
static void check_changes(struct stat now, struct stat before, const char *changed)
{
    bool wants_m = false;
    bool wants_c = false;
    for (; *changed; changed++) {
        wants_m |= *changed == 'm';
        wants_c |= *changed == 'c';
    }
    int m = compare_times(now.st_mtim, before.st_mtim);
    int c = compare_times(now.st_ctim, before.st_ctim);
    posix_equal(__FILE__, __LINE__, "change of mtime (1: later)", m, wants_m);
    posix_equal(__FILE__, __LINE__, "change of ctime (1: later)", c, wants_c);
}

/* "dir" with "dir/file" in it, which has content, a while ago. */
static void make_old(struct place *place)
{
    make_dir(place, "dir", 0777);
    make_file(place, "dir/file", 0666, "content");
}

static struct stat before_change(struct place *place, const char *name)
{
    struct stat now = look(place, name);
    pass_time(place);
    return now;
}

static void check(struct place *place, const char *name, struct stat before, const char *changed)
{
    check_changes(look(place, name), before, changed);
}

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
    make_old(place);
    struct stat before = before_change(place, "dir");
    make_file(place, "dir/new", 0600, NULL);
    check(place, "dir", before, "mc");
}

static void mkdir_marks_directory(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir");
    make_dir(place, "dir/new", 0700);
    check(place, "dir", before, "mc");
}

static void symlink_marks_directory(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir");
    make_symlink(place, "x", "dir/new");
    check(place, "dir", before, "mc");
}

static void mkfifo_marks_directory(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir");
    make_fifo(place, "dir/new", 0600);
    check(place, "dir", before, "mc");
}

static void grandparent_is_left(struct place *place)
{
    make_old(place);
    make_dir(place, "dir/sub", 0700);
    struct stat before = before_change(place, "dir");
    make_file(place, "dir/sub/new", 0600, NULL);
    check(place, "dir", before, "");
}

static void create_of_existing(struct place *place)
{
    make_old(place);
    struct stat dir = look(place, "dir");
    struct stat file = before_change(place, "dir/file");
    MUST(close(open_at(place, "dir/file", O_RDWR | O_CREAT)));
    check(place, "dir", dir, "");
    check(place, "dir/file", file, "");
}

static void refused_create(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir");
    FAILS(mkdirat(place->fd, "dir/file", 0700), EEXIST);
    FAILS(openat(place->fd, "dir/file", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
    check(place, "dir", before, "");
}

/* ---- names ----------------------------------------------------------------------------------- */

static void link_marks_file(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(linkat(place->fd, "dir/file", place->fd, "same", 0));
    check(place, "dir/file", before, "c");
}

static void link_marks_new_directory_only(struct place *place)
{
    make_old(place);
    make_dir(place, "other", 0700);
    struct stat old = look(place, "dir");
    struct stat new = before_change(place, "other");
    MUST(linkat(place->fd, "dir/file", place->fd, "other/same", 0));
    check(place, "dir", old, "");
    check(place, "other", new, "mc");
}

static void unlink_marks_directory(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir");
    MUST(unlinkat(place->fd, "dir/file", 0));
    check(place, "dir", before, "mc");
}

static void unlink_marks_file(struct place *place)
{
    make_old(place);
    MUST(linkat(place->fd, "dir/file", place->fd, "same", 0));
    struct stat before = before_change(place, "same");
    MUST(unlinkat(place->fd, "dir/file", 0));
    check(place, "same", before, "c");
}

static void unlink_marks_open_file(struct place *place)
{
    make_old(place);
    int fd = open_at(place, "dir/file", O_RDONLY);
    struct stat before = before_change(place, "dir/file");
    MUST(unlinkat(place->fd, "dir/file", 0));
    check_changes(look_fd(fd), before, "c");
}

static void rmdir_marks_directory(struct place *place)
{
    make_old(place);
    make_dir(place, "dir/sub", 0700);
    struct stat before = before_change(place, "dir");
    MUST(unlinkat(place->fd, "dir/sub", AT_REMOVEDIR));
    check(place, "dir", before, "mc");
}

static void refused_removal(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir");
    FAILS(unlinkat(place->fd, "dir/none", 0), ENOENT);
    FAILS(unlinkat(place->fd, "dir/file", AT_REMOVEDIR), ENOTDIR);
    check(place, "dir", before, "");
}

static void rename_marks_directory(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir");
    MUST(renameat(place->fd, "dir/file", place->fd, "dir/other"));
    check(place, "dir", before, "mc");
}

static void rename_marks_both_directories(struct place *place)
{
    make_old(place);
    make_dir(place, "other", 0700);
    struct stat old = look(place, "dir");
    struct stat new = before_change(place, "other");
    MUST(renameat(place->fd, "dir/file", place->fd, "other/file"));
    check(place, "dir", old, "mc");
    check(place, "other", new, "mc");
}

static void rename_leaves_mtime(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(renameat(place->fd, "dir/file", place->fd, "other"));
    struct stat now = look(place, "other");
    EQUAL(compare_times(now.st_mtim, before.st_mtim), 0);
    EQUAL(compare_times(now.st_atim, before.st_atim), 0);
    HOLDS(compare_times(now.st_ctim, before.st_ctim) >= 0);
}

static void rename_marks_replaced(struct place *place)
{
    make_old(place);
    MUST(linkat(place->fd, "dir/file", place->fd, "same", 0));
    make_file(place, "new", 0600, NULL);
    struct stat before = before_change(place, "same");
    MUST(renameat(place->fd, "new", place->fd, "dir/file"));
    check(place, "same", before, "c");
}

static void rename_to_itself(struct place *place)
{
    make_old(place);
    MUST(linkat(place->fd, "dir/file", place->fd, "dir/same", 0));
    struct stat dir = look(place, "dir");
    struct stat file = before_change(place, "dir/file");
    MUST(renameat(place->fd, "dir/file", place->fd, "dir/same"));
    check(place, "dir", dir, "");
    check(place, "dir/file", file, "");
}

static void refused_rename(struct place *place)
{
    make_old(place);
    make_dir(place, "dir/sub", 0700);
    struct stat before = before_change(place, "dir");
    FAILS(renameat(place->fd, "dir/file", place->fd, "dir/sub"), EISDIR);
    FAILS(renameat(place->fd, "dir/none", place->fd, "dir/other"), ENOENT);
    check(place, "dir", before, "");
}

/* ---- attributes ------------------------------------------------------------------------------ */

static void chmod_marks_ctime(struct place *place)
{
    make_old(place);
    struct stat dir = look(place, "dir");
    struct stat before = before_change(place, "dir/file");
    MUST(fchmodat(place->fd, "dir/file", 0600, 0));
    check(place, "dir/file", before, "c");
    check(place, "dir", dir, "");
}

static void chmod_to_same_mode(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(fchmodat(place->fd, "dir/file", 0666, 0));
    check(place, "dir/file", before, "c");
}

static void chown_marks_ctime(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(fchownat(place->fd, "dir/file", USER_A, GROUP_A, 0));
    check(place, "dir/file", before, "c");
}

static void lchown_marks_link(struct place *place)
{
    make_old(place);
    make_symlink(place, "dir/file", "link");
    struct stat file = look(place, "dir/file");
    struct stat before = before_change(place, "link");
    MUST(fchownat(place->fd, "link", USER_A, GROUP_A, AT_SYMLINK_NOFOLLOW));
    check(place, "link", before, "c");
    check(place, "dir/file", file, "");
}

static void refused_chmod(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    EQUAL(try_chmod(place, &user_a, "dir/file", 0777), EPERM);
    EQUAL(try_chown(place, &user_a, "dir/file", USER_A, GROUP_A), EPERM);
    check(place, "dir/file", before, "");
}

/* ---- contents -------------------------------------------------------------------------------- */

static void write_marks_file(struct place *place)
{
    make_old(place);
    int fd = open_at(place, "dir/file", O_WRONLY);
    struct stat dir = look(place, "dir");
    struct stat before = before_change(place, "dir/file");
    write_pattern(fd, 0, 5);
    check_changes(look_fd(fd), before, "mc");
    check(place, "dir/file", before, "mc");
    check(place, "dir", dir, "");
}

static void close_marks_nothing(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    write_pattern(fd, 0, 5000);
    struct stat before = before_change(place, "file");
    MUST(close(fd));
    check(place, "file", before, "");
}

static void fsync_marks_nothing(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    write_pattern(fd, 0, 5000);
    struct stat before = before_change(place, "file");
    MUST(fsync(fd));
    MUST(fdatasync(fd));
    check(place, "file", before, "");
}

static void open_marks_nothing(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(close(open_at(place, "dir/file", O_RDWR)));
    MUST(close(open_at(place, "dir/file", O_WRONLY | O_APPEND)));
    check(place, "dir/file", before, "");
    EQUAL(compare_times(look(place, "dir/file").st_atim, before.st_atim), 0);
}

static void second_write_marks_again(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    write_pattern(fd, 0, 5);
    struct stat before = before_change(place, "file");
    write_pattern(fd, 0, 5);
    check(place, "file", before, "mc");
}

static void mapped_write_marks_file(struct place *place)
{
    make_old(place);
    int fd = open_at(place, "dir/file", O_RDWR);
    char *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    HOLDS(bytes != MAP_FAILED);
    struct stat before = before_change(place, "dir/file");
    bytes[0] = 'X';
    MUST(msync(bytes, 4096, MS_SYNC));
    MUST(munmap(bytes, 4096));
    MUST(close(fd));
    check(place, "dir/file", before, "mc");
}

static void truncate_marks_file(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(truncate(path_of(place, "dir/file"), 2));
    check(place, "dir/file", before, "mc");
}

static void enlarging_marks_file(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(truncate(path_of(place, "dir/file"), 20000));
    check(place, "dir/file", before, "mc");
}

static void ftruncate_to_same_size(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(ftruncate(open_at(place, "dir/file", O_WRONLY), 7));
    check(place, "dir/file", before, "mc");
}

static void truncating_open_marks_file(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(close(open_at(place, "dir/file", O_WRONLY | O_TRUNC)));
    check(place, "dir/file", before, "mc");
}

static void truncating_open_of_empty(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    struct stat before = before_change(place, "file");
    MUST(close(open_at(place, "file", O_WRONLY | O_TRUNC)));
    check(place, "file", before, "mc");
}

static void refused_truncate(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    FAILS(truncate(path_of(place, "dir/file"), -1), EINVAL);
    check(place, "dir/file", before, "");
}

static void copy_marks_target_only(struct place *place)
{
    make_old(place);
    make_file(place, "target", 0600, NULL);
    int in = open_at(place, "dir/file", O_RDONLY);
    int out = open_at(place, "target", O_WRONLY);
    struct stat source = look(place, "dir/file");
    struct stat target = before_change(place, "target");
    EQUAL(copy_file_range(in, NULL, out, NULL, 7, 0), 7);
    check(place, "dir/file", source, "");
    check(place, "target", target, "mc");
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
    make_old(place);
    int fd = open_at(place, "dir/file", O_RDONLY);
    struct stat before = before_change(place, "dir/file");
    EQUAL(read(fd, bytes, sizeof bytes), 7);
    check(place, "dir/file", before, "");
    HOLDS(same_or_now(look(place, "dir/file").st_atim, before.st_atim));
}

static void listing_leaves_mtime(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir");
    EQUAL(count_entries(place, "dir"), 1);
    check(place, "dir", before, "");
    HOLDS(same_or_now(look(place, "dir").st_atim, before.st_atim));
}

static void readlink_leaves_mtime(struct place *place)
{
    char target[8];
    make_symlink(place, "target", "link");
    struct stat before = before_change(place, "link");
    EQUAL(readlinkat(place->fd, "link", target, sizeof target), 6);
    check(place, "link", before, "");
    HOLDS(same_or_now(look(place, "link").st_atim, before.st_atim));
}

static void looking_marks_nothing(struct place *place)
{
    char value[8];
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    MUST(faccessat(place->fd, "dir/file", R_OK, 0));
    (void)getxattr(path_of(place, "dir/file"), "user.none", value, sizeof value);
    (void)listxattr(path_of(place, "dir/file"), value, 0);
    check(place, "dir/file", before, "");
    EQUAL(compare_times(look(place, "dir/file").st_atim, before.st_atim), 0);
}

static void write_leaves_atime(struct place *place)
{
    make_old(place);
    struct stat before = before_change(place, "dir/file");
    write_pattern(open_at(place, "dir/file", O_WRONLY), 0, 5);
    EQUAL(compare_times(look(place, "dir/file").st_atim, before.st_atim), 0);
}

static void noatime_leaves_atime(struct place *place)
{
    char bytes[8];
    const struct timespec past[2] = {{1000, 0}, {2000, 0}};
    make_old(place);
    MUST(utimensat(place->fd, "dir/file", past, 0));
    EQUAL(read(open_at(place, "dir/file", O_RDONLY | O_NOATIME), bytes, sizeof bytes), 7);
    EQUAL(look(place, "dir/file").st_atim.tv_sec, 1000);
}

/* ---- order ----------------------------------------------------------------------------------- */

static void ctime_never_goes_back(struct place *place)
{
    const struct timespec past[2] = {{1000, 0}, {1000, 0}};
    const struct timespec future[2] = {{4000000000L, 0}, {4000000000L, 0}};
    make_old(place);
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

const struct subject subject_times = {"times", rules, sizeof rules / sizeof rules[0]};
