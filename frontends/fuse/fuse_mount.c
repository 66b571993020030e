/*
 * Mounting, running and unmounting. mount(2) is called here rather than by libfuse, for error texts
 * that say what to do, for all of mount(8)'s flags, and because a mount point is never left to
 * fusermount3.
 *
 * The order of the end: write back what mappings have changed, unmount (lazily if in use) while the
 * threads still answer, end the threads, cancel what still waits, close the connection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"
#include "frontends/fuse/fuse_kernel.h"
#include "gateway/volume.h"

static int fuse_open(char *out_error, size_t size)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        return fd;
    }
    int status = -errno;
    if (status == -EACCES || status == -EPERM) {
        volume_explain(out_error, size,
                       "/dev/fuse cannot be opened: %s; run as root, and in a container allow the "
                       "device (docker run --device /dev/fuse --cap-add SYS_ADMIN)",
                       error_text(status));
    } else {
        volume_explain(out_error, size,
                       "/dev/fuse cannot be opened: %s; load the module (modprobe fuse), or in a "
                       "container give it the device (docker run --device /dev/fuse)",
                       error_text(status));
    }
    return status;
}

static int kernel_mount(const struct frontend *frontend, const char *path, int fd, char *out_error,
                        size_t size)
{
    const struct mount_options *options = frontend->options;
    char data[128];
    snprintf(data, sizeof(data),
             "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", fd);
    if (mount(options->volume, path, "fuse.trivet", options->mount_flags, data) == 0) {
        return 0;
    }
    int status = -errno;
    if (status == -EPERM) {
        volume_explain(out_error, size,
                       "mounting on %s is not permitted: run as root (in a container with the "
                       "capability SYS_ADMIN)",
                       path);
    } else if (status == -ENODEV) {
        volume_explain(out_error, size,
                       "the kernel does not know FUSE: load its module (modprobe fuse)");
    } else {
        volume_explain(out_error, size, "cannot mount on %s: %s", path, error_text(status));
    }
    return status;
}

static int session_open(struct frontend *frontend, int fd)
{
    char program[] = "trivet-fuse";
    char *argv[] = {program, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, argv);
    frontend->session =
        fuse_session_new(&args, &fuse_operations, sizeof(fuse_operations), frontend);
    fuse_opt_free_args(&args);
    if (!frontend->session) {
        return -ENOMEM;
    }
    int status = kernel_io(frontend->session, fd);
    if (status != 0) {
        fuse_session_destroy(frontend->session);
        frontend->session = NULL;
    }
    return status;
}

/* The kernel reads ahead 128 KiB unless told otherwise; one round trip should bring more. */
static void read_ahead_set(const char *mount_point)
{
    struct statx stat;
    char path[64];
    if (statx(AT_FDCWD, mount_point, AT_STATX_DONT_SYNC, STATX_TYPE, &stat) != 0) {
        return;
    }
    snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", stat.stx_dev_major,
             stat.stx_dev_minor);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && dprintf(fd, "%d\n", FUSE_READ_AHEAD / 1024) < 0) {
        log_debug("%s cannot be set: %s", path, error_text(-errno)); /* only slower */
    }
}

/* The handshake is the first message and needs no volume, so it comes at once or never. */
static int wait_until_ready(struct frontend *frontend)
{
    struct timespec pause = {.tv_nsec = 1000 * 1000};
    for (unsigned ms = 0; ms < FUSE_HANDSHAKE_MS && !fuse_session_exited(frontend->session); ms++) {
        if (atomic_load(&frontend->is_ready)) {
            return 0;
        }
        nanosleep(&pause, NULL);
    }
    return atomic_load(&frontend->is_ready) ? 0 : -EPROTO;
}

static void session_end(struct frontend *frontend)
{
    frontend_join_threads(frontend);
    frontend_stop_watch(frontend);
    volume_cancel_all(frontend->volume, -EINTR);
    orphans_end(frontend);
    volume_cancel_all(frontend->volume, -EINTR);
    atomic_store(&frontend->is_ready, false);
    /* The kernel ends what is left when /dev/fuse is closed. A thread of the volume may be
     * answering just now, so the session itself goes with the frontend, when the volume is closed.
     */
    AUTO_CLOSE int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing >= 0) {
        (void)dup3(nothing, fuse_session_fd(frontend->session), O_CLOEXEC);
    }
}

int frontend_serve(struct frontend *frontend, int fd)
{
    PRE(frontend->volume);
    int status = session_open(frontend, fd);
    if (status != 0) {
        scope_close(&fd);
        return status;
    }
    status = frontend_start_threads(frontend);
    status = status != 0 ? status : frontend_start_watch(frontend);
    status = status != 0 ? status : wait_until_ready(frontend);
    if (status != 0) {
        session_end(frontend);
    }
    return status;
}

int frontend_mount(struct frontend *frontend, const char *path, char *out_error, size_t size)
{
    frontend->mount_point = strdup(path);
    int fd = fuse_open(out_error, size);
    if (fd < 0 || !frontend->mount_point) {
        return fd < 0 ? fd : -ENOMEM;
    }
    int status = kernel_mount(frontend, path, fd, out_error, size);
    if (status != 0) {
        scope_close(&fd);
        return status;
    }
    status = frontend_serve(frontend, fd);
    if (status != 0) {
        (void)umount2(path, MNT_DETACH);
        volume_explain(out_error, size, "cannot begin to serve %s: %s", path, error_text(status));
        return status;
    }
    read_ahead_set(path);
    return 0;
}

/* ---- the end ------------------------------------------------------------------------------ */

/*
 * Write back and unmount, in a child process that has none of our descriptors. A process must not
 * wait for its own mount: if it were killed meanwhile, the kernel would wait for the answer that
 * only it can give, with the connection held open by the one who waits. Between fork and _exit only
 * system calls.
 */
static pid_t unmount_start(const char *mount_point)
{
    pid_t child = fork();
    if (child != 0) {
        return child;
    }
    (void)close_range(STDERR_FILENO + 1, ~0U, 0); /* since Linux 5.9; FUSE needs no older one */
    int fd = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)syncfs(fd); /* a failure has been told to whoever wrote, or will be by fsync */
        (void)close(fd);
    }
    bool is_gone = umount2(mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL;
    _exit(is_gone ? 0 : 1);
}

static void unmount_finish(pid_t child, const char *mount_point)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) {
        log_error("cannot unmount %s; unmount it by hand (umount -l %s)", mount_point, mount_point);
    }
}

static bool has_ended(const struct frontend *frontend, int timeout_ms)
{
    struct pollfd ended = {.fd = frontend->ended_fd, .events = POLLIN};
    return poll(&ended, 1, timeout_ms) > 0;
}

static void wait_for_stop(const struct frontend *frontend, int stop_fd)
{
    struct pollfd fds[] = {{.fd = frontend->ended_fd, .events = POLLIN},
                           {.fd = stop_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
}

void frontend_run(struct frontend *frontend, int stop_fd)
{
    pid_t unmounter = 0;
    wait_for_stop(frontend, stop_fd);
    if (frontend->mount_point && !has_ended(frontend, 0)) {
        unmounter = unmount_start(frontend->mount_point);
    }
    if (unmounter > 0) {
        /* In use, or before a volume that does not answer: the connection is cut below, and those
         * who use it are told ENOTCONN. */
        (void)has_ended(frontend, FUSE_STOP_MS);
    }
    session_end(frontend);
    if (unmounter > 0) {
        unmount_finish(unmounter, frontend->mount_point); /* nothing it waits for is left */
    }
}
