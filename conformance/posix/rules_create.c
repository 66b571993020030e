/*
 * Rules of making files by O_CREAT, O_EXCL and O_TMPFILE: mode, owner, times, and who wins.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int create(const struct place *place, const char *name, mode_t mode)
{
    return (int)MUST(openat(place->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
}

/* A file without a name, in the rule's directory. */
static int create_unnamed(const struct place *place, int flags, mode_t mode)
{
    return (int)MUST(openat(place->fd, ".", O_TMPFILE | O_CLOEXEC | flags, mode));
}

static int link_unnamed(const struct place *place, int fd, const char *name)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, place->fd, name, AT_SYMLINK_FOLLOW);
}

static void regular_empty(struct place *place)
{
    struct stat made = look_fd((int)MUST(openat(place->fd, "f", O_RDWR | O_CREAT, 0666)));
    HOLDS(S_ISREG(made.st_mode));
    EQUAL(made.st_size, 0);
    EQUAL(made.st_nlink, 1);
    EQUAL(made.st_ino, look(place, "f").st_ino);
}

static void existing_kept(struct place *place)
{
    make_file(place, "f", 0640, "text");
    MUST(openat(place->fd, "f", O_RDWR | O_CREAT, 0777));
    EQUAL(look(place, "f").st_mode & 07777, 0640);
    check_content(place, "f", "text");
}

static void existing_parent_times(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    struct stat before = look(place, ".");
    pass_time(place);
    MUST(openat(place->fd, "f", O_RDWR | O_CREAT, 0666));
    HOLDS(compare_times(look(place, ".").st_mtim, before.st_mtim) == 0);
}

