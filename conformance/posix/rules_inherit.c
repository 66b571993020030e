/*
 * Rules of what a new object gets: mode by the umask, owner, and group, also from a set-group-ID
 * directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

/* ---- umask ----------------------------------------------------------------------------------- */

static void umask_of_file(struct place *place)
{
    (void)umask(027);
    make_file(place, "file", 0666, NULL);
    EQUAL(mode_of(place, "file"), 0640);
}

static void umask_of_directory(struct place *place)
{
    (void)umask(027);
    make_dir(place, "dir", 0777);
    EQUAL(mode_of(place, "dir"), 0750);
}

static void umask_of_fifo_and_device(struct place *place)
{
    (void)umask(0027);
    make_fifo(place, "fifo", 0666);
    MUST(mknodat(place->fd, "device", S_IFCHR | 0666, makedev(1, 3)));
    EQUAL(mode_of(place, "fifo"), 0640);
    EQUAL(mode_of(place, "device"), 0640);
}

static void umask_of_symlink(struct place *place)
{
    (void)umask(0777);
    make_symlink(place, "x", "link");
    EQUAL(mode_of(place, "link"), 0777);
}

static void umask_of_everything(struct place *place)
{
    (void)umask(0777);
    int fd = openat(place->fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    MUST(fd);
    EQUAL(mode_of(place, "file"), 0);
    write_pattern(fd, 0, 100);
    check_pattern(fd, 0, 100);
}

static void umask_of_existing(struct place *place)
{
    make_file(place, "file", 0666, NULL);
    (void)umask(077);
    MUST(close(openat(place->fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0666)));
    EQUAL(mode_of(place, "file"), 0666);
}

static void umask_leaves_high_bits(struct place *place)
{
    (void)umask(022);
    make_file(place, "file", 07777, NULL);
    EQUAL(mode_of(place, "file"), 07755);
}

static void sticky_by_mkdir(struct place *place)
{
    make_dir(place, "dir", 01777);
    EQUAL(mode_of(place, "dir"), 01777);
}

static void mode_zero_and_open(struct place *place)
{
    EQUAL(try_create(place, &user_a, "file", 0), 0);
    EQUAL(mode_of(place, "file"), 0);
    EQUAL(try_open(place, &user_a, "file", O_RDONLY), EACCES);
}

static int work_write_to_read_only(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    if (fd < 0 || write(fd, "abc", 3) != 3) {
        return errno;
    }
    return close(fd) < 0 ? errno : 0;
}

static void creator_writes_read_only_file(struct place *place)
{
    EQUAL(as_user_a(work_write_to_read_only, place, NULL), 0);
    EQUAL(mode_of(place, "file"), 0400);
    check_content(place, "file", "abc");
    EQUAL(try_append(place, &user_a, "file"), EACCES);
}

/* ---- owner and group ------------------------------------------------------------------------- */

static void owner_of_everything(struct place *place)
{
    static const char *const names[] = {"dir", "fifo", "link"};
    EQUAL(try_mkdir(place, &user_a, "dir", 0700), 0);
    EQUAL(try_mkfifo(place, &user_a, "fifo", 0600), 0);
    EQUAL(try_symlink(place, &user_a, "link"), 0);
    for (size_t i = 0; i < 3; i++) {
        EQUAL(look(place, names[i]).st_uid, USER_A);
        EQUAL(look(place, names[i]).st_gid, GROUP_A);
    }
}

static int work_effective(struct place *place, void *argument)
{
    (void)argument;
    if (setegid(GROUP_B) < 0 || seteuid(USER_B) < 0) {
        return errno;
    }
    return mkdirat(place->fd, "dir", 0700) < 0 ? errno : 0;
}

static void effective_ids(struct place *place)
{
    EQUAL(as_child(work_effective, place, NULL), 0);
    EQUAL(look(place, "dir").st_uid, USER_B);
    EQUAL(look(place, "dir").st_gid, GROUP_B);
}

static void owner_of_existing(struct place *place)
{
    make_file(place, "file", 0666, NULL);
    EQUAL(try_open(place, &user_a, "file", O_RDWR | O_CREAT | O_TRUNC), 0);
    EQUAL(look(place, "file").st_uid, 0);
}

static void link_keeps_owner(struct place *place)
{
    make_file_of(place, "file", 0666, USER_B, GROUP_B);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    EQUAL(look(place, "same").st_uid, USER_B);
}

/* ---- set-group-ID directories ---------------------------------------------------------------- */

static void make_shared(struct place *place)
{
    make_dir_of(place, "dir", 02777, 0, GROUP_C);
}

static void file_gets_group(struct place *place)
{
    make_shared(place);
    EQUAL(try_create(place, &user_a, "dir/file", 0640), 0);
    struct stat now = look(place, "dir/file");
    EQUAL(now.st_uid, USER_A);
    EQUAL(now.st_gid, GROUP_C);
    EQUAL(now.st_mode, S_IFREG | 0640);
}

static void root_file_gets_group(struct place *place)
{
    make_shared(place);
    make_file(place, "dir/file", 0600, NULL);
    EQUAL(look(place, "dir/file").st_gid, GROUP_C);
}

static void subdirectory_gets_bit(struct place *place)
{
    make_shared(place);
    EQUAL(try_mkdir(place, &user_a, "dir/sub", 0750), 0);
    EQUAL(look(place, "dir/sub").st_gid, GROUP_C);
    EQUAL(mode_of(place, "dir/sub"), 02750);
}

static void deeper_gets_it_too(struct place *place)
{
    make_shared(place);
    EQUAL(try_mkdir(place, &user_a, "dir/sub", 0755), 0);
    EQUAL(try_mkdir(place, &user_a, "dir/sub/sub", 0755), 0);
    EQUAL(try_create(place, &user_a, "dir/sub/sub/file", 0600), 0);
    EQUAL(look(place, "dir/sub/sub/file").st_gid, GROUP_C);
    EQUAL(mode_of(place, "dir/sub/sub"), 02755);
}

static void others_get_group(struct place *place)
{
    make_shared(place);
    EQUAL(try_symlink(place, &user_a, "dir/link"), 0);
    EQUAL(try_mkfifo(place, &user_a, "dir/fifo", 0600), 0);
    EQUAL(look(place, "dir/link").st_gid, GROUP_C);
    EQUAL(look(place, "dir/fifo").st_gid, GROUP_C);
}

static void nameless_gets_group(struct place *place)
{
    make_shared(place);
    int fd = openat(place->fd, "dir", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    MUST(fd);
    EQUAL(look_fd(fd).st_gid, GROUP_C);
}

static void stranger_loses_bit_of_file(struct place *place)
{
    make_shared(place);
    EQUAL(try_create(place, &user_a, "dir/file", 02775), 0);
    EQUAL(mode_of(place, "dir/file"), 0775);
}

static void member_keeps_bit_of_file(struct place *place)
{
    make_shared(place);
    EQUAL(try_create(place, &member_a, "dir/file", 02775), 0);
    EQUAL(mode_of(place, "dir/file"), 02775);
}

static void moved_in_keeps_group(struct place *place)
{
    make_shared(place);
    make_file_of(place, "file", 0600, USER_A, GROUP_A);
    make_dir_of(place, "other", 0700, USER_A, GROUP_A);
    MUST(renameat(place->fd, "file", place->fd, "dir/file"));
    MUST(renameat(place->fd, "other", place->fd, "dir/other"));
    EQUAL(look(place, "dir/file").st_gid, GROUP_A);
    EQUAL(look(place, "dir/other").st_gid, GROUP_A);
    EQUAL(mode_of(place, "dir/other"), 0700);
}

static void existing_are_left(struct place *place)
{
    make_dir(place, "dir", 0777);
    make_dir(place, "dir/sub", 0755);
    MUST(fchownat(place->fd, "dir", 0, GROUP_C, 0));
    MUST(fchmodat(place->fd, "dir", 02777, 0));
    EQUAL(look(place, "dir/sub").st_gid, 0);
    EQUAL(mode_of(place, "dir/sub"), 0755);
}

static void without_bit_no_group(struct place *place)
{
    make_dir_of(place, "dir", 0777, 0, GROUP_C);
    EQUAL(try_mkdir(place, &user_a, "dir/sub", 0755), 0);
    EQUAL(look(place, "dir/sub").st_gid, GROUP_A);
    EQUAL(mode_of(place, "dir/sub"), 0755);
}

static const struct rule rules[] = {
    {"umask-of-file", "the umask takes bits from open's mode", "POSIX open, O_CREAT",
     umask_of_file},
    {"umask-of-directory", "and from mkdir's", "POSIX mkdir", umask_of_directory},
    {"umask-of-fifo-and-device", "and from mknod's", "POSIX mkfifo, mknod",
     umask_of_fifo_and_device},
    {"umask-of-symlink", "but a link's mode is always 0777", "symlink(7)", umask_of_symlink},
    {"umask-of-everything", "who creates a file may use it, whatever bits are left",
     "POSIX open, O_CREAT", umask_of_everything},
    {"umask-of-existing", "a file that is there keeps its mode", "POSIX open, O_CREAT",
     umask_of_existing},
    {"umask-leaves-high-bits", "the umask is for the nine permission bits", "POSIX umask; open(2)",
     umask_leaves_high_bits},
    {"sticky-by-mkdir", "mkdir gives the sticky bit", "mkdir(2)", sticky_by_mkdir},
    {"mode-zero-and-open", "a file made with mode 0 opens only once", "POSIX open, O_CREAT",
     mode_zero_and_open},
    {"creator-writes-read-only-file", "a file made read-only is written by its creator",
     "POSIX open, O_CREAT", creator_writes_read_only_file},
    {"owner-of-everything", "directories, FIFOs and links belong to who made them",
     "POSIX mkdir, mkfifo, symlink", owner_of_everything},
    {"effective-ids", "the effective ids count, not the real ones", "POSIX mkdir", effective_ids},
    {"owner-of-existing", "O_CREAT and O_TRUNC leave an owner", "POSIX open", owner_of_existing},
    {"link-keeps-owner", "link gives no owner", "POSIX link", link_keeps_owner},
    {"file-gets-group", "a file gets the directory's group, not the bit",
     "POSIX open, O_CREAT; inode(7)", file_gets_group},
    {"root-file-gets-group", "also root's", "inode(7)", root_file_gets_group},
    {"subdirectory-gets-bit", "a subdirectory gets group and bit", "mkdir(2), inode(7)",
     subdirectory_gets_bit},
    {"deeper-gets-it-too", "so that the whole tree has them", "inode(7)", deeper_gets_it_too},
    {"others-get-group", "links and FIFOs get the group", "inode(7)", others_get_group},
    {"nameless-gets-group", "so does O_TMPFILE", "open(2) O_TMPFILE, inode(7)",
     nameless_gets_group},
    {"stranger-loses-bit-of-file", "who is not in that group makes no set-group-ID program",
     "inode(7)", stranger_loses_bit_of_file},
    {"member-keeps-bit-of-file", "who is in it does", "inode(7)", member_keeps_bit_of_file},
    {"moved-in-keeps-group", "what is moved in keeps group and mode", "POSIX rename",
     moved_in_keeps_group},
    {"existing-are-left", "what is in there already is left", "inode(7)", existing_are_left},
    {"without-bit-no-group", "without the bit the group is the creator's", "POSIX mkdir",
     without_bit_no_group},
};

const struct subject subject_inherit = {"inherit", rules, sizeof rules / sizeof rules[0]};
