/*
 * Rules about what truncate and ftruncate refuse, and to whom.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <sys/resource.h>
#include "conformance/posix/rules_io.h"

static void negative_einval(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    FAILS(ftruncate(fd, -1), EINVAL);
    FAILS(truncate(path_of(place, "f"), -1), EINVAL);
    EQUAL(size_of(fd), 3);
}

static void read_only_refused(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDONLY);
    FAILS_EITHER(ftruncate(fd, 0), EINVAL, EBADF);
    check_content(place, "f", "abc");
}

static void closed_ebadf(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    MUST(close(fd));
    FAILS(ftruncate(fd, 0), EBADF);
}

static void path_descriptor_refused(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_PATH);
    FAILS_EITHER(ftruncate(fd, 0), EBADF, EINVAL);
}

static void directory_eisdir(struct place *place)
{
    make_dir(place, "d", 0777);
    FAILS(truncate(path_of(place, "d"), 0), EISDIR);
}

static void directory_descriptor(struct place *place)
{
    FAILS_EITHER(ftruncate(place->fd, 0), EINVAL, EBADF);
}

static void fifo_einval(struct place *place)
{
    make_fifo(place, "p", 0666);
    FAILS(truncate(path_of(place, "p"), 0), EINVAL);
}

static void missing_enoent(struct place *place)
{
    FAILS(truncate(path_of(place, "none"), 0), ENOENT);
    HOLDS(!exists(place, "none"));
}

static void dangling_enoent(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(truncate(path_of(place, "l"), 0), ENOENT);
    HOLDS(!exists(place, "none"));
}

static void below_file_enotdir(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    FAILS(truncate(path_of(place, "f/g"), 0), ENOTDIR);
}

static void trailing_slash_enotdir(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    FAILS(truncate(path_of(place, "f/"), 0), ENOTDIR);
    check_content(place, "f", "abc");
}

static void loop_eloop(struct place *place)
{
    make_symlink(place, "b", "a");
    make_symlink(place, "a", "b");
    FAILS(truncate(path_of(place, "a"), 0), ELOOP);
}

static void long_name_enametoolong(struct place *place)
{
    FAILS(truncate(path_of(place, long_name(256)), 0), ENAMETOOLONG);
}

static void bad_path_efault(struct place *place)
{
    (void)place;
    FAILS(truncate(no_memory(), 0), EFAULT);
}

static int truncate_by_name(struct place *place, void *argument)
{
    return fchdir(place->fd) == 0 && truncate(argument, 1) == 0 ? 0 : errno;
}

static void unwritable_eacces(struct place *place)
{
    make_file(place, "f", 0644, "abc");
    EQUAL(as_user_a(truncate_by_name, place, "f"), EACCES);
    check_content(place, "f", "abc");
}

static void unsearchable_eacces(struct place *place)
{
    make_dir(place, "d", 0700);
    make_file(place, "d/f", 0666, "abc");
    EQUAL(as_user_a(truncate_by_name, place, "d/f"), EACCES);
}

static void writable_by_user(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    EQUAL(as_user_a(truncate_by_name, place, "f"), 0);
    check_content(place, "f", "a");
}

static void user_clears_setuid(struct place *place)
{
    make_file(place, "f", 0777, "abc");
    MUST(fchmodat(place->fd, "f", 04777, 0));
    EQUAL(as_user_a(truncate_by_name, place, "f"), 0);
    EQUAL(look(place, "f").st_mode & 07777, 0777);
}

static int truncate_after_chmod(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "mine", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && fchmod(fd, 0400) == 0 && ftruncate(fd, 100) == 0 ? 0 : errno;
}

static void permission_at_open_only(struct place *place)
{
    EQUAL(as_user_a(truncate_after_chmod, place, NULL), 0);
    EQUAL(look(place, "mine").st_size, 100);
}

static int truncate_beyond_limit(struct place *place, void *argument)
{
    (void)argument;
    struct rlimit limit = {10, 10};
    int fd = openat(place->fd, "f", O_WRONLY | O_CLOEXEC);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return ENOTTY;
    }
    return ftruncate(fd, 11) == -1 ? errno : 0;
}

static void file_size_limit_efbig(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    EQUAL(as_child(truncate_beyond_limit, place, NULL), EFBIG);
    EQUAL(look(place, "f").st_size, 3);
}

static const struct rule rules[] = {
    {"negative-einval", "a negative size is refused", "POSIX ftruncate EINVAL", negative_einval},
    {"read-only-refused", "a descriptor for reading only does not cut",
     "POSIX ftruncate EBADF or EINVAL", read_only_refused},
    {"closed-ebadf", "a closed descriptor does not cut", "POSIX ftruncate EBADF", closed_ebadf},
    {"path-descriptor-refused", "a descriptor that only names a file does not cut",
     "open(2) O_PATH", path_descriptor_refused},
    {"directory-eisdir", "a directory has no size to set by name", "POSIX truncate EISDIR",
     directory_eisdir},
    {"directory-descriptor", "a directory has no size to set by descriptor",
     "POSIX ftruncate EINVAL", directory_descriptor},
    {"fifo-einval", "a fifo has no size to set", "truncate(2) EINVAL", fifo_einval},
    {"missing-enoent", "a file that is not there is not made", "POSIX truncate ENOENT",
     missing_enoent},
    {"dangling-enoent", "a link to nothing makes nothing", "POSIX truncate ENOENT",
     dangling_enoent},
    {"below-file-enotdir", "a file is no directory on the way", "POSIX truncate ENOTDIR",
     below_file_enotdir},
    {"trailing-slash-enotdir", "a name with a slash behind it is no regular file",
     "POSIX 4.16 pathname resolution", trailing_slash_enotdir},
    {"loop-eloop", "links in a circle are refused", "POSIX truncate ELOOP", loop_eloop},
    {"long-name-enametoolong", "a name of 256 bytes is refused", "POSIX truncate ENAMETOOLONG",
     long_name_enametoolong},
    {"bad-path-efault", "a path in memory that may not be read is refused", "truncate(2) EFAULT",
     bad_path_efault},
    {"unwritable-eacces", "a user needs permission to write", "POSIX truncate EACCES",
     unwritable_eacces},
    {"unsearchable-eacces", "a user needs to search the directory", "POSIX truncate EACCES",
     unsearchable_eacces},
    {"writable-by-user", "permission to write is enough, the owner may be another",
     "POSIX truncate", writable_by_user},
    {"user-clears-setuid", "a size set by a user clears the set-user-id bit",
     "POSIX truncate, S_ISUID", user_clears_setuid},
    {"permission-at-open-only", "a descriptor cuts its file though the mode forbids it by now",
     "POSIX ftruncate", permission_at_open_only},
    {"file-size-limit-efbig", "a size beyond the process's limit is refused",
     "POSIX ftruncate EFBIG", file_size_limit_efbig},
};

const struct subject subject_truncate_refused = {"truncate-refused", rules,
                                                 sizeof rules / sizeof rules[0]};
