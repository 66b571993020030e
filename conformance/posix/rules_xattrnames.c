/*
 * Rules of extended attributes' names: listing them, their length, and their name spaces, with
 * who may use which.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

static int set(struct place *place, const char *name, const char *attribute)
{
    return lsetxattr(path_of(place, name), attribute, "value", 5, 0);
}

/* How often the list of a file names an attribute. */
static int listed(struct place *place, const char *name, const char *attribute)
{
    char list[8192];
    int count = 0;
    ssize_t size = llistxattr(path_of(place, name), list, sizeof list);
    MUST(size);
    for (const char *at = list; at < list + size; at += strlen(at) + 1) {
        count += strcmp(at, attribute) == 0;
    }
    return count;
}

static void check_kept(struct place *place, const char *name, const char *attribute)
{
    char value[16];
    EQUAL(lgetxattr(path_of(place, name), attribute, value, sizeof value), 5);
    EQUAL(memcmp(value, "value", 5), 0);
}

/* "user." and letters, size bytes in all. */
static const char *user_name(size_t size)
{
    static char name[512];
    (void)snprintf(name, sizeof name, "user.%s", long_name(size - strlen("user.")));
    return name;
}

/* ---- listing --------------------------------------------------------------------------------- */

static void list_of_several(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", "user.one"));
    MUST(set(place, "file", "user.two"));
    MUST(set(place, "file", "user.three"));
    EQUAL(listed(place, "file", "user.one"), 1);
    EQUAL(listed(place, "file", "user.two"), 1);
    EQUAL(listed(place, "file", "user.three"), 1);
}

static void list_of_none(struct place *place)
{
    char list[16];
    make_file(place, "file", 0600, NULL);
    EQUAL(listed(place, "file", "user.one"), 0);
    MUST(listxattr(path_of(place, "file"), list, 0));
}

static void list_after_removal(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", "user.one"));
    MUST(set(place, "file", "user.two"));
    MUST(removexattr(path_of(place, "file"), "user.one"));
    EQUAL(listed(place, "file", "user.one"), 0);
    EQUAL(listed(place, "file", "user.two"), 1);
}

static void list_length(struct place *place)
{
    char list[4096];
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", "user.one"));
    ssize_t size = listxattr(path_of(place, "file"), NULL, 0);
    HOLDS(size >= 9);
    EQUAL(listxattr(path_of(place, "file"), list, sizeof list), size);
    EQUAL(listxattr(path_of(place, "file"), list, (size_t)size), size);
}

static void list_small_buffer(struct place *place)
{
    char list[10];
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", "user.one"));
    MUST(set(place, "file", "user.two"));
    FAILS(listxattr(path_of(place, "file"), list, sizeof list), ERANGE);
}

static void list_by_descriptor(struct place *place)
{
    char one[4096];
    char two[4096];
    make_dir(place, "dir", 0700);
    MUST(set(place, "dir", "user.one"));
    ssize_t size = listxattr(path_of(place, "dir"), one, sizeof one);
    EQUAL(flistxattr(open_at(place, "dir", O_RDONLY), two, sizeof two), size);
    EQUAL(memcmp(one, two, (size_t)size), 0);
}

static void list_of_many(struct place *place)
{
    char name[32];
    make_file(place, "file", 0600, NULL);
    for (int i = 0; i < 60; i++) {
        (void)snprintf(name, sizeof name, "user.attribute-%d", i);
        MUST(set(place, "file", name));
    }
    for (int i = 0; i < 60; i++) {
        (void)snprintf(name, sizeof name, "user.attribute-%d", i);
        EQUAL(listed(place, "file", name), 1);
    }
}

static int work_list_one(struct place *place, void *argument)
{
    char list[4096];
    (void)argument;
    ssize_t size = fchdir(place->fd) < 0 ? -1 : listxattr("file", list, sizeof list);
    if (size < 0) {
        return errno;
    }
    return memmem(list, (size_t)size, "user.one", sizeof "user.one") ? 0 : ENODATA;
}

