/*
 * Rules about copy_file_range.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

/* All of it: a call may copy less than it was asked for. */
static void copy(int from, off_t from_offset, int to, off_t to_offset, size_t size)
{
    while (size > 0) {
        long done = MUST(copy_file_range(from, &from_offset, to, &to_offset, size, 0));
        HOLDS(done > 0 && done <= (long)size);
        size -= (size_t)done;
    }
}

static void whole_file(struct place *place)
{
    int from = open_pattern(place, "f", 3 * UNIT + 11), to = open_new(place, "g", NULL);
    copy(from, 0, to, 0, 3 * UNIT + 11);
    EQUAL(size_of(to), 3 * UNIT + 11);
    check_pattern(to, 0, 3 * UNIT + 11);
}

static void leaves_source(struct place *place)
{
    int from = open_pattern(place, "f", 10000), to = open_new(place, "g", NULL);
    struct stat before = look_fd(from);
    pass_time(place);
    copy(from, 0, to, 0, 10000);
    check_pattern(from, 0, 10000);
    EQUAL(compare_times(before.st_mtim, look_fd(from).st_mtim), 0);
}

static void unaligned_stretch(struct place *place)
{
    int from = open_new(place, "f", "0123456789"), to = open_new(place, "g", "..........");
    copy(from, 3, to, 5, 4);
    check_text(to, ".....3456.");
}

static void given_offsets_advance(struct place *place)
{
    int from = open_new(place, "f", "0123456789"), to = open_new(place, "g", NULL);
    off_t in = 2, out = 0;
    EQUAL(MUST(copy_file_range(from, &in, to, &out, 4, 0)), 4);
    EQUAL(in, 6);
    EQUAL(out, 4);
    EQUAL(MUST(lseek(from, 0, SEEK_CUR)), 0);
    EQUAL(MUST(lseek(to, 0, SEEK_CUR)), 0);
}

static void own_offsets_advance(struct place *place)
{
    int from = open_new(place, "f", "0123456789"), to = open_new(place, "g", NULL);
    MUST(lseek(from, 7, SEEK_SET));
    EQUAL(MUST(copy_file_range(from, NULL, to, NULL, 2, 0)), 2);
    EQUAL(MUST(lseek(from, 0, SEEK_CUR)), 9);
    EQUAL(MUST(lseek(to, 0, SEEK_CUR)), 2);
    check_text(to, "78");
}

static void one_offset_given(struct place *place)
{
    int from = open_new(place, "f", "0123456789"), to = open_new(place, "g", "ab");
    off_t in = 8;
    MUST(lseek(to, 0, SEEK_END));
    EQUAL(MUST(copy_file_range(from, &in, to, NULL, 2, 0)), 2);
    check_text(to, "ab89");
    EQUAL(MUST(lseek(from, 0, SEEK_CUR)), 0);
}

static void zero_length(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", "xyz");
    EQUAL(MUST(copy_file_range(from, NULL, to, NULL, 0, 0)), 0);
    check_text(to, "xyz");
}

static void short_at_end(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", NULL);
    EQUAL(MUST(copy_file_range(from, NULL, to, NULL, 100, 0)), 3);
    check_text(to, "abc");
}

static void nothing_at_end(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", "xyz");
    off_t in = 3;
    EQUAL(MUST(copy_file_range(from, &in, to, NULL, 10, 0)), 0);
    in = 5000;
    EQUAL(MUST(copy_file_range(from, &in, to, NULL, 10, 0)), 0);
    check_text(to, "xyz");
}

static void beyond_targets_end(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", NULL);
    copy(from, 0, to, 5000, 3);
    EQUAL(size_of(to), 5003);
    check_zeros(to, 0, 5000);
}

static void keeps_targets_rest(struct place *place)
{
    int from = open_new(place, "f", "XY"), to = open_pattern(place, "g", 10000);
    copy(from, 0, to, 5000, 2);
    EQUAL(size_of(to), 10000);
    check_pattern(to, 0, 5000);
    check_pattern(to, 5002, 4998);
}

static void within_one_file(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    copy(fd, 0, fd, 5, 5);
    check_text(fd, "0123401234");
}

static void behind_itself(struct place *place)
{
    int fd = open_pattern(place, "f", UNIT);
    copy(fd, 0, fd, UNIT, UNIT);
    EQUAL(size_of(fd), 2 * UNIT);
    check_pattern(fd, 0, UNIT);
    char one[100], two[100];
    EQUAL(MUST(pread(fd, one, 100, 5000)), 100);
    EQUAL(MUST(pread(fd, two, 100, UNIT + 5000)), 100);
    HOLDS(memcmp(one, two, 100) == 0);
}

static void overlapping_einval(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    off_t in = 0, out = 3;
    FAILS(copy_file_range(fd, &in, fd, &out, 5, 0), EINVAL);
    check_text(fd, "0123456789");
}

