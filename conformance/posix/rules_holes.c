/*
 * Rules about holes as SEEK_DATA and SEEK_HOLE find them in files with holes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/mman.h>
#include "conformance/posix/rules_io.h"

/* Data, a hole and data, one unit each. */
static int open_sparse(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    fill(fd, 0, UNIT, 'a');
    fill(fd, 2 * UNIT, UNIT, 'b');
    return fd;
}

static void search_skips_no_data(struct place *place)
{
    int fd = open_sparse(place);
    off_t end = size_of(fd), at = 0;
    for (int i = 0; i < 10 && at < end; i++) {
        off_t data = lseek(fd, at, SEEK_DATA);
        data = data == -1 && errno == ENXIO ? end : MUST(data);
        HOLDS(data >= at && data <= end);
        check_zeros(fd, at, (size_t)(data - at));
        at = data == end ? end : MUST(lseek(fd, data, SEEK_HOLE));
        HOLDS(at > data || data == end);
    }
    EQUAL(at, end);
}

static void hole_in_the_middle(struct place *place)
{
    int fd = open_sparse(place);
    EQUAL(MUST(lseek(fd, 0, SEEK_HOLE)), UNIT);
    EQUAL(MUST(lseek(fd, UNIT - 1, SEEK_HOLE)), UNIT);
}

static void data_behind_hole(struct place *place)
{
    int fd = open_sparse(place);
    EQUAL(MUST(lseek(fd, UNIT, SEEK_DATA)), 2 * UNIT);
    EQUAL(MUST(lseek(fd, 2 * UNIT - 1, SEEK_DATA)), 2 * UNIT);
}

static void hole_in_hole(struct place *place)
{
    int fd = open_sparse(place);
    EQUAL(MUST(lseek(fd, UNIT + 1234, SEEK_HOLE)), UNIT + 1234);
}

static void data_after_hole_ends_at_size(struct place *place)
{
    int fd = open_sparse(place);
    EQUAL(MUST(lseek(fd, 2 * UNIT, SEEK_HOLE)), 3 * UNIT);
}

static void hole_at_beginning(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    fill(fd, UNIT, 100, 'x');
    EQUAL(MUST(lseek(fd, 0, SEEK_HOLE)), 0);
    EQUAL(MUST(lseek(fd, 0, SEEK_DATA)), UNIT);
}

static void hole_only_enxio(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, 4 * UNIT));
    FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
    EQUAL(MUST(lseek(fd, 0, SEEK_HOLE)), 0);
}

static void hole_at_end(struct place *place)
{
    int fd = open_pattern(place, "f", UNIT);
    MUST(ftruncate(fd, 3 * UNIT));
    FAILS(lseek(fd, 2 * UNIT, SEEK_DATA), ENXIO);
    EQUAL(MUST(lseek(fd, 0, SEEK_HOLE)), UNIT);
}

static void after_punch(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * UNIT);
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, UNIT, 2 * UNIT));
    EQUAL(MUST(lseek(fd, 0, SEEK_HOLE)), UNIT);
    EQUAL(MUST(lseek(fd, UNIT, SEEK_DATA)), 3 * UNIT);
    EQUAL(MUST(lseek(fd, 3 * UNIT, SEEK_HOLE)), 4 * UNIT);
}

static void after_punch_of_all(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * UNIT));
    FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
}

static void refilled_hole(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, 8 * UNIT));
    fill(fd, 4 * UNIT, UNIT, 'x');
    EQUAL(MUST(lseek(fd, 0, SEEK_DATA)), 4 * UNIT);
    EQUAL(MUST(lseek(fd, 4 * UNIT, SEEK_HOLE)), 5 * UNIT);
}

static void unsynced_data_is_data(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, 1 << 20));
    EQUAL(MUST(pwrite(fd, "x", 1, 10 * UNIT)), 1);
    off_t data = MUST(lseek(fd, 0, SEEK_DATA));
    HOLDS(data <= 10 * UNIT);
    HOLDS(MUST(lseek(fd, data, SEEK_HOLE)) > 10 * UNIT);
}

static void synced_data_is_data(struct place *place)
{
    int fd = open_sparse(place);
    MUST(fsync(fd));
    EQUAL(MUST(lseek(fd, 0, SEEK_HOLE)), UNIT);
    EQUAL(MUST(lseek(fd, UNIT, SEEK_DATA)), 2 * UNIT);
}

static void mapped_data_is_data(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, 4 * UNIT));
    char *map = mmap(NULL, 4 * UNIT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(map);
    map[2 * UNIT + 5] = 'x';
    MUST(msync(map, 4 * UNIT, MS_SYNC));
    off_t data = MUST(lseek(fd, 0, SEEK_DATA));
    HOLDS(data <= 2 * UNIT + 5);
    HOLDS(MUST(lseek(fd, data, SEEK_HOLE)) > 2 * UNIT + 5);
}

static void shrunk_hole(struct place *place)
{
    int fd = open_pattern(place, "f", 3 * UNIT);
    MUST(ftruncate(fd, UNIT));
    MUST(ftruncate(fd, 3 * UNIT));
    EQUAL(MUST(lseek(fd, 0, SEEK_HOLE)), UNIT);
    FAILS(lseek(fd, 2 * UNIT, SEEK_DATA), ENXIO);
}

