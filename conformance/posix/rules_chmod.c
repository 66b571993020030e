/*
 * Rules of chmod, fchmod and fchmodat.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

/* ---- bits ------------------------------------------------------------------------------------ */

static void all_bits(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(fchmodat(place->fd, "file", 07777, 0));
    EQUAL(mode_of(place, "file"), 07777);
    MUST(fchmodat(place->fd, "file", 0, 0));
    EQUAL(mode_of(place, "file"), 0);
}

static void directory_bits(struct place *place)
{
    make_dir(place, "dir", 0700);
    MUST(fchmodat(place->fd, "dir", 07751, 0));
    EQUAL(look(place, "dir").st_mode, S_IFDIR | 07751);
}

static void type_is_kept(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(fchmodat(place->fd, "file", S_IFDIR | 0640, 0));
    EQUAL(look(place, "file").st_mode, S_IFREG | 0640);
}

static void umask_is_ignored(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    (void)umask(0777);
    MUST(fchmodat(place->fd, "file", 0666, 0));
    EQUAL(mode_of(place, "file"), 0666);
}

static void fifo_and_device(struct place *place)
{
    make_fifo(place, "fifo", 0600);
    MUST(mknodat(place->fd, "device", S_IFCHR | 0600, makedev(1, 3)));
    MUST(fchmodat(place->fd, "fifo", 0644, 0));
    MUST(fchmodat(place->fd, "device", 0622, 0));
    EQUAL(look(place, "fifo").st_mode, S_IFIFO | 0644);
    EQUAL(look(place, "device").st_mode, S_IFCHR | 0622);
}

static void by_descriptor(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(fchmod(open_at(place, "file", O_RDONLY), 0751));
    EQUAL(mode_of(place, "file"), 0751);
}

static void by_descriptor_of_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    MUST(fchmod(open_at(place, "dir", O_RDONLY | O_DIRECTORY), 01777));
    EQUAL(mode_of(place, "dir"), 01777);
}

static void all_names(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    MUST(fchmodat(place->fd, "file", 0644, 0));
    EQUAL(mode_of(place, "same"), 0644);
}

static void without_name(struct place *place)
{
    int fd = open_at(place, "file", O_RDWR | O_CREAT);
    MUST(unlinkat(place->fd, "file", 0));
    MUST(fchmod(fd, 0640));
    EQUAL(look_fd(fd).st_mode, S_IFREG | 0640);
}

static void open_file_stays_open(struct place *place)
{
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    int fd = open_at(place, "file", O_RDWR);
    MUST(fchmod(fd, 0));
    write_pattern(fd, 0, 100);
    check_pattern(fd, 0, 100);
    EQUAL(try_open(place, &user_a, "file", O_RDONLY), EACCES);
}

static void seen_by_next_open(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    EQUAL(try_open(place, &user_a, "file", O_RDONLY), EACCES);
    MUST(fchmodat(place->fd, "file", 0604, 0));
    EQUAL(try_open(place, &user_a, "file", O_RDONLY), 0);
    MUST(fchmodat(place->fd, "file", 0600, 0));
    EQUAL(try_open(place, &user_a, "file", O_RDONLY), EACCES);
}

/* ---- who may --------------------------------------------------------------------------------- */

static void owner_may(struct place *place)
{
    make_file_of(place, "file", 0, USER_A, GROUP_A);
    EQUAL(try_chmod(place, &user_a, "file", 0666), 0);
    EQUAL(mode_of(place, "file"), 0666);
}

static void others_may_not(struct place *place)
{
    make_file_of(place, "file", 0666, USER_B, GROUP_B);
    EQUAL(try_chmod(place, &user_a, "file", 0600), EPERM);
    EQUAL(mode_of(place, "file"), 0666);
}

static void group_may_not(struct place *place)
{
    make_file_of(place, "file", 0660, USER_B, GROUP_A);
    EQUAL(try_chmod(place, &user_a, "file", 0666), EPERM);
}

static int work_fchmod(struct place *place, void *argument)
{
    (void)place;
    return fchmod(*(int *)argument, 0777) < 0 ? errno : 0;
}

static void descriptor_gives_no_right(struct place *place)
{
    make_file(place, "file", 0666, NULL);
    int fd = open_at(place, "file", O_RDWR);
    EQUAL(as_user_a(work_fchmod, place, &fd), EPERM);
    EQUAL(mode_of(place, "file"), 0666);
}