static void overlapping_other_descriptor(struct place *place)
{
    int fd = open_new(place, "f", "0123456789"), other = open_at(place, "f", O_RDONLY);
    off_t in = 3, out = 0;
    FAILS(copy_file_range(other, &in, fd, &out, 5, 0), EINVAL);
    check_text(fd, "0123456789");
}

static void flags_einval(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", NULL);
    FAILS(copy_file_range(from, NULL, to, NULL, 3, 0x100), EINVAL);
}

static void target_directory(struct place *place)
{
    int from = open_new(place, "f", "abc");
    FAILS_EITHER(copy_file_range(from, NULL, place->fd, NULL, 3, 0), EISDIR, EBADF);
}

static void source_directory_eisdir(struct place *place)
{
    int to = open_new(place, "g", NULL);
    FAILS(copy_file_range(place->fd, NULL, to, NULL, 3, 0), EISDIR);
}

static void fifo_einval(struct place *place)
{
    int from = open_fifo(place, "p"), to = open_new(place, "g", NULL);
    FAILS(copy_file_range(from, NULL, to, NULL, 3, 0), EINVAL);
}

static void source_write_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int from = open_at(place, "f", O_WRONLY), to = open_new(place, "g", NULL);
    FAILS(copy_file_range(from, NULL, to, NULL, 3, 0), EBADF);
}

static void target_read_only_ebadf(struct place *place)
{
    make_file(place, "g", 0666, "xyz");
    int from = open_new(place, "f", "abc"), to = open_at(place, "g", O_RDONLY);
    FAILS(copy_file_range(from, NULL, to, NULL, 3, 0), EBADF);
    check_content(place, "g", "xyz");
}

static void target_append_ebadf(struct place *place)
{
    make_file(place, "g", 0666, "xyz");
    int from = open_new(place, "f", "abc"), to = open_at(place, "g", O_WRONLY | O_APPEND);
    FAILS(copy_file_range(from, NULL, to, NULL, 3, 0), EBADF);
    check_content(place, "g", "xyz");
}

static void closed_ebadf(struct place *place)
{
    int from = open_new(place, "f", "abc");
    FAILS(copy_file_range(from, NULL, -1, NULL, 3, 0), EBADF);
    FAILS(copy_file_range(-1, NULL, from, NULL, 3, 0), EBADF);
}

static void negative_offset_einval(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", "xyz");
    off_t in = -1;
    long done = copy_file_range(from, &in, to, NULL, 3, 0);
    HOLDS(done == -1 && (errno == EINVAL || errno == EOVERFLOW));
    check_text(to, "xyz");
}

static void overflow_refused(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", "xyz");
    off_t out = INT64_MAX;
    long done = copy_file_range(from, NULL, to, &out, 3, 0);
    HOLDS(done == -1 && (errno == EOVERFLOW || errno == EFBIG || errno == EINVAL));
    EQUAL(size_of(to), 3);
}

static void unsynced_source(struct place *place)
{
    int from = open_pattern(place, "f", UNIT), to = open_new(place, "g", NULL);
    MUST(fsync(from));
    fill(from, 100, 1000, 'n');
    copy(from, 0, to, 0, UNIT);
    check_fill(to, 100, 1000, 'n');
    check_pattern(to, 1100, UNIT - 1100);
}

static void independent_afterwards(struct place *place)
{
    int from = open_pattern(place, "f", UNIT), to = open_new(place, "g", NULL);
    copy(from, 0, to, 0, UNIT);
    fill(from, 0, UNIT, 'n');
    check_pattern(to, 0, UNIT);
    fill(to, 0, 10, 'm');
    check_fill(from, 0, UNIT, 'n');
}

static void sparse_source(struct place *place)
{
    int from = open_new(place, "f", NULL), to = open_pattern(place, "g", 3 * UNIT);
    fill(from, 0, UNIT, 'a');
    fill(from, 2 * UNIT, UNIT, 'b');
    copy(from, 0, to, 0, 3 * UNIT);
    check_fill(to, 0, UNIT, 'a');
    check_zeros(to, UNIT, UNIT);
    check_fill(to, 2 * UNIT, UNIT, 'b');
}

static void sets_targets_times(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", "xyz");
    struct stat before = look_fd(to);
    pass_time(place);
    copy(from, 0, to, 0, 3);
    struct stat after = look_fd(to);
    HOLDS(compare_times(before.st_mtim, after.st_mtim) < 0);
    HOLDS(compare_times(before.st_ctim, after.st_ctim) < 0);
}

static void seen_by_open_reader(struct place *place)
{
    int from = open_new(place, "f", "new"), to = open_new(place, "g", "old");
    int reader = open_at(place, "g", O_RDONLY);
    check_text(reader, "old");
    copy(from, 0, to, 0, 3);
    check_text(reader, "new");
}

static void other_directory(struct place *place)
{
    make_dir(place, "d", 0777);
    int from = open_new(place, "f", "abc"), to = open_new(place, "d/g", NULL);
    copy(from, 0, to, 0, 3);
    check_text(to, "abc");
}

