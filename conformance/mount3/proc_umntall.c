/*
 * UMNTALL: RFC 1813 section 5.2.4.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/mount3/mount3.h"

static void ends_all(void)
{
    make_tree();
    (void)mount_mnt(suite_options.export);
    (void)mount_mnt(below_export("/conformance-dir"));
    mount_umntall();
    mountlist list = mount_dump();
    CHECK_EQUAL(times_mounted(list, suite_options.export), 0);
    CHECK_EQUAL(times_mounted(list, below_export("/conformance-dir")), 0);
}

static void without_any(void)
{
    mount_umntall();
    mount_umntall();
}

static void by_datagram(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    struct wire_answer answer = mount_call(WIRE_UDP, 3, MOUNT3_UMNTALL, NULL, true);
    CHECK_EQUAL(answer.stat, SUCCESS);
    CHECK_EQUAL(answer.size, 0);
}

static const struct suite_case cases[] = {
    {"5.2.4.ends-all", "OK", ends_all},
    {"5.2.4.without-any", "OK", without_any},
    {"5.2.4.by-datagram", "", by_datagram},
};

SUITE_GROUP(mount_umntall_group, "UMNTALL", "", cases);
