/*
 * Rules of sticky directories, such as /tmp: who may remove and rename what.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

/* "t" as /tmp, with a file and a directory of each user. */
static void make_sticky(struct place *place, uid_t owner)
{
    make_dir_of(place, "t", 01777, owner, 0);
    make_file_of(place, "t/a", 0666, USER_A, GROUP_A);
    make_file_of(place, "t/b", 0666, USER_B, GROUP_B);
    make_dir_of(place, "t/da", 0777, USER_A, GROUP_A);
    make_dir_of(place, "t/db", 0777, USER_B, GROUP_B);
}

static bool refused(int error)
{
    return error == EPERM || error == EACCES;
}

static void own_file(struct place *place)
{
    make_sticky(place, 0);
    EQUAL(try_unlink(place, &user_a, "t/a"), 0);
    HOLDS(!exists(place, "t/a"));
}

static void file_of_other(struct place *place)
{
    make_sticky(place, 0);
    HOLDS(refused(try_unlink(place, &user_a, "t/b")));
    HOLDS(exists(place, "t/b"));
}

static void owner_of_directory(struct place *place)
{
    make_sticky(place, USER_A);
    EQUAL(try_unlink(place, &user_a, "t/b"), 0);
    EQUAL(try_rmdir(place, &user_a, "t/db"), 0);
}

static void neither_owner(struct place *place)
{
    make_sticky(place, USER_A);
    HOLDS(refused(try_unlink(place, &user_b, "t/a")));
    EQUAL(try_unlink(place, &user_b, "t/b"), 0);
}

static void root_removes(struct place *place)
{
    make_sticky(place, USER_A);
    MUST(unlinkat(place->fd, "t/b", 0));
    MUST(unlinkat(place->fd, "t/da", AT_REMOVEDIR));
}

static void group_is_not_enough(struct place *place)
{
    make_dir_of(place, "t", 01770, 0, GROUP_C);
    make_file_of(place, "t/b", 0660, USER_B, GROUP_C);
    HOLDS(refused(try_unlink(place, &member_a, "t/b")));
    EQUAL(try_create(place, &member_a, "t/own", 0600), 0);
    EQUAL(try_unlink(place, &member_a, "t/own"), 0);
}

static void own_directory(struct place *place)
{
    make_sticky(place, 0);
    EQUAL(try_rmdir(place, &user_a, "t/da"), 0);
}

static void directory_of_other(struct place *place)
{
    make_sticky(place, 0);
    HOLDS(refused(try_rmdir(place, &user_a, "t/db")));
    HOLDS(exists(place, "t/db"));
}

static void own_symlink_and_fifo(struct place *place)
{
    make_dir(place, "t", 01777);
    EQUAL(try_symlink(place, &user_a, "t/link"), 0);
    EQUAL(try_mkfifo(place, &user_a, "t/fifo", 0666), 0);
    HOLDS(refused(try_unlink(place, &user_b, "t/link")));
    HOLDS(refused(try_unlink(place, &user_b, "t/fifo")));
    EQUAL(try_unlink(place, &user_a, "t/link"), 0);
}

static void rename_own(struct place *place)
{
    make_sticky(place, 0);
    EQUAL(try_rename(place, &user_a, "t/a", "t/other"), 0);
    EQUAL(try_rename(place, &user_a, "t/da", "t/dother"), 0);
}

static void rename_of_other(struct place *place)
{
    make_sticky(place, 0);
    HOLDS(refused(try_rename(place, &user_a, "t/b", "t/other")));
    HOLDS(refused(try_rename(place, &user_a, "t/db", "t/dother")));
}

static void rename_by_directory_owner(struct place *place)
{
    make_sticky(place, USER_A);
    EQUAL(try_rename(place, &user_a, "t/b", "t/other"), 0);
    EQUAL(look(place, "t/other").st_uid, USER_B);
}

static void rename_over_other(struct place *place)
{
    make_sticky(place, 0);
    HOLDS(refused(try_rename(place, &user_a, "t/a", "t/b")));
    HOLDS(exists(place, "t/a"));
    EQUAL(look(place, "t/b").st_uid, USER_B);
}

static void rename_over_own(struct place *place)
{
    make_sticky(place, 0);
    make_file_of(place, "t/second", 0600, USER_A, GROUP_A);
    EQUAL(try_rename(place, &user_a, "t/second", "t/a"), 0);
}

static void rename_over_directory_of_other(struct place *place)
{
    make_sticky(place, 0);
    HOLDS(refused(try_rename(place, &user_a, "t/da", "t/db")));
    EQUAL(look(place, "t/da").st_uid, USER_A);
}

static void out_of_it(struct place *place)
{
    make_sticky(place, 0);
    make_dir(place, "open", 0777);
    EQUAL(try_rename(place, &user_a, "t/a", "open/a"), 0);
    HOLDS(refused(try_rename(place, &user_a, "t/b", "open/b")));
}

