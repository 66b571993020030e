/*
 * trivet-gateway: volumes over NFS version 3, for machines that cannot run the native client.
 *
 * This file is the process: options, configuration, background, pid and status files, signals. What
 * it serves is frontends/nfs3/nfs3_server.c. Manual: trivet_gateway.8.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "frontends/nfs3/nfs3_server.h"

#define PROGRAM "trivet-gateway"
#define CONFIG_DEFAULT "/etc/trivet/gateway.conf"
#define FILE_PATH_MAX (PATH_SIZE_MAX + 64)

struct options {
    const char *config;
    const char *run_dir; /* NULL: the configuration's */
    enum log_level level;
    bool foreground;
};

struct gateway {
    struct options options;
    struct settings settings;
    struct exports *exports;
    struct nfs3_server *server;
    int pid_fd; /* locked as long as we run */
};

/* ---- options ------------------------------------------------------------------------------- */

static void usage(FILE *to)
{
    fprintf(to, "usage: " PROGRAM " [options]\n"
                "Serves Trivet volumes over NFS version 3.\n"
                "  -c, --config FILE      configuration (" CONFIG_DEFAULT ")\n"
                "  -f, --foreground       stay in the foreground, log to standard error\n"
                "  -r, --run-dir DIR      where the pid and status files go, instead of run-dir\n"
                "  -l, --log-level LEVEL  error, warn, info or debug (info)\n"
                "  -h, --help             this text\n"
                "  -V, --version          the version\n");
}

/* Fails: -EINVAL; 1: nothing is left to do. */
static int options_parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"config", required_argument, NULL, 'c'},
        {"foreground", no_argument, NULL, 'f'},
        {"run-dir", required_argument, NULL, 'r'},
        {"log-level", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){.config = CONFIG_DEFAULT, .level = LOG_LEVEL_INFO};
    int option;
    while ((option = getopt_long(argc, argv, "c:fr:l:hV", names, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 'f':
            options->foreground = true;
            break;
        case 'r':
            options->run_dir = optarg;
            break;
        case 'l':
            if (log_level_parse(optarg, &options->level)) {
                fprintf(stderr, PROGRAM ": log level \"%s\" is not error, warn, info or debug\n",
                        optarg);
                return -EINVAL;
            }
            break;
        case 'h':
            usage(stdout);
            return 1;
        case 'V':
            printf(PROGRAM " %s\n", TRIVET_VERSION);
            return 1;
        default:
            usage(stderr);
            return -EINVAL;
        }
    }
    if (optind < argc) {
        fprintf(stderr, PROGRAM ": unknown argument \"%s\"\n", argv[optind]);
        usage(stderr);
        return -EINVAL;
    }
    return 0;
}

/* ---- files --------------------------------------------------------------------------------- */

static void file_path(const struct gateway *gateway, const char *name, char out_path[FILE_PATH_MAX])
{
    snprintf(out_path, FILE_PATH_MAX, "%s/" PROGRAM ".%s", gateway->settings.run_dir, name);
}

/* Be the only gateway of this run directory, and say which process we are. */
static int pid_file_take(struct gateway *gateway)
{
    char path[FILE_PATH_MAX];
    file_path(gateway, "pid", path);
    if (mkdir(gateway->settings.run_dir, 0755) && errno != EEXIST) {
        int status = -errno;
        log_error("cannot make run-dir %s: %s; make it, or name another one with --run-dir",
                  gateway->settings.run_dir, error_text(status));
        return status;
    }
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        int status = -errno;
        log_error("cannot write %s: %s; name another directory with --run-dir", path,
                  error_text(status));
        return status;
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        log_error("a gateway runs already with run-dir %s; its pid is in %s",
                  gateway->settings.run_dir, path);
        return -EEXIST;
    }
    if (ftruncate(fd, 0) || dprintf(fd, "%d\n", (int)getpid()) < 0) {
        int status = -errno;
        log_error("cannot write %s: %s", path, error_text(status));
        return status;
    }
    gateway->pid_fd = TAKE_FD(fd);
    return 0;
}

/* What runs, as JSON, for trivetd and administrators; replaced as a whole. */
static void status_write(const struct gateway *gateway)
{
    char path[FILE_PATH_MAX];
    char fresh[FILE_PATH_MAX];
    file_path(gateway, "status", path);
    file_path(gateway, "status.new", fresh);
    FILE *file = fopen(fresh, "we");
    if (!file) {
        log_warn("cannot write %s: %s", fresh, error_text(-errno));
        return;
    }
    struct nfs3_server_ports ports;
    nfs3_server_ports(gateway->server, &ports);
    fprintf(file,
            "{\"pid\": %d, \"listen\": \"%s\", \"nfs_port\": %u, \"mount_port\": %u, "
            "\"portmap\": \"%s\", \"portmap_port\": %u, \"exports\": [",
            (int)getpid(), gateway->settings.listen, ports.nfs_tcp, ports.mount_tcp,
            nfs3_server_portmap(gateway->server), gateway->settings.portmap_port);
    for (size_t i = 0; i < gateway->exports->count; i++) {
        const struct export *export = gateway->exports->items[i];
        fprintf(file, "%s{\"name\": \"%s\", \"open\": %s}", i ? ", " : "", export->name,
                atomic_load(&export->volume) ? "true" : "false");
    }
    fprintf(file, "]}\n");
    if (fclose(file) || rename(fresh, path)) {
        log_warn("cannot write %s: %s", path, error_text(-errno));
    }
}

