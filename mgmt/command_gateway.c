/*
 * gateway start, gateway stop and gateway status. See gateways.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"
#include "mgmt/command.h"
#include "mgmt/gateways.h"
#include "mgmt/listening.h"
#include "mgmt/spawn.h"

#define GATEWAY_KEY "gateway/local"
#define GATEWAY_CONFIG "/etc/trivet/gateway.conf"
/* A gateway that died this often while it starts will not come up. */
#define START_DEATHS_MAX 3
#define LISTENING_MAX 16
#define POLL_MS 50
#define NULL_MS_MAX 1000
#define NFS_PROGRAM 100003
#define NFS_VERSION 3

/* ---- the record ---------------------------------------------------------------------------- */

/* *out_config: the caller's, to free; NULL if no gateway is to run. */
static int record_read(struct daemon *daemon, char **out_config, uint64_t *out_version)
{
    json_t *json = NULL;
    int status = json_load(daemon->store, GATEWAY_KEY, &json, out_version);
    if (status == -ENOENT) {
        *out_config = NULL;
        *out_version = 0;
        return 0;
    }
    if (status) {
        return status;
    }
    const char *config = json_string_value(json_object_get(json, "config"));
    *out_config = config ? strdup(config) : NULL;
    json_decref(json);
    return *out_config ? 0 : -E_CORRUPT;
}

/* config NULL: no gateway is to run. */
static int record_write(struct daemon *daemon, const char *config)
{
    AUTO_FREE char *before = NULL;
    uint64_t version = 0;
    int status = record_read(daemon, &before, &version);
    if (status && status != -E_CORRUPT) {
        return status;
    }
    if (!config) {
        return version ? cluster_store_delete_if_version(daemon->store, GATEWAY_KEY, version) : 0;
    }
    json_t *json = json_pack("{s:i, s:s}", "format", 1, "config", config);
    status = json_save(daemon->store, GATEWAY_KEY, json, version, NULL);
    json_decref(json);
    return status;
}

/* ---- the process --------------------------------------------------------------------------- */

static int gateway_begin(struct daemon *daemon, const char *config, struct refusal *out_why)
{
    char program[PATH_SIZE_MAX + 1];
    const char *directory = daemon->config.program_dir[0] ? daemon->config.program_dir : NULL;
    int status = program_find(directory, "trivet-gateway", program, out_why);
    if (status) {
        return status;
    }
    char log_path[PATH_SIZE_MAX + 32];
    char pid_path[PATH_SIZE_MAX + 32];
    snprintf(log_path, sizeof(log_path), "%s/log/gateway.log", daemon->config.state_dir);
    snprintf(pid_path, sizeof(pid_path), "%s/supervised-gateway.pid", daemon->config.run_dir);
    const char *const arguments[] = {
        program, "--config", config, "--foreground", "--run-dir", daemon->config.run_dir, NULL};
    struct process_plan plan = {
        .name = "gateway",
        .arguments = arguments,
        .log_path = log_path,
        .pid_path = pid_path,
    };
    struct process *process;
    status = process_start(daemon->supervisor, &plan, &process, out_why);
    if (status) {
        return status;
    }
    AUTO_LOCK(&daemon->live.lock);
    daemon->gateway.process = process;
    snprintf(daemon->gateway.config, sizeof(daemon->gateway.config), "%s", config);
    return 0;
}

/* Forget the process; whoever looks at it does so under the lock. */
static void gateway_end(struct daemon *daemon)
{
    struct process *process;
    {
        AUTO_LOCK(&daemon->live.lock);
        process = daemon->gateway.process;
        daemon->gateway.process = NULL;
    }
    process_release(process);
}

static struct process *gateway_process(struct daemon *daemon, char out_config[PATH_SIZE_MAX + 1])
{
    AUTO_LOCK(&daemon->live.lock);
    text_copy(out_config, PATH_SIZE_MAX + 1, daemon->gateway.config);
    return daemon->gateway.process;
}

void gateway_resume(struct daemon *daemon)
{
    AUTO_FREE char *config = NULL;
    uint64_t version;
    struct refusal why = {""};
    int status = record_read(daemon, &config, &version);
    if (status) {
        log_error("the record of the gateway cannot be read: %s; start the gateway again with "
                  "\"trivet gateway start\"",
                  error_text(status));
        return;
    }
    if (config && gateway_begin(daemon, config, &why)) {
        log_error("the gateway does not run: %s", why.text);
    }
}

/* ---- whether it answers -------------------------------------------------------------------- */

/* Whether an NFS server answers there. */
static bool nfs_answers(struct daemon *daemon, const struct listening *at)
{
    static const struct rpc_service no_service = {.program_count = 0};
    const char *host = strcmp(at->address, "0.0.0.0") == 0 ? "127.0.0.1"
                       : strcmp(at->address, "::") == 0    ? "::1"
                                                           : at->address;
    struct rpc_connection *connection;
    if (rpc_dial_tcp(daemon->loop, host, at->port, &no_service, &connection)) {
        return false;
    }
    struct rpc_call_request request = {
        .program = NFS_PROGRAM,
        .version = NFS_VERSION,
        .procedure = 0,
        .encode = (xdrproc_t)(void (*)(void))xdr_void,
        .timeout_ms = NULL_MS_MAX,
    };
    int status = rpc_call_wait(connection, &request, (xdrproc_t)(void (*)(void))xdr_void, NULL);
    rpc_connection_close(connection);
    rpc_connection_put(connection);
    return status == 0;
}

