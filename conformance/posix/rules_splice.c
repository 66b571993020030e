/*
 * Rules about sendfile, splice and tee between files and pipes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/sendfile.h>
#include "conformance/posix/rules_io.h"

static void open_pipe(int ends[2])
{
    MUST(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
}

static void sendfile_file_to_file(struct place *place)
{
    int from = open_pattern(place, "f", 3 * UNIT + 5), to = open_new(place, "g", NULL);
    for (size_t left = 3 * UNIT + 5; left > 0;) {
        long done = MUST(sendfile(to, from, NULL, left));
        HOLDS(done > 0);
        left -= (size_t)done;
    }
    EQUAL(size_of(to), 3 * UNIT + 5);
    check_pattern(to, 0, 3 * UNIT + 5);
}

static void sendfile_own_offset(struct place *place)
{
    int from = open_new(place, "f", "0123456789"), to = open_new(place, "g", NULL);
    MUST(lseek(from, 4, SEEK_SET));
    EQUAL(MUST(sendfile(to, from, NULL, 3)), 3);
    EQUAL(MUST(lseek(from, 0, SEEK_CUR)), 7);
    EQUAL(MUST(lseek(to, 0, SEEK_CUR)), 3);
    check_text(to, "456");
}

static void sendfile_given_offset(struct place *place)
{
    int from = open_new(place, "f", "0123456789"), to = open_new(place, "g", NULL);
    off_t offset = 2;
    EQUAL(MUST(sendfile(to, from, &offset, 3)), 3);
    EQUAL(offset, 5);
    EQUAL(MUST(lseek(from, 0, SEEK_CUR)), 0);
    check_text(to, "234");
}

static void sendfile_short_at_end(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", NULL);
    EQUAL(MUST(sendfile(to, from, NULL, 100)), 3);
    EQUAL(MUST(sendfile(to, from, NULL, 100)), 0);
    check_text(to, "abc");
}

static void sendfile_to_pipe(struct place *place)
{
    int ends[2], from = open_new(place, "f", "hello");
    char buffer[10];
    open_pipe(ends);
    EQUAL(MUST(sendfile(ends[1], from, NULL, 5)), 5);
    EQUAL(MUST(read(ends[0], buffer, sizeof buffer)), 5);
    HOLDS(memcmp(buffer, "hello", 5) == 0);
}

static void sendfile_read_only_ebadf(struct place *place)
{
    make_file(place, "g", 0666, "xyz");
    int from = open_new(place, "f", "abc"), to = open_at(place, "g", O_RDONLY);
    FAILS(sendfile(to, from, NULL, 3), EBADF);
}

static void sendfile_write_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int from = open_at(place, "f", O_WRONLY), to = open_new(place, "g", NULL);
    FAILS(sendfile(to, from, NULL, 3), EBADF);
}

static void sendfile_append_einval(struct place *place)
{
    make_file(place, "g", 0666, "xyz");
    int from = open_new(place, "f", "abc"), to = open_at(place, "g", O_WRONLY | O_APPEND);
    FAILS(sendfile(to, from, NULL, 3), EINVAL);
    check_content(place, "g", "xyz");
}

static void sendfile_negative_einval(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", NULL);
    off_t offset = -1;
    FAILS(sendfile(to, from, &offset, 3), EINVAL);
}

static void sendfile_directory(struct place *place)
{
    int to = open_new(place, "g", NULL);
    long done = sendfile(to, place->fd, NULL, 3);
    HOLDS(done == -1 && (errno == EINVAL || errno == EISDIR));
}

static void splice_from_file(struct place *place)
{
    int ends[2], from = open_new(place, "f", "0123456789");
    char buffer[10];
    open_pipe(ends);
    MUST(lseek(from, 6, SEEK_SET));
    EQUAL(MUST(splice(from, NULL, ends[1], NULL, 3, 0)), 3);
    EQUAL(MUST(read(ends[0], buffer, sizeof buffer)), 3);
    HOLDS(memcmp(buffer, "678", 3) == 0);
    EQUAL(MUST(lseek(from, 0, SEEK_CUR)), 9);
}

static void splice_from_offset(struct place *place)
{
    int ends[2], from = open_new(place, "f", "0123456789");
    char buffer[10];
    off_t offset = 1;
    open_pipe(ends);
    EQUAL(MUST(splice(from, &offset, ends[1], NULL, 2, 0)), 2);
    EQUAL(MUST(read(ends[0], buffer, sizeof buffer)), 2);
    HOLDS(memcmp(buffer, "12", 2) == 0);
    EQUAL(offset, 3);
    EQUAL(MUST(lseek(from, 0, SEEK_CUR)), 0);
}

static void splice_at_end(struct place *place)
{
    int ends[2], from = open_new(place, "f", "abc");
    off_t offset = 3;
    open_pipe(ends);
    EQUAL(MUST(splice(from, &offset, ends[1], NULL, 10, 0)), 0);
}

static void splice_into_file(struct place *place)
{
    int ends[2], to = open_new(place, "g", "..........");
    off_t offset = 3;
    open_pipe(ends);
    EQUAL(MUST(write(ends[1], "abc", 3)), 3);
    EQUAL(MUST(splice(ends[0], NULL, to, &offset, 3, 0)), 3);
    EQUAL(offset, 6);
    check_text(to, "...abc....");
}

static void splice_grows_file(struct place *place)
{
    int ends[2], to = open_new(place, "g", NULL);
    off_t offset = 5000;
    open_pipe(ends);
    EQUAL(MUST(write(ends[1], "abc", 3)), 3);
    EQUAL(MUST(splice(ends[0], NULL, to, &offset, 3, 0)), 3);
    EQUAL(size_of(to), 5003);
    check_zeros(to, 0, 5000);
}

static void splice_through_pipe(struct place *place)
{
    int ends[2], from = open_pattern(place, "f", 150001), to = open_new(place, "g", NULL);
    open_pipe(ends);
    long got;
    while ((got = MUST(splice(from, NULL, ends[1], NULL, 30000, 0))) > 0) {
        while (got > 0) {
            long done = MUST(splice(ends[0], NULL, to, NULL, (size_t)got, 0));
            HOLDS(done > 0);
            got -= done;
        }
    }
    EQUAL(size_of(to), 150001);
    check_pattern(to, 0, 150001);
}

static void splice_append_einval(struct place *place)
{
    make_file(place, "g", 0666, "xyz");
    int ends[2], to = open_at(place, "g", O_WRONLY | O_APPEND);
    open_pipe(ends);
    EQUAL(MUST(write(ends[1], "abc", 3)), 3);
    FAILS(splice(ends[0], NULL, to, NULL, 3, 0), EINVAL);
    check_content(place, "g", "xyz");
}

static void splice_two_files_einval(struct place *place)
{
    int from = open_new(place, "f", "abc"), to = open_new(place, "g", NULL);
    FAILS(splice(from, NULL, to, NULL, 3, 0), EINVAL);
}

static void splice_offset_of_pipe_espipe(struct place *place)
{
    int ends[2], from = open_new(place, "f", "abc");
    off_t offset = 0;
    open_pipe(ends);
    FAILS(splice(from, NULL, ends[1], &offset, 3, 0), ESPIPE);
}

static void splice_named_fifo(struct place *place)
{
    int from = open_new(place, "f", "abc"), fifo = open_fifo(place, "p");
    char buffer[3];
    EQUAL(MUST(splice(from, NULL, fifo, NULL, 3, 0)), 3);
    EQUAL(MUST(read(fifo, buffer, 3)), 3);
    HOLDS(memcmp(buffer, "abc", 3) == 0);
}

static void spliced_pages_do_not_change_file(struct place *place)
{
    int ends[2], from = open_new(place, "f", "old");
    char buffer[3];
    open_pipe(ends);
    EQUAL(MUST(splice(from, NULL, ends[1], NULL, 3, 0)), 3);
    EQUAL(MUST(pwrite(from, "new", 3, 0)), 3);
    EQUAL(MUST(read(ends[0], buffer, 3)), 3);
    HOLDS(memcmp(buffer, "old", 3) == 0 || memcmp(buffer, "new", 3) == 0);
    check_text(from, "new");
}

static const struct rule rules[] = {
    {"sendfile-file-to-file", "a file is sent into a file", "sendfile(2)", sendfile_file_to_file},
    {"sendfile-own-offset", "without an offset that of the source is used and moved on",
     "sendfile(2), offset NULL", sendfile_own_offset},
    {"sendfile-given-offset", "a given offset is moved on and that of the source is not",
     "sendfile(2), offset", sendfile_given_offset},
    {"sendfile-short-at-end", "across the end what there is is sent, then nothing", "sendfile(2)",
     sendfile_short_at_end},
    {"sendfile-to-pipe", "a file is sent into a pipe", "sendfile(2)", sendfile_to_pipe},
    {"sendfile-read-only-ebadf", "the target must be open for writing", "sendfile(2) EBADF",
     sendfile_read_only_ebadf},
    {"sendfile-write-only-ebadf", "the source must be open for reading", "sendfile(2) EBADF",
     sendfile_write_only_ebadf},
    {"sendfile-append-einval", "a target that appends is refused", "sendfile(2) EINVAL",
     sendfile_append_einval},
    {"sendfile-negative-einval", "a negative offset is refused", "sendfile(2) EINVAL",
     sendfile_negative_einval},
    {"sendfile-directory", "a directory is no source", "sendfile(2) EINVAL", sendfile_directory},
    {"splice-from-file", "a file is spliced into a pipe from its offset on", "splice(2)",
     splice_from_file},
    {"splice-from-offset", "a given offset is moved on and that of the file is not",
     "splice(2), off_in", splice_from_offset},
    {"splice-at-end", "at the end of the file nothing is spliced", "splice(2)", splice_at_end},
    {"splice-into-file", "a pipe is spliced into a file at an offset", "splice(2)",
     splice_into_file},
    {"splice-grows-file", "a pipe is spliced beyond the end of a file", "splice(2)",
     splice_grows_file},
    {"splice-through-pipe", "a file copied through a pipe in pieces is the same", "splice(2)",
     splice_through_pipe},
    {"splice-append-einval", "a target that appends is refused", "splice(2) EINVAL",
     splice_append_einval},
    {"splice-two-files-einval", "of two files neither is a pipe", "splice(2) EINVAL",
     splice_two_files_einval},
    {"splice-offset-of-pipe-espipe", "a pipe has no offset", "splice(2) ESPIPE",
     splice_offset_of_pipe_espipe},
    {"splice-named-fifo", "a named fifo is a pipe too", "splice(2), fifo(7)", splice_named_fifo},
    {"spliced-pages-do-not-change-file",
     "what is read from the pipe is what the file had when it was spliced, or has now", "splice(2)",
     spliced_pages_do_not_change_file},
};

const struct subject subject_splice = {"splice", rules, sizeof rules / sizeof rules[0]};
