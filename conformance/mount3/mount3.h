/*
 * MOUNT, versions 3 and 1, for the cases.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_MOUNT3_H
#define TRIVET_CONFORMANCE_MOUNT3_H

#include <nfsc/libnfs-zdr.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include "conformance/lib/keep.h"
#include "conformance/lib/suite.h"
#include "conformance/lib/wire.h"

bool mount3_start(void);
void mount3_stop(void);
void mount3_case_begin(void);
void mount3_case_end(void);

/* ---- through libnfs, version 3, as root; the result lives until the case ends ---------------- */

mountres3 *mount_mnt(const char *path);
mountlist mount_dump(void);
void mount_umnt(const char *path);
void mount_umntall(void);
exports mount_exports(void);

/* ---- byte by byte ---------------------------------------------------------------------------- */

/* A call with path as its argument (NULL: none); the answer is valid until the next one. */
struct wire_answer mount_call(enum wire_kind kind, uint32_t version, uint32_t procedure,
                              const char *path, bool is_privileged);

/* ---- checking -------------------------------------------------------------------------------- */

const char *mount_status_name(int status);
#define STATUS(result, wanted)                                                                     \
    suite_check((int)(result)->fhs_status == (int)(wanted), __FILE__, __LINE__,                    \
                "the answer is %s (%d), not %s", mount_status_name((int)(result)->fhs_status),     \
                (int)(result)->fhs_status, mount_status_name((int)(wanted)))

/* Mounts of directory that DUMP lists. */
unsigned times_mounted(mountlist list, const char *directory);
/* The export of that path, or NULL. */
exports export_named(exports list, const char *path);
/* The export's path with more behind it. */
char *below_export(const char *more);
/* Make or remove, over NFS, what MNT is tried with: "conformance-dir" with a file in it. */
void make_tree(void);

extern const struct suite_group mount_null, mount_mnt_group, mount_dump_group, mount_umnt_group,
    mount_umntall_group, mount_export_group, mount_1_group;

#endif
