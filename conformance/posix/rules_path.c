/*
 * Rules of path resolution, and of what a name may be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int stat_of(const struct place *place, const char *name, struct stat *out)
{
    return fstatat(place->fd, name, out, 0);
}

/* A listing of the rule's directory has exactly this name. */
static void check_listed(const struct place *place, const char *name)
{
    DIR *stream = fdopendir(open_at(place, ".", O_RDONLY | O_DIRECTORY));
    struct dirent *entry;
    int seen = 0;

    HOLDS(stream != NULL);
    while ((entry = readdir(stream)) != NULL) {
        seen += strcmp(entry->d_name, name) == 0;
    }
    EQUAL(seen, 1);
    closedir(stream);
}

/* The name can be made, looked up, listed, renamed away and back, and removed. */
static void check_name(const struct place *place, const char *name)
{
    make_file(place, name, 0666, "text");
    check_content(place, name, "text");
    check_listed(place, name);
    MUST(renameat(place->fd, name, place->fd, "other"));
    HOLDS(!exists(place, name));
    MUST(renameat(place->fd, "other", place->fd, name));
    MUST(unlinkat(place->fd, name, 0));
    EQUAL(count_entries(place, "."), 0);
}

static void dot(struct place *place)
{
    struct stat found;
    MUST(stat_of(place, ".", &found));
    EQUAL(found.st_ino, look_fd(place->fd).st_ino);
}

static void dot_between(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, NULL);
    EQUAL(look(place, "./d/././f").st_ino, look(place, "d/f").st_ino);
}

static void dot_dot(struct place *place)
{
    make_dir(place, "d", 0755);
    make_dir(place, "d/e", 0755);
    make_file(place, "f", 0666, NULL);
    EQUAL(look(place, "d/e/../../f").st_ino, look(place, "f").st_ino);
}

static void dot_dot_of_link(struct place *place)
{
    make_dir(place, "a", 0755);
    make_dir(place, "a/b", 0755);
    make_file(place, "a/f", 0666, "inner");
    make_file(place, "f", 0666, "outer");
    make_symlink(place, "a/b", "l");
    check_content(place, "l/../f", "inner");
}

static void dot_dot_of_missing(struct place *place)
{
    struct stat found;
    FAILS(stat_of(place, "none/..", &found), ENOENT);
}

static void dot_of_file(struct place *place)
{
    struct stat found;
    make_file(place, "f", 0666, NULL);
    FAILS(stat_of(place, "f/.", &found), ENOTDIR);
}

static void dot_dot_of_file(struct place *place)
{
    struct stat found;
    make_file(place, "f", 0666, NULL);
    FAILS(stat_of(place, "f/..", &found), ENOTDIR);
}

static void dot_dot_of_fifo(struct place *place)
{
    struct stat found;
    make_fifo(place, "p", 0666);
    FAILS(stat_of(place, "p/..", &found), ENOTDIR);
}

static void many_slashes(struct place *place)
{
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, NULL);
    EQUAL(look(place, "d////f").st_ino, look(place, "d/f").st_ino);
}

static void slash_after_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    EQUAL(look(place, "d/").st_ino, look(place, "d").st_ino);
}

static void slash_after_file(struct place *place)
{
    struct stat found;
    make_file(place, "f", 0666, NULL);
    FAILS(stat_of(place, "f/", &found), ENOTDIR);
}

static void slash_after_missing(struct place *place)
{
    struct stat found;
    FAILS(stat_of(place, "none/", &found), ENOENT);
}

static void slash_after_link_to_file(struct place *place)
{
    struct stat found;
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    FAILS(stat_of(place, "l/", &found), ENOTDIR);
}

static void empty(struct place *place)
{
    struct stat found;
    FAILS(stat_of(place, "", &found), ENOENT);
}

static void empty_by_descriptor(struct place *place)
{
    struct stat found;
    make_file(place, "f", 0666, "text");
    MUST(fstatat(open_at(place, "f", O_RDONLY), "", &found, AT_EMPTY_PATH));
    EQUAL(found.st_size, 4);
}

static void name_255(struct place *place)
{
    make_file(place, long_name(255), 0666, "text");
    check_content(place, long_name(255), "text");
    check_listed(place, long_name(255));
}

static void name_256(struct place *place)
{
    struct stat found;
    FAILS(stat_of(place, long_name(256), &found), ENAMETOOLONG);
}

static void name_256_between(struct place *place)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/f", long_name(256));
    FAILS(openat(place->fd, path, O_RDONLY), ENAMETOOLONG);
}

