/*
 * NULL, and what is below all procedures: RFC 1813 section 3.3.0, RFC 5531.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/nfs3/procedures.h"

/* A call as root with no arguments, on a connection of its own. */
static struct wire_answer answer_of(enum wire_kind kind, struct wire_call call)
{
    struct wire wire;
    struct wire_answer answer = {0};
    call.program = call.program ? call.program : PROGRAM_NFS;
    call.version = call.version ? call.version : 3;
    CHECK(wire_open(&wire, kind, wire_port(PROGRAM_NFS, 3, kind), true));
    bool came = wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came);
    return answer;
}

static void answers(void)
{
    suite_saw("NULL", "");
    struct wire_answer answer = answer_of(WIRE_TCP, (struct wire_call){0});
    CHECK_EQUAL(answer.reply_stat, MSG_ACCEPTED);
    CHECK_EQUAL(answer.stat, SUCCESS);
    CHECK_EQUAL(answer.size, 0);
    suite_saw("NULL", "OK");
}

static void answers_udp(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    struct wire_answer answer = answer_of(WIRE_UDP, (struct wire_call){0});
    CHECK_EQUAL(answer.stat, SUCCESS);
    CHECK_EQUAL(answer.size, 0);
}

static void unix_credentials(void)
{
    struct caller caller = {.flavor = AUTH_UNIX, .uid = 7, .gid = 7, .group_count = 16};
    struct wire_answer answer = answer_of(WIRE_TCP, (struct wire_call){.caller = caller});
    CHECK_EQUAL(answer.stat, SUCCESS);
}

static void unknown_procedure(void)
{
    struct wire_answer answer = answer_of(WIRE_TCP, (struct wire_call){.procedure = 22});
    CHECK_EQUAL(answer.reply_stat, MSG_ACCEPTED);
    CHECK_EQUAL(answer.stat, PROC_UNAVAIL);
    answer = answer_of(WIRE_TCP, (struct wire_call){.procedure = 0xffffffff});
    CHECK_EQUAL(answer.stat, PROC_UNAVAIL);
}

static void unknown_version(void)
{
    struct wire_answer answer = answer_of(WIRE_TCP, (struct wire_call){.version = 17});
    CHECK_EQUAL(answer.reply_stat, MSG_ACCEPTED);
    CHECK_EQUAL(answer.stat, PROG_MISMATCH);
    CHECK(answer.low <= 3 && answer.high >= 3);
}

static void unknown_program(void)
{
    struct wire_answer answer = answer_of(WIRE_TCP, (struct wire_call){.program = 399999});
    CHECK_EQUAL(answer.reply_stat, MSG_ACCEPTED);
    CHECK_EQUAL(answer.stat, PROG_UNAVAIL);
}

static void rpc_version(void)
{
    struct wire_answer answer = answer_of(WIRE_TCP, (struct wire_call){.rpc_version = 3});
    CHECK_EQUAL(answer.reply_stat, MSG_DENIED);
    CHECK_EQUAL(answer.stat, RPC_MISMATCH);
    CHECK_EQUAL(answer.low, 2);
    CHECK_EQUAL(answer.high, 2);
}

static void garbage(void)
{
    static const uint8_t too_short[3 * 4] = {0, 0, 0, 64, 1, 2, 3, 4};
    struct wire_answer answer =
        answer_of(WIRE_TCP, (struct wire_call){.procedure = NFS3_GETATTR,
                                               .caller = {.flavor = AUTH_UNIX},
                                               .body = too_short,
                                               .size = sizeof too_short});
    CHECK_EQUAL(answer.reply_stat, MSG_ACCEPTED);
    CHECK_EQUAL(answer.stat, GARBAGE_ARGS);
}

/* Many calls in flight on one connection: every one is answered, whatever the order. */
static void pipelined(void)
{
    enum { CALLS = 100 };
    bool came[CALLS] = {false};
    struct wire wire;
    CHECK(wire_open(&wire, WIRE_TCP, wire_port(PROGRAM_NFS, 3, WIRE_TCP), true));
    struct wire_call call = {.program = PROGRAM_NFS,
                             .version = 3,
                             .procedure = NFS3_GETATTR,
                             .caller = {.flavor = AUTH_UNIX}};
    GETATTR3args args = {.object = *export_root()};
    wire_body(&call, arguments_proc(NFS3_GETATTR), &args);
    bool is_sent = true;
    for (uint32_t i = 0; i < CALLS && is_sent; i++) {
        call.xid = 0x10000000u + i;
        is_sent = wire_send(&wire, &call);
    }
    unsigned answers = 0;
    struct wire_answer answer;
    while (is_sent && answers < CALLS && wire_receive(&wire, &answer)) {
        uint32_t index = answer.xid - 0x10000000u;
        if (index < CALLS && !came[index]) {
            came[index] = true;
            answers++;
        }
    }
    wire_close(&wire);
    CHECK_EQUAL(answers, CALLS);
}

static const struct suite_case cases[] = {
    {"3.3.0.answers", "OK", answers},
    {"3.3.0.answers-udp", "", answers_udp},
    {"3.3.0.unix-credentials", "", unix_credentials},
    {"3.3.0.unknown-procedure", "", unknown_procedure},
    {"3.3.0.unknown-version", "", unknown_version},
    {"3.3.0.unknown-program", "", unknown_program},
    {"3.3.0.rpc-version", "", rpc_version},
    {"3.3.0.garbage-arguments", "", garbage},
    {"3.3.0.pipelined", "", pipelined},
};

SUITE_GROUP(proc_null, "NULL", "", cases);
