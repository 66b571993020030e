/*
 * Rules about fifos: they have a name in the file system, but their bytes do not go through it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <poll.h>
#include <signal.h>
#include "conformance/posix/rules_io.h"

static void bytes_in_order(struct place *place)
{
    int fd = open_fifo(place, "p");
    char buffer[10];
    EQUAL(MUST(write(fd, "abc", 3)), 3);
    EQUAL(MUST(write(fd, "def", 3)), 3);
    EQUAL(MUST(read(fd, buffer, 4)), 4);
    HOLDS(memcmp(buffer, "abcd", 4) == 0);
    EQUAL(MUST(read(fd, buffer, 4)), 2);
}

static void no_reader_enxio(struct place *place)
{
    make_fifo(place, "p", 0666);
    FAILS(openat(place->fd, "p", O_WRONLY | O_NONBLOCK | O_CLOEXEC), ENXIO);
}

static void reader_need_not_wait(struct place *place)
{
    make_fifo(place, "p", 0666);
    int fd = open_at(place, "p", O_RDONLY | O_NONBLOCK);
    char byte;
    EQUAL(MUST(read(fd, &byte, 1)), 0);
}

static void empty_eagain(struct place *place)
{
    char byte;
    FAILS(read(open_fifo(place, "p"), &byte, 1), EAGAIN);
}

static void end_after_last_writer(struct place *place)
{
    make_fifo(place, "p", 0666);
    int reader = open_at(place, "p", O_RDONLY | O_NONBLOCK);
    int writer = open_at(place, "p", O_WRONLY);
    char buffer[10];
    EQUAL(MUST(write(writer, "last", 4)), 4);
    MUST(close(writer));
    EQUAL(MUST(read(reader, buffer, 10)), 4);
    EQUAL(MUST(read(reader, buffer, 10)), 0);
}

static void no_reader_epipe(struct place *place)
{
    make_fifo(place, "p", 0666);
    int reader = open_at(place, "p", O_RDONLY | O_NONBLOCK);
    int writer = open_at(place, "p", O_WRONLY);
    (void)signal(SIGPIPE, SIG_IGN);
    MUST(close(reader));
    FAILS(write(writer, "x", 1), EPIPE);
}

static int write_to_fifo(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "p", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, "hello", 5) == 5 ? 0 : errno;
}

static void between_processes(struct place *place)
{
    make_fifo(place, "p", 0666);
    pid_t child = child_start(write_to_fifo, place, NULL);
    int fd = open_at(place, "p", O_RDONLY);
    char buffer[10];
    EQUAL(MUST(read(fd, buffer, 10)), 5);
    HOLDS(memcmp(buffer, "hello", 5) == 0);
    EQUAL(child_end(child), 0);
}

static void has_no_size(struct place *place)
{
    int fd = open_fifo(place, "p");
    EQUAL(MUST(write(fd, "abc", 3)), 3);
    struct stat found = look(place, "p");
    HOLDS(S_ISFIFO(found.st_mode));
    EQUAL(found.st_size, 0);
}

static void one_fifo_two_names(struct place *place)
{
    int one = open_fifo(place, "p");
    MUST(linkat(place->fd, "p", place->fd, "q", 0));
    int two = open_at(place, "q", O_RDONLY | O_NONBLOCK);
    char byte;
    EQUAL(MUST(write(one, "x", 1)), 1);
    EQUAL(MUST(read(two, &byte, 1)), 1);
}

static void after_unlink(struct place *place)
{
    int fd = open_fifo(place, "p");
    char byte;
    MUST(unlinkat(place->fd, "p", 0));
    EQUAL(MUST(write(fd, "x", 1)), 1);
    EQUAL(MUST(read(fd, &byte, 1)), 1);
}

static void nothing_is_kept(struct place *place)
{
    int fd = open_fifo(place, "p");
    char byte;
    EQUAL(MUST(write(fd, "x", 1)), 1);
    MUST(close(fd));
    EQUAL(MUST(read(open_at(place, "p", O_RDONLY | O_NONBLOCK), &byte, 1)), 0);
}

static void polled(struct place *place)
{
    int fd = open_fifo(place, "p");
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    EQUAL(MUST(poll(&ready, 1, 0)), 0);
    EQUAL(MUST(write(fd, "x", 1)), 1);
    EQUAL(MUST(poll(&ready, 1, 0)), 1);
    EQUAL(ready.revents, POLLIN);
}

static int open_fifo_as_user(struct place *place, void *argument)
{
    int fd = openat(place->fd, "p", *(int *)argument | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 ? 0 : errno;
}

static void permission(struct place *place)
{
    make_fifo(place, "p", 0622);
    int flags = O_RDONLY;
    EQUAL(as_user_a(open_fifo_as_user, place, &flags), EACCES);
    int reader = open_at(place, "p", O_RDONLY | O_NONBLOCK);
    HOLDS(reader >= 0);
    flags = O_WRONLY;
    EQUAL(as_user_a(open_fifo_as_user, place, &flags), 0);
}

static const struct rule rules[] = {
    {"bytes-in-order", "what is written into a fifo is read from it in order", "POSIX mkfifo, read",
     bytes_in_order},
    {"no-reader-enxio", "a fifo nobody reads is not opened for writing without waiting",
     "POSIX open ENXIO", no_reader_enxio},
    {"reader-need-not-wait", "it is opened for reading without waiting, and is at its end",
     "POSIX open O_NONBLOCK", reader_need_not_wait},
    {"empty-eagain", "an empty fifo with a writer says to try again", "POSIX read EAGAIN",
     empty_eagain},
    {"end-after-last-writer", "after the last writer has closed the rest is read, then the end",
     "POSIX read", end_after_last_writer},
    {"no-reader-epipe", "after the last reader has closed a write fails", "POSIX write EPIPE",
     no_reader_epipe},
    {"between-processes", "two processes meet in a fifo, each waiting for the other",
     "POSIX mkfifo, open", between_processes},
    {"has-no-size", "a fifo keeps its type and has no size whatever is in it", "POSIX stat",
     has_no_size},
    {"one-fifo-two-names", "two names of a fifo are one fifo", "POSIX link", one_fifo_two_names},
    {"after-unlink", "a removed fifo works on for who has it open", "POSIX unlink", after_unlink},
    {"nothing-is-kept", "what was not read is gone when nobody has the fifo open", "POSIX mkfifo",
     nothing_is_kept},
    {"polled", "a fifo is ready for reading once something is in it", "POSIX poll", polled},
    {"permission", "a fifo is opened by who may", "POSIX open EACCES", permission},
};

const struct subject subject_fifo = {"fifo", rules, sizeof rules / sizeof rules[0]};
