/*
 * What a way into the volume can do, by trying.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/files.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PROBE_SIZE = 1024 * 1024 };

static const char *const names[] = {
    "mmap", "O_DIRECT",       "fallocate",          "punch",    "zero", "SEEK_DATA",
    "copy", "unlinked files", "unlinked elsewhere", "O_TMPFILE"};

static unsigned probe_direct(struct side *side, const char *name)
{
    static char block[PAGE] __attribute__((aligned(PAGE)));
    struct side_file file;
    if (side_file_open(side, name, O_RDWR | O_DIRECT, &file) != 0) {
        return 0;
    }
    int status = side_file_write(side, &file, block, PAGE, 0);
    (void)side_file_close(side, &file); /* a probe */
    return status == PAGE ? CAN_DIRECT : 0;
}

static unsigned probe_map(int fd)
{
    void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return 0;
    }
    (void)munmap(memory, PAGE); /* a probe */
    return CAN_MAP;
}

static unsigned probe_space(int fd)
{
    unsigned features = 0;
    off_t from = 0, to = PAGE;
    features |= fallocate(fd, 0, 0, PAGE) == 0 ? CAN_ALLOCATE : 0;
    features |=
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE) == 0 ? CAN_PUNCH : 0;
    features |= fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PAGE) == 0 ? CAN_ZERO : 0;
    if (ftruncate(fd, 0) == 0 && pwrite(fd, "x", 1, PROBE_SIZE) == 1) {
        features |= lseek(fd, 0, SEEK_DATA) > 0 ? CAN_SEEK : 0;
        features |= copy_file_range(fd, &from, fd, &to, PAGE, 0) == PAGE ? CAN_COPY : 0;
    }
    return features;
}

static unsigned probe_tmpfile(struct side *side)
{
    int fd = openat(side->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd >= 0 && close(fd) == 0 ? CAN_TMPFILE : 0;
}

/* Open through one way, unlink through the other, read through the first. */
static bool is_kept(struct side *opened, struct side *unlinked, const char *name)
{
    char byte;
    struct side_file file;
    struct stat found;
    if (side_file_open(opened, name, O_RDWR | O_CREAT, &file) != 0) {
        return false;
    }
    bool kept = side_file_write(opened, &file, "k", 1, 0) == 1 &&
                side_unlink(unlinked, name) == 0 && side_file_stat(opened, &file, &found) == 0 &&
                found.st_nlink == 0 && side_file_read(opened, &file, &byte, 1, 0) == 1 &&
                side_file_write(opened, &file, "l", 1, 0) == 1;
    (void)side_file_close(opened, &file); /* a probe */
    return kept;
}

/* For one that has it open on the first native way which is not this one. */
static unsigned probe_spare(struct side *side, unsigned member, const char *name)
{
    for (unsigned other = 0; other < member; other++) {
        if (!scene->is_nfs[other] && strcmp(scene->targets[other], scene->targets[member]) != 0) {
            struct side first;
            side_open(&first, scene->targets[other]);
            bool kept = is_kept(&first, side, name);
            side_close(&first);
            return kept ? CAN_SPARE : 0;
        }
    }
    return CAN_SPARE; /* nobody to spare */
}

unsigned features_probe(struct side *side, unsigned member)
{
    char name[32];
    struct side_file file;
    (void)snprintf(name, sizeof name, "probe%u", member);
    unsigned features = probe_spare(side, member, name);
    if (side->is_nfs) {
        return features | (CAN_ALL & ~CAN_SPARE);
    }
    (void)side_unlink(side, name); /* if the probe before did not */
    expect(side_file_open(side, name, O_RDWR | O_CREAT | O_EXCL, &file), 0, "create of a probe");
    features |= probe_direct(side, name) | probe_map(file.fd) | probe_space(file.fd);
    (void)side_file_close(side, &file); /* a probe */
    features |= is_kept(side, side, name) ? CAN_KEEP : 0;
    (void)side_unlink(side, name); /* if the probe did not */
    return features | probe_tmpfile(side);
}

void features_print(unsigned features, const char *target)
{
    printf("left out at %s:", target);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(features & (1U << i))) {
            printf(" %s;", names[i]);
        }
    }
    printf("\n");
}
