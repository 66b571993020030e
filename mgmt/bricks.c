/*
 * See bricks.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/bricks.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "mgmt/spawn.h"

#define ARGUMENTS_MAX 20
/* libtirpc declares xdr_void without parameters. */
#define ENCODE_NOTHING ((xdrproc_t)(void (*)(void))xdr_void)

void address_format(const char *host, unsigned port, char out_text[ADDRESS_SIZE])
{
    snprintf(out_text, ADDRESS_SIZE, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

/* ---- calling trivet-brick ------------------------------------------------------------------ */

/* The words of a call; what is made for it lies here too. */
struct brick_call {
    char program[PATH_SIZE_MAX + 1];
    char id[VOLUME_ID_TEXT_SIZE];
    char number[12];
    char disk_id[17];
    char listen[ADDRESS_SIZE];
    char trivetd[ADDRESS_SIZE];
    size_t count;
    const char *words[ARGUMENTS_MAX];
};

static void call_add(struct brick_call *call, const char *word)
{
    INVARIANT(call->count + 1 < ARGUMENTS_MAX);
    call->words[call->count++] = word;
    call->words[call->count] = NULL;
}

static void call_add_option(struct brick_call *call, const char *option, const char *value)
{
    call_add(call, option);
    call_add(call, value);
}

static int call_begin(struct daemon *daemon, const struct volume_definition *definition,
                      uint32_t number, struct brick_call *call, struct refusal *out_why)
{
    const char *directory = daemon->config.program_dir[0] ? daemon->config.program_dir : NULL;
    int status = program_find(directory, "trivet-brick", call->program, out_why);
    if (status) {
        return status;
    }
    call->count = 0;
    volume_id_to_text(&definition->id, call->id);
    snprintf(call->number, sizeof(call->number), "%u", number);
    snprintf(call->disk_id, sizeof(call->disk_id), "%016" PRIx64,
             definition->bricks[number].disk_id);
    call_add(call, call->program);
    return 0;
}

int brick_format(struct daemon *daemon, const struct volume_definition *definition, uint32_t number,
                 bool force, struct refusal *out_why)
{
    struct brick_call call;
    int status = call_begin(daemon, definition, number, &call, out_why);
    if (status) {
        return status;
    }
    call_add(&call, "--format");
    call_add_option(&call, "--volume", definition->name);
    call_add_option(&call, "--volume-id", call.id);
    call_add_option(&call, "--set", "0");
    call_add_option(&call, "--brick", call.number);
    call_add_option(&call, "--disk-id", call.disk_id);
    if (force) {
        call_add(&call, "--force");
    }
    call_add(&call, definition->bricks[number].path);
    return spawn_and_wait(call.words, FORMAT_MS_MAX, out_why);
}

void brick_unformat(struct daemon *daemon, const struct volume_definition *definition,
                    uint32_t number)
{
    struct brick_call call;
    struct refusal why;
    int status = call_begin(daemon, definition, number, &call, &why);
    if (status == 0) {
        call_add(&call, "--unformat");
        call_add_option(&call, "--volume-id", call.id);
        call_add(&call, definition->bricks[number].path);
        status = spawn_and_wait(call.words, FORMAT_MS_MAX, &why);
    }
    if (status) {
        log_warn("%s keeps a .trivet of volume %s that was not created: %s",
                 definition->bricks[number].path, definition->name, why.text);
    }
}

/* ---- ports --------------------------------------------------------------------------------- */

/* Whether host:port can be listened on, as far as can be told without keeping it. */
static int port_probe(const char *host, uint32_t port)
{
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, service, &hints, &found)) {
        return -EADDRNOTAVAIL;
    }
    int status = 0;
    AUTO_CLOSE int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    /* As the brick does: connections of its predecessor that linger do not count. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, 1)) {
        status = -errno;
    }
    freeaddrinfo(found);
    return status;
}

/* Lock held. Ports of stopped volumes count too: they keep them. */
static bool port_is_assigned(struct live *live, const struct volume_definition *definition,
                             uint32_t port)
{
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        if (definition->bricks[i].port == port) {
            return true;
        }
    }
    for (struct live_volume *volume = live->volumes; volume; volume = volume->next) {
        if (strcmp(volume->definition.name, definition->name) == 0) {
            continue;
        }
        for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
            if (volume->definition.bricks[i].port == port) {
                return true;
            }
        }
    }
    return false;
}