static void names_255_apart(struct place *place)
{
    char name[256];
    (void)snprintf(name, sizeof name, "%s", long_name(255));
    make_file(place, name, 0666, "one");
    name[254] = 'm';
    make_file(place, name, 0666, "two");
    check_content(place, long_name(255), "one");
    EQUAL(count_entries(place, "."), 2);
}

static void name_1(struct place *place)
{
    check_name(place, "~");
    check_name(place, "\x7f");
}

static void name_255_of_multibyte(struct place *place)
{
    char name[256] = "";
    for (int i = 0; i < 85; i++) {
        (void)snprintf(name + 3 * i, 4, "\xe3\x81\x82");
    }
    check_name(place, name);
}

static void name_not_utf8(struct place *place)
{
    check_name(place, "\xff\xfe\x80 \xc0\xaf");
}

static void name_control(struct place *place)
{
    check_name(place, "a\nb\tc\x01\x1b[0m");
}

static void name_punctuation(struct place *place)
{
    check_name(place, "*?[a]\\:<>|\"'`$!&;# %n");
}

static void name_dots(struct place *place)
{
    check_name(place, "...");
    check_name(place, "..a");
    check_name(place, "a.");
    check_name(place, ".a..");
}

static void name_spaces(struct place *place)
{
    make_file(place, " a ", 0666, NULL);
    HOLDS(!exists(place, "a"));
    HOLDS(!exists(place, " a"));
    check_listed(place, " a ");
}

static void name_dash(struct place *place)
{
    check_name(place, "-rf");
}

static void name_of_silly_rename(struct place *place)
{
    check_name(place, ".nfs0000000000000001");
    check_name(place, ".fuse_hidden0000000100000001");
}

static void name_device(struct place *place)
{
    check_name(place, "CON");
    check_name(place, "nul");
}

static void letter_case(struct place *place)
{
    make_file(place, "name", 0666, "small");
    make_file(place, "NAME", 0666, "large");
    check_content(place, "name", "small");
    check_content(place, "NAME", "large");
}

static void unicode_forms(struct place *place)
{
    make_file(place, "\xc3\xa9", 0666, "composed");
    make_file(place, "e\xcc\x81", 0666, "decomposed");
    check_content(place, "\xc3\xa9", "composed");
    EQUAL(count_entries(place, "."), 2);
}

static void path_4095(struct place *place)
{
    char path[PATH_MAX];
    make_file(place, "f", 0666, "text");
    for (size_t i = 0; i + 2 < sizeof path; i++) {
        path[i] = i % 2 == 0 ? '.' : '/';
    }
    (void)snprintf(path + PATH_MAX - 2, 2, "f");
    EQUAL((long)strlen(path), PATH_MAX - 1);
    check_content(place, path, "text");
}

static void path_4096(struct place *place)
{
    char path[PATH_MAX + 1];
    struct stat found;
    for (size_t i = 0; i < PATH_MAX; i++) {
        path[i] = i % 2 == 0 ? '.' : '/';
    }
    path[PATH_MAX] = '\0';
    FAILS(stat_of(place, path, &found), ENAMETOOLONG);
}

static void deeper_than_path_max(struct place *place)
{
    int fd = place->fd;
    for (int i = 0; i < 20; i++) {
        MUST(mkdirat(fd, long_name(250), 0755));
        fd = (int)MUST(openat(fd, long_name(250), O_RDONLY | O_DIRECTORY));
    }
    int file = (int)MUST(openat(fd, "f", O_RDWR | O_CREAT, 0666));
    EQUAL(write(file, "text", 4), 4);
    struct stat found;
    MUST(fstatat(fd, "f", &found, 0));
    EQUAL(found.st_size, 4);
}

static void limit_of_names(struct place *place)
{
    EQUAL(MUST(fpathconf(place->fd, _PC_NAME_MAX)), 255);
}

static void limit_in_statvfs(struct place *place)
{
    struct statvfs info;
    MUST(fstatvfs(place->fd, &info));
    EQUAL((long)info.f_namemax, 255);
}

static void no_truncation(struct place *place)
{
    HOLDS(fpathconf(place->fd, _PC_NO_TRUNC) != -1);
}

static void chdir_rule(struct place *place)
{
    struct stat found;
    make_dir(place, "d", 0755);
    make_file(place, "d/f", 0666, NULL);
    MUST(fchdir(place->fd));
    MUST(chdir("d"));
    MUST(stat("f", &found));
    EQUAL(found.st_ino, look(place, "d/f").st_ino);
}

