/*
 * Rules of chown, lchown, fchown and fchownat.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

#define SAME_UID ((uid_t)-1)
#define SAME_GID ((gid_t)-1)

static int change(struct place *place, const char *name, uid_t uid, gid_t gid)
{
    return fchownat(place->fd, name, uid, gid, 0);
}

static void check_owner(struct place *place, const char *name, uid_t uid, gid_t gid)
{
    struct stat now = look(place, name);
    EQUAL(now.st_uid, uid);
    EQUAL(now.st_gid, gid);
}

/* ---- what changes ---------------------------------------------------------------------------- */

static void both(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(change(place, "file", USER_A, GROUP_B));
    check_owner(place, "file", USER_A, GROUP_B);
}

static void uid_alone(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    MUST(change(place, "file", USER_B, SAME_GID));
    check_owner(place, "file", USER_B, GROUP_A);
}

static void gid_alone(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    MUST(change(place, "file", SAME_UID, GROUP_B));
    check_owner(place, "file", USER_A, GROUP_B);
}

static void neither(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    MUST(change(place, "file", SAME_UID, SAME_GID));
    check_owner(place, "file", USER_A, GROUP_A);
}

static void large_ids(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(change(place, "file", 0x80000005U, 0xfffffffeU));
    check_owner(place, "file", 0x80000005U, 0xfffffffeU);
}

static void directory_owner(struct place *place)
{
    make_dir(place, "dir", 0700);
    MUST(change(place, "dir", USER_A, GROUP_A));
    check_owner(place, "dir", USER_A, GROUP_A);
    EQUAL(try_create(place, &user_a, "dir/file", 0600), 0);
}

static void device_owner(struct place *place)
{
    MUST(mknodat(place->fd, "device", S_IFCHR | 0600, makedev(1, 3)));
    MUST(change(place, "device", USER_A, GROUP_A));
    struct stat now = look(place, "device");
    EQUAL(now.st_uid, USER_A);
    EQUAL(now.st_rdev, makedev(1, 3));
}

static void by_descriptor(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(fchown(open_at(place, "file", O_RDONLY), USER_A, GROUP_A));
    check_owner(place, "file", USER_A, GROUP_A);
}

static void without_name(struct place *place)
{
    int fd = open_at(place, "file", O_RDWR | O_CREAT);
    MUST(unlinkat(place->fd, "file", 0));
    MUST(fchown(fd, USER_A, GROUP_B));
    EQUAL(look_fd(fd).st_uid, USER_A);
    EQUAL(look_fd(fd).st_gid, GROUP_B);
}

static void follows_symlink(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "file", "link");
    MUST(change(place, "link", USER_A, GROUP_A));
    check_owner(place, "file", USER_A, GROUP_A);
    check_owner(place, "link", 0, 0);
}

static void own_of_symlink(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "file", "link");
    MUST(lchown(path_of(place, "link"), USER_A, GROUP_A));
    check_owner(place, "link", USER_A, GROUP_A);
    check_owner(place, "file", 0, 0);
}

static void empty_path(struct place *place)
{
    make_symlink(place, "nowhere", "link");
    int fd = open_at(place, "link", O_PATH | O_NOFOLLOW);
    MUST(fchownat(fd, "", USER_B, GROUP_B, AT_EMPTY_PATH));
    check_owner(place, "link", USER_B, GROUP_B);
}

static void rights_move(struct place *place)
{
    make_file_of(place, "file", 0460, USER_A, GROUP_A);
    EQUAL(try_append(place, &user_b, "file"), EACCES);
    MUST(change(place, "file", SAME_UID, GROUP_B));
    EQUAL(try_append(place, &user_b, "file"), 0);
    MUST(change(place, "file", USER_B, SAME_GID));
    EQUAL(try_append(place, &user_b, "file"), EACCES);
    EQUAL(try_open(place, &user_a, "file", O_RDONLY), EACCES);
}

static void all_names(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    MUST(change(place, "file", USER_A, GROUP_A));
    check_owner(place, "same", USER_A, GROUP_A);
}

/* ---- who may --------------------------------------------------------------------------------- */

static void giving_away(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    EQUAL(try_chown(place, &user_a, "file", USER_B, SAME_GID), EPERM);
    check_owner(place, "file", USER_A, GROUP_A);
}

static void taking(struct place *place)
{
    make_file_of(place, "file", 0666, USER_B, GROUP_A);
    EQUAL(try_chown(place, &user_a, "file", USER_A, SAME_GID), EPERM);
    check_owner(place, "file", USER_B, GROUP_A);
}

