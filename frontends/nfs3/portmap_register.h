/*
 * The machine's own portmapper or rpcbind, as its client.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_PORTMAP_REGISTER_H
#define TRIVET_NFS3_PORTMAP_REGISTER_H

#include <stddef.h>
#include "frontends/nfs3/portmap.h"

/*
 * Is there a portmapper on port? True also if something else that is no portmapper holds the port;
 * registering then fails and says so. Blocks up to a second; not on a loop thread.
 */
bool portmap_is_there(struct rpc_loop *loop, uint16_t port);

/*
 * Register entries: over rpcbind's Unix socket, which tells it who we are (port 111 only), or over
 * loopback TCP. What a server that is gone has left registered is replaced. Blocks for up to a few
 * seconds; not on a loop thread.
 *
 * Fails: -EEXIST: another server that answers has registered one of the programs; -EACCES: the
 *        portmapper refuses; -E_CONNECTION_LOST, -ETIMEDOUT. out_error then has a sentence.
 */
int portmap_register(struct rpc_loop *loop, uint16_t port, const struct portmap_entry *entries,
                     size_t count, char *out_error, size_t size);

/* Take the registrations back, as far as possible. */
void portmap_unregister(struct rpc_loop *loop, uint16_t port, const struct portmap_entry *entries,
                        size_t count);

#endif
