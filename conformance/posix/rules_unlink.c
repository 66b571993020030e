/*
 * Rules of unlink(): names that go, and files that stay as long as somebody has them open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int unlink_name(const struct place *place, const char *name)
{
    return unlinkat(place->fd, name, 0);
}

/* A file with this text, open for both, that has no name any more. */
static int open_unlinked(const struct place *place, const char *text)
{
    make_file(place, "f", 0666, text);
    int fd = open_at(place, "f", O_RDWR);
    MUST(unlink_name(place, "f"));
    return fd;
}

static void name_goes(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(unlink_name(place, "f"));
    HOLDS(!exists(place, "f"));
    EQUAL(count_entries(place, "."), 0);
}

static void link_count(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    MUST(linkat(place->fd, "f", place->fd, "h", 0));
    MUST(unlink_name(place, "g"));
    EQUAL(look(place, "f").st_nlink, 2);
    MUST(unlink_name(place, "f"));
    EQUAL(look(place, "h").st_nlink, 1);
}

static void change_time(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    struct stat before = look(place, "f");
    pass_time(place);
    MUST(unlink_name(place, "g"));
    struct stat after = look(place, "f");
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
    HOLDS(compare_times(after.st_mtim, before.st_mtim) == 0);
}

static void directory_times(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    struct stat before = look(place, ".");
    pass_time(place);
    MUST(unlink_name(place, "f"));
    struct stat after = look(place, ".");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void missing(struct place *place)
{
    struct stat before = look(place, ".");
    pass_time(place);
    FAILS(unlink_name(place, "none"), ENOENT);
    HOLDS(compare_times(look(place, ".").st_mtim, before.st_mtim) == 0);
}

static void twice(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(unlink_name(place, "f"));
    FAILS(unlink_name(place, "f"), ENOENT);
}

static void through_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(unlink_name(place, "f/g"), ENOTDIR);
}

static void with_slash(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(unlink_name(place, "f/"), ENOTDIR);
    HOLDS(exists(place, "f"));
}

static void directory(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS_EITHER(unlink_name(place, "d"), EISDIR, EPERM);
    HOLDS(exists(place, "d"));
}

static void symbolic_link(struct place *place)
{
    make_file(place, "f", 0666, "text");
    make_symlink(place, "f", "l");
    MUST(unlink_name(place, "l"));
    HOLDS(!exists(place, "l"));
    check_content(place, "f", "text");
}

static void symbolic_link_to_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d", "l");
    MUST(unlink_name(place, "l"));
    HOLDS(exists(place, "d"));
}

static void symbolic_link_dangling(struct place *place)
{
    make_symlink(place, "none", "l");
    MUST(unlink_name(place, "l"));
    HOLDS(!exists(place, "l"));
}

static void fifo_rule(struct place *place)
{
    make_fifo(place, "p", 0666);
    MUST(unlink_name(place, "p"));
    HOLDS(!exists(place, "p"));
}

static void long_name_rule(struct place *place)
{
    make_file(place, long_name(255), 0666, NULL);
    FAILS(unlink_name(place, long_name(256)), ENAMETOOLONG);
    MUST(unlink_name(place, long_name(255)));
    EQUAL(count_entries(place, "."), 0);
}

static void loop(struct place *place)
{
    make_symlink(place, "l", "l");
    FAILS(unlink_name(place, "l/f"), ELOOP);
}

static void dot(struct place *place)
{
    FAILS_EITHER(unlink_name(place, "."), EISDIR, EPERM);
}

static void empty_path(struct place *place)
{
    FAILS(unlink_name(place, ""), ENOENT);
}

static void bad_flag(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(unlinkat(place->fd, "f", 0x40000000), EINVAL);
    HOLDS(exists(place, "f"));
}

static void bad_descriptor(struct place *place)
{
    (void)place;
    FAILS(unlinkat(1000000, "f", 0), EBADF);
}

static void own_mode(struct place *place)
{
    make_file(place, "f", 0, NULL);
    MUST(unlink_name(place, "f"));
}

static void other_names_stay(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_file(place, "ff", 0666, NULL);
    MUST(unlink_name(place, "f"));
    HOLDS(exists(place, "ff"));
}

static void open_no_links(struct place *place)
{
    EQUAL(look_fd(open_unlinked(place, NULL)).st_nlink, 0);
}

static void open_ctime(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_at(place, "f", O_RDONLY);
    struct stat before = look_fd(fd);
    pass_time(place);
    MUST(unlink_name(place, "f"));
    HOLDS(compare_times(look_fd(fd).st_ctim, before.st_ctim) > 0);
}

static void open_read(struct place *place)
{
    char text[5] = "";
    int fd = open_unlinked(place, "text");
    EQUAL(read(fd, text, sizeof text), 4);
    EQUAL(strcmp(text, "text"), 0);
}

static void open_read_large(struct place *place)
{
    int fd = open_unlinked(place, NULL);
    write_pattern(fd, 0, 3000000);
    MUST(fsync(fd));
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    check_pattern(fd, 0, 3000000);
}