static void to_oneself(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    EQUAL(try_chown(place, &user_a, "file", USER_A, GROUP_A), 0);
    check_owner(place, "file", USER_A, GROUP_A);
}

static void to_effective_group(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_B);
    EQUAL(try_chown(place, &user_a, "file", SAME_UID, GROUP_A), 0);
    check_owner(place, "file", USER_A, GROUP_A);
}

static void to_supplementary_group(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    EQUAL(try_chown(place, &member_a, "file", SAME_UID, GROUP_C), 0);
    check_owner(place, "file", USER_A, GROUP_C);
}

static void to_strange_group(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    EQUAL(try_chown(place, &user_a, "file", SAME_UID, GROUP_C), EPERM);
    check_owner(place, "file", USER_A, GROUP_A);
}

static void group_by_other_member(struct place *place)
{
    make_file_of(place, "file", 0666, USER_B, GROUP_A);
    EQUAL(try_chown(place, &member_a, "file", SAME_UID, GROUP_C), EPERM);
    check_owner(place, "file", USER_B, GROUP_A);
}

static void group_with_foreign_owner(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    EQUAL(try_chown(place, &member_a, "file", USER_B, GROUP_C), EPERM);
    check_owner(place, "file", USER_A, GROUP_A);
}

static void symlink_of_other(struct place *place)
{
    make_symlink(place, "nowhere", "link");
    EQUAL(try_chown(place, &user_a, "link", USER_A, GROUP_A), EPERM);
}

/* ---- bits of the mode ------------------------------------------------------------------------ */

static void setuid_by_root(struct place *place)
{
    make_file(place, "file", 04755, NULL);
    MUST(change(place, "file", USER_A, SAME_GID));
    EQUAL(mode_of(place, "file"), 0755);
}

static void setgid_by_root(struct place *place)
{
    make_file(place, "file", 02755, NULL);
    MUST(change(place, "file", SAME_UID, GROUP_A));
    EQUAL(mode_of(place, "file"), 0755);
}

static void both_bits_by_owner(struct place *place)
{
    make_file_of(place, "file", 06755, USER_A, GROUP_A);
    EQUAL(try_chown(place, &member_a, "file", SAME_UID, GROUP_C), 0);
    EQUAL(mode_of(place, "file"), 0755);
}

static void setgid_without_execute(struct place *place)
{
    make_file(place, "file", 02745, NULL);
    MUST(change(place, "file", SAME_UID, GROUP_A));
    EQUAL(mode_of(place, "file"), 02745);
}

static void directory_bits(struct place *place)
{
    make_dir(place, "dir", 0700);
    MUST(fchmodat(place->fd, "dir", 07775, 0));
    MUST(change(place, "dir", USER_A, GROUP_A));
    EQUAL(mode_of(place, "dir"), 07775);
}

static void sticky_is_kept(struct place *place)
{
    make_file(place, "file", 01755, NULL);
    MUST(change(place, "file", USER_A, GROUP_A));
    EQUAL(mode_of(place, "file"), 01755);
}

static void to_same_ids(struct place *place)
{
    make_file_of(place, "file", 06755, USER_A, GROUP_A);
    EQUAL(try_chown(place, &user_a, "file", USER_A, GROUP_A), 0);
    EQUAL(mode_of(place, "file"), 0755);
}

static void bits_through_descriptor(struct place *place)
{
    make_file(place, "file", 06755, NULL);
    MUST(fchown(open_at(place, "file", O_RDONLY), USER_A, GROUP_A));
    EQUAL(mode_of(place, "file"), 0755);
}

static void bits_when_refused(struct place *place)
{
    make_file_of(place, "file", 06755, USER_A, GROUP_A);
    EQUAL(try_chown(place, &user_a, "file", USER_B, SAME_GID), EPERM);
    EQUAL(mode_of(place, "file"), 06755);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void path_descriptor(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS(fchown(open_at(place, "file", O_PATH), USER_A, GROUP_A), EBADF);
    FAILS(fchown(-1, USER_A, GROUP_A), EBADF);
}

static void nothing_there(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "none", "dangling");
    FAILS(change(place, "none", 1, 1), ENOENT);
    FAILS(change(place, "dangling", 1, 1), ENOENT);
    FAILS(change(place, "file/x", 1, 1), ENOTDIR);
}

static void loop(struct place *place)
{
    make_symlink(place, "self", "self");
    FAILS(change(place, "self", 1, 1), ELOOP);
    MUST(fchownat(place->fd, "self", 1, 1, AT_SYMLINK_NOFOLLOW));
}

