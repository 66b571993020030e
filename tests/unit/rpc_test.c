/*
 * The RPC layer through its own interface: both ends are loops of this process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/rpc/rpc.h"

#define PROGRAM 0x20547701
#define BACK_PROGRAM 0x20547702
#define WAIT_S 60
#define PARKED_MAX 4096
#define BULK_SIZE ((size_t)1024 * 1024)

enum { NOTHING, ECHO, LATE, MIRROR, BACK, PARK, WHO, HANG_UP, TEXT, PROCEDURES };

/* ---- what is counted ----------------------------------------------------------------------- */

static atomic_uint opened_count, closed_count, parked_count;
static struct rpc_call *_Atomic parked[PARKED_MAX];
static struct rpc_loop *server_loop, *client_loop;
static uint16_t server_port;
static char directory[64], socket_path[96];

/* Wait until *value is at least wanted. */
static bool wait_for(atomic_uint *value, unsigned wanted)
{
    for (int i = 0; i < WAIT_S * 1000; i++) {
        if (atomic_load(value) >= wanted) {
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return false;
}

static void settle(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

/* ---- the server ---------------------------------------------------------------------------- */

static void handle_nothing(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply(call, NULL, NULL, NULL);
}

static void handle_echo(struct rpc_call *call, void *context)
{
    (void)context;
    uint64_t value = 0;
    if (rpc_call_decode(call, (xdrproc_t)xdr_uint64_t, &value, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    rpc_call_reply(call, (xdrproc_t)xdr_uint64_t, &value, NULL);
}

static void echo_later(void *context)
{
    handle_echo(context, NULL);
}

static void handle_late(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_offload(server_loop, echo_later, call);
}

static void handle_mirror(struct rpc_call *call, void *context)
{
    (void)context;
    uint64_t value = 0;
    struct slice rest, bulk;
    if (rpc_call_decode(call, (xdrproc_t)xdr_uint64_t, &value, &rest) < 0 ||
        rpc_bulk(rest, &bulk) < 0) {
        rpc_call_garbage(call);
        return;
    }
    rpc_call_reply(call, (xdrproc_t)xdr_uint64_t, &value, &bulk);
}

static void back_answered(struct rpc_reply *reply, void *context)
{
    struct rpc_call *call = context;
    uint64_t value = 0;
    if (reply->status < 0 ||
        rpc_reply_decode(reply, (xdrproc_t)xdr_uint64_t, &value, NULL) < 0) {
        rpc_call_drop(call);
        return;
    }
    rpc_call_reply(call, (xdrproc_t)xdr_uint64_t, &value, NULL);
}

/* Ask the caller on its own connection and answer with what it says. */
static void handle_back(struct rpc_call *call, void *context)
{
    (void)context;
    uint64_t value = 0;
    if (rpc_call_decode(call, (xdrproc_t)xdr_uint64_t, &value, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    int result = rpc_call_start(rpc_call_connection(call), &(struct rpc_call_request){
                                                               .program = BACK_PROGRAM,
                                                               .version = 3,
                                                               .procedure = 1,
                                                               .encode = (xdrproc_t)xdr_uint64_t,
                                                               .arguments = &value,
                                                               .callback = back_answered,
                                                               .context = call,
                                                           });
    if (result < 0) {
        rpc_call_drop(call);
    }
}

static void handle_park(struct rpc_call *call, void *context)
{
    (void)context;
    unsigned index = atomic_load(&parked_count);
    atomic_store(&parked[index], call);
    atomic_fetch_add(&parked_count, 1);
}

static void unpark(unsigned index)
{
    struct rpc_call *call = atomic_exchange(&parked[index], NULL);
    handle_echo(call, NULL);
}

static void handle_who(struct rpc_call *call, void *context)
{
    (void)context;
    const struct cred *cred = rpc_call_cred(call);
    uint64_t value = (uint64_t)cred->uid << 32 | cred->gid << 8 | cred->group_count;
    rpc_call_reply(call, (xdrproc_t)xdr_uint64_t, &value, NULL);
}

static void handle_hang_up(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_connection_close(rpc_call_connection(call));
    rpc_call_drop(call);
}

static bool_t xdr_text(XDR *xdrs, char **text)
{
    return xdr_string(xdrs, text, 1024 * 1024);
}

static void handle_text(struct rpc_call *call, void *context)
{
    (void)context;
    char *text = NULL;
    if (rpc_call_decode(call, (xdrproc_t)xdr_text, &text, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    rpc_call_reply(call, (xdrproc_t)xdr_text, &text, NULL);
    xdr_free((xdrproc_t)xdr_text, &text);
}

static void on_opened(struct rpc_connection *connection, void *context)
{
    (void)context;
    rpc_connection_set_user(connection, connection);
    atomic_fetch_add(&opened_count, 1);
}

static void on_closed(struct rpc_connection *connection, void *context)
{
    (void)context;
    CU_ASSERT_PTR_EQUAL_FATAL(rpc_connection_user(connection), connection);
    CU_ASSERT_FATAL(rpc_connection_error(connection) < 0);
    atomic_fetch_add(&closed_count, 1);
}

static const struct rpc_procedure procedures[PROCEDURES] = {
    [NOTHING] = {"NOTHING", handle_nothing},
    [ECHO] = {"ECHO", handle_echo},
    [LATE] = {"LATE", handle_late},
    [MIRROR] = {"MIRROR", handle_mirror},
    [BACK] = {"BACK", handle_back},
    [PARK] = {"PARK", handle_park},
    [WHO] = {"WHO", handle_who},
    [HANG_UP] = {"HANG_UP", handle_hang_up},
    [TEXT] = {"TEXT", handle_text},
};
static const struct rpc_program program = {
    .program = PROGRAM, .version = 1, .procedures = procedures, .procedure_count = PROCEDURES};
static const struct rpc_program *const programs[] = {&program};
static const struct rpc_service service = {
    .programs = programs, .program_count = 1, .opened = on_opened, .closed = on_closed};

/* ---- the client ---------------------------------------------------------------------------- */

static const struct rpc_procedure back_procedures[2] = {[1] = {"ECHO", handle_echo}};
static const struct rpc_program back_program = {.program = BACK_PROGRAM,
                                                .version = 3,
                                                .procedures = back_procedures,
                                                .procedure_count = 2};
static const struct rpc_program *const back_programs[] = {&back_program};
static const struct rpc_service back_service = {.programs = back_programs, .program_count = 1};

/* A connection whose life is watched. */
struct client {
    struct rpc_connection *connection;
    struct rpc_service service;
    atomic_uint opened, closed;
    atomic_uint answered; /* before closed */
    unsigned answered_at_close;
};

static void client_opened(struct rpc_connection *connection, void *context)
{
    struct client *client = context;
    (void)connection;
    atomic_fetch_add(&client->opened, 1);
}

static void client_closed(struct rpc_connection *connection, void *context)
{
    struct client *client = context;
    (void)connection;
    client->answered_at_close = atomic_load(&client->answered);
    atomic_fetch_add(&client->closed, 1);
}

static void client_init(struct client *client)
{
    *client = (struct client){.service = back_service};
    client->service.opened = client_opened;
    client->service.closed = client_closed;
    client->service.context = client;
}

static void client_dial(struct client *client)
{
    client_init(client);
    CU_ASSERT_EQUAL_FATAL(rpc_dial_tcp(client_loop, "127.0.0.1", server_port, &client->service,
                                       &client->connection),
                          0);
}

static void client_end(struct client *client)
{
    rpc_connection_close(client->connection);
    CU_ASSERT_FATAL(wait_for(&client->closed, 1));
    rpc_connection_put(client->connection);
}

static struct rpc_call_request request_of(uint32_t procedure, const uint64_t *value)
{
    return (struct rpc_call_request){
        .program = PROGRAM,
        .version = 1,
        .procedure = procedure,
        .encode = (xdrproc_t)xdr_uint64_t,
        .arguments = value,
    };
}

static int call_and_wait(struct client *client, uint32_t procedure, uint64_t value,
                         uint64_t *out_value)
{
    struct rpc_call_request request = request_of(procedure, &value);
    *out_value = 0;
    return rpc_call_wait(client->connection, &request, (xdrproc_t)xdr_uint64_t, out_value);
}

/* Counts answers and the last status; checks that the value comes back. */
struct expectation {
    struct client *client;
    uint64_t value;
    int status; /* expected */
};

static void expect_callback(struct rpc_reply *reply, void *context)
{
    struct expectation *expectation = context;
    CU_ASSERT_EQUAL(reply->status, expectation->status);
    if (reply->status == 0) {
        uint64_t value = 0;
        CU_ASSERT_EQUAL(rpc_reply_decode(reply, (xdrproc_t)xdr_uint64_t, &value, NULL), 0);
        CU_ASSERT_EQUAL(value, expectation->value);
    }
    atomic_fetch_add(&expectation->client->answered, 1);
}

static int expect_start(struct expectation *expectation, uint32_t procedure, unsigned timeout_ms)
{
    struct rpc_call_request request = request_of(procedure, &expectation->value);
    request.callback = expect_callback;
    request.context = expectation;
    request.timeout_ms = timeout_ms;
    return rpc_call_start(expectation->client->connection, &request);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void a_call_is_answered_over_tcp(void)
{
    struct client client;
    client_dial(&client);
    uint64_t value;
    CU_ASSERT_EQUAL(call_and_wait(&client, ECHO, 4711, &value), 0);
    CU_ASSERT_EQUAL(value, 4711);
    CU_ASSERT_EQUAL(atomic_load(&client.opened), 1);
    char name[32];
    snprintf(name, sizeof name, "127.0.0.1:%u", server_port);
    CU_ASSERT_STRING_EQUAL(rpc_connection_name(client.connection), name);
    CU_ASSERT_EQUAL(rpc_connection_error(client.connection), 0);
    client_end(&client);
}

static void a_call_is_answered_over_a_unix_socket(void)
{
    struct client client;
    client_init(&client);
    CU_ASSERT_EQUAL_FATAL(
        rpc_dial_unix(client_loop, socket_path, &client.service, &client.connection), 0);
    uint64_t value;
    CU_ASSERT_EQUAL(call_and_wait(&client, ECHO, 77, &value), 0);
    CU_ASSERT_EQUAL(value, 77);
    CU_ASSERT_STRING_EQUAL(rpc_connection_name(client.connection), socket_path);
    struct stat status;
    CU_ASSERT_EQUAL(stat(socket_path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0600);
    /* Somebody listens there, so it is not replaced. */
    CU_ASSERT_EQUAL(rpc_listen_unix(client_loop, socket_path, 0600, &service), -EADDRINUSE);
    client_end(&client);
}

static void a_stale_unix_socket_is_replaced(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/stale", directory);
    struct rpc_loop *loop;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_new(1, 0, &loop), 0);
    CU_ASSERT_EQUAL(rpc_listen_unix(loop, path, 0600, &service), 0);
    char moved[128];
    snprintf(moved, sizeof moved, "%s/moved", directory);
    CU_ASSERT_EQUAL(link(path, moved), 0); /* survives the listener, as after a kill */
    rpc_loop_free(loop);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_new(1, 0, &loop), 0);
    CU_ASSERT_EQUAL(rpc_listen_unix(loop, moved, 0600, &service), 0);
    rpc_loop_free(loop);
    FILE *file = fopen(moved, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_new(1, 0, &loop), 0);
    CU_ASSERT_EQUAL(rpc_listen_unix(loop, moved, 0600, &service), -EADDRINUSE); /* not a socket */
    rpc_loop_free(loop);
    unlink(moved);
}

/* ---- many calls ---- */

#define THREADS 4
#define CONNECTIONS 2
#define CALLS_PER_THREAD 12500
#define WINDOW 16

struct stream {
    struct client *client;
    atomic_uint done;
    uint64_t next, seed;
    atomic_uint wrong;
    uint32_t procedure;
};

static void stream_next(struct stream *stream);

static void stream_callback(struct rpc_reply *reply, void *context)
{
    struct stream *stream = context;
    uint64_t value = 0;
    if (reply->status || rpc_reply_decode(reply, (xdrproc_t)xdr_uint64_t, &value, NULL) < 0 ||
        value != stream->seed + stream->next) {
        atomic_fetch_add(&stream->wrong, 1);
    }
    stream->next++;
    if (stream->next < CALLS_PER_THREAD / WINDOW) {
        stream_next(stream);
    } else {
        atomic_store(&stream->done, 1);
    }
}

static void stream_next(struct stream *stream)
{
    uint64_t value = stream->seed + stream->next;
    struct rpc_call_request request = request_of(stream->procedure, &value);
    request.callback = stream_callback;
    request.context = stream;
    request.timeout_ms = 30000;
    if (rpc_call_start(stream->client->connection, &request) < 0) {
        atomic_fetch_add(&stream->wrong, 1);
        atomic_store(&stream->done, 1);
    }
}

struct worker {
    pthread_t thread;
    struct client *clients;
    unsigned number;
    uint32_t procedure;
    atomic_uint wrong;
};

static void *worker_thread(void *context)
{
    struct worker *worker = context;
    for (unsigned c = 0; c < CONNECTIONS; c++) {
        struct stream streams[WINDOW];
        for (unsigned i = 0; i < WINDOW; i++) {
            streams[i] = (struct stream){.client = &worker->clients[c],
                                         .seed = (uint64_t)worker->number << 48 | (uint64_t)i << 32,
                                         .procedure = worker->procedure};
            stream_next(&streams[i]);
        }
        for (unsigned i = 0; i < WINDOW; i++) {
            if (!wait_for(&streams[i].done, 1)) {
                abort(); /* streams are on the stack and still in use */
            }
            atomic_fetch_add(&worker->wrong, atomic_load(&streams[i].wrong));
        }
    }
    return NULL;
}

static void run_workers(uint32_t procedure)
{
    struct client clients[CONNECTIONS];
    struct worker workers[THREADS];
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        client_dial(&clients[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.clients = clients, .number = i, .procedure = procedure};
        pthread_create(&workers[i].thread, NULL, worker_thread, &workers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        CU_ASSERT_EQUAL(atomic_load(&workers[i].wrong), 0);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        client_end(&clients[i]);
    }
}

static void a_hundred_thousand_calls_of_many_threads(void)
{
    run_workers(ECHO);
}

static void late_answers_of_other_threads(void)
{
    run_workers(LATE);
}

static void calls_both_ways_on_one_connection(void)
{
    run_workers(BACK);
}

/* ---- bulk ---- */

struct bulk_run {
    uint8_t *bytes;
    atomic_uint done, wrong;
    void *kept;
    struct slice kept_bulk;
};

static void bulk_callback(struct rpc_reply *reply, void *context)
{
    struct bulk_run *run = context;
    uint64_t value = 0;
    struct slice rest, bulk = {NULL, 0};
    if (reply->status ||
        rpc_reply_decode(reply, (xdrproc_t)xdr_uint64_t, &value, &rest) < 0 ||
        rpc_bulk(rest, &bulk) < 0 || value > BULK_SIZE ||
        !slice_equal(bulk, slice_of(run->bytes + value, BULK_SIZE - value))) {
        atomic_fetch_add(&run->wrong, 1);
    } else if (value == 1) {
        run->kept = rpc_reply_keep(reply);
        run->kept_bulk = bulk;
    }
    atomic_fetch_add(&run->done, 1);
}

static void a_mebibyte_goes_both_ways(void)
{
    struct client client;
    client_dial(&client);
    struct bulk_run run = {.bytes = malloc(BULK_SIZE)};
    for (size_t i = 0; i < BULK_SIZE; i++) {
        run.bytes[i] = (uint8_t)(i * 31 + i / 257);
    }
    const unsigned count = 40;
    for (unsigned i = 0; i < count; i++) {
        /* Every size of padding. */
        uint64_t value = i < 20 ? i : i * 1000;
        struct slice bulk = slice_of(run.bytes + value, BULK_SIZE - value);
        struct rpc_call_request request = request_of(MIRROR, &value);
        request.bulk = &bulk;
        request.callback = bulk_callback;
        request.context = &run;
        CU_ASSERT_EQUAL(rpc_call_start(client.connection, &request), 0);
    }
    CU_ASSERT_FATAL(wait_for(&run.done, count));
    CU_ASSERT_EQUAL(atomic_load(&run.wrong), 0);
    CU_ASSERT(slice_equal(run.kept_bulk, slice_of(run.bytes + 1, BULK_SIZE - 1)));
    client_end(&client);
    CU_ASSERT(slice_equal(run.kept_bulk, slice_of(run.bytes + 1, BULK_SIZE - 1)));
    rpc_reply_release(run.kept);
    free(run.bytes);
}

static void a_long_string_is_encoded_though_scratch_is_short(void)
{
    struct client client;
    client_dial(&client);
    size_t size = 900000;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    char *back = NULL;
    struct rpc_call_request request = request_of(TEXT, NULL);
    request.encode = (xdrproc_t)xdr_text;
    request.arguments = &text;
    CU_ASSERT_EQUAL(rpc_call_wait(client.connection, &request, (xdrproc_t)xdr_text, &back), 0);
    CU_ASSERT(back && strcmp(back, text) == 0);
    xdr_free((xdrproc_t)xdr_text, &back);
    /* Longer than a record may be: refused here, not by the other side. */
    struct slice bulk = slice_of(text, size);
    request.bulk = &bulk;
    CU_ASSERT_EQUAL(rpc_call_wait(client.connection, &request, NULL, NULL), -E_BAD_MESSAGE);
    free(text);
    client_end(&client);
}

/* ---- how calls end ---- */

static void credentials_arrive(void)
{
    struct client client;
    client_dial(&client);
    struct cred cred = {.uid = 1000, .gid = 100, .group_count = 16};
    uint64_t value = 0, who = 0;
    struct rpc_call_request request = request_of(WHO, &value);
    request.credentials = &cred;
    CU_ASSERT_EQUAL(
        rpc_call_wait(client.connection, &request, (xdrproc_t)xdr_uint64_t, &who), 0);
    CU_ASSERT_EQUAL(who, UINT64_C(1000) << 32 | 100 << 8 | 16);
    request.credentials = NULL;
    CU_ASSERT_EQUAL(
        rpc_call_wait(client.connection, &request, (xdrproc_t)xdr_uint64_t, &who), 0);
    CU_ASSERT_EQUAL(who, UINT64_C(65534) << 32 | 65534 << 8);
    client_end(&client);
}

static void rejected_calls_say_so(void)
{
    struct client client;
    client_dial(&client);
    uint64_t value = 1, answer;
    struct rpc_call_request request = request_of(PROCEDURES, &value);
    CU_ASSERT_EQUAL(
        rpc_call_wait(client.connection, &request, (xdrproc_t)xdr_uint64_t, &answer), -EPROTO);
    request = request_of(ECHO, &value);
    request.encode = NULL;
    CU_ASSERT_EQUAL(
        rpc_call_wait(client.connection, &request, (xdrproc_t)xdr_uint64_t, &answer), -EPROTO);
    /* The answer is void, so there is nothing to decode. */
    CU_ASSERT_EQUAL(call_and_wait(&client, NOTHING, 1, &answer), -E_BAD_MESSAGE);
    CU_ASSERT_EQUAL(call_and_wait(&client, ECHO, 1, &answer), 0);
    client_end(&client);
}

static void calls_end_when_the_peer_hangs_up(void)
{
    struct client client;
    client_dial(&client);
    struct expectation lost = {.client = &client, .status = -E_CONNECTION_LOST};
    unsigned parked_before = atomic_load(&parked_count);
    for (int i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL(expect_start(&lost, PARK, i % 2 ? 60000 : 0), 0);
    }
    CU_ASSERT_FATAL(wait_for(&parked_count, parked_before + 100));
    CU_ASSERT_EQUAL(expect_start(&lost, HANG_UP, 0), 0);
    CU_ASSERT_FATAL(wait_for(&client.closed, 1));
    CU_ASSERT_EQUAL(client.answered_at_close, 101);
    CU_ASSERT(rpc_connection_error(client.connection) < 0);
    /* A call on a lost connection has its callback at once. */
    CU_ASSERT_EQUAL(expect_start(&lost, ECHO, 0), 0);
    CU_ASSERT_EQUAL(atomic_load(&client.answered), 102);
    rpc_connection_put(client.connection);
    /* Answers to a connection that is gone are dropped. */
    for (unsigned i = parked_before; i < parked_before + 100; i++) {
        unpark(i);
    }
}

static void calls_time_out_and_late_answers_are_ignored(void)
{
    struct client client;
    client_dial(&client);
    struct expectation late = {.client = &client, .status = -ETIMEDOUT};
    unsigned parked_before = atomic_load(&parked_count);
    uint64_t begin = clock_monotonic_ns(clock_real());
    CU_ASSERT_EQUAL(expect_start(&late, PARK, 400), 0);
    CU_ASSERT_EQUAL(expect_start(&late, PARK, 40), 0);
    CU_ASSERT_EQUAL(expect_start(&late, PARK, 100), 0);
    CU_ASSERT_FATAL(wait_for(&client.answered, 1));
    CU_ASSERT(clock_monotonic_ns(clock_real()) - begin >= 40 * NS_PER_MS);
    CU_ASSERT_FATAL(wait_for(&client.answered, 2));
    CU_ASSERT(clock_monotonic_ns(clock_real()) - begin >= 100 * NS_PER_MS);
    CU_ASSERT_FATAL(wait_for(&client.answered, 3));
    CU_ASSERT(clock_monotonic_ns(clock_real()) - begin >= 400 * NS_PER_MS);
    CU_ASSERT_FATAL(wait_for(&parked_count, parked_before + 3));
    for (unsigned i = 0; i < 3; i++) {
        unpark(parked_before + i);
    }
    uint64_t value;
    CU_ASSERT_EQUAL(call_and_wait(&client, ECHO, 5, &value), 0);
    CU_ASSERT_EQUAL(value, 5);
    CU_ASSERT_EQUAL(atomic_load(&client.answered), 3);
    client_end(&client);
}

static void no_more_unanswered_calls_than_allowed_are_taken(void)
{
    struct client client;
    client_dial(&client);
    unsigned parked_before = atomic_load(&parked_count);
    struct expectation late = {.client = &client, .status = 0, .value = 9};
    const unsigned count = CALLS_PER_CONNECTION_MAX + 500;
    for (unsigned i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(expect_start(&late, PARK, 0), 0);
    }
    CU_ASSERT_FATAL(wait_for(&parked_count, parked_before + CALLS_PER_CONNECTION_MAX));
    settle(); /* were there more, they would come now */
    CU_ASSERT_EQUAL(atomic_load(&parked_count), parked_before + CALLS_PER_CONNECTION_MAX);
    for (unsigned i = 0; i < count; i++) {
        CU_ASSERT_FATAL(wait_for(&parked_count, parked_before + i + 1));
        unpark(parked_before + i);
    }
    CU_ASSERT_FATAL(wait_for(&client.answered, count));
    client_end(&client);
}

static void a_peer_that_does_not_read_overloads_only_its_connection(void)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&address, size), 0);
    CU_ASSERT_EQUAL_FATAL(listen(listener, 1), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    struct client client;
    client_init(&client);
    CU_ASSERT_EQUAL_FATAL(rpc_dial_tcp(client_loop, "127.0.0.1", ntohs(address.sin_port),
                                       &client.service, &client.connection),
                          0);
    uint8_t *bytes = calloc(1, BULK_SIZE);
    struct slice bulk = slice_of(bytes, BULK_SIZE);
    struct expectation lost = {.client = &client, .status = -E_CONNECTION_LOST};
    uint64_t value = 1;
    unsigned started = 0;
    int result = 0;
    for (; started < 1000; started++) {
        struct rpc_call_request request = request_of(MIRROR, &value);
        request.bulk = &bulk;
        request.callback = expect_callback;
        request.context = &lost;
        result = rpc_call_start(client.connection, &request);
        if (result) {
            break;
        }
    }
    free(bytes);
    CU_ASSERT_EQUAL(result, -E_OVERLOADED);
    CU_ASSERT(started >= SEND_QUEUE_MAX / BULK_SIZE - 1);
    CU_ASSERT(started <= SEND_QUEUE_MAX / BULK_SIZE + 32);
    CU_ASSERT_EQUAL(atomic_load(&client.answered), 0);
    client_end(&client);
    CU_ASSERT_EQUAL(client.answered_at_close, started);
    close(listener);
}

static void a_dial_in_vain_is_closed(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    /* Bound and not listening: nobody else gets the port. */
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&address, size), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    struct client client;
    client_init(&client);
    CU_ASSERT_EQUAL_FATAL(rpc_dial_tcp(client_loop, "127.0.0.1", ntohs(address.sin_port),
                                       &client.service, &client.connection),
                          0);
    struct expectation lost = {.client = &client, .status = -E_CONNECTION_LOST};
    CU_ASSERT_EQUAL(expect_start(&lost, ECHO, 0), 0);
    CU_ASSERT_FATAL(wait_for(&client.closed, 1));
    CU_ASSERT_EQUAL(rpc_connection_error(client.connection), -ECONNREFUSED);
    CU_ASSERT_EQUAL(atomic_load(&client.answered), 1);
    CU_ASSERT_EQUAL(atomic_load(&client.opened), 0);
    rpc_connection_put(client.connection);
    close(fd);

    client_init(&client);
    CU_ASSERT_EQUAL_FATAL(
        rpc_dial_unix(client_loop, "/nonexistent/socket", &client.service, &client.connection), 0);
    CU_ASSERT_FATAL(wait_for(&client.closed, 1));
    CU_ASSERT_EQUAL(rpc_connection_error(client.connection), -ENOENT);
    rpc_connection_put(client.connection);
    CU_ASSERT_EQUAL(rpc_dial_tcp(client_loop, "no such host", 1, &client.service,
                                 &client.connection),
                    -EINVAL);
}

static void calls_wait_for_the_connection(void)
{
    struct rpc_loop *loop;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_new(1, 0, &loop), 0);
    struct client client;
    client_init(&client);
    CU_ASSERT_EQUAL_FATAL(
        rpc_dial_tcp(loop, "127.0.0.1", server_port, &client.service, &client.connection), 0);
    struct expectation echoes[200];
    for (unsigned i = 0; i < 200; i++) {
        echoes[i] = (struct expectation){.client = &client, .value = i};
        CU_ASSERT_EQUAL(expect_start(&echoes[i], ECHO, 0), 0);
    }
    CU_ASSERT_EQUAL(atomic_load(&client.answered), 0); /* the loop does not run yet */
    CU_ASSERT_EQUAL_FATAL(rpc_loop_start(loop), 0);
    CU_ASSERT_FATAL(wait_for(&client.answered, 200));
    client_end(&client);
    rpc_loop_free(loop);
}

static void a_stopped_loop_ends_everything(void)
{
    struct rpc_loop *loop;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_new(2, 1, &loop), 0);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_start(loop), 0);
    struct client client;
    client_init(&client);
    CU_ASSERT_EQUAL_FATAL(
        rpc_dial_tcp(loop, "127.0.0.1", server_port, &client.service, &client.connection), 0);
    unsigned parked_before = atomic_load(&parked_count);
    struct expectation lost = {.client = &client, .status = -E_CONNECTION_LOST};
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(expect_start(&lost, PARK, 0), 0);
    }
    CU_ASSERT_FATAL(wait_for(&parked_count, parked_before + 10));
    rpc_loop_stop(loop);
    CU_ASSERT_EQUAL(atomic_load(&client.closed), 1);
    CU_ASSERT_EQUAL(client.answered_at_close, 10);
    CU_ASSERT_EQUAL(expect_start(&lost, ECHO, 0), 0);
    CU_ASSERT_EQUAL(atomic_load(&client.answered), 11);
    rpc_connection_put(client.connection);
    rpc_loop_free(loop);
    for (unsigned i = 0; i < 10; i++) {
        unpark(parked_before + i);
    }
}

/* ---- timers, watched descriptors, workers ---- */

static atomic_uint ticks, jobs, watched;
static int watched_fd;

static void tick(void *context)
{
    (void)context;
    atomic_fetch_add(&ticks, 1);
}

static void job(void *context)
{
    (void)context;
    atomic_fetch_add(&jobs, 1);
}

static void watch(void *context)
{
    (void)context;
    uint64_t value;
    if (read(watched_fd, &value, sizeof value) == (ssize_t)sizeof value) {
        atomic_fetch_add(&watched, (unsigned)value);
    }
}

static void timers_watches_and_workers_run(void)
{
    struct rpc_loop *loop;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_new(2, 2, &loop), 0);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_start(loop), 0);
    watched_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CU_ASSERT_EQUAL(rpc_loop_every(loop, 5, tick, NULL), 0);
    CU_ASSERT_EQUAL(rpc_loop_watch(loop, watched_fd, watch, NULL), 0);
    for (unsigned i = 0; i < 1000; i++) {
        rpc_offload(loop, job, NULL);
    }
    for (unsigned i = 0; i < 10; i++) {
        uint64_t one = 1;
        CU_ASSERT_EQUAL(write(watched_fd, &one, sizeof one), (ssize_t)sizeof one);
    }
    CU_ASSERT(wait_for(&ticks, 5));
    CU_ASSERT(wait_for(&jobs, 1000));
    CU_ASSERT(wait_for(&watched, 10));
    rpc_loop_free(loop);
    close(watched_fd);
}

static void statistics_count(void)
{
    struct rpc_statistics before, after;
    struct client client;
    client_dial(&client);
    uint64_t value;
    CU_ASSERT_EQUAL(call_and_wait(&client, ECHO, 1, &value), 0);
    rpc_loop_statistics(client_loop, &before);
    CU_ASSERT_EQUAL(call_and_wait(&client, ECHO, 1, &value), 0);
    rpc_loop_statistics(client_loop, &after);
    CU_ASSERT_EQUAL(after.messages_in - before.messages_in, 1);
    CU_ASSERT_EQUAL(after.messages_out - before.messages_out, 1);
    CU_ASSERT_EQUAL(after.bytes_out - before.bytes_out, 4 + 40 + 8);
    CU_ASSERT_EQUAL(after.bytes_in - before.bytes_in, 4 + 24 + 8);
    CU_ASSERT_EQUAL(after.connections, 1);
    client_end(&client);
}

static void every_accepted_connection_was_closed(void)
{
    CU_ASSERT_EQUAL(atomic_load(&opened_count) > 0, 1);
    CU_ASSERT(wait_for(&closed_count, atomic_load(&opened_count)));
    struct rpc_statistics statistics;
    rpc_loop_statistics(client_loop, &statistics);
    CU_ASSERT_EQUAL(statistics.connections, 0);
}

/* ---- main ---------------------------------------------------------------------------------- */

static int set_up(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%.40s/rpc-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(directory)) {
        return 1;
    }
    snprintf(socket_path, sizeof socket_path, "%s/socket", directory);
    return rpc_loop_new(2, 2, &server_loop) || rpc_loop_new(2, 1, &client_loop) ||
           rpc_listen_tcp(server_loop, "127.0.0.1", 0, &service, &server_port) ||
           rpc_listen_unix(server_loop, socket_path, 0600, &service) ||
           rpc_loop_start(server_loop) || rpc_loop_start(client_loop);
}

