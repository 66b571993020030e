/*
 * Rules about reading into several buffers: readv, preadv and preadv2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include "conformance/posix/rules_io.h"

static void scatters_in_order(struct place *place)
{
    int fd = open_new(place, "f", "abcdefgh");
    char first[3], second[5];
    struct iovec parts[] = {{first, 3}, {second, 5}};
    EQUAL(MUST(readv(fd, parts, 2)), 8);
    HOLDS(memcmp(first, "abc", 3) == 0 && memcmp(second, "defgh", 5) == 0);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 8);
}

static void short_in_the_middle(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char first[3], second[3] = "###";
    struct iovec parts[] = {{first, 3}, {second, 3}};
    EQUAL(MUST(readv(fd, parts, 2)), 4);
    HOLDS(memcmp(second, "d##", 3) == 0);
}

static void empty_part(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char first[2], second[2];
    struct iovec parts[] = {{first, 2}, {NULL, 0}, {second, 2}};
    EQUAL(MUST(readv(fd, parts, 3)), 4);
    HOLDS(memcmp(second, "cd", 2) == 0);
}

static void no_parts(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    struct iovec part = {NULL, 0};
    EQUAL(MUST(readv(fd, &part, 0)), 0);
}

static void too_many_parts_einval(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char byte;
    static struct iovec parts[IOV_MAX + 1];
    for (size_t i = 0; i <= IOV_MAX; i++) {
        parts[i] = (struct iovec){&byte, 1};
    }
    FAILS(readv(fd, parts, IOV_MAX + 1), EINVAL);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 0);
}

static void iov_max_parts(struct place *place)
{
    int fd = open_pattern(place, "f", IOV_MAX);
    static char bytes[IOV_MAX], whole[IOV_MAX];
    static struct iovec parts[IOV_MAX];
    for (size_t i = 0; i < IOV_MAX; i++) {
        parts[i] = (struct iovec){&bytes[i], 1};
    }
    EQUAL(MUST(readv(fd, parts, IOV_MAX)), IOV_MAX);
    EQUAL(MUST(pread(fd, whole, sizeof whole, 0)), IOV_MAX);
    HOLDS(memcmp(bytes, whole, sizeof whole) == 0);
}

static void negative_part_einval(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char byte;
    struct iovec part = {&byte, (size_t)SSIZE_MAX + 1};
    FAILS(readv(fd, &part, 1), EINVAL);
}

static void bad_vector_efault(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    FAILS(readv(fd, no_memory(), 1), EFAULT);
}

static void bad_second_part(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char first[2];
    struct iovec parts[] = {{first, 2}, {no_memory(), 2}};
    long got = readv(fd, parts, 2);
    HOLDS(got == 2 || (got == -1 && errno == EFAULT));
}

static void directory_eisdir(struct place *place)
{
    char byte;
    struct iovec part = {&byte, 1};
    FAILS(readv(place->fd, &part, 1), EISDIR);
}

static void preadv_at_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcdefgh");
    char first[2], second[2];
    struct iovec parts[] = {{first, 2}, {second, 2}};
    EQUAL(MUST(preadv(fd, parts, 2, 3)), 4);
    HOLDS(memcmp(first, "de", 2) == 0 && memcmp(second, "fg", 2) == 0);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 0);
}

static void preadv_negative_einval(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char byte;
    struct iovec part = {&byte, 1};
    FAILS(preadv(fd, &part, 1, -2), EINVAL);
}

static void preadv_fifo_espipe(struct place *place)
{
    int fd = open_fifo(place, "p");
    char byte;
    struct iovec part = {&byte, 1};
    FAILS(preadv(fd, &part, 1, 0), ESPIPE);
}

static void preadv2_current_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char two[2];
    struct iovec part = {two, 2};
    MUST(lseek(fd, 1, SEEK_SET));
    EQUAL(MUST(preadv2(fd, &part, 1, -1, 0)), 2);
    HOLDS(memcmp(two, "bc", 2) == 0);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 3);
}

static void preadv2_unknown_flag(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char byte;
    struct iovec part = {&byte, 1};
    FAILS_EITHER(preadv2(fd, &part, 1, 0, 0x40000000), EOPNOTSUPP, EINVAL);
}

static void preadv2_nowait(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char four[4];
    struct iovec part = {four, 4};
    long got = preadv2(fd, &part, 1, 0, RWF_NOWAIT);
    HOLDS(got > 0 || (got == -1 && (errno == EAGAIN || errno == EOPNOTSUPP)));
    HOLDS(got < 1 || memcmp(four, "abcd", (size_t)got) == 0);
}

static void preadv2_high_priority(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    char four[4];
    struct iovec part = {four, 4};
    EQUAL(MUST(preadv2(fd, &part, 1, 0, RWF_HIPRI)), 4);
    HOLDS(memcmp(four, "abcd", 4) == 0);
}

static const struct rule rules[] = {
    {"scatters-in-order", "buffers are filled one after the other", "POSIX readv",
     scatters_in_order},
    {"short-in-the-middle", "a readv across the end fills what there is and no more", "POSIX readv",
     short_in_the_middle},
    {"empty-part", "a part of no bytes is passed over", "POSIX readv", empty_part},
    {"no-parts", "no parts at all read nothing", "readv(2), 0 parts", no_parts},
    {"too-many-parts-einval", "more than IOV_MAX parts are refused", "POSIX readv EINVAL, IOV_MAX",
     too_many_parts_einval},
    {"iov-max-parts", "IOV_MAX parts are read by one call", "POSIX limits.h IOV_MAX",
     iov_max_parts},
    {"negative-part-einval", "a part larger than SSIZE_MAX is refused", "POSIX readv EINVAL",
     negative_part_einval},
    {"bad-vector-efault", "a vector in memory that may not be read is refused", "readv(2) EFAULT",
     bad_vector_efault},
    {"bad-second-part", "bad memory in the second part fails, or ends the read after the first",
     "readv(2) EFAULT", bad_second_part},
    {"directory-eisdir", "a directory is not read in parts", "POSIX readv EISDIR",
     directory_eisdir},
    {"preadv-at-offset", "preadv reads where it is told and does not move the offset", "preadv(2)",
     preadv_at_offset},
    {"preadv-negative-einval", "preadv at a negative offset fails", "preadv(2) EINVAL",
     preadv_negative_einval},
    {"preadv-fifo-espipe", "a fifo has no offsets to read parts at", "preadv(2) ESPIPE",
     preadv_fifo_espipe},
    {"preadv2-current-offset", "preadv2 at -1 reads at the offset and moves it",
     "preadv2(2), offset -1", preadv2_current_offset},
    {"preadv2-unknown-flag", "an unknown flag is refused", "preadv2(2) EOPNOTSUPP",
     preadv2_unknown_flag},
    {"preadv2-nowait", "a read that may not wait returns right bytes or says that it cannot",
     "preadv2(2) RWF_NOWAIT", preadv2_nowait},
    {"preadv2-high-priority", "a read of high priority reads like any other",
     "preadv2(2) RWF_HIPRI", preadv2_high_priority},
};

const struct subject subject_readv = {"readv", rules, sizeof rules / sizeof rules[0]};
