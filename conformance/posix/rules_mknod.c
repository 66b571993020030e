/*
 * Rules of making special files: mknod() of every type, fifos, and sockets by bind().
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>
#include "conformance/posix/posix.h"

static int become_user_a(void)
{
    return setegid(GROUP_A) != 0 || seteuid(USER_A) != 0 ? -1 : 0;
}

/* A path in a socket's address is short: names are relative to the working directory. */
static int bind_name(const struct place *place, int fd, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    MUST(fchdir(place->fd));
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    return bind(fd, (struct sockaddr *)&address, sizeof address);
}

static int connect_name(const struct place *place, int fd, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    MUST(fchdir(place->fd));
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static int new_socket(void)
{
    return (int)MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void regular(struct place *place)
{
    MUST(mknodat(place->fd, "f", S_IFREG | 0640, 0));
    struct stat made = look(place, "f");
    EQUAL(made.st_mode, S_IFREG | 0640);
    EQUAL(made.st_size, 0);
}

static void no_type(struct place *place)
{
    MUST(mknodat(place->fd, "f", 0640, 0));
    EQUAL(look(place, "f").st_mode, S_IFREG | 0640);
}

static void fifo_rule(struct place *place)
{
    MUST(mknodat(place->fd, "p", S_IFIFO | 0640, 0));
    EQUAL(look(place, "p").st_mode, S_IFIFO | 0640);
}

static void socket_rule(struct place *place)
{
    MUST(mknodat(place->fd, "s", S_IFSOCK | 0640, 0));
    EQUAL(look(place, "s").st_mode, S_IFSOCK | 0640);
}

static void character_device(struct place *place)
{
    MUST(mknodat(place->fd, "c", S_IFCHR | 0620, makedev(4, 64)));
    struct stat made = look(place, "c");
    EQUAL(made.st_mode, S_IFCHR | 0620);
    EQUAL(major(made.st_rdev), 4);
    EQUAL(minor(made.st_rdev), 64);
}

static void block_device(struct place *place)
{
    MUST(mknodat(place->fd, "b", S_IFBLK | 0660, makedev(7, 3)));
    struct stat made = look(place, "b");
    EQUAL(made.st_mode, S_IFBLK | 0660);
    EQUAL(major(made.st_rdev), 7);
    EQUAL(minor(made.st_rdev), 3);
}

static void large_minor(struct place *place)
{
    MUST(mknodat(place->fd, "b", S_IFBLK | 0660, makedev(259, 262143)));
    EQUAL(major(look(place, "b").st_rdev), 259);
    EQUAL(minor(look(place, "b").st_rdev), 262143);
}

static void large_major(struct place *place)
{
    MUST(mknodat(place->fd, "c", S_IFCHR | 0660, makedev(511, 0)));
    EQUAL(major(look(place, "c").st_rdev), 511);
    EQUAL(minor(look(place, "c").st_rdev), 0);
}

static void zero_device(struct place *place)
{
    MUST(mknodat(place->fd, "c", S_IFCHR, makedev(0, 0)));
    EQUAL(look(place, "c").st_mode, S_IFCHR);
    EQUAL(look(place, "c").st_rdev, 0);
}

static void directory(struct place *place)
{
    FAILS_EITHER(mknodat(place->fd, "d", S_IFDIR | 0755, 0), EPERM, EINVAL);
    HOLDS(!exists(place, "d"));
}

static void symbolic_link(struct place *place)
{
    FAILS(mknodat(place->fd, "l", S_IFLNK | 0777, 0), EINVAL);
}

static void mode_umask(struct place *place)
{
    umask(027);
    MUST(mknodat(place->fd, "c", S_IFCHR | 0666, makedev(1, 3)));
    EQUAL(look(place, "c").st_mode & 07777, 0640);
}

static void device_by_user(struct place *place)
{
    MUST(become_user_a());
    FAILS(mknodat(place->fd, "c", S_IFCHR | 0666, makedev(1, 3)), EPERM);
    HOLDS(!exists(place, "c"));
}

static void block_by_user(struct place *place)
{
    MUST(become_user_a());
    FAILS(mknodat(place->fd, "b", S_IFBLK | 0666, makedev(7, 0)), EPERM);
}

static void fifo_by_user(struct place *place)
{
    MUST(become_user_a());
    MUST(mknodat(place->fd, "p", S_IFIFO | 0600, 0));
    EQUAL(look(place, "p").st_uid, USER_A);
    EQUAL(look(place, "p").st_gid, GROUP_A);
}

static void regular_by_user(struct place *place)
{
    MUST(become_user_a());
    MUST(mknodat(place->fd, "f", S_IFREG | 0600, 0));
    EQUAL(look(place, "f").st_uid, USER_A);
}

static void socket_by_user(struct place *place)
{
    MUST(become_user_a());
    MUST(mknodat(place->fd, "s", S_IFSOCK | 0600, 0));
    EQUAL(look(place, "s").st_uid, USER_A);
}

static void existing(struct place *place)
{
    make_dir(place, "d", 0755);
    FAILS(mknodat(place->fd, "d", S_IFIFO | 0666, 0), EEXIST);
}

static void existing_link(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(mknodat(place->fd, "l", S_IFREG | 0666, 0), EEXIST);
    HOLDS(!exists(place, "none"));
}

static void missing_directory(struct place *place)
{
    FAILS(mknodat(place->fd, "none/p", S_IFIFO | 0666, 0), ENOENT);
}

static void through_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(mknodat(place->fd, "f/p", S_IFIFO | 0666, 0), ENOTDIR);
}

static void slash_after(struct place *place)
{
    FAILS_EITHER(mknodat(place->fd, "p/", S_IFIFO | 0666, 0), ENOENT, ENOTDIR);
}

static void long_name_rule(struct place *place)
{
    FAILS(mknodat(place->fd, long_name(256), S_IFCHR | 0666, makedev(1, 3)), ENAMETOOLONG);
}

static void parent_times(struct place *place)
{
    struct stat before = look(place, ".");
    pass_time(place);
    MUST(mknodat(place->fd, "c", S_IFCHR | 0666, makedev(1, 3)));
    struct stat after = look(place, ".");
    HOLDS(compare_times(after.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(after.st_ctim, before.st_ctim) > 0);
}

static void times(struct place *place)
{
    struct stat before = look(place, ".");
    pass_time(place);
    make_fifo(place, "p", 0666);
    struct stat made = look(place, "p");
    HOLDS(compare_times(made.st_atim, before.st_mtim) > 0);
    HOLDS(compare_times(made.st_mtim, before.st_mtim) > 0);
    HOLDS(compare_times(made.st_ctim, before.st_mtim) > 0);
}

static void device_renamed(struct place *place)
{
    MUST(mknodat(place->fd, "b", S_IFBLK | 0660, makedev(7, 3)));
    MUST(renameat(place->fd, "b", place->fd, "c"));
    EQUAL(look(place, "c").st_mode, S_IFBLK | 0660);
    EQUAL(look(place, "c").st_rdev, makedev(7, 3));
}

static void device_size(struct place *place)
{
    MUST(mknodat(place->fd, "c", S_IFCHR | 0666, makedev(1, 5)));
    EQUAL(look(place, "c").st_size, 0);
}

static void mkfifo_rule(struct place *place)
{
    umask(022);
    MUST(mkfifoat(place->fd, "p", 0666));
    EQUAL(look(place, "p").st_mode, S_IFIFO | 0644);
}

static void mkfifo_existing(struct place *place)
{
    make_fifo(place, "p", 0666);
    FAILS(mkfifoat(place->fd, "p", 0666), EEXIST);
}

static void fifo_two_names(struct place *place)
{
    make_fifo(place, "p", 0666);
    MUST(linkat(place->fd, "p", place->fd, "q", 0));
    int a = open_at(place, "p", O_RDWR), b = open_at(place, "q", O_RDWR);
    char byte = 0;
    EQUAL(write(a, "x", 1), 1);
    EQUAL(read(b, &byte, 1), 1);
    EQUAL(byte, 'x');
}

static void fifo_size(struct place *place)
{
    make_fifo(place, "p", 0666);
    int fd = open_at(place, "p", O_RDWR);
    EQUAL(write(fd, "text", 4), 4);
    EQUAL(look(place, "p").st_size, 0);
}

static void fifo_removed(struct place *place)
{
    make_fifo(place, "p", 0666);
    int fd = open_at(place, "p", O_RDWR);
    MUST(unlinkat(place->fd, "p", 0));
    char byte;
    EQUAL(write(fd, "x", 1), 1);
    EQUAL(read(fd, &byte, 1), 1);
}

static void bind_makes_socket(struct place *place)
{
    MUST(bind_name(place, new_socket(), "s"));
    HOLDS(S_ISSOCK(look(place, "s").st_mode));
}

static void bind_umask(struct place *place)
{
    umask(027);
    MUST(bind_name(place, new_socket(), "s"));
    EQUAL(look(place, "s").st_mode & 07777, 0750);
}

static void bind_existing(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(bind_name(place, new_socket(), "f"), EADDRINUSE);
}

static void bind_dangling(struct place *place)
{
    make_symlink(place, "none", "l");
    FAILS(bind_name(place, new_socket(), "l"), EADDRINUSE);
    HOLDS(!exists(place, "none"));
}

static void bind_missing_directory(struct place *place)
{
    FAILS(bind_name(place, new_socket(), "none/s"), ENOENT);
}

static void connect_rule(struct place *place)
{
    int server = new_socket(), client = new_socket();
    MUST(bind_name(place, server, "s"));
    MUST(listen(server, 1));
    MUST(connect_name(place, client, "s"));
    char byte = 0;
    EQUAL(write(client, "x", 1), 1);
    EQUAL(read((int)MUST(accept(server, NULL, NULL)), &byte, 1), 1);
    EQUAL(byte, 'x');
}

static void connect_renamed(struct place *place)
{
    int server = new_socket();
    MUST(bind_name(place, server, "s"));
    MUST(listen(server, 1));
    MUST(renameat(place->fd, "s", place->fd, "t"));
    MUST(connect_name(place, new_socket(), "t"));
}

static void connect_through_link(struct place *place)
{
    int server = new_socket();
    MUST(bind_name(place, server, "s"));
    MUST(listen(server, 1));
    make_symlink(place, "s", "l");
    MUST(connect_name(place, new_socket(), "l"));
}

static void connect_removed(struct place *place)
{
    int server = new_socket();
    MUST(bind_name(place, server, "s"));
    MUST(listen(server, 1));
    MUST(unlinkat(place->fd, "s", 0));
    FAILS(connect_name(place, new_socket(), "s"), ENOENT);
}

static void connect_nobody(struct place *place)
{
    MUST(mknodat(place->fd, "s", S_IFSOCK | 0666, 0));
    FAILS(connect_name(place, new_socket(), "s"), ECONNREFUSED);
}

static void connect_file(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS_EITHER(connect_name(place, new_socket(), "f"), ECONNREFUSED, ENOTSOCK);
}

static const struct rule rules[] = {
    {"regular", "mknod makes a regular file", "mknod(2), S_IFREG", regular},
    {"no-type", "mknod without a type makes a regular file", "mknod(2), zero file type", no_type},
    {"fifo", "mknod makes a fifo", "POSIX mknod, S_IFIFO", fifo_rule},
    {"socket", "mknod makes a socket's name", "mknod(2), S_IFSOCK", socket_rule},
    {"character-device", "a character special file keeps its numbers", "POSIX mknod, S_IFCHR",
     character_device},
    {"block-device", "a block special file keeps its numbers", "POSIX mknod, S_IFBLK",
     block_device},
    {"large-minor", "a minor number of 18 bits is kept", "makedev(3); XFS has 18 bits",
     large_minor},
    {"large-major", "a major number of 9 bits is kept", "makedev(3); XFS has 9 bits", large_major},
    {"zero-device", "the character device 0, 0 (a whiteout) is a device with these numbers",
     "mknod(2); overlayfs", zero_device},
    {"directory", "mknod makes no directories", "mknod(2), EPERM; POSIX mknod, EINVAL", directory},
    {"symbolic-link", "mknod makes no symbolic links", "POSIX mknod, EINVAL", symbolic_link},
    {"mode-umask", "the umask takes bits from what mknod makes", "POSIX mknod, DESCRIPTION",
     mode_umask},
    {"device-by-user", "only a privileged process makes device files", "POSIX mknod, EPERM",
     device_by_user},
    {"block-by-user", "only a privileged process makes block special files", "POSIX mknod, EPERM",
     block_by_user},
    {"fifo-by-user", "any user makes fifos, and owns them", "POSIX mkfifo, DESCRIPTION",
     fifo_by_user},
    {"regular-by-user", "any user makes regular files by mknod", "mknod(2), EPERM",
     regular_by_user},
    {"socket-by-user", "any user makes sockets by mknod", "mknod(2), EPERM", socket_by_user},
    {"existing", "a name that is there is EEXIST, whatever it is", "POSIX mknod, EEXIST", existing},
    {"existing-link", "a name that a symbolic link has is EEXIST, and the link is not followed",
     "POSIX mknod, EEXIST", existing_link},
    {"missing-directory", "a path through a directory that is not there is ENOENT",
     "POSIX mknod, ENOENT", missing_directory},
    {"through-file", "a path through a regular file is ENOTDIR", "POSIX mknod, ENOTDIR",
     through_file},
    {"slash-after", "a name with a slash after it makes no special file",
     "POSIX 4.13 pathname resolution; mknod, ENOENT", slash_after},
    {"long-name", "a name of 256 bytes is ENAMETOOLONG", "POSIX mknod, ENAMETOOLONG",
     long_name_rule},
    {"parent-times", "a new device file updates its directory's times of modification and change",
     "POSIX mknod, DESCRIPTION", parent_times},
    {"times", "a new fifo's three times are of its creation", "POSIX mkfifo, DESCRIPTION", times},
    {"device-renamed", "a device file keeps type and numbers when it is renamed",
     "POSIX rename, DESCRIPTION", device_renamed},
    {"device-size", "a device file has no size", "POSIX sys/stat.h, st_size", device_size},
    {"mkfifo", "mkfifo makes a fifo with the mode less the umask", "POSIX mkfifo, DESCRIPTION",
     mkfifo_rule},
    {"mkfifo-existing", "mkfifo on a name that is there is EEXIST, on a fifo too",
     "POSIX mkfifo, EEXIST", mkfifo_existing},
    {"fifo-two-names", "two names of a fifo lead to the same pipe",
     "POSIX link, DESCRIPTION; mkfifo", fifo_two_names},
    {"fifo-size", "what is in a fifo does not count as its size, and is not kept",
     "POSIX sys/stat.h, st_size; fifo(7)", fifo_size},
    {"fifo-removed", "a fifo that is open works on after its name is removed",
     "POSIX unlink, DESCRIPTION", fifo_removed},
    {"bind-makes-socket", "bind makes a file of type socket",
     "POSIX bind; unix(7), pathname sockets", bind_makes_socket},
    {"bind-umask", "the umask takes bits from the mode of what bind makes",
     "unix(7), pathname socket ownership and permissions", bind_umask},
    {"bind-existing", "bind on a name that is there is EADDRINUSE", "POSIX bind, EADDRINUSE",
     bind_existing},
    {"bind-dangling", "bind follows no symbolic link that leads nowhere", "POSIX bind, EADDRINUSE",
     bind_dangling},
    {"bind-missing-directory", "bind below a directory that is not there is ENOENT",
     "POSIX bind, ENOENT", bind_missing_directory},
    {"connect", "a socket is reached by its name", "POSIX connect; unix(7)", connect_rule},
    {"connect-renamed", "a socket is reached by the name it was renamed to",
     "POSIX rename, DESCRIPTION; unix(7)", connect_renamed},
    {"connect-through-link", "a socket is reached through a symbolic link",
     "POSIX connect, ELOOP (links are followed)", connect_through_link},
    {"connect-removed", "a socket whose name was removed is not reached by it",
     "POSIX connect, ENOENT", connect_removed},
    {"connect-nobody", "a socket's name that nobody listens at is ECONNREFUSED",
     "POSIX connect, ECONNREFUSED", connect_nobody},
    {"connect-file", "a regular file is no socket to connect to",
     "connect(2), ECONNREFUSED; POSIX connect, ENOTSOCK", connect_file},
};

const struct subject subject_mknod = {"mknod", rules, sizeof rules / sizeof rules[0]};
