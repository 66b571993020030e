/*
 * What trivetd answers: everything but MGMT_COMMAND on TCP, that one on the Unix socket, whose
 * permissions say who may give commands.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "mgmt/bricks.h"
#include "mgmt/daemon.h"

static void serve_null(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply(call, (xdrproc_t)(void (*)(void))xdr_void, NULL, NULL);
}

static void serve_volume(struct rpc_call *call, void *context)
{
    struct daemon *daemon = context;
    struct mgmt_volume_args args = {.name = NULL};
    if (rpc_call_decode(call, (xdrproc_t)xdr_mgmt_volume_args, &args, NULL)) {
        rpc_call_garbage(call);
    } else {
        live_answer_volume(&daemon->live, call, &args);
    }
    xdr_free((xdrproc_t)xdr_mgmt_volume_args, &args);
}

static void serve_register(struct rpc_call *call, void *context)
{
    struct daemon *daemon = context;
    struct mgmt_register_args args = {.level = 0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_mgmt_register_args, &args, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    struct mgmt_register_reply reply = {.status = 0};
    reply.status = live_register(&daemon->live, rpc_call_connection(call), &args, &reply.spec);
    bool is_registered = reply.status == 0;
    rpc_call_reply(call, (xdrproc_t)xdr_mgmt_register_reply, &reply, NULL);
    if (is_registered) {
        live_begin(&daemon->live, &args.volume);
        live_tell(&daemon->live, &args.volume);
    }
}

static void serve_propose(struct rpc_call *call, void *context)
{
    struct daemon *daemon = context;
    struct mgmt_propose_args args = {.level = 0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_mgmt_propose_args, &args, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    live_propose(&daemon->live, call, &args);
}

static void serve_current(struct rpc_call *call, void *context)
{
    struct daemon *daemon = context;
    struct mgmt_current_args args = {.level = 0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_mgmt_current_args, &args, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    live_answer_current(&daemon->live, call, &args);
}

static void serve_command(struct rpc_call *call, void *context)
{
    struct daemon *daemon = context;
    struct mgmt_command_args args = {.json = NULL};
    if (rpc_call_decode(call, (xdrproc_t)xdr_mgmt_command_args, &args, NULL)) {
        rpc_call_garbage(call);
    } else {
        command_submit(&daemon->commands, call, args.json);
    }
    xdr_free((xdrproc_t)xdr_mgmt_command_args, &args);
}

static void connection_closed(struct rpc_connection *connection, void *context)
{
    struct daemon *daemon = context;
    live_disconnected(&daemon->live, connection);
}

/* By number. */
static const struct rpc_procedure tcp_procedures[] = {
    [MGMT_NULL] = {"MGMT_NULL", serve_null},
    [MGMT_VOLUME] = {"MGMT_VOLUME", serve_volume},
    [MGMT_REGISTER] = {"MGMT_REGISTER", serve_register},
    [MGMT_PROPOSE] = {"MGMT_PROPOSE", serve_propose},
    [MGMT_CURRENT] = {"MGMT_CURRENT", serve_current},
};
static const struct rpc_procedure unix_procedures[] = {
    [MGMT_NULL] = {"MGMT_NULL", serve_null},
    [MGMT_VOLUME] = {"MGMT_VOLUME", serve_volume},
    [MGMT_COMMAND] = {"MGMT_COMMAND", serve_command},
};
#define COUNT(procedures) (sizeof(procedures) / sizeof((procedures)[0]))

static void service_init(struct daemon *daemon, struct daemon_service *service,
                         const struct rpc_procedure *procedures, size_t procedure_count)
{
    service->program = (struct rpc_program){
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedures = procedures,
        .procedure_count = (uint32_t)procedure_count,
        .context = daemon,
    };
    service->programs[0] = &service->program;
    service->service = (struct rpc_service){
        .programs = service->programs,
        .program_count = 1,
        .closed = connection_closed,
        .context = daemon,
    };
}

static int listen_unix(struct daemon *daemon, struct refusal *out_why)
{
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    const char *run_dir = daemon->config.run_dir;
    int status = daemon_socket_path(run_dir, path, sizeof(path));
    status =
        status ? status : rpc_listen_unix(daemon->loop, path, 0600, &daemon->unix_service.service);
    if (status == -EADDRINUSE) {
        return refuse(out_why, status,
                      "another trivetd listens on %.2000s/trivetd.sock; stop it, or "
                      "choose another --run-dir",
                      run_dir);
    }
    if (status) {
        return refuse(out_why, status,
                      "%.2000s/trivetd.sock cannot be listened on: %s; choose "
                      "another --run-dir",
                      run_dir, error_text(status));
    }
    return 0;
}

static int listen_tcp(struct daemon *daemon, struct refusal *out_why)
{
    const struct daemon_config *config = &daemon->config;
    char address[ADDRESS_SIZE];
    address_format(config->listen, config->port, address);
    int status = rpc_listen_tcp(daemon->loop, config->listen, config->port,
                                &daemon->tcp_service.service, &daemon->port);
    if (status == -EADDRINUSE) {
        return refuse(out_why, status,
                      "%s is in use, by another trivetd or GlusterFS's glusterd; stop "
                      "it, or choose another --port",
                      address);
    }
    if (status) {
        return refuse(out_why, status, "%s cannot be listened on: %s; choose another --listen",
                      address, error_text(status));
    }
    return 0;
}

int daemon_serve(struct daemon *daemon, struct refusal *out_why)
{
    service_init(daemon, &daemon->tcp_service, tcp_procedures, COUNT(tcp_procedures));
    service_init(daemon, &daemon->unix_service, unix_procedures, COUNT(unix_procedures));
    int status = listen_tcp(daemon, out_why);
    return status ? status : listen_unix(daemon, out_why);
}
