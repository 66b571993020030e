/*
 * The FUSE frontend with the real kernel: a plain directory is mounted by a child process and used
 * by system calls; then a volume that answers names but parks every READ and WRITE, to see that
 * what
 * waits on it can be killed and the mount be taken down. Skipped where /dev/fuse cannot be opened.
 * Whatever happens, the mount is gone at the end: a watchdog sees to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"
#include "gateway/volume.h"

enum {
    WATCHDOG_SECONDS = 100,
    ENTRIES = 5000,
    WRITERS = 4,
    RECORDS = 200,
    LARGE = 3 * 1024 * 1024
};

static char work[64], tree[80], mount_point[80];
static pid_t server;

/* ---- a volume that parks
 * ------------------------------------------------------------------------ */

struct parking_volume {
    struct volume volume;
    pthread_mutex_t lock;
    struct volume_request *parked;
    bool answers;
};

static void parking_reply(struct volume_request *request)
{
    struct reply *reply = &request->reply;
    struct attr root = {
        .type = OBJECT_DIRECTORY, .mode = 0755, .nlink = 2, .gfid = GFID_ROOT, .parent = GFID_ROOT};
    struct attr file = {
        .type = OBJECT_FILE, .mode = 0644, .nlink = 1, .size = 4096, .gfid = gfid_make(0, 1, 2)};
    reply->object = request->op == VOLUME_LOOKUP || !gfid_is_root(&request->object) ? file : root;
    reply->parent = root;
    if (request->op == VOLUME_LOOKUP && !slice_equal(request->name, slice_text("file"))) {
        reply->status = -ENOENT;
        reply->object = (struct attr){0};
    }
    volume_complete(request);
}

static void parking_submit(struct volume *volume, struct volume_request *request)
{
    struct parking_volume *parking = (struct parking_volume *)volume;
    if (request->op != VOLUME_READ && request->op != VOLUME_WRITE) {
        parking_reply(request);
        return;
    }
    AUTO_LOCK(&parking->lock);
    request->next = parking->parked;
    parking->parked = request;
}

static void parking_cancel(struct volume *volume, struct volume_request *request)
{
    struct parking_volume *parking = (struct parking_volume *)volume;
    bool is_found = false;
    {
        AUTO_LOCK(&parking->lock);
        for (struct volume_request **place = &parking->parked; *place; place = &(*place)->next) {
            if (*place == request) {
                *place = request->next;
                is_found = true;
                break;
            }
        }
    }
    if (is_found) {
        request->reply.status = -EINTR;
        volume_complete(request);
    }
}

static void parking_cancel_all(struct volume *volume, int status)
{
    struct parking_volume *parking = (struct parking_volume *)volume;
    for (;;) {
        struct volume_request *request;
        {
            AUTO_LOCK(&parking->lock);
            request = parking->parked;
            if (!request) {
                return;
            }
            parking->parked = request->next;
        }
        request->reply.status = status;
        volume_complete(request);
    }
}

static bool parking_answers(const struct volume *volume)
{
    return ((const struct parking_volume *)volume)->answers;
}

static void parking_stats(const struct volume *volume, struct volume_stats *out_stats)
{
    (void)volume;
    (void)out_stats;
}

static void parking_close(struct volume *volume)
{
    free(volume);
}

static const struct volume_ops parking_ops = {.submit = parking_submit,
                                              .cancel = parking_cancel,
                                              .cancel_all = parking_cancel_all,
                                              .answers = parking_answers,
                                              .stats = parking_stats,
                                              .close = parking_close};

static int parking_open(bool answers, struct volume **out_volume)
{
    struct parking_volume *parking = calloc(1, sizeof(*parking));
    if (!parking) {
        return -ENOMEM;
    }
    parking->volume.ops = &parking_ops;
    parking->answers = answers;
    pthread_mutex_init(&parking->lock, NULL);
    *out_volume = &parking->volume;
    return 0;
}

/* ---- the child that serves
 * ----------------------------------------------------------------------- */

