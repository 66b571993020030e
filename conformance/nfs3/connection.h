/*
 * The suite's connection, between the files that know of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_NFS3_CONNECTION_H
#define TRIVET_CONFORMANCE_NFS3_CONNECTION_H

#include "conformance/lib/peer.h"
#include "conformance/nfs3/nfs3.h"

/* To NFS; one that was lost is made anew. */
struct peer *connection(void);
void connection_renew(void);

#endif