static void removed_source(struct place *place)
{
    int from = open_pattern(place, "f", 5000), to = open_new(place, "g", NULL);
    MUST(unlinkat(place->fd, "f", 0));
    copy(from, 0, to, 0, 5000);
    check_pattern(to, 0, 5000);
}

static int copy_as_user(struct place *place, void *argument)
{
    int *ends = argument;
    (void)place;
    return copy_file_range(ends[0], NULL, ends[1], NULL, 3, 0) == 3 ? 0 : errno;
}

static void user_clears_setuid(struct place *place)
{
    int ends[2] = {open_new(place, "f", "abc"), open_new(place, "g", "xyz")};
    MUST(fchmod(ends[1], 04777));
    EQUAL(as_user_a(copy_as_user, place, ends), 0);
    EQUAL(look_fd(ends[1]).st_mode & 07777, 0777);
}

static const struct rule rules[] = {
    {"whole-file", "a copy has the same bytes", "copy_file_range(2)", whole_file},
    {"leaves-source", "the source stays as it is", "copy_file_range(2)", leaves_source},
    {"unaligned-stretch", "a stretch goes to another place to the byte", "copy_file_range(2)",
     unaligned_stretch},
    {"given-offsets-advance", "given offsets are moved on, those of the descriptors are not",
     "copy_file_range(2), off_in off_out", given_offsets_advance},
    {"own-offsets-advance", "without offsets those of the descriptors are used and moved on",
     "copy_file_range(2), off_in NULL", own_offsets_advance},
    {"one-offset-given", "one side may have its offset given and the other not",
     "copy_file_range(2)", one_offset_given},
    {"zero-length", "a copy of no bytes changes nothing", "copy_file_range(2)", zero_length},
    {"short-at-end", "a copy across the source's end copies what there is", "copy_file_range(2)",
     short_at_end},
    {"nothing-at-end", "at and beyond the source's end there is nothing to copy",
     "copy_file_range(2)", nothing_at_end},
    {"beyond-targets-end", "a copy beyond the target's end leaves zeros between",
     "copy_file_range(2)", beyond_targets_end},
    {"keeps-targets-rest", "a copy into the middle leaves the rest of the target",
     "copy_file_range(2)", keeps_targets_rest},
    {"within-one-file", "a file may be copied into itself at another place", "copy_file_range(2)",
     within_one_file},
    {"behind-itself", "a file may be copied to its own end", "copy_file_range(2)", behind_itself},
    {"overlapping-einval", "stretches of one file that overlap are refused",
     "copy_file_range(2) EINVAL", overlapping_einval},
    {"overlapping-other-descriptor", "also through two descriptors", "copy_file_range(2) EINVAL",
     overlapping_other_descriptor},
    {"flags-einval", "flags must be 0", "copy_file_range(2) EINVAL", flags_einval},
    {"target-directory", "a directory is no target", "copy_file_range(2) EISDIR, EBADF",
     target_directory},
    {"source-directory-eisdir", "a directory is no source", "copy_file_range(2) EISDIR",
     source_directory_eisdir},
    {"fifo-einval", "a fifo is no source", "copy_file_range(2) EINVAL", fifo_einval},
    {"source-write-only-ebadf", "the source must be open for reading", "copy_file_range(2) EBADF",
     source_write_only_ebadf},
    {"target-read-only-ebadf", "the target must be open for writing", "copy_file_range(2) EBADF",
     target_read_only_ebadf},
    {"target-append-ebadf", "a target that appends is refused", "copy_file_range(2) EBADF",
     target_append_ebadf},
    {"closed-ebadf", "closed descriptors are refused", "copy_file_range(2) EBADF", closed_ebadf},
    {"negative-offset-einval", "a negative offset is refused", "copy_file_range(2) EINVAL",
     negative_offset_einval},
    {"overflow-refused", "a target beyond the largest offset is refused",
     "copy_file_range(2) EOVERFLOW", overflow_refused},
    {"unsynced-source", "bytes that are on no disk yet are copied", "copy_file_range(2)",
     unsynced_source},
    {"independent-afterwards", "a change of the source after the copy does not reach the copy",
     "copy_file_range(2)", independent_afterwards},
    {"sparse-source", "holes are copied as zeros", "copy_file_range(2)", sparse_source},
    {"sets-targets-times", "a copy sets mtime and ctime of the target", "copy_file_range(2)",
     sets_targets_times},
    {"seen-by-open-reader", "a reader who has read the target sees what was copied into it",
     "copy_file_range(2)", seen_by_open_reader},
    {"other-directory", "source and target may lie in different directories", "copy_file_range(2)",
     other_directory},
    {"removed-source", "a removed file may be the source", "copy_file_range(2)", removed_source},
    {"user-clears-setuid", "a copy by a user clears the target's set-user-id bit",
     "copy_file_range(2), S_ISUID", user_clears_setuid},
};

const struct subject subject_copy = {"copy", rules, sizeof rules / sizeof rules[0]};
