/*
 * NULL, and what is below all procedures: RFC 1813 section 5.2.0, RFC 5531.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/mount3/mount3.h"

static void answers(void)
{
    struct wire_answer answer = mount_call(WIRE_TCP, 3, MOUNT3_NULL, NULL, true);
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
    CHECK_EQUAL(mount_call(WIRE_UDP, 3, MOUNT3_NULL, NULL, true).stat, SUCCESS);
}

static void unknown_procedure(void)
{
    CHECK_EQUAL(mount_call(WIRE_TCP, 3, 6, NULL, true).stat, PROC_UNAVAIL);
    CHECK_EQUAL(mount_call(WIRE_TCP, 3, 99, NULL, true).stat, PROC_UNAVAIL);
}

static void unknown_version(void)
{
    struct wire_answer answer = mount_call(WIRE_TCP, 17, MOUNT3_NULL, NULL, true);
    CHECK_EQUAL(answer.stat, PROG_MISMATCH);
    CHECK(answer.low <= 3 && answer.high >= 3);
}

static void garbage(void)
{
    /* MNT needs a path. */
    CHECK_EQUAL(mount_call(WIRE_TCP, 3, MOUNT3_MNT, NULL, true).stat, GARBAGE_ARGS);
}

static const struct suite_case cases[] = {
    {"5.2.0.answers", "OK", answers},
    {"5.2.0.answers-udp", "", answers_udp},
    {"5.2.0.unknown-procedure", "", unknown_procedure},
    {"5.2.0.unknown-version", "", unknown_version},
    {"5.2.0.garbage-arguments", "", garbage},
};

SUITE_GROUP(mount_null, "NULL", "", cases);
