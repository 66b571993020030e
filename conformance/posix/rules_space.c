/*
 * Rules about what statvfs, statfs and pathconf say of a file system.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include "conformance/posix/rules_io.h"

static struct statvfs space_of(const struct place *place)
{
    struct statvfs space;
    MUST(fstatvfs(place->fd, &space));
    return space;
}

static void block_size(struct place *place)
{
    struct statvfs space = space_of(place);
    HOLDS(space.f_bsize >= 512 && (space.f_bsize & (space.f_bsize - 1)) == 0);
    HOLDS(space.f_frsize >= 512 && (space.f_frsize & (space.f_frsize - 1)) == 0);
}

static void blocks_add_up(struct place *place)
{
    struct statvfs space = space_of(place);
    HOLDS(space.f_blocks > 0);
    HOLDS(space.f_bfree <= space.f_blocks);
    HOLDS(space.f_bavail <= space.f_bfree);
}

static void files_add_up(struct place *place)
{
    struct statvfs space = space_of(place);
    HOLDS(space.f_ffree <= space.f_files);
    HOLDS(space.f_favail <= space.f_ffree);
}

static void name_max(struct place *place)
{
    struct statvfs space = space_of(place);
    EQUAL(space.f_namemax, 255);
    make_file(place, long_name(space.f_namemax), 0666, NULL);
    FAILS(openat(place->fd, long_name(space.f_namemax + 1), O_WRONLY | O_CREAT, 0666),
          ENAMETOOLONG);
}

static void not_read_only(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    EQUAL(space_of(place).f_flag & ST_RDONLY, 0);
}

static void same_by_name(struct place *place)
{
    struct statvfs by_fd = space_of(place), by_name;
    MUST(statvfs(place->path, &by_name));
    EQUAL(by_fd.f_frsize, by_name.f_frsize);
    EQUAL(by_fd.f_blocks, by_name.f_blocks);
    EQUAL(by_fd.f_fsid, by_name.f_fsid);
}

static void of_a_file(struct place *place)
{
    struct statvfs of_file;
    MUST(fstatvfs(open_new(place, "f", NULL), &of_file));
    EQUAL(of_file.f_blocks, space_of(place).f_blocks);
}

static void of_a_path_descriptor(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    struct statfs space;
    MUST(fstatfs(open_at(place, "f", O_PATH), &space));
    HOLDS(space.f_blocks > 0);
}

static void missing_enoent(struct place *place)
{
    struct statvfs space;
    FAILS(statvfs(path_of(place, "none"), &space), ENOENT);
}

static void below_file_enotdir(struct place *place)
{
    struct statvfs space;
    make_file(place, "f", 0666, NULL);
    FAILS(statvfs(path_of(place, "f/g"), &space), ENOTDIR);
}

static void closed_ebadf(struct place *place)
{
    struct statvfs space;
    (void)place;
    FAILS(fstatvfs(-1, &space), EBADF);
}

static void same_device(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    make_dir(place, "d", 0777);
    make_file(place, "d/g", 0666, NULL);
    dev_t device = look_fd(place->fd).st_dev;
    EQUAL(look(place, "f").st_dev, device);
    EQUAL(look(place, "d").st_dev, device);
    EQUAL(look(place, "d/g").st_dev, device);
}

static void io_size(struct place *place)
{
    struct stat found = look_fd(open_new(place, "f", "abc"));
    HOLDS(found.st_blksize >= 512 && found.st_blksize <= 1 << 24);
}

static void pathconf_name_max(struct place *place)
{
    EQUAL(MUST(pathconf(place->path, _PC_NAME_MAX)), 255);
    EQUAL(MUST(fpathconf(place->fd, _PC_NAME_MAX)), 255);
}

static void pathconf_path_max(struct place *place)
{
    HOLDS(MUST(pathconf(place->path, _PC_PATH_MAX)) >= _POSIX_PATH_MAX);
}

static void pathconf_link_max(struct place *place)
{
    long most = pathconf(place->path, _PC_LINK_MAX);
    HOLDS(most == -1 || most >= _POSIX_LINK_MAX);
    make_file(place, "f", 0666, NULL);
    for (int i = 1; i < _POSIX_LINK_MAX; i++) {
        char name[8];
        snprintf(name, sizeof name, "l%d", i);
        MUST(linkat(place->fd, "f", place->fd, name, 0));
    }
    EQUAL(look(place, "f").st_nlink, _POSIX_LINK_MAX);
}

static void pathconf_no_trunc(struct place *place)
{
    HOLDS(MUST(pathconf(place->path, _PC_NO_TRUNC)) > 0);
}

static void pathconf_chown_restricted(struct place *place)
{
    HOLDS(MUST(pathconf(place->path, _PC_CHOWN_RESTRICTED)) > 0);
}

static void pathconf_pipe_buf(struct place *place)
{
    make_fifo(place, "p", 0666);
    HOLDS(MUST(pathconf(path_of(place, "p"), _PC_PIPE_BUF)) >= _POSIX_PIPE_BUF);
}

static void pathconf_file_size_bits(struct place *place)
{
    long bits = pathconf(place->path, _PC_FILESIZEBITS);
    HOLDS(bits == -1 || bits >= 32);
}

static const struct rule rules[] = {
    {"block-size", "the units of size are powers of two", "POSIX statvfs", block_size},
    {"blocks-add-up",
     "what is free is no more than there is, and what users get no more than is free",
     "POSIX statvfs", blocks_add_up},
    {"files-add-up", "no more files are free than there can be", "POSIX statvfs", files_add_up},
    {"name-max", "names have up to 255 bytes, and such a name can be made",
     "POSIX statvfs f_namemax", name_max},
    {"not-read-only", "a file system that was just written to is not read-only",
     "POSIX statvfs f_flag", not_read_only},
    {"same-by-name", "by name and by descriptor the same is told", "POSIX statvfs", same_by_name},
    {"of-a-file", "by a file's descriptor the file system is told", "POSIX fstatvfs", of_a_file},
    {"of-a-path-descriptor", "by a descriptor that only names a file, too",
     "open(2) O_PATH, fstatfs", of_a_path_descriptor},
    {"missing-enoent", "what is not there has no file system", "POSIX statvfs ENOENT",
     missing_enoent},
    {"below-file-enotdir", "a file is no directory on the way", "POSIX statvfs ENOTDIR",
     below_file_enotdir},
    {"closed-ebadf", "a closed descriptor has no file system", "POSIX fstatvfs EBADF",
     closed_ebadf},
    {"same-device", "all that lies in a directory without a mount is of one device",
     "POSIX stat st_dev", same_device},
    {"io-size", "the preferred size of io is a sensible one", "POSIX stat st_blksize", io_size},
    {"pathconf-name-max", "pathconf tells the longest name", "POSIX pathconf _PC_NAME_MAX",
     pathconf_name_max},
    {"pathconf-path-max", "pathconf tells a longest path of at least POSIX's",
     "POSIX pathconf _PC_PATH_MAX", pathconf_path_max},
    {"pathconf-link-max", "a file may have at least eight names", "POSIX pathconf _PC_LINK_MAX",
     pathconf_link_max},
    {"pathconf-no-trunc", "names that are too long are refused, not cut",
     "POSIX pathconf _PC_NO_TRUNC", pathconf_no_trunc},
    {"pathconf-chown-restricted", "giving files away is for root",
     "POSIX pathconf _PC_CHOWN_RESTRICTED", pathconf_chown_restricted},
    {"pathconf-pipe-buf", "a fifo takes at least 512 bytes in one piece",
     "POSIX pathconf _PC_PIPE_BUF", pathconf_pipe_buf},
    {"pathconf-file-size-bits", "sizes have at least 32 bits, as libc knows",
     "POSIX pathconf _PC_FILESIZEBITS", pathconf_file_size_bits},
};

const struct subject subject_space = {"space", rules, sizeof rules / sizeof rules[0]};