static void many_holes(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    for (int i = 0; i < 20; i++) {
        fill(fd, (2 * i + 1) * (off_t)UNIT, UNIT, 'x');
    }
    off_t at = 0;
    for (int i = 0; i < 20; i++) {
        at = MUST(lseek(fd, at, SEEK_DATA));
        EQUAL(at, (2 * i + 1) * (off_t)UNIT);
        at = MUST(lseek(fd, at, SEEK_HOLE));
        EQUAL(at, (2 * i + 2) * (off_t)UNIT);
    }
}

static void far_data(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    off_t far = (off_t)1 << 40;
    fill(fd, far, UNIT, 'x');
    EQUAL(MUST(lseek(fd, 5, SEEK_DATA)), far);
    EQUAL(MUST(lseek(fd, far, SEEK_HOLE)), far + UNIT);
}

static void other_descriptor_sees_hole(struct place *place)
{
    int writer = open_sparse(place), reader = open_at(place, "f", O_RDONLY);
    EQUAL(MUST(lseek(reader, UNIT, SEEK_DATA)), 2 * UNIT);
    fill(writer, UNIT, UNIT, 'm');
    EQUAL(MUST(lseek(reader, 0, SEEK_HOLE)), 3 * UNIT);
}

static void holes_take_no_blocks(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    fill(fd, (off_t)1 << 30, PAGE, 'x');
    MUST(fsync(fd));
    HOLDS(look_fd(fd).st_blocks * 512 < 1 << 24);
}

static void sparse_copy(struct place *place)
{
    int from = open_sparse(place), to = open_new(place, "copy", NULL);
    static char block[UNIT];
    off_t end = size_of(from), hole = 0, data;
    while (hole < end && (data = lseek(from, hole, SEEK_DATA)) != -1) {
        hole = MUST(lseek(from, data, SEEK_HOLE));
        for (off_t at = data; at < hole;) {
            size_t part = hole - at < UNIT ? (size_t)(hole - at) : UNIT;
            long got = MUST(pread(from, block, part, at));
            HOLDS(got > 0);
            EQUAL(MUST(pwrite(to, block, (size_t)got, at)), got);
            at += got;
        }
    }
    MUST(ftruncate(to, end));
    check_fill(to, 0, UNIT, 'a');
    check_zeros(to, UNIT, UNIT);
    check_fill(to, 2 * UNIT, UNIT, 'b');
    EQUAL(MUST(lseek(to, 0, SEEK_HOLE)), UNIT);
}

static const struct rule rules[] = {
    {"search-skips-no-data", "a walk from data to hole to data passes over zeros only",
     "POSIX lseek SEEK_DATA", search_skips_no_data},
    {"hole-in-the-middle", "a hole between data is found at its beginning", "POSIX lseek SEEK_HOLE",
     hole_in_the_middle},
    {"data-behind-hole", "data behind a hole is found at its beginning", "POSIX lseek SEEK_DATA",
     data_behind_hole},
    {"hole-in-hole", "inside a hole the next hole is where one is", "POSIX lseek SEEK_HOLE",
     hole_in_hole},
    {"data-after-hole-ends-at-size", "behind the last data the hole begins at the size",
     "POSIX lseek SEEK_HOLE", data_after_hole_ends_at_size},
    {"hole-at-beginning", "a file that begins with a hole has its first data behind it",
     "POSIX lseek SEEK_DATA", hole_at_beginning},
    {"hole-only-enxio", "a file of nothing but a hole has no data", "POSIX lseek ENXIO",
     hole_only_enxio},
    {"hole-at-end", "in the hole at a file's end there is no data any more", "POSIX lseek ENXIO",
     hole_at_end},
    {"after-punch", "what was punched is a hole", "fallocate(2) FALLOC_FL_PUNCH_HOLE", after_punch},
    {"after-punch-of-all", "a file that was punched from end to end has no data",
     "fallocate(2) FALLOC_FL_PUNCH_HOLE", after_punch_of_all},
    {"refilled-hole", "a hole that was written into is data there", "POSIX lseek SEEK_DATA",
     refilled_hole},
    {"unsynced-data-is-data", "data that is on no disk yet is found", "lseek(2) SEEK_DATA",
     unsynced_data_is_data},
    {"synced-data-is-data", "data is found after fsync as before", "lseek(2) SEEK_DATA",
     synced_data_is_data},
    {"mapped-data-is-data", "what was stored through a mapping is found", "lseek(2) SEEK_DATA",
     mapped_data_is_data},
    {"shrunk-hole", "data that was cut off and grown again is a hole", "POSIX lseek SEEK_HOLE",
     shrunk_hole},
    {"many-holes", "a walk over many stretches finds each", "POSIX lseek SEEK_DATA", many_holes},
    {"far-data", "data behind a hole of a TiB is found", "lseek(2) SEEK_DATA", far_data},
    {"other-descriptor-sees-hole", "a descriptor for reading finds what another has written",
     "lseek(2) SEEK_DATA", other_descriptor_sees_hole},
    {"holes-take-no-blocks", "a hole takes no blocks", "POSIX stat, st_blocks",
     holes_take_no_blocks},
    {"sparse-copy", "a copy of the data only has the same content and no more blocks",
     "lseek(2) SEEK_DATA", sparse_copy},
};

const struct subject subject_holes = {"holes", rules, sizeof rules / sizeof rules[0]};
