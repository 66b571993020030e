/*
 * What write() acknowledged, and nothing else: acknowledged MOUNT SHADOW SEED OPERATIONS PID…
 *
 * Does OPERATIONS random changes in the mount, each first in SHADOW, a plain directory. In the
 * instruction after the last one, most often a write(), has returned, it kills every process named
 * with SIGKILL. SHADOW then is what three bricks must hold. Nothing is synced, and no descriptor is
 * closed before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 24, SIZE_MAX_WRITE = 300000, OFFSET_MAX = 1000000, TREES = 2, PIDS_MAX = 16 };

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(random_state >> 33) % limit;
}

/* The same change goes to both trees, the shadow first: index 0 is the shadow. */
static int trees[TREES];
static int files[TREES][FILES];
static char names[FILES][64];
static unsigned name_count;

static void must(int failed, const char *what, const char *name)
{
    if (failed) {
        fprintf(stderr, "acknowledged: %s %s: %s\n", what, name, strerror(errno));
        exit(1);
    }
}

static void name_new(unsigned file, char out_name[64])
{
    snprintf(out_name, 64, "d%u/f%02u-%u-%llx", file % 3, file, name_count++,
             (unsigned long long)(random_state >> 48));
}

static void create(unsigned file)
{
    name_new(file, names[file]);
    for (unsigned tree = 0; tree < TREES; tree++) {
        files[tree][file] = openat(trees[tree], names[file], O_CREAT | O_EXCL | O_RDWR, 0644);
        must(files[tree][file] < 0, "create", names[file]);
    }
}

static void write_random(unsigned file)
{
    static unsigned char data[SIZE_MAX_WRITE];
    uint32_t offset = random_below(OFFSET_MAX), size = 1 + random_below(SIZE_MAX_WRITE);
    for (uint32_t index = 0; index < size; index++) {
        data[index] = (unsigned char)random_below(256);
    }
    for (unsigned tree = 0; tree < TREES; tree++) {
        must(pwrite(files[tree][file], data, size, offset) != (ssize_t)size, "write", names[file]);
    }
}

static void truncate_random(unsigned file)
{
    off_t size = (off_t)random_below(OFFSET_MAX);
    for (unsigned tree = 0; tree < TREES; tree++) {
        must(ftruncate(files[tree][file], size), "truncate", names[file]);
    }
}

static void rename_random(unsigned file)
{
    char name[64];
    name_new(file + 1, name);
    for (unsigned tree = 0; tree < TREES; tree++) {
        must(renameat(trees[tree], names[file], trees[tree], name), "rename", names[file]);
    }
    memcpy(names[file], name, sizeof name);
}

static void unlink_random(unsigned file)
{
    for (unsigned tree = 0; tree < TREES; tree++) {
        must(unlinkat(trees[tree], names[file], 0), "unlink", names[file]);
        (void)close(files[tree][file]); /* the file is gone; what it held does not matter */
        files[tree][file] = -1;
    }
}

static void change(int last)
{
    unsigned file = random_below(FILES), kind = random_below(100);
    if (files[0][file] < 0) {
        create(file);
        if (!last || kind < 30) {
            return;
        }
        kind = 0;
    }
    if (kind < 70) {
        write_random(file);
    } else if (kind < 80) {
        truncate_random(file);
    } else if (kind < 95) {
        rename_random(file);
    } else {
        unlink_random(file);
    }
}

int main(int argc, char **argv)
{
    pid_t pids[PIDS_MAX];
    int pid_count = argc - 5;
    if (pid_count < 1 || pid_count > PIDS_MAX) {
        fprintf(stderr, "usage: acknowledged MOUNT SHADOW SEED OPERATIONS PID...\n");
        return 2;
    }
    trees[0] = open(argv[2], O_RDONLY | O_DIRECTORY);
    must(trees[0] < 0, "open", argv[2]);
    trees[1] = open(argv[1], O_RDONLY | O_DIRECTORY);
    must(trees[1] < 0, "open", argv[1]);
    random_state = strtoull(argv[3], NULL, 10) * 2862933555777941757U + 1;
    for (int index = 0; index < pid_count; index++) {
        pids[index] = (pid_t)strtol(argv[5 + index], NULL, 10);
        must(pids[index] <= 1, "use as a process id", argv[5 + index]);
    }
    memset(files, -1, sizeof files);
    for (unsigned directory = 0; directory < 3; directory++) {
        char name[8];
        snprintf(name, sizeof name, "d%u", directory);
        for (unsigned tree = 0; tree < TREES; tree++) {
            must(mkdirat(trees[tree], name, 0755) && errno != EEXIST, "mkdir", name);
        }
    }
    for (long left = strtol(argv[4], NULL, 10); left > 0; left--) {
        change(left == 1);
    }
    for (int index = 0; index < pid_count; index++) {
        (void)kill(pids[index], SIGKILL); /* one that is gone already cannot take anything back */
    }
    _exit(0);
}