static void through_closed_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_file_of(place, "dir/file", 0600, USER_A, GROUP_A);
    EQUAL(try_chmod(place, &user_a, "dir/file", 0666), EACCES);
}

static void setuid_by_owner(struct place *place)
{
    make_file_of(place, "file", 0700, USER_A, GROUP_A);
    EQUAL(try_chmod(place, &user_a, "file", 04755), 0);
    EQUAL(mode_of(place, "file"), 04755);
}

static void setgid_by_stranger(struct place *place)
{
    make_file_of(place, "file", 0700, USER_A, GROUP_C);
    EQUAL(try_chmod(place, &user_a, "file", 02755), 0);
    EQUAL(mode_of(place, "file"), 0755);
}

static void setgid_by_member(struct place *place)
{
    make_file_of(place, "file", 0700, USER_A, GROUP_C);
    EQUAL(try_chmod(place, &member_a, "file", 02755), 0);
    EQUAL(mode_of(place, "file"), 02755);
}

static void setgid_of_directory_by_stranger(struct place *place)
{
    make_dir_of(place, "dir", 0700, USER_A, GROUP_C);
    EQUAL(try_chmod(place, &user_a, "dir", 02755), 0);
    EQUAL(mode_of(place, "dir"), 0755);
}

static void any_chmod_by_stranger_drops_setgid(struct place *place)
{
    make_file_of(place, "file", 02750, USER_A, GROUP_C);
    EQUAL(try_chmod(place, &user_a, "file", 06755), 0);
    EQUAL(mode_of(place, "file"), 04755);
}

static void sticky_file_by_owner(struct place *place)
{
    make_file_of(place, "file", 0700, USER_A, GROUP_A);
    EQUAL(try_chmod(place, &user_a, "file", 01700), 0);
    EQUAL(mode_of(place, "file"), 01700);
}

static void sticky_directory_by_owner(struct place *place)
{
    make_dir_of(place, "dir", 0700, USER_A, GROUP_A);
    EQUAL(try_chmod(place, &user_a, "dir", 01777), 0);
    EQUAL(mode_of(place, "dir"), 01777);
}

/* ---- links, descriptors and errors ----------------------------------------------------------- */

static void follows_symlink(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "file", "link");
    mode_t before = mode_of(place, "link");
    MUST(fchmodat(place->fd, "link", 0640, 0));
    EQUAL(mode_of(place, "file"), 0640);
    EQUAL(mode_of(place, "link"), before);
}

static void nofollow_of_symlink(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "file", "link");
    if (fchmodat(place->fd, "link", 0640, AT_SYMLINK_NOFOLLOW) < 0) {
        EQUAL(errno, EOPNOTSUPP);
    }
    EQUAL(mode_of(place, "file"), 0600);
}

static void nofollow_of_file(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(fchmodat(place->fd, "file", 0640, AT_SYMLINK_NOFOLLOW));
    EQUAL(mode_of(place, "file"), 0640);
}

static void path_descriptor(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS(fchmod(open_at(place, "file", O_PATH), 0640), EBADF);
    FAILS(fchmod(-1, 0640), EBADF);
}

static void path_descriptor_by_proc(struct place *place)
{
    char path[64];
    make_file(place, "file", 0600, NULL);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", open_at(place, "file", O_PATH));
    MUST(chmod(path, 0640));
    EQUAL(mode_of(place, "file"), 0640);
}

static void nothing_there(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "none", "dangling");
    FAILS(fchmodat(place->fd, "none", 0600, 0), ENOENT);
    FAILS(fchmodat(place->fd, "dangling", 0600, 0), ENOENT);
    FAILS(fchmodat(place->fd, "", 0600, 0), ENOENT);
    FAILS(fchmodat(place->fd, "file/x", 0600, 0), ENOTDIR);
}

static void loop(struct place *place)
{
    make_symlink(place, "self", "self");
    FAILS(fchmodat(place->fd, "self", 0600, 0), ELOOP);
}

static void long_names(struct place *place)
{
    FAILS(fchmodat(place->fd, long_name(256), 0600, 0), ENAMETOOLONG);
    FAILS(fchmodat(place->fd, long_name(4096), 0600, 0), ENAMETOOLONG);
}

