/*
 * Rules about flock and about the locks of open file descriptions, which stay until the last
 * descriptor is closed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/file.h>
#include "conformance/posix/rules_io.h"

static int other_flocks(struct place *place, void *argument)
{
    int fd = openat(place->fd, "f", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ENOTTY;
    }
    return flock(fd, *(int *)argument | LOCK_NB) == 0 ? 0 : errno;
}

static int try_flock(struct place *place, int kind)
{
    return as_child(other_flocks, place, &kind);
}

static struct flock range(short type, off_t start, off_t size)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = size};
}

static int description_lock(int fd, short type, off_t start, off_t size)
{
    struct flock wanted = range(type, start, size);
    return fcntl(fd, F_OFD_SETLK, &wanted);
}

static void exclusive_excludes(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(flock(fd, LOCK_EX));
    EQUAL(try_flock(place, LOCK_EX), EWOULDBLOCK);
    EQUAL(try_flock(place, LOCK_SH), EWOULDBLOCK);
}

static void shared_shares(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(flock(fd, LOCK_SH));
    EQUAL(try_flock(place, LOCK_SH), 0);
    EQUAL(try_flock(place, LOCK_EX), EWOULDBLOCK);
}

static void unlock(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(flock(fd, LOCK_EX));
    MUST(flock(fd, LOCK_UN));
    EQUAL(try_flock(place, LOCK_EX), 0);
}

static void own_descriptions_conflict(struct place *place)
{
    int fd = open_new(place, "f", NULL), other = open_at(place, "f", O_RDWR);
    MUST(flock(fd, LOCK_EX));
    FAILS(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

static void close_of_other_keeps(struct place *place)
{
    int fd = open_new(place, "f", NULL), other = open_at(place, "f", O_RDWR);
    MUST(flock(fd, LOCK_EX));
    MUST(close(other));
    EQUAL(try_flock(place, LOCK_EX), EWOULDBLOCK);
}

static void last_close_unlocks(struct place *place)
{
    int fd = open_new(place, "f", NULL), duplicate = (int)MUST(dup(fd));
    MUST(flock(fd, LOCK_EX));
    MUST(close(fd));
    EQUAL(try_flock(place, LOCK_EX), EWOULDBLOCK);
    MUST(close(duplicate));
    EQUAL(try_flock(place, LOCK_EX), 0);
}

static int unlock_inherited(struct place *place, void *argument)
{
    (void)place;
    return flock(*(int *)argument, LOCK_UN) == 0 ? 0 : errno;
}

static void child_unlocks(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(flock(fd, LOCK_EX));
    EQUAL(as_child(unlock_inherited, place, &fd), 0);
    EQUAL(try_flock(place, LOCK_EX), 0);
}

static void converts(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(flock(fd, LOCK_EX));
    MUST(flock(fd, LOCK_SH));
    EQUAL(try_flock(place, LOCK_SH), 0);
}

static void read_only_exclusive(struct place *place)
{
    make_file(place, "f", 0666, NULL);
    MUST(flock(open_at(place, "f", O_RDONLY), LOCK_EX));
}

static void directory(struct place *place)
{
    MUST(flock(place->fd, LOCK_EX));
    MUST(flock(place->fd, LOCK_UN));
}

static void unknown_einval(struct place *place)
{
    FAILS(flock(open_new(place, "f", NULL), 0), EINVAL);
}

static void closed_ebadf(struct place *place)
{
    (void)place;
    FAILS(flock(-1, LOCK_SH), EBADF);
}

static void independent_of_posix_locks(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    struct flock whole = range(F_WRLCK, 0, 0);
    MUST(fcntl(fd, F_SETLK, &whole));
    EQUAL(try_flock(place, LOCK_EX), 0);
}

struct wait {
    int told[2];
};

static int wait_for_flock(struct place *place, void *argument)
{
    struct wait *wait = argument;
    int fd = openat(place->fd, "f", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || say(wait->told[1]) != 0) {
        return ENOTTY;
    }
    return flock(fd, LOCK_EX) == 0 ? 0 : errno;
}

static void waiting_goes_on(struct place *place)
{
    struct wait wait;
    int fd = open_new(place, "f", NULL);
    MUST(flock(fd, LOCK_EX));
    MUST(pipe(wait.told));
    pid_t child = child_start(wait_for_flock, place, &wait);
    EQUAL(hear(wait.told[0]), 0);
    MUST(flock(fd, LOCK_UN));
    EQUAL(child_end(child), 0);
}

static void description_excludes(struct place *place)
{
    int fd = open_new(place, "f", NULL), other = open_at(place, "f", O_RDWR);
    MUST(description_lock(fd, F_WRLCK, 0, 10));
    FAILS_EITHER(description_lock(other, F_WRLCK, 5, 1), EAGAIN, EACCES);
    MUST(description_lock(other, F_WRLCK, 10, 1));
}

static void description_shares(struct place *place)
{
    int fd = open_new(place, "f", NULL), other = open_at(place, "f", O_RDWR);
    MUST(description_lock(fd, F_RDLCK, 0, 10));
    MUST(description_lock(other, F_RDLCK, 0, 10));
    FAILS_EITHER(description_lock(other, F_WRLCK, 0, 10), EAGAIN, EACCES);
}

static void description_keeps_on_other_close(struct place *place)
{
    int fd = open_new(place, "f", NULL), other = open_at(place, "f", O_RDWR);
    MUST(description_lock(fd, F_WRLCK, 0, 0));
    MUST(close(other));
    other = open_at(place, "f", O_RDWR);
    FAILS_EITHER(description_lock(other, F_WRLCK, 0, 0), EAGAIN, EACCES);
}

static void description_unlocks_on_close(struct place *place)
{
    int fd = open_new(place, "f", NULL), other = open_at(place, "f", O_RDWR);
    MUST(description_lock(fd, F_WRLCK, 0, 0));
    MUST(close(fd));
    MUST(description_lock(other, F_WRLCK, 0, 0));
}

static void description_against_posix(struct place *place)
{
    int fd = open_new(place, "f", NULL), other = open_at(place, "f", O_RDWR);
    struct flock whole = range(F_WRLCK, 0, 0);
    MUST(fcntl(fd, F_SETLK, &whole));
    FAILS_EITHER(description_lock(other, F_WRLCK, 0, 0), EAGAIN, EACCES);
}

static void description_get(struct place *place)
{
    int fd = open_new(place, "f", NULL), other = open_at(place, "f", O_RDWR);
    struct flock asked = range(F_RDLCK, 0, 0);
    MUST(description_lock(fd, F_WRLCK, 3, 4));
    MUST(fcntl(other, F_OFD_GETLK, &asked));
    EQUAL(asked.l_type, F_WRLCK);
    EQUAL(asked.l_start, 3);
    EQUAL(asked.l_len, 4);
    EQUAL(asked.l_pid, -1);
}

static int lock_with_inherited(struct place *place, void *argument)
{
    (void)place;
    return description_lock(*(int *)argument, F_WRLCK, 0, 0) == 0 ? 0 : errno;
}

static void description_inherited(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(description_lock(fd, F_WRLCK, 0, 0));
    EQUAL(as_child(lock_with_inherited, place, &fd), 0);
}

static void lease_or_not(struct place *place)
{
    make_file(place, "f", 0666, "abc");
    int fd = open_at(place, "f", O_RDONLY);
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        EQUAL(MUST(fcntl(fd, F_GETLEASE)), F_RDLCK);
        MUST(fcntl(fd, F_SETLEASE, F_UNLCK));
    } else {
        HOLDS(errno == EINVAL || errno == EAGAIN || errno == EOPNOTSUPP);
    }
}

static const struct rule rules[] = {
    {"exclusive-excludes", "what is locked exclusively no other process locks", "flock(2) LOCK_EX",
     exclusive_excludes},
    {"shared-shares", "what is locked shared others lock shared, not exclusively",
     "flock(2) LOCK_SH", shared_shares},
    {"unlock", "what is unlocked is free", "flock(2) LOCK_UN", unlock},
    {"own-descriptions-conflict", "two open files of one process exclude each other", "flock(2)",
     own_descriptions_conflict},
    {"close-of-other-keeps", "closing another open file of the same file keeps the lock",
     "flock(2)", close_of_other_keeps},
    {"last-close-unlocks", "the lock goes with the last duplicate", "flock(2)", last_close_unlocks},
    {"child-unlocks", "a child that unlocks the inherited descriptor unlocks the parent's",
     "flock(2), fork", child_unlocks},
    {"converts", "an exclusive lock becomes a shared one", "flock(2)", converts},
    {"read-only-exclusive", "a descriptor for reading locks exclusively", "flock(2)",
     read_only_exclusive},
    {"directory", "a directory is locked", "flock(2)", directory},
    {"unknown-einval", "an unknown operation is refused", "flock(2) EINVAL", unknown_einval},
    {"closed-ebadf", "a closed descriptor is not locked", "flock(2) EBADF", closed_ebadf},
    {"independent-of-posix-locks", "flock and the locks of POSIX do not see each other",
     "flock(2) NOTES", independent_of_posix_locks},
    {"waiting-goes-on", "who waits for a lock gets it when it is given back", "flock(2)",
     waiting_goes_on},
    {"description-excludes", "two open files of one process exclude each other on a range",
     "fcntl(2) F_OFD_SETLK", description_excludes},
    {"description-shares", "two open files share locks for reading", "fcntl(2) F_OFD_SETLK",
     description_shares},
    {"description-keeps-on-other-close", "closing another open file keeps the lock",
     "fcntl(2) F_OFD_SETLK", description_keeps_on_other_close},
    {"description-unlocks-on-close", "the lock goes with its open file", "fcntl(2) F_OFD_SETLK",
     description_unlocks_on_close},
    {"description-against-posix", "it conflicts with a lock of POSIX, also of the same process",
     "fcntl(2) F_OFD_SETLK", description_against_posix},
    {"description-get", "F_OFD_GETLK tells the range in the way, and -1 for its process",
     "fcntl(2) F_OFD_GETLK", description_get},
    {"description-inherited", "a child has the lock of the open file that it inherits",
     "fcntl(2) F_OFD_SETLK, fork", description_inherited},
    {"lease-or-not", "a lease is granted to the only one who has the file open, or not offered",
     "fcntl(2) F_SETLEASE", lease_or_not},
};

const struct subject subject_flocks = {"flocks", rules, sizeof rules / sizeof rules[0]};
