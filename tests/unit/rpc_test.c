/*
 * Calls through the RPC layer's own interface: in numbers, both ways, late, large.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include "tests/unit/rpc_peers.h"

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
    if (reply->status || rpc_reply_decode(reply, (xdrproc_t)xdr_uint64_t, &value, &rest) < 0 ||
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

/*
 * Small and large messages of many threads on one connection, answered at once and late: sockets
 * fill, messages are cut in two and queued, others come in between; each must arrive whole.
 */
#define MIXED_CALLS 4000
#define MIXED_WINDOW 80

struct mixed {
    uint8_t *bytes;
    struct client *client;
    atomic_uint started, done, wrong;
};

struct mixed_call {
    struct mixed *mixed;
    uint64_t size;
    unsigned number;
};

static void mixed_next(struct mixed_call *call);

static void mixed_callback(struct rpc_reply *reply, void *context)
{
    struct mixed_call *call = context;
    uint64_t size = 0;
    struct slice rest, bulk = {NULL, 0};
    if (reply->status || rpc_reply_decode(reply, (xdrproc_t)xdr_uint64_t, &size, &rest) < 0 ||
        rpc_bulk(rest, &bulk) < 0 || size != call->size ||
        !slice_equal(bulk, slice_of(call->mixed->bytes + call->number % 1000, size))) {
        atomic_fetch_add(&call->mixed->wrong, 1);
    }
    mixed_next(call);
}

static void mixed_next(struct mixed_call *call)
{
    struct mixed *mixed = call->mixed;
    call->number = atomic_fetch_add(&mixed->started, 1);
    if (call->number >= MIXED_CALLS) {
        atomic_fetch_add(&mixed->done, 1);
        return;
    }
    uint32_t hash = (call->number + 1) * UINT32_C(2654435761);
    call->size = hash >> 28 < 9 ? hash >> 12 & 0xff : hash >> 12 & 0x7ffff;
    struct slice bulk = slice_of(mixed->bytes + call->number % 1000, call->size);
    struct rpc_call_request request = request_of(hash & 0x400 ? MIRROR : LATE_MIRROR, &call->size);
    request.bulk = &bulk;
    request.callback = mixed_callback;
    request.context = call;
    if (rpc_call_start(mixed->client->connection, &request) < 0) {
        atomic_fetch_add(&mixed->wrong, 1);
        atomic_fetch_add(&mixed->done, 1);
    }
}

/* Small calls from outside the loop, in between. */
static void *mixed_thread(void *context)
{
    struct mixed *mixed = context;
    for (uint64_t i = 0; atomic_load(&mixed->done) < MIXED_WINDOW; i++) {
        uint64_t value;
        if (call_and_wait(mixed->client, i % 2 ? ECHO : LATE, i, &value) || value != i) {
            atomic_fetch_add(&mixed->wrong, 1);
            break;
        }
    }
    return NULL;
}

static void mixed_sizes_arrive_whole(void)
{
    struct client client;
    client_dial(&client);
    struct mixed mixed = {.bytes = malloc(BULK_SIZE), .client = &client};
    for (size_t i = 0; i < BULK_SIZE; i++) {
        mixed.bytes[i] = (uint8_t)(i * 131 + i / 509);
    }
    struct mixed_call calls[MIXED_WINDOW];
    for (unsigned i = 0; i < MIXED_WINDOW; i++) {
        calls[i] = (struct mixed_call){.mixed = &mixed};
        mixed_next(&calls[i]);
    }
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, mixed_thread, &mixed);
    }
    CU_ASSERT_FATAL(wait_for(&mixed.done, MIXED_WINDOW));
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    CU_ASSERT_EQUAL(atomic_load(&mixed.wrong), 0);
    client_end(&client);
    free(mixed.bytes);
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

/* ---- heads ---- */

static void credentials_arrive(void)
{
    struct client client;
    client_dial(&client);
    struct cred cred = {.uid = 1000, .gid = 100, .group_count = 16};
    uint64_t value = 0, who = 0;
    struct rpc_call_request request = request_of(WHO, &value);
    request.credentials = &cred;
    CU_ASSERT_EQUAL(rpc_call_wait(client.connection, &request, (xdrproc_t)xdr_uint64_t, &who), 0);
    CU_ASSERT_EQUAL(who, UINT64_C(1000) << 32 | 100 << 8 | 16);
    request.credentials = NULL;
    CU_ASSERT_EQUAL(rpc_call_wait(client.connection, &request, (xdrproc_t)xdr_uint64_t, &who), 0);
    CU_ASSERT_EQUAL(who, UINT64_C(65534) << 32 | 65534 << 8);
    client_end(&client);
}

static void rejected_calls_say_so(void)
{
    struct client client;
    client_dial(&client);
    uint64_t value = 1, answer;
    struct rpc_call_request request = request_of(PROCEDURES, &value);
    CU_ASSERT_EQUAL(rpc_call_wait(client.connection, &request, (xdrproc_t)xdr_uint64_t, &answer),
                    -EPROTO);
    request = request_of(ECHO, &value);
    request.encode = NULL;
    CU_ASSERT_EQUAL(rpc_call_wait(client.connection, &request, (xdrproc_t)xdr_uint64_t, &answer),
                    -EPROTO);
    /* The answer is void, so there is nothing to decode. */
    CU_ASSERT_EQUAL(call_and_wait(&client, NOTHING, 1, &answer), -E_BAD_MESSAGE);
    CU_ASSERT_EQUAL(call_and_wait(&client, ECHO, 1, &answer), 0);
    client_end(&client);
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
        {"mixed sizes arrive whole", mixed_sizes_arrive_whole},
        {"a long string is encoded", a_long_string_is_encoded_though_scratch_is_short},
        {"credentials arrive", credentials_arrive},
        {"rejected calls say so", rejected_calls_say_so},
        {"timers, watches and workers run", timers_watches_and_workers_run},
        {"statistics count", statistics_count},
        {"every accepted connection was closed", every_accepted_connection_was_closed},
        CU_TEST_INFO_NULL,
    };
    return run_suite("rpc", tests);
}
