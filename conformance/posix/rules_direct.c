/*
 * Rules about O_DIRECT: aligned io works and agrees with the page cache, unaligned io works or is
 * refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <sys/mman.h>
#include "conformance/posix/rules_io.h"

/* Aligned for every block size that is in use. */
static char *aligned(size_t size)
{
    void *memory = NULL;
    EQUAL(posix_memalign(&memory, PAGE, size), 0);
    memset(memory, 0, size);
    return memory;
}

static int open_direct(struct place *place, const char *name, int flags)
{
    int fd = openat(place->fd, name, flags | O_DIRECT | O_CLOEXEC);
    NEEDS(fd >= 0 || errno != EINVAL, "O_DIRECT is not offered, or not with these flags");
    return (int)MUST(fd);
}

static void opens(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_direct(place, "f", O_RDWR);
    HOLDS(MUST(fcntl(fd, F_GETFL)) & O_DIRECT);
}

static void write_then_read(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_direct(place, "f", O_RDWR);
    char *out = aligned(2 * PAGE), *in = aligned(2 * PAGE);
    memset(out, 'd', 2 * PAGE);
    EQUAL(MUST(pwrite(fd, out, 2 * PAGE, PAGE)), 2 * PAGE);
    EQUAL(MUST(pread(fd, in, 2 * PAGE, PAGE)), 2 * PAGE);
    HOLDS(memcmp(in, out, 2 * PAGE) == 0);
    EQUAL(size_of(fd), 3 * PAGE);
}

static void buffered_write_direct_read(struct place *place)
{
    int buffered = open_pattern(place, "f", 4 * PAGE), fd = open_direct(place, "f", O_RDONLY);
    char *in = aligned(PAGE);
    fill(buffered, PAGE, PAGE, 'b');
    EQUAL(MUST(pread(fd, in, PAGE, PAGE)), PAGE);
    HOLDS(in[0] == 'b' && in[PAGE - 1] == 'b');
}

static void direct_write_buffered_read(struct place *place)
{
    int buffered = open_pattern(place, "f", 4 * PAGE), fd = open_direct(place, "f", O_WRONLY);
    char *out = aligned(PAGE);
    check_pattern(buffered, 0, 4 * PAGE);
    memset(out, 'd', PAGE);
    EQUAL(MUST(pwrite(fd, out, PAGE, 2 * PAGE)), PAGE);
    check_fill(buffered, 2 * PAGE, PAGE, 'd');
    check_pattern(buffered, 3 * PAGE, PAGE);
}

static void direct_write_seen_by_mapping(struct place *place)
{
    int buffered = open_pattern(place, "f", 2 * PAGE), fd = open_direct(place, "f", O_WRONLY);
    char *out = aligned(PAGE);
    memset(out, 'd', PAGE);
    EQUAL(MUST(pwrite(fd, out, PAGE, 0)), PAGE);
    const char *map = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, buffered, 0);
    MUST(map);
    HOLDS(map[0] == 'd' && map[PAGE - 1] == 'd');
}

static void short_at_end(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    int fd = open_direct(place, "f", O_RDONLY);
    char *in = aligned(PAGE);
    EQUAL(MUST(pread(fd, in, PAGE, 0)), 5);
    HOLDS(memcmp(in, "hello", 5) == 0);
}

static void nothing_at_end(struct place *place)
{
    int buffered = open_pattern(place, "f", PAGE), fd = open_direct(place, "f", O_RDONLY);
    (void)buffered;
    EQUAL(MUST(pread(fd, aligned(PAGE), PAGE, PAGE)), 0);
}

static void hole_is_zeros(struct place *place)
{
    int buffered = open_new(place, "f", NULL), fd = open_direct(place, "f", O_RDONLY);
    char *in = aligned(PAGE);
    MUST(ftruncate(buffered, 4 * PAGE));
    memset(in, 'x', PAGE);
    EQUAL(MUST(pread(fd, in, PAGE, PAGE)), PAGE);
    HOLDS(in[0] == 0 && in[PAGE - 1] == 0);
}

