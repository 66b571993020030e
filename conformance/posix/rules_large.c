/*
 * Rules about large files: offsets beyond 2 GiB, 4 GiB and a TiB, all of them sparse.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/mman.h>
#include "conformance/posix/rules_io.h"

static const off_t GIB = (off_t)1 << 30, TIB = (off_t)1 << 40;

/* A page on each side of a border, and nothing else. */
static int open_across(struct place *place, off_t border)
{
    int fd = open_new(place, "f", NULL);
    write_pattern(fd, border - PAGE, 2 * PAGE);
    return fd;
}

static void across_two_gibibytes(struct place *place)
{
    int fd = open_across(place, 2 * GIB);
    EQUAL(size_of(fd), 2 * GIB + PAGE);
    check_pattern(fd, 2 * GIB - PAGE, 2 * PAGE);
}

static void across_four_gibibytes(struct place *place)
{
    int fd = open_across(place, 4 * GIB);
    EQUAL(size_of(fd), 4 * GIB + PAGE);
    check_pattern(fd, 4 * GIB - PAGE, 2 * PAGE);
}

static void four_gibibytes_apart(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    fill(fd, 4 * GIB + 1000, 100, 'h');
    fill(fd, 1000, 100, 'l');
    check_fill(fd, 1000, 100, 'l');
    check_fill(fd, 4 * GIB + 1000, 100, 'h');
    check_zeros(fd, 1100, 1000);
}

static void at_a_tebibyte(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    write_pattern(fd, TIB + 123, 10000);
    MUST(fsync(fd));
    check_pattern(fd, TIB + 123, 10000);
    EQUAL(size_of(fd), TIB + 10123);
}

static void read_by_other_descriptor(struct place *place)
{
    int fd = open_across(place, 4 * GIB), other = open_at(place, "f", O_RDONLY);
    char one[64], two[64];
    (void)fd;
    EQUAL(MUST(lseek(other, 4 * GIB - 32, SEEK_SET)), 4 * GIB - 32);
    EQUAL(MUST(read(other, one, 64)), 64);
    EQUAL(MUST(lseek(other, 0, SEEK_CUR)), 4 * GIB + 32);
    EQUAL(MUST(pread(other, two, 64, 4 * GIB - 32)), 64);
    HOLDS(memcmp(one, two, 64) == 0);
}

static void size_by_name(struct place *place)
{
    (void)open_across(place, 5 * GIB);
    EQUAL(look(place, "f").st_size, 5 * GIB + PAGE);
}

static void sequential_across_border(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(lseek(fd, 4 * GIB - 500, SEEK_SET));
    for (int i = 0; i < 10; i++) {
        EQUAL(MUST(write(fd,
                         "0123456789012345678901234567890123456789"
                         "0123456789012345678901234567890123456789"
                         "01234567890123456789",
                         100)),
              100);
    }
    EQUAL(size_of(fd), 4 * GIB + 500);
    check_fill(fd, 4 * GIB, 1, '0');
    check_fill(fd, 4 * GIB + 99, 1, '9');
}

static void append_beyond_border(struct place *place)
{
    int fd = open_new(place, "f", NULL), log = open_at(place, "f", O_WRONLY | O_APPEND);
    MUST(ftruncate(fd, 4 * GIB - 2));
    EQUAL(MUST(write(log, "abcd", 4)), 4);
    EQUAL(size_of(fd), 4 * GIB + 2);
    check_fill(fd, 4 * GIB, 1, 'c');
}

static void shrink_below_border(struct place *place)
{
    int fd = open_across(place, 4 * GIB);
    MUST(ftruncate(fd, 4 * GIB - 100));
    EQUAL(size_of(fd), 4 * GIB - 100);
    MUST(ftruncate(fd, 4 * GIB + 100));
    check_pattern(fd, 4 * GIB - PAGE, PAGE - 100);
    check_zeros(fd, 4 * GIB - 100, 200);
}

static void punch_across_border(struct place *place)
{
    int fd = open_across(place, 4 * GIB);
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * GIB - 50, 100));
    check_pattern(fd, 4 * GIB - PAGE, PAGE - 50);
    check_zeros(fd, 4 * GIB - 50, 100);
    check_pattern(fd, 4 * GIB + 50, PAGE - 50);
}

