/*
 * Rules of rename() for files, and of its paths; directories are in rules_rename_dir.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int move(const struct place *place, const char *from, const char *to)
{
    return renameat(place->fd, from, place->fd, to);
}

static void new_name(struct place *place)
{
    make_file(place, "f", 0640, "text");
    struct stat before = look(place, "f");
    MUST(move(place, "f", "g"));
    HOLDS(!exists(place, "f"));
    EQUAL(look(place, "g").st_ino, before.st_ino);
    EQUAL(look(place, "g").st_mode, before.st_mode);
    EQUAL(look(place, "g").st_nlink, 1);
    check_content(place, "g", "text");
}

static void modification_time(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    struct stat before = look(place, "f");
    pass_time(place);
    MUST(move(place, "f", "g"));
    HOLDS(compare_times(look(place, "g").st_mtim, before.st_mtim) == 0);
}

static void directory_times(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    struct stat before = look(place, ".");
    pass_time(place);
    MUST(move(place, "f", "g"));
    struct stat after = look(place, ".");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void both_directories_times(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_file(place, "a/f", 0666, NULL);
    struct stat before = look(place, "a/f");
    pass_time(place);
    MUST(move(place, "a/f", "b/f"));
    HOLDS(compare_times(look(place, "a").st_mtim, before.st_ctim) > 0);
    HOLDS(compare_times(look(place, "a").st_ctim, before.st_ctim) > 0);
    HOLDS(compare_times(look(place, "b").st_mtim, before.st_ctim) > 0);
    HOLDS(compare_times(look(place, "b").st_ctim, before.st_ctim) > 0);
}

static void other_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "f", 0666, "text");
    ino_t inode = look(place, "f").st_ino;
    MUST(move(place, "f", "d/g"));
    EQUAL(look(place, "d/g").st_ino, inode);
    HOLDS(!exists(place, "f"));
    EQUAL(count_entries(place, "d"), 1);
}

static void replaces(struct place *place)
{
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0666, "two");
    ino_t inode = look(place, "f").st_ino;
    MUST(move(place, "f", "g"));
    EQUAL(look(place, "g").st_ino, inode);
    check_content(place, "g", "one");
    EQUAL(count_entries(place, "."), 1);
}

static void replaced_links(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_file(place, "g", 0666, NULL);
    MUST(linkat(place->fd, "g", place->fd, "h", 0));
    struct stat before = look(place, "h");
    pass_time(place);
    MUST(move(place, "f", "g"));
    EQUAL(look(place, "h").st_nlink, 1);
    HOLDS(compare_times(look(place, "h").st_ctim, before.st_ctim) > 0);
}

static void replaced_open(struct place *place)
{
    char byte = 0;
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0666, "two");
    int fd = open_at(place, "g", O_RDWR);
    MUST(move(place, "f", "g"));
    EQUAL(look_fd(fd).st_nlink, 0);
    EQUAL(read(fd, &byte, 1), 1);
    EQUAL(byte, 't');
    EQUAL(write(fd, "x", 1), 1);
    check_content(place, "g", "one");
}

static void replaced_read_only(struct place *place)
{
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0, "two");
    MUST(move(place, "f", "g"));
    check_content(place, "g", "one");
}

static void never_missing(struct place *place)
{
    make_file(place, "f", 0666, "text");
    pid_t replacer = (pid_t)MUST(fork());
    if (replacer == 0) {
        for (int i = 0; i < 300; i++) {
            int fd = openat(place->fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0666);
            if (write(fd, "text", 4) != 4 || close(fd) != 0 || move(place, "new", "f") != 0) {
                _exit(1);
            }
        }
        _exit(0);
    }
    int status;
    while (MUST(waitpid(replacer, &status, WNOHANG)) == 0) {
        check_content(place, "f", "text");
    }
    EQUAL(status, 0);
}

static void same_name(struct place *place)
{
    make_file(place, "f", 0666, "text");
    MUST(move(place, "f", "f"));
    check_content(place, "f", "text");
}

static void two_names_of_one(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    MUST(move(place, "f", "g"));
    EQUAL(look(place, "f").st_nlink, 2);
    EQUAL(look(place, "g").st_ino, look(place, "f").st_ino);
}

static void two_names_in_directories(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "f", 0666, NULL);
    MUST(linkat(place->fd, "f", place->fd, "d/f", 0));
    MUST(move(place, "f", "d/f"));
    HOLDS(exists(place, "f"));
    EQUAL(look(place, "d/f").st_nlink, 2);
}

static void one_of_two_names(struct place *place)
{
    make_file(place, "f", 0666, "text");
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    MUST(move(place, "f", "h"));
    EQUAL(look(place, "g").st_nlink, 2);
    EQUAL(look(place, "h").st_ino, look(place, "g").st_ino);
}

static void letter_case(struct place *place)
{
    make_file(place, "name", 0666, "text");
    MUST(move(place, "name", "Name"));
    HOLDS(!exists(place, "name"));
    check_content(place, "Name", "text");
}

static void missing_source(struct place *place)
{
    make_file(place, "g", 0666, "text");
    FAILS(move(place, "none", "g"), ENOENT);
    check_content(place, "g", "text");
}

static void missing_directory(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(move(place, "f", "none/f"), ENOENT);
    HOLDS(exists(place, "f"));
}

static void empty_path(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(move(place, "", "g"), ENOENT);
    FAILS(move(place, "f", ""), ENOENT);
}

static void from_below_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(move(place, "f/x", "g"), ENOTDIR);
}

static void to_below_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_file(place, "g", 0666, NULL);
    FAILS(move(place, "f", "g/x"), ENOTDIR);
    HOLDS(exists(place, "f"));
}

static void slash_after_old(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(move(place, "f/", "g"), ENOTDIR);
    HOLDS(exists(place, "f"));
}

static void slash_after_new(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS_EITHER(move(place, "f", "g/"), ENOTDIR, ENOENT);
    HOLDS(exists(place, "f"));
    HOLDS(!exists(place, "g"));
}

static void long_names(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(move(place, "f", long_name(256)), ENAMETOOLONG);
    FAILS(move(place, long_name(256), "g"), ENAMETOOLONG);
    MUST(move(place, "f", long_name(255)));
    MUST(move(place, long_name(255), "g"));
    HOLDS(exists(place, "g"));
}

static void loop(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "l", "l");
    FAILS(move(place, "l/f", "g"), ELOOP);
    FAILS(move(place, "f", "l/f"), ELOOP);
}

static void symbolic_link(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    MUST(move(place, "l", "m"));
    HOLDS(S_ISLNK(look(place, "m").st_mode));
    HOLDS(exists(place, "f"));
}

static void over_symbolic_link(struct place *place)
{
    make_file(place, "f", 0666, "one");
    make_file(place, "g", 0666, "two");
    make_symlink(place, "g", "l");
    MUST(move(place, "f", "l"));
    HOLDS(S_ISREG(look(place, "l").st_mode));
    check_content(place, "l", "one");
    check_content(place, "g", "two");
}

static void symbolic_link_over_file(struct place *place)
{
    make_file(place, "f", 0666, "text");
    make_symlink(place, "none", "l");
    MUST(move(place, "l", "f"));
    HOLDS(S_ISLNK(look(place, "f").st_mode));
}

static void symbolic_link_over_its_target(struct place *place)
{
    make_file(place, "f", 0666, "text");
    make_symlink(place, "f", "l");
    MUST(move(place, "l", "f"));
    FAILS(openat(place->fd, "f", O_RDONLY), ELOOP);
}

static void file_over_directory(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0755);
    FAILS(move(place, "f", "d"), EISDIR);
    HOLDS(exists(place, "f"));
}

static void fifo_rule(struct place *place)
{
    char byte = 0;
    make_fifo(place, "p", 0666);
    int fd = open_at(place, "p", O_RDWR);
    MUST(move(place, "p", "q"));
    EQUAL(write(fd, "x", 1), 1);
    EQUAL(read(open_at(place, "q", O_RDWR), &byte, 1), 1);
}

static void fifo_over_file(struct place *place)
{
    make_fifo(place, "p", 0666);
    make_file(place, "f", 0666, NULL);
    MUST(mknodat(place->fd, "s", S_IFSOCK | 0666, 0));
    MUST(move(place, "p", "f"));
    HOLDS(S_ISFIFO(look(place, "f").st_mode));
    MUST(move(place, "s", "f"));
    HOLDS(S_ISSOCK(look(place, "f").st_mode));
    EQUAL(count_entries(place, "."), 1);
}

static void two_descriptors(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "b", 0755);
    make_file(place, "a/f", 0666, NULL);
    int a = open_at(place, "a", O_RDONLY | O_DIRECTORY), b = open_at(place, "b", O_RDONLY);
    MUST(renameat(a, "f", b, "g"));
    HOLDS(exists(place, "b/g"));
}

static void bad_descriptor(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(renameat(1000000, "f", place->fd, "g"), EBADF);
    FAILS(renameat(place->fd, "f", 1000000, "g"), EBADF);
}

static void descriptor_of_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = open_at(place, "f", O_RDONLY);
    FAILS(renameat(fd, "f", place->fd, "g"), ENOTDIR);
    FAILS(renameat(place->fd, "f", fd, "g"), ENOTDIR);
}

static void other_file_system(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(renameat(place->fd, "f", AT_FDCWD, "/proc/self/f"), EXDEV);
    HOLDS(exists(place, "f"));
}

static void to_removed_directory(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(unlinkat(place->fd, "d", AT_REMOVEDIR));
    FAILS(renameat(place->fd, "f", fd, "f"), ENOENT);
    HOLDS(exists(place, "f"));
}

static void back_and_forth(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "f", 0666, "text");
    for (int i = 0; i < 50; i++) {
        MUST(move(place, "f", "d/f"));
        MUST(move(place, "d/f", "f"));
    }
    check_content(place, "f", "text");
    EQUAL(count_entries(place, "d"), 0);
}

static void listed_once(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_file(place, "g", 0666, NULL);
    EQUAL(count_entries(place, "."), 2);
    MUST(move(place, "f", "g"));
    EQUAL(count_entries(place, "."), 1);
}

static const struct rule rules[] = {
    {"new-name", "the file is under its new name, and not under the old",
     "POSIX rename, DESCRIPTION", new_name},
    {"modification-time", "a rename leaves the file's time of modification",
     "POSIX rename, DESCRIPTION", modification_time},
    {"directory-times", "a rename updates its directory's times of modification and change",
     "POSIX rename, DESCRIPTION", directory_times},
    {"both-directories-times", "a rename from one directory to another updates the times of both",
     "POSIX rename, DESCRIPTION", both_directories_times},
    {"other-directory", "a file moves to another directory as it is", "POSIX rename, DESCRIPTION",
     other_directory},
    {"replaces", "a file of the new name is replaced", "POSIX rename, DESCRIPTION", replaces},
    {"replaced-links", "the file that is replaced has one link less, and a new time of change",
     "POSIX rename, DESCRIPTION", replaced_links},
    {"replaced-open", "a file that is replaced stays as long as it is open",
     "POSIX rename, DESCRIPTION", replaced_open},
    {"replaced-read-only", "the mode of the file that is replaced does not matter",
     "POSIX rename, EACCES (of directories only)", replaced_read_only},
    {"never-missing", "while a name is replaced again and again, who opens it always finds a file",
     "POSIX rename, DESCRIPTION (remains visible)", never_missing},
    {"same-name", "a file renamed to its own name stays, and rename succeeds",
     "POSIX rename, DESCRIPTION", same_name},
    {"two-names-of-one", "when both names are links to one file nothing happens, successfully",
     "POSIX rename, DESCRIPTION", two_names_of_one},
    {"two-names-in-directories", "the same for links in different directories",
     "POSIX rename, DESCRIPTION", two_names_in_directories},
    {"one-of-two-names", "a rename of one of a file's names leaves the other",
     "POSIX rename, DESCRIPTION", one_of_two_names},
    {"letter-case", "names that differ by case only are two", "POSIX 3.170 filename", letter_case},
    {"missing-source", "a file that is not there is ENOENT, and nothing is replaced",
     "POSIX rename, ENOENT", missing_source},
    {"missing-directory", "a new name in a directory that is not there is ENOENT",
     "POSIX rename, ENOENT", missing_directory},
    {"empty-path", "either path empty is ENOENT", "POSIX rename, ENOENT", empty_path},
    {"from-below-file", "an old name below a regular file is ENOTDIR", "POSIX rename, ENOTDIR",
     from_below_file},
    {"to-below-file", "a new name below a regular file is ENOTDIR", "POSIX rename, ENOTDIR",
     to_below_file},
    {"slash-after-old", "a regular file's old name with a slash after it is ENOTDIR",
     "POSIX rename, ENOTDIR", slash_after_old},
    {"slash-after-new", "a regular file gets no new name with a slash after it",
     "POSIX rename, ENOTDIR or ENOENT", slash_after_new},
    {"long-names", "names of 255 bytes can be renamed, one of 256 is ENAMETOOLONG either way",
     "POSIX rename, ENAMETOOLONG", long_names},
    {"loop", "a path through a loop of symbolic links is ELOOP, either way", "POSIX rename, ELOOP",
     loop},
    {"symbolic-link", "a symbolic link is renamed itself, not what it names",
     "POSIX rename, DESCRIPTION", symbolic_link},
    {"over-symbolic-link", "a file replaces a symbolic link itself, not what it names",
     "POSIX rename, DESCRIPTION", over_symbolic_link},
    {"symbolic-link-over-file", "a symbolic link replaces a file", "POSIX rename, DESCRIPTION",
     symbolic_link_over_file},
    {"symbolic-link-over-its-target", "a symbolic link can replace the file that it names",
     "POSIX rename, DESCRIPTION", symbolic_link_over_its_target},
    {"file-over-directory", "a file replaces no directory", "POSIX rename, EISDIR",
     file_over_directory},
    {"fifo", "a fifo is renamed, and who has it open keeps the pipe", "POSIX rename, DESCRIPTION",
     fifo_rule},
    {"fifo-over-file", "files of other types replace each other too", "POSIX rename, DESCRIPTION",
     fifo_over_file},
    {"two-descriptors", "the directories of both paths can be given by descriptors",
     "POSIX renameat, DESCRIPTION", two_descriptors},
    {"bad-descriptor", "a descriptor that is not open is EBADF, for either path",
     "POSIX renameat, EBADF", bad_descriptor},
    {"descriptor-of-file", "a regular file's descriptor is ENOTDIR, for either path",
     "POSIX renameat, ENOTDIR", descriptor_of_file},
    {"other-file-system", "a file does not move to another file system", "POSIX rename, EXDEV",
     other_file_system},
    {"to-removed-directory", "nothing moves into a directory that was removed",
     "POSIX rename, ENOENT", to_removed_directory},
    {"back-and-forth", "after a hundred renames there and back there is one file",
     "POSIX rename, DESCRIPTION", back_and_forth},
    {"listed-once", "after a rename over another name a listing has it once",
     "POSIX rename; readdir", listed_once},
};

const struct subject subject_rename = {"rename", rules, sizeof rules / sizeof rules[0]};
