/*
 * Rules of access, faccessat and faccessat2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

static void existence(struct place *place)
{
    make_file(place, "file", 0, NULL);
    MUST(faccessat(place->fd, "file", F_OK, 0));
    EQUAL(try_access(place, &user_a, "file", F_OK), 0);
    FAILS(faccessat(place->fd, "none", F_OK, 0), ENOENT);
}

static void owner_class(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    EQUAL(try_access(place, &user_a, "file", R_OK | W_OK), 0);
    EQUAL(try_access(place, &user_a, "file", X_OK), EACCES);
    EQUAL(try_access(place, &user_b, "file", R_OK), EACCES);
}

static void group_class(struct place *place)
{
    make_file_of(place, "file", 0050, USER_B, GROUP_A);
    EQUAL(try_access(place, &user_a, "file", R_OK | X_OK), 0);
    EQUAL(try_access(place, &user_a, "file", W_OK), EACCES);
}

static void supplementary_group(struct place *place)
{
    make_file_of(place, "file", 0020, 0, GROUP_C);
    EQUAL(try_access(place, &member_a, "file", W_OK), 0);
    EQUAL(try_access(place, &user_a, "file", W_OK), EACCES);
}

static void other_class(struct place *place)
{
    make_file(place, "file", 0001, NULL);
    EQUAL(try_access(place, &user_a, "file", X_OK), 0);
    EQUAL(try_access(place, &user_a, "file", R_OK), EACCES);
}

static void owner_class_comes_first(struct place *place)
{
    make_file_of(place, "file", 0077, USER_A, GROUP_A);
    EQUAL(try_access(place, &user_a, "file", R_OK), EACCES);
    EQUAL(try_open(place, &user_a, "file", O_RDONLY), EACCES);
}

static void group_class_comes_before_other(struct place *place)
{
    make_file_of(place, "file", 0707, USER_B, GROUP_A);
    EQUAL(try_access(place, &user_a, "file", R_OK), EACCES);
    EQUAL(try_open(place, &user_a, "file", O_WRONLY), EACCES);
}

static void one_of_several_is_missing(struct place *place)
{
    make_file(place, "file", 0004, NULL);
    EQUAL(try_access(place, &user_a, "file", R_OK), 0);
    EQUAL(try_access(place, &user_a, "file", R_OK | W_OK), EACCES);
}

static void root_reads_and_writes(struct place *place)
{
    make_file_of(place, "file", 0, USER_A, GROUP_A);
    MUST(faccessat(place->fd, "file", R_OK | W_OK, 0));
    MUST(close(open_at(place, "file", O_RDWR)));
}

static void root_executes_nothing(struct place *place)
{
    make_program(place, "file", 0666);
    FAILS(faccessat(place->fd, "file", X_OK, 0), EACCES);
}

static void root_executes_anything(struct place *place)
{
    make_file_of(place, "file", 0001, USER_A, GROUP_A);
    MUST(faccessat(place->fd, "file", X_OK, 0));
    MUST(fchmodat(place->fd, "file", 0010, 0));
    MUST(faccessat(place->fd, "file", X_OK, 0));
}

static void root_searches_any_directory(struct place *place)
{
    make_dir_of(place, "dir", 0, USER_A, GROUP_A);
    make_file(place, "dir/file", 0600, NULL);
    MUST(faccessat(place->fd, "dir", R_OK | W_OK | X_OK, 0));
    MUST(faccessat(place->fd, "dir/file", F_OK, 0));
}

/* Root's real id, another's effective one. */
static int work_real_and_effective(struct place *place, void *argument)
{
    (void)argument;
    if (setegid(GROUP_A) < 0 || seteuid(USER_A) < 0) {
        return errno;
    }
    if (faccessat(place->fd, "file", R_OK, 0) < 0) {
        return errno;
    }
    if (faccessat(place->fd, "file", R_OK, AT_EACCESS) == 0) {
        return EEXIST;
    }
    return errno == EACCES ? 0 : errno;
}

static void real_and_effective(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    EQUAL(as_child(work_real_and_effective, place, NULL), 0);
}

static int work_effective_only(struct place *place, void *argument)
{
    (void)argument;
    if (setgid(GROUP_A) < 0 || setresuid(USER_A, 0, 0) < 0) {
        return errno;
    }
    if (faccessat(place->fd, "file", R_OK, AT_EACCESS) < 0) {
        return errno;
    }
    if (faccessat(place->fd, "file", R_OK, 0) == 0) {
        return EEXIST;
    }
    return errno == EACCES ? 0 : errno;
}

static void effective_only(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    EQUAL(as_child(work_effective_only, place, NULL), 0);
}

static void closed_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_file(place, "dir/file", 0666, NULL);
    EQUAL(try_access(place, &user_a, "dir/file", F_OK), EACCES);
}

static void follows_symlink(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "file", "link");
    EQUAL(try_access(place, &user_a, "link", R_OK), EACCES);
    MUST(fchmodat(place->fd, "file", 0604, 0));
    EQUAL(try_access(place, &user_a, "link", R_OK), 0);
}

