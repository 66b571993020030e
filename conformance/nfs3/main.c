/*
 * nfs3-suite: NFS version 3 as RFC 1813 has it, at any server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

int main(int argc, char **argv)
{
    static const struct suite_group *const groups[] = {
        &proc_null,     &proc_getattr, &proc_setattr,     &proc_lookup, &proc_access,
        &proc_readlink, &proc_read,    &proc_write,       &proc_create, &proc_mkdir,
        &proc_symlink,  &proc_mknod,   &proc_remove,      &proc_rmdir,  &proc_rename,
        &proc_link,     &proc_readdir, &proc_readdirplus, &proc_fsstat, &proc_fsinfo,
        &proc_pathconf, &proc_commit,  &exports_group,
    };
    static const struct suite suite = {
        .name = "nfs3-suite",
        .title = "NFS version 3 (RFC 1813 section 3)",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .start = nfs3_start,
        .stop = nfs3_stop,
        .case_begin = nfs3_case_begin,
        .case_end = nfs3_case_end,
    };
    return suite_main(&suite, argc, argv);
}