static int serve(const char *volume_name, int ready_fd)
{
    static struct mount_options options;
    char error[512] = "", threads[] = "threads=3";
    char *argv[] = {(char[]){"trivet-fuse"}, (char[]){"-o"}, threads,
                    (char *)(uintptr_t)volume_name, mount_point};
    struct frontend *frontend;
    sigset_t stop;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    AUTO_CLOSE int stop_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    if (mount_options_parse(5, argv, &options, error, sizeof(error)) != 0 ||
        frontend_new(&options, &frontend) != 0) {
        return 1;
    }
    int status;
    if (strncmp(volume_name, "park", 4) == 0) {
        status = parking_open(strcmp(volume_name, "park-alive") == 0, &frontend->volume);
    } else {
        status = volume_open(volume_name, &(struct volume_options){0}, &frontend->volume, error,
                             sizeof(error));
    }
    if (status != 0 || frontend_mount(frontend, mount_point, error, sizeof(error)) != 0) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    if (write(ready_fd, "+", 1) != 1) {
        return 1;
    }
    frontend_run(frontend, stop_fd);
    volume_close(frontend->volume);
    frontend_free(frontend);
    return 0;
}

static bool server_start(const char *volume_name)
{
    int ready[2];
    char word;
    if (pipe2(ready, O_CLOEXEC) != 0) {
        return false;
    }
    server = fork();
    if (server == 0) {
        exit(serve(volume_name, ready[1]));
    }
    close(ready[1]);
    bool is_ready = read(ready[0], &word, 1) == 1;
    close(ready[0]);
    return is_ready;
}

/* The exit status of a child within a bound, or -1. */
static int child_wait(pid_t child, unsigned timeout_ms)
{
    int status;
    for (unsigned ms = 0; ms <= timeout_ms; ms += 10) {
        pid_t found = waitpid(child, &status, WNOHANG);
        if (found == child) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return -1;
}

static bool is_mounted(void)
{
    char line[1024];
    bool is_found = false;
    FILE *mounts = fopen("/proc/self/mounts", "re");
    while (mounts && fgets(line, sizeof(line), mounts)) {
        is_found |= strstr(line, mount_point) != NULL && strstr(line, " fuse.trivet ") != NULL;
    }
    if (mounts) {
        fclose(mounts);
    }
    return is_found;
}

/* Unmount and end the server, whatever state they are in. */
static int server_clean(void)
{
    if (server <= 0) {
        return 0;
    }
    while (umount2(mount_point, MNT_FORCE | MNT_DETACH) == 0) {
    }
    (void)kill(server, SIGTERM);
    if (child_wait(server, 10000) < 0) {
        (void)kill(server, SIGKILL);
        (void)child_wait(server, 10000);
    }
    server = 0;
    return 0;
}

static void watchdog(int signal)
{
    static const char text[] = "the watchdog ended this test\n";
    (void)signal;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    while (umount2(mount_point, MNT_FORCE | MNT_DETACH) == 0) {
    }
    (void)kill(server, SIGKILL);
    _exit(1);
}

/* ---- what the tests use
 * --------------------------------------------------------------------------- */

static const char *at(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", mount_point, name);
    return path;
}

static void put(const char *name, const char *text)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
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
    CU_ASSERT_EQUAL(lstat(at(name), &stat_buffer), 0);
    return stat_buffer;
}

static int fails_with(int result)
{
    return result == -1 ? errno : 0;
}

/* ---- a plain directory
 * ---------------------------------------------------------------------------- */

static int start_local(void)
{
    char name[128];
    snprintf(name, sizeof(name), "local:%s", tree);
    return server_start(name) ? 0 : 1;
}

static void test_the_root_is_a_directory(void)
{
    struct stat root = stat_of(".");
    CU_ASSERT_TRUE(S_ISDIR(root.st_mode));
    CU_ASSERT_EQUAL(root.st_ino, 1);
    CU_ASSERT_TRUE(is_mounted());
    CU_ASSERT_EQUAL(fails_with(lstat(at("nothing"), &root)), ENOENT);
}