static void hole_of_gibibytes_is_punched(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    fill(fd, PAGE, PAGE, 'a');
    fill(fd, 6 * GIB, PAGE, 'b');
    fill(fd, 7 * GIB, PAGE, 'c');
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 6 * GIB + PAGE));
    check_zeros(fd, PAGE, PAGE);
    check_zeros(fd, 6 * GIB, PAGE);
    check_fill(fd, 7 * GIB, PAGE, 'c');
}

static void mapped_beyond_border(struct place *place)
{
    int fd = open_across(place, 4 * GIB);
    char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4 * GIB);
    MUST(map);
    map[7] = '!';
    check_fill(fd, 4 * GIB + 7, 1, '!');
    check_pattern(fd, 4 * GIB + 8, PAGE - 8);
}

static void copied_across_border(struct place *place)
{
    int from = open_pattern(place, "g", 1000), to = open_new(place, "f", NULL);
    off_t in = 0, out = 6 * GIB;
    EQUAL(MUST(copy_file_range(from, &in, to, &out, 1000, 0)), 1000);
    EQUAL(out, 6 * GIB + 1000);
    char one[1000], two[1000];
    EQUAL(MUST(pread(from, one, 1000, 0)), 1000);
    EQUAL(MUST(pread(to, two, 1000, 6 * GIB)), 1000);
    HOLDS(memcmp(one, two, 1000) == 0);
}

static void locked_beyond_border(struct place *place)
{
    int fd = open_across(place, 4 * GIB);
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5 * GIB, .l_len = 3 * GIB};
    MUST(fcntl(fd, F_SETLK, &lock));
}

static void takes_few_blocks(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    fill(fd, TIB, PAGE, 'x');
    MUST(fsync(fd));
    HOLDS(look_fd(fd).st_blocks * 512 < 16 * UNIT);
}

static void without_large_file_flag(struct place *place)
{
    (void)open_across(place, 3 * GIB);
    int fd = (int)MUST(openat(place->fd, "f", O_RDONLY | O_CLOEXEC));
    EQUAL(size_of(fd), 3 * GIB + PAGE);
}

static const struct rule rules[] = {
    {"across-two-gibibytes", "bytes across 2 GiB are written and read", "POSIX write, LFS",
     across_two_gibibytes},
    {"across-four-gibibytes", "bytes across 4 GiB are written and read", "POSIX write, LFS",
     across_four_gibibytes},
    {"four-gibibytes-apart", "offsets that differ by 4 GiB are different bytes", "POSIX write, LFS",
     four_gibibytes_apart},
    {"at-a-tebibyte", "bytes at a TiB are written, synced and read", "POSIX write, LFS",
     at_a_tebibyte},
    {"read-by-other-descriptor", "a descriptor that is opened then reads them by seeking",
     "POSIX read, LFS", read_by_other_descriptor},
    {"size-by-name", "stat by name tells a size beyond 4 GiB", "POSIX stat, LFS", size_by_name},
    {"sequential-across-border", "small writes one after the other pass 4 GiB", "POSIX write, LFS",
     sequential_across_border},
    {"append-beyond-border", "appending goes on beyond 4 GiB", "POSIX write O_APPEND, LFS",
     append_beyond_border},
    {"shrink-below-border", "a size is set from above 4 GiB to below and back",
     "POSIX ftruncate, LFS", shrink_below_border},
    {"punch-across-border", "a hole is punched across 4 GiB", "fallocate(2) FALLOC_FL_PUNCH_HOLE",
     punch_across_border},
    {"hole-of-gibibytes-is-punched", "a hole of more than 4 GiB is punched at once",
     "fallocate(2) FALLOC_FL_PUNCH_HOLE", hole_of_gibibytes_is_punched},
    {"mapped-beyond-border", "a page beyond 4 GiB is mapped", "POSIX mmap, LFS",
     mapped_beyond_border},
    {"copied-across-border", "bytes are copied from below 4 GiB to above", "copy_file_range(2)",
     copied_across_border},
    {"locked-beyond-border", "bytes beyond 4 GiB are locked", "POSIX fcntl F_SETLK, LFS",
     locked_beyond_border},
    {"takes-few-blocks", "a file with one page at a TiB takes few blocks", "POSIX stat, st_blocks",
     takes_few_blocks},
    {"without-large-file-flag", "a 64-bit program needs no flag for large files",
     "open(2) O_LARGEFILE", without_large_file_flag},
};

const struct subject subject_large = {"large", rules, sizeof rules / sizeof rules[0]};
