/*
 * trivet-brick: the daemon of one brick, and the two commands that make and unmake a brick's
 * directory. trivetd starts it; a person need not.
 *
 * Stop order: clients and peers are no longer answered (driver), then the threads end (loop), then
 * the store is closed cleanly.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <poll.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/brick/brick.h"
#include "backend/brick/brick_supervised.h"

/* Threads that read connections: one for the primary's stream, one for clients on each of two
 * cores, one to spare while a write waits for the disk. */
#define LOOP_THREADS 4
/* Threads that wait for the disk: reads that miss memory, and syncs. */
#define WORKER_THREADS 8
#define TICK_MS 20
#define CHECKPOINT_MS 1000

static const char usage[] =
    "usage: trivet-brick --volume NAME --volume-id UUID --brick N --listen HOST:PORT\n"
    "                    --trivetd HOST:PORT [--log-level LEVEL] DIRECTORY\n"
    "       trivet-brick --format --volume NAME --volume-id UUID --set N --brick N\n"
    "                    --disk-id HEX [--force] DIRECTORY\n"
    "       trivet-brick --unformat --volume-id UUID DIRECTORY\n"
    "\n"
    "The daemon of one brick; trivetd starts it. See trivet-brick(8).\n"
    "\n"
    "  --volume NAME       the volume's name\n"
    "  --volume-id UUID    the volume's identity\n"
    "  --set N             number of the replica set, from 0\n"
    "  --brick N           number of the brick in the volume, from 0\n"
    "  --listen HOST:PORT  where clients and the other bricks reach it\n"
    "  --trivetd HOST:PORT the management daemon\n"
    "  --format            make DIRECTORY a brick\n"
    "  --force             even if it is not empty\n"
    "  --unformat          forget that DIRECTORY is a brick of that volume\n"
    "  --disk-id HEX       identity of the brick's disk, 64 bits\n"
    "  --log-level LEVEL   error, warn, info (the default) or debug\n"
    "  --version, --help\n";

struct options {
    bool format, unformat, force;
    const char *volume, *volume_id, *listen, *trivetd, *directory;
    unsigned long set, brick;
    unsigned long long disk_id;
    enum log_level level;
};

struct daemon {
    struct brick brick;
    struct rpc_program clients;
    const struct rpc_program *programs[2];
    struct rpc_service service;
    struct supervised *supervised;
    struct orphan_watch *orphans;
    int stop_event;
    _Atomic int status;
};

static bool parse_number(const char *text, unsigned long max, unsigned long *out_number)
{
    char *end;
    errno = 0;
    *out_number = strtoul(text, &end, 10);
    return errno == 0 && *text != '\0' && *end == '\0' && *out_number <= max;
}

static int option_take(struct options *options, int option)
{
    char *end = NULL;
    switch (option) {
    case 'v':
        options->volume = optarg;
        return 0;
    case 'i':
        options->volume_id = optarg;
        return 0;
    case 's':
        return parse_number(optarg, UINT16_MAX, &options->set) ? 0 : -EINVAL;
    case 'b':
        return parse_number(optarg, UINT16_MAX, &options->brick) ? 0 : -EINVAL;
    case 'l':
        options->listen = optarg;
        return 0;
    case 't':
        options->trivetd = optarg;
        return 0;
    case 'f':
        options->format = true;
        return 0;
    case 'u':
        options->unformat = true;
        return 0;
    case 'F':
        options->force = true;
        return 0;
    case 'd':
        options->disk_id = strtoull(optarg, &end, 16);
        return *end == '\0' && options->disk_id != 0 ? 0 : -EINVAL;
    case 'L':
        return log_level_parse(optarg, &options->level);
    case 'V':
        printf("trivet-brick %s\n", TRIVET_VERSION);
        exit(0);
    case 'h':
        fputs(usage, stdout);
        exit(0);
    default:
        return -EINVAL;
    }
}

