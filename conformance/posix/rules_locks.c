/*
 * Rules about the locks of POSIX: on ranges of bytes, of a process, gone when it closes the file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/posix/rules_io.h"

static struct flock range(short type, off_t start, off_t size)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = size};
}

static void lock(int fd, short type, off_t start, off_t size)
{
    struct flock wanted = range(type, start, size);
    MUST(fcntl(fd, F_SETLK, &wanted));
}

struct attempt {
    struct flock lock;
    int command, flags;
};

/* By another process: 0, or the errno of trying. */
static int try_lock(struct place *place, void *argument)
{
    struct attempt *attempt = argument;
    int fd = openat(place->fd, "f", attempt->flags | O_CLOEXEC);
    if (fd < 0) {
        return ENOTTY;
    }
    return fcntl(fd, attempt->command, &attempt->lock) == 0 ? 0 : errno;
}

static int other_locks(struct place *place, short type, off_t start, off_t size)
{
    struct attempt attempt = {range(type, start, size), F_SETLK, O_RDWR};
    int error = as_child(try_lock, place, &attempt);
    return error == EACCES ? EAGAIN : error;
}

static void exclusive_excludes(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    lock(fd, F_WRLCK, 0, 10);
    EQUAL(other_locks(place, F_WRLCK, 0, 10), EAGAIN);
    EQUAL(other_locks(place, F_RDLCK, 0, 10), EAGAIN);
}

static void shared_shares(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    lock(fd, F_RDLCK, 0, 10);
    EQUAL(other_locks(place, F_RDLCK, 0, 10), 0);
    EQUAL(other_locks(place, F_WRLCK, 0, 10), EAGAIN);
}

static void ranges_are_apart(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    lock(fd, F_WRLCK, 3, 4);
    EQUAL(other_locks(place, F_WRLCK, 0, 3), 0);
    EQUAL(other_locks(place, F_WRLCK, 7, 3), 0);
    EQUAL(other_locks(place, F_WRLCK, 6, 1), EAGAIN);
    EQUAL(other_locks(place, F_WRLCK, 0, 4), EAGAIN);
}

static void to_infinity(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    lock(fd, F_WRLCK, 5, 0);
    EQUAL(other_locks(place, F_WRLCK, (off_t)1 << 50, 1), EAGAIN);
    EQUAL(other_locks(place, F_WRLCK, 0, 5), 0);
}

static void unlock(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    lock(fd, F_WRLCK, 0, 10);
    lock(fd, F_UNLCK, 0, 10);
    EQUAL(other_locks(place, F_WRLCK, 0, 10), 0);
}

static void unlock_middle(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    lock(fd, F_WRLCK, 0, 10);
    lock(fd, F_UNLCK, 4, 2);
    EQUAL(other_locks(place, F_WRLCK, 4, 2), 0);
    EQUAL(other_locks(place, F_WRLCK, 0, 4), EAGAIN);
    EQUAL(other_locks(place, F_WRLCK, 6, 4), EAGAIN);
}

static void unlock_what_is_free(struct place *place)
{
    lock(open_new(place, "f", "abc"), F_UNLCK, 100, 100);
}

static void downgrade(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    lock(fd, F_WRLCK, 0, 10);
    lock(fd, F_RDLCK, 0, 10);
    EQUAL(other_locks(place, F_RDLCK, 0, 10), 0);
    EQUAL(other_locks(place, F_WRLCK, 0, 10), EAGAIN);
}

static void own_locks_do_not_conflict(struct place *place)
{
    int fd = open_new(place, "f", "0123456789"), other = open_at(place, "f", O_RDWR);
    lock(fd, F_WRLCK, 0, 10);
    lock(other, F_WRLCK, 2, 5);
}

static void any_close_unlocks(struct place *place)
{
    int fd = open_new(place, "f", "0123456789"), other = open_at(place, "f", O_RDONLY);
    lock(fd, F_WRLCK, 0, 10);
    EQUAL(other_locks(place, F_WRLCK, 0, 10), EAGAIN);
    MUST(close(other));
    EQUAL(other_locks(place, F_WRLCK, 0, 10), 0);
}

