/*
 * Rules of setting, reading and removing extended attributes: their values, and what keeps them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

static const char attribute[] = "user.test";

static int set(struct place *place, const char *name, const char *value)
{
    return lsetxattr(path_of(place, name), attribute, value, strlen(value), 0);
}

/* The attribute has this text as value. */
static void check_value(struct place *place, const char *name, const char *text)
{
    char value[256];
    ssize_t size = lgetxattr(path_of(place, name), attribute, value, sizeof value);
    MUST(size);
    EQUAL(size, strlen(text));
    EQUAL(memcmp(value, text, strlen(text)), 0);
}

static void check_absent(struct place *place, const char *name)
{
    char value[256];
    FAILS(lgetxattr(path_of(place, name), attribute, value, sizeof value), ENODATA);
}

/* "file" with the attribute "value". */
static void make_attributed(struct place *place)
{
    make_file(place, "file", 0666, "content");
    MUST(set(place, "file", "value"));
}

/* size bytes that tell places apart, there and back. */
static void check_size(struct place *place, size_t size)
{
    static unsigned char value[70000];
    static unsigned char now[70000];
    for (size_t i = 0; i < size; i++) {
        value[i] = (unsigned char)(i * 7 + i / 251);
    }
    make_file(place, "file", 0600, NULL);
    int result = setxattr(path_of(place, "file"), attribute, value, size, 0);
    NEEDS(size <= 4000 || result == 0 || (errno != ENOSPC && errno != E2BIG),
          "this file system has no room for such a value");
    MUST(result);
    EQUAL(getxattr(path_of(place, "file"), attribute, now, sizeof now), size);
    EQUAL(memcmp(now, value, size), 0);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void set_and_get(struct place *place)
{
    make_attributed(place);
    check_value(place, "file", "value");
}

static void by_descriptor(struct place *place)
{
    char value[16];
    make_file(place, "file", 0600, NULL);
    int fd = open_at(place, "file", O_RDONLY);
    MUST(fsetxattr(fd, attribute, "abc", 3, 0));
    EQUAL(fgetxattr(fd, attribute, value, sizeof value), 3);
    check_value(place, "file", "abc");
    MUST(fremovexattr(fd, attribute));
    check_absent(place, "file");
}

static void empty_value(struct place *place)
{
    char value[16];
    make_file(place, "file", 0600, NULL);
    MUST(setxattr(path_of(place, "file"), attribute, "", 0, 0));
    EQUAL(getxattr(path_of(place, "file"), attribute, value, sizeof value), 0);
    EQUAL(listxattr(path_of(place, "file"), value, sizeof value), sizeof attribute);
}

static void binary_value(struct place *place)
{
    const char bytes[6] = {0, -1, 0, '\n', 'x', 0};
    char value[16];
    make_file(place, "file", 0600, NULL);
    MUST(setxattr(path_of(place, "file"), attribute, bytes, sizeof bytes, 0));
    EQUAL(getxattr(path_of(place, "file"), attribute, value, sizeof value), sizeof bytes);
    EQUAL(memcmp(value, bytes, sizeof bytes), 0);
}

static void exact_buffer(struct place *place)
{
    char value[6] = "......";
    make_attributed(place);
    EQUAL(getxattr(path_of(place, "file"), attribute, value, 5), 5);
    EQUAL(memcmp(value, "value.", 6), 0);
}

static void small_buffer(struct place *place)
{
    char value[4];
    make_attributed(place);
    FAILS(getxattr(path_of(place, "file"), attribute, value, sizeof value), ERANGE);
}

static void length_only(struct place *place)
{
    make_attributed(place);
    EQUAL(getxattr(path_of(place, "file"), attribute, NULL, 0), 5);
}

static void value_of_1000_bytes(struct place *place)
{
    check_size(place, 1000);
}

static void value_of_3000_bytes(struct place *place)
{
    check_size(place, 3000);
}

static void value_of_64_kib(struct place *place)
{
    check_size(place, 65536);
}

static void value_too_large(struct place *place)
{
    static const char value[65537];
    make_file(place, "file", 0600, NULL);
    FAILS(setxattr(path_of(place, "file"), attribute, value, sizeof value, 0), E2BIG);
    check_absent(place, "file");
}

static void replaced_by_shorter(struct place *place)
{
    make_attributed(place);
    MUST(set(place, "file", "v"));
    check_value(place, "file", "v");
}

static void replaced_by_longer(struct place *place)
{
    make_attributed(place);
    MUST(set(place, "file", "a value that is somewhat longer than the first one was"));
    check_value(place, "file", "a value that is somewhat longer than the first one was");
}

static void create_of_existing(struct place *place)
{
    make_attributed(place);
    FAILS(setxattr(path_of(place, "file"), attribute, "new", 3, XATTR_CREATE), EEXIST);
    check_value(place, "file", "value");
}

static void create_of_new(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(setxattr(path_of(place, "file"), attribute, "new", 3, XATTR_CREATE));
    check_value(place, "file", "new");
}

static void replace_of_existing(struct place *place)
{
    make_attributed(place);
    MUST(setxattr(path_of(place, "file"), attribute, "new", 3, XATTR_REPLACE));
    check_value(place, "file", "new");
}

static void replace_of_new(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS(setxattr(path_of(place, "file"), attribute, "new", 3, XATTR_REPLACE), ENODATA);
    check_absent(place, "file");
}

static void bad_flag(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    FAILS(setxattr(path_of(place, "file"), attribute, "new", 3, 0x100), EINVAL);
}

static void removal(struct place *place)
{
    make_attributed(place);
    MUST(removexattr(path_of(place, "file"), attribute));
    check_absent(place, "file");
    FAILS(removexattr(path_of(place, "file"), attribute), ENODATA);
}

static void removal_and_again(struct place *place)
{
    make_attributed(place);
    MUST(removexattr(path_of(place, "file"), attribute));
    MUST(setxattr(path_of(place, "file"), attribute, "again", 5, XATTR_CREATE));
    check_value(place, "file", "again");
}

static void never_set(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    check_absent(place, "file");
}

static void two_are_apart(struct place *place)
{
    char value[16];
    make_attributed(place);
    MUST(setxattr(path_of(place, "file"), "user.other", "o", 1, 0));
    check_value(place, "file", "value");
    MUST(removexattr(path_of(place, "file"), attribute));
    EQUAL(getxattr(path_of(place, "file"), "user.other", value, sizeof value), 1);
}

/* ---- what it is done to ---------------------------------------------------------------------- */

static void of_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    MUST(set(place, "dir", "of a directory"));
    make_file(place, "dir/file", 0600, NULL);
    check_value(place, "dir", "of a directory");
    check_absent(place, "dir/file");
}

