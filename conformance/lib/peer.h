/*
 * A server as libnfs sees it: one connection over TCP, one call at a time, with the answers kept
 * until the case ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_PEER_H
#define TRIVET_CONFORMANCE_PEER_H

#include "conformance/lib/suite.h"
#include "conformance/lib/wire.h"

struct peer;

/* Connect to a program; NULL: it said why not. libnfs takes a privileged source port if it may. */
struct peer *peer_open(uint32_t program, uint32_t version);
void peer_close(struct peer *peer);

/* A call of libnfs's, with its own type of arguments. */
typedef int peer_starter(void *rpc, void *callback, void *arguments, void *context);

/*
 * Call as caller and wait. The result lives until the case ends. NULL: the call was not answered
 * with a result; peer_error then says what came.
 */
void *peer_call(struct peer *peer, const struct caller *caller, peer_starter *start,
                void *arguments, zdrproc_t proc, size_t result_size);
const char *peer_error(const struct peer *peer);

#endif
