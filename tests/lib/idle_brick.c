/*
 * See idle_brick.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/idle_brick.h"

#include <getopt.h>
#include <inttypes.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/base/errors.h"
#include "backend/base/random.h"
#include "backend/proto/mgmt.h"
#include "backend/rpc/rpc.h"

#define REDIAL_NS 20000000

/* What --format leaves and the daemon reads back. */
struct identity {
    char volume_id[64];
    unsigned brick;
    uint64_t disk_id;
};

static struct idle {
    const char *volume_id, *listen, *trivetd, *disk_id, *directory;
    unsigned brick;
    bool format, unformat, force;
    struct identity identity;
    uint64_t incarnation;
    uint16_t port;
    bool ignores_stop;
    struct rpc_loop *loop;
    sem_t wake; /* the connection is lost, or it is time to stop */
    atomic_bool stopping;
    _Atomic uint64_t view;
    _Atomic unsigned role;
} idle;

/* ---- the directory ------------------------------------------------------------------------- */

static bool has_file(const char *name)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s", idle.directory, name);
    return access(path, F_OK) == 0;
}

static bool identity_read(struct identity *out_identity)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/.trivet", idle.directory);
    FILE *file = fopen(path, "re");
    if (!file) {
        return false;
    }
    int count = fscanf(file, "%63s %u %" SCNx64, out_identity->volume_id, &out_identity->brick,
                       &out_identity->disk_id);
    fclose(file);
    return count == 3;
}

static int format(void)
{
    struct identity identity;
    if (has_file("refuse-format")) {
        fprintf(stderr, "trivet-brick: some line before\n%s cannot hold a brick; try another\n",
                idle.directory);
        return 1;
    }
    if (identity_read(&identity) && !idle.force) {
        fprintf(stderr, "%s is a brick of volume %s already; say force\n", idle.directory,
                identity.volume_id);
        return 1;
    }
    char path[4200];
    snprintf(path, sizeof(path), "%s/.trivet", idle.directory);
    FILE *file = fopen(path, "we");
    if (!file) {
        fprintf(stderr, "%s does not exist; make it\n", idle.directory);
        return 1;
    }
    fprintf(file, "%s %u %s\n", idle.volume_id, idle.brick, idle.disk_id);
    return fclose(file) ? 1 : 0;
}

static int unformat(void)
{
    struct identity identity;
    char path[4200];
    snprintf(path, sizeof(path), "%s/.trivet", idle.directory);
    if (identity_read(&identity) && strcmp(identity.volume_id, idle.volume_id) == 0) {
        unlink(path);
    }
    return 0;
}

static uint64_t last_index(void)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/last-index", idle.directory);
    uint64_t index = 1;
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%" SCNu64, &index) != 1) {
            index = 1;
        }
        fclose(file);
    }
    return index;
}

/* ---- what trivetd asks --------------------------------------------------------------------- */

