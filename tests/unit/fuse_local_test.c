/*
 * The FUSE frontend with the real kernel over a plain directory, used by system calls. Skipped
 * where /dev/fuse cannot be opened.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include "backend/base/scope.h"
#include "gateway/trivet.h"
#include "tests/lib/fuse_fixture.h"

enum {
    WATCHDOG_SECONDS = 100,
    ENTRIES = 5000,
    WRITERS = 4,
    RECORDS = 200,
    LARGE = 3 * 1024 * 1024
};

static void put(const char *name, const char *text)
{
    int fd = open(fuse_at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CU_ASSERT_TRUE(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    CU_ASSERT_EQUAL(close(fd), 0);
}

static bool holds(const char *path, const char *text)
{
    char buffer[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer));
    close(fd);
    return size == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)size) == 0;
}

static struct stat stat_of(const char *name)
{
    struct stat stat_buffer = {0};
    CU_ASSERT_EQUAL(lstat(fuse_at(name), &stat_buffer), 0);
    return stat_buffer;
}

static int fails_with(int result)
{
    return result == -1 ? errno : 0;
}

static int open_local(const char *name, struct volume **out_volume)
{
    char error[512];
    int status = volume_open(name, &(struct volume_options){0}, out_volume, error, sizeof(error));
    if (status != 0) {
        fprintf(stderr, "%s\n", error);
    }
    return status;
}

static int start_local(void)
{
    char name[128];
    snprintf(name, sizeof(name), "local:%s", fuse_tree);
    return fuse_server_start(open_local, name) ? 0 : 1;
}

static void test_the_root_is_a_directory(void)
{
    struct stat root = stat_of(".");
    CU_ASSERT_TRUE(S_ISDIR(root.st_mode));
    CU_ASSERT_EQUAL(root.st_ino, 1);
    CU_ASSERT_TRUE(fuse_is_mounted());
    CU_ASSERT_EQUAL(fails_with(lstat(fuse_at("nothing"), &root)), ENOENT);
}

static void test_files_are_made_written_and_read(void)
{
    char path[256];
    put("file", "hello\n");
    CU_ASSERT_TRUE(holds(fuse_at("file"), "hello\n"));
    snprintf(path, sizeof(path), "%s/file", fuse_tree);
    CU_ASSERT_TRUE(holds(path, "hello\n")); /* acknowledged is there */
    CU_ASSERT_EQUAL(stat_of("file").st_size, 6);
    CU_ASSERT_EQUAL(stat_of("file").st_mode, (mode_t)(S_IFREG | 0644));
    CU_ASSERT_EQUAL(fails_with(open(fuse_at("file"), O_CREAT | O_EXCL | O_RDWR, 0600)), EEXIST);
    put("file", "bye\n"); /* O_TRUNC */
    CU_ASSERT_TRUE(holds(fuse_at("file"), "bye\n"));
    int fd = open(fuse_at("file"), O_RDONLY | O_CREAT | O_CLOEXEC, 0600); /* opens what is there */
    CU_ASSERT_TRUE(fd >= 0);
    close(fd);
    CU_ASSERT_TRUE(holds(fuse_at("file"), "bye\n"));
    CU_ASSERT_EQUAL(unlink(fuse_at("file")), 0);
    CU_ASSERT_EQUAL(fails_with(open(fuse_at("file"), O_RDONLY)), ENOENT);
}

