/*
 * The MOUNT program: version 3, and version 1 but for its MNT, whose handles of 32 bytes are NFS
 * version 2's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_MOUNT_H
#define TRIVET_NFS3_MOUNT_H

#include "backend/rpc/rpc.h"
#include "frontends/nfs3/exports.h"

struct mount;

#define MOUNT_PROGRAMS 2

/* Owns: exports stays the caller's and outlives the program. */
int mount_new(const struct exports *exports, struct mount **out_mount);
/* For rpc_service; index below MOUNT_PROGRAMS. */
const struct rpc_program *mount_program(const struct mount *mount, size_t index);
/* As nfs3_stop, nfs3_drain, nfs3_free. */
void mount_stop(struct mount *mount);
void mount_drain(struct mount *mount);
void mount_free(struct mount *mount);

#endif
