/*
 * The volume API's codes as NFS's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_STATUS_H
#define TRIVET_NFS3_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include "frontends/nfs3/nfs3.h"

/* What a client is told for a code (0 or negative) that ended procedure. Any code is answered;
 * NFS3ERR_IO is for those that have no better name there. Threads: any. */
enum nfsstat3 nfs3_status(uint32_t procedure, int code);

/* May procedure answer with status? */
bool nfs3_status_is_allowed(uint32_t procedure, enum nfsstat3 status);

#endif
