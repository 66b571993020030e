/*
 * Rules of what other users see and may do: search and read of directories, and each operation's
 * permission on file and directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

/* "dir" with "dir/file", which is open to all. */
static void make_view(struct place *place, mode_t mode)
{
    make_dir(place, "dir", mode);
    make_file(place, "dir/file", 0666, "content");
}

/* ---- search and read ------------------------------------------------------------------------- */

static void search_alone(struct place *place)
{
    make_view(place, 0711);
    EQUAL(try_open(place, &user_a, "dir/file", O_RDWR), 0);
    EQUAL(try_stat(place, &user_a, "dir/file"), 0);
    EQUAL(try_list(place, &user_a, "dir"), EACCES);
}

static void read_alone(struct place *place)
{
    make_view(place, 0744);
    EQUAL(try_list(place, &user_a, "dir"), 0);
    EQUAL(try_stat(place, &user_a, "dir/file"), EACCES);
    EQUAL(try_open(place, &user_a, "dir/file", O_RDONLY), EACCES);
}

static void write_without_search(struct place *place)
{
    make_view(place, 0766);
    EQUAL(try_create(place, &user_a, "dir/new", 0600), EACCES);
    EQUAL(try_unlink(place, &user_a, "dir/file"), EACCES);
}

static void write_and_search(struct place *place)
{
    make_view(place, 0733);
    EQUAL(try_create(place, &user_a, "dir/new", 0600), 0);
    EQUAL(try_unlink(place, &user_a, "dir/file"), 0);
    EQUAL(try_list(place, &user_a, "dir"), EACCES);
}

static void search_without_write(struct place *place)
{
    make_view(place, 0755);
    EQUAL(try_create(place, &user_a, "dir/new", 0600), EACCES);
    EQUAL(try_mkdir(place, &user_a, "dir/new", 0700), EACCES);
    EQUAL(try_symlink(place, &user_a, "dir/new"), EACCES);
    EQUAL(try_mkfifo(place, &user_a, "dir/new", 0600), EACCES);
    EQUAL(count_entries(place, "dir"), 1);
}

static void nothing_at_all(struct place *place)
{
    make_view(place, 0700);
    EQUAL(try_stat(place, &user_a, "dir"), 0);
    EQUAL(try_stat(place, &user_a, "dir/none"), EACCES);
    EQUAL(try_chdir(place, &user_a, "dir"), EACCES);
}

static void existing_or_not(struct place *place)
{
    make_view(place, 0755);
    EQUAL(try_create(place, &user_a, "dir/file", 0600), EEXIST);
    EQUAL(try_mkdir(place, &user_a, "dir/file", 0600), EEXIST);
    EQUAL(try_unlink(place, &user_a, "dir/none"), ENOENT);
}

static void search_of_every_part(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "a/b", 0700);
    make_dir(place, "a/b/c", 0777);
    make_file(place, "a/b/c/file", 0666, NULL);
    EQUAL(try_open(place, &user_a, "a/b/c/file", O_RDONLY), EACCES);
    MUST(fchmodat(place->fd, "a/b", 0711, 0));
    EQUAL(try_open(place, &user_a, "a/b/c/file", O_RDONLY), 0);
}

static void search_of_link_target(struct place *place)
{
    make_view(place, 0700);
    make_symlink(place, "dir/file", "link");
    EQUAL(try_open(place, &user_a, "link", O_RDONLY), EACCES);
    EQUAL(try_readlink(place, &user_a, "link"), 0);
}

static void search_of_dot_dot(struct place *place)
{
    make_view(place, 0755);
    make_dir(place, "dir/sub", 0600);
    EQUAL(try_stat(place, &user_a, "dir/sub/.."), EACCES);
    EQUAL(try_stat(place, &user_a, "dir/sub/."), EACCES);
}

static void change_into(struct place *place)
{
    make_dir(place, "search", 0711);
    make_dir(place, "read", 0744);
    EQUAL(try_chdir(place, &user_a, "search"), 0);
    EQUAL(try_chdir(place, &user_a, "read"), EACCES);
}

static int work_relative(struct place *place, void *argument)
{
    int fd = openat(*(int *)argument, "file", O_RDONLY | O_CLOEXEC);
    (void)place;
    return fd < 0 ? errno : close(fd);
}

static void descriptor_of_directory(struct place *place)
{
    make_view(place, 0755);
    int fd = open_at(place, "dir", O_RDONLY | O_DIRECTORY);
    EQUAL(as_user_a(work_relative, place, &fd), 0);
    MUST(fchmod(fd, 0700));
    EQUAL(as_user_a(work_relative, place, &fd), EACCES);
}

static int work_read_listing(struct place *place, void *argument)
{
    char entries[4096];
    (void)place;
    return getdents64(*(int *)argument, entries, sizeof entries) < 0 ? errno : 0;
}

static void descriptor_reads_on(struct place *place)
{
    make_view(place, 0755);
    int fd = open_at(place, "dir", O_RDONLY | O_DIRECTORY);
    MUST(fchmod(fd, 0));
    EQUAL(as_user_a(work_read_listing, place, &fd), 0);
}

