/*
 * Random and damaged bytes at both ends of the RPC layer: whatever comes, the process lives, other
 * connections are served, and every call of our own ends with exactly one callback.
 *
 *     rpc_test [seed [rounds]]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/rpc/rpc.h"

#define PROGRAM 0x20547701
#define LAST UINT32_C(0x80000000)
#define STREAM_SIZE 8192

enum { NOTHING, ECHO, TEXT, BULK, PROCEDURES };

static uint64_t seed = 20261120;
static unsigned rounds = 1500;
static uint64_t state;
static struct rpc_loop *loop;
static uint16_t tcp_port, udp_port;

static uint32_t random_below(uint32_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % bound);
}

/* ---- the server ---------------------------------------------------------------------------- */

static void handle_echo(struct rpc_call *call, void *context)
{
    (void)context;
    struct slice arguments = rpc_call_arguments(call);
    struct iovec body = {(void *)(uintptr_t)arguments.data, arguments.size};
    rpc_call_reply_raw(call, &body, 1);
}

static bool_t xdr_text(XDR *xdrs, char **text)
{
    return xdr_string(xdrs, text, 255);
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

static void handle_bulk(struct rpc_call *call, void *context)
{
    (void)context;
    struct slice bulk;
    if (rpc_bulk(rpc_call_arguments(call), &bulk) < 0) {
        rpc_call_garbage(call);
        return;
    }
    rpc_call_reply(call, NULL, NULL, &bulk);
}

static const struct rpc_procedure procedures[PROCEDURES] = {
    [ECHO] = {"ECHO", handle_echo}, [TEXT] = {"TEXT", handle_text}, [BULK] = {"BULK", handle_bulk}};
static const struct rpc_program program = {
    .program = PROGRAM, .version = 2, .procedures = procedures, .procedure_count = PROCEDURES};
static const struct rpc_program *const programs[] = {&program};
static const struct rpc_service service = {.programs = programs, .program_count = 1};

/* ---- valid streams, and how they are damaged ----------------------------------------------- */

struct stream {
    uint8_t data[STREAM_SIZE];
    size_t size;
};

static void put(struct stream *stream, uint32_t value)
{
    value = htonl(value);
    memcpy(stream->data + stream->size, &value, 4);
    stream->size += 4;
}

static void append_call(struct stream *stream)
{
    struct stream record = {.size = 0};
    const uint32_t head[] = {random_below(1000), CALL, 2, PROGRAM, 2, random_below(PROCEDURES + 1)};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        put(&record, head[i]);
    }
    if (random_below(2)) {
        uint32_t groups = random_below(17);
        const uint32_t sys[] = {AUTH_SYS, 24 + 4 * groups, 0, 4, 0x686f7374, 1, 2, groups};
        for (size_t i = 0; i < sizeof sys / sizeof *sys; i++) {
            put(&record, sys[i]);
        }
        for (uint32_t i = 0; i < groups; i++) {
            put(&record, i);
        }
    } else {
        put(&record, AUTH_NONE);
        put(&record, 0);
    }
    put(&record, AUTH_NONE);
    put(&record, 0);
    uint32_t size = random_below(100);
    put(&record, size);
    for (uint32_t i = 0; i < (size + 3) / 4; i++) {
        put(&record, 0x61626364);
    }
    put(stream, LAST | (uint32_t)record.size);
    memcpy(stream->data + stream->size, record.data, record.size);
    stream->size += record.size;
}

static void append_reply(struct stream *stream)
{
    const uint32_t words[] = {LAST | 28, random_below(1000), REPLY, random_below(3), 0,
                              0,         random_below(7),    7};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        put(stream, words[i]);
    }
}

static void damage(struct stream *stream)
{
    static const uint32_t words[] = {0,   1,          0xffffffff, 0x7fffffff, LAST,
                                     401, 0x80100000, 0x00000001, 0x80004000, 0xfffffffc};
    uint32_t count = random_below(4);
    for (uint32_t i = 0; i < count && stream->size >= 8; i++) {
        size_t at = random_below((uint32_t)stream->size - 4);
        uint32_t word = htonl(words[random_below(sizeof words / sizeof *words)]);
        switch (random_below(4)) {
        case 0:
            stream->data[at] ^= (uint8_t)(1 << random_below(8));
            break;
        case 1:
            memcpy(stream->data + (at & ~(size_t)3), &word, 4);
            break;
        case 2: /* cut something out */
            memmove(stream->data + at, stream->data + at + 4, stream->size - at - 4);
            stream->size -= 4;
            break;
        default:
            stream->size = at;
        }
    }
}

static void stream_make(struct stream *stream)
{
    stream->size = 0;
    if (random_below(8) == 0) {
        stream->size = random_below(STREAM_SIZE);
        for (size_t i = 0; i < stream->size; i++) {
            stream->data[i] = (uint8_t)random_below(256);
        }
        return;
    }
    uint32_t count = 1 + random_below(20);
    for (uint32_t i = 0; i < count; i++) {
        if (random_below(4)) {
            append_call(stream);
        } else {
            append_reply(stream);
        }
    }
    damage(stream);
}

/* ---- tests --------------------------------------------------------------------------------- */

