/*
 * Rules of access control lists: setting and reading them, what they make of the mode and the
 * mode of them, and which are none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "conformance/posix/acl_value.h"
#include "conformance/posix/attempt.h"

static const char usual[] = "u::rw-,u:A:rwx,g::r--,g:C:r-x,m::rwx,o::---";

static void make_listed(struct place *place, const char *text)
{
    make_file(place, "file", 0600, "content");
    MUST(acl_set(place, "file", acl_access, text));
}

static int try_set(struct place *place, const struct who *who, const char *name, const char *text)
{
    uint8_t value[ACL_VALUE_MAX];
    size_t size = acl_encode(text, value);
    return try_setxattr(place, who, name, acl_access, value, size);
}

/* ---- there and back -------------------------------------------------------------------------- */

static void set_and_get(struct place *place)
{
    make_listed(place, usual);
    acl_check(place, "file", acl_access, usual);
}

static void by_descriptor(struct place *place)
{
    uint8_t value[ACL_VALUE_MAX];
    uint8_t now[ACL_VALUE_MAX];
    size_t size = acl_encode(usual, value);
    make_file(place, "file", 0600, NULL);
    int fd = open_at(place, "file", O_RDONLY);
    MUST(fsetxattr(fd, acl_access, value, size, 0));
    EQUAL(fgetxattr(fd, acl_access, now, sizeof now), size);
    EQUAL(memcmp(now, value, size), 0);
}

static void length_only(struct place *place)
{
    make_listed(place, usual);
    EQUAL(getxattr(path_of(place, "file"), acl_access, NULL, 0), 4 + 6 * 8);
}

static void small_buffer(struct place *place)
{
    uint8_t value[20];
    make_listed(place, usual);
    FAILS(getxattr(path_of(place, "file"), acl_access, value, sizeof value), ERANGE);
}

static void listed_as_attribute(struct place *place)
{
    char list[1024];
    make_listed(place, usual);
    ssize_t size = listxattr(path_of(place, "file"), list, sizeof list);
    MUST(size);
    HOLDS(memmem(list, (size_t)size, acl_access, strlen(acl_access) + 1));
}

static void none_at_first(struct place *place)
{
    make_file(place, "file", 0640, NULL);
    make_dir(place, "dir", 0750);
    acl_check_none(place, "file", acl_access);
    acl_check_none(place, "dir", acl_default);
}

static void replaced(struct place *place)
{
    make_listed(place, usual);
    MUST(acl_set(place, "file", acl_access, "u::rwx,u:B:r--,g::---,m::r--,o::r--"));
    acl_check(place, "file", acl_access, "u::rwx,u:B:r--,g::---,m::r--,o::r--");
}

static void several_named(struct place *place)
{
    static const char text[] =
        "u::rwx,u:B:r--,u:A:-w-,g::r-x,g:C:--x,g:B:rw-,g:A:rwx,m::rwx,o::--x";
    make_listed(place, "u::rwx,u:B:r--,u:A:-w-,g::r-x,g:C:--x,g:B:rw-,g:A:rwx,m::rwx,o::--x");
    acl_check(place, "file", acl_access, text);
}

static void after_rename_and_reopen(struct place *place)
{
    make_listed(place, usual);
    MUST(renameat(place->fd, "file", place->fd, "other"));
    MUST(close(open_at(place, "other", O_RDWR)));
    acl_check(place, "other", acl_access, usual);
}

static void by_all_names(struct place *place)
{
    make_listed(place, usual);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    acl_check(place, "same", acl_access, usual);
}

static void copied(struct place *place)
{
    uint8_t value[ACL_VALUE_MAX];
    make_listed(place, usual);
    make_file(place, "copy", 0600, NULL);
    ssize_t size = getxattr(path_of(place, "file"), acl_access, value, sizeof value);
    MUST(size);
    MUST(setxattr(path_of(place, "copy"), acl_access, value, (size_t)size, 0));
    acl_check(place, "copy", acl_access, usual);
    EQUAL(mode_of(place, "copy"), mode_of(place, "file"));
}

static void kept_by_write(struct place *place)
{
    make_listed(place, usual);
    int fd = open_at(place, "file", O_WRONLY | O_TRUNC);
    write_pattern(fd, 0, 100);
    acl_check(place, "file", acl_access, usual);
}

