/*
 * What posix.h promises to the rules.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/posix/harness.h"

static int report_to = STDERR_FILENO;
static int clock_file = -1;

void posix_begin(int report_fd, int clock_fd)
{
    report_to = report_fd;
    clock_file = clock_fd;
}

/* ---- saying what must come of a call --------------------------------------------------------- */

/* The first report counts: a pipe takes each whole, and the reader takes the first. */
__attribute__((format(printf, 2, 3))) static _Noreturn void end(char kind, const char *format, ...)
{
    char text[1000] = {kind};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + 1, sizeof text - 1, format, arguments);
    va_end(arguments);
    _exit(write(report_to, text, strlen(text)) > 0 ? 1 : 2);
}

static const char *error_name(int error)
{
    const char *name = error == 0 ? "0" : strerrorname_np(error);

    return name != NULL ? name : "unknown errno";
}

long posix_must(const char *file, int line, const char *call, long result)
{
    if (result == -1) {
        end('F', "%s:%d: %s: %s", file, line, call, error_name(errno));
    }
    return result;
}

void posix_fails(const char *file, int line, const char *call, long result, int error)
{
    posix_fails_either(file, line, call, result, error, error);
}

void posix_fails_either(const char *file, int line, const char *call, long result, int error1,
                        int error2)
{
    int came = errno;
    char wanted[64];

    if (result == -1 && (came == error1 || came == error2)) {
        return;
    }
    snprintf(wanted, sizeof wanted, "%s%s%s", error_name(error1), error1 == error2 ? "" : " or ",
             error1 == error2 ? "" : error_name(error2));
    if (result == -1) {
        end('F', "%s:%d: %s: %s, not %s", file, line, call, error_name(came), wanted);
    }
    end('F', "%s:%d: %s: returned %ld, not %s", file, line, call, result, wanted);
}

void posix_equal(const char *file, int line, const char *what, long actual, long expected)
{
    if (actual != expected) {
        end('F', "%s:%d: %s is %ld (0%lo), not %ld (0%lo)", file, line, what, actual,
            (unsigned long)actual, expected, (unsigned long)expected);
    }
}

void posix_holds(const char *file, int line, const char *what, bool condition)
{
    if (!condition) {
        end('F', "%s:%d: does not hold: %s", file, line, what);
    }
}

void posix_needs(bool condition, const char *why)
{
    if (!condition) {
        end('N', "%s", why);
    }
}

/* As MUST, with the name of what it was done to. */
static int done(int result, const char *what, const char *name)
{
    if (result == -1) {
        end('F', "to prepare: %s %.200s: %s", what, name, error_name(errno));
    }
    return result;
}

/* ---- what most rules need -------------------------------------------------------------------- */

void make_file(const struct place *place, const char *name, mode_t mode, const char *content)
{
    size_t size = content == NULL ? 0 : strlen(content);
    int fd = done(openat(place->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode),
                  "make a file", name);

    if (size > 0) {
        done(write(fd, content, size) == (ssize_t)size ? 0 : -1, "write to", name);
    }
    done(close(fd), "close", name);
}

void make_dir(const struct place *place, const char *name, mode_t mode)
{
    done(mkdirat(place->fd, name, mode), "mkdir", name);
}

void make_symlink(const struct place *place, const char *target, const char *name)
{
    done(symlinkat(target, place->fd, name), "symlink", name);
}

void make_fifo(const struct place *place, const char *name, mode_t mode)
{
    done(mkfifoat(place->fd, name, mode), "mkfifo", name);
}

int open_at(const struct place *place, const char *name, int flags)
{
    return done(openat(place->fd, name, flags | O_CLOEXEC, 0666), "open", name);
}

struct stat look(const struct place *place, const char *name)
{
    struct stat found;

    done(fstatat(place->fd, name, &found, AT_SYMLINK_NOFOLLOW), "lstat", name);
    return found;
}

struct stat look_fd(int fd)
{
    struct stat found;

    done(fstat(fd, &found), "fstat", "a descriptor");
    return found;
}

bool exists(const struct place *place, const char *name)
{
    struct stat found;
    int result = fstatat(place->fd, name, &found, AT_SYMLINK_NOFOLLOW);

    if (result != 0 && errno != ENOENT) {
        done(result, "lstat", name);
    }
    return result == 0;
}

/* Never zero, so that a hole cannot pass for it; without a period near a page or a stripe. */
static uint8_t pattern_byte(off_t offset)
{
    uint64_t mixed = ((uint64_t)offset + 1) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint8_t)(1 + (mixed >> 32) % 255);
}

void write_pattern(int fd, off_t offset, size_t size)
{
    uint8_t buffer[65536];

    while (size > 0) {
        size_t part = size < sizeof buffer ? size : sizeof buffer;
        for (size_t i = 0; i < part; i++) {
            buffer[i] = pattern_byte(offset + (off_t)i);
        }
        ssize_t written = pwrite(fd, buffer, part, offset);
        done(written > 0 ? 0 : -1, "write", "a pattern");
        offset += written;
        size -= (size_t)written;
    }
}

