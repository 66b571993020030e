/*
 * Rules about what fallocate refuses, and about its modes that move bytes, which not every file
 * system has.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <sys/resource.h>
#include "conformance/posix/rules_io.h"

enum { PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };

/* True once it is done; what is not supported must leave the file as it is, and ends the rule. */
static void move(int fd, int mode, off_t offset, off_t size)
{
    off_t before = size_of(fd);
    if (fallocate(fd, mode, offset, size) != 0) {
        HOLDS(errno == EOPNOTSUPP || errno == EINVAL);
        int error = errno;
        EQUAL(size_of(fd), before);
        check_pattern(fd, 0, (size_t)before);
        NEEDS(error == 0, "this file system does not move bytes in a file");
    }
}

/* size bytes at offset are what the pattern has at origin. */
static void check_moved(int fd, off_t offset, off_t origin, size_t size, const struct place *place)
{
    static char want[UNIT], have[UNIT];
    int pattern = open_pattern(place, "pattern", (size_t)origin + size);
    for (size_t done = 0; done < size; done += sizeof want) {
        size_t part = size - done < sizeof want ? size - done : sizeof want;
        EQUAL(MUST(pread(pattern, want, part, origin + (off_t)done)), part);
        EQUAL(MUST(pread(fd, have, part, offset + (off_t)done)), part);
        HOLDS(memcmp(want, have, part) == 0);
    }
    MUST(close(pattern));
    MUST(unlinkat(place->fd, "pattern", 0));
}

static void zero_length_einval(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS(fallocate(fd, 0, 0, 0), EINVAL);
}

static void negative_length_einval(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS(fallocate(fd, 0, 0, -1), EINVAL);
}

static void negative_offset_einval(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS(fallocate(fd, 0, -1, 10), EINVAL);
}

static void punch_zero_length_einval(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS(fallocate(fd, PUNCH, 0, 0), EINVAL);
    check_text(fd, "abc");
}

static void overflow_efbig(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS(fallocate(fd, 0, INT64_MAX - 10, 100), EFBIG);
    EQUAL(size_of(fd), 3);
}

static void unknown_mode_refused(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS_EITHER(fallocate(fd, 0x4000, 0, 10), EOPNOTSUPP, EINVAL);
}

static void contradictory_mode_refused(struct place *place)
{
    int fd = open_pattern(place, "f", PAGE);
    FAILS_EITHER(fallocate(fd, PUNCH | FALLOC_FL_ZERO_RANGE, 0, PAGE), EOPNOTSUPP, EINVAL);
    check_pattern(fd, 0, PAGE);
}

static void read_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDONLY);
    FAILS(fallocate(fd, 0, 0, 10), EBADF);
}

static void closed_ebadf(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(close(fd));
    FAILS(fallocate(fd, 0, 0, 10), EBADF);
}

static void path_descriptor_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_PATH);
    FAILS(fallocate(fd, 0, 0, 10), EBADF);
}

static void fifo_espipe(struct place *place)
{
    int fd = open_fifo(place, "p");
    FAILS(fallocate(fd, 0, 0, 10), ESPIPE);
}

static void directory_refused(struct place *place)
{
    FAILS_EITHER(fallocate(place->fd, 0, 0, 10), EBADF, EISDIR);
}

static void pipe_espipe(struct place *place)
{
    int ends[2];
    (void)place;
    MUST(pipe(ends));
    FAILS(fallocate(ends[1], 0, 0, 10), ESPIPE);
}

static int allocate_beyond_limit(struct place *place, void *argument)
{
    struct rlimit limit = {10, 10};
    (void)argument;
    int fd = openat(place->fd, "f", O_RDWR | O_CLOEXEC);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return ENOTTY;
    }
    return fallocate(fd, 0, 0, 11) == -1 ? errno : 0;
}

static void file_size_limit_efbig(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    EQUAL(as_child(allocate_beyond_limit, place, NULL), EFBIG);
    EQUAL(look(place, "f").st_size, 3);
}

static int allocate_as_user(struct place *place, void *argument)
{
    (void)place;
    return fallocate(*(int *)argument, 0, 0, 100) == 0 ? 0 : errno;
}

static void user_clears_setuid(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(fchmod(fd, 04777));
    EQUAL(as_user_a(allocate_as_user, place, &fd), 0);
    EQUAL(look_fd(fd).st_mode & 07777, 0777);
}

static void collapse_moves_down(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * UNIT);
    move(fd, FALLOC_FL_COLLAPSE_RANGE, UNIT, UNIT);
    EQUAL(size_of(fd), 3 * UNIT);
    check_pattern(fd, 0, UNIT);
    check_moved(fd, UNIT, 2 * UNIT, 2 * UNIT, place);
}

static void collapse_beginning(struct place *place)
{
    int fd = open_pattern(place, "f", 3 * UNIT + 10);
    move(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 2 * UNIT);
    EQUAL(size_of(fd), UNIT + 10);
    check_moved(fd, 0, 2 * UNIT, UNIT + 10, place);
}

static void collapse_to_end_einval(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    FAILS_EITHER(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, UNIT, UNIT), EINVAL, EOPNOTSUPP);
    EQUAL(size_of(fd), 2 * UNIT);
    check_pattern(fd, 0, 2 * UNIT);
}

static void collapse_unaligned_einval(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    FAILS_EITHER(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 1, 10), EINVAL, EOPNOTSUPP);
    check_pattern(fd, 0, 2 * UNIT);
}

static void collapse_keep_size_refused(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    FAILS_EITHER(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, UNIT), EINVAL,
                 EOPNOTSUPP);
    check_pattern(fd, 0, 2 * UNIT);
}