/* ---- list and mode --------------------------------------------------------------------------- */

static void mode_from_list(struct place *place)
{
    make_listed(place, "u::rwx,u:A:rw-,g::r--,m::rw-,o::--x");
    EQUAL(mode_of(place, "file"), 0761);
}

static void minimal_is_the_mode(struct place *place)
{
    make_listed(place, "u::rwx,g::r-x,o::--x");
    EQUAL(mode_of(place, "file"), 0751);
    acl_check_none(place, "file", acl_access);
}

static void minimal_ends_extended(struct place *place)
{
    make_listed(place, usual);
    MUST(acl_set(place, "file", acl_access, "u::rw-,g::r--,o::---"));
    EQUAL(mode_of(place, "file"), 0640);
    acl_check_none(place, "file", acl_access);
}

static void mask_without_names(struct place *place)
{
    make_listed(place, "u::rw-,g::rw-,m::r--,o::---");
    EQUAL(mode_of(place, "file"), 0640);
    acl_check(place, "file", acl_access, "u::rw-,g::rw-,m::r--,o::---");
}

static void chmod_changes_mask(struct place *place)
{
    make_listed(place, usual);
    MUST(fchmodat(place->fd, "file", 0714, 0));
    acl_check(place, "file", acl_access, "u::rwx,u:A:rwx,g::r--,g:C:r-x,m::--x,o::r--");
    EQUAL(mode_of(place, "file"), 0714);
}

static void chmod_and_back(struct place *place)
{
    make_listed(place, usual);
    MUST(fchmodat(place->fd, "file", 0, 0));
    MUST(fchmodat(place->fd, "file", 0670, 0));
    acl_check(place, "file", acl_access, usual);
}

static void fchmod_changes_mask(struct place *place)
{
    make_listed(place, usual);
    MUST(fchmod(open_at(place, "file", O_RDONLY), 0640));
    acl_check(place, "file", acl_access, "u::rw-,u:A:rwx,g::r--,g:C:r-x,m::r--,o::---");
}

static void high_bits_are_left(struct place *place)
{
    make_file(place, "file", 06755, NULL);
    MUST(acl_set(place, "file", acl_access, usual));
    EQUAL(mode_of(place, "file"), 06670);
}

static void setgid_by_stranger(struct place *place)
{
    make_file_of(place, "file", 02755, USER_A, GROUP_C);
    EQUAL(try_set(place, &user_a, "file", usual), 0);
    EQUAL(mode_of(place, "file"), 0670);
}

static void setgid_by_member(struct place *place)
{
    make_file_of(place, "file", 02755, USER_A, GROUP_C);
    EQUAL(try_set(place, &member_a, "file", usual), 0);
    EQUAL(mode_of(place, "file"), 02670);
}

static void removal_leaves_mode(struct place *place)
{
    make_listed(place, usual);
    MUST(acl_remove(place, "file", acl_access));
    acl_check_none(place, "file", acl_access);
    EQUAL(mode_of(place, "file") & 0707, 0600);
}

static void chown_keeps_list(struct place *place)
{
    make_listed(place, usual);
    MUST(fchownat(place->fd, "file", USER_B, GROUP_B, 0));
    acl_check(place, "file", acl_access, usual);
}

static void marks_ctime(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    struct stat before = look(place, "file");
    pass_time(place);
    MUST(acl_set(place, "file", acl_access, usual));
    struct stat after = look(place, "file");
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
    EQUAL(compare_times(after.st_mtim, before.st_mtim), 0);
}

/* ---- who may --------------------------------------------------------------------------------- */

static void owner_sets(struct place *place)
{
    make_file_of(place, "file", 0, USER_A, GROUP_A);
    EQUAL(try_set(place, &user_a, "file", usual), 0);
    acl_check(place, "file", acl_access, usual);
}

static void others_do_not(struct place *place)
{
    make_file(place, "file", 0666, NULL);
    EQUAL(try_set(place, &user_a, "file", usual), EPERM);
    acl_check_none(place, "file", acl_access);
    EQUAL(mode_of(place, "file"), 0666);
}