static void test_files_are_made_written_and_read(void)
{
    char path[256];
    put("file", "hello\n");
    CU_ASSERT_TRUE(holds(at("file"), "hello\n"));
    snprintf(path, sizeof(path), "%s/file", tree);
    CU_ASSERT_TRUE(holds(path, "hello\n")); /* acknowledged is there */
    CU_ASSERT_EQUAL(stat_of("file").st_size, 6);
    CU_ASSERT_EQUAL(stat_of("file").st_mode, (mode_t)(S_IFREG | 0644));
    CU_ASSERT_EQUAL(fails_with(open(at("file"), O_CREAT | O_EXCL | O_RDWR, 0600)), EEXIST);
    put("file", "bye\n"); /* O_TRUNC */
    CU_ASSERT_TRUE(holds(at("file"), "bye\n"));
    int fd = open(at("file"), O_RDONLY | O_CREAT | O_CLOEXEC, 0600); /* opens what is there */
    CU_ASSERT_TRUE(fd >= 0);
    close(fd);
    CU_ASSERT_TRUE(holds(at("file"), "bye\n"));
    CU_ASSERT_EQUAL(unlink(at("file")), 0);
    CU_ASSERT_EQUAL(fails_with(open(at("file"), O_RDONLY)), ENOENT);
}

