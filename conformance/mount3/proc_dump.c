/*
 * DUMP: RFC 1813 section 5.2.2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/mount3/mount3.h"

static void lists_mounts(void)
{
    mount_umntall();
    (void)mount_mnt(suite_options.export);
    mountlist list = mount_dump();
    CHECK_EQUAL(times_mounted(list, suite_options.export), 1);
}

static void lists_once(void)
{
    mount_umntall();
    (void)mount_mnt(suite_options.export);
    (void)mount_mnt(suite_options.export);
    CHECK_EQUAL(times_mounted(mount_dump(), suite_options.export), 1);
}

static void lists_directories_below(void)
{
    make_tree();
    mount_umntall();
    (void)mount_mnt(below_export("/conformance-dir"));
    mountlist list = mount_dump();
    CHECK_EQUAL(times_mounted(list, below_export("/conformance-dir")), 1);
    CHECK_EQUAL(times_mounted(list, suite_options.export), 0);
}

static void lists_no_failures(void)
{
    mount_umntall();
    (void)mount_mnt("/no/such/export");
    CHECK_EQUAL(times_mounted(mount_dump(), "/no/such/export"), 0);
}

static void by_datagram(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    CHECK_EQUAL(mount_call(WIRE_UDP, 3, MOUNT3_DUMP, NULL, true).stat, SUCCESS);
}

static const struct suite_case cases[] = {
    {"5.2.2.lists-mounts", "OK", lists_mounts},
    {"5.2.2.lists-once", "OK", lists_once},
    {"5.2.2.lists-directories-below", "OK", lists_directories_below},
    {"5.2.2.lists-no-failures", "OK", lists_no_failures},
    {"5.2.2.by-datagram", "", by_datagram},
};

SUITE_GROUP(mount_dump_group, "DUMP", "", cases);