static void list_needs_no_read(struct place *place)
{
    make_file(place, "file", 0, NULL);
    MUST(set(place, "file", "user.one"));
    EQUAL(as_user_a(work_list_one, place, NULL), 0);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void longest_name(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", user_name(255)));
    check_kept(place, "file", user_name(255));
    EQUAL(listed(place, "file", user_name(255)), 1);
}

static void longer_name(struct place *place)
{
    char value[16];
    make_file(place, "file", 0600, NULL);
    FAILS_EITHER(set(place, "file", user_name(256)), ERANGE, ENAMETOOLONG);
    FAILS_EITHER(getxattr(path_of(place, "file"), user_name(256), value, sizeof value), ERANGE,
                 ENAMETOOLONG);
}

static void empty_name(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS_EITHER(set(place, "file", ""), ERANGE, EINVAL);
}

static void prefix_alone(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS_EITHER(set(place, "file", "user."), EINVAL, EOPNOTSUPP);
}

static void case_matters(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", "user.name"));
    MUST(setxattr(path_of(place, "file"), "user.NAME", "other", 5, XATTR_CREATE));
    check_kept(place, "file", "user.name");
}

static void any_bytes(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", "user.a b/c\n\xc3\xa9.\x01"));
    EQUAL(listed(place, "file", "user.a b/c\n\xc3\xa9.\x01"), 1);
}

static void dots_in_name(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", "user.org.example.checksum"));
    check_kept(place, "file", "user.org.example.checksum");
}

/* ---- name spaces ----------------------------------------------------------------------------- */

static void unknown_space(struct place *place)
{
    char value[16];
    make_file(place, "file", 0600, NULL);
    FAILS(set(place, "file", "nobody.knows"), EOPNOTSUPP);
    FAILS(set(place, "file", "plain"), EOPNOTSUPP);
    FAILS(getxattr(path_of(place, "file"), "nobody.knows", value, sizeof value), EOPNOTSUPP);
}

static void trusted_of_root(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", "trusted.test"));
    check_kept(place, "file", "trusted.test");
    EQUAL(listed(place, "file", "trusted.test"), 1);
    MUST(removexattr(path_of(place, "file"), "trusted.test"));
}

static void trusted_of_owner(struct place *place)
{
    make_file_of(place, "file", 0666, USER_A, GROUP_A);
    EQUAL(try_setxattr(place, &user_a, "file", "trusted.test", "x", 1), EPERM);
    MUST(set(place, "file", "trusted.test"));
    EQUAL(try_getxattr(place, &user_a, "file", "trusted.test"), ENODATA);
    EQUAL(try_removexattr(place, &user_a, "file", "trusted.test"), EPERM);
}

static int work_list_trusted(struct place *place, void *argument)
{
    char list[4096];
    (void)argument;
    ssize_t size = fchdir(place->fd) < 0 ? -1 : listxattr("file", list, sizeof list);
    if (size < 0) {
        return errno;
    }
    return memmem(list, (size_t)size, "trusted.", strlen("trusted.")) ? EEXIST : 0;
}

static void trusted_is_invisible(struct place *place)
{
    make_file_of(place, "file", 0666, USER_A, GROUP_A);
    MUST(set(place, "file", "user.one"));
    MUST(set(place, "file", "trusted.test"));
    EQUAL(as_user_a(work_list_trusted, place, NULL), 0);
}

static void trusted_on_symlink(struct place *place)
{
    make_symlink(place, "nowhere", "link");
    MUST(set(place, "link", "trusted.test"));
    check_kept(place, "link", "trusted.test");
}

static void security_of_root(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(set(place, "file", "security.test"));
    check_kept(place, "file", "security.test");
    MUST(renameat(place->fd, "file", place->fd, "other"));
    check_kept(place, "other", "security.test");
}

static void security_of_owner(struct place *place)
{
    make_file_of(place, "file", 0666, USER_A, GROUP_A);
    EQUAL(try_setxattr(place, &user_a, "file", "security.test", "x", 1), EPERM);
    MUST(set(place, "file", "security.test"));
    EQUAL(try_getxattr(place, &user_a, "file", "security.test"), 0);
}

static void user_on_symlink(struct place *place)
{
    make_symlink(place, "nowhere", "link");
    FAILS(set(place, "link", "user.test"), EPERM);
}

static void user_on_special(struct place *place)
{
    char value[16];
    make_fifo(place, "fifo", 0666);
    MUST(mknodat(place->fd, "device", S_IFCHR | 0666, makedev(1, 3)));
    FAILS(set(place, "fifo", "user.test"), EPERM);
    FAILS(set(place, "device", "user.test"), EPERM);
    FAILS(getxattr(path_of(place, "fifo"), "user.test", value, sizeof value), ENODATA);
}

/* ---- who may --------------------------------------------------------------------------------- */

static void writer_sets(struct place *place)
{
    make_file(place, "file", 0622, NULL);
    EQUAL(try_setxattr(place, &user_a, "file", "user.test", "value", 5), 0);
    check_kept(place, "file", "user.test");
    EQUAL(try_getxattr(place, &user_a, "file", "user.test"), EACCES);
    EQUAL(try_removexattr(place, &user_a, "file", "user.test"), 0);
}

static void reader_gets(struct place *place)
{
    make_file(place, "file", 0644, NULL);
    MUST(set(place, "file", "user.test"));
    EQUAL(try_getxattr(place, &user_a, "file", "user.test"), 0);
    EQUAL(try_setxattr(place, &user_a, "file", "user.test", "x", 1), EACCES);
    EQUAL(try_removexattr(place, &user_a, "file", "user.test"), EACCES);
    check_kept(place, "file", "user.test");
}

static void owner_needs_bits_too(struct place *place)
{
    make_file_of(place, "file", 0400, USER_A, GROUP_A);
    EQUAL(try_setxattr(place, &user_a, "file", "user.test", "x", 1), EACCES);
    MUST(fchmodat(place->fd, "file", 0600, 0));
    EQUAL(try_setxattr(place, &user_a, "file", "user.test", "x", 1), 0);
}

static void sticky_directory_of_other(struct place *place)
{
    make_dir(place, "dir", 01777);
    EQUAL(try_setxattr(place, &user_a, "dir", "user.test", "x", 1), EPERM);
    MUST(fchmodat(place->fd, "dir", 0777, 0));
    EQUAL(try_setxattr(place, &user_a, "dir", "user.test", "x", 1), 0);
}

static void own_sticky_directory(struct place *place)
{
    make_dir_of(place, "dir", 01777, USER_A, GROUP_A);
    EQUAL(try_setxattr(place, &user_a, "dir", "user.test", "x", 1), 0);
    EQUAL(try_getxattr(place, &user_b, "dir", "user.test"), 0);
}

static void through_closed_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_file(place, "dir/file", 0666, NULL);
    EQUAL(try_setxattr(place, &user_a, "dir/file", "user.test", "x", 1), EACCES);
    EQUAL(try_getxattr(place, &user_a, "dir/file", "user.test"), EACCES);
}

