/*
 * Rules about write: what is there afterwards, and what refuses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <sys/resource.h>
#include "conformance/posix/rules_io.h"

static void content_and_size(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    EQUAL(MUST(write(fd, "hello", 5)), 5);
    EQUAL(size_of(fd), 5);
    check_content(place, "f", "hello");
}

static void keeps_the_rest(struct place *place)
{
    int fd = open_new(place, "f", "abcdef");
    MUST(lseek(fd, 2, SEEK_SET));
    EQUAL(MUST(write(fd, "XY", 2)), 2);
    check_text(fd, "abXYef");
}

static void grows_across_end(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    EQUAL(MUST(pwrite(fd, "XYZ", 3, 2)), 3);
    check_text(fd, "abXYZ");
}

static void beyond_end_leaves_zeros(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    EQUAL(MUST(pwrite(fd, "x", 1, 10000)), 1);
    EQUAL(size_of(fd), 10001);
    check_zeros(fd, 3, 9997);
}

static void zero_bytes_change_nothing(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    struct stat before = look_fd(fd);
    pass_time(place);
    EQUAL(MUST(write(fd, "x", 0)), 0);
    struct stat after = look_fd(fd);
    EQUAL(after.st_size, 3);
    EQUAL(compare_times(before.st_mtim, after.st_mtim), 0);
}

static void zero_bytes_beyond_end(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    EQUAL(MUST(pwrite(fd, "x", 0, 1000)), 0);
    EQUAL(size_of(fd), 3);
}

static void moves_offset(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    EQUAL(MUST(write(fd, "abc", 3)), 3);
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 3);
    EQUAL(MUST(write(fd, "de", 2)), 2);
    check_text(fd, "abcde");
}

static void read_only_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDONLY);
    FAILS(write(fd, "x", 1), EBADF);
    check_content(place, "f", "abc");
}

static void path_descriptor_ebadf(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_PATH);
    FAILS(write(fd, "x", 1), EBADF);
}

static void directory_ebadf(struct place *place)
{
    FAILS(write(place->fd, "x", 1), EBADF);
}

static void bad_memory_efault(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS(write(fd, no_memory(), 3), EFAULT);
    check_text(fd, "abc");
    EQUAL(MUST(lseek(fd, 0, SEEK_CUR)), 0);
}

static void sets_mtime_and_ctime(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    struct stat before = look_fd(fd);
    pass_time(place);
    EQUAL(MUST(write(fd, "x", 1)), 1);
    struct stat after = look_fd(fd);
    HOLDS(compare_times(before.st_mtim, after.st_mtim) < 0);
    HOLDS(compare_times(before.st_ctim, after.st_ctim) < 0);
}

static void overwrite_keeps_size(struct place *place)
{
    int fd = open_pattern(place, "f", 10000);
    EQUAL(MUST(write(fd, "x", 1)), 1);
    EQUAL(size_of(fd), 10000);
}

static void large_in_one_call(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    static char block[1100003];
    memset(block, 'w', sizeof block);
    EQUAL(MUST(pwrite(fd, block, sizeof block, 777)), sizeof block);
    check_fill(fd, 777, sizeof block, 'w');
    check_zeros(fd, 0, 777);
}

static void byte_by_byte(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    for (int i = 0; i < 300; i++) {
        char byte = (char)('a' + i % 26);
        EQUAL(MUST(write(fd, &byte, 1)), 1);
    }
    EQUAL(size_of(fd), 300);
    char bytes[300];
    EQUAL(MUST(pread(fd, bytes, 300, 0)), 300);
    for (int i = 0; i < 300; i++) {
        EQUAL(bytes[i], 'a' + i % 26);
    }
}

static void last_of_overlapping_wins(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    fill(fd, 0, 6000, 'a');
    fill(fd, 3000, 6000, 'b');
    fill(fd, 2000, 2000, 'c');
    check_fill(fd, 0, 2000, 'a');
    check_fill(fd, 2000, 2000, 'c');
    check_fill(fd, 4000, 5000, 'b');
}

static void two_descriptors_own_offsets(struct place *place)
{
    int one = open_new(place, "f", NULL), two = open_at(place, "f", O_WRONLY);
    EQUAL(MUST(write(one, "aaaa", 4)), 4);
    EQUAL(MUST(write(two, "bb", 2)), 2);
    EQUAL(MUST(write(one, "cc", 2)), 2);
    check_text(one, "bbaacc");
}

static void size_seen_at_once(struct place *place)
{
    int fd = open_new(place, "f", NULL), other = open_at(place, "f", O_RDONLY);
    fill(fd, 0, 5000, 'x');
    EQUAL(size_of(other), 5000);
    EQUAL(look(place, "f").st_size, 5000);
}

static void takes_blocks(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    EQUAL(look_fd(fd).st_blocks, 0);
    fill(fd, 0, 2 * UNIT, 'x');
    MUST(fsync(fd));
    HOLDS(look_fd(fd).st_blocks * 512 >= 2 * UNIT);
}

static int write_from_child(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "f", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && pwrite(fd, "child", 5, 0) == 5 ? 0 : errno;
}

static void seen_from_other_process(struct place *place)
{
    int fd = open_new(place, "f", "xxxxx");
    check_text(fd, "xxxxx");
    EQUAL(as_child(write_from_child, place, NULL), 0);
    check_text(fd, "child");
}

static int write_as_user(struct place *place, void *argument)
{
    int fd = openat(place->fd, argument, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, "x", 1) == 1 ? 0 : errno;
}

static void user_clears_setuid(struct place *place)
{
    make_file(place, "f", 0777, "abc");
    MUST(fchmodat(place->fd, "f", 04777, 0));
    EQUAL(as_user_a(write_as_user, place, "f"), 0);
    EQUAL(look(place, "f").st_mode & 07777, 0777);
}

static void user_clears_setgid(struct place *place)
{
    make_file(place, "f", 0777, "abc");
    MUST(fchmodat(place->fd, "f", 02777, 0));
    EQUAL(as_user_a(write_as_user, place, "f"), 0);
    EQUAL(look(place, "f").st_mode & 07777, 0777);
}

static void root_keeps_setuid(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(fchmod(fd, 04755));
    EQUAL(MUST(write(fd, "x", 1)), 1);
    EQUAL(look_fd(fd).st_mode & 07777, 04755);
}

/* Of a child: at most 10 bytes per file; its signal is ignored. */
static int limit_to_ten(int disposition_ignored)
{
    struct rlimit limit = {10, 10};
    if (disposition_ignored) {
        (void)signal(SIGXFSZ, SIG_IGN);
    }
    return setrlimit(RLIMIT_FSIZE, &limit) == 0 ? 0 : errno;
}

