/*
 * A mount for tests; see fuse_fixture.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/fuse_fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"

static char work[64];
char fuse_tree[80], fuse_mount_point[80];
pid_t fuse_server;

/* ---- the child that serves ---------------------------------------------------------------- */

static int serve(struct frontend *frontend, int ready_fd)
{
    char error[512] = "";
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    AUTO_CLOSE int stop_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    if (frontend_mount(frontend, fuse_mount_point, error, sizeof(error)) != 0) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    if (write(ready_fd, "+", 1) != 1) {
        return 1;
    }
    frontend_run(frontend, stop_fd);
    return 0;
}

static int server_run(int (*open_volume)(const char *name, struct volume **out_volume),
                      const char *name, int ready_fd)
{
    static struct mount_options options;
    char program[] = "trivet-fuse", flag[] = "-o", threads[] = "threads=3", volume[] = "test:";
    char *argv[] = {program, flag, threads, volume, fuse_mount_point}, error[512];
    struct frontend *frontend;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mount_options_parse(5, argv, &options, error, sizeof(error)) != 0 ||
        frontend_new(&options, &frontend) != 0 || open_volume(name, &frontend->volume) != 0) {
        return 1;
    }
    int status = serve(frontend, ready_fd);
    volume_close(frontend->volume);
    frontend_free(frontend);
    return status;
}

bool fuse_server_start(int (*open_volume)(const char *name, struct volume **out_volume),
                       const char *name)
{
    int ready[2];
    char word;
    if (pipe2(ready, O_CLOEXEC) != 0) {
        return false;
    }
    fuse_server = fork();
    if (fuse_server == 0) {
        exit(server_run(open_volume, name, ready[1]));
    }
    close(ready[1]);
    bool is_ready = read(ready[0], &word, 1) == 1;
    close(ready[0]);
    return is_ready;
}

int fuse_child_wait(pid_t child, unsigned timeout_ms)
{
    int status;
    for (unsigned ms = 0; ms <= timeout_ms; ms += 10) {
        if (waitpid(child, &status, WNOHANG) == child) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return -1;
}

bool fuse_server_ended(void)
{
    int status = fuse_child_wait(fuse_server, 15000);
    fuse_server = status == -1 ? fuse_server : 0;
    return status == 0;
}

bool fuse_is_mounted(void)
{
    char line[1024];
    bool is_found = false;
    FILE *mounts = fopen("/proc/self/mounts", "re");
    while (mounts && fgets(line, sizeof(line), mounts)) {
        is_found |= strstr(line, fuse_mount_point) && strstr(line, " fuse.trivet ");
    }
    if (mounts) {
        fclose(mounts);
    }
    return is_found;
}

static void unmount_all(void)
{
    while (umount2(fuse_mount_point, MNT_FORCE | MNT_DETACH) == 0) {
    }
}

int fuse_server_clean(void)
{
    if (fuse_server <= 0) {
        return 0;
    }
    unmount_all();
    (void)kill(fuse_server, SIGTERM);
    if (fuse_child_wait(fuse_server, 10000) < 0) {
        (void)kill(fuse_server, SIGKILL);
        (void)fuse_child_wait(fuse_server, 10000);
    }
    fuse_server = 0;
    return 0;
}

/* ---- the place ---------------------------------------------------------------------------- */

static void watchdog(int signal)
{
    static const char text[] = "the watchdog ended this test\n";
    (void)signal;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    unmount_all();
    if (fuse_server > 0) {
        (void)kill(fuse_server, SIGKILL);
    }
    _exit(1);
}

const char *fuse_reason_to_skip(void)
{
    AUTO_CLOSE int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return "/dev/fuse cannot be opened";
    }
    return geteuid() == 0 ? NULL : "mounting takes root";
}

bool fuse_work_begin(unsigned watchdog_seconds)
{
    const char *base = getenv("TMPDIR");
    struct sigaction action = {.sa_handler = watchdog};
    sigaction(SIGALRM, &action, NULL);
    alarm(watchdog_seconds);
    /* Mounts of its own: a name space that another program makes meanwhile would keep a copy, and
     * with it the mount. */
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return false;
    }
    snprintf(work, sizeof(work), "%.40s/trivet-fuse-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(work)) {
        return false;
    }
    snprintf(fuse_tree, sizeof(fuse_tree), "%s/tree", work);
    snprintf(fuse_mount_point, sizeof(fuse_mount_point), "%s/mount", work);
    return mkdir(fuse_tree, 0755) == 0 && mkdir(fuse_mount_point, 0755) == 0;
}

static int remove_each(const char *path, const struct stat *stat_buffer, int type,
                       struct FTW *place)
{
    (void)stat_buffer;
    (void)type;
    (void)place;
    return remove(path);
}

void fuse_work_end(void)
{
    (void)fuse_server_clean();
    (void)nftw(work, remove_each, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

const char *fuse_at(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", fuse_mount_point, name);
    return path;
}
