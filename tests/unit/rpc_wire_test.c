/*
 * The RPC layer as a foreign client sees it: bytes by hand on a socket, so that what is sent need
 * not be what our own client would send.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "backend/rpc/rpc.h"

#define PROGRAM 0x20547701
#define LAST UINT32_C(0x80000000)
#define BULK_SIZE ((uint32_t)1024 * 1024)

enum { NOTHING, ECHO, WHO, GIVE, PROCEDURES };

static struct rpc_loop *loop;
static uint16_t tcp_port, udp_port, udp6_port;
static atomic_uint given;
static uint8_t bulk_bytes[BULK_SIZE];

/* ---- the server ---------------------------------------------------------------------------- */

static void handle_echo(struct rpc_call *call, void *context)
{
    (void)context;
    struct slice arguments = rpc_call_arguments(call);
    struct iovec body = {(void *)(uintptr_t)arguments.data, arguments.size};
    rpc_call_reply_raw(call, &body, 1);
}

static void handle_who(struct rpc_call *call, void *context)
{
    (void)context;
    const struct cred *cred = rpc_call_cred(call);
    uint64_t value = (uint64_t)cred->uid << 32 | cred->gid << 8 | cred->group_count;
    if (cred->group_count > 0) {
        value ^= cred->groups[cred->group_count - 1];
    }
    rpc_call_reply(call, (xdrproc_t)xdr_uint64_t, &value, NULL);
}

static void handle_give(struct rpc_call *call, void *context)
{
    (void)context;
    atomic_fetch_add(&given, 1);
    rpc_call_reply(call, NULL, NULL, &(struct slice){bulk_bytes, sizeof bulk_bytes});
}

static const struct rpc_procedure procedures[PROCEDURES] = {
    [ECHO] = {"ECHO", handle_echo}, [WHO] = {"WHO", handle_who}, [GIVE] = {"GIVE", handle_give}};
static const struct rpc_program low = {
    .program = PROGRAM, .version = 2, .procedures = procedures, .procedure_count = PROCEDURES};
static const struct rpc_program high = {
    .program = PROGRAM, .version = 4, .procedures = procedures, .procedure_count = PROCEDURES};
static const struct rpc_program *const programs[] = {&high, &low};
static const struct rpc_service service = {.programs = programs, .program_count = 2};

/* ---- messages by hand ---------------------------------------------------------------------- */

struct bytes {
    uint8_t data[4096];
    size_t size;
};

static void put(struct bytes *bytes, uint32_t value)
{
    value = htonl(value);
    memcpy(bytes->data + bytes->size, &value, 4);
    bytes->size += 4;
}

static void put_all(struct bytes *bytes, const uint32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(bytes, values[i]);
    }
}

/* Everything of a call behind its record mark; AUTH_NONE. */
static struct bytes call_of(uint32_t xid, uint32_t program, uint32_t version, uint32_t procedure)
{
    struct bytes bytes = {.size = 0};
    const uint32_t head[] = {xid, CALL, 2, program, version, procedure, 0, 0, 0, 0};
    put_all(&bytes, head, sizeof head / sizeof *head);
    return bytes;
}

static struct bytes echo_of(uint32_t xid, uint32_t value)
{
    struct bytes bytes = call_of(xid, PROGRAM, 2, ECHO);
    put(&bytes, value);
    return bytes;
}