static void follows_symlink(struct place *place)
{
    char value[16];
    make_file(place, "file", 0600, NULL);
    make_symlink(place, "file", "link");
    MUST(setxattr(path_of(place, "link"), attribute, "x", 1, 0));
    check_value(place, "file", "x");
    EQUAL(getxattr(path_of(place, "link"), attribute, value, sizeof value), 1);
    MUST(removexattr(path_of(place, "link"), attribute));
    check_absent(place, "file");
}

static void path_descriptor(struct place *place)
{
    char value[16];
    make_attributed(place);
    int fd = open_at(place, "file", O_PATH);
    FAILS(fgetxattr(fd, attribute, value, sizeof value), EBADF);
    FAILS(fsetxattr(fd, attribute, "x", 1, 0), EBADF);
}

static void nothing_there(struct place *place)
{
    char value[16];
    make_file(place, "file", 0600, NULL);
    FAILS(setxattr(path_of(place, "none"), attribute, "x", 1, 0), ENOENT);
    FAILS(getxattr(path_of(place, "none"), attribute, value, sizeof value), ENOENT);
    FAILS(removexattr(path_of(place, "none"), attribute), ENOENT);
    FAILS(getxattr(path_of(place, "file/x"), attribute, value, sizeof value), ENOTDIR);
}

/* ---- what keeps it, and when it goes --------------------------------------------------------- */

static void after_rename(struct place *place)
{
    make_attributed(place);
    MUST(renameat(place->fd, "file", place->fd, "other"));
    check_value(place, "other", "value");
}

static void by_all_names(struct place *place)
{
    make_attributed(place);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    MUST(set(place, "same", "changed"));
    check_value(place, "file", "changed");
}

static void after_chmod_and_chown(struct place *place)
{
    make_attributed(place);
    MUST(fchmodat(place->fd, "file", 0600, 0));
    MUST(fchownat(place->fd, "file", USER_A, GROUP_A, 0));
    check_value(place, "file", "value");
}

static void after_truncate_and_write(struct place *place)
{
    make_attributed(place);
    int fd = open_at(place, "file", O_RDWR | O_TRUNC);
    write_pattern(fd, 0, 10000);
    MUST(ftruncate(fd, 0));
    MUST(close(fd));
    check_value(place, "file", "value");
}

static void content_is_left(struct place *place)
{
    make_attributed(place);
    check_content(place, "file", "content");
    EQUAL(look(place, "file").st_size, 7);
}

static void gone_with_the_file(struct place *place)
{
    make_attributed(place);
    MUST(unlinkat(place->fd, "file", 0));
    make_file(place, "file", 0600, NULL);
    check_absent(place, "file");
}

static void not_of_the_replaced(struct place *place)
{
    make_attributed(place);
    make_file(place, "new", 0600, NULL);
    MUST(renameat(place->fd, "new", place->fd, "file"));
    check_absent(place, "file");
}

static void without_name(struct place *place)
{
    char value[16];
    make_attributed(place);
    int fd = open_at(place, "file", O_RDWR);
    MUST(unlinkat(place->fd, "file", 0));
    EQUAL(fgetxattr(fd, attribute, value, sizeof value), 5);
    MUST(fsetxattr(fd, attribute, "later", 5, 0));
    EQUAL(fgetxattr(fd, attribute, value, sizeof value), 5);
    EQUAL(memcmp(value, "later", 5), 0);
}

