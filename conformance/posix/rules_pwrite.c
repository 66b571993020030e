/*
 * Rules about pwrite.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

static void at_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    MUST(lseek(fd, 1, SEEK_SET));
    EQUAL(MUST(pwrite(fd, "XY", 2, 3)), 2);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 1);
    check_text(fd, "abcXYf");
}

static void negative_einval(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS(pwrite(fd, "x", 1, -1), EINVAL);
}

static void read_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDONLY);
    FAILS(pwrite(fd, "x", 1, 0), EBADF);
}

static void fifo_espipe(struct place *place)
{
    int fd = open_fifo(place, "p");
    FAILS(pwrite(fd, "x", 1, 0), ESPIPE);
}

static void backwards(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    for (int i = 9; i >= 0; i--) {
        fill(fd, i * 3000, 3000, (char)('0' + i));
    }
    for (int i = 0; i < 10; i++) {
        check_fill(fd, i * 3000, 3000, (char)('0' + i));
    }
    EQUAL(size_of(fd), 30000);
}

static const struct rule rules[] = {
    {"at-offset", "pwrite writes where it is told and does not move the offset", "POSIX pwrite",
     at_offset},
    {"negative-einval", "pwrite at a negative offset fails", "POSIX pwrite EINVAL",
     negative_einval},
    {"read-only-ebadf", "pwrite needs a descriptor for writing", "POSIX pwrite EBADF",
     read_only_ebadf},
    {"fifo-espipe", "a fifo has no offsets to write at", "POSIX pwrite ESPIPE", fifo_espipe},
    {"backwards", "a file may be written from its end to its beginning", "POSIX pwrite", backwards},
};

const struct subject subject_pwrite = {"pwrite", rules, sizeof rules / sizeof rules[0]};
