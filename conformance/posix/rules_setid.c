/*
 * Rules of what clears the set-user-ID and set-group-ID bits and file capabilities, and what does
 * not: a program that anybody has written to must not run with its owner's rights.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

static const char capability[] = "security.capability";

/* What setcap cap_net_raw+ep stores. */
static const struct vfs_cap_data net_raw = {
    .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
    .data = {{.permitted = 1U << CAP_NET_RAW}},
};

/* ---- writing --------------------------------------------------------------------------------- */

static void write_by_other(struct place *place)
{
    make_file_of(place, "file", 06777, USER_B, GROUP_B);
    EQUAL(try_append(place, &user_a, "file"), 0);
    EQUAL(mode_of(place, "file"), 0777);
}

static void write_by_owner(struct place *place)
{
    make_file_of(place, "file", 06775, USER_A, GROUP_A);
    EQUAL(try_append(place, &user_a, "file"), 0);
    EQUAL(mode_of(place, "file"), 0775);
}

static void write_by_root(struct place *place)
{
    make_file(place, "file", 06755, NULL);
    int fd = open_at(place, "file", O_WRONLY);
    write_pattern(fd, 0, 100);
    EQUAL(mode_of(place, "file"), 06755);
}

static void write_to_locking_file(struct place *place)
{
    make_file_of(place, "file", 02766, USER_A, GROUP_A);
    EQUAL(try_append(place, &user_a, "file"), 0);
    EQUAL(mode_of(place, "file"), 02766);
}

static int work_write_open(struct place *place, void *argument)
{
    (void)place;
    return pwrite(*(int *)argument, "x", 1, 0) < 0 ? errno : 0;
}

static void write_to_inherited_descriptor(struct place *place)
{
    make_file(place, "file", 06755, "content");
    int fd = open_at(place, "file", O_WRONLY);
    EQUAL(as_user_a(work_write_open, place, &fd), 0);
    EQUAL(mode_of(place, "file"), 0755);
}

static int work_write_nothing(struct place *place, void *argument)
{
    (void)place;
    return pwrite(*(int *)argument, "", 0, 0) < 0 ? errno : 0;
}

static void write_of_nothing(struct place *place)
{
    make_file(place, "file", 06777, "content");
    struct stat before = look(place, "file");
    pass_time(place);
    int fd = open_at(place, "file", O_WRONLY);
    EQUAL(as_user_a(work_write_nothing, place, &fd), 0);
    EQUAL(mode_of(place, "file"), 06777);
    EQUAL(compare_times(look(place, "file").st_mtim, before.st_mtim), 0);
}

static int work_allocate(struct place *place, void *argument)
{
    (void)place;
    return fallocate(*(int *)argument, 0, 0, 8192) < 0 ? errno : 0;
}

static void allocation(struct place *place)
{
    make_file(place, "file", 06755, "content");
    int fd = open_at(place, "file", O_RDWR);
    EQUAL(as_user_a(work_allocate, place, &fd), 0);
    EQUAL(mode_of(place, "file"), 0755);
}

/* ---- truncation ------------------------------------------------------------------------------ */

static void truncate_by_other(struct place *place)
{
    make_file_of(place, "file", 06777, USER_B, GROUP_B);
    EQUAL(try_truncate(place, &user_a, "file", 3), 0);
    EQUAL(mode_of(place, "file"), 0777);
}

static void truncate_by_owner(struct place *place)
{
    make_file_of(place, "file", 06775, USER_A, GROUP_A);
    EQUAL(try_truncate(place, &user_a, "file", 100), 0);
    EQUAL(mode_of(place, "file"), 0775);
}

static void truncate_by_root(struct place *place)
{
    make_file(place, "file", 06755, "content");
    MUST(truncate(path_of(place, "file"), 3));
    EQUAL(mode_of(place, "file"), 06755);
}

static void open_truncating_by_other(struct place *place)
{
    make_file_of(place, "file", 06777, USER_B, GROUP_B);
    EQUAL(try_open(place, &user_a, "file", O_WRONLY | O_TRUNC), 0);
    EQUAL(mode_of(place, "file"), 0777);
}

static int work_ftruncate(struct place *place, void *argument)
{
    (void)place;
    return ftruncate(*(int *)argument, 2) < 0 ? errno : 0;
}

static void ftruncate_by_other(struct place *place)
{
    make_file(place, "file", 06755, "content");
    int fd = open_at(place, "file", O_WRONLY);
    EQUAL(as_user_a(work_ftruncate, place, &fd), 0);
    EQUAL(mode_of(place, "file"), 0755);
}

/* ---- what leaves them ------------------------------------------------------------------------ */

static void open_alone(struct place *place)
{
    make_file_of(place, "file", 06777, USER_B, GROUP_B);
    EQUAL(try_open(place, &user_a, "file", O_RDWR), 0);
    EQUAL(mode_of(place, "file"), 06777);
}

static void new_name(struct place *place)
{
    make_file_of(place, "file", 06777, USER_A, GROUP_A);
    EQUAL(try_link(place, &user_a, "file", "same"), 0);
    EQUAL(try_rename(place, &user_a, "file", "other"), 0);
    EQUAL(mode_of(place, "other"), 06777);
}

static void new_times(struct place *place)
{
    make_file_of(place, "file", 06755, USER_A, GROUP_A);
    EQUAL(try_utimens(place, &user_a, "file", NULL), 0);
    EQUAL(mode_of(place, "file"), 06755);
}

static void directory_contents(struct place *place)
{
    make_dir_of(place, "dir", 06777, USER_B, GROUP_B);
    EQUAL(try_create(place, &user_a, "dir/file", 0600), 0);
    EQUAL(mode_of(place, "dir"), 06777);
}

