/*
 * trivetd: the management daemon. Options and configuration file, going to the background, signals;
 * everything else is in daemon.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "backend/base/conf.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"
#include "mgmt/daemon.h"

#define EXIT_USAGE 2
#define DEFAULT_CONFIG "/etc/trivet/trivetd.conf"

struct settings {
    struct daemon_config daemon;
    bool is_foreground;
};

static const char usage[] =
    "usage: trivetd [options]\n"
    "\n"
    "The management daemon: supervises bricks and gateway, owns volumes and views.\n"
    "\n"
    "  --config FILE           read FILE (default " DEFAULT_CONFIG ", if it exists)\n"
    "  --state-dir DIR         volumes, views and logs (default /var/lib/trivet)\n"
    "  --run-dir DIR           socket and pid files (default /run/trivet)\n"
    "  --listen ADDRESS        address for bricks and clients (default 127.0.0.1)\n"
    "  --port PORT             port for bricks and clients (default 24007; 0: a free one)\n"
    "  --brick-port-base PORT  bricks get ports from here up (default 49152)\n"
    "  --program-dir DIR       where trivet-brick and trivet-gateway are\n"
    "                          (default: beside trivetd, then PATH)\n"
    "  --log-level LEVEL       error, warn, info or debug (default info)\n"
    "  --foreground            stay in the foreground and log to standard error\n"
    "  --help, --version\n"
    "\n"
    "Each long option but --config, --foreground, --help and --version is also a key of the\n"
    "configuration file's section [trivetd].\n";

/* ---- settings ------------------------------------------------------------------------------ */

static int take_text(const struct conf_entry *entry, char *to, size_t room, char *error,
                     size_t error_size)
{
    if (entry->value[0] == '\0' || strlen(entry->value) >= room) {
        snprintf(error, error_size, "%s must have 1 to %zu characters", entry->key, room - 1);
        return -EINVAL;
    }
    text_copy(to, room, entry->value);
    return 0;
}

static int take_port(const struct conf_entry *entry, unsigned long min, uint16_t *out_port,
                     char *error, size_t error_size)
{
    unsigned long port;
    int status = conf_number(entry, min, UINT16_MAX, &port, error, error_size);
    if (status == 0) {
        *out_port = (uint16_t)port;
    }
    return status;
}

static int take_log_level(const struct conf_entry *entry, struct daemon_config *config, char *error,
                          size_t error_size)
{
    enum log_level level;
    if (log_level_parse(entry->value, &level)) {
        snprintf(error, error_size, "log-level must be error, warn, info or debug");
        return -EINVAL;
    }
    return take_text(entry, config->log_level, sizeof(config->log_level), error, error_size);
}

/* One setting, of the file or of the command line: the names are the same. */
static int take_setting(void *context, const struct conf_entry *entry, char *error,
                        size_t error_size)
{
    struct daemon_config *config = context;
    const char *key = entry->key;
    if (strcmp(entry->section, "trivetd") != 0) {
        snprintf(error, error_size, "section [%s] is not known; the section is [trivetd]",
                 entry->section);
        return -EINVAL;
    }
    if (strcmp(key, "state-dir") == 0) {
        return take_text(entry, config->state_dir, sizeof(config->state_dir), error, error_size);
    }
    if (strcmp(key, "run-dir") == 0) {
        return take_text(entry, config->run_dir, sizeof(config->run_dir), error, error_size);
    }
    if (strcmp(key, "listen") == 0) {
        return take_text(entry, config->listen, sizeof(config->listen), error, error_size);
    }
    if (strcmp(key, "port") == 0) {
        return take_port(entry, 0, &config->port, error, error_size);
    }
    if (strcmp(key, "brick-port-base") == 0) {
        return take_port(entry, 1, &config->brick_port_base, error, error_size);
    }
    if (strcmp(key, "program-dir") == 0) {
        if (entry->value[0] == '\0') {
            config->program_dir[0] = '\0';
            return 0;
        }
        return take_text(entry, config->program_dir, sizeof(config->program_dir), error,
                         error_size);
    }
    if (strcmp(key, "log-level") == 0) {
        return take_log_level(entry, config, error, error_size);
    }
    snprintf(error, error_size, "%s is not a key of [trivetd]", key);
    return -EINVAL;
}

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"foreground", no_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"state-dir", required_argument, NULL, 's'},
    {"run-dir", required_argument, NULL, 's'},
    {"listen", required_argument, NULL, 's'},
    {"port", required_argument, NULL, 's'},
    {"brick-port-base", required_argument, NULL, 's'},
    {"program-dir", required_argument, NULL, 's'},
    {"log-level", required_argument, NULL, 's'},
    {NULL, 0, NULL, 0},
};

static void fail_usage(const char *sentence)
{
    fprintf(stderr, "trivetd: %s\nTry 'trivetd --help'.\n", sentence);
    exit(EXIT_USAGE);
}

static void read_config(struct settings *settings, const char *path)
{
    char error[CONF_ERROR_SIZE];
    if (!path && access(DEFAULT_CONFIG, F_OK)) {
        return;
    }
    if (conf_read(path ? path : DEFAULT_CONFIG, take_setting, &settings->daemon, error)) {
        fprintf(stderr, "trivetd: %s\n", error);
        exit(EXIT_USAGE);
    }
}

