/*
 * Rules about inotify: what is changed on this machine is told to who watches.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/inotify.h>
#include "conformance/posix/rules_io.h"

/* A watch on the rule's directory; descriptor without waiting. */
static int watch(const char *path, uint32_t mask)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    MUST(fd);
    MUST(inotify_add_watch(fd, path, mask));
    return fd;
}

struct event {
    uint32_t mask, cookie;
};

/* The next event; its name must be this one (NULL: none). */
static struct event next(int fd, const char *name)
{
    static char kept[16384] __attribute__((aligned(8)));
    static long begin, end;
    if (begin == end) {
        begin = 0;
        end = MUST(read(fd, kept, sizeof kept));
    }
    const struct inotify_event *event = (const void *)(kept + begin);
    begin += (long)(sizeof *event + event->len);
    if (name) {
        HOLDS(event->len > 0 && strcmp(event->name, name) == 0);
    } else {
        EQUAL(event->len, 0);
    }
    return (struct event){event->mask, event->cookie};
}

static void create_file(struct place *place)
{
    int fd = watch(place->path, IN_CREATE);
    make_file(place, "f", 0666, "abc");
    EQUAL(next(fd, "f").mask, IN_CREATE);
}

static void create_directory(struct place *place)
{
    int fd = watch(place->path, IN_CREATE);
    make_dir(place, "d", 0777);
    EQUAL(next(fd, "d").mask, IN_CREATE | IN_ISDIR);
}

static void create_symlink(struct place *place)
{
    int fd = watch(place->path, IN_CREATE);
    make_symlink(place, "target", "l");
    EQUAL(next(fd, "l").mask, IN_CREATE);
}

static void create_link(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = watch(place->path, IN_CREATE);
    MUST(linkat(place->fd, "f", place->fd, "g", 0));
    EQUAL(next(fd, "g").mask, IN_CREATE);
}

static void modify(struct place *place)
{
    int file = open_new(place, "f", NULL), fd = watch(place->path, IN_MODIFY);
    EQUAL(MUST(write(file, "x", 1)), 1);
    EQUAL(next(fd, "f").mask, IN_MODIFY);
}

static void modify_by_truncate(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = watch(place->path, IN_MODIFY);
    MUST(truncate(path_of(place, "f"), 1));
    EQUAL(next(fd, "f").mask, IN_MODIFY);
}

static void modify_by_open(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = watch(place->path, IN_MODIFY);
    (void)open_at(place, "f", O_WRONLY | O_TRUNC);
    EQUAL(next(fd, "f").mask, IN_MODIFY);
}

static void attributes(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = watch(place->path, IN_ATTRIB);
    MUST(fchmodat(place->fd, "f", 0600, 0));
    EQUAL(next(fd, "f").mask, IN_ATTRIB);
}

static void delete_file(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = watch(place->path, IN_DELETE);
    MUST(unlinkat(place->fd, "f", 0));
    EQUAL(next(fd, "f").mask, IN_DELETE);
}

static void delete_directory(struct place *place)
{
    make_dir(place, "d", 0777);
    int fd = watch(place->path, IN_DELETE);
    MUST(unlinkat(place->fd, "d", AT_REMOVEDIR));
    EQUAL(next(fd, "d").mask, IN_DELETE | IN_ISDIR);
}

static void delete_self(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = watch(path_of(place, "f"), IN_DELETE_SELF);
    MUST(unlinkat(place->fd, "f", 0));
    EQUAL(next(fd, NULL).mask, IN_DELETE_SELF);
    EQUAL(next(fd, NULL).mask, IN_IGNORED);
}

static void move(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = watch(place->path, IN_MOVE);
    MUST(renameat(place->fd, "f", place->fd, "g"));
    struct event from = next(fd, "f"), to = next(fd, "g");
    EQUAL(from.mask, IN_MOVED_FROM);
    EQUAL(to.mask, IN_MOVED_TO);
    EQUAL(from.cookie, to.cookie);
    HOLDS(from.cookie != 0);
}

static void move_out(struct place *place)
{
    make_dir(place, "d", 0777);
    make_file(place, "f", 0666, "abc");
    int fd = watch(place->path, IN_MOVE | IN_CREATE | IN_DELETE);
    MUST(renameat(place->fd, "f", place->fd, "d/f"));
    EQUAL(next(fd, "f").mask, IN_MOVED_FROM);
    char buffer[512];
    FAILS(read(fd, buffer, sizeof buffer), EAGAIN);
}

static void move_self(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = watch(path_of(place, "f"), IN_MOVE_SELF);
    MUST(renameat(place->fd, "f", place->fd, "g"));
    EQUAL(next(fd, NULL).mask, IN_MOVE_SELF);
}

