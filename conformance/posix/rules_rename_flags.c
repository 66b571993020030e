/*
 * Rules of renameat2(): RENAME_NOREPLACE and RENAME_EXCHANGE.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int move_new(const struct place *place, const char *from, const char *to)
{
    return renameat2(place->fd, from, place->fd, to, RENAME_NOREPLACE);
}

static int exchange(const struct place *place, const char *one, const char *other)
{
    return renameat2(place->fd, one, place->fd, other, RENAME_EXCHANGE);
}

static void needs_counted_links(const struct place *place)
{
    NEEDS(look(place, ".").st_nlink >= 2, "does not count the links of directories");
}

static void none(struct place *place)
{
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0666, "two");
    MUST(renameat2(place->fd, "f", place->fd, "g", 0));
    check_content(place, "g", "one");
}

static void unknown(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(renameat2(place->fd, "f", place->fd, "g", 1U << 20), EINVAL);
    HOLDS(exists(place, "f"));
}

static void both(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_file(place, "g", 0666, NULL);
    FAILS(renameat2(place->fd, "f", place->fd, "g", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
}

static void noreplace_new(struct place *place)
{
    make_file(place, "f", 0666, "text");
    MUST(move_new(place, "f", "g"));
    HOLDS(!exists(place, "f"));
    check_content(place, "g", "text");
}

static void noreplace_new_directory(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, NULL);
    MUST(move_new(place, "d", "a/d"));
    HOLDS(exists(place, "a/d/f"));
}

static void noreplace_file(struct place *place)
{
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0666, "two");
    FAILS(move_new(place, "f", "g"), EEXIST);
    check_content(place, "f", "one");
    check_content(place, "g", "two");
}

static void noreplace_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    FAILS(move_new(place, "d", "e"), EEXIST);
    HOLDS(exists(place, "d"));
}

static void noreplace_file_by_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "f", 0666, NULL);
    FAILS(move_new(place, "d", "f"), EEXIST);
    FAILS(move_new(place, "f", "d"), EEXIST);
}

static void noreplace_dangling(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "none", "l");
    FAILS(move_new(place, "f", "l"), EEXIST);
    HOLDS(S_ISLNK(look(place, "l").st_mode));
}

static void noreplace_same_name(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(move_new(place, "f", "f"), EEXIST);
    HOLDS(exists(place, "f"));
}

static void noreplace_other_link(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    FAILS(move_new(place, "f", "g"), EEXIST);
    EQUAL(look(place, "f").st_nlink, 2);
}

static void noreplace_missing(struct place *place)
{
    FAILS(move_new(place, "none", "g"), ENOENT);
}

static void noreplace_into_itself(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS(move_new(place, "d", "d/e"), EINVAL);
}

static void noreplace_parents_links(struct place *place)
{
    needs_counted_links(place);
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_dir(place, "a/d", 0755);
    MUST(move_new(place, "a/d", "b/d"));
    EQUAL(look(place, "a").st_nlink, 2);
    EQUAL(look(place, "b").st_nlink, 3);
}

static void noreplace_times(struct place *place)
{
    make_dir(place, "a", 0755);
    make_file(place, "f", 0666, NULL);
    struct stat before = look(place, "a");
    pass_time(place);
    MUST(move_new(place, "f", "a/f"));
    HOLDS(compare_times(look(place, "a").st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(look(place, ".").st_mtim, before.st_mtim) > 0);
}

static void noreplace_failed_times(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_file(place, "g", 0666, NULL);
    struct stat before = look(place, ".");
    pass_time(place);
    FAILS(move_new(place, "f", "g"), EEXIST);
    HOLDS(compare_times(look(place, ".").st_mtim, before.st_mtim) == 0);
}

static void exchange_files(struct place *place)
{
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0600, "two");
    ino_t f = look(place, "f").st_ino, g = look(place, "g").st_ino;
    MUST(exchange(place, "f", "g"));
    EQUAL(look(place, "f").st_ino, g);
    EQUAL(look(place, "g").st_ino, f);
    check_content(place, "f", "two");
    check_content(place, "g", "one");
    EQUAL(look(place, "f").st_mode & 07777, 0600);
}

static void exchange_twice(struct place *place)
{
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0666, "two");
    MUST(exchange(place, "f", "g"));
    MUST(exchange(place, "f", "g"));
    check_content(place, "f", "one");
    check_content(place, "g", "two");
}

static void exchange_links(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_file(place, "g", 0666, NULL);
    MUST(linkat(place->fd, "g", place->fd, "h", 0));
    MUST(exchange(place, "f", "g"));
    EQUAL(look(place, "f").st_nlink, 2);
    EQUAL(look(place, "g").st_nlink, 1);
}

static void exchange_directories(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    make_file(place, "d/one", 0666, NULL);
    make_file(place, "e/two", 0666, NULL);
    MUST(exchange(place, "d", "e"));
    HOLDS(exists(place, "d/two"));
    HOLDS(exists(place, "e/one"));
}

static void exchange_file_and_directory(struct place *place)
{
    make_file(place, "f", 0666, "text");
    make_dir(place, "d", 0755);
    make_file(place, "d/in", 0666, NULL);
    MUST(exchange(place, "f", "d"));
    check_content(place, "d", "text");
    HOLDS(exists(place, "f/in"));
}

static void exchange_directory_and_file(struct place *place)
{
    make_file(place, "f", 0666, "text");
    make_dir(place, "d", 0755);
    MUST(exchange(place, "d", "f"));
    HOLDS(S_ISDIR(look(place, "f").st_mode));
    HOLDS(S_ISREG(look(place, "d").st_mode));
}

static void exchange_symbolic_link(struct place *place)
{
    make_file(place, "f", 0666, "text");
    make_symlink(place, "none", "l");
    MUST(exchange(place, "l", "f"));
    check_content(place, "l", "text");
    HOLDS(S_ISLNK(look(place, "f").st_mode));
}

static void exchange_link_and_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    make_symlink(place, "e", "l");
    MUST(exchange(place, "d", "l"));
    HOLDS(S_ISLNK(look(place, "d").st_mode));
    HOLDS(S_ISDIR(look(place, "l").st_mode));
}

static void exchange_two_links(struct place *place)
{
    char target[16];
    make_symlink(place, "one", "a");
    make_symlink(place, "three", "b");
    MUST(exchange(place, "a", "b"));
    EQUAL(MUST(readlinkat(place->fd, "a", target, sizeof target)), 5);
    EQUAL(MUST(readlinkat(place->fd, "b", target, sizeof target)), 3);
}

static void exchange_fifo_and_directory(struct place *place)
{
    make_fifo(place, "p", 0666);
    make_dir(place, "d", 0755);
    MUST(exchange(place, "p", "d"));
    HOLDS(S_ISDIR(look(place, "p").st_mode));
    HOLDS(S_ISFIFO(look(place, "d").st_mode));
}

static void exchange_same_name(struct place *place)
{
    make_file(place, "f", 0666, "text");
    MUST(exchange(place, "f", "f"));
    check_content(place, "f", "text");
}

static void exchange_same_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    MUST(exchange(place, "f", "g"));
    EQUAL(look(place, "f").st_nlink, 2);
    EQUAL(look(place, "g").st_nlink, 2);
}

static void exchange_missing_new(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(exchange(place, "f", "none"), ENOENT);
    HOLDS(exists(place, "f"));
    HOLDS(!exists(place, "none"));
}

static void exchange_missing_old(struct place *place)
{
    make_file(place, "g", 0666, NULL);
    FAILS(exchange(place, "none", "g"), ENOENT);
    HOLDS(exists(place, "g"));
}

static void exchange_with_child(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "d/e", 0755);
    FAILS(exchange(place, "d", "d/e"), EINVAL);
    FAILS(exchange(place, "d/e", "d"), EINVAL);
    HOLDS(exists(place, "d/e"));
}

static void exchange_with_file_below(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "d/e", 0755);
    make_file(place, "d/e/f", 0666, NULL);
    FAILS(exchange(place, "d", "d/e/f"), EINVAL);
    FAILS(exchange(place, "d/e/f", "d"), EINVAL);
}

static void exchange_slash_after_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0755);
    FAILS(exchange(place, "f/", "d"), ENOTDIR);
    FAILS(exchange(place, "d", "f/"), ENOTDIR);
}

static void exchange_apart(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_file(place, "a/f", 0666, "one");
    make_file(place, "b/g", 0666, "two");
    MUST(exchange(place, "a/f", "b/g"));
    check_content(place, "a/f", "two");
    check_content(place, "b/g", "one");
    EQUAL(count_entries(place, "a"), 1);
}

static void exchange_parents_links(struct place *place)
{
    needs_counted_links(place);
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_dir(place, "a/d", 0755);
    make_file(place, "b/f", 0666, NULL);
    MUST(exchange(place, "a/d", "b/f"));
    EQUAL(look(place, "a").st_nlink, 2);
    EQUAL(look(place, "b").st_nlink, 3);
}

static void exchange_parents_links_kept(struct place *place)
{
    needs_counted_links(place);
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_dir(place, "a/d", 0755);
    make_dir(place, "b/e", 0755);
    MUST(exchange(place, "a/d", "b/e"));
    EQUAL(look(place, "a").st_nlink, 3);
    EQUAL(look(place, "b").st_nlink, 3);
}

static void exchange_dot_dot(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_dir(place, "a/d", 0755);
    make_dir(place, "b/e", 0755);
    ino_t d = look(place, "a/d").st_ino;
    MUST(exchange(place, "a/d", "b/e"));
    EQUAL(look(place, "b/e").st_ino, d);
    EQUAL(look(place, "b/e/..").st_ino, look(place, "b").st_ino);
    EQUAL(look(place, "a/d/..").st_ino, look(place, "a").st_ino);
}

static void exchange_open_files(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_file(place, "g", 0666, NULL);
    int fd = open_at(place, "f", O_WRONLY);
    MUST(exchange(place, "f", "g"));
    EQUAL(write(fd, "text", 4), 4);
    check_content(place, "g", "text");
    check_content(place, "f", "");
    EQUAL(look_fd(fd).st_nlink, 1);
}

static void exchange_open_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "e", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(exchange(place, "d", "e"));
    MUST(openat(fd, "f", O_RDWR | O_CREAT, 0666));
    HOLDS(exists(place, "e/f"));
}

static void exchange_times(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_file(place, "a/f", 0666, NULL);
    make_file(place, "b/g", 0666, NULL);
    struct stat before = look(place, "b");
    pass_time(place);
    MUST(exchange(place, "a/f", "b/g"));
    HOLDS(compare_times(look(place, "a").st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(look(place, "b").st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(look(place, "a").st_ctim, before.st_ctim) > 0);
}

static void exchange_modification_times(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0755);
    struct stat f = look(place, "f"), d = look(place, "d");
    pass_time(place);
    MUST(exchange(place, "f", "d"));
    HOLDS(compare_times(look(place, "d").st_mtim, f.st_mtim) == 0);
    HOLDS(compare_times(look(place, "f").st_mtim, d.st_mtim) == 0);
}

static void exchange_then_remove(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0755);
    MUST(exchange(place, "f", "d"));
    FAILS(unlinkat(place->fd, "d", AT_REMOVEDIR), ENOTDIR);
    MUST(unlinkat(place->fd, "f", AT_REMOVEDIR));
    MUST(unlinkat(place->fd, "d", 0));
    EQUAL(count_entries(place, "."), 0);
}

static const struct rule rules[] = {
    {"none", "without flags renameat2 is renameat", "renameat2(2)", none},
    {"unknown", "a flag that is not known is EINVAL, and nothing moves", "renameat2(2), EINVAL",
     unknown},
    {"both", "NOREPLACE and EXCHANGE together are EINVAL", "renameat2(2), EINVAL", both},
    {"noreplace-new", "NOREPLACE renames a file to a name that nobody has",
     "renameat2(2), RENAME_NOREPLACE", noreplace_new},
    {"noreplace-new-directory", "NOREPLACE moves a directory to another one",
     "renameat2(2), RENAME_NOREPLACE", noreplace_new_directory},
    {"noreplace-file", "NOREPLACE replaces no file", "renameat2(2), EEXIST", noreplace_file},
    {"noreplace-directory", "NOREPLACE replaces no empty directory", "renameat2(2), EEXIST",
     noreplace_directory},
    {"noreplace-file-by-directory", "NOREPLACE tells that the name is taken before what has it",
     "renameat2(2), EEXIST", noreplace_file_by_directory},
    {"noreplace-dangling", "NOREPLACE replaces no symbolic link, also one that leads nowhere",
     "renameat2(2), EEXIST", noreplace_dangling},
    {"noreplace-same-name", "NOREPLACE to the own name is EEXIST", "renameat2(2), EEXIST",
     noreplace_same_name},
    {"noreplace-other-link", "NOREPLACE to another link of the same file is EEXIST",
     "renameat2(2), EEXIST", noreplace_other_link},
    {"noreplace-missing", "NOREPLACE of a name that is not there is ENOENT", "renameat2(2), ENOENT",
     noreplace_missing},
    {"noreplace-into-itself", "NOREPLACE moves no directory into itself", "renameat2(2), EINVAL",
     noreplace_into_itself},
    {"noreplace-parents-links", "NOREPLACE takes a directory's link from one parent to the other",
     "renameat2(2); POSIX 3.125 directory", noreplace_parents_links},
    {"noreplace-times", "NOREPLACE updates the times of both directories",
     "renameat2(2); POSIX rename, DESCRIPTION", noreplace_times},
    {"noreplace-failed-times", "NOREPLACE that fails leaves the directory's times",
     "renameat2(2), RENAME_NOREPLACE", noreplace_failed_times},
    {"exchange-files", "EXCHANGE swaps two files", "renameat2(2), RENAME_EXCHANGE", exchange_files},
    {"exchange-twice", "EXCHANGE twice is as before", "renameat2(2), RENAME_EXCHANGE",
     exchange_twice},
    {"exchange-links", "EXCHANGE leaves the link counts of files", "renameat2(2), RENAME_EXCHANGE",
     exchange_links},
    {"exchange-directories", "EXCHANGE swaps two directories that are not empty",
     "renameat2(2), RENAME_EXCHANGE", exchange_directories},
    {"exchange-file-and-directory", "EXCHANGE swaps a file and a directory that is not empty",
     "renameat2(2), RENAME_EXCHANGE", exchange_file_and_directory},
    {"exchange-directory-and-file", "EXCHANGE swaps a directory and a file, the directory first",
     "renameat2(2), RENAME_EXCHANGE", exchange_directory_and_file},
    {"exchange-symbolic-link", "EXCHANGE swaps a symbolic link itself, not what it names",
     "renameat2(2), RENAME_EXCHANGE", exchange_symbolic_link},
    {"exchange-link-and-directory", "EXCHANGE swaps a symbolic link and a directory",
     "renameat2(2), RENAME_EXCHANGE", exchange_link_and_directory},
    {"exchange-two-links", "EXCHANGE swaps two symbolic links", "renameat2(2), RENAME_EXCHANGE",
     exchange_two_links},
    {"exchange-fifo-and-directory", "EXCHANGE swaps a fifo and a directory",
     "renameat2(2), RENAME_EXCHANGE", exchange_fifo_and_directory},
    {"exchange-same-name", "EXCHANGE of a name with itself succeeds",
     "renameat2(2); POSIX rename, DESCRIPTION", exchange_same_name},
    {"exchange-same-file", "EXCHANGE of two links of one file leaves both",
     "renameat2(2); POSIX rename, DESCRIPTION", exchange_same_file},
    {"exchange-missing-new", "EXCHANGE with a name that is not there is ENOENT",
     "renameat2(2), ENOENT", exchange_missing_new},
    {"exchange-missing-old", "EXCHANGE of a name that is not there is ENOENT",
     "renameat2(2), ENOENT", exchange_missing_old},
    {"exchange-with-child", "EXCHANGE of a directory with what is in it is EINVAL, in either order",
     "renameat2(2), EINVAL", exchange_with_child},
    {"exchange-with-file-below", "EXCHANGE of a directory with a file deep below it is EINVAL",
     "renameat2(2), EINVAL", exchange_with_file_below},
    {"exchange-slash-after-file",
     "EXCHANGE of a regular file's name with a slash after it is ENOTDIR", "renameat2(2), ENOTDIR",
     exchange_slash_after_file},
    {"exchange-apart", "EXCHANGE swaps files of different directories",
     "renameat2(2), RENAME_EXCHANGE", exchange_apart},
    {"exchange-parents-links",
     "EXCHANGE of a file with a directory elsewhere moves a link between the parents",
     "renameat2(2); POSIX 3.125 directory", exchange_parents_links},
    {"exchange-parents-links-kept", "EXCHANGE of two directories leaves the parents' links",
     "renameat2(2); POSIX 3.125 directory", exchange_parents_links_kept},
    {"exchange-dot-dot", "after EXCHANGE dot-dot of both directories is the other's parent",
     "renameat2(2); POSIX 4.13", exchange_dot_dot},
    {"exchange-open-files", "what is open follows its file through EXCHANGE",
     "renameat2(2), RENAME_EXCHANGE", exchange_open_files},
    {"exchange-open-directory", "a directory that is open takes new files after EXCHANGE",
     "renameat2(2), RENAME_EXCHANGE", exchange_open_directory},
    {"exchange-times", "EXCHANGE updates the times of both directories",
     "renameat2(2); POSIX rename, DESCRIPTION", exchange_times},
    {"exchange-modification-times", "EXCHANGE leaves the times of modification of what it swaps",
     "renameat2(2), RENAME_EXCHANGE", exchange_modification_times},
    {"exchange-then-remove", "after EXCHANGE each name is removed as what it is now",
     "renameat2(2), RENAME_EXCHANGE", exchange_then_remove},
};

const struct subject subject_rename_flags = {"rename-flags", rules, sizeof rules / sizeof rules[0]};