static void test_umask_and_owner(void)
{
    mode_t old = umask(027);
    int fd = open(at("masked"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    CU_ASSERT_TRUE(fd >= 0);
    close(fd);
    CU_ASSERT_EQUAL(mkdir(at("masked_directory"), 0777), 0);
    umask(old);
    CU_ASSERT_EQUAL(stat_of("masked").st_mode & 07777, 0640);
    CU_ASSERT_EQUAL(stat_of("masked_directory").st_mode & 07777, 0750);
    CU_ASSERT_EQUAL(chown(at("masked"), 1234, 2345), 0);
    CU_ASSERT_EQUAL(stat_of("masked").st_uid, 1234);
    CU_ASSERT_EQUAL(stat_of("masked").st_gid, 2345);
    CU_ASSERT_EQUAL(chmod(at("masked"), 0400), 0);
    CU_ASSERT_EQUAL(stat_of("masked").st_mode & 07777, 0400);
    pid_t other = fork();
    if (other == 0) { /* the kernel checks permissions by what the volume says */
        if (setgid(5000) != 0 || setuid(5000) != 0) {
            _exit(9);
        }
        _exit(fails_with(open(at("masked"), O_RDONLY)) == EACCES ? 0 : 1);
    }
    CU_ASSERT_EQUAL(child_wait(other, 10000), 0);
    CU_ASSERT_EQUAL(unlink(at("masked")), 0);
    CU_ASSERT_EQUAL(rmdir(at("masked_directory")), 0);
}

static void test_append_goes_to_the_end(void)
{
    put("log", "a");
    int first = open(at("log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    int second = open(at("log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    CU_ASSERT_EQUAL(write(first, "b", 1), 1);
    CU_ASSERT_EQUAL(write(second, "c", 1), 1);
    CU_ASSERT_EQUAL(write(first, "d", 1), 1);
    close(first);
    close(second);
    CU_ASSERT_TRUE(holds(at("log"), "abcd"));
    CU_ASSERT_EQUAL(unlink(at("log")), 0);
}

static void test_truncate_and_holes(void)
{
    char byte = 'x';
    put("hole", "1234567890");
    CU_ASSERT_EQUAL(truncate(at("hole"), 4), 0);
    CU_ASSERT_TRUE(holds(at("hole"), "1234"));
    int fd = open(at("hole"), O_RDWR | O_CLOEXEC);
    CU_ASSERT_EQUAL(ftruncate(fd, 100000), 0);
    CU_ASSERT_EQUAL(pread(fd, &byte, 1, 99999), 1);
    CU_ASSERT_EQUAL(byte, 0);
    CU_ASSERT_EQUAL(pwrite(fd, "end", 3, 200000), 3);
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), 200003);
    CU_ASSERT_EQUAL(pread(fd, &byte, 1, 200003), 0);
    CU_ASSERT_EQUAL(fsync(fd), 0);
    CU_ASSERT_EQUAL(fdatasync(fd), 0);
    close(fd);
    CU_ASSERT_EQUAL(unlink(at("hole")), 0);
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
    int fd = open(at("large"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL(write(fd, out, LARGE), LARGE);
    close(fd);
    fd = open(at("large"), O_RDONLY | O_CLOEXEC);
    CU_ASSERT_EQUAL(read(fd, in, LARGE), LARGE);
    CU_ASSERT_EQUAL(memcmp(in, out, LARGE), 0);
    close(fd);
    CU_ASSERT_EQUAL(unlink(at("large")), 0);
}

static void test_names_links_and_renames(void)
{
    char target[64] = "";
    put("a", "A");
    put("b", "B");
    CU_ASSERT_EQUAL(link(at("a"), at("a2")), 0);
    CU_ASSERT_EQUAL(stat_of("a").st_nlink, 2);
    CU_ASSERT_EQUAL(stat_of("a").st_ino, stat_of("a2").st_ino);
    CU_ASSERT_EQUAL(fails_with(link(at("a"), at("b"))), EEXIST);
    CU_ASSERT_EQUAL(rename(at("a"), at("b")), 0);
    CU_ASSERT_TRUE(holds(at("b"), "A"));
    CU_ASSERT_EQUAL(fails_with(open(at("a"), O_RDONLY)), ENOENT);
    put("c", "C");
    CU_ASSERT_EQUAL(fails_with(renameat2(AT_FDCWD, at("b"), AT_FDCWD, at("c"), RENAME_NOREPLACE)),
                    EEXIST);
    CU_ASSERT_EQUAL(symlink("b", at("s")), 0);
    CU_ASSERT_EQUAL(readlink(at("s"), target, sizeof(target)), 1);
    CU_ASSERT_STRING_EQUAL(target, "b");
    CU_ASSERT_TRUE(holds(at("s"), "A"));
    CU_ASSERT_EQUAL(mkdir(at("d"), 0755), 0);
    CU_ASSERT_EQUAL(rename(at("c"), at("d/c")), 0);
    CU_ASSERT_EQUAL(fails_with(rmdir(at("d"))), ENOTEMPTY);
    CU_ASSERT_EQUAL(fails_with(unlink(at("d"))), EISDIR);
    CU_ASSERT_EQUAL(fails_with(rmdir(at("b"))), ENOTDIR);
    CU_ASSERT_EQUAL(rename(at("d"), at("e")), 0);
    CU_ASSERT_TRUE(holds(at("e/c"), "C"));
    CU_ASSERT_EQUAL(mkfifo(at("fifo"), 0600), 0);
    CU_ASSERT_TRUE(S_ISFIFO(stat_of("fifo").st_mode));
    CU_ASSERT_EQUAL(mknod(at("device"), S_IFCHR | 0600, makedev(1, 3)), 0);
    CU_ASSERT_EQUAL(stat_of("device").st_rdev, makedev(1, 3));
    char name[300];
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    CU_ASSERT_EQUAL(mkdir(at(name), 0755), 0);
    CU_ASSERT_EQUAL(rmdir(at(name)), 0);
    name[255] = 'n';
    name[256] = '\0';
    CU_ASSERT_EQUAL(fails_with(mkdir(at(name), 0755)), ENAMETOOLONG);
    const char *names[] = {"a2", "b", "s", "e/c", "fifo", "device"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CU_ASSERT_EQUAL(unlink(at(names[i])), 0);
    }
    CU_ASSERT_EQUAL(rmdir(at("e")), 0);
}

static void test_times_are_set(void)
{
    struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 123456789},
                                {.tv_sec = -5, .tv_nsec = 1}};
    put("time", "t");
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, at("time"), times, 0), 0);
    struct stat stat_buffer = stat_of("time");
    CU_ASSERT_EQUAL(stat_buffer.st_atim.tv_sec, 1000000000);
    CU_ASSERT_EQUAL(stat_buffer.st_atim.tv_nsec, 123456789);
    CU_ASSERT_EQUAL(stat_buffer.st_mtim.tv_sec, -5);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, at("time"), times, 0), 0);
    stat_buffer = stat_of("time");
    CU_ASSERT_EQUAL(stat_buffer.st_atim.tv_sec, 1000000000);
    CU_ASSERT_TRUE(stat_buffer.st_mtim.tv_sec > 1000000000);
    CU_ASSERT_EQUAL(unlink(at("time")), 0);
}

static void test_large_directories_are_listed_whole(void)
{
    static bool seen[ENTRIES];
    char name[32];
    int wrong = 0, dots = 0, count = 0;
    CU_ASSERT_EQUAL(mkdir(at("many"), 0755), 0);
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof(name), "many/entry-%d", i);
        wrong += mknod(at(name), S_IFREG | 0600, 0) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    DIR *directory = opendir(at("many"));
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
    DIR *directory = opendir(at("many"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') {
            wrong += unlinkat(dirfd(directory), entry->d_name, 0) != 0;
        }
    }
    closedir(directory);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(rmdir(at("many")), 0);
}