static void group_searches(struct place *place)
{
    make_view(place, 0750);
    MUST(fchownat(place->fd, "dir", 0, GROUP_C, 0));
    EQUAL(try_list(place, &member_a, "dir"), 0);
    EQUAL(try_open(place, &member_a, "dir/file", O_RDWR), 0);
    EQUAL(try_list(place, &user_a, "dir"), EACCES);
}

static void member_who_is_shut_out(struct place *place)
{
    make_view(place, 0705);
    MUST(fchownat(place->fd, "dir", 0, GROUP_C, 0));
    EQUAL(try_list(place, &member_a, "dir"), EACCES);
    EQUAL(try_list(place, &user_a, "dir"), 0);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void open_for_what(struct place *place)
{
    make_file(place, "read", 0644, "x");
    make_file(place, "write", 0622, "x");
    EQUAL(try_open(place, &user_a, "read", O_RDONLY), 0);
    EQUAL(try_open(place, &user_a, "read", O_WRONLY), EACCES);
    EQUAL(try_open(place, &user_a, "read", O_RDWR), EACCES);
    EQUAL(try_open(place, &user_a, "write", O_WRONLY), 0);
    EQUAL(try_open(place, &user_a, "write", O_RDONLY), EACCES);
}

static void truncating_open(struct place *place)
{
    make_file(place, "file", 0644, "content");
    EQUAL(try_open(place, &user_a, "file", O_RDONLY | O_TRUNC), EACCES);
    EQUAL(try_open(place, &user_a, "file", O_WRONLY | O_TRUNC), EACCES);
    check_content(place, "file", "content");
}

static void truncate_needs_write(struct place *place)
{
    make_file(place, "file", 0644, "content");
    EQUAL(try_truncate(place, &user_a, "file", 0), EACCES);
    check_content(place, "file", "content");
    MUST(fchmodat(place->fd, "file", 0622, 0));
    EQUAL(try_truncate(place, &user_a, "file", 3), 0);
    check_content(place, "file", "con");
}

static void owner_without_bits(struct place *place)
{
    make_file_of(place, "file", 0066, USER_A, GROUP_A);
    EQUAL(try_open(place, &user_a, "file", O_RDONLY), EACCES);
    EQUAL(try_append(place, &user_a, "file"), EACCES);
    EQUAL(try_append(place, &user_b, "file"), 0);
}

static void unlink_needs_no_right_to_file(struct place *place)
{
    make_dir_of(place, "dir", 0700, USER_A, GROUP_A);
    make_file(place, "dir/file", 0, NULL);
    EQUAL(try_unlink(place, &user_a, "dir/file"), 0);
}

static void rename_needs_both_directories(struct place *place)
{
    make_dir(place, "open", 0777);
    make_dir(place, "shut", 0755);
    make_file(place, "open/file", 0666, NULL);
    make_file(place, "shut/file", 0666, NULL);
    EQUAL(try_rename(place, &user_a, "open/file", "shut/new"), EACCES);
    EQUAL(try_rename(place, &user_a, "shut/file", "open/new"), EACCES);
    EQUAL(try_rename(place, &user_a, "open/file", "open/new"), 0);
}

static void rename_of_directory_needs_its_dot_dot(struct place *place)
{
    make_dir(place, "from", 0777);
    make_dir(place, "to", 0777);
    make_dir(place, "from/sub", 0755);
    EQUAL(try_rename(place, &user_a, "from/sub", "from/other"), 0);
    EQUAL(try_rename(place, &user_a, "from/other", "to/sub"), EACCES);
}

static void link_needs_target_directory(struct place *place)
{
    make_dir(place, "shut", 0755);
    make_file_of(place, "file", 0666, USER_A, GROUP_A);
    EQUAL(try_link(place, &user_a, "file", "shut/same"), EACCES);
    EQUAL(try_link(place, &user_a, "file", "same"), 0);
}

static void stat_needs_no_right_to_file(struct place *place)
{
    make_file(place, "file", 0, NULL);
    EQUAL(try_stat(place, &user_a, "file"), 0);
}

static void path_descriptor_needs_no_right(struct place *place)
{
    make_file(place, "file", 0, NULL);
    EQUAL(try_open(place, &user_a, "file", O_PATH), 0);
}

static void noatime_is_the_owners(struct place *place)
{
    make_file(place, "file", 0666, "x");
    EQUAL(try_open(place, &user_a, "file", O_RDONLY | O_NOATIME), EPERM);
    MUST(fchownat(place->fd, "file", USER_A, GROUP_A, 0));
    EQUAL(try_open(place, &user_a, "file", O_RDONLY | O_NOATIME), 0);
}

/* ---- programs -------------------------------------------------------------------------------- */

static void execute_needs_x(struct place *place)
{
    make_program(place, "program", 0755);
    EQUAL(try_execute(place, &user_a, "program"), 0);
    MUST(fchmodat(place->fd, "program", 0766, 0));
    EQUAL(try_execute(place, &user_a, "program"), EACCES);
}

static void execute_needs_no_read(struct place *place)
{
    make_program(place, "program", 0711);
    EQUAL(try_execute(place, &user_a, "program"), 0);
    EQUAL(try_open(place, &user_a, "program", O_RDONLY), EACCES);
}

static void root_cannot_execute_without_x(struct place *place)
{
    const struct who root = {0};
    make_program(place, "program", 0666);
    EQUAL(try_execute(place, &root, "program"), EACCES);
    MUST(fchmodat(place->fd, "program", 0610, 0));
    EQUAL(try_execute(place, &root, "program"), 0);
}

static void execute_through_closed_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_program(place, "dir/program", 0755);
    EQUAL(try_execute(place, &user_a, "dir/program"), EACCES);
}