static void given_at_creation(struct place *place)
{
    EQUAL(try_create(place, &user_a, "file", 06755), 0);
    EQUAL(mode_of(place, "file"), 06755);
}

static void kept_through_writing_creator(struct place *place)
{
    int fd = openat(place->fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 06755);
    MUST(fd);
    write_pattern(fd, 0, 10);
    MUST(fchmod(fd, 04711));
    MUST(close(fd));
    EQUAL(mode_of(place, "file"), 04711);
}

/* ---- capabilities ---------------------------------------------------------------------------- */

static void make_capable(struct place *place, const char *name, mode_t mode)
{
    make_program(place, name, mode);
    MUST(setxattr(path_of(place, name), capability, &net_raw, XATTR_CAPS_SZ_2, 0));
}

static bool is_capable(struct place *place, const char *name)
{
    char value[64];
    return lgetxattr(path_of(place, name), capability, value, sizeof value) >= 0;
}

static void capability_kept(struct place *place)
{
    struct vfs_cap_data now;
    make_capable(place, "program", 0755);
    EQUAL(getxattr(path_of(place, "program"), capability, &now, sizeof now), XATTR_CAPS_SZ_2);
    EQUAL(memcmp(&now, &net_raw, XATTR_CAPS_SZ_2), 0);
}

static void capability_after_write(struct place *place)
{
    make_capable(place, "program", 0777);
    EQUAL(try_append(place, &user_a, "program"), 0);
    HOLDS(!is_capable(place, "program"));
}

static void capability_after_write_by_root(struct place *place)
{
    make_capable(place, "program", 0777);
    write_pattern(open_at(place, "program", O_WRONLY), 0, 5);
    HOLDS(!is_capable(place, "program"));
}

static void capability_after_chown(struct place *place)
{
    make_capable(place, "program", 0755);
    MUST(fchownat(place->fd, "program", USER_A, GROUP_A, 0));
    HOLDS(!is_capable(place, "program"));
}

static void capability_after_truncate(struct place *place)
{
    make_capable(place, "program", 0777);
    EQUAL(try_truncate(place, &user_a, "program", 2), 0);
    HOLDS(!is_capable(place, "program"));
}

static void capability_after_chmod(struct place *place)
{
    make_capable(place, "program", 0755);
    MUST(fchmodat(place->fd, "program", 0711, 0));
    MUST(renameat(place->fd, "program", place->fd, "other"));
    HOLDS(is_capable(place, "other"));
}

static void capability_by_owner(struct place *place)
{
    make_file_of(place, "file", 0755, USER_A, GROUP_A);
    EQUAL(try_setxattr(place, &user_a, "file", capability, &net_raw, XATTR_CAPS_SZ_2), EPERM);
}

static const struct rule rules[] = {
    {"write-by-other", "a write by who does not own the file clears both bits",
     "POSIX write; inode(7)", write_by_other},
    {"write-by-owner", "so does one by the owner", "POSIX write", write_by_owner},
    {"write-by-root", "root's writes leave them", "capabilities(7) CAP_FSETID", write_by_root},
    {"write-to-locking-file", "set-group-ID without group execute stays", "inode(7)",
     write_to_locking_file},
    {"write-to-inherited-descriptor", "who writes counts, not who opened", "POSIX write",
     write_to_inherited_descriptor},
    {"write-of-nothing", "a write of no bytes changes neither bits nor times", "POSIX write",
     write_of_nothing},
    {"allocation", "fallocate clears them as write does", "fallocate(2), POSIX write", allocation},
    {"truncate-by-other", "truncate clears both bits", "POSIX truncate", truncate_by_other},
    {"truncate-by-owner", "also when it enlarges, and for the owner", "POSIX truncate",
     truncate_by_owner},
    {"truncate-by-root", "root's truncate leaves them", "capabilities(7) CAP_FSETID",
     truncate_by_root},
    {"open-truncating-by-other", "so does O_TRUNC", "POSIX open, O_TRUNC",
     open_truncating_by_other},
    {"ftruncate-by-other", "ftruncate by who has only the descriptor clears them",
     "POSIX ftruncate", ftruncate_by_other},
    {"open-alone", "to open for writing clears nothing", "POSIX open", open_alone},
    {"new-name", "link and rename clear nothing", "POSIX link, rename", new_name},
    {"new-times", "utimens clears nothing", "POSIX utimensat", new_times},
    {"directory-contents", "a change in a directory leaves the directory's bits", "inode(7)",
     directory_contents},
    {"given-at-creation", "open with O_CREAT gives both bits", "open(2), mode", given_at_creation},
    {"kept-through-writing-creator", "what chmod sets behind root's writes is there after close",
     "POSIX chmod", kept_through_writing_creator},
    {"capability-kept", "file capabilities are stored and given back as they were",
     "capabilities(7), xattr(7)", capability_kept},
    {"capability-after-write", "a write removes them", "capabilities(7)", capability_after_write},
    {"capability-after-write-by-root", "also root's", "capabilities(7)",
     capability_after_write_by_root},
    {"capability-after-chown", "chown removes them", "capabilities(7), chown(2)",
     capability_after_chown},
    {"capability-after-truncate", "truncate removes them", "capabilities(7)",
     capability_after_truncate},
    {"capability-after-chmod", "chmod and rename leave them", "capabilities(7)",
     capability_after_chmod},
    {"capability-by-owner", "an owner alone may not set them", "capabilities(7) CAP_SETFCAP",
     capability_by_owner},
};

const struct subject subject_setid = {"setid", rules, sizeof rules / sizeof rules[0]};
