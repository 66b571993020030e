/*
 * See daemon.h. Start: directories and lock, store, loop, live volumes, listeners, processes. Stop:
 * the reverse; what listens goes with the loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/daemon.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "mgmt/bricks.h"
#include "mgmt/gateways.h"

/* One thread reads all connections: its handlers never wait, and messages are few. */
#define LOOP_THREADS 1
/* Commands may hold COMMANDS_RUNNING_MAX of them; records are changed by the rest. */
#define WORKER_THREADS (COMMANDS_RUNNING_MAX + 2)
#define TICK_MS 200

void daemon_config_init(struct daemon_config *out_config)
{
    *out_config = (struct daemon_config){
        .state_dir = "/var/lib/trivet",
        .run_dir = "/run/trivet",
        .listen = "127.0.0.1",
        .port = PORT_MANAGEMENT,
        .brick_port_base = PORT_BRICKS,
        .program_dir = "",
        .log_level = "info",
    };
}

/* ---- directories --------------------------------------------------------------------------- */

/* Make a directory and those above it. */
static int make_directory(const char *parent, const char *name, mode_t mode,
                          struct refusal *out_why)
{
    char path[PATH_SIZE_MAX + 32];
    snprintf(path, sizeof(path), "%s%s", parent, name);
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash) {
            *slash = '\0';
        }
        if (mkdir(path, slash ? 0755 : mode) && errno != EEXIST) {
            return refuse(out_why, -errno,
                          "directory %.4000s cannot be made: %s; choose another "
                          "state-dir or run-dir",
                          path, error_text(-errno));
        }
        if (!slash) {
            return 0;
        }
        *slash = '/';
    }
}

int daemon_make_directories(const struct daemon_config *config, struct refusal *out_why)
{
    int status = make_directory(config->state_dir, "", 0755, out_why);
    status = status ? status : make_directory(config->state_dir, "/log", 0755, out_why);
    status = status ? status : make_directory(config->run_dir, "", 0755, out_why);
    return status ? status : make_directory(config->run_dir, "/bricks", 0755, out_why);
}

/* One trivetd to a state directory, for as long as the descriptor is open. */
static int lock_state(struct daemon *daemon, struct refusal *out_why)
{
    char path[PATH_SIZE_MAX + 16];
    snprintf(path, sizeof(path), "%s/lock", daemon->config.state_dir);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return refuse(out_why, -errno,
                      "%.4000s cannot be opened: %s; is this the right state-dir, "
                      "and are you root?",
                      path, error_text(-errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        return refuse(out_why, -EBUSY,
                      "another trivetd runs with the state directory %.4000s; stop "
                      "it, or choose another --state-dir",
                      daemon->config.state_dir);
    }
    daemon->state_lock = TAKE_FD(fd);
    return 0;
}

/* ---- parts --------------------------------------------------------------------------------- */

static void process_ended(pid_t pid, void *context)
{
    struct daemon *daemon = context;
    live_process_ended(&daemon->live, pid);
}

static void processes_changed(void *context)
{
    struct daemon *daemon = context;
    live_poke(&daemon->live);
}

static void tick(void *context)
{
    struct daemon *daemon = context;
    live_tick(&daemon->live);
}

static int open_store(struct daemon *daemon, struct refusal *out_why)
{
    char path[PATH_SIZE_MAX + 16];
    snprintf(path, sizeof(path), "%s/store", daemon->config.state_dir);
    return file_store_open(path, &daemon->store, out_why);
}

/* A volume that is stopped has no bricks: end those of a stop that was cut short. */
static void end_strays(struct daemon *daemon, const struct volume_definition *definition)
{
    struct refusal why;
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        (void)brick_adopt(daemon, definition, i); /* as a rule there is none */
    }
    if (bricks_stop(daemon, definition, &why)) {
        log_error("%s", why.text);
    }
}

static void resume_volume(struct daemon *daemon, const struct volume_definition *definition)
{
    if (!definition->started) {
        end_strays(daemon, definition);
        return;
    }
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        struct refusal why;
        if (brick_start(daemon, definition, i, &why)) {
            log_error("volume %s: %s", definition->name, why.text);
        }
    }
}

/* Nobody else changes volumes yet: commands are not taken until this has returned. */
static void resume_volumes(struct daemon *daemon)
{
    for (struct live_volume *volume = daemon->live.volumes; volume; volume = volume->next) {
        struct volume_definition definition = volume->definition;
        resume_volume(daemon, &definition);
    }
}

/* ---- start and stop ------------------------------------------------------------------------ */

static int start_loop(struct daemon *daemon, struct refusal *out_why)
{
    int status = rpc_loop_new(LOOP_THREADS, WORKER_THREADS, &daemon->loop);
    if (status) {
        return refuse(out_why, status, "the threads of trivetd cannot be made: %s",
                      error_text(status));
    }
    status = live_init(&daemon->live, daemon->store, daemon->loop, out_why);
    if (status) {
        rpc_loop_free(daemon->loop);
        return status;
    }
    commands_init(&daemon->commands, daemon);
    struct supervisor_hooks hooks = {
        .ended = process_ended, .changed = processes_changed, .context = daemon};
    status = supervisor_new(&hooks, &daemon->supervisor);
    if (status) {
        (void)refuse(out_why, status, "processes cannot be supervised: %s", error_text(status));
        goto undo_live;
    }
    status = daemon_serve(daemon, out_why);
    if (status) {
        goto undo_supervisor;
    }
    resume_volumes(daemon);
    gateway_resume(daemon);
    status = rpc_loop_every(daemon->loop, TICK_MS, tick, daemon);
    status = status ? status : rpc_loop_start(daemon->loop);
    if (status) {
        (void)refuse(out_why, status, "trivetd cannot be started: %s", error_text(status));
        goto undo_supervisor;
    }
    return 0;

undo_supervisor:
    supervisor_free(daemon->supervisor);
undo_live:
    commands_release(&daemon->commands);
    rpc_loop_free(daemon->loop);
    live_release(&daemon->live);
    return status;
}

int daemon_start(const struct daemon_config *config, struct daemon **out_daemon,
                 struct refusal *out_why)
{
    struct daemon *daemon = calloc(1, sizeof(*daemon));
    if (!daemon) {
        return refuse(out_why, -ENOMEM, "there is not enough memory to start");
    }
    daemon->config = *config;
    daemon->state_lock = -1;
    int status = lock_state(daemon, out_why);
    status = status ? status : open_store(daemon, out_why);
    status = status ? status : start_loop(daemon, out_why);
    if (status) {
        cluster_store_close(daemon->store);
        scope_close(&daemon->state_lock);
        free(daemon);
        return status;
    }
    *out_daemon = daemon;
    return 0;
}

void daemon_stop(struct daemon *daemon)
{
    live_stop(&daemon->live);
    commands_stop(&daemon->commands);
    rpc_loop_stop(daemon->loop);
    /* Bricks and gateway are forgotten, not stopped. The supervisor ends before what its thread
     * calls. */
    struct supervisor *supervisor = daemon->supervisor;
    supervisor_free(supervisor);
    live_release(&daemon->live);
    commands_release(&daemon->commands);
    rpc_loop_free(daemon->loop);
    cluster_store_close(daemon->store);
    scope_close(&daemon->state_lock);
    free(daemon);
}