static void chdir_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(fchdir(place->fd));
    FAILS(chdir("f"), ENOTDIR);
}

static void chdir_through_link(struct place *place)
{
    struct stat found;
    make_dir(place, "a", 0755);
    make_dir(place, "a/b", 0755);
    make_symlink(place, "a/b", "l");
    MUST(fchdir(place->fd));
    MUST(chdir("l"));
    MUST(stat("..", &found));
    EQUAL(found.st_ino, look(place, "a").st_ino);
}

static void getcwd_rule(struct place *place)
{
    char path[PATH_MAX];
    struct stat found;
    make_dir(place, "d", 0755);
    MUST(fchdir(open_at(place, "d", O_RDONLY | O_DIRECTORY)));
    HOLDS(getcwd(path, sizeof path) != NULL);
    MUST(stat(path, &found));
    EQUAL(found.st_ino, look(place, "d").st_ino);
}

static void realpath_rule(struct place *place)
{
    char path[PATH_MAX], want[PATH_MAX + 8];
    make_dir(place, "d", 0755);
    make_dir(place, "d/e", 0755);
    make_symlink(place, "d/e", "l");
    MUST(fchdir(place->fd));
    HOLDS(realpath("./l/../e/.", path) != NULL);
    (void)snprintf(want, sizeof want, "%s/d/e", place->path);
    HOLDS(strcmp(path, want) == 0);
}

static void seen_by_others(struct place *place)
{
    for (int i = 0; i < 20; i++) {
        char name[16];
        int status;
        (void)snprintf(name, sizeof name, "f%d", i);
        HOLDS(!exists(place, name));
        if (MUST(fork()) == 0) {
            _exit(openat(place->fd, name, O_RDWR | O_CREAT, 0666) >= 0 ? 0 : 1);
        }
        MUST(wait(&status));
        EQUAL(status, 0);
        HOLDS(exists(place, name));
    }
}

static void removed_by_others(struct place *place)
{
    for (int i = 0; i < 20; i++) {
        int status;
        make_file(place, "f", 0666, NULL);
        HOLDS(exists(place, "f"));
        if (MUST(fork()) == 0) {
            _exit(unlinkat(place->fd, "f", 0) == 0 ? 0 : 1);
        }
        MUST(wait(&status));
        EQUAL(status, 0);
        HOLDS(!exists(place, "f"));
    }
}

static void one_device(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_file(place, "g", 0666, NULL);
    make_dir(place, "d", 0755);
    EQUAL(look(place, "f").st_dev, look_fd(place->fd).st_dev);
    EQUAL(look(place, "d").st_dev, look_fd(place->fd).st_dev);
    HOLDS(look(place, "f").st_ino != look(place, "g").st_ino);
    HOLDS(look(place, "f").st_ino != look(place, "d").st_ino);
}

