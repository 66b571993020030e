/*
 * Rules of reading directories, and of what a directory's descriptor is good for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "conformance/posix/listing.h"
#include "conformance/posix/posix.h"

static unsigned char type_of(const struct place *place, const char *name)
{
    DIR *stream = listing_open(place, ".");
    struct dirent *entry;
    unsigned char type = DT_UNKNOWN;

    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, name) == 0) {
            type = entry->d_type;
        }
    }
    closedir(stream);
    NEEDS(type != DT_UNKNOWN, "gives no types in listings, which readdir(3) allows");
    return type;
}

static void dot_and_dot_dot(struct place *place)
{
    make_dir(place, "d", 0755);
    DIR *stream = listing_open(place, "d");
    struct dirent *entry;
    int dot = 0, dot_dot = 0, others = 0;
    while ((entry = readdir(stream)) != NULL) {
        dot += strcmp(entry->d_name, ".") == 0;
        dot_dot += strcmp(entry->d_name, "..") == 0;
        others += entry->d_name[0] != '.';
    }
    EQUAL(dot, 1);
    EQUAL(dot_dot, 1);
    EQUAL(others, 0);
}

static void inode_numbers(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0755);
    make_symlink(place, "none", "l");
    DIR *stream = listing_open(place, ".");
    struct dirent *entry;
    while ((entry = listing_next(stream)) != NULL) {
        EQUAL(entry->d_ino, look(place, entry->d_name).st_ino);
    }
}

static void inode_number_of_dot(struct place *place)
{
    make_dir(place, "d", 0755);
    DIR *stream = listing_open(place, "d");
    struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0) {
            EQUAL(entry->d_ino, look(place, "d").st_ino);
        }
    }
}

static void inode_number_of_dot_dot(struct place *place)
{
    make_dir(place, "d", 0755);
    DIR *stream = listing_open(place, "d");
    struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, "..") == 0) {
            EQUAL(entry->d_ino, look_fd(place->fd).st_ino);
        }
    }
}

static void inode_number_after_rename(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    ino_t inode = look(place, "f").st_ino;
    MUST(renameat(place->fd, "f", place->fd, "g"));
    EQUAL(listing_next(listing_open(place, "."))->d_ino, inode);
}

static void inode_numbers_of_links(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    DIR *stream = listing_open(place, ".");
    ino_t first = listing_next(stream)->d_ino;
    EQUAL(listing_next(stream)->d_ino, first);
}

static void type_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    EQUAL(type_of(place, "f"), DT_REG);
}

static void type_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    EQUAL(type_of(place, "d"), DT_DIR);
    EQUAL(type_of(place, "."), DT_DIR);
    EQUAL(type_of(place, ".."), DT_DIR);
}

static void type_link(struct place *place)
{
    make_symlink(place, ".", "l");
    EQUAL(type_of(place, "l"), DT_LNK);
}

static void type_fifo(struct place *place)
{
    make_fifo(place, "p", 0666);
    EQUAL(type_of(place, "p"), DT_FIFO);
}

static void type_socket(struct place *place)
{
    MUST(mknodat(place->fd, "s", S_IFSOCK | 0666, 0));
    EQUAL(type_of(place, "s"), DT_SOCK);
}

static void type_devices(struct place *place)
{
    MUST(mknodat(place->fd, "c", S_IFCHR | 0666, makedev(1, 3)));
    MUST(mknodat(place->fd, "b", S_IFBLK | 0666, makedev(7, 0)));
    EQUAL(type_of(place, "c"), DT_CHR);
    EQUAL(type_of(place, "b"), DT_BLK);
}

static void type_after_reuse(struct place *place)
{
    make_dir(place, "x", 0755);
    EQUAL(type_of(place, "x"), DT_DIR);
    MUST(unlinkat(place->fd, "x", AT_REMOVEDIR));
    make_file(place, "x", 0666, NULL);
    EQUAL(type_of(place, "x"), DT_REG);
}

static void shared_offset(struct place *place)
{
    char buffer[65536];
    make_files(place, 10);
    int fd = open_at(place, ".", O_RDONLY | O_DIRECTORY);
    int copy = (int)MUST(dup(fd));
    while (MUST(syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
    }
    EQUAL(syscall(SYS_getdents64, copy, buffer, sizeof buffer), 0);
}

static void seek_to_start(struct place *place)
{
    char buffer[65536];
    make_files(place, 10);
    int fd = open_at(place, ".", O_RDONLY | O_DIRECTORY);
    long first = MUST(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
    MUST(lseek(fd, 0, SEEK_SET));
    EQUAL(syscall(SYS_getdents64, fd, buffer, sizeof buffer), first);
}

static void small_buffer(struct place *place)
{
    char buffer[8];
    int fd = open_at(place, ".", O_RDONLY | O_DIRECTORY);
    FAILS(syscall(SYS_getdents64, fd, buffer, sizeof buffer), EINVAL);
}

static void entry_by_entry(struct place *place)
{
    char buffer[280];
    long size;
    int calls = 0;
    make_files(place, 100);
    int fd = open_at(place, ".", O_RDONLY | O_DIRECTORY);
    long bytes = 0;
    while ((size = MUST(syscall(SYS_getdents64, fd, buffer, sizeof buffer))) > 0) {
        bytes += size;
        calls++;
    }
    HOLDS(calls >= 9);
    EQUAL(bytes, 2 * 24 + 10 * 24 + 90 * 24);
}

static void getdents_file(struct place *place)
{
    char buffer[1024];
    make_file(place, "f", 0666, NULL);
    FAILS(syscall(SYS_getdents64, open_at(place, "f", O_RDONLY), buffer, sizeof buffer), ENOTDIR);
}

static void opendir_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(fchdir(place->fd));
    FAILS(opendir("f") == NULL ? -1 : 0, ENOTDIR);
}

static void opendir_missing(struct place *place)
{
    MUST(fchdir(place->fd));
    FAILS(opendir("none") == NULL ? -1 : 0, ENOENT);
}

static void read_bytes(struct place *place)
{
    char byte;
    int fd = open_at(place, ".", O_RDONLY | O_DIRECTORY);
    FAILS(read(fd, &byte, 1), EISDIR);
    FAILS(pread(fd, &byte, 1, 0), EISDIR);
}

static void write_bytes(struct place *place)
{
    int fd = open_at(place, ".", O_RDONLY | O_DIRECTORY);
    FAILS(write(fd, "x", 1), EBADF);
}

static void truncate_it(struct place *place)
{
    make_dir(place, "d", 0777);
    MUST(fchdir(place->fd));
    FAILS(truncate("d", 0), EISDIR);
}

static void map_it(struct place *place)
{
    int fd = open_at(place, ".", O_RDONLY | O_DIRECTORY);
    FAILS(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0, ENODEV);
}

static void sync_rule(struct place *place)
{
    make_file(place, "f", 0666, "text");
    MUST(fsync(open_at(place, ".", O_RDONLY | O_DIRECTORY)));
}

static void sync_after_rename(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_file(place, "a/f", 0666, NULL);
    MUST(renameat(place->fd, "a/f", place->fd, "b/f"));
    MUST(fsync(open_at(place, "a", O_RDONLY | O_DIRECTORY)));
    MUST(fdatasync(open_at(place, "b", O_RDONLY | O_DIRECTORY)));
}

static void sync_removed(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(unlinkat(place->fd, "d", AT_REMOVEDIR));
    MUST(fsync(fd));
}

static void links_count_directories(struct place *place)
{
    char name[16];
    NEEDS(look(place, ".").st_nlink >= 2, "does not count the links of directories");
    make_dir(place, "d", 0755);
    for (int i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof name, "d/%d", i);
        make_dir(place, name, 0755);
    }
    EQUAL(look(place, "d").st_nlink, 52);
}

static void times_of_content(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    struct stat before = look(place, ".");
    pass_time(place);
    int fd = open_at(place, "f", O_WRONLY);
    EQUAL(write(fd, "text", 4), 4);
    MUST(fchmod(fd, 0600));
    HOLDS(compare_times(look(place, ".").st_mtim, before.st_mtim) == 0);
    HOLDS(compare_times(look(place, ".").st_ctim, before.st_ctim) == 0);
}

static void mode_of_open(struct place *place)
{
    make_dir(place, "d", 0755);
    MUST(fchmod(open_at(place, "d", O_RDONLY | O_DIRECTORY), 0700));
    EQUAL(look(place, "d").st_mode & 07777, 0700);
}

static const struct rule rules[] = {
    {"dot-and-dot-dot", "an empty directory lists dot and dot-dot, once each",
     "POSIX readdir, DESCRIPTION", dot_and_dot_dot},
    {"inode-numbers", "the inode numbers of a listing are those of stat", "POSIX dirent.h, d_ino",
     inode_numbers},
    {"inode-number-of-dot", "the inode number of dot in a listing is the directory's",
     "POSIX dirent.h, d_ino", inode_number_of_dot},
    {"inode-number-of-dot-dot", "the inode number of dot-dot in a listing is the parent's",
     "POSIX dirent.h, d_ino", inode_number_of_dot_dot},
    {"inode-number-after-rename", "a listing shows a renamed file with its old inode number",
     "POSIX dirent.h, d_ino; rename", inode_number_after_rename},
    {"inode-numbers-of-links", "links of one file are listed with one inode number",
     "POSIX dirent.h, d_ino; link", inode_numbers_of_links},
    {"type-file", "a listing tells a regular file", "readdir(3), d_type", type_file},
    {"type-directory", "a listing tells a directory, and dot and dot-dot as such",
     "readdir(3), d_type", type_directory},
    {"type-link", "a listing tells a symbolic link, also one to a directory", "readdir(3), d_type",
     type_link},
    {"type-fifo", "a listing tells a fifo", "readdir(3), d_type", type_fifo},
    {"type-socket", "a listing tells a socket", "readdir(3), d_type", type_socket},
    {"type-devices", "a listing tells character and block special files", "readdir(3), d_type",
     type_devices},
    {"type-after-reuse",
     "a listing tells types as they are when a file has the name of a removed directory",
     "readdir(3), d_type", type_after_reuse},
    {"shared-offset", "a duplicated descriptor of a directory shares its position",
     "POSIX dup; getdents(2)", shared_offset},
    {"seek-to-start", "lseek to 0 begins a directory's descriptor anew", "lseek(2); getdents(2)",
     seek_to_start},
    {"small-buffer", "a buffer that holds no entry is EINVAL", "getdents(2), EINVAL", small_buffer},
    {"entry-by-entry", "with a buffer for one long name a whole directory is read", "getdents(2)",
     entry_by_entry},
    {"getdents-file", "a regular file has no entries to read", "getdents(2), ENOTDIR",
     getdents_file},
    {"opendir-file", "opendir of a regular file is ENOTDIR", "POSIX opendir, ENOTDIR",
     opendir_file},
    {"opendir-missing", "opendir of a name that is not there is ENOENT", "POSIX opendir, ENOENT",
     opendir_missing},
    {"read-bytes", "the bytes of a directory cannot be read", "POSIX read, EISDIR", read_bytes},
    {"write-bytes", "the bytes of a directory cannot be written", "POSIX write, EBADF",
     write_bytes},
    {"truncate-it", "a directory is not truncated by its path", "POSIX truncate, EISDIR",
     truncate_it},
    {"map-it", "a directory cannot be mapped", "POSIX mmap, ENODEV", map_it},
    {"sync", "a directory can be synced, after a file was made in it",
     "POSIX fsync, DESCRIPTION; fsync(2), NOTES", sync_rule},
    {"sync-after-rename", "both directories of a rename can be synced", "fsync(2), NOTES",
     sync_after_rename},
    {"sync-removed", "a directory that was removed while open can be synced", "fsync(2)",
     sync_removed},
    {"links-count-directories", "a directory has two links and one for each directory in it",
     "POSIX 3.125 directory; XFS and ext4", links_count_directories},
    {"times-of-content", "writing to a file changes nothing of its directory",
     "POSIX 4.9 file times update", times_of_content},
    {"mode-of-open", "a directory that is open can have its mode changed",
     "POSIX fchmod, DESCRIPTION", mode_of_open},
};

const struct subject subject_dir = {"dir", rules, sizeof rules / sizeof rules[0]};