static void named_user_does_not(struct place *place)
{
    make_listed(place, "u::rw-,u:A:rwx,g::---,m::rwx,o::---");
    EQUAL(try_set(place, &user_a, "file", usual), EPERM);
    EQUAL(try_chmod(place, &user_a, "file", 0777), EPERM);
}

static void others_do_not_remove(struct place *place)
{
    make_listed(place, "u::rw-,u:A:rwx,g::rwx,m::rwx,o::rwx");
    EQUAL(try_removexattr(place, &user_a, "file", acl_access), EPERM);
    acl_check(place, "file", acl_access, "u::rw-,u:A:rwx,g::rwx,m::rwx,o::rwx");
}

static void anybody_reads(struct place *place)
{
    make_listed(place, "u::rw-,u:B:rw-,g::---,m::rw-,o::---");
    EQUAL(try_getxattr(place, &user_a, "file", acl_access), 0);
}

/* ---- what is no list ------------------------------------------------------------------------- */

static void check_invalid(struct place *place, const char *text)
{
    make_file(place, "file", 0640, NULL);
    FAILS(acl_set(place, "file", acl_access, text), EINVAL);
    acl_check_none(place, "file", acl_access);
    EQUAL(mode_of(place, "file"), 0640);
}

static void without_mask(struct place *place)
{
    check_invalid(place, "u::rw-,u:A:rw-,g::r--,o::---");
}

static void without_owner(struct place *place)
{
    check_invalid(place, "g::r--,o::---");
}

static void without_other(struct place *place)
{
    check_invalid(place, "u::rw-,g::r--");
}

static void two_owners(struct place *place)
{
    check_invalid(place, "u::rw-,u::r--,g::r--,o::---");
}

static void wrong_order(struct place *place)
{
    check_invalid(place, "u::rw-,g::r--,u:A:rw-,m::rw-,o::---");
}

static void wrong_version(struct place *place)
{
    uint8_t value[ACL_VALUE_MAX];
    make_listed(place, usual);
    size_t size = acl_encode(usual, value);
    value[0] = 3;
    FAILS_EITHER(setxattr(path_of(place, "file"), acl_access, value, size, 0), EOPNOTSUPP, EINVAL);
    acl_check(place, "file", acl_access, usual);
}

static void wrong_size(struct place *place)
{
    uint8_t value[ACL_VALUE_MAX];
    make_listed(place, usual);
    size_t size = acl_encode(usual, value);
    FAILS(setxattr(path_of(place, "file"), acl_access, value, size - 1, 0), EINVAL);
    FAILS(setxattr(path_of(place, "file"), acl_access, value, 3, 0), EINVAL);
    acl_check(place, "file", acl_access, usual);
}

static void wrong_bits(struct place *place)
{
    uint8_t value[ACL_VALUE_MAX];
    make_listed(place, usual);
    size_t size = acl_encode("u::rw-,g::r--,o::---", value);
    value[4 + 2] = 8;
    FAILS(setxattr(path_of(place, "file"), acl_access, value, size, 0), EINVAL);
}

static void wrong_tag(struct place *place)
{
    uint8_t value[ACL_VALUE_MAX];
    make_listed(place, usual);
    size_t size = acl_encode("u::rw-,g::r--,o::---", value);
    value[4 + 8] = 0x40;
    FAILS(setxattr(path_of(place, "file"), acl_access, value, size, 0), EINVAL);
}

static void default_of_file(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS(acl_set(place, "file", acl_default, usual), EACCES);
}

static void of_symlink(struct place *place)
{
    uint8_t value[ACL_VALUE_MAX];
    size_t size = acl_encode(usual, value);
    make_file(place, "file", 0600, NULL);
    MUST(acl_set(place, "file", acl_access, usual));
    make_symlink(place, "nowhere", "link");
    FAILS(lsetxattr(path_of(place, "link"), acl_access, value, size, 0), EOPNOTSUPP);
}

