/*
 * Rules of default access control lists: what new files and directories get from them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "conformance/posix/acl_value.h"
#include "conformance/posix/attempt.h"

static const char full[] = "u::rwx,u:A:rwx,g::r-x,g:C:rwx,m::rwx,o::---";

/* "dir", open to all, with a default list. */
static void make_parent(struct place *place, const char *text)
{
    make_dir(place, "dir", 0777);
    MUST(acl_set(place, "dir", acl_default, text));
}

static void set_and_get(struct place *place)
{
    make_parent(place, full);
    acl_check(place, "dir", acl_default, full);
}

static void mode_is_left(struct place *place)
{
    make_parent(place, full);
    EQUAL(mode_of(place, "dir"), 0777);
    acl_check_none(place, "dir", acl_access);
}

static void beside_access_list(struct place *place)
{
    make_parent(place, full);
    MUST(acl_set(place, "dir", acl_access, "u::rwx,u:B:r-x,g::r-x,m::r-x,o::---"));
    acl_check(place, "dir", acl_default, full);
    MUST(acl_remove(place, "dir", acl_default));
    acl_check(place, "dir", acl_access, "u::rwx,u:B:r-x,g::r-x,m::r-x,o::---");
}

static void minimal_is_kept(struct place *place)
{
    make_parent(place, "u::rwx,g::r-x,o::---");
    acl_check(place, "dir", acl_default, "u::rwx,g::r-x,o::---");
}

static void empty_removes(struct place *place)
{
    make_parent(place, full);
    MUST(acl_set(place, "dir", acl_default, ""));
    acl_check_none(place, "dir", acl_default);
}

static void removal(struct place *place)
{
    make_parent(place, full);
    MUST(acl_remove(place, "dir", acl_default));
    acl_check_none(place, "dir", acl_default);
    (void)umask(022);
    make_file(place, "dir/file", 0666, NULL);
    EQUAL(mode_of(place, "dir/file"), 0644);
}

static void invalid(struct place *place)
{
    make_dir(place, "dir", 0755);
    FAILS(acl_set(place, "dir", acl_default, "u::rwx,u:A:rwx,g::r-x,o::---"), EINVAL);
    acl_check_none(place, "dir", acl_default);
}

static void others_do_not_set(struct place *place)
{
    uint8_t value[ACL_VALUE_MAX];
    size_t size = acl_encode(full, value);
    make_dir(place, "dir", 0777);
    EQUAL(try_setxattr(place, &user_a, "dir", acl_default, value, size), EPERM);
}

static void gives_no_right(struct place *place)
{
    make_parent(place, "u::rwx,u:A:rwx,g::rwx,m::rwx,o::rwx");
    MUST(fchmodat(place->fd, "dir", 0700, 0));
    EQUAL(try_list(place, &user_a, "dir"), EACCES);
}

