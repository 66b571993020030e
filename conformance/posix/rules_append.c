/*
 * Rules about O_APPEND: every write goes to the end, whoever else writes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

static int open_append(struct place *place, const char *name)
{
    return open_at(place, name, O_RDWR | O_APPEND);
}

static void goes_to_end(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_append(place, "f");
    EQUAL(MUST(write(fd, "def", 3)), 3);
    check_text(fd, "abcdef");
}

static void offset_after_write(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_append(place, "f");
    EQUAL(MUST(write(fd, "de", 2)), 2);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 5);
}

static void after_seek_beyond_end(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_append(place, "f");
    MUST(lseek(fd, 100000, SEEK_SET));
    EQUAL(MUST(write(fd, "d", 1)), 1);
    check_text(fd, "abcd");
}

static void two_descriptors(struct place *place)
{
    int one = open_new(place, "f", NULL);
    MUST(fcntl(one, F_SETFL, O_APPEND));
    int two = open_append(place, "f");
    for (int i = 0; i < 3; i++) {
        EQUAL(MUST(write(one, "one", 3)), 3);
        EQUAL(MUST(write(two, "TWO", 3)), 3);
    }
    check_text(one, "oneTWOoneTWOoneTWO");
}

static void behind_plain_writer(struct place *place)
{
    int plain = open_new(place, "f", NULL), appender = open_append(place, "f");
    EQUAL(MUST(write(plain, "0123456789", 10)), 10);
    EQUAL(MUST(write(appender, "end", 3)), 3);
    EQUAL(MUST(pwrite(plain, "XX", 2, 0)), 2);
    check_text(plain, "XX23456789end");
}

static void after_growth_by_truncate(struct place *place)
{
    int plain = open_new(place, "f", "ab"), appender = open_append(place, "f");
    MUST(ftruncate(plain, 5));
    EQUAL(MUST(write(appender, "x", 1)), 1);
    EQUAL(size_of(plain), 6);
    check_zeros(plain, 2, 3);
}

static void after_shrink(struct place *place)
{
    int plain = open_new(place, "f", "abcdef"), appender = open_append(place, "f");
    EQUAL(MUST(write(appender, "ghi", 3)), 3);
    MUST(ftruncate(plain, 2));
    EQUAL(MUST(write(appender, "X", 1)), 1);
    check_text(plain, "abX");
}

static void after_shrink_to_nothing(struct place *place)
{
    make_file(place, "f", 0666, "old log");
    int fd = open_append(place, "f");
    EQUAL(MUST(write(fd, "more", 4)), 4);
    MUST(close(open_at(place, "f", O_WRONLY | O_TRUNC)));
    EQUAL(MUST(write(fd, "new", 3)), 3);
    check_text(fd, "new");
}

static void pwrite_appends(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_append(place, "f");
    EQUAL(MUST(pwrite(fd, "d", 1, 0)), 1);
    check_text(fd, "abcd");
}

static void pwrite_keeps_offset(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_append(place, "f");
    MUST(lseek(fd, 1, SEEK_SET));
    EQUAL(MUST(pwrite(fd, "d", 1, 0)), 1);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 1);
}

static void pread_anywhere(struct place *place)
{
    make_file(place, "f", 0666, "abcdef");
    int fd = open_append(place, "f");
    char two[2];
    EQUAL(MUST(pread(fd, two, 2, 2)), 2);
    HOLDS(memcmp(two, "cd", 2) == 0);
}

static void vector_in_one_piece(struct place *place)
{
    make_file(place, "f", 0666, "<");
    int fd = open_append(place, "f"), other = open_append(place, "f");
    struct iovec parts[] = {{"ab", 2}, {"cd", 2}, {"ef", 2}};
    EQUAL(MUST(write(other, "|", 1)), 1);
    EQUAL(MUST(writev(fd, parts, 3)), 6);
    EQUAL(MUST(write(other, ">", 1)), 1);
    check_text(fd, "<|abcdef>");
}

static void zero_bytes(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_append(place, "f");
    EQUAL(MUST(write(fd, "x", 0)), 0);
    check_text(fd, "abc");
}

static void set_by_fcntl(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(fcntl(fd, F_SETFL, O_APPEND));
    HOLDS(MUST(fcntl(fd, F_GETFL)) & O_APPEND);
    EQUAL(MUST(write(fd, "d", 1)), 1);
    check_text(fd, "abcd");
}

static void unset_by_fcntl(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_append(place, "f");
    MUST(fcntl(fd, F_SETFL, 0));
    EQUAL(MUST(pwrite(fd, "X", 1, 0)), 1);
    check_text(fd, "Xbc");
}

static void truncate_at_open(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDWR | O_APPEND | O_TRUNC);
    EQUAL(MUST(write(fd, "new", 3)), 3);
    check_text(fd, "new");
}

static void read_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDONLY | O_APPEND);
    FAILS(write(fd, "x", 1), EBADF);
}

static void may_truncate(struct place *place)
{
    make_file(place, "f", 0666, "abcdef");
    int fd = open_append(place, "f");
    MUST(ftruncate(fd, 3));
    EQUAL(MUST(write(fd, "X", 1)), 1);
    check_text(fd, "abcX");
}

static void many_small_appends(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_append(place, "f");
    for (int i = 0; i < 1000; i++) {
        char line[12];
        EQUAL(snprintf(line, sizeof line, "%08d\n", i), 9);
        EQUAL(MUST(write(fd, line, 9)), 9);
    }
    EQUAL(size_of(fd), 9000);
    char last[9];
    EQUAL(MUST(pread(fd, last, 9, 8991)), 9);
    HOLDS(memcmp(last, "00000999\n", 9) == 0);
}

enum { RECORDS = 150, RECORD = 37 };

/* Records of one letter, each ended by a line's end, so that torn ones would show. */
static int append_records(struct place *place, void *argument)
{
    char record[RECORD];
    memset(record, *(char *)argument, sizeof record);
    record[RECORD - 1] = '\n';
    int fd = openat(place->fd, "log", O_WRONLY | O_APPEND | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < RECORDS; i++) {
        if (write(fd, record, sizeof record) != (ssize_t)sizeof record) {
            return errno;
        }
    }
    return fd >= 0 ? 0 : errno;
}