static void beyond_end_leaves_zeros(struct place *place)
{
    int buffered = open_new(place, "f", "abc"), fd = open_direct(place, "f", O_WRONLY);
    EQUAL(MUST(pwrite(fd, aligned(PAGE), PAGE, 4 * PAGE)), PAGE);
    EQUAL(size_of(buffered), 5 * PAGE);
    check_zeros(buffered, 3, 4 * PAGE - 3);
}

static void unaligned_offset(struct place *place)
{
    int buffered = open_pattern(place, "f", 4 * PAGE), fd = open_direct(place, "f", O_RDWR);
    char *in = aligned(PAGE), bytes[PAGE];
    long got = pread(fd, in, PAGE, 100);
    HOLDS(got == PAGE || (got == -1 && errno == EINVAL));
    EQUAL(MUST(pread(buffered, bytes, PAGE, 100)), PAGE);
    HOLDS(got == -1 || memcmp(in, bytes, PAGE) == 0);
}

static void unaligned_size(struct place *place)
{
    int buffered = open_pattern(place, "f", 2 * PAGE), fd = open_direct(place, "f", O_RDWR);
    char *out = aligned(PAGE);
    memset(out, 'd', PAGE);
    long done = pwrite(fd, out, 100, 0);
    HOLDS(done == 100 || (done == -1 && errno == EINVAL));
    if (done == 100) {
        check_fill(buffered, 0, 100, 'd');
        check_pattern(buffered, 100, 2 * PAGE - 100);
    } else {
        check_pattern(buffered, 0, 2 * PAGE);
    }
}

static void unaligned_memory(struct place *place)
{
    int buffered = open_pattern(place, "f", PAGE), fd = open_direct(place, "f", O_RDONLY);
    char *in = aligned(2 * PAGE), bytes[512];
    long got = pread(fd, in + 1, 512, 0);
    HOLDS(got == 512 || (got == -1 && errno == EINVAL));
    EQUAL(MUST(pread(buffered, bytes, 512, 0)), 512);
    HOLDS(got == -1 || memcmp(in + 1, bytes, 512) == 0);
}

static void append(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_direct(place, "f", O_RDWR | O_APPEND);
    char *out = aligned(PAGE);
    for (int i = 0; i < 3; i++) {
        memset(out, 'a' + i, PAGE);
        EQUAL(MUST(write(fd, out, PAGE)), PAGE);
    }
    int buffered = open_at(place, "f", O_RDONLY);
    for (int i = 0; i < 3; i++) {
        check_fill(buffered, i * PAGE, PAGE, (char)('a' + i));
    }
}

static void set_by_fcntl(struct place *place)
{
    int fd = open_pattern(place, "f", PAGE);
    char *in = aligned(PAGE), *again = aligned(PAGE);
    EQUAL(MUST(pread(fd, in, PAGE, 0)), PAGE);
    NEEDS(fcntl(fd, F_SETFL, O_DIRECT) == 0 || errno != EINVAL,
          "O_DIRECT is not offered, or not with these flags");
    EQUAL(MUST(pread(fd, again, PAGE, 0)), PAGE);
    HOLDS(memcmp(in, again, PAGE) == 0);
}

static void large(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_direct(place, "f", O_RDWR);
    char *out = aligned(1 << 20), *in = aligned(1 << 20);
    for (int i = 0; i < 1 << 20; i++) {
        out[i] = (char)(i >> 8 ^ i);
    }
    EQUAL(MUST(pwrite(fd, out, 1 << 20, 0)), 1 << 20);
    EQUAL(MUST(pread(fd, in, 1 << 20, 0)), 1 << 20);
    HOLDS(memcmp(in, out, 1 << 20) == 0);
}