static void setgid_by_stranger(struct place *place)
{
    uint8_t value[ACL_VALUE_MAX];
    size_t size = acl_encode(full, value);
    make_dir_of(place, "dir", 02777, USER_A, GROUP_C);
    EQUAL(try_setxattr(place, &user_a, "dir", acl_default, value, size), 0);
    EQUAL(mode_of(place, "dir"), 02777);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void file_gets_list(struct place *place)
{
    make_parent(place, full);
    make_file(place, "dir/file", 0666, NULL);
    acl_check(place, "dir/file", acl_access, "u::rw-,u:A:rwx,g::r-x,g:C:rwx,m::rw-,o::---");
    EQUAL(mode_of(place, "dir/file"), 0660);
}

static void file_gets_no_default(struct place *place)
{
    make_parent(place, full);
    make_file(place, "dir/file", 0666, NULL);
    acl_check_none(place, "dir/file", acl_default);
}

static void open_mode_limits(struct place *place)
{
    make_parent(place, full);
    make_file(place, "dir/file", 0640, NULL);
    acl_check(place, "dir/file", acl_access, "u::rw-,u:A:rwx,g::r-x,g:C:rwx,m::r--,o::---");
    EQUAL(mode_of(place, "dir/file"), 0640);
}

static void open_mode_zero(struct place *place)
{
    make_parent(place, full);
    make_file(place, "dir/file", 0, NULL);
    acl_check(place, "dir/file", acl_access, "u::---,u:A:rwx,g::r-x,g:C:rwx,m::---,o::---");
    EQUAL(mode_of(place, "dir/file"), 0);
}

static void umask_is_ignored(struct place *place)
{
    make_parent(place, "u::rwx,u:A:rwx,g::rwx,m::rwx,o::rwx");
    (void)umask(077);
    make_file(place, "dir/file", 0666, NULL);
    EQUAL(mode_of(place, "dir/file"), 0666);
    make_dir(place, "dir/sub", 0777);
    EQUAL(mode_of(place, "dir/sub"), 0777);
}

static void umask_elsewhere(struct place *place)
{
    make_dir(place, "dir", 0777);
    MUST(acl_set(place, "dir", acl_access, full));
    (void)umask(027);
    make_file(place, "dir/file", 0666, NULL);
    EQUAL(mode_of(place, "dir/file"), 0640);
    acl_check_none(place, "dir/file", acl_access);
}

static void minimal_limits_mode(struct place *place)
{
    make_parent(place, "u::rwx,g::r-x,o::---");
    make_file(place, "dir/file", 0666, NULL);
    EQUAL(mode_of(place, "dir/file"), 0640);
    acl_check_none(place, "dir/file", acl_access);
}

static void fifo_gets_list(struct place *place)
{
    make_parent(place, full);
    make_fifo(place, "dir/fifo", 0644);
    acl_check(place, "dir/fifo", acl_access, "u::rw-,u:A:rwx,g::r-x,g:C:rwx,m::r--,o::---");
}

static void symlink_gets_none(struct place *place)
{
    make_parent(place, full);
    make_symlink(place, "file", "dir/link");
    EQUAL(mode_of(place, "dir/link"), 0777);
}

static void nameless_gets_list(struct place *place)
{
    make_parent(place, full);
    int fd = openat(place->fd, "dir", O_TMPFILE | O_RDWR | O_CLOEXEC, 0660);
    MUST(fd);
    MUST(linkat(fd, "", place->fd, "dir/file", AT_EMPTY_PATH));
    acl_check(place, "dir/file", acl_access, "u::rw-,u:A:rwx,g::r-x,g:C:rwx,m::rw-,o::---");
}

static void moved_in_keeps_own(struct place *place)
{
    make_parent(place, full);
    make_file(place, "file", 0644, NULL);
    MUST(renameat(place->fd, "file", place->fd, "dir/file"));
    acl_check_none(place, "dir/file", acl_access);
    EQUAL(mode_of(place, "dir/file"), 0644);
}

static void linked_in_keeps_own(struct place *place)
{
    make_parent(place, full);
    make_file(place, "file", 0644, NULL);
    MUST(linkat(place->fd, "file", place->fd, "dir/file", 0));
    acl_check_none(place, "dir/file", acl_access);
}

static void existing_is_left(struct place *place)
{
    make_dir(place, "dir", 0777);
    make_file(place, "dir/file", 0644, NULL);
    MUST(acl_set(place, "dir", acl_default, full));
    acl_check_none(place, "dir/file", acl_access);
    MUST(close(open_at(place, "dir/file", O_RDWR | O_CREAT | O_TRUNC)));
    acl_check_none(place, "dir/file", acl_access);
}

static void named_user_of_new_file(struct place *place)
{
    make_parent(place, full);
    EQUAL(try_create(place, &user_b, "dir/file", 0660), 0);
    EQUAL(try_open(place, &user_a, "dir/file", O_RDWR), 0);
    EQUAL(try_open(place, &member_b, "dir/file", O_RDWR), 0);
    MUST(fchownat(place->fd, "dir/file", 0, 0, 0));
    EQUAL(try_open(place, &user_b, "dir/file", O_RDONLY), EACCES);
}

/* ---- directories ----------------------------------------------------------------------------- */

static void subdirectory_gets_both(struct place *place)
{
    make_parent(place, full);
    make_dir(place, "dir/sub", 0777);
    acl_check(place, "dir/sub", acl_default, full);
    acl_check(place, "dir/sub", acl_access, full);
    EQUAL(mode_of(place, "dir/sub"), 0770);
}

static void mkdir_mode_limits_access_only(struct place *place)
{
    make_parent(place, full);
    make_dir(place, "dir/sub", 0750);
    acl_check(place, "dir/sub", acl_default, full);
    acl_check(place, "dir/sub", acl_access, "u::rwx,u:A:rwx,g::r-x,g:C:rwx,m::r-x,o::---");
}

static void deeper_gets_both(struct place *place)
{
    make_parent(place, full);
    make_dir(place, "dir/sub", 0777);
    make_dir(place, "dir/sub/sub", 0777);
    make_file(place, "dir/sub/sub/file", 0666, NULL);
    acl_check(place, "dir/sub/sub", acl_default, full);
    acl_check(place, "dir/sub/sub/file", acl_access, "u::rw-,u:A:rwx,g::r-x,g:C:rwx,m::rw-,o::---");
}

static void with_setgid(struct place *place)
{
    make_parent(place, full);
    MUST(fchownat(place->fd, "dir", 0, GROUP_C, 0));
    MUST(fchmodat(place->fd, "dir", 02777, 0));
    make_dir(place, "dir/sub", 0777);
    EQUAL(look(place, "dir/sub").st_gid, GROUP_C);
    EQUAL(mode_of(place, "dir/sub"), 02770);
    acl_check(place, "dir/sub", acl_access, full);
}

static const struct rule rules[] = {
    {"set-and-get", "a directory's default list comes back", "acl(5)", set_and_get},
    {"mode-is-left", "it changes neither mode nor access list", "acl(5)", mode_is_left},
    {"beside-access-list", "a directory has both, apart from each other", "acl(5)",
     beside_access_list},
    {"minimal-is-kept", "three entries are a default list too", "acl(5)", minimal_is_kept},
    {"empty-removes", "a list without entries ends it", "acl(5), setfacl -k", empty_removes},
    {"removal", "removed, the umask is back", "acl(5)", removal},
    {"invalid", "a default list must be valid", "acl(5) VALID ACLs, EINVAL", invalid},
    {"others-do-not-set", "only the owner sets it", "acl(5), EPERM", others_do_not_set},
    {"gives-no-right", "it gives no right to the directory itself", "acl(5)", gives_no_right},
    {"setgid-by-stranger", "it leaves the set-group-ID bit, since the mode is left", "acl(5)",
     setgid_by_stranger},
    {"file-gets-list", "a new file gets it as access list", "acl(5) OBJECT CREATION",
     file_gets_list},
    {"file-gets-no-default", "and no default list", "acl(5) OBJECT CREATION", file_gets_no_default},
    {"open-mode-limits", "open's mode limits owner, mask and other", "acl(5) OBJECT CREATION",
     open_mode_limits},
    {"open-mode-zero", "to nothing, if it is 0", "acl(5) OBJECT CREATION", open_mode_zero},
    {"umask-is-ignored", "the umask counts for nothing there", "acl(5), umask(2)",
     umask_is_ignored},
    {"umask-elsewhere", "a directory's access list does not change that it counts",
     "acl(5), umask(2)", umask_elsewhere},
    {"minimal-limits-mode", "a default list of three entries becomes a mode", "acl(5)",
     minimal_limits_mode},
    {"fifo-gets-list", "a FIFO gets it as a file does", "acl(5) OBJECT CREATION", fifo_gets_list},
    {"symlink-gets-none", "a link does not", "acl(5), symlink(7)", symlink_gets_none},
    {"nameless-gets-list", "O_TMPFILE gets it", "acl(5), open(2) O_TMPFILE", nameless_gets_list},
    {"moved-in-keeps-own", "what is moved in does not", "acl(5), rename(2)", moved_in_keeps_own},
    {"linked-in-keeps-own", "nor what is linked in", "acl(5), link(2)", linked_in_keeps_own},
    {"existing-is-left", "nor what is there, also when it is opened anew", "acl(5), open(2)",
     existing_is_left},
    {"named-user-of-new-file", "who is named may use the new file", "acl(5)",
     named_user_of_new_file},
    {"subdirectory-gets-both", "a new directory gets it as both lists", "acl(5) OBJECT CREATION",
     subdirectory_gets_both},
    {"mkdir-mode-limits-access-only", "mkdir's mode limits the access list alone",
     "acl(5) OBJECT CREATION", mkdir_mode_limits_access_only},
    {"deeper-gets-both", "and so the whole tree has it", "acl(5) OBJECT CREATION",
     deeper_gets_both},
    {"with-setgid", "group and set-group-ID bit are handed down beside it", "acl(5), inode(7)",
     with_setgid},
};

const struct subject subject_aclinherit = {"aclinherit", rules, sizeof rules / sizeof rules[0]};
