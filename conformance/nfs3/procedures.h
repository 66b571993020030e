/*
 * The groups of cases, one per procedure, in the order of RFC 1813.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_PROCEDURES_H
#define TRIVET_CONFORMANCE_PROCEDURES_H

#include "conformance/nfs3/nfs3.h"

extern const struct suite_group proc_null, proc_getattr, proc_setattr, proc_lookup, proc_access,
    proc_readlink, proc_read, proc_write, proc_create, proc_mkdir, proc_symlink, proc_mknod,
    proc_remove, proc_rmdir, proc_rename, proc_link, proc_readdir, proc_readdirplus, proc_fsstat,
    proc_fsinfo, proc_pathconf, proc_commit, exports_group;

#endif