static void test_umask_and_owner(void)
{
    mode_t old = umask(027);
    int fd = open(fuse_at("masked"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    CU_ASSERT_TRUE(fd >= 0);
    close(fd);
    CU_ASSERT_EQUAL(mkdir(fuse_at("masked_directory"), 0777), 0);
    umask(old);
    CU_ASSERT_EQUAL(stat_of("masked").st_mode & 07777, 0640);
    CU_ASSERT_EQUAL(stat_of("masked_directory").st_mode & 07777, 0750);
    CU_ASSERT_EQUAL(chown(fuse_at("masked"), 1234, 2345), 0);
    CU_ASSERT_EQUAL(stat_of("masked").st_uid, 1234);
    CU_ASSERT_EQUAL(stat_of("masked").st_gid, 2345);
    CU_ASSERT_EQUAL(chmod(fuse_at("masked"), 0400), 0);
    CU_ASSERT_EQUAL(stat_of("masked").st_mode & 07777, 0400);
    pid_t other = fork();
    if (other == 0) { /* the kernel checks permissions by what the volume says */
        if (setgid(5000) != 0 || setuid(5000) != 0) {
            _exit(9);
        }
        _exit(fails_with(open(fuse_at("masked"), O_RDONLY)) == EACCES ? 0 : 1);
    }
    CU_ASSERT_EQUAL(fuse_child_wait(other, 10000), 0);
    CU_ASSERT_EQUAL(unlink(fuse_at("masked")), 0);
    CU_ASSERT_EQUAL(rmdir(fuse_at("masked_directory")), 0);
}

static void test_append_goes_to_the_end(void)
{
    put("log", "a");
    int first = open(fuse_at("log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    int second = open(fuse_at("log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    CU_ASSERT_EQUAL(write(first, "b", 1), 1);
    CU_ASSERT_EQUAL(write(second, "c", 1), 1);
    CU_ASSERT_EQUAL(write(first, "d", 1), 1);
    close(first);
    close(second);
    CU_ASSERT_TRUE(holds(fuse_at("log"), "abcd"));
    CU_ASSERT_EQUAL(unlink(fuse_at("log")), 0);
}

static void test_truncate_and_holes(void)
{
    char byte = 'x';
    put("hole", "1234567890");
    CU_ASSERT_EQUAL(truncate(fuse_at("hole"), 4), 0);
    CU_ASSERT_TRUE(holds(fuse_at("hole"), "1234"));
    int fd = open(fuse_at("hole"), O_RDWR | O_CLOEXEC);
    CU_ASSERT_EQUAL(ftruncate(fd, 100000), 0);
    CU_ASSERT_EQUAL(pread(fd, &byte, 1, 99999), 1);
    CU_ASSERT_EQUAL(byte, 0);
    CU_ASSERT_EQUAL(pwrite(fd, "end", 3, 200000), 3);
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), 200003);
    CU_ASSERT_EQUAL(pread(fd, &byte, 1, 200003), 0);
    CU_ASSERT_EQUAL(fsync(fd), 0);
    CU_ASSERT_EQUAL(fdatasync(fd), 0);
    close(fd);
    CU_ASSERT_EQUAL(unlink(fuse_at("hole")), 0);
}

static void test_large_data_arrives_whole(void)
{
    AUTO_FREE uint8_t *out = malloc(LARGE);
    AUTO_FREE uint8_t *in = malloc(LARGE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    for (size_t i = 0; i < LARGE; i++) {
        out[i] = (uint8_t)(i * 31 + i / 4096);
    }
    int fd = open(fuse_at("large"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL(write(fd, out, LARGE), LARGE);
    close(fd);
    fd = open(fuse_at("large"), O_RDONLY | O_CLOEXEC);
    CU_ASSERT_EQUAL(read(fd, in, LARGE), LARGE);
    CU_ASSERT_EQUAL(memcmp(in, out, LARGE), 0);
    close(fd);
    CU_ASSERT_EQUAL(unlink(fuse_at("large")), 0);
}

static void test_names_links_and_renames(void)
{
    char target[64] = "";
    put("a", "A");
    put("b", "B");
    CU_ASSERT_EQUAL(link(fuse_at("a"), fuse_at("a2")), 0);
    CU_ASSERT_EQUAL(stat_of("a").st_nlink, 2);
    CU_ASSERT_EQUAL(stat_of("a").st_ino, stat_of("a2").st_ino);
    CU_ASSERT_EQUAL(fails_with(link(fuse_at("a"), fuse_at("b"))), EEXIST);
    CU_ASSERT_EQUAL(rename(fuse_at("a"), fuse_at("b")), 0);
    CU_ASSERT_TRUE(holds(fuse_at("b"), "A"));
    CU_ASSERT_EQUAL(fails_with(open(fuse_at("a"), O_RDONLY)), ENOENT);
    put("c", "C");
    CU_ASSERT_EQUAL(
        fails_with(renameat2(AT_FDCWD, fuse_at("b"), AT_FDCWD, fuse_at("c"), RENAME_NOREPLACE)),
        EEXIST);
    CU_ASSERT_EQUAL(symlink("b", fuse_at("s")), 0);
    CU_ASSERT_EQUAL(readlink(fuse_at("s"), target, sizeof(target)), 1);
    CU_ASSERT_STRING_EQUAL(target, "b");
    CU_ASSERT_TRUE(holds(fuse_at("s"), "A"));
    CU_ASSERT_EQUAL(mkdir(fuse_at("d"), 0755), 0);
    CU_ASSERT_EQUAL(rename(fuse_at("c"), fuse_at("d/c")), 0);
    CU_ASSERT_EQUAL(fails_with(rmdir(fuse_at("d"))), ENOTEMPTY);
    CU_ASSERT_EQUAL(fails_with(unlink(fuse_at("d"))), EISDIR);
    CU_ASSERT_EQUAL(fails_with(rmdir(fuse_at("b"))), ENOTDIR);
    CU_ASSERT_EQUAL(rename(fuse_at("d"), fuse_at("e")), 0);
    CU_ASSERT_TRUE(holds(fuse_at("e/c"), "C"));
    CU_ASSERT_EQUAL(mkfifo(fuse_at("fifo"), 0600), 0);
    CU_ASSERT_TRUE(S_ISFIFO(stat_of("fifo").st_mode));
    CU_ASSERT_EQUAL(mknod(fuse_at("device"), S_IFCHR | 0600, makedev(1, 3)), 0);
    CU_ASSERT_EQUAL(stat_of("device").st_rdev, makedev(1, 3));
    char name[300];
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    CU_ASSERT_EQUAL(mkdir(fuse_at(name), 0755), 0);
    CU_ASSERT_EQUAL(rmdir(fuse_at(name)), 0);
    name[255] = 'n';
    name[256] = '\0';
    CU_ASSERT_EQUAL(fails_with(mkdir(fuse_at(name), 0755)), ENAMETOOLONG);
    const char *names[] = {"a2", "b", "s", "e/c", "fifo", "device"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CU_ASSERT_EQUAL(unlink(fuse_at(names[i])), 0);
    }
    CU_ASSERT_EQUAL(rmdir(fuse_at("e")), 0);
}

static void test_times_are_set(void)
{
    struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 123456789},
                                {.tv_sec = -5, .tv_nsec = 1}};
    put("time", "t");
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, fuse_at("time"), times, 0), 0);
    struct stat stat_buffer = stat_of("time");
    CU_ASSERT_EQUAL(stat_buffer.st_atim.tv_sec, 1000000000);
    CU_ASSERT_EQUAL(stat_buffer.st_atim.tv_nsec, 123456789);
    CU_ASSERT_EQUAL(stat_buffer.st_mtim.tv_sec, -5);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, fuse_at("time"), times, 0), 0);
    stat_buffer = stat_of("time");
    CU_ASSERT_EQUAL(stat_buffer.st_atim.tv_sec, 1000000000);
    CU_ASSERT_TRUE(stat_buffer.st_mtim.tv_sec > 1000000000);
    CU_ASSERT_EQUAL(unlink(fuse_at("time")), 0);
}