static void marks_ctime(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    struct stat before = look(place, "file");
    pass_time(place);
    MUST(set(place, "file", "value"));
    struct stat after = look(place, "file");
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
    EQUAL(compare_times(after.st_mtim, before.st_mtim), 0);
}

static void removal_marks_ctime(struct place *place)
{
    make_attributed(place);
    struct stat before = look(place, "file");
    pass_time(place);
    MUST(removexattr(path_of(place, "file"), attribute));
    struct stat after = look(place, "file");
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
    EQUAL(compare_times(after.st_mtim, before.st_mtim), 0);
}

static int work_read_value(struct place *place, void *argument)
{
    char value[16];
    (void)argument;
    ssize_t size = fchdir(place->fd) < 0 ? -1 : getxattr("file", attribute, value, sizeof value);
    return size < 0 ? errno : size != 3 || memcmp(value, "new", 3) != 0 ? EILSEQ : 0;
}

static void seen_by_others_at_once(struct place *place)
{
    make_attributed(place);
    MUST(set(place, "file", "new"));
    EQUAL(as_child(work_read_value, place, NULL), 0);
}

static const struct rule rules[] = {
    {"set-and-get", "a value comes back", "setxattr(2), getxattr(2)", set_and_get},
    {"by-descriptor", "by descriptor, also one for reading", "fsetxattr(2), fgetxattr(2)",
     by_descriptor},
    {"empty-value", "an empty value is a value", "setxattr(2)", empty_value},
    {"binary-value", "values are bytes, zeros too", "setxattr(2)", binary_value},
    {"exact-buffer", "a buffer of its size holds it, and no byte more is written", "getxattr(2)",
     exact_buffer},
    {"small-buffer", "a smaller one does not", "getxattr(2), ERANGE", small_buffer},
    {"length-only", "a size of 0 asks for the length", "getxattr(2)", length_only},
    {"value-of-1000-bytes", "1000 bytes", "xattr(7)", value_of_1000_bytes},
    {"value-of-3000-bytes", "3000 bytes, more than fits an inode", "xattr(7)", value_of_3000_bytes},
    {"value-of-64-kib", "64 KiB, where the file system has room", "xattr(7)", value_of_64_kib},
    {"value-too-large", "a byte more is refused", "setxattr(2), E2BIG", value_too_large},
    {"replaced-by-shorter", "a shorter value replaces the whole", "setxattr(2)",
     replaced_by_shorter},
    {"replaced-by-longer", "so does a longer one", "setxattr(2)", replaced_by_longer},
    {"create-of-existing", "XATTR_CREATE leaves what is there", "setxattr(2), EEXIST",
     create_of_existing},
    {"create-of-new", "and sets what is not", "setxattr(2) XATTR_CREATE", create_of_new},
    {"replace-of-existing", "XATTR_REPLACE sets what is there", "setxattr(2) XATTR_REPLACE",
     replace_of_existing},
    {"replace-of-new", "and nothing else", "setxattr(2), ENODATA", replace_of_new},
    {"bad-flag", "other flags are refused", "setxattr(2), EINVAL", bad_flag},
    {"removal", "a removed attribute is gone, and cannot be removed again",
     "removexattr(2), ENODATA", removal},
    {"removal-and-again", "but it can be created again", "removexattr(2)", removal_and_again},
    {"never-set", "what was never set is not there", "getxattr(2), ENODATA", never_set},
    {"two-are-apart", "two attributes do not touch each other", "xattr(7)", two_are_apart},
    {"of-directory", "a directory has attributes, and does not hand them down", "xattr(7)",
     of_directory},
    {"follows-symlink", "a link is followed", "setxattr(2), getxattr(2)", follows_symlink},
    {"path-descriptor", "not through an O_PATH descriptor", "open(2) O_PATH, EBADF",
     path_descriptor},
    {"nothing-there", "no such file, below a file", "setxattr(2), ENOENT, ENOTDIR", nothing_there},
    {"after-rename", "rename keeps them", "xattr(7)", after_rename},
    {"by-all-names", "they are the file's, not the name's", "xattr(7)", by_all_names},
    {"after-chmod-and-chown", "chmod and chown keep them", "xattr(7)", after_chmod_and_chown},
    {"after-truncate-and-write", "changes of the content keep them", "xattr(7)",
     after_truncate_and_write},
    {"content-is-left", "they are no part of content and size", "xattr(7)", content_is_left},
    {"gone-with-the-file", "a new file of the same name has none", "xattr(7)", gone_with_the_file},
    {"not-of-the-replaced", "a file that replaces another does not take them over", "xattr(7)",
     not_of_the_replaced},
    {"without-name", "an unlinked file has them as long as it is open", "xattr(7)", without_name},
    {"marks-ctime", "setting marks ctime, not mtime", "inode(7)", marks_ctime},
    {"removal-marks-ctime", "so does removing", "inode(7)", removal_marks_ctime},
    {"seen-by-others-at-once", "another process sees a new value at once", "getxattr(2)",
     seen_by_others_at_once},
};

const struct subject subject_xattr = {"xattr", rules, sizeof rules / sizeof rules[0]};