static void files_remove(const struct gateway *gateway)
{
    char path[FILE_PATH_MAX];
    file_path(gateway, "status", path);
    (void)unlink(path); /* may be absent */
    file_path(gateway, "pid", path);
    (void)unlink(path);
}

/* ---- the background ------------------------------------------------------------------------ */

/*
 * Go on as a child in the background. The parent stays until the child serves, and its exit status
 * says whether it does; the child's messages still go to the terminal until then.
 *
 * Returns in the child, with the descriptor to tell the parent by.
 */
static int background_begin(void)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC)) {
        perror(PROGRAM ": pipe");
        exit(EXIT_FAILURE);
    }
    pid_t child = fork();
    if (child < 0) {
        perror(PROGRAM ": fork");
        exit(EXIT_FAILURE);
    }
    if (child > 0) {
        (void)close(pair[1]);
        char ready = 0;
        bool serves = read(pair[0], &ready, 1) == 1;
        _exit(serves ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    (void)close(pair[0]);
    (void)setsid(); /* cannot fail for a new child */
    return pair[1];
}

static void background_end(const struct gateway *gateway, int parent)
{
    char path[FILE_PATH_MAX];
    file_path(gateway, "log", path);
    AUTO_CLOSE int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    AUTO_CLOSE int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (nothing >= 0) {
        (void)dup2(nothing, STDIN_FILENO);
        (void)dup2(nothing, STDOUT_FILENO);
    }
    if (log >= 0) {
        (void)dup2(log, STDERR_FILENO);
    }
    (void)!write(parent, "+", 1); /* the parent may be gone: nobody is left to be told */
    (void)close(parent);
}

/* ---- serving ------------------------------------------------------------------------------- */

static int configure(struct gateway *gateway)
{
    char error[CONF_ERROR_SIZE];
    settings_init(&gateway->settings);
    int status = exports_new(&gateway->exports);
    if (status) {
        log_error("%s", error_text(status));
        return status;
    }
    status = settings_read(gateway->options.config, &gateway->settings, gateway->exports, error);
    if (status) {
        log_error("%s", error);
        return status;
    }
    if (gateway->options.run_dir) {
        snprintf(gateway->settings.run_dir, sizeof gateway->settings.run_dir, "%s",
                 gateway->options.run_dir);
    }
    return 0;
}

/* The main thread writes the status file; SIGUSR1, which an administrator may send too, asks it. */
static void volume_opened(struct export *export, void *context)
{
    (void)export;
    (void)context;
    (void)kill(getpid(), SIGUSR1);
}

/* Until a signal says stop; meanwhile the status file follows the volumes. */
static void serve(struct gateway *gateway, int signals)
{
    for (;;) {
        struct signalfd_siginfo info;
        ssize_t size = read(signals, &info, sizeof info);
        if (size == (ssize_t)sizeof info && info.ssi_signo != SIGUSR1) {
            log_info("stopping: %s", strsignal((int)info.ssi_signo));
            return;
        }
        status_write(gateway);
    }
}

static int run(struct gateway *gateway, int parent)
{
    /* Before any thread starts, so that all of them leave these signals to the descriptor. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    AUTO_CLOSE int signals = signalfd(-1, &set, SFD_CLOEXEC);
    int status = signals < 0 ? -errno : pid_file_take(gateway);
    if (status) {
        return status;
    }
    gateway->exports->opened = volume_opened;
    char error[512];
    status = nfs3_server_start(&gateway->settings, gateway->exports, &gateway->server, error,
                               sizeof error);
    if (status) {
        log_error("%s", error);
        files_remove(gateway);
        return status;
    }
    status_write(gateway);
    struct nfs3_server_ports ports;
    nfs3_server_ports(gateway->server, &ports);
    log_info("serving %zu export%s on %s: NFS %u, MOUNT %u, portmapper %s", gateway->exports->count,
             gateway->exports->count == 1 ? "" : "s", gateway->settings.listen, ports.nfs_tcp,
             ports.mount_tcp, nfs3_server_portmap(gateway->server));
    if (parent >= 0) {
        background_end(gateway, parent);
    }
    serve(gateway, signals);
    nfs3_server_stop(gateway->server);
    files_remove(gateway);
    return 0;
}

int main(int argc, char **argv)
{
    struct gateway gateway = {.pid_fd = -1};
    int status = options_parse(argc, argv, &gateway.options);
    if (status) {
        return status > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    log_open(PROGRAM, gateway.options.level);
    status = configure(&gateway);
    if (status == 0) {
        int parent = gateway.options.foreground ? -1 : background_begin();
        status = run(&gateway, parent);
    }
    exports_free(gateway.exports);
    scope_close(&gateway.pid_fd);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