static int write_beyond_limit(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "f", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || limit_to_ten(1) != 0) {
        return ENOTTY;
    }
    return pwrite(fd, "x", 1, 10) == -1 ? errno : 0;
}

static void file_size_limit_efbig(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    EQUAL(as_child(write_beyond_limit, place, NULL), EFBIG);
    check_content(place, "f", "abc");
}

static int write_across_limit(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "f", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || limit_to_ten(1) != 0) {
        return ENOTTY;
    }
    return pwrite(fd, "abcdef", 6, 8) == 2 ? 0 : EIO;
}

static void file_size_limit_short(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    EQUAL(as_child(write_across_limit, place, NULL), 0);
    EQUAL(look(place, "f").st_size, 10);
}

static volatile sig_atomic_t limit_signals;

static void count_signal(int number)
{
    (void)number;
    limit_signals = limit_signals + 1;
}

static int write_for_signal(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "f", O_WRONLY | O_CLOEXEC);
    (void)signal(SIGXFSZ, count_signal);
    if (fd < 0 || limit_to_ten(0) != 0) {
        return ENOTTY;
    }
    if (pwrite(fd, "x", 1, 100) != -1 || errno != EFBIG) {
        return EIO;
    }
    return limit_signals == 1 ? 0 : ENOMSG;
}

static void file_size_limit_signal(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    EQUAL(as_child(write_for_signal, place, NULL), 0);
}

