/*
 * Rules of stat, lstat, fstat and fstatat: what they find, and what they say of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

/* ---- types ----------------------------------------------------------------------------------- */

static void type_of_file(struct place *place)
{
    make_file(place, "file", 0600, "x");
    EQUAL(look(place, "file").st_mode, S_IFREG | 0600);
}

static void type_of_directory(struct place *place)
{
    make_dir(place, "dir", 0750);
    EQUAL(look(place, "dir").st_mode, S_IFDIR | 0750);
}

static void type_of_symlink(struct place *place)
{
    make_symlink(place, "nowhere", "link");
    EQUAL(look(place, "link").st_mode & S_IFMT, S_IFLNK);
}

static void type_of_fifo(struct place *place)
{
    make_fifo(place, "fifo", 0620);
    EQUAL(look(place, "fifo").st_mode, S_IFIFO | 0620);
}

static void type_of_socket(struct place *place)
{
    MUST(mknodat(place->fd, "socket", S_IFSOCK | 0640, 0));
    EQUAL(look(place, "socket").st_mode, S_IFSOCK | 0640);
}

static void rdev_of_character_device(struct place *place)
{
    MUST(mknodat(place->fd, "device", S_IFCHR | 0600, makedev(1, 3)));
    struct stat now = look(place, "device");
    EQUAL(now.st_mode, S_IFCHR | 0600);
    EQUAL(major(now.st_rdev), 1);
    EQUAL(minor(now.st_rdev), 3);
}

static void rdev_of_block_device(struct place *place)
{
    MUST(mknodat(place->fd, "device", S_IFBLK | 0600, makedev(259, 70000)));
    struct stat now = look(place, "device");
    EQUAL(now.st_mode, S_IFBLK | 0600);
    EQUAL(major(now.st_rdev), 259);
    EQUAL(minor(now.st_rdev), 70000);
}

/* ---- finding --------------------------------------------------------------------------------- */

static void follows_symlink(struct place *place)
{
    struct stat now;
    make_file(place, "file", 0600, "four");
    make_symlink(place, "file", "link");
    MUST(fstatat(place->fd, "link", &now, 0));
    EQUAL(now.st_ino, look(place, "file").st_ino);
    EQUAL(now.st_size, 4);
}

static void dangling_symlink(struct place *place)
{
    struct stat now;
    make_symlink(place, "nowhere", "link");
    FAILS(fstatat(place->fd, "link", &now, 0), ENOENT);
}

static void loop(struct place *place)
{
    struct stat now;
    make_symlink(place, "b", "a");
    make_symlink(place, "a", "b");
    FAILS(fstatat(place->fd, "a", &now, 0), ELOOP);
}

static void nothing_there(struct place *place)
{
    struct stat now;
    FAILS(fstatat(place->fd, "none", &now, 0), ENOENT);
    FAILS(fstatat(place->fd, "none/file", &now, 0), ENOENT);
}

static void empty_name(struct place *place)
{
    struct stat now;
    FAILS(fstatat(place->fd, "", &now, 0), ENOENT);
}

static void below_a_file(struct place *place)
{
    struct stat now;
    make_file(place, "file", 0600, NULL);
    FAILS(fstatat(place->fd, "file/below", &now, 0), ENOTDIR);
    FAILS(fstatat(place->fd, "file/..", &now, 0), ENOTDIR);
}

static void slash_behind_file(struct place *place)
{
    struct stat now;
    make_file(place, "file", 0600, NULL);
    FAILS(fstatat(place->fd, "file/", &now, 0), ENOTDIR);
}

static void slash_behind_symlink(struct place *place)
{
    struct stat now;
    make_dir(place, "dir", 0700);
    make_symlink(place, "dir", "link");
    MUST(fstatat(place->fd, "link/", &now, AT_SYMLINK_NOFOLLOW));
    HOLDS(S_ISDIR(now.st_mode));
}

