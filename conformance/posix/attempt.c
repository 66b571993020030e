/*
 * One call, attempted by another user.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"

const struct who user_a = {.uid = USER_A, .gid = GROUP_A};
const struct who user_b = {.uid = USER_B, .gid = GROUP_B};
const struct who member_a = {.uid = USER_A, .gid = GROUP_A, .groups = {GROUP_C}, .count = 1};
const struct who member_b = {.uid = USER_B, .gid = GROUP_B, .groups = {GROUP_C}, .count = 1};

/* What any of the calls needs; each uses its own. */
struct arguments {
    const char *name;
    const char *other; /* the second name, or the attribute */
    int flags;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    off_t length;
    const void *value;
    size_t size;
};

static int attempt(struct place *place, const struct who *who,
                   int (*work)(struct place *place, void *argument), struct arguments arguments)
{
    return as_user(who->uid, who->gid, who->groups, who->count, work, place, &arguments);
}

static int error_of(long result)
{
    return result < 0 ? errno : 0;
}

static int work_open(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    int fd = openat(place->fd, a->name, a->flags | O_CLOEXEC, a->mode);
    if (fd < 0) {
        return errno;
    }
    (void)close(fd);
    return 0;
}

int try_open(struct place *place, const struct who *who, const char *name, int flags)
{
    return attempt(place, who, work_open,
                   (struct arguments){.name = name, .flags = flags, .mode = 0666});
}

int try_create(struct place *place, const struct who *who, const char *name, mode_t mode)
{
    return attempt(
        place, who, work_open,
        (struct arguments){.name = name, .flags = O_WRONLY | O_CREAT | O_EXCL, .mode = mode});
}