static int brick_assign_port(struct daemon *daemon, struct volume_definition *definition,
                             struct brick_definition *brick, struct refusal *out_why)
{
    if (brick->port && port_probe(brick->host, brick->port) == 0) {
        return 0;
    }
    brick->port = 0;
    for (uint32_t port = daemon->config.brick_port_base; port <= UINT16_MAX; port++) {
        {
            AUTO_LOCK(&daemon->live.lock);
            if (port_is_assigned(&daemon->live, definition, port)) {
                continue;
            }
        }
        int status = port_probe(brick->host, port);
        if (status == 0) {
            brick->port = port;
            return 0;
        }
        if (status != -EADDRINUSE) {
            return refuse(
                out_why, status,
                "brick %s:%.400s: its host's address cannot be listened on: %s; bring the "
                "address up, or delete the volume and create it with another host",
                brick->host, brick->path, error_text(status));
        }
    }
    return refuse(out_why, -EADDRINUSE,
                  "no port from %u up is free on %s; end what uses them or set brick-port-base",
                  daemon->config.brick_port_base, brick->host);
}

int bricks_assign_ports(struct daemon *daemon, struct volume_definition *definition,
                        struct refusal *out_why)
{
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        int status = brick_assign_port(daemon, definition, &definition->bricks[i], out_why);
        if (status) {
            return status;
        }
    }
    return 0;
}

/* ---- processes ----------------------------------------------------------------------------- */

static int brick_call_run(struct daemon *daemon, const struct volume_definition *definition,
                          uint32_t number, struct brick_call *call, struct refusal *out_why)
{
    int status = call_begin(daemon, definition, number, call, out_why);
    if (status) {
        return status;
    }
    const struct brick_definition *brick = &definition->bricks[number];
    address_format(brick->host, brick->port, call->listen);
    const char *own = daemon->config.listen;
    if (strcmp(own, "0.0.0.0") == 0) {
        own = "127.0.0.1";
    } else if (strcmp(own, "::") == 0) {
        own = "::1";
    }
    address_format(own, daemon->port, call->trivetd);
    call_add_option(call, "--volume", definition->name);
    call_add_option(call, "--volume-id", call->id);
    call_add_option(call, "--brick", call->number);
    call_add_option(call, "--listen", call->listen);
    call_add_option(call, "--trivetd", call->trivetd);
    call_add_option(call, "--log-level", daemon->config.log_level);
    call_add(call, brick->path);
    return 0;
}

struct process *brick_process(struct daemon *daemon, const struct volume_definition *definition,
                              uint32_t number)
{
    AUTO_LOCK(&daemon->live.lock);
    struct live_volume *volume = live_find_id(&daemon->live, &definition->id);
    return volume ? volume->bricks[number].process : NULL;
}

bool bricks_have_processes(struct daemon *daemon, const struct volume_definition *definition)
{
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        if (brick_process(daemon, definition, i)) {
            return true;
        }
    }
    return false;
}

static void brick_enter(struct daemon *daemon, const struct volume_definition *definition,
                        uint32_t number, struct process *process)
{
    AUTO_LOCK(&daemon->live.lock);
    struct live_volume *volume = live_find_id(&daemon->live, &definition->id);
    INVARIANT(volume != NULL); /* commands on a volume are serialized */
    volume->bricks[number].process = process;
}

static int brick_begin(struct daemon *daemon, const struct volume_definition *definition,
                       uint32_t number, bool may_start, struct refusal *out_why)
{
    struct brick_call call;
    int status = brick_call_run(daemon, definition, number, &call, out_why);
    if (status) {
        return status;
    }
    char name[VOLUME_NAME_MAX + 24];
    char log_path[PATH_SIZE_MAX + VOLUME_NAME_MAX + 40];
    char pid_path[PATH_SIZE_MAX + VOLUME_NAME_MAX + 40];
    snprintf(name, sizeof(name), "brick %s-%u", definition->name, number);
    snprintf(log_path, sizeof(log_path), "%s/log/brick-%s-%u.log", daemon->config.state_dir,
             definition->name, number);
    snprintf(pid_path, sizeof(pid_path), "%s/bricks/%s-%u.pid", daemon->config.run_dir,
             definition->name, number);
    struct process_plan plan = {
        .name = name,
        .arguments = call.words,
        .log_path = log_path,
        .pid_path = pid_path,
        .reenter_status = BRICK_REENTER,
    };
    struct process *process;
    status = may_start ? process_start(daemon->supervisor, &plan, &process, out_why)
                       : process_adopt(daemon->supervisor, &plan, &process);
    if (status) {
        return status;
    }
    brick_enter(daemon, definition, number, process);
    return 0;
}

int brick_start(struct daemon *daemon, const struct volume_definition *definition, uint32_t number,
                struct refusal *out_why)
{
    if (brick_process(daemon, definition, number)) {
        return 0;
    }
    return brick_begin(daemon, definition, number, true, out_why);
}

int brick_adopt(struct daemon *daemon, const struct volume_definition *definition, uint32_t number)
{
    struct refusal why;
    return brick_begin(daemon, definition, number, false, &why);
}