/* One pass for --config and what ends the program, one for the settings, which count more. */
static void read_options(int argc, char **argv, struct settings *settings, bool settings_too)
{
    const char *config = NULL;
    int which;
    int found;
    optind = 1;
    while ((found = getopt_long(argc, argv, "", options, &which)) != -1) {
        struct conf_entry entry = {
            .section = "trivetd", .key = options[which].name, .value = optarg};
        char error[CONF_ERROR_SIZE];
        switch (found) {
        case 'c':
            config = optarg;
            break;
        case 'f':
            settings->is_foreground = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        case 'V':
            puts("trivetd " TRIVET_VERSION);
            exit(0);
        case 's':
            if (settings_too && take_setting(&settings->daemon, &entry, error, sizeof(error))) {
                fail_usage(error);
            }
            break;
        default:
            fputs("Try 'trivetd --help'.\n", stderr);
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fail_usage("takes options only");
    }
    if (!settings_too) {
        read_config(settings, config);
    }
}

/* ---- to the background --------------------------------------------------------------------- */

/* Fork; the parent waits for the child's word on the pipe and exits. Returns in the child, with the
 * pipe's end to report to. */
static int go_to_background(void)
{
    /* A pipe of whoever started us must not stay open for as long as we run. */
    closefrom(STDERR_FILENO + 1);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) {
        perror("trivetd: pipe");
        exit(1);
    }
    pid_t pid = fork();
    if (pid < 0) {
        perror("trivetd: fork");
        exit(1);
    }
    if (pid == 0) {
        (void)close(ends[0]); /* the parent's end */
        (void)setsid();       /* fails only for a group leader, which a fork is not */
        return ends[1];
    }
    (void)close(ends[1]); /* so that the child's end shows as the end of the pipe */
    char sentence[REFUSAL_SIZE + 1];
    size_t size = 0;
    ssize_t count;
    while (size < sizeof(sentence) - 1 &&
           (count = read(ends[0], sentence + size, sizeof(sentence) - 1 - size)) > 0) {
        size += (size_t)count;
    }
    sentence[size] = '\0';
    if (strcmp(sentence, "up") == 0) {
        _exit(0);
    }
    fprintf(stderr, "trivetd: %s\n", size ? sentence : "ended while it started; see its log");
    _exit(1);
}

/* Tell the parent, if there is one, how the start went. */
static void report(int pipe, const char *sentence)
{
    if (pipe >= 0) {
        (void)!write(pipe, sentence, strlen(sentence)); /* nobody is left to hear of a failure */
        (void)close(pipe);
    }
}

static void fail_start(int pipe, const char *sentence)
{
    log_error("%s", sentence);
    if (pipe >= 0) {
        report(pipe, sentence);
    }
    exit(1);
}

/* Standard output and error go to the log, input comes from nowhere. */
static int redirect_to_log(const char *state_dir)
{
    char path[PATH_SIZE_MAX + 32];
    snprintf(path, sizeof(path), "%s/log/trivetd.log", state_dir);
    AUTO_CLOSE int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    AUTO_CLOSE int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log < 0 || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0) {
        return -errno;
    }
    return 0;
}

/* ---- running ------------------------------------------------------------------------------- */

/* Directories, made absolute, since a daemon leaves the one it was started in. */
static int prepare_directories(struct daemon_config *config, struct refusal *out_why)
{
    int status = daemon_make_directories(config, out_why);
    if (status) {
        return status;
    }
    char *const directories[] = {config->state_dir, config->run_dir, config->program_dir};
    for (size_t i = 0; i < 3; i++) {
        char absolute[PATH_MAX];
        if (directories[i][0] == '\0') {
            continue;
        }
        if (!realpath(directories[i], absolute)) {
            return refuse(out_why, -errno, "directory %.2000s cannot be used: %s", directories[i],
                          error_text(-errno));
        }
        text_copy(directories[i], PATH_SIZE_MAX + 1, absolute);
    }
    return 0;
}

static void write_pid(const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file)) {
        log_warn("%s cannot be written: %s", path, error_text(-errno));
    }
}

/* Until a signal says to end. */
static void run(struct daemon *daemon, const char *pid_path)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    int signal = 0;
    while (sigwait(&ends, &signal)) {
    }
    log_info("%s: trivetd ends; bricks and gateway go on", strsignal(signal));
    daemon_stop(daemon);
    (void)unlink(pid_path); /* the lock, not this file, says whether a trivetd runs */
}

static void block_signals(void)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGPIPE);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
}

int main(int argc, char **argv)
{
    struct settings settings = {.is_foreground = false};
    daemon_config_init(&settings.daemon);
    read_options(argc, argv, &settings, false);
    read_options(argc, argv, &settings, true);

    enum log_level level = LOG_LEVEL_INFO;
    (void)log_level_parse(settings.daemon.log_level, &level); /* was checked when it was taken */
    log_open("trivetd", level);
    struct refusal why = {""};
    if (prepare_directories(&settings.daemon, &why)) {
        fprintf(stderr, "trivetd: %s\n", why.text);
        return 1;
    }
    block_signals();
    (void)umask(022);
    int pipe = settings.is_foreground ? -1 : go_to_background();
    if (!settings.is_foreground && (redirect_to_log(settings.daemon.state_dir) || chdir("/"))) {
        fail_start(pipe, "the log in the state directory cannot be written");
    }
    struct daemon *daemon;
    if (daemon_start(&settings.daemon, &daemon, &why)) {
        fail_start(pipe, why.text);
    }
    log_info("trivetd " TRIVET_VERSION " listens on %s port %u, state in %s",
             settings.daemon.listen, daemon->port, settings.daemon.state_dir);
    char pid_path[PATH_SIZE_MAX + 16];
    snprintf(pid_path, sizeof(pid_path), "%s/trivetd.pid", settings.daemon.run_dir);
    write_pid(pid_path); /* first: whoever waits for us to be up may look for it */
    report(pipe, "up");
    run(daemon, pid_path);
    return 0;
}