static void open_write(struct place *place)
{
    int fd = open_unlinked(place, "text");
    write_pattern(fd, 4, 100000);
    EQUAL(look_fd(fd).st_size, 100004);
    check_pattern(fd, 4, 100000);
}

static void open_truncate(struct place *place)
{
    int fd = open_unlinked(place, "text");
    MUST(ftruncate(fd, 2));
    EQUAL(look_fd(fd).st_size, 2);
    MUST(ftruncate(fd, 10000));
    check_zeros(fd, 2, 9998);
}

static void open_mode(struct place *place)
{
    int fd = open_unlinked(place, NULL);
    MUST(fchmod(fd, 0600));
    EQUAL(look_fd(fd).st_mode & 07777, 0600);
}

static void open_owner(struct place *place)
{
    int fd = open_unlinked(place, NULL);
    MUST(fchown(fd, USER_A, GROUP_A));
    EQUAL(look_fd(fd).st_uid, USER_A);
}

static void open_times(struct place *place)
{
    int fd = open_unlinked(place, NULL);
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    MUST(futimens(fd, times));
    EQUAL(look_fd(fd).st_mtim.tv_sec, 2000);
}

static void open_sync(struct place *place)
{
    int fd = open_unlinked(place, "text");
    MUST(fsync(fd));
    MUST(fdatasync(fd));
}

static void open_mapped(struct place *place)
{
    int fd = open_unlinked(place, "text");
    char *text = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    HOLDS(text != MAP_FAILED);
    MUST(close(fd));
    text[0] = 'n';
    EQUAL(memcmp(text, "next", 4), 0);
}

static void open_twice(struct place *place)
{
    make_file(place, "f", 0666, "text");
    int a = open_at(place, "f", O_RDONLY), b = open_at(place, "f", O_RDONLY);
    char byte = 0;
    MUST(unlink_name(place, "f"));
    MUST(close(a));
    EQUAL(read(b, &byte, 1), 1);
    EQUAL(byte, 't');
}

static void open_by_another(struct place *place)
{
    make_file(place, "f", 0666, "text");
    int fd = open_at(place, "f", O_RDONLY);
    if (MUST(fork()) == 0) {
        _exit(unlinkat(place->fd, "f", 0) == 0 ? 0 : 1);
    }
    for (int i = 0; i < 5000 && exists(place, "f"); i++) {
        usleep(1000);
    }
    char byte = 0;
    EQUAL(read(fd, &byte, 1), 1);
    EQUAL(look_fd(fd).st_nlink, 0);
}

static void open_reopened(struct place *place)
{
    char path[64], byte = 0;
    int fd = open_unlinked(place, "text");
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    EQUAL(read((int)MUST(open(path, O_RDONLY)), &byte, 1), 1);
    EQUAL(byte, 't');
}

static void open_new_of_the_name(struct place *place)
{
    int fd = open_unlinked(place, "old");
    make_file(place, "f", 0666, "new");
    EQUAL(pwrite(fd, "OLD", 3, 0), 3);
    check_content(place, "f", "new");
    HOLDS(look(place, "f").st_ino != look_fd(fd).st_ino);
}

static void open_append(struct place *place)
{
    make_file(place, "f", 0666, "one");
    int fd = open_at(place, "f", O_RDWR | O_APPEND);
    MUST(unlink_name(place, "f"));
    EQUAL(write(fd, "two", 3), 3);
    EQUAL(look_fd(fd).st_size, 6);
}

static void open_leaves_no_entry(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, "text");
    int fd = open_at(place, "d/f", O_RDWR);
    MUST(unlink_name(place, "d/f"));
    EQUAL(count_entries(place, "d"), 0);
    EQUAL(write(fd, "x", 1), 1);
}

static void open_hundred(struct place *place)
{
    int fds[100];
    for (int i = 0; i < 100; i++) {
        fds[i] = (int)MUST(openat(place->fd, "f", O_RDWR | O_CREAT | O_EXCL, 0666));
        MUST(unlink_name(place, "f"));
        EQUAL(write(fds[i], &i, sizeof i), sizeof i);
    }
    for (int i = 0; i < 100; i++) {
        int found = -1;
        EQUAL(pread(fds[i], &found, sizeof found, 0), sizeof found);
        EQUAL(found, i);
    }
}

static void hundreds(struct place *place)
{
    char name[16];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof name, "f%d", i);
        make_file(place, name, 0666, NULL);
    }
    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof name, "f%d", i);
        MUST(unlink_name(place, name));
        EQUAL(unlink_name(place, name), -1);
    }
    EQUAL(count_entries(place, "."), 0);
}