static const struct rule rules[] = {
    {"list-of-several", "each attribute is listed once", "listxattr(2)", list_of_several},
    {"list-of-none", "a file without attributes has a list all the same", "listxattr(2)",
     list_of_none},
    {"list-after-removal", "what was removed is not listed", "listxattr(2)", list_after_removal},
    {"list-length", "a size of 0 asks for the length, which is enough", "listxattr(2)",
     list_length},
    {"list-small-buffer", "a list does not fit a smaller buffer", "listxattr(2), ERANGE",
     list_small_buffer},
    {"list-by-descriptor", "by descriptor the list is the same", "flistxattr(2)",
     list_by_descriptor},
    {"list-of-many", "sixty attributes are all there", "listxattr(2)", list_of_many},
    {"list-needs-no-read", "names are no secret, for whoever finds the file", "listxattr(2)",
     list_needs_no_read},
    {"longest-name", "a name of 255 bytes, with its name space", "xattr(7)", longest_name},
    {"longer-name", "a byte more is refused", "setxattr(2), ERANGE", longer_name},
    {"empty-name", "so is none", "setxattr(2), ERANGE", empty_name},
    {"prefix-alone", "a name space alone is no name", "xattr(7)", prefix_alone},
    {"case-matters", "names differ by case", "xattr(7)", case_matters},
    {"any-bytes", "names have any bytes but zero", "xattr(7)", any_bytes},
    {"dots-in-name", "the first dot ends the name space, others are part of the name", "xattr(7)",
     dots_in_name},
    {"unknown-space", "other name spaces are refused", "xattr(7), EOPNOTSUPP", unknown_space},
    {"trusted-of-root", "root has trusted attributes", "xattr(7)", trusted_of_root},
    {"trusted-of-owner", "the owner alone neither sets nor sees them", "xattr(7)",
     trusted_of_owner},
    {"trusted-is-invisible", "nor has them in a list", "xattr(7)", trusted_is_invisible},
    {"trusted-on-symlink", "links have them", "xattr(7), lsetxattr(2)", trusted_on_symlink},
    {"security-of-root", "root's security attributes are kept", "xattr(7)", security_of_root},
    {"security-of-owner", "the owner reads them, and does not set them",
     "xattr(7), capabilities(7)", security_of_owner},
    {"user-on-symlink", "a link has no user attributes", "xattr(7), EPERM", user_on_symlink},
    {"user-on-special", "nor have FIFOs and devices", "xattr(7), EPERM", user_on_special},
    {"writer-sets", "who may write sets and removes, and need not read", "xattr(7)", writer_sets},
    {"reader-gets", "who may read reads only", "xattr(7)", reader_gets},
    {"owner-needs-bits-too", "an owner needs the same", "xattr(7)", owner_needs_bits_too},
    {"sticky-directory-of-other", "a sticky directory's are its owner's", "xattr(7), EPERM",
     sticky_directory_of_other},
    {"own-sticky-directory", "who sets them there", "xattr(7)", own_sticky_directory},
    {"through-closed-directory", "the way must be free", "xattr(7), EACCES",
     through_closed_directory},
};

const struct subject subject_xattrnames = {"xattrnames", rules, sizeof rules / sizeof rules[0]};