static void serve_view(struct rpc_call *call, void *context)
{
    (void)context;
    static struct supervised_view_args args;
    if (rpc_call_decode(call, (xdrproc_t)xdr_supervised_view_args, &args, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    const struct view *view = &args.spec.view;
    bool is_primary = view->members[view->primary].brick == idle.brick &&
                      view->members[view->primary].incarnation == idle.incarnation;
    atomic_store(&idle.role, is_primary ? 3U : 1U);
    atomic_store(&idle.view, view->number);
    int status = 0;
    rpc_call_reply(call, (xdrproc_t)xdr_int, &status, NULL);
}

static void serve_status(struct rpc_call *call, void *context)
{
    (void)context;
    struct supervised_status_reply reply = {
        .view = atomic_load(&idle.view),
        .role = atomic_load(&idle.role),
        .last_index = last_index(),
    };
    rpc_call_reply(call, (xdrproc_t)xdr_supervised_status_reply, &reply, NULL);
}

static void serve_stop(struct rpc_call *call, void *context)
{
    (void)context;
    int status = 0;
    rpc_call_reply(call, (xdrproc_t)xdr_int, &status, NULL);
    if (!idle.ignores_stop) {
        atomic_store(&idle.stopping, true);
        sem_post(&idle.wake);
    }
}

static const struct rpc_procedure procedures[] = {
    [SUPERVISED_VIEW] = {"VIEW", serve_view},
    [SUPERVISED_STATUS] = {"STATUS", serve_status},
    [SUPERVISED_STOP] = {"STOP", serve_stop},
};
static const struct rpc_program program = {
    .program = TRIVET_SUPERVISED,
    .version = TRIVET_SUPERVISED_V1,
    .procedures = procedures,
    .procedure_count = SUPERVISED_STOP + 1,
};

static void lost(struct rpc_connection *connection, void *context)
{
    (void)connection;
    (void)context;
    sem_post(&idle.wake);
}

static const struct rpc_program *const programs[] = {&program};
static const struct rpc_service service = {
    .programs = programs, .program_count = 1, .closed = lost};
static const struct rpc_service nothing = {.program_count = 0};

/* ---- the daemon ---------------------------------------------------------------------------- */

static void split_address(const char *text, char host[256], uint16_t *out_port)
{
    const char *colon = strrchr(text, ':');
    snprintf(host, 256, "%.*s", (int)(colon - text), text);
    *out_port = (uint16_t)atoi(colon + 1);
}

static unsigned hex_byte(const char *text)
{
    unsigned byte = 0;
    sscanf(text, "%2x", &byte);
    return byte;
}

static void volume_id(struct volume_id *out_id)
{
    const char *at = idle.identity.volume_id;
    for (size_t i = 0; i < VOLUME_ID_SIZE; i++) {
        at += *at == '-';
        out_id->bytes[i] = (uint8_t)hex_byte(at);
        at += 2;
    }
}

/* Returns false if trivetd refused. */
static bool register_brick(struct rpc_connection *connection)
{
    struct mgmt_register_args args = {
        .level = PROTOCOL_LEVEL,
        .brick = idle.identity.brick,
        .disk_id = idle.identity.disk_id,
        .incarnation = idle.incarnation,
        .pid = (unsigned)getpid(),
        .port = idle.port,
        .last_index = last_index(),
    };
    volume_id(&args.volume);
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_REGISTER,
        .encode = (xdrproc_t)xdr_mgmt_register_args,
        .arguments = &args,
        .timeout_ms = 5000,
    };
    static struct mgmt_register_reply reply;
    int status = rpc_call_wait(connection, &request, (xdrproc_t)xdr_mgmt_register_reply, &reply);
    if (status == 0 && reply.status) {
        fprintf(stderr, "trivetd refuses: %s\n", error_text(reply.status));
    }
    return status != 0 || reply.status == 0;
}

/* Dial and register, over and over, until it is time to stop. */
static int serve(void)
{
    char host[256];
    uint16_t port;
    split_address(idle.trivetd, host, &port);
    while (!atomic_load(&idle.stopping)) {
        struct rpc_connection *connection;
        if (rpc_dial_tcp(idle.loop, host, port, &service, &connection)) {
            return 1;
        }
        bool is_taken = has_file("never-register") || register_brick(connection);
        while (is_taken && sem_wait(&idle.wake)) {
        }
        rpc_connection_close(connection);
        rpc_connection_put(connection);
        if (!is_taken) {
            return 1;
        }
        nanosleep(&(struct timespec){.tv_nsec = REDIAL_NS}, NULL);
    }
    return 0;
}

static int run(void)
{
    char host[256];
    uint16_t port;
    split_address(idle.listen, host, &port);
    if (has_file("refuse-start") || !identity_read(&idle.identity)) {
        fprintf(stderr, "first line\nthis brick does not want to start\n");
        return 1;
    }
    idle.ignores_stop = has_file("ignore-stop");
    if (idle.ignores_stop) {
        signal(SIGTERM, SIG_IGN);
    }
    idle.incarnation = random_id();
    sem_init(&idle.wake, 0, 0);
    if (rpc_loop_new(1, 1, &idle.loop) || rpc_loop_start(idle.loop)) {
        return 1;
    }
    int status = rpc_listen_tcp(idle.loop, host, port, &nothing, &idle.port);
    if (status) {
        fprintf(stderr, "%s cannot be listened on: %s\n", idle.listen, error_text(status));
        return 1;
    }
    return serve();
}

/* ---- options ------------------------------------------------------------------------------- */

static const struct option options[] = {
    {"format", no_argument, NULL, 'f'},          {"unformat", no_argument, NULL, 'u'},
    {"force", no_argument, NULL, 'F'},           {"volume", required_argument, NULL, 'v'},
    {"volume-id", required_argument, NULL, 'i'}, {"set", required_argument, NULL, 'v'},
    {"brick", required_argument, NULL, 'b'},     {"disk-id", required_argument, NULL, 'd'},
    {"listen", required_argument, NULL, 'l'},    {"trivetd", required_argument, NULL, 't'},
    {"log-level", required_argument, NULL, 'v'}, {NULL, 0, NULL, 0},
};

static void take_option(int option)
{
    switch (option) {
    case 'f':
        idle.format = true;
        break;
    case 'u':
        idle.unformat = true;
        break;
    case 'F':
        idle.force = true;
        break;
    case 'i':
        idle.volume_id = optarg;
        break;
    case 'b':
        idle.brick = (unsigned)atoi(optarg);
        break;
    case 'd':
        idle.disk_id = optarg;
        break;
    case 'l':
        idle.listen = optarg;
        break;
    case 't':
        idle.trivetd = optarg;
        break;
    case 'v':
        break; /* means nothing without a disk */
    default:
        fprintf(stderr, "trivet-brick has no such option\n");
        exit(2);
    }
}

bool is_idle_brick(const char *program_name)
{
    const char *slash = strrchr(program_name, '/');
    return strcmp(slash ? slash + 1 : program_name, "trivet-brick") == 0;
}

int idle_brick_main(int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        take_option(option);
    }
    if (optind != argc - 1 || !idle.volume_id) {
        fprintf(stderr, "trivet-brick was called with the wrong options\n");
        return 2;
    }
    idle.directory = argv[optind];
    if (idle.format) {
        return format();
    }
    if (idle.unformat) {
        return unformat();
    }
    return run();
}
