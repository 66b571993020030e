/*
 * The NFS version 3 program over the volumes of a set of exports.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_DISPATCH_H
#define TRIVET_NFS3_DISPATCH_H

#include "backend/rpc/rpc.h"
#include "frontends/nfs3/exports.h"

struct nfs3;

/* Owns: exports stays the caller's and outlives the program. */
int nfs3_new(const struct exports *exports, struct nfs3 **out_nfs3);
/* For rpc_service; the program's as long as it lives. */
const struct rpc_program *nfs3_program(const struct nfs3 *nfs3);
/* From now on calls that are still open are dropped, not answered, as their volume gives up. */
void nfs3_stop(struct nfs3 *nfs3);
/* Wait until no call is open. */
void nfs3_drain(struct nfs3 *nfs3);
void nfs3_free(struct nfs3 *nfs3);

#endif