static void directory_is_no_program(struct place *place)
{
    make_dir(place, "dir", 0777);
    EQUAL(try_execute(place, &user_a, "dir"), EACCES);
}

static const struct rule rules[] = {
    {"search-alone", "x on a directory finds names, but lists none",
     "POSIX 4.7 File Access Permissions", search_alone},
    {"read-alone", "r on a directory lists names, but finds none",
     "POSIX 4.7 File Access Permissions", read_alone},
    {"write-without-search", "w without x is nothing", "POSIX open, EACCES", write_without_search},
    {"write-and-search", "w with x makes and removes what cannot be listed", "POSIX unlink",
     write_and_search},
    {"search-without-write", "without w nothing new is made, of any kind",
     "POSIX open, mkdir, symlink, mkfifo, EACCES", search_without_write},
    {"nothing-at-all", "a shut directory tells nothing of its names", "POSIX stat, EACCES",
     nothing_at_all},
    {"existing-or-not", "what is there or is not there is told before what is not allowed",
     "open(2), mkdir(2), unlink(2)", existing_or_not},
    {"search-of-every-part", "each directory of a path must let through",
     "POSIX 4.16 Pathname Resolution", search_of_every_part},
    {"search-of-link-target", "also those that a link names", "POSIX 4.16 Pathname Resolution",
     search_of_link_target},
    {"search-of-dot-dot", "dot and dot-dot are searched for as other names are",
     "POSIX 4.16 Pathname Resolution", search_of_dot_dot},
    {"change-into", "chdir needs x, not r", "POSIX chdir, EACCES", change_into},
    {"descriptor-of-directory", "openat asks for x each time", "POSIX openat, EACCES",
     descriptor_of_directory},
    {"descriptor-reads-on", "an open directory is read, whatever its mode has become",
     "POSIX 4.7 File Access Permissions", descriptor_reads_on},
    {"group-searches", "a supplementary group opens a directory", "POSIX 4.7; credentials(7)",
     group_searches},
    {"member-who-is-shut-out", "and shuts one that is open to others",
     "POSIX 4.7 File Access Permissions", member_who_is_shut_out},
    {"open-for-what", "open grants reading and writing apart", "POSIX open, EACCES", open_for_what},
    {"truncating-open", "O_TRUNC needs write permission, also with O_RDONLY", "POSIX open, O_TRUNC",
     truncating_open},
    {"truncate-needs-write", "truncate needs write permission, not read", "POSIX truncate, EACCES",
     truncate_needs_write},
    {"owner-without-bits", "an owner without bits reads and writes nothing",
     "POSIX 4.7 File Access Permissions", owner_without_bits},
    {"unlink-needs-no-right-to-file", "to remove is a right to the directory", "POSIX unlink",
     unlink_needs_no_right_to_file},
    {"rename-needs-both-directories", "rename writes to both directories", "POSIX rename, EACCES",
     rename_needs_both_directories},
    {"rename-of-directory-needs-its-dot-dot", "a directory that changes its parent is written to",
     "POSIX rename, EACCES", rename_of_directory_needs_its_dot_dot},
    {"link-needs-target-directory", "link writes to the new name's directory", "POSIX link, EACCES",
     link_needs_target_directory},
    {"stat-needs-no-right-to-file", "attributes are no secret", "POSIX stat",
     stat_needs_no_right_to_file},
    {"path-descriptor-needs-no-right", "O_PATH needs no right to the file", "open(2) O_PATH",
     path_descriptor_needs_no_right},
    {"noatime-is-the-owners", "O_NOATIME is for owners", "open(2) O_NOATIME, EPERM",
     noatime_is_the_owners},
    {"execute-needs-x", "a program runs for those who have x", "POSIX exec, EACCES",
     execute_needs_x},
    {"execute-needs-no-read", "and need not be readable", "POSIX exec", execute_needs_no_read},
    {"root-cannot-execute-without-x", "root needs one x, anybody's",
     "POSIX exec, EACCES; capabilities(7)", root_cannot_execute_without_x},
    {"execute-through-closed-directory", "the way to it must be free", "POSIX exec, EACCES",
     execute_through_closed_directory},
    {"directory-is-no-program", "a directory with x is no program", "POSIX exec, EACCES",
     directory_is_no_program},
};

const struct subject subject_view = {"view", rules, sizeof rules / sizeof rules[0]};
