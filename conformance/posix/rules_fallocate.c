/*
 * Rules about fallocate without moving bytes: allocation, holes, zeros; and posix_fallocate.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

enum {
    KEEP = FALLOC_FL_KEEP_SIZE,
    PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
    ZERO = FALLOC_FL_ZERO_RANGE
};

static long allocated(int fd)
{
    return (long)look_fd(fd).st_blocks * 512;
}

static void grows_with_zeros(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(fallocate(fd, 0, 0, 2 * UNIT));
    EQUAL(size_of(fd), 2 * UNIT);
    check_zeros(fd, 3, 2 * UNIT - 3);
}

static void allocates_blocks(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(fallocate(fd, 0, 0, 4 * UNIT));
    HOLDS(allocated(fd) >= 4 * UNIT);
}

static void from_an_offset(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(fallocate(fd, 0, 5000, 1000));
    EQUAL(size_of(fd), 6000);
    check_zeros(fd, 0, 6000);
}

static void inside_keeps_content(struct place *place)
{
    int fd = open_pattern(place, "f", 3 * UNIT);
    MUST(fallocate(fd, 0, 100, UNIT));
    EQUAL(size_of(fd), 3 * UNIT);
    check_pattern(fd, 0, 3 * UNIT);
}

static void fills_hole_keeps_data(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    fill(fd, 0, UNIT, 'a');
    fill(fd, 3 * UNIT, UNIT, 'b');
    MUST(fallocate(fd, 0, 0, 4 * UNIT));
    HOLDS(allocated(fd) >= 4 * UNIT);
    check_fill(fd, 0, UNIT, 'a');
    check_zeros(fd, UNIT, 2 * UNIT);
    check_fill(fd, 3 * UNIT, UNIT, 'b');
}

static void keep_size_keeps_size(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(fallocate(fd, KEEP, 0, 4 * UNIT));
    EQUAL(size_of(fd), 3);
    HOLDS(allocated(fd) >= 4 * UNIT);
    check_text(fd, "abc");
}

static void keep_size_then_grow(struct place *place)
{
    int fd = open_pattern(place, "f", 1000);
    MUST(fallocate(fd, KEEP, 0, 2 * UNIT));
    MUST(ftruncate(fd, 2 * UNIT));
    check_pattern(fd, 0, 1000);
    check_zeros(fd, 1000, 2 * UNIT - 1000);
}

static void truncate_frees_room(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(fallocate(fd, 0, 0, 8 * UNIT));
    MUST(ftruncate(fd, 0));
    EQUAL(allocated(fd), 0);
}

static void write_into_allocated(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(fallocate(fd, 0, 0, 4 * UNIT));
    fill(fd, UNIT + 100, 1000, 'x');
    MUST(fsync(fd));
    check_zeros(fd, 0, UNIT + 100);
    check_fill(fd, UNIT + 100, 1000, 'x');
    check_zeros(fd, UNIT + 1100, 3 * UNIT - 1100);
}

static void mtime_ctime(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    struct stat before = look_fd(fd);
    pass_time(place);
    MUST(fallocate(fd, 0, 0, 10000));
    HOLDS(compare_times(before.st_ctim, look_fd(fd).st_ctim) < 0);
}

static void keeps_offset(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(lseek(fd, 2, SEEK_SET));
    MUST(fallocate(fd, 0, 0, 10000));
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 2);
}

static void punch_reads_zeros(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * UNIT);
    MUST(fallocate(fd, PUNCH, UNIT, 2 * UNIT));
    EQUAL(size_of(fd), 4 * UNIT);
    check_pattern(fd, 0, UNIT);
    check_zeros(fd, UNIT, 2 * UNIT);
    check_pattern(fd, 3 * UNIT, UNIT);
}

static void punch_unaligned(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * UNIT);
    MUST(fallocate(fd, PUNCH, 1001, 2 * UNIT + 7));
    check_pattern(fd, 0, 1001);
    check_zeros(fd, 1001, 2 * UNIT + 7);
    check_pattern(fd, 2 * UNIT + 1008, 2 * UNIT - 1008);
}

static void punch_inside_block(struct place *place)
{
    int fd = open_pattern(place, "f", PAGE);
    MUST(fallocate(fd, PUNCH, 10, 20));
    check_pattern(fd, 0, 10);
    check_zeros(fd, 10, 20);
    check_pattern(fd, 30, PAGE - 30);
}

static void punch_frees_blocks(struct place *place)
{
    int fd = open_pattern(place, "f", 16 * UNIT);
    MUST(fsync(fd));
    long before = allocated(fd);
    MUST(fallocate(fd, PUNCH, 0, 8 * UNIT));
    MUST(fsync(fd));
    HOLDS(allocated(fd) <= before - 7 * UNIT);
}

static void punch_at_end(struct place *place)
{
    int fd = open_pattern(place, "f", UNIT + 100);
    MUST(fallocate(fd, PUNCH, UNIT, 4 * UNIT));
    EQUAL(size_of(fd), UNIT + 100);
    check_zeros(fd, UNIT, 100);
}

static void punch_beyond_end(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(fallocate(fd, PUNCH, 10 * UNIT, UNIT));
    EQUAL(size_of(fd), 3);
    check_text(fd, "abc");
}

static void punch_needs_keep_size(struct place *place)
{
    int fd = open_pattern(place, "f", PAGE);
    FAILS_EITHER(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE), EOPNOTSUPP, EINVAL);
    check_pattern(fd, 0, PAGE);
}

static void punch_unsynced(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    MUST(fsync(fd));
    fill(fd, 0, UNIT, 'n');
    MUST(fallocate(fd, PUNCH, 0, UNIT));
    check_zeros(fd, 0, UNIT);
    MUST(fsync(fd));
    check_zeros(fd, 0, UNIT);
    check_pattern(fd, UNIT, UNIT);
}

static void punch_then_write(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * UNIT);
    MUST(fallocate(fd, PUNCH, UNIT, 2 * UNIT));
    fill(fd, 2 * UNIT, 10, 'x');
    check_zeros(fd, UNIT, UNIT);
    check_fill(fd, 2 * UNIT, 10, 'x');
    check_zeros(fd, 2 * UNIT + 10, UNIT - 10);
}

static void zero_range_zeros(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * UNIT);
    MUST(fallocate(fd, ZERO, 1001, 2 * UNIT));
    EQUAL(size_of(fd), 4 * UNIT);
    check_pattern(fd, 0, 1001);
    check_zeros(fd, 1001, 2 * UNIT);
    check_pattern(fd, 2 * UNIT + 1001, 2 * UNIT - 1001);
}

static void zero_range_grows(struct place *place)
{
    int fd = open_pattern(place, "f", 1000);
    MUST(fallocate(fd, ZERO, 500, UNIT));
    EQUAL(size_of(fd), 500 + UNIT);
    check_pattern(fd, 0, 500);
    check_zeros(fd, 500, UNIT);
}

static void zero_range_keep_size(struct place *place)
{
    int fd = open_pattern(place, "f", 1000);
    MUST(fallocate(fd, ZERO | KEEP, 500, UNIT));
    EQUAL(size_of(fd), 1000);
    check_pattern(fd, 0, 500);
    check_zeros(fd, 500, 500);
}

static void zero_range_allocates(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, 8 * UNIT));
    MUST(fallocate(fd, ZERO, 0, 4 * UNIT));
    HOLDS(allocated(fd) >= 4 * UNIT);
}

static void through_append(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDWR | O_APPEND);
    MUST(fallocate(fd, PUNCH, 0, 2));
    check_zeros(fd, 0, 2);
    EQUAL(size_of(fd), 3);
}

static void removed_file(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(unlinkat(place->fd, "f", 0));
    MUST(fallocate(fd, 0, 0, UNIT));
    EQUAL(size_of(fd), UNIT);
}

static void posix_fallocate_grows(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    EQUAL(posix_fallocate(fd, 0, 2 * UNIT), 0);
    EQUAL(size_of(fd), 2 * UNIT);
    char three[3];
    EQUAL(MUST(pread(fd, three, 3, 0)), 3);
    HOLDS(memcmp(three, "abc", 3) == 0);
    check_zeros(fd, 3, 2 * UNIT - 3);
}

static void posix_fallocate_inside(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    EQUAL(posix_fallocate(fd, 0, 10), 0);
    EQUAL(size_of(fd), 2 * UNIT);
    check_pattern(fd, 0, 2 * UNIT);
}

static void posix_fallocate_einval(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    EQUAL(posix_fallocate(fd, -1, 10), EINVAL);
    EQUAL(posix_fallocate(fd, 0, 0), EINVAL);
    EQUAL(size_of(fd), 3);
}

static void posix_fallocate_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDONLY);
    EQUAL(posix_fallocate(fd, 0, 10), EBADF);
}

static void posix_fallocate_espipe(struct place *place)
{
    int fd = open_fifo(place, "p");
    EQUAL(posix_fallocate(fd, 0, 10), ESPIPE);
}

static const struct rule rules[] = {
    {"grows-with-zeros", "allocation beyond the end grows the file, with zeros",
     "fallocate(2), mode 0", grows_with_zeros},
    {"allocates-blocks", "allocated room is counted in st_blocks", "fallocate(2), mode 0",
     allocates_blocks},
    {"from-an-offset", "allocation from an offset on grows to offset and length",
     "fallocate(2), mode 0", from_an_offset},
    {"inside-keeps-content", "allocation inside the file changes neither bytes nor size",
     "fallocate(2), mode 0", inside_keeps_content},
    {"fills-hole-keeps-data", "allocation over a hole takes blocks and leaves the data around",
     "fallocate(2), mode 0", fills_hole_keeps_data},
    {"keep-size-keeps-size", "allocation beyond the end leaves the size when told",
     "fallocate(2) FALLOC_FL_KEEP_SIZE", keep_size_keeps_size},
    {"keep-size-then-grow", "room behind the end reads as zeros once the file grows into it",
     "fallocate(2) FALLOC_FL_KEEP_SIZE", keep_size_then_grow},
    {"truncate-frees-room", "a shorter size gives allocated room back",
     "fallocate(2), ftruncate(2)", truncate_frees_room},
    {"write-into-allocated", "what is written into allocated room is there, with zeros around",
     "fallocate(2), mode 0", write_into_allocated},
    {"mtime-ctime", "allocation that changes the size sets ctime", "fallocate(2)", mtime_ctime},
    {"keeps-offset", "allocation does not move the offset", "fallocate(2)", keeps_offset},
    {"punch-reads-zeros", "what was punched reads as zeros, its neighbours stay",
     "fallocate(2) FALLOC_FL_PUNCH_HOLE", punch_reads_zeros},
    {"punch-unaligned", "parts of blocks are zeroed to the byte",
     "fallocate(2) FALLOC_FL_PUNCH_HOLE", punch_unaligned},
    {"punch-inside-block", "a hole smaller than a block is zeroed to the byte",
     "fallocate(2) FALLOC_FL_PUNCH_HOLE", punch_inside_block},
    {"punch-frees-blocks", "what was punched takes no blocks", "fallocate(2) FALLOC_FL_PUNCH_HOLE",
     punch_frees_blocks},
    {"punch-at-end", "a hole across the end leaves the size", "fallocate(2) FALLOC_FL_PUNCH_HOLE",
     punch_at_end},
    {"punch-beyond-end", "a hole beyond the end changes nothing",
     "fallocate(2) FALLOC_FL_PUNCH_HOLE", punch_beyond_end},
    {"punch-needs-keep-size", "a hole without FALLOC_FL_KEEP_SIZE is refused",
     "fallocate(2) EOPNOTSUPP", punch_needs_keep_size},
    {"punch-unsynced", "bytes that are on no disk yet are punched too",
     "fallocate(2) FALLOC_FL_PUNCH_HOLE", punch_unsynced},
    {"punch-then-write", "a hole may be written again", "fallocate(2) FALLOC_FL_PUNCH_HOLE",
     punch_then_write},
    {"zero-range-zeros", "a zeroed range reads as zeros, its neighbours stay",
     "fallocate(2) FALLOC_FL_ZERO_RANGE", zero_range_zeros},
    {"zero-range-grows", "a zeroed range beyond the end grows the file",
     "fallocate(2) FALLOC_FL_ZERO_RANGE", zero_range_grows},
    {"zero-range-keep-size", "a zeroed range across the end leaves the size when told",
     "fallocate(2) FALLOC_FL_ZERO_RANGE", zero_range_keep_size},
    {"zero-range-allocates", "a zeroed hole takes blocks", "fallocate(2) FALLOC_FL_ZERO_RANGE",
     zero_range_allocates},
    {"through-append", "a descriptor that appends allocates where it is told", "fallocate(2)",
     through_append},
    {"removed-file", "a removed file is allocated through its descriptor", "fallocate(2)",
     removed_file},
    {"posix-fallocate-grows", "posix_fallocate grows the file and leaves its content",
     "POSIX posix_fallocate", posix_fallocate_grows},
    {"posix-fallocate-inside", "posix_fallocate never shrinks a file", "POSIX posix_fallocate",
     posix_fallocate_inside},
    {"posix-fallocate-einval", "posix_fallocate refuses a negative offset and no length",
     "POSIX posix_fallocate EINVAL", posix_fallocate_einval},
    {"posix-fallocate-ebadf", "posix_fallocate needs a descriptor for writing",
     "POSIX posix_fallocate EBADF", posix_fallocate_ebadf},
    {"posix-fallocate-espipe", "a fifo has no room to allocate", "POSIX posix_fallocate ESPIPE",
     posix_fallocate_espipe},
};

const struct subject subject_fallocate = {"fallocate", rules, sizeof rules / sizeof rules[0]};