static const struct rule rules[] = {
    {"dot", "dot is the directory itself", "POSIX 4.13 pathname resolution", dot},
    {"dot-between", "dots between slashes change nothing", "POSIX 4.13 pathname resolution",
     dot_between},
    {"dot-dot", "dot-dot is the parent", "POSIX 4.13 pathname resolution", dot_dot},
    {"dot-dot-of-link", "dot-dot after a symbolic link is the parent of what the link names",
     "POSIX 4.13 pathname resolution", dot_dot_of_link},
    {"dot-dot-of-missing", "dot-dot does not undo a directory that is not there",
     "POSIX 4.13 pathname resolution", dot_dot_of_missing},
    {"dot-of-file", "dot below a regular file is ENOTDIR", "POSIX 4.13 pathname resolution",
     dot_of_file},
    {"dot-dot-of-file", "dot-dot below a regular file is ENOTDIR", "POSIX 4.13 pathname resolution",
     dot_dot_of_file},
    {"dot-dot-of-fifo", "dot-dot below a fifo is ENOTDIR", "POSIX 4.13 pathname resolution",
     dot_dot_of_fifo},
    {"many-slashes", "several slashes are one", "POSIX 4.13 pathname resolution", many_slashes},
    {"slash-after-directory", "a slash after a directory's name is the directory",
     "POSIX 4.13 pathname resolution", slash_after_directory},
    {"slash-after-file", "a slash after a regular file's name is ENOTDIR",
     "POSIX 4.13 pathname resolution", slash_after_file},
    {"slash-after-missing", "a slash after a name that is not there is ENOENT",
     "POSIX 4.13 pathname resolution", slash_after_missing},
    {"slash-after-link-to-file", "a slash after a symbolic link to a regular file is ENOTDIR",
     "POSIX 4.13 pathname resolution", slash_after_link_to_file},
    {"empty", "the empty path is ENOENT", "POSIX 4.13 pathname resolution", empty},
    {"empty-by-descriptor", "the empty path with AT_EMPTY_PATH is what the descriptor is of",
     "stat(2), AT_EMPTY_PATH", empty_by_descriptor},
    {"name-255", "a name of 255 bytes is a name like others", "POSIX limits.h, NAME_MAX", name_255},
    {"name-256", "a name of 256 bytes is ENAMETOOLONG, not ENOENT",
     "POSIX 4.13 pathname resolution, _POSIX_NO_TRUNC", name_256},
    {"name-256-between", "a name of 256 bytes within a path is ENAMETOOLONG",
     "POSIX 4.13 pathname resolution, _POSIX_NO_TRUNC", name_256_between},
    {"names-255-apart", "names of 255 bytes that differ in the last one are two",
     "POSIX 4.13, _POSIX_NO_TRUNC", names_255_apart},
    {"name-1", "names of one byte, other than dot and slash, are names", "POSIX 3.170 filename",
     name_1},
    {"name-255-of-multibyte", "the limit of a name is in bytes: 85 letters of three bytes",
     "POSIX limits.h, NAME_MAX", name_255_of_multibyte},
    {"name-not-utf8", "a name need not be UTF-8", "POSIX 3.170 filename", name_not_utf8},
    {"name-control", "a name may have control characters and newlines", "POSIX 3.170 filename",
     name_control},
    {"name-punctuation", "a name may have what shells and other systems treat specially",
     "POSIX 3.170 filename", name_punctuation},
    {"name-dots", "names of three dots, and with dots at either end, are names like others",
     "POSIX 3.170 filename", name_dots},
    {"name-spaces", "blanks at either end of a name belong to it", "POSIX 3.170 filename",
     name_spaces},
    {"name-dash", "a name may begin with a dash", "POSIX 3.170 filename", name_dash},
    {"name-of-silly-rename", "names that some clients hide files behind can be anybody's",
     "POSIX 3.170 filename", name_of_silly_rename},
    {"name-device", "names that other systems reserve are names", "POSIX 3.170 filename",
     name_device},
    {"letter-case", "names that differ by case only are two", "POSIX 3.170 filename", letter_case},
    {"unicode-forms", "the composed and the decomposed form of a letter are two names",
     "POSIX 3.170 filename (bytes)", unicode_forms},
    {"path-4095", "a path of 4,095 bytes is resolved",
     "POSIX limits.h, PATH_MAX (with the zero byte)", path_4095},
    {"path-4096", "a path of 4,096 bytes is ENAMETOOLONG", "POSIX 4.13, ENAMETOOLONG", path_4096},
    {"deeper-than-path-max", "a file whose path is longer than PATH_MAX is reached step by step",
     "POSIX openat, RATIONALE", deeper_than_path_max},
    {"limit-of-names", "pathconf tells the limit of names that is kept",
     "POSIX fpathconf, _PC_NAME_MAX", limit_of_names},
    {"limit-in-statvfs", "statvfs tells the limit of names that is kept",
     "POSIX sys/statvfs.h, f_namemax", limit_in_statvfs},
    {"no-truncation", "pathconf tells that long names are refused", "POSIX fpathconf, _PC_NO_TRUNC",
     no_truncation},
    {"chdir", "a relative path begins at the working directory", "POSIX chdir, DESCRIPTION",
     chdir_rule},
    {"chdir-file", "a regular file is no working directory", "POSIX chdir, ENOTDIR", chdir_file},
    {"chdir-through-link", "after a chdir through a symbolic link, dot-dot is the real parent",
     "POSIX chdir; 4.13 pathname resolution", chdir_through_link},
    {"getcwd", "the path of the working directory leads to it", "POSIX getcwd, DESCRIPTION",
     getcwd_rule},
    {"realpath", "realpath resolves links and dots to the one path", "POSIX realpath, DESCRIPTION",
     realpath_rule},
    {"seen-by-others",
     "what one process makes, another finds at once, also where it just found nothing",
     "POSIX 4.13; 2.9.7 thread interactions", seen_by_others},
    {"removed-by-others", "what one process removes, another does not find any more",
     "POSIX 4.13; unlink", removed_by_others},
    {"one-device",
     "all files of a directory are on its file system, with inode numbers of their own",
     "POSIX sys/stat.h, st_dev and st_ino", one_device},
};

const struct subject subject_path = {"path", rules, sizeof rules / sizeof rules[0]};