/* The port it serves NFS on; 0: none yet. */
static uint16_t gateway_nfs_port(struct daemon *daemon, pid_t pid)
{
    struct listening at[LISTENING_MAX];
    size_t count = pid > 0 ? listening_of(pid, at, LISTENING_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        if (nfs_answers(daemon, &at[i])) {
            return at[i].port;
        }
    }
    return 0;
}

/* Returns false if trivetd stops. */
static bool pause_a_little(struct live *live)
{
    AUTO_LOCK(&live->lock);
    uint64_t end_ns = clock_monotonic_ns(clock_real()) + POLL_MS * NS_PER_MS;
    return live_wait(live, end_ns) != -ECANCELED;
}

static int wait_for_gateway(struct command *command, struct process *process, uint16_t *out_port)
{
    struct daemon *daemon = command->daemon;
    uint64_t end_ns = clock_monotonic_ns(clock_real()) + START_MS_MAX * NS_PER_MS;
    struct process_status status = {.pid = 0};
    while (clock_monotonic_ns(clock_real()) < end_ns && status.deaths < START_DEATHS_MAX) {
        uint16_t port = gateway_nfs_port(daemon, status.pid);
        if (port) {
            *out_port = port;
            return 0;
        }
        if (!pause_a_little(&daemon->live)) {
            return refuse(&command->why, -ECANCELED,
                          "trivetd stops meanwhile; the gateway goes on starting");
        }
        process_status(process, &status);
    }
    char line[1024];
    process_last_line(process, line, sizeof(line));
    return refuse(&command->why, -EREMOTEIO,
                  "the gateway did not come up (%s); the last line of its log "
                  "%.2000s/log/gateway.log is: %s",
                  status.deaths > 0 ? status.ending : "it runs but does not answer NFS calls",
                  daemon->config.state_dir, line[0] ? line : "(it is empty)");
}

/* ---- the commands -------------------------------------------------------------------------- */

static int gateway_stop(struct daemon *daemon, struct process *process)
{
    int status = processes_stop(&process, 1);
    if (status == 0) {
        gateway_end(daemon);
    }
    return status;
}

static int check_config(struct command *command, const char *config)
{
    struct stat stat_;
    if (config[0] != '/' || strlen(config) > PATH_SIZE_MAX) {
        return refuse(&command->why, -EINVAL,
                      "the gateway's configuration must be named by an absolute path");
    }
    if (stat(config, &stat_)) {
        return refuse(
            &command->why, -errno,
            "the gateway's configuration %.2000s cannot be read: %s; name another one with "
            "--config",
            config, error_text(-errno));
    }
    return 0;
}

int command_gateway_start(struct command *command)
{
    struct daemon *daemon = command->daemon;
    char running[PATH_SIZE_MAX + 1];
    const char *config = command_text(command, "config");
    config = config[0] ? config : GATEWAY_CONFIG;
    if (gateway_process(daemon, running)) {
        return refuse(
            &command->why, -EALREADY,
            "the gateway is already started, with %.2000s; stop it first to start it with "
            "another configuration",
            running);
    }
    int status = check_config(command, config);
    status = status ? status : gateway_begin(daemon, config, &command->why);
    if (status) {
        return status;
    }
    struct process *process = gateway_process(daemon, running);
    uint16_t port = 0;
    status = wait_for_gateway(command, process, &port);
    if (status == 0) {
        status = record_write(daemon, config);
        if (status) {
            (void)refuse(&command->why, status,
                         "the gateway could not be recorded in "
                         "%.2000s/store: %s",
                         daemon->config.state_dir, error_text(status));
        }
    }
    if (status) {
        if (gateway_stop(daemon, process)) {
            log_error("the gateway did not end");
        }
        return status;
    }
    command_answer(command, "nfs_port", json_integer(port));
    command_answer(command, "config", json_string(config));
    return 0;
}

int command_gateway_stop(struct command *command)
{
    struct daemon *daemon = command->daemon;
    char config[PATH_SIZE_MAX + 1];
    struct process *process = gateway_process(daemon, config);
    int status = record_write(daemon, NULL);
    if (status) {
        return refuse(&command->why, status,
                      "the gateway's record in %.2000s/store cannot be "
                      "removed: %s",
                      daemon->config.state_dir, error_text(status));
    }
    if (!process) {
        return refuse(&command->why, -EALREADY, "the gateway is not started");
    }
    if (gateway_stop(daemon, process)) {
        return refuse(&command->why, -ETIMEDOUT,
                      "the gateway did not end, not even when it was killed; see the kernel's log");
    }
    return 0;
}

int command_gateway_status(struct command *command)
{
    struct daemon *daemon = command->daemon;
    struct process_status status = {.pid = 0};
    bool is_started;
    {
        AUTO_LOCK(&daemon->live.lock);
        is_started = daemon->gateway.process != NULL;
        if (is_started) {
            process_status(daemon->gateway.process, &status);
            command_answer(command, "config", json_string(daemon->gateway.config));
        }
    }
    struct listening at[LISTENING_MAX];
    size_t count = status.pid > 0 ? listening_of(status.pid, at, LISTENING_MAX) : 0;
    json_t *listening = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(
            listening, json_pack("{s:s, s:i}", "address", at[i].address, "port", (int)at[i].port));
    }
    uint16_t port = gateway_nfs_port(daemon, status.pid);
    command_answer(command, "started", json_boolean(is_started));
    command_answer(command, "online", json_boolean(port != 0));
    command_answer(command, "pid", json_integer(status.pid));
    command_answer(command, "nfs_port", json_integer(port));
    command_answer(command, "restarts", json_integer(status.deaths));
    command_answer(command, "last_end", json_string(status.ending));
    command_answer(command, "listening", listening);
    return 0;
}