static const struct rule rules[] = {
    {"set-and-get", "a list comes back, entry by entry", "acl(5)", set_and_get},
    {"by-descriptor", "also by descriptor", "acl(5), fsetxattr(2)", by_descriptor},
    {"length-only", "a size of 0 asks for the length: 4 bytes and 8 for each entry",
     "getxattr(2), linux/posix_acl_xattr.h", length_only},
    {"small-buffer", "a list does not fit a smaller buffer", "getxattr(2), ERANGE", small_buffer},
    {"listed-as-attribute", "a list is among the file's attributes", "listxattr(2)",
     listed_as_attribute},
    {"none-at-first", "a new file's mode is all it has", "acl(5), ENODATA", none_at_first},
    {"replaced", "a new list replaces the whole", "acl(5)", replaced},
    {"several-named", "several users and groups, in any order among themselves", "acl(5)",
     several_named},
    {"after-rename-and-reopen", "rename and open keep it", "acl(5)", after_rename_and_reopen},
    {"by-all-names", "it is the file's, not the name's", "acl(5)", by_all_names},
    {"copied", "what was read can be set on another file", "acl(5), cp -p", copied},
    {"kept-by-write", "write and truncate keep it", "acl(5)", kept_by_write},
    {"mode-from-list", "owner, mask and other become the mode", "acl(5) CORRESPONDENCE",
     mode_from_list},
    {"minimal-is-the-mode", "a list of three entries is the mode, and not kept", "acl(5)",
     minimal_is_the_mode},
    {"minimal-ends-extended", "and ends a longer one", "acl(5)", minimal_ends_extended},
    {"mask-without-names", "a mask may be there without named entries", "acl(5)",
     mask_without_names},
    {"chmod-changes-mask", "chmod changes owner, mask and other", "acl(5) CORRESPONDENCE",
     chmod_changes_mask},
    {"chmod-and-back", "and no named entry", "acl(5) CORRESPONDENCE", chmod_and_back},
    {"fchmod-changes-mask", "so does fchmod", "acl(5) CORRESPONDENCE", fchmod_changes_mask},
    {"high-bits-are-left", "a list leaves root's set-user-ID and set-group-ID bits", "acl(5)",
     high_bits_are_left},
    {"setgid-by-stranger", "but an owner outside the group loses the latter", "chmod(2)",
     setgid_by_stranger},
    {"setgid-by-member", "and a member keeps it", "chmod(2)", setgid_by_member},
    {"removal-leaves-mode", "without its list a file has its mode", "acl(5)", removal_leaves_mode},
    {"chown-keeps-list", "chown keeps it", "acl(5)", chown_keeps_list},
    {"marks-ctime", "setting marks ctime, not mtime", "inode(7)", marks_ctime},
    {"owner-sets", "an owner sets it, also without any bit", "acl(5)", owner_sets},
    {"others-do-not", "nobody else does", "acl(5), EPERM", others_do_not},
    {"named-user-does-not", "also not who has all bits by it", "acl(5), EPERM",
     named_user_does_not},
    {"others-do-not-remove", "nor removes it", "acl(5), EPERM", others_do_not_remove},
    {"anybody-reads", "but anybody reads it", "acl(5)", anybody_reads},
    {"without-mask", "named entries need a mask", "acl(5) VALID ACLs, EINVAL", without_mask},
    {"without-owner", "an owner's entry must be there", "acl(5) VALID ACLs, EINVAL", without_owner},
    {"without-other", "and one for others", "acl(5) VALID ACLs, EINVAL", without_other},
    {"two-owners", "but not two", "acl(5) VALID ACLs, EINVAL", two_owners},
    {"wrong-order", "entries are sorted by kind", "acl_check(3), EINVAL", wrong_order},
    {"wrong-version", "an unknown version is refused, and nothing changed",
     "linux/posix_acl_xattr.h", wrong_version},
    {"wrong-size", "so is a part of an entry", "linux/posix_acl_xattr.h, EINVAL", wrong_size},
    {"wrong-bits", "there are three permissions", "linux/posix_acl.h, EINVAL", wrong_bits},
    {"wrong-tag", "and six kinds of entries", "linux/posix_acl.h, EINVAL", wrong_tag},
    {"default-of-file", "a file has no default list", "acl(5), EACCES", default_of_file},
    {"of-symlink", "a link has no list", "acl(5), EOPNOTSUPP", of_symlink},
};

const struct subject subject_acl = {"acl", rules, sizeof rules / sizeof rules[0]};