/* ---- stopping ------------------------------------------------------------------------------ */

static struct rpc_connection *brick_connection(struct daemon *daemon, const struct volume_id *id,
                                               uint32_t number, uint32_t *out_primary)
{
    AUTO_LOCK(&daemon->live.lock);
    struct live_volume *volume = live_find_id(&daemon->live, id);
    if (!volume) {
        return NULL;
    }
    if (out_primary) {
        *out_primary = volume->view.number > 0 ? volume->view.primary : 0;
    }
    struct rpc_connection *connection = volume->bricks[number].connection;
    return connection ? rpc_connection_get(connection) : NULL;
}

static void stop_answered(struct rpc_reply *reply, void *context)
{
    (void)reply; /* that the process ends is the answer */
    (void)context;
}

static void brick_ask_to_stop(struct daemon *daemon, const struct volume_definition *definition,
                              uint32_t number, struct process *process)
{
    process_expect_end(process);
    struct rpc_connection *connection = brick_connection(daemon, &definition->id, number, NULL);
    struct rpc_call_request request = {
        .program = TRIVET_SUPERVISED,
        .version = TRIVET_SUPERVISED_V1,
        .procedure = SUPERVISED_STOP,
        .encode = ENCODE_NOTHING,
        .timeout_ms = STOP_MS_MAX,
        .callback = stop_answered,
    };
    if (!connection || rpc_call_start(connection, &request)) {
        process_terminate(process);
    }
    if (connection) {
        rpc_connection_put(connection);
    }
}

/* Ask, wait, stop by force, and forget the process. */
static int brick_stop_group(struct daemon *daemon, const struct volume_definition *definition,
                            const uint32_t *numbers, size_t count)
{
    struct process *processes[SET_MEMBERS_MAX] = {NULL};
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        struct process *process = brick_process(daemon, definition, numbers[i]);
        if (process) {
            brick_ask_to_stop(daemon, definition, numbers[i], process);
            processes[found++] = process;
        }
    }
    if (processes_wait_ended(processes, found, STOP_MS_MAX) && processes_stop(processes, found)) {
        return -ETIMEDOUT;
    }
    for (size_t i = 0; i < count; i++) {
        brick_enter(daemon, definition, numbers[i], NULL);
    }
    for (size_t i = 0; i < found; i++) {
        process_release(processes[i]);
    }
    return 0;
}

int bricks_stop(struct daemon *daemon, const struct volume_definition *definition,
                struct refusal *out_why)
{
    uint32_t primary = 0;
    struct rpc_connection *connection = brick_connection(daemon, &definition->id, 0, &primary);
    if (connection) {
        rpc_connection_put(connection);
    }
    uint32_t others[SET_MEMBERS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        if (i != primary) {
            others[count++] = i;
        }
    }
    int status = brick_stop_group(daemon, definition, &primary, 1);
    int others_status = brick_stop_group(daemon, definition, others, count);
    if (status || others_status) {
        return refuse(out_why, -ETIMEDOUT,
                      "a brick of volume %s did not end, not even when it was killed; its disk may "
                      "hang: see the kernel's log, then say volume stop %s force",
                      definition->name, definition->name);
    }
    return 0;
}

/* ---- asking -------------------------------------------------------------------------------- */

int brick_status(struct daemon *daemon, const struct volume_id *id, uint32_t number,
                 struct brick_report *out_report)
{
    struct rpc_connection *connection = brick_connection(daemon, id, number, NULL);
    if (!connection) {
        return -ENOTCONN;
    }
    struct rpc_call_request request = {
        .program = TRIVET_SUPERVISED,
        .version = TRIVET_SUPERVISED_V1,
        .procedure = SUPERVISED_STATUS,
        .encode = ENCODE_NOTHING,
        .timeout_ms = STATUS_MS_MAX,
    };
    struct supervised_status_reply reply = {.status = 0};
    int status =
        rpc_call_wait(connection, &request, (xdrproc_t)xdr_supervised_status_reply, &reply);
    rpc_connection_put(connection);
    if (status == 0) {
        status = reply.status;
    }
    if (status == 0) {
        *out_report = (struct brick_report){.said = reply, .peer_count = reply.peers.peers_len};
        INVARIANT(reply.peers.peers_len <= SET_MEMBERS_MAX); /* the most that is decoded */
        for (uint32_t i = 0; i < out_report->peer_count; i++) {
            out_report->peers[i] = reply.peers.peers_val[i];
        }
        out_report->said.peers.peers_len = 0;
        out_report->said.peers.peers_val = NULL;
    }
    xdr_free((xdrproc_t)xdr_supervised_status_reply, &reply);
    return status;
}