static void largest_offset_refused(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    FAILS_EITHER(pwrite(fd, "ab", 2, INT64_MAX), EFBIG, EINVAL);
    EQUAL(size_of(fd), 0);
}

static void after_rename(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(renameat(place->fd, "f", place->fd, "g"));
    EQUAL(MUST(write(fd, "hello", 5)), 5);
    check_content(place, "g", "hello");
}

static const struct rule rules[] = {
    {"content-and-size", "what was written is the content, and its size the file's", "POSIX write",
     content_and_size},
    {"keeps-the-rest", "a write in the middle leaves the rest", "POSIX write", keeps_the_rest},
    {"grows-across-end", "a write across the end overwrites and grows", "POSIX write",
     grows_across_end},
    {"beyond-end-leaves-zeros", "a write beyond the end leaves zeros between", "POSIX write, lseek",
     beyond_end_leaves_zeros},
    {"zero-bytes-change-nothing", "a write of no bytes changes neither size nor times",
     "POSIX write, nbyte 0", zero_bytes_change_nothing},
    {"zero-bytes-beyond-end", "a write of no bytes beyond the end does not grow the file",
     "POSIX write, nbyte 0", zero_bytes_beyond_end},
    {"moves-offset", "a write moves the offset by what it wrote", "POSIX write", moves_offset},
    {"read-only-ebadf", "a descriptor for reading only does not write", "POSIX write EBADF",
     read_only_ebadf},
    {"path-descriptor-ebadf", "a descriptor that only names a file does not write",
     "open(2) O_PATH", path_descriptor_ebadf},
    {"directory-ebadf", "a directory is not written", "POSIX write EBADF", directory_ebadf},
    {"bad-memory-efault", "a write from memory that may not be read fails and changes nothing",
     "write(2) EFAULT", bad_memory_efault},
    {"sets-mtime-and-ctime", "a write sets mtime and ctime", "POSIX write", sets_mtime_and_ctime},
    {"overwrite-keeps-size", "writing over what is there keeps the size", "POSIX write",
     overwrite_keeps_size},
    {"large-in-one-call", "a large unaligned write to a regular file is not short", "POSIX write",
     large_in_one_call},
    {"byte-by-byte", "single bytes add up", "POSIX write", byte_by_byte},
    {"last-of-overlapping-wins", "of two overlapping writes the later one is seen", "POSIX write",
     last_of_overlapping_wins},
    {"two-descriptors-own-offsets", "each open file description has its own offset", "POSIX write",
     two_descriptors_own_offsets},
    {"size-seen-at-once", "a new size is seen at once by name and by another descriptor",
     "POSIX write, fstat", size_seen_at_once},
    {"takes-blocks", "written and synced bytes are counted in st_blocks", "POSIX stat, st_blocks",
     takes_blocks},
    {"seen-from-other-process", "what another process wrote is read at once", "POSIX write",
     seen_from_other_process},
    {"user-clears-setuid", "a write by a user clears the set-user-id bit", "POSIX write, S_ISUID",
     user_clears_setuid},
    {"user-clears-setgid", "a write by a user clears the set-group-id bit of an executable",
     "POSIX write, S_ISGID", user_clears_setgid},
    {"root-keeps-setuid", "a write by root keeps the set-user-id bit", "capabilities(7) CAP_FSETID",
     root_keeps_setuid},
    {"file-size-limit-efbig", "a write at the process's limit fails", "POSIX write EFBIG",
     file_size_limit_efbig},
    {"file-size-limit-short", "a write across the process's limit writes up to it", "POSIX write",
     file_size_limit_short},
    {"file-size-limit-signal", "a write beyond the process's limit sends SIGXFSZ",
     "POSIX write, SIGXFSZ", file_size_limit_signal},
    {"largest-offset-refused", "a write that would pass the largest offset is refused",
     "POSIX write EFBIG", largest_offset_refused},
    {"after-rename", "a descriptor writes on into its file after a rename", "POSIX rename",
     after_rename},
};

const struct subject subject_write = {"write", rules, sizeof rules / sizeof rules[0]};