static void long_names(struct place *place)
{
    struct stat now;
    FAILS(fstatat(place->fd, long_name(256), &now, 0), ENAMETOOLONG);
    FAILS(fstatat(place->fd, long_name(255), &now, 0), ENOENT);
}

static void bad_descriptor(struct place *place)
{
    struct stat now;
    (void)place;
    FAILS(fstat(-1, &now), EBADF);
    FAILS(fstatat(-1, "file", &now, 0), EBADF);
}

static void absolute_path(struct place *place)
{
    struct stat now;
    make_file(place, "file", 0600, NULL);
    MUST(fstatat(-1, path_of(place, "file"), &now, 0));
    EQUAL(now.st_ino, look(place, "file").st_ino);
}

static void descriptor_of_file(struct place *place)
{
    struct stat now;
    make_file(place, "file", 0600, NULL);
    FAILS(fstatat(open_at(place, "file", O_RDONLY), "x", &now, 0), ENOTDIR);
}

static void bad_flag(struct place *place)
{
    struct stat now;
    FAILS(fstatat(place->fd, ".", &now, 0x40000000), EINVAL);
}

static void no_automount(struct place *place)
{
    struct stat now;
    make_file(place, "file", 0640, "x");
    MUST(fstatat(place->fd, "file", &now, AT_NO_AUTOMOUNT));
    EQUAL(now.st_mode, S_IFREG | 0640);
}

static void empty_path(struct place *place)
{
    struct stat now;
    make_file(place, "file", 0640, "x");
    int fd = open_at(place, "file", O_RDONLY);
    MUST(fstatat(fd, "", &now, AT_EMPTY_PATH));
    EQUAL(now.st_ino, look(place, "file").st_ino);
}

static void path_descriptor(struct place *place)
{
    make_file(place, "file", 0, "abc");
    EQUAL(look_fd(open_at(place, "file", O_PATH)).st_size, 3);
}

static void path_descriptor_of_symlink(struct place *place)
{
    make_symlink(place, "nowhere", "link");
    struct stat now = look_fd(open_at(place, "link", O_PATH | O_NOFOLLOW));
    HOLDS(S_ISLNK(now.st_mode));
    EQUAL(now.st_ino, look(place, "link").st_ino);
}

/* ---- inode and device numbers ---------------------------------------------------------------- */

static void ino_after_rename(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_dir(place, "dir", 0700);
    ino_t ino = look(place, "file").st_ino;
    MUST(renameat(place->fd, "file", place->fd, "dir/other"));
    EQUAL(look(place, "dir/other").st_ino, ino);
}

static void ino_after_directory_rename(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_file(place, "dir/file", 0600, NULL);
    ino_t dir = look(place, "dir").st_ino;
    ino_t file = look(place, "dir/file").st_ino;
    MUST(renameat(place->fd, "dir", place->fd, "other"));
    EQUAL(look(place, "other").st_ino, dir);
    EQUAL(look(place, "other/file").st_ino, file);
}

static void ino_after_reopen(struct place *place)
{
    int fd = open_at(place, "file", O_RDWR | O_CREAT);
    ino_t ino = look_fd(fd).st_ino;
    MUST(close(fd));
    EQUAL(look_fd(open_at(place, "file", O_RDONLY)).st_ino, ino);
    EQUAL(look(place, "file").st_ino, ino);
}

static void ino_differs(struct place *place)
{
    make_file(place, "a", 0600, NULL);
    make_file(place, "b", 0600, NULL);
    make_dir(place, "c", 0700);
    ino_t a = look(place, "a").st_ino;
    ino_t b = look(place, "b").st_ino;
    ino_t c = look(place, "c").st_ino;
    HOLDS(a != b && b != c && a != c);
}

static void ino_of_links(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    make_dir(place, "dir", 0700);
    MUST(linkat(place->fd, "file", place->fd, "dir/same", 0));
    struct stat one = look(place, "file");
    struct stat two = look(place, "dir/same");
    EQUAL(one.st_ino, two.st_ino);
    EQUAL(one.st_dev, two.st_dev);
}