static void test_large_directories_are_listed_whole(void)
{
    static bool seen[ENTRIES];
    char name[32];
    int wrong = 0, dots = 0, count = 0;
    CU_ASSERT_EQUAL(mkdir(fuse_at("many"), 0755), 0);
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof(name), "many/entry-%d", i);
        wrong += mknod(fuse_at(name), S_IFREG | 0600, 0) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    DIR *directory = opendir(fuse_at("many"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(directory);
    long middle = 0;
    char after_middle[32] = "";
    for (struct dirent *entry; (entry = readdir(directory)) != NULL; count++) {
        int number = -1;
        if (count == ENTRIES / 2 + 1) {
            snprintf(after_middle, sizeof(after_middle), "%.31s", entry->d_name);
        }
        if (sscanf(entry->d_name, "entry-%d", &number) == 1) {
            wrong += number < 0 || number >= ENTRIES || seen[number] || entry->d_ino == 0;
            seen[number] = true;
        } else {
            dots += strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
            wrong += strcmp(entry->d_name, "..") == 0 && entry->d_ino != 1;
        }
        middle = count == ENTRIES / 2 ? telldir(directory) : middle;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(dots, 2);
    CU_ASSERT_EQUAL(count, ENTRIES + 2);
    seekdir(directory, middle);
    struct dirent *again = readdir(directory);
    CU_ASSERT_PTR_NOT_NULL_FATAL(again);
    CU_ASSERT_STRING_EQUAL(again->d_name, after_middle);
    rewinddir(directory);
    for (count = 0; readdir(directory); count++) {
    }
    CU_ASSERT_EQUAL(count, ENTRIES + 2);
    closedir(directory);
}

static void test_directories_are_emptied_while_listed(void)
{
    int wrong = 0;
    DIR *directory = opendir(fuse_at("many"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') {
            wrong += unlinkat(dirfd(directory), entry->d_name, 0) != 0;
        }
    }
    closedir(directory);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(rmdir(fuse_at("many")), 0);
}

/* Sizes that a listing brings must not be older than what this client wrote meanwhile. */
static void test_listings_do_not_bring_old_attributes(void)
{
    char name[32];
    struct stat stat_buffer;
    int wrong = 0;
    CU_ASSERT_EQUAL(mkdir(fuse_at("list"), 0755), 0);
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof(name), "list/%d", i);
        put(name, "x");
    }
    DIR *directory = opendir(fuse_at("list"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(directory);
    (void)readdir(directory);
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof(name), "list/%d", i);
        put(name, "longer");
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') {
            wrong += fstatat(dirfd(directory), entry->d_name, &stat_buffer, 0) != 0 ||
                     stat_buffer.st_size != 6;
        }
    }
    closedir(directory);
    CU_ASSERT_EQUAL(wrong, 0);
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof(name), "list/%d", i);
        wrong += unlink(fuse_at(name)) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(rmdir(fuse_at("list")), 0);
}

