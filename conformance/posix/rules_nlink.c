/*
 * Rules of link counts, of files and of directories.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

static long links_of(struct place *place, const char *name)
{
    return (long)look(place, name).st_nlink;
}

static void new_file(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    EQUAL(links_of(place, "file"), 1);
}

static void new_special(struct place *place)
{
    make_symlink(place, "x", "link");
    make_fifo(place, "fifo", 0600);
    EQUAL(links_of(place, "link"), 1);
    EQUAL(links_of(place, "fifo"), 1);
}

static void names_count(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_dir(place, "dir", 0700);
    MUST(linkat(place->fd, "file", place->fd, "second", 0));
    MUST(linkat(place->fd, "second", place->fd, "dir/third", 0));
    EQUAL(links_of(place, "file"), 3);
    EQUAL(links_of(place, "dir/third"), 3);
    MUST(unlinkat(place->fd, "file", 0));
    EQUAL(links_of(place, "second"), 2);
}

static void many_names(struct place *place)
{
    char name[16];
    make_file(place, "file", 0600, NULL);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "name%d", i);
        MUST(linkat(place->fd, "file", place->fd, name, 0));
    }
    EQUAL(links_of(place, "name99"), 101);
}

static void symlink_names(struct place *place)
{
    make_symlink(place, "nowhere", "link");
    MUST(linkat(place->fd, "link", place->fd, "same", 0));
    EQUAL(links_of(place, "link"), 2);
    HOLDS(S_ISLNK(look(place, "same").st_mode));
}

static void unlinked_and_open(struct place *place)
{
    int fd = open_at(place, "file", O_RDWR | O_CREAT);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    MUST(unlinkat(place->fd, "file", 0));
    EQUAL(look_fd(fd).st_nlink, 1);
    MUST(unlinkat(place->fd, "same", 0));
    EQUAL(look_fd(fd).st_nlink, 0);
}

static void replaced_by_rename(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    make_file(place, "new", 0600, NULL);
    MUST(renameat(place->fd, "new", place->fd, "file"));
    EQUAL(links_of(place, "same"), 1);
    EQUAL(links_of(place, "file"), 1);
}

static void replaced_and_open(struct place *place)
{
    int fd = open_at(place, "file", O_RDWR | O_CREAT);
    make_file(place, "new", 0600, NULL);
    MUST(renameat(place->fd, "new", place->fd, "file"));
    EQUAL(look_fd(fd).st_nlink, 0);
}

static void rename_between_own_names(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    MUST(renameat(place->fd, "file", place->fd, "same"));
    EQUAL(links_of(place, "file"), 2);
    EQUAL(links_of(place, "same"), 2);
}

static void rename_keeps_count(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_dir(place, "dir", 0700);
    MUST(linkat(place->fd, "file", place->fd, "same", 0));
    MUST(renameat(place->fd, "file", place->fd, "dir/file"));
    EQUAL(links_of(place, "same"), 2);
}

static void refused_link(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_file(place, "other", 0600, NULL);
    FAILS(linkat(place->fd, "file", place->fd, "other", 0), EEXIST);
    EQUAL(links_of(place, "file"), 1);
    EQUAL(links_of(place, "other"), 1);
}

static void without_name(struct place *place)
{
    int fd = openat(place->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    MUST(fd);
    EQUAL(look_fd(fd).st_nlink, 0);
    MUST(linkat(fd, "", place->fd, "file", AT_EMPTY_PATH));
    EQUAL(look_fd(fd).st_nlink, 1);
    EQUAL(links_of(place, "file"), 1);
}

/* ---- directories ----------------------------------------------------------------------------- */

static void empty_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    EQUAL(links_of(place, "dir"), 2);
}

static void subdirectories_count(struct place *place)
{
    char name[16];
    make_dir(place, "dir", 0700);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof name, "dir/%d", i);
        make_dir(place, name, 0700);
    }
    EQUAL(links_of(place, "dir"), 22);
    MUST(unlinkat(place->fd, "dir/7", AT_REMOVEDIR));
    EQUAL(links_of(place, "dir"), 21);
}

static void files_do_not_count(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_file(place, "dir/file", 0600, NULL);
    make_symlink(place, "x", "dir/link");
    make_fifo(place, "dir/fifo", 0600);
    EQUAL(links_of(place, "dir"), 2);
}

static void grandchildren_do_not_count(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_dir(place, "dir/sub", 0700);
    make_dir(place, "dir/sub/sub", 0700);
    EQUAL(links_of(place, "dir"), 3);
}

static void directory_moves(struct place *place)
{
    make_dir(place, "from", 0700);
    make_dir(place, "to", 0700);
    make_dir(place, "from/sub", 0700);
    MUST(renameat(place->fd, "from/sub", place->fd, "to/sub"));
    EQUAL(links_of(place, "from"), 2);
    EQUAL(links_of(place, "to"), 3);
    EQUAL(links_of(place, "to/sub"), 2);
}

