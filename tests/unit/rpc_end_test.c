/*
 * How calls and connections end: lost, too late, too many, stopped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <pthread.h>
#include "backend/base/clock.h"
#include "tests/unit/rpc_peers.h"

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
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
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
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
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
    CU_ASSERT_EQUAL(
        rpc_dial_tcp(client_loop, "no such host", 1, &client.service, &client.connection), -EINVAL);
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

/* ---- a callback that gives the caller's reference back -------------------------------------- */

#define GIVERS 3000

struct giver {
    struct client client;
    struct rpc_connection *cut; /* a reference of who closes */
    atomic_uint is_sending;
};

static void give_back(struct rpc_reply *reply, void *context)
{
    (void)reply;
    struct giver *giver = context;
    rpc_connection_put(giver->client.connection);
}

static void *cut_while_it_sends(void *context)
{
    struct giver *giver = context;
    while (!atomic_load(&giver->is_sending)) {
    }
    rpc_connection_close(giver->cut);
    rpc_connection_put(giver->cut);
    return NULL;
}

/* Goal: a connection lives as long as somebody sends on it, though the call's callback gives the
 * caller's only reference back meanwhile. Method: large calls, cut while they are being sent. */
static void a_callback_may_give_the_last_reference_back(void)
{
    static char bulk_bytes[BULK_SIZE];
    struct slice bulk = slice_of(bulk_bytes, sizeof bulk_bytes);
    for (int i = 0; i < GIVERS; i++) {
        struct giver giver = {.is_sending = 0};
        client_init(&giver.client);
        CU_ASSERT_EQUAL_FATAL(rpc_dial_unix(client_loop, socket_path, &giver.client.service,
                                            &giver.client.connection),
                              0);
        uint64_t value = 0;
        CU_ASSERT_EQUAL(call_and_wait(&giver.client, ECHO, 1, &value), 0);
        giver.cut = rpc_connection_get(giver.client.connection);
        pthread_t cutter;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&cutter, NULL, cut_while_it_sends, &giver), 0);
        struct rpc_call_request request = {
            .program = PROGRAM,
            .version = 1,
            .procedure = MIRROR,
            .encode = (xdrproc_t)xdr_uint64_t,
            .arguments = &value,
            .bulk = &bulk,
            .callback = give_back,
            .context = &giver,
        };
        atomic_store(&giver.is_sending, 1);
        CU_ASSERT_EQUAL_FATAL(rpc_call_start(giver.client.connection, &request), 0);
        pthread_join(cutter, NULL);
        CU_ASSERT_FATAL(wait_for(&giver.client.closed, 1));
    }
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
        {"calls end when the peer hangs up", calls_end_when_the_peer_hangs_up},
        {"calls time out", calls_time_out_and_late_answers_are_ignored},
        {"unanswered calls are bounded", no_more_unanswered_calls_than_allowed_are_taken},
        {"the send queue is bounded", a_peer_that_does_not_read_overloads_only_its_connection},
        {"a dial in vain is closed", a_dial_in_vain_is_closed},
        {"calls wait for the connection", calls_wait_for_the_connection},
        {"a stopped loop ends everything", a_stopped_loop_ends_everything},
        {"a callback gives the last reference back", a_callback_may_give_the_last_reference_back},
        {"every accepted connection was closed", every_accepted_connection_was_closed},
        CU_TEST_INFO_NULL,
    };
    return run_suite("rpc endings", tests);
}
