/*
 * Rules about mapped files: what a mapping shows, what reaches the file, and which mappings are
 * allowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/mman.h>
#include "conformance/posix/rules_io.h"

static char *map_shared(int fd, size_t size)
{
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(map);
    return map;
}

static char *map_private(int fd, size_t size)
{
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    MUST(map);
    return map;
}

static void shows_content(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    const char *map = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);
    MUST(map);
    HOLDS(memcmp(map, "hello", 5) == 0);
}

static void zeros_behind_end(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    const char *map = map_shared(fd, PAGE);
    for (int i = 5; i < PAGE; i++) {
        EQUAL(map[i], 0);
    }
}

static void store_behind_end_is_lost(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_shared(fd, PAGE);
    map[100] = 'x';
    MUST(msync(map, PAGE, MS_SYNC));
    MUST(munmap(map, PAGE));
    EQUAL(size_of(fd), 5);
    MUST(ftruncate(fd, 200));
    check_zeros(fd, 5, 195);
}

static void offset_of_a_page(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * PAGE);
    char bytes[PAGE];
    const char *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
    MUST(map);
    EQUAL(MUST(pread(fd, bytes, PAGE, 2 * PAGE)), PAGE);
    HOLDS(memcmp(map, bytes, PAGE) == 0);
}

static void odd_offset_einval(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * PAGE);
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100), EINVAL);
}

static void zero_length_einval(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    FAILS(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0), EINVAL);
}

static void closed_ebadf(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    MUST(close(fd));
    FAILS(mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0), EBADF);
}

static void directory_enodev(struct place *place)
{
    FAILS(mmap(NULL, 5, PROT_READ, MAP_SHARED, place->fd, 0), ENODEV);
}

static void fifo_enodev(struct place *place)
{
    int fd = open_fifo(place, "p");
    FAILS(mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
}

static void write_only_eacces(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    int fd = open_at(place, "f", O_WRONLY);
    FAILS(mmap(NULL, 5, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
}

static void read_only_shared_eacces(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    int fd = open_at(place, "f", O_RDONLY);
    FAILS(mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
}

static void read_only_private(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    char *map = map_private(open_at(place, "f", O_RDONLY), 5);
    map[0] = 'J';
    check_content(place, "f", "hello");
}

static void read_only_no_mprotect(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    int fd = open_at(place, "f", O_RDONLY);
    char *map = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);
    MUST(map);
    FAILS(mprotect(map, 5, PROT_READ | PROT_WRITE), EACCES);
}

static void store_is_read_at_once(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    map_shared(fd, 5)[0] = 'J';
    check_text(fd, "Jello");
}

static void store_is_read_by_name(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    map_shared(fd, 5)[4] = 'y';
    check_content(place, "f", "helly");
}

static void write_is_seen(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    const char *map = map_shared(fd, 5);
    EQUAL(map[0], 'h');
    EQUAL(MUST(pwrite(fd, "J", 1, 0)), 1);
    EQUAL(map[0], 'J');
}

static void write_by_other_descriptor(struct place *place)
{
    int fd = open_new(place, "f", "hello"), other = open_at(place, "f", O_WRONLY);
    const char *map = map_shared(fd, 5);
    EQUAL(map[1], 'e');
    EQUAL(MUST(pwrite(other, "a", 1, 1)), 1);
    EQUAL(map[1], 'a');
}

static void two_mappings(struct place *place)
{
    int fd = open_new(place, "f", "hello"), other = open_at(place, "f", O_RDWR);
    char *one = map_shared(fd, 5);
    const char *two = map_shared(other, 5);
    one[2] = 'X';
    EQUAL(two[2], 'X');
}

static void private_store_stays_private(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_private(fd, 5);
    map[0] = 'J';
    EQUAL(map[0], 'J');
    MUST(msync(map, 5, MS_SYNC));
    check_text(fd, "hello");
}

static void private_keeps_its_copy(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_private(fd, 5);
    map[0] = 'J';
    EQUAL(MUST(pwrite(fd, "XXXXX", 5, 0)), 5);
    HOLDS(memcmp(map, "Jello", 5) == 0);
}

static void after_close(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_shared(fd, 5);
    MUST(close(fd));
    map[0] = 'J';
    HOLDS(memcmp(map, "Jello", 5) == 0);
    MUST(munmap(map, 5));
    check_content(place, "f", "Jello");
}

static void untouched_until_unlink(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * UNIT);
    MUST(fsync(fd));
    MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    const char *map = map_shared(fd, 4 * UNIT);
    char bytes[100];
    MUST(unlinkat(place->fd, "f", 0));
    EQUAL(MUST(pread(fd, bytes, 100, 3 * UNIT)), 100);
    MUST(close(fd));
    HOLDS(memcmp(map + 3 * UNIT, bytes, 100) == 0);
}

static void after_rename(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_shared(fd, 5);
    MUST(renameat(place->fd, "f", place->fd, "g"));
    map[0] = 'J';
    check_content(place, "g", "Jello");
}

static void does_not_move_offset(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    MUST(lseek(fd, 3, SEEK_SET));
    EQUAL(map_shared(fd, 5)[0], 'h');
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 3);
}

static void maps_a_hole(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, 8 * UNIT));
    char *map = map_shared(fd, 8 * UNIT);
    EQUAL(map[3 * UNIT], 0);
    map[3 * UNIT] = 'x';
    MUST(munmap(map, 8 * UNIT));
    check_fill(fd, 3 * UNIT, 1, 'x');
    check_zeros(fd, 0, 3 * UNIT);
    check_zeros(fd, 3 * UNIT + 1, 5 * UNIT - 1);
}

static void grown_after_mapping(struct place *place)
{
    int fd = open_new(place, "f", "a");
    char *map = map_shared(fd, 2 * PAGE);
    MUST(ftruncate(fd, 2 * PAGE));
    EQUAL(map[PAGE + 5], 0);
    EQUAL(MUST(pwrite(fd, "x", 1, PAGE + 5)), 1);
    EQUAL(map[PAGE + 5], 'x');
}

static void punched_under_mapping(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    const char *map = map_shared(fd, 2 * UNIT);
    HOLDS(map[100] != 0);
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, UNIT));
    EQUAL(map[100], 0);
    HOLDS(map[UNIT] != 0);
}

static void read_into_own_mapping(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * PAGE);
    char *map = map_shared(fd, 2 * PAGE);
    EQUAL(MUST(pread(fd, map + PAGE, PAGE, 0)), PAGE);
    HOLDS(memcmp(map, map + PAGE, PAGE) == 0);
}

static void write_from_own_mapping(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * PAGE);
    const char *map = map_shared(fd, 2 * PAGE);
    EQUAL(MUST(pwrite(fd, map, PAGE, PAGE)), PAGE);
    HOLDS(memcmp(map, map + PAGE, PAGE) == 0);
}

static void write_from_other_mapping(struct place *place)
{
    int from = open_pattern(place, "f", 3 * UNIT), to = open_new(place, "g", NULL);
    const char *map = map_shared(from, 3 * UNIT);
    EQUAL(MUST(write(to, map, 3 * UNIT)), 3 * UNIT);
    check_pattern(to, 0, 3 * UNIT);
}

static const struct rule rules[] = {
    {"shows-content", "a mapping shows the file's bytes", "POSIX mmap", shows_content},
    {"zeros-behind-end", "the rest of the last page reads as zeros", "POSIX mmap",
     zeros_behind_end},
    {"store-behind-end-is-lost", "what is stored behind the end of the file does not get into it",
     "POSIX mmap", store_behind_end_is_lost},
    {"offset-of-a-page", "a mapping may begin at any page", "POSIX mmap, off", offset_of_a_page},
    {"odd-offset-einval", "an offset inside a page is refused", "POSIX mmap EINVAL",
     odd_offset_einval},
    {"zero-length-einval", "a mapping of no bytes is refused", "POSIX mmap EINVAL",
     zero_length_einval},
    {"closed-ebadf", "a closed descriptor is not mapped", "POSIX mmap EBADF", closed_ebadf},
    {"directory-enodev", "a directory is not mapped", "POSIX mmap ENODEV", directory_enodev},
    {"fifo-enodev", "a fifo is not mapped", "POSIX mmap ENODEV", fifo_enodev},
    {"write-only-eacces", "a descriptor for writing only is not mapped", "POSIX mmap EACCES",
     write_only_eacces},
    {"read-only-shared-eacces",
     "a descriptor for reading only gives no shared mapping to store into", "POSIX mmap EACCES",
     read_only_shared_eacces},
    {"read-only-private", "but it gives a private one", "POSIX mmap", read_only_private},
    {"read-only-no-mprotect", "a shared mapping for reading cannot be made one for writing later",
     "POSIX mprotect EACCES", read_only_no_mprotect},
    {"store-is-read-at-once", "read sees what was stored through a mapping at once",
     "POSIX mmap MAP_SHARED", store_is_read_at_once},
    {"store-is-read-by-name", "and so does a descriptor that is opened then",
     "POSIX mmap MAP_SHARED", store_is_read_by_name},
    {"write-is-seen", "a mapping shows what is written then", "POSIX mmap MAP_SHARED",
     write_is_seen},
    {"write-by-other-descriptor", "also through another descriptor", "POSIX mmap MAP_SHARED",
     write_by_other_descriptor},
    {"two-mappings", "two shared mappings of a file are one memory", "POSIX mmap MAP_SHARED",
     two_mappings},
    {"private-store-stays-private", "what is stored into a private mapping does not reach the file",
     "POSIX mmap MAP_PRIVATE", private_store_stays_private},
    {"private-keeps-its-copy",
     "a page stored into stays private, whatever is written to the file then",
     "POSIX mmap MAP_PRIVATE", private_keeps_its_copy},
    {"after-close", "a mapping outlives its descriptor", "POSIX mmap", after_close},
    {"untouched-until-unlink", "pages first touched after the name is gone have the file's bytes",
     "POSIX mmap, unlink", untouched_until_unlink},
    {"after-rename", "a mapping follows its file to a new name", "POSIX mmap, rename",
     after_rename},
    {"does-not-move-offset", "a mapping neither uses nor moves the offset", "POSIX mmap",
     does_not_move_offset},
    {"maps-a-hole", "a hole is mapped as zeros and may be stored into", "POSIX mmap", maps_a_hole},
    {"grown-after-mapping", "a mapping shows what a file has grown by since", "Linux mmap(2)",
     grown_after_mapping},
    {"punched-under-mapping", "a mapping shows zeros where a hole was punched",
     "fallocate(2) FALLOC_FL_PUNCH_HOLE", punched_under_mapping},
    {"read-into-own-mapping", "a read may have a mapping of the same file as its buffer",
     "POSIX read, mmap", read_into_own_mapping},
    {"write-from-own-mapping", "a write may have a mapping of the same file as its buffer",
     "POSIX write, mmap", write_from_own_mapping},
    {"write-from-other-mapping", "a file is copied by writing from its mapping",
     "POSIX write, mmap", write_from_other_mapping},
};

const struct subject subject_mmap = {"mmap", rules, sizeof rules / sizeof rules[0]};
