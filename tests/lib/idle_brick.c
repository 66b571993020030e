/*
 * See idle_brick.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/idle_brick.h"

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/proto/mgmt.h"
#include "backend/rpc/rpc.h"

#define REDIAL_NS 20000000
#define LOOK_NS 5000000
/* enum replica_role */
enum { ROLE_IDLE, ROLE_BACKUP, ROLE_SETTLING, ROLE_PRIMARY };

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
    pthread_mutex_t lock; /* guards what follows */
    struct volume_spec spec;
    uint64_t leaderless_ns; /* since when the primary's process is gone; 0: it is there */
} idle = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Another brick, as its file says. */
struct sibling {
    bool is_alive;
    uint64_t incarnation;
    uint32_t port;
    uint64_t last_index;
};

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

/* ---- the others ---------------------------------------------------------------------------- */

/* Leave word for the others, in one piece. */
static void leave_word(void)
{
    char path[4200];
    char temporary[4200];
    snprintf(path, sizeof(path), "%s/.idle", idle.directory);
    snprintf(temporary, sizeof(temporary), "%s/.idle-new", idle.directory);
    FILE *file = fopen(temporary, "we");
    if (file) {
        fprintf(file, "%016" PRIx64 " %d %u %" PRIu64 "\n", idle.incarnation, (int)getpid(),
                idle.port, last_index());
        if (fclose(file) == 0) {
            (void)rename(temporary, path);
        }
    }
}

static struct sibling sibling_read(const struct view_member *member)
{
    struct sibling sibling = {.is_alive = false};
    char path[4200];
    int pid = 0;
    snprintf(path, sizeof(path), "%s/.idle", member->path);
    FILE *file = fopen(path, "re");
    if (file) {
        int count = fscanf(file, "%" SCNx64 " %d %u %" SCNu64, &sibling.incarnation, &pid,
                           &sibling.port, &sibling.last_index);
        fclose(file);
        sibling.is_alive = count == 4 && pid > 0 && kill(pid, 0) == 0;
    }
    return sibling;
}

static bool is_member(const struct view_member *member, const struct sibling *sibling)
{
    return member->state == MEMBER_IN_SYNC && sibling->is_alive &&
           sibling->incarnation == member->incarnation;
}

static void enter(struct view_member *member, const struct sibling *sibling)
{
    member->state = MEMBER_IN_SYNC;
    member->incarnation = sibling->incarnation;
    member->port = sibling->port;
}

/* Of the primary. */
static bool view_with_the_new(const struct sibling *siblings, struct view *view)
{
    bool removes = has_file("remove-dead");
    bool changed = false;
    for (uint32_t i = 0; i < view->member_count; i++) {
        struct view_member *member = &view->members[i];
        if (siblings[i].is_alive && !is_member(member, &siblings[i])) {
            enter(member, &siblings[i]);
            changed = true;
        } else if (removes && member->state == MEMBER_IN_SYNC && !siblings[i].is_alive) {
            member->state = MEMBER_AWAY;
            changed = true;
        }
    }
    return changed;
}

/* Of those without a primary. Returns false unless this brick is to lead. */
static bool view_without_primary(const struct sibling *siblings, uint32_t min_insync,
                                 bool waited_long, struct view *view)
{
    uint32_t best = UINT32_MAX;
    uint32_t missing = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->member_count; i++) {
        struct view_member *member = &view->members[i];
        if (member->state != MEMBER_IN_SYNC) {
            continue;
        }
        if (!siblings[i].is_alive) {
            member->state = MEMBER_AWAY;
            missing++;
            continue;
        }
        enter(member, &siblings[i]);
        count++;
        if (best == UINT32_MAX || siblings[i].last_index > siblings[best].last_index) {
            best = i;
        }
    }
    view->primary = best;
    return best == idle.brick && count >= min_insync && (missing == 0 || waited_long);
}

/* Returns whether this brick has something to propose. */
static bool view_next(const struct volume_spec *spec, uint64_t *leaderless_ns, struct view *view)
{
    struct sibling siblings[SET_MEMBERS_MAX];
    *view = spec->view;
    if (view->number == 0 || view->members[idle.brick].state != MEMBER_IN_SYNC) {
        return false;
    }
    view->number++;
    view->previous_end = 0;
    for (uint32_t i = 0; i < view->member_count; i++) {
        siblings[i] = sibling_read(&view->members[i]);
        if (siblings[i].is_alive && siblings[i].last_index > view->previous_end) {
            view->previous_end = siblings[i].last_index;
        }
    }
    if (is_member(&view->members[view->primary], &siblings[view->primary])) {
        *leaderless_ns = 0;
        return view->primary == idle.brick && view_with_the_new(siblings, view);
    }
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    if (*leaderless_ns == 0) {
        *leaderless_ns = now_ns;
    }
    return view_without_primary(siblings, spec->min_insync,
                                now_ns - *leaderless_ns >= START_WAIT_MS * NS_PER_MS, view);
}

/* ---- what trivetd asks --------------------------------------------------------------------- */

static void take_spec(const struct volume_spec *spec)
{
    AUTO_LOCK(&idle.lock);
    if (spec->view.number >= idle.spec.view.number) {
        idle.spec = *spec;
    }
}

