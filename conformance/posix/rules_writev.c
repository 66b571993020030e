/*
 * Rules about writing from several buffers: writev, pwritev and pwritev2 with its flags.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include "conformance/posix/rules_io.h"

/* Linux 6.9; older headers do not have it. */
#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

static long write2(int fd, const char *text, off_t offset, int flags)
{
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    return pwritev2(fd, &part, 1, offset, flags);
}

static void gathers_in_order(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    struct iovec parts[] = {{"abc", 3}, {"de", 2}, {"f", 1}};
    EQUAL(MUST(writev(fd, parts, 3)), 6);
    check_text(fd, "abcdef");
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 6);
}

static void empty_part(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    struct iovec parts[] = {{"ab", 2}, {NULL, 0}, {"cd", 2}};
    EQUAL(MUST(writev(fd, parts, 3)), 4);
    check_text(fd, "abcd");
}

static void only_empty_parts(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    struct iovec parts[] = {{NULL, 0}, {NULL, 0}};
    EQUAL(MUST(writev(fd, parts, 2)), 0);
    check_text(fd, "abc");
}

static void no_parts(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    struct iovec part = {NULL, 0};
    EQUAL(MUST(writev(fd, &part, 0)), 0);
    check_text(fd, "abc");
}

static void too_many_parts_einval(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    static struct iovec parts[IOV_MAX + 1];
    for (size_t i = 0; i <= IOV_MAX; i++) {
        parts[i] = (struct iovec){"x", 1};
    }
    FAILS(writev(fd, parts, IOV_MAX + 1), EINVAL);
    EQUAL(size_of(fd), 0);
}

static void iov_max_parts(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    static struct iovec parts[IOV_MAX];
    for (size_t i = 0; i < IOV_MAX; i++) {
        parts[i] = (struct iovec){i % 2 ? "odd" : "even", i % 2 ? 3 : 4};
    }
    EQUAL(MUST(writev(fd, parts, IOV_MAX)), IOV_MAX / 2 * 7);
    char tail[7];
    EQUAL(MUST(pread(fd, tail, 7, IOV_MAX / 2 * 7 - 7)), 7);
    HOLDS(memcmp(tail, "evenodd", 7) == 0);
}

static void negative_part_einval(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    struct iovec part = {"x", (size_t)SSIZE_MAX + 1};
    FAILS(writev(fd, &part, 1), EINVAL);
}

static void bad_second_part(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    struct iovec parts[] = {{"ab", 2}, {no_memory(), 2}};
    long done = writev(fd, parts, 2);
    HOLDS((done > 0 && done <= 2) || (done == -1 && errno == EFAULT));
    EQUAL(size_of(fd), done == -1 ? 0 : done);
}

static void read_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDONLY);
    struct iovec part = {"x", 1};
    FAILS(writev(fd, &part, 1), EBADF);
}

static void across_pages(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    static char a[5001], b[7003];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    struct iovec parts[] = {{a, sizeof a}, {b, sizeof b}, {a, sizeof a}};
    EQUAL(MUST(writev(fd, parts, 3)), 2 * 5001 + 7003);
    check_fill(fd, 0, 5001, 'a');
    check_fill(fd, 5001, 7003, 'b');
    check_fill(fd, 5001 + 7003, 5001, 'a');
}

static void pwritev_at_offset(struct place *place)
{
    int fd = open_new(place, "f", "......");
    struct iovec parts[] = {{"a", 1}, {"bc", 2}};
    EQUAL(MUST(pwritev(fd, parts, 2, 2)), 3);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 0);
    check_text(fd, "..abc.");
}

static void pwritev_beyond_end(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    struct iovec parts[] = {{"a", 1}, {"bc", 2}};
    EQUAL(MUST(pwritev(fd, parts, 2, 5000)), 3);
    check_zeros(fd, 0, 5000);
    EQUAL(size_of(fd), 5003);
}

static void pwritev_negative_einval(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    struct iovec part = {"a", 1};
    FAILS(pwritev(fd, &part, 1, -2), EINVAL);
}

static void pwritev_fifo_espipe(struct place *place)
{
    int fd = open_fifo(place, "p");
    struct iovec part = {"a", 1};
    FAILS(pwritev(fd, &part, 1, 0), ESPIPE);
}

static void pwritev2_current_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    MUST(lseek(fd, 1, SEEK_SET));
    EQUAL(MUST(write2(fd, "XY", -1, 0)), 2);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 3);
    check_text(fd, "aXYd");
}

static void rwf_append(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    EQUAL(MUST(write2(fd, "XY", 0, RWF_APPEND)), 2);
    check_text(fd, "abcdXY");
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 0);
}

static void rwf_append_moves_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    EQUAL(MUST(write2(fd, "XY", -1, RWF_APPEND)), 2);
    check_text(fd, "abcdXY");
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 6);
}