static void bad_flag(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS(fchmodat(place->fd, "file", 0640, 0x40000000), EINVAL);
    EQUAL(mode_of(place, "file"), 0600);
}

static const struct rule rules[] = {
    {"all-bits", "root sets each of the twelve bits, and none", "POSIX chmod", all_bits},
    {"directory-bits", "a directory has all twelve bits too", "POSIX chmod", directory_bits},
    {"type-is-kept", "bits of a type in the mode are passed over", "POSIX chmod", type_is_kept},
    {"umask-is-ignored", "the umask is for creation only", "POSIX umask", umask_is_ignored},
    {"fifo-and-device", "FIFOs and devices have modes as files do", "POSIX chmod", fifo_and_device},
    {"by-descriptor", "fchmod works on a descriptor for reading", "POSIX fchmod", by_descriptor},
    {"by-descriptor-of-directory", "fchmod works on a directory", "POSIX fchmod",
     by_descriptor_of_directory},
    {"all-names", "a mode is the file's, not the name's", "POSIX link", all_names},
    {"without-name", "an open file without names has a mode all the same", "POSIX fchmod, unlink",
     without_name},
    {"open-file-stays-open", "rights are looked at by open, not by read and write",
     "POSIX 4.7 File Access Permissions", open_file_stays_open},
    {"seen-by-next-open", "a new mode counts at once, both ways",
     "POSIX 4.7 File Access Permissions", seen_by_next_open},
    {"owner-may", "the owner may, also without any bit", "POSIX chmod", owner_may},
    {"others-may-not", "whoever may write may not chmod", "POSIX chmod, EPERM", others_may_not},
    {"group-may-not", "nor may the group", "POSIX chmod, EPERM", group_may_not},
    {"descriptor-gives-no-right", "an open descriptor gives no right to fchmod",
     "POSIX fchmod, EPERM", descriptor_gives_no_right},
    {"through-closed-directory", "the owner needs the way to the file", "POSIX chmod, EACCES",
     through_closed_directory},
    {"setuid-by-owner", "an owner may set the set-user-ID bit", "POSIX chmod", setuid_by_owner},
    {"setgid-by-stranger", "the set-group-ID bit is dropped for an owner outside the group",
     "POSIX chmod", setgid_by_stranger},
    {"setgid-by-member", "a supplementary group is enough for it", "POSIX chmod", setgid_by_member},
    {"setgid-of-directory-by-stranger", "the same for a directory", "chmod(2)",
     setgid_of_directory_by_stranger},
    {"any-chmod-by-stranger-drops-setgid", "also where the bit was set before", "chmod(2)",
     any_chmod_by_stranger_drops_setgid},
    {"sticky-file-by-owner", "an owner may set a file's sticky bit", "chmod(2)",
     sticky_file_by_owner},
    {"sticky-directory-by-owner", "and a directory's", "POSIX chmod", sticky_directory_by_owner},
    {"follows-symlink", "chmod changes what a link names", "POSIX chmod", follows_symlink},
    {"nofollow-of-symlink", "AT_SYMLINK_NOFOLLOW leaves what the link names",
     "POSIX fchmodat, EOPNOTSUPP", nofollow_of_symlink},
    {"nofollow-of-file", "AT_SYMLINK_NOFOLLOW does no harm to a file", "POSIX fchmodat",
     nofollow_of_file},
    {"path-descriptor", "fchmod of an O_PATH descriptor is refused", "open(2) O_PATH, EBADF",
     path_descriptor},
    {"path-descriptor-by-proc", "its entry of /proc/self/fd works", "open(2) O_PATH",
     path_descriptor_by_proc},
    {"nothing-there", "no such name, a link to none, the empty path, below a file",
     "POSIX chmod, ENOENT, ENOTDIR", nothing_there},
    {"loop", "a link to itself", "POSIX chmod, ELOOP", loop},
    {"long-names", "a name or a path that is too long", "POSIX chmod, ENAMETOOLONG", long_names},
    {"bad-flag", "an unknown flag is refused, and nothing changed", "POSIX fchmodat, EINVAL",
     bad_flag},
};

const struct subject subject_chmod = {"chmod", rules, sizeof rules / sizeof rules[0]};