static void in_parts(struct place *place)
{
    int buffered = open_pattern(place, "f", 3 * PAGE), fd = open_direct(place, "f", O_RDONLY);
    char *one = aligned(PAGE), *two = aligned(2 * PAGE), bytes[3 * PAGE];
    struct iovec parts[] = {{one, PAGE}, {two, 2 * PAGE}};
    EQUAL(MUST(readv(fd, parts, 2)), 3 * PAGE);
    EQUAL(MUST(pread(buffered, bytes, sizeof bytes, 0)), sizeof bytes);
    HOLDS(memcmp(one, bytes, PAGE) == 0 && memcmp(two, bytes + PAGE, 2 * PAGE) == 0);
}

static void truncated_between(struct place *place)
{
    int buffered = open_pattern(place, "f", 2 * PAGE), fd = open_direct(place, "f", O_RDONLY);
    char *in = aligned(2 * PAGE);
    MUST(ftruncate(buffered, 100));
    EQUAL(MUST(pread(fd, in, 2 * PAGE, 0)), 100);
}

static void sync_too(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_direct(place, "f", O_RDWR | O_SYNC);
    char *out = aligned(PAGE);
    memset(out, 's', PAGE);
    EQUAL(MUST(pwrite(fd, out, PAGE, 0)), PAGE);
    check_fill(open_at(place, "f", O_RDONLY), 0, PAGE, 's');
}

static const struct rule rules[] = {
    {"opens", "a file opens with O_DIRECT, and says so", "open(2) O_DIRECT", opens},
    {"write-then-read", "aligned bytes are written and read directly", "open(2) O_DIRECT",
     write_then_read},
    {"buffered-write-direct-read", "a direct read sees what was written into the page cache",
     "open(2) O_DIRECT", buffered_write_direct_read},
    {"direct-write-buffered-read",
     "a buffered read sees what was written directly, though it has read before",
     "open(2) O_DIRECT", direct_write_buffered_read},
    {"direct-write-seen-by-mapping",
     "a file that was written directly is mapped with its new bytes", "open(2) O_DIRECT NOTES",
     direct_write_seen_by_mapping},
    {"short-at-end", "a direct read across the end returns what there is", "open(2) O_DIRECT",
     short_at_end},
    {"nothing-at-end", "a direct read at the end returns 0", "open(2) O_DIRECT", nothing_at_end},
    {"hole-is-zeros", "a hole is read directly as zeros", "open(2) O_DIRECT", hole_is_zeros},
    {"beyond-end-leaves-zeros", "a direct write beyond the end leaves zeros between",
     "open(2) O_DIRECT", beyond_end_leaves_zeros},
    {"unaligned-offset", "an unaligned offset works right or is refused", "open(2) O_DIRECT NOTES",
     unaligned_offset},
    {"unaligned-size", "an unaligned size works right or is refused and writes nothing",
     "open(2) O_DIRECT NOTES", unaligned_size},
    {"unaligned-memory", "unaligned memory works right or is refused", "open(2) O_DIRECT NOTES",
     unaligned_memory},
    {"append", "direct writes append", "open(2) O_DIRECT O_APPEND", append},
    {"set-by-fcntl", "O_DIRECT may be set on an open descriptor", "fcntl(2) F_SETFL O_DIRECT",
     set_by_fcntl},
    {"large", "a direct write and read of 1 MiB is whole", "open(2) O_DIRECT", large},
    {"in-parts", "several aligned buffers are read directly", "open(2) O_DIRECT, readv", in_parts},
    {"truncated-between", "a direct read after a cut does not see what was cut off",
     "open(2) O_DIRECT, ftruncate", truncated_between},
    {"sync-too", "O_DIRECT goes with O_SYNC", "open(2) O_DIRECT O_SYNC", sync_too},
};

const struct subject subject_direct = {"direct", rules, sizeof rules / sizeof rules[0]};
