/*
 * Two mounts of one volume see each other's changes at once: coherent MOUNT1 MOUNT2 SEED OPERATIONS
 *
 * Each step changes something through one mount (bytes, size, mode, a name) and looks at it through
 * the other in the next instruction; whatever the other shows of before is an error. Descriptors
 * are open on both sides throughout, names are looked up by both, so both kernels have everything
 * cached.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 8, TEXT_SIZE = 20 };

struct side {
    const char *mount;
    int files[FILES];
};

static uint64_t random_state;
static unsigned errors;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(random_state >> 33) % limit;
}

static void check(int ok, const char *what, unsigned step)
{
    if (!ok) {
        errors++;
        printf("step %u: %s (%s)\n", step, what, strerror(errno));
    }
}

static void change_bytes(const struct side *here, const struct side *there, unsigned step)
{
    unsigned file = random_below(FILES);
    char text[TEXT_SIZE + 1], seen[TEXT_SIZE];
    (void)snprintf(text, sizeof text, "%0*u", TEXT_SIZE, step);
    check(pwrite(here->files[file], text, TEXT_SIZE, 0) == TEXT_SIZE, "write", step);
    check(pread(there->files[file], seen, TEXT_SIZE, 0) == TEXT_SIZE &&
              memcmp(seen, text, TEXT_SIZE) == 0,
          "old bytes", step);
}

static void change_size(const struct side *here, const struct side *there, unsigned step)
{
    unsigned file = random_below(FILES);
    off_t size = TEXT_SIZE + (off_t)random_below(1000);
    struct stat attr;
    check(ftruncate(here->files[file], size) == 0, "truncate", step);
    check(fstat(there->files[file], &attr) == 0 && attr.st_size == size, "old size", step);
}

static void change_mode(const struct side *here, const struct side *there, unsigned step)
{
    unsigned file = random_below(FILES);
    mode_t mode = 0600 + random_below(8);
    struct stat attr;
    check(fchmod(here->files[file], mode) == 0, "chmod", step);
    check(fstat(there->files[file], &attr) == 0 && (attr.st_mode & 0777) == mode, "old mode", step);
}

static void change_name(const struct side *here, const struct side *there, unsigned step)
{
    unsigned name = random_below(FILES);
    char path[4096], other[4096];
    (void)snprintf(path, sizeof path, "%s/name%u", here->mount, name);
    (void)snprintf(other, sizeof other, "%s/name%u", there->mount, name);
    if (access(other, F_OK) == 0) {
        check(unlink(path) == 0, "unlink", step);
        check(access(other, F_OK) != 0, "old name", step);
        return;
    }
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    check(fd >= 0 && close(fd) == 0, "create", step);
    check(access(other, F_OK) == 0, "missing name", step);
}

static int side_open(struct side *side, const char *mount)
{
    side->mount = mount;
    for (unsigned i = 0; i < FILES; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/file%u", mount, i);
        side->files[i] = open(path, O_CREAT | O_RDWR, 0644);
        if (side->files[i] < 0) {
            perror(path);
            return -1;
        }
    }
    return 0;
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static void (*const changes[])(const struct side *, const struct side *, unsigned) = {
        change_bytes, change_size, change_mode, change_name};
    static struct side sides[2];
    if (argc != 5 || side_open(&sides[0], argv[1]) < 0 || side_open(&sides[1], argv[2]) < 0) {
        fprintf(stderr, "usage: coherent MOUNT1 MOUNT2 SEED OPERATIONS\n");
        return 2;
    }
    random_state = strtoull(argv[3], NULL, 10);
    unsigned steps = (unsigned)strtoul(argv[4], NULL, 10);
    double longest = 0;
    for (unsigned step = 1; step <= steps; step++) {
        unsigned side = random_below(2);
        double start = seconds();
        changes[random_below(4)](&sides[side], &sides[1 - side], step);
        double took = seconds() - start;
        longest = took > longest ? took : longest;
    }
    printf("%u steps, %u errors, longest %.3f s\n", steps, errors, longest);
    return errors > 0;
}