static void dangling_symlink(struct place *place)
{
    make_symlink(place, "none", "link");
    FAILS(faccessat(place->fd, "link", F_OK, 0), ENOENT);
    MUST(faccessat(place->fd, "link", F_OK, AT_SYMLINK_NOFOLLOW));
}

static void empty_path(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    int fd = open_at(place, "file", O_PATH);
    MUST(syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH));
    FAILS(syscall(SYS_faccessat2, fd, "", X_OK, AT_EMPTY_PATH), EACCES);
}

static void errors_of_paths(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "self", "self");
    FAILS(faccessat(place->fd, "file/x", F_OK, 0), ENOTDIR);
    FAILS(faccessat(place->fd, "file/", F_OK, 0), ENOTDIR);
    FAILS(faccessat(place->fd, "self", F_OK, 0), ELOOP);
    FAILS(faccessat(place->fd, long_name(256), F_OK, 0), ENAMETOOLONG);
    FAILS(faccessat(place->fd, "", F_OK, 0), ENOENT);
}

static void bad_mode(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS(faccessat(place->fd, "file", 010, 0), EINVAL);
    FAILS(syscall(SYS_faccessat2, place->fd, "file", R_OK, 0x40000000), EINVAL);
}

static int work_open_and_access(struct place *place, void *argument)
{
    static const int flags[] = {0, O_RDONLY, O_WRONLY, O_RDWR};
    static const int modes[] = {F_OK, R_OK, W_OK, R_OK | W_OK};
    (void)argument;
    for (int i = 1; i < 4; i++) {
        int fd = openat(place->fd, "file", flags[i] | O_CLOEXEC);
        int granted = faccessat(place->fd, "file", modes[i], 0);
        if ((fd < 0) != (granted < 0)) {
            return EEXIST;
        }
        (void)close(fd);
    }
    return 0;
}

static void agrees_with_open(struct place *place)
{
    make_file_of(place, "file", 0, USER_A, GROUP_A);
    for (mode_t mode = 0; mode < 01000; mode += 0111) {
        MUST(fchmodat(place->fd, "file", mode, 0));
        EQUAL(as_user_a(work_open_and_access, place, NULL), 0);
    }
}

static void write_to_symlinked_directory(struct place *place)
{
    make_dir(place, "dir", 0755);
    make_symlink(place, "dir", "link");
    EQUAL(try_access(place, &user_a, "link/", W_OK), EACCES);
    EQUAL(try_access(place, &user_a, "link/", R_OK | X_OK), 0);
}

static const struct rule rules[] = {
    {"existence", "F_OK asks for existence alone", "POSIX access", existence},
    {"owner-class", "the owner has the owner's bits", "POSIX 4.7 File Access Permissions",
     owner_class},
    {"group-class", "the group has the group's", "POSIX 4.7 File Access Permissions", group_class},
    {"supplementary-group", "supplementary groups count", "POSIX 4.7 File Access Permissions",
     supplementary_group},
    {"other-class", "all others have the others'", "POSIX 4.7 File Access Permissions",
     other_class},
    {"owner-class-comes-first", "an owner without bits gets nothing from the other classes",
     "POSIX 4.7 File Access Permissions", owner_class_comes_first},
    {"group-class-comes-before-other", "nor does a group without bits",
     "POSIX 4.7 File Access Permissions", group_class_comes_before_other},
    {"one-of-several-is-missing", "all that is asked for must be granted", "POSIX access",
     one_of_several_is_missing},
    {"root-reads-and-writes", "root needs no bits to read and write",
     "capabilities(7) CAP_DAC_OVERRIDE", root_reads_and_writes},
    {"root-executes-nothing", "root cannot execute where nobody can", "POSIX access, X_OK",
     root_executes_nothing},
    {"root-executes-anything", "root can execute where anybody can", "POSIX access, X_OK",
     root_executes_anything},
    {"root-searches-any-directory", "directories need no bits for root",
     "capabilities(7) CAP_DAC_OVERRIDE", root_searches_any_directory},
    {"real-and-effective", "access asks for the real ids, AT_EACCESS for the effective ones",
     "POSIX faccessat", real_and_effective},
    {"effective-only", "also where the effective ones may more", "POSIX faccessat", effective_only},
    {"closed-directory", "the way must be free, also for F_OK", "POSIX access, EACCES",
     closed_directory},
    {"follows-symlink", "a link gives its target's answer", "POSIX access", follows_symlink},
    {"dangling-symlink", "AT_SYMLINK_NOFOLLOW asks for the link", "faccessat(2)", dangling_symlink},
    {"empty-path", "AT_EMPTY_PATH asks for the descriptor's file", "faccessat2(2)", empty_path},
    {"errors-of-paths", "below a file, a loop, too long, empty",
     "POSIX access, ENOTDIR, ELOOP, ENAMETOOLONG, ENOENT", errors_of_paths},
    {"bad-mode", "unknown bits are refused", "POSIX access, EINVAL", bad_mode},
    {"agrees-with-open", "access grants what open grants", "POSIX access", agrees_with_open},
    {"write-to-symlinked-directory", "a link to a directory gives the directory's answer",
     "POSIX access", write_to_symlinked_directory},
};

const struct subject subject_access = {"access", rules, sizeof rules / sizeof rules[0]};
