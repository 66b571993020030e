/*
 * UMNT: RFC 1813 section 5.2.3.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/mount3/mount3.h"

static void ends_one(void)
{
    make_tree();
    mount_umntall();
    (void)mount_mnt(suite_options.export);
    (void)mount_mnt(below_export("/conformance-dir"));
    mount_umnt(suite_options.export);
    mountlist list = mount_dump();
    CHECK_EQUAL(times_mounted(list, suite_options.export), 0);
    CHECK_EQUAL(times_mounted(list, below_export("/conformance-dir")), 1);
}

static void what_is_not_mounted(void)
{
    mount_umntall();
    mount_umnt("/no/such/export");
    mount_umnt(suite_options.export);
    CHECK_EQUAL(times_mounted(mount_dump(), suite_options.export), 0);
}

/* The list informs only: the handle stays good, so another MNT tells the same. */
static void handle_stays(void)
{
    mountres3 *one = mount_mnt(suite_options.export);
    STATUS(one, MNT3_OK);
    mount_umnt(suite_options.export);
    STATUS(mount_mnt(suite_options.export), MNT3_OK);
}

static void by_datagram(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    (void)mount_mnt(suite_options.export);
    struct wire_answer answer = mount_call(WIRE_UDP, 3, MOUNT3_UMNT, suite_options.export, true);
    CHECK_EQUAL(answer.stat, SUCCESS);
    CHECK_EQUAL(answer.size, 0);
    CHECK_EQUAL(times_mounted(mount_dump(), suite_options.export), 0);
}

static const struct suite_case cases[] = {
    {"5.2.3.ends-one", "OK", ends_one},
    {"5.2.3.what-is-not-mounted", "OK", what_is_not_mounted},
    {"5.2.3.handle-stays", "OK", handle_stays},
    {"5.2.3.by-datagram", "", by_datagram},
};

SUITE_GROUP(mount_umnt_group, "UMNT", "", cases);
