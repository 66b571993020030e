/*
 * Rules of what open() gives: the descriptor's offset, access and flags, the directory that a path
 * begins at, and O_TRUNC.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int open_it(const struct place *place, const char *name, int flags)
{
    return (int)MUST(openat(place->fd, name, flags | O_CLOEXEC));
}

static void reading_wronly(struct place *place)
{
    make_file(place, "f", 0666, "text");
    char byte;
    int fd = open_it(place, "f", O_WRONLY);
    FAILS(read(fd, &byte, 1), EBADF);
}

static void writing_rdonly(struct place *place)
{
    make_file(place, "f", 0666, "text");
    int fd = open_it(place, "f", O_RDONLY);
    FAILS(write(fd, "x", 1), EBADF);
    check_content(place, "f", "text");
}

static void truncating_rdonly(struct place *place)
{
    make_file(place, "f", 0666, "text");
    int fd = open_it(place, "f", O_RDONLY);
    FAILS_EITHER(ftruncate(fd, 0), EINVAL, EBADF);
}

static void offset_zero(struct place *place)
{
    make_file(place, "f", 0666, "text");
    EQUAL(lseek(open_it(place, "f", O_RDWR), 0, SEEK_CUR), 0);
}

static void offsets_apart(struct place *place)
{
    make_file(place, "f", 0666, "text");
    int a = open_it(place, "f", O_RDONLY), b = open_it(place, "f", O_RDONLY);
    MUST(lseek(a, 3, SEEK_SET));
    EQUAL(lseek(b, 0, SEEK_CUR), 0);
}

static void append_begins_at_zero(struct place *place)
{
    make_file(place, "f", 0666, "text");
    char byte = 0;
    EQUAL(read(open_it(place, "f", O_RDWR | O_APPEND), &byte, 1), 1);
    EQUAL(byte, 't');
}

static void append_after_seek(struct place *place)
{
    make_file(place, "f", 0666, "one");
    int fd = open_it(place, "f", O_RDWR | O_APPEND);
    MUST(lseek(fd, 0, SEEK_SET));
    EQUAL(write(fd, "two", 3), 3);
    check_content(place, "f", "onetwo");
}

static void append_two(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int a = open_it(place, "f", O_WRONLY | O_APPEND), b = open_it(place, "f", O_WRONLY | O_APPEND);
    EQUAL(write(a, "1", 1), 1);
    EQUAL(write(b, "2", 1), 1);
    EQUAL(write(a, "3", 1), 1);
    check_content(place, "f", "123");
}

static void status_flags(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int flags = (int)MUST(fcntl(open_it(place, "f", O_WRONLY | O_APPEND | O_NONBLOCK), F_GETFL));
    EQUAL(flags & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_WRONLY | O_APPEND | O_NONBLOCK);
}

static void creation_flags_forgotten(struct place *place)
{
    int fd = (int)MUST(openat(place->fd, "f", O_RDWR | O_CREAT | O_EXCL | O_TRUNC, 0666));
    EQUAL(MUST(fcntl(fd, F_GETFL)) & (O_CREAT | O_EXCL | O_TRUNC), 0);
}

static void close_on_exec(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    EQUAL(MUST(fcntl((int)MUST(openat(place->fd, "f", O_RDONLY | O_CLOEXEC)), F_GETFD)),
          FD_CLOEXEC);
}

static void not_close_on_exec(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    EQUAL(MUST(fcntl((int)MUST(openat(place->fd, "f", O_RDONLY)), F_GETFD)), 0);
}

static void absolute_path(struct place *place)
{
    MUST(openat(-1, place->path, O_RDONLY | O_DIRECTORY));
}

static void bad_descriptor(struct place *place)
{
    (void)place;
    FAILS(openat(1000000, "f", O_RDONLY), EBADF);
}

static void descriptor_of_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(openat(open_it(place, "f", O_RDONLY), "x", O_RDONLY), ENOTDIR);
}

static void working_directory(struct place *place)
{
    make_file(place, "f", 0666, "text");
    MUST(fchdir(place->fd));
    EQUAL(look_fd((int)MUST(openat(AT_FDCWD, "f", O_RDONLY))).st_size, 4);
}

static void descriptor_moves(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, "text");
    int fd = open_it(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(renameat(place->fd, "d", place->fd, "e"));
    EQUAL(look_fd((int)MUST(openat(fd, "f", O_RDONLY))).st_size, 4);
}

static void file_moves(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_it(place, "f", O_WRONLY);
    MUST(renameat(place->fd, "f", place->fd, "g"));
    EQUAL(write(fd, "text", 4), 4);
    check_content(place, "g", "text");
}

static void rights_at_open(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_it(place, "f", O_WRONLY);
    MUST(fchmod(fd, 0));
    EQUAL(write(fd, "text", 4), 4);
    EQUAL(look(place, "f").st_size, 4);
}

static void truncate_rule(struct place *place)
{
    make_file(place, "f", 0666, "text");
    MUST(openat(place->fd, "f", O_WRONLY | O_TRUNC));
    EQUAL(look(place, "f").st_size, 0);
}

static void truncate_times(struct place *place)
{
    make_file(place, "f", 0666, "text");
    struct stat before = look(place, "f");
    pass_time(place);
    MUST(openat(place->fd, "f", O_WRONLY | O_TRUNC));
    struct stat after = look(place, "f");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void truncate_empty_times(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    struct stat before = look(place, "f");
    pass_time(place);
    MUST(openat(place->fd, "f", O_WRONLY | O_TRUNC));
    struct stat after = look(place, "f");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void truncate_keeps_inode(struct place *place)
{
    make_file(place, "f", 0640, "text");
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    MUST(fchownat(place->fd, "f", USER_A, GROUP_A, 0));
    struct stat before = look(place, "f");
    MUST(openat(place->fd, "f", O_RDWR | O_TRUNC));
    struct stat after = look(place, "f");
    EQUAL(after.st_mode, before.st_mode);
    EQUAL(after.st_uid, USER_A);
    EQUAL(after.st_nlink, 2);
    EQUAL(after.st_ino, before.st_ino);
}

static void truncate_through_link(struct place *place)
{
    make_file(place, "f", 0666, "text");
    make_symlink(place, "f", "l");
    MUST(openat(place->fd, "l", O_WRONLY | O_TRUNC));
    EQUAL(look(place, "f").st_size, 0);
    EQUAL(look(place, "l").st_size, 1);
}

static void truncate_under_reader(struct place *place)
{
    make_file(place, "f", 0666, "text");
    char byte;
    int fd = open_it(place, "f", O_RDONLY);
    EQUAL(read(fd, &byte, 1), 1);
    MUST(openat(place->fd, "f", O_WRONLY | O_TRUNC));
    EQUAL(read(fd, &byte, 1), 0);
    EQUAL(look_fd(fd).st_size, 0);
}

static void opening_keeps_times(struct place *place)
{
    make_file(place, "f", 0666, "text");
    struct stat before = look(place, "f");
    pass_time(place);
    MUST(close(open_it(place, "f", O_RDWR)));
    struct stat after = look(place, "f");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) == 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) == 0);
}

static const struct rule rules[] = {
    {"reading-wronly", "what is open for writing only cannot be read", "POSIX read, EBADF",
     reading_wronly},
    {"writing-rdonly", "what is open for reading only cannot be written", "POSIX write, EBADF",
     writing_rdonly},
    {"truncating-rdonly", "what is open for reading only cannot be truncated through it",
     "POSIX ftruncate, EBADF or EINVAL", truncating_rdonly},
    {"offset-zero", "a descriptor's offset begins at the file's first byte",
     "POSIX open, DESCRIPTION", offset_zero},
    {"offsets-apart", "two openings of a file have offsets of their own", "POSIX open, DESCRIPTION",
     offsets_apart},
    {"append-begins-at-zero", "with O_APPEND reading begins at the first byte all the same",
     "POSIX open, O_APPEND", append_begins_at_zero},
    {"append-after-seek", "with O_APPEND the offset goes to the end before each write",
     "POSIX open, O_APPEND", append_after_seek},
    {"append-two", "two descriptors with O_APPEND do not overwrite each other",
     "POSIX open, O_APPEND", append_two},
    {"status-flags", "F_GETFL tells the access mode and the flags of open", "POSIX fcntl, F_GETFL",
     status_flags},
    {"creation-flags-forgotten", "F_GETFL does not tell O_CREAT, O_EXCL and O_TRUNC",
     "POSIX fcntl, F_GETFL; open(2) file creation flags", creation_flags_forgotten},
    {"close-on-exec", "O_CLOEXEC sets FD_CLOEXEC", "POSIX open, O_CLOEXEC", close_on_exec},
    {"not-close-on-exec", "without O_CLOEXEC a descriptor stays open over exec",
     "POSIX open, DESCRIPTION", not_close_on_exec},
    {"absolute-path", "an absolute path does not depend on the directory's descriptor",
     "POSIX openat, DESCRIPTION", absolute_path},
    {"bad-descriptor", "a relative path with a descriptor that is not open is EBADF",
     "POSIX openat, EBADF", bad_descriptor},
    {"descriptor-of-file", "a relative path with a regular file's descriptor is ENOTDIR",
     "POSIX openat, ENOTDIR", descriptor_of_file},
    {"working-directory", "AT_FDCWD means the working directory", "POSIX openat, AT_FDCWD",
     working_directory},
    {"descriptor-moves", "a directory's descriptor follows it when it is renamed",
     "POSIX openat, RATIONALE", descriptor_moves},
    {"file-moves", "an open file follows its rename: what is written is under the new name",
     "POSIX rename, DESCRIPTION", file_moves},
    {"rights-at-open", "a descriptor keeps its right to write when the mode is taken away",
     "POSIX open, DESCRIPTION; 4.5 file access permissions", rights_at_open},
    {"truncate", "O_TRUNC makes a file empty", "POSIX open, O_TRUNC", truncate_rule},
    {"truncate-times", "O_TRUNC updates the times of modification and change",
     "POSIX open, O_TRUNC", truncate_times},
    {"truncate-empty-times", "O_TRUNC updates the times of a file that was empty already",
     "POSIX open, O_TRUNC", truncate_empty_times},
    {"truncate-keeps-inode", "O_TRUNC leaves mode, owner, links and inode as they are",
     "POSIX open, O_TRUNC", truncate_keeps_inode},
    {"truncate-through-link", "O_TRUNC through a symbolic link truncates what it names",
     "POSIX open, O_TRUNC", truncate_through_link},
    {"truncate-under-reader", "who has a file open sees its end at once when O_TRUNC empties it",
     "POSIX open, O_TRUNC", truncate_under_reader},
    {"opening-keeps-times", "opening and closing changes no time of modification or change",
     "POSIX 4.9 file times update", opening_keeps_times},
};

const struct subject subject_opened = {"opened", rules, sizeof rules / sizeof rules[0]};