static void append_record(struct bytes *stream, const struct bytes *record)
{
    put(stream, LAST | (uint32_t)record->size);
    memcpy(stream->data + stream->size, record->data, record->size);
    stream->size += record->size;
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(tcp_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    struct timeval patience = {.tv_sec = 30};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_all(int fd, const void *data, size_t size)
{
    CU_ASSERT_EQUAL_FATAL(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void send_record(int fd, const struct bytes *record)
{
    struct bytes stream = {.size = 0};
    append_record(&stream, record);
    send_all(fd, stream.data, stream.size);
}

/* Receive one record; false when the connection has ended. */
static bool receive_record(int fd, struct bytes *out_record)
{
    uint32_t mark;
    if (recv(fd, &mark, 4, MSG_WAITALL) != 4) {
        return false;
    }
    mark = ntohl(mark);
    CU_ASSERT_FATAL((mark & LAST) && (mark & ~LAST) <= sizeof out_record->data);
    out_record->size = mark & ~LAST;
    return recv(fd, out_record->data, out_record->size, MSG_WAITALL) == (ssize_t)out_record->size;
}

static uint32_t word(const struct bytes *bytes, size_t index)
{
    uint32_t value = 0;
    CU_ASSERT_FATAL(index * 4 + 4 <= bytes->size);
    memcpy(&value, bytes->data + index * 4, 4);
    return ntohl(value);
}

/* The reply must be exactly these words. */
static void expect_words(const struct bytes *reply, const uint32_t *words, size_t count)
{
    CU_ASSERT_EQUAL_FATAL(reply->size, count * 4);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(word(reply, i), words[i]);
    }
}

#define EXPECT(reply, ...)                                                                         \
    expect_words(reply, (const uint32_t[]){__VA_ARGS__},                                           \
                 sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void expect_echo(int fd, uint32_t xid, uint32_t value)
{
    struct bytes reply;
    CU_ASSERT_FATAL(receive_record(fd, &reply));
    EXPECT(&reply, xid, REPLY, MSG_ACCEPTED, 0, 0, SUCCESS, value);
}

static void expect_closed(int fd)
{
    struct bytes reply;
    CU_ASSERT_FALSE(receive_record(fd, &reply));
    close(fd);
    /* And the server is well. */
    fd = dial();
    struct bytes record = echo_of(1, 2);
    send_record(fd, &record);
    expect_echo(fd, 1, 2);
    close(fd);
}

/* ---- record marking ------------------------------------------------------------------------ */

static void a_record_may_come_byte_by_byte(void)
{
    int fd = dial();
    struct bytes record = echo_of(7, 8), stream = {.size = 0};
    append_record(&stream, &record);
    for (size_t i = 0; i < stream.size; i++) {
        send_all(fd, stream.data + i, 1);
    }
    expect_echo(fd, 7, 8);
    close(fd);
}

static void a_record_may_come_in_fragments_of_one_byte(void)
{
    int fd = dial();
    struct bytes record = echo_of(9, 10), stream = {.size = 0};
    for (size_t i = 0; i < record.size; i++) {
        put(&stream, 1 | (i + 1 == record.size ? LAST : 0));
        stream.data[stream.size++] = record.data[i];
    }
    struct bytes next = echo_of(11, 12);
    append_record(&stream, &next);
    send_all(fd, stream.data, stream.size);
    expect_echo(fd, 9, 10);
    expect_echo(fd, 11, 12);
    /* The last fragment may be empty. */
    stream.size = 0;
    put(&stream, (uint32_t)record.size);
    memcpy(stream.data + stream.size, record.data, record.size);
    stream.size += record.size;
    put(&stream, LAST);
    send_all(fd, stream.data, stream.size);
    expect_echo(fd, 9, 10);
    close(fd);
}

static void many_records_may_come_in_one_segment(void)
{
    int fd = dial();
    struct bytes stream = {.size = 0};
    for (uint32_t i = 0; i < 70; i++) {
        struct bytes record = echo_of(i, i * i);
        append_record(&stream, &record);
    }
    /* The end of the last one comes later. */
    send_all(fd, stream.data, stream.size - 3);
    for (uint32_t i = 0; i < 69; i++) {
        expect_echo(fd, i, i * i);
    }
    send_all(fd, stream.data + stream.size - 3, 3);
    expect_echo(fd, 69, 69 * 69);
    close(fd);
}

/* Records of odd sizes leave those behind them unaligned. */
static void records_may_lie_unaligned(void)
{
    int fd = dial();
    struct bytes stream = {.size = 0};
    struct bytes record = call_of(1, PROGRAM, 2, ECHO);
    record.data[record.size++] = 'x';
    append_record(&stream, &record);
    record = call_of(2, PROGRAM, 2, WHO);
    append_record(&stream, &record);
    send_all(fd, stream.data, stream.size);
    struct bytes reply;
    CU_ASSERT_FATAL(receive_record(fd, &reply));
    CU_ASSERT_EQUAL(reply.size, 25);
    CU_ASSERT_FATAL(receive_record(fd, &reply));
    EXPECT(&reply, 2, REPLY, MSG_ACCEPTED, 0, 0, SUCCESS, 65534, 65534 << 8);
    close(fd);
}

static void large_records_of_every_size_arrive_whole(void)
{
    int fd = dial();
    static uint8_t stream[2 * (16 * 1024 + 64)];
    for (size_t size = 16 * 1024 - 16; size < 16 * 1024 + 16; size += 4) {
        struct bytes head = call_of((uint32_t)size, PROGRAM, 2, ECHO);
        uint32_t mark = htonl(LAST | (uint32_t)size);
        memcpy(stream, &mark, 4);
        memset(stream + 4, (int)(size / 4), size);
        memcpy(stream + 4, head.data, head.size);
        memcpy(stream + 4 + size, stream, 4 + size);
        send_all(fd, stream, 2 * (4 + size));
        for (int i = 0; i < 2; i++) {
            static uint8_t reply[16 * 1024 + 64];
            size_t reply_size = 4 + 24 + size - head.size;
            CU_ASSERT_EQUAL_FATAL(recv(fd, reply, reply_size, MSG_WAITALL), (ssize_t)reply_size);
            CU_ASSERT_EQUAL(memcmp(reply + 28, stream + 4 + head.size, size - head.size), 0);
        }
    }
    close(fd);
}

static void send_mark(int fd, uint32_t mark)
{
    mark = htonl(mark);
    send_all(fd, &mark, 4);
}

static void an_oversized_record_ends_the_connection(void)
{
    int fd = dial();
    send_mark(fd, LAST | (RECORD_SIZE_MAX + 1));
    expect_closed(fd);
    fd = dial();
    send_mark(fd, LAST | 0x7fffffff);
    expect_closed(fd);
}

static void oversized_fragments_end_the_connection(void)
{
    int fd = dial();
    struct bytes record = echo_of(1, 1);
    send_mark(fd, (uint32_t)record.size);
    send_all(fd, record.data, record.size);
    send_mark(fd, LAST | (RECORD_SIZE_MAX - (uint32_t)record.size + 1));
    expect_closed(fd);
}

static void an_empty_fragment_in_the_middle_ends_the_connection(void)
{
    int fd = dial();
    send_mark(fd, 0);
    expect_closed(fd);
}

static void garbage_ends_the_connection(void)
{
    /* Too short; neither call nor reply; a credential above 400 bytes; cut off in the verifier. */
    static const uint32_t messages[][12] = {
        {1, 77},
        {3, 1, 7, 2},
        {11, 1, CALL, 2, PROGRAM, 2, ECHO, 0, 404, 0, 0, 0},
        {9, 1, CALL, 2, PROGRAM, 2, ECHO, 0, 0, 0},
        {11, 1, CALL, 2, PROGRAM, 2, ECHO, 0, 4, 0, 0, 8},
        {3, 1, REPLY, 7},
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        int fd = dial();
        struct bytes record = {.size = 0};
        put_all(&record, messages[i] + 1, messages[i][0]);
        send_record(fd, &record);
        expect_closed(fd);
    }
}

static void a_reply_nobody_waits_for_is_ignored(void)
{
    int fd = dial();
    struct bytes record = {.size = 0};
    static const uint32_t words[] = {5, REPLY, MSG_ACCEPTED, 0, 0, SUCCESS, 1, 2, 3};
    put_all(&record, words, sizeof words / sizeof *words);
    send_record(fd, &record);
    record = echo_of(3, 4);
    send_record(fd, &record);
    expect_echo(fd, 3, 4);
    close(fd);
}

/* ---- rejects ------------------------------------------------------------------------------- */

static void ask(const struct bytes *record, struct bytes *out_reply)
{
    int fd = dial();
    send_record(fd, record);
    CU_ASSERT_FATAL(receive_record(fd, out_reply));
    close(fd);
}

static void what_is_not_served_is_rejected(void)
{
    struct bytes reply;
    struct bytes record = call_of(1, PROGRAM + 1, 2, ECHO);
    ask(&record, &reply);
    EXPECT(&reply, 1, REPLY, MSG_ACCEPTED, 0, 0, PROG_UNAVAIL);
    record = call_of(2, PROGRAM, 3, ECHO);
    ask(&record, &reply);
    EXPECT(&reply, 2, REPLY, MSG_ACCEPTED, 0, 0, PROG_MISMATCH, 2, 4);
    record = call_of(3, PROGRAM, 4, PROCEDURES);
    ask(&record, &reply);
    EXPECT(&reply, 3, REPLY, MSG_ACCEPTED, 0, 0, PROC_UNAVAIL);
    record = call_of(4, PROGRAM, 4, NOTHING);
    ask(&record, &reply);
    EXPECT(&reply, 4, REPLY, MSG_ACCEPTED, 0, 0, PROC_UNAVAIL);
    record = echo_of(5, 0);
    record.data[11] = 3; /* the RPC version */
    ask(&record, &reply);
    EXPECT(&reply, 5, REPLY, MSG_DENIED, RPC_MISMATCH, 2, 2);
}

/* AUTH_SYS with a name of name_size bytes and count groups, cut bytes short, extra bytes long. */
static struct bytes who_of(uint32_t name_size, uint32_t count, uint32_t cut, uint32_t extra)
{
    struct bytes bytes = {.size = 0};
    uint32_t padded = (name_size + 3) & ~3U;
    uint32_t size = 20 + padded + 4 * count - cut + extra;
    const uint32_t head[] = {1, CALL, 2, PROGRAM, 2, WHO, AUTH_SYS, size, 99, name_size};
    put_all(&bytes, head, sizeof head / sizeof *head);
    memset(bytes.data + bytes.size, 'h', padded);
    bytes.size += padded;
    put(&bytes, 1000);
    put(&bytes, 2000);
    put(&bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        put(&bytes, i + 1);
    }
    bytes.size += extra;
    bytes.size -= cut;
    put(&bytes, 0);
    put(&bytes, 0);
    return bytes;
}

static void credentials_are_taken_or_rejected(void)
{
    struct bytes reply;
    struct bytes record = who_of(7, 16, 0, 0);
    ask(&record, &reply);
    EXPECT(&reply, 1, REPLY, MSG_ACCEPTED, 0, 0, SUCCESS, 1000, (2000 << 8 | 16) ^ 16);
    record = who_of(0, 0, 0, 0);
    ask(&record, &reply);
    EXPECT(&reply, 1, REPLY, MSG_ACCEPTED, 0, 0, SUCCESS, 1000, 2000 << 8);
    record = who_of(255, 3, 0, 0);
    ask(&record, &reply);
    EXPECT(&reply, 1, REPLY, MSG_ACCEPTED, 0, 0, SUCCESS, 1000, (2000 << 8 | 3) ^ 3);
    const struct bytes bad[] = {who_of(7, 17, 0, 0), who_of(256, 0, 0, 0), who_of(7, 16, 4, 0),
                                who_of(7, 2, 0, 4)};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask(&bad[i], &reply);
        EXPECT(&reply, 1, REPLY, MSG_DENIED, AUTH_ERROR, AUTH_BADCRED);
    }
    record = call_of(8, PROGRAM, 2, WHO);
    record.data[27] = 6; /* RPCSEC_GSS */
    ask(&record, &reply);
    EXPECT(&reply, 8, REPLY, MSG_DENIED, AUTH_ERROR, AUTH_BADCRED);
}

/* ---- slow peers ---------------------------------------------------------------------------- */

/* Wait until the server has given nothing more for a while. */
static unsigned given_at_rest(void)
{
    unsigned before = atomic_load(&given);
    for (int quiet = 0, i = 0; quiet < 10 && i < 3000; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        unsigned now = atomic_load(&given);
        quiet = now == before ? quiet + 1 : 0;
        before = now;
    }
    return before;
}

static void who_does_not_read_is_not_read_and_loses_nothing(void)
{
    int fd = dial();
    struct bytes record = call_of(1, PROGRAM, 2, GIVE);
    const unsigned count = 150;
    unsigned before = atomic_load(&given);
    for (unsigned i = 0; i < count; i++) {
        send_record(fd, &record);
    }
    unsigned served = given_at_rest() - before;
    CU_ASSERT(served >= SEND_QUEUE_MAX / BULK_SIZE);
    CU_ASSERT(served <= SEND_QUEUE_MAX / BULK_SIZE + 16);
    uint8_t *reply = malloc(BULK_SIZE + 32);
    for (unsigned i = 0; i < count; i++) {
        ssize_t size = recv(fd, reply, BULK_SIZE + 32, MSG_WAITALL);
        CU_ASSERT_EQUAL_FATAL(size, (ssize_t)BULK_SIZE + 32);
        CU_ASSERT_EQUAL(memcmp(reply + 32, bulk_bytes, BULK_SIZE), 0);
    }
    free(reply);
    CU_ASSERT_EQUAL(atomic_load(&given) - before, count);
    record = echo_of(5, 6);
    send_record(fd, &record);
    expect_echo(fd, 5, 6);
    close(fd);
}

static void who_goes_away_without_reading_harms_nobody(void)
{
    for (int i = 0; i < 20; i++) {
        int fd = dial();
        struct bytes record = call_of(1, PROGRAM, 2, GIVE), stream = {.size = 0};
        for (int k = 0; k < 20; k++) {
            append_record(&stream, &record);
        }
        send_all(fd, stream.data, stream.size);
        close(fd);
    }
    int fd = dial();
    struct bytes record = echo_of(1, 2);
    send_record(fd, &record);
    expect_echo(fd, 1, 2);
    close(fd);
}

/* ---- datagrams ----------------------------------------------------------------------------- */

static void udp_ask(int fd, const struct bytes *record, struct bytes *out_reply)
{
    CU_ASSERT_EQUAL_FATAL(send(fd, record->data, record->size, 0), (ssize_t)record->size);
    ssize_t size = recv(fd, out_reply->data, sizeof out_reply->data, 0);
    CU_ASSERT_FATAL(size > 0);
    out_reply->size = (size_t)size;
}

static void udp_test(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 30},
               sizeof(struct timeval));
    struct bytes reply, record;
    /* Garbage gets no answer: the first one that comes is the echo's. */
    static const uint8_t garbage[] =
        "not a call at all, but sixty or so bytes of plain English text";
    CU_ASSERT(send(fd, garbage, sizeof garbage, 0) > 0);
    CU_ASSERT(send(fd, garbage, 3, 0) > 0);
    CU_ASSERT(send(fd, garbage, 0, 0) == 0);
    for (uint32_t i = 0; i < 1000; i++) {
        record = echo_of(i, i + 1);
        udp_ask(fd, &record, &reply);
        EXPECT(&reply, i, REPLY, MSG_ACCEPTED, 0, 0, SUCCESS, i + 1);
    }
    record = call_of(3, PROGRAM + 1, 4, PROCEDURES);
    udp_ask(fd, &record, &reply);
    EXPECT(&reply, 3, REPLY, MSG_ACCEPTED, 0, 0, PROG_UNAVAIL);
    close(fd);
}

static void datagrams_are_answered(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(udp_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
    /* Connected: an answer from another address than the one asked would not be received. */
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    udp_test(fd);
}

static void datagrams_are_answered_over_ipv6(void)
{
    if (udp6_port == 0) {
        return; /* a machine without IPv6 */
    }
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_port = htons(udp6_port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    udp_test(fd);
}

/* ---- main ---------------------------------------------------------------------------------- */

static int set_up(void)
{
    for (size_t i = 0; i < sizeof bulk_bytes; i++) {
        bulk_bytes[i] = (uint8_t)(i * 7 + i / 251);
    }
    int result = rpc_loop_new(2, 0, &loop) ||
                 rpc_listen_tcp(loop, "127.0.0.1", 0, &service, &tcp_port) ||
                 rpc_listen_udp(loop, "0.0.0.0", 0, &service, &udp_port) || rpc_loop_start(loop);
    if (result == 0 && rpc_listen_udp(loop, "::1", 0, &service, &udp6_port) < 0) {
        udp6_port = 0;
    }
    return result;
}

static int tear_down(void)
{
    rpc_loop_free(loop);
    return 0;
}

int main(void)
{
    static CU_TestInfo tests[] = {
        {"a record may come byte by byte", a_record_may_come_byte_by_byte},
        {"a record may come in fragments", a_record_may_come_in_fragments_of_one_byte},
        {"many records may come in one segment", many_records_may_come_in_one_segment},
        {"records may lie unaligned", records_may_lie_unaligned},
        {"large records arrive whole", large_records_of_every_size_arrive_whole},
        {"an oversized record ends the connection", an_oversized_record_ends_the_connection},
        {"oversized fragments end the connection", oversized_fragments_end_the_connection},
        {"an empty fragment ends the connection",
         an_empty_fragment_in_the_middle_ends_the_connection},
        {"garbage ends the connection", garbage_ends_the_connection},
        {"a reply nobody waits for is ignored", a_reply_nobody_waits_for_is_ignored},
        {"what is not served is rejected", what_is_not_served_is_rejected},
        {"credentials are taken or rejected", credentials_are_taken_or_rejected},
        {"who does not read is not read", who_does_not_read_is_not_read_and_loses_nothing},
        {"who goes away harms nobody", who_goes_away_without_reading_harms_nobody},
        {"datagrams are answered", datagrams_are_answered},
        {"datagrams are answered over IPv6", datagrams_are_answered_over_ipv6},
        CU_TEST_INFO_NULL,
    };
    static CU_SuiteInfo suites[] = {
        {.pName = "rpc on the wire",
         .pInitFunc = set_up,
         .pCleanupFunc = tear_down,
         .pTests = tests},
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