static void test_mappings_are_read_and_written(void)
{
    char path[256];
    put("mapped", "0123456789");
    int fd = open(fuse_at("mapped"), O_RDWR | O_CLOEXEC);
    char *map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CU_ASSERT_TRUE_FATAL(map != MAP_FAILED);
    CU_ASSERT_EQUAL(memcmp(map, "0123456789", 10), 0);
    memcpy(map, "abc", 3);
    CU_ASSERT_EQUAL(msync(map, 10, MS_SYNC), 0);
    snprintf(path, sizeof(path), "%s/mapped", fuse_tree);
    CU_ASSERT_TRUE(holds(path, "abc3456789"));
    memcpy(map, "xyz", 3);
    CU_ASSERT_EQUAL(munmap(map, 10), 0);
    CU_ASSERT_EQUAL(close(fd), 0);
    CU_ASSERT_TRUE(holds(path, "xyz3456789")); /* close writes back */
    CU_ASSERT_EQUAL(unlink(fuse_at("mapped")), 0);
}

static void test_what_is_open_outlives_its_name(void)
{
    char buffer[8] = "";
    put("open", "still");
    put("other", "new");
    int fd = open(fuse_at("open"), O_RDWR | O_CLOEXEC);
    struct stat stat_buffer;
    CU_ASSERT_EQUAL(unlink(fuse_at("open")), 0);
    CU_ASSERT_EQUAL(fails_with(lstat(fuse_at("open"), &stat_buffer)), ENOENT);
    CU_ASSERT_EQUAL(pread(fd, buffer, 5, 0), 5);
    CU_ASSERT_EQUAL(memcmp(buffer, "still", 5), 0);
    CU_ASSERT_EQUAL(pwrite(fd, "S", 1, 0), 1);
    CU_ASSERT_EQUAL(fstat(fd, &stat_buffer), 0);
    CU_ASSERT_EQUAL(stat_buffer.st_nlink, 0);
    close(fd);
    fd = open(fuse_at("other"), O_RDONLY | O_CLOEXEC);
    put("replacement", "r");
    CU_ASSERT_EQUAL(rename(fuse_at("replacement"), fuse_at("other")), 0);
    CU_ASSERT_EQUAL(pread(fd, buffer, 3, 0), 3);
    CU_ASSERT_EQUAL(memcmp(buffer, "new", 3), 0);
    CU_ASSERT_TRUE(holds(fuse_at("other"), "r"));
    close(fd);
    CU_ASSERT_EQUAL(unlink(fuse_at("other")), 0);
}

static int count_entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    while (directory && readdir(directory)) {
        count++;
    }
    if (directory) {
        closedir(directory);
    }
    return count;
}

