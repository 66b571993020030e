/*
 * What the tests of the RPC layer share: a server with procedures that answer in every way there
 * is, and clients whose connections are watched. Both ends are loops of this process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_UNIT_RPC_PEERS_H
#define TRIVET_TESTS_UNIT_RPC_PEERS_H

#include <CUnit/Basic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
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

enum { NOTHING, ECHO, LATE, MIRROR, LATE_MIRROR, BACK, PARK, WHO, HANG_UP, TEXT, PROCEDURES };

/* ---- what is counted ----------------------------------------------------------------------- */

static atomic_uint opened_count, closed_count, parked_count;
static struct rpc_call *_Atomic parked[PARKED_MAX];
static struct rpc_loop *server_loop, *client_loop;
static uint16_t server_port;
static char directory[64], socket_path[96];

/* Wait until *value is at least wanted. */
static inline bool wait_for(atomic_uint *value, unsigned wanted)
{
    for (int i = 0; i < WAIT_S * 1000; i++) {
        if (atomic_load(value) >= wanted) {
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return false;
}

static inline void settle(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

/* ---- the server ---------------------------------------------------------------------------- */

static inline void handle_nothing(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply(call, NULL, NULL, NULL);
}

static inline void handle_echo(struct rpc_call *call, void *context)
{
    (void)context;
    uint64_t value = 0;
    if (rpc_call_decode(call, (xdrproc_t)xdr_uint64_t, &value, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    rpc_call_reply(call, (xdrproc_t)xdr_uint64_t, &value, NULL);
}

static inline void echo_later(void *context)
{
    handle_echo(context, NULL);
}

static inline void handle_late(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_offload(server_loop, echo_later, call);
}

static inline void handle_mirror(struct rpc_call *call, void *context)
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

static inline void mirror_later(void *context)
{
    handle_mirror(context, NULL);
}

static inline void handle_late_mirror(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_offload(server_loop, mirror_later, call);
}

static inline void back_answered(struct rpc_reply *reply, void *context)
{
    struct rpc_call *call = context;
    uint64_t value = 0;
    if (reply->status < 0 || rpc_reply_decode(reply, (xdrproc_t)xdr_uint64_t, &value, NULL) < 0) {
        rpc_call_drop(call);
        return;
    }
    rpc_call_reply(call, (xdrproc_t)xdr_uint64_t, &value, NULL);
}

/* Ask the caller on its own connection and answer with what it says. */
static inline void handle_back(struct rpc_call *call, void *context)
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

static inline void handle_park(struct rpc_call *call, void *context)
{
    (void)context;
    unsigned index = atomic_load(&parked_count);
    atomic_store(&parked[index], call);
    atomic_fetch_add(&parked_count, 1);
}

static inline void unpark(unsigned index)
{
    struct rpc_call *call = atomic_exchange(&parked[index], NULL);
    handle_echo(call, NULL);
}

static inline void handle_who(struct rpc_call *call, void *context)
{
    (void)context;
    const struct cred *cred = rpc_call_cred(call);
    uint64_t value = (uint64_t)cred->uid << 32 | cred->gid << 8 | cred->group_count;
    rpc_call_reply(call, (xdrproc_t)xdr_uint64_t, &value, NULL);
}

static inline void handle_hang_up(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_connection_close(rpc_call_connection(call));
    rpc_call_drop(call);
}

static inline bool_t xdr_text(XDR *xdrs, char **text)
{
    return xdr_string(xdrs, text, 1024 * 1024);
}

static inline void handle_text(struct rpc_call *call, void *context)
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

static inline void on_opened(struct rpc_connection *connection, void *context)
{
    (void)context;
    rpc_connection_set_user(connection, connection);
    atomic_fetch_add(&opened_count, 1);
}

static inline void on_closed(struct rpc_connection *connection, void *context)
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
    [LATE_MIRROR] = {"LATE_MIRROR", handle_late_mirror},
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
static const struct rpc_program back_program = {
    .program = BACK_PROGRAM, .version = 3, .procedures = back_procedures, .procedure_count = 2};
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

static inline void client_opened(struct rpc_connection *connection, void *context)
{
    struct client *client = context;
    (void)connection;
    atomic_fetch_add(&client->opened, 1);
}

static inline void client_closed(struct rpc_connection *connection, void *context)
{
    struct client *client = context;
    (void)connection;
    client->answered_at_close = atomic_load(&client->answered);
    atomic_fetch_add(&client->closed, 1);
}

static inline void client_init(struct client *client)
{
    *client = (struct client){.service = back_service};
    client->service.opened = client_opened;
    client->service.closed = client_closed;
    client->service.context = client;
}

static inline void client_dial(struct client *client)
{
    client_init(client);
    CU_ASSERT_EQUAL_FATAL(
        rpc_dial_tcp(client_loop, "127.0.0.1", server_port, &client->service, &client->connection),
        0);
}

static inline void client_end(struct client *client)
{
    rpc_connection_close(client->connection);
    CU_ASSERT_FATAL(wait_for(&client->closed, 1));
    rpc_connection_put(client->connection);
}

static inline struct rpc_call_request request_of(uint32_t procedure, const uint64_t *value)
{
    return (struct rpc_call_request){
        .program = PROGRAM,
        .version = 1,
        .procedure = procedure,
        .encode = (xdrproc_t)xdr_uint64_t,
        .arguments = value,
    };
}

static inline int call_and_wait(struct client *client, uint32_t procedure, uint64_t value,
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

static inline void expect_callback(struct rpc_reply *reply, void *context)
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

static inline int expect_start(struct expectation *expectation, uint32_t procedure,
                               unsigned timeout_ms)
{
    struct rpc_call_request request = request_of(procedure, &expectation->value);
    request.callback = expect_callback;
    request.context = expectation;
    request.timeout_ms = timeout_ms;
    return rpc_call_start(expectation->client->connection, &request);
}

/* ---- both loops ---------------------------------------------------------------------------- */

static inline int set_up(void)
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

static inline int tear_down(void)
{
    rpc_loop_free(client_loop);
    rpc_loop_free(server_loop);
    return rmdir(directory);
}

/* Run the one suite of a program; returns main's result. */
static inline int run_suite(const char *name, CU_TestInfo *tests)
{
    CU_SuiteInfo suites[] = {
        {.pName = name, .pInitFunc = set_up, .pCleanupFunc = tear_down, .pTests = tests},
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

#endif
