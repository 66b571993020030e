/*
 * A listing sees each entry that was there throughout exactly once, whatever else changes:
 *
 *     listing fill DIRECTORY ENTRIES              makes DIRECTORY/many with that many entries
 *     listing list DIRECTORY ENTRIES HOW [COMMAND]
 *
 * HOW is a directory that shows the same as DIRECTORY, which is listed by readdir(3), or
 * readdir:nfs://HOST/EXPORT, or readdirplus:nfs://HOST/EXPORT. Meanwhile another process makes,
 * renames and removes names in DIRECTORY/many, and COMMAND is run at each quarter of the entries,
 * with its number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS = 3, CHANGING = 500, ENTRIES_MAX = 10000000, NAME_SIZE = 64 };

/* A listing takes as long as this at least, so that much changes meanwhile. */
enum { LISTING_US = 1000000, PACE_ENTRIES = 100, CHANGES_LEAST = 20 };

static unsigned entries;
static unsigned char *seen;
static uint64_t *inodes;
static unsigned seen_count, changing_count, step;
static const char *command;
static pid_t commands[STEPS];

static void fail(const char *what, const char *name)
{
    printf("FAILED: %s %s%s%s\n", what, name, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static void command_wait(unsigned number)
{
    int status;
    if (waitpid(commands[number], &status, 0) < 0 || status != 0) {
        errno = 0;
        fail("the command failed:", command);
    }
}

/* The command runs beside the listing; the one before has ended. */
static void command_start(void)
{
    char number[16];
    if (step > 0) {
        command_wait(step - 1);
    }
    (void)snprintf(number, sizeof number, "%u", step + 1);
    (void)fflush(stdout);
    commands[step] = fork();
    if (commands[step] == 0) {
        (void)execl(command, command, number, (char *)NULL);
        _Exit(127);
    }
    step++;
}

void listing_saw(const char *name, uint64_t inode)
{
    unsigned number;
    char rest;
    if (sscanf(name, "there%u%c", &number, &rest) != 1 || number >= entries) {
        changing_count += strncmp(name, "changing", 8) == 0;
        return;
    }
    if (seen[number]) {
        errno = 0;
        fail("seen twice:", name);
    }
    seen[number] = 1;
    inodes[number] = inode;
    seen_count++;
    if (seen_count % PACE_ENTRIES == 0) {
        (void)usleep(LISTING_US / (entries / PACE_ENTRIES + 1));
    }
    if (command && step < STEPS && seen_count > entries / (STEPS + 1) * (step + 1)) {
        command_start();
    }
}

static int directory_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int many = fd < 0 ? -1 : openat(fd, LISTED_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (many < 0) {
        fail("cannot open", path);
    }
    (void)close(fd); /* only looked at */
    return many;
}

static void there_name(unsigned number, char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "there%u", number);
}

static int fill(const char *path)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "%s", LISTED_DIRECTORY);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || mkdirat(fd, name, 0755) != 0) {
        fail("mkdir in", path);
    }
    (void)close(fd); /* only looked at */
    fd = directory_open(path);
    for (unsigned number = 0; number < entries; number++) {
        there_name(number, name);
        if (mknodat(fd, name, S_IFREG | 0644, 0) != 0) {
            fail("create", name);
        }
    }
    printf("%u entries made\n", entries);
    return 0;
}

/* ---- what changes meanwhile -------------------------------------------------------------- */

/* Until killed. Each name comes and goes, and some move. */
static _Noreturn void change(const char *path, atomic_uint *changes)
{
    int fd = directory_open(path);
    for (unsigned i = 0;; i++) {
        char name[NAME_SIZE], other[NAME_SIZE];
        (void)snprintf(name, sizeof name, "changing%u", i * 7 % CHANGING);
        (void)snprintf(other, sizeof other, "changing%u", i * 11 % CHANGING);
        if (mknodat(fd, name, S_IFREG | 0644, 0) != 0 && errno != EEXIST) {
            fail("create", name);
        }
        if (renameat(fd, name, fd, other) != 0) {
            fail("rename", name);
        }
        if (i % 3 == 0 && unlinkat(fd, other, 0) != 0) {
            fail("unlink", other);
        }
        atomic_fetch_add(changes, 1);
    }
}

static pid_t change_start(const char *path, atomic_uint *changes)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        change(path, changes);
    }
    for (unsigned i = 0; i < 1000 && atomic_load(changes) < CHANGING; i++) {
        (void)usleep(10000);
    }
    return pid;
}

static void change_stop(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, WNOHANG) != 0) {
        errno = 0;
        fail("the process that changes names", "has ended");
    }
    (void)kill(pid, SIGTERM); /* ours */
    (void)waitpid(pid, &status, 0);
}

/* ---- listing ----------------------------------------------------------------------------- */

static void listing_native(const char *path)
{
    DIR *directory = fdopendir(directory_open(path));
    if (!directory) {
        fail("cannot list", path);
    }
    for (struct dirent *entry; (errno = 0, entry = readdir(directory));) {
        listing_saw(entry->d_name, entry->d_ino);
    }
    if (errno) {
        fail("readdir", path);
    }
    (void)closedir(directory); /* only read */
}

static void seen_check(const char *path)
{
    int fd = directory_open(path);
    unsigned sample = entries / 500 + 1;
    for (unsigned number = 0; number < entries; number++) {
        char name[NAME_SIZE];
        struct stat found;
        there_name(number, name);
        errno = 0;
        if (!seen[number]) {
            fail("not seen:", name);
        }
        if (number % sample == 0 &&
            (fstatat(fd, name, &found, 0) != 0 || found.st_ino != inodes[number])) {
            fail("listed with another inode number:", name);
        }
    }
    (void)close(fd); /* only looked at */
}

static int list(const char *path, const char *how)
{
    atomic_uint *changes =
        mmap(NULL, sizeof *changes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    seen = calloc(entries, 1);
    inodes = calloc(entries, sizeof *inodes);
    if (changes == MAP_FAILED || !seen || !inodes) {
        fail("no memory for", how);
    }
    pid_t changer = change_start(path, changes);
    unsigned before = atomic_load(changes);
    if (strncmp(how, "readdir:", 8) == 0) {
        listing_nfs(how + 8, false);
    } else if (strncmp(how, "readdirplus:", 12) == 0) {
        listing_nfs(how + 12, true);
    } else {
        listing_native(how);
    }
    unsigned meanwhile = atomic_load(changes) - before;
    if (command && step == STEPS) {
        command_wait(STEPS - 1);
    }
    change_stop(changer);
    seen_check(path);
    if (meanwhile < CHANGES_LEAST) {
        errno = 0;
        fail("too little changed during the listing of", how);
    }
    printf("%s: each of %u entries once, %u others, %u changes meanwhile\n", how, entries,
           changing_count, meanwhile);
    return 0;
}

int main(int argc, char **argv)
{
    bool fills = argc == 4 && strcmp(argv[1], "fill") == 0;
    bool lists = (argc == 5 || argc == 6) && strcmp(argv[1], "list") == 0;
    entries = fills || lists ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    if (entries == 0 || entries > ENTRIES_MAX) {
        fprintf(stderr, "usage: listing fill DIRECTORY ENTRIES | listing list DIRECTORY ENTRIES "
                        "HOW [COMMAND]\n");
        return 2;
    }
    command = argc == 6 ? argv[5] : NULL;
    return fills ? fill(argv[2]) : list(argv[2], argv[4]);
}
