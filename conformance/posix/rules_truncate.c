/*
 * Rules about truncate and ftruncate.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

static void shrink(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    MUST(ftruncate(fd, 2));
    EQUAL(size_of(fd), 2);
    check_text(fd, "ab");
}

static void shrink_to_nothing(struct place *place)
{
    int fd = open_pattern(place, "f", 3 * UNIT);
    MUST(ftruncate(fd, 0));
    char byte;
    EQUAL(MUST(pread(fd, &byte, 1, 0)), 0);
    EQUAL(size_of(fd), 0);
}

static void grow_gives_zeros(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(ftruncate(fd, 3 * UNIT));
    EQUAL(size_of(fd), 3 * UNIT);
    check_zeros(fd, 3, 3 * UNIT - 3);
}

static void regrow_gives_zeros(struct place *place)
{
    int fd = open_pattern(place, "f", 3 * UNIT);
    MUST(ftruncate(fd, UNIT));
    MUST(ftruncate(fd, 3 * UNIT));
    check_pattern(fd, 0, UNIT);
    check_zeros(fd, UNIT, 2 * UNIT);
}

static void regrow_inside_page(struct place *place)
{
    int fd = open_pattern(place, "f", 1000);
    MUST(ftruncate(fd, 333));
    MUST(ftruncate(fd, 1000));
    check_pattern(fd, 0, 333);
    check_zeros(fd, 333, 667);
}

static void regrow_by_write(struct place *place)
{
    int fd = open_pattern(place, "f", 9000);
    MUST(ftruncate(fd, 100));
    EQUAL(MUST(pwrite(fd, "x", 1, 8000)), 1);
    check_zeros(fd, 100, 7900);
}

static void regrow_synced(struct place *place)
{
    int fd = open_pattern(place, "f", 9000);
    MUST(fsync(fd));
    MUST(ftruncate(fd, 4097));
    MUST(fsync(fd));
    MUST(ftruncate(fd, 9000));
    check_pattern(fd, 0, 4097);
    check_zeros(fd, 4097, 4903);
}

static void shrink_twice(struct place *place)
{
    int fd = open_pattern(place, "f", 9000);
    MUST(ftruncate(fd, 5000));
    MUST(ftruncate(fd, 4999));
    EQUAL(size_of(fd), 4999);
    check_pattern(fd, 0, 4999);
}

static void same_size_keeps_content(struct place *place)
{
    int fd = open_pattern(place, "f", 5000);
    MUST(ftruncate(fd, 5000));
    check_pattern(fd, 0, 5000);
    EQUAL(size_of(fd), 5000);
}

static void same_size_marks_times(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    struct stat before = look_fd(fd);
    pass_time(place);
    MUST(ftruncate(fd, 3));
    struct stat after = look_fd(fd);
    HOLDS(compare_times(before.st_mtim, after.st_mtim) < 0);
    HOLDS(compare_times(before.st_ctim, after.st_ctim) < 0);
}

static void shrink_marks_times(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    struct stat before = look_fd(fd);
    pass_time(place);
    MUST(ftruncate(fd, 1));
    struct stat after = look_fd(fd);
    HOLDS(compare_times(before.st_mtim, after.st_mtim) < 0);
    HOLDS(compare_times(before.st_ctim, after.st_ctim) < 0);
}

static void path_grow_marks_times(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    struct stat before = look(place, "f");
    pass_time(place);
    MUST(truncate(path_of(place, "f"), 10));
    struct stat after = look(place, "f");
    HOLDS(compare_times(before.st_mtim, after.st_mtim) < 0);
    HOLDS(compare_times(before.st_ctim, after.st_ctim) < 0);
}

static void path_shrink(struct place *place)
{
    make_file(place, "f", 0666, "abcdef");
    MUST(truncate(path_of(place, "f"), 3));
    check_content(place, "f", "abc");
}

static void path_grow(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(truncate(path_of(place, "f"), 10000));
    EQUAL(size_of(fd), 10000);
    check_zeros(fd, 3, 9997);
}

static void through_symlink(struct place *place)
{
    make_file(place, "f", 0666, "abcdef");
    make_symlink(place, "f", "l");
    MUST(truncate(path_of(place, "l"), 3));
    check_content(place, "f", "abc");
}

static void through_other_link(struct place *place)
{
    make_file(place, "f", 0666, "abcdef");
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    MUST(truncate(path_of(place, "g"), 1));
    check_content(place, "f", "a");
}

static void largest_size(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    if (ftruncate(fd, INT64_MAX) == 0) {
        EQUAL(size_of(fd), INT64_MAX);
    } else {
        HOLDS(errno == EFBIG || errno == EINVAL);
        EQUAL(size_of(fd), 3);
    }
}

static void several_tebibytes(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    off_t size = (off_t)3 << 40;
    MUST(ftruncate(fd, size));
    EQUAL(size_of(fd), size);
    HOLDS(look_fd(fd).st_blocks < 1024);
    check_zeros(fd, size - 4096, 4096);
}

static void keeps_offset(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(lseek(fd, 2, SEEK_SET));
    MUST(ftruncate(fd, 0));
    MUST(ftruncate(fd, 100));
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 2);
}

static void seen_by_reader(struct place *place)
{
    int fd = open_new(place, "f", "abcdef"), reader = open_at(place, "f", O_RDONLY);
    char buffer[10];
    EQUAL(MUST(read(reader, buffer, 4)), 4);
    MUST(ftruncate(fd, 2));
    EQUAL(MUST(read(reader, buffer, 4)), 0);
    EQUAL(MUST(pread(reader, buffer, 10, 0)), 2);
}

static void shrink_frees_blocks(struct place *place)
{
    int fd = open_pattern(place, "f", 8 * UNIT);
    MUST(fsync(fd));
    blkcnt_t before = look_fd(fd).st_blocks;
    MUST(ftruncate(fd, UNIT));
    HOLDS(look_fd(fd).st_blocks < before);
}

static void grow_takes_no_blocks(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, 1 << 30));
    MUST(fsync(fd));
    HOLDS(look_fd(fd).st_blocks < 1024);
}

static void write_after_shrink(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    EQUAL(MUST(write(fd, "abcdef", 6)), 6);
    MUST(ftruncate(fd, 2));
    EQUAL(MUST(write(fd, "X", 1)), 1);
    EQUAL(size_of(fd), 7);
    check_zeros(fd, 2, 4);
}

static const struct rule rules[] = {
    {"shrink", "what lies behind a smaller size is gone", "POSIX ftruncate", shrink},
    {"shrink-to-nothing", "a file may be made empty", "POSIX ftruncate", shrink_to_nothing},
    {"grow-gives-zeros", "a file that grows is filled with zeros", "POSIX ftruncate",
     grow_gives_zeros},
    {"regrow-gives-zeros", "what was cut off does not come back", "POSIX ftruncate",
     regrow_gives_zeros},
    {"regrow-inside-page", "what was cut off inside a page does not come back", "POSIX ftruncate",
     regrow_inside_page},
    {"regrow-by-write", "what was cut off does not come back when a later write grows the file",
     "POSIX ftruncate, write", regrow_by_write},
    {"regrow-synced", "nor after the shorter file was synced", "POSIX ftruncate, fsync",
     regrow_synced},
    {"shrink-twice", "of two shorter sizes the last one counts", "POSIX ftruncate", shrink_twice},
    {"same-size-keeps-content", "the same size changes no byte", "POSIX ftruncate",
     same_size_keeps_content},
    {"same-size-marks-times", "ftruncate to the same size sets mtime and ctime", "POSIX ftruncate",
     same_size_marks_times},
    {"shrink-marks-times", "a smaller size sets mtime and ctime", "POSIX ftruncate",
     shrink_marks_times},
    {"path-grow-marks-times", "a larger size by name sets mtime and ctime", "POSIX truncate",
     path_grow_marks_times},
    {"path-shrink", "a file may be cut by name", "POSIX truncate", path_shrink},
    {"path-grow", "a file may be grown by name, with zeros", "POSIX truncate", path_grow},
    {"through-symlink", "a symbolic link is followed", "POSIX truncate", through_symlink},
    {"through-other-link", "a size set by one name is there by the other", "POSIX truncate",
     through_other_link},
    {"largest-size", "the largest size is either there or refused", "POSIX ftruncate EFBIG",
     largest_size},
    {"several-tebibytes", "a sparse file of three TiB takes next to nothing", "POSIX ftruncate",
     several_tebibytes},
    {"keeps-offset", "a new size does not move the offset", "POSIX ftruncate", keeps_offset},
    {"seen-by-reader", "another descriptor sees the new end at once", "POSIX ftruncate",
     seen_by_reader},
    {"shrink-frees-blocks", "a smaller file takes fewer blocks", "POSIX stat, st_blocks",
     shrink_frees_blocks},
    {"grow-takes-no-blocks", "a file that only grows takes no blocks", "POSIX stat, st_blocks",
     grow_takes_no_blocks},
    {"write-after-shrink", "a descriptor behind the new end leaves zeros before its next write",
     "POSIX ftruncate, write", write_after_shrink},
};

const struct subject subject_truncate = {"truncate", rules, sizeof rules / sizeof rules[0]};