static void ino_of_dots(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_dir(place, "dir/sub", 0700);
    ino_t ino = look(place, "dir").st_ino;
    EQUAL(look(place, "dir/.").st_ino, ino);
    EQUAL(look(place, "dir/sub/..").st_ino, ino);
}

static void ino_unlike_replaced(struct place *place)
{
    make_file(place, "file", 0600, "old");
    make_file(place, "new", 0600, "new");
    int old = open_at(place, "file", O_RDONLY);
    ino_t ino = look(place, "new").st_ino;
    MUST(renameat(place->fd, "new", place->fd, "file"));
    EQUAL(look(place, "file").st_ino, ino);
    HOLDS(look_fd(old).st_ino != ino);
}

static void dev_within_tree(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_file(place, "dir/file", 0600, NULL);
    make_symlink(place, "x", "link");
    make_fifo(place, "fifo", 0600);
    dev_t dev = look(place, ".").st_dev;
    EQUAL(look(place, "dir").st_dev, dev);
    EQUAL(look(place, "dir/file").st_dev, dev);
    EQUAL(look(place, "link").st_dev, dev);
    EQUAL(look(place, "fifo").st_dev, dev);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void size_of_symlink(struct place *place)
{
    make_symlink(place, "a/target/of/some/length", "link");
    EQUAL(look(place, "link").st_size, strlen("a/target/of/some/length"));
}

static void size_while_open(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    write_pattern(fd, 0, 5000);
    EQUAL(look(place, "file").st_size, 5000);
    write_pattern(fd, 5000, 1);
    EQUAL(look(place, "file").st_size, 5001);
    EQUAL(look_fd(fd).st_size, 5001);
}

static void blocks_of_empty_file(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    EQUAL(look(place, "file").st_blocks, 0);
}

static void blocks_of_data(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    write_pattern(fd, 0, 1 << 20);
    MUST(fsync(fd));
    blkcnt_t blocks = look(place, "file").st_blocks;
    HOLDS(blocks >= (1 << 20) / 512 / 2);
    HOLDS(blocks <= (1 << 20) / 512 * 4);
}

static void blocks_of_hole(struct place *place)
{
    int fd = open_at(place, "file", O_WRONLY | O_CREAT);
    MUST(ftruncate(fd, 1 << 30));
    MUST(fsync(fd));
    HOLDS(look(place, "file").st_blocks < 2048);
}

static void blksize(struct place *place)
{
    make_file(place, "file", 0600, NULL);
    blksize_t size = look(place, "file").st_blksize;
    HOLDS(size >= 512 && (size & (size - 1)) == 0);
}

static void owner_of_new_file(struct place *place)
{
    EQUAL(try_create(place, &user_a, "file", 0600), 0);
    struct stat now = look(place, "file");
    EQUAL(now.st_uid, USER_A);
    EQUAL(now.st_gid, GROUP_A);
}

static const struct rule rules[] = {
    {"type-of-file", "a regular file has S_IFREG and its mode", "POSIX sys/stat.h", type_of_file},
    {"type-of-directory", "a directory has S_IFDIR and its mode", "POSIX sys/stat.h",
     type_of_directory},
    {"type-of-symlink", "lstat shows a symbolic link as S_IFLNK", "POSIX lstat", type_of_symlink},
    {"type-of-fifo", "a FIFO has S_IFIFO and its mode", "POSIX mkfifo", type_of_fifo},
    {"type-of-socket", "a socket made by mknod has S_IFSOCK and its mode", "mknod(2)",
     type_of_socket},
    {"rdev-of-character-device", "st_rdev is the number given to mknod", "POSIX mknod",
     rdev_of_character_device},
    {"rdev-of-block-device", "large major and minor numbers are kept", "mknod(2), makedev(3)",
     rdev_of_block_device},
    {"follows-symlink", "stat shows what a link names", "POSIX stat", follows_symlink},
    {"dangling-symlink", "stat of a link to nothing fails", "POSIX stat, ENOENT", dangling_symlink},
    {"loop", "two links that name each other are a loop", "POSIX stat, ELOOP", loop},
    {"nothing-there", "a name that is not there, or below one", "POSIX stat, ENOENT",
     nothing_there},
    {"empty-name", "the empty path names nothing", "POSIX 4.16 Pathname Resolution", empty_name},
    {"below-a-file", "a file has nothing below it", "POSIX stat, ENOTDIR", below_a_file},
    {"slash-behind-file", "a slash behind a name asks for a directory", "POSIX stat, ENOTDIR",
     slash_behind_file},
    {"slash-behind-symlink", "a slash behind a link follows it, also for lstat",
     "POSIX 4.16 Pathname Resolution", slash_behind_symlink},
    {"long-names", "255 bytes are a name, 256 are too many", "POSIX stat, ENAMETOOLONG",
     long_names},
    {"bad-descriptor", "what is no descriptor", "POSIX fstat, EBADF", bad_descriptor},
    {"absolute-path", "an absolute path needs no descriptor", "POSIX fstatat", absolute_path},
    {"descriptor-of-file", "paths do not begin at a file", "POSIX fstatat, ENOTDIR",
     descriptor_of_file},
    {"bad-flag", "an unknown flag is refused", "POSIX fstatat, EINVAL", bad_flag},
    {"no-automount", "AT_NO_AUTOMOUNT changes nothing for a file", "stat(2)", no_automount},
    {"empty-path", "AT_EMPTY_PATH shows the descriptor's file", "stat(2)", empty_path},
    {"path-descriptor", "fstat of an O_PATH descriptor works", "open(2) O_PATH", path_descriptor},
    {"path-descriptor-of-symlink", "O_PATH with O_NOFOLLOW opens the link itself", "open(2) O_PATH",
     path_descriptor_of_symlink},
    {"ino-after-rename", "a file keeps its number when it moves", "POSIX 3.176 File Serial Number",
     ino_after_rename},
    {"ino-after-directory-rename", "so do a directory and what is in it",
     "POSIX 3.176 File Serial Number", ino_after_directory_rename},
    {"ino-after-reopen", "and when it is closed and opened again", "POSIX 3.176 File Serial Number",
     ino_after_reopen},
    {"ino-differs", "two objects have two numbers", "POSIX sys/stat.h", ino_differs},
    {"ino-of-links", "all names of a file have its number", "POSIX link", ino_of_links},
    {"ino-of-dots", "dot is the directory, dot-dot its parent", "POSIX 4.16 Pathname Resolution",
     ino_of_dots},
    {"ino-unlike-replaced", "a file that replaces another keeps its own number", "POSIX rename",
     ino_unlike_replaced},
    {"dev-within-tree", "all objects of one file system have one device number", "POSIX sys/stat.h",
     dev_within_tree},
    {"size-of-symlink", "a link's size is its target's length", "POSIX sys/stat.h, st_size",
     size_of_symlink},
    {"size-while-open", "what was written counts at once, by path and by descriptor", "POSIX write",
     size_while_open},
    {"blocks-of-empty-file", "an empty file occupies no blocks", "stat(2)", blocks_of_empty_file},
    {"blocks-of-data", "synced data occupies about its size", "POSIX sys/stat.h, st_blocks",
     blocks_of_data},
    {"blocks-of-hole", "a hole of a GiB occupies next to nothing", "stat(2), lseek(2)",
     blocks_of_hole},
    {"blksize", "st_blksize is a power of two that is fit for I/O", "POSIX sys/stat.h", blksize},
    {"owner-of-new-file", "a new file belongs to who made it", "POSIX open, O_CREAT",
     owner_of_new_file},
};

const struct subject subject_stat = {"stat", rules, sizeof rules / sizeof rules[0]};
