/*
 * trivet-fuse, also installed as mount.trivet: mounts a volume. See trivet_fuse.8.
 *
 * The order of the start: options, checks that need nobody else, fork (threads do not survive one),
 * volume, mount, threads; then the parent, which waited, exits, and standard error becomes the log.
 * Until then errors go to the standard error of whoever called.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"

#define PROGRAM "trivet-fuse"
#define LOG_DIRECTORY "/var/log/trivet"
#define ERROR_SIZE 1024

static int fail(const char *text)
{
    fprintf(stderr, PROGRAM ": %s\n", text);
    return 1;
}

/* ---- checks ------------------------------------------------------------------------------- */

/* The mount point as an absolute path; NULL after an error was printed. */
static char *mount_point_resolve(const char *path)
{
    struct stat stat_buffer;
    char *absolute = realpath(path, NULL);
    int error = errno;
    if (absolute && stat(absolute, &stat_buffer) == 0) {
        if (S_ISDIR(stat_buffer.st_mode)) {
            return absolute;
        }
        error = ENOTDIR;
    } else if (absolute) {
        error = errno;
    }
    free(absolute);
    if (error == ENOENT) {
        fprintf(stderr, PROGRAM ": the mount point %s does not exist; create it (mkdir -p %s)\n",
                path, path);
    } else if (error == ENOTDIR) {
        fprintf(stderr, PROGRAM ": the mount point %s is not a directory; choose one that is\n",
                path);
    } else if (error == ENOTCONN) {
        fprintf(stderr,
                PROGRAM ": a mount that lost its program is still on %s; unmount it (umount %s)\n",
                path, path);
    } else {
        fprintf(stderr, PROGRAM ": the mount point %s: %s\n", path, strerror(error));
    }
    return NULL;
}

/* ---- the background ----------------------------------------------------------------------- */

/* The log of a mount in the background: that of -o log-file, or one by the mount point's name. */
static int log_file_open(const struct mount_options *options, const char *mount_point)
{
    char path[PATH_SIZE_MAX + sizeof(LOG_DIRECTORY) + 8];
    if (options->log_file[0] != '\0') {
        return open(options->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
    (void)mkdir(LOG_DIRECTORY, 0755); /* open tells */
    int size = snprintf(path, sizeof(path), "%s/%s.log", LOG_DIRECTORY, mount_point + 1);
    for (int i = (int)sizeof(LOG_DIRECTORY); i < size - 4; i++) {
        path[i] = path[i] == '/' ? '-' : path[i];
    }
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

/*
 * Fork. In the parent: wait for the child's word and exit as it says. In the child: *out_fd is
 * where to say it.
 */
static int background_begin(int *out_fd)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        return -errno;
    }
    pid_t child = fork();
    if (child < 0) {
        int status = -errno;
        scope_close(&pipe_fds[0]);
        scope_close(&pipe_fds[1]);
        return status;
    }
    if (child > 0) {
        char word;
        scope_close(&pipe_fds[1]);
        bool is_mounted = read(pipe_fds[0], &word, 1) == 1;
        _exit(is_mounted ? 0 : 1);
    }
    scope_close(&pipe_fds[0]);
    (void)setsid(); /* cannot fail: the child leads no group */
    *out_fd = pipe_fds[1];
    return 0;
}

static void background_complete(int fd, int log_fd)
{
    AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (chdir("/") != 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(log_fd >= 0 ? log_fd : null, STDERR_FILENO) < 0) {
        log_warn("cannot leave the terminal: %s", strerror(errno));
    }
    if (write(fd, "+", 1) != 1) {
        log_warn("whoever mounted has gone already");
    }
}

/* ---- the volume --------------------------------------------------------------------------- */

struct first_answer {
    struct volume_request request;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool is_answered;
};

static void first_complete(struct volume_request *request)
{
    struct first_answer *first = request->context;
    AUTO_LOCK(&first->lock);
    first->is_answered = true;
    pthread_cond_signal(&first->answered);
}

/* Mount only what answers: the root's attributes, within connect_timeout. */
static int volume_greet(struct volume *volume)
{
    struct first_answer first = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                 .answered = PTHREAD_COND_INITIALIZER,
                                 .request = {.op = VOLUME_GETATTR,
                                             .object = GFID_ROOT,
                                             .cred = {.flags = CRED_CHECKED},
                                             .complete = first_complete,
                                             .context = &first}};
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FUSE_FIRST_ANSWER_MS / 1000;
    volume_submit(volume, &first.request);
    pthread_mutex_lock(&first.lock);
    while (!first.is_answered &&
           pthread_cond_timedwait(&first.answered, &first.lock, &until) == 0) {
    }
    bool is_late = !first.is_answered;
    pthread_mutex_unlock(&first.lock);
    if (is_late) {
        volume_cancel(volume, &first.request);
    }
    pthread_mutex_lock(&first.lock);
    while (!first.is_answered) {
        pthread_cond_wait(&first.answered, &first.lock);
    }
    pthread_mutex_unlock(&first.lock);
    return is_late ? -ETIMEDOUT : first.request.reply.status;
}