/* Sizes that a listing brings must not be older than what this client wrote meanwhile. */
static void test_listings_do_not_bring_old_attributes(void)
{
    char name[32];
    struct stat stat_buffer;
    int wrong = 0;
    CU_ASSERT_EQUAL(mkdir(at("list"), 0755), 0);
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof(name), "list/%d", i);
        put(name, "x");
    }
    DIR *directory = opendir(at("list"));
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
        wrong += unlink(at(name)) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(rmdir(at("list")), 0);
}

static void test_mappings_are_read_and_written(void)
{
    char path[256];
    put("mapped", "0123456789");
    int fd = open(at("mapped"), O_RDWR | O_CLOEXEC);
    char *map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CU_ASSERT_TRUE_FATAL(map != MAP_FAILED);
    CU_ASSERT_EQUAL(memcmp(map, "0123456789", 10), 0);
    memcpy(map, "abc", 3);
    CU_ASSERT_EQUAL(msync(map, 10, MS_SYNC), 0);
    snprintf(path, sizeof(path), "%s/mapped", tree);
    CU_ASSERT_TRUE(holds(path, "abc3456789"));
    memcpy(map, "xyz", 3);
    CU_ASSERT_EQUAL(munmap(map, 10), 0);
    CU_ASSERT_EQUAL(close(fd), 0);
    CU_ASSERT_TRUE(holds(path, "xyz3456789")); /* close writes back */
    CU_ASSERT_EQUAL(unlink(at("mapped")), 0);
}

static void test_what_is_open_outlives_its_name(void)
{
    char buffer[8] = "";
    put("open", "still");
    put("other", "new");
    int fd = open(at("open"), O_RDWR | O_CLOEXEC);
    struct stat stat_buffer;
    CU_ASSERT_EQUAL(unlink(at("open")), 0);
    CU_ASSERT_EQUAL(fails_with(lstat(at("open"), &stat_buffer)), ENOENT);
    CU_ASSERT_EQUAL(pread(fd, buffer, 5, 0), 5);
    CU_ASSERT_EQUAL(memcmp(buffer, "still", 5), 0);
    CU_ASSERT_EQUAL(pwrite(fd, "S", 1, 0), 1);
    CU_ASSERT_EQUAL(fstat(fd, &stat_buffer), 0);
    CU_ASSERT_EQUAL(stat_buffer.st_nlink, 0);
    close(fd);
    fd = open(at("other"), O_RDONLY | O_CLOEXEC);
    put("replacement", "r");
    CU_ASSERT_EQUAL(rename(at("replacement"), at("other")), 0);
    CU_ASSERT_EQUAL(pread(fd, buffer, 3, 0), 3);
    CU_ASSERT_EQUAL(memcmp(buffer, "new", 3), 0);
    CU_ASSERT_TRUE(holds(at("other"), "r"));
    close(fd);
    CU_ASSERT_EQUAL(unlink(at("other")), 0);
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

/* RELEASE is not waited for by close, so the hidden names go a moment later. */
static void test_nothing_remains(void)
{
    int count = 0;
    for (int i = 0; i < 500 && (count = count_entries(tree)) != 2; i++) {
        struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    CU_ASSERT_EQUAL(count, 2);
    CU_ASSERT_EQUAL(count_entries(mount_point), 2);
}

static void test_statfs_and_what_is_not_there(void)
{
    struct statvfs statvfs_buffer;
    char value[16];
    CU_ASSERT_EQUAL(statvfs(mount_point, &statvfs_buffer), 0);
    CU_ASSERT_TRUE(statvfs_buffer.f_blocks > 0);
    CU_ASSERT_EQUAL(statvfs_buffer.f_namemax, 255);
    put("plain", "p");
    CU_ASSERT_EQUAL(fails_with((int)getxattr(at("plain"), "user.x", value, sizeof(value))),
                    EOPNOTSUPP);
    int fd = open(at("plain"), O_RDWR | O_CLOEXEC);
    CU_ASSERT_EQUAL(fails_with(fallocate(fd, 0, 0, 4096)), EOPNOTSUPP);
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_HOLE), 1);
    close(fd);
    CU_ASSERT_EQUAL(unlink(at("plain")), 0);
    fd = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_EQUAL(fsync(fd), 0);
    close(fd);
}