static void insert_moves_up(struct place *place)
{
    int fd = open_pattern(place, "f", 3 * UNIT);
    move(fd, FALLOC_FL_INSERT_RANGE, UNIT, UNIT);
    EQUAL(size_of(fd), 4 * UNIT);
    check_pattern(fd, 0, UNIT);
    check_zeros(fd, UNIT, UNIT);
    check_moved(fd, 2 * UNIT, UNIT, 2 * UNIT, place);
}

static void insert_at_end_einval(struct place *place)
{
    int fd = open_pattern(place, "f", UNIT);
    FAILS_EITHER(fallocate(fd, FALLOC_FL_INSERT_RANGE, UNIT, UNIT), EINVAL, EOPNOTSUPP);
    FAILS_EITHER(fallocate(fd, FALLOC_FL_INSERT_RANGE, 2 * UNIT, UNIT), EINVAL, EOPNOTSUPP);
    EQUAL(size_of(fd), UNIT);
}

static void insert_unaligned_einval(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    FAILS_EITHER(fallocate(fd, FALLOC_FL_INSERT_RANGE, 1, 10), EINVAL, EOPNOTSUPP);
    check_pattern(fd, 0, 2 * UNIT);
}

static void insert_then_collapse(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * UNIT);
    move(fd, FALLOC_FL_INSERT_RANGE, 0, UNIT);
    MUST(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, UNIT));
    EQUAL(size_of(fd), 2 * UNIT);
    check_pattern(fd, 0, 2 * UNIT);
}

static void unshare_keeps_content(struct place *place)
{
    int fd = open_pattern(place, "f", UNIT);
    if (fallocate(fd, FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE, 0, UNIT) != 0) {
        HOLDS(errno == EOPNOTSUPP || errno == EINVAL);
    }
    EQUAL(size_of(fd), UNIT);
    check_pattern(fd, 0, UNIT);
}

static const struct rule rules[] = {
    {"zero-length-einval", "a length of zero is refused", "fallocate(2) EINVAL",
     zero_length_einval},
    {"negative-length-einval", "a negative length is refused", "fallocate(2) EINVAL",
     negative_length_einval},
    {"negative-offset-einval", "a negative offset is refused", "fallocate(2) EINVAL",
     negative_offset_einval},
    {"punch-zero-length-einval", "a hole of no length is refused", "fallocate(2) EINVAL",
     punch_zero_length_einval},
    {"overflow-efbig", "offset and length beyond the largest offset are refused",
     "fallocate(2) EFBIG", overflow_efbig},
    {"unknown-mode-refused", "an unknown mode is refused", "fallocate(2) EOPNOTSUPP",
     unknown_mode_refused},
    {"contradictory-mode-refused", "a hole and zeros at once are refused",
     "fallocate(2) EOPNOTSUPP", contradictory_mode_refused},
    {"read-only-ebadf", "a descriptor for reading only does not allocate", "fallocate(2) EBADF",
     read_only_ebadf},
    {"closed-ebadf", "a closed descriptor does not allocate", "fallocate(2) EBADF", closed_ebadf},
    {"path-descriptor-ebadf", "a descriptor that only names a file does not allocate",
     "open(2) O_PATH", path_descriptor_ebadf},
    {"fifo-espipe", "a fifo has no room to allocate", "fallocate(2) ESPIPE", fifo_espipe},
    {"directory-refused", "a directory has no room to allocate", "fallocate(2) EBADF, EISDIR",
     directory_refused},
    {"pipe-espipe", "a pipe has no room to allocate", "fallocate(2) ESPIPE", pipe_espipe},
    {"file-size-limit-efbig", "a size beyond the process's limit is refused",
     "setrlimit(2) RLIMIT_FSIZE", file_size_limit_efbig},
    {"user-clears-setuid", "a user who allocates clears the set-user-id bit",
     "fallocate(2), S_ISUID", user_clears_setuid},
    {"collapse-moves-down", "a range is taken out and what is behind moves down",
     "fallocate(2) FALLOC_FL_COLLAPSE_RANGE", collapse_moves_down},
    {"collapse-beginning", "the beginning may be taken out",
     "fallocate(2) FALLOC_FL_COLLAPSE_RANGE", collapse_beginning},
    {"collapse-to-end-einval", "a range that reaches the end is not collapsed",
     "fallocate(2) EINVAL", collapse_to_end_einval},
    {"collapse-unaligned-einval", "a range that is not of whole blocks is not collapsed",
     "fallocate(2) EINVAL", collapse_unaligned_einval},
    {"collapse-keep-size-refused", "collapsing goes with no other flag", "fallocate(2) EINVAL",
     collapse_keep_size_refused},
    {"insert-moves-up", "a range of zeros is put in and what is behind moves up",
     "fallocate(2) FALLOC_FL_INSERT_RANGE", insert_moves_up},
    {"insert-at-end-einval", "nothing is inserted at or behind the end", "fallocate(2) EINVAL",
     insert_at_end_einval},
    {"insert-unaligned-einval", "a range that is not of whole blocks is not inserted",
     "fallocate(2) EINVAL", insert_unaligned_einval},
    {"insert-then-collapse", "what was inserted may be taken out again",
     "fallocate(2) FALLOC_FL_INSERT_RANGE", insert_then_collapse},
    {"unshare-keeps-content", "unsharing changes no byte, or is not there",
     "fallocate(2) FALLOC_FL_UNSHARE_RANGE", unshare_keeps_content},
};

const struct subject subject_allocation = {"allocation", rules, sizeof rules / sizeof rules[0]};