static void check_records(int fd, int writers)
{
    int counts[4] = {0};
    EQUAL(size_of(fd), writers * RECORDS * RECORD);
    for (int i = 0; i < writers * RECORDS; i++) {
        char record[RECORD];
        EQUAL(MUST(pread(fd, record, RECORD, i * RECORD)), RECORD);
        HOLDS(record[0] >= 'a' && record[0] < 'a' + writers);
        for (int k = 0; k < RECORD - 1; k++) {
            EQUAL(record[k], record[0]);
        }
        EQUAL(record[RECORD - 1], '\n');
        counts[record[0] - 'a']++;
    }
    for (int i = 0; i < writers; i++) {
        EQUAL(counts[i], RECORDS);
    }
}

static void two_processes(struct place *place)
{
    char letters[] = "ab";
    int fd = open_new(place, "log", NULL);
    pid_t one = child_start(append_records, place, &letters[0]);
    pid_t two = child_start(append_records, place, &letters[1]);
    EQUAL(child_end(one), 0);
    EQUAL(child_end(two), 0);
    check_records(fd, 2);
}

static void four_processes(struct place *place)
{
    char letters[] = "abcd";
    int fd = open_new(place, "log", NULL);
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        children[i] = child_start(append_records, place, &letters[i]);
    }
    for (int i = 0; i < 4; i++) {
        EQUAL(child_end(children[i]), 0);
    }
    check_records(fd, 4);
}

struct shared {
    int fd;
    char letter;
};

static int append_to_inherited(struct place *place, void *argument)
{
    const struct shared *shared = argument;
    char record[RECORD];
    (void)place;
    memset(record, shared->letter, sizeof record);
    record[RECORD - 1] = '\n';
    for (int i = 0; i < RECORDS; i++) {
        if (write(shared->fd, record, sizeof record) != (ssize_t)sizeof record) {
            return errno;
        }
    }
    return 0;
}