static int append_records(int writer)
{
    char record[16];
    int fd = open(at("records"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
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
        CU_ASSERT_EQUAL(child_wait(writers[i], 30000), 0);
    }
    CU_ASSERT_EQUAL(stat_of("records").st_size, WRITERS * RECORDS * 8);
    FILE *records = fopen(at("records"), "re");
    while (records && fread(record, 8, 1, records) == 1) {
        int writer = record[0] - 'a';
        wrong += writer < 0 || writer >= WRITERS || atoi(record + 1) != next[writer]++;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    fclose(records);
    CU_ASSERT_EQUAL(unlink(at("records")), 0);
}

static void test_unmounting_ends_the_server(void)
{
    CU_ASSERT_EQUAL(umount2(mount_point, 0), 0);
    CU_ASSERT_EQUAL(child_wait(server, 10000), 0);
    server = 0;
    CU_ASSERT_FALSE(is_mounted());
}

/* SIGTERM with a dirty mapping and an open file: what was mapped is written, the mount goes. */
static void test_sigterm_unmounts(void)
{
    char path[256];
    CU_ASSERT_EQUAL_FATAL(start_local(), 0);
    put("kept", "0123456789");
    int fd = open(at("kept"), O_RDWR | O_CLOEXEC);
    char *map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CU_ASSERT_TRUE_FATAL(map != MAP_FAILED);
    memcpy(map, "dirty", 5);
    CU_ASSERT_EQUAL(kill(server, SIGTERM), 0);
    CU_ASSERT_EQUAL(child_wait(server, 15000), 0);
    server = 0;
    CU_ASSERT_FALSE(is_mounted());
    munmap(map, 10);
    close(fd);
    snprintf(path, sizeof(path), "%s/kept", tree);
    CU_ASSERT_TRUE(holds(path, "dirty56789"));
    CU_ASSERT_EQUAL(unlink(path), 0);
}

/* ---- a volume that does not answer
 * ---------------------------------------------------------------- */

static void do_nothing(int signal)
{
    (void)signal;
}

static pid_t reader_start(bool catches)
{
    pid_t reader = fork();
    if (reader == 0) {
        char byte;
        struct sigaction action = {.sa_handler = do_nothing};
        if (catches) {
            sigaction(SIGTERM, &action, NULL);
            sigaction(SIGUSR1, &action, NULL);
        }
        int fd = open(at("file"), O_RDONLY | O_DIRECT | O_CLOEXEC);
        ssize_t size = fd < 0 ? 0 : pread(fd, &byte, 1, 0);
        _exit(size == -1 && errno == EINTR ? 42 : 1);
    }
    return reader;
}

static pid_t writer_start(void)
{
    pid_t writer = fork();
    if (writer == 0) {
        int fd = open(at("file"), O_WRONLY | O_CLOEXEC);
        _exit(write(fd, "x", 1) == -1 && errno == EINTR ? 42 : 1);
    }
    return writer;
}

static void kill_while_parked(bool catches, int signal, int expected)
{
    pid_t reader = reader_start(catches);
    CU_ASSERT_EQUAL(child_wait(reader, 300), -1); /* it waits */
    CU_ASSERT_EQUAL(kill(reader, signal), 0);
    CU_ASSERT_EQUAL(child_wait(reader, 3000), expected);
}

static void signals_end_what_waits(const char *volume)
{
    CU_ASSERT_TRUE_FATAL(server_start(volume));
    kill_while_parked(false, SIGKILL, 128 + SIGKILL);
    kill_while_parked(false, SIGINT, 128 + SIGINT);
    kill_while_parked(true, SIGTERM, 42); /* caught, but a wish to end */
    pid_t writer = writer_start();
    CU_ASSERT_EQUAL(child_wait(writer, 300), -1);
    CU_ASSERT_EQUAL(kill(writer, SIGKILL), 0);
    CU_ASSERT_EQUAL(child_wait(writer, 3000), 128 + SIGKILL);
    CU_ASSERT_EQUAL(umount2(mount_point, 0), 0);
    CU_ASSERT_EQUAL(child_wait(server, 10000), 0);
    server = 0;
}

static void test_signals_end_what_a_slow_volume_keeps(void)
{
    signals_end_what_waits("park-alive");
}

static void test_signals_end_what_a_dead_volume_keeps(void)
{
    signals_end_what_waits("park-dead");
}

static void test_a_caught_signal_does_not_break_a_read(void)
{
    CU_ASSERT_TRUE_FATAL(server_start("park-dead"));
    pid_t reader = reader_start(true);
    CU_ASSERT_EQUAL(child_wait(reader, 300), -1);
    CU_ASSERT_EQUAL(kill(reader, SIGUSR1), 0);
    CU_ASSERT_EQUAL(child_wait(reader, 2000), -1);
    CU_ASSERT_EQUAL(kill(reader, SIGKILL), 0);
    CU_ASSERT_EQUAL(child_wait(reader, 3000), 128 + SIGKILL);
    CU_ASSERT_EQUAL(server_clean(), 0);
}

/* The server's end, too, ends what waits: with ENOTCONN or EINTR, but soon. */
static void test_sigterm_ends_what_waits(void)
{
    CU_ASSERT_TRUE_FATAL(server_start("park-dead"));
    pid_t reader = reader_start(false);
    CU_ASSERT_EQUAL(child_wait(reader, 300), -1);
    CU_ASSERT_EQUAL(kill(server, SIGTERM), 0);
    CU_ASSERT_EQUAL(child_wait(server, 10000), 0);
    server = 0;
    CU_ASSERT_NOT_EQUAL(child_wait(reader, 3000), -1);
    CU_ASSERT_FALSE(is_mounted());
}

/* ---- main
 * ------------------------------------------------------------------------------------------ */

static int remove_each(const char *path, const struct stat *stat_buffer, int type,
                       struct FTW *place)
{
    (void)stat_buffer;
    (void)type;
    (void)place;
    return remove(path);
}

static bool work_begin(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(work, sizeof(work), "%.40s/trivet-fuse-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(work)) {
        return false;
    }
    snprintf(tree, sizeof(tree), "%s/tree", work);
    snprintf(mount_point, sizeof(mount_point), "%s/mount", work);
    return mkdir(tree, 0755) == 0 && mkdir(mount_point, 0755) == 0;
}

static const char *reason_to_skip(void)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return "/dev/fuse cannot be opened";
    }
    close(fd);
    return geteuid() == 0 ? NULL : "mounting takes root";
}