static void into_it_over_other(struct place *place)
{
    make_sticky(place, 0);
    make_file_of(place, "own", 0600, USER_A, GROUP_A);
    EQUAL(try_rename(place, &user_a, "own", "t/new"), 0);
    EQUAL(try_rename(place, &user_a, "t/new", "own"), 0);
    HOLDS(refused(try_rename(place, &user_a, "own", "t/b")));
}

static void exchange_with_other(struct place *place)
{
    make_sticky(place, 0);
    EQUAL(try_exchange(place, &user_a, "t/a", "t/da"), 0);
    HOLDS(refused(try_exchange(place, &user_a, "t/a", "t/b")));
}

static void without_bit(struct place *place)
{
    make_sticky(place, 0);
    MUST(fchmodat(place->fd, "t", 0777, 0));
    EQUAL(try_unlink(place, &user_a, "t/b"), 0);
    EQUAL(try_rmdir(place, &user_a, "t/db"), 0);
    EQUAL(try_rename(place, &user_b, "t/a", "t/stolen"), 0);
}

static void without_write(struct place *place)
{
    make_sticky(place, 0);
    MUST(fchmodat(place->fd, "t", 01755, 0));
    EQUAL(try_unlink(place, &user_a, "t/a"), EACCES);
    EQUAL(try_rename(place, &user_a, "t/a", "t/x"), EACCES);
}

static void contents_are_free(struct place *place)
{
    make_sticky(place, 0);
    EQUAL(try_append(place, &user_a, "t/b"), 0);
    EQUAL(try_open(place, &user_a, "t/b", O_RDWR), 0);
}

static void below_it(struct place *place)
{
    make_sticky(place, 0);
    make_file_of(place, "t/db/b", 0600, USER_B, GROUP_B);
    EQUAL(try_unlink(place, &user_a, "t/db/b"), 0);
}

static void bit_of_the_file(struct place *place)
{
    make_file_of(place, "b", 01666, USER_B, GROUP_B);
    EQUAL(try_unlink(place, &user_a, "b"), 0);
}

static const struct rule rules[] = {
    {"own-file", "who owns a file removes it", "POSIX unlink; 4.3 Directory Protection", own_file},
    {"file-of-other", "and nobody else", "POSIX unlink, EPERM or EACCES", file_of_other},
    {"owner-of-directory", "but who owns the directory removes all",
     "POSIX 4.3 Directory Protection", owner_of_directory},
    {"neither-owner", "a user's sticky directory is sticky for the others",
     "POSIX 4.3 Directory Protection", neither_owner},
    {"root-removes", "root removes all", "capabilities(7) CAP_FOWNER", root_removes},
    {"group-is-not-enough", "members of the directory's group are others here",
     "POSIX 4.3 Directory Protection", group_is_not_enough},
    {"own-directory", "who owns a subdirectory removes it", "POSIX rmdir", own_directory},
    {"directory-of-other", "and nobody else, though it is open to all",
     "POSIX rmdir, EPERM or EACCES", directory_of_other},
    {"own-symlink-and-fifo", "links and FIFOs are protected as files are",
     "POSIX 4.3 Directory Protection", own_symlink_and_fifo},
    {"rename-own", "who owns it renames it", "POSIX rename", rename_own},
    {"rename-of-other", "and nobody else", "POSIX rename, EPERM or EACCES", rename_of_other},
    {"rename-by-directory-owner", "but the directory's owner", "POSIX rename",
     rename_by_directory_owner},
    {"rename-over-other", "nobody replaces another's file, both stay",
     "POSIX rename, EPERM or EACCES", rename_over_other},
    {"rename-over-own", "one's own may be replaced", "POSIX rename", rename_over_own},
    {"rename-over-directory-of-other", "nor another's empty directory",
     "POSIX rename, EPERM or EACCES", rename_over_directory_of_other},
    {"out-of-it", "one's own may leave, another's may not be taken", "POSIX rename", out_of_it},
    {"into-it-over-other", "nor replaced from outside", "POSIX rename, EPERM or EACCES",
     into_it_over_other},
    {"exchange-with-other", "an exchange needs both", "renameat2(2) RENAME_EXCHANGE",
     exchange_with_other},
    {"without-bit", "without the bit whoever may write may remove", "POSIX unlink, rename",
     without_bit},
    {"without-write", "the bit gives no right that write does not", "POSIX unlink, EACCES",
     without_write},
    {"contents-are-free", "contents are a matter of the file's mode", "POSIX open",
     contents_are_free},
    {"below-it", "the bit is for this directory alone", "POSIX 4.3 Directory Protection", below_it},
    {"bit-of-the-file", "a file's own bit protects nothing", "POSIX unlink", bit_of_the_file},
};

const struct subject subject_sticky = {"sticky", rules, sizeof rules / sizeof rules[0]};