static void open_and_close(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = watch(place->path, IN_OPEN | IN_CLOSE);
    MUST(close(open_at(place, "f", O_WRONLY)));
    EQUAL(next(fd, "f").mask, IN_OPEN);
    EQUAL(next(fd, "f").mask, IN_CLOSE_WRITE);
}

static void read_and_close(struct place *place)
{
    int file;
    char byte;
    make_file(place, "f", 0666, "abc");
    int fd = watch(place->path, IN_ACCESS | IN_CLOSE);
    file = open_at(place, "f", O_RDONLY);
    EQUAL(MUST(read(file, &byte, 1)), 1);
    MUST(close(file));
    EQUAL(next(fd, "f").mask, IN_ACCESS);
    EQUAL(next(fd, "f").mask, IN_CLOSE_NOWRITE);
}

static int change_as_child(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    return fd >= 0 && write(fd, "x", 1) == 1 ? 0 : errno;
}

static void by_other_process(struct place *place)
{
    int fd = watch(place->path, IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE);
    EQUAL(as_child(change_as_child, place, NULL), 0);
    EQUAL(next(fd, "f").mask, IN_CREATE);
    EQUAL(next(fd, "f").mask, IN_MODIFY);
    EQUAL(next(fd, "f").mask, IN_CLOSE_WRITE);
}

static void nothing_after_removing_watch(struct place *place)
{
    int fd = (int)MUST(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    int descriptor = (int)MUST(inotify_add_watch(fd, place->path, IN_CREATE));
    MUST(inotify_rm_watch(fd, descriptor));
    make_file(place, "f", 0666, NULL);
    EQUAL(next(fd, NULL).mask, IN_IGNORED);
    char buffer[512];
    FAILS(read(fd, buffer, sizeof buffer), EAGAIN);
}

static void only_directories(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    int fd = (int)MUST(inotify_init1(IN_CLOEXEC));
    FAILS(inotify_add_watch(fd, path_of(place, "f"), IN_CREATE | IN_ONLYDIR), ENOTDIR);
}

static void missing_enoent(struct place *place)
{
    int fd = (int)MUST(inotify_init1(IN_CLOEXEC));
    FAILS(inotify_add_watch(fd, path_of(place, "none"), IN_CREATE), ENOENT);
}

static const struct rule rules[] = {
    {"create-file", "a new file is told", "inotify(7) IN_CREATE", create_file},
    {"create-directory", "a new directory is told, as one", "inotify(7) IN_ISDIR",
     create_directory},
    {"create-symlink", "a new symbolic link is told", "inotify(7) IN_CREATE", create_symlink},
    {"create-link", "a new name of a file is told", "inotify(7) IN_CREATE", create_link},
    {"modify", "a write is told", "inotify(7) IN_MODIFY", modify},
    {"modify-by-truncate", "a new size is told", "inotify(7) IN_MODIFY", modify_by_truncate},
    {"modify-by-open", "a file that is emptied at open is told", "inotify(7) IN_MODIFY",
     modify_by_open},
    {"attributes", "a new mode is told", "inotify(7) IN_ATTRIB", attributes},
    {"delete-file", "a removed file is told", "inotify(7) IN_DELETE", delete_file},
    {"delete-directory", "a removed directory is told", "inotify(7) IN_DELETE", delete_directory},
    {"delete-self", "who watches a file is told that it is removed, and that the watch is over",
     "inotify(7) IN_DELETE_SELF", delete_self},
    {"move", "a rename is told by two events with one cookie", "inotify(7) IN_MOVED_FROM", move},
    {"move-out", "a rename into a directory that is not watched is told by one event",
     "inotify(7) IN_MOVED_FROM", move_out},
    {"move-self", "who watches a file is told that it is renamed", "inotify(7) IN_MOVE_SELF",
     move_self},
    {"open-and-close", "opening for writing and closing are told", "inotify(7) IN_CLOSE_WRITE",
     open_and_close},
    {"read-and-close", "reading and closing are told", "inotify(7) IN_CLOSE_NOWRITE",
     read_and_close},
    {"by-other-process", "what another process changes is told in its order", "inotify(7)",
     by_other_process},
    {"nothing-after-removing-watch", "a watch that was taken away tells nothing more",
     "inotify_rm_watch(2)", nothing_after_removing_watch},
    {"only-directories", "a file is not watched where a directory is asked for",
     "inotify(7) IN_ONLYDIR", only_directories},
    {"missing-enoent", "what is not there is not watched", "inotify_add_watch(2) ENOENT",
     missing_enoent},
};

const struct subject subject_notify = {"notify", rules, sizeof rules / sizeof rules[0]};
