/*
 * See spawn.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/spawn.h"

#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"

extern char **environ;

/* Of what a program writes, this much of the end is kept. */
#define OUTPUT_KEPT 1024

static int spawn_prepared(const char *const *arguments, posix_spawn_file_actions_t *actions,
                          posix_spawnattr_t *attributes, int output, pid_t *out_pid)
{
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    /* The loop's threads block every signal, and masks are inherited. */
    int error = posix_spawnattr_setsigmask(attributes, &none);
    error = error ? error : posix_spawnattr_setsigdefault(attributes, &all);
    error = error
                ? error
                : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                           POSIX_SPAWN_SETSIGDEF);
    error = error
                ? error
                : posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    error = error ? error : posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    error = error ? error : posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    /* Ours are all close-on-exec; this is for what libraries forget. */
    error = error ? error : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    error = error ? error
                  : posix_spawn(out_pid, arguments[0], actions, attributes,
                                (char *const *)arguments, environ);
    return -error;
}

int spawn(const char *const *arguments, int output, pid_t *out_pid, int *out_pidfd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions)) {
        return -ENOMEM;
    }
    if (posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    pid_t pid;
    int status = spawn_prepared(arguments, &actions, &attributes, output, &pid);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (status) {
        return status;
    }
    int pidfd = pidfd_open(pid, 0); /* close-on-exec by itself; our own child, so it is there */
    if (pidfd < 0) {
        status = -errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return status;
    }
    *out_pid = pid;
    *out_pidfd = pidfd;
    return 0;
}

/* ---- to the end ---------------------------------------------------------------------------- */

struct tail {
    char text[OUTPUT_KEPT + 1];
    size_t size;
};

/* Read what is there and keep the end of it. Returns false at the end of output. */
static bool tail_read(struct tail *tail, int fd)
{
    char buffer[OUTPUT_KEPT];
    ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count < 0) {
        return errno == EINTR || errno == EAGAIN;
    }
    size_t size = (size_t)count;
    if (tail->size + size > OUTPUT_KEPT) {
        size_t excess = tail->size + size - OUTPUT_KEPT;
        memmove(tail->text, tail->text + excess, tail->size - excess);
        tail->size -= excess;
    }
    memcpy(tail->text + tail->size, buffer, size);
    tail->size += size;
    return size > 0;
}

static const char *tail_last_line(struct tail *tail)
{
    while (tail->size > 0 && strchr("\n\r ", tail->text[tail->size - 1])) {
        tail->size--;
    }
    tail->text[tail->size] = '\0';
    const char *newline = strrchr(tail->text, '\n');
    return newline ? newline + 1 : tail->text;
}

/* Wait for the process to end, reading its output meanwhile. Returns false if time ran out. */
static bool drain_until_end(int pidfd, int output, struct tail *tail, unsigned timeout_ms)
{
    uint64_t end = clock_monotonic_ns(clock_real()) + timeout_ms * NS_PER_MS;
    bool more = true;
    for (;;) {
        uint64_t now = clock_monotonic_ns(clock_real());
        if (now >= end) {
            return false;
        }
        struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN},
                               {.fd = more ? output : -1, .events = POLLIN}};
        int wait_ms = (int)((end - now) / NS_PER_MS) + 1;
        if (poll(fds, 2, wait_ms) < 0 && errno != EINTR) {
            return false;
        }
        if (fds[1].revents) {
            more = tail_read(tail, output);
        } else if (fds[0].revents) {
            return true; /* and nothing more to read: what it started may hold the pipe open */
        }
    }
}

int spawn_and_wait(const char *const *arguments, unsigned timeout_ms, struct refusal *out_why)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) {
        return refuse(out_why, -errno, "%s cannot be run: %s", arguments[0], error_text(-errno));
    }
    AUTO_CLOSE int output = ends[0];
    AUTO_CLOSE int input = ends[1];
    (void)fcntl(output, F_SETFL, O_NONBLOCK); /* a poll decides when to read */
    pid_t pid;
    AUTO_CLOSE int pidfd = -1;
    int status = spawn(arguments, input, &pid, &pidfd);
    if (status) {
        return refuse(out_why, status, "%s cannot be run: %s", arguments[0], error_text(status));
    }
    (void)close(TAKE_FD(input)); /* so that the pipe ends when the program does */
    struct tail tail = {.size = 0};
    bool ended = drain_until_end(pidfd, output, &tail, timeout_ms);
    if (!ended) {
        (void)kill(pid, SIGKILL);
    }
    siginfo_t info = {.si_code = 0};
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) && errno == EINTR) {
    }
    if (!ended) {
        return refuse(out_why, -ETIMEDOUT, "%s did not end within %u s and was killed",
                      arguments[0], timeout_ms / 1000);
    }
    if (info.si_code == CLD_EXITED && info.si_status == 0) {
        return 0;
    }
    const char *line = tail_last_line(&tail);
    if (line[0] == '\0') {
        return refuse(out_why, -EREMOTEIO, "%s ended with %s %d and said nothing", arguments[0],
                      info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
    }
    return refuse(out_why, -EREMOTEIO, "%s", line);
}

/* ---- finding ------------------------------------------------------------------------------- */

static bool is_program(const char *directory, size_t size, const char *name,
                       char out_path[PATH_SIZE_MAX + 1])
{
    int written = snprintf(out_path, PATH_SIZE_MAX + 1, "%.*s/%s", (int)size, directory, name);
    struct stat stat_;
    return written > 0 && written <= PATH_SIZE_MAX && stat(out_path, &stat_) == 0 &&
           S_ISREG(stat_.st_mode) && access(out_path, X_OK) == 0;
}

static bool find_beside(const char *name, char out_path[PATH_SIZE_MAX + 1])
{
    char self[PATH_SIZE_MAX + 1];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (size <= 0) {
        return false;
    }
    self[size] = '\0';
    const char *directory = dirname(self);
    return is_program(directory, strlen(directory), name, out_path);
}

static bool find_in_path(const char *name, char out_path[PATH_SIZE_MAX + 1])
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t size = strcspn(path, ":");
        if (size > 0 && path[0] == '/' && is_program(path, size, name, out_path)) {
            return true;
        }
        path += size + (path[size] == ':');
    }
    return false;
}

int program_find(const char *directory, const char *name, char out_path[PATH_SIZE_MAX + 1],
                 struct refusal *out_why)
{
    if (directory) {
        if (is_program(directory, strlen(directory), name, out_path)) {
            return 0;
        }
        return refuse(out_why, -ENOENT,
                      "%s is not in %.2000s; start trivetd with the --program-dir that it is in",
                      name, directory);
    }
    if (find_beside(name, out_path) || find_in_path(name, out_path)) {
        return 0;
    }
    return refuse(out_why, -ENOENT,
                  "%s is neither beside trivetd nor in PATH; start trivetd with the --program-dir "
                  "that it is in",
                  name);
}