/* Nothing of what the tests before made, with or without a name. */
static void test_nothing_remains(void)
{
    int count = 0;
    for (int i = 0; i < 500 && (count = count_entries(fuse_tree)) != 2; i++) {
        struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    CU_ASSERT_EQUAL(count, 2);
    CU_ASSERT_EQUAL(count_entries(fuse_mount_point), 2);
}

static void test_extended_attributes(void)
{
    char value[16], names[64];
    put("plain", "p");
    const char *path = fuse_at("plain");
    CU_ASSERT_EQUAL(fails_with((int)getxattr(path, "user.x", value, sizeof(value))), ENODATA);
    CU_ASSERT_EQUAL(setxattr(path, "user.x", "12345", 5, XATTR_CREATE), 0);
    CU_ASSERT_EQUAL(fails_with(setxattr(path, "user.x", "1", 1, XATTR_CREATE)), EEXIST);
    CU_ASSERT_EQUAL(getxattr(path, "user.x", NULL, 0), 5);
    CU_ASSERT_EQUAL(fails_with((int)getxattr(path, "user.x", value, 4)), ERANGE);
    CU_ASSERT_EQUAL(getxattr(path, "user.x", value, sizeof(value)), 5);
    CU_ASSERT_EQUAL(memcmp(value, "12345", 5), 0);
    CU_ASSERT_EQUAL(listxattr(path, names, sizeof(names)), 7);
    CU_ASSERT_STRING_EQUAL(names, "user.x");
    CU_ASSERT_EQUAL(removexattr(path, "user.x"), 0);
    CU_ASSERT_EQUAL(listxattr(path, NULL, 0), 0);
    CU_ASSERT_EQUAL(unlink(path), 0);
}

static void test_space(void)
{
    char bytes[4096] = "data", back[4096];
    int fd = open(fuse_at("space"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(fallocate(fd, 0, 0, 65536), 0);
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), 65536);
    CU_ASSERT_EQUAL(pwrite(fd, bytes, sizeof(bytes), 32768), 4096);
    CU_ASSERT_EQUAL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 32768), 0);
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_DATA), 32768);
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_HOLE), 0);
    CU_ASSERT_EQUAL(fails_with((int)lseek(fd, 65536, SEEK_DATA)), ENXIO);
    int copy = open(fuse_at("copy"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    off_t from = 32768, to = 100;
    CU_ASSERT_EQUAL(copy_file_range(fd, &from, copy, &to, 4096, 0), 4096);
    CU_ASSERT_EQUAL(pread(copy, back, sizeof(back), 100), 4096);
    CU_ASSERT_EQUAL(memcmp(bytes, back, sizeof(back)), 0);
    close(copy);
    close(fd);
    CU_ASSERT_EQUAL(unlink(fuse_at("space")), 0);
    CU_ASSERT_EQUAL(unlink(fuse_at("copy")), 0);
}

static void test_files_without_a_name(void)
{
    struct stat stat;
    struct statx statx_buffer;
    int fd = open(fuse_mount_point, O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, "abc", 3), 3);
    CU_ASSERT_EQUAL(fstat(fd, &stat), 0);
    CU_ASSERT_EQUAL(stat.st_nlink, 0);
    CU_ASSERT_EQUAL(stat.st_mode & 07777, 0640);
    CU_ASSERT_EQUAL(count_entries(fuse_mount_point), 2);
    CU_ASSERT_EQUAL(linkat(fd, "", AT_FDCWD, fuse_at("named"), AT_EMPTY_PATH), 0);
    CU_ASSERT_EQUAL(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &statx_buffer),
                    0);
    CU_ASSERT_TRUE(statx_buffer.stx_mask & STATX_BTIME);
    CU_ASSERT_TRUE(statx_buffer.stx_btime.tv_sec > 0);
    CU_ASSERT_EQUAL(statx_buffer.stx_nlink, 1);
    CU_ASSERT_EQUAL(unlink(fuse_at("named")), 0);
    CU_ASSERT_EQUAL(fstat(fd, &stat), 0);
    CU_ASSERT_EQUAL(stat.st_nlink, 0);
    CU_ASSERT_EQUAL(stat.st_size, 3);
    close(fd);
}

static void test_names_change_places(void)
{
    put("left", "l");
    CU_ASSERT_EQUAL(mkdir(fuse_at("right"), 0755), 0);
    char left[PATH_MAX];
    snprintf(left, sizeof(left), "%s", fuse_at("left"));
    CU_ASSERT_EQUAL(renameat2(AT_FDCWD, left, AT_FDCWD, fuse_at("right"), RENAME_EXCHANGE), 0);
    CU_ASSERT_EQUAL(rmdir(left), 0);
    CU_ASSERT_EQUAL(unlink(fuse_at("right")), 0);
}

