/*
 * Rules about sockets that have a name in the file system.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/socket.h>
#include <sys/un.h>
#include "conformance/posix/rules_io.h"

/* Short, whatever the directory's own path: a socket's has 107 bytes. */
static struct sockaddr_un address_of(const struct place *place, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", place->fd, name);
    return address;
}

static int bind_to(const struct place *place, int fd, const char *name)
{
    struct sockaddr_un address = address_of(place, name);
    return bind(fd, (struct sockaddr *)&address, sizeof address);
}

static int connect_to(const struct place *place, int fd, const char *name)
{
    struct sockaddr_un address = address_of(place, name);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static int new_socket(int type)
{
    return (int)MUST(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

static int listen_at(const struct place *place, const char *name)
{
    int fd = new_socket(SOCK_STREAM);
    MUST(bind_to(place, fd, name));
    MUST(listen(fd, 5));
    return fd;
}

static void bind_makes_a_name(struct place *place)
{
    MUST(bind_to(place, new_socket(SOCK_STREAM), "s"));
    HOLDS(S_ISSOCK(look(place, "s").st_mode));
    EQUAL(count_entries(place, "."), 1);
}

static void bind_takes_umask(struct place *place)
{
    (void)umask(027);
    MUST(bind_to(place, new_socket(SOCK_STREAM), "s"));
    EQUAL(look(place, "s").st_mode & 0777, 0750);
}

static void bind_existing_eaddrinuse(struct place *place)
{
    make_file(place, "s", 0666, NULL);
    FAILS(bind_to(place, new_socket(SOCK_STREAM), "s"), EADDRINUSE);
}

static void bind_no_directory_enoent(struct place *place)
{
    FAILS(bind_to(place, new_socket(SOCK_STREAM), "d/s"), ENOENT);
}

static void connect_reaches(struct place *place)
{
    int listener = listen_at(place, "s"), client = new_socket(SOCK_STREAM);
    char buffer[5];
    MUST(connect_to(place, client, "s"));
    int server = (int)MUST(accept(listener, NULL, NULL));
    EQUAL(MUST(write(client, "hello", 5)), 5);
    EQUAL(MUST(read(server, buffer, 5)), 5);
    HOLDS(memcmp(buffer, "hello", 5) == 0);
}

static int connect_as_child(struct place *place, void *argument)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect_to(place, fd, argument) == 0 ? 0 : errno;
}

static void connect_from_other_process(struct place *place)
{
    (void)listen_at(place, "s");
    EQUAL(as_child(connect_as_child, place, "s"), 0);
}

static void connect_permission(struct place *place)
{
    (void)listen_at(place, "s");
    MUST(fchmodat(place->fd, "s", 0755, 0));
    EQUAL(as_user_a(connect_as_child, place, "s"), EACCES);
    MUST(fchmodat(place->fd, "s", 0777, 0));
    EQUAL(as_user_a(connect_as_child, place, "s"), 0);
}

static void connect_through_symlink(struct place *place)
{
    (void)listen_at(place, "s");
    make_symlink(place, "s", "l");
    MUST(connect_to(place, new_socket(SOCK_STREAM), "l"));
}

static void connect_through_link(struct place *place)
{
    (void)listen_at(place, "s");
    MUST(linkat(place->fd, "s", place->fd, "t", 0));
    MUST(connect_to(place, new_socket(SOCK_STREAM), "t"));
}

static void connect_after_rename(struct place *place)
{
    (void)listen_at(place, "s");
    MUST(renameat(place->fd, "s", place->fd, "t"));
    MUST(connect_to(place, new_socket(SOCK_STREAM), "t"));
    FAILS(connect_to(place, new_socket(SOCK_STREAM), "s"), ENOENT);
}

static void connect_after_unlink(struct place *place)
{
    (void)listen_at(place, "s");
    MUST(unlinkat(place->fd, "s", 0));
    FAILS(connect_to(place, new_socket(SOCK_STREAM), "s"), ENOENT);
}

static void nobody_listens_econnrefused(struct place *place)
{
    MUST(close(listen_at(place, "s")));
    FAILS(connect_to(place, new_socket(SOCK_STREAM), "s"), ECONNREFUSED);
    HOLDS(S_ISSOCK(look(place, "s").st_mode));
}

static void no_socket_econnrefused(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    FAILS(connect_to(place, new_socket(SOCK_STREAM), "f"), ECONNREFUSED);
}

static void datagrams(struct place *place)
{
    int server = new_socket(SOCK_DGRAM), client = new_socket(SOCK_DGRAM);
    struct sockaddr_un address = address_of(place, "s");
    char buffer[10];
    MUST(bind_to(place, server, "s"));
    EQUAL(MUST(sendto(client, "abc", 3, 0, (struct sockaddr *)&address, sizeof address)), 3);
    EQUAL(MUST(read(server, buffer, sizeof buffer)), 3);
}

static void open_enxio(struct place *place)
{
    (void)listen_at(place, "s");
    FAILS(openat(place->fd, "s", O_RDWR | O_CLOEXEC), ENXIO);
}

static const struct rule rules[] = {
    {"bind-makes-a-name", "binding makes a name of type socket", "POSIX bind", bind_makes_a_name},
    {"bind-takes-umask", "its mode is 0777 less the umask", "unix(7)", bind_takes_umask},
    {"bind-existing-eaddrinuse", "a name that is there is not bound", "POSIX bind EADDRINUSE",
     bind_existing_eaddrinuse},
    {"bind-no-directory-enoent", "a directory that is not there gets no socket",
     "POSIX bind ENOENT", bind_no_directory_enoent},
    {"connect-reaches", "who listens at a name is reached by it", "POSIX connect", connect_reaches},
    {"connect-from-other-process", "also from another process", "POSIX connect",
     connect_from_other_process},
    {"connect-permission", "a user needs permission to write to the socket", "unix(7) EACCES",
     connect_permission},
    {"connect-through-symlink", "a symbolic link to a socket is followed", "POSIX connect",
     connect_through_symlink},
    {"connect-through-link", "another name of a socket reaches the same listener",
     "POSIX connect, link", connect_through_link},
    {"connect-after-rename", "a socket is reached by its new name only", "POSIX connect, rename",
     connect_after_rename},
    {"connect-after-unlink", "a removed socket is not reached", "POSIX connect ENOENT",
     connect_after_unlink},
    {"nobody-listens-econnrefused", "a name whose listener is gone refuses, and stays",
     "POSIX connect ECONNREFUSED", nobody_listens_econnrefused},
    {"no-socket-econnrefused", "a regular file is not connected to", "unix(7) ECONNREFUSED",
     no_socket_econnrefused},
    {"datagrams", "datagrams reach who is bound to the name", "unix(7) SOCK_DGRAM", datagrams},
    {"open-enxio", "a socket is not opened as a file", "POSIX open ENXIO", open_enxio},
};

const struct subject subject_unix_socket = {"unix-socket", rules, sizeof rules / sizeof rules[0]};
