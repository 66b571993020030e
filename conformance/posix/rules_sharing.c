/*
 * Rules about one open file in several descriptors and processes, and about files that have no
 * name any more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

static void dup_shares_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcdef"), twin = (int)MUST(dup(fd));
    char byte;
    EQUAL(MUST(read(fd, &byte, 1)), 1);
    EQUAL(MUST(read(twin, &byte, 1)), 1);
    EQUAL(byte, 'b');
    MUST(lseek(twin, 5, SEEK_SET));
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 5);
}

static void dup_shares_status(struct place *place)
{
    int fd = open_new(place, "f", "abc"), twin = (int)MUST(dup(fd));
    MUST(fcntl(twin, F_SETFL, O_APPEND));
    EQUAL(MUST(write(fd, "d", 1)), 1);
    check_text(fd, "abcd");
}

static void dup_has_own_close_on_exec(struct place *place)
{
    int fd = open_new(place, "f", NULL), twin = (int)MUST(dup(fd));
    EQUAL(MUST(fcntl(fd, F_GETFD)), FD_CLOEXEC);
    EQUAL(MUST(fcntl(twin, F_GETFD)), 0);
}

static void dup2_replaces(struct place *place)
{
    int fd = open_new(place, "f", "f"), other = open_new(place, "g", "g");
    EQUAL(MUST(dup2(fd, other)), other);
    check_text(other, "f");
}

static void duplicate_outlives(struct place *place)
{
    int fd = open_new(place, "f", "abc"), twin = (int)MUST(dup(fd));
    MUST(close(fd));
    check_text(twin, "abc");
}

static int read_two(struct place *place, void *argument)
{
    char two[2];
    (void)place;
    return read(*(int *)argument, two, 2) == 2 ? 0 : errno;
}

static void fork_shares_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    EQUAL(as_child(read_two, place, &fd), 0);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 2);
}

static int close_it(struct place *place, void *argument)
{
    (void)place;
    return close(*(int *)argument) == 0 ? 0 : errno;
}

static void fork_closes_own(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    EQUAL(as_child(close_it, place, &fd), 0);
    check_text(fd, "abc");
}

static void reopen_through_proc(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDONLY);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int other = (int)MUST(open(path, O_RDWR | O_CLOEXEC));
    EQUAL(MUST(write(other, "X", 1)), 1);
    check_text(fd, "Xbc");
}

static void truncated_while_open(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    char byte;
    EQUAL(MUST(read(fd, &byte, 1)), 1);
    MUST(close(open_at(place, "f", O_WRONLY | O_TRUNC)));
    EQUAL(MUST(read(fd, &byte, 1)), 0);
    EQUAL(size_of(fd), 0);
}

static void truncated_while_writing(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    EQUAL(MUST(write(fd, "abcdef", 6)), 6);
    MUST(close(open_at(place, "f", O_WRONLY | O_TRUNC)));
    EQUAL(MUST(write(fd, "X", 1)), 1);
    EQUAL(size_of(fd), 7);
    check_zeros(fd, 0, 6);
}

static void replaced_while_open(struct place *place)
{
    int fd = open_new(place, "f", "old");
    make_file(place, "g", 0666, "new");
    MUST(renameat(place->fd, "g", place->fd, "f"));
    check_text(fd, "old");
    EQUAL(MUST(pwrite(fd, "OLD", 3, 0)), 3);
    check_content(place, "f", "new");
    EQUAL(look_fd(fd).st_nlink, 0);
}

static void removed_directory_empties(struct place *place)
{
    make_dir(place, "d", 0777);
    int fd = open_new(place, "d/f", "abc");
    MUST(unlinkat(place->fd, "d/f", 0));
    EQUAL(count_entries(place, "d"), 0);
    MUST(unlinkat(place->fd, "d", AT_REMOVEDIR));
    check_text(fd, "abc");
}

static int write_and_end(struct place *place, void *argument)
{
    (void)place;
    return write(*(int *)argument, "child", 5) == 5 ? 0 : errno;
}

static void removed_in_child(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(unlinkat(place->fd, "f", 0));
    EQUAL(as_child(write_and_end, place, &fd), 0);
    check_text(fd, "child");
}

static void one_of_two_names_removed(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    MUST(unlinkat(place->fd, "f", 0));
    EQUAL(look_fd(fd).st_nlink, 1);
    EQUAL(MUST(pwrite(fd, "X", 1, 0)), 1);
    check_content(place, "g", "Xbc");
}

static void dup_above(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    char byte;
    int twin = (int)MUST(fcntl(fd, F_DUPFD_CLOEXEC, 100));
    HOLDS(twin >= 100);
    EQUAL(MUST(read(twin, &byte, 1)), 1);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 1);
}

static const struct rule rules[] = {
    {"dup-shares-offset", "a duplicate has the same offset", "POSIX dup", dup_shares_offset},
    {"dup-shares-status", "a duplicate has the same status flags", "POSIX dup, F_SETFL",
     dup_shares_status},
    {"dup-has-own-close-on-exec", "a duplicate is not closed on exec", "POSIX dup, FD_CLOEXEC",
     dup_has_own_close_on_exec},
    {"dup2-replaces", "dup2 closes what was there", "POSIX dup2", dup2_replaces},
    {"duplicate-outlives", "a duplicate works on after the first is closed", "POSIX close",
     duplicate_outlives},
    {"fork-shares-offset", "a child moves the offset of the open file that it inherits",
     "POSIX fork", fork_shares_offset},
    {"fork-closes-own", "a child that closes it leaves it open in the parent", "POSIX fork, close",
     fork_closes_own},
    {"reopen-through-proc", "a descriptor may be opened anew, with other rights and its own offset",
     "proc(5) /proc/self/fd", reopen_through_proc},
    {"truncated-while-open", "who has a file open sees that another empties it",
     "POSIX open O_TRUNC", truncated_while_open},
    {"truncated-while-writing", "who writes on behind leaves zeros before", "POSIX open O_TRUNC",
     truncated_while_writing},
    {"replaced-while-open", "who has a file open keeps it when another is renamed over it",
     "POSIX rename", replaced_while_open},
    {"removed-directory-empties", "the directory of a removed, still open file can be removed",
     "POSIX unlink, rmdir", removed_directory_empties},
    {"removed-in-child", "a removed file is shared with a child that inherits it",
     "POSIX unlink, fork", removed_in_child},
    {"one-of-two-names-removed", "a file with another name has one link less and lives on",
     "POSIX unlink", one_of_two_names_removed},
    {"dup-above", "a duplicate may be asked for above a number", "POSIX fcntl F_DUPFD_CLOEXEC",
     dup_above},
};

const struct subject subject_sharing = {"sharing", rules, sizeof rules / sizeof rules[0]};