static int tear_down(void)
{
    rpc_loop_free(client_loop);
    rpc_loop_free(server_loop);
    return rmdir(directory);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        {"a call is answered over TCP", a_call_is_answered_over_tcp},
        {"a call is answered over a Unix socket", a_call_is_answered_over_a_unix_socket},
        {"a stale Unix socket is replaced", a_stale_unix_socket_is_replaced},
        {"100,000 calls of many threads", a_hundred_thousand_calls_of_many_threads},
        {"late answers of other threads", late_answers_of_other_threads},
        {"calls both ways on one connection", calls_both_ways_on_one_connection},
        {"a mebibyte goes both ways", a_mebibyte_goes_both_ways},
        {"a long string is encoded", a_long_string_is_encoded_though_scratch_is_short},
        {"credentials arrive", credentials_arrive},
        {"rejected calls say so", rejected_calls_say_so},
        {"calls end when the peer hangs up", calls_end_when_the_peer_hangs_up},
        {"calls time out", calls_time_out_and_late_answers_are_ignored},
        {"unanswered calls are bounded", no_more_unanswered_calls_than_allowed_are_taken},
        {"the send queue is bounded", a_peer_that_does_not_read_overloads_only_its_connection},
        {"a dial in vain is closed", a_dial_in_vain_is_closed},
        {"calls wait for the connection", calls_wait_for_the_connection},
        {"a stopped loop ends everything", a_stopped_loop_ends_everything},
        {"timers, watches and workers run", timers_watches_and_workers_run},
        {"statistics count", statistics_count},
        {"every accepted connection was closed", every_accepted_connection_was_closed},
        CU_TEST_INFO_NULL,
    };
    static CU_SuiteInfo suites[] = {
        {.pName = "rpc", .pInitFunc = set_up, .pCleanupFunc = tear_down, .pTests = tests},
        CU_SUITE_INFO_NULL,
    };
    if (CU_initialize_registry() || CU_register_suites(suites)) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return failures != 0;
}