static int options_parse(int argc, char **argv, struct options *options)
{
    static const struct option long_options[] = {
        {"volume", required_argument, NULL, 'v'},
        {"volume-id", required_argument, NULL, 'i'},
        {"set", required_argument, NULL, 's'},
        {"brick", required_argument, NULL, 'b'},
        {"listen", required_argument, NULL, 'l'},
        {"trivetd", required_argument, NULL, 't'},
        {"format", no_argument, NULL, 'f'},
        {"unformat", no_argument, NULL, 'u'},
        {"force", no_argument, NULL, 'F'},
        {"disk-id", required_argument, NULL, 'd'},
        {"log-level", required_argument, NULL, 'L'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        if (option_take(options, option) < 0) {
            return -EINVAL;
        }
    }
    if (optind != argc - 1 || !options->volume_id) {
        return -EINVAL;
    }
    options->directory = argv[optind];
    return 0;
}

static int volume_id_parse(const char *text, struct volume_id *out_id)
{
    struct gfid gfid; /* the same text form: that of a UUID */
    int rc = gfid_from_text(text, &gfid);
    if (rc == 0) {
        memcpy(out_id->bytes, gfid.bytes, VOLUME_ID_SIZE);
    }
    return rc;
}

/* HOST:PORT, the last colon divides; an IPv6 address may stand in brackets. */
static int address_parse(const char *text, char host[HOST_SIZE_MAX + 1], uint16_t *out_port)
{
    const char *colon = strrchr(text, ':');
    unsigned long port;
    size_t size = colon ? (size_t)(colon - text) : 0;
    if (!colon || size == 0 || size > HOST_SIZE_MAX || !parse_number(colon + 1, 65535, &port)) {
        return -EINVAL;
    }
    if (text[0] == '[' && colon[-1] == ']') {
        text++;
        size -= 2;
    }
    memcpy(host, text, size);
    host[size] = '\0';
    *out_port = (uint16_t)port;
    return 0;
}

/* ---- make and unmake ----------------------------------------------------------------------- */

static int brick_format(const struct options *options)
{
    struct store_identity identity = {
        .set = (uint32_t)options->set,
        .brick = (uint32_t)options->brick,
        .disk_id = options->disk_id,
    };
    char error[1024] = "";
    if (!options->volume || strlen(options->volume) > VOLUME_NAME_MAX || options->disk_id == 0 ||
        volume_id_parse(options->volume_id, &identity.volume) < 0) {
        fputs(usage, stderr);
        return 2;
    }
    memcpy(identity.volume_name, options->volume, strlen(options->volume) + 1);
    int rc = posix_store_format(options->directory, &identity, options->force, error, sizeof error);
    if (rc < 0) {
        fprintf(stderr, "%s\n", error);
    }
    return rc < 0 ? 1 : 0;
}

static int brick_unformat(const struct options *options)
{
    struct volume_id id;
    char error[1024] = "";
    if (volume_id_parse(options->volume_id, &id) < 0) {
        fputs(usage, stderr);
        return 2;
    }
    int rc = posix_store_unformat(options->directory, &id, error, sizeof error);
    if (rc < 0) {
        fprintf(stderr, "%s\n", error);
    }
    return rc < 0 ? 1 : 0;
}

/* ---- the daemon ---------------------------------------------------------------------------- */

static void stop(void *context, int status)
{
    struct daemon *daemon = context;
    if (status < 0) {
        atomic_store(&daemon->status, status);
    }
    uint64_t one = 1;
    (void)!write(daemon->stop_event, &one, sizeof one); /* full only if it is told already */
}

/* At once, whatever is under way: this brick takes no part in its set any more, and to close a
 * store whose disk hangs would take for ever. The next process goes on with the log. */
static void failed(void *context, int status)
{
    (void)context;
    _exit(status == -E_REMOVED ? BRICK_REENTER : 1);
}

static void client_closed(struct rpc_connection *connection, void *context)
{
    struct daemon *daemon = context;
    brick_client_closed(&daemon->brick, connection);
}

static bool hold(void *context, const struct operation *operation, uint64_t session)
{
    struct brick *brick = context;
    return grants_recall(brick->grants, operation, session);
}

static void held(void *context)
{
    struct brick *brick = context;
    grants_send(brick->grants);
}

static void released(void *context, uint64_t index)
{
    struct brick *brick = context;
    replica_release(brick->driver, index);
}

static void tick(void *context)
{
    struct daemon *daemon = context;
    replica_driver_tick(daemon->brick.driver);
    grants_tick(daemon->brick.grants);
    supervised_tick(daemon->supervised);
}

static void checkpoint_run(void *context)
{
    struct brick *brick = context;
    int rc = replica_checkpoint(brick->driver);
    if (rc < 0) {
        log_error("brick %s-%u: checkpoint failed: %s", brick->identity.volume_name,
                  brick->identity.brick, error_text(rc));
    }
}

static void checkpoint(void *context)
{
    struct daemon *daemon = context;
    rpc_offload(daemon->brick.loop, checkpoint_run, &daemon->brick);
    orphan_watch_tick(daemon->orphans);
}

static int daemon_parts(struct daemon *daemon, const char *directory)
{
    struct brick *brick = &daemon->brick;
    char error[1024] = "";
    int rc = posix_store_open(directory, clock_real(), &brick->store, error, sizeof error);
    if (rc < 0) {
        log_error("%s", error[0] ? error : error_text(rc));
        return rc;
    }
    store_identity(brick->store, &brick->identity);
    pthread_mutex_init(&brick->sessions_mutex, NULL);
    rc = rpc_loop_new(LOOP_THREADS, WORKER_THREADS, &brick->loop);
    if (rc == 0) {
        rc = replica_driver_new(brick->loop, brick->store, clock_real(), failed, daemon,
                                &brick->driver);
    }
    if (rc == 0) {
        brick->grants = grants_new(clock_real(), released, brick);
        rc = brick->grants ? 0 : -ENOMEM;
    }
    if (rc == 0) {
        rc = orphan_watch_new(brick, ORPHAN_KEEP_MS, &daemon->orphans);
    }
    if (rc == 0) {
        brick->driver->hold = hold;
        brick->driver->held = held;
        brick->driver->hold_context = brick;
        brick_grace_begin(brick, directory);
    }
    return rc;
}

static int daemon_check(const struct daemon *daemon, const struct options *options)
{
    const struct store_identity *identity = &daemon->brick.identity;
    struct volume_id id;
    if (volume_id_parse(options->volume_id, &id) < 0 ||
        memcmp(id.bytes, identity->volume.bytes, VOLUME_ID_SIZE) != 0 ||
        identity->brick != options->brick) {
        log_error("%s is brick %u of volume %s, not what it was started as: has another disk been "
                  "mounted there?",
                  options->directory, identity->brick, identity->volume_name);
        return -E_WRONG_VOLUME;
    }
    return 0;
}

static int daemon_listen(struct daemon *daemon, const struct options *options)
{
    struct brick *brick = &daemon->brick;
    char host[HOST_SIZE_MAX + 1], trivetd[HOST_SIZE_MAX + 1];
    uint16_t port, trivetd_port;
    if (address_parse(options->listen, host, &port) < 0 ||
        address_parse(options->trivetd, trivetd, &trivetd_port) < 0) {
        fputs(usage, stderr);
        return -EINVAL;
    }
    daemon->clients = (struct rpc_program){
        .program = TRIVET_BRICK,
        .version = TRIVET_BRICK_V1,
        .procedures = brick_procedures,
        .procedure_count = brick_procedure_count,
        .context = brick,
    };
    daemon->programs[0] = &daemon->clients;
    daemon->programs[1] = &brick->driver->program;
    daemon->service = (struct rpc_service){
        .programs = daemon->programs,
        .program_count = 2,
        .closed = client_closed,
        .context = daemon,
    };
    int rc = rpc_listen_tcp(brick->loop, host, port, &daemon->service, &port);
    if (rc < 0) {
        log_error("cannot listen on %s: %s. See who does with: ss -ltnp 'sport = %s'",
                  options->listen, error_text(rc), strrchr(options->listen, ':'));
        return rc;
    }
    replica_driver_listens(brick->driver, port);
    return supervised_new(brick, trivetd, trivetd_port, port, stop, daemon, &daemon->supervised);
}

static int daemon_run(struct daemon *daemon)
{
    struct brick *brick = &daemon->brick;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    AUTO_CLOSE int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    int rc = rpc_loop_every(brick->loop, TICK_MS, tick, daemon);
    if (rc == 0) {
        rc = rpc_loop_every(brick->loop, CHECKPOINT_MS, checkpoint, daemon);
    }
    if (rc == 0) {
        rc = rpc_loop_start(brick->loop);
    }
    if (rc < 0 || signal_fd < 0) {
        return rc < 0 ? rc : -errno;
    }
    struct pollfd wait[] = {{.fd = signal_fd, .events = POLLIN},
                            {.fd = daemon->stop_event, .events = POLLIN}};
    while (poll(wait, 2, -1) < 0 && errno == EINTR) {
    }
    log_info("brick %s-%u: stopping", brick->identity.volume_name, brick->identity.brick);
    replica_driver_stop(brick->driver);
    rpc_loop_stop(brick->loop);
    brick_grace_end(brick);
    return 0;
}

static void daemon_release(struct daemon *daemon)
{
    struct brick *brick = &daemon->brick;
    supervised_free(daemon->supervised);
    orphan_watch_free(daemon->orphans);
    grants_free(brick->grants);
    replica_driver_free(brick->driver);
    if (brick->loop) {
        rpc_loop_free(brick->loop);
    }
    if (brick->store) {
        store_close(brick->store);
    }
}

static int brick_serve(const struct options *options)
{
    static struct daemon daemon;
    signal(SIGPIPE, SIG_IGN);
    umask(0);
    struct rlimit files = {.rlim_cur = 65536, .rlim_max = 65536};
    (void)setrlimit(RLIMIT_NOFILE, &files); /* without it fewer descriptors are kept open */
    daemon.stop_event = eventfd(0, EFD_CLOEXEC);
    int rc = daemon_parts(&daemon, options->directory);
    if (rc == 0) {
        rc = daemon_check(&daemon, options);
    }
    if (rc == 0) {
        rc = daemon_listen(&daemon, options);
    }
    if (rc == 0) {
        rc = daemon_run(&daemon);
    }
    daemon_release(&daemon);
    int status = atomic_load(&daemon.status);
    return rc < 0 || status < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct options options = {.level = LOG_LEVEL_INFO};
    if (options_parse(argc, argv, &options) < 0) {
        fputs(usage, stderr);
        return 2;
    }
    log_open("trivet-brick", options.level);
    if (options.format) {
        return brick_format(&options);
    }
    if (options.unformat) {
        return brick_unformat(&options);
    }
    if (!options.listen || !options.trivetd) {
        fputs(usage, stderr);
        return 2;
    }
    return brick_serve(&options);
}