static const struct rule rules[] = {
    {"name-goes", "the name is gone", "POSIX unlink, DESCRIPTION", name_goes},
    {"link-count", "each name that is removed is one link less", "POSIX unlink, DESCRIPTION",
     link_count},
    {"change-time",
     "removing one of two names updates the file's time of change, not of modification",
     "POSIX unlink, DESCRIPTION", change_time},
    {"directory-times", "removing a name updates its directory's times of modification and change",
     "POSIX unlink, DESCRIPTION", directory_times},
    {"missing", "a name that is not there is ENOENT, and the directory's times stay",
     "POSIX unlink, ENOENT", missing},
    {"twice", "a name is removed once", "POSIX unlink, ENOENT", twice},
    {"through-file", "a path through a regular file is ENOTDIR", "POSIX unlink, ENOTDIR",
     through_file},
    {"with-slash", "a regular file's name with a slash after it is ENOTDIR, and the file stays",
     "POSIX 4.13 pathname resolution", with_slash},
    {"directory", "a directory is not removed by unlink", "POSIX unlink, EPERM; unlink(2), EISDIR",
     directory},
    {"symbolic-link", "the symbolic link goes, and what it names stays",
     "POSIX unlink, DESCRIPTION", symbolic_link},
    {"symbolic-link-to-directory", "a symbolic link to a directory is removed by unlink",
     "POSIX unlink, DESCRIPTION", symbolic_link_to_directory},
    {"symbolic-link-dangling", "a symbolic link that leads nowhere can be removed",
     "POSIX unlink, DESCRIPTION", symbolic_link_dangling},
    {"fifo", "a fifo is removed by unlink", "POSIX unlink, DESCRIPTION", fifo_rule},
    {"long-name", "a name of 255 bytes is removed, one of 256 is ENAMETOOLONG",
     "POSIX unlink, ENAMETOOLONG", long_name_rule},
    {"loop", "a path through a loop of symbolic links is ELOOP", "POSIX unlink, ELOOP", loop},
    {"dot", "dot cannot be unlinked", "POSIX unlink, EPERM; unlink(2), EISDIR", dot},
    {"empty-path", "the empty path is ENOENT", "POSIX unlink, ENOENT", empty_path},
    {"bad-flag", "a flag that unlinkat does not know is EINVAL", "POSIX unlinkat, EINVAL",
     bad_flag},
    {"bad-descriptor", "a descriptor that is not open is EBADF", "POSIX unlinkat, EBADF",
     bad_descriptor},
    {"own-mode", "the mode of the file that loses its name does not matter",
     "POSIX unlink, EACCES (of the directory only)", own_mode},
    {"other-names-stay", "names that begin alike are others", "POSIX unlink, DESCRIPTION",
     other_names_stay},
    {"open-no-links", "an open file without a name has no links", "POSIX unlink, DESCRIPTION",
     open_no_links},
    {"open-ctime", "losing the last name updates the time of change of a file that is open",
     "POSIX unlink, DESCRIPTION", open_ctime},
    {"open-read", "a file without a name can be read as long as it is open",
     "POSIX unlink, DESCRIPTION", open_read},
    {"open-read-large", "all of a large file without a name can be read, not only what is cached",
     "POSIX unlink, DESCRIPTION", open_read_large},
    {"open-write", "a file without a name can be written, and grows", "POSIX unlink, DESCRIPTION",
     open_write},
    {"open-truncate", "a file without a name can be truncated and extended",
     "POSIX unlink, DESCRIPTION; ftruncate", open_truncate},
    {"open-mode", "a file without a name can have its mode changed", "POSIX fchmod, DESCRIPTION",
     open_mode},
    {"open-owner", "a file without a name can have its owner changed", "POSIX fchown, DESCRIPTION",
     open_owner},
    {"open-times", "a file without a name can have its times set", "POSIX futimens, DESCRIPTION",
     open_times},
    {"open-sync", "a file without a name can be synced", "POSIX fsync, DESCRIPTION", open_sync},
    {"open-mapped", "a mapping of a file stays when its name and descriptor go",
     "POSIX mmap; unlink, DESCRIPTION", open_mapped},
    {"open-twice", "a file without a name stays until the last of its descriptors is closed",
     "POSIX unlink, DESCRIPTION", open_twice},
    {"open-by-another", "a file whose name another process removes can still be read",
     "POSIX unlink, DESCRIPTION", open_by_another},
    {"open-reopened", "a file without a name can be opened again by its descriptor",
     "proc(5), /proc/self/fd", open_reopened},
    {"open-new-of-the-name", "a new file of the name and the open one without it are two",
     "POSIX unlink, DESCRIPTION", open_new_of_the_name},
    {"open-append", "a file without a name that was opened with O_APPEND appends",
     "POSIX unlink, DESCRIPTION; open, O_APPEND", open_append},
    {"open-leaves-no-entry", "what an open file without a name is kept as shows in no listing",
     "POSIX unlink, DESCRIPTION", open_leaves_no_entry},
    {"open-hundred", "a hundred files can be open without names at once",
     "POSIX unlink, DESCRIPTION", open_hundred},
    {"hundreds", "after hundreds of names are removed the directory is empty",
     "POSIX unlink, DESCRIPTION", hundreds},
};

const struct subject subject_unlink = {"unlink", rules, sizeof rules / sizeof rules[0]};