static int lock_and_end(struct place *place, void *argument)
{
    (void)argument;
    int fd = openat(place->fd, "f", O_RDWR | O_CLOEXEC);
    struct flock whole = range(F_WRLCK, 0, 0);
    return fd >= 0 && fcntl(fd, F_SETLK, &whole) == 0 ? 0 : errno;
}

static void end_unlocks(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    EQUAL(as_child(lock_and_end, place, NULL), 0);
    lock(fd, F_WRLCK, 0, 0);
}

static int lock_inherited(struct place *place, void *argument)
{
    struct flock whole = range(F_WRLCK, 0, 0);
    (void)place;
    return fcntl(*(int *)argument, F_SETLK, &whole) == 0 ? 0 : errno;
}

static void fork_does_not_inherit(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    lock(fd, F_WRLCK, 0, 0);
    int error = as_child(lock_inherited, place, &fd);
    HOLDS(error == EAGAIN || error == EACCES);
}

/* 0: bytes 2 to 6 are locked for writing, by the parent. */
static int ask_for_parents(struct place *place, void *argument)
{
    struct flock asked = range(F_RDLCK, 0, 0);
    int fd = openat(place->fd, "f", O_RDWR | O_CLOEXEC);
    (void)argument;
    if (fd < 0 || fcntl(fd, F_GETLK, &asked) != 0) {
        return errno;
    }
    bool is_right = asked.l_type == F_WRLCK && asked.l_whence == SEEK_SET && asked.l_start == 2 &&
                    asked.l_len == 5 && asked.l_pid == getppid();
    return is_right ? 0 : EPROTO;
}

static void get_tells_the_holder(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    lock(fd, F_WRLCK, 2, 5);
    EQUAL(as_child(ask_for_parents, place, NULL), 0);
}

static void get_tells_free(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    struct flock asked = range(F_WRLCK, 1, 2);
    lock(fd, F_WRLCK, 0, 3);
    MUST(fcntl(fd, F_GETLK, &asked));
    EQUAL(asked.l_type, F_UNLCK);
    EQUAL(asked.l_start, 1);
    EQUAL(asked.l_len, 2);
}

static void relative_to_offset(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = -1, .l_len = 2};
    MUST(lseek(fd, 5, SEEK_SET));
    MUST(fcntl(fd, F_SETLK, &wanted));
    EQUAL(other_locks(place, F_WRLCK, 4, 2), EAGAIN);
    EQUAL(other_locks(place, F_WRLCK, 0, 4), 0);
}

static void relative_to_end(struct place *place)
{
    int fd = open_new(place, "f", "0123456789");
    struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = 0, .l_len = -3};
    MUST(fcntl(fd, F_SETLK, &wanted));
    EQUAL(other_locks(place, F_WRLCK, 7, 3), EAGAIN);
    EQUAL(other_locks(place, F_WRLCK, 0, 7), 0);
}

static void before_begin_einval(struct place *place)
{
    struct flock wanted = range(F_WRLCK, -1, 1);
    FAILS(fcntl(open_new(place, "f", "abc"), F_SETLK, &wanted), EINVAL);
}

static void read_lock_needs_read(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    struct flock wanted = range(F_RDLCK, 0, 1);
    FAILS(fcntl(open_at(place, "f", O_WRONLY), F_SETLK, &wanted), EBADF);
}

static void write_lock_needs_write(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    struct flock wanted = range(F_WRLCK, 0, 1);
    FAILS(fcntl(open_at(place, "f", O_RDONLY), F_SETLK, &wanted), EBADF);
}

static void through_other_link(struct place *place)
{
    int fd = open_new(place, "g", "abc");
    MUST(linkat(place->fd, "g", place->fd, "f", 0));
    lock(fd, F_WRLCK, 0, 0);
    EQUAL(other_locks(place, F_WRLCK, 0, 1), EAGAIN);
}