static void directory_gets_name(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_dir(place, "dir/sub", 0700);
    MUST(renameat(place->fd, "dir/sub", place->fd, "dir/other"));
    EQUAL(links_of(place, "dir"), 3);
}

static void directory_replaces(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_dir(place, "dir/old", 0700);
    make_dir(place, "dir/new", 0700);
    MUST(renameat(place->fd, "dir/new", place->fd, "dir/old"));
    EQUAL(links_of(place, "dir"), 3);
}

static void directory_replaces_elsewhere(struct place *place)
{
    make_dir(place, "from", 0700);
    make_dir(place, "from/sub", 0700);
    make_dir(place, "to", 0700);
    make_dir(place, "to/sub", 0700);
    MUST(renameat(place->fd, "from/sub", place->fd, "to/sub"));
    EQUAL(links_of(place, "from"), 2);
    EQUAL(links_of(place, "to"), 3);
}

static void exchange_of_directory_and_file(struct place *place)
{
    make_dir(place, "one", 0700);
    make_dir(place, "one/sub", 0700);
    make_dir(place, "two", 0700);
    make_file(place, "two/file", 0600, NULL);
    MUST(renameat2(place->fd, "one/sub", place->fd, "two/file", RENAME_EXCHANGE));
    EQUAL(links_of(place, "one"), 2);
    EQUAL(links_of(place, "two"), 3);
}

static void removed_and_open(struct place *place)
{
    make_dir(place, "dir", 0700);
    int fd = open_at(place, "dir", O_RDONLY | O_DIRECTORY);
    MUST(unlinkat(place->fd, "dir", AT_REMOVEDIR));
    EQUAL(look_fd(fd).st_nlink, 0);
}

static void refused_mkdir(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_dir(place, "dir/sub", 0700);
    FAILS(mkdirat(place->fd, "dir/sub", 0700), EEXIST);
    FAILS(unlinkat(place->fd, "dir", AT_REMOVEDIR), ENOTEMPTY);
    EQUAL(links_of(place, "dir"), 3);
}

static const struct rule rules[] = {
    {"new-file", "a new file has one name", "POSIX sys/stat.h, st_nlink", new_file},
    {"new-special", "so have links and FIFOs", "POSIX sys/stat.h, st_nlink", new_special},
    {"names-count", "each name counts, and all show the same", "POSIX link, unlink", names_count},
    {"many-names", "a hundred more names", "POSIX link", many_names},
    {"symlink-names", "a symbolic link may have two names", "link(2)", symlink_names},
    {"unlinked-and-open", "an open file counts down to none", "POSIX unlink", unlinked_and_open},
    {"replaced-by-rename", "a name that rename takes is gone", "POSIX rename", replaced_by_rename},
    {"replaced-and-open", "also the last one of an open file", "POSIX rename", replaced_and_open},
    {"rename-between-own-names", "rename to another name of the file keeps both", "POSIX rename",
     rename_between_own_names},
    {"rename-keeps-count", "a new name instead of an old one", "POSIX rename", rename_keeps_count},
    {"refused-link", "a refused link counts nothing", "POSIX link, EEXIST", refused_link},
    {"without-name", "O_TMPFILE has no name until it is given one", "open(2) O_TMPFILE",
     without_name},
    {"empty-directory", "an empty directory has two: its name and its dot", "xfs, ext4",
     empty_directory},
    {"subdirectories-count", "each subdirectory's dot-dot counts", "xfs, ext4; find -noleaf",
     subdirectories_count},
    {"files-do-not-count", "what is no directory does not count", "xfs, ext4", files_do_not_count},
    {"grandchildren-do-not-count", "nor does what lies deeper", "xfs, ext4",
     grandchildren_do_not_count},
    {"directory-moves", "a directory that moves takes its link along", "POSIX rename; xfs, ext4",
     directory_moves},
    {"directory-gets-name", "a new name in the same directory changes no count",
     "POSIX rename; xfs, ext4", directory_gets_name},
    {"directory-replaces", "a directory that replaces another makes it one less",
     "POSIX rename; xfs, ext4", directory_replaces},
    {"directory-replaces-elsewhere", "also when it comes from another directory",
     "POSIX rename; xfs, ext4", directory_replaces_elsewhere},
    {"exchange-of-directory-and-file", "an exchange moves the link too",
     "renameat2(2) RENAME_EXCHANGE", exchange_of_directory_and_file},
    {"removed-and-open", "a removed directory that is open has none", "POSIX rmdir; xfs, ext4",
     removed_and_open},
    {"refused-mkdir", "a refused mkdir or rmdir counts nothing", "POSIX mkdir, EEXIST",
     refused_mkdir},
};

const struct subject subject_nlink = {"nlink", rules, sizeof rules / sizeof rules[0]};