static int volume_begin(struct frontend *frontend, char *error, size_t size)
{
    char name[128];
    snprintf(name, sizeof(name), PROGRAM "[%d]", (int)getpid());
    struct volume_options options = {.client_name = name,
                                     .wait_timeout_ms = frontend->options->wait_timeout_ms,
                                     .recall_begin = frontend_recall_begin,
                                     .recall = frontend_recall,
                                     .recall_context = frontend};
    int status = volume_open(frontend->options->volume, &options, &frontend->volume, error, size);
    if (status != 0) {
        return status;
    }
    status = volume_greet(frontend->volume);
    if (status != 0) {
        snprintf(error, size, "%s does not answer: %s; see trivet volume status",
                 frontend->options->volume, error_text(status));
        volume_close(frontend->volume);
        frontend->volume = NULL;
    }
    return status;
}

/* ---- main --------------------------------------------------------------------------------- */

static int stop_signals(void)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &stop, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &stop, SFD_CLOEXEC);
}

static int serve(const struct mount_options *options, const char *mount_point, int status_fd)
{
    char error[ERROR_SIZE] = "out of memory";
    struct frontend *frontend;
    AUTO_CLOSE int stop_fd = stop_signals();
    if (stop_fd < 0 || frontend_new(options, &frontend) != 0) {
        return fail(error);
    }
    if (volume_begin(frontend, error, sizeof(error)) != 0) {
        frontend_free(frontend);
        return fail(error);
    }
    int status = frontend_mount(frontend, mount_point, error, sizeof(error));
    if (status == 0) {
        if (status_fd >= 0) {
            AUTO_CLOSE int log_fd = log_file_open(options, mount_point);
            background_complete(status_fd, log_fd);
        }
        log_info("%s is mounted on %s", options->volume, mount_point);
        frontend_run(frontend, stop_fd);
        log_info("%s is unmounted from %s", options->volume, mount_point);
    }
    volume_close(frontend->volume);
    frontend_free(frontend);
    return status == 0 ? 0 : fail(error);
}

/* -f logs to standard error, unless a file was asked for. */
static int foreground_log(const struct mount_options *options)
{
    if (options->log_file[0] == '\0') {
        return 0;
    }
    AUTO_CLOSE int fd = log_file_open(options, "");
    return fd >= 0 && dup2(fd, STDERR_FILENO) >= 0 ? 0 : -errno;
}

int main(int argc, char **argv)
{
    static struct mount_options options; /* holds a path: too large for every stack */
    char error[ERROR_SIZE];
    int status_fd = -1;
    if (mount_options_parse(argc, argv, &options, error, sizeof(error)) != 0) {
        (void)fail(error);
        return 2;
    }
    if (options.help || options.version) {
        fputs(options.help ? mount_options_help : PROGRAM " " TRIVET_VERSION "\n", stdout);
        return 0;
    }
    AUTO_FREE char *mount_point = mount_point_resolve(options.mount_point);
    if (!mount_point) {
        return 1;
    }
    if (options.fake) {
        return 0;
    }
    log_open(PROGRAM, options.log_level);
    int status = options.foreground ? foreground_log(&options) : background_begin(&status_fd);
    if (status != 0) {
        return fail(strerror(-status));
    }
    status = serve(&options, mount_point, status_fd);
    scope_close(&status_fd);
    return status;
}