static void after_rename(struct place *place)
{
    int fd = open_new(place, "g", "abc");
    lock(fd, F_WRLCK, 0, 0);
    MUST(renameat(place->fd, "g", place->fd, "f"));
    EQUAL(other_locks(place, F_WRLCK, 0, 1), EAGAIN);
}

static void advisory(struct place *place)
{
    int fd = open_new(place, "f", "abc");
    lock(fd, F_WRLCK, 0, 0);
    int other = open_at(place, "f", O_RDWR);
    EQUAL(MUST(pwrite(other, "X", 1, 0)), 1);
    check_text(fd, "Xbc");
}

struct wait {
    int told[2]; /* the child says that it is about to wait */
};

static int wait_for_lock(struct place *place, void *argument)
{
    struct wait *wait = argument;
    struct flock whole = range(F_WRLCK, 0, 0);
    int fd = openat(place->fd, "f", O_RDWR | O_CLOEXEC);
    char text[4];
    if (fd < 0 || say(wait->told[1]) != 0) {
        return errno;
    }
    if (fcntl(fd, F_SETLKW, &whole) != 0) {
        return errno;
    }
    return pread(fd, text, 4, 0) == 4 && memcmp(text, "done", 4) == 0 ? 0 : EPROTO;
}

static void waiting_goes_on(struct place *place)
{
    struct wait wait;
    int fd = open_new(place, "f", "wait");
    lock(fd, F_WRLCK, 0, 0);
    MUST(pipe(wait.told));
    pid_t child = child_start(wait_for_lock, place, &wait);
    EQUAL(hear(wait.told[0]), 0);
    EQUAL(MUST(pwrite(fd, "done", 4, 0)), 4);
    lock(fd, F_UNLCK, 0, 0);
    EQUAL(child_end(child), 0);
}

enum { ROUNDS = 100 };

/* Read a number, add one, write it: wrong without a lock around. */
static int count_under_lock(struct place *place, void *argument)
{
    int fd = openat(place->fd, "f", O_RDWR | O_CLOEXEC);
    struct flock take = range(F_WRLCK, 0, 0), give = range(F_UNLCK, 0, 0);
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        int number;
        if (fcntl(fd, F_SETLKW, &take) != 0 ||
            pread(fd, &number, sizeof number, 0) != (ssize_t)sizeof number) {
            return errno;
        }
        number++;
        if (pwrite(fd, &number, sizeof number, 0) != (ssize_t)sizeof number ||
            fcntl(fd, F_SETLK, &give) != 0) {
            return errno;
        }
    }
    return 0;
}

static void counting_under_locks(struct place *place)
{
    int fd = open_new(place, "f", NULL), number = 0;
    EQUAL(MUST(pwrite(fd, &number, sizeof number, 0)), sizeof number);
    pid_t one = child_start(count_under_lock, place, NULL);
    pid_t two = child_start(count_under_lock, place, NULL);
    EQUAL(child_end(one), 0);
    EQUAL(child_end(two), 0);
    EQUAL(MUST(pread(fd, &number, sizeof number, 0)), sizeof number);
    EQUAL(number, 2 * ROUNDS);
}

static int deadlock(struct place *place, void *argument)
{
    struct wait *wait = argument;
    struct flock second = range(F_WRLCK, 1, 1), first = range(F_WRLCK, 0, 1);
    int fd = openat(place->fd, "f", O_RDWR | O_CLOEXEC);
    if (fd < 0 || fcntl(fd, F_SETLK, &second) != 0 || say(wait->told[1]) != 0) {
        return errno;
    }
    return fcntl(fd, F_SETLKW, &first) == 0 ? 0 : errno;
}

