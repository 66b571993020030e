/*
 * MOUNT version 1 (RFC 1094 appendix A), which many clients use for DUMP, UMNT and EXPORT whatever
 * version they mounted by: showmount and umount for two.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/mount3/mount3.h"

enum { NULL_1, MNT_1, DUMP_1, UMNT_1, UMNTALL_1, EXPORT_1, EXPORTALL_1 };

static struct wire_answer good(uint32_t procedure, const char *path)
{
    struct wire_answer answer = mount_call(WIRE_TCP, 1, procedure, path, true);
    CHECK_EQUAL(answer.reply_stat, MSG_ACCEPTED);
    CHECK_EQUAL(answer.stat, SUCCESS);
    return answer;
}

static void null(void)
{
    CHECK_EQUAL(good(NULL_1, NULL).size, 0);
}

/* Its handles are version 2's: a server without NFS version 2 has none to give. */
static void mnt(void)
{
    struct wire_answer answer = mount_call(WIRE_TCP, 1, MNT_1, suite_options.export, true);
    CHECK_EQUAL(answer.reply_stat, MSG_ACCEPTED);
    if (answer.stat == SUCCESS) {
        bool is_ok = answer.size >= 4 && memcmp(answer.body, "\0\0\0", 4) == 0;
        CHECK(!is_ok || answer.size == 4 + FHSIZE);
    } else {
        CHECK_EQUAL(answer.stat, PROC_UNAVAIL);
    }
}

static void dump_and_umnt(void)
{
    mount_umntall();
    (void)mount_mnt(suite_options.export);
    struct wire_answer answer = good(DUMP_1, NULL);
    mountlist *list = keep_decode((zdrproc_t)(void (*)(void))zdr_mountlist, sizeof(mountlist),
                                  answer.body, answer.size);
    CHECK(list && times_mounted(*list, suite_options.export) == 1);
    CHECK_EQUAL(good(UMNT_1, suite_options.export).size, 0);
    CHECK_EQUAL(times_mounted(mount_dump(), suite_options.export), 0);
}

static void umntall(void)
{
    (void)mount_mnt(suite_options.export);
    CHECK_EQUAL(good(UMNTALL_1, NULL).size, 0);
    CHECK_EQUAL(times_mounted(mount_dump(), suite_options.export), 0);
}

static void export_list(void)
{
    struct wire_answer answer = good(EXPORT_1, NULL);
    exports *list = keep_decode((zdrproc_t)(void (*)(void))zdr_exports, sizeof(exports),
                                answer.body, answer.size);
    CHECK(list && export_named(*list, suite_options.export));
}

/* EXPORTALL is EXPORT once more. */
static void exportall(void)
{
    struct wire_answer answer = mount_call(WIRE_TCP, 1, EXPORTALL_1, NULL, true);
    CHECK(answer.stat == SUCCESS || answer.stat == PROC_UNAVAIL);
}

static void by_datagram(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    CHECK_EQUAL(mount_call(WIRE_UDP, 1, DUMP_1, NULL, true).stat, SUCCESS);
    CHECK_EQUAL(mount_call(WIRE_UDP, 1, EXPORT_1, NULL, true).stat, SUCCESS);
}

static const struct suite_case cases[] = {
    {"1094.A.null", "", null},
    {"1094.A.mnt", "", mnt},
    {"1094.A.dump-and-umnt", "", dump_and_umnt},
    {"1094.A.umntall", "", umntall},
    {"1094.A.export", "", export_list},
    {"1094.A.exportall", "", exportall},
    {"1094.A.by-datagram", "", by_datagram},
};

const struct suite_group mount_1_group = {"version 1", NULL, cases, sizeof cases / sizeof cases[0]};