static void test_statfs_and_fsync_of_a_directory(void)
{
    struct statvfs statvfs_buffer;
    CU_ASSERT_EQUAL(statvfs(fuse_mount_point, &statvfs_buffer), 0);
    CU_ASSERT_TRUE(statvfs_buffer.f_blocks > 0);
    CU_ASSERT_EQUAL(statvfs_buffer.f_namemax, 255);
    int fd = open(fuse_mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_EQUAL(fsync(fd), 0);
    close(fd);
}

static int append_records(int writer)
{
    char record[16];
    int fd = open(fuse_at("records"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int wrong = fd < 0;
    for (int i = 0; i < RECORDS; i++) {
        snprintf(record, sizeof(record), "%c%06d\n", 'a' + writer, i);
        wrong += write(fd, record, 8) != 8;
    }
    close(fd);
    return wrong != 0;
}

static void test_concurrent_appends_are_whole(void)
{
    pid_t writers[WRITERS];
    int next[WRITERS] = {0}, wrong = 0;
    char record[16] = "";
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = fork();
        if (writers[i] == 0) {
            _exit(append_records(i));
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        CU_ASSERT_EQUAL(fuse_child_wait(writers[i], 30000), 0);
    }
    CU_ASSERT_EQUAL(stat_of("records").st_size, WRITERS * RECORDS * 8);
    FILE *records = fopen(fuse_at("records"), "re");
    while (records && fread(record, 8, 1, records) == 1) {
        int writer = record[0] - 'a';
        wrong += writer < 0 || writer >= WRITERS || atoi(record + 1) != next[writer]++;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    fclose(records);
    CU_ASSERT_EQUAL(unlink(fuse_at("records")), 0);
}

static void test_unmounting_ends_the_server(void)
{
    CU_ASSERT_EQUAL(umount2(fuse_mount_point, 0), 0);
    CU_ASSERT_TRUE(fuse_server_ended());
    CU_ASSERT_FALSE(fuse_is_mounted());
}

/* SIGTERM with a dirty mapping and an open file: what was mapped is written, the mount goes. */
static void test_sigterm_unmounts(void)
{
    char path[256];
    CU_ASSERT_EQUAL_FATAL(start_local(), 0);
    put("kept", "0123456789");
    int fd = open(fuse_at("kept"), O_RDWR | O_CLOEXEC);
    char *map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CU_ASSERT_TRUE_FATAL(map != MAP_FAILED);
    memcpy(map, "dirty", 5);
    CU_ASSERT_EQUAL(kill(fuse_server, SIGTERM), 0);
    CU_ASSERT_TRUE(fuse_server_ended());
    CU_ASSERT_FALSE(fuse_is_mounted());
    munmap(map, 10);
    close(fd);
    snprintf(path, sizeof(path), "%s/kept", fuse_tree);
    CU_ASSERT_TRUE(holds(path, "dirty56789"));
    CU_ASSERT_EQUAL(unlink(path), 0);
}

static void add_tests(void)
{
    CU_pSuite local = CU_add_suite("a plain directory", start_local, fuse_server_clean);
    CU_ADD_TEST(local, test_the_root_is_a_directory);
    CU_ADD_TEST(local, test_files_are_made_written_and_read);
    CU_ADD_TEST(local, test_umask_and_owner);
    CU_ADD_TEST(local, test_append_goes_to_the_end);
    CU_ADD_TEST(local, test_truncate_and_holes);
    CU_ADD_TEST(local, test_large_data_arrives_whole);
    CU_ADD_TEST(local, test_names_links_and_renames);
    CU_ADD_TEST(local, test_times_are_set);
    CU_ADD_TEST(local, test_large_directories_are_listed_whole);
    CU_ADD_TEST(local, test_directories_are_emptied_while_listed);
    CU_ADD_TEST(local, test_listings_do_not_bring_old_attributes);
    CU_ADD_TEST(local, test_mappings_are_read_and_written);
    CU_ADD_TEST(local, test_what_is_open_outlives_its_name);
    CU_ADD_TEST(local, test_statfs_and_fsync_of_a_directory);
    CU_ADD_TEST(local, test_extended_attributes);
    CU_ADD_TEST(local, test_space);
    CU_ADD_TEST(local, test_files_without_a_name);
    CU_ADD_TEST(local, test_names_change_places);
    CU_ADD_TEST(local, test_concurrent_appends_are_whole);
    CU_ADD_TEST(local, test_nothing_remains);
    CU_ADD_TEST(local, test_unmounting_ends_the_server);
    CU_ADD_TEST(local, test_sigterm_unmounts);
}

int main(void)
{
    const char *skip = fuse_reason_to_skip();
    if (skip) {
        printf("skipped: %s\n", skip);
        return 0;
    }
    if (!fuse_work_begin(WATCHDOG_SECONDS)) {
        perror("a temporary directory in a mount name space");
        return 1;
    }
    CU_initialize_registry();
    add_tests();
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    fuse_work_end();
    return failures != 0;
}
