/*
 * EXPORT: RFC 1813 section 5.2.5.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/mount3/mount3.h"

static void lists_ours(void)
{
    CHECK(export_named(mount_exports(), suite_options.export) != NULL);
}

/* An export that is not for everybody names whom it is for. */
static void lists_clients(void)
{
    if (suite_lacks(!suite_options.refused, "no --refused export is given")) {
        return;
    }
    exports one = export_named(mount_exports(), suite_options.refused);
    if (suite_lacks(!one, "this server does not list what is not for the caller")) {
        return;
    }
    CHECK(one->ex_groups != NULL);
    groupnode group;
    memcpy(&group, one->ex_groups, sizeof group);
    CHECK(group.gr_name[0] != '\0');
}

static void lists_each_once(void)
{
    exports list = mount_exports();
    while (list) {
        exportnode one;
        memcpy(&one, list, sizeof one);
        CHECK(!one.ex_next || !export_named(one.ex_next, one.ex_dir));
        list = one.ex_next;
    }
}

static void by_datagram(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    struct wire_answer answer = mount_call(WIRE_UDP, 3, MOUNT3_EXPORT, NULL, true);
    CHECK_EQUAL(answer.stat, SUCCESS);
    CHECK(answer.size > 4);
}

static const struct suite_case cases[] = {
    {"5.2.5.lists-ours", "OK", lists_ours},
    {"5.2.5.lists-clients", "OK", lists_clients},
    {"5.2.5.lists-each-once", "OK", lists_each_once},
    {"5.2.5.by-datagram", "", by_datagram},
};

SUITE_GROUP(mount_export_group, "EXPORT", "", cases);