static void add_tests(void)
{
    CU_pSuite local = CU_add_suite("a plain directory", start_local, server_clean);
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
    CU_ADD_TEST(local, test_statfs_and_what_is_not_there);
    CU_ADD_TEST(local, test_concurrent_appends_are_whole);
    CU_ADD_TEST(local, test_nothing_remains);
    CU_ADD_TEST(local, test_unmounting_ends_the_server);
    CU_ADD_TEST(local, test_sigterm_unmounts);
    CU_pSuite parked = CU_add_suite("a volume that does not answer", NULL, server_clean);
    CU_ADD_TEST(parked, test_signals_end_what_a_slow_volume_keeps);
    CU_ADD_TEST(parked, test_signals_end_what_a_dead_volume_keeps);
    CU_ADD_TEST(parked, test_a_caught_signal_does_not_break_a_read);
    CU_ADD_TEST(parked, test_sigterm_ends_what_waits);
}

int main(void)
{
    const char *skip = reason_to_skip();
    if (skip) {
        printf("skipped: %s\n", skip);
        return 0;
    }
    struct sigaction action = {.sa_handler = watchdog};
    sigaction(SIGALRM, &action, NULL);
    alarm(WATCHDOG_SECONDS);
    /* Mounts of its own: a name space that another program makes meanwhile would keep a copy, and
     * with it the mount. */
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        perror("a mount name space");
        return 1;
    }
    if (!work_begin()) {
        perror("a temporary directory");
        return 1;
    }
    CU_initialize_registry();
    add_tests();
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    (void)server_clean();
    (void)nftw(work, remove_each, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return failures != 0;
}
