/*
 * A suite of rules that a directory of a POSIX system must keep, for any directory: what each file
 * of rules needs.
 *
 * A rule is one function on a fresh, empty directory of its own, called as root with umask 0. It
 * makes what it needs, does one thing, and says what must come of it. It runs in a process of its
 * own, for 30 s at most. The macros below report a failure with its place and end that process;
 * whatever is open or left behind then is the harness's to close and remove.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_POSIX_POSIX_H
#define TRIVET_CONFORMANCE_POSIX_POSIX_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* Where a rule works. */
struct place {
    int fd;           /* its empty directory, mode 0777, owned by root */
    const char *path; /* the same, absolute */
};

struct rule {
    const char *name;   /* unique in its file, [a-z0-9-]: "excl-on-existing" */
    const char *says;   /* the rule in one sentence */
    const char *source; /* "POSIX open, O_EXCL", "open(2) O_TMPFILE", "xfs: …" */
    void (*check)(struct place *place);
};

/* One file of rules: rules_<subject>.c defines `const struct subject subject_<subject>`. */
struct subject {
    const char *name;
    const struct rule *rules;
    size_t count;
};

/* ---- saying what must come of a call; each ends the rule on failure ------------------------- */

/* The call must not return -1; its value. */
#define MUST(call) posix_must(__FILE__, __LINE__, #call, (long)(call))
/* The call must return -1 with this errno. */
#define FAILS(call, error) posix_fails(__FILE__, __LINE__, #call, (long)(call), (error))
/* … with one of two, where the standard leaves a choice. */
#define FAILS_EITHER(call, error1, error2)                                                         \
    posix_fails_either(__FILE__, __LINE__, #call, (long)(call), (error1), (error2))
/* Two numbers must be equal; both are printed. */
#define EQUAL(actual, expected)                                                                    \
    posix_equal(__FILE__, __LINE__, #actual, (long)(actual), (long)(expected))
#define HOLDS(condition) posix_holds(__FILE__, __LINE__, #condition, (condition))
/* What this machine or file system cannot do at all (no such user, an option of mkfs): ends the
 * rule as "not applicable", counted and printed with the reason; never for what the rule is about.
 */
#define NEEDS(condition, why) posix_needs((condition), (why))

long posix_must(const char *file, int line, const char *call, long result);
void posix_fails(const char *file, int line, const char *call, long result, int error);
void posix_fails_either(const char *file, int line, const char *call, long result, int error1,
                        int error2);
void posix_equal(const char *file, int line, const char *what, long actual, long expected);
void posix_holds(const char *file, int line, const char *what, bool condition);
void posix_needs(bool condition, const char *why);

/* ---- what most rules need: each MUST succeed ----------------------------------------------- */

/* A file with this mode and content (NULL: empty); closed again. */
void make_file(const struct place *place, const char *name, mode_t mode, const char *content);
void make_dir(const struct place *place, const char *name, mode_t mode);
void make_symlink(const struct place *place, const char *target, const char *name);
void make_fifo(const struct place *place, const char *name, mode_t mode);
/* openat with O_CLOEXEC. */
int open_at(const struct place *place, const char *name, int flags);
/* lstat. */
struct stat look(const struct place *place, const char *name);
struct stat look_fd(int fd);
bool exists(const struct place *place, const char *name);
/* size bytes of a pattern that tells places apart, at offset; and that they are there. */
void write_pattern(int fd, off_t offset, size_t size);
void check_pattern(int fd, off_t offset, size_t size);
/* The bytes from offset on are all zero. */
void check_zeros(int fd, off_t offset, size_t size);
/* The file's whole content is this text. */
void check_content(const struct place *place, const char *name, const char *content);
/* Names in a directory, without "." and "..". */
size_t count_entries(const struct place *place, const char *directory);
/* A name of this many bytes, all the same letter. Valid until the next call. */
const char *long_name(size_t size);
/* <0, 0, >0. */
int compare_times(struct timespec a, struct timespec b);
/* Wait (bounded, polling the clock, not sleeping for luck) until a change made now gets a later
 * time than the object has: a file system's clock ticks with the kernel's. */
void pass_time(const struct place *place);

/* ---- other users --------------------------------------------------------------------------- */

enum { USER_A = 65533, USER_B = 65532, GROUP_A = 65533, GROUP_B = 65532, GROUP_C = 65531 };

/*
 * Call work in a child process with these ids and no capabilities; its result (0 or an errno) comes
 * back. work must not use the macros above; it returns errno of the first call that failed.
 */
int as_user(uid_t uid, gid_t gid, const gid_t *groups, size_t count,
            int (*work)(struct place *place, void *argument), struct place *place, void *argument);
/* The commonest: USER_A with GROUP_A only. */
int as_user_a(int (*work)(struct place *place, void *argument), struct place *place,
              void *argument);
/* The same in a child that stays root (locks, signals, another process's view). */
int as_child(int (*work)(struct place *place, void *argument), struct place *place, void *argument);

#endif