static void inherited_descriptor(struct place *place)
{
    int fd = open_new(place, "log", NULL);
    MUST(fcntl(fd, F_SETFL, O_APPEND));
    struct shared a = {fd, 'a'}, b = {fd, 'b'};
    pid_t one = child_start(append_to_inherited, place, &a);
    pid_t two = child_start(append_to_inherited, place, &b);
    EQUAL(child_end(one), 0);
    EQUAL(child_end(two), 0);
    check_records(fd, 2);
}

static void inherited_plain_descriptor(struct place *place)
{
    int fd = open_new(place, "log", NULL);
    struct shared a = {fd, 'a'}, b = {fd, 'b'};
    pid_t one = child_start(append_to_inherited, place, &a);
    pid_t two = child_start(append_to_inherited, place, &b);
    EQUAL(child_end(one), 0);
    EQUAL(child_end(two), 0);
    check_records(fd, 2);
}

static const struct rule rules[] = {
    {"goes-to-end", "a write goes to the end of what was there at open", "POSIX write, O_APPEND",
     goes_to_end},
    {"offset-after-write", "after a write the offset is at the end", "POSIX write, O_APPEND",
     offset_after_write},
    {"after-seek-beyond-end", "a seek beyond the end leaves no hole", "POSIX write, O_APPEND",
     after_seek_beyond_end},
    {"two-descriptors", "two descriptors append in the order of their writes",
     "POSIX write, O_APPEND", two_descriptors},
    {"behind-plain-writer", "an appender writes behind what a plain descriptor has written",
     "POSIX write, O_APPEND", behind_plain_writer},
    {"after-growth-by-truncate", "an append follows a grown end", "POSIX write, ftruncate",
     after_growth_by_truncate},
    {"after-shrink", "an append follows an end that another has moved back",
     "POSIX write, ftruncate", after_shrink},
    {"after-shrink-to-nothing", "a log that is emptied by name goes on at 0",
     "POSIX write, O_APPEND, O_TRUNC", after_shrink_to_nothing},
    {"pwrite-appends", "on Linux pwrite on such a descriptor appends too", "pwrite(2) BUGS",
     pwrite_appends},
    {"pwrite-keeps-offset", "pwrite on such a descriptor does not move the offset", "pwrite(2)",
     pwrite_keeps_offset},
    {"pread-anywhere", "reading at an offset is not changed by O_APPEND", "POSIX pread",
     pread_anywhere},
    {"vector-in-one-piece", "the parts of one writev stay together", "POSIX writev, O_APPEND",
     vector_in_one_piece},
    {"zero-bytes", "an append of no bytes changes nothing", "POSIX write, nbyte 0", zero_bytes},
    {"set-by-fcntl", "O_APPEND may be set on an open descriptor", "POSIX fcntl F_SETFL",
     set_by_fcntl},
    {"unset-by-fcntl", "O_APPEND may be taken from an open descriptor", "POSIX fcntl F_SETFL",
     unset_by_fcntl},
    {"truncate-at-open", "O_APPEND with O_TRUNC begins with an empty file",
     "POSIX open, O_APPEND O_TRUNC", truncate_at_open},
    {"read-only-ebadf", "O_APPEND alone does not allow to write", "POSIX write EBADF",
     read_only_ebadf},
    {"may-truncate", "a descriptor that appends may shrink its file", "ftruncate(2)", may_truncate},
    {"many-small-appends", "many small appends are all there", "POSIX write, O_APPEND",
     many_small_appends},
    {"two-processes", "two processes that append never overwrite each other",
     "POSIX write, O_APPEND", two_processes},
    {"four-processes", "four processes that append lose and tear nothing", "POSIX write, O_APPEND",
     four_processes},
    {"inherited-descriptor", "two processes that append through one open file lose nothing",
     "POSIX fork, O_APPEND", inherited_descriptor},
    {"inherited-plain-descriptor", "writes through one offset by two processes do not overlap",
     "POSIX 2.9.7 thread interactions", inherited_plain_descriptor},
};

const struct subject subject_append = {"append", rules, sizeof rules / sizeof rules[0]};