static int work_append(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    int fd = openat(place->fd, a->name, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    int error = error_of(write(fd, "x", 1));
    int closed = error_of(close(fd));
    return error ? error : closed;
}

int try_append(struct place *place, const struct who *who, const char *name)
{
    return attempt(place, who, work_append, (struct arguments){.name = name});
}

/* Calls without a descriptor of the directory work from inside it. */
static int work_truncate(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(fchdir(place->fd) < 0 ? -1 : truncate(a->name, a->length));
}

int try_truncate(struct place *place, const struct who *who, const char *name, off_t size)
{
    return attempt(place, who, work_truncate, (struct arguments){.name = name, .length = size});
}

static int work_mkdir(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(mkdirat(place->fd, a->name, a->mode));
}

int try_mkdir(struct place *place, const struct who *who, const char *name, mode_t mode)
{
    return attempt(place, who, work_mkdir, (struct arguments){.name = name, .mode = mode});
}

static int work_mkfifo(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(mkfifoat(place->fd, a->name, a->mode));
}

int try_mkfifo(struct place *place, const struct who *who, const char *name, mode_t mode)
{
    return attempt(place, who, work_mkfifo, (struct arguments){.name = name, .mode = mode});
}

static int work_symlink(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(symlinkat("target", place->fd, a->name));
}

int try_symlink(struct place *place, const struct who *who, const char *name)
{
    return attempt(place, who, work_symlink, (struct arguments){.name = name});
}

static int work_link(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(linkat(place->fd, a->name, place->fd, a->other, 0));
}

int try_link(struct place *place, const struct who *who, const char *from, const char *to)
{
    return attempt(place, who, work_link, (struct arguments){.name = from, .other = to});
}

static int work_unlink(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(unlinkat(place->fd, a->name, a->flags));
}

int try_unlink(struct place *place, const struct who *who, const char *name)
{
    return attempt(place, who, work_unlink, (struct arguments){.name = name});
}

int try_rmdir(struct place *place, const struct who *who, const char *name)
{
    return attempt(place, who, work_unlink,
                   (struct arguments){.name = name, .flags = AT_REMOVEDIR});
}

static int work_rename(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(renameat2(place->fd, a->name, place->fd, a->other, (unsigned)a->flags));
}

int try_rename(struct place *place, const struct who *who, const char *from, const char *to)
{
    return attempt(place, who, work_rename, (struct arguments){.name = from, .other = to});
}

int try_exchange(struct place *place, const struct who *who, const char *from, const char *to)
{
    return attempt(place, who, work_rename,
                   (struct arguments){.name = from, .other = to, .flags = RENAME_EXCHANGE});
}

static int work_chmod(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(fchmodat(place->fd, a->name, a->mode, 0));
}

int try_chmod(struct place *place, const struct who *who, const char *name, mode_t mode)
{
    return attempt(place, who, work_chmod, (struct arguments){.name = name, .mode = mode});
}

static int work_chown(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(fchownat(place->fd, a->name, a->uid, a->gid, AT_SYMLINK_NOFOLLOW));
}

int try_chown(struct place *place, const struct who *who, const char *name, uid_t uid, gid_t gid)
{
    return attempt(place, who, work_chown,
                   (struct arguments){.name = name, .uid = uid, .gid = gid});
}

static int work_utimens(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(utimensat(place->fd, a->name, a->value, 0));
}

int try_utimens(struct place *place, const struct who *who, const char *name,
                const struct timespec times[2])
{
    return attempt(place, who, work_utimens, (struct arguments){.name = name, .value = times});
}

static int work_access(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(faccessat(place->fd, a->name, a->flags, 0));
}

int try_access(struct place *place, const struct who *who, const char *name, int mode)
{
    return attempt(place, who, work_access, (struct arguments){.name = name, .flags = mode});
}

static int work_stat(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    struct stat now;
    return error_of(fstatat(place->fd, a->name, &now, AT_SYMLINK_NOFOLLOW));
}

int try_stat(struct place *place, const struct who *who, const char *name)
{
    return attempt(place, who, work_stat, (struct arguments){.name = name});
}

static int work_readlink(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    char target[64];
    return error_of(readlinkat(place->fd, a->name, target, sizeof target));
}

int try_readlink(struct place *place, const struct who *who, const char *name)
{
    return attempt(place, who, work_readlink, (struct arguments){.name = name});
}

static int work_list(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    int fd = openat(place->fd, a->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        return errno;
    }
    do {
        errno = 0;
    } while (readdir(directory));
    int error = errno;
    (void)closedir(directory);
    return error;
}

int try_list(struct place *place, const struct who *who, const char *name)
{
    return attempt(place, who, work_list, (struct arguments){.name = name});
}

static int work_chdir(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(fchdir(place->fd) < 0 ? -1 : chdir(a->name));
}

int try_chdir(struct place *place, const struct who *who, const char *name)
{
    return attempt(place, who, work_chdir, (struct arguments){.name = name});
}

/* In a process of its own, since this one has to report; an errno fits an exit status. */
static int work_execute(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    if (fchdir(place->fd) < 0) {
        return errno;
    }
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {(char *)"program", NULL};
        char *const environment[] = {NULL};
        (void)execve(a->name, argv, environment);
        _exit(errno);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        return errno;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

int try_execute(struct place *place, const struct who *who, const char *name)
{
    return attempt(place, who, work_execute, (struct arguments){.name = name});
}

static int work_setxattr(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(
        fchdir(place->fd) < 0 ? -1 : lsetxattr(a->name, a->other, a->value, a->size, a->flags));
}

int try_setxattr(struct place *place, const struct who *who, const char *name,
                 const char *attribute, const void *value, size_t size)
{
    return attempt(
        place, who, work_setxattr,
        (struct arguments){.name = name, .other = attribute, .value = value, .size = size});
}

static int work_getxattr(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    char value[1024];
    return error_of(fchdir(place->fd) < 0 ? -1 : lgetxattr(a->name, a->other, value, sizeof value));
}

int try_getxattr(struct place *place, const struct who *who, const char *name,
                 const char *attribute)
{
    return attempt(place, who, work_getxattr, (struct arguments){.name = name, .other = attribute});
}

static int work_removexattr(struct place *place, void *argument)
{
    const struct arguments *a = argument;
    return error_of(fchdir(place->fd) < 0 ? -1 : lremovexattr(a->name, a->other));
}

int try_removexattr(struct place *place, const struct who *who, const char *name,
                    const char *attribute)
{
    return attempt(place, who, work_removexattr,
                   (struct arguments){.name = name, .other = attribute});
}

void make_program(const struct place *place, const char *name, mode_t mode)
{
    make_file(place, name, mode, "#!/bin/true\n");
}

/* A change of owner may take bits of the mode away, so that the mode comes last. */
void make_file_of(const struct place *place, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
    make_file(place, name, 0600, "content");
    MUST(fchownat(place->fd, name, uid, gid, AT_SYMLINK_NOFOLLOW));
    MUST(fchmodat(place->fd, name, mode, 0));
}

void make_dir_of(const struct place *place, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
    make_dir(place, name, 0700);
    MUST(fchownat(place->fd, name, uid, gid, AT_SYMLINK_NOFOLLOW));
    MUST(fchmodat(place->fd, name, mode, 0));
}

const char *path_of(const struct place *place, const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    int size = snprintf(path, PATH_MAX, "%s/%s", place->path, name);
    HOLDS(size > 0 && size < PATH_MAX);
    return path;
}

mode_t mode_of(const struct place *place, const char *name)
{
    return look(place, name).st_mode & 07777;
}
