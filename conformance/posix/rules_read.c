/*
 * Rules about read, pread, readv, preadv and preadv2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

static void whole_content(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char buffer[5];
    EQUAL(MUST(read(fd, buffer, 5)), 5);
    HOLDS(memcmp(buffer, "hello", 5) == 0);
}

static void short_at_end(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char buffer[10];
    MUST(lseek(fd, 3, SEEK_SET));
    EQUAL(MUST(read(fd, buffer, sizeof buffer)), 2);
    HOLDS(memcmp(buffer, "lo", 2) == 0);
}

static void short_leaves_buffer(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    char buffer[16];
    memset(buffer, '#', sizeof buffer);
    EQUAL(MUST(read(fd, buffer, sizeof buffer)), 3);
    for (size_t i = 3; i < sizeof buffer; i++) {
        EQUAL(buffer[i], '#');
    }
}

static void nothing_at_end(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char byte;
    MUST(lseek(fd, 0, SEEK_END));
    EQUAL(MUST(read(fd, &byte, 1)), 0);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 5);
}

static void nothing_beyond_end(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char byte;
    MUST(lseek(fd, 1000000, SEEK_SET));
    EQUAL(MUST(read(fd, &byte, 1)), 0);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 1000000);
}

static void empty_file(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    char byte;
    EQUAL(MUST(read(fd, &byte, 1)), 0);
}

static void zero_bytes(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char byte;
    EQUAL(MUST(read(fd, &byte, 0)), 0);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 0);
}

static void advances_offset(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char buffer[10];
    EQUAL(MUST(read(fd, buffer, 2)), 2);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 2);
    EQUAL(MUST(read(fd, buffer, 10)), 3);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 5);
}

static void directory_eisdir(struct place *place)
{
    char byte;
    FAILS(read(place->fd, &byte, 1), EISDIR);
}

static void write_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    int fd = open_at(place, "f", O_WRONLY);
    char byte;
    FAILS(read(fd, &byte, 1), EBADF);
}

static void closed_ebadf(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char byte;
    MUST(close(fd));
    FAILS(read(fd, &byte, 1), EBADF);
}

static void path_descriptor_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    int fd = open_at(place, "f", O_PATH);
    char byte;
    FAILS(read(fd, &byte, 1), EBADF);
}

static void bad_memory_efault(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    FAILS(read(fd, no_memory(), 5), EFAULT);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 0);
}

static void hole_is_zeros(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    EQUAL(MUST(pwrite(fd, "x", 1, 3 * UNIT)), 1);
    check_zeros(fd, 0, 3 * UNIT);
}

static void hole_and_data(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    char buffer[3 * PAGE];
    fill(fd, 0, PAGE, 'a');
    fill(fd, 2 * PAGE, PAGE, 'b');
    EQUAL(MUST(read(fd, buffer, sizeof buffer)), sizeof buffer);
    HOLDS(buffer[0] == 'a' && buffer[PAGE - 1] == 'a');
    HOLDS(buffer[PAGE] == 0 && buffer[2 * PAGE - 1] == 0);
    HOLDS(buffer[2 * PAGE] == 'b' && buffer[3 * PAGE - 1] == 'b');
}

static void grown_tail_is_zeros(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char buffer[10];
    MUST(ftruncate(fd, 8));
    EQUAL(MUST(read(fd, buffer, 10)), 8);
    HOLDS(memcmp(buffer, "hello\0\0\0", 8) == 0);
}

static void more_than_file(struct place *place)
{
    int fd = open_pattern(place, "f", 5000);
    static char buffer[1 << 20];
    EQUAL(MUST(read(fd, buffer, sizeof buffer)), 5000);
}

static void large_odd_count(struct place *place)
{
    int fd = open_pattern(place, "f", 400000);
    static char buffer[300007], again[300007];
    MUST(lseek(fd, 12345, SEEK_SET));
    EQUAL(MUST(read(fd, buffer, sizeof buffer)), sizeof buffer);
    for (size_t done = 0; done < sizeof again; done += 1) {
        size_t part = sizeof again - done < 1000 ? sizeof again - done : 1000;
        EQUAL(MUST(pread(fd, again + done, part, 12345 + (off_t)done)), part);
        done += part - 1;
    }
    HOLDS(memcmp(buffer, again, sizeof again) == 0);
}

static void byte_by_byte(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * PAGE);
    char whole[20], byte;
    EQUAL(MUST(pread(fd, whole, sizeof whole, PAGE - 10)), sizeof whole);
    MUST(lseek(fd, PAGE - 10, SEEK_SET));
    for (size_t i = 0; i < sizeof whole; i++) {
        EQUAL(MUST(read(fd, &byte, 1)), 1);
        EQUAL(byte, whole[i]);
    }
}

static void sees_other_descriptor(struct place *place)
{
    int writer = open_new(place, "f", "old");
    int reader = open_at(place, "f", O_RDONLY);
    char buffer[3];
    EQUAL(MUST(read(reader, buffer, 3)), 3);
    EQUAL(MUST(write(writer, "new", 3)), 3);
    EQUAL(MUST(pread(reader, buffer, 3, 0)), 3);
    HOLDS(memcmp(buffer, "new", 3) == 0);
}

static void sees_growth(struct place *place)
{
    int writer = open_new(place, "f", "one");
    int reader = open_at(place, "f", O_RDONLY);
    char buffer[8];
    EQUAL(MUST(read(reader, buffer, 8)), 3);
    EQUAL(MUST(read(reader, buffer, 8)), 0);
    EQUAL(MUST(pwrite(writer, "two", 3, 3)), 3);
    EQUAL(MUST(read(reader, buffer, 8)), 3);
    HOLDS(memcmp(buffer, "two", 3) == 0);
}

static void through_other_link(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    int fd = open_at(place, "g", O_RDONLY);
    check_text(fd, "hello");
}

static void after_rename(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    MUST(renameat(place->fd, "f", place->fd, "g"));
    check_text(fd, "hello");
}

static int read_after_chmod(struct place *place, void *argument)
{
    (void)argument;
    char buffer[5];
    int fd = openat(place->fd, "mine", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "hello", 5) != 5 || fchmod(fd, 0) != 0) {
        return errno;
    }
    return pread(fd, buffer, 5, 0) == 5 ? 0 : errno;
}

static void permission_at_open_only(struct place *place)
{
    EQUAL(as_user_a(read_after_chmod, place, NULL), 0);
}

static int read_while_unreadable(struct place *place, void *argument)
{
    char buffer[5];
    if (openat(place->fd, "theirs", O_RDONLY | O_CLOEXEC) >= 0) {
        return EEXIST;
    }
    return pread(*(int *)argument, buffer, 5, 0) == 5 ? 0 : errno;
}

static void inherited_by_other_user(struct place *place)
{
    make_file(place, "theirs", 0600, "hello");
    int fd = open_at(place, "theirs", O_RDONLY);
    EQUAL(as_user_a(read_while_unreadable, place, &fd), 0);
}

static void keeps_mtime_and_ctime(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    struct stat before = look_fd(fd);
    char byte;
    pass_time(place);
    EQUAL(MUST(read(fd, &byte, 1)), 1);
    struct stat after = look_fd(fd);
    EQUAL(compare_times(before.st_mtim, after.st_mtim), 0);
    EQUAL(compare_times(before.st_ctim, after.st_ctim), 0);
}

static void noatime_keeps_atime(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    MUST(utimensat(place->fd, "f", times, 0));
    int fd = open_at(place, "f", O_RDONLY | O_NOATIME);
    char byte;
    EQUAL(MUST(read(fd, &byte, 1)), 1);
    EQUAL(look_fd(fd).st_atim.tv_sec, 1000);
}

static void pread_at_offset(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char buffer[2];
    EQUAL(MUST(pread(fd, buffer, 2, 2)), 2);
    HOLDS(memcmp(buffer, "ll", 2) == 0);
}

static void pread_keeps_offset(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char buffer[2];
    MUST(lseek(fd, 1, SEEK_SET));
    EQUAL(MUST(pread(fd, buffer, 2, 2)), 2);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 1);
}

static void pread_negative_einval(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char byte;
    FAILS(pread(fd, &byte, 1, -1), EINVAL);
}

static void pread_at_end(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char byte;
    EQUAL(MUST(pread(fd, &byte, 1, 5)), 0);
    EQUAL(MUST(pread(fd, &byte, 1, (off_t)1 << 42)), 0);
}

static void pread_short(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char buffer[10];
    EQUAL(MUST(pread(fd, buffer, 10, 4)), 1);
    EQUAL(buffer[0], 'o');
}

static void pread_directory_eisdir(struct place *place)
{
    char byte;
    FAILS(pread(place->fd, &byte, 1, 0), EISDIR);
}

static void pread_write_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    int fd = open_at(place, "f", O_WRONLY);
    char byte;
    FAILS(pread(fd, &byte, 1, 0), EBADF);
}

static void pread_fifo_espipe(struct place *place)
{
    int fd = open_fifo(place, "p");
    char byte;
    FAILS(pread(fd, &byte, 1, 0), ESPIPE);
}

static const struct rule rules[] = {
    {"whole-content", "a read returns the bytes that were written", "POSIX read", whole_content},
    {"short-at-end", "a read that reaches the end returns what there is", "POSIX read",
     short_at_end},
    {"short-leaves-buffer", "a short read does not touch the buffer behind what it returned",
     "POSIX read", short_leaves_buffer},
    {"nothing-at-end", "a read at the end of the file returns 0", "POSIX read", nothing_at_end},
    {"nothing-beyond-end", "a read beyond the end of the file returns 0", "POSIX read",
     nothing_beyond_end},
    {"empty-file", "a read of an empty file returns 0", "POSIX read", empty_file},
    {"zero-bytes", "a read of no bytes returns 0 and moves nothing", "POSIX read, nbyte 0",
     zero_bytes},
    {"advances-offset", "a read moves the offset by what it returned", "POSIX read",
     advances_offset},
    {"directory-eisdir", "a directory is not read as a file", "POSIX read EISDIR",
     directory_eisdir},
    {"write-only-ebadf", "a descriptor for writing only does not read", "POSIX read EBADF",
     write_only_ebadf},
    {"closed-ebadf", "a closed descriptor does not read", "POSIX read EBADF", closed_ebadf},
    {"path-descriptor-ebadf", "a descriptor that only names a file does not read", "open(2) O_PATH",
     path_descriptor_ebadf},
    {"bad-memory-efault", "a read into memory that may not be written fails", "read(2) EFAULT",
     bad_memory_efault},
    {"hole-is-zeros", "what was never written reads as zeros", "POSIX lseek", hole_is_zeros},
    {"hole-and-data", "one read across data, a hole and data returns all three", "POSIX lseek",
     hole_and_data},
    {"grown-tail-is-zeros", "the tail of a file that was grown reads as zeros", "POSIX ftruncate",
     grown_tail_is_zeros},
    {"more-than-file", "a count far larger than the file returns the file", "POSIX read",
     more_than_file},
    {"large-odd-count", "one large unaligned read of a regular file is not short", "POSIX read",
     large_odd_count},
    {"byte-by-byte", "single bytes across a page boundary are those of the file", "POSIX read",
     byte_by_byte},
    {"sees-other-descriptor", "a read sees what was written through another descriptor",
     "POSIX write", sees_other_descriptor},
    {"sees-growth", "a reader at the end sees what is written behind it", "POSIX read",
     sees_growth},
    {"through-other-link", "contents are the same through each name", "POSIX link",
     through_other_link},
    {"after-rename", "a descriptor reads on after its file was renamed", "POSIX rename",
     after_rename},
    {"permission-at-open-only", "a descriptor reads on after its file became unreadable",
     "POSIX read, open EACCES", permission_at_open_only},
    {"inherited-by-other-user", "a descriptor reads for a user who could not open the file",
     "POSIX fork, read", inherited_by_other_user},
    {"keeps-mtime-and-ctime", "a read changes neither mtime nor ctime", "POSIX read",
     keeps_mtime_and_ctime},
    {"noatime-keeps-atime", "a read through O_NOATIME leaves the access time", "open(2) O_NOATIME",
     noatime_keeps_atime},
    {"pread-at-offset", "pread reads where it is told", "POSIX pread", pread_at_offset},
    {"pread-keeps-offset", "pread does not move the offset", "POSIX pread", pread_keeps_offset},
    {"pread-negative-einval", "pread at a negative offset fails", "POSIX pread EINVAL",
     pread_negative_einval},
    {"pread-at-end", "pread at the end and far beyond returns 0", "POSIX pread", pread_at_end},
    {"pread-short", "pread across the end returns what there is", "POSIX pread", pread_short},
    {"pread-directory-eisdir", "a directory is not read at an offset either", "POSIX pread EISDIR",
     pread_directory_eisdir},
    {"pread-write-only-ebadf", "pread needs a descriptor for reading", "POSIX pread EBADF",
     pread_write_only_ebadf},
    {"pread-fifo-espipe", "a fifo has no offsets to read at", "POSIX pread ESPIPE",
     pread_fifo_espipe},
};

const struct subject subject_read = {"read", rules, sizeof rules / sizeof rules[0]};
