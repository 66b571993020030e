/*
 * One rule in a process of its own, on a directory of its own: it may crash, hang, leave files open
 * and change its ids, its umask and its limits, and the next rule sees nothing of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/posix/harness.h"

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- the directory --------------------------------------------------------------------------- */

static int remove_tree(int parent, const char *name);

static int remove_contents(int fd)
{
    DIR *stream = fdopendir(fd);
    struct dirent *entry;
    int result = 0;

    if (stream == NULL) {
        close(fd);
        return -1;
    }
    /* Names are removed while they are read: what a listing skips then, the next round finds. */
    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(fd, entry->d_name, 0) == 0) {
            continue;
        }
        /* The errno of what stays is kept for the report; EPERM is POSIX's for a directory. */
        if ((errno != EISDIR && errno != EPERM) || remove_tree(fd, entry->d_name) != 0) {
            result = -errno;
        }
    }
    closedir(stream);
    errno = -result;
    return result == 0 ? 0 : -1;
}

static int remove_tree(int parent, const char *name)
{
    for (int round = 0; round < 5; round++) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0) {
            return 0;
        }
        if (errno != ENOTEMPTY && errno != EEXIST) {
            return -1;
        }
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || remove_contents(fd) != 0) {
            return -1;
        }
    }
    return unlinkat(parent, name, AT_REMOVEDIR);
}

/*
 * A client may hold a removed file's place for a moment after the last process has closed it; and
 * for as long as there is something mapped to write back.
 */
static int remove_soon(int parent, const char *name)
{
    double end = now() + 3;

    while (remove_tree(parent, name) != 0) {
        int error = errno;
        if (error == ENOENT) {
            return 0;
        }
        if (now() > end) {
            return -error;
        }
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            (void)syncfs(fd);
            close(fd);
        }
        usleep(10000);
    }
    return 0;
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* A process of another namespace or machine may have the same id. */
static int make_directory(struct run *run, const char *parent)
{
    if (strlen(parent) > sizeof run->path - 64) {
        return -ENAMETOOLONG;
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(run->path, sizeof run->path, "%.4000s/.posix-suite-%d-%d", parent, (int)getpid(),
                 i);
        if (mkdir(run->path, 0777) == 0) {
            return 0;
        }
        if (errno != EEXIST) {
            return -errno;
        }
    }
    return -EEXIST;
}

int run_begin(struct run *run, const char *directory)
{
    struct rlimit files;

    umask(0);
    /* A deep tree is removed with one descriptor per level. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 8192 && files.rlim_max >= 8192) {
        files.rlim_cur = 8192;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    char *real = realpath(directory, NULL);
    if (real == NULL) {
        return -errno;
    }
    int error = make_directory(run, real);
    free(real);
    if (error != 0) {
        return error;
    }
    run->fd = open(run->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->fd < 0) {
        return -errno;
    }
    run->clock_fd = openat(run->fd, "clock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return run->clock_fd < 0 ? -errno : 0;
}

int run_end(struct run *run)
{
    close(run->clock_fd);
    close(run->fd);
    return remove_soon(AT_FDCWD, run->path);
}

/* ---- a rule ---------------------------------------------------------------------------------- */

static _Noreturn void child(const struct run *run, const char *name, const struct rule *rule,
                            int report)
{
    char path[sizeof run->path + 300];
    struct place place = {.path = path};

    setpgid(0, 0);
    snprintf(path, sizeof path, "%s/%s", run->path, name);
    posix_begin(report, run->clock_fd);
    place.fd = openat(run->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    posix_holds(__FILE__, __LINE__, "the rule's directory opens", place.fd >= 0);
    rule->check(&place);
    _exit(0);
}

static void fail(struct verdict *verdict, const char *what, long number)
{
    verdict->kind = VERDICT_FAILED;
    snprintf(verdict->text, sizeof verdict->text, "%s %ld", what, number);
}

/* What the child said, if anything: 'F' or 'N' and a text, in one write. */
static void read_report(int fd, struct verdict *verdict)
{
    char buffer[sizeof verdict->text];
    ssize_t size = read(fd, buffer, sizeof buffer - 1);

    if (size < 1) {
        return;
    }
    buffer[size] = '\0';
    verdict->kind = buffer[0] == 'N' ? VERDICT_NOT_APPLICABLE : VERDICT_FAILED;
    snprintf(verdict->text, sizeof verdict->text, "%s", buffer + 1);
}

/* Wait for the child; one that hangs is killed, and left alone if even that does not end it. */
static void await(pid_t pid, int report, struct verdict *verdict)
{
    int pidfd = pidfd_open(pid, 0);
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    int status = 0;
    bool ended = pidfd >= 0 && poll(&wait, 1, RULE_SECONDS * 1000) > 0;

    kill(-pid, SIGKILL); /* also what it started */
    kill(pid, SIGKILL);
    if (!ended) {
        fail(verdict, "did not end; it was stopped after this many seconds:", RULE_SECONDS);
        poll(&wait, 1, 5000);
    }
    pid_t reaped = waitpid(pid, &status, WNOHANG);
    close(pidfd);
    if (!ended) {
        return;
    }
    read_report(report, verdict);
    if (verdict->kind != VERDICT_PASSED) {
        return;
    }
    if (reaped == pid && WIFSIGNALED(status)) {
        fail(verdict, "ended by signal", WTERMSIG(status));
    } else if (reaped != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail(verdict, "ended with exit status", WEXITSTATUS(status));
    }
}

void run_rule(const struct run *run, const char *subject, const struct rule *rule,
              struct verdict *out_verdict)
{
    struct verdict verdict = {.kind = VERDICT_PASSED};
    char name[256];
    int report[2];
    double begin = now();

    snprintf(name, sizeof name, "%s.%s", subject, rule->name);
    if (mkdirat(run->fd, name, 0777) != 0 || pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0) {
        fail(&verdict, "cannot make its directory, errno", errno);
        *out_verdict = verdict;
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        child(run, name, rule, report[1]);
    }
    setpgid(pid, pid);
    close(report[1]);
    if (pid < 0) {
        fail(&verdict, "cannot fork, errno", errno);
    } else {
        await(pid, report[0], &verdict);
    }
    close(report[0]);
    int error = remove_soon(run->fd, name);
    if (error != 0 && verdict.kind == VERDICT_PASSED) {
        fail(&verdict, "its directory cannot be removed, errno", -error);
    }
    verdict.seconds = now() - begin;
    *out_verdict = verdict;
}
