/*
 * How fast the RPC layer is on this machine: a server and a client process over loopback TCP, small
 * calls with 1 and 8 outstanding and 1 MiB bulk both ways. Prints one JSON line a measurement.
 *
 *     rpc_bench [seconds]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/rpc/rpc.h"

#define PROGRAM 0x20547700
#define BULK_SIZE ((size_t)1024 * 1024)

enum { ECHO = 1, UPLOAD = 2, DOWNLOAD = 3, PROCEDURES };

static uint8_t bulk_bytes[BULK_SIZE];

/* ---- the server ---------------------------------------------------------------------------- */

static void echo(struct rpc_call *call, void *context)
{
    (void)context;
    struct slice arguments = rpc_call_arguments(call);
    struct iovec body = {(void *)(uintptr_t)arguments.data, arguments.size};
    rpc_call_reply_raw(call, &body, 1);
}

static void upload(struct rpc_call *call, void *context)
{
    (void)context;
    struct slice bulk;
    if (rpc_bulk(rpc_call_arguments(call), &bulk) < 0) {
        rpc_call_garbage(call);
        return;
    }
    uint32_t size = (uint32_t)bulk.size;
    rpc_call_reply(call, (xdrproc_t)xdr_uint32_t, &size, NULL);
}

static void download(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply(call, NULL, NULL, &(struct slice){bulk_bytes, sizeof bulk_bytes});
}

static const struct rpc_procedure procedures[PROCEDURES] = {
    [ECHO] = {"ECHO", echo},
    [UPLOAD] = {"UPLOAD", upload},
    [DOWNLOAD] = {"DOWNLOAD", download},
};
static const struct rpc_program program = {
    .program = PROGRAM, .version = 1, .procedures = procedures, .procedure_count = PROCEDURES};
static const struct rpc_program *const programs[] = {&program};
static const struct rpc_service service = {.programs = programs, .program_count = 1};
static const struct rpc_service no_service = {.programs = NULL};

static void serve(int port_pipe, int end_pipe)
{
    struct rpc_loop *loop;
    uint16_t port;
    if (rpc_loop_new(2, 0, &loop) < 0 ||
        rpc_listen_tcp(loop, "127.0.0.1", 0, &service, &port) < 0 || rpc_loop_start(loop) < 0) {
        exit(1);
    }
    char byte;
    if (write(port_pipe, &port, sizeof port) != (ssize_t)sizeof port) {
        exit(1);
    }
    (void)!read(end_pipe, &byte, 1);
    rpc_loop_free(loop);
    exit(0);
}

/* ---- the client ---------------------------------------------------------------------------- */

struct load {
    struct rpc_connection *connection;
    uint32_t procedure;
    unsigned outstanding;
    atomic_uint running;
    atomic_bool stop;
    atomic_uint_least64_t calls;
    atomic_int failure;
};

static void load_call(struct load *load);

static void load_callback(struct rpc_reply *reply, void *context)
{
    struct load *load = context;
    if (reply->status) {
        atomic_store(&load->failure, reply->status);
    }
    atomic_fetch_add_explicit(&load->calls, 1, memory_order_relaxed);
    if (atomic_load_explicit(&load->stop, memory_order_relaxed) || reply->status) {
        atomic_fetch_sub(&load->running, 1);
        return;
    }
    load_call(load);
}

static bool_t xdr_small(XDR *xdrs, uint64_t *words)
{
    for (int i = 0; i < 12; i++) {
        if (!xdr_uint64_t(xdrs, &words[i])) {
            return FALSE;
        }
    }
    return TRUE;
}

static void load_call(struct load *load)
{
    uint64_t words[12] = {1, 2, 3};
    struct slice bulk = {bulk_bytes, sizeof bulk_bytes};
    struct rpc_call_request request = {
        .program = PROGRAM,
        .version = 1,
        .procedure = load->procedure,
        .encode = load->procedure == ECHO ? (xdrproc_t)xdr_small : NULL,
        .arguments = words,
        .bulk = load->procedure == UPLOAD ? &bulk : NULL,
        .timeout_ms = 10000,
        .callback = load_callback,
        .context = load,
    };
    int result = rpc_call_start(load->connection, &request);
    if (result < 0) {
        atomic_store(&load->failure, result);
        atomic_fetch_sub(&load->running, 1);
    }
}

static double cpu_seconds(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    if (pid == 0) {
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time)) {
        return 0;
    }
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void measure(const char *name, struct rpc_connection *connection, uint32_t procedure,
                    unsigned outstanding, double seconds, int server)
{
    struct load load = {.connection = connection, .procedure = procedure};
    double cpu = -cpu_seconds(0);
    double server_cpu = -cpu_seconds(server);
    uint64_t begin = clock_monotonic_ns(clock_real());
    atomic_store(&load.running, outstanding);
    for (unsigned i = 0; i < outstanding; i++) {
        load_call(&load);
    }
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&load.stop, true);
    while (atomic_load(&load.running) > 0) {
        usleep(1000);
    }
    double wall = (double)(clock_monotonic_ns(clock_real()) - begin) / 1e9;
    cpu += cpu_seconds(0);
    server_cpu += cpu_seconds(server);
    double calls = (double)atomic_load(&load.calls);
    printf(
        "{\"what\": \"%s\", \"outstanding\": %u, \"calls_per_s\": %.0f, \"us_per_call\": %.1f, "
        "\"cpu_us_client\": %.1f, \"cpu_us_server\": %.1f, \"cpu_us\": %.1f, \"mib_per_s\": %.0f, "
        "\"failure\": \"%s\"}\n",
        name, outstanding, calls / wall, wall / calls * 1e6, cpu / calls * 1e6,
        server_cpu / calls * 1e6, (cpu + server_cpu) / calls * 1e6,
        procedure == ECHO ? 0 : calls / wall, load.failure ? error_text(load.failure) : "");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    const char *only = argc > 2 ? argv[2] : NULL;
    int port_pipe[2], end_pipe[2];
    if (pipe(port_pipe) < 0 || pipe(end_pipe) < 0) {
        return 1;
    }
    int server = fork();
    if (server == 0) {
        close(end_pipe[1]);
        serve(port_pipe[1], end_pipe[0]);
    }
    uint16_t port;
    struct rpc_loop *loop;
    struct rpc_connection *connection;
    if (server < 0 || read(port_pipe[0], &port, sizeof port) != (ssize_t)sizeof port ||
        rpc_loop_new(2, 0, &loop) < 0 || rpc_loop_start(loop) < 0 ||
        rpc_dial_tcp(loop, "127.0.0.1", port, &no_service, &connection) < 0) {
        return 1;
    }
    static const struct {
        const char *name;
        uint32_t procedure;
        unsigned outstanding;
    } runs[] = {
        {"small", ECHO, 1},        {"small", ECHO, 8},    {"small", ECHO, 64},
        {"upload", UPLOAD, 1},     {"upload", UPLOAD, 4}, {"download", DOWNLOAD, 1},
        {"download", DOWNLOAD, 4},
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        if (!only || (size_t)atoi(only) == i) {
            measure(runs[i].name, connection, runs[i].procedure, runs[i].outstanding, seconds,
                    server);
        }
    }
    rpc_connection_put(connection);
    rpc_loop_free(loop);
    close(end_pipe[1]);
    waitpid(server, NULL, 0);
    return 0;
}