static void check_bytes(int fd, off_t offset, size_t size, bool zeros)
{
    uint8_t buffer[65536];

    while (size > 0) {
        size_t part = size < sizeof buffer ? size : sizeof buffer;
        ssize_t got = pread(fd, buffer, part, offset);
        done(got >= 0 ? 0 : -1, "read", "a pattern");
        if (got == 0) {
            end('F', "the file ends at %ld, with %zu bytes missing", (long)offset, size);
        }
        for (ssize_t i = 0; i < got; i++) {
            uint8_t want = zeros ? 0 : pattern_byte(offset + i);
            if (buffer[i] != want) {
                end('F', "byte %ld is %u, not %u", (long)(offset + i), buffer[i], want);
            }
        }
        offset += got;
        size -= (size_t)got;
    }
}

void check_pattern(int fd, off_t offset, size_t size)
{
    check_bytes(fd, offset, size, false);
}

void check_zeros(int fd, off_t offset, size_t size)
{
    check_bytes(fd, offset, size, true);
}

void check_content(const struct place *place, const char *name, const char *content)
{
    size_t size = strlen(content), have = 0;
    char buffer[8192];
    int fd = open_at(place, name, O_RDONLY);
    ssize_t got;

    if (size >= sizeof buffer) {
        end('F', "check_content() is for small files, not %zu bytes", size);
    }
    while ((got = read(fd, buffer + have, sizeof buffer - have)) > 0) {
        have += (size_t)got;
    }
    done(got == 0 ? 0 : -1, "read", name);
    if (have != size || memcmp(buffer, content, size) != 0) {
        end('F', "%.200s has %zu bytes \"%.*s\", not \"%.200s\"", name, have,
            (int)(have < 200 ? have : 200), buffer, content);
    }
    close(fd);
}

size_t count_entries(const struct place *place, const char *directory)
{
    int fd = open_at(place, directory, O_RDONLY | O_DIRECTORY);
    DIR *stream = fdopendir(fd);
    struct dirent *entry;
    size_t count = 0;

    done(stream == NULL ? -1 : 0, "fdopendir", directory);
    errno = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count++;
        }
    }
    done(errno == 0 ? 0 : -1, "readdir", directory);
    closedir(stream);
    return count;
}

const char *long_name(size_t size)
{
    static char name[8192];

    if (size >= sizeof name) {
        end('F', "long_name() makes up to %zu bytes", sizeof name - 1);
    }
    memset(name, 'n', size);
    name[size] = '\0';
    return name;
}

/* ---- times ----------------------------------------------------------------------------------- */

int compare_times(struct timespec a, struct timespec b)
{
    if (a.tv_sec != b.tv_sec) {
        return a.tv_sec < b.tv_sec ? -1 : 1;
    }
    return a.tv_nsec == b.tv_nsec ? 0 : a.tv_nsec < b.tv_nsec ? -1 : 1;
}

static struct timespec file_clock(void)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};

    done(futimens(clock_file, times), "set the time of", "the clock's file");
    return look_fd(clock_file).st_mtim;
}

/*
 * Times may come from the kernel here, which takes the time of its last tick, or from a server,
 * which may look at its clock: both must be past what either could have given before.
 */
void pass_time(const struct place *place)
{
    struct timespec begin, tick, file = file_clock();

    (void)place;
    clock_gettime(CLOCK_REALTIME, &begin);
    for (int i = 0; i < 5000; i++) {
        clock_gettime(CLOCK_REALTIME_COARSE, &tick);
        if (compare_times(tick, begin) > 0 && compare_times(file_clock(), file) > 0) {
            return;
        }
        usleep(1000);
    }
    end('F', "the file system's clock stands still");
}

/* ---- other users ----------------------------------------------------------------------------- */

/* Result and errno of work in a child, which becomes somebody else first if uid is not root's. */
static int in_child(uid_t uid, gid_t gid, const gid_t *groups, size_t count,
                    int (*work)(struct place *place, void *argument), struct place *place,
                    void *argument)
{
    int status;
    pid_t pid = done(fork(), "fork", "a process");

    if (pid == 0) {
        if (uid != 0) {
            done(setgroups(count, groups) == 0 && setresgid(gid, gid, gid) == 0 &&
                         setresuid(uid, uid, uid) == 0
                     ? 0
                     : -1,
                 "become", "another user");
        }
        _exit(work(place, argument));
    }
    done(waitpid(pid, &status, 0), "wait for", "a process");
    if (!WIFEXITED(status)) {
        end('F', "a process of the rule ended by signal %d", WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}

int as_user(uid_t uid, gid_t gid, const gid_t *groups, size_t count,
            int (*work)(struct place *place, void *argument), struct place *place, void *argument)
{
    return in_child(uid, gid, groups, count, work, place, argument);
}

int as_user_a(int (*work)(struct place *place, void *argument), struct place *place, void *argument)
{
    const gid_t group = GROUP_A;

    return in_child(USER_A, GROUP_A, &group, 1, work, place, argument);
}

int as_child(int (*work)(struct place *place, void *argument), struct place *place, void *argument)
{
    return in_child(0, 0, NULL, 0, work, place, argument);
}