static void new_times(struct place *place)
{
    struct stat before = look(place, ".");
    pass_time(place);
    make_file(place, "f", 0666, NULL);
    struct stat made = look(place, "f");
    HOLDS(compare_times(made.st_atim, before.st_mtim) > 0);
    HOLDS(compare_times(made.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(made.st_ctim, before.st_mtim) > 0);
}

static void parent_times(struct place *place)
{
    struct stat before = look(place, ".");
    pass_time(place);
    make_file(place, "f", 0666, NULL);
    struct stat after = look(place, ".");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void mode_exact(struct place *place)
{
    create(place, "f", 0751);
    EQUAL(look(place, "f").st_mode & 07777, 0751);
}

static void mode_none(struct place *place)
{
    create(place, "f", 0);
    EQUAL(look(place, "f").st_mode & 07777, 0);
}

static void mode_umask(struct place *place)
{
    umask(027);
    create(place, "f", 0666);
    EQUAL(look(place, "f").st_mode & 07777, 0640);
}

static void mode_umask_all(struct place *place)
{
    umask(0777);
    int fd = create(place, "f", 0666);
    EQUAL(write(fd, "text", 4), 4);
    EQUAL(look(place, "f").st_mode & 07777, 0);
}

static void mode_setuid(struct place *place)
{
    create(place, "f", 04755);
    EQUAL(look(place, "f").st_mode & 07777, 04755);
}

static void mode_not_its_own(struct place *place)
{
    int fd = create(place, "f", 0444);
    EQUAL(write(fd, "text", 4), 4);
    check_content(place, "f", "text");
}

static void owner(struct place *place)
{
    MUST(setegid(GROUP_A));
    MUST(seteuid(USER_A));
    create(place, "f", 0600);
    EQUAL(look(place, "f").st_uid, USER_A);
    EQUAL(look(place, "f").st_gid, GROUP_A);
}

static void excl_new(struct place *place)
{
    MUST(openat(place->fd, "f", O_RDONLY | O_CREAT | O_EXCL, 0600));
    HOLDS(exists(place, "f"));
}

static void excl_file(struct place *place)
{
    make_file(place, "f", 0666, "text");
    FAILS(openat(place->fd, "f", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
    check_content(place, "f", "text");
}

static void excl_truncate(struct place *place)
{
    make_file(place, "f", 0666, "text");
    FAILS(openat(place->fd, "f", O_RDWR | O_CREAT | O_EXCL | O_TRUNC, 0666), EEXIST);
    check_content(place, "f", "text");
}

static void excl_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS(openat(place->fd, "d", O_RDONLY | O_CREAT | O_EXCL, 0666), EEXIST);
}

static void excl_fifo(struct place *place)
{
    make_fifo(place, "p", 0666);
    FAILS(openat(place->fd, "p", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
}

static void excl_link(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_symlink(place, "f", "l");
    FAILS(openat(place->fd, "l", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
}

static void excl_dangling(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(openat(place->fd, "l", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
    HOLDS(!exists(place, "none"));
}

static void excl_one_winner(struct place *place)
{
    enum { PROCESSES = 3, NAMES = 40 };
    int won = 0;
    for (int i = 0; i < PROCESSES; i++) {
        if (MUST(fork()) == 0) {
            int mine = 0;
            for (int k = 0; k < NAMES; k++) {
                char name[16];
                (void)snprintf(name, sizeof name, "f%d", k);
                int fd = openat(place->fd, name, O_RDWR | O_CREAT | O_EXCL, 0666);
                mine += fd >= 0;
                if (fd < 0 && errno != EEXIST) {
                    _exit(255);
                }
                close(fd);
            }
            _exit(mine);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        MUST(wait(&status));
        HOLDS(WIFEXITED(status) && WEXITSTATUS(status) != 255);
        won += WEXITSTATUS(status);
    }
    EQUAL(won, NAMES);
}

static void existing_directory(struct place *place)
{
    make_dir(place, "d", 0777);
    FAILS(openat(place->fd, "d", O_RDONLY | O_CREAT, 0666), EISDIR);
}

static void name_with_slash(struct place *place)
{
    FAILS_EITHER(openat(place->fd, "f/", O_RDWR | O_CREAT, 0666), EISDIR, ENOENT);
    HOLDS(!exists(place, "f"));
}

static void through_dangling(struct place *place)
{
    make_dir(place, "d", 0755);
    make_symlink(place, "d/new", "l");
    MUST(openat(place->fd, "l", O_RDWR | O_CREAT, 0666));
    HOLDS(S_ISREG(look(place, "d/new").st_mode));
    HOLDS(S_ISLNK(look(place, "l").st_mode));
}

static void long_name_rule(struct place *place)
{
    create(place, long_name(255), 0666);
    HOLDS(exists(place, long_name(255)));
}

static void creat_rule(struct place *place)
{
    make_file(place, "f", 0640, "text");
    MUST(fchdir(place->fd));
    int fd = (int)MUST(creat("f", 0777));
    char byte;
    FAILS(read(fd, &byte, 1), EBADF);
    EQUAL(look(place, "f").st_size, 0);
    EQUAL(look(place, "f").st_mode & 07777, 0640);
}

static void removed_directory(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = open_at(place, "d", O_RDONLY | O_DIRECTORY);
    MUST(unlinkat(place->fd, "d", AT_REMOVEDIR));
    FAILS(openat(fd, "f", O_RDWR | O_CREAT, 0666), ENOENT);
}

static void after_enoent(struct place *place)
{
    FAILS(openat(place->fd, "f", O_RDONLY), ENOENT);
    make_file(place, "f", 0666, "text");
    check_content(place, "f", "text");
}

static void again(struct place *place)
{
    int first = create(place, "f", 0666);
    EQUAL(write(first, "old", 3), 3);
    MUST(unlinkat(place->fd, "f", 0));
    create(place, "f", 0666);
    EQUAL(look(place, "f").st_size, 0);
    HOLDS(look(place, "f").st_ino != look_fd(first).st_ino);
}

static void setgid_directory_file(struct place *place)
{
    make_dir(place, "d", 0777);
    MUST(fchownat(place->fd, "d", 0, GROUP_B, 0));
    MUST(fchmodat(place->fd, "d", 02777, 0));
    create(place, "d/f", 0666);
    EQUAL(look(place, "d/f").st_gid, GROUP_B);
}

static void setgid_directory_mode(struct place *place)
{
    make_dir(place, "d", 0777);
    MUST(fchmodat(place->fd, "d", 02777, 0));
    create(place, "d/f", 0755);
    EQUAL(look(place, "d/f").st_mode & 07777, 0755);
}

static void setgid_directory_directory(struct place *place)
{
    make_dir(place, "d", 0777);
    MUST(fchownat(place->fd, "d", 0, GROUP_B, 0));
    MUST(fchmodat(place->fd, "d", 02777, 0));
    make_dir(place, "d/e", 0755);
    EQUAL(look(place, "d/e").st_gid, GROUP_B);
    EQUAL(look(place, "d/e").st_mode & 07777, 02755);
}

static void setgid_directory_others(struct place *place)
{
    make_dir(place, "d", 0777);
    MUST(fchownat(place->fd, "d", 0, GROUP_B, 0));
    MUST(fchmodat(place->fd, "d", 02777, 0));
    make_fifo(place, "d/p", 0666);
    make_symlink(place, "none", "d/l");
    EQUAL(look(place, "d/p").st_gid, GROUP_B);
    EQUAL(look(place, "d/l").st_gid, GROUP_B);
}

static void plain_directory_group(struct place *place)
{
    make_dir(place, "d", 0777);
    MUST(fchownat(place->fd, "d", 0, GROUP_B, 0));
    create(place, "d/f", 0666);
    EQUAL(look(place, "d/f").st_gid, 0);
}

static void tmpfile_no_name(struct place *place)
{
    int fd = create_unnamed(place, O_RDWR, 0600);
    HOLDS(S_ISREG(look_fd(fd).st_mode));
    EQUAL(look_fd(fd).st_nlink, 0);
    EQUAL(count_entries(place, "."), 0);
}

static void tmpfile_content(struct place *place)
{
    int fd = create_unnamed(place, O_RDWR, 0600);
    write_pattern(fd, 0, 100000);
    check_pattern(fd, 0, 100000);
}

static void tmpfile_mode(struct place *place)
{
    umask(022);
    EQUAL(look_fd(create_unnamed(place, O_RDWR, 0666)).st_mode & 07777, 0644);
}

static void tmpfile_linked(struct place *place)
{
    int fd = create_unnamed(place, O_RDWR, 0640);
    EQUAL(write(fd, "text", 4), 4);
    MUST(link_unnamed(place, fd, "f"));
    EQUAL(look_fd(fd).st_nlink, 1);
    EQUAL(look(place, "f").st_ino, look_fd(fd).st_ino);
    EQUAL(look(place, "f").st_mode & 07777, 0640);
    check_content(place, "f", "text");
}

static void tmpfile_linked_empty_path(struct place *place)
{
    int fd = create_unnamed(place, O_RDWR, 0600);
    MUST(linkat(fd, "", place->fd, "f", AT_EMPTY_PATH));
    EQUAL(look(place, "f").st_ino, look_fd(fd).st_ino);
}

static void tmpfile_linked_over(struct place *place)
{
    make_file(place, "f", 0666, "old");
    int fd = create_unnamed(place, O_RDWR, 0600);
    FAILS(link_unnamed(place, fd, "f"), EEXIST);
    check_content(place, "f", "old");
}

static void tmpfile_excl(struct place *place)
{
    int fd = create_unnamed(place, O_RDWR | O_EXCL, 0600);
    FAILS(link_unnamed(place, fd, "f"), ENOENT);
}

static void tmpfile_rdonly(struct place *place)
{
    FAILS(openat(place->fd, ".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
}

static void tmpfile_on_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(openat(place->fd, "f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

static void tmpfile_missing(struct place *place)
{
    FAILS(openat(place->fd, "none", O_TMPFILE | O_RDWR, 0600), ENOENT);
}

static void tmpfile_group(struct place *place)
{
    make_dir(place, "d", 0777);
    MUST(fchownat(place->fd, "d", 0, GROUP_B, 0));
    MUST(fchmodat(place->fd, "d", 02777, 0));
    int fd = (int)MUST(openat(place->fd, "d", O_TMPFILE | O_RDWR, 0600));
    EQUAL(look_fd(fd).st_gid, GROUP_B);
}

static void tmpfile_directory_removed(struct place *place)
{
    make_dir(place, "d", 0755);
    int fd = (int)MUST(openat(place->fd, "d", O_TMPFILE | O_RDWR, 0600));
    MUST(unlinkat(place->fd, "d", AT_REMOVEDIR));
    EQUAL(write(fd, "text", 4), 4);
    EQUAL(look_fd(fd).st_size, 4);
}

static const struct rule rules[] = {
    {"regular-empty", "O_CREAT makes a regular file of no bytes and one link",
     "POSIX open, O_CREAT", regular_empty},
    {"existing-kept", "O_CREAT on a file that is there opens it: content and mode stay",
     "POSIX open, O_CREAT", existing_kept},
    {"existing-parent-times",
     "O_CREAT on a file that is there does not touch the directory's times", "POSIX open, O_CREAT",
     existing_parent_times},
    {"new-times", "a new file's three times are of its creation", "POSIX open, O_CREAT", new_times},
    {"parent-times", "a new file updates its directory's times of modification and change",
     "POSIX open, O_CREAT", parent_times},
    {"mode-exact", "with umask 0 the mode is the one that was asked for", "POSIX open, O_CREAT",
     mode_exact},
    {"mode-none", "a file can be made with no permission at all", "POSIX open, O_CREAT", mode_none},
    {"mode-umask", "the umask takes bits from a new file's mode", "POSIX open, O_CREAT; umask",
     mode_umask},
    {"mode-umask-all", "a umask of 0777 leaves nothing of the mode, and the descriptor works",
     "POSIX open, O_CREAT; umask", mode_umask_all},
    {"mode-setuid", "set-user-ID in the mode of a new file is kept", "open(2), S_ISUID",
     mode_setuid},
    {"mode-not-its-own", "the mode of a new file does not restrict the descriptor that made it",
     "POSIX open, O_CREAT", mode_not_its_own},
    {"owner", "a new file belongs to the effective user and group", "POSIX open, O_CREAT", owner},
    {"excl-new", "O_CREAT with O_EXCL makes what is not there", "POSIX open, O_EXCL", excl_new},
    {"excl-file", "O_CREAT with O_EXCL on a file is EEXIST", "POSIX open, O_EXCL", excl_file},
    {"excl-truncate", "O_TRUNC with O_EXCL truncates nothing when the file is there",
     "POSIX open, O_EXCL", excl_truncate},
    {"excl-directory", "O_CREAT with O_EXCL on a directory is EEXIST", "POSIX open, O_EXCL",
     excl_directory},
    {"excl-fifo", "O_CREAT with O_EXCL on a fifo is EEXIST, without waiting", "POSIX open, O_EXCL",
     excl_fifo},
    {"excl-link", "O_CREAT with O_EXCL does not follow a symbolic link", "POSIX open, O_EXCL",
     excl_link},
    {"excl-dangling", "O_CREAT with O_EXCL does not make the target of a symbolic link",
     "POSIX open, O_EXCL", excl_dangling},
    {"excl-one-winner", "of processes that make a file with O_EXCL at the same time one succeeds",
     "POSIX open, O_EXCL (atomic)", excl_one_winner},
    {"existing-directory", "O_CREAT on a directory is EISDIR, for reading too",
     "POSIX open, EISDIR; open(2) EISDIR", existing_directory},
    {"name-with-slash", "O_CREAT makes no file from a name with a slash after it",
     "POSIX open, EISDIR, ENOENT or ENOTDIR", name_with_slash},
    {"through-dangling", "O_CREAT through a link that leads nowhere makes what it names",
     "POSIX open, O_CREAT", through_dangling},
    {"long-name", "a name of 255 bytes can be made", "POSIX limits.h, NAME_MAX; XFS and ext4: 255",
     long_name_rule},
    {"creat", "creat() empties a file that is there and opens it for writing only", "POSIX creat",
     creat_rule},
    {"removed-directory", "nothing is made in a directory that was removed", "POSIX open, ENOENT",
     removed_directory},
    {"after-enoent", "a name that was just missing is found once it is made", "POSIX open, O_CREAT",
     after_enoent},
    {"again", "a name that was removed can be made anew, as another file",
     "POSIX open, O_CREAT; unlink", again},
    {"setgid-directory-file", "a file in a directory with set-group-ID has the directory's group",
     "POSIX open, O_CREAT; open(2) BSD group semantics", setgid_directory_file},
    {"setgid-directory-mode",
     "a file in a directory with set-group-ID does not get that bit itself", "inode(7), S_ISGID",
     setgid_directory_mode},
    {"setgid-directory-directory",
     "a directory in one with set-group-ID has its group and that bit",
     "mkdir(2), inode(7) S_ISGID", setgid_directory_directory},
    {"setgid-directory-others",
     "fifos and symbolic links in a directory with set-group-ID have its group",
     "inode(7), S_ISGID", setgid_directory_others},
    {"plain-directory-group", "in a directory without set-group-ID the group is the process's",
     "open(2), System V group semantics", plain_directory_group},
    {"tmpfile-no-name", "O_TMPFILE makes a file that no directory names", "open(2), O_TMPFILE",
     tmpfile_no_name},
    {"tmpfile-content", "an unnamed file is written and read as any other", "open(2), O_TMPFILE",
     tmpfile_content},
    {"tmpfile-mode", "an unnamed file's mode is subject to the umask", "open(2), O_TMPFILE",
     tmpfile_mode},
    {"tmpfile-linked", "an unnamed file can be given a name, once it is complete",
     "open(2), O_TMPFILE; linkat(2)", tmpfile_linked},
    {"tmpfile-linked-empty-path",
     "with the capability an unnamed file is named by its descriptor alone",
     "linkat(2), AT_EMPTY_PATH", tmpfile_linked_empty_path},
    {"tmpfile-linked-over", "naming an unnamed file replaces nothing", "linkat(2), EEXIST",
     tmpfile_linked_over},
    {"tmpfile-excl", "an unnamed file made with O_EXCL can never be named",
     "open(2), O_TMPFILE with O_EXCL", tmpfile_excl},
    {"tmpfile-rdonly", "O_TMPFILE for reading only is EINVAL", "open(2), EINVAL", tmpfile_rdonly},
    {"tmpfile-on-file", "O_TMPFILE needs a directory", "open(2), ENOTDIR", tmpfile_on_file},
    {"tmpfile-missing", "O_TMPFILE in a directory that is not there is ENOENT", "open(2), ENOENT",
     tmpfile_missing},
    {"tmpfile-group", "an unnamed file in a directory with set-group-ID has the directory's group",
     "open(2), O_TMPFILE; inode(7) S_ISGID", tmpfile_group},
    {"tmpfile-directory-removed", "a directory in which an unnamed file was made can be removed",
     "open(2), O_TMPFILE", tmpfile_directory_removed},
};

const struct subject subject_create = {"create", rules, sizeof rules / sizeof rules[0]};