static void through_closed_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_file_of(place, "dir/file", 0600, USER_A, GROUP_B);
    EQUAL(try_chown(place, &user_a, "dir/file", SAME_UID, GROUP_A), EACCES);
}

static void bad_flag(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS(fchownat(place->fd, "file", USER_A, GROUP_A, 0x40000000), EINVAL);
    check_owner(place, "file", 0, 0);
}

static const struct rule rules[] = {
    {"both", "root changes owner and group at once", "POSIX chown", both},
    {"uid-alone", "a group of -1 leaves the group", "POSIX chown", uid_alone},
    {"gid-alone", "an owner of -1 leaves the owner", "POSIX chown", gid_alone},
    {"neither", "-1 for both leaves both", "POSIX chown", neither},
    {"large-ids", "ids have 32 bits", "chown(2), credentials(7)", large_ids},
    {"directory-owner", "a directory's new owner may use it", "POSIX chown", directory_owner},
    {"device-owner", "a device keeps its number", "POSIX chown", device_owner},
    {"by-descriptor", "fchown works on a descriptor for reading", "POSIX fchown", by_descriptor},
    {"without-name", "fchown works on a file that has been unlinked", "POSIX fchown", without_name},
    {"follows-symlink", "chown changes what a link names", "POSIX chown", follows_symlink},
    {"own-of-symlink", "lchown changes the link itself", "POSIX lchown", own_of_symlink},
    {"empty-path", "AT_EMPTY_PATH changes what the descriptor names", "fchownat(2)", empty_path},
    {"rights-move", "the new owner and group have their classes' rights",
     "POSIX 4.7 File Access Permissions", rights_move},
    {"all-names", "owners are the file's, not the name's", "POSIX link", all_names},
    {"giving-away", "an owner may not give a file away", "POSIX chown, _POSIX_CHOWN_RESTRICTED",
     giving_away},
    {"taking", "nobody may take a file", "POSIX chown, EPERM", taking},
    {"to-oneself", "an owner may set the ids that a file has", "POSIX chown", to_oneself},
    {"to-effective-group", "an owner may give a file to the own group", "POSIX chown",
     to_effective_group},
    {"to-supplementary-group", "and to a supplementary one", "POSIX chown", to_supplementary_group},
    {"to-strange-group", "but to no other", "POSIX chown, EPERM", to_strange_group},
    {"group-by-other-member", "who does not own a file does not change its group",
     "POSIX chown, EPERM", group_by_other_member},
    {"group-with-foreign-owner", "a permitted group does not permit an owner", "POSIX chown, EPERM",
     group_with_foreign_owner},
    {"symlink-of-other", "a link has an owner too", "POSIX lchown, EPERM", symlink_of_other},
    {"setuid-by-root", "the set-user-ID bit goes, also for root", "chown(2)", setuid_by_root},
    {"setgid-by-root", "so does the set-group-ID bit", "chown(2)", setgid_by_root},
    {"both-bits-by-owner", "an owner's change of group clears both", "POSIX chown",
     both_bits_by_owner},
    {"setgid-without-execute", "without group execute it means locking, and stays", "chown(2)",
     setgid_without_execute},
    {"directory-bits", "a directory keeps its bits", "chown(2)", directory_bits},
    {"sticky-is-kept", "a file keeps its sticky bit", "POSIX chown", sticky_is_kept},
    {"to-same-ids", "a change to the same ids clears the bits too", "POSIX chown", to_same_ids},
    {"bits-through-descriptor", "fchown clears them as chown does", "POSIX fchown",
     bits_through_descriptor},
    {"bits-when-refused", "a refused change clears nothing", "POSIX chown, EPERM",
     bits_when_refused},
    {"path-descriptor", "fchown of an O_PATH descriptor is refused", "open(2) O_PATH, EBADF",
     path_descriptor},
    {"nothing-there", "no such name, a link to none, below a file", "POSIX chown, ENOENT, ENOTDIR",
     nothing_there},
    {"loop", "a link to itself is a loop, but has an owner", "POSIX chown, ELOOP", loop},
    {"through-closed-directory", "the owner needs the way to the file", "POSIX chown, EACCES",
     through_closed_directory},
    {"bad-flag", "an unknown flag is refused, and nothing changed", "POSIX fchownat, EINVAL",
     bad_flag},
};

const struct subject subject_chown = {"chown", rules, sizeof rules / sizeof rules[0]};