static void serve_view(struct rpc_call *call, void *context)
{
    (void)context;
    static struct supervised_view_args args;
    if (rpc_call_decode(call, (xdrproc_t)xdr_supervised_view_args, &args, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    take_spec(&args.spec);
    int status = 0;
    rpc_call_reply(call, (xdrproc_t)xdr_int, &status, NULL);
}

static unsigned role_in(const struct view *view)
{
    const struct view_member *self = &view->members[idle.brick];
    if (view->number == 0 || self->state != MEMBER_IN_SYNC ||
        self->incarnation != idle.incarnation) {
        return ROLE_IDLE;
    }
    return view->primary == idle.brick ? ROLE_PRIMARY : ROLE_BACKUP;
}

static void serve_status(struct rpc_call *call, void *context)
{
    (void)context;
    static struct volume_spec spec;
    {
        AUTO_LOCK(&idle.lock);
        spec = idle.spec;
    }
    struct supervised_peer peers[SET_MEMBERS_MAX];
    for (uint32_t i = 0; i < spec.view.member_count; i++) {
        struct sibling sibling = sibling_read(&spec.view.members[i]);
        peers[i] = (struct supervised_peer){
            .state = spec.view.members[i].state,
            .in_contact = sibling.is_alive,
            .index = sibling.last_index,
        };
    }
    struct supervised_status_reply reply = {
        .view = spec.view.number,
        .role = role_in(&spec.view),
        .last_index = last_index(),
        .peers = {.peers_len = spec.view.member_count, .peers_val = peers},
    };
    rpc_call_reply(call, (xdrproc_t)xdr_supervised_status_reply, &reply, NULL);
}

static void serve_death(struct rpc_call *call, void *context)
{
    (void)context;
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    struct supervised_death_args args;
    if (rpc_call_decode(call, (xdrproc_t)xdr_supervised_death_args, &args, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    char path[4200];
    snprintf(path, sizeof(path), "%s/deaths", idle.directory);
    FILE *file = fopen(path, "ae");
    int status = -EIO;
    if (file) {
        fprintf(file, "%u %016" PRIx64 " %" PRIu64 "\n", args.brick, (uint64_t)args.incarnation,
                now_ns);
        status = fclose(file) ? -EIO : 0;
    }
    rpc_call_reply(call, (xdrproc_t)xdr_int, &status, NULL);
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
    [SUPERVISED_DEATH] = {"DEATH", serve_death},
};
static const struct rpc_program program = {
    .program = TRIVET_SUPERVISED,
    .version = TRIVET_SUPERVISED_V1,
    .procedures = procedures,
    .procedure_count = SUPERVISED_DEATH + 1,
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
    if (status == 0 && reply.status == 0) {
        take_spec(&reply.spec);
        leave_word();
    }
    return status != 0 || reply.status == 0;
}

static void propose(struct rpc_connection *connection, const struct volume_spec *spec,
                    const struct view *view)
{
    struct mgmt_propose_args args = {
        .level = PROTOCOL_LEVEL,
        .volume = spec->id,
        .brick = idle.identity.brick,
        .incarnation = idle.incarnation,
        .number = spec->view.number,
        .renewals = spec->view.renewals,
        .view = *view,
    };
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_PROPOSE,
        .encode = (xdrproc_t)xdr_mgmt_propose_args,
        .arguments = &args,
        .timeout_ms = 5000,
    };
    static struct mgmt_propose_reply reply;
    int status = rpc_call_wait(connection, &request, (xdrproc_t)xdr_mgmt_propose_reply, &reply);
    if (status == 0 && (reply.status == 0 || reply.status == -E_VERSION_CONFLICT)) {
        take_spec(&reply.spec);
    }
}

/* Exit as a test wishes; see whether there is a view to propose. */
static void look(struct rpc_connection *connection)
{
    static struct volume_spec spec;
    static struct view next;
    char path[4200];
    snprintf(path, sizeof(path), "%s/exit-status", idle.directory);
    FILE *file = fopen(path, "re");
    int status = 0;
    if (file && fscanf(file, "%d", &status) == 1 && unlink(path) == 0) {
        _exit(status);
    }
    if (file) {
        fclose(file);
    }
    {
        AUTO_LOCK(&idle.lock);
        spec = idle.spec;
    }
    if (!has_file("hold") && view_next(&spec, &idle.leaderless_ns, &next)) {
        propose(connection, &spec, &next);
    }
}

/* Wait until the connection is lost or it is time to stop, looking around meanwhile. */
static void stay(struct rpc_connection *connection, bool is_registered)
{
    for (;;) {
        struct timespec end;
        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_nsec += LOOK_NS;
        end.tv_sec += end.tv_nsec / 1000000000;
        end.tv_nsec %= 1000000000;
        if (sem_clockwait(&idle.wake, CLOCK_MONOTONIC, &end) == 0) {
            return;
        }
        if (is_registered) {
            look(connection);
        }
    }
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
        bool registers = !has_file("never-register");
        bool is_taken = !registers || register_brick(connection);
        if (is_taken) {
            stay(connection, registers);
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
