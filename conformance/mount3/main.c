/*
 * mount3-suite: the MOUNT protocol as RFC 1813 has it, at any server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/mount3/mount3.h"

int main(int argc, char **argv)
{
    static const struct suite_group *const groups[] = {
        &mount_null,          &mount_mnt_group,    &mount_dump_group, &mount_umnt_group,
        &mount_umntall_group, &mount_export_group, &mount_1_group,
    };
    static const struct suite suite = {
        .name = "mount3-suite",
        .title = "MOUNT version 3 (RFC 1813 section 5) and version 1",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .start = mount3_start,
        .stop = mount3_stop,
        .case_begin = mount3_case_begin,
        .case_end = mount3_case_end,
    };
    return suite_main(&suite, argc, argv);
}
