/*
 * Rules about lseek: offsets, and the search for data and holes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

static void set_returns_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    char byte;
    EQUAL(MUST(lseek(fd, 4, SEEK_SET)), 4);
    EQUAL(MUST(read(fd, &byte, 1)), 1);
    EQUAL(byte, 'e');
}

static void current_is_relative(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    MUST(lseek(fd, 4, SEEK_SET));
    EQUAL(MUST(lseek(fd, -3, SEEK_CUR)), 1);
    EQUAL(MUST(lseek(fd, 2, SEEK_CUR)), 3);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 3);
}

static void end_is_relative(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    EQUAL(MUST(lseek(fd, 0, SEEK_END)), 6);
    EQUAL(MUST(lseek(fd, -2, SEEK_END)), 4);
    EQUAL(MUST(lseek(fd, 10, SEEK_END)), 16);
}

static void beyond_end_keeps_size(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    EQUAL(MUST(lseek(fd, 1000000, SEEK_SET)), 1000000);
    EQUAL(size_of(fd), 3);
}

static void beyond_end_then_write(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(lseek(fd, 7, SEEK_END));
    EQUAL(MUST(write(fd, "x", 1)), 1);
    EQUAL(size_of(fd), 11);
    check_zeros(fd, 3, 7);
}

static void negative_einval(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(lseek(fd, 2, SEEK_SET));
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    FAILS(lseek(fd, -3, SEEK_CUR), EINVAL);
    FAILS(lseek(fd, -4, SEEK_END), EINVAL);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 2);
}

static void overflow_refused(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(lseek(fd, 2, SEEK_SET));
    FAILS_EITHER(lseek(fd, INT64_MAX, SEEK_CUR), EOVERFLOW, EINVAL);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 2);
}

static void unknown_whence_einval(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS(lseek(fd, 0, 99), EINVAL);
}

static void closed_ebadf(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(close(fd));
    FAILS(lseek(fd, 0, SEEK_SET), EBADF);
}

static void path_descriptor_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_PATH);
    FAILS(lseek(fd, 0, SEEK_SET), EBADF);
}

static void fifo_espipe(struct place *place)
{
    int fd = open_fifo(place, "p");
    FAILS(lseek(fd, 0, SEEK_CUR), ESPIPE);
}

static void terabyte_offset(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    char byte;
    EQUAL(MUST(lseek(fd, (off_t)1 << 40, SEEK_SET)), (off_t)1 << 40);
    EQUAL(MUST(read(fd, &byte, 1)), 0);
}

static void end_after_growth(struct place *place)
{
    int fd = open_new(place, "f", "abc"), other = open_at(place, "f", O_WRONLY | O_APPEND);
    EQUAL(MUST(lseek(fd, 0, SEEK_END)), 3);
    EQUAL(MUST(write(other, "defg", 4)), 4);
    EQUAL(MUST(lseek(fd, 0, SEEK_END)), 7);
}

static void end_after_truncate(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    MUST(truncate(path_of(place, "f"), 2));
    EQUAL(MUST(lseek(fd, 0, SEEK_END)), 2);
}

static int grow_by_child(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "f", O_WRONLY | O_APPEND | O_CLOEXEC);
    return fd >= 0 && write(fd, "123", 3) == 3 ? 0 : errno;
}

static void end_after_other_process(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    EQUAL(as_child(grow_by_child, place, NULL), 0);
    EQUAL(MUST(lseek(fd, 0, SEEK_END)), 6);
}

static void offset_survives_shrink(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    MUST(lseek(fd, 5, SEEK_SET));
    MUST(ftruncate(fd, 2));
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 5);
}

static void data_in_dense(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    EQUAL(MUST(lseek(fd, 0, SEEK_DATA)), 0);
    EQUAL(MUST(lseek(fd, UNIT + 17, SEEK_DATA)), UNIT + 17);
    EQUAL(MUST(lseek(fd, 2 * UNIT - 1, SEEK_DATA)), 2 * UNIT - 1);
}

static void hole_in_dense(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    EQUAL(MUST(lseek(fd, 0, SEEK_HOLE)), 2 * UNIT);
    EQUAL(MUST(lseek(fd, UNIT + 17, SEEK_HOLE)), 2 * UNIT);
}

static void hole_at_odd_end(struct place *place)
{
    int fd = open_new(place, "f", "abcde");
    EQUAL(MUST(lseek(fd, 0, SEEK_HOLE)), 5);
    EQUAL(MUST(lseek(fd, 4, SEEK_DATA)), 4);
}

static void at_end_enxio(struct place *place)
{
    int fd = open_new(place, "f", "abcde");
    FAILS(lseek(fd, 5, SEEK_DATA), ENXIO);
    FAILS(lseek(fd, 5, SEEK_HOLE), ENXIO);
}

static void beyond_end_enxio(struct place *place)
{
    int fd = open_new(place, "f", "abcde");
    FAILS(lseek(fd, 1 << 20, SEEK_DATA), ENXIO);
    FAILS(lseek(fd, 1 << 20, SEEK_HOLE), ENXIO);
}

static void empty_enxio(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
    FAILS(lseek(fd, 0, SEEK_HOLE), ENXIO);
}

static void negative_data_enxio(struct place *place)
{
    int fd = open_new(place, "f", "abcde");
    FAILS_EITHER(lseek(fd, -1, SEEK_DATA), ENXIO, EINVAL);
    FAILS_EITHER(lseek(fd, -1, SEEK_HOLE), ENXIO, EINVAL);
}

static void search_moves_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcde");
    MUST(lseek(fd, 2, SEEK_DATA));
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 2);
    MUST(lseek(fd, 0, SEEK_HOLE));
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 5);
}

static void failed_search_keeps_offset(struct place *place)
{
    int fd = open_new(place, "f", "abcde");
    MUST(lseek(fd, 3, SEEK_SET));
    FAILS(lseek(fd, 9, SEEK_DATA), ENXIO);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 3);
}

static void fifo_search_espipe(struct place *place)
{
    int fd = open_fifo(place, "p");
    FAILS(lseek(fd, 0, SEEK_DATA), ESPIPE);
    FAILS(lseek(fd, 0, SEEK_HOLE), ESPIPE);
}

static const struct rule rules[] = {
    {"set-returns-offset", "SEEK_SET sets the offset and returns it", "POSIX lseek SEEK_SET",
     set_returns_offset},
    {"current-is-relative", "SEEK_CUR moves the offset both ways", "POSIX lseek SEEK_CUR",
     current_is_relative},
    {"end-is-relative", "SEEK_END counts from the size, both ways", "POSIX lseek SEEK_END",
     end_is_relative},
    {"beyond-end-keeps-size", "a seek beyond the end does not change the size", "POSIX lseek",
     beyond_end_keeps_size},
    {"beyond-end-then-write", "a write after a seek beyond the end leaves zeros between",
     "POSIX lseek", beyond_end_then_write},
    {"negative-einval", "a negative offset is refused and the old one stays", "POSIX lseek EINVAL",
     negative_einval},
    {"overflow-refused", "an offset beyond the largest is refused", "POSIX lseek EOVERFLOW",
     overflow_refused},
    {"unknown-whence-einval", "an unknown whence is refused", "POSIX lseek EINVAL",
     unknown_whence_einval},
    {"closed-ebadf", "a closed descriptor has no offset", "POSIX lseek EBADF", closed_ebadf},
    {"path-descriptor-ebadf", "a descriptor that only names a file has no offset", "open(2) O_PATH",
     path_descriptor_ebadf},
    {"fifo-espipe", "a fifo has no offset", "POSIX lseek ESPIPE", fifo_espipe},
    {"terabyte-offset", "an offset of a TiB may be set; there is nothing to read", "POSIX lseek",
     terabyte_offset},
    {"end-after-growth", "SEEK_END sees what another descriptor has written",
     "POSIX lseek SEEK_END", end_after_growth},
    {"end-after-truncate", "SEEK_END sees a size that was set by name", "POSIX lseek SEEK_END",
     end_after_truncate},
    {"end-after-other-process", "SEEK_END sees what another process has written",
     "POSIX lseek SEEK_END", end_after_other_process},
    {"offset-survives-shrink", "the offset stays where it is when the file shrinks",
     "POSIX ftruncate", offset_survives_shrink},
    {"data-in-dense", "in data the next data is where one is", "POSIX lseek SEEK_DATA",
     data_in_dense},
    {"hole-in-dense", "a file without holes has one at its end", "POSIX lseek SEEK_HOLE",
     hole_in_dense},
    {"hole-at-odd-end", "the hole at the end begins at the size, not at a block",
     "POSIX lseek SEEK_HOLE", hole_at_odd_end},
    {"at-end-enxio", "at the end there is neither data nor hole", "POSIX lseek ENXIO",
     at_end_enxio},
    {"beyond-end-enxio", "beyond the end there is neither data nor hole", "POSIX lseek ENXIO",
     beyond_end_enxio},
    {"empty-enxio", "an empty file has neither data nor hole", "POSIX lseek ENXIO", empty_enxio},
    {"negative-data-enxio", "a search from a negative offset is refused", "lseek(2) ENXIO",
     negative_data_enxio},
    {"search-moves-offset", "what a search finds is the offset afterwards", "lseek(2) SEEK_DATA",
     search_moves_offset},
    {"failed-search-keeps-offset", "a search that finds nothing leaves the offset", "POSIX lseek",
     failed_search_keeps_offset},
    {"fifo-search-espipe", "a fifo has neither data nor holes", "POSIX lseek ESPIPE",
     fifo_search_espipe},
};

const struct subject subject_seek = {"seek", rules, sizeof rules / sizeof rules[0]};