static void deadlock_edeadlk(struct place *place)
{
    struct wait wait;
    struct flock second = range(F_WRLCK, 1, 1);
    int fd = open_new(place, "f", "abc");
    lock(fd, F_WRLCK, 0, 1);
    MUST(pipe(wait.told));
    pid_t child = child_start(deadlock, place, &wait);
    EQUAL(hear(wait.told[0]), 0);
    int error = fcntl(fd, F_SETLKW, &second) == 0 ? 0 : errno;
    lock(fd, F_UNLCK, 0, 0);
    int other = child_end(child);
    HOLDS((error == EDEADLK) != (other == EDEADLK));
    HOLDS(error == 0 || other == 0);
}

static const struct rule rules[] = {
    {"exclusive-excludes", "what one process has locked for writing another cannot lock",
     "POSIX fcntl F_SETLK", exclusive_excludes},
    {"shared-shares", "what one has locked for reading another locks for reading, not for writing",
     "POSIX fcntl F_SETLK", shared_shares},
    {"ranges-are-apart", "bytes beside a locked range are free", "POSIX fcntl F_SETLK",
     ranges_are_apart},
    {"to-infinity", "a length of 0 locks to the largest offset", "POSIX fcntl, l_len 0",
     to_infinity},
    {"unlock", "what is unlocked is free", "POSIX fcntl F_UNLCK", unlock},
    {"unlock-middle", "unlocking the middle leaves both ends locked", "POSIX fcntl F_UNLCK",
     unlock_middle},
    {"unlock-what-is-free", "unlocking what is not locked succeeds", "POSIX fcntl F_UNLCK",
     unlock_what_is_free},
    {"downgrade", "a lock for writing becomes one for reading", "POSIX fcntl F_SETLK", downgrade},
    {"own-locks-do-not-conflict",
     "a process may lock again what it has locked, through any descriptor", "POSIX fcntl F_SETLK",
     own_locks_do_not_conflict},
    {"any-close-unlocks", "closing any descriptor of the file gives all the process's locks back",
     "POSIX close, fcntl", any_close_unlocks},
    {"end-unlocks", "a process that ends gives its locks back", "POSIX exit, fcntl", end_unlocks},
    {"fork-does-not-inherit", "a child does not have its parent's locks", "POSIX fork, fcntl",
     fork_does_not_inherit},
    {"get-tells-the-holder", "F_GETLK tells type, range and process of what is in the way",
     "POSIX fcntl F_GETLK", get_tells_the_holder},
    {"get-tells-free", "F_GETLK says F_UNLCK and changes nothing else if nothing is in the way",
     "POSIX fcntl F_GETLK", get_tells_free},
    {"relative-to-offset", "a range may be given from the offset on", "POSIX fcntl, SEEK_CUR",
     relative_to_offset},
    {"relative-to-end", "a range may be given from the end on, also backwards",
     "POSIX fcntl, SEEK_END", relative_to_end},
    {"before-begin-einval", "a range that begins before the file is refused", "POSIX fcntl EINVAL",
     before_begin_einval},
    {"read-lock-needs-read", "a lock for reading needs a descriptor for reading",
     "POSIX fcntl EBADF", read_lock_needs_read},
    {"write-lock-needs-write", "a lock for writing needs a descriptor for writing",
     "POSIX fcntl EBADF", write_lock_needs_write},
    {"through-other-link", "a lock is of the file, whatever its name", "POSIX fcntl F_SETLK, link",
     through_other_link},
    {"after-rename", "a lock stays with its file when that is renamed",
     "POSIX fcntl F_SETLK, rename", after_rename},
    {"advisory", "a lock does not hinder reading and writing", "POSIX fcntl F_SETLK", advisory},
    {"waiting-goes-on",
     "who waits for a lock gets it when it is given back, and sees what was written",
     "POSIX fcntl F_SETLKW", waiting_goes_on},
    {"counting-under-locks", "two processes that count under a lock lose nothing",
     "POSIX fcntl F_SETLKW", counting_under_locks},
    {"deadlock-edeadlk", "of two processes that wait for each other one is told",
     "POSIX fcntl EDEADLK", deadlock_edeadlk},
};

const struct subject subject_locks = {"locks", rules, sizeof rules / sizeof rules[0]};