static void rwf_append_once(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    EQUAL(MUST(write2(fd, "XY", 0, RWF_APPEND)), 2);
    EQUAL(MUST(write2(fd, "!", 0, 0)), 1);
    check_text(fd, "!bcdXY");
}

static void rwf_noappend(struct place *place)
{
    make_file(place, "f", 0666, "abcd");
    int fd = open_at(place, "f", O_RDWR | O_APPEND);
    long done = write2(fd, "XY", 1, RWF_NOAPPEND);
    NEEDS(done != -1 || (errno != EOPNOTSUPP && errno != EINVAL), "no RWF_NOAPPEND in this kernel");
    EQUAL(done, 2);
    check_text(fd, "aXYd");
}

static void rwf_dsync(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    EQUAL(MUST(write2(fd, "XY", 1, RWF_DSYNC)), 2);
    check_text(fd, "aXYd");
}

static void rwf_sync(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    EQUAL(MUST(write2(fd, "XYZ", 2, RWF_SYNC)), 3);
    check_text(fd, "abXYZ");
}

static void rwf_nowait(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    long done = write2(fd, "XY", 1, RWF_NOWAIT);
    HOLDS((done > 0 && done <= 2) || (done == -1 && (errno == EAGAIN || errno == EOPNOTSUPP)));
    check_text(fd, done == 2 ? "aXYd" : done == 1 ? "aXcd" : "abcd");
}

static void unknown_flag_refused(struct place *place)
{
    int fd = open_new(place, "f", "abcd");
    FAILS_EITHER(write2(fd, "XY", 0, 0x40000000), EOPNOTSUPP, EINVAL);
    check_text(fd, "abcd");
}

static const struct rule rules[] = {
    {"gathers-in-order", "buffers are written one after the other", "POSIX writev",
     gathers_in_order},
    {"empty-part", "a part of no bytes is passed over", "POSIX writev", empty_part},
    {"only-empty-parts", "parts that are all empty write nothing", "POSIX writev",
     only_empty_parts},
    {"no-parts", "no parts at all write nothing", "writev(2), 0 parts", no_parts},
    {"too-many-parts-einval", "more than IOV_MAX parts are refused and nothing is written",
     "POSIX writev EINVAL, IOV_MAX", too_many_parts_einval},
    {"iov-max-parts", "IOV_MAX parts are written by one call", "POSIX limits.h IOV_MAX",
     iov_max_parts},
    {"negative-part-einval", "a part larger than SSIZE_MAX is refused", "POSIX writev EINVAL",
     negative_part_einval},
    {"bad-second-part",
     "bad memory in the second part fails, or ends the write at most after the first",
     "writev(2) EFAULT", bad_second_part},
    {"read-only-ebadf", "writev needs a descriptor for writing", "POSIX writev EBADF",
     read_only_ebadf},
    {"across-pages", "parts that meet inside pages leave no gap", "POSIX writev", across_pages},
    {"pwritev-at-offset", "pwritev writes where it is told and does not move the offset",
     "pwritev(2)", pwritev_at_offset},
    {"pwritev-beyond-end", "pwritev beyond the end leaves zeros between", "pwritev(2)",
     pwritev_beyond_end},
    {"pwritev-negative-einval", "pwritev at a negative offset fails", "pwritev(2) EINVAL",
     pwritev_negative_einval},
    {"pwritev-fifo-espipe", "a fifo has no offsets to write parts at", "pwritev(2) ESPIPE",
     pwritev_fifo_espipe},
    {"pwritev2-current-offset", "pwritev2 at -1 writes at the offset and moves it",
     "pwritev2(2), offset -1", pwritev2_current_offset},
    {"rwf-append", "a write with RWF_APPEND goes to the end whatever its offset",
     "pwritev2(2) RWF_APPEND", rwf_append},
    {"rwf-append-moves-offset", "RWF_APPEND at -1 leaves the offset at the new end",
     "pwritev2(2) RWF_APPEND, offset -1", rwf_append_moves_offset},
    {"rwf-append-once", "RWF_APPEND is of one call only", "pwritev2(2) RWF_APPEND",
     rwf_append_once},
    {"rwf-noappend", "RWF_NOAPPEND writes at its offset in spite of O_APPEND",
     "pwritev2(2) RWF_NOAPPEND", rwf_noappend},
    {"rwf-dsync", "a write with RWF_DSYNC writes like any other", "pwritev2(2) RWF_DSYNC",
     rwf_dsync},
    {"rwf-sync", "a write with RWF_SYNC writes like any other", "pwritev2(2) RWF_SYNC", rwf_sync},
    {"rwf-nowait", "a write that may not wait writes, or says that it cannot and writes nothing",
     "pwritev2(2) RWF_NOWAIT", rwf_nowait},
    {"unknown-flag-refused", "an unknown flag is refused and nothing is written",
     "pwritev2(2) EOPNOTSUPP", unknown_flag_refused},
};

const struct subject subject_writev = {"writev", rules, sizeof rules / sizeof rules[0]};