static int dial(int type, uint16_t port)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 30};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Send in random pieces; the other side may hang up at any time. */
static void stream_send(const struct stream *stream, int fd)
{
    size_t at = 0;
    while (at < stream->size) {
        size_t size = 1 + random_below(random_below(2) ? 16 : STREAM_SIZE);
        size = size < stream->size - at ? size : stream->size - at;
        ssize_t sent = send(fd, stream->data + at, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        at += (size_t)sent;
    }
}

static void expect_service(int fd)
{
    const uint32_t call[] = {htonl(LAST | 44),
                             1,
                             htonl(CALL),
                             htonl(2),
                             htonl(PROGRAM),
                             htonl(2),
                             htonl(ECHO),
                             0,
                             0,
                             0,
                             0,
                             42};
    uint32_t reply[8] = {0};
    CU_ASSERT_EQUAL_FATAL(send(fd, call, sizeof call, MSG_NOSIGNAL), (ssize_t)sizeof call);
    CU_ASSERT_EQUAL_FATAL(recv(fd, reply, sizeof reply, MSG_WAITALL), (ssize_t)sizeof reply);
    CU_ASSERT_EQUAL(reply[7], 42);
}

static void drain(int fd)
{
    uint8_t bytes[4096];
    (void)shutdown(fd, SHUT_WR);
    while (recv(fd, bytes, sizeof bytes, 0) > 0) {
        continue;
    }
    close(fd);
}

static void a_server_survives_any_stream(void)
{
    static struct stream stream;
    int witness = dial(SOCK_STREAM, tcp_port);
    for (unsigned i = 0; i < rounds; i++) {
        int fd = dial(SOCK_STREAM, tcp_port);
        stream_make(&stream);
        stream_send(&stream, fd);
        if (random_below(2)) {
            close(fd);
        } else {
            drain(fd);
        }
        if (i % 16 == 0) {
            expect_service(witness);
        }
    }
    expect_service(witness);
    close(witness);
}

static void a_server_survives_any_datagram(void)
{
    static struct stream stream;
    int fd = dial(SOCK_DGRAM, udp_port);
    for (unsigned i = 0; i < rounds; i++) {
        stream_make(&stream);
        size_t skip = stream.size >= 4 ? 4 : 0;
        (void)!send(fd, stream.data + skip, stream.size - skip, 0); /* refusals do not matter */
    }
    close(fd);
    int witness = dial(SOCK_STREAM, tcp_port);
    expect_service(witness);
    close(witness);
}

struct caller {
    struct rpc_connection *connection;
    atomic_uint closed, callbacks;
};

static void caller_closed(struct rpc_connection *connection, void *context)
{
    (void)connection;
    struct caller *caller = context;
    atomic_fetch_add(&caller->closed, 1);
}

static void caller_callback(struct rpc_reply *reply, void *context)
{
    struct caller *caller = context;
    char *text = NULL;
    if (reply->status == 0 && rpc_reply_decode(reply, (xdrproc_t)xdr_text, &text, NULL) == 0) {
        xdr_free((xdrproc_t)xdr_text, &text);
    }
    atomic_fetch_add(&caller->callbacks, 1);
}

/* Answer some of the calls at the other end, then send anything. */
static void answer_badly(int listener)
{
    static struct stream stream;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    uint32_t call[11];
    uint32_t answered = random_below(5);
    for (uint32_t i = 0; i < answered; i++) {
        CU_ASSERT_EQUAL_FATAL(recv(fd, call, sizeof call, MSG_WAITALL), (ssize_t)sizeof call);
        const uint32_t reply[] = {
            htonl(LAST | 32), call[1], htonl(REPLY), 0, 0, 0, 0, htonl(random_below(2) ? 4 : 400),
            htonl(0x61626364)};
        CU_ASSERT_EQUAL_FATAL(send(fd, reply, sizeof reply, MSG_NOSIGNAL), (ssize_t)sizeof reply);
    }
    stream_make(&stream);
    stream_send(&stream, fd);
    close(fd);
}

static void a_client_survives_any_answer(void)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&address, size), 0);
    CU_ASSERT_EQUAL_FATAL(listen(listener, 16), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    for (unsigned i = 0; i < rounds; i++) {
        struct caller caller = {.connection = NULL};
        struct rpc_service own = service;
        own.closed = caller_closed;
        own.context = &caller;
        CU_ASSERT_EQUAL_FATAL(
            rpc_dial_tcp(loop, "127.0.0.1", ntohs(address.sin_port), &own, &caller.connection), 0);
        for (unsigned k = 0; k < 5; k++) {
            struct rpc_call_request request = {.program = PROGRAM,
                                               .version = 2,
                                               .procedure = NOTHING,
                                               .callback = caller_callback,
                                               .context = &caller};
            CU_ASSERT_EQUAL(rpc_call_start(caller.connection, &request), 0);
        }
        answer_badly(listener);
        for (unsigned k = 0; k < 300000 && !atomic_load(&caller.closed); k++) {
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        }
        CU_ASSERT_EQUAL_FATAL(atomic_load(&caller.closed), 1);
        CU_ASSERT_EQUAL(atomic_load(&caller.callbacks), 5);
        rpc_connection_put(caller.connection);
    }
    close(listener);
}

/* ---- main ---------------------------------------------------------------------------------- */

static int set_up(void)
{
    state = seed * 2 + 1;
    return rpc_loop_new(2, 0, &loop) || rpc_listen_tcp(loop, "127.0.0.1", 0, &service, &tcp_port) ||
           rpc_listen_udp(loop, "127.0.0.1", 0, &service, &udp_port) || rpc_loop_start(loop);
}

static int tear_down(void)
{
    rpc_loop_free(loop);
    return 0;
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : seed;
    rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : rounds;
    printf("seed %llu, %u rounds\n", (unsigned long long)seed, rounds);
    static CU_TestInfo tests[] = {
        {"a server survives any stream", a_server_survives_any_stream},
        {"a server survives any datagram", a_server_survives_any_datagram},
        {"a client survives any answer", a_client_survives_any_answer},
        CU_TEST_INFO_NULL,
    };
    static CU_SuiteInfo suites[] = {
        {.pName = "rpc fuzz", .pInitFunc = set_up, .pCleanupFunc = tear_down, .pTests = tests},
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
