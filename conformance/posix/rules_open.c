/*
 * Rules of open(): what is opened, what is refused. Descriptors are in rules_opened.c, O_CREAT in
 * rules_create.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int open_it(const struct place *place, const char *name, int flags)
{
    return (int)MUST(openat(place->fd, name, flags | O_CLOEXEC));
}

static bool devices_work(const struct place *place)
{
    struct statvfs info;

    MUST(fstatvfs(place->fd, &info));
    return (info.f_flag & ST_NODEV) == 0;
}

static void missing_file(struct place *place)
{
    FAILS(openat(place->fd, "none", O_RDONLY), ENOENT);
}

static void missing_directory(struct place *place)
{
    FAILS(openat(place->fd, "none/file", O_RDONLY), ENOENT);
}

static void missing_directory_create(struct place *place)
{
    FAILS(openat(place->fd, "none/file", O_RDWR | O_CREAT, 0666), ENOENT);
    HOLDS(!exists(place, "none"));
}

static void empty_path(struct place *place)
{
    FAILS(openat(place->fd, "", O_RDONLY), ENOENT);
}

static void through_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(openat(place->fd, "f/x", O_RDONLY), ENOTDIR);
}

static void through_file_create(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(openat(place->fd, "f/x", O_RDWR | O_CREAT, 0666), ENOTDIR);
}

static void through_fifo(struct place *place)
{
    make_fifo(place, "p", 0666);
    FAILS(openat(place->fd, "p/x", O_RDONLY), ENOTDIR);
}

static void file_with_slash(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(openat(place->fd, "f/", O_RDONLY), ENOTDIR);
}

static void directory_with_slash(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = open_it(place, "d//", O_RDONLY);
    EQUAL(look_fd(fd).st_ino, look(place, "d").st_ino);
}

static void write_directory(struct place *place)
{
    make_dir(place, "d", 0777);
    FAILS(openat(place->fd, "d", O_WRONLY), EISDIR);
}

static void read_write_directory(struct place *place)
{
    make_dir(place, "d", 0777);
    FAILS(openat(place->fd, "d", O_RDWR), EISDIR);
}

static void truncate_directory(struct place *place)
{
    make_dir(place, "d", 0777);
    make_file(place, "d/f", 0666, NULL);
    FAILS(openat(place->fd, "d", O_WRONLY | O_TRUNC), EISDIR);
    EQUAL(count_entries(place, "d"), 1);
}

static void read_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    HOLDS(S_ISDIR(look_fd(open_it(place, "d", O_RDONLY)).st_mode));
}

static void directory_flag_on_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(openat(place->fd, "f", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

static void directory_flag_on_fifo(struct place *place)
{
    make_fifo(place, "p", 0666);
    FAILS(openat(place->fd, "p", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

static void directory_flag_follows(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    int fd = open_it(place, "l", O_RDONLY | O_DIRECTORY);
    EQUAL(look_fd(fd).st_ino, look(place, "d").st_ino);
}

static void directory_flag_link_to_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    FAILS(openat(place->fd, "l", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

static void directory_nofollow(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    FAILS_EITHER(openat(place->fd, "l", O_RDONLY | O_DIRECTORY | O_NOFOLLOW), ELOOP, ENOTDIR);
}

static void nofollow_link(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    FAILS(openat(place->fd, "l", O_RDONLY | O_NOFOLLOW), ELOOP);
}

static void nofollow_dangling(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(openat(place->fd, "l", O_RDONLY | O_NOFOLLOW), ELOOP);
}

static void nofollow_create(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(openat(place->fd, "l", O_RDWR | O_NOFOLLOW | O_CREAT, 0666), ELOOP);
    HOLDS(!exists(place, "none"));
}

static void nofollow_file(struct place *place)
{
    make_file(place, "f", 0666, "text");
    EQUAL(look_fd(open_it(place, "f", O_RDONLY | O_NOFOLLOW)).st_size, 4);
}

static void nofollow_earlier_link(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, "text");
    make_symlink(place, "d", "l");
    EQUAL(look_fd(open_it(place, "l/f", O_RDONLY | O_NOFOLLOW)).st_size, 4);
}

static void follows_link(struct place *place)
{
    make_file(place, "f", 0666, "text");
    make_symlink(place, "f", "l");
    EQUAL(look_fd(open_it(place, "l", O_RDONLY)).st_ino, look(place, "f").st_ino);
}

static void dangling_link(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(openat(place->fd, "l", O_RDONLY), ENOENT);
}

static void link_to_itself(struct place *place)
{
    make_symlink(place, "l", "l");
    FAILS(openat(place->fd, "l", O_RDONLY), ELOOP);
}

static void link_loop_create(struct place *place)
{
    make_symlink(place, "b", "a");
    make_symlink(place, "a", "b");
    FAILS(openat(place->fd, "a", O_RDWR | O_CREAT, 0666), ELOOP);
}

static void long_name_rule(struct place *place)
{
    FAILS(openat(place->fd, long_name(256), O_RDONLY), ENAMETOOLONG);
}

static void long_name_create(struct place *place)
{
    FAILS(openat(place->fd, long_name(256), O_RDWR | O_CREAT, 0666), ENAMETOOLONG);
    EQUAL(count_entries(place, "."), 0);
}

static void fifo_without_reader(struct place *place)
{
    make_fifo(place, "p", 0666);
    FAILS(openat(place->fd, "p", O_WRONLY | O_NONBLOCK), ENXIO);
}

static void fifo_with_reader(struct place *place)
{
    make_fifo(place, "p", 0666);
    int reader = open_it(place, "p", O_RDONLY | O_NONBLOCK);
    int writer = open_it(place, "p", O_WRONLY | O_NONBLOCK);
    char byte;
    EQUAL(write(writer, "x", 1), 1);
    EQUAL(read(reader, &byte, 1), 1);
}

static void fifo_read_nonblocking(struct place *place)
{
    make_fifo(place, "p", 0666);
    HOLDS(S_ISFIFO(look_fd(open_it(place, "p", O_RDONLY | O_NONBLOCK)).st_mode));
}

static void fifo_both(struct place *place)
{
    make_fifo(place, "p", 0666);
    char byte;
    int fd = open_it(place, "p", O_RDWR);
    EQUAL(write(fd, "x", 1), 1);
    EQUAL(read(fd, &byte, 1), 1);
}

static void fifo_waits(struct place *place)
{
    make_fifo(place, "p", 0666);
    pid_t writer = (pid_t)MUST(fork());
    if (writer == 0) {
        int to = openat(place->fd, "p", O_WRONLY);
        _exit(write(to, "x", 1) == 1 ? 0 : 1);
    }
    char byte;
    EQUAL(read(open_it(place, "p", O_RDONLY), &byte, 1), 1);
}

static void fifo_truncate(struct place *place)
{
    make_fifo(place, "p", 0666);
    char byte;
    int fd = open_it(place, "p", O_RDWR);
    EQUAL(write(fd, "x", 1), 1);
    EQUAL(read(open_it(place, "p", O_RDWR | O_TRUNC), &byte, 1), 1);
}

static void socket_rule(struct place *place)
{
    MUST(mknodat(place->fd, "s", S_IFSOCK | 0666, 0));
    FAILS_EITHER(openat(place->fd, "s", O_RDWR), ENXIO, EOPNOTSUPP);
}

static void device_without_driver(struct place *place)
{
    NEEDS(devices_work(place), "mounted nodev");
    MUST(mknodat(place->fd, "c", S_IFCHR | 0666, makedev(120, 250)));
    FAILS_EITHER(openat(place->fd, "c", O_RDWR), ENXIO, ENODEV);
}

static void device_null(struct place *place)
{
    NEEDS(devices_work(place), "mounted nodev");
    char byte;
    MUST(mknodat(place->fd, "c", S_IFCHR | 0666, makedev(1, 3)));
    int fd = open_it(place, "c", O_RDWR);
    EQUAL(write(fd, "text", 4), 4);
    EQUAL(read(fd, &byte, 1), 0);
}

static const struct rule rules[] = {
    {"missing-file", "a name that is not there, without O_CREAT, is ENOENT", "POSIX open, ENOENT",
     missing_file},
    {"missing-directory", "a path through a directory that is not there is ENOENT",
     "POSIX open, ENOENT", missing_directory},
    {"missing-directory-create", "O_CREAT makes no directories on the way", "POSIX open, ENOENT",
     missing_directory_create},
    {"empty-path", "the empty path is ENOENT", "POSIX open, ENOENT", empty_path},
    {"through-file", "a path through a regular file is ENOTDIR", "POSIX open, ENOTDIR",
     through_file},
    {"through-file-create", "a path through a regular file is ENOTDIR with O_CREAT too",
     "POSIX open, ENOTDIR", through_file_create},
    {"through-fifo", "a path through a fifo is ENOTDIR and does not wait", "POSIX open, ENOTDIR",
     through_fifo},
    {"file-with-slash", "a regular file's name with a slash after it is ENOTDIR",
     "POSIX 4.13 pathname resolution", file_with_slash},
    {"directory-with-slash", "a directory's name may have slashes after it",
     "POSIX 4.13 pathname resolution", directory_with_slash},
    {"write-directory", "a directory cannot be opened for writing", "POSIX open, EISDIR",
     write_directory},
    {"read-write-directory", "a directory cannot be opened for reading and writing",
     "POSIX open, EISDIR", read_write_directory},
    {"truncate-directory",
     "a directory cannot be opened for writing with O_TRUNC, and keeps its entries",
     "POSIX open, EISDIR", truncate_directory},
    {"read-directory", "a directory opens for reading, and fstat tells that it is one",
     "POSIX open, DESCRIPTION", read_directory},
    {"directory-flag-on-file", "O_DIRECTORY on a regular file is ENOTDIR",
     "POSIX open, O_DIRECTORY", directory_flag_on_file},
    {"directory-flag-on-fifo", "O_DIRECTORY on a fifo is ENOTDIR at once",
     "POSIX open, O_DIRECTORY", directory_flag_on_fifo},
    {"directory-flag-follows", "O_DIRECTORY follows a symbolic link to a directory",
     "POSIX open, O_DIRECTORY", directory_flag_follows},
    {"directory-flag-link-to-file", "O_DIRECTORY on a symbolic link to a file is ENOTDIR",
     "POSIX open, O_DIRECTORY", directory_flag_link_to_file},
    {"directory-nofollow",
     "O_DIRECTORY with O_NOFOLLOW does not open a symbolic link to a directory",
     "POSIX open, O_NOFOLLOW", directory_nofollow},
    {"nofollow-link", "O_NOFOLLOW on a symbolic link is ELOOP", "POSIX open, O_NOFOLLOW",
     nofollow_link},
    {"nofollow-dangling", "O_NOFOLLOW on a link that leads nowhere is ELOOP, not ENOENT",
     "POSIX open, O_NOFOLLOW", nofollow_dangling},
    {"nofollow-create", "O_NOFOLLOW with O_CREAT does not make the target of a link",
     "POSIX open, O_NOFOLLOW", nofollow_create},
    {"nofollow-file", "O_NOFOLLOW opens what is not a link", "POSIX open, O_NOFOLLOW",
     nofollow_file},
    {"nofollow-earlier-link", "O_NOFOLLOW is about the last name only", "POSIX open, O_NOFOLLOW",
     nofollow_earlier_link},
    {"follows-link", "a symbolic link opens what it names", "POSIX open, DESCRIPTION",
     follows_link},
    {"dangling-link", "a symbolic link that leads nowhere is ENOENT without O_CREAT",
     "POSIX open, ENOENT", dangling_link},
    {"link-to-itself", "a symbolic link to itself is ELOOP", "POSIX open, ELOOP", link_to_itself},
    {"link-loop-create", "O_CREAT through a loop of links is ELOOP", "POSIX open, ELOOP",
     link_loop_create},
    {"long-name", "a name of 256 bytes is ENAMETOOLONG", "POSIX open, ENAMETOOLONG",
     long_name_rule},
    {"long-name-create", "a name of 256 bytes is not cut short by O_CREAT",
     "POSIX open, ENAMETOOLONG; _POSIX_NO_TRUNC", long_name_create},
    {"fifo-without-reader", "O_WRONLY with O_NONBLOCK on a fifo that nobody reads is ENXIO",
     "POSIX open, ENXIO", fifo_without_reader},
    {"fifo-with-reader", "O_WRONLY with O_NONBLOCK on a fifo succeeds once somebody reads",
     "POSIX open, O_NONBLOCK", fifo_with_reader},
    {"fifo-read-nonblocking", "O_RDONLY with O_NONBLOCK on a fifo does not wait for a writer",
     "POSIX open, O_NONBLOCK", fifo_read_nonblocking},
    {"fifo-both", "a fifo opens for reading and writing without another process", "fifo(7), O_RDWR",
     fifo_both},
    {"fifo-waits", "opening a fifo for reading waits until another process opens it for writing",
     "POSIX open, DESCRIPTION", fifo_waits},
    {"fifo-truncate", "O_TRUNC has no effect on a fifo", "POSIX open, O_TRUNC", fifo_truncate},
    {"socket", "a socket's name cannot be opened", "POSIX open, ENXIO or EOPNOTSUPP", socket_rule},
    {"device-without-driver", "a special file whose device does not exist is ENXIO",
     "POSIX open, ENXIO; open(2) ENODEV", device_without_driver},
    {"device-null", "a special file leads to the device of its number", "POSIX open, DESCRIPTION",
     device_null},
};

const struct subject subject_open = {"open", rules, sizeof rules / sizeof rules[0]};
